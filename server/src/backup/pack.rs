//! The packing thread: compresses, hashes, and writes parts, files and manifest in the archive's order.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

use coffer_core::{
    Digest,
    archive::{ArchiveWriter, name, pack},
    digest::Hasher,
    manifest::{
        EntryDigest, FILES_INDEX_PATH, FORMAT_VERSION, FileEntry, FileSet, LeftOut, MANIFEST_PATH,
        Manifest, Notice, Product, TableData, files,
    },
    policy::Policy,
    rows::Part,
    schema::TableName,
    seal::FileKey,
};
use tokio::sync::mpsc;

use super::{BackupError, BackupReport, SealTo, Work, sink::Sink};
use crate::{
    engine::Database,
    files::{Found, Stamp, fill, walk},
    progress::{Phase, Progress},
};

/// Files up to this size are compressed as a whole; larger ones are streamed.
const WHOLE_FILE_BYTES: u64 = 16 << 20;
const FILE_SLAB_BYTES: usize = 1 << 20;

/// Everything that is known before the first row comes.
pub(crate) struct Plan {
    pub(crate) facts: Database,
    pub(crate) policy: Policy,
    pub(crate) counts: Vec<(TableName, u64)>,
    pub(crate) app: Product,
    pub(crate) created_at: String,
    pub(crate) file_sets: Vec<(String, PathBuf)>,
    /// A folder that isn't there holds no files, instead of being an error.
    pub(crate) missing_folders_are_empty: bool,
    pub(crate) seal: Option<SealTo>,
}

pub(super) struct Packer<W: Write> {
    plan: Plan,
    sink: Sink<W>,
    file_key: Option<FileKey>,
    archive: ArchiveWriter,
    buffer: Vec<u8>,
    tables: Vec<TableData>,
    paths: BTreeSet<String>,
    index: Vec<u8>,
    notices: Vec<Notice>,
    progress: Progress,
}

impl<W: Write> Packer<W> {
    pub(super) fn new(plan: Plan, out: W, progress: Progress) -> Result<Self, BackupError> {
        let (sink, file_key) = match &plan.seal {
            None => (Sink::plain(out), None),
            Some(to) => {
                let (sink, key) = Sink::sealed(out, to)?;
                (sink, Some(key))
            }
        };
        let mut index = Vec::new();
        files::push_header(&mut index);
        Ok(Self {
            plan,
            sink,
            file_key,
            archive: ArchiveWriter::new(),
            buffer: Vec::new(),
            tables: Vec::new(),
            paths: BTreeSet::new(),
            index,
            notices: Vec::new(),
            progress,
        })
    }

    /// Works until everything is written, or until the other side hangs up.
    pub(super) fn run(
        mut self,
        mut queue: mpsc::Receiver<Work>,
    ) -> Result<BackupReport, BackupError> {
        loop {
            match queue.blocking_recv() {
                Some(Work::Table(table)) => self.begin_table(table),
                Some(Work::Part(part)) => self.part(part)?,
                Some(Work::Finish) => return self.finish(),
                None => return Err(BackupError::Cancelled),
            }
        }
    }

    fn begin_table(&mut self, table: TableName) {
        let plain = format!(
            "tables/{}.{}",
            name::encode_segment(&table.schema),
            name::encode_segment(&table.name)
        );
        // Two names may differ only in case, or be too long: then a number tells them apart.
        let mut path = plain.clone();
        let mut number = 1;
        while name::check(&format!("{path}/000001.tsv")).is_err()
            || !self.paths.insert(name::fold(&path))
        {
            number += 1;
            path = if plain.len() < 900 {
                format!("{plain}%~{number}")
            } else {
                format!("tables/%~{number}")
            };
        }
        self.tables.push(TableData::empty(table, path));
    }

    fn part(&mut self, part: Part) -> Result<(), BackupError> {
        let Some(table) = self.tables.last_mut() else {
            return Err(BackupError::Defect);
        };
        let (rows, bytes) = (part.rows, part.text.len() as u64);
        let path = table.push(&part);
        self.archive
            .add(&path, &pack(part.text), &mut self.buffer)?;
        self.progress.add_rows(rows);
        self.progress.add_bytes(bytes);
        self.write_out()
    }

