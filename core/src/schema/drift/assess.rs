//! What becomes of each table's rows.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{
    Column, Decisions, Difference, Drift, Engine, Labels, Outcome, Own, Schema, Survey, Table,
    TableName, drift,
    map::{Change, change},
    row_map,
};
use crate::{
    manifest::Manifest,
    rows::{RowMap, Rule},
};

/// The differences of one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableDrift {
    /// The table.
    pub table: TableName,
    /// The worst that becomes of its rows.
    pub outcome: Outcome,
    /// What differs.
    pub differences: Vec<Difference>,
}

/// The target as rows see it.
struct Target<'a> {
    engine: Engine,
    labels: &'a [Labels],
    moved: bool,
    decisions: &'a Decisions,
    survey: Option<&'a Survey>,
}

/// What becomes of the rows of the archive's tables in a target of the same engine: for each table that differs. `moved`
/// as for [`row_map`]; without a survey, differences whose outcome depends on rows are [`Outcome::NotReadYet`].
#[must_use]
pub fn assess(
    archive: &Manifest,
    target: &Schema,
    labels: &[Labels],
    moved: bool,
    decisions: &Decisions,
    survey: Option<&Survey>,
) -> Vec<TableDrift> {
    let into = Target {
        engine: archive.engine,
        labels,
        moved,
        decisions,
        survey,
    };
    let mut found: Vec<Drift> = drift(&archive.schema, target);
    let mut tables: Vec<TableDrift> = Vec::new();
    // Labels make no difference of their own until a row has one that is missing.
    for data in &archive.tables {
        let Some((from, to)) = archive
            .schema
            .table(&data.table)
            .zip(target.table(&data.table))
        else {
            continue;
        };
        found.extend(into.missing_labels(from, to));
    }
    found.sort_by(|a, b| a.table().cmp(b.table()));
    for drift in found {
        let name = drift.table().clone();
        let shapes = archive.schema.table(&name).zip(target.table(&name));
        let rows = archive.table(&name).map_or(0, |data| data.rows);
        let difference = into.assess(drift, shapes, rows);
        let outcome = difference.outcome;
        match tables.last_mut().filter(|last| last.table == name) {
            Some(last) => {
                last.outcome = last.outcome.max(outcome);
                last.differences.push(difference);
            }
            None => tables.push(TableDrift {
                table: name,
                outcome,
                differences: alloc::vec![difference],
            }),
        }
    }
    tables
}

impl Target<'_> {
    fn map(&self, from: &Table, to: &Table, decisions: &Decisions) -> RowMap {
        row_map(self.engine, from, to, self.labels, self.moved, decisions)
    }

    /// Enumerations by the same name, in which rows have labels that the target lacks.
    fn missing_labels(&self, from: &Table, to: &Table) -> Vec<Drift> {
        let map = self.map(from, to, &Decisions::default());
        let Some(affected) = self
            .survey
            .and_then(|survey| survey.affected(&from.name, &map))
        else {
            return Vec::new();
        };
        map.columns()
            .zip(affected)
            .filter(|((_, rule), affected)| matches!(rule, Rule::Convert { .. }) && **affected > 0)
            .filter_map(|((name, _), _)| from.column(name).zip(to.column(name)))
            .filter(|(one, other)| {
                one.type_name == other.type_name && one.nullable == other.nullable
            })
            .map(|(column, _)| Drift::LabelsMissing {
                table: from.name.clone(),
                column: column.name.clone(),
                type_name: column.type_name.clone(),
            })
            .collect()
    }

    fn assess(&self, drift: Drift, shapes: Option<(&Table, &Table)>, rows: u64) -> Difference {
        let (outcome, rows) = match (&drift, shapes) {
            (Drift::TableMissing { .. }, _) => (Outcome::Impossible, None),
            (Drift::TableAdded { .. } | Drift::KeysChanged { .. }, _) | (_, None) => {
                (Outcome::Fits, None)
            }
            (Drift::ColumnAdded { value, .. }, Some(_)) => (added(value, rows), None),
            (
                Drift::ColumnMissing { column, .. }
                | Drift::ColumnComputed { column, .. }
                | Drift::ColumnChanged { column, .. }
                | Drift::LabelsMissing { column, .. },
                Some((from, to)),
            ) => from.column(column).map_or((Outcome::Fits, None), |column| {
                self.changed(column, from, to, rows)
            }),
        };
        Difference {
            drift,
            outcome,
            rows,
        }
    }

    fn changed(
        &self,
        column: &Column,
        from: &Table,
        to: &Table,
        rows: u64,
    ) -> (Outcome, Option<u64>) {
        let other = to.column(&column.name);
        if rows == 0 {
            return (Outcome::Fits, None);
        }
        let change = change(self.engine, column, other, self.labels, self.moved);
        let plain = self.map(from, to, &Decisions::default());
        let rule = |map: &RowMap| {
            map.columns()
                .find(|(name, _)| *name == column.name)
                .map(|(_, rule)| rule.clone())
        };
        // Rows of nothing can't be loaded.
        if change == Change::Impossible || plain.loaded().is_empty() {
            return (Outcome::Impossible, None);
        }
        if !rule(&plain).is_some_and(|rule| rule.affects()) {
            return (Outcome::Fits, None);
        }
        let decided = if change == Change::Gone {
            self.decisions.drops(&from.name, &column.name)
        } else {
            matches!(
                rule(&self.map(from, to, self.decisions)),
                Some(Rule::Convert { fill: Some(_), .. })
            )
        };
        let counted = self
            .survey
            .and_then(|survey| survey.affected(&from.name, &plain))
            .and_then(|affected| {
                let mut pairs = plain.columns().zip(affected);
                pairs
                    .find(|((name, _), _)| *name == column.name)
                    .map(|(_, affected)| *affected)
            });
        let outcome = match counted {
            Some(0) => Outcome::Fits,
            _ if decided => Outcome::Decided,
            Some(_) => Outcome::NeedsDecision,
            // What a column holds that is not there any more is lost in any case.
            None if change == Change::Gone => Outcome::NeedsDecision,
            None => Outcome::NotReadYet,
        };
        (outcome, counted.filter(|affected| *affected > 0))
    }
}

/// What becomes of rows that bring no value for a column of the target.
const fn added(value: &Own, rows: u64) -> Outcome {
    match value {
        _ if rows == 0 => Outcome::Fits,
        Own::Missing => Outcome::Impossible,
        Own::Null | Own::Default(_) | Own::Number | Own::Computed => Outcome::FitsWithDefault,
    }
}
