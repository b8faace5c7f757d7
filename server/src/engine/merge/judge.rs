//! Unique indexes that texts of values can't stand for: over expressions, over some of the rows, with a collation of their
//! own, where NULLs are alike, and exclusions. The database judges itself: in a table of the transaction that has these
//! indexes and nothing else of the target's, into which rows are put as they would be. Those that stay come first, then matched ones,
//! then new ones; who doesn't get in comes second.

use super::{
    Merge, fate,
    sql::{Sql, unknown},
};
use crate::engine::{EngineError, sql};

/// The name of the table that judges, as `o` of a table of the program.
pub(in crate::engine) const JUDGE: &str = "o";

impl Merge<'_, '_> {
    /// Makes the table that judges, where there is such an index.
    pub(super) async fn call_judge(&mut self, index: usize) -> Result<(), EngineError> {
        for statement in self.sql.place(index)?.judge.clone() {
            self.run(index, statement).await?;
        }
        Ok(())
    }

    /// Leaves out rows that such an index would refuse, and gives how many.
    pub(super) async fn ask_judge(&mut self, index: usize) -> Result<u64, EngineError> {
        if self.sql.place(index)?.judge.is_empty() {
            return Ok(0);
        }
        for statement in self.sql.heard(index)? {
            self.run(index, statement).await?;
        }
        let refused = self.sql.refused(index)?;
        let refused = self.run(index, refused).await?;
        let clear = format!("DELETE FROM {}", self.sql.own(JUDGE, index));
        self.run(index, clear).await?;
        Ok(refused)
    }
}

impl Sql<'_> {
    /// Puts rows before the judge: those that stay, matched ones, new ones.
    fn heard(&self, index: usize) -> Result<Vec<String>, EngineError> {
        let table = self.table(index)?;
        let place = self.place(index)?;
        let (map, listed, staged) = (
            self.own("m", index),
            self.own("l", index),
            self.own("s", index),
        );
        let all: Vec<&str> = table
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .collect();
        let gone = if self.program.mode != coffer_core::plan::Mode::Skip {
            format!(" AND l.id NOT IN (SELECT id FROM {})", self.own("x", index))
        } else {
            String::new()
        };
        let target = format!("{listed} l JOIN {} t ON {}", place.rows, self.lies(index)?);
        let own: Vec<String> = all
            .iter()
            .map(|column| format!("t.{}", sql::name(column)))
            .collect();
        let mut statements = vec![self.put_before(
            index,
            &all,
            &format!(
                "SELECT 0, 0, {} FROM {target} WHERE l.id NOT IN (SELECT lid FROM {map} WHERE up = 1){gone} ORDER BY l.id",
                own.join(", ")
            ),
        )];
        if self.updates(table) {
            let values = all
                .iter()
                .map(|column| self.updated_early(index, column))
                .collect::<Result<Vec<_>, _>>()?;
            statements.push(self.put_before(
                index,
                &all,
                &format!(
                    "SELECT m.n, 1, {} FROM {map} m JOIN {listed} l ON l.id = m.lid JOIN {} t ON {} JOIN {staged} s ON s.n = m.n WHERE m.up = 1 ORDER BY m.n",
                    values.join(", "),
                    place.rows,
                    self.lies(index)?
                ),
            ));
        }
        let (mut columns, mut values) = (Vec::new(), Vec::new());
        for column in &all {
            if let Some(value) = self.inserted_early(index, column)? {
                columns.push(*column);
                values.push(value);
            }
        }
        statements.push(self.put_before(
            index,
            &columns,
            &format!(
                "SELECT m.n, 1, {} FROM {map} m JOIN {staged} s ON s.n = m.n WHERE m.fate = {} ORDER BY m.n",
                values.join(", "),
                fate::INSERT
            ),
        ));
        Ok(statements)
    }

    fn put_before(&self, index: usize, columns: &[&str], query: &str) -> String {
        let (verb, conflict) = match self.dialect {
            super::Dialect::Postgres => ("INSERT INTO", " ON CONFLICT DO NOTHING"),
            super::Dialect::Sqlite => ("INSERT OR IGNORE INTO", ""),
        };
        format!(
            "{verb} {} (coffer_n, coffer_kind, {}) {query}{conflict}",
            self.own(JUDGE, index),
            sql::names(columns.iter().copied())
        )
    }

    /// Leaves out, or as they were, the rows that didn't get in.
    fn refused(&self, index: usize) -> Result<String, EngineError> {
        self.table(index)?;
        Ok(format!(
            "UPDATE {} SET fate = CASE WHEN up = 1 THEN fate ELSE {} END, up = 0 WHERE (fate = {} OR up = 1)
                AND n NOT IN (SELECT coffer_n FROM {} WHERE coffer_kind = 1)",
            self.own("m", index),
            fate::COLLISION,
            fate::INSERT,
            self.own(JUDGE, index)
        ))
    }

    /// What a matched row gets, as far as it is known when its own table is decided about.
    fn updated_early(&self, index: usize, column: &str) -> Result<String, EngineError> {
        if self.is_late(index, column)? {
            return Ok(format!("t.{}", sql::name(column)));
        }
        self.updated(index, column)
    }

    /// The same for an inserted row.
    fn inserted_early(&self, index: usize, column: &str) -> Result<Option<String>, EngineError> {
        if self.is_late(index, column)? {
            let own = self.archived(index, column).ok_or_else(unknown)?;
            return Ok(Some(format!("s.c{own}")));
        }
        self.inserted(index, column)
    }

    /// Whether a column's value is only known once all tables are decided about.
    fn is_late(&self, index: usize, column: &str) -> Result<bool, EngineError> {
        let table = self.table(index)?;
        let hidden = || table.hidden.iter().any(|hidden| hidden.column == column);
        Ok(self.archived(index, column).is_some()
            && (self.linked(table, true).contains(&column) || hidden()))
    }
}
