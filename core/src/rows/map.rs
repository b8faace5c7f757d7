//! Rows of one table into the columns of another shape of it.

use alloc::{borrow::Cow, string::String, vec, vec::Vec};

use super::{Conversion, NULL, RowError, RowSet};

/// What becomes of the values of one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// They stay as they are.
    Keep,
    /// They are left out.
    Drop,
    /// They are turned into another form.
    Convert {
        /// How.
        conversion: Conversion,
        /// Whether NULL doesn't fit.
        not_null: bool,
        /// The field that stands in place of a value that doesn't fit.
        fill: Option<Vec<u8>>,
    },
}

impl Rule {
    /// Whether rows may be affected: lose a value, or have one that doesn't fit.
    #[must_use]
    pub const fn affects(&self) -> bool {
        match self {
            Self::Keep => false,
            Self::Drop => true,
            Self::Convert {
                conversion,
                not_null,
                ..
            } => *not_null || conversion.can_fail(),
        }
    }

    const fn is_compared(&self) -> bool {
        match self {
            Self::Keep => true,
            Self::Drop => false,
            Self::Convert { conversion, .. } => conversion.is_comparable(),
        }
    }

    /// The field as it is loaded, and whether the row is affected; no field if it is left out or doesn't fit.
    fn apply<'a>(&self, field: &'a [u8]) -> (Option<Cow<'a, [u8]>>, bool) {
        match self {
            Self::Keep => (Some(Cow::Borrowed(field)), false),
            Self::Drop => (None, field != NULL),
            Self::Convert {
                conversion,
                not_null,
                ..
            } => {
                let made = match (field == NULL, *not_null) {
                    (true, true) => None,
                    (true, false) => Some(Cow::Borrowed(field)),
                    (false, _) => conversion.apply(field),
                };
                let unfit = made.is_none();
                (made, unfit)
            }
        }
    }
}

/// What becomes of each column of one table, in the order in which the archive holds them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowMap {
    columns: Vec<(String, Rule)>,
}

/// What came of the rows that were mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// The set of the rows, over the columns that can be compared.
    pub set: RowSet,
    /// For each column of the archive, the rows that lost a value of it, or had one that didn't fit.
    pub affected: Vec<u64>,
    rows: u64,
}

impl RowMap {
    /// A map of columns by their names.
    #[must_use]
    pub const fn new(columns: Vec<(String, Rule)>) -> Self {
        Self { columns }
    }

    /// A map that leaves everything as it is.
    #[must_use]
    pub fn identity<'a>(columns: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(
            columns
                .into_iter()
                .map(|name| (name.into(), Rule::Keep))
                .collect(),
        )
    }

    /// Whether rows stay as they are.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.columns.iter().all(|(_, rule)| *rule == Rule::Keep)
    }

    /// Whether rows have to be read to know what becomes of them.
    #[must_use]
    pub fn affects(&self) -> bool {
        self.columns.iter().any(|(_, rule)| rule.affects())
    }

    /// All columns of the archive with their rules.
    pub fn columns(&self) -> impl Iterator<Item = (&str, &Rule)> {
        self.columns
            .iter()
            .map(|(name, rule)| (name.as_str(), rule))
    }

    /// The columns that are loaded, in order.
    #[must_use]
    pub fn loaded(&self) -> Vec<String> {
        self.named(|rule| *rule != Rule::Drop)
    }

    /// Those of them whose text is the same when it is read back.
    #[must_use]
    pub fn compared(&self) -> Vec<String> {
        self.named(Rule::is_compared)
    }

    fn named(&self, which: impl Fn(&Rule) -> bool) -> Vec<String> {
        let chosen = self.columns.iter().filter(|(_, rule)| which(rule));
        chosen.map(|(name, _)| name.clone()).collect()
    }

    /// Nothing mapped yet.
    #[must_use]
    pub fn begin(&self) -> Mapped {
        Mapped {
            set: RowSet::new(),
            affected: vec![0; self.columns.len()],
            rows: 0,
        }
    }

    /// Counts the rows that would be affected, whatever takes the place of what doesn't fit.
    ///
    /// # Errors
    /// [`RowError::FieldCount`].
    pub fn count(&self, rows: &[u8], mapped: &mut Mapped) -> Result<(), RowError> {
        for line in lines(rows) {
            let fields = self.fields(line, mapped)?;
            for ((field, (_, rule)), count) in fields.zip(&mut mapped.affected) {
                *count += u64::from(rule.apply(field).1);
            }
        }
        Ok(())
    }

    /// Appends whole rows, given without a header line, as they are to be loaded.
    ///
    /// # Errors
    /// [`RowError::FieldCount`], or [`RowError::DoesNotFit`] where nothing takes a value's place.
    pub fn apply(
        &self,
        rows: &[u8],
        mapped: &mut Mapped,
        out: &mut Vec<u8>,
    ) -> Result<(), RowError> {
        let mut compared = Line::default();
        let mut loaded = Line::default();
        for line in lines(rows) {
            compared.clear();
            loaded.clear();
            let fields = self.fields(line, mapped)?;
            for ((field, (name, rule)), count) in fields.zip(&mut mapped.affected) {
                let (made, affected) = rule.apply(field);
                *count += u64::from(affected);
                let field = match (made, rule) {
                    (Some(field), _) => field,
                    (None, Rule::Drop) => continue,
                    (
                        None,
                        Rule::Convert {
                            fill: Some(field), ..
                        },
                    ) => Cow::Borrowed(field.as_slice()),
                    (None, _) => {
                        return Err(RowError::DoesNotFit {
                            row: mapped.rows,
                            column: name.clone(),
                        });
                    }
                };
                loaded.push(&field);
                if rule.is_compared() {
                    compared.push(&field);
                }
            }
            mapped.set.add_line(&compared.text);
            out.extend_from_slice(&loaded.text);
            out.push(b'\n');
        }
        Ok(())
    }

    /// The fields of the next row beside their columns.
    fn fields<'r>(
        &'r self,
        line: &'r [u8],
        mapped: &mut Mapped,
    ) -> Result<impl Iterator<Item = (&'r [u8], &'r (String, Rule))> + use<'r>, RowError> {
        mapped.rows += 1;
        let found = memchr::memchr_iter(b'\t', line).count() + 1;
        if found != self.columns.len() {
            return Err(RowError::FieldCount {
                row: mapped.rows,
                found,
                expected: self.columns.len(),
            });
        }
        Ok(line.split(|byte| *byte == b'\t').zip(&self.columns))
    }
}

