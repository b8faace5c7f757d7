//! The restore bundle: what is selected of an archive, checked and sealed again under a fresh one-time key.

use alloc::{collections::VecDeque, string::String, vec, vec::Vec};

use rand_core::CryptoRng;

use crate::{
    archive::{
        self, ArchiveError, ArchiveWriter, CheckedReader, Directory, Entry, Limits, Packed, Step,
        archive_len, pack,
    },
    digest::Digest,
    manifest::{
        EntryDigest, FILES_INDEX_PATH, FileEntry, MANIFEST_PATH, Manifest, ManifestError,
        Selection, files,
    },
    seal::{FileKey, PREFIX_BYTES, SealError, Sealer, seal_header, sealed_len},
};

/// Why a bundle can't be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// The selection doesn't fit the archive.
    #[error("{0}")]
    Manifest(#[from] ManifestError),
    /// The archive is damaged where it was selected, or not what its manifest says.
    #[error("{0}")]
    Archive(#[from] ArchiveError),
    /// It can't be sealed.
    #[error("{0}")]
    Seal(#[from] SealError),
}

/// Makes a restore bundle piece by piece. It asks for ranges of the archive it is cut from, and never holds more than a
/// few MiB of it.
///
/// Entries are copied as they are stored, and inflated only to compare them with their size and SHA-256. What comes
/// out before [`Step::Done`] is to be thrown away if an error follows.
pub struct Bundler {
    manifest: String,
    len: u64,
    /// Header block and start of the payload, until given out.
    start: Vec<u8>,
    content: BundleContent,
    /// Gone when the bundle is whole.
    sealer: Option<Sealer>,
    plain: Vec<u8>,
}

/// What is selected of an archive as an archive of its own, not sealed yet.
pub struct BundleContent {
    limits: Limits,
    copies: VecDeque<(Entry, EntryDigest)>,
    reading: Option<CheckedReader>,
    made: VecDeque<(&'static str, Packed)>,
    /// Gone when it is whole.
    writer: Option<ArchiveWriter>,
    inflated: Vec<u8>,
}

/// A bundle whose content is still to be sealed: see [`Bundler::into_parts`].
#[derive(Debug)]
pub struct BundleParts {
    /// Header block and start of the payload.
    pub start: Vec<u8>,
    /// How many of these bytes are the header block.
    pub header_len: usize,
    /// What comes after that.
    pub sealer: Sealer,
    /// What it is to seal.
    pub content: BundleContent,
}

impl core::fmt::Debug for Bundler {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Bundler")
            .field("len", &self.len)
            .field("content", &self.content)
            .finish_non_exhaustive()
    }
}

impl core::fmt::Debug for BundleContent {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("BundleContent")
            .field("copies", &self.copies.len())
            .finish_non_exhaustive()
    }
}

impl Bundler {
    /// A bundle of `selection`, sealed under `key`, which must be fresh: nobody else has it, and nothing else was
    /// sealed under it. `files` is the archive's parsed files index, empty if it has none.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn new(
        directory: &Directory,
        manifest: &Manifest,
        files: &[FileEntry],
        selection: &Selection,
        limits: Limits,
        key: &FileKey,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, BundleError> {
        let findings = archive::account(directory, manifest, files);
        if !findings.is_empty() {
            return Err(ArchiveError::Profile(findings).into());
        }
        let mut selected = manifest.select(selection)?;
        let files: Vec<&FileEntry> = files
            .iter()
            .filter(|file| selection.has_file_set(&file.set))
            .collect();
        let mut made = VecDeque::new();
        if selected.files_index.is_some() {
            let mut index = Vec::new();
            files::push_header(&mut index);
            files
                .iter()
                .for_each(|file| files::push_entry(file, &mut index));
            selected.files_index = Some(EntryDigest {
                bytes: index.len() as u64,
                sha256: Digest::of(&index),
            });
            made.push_back((FILES_INDEX_PATH, pack(index)));
        }
        let json = selected.to_json()?;
        let text = String::from_utf8_lossy(&json).into_owned();
        made.push_back((MANIFEST_PATH, pack(json)));

        let copies = in_archive_order(directory, &selected, &files)?;
        let entries = copies
            .iter()
            .map(|(entry, _)| entry.clone())
            .chain(made.iter().map(|(name, packed)| packed.entry(name)));
        let header = seal_header(key, &[], rng)?;
        let len = archive_len(entries)
            .and_then(|plain| sealed_len(header.len() as u64, plain))
            .ok_or(SealError::TooLarge)?;
        let mut start = Vec::new();
        let sealer = Sealer::new(key, &header, rng, &mut start)?;
        Ok(Self {
            manifest: text,
            len,
            start,
            content: BundleContent {
                limits,
                copies,
                reading: None,
                made,
                writer: Some(ArchiveWriter::new()),
                inflated: vec![],
            },
            sealer: Some(sealer),
            plain: vec![],
        })
    }

    /// The manifest's text, exactly as it stands in the bundle.
    #[must_use]
    pub fn manifest(&self) -> &str {
        &self.manifest
    }

    /// Bytes that the bundle will have. Never 0.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a bundle is never empty")]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Leaves the sealing to the caller, who has it done elsewhere: by the browser, or on other threads. `None` if the
    /// bundle was begun here.
    #[must_use]
    pub fn into_parts(self) -> Option<BundleParts> {
        let header_len = self.start.len().checked_sub(PREFIX_BYTES)?;
        Some(BundleParts {
            start: self.start,
            header_len,
            sealer: self.sealer?,
            content: self.content,
        })
    }

    /// Takes bytes that it wants, from their start.
    ///
    /// # Errors
    /// [`ArchiveError::Misfed`].
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), BundleError> {
        self.content.feed(bytes)
    }

    /// Does a bounded piece of work; whatever it answers, it may have appended sealed bytes to `out`.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn step(&mut self, out: &mut Vec<u8>) -> Result<Step, BundleError> {
        out.append(&mut self.start);
        let Some(sealer) = &mut self.sealer else {
            return Ok(Step::Done);
        };
        self.plain.clear();
        let step = self.content.step(&mut self.plain)?;
        sealer.push(&self.plain, out)?;
        if step == Step::Done
            && let Some(sealer) = self.sealer.take()
        {
            sealer.finish(out)?;
        }
        Ok(step)
    }
}

