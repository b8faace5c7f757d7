use super::*;
use crate::{
    digest::Digest,
    fixture::{Fixture, changed, fixture, note, open, slice},
    manifest::{CredentialColumn, Selection},
    policy::{CredentialRule, LeaveOutRule},
    rows::{Rows, display},
    verify::Verifier,
};
use alloc::{collections::BTreeMap, format, string::ToString};

fn public(name: &str) -> TableName {
    TableName::new("public", name)
}

fn rule(table: &str, column: &str, placeholder: Option<&str>) -> CredentialColumn {
    CredentialColumn::new(public(table), column.into(), placeholder.map(Into::into))
}

/// The fixture as a sensitive archive with these rules.
fn sensitive(rules: &[CredentialColumn]) -> Fixture {
    changed(|_, manifest| {
        manifest.contents = Contents::Sensitive;
        manifest.credentials = Some(rules.to_vec());
    })
}

fn preset(credentials: &[(&str, &str, Option<&str>)], leave_out: &[&str]) -> Preset {
    Preset {
        app: "notes".into(),
        leave_out: leave_out
            .iter()
            .map(|table| LeaveOutRule {
                table: (*table).into(),
                reason: LeftOutReason::Transient,
                detail: None,
                condition: BTreeMap::new(),
                matching: BTreeMap::new(),
            })
            .collect(),
        credentials: credentials
            .iter()
            .map(|(table, column, placeholder)| CredentialRule {
                table: (*table).into(),
                column: (*column).into(),
                placeholder: placeholder.map(Into::into),
                ..CredentialRule::default()
            })
            .collect(),
        ..Preset::default()
    }
}

/// Redacts an archive whose bytes are given in pieces of at most `step`.
fn run(
    archive: &Fixture,
    redaction: &Redaction,
    step: usize,
) -> Result<(Vec<u8>, Manifest), RedactError> {
    let mut redactor = Redactor::new(
        &archive.directory,
        &archive.manifest,
        &archive.files,
        redaction,
        Limits::default(),
        FreshSecrets::new([7; 32]),
    )?;
    let mut out = Vec::new();
    loop {
        match redactor.step(&mut out)? {
            Step::Want(wanted) => {
                let bytes = archive.range(wanted);
                redactor.feed(&bytes[..bytes.len().min(step)])?;
            }
            Step::Output => {}
            Step::Done => return Ok((out, redactor.manifest().clone())),
        }
    }
}

fn redact(archive: &Fixture, preset: Option<&Preset>) -> Result<(Vec<u8>, Manifest), RedactError> {
    run(
        archive,
        &decide(&archive.manifest, preset, false)?,
        usize::MAX,
    )
}

fn read(file: &[u8], directory: &Directory, name: &str) -> Vec<u8> {
    archive::EntryReader::new(directory.entry(name).unwrap(), Limits::default())
        .read_all::<ArchiveError>("", u64::MAX, |range| Ok(slice(file, range).to_vec()))
        .unwrap()
}

/// Checks a result as `coffer verify` does, and gives its directory and manifest.
fn verified(file: &[u8], files: &[FileEntry]) -> (Directory, Manifest) {
    let directory = open(file).unwrap();
    let manifest = Manifest::parse(&read(file, &directory, MANIFEST_PATH)).unwrap();
    let mut verifier = Verifier::new(&directory, &manifest, files, Limits::default()).unwrap();
    loop {
        match verifier.step().unwrap() {
            Step::Want(wanted) => verifier.feed(slice(file, wanted)).unwrap(),
            Step::Output => {}
            Step::Done => break,
        }
    }
    (directory, manifest)
}

/// The rows of the table `notes`.
fn rows_of_notes(
    file: &[u8],
    directory: &Directory,
    manifest: &Manifest,
) -> Vec<Vec<Option<String>>> {
    let data = manifest.table(&public("notes")).unwrap();
    let mut all = Vec::new();
    for part in 0..data.parts.len() {
        let text = read(file, directory, &data.part_path(part));
        let mut rows = Rows::new(&text, ["id", "body"]).unwrap();
        while let Some(fields) = rows.next_fields().unwrap() {
            all.push(
                fields
                    .into_iter()
                    .map(|field| display(field).unwrap())
                    .collect(),
            );
        }
    }
    all
}

