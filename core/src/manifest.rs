//! What an archive says about itself. Parsing is validation: a [`Manifest`] that exists is consistent in itself.
//!
//! The manifest is JSON (RFC 8259), the last entry of the archive. It names every other entry with its size and
//! SHA-256, directly or through the files index, so that "nothing added, nothing missing" can be proven.

use alloc::{collections::BTreeMap, format, string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::{
    app_secret::SecretMark,
    digest::{Digest, Hasher},
    policy::{CredentialRule, Given, JsonPath, OneOf, Random, Replacement},
    rows::{Part, RowSet},
    schema::{Engine, Schema, TableName},
};

pub mod files;
mod notice;
mod selection;
mod validate;

pub use files::{FileEntry, FilesIndexError};
pub use notice::{LeftOut, LeftOutReason, Notice};
pub use selection::{Record, Selection};
pub use validate::ManifestError;

/// Name of the manifest's entry in the archive.
pub const MANIFEST_PATH: &str = "manifest.json";
/// Name of the files index's entry in the archive.
pub const FILES_INDEX_PATH: &str = "index/files.tsv";
/// The format version that this crate writes and reads.
pub const FORMAT_VERSION: u32 = 1;
/// Largest manifest that is read, in bytes, unless the caller sets another limit.
pub const DEFAULT_MANIFEST_LIMIT: u64 = 64 << 20;

/// The manifest of an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the archive format, [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The program that wrote the archive.
    pub tool: Product,
    /// The application whose data this is.
    pub app: Product,
    /// The kind of database.
    pub engine: Engine,
    /// The database server's or library's own version.
    pub engine_version: String,
    /// When the snapshot was taken, RFC 3339 in UTC with whole seconds, e.g. `2026-11-21T04:05:06Z`.
    pub created_at: String,
    /// Whether credentials are inside.
    pub contents: Contents,
    /// The columns whose credentials are inside; present exactly in a sensitive archive, so that a standard one can be
    /// made of it without the application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Vec<CredentialColumn>>,
    /// The application's own secrets that values in the archive are wrapped with, or were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub app_secrets: Vec<SecretMark>,
    /// The last migration that the application's ledger records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migration: Option<Migration>,
    /// [`Schema::hash`] of `schema`.
    pub schema_sha256: Digest,
    /// The shape of the whole database, of left-out tables too.
    pub schema: Schema,
    /// The tables whose rows are in the archive, in the order of their names.
    pub tables: Vec<TableData>,
    /// State of the sequences that feed columns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sequences: Vec<Sequence>,
    /// The file sets in the archive.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub file_sets: Vec<FileSet>,
    /// The files index; present exactly if there are file sets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files_index: Option<EntryDigest>,
    /// Everything of the source that is not in the archive, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// What the one who restores should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<Notice>,
}

/// A program or application with its version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// Its name.
    pub name: String,
    /// Its version, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// Whether an archive holds credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Contents {
    /// A preset says what is a credential, and none is inside.
    Standard,
    /// A preset says what is a credential, and they are inside. Such an archive exists only sealed.
    Sensitive,
    /// No preset was used, so nobody can say. To be treated as sensitive.
    Unclassified,
}

/// A rule for credentials that are in a sensitive archive: the preset's, as a standard backup would have applied it.
///
/// Its fields mean what those of [`CredentialRule`] mean. Its values are in the engine's own output form: what PostgreSQL's
/// type prints, before escaping; in SQLite the text that is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialColumn {
    /// The table.
    pub table: TableName,
    /// The column.
    pub column: String,
    /// What a standard archive holds in place of its values. Nothing means NULL, unless another field says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placeholder: Option<String>,
    /// Where in the column's JSON; nothing means the whole value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<JsonPath>,
    /// A fresh random secret comes in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random: Option<Random>,
    /// The rows that have one are left out.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub omit_rows: bool,
    /// The rows that the rule is for; nothing means all.
    #[serde(default, rename = "where", skip_serializing_if = "BTreeMap::is_empty")]
    pub condition: BTreeMap<String, OneOf>,
    /// Columns of the same row that change along with it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub also_set: BTreeMap<String, Given>,
}

impl CredentialColumn {
    /// A rule that puts `placeholder`, or NULL, in place of every value of a column.
    #[must_use]
    pub const fn new(table: TableName, column: String, placeholder: Option<String>) -> Self {
        Self {
            table,
            column,
            placeholder,
            path: Vec::new(),
            random: None,
            omit_rows: false,
            condition: BTreeMap::new(),
            also_set: BTreeMap::new(),
        }
    }

