//! Replacing the rows of some tables in one transaction, as their owner.

use async_trait::async_trait;
use bytes::Bytes;
use coffer_core::{
    manifest::Sequence,
    merge::Program,
    plan::Reference,
    policy::{ColumnPolicy, TablePolicy},
    rows::{Part, RowError, RowSet},
    schema::{Column, ColumnName, TableName},
};
use futures_util::TryStreamExt;
use sqlx::postgres::PgDatabaseError;
use tokio::sync::mpsc;

use super::{
    aside::Aside,
    canary,
    catalog::{self, Catalog, Relation},
    copy, export,
    indexes::Indexes,
    link::{self, Id, Link, Step},
    mark,
    merge::{self, Statements},
    references, sequence, views,
};
use crate::engine::{
    CommitMark, Database, EngineError, IndexesBuilt, Merged, NamedFiles, ReplaceSession, Settled,
    merge::{Merging, Run},
    url::PostgresUrl,
};

/// The advisory lock that keeps two restores apart: "coffer" in ASCII, as two 32-bit numbers. Advisory locks are
/// per database.
const ADVISORY_LOCK: (i32, i32) = (0x0000_636f, 0x6666_6572);

/// Row text that is sent at once. The server takes in the whole of a message before it looks at the first row, so that it
/// would wait for long ones, and find them outside of the processor's cache.
const MESSAGE_BYTES: usize = 64 << 10;

/// How far the session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing was changed.
    Begun,
    /// The tables are empty, with keys, triggers and indexes set aside.
    Cleared,
    /// There is room beside the tables, with keys and triggers set aside.
    Staged,
    /// It is decided what becomes of what was staged.
    Decided,
    /// What was staged is in the tables.
    Merged,
    /// Everything is back in place.
    Settled,
}

/// A transaction that replaces rows. Dropping it closes the connection, and the server rolls back.
pub(super) struct PostgresReplace {
    url: PostgresUrl,
    link: Link,
    catalog: Catalog,
    selected: Vec<Relation>,
    aside: Aside,
    indexes: Indexes,
    /// The tables whose indexes these are, with their partitions.
    indexed: Vec<Id>,
    program: Option<Program>,
    merging: Option<Merging>,
    stage: Stage,
}

impl PostgresReplace {
    pub(super) async fn begin(
        url: &PostgresUrl,
        schemas: &[String],
        tables: &[TableName],
    ) -> Result<Self, EngineError> {
        let mut link = Link::open(url).await?;
        let step = Step::new("beginning a restore");
        // Each statement sees what the locks let through, also what was committed while they were waited for.
        let begin = "BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE";
        link.run(step, begin.into()).await?;
        let (high, low) = ADVISORY_LOCK;
        let row = link
            .row(
                step,
                &format!("SELECT pg_try_advisory_xact_lock({high}, {low})"),
            )
            .await?;
        if !link.get::<bool>(&row, 0)? {
            return Err(EngineError::AnotherRestore {
                target: link.target().to_owned(),
            });
        }
        let listed = catalog::relations(&mut link, schemas).await?;
        let mut wanted = Vec::new();
        for table in tables {
            let relation = listed.iter().find(|relation| relation.name == *table);
            wanted.push(relation.ok_or_else(|| EngineError::NoTable {
                target: link.target().to_owned(),
                table: table.clone(),
            })?);
        }
        lock(&mut link, &wanted).await?;
        let catalog = catalog::read(&mut link, schemas).await?;
        let mut selected = Vec::new();
        for relation in wanted {
            let now = catalog.relation(&relation.name)?;
            if now.id != relation.id {
                return Err(EngineError::Restless {
                    target: link.target().to_owned(),
                    attempts: 1,
                });
            }
            selected.push(now.clone());
        }
        Ok(Self {
            url: url.clone(),
            link,
            catalog,
            selected,
            aside: Aside::default(),
            indexes: Indexes::default(),
            indexed: Vec::new(),
            program: None,
            merging: None,
            stage: Stage::Begun,
        })
    }

    fn expect(&self, stage: Stage, why: &'static str) -> Result<(), EngineError> {
        if self.stage == stage {
            return Ok(());
        }
        Err(EngineError::Ended {
            target: self.link.target().to_owned(),
            why,
        })
    }

    fn not_decided(&self) -> EngineError {
        EngineError::Ended {
            target: self.link.target().to_owned(),
            why: "nothing is decided yet about the staged rows",
        }
    }

    fn selected(&self, table: &TableName) -> Result<&Relation, EngineError> {
        self.selected
            .iter()
            .find(|relation| relation.name == *table)
            .ok_or_else(|| EngineError::NoTable {
                target: self.link.target().to_owned(),
                table: table.clone(),
            })
    }

