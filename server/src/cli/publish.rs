//! Writing a file that appears whole or not at all.

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
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
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
        let folder = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|error| failed(&error))?;
        Ok(())
    }
}
