//! What stands in the way of replacing rows, set aside and put back exactly as it was: foreign keys that touch the
//! tables, checks that the tables' rows needn't fulfil, and the tables' own triggers.
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
    checks: Vec<Constraint>,
    triggers: Vec<Trigger>,
}

/// A constraint that was dropped.
#[derive(Debug)]
struct Constraint {
    name: String,
    table: TableName,
    /// Everything after `ADD CONSTRAINT name`: columns, actions, deferrability, and whether it is validated.
    definition: String,
    comment: Option<String>,
}

/// A foreign key.
#[derive(Debug)]
struct Key {
    constraint: Constraint,
    references: TableName,
    /// A query that counts the rows that point at nothing.
    dangling: String,
}

/// A trigger that was enabled in one way or another.
#[derive(Debug)]
struct Trigger {
    name: String,
    table: TableName,
    /// The clause that enables it the way it was.
    enable: &'static str,
}

impl Aside {
    /// Drops the foreign keys that start or end at the tables `ids` and the checks that are not validated, and
    /// disables the tables' triggers. Partitions must be among `ids`, after the table that they are a part of.
    pub(super) async fn set(link: &mut Link, ids: &[Id]) -> Result<Self, EngineError> {
        let aside = Self {
            keys: keys(link, ids).await?,
            checks: checks(link, ids).await?,
            triggers: triggers(link, ids).await?,
        };
        for key in &aside.keys {
            key.constraint
                .drop(link, "setting aside a foreign key of")
                .await?;
        }
        for check in &aside.checks {
            check.drop(link, "setting aside a check of").await?;
        }
        for trigger in &aside.triggers {
            trigger.alter(link, "DISABLE").await?;
        }
        Ok(aside)
    }

    /// Adds keys and checks again, each validated if it was before.
    pub(super) async fn put_constraints_back(&self, link: &mut Link) -> Result<(), EngineError> {
        for check in &self.checks {
            let step = Step::of("putting back a check of", &check.table);
            link.run(step, check.added()).await?;
        }
        for key in &self.keys {
            key.add(link).await?;
        }
        Ok(())
    }

    /// Enables the triggers as they were.
    pub(super) async fn put_triggers_back(&self, link: &mut Link) -> Result<(), EngineError> {
        for trigger in &self.triggers {
            trigger.alter(link, trigger.enable).await?;
        }
        Ok(())
    }
}

impl Constraint {
    async fn drop(&self, link: &mut Link, doing: &str) -> Result<(), EngineError> {
        let drop = format!(
            "ALTER TABLE {} DROP CONSTRAINT {}",
            sql::table(&self.table),
            sql::name(&self.name)
        );
        link.run(Step::of(doing, &self.table), drop).await
    }

    /// The statements that add it as it was, with its comment.
    fn added(&self) -> String {
        let (table, name) = (sql::table(&self.table), sql::name(&self.name));
        let mut statements = format!(
            "ALTER TABLE {table} ADD CONSTRAINT {name} {}",
            self.definition
        );
        if let Some(comment) = &self.comment {
            statements.push_str(&format!(
                "; COMMENT ON CONSTRAINT {name} ON {table} IS {}",
                sql::literal(comment)
            ));
        }
        statements
    }
}

impl Key {
    async fn add(&self, link: &mut Link) -> Result<(), EngineError> {
        let table = &self.constraint.table;
        let step = Step::of("validating a foreign key of", table);
        let add = format!("SAVEPOINT key; {}", self.constraint.added());
        if link.run_unless(step, add, FOREIGN_KEY_VIOLATION).await? {
            return link.run(step, "RELEASE SAVEPOINT key".into()).await;
        }
        link.run(step, "ROLLBACK TO SAVEPOINT key".into()).await?;
        let row = link.row(step, &self.dangling).await?;
        let rows: i64 = link.get(&row, 0)?;
        link.end();
        Err(EngineError::ForeignKey {
            key: self.constraint.name.clone(),
            table: table.to_string(),
            references: self.references.to_string(),
            // None of them points at nothing where a key MATCH FULL has some columns that are NULL.
            rows: (rows > 0).then_some(rows.unsigned_abs()),
        })
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
    // A key of a partitioned table has copies for its partitions, which come and go with it. The query that counts
    // compares as the key itself does: another operator of the same name may mean something else.
    let sql = "
        SELECT k.conname::text, n.nspname::text, c.relname::text, fn.nspname::text, f.relname::text,
               pg_get_constraintdef(k.oid), obj_description(k.oid, 'pg_constraint'),
               format('SELECT count(*) FROM %s%I.%I AS c WHERE (%s) IS NOT NULL AND NOT EXISTS (SELECT FROM %s%I.%I AS p WHERE %s)',
                      CASE WHEN c.relkind = 'p' THEN '' ELSE 'ONLY ' END, n.nspname, c.relname,
                      (SELECT string_agg(format('c.%I', a.attname), ', ')
                         FROM pg_attribute a WHERE a.attrelid = k.conrelid AND a.attnum = ANY(k.conkey)),
                      CASE WHEN f.relkind = 'p' THEN '' ELSE 'ONLY ' END, fn.nspname, f.relname,
                      (SELECT string_agg(format('p.%I OPERATOR(%I.%s) c.%I', fa.attname, opn.nspname, op.oprname, a.attname), ' AND ')
                         FROM unnest(k.conkey, k.confkey, k.conpfeqop) AS pair (here, there, operator)
                         JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = pair.here
                         JOIN pg_attribute fa ON fa.attrelid = k.confrelid AND fa.attnum = pair.there
                         JOIN pg_operator op ON op.oid = pair.operator JOIN pg_namespace opn ON opn.oid = op.oprnamespace))
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
                constraint: Constraint {
                    name: link.get(row, 0)?,
                    table: TableName::new(link.get::<String>(row, 1)?, link.get::<String>(row, 2)?),
                    definition: link.get(row, 5)?,
                    comment: link.get(row, 6)?,
                },
                references: TableName::new(
                    link.get::<String>(row, 3)?,
                    link.get::<String>(row, 4)?,
                ),
                dangling: link.get(row, 7)?,
            })
        })
        .collect()
}

/// Checks that are not validated: rows that violate them were there before them, and are archived like all others.
/// One that a table has from the table that it inherits from stays, since only that table could drop it.
async fn checks(link: &mut Link, ids: &[Id]) -> Result<Vec<Constraint>, EngineError> {
    let sql = "
        SELECT k.conname::text, n.nspname::text, c.relname::text, pg_get_constraintdef(k.oid),
               obj_description(k.oid, 'pg_constraint')
          FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE k.contype = 'c' AND NOT k.convalidated AND k.coninhcount = 0 AND k.conrelid = ANY($1)
         ORDER BY 2, 3, 1";
    let rows = link
        .rows(Step::new("reading the checks"), sql, ids.to_vec())
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Constraint {
                name: link.get(row, 0)?,
                table: TableName::new(link.get::<String>(row, 1)?, link.get::<String>(row, 2)?),
                definition: link.get(row, 3)?,
                comment: link.get(row, 4)?,
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
