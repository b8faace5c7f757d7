//! The journal of a header that is being written over another: `FILE.coffer-rekey`, beside the archive.
//!
//! It is on disk, whole, before the first byte of the archive changes, and goes once the new header was read back. So
//! wherever a kill or a power cut strikes, the header is the old one, the new one, or torn with a journal that holds
//! the new one. It holds no secrets: headers are made to be read by anybody.
//!
//! | offset | bytes | content                                    |
//! |--------|-------|--------------------------------------------|
//! | 0      | 16    | magic                                      |
//! | 16     | 8     | length of the archive                      |
//! | 24     | 32    | SHA-256 of the archive's footer            |
//! | 56     | 32    | SHA-256 of the old header block            |
//! | 88     | 4     | length of both header blocks               |
//! | 92     | …     | the new header block                       |
//! | …      | 32    | SHA-256 of all of the above                |

use coffer_core::{Digest, seal::MAX_HEADER_BYTES};

const MAGIC: [u8; 16] = *b"coffer rekey 1\n\0";
const FIXED: usize = 92;
const DIGEST: usize = 32;

/// Most bytes that a journal has.
pub(super) const MAX_BYTES: u64 = FIXED as u64 + MAX_HEADER_BYTES + DIGEST as u64;

/// What tells an archive from others, whatever its header is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// Bytes of the file.
    pub(super) file_len: u64,
    /// SHA-256 of its footer, which names the payload by the scrub table's digest.
    pub(super) footer: Digest,
}

/// What a journal says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Journal {
    pub(super) archive: Identity,
    pub(super) old: Digest,
    pub(super) block: Vec<u8>,
}

impl Journal {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FIXED + self.block.len() + DIGEST);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&self.archive.file_len.to_be_bytes());
        out.extend_from_slice(&self.archive.footer.0);
        out.extend_from_slice(&self.old.0);
        // A header block has at most 64 KiB.
        let len = u32::try_from(self.block.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(&self.block);
        let digest = Digest::of(&out);
        out.extend_from_slice(&digest.0);
        out
    }

    /// `None` if it isn't whole.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (body, digest) = bytes.split_last_chunk::<DIGEST>()?;
        if Digest::of(body).0 != *digest {
            return None;
        }
        let rest = body.strip_prefix(&MAGIC)?;
        let (file_len, rest) = rest.split_first_chunk()?;
        let (footer, rest) = rest.split_first_chunk()?;
        let (old, rest) = rest.split_first_chunk()?;
        let (len, block) = rest.split_first_chunk()?;
        (usize::try_from(u32::from_be_bytes(*len)) == Ok(block.len())).then(|| Self {
            archive: Identity {
                file_len: u64::from_be_bytes(*file_len),
                footer: Digest(*footer),
            },
            old: Digest(*old),
            block: block.to_vec(),
        })
    }
}

/// The state in which a journal is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The old header is there, untouched: the change never happened.
    NotBegun,
    /// The new header is there: only the journal is left to remove.
    Written,
    /// The header is neither: the new one must be written.
    Torn,
    /// The journal is of another archive.
    NotOurs,
    /// The journal was cut short, and the header can't be read either.
    BothDamaged,
}

/// Compares a journal with the archive. `header` is as many bytes of its start as the journal's block has, or less if
/// it is shorter; of a journal that isn't whole, whether the archive's header can be read decides.
pub(super) fn state(
    journal: Option<&Journal>,
    archive: Option<Identity>,
    header: &[u8],
    header_reads: bool,
) -> State {
    match journal {
        // The archive is touched only once the journal is whole.
        None if header_reads => State::NotBegun,
        None => State::BothDamaged,
        Some(journal) if Some(journal.archive) != archive => State::NotOurs,
        Some(journal) if header == journal.block => State::Written,
        Some(journal) if Digest::of(header) == journal.old => State::NotBegun,
        Some(_) => State::Torn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(len: usize) -> Journal {
        Journal {
            archive: Identity {
                file_len: 1 << 40,
                footer: Digest([2; 32]),
            },
            old: Digest::of(&[1; 4096]),
            block: vec![9; len],
        }
    }

    #[test]
    fn journals_round_trip() {
        for len in [4096, 65536] {
            let journal = journal(len);
            let bytes = journal.encode();
            assert!(bytes.len() as u64 <= MAX_BYTES);
            assert_eq!(Journal::parse(&bytes), Some(journal));
        }
    }

    #[test]
    fn a_journal_that_is_not_whole_is_none() {
        let bytes = journal(4096).encode();
        for len in 0..bytes.len() {
            assert_eq!(Journal::parse(&bytes[..len]), None, "{len}");
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 4;
            assert_eq!(Journal::parse(&changed), None, "{at}");
        }
        assert_eq!(Journal::parse(&[bytes.as_slice(), b"\0"].concat()), None);
    }

    #[test]
    fn every_state_has_one_answer() {
        let journal = journal(4096);
        let archive = Some(journal.archive);
        let (old, new) = (vec![1; 4096], vec![9; 4096]);
        assert_eq!(state(Some(&journal), archive, &old, true), State::NotBegun);
        assert_eq!(state(Some(&journal), archive, &new, true), State::Written);
        for at in 1..4096 {
            let torn = [&new[..at], &old[at..]].concat();
            assert_eq!(
                state(Some(&journal), archive, &torn, at % 2 == 0),
                State::Torn
            );
        }
        assert_eq!(state(None, archive, &old, true), State::NotBegun);
        assert_eq!(state(None, archive, &old, false), State::BothDamaged);
        let other = Identity {
            file_len: 7,
            ..journal.archive
        };
        assert_eq!(
            state(Some(&journal), Some(other), &new, true),
            State::NotOurs
        );
        assert_eq!(state(Some(&journal), None, &new, true), State::NotOurs);
    }
}
