//! What an archive of another product holds, at a glance.

use alloc::{string::String, vec::Vec};
use core::fmt;

use serde::Serialize;

use super::{Finding, Level};

/// A product whose archives can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Product {
    /// A help desk on PostgreSQL.
    Nosdesk,
    /// Meetings with transcripts, on PostgreSQL.
    Nojoin,
    /// A backup tool with SQLite, whose system backups hold its own configuration.
    DBackup,
}

impl Product {
    /// The name of its preset, and of the app in Coffer's archives of it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nosdesk => "nosdesk",
            Self::Nojoin => "nojoin",
            Self::DBackup => "dbackup",
        }
    }
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nosdesk => "Nosdesk",
            Self::Nojoin => "Nojoin",
            Self::DBackup => "DBackup",
        })
    }
}

/// Everything that is known of an archive after it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Overview {
    /// Who wrote it.
    pub product: Product,
    /// The version of the format, in the product's own terms.
    pub format: String,
    /// The product's version, if it is said.
    pub app_version: Option<String>,
    /// When it was made, as it is written.
    pub created_at: Option<String>,
    /// How it is encrypted; `None` if it is not.
    pub sealed: Option<String>,
    /// Credentials are inside, whether they should be or not is among the findings.
    pub sensitive: bool,
    /// What else it says of itself: names and values.
    pub facts: Vec<(String, String)>,
    /// Tables, as the archive holds them.
    pub tables: Vec<TableInfo>,
    /// Rows of all tables.
    pub rows: u64,
    /// Uploaded files.
    pub files: Vec<FileInfo>,
    /// Bytes of all of them, as far as they were read counted, else as declared.
    pub file_bytes: u64,
    /// Whether the content of the files was read too.
    pub files_read: bool,
    /// Everything that is to be known, the worst first.
    pub findings: Vec<Finding>,
    /// Findings that there was no room for.
    pub more_findings: u64,
    /// Findings that are errors, with those that there was no room for.
    pub errors: u64,
}

impl Overview {
    /// How many of the findings shown have this weight.
    #[must_use]
    pub fn count(&self, level: Level) -> usize {
        let has = |finding: &&Finding| finding.level() == level;
        self.findings.iter().filter(has).count()
    }
}

/// A table of an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TableInfo {
    /// Its name in the product's database.
    pub name: String,
    /// Where its rows stand: the entry, or the key of the JSON.
    pub source: String,
    /// Rows.
    pub rows: u64,
    /// Names of the values of its rows, as they come up.
    pub columns: Vec<String>,
}

/// An uploaded file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileInfo {
    /// Its entry.
    pub entry: String,
    /// Bytes.
    pub size: u64,
    /// A row names it.
    pub named: bool,
}
