//! Every reader is given its bytes one by one, and every writer its content: the result must be the one that comes of
//! all at once, and so must the errors. A state machine that is wrong about where a piece ends shows here.

use alloc::{boxed::Box, format, string::String, vec, vec::Vec};
use core::fmt::Debug;

use crate::{
    ByteRange,
    archive::{self, ArchiveWriter, CheckedReader, EntryReader, Limits, Search, Step, pack},
    bundle::Bundler,
    fixture::{Fixture, TestRng, fixture, open, slice},
    foreign,
    manifest::Selection,
    preview::Preview,
    rows::RowCheck,
    schema::TableName,
    seal::{self, FileKey, ScrubChecker, SealedStream, Sealer, SenderKey, Survey, seal_header},
    verify::Verifier,
};

const KEY: FileKey = FileKey::new([5; 32]);

/// Runs something with all bytes at once, one by one, and in pieces of a length that divides nothing.
fn same<T: Debug + PartialEq>(what: &str, run: impl Fn(usize) -> T) -> T {
    let whole = run(usize::MAX);
    for step in [1, 61] {
        assert!(run(step) == whole, "{what} differs in pieces of {step}");
    }
    whole
}

/// What a reader that wants ranges is given.
fn some(file: &[u8], wanted: ByteRange, step: usize) -> &[u8] {
    let bytes = slice(file, wanted);
    &bytes[..bytes.len().min(step)]
}

fn sealed(plain: &[u8], step: usize) -> Vec<u8> {
    let mut rng = TestRng(3);
    let header = seal_header(&KEY, &[], &mut rng).unwrap();
    let sender = SenderKey::generate(&mut TestRng(4));
    let mut out = Vec::new();
    let mut sealer = Sealer::new(&KEY, &header, &mut rng, &mut out).unwrap();
    for piece in plain.chunks(step) {
        sealer.push(piece, &mut out).unwrap();
    }
    sealer.finish_signed(&sender, &mut out).unwrap();
    out
}

/// The fixture, whole and with damage in places of every kind.
fn files() -> Vec<(String, Vec<u8>)> {
    let whole = fixture().file;
    let mut files = vec![(String::from("whole"), whole.clone())];
    for at in [0, 20, 40, 3000, 90_000, whole.len() - 300, whole.len() - 3] {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x21;
        files.push((format!("damaged at {at}"), damaged));
    }
    for len in [0, 3, 1000, whole.len() - 1] {
        files.push((format!("cut to {len}"), whole[..len].to_vec()));
    }
    files
}

#[test]
fn what_is_sealed_does_not_depend_on_the_pieces() {
    for len in [0, 1, 16_383, 16_384, 16_385, 40_000] {
        let plain = vec![7; len];
        same(&format!("a payload of {len}"), |step| sealed(&plain, step));
    }
}

