//! The queries by which rows of the archive and of the target are found to be the same.

use coffer_core::merge::{Class, Part, When, pick};

use super::{
    fate,
    sql::{Sql, unknown},
};
use crate::engine::EngineError;

/// More than a table has rows: an order over rounds, and rows within them, as one number.
const ROUND: i64 = 1 << 40;

impl Sql<'_> {
    pub(super) fn empty_map(&self, index: usize) -> Result<String, EngineError> {
        let table = self.table(index)?;
        let number = |name: &str| format!("{} AS {name}", self.dialect.cast("0", "bigint"));
        let text = |name: String| format!("{} AS {name}", self.dialect.cast("NULL", "text"));
        let mut columns = vec!["s.n".to_owned()];
        columns.extend(["fate", "mt", "lid", "root", "e", "up"].map(number));
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
    pub(super) fn found_by_identity(
        &self,
        index: usize,
        round: i64,
    ) -> Result<Vec<String>, EngineError> {
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
        let is_matched = "a.st = 0 AND d.n IS NULL AND h.n IS NOT NULL";
        let matched = format!("CASE WHEN {is_matched} THEN 1 ELSE 0 END");
        let changes = format!(
            "CASE WHEN {is_matched} AND {} THEN 1 ELSE 0 END",
            self.is_mine("a")
        );
        let mut columns = vec![
            "a.n".to_owned(),
            fate,
            matched,
            "h.id".to_owned(),
            "d.root".to_owned(),
            "a.e".to_owned(),
            if self.updates(table) {
                changes
            } else {
                "0".to_owned()
            },
        ];
        if self.chooses() {
            columns.push("a.pick".to_owned());
        }
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
