//! What a standard archive holds in place of credentials, where whole rows have to be looked at: values inside of JSON,
//! rules for some rows only, fresh secrets, columns that change along, rows that go. And rows that no archive holds.
//!
//! Rules that replace a whole column by one value need none of this: an engine or a [`crate::rows::RowReplacer`] applies
//! them without looking at other columns.

use alloc::{
    borrow::Cow,
    collections::BTreeMap,
    string::{String, ToString},
    vec::Vec,
};

use crate::{
    manifest::CredentialColumn,
    policy::{Given, JsonPath, OneOf, Patterns, Random, Replacement, RowsLeftOut, Scalar, Special},
    rows::{
        NULL, Part, RowError, TextFields, push_escaped,
        sqlite::{self, Class},
    },
    schema::{Engine, Table},
};

mod json;
mod secrets;
mod stream;
#[cfg(test)]
mod tests;

pub use json::{JsonError, Put, edit, replace};
pub use secrets::{FreshSecrets, PartSecrets};
pub use stream::RowStream;

/// Why rows can't be read, or a rule can't be applied to them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WithholdError {
    /// A rule names a column that the table doesn't have.
    #[error("the table {table} has no column {column}, which a rule for credentials names")]
    NoColumn {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// A row is not in the archive's row form.
    #[error("row {row} of a part of {table} is damaged: {error}")]
    Row {
        /// The table.
        table: String,
        /// Its number in its part, from 1.
        row: u64,
        /// What is wrong.
        error: RowError,
    },
    /// A credential lies inside of JSON, and this value is none.
    #[error(
        "{table}.{column} is not JSON in row {row} of a part, so nobody can say where in it the credentials are ({error}); \
         nothing was published; mend that value, or give the whole column a rule in the preset"
    )]
    NotJson {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// The row's number in its part, from 1.
        row: u64,
        /// What is wrong.
        error: JsonError,
    },
}

/// The rules for the rows of one table.
#[derive(Clone, Debug)]
pub struct RowRules {
    engine: Engine,
    table: String,
    columns: Vec<Shape>,
    text: TextFields,
    rules: Vec<Rule>,
    left_out: Vec<Tested>,
}

#[derive(Clone, Debug)]
struct Shape {
    name: String,
    class: Class,
}

/// Conditions of a rule, for the fields of a row.
#[derive(Clone, Debug, Default)]
struct Tested {
    /// Columns with the texts that they may hold.
    texts: Vec<(usize, Vec<String>)>,
    /// Columns with the patterns that they may fit.
    patterns: Vec<(usize, Patterns)>,
}

/// What becomes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowFate {
    /// It is written, as the rules leave it.
    Written,
    /// It goes, since it is nothing without the credential that it has.
    Withheld,
    /// It goes by the rule with this number among those that leave rows of the table out.
    LeftOut(usize),
}

#[derive(Clone, Debug)]
struct Rule {
    column: usize,
    paths: Vec<JsonPath>,
    put: Instead,
    condition: Tested,
    /// The columns that change along, each with its field, escaped.
    also: Vec<(usize, Vec<u8>)>,
}

/// What comes in place of a credential.
#[derive(Clone, Debug)]
enum Instead {
    Null,
    Text(String),
    Random(Random),
    NoRow,
}

impl RowFate {
    /// Adds the row to those that its rule left out.
    pub fn count(self, left_out: &mut [u64]) {
        if let Self::LeftOut(rule) = self
            && let Some(count) = left_out.get_mut(rule)
        {
            *count += 1;
        }
    }
}

impl RowRules {
    /// Those of `rules` and `left_out` that are for `table`; nothing if there are none. The values of `rules` are in the
    /// engine's own output form.
    ///
    /// # Errors
    /// [`WithholdError::NoColumn`].
    pub fn new(
        engine: Engine,
        table: &Table,
        rules: &[CredentialColumn],
        left_out: &[RowsLeftOut],
    ) -> Result<Option<Self>, WithholdError> {
        let columns = table.stored_columns().map(|column| Shape {
            name: column.name.clone(),
            class: Class::of_declared_type(&column.type_name),
        });
        let mut own = Self {
            engine,
            table: table.name.to_string(),
            columns: columns.collect(),
            text: TextFields::new(engine, table),
            rules: Vec::new(),
            left_out: Vec::new(),
        };
        for rule in left_out.iter().filter(|rule| rule.table == table.name) {
            let tested = own.tested(&rule.rows.condition, &rule.rows.matching)?;
            own.left_out.push(tested);
        }
        for rule in rules.iter().filter(|rule| rule.table == table.name) {
            let rule = own.rule(rule)?;
            own.rules.push(rule);
        }
        // A rule for the whole value leaves nothing for those that look inside of it.
        own.rules.sort_by_key(|rule| !rule.paths.is_empty());
        let any = !own.rules.is_empty() || !own.left_out.is_empty();
        Ok(any.then_some(own))
    }

