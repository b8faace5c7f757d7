//! Unique keys that identity alone doesn't keep.

use coffer_core::policy::Made;

use super::{
    Merge, fate,
    sql::{Sql, unknown},
};
use crate::engine::EngineError;

impl Merge<'_, '_> {
    /// Finds rows whose unique key another row has, and gives them another one, or leaves them out, until none is left.
    pub(super) async fn keep_unique(&mut self, index: usize) -> Result<(), EngineError> {
        let table = self.table(index)?;
        let has_keys = !table.unique.is_empty();
        self.call_judge(index).await?;
        if has_keys && self.sql.updates(table) {
            for statement in self.sql.keys_of_updates(index, false)? {
                self.run(index, statement).await?;
            }
        }
        let losers = self.sql.own("c", index);
        let empty = format!(
            "SELECT n, n AS kind, n AS u FROM {} LIMIT 0",
            self.sql.own("m", index)
        );
        self.make(index, "c", empty).await?;
        loop {
            let mut found = 0;
            for place in 0..table.unique.len() {
                let query = self.sql.losers(index, place)?;
                found += self
                    .run(index, format!("INSERT INTO {losers} {query}"))
                    .await?;
            }
            if found == 0 {
                // Who stays as it was after all may be in the way of others again.
                if self.ask_judge(index).await? == 0 {
                    break;
                }
                continue;
            }
            for statement in self.sql.resolve_losers(index)? {
                self.run(index, statement).await?;
            }
            if self.sql.updates(table) {
                for statement in self.sql.keys_of_updates(index, true)? {
                    self.run(index, statement).await?;
                }
            }
            self.run(index, format!("DELETE FROM {losers}")).await?;
        }
        self.follow_roots(index).await
    }
}

impl Sql<'_> {
    /// Computes the unique keys that matched rows will have.
    fn keys_of_updates(&self, index: usize, only_remade: bool) -> Result<Vec<String>, EngineError> {
        let table = self.table(index)?;
        let map = self.own("m", index);
        let mut keys = Vec::new();
        let mut set = Vec::new();
        for (place, key) in table.unique.iter().enumerate() {
            let value = self.unique(index, &key.columns, &|column| self.updated(index, column))?;
            keys.push(format!("{value} AS q{place}"));
            set.push(format!("q{place} = z.q{place}"));
        }
        let remade: Vec<String> = (0..table.unique.len())
            .map(|place| format!("m.y{place} = 1"))
            .collect();
        let condition = if only_remade {
            format!(" AND ({})", remade.join(" OR "))
        } else {
            String::new()
        };
        Ok(vec![format!(
            "UPDATE {map} AS own SET {} FROM (SELECT m.n, {} FROM {map} m JOIN {} t ON {} JOIN {} s ON s.n = m.n WHERE m.up = 1{condition}) z WHERE z.n = own.n",
            set.join(", "),
            keys.join(", "),
            self.place(index)?.rows,
            self.lies_at(index, "m")?,
            self.own("s", index)
        )])
    }

    /// Rows of the archive that come second to a unique key: after rows that stay as they are, matched rows, earlier ones.
    fn losers(&self, index: usize, place: usize) -> Result<String, EngineError> {
        let (map, listed) = (self.own("m", index), self.own("l", index));
        let gone = if self.program.mode != coffer_core::plan::Mode::Skip {
            format!(" AND l.id NOT IN (SELECT id FROM {})", self.own("x", index))
        } else {
            String::new()
        };
        Ok(format!(
            "SELECT z.n, z.kind, {place} FROM (
                 SELECT e.n, e.kind, row_number() OVER (PARTITION BY e.q ORDER BY e.kind, e.n) AS place FROM (
                     SELECT l.id AS n, 0 AS kind, l.q{place} AS q FROM {listed} l
                      WHERE l.q{place} IS NOT NULL AND l.id NOT IN (SELECT lid FROM {map} WHERE up = 1){gone}
                      UNION ALL
                     SELECT n, CASE WHEN up = 1 THEN 1 ELSE 2 END, q{place} FROM {map}
                      WHERE q{place} IS NOT NULL AND (up = 1 OR fate = {})) e) z
              WHERE z.place > 1 AND z.kind > 0",
            fate::INSERT
        ))
    }

    /// What becomes of the rows that came second.
    fn resolve_losers(&self, index: usize) -> Result<Vec<String>, EngineError> {
        let table = self.table(index)?;
        let (map, losers, staged) = (
            self.own("m", index),
            self.own("c", index),
            self.own("s", index),
        );
        let mut statements = Vec::new();
        for (place, key) in table.unique.iter().enumerate() {
            let of_key = format!("SELECT n FROM {losers} WHERE u = {place}");
            let again = if key.remake.is_some() {
                format!(" AND y{place} = 1")
            } else {
                String::new()
            };
            statements.push(format!(
                "UPDATE {map} SET fate = CASE WHEN up = 1 THEN fate ELSE {} END, up = 0 WHERE n IN ({of_key}){again}",
                fate::COLLISION
            ));
            let Some((column, made)) = &key.remake else {
                continue;
            };
            let own = self.archived(index, column).ok_or_else(unknown)?;
            let value = match made {
                Made::Uuid => self.dialect.uuid().to_owned(),
                Made::Random => self.dialect.random().to_owned(),
                Made::Suffix => self
                    .dialect
                    .suffixed(&format!("s.c{own}"), self.dialect.uuid()),
            };
            let mut set = vec![format!("y{place} = 1"), format!("g{place} = z.v")];
            // A value that was just made is nobody else's.
            for (other, key) in table.unique.iter().enumerate() {
                if key.columns.contains(column) {
                    set.push(format!(
                        "q{other} = CASE WHEN own.up = 1 THEN own.q{other} END"
                    ));
                }
            }
            if let Some(named) = self.referenced(index, column) {
                let value = self.dialect.cast("z.v", self.type_of(index, column)?);
                set.push(format!(
                    "f{named} = CASE WHEN own.up = 1 THEN own.f{named} ELSE {value} END"
                ));
            }
            statements.push(format!(
                "UPDATE {map} AS own SET {} FROM (SELECT m.n, {value} AS v FROM {map} m JOIN {staged} s ON s.n = m.n WHERE m.n IN ({of_key}) AND m.y{place} = 0 AND (m.fate = {} OR m.up = 1)) z WHERE z.n = own.n",
                set.join(", "),
                fate::INSERT
            ));
        }
        Ok(statements)
    }
}
