//! Reading the directory of a foreign ZIP.

use alloc::{string::String, vec, vec::Vec};

use super::{Weight, Zip, judge};
use crate::{
    archive::{
        ArchiveError, DirectoryFault, EndFault, Fault, Finding, Limits,
        raw::{
            CENTRAL_FIXED, Central, END_LEN, END_SIGNATURE, End, LOCAL_SIGNATURE, MAX32,
            ZIP64_LOCATOR_LEN, Zip64End, Zip64Locator,
        },
    },
    range::ByteRange,
    request::Request,
};

/// Bytes read from the end at first: more than an end record with the longest comment and its ZIP64 records take.
const TAIL_BYTES: u64 = 128 << 10;

/// Reads the directory of a foreign ZIP, given the ranges that it asks for.
#[derive(Debug)]
pub struct Opening {
    len: u64,
    limits: Limits,
    state: State,
    request: Request,
}

#[derive(Debug)]
enum State {
    Tail,
    /// The directory without those of its bytes that were in the tail.
    Directory {
        place: Place,
        tail: Vec<u8>,
        findings: Vec<Finding>,
    },
    Done(Zip),
    Failed,
}

/// Where the directory lies, as the end records say.
#[derive(Clone, Copy, Debug)]
struct Place {
    entries: u64,
    offset: u64,
    len: u64,
}

