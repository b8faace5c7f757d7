//! What a survey reads, and in which order: each place once, at places that follow from the format.

use super::*;
use crate::seal::SenderKey;

/// Length of the content's last chunk, sealed.
const LAST: u64 = 1000 + TAG_BYTES as u64;

/// The ranges that a survey asks for, and what it finds.
fn reads(file: &[u8]) -> (Vec<(u64, u64)>, Survivors) {
    let mut survey = Survey::new(file.len() as u64, HEADER as u64, &KEY);
    let mut asked = Vec::new();
    while let Some(wanted) = survey.wants() {
        asked.push((wanted.offset, wanted.len));
        survey.feed(range(file, wanted)).unwrap();
    }
    (asked, survey.finish().unwrap())
}

/// What every survey of a file begins with: its end, and the start of its payload.
fn start(file: &[u8]) -> [(u64, u64); 2] {
    let len = file.len() as u64;
    let tail = (len - HEADER as u64).min(2 << 20);
    [(len - tail, tail), (HEADER as u64, PREFIX_BYTES as u64)]
}

/// Full chunks from one number up to another, all moved by some bytes.
fn full(from: usize, to: usize, moved: i64) -> (u64, u64) {
    let offset = (place(from) as u64).checked_add_signed(moved).unwrap();
    (offset, ((to - from) * SEALED_CHUNK_BYTES) as u64)
}

fn expect(what: &str, file: &[u8], then: &[(u64, u64)]) -> Survivors {
    let (asked, survivors) = reads(file);
    assert_eq!(asked, [&start(file), then].concat(), "{what}");
    survivors
}

#[test]
fn a_whole_file_is_read_once_from_its_start_to_its_last_chunk() {
    for (chunks, slabs) in [
        (0, &[][..]),
        (5, &[(0, 5)]),
        (256, &[(0, 256)]),
        (257, &[(0, 256), (256, 257)]),
        (600, &[(0, 256), (256, 512), (512, 600)]),
    ] {
        let file = seal(&content(chunks * CHUNK_BYTES + 1000));
        let mut then: Vec<_> = slabs.iter().map(|(from, to)| full(*from, *to, 0)).collect();
        then.push((place(chunks) as u64, LAST));
        expect(&format!("{chunks} chunks"), &file, &then);
    }
}

#[test]
fn what_follows_the_last_full_chunk_of_a_cut_file_is_read_once() {
    let file = seal(&content(LEN));
    let cut = |len: usize| file[..len].to_vec();
    let least = TAG_BYTES;
    expect("at a chunk", &cut(place(3)), &[full(0, 3, 0)]);
    expect(
        "too short for a chunk",
        &cut(place(3) + least - 1),
        &[full(0, 3, 0)],
    );
    for more in [least, 8000, SEALED_CHUNK_BYTES - 1] {
        expect(
            "in a chunk",
            &cut(place(3) + more),
            &[full(0, 3, 0), (place(3) as u64, more as u64)],
        );
    }
    expect(
        "before the first full one",
        &cut(place(0) + 500),
        &[(place(0) as u64, 500)],
    );
    // Nothing can be found where not even the start of the payload is left.
    let short = cut(HEADER + PREFIX_BYTES - 1);
    assert_eq!(reads(&short).0, []);
    expect("only the start", &cut(HEADER + PREFIX_BYTES), &[]);
}

#[test]
fn a_last_chunk_of_unknown_length_is_tried_at_two_places() {
    // Of the last full chunk one byte is rotten, so the short one behind it may also be the one in its place.
    let mut file = seal(&content(LEN));
    file.truncate(place(5) + 1016);
    file[place(4) + 3] ^= 1;
    let survivors = expect(
        "the last two",
        &file,
        &[
            full(0, 5, 0),
            (place(4) as u64, SEALED_CHUNK_BYTES as u64 - 1),
            (place(5) as u64, LAST),
        ],
    );
    assert_eq!(survivors.holes(), [ByteRange::new(65_536, 16_384)]);
    // No third place is tried, however much follows.
    file[place(3) + 3] ^= 1;
    let survivors = expect(
        "the last three",
        &file,
        &[
            full(0, 5, 0),
            (place(3) as u64, SEALED_CHUNK_BYTES as u64 - 1),
            (place(4) as u64, SEALED_CHUNK_BYTES as u64 - 1),
        ],
    );
    assert_eq!(survivors.plain_len(), 3 * CHUNK_BYTES as u64);
}

