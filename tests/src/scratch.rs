//! Databases that a test makes for itself, of either kind, and looks at by its own queries.

use std::{path::PathBuf, sync::Arc};

use rusqlite::{Connection, types::Value};
use tempfile::TempDir;

use crate::postgres::{self, Server};

/// Where a test's databases are.
#[derive(Debug)]
pub struct Scratch {
    server: Option<Arc<Server>>,
    folder: TempDir,
    runtime: tokio::runtime::Runtime,
}

/// One database.
#[derive(Clone, Debug)]
pub enum Database {
    /// An SQLite file.
    Sqlite(PathBuf),
    /// The name of one on a PostgreSQL server.
    Postgres(String),
}

impl Scratch {
    /// With SQLite files.
    #[must_use]
    pub fn sqlite() -> Self {
        Self::on(None)
    }

    /// With databases of a PostgreSQL server.
    #[must_use]
    pub fn postgres() -> Self {
        Self::on(Some(Server::shared()))
    }

    fn on(server: Option<Arc<Server>>) -> Self {
        Self {
            server,
            folder: tempfile::tempdir().unwrap(),
            runtime: tokio::runtime::Runtime::new().unwrap(),
        }
    }

    /// Whether its databases are SQLite files.
    #[must_use]
    pub const fn is_sqlite(&self) -> bool {
        self.server.is_none()
    }

    /// A path in a folder of the test's own.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A new database with what the statements make.
    ///
    /// # Panics
    /// If a statement fails.
    pub fn database(&self, name: &str, sql: &str) -> Database {
        let database = match &self.server {
            None => Database::Sqlite(self.path(name)),
            Some(server) => Database::Postgres(self.runtime.block_on(server.create_database())),
        };
        self.run(&database, sql);
        database
    }

    /// The database's URL.
    #[must_use]
    pub fn url(&self, database: &Database) -> String {
        match (database, &self.server) {
            (Database::Postgres(name), Some(server)) => server.url(name),
            (Database::Sqlite(path), _) => format!("sqlite:{}", path.display()),
            (Database::Postgres(_), None) => panic!("there is no server"),
        }
    }

    /// Runs statements.
    ///
    /// # Panics
    /// If one fails.
    pub fn run(&self, database: &Database, sql: &str) {
        match (database, &self.server) {
            (Database::Postgres(name), Some(server)) => self.runtime.block_on(async {
                postgres::run(&mut server.connect(name).await, sql).await;
            }),
            (Database::Sqlite(path), _) => {
                Connection::open(path).unwrap().execute_batch(sql).unwrap();
            }
            (Database::Postgres(_), None) => panic!("there is no server"),
        }
    }

    /// The one column of a query's rows as text, sorted; NULL is the empty text.
    ///
    /// # Panics
    /// If it fails.
    #[must_use]
    pub fn texts(&self, database: &Database, sql: &str) -> Vec<String> {
        match (database, &self.server) {
            (Database::Postgres(name), Some(server)) => self
                .runtime
                .block_on(async { postgres::texts(&mut server.connect(name).await, sql).await }),
            (Database::Sqlite(path), _) => {
                let connection = Connection::open(path).unwrap();
                let mut statement = connection.prepare(sql).unwrap();
                let rows = statement.query_map([], |row| row.get::<_, Value>(0));
                let mut texts: Vec<String> = rows
                    .unwrap()
                    .map(|value| match value.unwrap() {
                        Value::Null => String::new(),
                        Value::Integer(number) => number.to_string(),
                        Value::Real(number) => format!("{number:?}"),
                        Value::Text(text) => text,
                        Value::Blob(bytes) => format!("{bytes:?}"),
                    })
                    .collect();
                texts.sort();
                texts
            }
            (Database::Postgres(_), None) => panic!("there is no server"),
        }
    }
}
