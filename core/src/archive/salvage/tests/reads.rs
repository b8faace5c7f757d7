//! What a search reads, and in which order; and what decides between two headers that differ.

use super::*;

/// A stored archive of these entries, where its directory begins, and where each entry does.
struct Stored {
    file: Vec<u8>,
    starts: Vec<u64>,
    directory: u64,
}

fn stored(entries: &[(&str, &[u8])]) -> Stored {
    let mut writer = ArchiveWriter::new();
    let mut file = Vec::new();
    let mut starts = Vec::new();
    for (name, content) in entries {
        starts.push(file.len() as u64);
        writer
            .add(name, &Packed::stored(content.to_vec()), &mut file)
            .unwrap();
    }
    let directory = file.len() as u64;
    writer.finish(&mut file).unwrap();
    Stored {
        file,
        starts,
        directory,
    }
}

fn three() -> Stored {
    stored(&[
        ("one", b"first content"),
        ("two", &[7; 40_000]),
        ("three", &[8; 30_000]),
    ])
}

impl Stored {
    /// Where an entry's central header begins.
    fn central(&self, entry: usize) -> usize {
        let whole = search(&self.file, usize::MAX);
        let before = whole.entries[..entry]
            .iter()
            .map(|found| found.entry.central_header().len());
        usize::try_from(self.directory).unwrap() + before.sum::<usize>()
    }

    fn start(&self, entry: usize) -> usize {
        usize::try_from(self.starts[entry]).unwrap()
    }

    /// The look at the record of an entry, in a file of so many bytes.
    fn record(&self, entry: usize, len: u64) -> (u64, u64) {
        let at = self.starts[entry];
        (at, (len - at).min(LONGEST_HEADER))
    }
}

fn reads(file: &[u8], limits: Limits) -> (Vec<(u64, u64)>, Found) {
    let mut search = Search::new(file.len() as u64, limits);
    let mut asked = Vec::new();
    while let Some(wanted) = search.wants() {
        asked.push((wanted.offset, wanted.len));
        search.feed(slice(file, wanted)).unwrap();
    }
    (asked, search.finish().unwrap())
}

fn expect(what: &str, file: &[u8], then: &[(u64, u64)]) -> Found {
    let len = file.len() as u64;
    let tail = len.min(TAIL_BYTES);
    let (asked, found) = reads(file, Limits::default());
    assert_eq!(asked, [&[(len - tail, tail)], then].concat(), "{what}");
    found
}

/// Names and origins, in the order in which they are given.
fn told(found: &Found) -> Vec<(&str, Origin)> {
    found
        .entries
        .iter()
        .map(|found| (found.entry.name.as_str(), found.origin))
        .collect()
}

#[test]
fn a_whole_directory_is_all_that_is_read() {
    let three = three();
    let directory = three.file.len() as u64 - 22 - three.directory;
    let found = expect("whole", &three.file, &[(three.directory, directory)]);
    assert_eq!(found.directory, DirectoryState::Whole);
    assert_eq!(
        told(&found),
        ["one", "two", "three"].map(|name| (name, Origin::Listed))
    );
}

#[test]
fn records_are_walked_from_one_end_to_the_next_start() {
    let three = three();
    let cut = &three.file[..usize::try_from(three.directory).unwrap()];
    let len = cut.len() as u64;
    let records = [0, 1, 2].map(|entry| three.record(entry, len));
    let found = expect("no directory", cut, &records);
    assert_eq!(
        told(&found),
        ["one", "two", "three"].map(|name| (name, Origin::Walked))
    );
    assert_eq!(found.gaps, []);
    // The end record is lost, and the directory behind the last entry is known for one.
    let cut = &three.file[..three.file.len() - 1];
    let len = cut.len() as u64;
    let mut records = [0, 1, 2].map(|entry| three.record(entry, len)).to_vec();
    records.push((three.directory, len - three.directory));
    let found = expect("no end", cut, &records);
    assert_eq!(found.gaps, []);
}

