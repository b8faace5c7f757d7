//! What one central header makes of an entry, and what all of them make of each other.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::{String, ToString},
    vec::Vec,
};

use super::{Item, Weight, name};
use crate::archive::{
    Entry, Fault, Field, Finding, Method, Special,
    name::{self as rules, fold},
    raw::{self, Central, FLAG_DESCRIPTOR, FLAGS_ENCRYPTED, LOCAL_FIXED, MAX32, ZIP64_TAG},
};

/// Bit 5: compressed patched data, which nobody has ever documented.
const FLAG_PATCH: u16 = 0x0020;
/// PKWARE's Unix field (APPNOTE 4.5.7), which holds a link's target behind its first 12 bytes.
const PKWARE_UNIX: u16 = 0x000d;
/// Info-ZIP's first Unix field, which holds a mode of its own behind a checksum.
const ASI_UNIX: u16 = 0x756e;

/// Where size, stored size and offset stand in a central header, in the order of the ZIP64 field.
const VALUES: [usize; 3] = [24, 20, 42];

/// The entry that a central header describes. Its room is not known yet.
pub(super) fn item(raw: &Central<'_>, findings: &mut Vec<Finding>) -> Item {
    let decoded = name::decode(raw.name, raw.flags, raw.extra);
    let special = special(raw);
    let folder = decoded.name.ends_with('/') || special == Some(Special::Folder);
    let name = decoded
        .name
        .strip_suffix('/')
        .unwrap_or(&decoded.name)
        .to_string();
    let mut unreadable = None;
    let mut find = |fault: Fault| {
        if Weight::of(&fault) > Weight::Note {
            unreadable.get_or_insert(fault);
        }
        findings.push(Finding {
            entry: name.clone(),
            fault,
        });
    };
    if let Some(fault) = decoded.fault {
        find(fault);
    }
    rules::problems(&name)
        .into_iter()
        .for_each(|error| find(Fault::Name(error)));
    if raw.flags & FLAGS_ENCRYPTED != 0 {
        find(Fault::Encrypted);
    }
    if raw.flags & FLAG_PATCH != 0 {
        find(Fault::Flags(raw.flags));
    }
    let method = match raw.method {
        0 => Method::Store,
        8 => Method::Deflate,
        other => {
            find(Fault::Method(other));
            Method::Deflate
        }
    };
    if raw.method == 0 && raw.flags & FLAGS_ENCRYPTED == 0 && raw.compressed != raw.size {
        find(Fault::StoredSizes {
            stored: raw.compressed,
            size: raw.size,
        });
    }
    if folder && raw.size > 0 {
        find(Fault::FolderContent);
    }
    if let Some(special @ (Special::Link | Special::Device)) = special {
        find(Fault::Special(special));
    }
    extra(raw, &mut find);
    Item {
        folder,
        unreadable,
        raw_name: raw.name.to_vec(),
        flags: raw.flags,
        room: 0,
        entry: Entry {
            name,
            method,
            crc32: raw.crc32,
            compressed: raw.compressed,
            size: raw.size,
            offset: raw.offset,
            streamed: raw.flags & FLAG_DESCRIPTOR != 0,
        },
    }
}

/// What the entry is, by its attributes or by one of the extra fields that repeat them.
fn special(raw: &Central<'_>) -> Option<Special> {
    let mode = raw::field(raw.extra, ASI_UNIX).map(|data| raw::number(data, 4, 2));
    let by_mode = mode
        .and_then(|mode| u32::try_from(mode << 16).ok())
        .and_then(raw::special);
    let has_target = raw::field(raw.extra, PKWARE_UNIX).is_some_and(|data| data.len() > 12);
    raw::special(raw.external)
        .filter(|special| *special != Special::Folder)
        .or(by_mode)
        .or(has_target.then_some(Special::Link))
        .or(raw::special(raw.external))
}

