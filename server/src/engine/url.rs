//! Database URLs: which database, and how to sign in to it.
//!
//! A URL may hold a password. Nothing here prints one: `Debug`, `Display` and every error leave it out, and errors
//! quote no part of the input that a misplaced password could be in.

use std::{collections::BTreeSet, fmt, path::PathBuf, str::FromStr};

use coffer_core::schema::TableName;
use sqlx::{ConnectOptions, postgres::PgConnectOptions};

/// The parameters of a PostgreSQL URL that have a meaning here.
const PARAMETERS: [&str; 20] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    // Ours, and Prisma's: which schemas are meant. It may stand several times.
    "schema",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
    // Accepted and without effect, because libpq's users write it.
    "connect_timeout",
];

/// Which database to read or write.
#[derive(Clone, Debug)]
pub enum DatabaseUrl {
    /// A PostgreSQL database: `postgres://user:password@host:port/database?sslmode=…&schema=…`.
    Postgres(PostgresUrl),
    /// An SQLite file: `sqlite:PATH` or `sqlite://PATH`. The path is taken as it stands, without escapes.
    Sqlite(PathBuf),
}

/// How to reach a PostgreSQL database.
#[derive(Clone)]
pub struct PostgresUrl {
    options: Box<PgConnectOptions>,
    database: String,
    /// The schemas that are meant; empty where the URL doesn't say.
    schemas: Vec<String>,
}

/// Why a database URL can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It starts with nothing known.
    #[error(
        "a database is named as postgres://user@host/database or sqlite:path/to/file; this is neither"
    )]
    Scheme,
    /// It is no well-formed URL.
    #[error(
        "the PostgreSQL URL cannot be read: {reason}; in user name and password, write characters other than letters, digits, - . _ ~ as %XX"
    )]
    Malformed {
        /// What is wrong, in words that quote nothing of the input.
        reason: String,
    },
    /// A delimiter stands where none can be, most likely because a password holds one.
    #[error(
        "the PostgreSQL URL has a delimiter in an unexpected place; in the password, write @ as %40, / as %2F, : as %3A, ? as %3F and # as %23"
    )]
    Delimiter,
    /// A parameter is not known.
    #[error("the PostgreSQL URL has the parameter {name:?}, which means nothing here; remove it")]
    UnknownParameter {
        /// Its name; letters only.
        name: String,
    },
    /// It names no database.
    #[error(
        "the PostgreSQL URL names no database; write it at the end, as in postgres://user@host/database"
    )]
    NoDatabase,
    /// It names a schema without a name.
    #[error(
        "the PostgreSQL URL names a schema without a name; write it as schema=NAME, or leave it out for public"
    )]
    NoSchema,
    /// An SQLite file has no schemas to choose from.
    #[error("an SQLite file has no schemas; leave --schema out")]
    SchemaOfFile,
    /// It names no file.
    #[error("the SQLite URL names no file; write it as sqlite:path/to/file")]
    NoFile,
    /// It names a database that lives in the memory of whoever opens it.
    #[error("an SQLite database in memory is empty for everybody who opens it; name a file")]
    InMemory,
}

impl DatabaseUrl {
    /// Reads a database URL.
    ///
    /// What a PostgreSQL URL leaves open is taken from where PostgreSQL's own tools take it: `PGHOST`, `PGPORT`,
    /// `PGUSER`, `PGDATABASE`, `PGSSLMODE`; the password from `PGPASSWORD` or the password file.
    ///
    /// # Errors
    /// [`UrlError`].
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        match text.split_once(':') {
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => {
                PostgresUrl::parse(text).map(Self::Postgres)
            }
            Some(("sqlite", path)) => match path.strip_prefix("//").unwrap_or(path) {
                "" => Err(UrlError::NoFile),
                ":memory:" => Err(UrlError::InMemory),
                path => Ok(Self::Sqlite(PathBuf::from(path))),
            },
            _ => Err(UrlError::Scheme),
        }
    }

    /// The same database with these schemas, in place of those that the URL names. None leaves it as it is.
    ///
    /// # Errors
    /// [`UrlError::SchemaOfFile`] for an SQLite file, [`UrlError::NoSchema`] for an empty name.
    pub fn with_schemas(self, schemas: Vec<String>) -> Result<Self, UrlError> {
        if schemas.is_empty() {
            return Ok(self);
        }
        match self {
            Self::Postgres(url) => Ok(Self::Postgres(url.with_schemas(schemas)?)),
            Self::Sqlite(_) => Err(UrlError::SchemaOfFile),
        }
    }

    /// The same database with the schemas that an archive's tables are in, unless the URL says which are meant.
    #[must_use]
    pub fn covering<'a>(&self, tables: impl IntoIterator<Item = &'a TableName>) -> Self {
        match self {
            Self::Postgres(url) if url.schemas.is_empty() => {
                let names: BTreeSet<&str> = tables
                    .into_iter()
                    .map(|table| table.schema.as_str())
                    .collect();
                Self::Postgres(PostgresUrl {
                    schemas: names.into_iter().map(str::to_owned).collect(),
                    ..url.clone()
                })
            }
            other => other.clone(),
        }
    }
}

