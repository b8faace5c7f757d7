//! Rows of another product's archive as PostgreSQL would write them.
//!
//! PostgreSQL itself makes values of JSON (`json_populate_record`, the inverse of the `row_to_json` that wrote some of it): it
//! knows the types, and its output is what a backup would hold. The JSON lies in a temporary table of a transaction that is
//! never committed.

use std::sync::Arc;

use async_trait::async_trait;
use coffer_core::{
    foreign::{Row, Value},
    plan::Reference,
    policy::{ColumnPolicy, TablePolicy},
    rows::{Part, push_escaped},
    schema::{Column, TableName},
};
use tokio::sync::mpsc;

use super::{
    copy::OutStatement,
    export,
    link::{Link, Step},
};
use crate::engine::{
    Database, EngineError, Snapshot,
    given::{Given, Reading},
    sql,
    url::PostgresUrl,
};

/// Where the JSON lies.
const STAGE: &str = "pg_temp.coffer_given";

/// A view of given rows through a database's catalogue.
pub(in crate::engine) struct Converting {
    like: Box<dyn Snapshot>,
    link: Link,
    given: Arc<dyn Given>,
}

impl Converting {
    pub(in crate::engine) async fn open(
        url: &PostgresUrl,
        given: Arc<dyn Given>,
    ) -> Result<Self, EngineError> {
        let database = super::Postgres::new(url.clone());
        let like = super::Engine::snapshot(&database).await?;
        let mut link = Link::open(url).await?;
        let step = Step::new("making a temporary table");
        link.run(step, "BEGIN".into()).await?;
        link.run(
            step,
            format!("CREATE TEMPORARY TABLE {STAGE} (n bigint, j json) ON COMMIT DROP"),
        )
        .await?;
        Ok(Self { like, link, given })
    }

    /// Puts the rows of a table into the stage.
    async fn stage(&mut self, table: &TableName) -> Result<(), EngineError> {
        let step = Step::of("staging the rows of", table);
        self.link.run(step, format!("TRUNCATE {STAGE}")).await?;
        let mut reading = Reading::begin(&self.given, table);
        let connection = self.link.for_copy()?;
        let result = async {
            let mut copy = connection
                .copy_in_raw(&format!("COPY {STAGE} (n, j) FROM STDIN"))
                .await?;
            let (mut number, mut text) = (0_u64, Vec::new());
            while let Some(rows) = reading.rows.recv().await {
                for row in &rows {
                    number += 1;
                    text.extend_from_slice(number.to_string().as_bytes());
                    text.push(b'\t');
                    push_escaped(json(row).as_bytes(), &mut text);
                    text.push(b'\n');
                }
                copy.send(text.as_slice()).await?;
                text.clear();
            }
            copy.finish().await
        }
        .await;
        result.map_err(|error| self.link.fail(step, &error))?;
        self.link.copied();
        reading.end().await
    }

    /// How a value of a row is written.
    fn value(&self, table: &TableName, column: &Column, policy: &ColumnPolicy) -> String {
        let name = format!("r.{}", sql::name(&column.name));
        match (policy, &column.default) {
            (ColumnPolicy::Replace(None), _) => "NULL".into(),
            (ColumnPolicy::Replace(Some(text)), _) => format!(
                "CASE WHEN {name} IS NULL THEN NULL ELSE {}::{} END",
                sql::literal(text),
                column.type_name
            ),
            (ColumnPolicy::Keep, Some(default)) if !self.given.has(table, &column.name) => {
                format!("({default})::{}", column.type_name)
            }
            (ColumnPolicy::Keep, _) => name,
        }
    }
}

/// A row as the object that it was.
fn json(row: &Row) -> String {
    let mut out = String::from("{");
    for (index, (name, value)) in row.values.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(&serde_json::Value::from(name.as_str()).to_string());
        out.push(':');
        match value {
            Value::Text(text) => out.push_str(&serde_json::Value::from(text.as_str()).to_string()),
            other => out.push_str(other.shown().unwrap_or("null")),
        }
    }
    out.push('}');
    out
}

#[async_trait]
impl Snapshot for Converting {
    fn database(&self) -> &Database {
        self.like.database()
    }

    async fn count_rows(&mut self) -> Result<Vec<(TableName, u64)>, EngineError> {
        Ok(self.given.counts())
    }

    async fn references_into(
        &mut self,
        tables: &[TableName],
    ) -> Result<Vec<Reference>, EngineError> {
        self.like.references_into(tables).await
    }

    async fn scalar(&mut self, query: &str) -> Result<Option<String>, EngineError> {
        self.like.scalar(query).await
    }

    async fn printed(
        &mut self,
        table: &TableName,
        column: &str,
        text: &str,
    ) -> Result<String, EngineError> {
        self.like.printed(table, column, text).await
    }

    async fn export(
        &mut self,
        policy: &TablePolicy,
        parts: mpsc::Sender<Part>,
    ) -> Result<(), EngineError> {
        let table = &policy.table;
        self.stage(table).await?;
        let shape = self
            .like
            .database()
            .schema
            .table(table)
            .ok_or_else(|| EngineError::NoTable {
                target: self.link.target().to_owned(),
                table: table.clone(),
            })?
            .clone();
        let columns: Vec<&Column> = shape.stored_columns().collect();
        let values: Vec<String> = columns
            .iter()
            .zip(&policy.columns)
            .map(|(column, policy)| self.value(table, column, policy))
            .collect();
        let statement = OutStatement {
            sql: format!(
                "COPY (SELECT {} FROM {STAGE} AS g, LATERAL json_populate_record(NULL::{}, g.j) AS r ORDER BY g.n) TO STDOUT",
                values.join(", "),
                sql::table(table)
            ),
            prints_names: columns
                .iter()
                .any(|column| column.type_name.starts_with("reg")),
        };
        let cutter =
            coffer_core::rows::PartCutter::new(columns.iter().map(|column| column.name.as_str()));
        export::read(&mut self.link, &statement, cutter, table, &parts, |part| {
            part
        })
        .await
        .map(drop)
    }
}
