//! AES-256-GCM and SHA-256 by the browser itself, beside the module and at several times its speed.
//!
//! `ts/lanes.ts` does these operations, in workers of its own, and nothing else. Which bytes, which nonces and what
//! follows from the outcome is core's business.

use coffer_core::{
    digest::Digest,
    seal::{Batch, BlockCut, PayloadKey},
};
use js_sys::{Error, Promise, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::failure::Failure;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** What became of a batch of chunks. */
export interface Worked {
  /** Plaintext of an opened batch, or the bytes of a sealed one. */
  bytes: Uint8Array;
  /** Place, from 0, of the first chunk that does not authenticate; -1 if all do. */
  damaged: number;
  /** Plaintext after the last whole chunk of what was to be sealed. */
  rest: Uint8Array;
  /** Sealed bytes that go on with a block begun before. */
  head: Uint8Array;
  /** SHA-256 of each whole block of 1 MiB after them. */
  digests: Uint8Array;
  /** Sealed bytes after those. */
  tail: Uint8Array;
}

/** The browser's cryptography, for bulk data. What it is given to open or seal it may take away. */
export interface Lanes {
  /** An AES-256-GCM key that can't be exported. The bytes are copied before this returns. */
  importKey(key: Uint8Array): Promise<CryptoKey>;
  /**
   * Opens chunks of 16 KiB and a tag each, the last one maybe shorter; one nonce of 12 bytes each. Without `head` and
   * `whole` nothing is hashed.
   */
  open(key: CryptoKey, nonces: Uint8Array, sealed: Uint8Array, head?: number, whole?: number): Promise<Worked>;
  /** Seals as many chunks of 16 KiB as there are nonces; in their own place if exactly the tags have room behind them. */
  seal(key: CryptoKey, nonces: Uint8Array, plain: Uint8Array, head: number, whole: number): Promise<Worked>;
  /** SHA-256. The bytes are copied before this returns. */
  digest(bytes: Uint8Array): Promise<ArrayBuffer>;
  /** Gives the memory back of bytes that nobody needs any more: all of their buffer. */
  forget(bytes: Uint8Array): void;
}
"#;

#[wasm_bindgen]
extern "C" {
    /// The browser's cryptography.
    #[wasm_bindgen(typescript_type = "Lanes")]
    #[derive(Clone, Debug)]
    pub type Lanes;

    #[wasm_bindgen(method, catch, js_name = importKey)]
    fn import_key(this: &Lanes, key: &Uint8Array) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn open(
        this: &Lanes,
        key: &JsValue,
        nonces: &Uint8Array,
        sealed: &Uint8Array,
        head: Option<u32>,
        whole: Option<u32>,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn seal(
        this: &Lanes,
        key: &JsValue,
        nonces: &Uint8Array,
        plain: &Uint8Array,
        head: u32,
        whole: u32,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn digest(this: &Lanes, bytes: &Uint8Array) -> Result<Promise, JsValue>;

    /// The same, of bytes in the module's memory, of which JavaScript is given a view.
    #[wasm_bindgen(method, catch, js_name = digest)]
    fn digest_inside(this: &Lanes, bytes: &[u8]) -> Result<Promise, JsValue>;

    /// Gives the memory back of bytes that nobody needs any more: all of their buffer.
    #[wasm_bindgen(method)]
    pub(crate) fn forget(this: &Lanes, bytes: &Uint8Array);

    /// What became of a batch.
    #[wasm_bindgen(typescript_type = "Worked")]
    #[derive(Clone, Debug)]
    pub(crate) type Worked;

    /// Plaintext of an opened batch, or the bytes of a sealed one.
    #[wasm_bindgen(method, getter)]
    pub(crate) fn bytes(this: &Worked) -> Uint8Array;

    /// Place of the first chunk that does not authenticate; -1 if all do.
    #[wasm_bindgen(method, getter)]
    fn damaged(this: &Worked) -> i32;

    /// Plaintext after the last whole chunk of what was to be sealed.
    #[wasm_bindgen(method, getter)]
    pub(crate) fn rest(this: &Worked) -> Uint8Array;

    /// Sealed bytes that go on with a block begun before.
    #[wasm_bindgen(method, getter)]
    pub(crate) fn head(this: &Worked) -> Uint8Array;

    /// Digests of the whole blocks among the sealed bytes.
    #[wasm_bindgen(method, getter)]
    pub(crate) fn digests(this: &Worked) -> Uint8Array;

    /// Sealed bytes that begin a block.
    #[wasm_bindgen(method, getter)]
    pub(crate) fn tail(this: &Worked) -> Uint8Array;
}

impl Worked {
    /// As [`coffer_core::seal::Unsealer::settle`] wants it.
    pub(crate) fn opened(&self) -> Result<usize, usize> {
        usize::try_from(self.damaged()).map_or_else(|_| Ok(self.bytes().length() as usize), Err)
    }
}

/// The key of one payload, held by the browser.
#[derive(Clone, Debug)]
pub(crate) struct LaneKey {
    pub(crate) lanes: Lanes,
    key: JsValue,
}

impl LaneKey {
    /// Hands the key over, as one that can't be read back.
    pub(crate) async fn new(lanes: &Lanes, key: &PayloadKey) -> Result<Self, Failure> {
        let raw = Uint8Array::from(key.expose().as_slice());
        let imported = lanes.import_key(&raw);
        // It was copied before the call returned.
        raw.fill(0, 0, raw.length());
        Ok(Self {
            lanes: lanes.clone(),
            key: outcome(imported).await?,
        })
    }

    /// Opens a batch, and hashes its sealed bytes where somebody wants to know.
    pub(crate) async fn open(
        &self,
        batch: &Batch,
        sealed: &Uint8Array,
        hashed: bool,
    ) -> Result<Worked, Failure> {
        let (head, whole) = hashed.then(|| cut(batch)).unzip();
        let worked = self
            .lanes
            .open(&self.key, &nonces(batch), sealed, head, whole);
        Ok(outcome(worked).await?.unchecked_into())
    }

    /// Seals a batch, from bytes that may hold less than a chunk more.
    pub(crate) async fn seal(&self, batch: &Batch, plain: &Uint8Array) -> Result<Worked, Failure> {
        let (head, whole) = cut(batch);
        let worked = self
            .lanes
            .seal(&self.key, &nonces(batch), plain, head, whole);
        Ok(outcome(worked).await?.unchecked_into())
    }
}

/// SHA-256. The bytes are copied before this returns.
pub(crate) fn digest(
    lanes: &Lanes,
    bytes: &Uint8Array,
) -> impl Future<Output = Result<Digest, Failure>> + use<> {
    one_digest(lanes.digest(bytes))
}

/// SHA-256 of bytes in the module's memory. They too are copied before this returns.
pub(crate) fn digest_inside(
    lanes: &Lanes,
    bytes: &[u8],
) -> impl Future<Output = Result<Digest, Failure>> + use<> {
    one_digest(lanes.digest_inside(bytes))
}

async fn one_digest(promise: Result<Promise, JsValue>) -> Result<Digest, Failure> {
    let digest = Uint8Array::new(&outcome(promise).await?);
    digests(&digest)
        .first()
        .copied()
        .ok_or_else(|| Failure::crashed("the browser's SHA-256 gave no digest"))
}

/// Digests that lie one after the other.
pub(crate) fn digests(bytes: &Uint8Array) -> Vec<Digest> {
    let bytes = bytes.to_vec();
    let (digests, _) = bytes.as_chunks::<32>();
    digests.iter().copied().map(Digest).collect()
}

/// How the batch's sealed bytes fall into the blocks of the scrub table.
fn cut(batch: &Batch) -> (u32, u32) {
    let cut = BlockCut::of(batch.payload_offset(), batch.sealed_len());
    // Addresses have 32 bits here.
    (cut.head as u32, cut.whole as u32)
}

fn nonces(batch: &Batch) -> Uint8Array {
    let nonces: Vec<u8> = batch.nonces().flatten().collect();
    Uint8Array::from(nonces.as_slice())
}

async fn outcome(promise: Result<Promise, JsValue>) -> Result<JsValue, Failure> {
    match promise {
        Ok(promise) => JsFuture::from(promise).await,
        Err(thrown) => Err(thrown),
    }
    .map_err(|thrown| {
        let why = thrown
            .dyn_ref::<Error>()
            .map(|error| String::from(error.message()));
        let why = why.unwrap_or_else(|| "the browser's cryptography failed".to_owned());
        Failure::crashed(&why)
    })
}
