//! The thread that puts an archive together: takes what the others have made, in order, and writes it.

use std::{io::Write, sync::mpsc::Receiver};

use coffer_core::{
    Digest,
    archive::{ArchiveWriter, Packed},
    manifest::{
        EntryDigest, FILES_INDEX_PATH, FileEntry, FileSet, MANIFEST_PATH, Manifest, Notice,
        TableData, files,
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
};

/// What comes next in the archive.
pub(super) enum Step {
    /// A table, whose parts follow.
    Table(TableName),
    Part(Receiver<Made>),
    /// A file set, whose files follow.
    Set(String),
    File {
        path: String,
        entry: String,
        made: Receiver<Made>,
    },
}

/// Writes an archive.
pub(super) struct Writer<W> {
    sink: Sink<W>,
    archive: ArchiveWriter,
    buffer: Vec<u8>,
    paths: TablePaths,
    index: Vec<u8>,
    progress: Progress,
    /// What was written so far.
    pub(super) tables: Vec<TableData>,
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
            tables: Vec::new(),
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
                    let path = self.paths.path_for(&table);
                    self.tables.push(TableData::empty(table, path));
                }
                Step::Part(made) => match received(&made)? {
                    Made::Part(part) => self.part(*part)?,
                    _ => return Err(BackupError::Defect),
                },
                Step::Set(name) => {
                    if self.sets.is_empty() {
                        self.progress.begin(Phase::Files, 0);
                    }
                    self.sets.push(FileSet {
                        name,
                        files: 0,
                        bytes: 0,
                    });
                }
                Step::File { path, entry, made } => self.file(path, entry, &made)?,
            }
        }
        Ok(self)
    }

    fn part(&mut self, part: MadePart) -> Result<(), BackupError> {
        let MadePart { data, set, packed } = part;
        let (rows, bytes) = (data.rows, data.bytes);
        let table = self.tables.last_mut().ok_or(BackupError::Defect)?;
        let path = table.push_data(data, set);
        self.add(&path, &packed)?;
        self.progress.add_rows(rows);
        self.progress.add_bytes(bytes);
        Ok(())
    }

    fn file(
        &mut self,
        path: String,
        entry: String,
        made: &Receiver<Made>,
    ) -> Result<(), BackupError> {
        let set = self.sets.last().ok_or(BackupError::Defect)?.name.clone();
        let mut begun = false;
        let facts = loop {
            match received(made)? {
                Made::File(facts, packed) => {
                    self.add(&entry, &packed)?;
                    break facts;
                }
                Made::Piece(bytes) => {
                    if !begun {
                        self.archive.begin_packed(&entry, &mut self.buffer)?;
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
                    self.notices.push(Notice::FileVanished { set, path });
                    return Ok(());
                }
                Made::Unreadable(error) => return Err(BackupError::File { set, path, error }),
                Made::Failed(error) => return Err(error),
                Made::Part(_) => return Err(BackupError::Defect),
            }
        };
        self.list(set, path, entry, &facts)
    }

    /// Notes a file that was written.
    fn list(
        &mut self,
        set: String,
        path: String,
        entry: String,
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
