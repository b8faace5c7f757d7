//! Coffer's own configuration, backed up and restored.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use coffer_core::{
    manifest::Selection,
    plan::{Consent, Mode},
    seal::Password,
};
use coffer_server::{
    access::{Grant, Permissions, Rights},
    backup::{self, BackupRequest, SealTo},
    catalog::{
        Catalog, ChannelRecord, DestinationRecord, FileSetRecord, Id, SourceRecord, StoredUrl,
    },
    engine,
    notify::ChannelSecret,
    progress::Progress,
    read::{FileSource, OpenArchive, Unlock},
    restore::{self, RestoreError, RestoreReport, RestoreRequest},
    runs::source_config,
    safety::{DEFAULT_KEEP, SafetyStore},
    signed::TrustedSenders,
    system::{AREAS, Actor, Denied, Needs, TOKENS, tables_of},
    undo,
};
use coffer_tests::{engine::export, planned, sealed::CHEAP};
use sqlx::Connection;
use tokio::sync::watch;

use crate::{
    Place,
    jobs::moment,
    places,
    scheduler::{failing, tick},
};

/// What is a secret in the configuration, and so must not be in a standard archive.
const SECRETS: [&str; 8] = [
    "hunter2",
    "s3-geheim",
    "whsec_planted",
    "$argon2id$planted",
    "token-digest-planted",
    "locked-key-planted",
    "wrapped1:",
    "mail-password-planted",
];
const ADA: &str = "0000000000000000000000000000000a";
const BOB: &str = "0000000000000000000000000000000b";

fn id(digit: &str) -> Id {
    Id::parse(&digit.repeat(32)).unwrap()
}

fn source(id: Id, name: &str) -> SourceRecord {
    SourceRecord {
        id,
        name: name.into(),
        engine: "postgres".into(),
        database: "läden on 127.0.0.1:5432".into(),
        url: StoredUrl::new(&format!(
            "postgres://app:hunter2@127.0.0.1/l%C3%A4den?{name}"
        )),
        app: Some("Lädchen ✓".into()),
        preset: Some("app = \"Lädchen\"\n# eine eigene Vorlage: 東京\n".into()),
        config: None,
        app_secrets: Default::default(),
        file_sets: vec![FileSetRecord {
            name: "Bilder größer".into(),
            folder: "/srv/läden/bilder".into(),
        }],
        created_at: "2026-11-21T04:05:06Z".into(),
    }
}

