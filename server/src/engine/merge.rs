//! Carrying out a [`Program`]: statements over whole tables, the same for both engines but for their spelling.
//!
//! The archive's rows lie in staging tables, made for the occasion and gone with the transaction. From them each table
//! gets, in the program's order, small tables beside it that say what becomes of each row:
//!
//! | table | a row is | columns |
//! |---|---|---|
//! | `s` | one of the archive | `n` its number, `c…` its values |
//! | `a` | one of the archive, foreign keys resolved | `o…` what others name it by, `r…` resolved values, `k…` identities, `q…` unique keys |
//! | `l` | one of the target | `id`, `at…` where it lies, `t…` what others name it by, identities, unique keys |
//! | `d` | one of the archive that is the same as an earlier one | `n`, `root` |
//! | `i` | one of the archive that another table's rows tell apart | `n`, `v` what they tell |
//! | `e` | one of the archive of which another table's rows tell that it came to an end | `n` |
//! | `h` | one of the archive with the one of the target that is the same | `n`, `id` |
//! | `m` | one of the archive with what becomes of it | [`fate`], `f…` what others name it by afterwards |
//! | `x` | one of the target that goes | `id` |
//! | `u` | one of the target that changes | where it lies, `v…` its new values |
//! | `z` | one of the archive that chosen records are about | `n`, `pick` |
//! | `w` | one of the archive that rows need which are written for these | `n`, `pick` |
//! | `o` | one that would be in the target, where only the database can judge its unique indexes | the target's own |
//! | `f` | one of the archive that follows its file to another path | `n`, `v` the column's new value |
//!
//! Nothing but these is written before everything is decided.

use std::collections::BTreeSet;

use async_trait::async_trait;
use coffer_core::{
    merge::{Class, Counts, MergeTable, Part, Program, Sample, Skipped, When},
    plan::Mode,
    schema::{ColumnName, TableName},
};

use super::{Database, EngineError, Merged, NamedFiles};

mod choose;
mod decide;
mod dialect;
mod files;
mod gone;
mod hidden;
mod judge;
mod keys;
mod left_out;
mod links;
mod recognise;
mod sample;
mod sql;
mod told;
mod unique;
mod values;
mod write;

pub(super) use judge::JUDGE;
pub(super) use sql::{Dialect, Place, Sql};

/// What becomes of a row of the archive, as `m` says it.
pub(super) mod fate {
    /// It is inserted.
    pub(crate) const INSERT: i64 = 1;
    /// The target has it.
    pub(crate) const MATCHED: i64 = 2;
    /// An earlier row of the archive is the same.
    pub(crate) const DUPLICATE: i64 = 3;
    /// What it belongs to is missing.
    pub(crate) const UNRESOLVED: i64 = -1;
    /// What it belongs to stays as it is.
    pub(crate) const WITH_PARENT: i64 = -2;
    /// Nothing tells which row it is.
    pub(crate) const NO_IDENTITY: i64 = -3;
    /// Another row has its unique key.
    pub(crate) const COLLISION: i64 = -4;
    /// Its table is only looked up, and the target lacks it.
    pub(crate) const NOT_SELECTED: i64 = -5;
    /// It is not one of the chosen records, and the target lacks it.
    pub(crate) const NOT_CHOSEN: i64 = -6;
    /// The preset leaves it out.
    pub(crate) const LEFT_OUT: i64 = -7;
}

/// A connection that carries statements out.
#[async_trait]
pub(super) trait Run: Send {
    /// Runs one statement that concerns a table, and gives the rows that it touched.
    async fn run(&mut self, table: &TableName, sql: String) -> Result<u64, EngineError>;

    /// The one number that a query gives.
    async fn number(&mut self, table: &TableName, sql: String) -> Result<i64, EngineError>;

    /// Rows of so many texts that a query gives.
    async fn texts(
        &mut self,
        table: &TableName,
        sql: String,
        columns: usize,
    ) -> Result<Vec<Vec<Option<String>>>, EngineError>;

    /// Pairs of texts that a query gives.
    async fn pairs(
        &mut self,
        table: &TableName,
        sql: String,
    ) -> Result<Vec<(String, String)>, EngineError>;

    /// Puts numbered texts into a table of two columns.
    async fn put(
        &mut self,
        table: &TableName,
        into: &str,
        rows: &[(i64, String)],
    ) -> Result<(), EngineError>;
}

/// A merge on its way: what was decided before any row was looked at, and what was found out since.
#[derive(Debug)]
pub(super) struct Merging {
    program: Program,
    dialect: Dialect,
    places: Vec<Place>,
    /// Tables and their columns in which rows follow their files to other paths.
    renamed: BTreeSet<(usize, usize)>,
    counts: Vec<Counts>,
    /// Rows of the target's tables before.
    listed: Vec<u64>,
}

/// Fewer rows than these are not worth a new index.
const MANY: u64 = 1000;