    /// The tables and all of their partitions, each after the table that it is a part of.
    async fn with_partitions(&mut self) -> Result<Vec<Id>, EngineError> {
        let ids: Vec<Id> = self.selected.iter().map(|relation| relation.id).collect();
        references::with_partitions(&mut self.link, &ids).await
    }
}

/// Locks the tables, and those outside whose foreign keys into them will be set aside.
async fn lock(link: &mut Link, wanted: &[&Relation]) -> Result<(), EngineError> {
    if wanted.is_empty() {
        return Ok(());
    }
    let ids: Vec<Id> = wanted.iter().map(|relation| relation.id).collect();
    let outside = references::referencing(link, &ids).await?;
    let names: Vec<String> = wanted
        .iter()
        .map(|relation| relation.rows_clause())
        .chain(outside)
        .collect();
    let step = Step::new("shutting other writers out of the tables");
    let lock = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", names.join(", "));
    link.run(step, lock).await
}

#[async_trait]
impl ReplaceSession for PostgresReplace {
    fn database(&self) -> &Database {
        &self.catalog.database
    }

    async fn count_rows(&mut self) -> Result<Vec<(TableName, u64)>, EngineError> {
        let mut counts = Vec::with_capacity(self.catalog.relations.len());
        for relation in &self.catalog.relations {
            let from = relation.rows_clause();
            let count = self.link.count(&relation.name, &from).await?;
            counts.push((relation.name.clone(), count));
        }
        Ok(counts)
    }

    async fn export(
        &mut self,
        table: &TablePolicy,
        parts: mpsc::Sender<Part>,
    ) -> Result<(), EngineError> {
        export::export(&mut self.link, &self.catalog, table, parts).await
    }

    async fn references_into(
        &mut self,
        tables: &[TableName],
    ) -> Result<Vec<Reference>, EngineError> {
        references::into_tables(&mut self.link, &self.catalog, tables).await
    }

    async fn clear(&mut self) -> Result<(), EngineError> {
        self.expect(Stage::Begun, "its tables are cleared already")?;
        let ids = self.with_partitions().await?;
        self.aside = Aside::set(&mut self.link, &ids).await?;
        self.indexes = Indexes::take(&mut self.link, &ids).await?;
        self.indexed.clone_from(&ids);
        // From here to the end of settling, the application's own functions are called.
        self.link.use_app_path().await?;
        if !self.selected.is_empty() {
            let names: Vec<String> = self.selected.iter().map(Relation::rows_clause).collect();
            let step = Step::new("emptying the tables");
            // RESTRICT is the default and is written out: a table outside is never emptied along.
            let truncate = format!("TRUNCATE TABLE {} RESTRICT", names.join(", "));
            self.link.run(step, truncate).await?;
        }
        self.stage = Stage::Cleared;
        Ok(())
    }

    async fn stage(&mut self, program: &Program) -> Result<(), EngineError> {
        self.expect(Stage::Begun, "its tables are cleared or staged already")?;
        for table in &program.tables {
            self.selected(&table.table)?;
        }
        let ids = self.with_partitions().await?;
        self.aside = Aside::set(&mut self.link, &ids).await?;
        self.link.use_app_path().await?;
        merge::stage(&mut self.link, &self.catalog, program).await?;
        self.program = Some(program.clone());
        self.stage = Stage::Staged;
        Ok(())
    }

    async fn decide(&mut self) -> Result<(), EngineError> {
        self.expect(Stage::Staged, "rows are decided about once, after staging")?;
        let program = self.program.clone().ok_or_else(|| self.not_decided())?;
        self.merging = Some(merge::decide(&mut self.link, &self.catalog, program).await?);
        self.stage = Stage::Decided;
        Ok(())
    }

    async fn named_files(&mut self, column: &ColumnName) -> Result<NamedFiles, EngineError> {
        match &self.merging {
            Some(merging) => {
                merging
                    .named_files(&mut Statements(&mut self.link), column)
                    .await
            }
            None => Err(self.not_decided()),
        }
    }

    async fn rename_files(
        &mut self,
        column: &ColumnName,
        values: &[(i64, String)],
    ) -> Result<(), EngineError> {
        match &mut self.merging {
            Some(merging) => {
                let run = &mut Statements(&mut self.link);
                merging.rename_files(run, column, values).await
            }
            None => Err(self.not_decided()),
        }
    }

    async fn compose(&mut self) -> Result<Vec<Merged>, EngineError> {
        match &mut self.merging {
            Some(merging) => merging.compose(&mut Statements(&mut self.link)).await,
            None => Err(self.not_decided()),
        }
    }

