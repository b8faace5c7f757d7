//! Arguments that name a database, its folders and its preset.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::builder::{OsStringValueParser, TypedValueParser};
use coffer_core::{policy::Preset, schema::TableName};

use super::Failure;
use crate::{
    engine::DatabaseUrl,
    preset::PresetText,
    read::OpenArchive,
    read_at::{ReadAt, SourceError},
    rekey,
    source::usable_set_name,
};

pub(super) use crate::read_at::Location;

/// A database URL. Its errors never repeat a password.
pub(super) fn url(text: &str) -> Result<DatabaseUrl, Failure> {
    DatabaseUrl::parse(text).map_err(Failure::usage)
}

/// `NAME=DIR` as a file set.
pub(super) fn file_set(text: &str) -> Result<(String, PathBuf), String> {
    let (name, folder) = text
        .split_once('=')
        .ok_or("a file set is given as NAME=FOLDER")?;
    if !usable_set_name(name) {
        return Err(format!("{name:?} cannot be the name of a file set"));
    }
    if folder.is_empty() {
        return Err("the folder of the file set is missing".to_owned());
    }
    Ok((name.to_owned(), PathBuf::from(folder)))
}

/// Refuses two file sets of one name.
pub(super) fn distinct(sets: &[(String, PathBuf)]) -> Result<(), Failure> {
    for (index, (name, _)) in sets.iter().enumerate() {
        if sets.iter().skip(index + 1).any(|(other, _)| other == name) {
            return Err(Failure::usage(format!(
                "the file set {name} is given twice"
            )));
        }
    }
    Ok(())
}

/// `NAME=GLOB`: what of a file set is left out.
pub(super) fn pattern(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(name, glob)| (name.to_owned(), glob.to_owned()))
        .ok_or_else(|| "files to leave out are given as NAME=GLOB".to_owned())
}

/// Reads a preset, from a file or one that comes with the program.
pub(super) fn preset(path: &Path) -> Result<Preset, Failure> {
    Ok(PresetText::find(path)?.preset)
}

/// Opens an archive, wherever it is.
pub(super) fn archive(location: &Location) -> Result<Arc<dyn ReadAt>, Failure> {
    let source = location
        .open()
        .map_err(|error| match SourceError::inside(&error) {
            Some(error) => Failure::failed(error.code(), error),
            None => Failure::failed("file", format!("cannot open {location}: {error}")),
        })?;
    // Its header would only look damaged.
    if let Some(path) = location.path()
        && rekey::is_half_written(path)?
    {
        return Err(Failure::damaged(
            "rekey_unfinished",
            format!(
                "a change of the keys of {location} was interrupted while its header was being written; its content is \
                 untouched, run `coffer rekey` on it, without more options, to finish the change, which needs no password"
            ),
        ));
    }
    Ok(source)
}

/// An argument that says where an archive is.
pub(super) fn location() -> impl TypedValueParser<Value = Location> {
    OsStringValueParser::new().map(Location::from)
}

/// The table of an archive that a name means, given with or without its schema.
pub(super) fn table(name: &str, archive: &OpenArchive) -> Result<TableName, Failure> {
    let mut found = archive
        .manifest
        .tables
        .iter()
        .filter(|table| table.table.name == name || table.table.to_string() == name);
    match (found.next(), found.next()) {
        (Some(table), None) => Ok(table.table.clone()),
        (None, _) => Err(Failure::usage(format!(
            "the archive holds no table {name}; nothing was changed"
        ))),
        _ => Err(Failure::usage(format!(
            "the archive holds several tables {name}; name the schema too"
        ))),
    }
}