    fn number(&self, name: &str) -> Result<usize, WithholdError> {
        let found = self.columns.iter().position(|column| column.name == name);
        found.ok_or_else(|| WithholdError::NoColumn {
            table: self.table.clone(),
            column: name.into(),
        })
    }

    fn tested(
        &self,
        condition: &BTreeMap<String, OneOf>,
        matching: &BTreeMap<String, Patterns>,
    ) -> Result<Tested, WithholdError> {
        let mut tested = Tested::default();
        for (name, values) in condition {
            let values = values.values().iter();
            let texts = values.map(|value| scalar_text(self.engine, value));
            tested.texts.push((self.number(name)?, texts.collect()));
        }
        for (name, patterns) in matching {
            tested.patterns.push((self.number(name)?, patterns.clone()));
        }
        Ok(tested)
    }

    fn rule(&self, rule: &CredentialColumn) -> Result<Rule, WithholdError> {
        let condition = self.tested(&rule.condition, &BTreeMap::new())?;
        let mut also = Vec::new();
        for (name, given) in &rule.also_set {
            let number = self.number(name)?;
            let text = match given {
                Given::Scalar(value) => Some(scalar_text(self.engine, value)),
                Given::Special(Special::Null | Special::Default) => None,
            };
            also.push((number, self.field(number, text.as_deref())));
        }
        Ok(Rule {
            column: self.number(&rule.column)?,
            paths: rule.path.clone(),
            put: match rule.replacement() {
                Replacement::Null => Instead::Null,
                Replacement::Fixed(text) => Instead::Text(text.into()),
                Replacement::Random(random) => Instead::Random(random.clone()),
                Replacement::OmitRow => Instead::NoRow,
            },
            condition,
            also,
        })
    }

    /// The field, escaped, of a value that is in the engine's own output form.
    fn field(&self, column: usize, text: Option<&str>) -> Vec<u8> {
        let mut out = Vec::new();
        match (self.engine, text, self.columns.get(column)) {
            (Engine::Sqlite, Some(text), Some(shape)) => {
                let value = sqlite::placeholder(shape.class, text);
                sqlite::push_value(shape.class, &value, &mut out);
            }
            (_, Some(text), _) => push_escaped(text.as_bytes(), &mut out),
            (_, None, _) => out.extend_from_slice(NULL),
        }
        out
    }

    /// How many rules leave rows of the table out.
    #[must_use]
    pub fn leaving_out(&self) -> usize {
        self.left_out.len()
    }

    /// The part without what the rules withhold, which may be no row at all. `left_out` counts the rows that each rule leaves
    /// out.
    ///
    /// # Errors
    /// [`WithholdError`].
    pub fn part(
        &self,
        part: Part,
        secrets: &PartSecrets<'_>,
        left_out: &mut [u64],
    ) -> Result<Part, WithholdError> {
        let mut text = Vec::with_capacity(part.text.len());
        let mut rows = 0;
        for (number, line) in (0..).zip(part.text.split_inclusive(|byte| *byte == b'\n')) {
            // The first line names the columns.
            if number == 0 {
                text.extend_from_slice(line);
                continue;
            }
            let row = line.strip_suffix(b"\n").unwrap_or(line);
            match self.row(number, row, secrets, &mut text)? {
                RowFate::Written => {
                    text.push(b'\n');
                    rows += 1;
                }
                fate => fate.count(left_out),
            }
        }
        Ok(Part { text, rows })
    }

