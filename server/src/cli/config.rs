//! Arguments that describe a source: its file, and what is said beside it, which wins.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{
    Failure,
    source::{distinct, file_set, preset, url},
};
use crate::{
    app_secrets::AppSecrets,
    config::{Config, ConfigError},
    files::Globs,
    source::{FileRules, SourceConfig},
};

/// Where a source is described.
#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    /// A file that describes the source: database, file sets, transforms, hooks. What is said beside it wins.
    #[arg(long, value_name = "FILE", env = "COFFER_CONFIG")]
    config: Option<PathBuf>,

    /// A folder of uploaded files by the file set's name; may be repeated.
    #[arg(long, value_name = "NAME=FOLDER", value_parser = file_set)]
    files: Vec<(String, PathBuf)>,

    /// A file with one of the application's own secrets, in place of the environment variable that a preset or archive
    /// names; may be repeated.
    #[arg(long = "app-secret", value_name = "VARIABLE=FILE", value_parser = file_set)]
    app_secrets: Vec<(String, PathBuf)>,
}

/// What is said beside a source's file.
#[derive(Debug, Default)]
pub(super) struct Beside<'a> {
    /// The database, and the option that gives it.
    pub(super) url: (Option<&'a str>, &'static str),
    /// Its schemas, in place of those that the URL names.
    pub(super) schemas: Vec<String>,
    pub(super) preset: Option<&'a Path>,
    pub(super) app: Option<String>,
    /// Patterns of files to leave out, by file set.
    pub(super) exclude_files: Vec<(String, String)>,
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::Read { .. } => Self::failed(error.code(), error),
            ConfigError::Wrong { .. } => Self {
                code: error.code().to_owned(),
                ..Self::usage(error)
            },
            ConfigError::Foreign { .. } | ConfigError::Writable { .. } => {
                Self::refused(error.code(), error)
            }
        }
    }
}

impl ConfigArgs {
    /// The folders that were given by hand.
    pub(super) fn files(&self) -> &[(String, PathBuf)] {
        &self.files
    }

    /// The source, and the tables that its file leaves out.
    pub(super) fn source(
        &self,
        beside: Beside<'_>,
    ) -> Result<(SourceConfig, Vec<String>), Failure> {
        distinct(&self.files)?;
        let config = match &self.config {
            Some(path) => Config::read(path)?,
            None => Config::default(),
        };
        let (given, option) = beside.url;
        let url = match (given, config.database) {
            (Some(text), _) => url(text)?,
            (None, Some(url)) => url,
            (None, None) => {
                return Err(Failure::usage(format!(
                    "no database was named: give it with {option}, or with --config a file that names it"
                )));
            }
        };
        let mut source = SourceConfig {
            url: url.with_schemas(beside.schemas).map_err(Failure::usage)?,
            file_sets: config.file_sets,
            file_rules: config.file_rules,
            preset: match beside.preset {
                Some(path) => Some(preset(path)?),
                None => config.preset,
            },
            app: beside.app.or(config.app),
            hooks: config.hooks,
            app_secrets: AppSecrets::new(self.app_secrets.clone()),
        };
        for (name, folder) in &self.files {
            match source.file_sets.iter_mut().find(|(set, _)| set == name) {
                Some((_, described)) => described.clone_from(folder),
                None => {
                    source.file_sets.push((name.clone(), folder.clone()));
                    source.file_rules.push(FileRules::none(name));
                }
            }
        }
        leave_out(&mut source.file_rules, &beside.exclude_files)?;
        let source = source.following_preset().map_err(Failure::usage)?;
        Ok((source, config.exclude))
    }
}

/// Adds patterns to those of the file.
fn leave_out(rules: &mut [FileRules], patterns: &[(String, String)]) -> Result<(), Failure> {
    for (name, pattern) in patterns {
        let Some(rules) = rules.iter_mut().find(|rules| rules.set == *name) else {
            return Err(Failure::usage(format!(
                "--exclude-files names the file set {name}, and nothing gives its folder; nothing was written"
            )));
        };
        let all = rules.leave_out.patterns().chain([pattern.as_str()]);
        rules.leave_out = Globs::new(all).map_err(Failure::usage)?;
    }
    Ok(())
}
