//! Plans that are kept: what they say is what is done, exactly that or nothing, and making one leaves no trace.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use coffer_tests::{
    coffer::{Run, coffer},
    scratch::{Database, Scratch},
    two_sides::files_below,
};

const SQLITE: &str = "
    CREATE TABLE people (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE);
    CREATE TABLE pets (id INTEGER PRIMARY KEY, owner INTEGER NOT NULL REFERENCES people (id));";
const POSTGRES: &str = "
    CREATE TABLE people (id serial PRIMARY KEY, name text UNIQUE);
    CREATE TABLE pets (id integer PRIMARY KEY, owner integer NOT NULL REFERENCES people (id));
    CREATE INDEX pets_owner ON pets (owner);
    CREATE MATERIALIZED VIEW owners AS SELECT DISTINCT owner FROM pets;";
const NEW: &str = "
    INSERT INTO people (name) VALUES ('Ann'), ('Bob'), ('Cat');
    INSERT INTO pets VALUES (1, 1), (2, 2);";
const OLD: &str = "
    INSERT INTO people (name) VALUES ('x'), ('y'), ('z');
    DELETE FROM people WHERE name <> 'z';
    INSERT INTO pets VALUES (7, 3);";

struct Case {
    scratch: Scratch,
    target: Database,
    archive: String,
    uploads: PathBuf,
}

fn both(test: impl Fn(Case)) {
    test(Case::new(Scratch::sqlite()));
    test(Case::new(Scratch::postgres()));
}

fn write(folder: &Path, files: &[(&str, &str)]) {
    fs::create_dir_all(folder).unwrap();
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
}

impl Case {
    /// An archive that says "new", and a target that says "old".
    fn new(scratch: Scratch) -> Self {
        let schema = if scratch.is_sqlite() {
            SQLITE
        } else {
            POSTGRES
        };
        let source = scratch.database("source", &format!("{schema}{NEW}"));
        let target = scratch.database("target", &format!("{schema}{OLD}"));
        let uploads = scratch.path("uploads");
        write(&scratch.path("from"), &[("a", "new a"), ("b", "new b")]);
        write(&uploads, &[("a", "old a")]);
        let case = Self {
            archive: scratch.path("backup.zip").display().to_string(),
            scratch,
            target,
            uploads,
        };
        case.backup(&source, &case.archive);
        case
    }

    fn backup(&self, source: &Database, out: &str) {
        let url = self.scratch.url(source);
        let files = format!("uploads={}", self.scratch.path("from").display());
        let _taken = coffer(
            ["backup", "--source", &url, "--files", &files, "--out", out],
            &[],
        )
        .ok();
    }

    fn file(&self) -> String {
        self.scratch.path("plan.json").display().to_string()
    }

    /// A command about the archive and the target, with files.
    fn coffer(&self, command: &str, more: &[&str]) -> Run {
        let url = self.scratch.url(&self.target);
        let files = format!("uploads={}", self.uploads.display());
        let base = [
            command,
            &self.archive,
            "--json",
            "--target",
            &url,
            "--files",
            &files,
        ];
        coffer(base.iter().chain(more), &[])
    }

    fn plan(&self, more: &[&str]) -> Run {
        let base = ["--mode", "replace", "--force"];
        self.coffer("plan", &[&base, more].concat())
    }

    fn kept_plan(&self) {
        let file = self.file();
        let _written = self.plan(&["--out", &file, "--overwrite"]).ok();
    }

    fn apply(&self) -> Run {
        self.coffer("restore", &["--plan", &self.file(), "--yes"])
    }

    fn sql(&self, sql: &str) {
        self.scratch.run(&self.target, sql);
    }

    fn names(&self) -> Vec<String> {
        self.scratch.texts(&self.target, "SELECT name FROM people")
    }