/// The whole lines of a text, without their line feeds.
fn lines(rows: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    memchr::memchr_iter(b'\n', rows).map(move |end| {
        let line = rows.get(start..end).unwrap_or_default();
        start = end + 1;
        line
    })
}

/// Fields that become a line.
#[derive(Default)]
struct Line {
    text: Vec<u8>,
    fields: usize,
}

impl Line {
    fn clear(&mut self) {
        self.text.clear();
        self.fields = 0;
    }

    fn push(&mut self, field: &[u8]) {
        if self.fields > 0 {
            self.text.push(b'\t');
        }
        self.text.extend_from_slice(field);
        self.fields += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn convert(conversion: Conversion, not_null: bool, fill: Option<&[u8]>) -> Rule {
        Rule::Convert {
            conversion,
            not_null,
            fill: fill.map(<[u8]>::to_vec),
        }
    }

    fn map(fill: Option<&[u8]>) -> RowMap {
        RowMap::new(vec![
            ("id".into(), Rule::Keep),
            ("gone".into(), Rule::Drop),
            (
                "word".into(),
                convert(Conversion::Text { longest: 3 }, true, fill),
            ),
            (
                "extra".into(),
                convert(Conversion::Json { binary: true }, false, None),
            ),
        ])
    }

    const ROWS: &[u8] = b"1\tx\tabc\t{}\n2\t\\N\t\\N\t\\N\n3\t\tlonger\t[]\n";

    #[test]
    fn rows_lose_columns_and_take_values_and_both_are_counted() {
        let map = map(Some(b"???"));
        let (mut mapped, mut out) = (map.begin(), Vec::new());
        map.apply(ROWS, &mut mapped, &mut out).unwrap();
        assert_eq!(out, b"1\tabc\t{}\n2\t???\t\\N\n3\t???\t[]\n");
        // A NULL is no value that could be lost; an empty text is one.
        assert_eq!(mapped.affected, [0, 2, 2, 0]);
        let mut set = RowSet::new();
        set.add_rows(b"1\tabc\n2\t???\n3\t???\n");
        assert_eq!(mapped.set, set);
        assert_eq!(map.loaded(), ["id", "word", "extra"]);
        assert_eq!(map.compared(), ["id", "word"]);
        let mut counted = map.begin();
        map.count(ROWS, &mut counted).unwrap();
        assert_eq!(counted.affected, mapped.affected);
    }

    #[test]
    fn what_does_not_fit_is_named_and_never_loaded() {
        let map = map(None);
        let mut mapped = map.begin();
        assert_eq!(
            map.apply(ROWS, &mut mapped, &mut Vec::new()),
            Err(RowError::DoesNotFit {
                row: 2,
                column: "word".into()
            })
        );
        assert_eq!(
            map.count(b"1\t2\n", &mut map.begin()),
            Err(RowError::FieldCount {
                row: 1,
                found: 2,
                expected: 4
            })
        );
    }

    #[test]
    fn an_identity_gives_what_it_takes() {
        let map = RowMap::identity(["a", "b"]);
        assert!(map.is_identity() && !map.affects());
        let (mut mapped, mut out) = (map.begin(), Vec::new());
        map.apply(b"1\t2\n", &mut mapped, &mut out).unwrap();
        map.apply(b"\t\\N\n", &mut mapped, &mut out).unwrap();
        assert_eq!(out, b"1\t2\n\t\\N\n");
        let mut set = RowSet::new();
        set.add_rows(&out);
        assert_eq!(mapped.set, set);
    }
}
