//! The file that describes a source: its database, its folders, and the programs that a backup or restore of it runs.
//!
//! ```toml
//! name = "Shop"                       # for a server
//! database_env = "SHOP_DATABASE"      # or database = "postgres://app@db/shop"
//! schemas = ["shop", "audit"]         # of a PostgreSQL database, public by default
//! preset = "shop-preset.toml"         # or the name of one that comes with the program
//! exclude = ["jobs"]                  # tables
//!
//! [[file_set]]
//! name = "recordings"
//! folder = "/srv/shop/recordings"
//! exclude = ["*.part", "/cache/**"]   # see crate::files::Globs
//! optional = true
//!
//! [file_set.transform]
//! program = ["ffmpeg", "-nostdin", "-i", "{in}", "-b:a", "32k", "{out}"]
//! suffixes = [".wav"]
//! new_suffix = ".opus"
//! columns = [{ table = "recordings", column = "audio_path", prefix = "recordings/" }]
//!
//! [[hook]]
//! name = "stop the shop"
//! when = "before_restore"
//! command = ["systemctl", "stop", "shop"]
//! ```
//!
//! What it doesn't know, it refuses, with the place. Paths are relative to the file's folder. A file that names programs
//! is itself as good as a program: it is refused if others than its user could have written it.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use coffer_core::{archive::name::fold, policy::Preset};
use toml::Spanned;

use crate::{
    engine::DatabaseUrl,
    files::Globs,
    hooks::Hook,
    preset::{PresetError, PresetText, built_in},
    source::{FileRules, usable_set_name},
};

mod error;
mod text;

pub use error::ConfigError;
use error::Fault;
use text::{FileSetText, Text};

/// Bytes that such a file has at most.
const MAX_BYTES: u64 = 1 << 20;
/// Writable for the group or for others.
const WRITABLE: u32 = 0o022;

