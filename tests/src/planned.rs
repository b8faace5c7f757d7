//! Plans don't lie: what every restore of every test reports, and what is in database and folders afterwards, is compared
//! with the plan that was made just before.
//!
//! [`coffer`](crate::coffer::coffer) does it for restores and undos of the command line, [`Site`](crate::site::Site) for
//! those of a server, [`Installation`](crate::installation::Installation) for those of the library.

use std::{collections::BTreeMap, ffi::OsString};

use coffer_core::plan::Plan;
use coffer_server::restore::RestoreReport;
use serde_json::{Value, json};

use crate::coffer::Run;

mod command;
mod served;
mod there;

pub use command::Command;
pub use served::Served;
pub use there::There;

/// Why a restore is not compared with a plan made just before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uncompared {
    /// Others write between the plan and the restore.
    OthersWrite,
    /// Its connection is cut after as many bytes as a restore alone sends.
    ConnectionIsCut,
}

/// What a report says otherwise than the plan; nothing if all of it is the same.
#[must_use]
pub fn differences(plan: &Value, report: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut differ = |what: &str, planned: Value, done: Value| {
        if planned != done {
            found.push(format!("{what}: {planned} planned, {done} done"));
        }
    };
    differ("blocked", plan["blocked"].clone(), json!(false));
    if report["restored"] == json!(false) && report.get("tables").is_none() {
        // Nothing was done, and what is told is the plan again.
        differ("changes", changes(plan), json!(false));
        differ("plan", plan.clone(), report["plan"].clone());
        return found;
    }
    if merges(plan) {
        if let Some(restored) = report.get("restored") {
            differ("changes", changes(plan), restored.clone());
        }
        differ(
            "tables",
            merged(&plan["tables"]),
            named(&report["merged"], Value::clone),
        );
        differ(
            "file sets",
            named(&plan["file_sets"], |set| {
                let mut counts = set["merge"].clone();
                counts["files"] = json!(number(&counts, "add") + number(&counts, "replace"));
                counts
            }),
            named(&report["file_sets"], Value::clone),
        );
    } else {
        let come = |one: &Value| one["insert"].clone();
        differ(
            "tables",
            named(&plan["tables"], come),
            named(&report["tables"], |table| table["rows"].clone()),
        );
        differ(
            "file sets",
            named(&plan["file_sets"], come),
            named(&report["file_sets"], |set| set["files"].clone()),
        );
        differ("merged", Value::Null, report["merged"].clone());
    }
    let rows = |table: &Value| number(table, "rows");
    differ(
        "rows in all",
        json!(list(&report["tables"]).iter().map(rows).sum::<u64>()),
        report["rows"].clone(),
    );
    found
}

/// Checks that a report says what the plan did.
///
/// # Panics
/// If it doesn't.
pub fn as_planned(plan: &Plan, report: &RestoreReport) {
    as_told(
        &serde_json::to_value(plan).unwrap(),
        &serde_json::to_value(report).unwrap(),
    );
}

/// As [`as_planned`], of what programs are told.
///
/// # Panics
/// If the report says anything else than the plan.
pub fn as_told(plan: &Value, report: &Value) {
    let found = differences(plan, report);
    assert!(
        found.is_empty(),
        "the plan lied: {}\nplan {plan}\nreport {report}",
        found.join("; ")
    );
}

/// Restores by the program, and compares with the plan that it makes just before.
///
/// # Panics
/// If something else is done than planned.
pub(crate) fn restored(
    command: &Command,
    environment: &[(&str, &str)],
    run: impl Fn(&[OsString]) -> Run,
) -> Run {
    let planned = run(&command.dry_run());
    let before = There::of(command, environment);
    let done = run(command.arguments());
    if done.code != 0 {
        return done;
    }
    assert_eq!(planned.code, 0, "restored, but not planned: {planned:?}");
    let plan = &planned.json()["plan"];
    assert_eq!(plan["blocked"], false, "restored, but refused: {plan}");
    if command.tells_programs() {
        as_told(plan, &done.json());
    } else {
        let words = command::words(plan);
        for line in &words {
            assert!(
                done.stdout.lines().any(|said| said.contains(line)),
                "the plan lied: not {line:?} in {done:?}"
            );
        }
    }
    assert!(
        before.tables.is_some() || command.target(environment).is_none(),
        "restored into a database that was not there: {done:?}"
    );
    before.became(&There::of(command, environment), plan);
    done
}

fn merges(plan: &Value) -> bool {
    let parts = [&plan["tables"], &plan["file_sets"]];
    plan["mode"] != "replace"
        || parts
            .iter()
            .any(|part| list(part).iter().any(|one| one.get("merge").is_some()))
}

/// Whether a plan changes anything. A replacement always does: the rows are written anew.
fn changes(plan: &Value) -> Value {
    let counts = |part: &Value| -> Vec<Value> {
        list(part).iter().map(|one| one["merge"].clone()).collect()
    };
    let any = |counts: &[Value], names: &[&str]| {
        let mut all = counts.iter();
        all.any(|counts| names.iter().any(|name| number(counts, name) > 0))
    };
    let rows = any(
        &counts(&plan["tables"]),
        &["insert", "update", "delete", "detached"],
    );
    let files = any(&counts(&plan["file_sets"]), &["add", "replace", "remove"]);
    json!(!merges(plan) || rows || files)
}

fn merged(part: &Value) -> Value {
    named(part, |one| one["merge"].clone())
}

/// Tables or file sets by their names, with what is told of each. One that is told twice counts as a third.
fn named(part: &Value, told: impl Fn(&Value) -> Value) -> Value {
    let mut all = BTreeMap::new();
    for one in list(part) {
        let name = name(one);
        let mut told = told(one);
        if let Some(told) = told.as_object_mut() {
            told.retain(|key, _| key != "schema" && key != "name");
        }
        if let Some(other) = all.insert(name.clone(), told) {
            all.insert(format!("{name} twice"), other);
        }
    }
    json!(all)
}

/// The name of a table or file set, as plans and reports have it.
fn name(one: &Value) -> String {
    let of = one.get("table").unwrap_or(one);
    let text = |key: &str| of[key].as_str().map(str::to_owned);
    let name = text("name").unwrap_or_else(|| panic!("no name in {one}"));
    text("schema").map_or_else(|| name.clone(), |schema| format!("{schema}.{name}"))
}

fn list(part: &Value) -> &[Value] {
    part.as_array().map_or(&[], Vec::as_slice)
}

fn number(counts: &Value, key: &str) -> u64 {
    counts[key].as_u64().unwrap_or_default()
}

#[cfg(test)]
mod tests;
