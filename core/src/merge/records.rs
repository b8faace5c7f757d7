//! Single records with all that belongs to them: which tables they reach, and which keys may name them.
//!
//! A **record** is one row of the archive. With it come the rows that belong to it, by foreign keys that the preset calls
//! ownership, and what belongs to those. What all of these refer to is needed: it comes along where the target lacks it,
//! and is left alone where the target has it. A deferred reference leads to a row that stands for itself: it is looked up,
//! and becomes NULL where the target lacks it.

use alloc::{collections::BTreeSet, string::String, vec::Vec};

use super::{MergeError, build::Builder};
use crate::{
    manifest::{Manifest, Record, Selection},
    plan::Mode,
    policy::{ForeignKeyClass, Normalise, Preset, names},
    schema::{ForeignKey, Table, TableName},
};

/// What a row is to the records that were chosen. A row that is several of these is the first of them.
pub mod pick {
    /// It is one of them, or belongs to one.
    pub const MINE: i64 = 2;
    /// One of these refers to it.
    pub const NEEDED: i64 = 1;
    /// It is only looked up, for a reference that may lead nowhere.
    pub const LOOKED_UP: i64 = 0;
    /// It is recognised together with others, so that each finds the row of the target that it would find in a merge of all.
    pub const BESIDE: i64 = -1;
}

/// A record of a [`super::Program`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// Index of its table.
    pub table: usize,
    /// What it is known by.
    pub key: Vec<KeyValue>,
    /// As it was asked for.
    pub record: Record,
}

/// One column of the key that a record was asked for by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValue {
    /// The column.
    pub column: String,
    /// Its value.
    pub value: String,
    /// What is done to text on both sides before it is compared.
    pub normalise: Option<Normalise>,
}

/// The tables that records reach.
#[derive(Default)]
pub(super) struct Reach<'a> {
    /// Tables of records, and of rows that belong to them.
    pub(super) mine: BTreeSet<&'a TableName>,
    /// All tables, also those of rows that are only referred to.
    pub(super) all: BTreeSet<&'a TableName>,
}

impl Selection {
    /// The selection of these records: the tables of an archive that they reach, and the file sets that those tables' columns
    /// name.
    ///
    /// # Errors
    /// [`MergeError`] where there is no such table or key, or no preset says what belongs to what.
    pub fn of_records(
        archive: &Manifest,
        preset: Option<&Preset>,
        records: Vec<Record>,
    ) -> Result<Self, MergeError> {
        let preset = preset.ok_or(MergeError::RecordsNeedPreset)?;
        let loaded = archive
            .schema
            .tables
            .iter()
            .map(|table| {
                let columns = table.stored_columns().map(|column| column.name.clone());
                (table.name.clone(), columns.collect())
            })
            .collect();
        let selection = Self {
            records,
            ..Self::ALL
        };
        let builder = Builder {
            mode: Mode::Skip,
            archive,
            target: &archive.schema,
            selection: &selection,
            preset,
            loaded: &loaded,
        };
        for record in &selection.records {
            builder.key_of(record)?;
        }
        let reach = builder.reach();
        let file_sets = preset.file_sets.iter().filter(|rule| {
            archive.file_sets.iter().any(|set| set.name == rule.name)
                && rule
                    .columns
                    .iter()
                    .any(|column| reach.all.iter().any(|table| names(&column.table, table)))
        });
        let file_sets = file_sets.map(|rule| rule.name.clone()).collect();
        let tables = reach.all.into_iter().cloned().collect();
        Ok(Self {
            tables: Some(tables),
            file_sets: Some(file_sets),
            records: selection.records,
        })
    }
}

impl<'a> Builder<'a> {
    /// Whether a foreign key is declared to say what a row belongs to.
    pub(super) fn is_owned(&self, table: &Table, key: &ForeignKey) -> bool {
        self.key_rule(&table.name, &key.columns)
            .is_some_and(|rule| rule.class == ForeignKeyClass::Ownership)
    }

    fn reaches(&self, table: &TableName) -> bool {
        self.archived(table).is_some() && self.selection.has_table(table)
    }

