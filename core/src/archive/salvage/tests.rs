use super::*;
use crate::{
    archive::{ArchiveWriter, EntryReader, Packed, Step, pack},
    fixture::{TestRng, fixture, slice},
};
use alloc::collections::BTreeSet;
use alloc::{format, string::ToString, vec};
use rand_core::TryRng;

fn search(file: &[u8], step: usize) -> Found {
    let mut search = Search::new(file.len() as u64, Limits::default());
    while let Some(wanted) = search.wants() {
        let bytes = slice(file, wanted);
        search.feed(&bytes[..bytes.len().min(step)]).unwrap();
    }
    search.finish().unwrap()
}

fn read(file: &[u8], mut reader: EntryReader) -> Result<Vec<u8>, ArchiveError> {
    let mut out = Vec::new();
    loop {
        match reader.step(&mut out)? {
            // Cut off.
            Step::Want(range) if range.end() > file.len() as u64 || range.len == 0 => {
                return Err(ArchiveError::NoEnd);
            }
            Step::Want(range) => reader.feed(slice(file, range))?,
            Step::Output => {}
            Step::Done => return Ok(out),
        }
    }
}

/// The content of an entry, if it is what its checksum says and it is sure to be this archive's.
fn content(file: &[u8], found: &FoundEntry) -> Option<Vec<u8>> {
    let reader = |found: &FoundEntry| EntryReader::new(&found.entry, Limits::default());
    let content = match read(file, reader(found)) {
        Ok(content) => Some((content, found.origin)),
        Err(error) => found.second_try(&error).and_then(|second| {
            let content = read(file, reader(&second).content_only()).ok()?;
            Some((content, second.origin))
        }),
    };
    let (content, origin) = content?;
    matches!(origin, Origin::Listed | Origin::Walked).then_some(content)
}

fn names(found: &Found, origin: Origin) -> Vec<&str> {
    found
        .entries
        .iter()
        .filter(|found| found.origin == origin)
        .map(|found| found.entry.name.as_str())
        .collect()
}

/// An archive with entries of every kind, one of them an archive.
fn mixed() -> (Vec<u8>, Vec<(String, Vec<u8>)>) {
    let noise = |len: usize, seed: u64| {
        let mut bytes = vec![0; len];
        TestRng(seed).try_fill_bytes(&mut bytes).unwrap();
        bytes
    };
    let inner = fixture().file;
    let contents: Vec<(String, Vec<u8>)> = [
        ("tables/a/000001.tsv", b"id\n1\n2\n".repeat(3000)),
        ("tables/b/000001.tsv", b"id\n".to_vec()),
        ("files/up/noise.bin", noise(70_000, 3)),
        ("files/up/inner.zip", inner),
        ("files/up/streamed.txt", b"streamed text ".repeat(30_000)),
        ("files/up/streamed.bin", noise(300_000, 5)),
        ("files/up/empty", Vec::new()),
        ("manifest.json", b"{}".to_vec()),
    ]
    .map(|(name, content)| (name.to_string(), content))
    .to_vec();
    let mut writer = ArchiveWriter::new();
    let mut out = Vec::new();
    for (name, content) in &contents {
        if name.contains("streamed") {
            writer.begin(name, &mut out).unwrap();
            for piece in content.chunks(9_999) {
                writer.push(piece, &mut out).unwrap();
            }
            writer.end(&mut out).unwrap();
        } else {
            writer.add(name, &pack(content.clone()), &mut out).unwrap();
        }
    }
    writer.finish(&mut out).unwrap();
    (out, contents)
}

/// Whatever is called intact must be the original's.
fn check(file: &[u8], contents: &[(String, Vec<u8>)], what: &str) -> Found {
    let found = search(file, usize::MAX);
    for entry in &found.entries {
        let Some(content) = content(file, entry) else {
            continue;
        };
        let name = &entry.entry.name;
        let original = contents.iter().find(|(original, _)| original == name);
        // A walk has no second header to compare a damaged name with.
        let renamed = original.is_none() && entry.origin == Origin::Walked;
        if renamed {
            let same = contents.iter().any(|(_, original)| *original == content);
            assert!(same, "{what}: {name} was not there");
            continue;
        }
        let original = original.unwrap_or_else(|| panic!("{what}: {name} was not there"));
        assert!(content == original.1, "{what}: {name} differs");
    }
    found
}

