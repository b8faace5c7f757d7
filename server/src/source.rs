//! What is backed up and restored into: a database and its folders of uploaded files.

use std::path::PathBuf;

use coffer_core::policy::Preset;

use crate::{
    app_secrets::AppSecrets,
    engine::DatabaseUrl,
    files::{GlobError, Globs},
    hooks::Hook,
    transform::Transform,
};

/// A database with its file sets.
#[derive(Clone, Debug)]
pub struct SourceConfig {
    /// The database.
    pub url: DatabaseUrl,
    /// Folders of uploaded files by the file set's name.
    pub file_sets: Vec<(String, PathBuf)>,
    /// How the files of single sets are backed up; sets without rules are archived as they are.
    pub file_rules: Vec<FileRules>,
    /// Rules for the application's data.
    pub preset: Option<Preset>,
    /// The application's name, where no preset names it.
    pub app: Option<String>,
    /// What is run before and after.
    pub hooks: Vec<Hook>,
    /// Where the application's own secrets are.
    pub app_secrets: AppSecrets,
}

impl SourceConfig {
    /// This source with what its preset says of its file sets: patterns are added, and what may be left out may be.
    ///
    /// # Errors
    /// [`GlobError`].
    pub fn following_preset(mut self) -> Result<Self, GlobError> {
        for rule in self.preset.iter().flat_map(|preset| &preset.file_sets) {
            if !self.file_sets.iter().any(|(set, _)| *set == rule.name) {
                continue;
            }
            let at = self.file_rules.iter().position(|own| own.set == rule.name);
            let at = at.unwrap_or_else(|| {
                self.file_rules.push(FileRules::none(&rule.name));
                self.file_rules.len() - 1
            });
            if let Some(own) = self.file_rules.get_mut(at) {
                let own_patterns: Vec<&str> = own.leave_out.patterns().collect();
                let more = rule.exclude.iter().map(String::as_str);
                let more = more.filter(|pattern| !own_patterns.contains(pattern));
                own.leave_out = Globs::new(own_patterns.iter().copied().chain(more))?;
                own.optional |= rule.optional;
            }
        }
        Ok(self)
    }
}

/// How the files of one set are backed up.
#[derive(Clone, Debug)]
pub struct FileRules {
    /// The file set.
    pub set: String,
    /// What is left out.
    pub leave_out: Globs,
    /// Whether a backup may leave out the whole set.
    pub optional: bool,
    /// What is done with its files.
    pub transform: Option<Transform>,
}

impl FileRules {
    /// Rules that archive a set as it is.
    #[must_use]
    pub fn none(set: &str) -> Self {
        Self {
            set: set.to_owned(),
            leave_out: Globs::default(),
            optional: false,
            transform: None,
        }
    }
}

/// Whether a file set can have this name.
#[must_use]
pub fn usable_set_name(name: &str) -> bool {
    !name.contains('/') && coffer_core::archive::name::check(&format!("files/{name}/x")).is_ok()
}
