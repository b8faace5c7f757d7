//! One snapshot a rule, as a table in `snapshots/`. `COFFER_BLESS=1` writes them anew, to be read before they are kept.

use super::*;
use alloc::{format, string::String};
use core::fmt::Write;
use std::{env, fs};

/// Seconds since 1970 of a day and time of 2026 or near it, by counting days.
fn at(text: &str) -> i64 {
    let numbers: Vec<i64> = text
        .split(['-', ' ', ':'])
        .map(|number| number.parse().unwrap())
        .collect();
    let [year, month, day, hour, minute] = numbers[..] else {
        panic!("{text}");
    };
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let mut days = (1970..year)
        .map(|year| 365 + i64::from(leap(year)))
        .sum::<i64>();
    let lengths = [
        31,
        28 + i64::from(leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    days += lengths
        .iter()
        .take(usize::try_from(month).unwrap() - 1)
        .sum::<i64>()
        + day
        - 1;
    (days * 24 + hour) * 3600 + minute * 60
}

/// Backups by their wall clock, with `!` for not verified, `#` for locked and `+01`, `+02` for an offset.
fn backups(lines: &[&str]) -> Vec<(String, Candidate)> {
    lines
        .iter()
        .map(|line| {
            let mut words = line.split(' ');
            let (date, time) = (words.next().unwrap(), words.next().unwrap());
            let mut offset = 0;
            let (mut verified, mut locked) = (true, false);
            for word in words {
                match word {
                    "!" => verified = false,
                    "#" => locked = true,
                    hours => offset = hours.parse::<i32>().unwrap() * 3600,
                }
            }
            let candidate = Candidate {
                taken: at(&format!("{date} {time}")) - i64::from(offset),
                offset,
                verified,
                locked,
            };
            ((*line).into(), candidate)
        })
        .collect()
}

fn days(from: &str, count: i64, every: i64) -> Vec<(String, Candidate)> {
    let first = at(from);
    (0..count)
        .map(|number| {
            let taken = first - number * every * 3600;
            let candidate = Candidate {
                taken,
                offset: 0,
                verified: true,
                locked: false,
            };
            (name(taken), candidate)
        })
        .collect()
}

/// The wall clock of UTC, the other way around than [`at`].
fn name(taken: i64) -> String {
    let (day, seconds) = (taken.div_euclid(86_400), taken.rem_euclid(86_400));
    let months = (1..=12).flat_map(|month| (2020..2032).map(move |year| (year, month)));
    let (year, month, first) = months
        .map(|(year, month)| (year, month, at(&format!("{year}-{month}-1 0:0")) / 86_400))
        .filter(|(_, _, first)| *first <= day)
        .max_by_key(|(_, _, first)| *first)
        .unwrap();
    let (hour, minute) = (seconds / 3600, seconds % 3600 / 60);
    format!(
        "{year}-{month:02}-{:02} {hour:02}:{minute:02}",
        day - first + 1
    )
}

fn word(period: Period) -> &'static str {
    match period {
        Period::Hour => "hour",
        Period::Day => "day",
        Period::Week => "week",
        Period::Month => "month",
        Period::Quarter => "quarter",
        Period::Year => "year",
    }
}

fn why(verdict: &Verdict, names: &[(String, Candidate)]) -> String {
    let kept = verdict.kept.iter().map(|reason| match reason {
        Kept::NoRules => "there are no rules".into(),
        Kept::Locked => "locked".into(),
        Kept::NotVerified => "not verified".into(),
        Kept::NewestVerified => "the newest verified".into(),
        Kept::Last { number, of } => format!("last {number} of {of}"),
        Kept::Newest { period, number, of } => format!("{} {number} of {of}", word(*period)),
        Kept::Oldest { period, of } => format!("oldest, {of} {}s not full", word(*period)),
        Kept::Within { hours } => format!("within {hours} h"),
    });
    let passed = verdict.passed.iter().map(|reason| match reason {
        Passed::Last { of } => format!("not among the last {of}"),
        Passed::Newer { period, by } => format!("{} has {}", word(*period), names[*by].0),
        Passed::Full { period, of } => format!("{of} later {}s", word(*period)),
        Passed::Older { hours } => format!("older than {hours} h"),
    });
    let reasons: Vec<String> = match verdict.stays() {
        true => kept.collect(),
        false => passed.collect(),
    };
    reasons.join("; ")
}

fn snapshot(name: &str, policy: Policy, backups: &[(String, Candidate)]) {
    let candidates: Vec<Candidate> = backups.iter().map(|(_, candidate)| *candidate).collect();
    let now = at("2026-11-22 12:00");
    let verdicts = decide(&policy, &candidates, now);
    let mut table = String::new();
    for ((name, _), verdict) in backups.iter().zip(&verdicts) {
        let fate = if verdict.stays() { "stays" } else { "goes " };
        writeln!(table, "{name:<22} {fate}  {}", why(verdict, backups)).unwrap();
    }
    let path = format!(
        "{}/src/retention/snapshots/{name}.txt",
        env!("CARGO_MANIFEST_DIR")
    );
    if env::var_os("COFFER_BLESS").is_some() {
        fs::write(&path, &table).unwrap();
    }
    assert_eq!(
        table,
        fs::read_to_string(&path).unwrap_or_default(),
        "{name}"
    );
    // The order that it is asked in matters to nobody, and what is gone takes nothing with it the next time.
    let reversed: Vec<Candidate> = candidates.iter().rev().copied().collect();
    let stays = |verdicts: &[Verdict]| verdicts.iter().map(Verdict::stays).collect::<Vec<_>>();
    let mut again = stays(&decide(&policy, &reversed, now));
    again.reverse();
    assert_eq!(stays(&verdicts), again, "{name}");
    let left: Vec<Candidate> = candidates
        .iter()
        .zip(&verdicts)
        .filter(|(_, verdict)| verdict.stays())
        .map(|(candidate, _)| *candidate)
        .collect();
    assert!(
        decide(&policy, &left, now).iter().all(Verdict::stays),
        "{name}"
    );
}

fn places(number: u32) -> Option<NonZeroU32> {
    NonZeroU32::new(number)
}

const NONE: Policy = Policy {
    last: None,
    hourly: None,
    daily: None,
    weekly: None,
    monthly: None,
    quarterly: None,
    yearly: None,
    within_hours: None,
};

#[test]
fn the_last() {
    let policy = Policy {
        last: places(3),
        ..NONE
    };
    snapshot("last", policy, &days("2026-11-22 03:00", 6, 24));
}

#[test]
fn no_rules_keep_everything() {
    snapshot("no-rules", NONE, &days("2026-11-22 03:00", 3, 24));
}

#[test]
fn hours() {
    let policy = Policy {
        hourly: places(3),
        ..NONE
    };
    let taken = [
        "2026-11-22 11:45",
        "2026-11-22 11:15",
        "2026-11-22 10:59",
        "2026-11-22 10:00",
        "2026-11-22 07:30",
        "2026-11-22 07:10",
        "2026-11-22 06:00",
    ];
    snapshot("hourly", policy, &backups(&taken));
}

#[test]
fn hours_when_clocks_are_set_back_and_forth() {
    let policy = Policy {
        hourly: places(9),
        ..NONE
    };
    let taken = [
        // Berlin, 25 October: 02:30 comes twice.
        "2026-10-25 03:10 +01",
        "2026-10-25 02:40 +01",
        "2026-10-25 02:20 +01",
        "2026-10-25 02:40 +02",
        "2026-10-25 02:20 +02",
        "2026-10-25 01:50 +02",
        // Berlin, 29 March: 02:30 does not come.
        "2026-03-29 03:10 +02",
        "2026-03-29 01:50 +01",
        "2026-03-29 01:40 +01",
        "2026-03-29 00:10 +01",
    ];
    snapshot("hourly-dst", policy, &backups(&taken));
}

#[test]
fn the_day_is_that_of_the_time_zone() {
    let policy = Policy {
        daily: places(3),
        ..NONE
    };
    let taken = [
        // In UTC the second and third are of one day, in Berlin the first and second.
        "2026-11-22 09:00 +01",
        "2026-11-22 00:30 +01",
        "2026-11-21 23:30 +01",
        "2026-11-21 08:00 +01",
        "2026-11-20 08:00 +01",
        "2026-11-19 08:00 +01",
    ];
    snapshot("daily", policy, &backups(&taken));
}

#[test]
fn weeks() {
    let policy = Policy {
        weekly: places(3),
        ..NONE
    };
    snapshot("weekly", policy, &days("2026-11-22 03:00", 24, 24));
}

#[test]
fn weeks_go_on_over_the_end_of_a_year() {
    let policy = Policy {
        weekly: places(2),
        ..NONE
    };
    let taken = [
        "2026-01-04 03:00",
        "2026-01-01 03:00",
        "2025-12-30 03:00",
        "2025-12-28 03:00",
        "2025-12-22 03:00",
        "2025-12-21 03:00",
    ];
    snapshot("weekly-new-year", policy, &backups(&taken));
}

#[test]
fn months() {
    let policy = Policy {
        monthly: places(3),
        ..NONE
    };
    snapshot("monthly", policy, &days("2026-11-22 03:00", 16, 7 * 24));
}

#[test]
fn quarters() {
    let policy = Policy {
        quarterly: places(3),
        ..NONE
    };
    let taken = [
        "2026-11-01 03:00",
        "2026-10-01 00:00",
        "2026-09-30 23:59",
        "2026-07-01 03:00",
        "2026-03-31 03:00",
        "2026-01-01 03:00",
        "2025-12-31 03:00",
    ];
    snapshot("quarterly", policy, &backups(&taken));
}

#[test]
fn years() {
    let policy = Policy {
        yearly: places(3),
        ..NONE
    };
    let taken = [
        "2026-06-01 03:00",
        "2026-01-01 00:00",
        "2025-12-31 23:59",
        "2025-01-01 03:00",
        "2022-05-05 03:00",
        "2021-05-05 03:00",
    ];
    snapshot("yearly", policy, &backups(&taken));
}

#[test]
fn the_oldest_stays_while_there_are_places() {
    let policy = Policy {
        daily: places(2),
        yearly: places(5),
        ..NONE
    };
    snapshot("oldest", policy, &days("2026-11-22 03:00", 5, 24));
}

#[test]
fn generations() {
    let policy = Policy {
        last: places(2),
        daily: places(4),
        weekly: places(3),
        monthly: places(3),
        yearly: places(2),
        ..NONE
    };
    snapshot("generations", policy, &days("2026-11-22 03:00", 34, 72));
}

#[test]
fn within() {
    let policy = Policy {
        within_hours: places(48),
        ..NONE
    };
    snapshot("within", policy, &days("2026-11-20 03:00", 9, 12));
}

#[test]
fn a_clock_that_was_ahead_makes_nothing_old() {
    let policy = Policy {
        within_hours: places(48),
        ..NONE
    };
    let mut taken = backups(&["2031-01-01 00:00"]);
    taken.extend(days("2026-11-22 03:00", 4, 24));
    snapshot("within-ahead", policy, &taken);
}

#[test]
fn locked_ones_stay_and_take_no_place() {
    let policy = Policy {
        last: places(2),
        ..NONE
    };
    let taken = [
        "2026-11-22 03:00 #",
        "2026-11-21 03:00",
        "2026-11-20 03:00",
        "2026-11-19 03:00",
        "2026-11-18 03:00 #",
    ];
    snapshot("locked", policy, &backups(&taken));
}

#[test]
fn only_verified_ones_count() {
    let policy = Policy {
        last: places(1),
        ..NONE
    };
    let taken = [
        "2026-11-22 03:00 !",
        "2026-11-21 03:00",
        "2026-11-20 03:00 !",
        "2026-11-19 03:00",
    ];
    snapshot("verified", policy, &backups(&taken));
}

/// Whatever the rules say: where there are verified backups, the newest of them stays.
#[test]
fn the_newest_verified_one_never_goes() {
    let taken = days("2026-11-22 03:00", 40, 7);
    for number in 0..taken.len() {
        let mut candidates: Vec<Candidate> =
            taken.iter().map(|(_, candidate)| *candidate).collect();
        for (at, one) in candidates.iter_mut().enumerate() {
            one.verified = at >= number;
        }
        for policy in [
            Policy {
                last: places(1),
                ..NONE
            },
            Policy {
                within_hours: places(1),
                ..NONE
            },
            Policy {
                yearly: places(1),
                ..NONE
            },
        ] {
            // Also when the clock of this machine is behind by years.
            for now in [at("2026-11-22 12:00"), 0] {
                let verdicts = decide(&policy, &candidates, now);
                assert!(verdicts[number].stays());
                assert!(verdicts.iter().take(number).all(Verdict::stays));
            }
        }
    }
    assert!(decide(&NONE, &[], 0).is_empty());
}
