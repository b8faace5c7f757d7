//! Saving what is left of a damaged archive into a new, whole ZIP.
//!
//! Two levels: of a sealed archive, what still authenticates, with holes; of that, or of a plain archive, the entries
//! that are what they were. An entry is saved under its own name if the manifest's digest says so, or without a manifest
//! if its checksum is right and the archive's records lead to it. What can't be told from an entry of another archive
//! inside of this one goes below `unconfirmed/`.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    sync::Arc,
};

use coffer_core::{
    ByteRange, Digest,
    archive::{
        ArchiveError, ArchiveWriter, Entry, EntryReader, FoundEntry, Limits, Origin, Search, Step,
    },
    digest::Hasher,
    manifest::{self, Contents, EntryDigest, FILES_INDEX_PATH, FileEntry, MANIFEST_PATH, Manifest},
    seal::{FileKey, MAGIC, SealError, SealedStream, Survey, Survivors},
};

use crate::{
    progress::{Phase, Progress},
    read::{ReadError, Unlock, file_key},
    read_at::ReadAt,
};

mod report;

pub use report::{FileSetReport, LostEntry, Place, Report, TableReport};

/// Bytes that a damaged archive is searched by at once.
const HEADER_SLAB: u64 = 4096;
/// Where entries go that can't be told from those of another archive.
const UNCONFIRMED: &str = "unconfirmed";

/// Why nothing could be saved.
#[derive(Debug, thiserror::Error)]
pub enum SalvageError {
    /// The archive can't be read, or not be unlocked.
    #[error("{0}")]
    Read(#[from] ReadError),
    /// The new ZIP can't be written.
    #[error(
        "what was saved cannot be written: {0}; nothing was published, check the disk's free space"
    )]
    Write(std::io::Error),
    /// There is no entry left.
    #[error("no entry of an archive is left in this file; nothing was written")]
    Nothing,
}

impl From<ArchiveError> for SalvageError {
    fn from(error: ArchiveError) -> Self {
        Self::Read(error.into())
    }
}

/// The content of a file that may be damaged: as it is, or as far as it authenticates.
enum Content {
    Plain(Arc<dyn ReadAt>),
    Sealed(Arc<dyn ReadAt>, Box<Survivors>),
}

impl Content {
    fn open(
        source: Arc<dyn ReadAt>,
        unlock: &Unlock,
        progress: &Progress,
    ) -> Result<Self, ReadError> {
        let magic = read(&*source, ByteRange::new(0, source.size().min(8)))?;
        if magic != MAGIC {
            return Ok(Self::Plain(source));
        }
        let (file_key, header_len) = unlock_header(&*source, unlock)?;
        let mut survey = Survey::new(source.size(), header_len, &file_key);
        progress.begin(Phase::Verifying, source.size());
        while let Some(range) = survey.wants() {
            if progress.cancelled() {
                return Err(ReadError::Cancelled);
            }
            survey.feed(&read(&*source, range)?)?;
            progress.add_bytes(range.len);
        }
        Ok(Self::Sealed(source, Box::new(survey.finish()?)))
    }

    fn size(&self) -> u64 {
        match self {
            Self::Plain(source) => source.size(),
            Self::Sealed(_, survivors) => survivors.plain_len(),
        }
    }

    /// A range of the content; holes are zeros.
    fn read(&self, range: ByteRange) -> Result<Vec<u8>, ReadError> {
        match self {
            Self::Plain(source) => read(&**source, range),
            Self::Sealed(source, survivors) => {
                let mut content = Vec::new();
                for piece in survivors.pieces(range) {
                    let sealed = match piece.sealed {
                        Some(sealed) => read(&**source, sealed)?,
                        None => Vec::new(),
                    };
                    content.extend(survivors.open(&piece, sealed)?);
                }
                Ok(content)
            }
        }
    }

    fn holes(&self) -> Vec<ByteRange> {
        match self {
            Self::Plain(_) => Vec::new(),
            Self::Sealed(_, survivors) => survivors.holes(),
        }
    }
}

fn read(source: &dyn ReadAt, range: ByteRange) -> Result<Vec<u8>, ReadError> {
    let len = usize::try_from(range.len).map_err(|_| SealError::TooLarge)?;
    let mut buffer = vec![0; len];
    source.read_exact_at(range.offset, &mut buffer)?;
    Ok(buffer)
}

