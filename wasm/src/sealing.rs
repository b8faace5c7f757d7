//! Sealing content as it comes.

use std::{cell::RefCell, rc::Rc};

use coffer_core::{
    ByteRange,
    seal::{Access, Cost, LockedKey, Password, Recipient, Sealer, seal_header},
};
use js_sys::{Promise, Uint8Array};
use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;

use crate::{
    convert,
    failure::Failure,
    lanes::Lanes,
    random,
    slab_sealer::{Slab, SlabSealer},
    source::Source,
};

/// Seals one file. Slabs may be given before those before them are done; what becomes of them comes in their order.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Sealing {
    slabs: SlabSealer,
    /// The file whose content is sealed, if it is one.
    file: Option<Rc<Source>>,
    /// Header block and start of the payload, until taken.
    start: RefCell<Vec<u8>>,
}

#[wasm_bindgen]
impl Sealing {
    /// Begins a sealed file, maybe of what a file holds, that every one of the passwords and of the secret keys to these public keys (`coffer1…`)
    /// opens. Each password takes about a second. It carries the locked keys (`coffer-locked-key-1 …`) along, so that their
    /// passwords open it too.
    ///
    /// # Errors
    /// `no_way_in` if there is neither password nor key, `key_malformed`, `no_randomness`, `too_large` for too many.
    pub async fn begin(
        passwords: Vec<String>,
        recipients: Vec<String>,
        locked: Vec<String>,
        file: Option<Source>,
        lanes: Option<Lanes>,
    ) -> Result<Self, JsValue> {
        Ok(start(passwords, recipients, locked, file, lanes).await?)
    }

    /// The first bytes of the file: to be taken once.
    #[must_use]
    pub fn start(&self) -> Uint8Array {
        Uint8Array::from(self.start.take().as_slice())
    }

    /// Seals the next bytes of content. All but the last slab have a whole number of chunks of 16 KiB.
    #[wasm_bindgen(unchecked_return_type = "Promise<Uint8Array>")]
    pub fn push(&self, slab: Uint8Array) -> Promise {
        self.slabs.push(Slab::Given(slab))
    }

    /// The same for bytes of the file that it was begun with.
    ///
    /// # Errors
    /// `ended` if there is no file; the promise rejects with `read_failed` if it can't be read.
    #[wasm_bindgen(unchecked_return_type = "Promise<Uint8Array>")]
    pub fn push_part(&self, start: f64, len: u32) -> Result<Promise, JsValue> {
        let file = self.file.clone().ok_or_else(Failure::ended)?;
        let range = ByteRange::new(convert::count(start)?, u64::from(len));
        Ok(self.slabs.push(Slab::Part(file, range)))
    }

    /// Ends the file when all slabs are sealed: its last bytes.
    #[wasm_bindgen(unchecked_return_type = "Promise<Uint8Array>")]
    pub fn finish(&self) -> Promise {
        self.slabs.finish()
    }
}

async fn start(
    passwords: Vec<String>,
    recipients: Vec<String>,
    locked: Vec<String>,
    file: Option<Source>,
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
    let locked = locked
        .iter()
        .map(|key| LockedKey::parse(key))
        .collect::<Result<Vec<_>, _>>()?;
    let cost = Cost::default();
    let access: Vec<Access<'_>> = passwords
        .iter()
        .map(|password| Access::Password { password, cost })
        .chain(recipients.iter().map(Access::Recipient))
        .chain(locked.iter().map(Access::LockedKey))
        .collect();
    // A locked key alone opens nothing: the file must be sealed to it, too.
    if passwords.is_empty() && recipients.is_empty() {
        return Err(Failure::new(
            "no_way_in",
            "Nothing was sealed, since nobody could open it: name a password or a public key.",
        ));
    }
    let file_key = random::file_key()?;
    let mut random = random::generator()?;
    let header = seal_header(&file_key, &access, &mut random)?;
    let mut start = Vec::new();
    let sealer = Sealer::new(&file_key, &header, &mut random, &mut start)?;
    let prefix = start.get(header.len()..).unwrap_or_default();
    let slabs = SlabSealer::new(sealer, prefix, lanes.as_ref()).await?;
    Ok(Sealing {
        slabs,
        file: file.map(Rc::new),
        start: RefCell::new(start),
    })
}