    fn write_out(&mut self) -> Result<(), BackupError> {
        self.sink.write(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<BackupReport, BackupError> {
        let file_sets = self.files()?;
        let files_index = if file_sets.is_empty() {
            None
        } else {
            let index = std::mem::take(&mut self.index);
            let digest = EntryDigest {
                bytes: index.len() as u64,
                sha256: Digest::of(&index),
            };
            self.archive
                .add(FILES_INDEX_PATH, &pack(index), &mut self.buffer)?;
            Some(digest)
        };
        self.progress.begin(Phase::Finishing, 0);
        let manifest = self.manifest(file_sets, files_index);
        let json = manifest.to_json()?;
        let manifest_digest = Digest::of(&json);
        self.archive
            .add(MANIFEST_PATH, &pack(json), &mut self.buffer)?;
        self.archive.finish(&mut self.buffer)?;
        self.sink.write(&self.buffer)?;
        let (_, bytes) = self.sink.finish()?;
        Ok(BackupReport {
            manifest,
            manifest_digest,
            file_key: self.file_key,
            bytes,
        })
    }

    fn manifest(&mut self, file_sets: Vec<FileSet>, files_index: Option<EntryDigest>) -> Manifest {
        let Plan {
            facts,
            policy,
            counts,
            app,
            created_at,
            ..
        } = &self.plan;
        let mut left_out = facts.left_out.clone();
        left_out.extend(policy.left_out.iter().cloned().map(|mut left_out| {
            if let LeftOut::Table { table, rows, .. } = &mut left_out {
                *rows = counts
                    .iter()
                    .find(|(name, _)| name == table)
                    .map(|(_, rows)| *rows);
            }
            left_out
        }));
        let mut notices = policy.notices.clone();
        notices.append(&mut self.notices);
        let mut tables = std::mem::take(&mut self.tables);
        tables.sort_by(|a, b| a.table.cmp(&b.table));
        let archived: BTreeSet<&TableName> = tables.iter().map(|table| &table.table).collect();
        let sequences = facts
            .sequences
            .iter()
            .filter(|sequence| {
                sequence
                    .owned_by
                    .as_ref()
                    .is_none_or(|owner| archived.contains(&owner.table))
            })
            .cloned()
            .collect();
        Manifest {
            format_version: FORMAT_VERSION,
            tool: Product {
                name: "coffer".to_owned(),
                version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            },
            app: app.clone(),
            engine: facts.engine,
            engine_version: facts.engine_version.clone(),
            created_at: created_at.clone(),
            contents: policy.contents,
            credentials: policy.credentials.clone(),
            migration: facts.migration.clone(),
            schema_sha256: facts.schema.hash(),
            schema: facts.schema.clone(),
            tables,
            sequences,
            file_sets,
            files_index,
            left_out,
            notices,
        }
    }

    fn files(&mut self) -> Result<Vec<FileSet>, BackupError> {
        let sets = self.plan.file_sets.clone();
        let mut walked = Vec::new();
        for (set, folder) in &sets {
            let missing = self.plan.missing_folders_are_empty && !folder.exists();
            let (found, notices) = if missing {
                Default::default()
            } else {
                walk(set, folder)?
            };
            self.notices.extend(notices);
            walked.push((set, found));
        }
        self.progress.begin(Phase::Files, 0);
        let mut names = EntryNames::default();
        let mut result = Vec::new();
        for (set, found) in walked {
            let mut totals = FileSet {
                name: set.clone(),
                files: 0,
                bytes: 0,
            };
            for file in found {
                if self.progress.cancelled() {
                    return Err(BackupError::Cancelled);
                }
                let entry = names.entry_for(set, &file.path);
                if let Some(size) = self.file(set, &file, &entry)? {
                    totals.files += 1;
                    totals.bytes += size;
                }
            }
            result.push(totals);
        }
        Ok(result)
    }

    /// Archives one file; `None` if it vanished before it could be read.
    fn file(&mut self, set: &str, found: &Found, entry: &str) -> Result<Option<u64>, BackupError> {
        let failed = |error| BackupError::File {
            set: set.to_owned(),
            path: found.path.clone(),
            error,
        };
        let mut file = match open_regular(&found.disk) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.notices.push(Notice::FileVanished {
                    set: set.to_owned(),
                    path: found.path.clone(),
                });
                return Ok(None);
            }
            Err(error) => return Err(failed(error)),
        };
        let before = Stamp::of(&file).map_err(failed)?;
        let (size, sha256) = if before.size <= WHOLE_FILE_BYTES {
            let mut content = vec![0; usize::try_from(before.size).unwrap_or(0)];
            let filled = fill(&mut file, &mut content).map_err(failed)?;
            content.truncate(filled);
            let (size, sha256) = (content.len() as u64, Digest::of(&content));
            self.archive.add(entry, &pack(content), &mut self.buffer)?;
            self.write_out()?;
            (size, sha256)
        } else {
            self.stream(&mut file, entry, &failed)?
        };
        if Stamp::of(&file).map_err(failed)? != before || size != before.size {
            self.notices.push(Notice::FileChanged {
                set: set.to_owned(),
                path: found.path.clone(),
            });
        }
        self.progress.add_bytes(size);
        let line = FileEntry {
            set: set.to_owned(),
            path: found.path.clone(),
            entry: entry.to_owned(),
            size,
            sha256,
            mode: before.mode,
            mtime: before.mtime,
        };
        files::push_entry(&line, &mut self.index);
        Ok(Some(size))
    }

