//! Salvage: of damaged sealed archives, and of damaged archives.

use coffer_core::{
    ByteRange,
    archive::{
        ArchiveError, DirectoryState, EntryReader, Found, Limits, Origin, Search, Step, name,
    },
    seal::{FileKey, SealError, Survey, Survivors},
};

use crate::{
    choices::Choices,
    drive::{Pieces, feed_all, open_archive, open_sealed, slice},
    edit::edit,
    samples::{self, SealedSample},
};

const CHUNK: usize = 16 << 10;
const SEALED_CHUNK: usize = CHUNK + 16;
const PREFIX: usize = 56;
const SALT: usize = 24;

/// However a sealed archive was damaged behind its header, what is salvaged is what was sealed, at its place; a full chunk
/// that stands where it was sealed is salvaged; all the rest is named as a hole.
pub fn survey(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let sample = choices.pick(samples::sealed());
    let pieces = Pieces::of([choices.below(5000), choices.below(70_000)]);
    let wanted = ByteRange::new(choices.below(60_000) as u64, choices.below(60_000) as u64);
    // One that is wrong about where the header ends finds nothing, and says so.
    let header_len = match choices.byte() {
        255 => choices.below(10_000),
        _ => sample.header_len,
    };
    let mut payload = sample.file[sample.header_len..].to_vec();
    while choices.any() {
        edit(&mut payload, &mut choices);
    }
    let mut file = sample.file[..sample.header_len].to_vec();
    file.extend_from_slice(&payload);
    file.truncate(200_000);

    let survivors = surveyed(&file, header_len, &Pieces::whole());
    // Without a footer each survey tries thousands of lengths for the last chunk; one is enough then.
    if survivors.findings().is_empty() {
        let again = surveyed(&file, header_len, &pieces);
        assert_eq!(again.plain_len(), survivors.plain_len());
        assert_eq!(again.end_known(), survivors.end_known());
        assert_eq!(again.saved(), survivors.saved());
        assert_eq!(again.holes(), survivors.holes());
        assert!(again.findings().is_empty());
    }

    let original = samples::sealed().iter().find(|sample| {
        let salt = &sample.file[sample.header_len..][..SALT];
        file.get(header_len..header_len + SALT) == Some(salt)
    });
    let all = ByteRange::new(0, survivors.plain_len());
    let saved = check_pieces(&file, &survivors, original, all);
    assert_eq!(saved, survivors.saved());
    check_pieces(&file, &survivors, original, wanted);
    if let Some(original) = original {
        no_chunk_is_missed(&file, header_len, &survivors, original);
    }
    if header_len == sample.header_len
        && file == sample.file
        && open_sealed(&file, &Pieces::whole()).is_ok()
    {
        assert_eq!((survivors.holes(), survivors.findings()), (vec![], &[][..]));
    }
}

fn surveyed(file: &[u8], header_len: usize, pieces: &Pieces) -> Survivors {
    let key = FileKey::new(samples::FILE_KEY);
    let mut survey = Survey::new(file.len() as u64, header_len as u64, &key);
    let fed: Result<(), SealError> =
        feed_all(file, pieces, &mut survey, Survey::wants, Survey::feed);
    fed.unwrap();
    survey.finish().unwrap()
}

/// The pieces lie back to back and hold what was sealed. Gives how much that is.
fn check_pieces(
    file: &[u8],
    survivors: &Survivors,
    original: Option<&SealedSample>,
    range: ByteRange,
) -> u64 {
    let mut at = range.offset;
    let mut saved = 0;
    for piece in survivors.pieces(range) {
        assert_eq!(piece.plain.offset, at);
        assert!(piece.plain.len > 0);
        at = piece.plain.end();
        let Some(sealed) = piece.sealed else { continue };
        let original = original.expect("content of another archive");
        let content = survivors
            .open(&piece, slice(file, sealed).to_vec())
            .unwrap();
        assert_eq!(content, slice(&original.plain, piece.plain));
        saved += piece.plain.len;
    }
    let end = range.end().min(survivors.plain_len());
    assert_eq!(at, end.max(range.offset));
    saved
}

