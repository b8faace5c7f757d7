use coffer_core::{
    policy::ForeignKeyClass,
    schema::{Column, ForeignKey, Table, TableName},
};

use super::*;

fn column(name: &str, type_name: &str, nullable: bool) -> Column {
    Column {
        name: name.into(),
        type_name: type_name.into(),
        nullable,
        default: None,
        generated: false,
        identity: false,
    }
}

fn table(name: &str, columns: Vec<Column>) -> Table {
    Table {
        name: TableName::new("public", name),
        columns,
        primary_key: vec!["id".into()],
        unique: vec![],
        foreign_keys: vec![],
    }
}

fn schema() -> Schema {
    let id = || column("id", "integer", false);
    let key = |column: &str, to: &str| ForeignKey {
        name: String::new(),
        columns: vec![column.into()],
        references: TableName::new("public", to),
        referenced_columns: vec!["id".into()],
    };
    let mut users = table(
        "users",
        vec![
            id(),
            column("password", "text", false),
            column("totp_secret", "bytea", true),
            column("sign_key", "bytea", false),
            column("boss_id", "integer", true),
        ],
    );
    users.foreign_keys = vec![key("boss_id", "users")];
    users.unique = vec![vec!["password".into()]];
    let mut logins = table(
        "user_sessions",
        vec![id(), column("user_id", "integer", false)],
    );
    logins.foreign_keys = vec![key("user_id", "users")];
    let mut notes = table(
        "notes",
        vec![
            id(),
            column("user_id", "integer", true),
            column("session_id", "integer", true),
        ],
    );
    notes.foreign_keys = vec![key("user_id", "users"), key("session_id", "user_sessions")];
    Schema {
        tables: vec![notes, logins, users],
    }
}

fn refused(text: &str) -> Wrong {
    match PresetText::parse("p.toml", text.to_owned()).unwrap_err() {
        PresetError::Wrong(wrong) => wrong,
        other => panic!("{other}"),
    }
}

/// Where the first thing is wrong that only the database shows.
fn unfit(text: &str) -> (usize, usize, String) {
    let preset = PresetText::parse("p.toml", text.to_owned()).unwrap();
    let wrong = preset.check_for(Engine::Postgres, &schema());
    let first = wrong.into_iter().next().unwrap();
    (first.line, first.column, first.what)
}

#[test]
fn every_preset_that_comes_with_the_program_is_sound() {
    for name in built_in() {
        let found = PresetText::find(Path::new(name)).unwrap();
        assert_eq!(found.name, name);
        assert!(
            found
                .preset
                .leave_out
                .iter()
                .all(|rule| rule.detail.is_some()),
            "{name}"
        );
    }
    let missing = PresetText::find(Path::new("/nonexistent/x.toml")).unwrap_err();
    assert!(missing.to_string().contains("nosdesk, nojoin"), "{missing}");
}

