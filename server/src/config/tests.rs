use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use super::*;
use crate::{
    hooks::{Action, HeaderValue, Method, When},
    transform::PathColumn,
};

const WHOLE: &str = r#"
name = "The shop"
database_env = "SHOP"
schemas = ["shop", "audit"]
app = "Shop"
exclude = ["jobs"]

[[file_set]]
name = "recordings"
folder = "recordings"
exclude = ["*.part", "/cache/**"]
optional = true

[file_set.transform]
program = ["ffmpeg", "-i", "{in}", "{out}"]
suffixes = [".wav"]
new_suffix = ".opus"
columns = [{ table = "recordings", column = "path", prefix = "recordings/" }]
time_limit_seconds = 30
max_bytes = 1000

[[file_set]]
name = "avatars"
folder = "/srv/avatars"

[[hook]]
name = "stop"
when = "before_restore"
command = ["systemctl", "stop", "shop"]
time_limit_seconds = 9

[[hook]]
name = "reindex"
when = "after_restore"
http = { url = "https://shop.test/reindex?all=1", method = "PUT", headers = [{ name = "Authorization", value_env = "TOKEN" }, { name = "X-By", value = "coffer" }] }
even_if_failed = true
"#;

fn parse(text: &str) -> Result<Config, Fault> {
    Config::parse(text, Path::new("/etc/coffer"), |name| {
        (name == "SHOP").then(|| "postgres://app@db/shop".to_owned())
    })
}

#[test]
fn a_whole_file_is_read() {
    let config = parse(WHOLE).unwrap();
    assert_eq!(
        config.database.as_ref().unwrap().to_string(),
        "postgres://app@db:5432/shop"
    );
    let Some(DatabaseUrl::Postgres(url)) = &config.database else {
        panic!("{:?}", config.database)
    };
    assert_eq!(url.schemas(), ["audit", "shop"]);
    assert_eq!(config.name.as_deref(), Some("The shop"));
    assert_eq!(config.app.as_deref(), Some("Shop"));
    assert_eq!(config.exclude, ["jobs"]);
    assert_eq!(
        config.file_sets,
        [
            ("recordings".to_owned(), "/etc/coffer/recordings".into()),
            ("avatars".to_owned(), "/srv/avatars".into())
        ]
    );
    let [recordings, avatars] = &config.file_rules[..] else {
        panic!("{:?}", config.file_rules)
    };
    let patterns: Vec<&str> = recordings.leave_out.patterns().collect();
    assert_eq!(patterns, ["*.part", "/cache/**"]);
    assert!(recordings.optional && !avatars.optional);
    assert!(avatars.transform.is_none());
    let transform = recordings.transform.clone().unwrap();
    assert_eq!(transform.program, ["ffmpeg", "-i", "{in}", "{out}"]);
    assert_eq!(transform.time_limit, Duration::from_secs(30));
    assert_eq!(transform.max_bytes, Some(1000));
    let column = PathColumn {
        table: "recordings".to_owned(),
        column: "path".to_owned(),
        prefix: "recordings/".to_owned(),
    };
    assert_eq!(transform.columns, [column]);
    let [stop, reindex] = &config.hooks[..] else {
        panic!("{:?}", config.hooks)
    };
    assert_eq!(stop.when, When::BeforeRestore);
    assert_eq!(stop.time_limit, Duration::from_secs(9));
    let command = ["systemctl", "stop", "shop"].map(str::to_owned).to_vec();
    assert_eq!(stop.action, Action::Command(command));
    assert!(reindex.even_if_failed && !stop.even_if_failed);
    let Action::Http(call) = &reindex.action else {
        panic!("{reindex:?}")
    };
    assert_eq!(call.url, "https://shop.test/reindex?all=1");
    assert_eq!(call.method, Method::Put);
    assert_eq!(
        call.headers[0].value,
        HeaderValue::Variable("TOKEN".to_owned())
    );
    assert_eq!(
        call.headers[1].value,
        HeaderValue::Text("coffer".to_owned())
    );
}

#[test]
fn an_empty_file_says_nothing() {
    let config = parse("").unwrap();
    assert!(config.database.is_none() && config.file_sets.is_empty() && config.hooks.is_empty());
}

