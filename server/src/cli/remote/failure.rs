//! What a server answers that it can't do, as the failure of a command: its sentence, its code, and the exit code that the
//! command would have on the server's own machine.

use serde::Deserialize;

use super::super::{
    Failure,
    failure::{CANCELLED, DAMAGED, FAILED, KEY, REFUSED},
    output::safe,
};
use crate::read_at::untrusted;

/// Why a request came to nothing.
#[derive(Debug)]
pub(super) enum RequestError {
    /// No answer, or not all of it: nobody here knows whether the server did what it was asked for.
    NoAnswer(String),
    /// The server's certificate is not one that this machine trusts: nothing was sent.
    Untrusted(String),
    /// The server says no.
    Problem {
        status: u16,
        code: String,
        detail: String,
    },
    /// An answer that this program does not understand.
    Strange(String),
}

/// Problem details, as far as they matter here (RFC 9457).
#[derive(Debug, Deserialize)]
pub(super) struct Problem {
    pub(super) code: String,
    pub(super) detail: String,
}

impl RequestError {
    /// Whether asking again may help: no answer came, or the server is starting, stopping, busy, or at the same request.
    pub(super) fn passes(&self) -> bool {
        match self {
            Self::NoAnswer(_) => true,
            Self::Problem { status, code, .. } => {
                matches!(status, 423 | 429 | 502 | 503 | 504)
                    || matches!(code.as_str(), "not_answered_yet" | "wrong_offset")
            }
            Self::Untrusted(_) | Self::Strange(_) => false,
        }
    }

    /// Whether an answer came, so that it is known that nothing was begun.
    pub(super) const fn is_answer(&self) -> bool {
        matches!(self, Self::Problem { .. })
    }

    pub(super) fn has_code(&self, wanted: &str) -> bool {
        matches!(self, Self::Problem { code, .. } if code == wanted)
    }
}

impl From<ureq::Error> for RequestError {
    fn from(error: ureq::Error) -> Self {
        match untrusted(&error) {
            Some(what) => Self::Untrusted(what),
            None => Self::NoAnswer(error.to_string()),
        }
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::NoAnswer(what) => Self::failed(
                "unreachable",
                format!("the server does not answer: {what}; try again later"),
            ),
            RequestError::Untrusted(what) => Self::failed(
                "certificate",
                format!(
                    "this machine does not trust the server's certificate ({what}), so nothing was sent; check the address, or add the authority that signed the certificate to this machine's"
                ),
            ),
            RequestError::Strange(what) => Self::failed(
                "wrong_answer",
                format!(
                    "the server answers with something that this program does not understand ({what}); is it a Coffer of this version?"
                ),
            ),
            // The server's own words are for somebody at a page, who can sign in.
            RequestError::Problem { code, .. } if code == "not_signed_in" => Self::new(
                KEY,
                &code,
                "the server does not know this token, or it has expired; nothing was changed; make another one on the server's page, under Account",
            ),
            RequestError::Problem {
                status,
                code,
                detail,
            } => Self::new(exit_of(Some(status), &code), &code, safe(&detail)),
        }
    }
}

/// Why a run on the server failed.
pub(super) fn of_run(code: &str, detail: &str) -> Failure {
    Failure::new(exit_of(None, code), code, safe(detail))
}

/// The exit code for what a server said, which is that of the local command where both can fail alike.
fn exit_of(status: Option<u16>, code: &str) -> u8 {
    match code {
        "cancelled" => CANCELLED,
        "locked"
        | "wrong_password"
        | "not_a_recipient"
        | "cost_too_high"
        | "app_secret_missing"
        | "app_secret_does_not_fit" => KEY,
        "empty"
        | "not_sealed"
        | "text_mode"
        | "unsupported_version"
        | "header_malformed"
        | "header_damaged"
        | "commitment_mismatch"
        | "chunk_damaged"
        | "cut_short"
        | "footer_malformed"
        | "length_mismatch"
        | "scrub_table_damaged"
        | "sender_malformed"
        | "sender_signature_wrong"
        | "not_what_was_signed"
        | "not_a_zip"
        | "not_the_profile"
        | "not_an_archive"
        | "entry_damaged"
        | "no_entry"
        | "files_index_invalid"
        | "rows_invalid"
        | "damaged" => DAMAGED,
        "plan_blocked"
        | "plan_changed"
        | "changed_since"
        | "interrupted_restore"
        | "preset"
        | "not_optional"
        | "sensitive_needs_seal"
        | "hook_failed"
        | "more_rights"
        | "own_account"
        | "last_administrator"
        | "described_source"
        | "tokens"
        | "needs_guard"
        | "unsigned"
        | "other_sender" => REFUSED,
        _ => match status {
            Some(403 | 409 | 412 | 413 | 423) => REFUSED,
            _ => FAILED,
        },
    }
}

#[cfg(test)]
mod tests {
    use coffer_core::seal::SealError;

    use super::*;
    use crate::{
        backup::BackupError, read::ReadError, restore::RestoreError, signed::SenderError,
        system::Denied,
    };

    #[test]
    fn exit_codes_are_those_of_the_local_commands() {
        let failures: Vec<Failure> = vec![
            RestoreError::Cancelled.into(),
            RestoreError::NeedsGuard.into(),
            RestoreError::Defect.into(),
            RestoreError::Denied(Denied::OwnAccount).into(),
            ReadError::Locked.into(),
            ReadError::Unknown.into(),
            ReadError::from(SealError::WrongPassword).into(),
            ReadError::from(SealError::NotARecipient).into(),
            ReadError::from(SealError::HeaderDamaged).into(),
            ReadError::from(SealError::CommitmentMismatch).into(),
            ReadError::from(SealError::ScrubTableDamaged).into(),
            ReadError::from(SenderError::Unsigned {
                expected: String::new(),
            })
            .into(),
            BackupError::Cancelled.into(),
            BackupError::SensitiveNeedsSeal.into(),
            BackupError::SealedToNobody.into(),
        ];
        for local in failures {
            assert_eq!(of_run(&local.code, "").exit, local.exit, "{}", local.code);
        }
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown_as_an_escape() {
        let failure = of_run("database", "a\u{1b}[31mb");
        assert_eq!(failure.message, "a\\u{1b}[31mb");
    }
}
