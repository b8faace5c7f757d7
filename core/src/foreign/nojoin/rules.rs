//! What Nojoin's rows mean: which are credentials, which name files, which hold ids of others.

use alloc::{format, string::String};

use super::{CONFIG, Info};
use crate::foreign::{
    Overview, Problem, Row, Value,
    examine::{At, Examine, Files, Named, sounds_secret, stays_inside},
    json::{Segment, walk},
    report::{Report, Tally},
};

/// Columns that are credentials, in the clear.
const CREDENTIALS: [(&str, &str); 4] = [
    ("users", "hashed_password"),
    ("calendar_provider_configs", "client_secret"),
    ("calendar_connections", "access_token"),
    ("calendar_connections", "refresh_token"),
];

/// Columns with JSON in which ids of other rows stand, and the names that those have.
const IDS: [(&str, &str, &[&str]); 3] = [
    ("transcripts", "segments", &["recording_speaker_id"]),
    (
        "transcripts",
        "speaker_name_suggestions",
        &[
            "recording_speaker_id",
            "suggested_global_speaker_id",
            "resolution_actor_user_id",
        ],
    ),
    ("users", "settings", &["notes_template_id"]),
];

/// States of a recording that something is being done with.
const IN_FLIGHT: [&str; 4] = ["UPLOADING", "QUEUED", "PROCESSING", "PAUSED"];

/// What stands where a secret was.
const REDACTED: &str = "REDACTED";

#[derive(Debug)]
pub(in crate::foreign) struct Rules {
    info: Info,
    missing_recordings: u64,
    missing_documents: u64,
}

impl Rules {
    pub(in crate::foreign) const fn new(info: Info) -> Self {
        Self {
            info,
            missing_recordings: 0,
            missing_documents: 0,
        }
    }

    fn file(&mut self, at: &At<'_>, row: &Row, report: &mut Report, files: &mut Files) {
        let (column, folder) = match at.table {
            "recordings" => ("audio_path", "recordings/"),
            "documents" => ("file_path", "documents/"),
            _ => return,
        };
        let Some(path) = row.get(column).and_then(Value::as_text) else {
            return;
        };
        if !stays_inside(path) || !path.starts_with(folder) {
            report.add(Problem::Path {
                table: at.table.into(),
                row: at.row,
                path: path.chars().take(200).collect(),
            });
            return;
        }
        let recording = at.table == "recordings";
        if recording && self.info.include_audio == Some(false) {
            return;
        }
        match files.name(at, path, report) {
            Named::Missing if recording => self.missing_recordings += 1,
            Named::Missing => self.missing_documents += 1,
            Named::Again => report.add(Problem::SharedFile {
                table: at.table.into(),
                row: at.row,
                path: path.into(),
            }),
            Named::First => {}
        }
        if !recording {
            let size = row.get("file_size_bytes").and_then(Value::as_count);
            files.promise(at, path, size, None);
        }
    }
}

/// Looks for placeholders and for secrets that redaction has missed.
fn redaction(at: &At<'_>, column: &str, value: &Value, report: &mut Report) {
    let read = walk(value, &mut |path, found| {
        let Some(text) = found.as_text().filter(|text| !text.is_empty()) else {
            return;
        };
        let place = place(column, path);
        if text == REDACTED {
            report.tally(Tally::Placeholder, at.table, &place, at.row);
        } else if matches!(path.last(), Some(Segment::Name(name)) if sounds_secret(name)) {
            report.tally(Tally::LeftIn, at.table, &place, at.row);
        }
    });
    if !read {
        report.tally(Tally::NotSearched, at.table, column, at.row);
    }
}

/// A path as people write it, `settings.providers[*].api_key`.
fn place(column: &str, path: &[Segment]) -> String {
    path.iter()
        .fold(String::from(column), |place, step| match step {
            Segment::Name(name) => format!("{place}.{name}"),
            Segment::Index(_) => format!("{place}[*]"),
        })
        .chars()
        .take(200)
        .collect()
}

impl Examine for Rules {
    fn row(&mut self, at: &At<'_>, row: &Row, report: &mut Report, files: &mut Files) {
        for (table, column) in CREDENTIALS {
            if table == at.table && row.get(column).is_some_and(|value| !value.is_empty()) {
                report.tally(Tally::Credentials, table, column, at.row);
            }
        }
        for (table, column, names) in IDS {
            let Some(value) = row.get(column).filter(|_| table == at.table) else {
                continue;
            };
            walk(value, &mut |path, found| {
                let named = matches!(path.last(), Some(Segment::Name(name)) if names.contains(&name.as_str()));
                if named && !found.is_null() {
                    report.tally(Tally::Ids, table, &place(column, path), at.row);
                }
            });
        }
        if at.table == "users"
            && let Some(settings) = row.get("settings")
        {
            redaction(at, "settings", settings, report);
        }
        if at.table == "recordings"
            && let Some(status) = row.get("status").and_then(Value::as_text)
            && IN_FLIGHT.contains(&status)
        {
            report.tally(Tally::InFlight, at.table, status, at.row);
        }
        self.file(at, row, report, files);
    }

    fn part(&mut self, name: &str, value: &Value, report: &mut Report) {
        if name == CONFIG {
            redaction(
                &At {
                    table: CONFIG,
                    row: 1,
                },
                "$",
                value,
                report,
            );
        }
    }

    fn end(&mut self, overview: &mut Overview, report: &mut Report, files: &Files) {
        overview.sensitive = true;
        report.add(Problem::Unsealed);
        files.unnamed(report);
        if let Some(warnings) = self.info.warnings {
            for (what, declared, found) in [
                (
                    "recordings without audio",
                    warnings.recordings(),
                    self.missing_recordings,
                ),
                (
                    "documents without a file",
                    warnings.documents(),
                    self.missing_documents,
                ),
            ] {
                let left_out = self.info.include_audio == Some(false) && what.starts_with("rec");
                if declared != found && !left_out {
                    report.add(Problem::Counts {
                        what,
                        declared,
                        found,
                    });
                }
            }
        }
        if self.info.include_audio == Some(false) {
            report.add(Problem::LeftOut(
                "audio, which was not asked for when it was made",
            ));
        }
        report.add(Problem::FormatLacks(
            "no digests but CRC-32, no numbers of rows and no list of its tables",
        ));
    }
}
