//! Foreign keys of the archive's rows, looked up in what became of the rows that they lead to.

use coffer_core::merge::{Class, Link, MergeTable, Part, When};

use super::sql::{Sql, unknown};
use crate::engine::EngineError;

impl<'a> Sql<'a> {
    /// The links that the archive's rows can be resolved by, with their places.
    pub(super) fn resolvable(
        &self,
        table: &'a MergeTable,
    ) -> impl Iterator<Item = (usize, &'a Link)> {
        table.links.iter().enumerate().filter(|(_, link)| {
            link.columns
                .iter()
                .all(|column| table.archived.contains(column))
        })
    }

    /// The table that a link leads to, if rows of the archive can be found there.
    pub(super) fn found_in(&self, link: &Link) -> Option<usize> {
        let to = link.to?;
        (self.program.tables.get(to)?.part != Part::Along).then_some(to)
    }

    /// Joins what became of the rows that links of `when` lead to.
    pub(super) fn joins(&self, index: usize, late: bool) -> Result<String, EngineError> {
        let table = self.table(index)?;
        let mut joins = String::new();
        for (place, link) in self.resolvable(table) {
            if (link.when == When::Late) != late {
                continue;
            }
            let Some(to) = self.found_in(link) else {
                continue;
            };
            let on: Vec<String> = link
                .columns
                .iter()
                .zip(&link.referenced)
                .filter_map(|(own, there)| {
                    Some(format!(
                        "p{place}.o{} = s.c{}",
                        self.referenced(to, there)?,
                        self.archived(index, own)?
                    ))
                })
                .collect();
            joins.push_str(&format!(
                " LEFT JOIN {} p{place} ON {}",
                self.own("m", to),
                on.join(" AND ")
            ));
        }
        Ok(joins)
    }

    pub(super) fn late_joins(&self, index: usize) -> Result<String, EngineError> {
        self.joins(index, true)
    }

    pub(super) fn is_null(&self, index: usize, link: &Link) -> String {
        let nulls: Vec<String> = link
            .columns
            .iter()
            .filter_map(|column| Some(format!("s.c{} IS NULL", self.archived(index, column)?)))
            .collect();
        format!("({})", nulls.join(" OR "))
    }

    fn is_resolved(&self, place: usize, link: &Link) -> String {
        match self.found_in(link) {
            Some(_) => format!("coalesce(p{place}.fate, 0) > 0"),
            None => "1 = 0".into(),
        }
    }

    pub(super) fn is_unresolved(&self, index: usize, place: usize, link: &Link) -> String {
        format!(
            "(NOT {} AND NOT ({}))",
            self.is_null(index, link),
            self.is_resolved(place, link)
        )
    }

    /// The value of a column that links have, resolved: early ones from the archive's row, late ones from what early ones made.
    pub(super) fn resolved(
        &self,
        index: usize,
        column: &str,
        late: bool,
    ) -> Result<String, EngineError> {
        let table = self.table(index)?;
        let own = self.archived(index, column).ok_or_else(unknown)?;
        let having: Vec<(usize, &Link)> = self
            .resolvable(table)
            .filter(|(_, link)| link.columns.iter().any(|name| name == column))
            .collect();
        let is_early = having.iter().any(|(_, link)| link.when != When::Late);
        let of_pass: Vec<&(usize, &Link)> = having
            .iter()
            .filter(|(_, link)| (link.when == When::Late) == late)
            .collect();
        let mut value = if late && is_early {
            format!("m.r{own}")
        } else {
            format!("s.c{own}")
        };
        if !(late && is_early)
            && let Some((place, link)) = of_pass.first()
            && let Some(to) = self.found_in(link)
        {
            let there = link
                .columns
                .iter()
                .zip(&link.referenced)
                .find(|(name, _)| *name == column)
                .and_then(|(_, there)| self.referenced(to, there))
                .ok_or_else(unknown)?;
            let found = self
                .dialect
                .cast(&format!("p{place}.f{there}"), self.type_of(index, column)?);
            value = format!(
                "CASE WHEN {} THEN {found} ELSE {value} END",
                self.is_resolved(*place, link)
            );
        }
        let clearing: Vec<String> = of_pass
            .iter()
            .filter(|(_, link)| {
                link.class == Class::Enrichment && link.clears.iter().any(|name| name == column)
            })
            .map(|(place, link)| self.is_unresolved(index, *place, link))
            .collect();
        if !clearing.is_empty() {
            value = format!(
                "CASE WHEN {} THEN NULL ELSE {value} END",
                clearing.join(" OR ")
            );
        }
        Ok(value)
    }

    /// The columns of links that are resolved in a pass.
    pub(super) fn linked(&self, table: &'a MergeTable, late: bool) -> Vec<&'a str> {
        let mut columns: Vec<&str> = Vec::new();
        for (_, link) in self.resolvable(table) {
            if (link.when == When::Late) == late {
                for column in &link.columns {
                    if !columns.contains(&column.as_str()) {
                        columns.push(column);
                    }
                }
            }
        }
        columns
    }

    /// How many references of a row become NULL in a pass.
    pub(super) fn cleared(&self, index: usize, late: bool) -> Result<String, EngineError> {
        let table = self.table(index)?;
        let cleared: Vec<String> = self
            .resolvable(table)
            .filter(|(_, link)| {
                (link.when == When::Late) == late && link.class == Class::Enrichment
            })
            .map(|(place, link)| {
                format!(
                    "CASE WHEN {} THEN 1 ELSE 0 END",
                    self.is_unresolved(index, place, link)
                )
            })
            .collect();
        Ok(if cleared.is_empty() {
            "0".into()
        } else {
            cleared.join(" + ")
        })
    }
}
