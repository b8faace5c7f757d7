//! What comes out of a reader of core's, as pieces of a few MiB for JavaScript.

use std::{cell::RefCell, mem, rc::Rc};

use coffer_core::{
    archive::{CheckedReader, EntryReader, Step},
    bundle::Bundler,
};
use js_sys::{Promise, Uint8Array};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::future_to_promise;

use crate::{cursor::Cursor, failure::Failure};

/// Bytes that a piece has at least, unless it is the last.
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

impl Machine for Bundler {
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
pub(crate) struct Pieces<M>(Rc<Shared<M>>);

/// Shared with the promise of a piece, so that JavaScript may free its object while one is under way.
#[derive(Debug)]
struct Shared<M>(RefCell<State<M>>);

#[derive(Debug)]
enum State<M> {
    Ready(Box<Work<M>>),
    /// A piece is being made.
    Busy,
    End,
    Failed,
}

#[derive(Debug)]
struct Work<M> {
    machine: M,
    cursor: Cursor,
    out: Vec<u8>,
}

impl<M: Machine + 'static> Pieces<M> {
    pub(crate) fn new(machine: M, cursor: Cursor) -> Self {
        let out = Vec::new();
        let work = Work {
            machine,
            cursor,
            out,
        };
        Self(Rc::new(Shared(RefCell::new(State::Ready(Box::new(work))))))
    }

    /// A promise of the next piece, or of `undefined` at the end.
    pub(crate) fn next(&self) -> Promise {
        let shared = self.0.clone();
        future_to_promise(async move {
            let piece = shared.next().await?;
            Ok(piece.map_or(JsValue::UNDEFINED, Into::into))
        })
    }
}

impl<M: Machine> Shared<M> {
    /// The next piece; `None` at the end. After a temporary failure it can be asked for again.
    async fn next(&self) -> Result<Option<Uint8Array>, Failure> {
        let mut work = match self.0.replace(State::Busy) {
            State::Ready(work) => work,
            State::Busy => return Err(Failure::busy()),
            State::End => {
                self.0.replace(State::End);
                return Ok(None);
            }
            State::Failed => {
                self.0.replace(State::Failed);
                return Err(Failure::ended());
            }
        };
        let (piece, next) = match work.fill().await {
            Ok(Step::Done) => (Ok(mem::take(&mut work.out)), State::End),
            Ok(_) => (Ok(mem::take(&mut work.out)), State::Ready(work)),
            Err(failure) if failure.is_temporary() => (Err(failure), State::Ready(work)),
            Err(failure) => (Err(failure), State::Failed),
        };
        self.0.replace(next);
        let piece = piece?;
        Ok((!piece.is_empty()).then(|| Uint8Array::from(piece.as_slice())))
    }
}

impl<M: Machine> Work<M> {
    /// Works until the piece is full, or to the end.
    async fn fill(&mut self) -> Result<Step, Failure> {
        while self.out.len() < PIECE_BYTES {
            match self.machine.step(&mut self.out)? {
                Step::Want(range) => self.machine.feed(self.cursor.read(range).await?)?,
                Step::Output => {}
                Step::Done => return Ok(Step::Done),
            }
        }
        Ok(Step::Output)
    }
}