    async fn run(&mut self, table: &TableName, sql: String) -> Result<u64, EngineError> {
        Statements(&mut self.link).run(table, sql).await
    }

    async fn texts(
        &mut self,
        table: &TableName,
        sql: String,
        columns: usize,
    ) -> Result<Vec<Vec<Option<String>>>, EngineError> {
        Statements(&mut self.link).texts(table, sql, columns).await
    }

    async fn write(&mut self) -> Result<Vec<u64>, EngineError> {
        self.expect(
            Stage::Decided,
            "rows are written once, after they are decided about",
        )?;
        let merging = self.merging.take().ok_or_else(|| self.not_decided())?;
        let rewritten: Vec<Id> = merging
            .rewritten()
            .map(|table| self.selected(table).map(|relation| relation.id))
            .collect::<Result<_, _>>()?;
        if !rewritten.is_empty() {
            // Their definitions are read and compared as they are printed with all schemas.
            self.link.use_own_path().await?;
            self.indexed = references::with_partitions(&mut self.link, &rewritten).await?;
            self.indexes = Indexes::take(&mut self.link, &self.indexed).await?;
            self.link.use_app_path().await?;
        }
        let detached = merging.write(&mut Statements(&mut self.link)).await?;
        self.stage = Stage::Merged;
        Ok(detached)
    }

    async fn load(
        &mut self,
        table: &TableName,
        columns: &[String],
        mut rows: mpsc::Receiver<Bytes>,
    ) -> Result<u64, EngineError> {
        let relation = self.selected(table)?;
        self.catalog.check_columns(table, columns)?;
        let statement = match (&self.program, self.stage) {
            (Some(program), Stage::Staged) => merge::in_statement(program, table, columns)?,
            _ => {
                self.expect(
                    Stage::Cleared,
                    "rows can be loaded between clearing and settling only",
                )?;
                copy::in_statement(relation, columns)
            }
        };
        let connection = self.link.for_copy()?;
        // Bytes after the last line feed.
        let mut unfinished = 0;
        let result = async {
            let mut copy = connection.copy_in_raw(&statement).await?;
            while let Some(piece) = rows.recv().await {
                unfinished = match piece.iter().rposition(|byte| *byte == b'\n') {
                    Some(at) => piece.len() - at - 1,
                    None => unfinished + piece.len(),
                };
                for message in piece.chunks(MESSAGE_BYTES) {
                    copy.send(message).await?;
                }
            }
            copy.finish().await
        }
        .await;
        match result {
            // COPY takes a last row without a line feed, so a row that was cut off could pass for a whole one.
            Ok(_) if unfinished > 0 => Err(EngineError::BadRows {
                table: table.clone(),
                error: RowError::Unfinished { length: unfinished },
            }),
            Ok(rows) => {
                self.link.copied();
                Ok(rows)
            }
            Err(error) => {
                let named = self
                    .link
                    .fail(Step::of("loading the rows of", table), &error);
                Err(refused_row(table, &error).unwrap_or(named))
            }
        }
    }

    async fn settle(&mut self, sequences: &[Sequence]) -> Result<Settled, EngineError> {
        if self.stage != Stage::Merged {
            self.expect(Stage::Cleared, "it can be settled once, after clearing")?;
        }
        // A unique key that is deferred has checks pending, and tables with pending checks can't be altered.
        let step = Step::new("checking deferred constraints");
        self.link
            .run(step, "SET CONSTRAINTS ALL IMMEDIATE".into())
            .await?;
        let ids = self.with_partitions().await?;
        let indexes = if self.indexed.is_empty() {
            // They stayed in place.
            IndexesBuilt::default()
        } else {
            self.indexes.build(&mut self.link).await?;
            // As they were read: printed with all schemas. Before keys that may rely on them are back.
            self.link.use_own_path().await?;
            let indexes = self.indexes.prove(&mut self.link, &self.indexed).await?;
            self.link.use_app_path().await?;
            indexes
        };
        self.aside.put_constraints_back(&mut self.link).await?;
        let replaced: Vec<TableName> = self
            .selected
            .iter()
            .map(|relation| relation.name.clone())
            .collect();
        sequence::settle(
            &mut self.link,
            &self.catalog.sequences,
            sequences,
            &replaced,
        )
        .await?;
        let refreshed = views::refresh(&mut self.link, &ids).await?;
        let canaries = canary::try_rows(&mut self.link, &self.catalog, &self.selected).await?;
        self.link.use_own_path().await?;
        self.aside.put_triggers_back(&mut self.link).await?;
        self.stage = Stage::Settled;
        Ok(Settled {
            indexes,
            refreshed,
            canaries,
            // Its constraints were validated.
            dangling: Vec::new(),
        })
    }

