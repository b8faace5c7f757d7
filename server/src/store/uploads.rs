//! Restore bundles on their way here: ciphertext, appended piece by piece, so that a broken connection costs only
//! the piece that it broke in.

use std::{
    collections::{HashMap, HashSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::io::AsyncWriteExt;

use super::{StoreError, make_private_folder};
use crate::{
    catalog::Id,
    read::{FileSource, ReadAt},
};

/// Most uploads at once.
const MAX_UPLOADS: usize = 64;
/// Longest wait for the next bytes of an upload whose connection stays open.
const STALL: Duration = Duration::from_secs(60);

/// The uploads of a store.
#[derive(Clone, Debug)]
pub struct Uploads(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    quota: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    uploads: HashMap<Id, Upload>,
    /// Uploads that a request or a run works with.
    busy: HashSet<Id>,
    /// Bytes of all uploads.
    bytes: u64,
}

#[derive(Debug)]
struct Upload {
    size: u64,
    touched: Instant,
}

/// Sole access to one upload; ends when dropped.
#[derive(Debug)]
struct Hold {
    shared: Arc<Shared>,
    id: Id,
}

/// An upload that takes further bytes.
#[derive(Debug)]
pub struct Appending(Hold);

/// A finished upload that a run reads. It is removed when this is dropped, whatever became of the run.
#[derive(Debug)]
pub struct ClaimedUpload(Hold);

impl Uploads {
    /// Opens the uploads in `folder`, which is made when it isn't there. Uploads of an earlier process are removed:
    /// their keys went with it. All together may have `quota` bytes.
    ///
    /// # Errors
    /// [`StoreError::Folder`].
    pub fn open(folder: &Path, quota: u64) -> Result<Self, StoreError> {
        make_private_folder(folder)?;
        empty(folder).map_err(|error| StoreError::Folder {
            path: folder.display().to_string(),
            error,
        })?;
        Ok(Self(Arc::new(Shared {
            folder: folder.to_owned(),
            quota,
            state: Mutex::default(),
        })))
    }

    /// Begins an upload.
    ///
    /// # Errors
    /// [`StoreError::TooManyUploads`], [`StoreError::Random`] or [`StoreError::Io`].
    pub fn create(&self) -> Result<Id, StoreError> {
        let id = Id::random()?;
        let mut state = self.0.state();
        if state.uploads.len() >= MAX_UPLOADS {
            return Err(StoreError::TooManyUploads { limit: MAX_UPLOADS });
        }
        fs::File::create_new(self.0.path(&id))?;
        let upload = Upload {
            size: 0,
            touched: Instant::now(),
        };
        state.uploads.insert(id.clone(), upload);
        Ok(id)
    }

    /// Bytes that an upload has.
    ///
    /// # Errors
    /// [`StoreError::NoUpload`].
    pub fn size(&self, id: &Id) -> Result<u64, StoreError> {
        let state = self.0.state();
        let upload = state.uploads.get(id).ok_or(StoreError::NoUpload)?;
        Ok(upload.size)
    }

    /// Takes an upload to append bytes that start at `offset`.
    ///
    /// # Errors
    /// [`StoreError::NoUpload`], [`StoreError::UploadBusy`] or [`StoreError::WrongOffset`].
    pub fn append_at(&self, id: &Id, offset: u64) -> Result<Appending, StoreError> {
        let hold = self.hold(id)?;
        let found = self.size(id)?;
        if offset != found {
            return Err(StoreError::WrongOffset {
                given: offset,
                found,
            });
        }
        Ok(Appending(hold))
    }

    /// Takes an upload to restore from it.
    ///
    /// # Errors
    /// [`StoreError::NoUpload`] or [`StoreError::UploadBusy`].
    pub fn claim(&self, id: &Id) -> Result<ClaimedUpload, StoreError> {
        self.hold(id).map(ClaimedUpload)
    }

    /// Removes an upload.
    ///
    /// # Errors
    /// [`StoreError::NoUpload`], [`StoreError::UploadBusy`] or [`StoreError::Io`].
    pub fn remove(&self, id: &Id) -> Result<(), StoreError> {
        let hold = self.hold(id)?;
        Ok(hold.shared.remove(&hold.id)?)
    }

    /// Removes uploads that nobody touched for `age`, and returns how many.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn remove_abandoned(&self, age: Duration) -> Result<usize, StoreError> {
        let abandoned: Vec<Id> = {
            let state = self.0.state();
            let old = |upload: &Upload| upload.touched.elapsed() >= age;
            let idle = |id: &Id| !state.busy.contains(id);
            state
                .uploads
                .iter()
                .filter(|(id, upload)| old(upload) && idle(id))
                .map(|(id, _)| id.clone())
                .collect()
        };
        for id in &abandoned {
            match self.remove(id) {
                // Somebody came back to it in between, or removed it.
                Ok(()) | Err(StoreError::UploadBusy | StoreError::NoUpload) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(abandoned.len())
    }

    fn hold(&self, id: &Id) -> Result<Hold, StoreError> {
        let mut state = self.0.state();
        if !state.uploads.contains_key(id) {
            return Err(StoreError::NoUpload);
        }
        if !state.busy.insert(id.clone()) {
            return Err(StoreError::UploadBusy);
        }
        Ok(Hold {
            shared: self.0.clone(),
            id: id.clone(),
        })
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, id: &Id) -> PathBuf {
        self.folder.join(id.as_str())
    }

    /// Sets bytes aside for an upload, before they are written.
    fn reserve(&self, id: &Id, len: u64) -> Result<(), StoreError> {
        let mut state = self.state();
        let bytes = state.bytes.saturating_add(len);
        if bytes > self.quota {
            return Err(StoreError::Quota { quota: self.quota });
        }
        state.bytes = bytes;
        if let Some(upload) = state.uploads.get_mut(id) {
            upload.size += len;
            upload.touched = Instant::now();
        }
        Ok(())
    }

    fn release(&self, id: &Id, len: u64) {
        let mut state = self.state();
        state.bytes = state.bytes.saturating_sub(len);
        if let Some(upload) = state.uploads.get_mut(id) {
            upload.size = upload.size.saturating_sub(len);
        }
    }

    fn remove(&self, id: &Id) -> io::Result<()> {
        match fs::remove_file(self.path(id)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut state = self.state();
        if let Some(upload) = state.uploads.remove(id) {
            state.bytes = state.bytes.saturating_sub(upload.size);
        }
        Ok(())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.shared.state().busy.remove(&self.id);
    }
}

impl Appending {
    /// Appends what comes until it ends, and returns how many bytes the upload has then. What came before an error
    /// stays, so that the sender can go on from there. To be run to its end: dropped in the middle, bytes may be
    /// counted that were not written.
    ///
    /// # Errors
    /// [`StoreError::Quota`], or [`StoreError::Io`] when the connection or the disk fails.
    pub async fn take<E>(
        self,
        mut bytes: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<u64, StoreError>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let Hold { shared, id } = &self.0;
        let mut file = tokio::fs::OpenOptions::new()
            .append(true)
            .open(shared.path(id))
            .await?;
        let mut outcome = Ok(());
        while outcome.is_ok() {
            outcome = match tokio::time::timeout(STALL, bytes.next()).await {
                Ok(Some(Ok(piece))) => self.write(&mut file, &piece).await,
                Ok(Some(Err(error))) => Err(io::Error::other(error).into()),
                Ok(None) => break,
                Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
            };
        }
        file.flush().await?;
        outcome?;
        let state = shared.state();
        Ok(state.uploads.get(id).map_or(0, |upload| upload.size))
    }

    async fn write(&self, file: &mut tokio::fs::File, piece: &[u8]) -> Result<(), StoreError> {
        let Hold { shared, id } = &self.0;
        let len = piece.len() as u64;
        let before = file.metadata().await?.len();
        shared.reserve(id, len)?;
        let written = match file.write_all(piece).await {
            Ok(()) => file.flush().await,
            error => error,
        };
        if let Err(error) = written {
            shared.release(id, len);
            // A piece written in part must not shift what follows.
            file.set_len(before).await?;
            return Err(error.into());
        }
        Ok(())
    }
}

impl ClaimedUpload {
    /// Opens the upload to be read at any position.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn read_at(&self) -> Result<Arc<dyn ReadAt>, StoreError> {
        let Hold { shared, id } = &self.0;
        Ok(Arc::new(FileSource::open(&shared.path(id))?))
    }
}

impl Drop for ClaimedUpload {
    fn drop(&mut self) {
        if let Err(error) = self.0.shared.remove(&self.0.id) {
            tracing::error!(upload = %self.0.id, %error, "an upload could not be removed; the next start tries again");
        }
    }
}

fn empty(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    type Piece = Result<Bytes, io::Error>;

    fn pieces(pieces: &[&'static [u8]]) -> impl Stream<Item = Piece> + Unpin {
        let pieces: Vec<Piece> = pieces
            .iter()
            .map(|piece| Ok(Bytes::from_static(piece)))
            .collect();
        stream::iter(pieces)
    }

    #[tokio::test]
    async fn a_broken_upload_goes_on_where_it_ended() {
        let folder = tempfile::tempdir().unwrap();
        let uploads = Uploads::open(folder.path(), 100).unwrap();
        let id = uploads.create().unwrap();
        let broken = stream::iter([
            Ok(Bytes::from_static(b"one ")),
            Err(io::Error::from(io::ErrorKind::ConnectionReset)),
        ]);
        assert!(
            uploads
                .append_at(&id, 0)
                .unwrap()
                .take(broken)
                .await
                .is_err()
        );
        assert_eq!(uploads.size(&id).unwrap(), 4);
        assert!(matches!(
            uploads.append_at(&id, 0),
            Err(StoreError::WrongOffset { given: 0, found: 4 })
        ));
        let rest = uploads.append_at(&id, 4).unwrap();
        assert!(matches!(
            uploads.append_at(&id, 4),
            Err(StoreError::UploadBusy)
        ));
        assert_eq!(rest.take(pieces(&[b"two ", b"three"])).await.unwrap(), 13);

        let claimed = uploads.claim(&id).unwrap();
        assert!(matches!(uploads.remove(&id), Err(StoreError::UploadBusy)));
        let mut whole = [0; 13];
        claimed
            .read_at()
            .unwrap()
            .read_exact_at(0, &mut whole)
            .unwrap();
        assert_eq!(&whole, b"one two three");
        drop(claimed);
        assert!(matches!(uploads.size(&id), Err(StoreError::NoUpload)));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn the_quota_is_for_all_uploads_and_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let uploads = Uploads::open(folder.path(), 10).unwrap();
        let (one, two) = (uploads.create().unwrap(), uploads.create().unwrap());
        uploads
            .append_at(&one, 0)
            .unwrap()
            .take(pieces(&[b"123456"]))
            .await
            .unwrap();
        let more = uploads
            .append_at(&two, 0)
            .unwrap()
            .take(pieces(&[b"1234", b"5"]))
            .await;
        assert!(matches!(more, Err(StoreError::Quota { quota: 10 })));
        assert_eq!(uploads.size(&two).unwrap(), 4);
        uploads.remove(&one).unwrap();
        uploads
            .append_at(&two, 4)
            .unwrap()
            .take(pieces(&[b"567890"]))
            .await
            .unwrap();
        assert_eq!(uploads.size(&two).unwrap(), 10);
    }

    #[tokio::test]
    async fn abandoned_uploads_go_and_used_ones_stay() {
        let folder = tempfile::tempdir().unwrap();
        let uploads = Uploads::open(folder.path(), 10).unwrap();
        let (idle, used) = (uploads.create().unwrap(), uploads.create().unwrap());
        let using = uploads.append_at(&used, 0).unwrap();
        assert_eq!(
            uploads.remove_abandoned(Duration::from_secs(3600)).unwrap(),
            0
        );
        assert_eq!(uploads.remove_abandoned(Duration::ZERO).unwrap(), 1);
        assert!(uploads.size(&idle).is_err());
        assert!(uploads.size(&used).is_ok());
        drop(using);
        drop(uploads);
        let again = Uploads::open(folder.path(), 10).unwrap();
        assert!(again.size(&used).is_err());
    }

    #[test]
    fn there_is_an_end_to_the_number_of_uploads() {
        let folder = tempfile::tempdir().unwrap();
        let uploads = Uploads::open(folder.path(), 10).unwrap();
        for _ in 0..MAX_UPLOADS {
            uploads.create().unwrap();
        }
        assert!(matches!(
            uploads.create(),
            Err(StoreError::TooManyUploads { .. })
        ));
    }
}
