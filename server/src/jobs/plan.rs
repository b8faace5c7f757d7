//! Which times of a job are due.

use coffer_core::Digest;
use time::{Duration, OffsetDateTime};

use crate::{
    catalog::{CatchUp, Id},
    schedule::Schedule,
};

/// How late a run may begin without counting as missed: longer than a server takes to start again.
const GRACE: Duration = Duration::minutes(5);
/// Of the times that were missed while no server was there, the last so many are recorded.
pub const MAX_MISSED: usize = 50;

/// The times that are due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// The one that is run: when it was due, and when it may begin.
    pub run: Option<(OffsetDateTime, OffsetDateTime)>,
    /// Those that are too late.
    pub missed: Vec<OffsetDateTime>,
    /// Those that another one makes up for that came due after them, before anybody got to either.
    pub skipped: Vec<OffsetDateTime>,
}

impl Times {
    /// Whether nothing is due.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.run.is_none() && self.missed.is_empty() && self.skipped.is_empty()
    }
}

/// The times of a job after `planned_until` and up to `now`.
#[must_use]
pub fn due(
    job: &Id,
    schedule: &Schedule,
    catch_up: CatchUp,
    jitter_seconds: u32,
    planned_until: OffsetDateTime,
    now: OffsetDateTime,
) -> Times {
    let (mut late, mut in_time): (Vec<_>, Vec<_>) = schedule
        .between(planned_until, now, MAX_MISSED)
        .into_iter()
        .partition(|time| now - *time > GRACE);
    // A run that is in time makes up for all before it.
    let last = match in_time.pop() {
        None if catch_up == CatchUp::One => late.pop(),
        last => last,
    };
    Times {
        run: last.map(|time| (time, time + jitter(job, time, jitter_seconds))),
        missed: late,
        skipped: in_time,
    }
}

/// How much later a run begins: the same for whoever asks, another for each job and time.
fn jitter(job: &Id, time: OffsetDateTime, most: u32) -> Duration {
    let digest = Digest::of(format!("{job} {}", time.unix_timestamp()).as_bytes());
    let [a, b, c, d, ..] = digest.0;
    let number = u64::from(u32::from_be_bytes([a, b, c, d]));
    // Of 2³² numbers, so that the remainder prefers none to speak of.
    Duration::seconds(i64::try_from(number % (u64::from(most) + 1)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock, schedule::Zone};

    fn moment(text: &str) -> OffsetDateTime {
        clock::parse(text).unwrap()
    }

    fn texts(times: &[OffsetDateTime]) -> Vec<String> {
        times.iter().copied().map(clock::text).collect()
    }

    fn ask(catch_up: CatchUp, from: &str, now: &str) -> (Vec<String>, Vec<String>) {
        let schedule = Schedule::parse("0 * * * *", &Zone::parse("UTC").unwrap()).unwrap();
        let job = Id::parse(&"ab".repeat(16)).unwrap();
        let times = due(&job, &schedule, catch_up, 0, moment(from), moment(now));
        let run: Vec<_> = times.run.iter().map(|(time, _)| *time).collect();
        assert!(times.skipped.is_empty());
        (texts(&run), texts(&times.missed))
    }

    #[test]
    fn of_several_that_are_in_time_the_last_is_run() {
        let schedule = Schedule::parse("* * * * *", &Zone::parse("UTC").unwrap()).unwrap();
        let job = Id::parse(&"ab".repeat(16)).unwrap();
        let (from, now) = (
            moment("2026-11-21T03:50:30Z"),
            moment("2026-11-21T03:58:00Z"),
        );
        for catch_up in [CatchUp::None, CatchUp::One] {
            let times = due(&job, &schedule, catch_up, 0, from, now);
            assert_eq!(times.run.map(|(time, _)| time), Some(now));
            assert_eq!(
                texts(&times.missed),
                ["2026-11-21T03:51:00Z", "2026-11-21T03:52:00Z"]
            );
            assert_eq!(times.skipped.len(), 5, "{:?}", times.skipped);
        }
    }

    #[test]
    fn what_is_in_time_is_run() {
        for catch_up in [CatchUp::None, CatchUp::One] {
            let (run, missed) = ask(catch_up, "2026-11-21T03:00:00Z", "2026-11-21T04:00:03Z");
            assert_eq!(run, ["2026-11-21T04:00:00Z"]);
            assert!(missed.is_empty());
            let nothing = ask(catch_up, "2026-11-21T04:00:00Z", "2026-11-21T04:59:59Z");
            assert_eq!(nothing, (vec![], vec![]));
        }
    }

    #[test]
    fn after_a_pause_the_last_is_made_up_for_or_all_are_missed() {
        let (from, now) = ("2026-11-21T01:30:00Z", "2026-11-21T04:40:00Z");
        let (run, missed) = ask(CatchUp::None, from, now);
        assert!(run.is_empty());
        assert_eq!(
            missed,
            [
                "2026-11-21T02:00:00Z",
                "2026-11-21T03:00:00Z",
                "2026-11-21T04:00:00Z"
            ]
        );
        let (run, missed) = ask(CatchUp::One, from, now);
        assert_eq!(run, ["2026-11-21T04:00:00Z"]);
        assert_eq!(missed, ["2026-11-21T02:00:00Z", "2026-11-21T03:00:00Z"]);
        // One in time makes up for the others.
        let (run, missed) = ask(CatchUp::One, from, "2026-11-21T04:01:00Z");
        assert_eq!(run, ["2026-11-21T04:00:00Z"]);
        assert_eq!(missed.len(), 2);
    }

    #[test]
    fn jitter_is_the_same_for_all_servers_and_within_its_bounds() {
        let job = Id::parse(&"ab".repeat(16)).unwrap();
        let start = moment("2026-11-21T00:00:00Z");
        let found: Vec<_> = (0..100)
            .map(|hour| jitter(&job, start + Duration::hours(hour), 600).whole_seconds())
            .collect();
        assert!(found.iter().all(|seconds| (0..=600).contains(seconds)));
        assert!(found.iter().max() > Some(&500) && found.iter().min() < Some(&100));
        assert_eq!(jitter(&job, start, 600), jitter(&job, start, 600));
        assert_eq!(jitter(&job, start, 0), Duration::ZERO);
    }
}
