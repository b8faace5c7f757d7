//! The queries for rows of the target that go with what they belong to.

use coffer_core::{
    merge::{Class, Link, Part, When},
    policy::Matched,
};

use super::{
    fate,
    sql::{Sql, unknown},
};
use crate::engine::{EngineError, sql};

impl Sql<'_> {
    /// The rows of a target's table that go: the query for the first, and the statement that adds those that belong to rows
    /// of the same table, where there can be any.
    pub(super) fn gone(&self, index: usize) -> Result<(String, Option<String>), EngineError> {
        let table = self.table(index)?;
        let listed = self.own("l", index);
        let alone = self.left_alone(index)?;
        let alone = alone.map_or_else(String::new, |rows| format!(" AND NOT {rows}"));
        let replaces = table.matched == Matched::Mode && !table.is_picky();
        let (mut any, mut all, mut with) = (Vec::new(), Vec::new(), Vec::new());
        let mut own = Vec::new();
        for link in &table.links {
            let Some(to) = link.to else { continue };
            let gone = format!("JOIN {} x ON x.id = l.id", self.own("x", to));
            let decided = link.when == When::Before || to == index;
            if self.program.goes_with(link) && replaces && decided {
                let replaced = format!(
                    "JOIN {} m ON m.lid = l.id AND m.fate = {} AND {}",
                    self.own("m", to),
                    fate::MATCHED,
                    self.is_mine("m")
                );
                if self.chooses() {
                    // What belongs to a chosen record goes, whoever else it belongs to.
                    let replaced = self.is_among(link, to, &replaced)?;
                    with.push(format!("({replaced}{alone})"));
                    if to != index {
                        with.push(self.is_among(link, to, &gone)?);
                    }
                    continue;
                }
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
                "(({}) AND {}{alone})",
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
