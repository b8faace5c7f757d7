//! Values replaced inside of JSON text. Everything else stays byte for byte: order and spelling of keys, blanks, digits.

use alloc::{borrow::Cow, string::String, vec::Vec};
use core::{fmt, ops::Range};

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess},
};
use serde_json::value::RawValue;

use crate::policy::{JsonPath, JsonStep};

/// Arrays and objects in each other, at most.
const MAX_DEPTH: usize = 512;

/// What a found value becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    /// `null`.
    Null,
    /// A string.
    Text(String),
}

/// Why JSON can't be looked into.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// It is not text, or not UTF-8.
    #[error("it is no text")]
    NotText,
    /// It is not JSON. Nothing of it is quoted, since it may hold a credential.
    #[error("line {line}, column {column}")]
    Syntax {
        /// From 1.
        line: usize,
        /// In bytes, from 1.
        column: usize,
    },
    /// Arrays and objects lie too deep in each other.
    #[error("more than {MAX_DEPTH} arrays and objects in each other")]
    Depth,
}

/// The text with every value that a path leads to replaced; nothing if none leads to any, or only to `null`.
///
/// # Errors
/// [`JsonError`].
pub fn replace(text: &str, paths: &[JsonPath], put: &Put) -> Result<Option<String>, JsonError> {
    let instead = match put {
        Put::Null => Cow::Borrowed("null"),
        // A string has no way to fail.
        Put::Text(text) => Cow::Owned(serde_json::to_string(text).unwrap_or_default()),
    };
    edit(text, paths, |_| Some(instead.clone().into_owned()))
}

/// The text with values that a path leads to changed: `change` is given the JSON of each, and gives what comes in its place,
/// if anything. Nothing if no value was found; `null` is none.
///
/// # Errors
/// [`JsonError`].
pub fn edit(
    text: &str,
    paths: &[JsonPath],
    mut change: impl FnMut(&str) -> Option<String>,
) -> Result<Option<String>, JsonError> {
    let raw: &RawValue = parse(text)?;
    let mut found = Vec::new();
    let steps: Vec<&[JsonStep]> = paths.iter().map(JsonPath::steps).collect();
    let base = text.as_ptr() as usize;
    walk(raw.get(), base, &steps, 0, &mut found)?;
    if found.is_empty() {
        return Ok(None);
    }
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for range in found {
        out.push_str(text.get(from..range.start).unwrap_or_default());
        from = range.end;
        let value = text.get(range).unwrap_or_default();
        match change(value) {
            Some(instead) => out.push_str(&instead),
            None => out.push_str(value),
        }
    }
    out.push_str(text.get(from..).unwrap_or_default());
    Ok(Some(out))
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, JsonError> {
    serde_json::from_str(text).map_err(|error| JsonError::Syntax {
        line: error.line(),
        column: error.column(),
    })
}

/// Adds the places of all values that the rests of paths lead to, from the first to the last.
fn walk(
    value: &str,
    base: usize,
    rests: &[&[JsonStep]],
    depth: usize,
    found: &mut Vec<Range<usize>>,
) -> Result<(), JsonError> {
    // A path may go on at once behind "any depth".
    let mut open: Vec<&[JsonStep]> = Vec::new();
    for rest in rests {
        open.push(rest);
        if let [JsonStep::AnyDepth, after @ ..] = rest {
            open.push(after);
        }
    }
    if open.iter().any(|rest| rest.is_empty()) {
        if value != "null" {
            let start = (value.as_ptr() as usize).saturating_sub(base);
            found.push(start..start + value.len());
        }
        return Ok(());
    }
    let opens = value.as_bytes().first();
    if open.is_empty() || !matches!(opens, Some(b'{' | b'[')) {
        return Ok(());
    }
    if depth >= MAX_DEPTH {
        return Err(JsonError::Depth);
    }
    let next = |fits: &dyn Fn(&JsonStep) -> bool| -> Vec<&[JsonStep]> {
        let nexts = open.iter().filter_map(|rest| match rest {
            [JsonStep::AnyDepth, ..] => Some(*rest),
            [step, after @ ..] if fits(step) => Some(after),
            _ => None,
        });
        nexts.collect()
    };
    if opens == Some(&b'{') {
        for (key, value) in parse::<Members<'_>>(value)?.0 {
            let rests = next(&|step| step.fits_key(&key));
            walk(value.get(), base, &rests, depth + 1, found)?;
        }
    } else {
        let rests = next(&|step| matches!(step, JsonStep::Each));
        if !rests.is_empty() {
            for value in parse::<Vec<&RawValue>>(value)? {
                walk(value.get(), base, &rests, depth + 1, found)?;
            }
        }
    }
    Ok(())
}

