//! Every sample with the counts and findings that its description gives.

use super::*;

/// Rows of Nosdesk's tables that have some.
const NOSDESK_ROWS: &str = "active_sessions 4, api_tokens 2, article_content_revisions 3, article_contents 3, asset_audits 1, \
    asset_kinds 4, asset_usage_log 1, assets 4, assignment_log 1, assignment_rule_state 1, assignment_rules 1, attachments 7, \
    audit_log 7, backup_jobs 2, canned_responses 1, channel_credentials 2, channel_messages 4, channels 1, comments 80, \
    cycle_tickets 2, cycles 1, documentation_collection_pages 5, documentation_collections 2, documentation_page_tickets 1, \
    documentation_page_visibility 1, documentation_pages 5, documentation_revisions 5, documentation_starred_pages 1, \
    email_suppressions 1, group_includes 1, groups 2, knowledge_gap_signals 1, knowledge_gaps 1, linked_tickets 3, \
    notification_preferences 1, notification_types 8, notifications 8, outbound_emails 1, passkey_credentials 1, plugin_data 2, \
    plugin_local_signing_key 1, plugin_registry_state 1, plugins 1, project_tickets 5, projects 1, refresh_tokens 8, \
    reset_tokens 2, rule_applications 1, rule_versions 1, rules 1, saved_views 1, search_index_state 6, search_query_log 1, \
    security_events 2, site_settings 1, sla_policies 2, sync_actions 10, system_meta 3, tags 5, ticket_assets 3, \
    ticket_categories 5, ticket_tags 20, ticket_watchers 14, tickets 40, user_auth_identities 12, user_emails 12, \
    user_groups 11, user_preferences 12, user_recovery_codes 9, user_ticket_views 6, users 12, webhook_deliveries 3, \
    webhook_outbox 10, webhooks 1, workflow_states 7, working_calendar_holidays 2, working_calendars 1, workspace_members 12, \
    workspaces 1, yjs_snapshots 1";

fn sealed() -> Sample<'static> {
    Sample::new(SEALED).password("correct horse battery staple")
}

fn encrypted() -> Sample<'static> {
    Sample::new(ENCRYPTED).sidecar(SIDECAR).key(KEY)
}

#[test]
fn nosdesk_standard() {
    let overview = overview(&Sample::new(PLAIN));
    assert_eq!(overview.product, Product::Nosdesk);
    assert_eq!(overview.format, "2");
    assert_eq!(overview.app_version.as_deref(), Some("1.0.12"));
    assert!(!overview.sensitive && overview.sealed.is_none());
    assert_eq!((overview.tables.len(), overview.rows), (101, 429));
    assert_eq!((overview.files.len(), overview.file_bytes), (13, 7_203));
    let with_rows: Vec<String> = counts(&overview)
        .into_iter()
        .filter(|(_, rows)| *rows > 0)
        .map(|(name, rows)| format!("{name} {rows}"))
        .collect();
    assert_eq!(with_rows.join(", "), NOSDESK_ROWS);
    assert_eq!(overview.errors, 0);
    assert_eq!(findings(&overview, Level::Error), Vec::<String>::new());
    assert_eq!(
        findings(&overview, Level::Warning),
        [
            "credentials_left_in active_sessions.session_id 4",
            "credentials_left_in audit_log.after_jsonb.encrypted_sk 1",
            "credentials_left_in audit_log.after_jsonb.guest_lookup_token 3",
            "credentials_left_in audit_log.after_jsonb.headers 1",
            "credentials_left_in audit_log.after_jsonb.secret 1",
            "credentials_left_in audit_log.before_jsonb.guest_lookup_token 3",
            "credentials_left_in channels.config 1",
            "credentials_left_in passkey_credentials.credential 1",
            "credentials_left_in refresh_tokens.replaced_by_hash 4",
            "credentials_left_in tickets.guest_lookup_token 10",
            "credentials_left_in webhook_deliveries.request_headers 3",
            "in_flight backup_jobs 1",
            "in_flight webhook_outbox 10",
            "missing_file attachments",
        ]
    );
    let notes = findings(&overview, Level::Note);
    let unnamed: Vec<_> = notes
        .iter()
        .filter(|note| note.starts_with("unnamed_file"))
        .collect();
    assert_eq!(
        unnamed,
        [
            "unnamed_file files/branding/README.txt",
            "unnamed_file files/plugins/01a12e0d-8380-7c4c-93dc-9b70cd9cf39b/bundle.js",
            "unnamed_file files/temp/01a12e0d-8380-7537-b98a-ae6111cb0a8f_draft.txt",
        ]
    );
    assert_eq!(
        notes
            .iter()
            .filter(|note| note.starts_with("stripped"))
            .count(),
        7
    );
    let missing = overview
        .findings
        .iter()
        .find_map(|Finding(problem)| match problem {
            Problem::MissingFile { row, path, .. } => Some((*row, path.ends_with("_missing.pdf"))),
            _ => None,
        });
    assert_eq!(missing, Some((7, true)));
}

