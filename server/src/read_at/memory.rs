//! Bytes that are in memory.

use std::io;

use bytes::Bytes;

use super::ReadAt;

/// Bytes that are in memory.
#[derive(Clone, Debug)]
pub struct MemorySource(pub Bytes);

impl ReadAt for MemorySource {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).ok();
        let range = start.and_then(|start| Some(start..start.checked_add(buffer.len())?));
        let found = range.and_then(|range| self.0.get(range));
        buffer.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}
