//! Paths inside of a column's JSON: `segments[*].recording_speaker_id`, `**.*_token`.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Steps that a path has at most.
const MAX_STEPS: usize = 32;

/// Where values are inside of JSON.
///
/// Steps are separated by dots. A step is a key, in which `*` stands for any letters; `[*]` behind a key (or at the
/// start) means each element of an array, and `**` any number of keys and elements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JsonPath {
    steps: Vec<JsonStep>,
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JsonStep {
    /// The values of keys that fit this text, in which `*` stands for any letters.
    Key(String),
    /// Each element of an array.
    Each,
    /// Any number of steps, also none.
    AnyDepth,
}

/// Why text is no path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonPathError {
    /// There is nothing between two dots, or at an end.
    #[error("the path {path:?} has an empty step; write keys separated by dots, such as a.b[*].c")]
    EmptyStep {
        /// The path.
        path: String,
    },
    /// Brackets hold something else than `*`.
    #[error(
        "the path {path:?} has brackets that are not [*], which means each element of an array"
    )]
    Brackets {
        /// The path.
        path: String,
    },
    /// It ends with `**`, which names no value.
    #[error("the path {path:?} ends with **; say which key is meant, such as **.token")]
    OpenEnd {
        /// The path.
        path: String,
    },
    /// It has too many steps.
    #[error("the path has {steps} steps where {MAX_STEPS} are allowed")]
    TooLong {
        /// Steps that it has.
        steps: usize,
    },
}

impl JsonPath {
    /// The steps, from the outermost.
    #[must_use]
    pub fn steps(&self) -> &[JsonStep] {
        &self.steps
    }

    /// The path that names every value of a key, at any depth. The key is taken as it is: nothing in it is special.
    #[must_use]
    pub fn any_depth(key: &str) -> Self {
        let steps = [JsonStep::AnyDepth, JsonStep::Key(key.into())];
        Self {
            steps: steps.into(),
        }
    }
}

impl JsonStep {
    /// Whether this step leads to the value of a key.
    #[must_use]
    pub fn fits_key(&self, key: &str) -> bool {
        match self {
            Self::Key(pattern) => fits(pattern, key),
            Self::Each | Self::AnyDepth => false,
        }
    }
}

/// Whether text fits a pattern in which `*` stands for any letters.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(start) else {
        return false;
    };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let end = pieces.pop().unwrap_or_default();
    for piece in pieces {
        // The first place leaves the most for what follows.
        let Some((_, after)) = text.split_once(piece) else {
            return false;
        };
        text = after;
    }
    text.ends_with(end)
}

impl FromStr for JsonPath {
    type Err = JsonPathError;

    fn from_str(path: &str) -> Result<Self, JsonPathError> {
        let mut steps = Vec::new();
        for step in path.split('.') {
            let mut key = step;
            let mut each = 0;
            while let Some(before) = key.strip_suffix("[*]") {
                key = before;
                each += 1;
            }
            if key.contains(['[', ']']) {
                return Err(JsonPathError::Brackets { path: path.into() });
            }
            match key {
                // Only the very start may have no key: the column itself is an array.
                "" if each > 0 && steps.is_empty() => {}
                "" => return Err(JsonPathError::EmptyStep { path: path.into() }),
                "**" => steps.push(JsonStep::AnyDepth),
                key => steps.push(JsonStep::Key(key.into())),
            }
            steps.extend(core::iter::repeat_n(JsonStep::Each, each));
        }
        if steps.last() == Some(&JsonStep::AnyDepth) {
            return Err(JsonPathError::OpenEnd { path: path.into() });
        }
        if steps.len() > MAX_STEPS {
            return Err(JsonPathError::TooLong { steps: steps.len() });
        }
        Ok(Self { steps })
    }
}

impl TryFrom<String> for JsonPath {
    type Error = JsonPathError;

    fn try_from(path: String) -> Result<Self, JsonPathError> {
        path.parse()
    }
}

impl From<JsonPath> for String {
    fn from(path: JsonPath) -> Self {
        path.to_string()
    }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.steps.iter().enumerate() {
            let dot = if at == 0 { "" } else { "." };
            match step {
                JsonStep::Key(key) => write!(f, "{dot}{key}")?,
                JsonStep::Each => f.write_str("[*]")?,
                JsonStep::AnyDepth => write!(f, "{dot}**")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn key(text: &str) -> JsonStep {
        JsonStep::Key(text.into())
    }

    #[test]
    fn paths_are_read_and_printed_alike() {
        use JsonStep::{AnyDepth, Each};
        for (text, steps) in [
            ("token", vec![key("token")]),
            (
                "segments[*].speaker.id",
                vec![key("segments"), Each, key("speaker"), key("id")],
            ),
            ("[*].id", vec![Each, key("id")]),
            ("[*][*]", vec![Each, Each]),
            ("a[*][*].b", vec![key("a"), Each, Each, key("b")]),
            ("**.*_token", vec![AnyDepth, key("*_token")]),
            ("a.**.b", vec![key("a"), AnyDepth, key("b")]),
        ] {
            let path: JsonPath = text.parse().unwrap();
            assert_eq!(path.steps(), steps, "{text}");
            assert_eq!(path.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        let refused = |text: &str| JsonPath::from_str(text).unwrap_err();
        for text in ["", ".a", "a..b", "a.", "a.[*]"] {
            assert!(
                matches!(refused(text), JsonPathError::EmptyStep { .. }),
                "{text}"
            );
        }
        for text in ["a[0]", "a[*]b", "a]", "[**]"] {
            assert!(
                matches!(refused(text), JsonPathError::Brackets { .. }),
                "{text}"
            );
        }
        assert!(matches!(refused("a.**"), JsonPathError::OpenEnd { .. }));
        assert_eq!(
            refused(&["a"; 33].join(".")),
            JsonPathError::TooLong { steps: 33 }
        );
    }

    #[test]
    fn stars_stand_for_any_letters() {
        for (pattern, yes, no) in [
            ("token", &["token"][..], &["Token", "tokens", ""][..]),
            ("*_key", &["api_key", "_key"], &["key", "api_keys"]),
            ("*pass*word*", &["xpass_word", "password"], &["word_pass"]),
            ("a*b*b", &["abb", "axbxb"], &["ab", "axb"]),
            ("*", &["", "x"], &[]),
        ] {
            for text in yes {
                assert!(key(pattern).fits_key(text), "{pattern} {text}");
            }
            for text in no {
                assert!(!key(pattern).fits_key(text), "{pattern} {text}");
            }
        }
        assert!(!JsonStep::Each.fits_key("0"));
    }
}
