//! What a database says about itself (SQLite manual, "PRAGMA Statements").

use std::{collections::BTreeMap, path::Path};

use coffer_core::{
    manifest::{LeftOut, LeftOutReason, Migration, OwnedBy, Sequence},
    schema::{Column, Engine, ForeignKey, Schema, Table, TableName},
};
use rusqlite::{Connection, OptionalExtension, Row};

use super::{link::fail, quote};
use crate::engine::{Database, EngineError, ledger};

const SCHEMA: &str = "main";

/// Reads everything, within the transaction that is open.
pub(super) fn read(connection: &Connection, path: &Path) -> Result<Database, EngineError> {
    let target = path.display().to_string();
    let failed = |error: rusqlite::Error| fail(&target, "reading its shape", &error);
    let mut left_out = objects(connection).map_err(failed)?;
    let mut schema = Schema::default();
    for (name, kind) in listed(connection).map_err(failed)? {
        match kind.as_str() {
            "table" => schema
                .tables
                .push(table(connection, &name).map_err(failed)?),
            "virtual" => left_out.push(virtual_table(connection, &name).map_err(failed)??),
            // Shadow tables belong to a virtual table, whose kind was judged with it.
            "shadow" => left_out.push(object("shadow table", &name, LeftOutReason::Derived)),
            _ => {}
        }
    }
    resolve_references(&mut schema);
    schema.tables.sort_by(|a, b| a.name.cmp(&b.name));
    let migration = migration(connection, &mut schema, &mut left_out).map_err(failed)?;
    Ok(Database {
        engine: Engine::Sqlite,
        engine_version: rusqlite::version().to_owned(),
        name: path
            .file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy()
            .into_owned(),
        sequences: sequences(connection, &schema).map_err(failed)?,
        schema,
        migration,
        left_out,
    })
}

fn collect<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection
        .prepare(sql)?
        .query_map(parameters, read)?
        .collect()
}