impl FromStr for DatabaseUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        Self::parse(text)
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(url) => url.fmt(f),
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
        }
    }
}

impl PostgresUrl {
    fn parse(text: &str) -> Result<Self, UrlError> {
        let malformed = |reason: String| UrlError::Malformed { reason };
        let url = url::Url::parse(text).map_err(|error| malformed(error.to_string()))?;
        // A raw delimiter in a password moves its tail into the path, the query or the fragment, from where it
        // would be shown as a database's or parameter's name.
        let path = url.path().trim_start_matches('/');
        if url.fragment().is_some() || path.contains(['/', '@']) {
            return Err(UrlError::Delimiter);
        }
        for (name, _) in url.query_pairs() {
            let plain = |name: &str| {
                name.chars()
                    .all(|c| c.is_ascii_lowercase() || "_-".contains(c))
            };
            let known = PARAMETERS.contains(&&*name)
                || (name.starts_with("options[") && name.ends_with(']'));
            if !known && plain(&name) {
                return Err(UrlError::UnknownParameter { name: name.into() });
            }
            if !known {
                return Err(UrlError::Delimiter);
            }
        }
        let schemas: Vec<String> = url
            .query_pairs()
            .filter(|(name, _)| name == "schema")
            .map(|(_, value)| value.into())
            .collect();
        // The driver warns about a parameter that it doesn't know with its value, so it isn't shown this one.
        let mut url = url;
        let kept: Vec<(String, String)> = url
            .query_pairs()
            .filter(|(name, _)| name != "connect_timeout" && name != "schema")
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        url.set_query(None);
        if !kept.is_empty() {
            url.query_pairs_mut().extend_pairs(kept);
        }
        let options = PgConnectOptions::from_str(url.as_str())
            .map_err(|_| malformed("a parameter's value or an escape is not valid".into()))?
            // Statements name tables and columns of other people's data, and may hold placeholders.
            .disable_statement_logging()
            // Nothing is asked twice in a session, and unnamed statements also pass through connection poolers.
            .statement_cache_capacity(0);
        let database = options
            .get_database()
            .filter(|name| !name.is_empty())
            .ok_or(UrlError::NoDatabase)?
            .to_owned();
        Self {
            options: Box::new(options),
            database,
            schemas: Vec::new(),
        }
        .with_schemas(schemas)
    }

    fn with_schemas(mut self, schemas: Vec<String>) -> Result<Self, UrlError> {
        if schemas.iter().any(String::is_empty) {
            return Err(UrlError::NoSchema);
        }
        self.schemas = schemas;
        self.schemas.sort();
        self.schemas.dedup();
        Ok(self)
    }

    /// The schemas that are covered: those that were named, else `public`.
    #[must_use]
    pub fn schemas(&self) -> Vec<String> {
        if self.schemas.is_empty() {
            vec!["public".into()]
        } else {
            self.schemas.clone()
        }
    }

    /// What the driver needs, the password included.
    pub(super) fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    /// The database's name.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The role that signs in.
    #[must_use]
    pub fn user(&self) -> &str {
        self.options.get_username()
    }

    /// Where the server is, for people: `host:port` or the folder of its socket.
    #[must_use]
    pub fn server(&self) -> String {
        match self.options.get_socket() {
            Some(folder) => folder.display().to_string(),
            None => format!("{}:{}", self.options.get_host(), self.options.get_port()),
        }
    }