#[test]
fn a_directory_that_does_not_stand_before_its_end_records_is_not_read() {
    let three = three();
    let (records, end) = three.file.split_at(three.file.len() - 22);
    let moved = [records, &[0; 9], end].concat();
    let len = moved.len() as u64;
    let mut then = [0, 1, 2].map(|entry| three.record(entry, len)).to_vec();
    then.push((three.directory, len - three.directory));
    let found = expect("moved", &moved, &then);
    assert_eq!(found.directory, DirectoryState::Lost);

    // An end record that says what would fit, but is not what the writer writes: a disk number.
    let mut other = three.file.clone();
    let at = other.len() - 22 + 4;
    other[at] = 1;
    let len = other.len() as u64;
    let mut then = [0, 1, 2].map(|entry| three.record(entry, len)).to_vec();
    then.push((three.directory, len - three.directory));
    let found = expect("another disk", &other, &then);
    assert_eq!(found.directory, DirectoryState::Lost);
}

#[test]
fn a_directory_larger_than_allowed_or_too_small_for_a_header_is_not_read() {
    let three = three();
    let bytes = three.file.len() as u64 - 22 - three.directory;
    for (allowed, state) in [
        (bytes, DirectoryState::Whole),
        (bytes - 1, DirectoryState::Lost),
    ] {
        let limits = Limits {
            directory_bytes: allowed,
            ..Limits::default()
        };
        let (asked, found) = reads(&three.file, limits);
        assert_eq!(found.directory, state, "{allowed}");
        let read = asked.contains(&(three.directory, bytes));
        assert_eq!(read, state == DirectoryState::Whole, "{allowed}");
    }
    // An end record alone: there is no entry, and nothing but it is read.
    let mut empty = Vec::new();
    ArchiveWriter::new().finish(&mut empty).unwrap();
    expect("empty", &empty, &[(0, 22)]);
}

#[test]
fn a_directory_is_whole_only_if_its_entries_lie_back_to_back_up_to_it() {
    let three = three();
    let change = |at: usize, by: u8| {
        let mut file = three.file.clone();
        file[at] ^= by;
        file
    };
    let end = three.file.len() - 22;
    let both = |file: &mut Vec<u8>, count: u8| {
        file[end + 8] = count;
        file[end + 10] = count;
    };
    // Offsets: of the second and of the last one.
    for entry in [1, 2] {
        let file = change(three.central(entry) + 42, 1);
        assert_eq!(
            search(&file, usize::MAX).directory,
            DirectoryState::Part,
            "{entry}"
        );
    }
    // A stored size: of the first, and of the last one, behind which the directory stands.
    for entry in [0, 2] {
        let mut file = change(three.central(entry) + 20, 1);
        file[three.central(entry) + 24] ^= 1;
        assert_eq!(
            search(&file, usize::MAX).directory,
            DirectoryState::Part,
            "{entry}"
        );
    }
    // The number of entries, too many and too few.
    for count in [2, 4] {
        let mut file = three.file.clone();
        both(&mut file, count);
        let found = search(&file, usize::MAX);
        assert_eq!(found.directory, DirectoryState::Part, "{count}");
        // What is listed is told once, as what it is.
        assert_eq!(
            told(&found),
            ["one", "two", "three"].map(|name| (name, Origin::Listed))
        );
    }
    // A damaged header is passed over, and all headers.
    let found = search(&change(three.central(1) + 3, 1), usize::MAX);
    assert_eq!(found.directory, DirectoryState::Part);
    assert_eq!(
        told(&found),
        [
            ("one", Origin::Listed),
            ("two", Origin::Walked),
            ("three", Origin::Listed)
        ]
    );
    let mut lost = three.file.clone();
    lost[usize::try_from(three.directory).unwrap()..end].fill(0);
    assert_eq!(search(&lost, usize::MAX).directory, DirectoryState::Lost);
}

#[test]
fn entries_that_a_damaged_size_leads_past_are_told_once() {
    let three = three();
    // The directory gives the first one the length of the first two together, so the second is passed over.
    let mut file = three.file.clone();
    let second = u32::try_from(three.starts[2] - three.starts[1]).unwrap();
    for field in [20, 24] {
        let at = three.central(0) + field;
        let size = u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) + second;
        file[at..at + 4].copy_from_slice(&size.to_le_bytes());
    }
    // Nor does its own header say otherwise.
    file[three.start(0)] ^= 1;
    let found = search(&file, usize::MAX);
    assert_eq!(
        told(&found),
        ["one", "two", "three"].map(|name| (name, Origin::Listed))
    );
}

