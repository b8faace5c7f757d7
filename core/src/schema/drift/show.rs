//! Differences in words.

use core::fmt;

use super::{Difference, Drift, Outcome, Own, TableDrift};

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TableMissing { .. } => f.write_str("the target does not have it"),
            Self::TableAdded { .. } => {
                f.write_str("the archive does not know it, so it stays as it is")
            }
            Self::ColumnMissing { column, .. } => {
                write!(f, "the target has no column {column}")
            }
            Self::ColumnAdded { column, .. } => {
                write!(f, "the archive does not hold the column {column}")
            }
            Self::ColumnComputed { column, .. } => {
                write!(f, "the target computes the column {column} itself")
            }
            Self::ColumnChanged {
                column,
                archive,
                target,
                ..
            } => write!(
                f,
                "the column {column} is {archive} in the archive, {target} in the target"
            ),
            Self::LabelsMissing {
                column, type_name, ..
            } => write!(
                f,
                "the target's {type_name} lacks labels that the column {column} has in the archive"
            ),
            Self::KeysChanged { .. } => {
                f.write_str("its keys differ, and rows that violate them undo the restore")
            }
        }
    }
}

struct Rows(Option<u64>);

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("rows"),
            Some(1) => f.write_str("1 row"),
            Some(rows) => write!(f, "{rows} rows"),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.drift.fmt(f)?;
        let (rows, one) = (Rows(self.rows), self.rows == Some(1));
        match (&self.drift, self.outcome) {
            (
                Drift::TableMissing { .. } | Drift::TableAdded { .. } | Drift::KeysChanged { .. },
                _,
            ) => Ok(()),
            (Drift::ColumnAdded { value, .. }, Outcome::FitsWithDefault) => match value {
                Own::Default(value) => write!(f, ", which takes its default {value}"),
                Own::Computed => f.write_str(", which the target computes"),
                Own::Number => f.write_str(", which takes the next numbers"),
                Own::Null | Own::Missing => f.write_str(", which stays empty"),
            },
            (Drift::ColumnAdded { .. }, Outcome::Impossible) => {
                f.write_str(", which needs a value and has no default")
            }
            (Drift::ColumnAdded { .. }, _) => f.write_str(", and there are no rows"),
            (Drift::ColumnMissing { .. } | Drift::ColumnComputed { .. }, Outcome::Impossible) => {
                f.write_str(", nor any other column of the archive's table")
            }
            (Drift::ColumnMissing { .. } | Drift::ColumnComputed { .. }, Outcome::Fits) => {
                f.write_str(", and no row holds a value in it")
            }
            (Drift::ColumnMissing { .. } | Drift::ColumnComputed { .. }, Outcome::Decided) => {
                let s = if one { "s" } else { "" };
                write!(f, ", and {rows} lose{s} what is in it, as decided")
            }
            (Drift::ColumnMissing { .. } | Drift::ColumnComputed { .. }, _) => {
                let s = if one { "s" } else { "" };
                write!(f, ", and {rows} hold{s} a value in it that would be lost")
            }
            (_, Outcome::Fits) => f.write_str(", and every row fits"),
            (_, Outcome::FitsWithDefault) => f.write_str(", which takes its default"),
            (_, Outcome::Decided) => write!(
                f,
                ", and in {rows} another value takes the place of one that does not fit, as decided"
            ),
            (_, Outcome::NotReadYet) => {
                f.write_str("; whether its rows fit is looked at before anything is changed")
            }
            (_, Outcome::NeedsDecision) => {
                let verb = if one { "does" } else { "do" };
                write!(f, ", and {rows} {verb} not fit")
            }
            (_, Outcome::Impossible) => {
                f.write_str(", and its values cannot become values of that")
            }
        }
    }
}

impl fmt::Display for TableDrift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.table, self.outcome)?;
        self.differences
            .iter()
            .enumerate()
            .try_for_each(|(index, difference)| {
                if index > 0 {
                    f.write_str("; ")?;
                }
                difference.fmt(f)
            })
    }
}
