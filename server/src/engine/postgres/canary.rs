//! A canary: one row more in each table, made of defaults, and undone at once.
//!
//! It shows that the application will be able to add rows: that the sequences are where they must be, that nothing is
//! left disabled or missing. Columns that need a value and have no default borrow it from a row that is there. Such a
//! row may still violate what the table demands, and then it shows nothing: that is counted, and is no failure. What
//! fails the restore is a number from a sequence that a row has already.

use coffer_core::schema::{Column, Table};

use super::{
    catalog::{Catalog, Relation},
    link::{Id, Link, Refused, Step},
    sequence,
};
use crate::engine::{Canaries, EngineError, sql};

const UNIQUE_VIOLATION: &str = "23505";

/// Tries a row in each of the tables. Triggers must be out of the way, keys and sequences in place.
pub(super) async fn try_rows(
    link: &mut Link,
    catalog: &Catalog,
    tables: &[Relation],
) -> Result<Canaries, EngineError> {
    let ruled = ruled(link, tables).await?;
    let mut canaries = Canaries::default();
    for relation in tables {
        let made = if ruled.contains(&relation.id) {
            // A rule would do something else instead, or besides.
            false
        } else {
            try_row(link, catalog, relation).await?
        };
        if made {
            canaries.made += 1;
        } else {
            canaries.impossible += 1;
        }
    }
    Ok(canaries)
}

/// The tables whose inserts are rewritten by rules.
async fn ruled(link: &mut Link, tables: &[Relation]) -> Result<Vec<Id>, EngineError> {
    let ids: Vec<Id> = tables.iter().map(|relation| relation.id).collect();
    let sql = "SELECT DISTINCT ev_class FROM pg_rewrite WHERE ev_class = ANY($1) AND ev_type = '3'";
    let step = Step::new("looking for rules");
    let rows = link.rows(step, sql, ids).await?;
    rows.iter().map(|row| link.get(row, 0)).collect()
}

/// Whether a row could be made, which is gone again.
async fn try_row(
    link: &mut Link,
    catalog: &Catalog,
    relation: &Relation,
) -> Result<bool, EngineError> {
    let table = catalog.table(&relation.name)?;
    let step = Step::of("trying a new row in", &relation.name);
    link.run(step, "SAVEPOINT canary".into()).await?;
    // Drawn numbers would stay drawn after the row is gone. Started anew here, the sequences are put back with it.
    for state in sequence::feeding(&catalog.sequences, &relation.name) {
        state.hold(link).await?;
    }
    let tried = link.attempt_to_run(step, insert(table, relation)).await?;
    let refused_by = match &tried {
        Err(Refused { code, constraint }) if code == UNIQUE_VIOLATION => constraint.clone(),
        _ => None,
    };
    let undo = "ROLLBACK TO SAVEPOINT canary; RELEASE SAVEPOINT canary";
    link.run(step, undo.into()).await?;
    if let Some(index) = refused_by {
        let taken = columns_of(link, relation, &index).await?;
        let fed = sequence::fed_numbers(&catalog.sequences, &relation.name);
        if let Some(column) = taken.into_iter().find(|column| fed.contains(&&**column)) {
            link.end();
            return Err(EngineError::CanaryRefused {
                table: relation.name.clone(),
                column,
            });
        }
    }
    Ok(tried == Ok(1))
}

fn insert(table: &Table, relation: &Relation) -> String {
    let borrowed: Vec<&str> = table
        .columns
        .iter()
        .filter(|column| needs_value(column))
        .map(|column| column.name.as_str())
        .collect();
    let into = sql::table(&relation.name);
    if borrowed.is_empty() {
        return format!("INSERT INTO {into} DEFAULT VALUES");
    }
    let names = sql::names(borrowed);
    format!(
        "INSERT INTO {into} ({names}) SELECT {names} FROM {} LIMIT 1",
        relation.rows_clause()
    )
}

const fn needs_value(column: &Column) -> bool {
    !column.nullable && column.default.is_none() && !column.identity && !column.generated
}

/// The columns of a unique index of the table or of one of its partitions.
async fn columns_of(
    link: &mut Link,
    relation: &Relation,
    index: &str,
) -> Result<Vec<String>, EngineError> {
    let sql = "
        SELECT a.attname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
          JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
         WHERE c.relname = $1[2]
           AND (i.indrelid = $1[1]::oid OR i.indrelid IN (SELECT relid FROM pg_partition_tree($1[1]::oid)))";
    let place = vec![relation.id.0.to_string(), index.to_owned()];
    let step = Step::of("trying a new row in", &relation.name);
    let rows = link.rows(step, sql, place).await?;
    rows.iter().map(|row| link.get(row, 0)).collect()
}
