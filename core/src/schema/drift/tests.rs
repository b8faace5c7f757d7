use alloc::{
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};

use super::{
    super::tests::{column, table},
    *,
};
use crate::{
    fixture::fixture,
    manifest::Manifest,
    rows::{Conversion, RowMap, Rule},
};

fn required(name: &str, type_name: &str) -> Column {
    Column {
        nullable: false,
        ..column(name, type_name)
    }
}

#[test]
fn drift_names_every_difference() {
    let computed = |name| Column {
        generated: true,
        ..column(name, "integer")
    };
    let archive = Schema {
        tables: vec![
            table("gone", vec![column("x", "text")]),
            table(
                "t",
                vec![
                    column("kept", "text"),
                    column("lost", "text"),
                    column("wide", "text"),
                    column("net", "integer"),
                    computed("gross"),
                    computed("vanished"),
                    computed("other"),
                ],
            ),
        ],
    };
    let target = Schema {
        tables: vec![
            table("new", vec![column("x", "text")]),
            table(
                "t",
                vec![
                    column("gross", "integer"),
                    column("wide", "varchar(3)"),
                    computed("net"),
                    required("needed", "text"),
                    // In another order.
                    column("kept", "text"),
                    Column {
                        type_name: "text".into(),
                        ..computed("other")
                    },
                ],
            ),
        ],
    };
    let t = || TableName::new("public", "t");
    assert_eq!(
        drift(&archive, &target),
        [
            Drift::TableMissing {
                table: TableName::new("public", "gone")
            },
            Drift::TableAdded {
                table: TableName::new("public", "new")
            },
            Drift::ColumnMissing {
                table: t(),
                column: "lost".into()
            },
            Drift::ColumnChanged {
                table: t(),
                column: "wide".into(),
                archive: "text".into(),
                target: "varchar(3)".into(),
            },
            Drift::ColumnComputed {
                table: t(),
                column: "net".into(),
            },
            Drift::ColumnAdded {
                table: t(),
                column: "gross".into(),
                value: Own::Null,
            },
            Drift::ColumnAdded {
                table: t(),
                column: "needed".into(),
                value: Own::Missing,
            },
        ]
    );
    assert_eq!(drift(&archive, &archive), []);
}

#[test]
fn constraints_names_and_the_order_of_columns_are_no_difference() {
    let key = |name: &str| super::super::ForeignKey {
        name: name.into(),
        columns: vec!["a".into()],
        references: TableName::new("public", "t"),
        referenced_columns: vec!["b".into()],
    };
    let mut one = table("t", vec![column("a", "text"), column("b", "text")]);
    one.foreign_keys = vec![key("t_a_fkey")];
    let mut other = table("t", vec![column("b", "text"), column("a", "text")]);
    other.foreign_keys = vec![key("renamed")];
    let schema = |table: &Table| Schema {
        tables: vec![table.clone()],
    };
    assert_eq!(drift(&schema(&one), &schema(&other)), []);
    other.unique = vec![vec!["b".into()]];
    assert_eq!(
        drift(&schema(&one), &schema(&other)),
        [Drift::KeysChanged {
            table: one.name.clone()
        }]
    );
}

