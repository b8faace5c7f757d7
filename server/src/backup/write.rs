//! The thread that puts an archive together: takes what the others have made, in order, and writes it.

use std::{
    collections::HashMap,
    io::Write,
    sync::mpsc::{Receiver, SyncSender},
};

use coffer_core::{
    Digest,
    archive::{ArchiveWriter, Packed},
    manifest::{
        EntryDigest, FILES_INDEX_PATH, FileEntry, FileSet, MANIFEST_PATH, Manifest, Notice,
        TableData, Transformed, files,
    },
    schema::TableName,
    seal::FileKey,
};

use super::{
    BackupError, SealTo, Sink,
    lane::{FileFacts, Made, MadePart},
    names::TablePaths,
};
use crate::{
    deflate::pack,
    progress::{Phase, Progress},
    transform::RenamedFiles,
};

/// What comes next in the archive.
pub(super) enum Step {
    /// A table, whose parts follow.
    Table(TableName),
    Part(Receiver<Made>),
    /// A file set, whose files follow, and what was made of them so far if a program is for them.
    Set(String, Option<Transformed>),
    File {
        name: FileName,
        /// Its name if a program makes something else of it.
        renamed: Option<FileName>,
        made: Receiver<Made>,
    },
    /// Asks for the new paths of the files that were transformed, by set.
    Renamed(SyncSender<Vec<(String, RenamedFiles)>>),
}

/// What a file is called.
pub(super) struct FileName {
    /// Path within the set.
    pub(super) path: String,
    /// Name of its entry.
    pub(super) entry: String,
}

/// Files that are named one by one where a program could not transform them; the rest is counted.
const LISTED: u64 = 1000;

/// Writes an archive.
pub(super) struct Writer<W> {
    sink: Sink<W>,
    archive: ArchiveWriter,
    buffer: Vec<u8>,
    paths: TablePaths,
    index: Vec<u8>,
    progress: Progress,
    /// Whether files are being written, and no rows.
    at_files: bool,
    renamed: Vec<(String, RenamedFiles)>,
    /// What was written so far.
    pub(super) tables: Vec<TableData>,
    /// Rows that rules left out of tables, by the rule's number among those of its table.
    pub(super) left_out: HashMap<TableName, Vec<u64>>,
    pub(super) sets: Vec<FileSet>,
    pub(super) notices: Vec<Notice>,
}

impl<W: Write> Writer<W> {
    /// Begins an archive. Returns the key that it is sealed with, if it is.
    pub(super) fn begin(
        out: W,
        seal: Option<&SealTo>,
        progress: Progress,
    ) -> Result<(Self, Option<FileKey>), BackupError> {
        let (sink, file_key) = match seal {
            None => (Sink::plain(out), None),
            Some(to) => {
                let (sink, key) = Sink::sealed(out, to)?;
                (sink, Some(key))
            }
        };
        let mut index = Vec::new();
        files::push_header(&mut index);
        let writer = Self {
            sink,
            archive: ArchiveWriter::new(),
            buffer: Vec::new(),
            paths: TablePaths::default(),
            index,
            progress,
            at_files: false,
            renamed: Vec::new(),
            tables: Vec::new(),
            left_out: HashMap::new(),
            sets: Vec::new(),
            notices: Vec::new(),
        };
        Ok((writer, file_key))
    }

    /// Writes until no more steps come, and gives itself back.
    pub(super) fn run(mut self, steps: Receiver<Step>) -> Result<Self, BackupError> {
        for step in steps {
            match step {
                Step::Table(table) => {
                    self.at_files = false;
                    let path = self.paths.path_for(&table);
                    self.tables.push(TableData::empty(table, path));
                }
                Step::Part(made) => match received(&made)? {
                    Made::Part(part) => self.part(*part)?,
                    Made::Failed(error) => return Err(error),
                    _ => return Err(BackupError::Defect),
                },
                Step::Set(name, transform) => self.set(name, transform),
                Step::File {
                    name,
                    renamed,
                    made,
                } => self.file(name, renamed, &made)?,
                Step::Renamed(to) => to
                    .send(std::mem::take(&mut self.renamed))
                    .map_err(|_| BackupError::Defect)?,
            }
        }
        Ok(self)
    }

    fn set(&mut self, name: String, transform: Option<Transformed>) {
        if !self.at_files {
            self.progress.begin(Phase::Files, 0);
            self.at_files = true;
        }
        if transform.is_some() {
            self.renamed.push((name.clone(), RenamedFiles::new()));
        }
        self.sets.push(FileSet {
            name,
            files: 0,
            bytes: 0,
            transform,
        });
    }

    fn part(&mut self, part: MadePart) -> Result<(), BackupError> {
        let MadePart {
            data,
            set,
            packed,
            left_out,
        } = part;
        let (rows, bytes) = (data.rows, data.bytes);
        let table = self.tables.last_mut().ok_or(BackupError::Defect)?;
        if !left_out.is_empty() {
            let counts = self.left_out.entry(table.table.clone()).or_default();
            counts.resize(left_out.len(), 0);
            for (count, more) in counts.iter_mut().zip(left_out) {
                *count += more;
            }
        }
        // A rule may have left nothing of it, and an archive has no part without rows.
        if rows == 0 {
            return Ok(());
        }
        let path = table.push_data(data, set);
        self.add(&path, &packed)?;
        self.progress.add_rows(rows);
        self.progress.add_bytes(bytes);
        Ok(())
    }

