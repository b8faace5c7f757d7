//! Reading the directory and checking it against the strict profile.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::{String, ToString},
    vec::Vec,
};

use super::{
    ArchiveError, Entry, Fault, Finding, Limits, Method, name,
    record::{
        self, CENTRAL_FIXED, END_LEN, FLAG_DESCRIPTOR, FLAG_UTF8, LOCAL_SIGNATURE, RawCentral,
        ZIP64_END_LEN, ZIP64_LOCATOR_LEN, number,
    },
};
use crate::{manifest::MANIFEST_PATH, range::ByteRange};

/// Bytes read from the end at first: in most archives they hold the whole directory and the manifest.
const TAIL_BYTES: u64 = 64 << 10;
const END_RECORDS: usize = END_LEN + ZIP64_LOCATOR_LEN + ZIP64_END_LEN;

/// Reads the directory of an archive, given the ranges that it asks for.
#[derive(Debug)]
pub struct Opening {
    len: u64,
    limits: Limits,
    state: State,
    wanted: ByteRange,
    buffer: Vec<u8>,
    /// The last bytes of the archive.
    tail: Vec<u8>,
}

#[derive(Debug)]
enum State {
    Start,
    Tail,
    Directory { at: u64, len: u64, entries: u64 },
    Done(Directory),
    Failed,
}

impl Opening {
    /// Starts on an archive of `len` bytes.
    ///
    /// # Errors
    /// [`ArchiveError::Empty`].
    pub fn new(len: u64, limits: Limits) -> Result<Self, ArchiveError> {
        if len == 0 {
            return Err(ArchiveError::Empty);
        }
        let wanted = ByteRange::new(0, len.min(4));
        Ok(Self {
            len,
            limits,
            state: State::Start,
            wanted,
            buffer: Vec::new(),
            tail: Vec::new(),
        })
    }

    /// The bytes it needs next; `None` when it is done.
    #[must_use]
    pub fn wants(&self) -> Option<ByteRange> {
        let given = self.buffer.len() as u64;
        (!matches!(self.state, State::Done(_) | State::Failed))
            .then(|| ByteRange::new(self.wanted.offset + given, self.wanted.len - given))
    }

