//! What tables and folders hold, in a form that is small, and that can be compared later.

use std::{collections::BTreeMap, fs, io, os::unix::fs::MetadataExt, path::Path};

use coffer_core::{
    Digest,
    manifest::FileEntry,
    policy::{ColumnPolicy, TablePolicy},
    rows::RowSet,
    schema::{Schema, TableName},
};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::{
    engine::{EngineError, ReplaceSession, Snapshot},
    files::{FilesError, Globs, walk},
};

/// What some tables and file sets hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// The tables.
    pub tables: Vec<TableContent>,
    /// The file sets.
    pub file_sets: Vec<SetContent>,
}

/// What one table holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableContent {
    /// The table.
    pub table: TableName,
    /// Its stored columns in order.
    pub columns: Vec<String>,
    /// Its rows.
    pub rows: u64,
    /// Their set, over those columns.
    pub row_set: RowSet,
}

/// What the folder of one file set holds. Names, sizes and times tell, so that nothing has to be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetContent {
    /// The file set.
    pub name: String,
    /// Its files.
    pub files: u64,
    /// SHA-256 over a line for each file, by path: path, size, and last change in whole seconds.
    pub listing: Digest,
}

/// What differs between two contents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Tables that hold other rows, or are gone.
    pub tables: Vec<TableName>,
    /// File sets whose folders hold other files.
    pub file_sets: Vec<String>,
}

impl Changes {
    /// Whether nothing differs.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.file_sets.is_empty()
    }
}

impl std::fmt::Display for Changes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut names: Vec<String> = self.tables.iter().map(TableName::to_string).collect();
        names.extend(
            self.file_sets
                .iter()
                .map(|set| format!("the files of {set}")),
        );
        f.write_str(&names.join(", "))
    }
}

impl Content {
    /// What of this is otherwise in `now`.
    #[must_use]
    pub fn changes(&self, now: &Self) -> Changes {
        Changes {
            tables: self
                .tables
                .iter()
                .filter(|table| !now.tables.contains(table))
                .map(|table| table.table.clone())
                .collect(),
            file_sets: self
                .file_sets
                .iter()
                .filter(|set| !now.file_sets.contains(set))
                .map(|set| set.name.clone())
                .collect(),
        }
    }
}

/// The stored columns of a table, in order; nothing if there is no such table.
pub(crate) fn columns(schema: &Schema, table: &TableName) -> Option<Vec<String>> {
    let shape = schema.table(table)?;
    let columns = shape.stored_columns().map(|column| column.name.clone());
    Some(columns.collect())
}

/// What tables hold, read through a snapshot. One that isn't there is left out.
///
/// # Errors
/// As the engine.
pub(crate) async fn of_snapshot(
    snapshot: &mut dyn Snapshot,
    tables: impl Iterator<Item = &TableName>,
) -> Result<Vec<TableContent>, EngineError> {
    let mut found = Vec::new();
    for table in tables {
        let Some(columns) = columns(&snapshot.database().schema, table) else {
            continue;
        };
        let policy = TablePolicy {
            table: table.clone(),
            columns: vec![ColumnPolicy::Keep; columns.len()],
        };
        let (parts, mut received) = mpsc::channel(1);
        let add = async {
            let (mut rows, mut row_set) = (0, RowSet::new());
            while let Some(part) = received.recv().await {
                let (data, set) = coffer_core::manifest::PartData::of(&part);
                rows += data.rows;
                row_set.add(set);
            }
            (rows, row_set)
        };
        let (exported, (rows, row_set)) = tokio::join!(snapshot.export(&policy, parts), add);
        exported?;
        found.push(TableContent {
            table: table.clone(),
            columns,
            rows,
            row_set,
        });
    }
    Ok(found)
}