    /// Appends what is left of one row, given and written without a line feed; `number` is its own in its part, from 1.
    ///
    /// # Errors
    /// [`WithholdError`].
    pub fn row(
        &self,
        number: u64,
        row: &[u8],
        secrets: &PartSecrets<'_>,
        out: &mut Vec<u8>,
    ) -> Result<RowFate, WithholdError> {
        let damaged = |error| WithholdError::Row {
            table: self.table.clone(),
            row: number,
            error,
        };
        let fields: Vec<&[u8]> = row.split(|byte| *byte == b'\t').collect();
        if fields.len() != self.columns.len() {
            return Err(damaged(RowError::FieldCount {
                row: number,
                found: fields.len(),
                expected: self.columns.len(),
            }));
        }
        for (rule, tested) in self.left_out.iter().enumerate() {
            if self.applies(tested, &fields).map_err(damaged)? {
                return Ok(RowFate::LeftOut(rule));
            }
        }
        let mut changed: Vec<Option<Vec<u8>>> = alloc::vec![None; fields.len()];
        let mut replaced = alloc::vec![false; fields.len()];
        for (at, rule) in (0..).zip(&self.rules) {
            if !self.applies(&rule.condition, &fields).map_err(damaged)? {
                continue;
            }
            let field = fields.get(rule.column).copied().unwrap_or(NULL);
            let whole = replaced.get(rule.column).copied().unwrap_or(false);
            if field == NULL || whole {
                continue;
            }
            let make = |random: &Random| secrets.make(random, number, at);
            if rule.paths.is_empty() {
                let text = match &rule.put {
                    Instead::NoRow => return Ok(RowFate::Withheld),
                    Instead::Null => None,
                    Instead::Text(text) => Some(Cow::Borrowed(text.as_str())),
                    Instead::Random(random) => Some(Cow::Owned(make(random))),
                };
                set(
                    &mut changed,
                    rule.column,
                    self.field(rule.column, text.as_deref()),
                );
                if let Some(replaced) = replaced.get_mut(rule.column) {
                    *replaced = true;
                }
            } else {
                let put = match &rule.put {
                    Instead::NoRow | Instead::Null => Put::Null,
                    Instead::Text(text) => Put::Text(text.clone()),
                    Instead::Random(random) => Put::Text(make(random)),
                };
                // Another rule may have changed it already.
                let now = changed.get(rule.column).and_then(Option::as_deref);
                let now = now.unwrap_or(field).to_vec();
                let Some(field) = self.inside(rule, number, &now, &put)? else {
                    continue;
                };
                if matches!(rule.put, Instead::NoRow) {
                    return Ok(RowFate::Withheld);
                }
                set(&mut changed, rule.column, field);
            }
            for (column, field) in &rule.also {
                // What is itself withheld stays withheld.
                if !replaced.get(*column).copied().unwrap_or(false) {
                    set(&mut changed, *column, field.clone());
                }
            }
        }
        for (index, (field, changed)) in fields.iter().zip(&changed).enumerate() {
            if index > 0 {
                out.push(b'\t');
            }
            out.extend_from_slice(changed.as_deref().unwrap_or(field));
        }
        Ok(RowFate::Written)
    }

    /// Whether a row is one of those that a rule is for.
    fn applies(&self, tested: &Tested, fields: &[&[u8]]) -> Result<bool, RowError> {
        let text = |column: usize| {
            let field = fields.get(column).copied().unwrap_or(NULL);
            self.text.text(column, field)
        };
        for (column, values) in &tested.texts {
            let text = text(*column)?;
            if !text.is_some_and(|text| values.iter().any(|value| value.as_bytes() == &*text)) {
                return Ok(false);
            }
        }
        for (column, patterns) in &tested.patterns {
            let text = text(*column)?;
            let text = text.as_deref().map(core::str::from_utf8);
            if !matches!(text, Some(Ok(text)) if patterns.fit(text)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The field after a rule was applied inside of its JSON; nothing if it found nothing.
    fn inside(
        &self,
        rule: &Rule,
        row: u64,
        field: &[u8],
        put: &Put,
    ) -> Result<Option<Vec<u8>>, WithholdError> {
        let column = || {
            let shape = self.columns.get(rule.column);
            shape.map(|shape| shape.name.clone()).unwrap_or_default()
        };
        let not_json = |error| WithholdError::NotJson {
            table: self.table.clone(),
            column: column(),
            row,
            error,
        };
        let text = self
            .text
            .text(rule.column, field)
            .map_err(|error| WithholdError::Row {
                table: self.table.clone(),
                row,
                error,
            })?;
        // A blob has no text, and could be JSON in SQLite's own binary form.
        let Some(text) = text else {
            return if field == NULL {
                Ok(None)
            } else {
                Err(not_json(JsonError::NotText))
            };
        };
        let text = core::str::from_utf8(&text).map_err(|_| not_json(JsonError::NotText))?;
        // Applications write nothing where there is nothing to say.
        if text.trim().is_empty() {
            return Ok(None);
        }
        let Some(text) = replace(text, &rule.paths, put).map_err(not_json)? else {
            return Ok(None);
        };
        Ok(Some(self.text.field(rule.column, &text)))
    }
}

fn set(changed: &mut [Option<Vec<u8>>], column: usize, field: Vec<u8>) {
    if let Some(slot) = changed.get_mut(column) {
        *slot = Some(field);
    }
}

/// A value of a rule as the engine prints it.
#[must_use]
pub fn scalar_text(engine: Engine, value: &Scalar) -> String {
    match (engine, value) {
        (_, Scalar::Text(text)) => text.clone(),
        (_, Scalar::Integer(number)) => number.to_string(),
        (Engine::Postgres, Scalar::Boolean(true)) => "t".into(),
        (Engine::Postgres, Scalar::Boolean(false)) => "f".into(),
        (Engine::Sqlite, Scalar::Boolean(yes)) => u8::from(*yes).to_string(),
    }
}