/// What a source's file says.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The database, unless it is given elsewhere.
    pub database: Option<DatabaseUrl>,
    /// How people call the source, where it is one of several.
    pub name: Option<String>,
    /// Rules for the application's data.
    pub preset: Option<Preset>,
    /// Those rules as they are written.
    pub preset_text: Option<String>,
    /// The application's name, where no preset names it.
    pub app: Option<String>,
    /// Tables to leave out.
    pub exclude: Vec<String>,
    /// Folders of uploaded files by the file set's name.
    pub file_sets: Vec<(String, PathBuf)>,
    /// How the files of each set are backed up.
    pub file_rules: Vec<FileRules>,
    /// What is run before and after.
    pub hooks: Vec<Hook>,
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ConfigError`]; nothing was read or written besides.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let shown = path.display().to_string();
        let io = |error| ConfigError::Read {
            path: shown.clone(),
            error,
        };
        let mut file = File::open(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        let mut text = String::new();
        file.by_ref()
            .take(MAX_BYTES + 1)
            .read_to_string(&mut text)
            .map_err(io)?;
        if text.len() as u64 > MAX_BYTES {
            return Err(io(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("it is larger than {MAX_BYTES} bytes"),
            )));
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        let variable = |name: &str| std::env::var(name).ok();
        let config =
            Self::parse(&text, folder, variable).map_err(|fault| fault.at(shown.clone(), &text))?;
        if config.runs_programs() {
            let own = rustix::process::geteuid().as_raw();
            if ![0, own].contains(&metadata.uid()) {
                return Err(ConfigError::Foreign { path: shown });
            }
            if metadata.mode() & WRITABLE != 0 {
                return Err(ConfigError::Writable { path: shown });
            }
        }
        Ok(config)
    }

    fn runs_programs(&self) -> bool {
        !self.hooks.is_empty()
            || self
                .file_rules
                .iter()
                .any(|rules| rules.transform.is_some())
    }

    fn parse(
        text: &str,
        folder: &Path,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Fault> {
        let text: Text = toml::from_str(text).map_err(Fault::of)?;
        let (mut file_sets, mut file_rules) = (Vec::new(), Vec::new());
        for set in text.file_set {
            let (name, path, rules) = file_set(set, folder, &file_sets)?;
            file_sets.push((name, path));
            file_rules.push(rules);
        }
        let preset = text.preset.map(|path| preset(path, folder)).transpose()?;
        let (preset, preset_text) = preset.unzip();
        Ok(Self {
            database: database(text.database, text.database_env, text.schemas, variable)?,
            preset,
            preset_text,
            name: text.name,
            app: text.app,
            exclude: text.exclude,
            file_sets,
            file_rules,
            hooks: text
                .hook
                .into_iter()
                .map(text::HookText::read)
                .collect::<Result<_, _>>()?,
        })
    }
}

fn database(
    given: Option<Spanned<String>>,
    named: Option<Spanned<String>>,
    schemas: Option<Spanned<Vec<String>>>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<DatabaseUrl>, Fault> {
    let (span, url) = match (given, named) {
        (Some(_), Some(named)) => {
            return Err(Fault::new(
                named.span(),
                "database and database_env are both given; leave one out",
            ));
        }
        (Some(given), None) => (given.span(), given.into_inner()),
        (None, Some(named)) => {
            let span = named.span();
            let url = variable(named.get_ref()).ok_or_else(|| {
                Fault::new(
                    span.clone(),
                    format!("the environment variable {} is not set", named.get_ref()),
                )
            })?;
            (span, url)
        }
        (None, None) => {
            return match schemas {
                None => Ok(None),
                Some(schemas) => Err(Fault::new(
                    schemas.span(),
                    "schemas are those of a database, and none is named",
                )),
            };
        }
    };
    let url = DatabaseUrl::parse(&url).map_err(|error| Fault::new(span, error))?;
    match schemas {
        None => Ok(Some(url)),
        Some(schemas) => {
            let span = schemas.span();
            let url = url.with_schemas(schemas.into_inner());
            url.map(Some).map_err(|error| Fault::new(span, error))
        }
    }
}

/// A preset, and its text: one that comes with the program, or a file.
fn preset(path: Spanned<PathBuf>, folder: &Path) -> Result<(Preset, String), Fault> {
    let span = path.span();
    let path = path.into_inner();
    let comes_along = built_in().any(|name| Path::new(name) == path);
    let path = if comes_along { path } else { folder.join(path) };
    match PresetText::find(&path) {
        Ok(read) => Ok((read.preset, read.text)),
        Err(PresetError::Wrong(wrong)) => Err(Fault::new(span, format!("the preset {wrong}"))),
        Err(PresetError::Read { name, error }) => {
            Err(Fault::new(span, format!("the preset {name}: {error}")))
        }
    }
}

fn file_set(
    text: FileSetText,
    folder: &Path,
    others: &[(String, PathBuf)],
) -> Result<(String, PathBuf, FileRules), Fault> {
    let span = text.name.span();
    let name = text.name.into_inner();
    if !usable_set_name(&name) {
        return Err(Fault::new(
            span,
            format!("{name:?} cannot be the name of a file set"),
        ));
    }
    if others.iter().any(|(other, _)| fold(other) == fold(&name)) {
        return Err(Fault::new(
            span,
            format!("the file set {name} is there twice"),
        ));
    }
    let path = text.folder.get_ref();
    if path.as_os_str().is_empty() {
        return Err(Fault::new(text.folder.span(), "the folder has no name"));
    }
    let path = folder.join(path);
    let rules = FileRules {
        set: name.clone(),
        leave_out: match text.exclude {
            None => Globs::default(),
            Some(patterns) => {
                let span = patterns.span();
                Globs::new(patterns.into_inner()).map_err(|error| Fault::new(span, error))?
            }
        },
        optional: text.optional,
        transform: text.transform.map(text::TransformText::read).transpose()?,
    };
    Ok((name, path, rules))
}

#[cfg(test)]
mod tests;
