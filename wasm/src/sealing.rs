//! Sealing content as it comes.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use coffer_core::{
    digest::Digest,
    seal::{Access, Batch, CHUNK_BYTES, Cost, Password, Recipient, SealError, Sealer, seal_header},
};
use js_sys::{Promise, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, future_to_promise};
use zeroize::Zeroizing;

use crate::{
    failure::Failure,
    lanes::{LaneKey, Lanes},
    random,
    scrub::Blocks,
};

/// Seals one file. Slabs may be given before those before them are done; what becomes of them comes in their order.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Sealing {
    work: Rc<Work>,
    /// Header block and start of the payload, until taken.
    start: RefCell<Vec<u8>>,
    /// What becomes of the slab given last.
    last: RefCell<Promise>,
}

#[derive(Debug)]
struct Work {
    /// `None` after the end.
    sealer: RefCell<Option<Sealer>>,
    /// A slab was given that doesn't end with a whole chunk: nothing can follow it.
    last_given: Cell<bool>,
    browser: Option<Browser>,
}

/// What the browser does for it.
#[derive(Debug)]
struct Browser {
    key: LaneKey,
    /// `None` while a slab's blocks are hashed, and after a failure.
    blocks: RefCell<Option<Blocks>>,
}

/// A slab of content that has its place in the payload.
enum Slab {
    /// Sealed by the browser; then maybe bytes that don't fill a chunk, which end the content.
    Outside(Batch),
    /// Sealed by the module.
    Inside,
}

#[wasm_bindgen]
impl Sealing {
    /// Begins a sealed file that every one of the passwords and of the secret keys to these public keys (`coffer1…`)
    /// opens. Each password takes about a second.
    ///
    /// # Errors
    /// `no_way_in` if there is neither password nor key, `key_malformed`, `no_randomness`, `too_large` for too many.
    pub async fn begin(
        passwords: Vec<String>,
        recipients: Vec<String>,
        lanes: Option<Lanes>,
    ) -> Result<Self, JsValue> {
        Ok(start(passwords, recipients, lanes).await?)
    }

    /// The first bytes of the file: to be taken once.
    #[must_use]
    pub fn start(&self) -> Uint8Array {
        Uint8Array::from(self.start.take().as_slice())
    }

    /// Seals the next `len` bytes of content, which `slab` promises as an `ArrayBuffer`. All but the last slab have a
    /// whole number of chunks of 16 KiB.
    #[wasm_bindgen(unchecked_return_type = "Promise<Uint8Array>")]
    pub fn push(
        &self,
        len: u32,
        #[wasm_bindgen(unchecked_param_type = "Promise<ArrayBuffer>")] slab: Promise,
    ) -> Promise {
        let work = self.work.clone();
        let place = work.place(len);
        let before = self.last.borrow().clone();
        let piece =
            future_to_promise(
                async move { Ok(work.seal(place?, len, slab, before).await?.into()) },
            );
        *self.last.borrow_mut() = piece.clone();
        piece
    }

    /// Ends the file when all slabs are sealed: its last bytes.
    #[wasm_bindgen(unchecked_return_type = "Promise<Uint8Array>")]
    pub fn finish(&self) -> Promise {
        let work = self.work.clone();
        let before = self.last.borrow().clone();
        future_to_promise(async move {
            after(before).await?;
            Ok(Uint8Array::from(work.finish().await?.as_slice()).into())
        })
    }
}

async fn start(
    passwords: Vec<String>,
    recipients: Vec<String>,
    lanes: Option<Lanes>,
) -> Result<Sealing, Failure> {
    let passwords: Vec<Password> = passwords
        .into_iter()
        .map(|password| Password::new(&Zeroizing::new(password)))
        .collect();
    let recipients = recipients
        .iter()
        .map(|recipient| Recipient::parse(recipient))
        .collect::<Result<Vec<_>, _>>()?;
    let cost = Cost::default();
    let access: Vec<Access<'_>> = passwords
        .iter()
        .map(|password| Access::Password { password, cost })
        .chain(recipients.iter().map(Access::Recipient))
        .collect();
    if access.is_empty() {
        return Err(Failure::new(
            "no_way_in",
            "Nothing was sealed, since nobody could open it: name a password or a public key.",
        ));
    }
    let file_key = random::file_key()?;
    let mut random = random::generator()?;
    let header = seal_header(&file_key, &access, &mut random)?;
    let mut start = Vec::new();
    let mut sealer = Sealer::new(&file_key, &header, &mut random, &mut start)?;
    let browser = match lanes {
        None => None,
        Some(lanes) => {
            sealer = sealer.hash_elsewhere();
            let key = LaneKey::new(&lanes, &sealer.payload_key()).await?;
            let mut blocks = Blocks::new(&lanes);
            let prefix = start.get(header.len()..).unwrap_or_default();
            for digest in blocks.after_bytes(prefix).await? {
                sealer.record(digest);
            }
            Some(Browser {
                key,
                blocks: RefCell::new(Some(blocks)),
            })
        }
    };
    Ok(Sealing {
        work: Rc::new(Work {
            sealer: RefCell::new(Some(sealer)),
            last_given: Cell::new(false),
            browser,
        }),
        start: RefCell::new(start),
        last: RefCell::new(Promise::resolve(&JsValue::UNDEFINED)),
    })
}

