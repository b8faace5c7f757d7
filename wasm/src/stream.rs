//! One file out of an archive.

use coffer_core::archive::CheckedReader;
use js_sys::Promise;
use wasm_bindgen::prelude::*;

use crate::{convert, pieces::Pieces, turns::Turns};

/// One file, in pieces of a few MiB. Its size and SHA-256 are compared before the last piece is given out: an error
/// instead of an end means that nothing that came before is to be trusted.
#[wasm_bindgen]
#[derive(Debug)]
pub struct FileStream {
    size: u64,
    pieces: Turns<Pieces<CheckedReader>>,
}

impl FileStream {
    pub(crate) fn new(size: u64, pieces: Pieces<CheckedReader>) -> Self {
        Self {
            size,
            pieces: Turns::new(pieces),
        }
    }
}

#[wasm_bindgen]
impl FileStream {
    /// Bytes of the file.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn size(&self) -> f64 {
        convert::number(self.size)
    }

    /// The next bytes; `undefined` at the end. After `read_failed` it can be called again.
    ///
    /// # Errors
    /// What is wrong with the file, or on the way to it.
    #[wasm_bindgen(unchecked_return_type = "Promise<Uint8Array | undefined>")]
    pub fn next(&self) -> Promise {
        self.pieces.next()
    }
}
