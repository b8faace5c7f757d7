//! Wrapped values in row text: unwrapped on their way into an archive, wrapped on their way out of it.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use super::{AppSecret, Key, Place, SecretError, SecretMark, VaultPlace};
use crate::{
    policy::JsonPath,
    rows::{NULL, Part, TextFields},
    schema::{Engine, Table},
    withhold::{JsonError, edit},
};

/// Why values can't be wrapped or unwrapped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrappingError {
    /// The secret is no key.
    #[error("the secret of {variable} cannot be used: {error}; nothing was changed")]
    Secret {
        /// The variable.
        variable: String,
        /// Why.
        error: SecretError,
    },
    /// A value was wrapped with another secret, or is damaged.
    #[error(
        "{place} in row {row} of a part cannot be unwrapped with the secret of {variable}: it was wrapped with another one, or \
         is damaged; nothing was published; give the secret that the application has, or leave values wrapped"
    )]
    Wrapped {
        /// Table and column.
        place: String,
        /// The row's number in its part, from 1.
        row: u64,
        /// The variable.
        variable: String,
    },
    /// A value that should be text, or JSON with text in it, is something else.
    #[error("{place} in row {row} of a part cannot be read: {error}; nothing was changed")]
    Value {
        /// Table and column.
        place: String,
        /// The row's number in its part, from 1.
        row: u64,
        /// What is wrong.
        error: JsonError,
    },
    /// The rows are not in the archive's form.
    #[error("a row of {table} is damaged; nothing was changed")]
    Row {
        /// The table.
        table: String,
    },
}

/// The wrapped columns of one table.
pub struct Wrapping {
    fields: TextFields,
    table: String,
    columns: Vec<Column>,
    /// The table without its schema.
    short: String,
    /// The number of the column that names a row, which values may be bound to.
    key: Option<usize>,
    /// Whether values are unwrapped; else they are wrapped, and said to be so at this time, in seconds since 1970.
    wrap_at: Option<u64>,
    /// Whether it is not known yet which rows the values will be in.
    any_row: bool,
}

struct Column {
    number: usize,
    name: String,
    place: String,
    variable: String,
    paths: Vec<JsonPath>,
    key: Key,
}

impl core::fmt::Debug for Wrapping {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Wrapping")
            .field("table", &self.table)
            .finish_non_exhaustive()
    }
}

impl Wrapping {
    /// What unwraps the columns of a table, or wraps them if a time is given; nothing if it has none. `secrets` are those
    /// that marks with unwrapped values name.
    ///
    /// # Errors
    /// [`WrappingError::Secret`].
    pub fn new(
        engine: Engine,
        table: &Table,
        marks: &[SecretMark],
        secrets: &[(String, AppSecret)],
        wrap_at: Option<u64>,
    ) -> Result<Option<Self>, WrappingError> {
        let mut columns = Vec::new();
        for mark in marks.iter().filter(|mark| mark.unwrapped) {
            let own = mark
                .columns
                .iter()
                .filter(|column| column.table == table.name);
            for column in own {
                let number = table
                    .stored_columns()
                    .position(|stored| stored.name == column.column);
                let secret = secrets
                    .iter()
                    .find(|(variable, _)| *variable == mark.variable);
                let unusable = |error| WrappingError::Secret {
                    variable: mark.variable.clone(),
                    error,
                };
                let (_, secret) = secret.ok_or_else(|| unusable(SecretError::NotAKey))?;
                let key = Key::of(mark.form, secret).map_err(unusable)?;
                if let (Some(number), Some(key)) = (number, key) {
                    columns.push(Column {
                        number,
                        name: column.column.clone(),
                        place: column.to_string(),
                        variable: mark.variable.clone(),
                        paths: column
                            .keys
                            .iter()
                            .map(|key| JsonPath::any_depth(key))
                            .collect(),
                        key,
                    });
                }
            }
        }
        Ok((!columns.is_empty()).then(|| Self {
            fields: TextFields::new(engine, table),
            table: table.name.to_string(),
            short: table.name.name.clone(),
            key: match table.primary_key.as_slice() {
                [key] => table
                    .stored_columns()
                    .position(|stored| stored.name == *key),
                _ => None,
            },
            columns,
            wrap_at,
            any_row: false,
        }))
    }

    /// For a merge, which decides later which rows the values will be in: what is bound to its row is bound to none yet.
    #[must_use]
    pub const fn for_any_row(mut self) -> Self {
        self.any_row = true;
        self
    }