#[test]
fn nosdesk_sensitive_agrees_with_standard() {
    let (open, standard) = (sealed().open().unwrap(), Sample::new(PLAIN).open().unwrap());
    assert_eq!(
        Digest::of(&open.bytes).to_string(),
        "5dd79c1726ff15750962afcd97e9a9ec5b5dc2e97a6b495fd64375f76f1ec6bf"
    );
    let overview = open.survey(Depth::Everything, 5_000).unwrap();
    assert!(overview.sensitive && overview.sealed.is_some());
    assert_eq!((overview.tables.len(), overview.rows), (101, 429));
    assert_eq!(overview.errors, 0);
    assert_eq!(
        findings(&overview, Level::Warning),
        [
            "in_flight backup_jobs 1",
            "in_flight webhook_outbox 10",
            "missing_file attachments"
        ]
    );
    let wrapped: Vec<String> = findings(&overview, Level::Note)
        .into_iter()
        .filter(|note| note.starts_with("wrapped"))
        .collect();
    assert_eq!(
        wrapped,
        [
            "wrapped channel_credentials.encrypted_value 2",
            "wrapped plugin_data.value 1",
            "wrapped plugin_local_signing_key.encrypted_sk 1",
            "wrapped users.mfa_secret 3",
        ]
    );
    // Every value that a standard archive has is the same; jsonb may stand in another spacing and order of columns.
    let mut compared = 0;
    for table in &overview.tables {
        let (all, some) = (
            open.rows(&table.name).unwrap(),
            standard.rows(&table.name).unwrap(),
        );
        assert_eq!(all.len(), some.len());
        for (all, some) in all.iter().zip(&some) {
            for (name, value) in &some.values {
                let other = all.get(name).unwrap();
                let json = |value: &Value| {
                    serde_json::from_str::<serde_json::Value>(value.shown().unwrap_or("null")).ok()
                };
                let same = other == value
                    || matches!((other, value), (Value::Json(_), Value::Json(_)))
                        && json(other) == json(value);
                assert!(same, "{} {name}: {other:?} {value:?}", table.name);
                compared += 1;
            }
        }
    }
    assert!(compared > 4_000, "{compared}");
}

#[test]
fn nosdesk_values_survive() {
    let open = sealed().open().unwrap();
    let column = |table: &str, column: &str| -> Vec<Value> {
        let rows = open.rows(table).unwrap();
        rows.iter()
            .filter_map(|row| row.get(column).cloned())
            .collect()
    };
    let number = |text: &str| Value::Number(text.to_string());
    let text = |text: &str| Value::Text(text.to_string());
    let yjs = column("article_contents", "yjs_client_id");
    for expected in ["9223372036854775807", "-9223372036854775808"] {
        assert!(yjs.contains(&number(expected)), "{expected} {yjs:?}");
    }
    let fences = column("documentation_collections", "fence_token");
    assert!(fences.contains(&number("9007199254740993")), "{fences:?}");
    let all: Vec<Value> = ["assets", "asset_usage_log", "asset_audits"]
        .iter()
        .flat_map(|table| open.rows(table).unwrap())
        .flat_map(|row| row.values.into_iter().map(|(_, value)| value))
        .collect();
    for expected in ["10.000", "0.125", "999999999.999"] {
        assert!(all.contains(&number(expected)), "{expected}");
    }
    assert!(column("api_tokens", "expires_at").contains(&text("infinity")));
    let suppressions = open.rows("email_suppressions").unwrap();
    let has_infinity = |row: &Row| {
        row.values
            .iter()
            .any(|(_, value)| *value == text("-infinity"))
    };
    assert!(suppressions.iter().any(has_infinity));
}