/// The members of an object in their order, those with the same key too.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(Key(key)) = map.next_key()? {
                    members.push((key, map.next_value()?));
                }
                Ok(members)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
                Err(de::Error::custom("an array"))
            }
        }
        deserializer.deserialize_map(Visitor).map(Members)
    }
}

/// A key, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn replaced(text: &str, paths: &[&str]) -> Option<String> {
        let paths: Vec<JsonPath> = paths.iter().map(|path| path.parse().unwrap()).collect();
        replace(text, &paths, &Put::Text("-".into())).unwrap()
    }

    #[test]
    fn only_what_a_path_leads_to_changes() {
        for (text, paths, expected) in [
            (
                r#"{"a": 1, "b":  {"a":2}}"#,
                &["a"][..],
                r#"{"a": "-", "b":  {"a":2}}"#,
            ),
            (
                r#"{"b": {"a": [1.50,2]}}"#,
                &["b.a"],
                r#"{"b": {"a": "-"}}"#,
            ),
            (
                r#"[{"t":1},{"t":"x"},{"u":1E400}]"#,
                &["[*].t"],
                r#"[{"t":"-"},{"t":"-"},{"u":1E400}]"#,
            ),
            (r#"{"l":[[1],[2]]}"#, &["l[*][*]"], r#"{"l":[["-"],["-"]]}"#),
            (
                r#"{"x_key":1,"l":[{"y_key":{"z_key":2}},"k"],"n":{"x_key":null}}"#,
                &["**.*_key"],
                r#"{"x_key":"-","l":[{"y_key":"-"},"k"],"n":{"x_key":null}}"#,
            ),
            (
                r#"{"a":{"b":{"c":1},"x":{"b":{"c":2}}}}"#,
                &["a.**.c"],
                r#"{"a":{"b":{"c":"-"},"x":{"b":{"c":"-"}}}}"#,
            ),
            // Keys are compared as they are meant, and all of those that are there twice are found.
            (r#"{"\u0061":1,"a":2}"#, &["a"], r#"{"\u0061":"-","a":"-"}"#),
            (
                r#"{"größe":"漢","b":"ü"}"#,
                &["größe", "b"],
                r#"{"größe":"-","b":"-"}"#,
            ),
        ] {
            assert_eq!(replaced(text, paths).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn nothing_found_is_nothing_changed() {
        for (text, path) in [
            (r#"{"a":null}"#, "a"),
            (r#"{"a":1}"#, "a.b"),
            (r#"[1,2]"#, "a"),
            (r#"{"a":[1]}"#, "a.b"),
            ("7", "a"),
            (r#""a""#, "**.a"),
            ("null", "[*]"),
        ] {
            assert_eq!(replaced(text, &[path]), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_refused() {
        let path = vec!["a".parse().unwrap()];
        let error = |text: &str| replace(text, &path, &Put::Null).unwrap_err();
        for text in ["{a:1}", "{\"a\":1", "{\"a\":1} x", "nul"] {
            assert!(matches!(error(text), JsonError::Syntax { .. }), "{text}");
        }
        let deep = ["[".repeat(5000), "]".repeat(5000)].concat();
        let any = vec!["**.a".parse().unwrap()];
        assert!(matches!(
            replace(&deep, &any, &Put::Null),
            Err(JsonError::Depth | JsonError::Syntax { .. }) | Ok(None)
        ));
    }
}
