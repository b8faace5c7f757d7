//! A gzip file of one member (RFC 1952) as a stream: inflated in bounded steps, its length and CRC-32 compared at its end.

use alloc::vec::Vec;
use core::fmt;

use super::ForeignError;
use crate::{
    archive::{Inflated, Step, StreamInflate},
    request::Intake,
};

/// Bytes of content that one step gives at most.
const STEP_BYTES: usize = 256 << 10;
/// Bytes of a header at most: DBackup writes 10.
const HEADER_BYTES: u64 = 64 << 10;
/// Bytes of the trailer: CRC-32 and length.
const TRAILER_BYTES: usize = 8;

enum State {
    Header,
    Data,
    Trailer,
    Done,
}

/// Reads a gzip file.
pub(super) struct Gunzip {
    intake: Intake,
    state: State,
    inflate: StreamInflate,
    crc: crc32fast::Hasher,
    written: u64,
    limit: u64,
}

impl fmt::Debug for Gunzip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gunzip")
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}

impl Gunzip {
    /// A reader for a file of `len` bytes that gives `limit` bytes at most.
    pub(super) fn new(len: u64, limit: u64) -> Self {
        Self {
            intake: Intake::new(0, len),
            state: State::Header,
            inflate: StreamInflate::new(),
            crc: crc32fast::Hasher::new(),
            written: 0,
            limit,
        }
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<(), ForeignError> {
        Ok(self.intake.feed(bytes)?)
    }

    /// Appends a bounded piece of content to `out`.
    pub(super) fn step(&mut self, out: &mut Vec<u8>) -> Result<Step, ForeignError> {
        loop {
            match self.state {
                State::Header => match header(self.intake.waiting())? {
                    Some(len) => {
                        self.intake.consume(len);
                        self.state = State::Data;
                    }
                    None if self.intake.waiting().len() as u64 > HEADER_BYTES => {
                        return Err(ForeignError::NotGzip("its header does not end"));
                    }
                    None => return self.want("it ends inside of its header"),
                },
                State::Data => {
                    let start = out.len();
                    out.resize(start + STEP_BYTES, 0);
                    let room = out.get_mut(start..).unwrap_or_default();
                    let result = self.inflate.run(self.intake.waiting(), room);
                    out.truncate(start + result.as_ref().map_or(0, |result| result.written));
                    let Some(Inflated {
                        used,
                        ended,
                        written,
                    }) = result
                    else {
                        return Err(ForeignError::NotGzip("it can't be inflated"));
                    };
                    self.intake.consume(used);
                    self.written += written as u64;
                    if self.written > self.limit {
                        return Err(ForeignError::Limit {
                            entry: "the content".into(),
                            limit: "inflated bytes",
                            allowed: self.limit,
                        });
                    }
                    self.crc.update(out.get(start..).unwrap_or_default());
                    if ended {
                        self.state = State::Trailer;
                    }
                    if written > 0 {
                        return Ok(Step::Output);
                    }
                    if !ended {
                        return self.want("it ends too early");
                    }
                }
                State::Trailer => {
                    let waiting = self.intake.waiting();
                    let Some(trailer) = waiting.get(..TRAILER_BYTES) else {
                        return self.want("it ends too early");
                    };
                    let mut expected = Vec::with_capacity(TRAILER_BYTES);
                    expected.extend(self.crc.clone().finalize().to_le_bytes());
                    // Modulo 2^32, as the format has it.
                    expected.extend((self.written as u32).to_le_bytes());
                    if trailer != expected {
                        return Err(ForeignError::NotGzip(
                            "its checksum or length is not that of its content",
                        ));
                    }
                    self.intake.consume(TRAILER_BYTES);
                    self.state = State::Done;
                }
                State::Done => {
                    return if self.intake.waiting().is_empty()
                        && self.intake.position() == self.intake.end()
                    {
                        Ok(Step::Done)
                    } else {
                        Err(ForeignError::NotGzip("something follows its end"))
                    };
                }
            }
        }
    }

    fn want(&self, why: &'static str) -> Result<Step, ForeignError> {
        self.intake
            .want_up_to(self.intake.end())
            .map(Step::Want)
            .ok_or(ForeignError::NotGzip(why))
    }
}

/// The length of the header at the start of `bytes`, once all of it is there (section 2.3).
fn header(bytes: &[u8]) -> Result<Option<usize>, ForeignError> {
    const CRC: u8 = 2;
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    let Some(fixed) = bytes.get(..10) else {
        return Ok(None);
    };
    let [0x1f, 0x8b, method, flags, ..] = *fixed else {
        return Err(ForeignError::NotGzip("it does not begin like one"));
    };
    if method != 8 || flags & 0xe0 != 0 {
        return Err(ForeignError::NotGzip(
            "it uses something that gzip does not have",
        ));
    }
    let mut at = 10;
    if flags & EXTRA != 0 {
        let Some([low, high]) = bytes.get(at..at + 2) else {
            return Ok(None);
        };
        at += 2 + usize::from(u16::from_le_bytes([*low, *high]));
    }
    for flag in [NAME, COMMENT] {
        if flags & flag != 0 {
            let rest = bytes.get(at..).unwrap_or_default();
            let Some(end) = memchr::memchr(0, rest) else {
                return Ok(None);
            };
            at += end + 1;
        }
    }
    if flags & CRC != 0 {
        at += 2;
    }
    Ok((bytes.len() >= at).then_some(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{vec, vec::Vec};

    /// `text` as stored blocks of deflate, which need no compressor.
    fn member(flags: u8, extra: &[u8], text: &[u8]) -> Vec<u8> {
        let mut file = vec![0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3];
        file.extend(extra);
        let len = u16::try_from(text.len()).unwrap();
        file.push(1);
        file.extend(len.to_le_bytes());
        file.extend((!len).to_le_bytes());
        file.extend(text);
        file.extend(crc32fast::hash(text).to_le_bytes());
        file.extend(u32::from(len).to_le_bytes());
        file
    }

    fn gunzip(file: &[u8], limit: u64, step: usize) -> Result<Vec<u8>, ForeignError> {
        let mut reader = Gunzip::new(file.len() as u64, limit);
        let mut out = vec![];
        loop {
            match reader.step(&mut out)? {
                Step::Want(range) => {
                    let at = usize::try_from(range.offset).unwrap();
                    let len = usize::try_from(range.len).unwrap().min(step);
                    reader.feed(&file[at..at + len])?;
                }
                Step::Output => {}
                Step::Done => return Ok(out),
            }
        }
    }

    #[test]
    fn headers_of_all_kinds() {
        for step in [1, 5, 1000] {
            for (flags, extra) in [
                (0, &b""[..]),
                (1, b""),
                (2, b"cr"),
                (4, b"\x03\0abc"),
                (8, b"name\0"),
                (0x1e, b"\x01\0an\0c\0cr"),
            ] {
                assert_eq!(
                    gunzip(&member(flags, extra, b"hello"), 5, step).as_deref(),
                    Ok(&b"hello"[..])
                );
            }
        }
    }

    #[test]
    fn what_is_no_gzip_says_why() {
        let good = member(0, b"", b"hello");
        for len in 0..good.len() {
            assert!(
                len == 0 || matches!(gunzip(&good[..len], 5, 1), Err(ForeignError::NotGzip(_))),
                "{len}"
            );
        }
        for at in [0, 1, 2, good.len() - 1, good.len() - 8] {
            let mut bad = good.clone();
            bad[at] ^= 0x80;
            assert!(
                matches!(gunzip(&bad, 5, 9), Err(ForeignError::NotGzip(_))),
                "{at}"
            );
        }
        let longer = [good.as_slice(), b"x"].concat();
        assert!(matches!(
            gunzip(&longer, 5, 9),
            Err(ForeignError::NotGzip(_))
        ));
        assert!(matches!(
            gunzip(&good, 4, 9),
            Err(ForeignError::Limit { allowed: 4, .. })
        ));
    }
}