    /// The part with its values unwrapped, or wrapped.
    ///
    /// # Errors
    /// [`WrappingError`].
    pub fn part(&self, part: Part) -> Result<Part, WrappingError> {
        let header = memchr::memchr(b'\n', &part.text).map_or(part.text.len(), |at| at + 1);
        let (header, rows) = part.text.split_at(header);
        let mut text = header.to_vec();
        self.rows(rows, &mut text)?;
        Ok(Part {
            text,
            rows: part.rows,
        })
    }

    /// Appends the rows of a part, given without a header line, with their values unwrapped, or wrapped.
    ///
    /// # Errors
    /// [`WrappingError`].
    pub fn rows(&self, rows: &[u8], out: &mut Vec<u8>) -> Result<(), WrappingError> {
        for (number, line) in (1..).zip(rows.split_inclusive(|byte| *byte == b'\n')) {
            let row = line.strip_suffix(b"\n").unwrap_or(line);
            let named = self.row_name(row)?;
            let mut last = 0;
            for (index, field) in row.split(|byte| *byte == b'\t').enumerate() {
                if index > 0 {
                    out.push(b'\t');
                }
                last = index;
                let made = match self.columns.iter().find(|column| column.number == index) {
                    Some(column) if field != NULL => {
                        Some(self.value(column, (number, named.as_deref()), field)?)
                    }
                    _ => None,
                };
                out.extend_from_slice(made.as_deref().unwrap_or(field));
            }
            if last + 1 != self.fields.columns() {
                return Err(WrappingError::Row {
                    table: self.table.clone(),
                });
            }
            out.push(b'\n');
        }
        Ok(())
    }

    /// What names a row, where values are bound to it.
    fn row_name(&self, row: &[u8]) -> Result<Option<String>, WrappingError> {
        if self.any_row || !self.columns.iter().any(|column| column.key.binds()) {
            return Ok(None);
        }
        let damaged = || WrappingError::Row {
            table: self.table.clone(),
        };
        let number = self.key.ok_or_else(damaged)?;
        let field = row.split(|byte| *byte == b'\t').nth(number);
        let text = self.fields.text(number, field.ok_or_else(damaged)?);
        let text = text.map_err(|_| damaged())?.ok_or_else(damaged)?;
        let text = core::str::from_utf8(&text).map_err(|_| damaged())?;
        Ok(Some(text.into()))
    }

    fn value(
        &self,
        column: &Column,
        (row, named): (u64, Option<&str>),
        field: &[u8],
    ) -> Result<Vec<u8>, WrappingError> {
        let wrong = |error| WrappingError::Value {
            place: column.place.clone(),
            row,
            error,
        };
        let text = self.fields.text(column.number, field);
        let text = text.map_err(|_| WrappingError::Row {
            table: self.table.clone(),
        })?;
        let text = text.ok_or_else(|| wrong(JsonError::NotText))?;
        let text = core::str::from_utf8(&text).map_err(|_| wrong(JsonError::NotText))?;
        let made = if column.paths.is_empty() {
            self.turn(column, text, (row, named))?
        } else if text.trim().is_empty() {
            text.into()
        } else {
            let mut failed = None;
            let edited = edit(text, &column.paths, |raw| {
                // What is no text is not wrapped.
                let value: String = serde_json::from_str(raw).ok()?;
                match self.turn(column, &value, (row, named)) {
                    Ok(turned) => serde_json::to_string(&turned).ok(),
                    Err(error) => {
                        failed = Some(error);
                        None
                    }
                }
            });
            match (edited.map_err(wrong)?, failed) {
                (_, Some(error)) => return Err(error),
                (Some(edited), None) => edited,
                (None, None) => text.into(),
            }
        };
        Ok(self.fields.field(column.number, &made))
    }

    fn turn(
        &self,
        column: &Column,
        text: &str,
        (row, named): (u64, Option<&str>),
    ) -> Result<String, WrappingError> {
        let place = Place {
            column: &column.place,
            vault: VaultPlace {
                table: &self.short,
                row: named,
                column: &column.name,
            },
        };
        let turned = match self.wrap_at {
            None => column.key.unwrap(place, text),
            Some(time) => column.key.wrap(place, text, time),
        };
        turned.ok_or_else(|| WrappingError::Wrapped {
            place: column.place.clone(),
            row,
            variable: column.variable.clone(),
        })
    }
}
