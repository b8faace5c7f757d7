//! Uploads on their way here: ciphertext, appended piece by piece, so that a broken connection costs only the piece that
//! it broke in. What is not sealed is refused at its first bytes.

use std::{
    collections::{HashMap, HashSet},
    fs, io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{StoreError, make_private_folder};
use crate::{
    catalog::Id,
    clock,
    read::{FileSource, ReadAt},
};

mod append;
mod checksum;
mod record;
mod screen;
#[cfg(test)]
mod tests;

pub(crate) use append::drain;
pub use append::{Appending, Room};
pub use checksum::Checksum;
use record::bytes_path;
pub use record::{Purpose, UploadRecord};

/// Most unfinished uploads at once, and of one owner.
const MAX_UPLOADS: usize = 64;
const MAX_OF_OWNER: usize = 32;

/// Archives that are stored and proven at once: each takes some 25 MiB, and more processors than there are would not make
/// all of them faster.
const KEPT_AT_ONCE: usize = 2;

/// The uploads of a store.
#[derive(Clone, Debug)]
pub struct Uploads(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    state: Mutex<State>,
    /// Archives that may be stored and proven at once.
    keeping: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct State {
    uploads: HashMap<Id, Upload>,
    /// Uploads that a request or a run works with.
    busy: HashSet<Id>,
}

#[derive(Debug)]
struct Upload {
    record: UploadRecord,
    size: u64,
    touched: SystemTime,
    /// Its header was read.
    screened: bool,
    stage: Stage,
}

/// How far an upload is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It takes bytes.
    Receiving,
    /// All bytes are here and are being looked at.
    Checking,
    /// It was kept, as the backup of this id. Nothing of the upload is left.
    Stored(Id),
    /// It was refused, and nothing of it is left.
    Refused {
        /// Why, for programs.
        code: &'static str,
        /// Why, for people.
        detail: String,
    },
}

/// An upload as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadView {
    /// Its id.
    pub id: Id,
    /// What was known from its start on.
    pub record: UploadRecord,
    /// Bytes that are here, or were when it was kept.
    pub size: u64,
    /// When somebody last did something with it.
    pub touched: SystemTime,
    /// How far it is.
    pub stage: Stage,
}

/// Sole access to one upload; ends when dropped.
#[derive(Debug)]
struct Hold {
    shared: Arc<Shared>,
    id: Id,
}

/// A finished bundle that a restore reads. It is removed when this is dropped, whatever became of the restore.
#[derive(Debug)]
pub struct ClaimedUpload(Hold);

/// A finished bundle that is only looked at. It stays when this is dropped, and nobody else takes it until then.
#[derive(Debug)]
pub struct LentUpload(Hold);

/// An archive that came whole and is being looked at. Dropped before it was kept or refused, it waits to be looked at
/// again.
#[derive(Debug)]
pub struct CompleteUpload(Hold);

impl Upload {
    /// Bytes that are set aside for it.
    fn reserved(&self) -> u64 {
        match self.stage {
            Stage::Receiving | Stage::Checking => self.record.length.unwrap_or(0).max(self.size),
            Stage::Stored(_) | Stage::Refused { .. } => 0,
        }
    }

    fn open(&self) -> bool {
        matches!(self.stage, Stage::Receiving | Stage::Checking)
    }
}

impl State {
    fn reserved(&self, of: impl Fn(&UploadRecord) -> bool) -> u64 {
        let mine = self.uploads.values().filter(|upload| of(&upload.record));
        mine.fold(0, |sum, upload| sum.saturating_add(upload.reserved()))
    }

    /// Whether `more` bytes of this owner fit into the room.
    fn fits(&self, owner: &str, more: u64, room: Room) -> Result<(), StoreError> {
        let over = |held: u64, limit: u64| held.saturating_add(more) > limit;
        if over(self.reserved(|_| true), room.all) {
            return Err(StoreError::Quota { quota: room.all });
        }
        if over(self.reserved(|record| record.owner == owner), room.owner) {
            return Err(StoreError::OwnQuota { quota: room.owner });
        }
        Ok(())
    }
}