    /// Takes some or all of the bytes that it wants, from their start.
    ///
    /// # Errors
    /// What is wrong with the archive so far.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        let wanted = self.wants().map_or(0, |range| range.len);
        if bytes.is_empty() || bytes.len() as u64 > wanted {
            return Err(ArchiveError::Misfed {
                wanted,
                given: bytes.len() as u64,
            });
        }
        self.buffer.extend_from_slice(bytes);
        if (bytes.len() as u64) < wanted {
            return Ok(());
        }
        self.step().inspect_err(|_| self.state = State::Failed)
    }

    fn step(&mut self) -> Result<(), ArchiveError> {
        let bytes = core::mem::take(&mut self.buffer);
        match core::mem::replace(&mut self.state, State::Failed) {
            State::Start => {
                let starts = number(&bytes, 0, 4);
                if bytes.len() < 4
                    || (starts != u64::from(LOCAL_SIGNATURE)
                        && starts != u64::from(record::END_SIGNATURE))
                {
                    return Err(ArchiveError::NotZip);
                }
                let tail = self.len.min(TAIL_BYTES);
                self.state = State::Tail;
                self.wanted = ByteRange::new(self.len - tail, tail);
                Ok(())
            }
            State::Tail => self.tail_read(bytes),
            State::Directory { at, len, entries } => {
                let mut directory = bytes;
                directory.extend_from_slice(&self.tail);
                self.tail.clear();
                let len = usize::try_from(len).unwrap_or(usize::MAX);
                directory.truncate(len);
                self.state = State::Done(Directory::parse(&directory, at, entries, &self.limits)?);
                Ok(())
            }
            state @ (State::Done(_) | State::Failed) => {
                self.state = state;
                Ok(())
            }
        }
    }

    fn tail_read(&mut self, mut tail: Vec<u8>) -> Result<(), ArchiveError> {
        let end_at = tail.len().saturating_sub(END_RECORDS);
        let end =
            record::parse_end(tail.get(end_at..).unwrap_or_default()).ok_or(ArchiveError::NoEnd)?;
        let profile = |fault| {
            ArchiveError::Profile(alloc::vec![Finding {
                entry: String::new(),
                fault
            }])
        };
        let records = record::end_records(end.entries, end.offset, end.len);
        if !tail.ends_with(&records) {
            return Err(profile(Fault::End(
                "its records have another form or a comment",
            )));
        }
        let directory_end = self.len - records.len() as u64;
        if end.offset.checked_add(end.len) != Some(directory_end) {
            return Err(profile(Fault::End(
                "the directory does not lie directly before it",
            )));
        }
        let limit = |limit, found, allowed| {
            if found > allowed {
                Err(ArchiveError::Limit {
                    limit,
                    found,
                    allowed,
                })
            } else {
                Ok(())
            }
        };
        limit("the number of entries", end.entries, self.limits.entries)?;
        limit(
            "bytes of the directory",
            end.len,
            self.limits.directory_bytes,
        )?;
        if end.entries > end.len / CENTRAL_FIXED as u64 {
            return Err(profile(Fault::End(
                "it names more entries than the directory can hold",
            )));
        }
        tail.truncate(tail.len() - records.len());
        let tail_start = directory_end - tail.len() as u64;
        self.state = State::Directory {
            at: end.offset,
            len: end.len,
            entries: end.entries,
        };
        if end.offset >= tail_start {
            // The whole directory is in the tail already.
            let skip = usize::try_from(end.offset - tail_start).unwrap_or(usize::MAX);
            self.tail = tail.split_off(skip.min(tail.len()));
            return self.step();
        }
        self.tail = tail;
        self.wanted = ByteRange::new(end.offset, tail_start - end.offset);
        Ok(())
    }

    /// The directory.
    ///
    /// # Errors
    /// [`ArchiveError::Misfed`] if it still wants bytes.
    pub fn finish(self) -> Result<Directory, ArchiveError> {
        let wanted = self.wants().map_or(0, |range| range.len);
        match self.state {
            State::Done(directory) => Ok(directory),
            _ => Err(ArchiveError::Misfed { wanted, given: 0 }),
        }
    }
}

/// The entries of an archive that keeps the strict profile, as far as its directory shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    entries: Vec<Entry>,
    by_name: BTreeMap<String, usize>,
}

impl Directory {
    fn parse(
        mut bytes: &[u8],
        directory_at: u64,
        count: u64,
        limits: &Limits,
    ) -> Result<Self, ArchiveError> {
        let mut findings = Vec::new();
        let mut entries = Vec::new();
        let mut at = 0_u64;
        for _ in 0..count {
            let Some(raw) = record::parse_central(bytes) else {
                findings.push(whole(Fault::Directory("it ends in the middle of an entry")));
                return Err(ArchiveError::Profile(findings));
            };
            bytes = bytes.get(raw.bytes.len()..).unwrap_or_default();
            let Some(entry) = check_entry(&raw, at, &mut findings) else {
                continue;
            };
            match entry
                .record_len()
                .and_then(|len| entry.offset.checked_add(len))
            {
                Some(end) if end <= directory_at => at = end,
                _ => findings.push(Finding {
                    entry: entry.name.clone(),
                    fault: Fault::Extra("more bytes than lie before the directory"),
                }),
            }
            entries.push(entry);
        }
        if !bytes.is_empty() {
            findings.push(whole(Fault::Directory("it is longer than its entries")));
        }
        if findings.is_empty() && at != directory_at {
            findings.push(whole(Fault::Directory(
                "there are bytes between the last entry and the directory",
            )));
        }
        check_names(&entries, &mut findings);
        let is_manifest = |entry: &Entry| entry.name == MANIFEST_PATH;
        if !entries.iter().any(is_manifest) {
            return Err(ArchiveError::NoManifest);
        }
        if !entries.last().is_some_and(is_manifest) {
            findings.push(whole(Fault::Directory(
                "the manifest is not the last entry",
            )));
        }
        if !findings.is_empty() {
            return Err(ArchiveError::Profile(findings));
        }
        if let Some(entry) = entries.last()
            && entry.size > limits.manifest_bytes
        {
            return Err(ArchiveError::Limit {
                limit: "bytes of the manifest",
                found: entry.size,
                allowed: limits.manifest_bytes,
            });
        }
        let by_name = entries
            .iter()
            .enumerate()
            .map(|(index, entry)| (entry.name.clone(), index))
            .collect();
        Ok(Self { entries, by_name })
    }

