//! What one PostgreSQL type's values become in another (PostgreSQL manual, chapter "Data Types").

use alloc::{boxed::Box, string::String};

use super::Labels;
use crate::rows::Conversion;

/// A type, as far as it matters what others make of its text.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Type {
    /// `text`, `citext`, `character varying(n)`.
    Text(Option<usize>),
    /// `character(n)`.
    Padded(usize),
    /// Whole numbers of so many bytes.
    Integer(u32),
    /// `numeric`, with precision and scale where they are limited.
    Numeric(Option<(usize, usize)>),
    Real,
    Double,
    Date,
    /// A time of day on a date: its kind, which keeps its offset or not, and the digits of its seconds' fraction.
    Timestamp {
        utc: bool,
        digits: usize,
    },
    /// A time of day.
    Time {
        utc: bool,
        digits: usize,
    },
    Uuid,
    Json,
    Jsonb,
    Array(Box<Type>),
    Other(String),
}

/// Digits that PostgreSQL keeps of a second unless a type says otherwise.
const MICROSECONDS: usize = 6;

impl Type {
    /// Reads what `format_type` prints.
    fn parse(printed: &str) -> Self {
        if let Some(element) = printed.strip_suffix("[]") {
            return Self::Array(Box::new(Self::parse(element)));
        }
        let other = || Self::Other(printed.into());
        let (name, arguments) = match printed.split_once('(') {
            Some((before, rest)) => match rest.split_once(')') {
                Some((arguments, after)) => (alloc::format!("{before}{after}"), Some(arguments)),
                None => return other(),
            },
            None => (String::from(printed), None),
        };
        let number = || arguments.map(|text| text.parse::<usize>()).transpose();
        let parsed = match name.as_str() {
            "text" | "citext" | "public.citext" => Some(Self::Text(None)),
            "character varying" => number().ok().map(Self::Text),
            "character" => number().ok().flatten().map(Self::Padded),
            "smallint" => Some(Self::Integer(2)),
            "integer" => Some(Self::Integer(4)),
            "bigint" => Some(Self::Integer(8)),
            "numeric" => match arguments {
                None => Some(Self::Numeric(None)),
                Some(arguments) => arguments
                    .split_once(',')
                    .and_then(|(precision, scale)| {
                        Some((precision.parse().ok()?, scale.parse().ok()?))
                    })
                    .filter(|(precision, scale)| scale <= precision)
                    .map(|limits| Self::Numeric(Some(limits))),
            },
            "real" => Some(Self::Real),
            "double precision" => Some(Self::Double),
            "date" => Some(Self::Date),
            "timestamp without time zone" => number().ok().map(|digits| Self::Timestamp {
                utc: false,
                digits: digits.unwrap_or(MICROSECONDS),
            }),
            "timestamp with time zone" => number().ok().map(|digits| Self::Timestamp {
                utc: true,
                digits: digits.unwrap_or(MICROSECONDS),
            }),
            "time without time zone" => number().ok().map(|digits| Self::Time {
                utc: false,
                digits: digits.unwrap_or(MICROSECONDS),
            }),
            "time with time zone" => number().ok().map(|digits| Self::Time {
                utc: true,
                digits: digits.unwrap_or(MICROSECONDS),
            }),
            "uuid" => Some(Self::Uuid),
            "json" => Some(Self::Json),
            "jsonb" => Some(Self::Jsonb),
            _ => None,
        };
        parsed.unwrap_or_else(other)
    }
}

/// How values of the type `from` become values of the type `to`; `None` where they can't.
pub(super) fn conversion(from: &str, to: &str, labels: &[Labels]) -> Option<Conversion> {
    if from == to {
        return Some(Conversion::Same);
    }
    let enumeration = |name: &str| labels.iter().find(|labels| labels.type_name == name);
    match (Type::parse(from), Type::parse(to), enumeration(to)) {
        // What a name that the target doesn't know stands for can't be told, but its values are looked at one by one.
        (Type::Text(_) | Type::Other(_), _, Some(known)) => Some(Conversion::Label {
            labels: known.labels.clone(),
        }),
        (Type::Other(_), Type::Text(None), None) if enumeration(from).is_some() => {
            Some(Conversion::Same)
        }
        (from, to, _) => between(&from, &to),
    }
}

fn between(from: &Type, to: &Type) -> Option<Conversion> {
    use Type::{
        Array, Date, Double, Integer, Json, Jsonb, Numeric, Padded, Real, Text, Time, Timestamp,
        Uuid,
    };
    Some(match (from, to) {
        (from, to) if from == to => Conversion::Same,
        (Text(shorter), Text(Some(longest))) => match shorter {
            Some(shorter) if shorter <= longest => Conversion::Same,
            _ => Conversion::Text { longest: *longest },
        },
        (Padded(_), Text(longest)) => Conversion::Trimmed { longest: *longest },
        (Text(_), Padded(length)) => Conversion::Padded {
            length: *length,
            padded: false,
        },
        (Padded(_), Padded(length)) => Conversion::Padded {
            length: *length,
            padded: true,
        },
        (Integer(narrow), Integer(wide)) if narrow <= wide => Conversion::Same,
        (Integer(_) | Numeric(_), Integer(bytes)) => integer(*bytes),
        (Integer(_), Double) | (Real, Double) => Conversion::Double,
        (Integer(_) | Numeric(_), Numeric(None)) => Conversion::Same,
        (Integer(_) | Numeric(_), Numeric(Some((precision, scale)))) => Conversion::Decimal {
            precision: *precision,
            scale: *scale,
        },
        (Date, Timestamp { utc: false, .. }) => Conversion::Midnight,
        (
            Timestamp { utc, digits },
            Timestamp {
                utc: to_utc,
                digits: to_digits,
            },
        )
        | (
            Time { utc, digits },
            Time {
                utc: to_utc,
                digits: to_digits,
            },
        ) => match (digits <= to_digits, utc == to_utc) {
            (true, true) => Conversion::Same,
            (false, true) => Conversion::Fraction { digits: *to_digits },
            (true, false) if matches!(from, Timestamp { .. }) => {
                if *to_utc {
                    Conversion::AddUtc
                } else {
                    Conversion::RemoveUtc
                }
            }
            _ => return None,
        },
        (
            Text(_)
            | Integer(_)
            | Numeric(_)
            | Real
            | Double
            | Date
            | Timestamp { .. }
            | Time { .. }
            | Uuid
            | Json
            | Jsonb,
            Text(limit),
        ) => limit.map_or(Conversion::Same, |longest| Conversion::Text { longest }),
        (Text(_), Uuid) => Conversion::Uuid,
        (Jsonb, Json) => Conversion::Same,
        (Text(_), Json) => Conversion::Json { binary: false },
        (Text(_) | Json, Jsonb) => Conversion::Json { binary: true },
        (Array(from), Array(to)) => {
            return between(from, to).filter(|inner| *inner == Conversion::Same);
        }
        _ => return None,
    })
}

const fn integer(bytes: u32) -> Conversion {
    let (min, max) = match bytes {
        2 => (i16::MIN as i64, i16::MAX as i64),
        4 => (i32::MIN as i64, i32::MAX as i64),
        _ => (i64::MIN, i64::MAX),
    };
    Conversion::Integer { min, max }
}
