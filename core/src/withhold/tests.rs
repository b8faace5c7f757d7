use alloc::{collections::BTreeSet, string::String, vec, vec::Vec};

use super::*;
use crate::{
    policy::OneOf,
    rows::{Rows, display},
    schema::{Column, TableName},
};

fn table(columns: &[(&str, &str)]) -> Table {
    let columns = columns.iter().map(|(name, type_name)| Column {
        name: (*name).into(),
        type_name: (*type_name).into(),
        nullable: true,
        default: None,
        generated: false,
        identity: false,
    });
    Table {
        name: TableName::new("s", "t"),
        columns: columns.collect(),
        primary_key: vec![],
        unique: vec![],
        foreign_keys: vec![],
    }
}

fn rule(column: &str) -> CredentialColumn {
    CredentialColumn::new(TableName::new("s", "t"), column.into(), None)
}

fn random() -> Random {
    Random {
        prefix: "whsec_".into(),
        bytes: 32,
    }
}

fn part(
    engine: Engine,
    table: &Table,
    rules: &[CredentialColumn],
    rows: &str,
) -> Result<Part, WithholdError> {
    let mut text = Vec::new();
    let names = table.columns.iter().map(|column| column.name.as_str());
    crate::rows::push_header(names, &mut text);
    text.extend_from_slice(rows.as_bytes());
    let part = Part {
        text,
        rows: rows.lines().count() as u64,
    };
    let rules = RowRules::new(engine, table, rules, &[])?.unwrap();
    let secrets = FreshSecrets::new([1; 32]);
    let whole = rules.part(part.clone(), &secrets.of_part(3), &mut [])?;
    // What streams by in pieces of any size is the same.
    for size in [1, 7, 4096] {
        let (mut stream, mut out) = (RowStream::default(), Vec::new());
        for mut piece in part.text.chunks(size) {
            while !piece.is_empty() {
                piece = stream.push(&rules, piece, &secrets.of_part(3), &mut out)?;
            }
        }
        let header = memchr::memchr(b'\n', &whole.text).unwrap() + 1;
        assert_eq!(out, whole.text[header..]);
    }
    Ok(whole)
}

fn left(engine: Engine, table: &Table, rules: &[CredentialColumn], rows: &str) -> String {
    let part = part(engine, table, rules, rows).unwrap();
    let text = String::from_utf8(part.text).unwrap();
    let (_, rows) = text.split_once('\n').unwrap();
    assert_eq!(rows.lines().count() as u64, part.rows);
    rows.into()
}

#[test]
fn rules_look_at_the_rows_that_they_are_for() {
    let table = table(&[
        ("kind", "text"),
        ("on", "boolean"),
        ("secret", "text"),
        ("data", "jsonb"),
    ]);
    let one = |text: &str| OneOf::One(Scalar::Text(text.into()));
    let mut hook = rule("secret");
    hook.placeholder = Some("gone\t".into());
    hook.condition.insert("kind".into(), one("hook\tx"));
    hook.also_set
        .insert("on".into(), Given::Scalar(Scalar::Boolean(false)));
    let mut omitted = rule("secret");
    omitted.omit_rows = true;
    omitted.condition.insert(
        "kind".into(),
        OneOf::Any(vec![Scalar::Text("token".into()), Scalar::Integer(7)]),
    );
    let mut inside = rule("data");
    inside.path = vec!["**.key".parse().unwrap(), "l[*].t".parse().unwrap()];
    inside
        .condition
        .insert("on".into(), OneOf::One(Scalar::Boolean(true)));
    let rules = [inside, hook, omitted];
    let rows = "hook\\tx\tt\tabc\t{\"key\": \"a\\\\\\\\b\", \"n\": 1.50}\n\
        token\tt\tabc\t{}\n\
        7\tt\tabc\t{}\n\
        token\tt\t\\N\t{\"l\": [{\"t\": 1}, {\"t\": null}]}\n\
        hook\\tx\tt\t\\N\t\\N\n\
        \\N\tf\tabc\t{\"key\": 1}\n";
    let expected = "hook\\tx\tf\tgone\\t\t{\"key\": null, \"n\": 1.50}\n\
        token\tt\t\\N\t{\"l\": [{\"t\": null}, {\"t\": null}]}\n\
        hook\\tx\tt\t\\N\t\\N\n\
        \\N\tf\tabc\t{\"key\": 1}\n";
    assert_eq!(left(Engine::Postgres, &table, &rules, rows), expected);
}

