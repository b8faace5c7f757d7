//! Which backups stay and which go: a pure function of a policy and what is known about each backup.
//!
//! The rules are those that people know from other backup tools: the last so many; the newest of each of the last so
//! many hours, days, weeks, months, quarters and years that have one ("grandfather, father, son"); all within a time
//! before the newest. A backup stays if any rule keeps it, and each has its reasons either way, so that a preview can
//! show them. What protects from mistakes:
//!
//! - Only verified backups count. One that isn't stays, and takes nobody's place: it may be the only way to some rows.
//! - A locked backup stays, and takes nobody's place either, so that unlocking it changes nothing else.
//! - The newest verified backup always stays.
//! - A policy without rules keeps everything.
//! - Periods are those of a clock on the wall: each backup comes with its offset from UTC in the job's time zone. This
//!   module knows no zones, so that the browser can ask it with its own.
//! - A backup whose clock was ahead doesn't make the others look old: times before the newest are counted from now.
//!
//! While a rule still has places left, it keeps the oldest backup too, though its period has a newer one: else the
//! beginning of the history would be lost while the long periods fill up.

use alloc::vec::Vec;
use core::{cmp::Reverse, num::NonZeroU32};

use serde::{Deserialize, Serialize};

mod period;
#[cfg(test)]
mod tests;

pub use period::Period;

/// What to keep. A rule that isn't given keeps nothing; no rule at all keeps everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// The newest so many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<NonZeroU32>,
    /// The newest of each of so many hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hourly: Option<NonZeroU32>,
    /// The newest of each of so many days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daily: Option<NonZeroU32>,
    /// The newest of each of so many weeks, which begin on Monday (ISO 8601).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weekly: Option<NonZeroU32>,
    /// The newest of each of so many months.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monthly: Option<NonZeroU32>,
    /// The newest of each of so many quarters, the first of which begins in January.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quarterly: Option<NonZeroU32>,
    /// The newest of each of so many years.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yearly: Option<NonZeroU32>,
    /// All that were taken at most so many hours before the newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within_hours: Option<NonZeroU32>,
}

impl Policy {
    /// Whether it keeps everything.
    #[must_use]
    pub fn keeps_everything(&self) -> bool {
        *self == Self::default()
    }

    fn periods(&self) -> impl Iterator<Item = (Period, u32)> {
        [
            (Period::Hour, self.hourly),
            (Period::Day, self.daily),
            (Period::Week, self.weekly),
            (Period::Month, self.monthly),
            (Period::Quarter, self.quarterly),
            (Period::Year, self.yearly),
        ]
        .into_iter()
        .filter_map(|(period, places)| Some((period, places?.get())))
    }
}

/// A backup that may stay or go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// When it was taken, in seconds since 1970 in UTC.
    pub taken: i64,
    /// How far the wall clock of the job's time zone was ahead of UTC then, in seconds.
    pub offset: i32,
    /// Whether its stored bytes were read again and found right.
    pub verified: bool,
    /// Whether somebody said that it stays.
    pub locked: bool,
}

/// Why a backup stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Kept {
    /// There are no rules.
    NoRules,
    /// Somebody locked it.
    Locked,
    /// It isn't verified, so no rule is applied to it.
    NotVerified,
    /// It is the newest verified one, and no rule keeps it.
    NewestVerified,
    /// One of the newest.
    Last {
        /// Which one, from 1 for the newest.
        number: u32,
        /// How many are kept.
        of: u32,
    },
    /// The newest of a period.
    Newest {
        /// Which kind of period.
        period: Period,
        /// Which one, from 1 for the latest that has a backup.
        number: u32,
        /// How many are kept.
        of: u32,
    },
    /// The oldest of all, in a rule with places left.
    Oldest {
        /// The rule's kind of period.
        period: Period,
        /// How many periods are kept.
        of: u32,
    },
    /// It is recent enough.
    Within {
        /// Hours before the newest.
        hours: u32,
    },
}

/// Why a rule does not keep a backup. One that goes has one of these for each rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Passed {
    /// There are enough newer ones.
    Last {
        /// How many are kept.
        of: u32,
    },
    /// Its period has a newer one.
    Newer {
        /// Which kind of period.
        period: Period,
        /// The newer one, by its place in what was asked about.
        by: usize,
    },
    /// There are enough later periods.
    Full {
        /// Which kind of period.
        period: Period,
        /// How many are kept.
        of: u32,
    },
    /// It is too old.
    Older {
        /// Hours before the newest.
        hours: u32,
    },
}

/// What becomes of one backup. It stays if `kept` has anything in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Why it stays.
    pub kept: Vec<Kept>,
    /// Which rules do not keep it, and why.
    pub passed: Vec<Passed>,
}

impl Verdict {
    /// Whether the backup stays.
    #[must_use]
    pub fn stays(&self) -> bool {
        !self.kept.is_empty()
    }
}

