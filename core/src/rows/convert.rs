//! One value from the text form that one type prints into the form that another one prints, if it fits there.
//!
//! The same rules count the rows that don't fit, before anything is changed, and make the rows that are loaded. What
//! they make is what the target's type prints, so that rows which are read back can be compared with them.

use alloc::{borrow::Cow, format, string::String, vec::Vec};

use super::{
    push_escaped,
    sqlite::{self, Class},
    unescape,
};

/// How the values of one column become those of another type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conversion {
    /// The text stays as it is.
    Same,
    /// Text of at most so many characters.
    Text {
        /// Characters.
        longest: usize,
    },
    /// Text without the blanks that `character(n)` is padded with, of at most so many characters, if there is a limit.
    Trimmed {
        /// Characters.
        longest: Option<usize>,
    },
    /// `character(n)`, padded with blanks.
    Padded {
        /// Characters.
        length: usize,
        /// Whether the value comes from another `character(n)`, whose blanks mean nothing.
        padded: bool,
    },
    /// A whole number within bounds; of a `numeric`, one without a fraction.
    Integer {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// `numeric(precision, scale)`.
    Decimal {
        /// Digits in all.
        precision: usize,
        /// Digits after the point.
        scale: usize,
    },
    /// `double precision`, of a whole number or a `real`.
    Double,
    /// The first moment of a day.
    Midnight,
    /// A time of day on a date, taken as UTC.
    AddUtc,
    /// The same without its offset, which is UTC's.
    RemoveUtc,
    /// A time whose fraction of a second has at most so many digits.
    Fraction {
        /// Digits.
        digits: usize,
    },
    /// A UUID as `uuid` prints it.
    Uuid,
    /// JSON. `jsonb` prints it in a form of its own, so that it can't be compared.
    Json {
        /// Whether the type is `jsonb`.
        binary: bool,
    },
    /// One of the labels of an enumeration.
    Label {
        /// The labels.
        labels: Vec<String>,
    },
    /// What SQLite stores in a column that prefers another storage class, where the value can be told from that.
    Sqlite {
        /// The class that the archive's column prefers.
        from: Class,
        /// The class that the target's column prefers.
        to: Class,
    },
}

impl Conversion {
    /// Whether a value may not fit.
    #[must_use]
    pub const fn can_fail(&self) -> bool {
        !matches!(
            self,
            Self::Same
                | Self::Trimmed { longest: None }
                | Self::Midnight
                | Self::AddUtc
                | Self::RemoveUtc
                | Self::Sqlite {
                    to: Class::Blob,
                    ..
                }
        )
    }

    /// Whether what is read back has the text that was loaded.
    #[must_use]
    pub const fn is_comparable(&self) -> bool {
        !matches!(self, Self::Json { binary: true })
    }

    /// The field, which is not NULL, in the other type's form; `None` if the value doesn't fit.
    #[must_use]
    pub fn apply<'a>(&self, field: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        match self {
            Self::Same => return Some(Cow::Borrowed(field)),
            Self::Sqlite { from, to } => return between_classes(*from, *to, field),
            _ => {}
        }
        let value = unescape(field).ok().flatten()?;
        let text = core::str::from_utf8(&value).ok()?;
        let made: Cow<'_, str> = match self {
            Self::Text { longest } => whole(text, text.chars().count() <= *longest)?,
            Self::Trimmed { longest } => {
                let trimmed = text.trim_end_matches(' ');
                let fits = longest.is_none_or(|longest| trimmed.chars().count() <= longest);
                whole(trimmed, fits)?
            }
            Self::Padded { length, padded } => pad(text, *length, *padded)?.into(),
            Self::Integer { min, max } => {
                let (whole_part, fraction) = text.split_once('.').unwrap_or((text, ""));
                let number: i64 = whole_part.parse().ok()?;
                let fits =
                    (*min..=*max).contains(&number) && fraction.bytes().all(|digit| digit == b'0');
                whole(whole_part, fits)?
            }
            Self::Decimal { precision, scale } => decimal(text, *precision, *scale)?.into(),
            Self::Double => double(text)?.into(),
            Self::Midnight => midnight(text).into(),
            Self::AddUtc => at_utc(text).into(),
            Self::RemoveUtc => without_utc(text),
            Self::Fraction { digits } => {
                let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
                let found = fraction.bytes().take_while(u8::is_ascii_digit).count();
                whole(text, found <= *digits)?
            }
            Self::Uuid => whole(text, is_uuid(text))?,
            Self::Json { .. } => {
                let read = serde_json::from_str::<serde::de::IgnoredAny>(text);
                whole(text, read.is_ok())?
            }
            Self::Label { labels } => whole(text, labels.iter().any(|label| label == text))?,
            Self::Same | Self::Sqlite { .. } => text.into(),
        };
        let mut out = Vec::with_capacity(made.len());
        push_escaped(made.as_bytes(), &mut out);
        Some(Cow::Owned(out))
    }
}