impl BundleContent {
    /// Takes bytes that it wants, from their start.
    ///
    /// # Errors
    /// [`ArchiveError::Misfed`].
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), BundleError> {
        match &mut self.reading {
            Some(reader) => Ok(reader.feed(bytes)?),
            None => Err(ArchiveError::Misfed {
                wanted: 0,
                given: bytes.len() as u64,
            }
            .into()),
        }
    }

    /// Does a bounded piece of work; whatever it answers, it may have appended bytes of the new archive to `out`.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn step(&mut self, out: &mut Vec<u8>) -> Result<Step, BundleError> {
        let Some(writer) = &mut self.writer else {
            return Ok(Step::Done);
        };
        if let Some(reader) = &mut self.reading {
            self.inflated.clear();
            let step = reader.step(&mut self.inflated)?;
            writer.push(&reader.take_raw(), out)?;
            if step != Step::Done {
                return Ok(step);
            }
            writer.end(out)?;
            self.reading = None;
        } else if let Some((entry, expected)) = self.copies.pop_front() {
            let reader = CheckedReader::new(&entry, &expected, self.limits)?;
            writer.begin_copy(&entry, out)?;
            self.reading = Some(reader.keep_raw());
        } else if let Some((name, packed)) = self.made.pop_front() {
            writer.add(name, &packed, out)?;
        } else if let Some(writer) = self.writer.take() {
            writer.finish(out)?;
            return Ok(Step::Done);
        }
        Ok(Step::Output)
    }
}

