//! Foreign keys that connect tables whose rows are replaced with those whose rows stay.

use coffer_core::{plan::Reference, schema::TableName};

use super::{
    catalog::Catalog,
    link::{Id, Link, Step},
};
use crate::engine::{EngineError, sql};

const STEP: Step<'_> = Step::new("reading the foreign keys");

/// The tables and all of their partitions, each after the table that it is a part of.
pub(super) async fn with_partitions(
    link: &mut Link,
    tables: &[Id],
) -> Result<Vec<Id>, EngineError> {
    let sql = "
        SELECT t.oid FROM unnest($1) WITH ORDINALITY t (oid, place)
         UNION ALL
        SELECT p.relid FROM unnest($1) r (oid) JOIN pg_class c ON c.oid = r.oid AND c.relkind = 'p',
               pg_partition_tree(c.oid) WITH ORDINALITY p (relid, parent, leaf, level, place)
         WHERE p.relid <> c.oid";
    let step = Step::new("listing the partitions");
    let rows = link.rows(step, sql, tables.to_vec()).await?;
    rows.iter().map(|row| link.get(row, 0)).collect()
}

/// The tables outside of `ids` that have foreign keys into them, as they stand in a statement.
pub(super) async fn referencing(link: &mut Link, ids: &[Id]) -> Result<Vec<String>, EngineError> {
    let keys = keys(link, ids).await?;
    let mut names: Vec<String> = keys
        .iter()
        .map(|(reference, _)| sql::table(&reference.table))
        .collect();
    names.dedup();
    Ok(names)
}

/// The foreign keys from other tables into `tables`, each with the rows that refer to something. Tables that the
/// database doesn't have are passed over.
pub(super) async fn into_tables(
    link: &mut Link,
    catalog: &Catalog,
    tables: &[TableName],
) -> Result<Vec<Reference>, EngineError> {
    let ids: Vec<Id> = catalog
        .relations
        .iter()
        .filter(|relation| tables.contains(&relation.name))
        .map(|relation| relation.id)
        .collect();
    let ids = with_partitions(link, &ids).await?;
    let mut references = Vec::new();
    for (mut reference, from) in keys(link, &ids).await? {
        let set: Vec<String> = reference
            .columns
            .iter()
            .map(|column| format!("{} IS NOT NULL", sql::name(column)))
            .collect();
        let from = format!("{from} WHERE {}", set.join(" AND "));
        reference.rows = link.count(&reference.table, &from).await?;
        references.push(reference);
    }
    Ok(references)
}

/// The keys by the tables that they start at, each with that table as it stands after FROM.
async fn keys(link: &mut Link, ids: &[Id]) -> Result<Vec<(Reference, String)>, EngineError> {
    let sql = "
        SELECT n.nspname::text, c.relname::text, c.relkind = 'p', fn.nspname::text, f.relname::text,
               ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u (number, place)
                       JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number
                      ORDER BY u.place)
          FROM pg_constraint k
          JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
          JOIN pg_class f ON f.oid = k.confrelid JOIN pg_namespace fn ON fn.oid = f.relnamespace
         WHERE k.contype = 'f' AND k.conparentid = 0 AND k.confrelid = ANY($1) AND k.conrelid <> ALL($1)
         ORDER BY 1, 2, k.conname";
    let rows = link.rows(STEP, sql, ids.to_vec()).await?;
    let mut keys = Vec::with_capacity(rows.len());
    for row in &rows {
        let table = TableName::new(link.get::<String>(row, 0)?, link.get::<String>(row, 1)?);
        let from = if link.get(row, 2)? {
            sql::table(&table)
        } else {
            format!("ONLY {}", sql::table(&table))
        };
        let reference = Reference {
            table,
            columns: link.get(row, 5)?,
            references: TableName::new(link.get::<String>(row, 3)?, link.get::<String>(row, 4)?),
            rows: 0,
        };
        keys.push((reference, from));
    }
    Ok(keys)
}
