//! The queries by which rows of the archive and of the target are found to be the same.

use coffer_core::merge::{Class, Part, When, pick};

use super::{
    Dialect, fate,
    sql::{Sql, unknown},
};
use crate::engine::EngineError;

/// More than a table has rows: an order over rounds, and rows within them, as one number.
const ROUND: i64 = 1 << 40;

impl Sql<'_> {
    pub(super) fn empty_map(&self, index: usize) -> Result<String, EngineError> {
        let table = self.table(index)?;
        let number = |name: &str| format!("{} AS {name}", self.dialect.cast("0", "bigint"));
        let small = |name: &str| format!("{} AS {name}", self.dialect.cast("0", "smallint"));
        let text = |name: String| format!("{} AS {name}", self.dialect.cast("NULL", "text"));
        let mut columns = vec!["s.n".to_owned()];
        columns.push(small("fate"));
        columns.push(small("mt"));
        columns.extend(["lid", "root"].map(number));
        columns.extend(["e", "up"].map(small));
        let (_, brief) = self.dialect.brief("");
        columns.push(format!("{} AS k", self.dialect.cast("NULL", brief)));
        // Where the row lies that is the same.
        columns.extend((0..self.place(index)?.at.len()).map(|at| format!("l.at{at}")));
        if self.chooses() {
            columns.push(number("pick"));
        }
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
            "SELECT {} FROM {} s, {} l LIMIT 0",
            columns.join(", "),
            self.own("s", index),
            self.own("l", index)
        ))
    }

    /// Has the engine look at how many rows become what, and at what they are joined by.
    pub(super) fn analysed_map(&self, index: usize) -> Result<Option<String>, EngineError> {
        let referenced = 0..self.table(index)?.referenced.len();
        let mut columns: Vec<String> = ["n", "fate", "up"].map(str::to_owned).into();
        columns.extend(referenced.map(|place| format!("o{place}")));
        Ok(self.dialect.analyse(&self.own("m", index), &columns))
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
    pub(super) fn same_in_archive(
        &self,
        index: usize,
        round: i64,
    ) -> Result<Vec<String>, EngineError> {
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

    /// Rows that are one count as whichever of them was chosen the most.
    pub(super) fn chosen_together(&self, index: usize) -> Option<String> {
        self.chooses().then(|| {
            let (rows, same) = (self.own("a", index), self.own("d", index));
            format!(
                "UPDATE {rows} AS own SET pick = z.pick FROM (SELECT d.root, max(a.pick) AS pick FROM {same} d JOIN {rows} a ON a.n = d.n GROUP BY d.root) z
                  WHERE z.root = own.n AND own.pick < z.pick"
            )
        })
    }

    /// Finds rows of the target that no other row has found, one alternative after the other, so that a stronger one counts
    /// before a weaker one of an earlier row. Of rows that are the same, the first one's find counts. Rows that find the
    /// same one by the same alternative are the same already.
    ///
    /// `same` says whether rows of the archive are the same as others, `any` whether any was found before.
    pub(super) fn found_by_identity(
        &self,
        index: usize,
        (place, round): (usize, i64),
        same: bool,
        any: bool,
    ) -> Result<String, EngineError> {
        let (rows, listed, found) = (
            self.own("a", index),
            self.own("l", index),
            self.own("h", index),
        );
        let usable = self.usable(index, place, "a")?;
        let (free, new) = if any {
            (
                format!(" AND id NOT IN (SELECT id FROM {found})"),
                format!(" AND z.n NOT IN (SELECT n FROM {found})"),
            )
        } else {
            (String::new(), String::new())
        };
        let targets = format!(
            "(SELECT k{place}, min(id) AS id FROM {listed} WHERE k{place} IS NOT NULL{free} GROUP BY k{place}) g"
        );
        if !same {
            // Then no two of them find the same one.
            return Ok(format!(
                "INSERT INTO {found} SELECT z.n, z.id, {round} FROM (
                     SELECT a.n, g.id FROM {rows} a JOIN {targets} ON g.k{place} = a.k{place}
                      WHERE a.rd = {round} AND a.st = 0 AND {usable}) z
                  WHERE 1 = 1{new}"
            ));
        }
        let same = self.own("d", index);
        Ok(format!(
            "INSERT INTO {found} SELECT z.n, z.id, {round} FROM (
                 SELECT coalesce(d.root, a.n) AS n, g.id, row_number() OVER (PARTITION BY coalesce(d.root, a.n) ORDER BY a.n) AS first
                   FROM {rows} a JOIN {targets} ON g.k{place} = a.k{place}
                   LEFT JOIN {same} d ON d.n = a.n
                  WHERE a.rd = {round} AND a.st = 0 AND {usable}) z JOIN {rows} r ON r.n = z.n AND r.rd = {round}
              WHERE z.first = 1{new}"
        ))
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
    pub(super) fn found_as_whole(
        &self,
        index: usize,
        round: i64,
    ) -> Result<Vec<String>, EngineError> {
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
    pub(super) fn decided(&self, index: usize, round: i64) -> Result<String, EngineError> {
        let (rows, listed) = (self.own("a", index), self.own("l", index));
        let from = format!(
            "{rows} a LEFT JOIN {} d ON d.n = a.n LEFT JOIN {} h ON h.n = a.n LEFT JOIN {listed} l ON l.id = h.id WHERE a.rd = {round}",
            self.own("d", index),
            self.own("h", index)
        );
        self.decided_from(
            index,
            &from,
            ("d.n IS NOT NULL", "d.root"),
            ("h.id", "NULL"),
        )
    }

    /// The only alternative that tells rows of a table apart, where all of them can be decided by one statement.
    pub(super) fn only_identity(&self, index: usize) -> Result<bool, EngineError> {
        let table = self.table(index)?;
        let alone = table.identity.len() == 1 && table.rest.is_none();
        Ok(alone && !self.chooses())
    }

    /// Writes down what becomes of all rows, where no two of them are the same. Whether that is so, [`Self::told_twice`]
    /// says afterwards: it costs less to ask than to be prepared for it.
    pub(super) fn decided_alone(&self, index: usize) -> Result<String, EngineError> {
        let listed = self.own("l", index);
        let rows = format!("({}) a", self.resolved_rows(index, 0, None)?);
        let (from, found) = if self.table(index)?.is_told_by_key() {
            let from = format!("{rows} LEFT JOIN {listed} l ON l.k0 = a.k0 AND a.st = 0");
            (from, "l.id")
        } else {
            let from = format!(
                "{rows} LEFT JOIN (SELECT k0, min(id) AS id FROM {listed} WHERE k0 IS NOT NULL GROUP BY k0) h ON h.k0 = a.k0 AND a.st = 0
                 LEFT JOIN {listed} l ON l.id = h.id"
            );
            (from, "h.id")
        };
        let (key, _) = self.dialect.brief("CASE WHEN a.st = 0 THEN a.k0 END");
        self.decided_from(index, &from, ("1 = 0", "0"), (found, &key))
    }

    /// The query for how many rows may be the same as others, after [`Self::decided_alone`].
    pub(super) fn told_twice(&self, index: usize) -> String {
        let map = self.own("m", index);
        match self.dialect {
            // Short numbers are sorted sooner than grouped.
            Dialect::Postgres => format!("SELECT count(k) - count(DISTINCT k) FROM {map}"),
            Dialect::Sqlite => format!(
                "SELECT count(*) FROM (SELECT k FROM {map} WHERE k IS NOT NULL GROUP BY k HAVING count(*) > 1) z"
            ),
        }
    }

    /// The condition that a row is the same as an earlier one, and which; the number of the target's row that is the same, and
    /// what tells it apart.
    fn decided_from(
        &self,
        index: usize,
        from: &str,
        (is_same, root): (&str, &str),
        (found, key): (&str, &str),
    ) -> Result<String, EngineError> {
        let table = self.table(index)?;
        let declared = table.identity.iter().any(|one| !one.empty_is_value);
        let mut fate = format!(
            "CASE WHEN a.st <> 0 THEN a.st WHEN {is_same} THEN {} WHEN {found} IS NOT NULL THEN {}",
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
            if self.chooses() {
                let not_chosen = fate::NOT_CHOSEN;
                fate.push_str(&format!(
                    " WHEN a.pick < {} THEN {not_chosen}",
                    pick::NEEDED
                ));
            }
            fate.push_str(&format!(
                " WHEN a.cp = 1 THEN {} ELSE {} END",
                fate::WITH_PARENT,
                fate::INSERT
            ));
        }
        let is_matched = format!("a.st = 0 AND NOT ({is_same}) AND {found} IS NOT NULL");
        let matched = format!("CASE WHEN {is_matched} THEN 1 ELSE 0 END");
        let changes = format!(
            "CASE WHEN {is_matched} AND {} THEN 1 ELSE 0 END",
            self.is_mine("a")
        );
        let mut columns = vec![
            "a.n".to_owned(),
            fate,
            matched,
            found.to_owned(),
            root.to_owned(),
            "a.e".to_owned(),
            if self.updates(table) {
                changes
            } else {
                "0".to_owned()
            },
            self.dialect.cast(key, self.dialect.brief("").1),
        ];
        columns.extend((0..self.place(index)?.at.len()).map(|at| format!("l.at{at}")));
        if self.chooses() {
            columns.push("a.pick".to_owned());
        }
        for place in 0..table.referenced.len() {
            columns.push(format!(
                "a.o{place}, CASE WHEN {found} IS NOT NULL THEN l.t{place} ELSE a.w{place} END"
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
            "INSERT INTO {} SELECT {} FROM {from}",
            self.own("m", index),
            columns.join(", ")
        ))
    }

    /// Leaves out rows that belong to a row of their own table which isn't there.
    pub(super) fn lost(&self, index: usize) -> Result<String, EngineError> {
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
}
