//! The same archive behind another header block: other people or passwords open it, and its content stays as it is.

use std::rc::Rc;

use coffer_core::{
    ByteRange,
    seal::{
        Access, Change, Cost, Password, Recipient, Removal, SCRUB_BLOCK_BYTES, ScrubChecker,
        Sealed, Unlocked,
    },
};
use js_sys::{Promise, Uint8Array};
use wasm_bindgen::prelude::*;

use crate::{
    convert,
    failure::Failure,
    random,
    source::Source,
    turns::{Giver, Turns},
    window::SLAB_BYTES,
};

/// What is to change.
pub(crate) struct Wish {
    /// Ways in that go, by their place among the archive's locks.
    pub(crate) remove: Vec<u32>,
    /// Replaces the password that opened it.
    pub(crate) new_password: Option<Password>,
    /// Passwords that come.
    pub(crate) passwords: Vec<Password>,
    /// Public keys that come.
    pub(crate) recipients: Vec<String>,
}

/// The archive behind its new header, in pieces of a few MiB: to be kept under a name of its own, since the old one still
/// opens the old way.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Rekeyed {
    size: u64,
    before: JsValue,
    after: JsValue,
    content: String,
    pieces: Turns<Copy>,
}

#[wasm_bindgen]
impl Rekeyed {
    /// Bytes of all pieces together.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn size(&self) -> f64 {
        convert::number(self.size)
    }

    /// What opened it.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn before(&self) -> JsValue {
        self.before.clone()
    }

    /// What opens it now.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn after(&self) -> JsValue {
        self.after.clone()
    }

    /// SHA-256 of the digests of all megabytes of the content, the same before and after: hexadecimal.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn content(&self) -> String {
        self.content.clone()
    }

    /// The next bytes; `undefined` at the end. After `read_failed` it can be called again.
    ///
    /// # Errors
    /// `payload_damaged`, at the end: what came before is then not to be kept. `read_failed`.
    #[wasm_bindgen(unchecked_return_type = "Promise<Uint8Array | undefined>")]
    pub fn next(&self) -> Promise {
        self.pieces.next()
    }
}

impl Rekeyed {
    pub(crate) async fn new(
        source: Rc<Source>,
        sealed: &Sealed,
        unlocked: &Unlocked,
        wish: &Wish,
        len: u64,
    ) -> Result<Self, Failure> {
        let cost = Cost::default();
        let recipients = wish
            .recipients
            .iter()
            .map(|recipient| Recipient::parse(recipient))
            .collect::<Result<Vec<_>, _>>()?;
        let remove: Vec<Removal> = wish
            .remove
            .iter()
            .map(|place| Removal::Stanza(*place as usize))
            .collect();
        let add: Vec<Access<'_>> = wish
            .passwords
            .iter()
            .map(|password| Access::Password { password, cost })
            .chain(recipients.iter().map(Access::Recipient))
            .collect();
        let change = Change {
            remove: &remove,
            password: wish.new_password.as_ref().map(|password| (password, cost)),
            add: &add,
        };
        // A file of its own: nothing has to fit into the old block.
        let rekeyed =
            sealed
                .header_locks()
                .rekey(unlocked, &change, 0, &mut random::generator()?)?;
        let root = sealed.footer().scrub_root;
        let table = source.read(sealed.scrub_range()).await?;
        let rest = ByteRange::new(sealed.header_len(), len.saturating_sub(sealed.header_len()));
        Ok(Self {
            size: rekeyed.block.len() as u64 + rest.len,
            before: convert::locks(rekeyed.before)?,
            after: convert::locks(rekeyed.after)?,
            content: root.to_string(),
            pieces: Turns::new(Copy {
                source,
                block: Some(rekeyed.block),
                at: rest.offset,
                end: rest.end(),
                payload: sealed.payload_range(),
                checker: Some(ScrubChecker::new(&table, root)?),
            }),
        })
    }
}

/// The new header block, and then the file's bytes behind the old one.
struct Copy {
    source: Rc<Source>,
    block: Option<Vec<u8>>,
    at: u64,
    end: u64,
    payload: ByteRange,
    /// `None` once it was asked.
    checker: Option<ScrubChecker>,
}

impl std::fmt::Debug for Copy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Copy")
            .field("at", &self.at)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

impl Giver for Copy {
    async fn next(&mut self) -> Result<Option<Uint8Array>, Failure> {
        if let Some(block) = self.block.take() {
            return Ok(Some(Uint8Array::from(block.as_slice())));
        }
        // The payload by itself, and then what stands behind it.
        let until = if self.at < self.payload.end() {
            self.payload.end()
        } else {
            self.end
        };
        let range = ByteRange::new(self.at, SLAB_BYTES.min(until.saturating_sub(self.at)));
        if range.len == 0 {
            return Ok(None);
        }
        let bytes = self.source.read(range).await?;
        self.at = range.end();
        if range.end() <= self.payload.end()
            && let Some(checker) = &mut self.checker
        {
            checker.update(&bytes);
        }
        if self.at >= self.payload.end()
            && let Some(checker) = self.checker.take()
        {
            let damaged = checker.finish();
            if let Some(first) = damaged.first() {
                return Err(payload_damaged(&damaged, *first, self.payload));
            }
        }
        Ok(Some(Uint8Array::from(bytes.as_slice())))
    }
}

fn payload_damaged(damaged: &[u64], first: u64, payload: ByteRange) -> Failure {
    let offset = payload.offset + first * SCRUB_BLOCK_BYTES;
    Failure::new(
        "payload_damaged",
        format!(
            "{} of the archive's megabytes are not what was written, the first at byte {offset}. Nothing was changed; use another copy, or salvage this one.",
            damaged.len()
        ),
    )
    .number("offset", offset)
}
