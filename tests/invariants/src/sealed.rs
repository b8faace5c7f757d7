//! Sealed archives: random access, the sequential reader, scrub.

use coffer_core::{
    ByteRange,
    seal::{FOOTER_BYTES, FileKey, SealError, Sealed, StreamEnd},
};
use sha2::{Digest, Sha256};

use crate::{
    choices::Choices,
    drive::{Pieces, open_sealed, scrub, slice, unseal, unseal_in_sequence},
    edit::edit,
    oracle,
    samples::{self, SealedSample},
};

const CHUNK: usize = 16 << 10;
const SEALED_CHUNK: usize = CHUNK + 16;
const PREFIX: usize = 56;

/// A sealed archive gives the content that was sealed or none, however it was damaged; what it names as damaged is. The
/// sequential reader and random access agree on what is whole, in pieces of any size.
pub fn sealed(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let sample = choices.pick(samples::sealed());
    let pieces = Pieces::of([
        choices.below(5000),
        choices.below(70_000),
        usize::from(choices.byte()),
    ]);
    let wanted: Vec<_> = (0..3)
        .map(|_| (choices.below(60_000) as u64, choices.below(60_000) as u64))
        .collect();
    let mut file = sample.file.clone();
    // Where the header ends, for those who repair what the edits broke.
    let mut header_len = sample.header_len;
    while choices.any() {
        match choices.byte() % 8 {
            0 => repair_end(&mut file, header_len),
            1 => repair_mac(&mut file),
            2 => {
                let other = choices.pick(samples::sealed());
                let header = other.file[..other.header_len].to_vec();
                file.splice(..header_len.min(file.len()), header);
                header_len = other.header_len;
            }
            3 => exchange_chunks(&mut file, header_len, &mut choices),
            _ => edit(&mut file, &mut choices),
        }
    }
    file.truncate(200_000);
    let whole = look(&file, &Pieces::whole());
    assert_eq!(look(&file, &pieces), whole, "in pieces {pieces:?}");
    let Ok(sealed) = open_sealed(&file, &pieces) else {
        assert_eq!(
            in_sequence(&file, &pieces).1.err().map(|_| ()),
            Some(()),
            "the sequential reader accepts what random access does not open"
        );
        return;
    };
    let content = authentic(&file, &sealed);
    if let Ok(sample) = content {
        for (offset, len) in wanted {
            read(&file, &sealed, sample, ByteRange::new(offset, len));
        }
    }
    scrubbed(&file, &sealed, &pieces);
    compare_with_sequence(&file, &sealed, content, &pieces);
}

fn key() -> FileKey {
    FileKey::new(samples::FILE_KEY)
}

/// What is known without a key, as text to compare.
fn look(file: &[u8], pieces: &Pieces) -> Result<String, SealError> {
    open_sealed(file, pieces).map(|sealed| {
        format!(
            "{:?} {:?} {:?} {:?} {:?}",
            sealed.locks(),
            sealed.footer(),
            sealed.payload_range(),
            sealed.scrub_range(),
            sealed.sender_range(),
        )
    })
}

/// The sample whose key and nonces the payload's prefix names.
fn authentic(file: &[u8], sealed: &Sealed) -> Result<&'static SealedSample, SealError> {
    let header = &file[..usize::try_from(sealed.header_len()).unwrap()];
    let unlocked = sealed.unlock_with_file_key(&key());
    if samples::sealed()
        .iter()
        .any(|sample| sample.file[..sample.header_len] == *header)
    {
        assert_eq!(unlocked, Ok(()));
    }
    unlocked?;
    let prefix = slice(file, sealed.prefix_range());
    let known = samples::sealed()
        .iter()
        .find(|sample| sample.file[sample.header_len..][..PREFIX] == *prefix);
    match (sealed.unsealer(&key(), prefix), known) {
        (Ok(_), Some(sample)) => Ok(sample),
        (Err(SealError::CommitmentMismatch), None) => Err(SealError::CommitmentMismatch),
        (result, known) => panic!(
            "{:?}, though the prefix is of a sample: {}",
            result.err(),
            known.is_some()
        ),
    }
}

/// The sealed bytes of chunk `number` of a payload region.
fn chunk(region: &[u8], number: usize) -> &[u8] {
    let from = region.len().min(PREFIX + number * SEALED_CHUNK);
    &region[from..region.len().min(from + SEALED_CHUNK)]
}

fn sample_region(sample: &SealedSample) -> &[u8] {
    let sealed = open_sealed(&sample.file, &Pieces::whole()).unwrap();
    slice(&sample.file, sealed.payload_range())
}

/// Reads a range: exactly what was sealed, or the first chunk that is not what was sealed.
fn read(file: &[u8], sealed: &Sealed, sample: &SealedSample, plain: ByteRange) {
    let region = slice(file, sealed.payload_range());
    let original = sample_region(sample);
    let unsealer = sealed
        .unsealer(&key(), slice(file, sealed.prefix_range()))
        .unwrap();
    let size = unsealer.plain_len();
    match unseal(file, sealed, &key(), plain) {
        Ok(content) => {
            assert!(plain.end() <= size);
            assert_eq!(content.len() as u64, plain.len);
            if plain.end() == size {
                assert_eq!(size, sample.plain.len() as u64, "a part passes for all");
            }
            if plain.len > 0 {
                assert_eq!(content, slice(&sample.plain, plain));
            }
        }
        Err(SealError::OutOfRange { .. }) => assert!(plain.end() > size),
        Err(SealError::ChunkDamaged {
            chunk: number,
            offset,
        }) => {
            let number = usize::try_from(number).unwrap();
            assert_eq!(
                offset,
                sealed.payload_range().offset + (PREFIX + number * SEALED_CHUNK) as u64
            );
            assert!(
                chunk(region, number) != chunk(original, number),
                "chunk {number} is as it was sealed"
            );
            let first = usize::try_from(plain.offset).unwrap() / CHUNK;
            for before in first..number {
                assert_eq!(chunk(region, before), chunk(original, before));
            }
        }
        Err(error) => panic!("{error:?}"),
    }
}

