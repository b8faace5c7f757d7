//! From a blocking writer into the object store, part by part.
//!
//! The writer (compression, encryption) runs on threads of its own choice, so the two are joined by a small
//! channel of parts and a thread that owns the upload. Memory is bounded by [`PART_BYTES`] and the channel.

use std::{
    io::{self, Write},
    mem,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
};

use coffer_core::{Digest, digest::Hasher};
use object_store::{MultipartUpload, PutPayload};
use tokio::{runtime::Handle, task::JoinHandle};

use super::StoreError;

/// Bytes of one part: the least that object stores accept.
const PART_BYTES: usize = 5 << 20;

/// Where an archive's bytes are written to. Dropping it ends the archive.
#[derive(Debug)]
pub struct Sink {
    parts: SyncSender<Vec<u8>>,
    pending: Vec<u8>,
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the bytes.
    pub sha256: Digest,
}

/// An archive on its way into the store; it isn't there before [`Incoming::publish`].
#[derive(Debug)]
pub struct Incoming {
    thread: JoinHandle<(
        Box<dyn MultipartUpload>,
        Result<Written, object_store::Error>,
    )>,
}

/// Joins a writer with an upload.
pub(super) fn open(upload: Box<dyn MultipartUpload>) -> (Sink, Incoming) {
    let (sender, receiver) = sync_channel(1);
    let runtime = Handle::current();
    let thread = tokio::task::spawn_blocking(move || {
        let mut upload = upload;
        let written = runtime.block_on(forward(&receiver, &mut *upload));
        (upload, written)
    });
    let sink = Sink {
        parts: sender,
        pending: Vec::new(),
    };
    (sink, Incoming { thread })
}

async fn forward(
    parts: &Receiver<Vec<u8>>,
    upload: &mut dyn MultipartUpload,
) -> Result<Written, object_store::Error> {
    let mut size = 0;
    let mut hasher = Hasher::new();
    // Blocks this thread while it waits, which is the upload's own.
    for part in parts {
        size += part.len() as u64;
        hasher.update(&part);
        upload.put_part(PutPayload::from(part)).await?;
    }
    Ok(Written {
        size,
        sha256: hasher.finish(),
    })
}

impl Sink {
    fn send(&mut self) -> io::Result<()> {
        let part = mem::take(&mut self.pending);
        // The thread is gone when the store failed; `Incoming::publish` says why.
        self.parts
            .send(part)
            .map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the archive store failed"))
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.pending.capacity() == 0 {
            self.pending.reserve_exact(PART_BYTES);
        }
        let taken = bytes.len().min(PART_BYTES - self.pending.len());
        self.pending.extend(bytes.iter().take(taken));
        if self.pending.len() == PART_BYTES {
            self.send()?;
        }
        Ok(taken)
    }

    /// Parts have their size, so nothing is sent before one is full or the archive ends.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        if !self.pending.is_empty() {
            // An error is seen by `Incoming::publish`.
            drop(self.send());
        }
    }
}

impl Incoming {
    /// Waits for the writer's end, then makes the archive appear in the store, whole.
    ///
    /// # Errors
    /// [`StoreError::Store`]; the store then has nothing of it.
    pub async fn publish(self) -> Result<Written, StoreError> {
        let (mut upload, written) = self.finished().await?;
        let done = match written {
            Ok(written) => upload.complete().await.map(|_| written),
            Err(error) => Err(error),
        };
        if done.is_err() {
            // What a failed upload leaves is removed at the next start at the latest.
            drop(upload.abort().await);
        }
        Ok(done?)
    }

    /// Waits for the writer's end and removes what it wrote.
    ///
    /// # Errors
    /// [`StoreError::Store`].
    pub async fn discard(self) -> Result<(), StoreError> {
        let (mut upload, _) = self.finished().await?;
        Ok(upload.abort().await?)
    }

    async fn finished(
        self,
    ) -> Result<
        (
            Box<dyn MultipartUpload>,
            Result<Written, object_store::Error>,
        ),
        StoreError,
    > {
        self.thread
            .await
            .map_err(|error| StoreError::Io(io::Error::other(error)))
    }
}