fn destination(id: Id, name: &str) -> DestinationRecord {
    DestinationRecord {
        id,
        name: name.into(),
        config: serde_json::from_str(
            r#"{"kind":"s3","bucket":"eimer","endpoint":"https://s3.example.org"}"#,
        )
        .unwrap(),
        key: Some(
            serde_json::from_str(r#"{"access_key_id":"AK","secret_access_key":"s3-geheim"}"#)
                .unwrap(),
        ),
        created_at: "2026-11-21T04:05:07Z".into(),
    }
}

fn channel(id: Id, name: &str, config: &str, secret: &str) -> ChannelRecord {
    ChannelRecord {
        id,
        name: name.into(),
        config: serde_json::from_str(config).unwrap(),
        secret: Some(ChannelSecret::new(secret)),
        enabled: true,
        created_at: "2026-11-21T04:05:08Z".into(),
    }
}

/// A configuration with something of everything.
async fn fill(catalog: &Catalog, place: &Place) {
    catalog
        .add_source(&source(id("1"), "Köln ↔ 東京"))
        .await
        .unwrap();
    let mut plain = source(id("2"), "Ölmühle");
    plain.file_sets.clear();
    catalog.add_source(&plain).await.unwrap();
    catalog
        .put_destination(&destination(id("3"), "Eimer in Ångström"))
        .await
        .unwrap();
    let webhook = r#"{"kind":"webhook","url":"https://hooks.example.org/x"}"#;
    let email = r#"{"kind":"email","host":"mail.example.org","port":587,"from":"coffer@example.org","to":["ops@example.org"],"user":"coffer"}"#;
    for channel in [
        channel(id("4"), "Haken", webhook, "whsec_planted"),
        channel(id("5"), "Pöst", email, "mail-password-planted"),
    ] {
        catalog.put_channel(&channel).await.unwrap();
    }
    place
        .change(
            "INSERT INTO profiles VALUES ('66666666666666666666666666666666', 'Schlüssel für Zürich', '2026-01-01T00:00:00Z');
             INSERT INTO profile_keys VALUES
               ('66666666666666666666666666666666', 'aa', 'coffer1aa', 'locked-key-planted', 'active', '2026-01-02T00:00:00Z', '2026-01-01T00:00:00Z', NULL),
               ('66666666666666666666666666666666', 'bb', 'coffer1bb', NULL, 'retired', NULL, '2025-01-01T00:00:00Z', '2026-01-01T00:00:00Z');
             INSERT INTO jobs VALUES ('77777777777777777777777777777777', 'Nächtlich', '66666666666666666666666666666666', 1, 1, '0 3 * * *',
               'Europe/Zurich', 60, 'one', '{\"last\":3,\"daily\":7}', 2, 300, '2026-11-21T04:05:09Z', 4, '2026-01-01T00:00:00Z');
             INSERT INTO job_sources VALUES ('77777777777777777777777777777777', 0, '11111111111111111111111111111111'),
               ('77777777777777777777777777777777', 1, 'c0ffe2c0ffe2c0ffe2c0ffe2c0ffe2c0');
             INSERT INTO job_destinations VALUES ('77777777777777777777777777777777', 0, '33333333333333333333333333333333');
             INSERT INTO users VALUES ('0000000000000000000000000000000a', 'Ada Löve', 'ada löve', '$argon2id$planted1', 0, '2026-01-01T00:00:00Z', 3),
               ('0000000000000000000000000000000b', 'Bób', 'bób', '$argon2id$planted2', 1, '2026-01-02T00:00:00Z', 1);
             INSERT INTO user_groups VALUES ('88888888888888888888888888888888', 'Verwaltung', 'view back_up restore configure administer', 1, '2026-01-01T00:00:00Z', 1),
               ('99999999999999999999999999999999', 'Köche', 'view restore', 0, '2026-01-01T00:00:00Z', 5);
             INSERT INTO group_members VALUES ('88888888888888888888888888888888', '0000000000000000000000000000000a'),
               ('99999999999999999999999999999999', '0000000000000000000000000000000b');
             INSERT INTO group_sources VALUES ('99999999999999999999999999999999', '11111111111111111111111111111111');
             INSERT INTO tokens VALUES ('cccccccccccccccccccccccccccccccc', 'token-digest-planted', '0000000000000000000000000000000a', 'für Skripte', 'view', 0,
               '2026-01-01T00:00:00Z', '2027-01-01T00:00:00Z', NULL);
             INSERT INTO token_sources VALUES ('cccccccccccccccccccccccccccccccc', '11111111111111111111111111111111');
             INSERT INTO sessions VALUES ('dddddddddddddddddddddddddddddddd', 'session-digest', '0000000000000000000000000000000a', '2026-01-01T00:00:00Z',
               '2026-01-01T00:00:00Z', '2036-01-01T00:00:00Z', '127.0.0.1', 'x');
             INSERT INTO audit_log (at, user_id, who, via, action, target, address, status, code) VALUES
               ('2026-01-01T00:00:00Z', NULL, 'Ada', 'session', 'add_source', '/api/sources', '127.0.0.1', 201, NULL)",
        )
        .await;
}

/// Takes a backup: sealed with the password `p` and with credentials, or plain and without.
async fn take(catalog: &Catalog, place: &Place, sensitive: bool) -> std::path::PathBuf {
    let path = place
        .folder()
        .join(format!("{}.coffer", Id::random().unwrap()));
    let seal = sensitive.then(|| SealTo {
        password: Some((Password::new("p"), CHEAP)),
        recipients: Vec::new(),
        locked: Vec::new(),
        sender: None,
    });
    let request = BackupRequest {
        source: source_config(&catalog.system()).unwrap(),
        seal,
        sensitive,
        unwrap_app_secrets: sensitive,
        exclude: Vec::new(),
        without: Vec::new(),
    };
    let file = std::fs::File::create_new(&path).unwrap();
    backup::run(request, file, Progress::default())
        .await
        .unwrap();
    path
}

fn open(archive: &Path) -> OpenArchive {
    let file = Arc::new(FileSource::open(archive).unwrap());
    OpenArchive::open(file, &Unlock::Password(Password::new("p"))).unwrap()
}

fn safety(place: &Place) -> SafetyStore {
    SafetyStore {
        folder: place.folder().join("safety"),
        recipients: Vec::new(),
        keep: DEFAULT_KEEP,
    }
}

fn request(
    (catalog, place): (&Catalog, &Place),
    archive: &Path,
    (mode, areas): (Mode, &[&str]),
    actor: Actor,
) -> RestoreRequest {
    let opened = open(archive);
    let archived = || opened.manifest.tables.iter().map(|table| &table.table);
    let areas: Vec<String> = areas.iter().map(|name| (*name).to_owned()).collect();
    let mut tables = tables_of(&areas, archived()).unwrap();
    if mode == Mode::Replace {
        tables.extend(
            archived()
                .filter(|table| TOKENS.tables.contains(&table.name.as_str()))
                .cloned(),
        );
    }
    RestoreRequest {
        target: source_config(&catalog.system()).unwrap(),
        archive: Arc::new(FileSource::open(archive).unwrap()),
        unlock: Unlock::Password(Password::new("p")),
        senders: TrustedSenders::default(),
        selection: Selection {
            tables: Some(tables),
            ..Selection::ALL
        },
        mode,
        consent: Consent {
            // A new installation needs no consent.
            replace_existing: mode != Mode::Replace,
            ..Consent::default()
        },
        expected_plan: None,
        planned_without_rows: false,
        safety: safety(place),
        undoes: None,
        guard: Some(catalog.guard(actor)),
    }
}

/// Plans, and does what was planned.
async fn restored(mut request: RestoreRequest) -> Result<RestoreReport, RestoreError> {
    let plan = restore::plan(&request, &Progress::default()).await?.plan;
    assert!(!plan.blocked, "{:?}", plan.findings);
    request.expected_plan = Some(plan.digest());
    let report = restore::run(request, Progress::default()).await?;
    planned::as_planned(&plan, &report);
    Ok(report)
}

/// The configuration, row by row, with secrets as they are without the secret key.
async fn configuration(catalog: &Catalog) -> BTreeMap<String, Vec<String>> {
    let url = source_config(&catalog.system()).unwrap().url;
    let exported = export(&*engine::open(&url)).await.unwrap();
    let kept: Vec<&str> = AREAS
        .iter()
        .chain([&TOKENS])
        .flat_map(|area| area.tables)
        .copied()
        .collect();
    let mut dump = BTreeMap::new();
    for table in exported.tables {
        let name = table.name.name.clone();
        if !kept.contains(&name.as_str()) {
            continue;
        }
        let secret = table.columns.iter().position(|column| {
            [
                ("sources", "url"),
                ("destinations", "secret"),
                ("channels", "secret"),
            ]
            .contains(&(name.as_str(), column))
        });
        let mut rows = Vec::new();
        for part in &table.parts {
            for row in String::from_utf8(part.text.clone())
                .unwrap()
                .lines()
                .skip(1)
            {
                let mut fields: Vec<&str> = row.split('\t').collect();
                if let Some(at) = secret {
                    assert!(
                        ["", "\\N"].contains(&fields[at]) || fields[at].starts_with("wrapped1:")
                    );
                    fields[at] = "…";
                }
                rows.push(fields.join("\t"));
            }
        }
        rows.sort();
        dump.insert(name, rows);
    }
    let secrets = [
        catalog
            .sources()
            .await
            .unwrap()
            .iter()
            .map(|one| one.url.expose().to_owned())
            .collect(),
        catalog
            .destinations()
            .await
            .unwrap()
            .iter()
            .map(|one| serde_json::to_string(&one.key).unwrap())
            .collect(),
        catalog
            .channels()
            .await
            .unwrap()
            .iter()
            .map(|one| format!("{:?}", one.secret.as_ref().map(ChannelSecret::expose)))
            .collect::<Vec<_>>(),
    ];
    dump.insert("secrets".into(), secrets.concat());
    dump
}

/// Runs a test with a filled catalog and an empty one beside it, in each database.
async fn two(test: impl AsyncFn((&Catalog, &Place), (&Catalog, &Place))) {
    places(async |one| {
        let folder = tempfile::tempdir().unwrap();
        let other = one.beside(folder.path()).await;
        let (first, second) = (one.open().await, other.open().await);
        fill(&first, &one).await;
        test((&first, &one), (&second, &other)).await;
        first.close().await;
        second.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_new_installation_has_all_of_it_under_its_own_key() {
    two(async |(old, place), (new, other)| {
        let archive = take(old, place, true).await;
        let wanted = (Mode::Replace, [].as_slice());
        restored(request((new, other), &archive, wanted, Actor::Console))
            .await
            .unwrap();
        assert_ne!(old.key_id(), new.key_id());
        let (before, after) = (configuration(old).await, configuration(new).await);
        assert_eq!(after, before);
        // Something of everything was there.
        assert_eq!(before.len(), 16, "{:?}", before.keys());
        assert!(before.values().all(|rows| !rows.is_empty()), "{before:?}");
        assert!(Needs::of(new).await.unwrap().is_empty());
        assert_eq!(new.jobs().await.unwrap(), old.jobs().await.unwrap());
        // Nobody is signed in there, and its own history stays its own.
        assert!(
            new.sessions_of(&Id::parse(ADA).unwrap())
                .await
                .unwrap()
                .is_empty()
        );
    })
    .await;
}

#[tokio::test]
async fn jobs_that_come_with_a_restore_run_when_they_are_due_next() {
    two(async |(old, place), (new, other)| {
        let archive = take(old, place, true).await;
        let (set_clock, clock) = watch::channel(moment("2026-11-21T12:00:00Z"));
        // It is at work before, during and after the restore.
        let scheduler = failing(new, clock);
        tick(&scheduler).await;
        let wanted = (Mode::Replace, [].as_slice());
        restored(request((new, other), &archive, wanted, Actor::Console))
            .await
            .unwrap();
        let nightly = id("7");
        tick(&scheduler).await;
        assert!(new.job_runs(&nightly, None, 9).await.unwrap().is_empty());
        // Three o'clock in Zurich, and the minute by which it may be late.
        set_clock.send_replace(moment("2026-11-22T02:01:30Z"));
        tick(&scheduler).await;
        let runs = new.job_runs(&nightly, None, 9).await.unwrap();
        assert_eq!(runs.len(), 1, "{runs:?}");
    })
    .await;
}

#[tokio::test]
async fn a_standard_backup_holds_no_secret_and_says_what_to_enter_again() {
    two(async |(old, place), (new, other)| {
        let archive = take(old, place, false).await;
        let opened = open(&archive);
        let mut all = std::fs::read(&archive).unwrap();
        for table in &opened.manifest.tables {
            for index in 0..table.parts.len() {
                all.extend(opened.part(table, index).unwrap());
            }
        }
        let holds = |text: &str| memchr::memmem::find(&all, text.as_bytes()).is_some();
        for secret in SECRETS {
            assert!(!holds(secret), "{secret}");
        }
        // The search finds what is there.
        assert!(holds("Köln ↔ 東京") && holds("Schlüssel für Zürich"));

        let wanted = (Mode::Replace, [].as_slice());
        restored(request((new, other), &archive, wanted, Actor::Console))
            .await
            .unwrap();
        let needs = Needs::of(new).await.unwrap();
        assert_eq!(needs.sources, ["Köln ↔ 東京", "Ölmühle"]);
        assert_eq!(needs.destinations, ["Eimer in Ångström"]);
        assert_eq!(needs.channels, ["Haken", "Pöst"]);
        assert_eq!(needs.users, ["Ada Löve"]);
        let shop = new.source(&id("1")).await.unwrap().unwrap();
        let fault = source_config(&shop).unwrap_err();
        assert_eq!(fault.code(), "needs_url");
        assert!(
            new.tokens_of(&Id::parse(ADA).unwrap())
                .await
                .unwrap()
                .is_empty()
        );
        // A key can be changed without what is missing, and what is entered again is there.
        let mut shop = shop;
        shop.url = StoredUrl::new("postgres://app@127.0.0.1/again");
        new.add_source(&shop).await.unwrap();
        assert_eq!(new.source(&id("1")).await.unwrap().unwrap(), shop);
    })
    .await;
}

#[tokio::test]
async fn restored_in_place_nothing_is_lost() {
    two(async |(old, place), _| {
        let before = configuration(old).await;
        let (standard, sensitive) = (take(old, place, false).await, take(old, place, true).await);
        for (archive, mode) in [
            (&standard, Mode::Skip),
            (&standard, Mode::Overwrite),
            (&sensitive, Mode::Skip),
            (&sensitive, Mode::Overwrite),
        ] {
            restored(request((old, place), archive, (mode, &[]), Actor::Console))
                .await
                .unwrap();
            assert_eq!(configuration(old).await, before, "{mode}");
        }
        // Who is signed in stays so.
        let ada = Id::parse(ADA).unwrap();
        assert_eq!(old.sessions_of(&ada).await.unwrap().len(), 1);

        // What was changed and removed comes back, where that is chosen.
        old.remove_source(&id("2")).await.unwrap();
        place
            .change("UPDATE jobs SET name = 'Nächtlich', schedule = '0 4 * * *', version = 5")
            .await;
        let mut bucket = destination(id("3"), "Eimer in Ångström");
        bucket.key = None;
        old.put_destination(&bucket).await.unwrap();
        let changed = configuration(old).await;
        let wanted = (Mode::Overwrite, ["sources", "destinations"].as_slice());
        restored(request((old, place), &sensitive, wanted, Actor::Console))
            .await
            .unwrap();
        let now = configuration(old).await;
        assert_eq!(now["sources"], before["sources"]);
        assert_eq!(now["secrets"], before["secrets"]);
        assert_eq!(now["jobs"], changed["jobs"]);
        // The last restore can be undone, and somebody who came since has no session any more.
        let url = source_config(&old.system()).unwrap().url;
        let record = undo::find(&safety(place).folder, &url, None).await.unwrap();
        let allowed = undo::Allowed {
            guard: Some(old.guard(Actor::Console)),
            ..undo::Allowed::default()
        };
        let prepared = undo::prepare(safety(place), &url, &record, None, allowed);
        let undoing = prepared.await.unwrap().request;
        restored(undoing).await.unwrap();
        assert_eq!(configuration(old).await, changed);
    })
    .await;
}

#[tokio::test]
async fn what_has_the_same_name_and_another_id_is_the_same() {
    two(async |(old, place), (new, other)| {
        new.add_source(&source(id("a"), "Köln ↔ 東京")).await.unwrap();
        let mut there = source(id("a"), "Köln ↔ 東京");
        there.url = StoredUrl::new("postgres://elsewhere/x");
        new.add_source(&there).await.unwrap();
        let mut bucket = destination(id("b"), "Eimer in Ångström");
        bucket.key = None;
        new.put_destination(&bucket).await.unwrap();
        other
            .change("INSERT INTO user_groups VALUES ('eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee', 'Köche', 'view', 1, '2026-01-01T00:00:00Z', 1)")
            .await;
        let archive = take(old, place, true).await;
        let all = || request((new, other), &archive, (Mode::Overwrite, &[]), Actor::Console);
        restored(all()).await.unwrap();
        let sources = new.sources().await.unwrap();
        let ids: Vec<&Id> = sources.iter().map(|source| &source.id).collect();
        assert_eq!(ids, [&id("a"), &id("2")]);
        let urls = |sources: &[SourceRecord]| -> Vec<String> {
            sources.iter().map(|source| source.url.expose().to_owned()).collect()
        };
        assert_eq!(urls(&sources), urls(&old.sources().await.unwrap()));
        let destinations = new.destinations().await.unwrap();
        assert_eq!(destinations.len(), 1);
        assert_eq!(destinations[0].id, id("b"));
        assert!(destinations[0].key.is_some());
        // What refers to them follows.
        let jobs = new.jobs().await.unwrap();
        assert_eq!(jobs[0].sources, [id("a"), Id::system()]);
        assert_eq!(jobs[0].destinations, [id("b")]);
        let groups = new.groups().await.unwrap();
        let cooks = groups.iter().find(|group| group.name == "Köche").unwrap();
        assert_eq!(cooks.id, id("e"));
        assert_eq!(cooks.grant.sources, Some(vec![id("a")]));
        let first = configuration(new).await;
        restored(all()).await.unwrap();
        assert_eq!(configuration(new).await, first);
    })
    .await;
}

fn rights(words: &str) -> Rights {
    Rights::of(&[Grant {
        permissions: words.parse::<Permissions>().unwrap(),
        sources: None,
    }])
}

#[tokio::test]
async fn nobody_gains_rights_by_a_restore() {
    two(async |(old, place), _| {
        let archive = take(old, place, true).await;
        let ada = |words: &str| Actor::User {
            id: Id::parse(ADA).unwrap(),
            rights: rights(words),
        };
        let everything = "view back_up restore configure administer";
        let attempt = async |mode, actor: Actor| {
            let before = configuration(old).await;
            let done = restored(request((old, place), &archive, (mode, &[]), actor)).await;
            match done {
                Ok(_) => None,
                Err(RestoreError::Denied(denied)) => {
                    assert_eq!(configuration(old).await, before);
                    Some(denied)
                }
                Err(error) => panic!("{error}"),
            }
        };
        // As it was, it changes nothing.
        assert_eq!(attempt(Mode::Overwrite, ada(everything)).await, None);
        // A group that has less by now: who may not restore sources of others can't give that back.
        place.change("UPDATE user_groups SET permissions = 'view' WHERE name = 'Köche'").await;
        let name = "bób".to_owned();
        let more = Some(Denied::MoreRights { name });
        assert_eq!(attempt(Mode::Overwrite, ada("view configure administer")).await, more);
        assert_eq!(attempt(Mode::Overwrite, ada(everything)).await, None);
        // A user who was removed: coming back is a gain.
        place.change("DELETE FROM users WHERE name = 'Bób'").await;
        assert!(attempt(Mode::Skip, ada("view configure administer")).await.is_some());
        assert_eq!(attempt(Mode::Skip, ada(everything)).await, None);
        assert!(old.user(&Id::parse(BOB).unwrap()).await.unwrap().unwrap().disabled);
        // The own account.
        place.change("UPDATE users SET password = '$argon2id$newer' WHERE name_key = 'ada löve'").await;
        assert_eq!(attempt(Mode::Overwrite, ada(everything)).await, Some(Denied::OwnAccount));
        // Another one of as many rights is done with, and has to sign in again.
        place
            .change(
                "INSERT INTO users VALUES ('ffffffffffffffffffffffffffffffff', 'Cy', 'cy', 'x', 0, '2026-01-01T00:00:00Z', 1);
                 INSERT INTO group_members VALUES ('88888888888888888888888888888888', 'ffffffffffffffffffffffffffffffff')",
            )
            .await;
        let cy = Actor::User { id: id("f"), rights: rights(everything) };
        assert_eq!(attempt(Mode::Overwrite, cy.clone()).await, None);
        let ada = Id::parse(ADA).unwrap();
        assert!(old.sessions_of(&ada).await.unwrap().is_empty());
        let stored = old.user(&ada).await.unwrap().unwrap().password;
        assert_eq!(stored.as_deref(), Some("$argon2id$planted1"));

        // A file that describes a source comes only from the machine.
        place.change("UPDATE sources SET config = '/etc/coffer/shop.toml' WHERE name = 'Ölmühle'").await;
        let described = take(old, place, true).await;
        place.change("UPDATE sources SET config = NULL").await;
        let wanted = (Mode::Overwrite, ["sources"].as_slice());
        let denied = restored(request((old, place), &described, wanted, cy)).await.unwrap_err();
        assert!(matches!(denied, RestoreError::Denied(Denied::Described { .. })), "{denied}");
        let denied = restored(request((old, place), &archive, (Mode::Skip, &[]), Actor::SetUp));
        assert!(matches!(denied.await, Err(RestoreError::Denied(Denied::NotNew))));
    })
    .await;
}

#[tokio::test]
async fn undoing_takes_whoever_came_with_it() {
    two(async |(old, place), (new, other)| {
        let archive = take(old, place, true).await;
        other
            .change(
                "INSERT INTO users VALUES ('ffffffffffffffffffffffffffffffff', 'Cy', 'cy', 'x', 0, '2026-01-01T00:00:00Z', 1);
                 INSERT INTO user_groups VALUES ('eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee', 'Alle', 'view back_up restore configure administer', 1, '2026-01-01T00:00:00Z', 1);
                 INSERT INTO group_members VALUES ('eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee', 'ffffffffffffffffffffffffffffffff')",
            )
            .await;
        let before = configuration(new).await;
        let cy = Actor::User {
            id: id("f"),
            rights: rights("view back_up restore configure administer"),
        };
        restored(request((new, other), &archive, (Mode::Skip, &[]), cy.clone())).await.unwrap();
        other
            .change(
                "INSERT INTO sessions VALUES ('dddddddddddddddddddddddddddddddd', 'x', '0000000000000000000000000000000a', '2026-01-01T00:00:00Z',
                   '2026-01-01T00:00:00Z', '2036-01-01T00:00:00Z', '127.0.0.1', 'x');
                 INSERT INTO tokens VALUES ('cccccccccccccccccccccccccccccccc', 'y', '0000000000000000000000000000000a', 'neu', 'view', 0,
                   '2026-01-01T00:00:00Z', '2027-01-01T00:00:00Z', NULL)",
            )
            .await;
        let url = source_config(&new.system()).unwrap().url;
        let record = undo::find(&safety(other).folder, &url, None).await.unwrap();
        let allowed = undo::Allowed { guard: Some(new.guard(cy)), ..undo::Allowed::default() };
        let prepared = undo::prepare(safety(other), &url, &record, None, allowed);
        let undoing = prepared.await.unwrap().request;
        restored(undoing).await.unwrap();
        assert_eq!(configuration(new).await, before);
        let mut connection = other.connect().await;
        let left: i64 = sqlx::query_scalar("SELECT (SELECT count(*) FROM sessions) + (SELECT count(*) FROM tokens)")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        assert_eq!(left, 0);
    })
    .await;
}