    async fn read_back(
        &mut self,
        table: &TableName,
        columns: &[String],
    ) -> Result<(u64, RowSet), EngineError> {
        self.catalog.check_columns(table, columns)?;
        let relation = self.catalog.relation(table)?;
        let shape = self.catalog.table(table)?;
        let pairs: Vec<(&Column, ColumnPolicy)> = columns
            .iter()
            .filter_map(|name| shape.columns.iter().find(|column| column.name == *name))
            .map(|column| (column, ColumnPolicy::Keep))
            .collect();
        let statement = copy::out_statement(relation, &pairs, None);
        self.link.use_path_of(&statement).await?;
        let mut set = RowSet::new();
        let mut count = 0;
        let connection = self.link.for_copy()?;
        let result = async {
            let mut rows = connection.copy_out_raw(&statement.sql).await?;
            while let Some(row) = rows.try_next().await? {
                set.add_rows(&row);
                count += 1;
            }
            Ok(())
        }
        .await;
        let step = Step::of("reading back the rows of", table);
        result.map_err(|error| self.link.fail(step, &error))?;
        self.link.copied();
        self.link.use_own_path().await?;
        Ok((count, set))
    }

    async fn state(&mut self, table: &TableName) -> Result<String, EngineError> {
        let relation = self.catalog.relation(table)?;
        // Whatever writes a row gives it another place or another transaction.
        let query = format!(
            "SELECT coalesce(sum(hashtextextended(tableoid::text || ctid::text || xmin::text, 0)), 0)::text FROM {}",
            relation.rows_clause()
        );
        let step = Step::of("looking at the rows of", table);
        let row = self.link.row(step, &query).await?;
        self.link.get(&row, 0)
    }

    async fn mark(&mut self, _id: &str) -> Result<CommitMark, EngineError> {
        mark::take(&mut self.link, &self.url).await
    }

    async fn roll_back(mut self: Box<Self>) -> Result<(), EngineError> {
        let step = Step::new("undoing what was rehearsed");
        self.link.run(step, "ROLLBACK".into()).await
    }

    async fn commit(mut self: Box<Self>) -> Result<(), EngineError> {
        if self.stage != Stage::Begun {
            self.expect(
                Stage::Settled,
                "it has to be settled before it is committed",
            )?;
        }
        let step = Step::new("committing");
        match self.link.run(step, "COMMIT".into()).await {
            // The answer is what was lost, not necessarily the commit.
            Err(EngineError::ConnectionLost { target, reason, .. }) => {
                Err(EngineError::CommitUnknown { target, reason })
            }
            other => other,
        }
    }
}

/// The error for a row that a constraint or type refuses, if it is one.
pub(super) fn refused_row(table: &TableName, error: &sqlx::Error) -> Option<EngineError> {
    let sqlx::Error::Database(error) = error else {
        return None;
    };
    let error = error.try_downcast_ref::<PgDatabaseError>()?;
    let code = error.code();
    let reason = match code {
        // Messages of this class name constraints, tables and columns, and keep values to the details.
        _ if code.starts_with("23") => error.message().to_owned(),
        "22001" => "a text is longer than its column's type allows".into(),
        "22003" => "a number is out of its type's range".into(),
        "22007" | "22008" => "a date or time is not valid".into(),
        "22021" | "22P05" => "a text has characters that the database's encoding lacks".into(),
        "22P02" | "22P03" => "a value does not have the form of its column's type".into(),
        "22P04" => "it does not have as many values as the table has columns".into(),
        _ if link::quotes_values(code) => format!("a value is not valid (SQLSTATE {code})"),
        _ => return None,
    };
    Some(EngineError::RowRefused {
        table: table.clone(),
        row: error.r#where().and_then(row_number),
        reason,
    })
}

/// The row's number from COPY's context, `COPY table, line 7, column c: "value"`. The context is translated, but
/// the first number after the table's name is the line's in every language; a table's name with a digit gives none.
fn row_number(context: &str) -> Option<u64> {
    let after = context.split_once(", ")?.1;
    let digits: String = after
        .chars()
        .skip_while(|c| !c.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_row_is_found_in_copys_context() {
        assert_eq!(
            row_number("COPY users, line 42, column age: \"12x\""),
            Some(42)
        );
        assert_eq!(row_number("COPY users, Zeile 7: »1«"), Some(7));
        assert_eq!(row_number("something else"), None);
    }
}
