//! What `coffer inspect` says of a ZIP that is none of Coffer's archives.

use std::fmt;

use coffer_core::{
    archive::{self, ArchiveError, Limits},
    foreign::zip::{self, Weight},
};
use serde::Serialize;

use super::{
    Failure, Output,
    output::{bytes, count},
};
use crate::read::{Plain, ReadError};

/// One thing that is wrong with an archive, for programs.
#[derive(Serialize)]
pub(super) struct Finding {
    entry: String,
    code: &'static str,
    message: String,
}

impl From<&archive::Finding> for Finding {
    fn from(finding: &archive::Finding) -> Self {
        Self {
            entry: finding.entry.clone(),
            code: finding.fault.code(),
            message: finding.to_string(),
        }
    }
}

/// Everything that an error found, if it is one of findings.
pub(super) fn findings(error: &ArchiveError) -> Vec<Finding> {
    match error {
        ArchiveError::Profile(findings) | ArchiveError::Unsafe(findings) => {
            findings.iter().map(Finding::from).collect()
        }
        ArchiveError::Entry(finding) => vec![finding.into()],
        _ => Vec::new(),
    }
}

/// An ordinary ZIP at a glance.
#[derive(Serialize)]
struct Survey {
    files: u64,
    folders: u64,
    bytes: u64,
    stored_bytes: u64,
    /// Why some entries can't be read.
    unreadable: Vec<Finding>,
    notes: Vec<Finding>,
}

impl Survey {
    fn of(zip: &zip::Zip) -> Self {
        let files = || zip.items().iter().filter(|item| !item.folder);
        let sum = |size: fn(&archive::Entry) -> u64| {
            files().fold(0_u64, |sum, item| sum.saturating_add(size(&item.entry)))
        };
        let weighing = |weight| {
            let has = move |finding: &&archive::Finding| Weight::of(&finding.fault) == weight;
            zip.findings()
                .iter()
                .filter(has)
                .map(Finding::from)
                .collect()
        };
        Self {
            files: files().count() as u64,
            folders: zip.items().iter().filter(|item| item.folder).count() as u64,
            bytes: sum(|entry| entry.size),
            stored_bytes: sum(|entry| entry.compressed),
            unreadable: weighing(Weight::Unreadable),
            notes: weighing(Weight::Note),
        }
    }
}

impl fmt::Display for Survey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "as an ordinary ZIP file: {}, {}, {} in {} of the file",
            count(self.files, "file"),
            count(self.folders, "folder"),
            bytes(self.bytes),
            bytes(self.stored_bytes),
        )?;
        for (title, list) in [
            ("cannot be read", &self.unreadable),
            ("to know", &self.notes),
        ] {
            if !list.is_empty() {
                writeln!(f, "{title}:")?;
                for finding in list {
                    writeln!(f, "  {}", finding.message)?;
                }
            }
        }
        if self.unreadable.is_empty() {
            writeln!(f, "its directory shows nothing dangerous")?;
        }
        Ok(())
    }
}

/// The failure to open a file as an archive, with what it is as an ordinary ZIP, if it is one.
pub(super) fn explain(error: ReadError, plain: &Plain, output: Output) -> Failure {
    let ReadError::Archive(ArchiveError::NoManifest | ArchiveError::Profile(_)) = error else {
        return error.into();
    };
    let failure = Failure::from(error);
    match survey(plain) {
        Ok(survey) => {
            if !output.is_json() {
                output.result(&(), &survey);
            }
            failure.with_details("zip", &survey)
        }
        // As a ZIP of whatever program it is refused: that says more than that it is not Coffer's.
        Err(error) => error.into(),
    }
}

fn survey(plain: &Plain) -> Result<Survey, ReadError> {
    let mut opening = zip::Opening::new(plain.size(), Limits::default())?;
    while let Some(range) = opening.wants() {
        opening.feed(&plain.read(range)?)?;
    }
    Ok(Survey::of(&opening.finish()?))
}
