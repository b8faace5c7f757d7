//! What a file says about itself, read from SQLite's schema table and PRAGMAs.

use std::collections::HashMap;

use coffer_core::{
    manifest::{LeftOut, LeftOutReason, Migration, OwnedBy, Sequence},
    schema::{Column, Engine, ForeignKey, Schema, Table, TableName},
};
use rusqlite::{OptionalExtension, Params, Row};

use super::{
    link::Link,
    mark,
    virtual_table::{self, Kind},
};
use crate::engine::{Database, EngineError, ledger, sql};

/// The schema of everything in the file itself.
const MAIN: &str = "main";
const DOING: &str = "reading the schema";

/// A file's description with what is needed to work on it.
#[derive(Debug)]
pub(super) struct Catalog {
    pub(super) database: Database,
    /// Virtual tables by name.
    pub(super) virtual_tables: Vec<(String, Kind)>,
}

impl Catalog {
    /// The shape of the table called `name`.
    pub(super) fn table(&self, name: &TableName, target: &str) -> Result<&Table, EngineError> {
        self.database
            .schema
            .table(name)
            .ok_or_else(|| EngineError::NoTable {
                target: target.to_owned(),
                table: name.clone(),
            })
    }

    /// The stored columns called `names`, in that order.
    pub(super) fn columns<'a>(
        &'a self,
        name: &TableName,
        names: &[String],
        target: &str,
    ) -> Result<Vec<&'a Column>, EngineError> {
        let table = self.table(name, target)?;
        names
            .iter()
            .map(|wanted| {
                table
                    .stored_columns()
                    .find(|column| column.name == *wanted)
                    .ok_or_else(|| EngineError::NoColumn {
                        target: target.to_owned(),
                        table: name.clone(),
                        column: wanted.clone(),
                    })
            })
            .collect()
    }

    /// The AUTOINCREMENT column of a table.
    pub(super) fn counted_column(&self, name: &TableName) -> Option<&Column> {
        let table = self.database.schema.table(name)?;
        table.columns.iter().find(|column| column.identity)
    }
}

/// Something in the file as `PRAGMA table_list` shows it.
struct Object {
    name: String,
    kind: String,
    without_rowid: bool,
}

/// Reads everything.
pub(super) fn read(link: &Link) -> Result<Catalog, EngineError> {
    let objects = all(
        link,
        r"SELECT name, type, wr FROM pragma_table_list
           WHERE schema = 'main' AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY name",
        [],
        |row| {
            Ok(Object {
                name: row.get(0)?,
                kind: row.get(1)?,
                without_rowid: row.get(2)?,
            })
        },
    )?;
    let mut schema = Schema::default();
    let mut left_out = Vec::new();
    let mut virtual_tables = Vec::new();
    // A restore that was interrupted may have left its mark.
    for object in objects.iter().filter(|object| !mark::is_mark(&object.name)) {
        match object.kind.as_str() {
            "table" => {
                let table = read_table(link, object)?;
                if table.stored_columns().next().is_some() {
                    schema.tables.push(table);
                } else {
                    left_out.push(named("table without stored columns", &object.name));
                }
            }
            "view" => left_out.push(named("view", &object.name)),
            "virtual" => {
                let mut kind = virtual_table::kind(&statement_of(link, &object.name)?);
                let columns = visible_columns(link, object)?;
                if kind == Kind::FullText && hides_rowid(&columns) {
                    kind = Kind::OwnData;
                }
                match kind {
                    Kind::FullText | Kind::RTree => {
                        schema.tables.push(as_table(object, &kind, columns));
                    }
                    Kind::Contentless => left_out.push(LeftOut::Object {
                        kind: "full-text index without content".into(),
                        name: object.name.clone(),
                        reason: LeftOutReason::Derived,
                    }),
                    Kind::Computed | Kind::IndexOf(_) | Kind::OwnData => {
                        left_out.push(LeftOut::Object {
                            kind: "virtual table".into(),
                            name: object.name.clone(),
                            reason: LeftOutReason::Derived,
                        });
                    }
                }
                virtual_tables.push((object.name.clone(), kind));
            }
            // Shadow tables are the inside of a virtual table.
            _ => {}
        }
    }
    schema.tables.sort_by(|a, b| a.name.cmp(&b.name));
    resolve_references(&mut schema);
    let migration = take_ledger(link, &mut schema, &mut left_out)?;
    let sequences = read_sequences(link, &schema)?;
    let engine_version = one(link, "SELECT sqlite_version()")?;
    Ok(Catalog {
        database: Database {
            engine: Engine::Sqlite,
            engine_version,
            name: file_name(&link.target),
            schema,
            sequences,
            labels: Vec::new(),
            migration,
            left_out,
        },
        virtual_tables,
    })
}