#[test]
fn chunks_that_are_moved_are_read_at_both_places_from_the_damage_on() {
    let file = seal(&content(LEN));
    let end = place(5) as u64 + LAST;
    let without = |from: usize, to: usize| [&file[..from], &file[to..]].concat();
    // Where the payload's own end would be there is as much as the scrub table, which the file has behind it.
    expect(
        "64 bytes missing",
        &without(place(2) + 100, place(2) + 164),
        &[full(0, 5, 0), full(2, 5, -64), (end - LAST - 64, LAST)],
    );
    expect(
        "bytes missing from the first chunk",
        &without(place(0) + 100, place(0) + 164),
        &[full(0, 5, 0), full(0, 5, -64), (end - LAST - 64, LAST)],
    );
    expect(
        "two chunks and 64 bytes missing",
        &without(place(1) + 100, place(3) + 164),
        &[
            full(0, 3, 0),
            // The second one would begin before the file.
            full(2, 5, -(2 * 16_400 + 64)),
            (end - LAST - 2 * 16_400 - 64, LAST),
        ],
    );
    // None of the full ones has a place in the file any more.
    expect(
        "the first five",
        &without(place(0) + 1, place(5)),
        &[(end - LAST - 5 * 16_400 + 1, LAST)],
    );
    let more = [&file[..place(2) + 100], &[1; 777], &file[place(2) + 100..]].concat();
    expect(
        "bytes put in",
        &more,
        &[full(0, 5, 0), full(2, 5, 777), (end - LAST + 777, LAST)],
    );
    // However much is behind it, at moved places no more full ones are looked for than there were.
    let longer = [more.as_slice(), &[0; 40_000]].concat();
    expect(
        "bytes put in, and more behind the footer",
        &longer,
        &[full(0, 7, 0), full(2, 5, 777), (end - LAST + 777, LAST)],
    );
}

#[test]
fn a_last_chunk_is_also_tried_at_its_own_place() {
    let file = seal(&content(LEN));
    let own = place(5) as u64;
    // 40 bytes of the scrub table are missing: what lies before it did not move, so it is found where it belongs.
    let table = place(5) + 1016;
    let mut moved = [&file[..table], &[3; 40], &file[table..]].concat();
    let survivors = expect(
        "put in behind it",
        &moved,
        &[full(0, 5, 0), (own + 40, LAST), (own, LAST)],
    );
    assert_eq!(survivors.holes(), []);
    // Where it is rotten, both places were tried, and no other.
    moved[place(5) + 1] ^= 1;
    let survivors = expect(
        "and rotten",
        &moved,
        &[full(0, 5, 0), (own + 40, LAST), (own, LAST)],
    );
    assert_eq!(survivors.holes(), [ByteRange::new(81_920, 1000)]);
    // Its own place is no other one where nothing moved.
    let mut rotten = file.clone();
    rotten[place(5) + 1] ^= 1;
    expect("rotten", &rotten, &[full(0, 5, 0), (own, LAST)]);
}

#[test]
fn a_footer_far_behind_the_table_of_a_signed_archive_is_found() {
    let mut rng = TestRng(3);
    let block = seal_header(&KEY, &[], &mut rng).unwrap();
    let mut file = Vec::new();
    let mut sealer = Sealer::new(&KEY, &block, &mut rng, &mut file).unwrap();
    let plain = content(LEN);
    sealer.push(&plain, &mut file).unwrap();
    let sender = SenderKey::generate(&mut rng);
    sealer.finish_signed(&sender, &mut file).unwrap();
    let damaged = [&file[..place(2) + 100], &file[place(2) + 164..]].concat();
    let (survivors, holes) = check(&damaged, &plain, "signed");
    assert_eq!(holes, [chunks(2, 3)]);
    let found = damaged.len() as u64;
    assert_eq!(
        survivors.findings(),
        [SealError::LengthMismatch {
            expected: found + 64,
            found
        }]
    );
}

#[test]
fn of_several_footers_the_one_in_its_place_counts() {
    let plain = content(LEN);
    let file = seal(&plain);
    let other = seal(&content(3 * CHUNK_BYTES));
    let footers = |tail: &[u8]| [&file[..], tail].concat();
    // A whole archive behind it has a footer and a table that fit each other, but not the place.
    let (asked, survivors) = reads(&footers(&other));
    assert_eq!(asked.last(), Some(&(place(5) as u64, LAST)));
    assert_eq!(
        survivors.findings(),
        [SealError::CutShort {
            length: (file.len() + other.len()) as u64
        }]
    );
    // Where none is in its place the last one counts that has its table.
    let moved = [&file[..place(2)], &[1; 777], &file[place(2)..]].concat();
    let (_, survivors) = reads(&moved);
    assert_eq!(survivors.holes(), []);
    assert_eq!(
        survivors.findings(),
        [SealError::LengthMismatch {
            expected: file.len() as u64,
            found: file.len() as u64 + 777
        }]
    );
}
