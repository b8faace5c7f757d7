//! What DBackup's rows mean: which values are secrets, what must be there with them and empty without.

use alloc::{collections::BTreeSet, format, string::String};

use super::{Metadata, parts};
use crate::foreign::{
    Overview, Problem, Row, Value,
    examine::{At, Examine, Files, sounds_secret},
    json::{Segment, walk},
    report::{Report, Tally},
};

/// Columns that are secrets as a whole.
const SECRETS: [(&str, &str); 7] = [
    ("CredentialProfile", "data"),
    ("EncryptionProfile", "secretKey"),
    ("Account", "password"),
    ("Account", "accessToken"),
    ("Account", "refreshToken"),
    ("Account", "idToken"),
    ("ApiKey", "hashedKey"),
];

/// Secrets that a backup with secrets can't be without.
const NEEDED: [(&str, &str); 3] = [
    ("CredentialProfile", "data"),
    ("EncryptionProfile", "secretKey"),
    ("ApiKey", "hashedKey"),
];

/// Columns with JSON as text, in which secrets stand.
const WITH_SECRETS: [(&str, &str); 5] = [
    ("AdapterConfig", "config"),
    ("SsoProvider", "oidcConfig"),
    ("SsoProvider", "samlConfig"),
    ("SsoProvider", "adapterConfig"),
    ("AdapterConfig", "metadata"),
];

/// The names whose values the product takes out: exact, at any depth.
const NAMES: [&str; 23] = [
    "password",
    "token",
    "secret",
    "secretKey",
    "secretAccessKey",
    "accessKey",
    "accessKeyId",
    "apiKey",
    "webhookUrl",
    "uri",
    "passphrase",
    "privateKey",
    "sshPassword",
    "sshPrivateKey",
    "sshPassphrase",
    "clientSecret",
    "refreshToken",
    "authHeader",
    "accountSid",
    "authToken",
    "appToken",
    "botToken",
    "accessToken",
];

/// What the product's backups lack, of what a restore needs.
const LEFT_OUT: &str = "directory sources of jobs (JobSource), templates (NamingTemplate, NotificationTemplate with its \
                        channels and jobs), presets (SchedulePreset, ExcludePatternPreset with its sources), retention \
                        policies (RetentionPolicy), second factors (TwoFactor, Passkey), sessions, checks and caches";

#[derive(Debug, Default)]
pub(in crate::foreign) struct Rules {
    metadata: Metadata,
    seen: BTreeSet<String>,
    /// The profile that the sidecar names.
    profile: Option<String>,
    own_key: bool,
    /// Secrets that are empty.
    empty: u64,
    two_factor: u64,
}

impl Rules {
    pub(in crate::foreign) fn new(profile: Option<String>) -> Self {
        Self {
            profile,
            ..Self::default()
        }
    }

    pub(in crate::foreign) fn describe(&mut self, metadata: Metadata) {
        self.metadata = metadata;
    }

    /// A part of the JSON begins.
    pub(in crate::foreign) fn begins(&mut self, key: &str, report: &mut Report) {
        let known = parts::table(key).is_some()
            || ["metadata", "jobNotifications", "statistics"].contains(&key);
        if !known {
            report.add(Problem::UnknownPart(key.chars().take(200).collect()));
        } else if !self.seen.insert(key.into()) {
            report.add(Problem::Entry {
                entry: key.into(),
                why: "it occurs twice".into(),
            });
        }
    }

    /// Looks into JSON that a column holds as text.
    fn nested(&mut self, at: &At<'_>, column: &str, text: &str, report: &mut Report) {
        let value = Value::Json(text.into());
        let read = walk(&value, &mut |path, found| {
            let (Some(Segment::Name(name)), Some(text)) = (path.last(), found.as_text()) else {
                return;
            };
            let exact = NAMES.contains(&name.as_str());
            if text.is_empty() {
                self.empty += u64::from(exact);
            } else if exact {
                report.tally(
                    Tally::Credentials,
                    at.table,
                    &format!("{column}.{name}"),
                    at.row,
                );
            } else if sounds_secret(name) {
                let place = format!("{column}.{}", name.chars().take(100).collect::<String>());
                report.tally(Tally::LooksSecret, at.table, &place, at.row);
            }
        });
        if !read {
            report.tally(Tally::NotSearched, at.table, column, at.row);
        }
    }
}

impl Examine for Rules {
    fn row(&mut self, at: &At<'_>, row: &Row, report: &mut Report, _files: &mut Files) {
        for (table, column) in SECRETS.into_iter().filter(|(table, _)| *table == at.table) {
            if row.get(column).is_some_and(|value| !value.is_empty()) {
                report.tally(Tally::Credentials, table, column, at.row);
            } else if NEEDED.contains(&(table, column)) {
                self.empty += 1;
                report.tally(Tally::EmptySecret, table, column, at.row);
            }
        }
        if at.table == "SsoProvider" {
            match row.get("clientSecret").and_then(Value::as_text) {
                Some("") => self.empty += 1,
                Some(_) => report.tally(Tally::Credentials, at.table, "clientSecret", at.row),
                None => {}
            }
        }
        for (table, column) in WITH_SECRETS {
            if table == at.table
                && let Some(text) = row.get(column).and_then(Value::as_text)
            {
                self.nested(at, column, text, report);
            }
        }
        let text = |column| row.get(column).and_then(Value::as_text);
        if at.table == "EncryptionProfile"
            && let Some(key) = text("secretKey").filter(|key| !key.is_empty())
        {
            self.own_key |= self.profile.is_some() && text("id") == self.profile.as_deref();
            if key.len() != 64 || !key.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                report.add(Problem::Row {
                    table: at.table.into(),
                    row: at.row,
                    why: "its key is not 64 hexadecimal digits".into(),
                });
            }
        }
        let second_factor = ["twoFactorEnabled", "passkeyTwoFactor"];
        if at.table == "User"
            && second_factor
                .iter()
                .any(|column| row.get(column) == Some(&Value::Bool(true)))
        {
            self.two_factor += 1;
        }
    }

    fn end(&mut self, overview: &mut Overview, report: &mut Report, _files: &Files) {
        overview.sensitive = self.metadata.include_secrets;
        if self.metadata.include_secrets {
            drop(report.take(Tally::LooksSecret));
            match &overview.sealed {
                // That is what the encryption is for.
                Some(_) => drop(report.take(Tally::Credentials)),
                None => report.add(Problem::Unsealed),
            }
            if self.own_key {
                report.add(Problem::OwnKey);
            }
        } else {
            drop(report.take(Tally::EmptySecret));
            report.turn(Tally::Credentials, Tally::LeftIn);
            report.add(Problem::Emptied(self.empty));
        }
        for (key, _) in parts::always().chain([("jobNotifications", "")]) {
            if !self.seen.contains(key) {
                report.add(Problem::AbsentPart(key.into()));
            }
        }
        if !self.metadata.include_statistics {
            report.add(Problem::LeftOut(
                "statistics and history, which were not asked for",
            ));
        }
        if self.two_factor > 0 {
            report.add(Problem::LeftOut(
                "the second factors of users who have one switched on: restored as they are, they could not sign in",
            ));
        }
        report.add(Problem::LeftOut(LEFT_OUT));
        report.add(Problem::FormatLacks(
            "no digests, no numbers of rows and no version of its own, only that of the application",
        ));
    }
}
