use alloc::{collections::BTreeMap, vec};

use super::*;
use crate::{
    manifest::{Contents, CredentialColumn, LeftOutReason, Notice},
    schema::{Column, Schema, Table, TableName},
};

fn schema() -> Schema {
    let column = |name: &str, nullable| Column {
        name: name.into(),
        type_name: "text".into(),
        nullable,
        default: None,
        generated: false,
        identity: false,
    };
    let table = |name: &str, columns| Table {
        name: TableName::new("public", name),
        columns,
        primary_key: vec![],
        unique: vec![],
        foreign_keys: vec![],
    };
    Schema {
        tables: vec![
            table("sessions", vec![column("token", false)]),
            table(
                "users",
                vec![column("name", false), column("password_hash", true)],
            ),
        ],
    }
}

fn preset() -> Preset {
    Preset {
        app: "demo".into(),
        leave_out: vec![LeaveOutRule {
            table: "sessions".into(),
            reason: LeftOutReason::Transient,
            detail: None,
            condition: BTreeMap::new(),
            matching: BTreeMap::new(),
        }],
        credentials: vec![CredentialRule {
            table: "public.users".into(),
            column: "password_hash".into(),
            ..CredentialRule::default()
        }],
        ..Preset::default()
    }
}

#[test]
fn a_standard_archive_has_placeholders_and_says_so() {
    let policy = decide(&schema(), Some(&preset()), false, &[]).unwrap();
    assert_eq!(policy.contents, Contents::Standard);
    assert_eq!(policy.tables.len(), 1);
    assert_eq!(
        policy.tables[0].columns,
        vec![ColumnPolicy::Keep, ColumnPolicy::Replace(None)]
    );
    assert_eq!(policy.left_out.len(), 2);
    assert_eq!(policy.notices, vec![]);
}

#[test]
fn a_sensitive_archive_keeps_credentials() {
    let policy = decide(&schema(), Some(&preset()), true, &[]).unwrap();
    assert_eq!(
        policy.tables[0].columns,
        vec![ColumnPolicy::Keep, ColumnPolicy::Keep]
    );
    let carried = policy.credentials.unwrap();
    assert_eq!(
        carried,
        vec![CredentialColumn::new(
            TableName::new("public", "users"),
            "password_hash".into(),
            None,
        )]
    );
    let redaction = decide_redaction(&schema(), &carried, None, &[]).unwrap();
    assert_eq!(redaction.contents, Contents::Standard);
    assert_eq!(redaction.credentials, None);
    assert_eq!(
        redaction.tables[1].columns,
        vec![ColumnPolicy::Keep, ColumnPolicy::Replace(None)]
    );
    assert_eq!(
        decide(&schema(), None, true, &[]),
        Err(PolicyError::NoPreset)
    );
}

#[test]
fn a_preset_adds_to_the_rules_of_an_archive_and_takes_none_back() {
    let carried = [CredentialColumn::new(
        TableName::new("public", "users"),
        "password_hash".into(),
        Some("archive".into()),
    )];
    let mut preset = preset();
    preset.leave_out.clear();
    preset.credentials[0].placeholder = Some("preset".into());
    preset.credentials.push(CredentialRule {
        table: "sessions".into(),
        column: "token".into(),
        placeholder: Some("none".into()),
        ..CredentialRule::default()
    });
    let replace = |text: &str| ColumnPolicy::Replace(Some(text.into()));
    let policy = decide_redaction(&schema(), &carried, Some(&preset), &[]).unwrap();
    assert_eq!(policy.tables[0].columns, vec![replace("none")]);
    assert_eq!(
        policy.tables[1].columns,
        vec![ColumnPolicy::Keep, replace("archive")]
    );
    preset.credentials.clear();
    let policy = decide_redaction(&schema(), &carried, Some(&preset), &[]).unwrap();
    assert_eq!(policy.tables[1].columns[1], replace("archive"));
}

#[test]
fn placeholders_that_no_table_could_hold_are_errors() {
    let mut preset = preset();
    preset.credentials[0].placeholder = Some("!".into());
    for (primary_key, unique, refused) in [
        (&["password_hash"][..], &[][..], true),
        (&["name"], &["password_hash"], true),
        (&["name", "password_hash"], &[], false),
        (&["name"], &["name", "password_hash"], false),
    ] {
        let owned = |key: &[&str]| key.iter().map(|name| (*name).into()).collect();
        let mut schema = schema();
        schema.tables[1].primary_key = owned(primary_key);
        schema.tables[1].unique = vec![owned(unique)];
        let policy = decide(&schema, Some(&preset), false, &[]);
        assert_eq!(
            matches!(policy, Err(PolicyError::PlaceholderNotUnique { .. })),
            refused,
            "{policy:?}"
        );
        // Left out, it has no rows that could collide.
        assert!(decide(&schema, Some(&preset), false, &["users".into()]).is_ok());
    }
}

#[test]
fn without_a_preset_suspicious_columns_are_named() {
    let policy = decide(&schema(), None, false, &["sessions".into()]).unwrap();
    assert_eq!(policy.contents, Contents::Unclassified);
    assert_eq!(
        policy.notices,
        vec![Notice::LooksLikeCredential {
            table: TableName::new("public", "users"),
            column: "password_hash".into()
        }]
    );
    assert!(!looks_like_credential("token_expires_at"));
}

#[test]
fn rules_that_fit_nothing_are_errors() {
    let mut wrong = preset();
    wrong.credentials[0].column = "passwort".into();
    assert!(matches!(
        decide(&schema(), Some(&wrong), false, &[]),
        Err(PolicyError::UnknownColumn { .. })
    ));
    let mut wrong = preset();
    wrong.credentials[0].placeholder = Some("x".repeat(MAX_PLACEHOLDER_BYTES + 1));
    assert!(matches!(
        decide(&schema(), Some(&wrong), false, &[]),
        Err(PolicyError::PlaceholderTooLong { bytes: 4097, .. })
    ));
    let mut wrong = preset();
    wrong.leave_out[0].table = "sesions".into();
    assert!(matches!(
        decide(&schema(), Some(&wrong), false, &[]),
        Err(PolicyError::UnknownTable { .. })
    ));
    let mut wrong = preset();
    wrong.credentials[0].column = "name".into();
    assert!(matches!(
        decide(&schema(), Some(&wrong), false, &[]),
        Err(PolicyError::PlaceholderNeeded { .. })
    ));
    assert!(matches!(
        decide(&schema(), None, false, &["nope".into()]),
        Err(PolicyError::UnknownExclusion { .. })
    ));
}