    /// All entries, in the order of the archive.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry called `name`.
    ///
    /// # Errors
    /// [`ArchiveError::NoEntry`].
    pub fn entry(&self, name: &str) -> Result<&Entry, ArchiveError> {
        self.by_name
            .get(name)
            .and_then(|index| self.entries.get(*index))
            .ok_or_else(|| ArchiveError::NoEntry(name.to_string()))
    }
}

fn whole(fault: Fault) -> Finding {
    Finding {
        entry: String::new(),
        fault,
    }
}

/// The entry that a central header describes, with everything about it that the profile doesn't have as findings.
fn check_entry(
    raw: &RawCentral<'_>,
    expected_at: u64,
    findings: &mut Vec<Finding>,
) -> Option<Entry> {
    let shown = String::from_utf8_lossy(raw.name).into_owned();
    let before = findings.len();
    let mut find = |fault| {
        findings.push(Finding {
            entry: shown.clone(),
            fault,
        })
    };
    let name = match core::str::from_utf8(raw.name) {
        Ok(name) => {
            if let Err(error) = name::check(name) {
                find(Fault::Name(error));
            }
            name
        }
        Err(_) => {
            find(Fault::Name(name::NameError::NotUtf8));
            ""
        }
    };
    let streamed = raw.flags & FLAG_DESCRIPTOR != 0;
    if raw.flags & !FLAG_DESCRIPTOR != FLAG_UTF8 {
        find(Fault::Flags(raw.flags));
    }
    let method = match raw.method {
        0 => Some(Method::Store),
        8 => Some(Method::Deflate),
        other => {
            find(Fault::Method(other));
            None
        }
    };
    if streamed && method == Some(Method::Store) {
        find(Fault::Extra("a data descriptor on a stored entry"));
    }
    if method == Some(Method::Store) && raw.compressed != raw.size {
        find(Fault::Extra("two different sizes, though it is stored"));
    }
    // Unix keeps file types in the upper half of the external attributes: links and devices show there.
    if raw.external != 0 {
        find(Fault::Extra("file attributes"));
    }
    if raw.offset != expected_at {
        find(Fault::Offset {
            expected: expected_at,
            found: raw.offset,
        });
    }
    let clean = findings.len() == before;
    let entry = Entry {
        name: name.to_string(),
        method: method?,
        crc32: raw.crc32,
        compressed: raw.compressed,
        size: raw.size,
        offset: raw.offset,
        streamed,
    };
    // Whatever else the header has that the profile's writer would not have written.
    if clean && entry.central_header() != raw.bytes {
        findings.push(Finding {
            entry: shown,
            fault: Fault::Extra(
                "a version, time, attribute, extra field or comment that the profile does not have",
            ),
        });
    }
    Some(entry)
}

fn check_names(entries: &[Entry], findings: &mut Vec<Finding>) {
    let mut folded = BTreeSet::new();
    for entry in entries {
        if !folded.insert(name::fold(&entry.name)) {
            findings.push(Finding {
                entry: entry.name.clone(),
                fault: Fault::DuplicateName,
            });
        }
    }
    for entry in entries {
        let folded_name = name::fold(&entry.name);
        let mut folders = folded_name
            .match_indices('/')
            .filter_map(|(at, _)| folded_name.get(..at));
        if folders.any(|folder| folded.contains(folder)) {
            findings.push(Finding {
                entry: entry.name.clone(),
                fault: Fault::FileAndFolder,
            });
        }
    }
}
