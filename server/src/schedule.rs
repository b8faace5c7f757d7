//! When a job is due: a cron pattern on the clock of a time zone.
//!
//! Five fields, of minutes, hours, days, months and weekdays; no seconds. When clocks are set forward, a job at a fixed time that
//! does not come runs at the first moment after the gap; when they are set back, it runs the first of the two times only.
//! A job at intervals (`*/15 * * * *`) follows real time: nothing comes twice in the gap, and both hours of the overlap have
//! their runs. That is what Vixie cron does, and what the crate `croner` implements.

use std::fmt;

use croner::{
    Cron, Direction,
    parser::{CronParser, Seconds, Year},
};
use jiff::{Timestamp, Zoned, tz::TimeZone};
use time::OffsetDateTime;

/// What a schedule is made of can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The pattern.
    #[error(
        "{pattern:?} is no schedule: {what}; write minute, hour, day, month and weekday, such as 30 3 * * * for every night at half past three"
    )]
    Pattern {
        /// As it was given.
        pattern: String,
        /// What is wrong with it.
        what: String,
    },
    /// Nothing comes of it.
    #[error("{pattern:?} never comes, such as 30 February; choose a day that there is")]
    Never {
        /// As it was given.
        pattern: String,
    },
    /// The time zone.
    #[error("{zone:?} is no time zone that is known here; write one such as Europe/Berlin or UTC")]
    Zone {
        /// As it was given.
        zone: String,
    },
}

/// A time zone with its changes, past and future.
#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

impl Zone {
    /// A zone by its name in the IANA database.
    ///
    /// # Errors
    /// [`ScheduleError::Zone`].
    pub fn parse(name: &str) -> Result<Self, ScheduleError> {
        TimeZone::get(name)
            .map(Self)
            .map_err(|_| ScheduleError::Zone { zone: name.into() })
    }

    /// How far its clocks are ahead of UTC at a moment, in seconds.
    #[must_use]
    pub fn offset(&self, moment: OffsetDateTime) -> i32 {
        Timestamp::from_second(moment.unix_timestamp())
            .map_or(0, |moment| self.0.to_offset(moment).seconds())
    }

    fn local(&self, moment: OffsetDateTime) -> Option<Zoned> {
        let moment = Timestamp::from_second(moment.unix_timestamp()).ok()?;
        Some(moment.to_zoned(self.0.clone()))
    }
}

/// When a job is due.
#[derive(Clone)]
pub struct Schedule {
    cron: Cron,
    zone: Zone,
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schedule({} in {:?})", self.cron.as_str(), self.zone)
    }
}

impl Schedule {
    /// Reads a pattern for the clock of a zone.
    ///
    /// # Errors
    /// [`ScheduleError`].
    pub fn parse(pattern: &str, zone: &Zone) -> Result<Self, ScheduleError> {
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build();
        let cron = parser
            .parse(pattern.trim())
            .map_err(|error| ScheduleError::Pattern {
                pattern: pattern.into(),
                what: error.to_string(),
            })?;
        let schedule = Self {
            cron,
            zone: zone.clone(),
        };
        let first = schedule.after(OffsetDateTime::UNIX_EPOCH).next();
        match first {
            Some(_) => Ok(schedule),
            None => Err(ScheduleError::Never {
                pattern: pattern.into(),
            }),
        }
    }

    /// The zone that it is in.
    #[must_use]
    pub const fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The moments after this one, in order.
    pub fn after(&self, moment: OffsetDateTime) -> impl Iterator<Item = OffsetDateTime> {
        self.moments(moment, Direction::Forward)
            .filter(move |found| *found > moment)
    }

    /// The moments after `from` and up to `until`, the last `limit` of them, in order.
    #[must_use]
    pub fn between(
        &self,
        from: OffsetDateTime,
        until: OffsetDateTime,
        limit: usize,
    ) -> Vec<OffsetDateTime> {
        let mut found: Vec<OffsetDateTime> = self
            .moments(until, Direction::Backward)
            .filter(|moment| *moment <= until)
            .take_while(|moment| *moment > from)
            .take(limit)
            .collect();
        found.reverse();
        found
    }

