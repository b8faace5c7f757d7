//! What a database says about itself, read from `pg_catalog` (PostgreSQL manual, "System Catalogs").
//!
//! `information_schema` shows only what the role has been granted, and would hide what is missing.

use std::collections::HashMap;

use coffer_core::{
    manifest::{LeftOut, LeftOutReason, Migration},
    schema::{Column, Engine, ForeignKey, Labels, Schema, Table, TableName},
};

use super::{
    link::{Id, Link, Step},
    others,
    sequence::{self, TargetSequence},
};
use crate::engine::{Database, EngineError, ledger, sql};

const STEP: Step<'_> = Step::new("reading the catalog");

/// One table that holds data of its own.
#[derive(Clone, Debug)]
pub(super) struct Relation {
    pub(super) id: Id,
    pub(super) name: TableName,
    /// Whether its rows are in partitions.
    pub(super) partitioned: bool,
}

impl Relation {
    /// The table as it stands after FROM: with its partitions, without tables that inherit from it.
    pub(super) fn rows_clause(&self) -> String {
        let table = sql::table(&self.name);
        if self.partitioned {
            table
        } else {
            format!("ONLY {table}")
        }
    }
}

/// A database's description with what is needed to work on it.
#[derive(Debug)]
pub(super) struct Catalog {
    pub(super) database: Database,
    /// The tables of the schema, in its order.
    pub(super) relations: Vec<Relation>,
    pub(super) sequences: Vec<TargetSequence>,
}

impl Catalog {
    /// The table called `name`.
    pub(super) fn relation(&self, name: &TableName) -> Result<&Relation, EngineError> {
        self.relations
            .iter()
            .find(|relation| relation.name == *name)
            .ok_or_else(|| EngineError::NoTable {
                target: self.database.name.clone(),
                table: name.clone(),
            })
    }

    /// The shape of the table called `name`.
    pub(super) fn table(&self, name: &TableName) -> Result<&Table, EngineError> {
        self.database
            .schema
            .table(name)
            .ok_or_else(|| EngineError::NoTable {
                target: self.database.name.clone(),
                table: name.clone(),
            })
    }

    /// Checks that `columns` are stored columns of the table.
    pub(super) fn check_columns(
        &self,
        name: &TableName,
        columns: &[String],
    ) -> Result<(), EngineError> {
        let table = self.table(name)?;
        match columns
            .iter()
            .find(|column| !table.stored_columns().any(|own| own.name == **column))
        {
            Some(column) => Err(EngineError::NoColumn {
                target: self.database.name.clone(),
                table: name.clone(),
                column: column.clone(),
            }),
            None => Ok(()),
        }
    }
}

/// The tables that hold data of their own, ledgers included: what has to be locked. A partitioned table has no rows of
/// its own, so whether it was declared unlogged means nothing: its partitions can be either.
pub(super) async fn relations(
    link: &mut Link,
    schemas: &[String],
) -> Result<Vec<Relation>, EngineError> {
    let sql = "
        SELECT c.oid, n.nspname::text, c.relname::text, c.relkind = 'p'
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = ANY($1) AND NOT c.relispartition
           AND (c.relkind = 'r' AND c.relpersistence = 'p' OR c.relkind = 'p' AND c.relpersistence <> 't')
           AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
                              AND d.objid = c.oid AND d.deptype = 'e')";
    let rows = link.rows(STEP, sql, schemas.to_vec()).await?;
    let mut relations = Vec::with_capacity(rows.len());
    for row in &rows {
        relations.push(Relation {
            id: link.get(row, 0)?,
            name: TableName::new(link.get::<String>(row, 1)?, link.get::<String>(row, 2)?),
            partitioned: link.get(row, 3)?,
        });
    }
    relations.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(relations)
}

/// Reads everything.
pub(super) async fn read(link: &mut Link, schemas: &[String]) -> Result<Catalog, EngineError> {
    let mut relations = relations(link, schemas).await?;
    others::refuse(link, schemas).await?;
    let ids: Vec<Id> = relations.iter().map(|relation| relation.id).collect();
    let mut tables: HashMap<Id, Table> = relations
        .iter()
        .map(|relation| {
            let table = Table {
                name: relation.name.clone(),
                columns: Vec::new(),
                primary_key: Vec::new(),
                unique: Vec::new(),
                foreign_keys: Vec::new(),
            };
            (relation.id, table)
        })
        .collect();
    read_columns(link, &ids, &mut tables).await?;
    read_unique_keys(link, &ids, &mut tables).await?;
    read_foreign_keys(link, &ids, &mut tables).await?;
    let labels = read_labels(link, &ids).await?;

    let mut left_out = others::list(link, schemas).await?;
    let mut schema = Schema::default();
    for relation in &relations {
        let Some(table) = tables.remove(&relation.id) else {
            continue;
        };
        if table.stored_columns().next().is_none() {
            left_out.push(others::object(
                "table without stored columns",
                &table.name,
                LeftOutReason::NotData,
            ));
        } else {
            schema.tables.push(table);
        }
    }
    let migration = take_ledger(link, &mut schema, &mut left_out).await?;
    relations.retain(|relation| schema.table(&relation.name).is_some());
    let sequences = sequence::read(link, schemas, &schema).await?;
    Ok(Catalog {
        database: Database {
            engine: Engine::Postgres,
            engine_version: link.version().to_owned(),
            name: link.target().to_owned(),
            schema,
            sequences: sequences.iter().map(TargetSequence::describe).collect(),
            labels,
            migration,
            left_out,
        },
        relations,
        sequences,
    })
}

