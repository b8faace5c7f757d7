//! All of an archive's plaintext, from its first byte to its last.

use std::{collections::VecDeque, rc::Rc};

use coffer_core::ByteRange;
use js_sys::{Promise, Uint8Array};
use wasm_bindgen::prelude::*;

use crate::{
    convert,
    cursor::AHEAD,
    failure::Failure,
    plain::{Coming, Plain},
    turns::{Giver, Turns},
    window::SLAB_BYTES,
};

/// The plain archive, in pieces of a few MiB. Every piece is authentic when it is given out; that it is the archive's
/// true end is known only when the last one was.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Unsealing {
    len: u64,
    pieces: Turns<Reader>,
}

#[derive(Debug)]
struct Reader {
    plain: Rc<Plain>,
    coming: VecDeque<Coming>,
    /// Bytes given out.
    given: u64,
    /// Bytes that were given out or are on their way; `None` before the first.
    begun: Option<u64>,
    end: bool,
}

#[wasm_bindgen]
impl Unsealing {
    /// Bytes of all pieces together.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn size(&self) -> f64 {
        convert::number(self.len)
    }

    /// The next bytes; `undefined` at the end. After `read_failed` it can be called again.
    ///
    /// # Errors
    /// `chunk_damaged`, `read_failed`.
    #[wasm_bindgen(unchecked_return_type = "Promise<Uint8Array | undefined>")]
    pub fn next(&self) -> Promise {
        self.pieces.next()
    }
}

impl Unsealing {
    pub(crate) fn new(plain: Rc<Plain>) -> Self {
        Self {
            len: plain.len(),
            pieces: Turns::new(Reader {
                plain,
                coming: VecDeque::new(),
                given: 0,
                begun: None,
                end: false,
            }),
        }
    }
}

impl Giver for Reader {
    async fn next(&mut self) -> Result<Option<Uint8Array>, Failure> {
        if self.end {
            return Ok(None);
        }
        self.read_ahead()?;
        let Some(coming) = self.coming.pop_front() else {
            return Ok(None);
        };
        // One takes its place at once, so that the lanes have work while this one is written away.
        self.read_ahead()?;
        let end = coming.range.end();
        match self.plain.arrive(coming, None).await {
            Ok(bytes) => {
                self.given = end;
                // Also of an empty archive the last chunk was opened: it proves that nothing is cut off.
                self.end = end == self.plain.len();
                let bytes = bytes.outside();
                Ok((bytes.length() > 0).then_some(bytes))
            }
            Err(failure) => {
                // It may be tried again, and then anew from here.
                self.coming.clear();
                self.begun = (self.given > 0).then_some(self.given);
                Err(failure)
            }
        }
    }
}

impl Reader {
    fn read_ahead(&mut self) -> Result<(), Failure> {
        let len = self.plain.len();
        while self.coming.len() < AHEAD && self.begun.is_none_or(|begun| begun < len) {
            let from = self.begun.unwrap_or(0);
            let range = ByteRange::new(from, SLAB_BYTES.min(len - from));
            self.coming.push_back(self.plain.begin(range, false)?);
            self.begun = Some(range.end());
        }
        Ok(())
    }
}