#[test]
fn types_of_postgresql_turn_into_others() {
    use Conversion::{
        AddUtc, Decimal, Double, Fraction, Integer, Json, Label, Midnight, Padded, RemoveUtc, Same,
        Text, Trimmed, Uuid,
    };
    let labels = [Labels {
        type_name: "mood".into(),
        labels: vec!["good".into()],
    }];
    let int4 = || Integer {
        min: i32::MIN.into(),
        max: i32::MAX.into(),
    };
    let label = || Label {
        labels: labels[0].labels.clone(),
    };
    for (from, to, expected) in [
        ("character varying(10)", "character varying(50)", Some(Same)),
        ("character varying(10)", "text", Some(Same)),
        ("character varying", "text", Some(Same)),
        ("text", "citext", Some(Same)),
        ("text", "character varying(5)", Some(Text { longest: 5 })),
        (
            "character varying(6)",
            "character varying(5)",
            Some(Text { longest: 5 }),
        ),
        ("character(3)", "text", Some(Trimmed { longest: None })),
        (
            "text",
            "character(3)",
            Some(Padded {
                length: 3,
                padded: false,
            }),
        ),
        (
            "character(9)",
            "character(3)",
            Some(Padded {
                length: 3,
                padded: true,
            }),
        ),
        ("smallint", "integer", Some(Same)),
        ("integer", "bigint", Some(Same)),
        ("bigint", "integer", Some(int4())),
        ("numeric(10,2)", "integer", Some(int4())),
        ("integer", "numeric", Some(Same)),
        ("numeric(10,2)", "numeric", Some(Same)),
        (
            "numeric",
            "numeric(10,2)",
            Some(Decimal {
                precision: 10,
                scale: 2,
            }),
        ),
        ("bigint", "double precision", Some(Double)),
        ("real", "double precision", Some(Double)),
        ("double precision", "real", None),
        ("integer", "text", Some(Same)),
        ("date", "timestamp without time zone", Some(Midnight)),
        ("date", "timestamp with time zone", None),
        (
            "timestamp without time zone",
            "timestamp with time zone",
            Some(AddUtc),
        ),
        (
            "timestamp with time zone",
            "timestamp without time zone",
            Some(RemoveUtc),
        ),
        (
            "timestamp(3) with time zone",
            "timestamp with time zone",
            Some(Same),
        ),
        (
            "timestamp without time zone",
            "timestamp(3) without time zone",
            Some(Fraction { digits: 3 }),
        ),
        (
            "timestamp without time zone",
            "timestamp(3) with time zone",
            None,
        ),
        ("time without time zone", "time with time zone", None),
        ("text", "uuid", Some(Uuid)),
        ("uuid", "text", Some(Same)),
        ("json", "jsonb", Some(Json { binary: true })),
        ("jsonb", "json", Some(Same)),
        ("text", "json", Some(Json { binary: false })),
        ("integer[]", "bigint[]", Some(Same)),
        ("bigint[]", "integer[]", None),
        ("character varying(5)[]", "text[]", Some(Same)),
        ("text", "mood", Some(label())),
        ("old_mood", "mood", Some(label())),
        ("mood", "text", Some(Same)),
        ("old_mood", "text", None),
        ("integer", "mood", None),
        ("bytea", "text", None),
        ("text", "integer", None),
        ("boolean", "integer", None),
        ("inet", "inet", Some(Same)),
        ("numeric(2,-3)", "numeric(9,-3)", None),
    ] {
        let found = postgres::conversion(from, to, &labels);
        assert_eq!(found, expected, "{from} to {to}");
    }
}

/// The fixture's table `notes` (1000 rows of id and body, of which every seventh is NULL), with other columns.
fn manifest(columns: Vec<Column>) -> Manifest {
    let mut manifest = fixture().manifest;
    for table in &mut manifest.schema.tables {
        if table.name.name == "notes" {
            table.columns.clone_from(&columns);
        }
    }
    manifest
}

/// What becomes of the rows when the archive's columns meet the target's, with a survey of rows if any are given.
fn assessed(
    archive: Vec<Column>,
    target: Vec<Column>,
    decisions: &Decisions,
    rows: Option<&[u8]>,
) -> TableDrift {
    let manifest = manifest(archive);
    let mut schema = manifest.schema.clone();
    for table in &mut schema.tables {
        if table.name.name == "notes" {
            table.columns.clone_from(&target);
        }
    }
    let labels = [Labels {
        type_name: "mood".into(),
        labels: vec!["good".into()],
    }];
    let name = TableName::new("public", "notes");
    let survey = rows.map(|rows| {
        let (from, to) = (manifest.schema.table(&name), schema.table(&name));
        let (from, to) = (from.unwrap(), to.unwrap());
        let map = row_map(
            manifest.engine,
            from,
            to,
            &labels,
            true,
            &Decisions::default(),
        );
        let mut found = map.begin();
        map.count(rows, &mut found).unwrap();
        Survey {
            tables: vec![Surveyed {
                table: name.clone(),
                map,
                found,
            }],
        }
    });
    let mut found = assess(
        &manifest,
        &schema,
        &labels,
        true,
        decisions,
        survey.as_ref(),
    );
    assert_eq!(found.len(), 1, "{found:?}");
    found.swap_remove(0)
}

