//! The rows of an archive that single records are about, found without a database: what a merge of records looks up in its
//! staging tables, by the same program.
//!
//! It says which table it wants to look through, and is shown that table's rows; what it learns from them makes it want others.
//! It remembers the rows that it found and the keys that it looks for, and nothing else.

use alloc::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    string::{String, ToString},
    vec::Vec,
};

use super::{Class, Ids, MergeTable, Part, Program, Root};
use crate::{manifest::Record, policy::Normalise};

/// What a row is to the records that were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// It is only referred to.
    Referred,
    /// It is one of them, or belongs to one.
    Belongs,
}

/// Finds the rows that a program's records are about.
#[derive(Debug)]
pub struct Gather<'a> {
    program: &'a Program,
    tables: Vec<Looked<'a>>,
}

/// What is known of a table's rows.
#[derive(Debug, Default)]
struct Looked<'a> {
    found: BTreeMap<u64, About>,
    wanted: Vec<Wanted<'a>>,
    /// Whether more is wanted than when it was last looked through.
    stale: bool,
}

/// Rows that are looked for by the values of some columns.
#[derive(Debug)]
struct Wanted<'a> {
    columns: Vec<(usize, Option<Normalise>)>,
    about: About,
    keys: BTreeSet<Vec<String>>,
    /// The record that is asked for, until it is found.
    record: Option<&'a Record>,
}

impl<'a> Gather<'a> {
    /// Begins with the program's records.
    #[must_use]
    pub fn new(program: &'a Program) -> Self {
        let tables = program.tables.iter().map(|_| Looked::default());
        let mut gather = Self {
            program,
            tables: tables.collect(),
        };
        for root in &program.roots {
            gather.begin(root);
        }
        gather
    }

    fn begin(&mut self, root: &'a Root) {
        let (Some(table), Some(looked)) = (
            self.program.tables.get(root.table),
            self.tables.get_mut(root.table),
        ) else {
            return;
        };
        let key = root.key.iter().filter_map(|key| {
            let value = normal(&key.value, key.normalise).into_owned();
            Some(((place(table, &key.column)?, key.normalise), value))
        });
        let (columns, key): (Vec<_>, Vec<_>) = key.unzip();
        looked.wanted.push(Wanted {
            columns,
            about: About::Belongs,
            keys: [key].into(),
            record: Some(&root.record),
        });
        looked.stale = true;
    }

    /// The table to look through next, as its number in the program; nothing once all is found.
    pub fn next_table(&mut self) -> Option<usize> {
        let next = self.tables.iter().position(|looked| looked.stale)?;
        self.tables.get_mut(next)?.stale = false;
        Some(next)
    }

    /// Looks at a row of the table that it wants: its number, and the text of each archived column.
    pub fn look(&mut self, table: usize, row: u64, text: &dyn Fn(usize) -> Option<String>) {
        let Some(looked) = self.tables.get_mut(table) else {
            return;
        };
        let before = looked.found.get(&row).copied();
        let mut about = before;
        for wanted in &mut looked.wanted {
            if about >= Some(wanted.about) && wanted.record.is_none() {
                continue;
            }
            let key: Option<Vec<String>> = wanted
                .columns
                .iter()
                .map(|(column, how)| Some(normal(&text(*column)?, *how).into_owned()))
                .collect();
            if key.is_some_and(|key| wanted.keys.contains(&key)) {
                wanted.record = None;
                about = about.max(Some(wanted.about));
            }
        }
        if let Some(about) = about.filter(|_| about != before) {
            looked.found.insert(row, about);
            self.follow(table, about, text);
        }
    }

