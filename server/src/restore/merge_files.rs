//! The files of a merge: looked up in the target's folders, decided about with the rows that name them, staged, and switched
//! one by one.

use std::{
    collections::{BTreeSet, HashMap},
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use coffer_core::{
    Digest,
    digest::Hasher,
    manifest::FileEntry,
    merge::{FileCounts, FileMerge, Naming, SetMerge, There},
    plan::Counted,
    policy::{FileColumn, names},
    schema::ColumnName,
};

use super::{RestoreError, RestoreRequest, blocking, stage};
use crate::{
    engine::{self, ReplaceSession},
    files::{FilesError, fill},
    lanes,
    progress::{Phase, Progress},
    read::OpenArchive,
    safety::SetContent,
    switch::{FileSwitch, Singles},
};

/// Bytes of a file that are read at once.
const BUFFER: usize = 1 << 20;

/// What becomes of one file set.
pub(super) struct MergedSet {
    pub(super) name: String,
    folder: PathBuf,
    done: FileMerge,
}

/// What becomes of all file sets that are brought together.
#[derive(Default)]
pub(super) struct MergedFiles(pub(super) Vec<MergedSet>);

/// Decides about the files of all selected sets, once it is decided about the rows. Rows that name files which get another
/// path follow them.
pub(super) async fn decide(
    request: &RestoreRequest,
    archive: &Arc<OpenArchive>,
    session: &mut dyn ReplaceSession,
    progress: &Progress,
) -> Result<MergedFiles, RestoreError> {
    let mut merged = MergedFiles::default();
    let sets: Vec<(String, PathBuf)> = request
        .target
        .file_sets
        .iter()
        .filter(|(name, _)| {
            let mut archived = archive.manifest.file_sets.iter();
            request.selection.has_file_set(name) && archived.any(|set| set.name == *name)
        })
        .cloned()
        .collect();
    for (name, folder) in sets {
        let columns = columns(request, session, &name);
        let (mut namings, mut held, mut former) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        for (place, (column, prefix)) in columns.iter().enumerate() {
            let found = session.named_files(column).await?;
            let path = |value: &String| value.strip_prefix(prefix.as_str()).map(str::to_owned);
            namings.extend(found.archived.iter().filter_map(|row| {
                Some(Naming {
                    column: place,
                    row: row.row,
                    from: path(&row.archived)?,
                    to: row.after.as_ref().and_then(path),
                    before: row.before.as_ref().and_then(path),
                    standing: row.standing,
                })
            }));
            held.extend(found.held.iter().filter_map(path));
            former.extend(found.former.iter().filter_map(path));
        }
        let (archive, set, mode) = (archive.clone(), name.clone(), request.mode);
        let only_named = !request.selection.records.is_empty();
        let (progress, looked) = (progress.clone(), folder.clone());
        let done = blocking(move || {
            let listed = archive.files()?;
            let merge = SetMerge {
                mode,
                files: listed.iter().filter(|file| file.set == set).collect(),
                namings,
                held,
                former,
                only_named,
            };
            let mut look = Look::new(&looked, &progress);
            merge.decide(|file, path| look.at(file, path), fresh)
        })
        .await?;
        for (place, (column, prefix)) in columns.iter().enumerate() {
            let values: Vec<(i64, String)> = done
                .renamed
                .iter()
                .filter(|renamed| renamed.column == place)
                .map(|renamed| (renamed.row, format!("{prefix}{}", renamed.to)))
                .collect();
            session.rename_files(column, &values).await?;
        }
        merged.0.push(MergedSet { name, folder, done });
    }
    Ok(merged)
}

/// The columns of the target that name files of a set, with what stands before a path.
fn columns(
    request: &RestoreRequest,
    session: &dyn ReplaceSession,
    set: &str,
) -> Vec<(ColumnName, String)> {
    let schema = &session.database().schema;
    let rules = request.target.preset.iter();
    rules
        .flat_map(|preset| &preset.file_sets)
        .filter(|rule| rule.name == set)
        .flat_map(|rule| &rule.columns)
        .filter_map(|rule: &FileColumn| {
            let mut tables = schema.tables.iter();
            let table = tables.find(|table| names(&rule.table, &table.name))?;
            table.column(&rule.column)?;
            let column = ColumnName {
                table: table.name.clone(),
                column: rule.column.clone(),
            };
            Some((column, rule.prefix.clone()))
        })
        .collect()
}

/// A word that no file's name has: a UUID of version 4 (RFC 9562, section 5.4), as the database makes them for values.
fn fresh() -> Result<String, RestoreError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| FilesError {
        doing: "find a new name for a file in",
        path: "the folder of a file set".to_owned(),
        error: io::Error::other(error),
    })?;
    let number = u128::from_be_bytes(bytes);
    let number = number & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{number:032x}");
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32];
    let parts: Vec<&str> = parts.into_iter().filter_map(|part| hex.get(part)).collect();
    Ok(parts.join("-"))
}

/// Looks into a folder, and reads no file twice.
struct Look<'a> {
    folder: &'a Path,
    progress: &'a Progress,
    read: HashMap<String, (u64, Digest)>,
}

impl<'a> Look<'a> {
    fn new(folder: &'a Path, progress: &'a Progress) -> Self {
        Self {
            folder,
            progress,
            read: HashMap::new(),
        }
    }

