//! What comes out of a reader of core's, as pieces of a few MiB for JavaScript.

use coffer_core::{
    archive::{CheckedReader, EntryReader, Step},
    bundle::BundleContent,
    redact::Redactor,
};
use js_sys::Uint8Array;

use crate::{cursor::Cursor, failure::Failure, turns::Giver};

/// Bytes of every piece but the last: a whole number of chunks.
const PIECE_BYTES: usize = 4 << 20;

/// A reader that asks for ranges of an archive and appends what it makes of them.
pub(crate) trait Machine {
    fn step(&mut self, out: &mut Vec<u8>) -> Result<Step, Failure>;
    fn feed(&mut self, bytes: &[u8]) -> Result<(), Failure>;
}

impl Machine for EntryReader {
    fn step(&mut self, out: &mut Vec<u8>) -> Result<Step, Failure> {
        Ok(Self::step(self, out)?)
    }

    fn feed(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        Ok(Self::feed(self, bytes)?)
    }
}

impl Machine for CheckedReader {
    fn step(&mut self, out: &mut Vec<u8>) -> Result<Step, Failure> {
        Ok(Self::step(self, out)?)
    }

    fn feed(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        Ok(Self::feed(self, bytes)?)
    }
}

impl Machine for BundleContent {
    fn step(&mut self, out: &mut Vec<u8>) -> Result<Step, Failure> {
        Ok(Self::step(self, out)?)
    }

    fn feed(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        Ok(Self::feed(self, bytes)?)
    }
}

impl Machine for Redactor {
    fn step(&mut self, out: &mut Vec<u8>) -> Result<Step, Failure> {
        Ok(Self::step(self, out)?)
    }

    fn feed(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        Ok(Self::feed(self, bytes)?)
    }
}

/// All output of a machine, for what is known to be small.
pub(crate) async fn read_all(
    mut machine: impl Machine,
    cursor: &mut Cursor,
) -> Result<Vec<u8>, Failure> {
    let mut out = Vec::new();
    loop {
        match machine.step(&mut out)? {
            Step::Want(range) => machine.feed(cursor.read(range).await?)?,
            Step::Output => {}
            Step::Done => return Ok(out),
        }
    }
}

/// The output of a machine, until its end or the first failure.
#[derive(Debug)]
pub(crate) struct Pieces<M> {
    machine: M,
    cursor: Cursor,
    out: Vec<u8>,
    end: bool,
}

impl<M: Machine> Pieces<M> {
    pub(crate) const fn new(machine: M, cursor: Cursor) -> Self {
        Self {
            machine,
            cursor,
            out: Vec::new(),
            end: false,
        }
    }

    /// Works until a piece is full, or to the end.
    async fn fill(&mut self) -> Result<(), Failure> {
        while self.out.len() < PIECE_BYTES && !self.end {
            match self.machine.step(&mut self.out)? {
                Step::Want(range) => self.machine.feed(self.cursor.read(range).await?)?,
                Step::Output => {}
                Step::Done => self.end = true,
            }
        }
        Ok(())
    }
}

impl<M: Machine> Giver for Pieces<M> {
    async fn next(&mut self) -> Result<Option<Uint8Array>, Failure> {
        self.fill().await?;
        let len = self.out.len().min(PIECE_BYTES);
        let piece = Uint8Array::from(self.out.get(..len).unwrap_or_default());
        self.out.drain(..len);
        Ok((len > 0).then_some(piece))
    }
}
