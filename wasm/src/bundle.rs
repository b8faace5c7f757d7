//! A restore bundle.

use std::collections::VecDeque;

use base64ct::{Base64, Encoding};
use coffer_core::{
    bundle::{BundleContent, BundleParts, Bundler},
    seal::FileKey,
};
use js_sys::{Promise, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use zeroize::Zeroizing;

use crate::{
    convert,
    cursor::{AHEAD, Cursor},
    failure::Failure,
    lanes::Lanes,
    pieces::Pieces,
    slab_sealer::{Slab, SlabSealer},
    turns::{Giver, Turns},
};

/// What was selected, checked and sealed again under a key of its own, in pieces of a few MiB.
#[wasm_bindgen]
pub struct Bundle {
    manifest: String,
    key: Zeroizing<String>,
    total: u64,
    pieces: Turns<SealedPieces>,
}

impl std::fmt::Debug for Bundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bundle")
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}

/// The bundle's bytes.
struct SealedPieces {
    /// Header block and start of the payload, until given out.
    start: Option<Uint8Array>,
    content: Pieces<BundleContent>,
    /// All content was given to be sealed.
    end: bool,
    slabs: SlabSealer,
    /// What becomes of the slabs, in order.
    coming: VecDeque<Promise>,
}

impl Giver for SealedPieces {
    async fn next(&mut self) -> Result<Option<Uint8Array>, Failure> {
        if let Some(start) = self.start.take() {
            return Ok(Some(start));
        }
        while !self.end && self.coming.len() < AHEAD {
            let promise = match self.content.next().await? {
                Some(slab) => self.slabs.push(Slab::Given(slab)),
                None => {
                    self.end = true;
                    self.slabs.finish()
                }
            };
            self.coming.push_back(promise);
        }
        let Some(first) = self.coming.pop_front() else {
            return Ok(None);
        };
        let sealed = JsFuture::from(first)
            .await
            .map_err(|_| Failure::crashed("a piece could not be sealed"))?;
        Ok(Some(sealed.unchecked_into()))
    }
}

impl Bundle {
    pub(crate) async fn new(
        bundler: Bundler,
        key: &FileKey,
        cursor: Cursor,
        lanes: Option<&Lanes>,
    ) -> Result<Self, Failure> {
        let manifest = bundler.manifest().to_owned();
        let total = bundler.len();
        let BundleParts {
            start,
            header_len,
            sealer,
            content,
        } = bundler.into_parts().ok_or_else(Failure::ended)?;
        let prefix = start.get(header_len..).unwrap_or_default();
        Ok(Self {
            manifest,
            key: Zeroizing::new(Base64::encode_string(key.expose())),
            total,
            pieces: Turns::new(SealedPieces {
                start: Some(Uint8Array::from(start.as_slice())),
                content: Pieces::new(content, cursor),
                end: false,
                slabs: SlabSealer::new(sealer, prefix, lanes).await?,
                coming: VecDeque::new(),
            }),
        })
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