    /// What is at a path. Links are not followed, since they may lead out of the folder.
    fn at(&mut self, file: &FileEntry, path: &str) -> Result<There, RestoreError> {
        let whole = self.folder.join(path);
        let above: Vec<&Path> = whole
            .ancestors()
            .skip(1)
            .take_while(|above| *above != self.folder)
            .collect();
        for above in above.into_iter().rev() {
            match above.symlink_metadata() {
                Ok(metadata) if metadata.is_dir() => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(There::Nothing),
                Err(error) => return Err(FilesError::at("look at", above)(error).into()),
                Ok(_) => return Ok(There::Blocked),
            }
        }
        match whole.symlink_metadata() {
            Ok(metadata) if metadata.is_file() && metadata.len() == file.size => {
                let same = self.digest(path, &whole)? == (file.size, file.sha256);
                Ok(if same { There::Same } else { There::Other })
            }
            Ok(metadata) if metadata.is_file() => Ok(There::Other),
            Ok(_) => Ok(There::Blocked),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(There::Nothing),
            Err(error) => Err(FilesError::at("look at", &whole)(error).into()),
        }
    }

    fn digest(&mut self, path: &str, whole: &Path) -> Result<(u64, Digest), RestoreError> {
        if let Some(known) = self.read.get(path) {
            return Ok(*known);
        }
        let mut opened = File::open(whole).map_err(FilesError::at("read", whole))?;
        let (mut hasher, mut size) = (Hasher::new(), 0);
        let mut buffer = vec![0; BUFFER];
        loop {
            if self.progress.cancelled() {
                return Err(RestoreError::Cancelled);
            }
            let read = fill(&mut opened, &mut buffer).map_err(FilesError::at("read", whole))?;
            hasher.update(buffer.get(..read).unwrap_or_default());
            size += read as u64;
            if read < buffer.len() {
                break;
            }
        }
        let found = (size, hasher.finish());
        self.read.insert(path.to_owned(), found);
        Ok(found)
    }
}

impl MergedFiles {
    /// Adds what becomes of the files to what was counted.
    pub(super) fn count(&self, counted: &mut Counted) {
        for set in &self.0 {
            let bytes = set.done.puts.iter().map(|put| put.file.size).sum();
            let counts: FileCounts = set.done.counts;
            counted.files.push((set.name.clone(), counts, bytes));
            let blocked = (set.name.clone(), set.done.blocked.clone());
            counted.blocked.push(blocked);
        }
    }

    /// The folders in which something changes.
    pub(super) fn changing(&self) -> Vec<(String, PathBuf)> {
        self.changed()
            .map(|set| (set.name.clone(), set.folder.clone()))
            .collect()
    }

    fn changed(&self) -> impl Iterator<Item = &MergedSet> {
        self.0.iter().filter(|set| !set.done.counts.is_unchanged())
    }

    /// What the folders will hold once the files are in place.
    pub(super) fn left(&self) -> Result<Vec<SetContent>, FilesError> {
        self.changed()
            .map(|set| {
                let puts: Vec<FileEntry> =
                    set.done.puts.iter().map(|put| put.file.clone()).collect();
                SetContent::of_changed(&set.name, &set.folder, &puts, &set.done.removes)
            })
            .collect()
    }

    /// Writes the files that come where a rename can put them in place, compared with their digests.
    pub(super) async fn stage(
        &self,
        request: &RestoreRequest,
        archive: &Arc<OpenArchive>,
        switch: &mut FileSwitch,
        progress: &Progress,
    ) -> Result<(), RestoreError> {
        let sets: Vec<(String, PathBuf, FileMerge)> = self
            .changed()
            .map(|set| (set.name.clone(), set.folder.clone(), set.done.clone()))
            .collect();
        if sets.is_empty() {
            return Ok(());
        }
        let puts = sets.iter().flat_map(|(_, _, done)| &done.puts);
        progress.begin(Phase::Files, puts.map(|put| put.file.size).sum());
        let (archive, progress) = (archive.clone(), progress.clone());
        let target = engine::open(&request.target.url).target();
        *switch = blocking(move || {
            let mut switch = stage::begin(target)?;
            for (name, folder, done) in &sets {
                let of = |replaces: bool| {
                    let puts = done.puts.iter().filter(|put| put.replaces == replaces);
                    puts.map(|put| put.file.path.clone()).collect()
                };
                let singles = Singles {
                    added: of(false),
                    replaced: of(true),
                    removed: done.removes.clone(),
                };
                let staging = switch.stage_single(name, folder, singles)?;
                let add = |file: &FileEntry| {
                    if progress.cancelled() {
                        return Err(RestoreError::Cancelled);
                    }
                    staging.add::<RestoreError>(file, |out| {
                        archive.read_file(file, |bytes| {
                            progress.add_bytes(bytes.len() as u64);
                            let failed = FilesError::at("write", &folder.join(&file.path));
                            Ok(out.write_all(bytes).map_err(failed)?)
                        })
                    })
                };
                let files = done.puts.iter().map(|put| &put.file);
                lanes::each(files, add, || RestoreError::Defect, |()| {})?;
            }
            Ok(switch)
        })
        .await?;
        Ok(())
    }
}
