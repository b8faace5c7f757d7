//! Sealed archives: whatever is sealed in whatever pieces is read in whatever pieces and ranges; no bit of a sealed
//! archive can change without a failure that has the right name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use coffer_core::{
    ByteRange,
    seal::{
        Access, CHUNK_BYTES, FileKey, PREFIX_BYTES, Password, SEALED_CHUNK_BYTES, SealError,
        Sealer, seal_header, sealed_len,
    },
};
use coffer_invariants::{
    drive::{Pieces, open_sealed, scrub, slice, unseal, unseal_in_sequence},
    samples::{CHEAP, FILE_KEY, Noise, PASSWORD, SealedSample, seal, secret_keys, sender_key},
};
use proptest::prelude::*;

/// Lengths of content: small ones, and those around the ends of chunks.
fn lengths() -> impl Strategy<Value = usize> {
    prop_oneof![
        0_usize..200,
        (1_usize..5, 0_usize..4).prop_map(|(chunks, more)| chunks * CHUNK_BYTES + more - 2),
        0_usize..150_000,
    ]
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(
        prop_oneof![1_usize..20, 16_000_usize..17_000, 1_usize..100_000],
        1..6,
    )
}

fn content(len: usize) -> Vec<u8> {
    Noise::new(len as u64 + 1).bytes(len)
}

fn key() -> FileKey {
    FileKey::new(FILE_KEY)
}

/// A range within `len` bytes, chosen by two fractions.
fn range_within(len: usize, (a, b): (f64, f64)) -> Range<usize> {
    let at = |fraction: f64| (fraction * (len + 1) as f64) as usize;
    at(a.min(b)).min(len)..at(a.max(b)).min(len)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_sealed_in_any_pieces_is_read_in_any_pieces_and_ranges(
        len in lengths(),
        write in sizes(),
        read in sizes(),
        ranges in prop::collection::vec((0.0..=1.0, 0.0..=1.0), 1..6),
        signed: bool,
    ) {
        let plain = content(len);
        let sender = signed.then(sender_key);
        let whole = seal(&[], [plain.as_slice()], sender, 5);
        let file = seal(&[], Pieces::of(write).cut(&plain), sender, 5).file;
        prop_assert!(file == whole.file, "the pieces show in the file");
        let expected = sealed_len(whole.header_len as u64, len as u64).unwrap();
        prop_assert_eq!(file.len() as u64, expected + if signed { 96 } else { 0 });

        let pieces = Pieces::of(read);
        let sealed = open_sealed(&file, &pieces).unwrap();
        prop_assert_eq!(sealed.unlock_with_file_key(&key()), Ok(()));
        for fractions in ranges {
            let range = range_within(len, fractions);
            let wanted = ByteRange::new(range.start as u64, range.len() as u64);
            prop_assert_eq!(unseal(&file, &sealed, &key(), wanted).unwrap(), &plain[range]);
        }
        prop_assert_eq!(scrub(&file, &sealed, &pieces), Ok(vec![]));
        let (streamed, end) = unseal_in_sequence(&file, &key(), &pieces);
        prop_assert!(streamed == plain);
        let end = end.unwrap();
        prop_assert_eq!((end.plain_len, end.file_len), (len as u64, file.len() as u64));
        prop_assert!(end.unlike_table.is_empty());
    }

    #[test]
    fn chunks_sealed_elsewhere_make_the_same_file(
        batches in prop::collection::vec(1_usize..6, 0..5),
        rest in 0..CHUNK_BYTES,
        write in sizes(),
    ) {
        let len = batches.iter().sum::<usize>() * CHUNK_BYTES + rest;
        let plain = content(len);
        let expected = seal(&[], Pieces::of(write).cut(&plain), None, 6).file;
        let mut noise = Noise::new(6);
        let block = seal_header(&key(), &[], &mut noise).unwrap();
        let mut file = Vec::new();
        let mut sealer = Sealer::new(&key(), &block, &mut noise, &mut file).unwrap();
        let worker = sealer.chunk_sealer();
        let (mut left, mut sealed) = (plain.as_slice(), Vec::new());
        // All are handed out before any comes back, and the last is done first.
        for chunks in batches {
            let (now, later) = left.split_at(chunks * CHUNK_BYTES);
            sealed.push((sealer.next_batch(now.len()).unwrap(), now));
            left = later;
        }
        let mut done: Vec<_> = sealed
            .into_iter()
            .rev()
            .map(|(batch, plain)| {
                let mut out = Vec::new();
                worker.seal(&batch, plain, &mut out).unwrap();
                (batch, out)
            })
            .collect();
        while let Some((batch, sealed)) = done.pop() {
            sealer.accept(&batch, &sealed).unwrap();
            file.extend_from_slice(&sealed);
        }
        sealer.push(left, &mut file).unwrap();
        sealer.finish(&mut file).unwrap();
        prop_assert!(file == expected);
    }

    #[test]
    fn any_part_alone_is_no_archive(len in 0_usize..60_000, cut in (0.0..=1.0, 0.0..=1.0)) {
        let file = seal(&[], [content(len).as_slice()], None, 7).file;
        let part = range_within(file.len(), cut);
        prop_assume!(part.len() < file.len());
        prop_assert!(open_sealed(&file[part.clone()], &Pieces::whole()).is_err());
        prop_assert!(unseal_in_sequence(&file[part], &key(), &Pieces::whole()).1.is_err());
    }
}