#[test]
fn of_two_headers_that_differ_both_are_told_and_the_right_end_is_followed() {
    let three = three();
    let changed = |at: usize| {
        let mut file = three.file.clone();
        file[at] ^= 1;
        // So that the directory is not whole and records are read.
        file[three.central(0) + 4] ^= 1;
        file
    };
    let both = [
        ("one", Origin::Walked),
        ("two", Origin::Walked),
        ("two", Origin::Listed),
        ("three", Origin::Listed),
    ];
    assert_eq!(
        told(&search(&changed(three.start(1) + 14), usize::MAX)),
        both
    );

    // The local one has another name: that is none of this entry's.
    let renamed = changed(three.start(1) + LOCAL_FIXED);
    assert_eq!(
        told(&search(&renamed, usize::MAX)),
        [both[0], both[2], both[3]]
    );
    // They are the same: one of them is told.
    let same = changed(three.central(0) + 5);
    assert_eq!(
        told(&search(&same, usize::MAX)),
        [both[0], both[2], both[3]]
    );

    // One of them has a wrong size, and only the other one leads to the third entry, whose own header is lost.
    for at in [three.start(1) + 18, three.central(1) + 20] {
        let mut file = changed(three.start(1) + 14);
        file[at] ^= 1;
        file[at + 4] ^= 1;
        let len = file.len() as u64;
        let (asked, found) = reads(&file, Limits::default());
        assert_eq!(told(&found), both, "{at}");
        assert!(asked.contains(&three.record(2, len)), "{at}: {asked:?}");
        let records = asked.len() - 2;
        // Three records; where the last one ends the directory is looked at.
        assert_eq!(records, 4, "{at}: {asked:?}");
    }
}

#[test]
fn a_streamed_entry_is_read_in_slabs_up_to_its_descriptor() {
    let mut noise = vec![0; 9 << 20];
    TestRng(11).try_fill_bytes(&mut noise).unwrap();
    let mut writer = ArchiveWriter::new();
    let mut file = Vec::new();
    writer.begin("streamed", &mut file).unwrap();
    let data = file.len() as u64;
    writer.push(&noise, &mut file).unwrap();
    writer.end(&mut file).unwrap();
    let next = file.len() as u64;
    writer
        .add("last", &Packed::stored(b"x".to_vec()), &mut file)
        .unwrap();
    // Without its directory.
    let len = file.len() as u64;
    let slabs = [
        (0, LONGEST_HEADER),
        (data, SLAB_BYTES),
        (data + SLAB_BYTES, SLAB_BYTES),
        (data + 2 * SLAB_BYTES, len - data - 2 * SLAB_BYTES),
        (next - 24, 24),
        (next, len - next),
    ];
    let found = expect("streamed", &file, &slabs);
    assert_eq!(
        told(&found),
        [("streamed", Origin::Walked), ("last", Origin::Walked)]
    );
    // Cut off in its descriptor or before, it can't be found, and nothing is looked for behind it.
    for (cut, more) in [
        (next, 5),
        (next - 1, 4),
        (next - 23, 4),
        (data + 1, 2),
        (data, 1),
    ] {
        let file = &file[..usize::try_from(cut).unwrap()];
        let (asked, found) = reads(file, Limits::default());
        assert_eq!(asked.len(), 1 + more, "{cut}: {asked:?}");
        let whole = cut == next;
        assert_eq!(found.entries.len(), usize::from(whole), "{cut}");
        assert_eq!(found.gaps.len(), usize::from(!whole), "{cut}");
    }
}

#[test]
fn limits_of_a_streamed_entry_hold_exactly() {
    let archive = |content: &[u8]| {
        let mut writer = ArchiveWriter::new();
        let mut file = Vec::new();
        writer.begin("streamed", &mut file).unwrap();
        writer.push(content, &mut file).unwrap();
        writer.end(&mut file).unwrap();
        file
    };
    let found = |file: &[u8], limits| reads(file, limits).1.entries.len();
    let small = archive(&[5; 3000]);
    for (entry_bytes, expected) in [(3001, 1), (3000, 1), (2999, 0)] {
        let limits = Limits {
            entry_bytes,
            ..Limits::default()
        };
        assert_eq!(found(&small, limits), expected, "{entry_bytes}");
    }
    // The ratio counts from a MiB on.
    let ratio = Limits {
        ratio: 1,
        ..Limits::default()
    };
    let from = usize::try_from(RATIO_FROM).unwrap();
    for (len, expected) in [(from - 1, 1), (from, 1), (from + 1, 0)] {
        assert_eq!(found(&archive(&vec![5; len]), ratio), expected, "{len}");
    }
}

