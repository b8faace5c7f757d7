//! Choosing single records: of the staged rows stay those that are chosen, those that they need, and those that are looked
//! at beside them. Everything after that is a merge like any other.
//!
//! A table `z` beside each staging table notes the chosen rows with what they are to the records ([`pick`]). It grows by
//! statements over whole tables, until none adds a row: first down to what belongs to the records, then up to what all of
//! that refers to. Once it is decided what becomes of each row, `w` grows in the same way from rows that are written, and
//! whatever nobody needs after all is left out.

use std::collections::BTreeSet;

use coffer_core::merge::{Class, Hidden, Ids, Link, Part, Root, pick};

use super::{
    Merge, fate,
    hidden::{BATCH, is_id},
    sql::{Sql, unknown},
};
use crate::engine::{EngineError, sql};

/// Rows that are named where a record is not there.
const EXAMPLES: usize = 5;

/// From which rows on others are noted.
#[derive(Clone, Copy)]
enum From {
    /// From those that are noted as this, or as more.
    Noted(i64),
    /// From those that are written.
    Written,
}

impl From {
    /// The small table that the rows are noted in.
    const fn notes(self) -> &'static str {
        match self {
            Self::Noted(_) => "z",
            Self::Written => "w",
        }
    }

    /// What rows become that are found from these.
    const fn as_what(self) -> i64 {
        match self {
            Self::Noted(pick) => pick,
            Self::Written => pick::NEEDED,
        }
    }

    fn follows(self, link: &Link) -> bool {
        match self {
            Self::Noted(pick::MINE) => link.owned,
            Self::Noted(pick::LOOKED_UP | pick::BESIDE) => true,
            // What may be NULL and stands for itself is needed by nobody.
            _ => !(link.deferred && link.class == Class::Enrichment),
        }
    }
}

impl Merge<'_, '_> {
    /// Leaves in the staging tables only what the program's records are about.
    pub(super) async fn choose(&mut self) -> Result<(), EngineError> {
        let program = self.sql.program;
        let staged = self.begin_notes(From::Noted(pick::MINE)).await?;
        for root in &program.roots {
            self.find(root).await?;
        }
        self.spread(&staged, From::Noted(pick::MINE)).await?;
        self.spread_wide(&staged, From::Noted(pick::NEEDED)).await?;
        self.spread(&staged, From::Noted(pick::LOOKED_UP)).await?;
        loop {
            let mut found = 0;
            for index in &staged {
                if let Some(beside) = self.sql.beside(*index)? {
                    found += self.run(*index, beside).await?;
                }
            }
            if found == 0 {
                break;
            }
            self.spread(&staged, From::Noted(pick::BESIDE)).await?;
        }
        for index in staged {
            self.leave_chosen(index).await?;
        }
        Ok(())
    }

    /// Leaves out new rows that would come along for the sake of rows which stay as they are, or are left out themselves.
    pub(super) async fn leave_unneeded(&mut self) -> Result<(), EngineError> {
        let staged = self.begin_notes(From::Written).await?;
        self.spread_wide(&staged, From::Written).await?;
        for index in staged {
            let unneeded = self.sql.unneeded(index);
            self.run(index, unneeded).await?;
        }
        Ok(())
    }

    /// Makes the small tables for notes, and says which tables have one.
    async fn begin_notes(&mut self, from: From) -> Result<Vec<usize>, EngineError> {
        let staged: Vec<usize> = (0..self.sql.program.tables.len())
            .filter(|index| self.sql.is_staged(*index))
            .collect();
        for index in &staged {
            let none = format!("{} LIMIT 0", self.sql.numbers(*index, from.as_what()));
            self.make(*index, from.notes(), none).await?;
        }
        Ok(staged)
    }

    /// Follows foreign keys and ids that no foreign key shows, until no row is added.
    async fn spread_wide(&mut self, staged: &[usize], from: From) -> Result<(), EngineError> {
        loop {
            self.spread(staged, from).await?;
            if self.follow_hidden(staged, from).await? == 0 {
                return Ok(());
            }
        }
    }

    /// Notes the row that a record is.
    async fn find(&mut self, root: &Root) -> Result<(), EngineError> {
        let found = self.sql.found(root)?;
        if self.run(root.table, found).await? > 0 {
            return Ok(());
        }
        let table = &self.table(root.table)?.table;
        let examples = self.sql.examples(root)?;
        let examples = self.run.pairs(table, examples).await?;
        Err(EngineError::NoRecord {
            record: root.record.to_string(),
            rows: self.rows(root.table, "s").await?,
            examples: examples.into_iter().map(|(key, _)| key).collect(),
        })
    }

    /// Follows foreign keys, until no row is added: from [`pick::MINE`] down to what belongs to these rows, else up to what
    /// they refer to.
    async fn spread(&mut self, staged: &[usize], from: From) -> Result<(), EngineError> {
        loop {
            let mut added = 0;
            for index in staged {
                let table = self.table(*index)?;
                for link in table.links.iter().filter(|link| from.follows(link)) {
                    if let Some((to, statement)) = self.sql.followed(*index, link, from) {
                        added += self.run(to, statement).await?;
                    }
                }
                if let From::Written = from {
                    let roots = self.sql.roots_of_noted(*index);
                    added += self.run(*index, roots).await?;
                }
            }
            if added == 0 {
                return Ok(());
            }
        }
    }