/// Everything about a file that can be checked with its file key. Gives the name of the first failure.
fn check(file: &[u8]) -> Result<Vec<u8>, SealError> {
    let sealed = open_sealed(file, &Pieces::whole())?;
    sealed.unlock_with_file_key(&key())?;
    let prefix = slice(file, sealed.prefix_range());
    let len = sealed.unsealer(&key(), prefix)?.plain_len();
    let plain = unseal(file, &sealed, &key(), ByteRange::new(0, len))?;
    if let Some(range) = sealed.sender_range() {
        sealed.sender(prefix, slice(file, range))?;
    }
    let damaged = scrub(file, &sealed, &Pieces::whole())?;
    assert_eq!(
        damaged, [0_u64; 0],
        "it authenticates, but is not what the table says"
    );
    Ok(plain)
}

/// The parts of a file with one header unit, in order.
fn regions(file: &[u8]) -> Vec<(&'static str, Range<usize>)> {
    let sealed = open_sealed(file, &Pieces::whole()).unwrap();
    let range = |range: ByteRange| {
        usize::try_from(range.offset).unwrap()..usize::try_from(range.end()).unwrap()
    };
    let text = 16 + u32::from_be_bytes(file[12..16].try_into().unwrap()) as usize;
    let (payload, table) = (range(sealed.payload_range()), range(sealed.scrub_range()));
    let footer = file.len() - 72;
    let mut regions = vec![
        ("magic", 0..8),
        ("version", 8..10),
        ("units", 10..12),
        ("text length", 12..16),
        ("text", 16..text),
        ("padding", text..payload.start),
        ("prefix", payload.start..payload.start + PREFIX_BYTES),
        ("chunks", payload.start + PREFIX_BYTES..payload.end),
        ("table", table.clone()),
    ];
    regions.extend(
        sealed
            .sender_range()
            .map(|sender| ("sender", range(sender))),
    );
    regions.extend([
        ("footer version", footer..footer + 4),
        ("sender length", footer + 4..footer + 8),
        ("payload length", footer + 8..footer + 16),
        ("table length", footer + 16..footer + 24),
        ("reserved", footer + 24..footer + 32),
        ("table digest", footer + 32..footer + 64),
        ("footer magic", footer + 64..file.len()),
    ]);
    let mut at = 0;
    for (name, range) in &regions {
        assert_eq!(range.start, at, "{name} does not follow");
        at = range.end;
    }
    assert_eq!(at, file.len());
    regions
}

/// Which failures a flipped bit of a region may have; all of them must occur.
fn names(region: &str) -> &'static [&'static str] {
    match region {
        "magic" => &["not_sealed", "text_mode"],
        "version" => &["unsupported_version"],
        "units" => &["cut_short", "header_malformed"],
        "text length" | "padding" => &["header_malformed"],
        "text" => &["header_damaged", "header_malformed"],
        "prefix" => &["commitment_mismatch"],
        "chunks" => &["chunk_damaged"],
        "table" => &["scrub_table_damaged"],
        // Somebody signed it.
        "table digest" => &["sender_signature_wrong"],
        "sender" => &["sender_malformed", "sender_signature_wrong"],
        "footer version" | "sender length" | "table length" | "reserved" => &["footer_malformed"],
        "payload length" => &["footer_malformed", "length_mismatch"],
        "footer magic" => &["cut_short"],
        other => panic!("{other}"),
    }
}

