//! Reads vectors inside of a browser, in the ways in which they are read natively. No part of what is shipped: the page
//! of `tests/browser/vectors.spec.ts` loads it beside the module that is.
#![allow(clippy::unwrap_used, clippy::panic)]

use coffer_vectors::{
    Open,
    read::{self, Elsewhere},
};
use wasm_bindgen::prelude::*;

/// What a vector says that it is to be opened with.
fn open(kind: &str, value: &str) -> Open {
    match kind {
        "password" => Open::Password(value.to_owned()),
        "identity" => Open::Identity(value.to_owned()),
        "file key" => Open::FileKey(std::array::from_fn(|at| {
            u8::from_str_radix(&value[2 * at..2 * at + 2], 16).unwrap()
        })),
        other => panic!("nothing is opened with a {other}"),
    }
}

/// Reads with random access: header and footer in steps of `step` bytes, content in ranges of `piece` bytes.
#[wasm_bindgen]
#[must_use]
pub fn random(file: &[u8], kind: &str, value: &str, step: u32, piece: u32) -> String {
    read::random(file, &open(kind, value), step as usize, piece.into()).line()
}

/// Reads from the first byte to the last, given `step` bytes at a time.
#[wasm_bindgen]
#[must_use]
pub fn sequential(file: &[u8], kind: &str, value: &str, step: u32) -> String {
    read::sequential(file, &open(kind, value), step as usize).line()
}

/// Looks for rot without any key.
#[wasm_bindgen]
#[must_use]
pub fn scrub(file: &[u8], step: u32) -> String {
    read::scrub(file, step as usize)
}

/// Reads with random access and has the chunks decrypted by whoever calls it.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Reader(Elsewhere);

/// Chunks to decrypt.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Job {
    nonces: Vec<u8>,
    sealed: Vec<u8>,
}

#[wasm_bindgen]
impl Job {
    /// 12 bytes for each chunk.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn nonces(&self) -> Vec<u8> {
        self.nonces.clone()
    }

    /// The chunks.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn sealed(&self) -> Vec<u8> {
        self.sealed.clone()
    }
}

#[wasm_bindgen]
impl Reader {
    /// Reads and unlocks the header.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(file: Vec<u8>, kind: &str, value: &str, step: u32, piece: u32) -> Self {
        let key = open(kind, value);
        Self(Elsewhere::new(file, &key, step as usize, piece.into()))
    }

    /// The key to decrypt with; `undefined` if it has ended already.
    #[must_use]
    pub fn key(&self) -> Option<Vec<u8>> {
        self.0.key().map(Vec::from)
    }

    /// The next chunks; `undefined` at the end.
    #[wasm_bindgen(js_name = nextJob)]
    pub fn next_job(&mut self) -> Option<Job> {
        let job = self.0.next_job()?;
        Some(Job {
            nonces: job.nonces.concat(),
            sealed: job.sealed,
        })
    }

    /// Takes what they were decrypted to; `damaged` is the place of the first that did not authenticate, or negative.
    pub fn settle(&mut self, plain: &[u8], damaged: i32) {
        self.0
            .settle(usize::try_from(damaged).map_or(Ok(plain), Err));
    }

    /// What was found.
    #[must_use]
    pub fn finish(self) -> String {
        self.0.finish().line()
    }
}
