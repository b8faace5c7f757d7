//! Every failure as a plain object for JavaScript: `code` for programs, `message` for people, figures beside them.

use coffer_core::{
    archive::{ArchiveError, Fault},
    bundle::BundleError,
    foreign::ForeignError,
    manifest::{FilesIndexError, ManifestError},
    preview::PreviewError,
    redact::RedactError,
    rows::RowError,
    seal::{RekeyError, SealError},
    verify::VerifyError,
};
use js_sys::{Object, Reflect};
use wasm_bindgen::JsValue;

/// Why something could not be done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Failure {
    /// Stable, in snake case.
    code: String,
    /// What happened, what is untouched, what to do next.
    message: String,
    details: Vec<(&'static str, Detail)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Detail {
    Number(u64),
    Text(String),
}

impl Failure {
    /// A failure of the way to the bytes, not of the bytes.
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            details: Vec::new(),
        }
    }

    /// Its name for programs.
    #[cfg(test)]
    pub(crate) fn code(&self) -> &str {
        &self.code
    }

    /// The archive must be unlocked first.
    pub(crate) fn locked() -> Self {
        Self::new(
            "locked",
            "This archive is sealed. Unlock it with its password first.",
        )
    }

    /// Two calls at once of something that goes on step by step.
    pub(crate) fn busy() -> Self {
        Self::new(
            "busy",
            "The next piece was asked for before the last one had come; this is a defect of the page, please report it.",
        )
    }

    /// After an earlier failure nothing follows.
    pub(crate) fn ended() -> Self {
        Self::new(
            "ended",
            "Nothing follows after a failure. Nothing was changed; begin anew.",
        )
    }

    /// The bytes can't be had.
    pub(crate) fn read(why: &str) -> Self {
        Self::new(
            "read_failed",
            format!("The archive could not be read: {why}. Nothing was changed; try again."),
        )
    }

    /// The bytes of a `Blob` can't be had, for a reason that the browser gives.
    pub(crate) fn unreadable(reason: &str) -> Self {
        Self::read(&format!(
            "the file was changed, moved or deleted since it was picked, or the browser had no room for it; pick it again ({reason})"
        ))
    }

    /// What only a defect of this program or of the browser can cause. The worker is not to be trusted afterwards.
    pub(crate) fn crashed(why: &str) -> Self {
        Self::new(
            "worker_crashed",
            format!(
                "The part of the page that reads archives stopped unexpectedly: {why}. The file was only read and is unchanged."
            ),
        )
    }

    /// Whether the same call may succeed when it is made again.
    pub(crate) fn is_temporary(&self) -> bool {
        self.code == "read_failed"
    }

    /// Whether it is about a version that is not known.
    pub(crate) fn is_version(&self) -> bool {
        self.code == "unsupported_version"
    }

    pub(crate) fn number(mut self, name: &'static str, value: u64) -> Self {
        self.details.push((name, Detail::Number(value)));
        self
    }

    fn text(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.details.push((name, Detail::Text(value.into())));
        self
    }
}

/// An error's words as a sentence.
fn sentence(error: &impl ToString) -> String {
    let words = error.to_string();
    let mut chars = words.chars();
    let mut out: String = chars
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .chain(chars)
        .collect();
    if !out.ends_with(['.', '!', '?']) {
        out.push('.');
    }
    out
}

impl From<SealError> for Failure {
    fn from(error: SealError) -> Self {
        let failure = Self::new(error.code(), sentence(&error));
        match error {
            SealError::ChunkDamaged { chunk, offset } => {
                failure.number("chunk", chunk).number("offset", offset)
            }
            SealError::NotWhatWasSigned { block, offset } => {
                failure.number("block", block).number("offset", offset)
            }
            SealError::UnsupportedVersion { version } => {
                failure.number("version", u64::from(version))
            }
            SealError::CutShort { length } => failure.number("length", length),
            SealError::LengthMismatch { expected, found } => {
                // The file is as long as its last bytes say, or isn't: for people that is cut short, or trailing data.
                Self {
                    code: if found < expected {
                        "cut_short"
                    } else {
                        "trailing_data"
                    }
                    .to_owned(),
                    ..failure
                }
                .number("expected", expected)
                .number("found", found)
            }
            SealError::CostTooHigh {
                memory_kib, passes, ..
            } => failure
                .number("memory_kib", u64::from(memory_kib))
                .number("passes", u64::from(passes)),
            _ => failure,
        }
    }
}

impl From<ArchiveError> for Failure {
    fn from(error: ArchiveError) -> Self {
        let message = sentence(&error);
        let structural = |error: &ArchiveError| format!("zip_{}", error.code());
        match &error {
            ArchiveError::Empty
            | ArchiveError::NotZip
            | ArchiveError::NoEnd
            | ArchiveError::NoManifest => Self::new(error.code(), message),
            ArchiveError::NoEntry(entry) => {
                Self::new("not_in_archive", message).text("entry", entry)
            }
            ArchiveError::Entry(finding) => {
                let code = match finding.fault {
                    Fault::Digest => "digest_mismatch".to_owned(),
                    _ => structural(&error),
                };
                Self::new(&code, message).text("entry", &finding.entry)
            }
            ArchiveError::Profile(findings) => {
                Self::new(&structural(&error), message).number("findings", findings.len() as u64)
            }
            ArchiveError::Unsafe(findings) => {
                Self::new(error.code(), message).number("findings", findings.len() as u64)
            }
            ArchiveError::Limit { found, allowed, .. } => Self::new(&structural(&error), message)
                .number("found", *found)
                .number("allowed", *allowed),
            ArchiveError::Misfed { .. } | ArchiveError::Misuse(_) => {
                Self::new(&structural(&error), message)
            }
        }
    }
}

