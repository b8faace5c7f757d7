//! Archives: whatever is written in whatever pieces is read in whatever pieces; no bit that means anything can change
//! without a failure that names the entry or record it is in.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeSet;

use coffer_core::archive::{
    ArchiveError, ArchiveWriter, Entry, EntryReader, Fault, Limits, Method, Step, archive_len,
    name, pack,
};
use coffer_invariants::{
    drive::{NotWhole, Pieces, open_archive, read_entry, slice, verify_archive},
    oracle,
    samples::{Noise, archive},
};
use proptest::prelude::*;

/// How an entry is written.
#[derive(Clone, Debug)]
enum How {
    /// Its content at hand.
    Whole,
    /// In pieces of these sizes, its length not known before.
    Streamed(Vec<usize>),
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![1_usize..50, 1_usize..100_000], 1..5)
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![Just(How::Whole), sizes().prop_map(How::Streamed)]
}

/// Content that compresses, does not, or turns from the one to the other.
fn content() -> impl Strategy<Value = Vec<u8>> {
    (
        prop_oneof![0_usize..100, 0_usize..200_000],
        prop_oneof![Just(0_usize), 0_usize..100_000],
        any::<u8>(),
    )
        .prop_map(|(noise, repeated, byte)| {
            let mut content = Noise::new(noise as u64 + 1).bytes(noise);
            content.resize(noise + repeated, byte);
            content
        })
}

fn write(entries: &[(String, Vec<u8>, How)]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = ArchiveWriter::new();
    for (name, content, how) in entries {
        match how {
            How::Whole => writer.add(name, &pack(content.clone()), &mut out).unwrap(),
            How::Streamed(sizes) => {
                writer.begin(name, &mut out).unwrap();
                for piece in Pieces::of(sizes.iter().copied()).cut(content) {
                    writer.push(piece, &mut out).unwrap();
                }
                writer.end(&mut out).unwrap();
            }
        }
        assert_eq!(writer.offset(), out.len() as u64);
    }
    writer.finish(&mut out).unwrap();
    out
}

/// The archive with every entry copied, its sizes before its data.
fn copied(file: &[u8], entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = ArchiveWriter::new();
    for entry in entries {
        let mut reader = EntryReader::new(entry, Limits::default()).keep_raw();
        writer.begin_copy(entry, &mut out).unwrap();
        let mut content = Vec::new();
        loop {
            let step = reader.step(&mut content).unwrap();
            writer.push(&reader.take_raw(), &mut out).unwrap();
            match step {
                Step::Want(wanted) => reader.feed(slice(file, wanted)).unwrap(),
                Step::Output => content.clear(),
                Step::Done => break,
            }
        }
        writer.end(&mut out).unwrap();
    }
    writer.finish(&mut out).unwrap();
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn what_is_written_in_any_pieces_is_read_in_any_pieces(
        contents in prop::collection::vec((content(), how()), 0..6),
        read in sizes(),
    ) {
        let mut entries: Vec<_> = contents
            .into_iter()
            .enumerate()
            .map(|(index, (content, how))| (format!("files/set/{index}"), content, how))
            .collect();
        entries.push(("manifest.json".into(), b"{}".to_vec(), How::Whole));
        let file = write(&entries);
        let pieces = Pieces::of(read);
        let directory = open_archive(&file, Limits::default(), &pieces).unwrap();
        prop_assert_eq!(directory.entries().len(), entries.len());
        for ((name, content, how), entry) in entries.iter().zip(directory.entries()) {
            prop_assert_eq!((name, content.len() as u64), (&entry.name, entry.size));
            prop_assert_eq!(entry.streamed, matches!(how, How::Streamed(_)));
            let read = read_entry(&file, entry, Limits::default(), &pieces).unwrap();
            prop_assert!(&read == content, "{name}");
            // Never longer than the content, but for what deflate's stored blocks and its end take.
            prop_assert!(entry.compressed <= entry.size + entry.size / 16_000 * 5 + 20);
        }
        let copy = copied(&file, directory.entries());
        prop_assert_eq!(Some(copy.len() as u64), archive_len(directory.entries().to_vec()));
        let again = open_archive(&copy, Limits::default(), &pieces).unwrap();
        for ((_, content, _), entry) in entries.iter().zip(again.entries()) {
            prop_assert!(!entry.streamed);
            let read = read_entry(&copy, entry, Limits::default(), &pieces).unwrap();
            prop_assert!(&read == content);
        }
    }

    #[test]
    fn any_texts_become_different_allowed_names(texts in prop::collection::btree_set(any::<String>(), 1..20)) {
        let mut segments = BTreeSet::new();
        for text in &texts {
            let segment = name::encode_segment(text);
            prop_assert!(!segment.contains('/'));
            prop_assert!(segments.insert(segment.clone()), "{text:?} is like another");
            if segment.len() <= name::MAX_NAME_BYTES {
                prop_assert_eq!(name::check(&segment), Ok(()), "{:?} gives {:?}", text, segment);
            }
            if name::check(text).is_ok() && !text.contains(['%', '/']) {
                prop_assert_eq!(&segment, text, "it was allowed as it was");
            }
        }
    }

    #[test]
    fn folding_is_stable(text: String) {
        let folded = name::fold(&text);
        prop_assert_eq!(name::fold(&folded), folded.clone());
        prop_assert_eq!(name::fold(&text.to_uppercase()), folded.clone());
        prop_assert_eq!(name::fold(&text.to_lowercase()), folded);
    }

    #[test]
    fn a_limit_is_kept_and_named(content in content(), allowed in 1_u64..300_000, ratio in 1_u64..100) {
        let entries = [
            ("a".to_owned(), content.clone(), How::Whole),
            ("manifest.json".to_owned(), b"{}".to_vec(), How::Whole),
        ];
        let file = write(&entries);
        let limits = Limits { entry_bytes: allowed, ratio, ..Limits::default() };
        let directory = open_archive(&file, limits, &Pieces::whole()).unwrap();
        let entry = directory.entry("a").unwrap();
        match read_entry(&file, entry, limits, &Pieces::whole()) {
            Ok(read) => {
                prop_assert!(read == content);
                prop_assert!(read.len() as u64 <= allowed);
            }
            Err(ArchiveError::Limit { limit, found, allowed: named }) => {
                prop_assert_eq!((limit, named), ("bytes of one entry", allowed));
                prop_assert!(found > allowed && content.len() as u64 > allowed);
            }
            Err(error) => prop_assert!(false, "{error:?}"),
        }
    }
}

