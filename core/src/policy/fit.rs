//! A preset for one version of its application: without the rules for what that version doesn't have.

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use super::{Preset, names};
use crate::schema::{Schema, Table};

/// What a preset says a version may lack, and this database does lack.
#[derive(Clone, Debug, Default)]
pub(super) struct Lacking<'a> {
    tables: Vec<&'a str>,
    columns: Vec<(&'a str, &'a str)>,
}

/// The table that a rule's name means.
pub(super) fn find<'s>(schema: &'s Schema, name: &str) -> Option<&'s Table> {
    schema.tables.iter().find(|table| names(name, &table.name))
}

/// Whether a name, with or without its schema, and a column's name behind it mean this column.
pub(super) fn names_column(given: &str, table: &Table, column: &str) -> bool {
    given
        .strip_suffix(column)
        .and_then(|rest| rest.strip_suffix('.'))
        .is_some_and(|name| names(name, &table.name))
}

impl<'a> Lacking<'a> {
    pub(super) fn of(preset: &'a Preset, schema: &Schema) -> Self {
        let mut lacking = Self::default();
        for given in &preset.may_lack {
            if find(schema, given).is_some() {
                continue;
            }
            let column = given
                .rsplit_once('.')
                .and_then(|(table, column)| Some((find(schema, table)?, table, column)));
            match column {
                None => lacking.tables.push(given),
                Some((table, name, column)) => {
                    if !table.columns.iter().any(|stored| stored.name == column) {
                        lacking.columns.push((name, column));
                    }
                }
            }
        }
        lacking
    }

    pub(super) fn table(&self, name: &str) -> bool {
        self.tables.contains(&name)
    }

    pub(super) fn column(&self, table: &str, column: &str) -> bool {
        self.table(table) || self.columns.contains(&(table, column))
    }

    pub(super) fn any(&self, table: &str, columns: &[String]) -> bool {
        self.table(table) || columns.iter().any(|column| self.column(table, column))
    }

    fn any_key<V>(&self, table: &str, columns: &BTreeMap<String, V>) -> bool {
        columns.keys().any(|column| self.column(table, column))
    }
}

impl Preset {
    /// The rules that are for this database: without those that name what the preset says some versions lack, where it is
    /// lacking.
    #[must_use]
    pub fn fitted(&self, schema: &Schema) -> Self {
        let lacking = Lacking::of(self, schema);
        let mut fitted = self.clone();
        fitted.leave_out.retain(|rule| {
            let mut columns = rule.columns();
            !lacking.table(&rule.table)
                && columns.all(|column| !lacking.column(&rule.table, column))
        });
        fitted.credentials.retain(|rule| {
            !lacking.column(&rule.table, &rule.column)
                && !lacking.any_key(&rule.table, &rule.condition)
        });
        for rule in &mut fitted.credentials {
            rule.also_set
                .retain(|column, _| !lacking.column(&rule.table, column));
        }
        fitted.tables.retain(|rule| !lacking.table(&rule.table));
        for rule in &mut fitted.tables {
            let here = |column: &String| !lacking.column(&rule.table, column);
            rule.identity.retain(|identity| match &identity.through {
                Some(through) => {
                    !lacking.any(&through.table, &identity.columns)
                        && !lacking.any(&through.table, &through.columns)
                        && !lacking.any_key(&through.table, &through.condition)
                }
                None => identity.columns.iter().all(here),
            });
            for list in [
                &mut rule.fill,
                &mut rule.prefer,
                &mut rule.either,
                &mut rule.never_emptied,
            ] {
                list.retain(here);
            }
            rule.on_insert.retain(|column, _| here(column));
            rule.settled.retain(|column, _| here(column));
            for settled in rule.settled.values_mut() {
                settled.also_set.retain(|column, _| here(column));
                settled.unless.take_if(|unless| {
                    lacking.any(&unless.table, &unless.columns)
                        || lacking.any_key(&unless.table, &unless.condition)
                });
            }
            if let Some(newer) = &mut rule.newer {
                let had_columns = !newer.columns.is_empty();
                newer.columns.retain(here);
                // No columns mean all of them, which is more than any of those that aren't there.
                if !here(&newer.by) || (had_columns && newer.columns.is_empty()) {
                    rule.newer = None;
                }
            }
        }
        fitted.foreign_keys.retain(|rule| {
            let to = rule.references.as_ref();
            !lacking.any(&rule.table, &rule.columns)
                && !to.is_some_and(|to| lacking.any(&to.table, &to.columns))
        });
        fitted.references.retain(|rule| {
            !lacking.column(&rule.table, &rule.column)
                && !lacking.table(&rule.references)
                && !lacking.any_key(&rule.table, &rule.condition)
        });
        fitted
            .collisions
            .retain(|rule| !lacking.any(&rule.table, &rule.columns));
        for set in &mut fitted.file_sets {
            set.columns
                .retain(|column| !lacking.column(&column.table, &column.column));
        }
        for secret in &mut fitted.app_secrets {
            secret
                .columns
                .retain(|column| !lacking.column(&column.table, &column.column));
        }
        fitted
    }
}