/// The file key, from the header alone: there may be no footer.
fn unlock_header(source: &dyn ReadAt, unlock: &Unlock) -> Result<(FileKey, u64), ReadError> {
    let mut stream = SealedStream::new();
    let mut at = 0;
    while stream.locks().is_none() {
        let len = HEADER_SLAB.min(source.size() - at);
        if len == 0 {
            return Err(SealError::CutShort { length: at }.into());
        }
        // Nothing comes out before it is unlocked.
        let taken = stream.push(&read(source, ByteRange::new(at, len))?, &mut Vec::new())?;
        at += taken as u64;
    }
    let file_key = match stream.locks() {
        Some(locks) => file_key(locks, unlock)?.0,
        None => return Err(SealError::CutShort { length: at }.into()),
    };
    Ok((file_key, at))
}

/// What is left of an archive, and how each entry of it is read.
pub struct Salvage {
    content: Content,
    limits: Limits,
    manifest: Option<Manifest>,
    /// In the order of their places, the manifest last.
    saved: Vec<Saved>,
    report: Report,
}

/// An entry whose content is what it was.
struct Saved {
    entry: Entry,
    /// Its name in the new ZIP.
    name: String,
    /// Its local header and descriptor are damaged or missing.
    content_only: bool,
}

impl Saved {
    fn reader(&self, limits: Limits) -> EntryReader {
        let reader = EntryReader::new(&self.entry, limits);
        if self.content_only {
            reader.content_only()
        } else {
            reader
        }
    }
}

/// An entry's content that fits its checksum.
struct Read {
    content_only: bool,
    origin: Origin,
    digest: Digest,
    text: Vec<u8>,
}

/// How the content of an entry turned out.
enum Verdict {
    Saved(Saved),
    Unconfirmed(Saved),
    /// What was saved already by its other header.
    Same,
    Lost(String),
}

impl Salvage {
    /// Looks through a damaged archive, sealed or not, reading all of it.
    ///
    /// # Errors
    /// [`SalvageError`]: damage to what is inside is none, but without a header there is no key.
    pub fn survey(
        source: Arc<dyn ReadAt>,
        unlock: &Unlock,
        progress: &Progress,
    ) -> Result<Self, SalvageError> {
        let limits = Limits::default();
        let content = Content::open(source, unlock, progress)?;
        let mut search = Search::new(content.size(), limits);
        progress.begin(Phase::Reading, content.size());
        while let Some(range) = search.wants() {
            if progress.cancelled() {
                return Err(ReadError::Cancelled.into());
            }
            search.feed(&content.read(range)?)?;
            progress.add_bytes(range.len);
        }
        let found = search.finish()?;
        if found.entries.is_empty() {
            return Err(SalvageError::Nothing);
        }
        let mut salvage = Self {
            report: Report::new(&found, content.size(), &content.holes()),
            content,
            limits,
            manifest: None,
            saved: Vec::new(),
        };
        if let Content::Sealed(_, survivors) = &salvage.content {
            salvage.report.sealed = true;
            salvage.report.end_known = survivors.end_known();
            salvage.report.findings = survivors
                .findings()
                .iter()
                .map(ToString::to_string)
                .collect();
        }
        salvage.sort(found.entries, progress)?;
        Ok(salvage)
    }

    /// What the archive holds is not known to be free of credentials.
    #[must_use]
    pub fn may_hold_credentials(&self) -> bool {
        let contents = self.manifest.as_ref().map(|manifest| manifest.contents);
        self.report.sealed && contents.is_none_or(|contents| contents == Contents::Sensitive)
    }

    /// What is saved and what is lost.
    #[must_use]
    pub const fn report(&self) -> &Report {
        &self.report
    }

    /// Tells the entries that are what they were from the others.
    fn sort(&mut self, found: Vec<FoundEntry>, progress: &Progress) -> Result<(), SalvageError> {
        let expected = self.read_manifest(&found)?;
        let total = found.iter().map(|found| found.entry.size).sum();
        progress.begin(Phase::Verifying, total);
        let mut names = BTreeSet::new();
        let mut last = None;
        for found in found {
            if progress.cancelled() {
                return Err(ReadError::Cancelled.into());
            }
            let (name, size, offset) = (
                found.entry.name.clone(),
                found.entry.size,
                found.entry.offset,
            );
            match self.judge(found, expected.as_ref(), &names)? {
                Verdict::Saved(saved) => {
                    names.insert(name.clone());
                    if name == MANIFEST_PATH {
                        last = Some(saved);
                    } else {
                        self.saved.push(saved);
                    }
                }
                Verdict::Unconfirmed(saved) => {
                    self.report.unconfirmed.push(saved.name.clone());
                    self.saved.push(saved);
                }
                Verdict::Same => {}
                Verdict::Lost(reason) => self.report.lost.push(LostEntry {
                    name,
                    offset: Some(offset),
                    reason,
                }),
            }
            progress.add_bytes(size);
        }
        self.saved.extend(last);
        let manifest = self.manifest.as_ref();
        self.report
            .account(manifest, &expected.unwrap_or_default(), &names);
        Ok(())
    }

