//! What becomes of each row.

use coffer_core::{
    merge::{Class, Link, Part, When},
    policy::Matched,
};

use super::{
    Merge, fate,
    sql::{Sql, unknown},
};
use crate::engine::{EngineError, sql};

/// More than a table has rows: an order over rounds, and rows within them, as one number.
const ROUND: i64 = 1 << 40;

impl Merge<'_, '_> {
    /// Makes the tables that say what becomes of rows, empty.
    pub(super) async fn begin(&mut self, index: usize) -> Result<(), EngineError> {
        let (map, staged) = (self.sql.empty_map(index)?, self.sql.own("s", index));
        self.make(index, "m", map).await?;
        let same = format!("SELECT n, n AS root FROM {staged} LIMIT 0");
        self.make(index, "d", same).await?;
        let found = format!("SELECT n, n AS id, n AS rd FROM {staged} LIMIT 0");
        self.make(index, "h", found).await?;
        Ok(())
    }

    pub(super) async fn decide_at_once(&mut self, index: usize) -> Result<(), EngineError> {
        let staged = self.rows(index, "s").await?;
        let resolved = self.sql.resolved_rows(index, 0, None)?;
        self.make(index, "a", resolved).await?;
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
        self.lead_to_roots(index).await?;
        for statement in self.sql.found_by_identity(index, round)? {
            self.run(index, statement).await?;
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
        let last = format!(
            "SELECT max(v) FROM (SELECT max(t{key}) AS v FROM {listed} UNION ALL SELECT max(c{own}) FROM {staged} UNION ALL SELECT max(f{key}) FROM {map} UNION ALL SELECT {numbered}) z"
        );
        let taken = format!("m.fate = 1 AND m.f{key} = m.o{key}");
        let any = format!(
            "SELECT count(*) FROM {map} m JOIN {listed} l ON l.t{key} = m.o{key} WHERE {taken}"
        );
        if self.number(index, any).await? == 0 {
            return Ok(());
        }
        let last = self.number(index, last).await?;
        let new = self
            .sql
            .dialect
            .cast("z.v", self.sql.type_of(index, column)?);
        let number = format!(
            "UPDATE {map} AS m SET f{key} = {new} FROM (SELECT m.n, {last} + row_number() OVER (ORDER BY m.o{key}) AS v
               FROM {map} m JOIN {listed} l ON l.t{key} = m.o{key} WHERE {taken}) z WHERE z.n = m.n"
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

impl Sql<'_> {
    fn empty_map(&self, index: usize) -> Result<String, EngineError> {
        let table = self.table(index)?;
        let number = |name: &str| format!("{} AS {name}", self.dialect.cast("0", "bigint"));
        let text = |name: String| format!("{} AS {name}", self.dialect.cast("NULL", "text"));
        let mut columns = vec!["s.n".to_owned()];
        columns.extend(["fate", "mt", "lid", "root", "e", "up"].map(number));
        for (place, column) in table.referenced.iter().enumerate() {
            let own = self.archived(index, column).ok_or_else(unknown)?;
            columns.push(format!("s.c{own} AS o{place}, s.c{own} AS f{place}"));
        }
        for column in self.linked(table, false) {
            let own = self.archived(index, column).ok_or_else(unknown)?;
            columns.push(format!("s.c{own} AS r{own}"));
        }
        if table.part == Part::Merge {
            for place in 0..table.unique.len() {
                columns.push(text(format!("q{place}")));
                columns.push(text(format!("g{place}")));
                columns.push(number(&format!("y{place}")));
            }
        }
        Ok(format!(
            "SELECT {} FROM {} s LIMIT 0",
            columns.join(", "),
            self.own("s", index)
        ))
    }

    /// That an alternative may be used for a row of the archive.
    fn usable(&self, index: usize, place: usize, row: &str) -> Result<String, EngineError> {
        let table = self.table(index)?;
        let mut usable = format!("{row}.k{place} IS NOT NULL");
        if table.identity.get(place).is_some_and(|own| own.fallback) {
            for (other, alternative) in table.identity.iter().enumerate() {
                if !alternative.fallback {
                    usable.push_str(&format!(" AND {row}.k{other} IS NULL"));
                }
            }
        }
        Ok(usable)
    }

    /// Notes rows of the archive with an identity that an earlier one has.
    fn same_in_archive(&self, index: usize, round: i64) -> Result<Vec<String>, EngineError> {
        let (rows, same) = (self.own("a", index), self.own("d", index));
        (0..self.table(index)?.identity.len())
            .map(|place| {
                let (outer, inner) = (
                    self.usable(index, place, "a")?,
                    self.usable(index, place, "b")?,
                );
                Ok(format!(
                    "INSERT INTO {same} SELECT a.n, g.first % {ROUND} FROM {rows} a JOIN (
                         SELECT b.k{place}, min(b.rd * {ROUND} + b.n) AS first FROM {rows} b
                          WHERE b.st = 0 AND {inner} GROUP BY b.k{place} HAVING count(*) > 1) g ON g.k{place} = a.k{place}
                      WHERE a.rd = {round} AND a.st = 0 AND {outer} AND a.n <> g.first % {ROUND}
                        AND NOT EXISTS (SELECT 1 FROM {same} d WHERE d.n = a.n AND d.root = g.first % {ROUND})"
                ))
            })
            .collect()
    }

    /// Finds rows of the target that no other row has found, one alternative after the other, so that a stronger one counts
    /// before a weaker one of an earlier row. Of rows that are the same, the first one's find counts. Rows that find the
    /// same one by the same alternative are the same already.
    fn found_by_identity(&self, index: usize, round: i64) -> Result<Vec<String>, EngineError> {
        let (rows, listed, same, found) = (
            self.own("a", index),
            self.own("l", index),
            self.own("d", index),
            self.own("h", index),
        );
        (0..self.table(index)?.identity.len())
            .map(|place| {
                let usable = self.usable(index, place, "a")?;
                Ok(format!(
                    "INSERT INTO {found} SELECT z.n, z.id, {round} FROM (
                         SELECT coalesce(d.root, a.n) AS n, g.id, row_number() OVER (PARTITION BY coalesce(d.root, a.n) ORDER BY a.n) AS first
                           FROM {rows} a JOIN (
                               SELECT k{place}, min(id) AS id FROM {listed}
                                WHERE k{place} IS NOT NULL AND id NOT IN (SELECT id FROM {found}) GROUP BY k{place}) g ON g.k{place} = a.k{place}
                           LEFT JOIN {same} d ON d.n = a.n
                          WHERE a.rd = {round} AND a.st = 0 AND {usable}) z JOIN {rows} r ON r.n = z.n AND r.rd = {round}
                      WHERE z.first = 1 AND z.n NOT IN (SELECT n FROM {found})"
                ))
            })
            .collect()
    }

