//! Values that are wrapped with an application's own secret, in merges, on both engines: every declared column is wrapped
//! with the target's secret, or nothing is written.

use coffer_tests::installation::{Installation, Kind};

use super::{KEYS, Run, WRAPPED, fs, rows, run, run_as};

const TABLES: &str = "CREATE TABLE profiles (id integer PRIMARY KEY, name text NOT NULL UNIQUE, data text, config text, CHECK (name <> 'refused'))";
const PRESET: &str = r#"
    app = "profiles"
    table = [{ table = "profiles", identity = [{ columns = ["name"] }] }]
    credential = [{ table = "profiles", column = "data" }]
    [[app_secret]]
    name = "encryption key"
    variable = "COFFER_TEST_KEY"
    form = "iv_tag_ciphertext"
    [[app_secret.column]]
    table = "profiles"
    column = "data"
    [[app_secret.column]]
    table = "profiles"
    column = "config"
    keys = ["password"]
"#;
const SEALED: [&str; 3] = ["--sensitive", "--sealed", "--unwrap-app-secrets"];
const PASSWORD: [&str; 2] = ["--password-env", "KEY"];

struct Case {
    folder: tempfile::TempDir,
    target: Installation,
}

impl Case {
    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// An archive of a database with the values out of their wrapping.
    fn unwrapped(&self, key: &str, source: &str, out: &str) {
        let preset = self.path("preset.toml");
        let backup = [
            "backup", "--source", source, "--preset", &preset, "--out", out,
        ];
        let _taken = run_as(
            "COFFER_TEST_KEY",
            key,
            &[&backup[..], &SEALED, &PASSWORD].concat(),
        )
        .ok();
    }

    fn restore(&self, key: Option<&str>, mode: &str) -> Run {
        let (archive, preset, url) = (
            self.path("moved.coffer"),
            self.path("preset.toml"),
            self.target.url(),
        );
        let restore = [
            "restore", &archive, "--target", &url, "--preset", &preset, "--mode", mode, "--force",
            "--yes", "--json",
        ];
        let arguments = [&restore[..], &PASSWORD].concat();
        match key {
            Some(key) => run_as("COFFER_TEST_KEY", key, &arguments),
            None => run(&arguments),
        }
    }

    async fn profiles(&self) -> Vec<String> {
        self.target
            .rows("SELECT name, data, config FROM profiles ORDER BY name")
            .await
    }
}

/// What a database holds once its own secret took the wrapping off, by name.
fn plain(case: &Case, key: &str, source: &str, name: &str) -> Vec<Vec<Option<String>>> {
    let (sealed, plain) = (
        case.path(&format!("{name}.coffer")),
        case.path(&format!("{name}.zip")),
    );
    case.unwrapped(key, source, &sealed);
    let unseal = ["unseal", &sealed, "--out", &plain, "--allow-credentials"];
    let _unsealed = run(&[&unseal[..], &PASSWORD].concat()).ok();
    let mut found = rows(&plain, "profiles");
    found.iter_mut().for_each(|row| drop(row.remove(0)));
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn merges_wrap_with_the_secret_of_the_target() {
    // Mode replace on SQLite has a test of its own.
    for (kind, modes) in [
        (Kind::Sqlite, ["skip", "overwrite"]),
        (Kind::Postgres, ["overwrite", "replace"]),
    ] {
        for mode in modes {
            let case = Case {
                folder: tempfile::tempdir().unwrap(),
                target: Installation::new(kind, TABLES, None).await,
            };
            fs::write(case.path("preset.toml"), PRESET).unwrap();
            let source = Installation::new(kind, TABLES, None).await;
            let config = format!(r#"{{"host": "h", "l": [{{"password":"{WRAPPED}"}}]}}"#);
            source
                .sql(&format!(
                    "INSERT INTO profiles VALUES (1, 'new', '{WRAPPED}', '{config}'), (2, 'known', '{WRAPPED}', NULL)"
                ))
                .await;
            case.unwrapped(KEYS[0], &source.url(), &case.path("moved.coffer"));
            // Under the target's key nobody can read this; it is for the row to stay as it is.
            case.target
                .sql("INSERT INTO profiles VALUES (1, 'known', 'as it was', NULL), (7, 'other', '', '{}')")
                .await;
            let before = case.profiles().await;

            let refused = case.restore(None, mode);
            assert_eq!(
                (refused.code, &refused.json()["error"]["code"]),
                (5, &"plan_blocked".into()),
                "{kind:?} {mode}"
            );
            assert_eq!(case.profiles().await, before, "{kind:?} {mode}");

            let _restored = case.restore(Some(KEYS[1]), mode).ok();
            let after = case.profiles().await;
            for row in &after {
                assert!(
                    !row.contains("päss") && !row.contains("101112131415"),
                    "{kind:?} {mode} {row}"
                );
            }
            let wrapped = |name: &str| {
                after.iter().any(|row| {
                    row.strip_prefix(&format!("{name}|")).is_some_and(|rest| {
                        rest.split('|')
                            .next()
                            .is_some_and(|data| data.split(':').count() == 3)
                    })
                })
            };
            assert!(wrapped("new"), "{kind:?} {mode}");
            assert_eq!(wrapped("known"), mode != "skip", "{kind:?} {mode}");
            assert_eq!(
                after.iter().any(|row| row == "other||{}"),
                mode != "replace",
                "{kind:?} {mode}"
            );
            // The same values have the same wrapping: the second time nothing changes.
            let again = case.restore(Some(KEYS[1]), mode).ok();
            assert_eq!(case.profiles().await, after, "{kind:?} {mode}");
            for table in again.json()["merged"].as_array().into_iter().flatten() {
                assert_eq!(
                    (&table["insert"], &table["update"]),
                    (&0.into(), &0.into()),
                    "{kind:?} {mode}"
                );
            }
            // What the target's own secret opens is what the source had.
            case.target
                .sql("DELETE FROM profiles WHERE name = 'other' OR data = 'as it was'")
                .await;
            let row =
                |values: [Option<&str>; 3]| values.map(|value| value.map(str::to_owned)).to_vec();
            let opened = Some("päss:wörd");
            let config = r#"{"host": "h", "l": [{"password":"päss:wörd"}]}"#;
            let mut expected = vec![row([Some("new"), opened, Some(config)])];
            if mode != "skip" {
                expected.insert(0, row([Some("known"), opened, None]));
            }
            assert_eq!(
                plain(&case, KEYS[1], &case.target.url(), "target"),
                expected,
                "{kind:?} {mode}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_that_fails_leaves_nothing_wrapped_anew() {
    for kind in [Kind::Sqlite, Kind::Postgres] {
        let case = Case {
            folder: tempfile::tempdir().unwrap(),
            target: Installation::new(kind, TABLES, None).await,
        };
        fs::write(case.path("preset.toml"), PRESET).unwrap();
        let loose = TABLES.replace(", CHECK (name <> 'refused')", "");
        let source = Installation::new(kind, &loose, None).await;
        source
            .sql(&format!("INSERT INTO profiles VALUES (1, 'known', '{WRAPPED}', NULL), (2, 'refused', '{WRAPPED}', NULL)"))
            .await;
        case.unwrapped(KEYS[0], &source.url(), &case.path("moved.coffer"));
        case.target
            .sql("INSERT INTO profiles VALUES (1, 'known', 'as it was', NULL)")
            .await;
        let failed = case.restore(Some(KEYS[1]), "overwrite");
        assert_ne!(failed.code, 0, "{kind:?}");
        assert_eq!(case.profiles().await, ["known|as it was|-"], "{kind:?}");
    }
}
