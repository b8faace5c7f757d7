//! Fields of either engine as the text that they stand for, and back.

use alloc::{borrow::Cow, format, string::ToString, vec::Vec};

use super::{
    RowError, push_escaped,
    sqlite::{self, Class, Value},
    unescape,
};
use crate::schema::{Engine, Table};

/// Reads and writes the fields of one table as text.
#[derive(Clone, Debug)]
pub struct TextFields {
    engine: Engine,
    classes: Vec<Class>,
}

impl TextFields {
    /// For the stored columns of a table.
    #[must_use]
    pub fn new(engine: Engine, table: &Table) -> Self {
        let columns = table.stored_columns();
        Self {
            engine,
            classes: columns
                .map(|column| Class::of_declared_type(&column.type_name))
                .collect(),
        }
    }

    /// Number of columns.
    #[must_use]
    pub const fn columns(&self) -> usize {
        self.classes.len()
    }

    /// The text that a field stands for: what PostgreSQL prints; in SQLite text, and numbers in decimal. NULL and blobs have
    /// none.
    ///
    /// # Errors
    /// [`RowError`].
    pub fn text<'f>(
        &self,
        column: usize,
        field: &'f [u8],
    ) -> Result<Option<Cow<'f, [u8]>>, RowError> {
        let Some(class) = self.classes.get(column) else {
            return Ok(None);
        };
        if self.engine == Engine::Postgres {
            return unescape(field);
        }
        Ok(match sqlite::parse_value(*class, field)? {
            Value::Null | Value::Blob(_) => None,
            Value::Integer(number) => Some(Cow::Owned(number.to_string().into_bytes())),
            Value::Real(number) => Some(Cow::Owned(format!("{number:?}").into_bytes())),
            Value::Text(text) => Some(text),
        })
    }

    /// The field, escaped, of a text.
    #[must_use]
    pub fn field(&self, column: usize, text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        match self.classes.get(column) {
            Some(class) if self.engine == Engine::Sqlite => {
                let value = Value::Text(Cow::Borrowed(text.as_bytes()));
                sqlite::push_value(*class, &value, &mut out);
            }
            _ => push_escaped(text.as_bytes(), &mut out),
        }
        out
    }
}
