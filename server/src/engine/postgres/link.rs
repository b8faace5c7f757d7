//! A connection in a known state: settings under which text output is exact and the same everywhere, and errors
//! that say what was being done.

use std::{fmt, time::Duration};

use coffer_core::schema::TableName;
use sqlx::{
    AssertSqlSafe, Connection, Executor, PgConnection, Row,
    postgres::{PgDatabaseError, PgRow, types::Oid},
};
use tokio::time::timeout;

use super::copy::OutStatement;
use crate::engine::{EngineError, sql, url::PostgresUrl};

/// How long signing in may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a statement waits for a lock that somebody else holds.
pub(super) const LOCK_TIMEOUT: Duration = Duration::from_secs(10);
/// The oldest version, as `server_version_num` counts.
const OLDEST: (i32, &str) = (130_000, "PostgreSQL 13");

/// Settings under which the text form of every value is exact, reads back as the same value, and does not
/// depend on how server, database or role are configured.
const SETTINGS: &str = "
    SET client_encoding = 'UTF8';
    SET search_path = 'pg_catalog';
    SET DateStyle = 'ISO, YMD';
    SET IntervalStyle = 'postgres';
    SET TimeZone = 'UTC';
    SET extra_float_digits = 3;
    SET bytea_output = 'hex';
    SET lc_monetary = 'C';
    SET lc_numeric = 'C';
    SET xmloption = 'content';
    SET array_nulls = on;
    SET standard_conforming_strings = on;
    SET quote_all_identifiers = off;
    SET synchronize_seqscans = off;
    SET jit = off;
    SET row_security = off;
    SET statement_timeout = 0;
    SET idle_in_transaction_session_timeout = 0;
    SELECT set_config(name, '0', false) FROM pg_settings
     WHERE name IN ('idle_session_timeout', 'transaction_timeout');
";

/// What is being done, for errors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step<'a> {
    what: &'a str,
    table: Option<&'a TableName>,
}

impl<'a> Step<'a> {
    /// A step that concerns no table in particular.
    pub(super) const fn new(what: &'a str) -> Self {
        Self { what, table: None }
    }

    /// A step that concerns one table, whose name follows `what`.
    pub(super) const fn of(what: &'a str, table: &'a TableName) -> Self {
        Self {
            what,
            table: Some(table),
        }
    }
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.table {
            Some(table) => write!(f, "{} {table}", self.what),
            None => f.write_str(self.what),
        }
    }
}

/// A connection with its name and state.
pub(super) struct Link {
    connection: PgConnection,
    target: String,
    user: String,
    version: String,
    /// The version as `server_version_num` counts.
    number: i32,
    /// The search path that database and role give an ordinary session.
    app_path: String,
    /// Set by an error that leaves the connection's state unknown.
    broken: bool,
}

