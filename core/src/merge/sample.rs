//! A few of the rows that change, to look at before a merge is confirmed.

use alloc::{string::String, vec::Vec};
use core::fmt;

use serde::{Deserialize, Serialize};

/// The most rows that are shown of one table.
pub const SAMPLES: usize = 5;
/// The most characters that are shown of one value.
pub const SHOWN: usize = 80;

/// A row of the target that changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// Its primary key, column by column.
    pub key: Vec<(String, Shown)>,
    /// What changes in it.
    pub changes: Vec<Changed>,
}

/// A value that changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changed {
    /// Its column.
    pub column: String,
    /// What the target holds.
    pub before: Shown,
    /// What it will hold.
    pub after: Shown,
}

/// A value as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// NULL.
    Null,
    /// Its text, of at most [`SHOWN`] characters and the sign that there are more.
    Text(String),
    /// It may be a credential, so nothing of it is shown.
    Hidden,
}

impl Shown {
    /// A text, cut where it is long.
    #[must_use]
    pub fn text(text: &str) -> Self {
        let mut shown: String = text.chars().take(SHOWN).collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        Self::Text(shown)
    }

    fn hide(&mut self) {
        if *self != Self::Null {
            *self = Self::Hidden;
        }
    }
}

impl Sample {
    /// Shows nothing of the values of the columns that may hold credentials.
    pub fn hide(&mut self, is_secret: impl Fn(&str) -> bool) {
        for (column, value) in &mut self.key {
            if is_secret(column) {
                value.hide();
            }
        }
        for changed in &mut self.changes {
            if is_secret(&changed.column) {
                changed.before.hide();
                changed.after.hide();
            }
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Text(text) => write!(f, "'{text}'"),
            Self::Hidden => f.write_str("(not shown)"),
        }
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (column, value)) in self.key.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{column} {value}")?;
        }
        if !self.key.is_empty() {
            f.write_str(": ")?;
        }
        for (index, changed) in self.changes.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            let Changed {
                column,
                before,
                after,
            } = changed;
            write!(f, "{comma}{column} {before} → {after}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{string::ToString, vec};

    #[test]
    fn long_values_are_cut_and_secret_ones_hidden() {
        let text = |text: &str| Shown::text(text);
        let change = |column: &str, before: Shown, after: Shown| Changed {
            column: column.into(),
            before,
            after,
        };
        let mut sample = Sample {
            key: vec![("id".into(), text("7"))],
            changes: vec![
                change("name", Shown::Null, text(&"ä".repeat(SHOWN + 1))),
                change("password_hash", Shown::Null, text("x")),
            ],
        };
        sample.hide(|column| column.contains("password"));
        assert_eq!(
            sample.to_string(),
            alloc::format!(
                "id '7': name NULL → '{}…', password_hash NULL → (not shown)",
                "ä".repeat(SHOWN)
            )
        );
        assert_eq!(text(&"x".repeat(SHOWN)), Shown::Text("x".repeat(SHOWN)));
    }
}
