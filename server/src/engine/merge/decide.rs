//! What becomes of each row.

use coffer_core::merge::Part;

use super::{Dialect, Merge, fate, sql::unknown};
use crate::engine::{EngineError, sql};

impl Merge<'_, '_> {
    /// Makes the tables that say what becomes of rows, empty.
    pub(super) async fn begin(&mut self, index: usize) -> Result<(), EngineError> {
        let (map, staged) = (self.sql.empty_map(index)?, self.sql.own("s", index));
        let make = self.sql.dialect.create_as(&self.own("m", index), &map);
        self.run(index, make).await?;
        let same = format!("SELECT n, n AS root FROM {staged} LIMIT 0");
        self.make(index, "d", same).await?;
        let found = format!("SELECT n, n AS id, n AS rd FROM {staged} LIMIT 0");
        self.make(index, "h", found).await?;
        Ok(())
    }

    pub(super) async fn decide_at_once(&mut self, index: usize) -> Result<(), EngineError> {
        let staged = self.rows(index, "s").await?;
        if self.sql.only_identity(index)? {
            let decided = self.sql.decided_alone(index)?;
            let rows = self.run(index, decided).await?;
            self.expect_once(index, rows, staged)?;
            if self.number(index, self.sql.told_twice(index)).await? == 0 {
                return self.number_new(index).await;
            }
            let again = format!("DELETE FROM {}", self.own("m", index));
            self.run(index, again).await?;
        }
        let resolved = self.sql.resolved_rows(index, 0, None)?;
        self.make(index, "a", resolved).await?;
        if let Some(statement) = self.sql.resolved_index(index) {
            self.run(index, statement).await?;
        }
        let rows = self.rows(index, "a").await?;
        self.expect_once(index, rows, staged)?;
        self.recognise(index, 0).await
    }

    /// Rows that refer to rows of the same table come after these. What is left when none is ready refers to itself in a
    /// circle, and counts as not found.
    pub(super) async fn decide_in_rounds(&mut self, index: usize) -> Result<(), EngineError> {
        let staged = self.rows(index, "s").await?;
        let rows = self.own("a", index);
        let mut decided = 0;
        let mut round = 0;
        while decided < staged {
            let mut made = 0;
            for only_ready in [true, false] {
                let query = self.sql.resolved_rows(index, round, Some(only_ready))?;
                made = if round == 0 && only_ready {
                    self.make(index, "a", query).await?;
                    if let Some(statement) = self.sql.resolved_index(index) {
                        self.run(index, statement).await?;
                    }
                    self.rows(index, "a").await?
                } else {
                    self.run(index, format!("INSERT INTO {rows} {query}"))
                        .await?
                };
                if made > 0 {
                    break;
                }
            }
            decided += made;
            self.expect_once(index, decided.max(staged), staged)?;
            if made == 0 {
                return Err(unknown());
            }
            self.recognise(index, round).await?;
            round += 1;
        }
        if staged == 0 {
            let query = self.sql.resolved_rows(index, 0, None)?;
            self.make(index, "a", query).await?;
        }
        Ok(())
    }

    fn own(&self, kind: &str, index: usize) -> String {
        self.sql.own(kind, index)
    }

    /// A row that refers to a key which the archive holds twice would come twice.
    fn expect_once(&self, index: usize, rows: u64, staged: u64) -> Result<(), EngineError> {
        if rows == staged {
            return Ok(());
        }
        Err(EngineError::Ambiguous {
            table: self.table(index)?.table.clone(),
        })
    }

    /// Decides the rows of one round.
    async fn recognise(&mut self, index: usize, round: i64) -> Result<(), EngineError> {
        for statement in self.sql.same_in_archive(index, round)? {
            self.run(index, statement).await?;
        }
        let same = self.rows(index, "d").await? > 0;
        if same {
            self.lead_to_roots(index).await?;
        }
        if let Some(statement) = self.sql.chosen_together(index) {
            self.run(index, statement).await?;
        }
        let mut any = self.rows(index, "h").await? > 0;
        for place in 0..self.table(index)?.identity.len() {
            let statement = self
                .sql
                .found_by_identity(index, (place, round), same, any)?;
            any |= self.run(index, statement).await? > 0;
        }
        for statement in self.sql.found_as_whole(index, round)? {
            self.run(index, statement).await?;
        }
        let decided = self.sql.decided(index, round)?;
        self.run(index, decided).await?;
        self.number_new(index).await?;
        self.follow_roots(index).await
    }