    fn file(
        &mut self,
        mut name: FileName,
        mut renamed: Option<FileName>,
        made: &Receiver<Made>,
    ) -> Result<(), BackupError> {
        let set = self.sets.last().ok_or(BackupError::Defect)?.name.clone();
        let (mut begun, mut original) = (false, None);
        let facts = loop {
            match received(made)? {
                Made::Transformed => {
                    let new = renamed.take().ok_or(BackupError::Defect)?;
                    original = Some(std::mem::replace(&mut name, new).path);
                }
                Made::Kept(why) => self.kept(&set, &name.path, why)?,
                Made::File(facts, packed) => {
                    self.add(&name.entry, &packed)?;
                    break facts;
                }
                Made::Piece(bytes) => {
                    if !begun {
                        self.archive.begin_packed(&name.entry, &mut self.buffer)?;
                        begun = true;
                    }
                    self.archive.push(&bytes, &mut self.buffer)?;
                    self.write_out()?;
                }
                Made::Streamed(facts, streamed) => {
                    self.archive.end_packed(streamed, &mut self.buffer)?;
                    self.write_out()?;
                    break facts;
                }
                Made::Vanished => {
                    let path = name.path;
                    self.notices.push(Notice::FileVanished { set, path });
                    return Ok(());
                }
                Made::Unreadable(error) => {
                    let path = name.path;
                    return Err(BackupError::File { set, path, error });
                }
                Made::Failed(error) => return Err(error),
                Made::Part(_) => return Err(BackupError::Defect),
            }
        };
        if let Some(original) = original {
            self.transformed(original, &name.path, &facts)?;
        }
        self.list(set, name, &facts)
    }

    /// What was made of the files of the set that is being written.
    fn outcome(&mut self) -> Result<&mut Transformed, BackupError> {
        let set = self.sets.last_mut().ok_or(BackupError::Defect)?;
        set.transform.as_mut().ok_or(BackupError::Defect)
    }

    fn kept(&mut self, set: &str, path: &str, why: String) -> Result<(), BackupError> {
        let outcome = self.outcome()?;
        outcome.kept += 1;
        if outcome.kept <= LISTED {
            self.notices.push(Notice::NotTransformed {
                set: set.to_owned(),
                path: path.to_owned(),
                why,
            });
        }
        Ok(())
    }

    fn transformed(
        &mut self,
        original: String,
        path: &str,
        facts: &FileFacts,
    ) -> Result<(), BackupError> {
        let outcome = self.outcome()?;
        outcome.files += 1;
        outcome.original_bytes += facts.stamp.size;
        let (_, renamed) = self.renamed.last_mut().ok_or(BackupError::Defect)?;
        renamed.insert(original, path.to_owned());
        Ok(())
    }

    /// Notes a file that was written.
    fn list(
        &mut self,
        set: String,
        FileName { path, entry }: FileName,
        facts: &FileFacts,
    ) -> Result<(), BackupError> {
        if facts.changed {
            self.notices.push(Notice::FileChanged {
                set: set.clone(),
                path: path.clone(),
            });
        }
        let totals = self.sets.last_mut().ok_or(BackupError::Defect)?;
        totals.files += 1;
        totals.bytes += facts.size;
        self.progress.add_bytes(facts.size);
        let line = FileEntry {
            set,
            path,
            entry,
            size: facts.size,
            sha256: facts.sha256,
            mode: facts.stamp.mode,
            mtime: facts.stamp.mtime,
        };
        files::push_entry(&line, &mut self.index);
        Ok(())
    }

    fn add(&mut self, name: &str, packed: &Packed) -> Result<(), BackupError> {
        self.archive.add(name, packed, &mut self.buffer)?;
        self.write_out()
    }

    fn write_out(&mut self) -> Result<(), BackupError> {
        self.sink.write(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    /// Writes the files index, if there are file sets.
    pub(super) fn index(&mut self) -> Result<Option<EntryDigest>, BackupError> {
        if self.sets.is_empty() {
            return Ok(None);
        }
        let index = std::mem::take(&mut self.index);
        let digest = EntryDigest {
            bytes: index.len() as u64,
            sha256: Digest::of(&index),
        };
        self.add(FILES_INDEX_PATH, &pack(index))?;
        Ok(Some(digest))
    }

    /// Ends the archive with its manifest. Returns the manifest's digest, and the bytes written.
    pub(super) fn finish(mut self, manifest: &Manifest) -> Result<(Digest, u64), BackupError> {
        let json = manifest.to_json()?;
        let digest = Digest::of(&json);
        self.add(MANIFEST_PATH, &pack(json))?;
        self.archive.finish(&mut self.buffer)?;
        self.sink.write(&self.buffer)?;
        let (_, bytes) = self.sink.finish()?;
        Ok((digest, bytes))
    }
}

/// What a thread has made next. One that ends without it has a defect.
fn received(made: &Receiver<Made>) -> Result<Made, BackupError> {
    made.recv().map_err(|_| BackupError::Defect)
}