/// Extra fields that mean something here: each once, and no value that contradicts the header.
fn extra(raw: &Central<'_>, find: &mut impl FnMut(Fault)) {
    let mut seen = BTreeSet::new();
    for field in raw::extra_fields(raw.extra) {
        match field {
            Err(raw::Malformed) => find(Fault::MalformedExtraField),
            Ok((tag, _)) if !seen.insert(tag) => find(Fault::DuplicateExtraField(tag)),
            Ok(_) => {}
        }
    }
    // A value stands in the ZIP64 field exactly if the header says so (APPNOTE 4.5.3). One that is there without need is
    // harmless if the header says the same.
    let marked = VALUES
        .iter()
        .filter(|at| raw::number(raw.bytes, **at, 4) == MAX32);
    let expected = marked.count() as u64 * 8;
    if raw.zip64_len != expected && !repeats(raw) {
        find(Fault::Zip64Field {
            expected,
            found: raw.zip64_len,
        });
    }
    if raw::number(raw.bytes, 34, 2) != 0 {
        find(Fault::Header(Field::Disk));
    }
}

/// Whether the ZIP64 field holds nothing but what the header says too.
fn repeats(raw: &Central<'_>) -> bool {
    let values = VALUES.map(|at| raw::number(raw.bytes, at, 4));
    let field = raw::field(raw.extra, ZIP64_TAG).unwrap_or_default();
    field.len() <= 24
        && field.len().is_multiple_of(8)
        && field
            .chunks_exact(8)
            .zip(values)
            .all(|(wide, short)| raw::number(wide, 0, 8) == short)
}

/// Gives each entry its room: up to where the next record, or the directory, begins. Records that overlap share data.
pub(super) fn rooms(items: &mut [Item], directory_at: u64, findings: &mut Vec<Finding>) {
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|index| items.get(*index).map(|item| item.entry.offset));
    let mut next = directory_at;
    for index in order.into_iter().rev() {
        let Some(item) = items.get_mut(index) else {
            continue;
        };
        // At least so long: a local header has no shorter name, and its extra fields are not known yet.
        let header = (LOCAL_FIXED + item.raw_name.len()) as u64;
        let end = item
            .entry
            .offset
            .saturating_add(header)
            .saturating_add(item.entry.compressed);
        if end > next {
            findings.push(Finding {
                entry: item.entry.name.clone(),
                fault: Fault::Overlap { end, next },
            });
        }
        item.room = next;
        next = item.entry.offset;
    }
}

/// Names against each other: what exists twice, is file and folder, or would be the same on some system.
pub(super) fn names(items: &[Item], findings: &mut Vec<Finding>) -> BTreeMap<String, usize> {
    let mut by_name: BTreeMap<String, usize> = BTreeMap::new();
    let mut folded = BTreeMap::new();
    for (index, item) in items.iter().enumerate() {
        let name = &item.entry.name;
        let mut find = |fault| {
            findings.push(Finding {
                entry: name.clone(),
                fault,
            });
        };
        match by_name.get(name).and_then(|other| items.get(*other)) {
            Some(other) if item.folder && other.folder => {}
            Some(_) => find(Fault::DuplicateName),
            None => {
                by_name.insert(name.clone(), index);
                if folded.insert(fold(name), item.folder).is_some() {
                    find(Fault::SimilarName);
                }
            }
        }
    }
    for item in items {
        let name = &item.entry.name;
        let is_file = |folder: &str| {
            by_name
                .get(folder)
                .and_then(|index| items.get(*index))
                .is_some_and(|item| !item.folder)
        };
        let fault = if folders_of(name).any(is_file) {
            Fault::FileAndFolder
        } else if folders_of(&fold(name)).any(|folder| folded.get(folder) == Some(&false)) {
            Fault::SimilarName
        } else {
            continue;
        };
        findings.push(Finding {
            entry: name.clone(),
            fault,
        });
    }
    by_name
}

/// The folders that a name lies in.
fn folders_of(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('/').filter_map(|(at, _)| name.get(..at))
}