/// What tables hold, read through the transaction that will replace them. One that isn't there is left out.
///
/// # Errors
/// As the engine.
pub(crate) async fn of_session(
    session: &mut dyn ReplaceSession,
    tables: impl Iterator<Item = &TableName>,
) -> Result<Vec<TableContent>, EngineError> {
    let mut found = Vec::new();
    for table in tables {
        if let Some(columns) = columns(&session.database().schema, table) {
            let (rows, row_set) = session.read_back(table, &columns).await?;
            found.push(TableContent {
                table: table.clone(),
                columns,
                rows,
                row_set,
            });
        }
    }
    Ok(found)
}

/// The files of one set by their paths, with size and last change; what is no regular file has neither.
type Listing = BTreeMap<String, Option<(u64, i64)>>;

impl SetContent {
    fn of(name: &str, listing: &Listing) -> Self {
        let mut text = String::new();
        for (path, file) in listing {
            let (size, mtime) = file.unwrap_or_default();
            // No path holds a NUL.
            text.push_str(&format!("{path}\0{size}\0{mtime}\0"));
        }
        Self {
            name: name.to_owned(),
            files: listing.values().flatten().count() as u64,
            listing: Digest::of(text.as_bytes()),
        }
    }

    /// What a folder will hold that is given the files of an archive's index.
    #[must_use]
    pub fn of_index(name: &str, index: &[FileEntry]) -> Self {
        let listing = index
            .iter()
            .filter(|file| file.set == name)
            .map(|file| (file.path.clone(), Some((file.size, file.mtime))))
            .collect();
        Self::of(name, &listing)
    }

    /// What a folder will hold in which some files come and others go.
    ///
    /// # Errors
    /// [`FilesError`] if it can't be listed.
    pub fn of_changed(
        name: &str,
        folder: &Path,
        come: &[FileEntry],
        go: &[String],
    ) -> Result<Self, FilesError> {
        let mut listing = listing(name, folder)?;
        for path in go {
            listing.remove(path);
        }
        let come = come.iter();
        listing.extend(come.map(|file| (file.path.clone(), Some((file.size, file.mtime)))));
        Ok(Self::of(name, &listing))
    }

    /// What a folder holds; one that isn't there holds nothing.
    ///
    /// # Errors
    /// [`FilesError`] if it can't be listed.
    pub fn of_folder(name: &str, folder: &Path) -> Result<Self, FilesError> {
        Ok(Self::of(name, &listing(name, folder)?))
    }
}

/// The files of a folder; one that isn't there holds none.
fn listing(name: &str, folder: &Path) -> Result<Listing, FilesError> {
    let mut listing = Listing::new();
    if folder.exists() {
        // Everything, since everything is replaced.
        let walk = walk(name, folder, &Globs::default())?;
        for file in walk.found {
            match fs::symlink_metadata(&file.disk) {
                Ok(metadata) => {
                    listing.insert(file.path, Some((metadata.len(), metadata.mtime())));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(FilesError::at("look at", &file.disk)(error)),
            }
        }
        for notice in walk.notices {
            listing.insert(notice.to_string(), None);
        }
    }
    Ok(listing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_what_the_index_says_until_something_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set");
        let write = |name: &str, text: &str| {
            let file = path.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, text).unwrap();
            let opened = fs::File::options().write(true).open(&file).unwrap();
            opened.set_modified(std::time::UNIX_EPOCH).unwrap();
        };
        let entry = |name: &str, text: &str| FileEntry {
            set: "set".to_owned(),
            path: name.to_owned(),
            entry: format!("files/set/{name}"),
            size: text.len() as u64,
            sha256: Digest::of(text.as_bytes()),
            mode: 0o644,
            mtime: 0,
        };
        let now = || SetContent::of_folder("set", &path).unwrap();
        assert_eq!(now(), SetContent::of_index("set", &[]));
        write("b", "two");
        write("a/c", "three");
        let index = [entry("b", "two"), entry("a/c", "three")];
        let expected = SetContent::of_index("set", &index);
        assert_eq!((now().files, now()), (2, expected.clone()));
        write("b", "longer");
        assert_ne!(now(), expected);
        write("b", "two");
        assert_eq!(now(), expected);
        std::os::unix::fs::symlink("b", path.join("link")).unwrap();
        assert_ne!(now(), expected);
    }
}
