//! What Nosdesk's rows mean: which are credentials, which name files, which need a key of the application.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::{String, ToString},
    vec::Vec,
};

use super::{FILES, manifest::Totals};
use crate::{
    Digest,
    digest::parse_hex,
    foreign::{
        Overview, Problem, Row, Rows, Value,
        examine::{At, Examine, Files, stays_inside},
        json::members,
        report::{Report, Tally},
    },
};

/// Columns that a standard archive is without.
const STRIPPED: [(&str, &[&str]); 7] = [
    ("users", &["mfa_secret"]),
    ("user_recovery_codes", &["code_hash"]),
    ("user_auth_identities", &["password_hash", "metadata"]),
    ("refresh_tokens", &["token_hash"]),
    ("reset_tokens", &["token_hash", "metadata"]),
    ("webhooks", &["secret", "headers"]),
    ("api_tokens", &["token_hash"]),
];

/// Columns that it keeps, though they are credentials too.
const LEFT_IN: [(&str, &str); 7] = [
    ("tickets", "guest_lookup_token"),
    ("refresh_tokens", "replaced_by_hash"),
    ("active_sessions", "session_id"),
    ("webhook_deliveries", "request_headers"),
    ("channels", "config"),
    ("sync_delta_tokens", "delta_link"),
    ("passkey_credentials", "credential"),
];

/// Members of the audit log's images, by the table that they are of.
const IN_IMAGES: [(&str, &[&str]); 4] = [
    ("webhooks", &["secret", "headers"]),
    ("tickets", &["guest_lookup_token"]),
    ("plugin_data", &["value"]),
    ("plugin_local_signing_key", &["encrypted_sk"]),
];

/// Columns wrapped with a key from the application's environment.
const WRAPPED: [(&str, &str); 4] = [
    ("users", "mfa_secret"),
    ("channel_credentials", "encrypted_value"),
    ("plugin_local_signing_key", "encrypted_sk"),
    ("plugin_data", "value"),
];

/// Columns that name uploaded files.
const URLS: [(&str, &str); 9] = [
    ("attachments", "url"),
    ("asset_media", "url"),
    ("users", "avatar_url"),
    ("users", "banner_url"),
    ("users", "avatar_thumb"),
    ("site_settings", "logo_url"),
    ("site_settings", "logo_light_url"),
    ("site_settings", "favicon_url"),
    ("documentation_pages", "cover_image"),
];

/// Folders that the product leaves out on purpose: thumbnails, which it makes again, and its own archives.
const NOT_ARCHIVED: [&str; 2] = ["users/thumbs/", "backups/"];

#[derive(Debug)]
pub(in crate::foreign) struct Rules {
    totals: Option<Totals>,
    sealed: bool,
    /// Columns of credentials are there.
    sensitive: bool,
    /// Tables whose columns of credentials are not there.
    stripped: BTreeSet<usize>,
    wrapped: BTreeMap<(&'static str, &'static str), (Rows, BTreeSet<String>)>,
}

impl Rules {
    pub(in crate::foreign) fn new(totals: Option<Totals>, sealed: bool) -> Self {
        Self {
            totals,
            sealed,
            sensitive: sealed,
            stripped: BTreeSet::new(),
            wrapped: BTreeMap::new(),
        }
    }

    fn credentials(&mut self, at: &At<'_>, row: &Row, report: &mut Report) {
        for (index, (table, columns)) in STRIPPED.iter().enumerate() {
            if *table == at.table {
                if columns.iter().any(|column| row.get(column).is_some()) {
                    self.sensitive = true;
                } else {
                    self.stripped.insert(index);
                }
            }
        }
        for (table, column) in LEFT_IN {
            if table == at.table && row.get(column).is_some_and(|value| !value.is_empty()) {
                report.tally(Tally::LeftIn, table, column, at.row);
            }
        }
        if at.table == "audit_log" {
            images(at, row, report);
        }
    }

    fn wrapped(&mut self, at: &At<'_>, row: &Row) {
        for (table, column) in WRAPPED {
            let secret =
                at.table != "plugin_data" || row.get("is_secret") == Some(&Value::Bool(true));
            if table == at.table
                && secret
                && let Some(text) = row.get(column).and_then(Value::as_text)
            {
                let (rows, keys) = self.wrapped.entry((table, column)).or_default();
                rows.add(at.row);
                // A hostile archive could name one more with each row.
                if keys.len() < 16 {
                    keys.insert(kek(text));
                }
            }
        }
    }

