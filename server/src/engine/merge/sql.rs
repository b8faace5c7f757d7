//! What all queries are written with. Names of tables and columns come from schemas and are quoted; nothing else of anybody's
//! is part of them.

use std::collections::BTreeSet;

use coffer_core::{
    merge::{MergeTable, Part, Program, pick},
    plan::Mode,
    policy::Matched,
};

pub(crate) use super::dialect::Dialect;
use crate::engine::EngineError;

/// Rows whose values are written.
pub(super) const WRITTEN: &str = "(fate = 1 OR up = 1)";

/// Where a table's rows are in the target.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The table as it stands after FROM.
    pub(crate) rows: String,
    /// The table as it stands after INSERT INTO.
    pub(crate) into: String,
    /// Columns that say where a row lies, quoted.
    pub(crate) at: Vec<String>,
    /// The greatest number that was ever given to a row, as far as the database knows.
    pub(crate) numbered: i64,
    /// Whether that is a number which SQLite itself gives to each row.
    pub(crate) by_rowid: bool,
    /// Statements that make a table with those unique indexes that only the database can judge.
    pub(crate) judge: Vec<String>,
}

/// Writes the queries of a program.
pub(crate) struct Sql<'a> {
    pub(super) program: &'a Program,
    pub(super) dialect: Dialect,
    pub(super) places: &'a [Place],
    /// Tables and their columns, each in which rows follow their files to other paths.
    pub(super) renamed: &'a BTreeSet<(usize, usize)>,
}

impl<'a> Sql<'a> {
    pub(super) fn own(&self, kind: &str, index: usize) -> String {
        self.dialect.own(kind, index)
    }

    pub(super) fn table(&self, index: usize) -> Result<&'a MergeTable, EngineError> {
        self.program.tables.get(index).ok_or_else(unknown)
    }

    pub(super) fn place(&self, index: usize) -> Result<&Place, EngineError> {
        self.places.get(index).ok_or_else(unknown)
    }

    /// The place of a column in the archive's rows.
    pub(super) fn archived(&self, index: usize, column: &str) -> Option<usize> {
        let table = self.program.tables.get(index)?;
        table.archived.iter().position(|name| name == column)
    }

    /// The place of a column among those that others name rows by.
    pub(super) fn referenced(&self, index: usize, column: &str) -> Option<usize> {
        let table = self.program.tables.get(index)?;
        table.referenced.iter().position(|name| name == column)
    }

    /// The place of the surrogate key among those.
    pub(super) fn surrogate(&self, index: usize) -> Result<Option<usize>, EngineError> {
        let table = self.table(index)?;
        Ok(table
            .surrogate
            .as_ref()
            .and_then(|column| self.referenced(index, column))
            .filter(|_| table.part != Part::Along))
    }

    pub(super) fn type_of(&self, index: usize, column: &str) -> Result<&'a str, EngineError> {
        let table = self.table(index)?;
        let column = table.columns.iter().find(|own| own.name == column);
        Ok(column.map_or("", |column| column.type_name.as_str()))
    }

    /// Whether matched rows of a table may change.
    pub(super) fn updates(&self, table: &MergeTable) -> bool {
        table.part == Part::Merge
            && table.matched == Matched::Mode
            && (self.program.mode != Mode::Skip || table.is_picky())
    }

    /// The columns of matched rows that may change.
    pub(super) fn changing<'t>(&self, table: &'t MergeTable) -> Vec<&'t str> {
        table
            .columns
            .iter()
            .filter(|column| column.archived && !table.kept.contains(&column.name))
            .filter(|column| table.may_change(&column.name))
            .filter(|column| !self.is_alike(table, &column.name))
            .map(|column| column.name.as_str())
            .collect()
    }

    /// Whether matched rows have the very same value in a column, because that is what they were matched by. PostgreSQL has
    /// values that are the same and don't look it.
    fn is_alike(&self, table: &MergeTable, column: &str) -> bool {
        let by = match table.identity.as_slice() {
            [only]
                if table.rest.is_none() && only.normalise.is_none() && only.through.is_none() =>
            {
                &only.columns
            }
            _ => return false,
        };
        self.dialect == Dialect::Sqlite
            && by.iter().any(|name| name == column)
            && !table.settled.contains_key(column)
    }

    /// Whether matched rows can take other values where they lie: no unique key's value moves from one row to another. What
    /// tells rows apart stays as it is, and where more is unique, they are taken out and put back.
    pub(super) fn in_place(&self, index: usize) -> Result<bool, EngineError> {
        let table = self.table(index)?;
        let changing = self.changing(table);
        let mut columns = table.columns.iter();
        Ok(table.keys_stay
            && self.place(index)?.judge.is_empty()
            && !changing.is_empty()
            && columns.all(|column| {
                !changing.contains(&column.name.as_str())
                    || !(column.numbered || table.primary_key.contains(&column.name))
            }))
    }

    /// The query that counts what becomes of rows: by these fates, then rows with another number, references that become
    /// NULL, and keys that are made anew. Also how many numbers it gives.
    pub(super) fn counted(
        &self,
        index: usize,
        fates: impl Iterator<Item = i64>,
    ) -> Result<(String, usize), EngineError> {
        let table = self.table(index)?;
        // Rows that were only looked at beside others are none of the chosen.
        let chosen = if self.chooses() {
            format!(" AND pick > {}", pick::BESIDE)
        } else {
            String::new()
        };
        let of = |condition: String| format!("count(*) FILTER (WHERE {condition}{chosen})");
        let mut numbers: Vec<String> = fates.map(|fate| of(format!("fate = {fate}"))).collect();
        numbers.push(match self.surrogate(index)? {
            Some(key) => of(format!("fate > 0 AND f{key} <> o{key}")),
            None => "0".into(),
        });
        numbers.push(format!("coalesce(sum(e) FILTER (WHERE {WRITTEN}), 0)"));
        let remade: Vec<String> = table
            .unique
            .iter()
            .enumerate()
            .filter(|(_, key)| key.remake.is_some() && table.part == Part::Merge)
            .map(|(place, _)| format!("coalesce(sum(y{place}), 0)"))
            .collect();
        numbers.push(match remade.as_slice() {
            [] => "0".into(),
            remade => remade.join(" + "),
        });
        let texts: Vec<String> = numbers
            .iter()
            .map(|number| self.dialect.text(number))
            .collect();
        let query = format!("SELECT {} FROM {}", texts.join(", "), self.own("m", index));
        Ok((query, texts.len()))
    }

    /// That `l` says where `t` lies.
    pub(super) fn lies(&self, index: usize) -> Result<String, EngineError> {
        self.lies_at(index, "l")
    }

    /// That `alias` says where `t` lies.
    pub(super) fn lies_at(&self, index: usize, alias: &str) -> Result<String, EngineError> {
        let place = self.place(index)?;
        Ok(place
            .at
            .iter()
            .enumerate()
            .map(|(number, at)| format!("t.{at} = {alias}.at{number}"))
            .collect::<Vec<_>>()
            .join(" AND "))
    }
}

/// A program's indexes lead nowhere: a defect.
pub(super) fn unknown() -> EngineError {
    EngineError::Ended {
        target: "the merge".into(),
        why: "its program does not fit together; please report it",
    }
}