/// The entries to copy, in the order in which they lie in the archive, so that it is read from start to end.
fn in_archive_order(
    directory: &Directory,
    selected: &Manifest,
    files: &[&FileEntry],
) -> Result<VecDeque<(Entry, EntryDigest)>, BundleError> {
    let mut copies = Vec::new();
    for table in &selected.tables {
        for (index, part) in table.parts.iter().enumerate() {
            let entry = directory.entry(&table.part_path(index))?.clone();
            copies.push((entry, part.digest()));
        }
    }
    for file in files {
        copies.push((directory.entry(&file.entry)?.clone(), file.digest()));
    }
    copies.sort_by_key(|(entry, _)| entry.offset);
    Ok(copies.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixture::{Fixture, TestRng, changed, fixture, open, slice},
        manifest::LeftOut,
        range::ByteRange,
        schema::TableName,
        seal,
        verify::{Verified, Verifier},
    };

    const KEY: [u8; 32] = [42; 32];

    fn bundler(archive: &Fixture, selection: &Selection) -> Result<Bundler, BundleError> {
        Bundler::new(
            &archive.directory,
            &archive.manifest,
            &archive.files,
            selection,
            Limits::default(),
            &FileKey::new(KEY),
            &mut TestRng(3),
        )
    }

    fn run(archive: &Fixture, selection: &Selection, step: usize) -> Result<Vec<u8>, BundleError> {
        let mut bundler = bundler(archive, selection)?;
        let mut out = Vec::new();
        loop {
            match bundler.step(&mut out)? {
                Step::Want(wanted) => {
                    let bytes = archive.range(wanted);
                    bundler.feed(&bytes[..bytes.len().min(step)])?;
                }
                Step::Output => {}
                Step::Done => {
                    assert_eq!(out.len() as u64, bundler.len());
                    return Ok(out);
                }
            }
        }
    }

    /// Unseals a bundle as a server does, and gives its manifest's text and what a full check of it finds.
    fn unseal(bundle: &[u8]) -> (Vec<u8>, Manifest, Vec<FileEntry>, Verified) {
        let mut opening = seal::Opening::new(bundle.len() as u64).unwrap();
        while let Some(wanted) = opening.wants() {
            opening.feed(slice(bundle, wanted)).unwrap();
        }
        let sealed = opening.finish().unwrap();
        assert!(sealed.locks().is_empty());
        let key = FileKey::new(KEY);
        sealed.unlock_with_file_key(&key).unwrap();
        let unsealer = sealed
            .unsealer(&key, slice(bundle, sealed.prefix_range()))
            .unwrap();
        let whole = ByteRange::new(0, unsealer.plain_len());
        let located = unsealer.locate(whole).unwrap();
        let file = unsealer
            .open(located, slice(bundle, located.sealed).to_vec())
            .unwrap();

        let directory = open(&file).unwrap();
        let read = |name: &str| {
            let entry = directory.entry(name).unwrap();
            archive::EntryReader::new(entry, Limits::default())
                .read_all::<ArchiveError>("", u64::MAX, |range| Ok(slice(&file, range).to_vec()))
                .unwrap()
        };
        let json = read(MANIFEST_PATH);
        let manifest = Manifest::parse(&json).unwrap();
        let files = match manifest.files_index {
            Some(_) => files::parse(&read(FILES_INDEX_PATH)).unwrap(),
            None => Vec::new(),
        };
        let mut verifier = Verifier::new(&directory, &manifest, &files, Limits::default()).unwrap();
        while let Step::Want(_) | Step::Output = match verifier.step().unwrap() {
            Step::Want(wanted) => {
                verifier.feed(slice(&file, wanted)).unwrap();
                Step::Output
            }
            step => step,
        } {}
        let done = verifier.so_far();
        (json, manifest, files, done)
    }

    /// The same with the sealing left to the caller.
    fn run_in_parts(archive: &Fixture, selection: &Selection) -> Vec<u8> {
        let BundleParts {
            start: mut out,
            header_len,
            mut sealer,
            mut content,
        } = bundler(archive, selection).unwrap().into_parts().unwrap();
        assert_eq!(header_len, seal::HEADER_UNIT as usize);
        let mut plain = Vec::new();
        loop {
            match content.step(&mut plain).unwrap() {
                Step::Want(wanted) => content.feed(archive.range(wanted)).unwrap(),
                Step::Output => {}
                Step::Done => break,
            }
        }
        sealer.push(&plain, &mut out).unwrap();
        sealer.finish(&mut out).unwrap();
        out
    }

    fn only(tables: &[&str], file_sets: &[&str]) -> Selection {
        Selection {
            tables: Some(
                tables
                    .iter()
                    .map(|name| TableName::new("public", *name))
                    .collect(),
            ),
            file_sets: Some(file_sets.iter().map(|name| (*name).into()).collect()),
            ..Selection::ALL
        }
    }

    #[test]
    fn everything_arrives_whatever_the_pieces() {
        let archive = fixture();
        let whole = run(&archive, &Selection::ALL, usize::MAX).unwrap();
        for step in [13, 5000] {
            assert_eq!(run(&archive, &Selection::ALL, step).unwrap(), whole);
        }
        assert!(run_in_parts(&archive, &Selection::ALL) == whole);
        let (json, manifest, files, done) = unseal(&whole);
        assert_eq!(manifest, archive.manifest);
        assert_eq!(files, archive.files);
        assert_eq!(done.rows, 1000);
        let planned = bundler(&archive, &Selection::ALL).unwrap();
        assert_eq!(planned.manifest().as_bytes(), json);
    }

    #[test]
    fn only_what_is_selected_arrives() {
        let archive = fixture();
        for (tables, sets) in [
            (&["notes"][..], &[][..]),
            (&["empty"], &["avatars"]),
            (&[], &["avatars", "uploads"]),
            (&[], &[]),
        ] {
            let selection = only(tables, sets);
            let (_, manifest, files, done) =
                unseal(&run(&archive, &selection, usize::MAX).unwrap());
            assert_eq!(
                manifest,
                Manifest {
                    files_index: manifest.files_index,
                    ..archive.manifest.select(&selection).unwrap()
                }
            );
            assert_eq!(manifest.tables.len(), tables.len());
            assert_eq!(manifest.file_sets.len(), sets.len());
            assert_eq!(done.rows, if tables == ["notes"] { 1000 } else { 0 });
            assert!(files.iter().all(|file| selection.has_file_set(&file.set)));
            let left_out = manifest
                .left_out
                .iter()
                .filter(|left_out| {
                    matches!(left_out, LeftOut::Table { .. } | LeftOut::FileSet { .. })
                })
                .count();
            assert_eq!(left_out, 4 - tables.len() - sets.len());
        }
    }

    #[test]
    fn what_is_not_there_can_not_be_selected() {
        let archive = fixture();
        for selection in [only(&["nope"], &[]), only(&[], &["nope"])] {
            assert!(matches!(
                run(&archive, &selection, 100),
                Err(BundleError::Manifest(ManifestError::NotInArchive { .. }))
            ));
        }
    }

    #[test]
    fn damage_ends_it_only_where_it_was_selected() {
        let archive = changed(|entries, _| entries[3].1[0] ^= 1);
        assert!(matches!(
            run(&archive, &Selection::ALL, 1000),
            Err(BundleError::Archive(ArchiveError::Entry(finding)))
                if finding.fault == archive::Fault::Digest
        ));
        let (.., done) = unseal(&run(&archive, &only(&["notes"], &["avatars"]), 1000).unwrap());
        assert_eq!(done.rows, 1000);
    }
}