/// The table is believed exactly if it has its digest, and finds exactly the blocks that are not what it says.
fn scrubbed(file: &[u8], sealed: &Sealed, pieces: &Pieces) {
    let table = slice(file, sealed.scrub_range());
    let expected: Vec<u64> = slice(file, sealed.payload_range())
        .chunks(1 << 20)
        .zip(table.chunks(32))
        .enumerate()
        .filter(|(_, (block, digest))| Sha256::digest(block).as_slice() != *digest)
        .map(|(number, _)| number as u64)
        .collect();
    let root = Sha256::digest(table);
    match scrub(file, sealed, pieces) {
        Ok(damaged) => {
            assert_eq!(root.as_slice(), sealed.footer().scrub_root.0);
            assert_eq!(damaged, expected);
        }
        Err(error) => {
            assert_eq!(error, SealError::ScrubTableDamaged);
            assert_ne!(root.as_slice(), sealed.footer().scrub_root.0);
        }
    }
}

fn in_sequence(file: &[u8], pieces: &Pieces) -> (Vec<u8>, Result<StreamEnd, SealError>) {
    unseal_in_sequence(file, &key(), pieces)
}

/// What the sequential reader gives out is the start of what was sealed, and it ends well exactly if random access
/// finds every part whole.
fn compare_with_sequence(
    file: &[u8],
    sealed: &Sealed,
    content: Result<&'static SealedSample, SealError>,
    pieces: &Pieces,
) {
    let (out, end) = in_sequence(file, pieces);
    assert_eq!(
        (out.clone(), end.clone()),
        in_sequence(file, &Pieces::whole())
    );
    let sample = match content {
        Ok(sample) => sample,
        Err(error) => {
            assert_eq!(end, Err(error));
            assert!(out.is_empty());
            return;
        }
    };
    assert!(sample.plain.starts_with(&out));
    let prefix = slice(file, sealed.prefix_range());
    let size = sealed.unsealer(&key(), prefix).unwrap().plain_len();
    let all = ByteRange::new(0, size);
    let table = scrub(file, sealed, &Pieces::whole());
    let random = unseal(file, sealed, &key(), all);
    match end {
        Ok(end) => {
            assert_eq!(out, sample.plain);
            assert_eq!(random.as_ref(), Ok(&out));
            assert_eq!(end.plain_len, out.len() as u64);
            assert_eq!(end.file_len, file.len() as u64);
            assert_eq!(&end.footer, sealed.footer());
            let sender = sealed.sender_range().map(|range| {
                sealed
                    .sender(slice(file, sealed.prefix_range()), slice(file, range))
                    .unwrap()
            });
            assert_eq!(end.sender, sender);
            assert_eq!(
                table.map(|damaged| damaged.is_empty()),
                Ok(end.unlike_table.is_empty())
            );
        }
        Err(error) => {
            let sender = sealed
                .sender_range()
                .map(|range| sealed.sender(prefix, slice(file, range)));
            let sender = sender.and_then(Result::err);
            let first = random.err().or(sender).or(table.err());
            assert_eq!(Some(error), first);
        }
    }
}

/// Makes scrub table and footer fit the payload, which is taken to reach up to where they were.
fn repair_end(file: &mut Vec<u8>, header_len: usize) {
    let Some(region) = file.get(header_len..) else {
        return;
    };
    // The table has 32 bytes for each MiB and there may be a sender; samples and edits of them have one block.
    let signed = region.len() > 72 && region[region.len() - 68..][..4] == 96_u32.to_be_bytes();
    let end = 32 + usize::try_from(FOOTER_BYTES).unwrap() + if signed { 96 } else { 0 };
    let Some(len) = region.len().checked_sub(end) else {
        return;
    };
    let payload = region[..len].to_vec();
    let sender = if signed {
        region[len + 32..][..96].to_vec()
    } else {
        Vec::new()
    };
    file.truncate(header_len);
    file.extend_from_slice(&payload);
    file.extend_from_slice(&oracle::sealed_end(&payload, &sender));
}

/// Makes the header authentic again, if it still has the shape of one.
fn repair_mac(file: &mut [u8]) {
    let Some(len) = file.get(12..16) else { return };
    let end = 16 + u32::from_be_bytes(len.try_into().unwrap()) as usize;
    if end <= file.len()
        && let Some(at) = end.checked_sub(oracle::MAC_LINE).filter(|at| *at >= 16)
    {
        let line = oracle::mac_line(&samples::FILE_KEY, &file[..at]);
        file[at..end].copy_from_slice(&line);
    }
}

fn exchange_chunks(file: &mut [u8], header_len: usize, choices: &mut Choices<'_>) {
    let Some(chunks) = file.get_mut(header_len + PREFIX..) else {
        return;
    };
    let count = chunks.len() / SEALED_CHUNK;
    if count > 1 {
        let (a, b) = (choices.below(count), choices.below(count));
        for at in 0..SEALED_CHUNK {
            chunks.swap(a * SEALED_CHUNK + at, b * SEALED_CHUNK + at);
        }
    }
}
