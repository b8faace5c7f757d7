//! Replacing the rows of some tables in one transaction.

use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;
use coffer_core::{
    manifest::Sequence,
    merge::Program,
    plan::Reference,
    policy::TablePolicy,
    rows::{Part, RowSet, sqlite::Class},
    schema::{Column, ColumnName, TableName},
};
use rusqlite::{ErrorCode, config::DbConfig};
use tokio::sync::mpsc;

use super::{
    blocking::Blocking,
    canary,
    catalog::{self, Catalog},
    link::{Link, describe},
    mark,
    merge::{self, Statements},
    rows::{self, Lines, Source},
    snapshot::{count_rows, export, references_into},
    virtual_table::Kind,
};
use crate::engine::{
    CommitMark, Dangling, Database, EngineError, Merged, NamedFiles, ReplaceSession, Settled,
    merge::{Merging, Run},
    sql,
};

/// How far the session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing was changed.
    Begun,
    /// The tables are empty.
    Cleared,
    /// There is room beside the tables.
    Staged,
    /// It is decided what becomes of what was staged.
    Decided,
    /// What was staged is in the tables.
    Merged,
    /// Everything is checked and in place.
    Settled,
    /// A step failed.
    Failed,
}

/// A transaction that replaces rows. Dropping it closes the file, which rolls back.
pub(super) struct SqliteReplace {
    open: Blocking<Open>,
    database: Database,
    target: String,
    program: Option<Program>,
    merging: Option<Merging>,
    stage: Stage,
}

pub(super) struct Open {
    pub(super) link: Link,
    pub(super) catalog: Catalog,
    selected: Vec<TableName>,
    /// Rows that point at nothing before anything was changed, where others are brought together with them.
    dangled: Option<Vec<Dangling>>,
}

impl SqliteReplace {
    pub(super) async fn begin(
        path: PathBuf,
        selected: Vec<TableName>,
    ) -> Result<Self, EngineError> {
        let target = path.display().to_string();
        let mut open = Blocking::new(target.clone(), move || Open::begin(&path, selected)).await?;
        let database = open.call(|open| Ok(open.catalog.database.clone())).await?;
        Ok(Self {
            open,
            database,
            target,
            program: None,
            merging: None,
            stage: Stage::Begun,
        })
    }

    fn expect(&self, stage: Stage, why: &'static str) -> Result<(), EngineError> {
        let why = match self.stage {
            now if now == stage => return Ok(()),
            Stage::Failed => "an earlier step failed",
            _ => why,
        };
        Err(EngineError::Ended {
            target: self.target.clone(),
            why,
        })
    }

    fn not_decided(&self) -> EngineError {
        EngineError::Ended {
            target: self.target.clone(),
            why: "nothing is decided yet about the staged rows",
        }
    }

    /// Does one step. An error ends the session, so that nothing half-done can be committed.
    async fn step<R: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Open) -> Result<R, EngineError> + Send + 'static,
    ) -> Result<R, EngineError> {
        if self.stage == Stage::Failed {
            self.expect(Stage::Begun, "")?;
        }
        let stage = std::mem::replace(&mut self.stage, Stage::Failed);
        let result = self.open.call(work).await?;
        self.stage = stage;
        Ok(result)
    }
}

#[async_trait]
impl ReplaceSession for SqliteReplace {
    fn database(&self) -> &Database {
        &self.database
    }

    async fn count_rows(&mut self) -> Result<Vec<(TableName, u64)>, EngineError> {
        self.step(|open| count_rows(&open.link, &open.catalog))
            .await
    }

    async fn export(
        &mut self,
        table: &TablePolicy,
        parts: mpsc::Sender<Part>,
    ) -> Result<(), EngineError> {
        let table = table.clone();
        self.step(move |open| export(&open.link, &open.catalog, &table, &parts))
            .await
    }

    async fn references_into(
        &mut self,
        tables: &[TableName],
    ) -> Result<Vec<Reference>, EngineError> {
        let tables = tables.to_vec();
        self.step(move |open| references_into(&open.link, &open.catalog, &tables))
            .await
    }

    async fn clear(&mut self) -> Result<(), EngineError> {
        self.expect(Stage::Begun, "its tables are cleared already")?;
        self.step(|open| open.clear()).await?;
        self.stage = Stage::Cleared;
        Ok(())
    }

    async fn stage(&mut self, program: &Program) -> Result<(), EngineError> {
        self.expect(Stage::Begun, "its tables are cleared or staged already")?;
        let staged = program.clone();
        self.step(move |open| {
            open.dangled = Some(open.check_foreign_keys()?);
            merge::stage(open, &staged)
        })
        .await?;
        self.program = Some(program.clone());
        self.stage = Stage::Staged;
        Ok(())
    }

