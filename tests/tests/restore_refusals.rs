//! What `coffer restore` refuses, what lets it go on, and that a refusal changes nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use coffer_tests::coffer::{Run, coffer};
use rusqlite::Connection;

const SCHEMA: &str = "
    CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE pets (id INTEGER PRIMARY KEY, owner INTEGER NOT NULL REFERENCES people (id), name TEXT);";
const ROWS: &str = "
    INSERT INTO people VALUES (1, 'Ann'), (2, 'Bob');
    INSERT INTO pets VALUES (1, 1, 'Rex'), (2, 2, NULL);";

struct Case {
    folder: tempfile::TempDir,
}

impl Case {
    fn new() -> Self {
        let case = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        case.database("source.sqlite", &format!("{SCHEMA}{ROWS}"));
        let uploads = case.path("uploads/deep");
        fs::create_dir_all(&uploads).unwrap();
        fs::write(uploads.join("ä.txt"), "hello").unwrap();
        fs::set_permissions(uploads.join("ä.txt"), fs::Permissions::from_mode(0o640)).unwrap();
        let files = format!("uploads={}", case.path("uploads").display());
        let source = case.url("source.sqlite");
        let out = case.archive();
        let _taken = coffer(
            [
                "backup", "--source", &source, "--files", &files, "--out", &out,
            ],
            &[],
        )
        .ok();
        case
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn url(&self, name: &str) -> String {
        format!("sqlite:{}", self.path(name).display())
    }

    fn archive(&self) -> String {
        self.path("backup.zip").display().to_string()
    }

    fn database(&self, name: &str, sql: &str) {
        Connection::open(self.path(name))
            .unwrap()
            .execute_batch(sql)
            .unwrap();
    }

    fn names(&self, database: &str, sql: &str) -> Vec<String> {
        let connection = Connection::open(self.path(database)).unwrap();
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement
            .query_map([], |row| row.get::<_, Option<String>>(0))
            .unwrap();
        rows.map(|row| row.unwrap().unwrap_or_else(|| "NULL".to_owned()))
            .collect()
    }

    fn restore(&self, target: &str, more: &[&str]) -> Run {
        let (archive, url) = (self.archive(), self.url(target));
        let base = [
            "restore", &archive, "--json", "--target", &url, "--mode", "replace",
        ];
        coffer(base.iter().chain(more), &[])
    }

    /// Expects a refusal that names `flag` and leaves the target as it was.
    fn refused(&self, target: &str, more: &[&str], flag: &str) {
        let before = fs::read(self.path(target)).unwrap();
        let run = self.restore(target, more);
        assert_eq!(run.code, 5, "{run:?}");
        assert_eq!(run.json()["error"]["code"], "plan_blocked");
        let message = run.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(
            message.contains(flag) && message.contains("nothing was changed"),
            "{message}"
        );
        assert_eq!(fs::read(self.path(target)).unwrap(), before);
    }
}

fn files_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn a_target_with_rows_needs_force() {
    let case = Case::new();
    case.database(
        "target.sqlite",
        &format!("{SCHEMA} INSERT INTO people VALUES (9, 'Old');"),
    );
    case.refused("target.sqlite", &["--yes", "--without-files"], "--force");
    let done = case
        .restore("target.sqlite", &["--yes", "--without-files", "--force"])
        .ok();
    assert_eq!(done.json()["rows"], 4);
    assert_eq!(
        case.names("target.sqlite", "SELECT name FROM people ORDER BY id"),
        ["Ann", "Bob"]
    );
    assert_eq!(
        case.names("target.sqlite", "SELECT name FROM pets ORDER BY id"),
        ["Rex", "NULL"]
    );
}

#[test]
fn a_wider_schema_fits_and_what_would_be_lost_needs_a_decision() {
    let case = Case::new();
    let wider = SCHEMA.replace("name TEXT);", "name TEXT, colour TEXT DEFAULT 'brown');");
    case.database("wider.sqlite", &wider);
    let _done = case
        .restore("wider.sqlite", &["--yes", "--without-files"])
        .ok();
    assert_eq!(
        case.names("wider.sqlite", "SELECT colour FROM pets"),
        ["brown", "brown"]
    );

    let narrower = SCHEMA.replace(", name TEXT);", ");");
    case.database("narrower.sqlite", &narrower);
    case.refused(
        "narrower.sqlite",
        &["--yes", "--without-files"],
        "--drop-column main.pets.name",
    );
    let unknown = case.restore(
        "narrower.sqlite",
        &["--yes", "--without-files", "--drop-column", "pets.nome"],
    );
    assert_eq!(unknown.code, 2, "{unknown:?}");
}

#[test]
fn a_file_set_needs_a_folder_and_comes_back_as_it_was() {
    let case = Case::new();
    case.database("target.sqlite", SCHEMA);
    case.refused("target.sqlite", &["--yes"], "--files uploads=FOLDER");
    let restored = case.path("restored");
    let files = format!("uploads={}", restored.display());
    let done = case
        .restore("target.sqlite", &["--yes", "--files", &files])
        .ok();
    assert_eq!(done.json()["file_sets"][0]["files"], 1);
    let file = restored.join("deep/ä.txt");
    assert_eq!(fs::read_to_string(&file).unwrap(), "hello");
    let (old, new) = (
        fs::metadata(case.path("uploads/deep/ä.txt")).unwrap(),
        fs::metadata(&file).unwrap(),
    );
    assert_eq!(new.permissions().mode() & 0o777, 0o640);
    let seconds = |metadata: &fs::Metadata| {
        metadata
            .modified()
            .unwrap()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs()
    };
    assert_eq!(seconds(&old), seconds(&new));
    // Again: the folder's files count as something that would be replaced.
    case.database("second.sqlite", SCHEMA);
    case.refused("second.sqlite", &["--yes", "--files", &files], "--force");
    fs::write(restored.join("later.txt"), "goes").unwrap();
    let _done = case
        .restore("second.sqlite", &["--yes", "--files", &files, "--force"])
        .ok();
    assert_eq!(files_below(&restored), [file.display().to_string()]);
    let left: Vec<_> = fs::read_dir(case.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(".coffer"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn single_tables_leave_the_rest_alone_or_are_undone() {
    let case = Case::new();
    case.database(
        "target.sqlite",
        &format!("{SCHEMA} INSERT INTO people VALUES (1, 'Kept'), (2, 'Also kept');"),
    );
    let _done = case
        .restore("target.sqlite", &["--yes", "--table", "pets"])
        .ok();
    assert_eq!(
        case.names("target.sqlite", "SELECT name FROM people ORDER BY id"),
        ["Kept", "Also kept"]
    );
    assert_eq!(
        case.names("target.sqlite", "SELECT name FROM pets ORDER BY id"),
        ["Rex", "NULL"]
    );

    // The owners that the pets need are missing: everything is undone.
    case.database(
        "orphans.sqlite",
        &format!("{SCHEMA} INSERT INTO people VALUES (7, 'Other');"),
    );
    let run = case.restore("orphans.sqlite", &["--yes", "--table", "pets"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(
        run.json()["error"]["message"]
            .as_str()
            .unwrap()
            .contains("nothing was changed"),
        "{run:?}"
    );
    assert_eq!(
        case.names("orphans.sqlite", "SELECT name FROM people"),
        ["Other"]
    );
    assert!(
        case.names("orphans.sqlite", "SELECT name FROM pets")
            .is_empty()
    );
    let unknown = case.restore("target.sqlite", &["--yes", "--table", "nope"]);
    assert_eq!(unknown.code, 2, "{unknown:?}");
}

#[test]
fn nothing_happens_without_a_yes_or_in_a_dry_run() {
    let case = Case::new();
    case.database("target.sqlite", SCHEMA);
    let before = fs::read(case.path("target.sqlite")).unwrap();
    let unasked = case.restore("target.sqlite", &["--without-files"]);
    assert_eq!(unasked.code, 2, "{unasked:?}");
    let dry = case
        .restore("target.sqlite", &["--without-files", "--dry-run"])
        .ok()
        .json();
    assert_eq!(dry["plan"]["tables"][0]["insert"], 2);
    assert_eq!(dry["plan"]["blocked"], false);
    assert_eq!(fs::read(case.path("target.sqlite")).unwrap(), before);
}