#[test]
fn sealed_readers() {
    let plain = fixture().file;
    let whole = sealed(&plain, usize::MAX);
    let mut files = vec![whole.clone()];
    for at in [
        3,
        9,
        11,
        30,
        4000,
        4096,
        4130,
        5000,
        whole.len() - 300,
        whole.len() - 20,
    ] {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x21;
        files.push(damaged);
    }
    for len in [0, 5, 4096, 4100, 30_000, whole.len() - 1] {
        files.push(whole[..len].to_vec());
    }
    for file in files {
        let opened = same("Opening", |step| {
            let mut opening = seal::Opening::new(file.len() as u64)?;
            while let Some(wanted) = opening.wants() {
                opening.feed(some(&file, wanted, step))?;
            }
            let sealed = opening.finish()?;
            Ok::<_, seal::SealError>((*sealed.footer(), sealed.payload_range()))
        });
        same("SealedStream", |step| {
            let mut out = Vec::new();
            let mut stream = SealedStream::new();
            let mut end = Ok(());
            'file: for mut piece in file.chunks(step) {
                while !piece.is_empty() {
                    match stream.push(piece, &mut out) {
                        Ok(taken) => piece = &piece[taken..],
                        Err(error) => {
                            end = Err(error);
                            break 'file;
                        }
                    }
                    if stream.locks().is_some()
                        && let Err(error) = stream.unlock(&KEY)
                    {
                        end = Err(error);
                        break 'file;
                    }
                }
            }
            let end = end.and_then(|()| stream.finish(&mut out));
            (out, end)
        })
        .1
        .ok();
        if let Ok((footer, payload)) = opened {
            same("ScrubChecker", |step| {
                let table = ByteRange::new(payload.end(), footer.scrub_len);
                let mut checker = ScrubChecker::new(slice(&file, table), footer.scrub_root)?;
                for piece in slice(&file, payload).chunks(step) {
                    checker.update(piece);
                }
                Ok::<_, seal::SealError>(checker.finish())
            })
            .ok();
        }
        if file.len() > 4200 {
            same("Survey", |step| {
                let mut survey = Survey::new(file.len() as u64, 4096, &KEY);
                while let Some(wanted) = survey.wants() {
                    survey.feed(some(&file, wanted, step)).unwrap();
                }
                let survivors = survey.finish().unwrap();
                let found = survivors.findings().to_vec();
                (survivors.plain_len(), survivors.holes(), found)
            });
        }
    }
}

#[test]
fn archive_readers() {
    for (what, file) in files() {
        let what = |reader: &str| format!("{reader} of an archive {what}");
        let directory = same(&what("Opening"), |step| {
            let mut opening = archive::Opening::new(file.len() as u64, Limits::default())?;
            while let Some(wanted) = opening.wants() {
                opening.feed(some(&file, wanted, step))?;
            }
            opening.finish()
        });
        same(&what("the foreign Opening"), |step| {
            let mut opening = foreign::zip::Opening::new(file.len() as u64, Limits::default())?;
            while let Some(wanted) = opening.wants() {
                opening.feed(some(&file, wanted, step))?;
            }
            let zip = opening.finish()?;
            Ok::<_, archive::ArchiveError>(format!("{zip:?}"))
        })
        .ok();
        same(&what("Search"), |step| {
            let mut search = Search::new(file.len() as u64, Limits::default());
            while let Some(wanted) = search.wants() {
                search.feed(some(&file, wanted, step)).unwrap();
            }
            search.finish().unwrap()
        });
        for entry in directory.iter().flat_map(archive::Directory::entries) {
            same(&what(&format!("EntryReader of {}", entry.name)), |step| {
                let mut reader = EntryReader::new(entry, Limits::default()).keep_raw();
                let (mut out, mut raw) = (Vec::new(), Vec::new());
                loop {
                    let step_done = reader.step(&mut out);
                    raw.extend(reader.take_raw());
                    match step_done? {
                        Step::Want(wanted) => reader.feed(some(&file, wanted, step))?,
                        Step::Output => {}
                        Step::Done => return Ok::<_, archive::ArchiveError>((out, raw)),
                    }
                }
            })
            .ok();
        }
    }
}

/// Runs a reader that also says [`Step`], to its end.
fn steps<E: Debug>(
    file: &[u8],
    step: usize,
    mut next: impl FnMut(Option<&[u8]>) -> Result<Step, E>,
) -> Result<(), E> {
    let mut given = None;
    loop {
        match next(given.take())? {
            Step::Want(wanted) => given = Some(some(file, wanted, step)),
            Step::Output => {}
            Step::Done => return Ok(()),
        }
    }
}