#[test]
fn as_many_entries_as_are_allowed_are_found() {
    let three = three();
    let cut = &three.file[..usize::try_from(three.directory).unwrap()];
    for (entries, fits) in [(4, true), (3, true), (2, false), (0, false)] {
        let limits = Limits {
            entries,
            ..Limits::default()
        };
        let mut search = Search::new(cut.len() as u64, limits);
        let mut outcome = Ok(());
        while let Some(wanted) = search.wants()
            && outcome.is_ok()
        {
            outcome = search.feed(slice(cut, wanted));
        }
        let expected = if fits {
            Ok(())
        } else {
            Err(ArchiveError::Limit {
                limit: "the number of entries",
                found: entries + 1,
                allowed: entries,
            })
        };
        assert_eq!(outcome, expected, "{entries}");
    }
}

#[test]
fn what_is_looked_through_for_a_header_is_read_once_and_no_further_than_one_can_be() {
    let slab = usize::try_from(SLAB_BYTES).unwrap();
    for len in [1, 29, 30, 31, 32, 60, slab, slab + 1, slab + 2, slab + 40] {
        let file = vec![9; len];
        let mut at: u64 = 1;
        let mut then = vec![(0, (len as u64).min(LONGEST_HEADER))];
        while len as u64 - at.min(len as u64) >= LOCAL_FIXED as u64 {
            let read = (len as u64 - at).min(SLAB_BYTES);
            then.push((at, read));
            // The signature may begin in the last three bytes.
            at += read - 3;
        }
        let found = expect(&format!("{len} bytes"), &file, &then);
        assert_eq!(
            found.gaps,
            [Gap {
                range: ByteRange::new(0, len as u64),
                entry: None
            }]
        );
    }
}

#[test]
fn where_neither_size_leads_to_another_entry_the_listed_one_is_followed() {
    let three = three();
    let mut file = three.file.clone();
    // The last entry's own header has another size, and the directory is not whole.
    file[three.start(2) + 18] ^= 1;
    file[three.start(2) + 22] ^= 1;
    file[three.central(0) + 4] ^= 1;
    let len = file.len() as u64;
    let (asked, found) = reads(&file, Limits::default());
    assert_eq!(
        told(&found)[2..],
        [("three", Origin::Walked), ("three", Origin::Listed)]
    );
    assert_eq!(
        asked.last(),
        Some(&(three.directory, len - three.directory))
    );
    assert_eq!(found.gaps, []);
}

#[test]
fn a_header_that_was_looked_for_is_read_again_only_where_it_was_cut() {
    let slab = usize::try_from(SLAB_BYTES).unwrap();
    let header = usize::try_from(LONGEST_HEADER).unwrap();
    for before in [header - 1, header, header + 1] {
        let lost = slab + 1 - before - LOCAL_FIXED - "lost".len();
        let content = vec![7; slab];
        let mut file = stored(&[
            ("lost", &content[..lost]),
            ("found", b"found"),
            ("manifest.json", &content[..20_000]),
        ])
        .file;
        file[0] = 0;
        let (asked, _) = reads(&file, Limits::default());
        let next = (1 + slab - before) as u64;
        let left = file.len() as u64 - next;
        // The end, the directory of three entries is whole but for the damage: what is listed needs no search.
        assert!(!asked.iter().any(|(at, _)| *at == 1), "{before}");
        let end = file.len() - 22;
        file.truncate(end);
        let (asked, _) = reads(&file, Limits::default());
        let again = (next, (left - 22).min(SLAB_BYTES));
        let record = (next, LONGEST_HEADER);
        let expected = if before < header {
            vec![again, record]
        } else {
            vec![record]
        };
        let looked: Vec<_> = asked
            .iter()
            .copied()
            .filter(|(at, _)| *at == next)
            .collect();
        assert_eq!(looked, expected, "{before}");
    }
    // Near the end of the file nothing is cut.
    let three = three();
    let mut file = three.file[..usize::try_from(three.directory).unwrap()].to_vec();
    file[0] = 0;
    let len = file.len() as u64;
    expect(
        "a small file",
        &file,
        &[
            three.record(0, len),
            (1, len - 1),
            three.record(1, len),
            three.record(2, len),
        ],
    );
}
