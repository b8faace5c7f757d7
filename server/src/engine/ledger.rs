//! Migration ledgers: the tables in which migration tools write down what they have done.
//!
//! A ledger describes the schema and not the application's data. Restoring one would make the target's
//! migration tool believe in a schema that the target doesn't have, so a ledger is recorded as the migration
//! head and is not archived. A table counts as a ledger only if its name and all its columns say so; one that
//! merely shares the name is data like any other.

use coffer_core::schema::{Schema, Table, TableName};

/// What the ledger of one migration tool looks like. Names are compared without regard to ASCII case.
#[derive(Debug)]
pub(super) struct Ledger {
    /// The table.
    table: &'static str,
    /// Columns that it must have.
    required: &'static [&'static str],
    /// Columns that it may have besides these, by the tool's version; any other makes it an ordinary table.
    optional: &'static [&'static str],
    /// The column that names a migration.
    head: &'static str,
    /// The column by which the last migration is the greatest.
    last_by: &'static str,
    /// A condition that a migration which took place fulfils, in SQL that both engines understand.
    done: &'static str,
    /// Whether several heads may stand side by side; else only the last entry counts.
    several: bool,
    /// A further table of the same tool that holds a lock and no data.
    lock: Option<(&'static str, &'static [&'static str])>,
}

const PLAIN: Ledger = Ledger {
    table: "",
    required: &[],
    optional: &[],
    head: "version",
    last_by: "version",
    done: "",
    several: false,
    lock: None,
};

/// The tools that are known. Where an application has several ledgers, the first in this order is recorded and
/// the others stay data.
const LEDGERS: &[Ledger] = &[
    // Diesel
    Ledger {
        table: "__diesel_schema_migrations",
        required: &["version", "run_on"],
        ..PLAIN
    },
    // sqlx
    Ledger {
        table: "_sqlx_migrations",
        required: &[
            "version",
            "description",
            "installed_on",
            "success",
            "checksum",
        ],
        optional: &["execution_time"],
        done: "success",
        ..PLAIN
    },
    // Alembic
    Ledger {
        table: "alembic_version",
        required: &["version_num"],
        head: "version_num",
        last_by: "version_num",
        several: true,
        ..PLAIN
    },
    // Prisma
    Ledger {
        table: "_prisma_migrations",
        required: &[
            "id",
            "checksum",
            "finished_at",
            "migration_name",
            "rolled_back_at",
        ],
        optional: &["logs", "started_at", "applied_steps_count"],
        head: "migration_name",
        last_by: "migration_name",
        done: "finished_at IS NOT NULL AND rolled_back_at IS NULL",
        ..PLAIN
    },
    // Django
    Ledger {
        table: "django_migrations",
        required: &["id", "app", "name", "applied"],
        head: "name",
        last_by: "id",
        ..PLAIN
    },
    // Rails, golang-migrate, Ecto, dbmate
    Ledger {
        table: "schema_migrations",
        required: &["version"],
        optional: &["dirty", "inserted_at"],
        ..PLAIN
    },
    // Flyway
    Ledger {
        table: "flyway_schema_history",
        required: &["installed_rank", "version", "script", "success"],
        optional: &[
            "description",
            "type",
            "checksum",
            "installed_by",
            "installed_on",
            "execution_time",
        ],
        last_by: "installed_rank",
        done: "success AND version IS NOT NULL",
        ..PLAIN
    },
    // Liquibase
    Ledger {
        table: "databasechangelog",
        required: &["id", "author", "filename", "dateexecuted", "orderexecuted"],
        optional: &[
            "exectype",
            "md5sum",
            "description",
            "comments",
            "tag",
            "liquibase",
            "contexts",
            "labels",
            "deployment_id",
        ],
        head: "id",
        last_by: "orderexecuted",
        lock: Some((
            "databasechangeloglock",
            &["id", "locked", "lockgranted", "lockedby"],
        )),
        ..PLAIN
    },
    // Knex
    Ledger {
        table: "knex_migrations",
        required: &["id", "name", "batch", "migration_time"],
        head: "name",
        last_by: "id",
        lock: Some(("knex_migrations_lock", &["index", "is_locked"])),
        ..PLAIN
    },
    // TypeORM
    Ledger {
        table: "migrations",
        required: &["id", "timestamp", "name"],
        head: "name",
        last_by: "id",
        ..PLAIN
    },
    // Laravel
    Ledger {
        table: "migrations",
        required: &["id", "migration", "batch"],
        head: "migration",
        last_by: "id",
        ..PLAIN
    },
    // Drizzle
    Ledger {
        table: "__drizzle_migrations",
        required: &["id", "hash", "created_at"],
        head: "hash",
        last_by: "created_at",
        ..PLAIN
    },
    // goose
    Ledger {
        table: "goose_db_version",
        required: &["id", "version_id", "is_applied", "tstamp"],
        head: "version_id",
        last_by: "id",
        done: "is_applied",
        ..PLAIN
    },
    // Entity Framework Core
    Ledger {
        table: "__EFMigrationsHistory",
        required: &["MigrationId", "ProductVersion"],
        head: "MigrationId",
        last_by: "MigrationId",
        ..PLAIN
    },
    // Sequelize
    Ledger {
        table: "SequelizeMeta",
        required: &["name"],
        head: "name",
        last_by: "name",
        ..PLAIN
    },
    // Refinery
    Ledger {
        table: "refinery_schema_history",
        required: &["version", "name", "applied_on", "checksum"],
        ..PLAIN
    },
];

/// A ledger found in a database, taken out of its schema.
#[derive(Debug)]
pub(super) struct Found {
    /// The ledger's table.
    pub(super) table: TableName,
    /// All tables that were taken out: the ledger, and its tool's lock.
    pub(super) taken: Vec<TableName>,
    /// A query that gives the heads, one a row, as text.
    pub(super) query: String,
}

/// Takes the migration ledger, if there is one, out of a schema. `quote` quotes a name for the engine.
pub(super) fn take(schema: &mut Schema, quote: impl Fn(&str) -> String) -> Option<Found> {
    let (ledger, table) = LEDGERS.iter().find_map(|ledger| {
        let table = schema.tables.iter().find(|table| ledger.matches(table))?;
        Some((ledger, table))
    })?;
    let name = table.name.clone();
    let query = ledger.query(table, &quote);
    let lock = ledger.lock.and_then(|(lock, columns)| {
        schema
            .tables
            .iter()
            .find(|table| table.name.schema == name.schema && looks_like(table, lock, columns, &[]))
    });
    let mut taken = vec![name.clone()];
    taken.extend(lock.map(|table| table.name.clone()));
    schema.tables.retain(|table| !taken.contains(&table.name));
    Some(Found {
        table: name,
        taken,
        query,
    })
}

impl Ledger {
    fn matches(&self, table: &Table) -> bool {
        looks_like(table, self.table, self.required, self.optional)
    }

    fn query(&self, table: &Table, quote: &impl Fn(&str) -> String) -> String {
        // The spelling of the database's own columns, in case it differs from the rule's.
        let column = |name: &str| {
            let own = table
                .columns
                .iter()
                .find(|column| column.name.eq_ignore_ascii_case(name));
            quote(own.map_or(name, |column| column.name.as_str()))
        };
        let mut query = format!(
            "SELECT CAST({} AS text) FROM {}.{}",
            column(self.head),
            quote(&table.name.schema),
            quote(&table.name.name)
        );
        if !self.done.is_empty() {
            query.push_str(" WHERE ");
            query.push_str(self.done);
        }
        query.push_str(" ORDER BY ");
        query.push_str(&column(self.last_by));
        query.push_str(if self.several {
            // More heads than a person could tell apart would only be a longer text.
            " LIMIT 16"
        } else {
            " DESC LIMIT 1"
        });
        query
    }
}

fn looks_like(table: &Table, name: &str, required: &[&str], optional: &[&str]) -> bool {
    let has = |column: &str| {
        table
            .columns
            .iter()
            .any(|own| own.name.eq_ignore_ascii_case(column))
    };
    let known = |own: &str| {
        required
            .iter()
            .chain(optional)
            .any(|column| own.eq_ignore_ascii_case(column))
    };
    table.name.name.eq_ignore_ascii_case(name)
        && required.iter().all(|column| has(column))
        && table.columns.iter().all(|own| known(&own.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use coffer_core::schema::Column;

    fn table(name: &str, columns: &[&str]) -> Table {
        Table {
            name: TableName::new("public", name),
            columns: columns
                .iter()
                .map(|name| Column {
                    name: (*name).into(),
                    type_name: "text".into(),
                    nullable: true,
                    default: None,
                    generated: false,
                    identity: false,
                })
                .collect(),
            primary_key: vec![],
            unique: vec![],
            foreign_keys: vec![],
        }
    }

    fn quote(name: &str) -> String {
        format!("[{name}]")
    }

    #[test]
    fn a_ledger_is_taken_out_with_its_lock() {
        let mut schema = Schema {
            tables: vec![
                table(
                    "DATABASECHANGELOG",
                    &["ID", "AUTHOR", "FILENAME", "DATEEXECUTED", "ORDEREXECUTED"],
                ),
                table(
                    "DATABASECHANGELOGLOCK",
                    &["ID", "LOCKED", "LOCKGRANTED", "LOCKEDBY"],
                ),
                table("users", &["id"]),
            ],
        };
        let found = take(&mut schema, quote).unwrap();
        assert_eq!(found.taken.len(), 2);
        assert_eq!(schema.tables.len(), 1);
        assert_eq!(
            found.query,
            "SELECT CAST([ID] AS text) FROM [public].[DATABASECHANGELOG] ORDER BY [ORDEREXECUTED] DESC LIMIT 1"
        );
    }

    #[test]
    fn a_table_that_only_shares_the_name_stays_data() {
        for (name, columns) in [
            ("migrations", &["id", "name", "timestamp", "patient_id"][..]),
            ("schema_migrations", &["version", "approved_by"]),
            ("django_migrations", &["id", "app"]),
        ] {
            let mut schema = Schema {
                tables: vec![table(name, columns)],
            };
            assert!(take(&mut schema, quote).is_none(), "{name}");
            assert_eq!(schema.tables.len(), 1);
        }
    }

    #[test]
    fn tools_that_share_a_table_name_are_told_apart_by_columns() {
        for (columns, head) in [
            (&["id", "timestamp", "name"][..], "[name]"),
            (&["id", "migration", "batch"], "[migration]"),
        ] {
            let mut schema = Schema {
                tables: vec![table("migrations", columns)],
            };
            let found = take(&mut schema, quote).unwrap();
            assert!(found.query.contains(head), "{}", found.query);
        }
    }
}
