//! A restore bundle.

use base64ct::{Base64, Encoding};
use coffer_core::{bundle::Bundler, seal::FileKey};
use js_sys::Promise;
use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;

use crate::{convert, cursor::Cursor, pieces::Pieces};

/// What was selected, checked and sealed again under a key of its own, in pieces of a few MiB.
#[wasm_bindgen]
pub struct Bundle {
    manifest: String,
    key: Zeroizing<String>,
    total: u64,
    pieces: Pieces<Bundler>,
}

impl std::fmt::Debug for Bundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bundle")
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}

impl Bundle {
    pub(crate) fn new(bundler: Bundler, key: &FileKey, cursor: Cursor) -> Self {
        Self {
            manifest: bundler.manifest().to_owned(),
            key: Zeroizing::new(Base64::encode_string(key.expose())),
            total: bundler.len(),
            pieces: Pieces::new(bundler, cursor),
        }
    }
}

#[wasm_bindgen]
impl Bundle {
    /// The manifest's text, exactly as it stands in the bundle.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn manifest(&self) -> String {
        self.manifest.clone()
    }

    /// The one-time key, base64 (RFC 4648 section 4, padded). It opens this bundle and nothing else.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn key(&self) -> String {
        self.key.as_str().to_owned()
    }

    /// Bytes that all pieces have together.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn total(&self) -> f64 {
        convert::number(self.total)
    }

    /// The next sealed bytes; `undefined` at the end. After `read_failed` it can be called again.
    ///
    /// # Errors
    /// What is wrong with the archive, or on the way to it.
    #[wasm_bindgen(unchecked_return_type = "Promise<Uint8Array | undefined>")]
    pub fn next(&self) -> Promise {
        self.pieces.next()
    }
}