impl From<ManifestError> for Failure {
    fn from(error: ManifestError) -> Self {
        let message = sentence(&error);
        match error {
            ManifestError::NotCoffer => Self::new("not_an_archive", message),
            ManifestError::Version { found } => {
                Self::new("unsupported_version", message).number("version", u64::from(found))
            }
            ManifestError::NotInArchive { .. } => Self::new("not_in_archive", message),
            error => Self::new(&format!("manifest_{}", error.code()), message),
        }
    }
}

impl From<FilesIndexError> for Failure {
    fn from(error: FilesIndexError) -> Self {
        Self::new(&format!("files_index_{}", error.code()), sentence(&error))
    }
}

fn rows(error: &RowError, message: String) -> Failure {
    Failure::new(&format!("rows_{}", error.code()), message)
}

impl From<PreviewError> for Failure {
    fn from(error: PreviewError) -> Self {
        let message = sentence(&error);
        match error {
            PreviewError::NoTable(_) => Self::new("not_in_archive", message),
            PreviewError::Archive(error) => error.into(),
            PreviewError::Rows { error, .. } => rows(&error, message),
        }
    }
}

impl From<VerifyError> for Failure {
    fn from(error: VerifyError) -> Self {
        let message = sentence(&error);
        match error {
            VerifyError::Archive(error) => error.into(),
            VerifyError::Rows { error, .. } => rows(&error, message),
        }
    }
}

impl From<RekeyError> for Failure {
    fn from(error: RekeyError) -> Self {
        match error {
            RekeyError::Seal(error) => error.into(),
            error => Self::new(error.code(), sentence(&error)),
        }
    }
}

impl From<RedactError> for Failure {
    fn from(error: RedactError) -> Self {
        let message = sentence(&error);
        match error {
            RedactError::Archive(error) => error.into(),
            RedactError::Manifest(error) => error.into(),
            RedactError::Rows { error, .. } => rows(&error, message),
            error => Self::new(error.code(), message),
        }
    }
}

impl From<BundleError> for Failure {
    fn from(error: BundleError) -> Self {
        match error {
            BundleError::Manifest(error) => error.into(),
            BundleError::Archive(error) => error.into(),
            BundleError::Seal(error) => error.into(),
        }
    }
}

impl From<ForeignError> for Failure {
    fn from(error: ForeignError) -> Self {
        match error {
            ForeignError::Archive(error) => error.into(),
            error => Self::new(error.code(), sentence(&error)),
        }
    }
}

impl From<getrandom::Error> for Failure {
    fn from(_: getrandom::Error) -> Self {
        Self::new(
            "no_randomness",
            "This browser gives no random numbers, so nothing can be sealed. Nothing was changed; use another browser.",
        )
    }
}

impl From<Failure> for JsValue {
    fn from(failure: Failure) -> Self {
        let object = Object::new();
        let set = |name: &str, value: Self| {
            // Setting a property of a fresh plain object can't fail.
            let _ = Reflect::set(&object, &Self::from_str(name), &value);
        };
        set("code", Self::from_str(&failure.code));
        set("message", Self::from_str(&failure.message));
        for (name, detail) in failure.details {
            set(
                name,
                match detail {
                    Detail::Number(number) => Self::from_f64(number as f64),
                    Detail::Text(text) => Self::from_str(&text),
                },
            );
        }
        object.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coffer_core::archive::Finding;

    #[test]
    fn codes_follow_the_cause() {
        let code = |failure: Failure| failure.code;
        let entry = |fault| {
            code(Failure::from(ArchiveError::Entry(Finding {
                entry: "x".into(),
                fault,
            })))
        };
        assert_eq!(entry(Fault::Digest), "digest_mismatch");
        assert_eq!(entry(Fault::Crc), "zip_entry_damaged");
        assert_eq!(code(ArchiveError::NoManifest.into()), "not_an_archive");
        assert_eq!(
            code(ArchiveError::Profile(vec![]).into()),
            "zip_not_the_profile"
        );
        assert_eq!(
            code(ManifestError::FilesIndex.into()),
            "manifest_files_index"
        );
        assert_eq!(
            code(ManifestError::Version { found: 9 }.into()),
            "unsupported_version"
        );
        let mismatch = |expected, found| code(SealError::LengthMismatch { expected, found }.into());
        assert_eq!(mismatch(5, 3), "cut_short");
        assert_eq!(mismatch(3, 5), "trailing_data");
    }

    #[test]
    fn messages_are_sentences() {
        let failure = Failure::from(SealError::WrongPassword);
        assert_eq!(
            failure.message,
            "The password is wrong; nothing was changed, try again."
        );
        let damaged = Failure::from(SealError::ChunkDamaged {
            chunk: 7,
            offset: 99,
        });
        assert_eq!(damaged.details[0], ("chunk", Detail::Number(7)));
    }
}