#[test]
fn every_fresh_secret_is_another_one() {
    let table = table(&[("a", "text"), ("b", "json")]);
    let mut whole = rule("a");
    whole.random = Some(random());
    let mut inside = rule("b");
    inside.random = Some(random());
    inside.path = vec!["k".parse().unwrap()];
    let rows = "x\t{\"k\":1}\n".repeat(20);
    let text = left(Engine::Postgres, &table, &[whole, inside], &rows);
    let secrets: BTreeSet<&str> = text
        .split(['\t', '\n', '"'])
        .filter(|text| text.starts_with("whsec_"))
        .collect();
    assert_eq!(secrets.len(), 40);
    assert!(secrets.iter().all(|secret| secret.len() == 6 + 64));
    let all = FreshSecrets::new([1; 32]);
    let other = FreshSecrets::new([2; 32]);
    let first = all.of_part(3).make(&random(), 1, 0);
    assert!(secrets.contains(first.as_str()));
    for secrets in [all.of_part(4), other.of_part(3)] {
        assert_ne!(secrets.make(&random(), 1, 0), first);
    }
    let long = Random {
        bytes: 255,
        ..random()
    };
    assert_eq!(all.of_part(0).make(&long, 0, 0).len(), 6 + 510);
}

#[test]
fn sqlite_values_are_read_as_their_class() {
    let table = table(&[
        ("kind", "INTEGER"),
        ("data", "BLOB"),
        ("on", "BOOLEAN"),
        ("text", "TEXT"),
    ]);
    let mut inside = rule("data");
    inside.path = vec!["k".parse().unwrap()];
    inside.placeholder = Some("-".into());
    inside
        .condition
        .insert("kind".into(), OneOf::One(Scalar::Integer(1)));
    inside
        .also_set
        .insert("on".into(), Given::Scalar(Scalar::Boolean(false)));
    inside
        .also_set
        .insert("text".into(), Given::Special(Special::Null));
    let rules = [inside];
    // Text in a blob column and a number that is stored as text carry tags.
    let rows = "1\t\\T{\"k\":\"\\t\"}\t1\tx\n\\T1\t\\T{\"k\":2}\t1\tx\n2\t\\T{\"k\":2}\t1\tx\n1\t\\T \t1\tx\n";
    let expected = "1\t\\T{\"k\":\"-\"}\t0\t\\N\n\\T1\t\\T{\"k\":\"-\"}\t0\t\\N\n2\t\\T{\"k\":2}\t1\tx\n1\t\\T \t1\tx\n";
    // A tab inside of JSON text is no JSON, so it is written as JSON writes it.
    let rows = rows.replace("\"\\t\"", "\"\\\\t\"");
    assert_eq!(left(Engine::Sqlite, &table, &rules, &rows), expected);
    let blob = part(Engine::Sqlite, &table, &rules, "1\t\\\\x7b7d\t1\tx\n");
    assert!(matches!(
        blob,
        Err(WithholdError::NotJson {
            row: 1,
            error: JsonError::NotText,
            ..
        })
    ));
}

#[test]
fn what_cant_be_looked_into_is_an_error_and_never_kept() {
    let table = table(&[("id", "integer"), ("data", "text")]);
    let mut inside = rule("data");
    inside.path = vec!["k".parse().unwrap()];
    let refused = |rows: &str| part(Engine::Postgres, &table, &[inside.clone()], rows).unwrap_err();
    assert_eq!(
        refused("1\t{}\n2\t{\"k\": \"hunter2\"\n"),
        WithholdError::NotJson {
            table: "s.t".into(),
            column: "data".into(),
            row: 2,
            error: JsonError::Syntax {
                line: 1,
                column: 15
            },
        }
    );
    assert!(matches!(refused("1\n"), WithholdError::Row { row: 1, .. }));
    assert!(matches!(
        RowRules::new(Engine::Postgres, &table, &[rule("none")], &[]),
        Err(WithholdError::NoColumn { .. })
    ));
    assert!(
        RowRules::new(Engine::Postgres, &table, &[], &[])
            .unwrap()
            .is_none()
    );
}