    /// The moments from this one on, itself too if it is one, in either direction of time.
    fn moments(
        &self,
        from: OffsetDateTime,
        direction: Direction,
    ) -> impl Iterator<Item = OffsetDateTime> {
        let found = self
            .zone
            .local(from)
            .map(|local| self.cron.iter_from(local, direction));
        found.into_iter().flatten().filter_map(|local| {
            OffsetDateTime::from_unix_timestamp(local.timestamp().as_second()).ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn moment(text: &str) -> OffsetDateTime {
        clock::parse(text).unwrap()
    }

    fn berlin(pattern: &str) -> Schedule {
        Schedule::parse(pattern, &Zone::parse("Europe/Berlin").unwrap()).unwrap()
    }

    fn next(pattern: &str, from: &str, count: usize) -> Vec<String> {
        berlin(pattern)
            .after(moment(from))
            .take(count)
            .map(clock::text)
            .collect()
    }

    #[test]
    fn every_night_is_at_the_time_of_the_zone() {
        assert_eq!(
            next("30 3 * * *", "2026-10-23T12:00:00Z", 4),
            // Summer time ends on the 25th.
            [
                "2026-10-24T01:30:00Z",
                "2026-10-25T02:30:00Z",
                "2026-10-26T02:30:00Z",
                "2026-10-27T02:30:00Z"
            ]
        );
    }

    #[test]
    fn a_time_that_does_not_come_is_made_up_for() {
        // On 29 March clocks go from 02:00 to 03:00.
        assert_eq!(
            next("30 2 * * *", "2026-03-28T12:00:00Z", 2),
            ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
        );
    }

    #[test]
    fn a_time_that_comes_twice_counts_once() {
        // On 25 October 02:30 comes at 00:30 and at 01:30 UTC.
        assert_eq!(
            next("30 2 * * *", "2026-10-24T12:00:00Z", 2),
            ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
        // Also for who asks between the two.
        assert_eq!(
            next("30 2 * * *", "2026-10-25T00:45:00Z", 1),
            ["2026-10-26T01:30:00Z"]
        );
    }

    #[test]
    fn intervals_follow_real_time() {
        assert_eq!(
            next("*/30 * * * *", "2026-10-24T23:59:00Z", 6),
            [
                "2026-10-25T00:00:00Z",
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:00:00Z",
                "2026-10-25T01:30:00Z",
                "2026-10-25T02:00:00Z",
                "2026-10-25T02:30:00Z"
            ]
        );
        assert_eq!(
            next("*/30 * * * *", "2026-03-29T00:29:00Z", 3),
            [
                "2026-03-29T00:30:00Z",
                "2026-03-29T01:00:00Z",
                "2026-03-29T01:30:00Z"
            ]
        );
    }

    #[test]
    fn looking_back_finds_what_looking_ahead_does() {
        for pattern in [
            "30 2 * * *",
            "*/20 * * * *",
            "0 0 1 * *",
            "15 1-3 * * SUN",
            "0 2 29 2 *",
        ] {
            let schedule = berlin(pattern);
            for (from, until) in [
                ("2026-10-23T07:00:00Z", "2026-10-27T01:30:00Z"),
                ("2026-03-27T00:30:00Z", "2026-03-31T00:30:00Z"),
            ] {
                let (from, until) = (moment(from), moment(until));
                let ahead: Vec<_> = schedule
                    .after(from)
                    .take_while(|found| *found <= until)
                    .collect();
                assert_eq!(
                    schedule.between(from, until, usize::MAX),
                    ahead,
                    "{pattern}"
                );
                let last: Vec<_> = ahead.iter().rev().take(2).rev().copied().collect();
                assert_eq!(schedule.between(from, until, 2), last, "{pattern}");
            }
        }
    }

    #[test]
    fn what_is_no_schedule_is_said() {
        let zone = Zone::parse("UTC").unwrap();
        for pattern in ["", "nightly", "61 * * * *", "* * * *", "0 0 3 * * *"] {
            let error = Schedule::parse(pattern, &zone).unwrap_err();
            assert!(
                matches!(error, ScheduleError::Pattern { .. }),
                "{pattern}: {error}"
            );
        }
        let never = Schedule::parse("0 0 30 2 *", &zone).unwrap_err();
        assert!(
            matches!(
                never,
                ScheduleError::Never { .. } | ScheduleError::Pattern { .. }
            ),
            "{never}"
        );
        assert!(matches!(
            Zone::parse("Mars/Olympus"),
            Err(ScheduleError::Zone { .. })
        ));
    }

    #[test]
    fn offsets_are_those_of_the_moment() {
        let zone = Zone::parse("Europe/Berlin").unwrap();
        assert_eq!(zone.offset(moment("2026-07-01T00:00:00Z")), 7200);
        assert_eq!(zone.offset(moment("2026-12-01T00:00:00Z")), 3600);
    }
}
