//! Ids inside of JSON text, found by paths and exchanged for others. Everything else of the text stays as it is, byte for
//! byte: blanks, the order of keys, and how numbers are written.

use alloc::{
    borrow::ToOwned,
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};
use core::ops::Range;

use crate::policy::{JsonPath, JsonStep, Unresolved};

/// Objects and arrays that may be inside of each other. What is deeper is left as it is.
const MAX_DEPTH: usize = 128;

/// An id that stands somewhere in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    /// Where it stands, with its quotes if it has them.
    at: Range<usize>,
    /// The id as a database would print it.
    id: String,
    quoted: bool,
}

/// The ids that paths lead to in a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ids(Vec<Found>);

/// A text with other ids in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// The text.
    pub text: String,
    /// Ids that nothing was found for and that became `null`.
    pub cleared: u64,
}

impl Ids {
    /// Finds numbers and strings by any of `paths`; without a path, the whole text is one id. Text that is no JSON has
    /// none.
    #[must_use]
    pub fn find(text: &str, paths: &[JsonPath]) -> Self {
        if paths.is_empty() {
            return Self(alloc::vec![Found {
                at: 0..text.len(),
                id: text.to_owned(),
                quoted: false,
            }]);
        }
        let mut walk = Walk {
            text,
            at: 0,
            paths,
            found: Vec::new(),
        };
        let start = (0..paths.len()).map(|path| (path, 0)).collect();
        let whole = walk.value(&start, 0).is_some() && {
            walk.blanks();
            walk.at == text.len()
        };
        Self(if whole { walk.found } else { Vec::new() })
    }

    /// The ids.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|found| found.id.as_str())
    }
}

/// The text with each id exchanged for what `new` gives for it, or nothing if that leaves it as it is.
#[must_use]
pub fn rewrite(
    text: &str,
    ids: &Ids,
    new: &BTreeMap<String, String>,
    unresolved: Unresolved,
) -> Option<Rewritten> {
    let mut rewritten = Rewritten {
        text: String::with_capacity(text.len()),
        cleared: 0,
    };
    let mut copied = 0;
    for found in &ids.0 {
        let exchanged = match (new.get(&found.id), unresolved) {
            (Some(id), _) if found.quoted => {
                // Written by the same rules as it was read by; a plain text has no way to fail.
                serde_json::to_string(id).unwrap_or_default()
            }
            (Some(id), _) => id.clone(),
            (None, Unresolved::Keep) => continue,
            (None, Unresolved::Null) => {
                rewritten.cleared += 1;
                "null".to_owned()
            }
        };
        rewritten.text.push_str(text.get(copied..found.at.start)?);
        rewritten.text.push_str(&exchanged);
        copied = found.at.end;
    }
    rewritten.text.push_str(text.get(copied..)?);
    (rewritten.text != text).then_some(rewritten)
}

/// How far each path is: the path, and its next step.
type States = BTreeSet<(usize, usize)>;

struct Walk<'a> {
    text: &'a str,
    at: usize,
    paths: &'a [JsonPath],
    found: Vec<Found>,
}

impl<'a> Walk<'a> {
    fn step(&self, path: usize, step: usize) -> Option<&'a JsonStep> {
        self.paths.get(path)?.steps().get(step)
    }

    /// The states with those that are reached by passing over `**`.
    fn opened(&self, states: &States) -> States {
        let mut all = states.clone();
        for (path, mut step) in states.iter().copied() {
            while self.step(path, step) == Some(&JsonStep::AnyDepth) {
                step += 1;
                all.insert((path, step));
            }
        }
        all
    }

    /// The states below a key, or below an element if there is none.
    fn below(&self, states: &States, key: Option<&str>) -> States {
        let mut below = States::new();
        for (path, step) in states.iter().copied() {
            let goes_on = match (self.step(path, step), key) {
                (Some(JsonStep::AnyDepth), _) => {
                    below.insert((path, step));
                    false
                }
                (Some(JsonStep::Each), None) => true,
                (Some(step), Some(key)) => step.fits_key(key),
                _ => false,
            };
            if goes_on {
                below.insert((path, step + 1));
            }
        }
        below
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        self.blanks();
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Passes over one value. `None` if it is no JSON.
    fn value(&mut self, states: &States, depth: usize) -> Option<()> {
        self.blanks();
        let states = self.opened(states);
        let start = self.at;
        match self.peek()? {
            b'{' if depth < MAX_DEPTH => {
                self.at += 1;
                self.members(&states, depth)
            }
            b'[' if depth < MAX_DEPTH => {
                self.at += 1;
                self.elements(&states, depth)
            }
            b'"' => {
                let id = self.string()?;
                self.note(&states, start, id, true);
                Some(())
            }
            _ => {
                while self
                    .peek()
                    .is_some_and(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
                {
                    self.at += 1;
                }
                let word = self.text.get(start..self.at)?;
                match word {
                    "" => None,
                    "null" | "true" | "false" => Some(()),
                    number => {
                        serde_json::from_str::<serde_json::Number>(number).ok()?;
                        self.note(&states, start, number.to_owned(), false);
                        Some(())
                    }
                }
            }
        }
    }

    fn note(&mut self, states: &States, start: usize, id: String, quoted: bool) {
        let ends = |(path, step): &(usize, usize)| {
            self.paths
                .get(*path)
                .is_some_and(|path| path.steps().len() == *step)
        };
        if states.iter().any(ends) {
            self.found.push(Found {
                at: start..self.at,
                id,
                quoted,
            });
        }
    }

    fn string(&mut self) -> Option<String> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        serde_json::from_str(self.text.get(start..self.at)?).ok()
    }

    fn members(&mut self, states: &States, depth: usize) -> Option<()> {
        self.blanks();
        if self.take(b'}').is_some() {
            return Some(());
        }
        loop {
            self.blanks();
            if self.peek()? != b'"' {
                return None;
            }
            let key = self.string()?;
            self.take(b':')?;
            let below = self.below(states, Some(&key));
            self.value(&below, depth + 1)?;
            if self.take(b',').is_none() {
                return self.take(b'}');
            }
        }
    }

    fn elements(&mut self, states: &States, depth: usize) -> Option<()> {
        if self.take(b']').is_some() {
            return Some(());
        }
        let below = self.below(states, None);
        loop {
            self.value(&below, depth + 1)?;
            if self.take(b',').is_none() {
                return self.take(b']');
            }
        }
    }
}