    /// The tables that the selected records reach.
    pub(super) fn reach(&self) -> Reach<'a> {
        let mut reach = Reach::default();
        let is_record = |name: &TableName| {
            let mut records = self.selection.records.iter();
            records.any(|record| record.table == *name)
        };
        let of_records = self.target.names().filter(|name| is_record(name));
        reach.mine.extend(of_records);
        loop {
            let below = self.target.tables.iter().filter(|table| {
                !reach.mine.contains(&table.name)
                    && self.reaches(&table.name)
                    && self.keys(table).iter().any(|key| {
                        reach.mine.contains(&key.references) && self.is_owned(table, key)
                    })
            });
            let below: Vec<&TableName> = below.map(|table| &table.name).collect();
            if below.is_empty() {
                break;
            }
            reach.mine.extend(below);
        }
        let mut open: Vec<&TableName> = reach.mine.iter().copied().collect();
        while let Some(name) = open.pop() {
            if !self.reaches(name) || !reach.all.insert(name) {
                continue;
            }
            let Some(table) = self.target.table(name) else {
                continue;
            };
            for key in self.keys(table) {
                open.extend(self.target.names().find(|name| **name == key.references));
            }
            open.extend(self.hidden_targets(name));
            open.extend(self.telling(name));
        }
        reach
    }

    /// The records with what they are known by, for a program whose tables are in these places.
    pub(super) fn roots(
        &self,
        place: impl Fn(&TableName) -> Option<usize>,
    ) -> Result<Vec<Root>, MergeError> {
        let roots = self.selection.records.iter().map(|record| {
            let table = place(&record.table).ok_or_else(|| MergeError::NoRecords {
                table: record.table.clone(),
            })?;
            Ok(Root {
                table,
                key: self.key_of(record)?,
                record: record.clone(),
            })
        });
        roots.collect()
    }

    /// What a record is known by.
    fn key_of(&self, record: &Record) -> Result<Vec<KeyValue>, MergeError> {
        let table = self.target.table(&record.table);
        let (Some(table), Some(archived)) = (table, self.archived(&record.table)) else {
            return Err(MergeError::NoRecords {
                table: record.table.clone(),
            });
        };
        let mut keys = keys_of(table, self.preset);
        keys.retain(|key| key.iter().all(|(column, _)| archived.contains(column)));
        let given: Vec<&String> = record.key.keys().collect();
        let key = keys.iter().find(|key| {
            key.len() == given.len() && key.iter().all(|(column, _)| given.contains(&column))
        });
        let Some(key) = key else {
            return Err(MergeError::NoSuchKey {
                table: record.table.clone(),
                given: given.into_iter().cloned().collect(),
                keys: keys
                    .into_iter()
                    .map(|key| key.into_iter().map(|(column, _)| column).collect())
                    .collect(),
            });
        };
        let values = key.iter().filter_map(|(column, normalise)| {
            Some(KeyValue {
                column: column.clone(),
                value: record.key.get(column)?.clone(),
                normalise: *normalise,
            })
        });
        Ok(values.collect())
    }
}

/// Columns with what is done to each before it is compared.
type Key = Vec<(String, Option<Normalise>)>;

/// What a row of a table may be asked for by: its primary key, its identity, its unique keys.
fn keys_of(table: &Table, preset: &Preset) -> Vec<Key> {
    let plain = |columns: &Vec<String>| -> Key {
        columns
            .iter()
            .map(|column| (column.clone(), None))
            .collect()
    };
    let rule = preset
        .tables
        .iter()
        .find(|rule| names(&rule.table, &table.name));
    let declared = rule.iter().flat_map(|rule| &rule.identity);
    let declared = declared.filter(|identity| identity.through.is_none());
    let declared = declared.map(|identity| {
        let columns = identity.columns.iter();
        columns
            .map(|column| (column.clone(), identity.normalise))
            .collect()
    });
    let mut seen: BTreeSet<Vec<String>> = BTreeSet::new();
    core::iter::once(plain(&table.primary_key))
        .chain(declared)
        .chain(table.unique.iter().map(plain))
        .filter(|key: &Key| !key.is_empty())
        .filter(|key| {
            let mut columns: Vec<String> = key.iter().map(|(column, _)| column.clone()).collect();
            columns.sort();
            seen.insert(columns)
        })
        .collect()
}
