//! Bringing rows together with those of a file: staging tables, and statements over them.

use async_trait::async_trait;
use coffer_core::{
    merge::{MergeTable, Part, Program},
    schema::TableName,
};
use rusqlite::OptionalExtension;

use super::{blocking::Blocking, judge, replace::Open};
use crate::engine::{
    EngineError,
    merge::{self, Dialect, JUDGE, Merging, Place, Run},
    sql,
};

/// What lies beside the tables is gone through several times over, which SQLite's own 2 MB would make reads and writes of
/// a file. In KiB, and negative as SQLite wants it.
const BESIDE_CACHE: i64 = -(64 << 10);

/// Makes a table beside each of the program's for the archive's rows. Its columns have the affinities of the table's own,
/// so that values become what they would become there, and nothing else of it.
pub(super) fn stage(open: &mut Open, program: &Program) -> Result<(), EngineError> {
    let cache = format!("PRAGMA temp.cache_size = {BESIDE_CACHE}");
    open.link.run(&"making room for rows", &cache)?;
    for (index, table) in program.tables.iter().enumerate() {
        if table.part == Part::Along {
            continue;
        }
        open.catalog
            .columns(&table.table, &table.archived, &open.link.target)?;
        let doing = format_args!("making room beside {}", table.table);
        let types = affinities(open, &table.table, &table.archived)
            .map_err(|error| open.link.name(&doing, &error))?;
        let columns: String = types
            .iter()
            .enumerate()
            .map(|(place, affinity)| format!(", c{place} {affinity}"))
            .collect();
        // Rows are numbered as they come.
        let create =
            format!("CREATE TEMPORARY TABLE coffer_s{index} (n INTEGER PRIMARY KEY{columns})");
        open.link.run(&doing, &create)?;
    }
    Ok(())
}

/// The affinities of columns, as SQLite spells them where it makes a table of a query.
fn affinities(open: &Open, table: &TableName, columns: &[String]) -> rusqlite::Result<Vec<String>> {
    let own: Vec<String> = columns.iter().map(|column| sql::name(column)).collect();
    let connection = &open.link.connection;
    connection.execute_batch(&format!(
        "CREATE TEMPORARY TABLE coffer_affinities AS SELECT {} FROM {} LIMIT 0",
        own.join(", "),
        sql::table(table)
    ))?;
    let types = connection
        .prepare("SELECT type FROM pragma_table_info('coffer_affinities', 'temp') ORDER BY cid")?
        .query_map([], |row| row.get(0))?
        .collect();
    connection.execute_batch("DROP TABLE temp.coffer_affinities")?;
    types
}

/// The place of a table in the program.
pub(super) fn staged(program: &Program, table: &TableName) -> Result<usize, EngineError> {
    let found = program.tables.iter().find(|own| own.table == *table);
    merge::staged(
        program,
        table,
        found.map(|own| own.archived.as_slice()).unwrap_or_default(),
    )
}

/// The statement that takes one row of the archive.
pub(super) fn insert(index: usize, columns: usize) -> String {
    let names: Vec<String> = (0..columns).map(|place| format!("c{place}")).collect();
    format!(
        "INSERT INTO {} ({}) VALUES ({})",
        Dialect::Sqlite.own("s", index),
        names.join(", "),
        vec!["?"; columns].join(", ")
    )
}

/// Decides what becomes of the staged rows.
pub(super) async fn decide(
    open: &mut Blocking<Open>,
    program: Program,
) -> Result<Merging, EngineError> {
    let tables = program.tables.clone();
    let places = open
        .call(move |open| {
            let tables = tables.iter().enumerate();
            tables
                .map(|(index, table)| place(open, index, table))
                .collect()
        })
        .await?;
    Merging::decide(&mut Statements(open), program, Dialect::Sqlite, places).await
}

