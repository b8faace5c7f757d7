//! Folders of uploaded files, walked for a backup. [`crate::switch`] puts new content in their place.

use std::{
    fs::{self, DirEntry, File, ReadDir},
    io::{self, Read},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use coffer_core::manifest::{LeftOut, LeftOutReason, Notice};

use crate::switch::is_own;

mod globs;

pub use globs::{GlobError, Globs};

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

/// What a walk through a folder found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Walk {
    /// All regular files that were not left out, in the order of their paths.
    pub found: Vec<Found>,
    /// What else is there.
    pub notices: Vec<Notice>,
    /// What each pattern left out, in their order.
    pub left_out: Vec<LeftOut>,
}

/// Walks through the folder of a file set and all folders below it. What is left out by a pattern is counted, a folder as
/// one; everything else that is no regular file is named in the notices: links are not followed, since they may lead out
/// of the folder.
///
/// # Errors
/// [`FilesError`] if a folder can't be listed.
pub fn walk(set: &str, folder: &Path, leave_out: &Globs) -> Result<Walk, FilesError> {
    let mut walker = Walker {
        set,
        leave_out,
        matches: vec![0; leave_out.patterns().len()],
        open: Vec::new(),
        walk: Walk::default(),
    };
    let listing = fs::read_dir(folder).map_err(FilesError::at("list the folder", folder))?;
    walker.list(folder, "", listing)?;
    while let Some((disk, path)) = walker.open.pop() {
        match fs::read_dir(&disk) {
            Ok(listing) => walker.list(&disk, &format!("{path}/"), listing)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => walker.vanished(path),
            Err(error) => return Err(FilesError::at("list the folder", &disk)(error)),
        }
    }
    Ok(walker.finish())
}

struct Walker<'a> {
    set: &'a str,
    leave_out: &'a Globs,
    /// What each pattern matched.
    matches: Vec<u64>,
    /// Folders that are still to be listed: on disk, and within the set.
    open: Vec<(PathBuf, String)>,
    walk: Walk,
}

impl Walker<'_> {
    fn list(&mut self, disk: &Path, prefix: &str, listing: ReadDir) -> Result<(), FilesError> {
        for entry in listing {
            let entry = entry.map_err(FilesError::at("list the folder", disk))?;
            self.entry(prefix, &entry)?;
        }
        Ok(())
    }

    fn entry(&mut self, prefix: &str, entry: &DirEntry) -> Result<(), FilesError> {
        let name = entry.file_name();
        let path = format!("{prefix}{}", name.to_string_lossy());
        let kind = match entry.file_type() {
            Ok(kind) => kind,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.vanished(path);
                return Ok(());
            }
            Err(error) => return Err(FilesError::at("look at", &entry.path())(error)),
        };
        let own = prefix.is_empty() && name.to_str().is_some_and(is_own);
        // The name as it is, also where it is not UTF-8.
        let within = Path::new(prefix).join(&name);
        if own {
            self.skipped(path, "left over from an interrupted restore");
        } else if let Some(pattern) = self.leave_out.matching(&within, kind.is_dir()) {
            self.matches
                .iter_mut()
                .skip(pattern)
                .take(1)
                .for_each(|count| *count += 1);
        } else if kind.is_symlink() {
            self.skipped(path, "a symbolic link");
        } else if name.to_str().is_none() {
            self.skipped(path, "named in something that is not UTF-8");
        } else if kind.is_dir() {
            self.open.push((entry.path(), path));
        } else if kind.is_file() {
            let disk = entry.path();
            self.walk.found.push(Found { disk, path });
        } else {
            self.skipped(path, "neither a file nor a folder");
        }
        Ok(())
    }

    fn skipped(&mut self, path: String, why: &str) {
        self.walk.notices.push(Notice::FileSkipped {
            set: self.set.to_owned(),
            path,
            why: why.to_owned(),
        });
    }

    fn vanished(&mut self, path: String) {
        let set = self.set.to_owned();
        self.walk.notices.push(Notice::FileVanished { set, path });
    }

    fn finish(self) -> Walk {
        let mut walk = self.walk;
        walk.found.sort_by(|a, b| a.path.cmp(&b.path));
        let matches = self.leave_out.patterns().zip(self.matches);
        walk.left_out = matches
            .map(|(pattern, found)| LeftOut::Files {
                set: self.set.to_owned(),
                pattern: pattern.to_owned(),
                found,
                reason: LeftOutReason::Excluded,
            })
            .collect();
        walk
    }
}

/// Counts the files below a folder; a folder that isn't there holds none.
///
/// # Errors
/// [`FilesError`] if a folder can't be listed.
pub fn count(folder: &Path) -> Result<u64, FilesError> {
    match walk("", folder, &Globs::default()) {
        Ok(walk) => Ok(walk.found.len() as u64),
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
