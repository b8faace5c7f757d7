//! Relying on who sealed an archive.
//!
//! A signature covers the scrub table, so all that is used of a signed payload goes through [`SignedPayload`]: it reads
//! whole blocks and compares each with the table, every time that it reads it. Memory holds the table (32 bytes for
//! each MiB of the archive) and the last blocks.

use std::{
    collections::{BTreeSet, VecDeque},
    fmt,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use coffer_core::{
    ByteRange,
    seal::{Fingerprint, PayloadBlocks, Sealed, Sender},
};
use serde::{Serialize, Serializer};

use crate::{
    progress::Progress,
    read::{ReadAt, ReadError, read_range},
};

/// Blocks that are kept, for readers that go on where they stopped or look at two places in turns.
const KEPT: usize = 4;
/// Most blocks that are read at once.
const RUN: usize = 4;

/// A block by its number.
type Block = (usize, Arc<[u8]>);

/// The payload of a signed archive.
pub struct SignedPayload {
    source: Arc<dyn ReadAt>,
    sender: Sender,
    blocks: PayloadBlocks,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The last blocks that were compared, the latest at the end.
    kept: VecDeque<Block>,
    /// Numbers of all that were compared.
    compared: BTreeSet<usize>,
}

impl SignedPayload {
    /// Checks the signature of an archive and reads its scrub table; `None` if nobody signed it.
    ///
    /// # Errors
    /// [`ReadError::Io`], or [`ReadError::Seal`] if signature or table are wrong.
    pub fn open(source: &Arc<dyn ReadAt>, sealed: &Sealed) -> Result<Option<Self>, ReadError> {
        let Some(sender) = sender(&**source, sealed)? else {
            return Ok(None);
        };
        let table = read_range(&**source, sealed.scrub_range())?;
        Ok(Some(Self {
            source: source.clone(),
            sender,
            blocks: PayloadBlocks::new(sealed, &table)?,
            state: Mutex::default(),
        }))
    }

    /// Who signed it.
    #[must_use]
    pub const fn sender(&self) -> Sender {
        self.sender
    }

    /// A range of the file that lies in the payload, compared with what was signed.
    ///
    /// # Errors
    /// [`ReadError::Io`], or [`ReadError::Seal`] if it differs.
    pub fn read(&self, range: ByteRange) -> Result<Vec<u8>, ReadError> {
        let mut out = Vec::with_capacity(usize::try_from(range.len).unwrap_or(0));
        let numbers = self.blocks.holding(range)?;
        let mut next = numbers.start;
        while next < numbers.end {
            let run = next..numbers.end.min(next.saturating_add(RUN));
            next = run.end;
            for (number, block) in self.run(run)? {
                let Some(place) = self.blocks.range(number) else {
                    continue;
                };
                let from = range.offset.max(place.offset) - place.offset;
                let to = range.end().min(place.end()) - place.offset;
                let part = index(from)..index(to);
                out.extend_from_slice(block.get(part).unwrap_or_default());
            }
        }
        Ok(out)
    }

    /// Compares the blocks that nobody has read yet, so that all of them were.
    ///
    /// # Errors
    /// As [`SignedPayload::read`]; [`ReadError::Cancelled`].
    pub fn compare_rest(&self, progress: &Progress) -> Result<(), ReadError> {
        for number in 0..self.blocks.count() {
            if progress.cancelled() {
                return Err(ReadError::Cancelled);
            }
            if !self.state().compared.contains(&number) {
                self.run(number..number + 1)?;
            }
        }
        Ok(())
    }

    /// Consecutive blocks: what is kept of them, and the others with as few reads as possible.
    fn run(&self, numbers: Range<usize>) -> Result<Vec<Block>, ReadError> {
        let mut found: Vec<Block> = self
            .state()
            .kept
            .iter()
            .filter(|(number, _)| numbers.contains(number))
            .cloned()
            .collect();
        let missing: Vec<usize> = numbers
            .filter(|number| !found.iter().any(|(kept, _)| kept == number))
            .collect();
        for run in missing.chunk_by(|number, next| number + 1 == *next) {
            found.extend(self.fetch(run)?);
        }
        found.sort_unstable_by_key(|(number, _)| *number);
        Ok(found)
    }

    /// Reads consecutive blocks and compares them.
    fn fetch(&self, numbers: &[usize]) -> Result<Vec<Block>, ReadError> {
        let places: Vec<(usize, ByteRange)> = numbers
            .iter()
            .filter_map(|number| Some((*number, self.blocks.range(*number)?)))
            .collect();
        let (Some((_, first)), Some((_, last))) = (places.first(), places.last()) else {
            return Ok(Vec::new());
        };
        let whole = ByteRange::new(first.offset, last.end() - first.offset);
        let bytes = read_range(&*self.source, whole)?;
        let mut read = Vec::with_capacity(places.len());
        for (number, place) in &places {
            let start = index(place.offset - whole.offset);
            let block = bytes
                .get(start..start.saturating_add(index(place.len)))
                .unwrap_or_default();
            self.blocks.check(*number, block)?;
            read.push((*number, Arc::from(block)));
        }
        let mut state = self.state();
        for (number, block) in &read {
            state.compared.insert(*number);
            state.kept.retain(|(kept, _)| kept != number);
            state.kept.push_back((*number, Arc::clone(block)));
        }
        let over = state.kept.len().saturating_sub(KEPT);
        state.kept.drain(..over);
        Ok(read)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Places inside of a few blocks, which fit into memory.
fn index(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// Who signed a sealed archive, by a signature that fits its scrub table. Its content isn't compared with that.
///
/// # Errors
/// [`ReadError::Io`], or [`ReadError::Seal`] if the signature is wrong.
pub fn sender(source: &dyn ReadAt, sealed: &Sealed) -> Result<Option<Sender>, ReadError> {
    let Some(range) = sealed.sender_range() else {
        return Ok(None);
    };
    let prefix = read_range(source, sealed.prefix_range())?;
    let block = read_range(source, range)?;
    Ok(Some(sealed.sender(&prefix, &block)?))
}

/// A sender, as programs are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SenderName {
    /// The public key, `coffer-sender1…`.
    pub key: String,
    /// Its fingerprint.
    pub fingerprint: String,
}

impl From<Sender> for SenderName {
    fn from(sender: Sender) -> Self {
        Self {
            key: sender.to_string(),
            fingerprint: sender.fingerprint().to_string(),
        }
    }
}

/// For reports: a sender as programs are told.
pub(crate) fn as_name<S: Serializer>(
    sender: &Option<Sender>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    sender.map(SenderName::from).serialize(serializer)
}

/// One sender that somebody relies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trusted {
    /// By the public key.
    Key(Sender),
    /// By its name, which is as good: nobody makes another key with the same one.
    Name(Fingerprint),
}

impl Trusted {
    /// Reads `coffer-sender1…` or a fingerprint.
    ///
    /// # Errors
    /// A sentence on what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        match Fingerprint::parse(text) {
            Some(name) => Ok(Self::Name(name)),
            None => Sender::parse(text).map(Self::Key).map_err(|error| {
                format!("{error}, and no fingerprint, which has 32 hexadecimal digits")
            }),
        }
    }

    fn is(self, sender: Sender) -> bool {
        match self {
            Self::Key(key) => key == sender,
            Self::Name(name) => name == sender.fingerprint(),
        }
    }
}

