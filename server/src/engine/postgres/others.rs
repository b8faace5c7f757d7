//! What a database holds besides tables with rows of their own: listed where the archive goes without it, refused where
//! it would be missed.

use coffer_core::{
    manifest::{LeftOut, LeftOutReason},
    schema::TableName,
};

use super::link::{Link, Step};
use crate::engine::EngineError;

const STEP: Step<'_> = Step::new("reading the catalog");

/// One thing that is left out.
pub(super) fn object(kind: &str, name: &TableName, reason: LeftOutReason) -> LeftOut {
    LeftOut::Object {
        kind: kind.into(),
        name: name.to_string(),
        reason,
    }
}

/// Refuses what would be lost or doubled: a partition whose parent is in a schema that isn't covered, and foreign
/// tables as partitions, whose rows belong to another server.
pub(super) async fn refuse(link: &mut Link, schemas: &[String]) -> Result<(), EngineError> {
    let sql = "
        SELECT n.nspname::text || '.' || c.relname::text, c.relkind = 'f'
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          JOIN pg_class r ON r.oid = pg_partition_root(c.oid) JOIN pg_namespace rn ON rn.oid = r.relnamespace
         WHERE c.relispartition
           AND (n.nspname = ANY($1) AND rn.nspname <> ALL($1)
                OR c.relkind = 'f' AND rn.nspname = ANY($1))
         ORDER BY 1 LIMIT 1";
    let rows = link.rows(STEP, sql, schemas.to_vec()).await?;
    let Some(row) = rows.first() else {
        return Ok(());
    };
    let name = link.get(row, 0)?;
    Err(if link.get(row, 1)? {
        EngineError::Unsupported {
            kind: "foreign table as a partition",
            name,
            why: "its rows are on another server; detach it first",
        }
    } else {
        EngineError::Unsupported {
            kind: "partition",
            name,
            why: "its parent is in a schema that is not covered; name that schema too",
        }
    })
}

/// What holds no data of its own, what PostgreSQL itself doesn't keep through a crash or a session, and schemas with
/// tables or sequences that aren't covered.
pub(super) async fn list(link: &mut Link, schemas: &[String]) -> Result<Vec<LeftOut>, EngineError> {
    let mut objects = relations(link, schemas).await?;
    objects.extend(temporary_tables(link).await?);
    objects.extend(other_schemas(link, schemas).await?);
    Ok(objects)
}

async fn relations(link: &mut Link, schemas: &[String]) -> Result<Vec<LeftOut>, EngineError> {
    // What an extension declares to be configuration, its users may have added to.
    let sql = "
        SELECT CASE WHEN c.oid = ANY(x.extconfig) THEN 'configuration table of an extension'
                    WHEN e.objid IS NOT NULL THEN 'table of an extension'
                    WHEN c.relkind = 'v' THEN 'view'
                    WHEN c.relkind = 'm' THEN 'materialized view'
                    WHEN c.relkind = 'f' THEN 'foreign table'
                    ELSE 'unlogged table' END,
               n.nspname::text, c.relname::text, c.relkind = 'm'
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          LEFT JOIN pg_depend e ON e.classid = 'pg_class'::regclass AND e.objid = c.oid
                               AND e.objsubid = 0 AND e.deptype = 'e'
          LEFT JOIN pg_extension x ON e.refclassid = 'pg_extension'::regclass AND x.oid = e.refobjid
         WHERE n.nspname = ANY($1) AND NOT c.relispartition
           AND CASE WHEN e.objid IS NOT NULL THEN c.relkind IN ('r', 'p')
                    ELSE c.relkind IN ('v', 'm', 'f') OR c.relkind = 'r' AND c.relpersistence <> 'p' END
         ORDER BY 1, 2, 3";
    let mut objects = Vec::new();
    for row in &link.rows(STEP, sql, schemas.to_vec()).await? {
        let kind: String = link.get(row, 0)?;
        let name = TableName::new(link.get::<String>(row, 1)?, link.get::<String>(row, 2)?);
        let reason = if link.get(row, 3)? {
            LeftOutReason::Derived
        } else {
            LeftOutReason::NotData
        };
        objects.push(object(&kind, &name, reason));
    }
    Ok(objects)
}

/// Tables that belong to sessions, which nobody else can read. Their schemas are named by the session's number, which
/// says nothing.
async fn temporary_tables(link: &mut Link) -> Result<Vec<LeftOut>, EngineError> {
    let sql = "
        SELECT c.relname::text FROM pg_class c
         WHERE c.relkind = ANY($1::text[]::\"char\"[]) AND c.relpersistence = 't' AND NOT c.relispartition
         ORDER BY 1";
    let kinds = vec!["r".to_owned(), "p".to_owned()];
    let rows = link.rows(STEP, sql, kinds).await?;
    rows.iter()
        .map(|row| {
            Ok(LeftOut::Object {
                kind: "temporary table".into(),
                name: link.get(row, 0)?,
                reason: LeftOutReason::Transient,
            })
        })
        .collect()
}

async fn other_schemas(link: &mut Link, schemas: &[String]) -> Result<Vec<LeftOut>, EngineError> {
    let sql = r"
        SELECT DISTINCT n.nspname::text
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p', 'S') AND NOT c.relispartition
           AND n.nspname <> ALL($1) AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%'
           AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
                              AND d.objid = c.oid AND d.deptype = 'e')
         ORDER BY 1";
    let rows = link.rows(STEP, sql, schemas.to_vec()).await?;
    rows.iter()
        .map(|row| {
            Ok(LeftOut::Object {
                kind: "schema".into(),
                name: link.get(row, 0)?,
                reason: LeftOutReason::Excluded,
            })
        })
        .collect()
}
