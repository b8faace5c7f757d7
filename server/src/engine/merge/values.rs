//! The values that rows get.

use coffer_core::{
    merge::{MergeTable, Part},
    plan::Mode,
    policy::{Given, Made, Scalar, Special},
};

use super::sql::{Sql, unknown};
use crate::engine::{EngineError, sql};

impl<'a> Sql<'a> {
    /// What an inserted row gets in a column: nothing if the column's default is meant. `s` and `m` are the row.
    pub(super) fn inserted(
        &self,
        index: usize,
        column: &str,
    ) -> Result<Option<String>, EngineError> {
        let table = self.table(index)?;
        let type_name = self.type_of(index, column)?;
        match table.on_insert.get(column) {
            Some(Given::Special(Special::Default)) => return Ok(None),
            Some(Given::Special(Special::Null)) => {
                return Ok(Some(self.dialect.cast("NULL", type_name)));
            }
            Some(Given::Scalar(scalar)) => {
                let value = self.dialect.scalar(scalar);
                return Ok(Some(self.dialect.cast(&value, type_name)));
            }
            None => {}
        }
        if self.archived(index, column).is_none() {
            return Ok(None);
        }
        if table.surrogate.as_deref() == Some(column)
            && let Some(number) = self.surrogate(index)?
        {
            return Ok(Some(format!("m.f{number}")));
        }
        let mut value = self.taken_over(index, column)?;
        for (place, _) in self.remade(table, column) {
            let made = self.dialect.cast(&format!("m.g{place}"), type_name);
            value = format!("CASE WHEN m.y{place} = 1 THEN {made} ELSE {value} END");
        }
        Ok(Some(self.following(index, column, value)?))
    }

    /// The value of a column that names files, where the row follows its file to another path.
    fn following(&self, index: usize, column: &str, value: String) -> Result<String, EngineError> {
        let Some(own) = self.archived(index, column) else {
            return Ok(value);
        };
        if !self.renamed.contains(&(index, own)) {
            return Ok(value);
        }
        let path = self
            .dialect
            .cast(&format!("f{own}.v"), self.type_of(index, column)?);
        Ok(format!(
            "CASE WHEN f{own}.n IS NOT NULL THEN {path} ELSE {value} END"
        ))
    }

    /// What the archive gives a row in a column. `s` and `m` are the row.
    fn taken_over(&self, index: usize, column: &str) -> Result<String, EngineError> {
        let table = self.table(index)?;
        let own = self.archived(index, column).ok_or_else(unknown)?;
        let mut value = if self.linked(table, true).contains(&column) {
            self.resolved(index, column, true)?
        } else if self.linked(table, false).contains(&column) {
            format!("m.r{own}")
        } else {
            format!("s.c{own}")
        };
        if table.hidden.iter().any(|hidden| hidden.column == column) {
            let found = self
                .dialect
                .cast(&format!("j{own}.v"), self.type_of(index, column)?);
            value = format!("CASE WHEN j{own}.n IS NOT NULL THEN {found} ELSE {value} END");
        }
        for (under_way, settled) in &table.settled {
            let instead = if under_way == column {
                settled
                    .value
                    .as_ref()
                    .map(|value| self.dialect.scalar(value))
            } else {
                match settled.also_set.get(column) {
                    Some(Given::Scalar(value)) => Some(self.dialect.scalar(value)),
                    Some(Given::Special(Special::Null)) => Some("NULL".into()),
                    Some(Given::Special(Special::Default)) | None => None,
                }
            };
            let type_name = self.type_of(index, column)?;
            let instead = instead.map(|instead| self.dialect.cast(&instead, type_name));
            let Some(at) = self.archived(index, under_way) else {
                continue;
            };
            let is_under_way = self.dialect.is_one_of(
                &self.dialect.printed_value(&format!("s.c{at}")),
                &settled.when,
            );
            let ended = match (&settled.unless, table.ended.get(under_way)) {
                (Some(unless), Some(_)) => Some((
                    format!(
                        "s.n IN (SELECT n FROM {})",
                        self.own(&format!("e{at}_"), index)
                    ),
                    self.dialect
                        .cast(&self.dialect.scalar(&unless.value), type_name),
                )),
                _ => None,
            };
            value = match (ended, instead) {
                (Some((ended, then)), instead) if under_way == column => format!(
                    "CASE WHEN {is_under_way} AND {ended} THEN {then} WHEN {is_under_way} THEN {} ELSE {value} END",
                    instead.as_ref().unwrap_or(&value)
                ),
                (Some((ended, _)), Some(instead)) => format!(
                    "CASE WHEN {is_under_way} AND NOT {ended} THEN {instead} ELSE {value} END"
                ),
                (None, Some(instead)) => {
                    format!("CASE WHEN {is_under_way} THEN {instead} ELSE {value} END")
                }
                (_, None) => value,
            };
        }
        Ok(value)
    }

