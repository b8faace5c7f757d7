//! The thread that encrypts.

use std::sync::{
    Arc,
    mpsc::{Receiver, SyncSender},
};

use coffer_core::seal::{Batch, Sealer, SenderKey};

use super::{Buffer, PIECE_BYTES, Pool, SLAB_BYTES, Slab, Stop, store::Piece};
use crate::aes::Key;

/// Encrypts slabs and hands them on.
pub(super) struct Encrypter<'a> {
    key: &'a Key,
    sender: Option<&'a SenderKey>,
    pool: &'a Pool,
    to: SyncSender<Encrypted<'a>>,
    at: u64,
}

/// Bytes of the sealed archive.
pub(super) struct Encrypted<'a> {
    at: u64,
    bytes: Buffer,
    /// What of a slab they hold, where they are whole chunks of one.
    holds: Option<Holds<'a>>,
}

struct Holds<'a> {
    key: &'a Key,
    batch: Batch,
    slab: Arc<Slab>,
    /// Place of the first byte in the archive.
    at: u64,
}

impl Piece for Encrypted<'_> {
    fn at(&self) -> u64 {
        self.at
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.bytes()
    }

    fn is(&self, stored: &mut [u8]) -> bool {
        match &self.holds {
            None => stored == self.bytes(),
            Some(Holds {
                key,
                batch,
                slab,
                at,
            }) => {
                let plain = slab.from(*at, batch.plain_len() as u64);
                key.holds(batch, stored, plain.unwrap_or_default())
            }
        }
    }
}

impl<'a> Encrypter<'a> {
    pub(super) const fn new(
        key: &'a Key,
        sender: Option<&'a SenderKey>,
        pool: &'a Pool,
        to: SyncSender<Encrypted<'a>>,
    ) -> Self {
        Self {
            key,
            sender,
            pool,
            to,
            at: 0,
        }
    }

    /// Seals `size` bytes that come as slabs, in order, behind `start`. Returns the last slab if it isn't a whole one.
    pub(super) fn run(
        mut self,
        mut sealer: Sealer,
        start: Vec<u8>,
        size: u64,
        slabs: Receiver<Arc<Slab>>,
    ) -> Result<Option<Arc<Slab>>, Stop> {
        self.send(start.into(), None)?;
        let (mut read, mut last) = (0, None);
        for slab in slabs {
            read += slab.bytes().len() as u64;
            if slab.bytes().len() < SLAB_BYTES {
                let mut buffer = self.pool.take();
                sealer.push(slab.bytes(), buffer.emptied())?;
                self.send(buffer, None)?;
                last = Some(slab);
                continue;
            }
            for (piece, at) in slab
                .bytes()
                .chunks(PIECE_BYTES)
                .zip((slab.at..).step_by(PIECE_BYTES))
            {
                let mut buffer = self.pool.take();
                let out = buffer.emptied();
                let batch = sealer.next_batch(piece.len())?;
                self.key.seal(&batch, piece, out)?;
                sealer.accept(&batch, out)?;
                let holds = Holds {
                    key: self.key,
                    batch,
                    slab: slab.clone(),
                    at,
                };
                self.send(buffer, Some(holds))?;
            }
        }
        // Slabs also stop coming when the archive could not be read to its end.
        if read != size {
            return Err(Stop::Neighbour);
        }
        let mut end = Vec::new();
        match self.sender {
            None => sealer.finish(&mut end)?,
            Some(sender) => sealer.finish_signed(sender, &mut end)?,
        }
        self.send(end.into(), None)?;
        Ok(last)
    }

    fn send(&mut self, bytes: Buffer, holds: Option<Holds<'a>>) -> Result<(), Stop> {
        let at = self.at;
        self.at += bytes.bytes().len() as u64;
        self.to
            .send(Encrypted { at, bytes, holds })
            .map_err(|_| Stop::Neighbour)
    }
}
