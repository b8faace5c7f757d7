//! What there is to say of an archive: typed, with a weight and a sentence.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::zip::Weight;
use crate::archive;

/// What a finding means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The archive is not what it promises to be.
    Error,
    /// To think about before it is restored or handed on.
    Warning,
    /// Worth knowing.
    Note,
}

/// Some rows of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// How many.
    pub count: u64,
    /// The first of them, counted from 1 in the order of the archive.
    pub first: Vec<u64>,
}

impl Rows {
    const SHOWN: usize = 10;

    /// Adds a row, unless it is the last that was added.
    pub(super) fn add(&mut self, row: u64) {
        self.count += 1;
        if self.first.len() < Self::SHOWN && self.first.last() != Some(&row) {
            self.first.push(row);
        }
    }
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first: Vec<String> = self.first.iter().map(u64::to_string).collect();
        if self.count > first.len() as u64 && self.first.len() == Self::SHOWN {
            first.push("…".to_string());
        }
        let times = if self.count == 1 { "once" } else { "times" };
        match self.count {
            1 => write!(f, "{times}, row {}", first.join(", ")),
            count => write!(f, "{count} {times}, rows {}", first.join(", ")),
        }
    }
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Something about the ZIP.
    #[error("{0}")]
    Zip(archive::Finding),
    /// An entry can't be read to its end.
    #[error("{entry} is damaged: {why}")]
    Entry {
        /// The entry.
        entry: String,
        /// What is wrong.
        why: String,
    },
    /// A table that the archive promises is not there.
    #[error("the table {0} is missing, though the archive should have it")]
    MissingTable(String),
    /// A table that the description doesn't know.
    #[error("{0} is there, though the archive's own list of tables does not have it")]
    UnlistedTable(String),
    /// Other number of rows than promised.
    #[error("{table} has {found} rows where the archive's list says {declared}")]
    RowCount {
        /// The table.
        table: String,
        /// As the list says.
        declared: u64,
        /// Found.
        found: u64,
    },
    /// Other content than promised.
    #[error("the rows of {0} are not those that the archive's list has the digest of")]
    TableDigest(String),
    /// Other files than promised.
    #[error(
        "the archive says that it has {declared_count} files with {declared_bytes} bytes, and has {found_count} with \
         {found_bytes}"
    )]
    FileTotals {
        /// Files, as it says.
        declared_count: u64,
        /// Files found.
        found_count: u64,
        /// Bytes, as it says.
        declared_bytes: u64,
        /// Bytes found.
        found_bytes: u64,
    },
    /// A row can't be read.
    #[error("row {row} of {table} is malformed: {why}")]
    Row {
        /// The table.
        table: String,
        /// From 1.
        row: u64,
        /// What is wrong.
        why: String,
    },
    /// A file that a row describes is another.
    #[error("{entry} has {found} bytes where row {row} of {table} says {declared}")]
    FileSize {
        /// The file's entry.
        entry: String,
        /// The table.
        table: String,
        /// From 1.
        row: u64,
        /// As the row says.
        declared: u64,
        /// Found.
        found: u64,
    },
    /// A file that a row describes is another.
    #[error("{entry} is not the file whose checksum row {row} of {table} has")]
    FileDigest {
        /// The file's entry.
        entry: String,
        /// The table.
        table: String,
        /// From 1.
        row: u64,
    },
    /// A row names something that no file of the application can be.
    #[error(
        "row {row} of {table} names {path:?}, which lies in none of the application's folders; it is never followed"
    )]
    Path {
        /// The table.
        table: String,
        /// From 1.
        row: u64,
        /// As it stands there.
        path: String,
    },
    /// Other numbers than promised.
    #[error("the archive says that {what} are {declared}, and {found} were found")]
    Counts {
        /// What was counted.
        what: &'static str,
        /// As it says.
        declared: u64,
        /// Found.
        found: u64,
    },
    /// The sidecar belongs to another file.
    #[error("the sidecar says {declared} bytes, and the file has {found}")]
    SidecarSize {
        /// As it says.
        declared: u64,
        /// Of the file.
        found: u64,
    },
    /// A row's file isn't there.
    #[error("row {row} of {table} names {path}, which is not in the archive")]
    MissingFile {
        /// The table.
        table: String,
        /// From 1.
        row: u64,
        /// The entry it would have.
        path: String,
    },
    /// Two rows, one file.
    #[error(
        "row {row} of {table} names {path}, which another row names too; only one of them can have it"
    )]
    SharedFile {
        /// The table.
        table: String,
        /// From 1.
        row: u64,
        /// The entry.
        path: String,
    },
    /// Credentials, though nothing protects them.
    #[error("holds credentials in the clear: {table}.{place}, {rows}")]
    Credentials {
        /// The table.
        table: String,
        /// Column and path.
        place: String,
        /// Where.
        rows: Rows,
    },
    /// Credentials that the product should have taken out.
    #[error("a credential was left in by the product: {table}.{place}, {rows}")]
    LeftIn {
        /// The table.
        table: String,
        /// Column and path.
        place: String,
        /// Where.
        rows: Rows,
    },
    /// A value whose name looks like that of a secret.
    #[error("looks like a secret, though the archive should hold none: {table}.{place}, {rows}")]
    LooksSecret {
        /// The table.
        table: String,
        /// Column and path.
        place: String,
        /// Where.
        rows: Rows,
    },
    /// Values that could not be looked into.
    #[error(
        "could not be searched for credentials, because of its depth or because it is not Unicode: {table}.{place}, {rows}"
    )]
    NotSearched {
        /// The table.
        table: String,
        /// Column.
        place: String,
        /// Where.
        rows: Rows,
    },
    /// All columns, and no seal.
    #[error(
        "this is a sensitive archive that is not sealed: whoever has the file has its credentials. Keep it in a safe place, \
         or seal it"
    )]
    Unsealed,
    /// A credential that should be there and is empty.
    #[error("is empty though the archive says that it has its secrets: {table}.{place}, {rows}")]
    EmptySecret {
        /// The table.
        table: String,
        /// Column.
        place: String,
        /// Where.
        rows: Rows,
    },
    /// Something was under way when the archive was made.
    #[error(
        "was under way when the archive was made and will not go on by itself: {table} with {status}, {rows}"
    )]
    InFlight {
        /// The table.
        table: String,
        /// Its state.
        status: String,
        /// Where.
        rows: Rows,
    },
    /// The key that opens the file lies in it.
    #[error(
        "the file holds the keys of its encryption profiles, among them the one that opens it; they are of no help to \
         whoever has lost that key"
    )]
    OwnKey,
    /// A part that nobody here knows.
    #[error(
        "{0} is not known here; a newer version of the product may have written it, and it is not read"
    )]
    UnknownPart(String),
    /// A part that other versions write.
    #[error(
        "the archive has no {0}; releases of other times leave it out, and then there is nothing of it to restore"
    )]
    AbsentPart(String),
    /// A file that no row names.
    #[error("{0} is named by no row")]
    UnnamedFile(String),
    /// What stands in place of a credential.
    #[error(
        "holds a placeholder instead of a secret, which is never to be written back: {table}.{place}, {rows}"
    )]
    Placeholder {
        /// The table.
        table: String,
        /// Column and path.
        place: String,
        /// Where.
        rows: Rows,
    },
    /// Columns of credentials that were taken out.
    #[error("{table} is without its columns {}, which are credentials", .columns.join(", "))]
    Stripped {
        /// The table.
        table: String,
        /// Columns.
        columns: Vec<String>,
    },
    /// Credentials are empty on purpose.
    #[error(
        "{0} credentials were emptied when the archive was made; they must not replace those of an installation that has \
         them"
    )]
    Emptied(u64),
    /// Values that need a key of the application.
    #[error(
        "is readable only with the key that the application has in its environment ({keys}): {table}.{place}, {rows}"
    )]
    Wrapped {
        /// The table.
        table: String,
        /// Column.
        place: String,
        /// Which keys.
        keys: String,
        /// Where.
        rows: Rows,
    },
    /// Ids that no foreign key shows.
    #[error(
        "holds ids of other rows, which have to follow them when rows get new ids: {table}.{place}, {rows}"
    )]
    Ids {
        /// The table.
        table: String,
        /// Column and path.
        place: String,
        /// Where.
        rows: Rows,
    },
    /// What the format has no room for.
    #[error("the format has {0}; what it does not have can't be checked")]
    FormatLacks(&'static str),
    /// What the product doesn't put into its archives.
    #[error("the product leaves out of its archives: {0}")]
    LeftOut(&'static str),
}

impl Problem {
    /// What it means.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::Zip(finding) => match Weight::of(&finding.fault) {
                Weight::Note => Level::Note,
                Weight::Unreadable | Weight::Refused => Level::Error,
            },
            Self::Entry { .. }
            | Self::MissingTable(_)
            | Self::UnlistedTable(_)
            | Self::RowCount { .. }
            | Self::TableDigest(_)
            | Self::FileTotals { .. }
            | Self::Row { .. }
            | Self::FileSize { .. }
            | Self::FileDigest { .. }
            | Self::Path { .. }
            | Self::Counts { .. }
            | Self::SidecarSize { .. } => Level::Error,
            Self::MissingFile { .. }
            | Self::SharedFile { .. }
            | Self::Credentials { .. }
            | Self::LeftIn { .. }
            | Self::LooksSecret { .. }
            | Self::NotSearched { .. }
            | Self::Unsealed
            | Self::EmptySecret { .. }
            | Self::InFlight { .. }
            | Self::OwnKey
            | Self::UnknownPart(_) => Level::Warning,
            Self::AbsentPart(_)
            | Self::UnnamedFile(_)
            | Self::Placeholder { .. }
            | Self::Stripped { .. }
            | Self::Emptied(_)
            | Self::Wrapped { .. }
            | Self::Ids { .. }
            | Self::FormatLacks(_)
            | Self::LeftOut(_) => Level::Note,
        }
    }

    /// A stable name for programs, in snake case.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Zip(finding) => finding.fault.code(),
            Self::Entry { .. } => "entry_damaged",
            Self::MissingTable(_) => "missing_table",
            Self::UnlistedTable(_) => "unlisted_table",
            Self::RowCount { .. } => "row_count",
            Self::TableDigest(_) => "table_digest",
            Self::FileTotals { .. } => "file_totals",
            Self::Row { .. } => "row",
            Self::FileSize { .. } => "file_size",
            Self::FileDigest { .. } => "file_digest",
            Self::Path { .. } => "path",
            Self::Counts { .. } => "counts",
            Self::SidecarSize { .. } => "sidecar_size",
            Self::MissingFile { .. } => "missing_file",
            Self::SharedFile { .. } => "shared_file",
            Self::Credentials { .. } => "credentials",
            Self::LeftIn { .. } => "credentials_left_in",
            Self::LooksSecret { .. } => "looks_secret",
            Self::NotSearched { .. } => "not_searched",
            Self::Unsealed => "unsealed",
            Self::EmptySecret { .. } => "empty_secret",
            Self::InFlight { .. } => "in_flight",
            Self::OwnKey => "own_key",
            Self::UnknownPart(_) => "unknown_part",
            Self::AbsentPart(_) => "absent_part",
            Self::UnnamedFile(_) => "unnamed_file",
            Self::Placeholder { .. } => "placeholder",
            Self::Stripped { .. } => "stripped",
            Self::Emptied(_) => "emptied",
            Self::Wrapped { .. } => "wrapped",
            Self::Ids { .. } => "ids_in_json",
            Self::FormatLacks(_) => "format_lacks",
            Self::LeftOut(_) => "left_out",
        }
    }

    /// Where it is: a table with column, or an entry; empty for the archive as a whole.
    #[must_use]
    pub fn place(&self) -> String {
        match self {
            Self::Zip(finding) => finding.entry.clone(),
            Self::Entry { entry, .. }
            | Self::FileSize { entry, .. }
            | Self::FileDigest { entry, .. } => entry.clone(),
            Self::MissingTable(name)
            | Self::UnlistedTable(name)
            | Self::TableDigest(name)
            | Self::UnknownPart(name)
            | Self::AbsentPart(name)
            | Self::UnnamedFile(name) => name.clone(),
            Self::RowCount { table, .. }
            | Self::Row { table, .. }
            | Self::Path { table, .. }
            | Self::MissingFile { table, .. }
            | Self::SharedFile { table, .. }
            | Self::InFlight { table, .. }
            | Self::Stripped { table, .. } => table.clone(),
            Self::Credentials { table, place, .. }
            | Self::LeftIn { table, place, .. }
            | Self::LooksSecret { table, place, .. }
            | Self::NotSearched { table, place, .. }
            | Self::EmptySecret { table, place, .. }
            | Self::Placeholder { table, place, .. }
            | Self::Wrapped { table, place, .. }
            | Self::Ids { table, place, .. } => format!("{table}.{place}"),
            Self::FileTotals { .. }
            | Self::Counts { .. }
            | Self::SidecarSize { .. }
            | Self::Unsealed
            | Self::OwnKey
            | Self::Emptied(_)
            | Self::FormatLacks(_)
            | Self::LeftOut(_) => String::new(),
        }
    }

    /// The rows that it concerns, if it names some.
    #[must_use]
    pub const fn rows(&self) -> Option<&Rows> {
        match self {
            Self::Credentials { rows, .. }
            | Self::LeftIn { rows, .. }
            | Self::LooksSecret { rows, .. }
            | Self::NotSearched { rows, .. }
            | Self::EmptySecret { rows, .. }
            | Self::InFlight { rows, .. }
            | Self::Placeholder { rows, .. }
            | Self::Wrapped { rows, .. }
            | Self::Ids { rows, .. } => Some(rows),
            _ => None,
        }
    }
}

/// A finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding(pub Problem);

impl Finding {
    /// What it means.
    #[must_use]
    pub fn level(&self) -> Level {
        self.0.level()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// `{level, code, place, message, count?}`
impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Finding", 5)?;
        out.serialize_field("level", &self.0.level())?;
        out.serialize_field("code", self.0.code())?;
        out.serialize_field("place", &self.0.place())?;
        out.serialize_field("message", &self.0.to_string())?;
        out.serialize_field("count", &self.0.rows().map(|rows| rows.count))?;
        out.end()
    }
}
