//! Some rows of a table, for people.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use super::{Archive, ForeignError, Found, Row, RowStream};
use crate::{
    archive::Step,
    preview::Page,
    rows::shown::{SHOWN_CHARS, Shown},
};

/// Reads up to `limit` rows after the first `skip`. Rows have no places of their own in such archives, so those before are
/// read too.
#[derive(Debug)]
pub struct Peek {
    stream: RowStream,
    skip: u64,
    limit: usize,
    rows: Vec<Row>,
    found: Vec<Found>,
    more: bool,
}

impl Peek {
    /// A reader for rows of one table.
    ///
    /// # Errors
    /// As [`RowStream::new`].
    pub fn new(
        archive: &Archive,
        table: &str,
        skip: u64,
        limit: usize,
    ) -> Result<Self, ForeignError> {
        Ok(Self {
            stream: RowStream::new(archive, table)?,
            skip,
            limit,
            rows: Vec::new(),
            found: Vec::new(),
            more: false,
        })
    }

    /// Takes bytes that it wants, from their start.
    ///
    /// # Errors
    /// [`ForeignError::Archive`].
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), ForeignError> {
        self.stream.feed(bytes)
    }

    /// Does a bounded piece of work. It is done as soon as it is known whether a row follows.
    ///
    /// # Errors
    /// [`ForeignError`].
    pub fn step(&mut self) -> Result<Step, ForeignError> {
        let step = self.stream.step(&mut self.found)?;
        for found in self.found.drain(..) {
            let row = match found {
                Found::Row { row, .. } => row,
                // Its place is kept, so that rows have the numbers that findings give them.
                Found::Bad { why, .. } => Row {
                    values: alloc::vec![(String::new(), super::Value::Text(why))],
                },
                Found::Part(_) | Found::Metadata(_) => continue,
            };
            if self.skip > 0 {
                self.skip -= 1;
            } else if self.rows.len() < self.limit {
                self.rows.push(row);
            } else {
                self.more = true;
            }
        }
        Ok(if self.more { Step::Done } else { step })
    }

    /// What was read. `columns` are the table's, if they are known; others that rows have are put behind them.
    #[must_use]
    pub fn finish(self, columns: &[String]) -> Page {
        let mut columns = columns.to_vec();
        for (name, _) in self.rows.iter().flat_map(|row| &row.values) {
            if !columns.contains(name) {
                columns.push(name.clone());
            }
        }
        Page {
            types: columns.iter().map(|_| String::new()).collect(),
            rows: self
                .rows
                .iter()
                .map(|row| columns.iter().map(|column| shown(row, column)).collect())
                .collect(),
            columns,
            end: !self.more,
        }
    }
}

fn shown(row: &Row, column: &str) -> Shown {
    let Some(text) = row.get(column).and_then(super::Value::shown) else {
        return Shown {
            text: None,
            cut: false,
        };
    };
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => Shown {
            text: text.get(..end).map(ToString::to_string),
            cut: true,
        },
        None => Shown {
            text: Some(text.to_string()),
            cut: false,
        },
    }
}
