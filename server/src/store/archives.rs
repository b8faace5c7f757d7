//! Finished archives.

use std::{
    fs, io,
    ops::Range,
    os::unix::fs::FileExt,
    path::{Path as FsPath, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream, stream::BoxStream};
use object_store::{
    GetOptions, GetRange, GetResultPayload, ObjectStore, ObjectStoreExt, local::LocalFileSystem,
    path::Path,
};

use super::{Incoming, Sink, StoreError, make_private_folder, sink};
use crate::{
    read::{FileSource, ReadAt},
    read_at::{ObjectSource, SourceError},
};

/// Bytes that a download reads at once. Each reader has two or three such pieces in memory, and there may be hundreds.
const READ_BYTES: u64 = 128 << 10;
/// Bytes of one part in a folder. Larger ones are no faster, and the system's allocator keeps some of each for every thread that
/// had one.
const FOLDER_PART: usize = 1 << 20;
/// Bytes of one part in an object store. S3 takes 10,000 parts of at least 5 MiB, which makes 160 GB in all.
const OBJECT_PART: usize = 16 << 20;

/// The archives of a store: a folder, or what an object store holds under a prefix.
#[derive(Clone, Debug)]
pub struct Archives {
    store: Arc<dyn ObjectStore>,
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    Folder(PathBuf),
    /// With a slash at its end, or empty.
    Prefix(Path),
}

/// Bytes of an archive as they are read.
pub type Slice = BoxStream<'static, io::Result<Bytes>>;

impl Archives {
    /// Opens the archives in `folder`, which is made when it isn't there. What uploads of an earlier process left
    /// half done is removed.
    ///
    /// # Errors
    /// [`StoreError::Folder`] or [`StoreError::Store`].
    pub fn open(folder: &FsPath) -> Result<Self, StoreError> {
        make_private_folder(folder)?;
        remove_staged(folder, None, Duration::ZERO).map_err(|error| StoreError::Folder {
            path: folder.display().to_string(),
            error,
        })?;
        Self::in_folder(folder)
    }

    /// The archives in a folder that is there, and that others may write to as well.
    ///
    /// # Errors
    /// [`StoreError::Store`].
    pub fn in_folder(folder: &FsPath) -> Result<Self, StoreError> {
        let store = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
        Ok(Self {
            store: Arc::new(store),
            place: Place::Folder(folder.to_owned()),
        })
    }

    /// The archives of an object store whose names begin with `prefix`, a path of its own.
    #[must_use]
    pub fn in_store(store: Arc<dyn ObjectStore>, prefix: Path) -> Self {
        Self {
            store,
            place: Place::Prefix(prefix),
        }
    }

    /// Removes what uploads to a folder left half done that nobody has written to for `age`. An object store shows
    /// nobody half an upload; its lifecycle rules remove it.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn remove_abandoned(&self, age: Duration) -> Result<(), StoreError> {
        match &self.place {
            Place::Folder(folder) => Ok(remove_staged(folder, None, age)?),
            Place::Prefix(_) => Ok(()),
        }
    }

    /// The folder, if it is one.
    #[must_use]
    pub fn folder(&self) -> Option<&FsPath> {
        match &self.place {
            Place::Folder(folder) => Some(folder),
            Place::Prefix(_) => None,
        }
    }

    fn key(&self, name: &str) -> Result<Path, StoreError> {
        let name = checked(name)?;
        Ok(match &self.place {
            Place::Folder(_) => Path::from(name),
            Place::Prefix(prefix) => prefix.clone().join(name),
        })
    }

    /// Begins an archive. What is written to the sink appears under `name` once [`Incoming::publish`] is through.
    ///
    /// # Errors
    /// [`StoreError::BadName`] or [`StoreError::Store`].
    pub async fn create(&self, name: &str) -> Result<(Sink, Incoming), StoreError> {
        let part = match self.place {
            Place::Folder(_) => FOLDER_PART,
            Place::Prefix(_) => OBJECT_PART,
        };
        let upload = self.store.put_multipart(&self.key(name)?).await?;
        Ok(sink::open(upload, part))
    }

    /// Bytes that are stored under a name.
    ///
    /// # Errors
    /// [`StoreError::NoArchive`], [`StoreError::BadName`] or [`StoreError::Store`].
    pub async fn size(&self, name: &str) -> Result<u64, StoreError> {
        let meta = self
            .store
            .head(&self.key(name)?)
            .await
            .map_err(|error| missing(name, error))?;
        Ok(meta.size)
    }

    /// Reads a range of an archive, to be sent on.
    ///
    /// # Errors
    /// [`StoreError::NoArchive`], [`StoreError::BadName`] or [`StoreError::Store`].
    pub async fn slice(&self, name: &str, range: Range<u64>) -> Result<Slice, StoreError> {
        if range.is_empty() {
            return Ok(stream::empty().boxed());
        }
        let options = GetOptions {
            range: Some(GetRange::Bounded(range.clone())),
            ..GetOptions::default()
        };
        let found = self
            .store
            .get_opts(&self.key(name)?, options)
            .await
            .map_err(|error| missing(name, error))?;
        Ok(match found.payload {
            // Read in larger pieces than the store's own stream has.
            GetResultPayload::File(file, _) => pieces(Arc::new(file), range).boxed(),
            GetResultPayload::Stream(stream) => stream.map_err(io::Error::other).boxed(),
        })
    }

    /// Opens an archive to be read at any position, on threads that may block.
    ///
    /// # Errors
    /// [`StoreError::NoArchive`], [`StoreError::BadName`], [`StoreError::Io`] or [`StoreError::Source`].
    pub async fn read_at(&self, name: &str) -> Result<Arc<dyn ReadAt>, StoreError> {
        let key = self.key(name)?;
        let gone = || StoreError::NoArchive { name: name.into() };
        match &self.place {
            Place::Folder(folder) => match FileSource::open(&folder.join(checked(name)?)) {
                Ok(file) => Ok(Arc::new(file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Err(gone()),
                Err(error) => Err(error.into()),
            },
            Place::Prefix(_) => match ObjectSource::open(self.store.clone(), key).await {
                Ok(object) => Ok(Arc::new(object)),
                Err(SourceError::Store {
                    error: object_store::Error::NotFound { .. },
                    ..
                }) => Err(gone()),
                Err(error) => Err(error.into()),
            },
        }
    }

    /// Removes an archive. It is no error if it is gone already.
    ///
    /// # Errors
    /// [`StoreError::BadName`] or [`StoreError::Store`].
    pub async fn remove(&self, name: &str) -> Result<(), StoreError> {
        match self.store.delete(&self.key(name)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes what came of an archive that nobody is to write any more: whole or half, as far as the place shows halves.
    ///
    /// # Errors
    /// As [`Archives::remove`], and [`StoreError::Io`].
    pub async fn remove_left(&self, name: &str) -> Result<(), StoreError> {
        self.remove(name).await?;
        let Place::Folder(folder) = &self.place else {
            return Ok(());
        };
        let (folder, name) = (folder.clone(), name.to_owned());
        let removing = move || remove_staged(&folder, Some(&name), Duration::ZERO);
        let removed = tokio::task::spawn_blocking(removing).await;
        Ok(removed.map_err(io::Error::other)??)
    }

    /// Names of all archives that are there, whether the catalog knows them or not, with their sizes in bytes. What lies
    /// deeper is not looked at.
    ///
    /// # Errors
    /// [`StoreError::Store`].
    pub async fn list(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let prefix = match &self.place {
            Place::Folder(_) => None,
            Place::Prefix(prefix) => Some(prefix),
        };
        let found = self.store.list_with_delimiter(prefix).await?;
        let named = found.objects.into_iter().filter_map(|meta| {
            let name = meta.location.filename()?;
            Some((checked(name).ok()?.to_owned(), meta.size))
        });
        Ok(named.collect())
    }

    /// The names of [`Archives::list`].
    ///
    /// # Errors
    /// As [`Archives::list`].
    pub async fn names(&self) -> Result<Vec<String>, StoreError> {
        Ok(self
            .list()
            .await?
            .into_iter()
            .map(|(name, _)| name)
            .collect())
    }
}

/// A name that is safe everywhere. Names are made by this program; this is the second lock on the door.
fn checked(name: &str) -> Result<&str, StoreError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || name.starts_with('.') || name.len() > 200 || !name.bytes().all(plain) {
        return Err(StoreError::BadName { name: name.into() });
    }
    Ok(name)
}

/// The bytes of a range, piece by piece, each into a buffer that is sent on as it is.
fn pieces(file: Arc<fs::File>, range: Range<u64>) -> impl Stream<Item = io::Result<Bytes>> {
    stream::try_unfold(range, move |range| {
        let file = file.clone();
        async move {
            let len = range.end.saturating_sub(range.start).min(READ_BYTES);
            if len == 0 {
                return Ok(None);
            }
            let at = range.start;
            let read = tokio::task::spawn_blocking(move || {
                let mut piece = vec![0; usize::try_from(len).map_err(io::Error::other)?];
                file.read_exact_at(&mut piece, at)?;
                Ok::<_, io::Error>(Bytes::from(piece))
            });
            let piece = read.await.map_err(io::Error::other)??;
            Ok(Some((piece, at + len..range.end)))
        }
    })
}

fn missing(name: &str, error: object_store::Error) -> StoreError {
    match error {
        object_store::Error::NotFound { .. } => StoreError::NoArchive { name: name.into() },
        error => error.into(),
    }
}

/// Removes files that uploads were staged in: the store names them after the archive, with `#` and a number.
fn remove_staged(folder: &FsPath, of: Option<&str>, age: Duration) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let staged = entry.file_name().to_str().is_some_and(|name| {
            name.rsplit_once('#').is_some_and(|(archive, number)| {
                of.is_none_or(|wanted| archive == wanted)
                    && number.bytes().all(|byte| byte.is_ascii_digit())
            })
        });
        if !staged || !entry.file_type()?.is_file() {
            continue;
        }
        // A time in the future is none to wait for.
        let touched = entry.metadata()?.modified()?;
        if touched.elapsed().is_ok_and(|since| since >= age) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use coffer_core::Digest;
    use std::io::Write;

    fn content(len: usize) -> Vec<u8> {
        (0..len).map(|at| (at * 31 % 251) as u8).collect()
    }

    async fn store(archives: &Archives, name: &str, bytes: Vec<u8>) -> super::super::Written {
        let (mut sink, incoming) = archives.create(name).await.unwrap();
        tokio::task::spawn_blocking(move || {
            for piece in bytes.chunks(70_001) {
                sink.write_all(piece).unwrap();
            }
        })
        .await
        .unwrap();
        incoming.publish().await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_archive_appears_whole_and_reads_back_in_ranges() {
        let folder = tempfile::tempdir().unwrap();
        let archives = Archives::open(folder.path()).unwrap();
        let bytes = content(12_000_003);
        let written = store(&archives, "a.coffer", bytes.clone()).await;
        assert_eq!(written.size, bytes.len() as u64);
        assert_eq!(written.sha256, Digest::of(&bytes));
        assert_eq!(archives.names().await.unwrap(), ["a.coffer"]);
        assert_eq!(archives.size("a.coffer").await.unwrap(), written.size);
        for range in [0..0, 0..1, 5_242_879..5_242_881, 11_000_000..12_000_003] {
            let slice = archives.slice("a.coffer", range.clone()).await.unwrap();
            let read: Vec<Bytes> = slice.try_collect().await.unwrap();
            let (from, to) = (range.start as usize, range.end as usize);
            assert_eq!(read.concat(), bytes[from..to]);
        }
        let mut buffer = [0; 9];
        let source = archives.read_at("a.coffer").await.unwrap();
        source.read_exact_at(7_000_000, &mut buffer).unwrap();
        assert_eq!(buffer, bytes[7_000_000..7_000_009]);
        archives.remove("a.coffer").await.unwrap();
        archives.remove("a.coffer").await.unwrap();
        assert!(matches!(
            archives.size("a.coffer").await,
            Err(StoreError::NoArchive { .. })
        ));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_discarded_or_interrupted_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let archives = Archives::open(folder.path()).unwrap();
        let (mut sink, incoming) = archives.create("a.coffer").await.unwrap();
        sink.write_all(b"half").unwrap();
        assert_eq!(archives.names().await.unwrap(), Vec::<String>::new());
        drop(sink);
        incoming.discard().await.unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);

        fs::write(folder.path().join("b.coffer#1"), b"half").unwrap();
        fs::write(folder.path().join("b.coffer"), b"whole").unwrap();
        let archives = Archives::open(folder.path()).unwrap();
        assert_eq!(archives.names().await.unwrap(), ["b.coffer"]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn no_name_leads_out_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let archives = Archives::open(folder.path()).unwrap();
        for name in [
            "",
            ".",
            "..",
            "../a",
            "a/b",
            "/etc/passwd",
            ".hidden",
            "a\0b",
            "a#1",
        ] {
            assert!(
                matches!(archives.size(name).await, Err(StoreError::BadName { .. })),
                "{name:?}"
            );
            assert!(matches!(
                archives.read_at(name).await,
                Err(StoreError::BadName { .. })
            ));
        }
    }
}
