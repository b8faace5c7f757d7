//! New content for one folder, written where it is not visible yet.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, UNIX_EPOCH},
};

use coffer_core::manifest::FileEntry;
use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};

use super::{
    folder::{Folder, Place},
    single::Singles,
};
use crate::files::FilesError;

/// New content for one folder. Dropping it removes what was staged, unless it was told to keep it.
#[derive(Debug)]
pub struct Staging {
    set: String,
    target: PathBuf,
    place: Place,
    id: String,
    staged: PathBuf,
    /// Held so that nobody takes the staged folder for one that a dead process left.
    _lock: File,
    files: AtomicU64,
    single: Option<Singles>,
    kept: bool,
}

impl Staging {
    /// Makes an empty staging folder: beside the folder, so that switching is one rename; or inside of it where it is a
    /// mount point, as a container's volume is, or where the folder around it can't be written.
    pub(super) fn new(id: &str, set: &str, folder: &Path) -> Result<Self, FilesError> {
        // A link stays, and the folder that it leads to is switched.
        let target = fs::canonicalize(folder)
            .or_else(|_| std::path::absolute(folder))
            .map_err(FilesError::at("find", folder))?;
        if target.to_str().is_none() {
            let error = io::Error::new(io::ErrorKind::InvalidInput, "its path is not UTF-8");
            return Err(FilesError::at("use the folder", &target)(error));
        }
        let parent = target.parent().unwrap_or(&target);
        let exists = target.is_dir();
        if !exists {
            fs::create_dir_all(parent).map_err(FilesError::at("create the folder", parent))?;
        }
        let inside = exists && (is_mount_root(&target) || !is_writable(parent));
        let (place, around) = if inside {
            (Place::Inside, target.as_path())
        } else {
            (Place::Beside, parent)
        };
        let staged = around.join(format!(".coffer-staged-{id}-{}", encoded(set)));
        fs::create_dir(&staged).map_err(FilesError::at("create the folder", &staged))?;
        let lock = File::open(&staged).map_err(FilesError::at("open", &staged))?;
        if let Err(error) = lock.try_lock() {
            // Some network file systems can't; nobody takes the folder for an abandoned one there either.
            tracing::debug!(folder = %staged.display(), %error, "a staged folder could not be locked");
        }
        let mode =
            fs::metadata(&target).map_or(0o755, |metadata| metadata.permissions().mode() & 0o7777);
        let staging = Self {
            set: set.to_owned(),
            target,
            place,
            id: id.to_owned(),
            staged,
            _lock: lock,
            files: AtomicU64::new(0),
            single: None,
            kept: false,
        };
        fs::set_permissions(&staging.staged, fs::Permissions::from_mode(mode))
            .map_err(FilesError::at("set permissions of", &staging.staged))?;
        Ok(staging)
    }

    /// What is staged are single files.
    pub(super) fn only(&mut self, singles: Singles) {
        self.single = Some(singles);
    }

    /// The file set.
    pub(super) fn set(&self) -> &str {
        &self.set
    }

    /// Files staged so far.
    pub(super) fn files(&self) -> u64 {
        self.files.load(Ordering::Relaxed)
    }

    /// Stages one file; `fill` writes its content. Several can be staged side by side.
    ///
    /// # Errors
    /// [`FilesError`] from the system, else what `fill` gives.
    pub fn add<E: From<FilesError>>(
        &self,
        file: &FileEntry,
        fill: impl FnOnce(&mut File) -> Result<(), E>,
    ) -> Result<(), E> {
        let path = self.staged.join(&file.path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(FilesError::at("create the folder", folder))?;
        }
        let mut out = File::options()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(FilesError::at("create", &path))?;
        fill(&mut out)?;
        out.flush().map_err(FilesError::at("write", &path))?;
        out.set_permissions(fs::Permissions::from_mode(file.mode & 0o777))
            .map_err(FilesError::at("set permissions of", &path))?;
        let since = Duration::from_secs(file.mtime.unsigned_abs());
        let changed = if file.mtime >= 0 {
            UNIX_EPOCH.checked_add(since)
        } else {
            UNIX_EPOCH.checked_sub(since)
        };
        if let Some(changed) = changed {
            out.set_modified(changed)
                .map_err(FilesError::at("set the time of", &path))?;
        }
        out.sync_all().map_err(FilesError::at("write", &path))?;
        self.files.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Flushes the staged folders, whose files are flushed already, and says what will be renamed.
    pub(super) fn flush(&self) -> Result<Folder, FilesError> {
        flush_folders(&self.staged)?;
        let metadata =
            fs::metadata(&self.staged).map_err(FilesError::at("look at", &self.staged))?;
        let mut names = Vec::new();
        if self.place == Place::Inside {
            let listing = fs::read_dir(&self.staged)
                .map_err(FilesError::at("list the folder", &self.staged))?;
            for entry in listing {
                let entry = entry.map_err(FilesError::at("list the folder", &self.staged))?;
                // Names come from an archive's index, which is UTF-8.
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
            names.sort();
        }
        let around = self.staged.parent().unwrap_or(&self.target);
        Ok(Folder {
            set: self.set.clone(),
            target: self.target.clone(),
            place: self.place,
            kept: around.join(format!(
                ".coffer-replaced-{}-{}",
                self.id,
                encoded(&self.set)
            )),
            staged: self.staged.clone(),
            staged_id: (metadata.dev(), metadata.ino()),
            names,
            single: self.single.clone(),
        })
    }

    /// Leaves what was staged where it is when this is dropped.
    pub(super) const fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        if let Err(error) = fs::remove_dir_all(&self.staged) {
            tracing::warn!(folder = %self.staged.display(), %error, "could not remove staged files");
        }
    }
}

/// A file set's name as part of a file's name.
fn encoded(set: &str) -> String {
    coffer_core::archive::name::encode_segment(set)
}

/// A folder on which something is mounted can't be renamed, also not where the file system is the same (bind mounts).
fn is_mount_root(folder: &Path) -> bool {
    statx(CWD, folder, AtFlags::empty(), StatxFlags::BASIC_STATS).is_ok_and(|status| {
        status
            .stx_attributes_mask
            .contains(StatxAttributes::MOUNT_ROOT)
            && status.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)
    })
}

fn is_writable(folder: &Path) -> bool {
    rustix::fs::access(
        folder,
        rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK,
    )
    .is_ok()
}

/// Flushes a folder and all folders below it: a file's name is on disk only with its folder.
fn flush_folders(folder: &Path) -> Result<(), FilesError> {
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        let listing = fs::read_dir(&folder).map_err(FilesError::at("list the folder", &folder))?;
        for entry in listing {
            let entry = entry.map_err(FilesError::at("list the folder", &folder))?;
            if entry
                .file_type()
                .map_err(FilesError::at("look at", &entry.path()))?
                .is_dir()
            {
                open.push(entry.path());
            }
        }
        flush(&folder)?;
    }
    Ok(())
}

/// Flushes one folder.
pub(super) fn flush(folder: &Path) -> Result<(), FilesError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(FilesError::at("flush the folder", folder))
}
