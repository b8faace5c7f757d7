//! Reading everything as of one moment.

use std::collections::HashSet;

use async_trait::async_trait;
use coffer_core::{plan::Reference, policy::TablePolicy, rows::Part, schema::TableName};
use tokio::sync::mpsc;

use super::{
    catalog::{self, Catalog},
    export::{self, Wanted},
    link::{Id, Link, Step},
    readers::Readers,
    references,
};
use crate::engine::{Database, EngineError, Snapshot, sql, url::PostgresUrl};

/// How often a snapshot is begun anew because a table was created or dropped meanwhile.
const ATTEMPTS: u32 = 5;
/// PostgreSQL's code for a table that doesn't exist.
const UNDEFINED_TABLE: &str = "42P01";

/// A transaction that sees the database as of one moment, with all tables locked against changes of their shape.
pub(super) struct PostgresSnapshot {
    link: Link,
    /// Further connections that see the same.
    readers: Readers,
    catalog: Catalog,
    schemas: Vec<String>,
}

impl PostgresSnapshot {
    pub(super) async fn open(url: &PostgresUrl, schemas: &[String]) -> Result<Self, EngineError> {
        let mut link = Link::open(url).await?;
        for _ in 0..ATTEMPTS {
            if let Some(catalog) = begin(&mut link, schemas).await? {
                refuse_large_objects(&mut link).await?;
                let readers = Readers::open(url, &mut link, &catalog.relations).await?;
                return Ok(Self {
                    link,
                    readers,
                    catalog,
                    schemas: schemas.to_vec(),
                });
            }
        }
        Err(EngineError::Restless {
            target: link.target().to_owned(),
            attempts: ATTEMPTS,
        })
    }
}

/// Begins the transaction; nothing if the tables changed while they were being locked.
///
/// TRUNCATE and ALTER TABLE are not bound to snapshots: after one that commits between the snapshot and the
/// lock, a table would look empty. So the tables are listed before the transaction, locked as its first act,
/// which takes no snapshot yet, and the list is compared with what the snapshot then shows.
async fn begin(link: &mut Link, schemas: &[String]) -> Result<Option<Catalog>, EngineError> {
    let listed = catalog::relations(link, schemas).await?;
    let step = Step::new("beginning a snapshot");
    link.run(
        step,
        "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY".into(),
    )
    .await?;
    if !listed.is_empty() {
        let names: Vec<String> = listed
            .iter()
            .map(|relation| sql::table(&relation.name))
            .collect();
        let lock = format!("LOCK TABLE {} IN ACCESS SHARE MODE", names.join(", "));
        let step = Step::new("locking the tables against changes of their shape");
        if !link.run_unless(step, lock, UNDEFINED_TABLE).await? {
            link.run(step, "ROLLBACK".into()).await?;
            return Ok(None);
        }
    }
    let locked: HashSet<Id> = listed.iter().map(|relation| relation.id).collect();
    let catalog = catalog::read(link, schemas).await?;
    if catalog
        .relations
        .iter()
        .all(|relation| locked.contains(&relation.id))
    {
        return Ok(Some(catalog));
    }
    link.run(step, "ROLLBACK".into()).await?;
    Ok(None)
}

async fn refuse_large_objects(link: &mut Link) -> Result<(), EngineError> {
    let step = Step::new("looking for large objects");
    let row = link
        .row(step, "SELECT count(*) FROM pg_largeobject_metadata")
        .await?;
    let count: i64 = link.get(&row, 0)?;
    if count == 0 {
        return Ok(());
    }
    Err(EngineError::LargeObjects {
        target: link.target().to_owned(),
        count: count.unsigned_abs(),
    })
}

#[async_trait]
impl Snapshot for PostgresSnapshot {
    fn database(&self) -> &Database {
        &self.catalog.database
    }

    async fn count_rows(&mut self) -> Result<Vec<(TableName, u64)>, EngineError> {
        let mut counts = Vec::with_capacity(self.catalog.relations.len());
        for relation in &self.catalog.relations {
            let count = self
                .link
                .count(&relation.name, &relation.rows_clause())
                .await?;
            counts.push((relation.name.clone(), count));
        }
        Ok(counts)
    }

    async fn references_into(
        &mut self,
        tables: &[TableName],
    ) -> Result<Vec<Reference>, EngineError> {
        references::into_tables(&mut self.link, &self.catalog, tables).await
    }

    /// The query may name tables without their schema. A query that fails leaves the snapshot usable.
    async fn scalar(&mut self, query: &str) -> Result<Option<String>, EngineError> {
        let step = Step::new("running a query of the preset");
        let path = sql::names(self.schemas.iter().map(String::as_str));
        self.link
            .run(
                step,
                format!("SAVEPOINT scalar; SET LOCAL search_path = pg_catalog, {path}"),
            )
            .await?;
        let query = format!(
            "SELECT value::text FROM ({}\n) AS result (value)",
            query.trim().trim_end_matches(';')
        );
        let row = self.link.attempt(step, query).await;
        let undone = self
            .link
            .run(
                step,
                "ROLLBACK TO SAVEPOINT scalar; RELEASE SAVEPOINT scalar".into(),
            )
            .await;
        let row = row?;
        undone?;
        let value = row.map(|row| self.link.get::<Option<String>>(&row, 0));
        Ok(value.transpose()?.flatten())
    }

    /// `format` uses the type's output function, as COPY does; a cast to text does not for every type.
    async fn printed(
        &mut self,
        table: &TableName,
        column: &str,
        text: &str,
    ) -> Result<String, EngineError> {
        let type_name = self
            .catalog
            .table(table)?
            .stored_columns()
            .find(|stored| stored.name == column)
            .map(|stored| stored.type_name.clone())
            .ok_or_else(|| EngineError::NoColumn {
                target: self.link.target().to_owned(),
                table: table.clone(),
                column: column.to_owned(),
            })?;
        let literal = sql::literal(text);
        let query = format!("SELECT format('%s', {literal}::{type_name})");
        Ok(self.scalar(&query).await?.unwrap_or_default())
    }

    async fn export(
        &mut self,
        policy: &TablePolicy,
        parts: mpsc::Sender<Part>,
    ) -> Result<(), EngineError> {
        let relation = self.catalog.relation(&policy.table)?;
        match self.readers.pages(relation) {
            None => export::export(&mut self.link, &self.catalog, policy, parts).await,
            Some(pages) => {
                let wanted = Wanted::of(&self.link, &self.catalog, policy)?;
                self.readers.export(&wanted, pages, &parts).await
            }
        }
    }
}