impl Link {
    /// Signs in and sets the session up.
    pub(super) async fn open(url: &PostgresUrl) -> Result<Self, EngineError> {
        let target = url.target();
        let connecting = timeout(CONNECT_TIMEOUT, PgConnection::connect_with(url.options()));
        let connection = match connecting.await {
            Err(_) => {
                return Err(EngineError::CannotConnect {
                    target,
                    reason: format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()),
                });
            }
            Ok(Err(error)) => return Err(connect_error(target, url.user(), &error)),
            Ok(Ok(connection)) => connection,
        };
        let mut link = Self {
            connection,
            target,
            user: url.user().to_owned(),
            version: String::new(),
            number: 0,
            app_path: String::new(),
            broken: false,
        };
        let step = Step::new("setting the session up");
        let row = link
            .row(step, "SELECT pg_catalog.current_setting('search_path')")
            .await?;
        link.app_path = link.get(&row, 0)?;
        link.run(step, SETTINGS.into()).await?;
        link.run(
            step,
            format!("SET lock_timeout = {}", LOCK_TIMEOUT.as_millis()),
        )
        .await?;
        let row = link
            .row(
                step,
                "SELECT current_setting('server_version'), current_setting('server_version_num')::int4",
            )
            .await?;
        link.version = link.get(&row, 0)?;
        link.number = link.get(&row, 1)?;
        if link.number < OLDEST.0 {
            return Err(EngineError::Version {
                target: link.target,
                found: link.version,
                oldest: OLDEST.1,
            });
        }
        Ok(link)
    }

    /// The database's name for people.
    pub(super) fn target(&self) -> &str {
        &self.target
    }

    /// The server's version.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// The server's version as `server_version_num` counts, e.g. 150012.
    pub(super) const fn number(&self) -> i32 {
        self.number
    }

    /// Until the end of the transaction or [`Link::use_own_path`], functions of the application that name things without
    /// their schema find them, as they do in the application's own sessions: checks, generated columns, expressions of
    /// indexes, and materialised views may call such functions. An index is enough for every query of its table to need
    /// this, since planning the query looks into the function.
    pub(super) async fn use_app_path(&mut self) -> Result<(), EngineError> {
        let path = self.app_path.clone();
        self.set_path(&path).await
    }

    /// The search path for reading rows.
    pub(super) async fn use_path_of(
        &mut self,
        statement: &OutStatement,
    ) -> Result<(), EngineError> {
        if statement.prints_names {
            return Ok(());
        }
        self.use_app_path().await
    }

    /// The search path under which everything is printed with its schema.
    pub(super) async fn use_own_path(&mut self) -> Result<(), EngineError> {
        self.set_path("pg_catalog").await
    }

    async fn set_path(&mut self, path: &str) -> Result<(), EngineError> {
        let set = format!(
            "SELECT pg_catalog.set_config('search_path', {}, true)",
            sql::literal(path)
        );
        self.run(Step::new("setting the search path"), set).await
    }

    fn connection(&mut self) -> Result<&mut PgConnection, EngineError> {
        if self.broken {
            return Err(EngineError::Ended {
                target: self.target.clone(),
                why: "an earlier step failed or was cancelled",
            });
        }
        Ok(&mut self.connection)
    }

    /// The bare connection, for COPY. Until [`Link::copied`] says that all of it went through, the session counts as
    /// ended: the rest of a COPY that is abandoned would be taken for the next answer.
    pub(super) fn for_copy(&mut self) -> Result<&mut PgConnection, EngineError> {
        self.connection()?;
        self.broken = true;
        Ok(&mut self.connection)
    }

    /// A COPY came to its proper end.
    pub(super) const fn copied(&mut self) {
        self.broken = false;
    }

    /// Runs statements that give no rows.
    pub(super) async fn run(&mut self, step: Step<'_>, sql: String) -> Result<(), EngineError> {
        let connection = self.connection()?;
        match connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.fail(step, &error)),
        }
    }

    /// The bare connection, for statements whose errors are named elsewhere.
    pub(super) fn for_statement(&mut self) -> Result<&mut PgConnection, EngineError> {
        self.connection()
    }

    /// Runs statements that the database may refuse with the SQLSTATE `code`. Says whether they ran; if they
    /// didn't, the transaction is to be rolled back.
    pub(super) async fn run_unless(
        &mut self,
        step: Step<'_>,
        sql: String,
        code: &str,
    ) -> Result<bool, EngineError> {
        let connection = self.connection()?;
        match connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await {
            Ok(_) => Ok(true),
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(code) => Ok(false),
            Err(error) => Err(self.fail(step, &error)),
        }
    }

    /// The rows of a query about the tables or schemas given as `$1`.
    pub(super) async fn rows<'q, T>(
        &mut self,
        step: Step<'_>,
        sql: &'static str,
        argument: T,
    ) -> Result<Vec<PgRow>, EngineError>
    where
        T: sqlx::Encode<'q, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + 'q,
    {
        let connection = self.connection()?;
        let query = sqlx::query(sql).bind(argument);
        match connection.fetch_all(query).await {
            Ok(rows) => Ok(rows),
            Err(error) => Err(self.fail(step, &error)),
        }
    }

    /// The rows of a composed query.
    pub(super) async fn composed(
        &mut self,
        step: Step<'_>,
        sql: String,
    ) -> Result<Vec<PgRow>, EngineError> {
        let connection = self.connection()?;
        let query = sqlx::query(AssertSqlSafe(sql));
        match connection.fetch_all(query).await {
            Ok(rows) => Ok(rows),
            Err(error) => Err(self.fail(step, &error)),
        }
    }

    /// The one row of a query.
    pub(super) async fn row(&mut self, step: Step<'_>, sql: &str) -> Result<PgRow, EngineError> {
        let connection = self.connection()?;
        let query = sqlx::query(AssertSqlSafe(sql));
        match connection.fetch_one(query).await {
            Ok(row) => Ok(row),
            Err(error) => Err(self.fail(step, &error)),
        }
    }

    /// A value of a row.
    pub(super) fn get<'r, T>(&self, row: &'r PgRow, index: usize) -> Result<T, EngineError>
    where
        T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        row.try_get(index).map_err(|error| {
            translate(
                &self.target,
                &self.user,
                Step::new("reading the catalog"),
                &error,
            )
        })
    }

    /// Ends the session after an error that was named elsewhere.
    pub(super) const fn end(&mut self) {
        self.broken = true;
    }

    /// Names an error, and ends the session: its transaction is aborted.
    pub(super) fn fail(&mut self, step: Step<'_>, error: &sqlx::Error) -> EngineError {
        self.broken = true;
        translate(&self.target, &self.user, step, error)
    }

    /// The first row of somebody else's query, which ran inside of a savepoint: what the database refuses there
    /// can be rolled back without ending the session.
    pub(super) async fn attempt(
        &mut self,
        step: Step<'_>,
        sql: String,
    ) -> Result<Option<PgRow>, EngineError> {
        // Prepared, so that it can be only one statement and can't end the transaction.
        let query = sqlx::query(AssertSqlSafe(sql));
        match self.connection()?.fetch_optional(query).await {
            Ok(row) => Ok(row),
            Err(error) => {
                self.broken = !matches!(error, sqlx::Error::Database(_));
                Err(translate(&self.target, &self.user, step, &error))
            }
        }
    }

    /// Runs one statement inside of a savepoint, and gives the rows that it affected or why the database refused it.
    /// After a refusal the savepoint has to be rolled back to.
    pub(super) async fn attempt_to_run(
        &mut self,
        step: Step<'_>,
        sql: String,
    ) -> Result<Result<u64, Refused>, EngineError> {
        let query = sqlx::query(AssertSqlSafe(sql));
        match self.connection()?.execute(query).await {
            Ok(done) => Ok(Ok(done.rows_affected())),
            Err(sqlx::Error::Database(error)) => Ok(Err(Refused {
                code: error.code().unwrap_or_default().into_owned(),
                constraint: error.constraint().map(str::to_owned),
            })),
            Err(error) => Err(self.fail(step, &error)),
        }
    }

    /// The rows of a table, counted.
    pub(super) async fn count(
        &mut self,
        table: &TableName,
        from: &str,
    ) -> Result<u64, EngineError> {
        let sql = format!("SELECT count(*) FROM {from}");
        self.use_app_path().await?;
        let row = self
            .row(Step::of("counting the rows of", table), &sql)
            .await?;
        self.use_own_path().await?;
        let count: i64 = self.get(&row, 0)?;
        Ok(count.unsigned_abs())
    }
}

