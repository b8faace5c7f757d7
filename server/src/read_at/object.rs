//! An object of an object store.

use std::{fmt, io, sync::Arc, sync::mpsc};

use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, path::Path};
use tokio::runtime::Handle;

use super::{ReadAt, SourceError, check_range};

/// An object, as it was when it was opened: every read names its entity tag and version, so that an object that was
/// replaced meanwhile is an error, never a mixture of two.
pub struct ObjectSource {
    store: Arc<dyn ObjectStore>,
    path: Path,
    tag: Option<String>,
    version: Option<String>,
    size: u64,
    runtime: Handle,
}

impl fmt::Debug for ObjectSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectSource")
            .field("path", &self.path)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl ObjectSource {
    /// Looks at an object. Its reads will run on the current runtime, which must have a thread to spare while a reader
    /// blocks.
    ///
    /// # Errors
    /// [`SourceError::Store`].
    pub async fn open(store: Arc<dyn ObjectStore>, path: Path) -> Result<Self, SourceError> {
        let meta = store
            .head(&path)
            .await
            .map_err(|error| SourceError::Store {
                address: path.to_string(),
                error,
            })?;
        Ok(Self {
            store,
            path,
            tag: meta.e_tag,
            version: meta.version,
            size: meta.size,
            runtime: Handle::current(),
        })
    }
}

impl ReadAt for ObjectSource {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        check_range(self.size, offset, buffer.len())?;
        if buffer.is_empty() {
            return Ok(());
        }
        let options = GetOptions {
            range: Some(GetRange::Bounded(offset..offset + buffer.len() as u64)),
            if_match: self.tag.clone(),
            version: self.version.clone(),
            ..GetOptions::default()
        };
        let (store, path) = (self.store.clone(), self.path.clone());
        let (sender, receiver) = mpsc::sync_channel(1);
        self.runtime.spawn(async move {
            let read = async { store.get_opts(&path, options).await?.bytes().await };
            // The reader waits, unless the runtime is going down.
            let _ = sender.send(read.await);
        });
        let address = || self.path.to_string();
        let bytes = receiver
            .recv()
            .map_err(|_| io::Error::other("the program is ending"))?
            .map_err(|error| match error {
                object_store::Error::Precondition { .. } => {
                    SourceError::Changed { address: address() }
                }
                error => SourceError::Store {
                    address: address(),
                    error,
                },
            })?;
        if bytes.len() != buffer.len() {
            return Err(SourceError::Answer {
                address: address(),
                what: "it has another number of bytes",
            }
            .into());
        }
        buffer.copy_from_slice(&bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::{PutPayload, local::LocalFileSystem, memory::InMemory};

    fn content(len: usize) -> Vec<u8> {
        (0..len).map(|at| (at * 31 % 251) as u8).collect()
    }

    async fn read(source: &Arc<ObjectSource>, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let source = source.clone();
        tokio::task::spawn_blocking(move || {
            let mut buffer = vec![0; len];
            source.read_exact_at(offset, &mut buffer).map(|()| buffer)
        })
        .await
        .unwrap()
    }

    async fn check(store: Arc<dyn ObjectStore>) {
        let path = Path::from("backups/a.coffer");
        let bytes = content(100_000);
        store
            .put(&path, PutPayload::from(bytes.clone()))
            .await
            .unwrap();
        let source = Arc::new(
            ObjectSource::open(store.clone(), path.clone())
                .await
                .unwrap(),
        );
        assert_eq!(source.size(), 100_000);
        for (from, to) in [
            (0, 0),
            (0, 1),
            (99_999, 100_000),
            (0, 100_000),
            (4_000, 70_000),
        ] {
            assert_eq!(
                read(&source, from as u64, to - from).await.unwrap(),
                bytes[from..to]
            );
        }
        let beyond = read(&source, 99_999, 2).await.unwrap_err();
        assert_eq!(beyond.kind(), io::ErrorKind::UnexpectedEof);

        // Another object of the same size under the same name.
        let mut other = bytes;
        other[50_000] ^= 1;
        store.put(&path, PutPayload::from(other)).await.unwrap();
        let changed = read(&source, 50_000, 10).await.unwrap_err();
        assert!(matches!(
            SourceError::inside(&changed),
            Some(SourceError::Changed { .. })
        ));
        store.delete(&path).await.unwrap();
        let gone = read(&source, 0, 10).await.unwrap_err();
        assert!(matches!(
            SourceError::inside(&gone),
            Some(SourceError::Store { .. })
        ));
        assert!(matches!(
            ObjectSource::open(store, path).await,
            Err(SourceError::Store { .. })
        ));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn objects_in_memory_and_on_disk_read_alike() {
        check(Arc::new(InMemory::new())).await;
        let folder = tempfile::tempdir().unwrap();
        check(Arc::new(
            LocalFileSystem::new_with_prefix(folder.path()).unwrap(),
        ))
        .await;
    }
}