    async fn decide(&mut self) -> Result<(), EngineError> {
        self.expect(Stage::Staged, "rows are decided about once, after staging")?;
        let program = self.program.clone().ok_or_else(|| self.not_decided())?;
        // An error in between leaves the session failed.
        self.stage = Stage::Failed;
        self.merging = Some(merge::decide(&mut self.open, program).await?);
        self.stage = Stage::Decided;
        Ok(())
    }

    async fn named_files(&mut self, column: &ColumnName) -> Result<NamedFiles, EngineError> {
        match &self.merging {
            Some(merging) => {
                merging
                    .named_files(&mut Statements(&mut self.open), column)
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
                let run = &mut Statements(&mut self.open);
                merging.rename_files(run, column, values).await
            }
            None => Err(self.not_decided()),
        }
    }

    async fn compose(&mut self) -> Result<Vec<Merged>, EngineError> {
        match &mut self.merging {
            Some(merging) => merging.compose(&mut Statements(&mut self.open)).await,
            None => Err(self.not_decided()),
        }
    }

    async fn run(&mut self, table: &TableName, sql: String) -> Result<u64, EngineError> {
        Statements(&mut self.open).run(table, sql).await
    }

    async fn texts(
        &mut self,
        table: &TableName,
        sql: String,
        columns: usize,
    ) -> Result<Vec<Vec<Option<String>>>, EngineError> {
        Statements(&mut self.open).texts(table, sql, columns).await
    }

    async fn write(&mut self) -> Result<Vec<u64>, EngineError> {
        self.expect(
            Stage::Decided,
            "rows are written once, after they are decided about",
        )?;
        let merging = self.merging.take().ok_or_else(|| self.not_decided())?;
        self.stage = Stage::Failed;
        let detached = merging.write(&mut Statements(&mut self.open)).await?;
        self.stage = Stage::Merged;
        Ok(detached)
    }

    async fn load(
        &mut self,
        table: &TableName,
        columns: &[String],
        rows: mpsc::Receiver<Bytes>,
    ) -> Result<u64, EngineError> {
        if let (Some(program), Stage::Staged) = (&self.program, self.stage) {
            let index = merge::staged(program, table)?;
            let (table, columns) = (table.clone(), columns.to_vec());
            return self
                .step(move |open| open.load(&table, &columns, Some(index), rows))
                .await;
        }
        self.expect(
            Stage::Cleared,
            "rows can be loaded between clearing and settling only",
        )?;
        let (table, columns) = (table.clone(), columns.to_vec());
        self.step(move |open| open.load(&table, &columns, None, rows))
            .await
    }

    async fn settle(&mut self, sequences: &[Sequence]) -> Result<Settled, EngineError> {
        if self.stage != Stage::Merged {
            self.expect(Stage::Cleared, "it can be settled once, after clearing")?;
        }
        let sequences = sequences.to_vec();
        let settled = self
            .step(move |open| {
                let dangling = open.check_foreign_keys()?;
                open.refuse_new_dangling(&dangling)?;
                let refreshed = open.rebuild_indexes()?;
                open.set_counters(&sequences)?;
                Ok(Settled {
                    refreshed,
                    dangling,
                    canaries: canary::try_rows(&open.link, &open.catalog, &open.selected)?,
                    ..Settled::default()
                })
            })
            .await?;
        self.stage = Stage::Settled;
        Ok(settled)
    }

    async fn read_back(
        &mut self,
        table: &TableName,
        columns: &[String],
    ) -> Result<(u64, RowSet), EngineError> {
        let (table, columns) = (table.clone(), columns.to_vec());
        self.step(move |open| open.read_back(&table, &columns))
            .await
    }

    async fn state(&mut self, table: &TableName) -> Result<String, EngineError> {
        let columns = crate::safety::columns(&self.database.schema, table).unwrap_or_default();
        let (_, rows) = self.read_back(table, &columns).await?;
        Ok(format!("{rows:?}"))
    }

    async fn mark(&mut self, id: &str) -> Result<CommitMark, EngineError> {
        let name = mark::name(id);
        let made = name.clone();
        self.step(move |open| mark::make(&open.link, &made)).await?;
        Ok(CommitMark::Table { name })
    }

    async fn roll_back(self: Box<Self>) -> Result<(), EngineError> {
        self.open
            .finish(|open| open.link.run(&"undoing what was rehearsed", "ROLLBACK"))
            .await
    }

    async fn commit(self: Box<Self>) -> Result<(), EngineError> {
        if self.stage != Stage::Begun {
            self.expect(
                Stage::Settled,
                "it has to be settled before it is committed",
            )?;
        }
        self.open
            .finish(|open| open.link.run(&"committing", "COMMIT"))
            .await
    }
}