    /// The manifest, if it is left and is this archive's; and what every entry that it leads to should be.
    fn read_manifest(
        &mut self,
        found: &[FoundEntry],
    ) -> Result<Option<BTreeMap<String, Expected>>, SalvageError> {
        let sure = |found: &&FoundEntry| matches!(found.origin, Origin::Listed | Origin::Walked);
        let Some(json) = self.small(found.iter().rev().filter(sure), MANIFEST_PATH, None)? else {
            return Ok(None);
        };
        let Ok(manifest) = Manifest::parse(&json) else {
            return Ok(None);
        };
        let mut expected = BTreeMap::new();
        for table in &manifest.tables {
            for (index, part) in table.parts.iter().enumerate() {
                expected.insert(table.part_path(index), Expected::of(part.digest()));
            }
        }
        if let Some(index) = &manifest.files_index {
            expected.insert(FILES_INDEX_PATH.to_owned(), Expected::of(*index));
            let text = self.small(found.iter(), FILES_INDEX_PATH, Some(index.sha256))?;
            let files = text.and_then(|text| manifest::files::parse(&text).ok());
            self.report.files_index = files.is_some();
            for file in files.unwrap_or_default() {
                let digest = file.digest().sha256;
                let FileEntry {
                    set, path, entry, ..
                } = file;
                let file = Some((set, path));
                expected.insert(entry, Expected { digest, file });
            }
        }
        self.manifest = Some(manifest);
        Ok(Some(expected))
    }

