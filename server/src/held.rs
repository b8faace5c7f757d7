//! Locks on files that end when their holder says so.

use std::{fs::File, ops::Deref};

/// A locked file. Closing it is not enough to unlock it: a child process that is just being started has a copy of every
/// open file until it runs its own program, and the lock would last as long.
#[derive(Debug)]
pub(crate) struct Held(File);

impl Held {
    /// Takes care of a file that was locked.
    pub(crate) const fn new(locked: File) -> Self {
        Self(locked)
    }
}

impl Deref for Held {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Where files can't be locked there is nothing to unlock.
        let _ = self.0.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_ends_although_somebody_has_a_copy() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let open = || File::open(file.path()).unwrap();
        let held = Held::new(open());
        held.try_lock().unwrap();
        let copy = held.try_clone().unwrap();
        assert!(open().try_lock().is_err());
        drop(held);
        assert!(open().try_lock().is_ok());
        drop(copy);
    }
}
