//! What the user decides about rows that don't fit into the target's tables.

use coffer_core::{
    manifest::Manifest,
    schema::{ColumnName, Decisions, Drift, Fill, Outcome, TableDrift, TableName},
};

use super::Failure;

#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct DecisionArgs {
    /// Lose what the archive holds in this column, which the target does not have any more; may be repeated.
    #[arg(long = "drop-column", value_name = "TABLE.COLUMN")]
    drop_columns: Vec<String>,

    /// Put VALUE in place of what does not fit into this column (NULL without =VALUE); may be repeated.
    #[arg(long = "fill", value_name = "TABLE.COLUMN[=VALUE]")]
    fill: Vec<String>,
}

impl DecisionArgs {
    /// The decisions about tables of an archive.
    pub(super) fn of_archive(&self, manifest: &Manifest) -> Result<Decisions, Failure> {
        let tables = manifest.schema.tables.iter();
        let columns: Vec<ColumnName> = tables
            .flat_map(|table| {
                table
                    .stored_columns()
                    .map(|column| name(&table.name, &column.name))
            })
            .collect();
        self.among(&columns)
    }

    /// The decisions about some of these columns.
    pub(super) fn among(&self, columns: &[ColumnName]) -> Result<Decisions, Failure> {
        let drop_columns: Result<_, _> = self
            .drop_columns
            .iter()
            .map(|name| find(columns, name).cloned())
            .collect();
        let fill: Result<_, Failure> = self
            .fill
            .iter()
            .map(|text| {
                let (column, value) = match text.split_once('=') {
                    Some((column, value)) => (column, Some(value.to_owned())),
                    None => (text.as_str(), None),
                };
                let ColumnName { table, column } = find(columns, column)?.clone();
                Ok(Fill {
                    table,
                    column,
                    value,
                })
            })
            .collect();
        Ok(Decisions {
            drop_columns: drop_columns?,
            fill: fill?,
        })
    }
}

pub(super) fn name(table: &TableName, column: &str) -> ColumnName {
    ColumnName {
        table: table.clone(),
        column: column.to_owned(),
    }
}

/// The column that a name means, with or without the table's schema.
fn find<'a>(columns: &'a [ColumnName], name: &str) -> Result<&'a ColumnName, Failure> {
    let mut found = columns.iter().filter(|column| {
        column.to_string() == name || format!("{}.{}", column.table.name, column.column) == name
    });
    match (found.next(), found.next()) {
        (Some(column), None) => Ok(column),
        (None, _) => Err(Failure::usage(format!(
            "the archive holds no column {name}, to be named as TABLE.COLUMN; nothing was changed"
        ))),
        _ => Err(Failure::usage(format!(
            "the archive holds several columns {name}; name the schema too"
        ))),
    }
}

/// The options that lift what a table's differences ask for, in words.
pub(super) fn options(drift: &TableDrift) -> String {
    let asked = drift
        .differences
        .iter()
        .filter(|difference| difference.outcome == Outcome::NeedsDecision);
    let options: Vec<String> = asked
        .filter_map(|difference| {
            let column = name(&drift.table, difference.drift.column()?);
            Some(if difference.drift.loses_column() {
                format!("--drop-column {column} loses it")
            } else if matches!(difference.drift, Drift::LabelsMissing { .. }) {
                format!("--fill {column}=LABEL puts another label in its place")
            } else {
                format!("--fill {column}=VALUE puts a value in its place")
            })
        })
        .collect();
    if options.is_empty() {
        String::new()
    } else {
        format!(" ({})", options.join("; "))
    }
}