    /// Notes the rows that ids inside of the noted ones mean, and says how many.
    async fn follow_hidden(&mut self, staged: &[usize], from: From) -> Result<u64, EngineError> {
        let mut added = 0;
        for index in staged {
            let table = self.table(*index)?;
            for hidden in &table.hidden {
                if let Some(own) = self.sql.archived(*index, &hidden.column)
                    && let Some(to) = hidden.to
                    && self.sql.is_staged(to)
                {
                    added += self.follow_ids((*index, own), hidden, to, from).await?;
                }
            }
        }
        Ok(added)
    }

    async fn follow_ids(
        &mut self,
        (index, own): (usize, usize),
        hidden: &Hidden,
        to: usize,
        from: From,
    ) -> Result<u64, EngineError> {
        let name = &self.table(index)?.table;
        let (mut last, mut added) = (0, 0);
        loop {
            let query = self.sql.chosen_texts((index, own), hidden, last, from)?;
            let texts = self.run.pairs(name, query).await?;
            let Some((number, _)) = texts.last() else {
                return Ok(added);
            };
            last = number.parse().map_err(|_| unknown())?;
            let found: Vec<Ids> = texts
                .iter()
                .map(|(_, text)| Ids::find(text, &hidden.paths))
                .collect();
            let ids: BTreeSet<&str> = found.iter().flat_map(Ids::iter).filter(is_id).collect();
            if !ids.is_empty() {
                let meant = self.sql.meant(to, &hidden.referenced, &ids, from)?;
                added += self.run(to, meant).await?;
            }
        }
    }

    /// Makes the staging table anew, of the noted rows.
    async fn leave_chosen(&mut self, index: usize) -> Result<(), EngineError> {
        let (staged, chosen) = (self.sql.own("s", index), self.sql.own("v", index));
        let query = format!(
            "SELECT s.*, z.pick FROM {staged} s JOIN {} z ON z.n = s.n",
            self.sql.own("z", index)
        );
        self.make(index, "v", query).await?;
        self.run(index, format!("DROP TABLE {staged}")).await?;
        // A table that is renamed has SQLite look at everybody's views.
        self.make(index, "s", format!("SELECT * FROM {chosen}"))
            .await?;
        self.run(index, format!("DROP TABLE {chosen}")).await?;
        if let Some(statement) = self.sql.staged_index(index) {
            self.run(index, statement).await?;
        }
        Ok(())
    }
}

