use alloc::{string::ToString, vec, vec::Vec};

use super::*;
use crate::{
    fixture::fixture,
    manifest::{FileSet, LeftOut, LeftOutReason, Migration},
    schema::{Column, Engine, ForeignKey, Schema, Table},
    seal::Fingerprint,
};

const ALLOWED: Consent = Consent {
    replace_existing: true,
    decisions: Decisions {
        drop_columns: Vec::new(),
        fill: Vec::new(),
    },
    no_safety_backup: false,
};

fn archived(manifest: &Manifest) -> Archived<'_> {
    Archived {
        manifest,
        digest: Digest::of(b"manifest"),
        origin: Origin::Unsaid,
        survey: None,
    }
}

fn target_like(manifest: &Manifest) -> TargetFacts {
    TargetFacts {
        states: Vec::new(),
        engine: manifest.engine,
        name: "target".into(),
        schema: manifest.schema.clone(),
        rows: manifest
            .schema
            .tables
            .iter()
            .map(|table| (table.name.clone(), 0))
            .collect(),
        references: vec![],
        app_secrets: vec![],
        labels: vec![],
        migration: manifest.migration.clone(),
        files: manifest
            .file_sets
            .iter()
            .map(|set| (set.name.clone(), Some(0)))
            .collect(),
    }
}

fn planned(manifest: &Manifest, target: &TargetFacts, consent: Consent) -> Plan {
    plan(
        archived(manifest),
        target,
        &Selection::ALL,
        Mode::Replace,
        consent,
    )
    .unwrap()
}

fn name(table: &str) -> TableName {
    TableName::new("public", table)
}

#[test]
fn an_empty_target_of_the_same_shape_takes_everything() {
    let manifest = fixture().manifest;
    let plan = planned(&manifest, &target_like(&manifest), Consent::default());
    assert!(!plan.blocked, "{:?}", plan.findings);
    assert_eq!(plan.total_insert(), manifest.total_rows());
    assert!(plan.tables.iter().all(|table| table.delete == 0));
    assert_eq!(plan.file_sets.len(), manifest.file_sets.len());
}

#[test]
fn what_the_target_holds_is_counted_and_needs_consent() {
    let manifest = fixture().manifest;
    let mut target = target_like(&manifest);
    for (_, rows) in &mut target.rows {
        *rows = 7;
    }
    target.files[0].1 = Some(3);
    let rows = 7 * target.rows.len() as u64;
    let refused = planned(&manifest, &target, Consent::default());
    assert!(refused.blocked);
    assert!(
        refused
            .findings
            .contains(&Finding::NotEmpty { rows, files: 3 })
    );
    let allowed = planned(&manifest, &target, ALLOWED);
    assert!(!allowed.blocked);
    assert!(allowed.tables.iter().all(|table| table.delete == 7));
}

#[test]
fn another_engine_is_never_allowed() {
    let manifest = fixture().manifest;
    let mut target = target_like(&manifest);
    target.engine = match manifest.engine {
        Engine::Postgres => Engine::Sqlite,
        Engine::Sqlite => Engine::Postgres,
    };
    let plan = planned(&manifest, &target, ALLOWED);
    assert!(plan.blocked);
    assert_eq!(plan.blocking().count(), 1);
}

#[test]
fn a_schema_that_differs_is_told_by_table_and_refused_only_where_rows_suffer() {
    let manifest = fixture().manifest;
    let notes = |target: &mut TargetFacts| -> usize {
        let tables = &target.schema.tables;
        tables.iter().position(|t| t.name == name("notes")).unwrap()
    };
    let mut wider = target_like(&manifest);
    let at = notes(&mut wider);
    wider.schema.tables[at].columns.push(Column {
        name: "more".into(),
        type_name: "text".into(),
        nullable: true,
        default: None,
        generated: false,
        identity: false,
    });
    let plan = planned(&manifest, &wider, Consent::default());
    assert!(!plan.blocked);
    let told: Vec<String> = plan.findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "public.notes fits with the default: the archive does not hold the column more, which stays empty"
        ]
    );

    let mut narrower = target_like(&manifest);
    let at = notes(&mut narrower);
    narrower.schema.tables[at].columns.pop();
    let plan = planned(&manifest, &narrower, ALLOWED);
    assert!(plan.blocked);
    let lost = ColumnName {
        table: name("notes"),
        column: "body".into(),
    };
    let decided = |columns: Vec<ColumnName>| Consent {
        decisions: Decisions {
            drop_columns: columns,
            fill: vec![],
        },
        ..ALLOWED
    };
    let plan = planned(&manifest, &narrower, decided(vec![lost.clone()]));
    assert!(!plan.blocked, "{:?}", plan.findings);
    // A decision that nothing asks for is told, and changes the digest like any other.
    let idle = planned(&manifest, &wider, decided(vec![lost.clone()]));
    assert!(idle.findings.contains(&Finding::NotNeeded { column: lost }));
    assert!(!idle.blocked);
    assert_ne!(idle.digest(), planned(&manifest, &wider, ALLOWED).digest());

    // The same difference in a table that is not selected is no obstacle.
    let others = Selection {
        tables: Some(vec![name("empty")]),
        file_sets: Some(vec![]),
        ..Selection::ALL
    };
    let digest = Digest::of(b"manifest");
    let partial = plan_of(&manifest, digest, &narrower, &others);
    assert!(!partial.blocked, "{:?}", partial.findings);
}

