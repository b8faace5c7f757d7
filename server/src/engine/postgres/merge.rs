//! Bringing rows together with those of a database: staging tables, and statements over them.

use async_trait::async_trait;
use coffer_core::{
    merge::{Part, Program},
    schema::TableName,
};
use sqlx::{AssertSqlSafe, Executor};

use super::{
    catalog::Catalog,
    judge::judge,
    link::{Link, Step},
    replace::refused_row,
};
use crate::engine::{
    EngineError,
    merge::{self, Dialect, JUDGE, Merging, Place, Run},
    sql,
};

/// Makes a table beside each of the program's for the archive's rows.
pub(super) async fn stage(
    link: &mut Link,
    catalog: &Catalog,
    program: &Program,
) -> Result<(), EngineError> {
    // Lists of rows are looked up as hashes; where they don't fit, each row would be compared with all of them. How rows
    // are spread matters for the order of joins only, which a small sample tells. And what lies beside the tables is read
    // several times over, which 8 MB of buffers would make reads of files.
    let settings = "SET LOCAL work_mem = '64MB'; SET LOCAL default_statistics_target = 10; SET LOCAL temp_buffers = '256MB'";
    link.run(Step::new("setting the session up"), settings.into())
        .await?;
    for (index, table) in program.tables.iter().enumerate() {
        if table.part == Part::Along {
            continue;
        }
        catalog.check_columns(&table.table, &table.archived)?;
        let columns: Vec<String> = table
            .archived
            .iter()
            .enumerate()
            .map(|(place, name)| format!("{} AS c{place}", sql::name(name)))
            .collect();
        let create = format!(
            "CREATE TEMPORARY TABLE coffer_s{index} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA;
             ALTER TABLE pg_temp.coffer_s{index} ADD COLUMN n bigint GENERATED ALWAYS AS IDENTITY (CACHE 1000)",
            columns.join(", "),
            sql::table(&table.table)
        );
        let step = Step::of("making room beside", &table.table);
        link.run(step, create).await?;
    }
    Ok(())
}

/// The statement that takes the archive's rows of one table.
pub(super) fn in_statement(
    program: &Program,
    table: &TableName,
    columns: &[String],
) -> Result<String, EngineError> {
    let index = merge::staged(program, table, columns)?;
    let names: Vec<String> = (0..columns.len())
        .map(|place| format!("c{place}"))
        .collect();
    Ok(format!(
        "COPY {} ({}) FROM STDIN",
        Dialect::Postgres.own("s", index),
        names.join(", ")
    ))
}

/// Decides what becomes of the staged rows.
pub(super) async fn decide(
    link: &mut Link,
    catalog: &Catalog,
    program: Program,
) -> Result<Merging, EngineError> {
    let mut places = Vec::with_capacity(program.tables.len());
    for (index, table) in program.tables.iter().enumerate() {
        if table.part != Part::Along {
            // What is joined by, and no long texts.
            let mut columns = vec!["n".to_owned()];
            let linked = table.links.iter().flat_map(|link| &link.columns);
            for column in linked {
                let own = table.archived.iter().position(|name| name == column);
                columns.extend(own.map(|own| format!("c{own}")));
            }
            columns.sort();
            columns.dedup();
            let analyse = format!(
                "ANALYZE {} ({})",
                Dialect::Postgres.own("s", index),
                columns.join(", ")
            );
            link.run(Step::of("looking at the rows for", &table.table), analyse)
                .await?;
        }
        let relation = catalog.relation(&table.table)?;
        let mut at = vec!["ctid".to_owned()];
        if relation.partitioned {
            // Rows of two partitions may lie at the same place of each.
            at.insert(0, "tableoid".to_owned());
        }
        let judge = if table.part == Part::Merge {
            judge(link, relation, &Dialect::Postgres.own(JUDGE, index)).await?
        } else {
            Vec::new()
        };
        places.push(Place {
            judge,
            rows: relation.rows_clause(),
            into: sql::table(&table.table),
            at,
            by_rowid: false,
            numbered: merge::numbered(&catalog.database, table),
        });
    }
    Merging::decide(&mut Statements(link), program, Dialect::Postgres, places).await
}

/// Carries out the statements of a merge.
pub(super) struct Statements<'a>(pub(super) &'a mut Link);

impl Statements<'_> {
    fn fail(&mut self, table: &TableName, error: &sqlx::Error) -> EngineError {
        let named = self
            .0
            .fail(Step::of("bringing rows together with", table), error);
        refused_row(table, error).unwrap_or(named)
    }
}

#[async_trait]
impl Run for Statements<'_> {
    async fn run(&mut self, table: &TableName, sql: String) -> Result<u64, EngineError> {
        let connection = self.0.for_statement()?;
        match connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await {
            Ok(done) => Ok(done.rows_affected()),
            Err(error) => Err(self.fail(table, &error)),
        }
    }

    async fn number(&mut self, table: &TableName, sql: String) -> Result<i64, EngineError> {
        let query = format!("SELECT coalesce(z.v, 0)::int8 FROM ({sql}) AS z (v)");
        let connection = self.0.for_statement()?;
        match connection
            .fetch_one(sqlx::query(AssertSqlSafe(query)))
            .await
        {
            Ok(row) => self.0.get(&row, 0),
            Err(error) => Err(self.fail(table, &error)),
        }
    }

    async fn texts(
        &mut self,
        table: &TableName,
        sql: String,
        columns: usize,
    ) -> Result<Vec<Vec<Option<String>>>, EngineError> {
        let connection = self.0.for_statement()?;
        let rows = match connection.fetch_all(sqlx::query(AssertSqlSafe(sql))).await {
            Ok(rows) => rows,
            Err(error) => return Err(self.fail(table, &error)),
        };
        rows.iter()
            .map(|row| (0..columns).map(|place| self.0.get(row, place)).collect())
            .collect()
    }

    async fn pairs(
        &mut self,
        table: &TableName,
        sql: String,
    ) -> Result<Vec<(String, String)>, EngineError> {
        let connection = self.0.for_statement()?;
        let rows = match connection.fetch_all(sqlx::query(AssertSqlSafe(sql))).await {
            Ok(rows) => rows,
            Err(error) => return Err(self.fail(table, &error)),
        };
        rows.iter()
            .map(|row| Ok((self.0.get(row, 0)?, self.0.get(row, 1)?)))
            .collect()
    }

    async fn put(
        &mut self,
        table: &TableName,
        into: &str,
        rows: &[(i64, String)],
    ) -> Result<(), EngineError> {
        let (numbers, texts): (Vec<i64>, Vec<String>) = rows.iter().cloned().unzip();
        let insert = format!("INSERT INTO {into} SELECT * FROM unnest($1, $2)");
        let connection = self.0.for_statement()?;
        let query = sqlx::query(AssertSqlSafe(insert)).bind(numbers).bind(texts);
        match connection.execute(query).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.fail(table, &error)),
        }
    }
}
