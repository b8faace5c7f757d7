//! Restores among the commands that tests run.

use std::ffi::{OsStr, OsString};

use serde_json::Value;

use super::{list, merges, name, number};

/// A command that restores without asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    arguments: Vec<OsString>,
}

impl Command {
    /// The restore or undo that arguments ask for, if they do and mean it.
    #[must_use]
    pub fn of<S: AsRef<OsStr>>(arguments: &[S]) -> Option<Self> {
        let words: Vec<&str> = arguments
            .iter()
            .map(|word| word.as_ref().to_str().unwrap_or_default())
            .collect();
        let mut before = words.as_slice();
        // Options that stand before the command.
        loop {
            match before {
                ["--server", _, rest @ ..] => before = rest,
                [word, rest @ ..] if word.starts_with("--") => before = rest,
                ["system", rest @ ..] => before = rest,
                _ => break,
            }
        }
        let restores = matches!(before, ["restore" | "undo", ..]);
        let has = |option: &str| words.contains(&option);
        let meant = has("--yes") && !has("--dry-run") && !has("--list");
        (restores && meant).then(|| Self {
            arguments: arguments.iter().map(|word| word.as_ref().into()).collect(),
        })
    }

    /// Its arguments, as they are.
    #[must_use]
    pub fn arguments(&self) -> &[OsString] {
        &self.arguments
    }

    /// The same, but to be told the plan only.
    #[must_use]
    pub fn dry_run(&self) -> Vec<OsString> {
        let mut arguments = self.arguments.clone();
        arguments.push("--dry-run".into());
        if !self.tells_programs() {
            arguments.push("--json".into());
        }
        arguments
    }

    /// Whether what it prints is for programs.
    #[must_use]
    pub fn tells_programs(&self) -> bool {
        self.arguments.iter().any(|word| word == "--json")
    }

    /// What follows an option, each time.
    pub(super) fn values(&self, option: &str) -> impl Iterator<Item = &str> {
        let pairs = self.arguments.windows(2);
        let values = pairs.filter(move |pair| pair[0] == option);
        values.map(|pair| pair[1].to_str().unwrap())
    }

    /// The URL of the database that is restored into, if it says that.
    pub(super) fn target<'a>(&'a self, environment: &[(&str, &'a str)]) -> Option<&'a str> {
        let mut given = environment.iter();
        let given = given.find(|(name, _)| *name == "COFFER_TARGET");
        let target = self.values("--target").next();
        let target = target.or_else(|| given.map(|(_, url)| *url))?;
        // A server's sources have names.
        let is_url = ["sqlite:", "postgres:", "postgresql:"];
        is_url
            .iter()
            .any(|scheme| target.starts_with(scheme))
            .then_some(target)
    }
}

/// What people are told of a restore that went by this plan, line by line.
pub(super) fn words(plan: &Value) -> Vec<String> {
    let counted = |part: &str, key: &str| -> u64 {
        let all = list(&plan[part]).iter();
        all.map(|one| number(one, key)).sum()
    };
    if !merges(plan) {
        let tables = list(&plan["tables"]).len() as u64;
        return vec![format!(
            "restored: {} with {}, read back and equal to the archive, and {}",
            count(tables, "table"),
            count(counted("tables", "insert"), "row"),
            count(counted("file_sets", "insert"), "file")
        )];
    }
    if super::changes(plan) == false {
        return vec!["nothing would change".to_owned()];
    }
    let line = |one: &Value, words: [(&str, &str); 4]| {
        let counts =
            words.map(|(key, word)| format!("{} {word}", shown(number(&one["merge"], key))));
        counts.join(", ")
    };
    let tables = list(&plan["tables"]).iter().map(|table| {
        let words = [
            ("insert", "new"),
            ("update", "changed"),
            ("keep", "kept"),
            ("delete", "removed"),
        ];
        format!("{}  {}", name(table), line(table, words))
    });
    let sets = list(&plan["file_sets"]).iter().map(|set| {
        let words = [
            ("add", "new"),
            ("replace", "replaced"),
            ("keep", "kept"),
            ("remove", "removed"),
        ];
        format!("files {}: {}", name(set), line(set, words))
    });
    tables.chain(sets).collect()
}

fn count(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", shown(number))
}

/// A number as people are shown it.
fn shown(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
