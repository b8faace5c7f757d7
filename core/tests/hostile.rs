//! Every ZIP that is wrong on purpose is refused with exactly the error that its case names.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;

use coffer_core::{
    archive::{ArchiveWriter, Limits, pack},
    foreign::zip::Weight,
};
use coffer_hostile::{
    Answer, Case, Zip, cases,
    judge::{self, Wrong},
    large_cases, small_cases,
};

#[test]
fn the_builder_is_right_unless_it_is_told_to_be_wrong() {
    assert_eq!(
        judge::verify(&Zip::archive().bytes(), Limits::default()).map(|done| done.entries),
        Ok(4)
    );
    let mut written = Vec::new();
    let mut writer = ArchiveWriter::new();
    writer
        .add("a", &pack(b"stored".to_vec()), &mut written)
        .unwrap();
    writer
        .add("manifest.json", &pack(b"{}".to_vec()), &mut written)
        .unwrap();
    writer.finish(&mut written).unwrap();
    let built = Zip::of(vec![
        coffer_hostile::Member::stored("a", b"stored"),
        coffer_hostile::Member::stored("manifest.json", b"{}"),
    ]);
    assert_eq!(built.bytes(), written);
}

#[test]
fn there_are_all_the_cases_and_each_has_a_name() {
    let cases = cases();
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len(), "two cases have one name");
    assert!(
        cases.len() >= 150,
        "cases were lost: {} are left",
        cases.len()
    );
}

fn answers(cases: &[Case]) {
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let found = judge::verify(&(case.file)(), case.limits);
            (found != Err(Wrong::Archive(case.strict.clone()))).then(|| {
                format!(
                    "{}\n  found    {found:?}\n  expected {:?}",
                    case.name, case.strict
                )
            })
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_fault_has_its_exact_answer() {
    answers(&small_cases());
}

#[test]
fn every_fault_among_many_entries_has_its_exact_answer() {
    answers(&large_cases());
}

#[test]
fn as_somebody_elses_zip_every_fault_has_its_weight() {
    let mut wrong = Vec::new();
    for case in cases() {
        let found = judge::foreign(&(case.file)(), case.limits);
        let unread = |name: &str| match &found {
            Ok(done) => !done.content.iter().any(|(read, _)| read == name),
            Err(_) => true,
        };
        let right = match (case.foreign(), &found) {
            (Answer::Refused(expected), Err(error)) => *error == expected,
            (Answer::Damaged(expected), Ok(done)) => {
                done.findings.is_empty() && done.damaged == expected
            }
            (Answer::Found(expected), Ok(done)) => {
                let heavy = |finding: &&coffer_core::archive::Finding| {
                    Weight::of(&finding.fault) > Weight::Note
                };
                done.damaged.is_empty()
                    && done.findings == expected
                    && expected
                        .iter()
                        .filter(heavy)
                        .all(|finding| unread(&finding.entry))
            }
            _ => false,
        };
        if !right {
            wrong.push(format!(
                "{}\n  found    {found:?}\n  expected {:?}",
                case.name,
                case.foreign()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}
