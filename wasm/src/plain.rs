//! The archive's plaintext: the file's bytes as they are, or decrypted.

use std::rc::Rc;

use coffer_core::{
    ByteRange,
    seal::{FileKey, ScrubChecker, SealError, Sealed, Unsealer},
};

use crate::{
    failure::Failure,
    source::Source,
    window::{Reading, Window},
};

/// Plaintext that can be read anywhere.
#[derive(Debug)]
pub(crate) struct Plain {
    source: Rc<Source>,
    len: u64,
    unsealer: Option<Unsealer>,
}

impl Plain {
    /// The content of a file of `len` bytes that isn't sealed.
    pub(crate) const fn open(source: Rc<Source>, len: u64) -> Self {
        Self {
            source,
            len,
            unsealer: None,
        }
    }

    /// The content of a sealed file.
    pub(crate) async fn unseal(
        source: Rc<Source>,
        sealed: &Sealed,
        key: &FileKey,
    ) -> Result<Self, Failure> {
        let prefix = source.read(sealed.prefix_range()).await?;
        let unsealer = sealed.unsealer(key, &prefix)?;
        Ok(Self {
            source,
            len: unsealer.plain_len(),
            unsealer: Some(unsealer),
        })
    }

    /// Bytes of plaintext.
    pub(crate) const fn len(&self) -> u64 {
        self.len
    }

    /// All bytes of a range. `stored` sees the file's bytes that it is made from.
    async fn read(&self, range: ByteRange, stored: impl FnOnce(&[u8])) -> Result<Vec<u8>, Failure> {
        let Some(unsealer) = &self.unsealer else {
            let bytes = self.source.read(range).await?;
            stored(&bytes);
            return Ok(bytes);
        };
        let located = unsealer.locate(range)?;
        let bytes = self.source.read(located.sealed).await?;
        stored(&bytes);
        Ok(unsealer.open(located, bytes)?)
    }
}

/// Reads plaintext in the steps that somebody asks for, through a window of its own.
#[derive(Debug)]
pub(crate) struct Cursor {
    plain: Rc<Plain>,
    window: Window,
    scrub: Option<ScrubChecker>,
    stored: u64,
}

impl Cursor {
    pub(crate) fn new(plain: Rc<Plain>, reading: Reading) -> Self {
        let window = Window::new(plain.len(), reading);
        Self {
            plain,
            window,
            scrub: None,
            stored: 0,
        }
    }

    /// A cursor that compares a sealed file with its scrub table on the way. What is read through it must go from the
    /// first byte to the last without a gap.
    pub(crate) async fn scrubbing(plain: Rc<Plain>, sealed: &Sealed) -> Result<Self, Failure> {
        let table = plain.source.read(sealed.scrub_range()).await?;
        let mut scrub = ScrubChecker::new(&table, sealed.footer().scrub_root)?;
        scrub.update(&plain.source.read(sealed.prefix_range()).await?);
        Ok(Self {
            scrub: Some(scrub),
            ..Self::new(plain, Reading::Streaming)
        })
    }

    /// Bytes of the file that were read for it.
    pub(crate) const fn stored(&self) -> u64 {
        self.stored
    }

    /// Some of the wanted bytes, from their start; none only if none are wanted.
    pub(crate) async fn read(&mut self, wanted: ByteRange) -> Result<&[u8], Failure> {
        if wanted.len > 0 && self.window.held(wanted).is_empty() {
            let range = self.window.next(wanted);
            let Self { scrub, stored, .. } = self;
            let bytes = self
                .plain
                .read(range, |bytes| {
                    *stored += bytes.len() as u64;
                    if let Some(scrub) = scrub {
                        scrub.update(bytes);
                    }
                })
                .await?;
            self.window.fill(range.offset, bytes);
        }
        Ok(self.window.held(wanted))
    }

    /// Reads from `offset` to the end, and says whether what was read agrees with the scrub table.
    pub(crate) async fn finish(mut self, mut offset: u64) -> Result<(), Failure> {
        let end = self.plain.len();
        while offset < end {
            offset += self.read(ByteRange::new(offset, end - offset)).await?.len() as u64;
        }
        let damaged = self.scrub.map(ScrubChecker::finish).unwrap_or_default();
        if damaged.is_empty() {
            Ok(())
        } else {
            // Every chunk was authentic, so it is the table that is wrong.
            Err(SealError::ScrubTableDamaged.into())
        }
    }
}