    /// That no alternative applies to a row.
    fn nothing_applies(&self, index: usize) -> Result<String, EngineError> {
        let none: Vec<String> = (0..self.table(index)?.identity.len())
            .map(|place| format!("a.k{place} IS NULL"))
            .collect();
        Ok(if none.is_empty() {
            "1 = 1".into()
        } else {
            none.join(" AND ")
        })
    }

    /// Pairs rows that are the same as a whole: those with the same number first, the others in their order.
    fn found_as_whole(&self, index: usize, round: i64) -> Result<Vec<String>, EngineError> {
        let table = self.table(index)?;
        let Some(rest) = &table.rest else {
            return Ok(Vec::new());
        };
        let (rows, listed, same, found) = (
            self.own("a", index),
            self.own("l", index),
            self.own("d", index),
            self.own("h", index),
        );
        let mut left = format!(
            "a.rd = {round} AND a.st = 0 AND NOT EXISTS (SELECT 1 FROM {same} d WHERE d.n = a.n) AND NOT EXISTS (SELECT 1 FROM {found} h WHERE h.n = a.n)"
        );
        if !rest.after_all {
            left.push_str(&format!(" AND {}", self.nothing_applies(index)?));
        }
        let free = format!("NOT EXISTS (SELECT 1 FROM {found} h WHERE h.id = l.id)");
        let mut statements = Vec::new();
        let mut order = "a.n".to_owned();
        if let Some(key) = self.surrogate(index)? {
            order = format!("a.o{key}");
            statements.push(format!(
                "INSERT INTO {found} SELECT a.n, l.id, {round} FROM {rows} a JOIN {listed} l ON l.kr = a.kr AND l.t{key} = a.o{key} WHERE {left} AND {free}"
            ));
        }
        statements.push(format!(
            "INSERT INTO {found} SELECT one.n, other.id, {round}
               FROM (SELECT a.n, a.kr, row_number() OVER (PARTITION BY a.kr ORDER BY {order}) AS place FROM {rows} a WHERE {left}) one
               JOIN (SELECT l.id, l.kr, row_number() OVER (PARTITION BY l.kr ORDER BY l.id) AS place FROM {listed} l WHERE {free}) other
                 ON other.kr = one.kr AND other.place = one.place"
        ));
        Ok(statements)
    }