impl Merging {
    /// Decides what becomes of staged rows.
    pub(super) async fn decide(
        run: &mut dyn Run,
        program: Program,
        dialect: Dialect,
        places: Vec<Place>,
    ) -> Result<Self, EngineError> {
        let mut merging = Self {
            program,
            dialect,
            places,
            renamed: BTreeSet::new(),
            counts: Vec::new(),
            listed: Vec::new(),
        };
        let mut counts = Vec::with_capacity(merging.program.tables.len());
        let mut listed = Vec::with_capacity(merging.program.tables.len());
        let mut merge = merging.on(run);
        merge.note_told().await?;
        if merge.sql.chooses() {
            merge.choose().await?;
        }
        for index in 0..merge.sql.program.tables.len() {
            merge.decide(index).await?;
            listed.push(merge.rows(index, "l").await?);
        }
        if merge.sql.chooses() {
            merge.leave_unneeded().await?;
        }
        for index in 0..merge.sql.program.tables.len() {
            counts.push(merge.count(index).await?);
        }
        for index in 0..merge.sql.program.tables.len() {
            merge.find_hidden(index).await?;
        }
        merging.counts = counts;
        merging.listed = listed;
        Ok(merging)
    }

    /// The tables of which so many rows will be written that their indexes are made sooner from all rows at once than
    /// filled row by row. Call it between composing and writing.
    pub(super) fn rewritten(&self) -> impl Iterator<Item = &TableName> {
        let tables = self.program.tables.iter();
        let written = tables.zip(&self.counts).zip(&self.listed);
        written
            .filter(|((_, counts), listed)| {
                let written = counts.insert + counts.update;
                let rows = (*listed + counts.insert).saturating_sub(counts.delete);
                written >= MANY && written >= rows / 2
            })
            .map(|((table, _), _)| &table.table)
    }

    /// The rows that name files in a column.
    pub(super) async fn named_files(
        &self,
        run: &mut dyn Run,
        column: &ColumnName,
    ) -> Result<NamedFiles, EngineError> {
        self.on(run).named_files(column).await
    }

    /// Gives rows other values in a column that names files.
    pub(super) async fn rename_files(
        &mut self,
        run: &mut dyn Run,
        column: &ColumnName,
        values: &[(i64, String)],
    ) -> Result<(), EngineError> {
        if let Some(place) = self.on(run).rename_files(column, values).await? {
            self.renamed.insert(place);
        }
        Ok(())
    }

    /// Composes rows that change, and counts all that will be done.
    pub(super) async fn compose(&mut self, run: &mut dyn Run) -> Result<Vec<Merged>, EngineError> {
        let mut counts = self.counts.clone();
        let mut samples: Vec<Vec<Sample>> = Vec::with_capacity(counts.len());
        let mut merge = self.on(run);
        for (index, counts) in counts.iter_mut().enumerate() {
            merge.compose(index, counts).await?;
            samples.push(if counts.update > 0 {
                merge.sample(index).await?
            } else {
                Vec::new()
            });
        }
        self.counts.clone_from(&counts);
        Ok(counts
            .into_iter()
            .zip(samples)
            .map(|(counts, samples)| Merged { counts, samples })
            .collect())
    }

    /// Does what was composed, and gives for each table the references that became NULL.
    pub(super) async fn write(&self, run: &mut dyn Run) -> Result<Vec<u64>, EngineError> {
        let mut merge = self.on(run);
        for (index, counts) in self.counts.iter().enumerate() {
            merge.write(index, counts).await?;
        }
        let mut detached = Vec::with_capacity(self.counts.len());
        for index in 0..self.counts.len() {
            detached.push(merge.detach(index).await?);
        }
        Ok(detached)
    }

    fn on<'a, 'r>(&'a self, run: &'r mut dyn Run) -> Merge<'a, 'r> {
        Merge {
            run,
            sql: Sql {
                program: &self.program,
                dialect: self.dialect,
                places: &self.places,
                renamed: &self.renamed,
            },
        }
    }
}

/// The index of a table that the archive's rows with these columns can be staged for.
pub(super) fn staged(
    program: &Program,
    table: &TableName,
    columns: &[String],
) -> Result<usize, EngineError> {
    program
        .tables
        .iter()
        .position(|own| {
            own.table == *table && own.part != Part::Along && own.archived.as_slice() == columns
        })
        .ok_or_else(sql::unknown)
}

/// The greatest number that a table's sequence ever gave to a row.
pub(super) fn numbered(database: &Database, table: &MergeTable) -> i64 {
    database
        .sequences
        .iter()
        .filter(|sequence| {
            sequence.is_called
                && sequence.owned_by.as_ref().is_some_and(|owner| {
                    owner.table == table.table && Some(&owner.column) == table.surrogate.as_ref()
                })
        })
        .map(|sequence| sequence.last_value)
        .max()
        .unwrap_or_default()
}

struct Merge<'a, 'r> {
    run: &'r mut dyn Run,
    sql: Sql<'a>,
}

