//! COPY statements: the bulk path for rows in both directions.

use coffer_core::{policy::ColumnPolicy, schema::Column};

use super::catalog::Relation;
use crate::engine::sql;

/// The statement that gives the rows of a table.
pub(super) fn out_statement(relation: &Relation, columns: &[(&Column, ColumnPolicy)]) -> String {
    let plain = columns
        .iter()
        .all(|(_, policy)| *policy == ColumnPolicy::Keep);
    if plain && !relation.partitioned {
        // COPY of a table gives its own rows only, not those of tables that inherit from it.
        let names = sql::names(columns.iter().map(|(column, _)| column.name.as_str()));
        return format!("COPY {} ({names}) TO STDOUT", sql::table(&relation.name));
    }
    let values: Vec<String> = columns
        .iter()
        .map(|(column, policy)| match policy {
            ColumnPolicy::Keep => sql::name(&column.name),
            ColumnPolicy::Replace(None) => "NULL".into(),
            ColumnPolicy::Replace(Some(text)) => format!(
                "CASE WHEN {} IS NULL THEN NULL ELSE {}::{} END",
                sql::name(&column.name),
                sql::literal(text),
                column.type_name
            ),
        })
        .collect();
    format!(
        "COPY (SELECT {} FROM {}) TO STDOUT",
        values.join(", "),
        relation.rows_clause()
    )
}

/// The statement that takes the rows of a table.
pub(super) fn in_statement(relation: &Relation, columns: &[String]) -> String {
    format!(
        "COPY {} ({}) FROM STDIN",
        sql::table(&relation.name),
        sql::names(columns.iter().map(String::as_str))
    )
}