/// Names and kinds of all tables of the database itself, SQLite's own left out.
fn listed(connection: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    collect(
        connection,
        "SELECT name, type FROM pragma_table_list
         WHERE schema = ?1 AND substr(name, 1, 7) <> 'sqlite_' ORDER BY name",
        [SCHEMA],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

fn object(kind: &str, name: &str, reason: LeftOutReason) -> LeftOut {
    LeftOut::Object {
        kind: kind.into(),
        name: format!("{SCHEMA}.{name}"),
        reason,
    }
}

fn objects(connection: &Connection) -> rusqlite::Result<Vec<LeftOut>> {
    let views = collect(
        connection,
        "SELECT name FROM sqlite_schema WHERE type = 'view' ORDER BY name",
        [],
        |row| row.get::<_, String>(0),
    )?;
    Ok(views
        .iter()
        .map(|name| object("view", name, LeftOutReason::NotData))
        .collect())
}

/// A full-text index over another table's content can be built again, so it is left out. Any other virtual table
/// may hold data of its own, which would silently be lost.
fn virtual_table(
    connection: &Connection,
    name: &str,
) -> rusqlite::Result<Result<LeftOut, EngineError>> {
    let sql: String = connection.query_row(
        "SELECT sql FROM sqlite_schema WHERE name = ?1",
        [name],
        |row| row.get(0),
    )?;
    let compact: String = sql.to_ascii_lowercase().split_whitespace().collect();
    let full_text = ["usingfts3", "usingfts4", "usingfts5"]
        .iter()
        .any(|module| compact.contains(module));
    Ok(if full_text && compact.contains("content=") {
        Ok(object("full-text index", name, LeftOutReason::Derived))
    } else {
        Err(EngineError::Unsupported {
            kind: "virtual table",
            name: name.to_owned(),
            why: "it keeps data of its own in tables that only its module understands, and a backup without it would look complete",
        })
    })
}

fn table(connection: &Connection, name: &str) -> rusqlite::Result<Table> {
    let sql: String = connection.query_row(
        "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?1",
        [name],
        |row| row.get(0),
    )?;
    let autoincrement = sql.to_ascii_uppercase().contains("AUTOINCREMENT");
    let mut keyed = Vec::new();
    let columns = collect(
        connection,
        "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?1)",
        [name],
        |row| {
            let column: String = row.get(0)?;
            let key: i64 = row.get(4)?;
            if key > 0 {
                keyed.push((key, column.clone()));
            }
            let hidden: i64 = row.get(5)?;
            Ok(Column {
                name: column,
                type_name: row.get(1)?,
                nullable: !row.get::<_, bool>(2)?,
                default: row.get(3)?,
                // 2 and 3: computed, not stored and stored.
                generated: hidden == 2 || hidden == 3,
                identity: autoincrement && key > 0,
            })
        },
    )?;
    keyed.sort();
    Ok(Table {
        name: TableName::new(SCHEMA, name),
        columns,
        primary_key: keyed.into_iter().map(|(_, column)| column).collect(),
        unique: unique_keys(connection, name)?,
        foreign_keys: foreign_keys(connection, name)?,
    })
}

/// Unique keys over plain columns and all rows.
fn unique_keys(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Vec<String>>> {
    let indexes = collect(
        connection,
        "SELECT name FROM pragma_index_list(?1) WHERE \"unique\" AND NOT partial AND origin <> 'pk' ORDER BY name",
        [table],
        |row| row.get::<_, String>(0),
    )?;
    let mut keys = Vec::new();
    for index in indexes {
        let columns: Vec<Option<String>> = collect(
            connection,
            "SELECT name FROM pragma_index_info(?1) ORDER BY seqno",
            [index],
            |row| row.get(0),
        )?;
        // An expression has no column name, so such an index is no key of columns.
        if let Some(columns) = columns.into_iter().collect::<Option<Vec<_>>>() {
            keys.push(columns);
        }
    }
    Ok(keys)
}

/// Foreign keys; where the referenced columns aren't named, they are empty until all tables are known.
fn foreign_keys(connection: &Connection, table: &str) -> rusqlite::Result<Vec<ForeignKey>> {
    let mut keys: BTreeMap<i64, ForeignKey> = BTreeMap::new();
    let parts = collect(
        connection,
        "SELECT id, \"table\", \"from\", \"to\" FROM pragma_foreign_key_list(?1) ORDER BY id, seq",
        [table],
        |row| {
            Ok((
                row.get(0)?,
                row.get::<_, String>(1)?,
                row.get(2)?,
                row.get::<_, Option<String>>(3)?,
            ))
        },
    )?;
    for (id, references, from, to) in parts {
        let key = keys.entry(id).or_insert_with(|| ForeignKey {
            name: String::new(),
            columns: Vec::new(),
            references: TableName::new(SCHEMA, references),
            referenced_columns: Vec::new(),
        });
        key.columns.push(from);
        key.referenced_columns.extend(to);
    }
    Ok(keys.into_values().collect())
}

/// Gives foreign keys the spelling of the tables they reference, and their primary keys where no column is named.
fn resolve_references(schema: &mut Schema) {
    let known: Vec<(TableName, Vec<String>)> = schema
        .tables
        .iter()
        .map(|table| (table.name.clone(), table.primary_key.clone()))
        .collect();
    for key in schema
        .tables
        .iter_mut()
        .flat_map(|table| &mut table.foreign_keys)
    {
        let found = known
            .iter()
            .find(|(name, _)| name.name.eq_ignore_ascii_case(&key.references.name));
        if let Some((name, primary_key)) = found {
            key.references = name.clone();
            if key.referenced_columns.is_empty() {
                key.referenced_columns = primary_key.clone();
            }
        }
    }
}

fn migration(
    connection: &Connection,
    schema: &mut Schema,
    left_out: &mut Vec<LeftOut>,
) -> rusqlite::Result<Option<Migration>> {
    let Some(found) = ledger::take(schema, quote) else {
        return Ok(None);
    };
    let heads: Vec<Option<String>> = collect(connection, &found.query, [], |row| row.get(0))?;
    let heads: Vec<String> = heads.into_iter().flatten().collect();
    left_out.extend(
        found
            .taken
            .iter()
            .map(|table| object("migration ledger", &table.name, LeftOutReason::Ledger)),
    );
    Ok((!heads.is_empty()).then(|| Migration {
        ledger: found.table,
        head: heads.join(", "),
    }))
}

/// The counters of AUTOINCREMENT.
fn sequences(connection: &Connection, schema: &Schema) -> rusqlite::Result<Vec<Sequence>> {
    if !has_counters(connection)? {
        return Ok(Vec::new());
    }
    let counters: Vec<(String, i64)> = collect(
        connection,
        "SELECT name, seq FROM sqlite_sequence WHERE typeof(seq) = 'integer' ORDER BY name",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    Ok(counters
        .into_iter()
        .filter_map(|(name, last_value)| {
            let name = TableName::new(SCHEMA, name);
            let table = schema.table(&name)?;
            let column = table.primary_key.first()?.clone();
            Some(Sequence {
                owned_by: Some(OwnedBy {
                    table: name.clone(),
                    column,
                }),
                name,
                last_value,
                is_called: true,
            })
        })
        .collect())
}

/// Whether any table counts with AUTOINCREMENT.
pub(super) fn has_counters(connection: &Connection) -> rusqlite::Result<bool> {
    let found: Option<i64> = connection
        .query_row(
            "SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'",
            [],
            |row| row.get(0),
        )
        .optional()?;
    Ok(found.is_some())
}
