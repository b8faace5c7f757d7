use serde_json::{Value, json};

use super::{Command, There, command::words, differences, there::Rows};

/// What a merge of two tables and a file set is planned to do.
fn merge() -> (Value, Value) {
    let notes = json!({
        "insert": 2, "update": 1, "keep": 3, "delete": 1, "skipped": { "below_kept": 1 },
        "remapped": 2, "detached": 1,
    });
    let tags = json!({ "insert": 0, "update": 0, "keep": 4, "delete": 0 });
    let files =
        json!({ "add": 2, "replace": 1, "keep": 1, "remove": 0, "rename": 1, "skipped": 0 });
    let table = |name: &str, merge: &Value| {
        json!({
            "table": { "schema": "main", "name": name }, "delete": merge["delete"], "insert": merge["insert"],
            "merge": merge,
        })
    };
    let plan = json!({
        "mode": "overwrite", "blocked": false, "tables": [table("notes", &notes), table("tags", &tags)],
        "file_sets": [{ "name": "uploads", "delete": 0, "insert": 3, "bytes": 9, "merge": files }],
    });
    let counted = |name: &str, counts: &Value| {
        let mut counts = counts.clone();
        counts["schema"] = json!("main");
        counts["name"] = json!(name);
        counts
    };
    let mut files = files;
    files["name"] = json!("uploads");
    files["files"] = json!(3);
    let report = json!({
        "restored": true, "rows": 11,
        "tables": [{ "schema": "main", "name": "notes", "rows": 7 }, { "schema": "main", "name": "tags", "rows": 4 }],
        "merged": [counted("notes", &notes), counted("tags", &tags)],
        "file_sets": [files],
    });
    (plan, report)
}

fn replacement() -> (Value, Value) {
    let plan = json!({
        "mode": "replace", "blocked": false,
        "tables": [{ "table": { "schema": "main", "name": "notes" }, "delete": 2, "insert": 1234 }],
        "file_sets": [{ "name": "uploads", "delete": 0, "insert": 1, "bytes": 9 }],
    });
    let report = json!({
        "restored": true, "rows": 1234,
        "tables": [{ "schema": "main", "name": "notes", "rows": 1234 }],
        "file_sets": [{ "name": "uploads", "files": 1 }],
    });
    (plan, report)
}