/// Where a byte of [`archive`] lies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    LocalHeader(String),
    Data(String, bool),
    Descriptor(String),
    Directory,
    End,
}

fn places(file: &[u8]) -> Vec<Place> {
    let directory = open_archive(file, Limits::default(), &Pieces::whole()).unwrap();
    let mut places = Vec::new();
    for entry in directory.entries() {
        let name = || entry.name.clone();
        let mut put = |place: Place, len: usize| places.extend(std::iter::repeat_n(place, len));
        put(
            Place::LocalHeader(name()),
            oracle::local_header(entry).len(),
        );
        let deflated = entry.method == Method::Deflate;
        let data = usize::try_from(entry.compressed).unwrap();
        put(Place::Data(name(), deflated), data);
        put(Place::Descriptor(name()), oracle::descriptor(entry).len());
    }
    let end = file.len() - 22;
    places.resize(end, Place::Directory);
    places.resize(file.len(), Place::End);
    places
}

#[test]
fn every_bit_of_an_archive_is_missed_where_it_lies() {
    let good = archive();
    let verified = verify_archive(good, &Pieces::whole()).unwrap();
    let mut file = good.to_vec();
    for (at, place) in places(good).into_iter().enumerate() {
        for bit in 0..8 {
            file[at] ^= 1 << bit;
            let result = verify_archive(&file, &Pieces::whole());
            let fault = match &result {
                Err(NotWhole::Archive(ArchiveError::Entry(finding))) => {
                    Some((finding.entry.as_str(), &finding.fault))
                }
                _ => None,
            };
            let context = format!("bit {bit} of byte {at}, {place:?}: {result:?}");
            match &place {
                _ if at < 4 => {
                    assert_eq!(
                        result,
                        Err(NotWhole::Archive(ArchiveError::NotZip)),
                        "{context}"
                    );
                }
                Place::LocalHeader(name) => {
                    assert!(
                        matches!(fault, Some((entry, Fault::LocalHeader(_))) if entry == name),
                        "{context}"
                    );
                }
                Place::Descriptor(name) => {
                    assert!(
                        matches!(fault, Some((entry, Fault::Descriptor(_))) if entry == name),
                        "{context}"
                    );
                }
                Place::Data(name, deflated) => match &result {
                    // A stream has bits that mean nothing, between its blocks and behind its end, and different ways to
                    // say the same; what it gives is the same.
                    Ok(same) => {
                        assert!(*deflated && *same == verified, "{context}");
                        let content = |file: &[u8]| {
                            let directory =
                                open_archive(file, Limits::default(), &Pieces::whole()).unwrap();
                            let entry = directory.entry(name).unwrap();
                            read_entry(file, entry, Limits::default(), &Pieces::whole()).unwrap()
                        };
                        assert_eq!(content(&file), content(good), "{context}");
                    }
                    Err(NotWhole::Rows(_)) => assert!(name.starts_with("tables/"), "{context}"),
                    Err(_) => {
                        assert_eq!(fault.map(|fault| fault.0), Some(name.as_str()), "{context}")
                    }
                },
                Place::Directory => assert!(
                    matches!(
                        result,
                        Err(NotWhole::Archive(
                            ArchiveError::Profile(_)
                                | ArchiveError::NoManifest
                                | ArchiveError::NoEntry(_)
                                | ArchiveError::Limit { .. }
                        ))
                    ) || fault.is_some(),
                    "{context}"
                ),
                Place::End => assert!(
                    matches!(
                        result,
                        Err(NotWhole::Archive(
                            ArchiveError::Profile(_)
                                | ArchiveError::NoEnd
                                | ArchiveError::Limit { .. }
                        ))
                    ),
                    "{context}"
                ),
            }
            file[at] ^= 1 << bit;
        }
    }
    assert_eq!(file, good);
}
