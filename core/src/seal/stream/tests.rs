use super::*;
use crate::seal::{
    Opening, ScrubChecker, Sealer,
    header::{MAGIC, MAX_HEADER_BYTES},
    seal_header,
    testing::TestRng,
};
use std::{format, string::String, vec};

const KEY: FileKey = FileKey::new([9; 32]);

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 % 251) as u8).collect()
}

fn seal(plain: &[u8]) -> Vec<u8> {
    let mut rng = TestRng(3);
    let block = seal_header(&KEY, &[], &mut rng).unwrap();
    let mut out = Vec::new();
    let mut sealer = Sealer::new(&KEY, &block, &mut rng, &mut out).unwrap();
    sealer.push(plain, &mut out).unwrap();
    sealer.finish(&mut out).unwrap();
    out
}

/// Reads from start to end; the content that was given out, and how it ended.
fn stream(file: &[u8], piece: usize) -> (Vec<u8>, Result<StreamEnd, SealError>) {
    let mut out = Vec::new();
    let mut stream = SealedStream::new();
    for mut piece in file.chunks(piece) {
        while !piece.is_empty() {
            let taken = match stream.push(piece, &mut out) {
                Ok(taken) => taken,
                Err(error) => return (out, Err(error)),
            };
            piece = &piece[taken..];
            if stream.locks().is_some()
                && let Err(error) = stream.unlock(&KEY)
            {
                return (out, Err(error));
            }
        }
    }
    let end = stream.finish(&mut out);
    (out, end)
}

/// Reads the way that needs to go back, chunk by chunk.
fn random_access(file: &[u8]) -> (Vec<u8>, Result<(), SealError>) {
    let range = |wanted: ByteRange| {
        &file[usize::try_from(wanted.offset).unwrap()..usize::try_from(wanted.end()).unwrap()]
    };
    let mut out = Vec::new();
    let result = (|| {
        let mut opening = Opening::new(file.len() as u64)?;
        while let Some(wanted) = opening.wants() {
            opening.feed(range(wanted))?;
        }
        let sealed = opening.finish()?;
        sealed.unlock_with_file_key(&KEY)?;
        let unsealer = sealed.unsealer(&KEY, range(sealed.prefix_range()))?;
        let mut at = 0;
        loop {
            let len = (unsealer.plain_len() - at).min(super::super::CHUNK_BYTES as u64);
            let located = unsealer.locate(ByteRange::new(at, len))?;
            out.extend(unsealer.open(located, range(located.sealed).to_vec())?);
            at += len;
            if at == unsealer.plain_len() {
                break;
            }
        }
        ScrubChecker::new(range(sealed.scrub_range()), sealed.footer().scrub_root)?;
        Ok(())
    })();
    (out, result)
}

/// Both readers must give the same name to what is wrong, and the stream no content that the other would not give,
/// unless the other refuses the file as a whole.
fn compare(file: &[u8], what: &str) {
    for piece in [1 << 20, 5_000] {
        let (streamed, end) = stream(file, piece);
        let (read, result) = random_access(file);
        assert_eq!(
            end.as_ref().map(|_| ()).map_err(SealError::clone),
            result,
            "{what}"
        );
        if read.is_empty() {
            assert!(content(200_000).starts_with(&streamed), "{what}");
        } else {
            assert!(
                content(200_000).starts_with(&read) && read.starts_with(&streamed),
                "{what}"
            );
        }
        if let Ok(end) = end {
            assert_eq!(streamed, read, "{what}");
            assert_eq!(end.plain_len, read.len() as u64, "{what}");
        }
    }
}

#[test]
fn any_length_in_any_pieces() {
    for len in [0, 1, 16_383, 16_384, 16_385, 32_768, 50_000, 2_200_000] {
        let file = seal(&content(len));
        for piece in [1, 100, 16_400, 16_401, 1 << 16, file.len()] {
            if piece == 1 && len > 100_000 {
                continue;
            }
            let (plain, end) = stream(&file, piece);
            let end = end.unwrap_or_else(|error| panic!("{len} in {piece}: {error}"));
            assert!(plain == content(len), "{len} in {piece}");
            assert_eq!(
                (end.file_len, end.unlike_table.len()),
                (file.len() as u64, 0)
            );
        }
    }
}

#[test]
fn every_truncation_has_the_name_that_random_access_gives() {
    let file = seal(&content(40_000));
    for len in 0..file.len() {
        if len < 4300 || len % 61 == 0 || file.len() - len < 300 {
            compare(&file[..len], &format!("cut to {len}"));
        }
    }
}

#[test]
fn every_flipped_byte_has_the_name_that_random_access_gives() {
    let mut file = seal(&content(40_000));
    for at in 0..file.len() {
        if at < 4300 || at % 61 == 0 || file.len() - at < 300 {
            file[at] ^= 0x10;
            compare(&file, &format!("byte {at}"));
            file[at] ^= 0x10;
        }
    }
    compare(&file, "nothing");
}

