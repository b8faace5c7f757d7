//! What a plan is made from.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest,
    manifest::{Manifest, Migration},
    schema::{Engine, Labels, Schema, Survey, TableName},
    seal::Fingerprint,
};

/// A foreign key from a table that keeps its rows into one whose rows are replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// The table that keeps its rows.
    pub table: TableName,
    /// The key's columns there.
    pub columns: Vec<String>,
    /// The table that it refers to.
    pub references: TableName,
    /// Rows that refer to a row, and would point at nothing if the archive lacked it.
    pub rows: u64,
}

/// What is known of a secret of the target's environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldSecret {
    /// The variable that the application reads it from.
    pub variable: String,
    /// How it compares with the one that the archive depends on.
    pub state: SecretState,
}

/// How a secret of the target compares with the one that the archive depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretState {
    /// It is the same.
    Same,
    /// It is another one.
    Other,
    /// Nobody gave it.
    NotGiven,
    /// The archive has no fingerprint to compare it with.
    NotComparable,
}

/// What was read from the live target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetFacts {
    /// The kind of database.
    pub engine: Engine,
    /// A name for people, without credentials, e.g. `shop on 127.0.0.1:5432`.
    pub name: String,
    /// Its shape.
    pub schema: Schema,
    /// Rows of every table of `schema`, counted.
    pub rows: Vec<(TableName, u64)>,
    /// Foreign keys from tables that keep their rows into those that are selected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
    /// What tells that rows of a table changed whose number didn't: for tables that are brought together with the archive's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<(TableName, String)>,
    /// The labels of its enumerations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Labels>,
    /// Its migration head.
    pub migration: Option<Migration>,
    /// For file sets, files that the target's folders hold now, by set name; `None` where no folder is known.
    pub files: Vec<(String, Option<u64>)>,
    /// The secrets of its environment that the archive names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub app_secrets: Vec<HeldSecret>,
}

impl TargetFacts {
    /// SHA-256 of the facts.
    #[must_use]
    pub fn digest(&self) -> Digest {
        // Plain data has no way to fail when written to memory.
        Digest::of(&serde_json::to_vec(self).unwrap_or_default())
    }
}

/// What is known of who made an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was sealed by the holder of this sender key, and what is restored is compared with what they signed.
    Signed(Fingerprint),
    /// It was opened by a key and nobody signed it. The public half is enough to seal, so anybody may have made it.
    Anybody,
    /// Whoever made it had the password or the one-time key, or it isn't sealed and says nothing.
    Unsaid,
}

/// What a plan needs to know of an archive.
#[derive(Clone, Copy, Debug)]
pub struct Archived<'a> {
    /// Its manifest.
    pub manifest: &'a Manifest,
    /// The SHA-256 of the manifest's bytes as they stand in the archive.
    pub digest: Digest,
    /// What was found out about who made it.
    pub origin: Origin,
    /// What was counted in its rows for this target; `None` where nobody has read them.
    pub survey: Option<&'a Survey>,
}
