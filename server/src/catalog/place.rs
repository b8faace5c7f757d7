//! Where a catalog is: a file in the server's data folder, or a database of its own in PostgreSQL, which several servers share.

use std::{
    env, fmt, fs, io,
    path::{Path, PathBuf},
};

use url::Url;
use zeroize::Zeroizing;

use crate::{
    engine::{DatabaseUrl, UrlError},
    program,
};

/// The environment variable that names the catalog, in the words of [`CatalogUrl::read`].
pub const VARIABLE: &str = "COFFER_CATALOG";
/// The file's name in the data folder.
const FILE_NAME: &str = "catalog.sqlite";

/// Where a catalog is, and where what belongs to it is.
#[derive(Clone, Debug)]
pub struct CatalogPlace {
    /// The server's data folder, which holds the secret key unless the environment does.
    pub folder: PathBuf,
    /// The PostgreSQL database; nothing means a file in the folder.
    pub url: Option<CatalogUrl>,
}

/// How to reach a catalog in PostgreSQL. It may hold a password, and shows none.
#[derive(Clone)]
pub struct CatalogUrl {
    text: Zeroizing<String>,
    shown: String,
}

/// Why the name of a catalog can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogUrlError {
    /// It is no PostgreSQL URL.
    #[error("the catalog cannot be in this database: {0}; nothing was started or changed")]
    Url(#[from] UrlError),
    /// Only PostgreSQL has several users.
    #[error(
        "a catalog in SQLite is always in the data folder; name that with --data, or a PostgreSQL database with --catalog; nothing was started or changed"
    )]
    Sqlite,
    /// The database is chosen by its name, and the schema by the role's `search_path`.
    #[error(
        "the catalog is in the schema that its role finds first; leave schema= out of the URL, and give the role a search_path; nothing was started or changed"
    )]
    Schema,
    /// Everybody on the machine could read it.
    #[error(
        "a password in the command line can be read by everybody on this machine; write the URL into a file that only you can read and name that file, or set {VARIABLE}; nothing was started or changed"
    )]
    Told,
    /// The file can't be read.
    #[error(
        "the file {path}, which names the catalog, cannot be read: {error}; nothing was started or changed"
    )]
    File {
        /// The file.
        path: String,
        /// What the system says.
        error: io::Error,
    },
}

impl CatalogPlace {
    /// A file in a data folder.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            url: None,
        }
    }

    /// The file, where the catalog is one.
    pub(super) fn file(&self) -> PathBuf {
        self.folder.join(FILE_NAME)
    }
}

impl CatalogUrl {
    /// Reads a PostgreSQL URL.
    ///
    /// # Errors
    /// [`CatalogUrlError`].
    pub fn parse(text: &str) -> Result<Self, CatalogUrlError> {
        let parsed = match DatabaseUrl::parse(text)? {
            DatabaseUrl::Postgres(parsed) => parsed,
            DatabaseUrl::Sqlite(_) => return Err(CatalogUrlError::Sqlite),
        };
        let names_schema =
            Url::parse(text).is_ok_and(|url| url.query_pairs().any(|(name, _)| name == "schema"));
        if names_schema {
            return Err(CatalogUrlError::Schema);
        }
        Ok(Self {
            text: Zeroizing::new(text.to_owned()),
            shown: parsed.to_string(),
        })
    }

    /// The catalog that an argument, or else the environment, names: a URL, or a file whose first line is one. Nothing if
    /// neither does. An argument may hold no password.
    ///
    /// # Errors
    /// [`CatalogUrlError`].
    pub fn read(argument: Option<&str>) -> Result<Option<Self>, CatalogUrlError> {
        program::withhold(VARIABLE);
        if let Some(argument) = argument {
            let read = Self::named(argument)?;
            let told = Url::parse(argument).is_ok_and(|url| {
                url.password().is_some() || url.query_pairs().any(|(name, _)| name == "password")
            });
            return if told {
                Err(CatalogUrlError::Told)
            } else {
                Ok(Some(read))
            };
        }
        match env::var(VARIABLE) {
            Ok(text) if !text.is_empty() => Self::named(&Zeroizing::new(text)).map(Some),
            Err(env::VarError::NotUnicode(_)) => Err(UrlError::Scheme.into()),
            Ok(_) | Err(env::VarError::NotPresent) => Ok(None),
        }
    }

    fn named(name: &str) -> Result<Self, CatalogUrlError> {
        if ["postgres:", "postgresql:", "sqlite:"]
            .iter()
            .any(|scheme| name.starts_with(scheme))
        {
            return Self::parse(name);
        }
        let text = fs::read_to_string(name).map_err(|error| CatalogUrlError::File {
            path: name.to_owned(),
            error,
        })?;
        let text = Zeroizing::new(text);
        Self::parse(text.lines().next().unwrap_or_default().trim())
    }

    pub(super) fn expose(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for CatalogUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CatalogUrl({})", self.shown)
    }
}

impl fmt::Display for CatalogUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_shows_no_password() {
        let url = CatalogUrl::parse("postgres://coffer:hunter2@db/coffer").unwrap();
        assert!(!format!("{url:?} {url}").contains("hunter2"));
        assert!(url.expose().contains("hunter2"));
    }

    #[test]
    fn an_argument_tells_no_password_and_a_file_may() {
        let told = CatalogUrl::read(Some("postgres://coffer:hunter2@db/coffer")).unwrap_err();
        assert!(matches!(told, CatalogUrlError::Told), "{told}");
        assert!(!told.to_string().contains("hunter2"));
        let told = CatalogUrl::read(Some("postgres://db/coffer?password=hunter2")).unwrap_err();
        assert!(matches!(told, CatalogUrlError::Told), "{told}");
        assert!(
            CatalogUrl::read(Some("postgres://coffer@db/coffer"))
                .unwrap()
                .is_some()
        );

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("catalog.url");
        fs::write(&file, "postgres://coffer:hunter2@db/coffer\n").unwrap();
        let read = CatalogUrl::read(file.to_str()).unwrap().unwrap();
        assert!(read.expose().ends_with(":hunter2@db/coffer"));
    }

    #[test]
    fn what_cannot_hold_a_catalog_is_refused() {
        for (text, sentence) in [
            ("sqlite:/srv/a.db", "data folder"),
            ("postgres://db/coffer?schema=coffer", "search_path"),
            ("postgres://db/coffer?colour=red", "colour"),
            ("/nowhere/at/all", "cannot be read"),
        ] {
            let error = CatalogUrl::read(Some(text)).unwrap_err().to_string();
            assert!(error.contains(sentence), "{text}: {error}");
        }
    }
}
