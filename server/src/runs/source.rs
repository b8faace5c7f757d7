//! From a source in the catalog to what the pipelines take.

use std::path::Path;

use crate::{
    app_secrets::AppSecrets,
    catalog::SourceRecord,
    config::{Config, ConfigError},
    engine::{self, DatabaseUrl, UrlError},
    files::GlobError,
    preset::{PresetError, PresetText},
    source::SourceConfig,
};

/// What is wrong with a source.
#[derive(Debug, thiserror::Error)]
pub enum SourceFault {
    /// Its URL.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The file that describes it.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The file that describes it names no database.
    #[error("{path} names no database; nothing was read or written; add database or database_env")]
    NoDatabase {
        /// The file.
        path: String,
    },
    /// It was restored from an archive that holds no credentials.
    #[error(
        "the URL of {name} was not in the system backup that this source was restored from, since it may hold a password; nothing was read or written; enter it again"
    )]
    NeedsUrl {
        /// The source.
        name: String,
    },
    /// A pattern of files in its preset.
    #[error("{0}; nothing was read or written")]
    Pattern(#[from] GlobError),
    /// Its preset.
    #[error(transparent)]
    Preset(#[from] PresetError),
}

impl SourceFault {
    /// A stable name for programs, in snake case.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Url(_) => "bad_url",
            Self::NeedsUrl { .. } => "needs_url",
            Self::Config(error) => error.code(),
            Self::NoDatabase { .. } => "bad_config",
            Self::Preset(error) => error.code(),
            Self::Pattern(_) => "bad_preset",
        }
    }
}

/// What the pipelines take.
///
/// # Errors
/// [`SourceFault`].
pub fn source_config(source: &SourceRecord) -> Result<SourceConfig, SourceFault> {
    if let Some(path) = &source.config {
        return described(path, &source.name);
    }
    if source.needs_url() {
        return Err(SourceFault::NeedsUrl {
            name: source.name.clone(),
        });
    }
    let source = SourceConfig {
        url: DatabaseUrl::parse(source.url.expose())?,
        file_sets: source
            .file_sets
            .iter()
            .map(|set| (set.name.clone(), set.folder.clone()))
            .collect(),
        file_rules: Vec::new(),
        preset: source
            .preset
            .as_deref()
            .map(|text| PresetText::parse("of the source", text.to_owned()))
            .transpose()?
            .map(|read| read.preset),
        hooks: Vec::new(),
        app_secrets: source.app_secrets.clone(),
        app: source.app.clone().or_else(|| Some(source.name.clone())),
    };
    Ok(source.following_preset()?)
}

/// A source as its file describes it now.
fn described(path: &Path, name: &str) -> Result<SourceConfig, SourceFault> {
    let config = Config::read(path)?;
    let source = SourceConfig {
        url: config.database.ok_or_else(|| SourceFault::NoDatabase {
            path: path.display().to_string(),
        })?,
        file_sets: config.file_sets,
        file_rules: config.file_rules,
        preset: config.preset,
        app: config.app.or_else(|| Some(name.to_owned())),
        hooks: config.hooks,
        app_secrets: AppSecrets::default(),
    };
    Ok(source.following_preset()?)
}

/// A name for a database that is the same for all ways to it, as far as they can be told to be the same.
pub(crate) fn target_name(url: &DatabaseUrl) -> String {
    engine::open(url).target()
}
