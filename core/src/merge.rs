//! Bringing an archive together with what a target holds already: modes overwrite and skip.
//!
//! [`Program::new`] decides everything that schema, rules and mode decide: in which order tables are gone through, what
//! tells that two rows are the same, which values have to be remapped, what becomes of a row that is found, and of one
//! that isn't. Engines carry a program out with statements over whole tables; none of them decides anything itself.
//!
//! What a program means, row by row and table by table, referred-to tables first:
//!
//! 1. **Resolve.** Each foreign key is looked up in what became of the row it refers to. Unresolved, an ownership key
//!    leaves the row out, an enrichment key becomes NULL. Deferred ones and ids inside of JSON wait for step 5.
//! 2. **Recognise.** Rows of the archive with the same identity are one row: the first counts. Alternatives are tried one
//!    after the other, each for all rows; of several rows of the target, the one with the least primary key is meant. A row
//!    of the target is found once: two rows of the archive that differ in their identity never become one.
//! 3. **Number.** A row that isn't found keeps its surrogate key if no row of the target has it, else it gets a number
//!    behind all that either side ever gave out. Numbers that people know from links stay what they were.
//! 4. **Keep unique keys.** Rows that stay as they are go first, then matched rows, then new ones, each in the archive's
//!    order. Who comes second gets another value where a rule says how, else is left as it was, or out.
//! 5. **Write.** Skip inserts new rows, but not below rows that were there; overwrite also gives matched rows the archive's
//!    values, and removes what belonged to them and isn't in the archive.
//!
//! What belongs to a row follows it only where a preset says so: a table with a declared identity that the mode decides
//! about carries the rows whose foreign keys to it are declared as ownership. Without a preset each row stands for itself,
//! so that nothing is removed and nothing is withheld because of a guess.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    plan::Mode,
    policy::{
        Given, JsonPath, Made, Matched, Newer, Normalise, OneOf, RowCondition, Settled, Unresolved,
    },
    schema::TableName,
};

mod build;
mod files;
mod gather;
mod identity;
mod json;
mod links;
mod order;
mod records;
mod sample;
#[cfg(test)]
mod tests;

pub use files::{FileCounts, FileMerge, Naming, Put, Renamed, SetMerge, Standing, There};
pub use gather::{About, Gather};
pub use json::{Ids, Rewritten, rewrite};
pub use records::{KeyValue, Root, pick};
pub use sample::{Changed, SAMPLES, SHOWN, Sample, Shown};

/// All that is decided about a merge before any row is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// [`Mode::Replace`] is for records only: it overwrites them, and nothing that belongs to them stays beside what the
    /// archive holds.
    pub mode: Mode,
    /// The tables in the order in which they are gone through. References in [`Link`] are indexes into this list.
    pub tables: Vec<MergeTable>,
    /// The records that were chosen; nothing means all rows.
    pub roots: Vec<Root>,
}

/// Why a table takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Its rows are merged.
    Merge,
    /// Its rows are only recognised, since selected tables refer to it.
    Lookup,
    /// The archive's rows are not looked at, but rows may go together with what they belong to.
    Along,
}