fn file_name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

fn named(kind: &str, name: &str) -> LeftOut {
    LeftOut::Object {
        kind: kind.into(),
        name: name.into(),
        reason: LeftOutReason::NotData,
    }
}

/// All rows of a query.
pub(super) fn all<T>(
    link: &Link,
    sql: &str,
    parameters: impl Params,
    map: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, EngineError> {
    let read = || -> rusqlite::Result<Vec<T>> {
        let mut statement = link.connection.prepare(sql)?;
        let rows = statement.query_map(parameters, map)?;
        rows.collect()
    };
    read().map_err(|error| link.name(&DOING, &error))
}

/// The one text that a query gives.
fn one(link: &Link, sql: &str) -> Result<String, EngineError> {
    link.connection
        .query_row(sql, [], |row| row.get(0))
        .map_err(|error| link.name(&DOING, &error))
}

fn statement_of(link: &Link, table: &str) -> Result<String, EngineError> {
    link.connection
        .query_row(
            "SELECT coalesce(sql, '') FROM main.sqlite_schema WHERE name = ?1",
            [table],
            |row| row.get(0),
        )
        .map_err(|error| link.name(&DOING, &error))
}

fn read_table(link: &Link, object: &Object) -> Result<Table, EngineError> {
    let mut key: Vec<(i64, String)> = Vec::new();
    let mut columns = all(
        link,
        "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?1, 'main') ORDER BY cid",
        [&object.name],
        |row| {
            let name: String = row.get(0)?;
            let place: i64 = row.get(4)?;
            if place > 0 {
                key.push((place, name.clone()));
            }
            let hidden: i64 = row.get(5)?;
            Ok(Column {
                name,
                type_name: row.get(1)?,
                nullable: !row.get::<_, bool>(2)?,
                default: row.get(3)?,
                // 2 is a virtual one, 3 a stored one.
                generated: hidden == 2 || hidden == 3,
                identity: false,
            })
        },
    )?;
    key.sort();
    let primary_key: Vec<String> = key.into_iter().map(|(_, name)| name).collect();
    if let [only] = primary_key.as_slice()
        && !object.without_rowid
        && let Some(column) = columns.iter_mut().find(|column| column.name == *only)
        && column.type_name.eq_ignore_ascii_case("INTEGER")
    {
        // Another name for the rowid, which is never NULL.
        column.nullable = false;
        column.identity = link
            .connection
            .column_metadata(Some(MAIN), object.name.as_str(), only.as_str())
            .map_err(|error| link.name(&DOING, &error))?
            .4;
    }
    Ok(Table {
        name: TableName::new(MAIN, &object.name),
        columns,
        primary_key,
        unique: unique_keys(link, &object.name)?,
        foreign_keys: foreign_keys(link, &object.name)?,
    })
}

/// The columns of a virtual table that are no part of its module's interface.
fn visible_columns(link: &Link, object: &Object) -> Result<Vec<Column>, EngineError> {
    all(
        link,
        "SELECT name, type FROM pragma_table_xinfo(?1, 'main') WHERE hidden = 0 ORDER BY cid",
        [&object.name],
        |row| Ok(plain_column(row.get(0)?, row.get(1)?)),
    )
}

const fn plain_column(name: String, type_name: String) -> Column {
    Column {
        name,
        type_name,
        nullable: true,
        default: None,
        generated: false,
        identity: false,
    }
}

/// Whether a column has the name by which a full-text table's rowid is read and written.
fn hides_rowid(columns: &[Column]) -> bool {
    columns.iter().any(|column| {
        ["rowid", "docid"]
            .iter()
            .any(|name| column.name.eq_ignore_ascii_case(name))
    })
}

/// A virtual table as a table: its visible columns, with the rowid of a full-text table before them.
fn as_table(object: &Object, kind: &Kind, mut columns: Vec<Column>) -> Table {
    if *kind == Kind::FullText {
        columns.insert(0, plain_column("rowid".into(), String::new()));
    }
    let mut primary_key = Vec::new();
    if let Some(key) = columns.first_mut() {
        key.nullable = false;
        "INTEGER".clone_into(&mut key.type_name);
        primary_key.push(key.name.clone());
    }
    Table {
        name: TableName::new(MAIN, &object.name),
        columns,
        primary_key,
        unique: Vec::new(),
        foreign_keys: Vec::new(),
    }
}

/// Unique keys over plain columns of all rows. Others can't identify a row.
fn unique_keys(link: &Link, table: &str) -> Result<Vec<Vec<String>>, EngineError> {
    let indexes: Vec<String> = all(
        link,
        "SELECT name FROM pragma_index_list(?1, 'main') WHERE \"unique\" AND NOT partial AND origin <> 'pk'",
        [table],
        |row| row.get(0),
    )?;
    let mut keys = Vec::new();
    for index in indexes {
        let columns: Vec<Option<String>> = all(
            link,
            "SELECT name FROM pragma_index_info(?1, 'main') ORDER BY seqno",
            [&index],
            |row| row.get(0),
        )?;
        // An expression has no name.
        if let Some(columns) = columns.into_iter().collect() {
            keys.push(columns);
        }
    }
    keys.sort();
    Ok(keys)
}

fn foreign_keys(link: &Link, table: &str) -> Result<Vec<ForeignKey>, EngineError> {
    let parts: Vec<(i64, String, String, Option<String>)> = all(
        link,
        "SELECT id, \"table\", \"from\", \"to\" FROM pragma_foreign_key_list(?1, 'main') ORDER BY id, seq",
        [table],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
    )?;
    let mut keys: Vec<(i64, ForeignKey)> = Vec::new();
    for (id, references, from, to) in parts {
        if keys.last().is_none_or(|(last, _)| *last != id) {
            keys.push((
                id,
                ForeignKey {
                    name: String::new(),
                    columns: Vec::new(),
                    references: TableName::new(MAIN, references),
                    referenced_columns: Vec::new(),
                },
            ));
        }
        if let Some((_, key)) = keys.last_mut() {
            key.columns.push(from);
            key.referenced_columns.extend(to);
        }
    }
    let mut keys: Vec<ForeignKey> = keys.into_iter().map(|(_, key)| key).collect();
    keys.sort_by(|a, b| (&a.columns, &a.references).cmp(&(&b.columns, &b.references)));
    Ok(keys)
}

/// Spells referenced tables as they are called, and fills in the primary key where a foreign key names no columns.
fn resolve_references(schema: &mut Schema) {
    let tables: HashMap<String, (TableName, Vec<String>)> = schema
        .tables
        .iter()
        .map(|table| {
            let lower = table.name.name.to_ascii_lowercase();
            (lower, (table.name.clone(), table.primary_key.clone()))
        })
        .collect();
    let keys = schema
        .tables
        .iter_mut()
        .flat_map(|table| &mut table.foreign_keys);
    for key in keys {
        if let Some((name, primary_key)) = tables.get(&key.references.name.to_ascii_lowercase()) {
            key.references = name.clone();
            if key.referenced_columns.is_empty() {
                key.referenced_columns.clone_from(primary_key);
            }
        }
    }
}

fn take_ledger(
    link: &Link,
    schema: &mut Schema,
    left_out: &mut Vec<LeftOut>,
) -> Result<Option<Migration>, EngineError> {
    let Some(found) = ledger::take(schema, sql::name) else {
        return Ok(None);
    };
    let heads: Vec<Option<String>> = all(link, &found.query, [], |row| row.get(0))?;
    left_out.extend(found.taken.iter().map(|table| LeftOut::Object {
        kind: "migration ledger".into(),
        name: table.name.clone(),
        reason: LeftOutReason::Ledger,
    }));
    let heads: Vec<String> = heads.into_iter().flatten().collect();
    Ok((!heads.is_empty()).then(|| Migration {
        ledger: found.table,
        head: heads.join(", "),
    }))
}

/// The AUTOINCREMENT counters of the schema's tables.
fn read_sequences(link: &Link, schema: &Schema) -> Result<Vec<Sequence>, EngineError> {
    let mut sequences = Vec::new();
    for table in &schema.tables {
        let Some(column) = table.columns.iter().find(|column| column.identity) else {
            continue;
        };
        // The table of counters exists as soon as one table has AUTOINCREMENT. Applications may write to it, also
        // what is no number.
        let last_value: Option<i64> = link
            .connection
            .query_row(
                "SELECT max(seq) FROM main.sqlite_sequence WHERE name = ?1 AND typeof(seq) = 'integer'",
                [&table.name.name],
                |row| row.get(0),
            )
            .optional()
            .map_err(|error| link.name(&DOING, &error))?
            .flatten();
        if let Some(last_value) = last_value {
            sequences.push(Sequence {
                name: table.name.clone(),
                owned_by: Some(OwnedBy {
                    table: table.name.clone(),
                    column: column.name.clone(),
                }),
                last_value,
                is_called: true,
            });
        }
    }
    Ok(sequences)
}
