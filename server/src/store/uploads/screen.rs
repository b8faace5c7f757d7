//! Looking at the first bytes of an upload: what is not sealed is refused before it is stored.

use std::{fs::File, io::Read, path::Path};

use coffer_core::seal::{MAX_HEADER_BYTES, SealError, SealedStream};

use super::StoreError;

/// Reads the header of an upload as it comes.
#[derive(Debug)]
pub(super) struct Screen {
    stream: SealedStream,
    start: Vec<u8>,
}

impl Screen {
    /// Goes on behind the bytes that an upload has.
    pub(super) fn resume(path: &Path) -> Result<Self, StoreError> {
        let mut screen = Self {
            stream: SealedStream::new(),
            start: Vec::new(),
        };
        let mut bytes = Vec::new();
        File::open(path)?
            .take(MAX_HEADER_BYTES)
            .read_to_end(&mut bytes)?;
        screen.look(&bytes)?;
        Ok(screen)
    }

    /// Looks at the next bytes. Once the header is known, it looks at nothing more.
    pub(super) fn look(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if self.start.len() < 4 {
            self.start.extend(bytes.iter().take(4 - self.start.len()));
        }
        // Two bytes tell a ZIP, which the header's reader would only notice after sixteen.
        let zip = self.start.starts_with(b"PK");
        let header = if zip {
            Err(SealError::NotSealed)
        } else {
            self.stream.push(bytes, &mut Vec::new()).map(|_| ())
        };
        header.map_err(|error| StoreError::NotSealed { error, zip })
    }

    /// Whether the header was read.
    pub(super) const fn passed(&self) -> bool {
        self.stream.locks().is_some()
    }

    /// Whether somebody can open the archive by what its header names. A restore bundle names nothing.
    pub(super) fn has_way_in(&self) -> bool {
        self.stream
            .locks()
            .is_some_and(|locks| !locks.list().is_empty())
    }
}
