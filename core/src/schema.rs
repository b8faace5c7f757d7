//! A database's shape: tables, columns, keys and foreign keys; its hash; and the comparison of two shapes.

use alloc::{format, string::String, vec::Vec};
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

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

/// One difference between the archive's schema and the target's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Drift {
    /// The target lacks a table that the archive holds.
    TableMissing {
        /// The table.
        table: TableName,
    },
    /// The target has a table that the archive's schema doesn't know.
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
    /// The target has a column that the archive doesn't know.
    ColumnAdded {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
        /// Whether rows fit without a value for it: it may be NULL, has a default or is generated.
        fits: bool,
    },
    /// A column's type, nullability or generation differs.
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
    /// Primary, unique or foreign keys differ.
    KeysChanged {
        /// The table.
        table: TableName,
    },
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
            | Self::ColumnChanged { table, .. }
            | Self::KeysChanged { table } => table,
        }
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TableMissing { table } => write!(f, "the target has no table {table}"),
            Self::TableAdded { table } => {
                write!(f, "the archive does not know the target's table {table}")
            }
            Self::ColumnMissing { table, column } => {
                write!(f, "the target's table {table} has no column {column}")
            }
            Self::ColumnAdded {
                table,
                column,
                fits: true,
            } => {
                write!(
                    f,
                    "the target's table {table} has a further column {column}, which may stay empty"
                )
            }
            Self::ColumnAdded {
                table,
                column,
                fits: false,
            } => {
                write!(
                    f,
                    "the target's table {table} has a further column {column}, which needs a value"
                )
            }
            Self::ColumnChanged {
                table,
                column,
                archive,
                target,
            } => {
                write!(
                    f,
                    "column {column} of {table} is {archive} in the archive, {target} in the target"
                )
            }
            Self::KeysChanged { table } => write!(f, "the keys of {table} differ"),
        }
    }
}

/// All differences between the archive's shape and the target's, in the order of table names.
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
    for column in &archive.columns {
        match target
            .columns
            .iter()
            .find(|other| other.name == column.name)
        {
            // A generated column holds nothing of its own, so nothing is lost with it.
            None if column.generated => {}
            None => found.push(Drift::ColumnMissing {
                table: table.clone(),
                column: column.name.clone(),
            }),
            Some(other) if describe(column) != describe(other) => {
                found.push(Drift::ColumnChanged {
                    table: table.clone(),
                    column: column.name.clone(),
                    archive: describe(column),
                    target: describe(other),
                })
            }
            Some(_) => {}
        }
    }
    for column in &target.columns {
        if !archive
            .columns
            .iter()
            .any(|other| other.name == column.name)
        {
            found.push(Drift::ColumnAdded {
                table: table.clone(),
                column: column.name.clone(),
                fits: column.nullable
                    || column.default.is_some()
                    || column.generated
                    || column.identity,
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
    format!(
        "{}{}{}",
        if column.type_name.is_empty() {
            "untyped"
        } else {
            &column.type_name
        },
        if column.nullable { "" } else { " not null" },
        if column.generated { " generated" } else { "" },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{string::ToString, vec};

    fn column(name: &str, type_name: &str) -> Column {
        Column {
            name: name.to_string(),
            type_name: type_name.to_string(),
            nullable: true,
            default: None,
            generated: false,
            identity: false,
        }
    }

    fn table(name: &str, columns: Vec<Column>) -> Table {
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

    #[test]
    fn drift_names_every_difference() {
        let archive = Schema {
            tables: vec![
                table("gone", vec![column("x", "text")]),
                table(
                    "t",
                    vec![
                        column("kept", "text"),
                        column("lost", "text"),
                        column("wide", "text"),
                    ],
                ),
            ],
        };
        let mut needed = column("needed", "text");
        needed.nullable = false;
        let target = Schema {
            tables: vec![
                table("new", vec![column("x", "text")]),
                table(
                    "t",
                    vec![column("kept", "text"), column("wide", "varchar(3)"), needed],
                ),
            ],
        };
        let t = TableName::new("public", "t");
        assert_eq!(
            drift(&archive, &target),
            vec![
                Drift::TableMissing {
                    table: TableName::new("public", "gone")
                },
                Drift::TableAdded {
                    table: TableName::new("public", "new")
                },
                Drift::ColumnMissing {
                    table: t.clone(),
                    column: "lost".into()
                },
                Drift::ColumnChanged {
                    table: t.clone(),
                    column: "wide".into(),
                    archive: "text".into(),
                    target: "varchar(3)".into(),
                },
                Drift::ColumnAdded {
                    table: t,
                    column: "needed".into(),
                    fits: false
                },
            ]
        );
        assert_eq!(drift(&archive, &archive), vec![]);
    }
}
