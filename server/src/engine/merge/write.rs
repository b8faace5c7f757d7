//! Writing what was decided.

use coffer_core::merge::{Class, Counts, Part};

use super::{Merge, fate, sql::Sql};
use crate::engine::{EngineError, sql};

impl Merge<'_, '_> {
    /// Composes matched rows that change, and counts what only now is known.
    pub(super) async fn compose(
        &mut self,
        index: usize,
        counts: &mut Counts,
    ) -> Result<(), EngineError> {
        let table = self.table(index)?;
        if self.overwrites() {
            counts.delete = self.rows(index, "x").await?;
        }
        if table.part != Part::Merge {
            return Ok(());
        }
        if !self.sql.linked(table, true).is_empty() {
            let cleared = self.sql.cleared_late(index)?;
            counts.cleared += self.number(index, cleared).await?.unsigned_abs();
        }
        if self.sql.updates(table) {
            let composed = self.sql.composed(index)?;
            let lying: Vec<String> = (0..self.sql.place(index)?.at.len())
                .map(|number| format!("at{number}"))
                .collect();
            self.make_joined(index, "u", composed, &lying).await?;
            counts.update = self.rows(index, "u").await?;
            counts.keep -= counts.update;
        }
        Ok(())
    }

    /// Removes what goes, exchanges what changes, inserts what is new.
    pub(super) async fn write(&mut self, index: usize, counts: &Counts) -> Result<(), EngineError> {
        let table = self.table(index)?;
        if counts.delete > 0 {
            let listed = format!(
                "{} l JOIN {} x ON x.id = l.id",
                self.sql.own("l", index),
                self.sql.own("x", index)
            );
            let remove = self.sql.removed(index, "l", &listed)?;
            let removed = self.run(index, remove).await?;
            self.expect(index, removed, counts.delete)?;
        }
        if self.sql.updates(table) && counts.update > 0 && self.sql.in_place(index)? {
            let change = self.sql.changed_in_place(index)?;
            let written = self.run(index, change).await?;
            self.expect(index, written, counts.update)?;
        } else if self.sql.updates(table) && counts.update > 0 {
            let changed = format!("{} u", self.sql.own("u", index));
            let remove = self.sql.removed(index, "u", &changed)?;
            let removed = self.run(index, remove).await?;
            self.expect(index, removed, counts.update)?;
            let insert = self.sql.exchanged(index)?;
            let written = self.run(index, insert).await?;
            self.expect(index, written, counts.update)?;
        }
        if table.part == Part::Merge && counts.insert > 0 {
            let insert = self.sql.new_rows(index)?;
            let written = self.run(index, insert).await?;
            self.expect(index, written, counts.insert)?;
        }
        Ok(())
    }

    fn expect(&self, index: usize, written: u64, expected: u64) -> Result<(), EngineError> {
        if written == expected {
            return Ok(());
        }
        Err(EngineError::NotAsDecided {
            table: self.table(index)?.table.clone(),
            expected,
            found: written,
        })
    }

    /// Makes references to rows that went NULL.
    pub(super) async fn detach(&mut self, index: usize) -> Result<u64, EngineError> {
        let mut detached = 0;
        if self.overwrites() {
            for statement in self.sql.detached(index)? {
                detached += self.run(index, statement).await?;
            }
        }
        Ok(detached)
    }
}