    /// Everything that a trace could be left in: bytes of an SQLite file and what is beside it; versions of rows, files of tables and
    /// states of sequences of PostgreSQL; and the uploads.
    fn state(&self) -> BTreeMap<String, Vec<u8>> {
        let mut state = BTreeMap::new();
        match &self.target {
            Database::Sqlite(path) => {
                state.insert("database".to_owned(), fs::read(path).unwrap());
                let beside = fs::read_dir(path.parent().unwrap()).unwrap();
                let mut names: Vec<_> = beside.map(|entry| entry.unwrap().file_name()).collect();
                names.retain(|name| name != "plan.json");
                names.sort();
                state.insert("beside".to_owned(), format!("{names:?}").into_bytes());
            }
            Database::Postgres(_) => {
                for (name, query) in [
                    (
                        "rows",
                        "SELECT concat_ws(' ', ctid, xmin, cmin, xmax, id, name) FROM people
                         UNION ALL SELECT concat_ws(' ', ctid, xmin, cmin, xmax, id, owner) FROM pets",
                    ),
                    (
                        "files",
                        "SELECT concat_ws(' ', oid, relname, relfilenode, relkind) FROM pg_class
                          WHERE relnamespace = 'public'::regnamespace",
                    ),
                    (
                        "constraints",
                        "SELECT concat_ws(' ', oid, conname, convalidated) FROM pg_constraint
                          WHERE connamespace = 'public'::regnamespace",
                    ),
                    (
                        "sequence",
                        "SELECT concat_ws(' ', last_value, is_called) FROM people_id_seq",
                    ),
                ] {
                    let rows = self.scratch.texts(&self.target, query);
                    assert!(!rows.is_empty(), "{name}");
                    state.insert(name.to_owned(), rows.join("\n").into_bytes());
                }
            }
        }
        for path in files_below(&self.uploads) {
            state.insert(path.display().to_string(), fs::read(&path).unwrap());
        }
        let folder = fs::read_dir(self.uploads.parent().unwrap()).unwrap();
        let hidden = folder.filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_string_lossy().starts_with(".coffer")
        });
        assert_eq!(hidden.count(), 0, "something was staged");
        state
    }

    /// Expects that the plan is refused because of this, and that nothing is changed.
    fn outdated(&self, because: &str) {
        let before = self.state();
        let run = self.apply();
        assert_eq!(run.code, 5, "{run:?}");
        let error = &run.json()["error"];
        assert_eq!(error["code"], "plan_changed");
        let schema = if self.scratch.is_sqlite() {
            "main"
        } else {
            "public"
        };
        assert_eq!(
            error["message"],
            format!(
                "refused: since the plan was made, {}; nothing was changed, make a new plan",
                because.replace("{s}", schema)
            )
        );
        assert_eq!(self.state(), before);
    }
}

#[test]
fn a_plan_is_carried_out_as_it_was_kept() {
    both(|case| {
        let file = case.file();
        let shown = case.plan(&["--out", &file]).ok().json();
        let kept: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        assert_eq!(kept["plan"], shown["plan"]);
        assert_eq!(kept["digest"], shown["digest"]);
        assert_eq!(kept["rehearsed"], false);
        assert_eq!(shown["rehearsal"], serde_json::Value::Null);

        let done = case.apply().ok().json();
        for (part, counted) in [("tables", "rows"), ("file_sets", "files")] {
            let of = |items: &serde_json::Value, field: &str| -> Vec<u64> {
                let items = items.as_array().unwrap().iter();
                items.map(|item| item[field].as_u64().unwrap()).collect()
            };
            let planned = of(&shown["plan"][part], "insert");
            assert!(!planned.is_empty());
            assert_eq!(of(&done[part], counted), planned, "{part}");
        }
        assert_eq!(done["rows"], 5);
        assert_eq!(case.names(), ["Ann", "Bob", "Cat"]);
        assert_eq!(fs::read_to_string(case.uploads.join("b")).unwrap(), "new b");
        // Once: afterwards the target is another one.
        case.outdated("{s}.people had 1 rows and has 3; {s}.pets had 1 rows and has 2; the folder of uploads had 1 files and has 2");
    });
}

#[test]
fn whatever_changes_after_a_plan_is_named_and_refused() {
    both(|case| {
        case.kept_plan();
        let plan = fs::read(case.file()).unwrap();
        case.sql("INSERT INTO people (name) VALUES ('later')");
        case.outdated("{s}.people had 1 rows and has 2");
        case.sql("DELETE FROM people WHERE name = 'later'");
        fs::write(case.uploads.join("more"), "later").unwrap();
        case.outdated("the folder of uploads had 1 files and has 2");
        fs::remove_file(case.uploads.join("more")).unwrap();
        case.sql("ALTER TABLE pets ADD COLUMN later integer");
        case.outdated("the shape of {s}.pets has changed");
        case.sql("ALTER TABLE pets DROP COLUMN later");
        // What has the same shape and as many rows again is what was planned for.
        fs::write(case.file(), &plan).unwrap();

        let source = case.scratch.database(
            "another",
            &if case.scratch.is_sqlite() {
                format!("{SQLITE}{NEW}")
            } else {
                format!("{POSTGRES}{NEW}")
            },
        );
        let archive = fs::read(&case.archive).unwrap();
        fs::remove_file(&case.archive).unwrap();
        case.scratch
            .run(&source, "UPDATE people SET name = 'Dan' WHERE id = 1");
        case.backup(&source, &case.archive);
        case.outdated("it is another archive");
        fs::write(&case.archive, archive).unwrap();

        let text = String::from_utf8(plan).unwrap();
        let altered = text.replacen("\"insert\": 3", "\"insert\": 2", 1);
        assert_ne!(altered, text);
        fs::write(case.file(), altered).unwrap();
        let run = case.apply();
        assert_eq!(run.code, 5, "{run:?}");
        assert_eq!(run.json()["error"]["code"], "plan_invalid");
        fs::write(case.file(), text).unwrap();
        let _done = case.apply().ok();
        assert_eq!(case.names(), ["Ann", "Bob", "Cat"]);
    });
}

