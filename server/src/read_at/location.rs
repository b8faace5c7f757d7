//! Where an archive is, as it is written on a command line.

use std::{
    convert::Infallible,
    ffi::{OsStr, OsString},
    fmt, io,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use url::Url;

use super::{FileSource, HttpSource, Patience, ReadAt};

/// Where an archive is: a path, or an address that starts with `http://` or `https://`.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// A file.
    File(PathBuf),
    /// On a web server.
    Web(Url),
}

impl Location {
    /// What an argument means. Everything but the schemes named above is a path.
    #[must_use]
    pub fn of(argument: &OsStr) -> Self {
        let web = argument
            .to_str()
            .filter(|text| has_scheme(text, "http") || has_scheme(text, "https"))
            .and_then(|text| Url::parse(text).ok());
        match web {
            Some(url) => Self::Web(url),
            None => Self::File(PathBuf::from(argument)),
        }
    }

    /// The path, if it is a file.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Web(_) => None,
        }
    }

    /// Whether it is `-`, which means standard input where a command takes that.
    #[must_use]
    pub fn is_standard_input(&self) -> bool {
        self.path() == Some(Path::new("-"))
    }

    /// Opens what is there for reading. Blocks.
    ///
    /// # Errors
    /// What the system says, or a [`super::SourceError`] inside.
    pub fn open(&self) -> io::Result<Arc<dyn ReadAt>> {
        Ok(match self {
            Self::File(path) => Arc::new(FileSource::open(path)?),
            Self::Web(url) => Arc::new(HttpSource::open(url, Patience::default())?),
        })
    }
}

fn has_scheme(text: &str, scheme: &str) -> bool {
    text.get(..scheme.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        && text
            .get(scheme.len()..)
            .is_some_and(|rest| rest.starts_with("://"))
}

/// The address without what may be a credential.
pub(super) fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    // Fails only for addresses that can't have them.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_query(None);
    shown.set_fragment(None);
    shown.into()
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Web(url) => f.write_str(&shown(url)),
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Location({self})")
    }
}

impl From<OsString> for Location {
    fn from(argument: OsString) -> Self {
        Self::of(&argument)
    }
}

impl FromStr for Location {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::of(OsStr::new(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_web_are_no_paths() {
        for path in ["a.coffer", "http", "http:/x", "c:/x", "sqlite:x", "https-x"] {
            assert_eq!(Location::of(OsStr::new(path)).path(), Some(Path::new(path)));
        }
        for url in ["http://host/a", "HTTPS://host/a"] {
            assert!(matches!(Location::of(OsStr::new(url)), Location::Web(_)));
        }
    }

    #[test]
    fn credentials_are_not_shown() {
        let url = "https://user:secret@host:8443/a/b.coffer?X-Signature=secret#secret";
        let location = Location::of(OsStr::new(url));
        assert_eq!(location.to_string(), "https://host:8443/a/b.coffer");
        assert_eq!(
            format!("{location:?}"),
            "Location(https://host:8443/a/b.coffer)"
        );
    }
}