/// The archive's columns, the target's, what was decided, the rows if they were read, and what comes of it in words.
type Case<'a> = (
    Vec<Column>,
    Vec<Column>,
    Decisions,
    Option<&'a [u8]>,
    Outcome,
    &'a str,
);

const ROWS: &[u8] = b"1\tgood\n2\t\\N\n3\tlonger\n4\t\\N\n";

#[test]
fn outcomes_follow_from_shapes_rows_and_decisions() {
    use Outcome::{Decided, Fits, FitsWithDefault, Impossible, NeedsDecision, NotReadYet};
    let old = |body: Column| vec![column("id", "integer"), body];
    let text = || column("body", "text");
    let with = |more: Column| vec![column("id", "integer"), text(), more];
    let name = || ColumnName {
        table: TableName::new("public", "notes"),
        column: "body".into(),
    };
    let none = Decisions::default();
    let drop = Decisions {
        drop_columns: vec![name()],
        fill: vec![],
    };
    let fill = |value: Option<&str>| Decisions {
        drop_columns: vec![],
        fill: vec![Fill {
            table: name().table,
            column: "body".into(),
            value: value.map(String::from),
        }],
    };
    let default = |expression: &str| Column {
        default: Some(expression.into()),
        ..required("more", "integer")
    };
    let computed = || Column {
        generated: true,
        ..column("body", "text")
    };
    let gone = || vec![column("id", "integer")];
    let no_values: &[u8] = b"1\t\\N\n";
    let cases: Vec<Case<'_>> = vec![
        (
            old(text()),
            with(column("more", "text")),
            none.clone(),
            None,
            FitsWithDefault,
            "the archive does not hold the column more, which stays empty",
        ),
        (
            old(text()),
            with(default("7")),
            none.clone(),
            None,
            FitsWithDefault,
            "the archive does not hold the column more, which takes its default 7",
        ),
        (
            old(text()),
            with(Column {
                identity: true,
                ..required("more", "integer")
            }),
            none.clone(),
            None,
            FitsWithDefault,
            "the archive does not hold the column more, which takes the next numbers",
        ),
        (
            old(text()),
            with(required("more", "text")),
            none.clone(),
            None,
            Impossible,
            "the archive does not hold the column more, which needs a value and has no default",
        ),
        (
            old(column("body", "character varying(10)")),
            old(text()),
            none.clone(),
            None,
            Fits,
            "the column body is character varying(10) in the archive, text in the target, and every row fits",
        ),
        (
            old(required("body", "text")),
            old(text()),
            none.clone(),
            None,
            Fits,
            "the column body is text not null in the archive, text in the target, and every row fits",
        ),
        (
            old(text()),
            gone(),
            none.clone(),
            None,
            NeedsDecision,
            "the target has no column body, and rows hold a value in it that would be lost",
        ),
        (
            old(text()),
            gone(),
            none.clone(),
            Some(ROWS),
            NeedsDecision,
            "the target has no column body, and 2 rows hold a value in it that would be lost",
        ),
        (
            old(text()),
            gone(),
            none.clone(),
            Some(no_values),
            Fits,
            "the target has no column body, and no row holds a value in it",
        ),
        (
            old(text()),
            gone(),
            drop.clone(),
            Some(ROWS),
            Decided,
            "the target has no column body, and 2 rows lose what is in it, as decided",
        ),
        (
            old(text()),
            old(computed()),
            none.clone(),
            Some(ROWS),
            NeedsDecision,
            "the target computes the column body itself, and 2 rows hold a value in it that would be lost",
        ),
        (
            old(text()),
            old(computed()),
            drop.clone(),
            Some(ROWS),
            Decided,
            "the target computes the column body itself, and 2 rows lose what is in it, as decided",
        ),
        (
            old(text()),
            old(required("body", "text")),
            none.clone(),
            None,
            NotReadYet,
            "the column body is text in the archive, text not null in the target; whether its rows fit is looked at \
             before anything is changed",
        ),
        (
            old(text()),
            old(required("body", "text")),
            none.clone(),
            Some(ROWS),
            NeedsDecision,
            "the column body is text in the archive, text not null in the target, and 2 rows do not fit",
        ),
        (
            old(text()),
            old(required("body", "text")),
            fill(Some("none")),
            Some(ROWS),
            Decided,
            "the column body is text in the archive, text not null in the target, and in 2 rows another value takes \
             the place of one that does not fit, as decided",
        ),
        // NULL is no way out of NOT NULL, nor is a text that is too long itself.
        (
            old(text()),
            old(required("body", "text")),
            fill(None),
            Some(ROWS),
            NeedsDecision,
            "the column body is text in the archive, text not null in the target, and 2 rows do not fit",
        ),
        (
            old(text()),
            old(column("body", "character varying(4)")),
            none.clone(),
            Some(ROWS),
            NeedsDecision,
            "the column body is text in the archive, character varying(4) in the target, and 1 row does not fit",
        ),
        (
            old(text()),
            old(column("body", "character varying(4)")),
            fill(Some("short")),
            Some(ROWS),
            NeedsDecision,
            "the column body is text in the archive, character varying(4) in the target, and 1 row does not fit",
        ),
        (
            old(text()),
            old(column("body", "character varying(4)")),
            fill(None),
            Some(ROWS),
            Decided,
            "the column body is text in the archive, character varying(4) in the target, and in 1 row another value \
             takes the place of one that does not fit, as decided",
        ),
        (
            old(text()),
            old(column("body", "character varying(9)")),
            none.clone(),
            Some(ROWS),
            Fits,
            "the column body is text in the archive, character varying(9) in the target, and every row fits",
        ),
        (
            old(text()),
            old(column("body", "integer")),
            none.clone(),
            Some(ROWS),
            Impossible,
            "the column body is text in the archive, integer in the target, and its values cannot become values of \
             that",
        ),
        (
            old(column("body", "mood")),
            old(column("body", "mood")),
            none.clone(),
            Some(ROWS),
            NeedsDecision,
            "the target's mood lacks labels that the column body has in the archive, and 1 row does not fit",
        ),
        (
            old(text()),
            vec![column("more", "text")],
            none.clone(),
            Some(ROWS),
            Impossible,
            "the target has no column id, nor any other column of the archive's table",
        ),
    ];
    for (archive, target, decisions, rows, outcome, words) in cases {
        let found = assessed(archive, target, &decisions, rows);
        assert_eq!(found.outcome, outcome, "{words}");
        assert_eq!(found.differences[0].to_string(), words);
        let whole = format!("public.notes {outcome}: {words}");
        assert!(found.to_string().starts_with(&whole), "{found}");
    }
}

