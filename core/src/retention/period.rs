//! Hours, days, weeks, months, quarters and years of a wall clock.

use serde::{Deserialize, Serialize};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
/// Offsets of wall clocks are less than this, so that an hour can be told from the same hour after the clock was set back.
const OFFSETS: i64 = 1 << 18;

/// A kind of period of which the newest backup is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// An hour. The one that comes twice when clocks are set back is two.
    Hour,
    /// A day.
    Day,
    /// A week from Monday on.
    Week,
    /// A month.
    Month,
    /// A quarter of a year.
    Quarter,
    /// A year.
    Year,
}

impl Period {
    /// A number that two moments share exactly if they are in the same period. `taken` is in seconds since 1970 in UTC,
    /// `offset` the seconds that the wall clock was ahead.
    pub(super) fn of(self, taken: i64, offset: i32) -> i64 {
        let offset = i64::from(offset);
        let local = taken.saturating_add(offset);
        let day = local.div_euclid(DAY);
        match self {
            Self::Hour => local
                .div_euclid(HOUR)
                .saturating_mul(OFFSETS)
                .saturating_add(offset),
            Self::Day => day,
            // 1970 began on a Thursday.
            Self::Week => (day + 3).div_euclid(7),
            Self::Month => month(day),
            Self::Quarter => month(day).div_euclid(3),
            Self::Year => month(day).div_euclid(12),
        }
    }
}

/// Months from January of year 0 of the Gregorian calendar to a day since 1970.
///
/// Years are counted from March, so that the leap day is the last day of one, in eras of 400 years, which all have the
/// same length (ISO 8601's proleptic calendar).
fn month(day: i64) -> i64 {
    const ERA: i64 = 146_097;
    /// Days from 1 March of year 0 to 1970.
    const TO_1970: i64 = 719_468;
    let from_march = day + TO_1970;
    let era = from_march.div_euclid(ERA);
    let in_era = from_march.rem_euclid(ERA);
    // Each century but the fourth lacks a leap day, and each fourth year has one.
    let year = (in_era - in_era / 1460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year + year / 4 - year / 100);
    // Months from March on have 31, 30, 31, 30, 31 days, again and again: 153 in five.
    let since_march = (5 * in_year + 2) / 153;
    (era * 400 + year) * 12 + 2 + since_march
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every day from 1600 to 2400 against a calendar that is counted day by day.
    #[test]
    fn months_are_those_of_the_calendar() {
        let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        // 1 January 1600.
        let mut day = -135_140;
        for year in 1600..2400 {
            for in_year in 0..12 {
                let days = match in_year {
                    1 if leap(year) => 29,
                    1 => 28,
                    3 | 5 | 8 | 10 => 30,
                    _ => 31,
                };
                for _ in 0..days {
                    assert_eq!(month(day), year * 12 + in_year, "{year} {in_year} {day}");
                    day += 1;
                }
            }
        }
        assert_eq!(month(0), 1970 * 12);
    }

    #[test]
    fn weeks_begin_on_monday() {
        // Sunday 22 and Monday 23 November 2026.
        let sunday = 1_795_305_600;
        assert_eq!(Period::Week.of(sunday, 0), Period::Week.of(sunday - DAY, 0));
        assert_ne!(Period::Week.of(sunday, 0), Period::Week.of(sunday + DAY, 0));
    }

    #[test]
    fn nothing_overflows() {
        for taken in [i64::MIN, i64::MAX] {
            for offset in [i32::MIN, i32::MAX] {
                for period in [Period::Hour, Period::Day, Period::Week, Period::Year] {
                    period.of(taken, offset);
                }
            }
        }
    }
}