/// Line, column and words of what is wrong.
fn wrong(text: &str) -> (usize, usize, String) {
    match parse(text).unwrap_err().at("x.toml".to_owned(), text) {
        ConfigError::Wrong {
            line, column, what, ..
        } => (line, column, what),
        other => panic!("{other}"),
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let set = "[[file_set]]\nname = \"a\"\nfolder = \"b\"\n";
    let transform = |rest: &str| format!("{set}[file_set.transform]\n{rest}");
    let program = "program = [\"x\", \"{in}\", \"{out}\"]\n";
    let hook = |rest: &str| format!("[[hook]]\nname = \"h\"\nwhen = \"before_backup\"\n{rest}");
    let cases: Vec<(String, usize, &str)> = vec![
        (
            "app = \"x\"\ndatabse = \"y\"".into(),
            2,
            "unknown field `databse`",
        ),
        ("app = 5".into(), 1, "invalid type"),
        ("database = \"mysql://x\"".into(), 1, "postgres://"),
        ("database_env = \"NONE\"".into(), 1, "NONE is not set"),
        ("app = \"x\"\nschemas = [\"a\"]".into(), 2, "none is named"),
        (
            "schemas = [\"a\"]\ndatabase = \"sqlite:x\"".into(),
            1,
            "no schemas",
        ),
        (
            "database = \"sqlite:x\"\ndatabase_env = \"SHOP\"".into(),
            2,
            "leave one out",
        ),
        (
            "preset = \"/nonexistent.toml\"".into(),
            1,
            "/nonexistent.toml",
        ),
        (format!("{set}exclude = [\"ok\", \"[a\"]"), 4, "[a"),
        (
            format!("{set}\n{}", set.replace("\"a\"", "\"A\"")),
            6,
            "there twice",
        ),
        (set.replace("\"a\"", "\"a/b\""), 2, "cannot be the name"),
        (set.replace("\"b\"", "\"\""), 3, "has no name"),
        (
            format!("{set}folders = \"x\""),
            4,
            "unknown field `folders`",
        ),
        (
            transform("program = [\"x\", \"{in}\"]\nsuffixes = [\".a\"]\nnew_suffix = \".b\""),
            5,
            "no {out}",
        ),
        (
            transform("program = []\nsuffixes = [\".a\"]\nnew_suffix = \".b\""),
            5,
            "no program",
        ),
        (
            transform(&format!("{program}suffixes = []\nnew_suffix = \".b\"")),
            6,
            "suffixes",
        ),
        (
            transform(&format!(
                "{program}suffixes = [\"wav\"]\nnew_suffix = \".b\""
            )),
            6,
            "suffixes",
        ),
        (
            transform(&format!(
                "{program}suffixes = [\".a\"]\nnew_suffix = \"./b\""
            )),
            7,
            "new suffix",
        ),
        (
            transform(&format!(
                "{program}suffixes = [\".a\"]\nnew_suffix = \".b\"\ntime_limit_seconds = 0"
            )),
            8,
            "1 to",
        ),
        (hook(""), 2, "either a command or http"),
        (
            hook("command = [\"x\"]\nhttp = { url = \"http://x\" }"),
            2,
            "either a command or http",
        ),
        (hook("command = [\"\"]"), 4, "no name"),
        (
            hook("command = [\"x\"]\neven_if_failed = true"),
            5,
            "even_if_failed",
        ),
        (
            hook("http = { url = \"ftp://x\" }"),
            4,
            "neither http nor https",
        ),
        (
            hook("http = { url = \"http://x\", method = \"PATCH\" }"),
            4,
            "unknown variant",
        ),
        (
            hook("http = { url = \"http://x\", headers = [{ name = \"a b\", value = \"c\" }] }"),
            4,
            "name of a header",
        ),
        (
            hook("http = { url = \"http://x\", headers = [{ name = \"a\" }] }"),
            4,
            "value_env",
        ),
        (
            "[[hook]]\nname = \"h\"\nwhen = \"never\"".into(),
            3,
            "unknown variant `never`",
        ),
    ];
    for (text, line, says) in cases {
        let (at, _, what) = wrong(&text);
        assert!(what.contains(says), "{text}: {what}");
        assert_eq!(at, line, "{text}: {what}");
    }
    assert_eq!((1, 8), (wrong("app =  5").0, wrong("app =  5").1));
}

#[test]
fn passwords_are_never_quoted() {
    for text in [
        "database = \"postgres://app:hunter2@db/shop\"\nnope = 1",
        "database = \"postgres://app:hunter2@db:port/shop\"",
        "database = \"postgres://app:hunter2@db/shop",
        "[[hook]]\nname = \"h\"\nwhen = \"before_backup\"\nhttp = { url = \"http://me:hunter2@x/\" }",
    ] {
        let (_, _, what) = wrong(text);
        assert!(!what.contains("hunter2"), "{what}");
    }
}

#[test]
fn a_file_that_others_may_write_runs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.toml");
    fs::write(
        &path,
        "[[hook]]\nname = \"h\"\nwhen = \"before_backup\"\ncommand = [\"true\"]",
    )
    .unwrap();
    let with_mode = |mode| {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        Config::read(&path)
    };
    assert_eq!(with_mode(0o644).unwrap().hooks.len(), 1);
    for mode in [0o664, 0o646] {
        assert!(matches!(with_mode(mode), Err(ConfigError::Writable { .. })));
    }
    // One that names no program can do no harm.
    fs::write(&path, "app = \"x\"").unwrap();
    assert_eq!(with_mode(0o666).unwrap().app.as_deref(), Some("x"));
    fs::write(&path, vec![b'#'; 2 << 20]).unwrap();
    assert!(matches!(Config::read(&path), Err(ConfigError::Read { .. })));
    assert!(matches!(
        Config::read(&folder.path().join("missing")),
        Err(ConfigError::Read { .. })
    ));
}
