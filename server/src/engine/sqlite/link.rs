//! A connection that works on threads that may block, and the names of its errors.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig};

use crate::engine::EngineError;

/// How long a lock of somebody else is waited for.
const BUSY_SECONDS: u64 = 15;

/// A connection, or nothing after work on it was abandoned.
pub(super) struct Link {
    connection: Option<Connection>,
    target: String,
}

impl Link {
    /// Opens a file that exists, for reading or for writing too.
    pub(super) async fn open(path: &Path, write: bool) -> Result<Self, EngineError> {
        let target = path.display().to_string();
        if !path.exists() {
            return Err(EngineError::NoFile { path: target });
        }
        let mode = if write {
            OpenFlags::SQLITE_OPEN_READ_WRITE
        } else {
            OpenFlags::SQLITE_OPEN_READ_ONLY
        };
        let (path, name) = (path.to_path_buf(), target.clone());
        let connection = blocking(&target, move || {
            let connection =
                Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
            connection.busy_timeout(Duration::from_secs(BUSY_SECONDS))?;
            // The file may come from anywhere: its schema gets no more than SQL needs.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
            Ok(connection)
        })
        .await?
        .map_err(|error| fail(&name, "opening it", &error))?;
        Ok(Self {
            connection: Some(connection),
            target,
        })
    }

    pub(super) fn target(&self) -> &str {
        &self.target
    }

    /// Does some work with the connection. If the caller stops waiting, the connection is closed after it, and an
    /// open transaction undone.
    pub(super) async fn with<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Connection) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, EngineError> {
        let connection = self.connection.take().ok_or_else(|| ended(&self.target))?;
        let (connection, result) = blocking(&self.target, move || {
            let result = work(&connection);
            (connection, result)
        })
        .await?;
        self.connection = Some(connection);
        result
    }

    /// Runs SQL without results.
    pub(super) async fn run(
        &mut self,
        doing: &'static str,
        sql: &'static str,
    ) -> Result<(), EngineError> {
        let target = self.target.clone();
        self.with(move |connection| {
            connection
                .execute_batch(sql)
                .map_err(|error| fail(&target, doing, &error))
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    target: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, EngineError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| ended(target))
}

fn ended(target: &str) -> EngineError {
    EngineError::Ended {
        target: target.to_owned(),
        why: "an earlier step did not end",
    }
}

/// The name of an error.
pub(super) fn fail(target: &str, doing: &str, error: &rusqlite::Error) -> EngineError {
    let (target, doing) = (target.to_owned(), doing.to_owned());
    let message = message(error);
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => EngineError::Busy {
            target,
            doing,
            seconds: BUSY_SECONDS,
        },
        Some(ErrorCode::NotADatabase) => EngineError::NotADatabase { path: target },
        Some(ErrorCode::ReadOnly) => EngineError::ReadOnly {
            target,
            reason: message,
        },
        Some(ErrorCode::PermissionDenied) => EngineError::PermissionDenied {
            target,
            doing,
            message,
        },
        _ => {
            let code = error.sqlite_error().map_or(0, |error| error.extended_code);
            EngineError::Database {
                target,
                doing,
                message,
                code: format!("SQLite {code}"),
            }
        }
    }
}

/// SQLite's own words. They name tables, columns and constraints, and hold no values.
pub(super) fn message(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    }
}