#[test]
fn what_is_wrong_alone_is_told_with_its_line() {
    for (text, line, column, what) in [
        ("app = \"x\"\nfoo = 1\n", 2, 1, "unknown field"),
        (
            "app = \"x\"\n\n[[credential]]\ntable = \"t\"\n",
            3,
            1,
            "missing field `column`",
        ),
        (
            "app = \"x\"\n[[credential]]\ntable = \"t\"\ncolumn = 7\n",
            4,
            10,
            "invalid type",
        ),
        (
            "app = \"x\"\n[[leave_out]]\ntable = \"t\"\nreason = \"why\"\n",
            4,
            10,
            "unknown variant",
        ),
        ("app = \"x\"\n[[leave_out]\n", 2, 13, ""),
        (
            "app = \"x\"\n[[credential]]\ntable = \"t\"\ncolumn = \"c\"\npath = [\"a\", \"b..c\"]\n",
            5,
            8,
            "empty step",
        ),
        (
            "app = \"x\"\n[[credential]]\ntable = \"t\"\ncolumn = \"c\"\nplaceholder = \"\"\nomit_rows = true\n",
            2,
            1,
            "leave all but one out",
        ),
        (
            "app = \"x\"\ncredential = [\n  { table = \"t\", column = \"c\" },\n  { table = \"t\", random = { bytes = 4 }, column = \"c\" },\n]\n",
            4,
            18,
            "16 bytes or more",
        ),
        (
            "app = \"x\"\n[[leave_out]]\ntable = \"t\"\nreason = \"local\"\n[[leave_out]]\ntable = \"t\"\nreason = \"local\"\nmatching = { a = \"x*\" }\n",
            5,
            1,
            "two rules for t",
        ),
        (
            "app = \"x\"\n[[leave_out]]\ntable = \"t\"\nreason = \"local\"\nmatching = { a = [] }\n",
            5,
            1,
            "true of no row",
        ),
        (
            "app = \"x\"\n[[leave_out]]\ntable = \"t\"\nreason = \"local\"\nmatching = { a = 3 }\n",
            5,
            18,
            "in which * stands for any letters",
        ),
        (
            "app = \"x\"\n[[table]]\ntable = \"t\"\nidentity = [{ columns = [\"a\"], through = { table = \"u\", columns = [] } }]\n",
            4,
            1,
            "needs the columns of its foreign key",
        ),
        ("app = \" \"\n", 1, 1, "no name"),
        (
            "app = \"x\"\n[[file_set]]\nname = \"up\"\nexclude = [\"a[\"]\n",
            4,
            1,
            "a[",
        ),
        (
            "app = \"x\"\n[[table]]\ntable = \"t\"\n[[table]]\ntable = \"t\"\n",
            4,
            1,
            "two rules for t",
        ),
        (
            "app = \"x\"\n[[collision]]\ntable = \"t\"\ncolumns = [\"a\"]\ncolumn = \"b\"\nwith = \"uuid\"\n",
            5,
            1,
            "one of the key's",
        ),
    ] {
        let wrong = refused(text);
        assert_eq!((wrong.line, wrong.column), (line, column), "{wrong}");
        assert!(wrong.what.contains(what), "{wrong}");
        assert!(
            wrong
                .to_string()
                .starts_with(&format!("p.toml, line {line}, ")),
            "{wrong}"
        );
    }
}

#[test]
fn what_does_not_fit_a_database_is_told_with_its_line() {
    for (rules, line, column, what) in [
        (
            "[[leave_out]]\nreason = \"derived\"\ntable = \"userz\"\n",
            4,
            1,
            "\"userz\"",
        ),
        (
            "[[credential]]\ntable = \"users\"\ncolumn = \"passwort\"\n",
            4,
            1,
            "users.passwort",
        ),
        (
            "[[credential]]\ntable = \"users\"\ncolumn = \"password\"\n",
            4,
            1,
            "no placeholder",
        ),
        (
            "[[credential]]\ntable = \"users\"\ncolumn = \"sign_key\"\nrandom = {}\n",
            5,
            1,
            "holds no text",
        ),
        (
            "[[credential]]\ntable = \"users\"\ncolumn = \"totp_secret\"\nalso_set = { sign_key = { value = \"null\" } }\n",
            5,
            1,
            "users.sign_key cannot be NULL",
        ),
        (
            "[[credential]]\ntable = \"users\"\ncolumn = \"totp_secret\"\nwhere = { kind = 1 }\n",
            5,
            1,
            "users.kind",
        ),
        (
            "[[leave_out]]\ntable = \"users\"\nreason = \"local\"\nmatching = { kind = \"a*\" }\n",
            5,
            1,
            "users.kind",
        ),
        (
            "[[table]]\ntable = \"users\"\nidentity = [{ columns = [\"id\"], through = { table = \"notes\", columns = [\"id\"] } }]\n",
            4,
            1,
            "no foreign key to it over (id)",
        ),
        (
            "[[table]]\ntable = \"users\"\nidentity = [{ columns = [\"mail\"] }]\n",
            4,
            1,
            "users.mail",
        ),
        (
            "[[foreign_key]]\ntable = \"notes\"\ncolumns = [\"id\"]\nclass = \"ownership\"\n",
            4,
            1,
            "no foreign key over (id)",
        ),
        (
            "[[collision]]\ntable = \"notes\"\ncolumns = [\"user_id\"]\ncolumn = \"user_id\"\nwith = \"uuid\"\n",
            4,
            1,
            "no unique key over (user_id)",
        ),
        (
            "[[reference]]\ntable = \"notes\"\ncolumn = \"id\"\nreferences = \"no\"\n",
            5,
            1,
            "\"no\"",
        ),
        ("engine = \"sqlite\"\n", 2, 1, "SQLite"),
        (
            "not_credential = [\"users.id\", \"users.no\"]\n",
            2,
            31,
            "users.no",
        ),
    ] {
        let found = unfit(&format!("app = \"x\"\n{rules}"));
        assert_eq!((found.0, found.1), (line, column), "{}", found.2);
        assert!(found.2.contains(what), "{}", found.2);
        assert!(!found.2.contains("nothing was read"), "{}", found.2);
    }
}

