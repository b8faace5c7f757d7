//! The thread that writes, and reads back what it wrote.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    sync::{Arc, mpsc::Receiver},
};

use super::{ConvertError, Pool, Slab, Stop};
use crate::backup::BackupError;

/// Bytes that have their place in the new file.
pub(super) trait Piece {
    /// Place in the new file.
    fn at(&self) -> u64;

    /// What is written there.
    fn bytes(&self) -> &[u8];

    /// Whether this, read from there, is what it must be. May change it.
    fn is(&self, stored: &mut [u8]) -> bool;
}

impl Piece for Arc<Slab> {
    fn at(&self) -> u64 {
        self.at
    }

    fn bytes(&self) -> &[u8] {
        Slab::bytes(self)
    }

    fn is(&self, stored: &mut [u8]) -> bool {
        stored == Slab::bytes(self)
    }
}

/// Writes the pieces as they come, and looks at each as it is stored.
pub(super) fn run<P: Piece>(file: &File, pool: &Pool, pieces: Receiver<P>) -> Result<(), Stop> {
    let mut buffer = pool.take();
    for piece in pieces {
        let (at, bytes) = (piece.at(), piece.bytes());
        file.write_all_at(bytes, at).map_err(BackupError::Write)?;
        let stored = buffer.sized(bytes.len() as u64);
        file.read_exact_at(stored, at).map_err(BackupError::Write)?;
        if !piece.is(stored) {
            return Err(ConvertError::Stored { offset: at }.into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    struct Forgetful(Vec<u8>);

    impl Piece for Forgetful {
        fn at(&self) -> u64 {
            3
        }
        fn bytes(&self) -> &[u8] {
            &self.0
        }
        fn is(&self, stored: &mut [u8]) -> bool {
            // As if the system had lost the last byte.
            stored == [&self.0[..self.0.len() - 1], &[0]].concat()
        }
    }

    #[test]
    fn what_is_stored_is_compared_with_what_was_written() {
        let file = tempfile::tempfile().unwrap();
        let (to, pieces) = sync_channel(2);
        to.send(Forgetful(vec![5, 6, 0])).unwrap();
        to.send(Forgetful(vec![5, 6, 7])).unwrap();
        drop(to);
        assert!(matches!(
            run(&file, &Pool::default(), pieces),
            Err(Stop::Error(ConvertError::Stored { offset: 3 }))
        ));
    }
}