/// What the table `notes` holds with this in place of its bodies.
fn expected(placeholder: Option<&str>) -> Vec<Vec<Option<String>>> {
    (0..1000)
        .map(|id| {
            let mut row = note(id);
            row[1] = row[1].take().and(placeholder.map(Into::into));
            row
        })
        .collect()
}

#[test]
fn values_go_whatever_the_pieces_and_the_rest_stays() {
    for placeholder in [None, Some("gone"), Some("\\N\t\n")] {
        let archive = sensitive(&[rule("notes", "body", placeholder)]);
        let redaction = decide(&archive.manifest, None, false).unwrap();
        let (file, manifest) = run(&archive, &redaction, usize::MAX).unwrap();
        for step in [17, 4000] {
            assert_eq!(
                run(&archive, &redaction, step).unwrap(),
                (file.clone(), manifest.clone())
            );
        }
        let (directory, stored) = verified(&file, &archive.files);
        assert_eq!(stored, manifest);
        assert_eq!(
            rows_of_notes(&file, &directory, &manifest),
            expected(placeholder)
        );
        assert_eq!(manifest.contents, Contents::Standard);
        assert_eq!(manifest.credentials, None);
        assert_eq!(
            manifest.left_out,
            vec![LeftOut::Column {
                table: public("notes"),
                column: "body".into(),
                reason: LeftOutReason::Credential,
                placeholder: Some(
                    placeholder.map_or_else(|| "NULL".to_string(), |text| format!("{text:?}"))
                ),
            }]
        );
        // Everything else is the source's.
        assert_eq!(manifest.tables[0], archive.manifest.tables[0]);
        assert_eq!(manifest.file_sets, archive.manifest.file_sets);
        for entry in &archive.files {
            assert_eq!(
                read(&file, &directory, &entry.entry),
                read(&archive.file, &archive.directory, &entry.entry)
            );
        }
    }
}

#[test]
fn what_is_not_touched_is_copied_as_it_is_stored() {
    let archive = sensitive(&[]);
    let (file, manifest) = redact(&archive, None).unwrap();
    let (directory, _) = verified(&file, &archive.files);
    assert_eq!(manifest.tables, archive.manifest.tables);
    for (new, old) in directory
        .entries()
        .iter()
        .zip(archive.directory.entries())
        .filter(|(new, _)| new.name != MANIFEST_PATH)
    {
        assert_eq!(
            (&new.name, new.method, new.crc32, new.compressed),
            (&old.name, old.method, old.crc32, old.compressed)
        );
    }
}

#[test]
fn parts_that_grow_are_cut_anew() {
    // 20 columns of 4 KiB instead of a byte each: 200 rows make 16 MB.
    let names: Vec<String> = (0..20).map(|number| format!("c{number}")).collect();
    let placeholder = "x".repeat(4096);
    let archive = changed(|entries, manifest| {
        let template = manifest.schema.tables[0].columns[0].clone();
        manifest.schema.tables[0].columns = names
            .iter()
            .map(|name| crate::schema::Column {
                name: name.clone(),
                type_name: "text".into(),
                ..template.clone()
            })
            .collect();
        manifest.schema_sha256 = manifest.schema.hash();
        manifest.contents = Contents::Sensitive;
        let rules = names.iter();
        manifest.credentials = Some(
            rules
                .map(|name| rule("empty", name, Some(&placeholder)))
                .collect(),
        );
        let mut text = Vec::new();
        crate::rows::push_header(names.iter().map(String::as_str), &mut text);
        for _ in 0..200 {
            text.extend_from_slice("s\t".repeat(20).trim_end().as_bytes());
            text.push(b'\n');
        }
        let part = crate::rows::Part { text, rows: 200 };
        let name = manifest.tables[0].push(&part);
        entries.push((name, part.text));
    });
    let (file, manifest) = redact(&archive, None).unwrap();
    let (directory, _) = verified(&file, &archive.files);
    let table = &manifest.tables[0];
    assert_eq!((table.rows, table.parts.len()), (200, 2));
    for (number, part) in table.parts.iter().enumerate() {
        let text = read(&file, &directory, &table.part_path(number));
        let mut rows = Rows::new(&text, names.iter().map(String::as_str)).unwrap();
        for _ in 0..part.rows {
            let fields = rows.next_fields().unwrap().unwrap();
            assert!(fields.iter().all(|field| *field == placeholder.as_bytes()));
        }
        assert_eq!(rows.next_fields(), Ok(None));
        // No larger than the target, but for the last piece.
        assert!(part.bytes < 10 << 20);
    }
}