async fn read_columns(
    link: &mut Link,
    ids: &[Id],
    tables: &mut HashMap<Id, Table>,
) -> Result<(), EngineError> {
    let sql = "
        SELECT a.attrelid, a.attname::text, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
               pg_get_expr(d.adbin, d.adrelid), a.attgenerated <> '',
               a.attidentity <> '' OR EXISTS (
                   SELECT FROM pg_depend p JOIN pg_class s ON s.oid = p.refobjid AND s.relkind = 'S'
                    WHERE p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid
                      AND p.refclassid = 'pg_class'::regclass)
          FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
         WHERE a.attrelid = ANY($1) AND a.attnum > 0 AND NOT a.attisdropped
         ORDER BY a.attrelid, a.attnum";
    for row in &link.rows(STEP, sql, ids.to_vec()).await? {
        if let Some(table) = tables.get_mut(&link.get(row, 0)?) {
            table.columns.push(Column {
                name: link.get(row, 1)?,
                type_name: link.get(row, 2)?,
                nullable: link.get(row, 3)?,
                default: link.get(row, 4)?,
                generated: link.get(row, 5)?,
                identity: link.get(row, 6)?,
            });
        }
    }
    Ok(())
}

/// Primary and unique keys over plain columns of all rows. Others can't identify a row.
async fn read_unique_keys(
    link: &mut Link,
    ids: &[Id],
    tables: &mut HashMap<Id, Table>,
) -> Result<(), EngineError> {
    let sql = "
        SELECT i.indrelid, i.indisprimary,
               ARRAY(SELECT a.attname::text
                       FROM unnest(i.indkey::int2[]) WITH ORDINALITY k (number, place)
                       JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
                      WHERE k.place <= i.indnkeyatts ORDER BY k.place)
          FROM pg_index i
         WHERE i.indrelid = ANY($1) AND i.indisunique AND i.indisvalid
           AND i.indpred IS NULL AND i.indexprs IS NULL";
    for row in &link.rows(STEP, sql, ids.to_vec()).await? {
        let Some(table) = tables.get_mut(&link.get(row, 0)?) else {
            continue;
        };
        let columns: Vec<String> = link.get(row, 2)?;
        if link.get(row, 1)? {
            table.primary_key = columns;
        } else {
            table.unique.push(columns);
        }
    }
    for table in tables.values_mut() {
        table.unique.sort();
    }
    Ok(())
}

async fn read_foreign_keys(
    link: &mut Link,
    ids: &[Id],
    tables: &mut HashMap<Id, Table>,
) -> Result<(), EngineError> {
    // A key of a partitioned table has a copy for each partition, told by its parent.
    let sql = "
        SELECT k.conrelid, k.conname::text, n.nspname::text, c.relname::text,
               ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u (number, place)
                       JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number
                      ORDER BY u.place),
               ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u (number, place)
                       JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.number
                      ORDER BY u.place)
          FROM pg_constraint k JOIN pg_class c ON c.oid = k.confrelid
          JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE k.contype = 'f' AND k.conparentid = 0 AND k.conrelid = ANY($1)";
    for row in &link.rows(STEP, sql, ids.to_vec()).await? {
        if let Some(table) = tables.get_mut(&link.get(row, 0)?) {
            table.foreign_keys.push(ForeignKey {
                name: link.get(row, 1)?,
                references: TableName::new(
                    link.get::<String>(row, 2)?,
                    link.get::<String>(row, 3)?,
                ),
                columns: link.get(row, 4)?,
                referenced_columns: link.get(row, 5)?,
            });
        }
    }
    for table in tables.values_mut() {
        table.foreign_keys.sort_by(|a, b| a.name.cmp(&b.name));
    }
    Ok(())
}

/// The enumerations that columns of the tables have.
async fn read_labels(link: &mut Link, ids: &[Id]) -> Result<Vec<Labels>, EngineError> {
    let sql = "
        SELECT format_type(t.oid, NULL),
               ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder)
          FROM pg_type t
         WHERE t.typtype = 'e'
           AND t.oid IN (SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = ANY($1) AND NOT a.attisdropped)
         ORDER BY 1";
    let mut labels = Vec::new();
    for row in &link.rows(STEP, sql, ids.to_vec()).await? {
        labels.push(Labels {
            type_name: link.get(row, 0)?,
            labels: link.get(row, 1)?,
        });
    }
    Ok(labels)
}

async fn take_ledger(
    link: &mut Link,
    schema: &mut Schema,
    left_out: &mut Vec<LeftOut>,
) -> Result<Option<Migration>, EngineError> {
    let Some(found) = ledger::take(schema, sql::name) else {
        return Ok(None);
    };
    let step = Step::of("reading the migration ledger", &found.table);
    let mut heads: Vec<String> = Vec::new();
    for row in &link.composed(step, found.query).await? {
        heads.extend(link.get::<Option<String>>(row, 0)?);
    }
    left_out.extend(
        found
            .taken
            .iter()
            .map(|table| others::object("migration ledger", table, LeftOutReason::Ledger)),
    );
    Ok((!heads.is_empty()).then(|| Migration {
        ledger: found.table,
        head: heads.join(", "),
    }))
}
