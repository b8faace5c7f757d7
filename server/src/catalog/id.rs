//! Names that the server gives: 128 random bits.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of a source, profile, backup, run or upload: 32 lower-case hexadecimal digits, chosen at random.
///
/// Nothing else can be one, so an id is safe as a file's name.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    sqlx::Type,
    utoipa::ToSchema,
)]
#[serde(try_from = "String", into = "String")]
#[sqlx(transparent)]
#[schema(value_type = String, pattern = "^[0-9a-f]{32}$")]
pub struct Id(String);

const DIGITS: usize = 32;
const SYSTEM: &str = "c0ffe2c0ffe2c0ffe2c0ffe2c0ffe2c0";

/// What was given is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is 32 hexadecimal digits")]
pub struct IdError;

impl Id {
    /// A new one.
    ///
    /// # Errors
    /// [`getrandom::Error`] if the system has no random bytes to give.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self(hex(&bytes)))
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// [`IdError`].
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let digits = |text: &str| {
            text.bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        if text.len() == DIGITS && digits(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdError)
        }
    }

    /// The one that stands for the catalog itself, as a source.
    #[must_use]
    pub fn system() -> Self {
        Self(SYSTEM.to_owned())
    }

    /// Whether it stands for the catalog itself.
    #[must_use]
    pub fn is_system(&self) -> bool {
        self.0 == SYSTEM
    }

    /// The text form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Id {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        Self::parse(&text)
    }
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_digits_is_an_id() {
        let id = Id::random().unwrap();
        assert_eq!(Id::parse(id.as_str()), Ok(id.clone()));
        assert_ne!(Id::random().unwrap(), id);
        for text in [
            "",
            "..",
            "0123",
            &"G".repeat(32),
            &"A".repeat(32),
            "../../../../../../../../../../../",
        ] {
            assert_eq!(Id::parse(text), Err(IdError), "{text}");
        }
    }
}