impl fmt::Display for Trusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => key.fingerprint().fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

/// Whose archives are accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedSenders(Vec<Trusted>);

/// An archive that nobody vouches for who is trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SenderError {
    /// Nobody signed it.
    #[error(
        "nobody signed this archive, and only one that was sealed by {expected} is accepted; nothing was changed"
    )]
    Unsigned {
        /// Who was expected.
        expected: String,
    },
    /// Somebody else signed it.
    #[error(
        "this archive was sealed by {found}, and only one that was sealed by {expected} is accepted; nothing was changed"
    )]
    Other {
        /// Who sealed it.
        found: Fingerprint,
        /// Who was expected.
        expected: String,
    },
}

impl SenderError {
    /// A stable name for programs, in snake case.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unsigned { .. } => "unsigned",
            Self::Other { .. } => "other_sender",
        }
    }
}

impl TrustedSenders {
    /// Only archives of one of these. Of nobody in particular means that every archive is accepted, signed or not.
    #[must_use]
    pub const fn new(senders: Vec<Trusted>) -> Self {
        Self(senders)
    }

    /// Whether anybody is named.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an archive by this sender, or by nobody, is accepted.
    ///
    /// # Errors
    /// [`SenderError`].
    pub fn accept(&self, sender: Option<Sender>) -> Result<(), SenderError> {
        if self.is_empty() || sender.is_some_and(|sender| self.0.iter().any(|one| one.is(sender))) {
            return Ok(());
        }
        let names: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        let expected = names.join(" or ");
        Err(match sender {
            None => SenderError::Unsigned { expected },
            Some(sender) => SenderError::Other {
                found: sender.fingerprint(),
                expected,
            },
        })
    }
}
