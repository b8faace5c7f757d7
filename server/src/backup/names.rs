//! Names of entries, such that the archive's profile allows them, whatever tables and files are called.

use std::collections::BTreeSet;

use coffer_core::{archive::name, schema::TableName};

/// Gives every table the folder of its parts.
#[derive(Default)]
pub(super) struct TablePaths(BTreeSet<String>);

impl TablePaths {
    pub(super) fn path_for(&mut self, table: &TableName) -> String {
        let plain = format!(
            "tables/{}.{}",
            name::encode_segment(&table.schema),
            name::encode_segment(&table.name)
        );
        // Two names may differ only in case, or be too long: then a number tells them apart.
        let mut path = plain.clone();
        let mut number = 1;
        while name::check(&format!("{path}/000001.tsv")).is_err()
            || !self.0.insert(name::fold(&path))
        {
            number += 1;
            path = if plain.len() < 900 {
                format!("{plain}%~{number}")
            } else {
                format!("tables/%~{number}")
            };
        }
        path
    }
}

/// Gives every file the name of its entry.
#[derive(Default)]
pub(super) struct EntryNames {
    files: BTreeSet<String>,
    folders: BTreeSet<String>,
    numbered: u64,
}

impl EntryNames {
    pub(super) fn entry_for(&mut self, set: &str, path: &str) -> String {
        let entry = name::encode_path(&format!("files/{set}"), path);
        if name::check(&entry).is_ok() && self.take(&entry) {
            return entry;
        }
        // No encoded name holds `%~`, so a numbered one is never taken.
        self.numbered += 1;
        let entry = format!("files/{set}/%~{:06}", self.numbered);
        self.take(&entry);
        entry
    }

    /// Takes a name unless it, or its folder, would be mixed up with another one on a system that ignores case.
    fn take(&mut self, entry: &str) -> bool {
        let folded = name::fold(entry);
        let folders: Vec<String> = folded
            .match_indices('/')
            .filter_map(|(at, _)| folded.get(..at))
            .map(str::to_owned)
            .collect();
        if self.folders.contains(&folded)
            || self.files.contains(&folded)
            || folders.iter().any(|folder| self.files.contains(folder))
        {
            return false;
        }
        self.files.insert(folded);
        self.folders.extend(folders);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_gets_an_allowed_and_unique_entry() {
        let mut names = EntryNames::default();
        let long = "x".repeat(2000);
        let paths = [
            "a.txt",
            "A.TXT",
            "b",
            "B/c",
            "b/c",
            "e\u{301}.txt",
            "nul",
            "back\\slash",
            "x:y",
            &long,
        ];
        let entries: Vec<String> = paths
            .iter()
            .map(|path| names.entry_for("up", path))
            .collect();
        for (path, entry) in paths.iter().zip(&entries) {
            assert_eq!(name::check(entry), Ok(()), "{path} gives {entry}");
        }
        let folded: BTreeSet<String> = entries.iter().map(|entry| name::fold(entry)).collect();
        assert_eq!(folded.len(), paths.len(), "{entries:?}");
        assert_eq!(entries[0], "files/up/a.txt");
    }
}
