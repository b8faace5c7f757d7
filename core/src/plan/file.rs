//! A plan that is kept, looked at, and carried out later: exactly that one, or none.

use alloc::{
    collections::BTreeMap,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;

use serde::{Deserialize, Serialize};

use super::{
    Plan, TargetFacts,
    finding::{Head, List},
};
use crate::{
    digest::Digest,
    manifest::Migration,
    schema::{self, TableName},
};

/// The version of the file's form that this crate writes and reads.
const VERSION: u32 = 1;

/// A plan with what it was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanFile {
    /// Version of the file's form.
    coffer_plan: u32,
    /// The plan's digest.
    pub digest: Digest,
    /// Whether it was rehearsed: all of it was done, proven and rolled back.
    pub rehearsed: bool,
    /// The plan.
    pub plan: Plan,
    /// The target as it was.
    pub target: TargetFacts,
}

/// Why a plan can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanFileError {
    /// It is no plan.
    #[error("this is not a plan of coffer: {0}; nothing was changed")]
    Json(String),
    /// It is of a newer version.
    #[error(
        "the plan is of version {found}, and this program reads version 1; nothing was changed"
    )]
    Version {
        /// The version found.
        found: u32,
    },
    /// It isn't what was written.
    #[error("the plan was altered after it was made; nothing was changed, make a new plan")]
    Altered,
}

impl PlanFile {
    /// A plan with the facts that it was made from.
    #[must_use]
    pub fn new(plan: Plan, target: TargetFacts, rehearsed: bool) -> Self {
        Self {
            coffer_plan: VERSION,
            digest: plan.digest(),
            rehearsed,
            plan,
            target,
        }
    }

    /// Reads a plan.
    ///
    /// # Errors
    /// [`PlanFileError`], also if plan and digest don't belong together.
    pub fn parse(json: &[u8]) -> Result<Self, PlanFileError> {
        #[derive(Deserialize)]
        struct Version {
            coffer_plan: u32,
        }
        let wrong = |error: serde_json::Error| PlanFileError::Json(error.to_string());
        let Version { coffer_plan: found } = serde_json::from_slice(json).map_err(wrong)?;
        if found != VERSION {
            return Err(PlanFileError::Version { found });
        }
        let file: Self = serde_json::from_slice(json).map_err(wrong)?;
        if file.digest != file.plan.digest() || file.plan.target_state != file.target.digest() {
            return Err(PlanFileError::Altered);
        }
        Ok(file)
    }

    /// The file's JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Plain data has no way to fail when written to memory; nothing is no plan.
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    /// What has changed since it was made, if the plan would be another one now.
    #[must_use]
    pub fn changes(&self, now: &Plan, target: &TargetFacts) -> Vec<Change> {
        if now.digest() == self.digest {
            return Vec::new();
        }
        let mut changes = Vec::new();
        if self.plan.archive != now.archive {
            changes.push(Change::Archive);
        }
        changes.extend(compare(&self.target, target));
        if changes.is_empty() {
            changes.push(Change::Findings);
        }
        changes
    }
}

/// Something that changed since a plan was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is another archive.
    Archive,
    /// It is another target, or has another name.
    Target {
        /// Its name then.
        then: String,
        /// Its name now.
        now: String,
    },
    /// A table has more or fewer rows.
    Rows {
        /// The table.
        table: TableName,
        /// Rows then.
        then: u64,
        /// Rows now.
        now: u64,
    },
    /// A table has as many rows, but others.
    Edited {
        /// The table.
        table: TableName,
    },
    /// Tables of the target have another shape.
    Shape {
        /// The tables.
        tables: Vec<TableName>,
    },
    /// The target is at another migration.
    Migration {
        /// The head then.
        then: Option<Migration>,
        /// The head now.
        now: Option<Migration>,
    },
    /// A folder holds more or fewer files.
    Files {
        /// The file set.
        set: String,
        /// Files then.
        then: u64,
        /// Files now.
        now: u64,
    },
    /// Other rows of tables outside refer to selected ones.
    References,
    /// Enumerations have other labels.
    Labels,
    /// What is known of the archive and its sender.
    Findings,
}

fn compare(then: &TargetFacts, now: &TargetFacts) -> Vec<Change> {
    let mut changes = Vec::new();
    if (&then.name, then.engine) != (&now.name, now.engine) {
        changes.push(Change::Target {
            then: then.name.clone(),
            now: now.name.clone(),
        });
    }
    if then.migration != now.migration {
        changes.push(Change::Migration {
            then: then.migration.clone(),
            now: now.migration.clone(),
        });
    }
    if then.schema != now.schema {
        let drift = schema::drift(&then.schema, &now.schema);
        let mut tables: Vec<TableName> = drift.iter().map(|drift| drift.table().clone()).collect();
        tables.dedup();
        changes.push(Change::Shape { tables });
    }
    let rows =
        |facts: &TargetFacts| -> BTreeMap<TableName, u64> { facts.rows.iter().cloned().collect() };
    let (before, after) = (rows(then), rows(now));
    changes.extend(
        before
            .iter()
            .filter_map(|(table, then)| Some((table, then, after.get(table)?)))
            .filter(|(_, then, now)| then != now)
            .map(|(table, then, now)| Change::Rows {
                table: table.clone(),
                then: *then,
                now: *now,
            }),
    );
    changes.extend(
        then.states
            .iter()
            .filter(|(table, _)| before.get(table) == after.get(table))
            .filter(|state| {
                let mut states = now.states.iter();
                states.any(|now| now.0 == state.0 && now.1 != state.1)
            })
            .map(|(table, _)| Change::Edited {
                table: table.clone(),
            }),
    );
    let files = |facts: &TargetFacts, name: &str| {
        let mut sets = facts.files.iter();
        let set = sets.find(|(set, _)| set == name);
        set.and_then(|(_, files)| *files).unwrap_or(0)
    };
    changes.extend(
        now.files
            .iter()
            .chain(&then.files)
            .map(|(set, _)| (set, files(then, set), files(now, set)))
            .filter(|(_, then, now)| then != now)
            .map(|(set, then, now)| Change::Files {
                set: set.clone(),
                then,
                now,
            }),
    );
    changes.dedup();
    if then.references != now.references {
        changes.push(Change::References);
    }
    if then.labels != now.labels {
        changes.push(Change::Labels);
    }
    changes
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Archive => f.write_str("it is another archive"),
            Self::Target { then, now } => write!(f, "the target was {then} and is {now}"),
            Self::Rows { table, then, now } => {
                write!(f, "{table} had {then} rows and has {now}")
            }
            Self::Edited { table } => write!(f, "rows of {table} were edited"),
            Self::Shape { tables } if tables.is_empty() => f.write_str(
                "the target's schema has changed in its defaults or the order of columns",
            ),
            Self::Shape { tables } => {
                write!(f, "the shape of {} has changed", List(tables))
            }
            Self::Migration { then, now } => write!(
                f,
                "the target was at migration {} and is at {}",
                Head(then.as_ref()),
                Head(now.as_ref())
            ),
            Self::Files { set, then, now } => {
                write!(f, "the folder of {set} had {then} files and has {now}")
            }
            Self::References => {
                f.write_str("other rows of tables that are not selected refer to selected ones")
            }
            Self::Labels => f.write_str("the target's enumerations have other labels"),
            Self::Findings => {
                f.write_str("the plan would say something else now of the archive or the target")
            }
        }
    }
}

#[cfg(test)]
mod tests;