    /// Rows that are the same as one that is the same as another one are the same as that.
    async fn lead_to_roots(&mut self, index: usize) -> Result<(), EngineError> {
        let same = self.own("d", index);
        let least = format!(
            "DELETE FROM {same} AS z WHERE EXISTS (SELECT 1 FROM {same} y WHERE y.n = z.n AND y.root < z.root)"
        );
        self.run(index, least).await?;
        let step = format!(
            "UPDATE {same} AS z SET root = (SELECT y.root FROM {same} y WHERE y.n = z.root) WHERE z.root IN (SELECT n FROM {same})"
        );
        while self.run(index, step.clone()).await? > 0 {}
        Ok(())
    }

    /// Gives new rows whose number is taken numbers behind all others.
    async fn number_new(&mut self, index: usize) -> Result<(), EngineError> {
        let table = self.table(index)?;
        let Some(key) = self
            .sql
            .surrogate(index)?
            .filter(|_| table.part == Part::Merge)
        else {
            return Ok(());
        };
        let (map, listed, staged) = (
            self.own("m", index),
            self.own("l", index),
            self.own("s", index),
        );
        let column = table.surrogate.as_deref().ok_or_else(unknown)?;
        let own = self.sql.archived(index, column).ok_or_else(unknown)?;
        let numbered = self.sql.place(index)?.numbered;
        // SQLite finds a number where rows have them; PostgreSQL compares whole tables.
        let there = match self.sql.dialect {
            Dialect::Postgres => format!("{listed} l ON l.t{key} = m.o{key}"),
            Dialect::Sqlite => format!(
                "{} l ON l.{} = m.o{key}",
                self.sql.place(index)?.rows,
                sql::name(column)
            ),
        };
        // Which is looked for only if there are such rows.
        let last = format!(
            "(SELECT max(v) FROM (SELECT max(t{key}) AS v FROM {listed} UNION ALL SELECT max(c{own}) FROM {staged} UNION ALL SELECT max(f{key}) FROM {map} UNION ALL SELECT {numbered}) y)"
        );
        let new = self
            .sql
            .dialect
            .cast(&format!("{last} + z.v"), self.sql.type_of(index, column)?);
        let number = format!(
            "UPDATE {map} AS m SET f{key} = {new} FROM (SELECT m.n, row_number() OVER (ORDER BY m.o{key}) AS v
               FROM {map} m JOIN {there} WHERE m.fate = 1 AND m.f{key} = m.o{key}) z WHERE z.n = m.n"
        );
        self.run(index, number).await?;
        Ok(())
    }

    /// Rows that are the same as others become what these become.
    pub(super) async fn follow_roots(&mut self, index: usize) -> Result<(), EngineError> {
        let map = self.own("m", index);
        let any = format!(
            "SELECT count(*) FROM {map} WHERE fate = {}",
            fate::DUPLICATE
        );
        if self.number(index, any).await? == 0 {
            return Ok(());
        }
        let mut set = vec![
            "mt = z.mt".to_owned(),
            format!(
                "fate = CASE WHEN z.fate < 0 THEN z.fate ELSE {} END",
                fate::DUPLICATE
            ),
        ];
        let referenced = self.table(index)?.referenced.len();
        set.extend((0..referenced).map(|place| format!("f{place} = z.f{place}")));
        let follow = format!(
            "UPDATE {map} AS m SET {} FROM {map} z WHERE m.fate = {} AND z.n = m.root",
            set.join(", "),
            fate::DUPLICATE
        );
        self.run(index, follow).await?;
        Ok(())
    }

    /// Leaves out rows that belong to rows of the same table which are left out.
    pub(super) async fn leave_out_lost(&mut self, index: usize) -> Result<(), EngineError> {
        let lost = self.sql.lost(index)?;
        while self.run(index, lost.clone()).await? > 0 {
            self.follow_roots(index).await?;
        }
        Ok(())
    }

    /// Finds the target's rows that go along with what they belong to.
    pub(super) async fn lose(&mut self, index: usize) -> Result<(), EngineError> {
        if !self.overwrites() {
            return Ok(());
        }
        let (first, again) = self.sql.gone(index)?;
        self.make(index, "x", first).await?;
        if let Some(again) = again {
            while self.run(index, again.clone()).await? > 0 {}
        }
        Ok(())
    }
}