/// One backup in the order of time, with its place in what was asked about.
#[derive(Clone, Copy)]
struct Counted {
    at: usize,
    candidate: Candidate,
}

/// What becomes of each of `candidates`, in their order. `now` is in seconds since 1970 in UTC.
#[must_use]
pub fn decide(policy: &Policy, candidates: &[Candidate], now: i64) -> Vec<Verdict> {
    let mut verdicts: Vec<Verdict> = candidates.iter().map(|one| exempt(policy, one)).collect();
    if policy.keeps_everything() {
        return verdicts;
    }
    let counted = counted(candidates);
    apply_last(policy, &counted, &mut verdicts);
    for (period, places) in policy.periods() {
        apply_period(period, places, &counted, &mut verdicts);
    }
    apply_within(policy, &counted, now, &mut verdicts);
    keep_newest_verified(candidates, &mut verdicts);
    verdicts
}

/// What no rule is applied to.
fn exempt(policy: &Policy, candidate: &Candidate) -> Verdict {
    let reasons = [
        (policy.keeps_everything(), Kept::NoRules),
        (candidate.locked, Kept::Locked),
        (!candidate.verified, Kept::NotVerified),
    ];
    Verdict {
        kept: reasons
            .into_iter()
            .filter_map(|(applies, reason)| applies.then_some(reason))
            .collect(),
        passed: Vec::new(),
    }
}

/// Those that rules are applied to, the newest first; of two of one second the one that was named first is the newer.
fn counted(candidates: &[Candidate]) -> Vec<Counted> {
    let mut counted: Vec<Counted> = candidates
        .iter()
        .enumerate()
        .filter(|(_, one)| one.verified && !one.locked)
        .map(|(at, &candidate)| Counted { at, candidate })
        .collect();
    counted.sort_by_key(|one| Reverse(one.candidate.taken));
    counted
}

fn keep(verdicts: &mut [Verdict], at: usize, reason: Kept) {
    if let Some(verdict) = verdicts.get_mut(at) {
        verdict.kept.push(reason);
    }
}

fn pass(verdicts: &mut [Verdict], at: usize, reason: Passed) {
    if let Some(verdict) = verdicts.get_mut(at) {
        verdict.passed.push(reason);
    }
}

fn apply_last(policy: &Policy, counted: &[Counted], verdicts: &mut [Verdict]) {
    let Some(of) = policy.last.map(NonZeroU32::get) else {
        return;
    };
    for (number, one) in (1_u32..).zip(counted) {
        if number <= of {
            keep(verdicts, one.at, Kept::Last { number, of });
        } else {
            pass(verdicts, one.at, Passed::Last { of });
        }
    }
}

fn apply_period(period: Period, of: u32, counted: &[Counted], verdicts: &mut [Verdict]) {
    let mut number = 0;
    // The period looked at, and the newest backup in it.
    let mut current: Option<(i64, usize)> = None;
    let oldest = counted.last().map(|one| one.at);
    for one in counted {
        let key = period.of(one.candidate.taken, one.candidate.offset);
        match current {
            Some((same, _)) if same == key && number < of && oldest == Some(one.at) => {
                keep(verdicts, one.at, Kept::Oldest { period, of });
            }
            Some((same, by)) if same == key => {
                pass(verdicts, one.at, Passed::Newer { period, by });
            }
            _ if number == of => pass(verdicts, one.at, Passed::Full { period, of }),
            _ => {
                number += 1;
                current = Some((key, one.at));
                keep(verdicts, one.at, Kept::Newest { period, number, of });
            }
        }
    }
}

fn apply_within(policy: &Policy, counted: &[Counted], now: i64, verdicts: &mut [Verdict]) {
    let Some(hours) = policy.within_hours.map(NonZeroU32::get) else {
        return;
    };
    let Some(newest) = counted.first() else {
        return;
    };
    let from = newest
        .candidate
        .taken
        .min(now)
        .saturating_sub(i64::from(hours) * 3600);
    for one in counted {
        if one.candidate.taken >= from {
            keep(verdicts, one.at, Kept::Within { hours });
        } else {
            pass(verdicts, one.at, Passed::Older { hours });
        }
    }
}

/// Locked or not: that it is there says that there is a backup at all.
fn keep_newest_verified(candidates: &[Candidate], verdicts: &mut [Verdict]) {
    let newest = candidates
        .iter()
        .enumerate()
        .filter(|(_, one)| one.verified)
        // Of two of one second, the one that was named first.
        .max_by(|(a_at, a), (b_at, b)| a.taken.cmp(&b.taken).then(b_at.cmp(a_at)));
    if let Some((at, _)) = newest
        && verdicts.get(at).is_some_and(|verdict| !verdict.stays())
    {
        keep(verdicts, at, Kept::NewestVerified);
    }
}
