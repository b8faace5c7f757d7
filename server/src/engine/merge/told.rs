//! What rows of another table tell: which row it is, as an address tells whose account it is, and whether something that was under
//! way came to its end.
//!
//! For the archive they are noted before any row is chosen or left out, in a table `i` beside the staged ones; for the target
//! identities are looked up where its rows are listed.

use coffer_core::merge::{Alternative, Part, Told};

use super::{
    Dialect, Merge,
    sql::{Sql, unknown},
};
use crate::engine::{EngineError, sql};

impl Merge<'_, '_> {
    /// Notes for rows of the archive what rows of other tables tell of them.
    pub(super) async fn note_told(&mut self) -> Result<(), EngineError> {
        for index in 0..self.sql.program.tables.len() {
            for (place, alternative) in self.table(index)?.identity.iter().enumerate() {
                if let Some(told) = &alternative.through {
                    let noted = self.sql.noted(index, alternative, told)?;
                    self.make(index, &format!("i{place}_"), noted).await?;
                    if let Some(statement) = self.sql.told_index(index, place) {
                        self.run(index, statement).await?;
                    }
                }
            }
            for (column, told) in &self.table(index)?.ended {
                let at = self.sql.archived(index, column).ok_or_else(unknown)?;
                let ended = self.sql.told_rows(index, told, "s.n", "")?;
                self.make(index, &format!("e{at}_"), ended).await?;
            }
        }
        Ok(())
    }
}

impl Sql<'_> {
    /// What an alternative says of a row `x` by what was noted of it: `value` gives the row's own columns.
    pub(super) fn told_key(
        &self,
        place: usize,
        alternative: &Alternative,
        value: &dyn Fn(&str) -> Result<String, EngineError>,
    ) -> Result<String, EngineError> {
        let told = format!("i{place}.v");
        let mut values = vec![told.clone()];
        for column in &alternative.owners {
            values.push(self.dialect.text(&value(column)?));
        }
        let one = self.dialect.as_one(&values);
        Ok(format!("CASE WHEN {told} IS NOT NULL THEN {one} END"))
    }

    /// For each row of the archive that is told of: its number, and what is told.
    fn noted(
        &self,
        index: usize,
        alternative: &Alternative,
        told: &Told,
    ) -> Result<String, EngineError> {
        let value = |column: &str| {
            let own = self.archived(told.by, column).ok_or_else(unknown)?;
            Ok(format!("y.c{own}"))
        };
        let least = self.least(alternative, told, &value)?;
        self.told_rows(index, told, &format!("s.n, {least} AS v"), " GROUP BY s.n")
    }

    /// The rows `s` of the archive that rows `y` of another table tell of.
    fn told_rows(
        &self,
        index: usize,
        told: &Told,
        columns: &str,
        grouped: &str,
    ) -> Result<String, EngineError> {
        let value = |column: &str| {
            let own = self.archived(told.by, column).ok_or_else(unknown)?;
            Ok(format!("y.c{own}"))
        };
        let mut on = Vec::with_capacity(told.link.len());
        for (from, to) in &told.link {
            let to = self.archived(index, to).ok_or_else(unknown)?;
            on.push(format!("{} = s.c{to}", value(from)?));
        }
        Ok(format!(
            "SELECT {columns} FROM {} s JOIN {} y ON {}{}{grouped}",
            self.own("s", index),
            self.own("s", told.by),
            on.join(" AND "),
            self.counts(told, &value)?
        ))
    }

    /// Joins to the archive's rows `x` what is told of them.
    pub(super) fn told_in_archive(&self, index: usize) -> Result<String, EngineError> {
        let mut joins = String::new();
        for (place, _, _) in self.told(index)? {
            let noted = self.own(&format!("i{place}_"), index);
            joins.push_str(&format!(" LEFT JOIN {noted} i{place} ON i{place}.n = x.n"));
        }
        Ok(joins)
    }

    /// Joins to the target's rows `x` what is told of them.
    pub(super) fn told_in_target(&self, index: usize) -> Result<String, EngineError> {
        let mut joins = String::new();
        if self.table(index)?.part == Part::Along {
            return Ok(joins);
        }
        let value = |column: &str| Ok(format!("y.{}", sql::name(column)));
        for (place, alternative, told) in self.told(index)? {
            let mut keys = Vec::with_capacity(told.link.len());
            let mut on = Vec::with_capacity(told.link.len());
            for (number, (from, to)) in told.link.iter().enumerate() {
                keys.push(value(from)?);
                on.push(format!("i{place}.f{number} = x.{}", sql::name(to)));
            }
            let named = keys.iter().enumerate();
            let named: Vec<String> = named
                .map(|(number, key)| format!("{key} AS f{number}"))
                .collect();
            joins.push_str(&format!(
                " LEFT JOIN (SELECT {}, {} AS v FROM {} y WHERE 1 = 1{} GROUP BY {}) i{place} ON {}",
                named.join(", "),
                self.least(alternative, told, &value)?,
                self.place(told.by)?.rows,
                self.counts(told, &value)?,
                keys.join(", "),
                on.join(" AND ")
            ));
        }
        Ok(joins)
    }

    /// The alternatives of a table that others tell, with their places.
    fn told(&self, index: usize) -> Result<Vec<(usize, &Alternative, &Told)>, EngineError> {
        let alternatives = self.table(index)?.identity.iter().enumerate();
        Ok(alternatives
            .filter_map(|(place, one)| Some((place, one, one.through.as_ref()?)))
            .collect())
    }

    /// The least of what several rows tell, in an order that is the same on both sides.
    fn least(
        &self,
        alternative: &Alternative,
        told: &Told,
        value: &dyn Fn(&str) -> Result<String, EngineError>,
    ) -> Result<String, EngineError> {
        let told = self.identity(told.by, alternative, value)?;
        Ok(match self.dialect {
            Dialect::Postgres => format!("min(({told}) COLLATE \"C\")"),
            Dialect::Sqlite => format!("min({told})"),
        })
    }

    /// That a row is one of those that count.
    fn counts(
        &self,
        told: &Told,
        value: &dyn Fn(&str) -> Result<String, EngineError>,
    ) -> Result<String, EngineError> {
        let mut conditions = String::new();
        for (column, values) in &told.condition {
            let printed = self.dialect.printed_value(&value(column)?);
            conditions.push_str(&format!(
                " AND {}",
                self.dialect.is_one_of(&printed, values)
            ));
        }
        Ok(conditions)
    }

    /// Only SQLite needs to be told what will be looked up.
    fn told_index(&self, index: usize, place: usize) -> Option<String> {
        (self.dialect == Dialect::Sqlite).then(|| {
            format!("CREATE INDEX temp.coffer_i{place}_{index}_n ON coffer_i{place}_{index} (n)")
        })
    }
}
