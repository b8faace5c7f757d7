//! The archive's shape against the target's: what differs, and what becomes of the rows.
//!
//! [`drift`] names the differences. [`row_map`] says how rows of the old shape become rows of the new one, and
//! [`assess`] what the user has to know of it: each difference has an [`Outcome`], found from the rows themselves where
//! it depends on them, and never guessed.

use alloc::{string::String, vec::Vec};
use core::fmt;

use serde::{Deserialize, Serialize};

use super::{Column, Engine, Schema, Table, TableName};

mod assess;
mod decide;
mod map;
mod postgres;
mod show;
#[cfg(test)]
mod tests;

pub use assess::{TableDrift, assess};
pub use decide::{ColumnName, Decisions, Fill, Survey, Surveyed};
pub use map::row_map;

/// The labels of one enumeration type of the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Labels {
    /// The type, as the columns that have it name it.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Its labels in their order.
    pub labels: Vec<String>,
}

/// One difference between the archive's schema and the target's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Drift {
    /// The target lacks a table that the archive holds.
    TableMissing {
        /// The table.
        table: TableName,
    },
    /// The target has a table that the archive's schema doesn't know. It keeps its rows.
    TableAdded {
        /// The table.
        table: TableName,
    },
    /// The target lacks a column that the archive holds.
    ColumnMissing {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
    },
    /// The target has a column that the archive doesn't hold.
    ColumnAdded {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
        /// What it holds in rows that bring no value for it.
        value: Own,
    },
    /// The target computes a column that the archive holds.
    ColumnComputed {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
    },
    /// A column's type differs, or whether it may be NULL.
    ColumnChanged {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
        /// How the archive describes it.
        archive: String,
        /// How the target describes it.
        target: String,
    },
    /// The target's enumeration lacks labels that rows of the archive have.
    LabelsMissing {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
        /// The enumeration.
        #[serde(rename = "type")]
        type_name: String,
    },
    /// Primary, unique or foreign keys differ. The database checks them as ever.
    KeysChanged {
        /// The table.
        table: TableName,
    },
}

/// What a column holds in a row that brings no value for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Own {
    /// Nothing is possible: it needs a value.
    Missing,
    /// NULL.
    Null,
    /// The expression of its default.
    Default(String),
    /// The next number.
    Number,
    /// What the database computes.
    Computed,
}

impl Own {
    fn of(column: &Column) -> Self {
        if column.generated {
            Self::Computed
        } else if column.identity {
            Self::Number
        } else if let Some(default) = &column.default {
            Self::Default(default.clone())
        } else if column.nullable {
            Self::Null
        } else {
            Self::Missing
        }
    }
}

/// What becomes of the rows through a difference, from harmless to impossible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every value fits, and none is lost.
    Fits,
    /// The same, and a further column takes its default.
    FitsWithDefault,
    /// Rows that don't fit, or values that are lost, were decided upon.
    Decided,
    /// It depends on rows that nobody has read yet. They are, before anything is changed.
    NotReadYet,
    /// Rows don't fit, or values are lost, and nobody has decided upon that.
    NeedsDecision,
    /// The rows can't be loaded.
    Impossible,
}

/// A difference with what becomes of the rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// What differs.
    #[serde(flatten)]
    pub drift: Drift,
    /// What becomes of the rows.
    pub outcome: Outcome,
    /// Rows of the archive that lose a value or have one that doesn't fit, where they were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

impl Drift {
    /// The table that differs.
    #[must_use]
    pub fn table(&self) -> &TableName {
        match self {
            Self::TableMissing { table }
            | Self::TableAdded { table }
            | Self::ColumnMissing { table, .. }
            | Self::ColumnAdded { table, .. }
            | Self::ColumnComputed { table, .. }
            | Self::ColumnChanged { table, .. }
            | Self::LabelsMissing { table, .. }
            | Self::KeysChanged { table } => table,
        }
    }

    /// Whether no value of the column can be loaded, so that the decision is to leave them out.
    #[must_use]
    pub const fn loses_column(&self) -> bool {
        matches!(
            self,
            Self::ColumnMissing { .. } | Self::ColumnComputed { .. }
        )
    }

    /// The column that differs, if it is one.
    #[must_use]
    pub fn column(&self) -> Option<&str> {
        match self {
            Self::TableMissing { .. } | Self::TableAdded { .. } | Self::KeysChanged { .. } => None,
            Self::ColumnMissing { column, .. }
            | Self::ColumnAdded { column, .. }
            | Self::ColumnComputed { column, .. }
            | Self::ColumnChanged { column, .. }
            | Self::LabelsMissing { column, .. } => Some(column),
        }
    }
}

/// All differences between the archive's shape and the target's, in the order of table names. Constraints' names and
/// the order of columns make none.
#[must_use]
pub fn drift(archive: &Schema, target: &Schema) -> Vec<Drift> {
    let mut found = Vec::new();
    for table in &archive.tables {
        match target.table(&table.name) {
            None => found.push(Drift::TableMissing {
                table: table.name.clone(),
            }),
            Some(other) => table_drift(table, other, &mut found),
        }
    }
    for table in &target.tables {
        if archive.table(&table.name).is_none() {
            found.push(Drift::TableAdded {
                table: table.name.clone(),
            });
        }
    }
    found.sort_by(|a, b| a.table().cmp(b.table()));
    found
}

fn table_drift(archive: &Table, target: &Table, found: &mut Vec<Drift>) {
    let table = &archive.name;
    // A generated column holds nothing of its own, so nothing is lost with it.
    for column in archive.stored_columns() {
        let name = column.name.clone();
        match target.column(&column.name) {
            None => found.push(Drift::ColumnMissing {
                table: table.clone(),
                column: name,
            }),
            Some(other) if other.generated => found.push(Drift::ColumnComputed {
                table: table.clone(),
                column: name,
            }),
            Some(other) if describe(column) != describe(other) => {
                found.push(Drift::ColumnChanged {
                    table: table.clone(),
                    column: name,
                    archive: describe(column),
                    target: describe(other),
                })
            }
            Some(_) => {}
        }
    }
    for column in &target.columns {
        let known = archive.column(&column.name);
        if known.is_none_or(|known| known.generated && !column.generated) {
            found.push(Drift::ColumnAdded {
                table: table.clone(),
                column: column.name.clone(),
                value: Own::of(column),
            });
        }
    }
    let keys = |table: &Table| {
        let mut copy = table.clone();
        copy.columns.clear();
        Schema {
            tables: alloc::vec![copy],
        }
        .hash()
    };
    if keys(archive) != keys(target) {
        found.push(Drift::KeysChanged {
            table: table.clone(),
        });
    }
}

fn describe(column: &Column) -> String {
    alloc::format!(
        "{}{}",
        if column.type_name.is_empty() {
            "untyped"
        } else {
            &column.type_name
        },
        if column.nullable { "" } else { " not null" },
    )
}

impl Table {
    /// The column called `name`.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fits => "fits",
            Self::FitsWithDefault => "fits with the default",
            Self::Decided => "fits as decided",
            Self::NotReadYet => "fits if its rows do",
            Self::NeedsDecision => "needs a decision",
            Self::Impossible => "does not fit",
        })
    }
}
