//! What is known of one safety backup: a small JSON file beside its archive. It holds no secret and no row.

use std::path::PathBuf;

use coffer_core::{Digest, schema::TableName};
use serde::{Deserialize, Serialize};

use super::content::Content;

/// The version of the form that is written and read.
pub(super) const VERSION: u32 = 1;

/// What is known of one safety backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    pub(super) coffer_safety: u32,
    /// Its name: when it was taken, and a random part.
    pub id: String,
    /// Greater than that of every one in its folder that was taken before it.
    pub serial: u64,
    /// When it was taken, RFC 3339.
    pub created_at: String,
    /// The database that it is of, as [`crate::engine::Engine::target`] names it.
    pub target: String,
    /// The same for people.
    pub database: String,
    /// What it was taken before.
    pub before: Occasion,
    /// The archive that was restored then.
    pub restored: Restored,
    /// The folders of its file sets.
    pub file_sets: Vec<(String, PathBuf)>,
    /// SHA-256 of its archive's manifest.
    pub manifest: Digest,
    /// Bytes of its archive.
    pub bytes: u64,
    /// What the target held when it was taken.
    pub held: Content,
    /// What became of the restore.
    pub state: State,
}

/// What a safety backup was taken before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// A restore of an archive.
    Restore,
    /// A restore of another safety backup.
    Undo,
}

/// The archive that was restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restored {
    /// Its application.
    pub app: String,
    /// When it was taken, RFC 3339.
    pub created_at: String,
    /// SHA-256 of its manifest.
    pub manifest: Digest,
}

/// What became of the restore that a safety backup was taken for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "restore", rename_all = "snake_case", deny_unknown_fields)]
pub enum State {
    /// Rows were being loaded; nothing was committed.
    Begun,
    /// It was about to commit.
    Committing {
        /// What it would leave.
        left: Content,
    },
    /// It took effect.
    Committed {
        /// What it left, proven inside of its transaction.
        left: Content,
    },
}

impl Record {
    /// The tables that it holds.
    pub fn tables(&self) -> impl Iterator<Item = &TableName> {
        self.held.tables.iter().map(|table| &table.table)
    }

    /// Its rows.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.held.tables.iter().map(|table| table.rows).sum()
    }

    /// Its files.
    #[must_use]
    pub fn files(&self) -> u64 {
        self.held.file_sets.iter().map(|set| set.files).sum()
    }

    /// What the restore left, or would have.
    #[must_use]
    pub const fn left(&self) -> Option<&Content> {
        match &self.state {
            State::Begun => None,
            State::Committing { left } | State::Committed { left } => Some(left),
        }
    }
}
