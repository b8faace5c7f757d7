//! What is never archived: whole tables, and rows of a table that a condition tells.

use alloc::{collections::BTreeMap, string::String, vec::Vec};
use core::fmt;

use serde::{Deserialize, Serialize};

use super::{OneOf, fits};
use crate::{
    manifest::{LeftOut, LeftOutReason},
    schema::TableName,
};

/// A table whose rows are never archived, or those of them that a condition tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaveOutRule {
    /// The table.
    pub table: String,
    /// Why: `derived`, `transient`, `local` or `credential`.
    pub reason: LeftOutReason,
    /// In the preset's own words.
    #[serde(default)]
    pub detail: Option<String>,
    /// The rows where each of these columns has (one of) these values.
    #[serde(default, rename = "where", skip_serializing_if = "BTreeMap::is_empty")]
    pub condition: BTreeMap<String, OneOf>,
    /// The rows where the text of each of these columns fits (one of) these patterns, in which `*` stands for any letters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub matching: BTreeMap<String, Patterns>,
}

impl LeaveOutRule {
    /// Whether it is for all rows.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.condition.is_empty() && self.matching.is_empty()
    }

    /// The rows that it is for.
    #[must_use]
    pub fn rows(&self) -> RowCondition {
        RowCondition {
            condition: self.condition.clone(),
            matching: self.matching.clone(),
            given: None,
        }
    }

    /// The columns that its conditions name.
    pub fn columns(&self) -> impl Iterator<Item = &String> {
        self.condition.keys().chain(self.matching.keys())
    }
}

/// One pattern or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected text in which * stands for any letters, or a list of such texts"
)]
pub enum Patterns {
    /// Exactly this one.
    One(String),
    /// Any of these.
    Any(Vec<String>),
}

impl Patterns {
    /// The patterns.
    #[must_use]
    pub fn patterns(&self) -> &[String] {
        match self {
            Self::One(pattern) => core::slice::from_ref(pattern),
            Self::Any(patterns) => patterns,
        }
    }

    /// Whether a text fits one of them.
    #[must_use]
    pub fn fit(&self, text: &str) -> bool {
        self.patterns().iter().any(|pattern| fits(pattern, text))
    }
}

/// What tells some rows of a table. All of it has to be so; nothing tells all rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowCondition {
    /// The values that columns have.
    pub condition: BTreeMap<String, OneOf>,
    /// The patterns that columns fit.
    pub matching: BTreeMap<String, Patterns>,
    /// A column that is not NULL.
    pub given: Option<String>,
}

impl RowCondition {
    /// The columns that it names.
    pub fn columns(&self) -> impl Iterator<Item = &String> {
        let compared = self.condition.keys().chain(self.matching.keys());
        compared.chain(&self.given)
    }
}

impl fmt::Display for RowCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut begun = false;
        let mut column = |f: &mut fmt::Formatter<'_>, name: &str| {
            let and = if begun { " and " } else { "" };
            begun = true;
            write!(f, "{and}{name} is ")
        };
        let or = |index| if index > 0 { " or " } else { "" };
        for (name, values) in &self.condition {
            column(f, name)?;
            for (index, value) in values.values().iter().enumerate() {
                write!(f, "{}{value}", or(index))?;
            }
        }
        for (name, patterns) in &self.matching {
            column(f, name)?;
            for (index, pattern) in patterns.patterns().iter().enumerate() {
                write!(f, "{}{pattern:?}", or(index))?;
            }
        }
        Ok(())
    }
}

/// Rows of a table that a backup leaves out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowsLeftOut {
    /// The table.
    pub table: TableName,
    /// Which of its rows.
    pub rows: RowCondition,
    /// Why.
    pub reason: LeftOutReason,
    /// In the preset's own words.
    pub detail: Option<String>,
}

impl RowsLeftOut {
    /// A rule for a table of the database.
    #[must_use]
    pub fn of(table: TableName, rule: &LeaveOutRule) -> Self {
        Self {
            table,
            rows: rule.rows(),
            reason: rule.reason,
            detail: rule.detail.clone(),
        }
    }

    /// As an archive says it of so many rows.
    #[must_use]
    pub fn left_out(&self, rows: u64) -> LeftOut {
        LeftOut::Rows {
            table: self.table.clone(),
            condition: alloc::format!("{}", self.rows),
            reason: self.reason,
            rows,
            detail: self.detail.clone(),
        }
    }
}
