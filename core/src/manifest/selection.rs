//! What a user picks from an archive.

use alloc::{collections::BTreeMap, string::String, vec::Vec};
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::schema::TableName;

/// What a user picks from an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// Tables; `None` for all.
    pub tables: Option<Vec<TableName>>,
    /// File sets by name; `None` for all.
    pub file_sets: Option<Vec<String>>,
    /// Single records with all that belongs to them, out of these tables; nothing means all rows of the tables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<Record>,
}

/// One row of an archive, to be restored with all that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Its table.
    pub table: TableName,
    /// Its primary key, one of its unique keys, or one alternative of its identity: each column with its value as the
    /// archive's row text prints it.
    pub key: BTreeMap<String, String>,
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with ", self.table)?;
        self.key
            .iter()
            .enumerate()
            .try_for_each(|(index, (column, value))| {
                let and = if index > 0 { ", " } else { "" };
                write!(f, "{and}{column} = {value}")
            })
    }
}

impl Selection {
    /// Everything in the archive.
    pub const ALL: Self = Self {
        tables: None,
        file_sets: None,
        records: Vec::new(),
    };

    /// The same without the file sets that aren't among these; nothing leaves all.
    #[must_use]
    pub fn without_file_sets_but(mut self, kept: Option<&[String]>) -> Self {
        if let (Some(sets), Some(kept)) = (&mut self.file_sets, kept) {
            sets.retain(|set| kept.contains(set));
        }
        self
    }

    /// Whether the table is selected.
    #[must_use]
    pub fn has_table(&self, table: &TableName) -> bool {
        self.tables
            .as_ref()
            .is_none_or(|tables| tables.contains(table))
    }

    /// Whether the file set is selected.
    #[must_use]
    pub fn has_file_set(&self, name: &str) -> bool {
        self.file_sets
            .as_ref()
            .is_none_or(|sets| sets.iter().any(|set| set == name))
    }
}
