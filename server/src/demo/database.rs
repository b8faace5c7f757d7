//! The help desk's schema, put up by migrations as the application itself would: in order, and written into a ledger.

use std::{
    fs::{OpenOptions, Permissions},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use rusqlite::{Connection, params};
use sha2::{Digest, Sha384};

use super::DemoError;

/// Version, description, script. The version is the moment at which the script was written.
const MIGRATIONS: [(i64, &str, &str); 4] = [
    (
        20_240_115_090_000,
        "people",
        include_str!("migrations/20240115090000_people.sql"),
    ),
    (
        20_240_115_093_000,
        "tickets",
        include_str!("migrations/20240115093000_tickets.sql"),
    ),
    (
        20_240_902_080_000,
        "knowledge",
        include_str!("migrations/20240902080000_knowledge.sql"),
    ),
    (
        20_250_310_110_000,
        "operations",
        include_str!("migrations/20250310110000_operations.sql"),
    ),
];

/// Creates the database without rows. Only its owner may read it, since it holds credentials.
pub(super) fn create(path: &Path) -> Result<Connection, DemoError> {
    // Created here and not by SQLite, which would go by the umask.
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|file| file.set_permissions(Permissions::from_mode(0o600)))
        .map_err(DemoError::at(path))?;
    let mut connection = Connection::open(path)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    let transaction = connection.transaction()?;
    transaction.execute_batch(LEDGER)?;
    for (version, description, script) in MIGRATIONS {
        transaction.execute_batch(script)?;
        // Nothing here asks a clock: installed in the evening of its day, in a time that goes by its length.
        let day = (version / 1_000_000).to_string();
        transaction.execute(
            "INSERT INTO _sqlx_migrations VALUES (?, ?, ?, TRUE, ?, ?)",
            params![
                version,
                description,
                format!("{}-{}-{} 21:30:00", &day[..4], &day[4..6], &day[6..]),
                Sha384::digest(script.as_bytes()).to_vec(),
                1_000 * i64::try_from(script.len()).unwrap_or(i64::MAX / 1_000),
            ],
        )?;
    }
    transaction.commit()?;
    Ok(connection)
}

/// The ledger as the migration tool sqlx keeps it.
const LEDGER: &str = "CREATE TABLE _sqlx_migrations (
    version        BIGINT PRIMARY KEY,
    description    TEXT NOT NULL,
    installed_on   TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success        BOOLEAN NOT NULL,
    checksum       BLOB NOT NULL,
    execution_time BIGINT NOT NULL
)";