/// How many entries are sure.
fn saved(file: &[u8], found: &Found) -> usize {
    let sure = |entry: &&FoundEntry| content(file, entry).is_some();
    let names = found.entries.iter().filter(sure);
    names
        .map(|found| &found.entry.name)
        .collect::<BTreeSet<_>>()
        .len()
}

#[test]
fn a_whole_archive_is_listed() {
    for file in [mixed().0, fixture().file] {
        let found = search(&file, usize::MAX);
        assert_eq!(
            (found.directory, found.gaps.len()),
            (DirectoryState::Whole, 0)
        );
        assert!(
            found
                .entries
                .iter()
                .all(|entry| entry.origin == Origin::Listed)
        );
        assert_eq!(saved(&file, &found), found.entries.len());
    }
}

#[test]
fn without_its_end_an_archive_is_walked() {
    let (file, contents) = mixed();
    let whole = search(&file, usize::MAX);
    let starts: Vec<u64> = whole
        .entries
        .iter()
        .map(|found| found.entry.offset)
        .collect();
    let directory =
        usize::try_from(starts[7] + whole.entries[7].entry.record_len().unwrap()).unwrap();
    for end in [file.len() - 1, file.len() - 22, directory + 100, directory] {
        let found = check(&file[..end], &contents, "cut");
        assert_eq!(names(&found, Origin::Walked).len(), 8, "{end}");
        assert_eq!(saved(&file[..end], &found), 8);
    }
    for (index, start) in starts.iter().enumerate() {
        let start = usize::try_from(*start).unwrap();
        for end in [start, start + 10, start + 60, start + 1000] {
            let end = end.min(directory);
            let before = starts.iter().filter(|start| **start < end as u64).count();
            let found = check(&file[..end], &contents, "cut");
            assert!(
                saved(&file[..end], &found) >= before.saturating_sub(1),
                "{index} {end}"
            );
            assert!(names(&found, Origin::Searched).is_empty());
        }
    }
}

#[test]
fn the_directory_makes_up_for_damaged_records() {
    let (file, contents) = mixed();
    for found in search(&file, usize::MAX).entries {
        let mut damaged = file.clone();
        let at = usize::try_from(found.entry.offset).unwrap();
        damaged[at..at + 20].fill(0);
        let found = check(&damaged, &contents, "local headers");
        assert_eq!(saved(&damaged, &found), 8);
    }
}

#[test]
fn records_make_up_for_a_damaged_directory() {
    let (file, contents) = mixed();
    let whole = search(&file, usize::MAX);
    let directory = whole.entries[7].entry.offset + whole.entries[7].entry.record_len().unwrap();
    for at in (usize::try_from(directory).unwrap()..file.len() - 22).step_by(13) {
        let mut damaged = file.clone();
        damaged[at] ^= 1;
        let found = check(&damaged, &contents, &format!("directory byte {at}"));
        // At the worst, one entry has a checksum or name that can't be told from a right one.
        assert!(saved(&damaged, &found) >= 7, "{at}");
    }
}

#[test]
fn an_archive_inside_of_a_lost_file_is_not_taken_for_this_one() {
    let (file, contents) = mixed();
    let whole = search(&file, usize::MAX);
    let inner = &whole.entries[3].entry;
    assert_eq!(inner.name, "files/up/inner.zip");
    let at = usize::try_from(inner.offset).unwrap();
    let mut damaged = file[..file.len() - 22].to_vec();
    damaged[at + 1] ^= 1;
    let found = check(&damaged, &contents, "inner");
    assert_eq!(names(&found, Origin::Walked).len(), 3);
    let searched = names(&found, Origin::Searched);
    assert!(
        searched.contains(&"tables/public.notes/000001.tsv"),
        "{searched:?}"
    );
    assert!(searched.contains(&"files/up/streamed.txt"), "{searched:?}");
    assert_eq!(found.gaps[0].range.offset, at as u64);
    // The end of the inner archive is no end of this one.
    let end = at + usize::try_from(inner.record_len().unwrap()).unwrap();
    let found = check(&file[..end], &contents, "ends with the inner one");
    assert_eq!(found.directory, DirectoryState::Lost);
    assert_eq!(names(&found, Origin::Walked).len(), 4);
}