impl Open {
    fn begin(path: &std::path::Path, selected: Vec<TableName>) -> Result<Self, EngineError> {
        let link = Link::open(path)?;
        let doing = "beginning a restore";
        let named = |error: rusqlite::Error| link.name(&doing, &error);
        if link.connection.is_readonly("main").map_err(named)? {
            return Err(EngineError::ReadOnly {
                target: link.target,
                reason: "the file system does not let Coffer write the file".into(),
            });
        }
        // Both only work outside of a transaction, and end with the connection.
        link.run(
            &doing,
            "PRAGMA foreign_keys = OFF; PRAGMA cache_size = -32768",
        )?;
        link.connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)
            .map_err(named)?;
        // Not IMMEDIATE: without WAL, a reader that stays would keep changed pages from being written, so that
        // they would fill the memory instead, and the commit could still fail. With WAL there is no difference.
        link.run(&doing, "BEGIN EXCLUSIVE")?;
        let catalog = catalog::read(&link)?;
        for table in &selected {
            catalog.table(table, &link.target)?;
        }
        Ok(Self {
            link,
            catalog,
            selected,
            dangled: None,
        })
    }

    fn clear(&self) -> Result<(), EngineError> {
        for table in &self.selected {
            let delete = format!("DELETE FROM {}", sql::table(table));
            self.link.run(&format_args!("emptying {table}"), &delete)?;
        }
        Ok(())
    }

    fn load(
        &self,
        table: &TableName,
        names: &[String],
        staged: Option<usize>,
        mut pieces: mpsc::Receiver<Bytes>,
    ) -> Result<u64, EngineError> {
        if !self.selected.contains(table) {
            return Err(EngineError::NoTable {
                target: self.link.target.clone(),
                table: table.clone(),
            });
        }
        let columns = self.catalog.columns(table, names, &self.link.target)?;
        let classes: Vec<Class> = columns.iter().map(|column| rows::class(column)).collect();
        // OR ABORT outranks a constraint that says OR REPLACE or OR IGNORE, by which rows would vanish silently.
        let insert = match staged {
            Some(index) => merge::insert(index, names.len()),
            None => format!(
                "INSERT OR ABORT INTO {} ({}) VALUES ({})",
                sql::table(table),
                sql::names(names.iter().map(String::as_str)),
                vec!["?"; names.len()].join(", ")
            ),
        };
        let doing = format!("loading the rows of {table}");
        let mut statement = self
            .link
            .connection
            .prepare(&insert)
            .map_err(|error| self.link.name(&doing, &error))?;
        let bad = |error| EngineError::BadRows {
            table: table.clone(),
            error,
        };
        let mut row = 0;
        let mut lines = Lines::default();
        while let Some(piece) = pieces.blocking_recv() {
            lines.push(&piece, |line| {
                row += 1;
                let values = rows::parse(line, &classes, row).map_err(bad)?;
                statement
                    .execute(rusqlite::params_from_iter(&values))
                    .map(drop)
                    .map_err(|error| self.refused_row(table, Some(row), &doing, &error))
            })?;
        }
        lines.finish().map_err(bad)?;
        Ok(row)
    }

    pub(super) fn refused_row(
        &self,
        table: &TableName,
        row: Option<u64>,
        doing: &str,
        error: &rusqlite::Error,
    ) -> EngineError {
        match describe(error) {
            (Some(code), reason)
                if matches!(
                    code.code,
                    ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig
                ) =>
            {
                EngineError::RowRefused {
                    table: table.clone(),
                    row,
                    reason,
                }
            }
            _ => self.link.name(&doing, error),
        }
    }

    /// Refuses rows that point at nothing, unless they did so before anything was changed.
    fn refuse_new_dangling(&self, now: &[Dangling]) -> Result<(), EngineError> {
        let Some(before) = &self.dangled else {
            return Ok(());
        };
        let new = now.iter().find(|now| {
            !before.iter().any(|before| {
                (&before.table, &before.key, &before.references)
                    == (&now.table, &now.key, &now.references)
                    && before.rows >= now.rows
            })
        });
        new.map_or(Ok(()), |new| {
            Err(EngineError::ForeignKey {
                key: new.key.clone(),
                table: new.table.to_string(),
                references: new.references.clone(),
                rows: Some(new.rows),
            })
        })
    }

    /// Checks all foreign keys that start at the tables, and those of other tables that end there. Where both tables
    /// hold what the archive holds, rows that point at nothing did so before: those are returned.
    fn check_foreign_keys(&self) -> Result<Vec<Dangling>, EngineError> {
        let mut dangling = Vec::new();
        let schema = &self.catalog.database.schema;
        let touching = schema.tables.iter().filter(|table| {
            self.selected.contains(&table.name)
                || table
                    .foreign_keys
                    .iter()
                    .any(|key| self.selected.contains(&key.references))
        });
        let sql = "
            SELECT v.parent, count(*),
                   (SELECT group_concat(\"from\", ', ') FROM pragma_foreign_key_list(?1, 'main') WHERE id = v.fkid)
              FROM pragma_foreign_key_check(?1, 'main') v GROUP BY v.parent, v.fkid";
        for table in touching {
            let doing = format!("checking the foreign keys of {}", table.name);
            let check = || -> rusqlite::Result<Vec<(String, i64, String)>> {
                let mut statement = self.link.connection.prepare(sql)?;
                let rows = statement.query_map([&table.name.name], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })?;
                rows.collect()
            };
            let violations = check().map_err(|error| self.link.name(&doing, &error))?;
            let here = self.selected.contains(&table.name);
            for (parent, rows, key) in violations {
                // SQLite gives the name as the foreign key spells it.
                let spelled = |table: &TableName| table.name.eq_ignore_ascii_case(&parent);
                let replaced = self.selected.iter().any(spelled);
                // What other tables point at elsewhere is none of this restore's business.
                if !here && !replaced {
                    continue;
                }
                let known = schema
                    .tables
                    .iter()
                    .map(|table| &table.name)
                    .find(|table| spelled(table));
                let references = known.map_or(parent.clone(), TableName::to_string);
                let rows = rows.unsigned_abs();
                if !here || (known.is_some() && !replaced) {
                    return Err(EngineError::ForeignKey {
                        key,
                        table: table.name.to_string(),
                        references,
                        rows: Some(rows),
                    });
                }
                dangling.push(Dangling {
                    table: table.name.clone(),
                    key,
                    references,
                    rows,
                });
            }
        }
        Ok(dangling)
    }

    /// Computes full-text indexes anew that usually follow their table by triggers, which were off. An index over a
    /// view may depend on any table.
    fn rebuild_indexes(&self) -> Result<Vec<TableName>, EngineError> {
        let mut rebuilt = Vec::new();
        let schema = &self.catalog.database.schema;
        let is = |table: &TableName, name: &str| table.name.eq_ignore_ascii_case(name);
        for (index, kind) in &self.catalog.virtual_tables {
            let Kind::IndexOf(content) = kind else {
                continue;
            };
            let replaced = self.selected.iter().any(|table| is(table, content));
            let over_view = !schema.tables.iter().any(|table| is(&table.name, content));
            if replaced || (over_view && !self.selected.is_empty()) {
                let name = sql::name(index);
                let rebuild = format!("INSERT INTO main.{name} ({name}) VALUES ('rebuild')");
                let doing = format_args!("computing the full-text index {index}");
                self.link.run(&doing, &rebuild)?;
                rebuilt.push(TableName::new("main", index));
            }
        }
        Ok(rebuilt)
    }

    /// Sets the AUTOINCREMENT counters to where the archive had them, and not behind the column's greatest value.
    fn set_counters(&self, archive: &[Sequence]) -> Result<(), EngineError> {
        for table in &self.selected {
            let Some(column) = self.catalog.counted_column(table) else {
                continue;
            };
            let archived = archive
                .iter()
                .find(|sequence| sequence.name == *table)
                .map(|sequence| sequence.last_value);
            let set = || -> rusqlite::Result<()> {
                let greatest: Option<i64> = self.link.connection.query_row(
                    &format!(
                        "SELECT max({}) FROM {}",
                        sql::name(&column.name),
                        sql::table(table)
                    ),
                    [],
                    |row| row.get(0),
                )?;
                self.link.connection.execute(
                    "DELETE FROM main.sqlite_sequence WHERE name = ?1",
                    [&table.name],
                )?;
                if let Some(value) = archived.max(greatest) {
                    self.link.connection.execute(
                        "INSERT INTO main.sqlite_sequence (name, seq) VALUES (?1, ?2)",
                        (&table.name, value),
                    )?;
                }
                Ok(())
            };
            set().map_err(|error| {
                self.link
                    .name(&format_args!("setting the counter of {table}"), &error)
            })?;
        }
        Ok(())
    }

    fn read_back(&self, table: &TableName, names: &[String]) -> Result<(u64, RowSet), EngineError> {
        let columns: Vec<(&Column, Source)> = self
            .catalog
            .columns(table, names, &self.link.target)?
            .into_iter()
            .map(|column| (column, Source::Stored))
            .collect();
        let mut set = RowSet::new();
        let mut count = 0;
        rows::read(&self.link, table, &columns, |line| {
            set.add_rows(line);
            count += 1;
            true
        })?;
        Ok((count, set))
    }
}
