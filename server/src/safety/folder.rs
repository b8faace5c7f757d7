//! The folder of safety backups: an archive and a record for each, and the keys. Several processes may use it at once.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    num::NonZeroUsize,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use coffer_core::seal::{Recipient, SecretKey, SenderKey};
use tempfile::NamedTempFile;

use super::{Record, SafetyError, key, record};
use crate::{backup::BackupError, sender_key, store::make_private_folder};

const ARCHIVE: &str = "coffer";
const RECORD: &str = "json";
const UNFINISHED: &str = ".coffer-unfinished-";

/// The folder of safety backups.
#[derive(Clone, Debug)]
pub struct SafetyFolder {
    path: PathBuf,
}

/// What a folder holds.
#[derive(Debug, Default)]
pub struct Listed {
    /// The records, the latest first.
    pub records: Vec<Record>,
    /// Why others can't be read.
    pub unreadable: Vec<SafetyError>,
}

/// Nobody else changes the folder as long as this lives. It is held for moments only.
pub(super) struct Guard {
    _lock: File,
}

/// An archive under a temporary name, with what it is sealed to and signed with.
pub(super) struct Begun {
    /// Locked, so that nobody takes it for one that a dead process left.
    pub(super) file: NamedTempFile,
    pub(super) recipients: Vec<Recipient>,
    pub(super) sender: SenderKey,
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SafetyError + use<> {
    let path = path.display().to_string();
    move |error| SafetyError::Folder { doing, path, error }
}

impl SafetyFolder {
    /// The folder, which is made for its owner only if it isn't there.
    ///
    /// # Errors
    /// [`SafetyError::Folder`].
    pub fn make(path: &Path) -> Result<Self, SafetyError> {
        // Its path is kept in journals and shown, so it must mean the same from everywhere.
        let path = std::path::absolute(path).map_err(failed("find", path))?;
        if !path.is_dir() {
            make_private_folder(&path)
                .map_err(|error| failed("make the folder", &path)(io::Error::other(error)))?;
        }
        Ok(Self { path })
    }