    /// Database and server, for people: `shop on 127.0.0.1:5432`.
    #[must_use]
    pub fn target(&self) -> String {
        format!("{} on {}", self.database, self.server())
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "postgres://{}@{}/{}",
            self.user(),
            self.server(),
            self.database
        )
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        for text in [
            "postgres://app:hunter2@db.example:5433/shop?sslmode=disable",
            "postgresql://app@db.example:5433/shop?password=hunter2",
        ] {
            let url = DatabaseUrl::parse(text).unwrap();
            assert_eq!(url.to_string(), "postgres://app@db.example:5433/shop");
            assert!(!format!("{url:?}").contains("hunter2"));
            let DatabaseUrl::Postgres(url) = url else {
                panic!("not PostgreSQL");
            };
            assert_eq!(url.target(), "shop on db.example:5433");
        }
    }

    #[test]
    fn a_password_that_was_not_escaped_is_not_shown_either() {
        for text in [
            "postgres://app:hun/ter2@db/shop",
            "postgres://app:1?ter2@db/shop",
            "postgres://app:1#ter2@db/shop",
            "postgres://app:hun#ter2@db/shop",
            "postgres://app:hun?ter2@db/shop",
            "postgres://app:hunter2@db:port/shop",
            "postgres//app:hunter2@db/shop",
            "mysql://app:hunter2@db/shop",
            "postgres://app:hunter2@db/shop?sslmode=hunter2",
        ] {
            let error = DatabaseUrl::parse(text).unwrap_err();
            assert!(
                !format!("{error} {error:?}").contains("ter2"),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn files_are_named_in_both_ways() {
        for (text, path) in [
            ("sqlite:data/app.db", "data/app.db"),
            ("sqlite://data/app.db", "data/app.db"),
            ("sqlite:/srv/app.db", "/srv/app.db"),
            ("sqlite:///srv/a%20b?c.db", "/srv/a%20b?c.db"),
        ] {
            let DatabaseUrl::Sqlite(found) = DatabaseUrl::parse(text).unwrap() else {
                panic!("not SQLite");
            };
            assert_eq!(found, PathBuf::from(path));
        }
    }

    #[test]
    fn schemas_are_named_in_the_url_or_beside_it_or_by_an_archive() {
        let schemas = |url: &DatabaseUrl| match url {
            DatabaseUrl::Postgres(url) => url.schemas(),
            DatabaseUrl::Sqlite(_) => Vec::new(),
        };
        let archive = ["app", "Über", "app"].map(|schema| TableName::new(schema, "t"));
        let plain = DatabaseUrl::parse("postgres://app@db/shop").unwrap();
        assert_eq!(schemas(&plain), ["public"]);
        assert_eq!(schemas(&plain.covering(&archive)), ["app", "Über"]);
        let named =
            DatabaseUrl::parse("postgres://app@db/shop?schema=b&sslmode=disable&schema=a%20c")
                .unwrap();
        assert_eq!(schemas(&named), ["a c", "b"]);
        assert_eq!(schemas(&named.covering(&archive)), ["a c", "b"]);
        let beside = named.with_schemas(vec!["x".into(), "x".into()]).unwrap();
        assert_eq!(schemas(&beside), ["x"]);
        assert_eq!(schemas(&beside.with_schemas(vec![]).unwrap()), ["x"]);
        let error = DatabaseUrl::parse("sqlite:a.db")
            .unwrap()
            .with_schemas(vec!["x".into()]);
        assert_eq!(error.unwrap_err(), UrlError::SchemaOfFile);
        assert_eq!(
            DatabaseUrl::parse("postgres://app@db/shop?schema=").unwrap_err(),
            UrlError::NoSchema
        );
    }

    #[test]
    fn what_is_missing_is_said() {
        for (text, error) in [
            ("", UrlError::Scheme),
            ("app.db", UrlError::Scheme),
            ("postgres:shop", UrlError::Scheme),
            ("sqlite:", UrlError::NoFile),
            ("sqlite://", UrlError::NoFile),
            ("sqlite::memory:", UrlError::InMemory),
            ("postgres://app@db", UrlError::NoDatabase),
            (
                "postgres://app@db/shop?sslmod=require",
                UrlError::UnknownParameter {
                    name: "sslmod".into(),
                },
            ),
        ] {
            assert_eq!(DatabaseUrl::parse(text).unwrap_err(), error, "{text}");
        }
    }
}
