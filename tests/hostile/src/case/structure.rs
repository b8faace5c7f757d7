//! Records where none belong, or that say of each other what is not so.

mod ends;
mod limits;
mod places;
mod zip64;

use coffer_core::archive::{DirectoryFault, EndFault, Fault};

use super::Case;
use crate::Zip;

pub(super) use zip64::cases as large;

pub(super) fn small() -> Vec<Case> {
    [ends::cases(), places::cases(), limits::cases()].concat()
}

fn end(fault: EndFault) -> (&'static str, Fault) {
    ("", Fault::End(fault))
}

fn directory(fault: DirectoryFault) -> (&'static str, Fault) {
    ("", Fault::Directory(fault))
}

/// Positions in [`Zip::archive`], for expectations.
struct Layout {
    offsets: Vec<u64>,
    directory: u64,
    end: u64,
    len: u64,
}

fn layout() -> Layout {
    let zip = Zip::archive();
    Layout {
        offsets: zip
            .members
            .iter()
            .map(|member| u64::from(member.central.offset))
            .collect(),
        directory: u64::from(zip.end.offset),
        end: u64::from(zip.end.offset) + u64::from(zip.end.len),
        len: zip.bytes().len() as u64,
    }
}