#[test]
fn versions_that_lack_something_are_fitted() {
    let text = r#"
        app = "x"
        may_lack = ["users.uuid", "teams", "users.password"]
        [[table]]
        table = "users"
        identity = [{ columns = ["uuid"] }, { columns = ["password"] }]
        on_insert = { uuid = 1, boss_id = { value = "null" } }
        [[credential]]
        table = "users"
        column = "uuid"
        [[leave_out]]
        table = "teams"
        reason = "local"
        [[foreign_key]]
        table = "teams"
        columns = ["id"]
        class = "ownership"
    "#;
    let preset = PresetText::parse("p", text.to_owned()).unwrap();
    assert_eq!(preset.check_for(Engine::Postgres, &schema()), []);
    let fitted = preset.preset.fitted(&schema());
    assert_eq!(fitted.tables[0].identity.len(), 1);
    assert_eq!(fitted.tables[0].identity[0].columns, ["password"]);
    assert!(fitted.tables[0].on_insert.keys().eq(["boss_id"]));
    assert!(fitted.credentials.is_empty() && fitted.leave_out.is_empty());
    assert!(fitted.foreign_keys.is_empty());
}

#[test]
fn what_is_not_classified_is_named() {
    let text = "app = \"x\"\nnot_credential = [\"users.totp_secret\"]\n[[leave_out]]\ntable = \"user_sessions\"\nreason = \"transient\"\n[[table]]\ntable = \"notes\"\n";
    let preset = PresetText::parse("p", text.to_owned()).unwrap();
    let report = check(&preset, Some((Engine::Postgres, &schema())));
    assert!(!report.is_wrong() && report.is_incomplete());
    assert_eq!(report.unclassified_tables, ["public.users"]);
    assert_eq!(report.suspicious_columns, ["public.users.password"]);
    let classes: Vec<_> = report
        .unclassified_foreign_keys
        .iter()
        .map(|key| (key.table.as_str(), key.columns[0].as_str(), key.class))
        .collect();
    assert_eq!(
        classes,
        [
            ("public.notes", "user_id", ForeignKeyClass::Enrichment),
            ("public.notes", "session_id", ForeignKeyClass::Enrichment),
            ("public.users", "boss_id", ForeignKeyClass::Deferred),
        ]
    );
    let told = report.to_string();
    for name in [
        "public.users.password",
        "public.users is not",
        "(session_id)",
        "deferred",
    ] {
        assert!(told.contains(name), "{told}");
    }
}

#[test]
fn a_draft_fits_and_classifies_everything() {
    let mut schema = schema();
    // Names that TOML has to quote, and that comments must not be ended by.
    let odd = "a\"b\\c\nd = 1";
    let mut other = table(
        odd,
        vec![
            column("id", "integer", false),
            column("api_token", "jsonb", false),
        ],
    );
    other.foreign_keys = schema.tables[0].foreign_keys.clone();
    other.columns.push(column("user_id", "integer", false));
    other.columns.push(column("session_id", "integer", true));
    let mut same = other.clone();
    same.name = TableName::new("o\nther", odd);
    schema.tables.extend([other, same]);
    let text = draft("x\ny", Engine::Postgres, &schema);
    let preset = PresetText::parse("draft", text.clone()).unwrap();
    let report = check(&preset, Some((Engine::Postgres, &schema)));
    assert!(!report.is_incomplete(), "{report}\n{text}");
    assert!(text.matches("guess").count() > 10);
    let policy = coffer_core::policy::decide(&schema, Some(&preset.preset), false, &[]).unwrap();
    assert_eq!(policy.notices, []);
}