    /// What a matched row gets in a column. `s` and `m` are the archive's row, `t` the target's.
    pub(super) fn updated(&self, index: usize, column: &str) -> Result<String, EngineError> {
        let table = self.table(index)?;
        let kept = format!("t.{}", sql::name(column));
        if !self.changing(table).contains(&column) {
            return Ok(kept);
        }
        let mut value = self.taken_over(index, column)?;
        let stays = table.never_emptied.iter().any(|name| name == column);
        if stays || table.identifies(column) {
            value = format!(
                "CASE WHEN ({value}) IS NULL OR {} = '' THEN {kept} ELSE {value} END",
                self.dialect.text(&value)
            );
        }
        if let Some(bound) = table.bound.get(column) {
            let mut pairs = Vec::with_capacity(bound.len());
            for name in bound {
                if let Some(own) = self.archived(index, name) {
                    pairs.push((format!("s.c{own}"), format!("t.{}", sql::name(name))));
                }
            }
            let differ = self.dialect.differ(&pairs);
            value = format!("CASE WHEN {differ} THEN {kept} ELSE {value} END");
        }
        if table.is_picky() && self.program.mode == Mode::Skip {
            let mut taken = Vec::new();
            if table.fill.iter().any(|name| name == column) {
                taken.push(format!(
                    "{kept} IS NULL OR {} = ''",
                    self.dialect.text(&kept)
                ));
            }
            if table.prefer.iter().any(|name| name == column) {
                taken.push(format!(
                    "({value}) IS NOT NULL AND {} <> ''",
                    self.dialect.text(&value)
                ));
            }
            if table.either.iter().any(|name| name == column) {
                let set = self.dialect.printed(&Scalar::Boolean(true));
                taken.push(format!("{} = {set}", self.dialect.printed_value(&value)));
            }
            if let Some(newer) = &table.newer
                && table.takes_newer(column)
            {
                let (new, old) = (self.taken_over(index, &newer.by)?, sql::name(&newer.by));
                taken.push(format!(
                    "(({new}) IS NOT NULL AND (t.{old} IS NULL OR ({new}) >= t.{old}))"
                ));
            }
            value = format!(
                "CASE WHEN {} THEN {value} ELSE {kept} END",
                taken.join(" OR ")
            );
        }
        for (place, _) in self.remade(table, column) {
            value = format!("CASE WHEN m.y{place} = 1 THEN {kept} ELSE {value} END");
        }
        self.following(index, column, value)
    }

    /// The unique keys that give a column another value, with their places.
    pub(super) fn remade(&self, table: &'a MergeTable, column: &str) -> Vec<(usize, Made)> {
        let keys = table.unique.iter().enumerate();
        keys.filter_map(|(place, key)| match &key.remake {
            Some((name, made)) if name == column && table.part == Part::Merge => {
                Some((place, *made))
            }
            _ => None,
        })
        .collect()
    }

    /// Joins the ids that were exchanged inside of columns, and the paths that rows follow their files to.
    pub(super) fn exchanged_joins(&self, index: usize) -> Result<String, EngineError> {
        let table = self.table(index)?;
        let mut joins = String::new();
        let mut joined: Vec<&str> = Vec::new();
        for hidden in &table.hidden {
            if let Some(own) = self.archived(index, &hidden.column)
                && !joined.contains(&hidden.column.as_str())
            {
                joined.push(&hidden.column);
                joins.push_str(&format!(
                    " LEFT JOIN {} j{own} ON j{own}.n = m.n",
                    self.own(&format!("j{own}_"), index)
                ));
            }
        }
        for (_, own) in self.renamed.iter().filter(|(of, _)| *of == index) {
            joins.push_str(&format!(
                " LEFT JOIN {} f{own} ON f{own}.n = m.n",
                self.own(&format!("f{own}_"), index)
            ));
        }
        Ok(joins)
    }
}
