//! Sealing content slab by slab, by the browser where it does cryptography, else by the module.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use coffer_core::{
    ByteRange,
    seal::{Batch, CHUNK_BYTES, SealError, Sealer, TAG_BYTES},
};
use js_sys::{Promise, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, future_to_promise};

use crate::{
    failure::Failure,
    lanes::{LaneKey, Lanes},
    scrub::Blocks,
    source::Source,
};

/// Seals the content of one file. Slabs may be given before those before them are done; what becomes of them comes in
/// their order.
#[derive(Debug)]
pub(crate) struct SlabSealer {
    work: Rc<Work>,
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
    /// `None` while digests are waited for, after the end, and after a failure.
    blocks: RefCell<Option<Blocks>>,
}

/// Content that is to be sealed.
#[derive(Debug)]
pub(crate) enum Slab {
    /// These bytes.
    Given(Uint8Array),
    /// What a file holds there.
    Part(Rc<Source>, ByteRange),
}

impl Slab {
    /// Addresses have 32 bits here, and a part is as long as the page made it: a few MiB.
    fn len(&self) -> usize {
        match self {
            Self::Given(bytes) => bytes.length() as usize,
            Self::Part(_, range) => range.len as usize,
        }
    }

    async fn bytes(self) -> Result<Uint8Array, Failure> {
        match self {
            Self::Given(bytes) => Ok(bytes),
            Self::Part(source, range) => {
                let tags = range.len / CHUNK_BYTES as u64 * TAG_BYTES as u64;
                source.read_with_room(range, tags as u32).await
            }
        }
    }
}

/// Who seals a slab that has its place in the payload.
enum Place {
    /// The browser, up to bytes that don't fill a chunk, which end the content.
    Outside(Batch),
    /// The module.
    Inside,
}

impl SlabSealer {
    /// Goes on with a sealer that has just begun its payload with these bytes.
    pub(crate) async fn new(
        mut sealer: Sealer,
        prefix: &[u8],
        lanes: Option<&Lanes>,
    ) -> Result<Self, Failure> {
        let browser = match lanes {
            None => None,
            Some(lanes) => {
                sealer = sealer.hash_elsewhere();
                let key = LaneKey::new(lanes, &sealer.payload_key()).await?;
                let mut blocks = Blocks::new(lanes);
                blocks.after_bytes(prefix);
                Some(Browser {
                    key,
                    blocks: RefCell::new(Some(blocks)),
                })
            }
        };
        Ok(Self {
            work: Rc::new(Work {
                sealer: RefCell::new(Some(sealer)),
                last_given: Cell::new(false),
                browser,
            }),
            last: RefCell::new(Promise::resolve(&JsValue::UNDEFINED)),
        })
    }

    /// A promise of what becomes of a slab. All but the last have a whole number of chunks.
    pub(crate) fn push(&self, slab: Slab) -> Promise {
        let work = self.work.clone();
        let place = work.place(&slab);
        let before = self.last.borrow().clone();
        let piece =
            future_to_promise(async move { Ok(work.seal(place?, slab, before).await?.into()) });
        *self.last.borrow_mut() = piece.clone();
        piece
    }

    /// A promise of the file's last bytes, when all slabs are sealed.
    pub(crate) fn finish(&self) -> Promise {
        let work = self.work.clone();
        let before = self.last.borrow().clone();
        future_to_promise(async move {
            after(before).await?;
            Ok(Uint8Array::from(work.finish().await?.as_slice()).into())
        })
    }
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
    fn place(&self, slab: &Slab) -> Result<Place, Failure> {
        let len = slab.len();
        if self.last_given.get() {
            return Err(Failure::ended());
        }
        self.last_given.set(!len.is_multiple_of(CHUNK_BYTES));
        if self.browser.is_none() {
            return Ok(Place::Inside);
        }
        let batch = self.sealer(|sealer| {
            let batch = sealer.next_batch(len - len % CHUNK_BYTES)?;
            sealer.accept_unseen(&batch)?;
            Ok(batch)
        })?;
        Ok(Place::Outside(batch))
    }

    async fn seal(&self, place: Place, slab: Slab, before: Promise) -> Result<Uint8Array, Failure> {
        let plain = slab.bytes().await?;
        match (place, &self.browser) {
            (Place::Outside(batch), Some(browser)) => {
                let worked = browser.key.seal(&batch, &plain).await?;
                after(before).await?;
                let mut blocks = browser.blocks.take().ok_or_else(Failure::ended)?;
                blocks.after(&worked);
                let digests = blocks.ready().await?;
                browser.blocks.replace(Some(blocks));
                self.sealer(|sealer| {
                    digests.into_iter().for_each(|digest| sealer.record(digest));
                    // Less than a chunk: nothing comes of it before the end.
                    sealer.push(&worked.rest().to_vec(), &mut Vec::new())
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
            blocks.after_bytes(&out);
            for digest in blocks.finish().await? {
                payload.record(digest);
            }
        }
        payload.finish(&mut out)?;
        Ok(out)
    }
}