#[test]
fn a_preset_classifies_an_archive_that_was_taken_without_one() {
    let archive = changed(|_, manifest| {
        manifest.app.name = "notes on some host".into();
        manifest.notices.push(Notice::LooksLikeCredential {
            table: public("notes"),
            column: "body".into(),
        });
    });
    let preset = preset(&[("notes", "body", Some("gone"))], &["public.empty"]);
    let (file, manifest) = redact(&archive, Some(&preset)).unwrap();
    let (directory, _) = verified(&file, &archive.files);
    assert_eq!(
        rows_of_notes(&file, &directory, &manifest),
        expected(Some("gone"))
    );
    assert_eq!(manifest.notices, vec![]);
    assert_eq!(manifest.tables.len(), 1);
    assert!(manifest.left_out.contains(&LeftOut::Table {
        table: public("empty"),
        reason: LeftOutReason::Transient,
        rows: Some(0),
        detail: None,
    }));
}

#[test]
fn a_table_that_a_preset_leaves_out_goes_whole() {
    let archive = sensitive(&[rule("notes", "body", None)]);
    let preset = preset(&[], &["notes"]);
    let (file, manifest) = redact(&archive, Some(&preset)).unwrap();
    let (directory, _) = verified(&file, &archive.files);
    assert_eq!(manifest.tables.len(), 1);
    assert!(
        directory
            .entries()
            .iter()
            .all(|entry| !entry.name.starts_with("tables/public.notes"))
    );
    assert_eq!(
        manifest.left_out,
        vec![LeftOut::Table {
            table: public("notes"),
            reason: LeftOutReason::Transient,
            rows: Some(1000),
            detail: None,
        }]
    );
}

#[test]
fn files_stay_unless_they_are_not_wanted() {
    let archive = sensitive(&[rule("notes", "body", None)]);
    let redaction = decide(&archive.manifest, None, true).unwrap();
    let (file, manifest) = run(&archive, &redaction, usize::MAX).unwrap();
    let (directory, _) = verified(&file, &[]);
    assert!(
        directory
            .entries()
            .iter()
            .all(|entry| entry.name.starts_with("tables/") || entry.name == MANIFEST_PATH)
    );
    assert_eq!((manifest.file_sets.len(), manifest.files_index), (0, None));
    let dropped = |left_out: &&LeftOut| {
        matches!(
            left_out,
            LeftOut::FileSet {
                reason: LeftOutReason::Excluded,
                ..
            }
        )
    };
    assert_eq!(manifest.left_out.iter().filter(dropped).count(), 2);
}

#[test]
fn a_selection_of_a_sensitive_archive_can_be_redacted_too() {
    let archive = sensitive(&[rule("notes", "body", None), rule("empty", "id", None)]);
    let selection = Selection {
        tables: Some(vec![public("empty")]),
        file_sets: Some(vec![]),
        ..Selection::ALL
    };
    let selected = archive.manifest.select(&selection).unwrap();
    assert!(decide(&selected, None, false).is_ok());
}

#[test]
fn columns_that_look_like_credentials_and_have_no_rule_are_named() {
    let archive = changed(|entries, manifest| {
        manifest.contents = Contents::Sensitive;
        manifest.credentials = Some(vec![]);
        manifest.schema.tables[0].columns[0].name = "api_token".into();
        manifest.schema_sha256 = manifest.schema.hash();
        assert!(
            entries
                .iter()
                .all(|(name, _)| !name.contains("public.empty"))
        );
    });
    let (_, manifest) = redact(&archive, None).unwrap();
    assert_eq!(
        manifest.notices,
        vec![Notice::LooksLikeCredential {
            table: public("empty"),
            column: "api_token".into()
        }]
    );
}

