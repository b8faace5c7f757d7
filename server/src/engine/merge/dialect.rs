//! How the engines spell things.

use coffer_core::policy::{Normalise, OneOf, Scalar};

use crate::engine::sql;

/// How an engine spells things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Postgres,
    Sqlite,
}

impl Dialect {
    /// A table of this transaction.
    pub(crate) fn own(self, kind: &str, index: usize) -> String {
        match self {
            Self::Postgres => format!("pg_temp.coffer_{kind}{index}"),
            Self::Sqlite => format!("temp.coffer_{kind}{index}"),
        }
    }

    pub(super) fn create_as(self, name: &str, query: &str) -> String {
        match self {
            Self::Postgres => format!(
                "CREATE TEMPORARY TABLE {} ON COMMIT DROP AS {query}",
                name.trim_start_matches("pg_temp.")
            ),
            Self::Sqlite => format!(
                "CREATE TEMPORARY TABLE {} AS {query}",
                name.trim_start_matches("temp.")
            ),
        }
    }

    /// `columns` are those that the table is joined by; nothing means that any may be.
    pub(super) fn analyse(self, name: &str, columns: &[String]) -> Option<String> {
        let of = match columns {
            [] => String::new(),
            columns => format!(" ({})", columns.join(", ")),
        };
        (self == Self::Postgres).then(|| format!("ANALYZE {name}{of}"))
    }

    /// A value of this type.
    pub(super) fn cast(self, value: &str, type_name: &str) -> String {
        match self {
            Self::Postgres => format!("CAST({value} AS {type_name})"),
            // Whatever the column's affinity does to it happens when it is written.
            Self::Sqlite => value.to_owned(),
        }
    }

    pub(super) fn text(self, value: &str) -> String {
        match self {
            Self::Postgres => format!("({value})::text"),
            Self::Sqlite => format!("CAST({value} AS TEXT)"),
        }
    }

    pub(super) fn normalised(self, value: &str, type_name: &str, how: Option<Normalise>) -> String {
        let text = self.text(value);
        match (self, how) {
            (Self::Postgres, None) if type_name.ends_with("citext") => format!("lower({text})"),
            (Self::Postgres, None) if type_name.starts_with("numeric") => {
                format!("trim_scale({value})::text")
            }
            (Self::Postgres, None) => text,
            (Self::Postgres, Some(Normalise::TrimLower)) => {
                format!("lower(btrim({text}) COLLATE \"C\")")
            }
            (Self::Postgres, Some(Normalise::FileStem)) => format!(
                "regexp_replace(regexp_replace({text}, '^.*/', ''), '^(.+)\\.[^.]*$', '\\1')"
            ),
            (Self::Sqlite, None) => value.to_owned(),
            (Self::Sqlite, Some(Normalise::TrimLower)) => format!("lower(trim({text}))"),
            (Self::Sqlite, Some(Normalise::FileStem)) => {
                let name =
                    format!("substr({text}, length(rtrim({text}, replace({text}, '/', ''))) + 1)");
                let stem = format!("rtrim({name}, replace({name}, '.', ''))");
                format!(
                    "CASE WHEN length({stem}) > 1 THEN substr({stem}, 1, length({stem}) - 1) ELSE {name} END"
                )
            }
        }
    }

    /// Values as one text that is the same exactly where they are.
    pub(super) fn as_one(self, values: &[String]) -> String {
        match self {
            Self::Postgres => match values {
                [one] => format!("({one})::text"),
                values => format!("ROW({})::text", values.join(", ")),
            },
            Self::Sqlite => values
                .iter()
                .map(|value| {
                    // quote() ends a text at a NUL, so texts are spelled by their bytes.
                    format!(
                        "CASE typeof({value}) WHEN 'text' THEN 't' || hex({value}) ELSE quote({value}) END"
                    )
                })
                .collect::<Vec<_>>()
                .join(" || ',' || "),
        }
    }

    /// The same as [`Self::as_one`] for whole rows, short however long they are.
    pub(super) fn as_digest(self, values: &[String]) -> String {
        match self {
            Self::Postgres => format!(
                "encode(sha256(convert_to(ROW({})::text, 'UTF8')), 'hex')",
                values.join(", ")
            ),
            Self::Sqlite => self.as_one(values),
        }
    }

    /// Something short that is the same where a text is, and seldom where it is not; and its type.
    pub(super) fn brief(self, text: &str) -> (String, &'static str) {
        match self {
            Self::Postgres => (format!("hashtextextended({text}, 0)"), "bigint"),
            Self::Sqlite => (text.to_owned(), "text"),
        }
    }