impl<'a> Merge<'a, '_> {
    fn table(&self, index: usize) -> Result<&'a MergeTable, EngineError> {
        self.sql.table(index)
    }

    async fn run(&mut self, index: usize, sql: String) -> Result<u64, EngineError> {
        let table = &self.table(index)?.table;
        self.run.run(table, sql).await
    }

    async fn number(&mut self, index: usize, sql: String) -> Result<i64, EngineError> {
        let table = &self.table(index)?.table;
        self.run.number(table, sql).await
    }

    /// Makes a small table of what a query gives, and lets the engine look at how large it is.
    async fn make(&mut self, index: usize, kind: &str, query: String) -> Result<(), EngineError> {
        self.make_joined(index, kind, query, &[]).await
    }

    /// The same for a table that is joined by few of its columns.
    async fn make_joined(
        &mut self,
        index: usize,
        kind: &str,
        query: String,
        by: &[String],
    ) -> Result<(), EngineError> {
        let name = self.sql.own(kind, index);
        self.run(index, self.sql.dialect.create_as(&name, &query))
            .await?;
        if let Some(analyse) = self.sql.dialect.analyse(&name, by) {
            self.run(index, analyse).await?;
        }
        Ok(())
    }

    /// The numbers of the one row that a query gives as texts.
    async fn numbers(
        &mut self,
        index: usize,
        (query, columns): (String, usize),
    ) -> Result<Vec<u64>, EngineError> {
        let table = &self.table(index)?.table;
        let rows = self.run.texts(table, query, columns).await?;
        let row = rows.into_iter().next().ok_or_else(sql::unknown)?;
        row.into_iter()
            .map(|number| {
                number
                    .and_then(|text| text.parse().ok())
                    .ok_or_else(sql::unknown)
            })
            .collect()
    }

    /// The rows of a small table.
    async fn rows(&mut self, index: usize, kind: &str) -> Result<u64, EngineError> {
        let count = format!("SELECT count(*) FROM {}", self.sql.own(kind, index));
        Ok(self.number(index, count).await?.unsigned_abs())
    }

    /// Everything that is decided about one table.
    async fn decide(&mut self, index: usize) -> Result<(), EngineError> {
        let table = self.table(index)?;
        self.make(index, "l", self.sql.listed(index)?).await?;
        for statement in self.sql.listed_indexes(index)? {
            self.run(index, statement).await?;
        }
        if table.part == Part::Along {
            return self.lose(index).await;
        }
        let rounds = table
            .links
            .iter()
            .any(|link| link.when == When::Rounds && link.to.is_some());
        self.begin(index).await?;
        if rounds {
            self.decide_in_rounds(index).await?;
        } else {
            self.decide_at_once(index).await?;
        }
        for statement in self.sql.mapped_indexes(index)? {
            self.run(index, statement).await?;
        }
        if let Some(analyse) = self.sql.analysed_map(index)? {
            self.run(index, analyse).await?;
        }
        self.lose(index).await?;
        if table.part == Part::Merge {
            if !table.unique.is_empty() || !self.sql.place(index)?.judge.is_empty() {
                self.keep_unique(index).await?;
            }
            let waits_for_itself = table.links.iter().any(|link| {
                link.class == Class::Ownership && link.when == When::Late && link.to == Some(index)
            });
            if waits_for_itself {
                self.leave_out_lost(index).await?;
            }
        }
        Ok(())
    }

    async fn count(&mut self, index: usize) -> Result<Counts, EngineError> {
        let table = self.table(index)?;
        let mut counts = Counts::default();
        if table.part == Part::Along {
            return Ok(counts);
        }
        let reasons = [
            (Skipped::Duplicate, fate::DUPLICATE),
            (Skipped::UnresolvedOwner, fate::UNRESOLVED),
            (Skipped::WithParent, fate::WITH_PARENT),
            (Skipped::NoIdentity, fate::NO_IDENTITY),
            (Skipped::Collision, fate::COLLISION),
            (Skipped::NotSelected, fate::NOT_SELECTED),
            (Skipped::NotChosen, fate::NOT_CHOSEN),
            (Skipped::LeftOut, fate::LEFT_OUT),
        ];
        // All in one pass over the rows, which are many.
        let fates = [fate::INSERT, fate::MATCHED];
        let fates = fates.into_iter().chain(reasons.map(|(_, fate)| fate));
        let query = self.sql.counted(index, fates)?;
        let numbers = self.numbers(index, query).await?;
        let [insert, matched, skipped @ .., remapped, cleared, remade] = numbers.as_slice() else {
            return Err(sql::unknown());
        };
        counts.insert = *insert;
        counts.keep = *matched;
        for ((reason, _), rows) in reasons.into_iter().zip(skipped) {
            if *rows > 0 {
                counts.skipped.insert(reason, *rows);
            }
        }
        counts.remapped = *remapped;
        counts.cleared = *cleared;
        counts.remade = *remade;
        Ok(counts)
    }

    fn overwrites(&self) -> bool {
        self.sql.program.mode != Mode::Skip
    }
}