fn whole(text: &str, fits: bool) -> Option<Cow<'_, str>> {
    fits.then_some(Cow::Borrowed(text))
}

/// Text as `character(length)` prints it. Blanks at the end of another type's text would be lost among the padding.
fn pad(text: &str, length: usize, padded: bool) -> Option<String> {
    let text = if padded {
        text.trim_end_matches(' ')
    } else {
        text
    };
    let missing = length.checked_sub(text.chars().count())?;
    if missing > 0 && text.ends_with(' ') {
        return None;
    }
    let mut out = String::from(text);
    out.extend(core::iter::repeat_n(' ', missing));
    Some(out)
}

/// A number as `numeric(precision, scale)` prints it.
fn decimal(text: &str, precision: usize, scale: usize) -> Option<String> {
    if text == "NaN" {
        return Some(text.into());
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let fraction = fraction.trim_end_matches('0');
    let room = precision.checked_sub(scale)?;
    let fits = !whole.is_empty()
        && are_digits(whole)
        && are_digits(fraction)
        && whole.trim_start_matches('0').len() <= room
        && fraction.len() <= scale;
    if !fits {
        return None;
    }
    Some(if scale == 0 {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{fraction:0<scale$}")
    })
}

/// The greatest whole number below which `double precision` prints every one with all of its digits.
const PRINTED_WHOLE: u64 = 1_000_000_000_000_000;

/// A number as `double precision` prints it: the fewest digits that give it back, with an exponent below -4 and from 15.
fn double(text: &str) -> Option<String> {
    if matches!(text, "NaN" | "Infinity" | "-Infinity") {
        return Some(text.into());
    }
    if let Ok(whole) = text.parse::<i64>() {
        return (whole.unsigned_abs() < PRINTED_WHOLE).then(|| text.into());
    }
    let number: f64 = text.parse().ok()?;
    let printed = format!("{number:e}");
    let (digits, exponent) = printed.split_once('e')?;
    let exponent: i32 = exponent.parse().ok()?;
    Some(if (-4..15).contains(&exponent) {
        format!("{number}")
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
    })
}

fn is_special_time(text: &str) -> bool {
    matches!(text, "infinity" | "-infinity")
}

/// Years before Christ are marked behind the time.
fn before_era(text: &str) -> (&str, &str) {
    text.strip_suffix(" BC")
        .map_or((text, ""), |time| (time, " BC"))
}

fn midnight(text: &str) -> String {
    if is_special_time(text) {
        return text.into();
    }
    let (date, era) = before_era(text);
    format!("{date} 00:00:00{era}")
}

fn at_utc(text: &str) -> String {
    if is_special_time(text) {
        return text.into();
    }
    let (time, era) = before_era(text);
    format!("{time}+00{era}")
}

fn without_utc(text: &str) -> Cow<'_, str> {
    let (time, era) = before_era(text);
    match time.strip_suffix("+00") {
        Some(time) if era.is_empty() => time.into(),
        Some(time) => format!("{time}{era}").into(),
        None => text.into(),
    }
}

fn is_uuid(text: &str) -> bool {
    let hyphens = [8, 13, 18, 23];
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| {
            if hyphens.contains(&at) {
                byte == b'-'
            } else {
                matches!(byte, b'0'..=b'9' | b'a'..=b'f')
            }
        })
}

fn between_classes(from: Class, to: Class, field: &[u8]) -> Option<Cow<'_, [u8]>> {
    let value = sqlite::parse_value(from, field).ok()?;
    let stored = sqlite::stored(to, value)?;
    let mut out = Vec::with_capacity(field.len());
    sqlite::push_value(to, &stored, &mut out);
    Some(Cow::Owned(out))
}

#[cfg(test)]
mod tests;