#[test]
fn a_rule_for_the_whole_value_goes_before_those_inside() {
    let table = table(&[("data", "text"), ("other", "text")]);
    let mut inside = rule("data");
    inside.path = vec!["k".parse().unwrap()];
    inside
        .also_set
        .insert("other".into(), Given::Scalar(Scalar::Text("inside".into())));
    let mut other = rule("other");
    other.placeholder = Some("withheld".into());
    let text = left(
        Engine::Postgres,
        &table,
        &[inside.clone(), rule("data"), other],
        "{\"k\":1}\tsecret\nno JSON\t\\N\n",
    );
    assert_eq!(text, "\\N\twithheld\n\\N\t\\N\n");
    let part = part(Engine::Postgres, &table, &[inside], "{\"k\":1}\tx\n").unwrap();
    let mut rows = Rows::new(&part.text, ["data", "other"]).unwrap();
    let fields = rows.next_fields().unwrap().unwrap();
    assert_eq!(display(fields[1]).unwrap().as_deref(), Some("inside"));
}

#[test]
fn rows_that_a_condition_tells_are_left_out_and_counted() {
    let preset: crate::policy::Preset = serde_json::from_str(
        r#"{"app": "x", "leave_out": [
            {"table": "t", "reason": "local", "matching": {"key": ["task.*.lastRunAt", "cache.*"]}},
            {"table": "t", "reason": "transient", "where": {"kind": [3, "x"], "on": true}, "matching": {"value": "*[0]?*"}}
        ]}"#,
    )
    .unwrap();
    for (engine, yes) in [(Engine::Postgres, "t"), (Engine::Sqlite, "1")] {
        let table = table(&[
            ("key", "text"),
            ("kind", "text"),
            ("on", if yes == "t" { "boolean" } else { "integer" }),
            ("value", "text"),
        ]);
        let left_out: Vec<RowsLeftOut> = preset
            .leave_out
            .iter()
            .map(|rule| RowsLeftOut::of(table.name.clone(), rule))
            .collect();
        assert_eq!(
            left_out[1].rows.to_string(),
            "kind is 3 or \"x\" and on is true and value is \"*[0]?*\""
        );
        let rules = RowRules::new(engine, &table, &[], &left_out)
            .unwrap()
            .unwrap();
        let kept = [
            "task.lastRunAt\t3\t1\ta[0]b",
            "xcache.\t\\N\t1\ta",
            "\\N\tx\t0\ta[0]?b",
            "k\tx\t\\N\ta[0]?b",
        ];
        let gone = [
            "task.a.b.lastRunAt\tx\t1\tv",
            "cache.\t3\t1\ta[0]?",
            "k\tx\t1\ta[0]?b",
            "\\N\t3\t1\t[0]?\\n",
        ];
        let mut text = String::from("key\tkind\ton\tvalue\n");
        for row in kept.iter().zip(gone).flat_map(|(one, other)| [*one, other]) {
            let mut fields: Vec<&str> = row.split('\t').collect();
            fields[2] = match fields[2] {
                "1" => yes,
                "0" if yes == "t" => "f",
                other => other,
            };
            text.push_str(&fields.join("\t"));
            text.push('\n');
        }
        let part = Part {
            text: text.into_bytes(),
            rows: 8,
        };
        let secrets = FreshSecrets::new([1; 32]);
        let mut counts = [0; 2];
        let left = rules
            .part(part.clone(), &secrets.of_part(0), &mut counts)
            .unwrap();
        assert_eq!((left.rows, counts), (4, [2, 2]));
        let (mut stream, mut out) = (RowStream::new(&rules), Vec::new());
        let rest = stream.push(&rules, &part.text, &secrets.of_part(0), &mut out);
        assert!(rest.unwrap().is_empty());
        assert_eq!(stream.left_out(), [2, 2]);
        assert!(left.text.ends_with(&out));
    }
}
