//! Rows that name transformed files, written with the files' new paths.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
};

use coffer_core::{
    policy::{ColumnPolicy, Policy},
    rows::{self, Part},
    schema::{Schema, TableName},
};

use super::{PathColumn, RenamedFiles};

/// The tag of text in an SQLite column that doesn't declare it, see [`coffer_core::rows::sqlite`].
const TEXT_TAG: &[u8] = b"\\T";

/// A column that follows the files of a set, found in the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// The file set.
    pub(crate) set: String,
    /// The table.
    pub(crate) table: TableName,
    /// Its number among the stored columns.
    pub(crate) column: usize,
    /// What stands before the path.
    pub(crate) prefix: String,
}

/// A column that is to follow files, and that the database doesn't have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the transform of the file set {set} names the column {table}.{column}, which this database does not have; nothing was read or written"
)]
pub struct NoSuchColumn {
    /// The file set.
    pub set: String,
    /// The table, as given.
    pub table: String,
    /// The column.
    pub column: String,
}

impl Named {
    /// Finds the columns of one set. Those whose values are not archived follow nothing.
    pub(crate) fn find(
        set: &str,
        columns: &[PathColumn],
        schema: &Schema,
        policy: &Policy,
    ) -> Result<Vec<Self>, NoSuchColumn> {
        let mut found = Vec::new();
        for wanted in columns {
            let missing = || NoSuchColumn {
                set: set.to_owned(),
                table: wanted.table.clone(),
                column: wanted.column.clone(),
            };
            let table = schema
                .tables
                .iter()
                .find(|table| {
                    table.name.name == wanted.table || table.name.to_string() == wanted.table
                })
                .ok_or_else(missing)?;
            let column = table
                .stored_columns()
                .position(|column| column.name == wanted.column)
                .ok_or_else(missing)?;
            let kept = policy.tables.iter().any(|policy| {
                policy.table == table.name
                    && policy.columns.get(column) == Some(&ColumnPolicy::Keep)
            });
            if kept {
                found.push(Self {
                    set: set.to_owned(),
                    table: table.name.clone(),
                    column,
                    prefix: wanted.prefix.clone(),
                });
            }
        }
        Ok(found)
    }
}

/// The new paths of transformed files, with the columns that name them. Several threads rewrite rows side by side.
#[derive(Debug)]
pub(crate) struct Renames {
    sets: Vec<Set>,
    columns: HashMap<TableName, Vec<Column>>,
}

#[derive(Debug)]
struct Set {
    name: String,
    files: HashMap<String, Renamed>,
}

#[derive(Debug)]
struct Renamed {
    path: String,
    /// Whether a row named it.
    named: AtomicBool,
}

#[derive(Debug)]
struct Column {
    number: usize,
    set: usize,
    prefix: String,
}

impl Renames {
    pub(crate) fn new(sets: Vec<(String, RenamedFiles)>, named: &[Named]) -> Self {
        let sets: Vec<Set> = sets
            .into_iter()
            .map(|(name, files)| {
                let files = files.into_iter().map(|(old, path)| {
                    let named = AtomicBool::new(false);
                    (old, Renamed { path, named })
                });
                Set {
                    name,
                    files: files.collect(),
                }
            })
            .collect();
        let mut columns: HashMap<TableName, Vec<Column>> = HashMap::new();
        for name in named {
            let set = sets.iter().position(|set| set.name == name.set);
            if let Some(set) =
                set.filter(|set| sets.get(*set).is_some_and(|set| !set.files.is_empty()))
            {
                columns.entry(name.table.clone()).or_default().push(Column {
                    number: name.column,
                    set,
                    prefix: name.prefix.clone(),
                });
            }
        }
        Self { sets, columns }
    }

    /// Whether rows of a table may name transformed files.
    pub(crate) fn concerns(&self, table: &TableName) -> bool {
        self.columns.contains_key(table)
    }

    /// The part with new paths in place of old ones. What names no transformed file stays, byte for byte.
    pub(crate) fn rewrite(&self, table: &TableName, part: Part) -> Part {
        let Some(columns) = self.columns.get(table) else {
            return part;
        };
        let mut text = Vec::with_capacity(part.text.len() + part.text.len() / 64);
        for (index, line) in part.text.split_inclusive(|byte| *byte == b'\n').enumerate() {
            // The first line names the columns.
            if index == 0 {
                text.extend_from_slice(line);
            } else {
                self.line(columns, line, &mut text);
            }
        }
        Part { text, ..part }
    }

