//! A canary: one row more in each table, made of defaults, and undone at once.
//!
//! As in PostgreSQL it shows that the application will be able to add rows. Columns that need a value and have no
//! default borrow it from a row that is there; where such a row violates what the table demands, it shows nothing.

use coffer_core::schema::{Column, Table, TableName};
use rusqlite::{OptionalExtension, ffi};

use super::{
    catalog::Catalog,
    link::{Link, describe},
};
use crate::engine::{Canaries, EngineError, sql};

/// Tries a row in each of the tables. Triggers and foreign keys must be off, the counters set.
pub(super) fn try_rows(
    link: &Link,
    catalog: &Catalog,
    tables: &[TableName],
) -> Result<Canaries, EngineError> {
    let mut canaries = Canaries::default();
    for name in tables {
        let table = catalog.table(name, &link.target)?;
        // A counter at its end gives an error that would undo everything.
        if counter(link, catalog, name)? != Some(i64::MAX) && try_row(link, table)? {
            canaries.made += 1;
        } else {
            canaries.impossible += 1;
        }
    }
    Ok(canaries)
}

/// Where a table's AUTOINCREMENT counter is, if it has one.
fn counter(link: &Link, catalog: &Catalog, table: &TableName) -> Result<Option<i64>, EngineError> {
    if catalog.counted_column(table).is_none() {
        return Ok(None);
    }
    let sql = "SELECT seq FROM main.sqlite_sequence WHERE name = ?1 AND typeof(seq) = 'integer'";
    link.connection
        .query_row(sql, [&table.name], |row| row.get(0))
        .optional()
        .map_err(|error| link.name(&format_args!("reading the counter of {table}"), &error))
}

/// Whether a row could be made, which is gone again.
fn try_row(link: &Link, table: &Table) -> Result<bool, EngineError> {
    let doing = format!("trying a new row in {}", table.name);
    link.run(&doing, "SAVEPOINT canary")?;
    let tried = link.connection.execute(&insert(table), []);
    link.run(
        &doing,
        "ROLLBACK TO SAVEPOINT canary; RELEASE SAVEPOINT canary",
    )?;
    match tried {
        Ok(rows) => Ok(rows == 1),
        Err(error) => {
            let taken = [
                ffi::SQLITE_CONSTRAINT_ROWID,
                ffi::SQLITE_CONSTRAINT_PRIMARYKEY,
            ];
            match (describe(&error).0, numbered_column(table)) {
                (Some(code), Some(column)) if taken.contains(&code.extended_code) => {
                    Err(EngineError::CanaryRefused {
                        table: table.name.clone(),
                        column: column.name.clone(),
                    })
                }
                _ => Ok(false),
            }
        }
    }
}

fn insert(table: &Table) -> String {
    let numbered = numbered_column(table);
    let borrowed: Vec<&str> = table
        .columns
        .iter()
        .filter(|column| {
            !column.nullable
                && column.default.is_none()
                && !column.generated
                && Some(*column) != numbered
        })
        .map(|column| column.name.as_str())
        .collect();
    let name = sql::table(&table.name);
    if borrowed.is_empty() {
        return format!("INSERT OR ABORT INTO {name} DEFAULT VALUES");
    }
    let names = sql::names(borrowed);
    format!("INSERT OR ABORT INTO {name} ({names}) SELECT {names} FROM {name} LIMIT 1")
}

/// The column that is another name for the row's number, which SQLite gives by itself.
fn numbered_column(table: &Table) -> Option<&Column> {
    let [key] = table.primary_key.as_slice() else {
        return None;
    };
    table.columns.iter().find(|column| {
        column.name == *key && !column.nullable && column.type_name.eq_ignore_ascii_case("INTEGER")
    })
}