    /// The content of the first entry of a name that can be read, and has the digest where one is known.
    fn small<'a>(
        &self,
        found: impl Iterator<Item = &'a FoundEntry>,
        name: &str,
        digest: Option<Digest>,
    ) -> Result<Option<Vec<u8>>, SalvageError> {
        for found in found.filter(|found| found.entry.name == name) {
            if found.entry.size > self.limits.index_bytes {
                continue;
            }
            if let Ok(read) = self.content_of(found, true)?
                && match digest {
                    Some(digest) => read.digest == digest,
                    None => read.origin != Origin::Doubtful,
                }
            {
                return Ok(Some(read.text));
            }
        }
        Ok(None)
    }

    /// Reads an entry's content, without its records if these are damaged. The inner error says why it is lost.
    fn content_of(
        &self,
        found: &FoundEntry,
        keep: bool,
    ) -> Result<Result<Read, String>, SalvageError> {
        if let Some(reason) = self.out_of_reach(&found.entry) {
            return Ok(Err(reason));
        }
        let reader = || EntryReader::new(&found.entry, self.limits);
        let error = match self.drive(reader(), keep)? {
            Ok((digest, text)) => {
                return Ok(Ok(Read {
                    content_only: false,
                    origin: found.origin,
                    digest,
                    text,
                }));
            }
            Err(error) => error,
        };
        let Some(second) = found.second_try(&error) else {
            return Ok(Err(error.to_string()));
        };
        Ok(match self.drive(reader().content_only(), keep)? {
            Ok((digest, text)) => Ok(Read {
                content_only: true,
                origin: second.origin,
                digest,
                text,
            }),
            Err(error) => Err(error.to_string()),
        })
    }

    /// The digest of an entry's content, and the content itself if it is to be kept.
    fn drive(
        &self,
        mut reader: EntryReader,
        keep: bool,
    ) -> Result<Result<(Digest, Vec<u8>), ArchiveError>, SalvageError> {
        let mut hasher = Hasher::new();
        let mut text = Vec::new();
        let mut out = Vec::new();
        loop {
            match reader.step(&mut out) {
                Ok(Step::Want(range)) if range.len == 0 || range.end() > self.content.size() => {
                    return Ok(Err(ArchiveError::NoEnd));
                }
                Ok(Step::Want(range)) => reader.feed(&self.content.read(range)?)?,
                Ok(Step::Output) => {
                    hasher.update(&out);
                    if keep {
                        text.append(&mut out);
                    }
                    out.clear();
                }
                Ok(Step::Done) => return Ok(Ok((hasher.finish(), text))),
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    /// Why an entry's content is not all there, before any of it is read.
    fn out_of_reach(&self, entry: &Entry) -> Option<String> {
        let ByteRange { offset: start, .. } = entry.content_range();
        let end = entry.content_range().end();
        if end > self.content.size() {
            return Some("it is cut off".to_owned());
        }
        let holes = &self.report.holes;
        let next = holes.partition_point(|hole| hole.offset.saturating_add(hole.len) <= start);
        let hole = holes.get(next).filter(|hole| hole.offset < end)?;
        Some(format!(
            "{} bytes of the content at {} do not authenticate",
            hole.len, hole.offset
        ))
    }

    fn judge(
        &self,
        found: FoundEntry,
        expected: Option<&BTreeMap<String, Expected>>,
        taken: &BTreeSet<String>,
    ) -> Result<Verdict, SalvageError> {
        let Read {
            content_only,
            origin,
            digest,
            ..
        } = match self.content_of(&found, false)? {
            Ok(read) => read,
            Err(reason) => return Ok(Verdict::Lost(reason)),
        };
        let entry = found.entry;
        let own = Saved {
            name: entry.name.clone(),
            entry,
            content_only,
        };
        let aside = |mut saved: Saved| {
            saved.name = format!("{UNCONFIRMED}/{}/{}", saved.entry.offset, saved.name);
            Verdict::Unconfirmed(saved)
        };
        let sure = matches!(origin, Origin::Listed | Origin::Walked);
        if taken.contains(&own.name) {
            let same = self
                .saved
                .iter()
                .any(|saved| saved.name == own.name && saved.entry.offset == own.entry.offset);
            return Ok(if same { Verdict::Same } else { aside(own) });
        }
        Ok(match expected {
            None if sure => Verdict::Saved(own),
            None => aside(own),
            Some(_) if own.name == MANIFEST_PATH && sure => Verdict::Saved(own),
            Some(expected) => match expected.get(&own.name) {
                Some(expected) if expected.digest == digest => Verdict::Saved(own),
                Some(_) if sure => Verdict::Lost("its SHA-256 is not the manifest's".to_owned()),
                _ if sure && !self.report.files_index && own.name.starts_with("files/") => {
                    Verdict::Saved(own)
                }
                _ => aside(own),
            },
        })
    }

    /// Writes what is saved as a ZIP, checking it once more on the way. Returns the bytes written.
    ///
    /// # Errors
    /// [`SalvageError`]; what was written before is then to be thrown away.
    pub fn write(&self, mut out: impl Write, progress: &Progress) -> Result<u64, SalvageError> {
        let total = self.saved.iter().map(|saved| saved.entry.size).sum();
        progress.begin(Phase::Finishing, total);
        let mut writer = ArchiveWriter::new();
        let mut buffer = Vec::new();
        for saved in &self.saved {
            let mut reader = saved.reader(self.limits).keep_raw();
            let renamed = Entry {
                name: saved.name.clone(),
                ..saved.entry.clone()
            };
            writer.begin_copy(&renamed, &mut buffer)?;
            let mut content = Vec::new();
            loop {
                if progress.cancelled() {
                    return Err(ReadError::Cancelled.into());
                }
                let step = reader.step(&mut content)?;
                progress.add_bytes(content.len() as u64);
                content.clear();
                writer.push(&reader.take_raw(), &mut buffer)?;
                out.write_all(&buffer).map_err(SalvageError::Write)?;
                buffer.clear();
                match step {
                    Step::Want(range) => reader.feed(&self.content.read(range)?)?,
                    Step::Output => {}
                    Step::Done => break,
                }
            }
            writer.end(&mut buffer)?;
        }
        let before_directory = writer.offset();
        let pending = buffer.len() as u64;
        writer.finish(&mut buffer)?;
        out.write_all(&buffer).map_err(SalvageError::Write)?;
        out.flush().map_err(SalvageError::Write)?;
        Ok(before_directory + buffer.len() as u64 - pending)
    }
}

/// What the manifest or the files index says about an entry.
struct Expected {
    digest: Digest,
    /// The file set and path, for a file.
    file: Option<(String, String)>,
}

impl Expected {
    const fn of(digest: EntryDigest) -> Self {
        Self {
            digest: digest.sha256,
            file: None,
        }
    }
}