fn plan_of(
    manifest: &Manifest,
    digest: Digest,
    target: &TargetFacts,
    selection: &Selection,
) -> Plan {
    let archived = Archived {
        digest,
        ..archived(manifest)
    };
    plan(archived, target, selection, Mode::Replace, ALLOWED).unwrap()
}

#[test]
fn tables_outside_of_the_selection_that_keys_connect_are_named() {
    let manifest = fixture().manifest;
    let mut target = target_like(&manifest);
    let key = |to: &str| ForeignKey {
        name: "key".into(),
        columns: vec!["id".into()],
        references: name(to),
        referenced_columns: vec!["id".into()],
    };
    let outside = |table: &str, keys: Vec<ForeignKey>| Table {
        name: name(table),
        columns: vec![],
        primary_key: vec![],
        unique: vec![],
        foreign_keys: keys,
    };
    target
        .schema
        .tables
        .push(outside("comments", vec![key("notes")]));
    let reference = Reference {
        table: name("comments"),
        columns: vec!["id".into()],
        references: name("notes"),
        rows: 3,
    };
    assert_eq!(
        reference.to_string(),
        "3 rows of public.comments by id to public.notes"
    );
    target.references = vec![reference.clone()];
    let at = |schema: &Schema, table: &str| {
        let found = schema.tables.iter().position(|t| t.name == name(table));
        found.unwrap()
    };
    let notes = at(&target.schema, "notes");
    target.schema.tables[notes].foreign_keys.push(key("empty"));
    let only_notes = Selection {
        tables: Some(vec![name("notes")]),
        file_sets: Some(vec![]),
        ..Selection::ALL
    };
    let plan = plan_of(&manifest, Digest::of(b"m"), &target, &only_notes);
    assert!(plan.findings.contains(&Finding::ReferencedFromOutside {
        references: vec![reference]
    }));
    assert!(plan.findings.contains(&Finding::ReferencesOutside {
        tables: vec![name("empty")]
    }));
    assert!(!plan.blocked);
}

#[test]
fn a_file_set_without_a_folder_is_refused() {
    let manifest = fixture().manifest;
    let mut target = target_like(&manifest);
    let FileSet { name: set, .. } = manifest.file_sets[0].clone();
    target.files.retain(|(name, _)| *name != set);
    let plan = planned(&manifest, &target, ALLOWED);
    assert!(plan.blocked);
    assert!(plan.findings.contains(&Finding::NoFolder { set }));
}

#[test]
fn placeholders_and_migrations_are_told_and_do_not_block() {
    let mut manifest = fixture().manifest;
    manifest.contents = Contents::Standard;
    manifest.left_out.push(LeftOut::Column {
        table: name("notes"),
        column: "body".into(),
        reason: LeftOutReason::Credential,
        placeholder: Some("NULL".into()),
    });
    let mut target = target_like(&manifest);
    target.migration = Some(Migration {
        ledger: name("ledger"),
        head: "2026".into(),
    });
    let plan = planned(&manifest, &target, Consent::default());
    assert!(!plan.blocked);
    assert!(
        plan.findings
            .contains(&Finding::Placeholders { columns: 1 })
    );
    let told = |finding: &Finding| finding.to_string().contains("the target is at 2026");
    assert!(plan.findings.iter().any(told));
}

#[test]
fn the_digest_binds_archive_selection_consent_and_target() {
    let manifest = fixture().manifest;
    let target = target_like(&manifest);
    let all = Selection::ALL;
    let base = plan_of(&manifest, Digest::of(b"m"), &target, &all).digest();
    assert_eq!(
        plan_of(&manifest, Digest::of(b"m"), &target, &all).digest(),
        base
    );
    let mut changed = target.clone();
    changed.rows[0].1 += 1;
    let without_files = Selection {
        tables: None,
        file_sets: Some(vec![]),
        ..Selection::ALL
    };
    for other in [
        plan_of(&manifest, Digest::of(b"n"), &target, &all),
        plan_of(&manifest, Digest::of(b"m"), &changed, &all),
        plan_of(&manifest, Digest::of(b"m"), &target, &without_files),
        planned(&manifest, &target, Consent::default()),
    ] {
        assert_ne!(other.digest(), base);
    }
}

#[test]
fn who_sealed_the_archive_is_told_and_part_of_the_plan() {
    let manifest = fixture().manifest;
    let target = target_like(&manifest);
    let of = |origin| {
        let archived = Archived {
            origin,
            ..archived(&manifest)
        };
        plan(archived, &target, &Selection::ALL, Mode::Replace, ALLOWED).unwrap()
    };
    let name = |text| Fingerprint::parse(text).unwrap();
    let one = name("00112233445566778899aabbccddeeff");
    let unsaid = of(Origin::Unsaid);
    let unsigned = of(Origin::Anybody);
    let signed = of(Origin::Signed(one));
    assert!(unsigned.findings.contains(&Finding::Unsigned));
    assert!(signed.findings.contains(&Finding::SignedBy {
        sender: one.to_string()
    }));
    // Nothing of this forbids a restore, but a plan that was confirmed for one sender is not carried out for another.
    let other = of(Origin::Signed(name("ffeeddccbbaa99887766554433221100")));
    let plans = [unsaid, unsigned, signed, other];
    for (index, plan) in plans.iter().enumerate() {
        assert!(!plan.blocked);
        let same = plans.iter().filter(|other| other.digest() == plan.digest());
        assert_eq!(same.count(), 1, "{index}");
    }
}