    /// Whether values differ in any way, also in one that the type's own comparison doesn't see.
    pub(super) fn differ(self, pairs: &[(String, String)]) -> String {
        if pairs.is_empty() {
            return "1 = 0".into();
        }
        match self {
            Self::Postgres => {
                let (one, other): (Vec<_>, Vec<_>) = pairs.iter().cloned().unzip();
                format!(
                    "record_image_ne(ROW({}), ROW({}))",
                    one.join(", "),
                    other.join(", ")
                )
            }
            Self::Sqlite => pairs
                .iter()
                .map(|(one, other)| {
                    format!(
                        "{one} IS NOT {other} COLLATE BINARY OR typeof({one}) <> typeof({other})"
                    )
                })
                .collect::<Vec<_>>()
                .join(" OR "),
        }
    }

    pub(super) fn scalar(self, scalar: &Scalar) -> String {
        match (self, scalar) {
            (_, Scalar::Integer(number)) => number.to_string(),
            (_, Scalar::Text(text)) => sql::literal(text),
            (Self::Postgres, Scalar::Boolean(true)) => "true".into(),
            (Self::Postgres, Scalar::Boolean(false)) => "false".into(),
            (Self::Sqlite, Scalar::Boolean(yes)) => i32::from(*yes).to_string(),
        }
    }

    /// A scalar as a column's value is printed, to compare it with.
    pub(super) fn printed(self, scalar: &Scalar) -> String {
        match scalar {
            Scalar::Text(text) => sql::literal(text),
            Scalar::Integer(number) => format!("'{number}'"),
            Scalar::Boolean(yes) => match self {
                Self::Postgres => format!("'{yes}'"),
                Self::Sqlite => format!("'{}'", i32::from(*yes)),
            },
        }
    }

    /// That a printed value is one of these.
    pub(super) fn is_one_of(self, printed: &str, values: &OneOf) -> String {
        let values = values.values().iter();
        let values: Vec<String> = values.map(|value| self.printed(value)).collect();
        format!("{printed} IN ({})", values.join(", "))
    }

    /// That a text fits a pattern in which `*` stands for any letters.
    pub(super) fn fits(self, text: &str, pattern: &str) -> String {
        let mut like = String::with_capacity(pattern.len());
        for letter in pattern.chars() {
            match (self, letter) {
                (Self::Postgres, '*') => like.push('%'),
                (Self::Postgres, '%' | '_' | '!') => like.extend(['!', letter]),
                (Self::Sqlite, '?' | '[') => like.extend(['[', letter, ']']),
                _ => like.push(letter),
            }
        }
        let like = sql::literal(&like);
        match self {
            Self::Postgres => format!("{text} LIKE {like} ESCAPE '!'"),
            // Its LIKE takes small letters for capitals.
            Self::Sqlite => format!("{text} GLOB {like}"),
        }
    }

    pub(super) fn printed_value(self, value: &str) -> String {
        self.text(value)
    }

    /// A random UUID of version 4 as text (RFC 9562, section 5.4).
    pub(super) const fn uuid(self) -> &'static str {
        match self {
            Self::Postgres => "gen_random_uuid()::text",
            Self::Sqlite => {
                "lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' || substr('89AB', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))"
            }
        }
    }

    /// 32 random hexadecimal digits.
    pub(super) const fn random(self) -> &'static str {
        match self {
            Self::Postgres => "replace(gen_random_uuid()::text, '-', '')",
            Self::Sqlite => "lower(hex(randomblob(16)))",
        }
    }

    /// A text with something put before its last suffix.
    pub(super) fn suffixed(self, value: &str, with: &str) -> String {
        let text = self.text(value);
        match self {
            Self::Postgres => format!(
                "regexp_replace({text}, '(\\.[^./]*)?$', '') || '__' || {with} || coalesce(substring({text} from '\\.[^./]*$'), '')"
            ),
            Self::Sqlite => {
                let stem = format!("rtrim({text}, replace({text}, '.', ''))");
                let has = format!(
                    "length({stem}) > 0 AND instr(substr({text}, length({stem})), '/') = 0"
                );
                format!(
                    "CASE WHEN {has} THEN substr({stem}, 1, length({stem}) - 1) || '__' || {with} || substr({text}, length({stem})) ELSE {text} || '__' || {with} END"
                )
            }
        }
    }
}
