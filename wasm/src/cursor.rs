//! Reading plaintext in the steps that somebody asks for.

use std::{collections::VecDeque, rc::Rc};

use coffer_core::{ByteRange, seal::Sealed};

use crate::{
    failure::Failure,
    plain::{Coming, Plain, Scrub},
    window::{Reading, SLAB_BYTES, Window},
};

/// Slabs that are on their way at once: one in each of two lanes, one that is being read, and one for when a lane is slow.
pub(crate) const AHEAD: usize = 4;

/// Reads plaintext through a window of its own.
#[derive(Debug)]
pub(crate) struct Cursor {
    plain: Rc<Plain>,
    window: Window,
    /// What follows the window, in order.
    ahead: VecDeque<Coming>,
    /// Up to where it is worth reading ahead.
    until: u64,
    scrub: Option<Scrub>,
    stored: u64,
}

impl Cursor {
    pub(crate) fn new(plain: Rc<Plain>, reading: Reading) -> Self {
        let until = match reading {
            Reading::Looking | Reading::Streaming => 0,
            Reading::Straight { until } => until.min(plain.len()),
        };
        Self {
            window: Window::new(plain.len(), reading),
            plain,
            ahead: VecDeque::new(),
            until,
            scrub: None,
            stored: 0,
        }
    }

    /// A cursor that compares a sealed file with its scrub table on the way. What is read through it must go from the
    /// first byte to the last without a gap.
    pub(crate) async fn scrubbing(plain: Rc<Plain>, sealed: &Sealed) -> Result<Self, Failure> {
        let until = plain.len();
        Ok(Self {
            scrub: Some(plain.scrub(sealed).await?),
            ..Self::new(plain, Reading::Straight { until })
        })
    }

    /// Bytes of the file that were read for it.
    pub(crate) const fn stored(&self) -> u64 {
        self.stored
    }

    /// Some of the wanted bytes, from their start; none only if none are wanted.
    pub(crate) async fn read(&mut self, wanted: ByteRange) -> Result<&[u8], Failure> {
        if wanted.len > 0 && self.window.held(wanted).is_empty() {
            let coming = self.coming(wanted)?;
            self.read_ahead(coming.range.end())?;
            let (start, stored) = (coming.range.offset, coming.stored);
            let arrived = self.plain.arrive(coming, self.scrub.as_mut()).await;
            if arrived.is_err() {
                // It may be tried again, and then anew from here.
                self.ahead.clear();
            }
            self.stored += stored;
            let arrived = arrived?;
            let plain = &self.plain;
            self.window.fill(start, |bytes| plain.take(arrived, bytes));
        }
        Ok(self.window.held(wanted))
    }

    /// What holds the first of the wanted bytes.
    fn coming(&mut self, wanted: ByteRange) -> Result<Coming, Failure> {
        if let Some(next) = self.ahead.pop_front() {
            let range = next.range;
            if (range.offset..range.end()).contains(&wanted.offset) {
                return Ok(next);
            }
            self.ahead.clear();
        }
        self.plain
            .begin(self.window.next(wanted), self.scrub.is_some())
    }

    /// Begins to read what follows `from`.
    fn read_ahead(&mut self, from: u64) -> Result<(), Failure> {
        let mut from = self.ahead.back().map_or(from, |last| last.range.end());
        while from < self.until && self.ahead.len() < AHEAD {
            let len = SLAB_BYTES.min(self.until - from);
            self.ahead.push_back(
                self.plain
                    .begin(ByteRange::new(from, len), self.scrub.is_some())?,
            );
            from += len;
        }
        Ok(())
    }

    /// Waits for what is on its way, for nobody.
    pub(crate) async fn stop(self) {
        for coming in self.ahead {
            coming.give_up().await;
        }
    }

    /// Reads from `offset` to the end, and says whether what was read agrees with the scrub table.
    pub(crate) async fn finish(mut self, mut offset: u64) -> Result<(), Failure> {
        let end = self.plain.len();
        while offset < end {
            offset += self.read(ByteRange::new(offset, end - offset)).await?.len() as u64;
        }
        match self.scrub.take() {
            Some(scrub) => scrub.finish().await,
            None => Ok(()),
        }
    }
}
