//! The table: what is wrong with a file, and the exact answer to it.

mod content;
mod entries;
mod foreign;
mod names;
mod structure;

use coffer_core::archive::{ArchiveError, Fault, Finding, Limits};

pub use foreign::Answer;

use crate::{Member, Zip};

/// One fault.
#[derive(Clone, Debug)]
pub struct Case {
    /// What is wrong with the file, in a few words; no two cases have the same.
    pub name: &'static str,
    /// Makes the file.
    pub file: fn() -> Vec<u8>,
    /// Limits that it is read with.
    pub limits: Limits,
    /// What Coffer's own reader must answer.
    pub strict: ArchiveError,
}

impl Case {
    /// What the reader of other people's ZIPs must answer.
    ///
    /// # Panics
    /// If the table has no answer to this case.
    #[must_use]
    pub fn foreign(&self) -> Answer {
        foreign::answer(self)
    }
}

/// All cases.
#[must_use]
pub fn cases() -> Vec<Case> {
    [small_cases(), large_cases()].concat()
}

/// Those of few entries, which all take less time together than one of the others.
#[must_use]
pub fn small_cases() -> Vec<Case> {
    [
        names::cases(),
        structure::small(),
        entries::cases(),
        content::cases(),
    ]
    .concat()
}

/// Those whose end needs ZIP64 records, mostly since they have more entries than 16 bits count.
#[must_use]
pub fn large_cases() -> Vec<Case> {
    structure::large()
}

/// A case that the default limits show.
fn case(name: &'static str, strict: ArchiveError, file: fn() -> Vec<u8>) -> Case {
    Case {
        name,
        file,
        limits: Limits::default(),
        strict,
    }
}

/// A whole archive of Coffer, spoiled after it was laid out.
fn spoiled(spoil: impl FnOnce(&mut Zip)) -> Vec<u8> {
    let mut zip = Zip::archive();
    spoil(&mut zip);
    zip.bytes()
}

/// A whole archive of Coffer, spoiled and then laid out, so that offsets and counts are right.
fn arranged(spoil: impl FnOnce(&mut Zip)) -> Vec<u8> {
    spoiled(|zip| {
        spoil(zip);
        zip.lay_out();
    })
}

/// A whole archive of Coffer whose first entry is changed.
fn first(change: impl FnOnce(&mut Member)) -> Vec<u8> {
    arranged(|zip| change(&mut zip.members[0]))
}

/// The first entry's name in [`Zip::archive`], and the second's.
const NOTE: &str = "files/up/note.txt";
const NOISE: &str = "files/up/noise";

fn finding(entry: &str, fault: Fault) -> Finding {
    Finding {
        entry: entry.into(),
        fault,
    }
}

/// The answer that the file is not in the profile, with these findings.
fn profile(findings: &[(&str, Fault)]) -> ArchiveError {
    ArchiveError::Profile(
        findings
            .iter()
            .map(|(entry, fault)| finding(entry, *fault))
            .collect(),
    )
}

/// The answer that an entry is not what the directory says.
fn entry(name: &str, fault: Fault) -> ArchiveError {
    ArchiveError::Entry(finding(name, fault))
}