#[test]
fn a_plan_leaves_no_trace_and_neither_does_its_rehearsal() {
    both(|case| {
        let before = case.state();
        let _shown = case.plan(&[]).ok();
        assert_eq!(case.state(), before);
        let shown = case.plan(&["--rehearse"]).ok().json();
        assert_eq!(shown["rehearsal"]["rows"], 5);
        assert_eq!(case.state(), before);
        // It is the same plan, rehearsed or not.
        assert_eq!(shown["digest"], case.plan(&[]).ok().json()["digest"]);
        let _done = case.coffer("restore", &["--mode", "replace", "--force", "--dry-run"]);
        assert_eq!(case.state(), before);
    });
}

#[test]
fn a_rehearsal_finds_what_a_plan_cannot_know() {
    both(|case| {
        // Fits column by column, but two people may not have pets of one kind any more.
        case.sql("CREATE UNIQUE INDEX one_letter ON people (length(name))");
        let before = case.state();
        let shown = case.plan(&[]).ok().json();
        assert_eq!(shown["plan"]["blocked"], false);
        let file = case.file();
        let run = case.plan(&["--rehearse", "--out", &file]);
        assert_eq!(run.code, 1, "{run:?}");
        assert_eq!(run.json()["error"]["code"], "database");
        assert!(!Path::new(&file).exists());
        assert_eq!(case.state(), before);
    });
}

#[test]
fn a_plan_that_is_refused_is_shown_and_not_kept() {
    both(|case| {
        let file = case.file();
        let shown = case
            .coffer("plan", &["--mode", "replace", "--rehearse"])
            .ok();
        assert_eq!(shown.json()["plan"]["blocked"], true);
        assert_eq!(shown.json()["rehearsal"], serde_json::Value::Null);
        let run = case.coffer("plan", &["--mode", "replace", "--out", &file]);
        assert_eq!(run.code, 5, "{run:?}");
        assert!(!Path::new(&file).exists());
        // A plan says all of it, so nothing else may be said beside it; nor is there one without a mode.
        case.kept_plan();
        for more in [
            ["--force"].as_slice(),
            &["--mode", "replace"],
            &["--table", "pets"],
            &["--fill", "pets.owner=1"],
            &["--no-safety-backup"],
        ] {
            let base = ["--plan", &file, "--yes"];
            let run = case.coffer("restore", &[&base, more].concat());
            assert_eq!(run.code, 2, "{run:?}");
        }
        assert_eq!(case.coffer("plan", &[]).code, 2);
        let again = case.plan(&["--out", &file]);
        assert_eq!(again.json()["error"]["code"], "exists");
    });
}

#[test]
fn decisions_and_selection_are_part_of_a_plan() {
    both(|case| {
        // SQLite can't drop a column that is unique.
        case.sql("ALTER TABLE people ADD COLUMN more text");
        let base = [
            "--mode",
            "replace",
            "--force",
            "--table",
            "pets",
            "--without-files",
        ];
        let file = case.file();
        let shown = coffer_without_files(&case, "plan", &[&base[..], &["--out", &file]].concat());
        let shown = shown.ok().json();
        assert_eq!(shown["plan"]["tables"].as_array().unwrap().len(), 1);
        case.sql("INSERT INTO people (id, name) VALUES (1, 'x'), (2, 'y')");
        // Rows of a table that is not selected are part of the target's state all the same.
        let run = coffer_without_files(&case, "restore", &["--plan", &file, "--yes"]);
        assert_eq!(run.json()["error"]["code"], "plan_changed", "{run:?}");
        let _planned = coffer_without_files(
            &case,
            "plan",
            &[&base[..], &["--out", &file, "--overwrite"]].concat(),
        )
        .ok();
        let done = coffer_without_files(&case, "restore", &["--plan", &file, "--yes"]);
        assert_eq!(done.ok().json()["rows"], 2);
        assert_eq!(case.names(), ["x", "y", "z"]);
        assert_eq!(
            case.scratch.texts(&case.target, "SELECT id FROM pets"),
            ["1", "2"]
        );
    });
}