    fn stream(
        &mut self,
        file: &mut File,
        entry: &str,
        failed: &dyn Fn(io::Error) -> BackupError,
    ) -> Result<(u64, Digest), BackupError> {
        let mut slab = vec![0; FILE_SLAB_BYTES];
        let (mut hasher, mut size) = (Hasher::new(), 0);
        self.archive.begin(entry, &mut self.buffer)?;
        loop {
            let filled = fill(file, &mut slab).map_err(failed)?;
            let bytes = slab.get(..filled).unwrap_or_default();
            if bytes.is_empty() {
                break;
            }
            hasher.update(bytes);
            size += bytes.len() as u64;
            self.archive.push(bytes, &mut self.buffer)?;
            self.write_out()?;
            if self.progress.cancelled() {
                return Err(BackupError::Cancelled);
            }
        }
        self.archive.end(&mut self.buffer)?;
        self.write_out()?;
        Ok((size, hasher.finish()))
    }
}

/// Opens a file without following a link that was put in its place since it was listed.
fn open_regular(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = File::options()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::from(io::ErrorKind::NotFound))
    }
}

/// Gives every file an entry name that the profile allows, whatever it is called on disk.
#[derive(Default)]
struct EntryNames {
    files: BTreeSet<String>,
    folders: BTreeSet<String>,
    numbered: u64,
}

impl EntryNames {
    fn entry_for(&mut self, set: &str, path: &str) -> String {
        let entry = name::encode_path(&format!("files/{set}"), path);
        if name::check(&entry).is_ok() && self.take(&entry) {
            return entry;
        }
        // No encoded name holds `%~`, so a numbered one is never taken.
        self.numbered += 1;
        let entry = format!("files/{set}/%~{:06}", self.numbered);
        self.take(&entry);
        entry
    }

    /// Takes a name unless it, or its folder, would be mixed up with another one on a system that ignores case.
    fn take(&mut self, entry: &str) -> bool {
        let folded = name::fold(entry);
        let folders: Vec<String> = folded
            .match_indices('/')
            .filter_map(|(at, _)| folded.get(..at))
            .map(str::to_owned)
            .collect();
        if self.folders.contains(&folded)
            || self.files.contains(&folded)
            || folders.iter().any(|folder| self.files.contains(folder))
        {
            return false;
        }
        self.files.insert(folded);
        self.folders.extend(folders);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_gets_an_allowed_and_unique_entry() {
        let mut names = EntryNames::default();
        let long = "x".repeat(2000);
        let paths = [
            "a.txt",
            "A.TXT",
            "b",
            "B/c",
            "b/c",
            "e\u{301}.txt",
            "nul",
            "back\\slash",
            "x:y",
            &long,
        ];
        let entries: Vec<String> = paths
            .iter()
            .map(|path| names.entry_for("up", path))
            .collect();
        for (path, entry) in paths.iter().zip(&entries) {
            assert_eq!(name::check(entry), Ok(()), "{path} gives {entry}");
        }
        let folded: BTreeSet<String> = entries.iter().map(|entry| name::fold(entry)).collect();
        assert_eq!(folded.len(), paths.len(), "{entries:?}");
        assert_eq!(entries[0], "files/up/a.txt");
    }
}
