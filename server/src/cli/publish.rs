//! Writing a file, or a folder of files, that appears whole or not at all.

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use super::{Failure, interrupt};
use crate::unfinished;

/// A file that is being written under a temporary name in its final folder. Dropping it removes it; if this process is
/// killed, the next one that writes into the folder does.
pub(super) struct Unpublished {
    file: NamedTempFile,
    path: PathBuf,
    overwrite: bool,
}

impl Unpublished {
    /// Begins a file. An existing one is left alone unless `overwrite`.
    pub(super) fn create(path: &Path, overwrite: bool) -> Result<Self, Failure> {
        if !overwrite && path.symlink_metadata().is_ok() {
            return Err(Failure::refused(
                "exists",
                format!(
                    "{} exists already; nothing was written, use --overwrite to replace it",
                    path.display()
                ),
            ));
        }
        let folder = parent(path);
        let file = interrupt::temporary(|| unfinished::begin(folder))
            .map_err(|error| Failure::file("write in", folder, &error))?;
        Ok(Self {
            file,
            path: path.to_path_buf(),
            overwrite,
        })
    }

    /// A handle to write through; the file stays here.
    pub(super) fn writer(&self) -> Result<impl Write + Send + 'static, Failure> {
        let file = self
            .file
            .reopen()
            .map_err(|error| Failure::file("write", &self.path, &error))?;
        Ok(io::BufWriter::with_capacity(1 << 20, file))
    }

    /// The file itself, to write and to read back.
    pub(super) fn file(&self) -> Result<File, Failure> {
        self.file
            .reopen()
            .map_err(|error| Failure::file("write", &self.path, &error))
    }

    /// Where the bytes are before they are published.
    pub(super) fn temporary_path(&self) -> &Path {
        self.file.path()
    }

    /// Gives the file its name, once its bytes are on disk.
    pub(super) fn publish(self) -> Result<(), Failure> {
        let Self {
            file,
            path,
            overwrite,
        } = self;
        let failed = |error: &io::Error| Failure::file("write", &path, error);
        file.as_file().sync_all().map_err(|error| failed(&error))?;
        interrupt::publishing();
        if overwrite {
            file.persist(&path).map_err(|error| failed(&error.error))?;
        } else {
            file.persist_noclobber(&path)
                .map_err(|error| failed(&error.error))?;
        }
        File::open(parent(&path))
            .and_then(|folder| folder.sync_all())
            .map_err(|error| failed(&error))?;
        Ok(())
    }
}

/// A folder that is being filled under a temporary name beside its final one. Dropping it removes it; if this process is killed,
/// the next one that writes there does.
pub(super) struct UnpublishedFolder {
    folder: unfinished::Folder,
    path: PathBuf,
}

impl UnpublishedFolder {
    /// Begins a folder. What has its name already is left alone.
    pub(super) fn create(path: &Path) -> Result<Self, Failure> {
        if path.symlink_metadata().is_ok() {
            return Err(Failure::refused(
                "exists",
                format!("{} exists already; nothing was written", path.display()),
            ));
        }
        let parent = parent(path);
        let folder = interrupt::temporary(|| unfinished::begin_folder(parent))
            .map_err(|error| Failure::file("write in", parent, &error))?;
        Ok(Self {
            folder,
            path: path.to_path_buf(),
        })
    }

    /// Where it is before it is published.
    pub(super) fn path(&self) -> &Path {
        self.folder.as_ref()
    }

    /// Gives the folder its name, unless something else has got it meanwhile.
    pub(super) fn publish(self) -> Result<(), Failure> {
        interrupt::publishing();
        let published = self.folder.publish(&self.path);
        published.map_err(|error| Failure::file("write", &self.path, &error))
    }
}

/// The folder that a path is in.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
