//! Bytes that are appended to an upload, and what may stop them.

use std::{io, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::io::AsyncWriteExt;

use super::{Checksum, Hold, Purpose, StoreError, record::bytes_path, screen::Screen};

/// Longest wait for the next bytes of an upload whose connection stays open.
const STALL: Duration = Duration::from_secs(30);
/// What is still read of a request that was refused, so that its sender hears the answer: a connection that is closed
/// on unread bytes is reset, and takes the answer with it.
const MAX_DRAINED: usize = 256 << 20;
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// Bytes that uploads may still take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Unfinished uploads together.
    pub all: u64,
    /// Those of one owner.
    pub owner: u64,
}

/// An upload that takes further bytes.
#[derive(Debug)]
pub struct Appending {
    pub(super) hold: Hold,
    pub(super) room: Room,
}

impl Appending {
    /// Appends what comes until it ends, and returns how many bytes the upload has then. What came before an error
    /// stays, so that the sender can go on from there; with a checksum, all of it counts or nothing. To be run to its
    /// end: dropped in the middle, bytes may be counted that were not written.
    ///
    /// # Errors
    /// [`StoreError`]. After [`StoreError::NotSealed`] the upload is gone.
    pub async fn take<E>(
        &mut self,
        mut bytes: impl Stream<Item = Result<Bytes, E>> + Unpin,
        mut checksum: Option<Checksum>,
    ) -> Result<u64, StoreError>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let Hold { shared, id } = &self.hold;
        let path = bytes_path(&shared.folder, id);
        let mut file = tokio::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .await?;
        let start = file.metadata().await?.len();
        let screened = shared
            .state()
            .uploads
            .get(id)
            .is_some_and(|upload| upload.screened);
        let mut screen = if screened {
            None
        } else {
            Some(Screen::resume(&path)?)
        };

        let outcome = loop {
            match tokio::time::timeout(STALL, bytes.next()).await {
                Ok(Some(Ok(piece))) => {
                    let taken = self.piece(&mut file, &piece, screen.as_mut()).await;
                    if let Err(error) = taken {
                        break Err(error);
                    }
                    if let Some(checksum) = &mut checksum {
                        checksum.update(&piece);
                    }
                }
                Ok(Some(Err(_))) | Err(_) => break Err(StoreError::BrokenOff),
                Ok(None) => break Ok(()),
            }
        };
        let flushed = file.flush().await;
        let fits = checksum.map(Checksum::fits);
        let outcome = match (outcome, fits) {
            (outcome, None) => outcome,
            (Ok(()), Some(true)) => Ok(()),
            (outcome, Some(_)) => {
                // Nobody can say what part of it is right.
                file.set_len(start).await?;
                shared.shrink(id, start);
                outcome.and(Err(StoreError::ChecksumMismatch))
            }
        };
        if let Err(error) = outcome {
            if !matches!(error, StoreError::BrokenOff) {
                drain(bytes).await;
            }
            if let StoreError::NotSealed { .. } | StoreError::NoWayIn = error {
                shared.refuse(id, &error)?;
            }
            return Err(error);
        }
        flushed?;
        let mut state = shared.state();
        let upload = state.uploads.get_mut(id).ok_or(StoreError::NoUpload)?;
        upload.screened |= screen.is_some_and(|screen| screen.passed());
        Ok(upload.size)
    }

    async fn piece(
        &self,
        file: &mut tokio::fs::File,
        piece: &[u8],
        screen: Option<&mut Screen>,
    ) -> Result<(), StoreError> {
        let Hold { shared, id } = &self.hold;
        if let Some(screen) = screen.filter(|screen| !screen.passed()) {
            screen.look(piece)?;
            if screen.passed()
                && !screen.has_way_in()
                && shared.purpose(id) == Some(Purpose::Archive)
            {
                return Err(StoreError::NoWayIn);
            }
        }
        let before = shared.reserve(id, piece.len() as u64, self.room)?;
        let written = match file.write_all(piece).await {
            Ok(()) => file.flush().await,
            error => error,
        };
        if let Err(error) = written {
            shared.shrink(id, before);
            // A piece written in part must not shift what follows.
            file.set_len(before).await?;
            return Err(error.into());
        }
        Ok(())
    }
}

/// Reads what is still on its way of a request that is refused, within limits.
pub(crate) async fn drain<E>(mut bytes: impl Stream<Item = Result<Bytes, E>> + Unpin) {
    let rest = async {
        let mut drained = 0_usize;
        while let Some(Ok(piece)) = bytes.next().await {
            drained += piece.len();
            if drained > MAX_DRAINED {
                return;
            }
        }
    };
    // However that ends, the request is refused.
    let _ = tokio::time::timeout(DRAIN_LIMIT, rest).await;
}

/// Writes what the system still holds in memory to the disk.
pub(super) fn settle(path: &std::path::Path) -> io::Result<()> {
    std::fs::File::open(path)?.sync_all()
}
