use alloc::{string::ToString, vec};

use super::*;
use crate::{
    fixture::fixture,
    manifest::Selection,
    plan::{Archived, Consent, Mode, Origin, Reference, plan},
    schema::{Column, Labels},
};

fn facts() -> TargetFacts {
    let manifest = fixture().manifest;
    TargetFacts {
        states: Vec::new(),
        engine: manifest.engine,
        name: "shop".into(),
        schema: manifest.schema.clone(),
        rows: manifest
            .schema
            .names()
            .map(|table| (table.clone(), 5))
            .collect(),
        references: vec![],
        app_secrets: vec![],
        labels: vec![],
        migration: None,
        files: vec![("uploads".into(), Some(2)), ("avatars".into(), Some(0))],
    }
}

fn planned(facts: &TargetFacts, digest: &[u8]) -> Plan {
    let manifest = fixture().manifest;
    let archive = Archived {
        manifest: &manifest,
        digest: Digest::of(digest),
        origin: Origin::Unsaid,
        survey: None,
    };
    let consent = Consent::default();
    plan(archive, facts, &Selection::ALL, Mode::Replace, consent).unwrap()
}

fn file() -> PlanFile {
    PlanFile::new(planned(&facts(), b"m"), facts(), true)
}

#[test]
fn it_comes_back_as_it_was_and_not_otherwise() {
    let json = file().to_json();
    assert_eq!(PlanFile::parse(&json), Ok(file()));
    let text = core::str::from_utf8(&json).unwrap();
    // Whatever is altered, of the plan or of the target.
    for (from, to) in [
        ("\"insert\": 1000", "\"insert\": 1001"),
        ("\"replace_existing\": false", "\"replace_existing\": true"),
        ("\"blocked\": true", "\"blocked\": false"),
        ("\"name\": \"shop\"", "\"name\": \"other\""),
    ] {
        let altered = text.replacen(from, to, 1);
        assert_ne!(altered, text, "{from}");
        let read = PlanFile::parse(altered.as_bytes());
        assert_eq!(read, Err(PlanFileError::Altered), "{from}");
    }
    let newer = text.replacen("\"coffer_plan\": 1", "\"coffer_plan\": 2", 1);
    assert_eq!(
        PlanFile::parse(newer.as_bytes()),
        Err(PlanFileError::Version { found: 2 })
    );
    for other in ["", "{}", "[1]", "{\"coffer_plan\": 1}"] {
        let read = PlanFile::parse(other.as_bytes());
        assert!(matches!(read, Err(PlanFileError::Json(_))), "{other}");
    }
}

#[test]
fn whatever_changed_is_named() {
    let file = file();
    assert_eq!(file.changes(&planned(&facts(), b"m"), &facts()), []);
    let after = |change: &dyn Fn(&mut TargetFacts)| {
        let mut now = facts();
        change(&mut now);
        file.changes(&planned(&now, b"m"), &now)
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        after(&|now| now.rows[1].1 = 6),
        ["public.notes had 5 rows and has 6"]
    );
    assert_eq!(
        after(&|now| now.files[0].1 = Some(3)),
        ["the folder of uploads had 2 files and has 3"]
    );
    assert_eq!(
        after(&|now| now.name = "store".into()),
        ["the target was shop and is store"]
    );
    let head = Migration {
        ledger: TableName::new("public", "ledger"),
        head: "7".into(),
    };
    assert_eq!(
        after(&|now| now.migration = Some(head.clone())),
        ["the target was at migration none and is at 7"]
    );
    let more = Column {
        name: "more".into(),
        type_name: "text".into(),
        nullable: true,
        default: None,
        generated: false,
        identity: false,
    };
    assert_eq!(
        after(&|now| now.schema.tables[1].columns.push(more.clone())),
        ["the shape of public.notes has changed"]
    );
    assert_eq!(
        after(&|now| now.schema.tables[1].columns.reverse()),
        ["the target's schema has changed in its defaults or the order of columns"]
    );
    let reference = Reference {
        table: TableName::new("public", "other"),
        columns: vec!["id".into()],
        references: TableName::new("public", "notes"),
        rows: 1,
    };
    assert_eq!(
        after(&|now| now.references.push(reference.clone())),
        ["other rows of tables that are not selected refer to selected ones"]
    );
    let labels = Labels {
        type_name: "mood".into(),
        labels: vec![],
    };
    assert_eq!(
        after(&|now| now.labels.push(labels.clone())),
        ["the target's enumerations have other labels"]
    );
    assert_eq!(
        file.changes(&planned(&facts(), b"n"), &facts()),
        [Change::Archive]
    );
    let mut unsigned = planned(&facts(), b"m");
    unsigned.findings.push(crate::plan::Finding::Unsigned);
    assert_eq!(file.changes(&unsigned, &facts()), [Change::Findings]);
}
