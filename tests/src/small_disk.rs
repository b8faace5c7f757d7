//! A disk with little room: a small tmpfs, where the machine lets the tests mount one.

use std::{
    ffi::CString,
    fs, io,
    os::unix::{ffi::OsStrExt, fs::chown},
    path::{Path, PathBuf},
};

/// A mounted file system of a few hundred KiB. Dropping it unmounts it.
#[derive(Debug)]
pub struct SmallDisk {
    path: PathBuf,
}

fn text(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap()
}

impl SmallDisk {
    /// Makes a folder and mounts `bytes` of room on it.
    ///
    /// # Errors
    /// What the system says where mounting is not allowed, as for anybody but root.
    pub fn mount(path: &Path, bytes: usize) -> io::Result<Self> {
        fs::create_dir(path)?;
        let options = CString::new(format!("size={bytes},mode=0755")).unwrap();
        // SAFETY: all pointers are to texts that end with NUL and outlive the call.
        let done = unsafe {
            libc::mount(
                c"tmpfs".as_ptr(),
                text(path).as_ptr(),
                c"tmpfs".as_ptr(),
                0,
                options.as_ptr().cast(),
            )
        };
        if done != 0 {
            let error = io::Error::last_os_error();
            fs::remove_dir(path)?;
            return Err(error);
        }
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// As [`SmallDisk::mount`]; where it is not allowed, says what is therefore not tested and gives nothing.
    #[must_use]
    #[allow(clippy::print_stdout)] // So that a test that shows less says so.
    pub fn try_mount(path: &Path, bytes: usize, untested: &str) -> Option<Self> {
        match Self::mount(path, bytes) {
            Ok(disk) => Some(disk),
            Err(error) => {
                println!("SKIPPED, since no tmpfs can be mounted here ({error}): {untested}");
                None
            }
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it to the owner of another folder.
    pub fn give_to_owner_of(&self, other: &Path) {
        use std::os::unix::fs::MetadataExt;
        let owner = fs::metadata(other).unwrap();
        chown(&self.path, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: whoever still has a file open keeps it.
        // SAFETY: the pointer is to a text that ends with NUL and outlives the call.
        let _ = unsafe { libc::umount2(text(&self.path).as_ptr(), libc::MNT_DETACH) };
        let _ = fs::remove_dir(&self.path);
    }
}