#[test]
fn other_damage_has_the_name_that_random_access_gives() {
    let file = seal(&content(100_000));
    let chunk = |number: usize| 4096 + PREFIX_BYTES + number * SEALED_CHUNK_BYTES;
    let mut cases: Vec<(String, Vec<u8>)> = Vec::new();
    let mut swapped = file.clone();
    let (first, second) = swapped.split_at_mut(chunk(2));
    first[chunk(1)..].swap_with_slice(&mut second[..SEALED_CHUNK_BYTES]);
    cases.push(("swapped".into(), swapped));
    cases.push((
        "a chunk is missing".into(),
        [&file[..chunk(2)], &file[chunk(3)..]].concat(),
    ));
    cases.push((
        "bytes are missing".into(),
        [&file[..chunk(2)], &file[chunk(2) + 700..]].concat(),
    ));
    cases.push((
        "bytes were put in".into(),
        [&file[..chunk(2)], b"more", &file[chunk(2)..]].concat(),
    ));
    cases.push(("appended".into(), [&file[..], b"more"].concat()));
    cases.push(("a lot appended".into(), [&file[..], &[7; 100_000]].concat()));
    cases.push(("twice".into(), [&file[..], &file[..]].concat()));
    cases.push(("without payload".into(), {
        let footer = &file[file.len() - FOOTER_LEN..];
        [&file[..4096], footer].concat()
    }));
    for (what, file) in cases {
        compare(&file, &what);
    }
}

#[test]
fn what_is_held_has_a_bound() {
    let mut file = seal(&content(3_000_000));
    file[4096 + PREFIX_BYTES + SEALED_CHUNK_BYTES + 5] ^= 1;
    let mut stream = SealedStream::new();
    let mut out = Vec::new();
    let taken = stream.push(&file, &mut out).unwrap();
    assert_eq!(taken, 4096);
    stream.unlock(&KEY).unwrap();
    for piece in file[taken..].chunks(1000) {
        stream.push(piece, &mut out).unwrap();
        if let State::Payload(payload) = &stream.state {
            assert!(payload.held.len() <= SEALED_CHUNK_BYTES + 32 + 96 + FOOTER_LEN);
        }
    }
    let damage = SealError::ChunkDamaged {
        chunk: 1,
        offset: (4096 + PREFIX_BYTES + SEALED_CHUNK_BYTES) as u64,
    };
    assert_eq!(stream.damage(), Some(&damage));
    assert_eq!(stream.finish(&mut out), Err(damage));
    assert_eq!(out, content(super::super::CHUNK_BYTES));
}

#[test]
fn a_table_that_differs_from_the_payload_is_told() {
    let file = seal(&content(1_100_000));
    let at = file.len() - FOOTER_LEN - 64;
    let mut forged = file.clone();
    forged[at + 40] ^= 1;
    let root = Digest::of(&forged[at..at + 64]);
    let from = forged.len() - FOOTER_LEN + 32;
    forged[from..from + 32].copy_from_slice(&root.0);
    let (plain, end) = stream(&forged, 10_000);
    let end = end.unwrap();
    assert_eq!(plain, content(1_100_000));
    let payload = end.footer.payload_len;
    assert_eq!(
        end.unlike_table,
        [ByteRange::new(4096 + (1 << 20), payload - (1 << 20))]
    );
}

#[test]
fn it_waits_for_the_key_and_can_be_given_another() {
    let file = seal(b"content");
    let mut stream = SealedStream::new();
    let mut out = Vec::new();
    assert!(stream.unlock(&KEY).is_err());
    assert_eq!(stream.push(&file, &mut out).unwrap(), 4096);
    assert_eq!(stream.push(&file[4096..], &mut out).unwrap(), 0);
    assert_eq!(
        stream.unlock(&FileKey::new([1; 32])),
        Err(SealError::HeaderDamaged)
    );
    stream.unlock(&KEY).unwrap();
    stream.push(&file[4096..], &mut out).unwrap();
    stream.finish(&mut out).unwrap();
    assert_eq!(out, b"content");
}

#[test]
fn a_header_takes_no_more_memory_than_its_limit() {
    let mut endless = MAGIC.to_vec();
    endless.extend_from_slice(&[0, 1, 0xff, 0xff]);
    endless.resize(1 << 20, b'x');
    let mut stream = SealedStream::new();
    let error = stream.push(&endless, &mut Vec::new());
    assert!(matches!(error, Err(SealError::HeaderMalformed { .. })));
    assert_eq!(MAX_HEADER_BYTES, 65_536);
}

/// A file that ends in a footer which says as much as its own length: a header, so many bytes, and the footer.
fn hollow(between: usize) -> Vec<u8> {
    let file = seal(&content(100));
    [
        &file[..4096],
        &vec![0; between],
        &file[file.len() - FOOTER_LEN..],
    ]
    .concat()
}

#[test]
fn a_file_too_short_for_a_footer_behind_its_header_is_cut_short() {
    let file = seal(&content(100));
    for cut in [4096 + FOOTER_LEN - 1, 4096 + 1, 4096] {
        let (_, end) = stream(&file[..cut], 1 << 20);
        assert_eq!(
            end,
            Err(SealError::CutShort { length: cut as u64 }),
            "{cut}"
        );
    }
    // A footer that reaches into the header is none: the header's own last bytes may look like one.
    let mut header = file[..4096].to_vec();
    header.extend_from_slice(&file[file.len() - FOOTER_LEN..][..FOOTER_LEN - 1]);
    let (_, end) = stream(&header, 1 << 20);
    assert_eq!(end, Err(SealError::CutShort { length: 4096 + 71 }));
    // Just as long as both: there is a footer, and what it says is looked at.
    for between in [0, 1, 55] {
        let file = hollow(between);
        let (_, end) = stream(&file, 1 << 20);
        assert!(
            matches!(end, Err(SealError::LengthMismatch { found, .. }) if found == file.len() as u64),
            "{between}: {end:?}"
        );
    }
}