#[test]
fn readers_of_what_an_archive_means() {
    for (what, damage) in [("whole", None), ("damaged", Some(2000))] {
        let mut archive = fixture();
        if let Some(at) = damage {
            archive.file[at] ^= 0x21;
        }
        let Fixture {
            directory,
            manifest,
            files,
            file,
        } = &archive;
        same(&format!("Verifier, {what}"), |step| {
            let mut verifier =
                Verifier::new(directory, manifest, files, Limits::default()).unwrap();
            let result = steps(file, step, |given| {
                if let Some(bytes) = given {
                    verifier.feed(bytes)?;
                }
                verifier.step()
            });
            // Damaged rows can show before their checksum does, so which of the two is named depends on the pieces.
            result.map(|()| verifier.so_far()).map_err(|_| ())
        })
        .ok();
        same(&format!("Bundler, {what}"), |step| {
            let mut rng = TestRng(3);
            let limits = Limits::default();
            let everything = Selection {
                tables: None,
                file_sets: None,
                ..Selection::ALL
            };
            let mut bundler = Bundler::new(
                directory,
                manifest,
                files,
                &everything,
                limits,
                &KEY,
                &mut rng,
            )
            .unwrap();
            let mut out = Vec::new();
            steps(file, step, |given| {
                if let Some(bytes) = given {
                    bundler.feed(bytes)?;
                }
                bundler.step(&mut out)
            })
            .map(|()| out)
        })
        .ok();
        same(&format!("Preview, {what}"), |step| {
            let name = TableName::new("public", "notes");
            let limits = Limits::default();
            let mut preview = Preview::new(directory, manifest, &name, 390, 30, limits).unwrap();
            let result = steps(file, step, |given| {
                if let Some(bytes) = given {
                    preview.feed(bytes)?;
                }
                preview.step()
            });
            result.map(|()| preview.finish()).map_err(|_| ())
        })
        .ok();
        let part = directory.entry("tables/public.notes/000001.tsv").unwrap();
        let digest = manifest.tables[1].parts[0].digest();
        same(&format!("CheckedReader, {what}"), |step| {
            let mut reader = CheckedReader::new(part, &digest, Limits::default()).unwrap();
            let mut out = Vec::new();
            steps(file, step, |given| {
                if let Some(bytes) = given {
                    reader.feed(bytes)?;
                }
                reader.step(&mut out)
            })
            .map(|()| out)
        })
        .ok();
    }
}

#[test]
fn row_checks() {
    let columns = ["id", "body"];
    for text in [
        "id\tbody\n1\ta\\nb\n2\t\\N\n",
        "id\tbody\n1\ta\\\n",
        "id\tbody\n1\n",
        "id\tother\n",
        "id\tbody\n1\ta",
        "",
    ] {
        same(text, |step| {
            let mut check = RowCheck::new(columns);
            for piece in text.as_bytes().chunks(step) {
                check.push(piece)?;
            }
            check.finish()
        })
        .ok();
    }
}

#[test]
fn what_is_archived_does_not_depend_on_the_pieces() {
    let texts: [(&str, Box<[u8]>); 3] = [
        ("files/a", b"streamed text ".repeat(5000).into()),
        (
            "files/b",
            (0..40_000_u32)
                .flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes())
                .collect(),
        ),
        ("files/c", Box::new([])),
    ];
    same("ArchiveWriter", |step| {
        let mut writer = ArchiveWriter::new();
        let mut file = Vec::new();
        for (name, text) in &texts {
            writer.begin(name, &mut file).unwrap();
            for piece in text.chunks(step) {
                writer.push(piece, &mut file).unwrap();
            }
            writer.end(&mut file).unwrap();
        }
        writer
            .add("manifest.json", &pack(b"{}".to_vec()), &mut file)
            .unwrap();
        writer.finish(&mut file).unwrap();
        // How well it is compressed depends on the first piece; what it is does not.
        let directory = open(&file).unwrap();
        let read = |entry| {
            EntryReader::new(entry, Limits::default())
                .read_all::<archive::ArchiveError>("", u64::MAX, |range| {
                    Ok(slice(&file, range).to_vec())
                })
                .unwrap()
        };
        directory.entries().iter().map(read).collect::<Vec<_>>()
    });
}
