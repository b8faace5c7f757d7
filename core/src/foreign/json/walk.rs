//! Walks through nested JSON without building it up.

use alloc::{borrow::Cow, string::String, vec::Vec};
use core::fmt;

use serde::de::{Deserializer as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Value;

/// A step from a value into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::foreign) enum Step {
    /// To an object's member.
    Name(String),
    /// To an array's element.
    Index(usize),
}

/// Levels that are walked into at most.
const DEPTH: usize = 64;

/// Calls `visit` with each value that is no array or object, and with the steps to it. Whether all could be looked at: text
/// that is not Unicode or nested deeper than 64 levels can't.
pub(in crate::foreign) fn walk(value: &Value, visit: &mut dyn FnMut(&[Step], &Value)) -> bool {
    Walk {
        path: Vec::new(),
        visit,
        all: true,
    }
    .value(value)
}

struct Walk<'v> {
    path: Vec<Step>,
    visit: &'v mut dyn FnMut(&[Step], &Value),
    all: bool,
}

impl Walk<'_> {
    fn value(mut self, value: &Value) -> bool {
        self.inside(value);
        self.all
    }

    fn inside(&mut self, value: &Value) {
        let Value::Json(raw) = value else {
            (self.visit)(&self.path, value);
            return;
        };
        let read = self.path.len() < DEPTH
            && serde_json::Deserializer::from_str(raw)
                .deserialize_any(&mut *self)
                .is_ok();
        self.all &= read;
    }

    fn step(&mut self, step: Step, raw: &RawValue) {
        match Value::of(raw.get()) {
            Some(value) => {
                self.path.push(step);
                self.inside(&value);
                self.path.pop();
            }
            None => self.all = false,
        }
    }
}

impl<'de> Visitor<'de> for &mut Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array or object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((name, raw)) = map.next_entry::<Cow<'de, str>, &'de RawValue>()? {
            self.step(Step::Name(name.into_owned()), raw);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut index = 0;
        while let Some(raw) = items.next_element::<&'de RawValue>()? {
            self.step(Step::Index(index), raw);
            index += 1;
        }
        Ok(())
    }
}

/// The members of an object; none for other values.
pub(in crate::foreign) fn members(value: &Value) -> Vec<(String, Value)> {
    match value {
        Value::Json(raw) => super::Row::parse(raw.as_bytes())
            .map(|row| row.values)
            .unwrap_or_default(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, string::ToString, vec};

    #[test]
    fn every_value_is_visited_with_the_way_to_it() {
        let value = Value::Json(r#"{"a": [1, {"b": "x"}], "c": null}"#.into());
        let mut seen = vec![];
        assert!(walk(&value, &mut |path, value| {
            let path: Vec<String> = path
                .iter()
                .map(|step| match step {
                    Step::Name(name) => name.clone(),
                    Step::Index(index) => index.to_string(),
                })
                .collect();
            seen.push(format!(
                "{}={}",
                path.join("."),
                value.shown().unwrap_or("-")
            ));
        }));
        assert_eq!(seen, ["a.0=1", "a.1.b=x", "c=-"]);
    }

    #[test]
    fn what_is_too_deep_is_not_walked_into() {
        let deep =
            |levels: usize| Value::Json(format!("{}{}", "[".repeat(levels), "]".repeat(levels)));
        assert!(walk(&deep(64), &mut |_, _| {}));
        assert!(!walk(&deep(65), &mut |_, _| {}));
        assert!(!walk(&deep(1_000_000), &mut |_, _| {}));
        assert!(!walk(&Value::Json("[\"\\ud800\"]".into()), &mut |_, _| {}));
    }
}