#[test]
fn a_table_without_rows_fits_as_long_as_it_is_there() {
    let mut manifest = fixture().manifest;
    let mut schema = manifest.schema.clone();
    let empty = TableName::new("public", "empty");
    for table in &mut schema.tables {
        if table.name == empty {
            table.columns = vec![required("id", "uuid"), required("other", "text")];
        }
    }
    let of = |manifest: &Manifest, schema: &Schema| {
        let none = Decisions::default();
        assess(manifest, schema, &[], true, &none, None)
    };
    assert_eq!(of(&manifest, &schema)[0].outcome, Outcome::Fits);
    schema.tables.retain(|table| table.name != empty);
    let found = of(&manifest, &schema);
    assert_eq!(found[0].outcome, Outcome::Impossible);
    assert_eq!(
        found[0].to_string(),
        "public.empty does not fit: the target does not have it"
    );
    // And the other way round.
    manifest.tables.retain(|data| data.table != empty);
    let target = manifest.schema.clone();
    manifest.schema.tables.retain(|table| table.name != empty);
    assert_eq!(
        of(&manifest, &target)[0].to_string(),
        "public.empty fits: the archive does not know it, so it stays as it is"
    );
}

#[test]
fn sqlite_columns_are_mapped_by_what_they_prefer() {
    let of = |from: &str, to: &str| {
        let archive = table("t", vec![column("a", from)]);
        let target = table("t", vec![column("a", to)]);
        let none = Decisions::default();
        row_map(Engine::Sqlite, &archive, &target, &[], false, &none)
    };
    let rule = |map: RowMap| map.columns().next().map(|(_, rule)| rule.clone()).unwrap();
    assert_eq!(rule(of("VARCHAR(10)", "TEXT")), Rule::Keep);
    assert_eq!(rule(of("INT", "NUMERIC")), Rule::Keep);
    assert!(of("INT", "TEXT").affects());
    assert!(!of("INT", "BLOB").affects() && !of("INT", "BLOB").is_identity());
}
