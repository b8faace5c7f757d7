//! Reading the directory and checking it against the strict profile.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::{String, ToString},
    vec::Vec,
};

use super::{
    ArchiveError, DirectoryFault, EndFault, Entry, Fault, Field, Finding, Limits, Method, end,
    name,
    raw::{
        self, CENTRAL_FIXED, Central, END_SIGNATURE, FLAG_DESCRIPTOR, FLAG_UTF8, FLAGS_ENCRYPTED,
        LOCAL_SIGNATURE, ZIP64_TAG, number,
    },
    record::{self, CENTRAL_LAYOUT},
};
use crate::{manifest::MANIFEST_PATH, range::ByteRange, request::Request};

/// Bytes read from the end at first: in most archives they hold the whole directory and the manifest.
const TAIL_BYTES: u64 = 64 << 10;

/// Reads the directory of an archive, given the ranges that it asks for.
#[derive(Debug)]
pub struct Opening {
    len: u64,
    limits: Limits,
    state: State,
    request: Request,
    /// The last bytes of the archive.
    tail: Vec<u8>,
}

#[derive(Debug)]
enum State {
    Start,
    Tail,
    Directory {
        end: end::EndOfDirectory,
        findings: Vec<Finding>,
    },
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
        Ok(Self {
            len,
            limits,
            state: State::Start,
            request: Request::new(ByteRange::new(0, len.min(4))),
            tail: Vec::new(),
        })
    }

    /// The bytes it needs next; `None` when it is done.
    #[must_use]
    pub fn wants(&self) -> Option<ByteRange> {
        self.request.wants()
    }

    /// Takes some or all of the bytes that it wants, from their start.
    ///
    /// # Errors
    /// What is wrong with the archive so far.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        let Some((_, bytes)) = self.request.feed(bytes)? else {
            return Ok(());
        };
        self.step(bytes)
    }

    fn step(&mut self, bytes: Vec<u8>) -> Result<(), ArchiveError> {
        match core::mem::replace(&mut self.state, State::Failed) {
            State::Start => {
                let starts = number(&bytes, 0, 4);
                if bytes.len() < 4
                    || (starts != u64::from(LOCAL_SIGNATURE) && starts != u64::from(END_SIGNATURE))
                {
                    return Err(ArchiveError::NotZip);
                }
                let tail = self.len.min(TAIL_BYTES);
                self.state = State::Tail;
                self.request = Request::new(ByteRange::new(self.len - tail, tail));
                Ok(())
            }
            State::Tail => self.tail_read(bytes),
            State::Directory { end, findings } => {
                let mut directory = bytes;
                directory.extend_from_slice(&self.tail);
                self.tail.clear();
                directory.truncate(usize::try_from(end.len).unwrap_or(usize::MAX));
                let directory = Directory::parse(&directory, &end, &self.limits, findings)?;
                self.state = State::Done(directory);
                Ok(())
            }
            state @ (State::Done(_) | State::Failed) => {
                self.state = state;
                Ok(())
            }
        }
    }

    fn tail_read(&mut self, mut tail: Vec<u8>) -> Result<(), ArchiveError> {
        let mut findings = Vec::new();
        let end = end::read(&tail, self.len, &mut findings)?;
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
            findings.push(whole(Fault::End(EndFault::Crowded {
                entries: end.entries,
                bytes: end.len,
            })));
        }
        let tail_start = self.len - tail.len() as u64;
        self.state = State::Directory { end, findings };
        if end.offset >= tail_start {
            // The whole directory is in the tail already.
            let skip = usize::try_from(end.offset - tail_start).unwrap_or(usize::MAX);
            self.tail = tail.split_off(skip.min(tail.len()));
            return self.step(Vec::new());
        }
        self.tail = tail;
        self.request = Request::new(ByteRange::new(end.offset, tail_start - end.offset));
        Ok(())
    }

    /// The directory.
    ///
    /// # Errors
    /// [`ArchiveError::Misfed`] if it still wants bytes.
    pub fn finish(self) -> Result<Directory, ArchiveError> {
        match self.state {
            State::Done(directory) => Ok(directory),
            _ => Err(self.request.unfed().into()),
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
        end: &end::EndOfDirectory,
        limits: &Limits,
        mut findings: Vec<Finding>,
    ) -> Result<Self, ArchiveError> {
        let mut entries = Vec::new();
        // Where the next record must start; unknown behind one that has no end.
        let (mut at, mut found) = (Some(0_u64), 0_u64);
        // To the end of its bytes, whatever number of entries it is said to have: that number may be a lie.
        while let Some(raw) = Central::parse(bytes) {
            bytes = bytes.get(raw.bytes.len()..).unwrap_or_default();
            found += 1;
            if found > limits.entries {
                return Err(too_many(found, limits));
            }
            let entry = check_entry(&raw, at, &mut findings);
            // A name that is not UTF-8 is shown with other bytes than it has.
            let record_end = entry
                .record_len_named(raw.name.len())
                .and_then(|len| entry.offset.checked_add(len))
                .unwrap_or(u64::MAX);
            if record_end > end.offset {
                findings.push(Finding {
                    entry: entry.name.clone(),
                    fault: Fault::Overlap {
                        end: record_end,
                        next: end.offset,
                    },
                });
                at = None;
            } else {
                // Without its ZIP64 field it isn't known how long the local header is.
                let known = raw.zip64_len >= entry.zip64_len();
                at = known.then_some(record_end.max(at.unwrap_or(0)));
            }
            entries.push(entry);
        }
        let damaged = !bytes.is_empty();
        if damaged {
            findings.push(whole(Fault::Directory(DirectoryFault::Damaged {
                entries: found,
            })));
        } else if found != end.entries {
            findings.push(whole(Fault::Directory(DirectoryFault::Count {
                declared: end.entries,
                found,
            })));
        }
        let out_of_place = |finding: &Finding| matches!(finding.fault, Fault::Offset { .. });
        if let Some(gap) = at.and_then(|at| end.offset.checked_sub(at))
            && gap > 0
            && !damaged
            && !findings.iter().any(out_of_place)
        {
            findings.push(whole(Fault::Directory(DirectoryFault::Gap { bytes: gap })));
        }
        check_names(&entries, &mut findings);
        let is_manifest = |entry: &Entry| entry.name == MANIFEST_PATH;
        if !entries.iter().any(is_manifest) {
            // What is behind the damage may be a manifest.
            return Err(if damaged {
                ArchiveError::Profile(findings)
            } else {
                ArchiveError::NoManifest
            });
        }
        if !damaged && !entries.last().is_some_and(is_manifest) {
            findings.push(whole(Fault::Directory(DirectoryFault::ManifestNotLast)));
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

const fn too_many(found: u64, limits: &Limits) -> ArchiveError {
    ArchiveError::Limit {
        limit: "the number of entries",
        found,
        allowed: limits.entries,
    }
}

/// The entry that a central header describes, with everything about it that the profile doesn't have as findings.
fn check_entry(raw: &Central<'_>, expected_at: Option<u64>, findings: &mut Vec<Finding>) -> Entry {
    let name = String::from_utf8_lossy(raw.name).into_owned();
    let before = findings.len();
    let mut find = |fault| {
        findings.push(Finding {
            entry: name.clone(),
            fault,
        });
    };
    if core::str::from_utf8(raw.name).is_ok() {
        for error in name::problems(&name) {
            find(Fault::Name(error));
        }
    } else {
        find(Fault::Name(name::NameError::NotUtf8));
    }
    let streamed = raw.flags & FLAG_DESCRIPTOR != 0;
    if raw.flags & FLAGS_ENCRYPTED != 0 {
        find(Fault::Encrypted);
    }
    if raw.flags & !FLAG_DESCRIPTOR & !FLAGS_ENCRYPTED != FLAG_UTF8 {
        find(Fault::Flags(raw.flags));
    }
    let method = match raw.method {
        0 => Method::Store,
        8 => Method::Deflate,
        other => {
            find(Fault::Method(other));
            Method::Deflate
        }
    };
    if method == Method::Store {
        if streamed {
            find(Fault::StoredDescriptor);
        }
        if raw.compressed != raw.size {
            find(Fault::StoredSizes {
                stored: raw.compressed,
                size: raw.size,
            });
        }
    }
    let special = raw::special(raw.external);
    if let Some(special) = special {
        find(Fault::Special(special));
    }
    if let Some(expected) = expected_at
        && raw.offset != expected
    {
        find(Fault::Offset {
            expected,
            found: raw.offset,
        });
    }
    check_extra(raw.extra, &mut find);
    let entry = Entry {
        name: name.clone(),
        method,
        crc32: raw.crc32,
        compressed: raw.compressed,
        size: raw.size,
        offset: raw.offset,
        streamed,
    };
    let wide = raw.zip64_len != entry.zip64_len();
    if wide {
        find(Fault::Zip64Field {
            expected: entry.zip64_len(),
            found: raw.zip64_len,
        });
    }
    let header = entry.central_header();
    let others =
        record::differing(CENTRAL_LAYOUT, &header, raw.bytes).filter(|field| match field {
            // Judged above.
            Field::Flags | Field::Method | Field::Name | Field::Extra => false,
            Field::External => special.is_none(),
            // They follow from the ZIP64 field.
            Field::MadeBy | Field::Needed | Field::Compressed | Field::Size | Field::Offset => {
                !wide
            }
            _ => true,
        });
    others.for_each(|field| find(Fault::Header(field)));
    // Whatever else the header has that the profile's writer would not have written.
    if findings.len() == before && header != raw.bytes {
        findings.push(Finding {
            entry: name,
            fault: Fault::Header(Field::Extra),
        });
    }
    entry
}

fn check_extra(extra: &[u8], find: &mut impl FnMut(Fault)) {
    let mut seen = BTreeSet::new();
    for field in raw::extra_fields(extra) {
        let Ok((tag, _)) = field else {
            find(Fault::MalformedExtraField);
            continue;
        };
        if !seen.insert(tag) {
            find(Fault::DuplicateExtraField(tag));
        } else if tag != ZIP64_TAG {
            find(Fault::ExtraField(tag));
        }
    }
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
