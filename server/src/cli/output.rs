//! What a command prints: for people on a terminal, or one JSON document for programs.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
    process::ExitCode,
    time::Duration,
};

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};
use serde::Serialize;

use super::{Failure, interrupt};
use crate::progress::{Phase, Progress, ProgressSnapshot};

/// Findings that are listed for people.
const SHOWN_FINDINGS: usize = 20;

/// Where a command's words go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    json: bool,
}

impl Output {
    pub(super) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether a program reads along.
    pub(super) const fn is_json(self) -> bool {
        self.json
    }

    /// The result: `value` for programs, `text` for people. A reader that has gone is not this command's concern.
    pub(super) fn result(self, value: &impl Serialize, text: impl fmt::Display) {
        let mut out = io::stdout().lock();
        let _ = if self.json {
            serde_json::to_writer_pretty(&mut out, value)
                .map_err(io::Error::from)
                .and_then(|()| writeln!(out))
        } else {
            write!(out, "{text}")
        };
    }

    /// Something worth knowing on the way, for people only.
    pub(super) fn note(self, text: impl fmt::Display) {
        if !self.json {
            let _ = writeln!(io::stderr().lock(), "{text}");
        }
    }

    /// A failed command's last words and exit code.
    pub(super) fn fail(self, failure: &Failure) -> ExitCode {
        if self.json {
            let mut error = serde_json::json!({
                "error": { "code": failure.code, "message": failure.message }
            });
            if let Some(error) = error
                .get_mut("error")
                .and_then(|error| error.as_object_mut())
            {
                error.extend(failure.details.clone());
            }
            let _ = writeln!(io::stdout().lock(), "{error:#}");
        } else {
            let mut out = io::stderr().lock();
            let _ = writeln!(out, "coffer: {}", failure.message);
            let findings = findings(failure);
            for finding in findings.iter().take(SHOWN_FINDINGS) {
                let _ = writeln!(out, "  {finding}");
            }
            if let more @ 1.. = findings.len().saturating_sub(SHOWN_FINDINGS) {
                let _ = writeln!(out, "  and {more} more; --json lists all");
            }
        }
        ExitCode::from(failure.exit)
    }

    /// Runs a long task: shows its progress on a terminal, and lets a signal ask it to stop.
    pub(super) async fn watch<T>(self, progress: &Progress, task: impl Future<Output = T>) -> T {
        let bar = (!self.json && io::stderr().is_terminal()).then(ProgressBar::new_spinner);
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        let mut phase = Phase::Waiting;
        let mut stopping = false;
        let _watched = interrupt::Watched::new(progress);
        let mut task = std::pin::pin!(task);
        let result = loop {
            tokio::select! {
                result = &mut task => break result,
                _ = ticks.tick() => {
                    if let Some(bar) = &bar {
                        show(bar, progress.snapshot(), &mut phase);
                    }
                    if progress.cancelled() && !stopping {
                        stopping = true;
                        self.note("stopping …");
                    }
                }
            }
        };
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        result
    }
}

/// The findings of a failure whose message has no room for all of them.
fn findings(failure: &Failure) -> Vec<&str> {
    const IN_MESSAGE: usize = 3;
    failure
        .details
        .get("findings")
        .and_then(|findings| findings.as_array())
        .filter(|findings| findings.len() > IN_MESSAGE)
        .into_iter()
        .flatten()
        .filter_map(|finding| finding.get("message")?.as_str())
        .collect()
}

fn show(bar: &ProgressBar, now: ProgressSnapshot, shown: &mut Phase) {
    if *shown != now.phase {
        *shown = now.phase;
        bar.reset();
        let style = if now.bytes_total > 0 {
            "{msg}\n{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}"
        } else {
            "{spinner} {msg} {bytes} {bytes_per_sec}"
        };
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        if now.bytes_total > 0 {
            bar.set_length(now.bytes_total);
        }
    }
    let rows = if now.rows_total > 0 {
        format!(
            ", {} of {} rows",
            HumanCount(now.rows),
            HumanCount(now.rows_total)
        )
    } else {
        String::new()
    };
    let counts_rows = matches!(
        now.phase,
        Phase::Rows | Phase::Loading | Phase::Verifying | Phase::Copying
    );
    bar.set_message(format!(
        "{}{}",
        phase_name(now.phase),
        if counts_rows { &rows } else { "" }
    ));
    bar.set_position(now.bytes);
}

const fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Waiting => "waiting",
        Phase::Hooks => "running hooks",
        Phase::Reading => "reading the database's shape",
        Phase::Rows => "archiving rows",
        Phase::Files => "files",
        Phase::Copying => "copying and checking",
        Phase::Redacting => "taking credentials out",
        Phase::Finishing => "finishing",
        Phase::Verifying => "checking the archive",
        Phase::Planning => "planning",
        Phase::Loading => "loading rows",
        Phase::Proving => "proving",
        Phase::Committing => "committing",
    }
}

/// A number of things for people, e.g. `1 table`, `2,000 rows`.
pub(super) fn count(number: u64, thing: &str) -> String {
    format!(
        "{} {thing}{}",
        HumanCount(number),
        if number == 1 { "" } else { "s" }
    )
}

/// Bytes for people, e.g. `12.4 MiB`.
pub(super) fn bytes(count: u64) -> String {
    HumanBytes(count).to_string()
}

/// Text that came from an archive or database, safe to show on a terminal: control and direction-changing
/// characters are shown as escapes.
pub(super) fn safe(text: &str) -> String {
    text.chars()
        .map(|char| {
            let hidden = char.is_control()
                || matches!(char, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}');
            if hidden { char.escape_unicode().to_string() } else { char.to_string() }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_counted_in_words() {
        assert_eq!(count(1, "table"), "1 table");
        assert_eq!(count(0, "row"), "0 rows");
        assert_eq!(count(12_345, "file"), "12,345 files");
    }

    #[test]
    fn names_from_archives_cannot_play_tricks_on_a_terminal() {
        assert_eq!(safe("a\u{1b}[31mb\u{202e}c"), "a\\u{1b}[31mb\\u{202e}c");
        assert_eq!(safe("Größe 漢字"), "Größe 漢字");
    }
}
