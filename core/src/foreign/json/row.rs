//! One row: an object whose values are taken as they are written.

use alloc::{borrow::Cow, collections::BTreeSet, string::String, vec::Vec};
use core::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// A value of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it is written.
    Number(String),
    /// A string, its escapes resolved.
    Text(String),
    /// An array or object, as it is written.
    Json(String),
}

impl Value {
    pub(super) fn of(raw: &str) -> Option<Self> {
        Some(match raw.as_bytes().first()? {
            b'n' => Self::Null,
            b't' => Self::Bool(true),
            b'f' => Self::Bool(false),
            b'"' => Self::Text(serde_json::from_str(raw).ok()?),
            b'{' | b'[' => Self::Json(raw.into()),
            _ => Self::Number(raw.into()),
        })
    }

    /// Whether it is `null`.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// A string's text.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number that fits.
    #[must_use]
    pub fn as_count(&self) -> Option<u64> {
        match self {
            Self::Number(number) => number.parse().ok(),
            _ => None,
        }
    }

    /// The text that people read; `None` for `null`.
    #[must_use]
    pub fn shown(&self) -> Option<&str> {
        match self {
            Self::Null => None,
            Self::Bool(true) => Some("true"),
            Self::Bool(false) => Some("false"),
            Self::Number(text) | Self::Text(text) | Self::Json(text) => Some(text),
        }
    }

    /// Whether nothing is in it: `null`, an empty text, array or object.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(text) => text.is_empty(),
            Self::Json(raw) => raw
                .bytes()
                .all(|byte| byte.is_ascii_whitespace() || b"{}[]".contains(&byte)),
            Self::Bool(_) | Self::Number(_) => false,
        }
    }
}

/// A row: names and values in the order in which they are written, each name once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Names and values.
    pub values: Vec<(String, Value)>,
}

impl Row {
    /// Parses an object.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub(in crate::foreign) fn parse(raw: &[u8]) -> Result<Self, String> {
        use alloc::string::ToString;
        let text = core::str::from_utf8(raw).map_err(|error| error.to_string())?;
        let Members(members) =
            serde_json::from_str::<Members<&RawValue>>(text).map_err(|error| error.to_string())?;
        let mut values = Vec::with_capacity(members.len());
        for (name, raw) in members {
            let value = Value::of(raw.get())
                .ok_or_else(|| alloc::format!("{name} is text that is not Unicode"))?;
            values.push((name, value));
        }
        Ok(Self { values })
    }

    /// The value of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values
            .iter()
            .find_map(|(key, value)| (key == name).then_some(value))
    }

    /// Takes the value of this name out.
    pub(in crate::foreign) fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.values.iter().position(|(key, _)| key == name)?;
        Some(self.values.remove(at).1)
    }
}

/// A string's text, from its JSON.
pub(in crate::foreign) fn text(raw: &[u8]) -> Option<String> {
    serde_json::from_slice(raw).ok()
}

/// Names of one object at most: as many as a table of any of the products' databases can have columns.
const NAMES: usize = 32_767;

/// An object's members in their order. A name that occurs twice is an error: whoever takes the first and whoever takes
/// the last would read two different things.
#[derive(Debug)]
pub(in crate::foreign) struct Members<T>(pub(in crate::foreign) Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Members<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Map<T> {
            type Value = Members<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: Vec<(String, T)> = Vec::new();
                let mut seen = BTreeSet::new();
                while let Some((name, value)) = map.next_entry::<Cow<'de, str>, T>()? {
                    if members.len() == NAMES {
                        return Err(A::Error::custom(
                            "it has more names than a table has columns",
                        ));
                    }
                    let name = name.into_owned();
                    if !seen.insert(name.clone()) {
                        return Err(A::Error::custom("a name occurs twice"));
                    }
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Map(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn values_stay_what_they_were() {
        let row = Row::parse(
            "{\"big\": 9223372036854775807, \"scale\": 10.000, \"e\": 1E+3, \"t\": \"\\u0001\\ud83d\\ude00é\\u0000\", \
             \"j\": {\"a\":  1249.90, \"s\": \"\\ud800\"}, \"n\": null, \"b\": true, \"l\": []}"
                .as_bytes(),
        )
        .unwrap();
        let number = |text: &str| Some(Value::Number(text.to_string()));
        assert_eq!(row.get("big").cloned(), number("9223372036854775807"));
        assert_eq!(row.get("scale").cloned(), number("10.000"));
        assert_eq!(row.get("e").cloned(), number("1E+3"));
        assert_eq!(
            row.get("t").and_then(Value::as_text),
            Some("\u{1}\u{1f600}é\0")
        );
        assert_eq!(
            row.get("j").and_then(Value::shown),
            Some("{\"a\":  1249.90, \"s\": \"\\ud800\"}")
        );
        assert_eq!(row.get("n"), Some(&Value::Null));
        assert_eq!(row.get("b"), Some(&Value::Bool(true)));
        assert!(row.get("l").is_some_and(Value::is_empty));
        assert_eq!(row.get("x"), None);
    }

    #[test]
    fn what_is_no_row_is_said() {
        for wrong in [
            &b"[]"[..],
            b"{\"a\": 1, \"a\": 2}",
            b"{\"a\": 01}",
            b"{\"a\": \"\\ud800\"}",
            b"{\"a\": \"\xff\"}",
            b"{\"a\": nul}",
            b"{\"a\": [1,]}",
            b"{",
        ] {
            assert!(Row::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
