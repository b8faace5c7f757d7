//! Folders of uploaded files: walking them for a backup, and staging and switching them in a restore.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use coffer_core::manifest::{FileEntry, Notice};

/// A regular file that a walk found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Path on disk.
    pub disk: PathBuf,
    /// Path within the file set, segments joined by `/`.
    pub path: String,
}

/// Why a folder can't be walked or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {path}: {error}")]
pub struct FilesError {
    /// What was being done.
    pub doing: &'static str,
    /// The file or folder.
    pub path: String,
    /// What the system says.
    pub error: io::Error,
}

fn at(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FilesError {
    let path = path.display().to_string();
    move |error| FilesError { doing, path, error }
}

/// All regular files below `folder`, in the order of their paths. Everything else that is there is named in the
/// notices: links are not followed, since they may lead out of the folder.
///
/// # Errors
/// [`FilesError`] if a folder can't be listed.
pub fn walk(set: &str, folder: &Path) -> Result<(Vec<Found>, Vec<Notice>), FilesError> {
    let (mut found, mut notices) = (Vec::new(), Vec::new());
    let mut open = vec![(folder.to_path_buf(), String::new())];
    while let Some((disk, prefix)) = open.pop() {
        for entry in fs::read_dir(&disk).map_err(at("list the folder", &disk))? {
            let entry = entry.map_err(at("list the folder", &disk))?;
            let name = entry.file_name();
            let shown = format!("{prefix}{}", name.to_string_lossy());
            let mut skip = |why: &str| {
                notices.push(Notice::FileSkipped {
                    set: set.to_owned(),
                    path: shown.clone(),
                    why: why.to_owned(),
                });
            };
            let kind = entry.file_type().map_err(at("look at", &entry.path()))?;
            match name.to_str() {
                _ if kind.is_symlink() => skip("a symbolic link"),
                None => skip("named in something that is not UTF-8"),
                Some(name) if kind.is_dir() => {
                    open.push((entry.path(), format!("{prefix}{name}/")))
                }
                Some(_) if kind.is_file() => found.push(Found {
                    disk: entry.path(),
                    path: shown,
                }),
                Some(_) => skip("neither a file nor a folder"),
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok((found, notices))
}

/// Counts the files below a folder; a folder that isn't there holds none.
///
/// # Errors
/// [`FilesError`] if a folder can't be listed.
pub fn count(folder: &Path) -> Result<u64, FilesError> {
    match walk("", folder) {
        Ok((found, _)) => Ok(found.len() as u64),
        Err(FilesError { error, .. })
            if error.kind() == io::ErrorKind::NotFound && !folder.exists() =>
        {
            Ok(0)
        }
        Err(error) => Err(error),
    }
}

/// What of a file shows whether it changed while it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// Last change, seconds since 1970.
    pub mtime: i64,
    nanoseconds: i64,
    /// Permission bits.
    pub mode: u32,
}

impl Stamp {
    /// The stamp of an open file.
    ///
    /// # Errors
    /// What the system says.
    pub fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self {
            size: metadata.len(),
            mtime: metadata.mtime(),
            nanoseconds: metadata.mtime_nsec(),
            mode: metadata.permissions().mode() & 0o7777,
        })
    }
}

/// Reads until `buffer` is full or the file ends.
///
/// # Errors
/// What the system says.
pub fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// New content for one folder, written beside it and not yet visible. Dropping it removes what was staged.
#[derive(Debug)]
pub struct Staging {
    target: PathBuf,
    staged: tempfile::TempDir,
}

impl Staging {
    /// Makes an empty staging folder beside `target`, on the same file system, so that switching is a rename.
    ///
    /// # Errors
    /// [`FilesError`].
    pub fn new(target: &Path) -> Result<Self, FilesError> {
        let target = std::path::absolute(target).map_err(at("find", target))?;
        let parent = target.parent().unwrap_or(&target);
        fs::create_dir_all(parent).map_err(at("create the folder", parent))?;
        let staged = tempfile::Builder::new()
            .prefix(".coffer-staged-")
            .tempdir_in(parent)
            .map_err(at("create a folder in", parent))?;
        let mode =
            fs::metadata(&target).map_or(0o755, |metadata| metadata.permissions().mode() & 0o7777);
        fs::set_permissions(staged.path(), fs::Permissions::from_mode(mode))
            .map_err(at("set permissions of", staged.path()))?;
        Ok(Self { target, staged })
    }

    /// Stages one file; `fill` writes its content.
    ///
    /// # Errors
    /// [`FilesError`] from the system, else what `fill` gives.
    pub fn add<E: From<FilesError>>(
        &self,
        file: &FileEntry,
        fill: impl FnOnce(&mut File) -> Result<(), E>,
    ) -> Result<(), E> {
        let path = self.staged.path().join(&file.path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(at("create the folder", folder))?;
        }
        let mut out = File::options()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(at("create", &path))?;
        fill(&mut out)?;
        out.flush().map_err(at("write", &path))?;
        out.set_permissions(fs::Permissions::from_mode(file.mode & 0o777))
            .map_err(at("set permissions of", &path))?;
        let changed = if file.mtime >= 0 {
            std::time::UNIX_EPOCH
                .checked_add(std::time::Duration::from_secs(file.mtime.unsigned_abs()))
        } else {
            std::time::UNIX_EPOCH
                .checked_sub(std::time::Duration::from_secs(file.mtime.unsigned_abs()))
        };
        if let Some(changed) = changed {
            out.set_modified(changed)
                .map_err(at("set the time of", &path))?;
        }
        out.sync_all().map_err(at("write", &path))?;
        Ok(())
    }

    /// Puts the staged content in the folder's place. What was there goes only after that.
    ///
    /// # Errors
    /// [`FilesError`]; the folder then holds what it held before.
    pub fn switch(self) -> Result<(), FilesError> {
        let Self { target, staged } = self;
        let parent = target.parent().unwrap_or(&target).to_path_buf();
        let old = tempfile::Builder::new()
            .prefix(".coffer-replaced-")
            .tempdir_in(&parent)
            .map_err(at("create a folder in", &parent))?;
        let kept = old.path().join("content");
        let existed = target.exists();
        if existed {
            fs::rename(&target, &kept).map_err(at("move away", &target))?;
        }
        if let Err(error) = fs::rename(staged.path(), &target) {
            if existed {
                // Best effort to put back what was moved a moment ago; the first error is the one to report.
                let _ = fs::rename(&kept, &target);
            }
            return Err(at("put in place", &target)(error));
        }
        let folder = File::open(&parent).and_then(|folder| folder.sync_all());
        // The renames are done; whether they are on disk already changes nothing for who asks now.
        if let Err(error) = folder {
            tracing::warn!(folder = %parent.display(), %error, "could not flush the folder to disk");
        }
        // Nothing is left at the staged path; keep the guard from removing the folder that took its place.
        let _ = staged.keep();
        if let Err(error) = old.close() {
            tracing::warn!(%error, "could not remove the files that were replaced");
        }
        Ok(())
    }
}
