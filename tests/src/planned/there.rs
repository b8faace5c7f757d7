//! What really is in a database and in folders, looked at without any of the product's code.

use std::{collections::BTreeMap, path::PathBuf};

use rusqlite::{Connection, OpenFlags, types::ValueRef};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row};

use super::{Command, list, merges, name, number};
use crate::two_sides::files_below;

/// Of tables with more rows than this, only the number is looked at.
const MANY: u64 = 20_000;

/// The rows of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rows {
    pub(super) number: u64,
    /// How often each row is there, by a digest of all its values; `None` for large tables.
    pub(super) each: Option<BTreeMap<i64, u64>>,
}

impl Rows {
    pub(super) fn of(rows: Vec<i64>) -> Self {
        let number = rows.len() as u64;
        let mut each = BTreeMap::new();
        for row in rows {
            *each.entry(row).or_insert(0) += 1;
        }
        Self {
            number,
            each: Some(each),
        }
    }

    /// How many rows of these are no more among `others`; `None` if only their number is known.
    fn gone(&self, others: &Self) -> Option<u64> {
        let (own, others) = (self.each.as_ref()?, others.each.as_ref()?);
        let left = |row: &i64| others.get(row).copied().unwrap_or_default();
        Some(
            own.iter()
                .map(|(row, times)| times.saturating_sub(left(row)))
                .sum(),
        )
    }
}

/// What is in the target of a restore.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct There {
    /// Nothing where the command doesn't name the database by its URL, or where there is none.
    pub(super) tables: Option<BTreeMap<String, Rows>>,
    /// How many files each set has.
    pub(super) file_sets: BTreeMap<String, u64>,
}

impl There {
    /// Looks into the target of a command, as far as that names it.
    #[must_use]
    pub fn of(command: &Command, environment: &[(&str, &str)]) -> Self {
        let sets = command.values("--files");
        let sets = sets.filter_map(|set| set.split_once('='));
        Self::at(
            command.target(environment),
            sets.map(|(set, folder)| (set.to_owned(), PathBuf::from(folder))),
        )
    }

    /// Looks into a database, and into the folders of file sets.
    #[must_use]
    pub fn at(url: Option<&str>, file_sets: impl Iterator<Item = (String, PathBuf)>) -> Self {
        Self {
            tables: url.and_then(tables),
            file_sets: file_sets
                .map(|(set, folder)| (set, files_below(&folder).len() as u64))
                .collect(),
        }
    }

    /// Checks that it became what a plan says.
    ///
    /// # Panics
    /// If it became anything else.
    pub fn became(&self, after: &Self, plan: &Value) {
        let found = self.differences(after, plan);
        assert!(
            found.is_empty(),
            "the plan lied: {}\nplan {plan}",
            found.join("; ")
        );
    }

    /// What became of it otherwise than a plan says.
    #[must_use]
    pub fn differences(&self, after: &Self, plan: &Value) -> Vec<String> {
        let mut found = Vec::new();
        if let (Some(before), Some(after)) = (&self.tables, &after.tables) {
            for (table, rows) in before {
                let planned = list(&plan["tables"]).iter().find(|one| name(one) == *table);
                let now = after.get(table).cloned().unwrap_or_default();
                let differ = match planned {
                    Some(planned) => of_table(planned, rows, &now),
                    None if *rows == now => Vec::new(),
                    None => vec!["not planned, and changed".to_owned()],
                };
                found.extend(differ.iter().map(|what| format!("{table}: {what}")));
            }
            for table in list(&plan["tables"]).iter().map(name) {
                if !before.contains_key(&table) {
                    found.push(format!("{table}: planned, and not there"));
                }
            }
        }
        for set in list(&plan["file_sets"]) {
            let name = name(set);
            let at = |there: &Self| there.file_sets.get(&name).copied();
            let (Some(before), Some(now)) = (at(self), at(after)) else {
                continue;
            };
            let counts = &set["merge"];
            let (comes, goes) = match merges(plan) {
                true => (number(counts, "add"), number(counts, "remove")),
                false => (number(set, "insert"), number(set, "delete")),
            };
            if before + comes != now + goes {
                found.push(format!(
                    "files {name}: {before} before, {comes} planned to come, {goes} to go, {now} there"
                ));
            }
        }
        found
    }
}

