//! A database's shape: tables, columns, keys and foreign keys; its hash; and the comparison of two shapes.

use alloc::{string::String, vec::Vec};
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

mod drift;

pub use drift::{
    ColumnName, Decisions, Difference, Drift, Fill, Labels, Outcome, Own, Survey, Surveyed,
    TableDrift, assess, drift, row_map,
};

/// The kind of database that an archive was taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// PostgreSQL 13 and later.
    Postgres,
    /// SQLite 3.
    Sqlite,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postgres => "PostgreSQL",
            Self::Sqlite => "SQLite",
        })
    }
}

/// A table's name with the schema it lives in (`public` by default in PostgreSQL, `main` in SQLite).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableName {
    /// The schema, unquoted.
    pub schema: String,
    /// The table, unquoted.
    pub name: String,
}

impl TableName {
    /// A table name from its two parts, unquoted.
    #[must_use]
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            schema: schema.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

/// A database's shape. Tables are in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    /// All base tables that hold data of the application.
    pub tables: Vec<Table>,
}

/// One table's shape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Its name.
    pub name: TableName,
    /// Columns in the table's own order.
    pub columns: Vec<Column>,
    /// Columns of the primary key, in key order; empty if there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub primary_key: Vec<String>,
    /// Further unique keys, each with its columns in key order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unique: Vec<Vec<String>>,
    /// Foreign keys that start at this table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreign_keys: Vec<ForeignKey>,
}

impl Table {
    /// The columns whose values are stored in an archive: all but the generated ones.
    pub fn stored_columns(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| !column.generated)
    }
}

/// One column's shape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Its name, unquoted.
    pub name: String,
    /// The engine's own spelling of the type, e.g. `character varying(255)`; empty where SQLite has none.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Whether NULL is allowed.
    pub nullable: bool,
    /// The default's expression as the engine prints it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Computed from other columns: never archived, never loaded.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub generated: bool,
    /// Fed by an identity or sequence default (PostgreSQL) or AUTOINCREMENT (SQLite).
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub identity: bool,
}

/// One foreign key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForeignKey {
    /// The constraint's name; empty where the engine gives none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Columns here.
    pub columns: Vec<String>,
    /// The table that is referenced.
    pub references: TableName,
    /// Columns there, pairwise with `columns`.
    pub referenced_columns: Vec<String>,
}

impl Schema {
    /// SHA-256 over the canonical JSON of the shape: the same for the same tables, columns, types and keys,
    /// whatever the constraints are called.
    ///
    /// Names of constraints and expressions of defaults are left out: migration tools and engine versions
    /// change them without changing what rows fit.
    #[must_use]
    pub fn hash(&self) -> Digest {
        let mut canonical = self.clone();
        canonical.tables.sort_by(|a, b| a.name.cmp(&b.name));
        for table in &mut canonical.tables {
            table.unique.sort();
            for column in &mut table.columns {
                column.default = None;
            }
            for key in &mut table.foreign_keys {
                key.name.clear();
            }
            table.foreign_keys.sort_by(|a, b| {
                (&a.columns, &a.references, &a.referenced_columns).cmp(&(
                    &b.columns,
                    &b.references,
                    &b.referenced_columns,
                ))
            });
        }
        // Writing plain structs of strings and bools to memory has no way to fail; if it ever did, the
        // hash of the empty string matches no schema that has a table.
        Digest::of(&serde_json::to_vec(&canonical).unwrap_or_default())
    }

    /// The names of all tables.
    pub fn names(&self) -> impl Iterator<Item = &TableName> {
        self.tables.iter().map(|table| &table.name)
    }

    /// The table called `name`.
    #[must_use]
    pub fn table(&self, name: &TableName) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{string::ToString, vec};

    pub(super) fn column(name: &str, type_name: &str) -> Column {
        Column {
            name: name.to_string(),
            type_name: type_name.to_string(),
            nullable: true,
            default: None,
            generated: false,
            identity: false,
        }
    }

    pub(super) fn table(name: &str, columns: Vec<Column>) -> Table {
        Table {
            name: TableName::new("public", name),
            columns,
            primary_key: vec![],
            unique: vec![],
            foreign_keys: vec![],
        }
    }

    #[test]
    fn the_hash_ignores_table_order_and_constraint_names_but_not_types() {
        let key = ForeignKey {
            name: "fk_1".into(),
            columns: vec!["a".into()],
            references: TableName::new("public", "b"),
            referenced_columns: vec!["id".into()],
        };
        let mut a = table("a", vec![column("a", "integer")]);
        a.foreign_keys.push(key.clone());
        let b = table("b", vec![column("id", "integer")]);
        let one = Schema {
            tables: vec![a.clone(), b.clone()],
        };
        let mut renamed = a.clone();
        renamed.foreign_keys[0].name = "other".into();
        assert_eq!(
            one.hash(),
            Schema {
                tables: vec![b.clone(), renamed]
            }
            .hash()
        );
        let mut retyped = a;
        retyped.columns[0].type_name = "bigint".into();
        assert_ne!(
            one.hash(),
            Schema {
                tables: vec![retyped, b]
            }
            .hash()
        );
    }
}