/// Why a statement was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// The SQLSTATE.
    pub(super) code: String,
    /// The constraint that is violated.
    pub(super) constraint: Option<String>,
}

/// An identifier of a catalog row.
pub(super) type Id = Oid;

fn connect_error(target: String, user: &str, error: &sqlx::Error) -> EngineError {
    let reason = match error {
        sqlx::Error::Database(inner) => match inner.code().as_deref() {
            Some("28P01" | "28000") => {
                return EngineError::SignInRefused {
                    target,
                    user: user.to_owned(),
                };
            }
            Some("3D000") => return EngineError::NoDatabase { target },
            _ => inner.message().to_owned(),
        },
        sqlx::Error::Io(inner) => inner.to_string(),
        sqlx::Error::Tls(inner) => inner.to_string(),
        other => other.to_string(),
    };
    EngineError::CannotConnect { target, reason }
}

fn translate(target: &str, user: &str, step: Step<'_>, error: &sqlx::Error) -> EngineError {
    let target = target.to_owned();
    let doing = step.to_string();
    let inner = match error {
        sqlx::Error::Database(inner) => inner,
        sqlx::Error::Io(inner) => {
            return EngineError::ConnectionLost {
                target,
                doing,
                reason: inner.to_string(),
            };
        }
        other => {
            return EngineError::Database {
                target,
                doing,
                message: other.to_string(),
                code: "driver".into(),
            };
        }
    };
    let code = inner.code().unwrap_or_default().into_owned();
    let routine = inner
        .try_downcast_ref::<PgDatabaseError>()
        .and_then(PgDatabaseError::routine);
    let message = inner.message().to_owned();
    match code.as_str() {
        "28P01" | "28000" => EngineError::SignInRefused {
            target,
            user: user.to_owned(),
        },
        // Row security has no code of its own, and messages are translated; the routine's name is neither shared
        // nor translated.
        "42501" if routine == Some("check_enable_rls") => EngineError::RowSecurity {
            table: step.table.map_or(doing, TableName::to_string),
        },
        "42501" => EngineError::PermissionDenied {
            target,
            doing,
            message,
        },
        "55P03" | "40P01" => EngineError::Busy {
            target,
            doing,
            seconds: LOCK_TIMEOUT.as_secs(),
        },
        "53100" => EngineError::NoRoom {
            target,
            doing,
            message,
        },
        "25006" => EngineError::ReadOnly {
            target,
            reason: message,
        },
        "57P01" | "57P02" | "57P03" | "57P05" => EngineError::ConnectionLost {
            target,
            doing,
            reason: message,
        },
        _ => EngineError::Database {
            target,
            doing,
            message: if quotes_values(&code) {
                "a value is refused".into()
            } else {
                message
            },
            code,
        },
    }
}

/// Whether messages of this SQLSTATE may quote a value: data exceptions, and what functions raise themselves.
pub(super) fn quotes_values(code: &str) -> bool {
    code.starts_with("22") || code.starts_with("P0")
}
