//! Nothing added, nothing missing: the directory against the manifest and the files index.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::{String, ToString},
    vec::Vec,
};

use super::{Directory, Fault, Finding};
use crate::manifest::{FILES_INDEX_PATH, FileEntry, MANIFEST_PATH, Manifest};

/// Everything that the directory has and the manifest doesn't, or the other way round, or in another size.
///
/// `files` is the parsed files index, empty if the manifest has none.
#[must_use]
pub fn account(directory: &Directory, manifest: &Manifest, files: &[FileEntry]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    for table in &manifest.tables {
        for (index, part) in table.parts.iter().enumerate() {
            expected.insert(table.part_path(index), part.bytes);
        }
    }
    if let Some(index) = &manifest.files_index {
        expected.insert(FILES_INDEX_PATH.to_string(), index.bytes);
    }
    let mut seen = BTreeSet::new();
    for file in files {
        let twice = expected.insert(file.entry.clone(), file.size).is_some()
            || !seen.insert((&file.set, &file.path));
        if twice {
            findings.push(Finding {
                entry: file.entry.clone(),
                fault: Fault::DuplicateName,
            });
        }
    }
    if !file_sets_add_up(manifest, files) {
        findings.push(Finding {
            entry: FILES_INDEX_PATH.to_string(),
            fault: Fault::FileSets,
        });
    }
    for entry in directory
        .entries()
        .iter()
        .filter(|entry| entry.name != MANIFEST_PATH)
    {
        let fault = match expected.remove(&entry.name) {
            None => Fault::Unexpected,
            Some(size) if size != entry.size => Fault::ManifestSize {
                expected: size,
                found: entry.size,
            },
            Some(_) => continue,
        };
        findings.push(Finding {
            entry: entry.name.clone(),
            fault,
        });
    }
    findings.extend(expected.into_keys().map(|entry| Finding {
        entry,
        fault: Fault::Missing,
    }));
    findings
}

fn file_sets_add_up(manifest: &Manifest, files: &[FileEntry]) -> bool {
    let mut sums: BTreeMap<&str, (u64, u64)> = manifest
        .file_sets
        .iter()
        .map(|set| (set.name.as_str(), (0, 0)))
        .collect();
    for file in files {
        let Some((count, bytes)) = sums.get_mut(file.set.as_str()) else {
            return false;
        };
        *count += 1;
        *bytes = bytes.saturating_add(file.size);
    }
    manifest
        .file_sets
        .iter()
        .all(|set| sums.get(set.name.as_str()) == Some(&(set.files, set.bytes)))
}