/// A file of one chunk with several ways in and a sender.
fn small() -> SealedSample {
    let password = Password::new(PASSWORD);
    let recipient = secret_keys()[1].recipient().unwrap();
    let access = [
        Access::Password {
            password: &password,
            cost: CHEAP,
        },
        Access::Recipient(&recipient),
    ];
    seal(&access, [content(100).as_slice()], Some(sender_key()), 8)
}

#[test]
fn every_bit_of_a_small_file_has_a_failure_of_its_own_name() {
    let sample = small();
    let mut file = sample.file;
    assert_eq!(check(&file).as_ref(), Ok(&sample.plain));
    for (region, range) in regions(&file) {
        let mut found = BTreeMap::new();
        for at in range.start * 8..range.end * 8 {
            file[at / 8] ^= 1 << (at % 8);
            let error = check(&file).expect_err(region);
            if region == "chunks" {
                let damaged = SealError::ChunkDamaged {
                    chunk: 0,
                    offset: 4096 + PREFIX_BYTES as u64,
                };
                assert_eq!(error, damaged);
            }
            found.entry(error.code()).or_insert(at);
            // The sequential reader has the same name for it.
            let (_, end) = unseal_in_sequence(&file, &key(), &Pieces::whole());
            assert_eq!(end.err(), Some(error), "bit {at} of {region}");
            file[at / 8] ^= 1 << (at % 8);
        }
        let codes: BTreeSet<_> = found.keys().copied().collect();
        let expected: BTreeSet<_> = names(region).iter().copied().collect();
        assert_eq!(codes, expected, "{region}, first at {found:?}");
    }
}

#[test]
fn every_bit_of_the_ways_in_keeps_a_password_and_a_key_out() {
    let sample = small();
    let mut file = sample.file;
    let password = Password::new(PASSWORD);
    let secret = &secret_keys()[1];
    let text = regions(&file)[4].1.clone();
    let mut found = BTreeSet::new();
    for at in text.start * 8..text.end * 8 {
        file[at / 8] ^= 1 << (at % 8);
        match open_sealed(&file, &Pieces::whole()) {
            Err(error) => assert_eq!(error.code(), "header_malformed"),
            Ok(sealed) => {
                let by_password = sealed.unlock(&password).expect_err("a password");
                let by_key = sealed.unlock_with_key(secret).expect_err("a key");
                found.extend([("password", by_password.code()), ("key", by_key.code())]);
            }
        }
        file[at / 8] ^= 1 << (at % 8);
    }
    let expected = [
        ("key", "header_damaged"),
        ("key", "not_a_recipient"),
        ("password", "cost_too_high"),
        ("password", "header_damaged"),
        ("password", "header_malformed"),
        ("password", "not_a_recipient"),
        ("password", "wrong_password"),
    ];
    assert_eq!(found, BTreeSet::from(expected));
}

/// Three chunks more than a block of the scrub table, made once.
fn large() -> &'static SealedSample {
    static LARGE: std::sync::OnceLock<SealedSample> = std::sync::OnceLock::new();
    LARGE.get_or_init(|| {
        let plain = content((1 << 20) + 3 * CHUNK_BYTES);
        seal(&[], [plain.as_slice()], Some(sender_key()), 9)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_bit_of_a_larger_file_has_a_failure_of_its_own_name(at: prop::sample::Index, bit in 0_u32..8) {
        let sample = large();
        let mut file = sample.file.clone();
        let at = at.index(file.len());
        file[at] ^= 1_u8 << bit;
        let error = check(&file).unwrap_err();
        let regions = regions(&sample.file);
        let (region, range) = regions.iter().find(|(_, range)| range.contains(&at)).unwrap();
        prop_assert!(names(region).contains(&error.code()), "{region}: {error}");
        let payload = 4096..regions[8].1.start;
        if *region == "chunks" {
            let chunk = (at - range.start) / SEALED_CHUNK_BYTES;
            let offset = (range.start + chunk * SEALED_CHUNK_BYTES) as u64;
            prop_assert_eq!(error, SealError::ChunkDamaged { chunk: chunk as u64, offset });
        }
        if payload.contains(&at) {
            // Without any key, the scrub table names the block.
            let sealed = open_sealed(&file, &Pieces::whole()).unwrap();
            let block = ((at - payload.start) >> 20) as u64;
            prop_assert_eq!(scrub(&file, &sealed, &Pieces::whole()), Ok(vec![block]));
        }
    }
}