    fn under_way(at: &At<'_>, row: &Row, report: &mut Report) {
        let null = |column| row.get(column).is_none_or(Value::is_null);
        let status = row.get("status").and_then(Value::as_text);
        let state = match at.table {
            "outbound_emails" if null("sent_at") && null("failed_at") => status.unwrap_or("unsent"),
            "webhook_outbox" => "queued",
            "webhook_deliveries" if !null("next_retry_at") => "next_retry_at",
            "backup_jobs" | "import_jobs" => match status {
                Some(status @ ("pending" | "processing")) => status,
                _ => return,
            },
            _ => return,
        };
        report.tally(Tally::InFlight, at.table, state, at.row);
    }
}

/// Credentials inside of the audit log's images of rows.
fn images(at: &At<'_>, row: &Row, report: &mut Report) {
    let of = row.get("table_name").and_then(Value::as_text);
    for (table, names) in IN_IMAGES {
        if of != Some(table) {
            continue;
        }
        for column in ["before_jsonb", "after_jsonb"] {
            let Some(image) = row.get(column).filter(|image| !image.is_null()) else {
                continue;
            };
            let image = members(image);
            let secret = table != "plugin_data"
                || image.contains(&("is_secret".to_string(), Value::Bool(true)));
            for (name, value) in image {
                if secret && names.contains(&name.as_str()) && !value.is_empty() {
                    report.tally(Tally::LeftIn, at.table, &format!("{column}.{name}"), at.row);
                }
            }
        }
    }
}

/// The id of the key that a value is wrapped with: `01 01`, then the id, big-endian.
fn kek(text: &str) -> String {
    let digits = text.strip_prefix("\\x").unwrap_or(text);
    match digits
        .get(..8)
        .map(str::as_bytes)
        .and_then(parse_hex)
        .as_deref()
    {
        Some([1, 1, high, low]) => format!("MFA_KEK_V{}", u16::from_be_bytes([*high, *low])),
        _ => "of a form that is not known".to_string(),
    }
}

impl Examine for Rules {
    fn row(&mut self, at: &At<'_>, row: &Row, report: &mut Report, files: &mut Files) {
        self.credentials(at, row, report);
        self.wrapped(at, row);
        Self::under_way(at, row, report);
        for (table, column) in URLS {
            let url = row.get(column).and_then(Value::as_text);
            let Some(path) = url
                .filter(|_| table == at.table)
                .and_then(|url| url.strip_prefix("/uploads/"))
            else {
                continue;
            };
            if !stays_inside(path) {
                report.add(Problem::Path {
                    table: table.into(),
                    row: at.row,
                    path: path.chars().take(200).collect(),
                });
                continue;
            }
            if NOT_ARCHIVED.iter().any(|folder| path.starts_with(folder)) {
                continue;
            }
            let entry = format!("{FILES}{path}");
            files.name(at, &entry, report);
            let digest = row.get("checksum").and_then(Value::as_text);
            files.promise(
                at,
                &entry,
                row.get("file_size").and_then(Value::as_count),
                digest.and_then(|text| Digest::from_hex(&text.to_ascii_lowercase())),
            );
        }
    }

    fn end(&mut self, overview: &mut Overview, report: &mut Report, files: &Files) {
        overview.sensitive = self.sensitive;
        match (self.sensitive, self.sealed) {
            (false, _) => {
                for index in &self.stripped {
                    if let Some((table, columns)) = STRIPPED.get(*index) {
                        report.add(Problem::Stripped {
                            table: (*table).into(),
                            columns: columns.iter().map(ToString::to_string).collect(),
                        });
                    }
                }
            }
            // That is what the seal is for.
            (true, true) => drop(report.take(Tally::LeftIn)),
            (true, false) => {
                report.add(Problem::Unsealed);
                report.turn(Tally::LeftIn, Tally::Credentials);
            }
        }
        for ((table, place), (rows, keys)) in core::mem::take(&mut self.wrapped) {
            report.add(Problem::Wrapped {
                table: table.into(),
                place: place.into(),
                keys: keys.into_iter().collect::<Vec<_>>().join(", "),
                rows,
            });
        }
        files.unnamed(report);
        let found = (files.all().len() as u64, files.bytes());
        match self.totals {
            Some(said) if (said.total_count, said.total_size_bytes) != found => {
                report.add(Problem::FileTotals {
                    declared_count: said.total_count,
                    found_count: found.0,
                    declared_bytes: said.total_size_bytes,
                    found_bytes: found.1,
                });
            }
            Some(_) => {}
            None => report.add(Problem::FormatLacks("no number of files in its manifest")),
        }
        report.add(Problem::FormatLacks(
            "no digests of files and none of its manifest, only CRC-32; rows of attachments hold some",
        ));
    }
}