    /// The folder, if it is there.
    #[must_use]
    pub fn existing(path: &Path) -> Option<Self> {
        path.is_dir().then(|| Self {
            path: path.to_path_buf(),
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The archive of a safety backup.
    #[must_use]
    pub fn archive(&self, id: &str) -> PathBuf {
        self.path.join(format!("{id}.{ARCHIVE}"))
    }

    fn record(&self, id: &str) -> PathBuf {
        self.path.join(format!("{id}.{RECORD}"))
    }

    pub(super) fn lock(&self) -> Result<Guard, SafetyError> {
        let path = self.path.join("lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed("open", &path))?;
        file.lock().map_err(failed("lock", &path))?;
        Ok(Guard { _lock: file })
    }

    /// The secret key that the folder keeps, if it keeps one.
    ///
    /// # Errors
    /// [`SafetyError`] if it can't be read.
    pub fn key(&self) -> Result<Option<SecretKey>, SafetyError> {
        key::read(&self.path)
    }

    /// The key that its archives are signed with.
    ///
    /// # Errors
    /// [`SafetyError::Sender`].
    pub fn sender(&self) -> Result<SenderKey, SafetyError> {
        let _guard = self.lock()?;
        Ok(sender_key::open(&self.path)?)
    }

    /// Begins an archive, sealed to `recipients`, or to the folder's own key if there are none.
    pub(super) fn begin(&self, recipients: &[Recipient]) -> Result<Begun, SafetyError> {
        let _guard = self.lock()?;
        let recipients = if recipients.is_empty() {
            let key = key::open(&self.path)?;
            vec![key.recipient().map_err(BackupError::Seal)?]
        } else {
            recipients.to_vec()
        };
        let sender = sender_key::open(&self.path)?;
        let file = self.temporary()?;
        file.as_file()
            .try_lock()
            .map_err(|error| failed("lock", file.path())(error.into()))?;
        Ok(Begun {
            file,
            recipients,
            sender,
        })
    }

    fn temporary(&self) -> Result<NamedTempFile, SafetyError> {
        tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempfile_in(&self.path)
            .map_err(failed("write in", &self.path))
    }

    /// Gives an archive its name, with its record beside it, once its bytes are on disk. Returns the file, which is
    /// locked as long as it is open.
    pub(super) fn publish(
        &self,
        file: NamedTempFile,
        record: &mut Record,
    ) -> Result<File, SafetyError> {
        let path = self.archive(&record.id);
        file.as_file().sync_all().map_err(failed("write", &path))?;
        let guard = self.lock()?;
        let latest = self
            .list()?
            .records
            .into_iter()
            .map(|other| other.serial)
            .max();
        record.serial = latest.unwrap_or(0).saturating_add(1);
        self.write(record, &guard)?;
        let named = file
            .persist_noclobber(&path)
            .map_err(|error| failed("write", &path)(error.error))
            .and_then(|file| self.flush().map(|()| file));
        if named.is_err() {
            // Nothing may be left of what is no safety backup.
            let _ = fs::remove_file(self.record(&record.id));
        }
        named
    }

    /// Writes a record whole or not at all.
    pub(super) fn write(&self, record: &Record, _guard: &Guard) -> Result<(), SafetyError> {
        let path = self.record(&record.id);
        let mut file = self.temporary()?;
        serde_json::to_writer_pretty(&mut file, record)
            .map_err(io::Error::from)
            .and_then(|()| file.write_all(b"\n"))
            .and_then(|()| file.as_file().sync_all())
            .map_err(failed("write", &path))?;
        file.persist(&path)
            .map_err(|error| failed("write", &path)(error.error))?;
        self.flush()
    }

    fn flush(&self) -> Result<(), SafetyError> {
        File::open(&self.path)
            .and_then(|folder| folder.sync_all())
            .map_err(failed("flush the folder", &self.path))
    }

    /// Removes a safety backup: the archive first, since a record without one means nothing.
    pub(super) fn remove(&self, id: &str, _guard: &Guard) -> Result<(), SafetyError> {
        for path in [self.archive(id), self.record(id)] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(failed("remove", &path)(error));
                }
                _ => {}
            }
        }
        self.flush()
    }

    /// Whether no process is at work on a safety backup any more. One whose archive is gone is nobody's.
    pub(super) fn is_idle(&self, id: &str) -> Result<bool, SafetyError> {
        let path = self.archive(id);
        match File::open(&path).map(|file| file.try_lock()) {
            Ok(Ok(())) => Ok(true),
            Ok(Err(TryLockError::WouldBlock)) => Ok(false),
            Ok(Err(TryLockError::Error(error))) => Err(failed("lock", &path)(error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(failed("open", &path)(error)),
        }
    }

    /// Everything that it holds.
    ///
    /// # Errors
    /// [`SafetyError::Folder`] if it can't be listed.
    pub fn list(&self) -> Result<Listed, SafetyError> {
        let mut listed = Listed::default();
        for path in self.files()? {
            if path.extension().is_none_or(|extension| extension != RECORD) {
                continue;
            }
            let json = match fs::read(&path) {
                Ok(json) => json,
                // Its restore failed a moment ago.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed("read", &path)(error)),
            };
            let why = match serde_json::from_slice::<Record>(&json) {
                Ok(record) if record.coffer_safety != record::VERSION => {
                    format!("it has version {}", record.coffer_safety)
                }
                Ok(record) if self.record(&record.id) == path => {
                    listed.records.push(record);
                    continue;
                }
                Ok(record) => format!("it is of {:?}", record.id),
                Err(error) => error.to_string(),
            };
            listed.unreadable.push(SafetyError::Record {
                path: path.display().to_string(),
                why,
            });
        }
        listed
            .records
            .sort_by(|a, b| (b.serial, &b.id).cmp(&(a.serial, &a.id)));
        Ok(listed)
    }

    fn files(&self) -> Result<Vec<PathBuf>, SafetyError> {
        fs::read_dir(&self.path)
            .and_then(|listing| listing.map(|entry| Ok(entry?.path())).collect())
            .map_err(failed("list the folder", &self.path))
    }

    /// Removes archives that dead processes left unfinished.
    pub(super) fn sweep(&self, _guard: &Guard) -> Result<(), SafetyError> {
        for path in self.files()? {
            let unfinished = path
                .file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| name.starts_with(UNFINISHED));
            // Whoever still writes it holds its lock, or the folder's.
            if unfinished && File::open(&path).is_ok_and(|file| file.try_lock().is_ok()) {
                fs::remove_file(&path).map_err(failed("remove", &path))?;
            }
        }
        Ok(())
    }

    /// Removes the oldest safety backups of a target beyond the number to keep.
    pub(super) fn prune(&self, target: &str, keep: NonZeroUsize) -> Result<(), SafetyError> {
        let guard = self.lock()?;
        let records = self.list()?.records;
        let of_target = records.iter().filter(|record| record.target == target);
        for record in of_target.skip(keep.get()) {
            if self.is_idle(&record.id)? {
                self.remove(&record.id, &guard)?;
            }
        }
        Ok(())
    }
}
