//! What the user decides about rows that don't fit, and what was counted to decide upon.

use alloc::{string::String, vec::Vec};
use core::fmt;

use serde::{Deserialize, Serialize};

use super::super::TableName;
use crate::rows::{Mapped, RowMap};

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnName {
    /// The table.
    pub table: TableName,
    /// The column, unquoted.
    pub column: String,
}

impl fmt::Display for ColumnName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.table, self.column)
    }
}

/// What takes the place of a column's values that don't fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fill {
    /// The table.
    pub table: TableName,
    /// The column.
    pub column: String,
    /// The value as the database prints it; nothing means NULL.
    pub value: Option<String>,
}

/// What was decided about rows that don't fit into the target's tables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Decisions {
    /// Columns of the archive that the target doesn't have, and whose values may be lost.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drop_columns: Vec<ColumnName>,
    /// What takes the place of values that don't fit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fill: Vec<Fill>,
}

impl Decisions {
    /// Whether nothing was decided.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.drop_columns.is_empty() && self.fill.is_empty()
    }

    pub(super) fn drops(&self, table: &TableName, column: &str) -> bool {
        self.drop_columns
            .iter()
            .any(|drop| drop.table == *table && drop.column == column)
    }

    pub(super) fn filling(&self, table: &TableName, column: &str) -> Option<&Fill> {
        self.fill
            .iter()
            .find(|fill| fill.table == *table && fill.column == column)
    }
}

/// What was counted in one table of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surveyed {
    /// The table.
    pub table: TableName,
    /// What the rows were held against, without decisions.
    pub map: RowMap,
    /// What came of it.
    pub found: Mapped,
}

/// What was counted in the archive's rows, for a target of one shape.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// The tables that had to be read.
    pub tables: Vec<Surveyed>,
}

impl Survey {
    /// The rows of a table that are affected in each column, if they were counted for this map.
    pub(super) fn affected(&self, table: &TableName, map: &RowMap) -> Option<&[u64]> {
        self.tables
            .iter()
            .find(|surveyed| surveyed.table == *table && surveyed.map == *map)
            .map(|surveyed| surveyed.found.affected.as_slice())
    }

    /// Whether it says what becomes of a table's rows under this map.
    #[must_use]
    pub fn knows(&self, table: &TableName, map: &RowMap) -> bool {
        self.affected(table, map).is_some()
    }
}
