//! Files in merges, worked out by hand for both engines: rows that name files without a unique key, files that nobody names,
//! rows whose file the archive lacks, and what has no place in the folder.

use coffer_core::{
    merge::FileCounts,
    plan::{Finding, Mode},
};
use coffer_server::restore::{self, RestoreError};
use coffer_tests::installation::{Installation, Kind, without_word};

const SCHEMA: &str =
    "CREATE TABLE docs (id integer PRIMARY KEY, uid text NOT NULL UNIQUE, path text)";
const PRESET: &str = r#"
    app = "documents"
    [[table]]
    table = "docs"
    identity = [{ columns = ["uid"] }]
    [[file_set]]
    name = "docs"
    [[file_set.column]]
    table = "docs"
    column = "path"
    prefix = "docs/"
"#;

const A: &str = "INSERT INTO docs VALUES (1, 'u1', 'docs/a.txt'), (2, 'u2', 'docs/b.txt'), (3, 'u3', 'docs/sub/c.txt'),
    (4, 'u4', 'docs/same.txt'), (5, 'u5', 'docs/lost.txt'), (6, 'u6', NULL), (7, 'u7', '../docs/a.txt')";
const A_FILES: &[(&str, &str)] = &[
    ("a.txt", "A a"),
    ("b.txt", "A b"),
    ("sub/c.txt", "A c"),
    ("same.txt", "same"),
    ("loose.txt", "A loose"),
    ("free.txt", "A free"),
];
const B: &str = "INSERT INTO docs VALUES (1, 'u9', 'docs/b.txt'), (2, 'u1', 'docs/a.txt'), (3, 'u5', 'docs/five.txt'),
    (4, 'u8', 'docs/same.txt')";
const B_FILES: &[(&str, &str)] = &[
    ("a.txt", "B a"),
    ("b.txt", "B b"),
    ("five.txt", "B five"),
    ("same.txt", "same"),
    ("loose.txt", "B loose"),
    ("own.txt", "B own"),
];

async fn installation(kind: Kind, rows: &str, files: &[(&str, &str)]) -> Installation {
    let mut installation = Installation::new(kind, SCHEMA, Some(PRESET)).await;
    installation.sql(rows).await;
    installation.add_files("docs", files);
    installation
}

async fn two(kind: Kind) -> (Installation, Installation) {
    (
        installation(kind, A, A_FILES).await,
        installation(kind, B, B_FILES).await,
    )
}

async fn paths(installation: &Installation) -> Vec<String> {
    let rows = installation
        .rows("SELECT uid, path FROM docs ORDER BY uid")
        .await;
    rows.iter().map(|row| without_word(row)).collect()
}

async fn skip(kind: Kind) {
    let (a, b) = two(kind).await;
    let archive = a.backup().await;
    let expected = FileCounts {
        add: 3,
        keep: 2,
        rename: 1,
        skipped: 1,
        ..FileCounts::default()
    };
    assert_eq!(
        b.restore_files(&archive, Mode::Skip).await,
        [("docs".to_owned(), expected)]
    );
    let files = [
        "a.txt: B a",
        "b.txt: B b",
        "b__new.txt: A b",
        "five.txt: B five",
        "free.txt: A free",
        "loose.txt: B loose",
        "own.txt: B own",
        "same.txt: same",
        "sub/c.txt: A c",
    ];
    assert_eq!(b.files("docs"), files);
    let rows = [
        "u1|docs/a.txt",
        "u2|docs/b__new.txt",
        "u3|docs/sub/c.txt",
        "u4|docs/same.txt",
        "u5|docs/five.txt",
        "u6|-",
        "u7|../docs/a.txt",
        "u8|docs/same.txt",
        "u9|docs/b.txt",
    ];
    assert_eq!(paths(&b).await, rows);
    let [(_, again)] = b
        .restore_files(&archive, Mode::Skip)
        .await
        .try_into()
        .unwrap();
    assert!(again.is_unchanged(), "{again:?}");
    assert_eq!(
        (b.files("docs"), paths(&b).await),
        (files.map(Into::into).into(), rows.map(Into::into).into())
    );
}

