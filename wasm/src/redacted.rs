//! A standard archive of one that holds credentials.

use coffer_core::redact::Redactor;
use js_sys::Promise;
use wasm_bindgen::prelude::*;

use crate::{cursor::Cursor, pieces::Pieces, turns::Turns};

/// The standard archive, plain, in pieces of a few MiB. Every digest of what it is made of is compared on the way: an error
/// instead of an end means that what came before is to be thrown away.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Redacted(Turns<Pieces<Redactor>>);

impl Redacted {
    pub(crate) fn new(redactor: Redactor, cursor: Cursor) -> Self {
        Self(Turns::new(Pieces::new(redactor, cursor)))
    }
}

#[wasm_bindgen]
impl Redacted {
    /// The next bytes; `undefined` at the end. After `read_failed` it can be called again.
    ///
    /// # Errors
    /// What is wrong with the archive, or on the way to it.
    #[wasm_bindgen(unchecked_return_type = "Promise<Uint8Array | undefined>")]
    pub fn next(&self) -> Promise {
        self.0.next()
    }
}
