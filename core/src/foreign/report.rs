//! Collects findings in bounded memory: what repeats from row to row is counted, and the rest is capped.

use alloc::{collections::BTreeMap, string::String, string::ToString, vec::Vec};

use super::{Finding, Level, Problem, Rows};

/// What is counted by place instead of being listed row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tally {
    Credentials,
    LeftIn,
    LooksSecret,
    NotSearched,
    EmptySecret,
    /// The place is the state.
    InFlight,
    Placeholder,
    Ids,
}

impl Tally {
    fn problem(self, table: String, place: String, rows: Rows) -> Problem {
        match self {
            Self::Credentials => Problem::Credentials { table, place, rows },
            Self::LeftIn => Problem::LeftIn { table, place, rows },
            Self::LooksSecret => Problem::LooksSecret { table, place, rows },
            Self::NotSearched => Problem::NotSearched { table, place, rows },
            Self::EmptySecret => Problem::EmptySecret { table, place, rows },
            Self::InFlight => Problem::InFlight {
                table,
                status: place,
                rows,
            },
            Self::Placeholder => Problem::Placeholder { table, place, rows },
            Self::Ids => Problem::Ids { table, place, rows },
        }
    }
}

/// Findings on their way.
#[derive(Debug, Default)]
pub(super) struct Report {
    findings: Vec<Finding>,
    more: u64,
    errors: u64,
    tallies: BTreeMap<(Tally, String, String), Rows>,
}

impl Report {
    /// Findings, and places that are counted, at most.
    const ROOM: usize = 1_000;

    pub(super) fn add(&mut self, problem: Problem) {
        self.errors += u64::from(problem.level() == Level::Error);
        if self.findings.len() < Self::ROOM {
            self.findings.push(Finding(problem));
        } else {
            self.more += 1;
        }
    }

    /// Counts what row `row` of `table` has at `place`.
    pub(super) fn tally(&mut self, tally: Tally, table: &str, place: &str, row: u64) {
        let key = (tally, table.to_string(), place.to_string());
        if self.tallies.len() >= Self::ROOM && !self.tallies.contains_key(&key) {
            self.more += 1;
        } else {
            self.tallies.entry(key).or_default().add(row);
        }
    }

    /// Takes out what was counted of one kind: how often in all, and where.
    pub(super) fn take(&mut self, tally: Tally) -> Vec<(String, String, Rows)> {
        let keys: Vec<_> = self
            .tallies
            .keys()
            .filter(|(of, ..)| *of == tally)
            .cloned()
            .collect();
        keys.into_iter()
            .filter_map(|key| {
                let rows = self.tallies.remove(&key)?;
                Some((key.1, key.2, rows))
            })
            .collect()
    }

    /// Counts what was counted as something else instead.
    pub(super) fn turn(&mut self, from: Tally, to: Tally) {
        for (table, place, rows) in self.take(from) {
            self.tallies.insert((to, table, place), rows);
        }
    }

    /// All findings, the worst first; how many there was no room for, and how many are errors.
    pub(super) fn finish(mut self) -> (Vec<Finding>, u64, u64) {
        for ((tally, table, place), rows) in core::mem::take(&mut self.tallies) {
            self.findings
                .push(Finding(tally.problem(table, place, rows)));
        }
        self.findings.sort_by_key(Finding::level);
        (self.findings, self.more, self.errors)
    }
}