    /// A preset's rule for a table of the database.
    #[must_use]
    pub fn of(table: TableName, rule: &CredentialRule) -> Self {
        Self {
            table,
            column: rule.column.clone(),
            placeholder: rule.placeholder.clone(),
            path: rule.path.clone(),
            random: rule.random.clone(),
            omit_rows: rule.omit_rows,
            condition: rule.condition.clone(),
            also_set: rule.also_set.clone(),
        }
    }

    /// What a standard archive holds in its place.
    #[must_use]
    pub fn replacement(&self) -> Replacement<'_> {
        Replacement::of(
            self.omit_rows,
            self.random.as_ref(),
            self.placeholder.as_deref(),
        )
    }

    /// Whether it puts one value in place of the whole column, whatever else a row holds.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.path.is_empty()
            && self.random.is_none()
            && !self.omit_rows
            && self.condition.is_empty()
            && self.also_set.is_empty()
    }

    /// Whether both are for the same values of the same rows.
    #[must_use]
    pub fn is_for_same(&self, other: &Self) -> bool {
        self.table == other.table
            && self.column == other.column
            && self.path == other.path
            && self.condition == other.condition
    }
}

/// The migration head: the last entry of the application's migration ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Migration {
    /// The ledger's table.
    pub ledger: TableName,
    /// The last migration's version or name.
    pub head: String,
}

/// The rows of one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableData {
    /// The table.
    pub table: TableName,
    /// Folder of its parts in the archive, e.g. `tables/public.users`.
    pub path: String,
    /// Rows in all parts.
    pub rows: u64,
    /// Bytes of row text in all parts, header lines included.
    pub bytes: u64,
    /// SHA-256 over the parts' digests (raw, 32 bytes each) in order.
    pub digest: Digest,
    /// Order-independent digest of the rows.
    pub row_set: RowSet,
    /// The parts in order.
    pub parts: Vec<PartData>,
}

/// One part of a table's rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartData {
    /// Rows in it.
    pub rows: u64,
    /// Bytes of its text, header line included.
    pub bytes: u64,
    /// SHA-256 of its text.
    pub sha256: Digest,
}

impl PartData {
    /// The figures of a part, and the set of its rows.
    #[must_use]
    pub fn of(part: &Part) -> (Self, RowSet) {
        let header = memchr::memchr(b'\n', &part.text).map_or(0, |at| at + 1);
        let mut set = RowSet::new();
        set.add_rows(part.text.get(header..).unwrap_or_default());
        let data = Self {
            rows: part.rows,
            bytes: part.text.len() as u64,
            sha256: Digest::of(&part.text),
        };
        (data, set)
    }

    /// Size and SHA-256 of its text.
    #[must_use]
    pub const fn digest(&self) -> EntryDigest {
        EntryDigest {
            bytes: self.bytes,
            sha256: self.sha256,
        }
    }
}

impl TableData {
    /// A table without rows, whose parts will lie in the folder `path`.
    #[must_use]
    pub fn empty(table: TableName, path: String) -> Self {
        Self {
            table,
            path,
            rows: 0,
            bytes: 0,
            digest: Self::digest_of(&[]),
            row_set: RowSet::new(),
            parts: Vec::new(),
        }
    }

    /// Adds a part behind the others and gives the name of its entry.
    pub fn push(&mut self, part: &Part) -> String {
        let (data, set) = PartData::of(part);
        self.push_data(data, set)
    }

    /// As [`TableData::push`], with the figures of a part that [`PartData::of`] has given, on another thread perhaps.
    pub fn push_data(&mut self, data: PartData, set: RowSet) -> String {
        self.rows += data.rows;
        self.bytes += data.bytes;
        self.row_set.add(set);
        self.parts.push(data);
        self.digest = Self::digest_of(&self.parts);
        self.part_path(self.parts.len() - 1)
    }

    /// The entry that holds part `index` (from 0).
    #[must_use]
    pub fn part_path(&self, index: usize) -> String {
        format!("{}/{:06}.tsv", self.path, index + 1)
    }

    /// The digest over parts in order.
    #[must_use]
    pub fn digest_of(parts: &[PartData]) -> Digest {
        let mut hasher = Hasher::new();
        parts.iter().for_each(|part| hasher.update(&part.sha256.0));
        hasher.finish()
    }
}

/// The state of one sequence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sequence {
    /// Its name; in SQLite the name of the AUTOINCREMENT table.
    pub name: TableName,
    /// The column that it feeds, where it is owned by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owned_by: Option<OwnedBy>,
    /// The last value, as the engine prints it.
    pub last_value: i64,
    /// Whether `last_value` was given out already.
    pub is_called: bool,
}

/// The column that a sequence feeds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnedBy {
    /// The table.
    pub table: TableName,
    /// The column.
    pub column: String,
}

