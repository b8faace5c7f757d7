//! Where an archive's bytes go: sealed or not, in large writes.

use std::io::Write;

use coffer_core::seal::{Access, FileKey, Sealer, SenderKey, seal_header};
use getrandom::SysRng;
use rand_core::{TryRng, UnwrapErr};

use super::{BackupError, SealTo};

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
    let mut random = zeroize::Zeroizing::new([0; 32]);
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

/// Takes the archive's bytes, seals them if asked to, and writes them.
pub(crate) struct Sink<W> {
    out: W,
    sealer: Option<Sealer>,
    sender: Option<SenderKey>,
    buffer: Vec<u8>,
    written: u64,
}

impl<W: Write> Sink<W> {
    /// A sink that writes what it is given.
    pub(crate) const fn plain(out: W) -> Self {
        Self {
            out,
            sealer: None,
            sender: None,
            buffer: Vec::new(),
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
            sealer: Some(sealer),
            sender: to.sender.clone(),
            buffer: bytes,
            written: 0,
        };
        sink.flush_buffer()?;
        Ok((sink, file_key))
    }

    /// Adds bytes of the archive.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        match &mut self.sealer {
            None => {
                self.out.write_all(bytes).map_err(BackupError::Write)?;
                self.written += bytes.len() as u64;
                Ok(())
            }
            Some(sealer) => {
                // In pieces, so that the sealed copy stays small however much comes at once.
                for piece in bytes.chunks(1 << 20) {
                    sealer.push(piece, &mut self.buffer)?;
                    self.out
                        .write_all(&self.buffer)
                        .map_err(BackupError::Write)?;
                    self.written += self.buffer.len() as u64;
                    self.buffer.clear();
                }
                Ok(())
            }
        }
    }

    fn flush_buffer(&mut self) -> Result<(), BackupError> {
        self.out
            .write_all(&self.buffer)
            .map_err(BackupError::Write)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Ends the archive. Returns where it went and the bytes written.
    pub(crate) fn finish(mut self) -> Result<(W, u64), BackupError> {
        if let Some(sealer) = self.sealer.take() {
            match &self.sender {
                None => sealer.finish(&mut self.buffer)?,
                Some(sender) => sealer.finish_signed(sender, &mut self.buffer)?,
            }
            self.flush_buffer()?;
        }
        self.out.flush().map_err(BackupError::Write)?;
        Ok((self.out, self.written))
    }
}