impl Uploads {
    /// Opens the uploads in `folder`, which is made when it isn't there. Archives that an earlier process did not get
    /// whole can go on; restore bundles of its are removed, since their keys went with it.
    ///
    /// # Errors
    /// [`StoreError::Folder`].
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        make_private_folder(folder)?;
        let found = record::found(folder).map_err(|error| StoreError::Folder {
            path: folder.display().to_string(),
            error,
        })?;
        let uploads = found.into_iter().map(|(id, record, bytes)| {
            let upload = Upload {
                record,
                size: bytes.len(),
                touched: bytes.modified().unwrap_or_else(|_| SystemTime::now()),
                screened: false,
                stage: Stage::Receiving,
            };
            (id, upload)
        });
        let state = State {
            uploads: uploads.collect(),
            busy: HashSet::new(),
        };
        Ok(Self(Arc::new(Shared {
            folder: folder.to_owned(),
            state: Mutex::new(state),
            keeping: Arc::new(Semaphore::new(KEPT_AT_ONCE)),
        })))
    }

    /// Begins an upload. If its length is known, that much is set aside for it.
    ///
    /// # Errors
    /// [`StoreError::TooManyUploads`], [`StoreError::Quota`], [`StoreError::OwnQuota`], [`StoreError::DiskFull`],
    /// [`StoreError::Random`] or [`StoreError::Io`].
    pub fn create(
        &self,
        purpose: Purpose,
        owner: &str,
        name: &str,
        length: Option<u64>,
        room: Room,
    ) -> Result<Id, StoreError> {
        let id = Id::random()?;
        let mut state = self.0.state();
        let open = |of: &dyn Fn(&Upload) -> bool| {
            let open = state.uploads.values().filter(|upload| upload.open());
            open.filter(|upload| of(upload)).count()
        };
        for (count, limit) in [
            (open(&|_| true), MAX_UPLOADS),
            (open(&|upload| upload.record.owner == owner), MAX_OF_OWNER),
        ] {
            if count >= limit {
                return Err(StoreError::TooManyUploads { limit });
            }
        }
        state.fits(owner, length.unwrap_or(0), room)?;
        if let Some(length) = length {
            let promised = state.reserved(|_| true)
                - state
                    .uploads
                    .values()
                    .map(|upload| upload.size.min(upload.reserved()))
                    .sum::<u64>();
            check_disk(&self.0.folder, length.saturating_add(promised))?;
        }
        let record = UploadRecord {
            purpose,
            owner: owner.to_owned(),
            name: name.to_owned(),
            length,
            created_at: clock::text(clock::now()),
        };
        record::write(&self.0.folder, &id, &record)?;
        fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(bytes_path(&self.0.folder, &id))?;
        let upload = Upload {
            record,
            size: 0,
            touched: SystemTime::now(),
            screened: false,
            stage: Stage::Receiving,
        };
        state.uploads.insert(id.clone(), upload);
        Ok(id)
    }

    /// An upload as it stands.
    ///
    /// # Errors
    /// [`StoreError::NoUpload`].
    pub fn view(&self, id: &Id) -> Result<UploadView, StoreError> {
        let state = self.0.state();
        let upload = state.uploads.get(id).ok_or(StoreError::NoUpload)?;
        Ok(upload.view(id))
    }

    /// All uploads, also those that were kept or refused lately; the oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<UploadView> {
        let state = self.0.state();
        let mut all: Vec<_> = state
            .uploads
            .iter()
            .map(|(id, upload)| upload.view(id))
            .collect();
        all.sort_by(|a, b| (&a.record.created_at, &a.id).cmp(&(&b.record.created_at, &b.id)));
        all
    }

    /// The first bytes of an upload, up to `len`.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn start(&self, id: &Id, len: u64) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::new();
        let file = fs::File::open(bytes_path(&self.0.folder, id))?;
        io::Read::read_to_end(&mut io::Read::take(file, len), &mut bytes)?;
        Ok(bytes)
    }

    /// Takes an upload to append bytes that start at `offset`. `length` is what its sender says now of its length, if
    /// that was not known before.
    ///
    /// # Errors
    /// [`StoreError::NoUpload`], [`StoreError::UploadBusy`], [`StoreError::WrongOffset`], [`StoreError::Refused`],
    /// [`StoreError::OtherLength`], [`StoreError::Quota`], [`StoreError::OwnQuota`] or [`StoreError::Io`].
    pub fn append_at(
        &self,
        id: &Id,
        offset: u64,
        length: Option<u64>,
        room: Room,
    ) -> Result<Appending, StoreError> {
        let hold = self.hold(id)?;
        let mut state = self.0.state();
        let upload = state.uploads.get(id).ok_or(StoreError::NoUpload)?;
        upload.refusal()?;
        let found = upload.size;
        if offset != found {
            return Err(StoreError::WrongOffset {
                given: offset,
                found,
            });
        }
        if let Some(length) = length
            && upload.record.length != Some(length)
        {
            if upload.record.length.is_some() || length < found {
                return Err(StoreError::OtherLength);
            }
            let record = UploadRecord {
                length: Some(length),
                ..upload.record.clone()
            };
            state.fits(&record.owner, length - found, room)?;
            record::write(&self.0.folder, id, &record)?;
            if let Some(upload) = state.uploads.get_mut(id) {
                upload.record = record;
            }
        }
        drop(state);
        Ok(Appending { hold, room })
    }

    /// Takes a bundle to restore from it.
    ///
    /// # Errors
    /// [`StoreError::NoUpload`] or [`StoreError::UploadBusy`].
    pub fn claim(&self, id: &Id) -> Result<ClaimedUpload, StoreError> {
        match self.0.purpose(id) {
            Some(Purpose::Bundle) => self.hold(id).map(ClaimedUpload),
            _ => Err(StoreError::NoUpload),
        }
    }

    /// Takes a bundle to read it, and leaves it for the restore.
    ///
    /// # Errors
    /// [`StoreError::NoUpload`] or [`StoreError::UploadBusy`].
    pub fn lend(&self, id: &Id) -> Result<LentUpload, StoreError> {
        match self.0.purpose(id) {
            Some(Purpose::Bundle) => self.hold(id).map(LentUpload),
            _ => Err(StoreError::NoUpload),
        }
    }

    /// Ids of archives that are here whole and were neither kept nor refused.
    #[must_use]
    pub fn waiting(&self) -> Vec<Id> {
        let state = self.0.state();
        let waiting = state.uploads.iter().filter(|(_, upload)| upload.whole());
        waiting.map(|(id, _)| id.clone()).collect()
    }

    /// Waits until it is one's turn to keep an archive, which lasts until what is given is dropped.
    pub async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        // It is never closed; if it were, nobody would have to wait.
        self.0.keeping.clone().acquire_owned().await.ok()
    }

    /// Takes an archive that came whole; `None` if bytes are missing, or it is a bundle.
    ///
    /// # Errors
    /// [`StoreError::NoUpload`] or [`StoreError::UploadBusy`].
    pub fn complete(&self, id: &Id) -> Result<Option<CompleteUpload>, StoreError> {
        let hold = self.hold(id)?;
        let mut state = self.0.state();
        let Some(upload) = state.uploads.get_mut(id).filter(|upload| upload.whole()) else {
            drop(state);
            return Ok(None);
        };
        upload.stage = Stage::Checking;
        drop(state);
        Ok(Some(CompleteUpload(hold)))
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
            // A clock that was set back makes an upload young, not old.
            let old = |upload: &Upload| upload.touched.elapsed().is_ok_and(|idle| idle >= age);
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

impl Upload {
    fn view(&self, id: &Id) -> UploadView {
        UploadView {
            id: id.clone(),
            record: self.record.clone(),
            size: self.size,
            touched: self.touched,
            stage: self.stage.clone(),
        }
    }

    /// Whether it is an archive of which all bytes are here, and nothing more is known.
    fn whole(&self) -> bool {
        self.record.purpose == Purpose::Archive
            && self.stage == Stage::Receiving
            && self.record.length == Some(self.size)
    }

    fn refusal(&self) -> Result<(), StoreError> {
        match &self.stage {
            Stage::Refused { code, detail } => Err(StoreError::Refused {
                code,
                detail: detail.clone(),
            }),
            _ => Ok(()),
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn purpose(&self, id: &Id) -> Option<Purpose> {
        let state = self.state();
        state.uploads.get(id).map(|upload| upload.record.purpose)
    }

    /// Sets bytes aside for an upload, before they are written. Returns how many it had.
    fn reserve(&self, id: &Id, len: u64, room: Room) -> Result<u64, StoreError> {
        let mut state = self.state();
        let upload = state.uploads.get(id).ok_or(StoreError::NoUpload)?;
        let before = upload.size;
        let size = before.saturating_add(len);
        match upload.record.length {
            Some(length) if size > length => return Err(StoreError::TooLong { length }),
            Some(_) => {}
            None => {
                let owner = upload.record.owner.clone();
                state.fits(&owner, len, room)?;
            }
        }
        if let Some(upload) = state.uploads.get_mut(id) {
            upload.size = size;
            upload.touched = SystemTime::now();
        }
        Ok(before)
    }

    /// Gives bytes back that were not written.
    fn shrink(&self, id: &Id, size: u64) {
        if let Some(upload) = self.state().uploads.get_mut(id) {
            upload.size = size;
        }
    }

    /// Removes the bytes of an upload and remembers why.
    fn refuse(&self, id: &Id, why: &StoreError) -> io::Result<()> {
        record::remove(&self.folder, id)?;
        self.end(
            id,
            Stage::Refused {
                code: why.code(),
                detail: why.to_string(),
            },
        );
        Ok(())
    }

    fn end(&self, id: &Id, stage: Stage) {
        if let Some(upload) = self.state().uploads.get_mut(id) {
            upload.stage = stage;
            upload.touched = SystemTime::now();
        }
    }

    fn remove(&self, id: &Id) -> io::Result<()> {
        record::remove(&self.folder, id)?;
        self.state().uploads.remove(id);
        Ok(())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.busy.remove(&self.id);
        if let Some(upload) = state.uploads.get_mut(&self.id)
            && upload.stage == Stage::Checking
        {
            upload.stage = Stage::Receiving;
        }
    }
}

impl ClaimedUpload {
    /// Opens the upload to be read at any position.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn read_at(&self) -> Result<Arc<dyn ReadAt>, StoreError> {
        self.0.read_at()
    }
}

impl LentUpload {
    /// Opens the upload to be read at any position.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn read_at(&self) -> Result<Arc<dyn ReadAt>, StoreError> {
        self.0.read_at()
    }
}

impl Hold {
    fn read_at(&self) -> Result<Arc<dyn ReadAt>, StoreError> {
        let path = bytes_path(&self.shared.folder, &self.id);
        Ok(Arc::new(FileSource::open(&path)?))
    }
}

impl Drop for ClaimedUpload {
    fn drop(&mut self) {
        if let Err(error) = self.0.shared.remove(&self.0.id) {
            tracing::error!(upload = %self.0.id, %error, "an upload could not be removed; the next start tries again");
        }
    }
}

impl CompleteUpload {
    /// What is known of it.
    ///
    /// # Errors
    /// [`StoreError::NoUpload`].
    pub fn record(&self) -> Result<UploadRecord, StoreError> {
        let state = self.0.shared.state();
        let upload = state.uploads.get(&self.0.id).ok_or(StoreError::NoUpload)?;
        Ok(upload.record.clone())
    }

    /// Opens it to be read at any position, once its bytes are on the disk and not only on their way there.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn read_at(&self) -> Result<Arc<dyn ReadAt>, StoreError> {
        append::settle(&self.path())?;
        self.0.read_at()
    }

    /// Where its bytes lie.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        bytes_path(&self.0.shared.folder, &self.0.id)
    }

    /// It was kept elsewhere, as the backup of this id: nothing stays here but that.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn stored(self, backup: Id) -> Result<(), StoreError> {
        self.0.shared.end(&self.0.id, Stage::Stored(backup));
        Ok(record::remove(&self.0.shared.folder, &self.0.id)?)
    }

    /// It is not what is kept here. Nothing of it stays but the reason.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn refused(self, why: &StoreError) -> Result<(), StoreError> {
        Ok(self.0.shared.refuse(&self.0.id, why)?)
    }
}

/// Refuses what the disk has no room for, before anybody sends it.
fn check_disk(folder: &Path, wanted: u64) -> Result<(), StoreError> {
    let room = rustix::fs::statvfs(folder).map_err(io::Error::from)?;
    // Bytes that somebody other than root may use.
    let free = room.f_bavail.saturating_mul(room.f_frsize);
    if wanted > free {
        return Err(StoreError::DiskFull);
    }
    Ok(())
}
