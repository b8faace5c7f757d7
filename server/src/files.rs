//! Folders of uploaded files, walked for a backup. [`crate::switch`] puts new content in their place.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use coffer_core::manifest::Notice;

use crate::switch::is_own;

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

impl FilesError {
    /// Names what was being done with a path, for `map_err`.
    pub(crate) fn at(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.display().to_string();
        move |error| Self { doing, path, error }
    }
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
        for entry in fs::read_dir(&disk).map_err(FilesError::at("list the folder", &disk))? {
            let entry = entry.map_err(FilesError::at("list the folder", &disk))?;
            let name = entry.file_name();
            let shown = format!("{prefix}{}", name.to_string_lossy());
            let mut skip = |why: &str| {
                notices.push(Notice::FileSkipped {
                    set: set.to_owned(),
                    path: shown.clone(),
                    why: why.to_owned(),
                });
            };
            let kind = entry
                .file_type()
                .map_err(FilesError::at("look at", &entry.path()))?;
            match name.to_str() {
                Some(name) if prefix.is_empty() && is_own(name) => {
                    skip("left over from an interrupted restore")
                }
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
