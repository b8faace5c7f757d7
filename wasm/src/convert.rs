//! Core's values as JavaScript's.

use coffer_core::{
    manifest::{FileEntry, Manifest},
    preview::Page,
    rows::shown::Shown,
    seal::{Lock, Sender},
};
use js_sys::{BigInt, Reflect};
use serde::Serialize;
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::{JsCast, JsValue};

use crate::failure::Failure;

/// The largest integer up to which JavaScript's numbers are exact.
const MAX_SAFE: i64 = (1 << 53) - 1;

/// Plain objects, arrays, strings and numbers. An integer that a number can't hold exactly is an error.
pub(crate) fn to_js(value: &impl Serialize) -> Result<JsValue, Failure> {
    value
        .serialize(&Serializer::json_compatible())
        .map_err(|_| {
            Failure::new(
                "out_of_range",
                "A figure in this archive is larger than a browser can show exactly. Nothing was changed; use the command line.",
            )
        })
}

/// A size as JavaScript's number: no file has 2^53 bytes.
pub(crate) const fn number(value: u64) -> f64 {
    value as f64
}

/// JavaScript's number as a count.
pub(crate) fn count(value: f64) -> Result<u64, Failure> {
    if value >= 0.0 && value <= MAX_SAFE as f64 && value.fract() == 0.0 {
        Ok(value as u64)
    } else {
        Err(Failure::new(
            "out_of_range",
            "A count must be a whole number that is not negative; this is a defect of the page, please report it.",
        ))
    }
}

/// The manifest, with its own field names. A sequence may well stand beyond what a number holds exactly, and is then a
/// `BigInt`; nothing else may.
pub(crate) fn manifest(manifest: &Manifest) -> Result<JsValue, Failure> {
    let large: Vec<(u32, i64)> = (0..)
        .zip(&manifest.sequences)
        .filter(|(_, sequence)| sequence.last_value.unsigned_abs() > MAX_SAFE.unsigned_abs())
        .map(|(index, sequence)| (index, sequence.last_value))
        .collect();
    if large.is_empty() {
        return to_js(manifest);
    }
    let mut small = manifest.clone();
    for (index, _) in &large {
        if let Some(sequence) = small.sequences.get_mut(*index as usize) {
            sequence.last_value = 0;
        }
    }
    let object = to_js(&small)?;
    let set = || -> Result<(), JsValue> {
        let sequences = Reflect::get(&object, &"sequences".into())?;
        for (index, value) in large {
            let sequence = Reflect::get_u32(sequences.unchecked_ref(), index)?;
            Reflect::set(&sequence, &"last_value".into(), &BigInt::from(value).into())?;
        }
        Ok(())
    };
    set().map_err(|_| {
        Failure::new(
            "out_of_range",
            "A sequence of this archive could not be shown. Nothing was changed.",
        )
    })?;
    Ok(object)
}

#[derive(Serialize)]
struct File<'a> {
    set: &'a str,
    path: &'a str,
    size: u64,
    mode: u32,
    mtime: i64,
    sha256: String,
}

/// The files, in the order of the index.
pub(crate) fn files(files: &[FileEntry]) -> Result<JsValue, Failure> {
    let files: Vec<File<'_>> = files
        .iter()
        .map(|file| File {
            set: &file.set,
            path: &file.path,
            size: file.size,
            mode: file.mode,
            mtime: file.mtime,
            sha256: file.sha256.to_string(),
        })
        .collect();
    to_js(&files)
}

/// Rows as JavaScript is given them.
#[derive(Serialize)]
pub(crate) struct Rows<'a> {
    columns: &'a [String],
    types: &'a [String],
    rows: Vec<Vec<Option<&'a str>>>,
    end: bool,
    /// Row and column of each value that is longer than what is shown.
    cut: Vec<(usize, usize)>,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(
        columns: &'a [String],
        types: &'a [String],
        rows: &'a [Vec<Shown>],
        end: bool,
    ) -> Self {
        let cut = rows.iter().enumerate().flat_map(|(row, values)| {
            values
                .iter()
                .enumerate()
                .filter(|(_, value)| value.cut)
                .map(move |(column, _)| (row, column))
        });
        let texts = |row: &'a Vec<Shown>| row.iter().map(|value| value.text.as_deref()).collect();
        Self {
            columns,
            types,
            rows: rows.iter().map(texts).collect(),
            end,
            cut: cut.collect(),
        }
    }
}

/// Some rows of a table.
pub(crate) fn page(page: &Page) -> Result<JsValue, Failure> {
    to_js(&Rows::new(&page.columns, &page.types, &page.rows, page.end))
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum JsLock {
    Password,
    LockedKey {
        fingerprint: String,
    },
    Key {
        r#type: &'static str,
        fingerprint: String,
    },
    Unknown {
        r#type: String,
    },
}

/// The ways into a sealed archive.
pub(crate) fn locks(locks: Vec<Lock>) -> Result<JsValue, Failure> {
    let locks: Vec<JsLock> = locks
        .into_iter()
        .map(|lock| match lock {
            Lock::Password => JsLock::Password,
            Lock::LockedKey(key) => JsLock::LockedKey {
                fingerprint: key.to_string(),
            },
            Lock::Key {
                key_type,
                fingerprint,
            } => JsLock::Key {
                r#type: key_type.tag(),
                fingerprint: fingerprint.to_string(),
            },
            Lock::Unknown(tag) => JsLock::Unknown { r#type: tag },
        })
        .collect();
    to_js(&locks)
}

#[derive(Serialize)]
struct SenderName {
    key: String,
    fingerprint: String,
}

/// Who sealed an archive.
pub(crate) fn sender(sender: Option<&Sender>) -> Result<JsValue, Failure> {
    match sender {
        None => Ok(JsValue::UNDEFINED),
        Some(sender) => to_js(&SenderName {
            key: sender.to_string(),
            fingerprint: sender.fingerprint().to_string(),
        }),
    }
}