/// What became of a table otherwise than planned.
fn of_table(planned: &Value, before: &Rows, now: &Rows) -> Vec<String> {
    let mut found = Vec::new();
    let mut expect = |what: &str, said: u64, is: u64| {
        if said != is {
            found.push(format!("{said} rows planned {what}, {is} found"));
        }
    };
    let Some(counts) = planned.get("merge") else {
        expect("to go", number(planned, "delete"), before.number);
        expect("to come", number(planned, "insert"), now.number);
        return found;
    };
    let [insert, update, delete, detached] =
        ["insert", "update", "delete", "detached"].map(|key| number(counts, key));
    expect(
        "in the end",
        (before.number + insert).saturating_sub(delete),
        now.number,
    );
    if let (Some(gone), Some(new)) = (before.gone(now), now.gone(before)) {
        // A row whose reference is made NULL may be one that changes in other ways too.
        expect(
            "to go or change",
            gone.clamp(update + delete, update + delete + detached),
            gone,
        );
        expect(
            "to come or change",
            new.clamp(update + insert, update + insert + detached),
            new,
        );
    }
    found
}

/// The rows of all tables of a database; `None` if there is none at this place that can be looked into.
fn tables(url: &str) -> Option<BTreeMap<String, Rows>> {
    if let Some(path) = url.strip_prefix("sqlite:") {
        return PathBuf::from(path).is_file().then(|| sqlite(path));
    }
    // The caller may be within a runtime.
    let url = url.to_owned();
    let looking = std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(postgres(&url))
    });
    looking.join().unwrap()
}

fn sqlite(path: &str) -> BTreeMap<String, Rows> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    connection
        .busy_timeout(std::time::Duration::from_secs(20))
        .unwrap();
    let names = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    let mut statement = connection.prepare(names).unwrap();
    let names = statement
        .query_map([], |row| row.get::<_, String>(0))
        .unwrap();
    names
        .map(|table| {
            let table = table.unwrap();
            let rows = sqlite_rows(&connection, &table)
                .unwrap_or_else(|error| panic!("{error} in {table} of {path}"));
            (format!("main.{table}"), rows)
        })
        .collect()
}

fn sqlite_rows(connection: &Connection, table: &str) -> rusqlite::Result<Rows> {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let from = format!("FROM \"{}\"", table.replace('"', "\"\""));
    let number = connection.query_row(&format!("SELECT count(*) {from}"), [], |row| {
        row.get::<_, i64>(0)
    })?;
    let number = number.unsigned_abs();
    if number > MANY {
        return Ok(Rows { number, each: None });
    }
    let mut statement = connection.prepare(&format!("SELECT * {from}"))?;
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| {
        let mut hasher = DefaultHasher::new();
        for column in 0..columns {
            match row.get_ref(column)? {
                ValueRef::Null => 0.hash(&mut hasher),
                ValueRef::Integer(number) => (1, number).hash(&mut hasher),
                ValueRef::Real(number) => (2, number.to_bits()).hash(&mut hasher),
                ValueRef::Text(text) => (3, text).hash(&mut hasher),
                ValueRef::Blob(bytes) => (4, bytes).hash(&mut hasher),
            }
        }
        Ok(hasher.finish().cast_signed())
    })?;
    Ok(Rows::of(rows.collect::<Result<_, _>>()?))
}

async fn postgres(url: &str) -> Option<BTreeMap<String, Rows>> {
    let mut connection = PgConnection::connect(url).await.ok()?;
    // Rows of partitions are those of their parent; rows of other children are their own.
    let names = "SELECT n.nspname, c.relname, c.relkind = 'p',
                        format('%I.%I', n.nspname, c.relname)
                 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
                   AND n.nspname NOT IN ('pg_catalog', 'information_schema')
                   AND c.relpersistence <> 't' AND has_table_privilege(c.oid, 'SELECT')";
    let listed = sqlx::query(names).fetch_all(&mut connection).await.unwrap();
    let mut tables = BTreeMap::new();
    for table in listed {
        let [schema, name, quoted] = [0, 1, 3].map(|at| table.get::<String, _>(at));
        let only = if table.get(2) { "" } else { "ONLY " };
        let from = format!("FROM {only}{quoted} t");
        let number: i64 = sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) {from}")))
            .fetch_one(&mut connection)
            .await
            .unwrap();
        let number = number.unsigned_abs();
        let rows = if number > MANY {
            Rows { number, each: None }
        } else {
            let digests = format!("SELECT hashtextextended(t::text, 0) {from}");
            let digests = sqlx::query_scalar(AssertSqlSafe(digests));
            Rows::of(digests.fetch_all(&mut connection).await.unwrap())
        };
        tables.insert(format!("{schema}.{name}"), rows);
    }
    connection.close().await.unwrap();
    Some(tables)
}
