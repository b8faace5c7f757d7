//! What stands in the way of replacing rows, set aside and put back exactly as it was: foreign keys that touch the
//! tables, and the tables' own triggers.
//!
//! Keys can't be switched off without being superuser, and only keys that were declared so can be deferred. So
//! they are dropped and added again within the transaction, which also validates them against all rows.

use coffer_core::schema::TableName;

use super::link::{Id, Link, Step};
use crate::engine::{EngineError, sql};

/// PostgreSQL's code for a foreign key that is violated.
const FOREIGN_KEY_VIOLATION: &str = "23503";

/// What was set aside.
#[derive(Debug, Default)]
pub(super) struct Aside {
    keys: Vec<Key>,
    triggers: Vec<Trigger>,
}

/// A foreign key.
#[derive(Debug)]
struct Key {
    name: String,
    table: TableName,
    references: TableName,
    /// Everything after `ADD CONSTRAINT name`: columns, actions, deferrability, and whether it is validated.
    definition: String,
    comment: Option<String>,
}

/// A trigger that was enabled in one way or another.
#[derive(Debug)]
struct Trigger {
    name: String,
    table: TableName,
    /// The clause that enables it the way it was.
    enable: &'static str,
}

/// The tables outside of `ids` that have foreign keys into them.
pub(super) async fn referencing(
    link: &mut Link,
    ids: &[Id],
) -> Result<Vec<TableName>, EngineError> {
    let sql = "
        SELECT DISTINCT n.nspname::text, c.relname::text
          FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE k.contype = 'f' AND k.conparentid = 0 AND k.confrelid = ANY($1) AND k.conrelid <> ALL($1)
         ORDER BY 1, 2";
    let rows = link
        .rows(Step::new("reading the foreign keys"), sql, ids.to_vec())
        .await?;
    rows.iter()
        .map(|row| {
            Ok(TableName::new(
                link.get::<String>(row, 0)?,
                link.get::<String>(row, 1)?,
            ))
        })
        .collect()
}

impl Aside {
    /// Drops the foreign keys that start or end at the tables `ids`, and disables the tables' triggers. Partitions
    /// must be among `ids`, after the table that they are a part of.
    pub(super) async fn set(link: &mut Link, ids: &[Id]) -> Result<Self, EngineError> {
        let aside = Self {
            keys: keys(link, ids).await?,
            triggers: triggers(link, ids).await?,
        };
        for key in &aside.keys {
            let drop = format!(
                "ALTER TABLE {} DROP CONSTRAINT {}",
                sql::table(&key.table),
                sql::name(&key.name)
            );
            let step = Step::of("setting aside a foreign key of", &key.table);
            link.run(step, drop).await?;
        }
        for trigger in &aside.triggers {
            trigger.alter(link, "DISABLE").await?;
        }
        Ok(aside)
    }

    /// Adds the foreign keys again, each validated if it was before, and enables the triggers as they were.
    pub(super) async fn put_back(&self, link: &mut Link) -> Result<(), EngineError> {
        for key in &self.keys {
            key.add(link).await?;
        }
        for trigger in &self.triggers {
            trigger.alter(link, trigger.enable).await?;
        }
        Ok(())
    }
}

impl Key {
    async fn add(&self, link: &mut Link) -> Result<(), EngineError> {
        let step = Step::of("validating a foreign key of", &self.table);
        let add = format!(
            "ALTER TABLE {} ADD CONSTRAINT {} {}",
            sql::table(&self.table),
            sql::name(&self.name),
            self.definition
        );
        if !link.run_unless(step, add, FOREIGN_KEY_VIOLATION).await? {
            link.end();
            return Err(EngineError::ForeignKey {
                key: self.name.clone(),
                table: self.table.to_string(),
                references: self.references.to_string(),
                rows: None,
            });
        }
        if let Some(comment) = &self.comment {
            let comment = format!(
                "COMMENT ON CONSTRAINT {} ON {} IS {}",
                sql::name(&self.name),
                sql::table(&self.table),
                sql::literal(comment)
            );
            link.run(step, comment).await?;
        }
        Ok(())
    }
}

impl Trigger {
    async fn alter(&self, link: &mut Link, how: &str) -> Result<(), EngineError> {
        let alter = format!(
            "ALTER TABLE ONLY {} {how} TRIGGER {}",
            sql::table(&self.table),
            sql::name(&self.name)
        );
        link.run(Step::of("switching a trigger of", &self.table), alter)
            .await
    }
}

async fn keys(link: &mut Link, ids: &[Id]) -> Result<Vec<Key>, EngineError> {
    // A key of a partitioned table has copies for its partitions, which come and go with it.
    let sql = "
        SELECT k.conname::text, n.nspname::text, c.relname::text, fn.nspname::text, f.relname::text,
               pg_get_constraintdef(k.oid), obj_description(k.oid, 'pg_constraint')
          FROM pg_constraint k
          JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
          JOIN pg_class f ON f.oid = k.confrelid JOIN pg_namespace fn ON fn.oid = f.relnamespace
         WHERE k.contype = 'f' AND k.conparentid = 0 AND (k.conrelid = ANY($1) OR k.confrelid = ANY($1))
         ORDER BY 2, 3, 1";
    let rows = link
        .rows(Step::new("reading the foreign keys"), sql, ids.to_vec())
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Key {
                name: link.get(row, 0)?,
                table: TableName::new(link.get::<String>(row, 1)?, link.get::<String>(row, 2)?),
                references: TableName::new(
                    link.get::<String>(row, 3)?,
                    link.get::<String>(row, 4)?,
                ),
                definition: link.get(row, 5)?,
                comment: link.get(row, 6)?,
            })
        })
        .collect()
}

async fn triggers(link: &mut Link, ids: &[Id]) -> Result<Vec<Trigger>, EngineError> {
    let sql = "
        SELECT t.tgname::text, n.nspname::text, c.relname::text, t.tgenabled::text
          FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE t.tgrelid = ANY($1) AND NOT t.tgisinternal AND t.tgenabled <> 'D'
         ORDER BY array_position($1, t.tgrelid), t.tgname";
    let rows = link
        .rows(Step::new("reading the triggers"), sql, ids.to_vec())
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Trigger {
                name: link.get(row, 0)?,
                table: TableName::new(link.get::<String>(row, 1)?, link.get::<String>(row, 2)?),
                enable: match link.get::<String>(row, 3)?.as_str() {
                    "A" => "ENABLE ALWAYS",
                    "R" => "ENABLE REPLICA",
                    _ => "ENABLE",
                },
            })
        })
        .collect()
}
