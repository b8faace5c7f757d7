//! What a product's rules say of rows and files, while they are read.

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use super::{FileInfo, Overview, Problem, Row, Value, report::Report};
use crate::Digest;

/// A product's rules.
pub(super) trait Examine {
    /// Looks at a row.
    fn row(&mut self, at: &At<'_>, row: &Row, report: &mut Report, files: &mut Files);

    /// Looks at something that is no row: a configuration file, or a member of the JSON.
    fn part(&mut self, _name: &str, _value: &Value, _report: &mut Report) {}

    /// Everything was looked at.
    fn end(&mut self, overview: &mut Overview, report: &mut Report, files: &Files);
}

/// Where a row stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<'a> {
    /// The table.
    pub(super) table: &'a str,
    /// From 1.
    pub(super) row: u64,
}

/// What a row says of a file.
#[derive(Debug, Default)]
pub(super) struct Promise {
    table: String,
    row: u64,
    size: Option<u64>,
    digest: Option<Digest>,
}

/// The files of an archive, and what rows say of them.
#[derive(Debug, Default)]
pub(super) struct Files {
    files: Vec<FileInfo>,
    by_entry: BTreeMap<String, usize>,
    promises: BTreeMap<usize, Vec<Promise>>,
}

impl Files {
    pub(super) fn new(files: Vec<FileInfo>) -> Self {
        let by_entry = (0..)
            .zip(&files)
            .map(|(index, file)| (file.entry.clone(), index))
            .collect();
        Self {
            files,
            by_entry,
            promises: BTreeMap::new(),
        }
    }

    /// A row names an entry. Whether it is there, and nobody has named it before.
    pub(super) fn name(&mut self, at: &At<'_>, entry: &str, report: &mut Report) -> Named {
        let Some(index) = self.by_entry.get(entry).copied() else {
            report.add(Problem::MissingFile {
                table: at.table.into(),
                row: at.row,
                path: entry.into(),
            });
            return Named::Missing;
        };
        match self.files.get_mut(index) {
            Some(file) if !file.named => {
                file.named = true;
                Named::First
            }
            _ => Named::Again,
        }
    }

    /// A row says how many bytes an entry has, or what its digest is.
    pub(super) fn promise(
        &mut self,
        at: &At<'_>,
        entry: &str,
        size: Option<u64>,
        digest: Option<Digest>,
    ) {
        if let Some(index) = self.by_entry.get(entry)
            && (size.is_some() || digest.is_some())
        {
            self.promises.entry(*index).or_default().push(Promise {
                table: at.table.into(),
                row: at.row,
                size,
                digest,
            });
        }
    }

    /// Compares an entry with what rows say of it; `digest` is `None` if its content was not read.
    pub(super) fn compare(
        &mut self,
        index: usize,
        size: u64,
        digest: Option<Digest>,
        report: &mut Report,
    ) {
        let Some(file) = self.files.get_mut(index) else {
            return;
        };
        file.size = size;
        for promise in self.promises.remove(&index).unwrap_or_default() {
            if let Some(declared) = promise.size
                && declared != size
            {
                report.add(Problem::FileSize {
                    entry: file.entry.clone(),
                    table: promise.table.clone(),
                    row: promise.row,
                    declared,
                    found: size,
                });
            }
            if let (Some(promised), Some(digest)) = (promise.digest, digest)
                && promised != digest
            {
                report.add(Problem::FileDigest {
                    entry: file.entry.clone(),
                    table: promise.table,
                    row: promise.row,
                });
            }
        }
    }

    /// Says of each file that no row names it.
    pub(super) fn unnamed(&self, report: &mut Report) {
        for file in self.files.iter().filter(|file| !file.named) {
            report.add(Problem::UnnamedFile(file.entry.clone()));
        }
    }

    pub(super) fn all(&self) -> &[FileInfo] {
        &self.files
    }

    pub(super) fn bytes(&self) -> u64 {
        self.files
            .iter()
            .fold(0, |sum: u64, file| sum.saturating_add(file.size))
    }

    pub(super) fn into_all(self) -> Vec<FileInfo> {
        self.files
    }
}

/// What came of a row that names a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// It is there.
    First,
    /// It is there, and an earlier row names it too.
    Again,
    /// It is not there.
    Missing,
}

/// Whether a path stays inside of the folder that it is relative to.
pub(super) fn stays_inside(path: &str) -> bool {
    !path.contains(['\\', '\0', ':'])
        && path
            .split('/')
            .all(|segment| !matches!(segment, "" | "." | ".."))
}

/// Whether a name sounds like that of a secret.
pub(super) fn sounds_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [
        "password",
        "passphrase",
        "secret",
        "private_key",
        "privatekey",
        "apikey",
    ]
    .iter()
    .any(|part| name.contains(part))
        || name.ends_with("_key")
        || name.ends_with("token")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_leave_their_folder() {
        for inside in ["a", "a/b.c", "a b/…", "..a/b.."] {
            assert!(stays_inside(inside), "{inside}");
        }
        for outside in [
            "", "/a", "a/", "a//b", "..", "a/../b", "./a", "a\\b", "C:a", "a\0",
        ] {
            assert!(!stays_inside(outside), "{outside}");
        }
    }

    #[test]
    fn names_of_secrets() {
        for secret in [
            "api_key",
            "hf_token",
            "accessToken",
            "client_secret",
            "PASSWORD",
            "apiKey",
        ] {
            assert!(sounds_secret(secret), "{secret}");
        }
        for other in [
            "key",
            "keyboard",
            "tokens_used",
            "name",
            "notes_template_id",
        ] {
            assert!(!sounds_secret(other), "{other}");
        }
    }
}