#[test]
fn refusals_say_why() {
    let refused = |archive: &Fixture, preset: Option<&Preset>| redact(archive, preset).unwrap_err();
    assert_eq!(refused(&fixture(), None), RedactError::NoRules);
    let standard = changed(|_, manifest| manifest.contents = Contents::Standard);
    assert_eq!(refused(&standard, None), RedactError::Standard);
    assert_eq!(
        refused(&standard, Some(&preset(&[], &[]))),
        RedactError::Standard
    );
    let archive = sensitive(&[]);
    let mut other = preset(&[], &[]);
    other.app = "another".into();
    assert_eq!(
        refused(&archive, Some(&other)),
        RedactError::OtherApp {
            archive: "notes".into(),
            preset: "another".into()
        }
    );
    assert!(matches!(
        refused(&archive, Some(&preset(&[("notes", "bodi", None)], &[]))),
        RedactError::Policy(PolicyError::UnknownColumn { .. })
    ));
    assert_eq!(
        refused(
            &archive,
            Some(&preset(&[("notes", "id", Some("many"))], &[]))
        ),
        RedactError::Placeholder {
            table: public("notes"),
            column: "id".into(),
            type_name: "integer".into()
        }
    );
    // What the archive carries was printed by the database.
    assert!(redact(&sensitive(&[rule("notes", "id", Some("many"))]), None).is_ok());
}

/// Changes entries and manifest of the fixture.
type Change = fn(&mut Vec<(String, Vec<u8>)>, &mut Manifest);

#[test]
fn damage_anywhere_is_found() {
    let rules = [rule("notes", "body", None)];
    let broken = |change: Change| {
        let archive = changed(|entries, manifest| {
            manifest.contents = Contents::Sensitive;
            manifest.credentials = Some(rules.to_vec());
            change(entries, manifest);
        });
        redact(&archive, None).unwrap_err()
    };
    let fault = |error| match error {
        RedactError::Archive(ArchiveError::Entry(finding)) => (finding.entry, finding.fault),
        other => panic!("{other}"),
    };
    let part = |number: u32| format!("tables/public.notes/{number:06}.tsv");
    // A part that is rewritten, one of the files, the files index.
    assert_eq!(
        fault(broken(|entries, _| entries[1].1[12] ^= 1)),
        (part(2), Fault::Digest)
    );
    assert_eq!(
        fault(broken(|entries, _| entries[3].1[5] ^= 1)),
        ("files/uploads/a/noise.bin".into(), Fault::Digest)
    );
    assert_eq!(
        fault(broken(|entries, _| entries[6].1[90] ^= 1)),
        (FILES_INDEX_PATH.into(), Fault::Digest)
    );
    // Figures that the parts do not have.
    assert_eq!(
        fault(broken(|_, manifest| {
            manifest.tables[1].parts[0].rows -= 1;
            manifest.tables[1].parts[2].rows += 1;
        })),
        (
            part(1),
            Fault::Rows {
                expected: 399,
                found: 400
            }
        )
    );
    assert_eq!(
        fault(broken(|_, manifest| {
            manifest.tables[1].row_set.add_line(b"x");
        })),
        ("tables/public.notes".into(), Fault::Digest)
    );
    // Rows of another form, though their digest fits.
    let error = broken(|entries, manifest| {
        let notes = &mut manifest.tables[1];
        entries[1].1.extend_from_slice(b"1\n");
        notes.parts[1].bytes += 2;
        notes.parts[1].sha256 = Digest::of(&entries[1].1);
        notes.bytes += 2;
        notes.digest = TableData::digest_of(&notes.parts);
    });
    assert_eq!(
        error,
        RedactError::Rows {
            table: public("notes"),
            error: RowError::FieldCount {
                row: 2,
                found: 1,
                expected: 2
            }
        }
    );
    // Every byte of the archive's entries, stored.
    let mut archive = sensitive(&rules);
    let redaction = decide(&archive.manifest, None, false).unwrap();
    let end = archive.directory.entry(MANIFEST_PATH).unwrap().offset;
    for at in (0..usize::try_from(end).unwrap()).step_by(499) {
        archive.file[at] ^= 0x20;
        assert!(run(&archive, &redaction, usize::MAX).is_err(), "byte {at}");
        archive.file[at] ^= 0x20;
    }
    assert!(run(&archive, &redaction, usize::MAX).is_ok());
}