impl Sql<'_> {
    /// Whether records were chosen, so that rows have a `pick`.
    pub(super) const fn chooses(&self) -> bool {
        !self.program.roots.is_empty()
    }

    /// That a row, by which alias it is known, is one of the chosen records or belongs to one.
    pub(super) fn is_mine(&self, alias: &str) -> String {
        if self.chooses() {
            format!("coalesce({alias}.pick, {}) = {}", pick::BESIDE, pick::MINE)
        } else {
            "1 = 1".into()
        }
    }

    fn is_staged(&self, index: usize) -> bool {
        let table = self.program.tables.get(index);
        table.is_some_and(|table| table.part != Part::Along)
    }

    /// Staged rows as they are noted.
    fn numbers(&self, index: usize, as_what: i64) -> String {
        let as_what = self.dialect.cast(&as_what.to_string(), "bigint");
        format!(
            "SELECT s.n, {as_what} AS pick FROM {} s",
            self.own("s", index)
        )
    }

    /// Notes the staged rows `s` for which this holds, and that are not noted yet.
    fn note(&self, index: usize, from: From, condition: &str) -> String {
        let noted = self.own(from.notes(), index);
        format!(
            "INSERT INTO {noted} {} WHERE {condition} AND s.n NOT IN (SELECT n FROM {noted})",
            self.numbers(index, from.as_what())
        )
    }

    /// The staged rows `s` that others are noted from, as they stand after FROM, with a condition for them.
    fn noted_rows(&self, index: usize, from: From) -> String {
        let staged = self.own("s", index);
        let noted = self.own(from.notes(), index);
        match from {
            From::Noted(pick) => {
                format!("{staged} s JOIN {noted} z ON z.n = s.n WHERE z.pick >= {pick}")
            }
            From::Written => format!(
                "{staged} s JOIN {} m ON m.n = s.n WHERE (m.fate = {} OR m.up = 1) AND (m.pick = {} OR s.n IN (SELECT n FROM {noted}))",
                self.own("m", index),
                fate::INSERT,
                pick::MINE
            ),
        }
    }

    /// Notes the rows that count in place of noted ones which are the same.
    fn roots_of_noted(&self, index: usize) -> String {
        let (map, noted) = (self.own("m", index), self.own("w", index));
        let roots = format!(
            "s.n IN (SELECT m.root FROM {map} m JOIN {noted} w ON w.n = m.n WHERE m.fate = {})",
            fate::DUPLICATE
        );
        self.note(index, From::Written, &roots)
    }

    /// Leaves out new rows that nothing refers to that is written.
    fn unneeded(&self, index: usize) -> String {
        format!(
            "UPDATE {} SET fate = {}, pick = {} WHERE pick = {} AND fate IN ({}, {}) AND n NOT IN (SELECT n FROM {})",
            self.own("m", index),
            fate::NOT_CHOSEN,
            pick::BESIDE,
            pick::NEEDED,
            fate::INSERT,
            fate::DUPLICATE,
            self.own("w", index)
        )
    }

    fn found(&self, root: &Root) -> Result<String, EngineError> {
        let mut conditions = Vec::with_capacity(root.key.len());
        for key in &root.key {
            let own = self.archived(root.table, &key.column);
            let own = format!("s.c{}", own.ok_or_else(unknown)?);
            let asked = sql::literal(&key.value);
            conditions.push(match key.normalise {
                Some(how) => format!(
                    "{} = {}",
                    self.dialect.normalised(&own, "text", Some(how)),
                    self.dialect.normalised(&asked, "text", Some(how))
                ),
                None => format!("{} = {asked}", self.dialect.text(&own)),
            });
        }
        let from = From::Noted(pick::MINE);
        Ok(self.note(root.table, from, &conditions.join(" AND ")))
    }

    /// The first keys of a record's table, spelled as one asks for them.
    fn examples(&self, root: &Root) -> Result<String, EngineError> {
        let mut parts = Vec::with_capacity(root.key.len());
        for key in &root.key {
            let own = self.archived(root.table, &key.column);
            let value = self
                .dialect
                .text(&format!("s.c{}", own.ok_or_else(unknown)?));
            let named = sql::literal(&format!("{}=", key.column));
            parts.push(format!("{named} || coalesce({value}, 'NULL')"));
        }
        Ok(format!(
            "SELECT {}, '' FROM {} s ORDER BY s.n LIMIT {EXAMPLES}",
            parts.join(" || ',' || "),
            self.own("s", root.table)
        ))
    }

    /// Follows a link of a table: down to its own rows from [`pick::MINE`], else up to those that it leads to.
    fn followed(&self, index: usize, link: &Link, from: From) -> Option<(usize, String)> {
        let to = link.to.filter(|to| self.is_staged(*to))?;
        let columns = |at: usize, names: &[String]| -> Option<Vec<String>> {
            let place = |name: &String| Some(format!("s.c{}", self.archived(at, name)?));
            names.iter().map(place).collect()
        };
        let below = (index, columns(index, &link.columns)?);
        let above = (to, columns(to, &link.referenced)?);
        let (start, end) = match from {
            From::Noted(pick::MINE) => (above, below),
            _ => (below, above),
        };
        let condition = format!(
            "({}) IN (SELECT {} FROM {})",
            end.1.join(", "),
            start.1.join(", "),
            self.noted_rows(start.0, from)
        );
        Some((end.0, self.note(end.0, from, &condition)))
    }

    /// Notes the rest of a table where one row can be taken for another's if that other is not looked at: with several
    /// alternatives of an identity the stronger one counts, and equal rows are told apart by their order.
    fn beside(&self, index: usize) -> Result<Option<String>, EngineError> {
        let table = self.table(index)?;
        let is_given = |name: &String| {
            let mut columns = table.columns.iter();
            columns.any(|column| column.name == *name && !column.nullable)
        };
        let always_tells = table
            .identity
            .iter()
            .any(|one| one.empty_is_value && one.columns.iter().all(is_given));
        let rest = table.rest.as_ref();
        let is_weak =
            table.identity.len() > 1 || rest.is_some_and(|rest| rest.after_all || !always_tells);
        Ok(is_weak.then(|| {
            let any = format!("EXISTS (SELECT 1 FROM {})", self.own("z", index));
            self.note(index, From::Noted(pick::BESIDE), &any)
        }))
    }

    /// The next texts of rows that others are noted from, in which there may be ids.
    fn chosen_texts(
        &self,
        (index, own): (usize, usize),
        hidden: &Hidden,
        after: i64,
        from: From,
    ) -> Result<String, EngineError> {
        Ok(format!(
            "SELECT {}, {} FROM {} AND s.c{own} IS NOT NULL AND s.n > {after}{} ORDER BY s.n LIMIT {BATCH}",
            self.dialect.printed_value("s.n"),
            self.dialect.printed_value(&format!("s.c{own}")),
            self.noted_rows(index, from),
            self.holds_id(index, hidden)?
        ))
    }

    /// Notes the rows with these ids.
    fn meant(
        &self,
        to: usize,
        column: &str,
        ids: &BTreeSet<&str>,
        from: From,
    ) -> Result<String, EngineError> {
        let own = self.archived(to, column).ok_or_else(unknown)?;
        let ids: Vec<String> = ids.iter().map(|id| sql::literal(id)).collect();
        let condition = format!(
            "{} IN ({})",
            self.dialect.printed_value(&format!("s.c{own}")),
            ids.join(", ")
        );
        Ok(self.note(to, from, &condition))
    }
}
