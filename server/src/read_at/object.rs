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