#[test]
fn a_streamed_entry_ends_where_its_content_does() {
    let (file, contents) = mixed();
    let whole = search(&file, usize::MAX);
    let cut = &file[..file.len() - 22];
    let streamed = &whole.entries[4].entry;
    let at = usize::try_from(streamed.offset).unwrap();
    let walked = search(cut, usize::MAX);
    assert_eq!(walked.entries[4].entry, *streamed);
    // Damage in its content, in its descriptor.
    for place in [
        at + 100,
        at + usize::try_from(streamed.record_len().unwrap()).unwrap() - 3,
    ] {
        let mut damaged = cut.to_vec();
        damaged[place] ^= 0x40;
        let found = check(&damaged, &contents, "streamed");
        assert_eq!(names(&found, Origin::Walked).len(), 4, "{place}");
        assert_eq!(
            found.gaps[0].entry.as_deref(),
            Some("files/up/streamed.txt")
        );
        assert!(names(&found, Origin::Searched).contains(&"manifest.json"));
    }
}

#[test]
fn any_damage_leaves_the_rest_as_it_was() {
    let (file, contents) = mixed();
    let mut rng = TestRng(77);
    let mut random = |below: usize| rng.try_next_u64().unwrap() as usize % below.max(1);
    for round in 0..300 {
        let mut damaged = file.clone();
        for _ in 0..=random(4) {
            let at = random(damaged.len());
            match random(5) {
                0 => damaged.truncate(at),
                1 => {
                    drop(damaged.drain(at..(at + random(5_000)).min(file.len()).min(damaged.len())))
                }
                2 => {
                    let end = (at + 16_384).min(damaged.len());
                    damaged[at..end].fill(0);
                }
                3 if at < damaged.len() => damaged[at] ^= 1 << random(8),
                _ => drop(damaged.splice(at..at, vec![b'P'; random(5_000)])),
            }
        }
        check(&damaged, &contents, &format!("round {round}"));
    }
}

#[test]
fn a_listed_place_behind_the_file_leads_nowhere() {
    let (file, contents) = mixed();
    let whole = search(&file, usize::MAX);
    let lost = usize::try_from(whole.entries[6].entry.offset).unwrap();
    let mut damaged = file.clone();
    damaged[lost] ^= 1;
    // The highest byte of the offset, in the central headers of the last two entries.
    let last = &whole.entries[7].entry;
    let mut at = usize::try_from(last.offset + last.record_len().unwrap()).unwrap();
    for (index, found) in whole.entries.iter().enumerate() {
        if index >= 6 {
            damaged[at + 45] = 0x70;
        }
        at += found.entry.central_header().len();
    }
    let found = check(&damaged, &contents, "a place behind the file");
    assert_eq!(found.directory, DirectoryState::Part);
    assert_eq!(names(&found, Origin::Searched), ["manifest.json"]);
    let manifest = whole.entries[7].entry.offset;
    assert_eq!(
        found.gaps[0].range,
        ByteRange::new(lost as u64, manifest - lost as u64)
    );
}

#[test]
fn a_header_is_found_across_the_end_of_a_slab() {
    // A lost entry, and the next one's header so that a slab that begins at byte 1 ends in every part of it.
    let slab = usize::try_from(SLAB_BYTES).unwrap();
    let header = usize::try_from(LONGEST_HEADER).unwrap();
    let content = vec![7; slab];
    for before in [
        1,
        2,
        3,
        4,
        5,
        29,
        30,
        31,
        60,
        header - 1,
        header,
        header + 1,
    ] {
        let lost = slab + 1 - before - LOCAL_FIXED - "lost".len();
        let mut writer = ArchiveWriter::new();
        let mut file = Vec::new();
        let mut add = |name, content: &[u8]| {
            let packed = Packed::stored(content.to_vec());
            writer.add(name, &packed, &mut file).unwrap();
        };
        add("lost", &content[..lost]);
        add("found", b"found");
        add("manifest.json", &content[..20_000]);
        file[0] = 0;
        let found = search(&file, usize::MAX);
        let next = (1 + slab - before) as u64;
        assert_eq!(
            names(&found, Origin::Searched),
            ["found", "manifest.json"],
            "{before}"
        );
        assert_eq!(found.entries[0].entry.offset, next);
        assert_eq!(found.gaps[0].range, ByteRange::new(0, next));
    }
}

#[test]
fn it_takes_bytes_one_by_one() {
    let (file, _) = mixed();
    let cut = &file[..file.len() - 22];
    assert_eq!(search(cut, 1), search(cut, usize::MAX));
}

#[test]
fn nothing_is_found_in_nothing() {
    for file in [
        vec![],
        vec![0; 10],
        vec![7; 100_000],
        b"PK\x03\x04".repeat(500),
    ] {
        let found = search(&file, 1000);
        assert_eq!(
            (found.entries.len(), found.directory),
            (0, DirectoryState::Lost)
        );
    }
}

mod reads;
