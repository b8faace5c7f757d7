//! Redaction: a standard archive of one that holds credentials.

use coffer_core::{
    archive::{Limits, Step},
    manifest::{Contents, FILES_INDEX_PATH, MANIFEST_PATH, Manifest, files},
    redact::{RedactError, Redactor, decide},
    rows::{Rows, push_escaped, unescape},
    schema::TableName,
    withhold::FreshSecrets,
};

use crate::{
    choices::Choices,
    drive::{Pieces, open_archive, read_entry, slice, verify_archive},
    edit::edit,
    samples,
};

/// What is made of an archive with credentials is whole, standard, has the same rows, and the placeholder wherever there was
/// a credential; what was NULL stays so. A damaged archive gives an error, in whatever pieces it is read.
pub fn redact(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let pieces = Pieces::of([choices.below(3000), choices.below(70_000)]);
    let placeholder = match choices.byte() {
        0..128 => None,
        _ => Some(String::from_utf8_lossy(choices.run()).into_owned()),
    };
    let parts: Vec<Vec<u8>> = (0..1 + choices.byte() % 3)
        .map(|_| part(&mut choices))
        // A part without rows is none.
        .filter(|part| part.len() > HEADER.len())
        .collect();
    let (manifest, mut file) = samples::sensitive(&parts, placeholder.as_deref());
    let damaged = choices.any();
    while choices.any() {
        edit(&mut file, &mut choices);
    }
    file.truncate(200_000);
    let whole = redacted(&file, &manifest, &Pieces::whole());
    let result = redacted(&file, &manifest, &pieces);
    let Ok(out) = result else {
        // Rows are looked at as they come, so a large piece may show another fault first.
        assert!(whole.is_err());
        if !damaged {
            assert!(
                !parts.iter().all(|part| rows_of(part).is_some()),
                "{result:?}"
            );
        }
        return;
    };
    assert_eq!(whole.as_ref(), Ok(&out));
    let directory = open_archive(&out, Limits::default(), &pieces).unwrap();
    verify_archive(&out, &pieces).unwrap();
    let read = |name: &str| {
        let entry = directory.entry(name).unwrap();
        read_entry(&out, entry, Limits::default(), &pieces).unwrap()
    };
    let made = Manifest::parse(&read(MANIFEST_PATH)).unwrap();
    assert_eq!(made.contents, Contents::Standard);
    assert_eq!(made.credentials, None);
    if damaged {
        return;
    }
    let expected: Vec<Row> = parts
        .iter()
        .flat_map(|part| rows_of(part).unwrap())
        .collect();
    let notes = made.table(&TableName::new("public", "notes")).unwrap();
    let mut found = Vec::new();
    for part in 0..notes.parts.len() {
        let text = read(&notes.part_path(part));
        let mut rows = Rows::new(&text, ["id", "body"]).unwrap();
        while let Some(fields) = rows.next_fields().unwrap() {
            found.push(row(&fields));
            if let Some(value) = unescape(fields[1]).unwrap() {
                assert_eq!(Some(&*value), placeholder.as_deref().map(str::as_bytes));
            }
        }
    }
    if placeholder.is_none() {
        assert!(found.iter().all(|(_, null)| *null));
        found
            .iter_mut()
            .zip(&expected)
            .for_each(|(found, expected)| found.1 = expected.1);
    }
    assert_eq!(found, expected);
}

const HEADER: &[u8] = b"id\tbody\n";

/// A part: of rows from choices, or of anything.
fn part(choices: &mut Choices<'_>) -> Vec<u8> {
    let mut text = HEADER.to_vec();
    if choices.byte() >= 192 {
        text.extend_from_slice(choices.run());
        return text;
    }
    for _ in 0..choices.byte() % 8 {
        push_escaped(choices.run(), &mut text);
        text.push(b'\t');
        match choices.byte() % 4 {
            0 => text.extend_from_slice(b"\\N"),
            _ => push_escaped(choices.run(), &mut text),
        }
        text.push(b'\n');
    }
    text
}

/// The first field of a row, and whether the second is NULL.
type Row = (Vec<u8>, bool);

fn row(fields: &[&[u8]]) -> Row {
    (fields[0].to_vec(), fields[1] == b"\\N")
}

/// What the rows are known by; `None` if they are not well-formed.
fn rows_of(part: &[u8]) -> Option<Vec<Row>> {
    let mut rows = Rows::new(part, ["id", "body"]).ok()?;
    let mut all = Vec::new();
    while let Some(fields) = rows.next_fields().ok()? {
        for field in &fields {
            unescape(field).ok()?;
        }
        all.push(row(&fields));
    }
    Some(all)
}

fn redacted(file: &[u8], manifest: &Manifest, pieces: &Pieces) -> Result<Vec<u8>, RedactError> {
    let limits = Limits::default();
    let directory = open_archive(file, limits, pieces)?;
    let index = read_entry(file, directory.entry(FILES_INDEX_PATH)?, limits, pieces)?;
    let Ok(files) = files::parse(&index) else {
        // The index is compared with its digest before anybody parses it.
        return Err(coffer_core::archive::ArchiveError::NoEntry(FILES_INDEX_PATH.into()).into());
    };
    let redaction = decide(manifest, None, false)?;
    let secrets = FreshSecrets::new([7; 32]);
    let mut redactor = Redactor::new(&directory, manifest, &files, &redaction, limits, secrets)?;
    let mut sizes = pieces.sizes();
    let mut out = Vec::new();
    loop {
        match redactor.step(&mut out)? {
            Step::Want(wanted) => {
                let bytes = slice(file, wanted);
                let size = sizes.next().unwrap_or(usize::MAX).min(bytes.len());
                redactor.feed(&bytes[..size])?;
            }
            Step::Output => {}
            Step::Done => return Ok(out),
        }
    }
}