    /// Wants what follows from a row.
    fn follow(&mut self, index: usize, about: About, text: &dyn Fn(usize) -> Option<String>) {
        let program = self.program;
        let Some(table) = program.tables.get(index) else {
            return;
        };
        let values = |columns: &[String]| -> Option<Vec<String>> {
            let values = columns.iter().map(|column| text(place(table, column)?));
            values.collect()
        };
        if about == About::Belongs {
            for (below, child) in program.tables.iter().enumerate() {
                let owned = child.links.iter().filter(|link| link.owned);
                for link in owned.filter(|link| link.to == Some(index)) {
                    self.want(
                        below,
                        &link.columns,
                        About::Belongs,
                        values(&link.referenced),
                    );
                }
            }
        }
        for link in &table.links {
            // What may be NULL and stands for itself is needed by nobody.
            if let Some(to) = link.to
                && !(link.deferred && link.class == Class::Enrichment)
            {
                self.want(to, &link.referenced, About::Referred, values(&link.columns));
            }
        }
        for hidden in &table.hidden {
            let holds = hidden.condition.iter().all(|(column, values)| {
                let held = place(table, column).and_then(text);
                held.is_some_and(|held| values.values().iter().any(|one| is(&held, one)))
            });
            let held = place(table, &hidden.column).and_then(text);
            if let (true, Some(to), Some(held)) = (holds, hidden.to, held) {
                for id in Ids::find(&held, &hidden.paths).iter() {
                    let columns = [hidden.referenced.clone()];
                    self.want(to, &columns, About::Referred, Some([id.to_string()].into()));
                }
            }
        }
    }

    fn want(&mut self, index: usize, columns: &[String], about: About, key: Option<Vec<String>>) {
        let (Some(table), Some(looked)) =
            (self.program.tables.get(index), self.tables.get_mut(index))
        else {
            return;
        };
        let columns: Option<Vec<_>> = columns
            .iter()
            .map(|column| Some((place(table, column)?, None)))
            .collect();
        let (Some(columns), Some(key)) = (columns, key) else {
            return;
        };
        if table.part == Part::Along {
            return;
        }
        let same = |wanted: &&mut Wanted<'_>| {
            wanted.record.is_none() && (wanted.about, &wanted.columns) == (about, &columns)
        };
        let is_new = match looked.wanted.iter_mut().find(same) {
            Some(wanted) => wanted.keys.insert(key),
            None => {
                looked.wanted.push(Wanted {
                    columns,
                    about,
                    keys: [key].into(),
                    record: None,
                });
                true
            }
        };
        looked.stale |= is_new;
    }

    /// A record that was not found, once nothing is left to look through.
    #[must_use]
    pub fn missing(&self) -> Option<&'a Record> {
        let mut wanted = self.tables.iter().flat_map(|looked| &looked.wanted);
        wanted.find_map(|wanted| wanted.record)
    }

    /// The rows of a table that were found, by their numbers.
    #[must_use]
    pub fn found(&self, table: usize) -> Option<&BTreeMap<u64, About>> {
        self.tables.get(table).map(|looked| &looked.found)
    }
}

fn place(table: &MergeTable, column: &str) -> Option<usize> {
    table.archived.iter().position(|own| own == column)
}

fn is(held: &str, value: &crate::policy::Scalar) -> bool {
    use crate::policy::Scalar;
    match value {
        Scalar::Text(text) => held == text,
        Scalar::Integer(number) => held == number.to_string(),
        Scalar::Boolean(true) => matches!(held, "t" | "1"),
        Scalar::Boolean(false) => matches!(held, "f" | "0"),
    }
}

/// Text as a rule has it compared.
fn normal(text: &str, how: Option<Normalise>) -> Cow<'_, str> {
    match how {
        None => Cow::Borrowed(text),
        Some(Normalise::TrimLower) => Cow::Owned(text.trim_matches(' ').to_ascii_lowercase()),
        Some(Normalise::FileStem) => {
            let name = text.rsplit_once('/').map_or(text, |(_, name)| name);
            let stem = name.rsplit_once('.').map(|(stem, _)| stem);
            Cow::Borrowed(stem.filter(|stem| !stem.is_empty()).unwrap_or(name))
        }
    }
}