    /// Writes down what becomes of the rows of a round.
    fn decided(&self, index: usize, round: i64) -> Result<String, EngineError> {
        let table = self.table(index)?;
        let declared = table.identity.iter().any(|one| !one.empty_is_value);
        let mut fate = format!(
            "CASE WHEN a.st <> 0 THEN a.st WHEN d.n IS NOT NULL THEN {} WHEN h.n IS NOT NULL THEN {}",
            fate::DUPLICATE,
            fate::MATCHED
        );
        if declared || table.rest.is_none() {
            fate.push_str(&format!(
                " WHEN {} THEN {}",
                self.nothing_applies(index)?,
                fate::NO_IDENTITY
            ));
        }
        if table.part == Part::Lookup {
            fate.push_str(&format!(" ELSE {} END", fate::NOT_SELECTED));
        } else {
            fate.push_str(&format!(
                " WHEN a.cp = 1 THEN {} ELSE {} END",
                fate::WITH_PARENT,
                fate::INSERT
            ));
        }
        let matched = "CASE WHEN a.st = 0 AND d.n IS NULL AND h.n IS NOT NULL THEN 1 ELSE 0 END";
        let mut columns = vec![
            "a.n".to_owned(),
            fate,
            matched.to_owned(),
            "h.id".to_owned(),
            "d.root".to_owned(),
            "a.e".to_owned(),
            if self.updates(table) {
                matched.to_owned()
            } else {
                "0".to_owned()
            },
        ];
        for place in 0..table.referenced.len() {
            columns.push(format!(
                "a.o{place}, CASE WHEN h.n IS NOT NULL THEN l.t{place} ELSE a.w{place} END"
            ));
        }
        for column in self.linked(table, false) {
            let own = self.archived(index, column).ok_or_else(unknown)?;
            columns.push(format!("a.r{own}"));
        }
        if table.part == Part::Merge {
            for place in 0..table.unique.len() {
                columns.push(format!("a.q{place}, NULL, 0"));
            }
        }
        Ok(format!(
            "INSERT INTO {} SELECT {} FROM {} a LEFT JOIN {} d ON d.n = a.n LEFT JOIN {} h ON h.n = a.n LEFT JOIN {} l ON l.id = h.id WHERE a.rd = {round}",
            self.own("m", index),
            columns.join(", "),
            self.own("a", index),
            self.own("d", index),
            self.own("h", index),
            self.own("l", index)
        ))
    }

    /// Leaves out rows that belong to a row of their own table which isn't there.
    fn lost(&self, index: usize) -> Result<String, EngineError> {
        let table = self.table(index)?;
        let (map, staged) = (self.own("m", index), self.own("s", index));
        let mut joins = String::new();
        let mut lost = Vec::new();
        for (place, link) in table.links.iter().enumerate() {
            if link.class != Class::Ownership || link.when != When::Late || link.to != Some(index) {
                continue;
            }
            let mut on = Vec::new();
            let mut set = Vec::new();
            for (own, there) in link.columns.iter().zip(&link.referenced) {
                let own = self.archived(index, own).ok_or_else(unknown)?;
                let there = self.referenced(index, there).ok_or_else(unknown)?;
                on.push(format!("p{place}.o{there} = s.c{own}"));
                set.push(format!("s.c{own} IS NOT NULL"));
            }
            joins.push_str(&format!(
                " LEFT JOIN {map} p{place} ON {}",
                on.join(" AND ")
            ));
            let set = set.join(" AND ");
            lost.push(format!("(({set}) AND coalesce(p{place}.fate, 0) <= 0)"));
            if link.needed {
                lost.push(format!("NOT ({set})"));
            }
        }
        Ok(format!(
            "UPDATE {map} SET fate = {}, up = 0 WHERE n IN (SELECT m.n FROM {map} m JOIN {staged} s ON s.n = m.n{joins} WHERE m.fate IN (1, 2) AND ({}))",
            fate::UNRESOLVED,
            lost.join(" OR ")
        ))
    }

