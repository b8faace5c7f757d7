use super::*;
use crate::seal::{Sealer, seal_header, testing::TestRng};
use std::format;

const KEY: FileKey = FileKey::new([9; 32]);
const HEADER: usize = 4096;

fn content(len: usize) -> Vec<u8> {
    (0..len)
        .map(|at| (at * 31 % 251) as u8 ^ (at >> 12) as u8)
        .collect()
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

fn place(chunk: usize) -> usize {
    HEADER + PREFIX_BYTES + chunk * SEALED_CHUNK_BYTES
}

fn range(file: &[u8], range: ByteRange) -> &[u8] {
    &file[usize::try_from(range.offset).unwrap()..usize::try_from(range.end()).unwrap()]
}

fn survey(file: &[u8], step: usize) -> Survivors {
    let mut survey = Survey::new(file.len() as u64, HEADER as u64, &KEY);
    while let Some(wanted) = survey.wants() {
        let bytes = range(file, wanted);
        survey.feed(&bytes[..bytes.len().min(step)]).unwrap();
    }
    survey.finish().unwrap()
}

/// What survives must be the original's; returns the holes, in bytes of content.
fn check(file: &[u8], original: &[u8], what: &str) -> (Survivors, Vec<(u64, u64)>) {
    let survivors = survey(file, usize::MAX);
    let all = ByteRange::new(0, survivors.plain_len());
    let mut at = 0;
    let mut saved = 0;
    for piece in survivors.pieces(all) {
        assert_eq!(piece.plain.offset, at, "{what}");
        at = piece.plain.end();
        let sealed = piece
            .sealed
            .map_or(Vec::new(), |sealed| range(file, sealed).to_vec());
        let plain = survivors.open(&piece, sealed).unwrap();
        if piece.sealed.is_some() {
            assert!(plain == range(original, piece.plain), "{what}: {piece:?}");
            saved += piece.plain.len;
        } else {
            assert!(plain.iter().all(|byte| *byte == 0));
        }
    }
    assert_eq!(at, survivors.plain_len(), "{what}");
    assert_eq!(saved, survivors.saved(), "{what}");
    let holes = survivors.holes();
    let holes = holes.iter().map(|hole| (hole.offset, hole.end())).collect();
    (survivors, holes)
}

fn chunks(from: u64, to: u64) -> (u64, u64) {
    (from * CHUNK_BYTES as u64, to * CHUNK_BYTES as u64)
}

const LEN: usize = 5 * CHUNK_BYTES + 1000;

#[test]
fn a_whole_file_has_no_holes() {
    for len in [
        0,
        1,
        CHUNK_BYTES - 1,
        CHUNK_BYTES,
        CHUNK_BYTES + 1,
        LEN,
        5_000_000,
    ] {
        let plain = content(len);
        let (survivors, holes) = check(&seal(&plain), &plain, "whole");
        assert_eq!(
            (survivors.plain_len(), survivors.end_known()),
            (len as u64, true)
        );
        assert_eq!((holes, survivors.findings()), (vec![], &[][..]), "{len}");
    }
}

#[test]
fn any_range_is_read_with_its_holes() {
    let plain = content(LEN);
    let mut file = seal(&plain);
    file[place(2) + 9] ^= 1;
    let survivors = survey(&file, usize::MAX);
    let mut expected = plain.clone();
    expected[2 * CHUNK_BYTES..3 * CHUNK_BYTES].fill(0);
    let ends = [
        0,
        1,
        16_383,
        16_384,
        16_385,
        33_000,
        49_152,
        60_000,
        LEN - 1,
        LEN,
    ];
    for from in ends {
        for to in ends.into_iter().filter(|to| *to >= from) {
            let wanted = ByteRange::new(from as u64, (to - from) as u64);
            let mut read = Vec::new();
            for piece in survivors.pieces(wanted) {
                let sealed = piece
                    .sealed
                    .map_or(Vec::new(), |sealed| range(&file, sealed).to_vec());
                read.extend(survivors.open(&piece, sealed).unwrap());
            }
            assert!(read == expected[from..to], "{from}..{to}");
        }
    }
}

#[test]
fn damage_costs_the_chunks_that_it_touches() {
    let plain = content(LEN);
    let file = seal(&plain);
    for chunk in 0..6 {
        let mut damaged = file.clone();
        damaged[place(chunk) + 3] ^= 1;
        let (_, holes) = check(&damaged, &plain, "a chunk");
        let (from, to) = chunks(chunk as u64, chunk as u64 + 1);
        assert_eq!(holes, [(from, to.min(LEN as u64))]);
    }
    let mut swapped = file.clone();
    let (first, second) = swapped.split_at_mut(place(3));
    first[place(1)..place(2)].swap_with_slice(&mut second[..SEALED_CHUNK_BYTES]);
    assert_eq!(
        check(&swapped, &plain, "swapped").1,
        [chunks(1, 2), chunks(3, 4)]
    );
}

#[test]
fn a_damaged_start_of_the_payload_costs_all_or_nothing() {
    let plain = content(LEN);
    let mut file = seal(&plain);
    file[HEADER + 30] ^= 1;
    let (survivors, holes) = check(&file, &plain, "commitment");
    assert!(holes.is_empty());
    assert_eq!(survivors.findings(), [SealError::CommitmentMismatch]);
    // Without the salt there is no key.
    file[HEADER] ^= 1;
    let (survivors, holes) = check(&file, &plain, "salt");
    assert_eq!((holes, survivors.saved()), (vec![(0, LEN as u64)], 0));
}

#[test]
fn a_cut_costs_what_was_cut_off() {
    let plain = content(LEN);
    let file = seal(&plain);
    let payload_end = place(5) + 1000 + TAG_BYTES;
    let end = |file: &[u8]| {
        let (survivors, holes) = check(file, &plain, &format!("cut to {}", file.len()));
        assert_eq!(holes, []);
        assert_eq!(
            survivors.findings(),
            [SealError::CutShort {
                length: file.len() as u64
            }]
        );
        (survivors.saved(), survivors.end_known())
    };
    // In the last chunk, before it, and at its end.
    assert_eq!(
        end(&file[..payload_end - 1]),
        (5 * CHUNK_BYTES as u64, false)
    );
    assert_eq!(end(&file[..place(5)]), (5 * CHUNK_BYTES as u64, false));
    assert_eq!(end(&file[..place(5) + 5]), (5 * CHUNK_BYTES as u64, false));
    assert_eq!(end(&file[..payload_end]), (LEN as u64, true));
    // In the scrub table and in the footer: all content is there.
    assert_eq!(end(&file[..payload_end + 7]), (LEN as u64, true));
    assert_eq!(end(&file[..payload_end + 32]), (LEN as u64, true));
    assert_eq!(end(&file[..file.len() - 1]), (LEN as u64, true));
    // In and between earlier chunks.
    assert_eq!(end(&file[..place(3)]), (3 * CHUNK_BYTES as u64, false));
    assert_eq!(
        end(&file[..place(3) + 8000]),
        (3 * CHUNK_BYTES as u64, false)
    );
    assert_eq!(end(&file[..place(0) + 1]), (0, false));
    assert_eq!(end(&file[..HEADER + 20]), (0, false));
    assert_eq!(end(&file[..HEADER]), (0, false));
}

#[test]
fn what_was_added_is_passed_over() {
    let plain = content(LEN);
    let file = seal(&plain);
    let other = seal(&content(40_000));
    for (what, junk) in [
        ("a little", vec![7; 10]),
        ("a lot", vec![7; 100_000]),
        ("the same again", file.clone()),
        ("another", other),
    ] {
        let (survivors, holes) = check(&[&file[..], &junk].concat(), &plain, what);
        assert_eq!(
            (holes, survivors.plain_len()),
            (vec![], LEN as u64),
            "{what}"
        );
    }
    // More than the footer is looked for in.
    let (survivors, holes) = check(&[&file[..], &vec![7; 3 << 20]].concat(), &plain, "much");
    assert_eq!((holes, survivors.plain_len()), (vec![], LEN as u64));
}

#[test]
fn chunks_behind_missing_or_added_bytes_are_found() {
    let plain = content(LEN);
    let file = seal(&plain);
    type Case = (&'static str, Vec<u8>, Vec<(u64, u64)>);
    let cases: Vec<Case> = vec![
        (
            "bytes of a chunk",
            [&file[..place(2) + 100], &file[place(2) + 164..]].concat(),
            vec![chunks(2, 3)],
        ),
        (
            "two chunks and a bit",
            [&file[..place(1) + 100], &file[place(3) + 164..]].concat(),
            vec![chunks(1, 4)],
        ),
        (
            "bytes put in",
            [&file[..place(2) + 100], &[1; 777], &file[place(2) + 100..]].concat(),
            vec![chunks(2, 3)],
        ),
        (
            "put in between chunks",
            [&file[..place(2)], &[1; 777], &file[place(2)..]].concat(),
            vec![],
        ),
        (
            "most of the file",
            [&file[..place(0) + 1], &file[place(5)..]].concat(),
            vec![chunks(0, 5)],
        ),
        (
            // The third one authenticates at its own place and at the moved one.
            "a chunk put in twice, and the first one damaged",
            [
                &file[..place(0)],
                &[7],
                &file[place(0) + 1..place(3)],
                &file[place(2)..],
            ]
            .concat(),
            vec![chunks(0, 1)],
        ),
    ];
    for (what, damaged, expected) in cases {
        let (survivors, holes) = check(&damaged, &plain, what);
        assert_eq!(holes, expected, "{what}");
        assert!(matches!(
            survivors.findings(),
            [SealError::LengthMismatch { .. }]
        ));
    }
}

#[test]
fn a_footer_that_lies_costs_nothing() {
    let plain = content(LEN);
    let file = seal(&plain);
    let at = file.len() - 72;
    for payload_len in [72_u64, (1 << 50) + 100, 56 + 16_400 + 16] {
        let mut damaged = file.clone();
        let table = payload_len.div_ceil(1 << 20) * 32;
        damaged[at + 8..at + 16].copy_from_slice(&payload_len.to_be_bytes());
        damaged[at + 16..at + 24].copy_from_slice(&table.to_be_bytes());
        let (survivors, _) = check(&damaged, &plain, "a lie");
        assert!(survivors.saved() >= 5 * CHUNK_BYTES as u64, "{payload_len}");
    }
}

#[test]
fn any_damage_leaves_the_rest_as_it_was() {
    let plain = content(3 * CHUNK_BYTES + 200);
    let file = seal(&plain);
    let mut seed = 1_u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as usize % below
    };
    for round in 0..150 {
        let mut damaged = file.clone();
        for _ in 0..=random(3) {
            let at = HEADER + random(damaged.len() - HEADER);
            match random(4) {
                0 => damaged.truncate(at),
                1 => drop(damaged.drain(at..(at + random(20_000)).min(damaged.len()))),
                2 => damaged[at] ^= 1 << random(8),
                _ => drop(damaged.splice(at..at, vec![random(256) as u8; random(20_000)])),
            }
            if damaged.len() <= HEADER + 100 {
                break;
            }
        }
        let (survivors, _) = check(&damaged, &plain, &format!("round {round}"));
        assert!(survivors.plain_len() <= plain.len() as u64 + CHUNK_BYTES as u64);
    }
}

#[test]
fn it_takes_bytes_one_by_one() {
    let plain = content(2 * CHUNK_BYTES + 5);
    let mut file = seal(&plain);
    file[place(1)] ^= 1;
    let survivors = survey(&file, 1);
    let (saved, holes) = (survivors.saved(), survivors.holes());
    assert_eq!(saved, CHUNK_BYTES as u64 + 5);
    assert_eq!(
        holes,
        [ByteRange::new(CHUNK_BYTES as u64, CHUNK_BYTES as u64)]
    );
}

mod reads;