impl Opening {
    /// Starts on a ZIP of `len` bytes.
    ///
    /// # Errors
    /// [`ArchiveError::Empty`].
    pub fn new(len: u64, limits: Limits) -> Result<Self, ArchiveError> {
        if len == 0 {
            return Err(ArchiveError::Empty);
        }
        let tail = len.min(TAIL_BYTES);
        Ok(Self {
            len,
            limits,
            state: State::Tail,
            request: Request::new(ByteRange::new(len - tail, tail)),
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
    /// [`ArchiveError::Unsafe`] with everything that was found, if any of it is [`Weight::Refused`];
    /// [`ArchiveError::NotZip`], [`ArchiveError::NoEnd`], [`ArchiveError::Limit`], [`ArchiveError::Misfed`].
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        let Some((_, bytes)) = self.request.feed(bytes)? else {
            return Ok(());
        };
        match core::mem::replace(&mut self.state, State::Failed) {
            State::Tail => self.tail(bytes),
            State::Directory {
                place,
                tail,
                findings,
            } => {
                self.state = State::Done(directory(
                    [bytes, tail].concat(),
                    place,
                    &self.limits,
                    findings,
                )?);
                Ok(())
            }
            state @ (State::Done(_) | State::Failed) => {
                self.state = state;
                Ok(())
            }
        }
    }

    fn tail(&mut self, tail: Vec<u8>) -> Result<(), ArchiveError> {
        let tail_at = self.len - tail.len() as u64;
        let mut findings = Vec::new();
        let place = end(&tail, tail_at, &mut findings)?;
        if place.entries > self.limits.entries {
            return Err(ArchiveError::Limit {
                limit: "the number of entries",
                found: place.entries,
                allowed: self.limits.entries,
            });
        }
        if place.len > self.limits.directory_bytes {
            return Err(ArchiveError::Limit {
                limit: "bytes of the directory",
                found: place.len,
                allowed: self.limits.directory_bytes,
            });
        }
        let mut tail = tail;
        let end = place.offset.saturating_add(place.len);
        tail.truncate(usize::try_from(end.saturating_sub(tail_at)).unwrap_or(usize::MAX));
        let before = place.len.min(tail_at.saturating_sub(place.offset));
        if before > 0 {
            self.request = Request::new(ByteRange::new(place.offset, before));
            self.state = State::Directory {
                place,
                tail,
                findings,
            };
        } else {
            let at = usize::try_from(place.offset.saturating_sub(tail_at)).unwrap_or(usize::MAX);
            let bytes = tail.split_off(at.min(tail.len()));
            self.state = State::Done(directory(bytes, place, &self.limits, findings)?);
        }
        Ok(())
    }

    /// The ZIP.
    ///
    /// # Errors
    /// [`ArchiveError::Misfed`] if it still wants bytes.
    pub fn finish(self) -> Result<Zip, ArchiveError> {
        match self.state {
            State::Done(zip) => Ok(zip),
            _ => Err(self.request.unfed().into()),
        }
    }
}

fn whole(fault: Fault) -> Finding {
    Finding {
        entry: String::new(),
        fault,
    }
}

/// All that was found, if any of it forbids to read the ZIP.
fn refuse(findings: &mut Vec<Finding>) -> Result<(), ArchiveError> {
    let refused = |finding: &Finding| Weight::of(&finding.fault) == Weight::Refused;
    if findings.iter().any(refused) {
        Err(ArchiveError::Unsafe(core::mem::take(findings)))
    } else {
        Ok(())
    }
}

/// Where the directory lies, if the end records leave no doubt about it.
fn end(tail: &[u8], tail_at: u64, findings: &mut Vec<Finding>) -> Result<Place, ArchiveError> {
    let behind = |end: &End| (tail.len() - end.at - END_LEN) as u64;
    let fits: Vec<End> = End::all(tail)
        .filter(|end| behind(end) == end.comment)
        .collect();
    let mut find = |fault| findings.push(whole(Fault::End(fault)));
    let Some(end) = fits.first() else {
        // One whose directory lies right before it, with something behind it that it doesn't know of.
        let known = |end: &End| {
            end.offset.checked_add(end.len) == Some(tail_at + end.at as u64)
                && behind(end) > end.comment
        };
        let Some(end) = End::all(tail).find(known) else {
            let begins = [LOCAL_SIGNATURE, END_SIGNATURE]
                .iter()
                .any(|signature| tail.starts_with(&signature.to_le_bytes()));
            return Err(if tail_at == 0 && !begins {
                ArchiveError::NotZip
            } else {
                ArchiveError::NoEnd
            });
        };
        return Err(ArchiveError::Unsafe(vec![whole(Fault::End(
            EndFault::Trailing {
                bytes: behind(&end) - end.comment,
            },
        ))]));
    };
    if end.comment > 0 {
        find(EndFault::Comment { bytes: end.comment });
    }
    // Some programs take the last signature that they find, others the first whose comment fits.
    if fits.len() > 1 || End::all(tail).next().is_some_and(|last| last.at > end.at) {
        find(EndFault::Ambiguous);
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
    let mut place = Place {
        entries: end.entries,
        offset: end.offset,
        len: end.len,
    };
    let mut records_at = tail_at + end.at as u64;
    let locator_at = end.at.checked_sub(ZIP64_LOCATOR_LEN);
    match locator_at.and_then(|at| Some((at, Zip64Locator::parse(tail, at)?))) {
        None if end.len == MAX32 || end.offset == MAX32 => find(EndFault::Zip64Missing),
        None => {}
        Some((locator_at, locator)) => {
            match wide(tail, tail_at, locator_at, &locator) {
                None => find(EndFault::Zip64Locator),
                Some(record) => {
                    records_at = locator.offset;
                    place = Place {
                        entries: record.entries,
                        offset: record.offset,
                        len: record.len,
                    };
                    if record.disk != 0
                        || record.directory_disk != 0
                        || record.entries_here != record.entries
                    {
                        find(EndFault::Zip64Record);
                    }
                    // A value that isn't marked as standing there stands in both.
                    let differs = |short: u64, mark: u64, wide: u64| short != mark && short != wide;
                    if differs(end.entries, 0xffff, place.entries)
                        || differs(end.offset, MAX32, place.offset)
                        || differs(end.len, MAX32, place.len)
                    {
                        find(EndFault::Zip64Differs);
                    }
                }
            }
        }
    }
    let found = place.offset.saturating_add(place.len);
    if found != records_at {
        find(EndFault::Position {
            expected: records_at,
            found,
        });
    }
    if place.entries > place.len / CENTRAL_FIXED as u64 {
        find(EndFault::Crowded {
            entries: place.entries,
            bytes: place.len,
        });
    }
    refuse(findings)?;
    Ok(place)
}

/// The ZIP64 end record, where the locator says, if it ends where the locator begins.
fn wide(tail: &[u8], tail_at: u64, locator_at: usize, locator: &Zip64Locator) -> Option<Zip64End> {
    let at = usize::try_from(locator.offset.checked_sub(tail_at)?).ok()?;
    let record = Zip64End::parse(tail, at)?;
    let end = locator.offset.checked_add(12)?.checked_add(record.size)?;
    (locator.disk == 0 && locator.disks <= 1 && end == tail_at + locator_at as u64)
        .then_some(record)
}

fn directory(
    bytes: Vec<u8>,
    place: Place,
    limits: &Limits,
    mut findings: Vec<Finding>,
) -> Result<Zip, ArchiveError> {
    let mut items = Vec::new();
    let mut rest = bytes.as_slice();
    while let Some(raw) = Central::parse(rest) {
        rest = rest.get(raw.bytes.len()..).unwrap_or_default();
        if items.len() as u64 == limits.entries {
            return Err(ArchiveError::Limit {
                limit: "the number of entries",
                found: limits.entries.saturating_add(1),
                allowed: limits.entries,
            });
        }
        items.push(judge::item(&raw, &mut findings));
    }
    let found = items.len() as u64;
    if !rest.is_empty() {
        findings.push(whole(Fault::Directory(DirectoryFault::Damaged {
            entries: found,
        })));
    } else if found != place.entries {
        findings.push(whole(Fault::Directory(DirectoryFault::Count {
            declared: place.entries,
            found,
        })));
    }
    let first = items.iter().map(|item| item.entry.offset).min();
    let prefix = first.unwrap_or(place.offset);
    if prefix > 0 && rest.is_empty() {
        findings.push(whole(Fault::Directory(DirectoryFault::Prefix {
            bytes: prefix,
        })));
    }
    judge::rooms(&mut items, place.offset, &mut findings);
    let by_name = judge::names(&items, &mut findings);
    refuse(&mut findings)?;
    Ok(Zip {
        items,
        by_name,
        findings,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It asked for no bytes at all once, which nobody can give.
    #[test]
    fn an_empty_directory_far_from_the_end_is_refused() {
        let mut zip = vec![0; 3 * TAIL_BYTES as usize];
        zip.extend_from_slice(&END_SIGNATURE.to_le_bytes());
        zip.extend_from_slice(&[0; END_LEN - 4]);
        let len = zip.len() as u64;
        let mut opening = Opening::new(len, Limits::default()).unwrap();
        let refused = loop {
            let range = opening.wants().unwrap();
            let bytes = &zip[range.offset as usize..range.end() as usize];
            if let Err(error) = opening.feed(bytes) {
                break error;
            }
        };
        let fault = Fault::End(EndFault::Position {
            expected: len - END_LEN as u64,
            found: 0,
        });
        assert_eq!(refused, ArchiveError::Unsafe(vec![whole(fault)]));
        assert_eq!(opening.wants(), None);
    }
}