#[test]
fn nojoin() {
    let overview = overview(&Sample::new(NOJOIN));
    assert_eq!(overview.product, Product::Nojoin);
    assert_eq!(overview.format, "2");
    assert_eq!(overview.app_version.as_deref(), Some("2.4.0"));
    assert!(overview.sensitive);
    assert_eq!(
        overview.facts,
        [
            ("audio".to_string(), "included".to_string()),
            ("quality".to_string(), "original".to_string())
        ]
    );
    assert_eq!(overview.rows, 187);
    assert_eq!(
        counts(&overview),
        [
            ("users", 3),
            ("notes_templates", 2),
            ("calendar_provider_configs", 2),
            ("calendar_connections", 2),
            ("calendar_sources", 4),
            ("calendar_events", 16),
            ("user_tasks", 6),
            ("p_tags", 4),
            ("global_speakers", 8),
            ("people_tags", 6),
            ("tags", 8),
            ("user_task_tags", 6),
            ("recordings", 12),
            ("user_task_recordings", 6),
            ("recording_speakers", 36),
            ("recording_tags", 18),
            ("transcripts", 12),
            ("chat_messages", 24),
            ("documents", 4),
            ("document_pages", 8),
        ]
    );
    assert_eq!(overview.files.len(), 15);
    assert!(overview.files.iter().all(|file| file.named));
    assert_eq!(findings(&overview, Level::Error), Vec::<String>::new());
    assert_eq!(
        findings(&overview, Level::Warning),
        [
            "credentials calendar_connections.access_token 2",
            "credentials calendar_connections.refresh_token 2",
            "credentials calendar_provider_configs.client_secret 2",
            "credentials users.hashed_password 3",
            "credentials_left_in users.settings.providers[*].api_key 1",
            "in_flight recordings 1",
            "in_flight recordings 1",
            "missing_file recordings",
            "unsealed ",
        ]
    );
    let notes = findings(&overview, Level::Note);
    for expected in [
        "placeholder config.json.$.gemini_api_key 1",
        "placeholder users.settings.gemini_api_key 1",
        "placeholder users.settings.hf_token 1",
        "ids_in_json users.settings.notes_template_id 1",
    ] {
        assert!(
            notes.iter().any(|note| note == expected),
            "{expected} {notes:?}"
        );
    }
    let ids = "ids_in_json transcripts.segments[*].recording_speaker_id";
    assert!(notes.iter().any(|note| note.starts_with(ids)), "{notes:?}");
    let states: Vec<(&str, &[u64])> = overview
        .findings
        .iter()
        .filter_map(|Finding(problem)| match problem {
            Problem::InFlight { status, rows, .. } => {
                Some((status.as_str(), rows.first.as_slice()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(states, [("PAUSED", &[11][..]), ("PROCESSING", &[12])]);
}

const DBACKUP: [(&str, u64); 13] = [
    ("SystemSetting", 14),
    ("CredentialProfile", 4),
    ("AdapterConfig", 6),
    ("Job", 2),
    ("JobDestination", 3),
    ("_Notifications", 1),
    ("ApiKey", 1),
    ("User", 2),
    ("Account", 2),
    ("Group", 2),
    ("SsoProvider", 1),
    ("EncryptionProfile", 2),
    ("", 0),
];

#[test]
fn dbackup_with_secrets() {
    let open = encrypted().open().unwrap();
    let overview = open.survey(Depth::Everything, 100).unwrap();
    assert_eq!(overview.product, Product::DBackup);
    assert_eq!(overview.app_version.as_deref(), Some("3.2.0"));
    assert_eq!(
        overview.created_at.as_deref(),
        Some("2024-01-15T12:00:00.000Z")
    );
    assert!(overview.sensitive && overview.sealed.is_some());
    assert_eq!(counts(&overview), DBACKUP[..12]);
    assert_eq!(findings(&overview, Level::Error), Vec::<String>::new());
    assert_eq!(findings(&overview, Level::Warning), ["own_key "]);
    let link = open.rows("_Notifications").unwrap();
    assert_eq!(
        link[0].get("B").and_then(Value::as_text),
        Some("3d355435-b576-4c9a-a64e-8c36427c0727")
    );
    let accounts = open.rows("Account").unwrap();
    assert!(
        accounts[0]
            .get("password")
            .is_some_and(|value| !value.is_empty())
    );
    assert_eq!(open.rows("User").unwrap()[0].get("accounts"), None);
}

#[test]
fn dbackup_without_secrets() {
    for sample in [
        Sample::new(NO_SECRETS),
        Sample::new(NO_SECRETS).sidecar(NO_SECRETS_SIDECAR),
    ] {
        let overview = overview(&sample);
        assert!(!overview.sensitive && overview.sealed.is_none());
        assert_eq!(counts(&overview), DBACKUP[..12]);
        assert_eq!(findings(&overview, Level::Error), Vec::<String>::new());
        assert_eq!(findings(&overview, Level::Warning), Vec::<String>::new());
        let notes = findings(&overview, Level::Note);
        assert_eq!(
            notes,
            ["emptied ", "format_lacks ", "left_out ", "left_out "]
        );
    }
}

#[test]
fn dbackup_as_the_recovery_tool_leaves_it() {
    let json = unpacked();
    assert_eq!(
        Digest::of(&json).to_string(),
        "9098fba194d3d777682cae8b5a0ed330b9dc2f79d0136a154e56140d826327d1"
    );
    let overview = overview(&Sample::new(&json));
    assert_eq!(counts(&overview), DBACKUP[..12]);
    assert!(overview.sensitive && overview.sealed.is_none());
    let warnings = findings(&overview, Level::Warning);
    for expected in [
        "unsealed ",
        "credentials CredentialProfile.data 4",
        "credentials EncryptionProfile.secretKey 2",
        "credentials Account.password 2",
    ] {
        assert!(
            warnings.iter().any(|line| line == expected),
            "{expected} {warnings:?}"
        );
    }
}

/// The JSON inside of the encrypted sample.
pub(super) fn unpacked() -> Vec<u8> {
    let bytes = encrypted().open().unwrap().bytes;
    let mut reader = gzip::Gunzip::new(bytes.len() as u64, 1 << 20);
    let mut json = Vec::new();
    loop {
        match reader.step(&mut json).unwrap() {
            Step::Want(range) => reader.feed(slice(&bytes, range)).unwrap(),
            Step::Output => {}
            Step::Done => return json,
        }
    }
}

#[test]
fn wrong_keys_and_passwords_are_named() {
    let error = |sample: &Sample<'_>| sample.open().unwrap_err();
    assert_eq!(error(&Sample::new(SEALED)), ForeignError::PasswordNeeded);
    assert_eq!(
        error(&Sample::new(SEALED).password("wrong")),
        ForeignError::WrongPasswordOrDamaged
    );
    assert!(matches!(
        error(&Sample::new(ENCRYPTED).sidecar(SIDECAR)),
        ForeignError::KeyNeeded { profile: Some(profile) } if profile == "cxnao9o4mbw387gl7c2jup5a1"
    ));
    assert_eq!(
        error(&Sample::new(ENCRYPTED).key(KEY)),
        ForeignError::Unknown
    );
    assert!(matches!(
        error(&Sample::new(ENCRYPTED).sidecar(SIDECAR).key(&[b'a'; 64])),
        ForeignError::NoKeyFits { tried: 1, .. }
    ));
    for at in [20, ENCRYPTED.len() - 1] {
        let mut damaged = ENCRYPTED.to_vec();
        damaged[at] ^= 1;
        assert_eq!(
            error(&Sample::new(&damaged).sidecar(SIDECAR).key(KEY)),
            ForeignError::Damaged
        );
    }
    let cut = &ENCRYPTED[..ENCRYPTED.len() - 1];
    assert_eq!(
        error(&Sample::new(cut).sidecar(SIDECAR).key(KEY)),
        ForeignError::Damaged
    );
}

#[test]
fn the_same_is_found_in_pieces_of_any_size() {
    for sample in [Sample::new(PLAIN), Sample::new(NOJOIN), encrypted()] {
        let open = sample.open().unwrap();
        let whole = open.survey(Depth::Everything, usize::MAX).unwrap();
        assert_eq!(open.survey(Depth::Everything, 101).unwrap(), whole);
        let shallow = open.survey(Depth::Rows, usize::MAX).unwrap();
        assert_eq!(shallow.tables, whole.tables);
        assert_eq!(shallow.findings, whole.findings);
    }
}

#[test]
fn pages_of_rows() {
    let open = encrypted().open().unwrap();
    let page = |table: &str, skip, limit, columns: &[String]| {
        let mut peek = Peek::new(&open.archive, table, skip, limit)?;
        loop {
            match peek.step()? {
                Step::Want(range) => peek.feed(slice(&open.bytes, range))?,
                Step::Output => {}
                Step::Done => return Ok(peek.finish(columns)),
            }
        }
    };
    let all = page("SystemSetting", 0, 100, &[]).unwrap();
    assert_eq!(all.columns, ["key", "value", "description", "updatedAt"]);
    assert_eq!((all.rows.len(), all.end), (14, true));
    for (skip, limit, rows, end) in [
        (0, 14, 14, true),
        (0, 13, 13, false),
        (13, 5, 1, true),
        (14, 5, 0, true),
        (20, 1, 0, true),
    ] {
        let some = page("SystemSetting", skip, limit, &all.columns).unwrap();
        assert_eq!((some.rows.len(), some.end), (rows, end), "{skip} {limit}");
        let from = usize::try_from(skip).unwrap().min(14);
        assert_eq!(some.rows, all.rows[from..from + rows]);
    }
    assert_eq!(
        page("Job", 0, 1, &["zz".to_string()]).unwrap().columns[..2],
        ["zz", "id"]
    );
    let missing: Result<_, ForeignError> = page("Nothing", 0, 1, &[]);
    assert_eq!(missing.unwrap().rows.len(), 0);
}
