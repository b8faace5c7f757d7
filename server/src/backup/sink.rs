//! Where an archive's bytes go: sealed or not, in large writes.

use std::io::Write;

use coffer_core::seal::{Access, CHUNK_BYTES, FileKey, Sealer, SenderKey, seal_header};
use getrandom::SysRng;
use rand_core::{TryRng, UnwrapErr};
use zeroize::Zeroizing;

use super::{BackupError, SealTo};
use crate::aes::Key;

/// A sealed archive that begins.
pub(crate) struct Beginning {
    /// What seals its content.
    pub(crate) sealer: Sealer,
    /// Its fresh file key.
    pub(crate) file_key: FileKey,
    /// Its first bytes: the header, and the start of the payload.
    pub(crate) bytes: Vec<u8>,
}

/// Begins a sealed archive under a fresh file key.
pub(crate) fn begin_sealed(to: &SealTo) -> Result<Beginning, BackupError> {
    let mut random = Zeroizing::new([0; 32]);
    SysRng
        .try_fill_bytes(&mut *random)
        .map_err(BackupError::Random)?;
    let file_key = FileKey::new(*random);
    // The system gave randomness a moment ago; if it stops doing so there is no way on.
    let mut rng = UnwrapErr(SysRng);
    let password = to.password.iter().map(|(password, cost)| Access::Password {
        password,
        cost: *cost,
    });
    let access: Vec<Access<'_>> = password
        .chain(to.locked.iter().map(Access::LockedKey))
        .chain(to.recipients.iter().map(Access::Recipient))
        .collect();
    // Carrying a locked key along opens nothing by itself.
    if to.password.is_none() && to.recipients.is_empty() {
        return Err(BackupError::SealedToNobody);
    }
    let header = seal_header(&file_key, &access, &mut rng)?;
    let mut buffer = Vec::new();
    let sealer = Sealer::new(&file_key, &header, &mut rng, &mut buffer)?;
    Ok(Beginning {
        sealer,
        file_key,
        bytes: buffer,
    })
}

/// Bytes that are sealed at once: few enough to stay in the processor's cache from one step to the next, and a whole
/// number of chunks.
const BATCH_BYTES: usize = 16 * CHUNK_BYTES;

/// Takes the archive's bytes, seals them if asked to, and writes them.
pub(crate) struct Sink<W> {
    out: W,
    seal: Option<Seal>,
    written: u64,
}

struct Seal {
    sealer: Sealer,
    key: Key,
    sender: Option<SenderKey>,
    /// Bytes that don't fill a batch yet.
    pending: Zeroizing<Vec<u8>>,
    buffer: Vec<u8>,
}

impl<W: Write> Sink<W> {
    /// A sink that writes what it is given.
    pub(crate) const fn plain(out: W) -> Self {
        Self {
            out,
            seal: None,
            written: 0,
        }
    }

    /// A sink that seals under a fresh file key, which is returned with it.
    pub(crate) fn sealed(out: W, to: &SealTo) -> Result<(Self, FileKey), BackupError> {
        let Beginning {
            sealer,
            file_key,
            bytes,
        } = begin_sealed(to)?;
        let mut sink = Self {
            out,
            seal: Some(Seal {
                key: Key::new(&sealer.payload_key())?,
                sealer,
                sender: to.sender.clone(),
                pending: Zeroizing::new(Vec::with_capacity(BATCH_BYTES)),
                buffer: Vec::new(),
            }),
            written: 0,
        };
        sink.store(&bytes)?;
        Ok((sink, file_key))
    }

    /// Adds bytes of the archive.
    pub(crate) fn write(&mut self, mut bytes: &[u8]) -> Result<(), BackupError> {
        let Some(mut seal) = self.seal.take() else {
            return self.store(bytes);
        };
        while !bytes.is_empty() {
            let begun = seal.pending.len();
            let (now, rest) = bytes.split_at(bytes.len().min(BATCH_BYTES - begun));
            if begun == 0 && now.len() == BATCH_BYTES {
                seal.batch(now)?;
            } else {
                seal.pending.extend_from_slice(now);
                if seal.pending.len() == BATCH_BYTES {
                    let full = std::mem::take(&mut seal.pending);
                    seal.batch(&full)?;
                    seal.pending = full;
                    seal.pending.clear();
                }
            }
            self.store(&seal.buffer)?;
            seal.buffer.clear();
            bytes = rest;
        }
        self.seal = Some(seal);
        Ok(())
    }

    fn store(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.out.write_all(bytes).map_err(BackupError::Write)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Ends the archive. Returns where it went and the bytes written.
    pub(crate) fn finish(mut self) -> Result<(W, u64), BackupError> {
        if let Some(mut seal) = self.seal.take() {
            let mut end = Vec::new();
            seal.sealer.push(&seal.pending, &mut end)?;
            match &seal.sender {
                None => seal.sealer.finish(&mut end)?,
                Some(sender) => seal.sealer.finish_signed(sender, &mut end)?,
            }
            self.store(&end)?;
        }
        self.out.flush().map_err(BackupError::Write)?;
        Ok((self.out, self.written))
    }
}

impl Seal {
    /// Appends whole chunks, sealed, to the buffer.
    fn batch(&mut self, plain: &[u8]) -> Result<(), BackupError> {
        let batch = self.sealer.next_batch(plain.len())?;
        self.key.seal(&batch, plain, &mut self.buffer)?;
        self.sealer.accept(&batch, &self.buffer)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use coffer_core::{
        ByteRange,
        seal::{Cost, Password},
    };

    use super::*;
    use crate::read::{Plain, Unlock};

    #[test]
    fn pieces_of_any_size_are_sealed_as_one() {
        let cost = Cost {
            memory_kib: 8,
            passes: 1,
            lanes: 1,
        };
        let to = SealTo {
            password: Some((Password::new("pass"), cost)),
            ..SealTo::default()
        };
        let content: Vec<u8> = (0..3 * BATCH_BYTES + 77)
            .map(|at| (at % 251) as u8)
            .collect();
        for piece in [
            1000,
            CHUNK_BYTES,
            BATCH_BYTES - 1,
            BATCH_BYTES,
            content.len(),
        ] {
            for len in [0, BATCH_BYTES, content.len()] {
                let plain = &content[..len];
                let (mut sink, key) = Sink::sealed(Vec::new(), &to).unwrap();
                for part in plain.chunks(piece) {
                    sink.write(part).unwrap();
                }
                let (sealed, written) = sink.finish().unwrap();
                assert_eq!(sealed.len() as u64, written);
                let file = tempfile::NamedTempFile::new().unwrap();
                std::fs::write(file.path(), &sealed).unwrap();
                let source = crate::read::FileSource::open(file.path()).unwrap();
                let opened =
                    Plain::open(std::sync::Arc::new(source), &Unlock::FileKey(key)).unwrap();
                assert_eq!(opened.size(), len as u64);
                assert!(opened.read(ByteRange::new(0, len as u64)).unwrap() == plain);
            }
        }
    }
}