/// What is decided about one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeTable {
    /// Its name.
    pub table: TableName,
    /// Why it takes part.
    pub part: Part,
    /// Its stored columns in the target's order.
    pub columns: Vec<MergeColumn>,
    /// The columns of the archive's row text, in order; none for [`Part::Along`].
    pub archived: Vec<String>,
    /// Its primary key; empty if there is none.
    pub primary_key: Vec<String>,
    /// The column whose numbers mean nothing outside of one installation.
    pub surrogate: Option<String>,
    /// What tells that two rows are the same, in the order in which it counts.
    pub identity: Vec<Alternative>,
    /// Columns that are compared as a whole, each row with one other, where no alternative tells.
    pub rest: Option<Rest>,
    /// Rows that a preset leaves out: none comes from the archive, and none goes from the target for being missing there.
    pub left_out: Vec<RowCondition>,
    /// Rows of the target that don't go either: they hold credentials, and a standard archive doesn't hold such rows.
    pub withheld: Vec<RowCondition>,
    /// Its foreign keys, in the order in which they decide.
    pub links: Vec<Link>,
    /// Ids that no foreign key shows.
    pub hidden: Vec<Hidden>,
    /// Unique keys that identity alone doesn't keep.
    pub unique: Vec<UniqueKey>,
    /// Whether no value of a unique key can move from one matched row to another.
    pub keys_stay: bool,
    /// What becomes of matched rows.
    pub matched: Matched,
    /// The only columns that change in matched rows; nothing means all.
    pub fill: Vec<String>,
    /// Columns that mode skip takes too, where the archive has a value.
    pub prefer: Vec<String>,
    /// Flags that mode skip takes too, where the archive has them set.
    pub either: Vec<String>,
    /// Columns that matched rows keep where they differ from the archive's in one of these others: wrapped values, and what
    /// goes with them.
    pub bound: BTreeMap<String, Vec<String>>,
    /// Columns that matched rows keep where the archive has no value.
    pub never_emptied: Vec<String>,
    /// What matched rows take in mode skip where the archive's are newer.
    pub newer: Option<Newer>,
    /// Values that stand for something under way, and what is written in their place.
    pub settled: BTreeMap<String, Settled>,
    /// For columns of these: the rows of another table that say that it came to an end.
    pub ended: BTreeMap<String, Told>,
    /// Columns that are never taken from the archive, with what inserted rows get.
    pub on_insert: BTreeMap<String, Given>,
    /// Columns that matched rows keep: what others refer to them by, and what the archive holds placeholders for.
    pub kept: BTreeSet<String>,
    /// Columns that foreign keys or ids elsewhere name rows of this table by.
    pub referenced: Vec<String>,
    /// Whether what belongs to a matched row follows it.
    pub carries: bool,
}

impl MergeTable {
    /// Whether a preset says which columns of matched rows may change, so that nothing else follows from a match.
    #[must_use]
    pub const fn is_picky(&self) -> bool {
        !(self.fill.is_empty() && self.prefer.is_empty() && self.either.is_empty())
            || self.newer.is_some()
    }

    /// Whether a matched row takes a column's value where the archive's row is newer.
    #[must_use]
    pub fn takes_newer(&self, column: &str) -> bool {
        self.newer.as_ref().is_some_and(|newer| {
            newer.columns.is_empty() || newer.columns.iter().any(|name| name == column)
        })
    }

    /// Whether a matched row may take a column's value from the archive, as far as the preset has a say.
    #[must_use]
    pub fn may_change(&self, column: &str) -> bool {
        let mut named = [&self.fill, &self.prefer, &self.either]
            .into_iter()
            .flatten();
        !self.is_picky() || named.any(|name| name == column) || self.takes_newer(column)
    }

    /// Whether nothing else than one alternative tells rows apart, and the target lets no two of its own have it.
    #[must_use]
    pub const fn is_told_by_key(&self) -> bool {
        matches!(self.identity.as_slice(), [only] if only.distinct) && self.rest.is_none()
    }

    /// Whether a preset names the column to recognise rows by. Nothing in it says nothing, and takes no identity away.
    #[must_use]
    pub fn identifies(&self, column: &str) -> bool {
        self.identity.iter().any(|alternative| {
            let named = |list: &[String]| list.iter().any(|name| name == column);
            !alternative.empty_is_value
                && alternative.through.is_none()
                && named(&alternative.columns)
                && !named(&alternative.may_be_null)
        })
    }
}

/// One stored column of the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeColumn {
    /// Its name.
    pub name: String,
    /// The engine's own spelling of its type.
    pub type_name: String,
    /// Whether it may be NULL.
    pub nullable: bool,
    /// Whether the archive's rows hold it.
    pub archived: bool,
    /// Whether the database numbers it by itself, so that it may refuse to have it changed.
    pub numbered: bool,
}