    /// The rows of a target's table that go: the query for the first, and the statement that adds those that belong to rows
    /// of the same table, where there can be any.
    fn gone(&self, index: usize) -> Result<(String, Option<String>), EngineError> {
        let table = self.table(index)?;
        let listed = self.own("l", index);
        let replaces = table.matched == Matched::Mode && table.fill.is_empty();
        let (mut any, mut all, mut with) = (Vec::new(), Vec::new(), Vec::new());
        let mut own = Vec::new();
        for link in &table.links {
            let Some(to) = link.to else { continue };
            let gone = format!("JOIN {} x ON x.id = l.id", self.own("x", to));
            if link.carried && replaces {
                let replaced = format!(
                    "JOIN {} m ON m.lid = l.id AND m.fate = {}",
                    self.own("m", to),
                    fate::MATCHED
                );
                any.push(format!("NOT {}", self.has_null(link)));
                all.push(format!(
                    "({} OR {} OR {})",
                    self.has_null(link),
                    self.is_among(link, to, &replaced)?,
                    self.is_among(link, to, &gone)?
                ));
            }
            if link.class != Class::Ownership {
                continue;
            }
            if to == index {
                own.push(self.is_among(link, to, &gone)?);
            } else if link.when == When::Before {
                with.push(self.is_among(link, to, &gone)?);
            }
        }
        let unmatched = if table.part == Part::Along {
            "1 = 1".to_owned()
        } else {
            format!(
                "l.id NOT IN (SELECT lid FROM {} WHERE fate = {})",
                self.own("m", index),
                fate::MATCHED
            )
        };
        if !any.is_empty() {
            with.push(format!(
                "(({}) AND {})",
                any.join(" OR "),
                all.join(" AND ")
            ));
        }
        let rows = format!(
            "SELECT l.id FROM {listed} l JOIN {} t ON {}",
            self.place(index)?.rows,
            self.lies(index)?
        );
        if with.is_empty() {
            return Ok((format!("SELECT id FROM {listed} LIMIT 0"), None));
        }
        let first = format!("{rows} WHERE {unmatched} AND ({})", with.join(" OR "));
        let again = (!own.is_empty()).then(|| {
            let gone = self.own("x", index);
            format!(
                "INSERT INTO {gone} {rows} WHERE {unmatched} AND l.id NOT IN (SELECT id FROM {gone}) AND ({})",
                own.join(" OR ")
            )
        });
        Ok((first, again))
    }

    fn has_null(&self, link: &Link) -> String {
        let nulls: Vec<String> = link
            .columns
            .iter()
            .map(|column| format!("t.{} IS NULL", sql::name(column)))
            .collect();
        format!("({})", nulls.join(" OR "))
    }

    /// That a row `t` of the target refers to one that `join` finds.
    pub(super) fn is_among(
        &self,
        link: &Link,
        to: usize,
        join: &str,
    ) -> Result<String, EngineError> {
        let mut there = Vec::new();
        for column in &link.referenced {
            let place = self.referenced(to, column).ok_or_else(unknown)?;
            there.push(format!("l.t{place}"));
        }
        let own: Vec<String> = link
            .columns
            .iter()
            .map(|column| format!("t.{}", sql::name(column)))
            .collect();
        Ok(format!(
            "({}) IN (SELECT {} FROM {} l {join})",
            own.join(", "),
            there.join(", "),
            self.own("l", to)
        ))
    }
}