/// Waits for the slab before. What is wrong with it was said to whoever gave it.
async fn after(before: Promise) -> Result<(), Failure> {
    match JsFuture::from(before).await {
        Ok(_) => Ok(()),
        Err(_) => Err(Failure::ended()),
    }
}

impl Work {
    fn sealer<T>(
        &self,
        work: impl FnOnce(&mut Sealer) -> Result<T, SealError>,
    ) -> Result<T, Failure> {
        match &mut *self.sealer.borrow_mut() {
            Some(sealer) => Ok(work(sealer)?),
            None => Err(Failure::ended()),
        }
    }

    /// Gives the next slab its place in the payload, before its bytes are there.
    fn place(&self, len: u32) -> Result<Slab, Failure> {
        let len = len as usize;
        if self.last_given.get() {
            return Err(Failure::ended());
        }
        self.last_given.set(!len.is_multiple_of(CHUNK_BYTES));
        if self.browser.is_none() {
            return Ok(Slab::Inside);
        }
        let batch = self.sealer(|sealer| {
            let batch = sealer.next_batch(len - len % CHUNK_BYTES)?;
            sealer.accept_unseen(&batch)?;
            Ok(batch)
        })?;
        Ok(Slab::Outside(batch))
    }

    async fn seal(
        &self,
        place: Slab,
        len: u32,
        slab: Promise,
        before: Promise,
    ) -> Result<Uint8Array, Failure> {
        let buffer = JsFuture::from(slab)
            .await
            .map_err(|_| Failure::read("the content to be sealed could not be read to its end"))?;
        let plain = Uint8Array::new(&buffer);
        if plain.length() != len {
            return Err(Failure::read("the content to be sealed changed meanwhile"));
        }
        match (place, &self.browser) {
            (Slab::Outside(batch), Some(browser)) => {
                // Addresses have 32 bits here.
                let whole = batch.plain_len() as u32;
                let rest = plain.slice(whole, len).to_vec();
                let worked = browser.key.seal(&batch, &plain.subarray(0, whole)).await?;
                after(before).await?;
                let mut blocks = browser.blocks.take().ok_or_else(Failure::ended)?;
                let digests = blocks.after(&worked).await?;
                browser.blocks.replace(Some(blocks));
                self.sealer(|sealer| {
                    record(sealer, digests);
                    // Less than a chunk: nothing comes of it before the end.
                    sealer.push(&rest, &mut Vec::new())
                })?;
                Ok(worked.bytes())
            }
            _ => {
                after(before).await?;
                let mut out = Vec::new();
                self.sealer(|sealer| sealer.push(&plain.to_vec(), &mut out))?;
                Ok(Uint8Array::from(out.as_slice()))
            }
        }
    }

    async fn finish(&self) -> Result<Vec<u8>, Failure> {
        let sealer = self.sealer.take().ok_or_else(Failure::ended)?;
        let mut out = Vec::new();
        let mut payload = sealer.finish_payload(&mut out)?;
        if let Some(browser) = &self.browser {
            let mut blocks = browser.blocks.take().ok_or_else(Failure::ended)?;
            let digests = blocks.after_bytes(&out).await?;
            let last = blocks.end().await?;
            digests
                .into_iter()
                .chain(last)
                .for_each(|digest| payload.record(digest));
        }
        payload.finish(&mut out)?;
        Ok(out)
    }
}

fn record(sealer: &mut Sealer, digests: Vec<Digest>) {
    digests.into_iter().for_each(|digest| sealer.record(digest));
}