/// Columns that together say which row it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alternative {
    /// The columns.
    pub columns: Vec<String>,
    /// Rows of another table have these columns, and say which row it is.
    pub through: Option<Told>,
    /// Columns in which NULL is a value like any other: foreign keys beside other columns.
    pub may_be_null: Vec<String>,
    /// Foreign keys to what the row belongs to, which have to agree as well.
    pub owners: Vec<String>,
    /// What is done to text before it is compared.
    pub normalise: Option<Normalise>,
    /// Only for rows of the archive to which no other alternative applies.
    pub fallback: bool,
    /// Whether empty text is a value. It is in unique keys of the database, and isn't where a preset names columns.
    pub empty_is_value: bool,
    /// Whether the target itself lets no two of its rows have it.
    pub distinct: bool,
}

/// Rows of another table that say which row of this one they are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Index of the other table.
    pub by: usize,
    /// The columns of its foreign key, each with the one that it refers to.
    pub link: Vec<(String, String)>,
    /// Those of its rows that count.
    pub condition: BTreeMap<String, OneOf>,
}

/// How rows are compared as a whole: the n-th of several equal ones is the n-th of the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rest {
    /// The columns.
    pub columns: Vec<String>,
    /// For all rows that no alternative found, not only for those to which none applies.
    pub after_all: bool,
}

/// What a foreign key means where nothing is found for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The row is left out.
    Ownership,
    /// The columns become NULL.
    Enrichment,
}

/// When a foreign key is resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// The table it refers to comes before.
    Before,
    /// It refers to the same table, and rows referred to come first.
    Rounds,
    /// After all rows are decided.
    Late,
}

/// A foreign key, declared by the database or by the preset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its columns.
    pub columns: Vec<String>,
    /// Index of the table that it refers to, `None` if the archive doesn't hold that table.
    pub to: Option<usize>,
    /// That table's name.
    pub references: TableName,
    /// The columns there.
    pub referenced: Vec<String>,
    /// What it means where nothing is found.
    pub class: Class,
    /// When it is resolved.
    pub when: When,
    /// Whether a row with NULL in it is left out too: a preset calls it ownership, or required.
    pub needed: bool,
    /// Whether a preset says that the row belongs to what it refers to.
    pub owned: bool,
    /// Whether a preset says that what it refers to stands for itself.
    pub deferred: bool,
    /// Whether the row follows what it refers to.
    pub carried: bool,
    /// Columns that become NULL where nothing is found.
    pub clears: Vec<String>,
}

/// Ids in a column that no foreign key shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hidden {
    /// The column.
    pub column: String,
    /// Where in its JSON; nothing means that the whole value is the id.
    pub paths: Vec<JsonPath>,
    /// The rows that hold one.
    pub condition: BTreeMap<String, OneOf>,
    /// Index of the table that is meant, `None` if the archive doesn't hold it.
    pub to: Option<usize>,
    /// The column there.
    pub referenced: String,
    /// What becomes of an id that nothing is found for.
    pub unresolved: Unresolved,
}

/// A unique key that more than identity has to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UniqueKey {
    /// Its columns.
    pub columns: Vec<String>,
    /// The column that gets another value, and which.
    pub remake: Option<(String, Made)>,
}

/// Why archive and target can't be merged, whatever the rows are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum MergeError {
    /// Tables refer to each other in a circle, and none of these columns may be NULL for a moment.
    #[error(
        "the tables {} refer to each other in a circle in which no column may be NULL, so that no order of their rows can be found; nothing was changed; use mode replace", Names(.tables)
    )]
    Circle {
        /// The tables.
        tables: Vec<TableName>,
    },
    /// A rule names what the target lacks.
    #[error(
        "the preset's {rule} of {table} names {column:?}, which the table does not have; nothing was changed; correct the preset"
    )]
    UnknownColumn {
        /// The kind of rule.
        rule: String,
        /// The table.
        table: TableName,
        /// What it names.
        column: String,
    },
    /// What belongs to a record is not known.
    #[error(
        "what belongs to a record is what its application's preset says; nothing was changed; name one with --preset"
    )]
    RecordsNeedPreset,
    /// A record is asked for out of a table whose rows the archive lacks, or the target.
    #[error("there are no rows of {table} to choose records from; nothing was changed")]
    NoRecords {
        /// The table.
        table: TableName,
    },
    /// A record is asked for by columns that don't say which row it is.
    #[error(
        "{} of {table} {} not say which record is meant; nothing was changed; {}", .given.join(", "), if .given.len() == 1 { "does" } else { "do" }, Keys(.keys)
    )]
    NoSuchKey {
        /// The table.
        table: TableName,
        /// The columns.
        given: Vec<String>,
        /// Those that would say it.
        keys: Vec<Vec<String>>,
    },
    /// What identity needs is only known after all rows are recognised.
    #[error(
        "the identity of {table} names {column:?}, which refers to rows that are recognised later; nothing was changed; name other columns, or take back its class deferred"
    )]
    IdentityTooLate {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
    },
}