/// Where a table's rows are: by their rowid, or by the primary key of a table that has none.
fn place(open: &Open, index: usize, table: &MergeTable) -> Result<Place, EngineError> {
    let doing = "reading the schema";
    let without: Option<bool> = open
        .link
        .connection
        .query_row(
            "SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ?1",
            [&table.table.name],
            |row| row.get(0),
        )
        .optional()
        .map_err(|error| open.link.name(&doing, &error))?;
    let free = |name: &str| {
        !table
            .columns
            .iter()
            .any(|column| column.name.eq_ignore_ascii_case(name))
    };
    let rowid = ["rowid", "_rowid_", "oid"]
        .into_iter()
        .find(|name| free(name) && without != Some(true));
    let at = match rowid {
        Some(name) => vec![name.to_owned()],
        None => table
            .primary_key
            .iter()
            .map(|name| sql::name(name))
            .collect(),
    };
    let name = sql::table(&table.table);
    let judge = if table.part == Part::Merge {
        let own = Dialect::Sqlite.own(JUDGE, index);
        judge::judge(&open.link, &table.table.name, &own)?
    } else {
        Vec::new()
    };
    Ok(Place {
        judge,
        rows: name.clone(),
        into: name,
        at,
        by_rowid: rowid.is_some(),
        numbered: merge::numbered(&open.catalog.database, table),
    })
}

/// Carries out the statements of a merge.
pub(super) struct Statements<'a>(pub(super) &'a mut Blocking<Open>);

#[async_trait]
impl Run for Statements<'_> {
    async fn run(&mut self, table: &TableName, sql: String) -> Result<u64, EngineError> {
        let table = table.clone();
        self.0
            .call(move |open| {
                let doing = format!("bringing rows together with {table}");
                open.link
                    .connection
                    .execute(&sql, [])
                    .map(|rows| rows as u64)
                    .map_err(|error| open.refused_row(&table, None, &doing, &error))
            })
            .await
    }

    async fn number(&mut self, table: &TableName, sql: String) -> Result<i64, EngineError> {
        let table = table.clone();
        self.0
            .call(move |open| {
                let doing = format_args!("bringing rows together with {table}");
                open.link
                    .connection
                    .query_row(&sql, [], |row| row.get::<_, Option<i64>>(0))
                    .map(Option::unwrap_or_default)
                    .map_err(|error| open.link.name(&doing, &error))
            })
            .await
    }

    async fn texts(
        &mut self,
        table: &TableName,
        sql: String,
        columns: usize,
    ) -> Result<Vec<Vec<Option<String>>>, EngineError> {
        let table = table.clone();
        self.0
            .call(move |open| {
                let doing = format_args!("bringing rows together with {table}");
                let read = || -> rusqlite::Result<Vec<Vec<Option<String>>>> {
                    let mut statement = open.link.connection.prepare(&sql)?;
                    let rows = statement
                        .query_map([], |row| (0..columns).map(|place| row.get(place)).collect())?;
                    rows.collect()
                };
                read().map_err(|error| open.link.name(&doing, &error))
            })
            .await
    }

    async fn pairs(
        &mut self,
        table: &TableName,
        sql: String,
    ) -> Result<Vec<(String, String)>, EngineError> {
        let table = table.clone();
        self.0
            .call(move |open| {
                let doing = format_args!("bringing rows together with {table}");
                let read = || -> rusqlite::Result<Vec<(String, String)>> {
                    let mut statement = open.link.connection.prepare(&sql)?;
                    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
                    rows.collect()
                };
                read().map_err(|error| open.link.name(&doing, &error))
            })
            .await
    }

    async fn put(
        &mut self,
        table: &TableName,
        into: &str,
        rows: &[(i64, String)],
    ) -> Result<(), EngineError> {
        let (table, rows) = (table.clone(), rows.to_vec());
        let insert = format!("INSERT INTO {into} VALUES (?1, ?2)");
        self.0
            .call(move |open| {
                let doing = format_args!("bringing rows together with {table}");
                let write = || -> rusqlite::Result<()> {
                    let mut statement = open.link.connection.prepare(&insert)?;
                    for (number, text) in &rows {
                        statement.execute((number, text))?;
                    }
                    Ok(())
                };
                write().map_err(|error| open.link.name(&doing, &error))
            })
            .await
    }
}
