//! From a blocking writer into the object store, part by part.
//!
//! The writer (compression, encryption) runs on threads of its own choice, so the two are joined by a small
//! channel of parts and a thread that owns the upload. Memory is bounded by the size of a part, of which there are three: one that
//! is filled, one in the channel and one on its way.

use std::{
    io::{self, Write},
    mem,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
};

use coffer_core::{Digest, digest::Hasher};
use object_store::{MultipartUpload, PutPayload};
use tokio::{runtime::Handle, task::JoinHandle};

use super::StoreError;

/// Where an archive's bytes are written to. Dropping it ends the archive.
#[derive(Debug)]
pub struct Sink {
    parts: SyncSender<Vec<u8>>,
    pending: Vec<u8>,
    part_bytes: usize,
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the bytes.
    pub sha256: Digest,
}

/// The upload when the writer has ended, and what was written.
type Ended = (
    Box<dyn MultipartUpload>,
    Result<Written, object_store::Error>,
);

/// An archive on its way into the store; it isn't there before [`Incoming::publish`]. Dropping it before removes what was
/// written, once the writer has ended.
#[derive(Debug)]
pub struct Incoming {
    /// `None` once somebody waits for it.
    thread: Option<JoinHandle<Ended>>,
}

/// Joins a writer with an upload.
pub(super) fn open(upload: Box<dyn MultipartUpload>, part_bytes: usize) -> (Sink, Incoming) {
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
        part_bytes,
    };
    let incoming = Incoming {
        thread: Some(thread),
    };
    (sink, incoming)
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
            self.pending.reserve_exact(self.part_bytes);
        }
        let taken = bytes.len().min(self.part_bytes - self.pending.len());
        self.pending.extend(bytes.iter().take(taken));
        if self.pending.len() == self.part_bytes {
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

    async fn finished(mut self) -> Result<Ended, StoreError> {
        match self.thread.take() {
            Some(thread) => thread
                .await
                .map_err(|error| StoreError::Io(io::Error::other(error))),
            None => Err(StoreError::Io(io::ErrorKind::BrokenPipe.into())),
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // Without a runtime the process is ending, and what is left is removed at the next start.
        if let Some(thread) = self.thread.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(async move {
                if let Ok((mut upload, _)) = thread.await {
                    drop(upload.abort().await);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PART_BYTES: usize = 5 << 20;
    use object_store::{PutResult, UploadPart};
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        time::Duration,
    };

    /// Counts what becomes of an upload, and fails at a part.
    #[derive(Clone, Debug, Default)]
    struct Upload {
        parts: Arc<AtomicUsize>,
        completed: Arc<AtomicUsize>,
        aborted: Arc<AtomicUsize>,
        fails_at: Option<usize>,
    }

    #[async_trait::async_trait]
    impl MultipartUpload for Upload {
        fn put_part(&mut self, _: PutPayload) -> UploadPart {
            let number = self.parts.fetch_add(1, Ordering::SeqCst);
            let fails = self.fails_at == Some(number);
            Box::pin(async move {
                if fails {
                    return Err(object_store::Error::NotImplemented {
                        operation: "part".into(),
                        implementer: "test".into(),
                    });
                }
                Ok(())
            })
        }

        async fn complete(&mut self) -> object_store::Result<PutResult> {
            self.completed.fetch_add(1, Ordering::SeqCst);
            Ok(PutResult {
                e_tag: None,
                version: None,
                extensions: Default::default(),
            })
        }

        async fn abort(&mut self) -> object_store::Result<()> {
            self.aborted.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    }

    impl Upload {
        fn ends(&self) -> (usize, usize) {
            (
                self.completed.load(Ordering::SeqCst),
                self.aborted.load(Ordering::SeqCst),
            )
        }
    }

    async fn write(mut sink: Sink, bytes: usize) {
        let writing = tokio::task::spawn_blocking(move || {
            // A store that failed is told by `publish`.
            let _ = sink.write_all(&vec![7; bytes]);
        });
        writing.await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_upload_is_completed_or_aborted_once() {
        for bytes in [0, 1, PART_BYTES, 3 * PART_BYTES + 5] {
            let upload = Upload::default();
            let (sink, incoming) = open(Box::new(upload.clone()), PART_BYTES);
            write(sink, bytes).await;
            assert_eq!(incoming.publish().await.unwrap().size, bytes as u64);
            assert_eq!(upload.ends(), (1, 0));

            let upload = Upload::default();
            let (sink, incoming) = open(Box::new(upload.clone()), PART_BYTES);
            write(sink, bytes).await;
            incoming.discard().await.unwrap();
            assert_eq!(upload.ends(), (0, 1));

            // Nobody waits for it: the run was cancelled.
            let upload = Upload::default();
            let (sink, incoming) = open(Box::new(upload.clone()), PART_BYTES);
            drop(incoming);
            write(sink, bytes).await;
            while upload.ends() == (0, 0) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            assert_eq!(upload.ends(), (0, 1));
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_upload_that_fails_is_aborted() {
        for part in 0..3 {
            let upload = Upload {
                fails_at: Some(part),
                ..Upload::default()
            };
            let (sink, incoming) = open(Box::new(upload.clone()), PART_BYTES);
            write(sink, 3 * PART_BYTES).await;
            assert!(incoming.publish().await.is_err());
            assert_eq!(upload.ends(), (0, 1), "{part}");
        }
    }
}
