//! COPY statements: the bulk path for rows in both directions.

use coffer_core::{policy::ColumnPolicy, schema::Column};

use super::catalog::Relation;
use crate::engine::sql;

/// A statement that gives rows.
#[derive(Clone, Debug)]
pub(super) struct OutStatement {
    pub(super) sql: String,
    /// Whether values are names of things in the catalog, which are printed with their schema only if it is not in the
    /// search path.
    pub(super) prints_names: bool,
}

/// The statement that gives the rows of a table, or of some of its pages: from the first number on, and up to the second one
/// if there is one.
pub(super) fn out_statement(
    relation: &Relation,
    columns: &[(&Column, ColumnPolicy)],
    pages: Option<(u32, Option<u32>)>,
) -> OutStatement {
    OutStatement {
        sql: out_sql(relation, columns, pages),
        prints_names: columns
            .iter()
            .any(|(column, _)| column.type_name.starts_with("reg")),
    }
}

fn out_sql(
    relation: &Relation,
    columns: &[(&Column, ColumnPolicy)],
    pages: Option<(u32, Option<u32>)>,
) -> String {
    let plain = columns
        .iter()
        .all(|(_, policy)| *policy == ColumnPolicy::Keep);
    if plain && !relation.partitioned && pages.is_none() {
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
    let start = pages.map(|(start, _)| format!(" WHERE ctid >= '({start},0)'"));
    let end = pages.and_then(|(_, end)| Some(format!(" AND ctid < '({},0)'", end?)));
    format!(
        "COPY (SELECT {} FROM {}{}{}) TO STDOUT",
        values.join(", "),
        relation.rows_clause(),
        start.unwrap_or_default(),
        end.unwrap_or_default()
    )
}

/// The statement that takes the rows of a table that was emptied in the same transaction. The rows are written as what
/// everybody sees, so that nobody needs to mark them as such later; PostgreSQL can't do that through a partitioned table.
pub(super) fn in_statement(relation: &Relation, columns: &[String]) -> String {
    format!(
        "COPY {} ({}) FROM STDIN{}",
        sql::table(&relation.name),
        sql::names(columns.iter().map(String::as_str)),
        if relation.partitioned {
            ""
        } else {
            " (FREEZE)"
        }
    )
}

#[cfg(test)]
mod tests {
    use coffer_core::schema::TableName;

    use super::*;

    #[test]
    fn ranges_of_pages_meet_without_a_gap() {
        let relation = Relation {
            id: Default::default(),
            name: TableName::new("public", "t"),
            partitioned: false,
        };
        let range = |pages| out_sql(&relation, &[], pages);
        assert_eq!(
            range(Some((0, Some(8)))),
            "COPY (SELECT  FROM ONLY \"public\".\"t\" WHERE ctid >= '(0,0)' AND ctid < '(8,0)') TO STDOUT"
        );
        assert_eq!(
            range(Some((8, None))),
            "COPY (SELECT  FROM ONLY \"public\".\"t\" WHERE ctid >= '(8,0)') TO STDOUT"
        );
    }
}