/// Every number in a value, by where it stands.
fn numbers(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Number(_) => found.push(path.to_owned()),
        Value::Array(all) => {
            for (place, one) in all.iter().enumerate() {
                numbers(one, &format!("{path}/{place}"), found);
            }
        }
        Value::Object(all) => {
            for (key, one) in all {
                numbers(one, &format!("{path}/{key}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn what_was_done_as_planned_differs_in_nothing() {
    for (plan, report) in [merge(), replacement()] {
        assert_eq!(differences(&plan, &report), [""; 0]);
    }
}

#[test]
fn a_report_that_lies_about_any_number_is_noticed() {
    for (plan, report) in [merge(), replacement()] {
        let mut places = Vec::new();
        numbers(&report, "", &mut places);
        assert!(places.len() >= 3, "{places:?}");
        for place in places {
            let mut lie = report.clone();
            let number = lie.pointer_mut(&place).unwrap();
            *number = json!(number.as_u64().unwrap() + 1);
            assert_ne!(differences(&plan, &lie), [""; 0], "{place} of {report}");
        }
    }
}

#[test]
fn a_report_that_leaves_something_out_is_noticed() {
    for (plan, report) in [merge(), replacement()] {
        for part in ["tables", "merged", "file_sets", "rows"] {
            let mut lie = report.clone();
            if lie.as_object_mut().unwrap().remove(part).is_some()
                && !(part == "tables" && plan["mode"] != "replace")
            {
                assert_ne!(differences(&plan, &lie), [""; 0], "without {part}");
            }
            if let Some([_, ..]) = report[part].as_array().map(Vec::as_slice) {
                let mut lie = report.clone();
                let twice = lie[part][0].clone();
                lie[part].as_array_mut().unwrap().push(twice);
                assert_ne!(differences(&plan, &lie), [""; 0], "{part} twice");
            }
        }
    }
}

#[test]
fn a_plan_that_was_refused_or_changes_nothing_is_not_carried_out() {
    let (mut plan, report) = replacement();
    plan["blocked"] = json!(true);
    assert_ne!(differences(&plan, &report), [""; 0]);

    let (plan, report) = merge();
    let idle = json!({ "restored": false, "plan": plan, "digest": "00" });
    assert_ne!(
        differences(&plan, &idle),
        [""; 0],
        "there was something to do"
    );
    let mut said = report;
    said["restored"] = json!(false);
    assert_ne!(differences(&plan, &said), [""; 0], "it was done");

    let mut still = plan;
    still["file_sets"] = json!([]);
    let (_, tags) = (still["tables"][0].take(), still["tables"][1].take());
    still["tables"] = json!([tags]);
    let idle = json!({ "restored": false, "plan": still, "digest": "00" });
    assert_eq!(differences(&still, &idle), [""; 0]);
}

#[test]
fn rows_and_files_that_are_not_as_planned_are_noticed() {
    let (plan, _) = merge();
    let there = |notes: &[i64], tags: &[i64], others: &[i64], files: u64| There {
        tables: Some(
            [("notes", notes), ("tags", tags), ("others", others)]
                .map(|(name, rows)| (format!("main.{name}"), Rows::of(rows.to_vec())))
                .into(),
        ),
        file_sets: [("uploads".to_owned(), files)].into(),
    };
    // One goes, one changes, one more may be detached, two come.
    let before = there(&[1, 2, 3, 4, 5, 6], &[1, 1], &[7, 8], 4);
    for now in [[2, 13, 4, 5, 6, 21, 22], [2, 13, 14, 5, 6, 21, 22]] {
        let after = there(&now, &[1, 1], &[7, 8], 6);
        assert_eq!(before.differences(&after, &plan), [""; 0]);
    }
    for (what, after) in [
        (
            "a row too many",
            there(&[2, 13, 4, 5, 6, 21, 22, 23], &[1, 1], &[7, 8], 6),
        ),
        (
            "no row changed",
            there(&[2, 3, 4, 5, 6, 21, 22], &[1, 1], &[7, 8], 6),
        ),
        (
            "three changed",
            there(&[2, 13, 14, 15, 6, 21, 22], &[1, 1], &[7, 8], 6),
        ),
        (
            "a tag changed",
            there(&[2, 13, 4, 5, 6, 21, 22], &[1, 2], &[7, 8], 6),
        ),
        (
            "another table",
            there(&[2, 13, 4, 5, 6, 21, 22], &[1, 1], &[7, 9], 6),
        ),
        (
            "a file too few",
            there(&[2, 13, 4, 5, 6, 21, 22], &[1, 1], &[7, 8], 5),
        ),
    ] {
        assert_ne!(before.differences(&after, &plan), [""; 0], "{what}");
    }

    let (plan, _) = replacement();
    let there = |rows: u64, files: u64| There {
        tables: Some(
            [(
                "main.notes".to_owned(),
                Rows {
                    number: rows,
                    each: None,
                },
            )]
            .into(),
        ),
        file_sets: [("uploads".to_owned(), files)].into(),
    };
    assert_eq!(there(2, 0).differences(&there(1234, 1), &plan), [""; 0]);
    for (before, after) in [
        (there(3, 0), there(1234, 1)),
        (there(2, 0), there(1235, 1)),
        (there(2, 0), there(1234, 2)),
        (there(2, 1), there(1234, 1)),
    ] {
        assert_ne!(before.differences(&after, &plan), [""; 0]);
    }
}

#[test]
fn restores_are_recognised_among_commands() {
    let is = |words: &str| Command::of(&words.split(' ').collect::<Vec<_>>()).is_some();
    for words in [
        "restore a.zip --target sqlite:x --yes",
        "--server http://x restore a.zip --yes --json",
        "--json undo --yes",
        "system restore a.zip --data x --yes",
    ] {
        assert!(is(words), "{words}");
    }
    for words in [
        "restore a.zip --target sqlite:x",
        "restore a.zip --yes --dry-run",
        "undo --list",
        "plan restore --yes",
        "backup --yes",
    ] {
        assert!(!is(words), "{words}");
    }
    let words = ["undo", "--yes"];
    let planned = Command::of(&words).unwrap().dry_run();
    assert_eq!(planned, ["undo", "--yes", "--dry-run", "--json"]);
}

#[test]
fn people_are_told_the_same() {
    assert_eq!(
        words(&replacement().0),
        ["restored: 1 table with 1,234 rows, read back and equal to the archive, and 1 file"]
    );
    assert_eq!(
        words(&merge().0),
        [
            "main.notes  2 new, 1 changed, 3 kept, 1 removed",
            "main.tags  0 new, 0 changed, 4 kept, 0 removed",
            "files uploads: 2 new, 1 replaced, 1 kept, 0 removed",
        ]
    );
}
