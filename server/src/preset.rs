//! Presets as TOML text: the one way from text to rules, for the command line, files that describe sources, and the server.
//! What is wrong is told with its line, also where only a database shows it.

use std::{fs, io, path::Path};

use coffer_core::{
    policy::{Located, Place, PolicyError, Preset},
    schema::{Engine, Schema},
};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::files::Globs;

mod check;
mod draft;
#[cfg(test)]
mod tests;

pub use check::{Report, check};
pub use draft::draft;

/// The preset for Coffer's own catalog.
pub(crate) const COFFER: &str = include_str!("../../presets/coffer.toml");

/// Presets that come with the program, by their names.
const BUILT_IN: [(&str, &str); 5] = [
    ("coffer", COFFER),
    ("helpdesk", include_str!("../../presets/helpdesk.toml")),
    ("nosdesk", include_str!("../../presets/nosdesk.toml")),
    ("nojoin", include_str!("../../presets/nojoin.toml")),
    ("dbackup", include_str!("../../presets/dbackup.toml")),
];

/// Bytes that a preset has at most.
const MAX_BYTES: u64 = 4 << 20;

/// Why a preset can't be used.
#[derive(Debug, thiserror::Error)]
pub enum PresetError {
    /// It can't be read.
    #[error(
        "cannot read the preset {name}: {error}; nothing was read or written besides; give a file, or one of the names {}",
        built_in().collect::<Vec<_>>().join(", ")
    )]
    Read {
        /// The file.
        name: String,
        /// What the system says.
        error: io::Error,
    },
    /// It says something that makes no sense.
    #[error("the preset {0}; nothing was read or written")]
    Wrong(Wrong),
}

/// Something wrong in a preset, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, serde::Serialize)]
#[error("{preset}, line {line}, column {column}: {what}")]
pub struct Wrong {
    /// The file, or the name of a preset that comes with the program.
    pub preset: String,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// What is wrong, and what to do.
    pub what: String,
}

impl PresetError {
    /// A stable name for programs, in snake case.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "file",
            Self::Wrong(_) => "bad_preset",
        }
    }
}

/// The names of the presets that come with the program.
pub fn built_in() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|(name, _)| *name)
}

/// A preset with the text that it was read from.
#[derive(Clone, Debug)]
pub struct PresetText {
    /// The file, or the name of a preset that comes with the program.
    pub name: String,
    /// The text.
    pub text: String,
    /// The rules.
    pub preset: Preset,
}

impl PresetText {
    /// The preset that comes with the program under this name, or else is in this file. A file that is called like one
    /// of these is meant by `./name`.
    ///
    /// # Errors
    /// [`PresetError`].
    pub fn find(given: &Path) -> Result<Self, PresetError> {
        let name = given.display().to_string();
        if let Some((_, text)) = BUILT_IN.iter().find(|(known, _)| *known == name) {
            return Self::parse(&name, (*text).to_owned());
        }
        let read = |error| PresetError::Read {
            name: name.clone(),
            error,
        };
        let size = fs::metadata(given).map_err(read)?.len();
        if size > MAX_BYTES {
            let why = format!("it has {size} bytes where {MAX_BYTES} are allowed");
            return Err(read(io::Error::new(io::ErrorKind::FileTooLarge, why)));
        }
        let text = fs::read_to_string(given).map_err(read)?;
        Self::parse(&name, text)
    }

    /// Reads a preset from its text; `name` is how errors call it.
    ///
    /// # Errors
    /// [`PresetError::Wrong`], the first.
    pub fn parse(name: &str, text: String) -> Result<Self, PresetError> {
        let preset: Preset = toml::from_str(&text).map_err(|error| {
            let at = error.span().unwrap_or_default().start;
            PresetError::Wrong(wrong(name, &text, at, error.message()))
        })?;
        let read = Self {
            name: name.to_owned(),
            text,
            preset,
        };
        if let Some(found) = read.preset.check().first() {
            return Err(PresetError::Wrong(read.located(found)));
        }
        for (index, set) in read.preset.file_sets.iter().enumerate() {
            if let Err(error) = Globs::new(&set.exclude) {
                let place = Place {
                    list: "file_set",
                    index,
                    key: "exclude",
                };
                let at = offset(&read.text, place).unwrap_or_default();
                let wrong = wrong(name, &read.text, at, &error.to_string());
                return Err(PresetError::Wrong(wrong));
            }
        }
        Ok(read)
    }

    /// What is wrong with it for a database of this shape.
    #[must_use]
    pub fn check_for(&self, engine: Engine, schema: &Schema) -> Vec<Wrong> {
        let found = self.preset.check_for(Some(engine), schema);
        found.iter().map(|found| self.located(found)).collect()
    }

    /// Refuses it for a database of another shape, with the first line that doesn't fit.
    ///
    /// # Errors
    /// [`PresetError::Wrong`].
    pub fn must_fit(&self, engine: Engine, schema: &Schema) -> Result<(), PresetError> {
        match self.check_for(engine, schema).into_iter().next() {
            Some(found) => Err(PresetError::Wrong(found)),
            None => Ok(()),
        }
    }

    fn located(&self, found: &Located) -> Wrong {
        let at = offset(&self.text, found.place).unwrap_or_default();
        wrong(&self.name, &self.text, at, &sentence(&found.error))
    }
}

/// What is wrong, without what each caller says of what was done.
fn sentence(error: &PolicyError) -> String {
    let text = error.to_string();
    let text = text.strip_suffix("; nothing was read or written");
    text.map_or_else(|| error.to_string(), str::to_owned)
}

fn wrong(preset: &str, text: &str, at: usize, what: &str) -> Wrong {
    let before = text.get(..at).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    Wrong {
        preset: preset.to_owned(),
        line: before.matches('\n').count() + 1,
        column: before.get(start..).map_or(0, |line| line.chars().count()) + 1,
        what: what.to_owned(),
    }
}

/// The byte at which something is said in a text that was read already.
fn offset(text: &str, place: Place) -> Option<usize> {
    let root = DeTable::parse(text).ok()?;
    let (list, value) = entry(root.get_ref(), place.list)?;
    let DeValue::Array(rules) = value.get_ref() else {
        return Some(list);
    };
    let rule = rules.get(place.index)?;
    let at = rule.span().start;
    let DeValue::Table(table) = rule.get_ref() else {
        return Some(at);
    };
    Some(entry(table, place.key).map_or(at, |(key, _)| key))
}

/// The byte at which a key of a table stands, and its value.
fn entry<'t, 'i>(table: &'t DeTable<'i>, key: &str) -> Option<(usize, &'t Spanned<DeValue<'i>>)> {
    let mut entries = table.iter();
    let (name, value) = entries.find(|(name, _)| name.get_ref() == key)?;
    Some((name.span().start, value))
}