fn no_chunk_is_missed(
    file: &[u8],
    header_len: usize,
    survivors: &Survivors,
    original: &SealedSample,
) {
    let sealed = &original.file[original.header_len..];
    for number in 0..original.plain.len() / CHUNK {
        let place = PREFIX + number * SEALED_CHUNK;
        let there = file.get(header_len + place..header_len + place + SEALED_CHUNK);
        if there == Some(&sealed[place..place + SEALED_CHUNK]) {
            let chunk = ByteRange::new((number * CHUNK) as u64, CHUNK as u64);
            assert!(
                chunk.end() <= survivors.plain_len()
                    && survivors
                        .pieces(chunk)
                        .iter()
                        .all(|piece| piece.sealed.is_some()),
                "chunk {number} is whole and was not found"
            );
        }
    }
}

/// However an archive was damaged, the search ends, says the same in any pieces, and each entry that it names lies in the
/// file under a name that is safe. Of a whole archive it finds exactly the entries.
pub fn search(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let kind = choices.byte();
    let pieces = Pieces::of([
        usize::from(choices.byte()),
        choices.below(3000),
        choices.below(70_000),
    ]);
    let mut file = match kind % 4 {
        0 => choices.take(usize::MAX).to_vec(),
        1 | 2 => samples::archive().to_vec(),
        _ => crate::zip::built(&mut choices),
    };
    while choices.any() {
        edit(&mut file, &mut choices);
    }
    file.truncate(200_000);

    let limits = crate::zip::LIMITS;
    let found = searched(&file, limits, &Pieces::whole());
    assert_eq!(searched(&file, limits, &pieces), found);
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            assert!(matches!(error, ArchiveError::Limit { .. }), "{error:?}");
            return;
        }
    };
    let mut before = 0;
    for each in &found.entries {
        let entry = &each.entry;
        assert!(entry.offset >= before, "not in the order of their places");
        before = entry.offset;
        assert_eq!(name::check(&entry.name), Ok(()));
        let at = usize::try_from(entry.offset).unwrap();
        assert!(
            each.origin == Origin::Listed || file[at..].starts_with(b"PK\x03\x04"),
            "{each:?} has no record"
        );
        let reader = || EntryReader::new(entry, limits);
        let mut content = read_if_there(&file, reader(), &pieces);
        if let Err(error) = &content
            && each.second_try(error).is_some()
        {
            content = read_if_there(&file, reader().content_only(), &pieces);
        }
        if let Ok(content) = content {
            assert_eq!(content.len() as u64, entry.size);
            assert_eq!(crc32fast::hash(&content), entry.crc32);
        }
    }
    for gap in &found.gaps {
        assert!(gap.range.len > 0 && gap.range.end() <= file.len() as u64);
    }
    if let Ok(directory) = open_archive(&file, limits, &Pieces::whole()) {
        assert_eq!(found.directory, DirectoryState::Whole);
        for entry in directory.entries() {
            assert!(
                found
                    .entries
                    .iter()
                    .any(|each| each.origin == Origin::Listed && each.entry == *entry),
                "{} is listed and was not found",
                entry.name
            );
        }
    }
}

fn searched(file: &[u8], limits: Limits, pieces: &Pieces) -> Result<Found, ArchiveError> {
    let mut search = Search::new(file.len() as u64, limits);
    feed_all(file, pieces, &mut search, Search::wants, Search::feed)?;
    search.finish()
}

/// What a damaged directory says may lie behind the file; whoever reads an entry that was found has to expect that.
fn read_if_there(
    file: &[u8],
    mut reader: EntryReader,
    pieces: &Pieces,
) -> Result<Vec<u8>, ArchiveError> {
    let mut sizes = pieces.sizes();
    let mut out = Vec::new();
    loop {
        match reader.step(&mut out)? {
            Step::Want(wanted) if wanted.len == 0 || wanted.end() > file.len() as u64 => {
                return Err(ArchiveError::NoEnd);
            }
            Step::Want(wanted) => {
                let bytes = slice(file, wanted);
                let size = sizes.next().unwrap_or(usize::MAX).min(bytes.len());
                reader.feed(&bytes[..size])?;
            }
            Step::Output => {}
            Step::Done => return Ok(out),
        }
    }
}
