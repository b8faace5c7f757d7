//! An open file, and errors that say what was being done.

use std::{fmt, fs, path::Path, time::Duration};

use coffer_core::schema::TableName;
use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig, ffi};

use crate::engine::{EngineError, sql};

/// How long a lock is waited for that somebody else holds.
pub(super) const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// An open database file.
pub(super) struct Link {
    pub(super) connection: Connection,
    /// The file's path, for errors.
    pub(super) target: String,
}

impl Link {
    /// Opens a file that exists.
    ///
    /// It is opened for writing where the file system lets us, also by those who only read: SQLite needs that to
    /// take part in the locking of a WAL database, to roll back what a crashed writer left behind, and to remove its
    /// own helper files when it was the last to close. Readers then forbid themselves to write.
    pub(super) fn open(path: &Path) -> Result<Self, EngineError> {
        let target = path.display().to_string();
        let metadata = fs::metadata(path).map_err(|_| EngineError::NoFile {
            path: target.clone(),
        })?;
        if !metadata.is_file() {
            return Err(EngineError::NotADatabase { path: target });
        }
        // Absolute, so that a name that starts with `file:` is not taken for a URI.
        let absolute = fs::canonicalize(path).map_err(|error| EngineError::CannotConnect {
            target: target.clone(),
            reason: error.to_string(),
        })?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(absolute, flags)
            .and_then(|connection| {
                connection.busy_timeout(LOCK_TIMEOUT)?;
                // The file may come from anywhere: its schema may use no function that reaches outside of it.
                connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
                Ok(connection)
            })
            .map_err(|error| translate(&target, &"opening the file", &error))?;
        Ok(Self { connection, target })
    }

    /// Names an error.
    pub(super) fn name(&self, doing: &dyn fmt::Display, error: &rusqlite::Error) -> EngineError {
        translate(&self.target, doing, error)
    }

    /// Runs statements that give no rows.
    pub(super) fn run(&self, doing: &dyn fmt::Display, sql: &str) -> Result<(), EngineError> {
        self.connection
            .execute_batch(sql)
            .map_err(|error| self.name(doing, &error))
    }

    /// The rows of a table, counted.
    pub(super) fn count(&self, table: &TableName) -> Result<u64, EngineError> {
        self.count_where_set(table, &[])
    }

    /// The rows of a table in which none of `columns` is NULL, counted.
    pub(super) fn count_where_set(
        &self,
        table: &TableName,
        columns: &[String],
    ) -> Result<u64, EngineError> {
        let mut sql = format!("SELECT count(*) FROM {}", sql::table(table));
        for (index, column) in columns.iter().enumerate() {
            sql.push_str(if index == 0 { " WHERE " } else { " AND " });
            sql.push_str(&sql::name(column));
            sql.push_str(" IS NOT NULL");
        }
        let count: i64 = self
            .connection
            .query_row(&sql, [], |row| row.get(0))
            .map_err(|error| self.name(&format_args!("counting the rows of {table}"), &error))?;
        Ok(count.unsigned_abs())
    }
}

fn translate(target: &str, doing: &dyn fmt::Display, error: &rusqlite::Error) -> EngineError {
    let target = target.to_owned();
    let doing = doing.to_string();
    let (code, message) = describe(error);
    let Some(code) = code else {
        return EngineError::Database {
            target,
            doing,
            message,
            code: "driver".into(),
        };
    };
    match code.code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => EngineError::Busy {
            target,
            doing,
            seconds: LOCK_TIMEOUT.as_secs(),
        },
        ErrorCode::NotADatabase => EngineError::NotADatabase { path: target },
        ErrorCode::ReadOnly => EngineError::ReadOnly {
            target,
            reason: message,
        },
        ErrorCode::DiskFull => EngineError::NoRoom {
            target,
            doing,
            message,
        },
        ErrorCode::CannotOpen | ErrorCode::PermissionDenied => EngineError::PermissionDenied {
            target,
            doing,
            message,
        },
        _ => EngineError::Database {
            target,
            doing,
            message,
            code: format!("SQLite {}", code.extended_code),
        },
    }
}

/// SQLite's code and message. Its messages name tables, columns and constraints and quote no values.
pub(super) fn describe(error: &rusqlite::Error) -> (Option<ffi::Error>, String) {
    match error {
        rusqlite::Error::SqliteFailure(code, message) => {
            let message = message.clone().unwrap_or_else(|| code.to_string());
            (Some(*code), message)
        }
        rusqlite::Error::SqlInputError { error, msg, .. } => (Some(*error), msg.clone()),
        other => (None, other.to_string()),
    }
}