async fn overwrite(kind: Kind) {
    let (a, b) = two(kind).await;
    let archive = a.backup().await;
    let before = (b.files("docs"), paths(&b).await);
    let mut request = b.request(&archive, Mode::Overwrite);
    // What changes has to be allowed.
    request.consent.replace_existing = false;
    request.consent.no_safety_backup = false;
    let refused = restore::plan(&request, &coffer_server::progress::Progress::default())
        .await
        .unwrap()
        .plan;
    let asked: Vec<&Finding> = refused.blocking().collect();
    let wanted = Finding::FilesChange {
        replace: 2,
        remove: 0,
    };
    assert!(asked.contains(&&wanted), "{asked:?}");
    request.consent.replace_existing = true;
    let (_, report) = b.try_restore(request).await.unwrap();
    let expected = FileCounts {
        add: 3,
        replace: 2,
        keep: 1,
        rename: 1,
        ..FileCounts::default()
    };
    assert_eq!(report.file_sets[0].merged, Some(expected));
    assert_eq!(
        b.files("docs"),
        [
            "a.txt: A a",
            "b.txt: B b",
            "b__new.txt: A b",
            "five.txt: B five",
            "free.txt: A free",
            "loose.txt: A loose",
            "own.txt: B own",
            "same.txt: same",
            "sub/c.txt: A c",
        ]
    );
    assert_eq!(
        paths(&b).await[..5],
        [
            "u1|docs/a.txt",
            "u2|docs/b__new.txt",
            "u3|docs/sub/c.txt",
            "u4|docs/same.txt",
            // The archive lacks the file that it names.
            "u5|docs/five.txt",
        ]
    );
    let after = (b.files("docs"), paths(&b).await);
    let [(_, again)] = b
        .restore_files(&archive, Mode::Overwrite)
        .await
        .try_into()
        .unwrap();
    assert!(again.is_unchanged(), "{again:?}");
    assert_eq!((b.files("docs"), paths(&b).await), after);
    assert_eq!(b.safety_backups(), 1);
    b.undo().await;
    assert_eq!((b.files("docs"), paths(&b).await), before);
}

#[tokio::test]
async fn sqlite_skip_adds_files_of_new_rows() {
    skip(Kind::Sqlite).await;
}

#[tokio::test]
async fn postgres_skip_adds_files_of_new_rows() {
    skip(Kind::Postgres).await;
}

#[tokio::test]
async fn sqlite_overwrite_replaces_files() {
    overwrite(Kind::Sqlite).await;
}

#[tokio::test]
async fn postgres_overwrite_replaces_files() {
    overwrite(Kind::Postgres).await;
}

#[tokio::test]
async fn files_alone_are_brought_together_by_their_paths() {
    let (a, b) = two(Kind::Sqlite).await;
    let archive = a.backup().await;
    let mut request = b.request(&archive, Mode::Skip);
    request.selection.tables = Some(Vec::new());
    let before = paths(&b).await;
    let (_, report) = b.try_restore(request).await.unwrap();
    let expected = FileCounts {
        add: 2,
        keep: 4,
        ..FileCounts::default()
    };
    assert_eq!(report.file_sets[0].merged, Some(expected));
    assert_eq!(paths(&b).await, before);
}

#[tokio::test]
async fn what_has_no_place_is_refused_before_anything_is_changed() {
    let (a, b) = two(Kind::Sqlite).await;
    let archive = a.backup().await;
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::create_dir(b.set("docs").join("free.txt")).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), b.set("docs").join("sub")).unwrap();
    let error = b
        .try_restore(b.request(&archive, Mode::Skip))
        .await
        .unwrap_err();
    let RestoreError::Blocked(plan) = error else {
        panic!("{error}");
    };
    let taken = Finding::PathsTaken {
        set: "docs".to_owned(),
        files: 2,
        paths: vec!["sub/c.txt".to_owned(), "free.txt".to_owned()],
    };
    assert!(plan.blocking().any(|finding| *finding == taken), "{plan:?}");
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    assert_eq!(paths(&b).await.len(), 4);
}