fn coffer_without_files(case: &Case, command: &str, more: &[&str]) -> Run {
    let url = case.scratch.url(&case.target);
    let base = [command, &case.archive, "--json", "--target", &url];
    coffer(base.iter().chain(more), &[])
}

const USERS: &str = "CREATE TABLE users (id integer PRIMARY KEY, username text NOT NULL UNIQUE, role text, password_hash text);";

/// An archive of two users, and a target that knows one of them by another number.
fn users(scratch: &Scratch) -> (String, Database) {
    let source = scratch.database(
        "users-source",
        &format!("{USERS} INSERT INTO users VALUES (1, 'ann', 'admin', 'hash-new'), (2, 'bob', NULL, NULL)"),
    );
    let target = scratch.database(
        "users-target",
        &format!("{USERS} INSERT INTO users VALUES (5, 'ann', 'user', 'hash-old')"),
    );
    let archive = scratch.path("users.zip").display().to_string();
    let url = scratch.url(&source);
    let _taken = coffer(["backup", "--source", &url, "--out", &archive], &[]).ok();
    (archive, target)
}

fn merges(scratch: &Scratch) {
    let (archive, target) = users(scratch);
    let (url, file) = (
        scratch.url(&target),
        scratch.path("merge.json").display().to_string(),
    );
    let command = |command: &str, more: &[&str]| {
        let base = [command, &archive, "--target", &url];
        coffer(base.iter().chain(more), &[])
    };
    let rows = || {
        scratch.texts(
            &target,
            "SELECT id || ' ' || username || ' ' || coalesce(role, '-') || ' ' || coalesce(password_hash, '-') FROM users",
        )
    };
    let overwrite = ["--json", "--mode", "overwrite", "--force", "--out", &file];
    let shown = command("plan", &overwrite).ok().json();
    let table = &shown["plan"]["tables"][0];
    assert_eq!(
        (&table["insert"], &table["merge"]["update"]),
        (&1.into(), &1.into())
    );
    assert_eq!(
        shown["samples"][0]["rows"],
        serde_json::json!([{
            "key": [["id", { "text": "5" }]],
            "changes": [
                { "column": "role", "before": { "text": "user" }, "after": { "text": "admin" } },
                { "column": "password_hash", "before": "hidden", "after": "hidden" },
            ],
        }])
    );
    let kept = fs::read_to_string(&file).unwrap();
    assert!(
        kept.contains("\"rehearsed\": true") && !kept.contains("hash-"),
        "{kept}"
    );
    let words = command("plan", &["--mode", "overwrite", "--force"])
        .ok()
        .stdout;
    assert!(
        words.contains("id '5': role 'user' → 'admin', password_hash (not shown) → (not shown)"),
        "{words}"
    );
    assert_eq!(rows(), ["5 ann user hash-old"], "nothing of it is left");

    // Nothing but what was planned.
    scratch.run(&target, "INSERT INTO users VALUES (6, 'eve', NULL, NULL)");
    let refused = command("restore", &["--json", "--plan", &file, "--yes"]);
    assert_eq!(
        refused.json()["error"]["code"],
        "plan_changed",
        "{refused:?}"
    );
    scratch.run(&target, "DELETE FROM users WHERE id = 6");
    let done = command("restore", &["--json", "--plan", &file, "--yes"])
        .ok()
        .json();
    for (what, planned) in table["merge"].as_object().unwrap() {
        assert_eq!(done["merged"][0][what], *planned, "{what} in {done}");
    }
    assert_eq!(rows(), ["2 bob - -", "5 ann admin hash-new"]);

    let again = command("plan", &["--json", "--mode", "skip"]).ok().json();
    let table = &again["plan"]["tables"][0];
    assert_eq!(
        (&table["insert"], &table["merge"]["keep"]),
        (&0.into(), &2.into())
    );
    assert_eq!(again["samples"], serde_json::json!([]));
}

#[test]
fn merges_are_planned_by_doing_them_and_show_rows_that_change() {
    merges(&Scratch::sqlite());
    merges(&Scratch::postgres());
}