impl Sql<'_> {
    fn cleared_late(&self, index: usize) -> Result<String, EngineError> {
        Ok(format!(
            "SELECT coalesce(sum(z.e), 0) FROM (SELECT {} AS e FROM {} m JOIN {} s ON s.n = m.n{} WHERE m.fate = 1 OR m.up = 1) z",
            self.cleared(index, true)?,
            self.own("m", index),
            self.own("s", index),
            self.late_joins(index)?
        ))
    }

    /// Matched rows that change: where they lie, and all of their values, or only the new ones if nothing else is written.
    fn composed(&self, index: usize) -> Result<String, EngineError> {
        let table = self.table(index)?;
        let place = self.place(index)?;
        let changing = self.changing(table);
        let in_place = self.in_place(index)?;
        let mut outer: Vec<String> = (0..place.at.len()).map(|at| format!("x.at{at}")).collect();
        let mut inner: Vec<String> = (0..place.at.len()).map(|at| format!("m.at{at}")).collect();
        let mut pairs = Vec::new();
        for (number, column) in table.columns.iter().enumerate() {
            if in_place && !changing.contains(&column.name.as_str()) {
                continue;
            }
            inner.push(format!(
                "{} AS v{number}",
                self.updated(index, &column.name)?
            ));
            outer.push(format!("x.v{number}"));
            if changing.contains(&column.name.as_str()) {
                inner.push(format!("t.{} AS b{number}", sql::name(&column.name)));
                pairs.push((format!("x.b{number}"), format!("x.v{number}")));
            }
        }
        Ok(format!(
            "SELECT {} FROM (SELECT {} FROM {} m JOIN {} t ON {} JOIN {} s ON s.n = m.n{}{} WHERE m.up = 1) x WHERE {}",
            outer.join(", "),
            inner.join(", "),
            self.own("m", index),
            place.rows,
            self.lies_at(index, "m")?,
            self.own("s", index),
            self.late_joins(index)?,
            self.exchanged_joins(index)?,
            self.dialect.differ(&pairs)
        ))
    }

    /// Removes the rows that lie where `alias` of `from` says.
    fn removed(&self, index: usize, alias: &str, from: &str) -> Result<String, EngineError> {
        let place = self.place(index)?;
        let lying: Vec<String> = (0..place.at.len())
            .map(|number| format!("{alias}.at{number}"))
            .collect();
        Ok(format!(
            "DELETE FROM {} WHERE ({}) IN (SELECT {} FROM {from})",
            place.rows,
            place.at.join(", "),
            lying.join(", ")
        ))
    }

    fn overriding(&self) -> &'static str {
        match self.dialect {
            super::Dialect::Postgres => " OVERRIDING SYSTEM VALUE",
            super::Dialect::Sqlite => "",
        }
    }

    /// OR ABORT outranks a constraint that says OR REPLACE or OR IGNORE, by which rows would vanish silently.
    fn insert_into(&self, index: usize, columns: &[&str]) -> Result<String, EngineError> {
        let verb = match self.dialect {
            super::Dialect::Postgres => "INSERT INTO",
            super::Dialect::Sqlite => "INSERT OR ABORT INTO",
        };
        Ok(format!(
            "{verb} {} ({}){}",
            self.place(index)?.into,
            sql::names(columns.iter().copied()),
            self.overriding()
        ))
    }

    /// Gives rows their new values where they lie.
    fn changed_in_place(&self, index: usize) -> Result<String, EngineError> {
        let table = self.table(index)?;
        let place = self.place(index)?;
        let changing = self.changing(table);
        let columns = table.columns.iter().enumerate();
        let set: Vec<String> = columns
            .filter(|(_, column)| changing.contains(&column.name.as_str()))
            .map(|(number, column)| format!("{} = u.v{number}", sql::name(&column.name)))
            .collect();
        let verb = match self.dialect {
            super::Dialect::Postgres => "UPDATE",
            super::Dialect::Sqlite => "UPDATE OR ABORT",
        };
        Ok(format!(
            "{verb} {} AS t SET {} FROM {} u WHERE {}",
            place.rows,
            set.join(", "),
            self.own("u", index),
            self.lies_at(index, "u")?
        ))
    }

    fn exchanged(&self, index: usize) -> Result<String, EngineError> {
        let table = self.table(index)?;
        let columns: Vec<&str> = table
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .collect();
        let values: Vec<String> = (0..columns.len())
            .map(|place| format!("v{place}"))
            .collect();
        Ok(format!(
            "{} SELECT {} FROM {}",
            self.insert_into(index, &columns)?,
            values.join(", "),
            self.own("u", index)
        ))
    }

    fn new_rows(&self, index: usize) -> Result<String, EngineError> {
        let table = self.table(index)?;
        let mut columns = Vec::new();
        let mut values = Vec::new();
        for column in &table.columns {
            if let Some(value) = self.inserted(index, &column.name)? {
                columns.push(column.name.as_str());
                values.push(value);
            }
        }
        Ok(format!(
            "{} SELECT {} FROM {} m JOIN {} s ON s.n = m.n{}{} WHERE m.fate = {} ORDER BY m.n",
            self.insert_into(index, &columns)?,
            values.join(", "),
            self.own("m", index),
            self.own("s", index),
            self.late_joins(index)?,
            self.exchanged_joins(index)?,
            fate::INSERT
        ))
    }

    /// Statements that make references to rows that went NULL, where the same key didn't come again.
    fn detached(&self, index: usize) -> Result<Vec<String>, EngineError> {
        let table = self.table(index)?;
        let place = self.place(index)?;
        let mut statements = Vec::new();
        for link in &table.links {
            let Some(to) = link.to else { continue };
            if link.class != Class::Enrichment || link.clears.is_empty() {
                continue;
            }
            let gone = format!("JOIN {} x ON x.id = l.id", self.own("x", to));
            let set: Vec<String> = link
                .clears
                .iter()
                .map(|column| format!("{} = NULL", sql::name(column)))
                .collect();
            let on: Vec<String> = link
                .columns
                .iter()
                .zip(&link.referenced)
                .map(|(own, there)| format!("p.{} = t.{}", sql::name(there), sql::name(own)))
                .collect();
            statements.push(format!(
                "UPDATE {} AS t SET {} WHERE {} AND NOT EXISTS (SELECT 1 FROM {} p WHERE {})",
                place.rows,
                set.join(", "),
                self.is_among(link, to, &gone)?,
                self.place(to)?.rows,
                on.join(" AND ")
            ));
        }
        Ok(statements)
    }
}
