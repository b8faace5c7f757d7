//! The end of an archive: where the directory lies, and whether the end records are the ones that the profile writes.

use alloc::{string::String, vec::Vec};

use super::{
    ArchiveError, EndFault, Fault, Finding,
    raw::{End, MAX32, ZIP64_END_LEN, ZIP64_LOCATOR_LEN, Zip64End, Zip64Locator},
    record::needs_zip64,
};

/// Where the directory lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EndOfDirectory {
    pub(super) entries: u64,
    pub(super) offset: u64,
    pub(super) len: u64,
}

/// Reads the end records at the end of `tail`, the last bytes of an archive of `file_len` bytes. Everything that the
/// profile would not have written goes to `findings`.
pub(super) fn read(
    tail: &[u8],
    file_len: u64,
    findings: &mut Vec<Finding>,
) -> Result<EndOfDirectory, ArchiveError> {
    let tail_at = file_len - tail.len() as u64;
    let end = find(tail, tail_at).ok_or(ArchiveError::NoEnd)?;
    let mut find = |fault| {
        findings.push(Finding {
            entry: String::new(),
            fault: Fault::End(fault),
        });
    };
    if end.comment > 0 {
        find(EndFault::Comment { bytes: end.comment });
    }
    let trailing = (tail.len() - end.at - super::raw::END_LEN) as u64;
    if trailing > end.comment {
        find(EndFault::Trailing {
            bytes: trailing - end.comment,
        });
    }
    if end.disk != 0 || end.directory_disk != 0 {
        find(EndFault::SeveralDisks);
    }
    if end.entries_here != end.entries {
        find(EndFault::Counts {
            here: end.entries_here,
            all: end.entries,
        });
    }
    let mut directory = EndOfDirectory {
        entries: end.entries,
        offset: end.offset,
        len: end.len,
    };
    let mut records_at = tail_at + end.at as u64;
    match wide(tail, &end) {
        None if end.refers_to_zip64() => find(EndFault::Zip64Missing),
        None => {}
        Some((locator, at, record)) => {
            records_at = tail_at + at as u64;
            if locator.disk != 0 || locator.disks != 1 || locator.offset != records_at {
                find(EndFault::Zip64Locator);
            }
            directory = EndOfDirectory {
                entries: record.entries,
                offset: record.offset,
                len: record.len,
            };
            if !record_is_plain(tail, at, &record) {
                find(EndFault::Zip64Record);
            }
            let EndOfDirectory {
                entries,
                offset,
                len,
            } = directory;
            if !needs_zip64(entries, offset, len) {
                find(EndFault::Zip64Unneeded);
            }
            let capped = [entries.min(0xffff), offset.min(MAX32), len.min(MAX32)];
            if capped != [end.entries, end.offset, end.len] {
                find(EndFault::Zip64Differs);
            }
        }
    }
    let found = directory.offset.saturating_add(directory.len);
    if found != records_at {
        find(EndFault::Position {
            expected: records_at,
            found,
        });
        return Err(ArchiveError::Profile(core::mem::take(findings)));
    }
    Ok(directory)
}

/// The end record: the last one that has nothing but its comment behind it, or that lies where it says. The bytes of
/// an end record inside of an entry's content do neither.
fn find(tail: &[u8], tail_at: u64) -> Option<End> {
    End::all(tail).find(|end| {
        let behind = (tail.len() - end.at - super::raw::END_LEN) as u64;
        let at = tail_at + end.at as u64;
        let records = (ZIP64_END_LEN + ZIP64_LOCATOR_LEN) as u64;
        let directory_end = end.offset + end.len;
        behind == 0
            || behind == end.comment
            || directory_end == at
            || directory_end.checked_add(records) == Some(at)
    })
}

/// ZIP64 locator and end record directly before the end record, if both are there.
fn wide(tail: &[u8], end: &End) -> Option<(Zip64Locator, usize, Zip64End)> {
    let locator_at = end.at.checked_sub(ZIP64_LOCATOR_LEN)?;
    let record_at = locator_at.checked_sub(ZIP64_END_LEN)?;
    Some((
        Zip64Locator::parse(tail, locator_at)?,
        record_at,
        Zip64End::parse(tail, record_at)?,
    ))
}

/// Whether the record has no more than the values that are read from it: version 1 of its form, nothing on other disks.
fn record_is_plain(tail: &[u8], at: usize, record: &Zip64End) -> bool {
    const VERSION: [u8; 4] = [45, 0, 45, 0];
    record.size == ZIP64_END_LEN as u64 - 12
        && tail.get(at + 12..at + 16) == Some(&VERSION)
        && record.disk == 0
        && record.directory_disk == 0
        && record.entries_here == record.entries
}