    fn line(&self, columns: &[Column], line: &[u8], out: &mut Vec<u8>) {
        let row = line.strip_suffix(b"\n").unwrap_or(line);
        for (number, field) in row.split(|byte| *byte == b'\t').enumerate() {
            if number > 0 {
                out.push(b'\t');
            }
            let renamed = columns
                .iter()
                .filter(|column| column.number == number)
                .find_map(|column| self.renamed(column, field));
            out.extend_from_slice(renamed.as_deref().unwrap_or(field));
        }
        out.extend_from_slice(line.get(row.len()..).unwrap_or_default());
    }

    /// The field that stands in place of one that names a transformed file.
    fn renamed(&self, column: &Column, field: &[u8]) -> Option<Vec<u8>> {
        let (tag, plain) = match field.strip_prefix(TEXT_TAG) {
            Some(plain) => (TEXT_TAG, plain),
            None => (&[][..], field),
        };
        // What is no text, such as NULL, names no file.
        let value = rows::unescape(plain).ok()??;
        let path = value.strip_prefix(column.prefix.as_bytes())?;
        let file = self
            .sets
            .get(column.set)?
            .files
            .get(str::from_utf8(path).ok()?)?;
        file.named.store(true, Ordering::Relaxed);
        let mut renamed = tag.to_vec();
        rows::push_escaped(column.prefix.as_bytes(), &mut renamed);
        rows::push_escaped(file.path.as_bytes(), &mut renamed);
        Some(renamed)
    }

    /// Transformed files of a set that no row has named so far; `None` for a set that no column is known to name.
    pub(crate) fn unnamed(&self, set: &str) -> Option<u64> {
        let set = self.sets.iter().find(|other| other.name == set)?;
        let files = set.files.values();
        Some(
            files
                .filter(|file| !file.named.load(Ordering::Relaxed))
                .count() as u64,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> TableName {
        TableName::new("public", "recordings")
    }

    fn renames() -> Renames {
        let files = [
            ("a.wav", "a.opus"),
            ("d/b\t.wav", "d/b\t.opus"),
            ("ü.wav", "ü.opus"),
        ];
        let files = files.map(|(old, new)| (old.to_owned(), new.to_owned()));
        let column = |column, prefix: &str| Named {
            set: "audio".to_owned(),
            table: table(),
            column,
            prefix: prefix.to_owned(),
        };
        Renames::new(
            vec![("audio".to_owned(), files.into_iter().collect())],
            &[column(1, ""), column(3, "/data\\"), column(3, "https://x/")],
        )
    }

    #[test]
    fn rows_name_the_new_paths_and_everything_else_stays() {
        let renames = renames();
        let part = |text: &str| Part {
            text: text.as_bytes().to_vec(),
            rows: 5,
        };
        let rewritten = renames.rewrite(
            &table(),
            part(
                "id\ta.wav\tnote\turl\n\
                 1\ta.wav\ta.wav\t/data\\\\d/b\\t.wav\n\
                 2\t\\N\tx\t/data\\\\other.wav\n\
                 3\t\\Ta.wav\t\\\\\t/elsewhere/a.wav\n\
                 4\t\\B00\t\\N\thttps://x/a.wav\n\
                 5\tA.wav\t\t\\\\x612e776176\n",
            ),
        );
        assert_eq!(
            String::from_utf8(rewritten.text).unwrap(),
            "id\ta.wav\tnote\turl\n\
             1\ta.opus\ta.wav\t/data\\\\d/b\\t.opus\n\
             2\t\\N\tx\t/data\\\\other.wav\n\
             3\t\\Ta.opus\t\\\\\t/elsewhere/a.wav\n\
             4\t\\B00\t\\N\thttps://x/a.opus\n\
             5\tA.wav\t\t\\\\x612e776176\n"
        );
        assert_eq!(rewritten.rows, 5);
        assert_eq!(renames.unnamed("audio"), Some(1));
        assert_eq!(renames.unnamed("other"), None);
        let other = TableName::new("public", "other");
        let untouched = part("id\tpath\n1\ta.wav\n");
        assert!(!renames.concerns(&other) && renames.concerns(&table()));
        assert_eq!(renames.rewrite(&other, untouched.clone()), untouched);
    }

    #[test]
    fn where_nothing_was_transformed_no_row_is_looked_at() {
        let named = Named {
            set: "audio".to_owned(),
            table: table(),
            column: 0,
            prefix: String::new(),
        };
        let renames = Renames::new(vec![("audio".to_owned(), RenamedFiles::new())], &[named]);
        assert!(!renames.concerns(&table()));
    }
}
