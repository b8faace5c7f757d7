//! A few of the rows that change, before and after.

use coffer_core::merge::{Changed, SAMPLES, SHOWN, Sample, Shown};

use super::{Dialect, Merge, sql::Sql};
use crate::engine::{EngineError, sql};

/// Stands between the values of a row, each in hexadecimal digits.
const BETWEEN: char = ',';
/// Stands between what a value was and what it becomes.
const ARROW: char = '>';
/// Stands for NULL.
const NULL: &str = "-";

impl Merge<'_, '_> {
    /// Rows of one table that change, once it is composed how and before they do. Which ones is the database's choice.
    pub(super) async fn sample(&mut self, index: usize) -> Result<Vec<Sample>, EngineError> {
        let table = self.table(index)?;
        let changing = self.sql.changing(table);
        let query = self.sql.sampled(index)?;
        let mut samples: Vec<Sample> = self
            .run
            .pairs(&table.table, query)
            .await?
            .iter()
            .map(|(key, values)| Sample {
                key: table
                    .primary_key
                    .iter()
                    .cloned()
                    .zip(key.split(BETWEEN).map(shown))
                    .collect(),
                changes: changing
                    .iter()
                    .zip(values.split(BETWEEN))
                    .filter_map(|(column, value)| {
                        let (before, after) = value.split_once(ARROW)?;
                        (before != after).then(|| Changed {
                            column: (*column).to_owned(),
                            before: shown(before),
                            after: shown(after),
                        })
                    })
                    .collect(),
            })
            .collect();
        samples.sort();
        Ok(samples)
    }
}

/// A value that came in hexadecimal digits.
fn shown(digits: &str) -> Shown {
    if digits == NULL {
        return Shown::Null;
    }
    let bytes: Vec<u8> = digits
        .as_bytes()
        .chunks(2)
        .filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    Shown::text(&String::from_utf8_lossy(&bytes))
}

impl Sql<'_> {
    fn sampled(&self, index: usize) -> Result<String, EngineError> {
        let table = self.table(index)?;
        let changing = self.changing(table);
        let key = table.primary_key.iter();
        let key: Vec<String> = key
            .map(|column| self.dialect.digits(&format!("t.{}", sql::name(column))))
            .collect();
        let values: Vec<String> = table
            .columns
            .iter()
            .enumerate()
            .filter(|(_, column)| changing.contains(&column.name.as_str()))
            .map(|(number, column)| {
                let before = self
                    .dialect
                    .digits(&format!("t.{}", sql::name(&column.name)));
                let after = self.dialect.digits(&format!("l.v{number}"));
                format!("{before} || '{ARROW}' || {after}")
            })
            .collect();
        let together = |parts: Vec<String>| {
            if parts.is_empty() {
                "''".to_owned()
            } else {
                parts.join(&format!(" || '{BETWEEN}' || "))
            }
        };
        Ok(format!(
            "SELECT {}, {} FROM {} l JOIN {} t ON {} LIMIT {SAMPLES}",
            together(key),
            together(values),
            self.own("u", index),
            self.place(index)?.rows,
            self.lies(index)?
        ))
    }
}

impl Dialect {
    /// The start of a value's text in hexadecimal digits, so that no value can be taken for what stands between them.
    fn digits(self, value: &str) -> String {
        // One more than is shown, which tells that there is more.
        let length = SHOWN + 1;
        match self {
            Self::Postgres => format!(
                "coalesce(encode(convert_to(left(({value})::text, {length}), 'UTF8'), 'hex'), '{NULL}')"
            ),
            Self::Sqlite => format!(
                "CASE typeof({value}) WHEN 'null' THEN '{NULL}' WHEN 'blob' THEN hex(substr(quote({value}), 1, {length})) \
                 ELSE hex(substr(CAST({value} AS TEXT), 1, {length})) END"
            ),
        }
    }
}