struct Keys<'a>(&'a [Vec<String>]);

impl fmt::Display for Keys<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("nothing does");
        }
        f.write_str("a record is known by ")?;
        self.0.iter().enumerate().try_for_each(|(index, key)| {
            let or = if index > 0 { ", or by " } else { "" };
            write!(f, "{or}{}", key.join(" and "))
        })
    }
}

struct Names<'a>(&'a [TableName]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(index, name)| {
            if index > 0 {
                f.write_str(", ")?;
            }
            name.fmt(f)
        })
    }
}

/// Why rows of the archive are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Skipped {
    /// The same as an earlier row of the archive, whose children its own become.
    Duplicate,
    /// What it belongs to is neither in the archive nor in the target.
    UnresolvedOwner,
    /// What it belongs to was there and stays as it is.
    WithParent,
    /// Nothing in it tells which row it is.
    NoIdentity,
    /// Another row has its unique key, and no rule says how to make it anew.
    Collision,
    /// Its table is not selected, and the target lacks it.
    NotSelected,
    /// It is not one of the chosen records, nor needed by them, and the target lacks it.
    NotChosen,
    /// A preset leaves it out: it means nothing in another installation.
    LeftOut,
}

impl Skipped {
    /// All reasons.
    pub const ALL: [Self; 8] = [
        Self::Duplicate,
        Self::UnresolvedOwner,
        Self::WithParent,
        Self::NoIdentity,
        Self::Collision,
        Self::NotSelected,
        Self::NotChosen,
        Self::LeftOut,
    ];
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Duplicate => "the same as an earlier row of the archive",
            Self::UnresolvedOwner => "what it belongs to is missing",
            Self::WithParent => "what it belongs to stays as it is",
            Self::NoIdentity => "nothing tells which row it is",
            Self::Collision => "another row has its unique key",
            Self::NotSelected => "its table is not selected",
            Self::NotChosen => "no part of the chosen records",
            Self::LeftOut => "the preset leaves them out",
        })
    }
}

/// What a merge does to one table, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Counts {
    /// Rows that come from the archive.
    pub insert: u64,
    /// Rows of the target that change.
    pub update: u64,
    /// Rows of the archive that were found in the target, which stay as they are.
    pub keep: u64,
    /// Rows of the target that go.
    pub delete: u64,
    /// Rows of the archive that are left out.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub skipped: BTreeMap<Skipped, u64>,
    /// References of the archive's rows that become NULL, since nothing is found for them.
    #[serde(skip_serializing_if = "is_zero")]
    pub cleared: u64,
    /// Rows of the target whose reference to a row that goes becomes NULL.
    #[serde(skip_serializing_if = "is_zero")]
    pub detached: u64,
    /// Unique values that were made anew, or not taken over, because another row has them.
    #[serde(skip_serializing_if = "is_zero")]
    pub remade: u64,
    /// Rows whose surrogate key in the target is another one than in the archive.
    #[serde(skip_serializing_if = "is_zero")]
    pub remapped: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Counts {
    /// Rows of the archive, all accounted for.
    #[must_use]
    pub fn archived(&self) -> u64 {
        self.insert + self.update + self.keep + self.skipped.values().sum::<u64>()
    }

    /// Whether no row of the target changes.
    #[must_use]
    pub const fn is_unchanged(&self) -> bool {
        self.insert == 0 && self.update == 0 && self.delete == 0 && self.detached == 0
    }
}