/// One file set: a folder of uploaded files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSet {
    /// Its name, as in `files/<name>/…`.
    pub name: String,
    /// Number of files.
    pub files: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// What a program made of its files, if one was to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transform: Option<Transformed>,
}

/// What an external program made of the files of a set on their way into the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transformed {
    /// The program's name.
    pub program: String,
    /// The suffix that its results have.
    pub new_suffix: String,
    /// Files that are in the archive as the program made them.
    pub files: u64,
    /// Bytes that these files had before.
    pub original_bytes: u64,
    /// Files that it was for and that are as they were.
    pub kept: u64,
    /// Of its results, those that no row names, where the columns that name files are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unnamed: Option<u64>,
}

/// Size and digest of one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryDigest {
    /// Bytes.
    pub bytes: u64,
    /// SHA-256 of the bytes.
    pub sha256: Digest,
}

impl Manifest {
    /// Reads and validates a manifest.
    ///
    /// # Errors
    /// [`ManifestError`], naming the first contradiction.
    pub fn parse(json: &[u8]) -> Result<Self, ManifestError> {
        #[derive(Deserialize)]
        struct Version {
            format_version: Option<u32>,
        }
        // The version is looked at first, so that a newer manifest is called newer and not malformed.
        let version = serde_json::from_slice::<Version>(json)
            .map_err(|error| ManifestError::Json(format!("{error}")))?
            .format_version
            .ok_or(ManifestError::NotCoffer)?;
        if version != FORMAT_VERSION {
            return Err(ManifestError::Version { found: version });
        }
        let manifest: Self = serde_json::from_slice(json)
            .map_err(|error| ManifestError::Json(format!("{error}")))?;
        validate::check(&manifest)?;
        Ok(manifest)
    }

    /// The manifest's JSON.
    ///
    /// # Errors
    /// The same contradictions that [`Manifest::parse`] would find: none that it refuses is ever written.
    pub fn to_json(&self) -> Result<Vec<u8>, ManifestError> {
        validate::check(self)?;
        serde_json::to_vec_pretty(self).map_err(|error| ManifestError::Json(format!("{error}")))
    }

    /// Rows of all tables.
    #[must_use]
    pub fn total_rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }

    /// Bytes of all row text.
    #[must_use]
    pub fn total_row_bytes(&self) -> u64 {
        self.tables.iter().map(|table| table.bytes).sum()
    }

    /// The rows of a table.
    #[must_use]
    pub fn table(&self, name: &TableName) -> Option<&TableData> {
        self.tables.iter().find(|table| table.table == *name)
    }

    /// The manifest of an archive that holds only what is selected; the rest is listed as left out.
    /// The files index must be made anew by the caller, since its entries change with the file sets.
    ///
    /// # Errors
    /// [`ManifestError::NotInArchive`] if the selection names what the archive doesn't hold.
    pub fn select(&self, selection: &Selection) -> Result<Self, ManifestError> {
        for table in selection.tables.iter().flatten() {
            if self.table(table).is_none() {
                return Err(ManifestError::NotInArchive {
                    name: format!("table {table}"),
                });
            }
        }
        for set in selection.file_sets.iter().flatten() {
            if !self.file_sets.iter().any(|other| other.name == *set) {
                return Err(ManifestError::NotInArchive {
                    name: format!("file set {set}"),
                });
            }
        }
        let mut selected = self.clone();
        for table in self
            .tables
            .iter()
            .filter(|table| !selection.has_table(&table.table))
        {
            selected.left_out.push(LeftOut::Table {
                table: table.table.clone(),
                reason: LeftOutReason::NotSelected,
                rows: Some(table.rows),
                detail: None,
            });
        }
        for set in self
            .file_sets
            .iter()
            .filter(|set| !selection.has_file_set(&set.name))
        {
            selected.left_out.push(LeftOut::FileSet {
                name: set.name.clone(),
                reason: LeftOutReason::NotSelected,
            });
        }
        selected
            .tables
            .retain(|table| selection.has_table(&table.table));
        for mark in &mut selected.app_secrets {
            mark.columns
                .retain(|column| selection.has_table(&column.table));
        }
        selected.app_secrets.retain(|mark| !mark.columns.is_empty());
        if let Some(credentials) = &mut selected.credentials {
            credentials.retain(|rule| selection.has_table(&rule.table));
        }
        selected.sequences.retain(|sequence| {
            sequence
                .owned_by
                .as_ref()
                .is_none_or(|owner| selection.has_table(&owner.table))
        });
        selected
            .file_sets
            .retain(|set| selection.has_file_set(&set.name));
        if selected.file_sets.is_empty() {
            selected.files_index = None;
        }
        Ok(selected)
    }
}
