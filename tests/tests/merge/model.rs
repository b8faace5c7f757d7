//! What a merge means, written as slowly and plainly as it can be: a row at a time, in lists, with every lookup a search.
//! It takes from [`Program`] what schema and rules decide (the order of tables, which link waits, what identifies), which
//! has tests of its own; what becomes of rows it works out by itself.

use std::collections::{BTreeMap, BTreeSet};

use coffer_core::{
    merge::{Class, Counts, MergeTable, Program, Skipped, When},
    plan::Mode,
    policy::Matched,
};

#[path = "model/recognise.rs"]
mod recognise;
#[path = "model/write.rs"]
mod write;

/// Values in the order of the table's columns.
pub(crate) type Row = Vec<Option<String>>;
/// The rows of each table, by its name.
pub(crate) type Tables = BTreeMap<String, Vec<Row>>;

/// Stands for a value that was made anew.
pub(crate) const NEW: &str = "<new>";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Insert,
    Matched(usize),
    Duplicate(usize),
    Skipped(Skipped),
}

/// One row of the archive.
#[derive(Clone, Debug)]
struct Entry {
    row: Row,
    /// With early links resolved.
    early: Row,
    cleared: u64,
    round: usize,
    /// Whether everything that it belongs to is there.
    stands: bool,
    fate: Fate,
    /// Whether the row that it is now was there before.
    was_there: bool,
    /// Whether it changes the row of the target.
    updates: bool,
    /// What others name it by afterwards.
    named: BTreeMap<String, Option<String>>,
    /// Unique keys whose column was made anew, or stays as the target has it.
    remade: BTreeSet<usize>,
}

struct Work<'a> {
    table: &'a MergeTable,
    rows: Vec<Row>,
    listed: Vec<Row>,
    entries: Vec<Option<Entry>>,
    gone: BTreeSet<usize>,
}

struct Found {
    usable: bool,
    withheld: bool,
    was_there: bool,
    named: BTreeMap<String, Option<String>>,
}

pub(crate) struct Model<'a> {
    program: &'a Program,
    done: Vec<Work<'a>>,
}

fn at(table: &MergeTable, column: &str) -> usize {
    table
        .columns
        .iter()
        .position(|own| own.name == column)
        .unwrap()
}

fn number(value: &Option<String>) -> Option<i64> {
    value.as_ref().map(|text| text.parse().unwrap())
}

/// The order of primary keys: numbers as numbers.
fn sort_key(table: &MergeTable, row: &Row) -> Vec<(i64, String)> {
    let key = if table.primary_key.is_empty() {
        panic!("the model needs a primary key")
    } else {
        &table.primary_key
    };
    key.iter()
        .map(|column| {
            let text = row[at(table, column)].clone().unwrap_or_default();
            text.parse::<i64>()
                .map_or_else(|_| (0, text.clone()), |number| (number, String::new()))
        })
        .collect()
}

impl<'a> Model<'a> {
    /// What the target holds afterwards, and what was done to each table.
    pub(crate) fn run(
        program: &'a Program,
        archive: &Tables,
        target: &Tables,
    ) -> (Tables, Vec<Counts>) {
        let mut model = Model {
            program,
            done: Vec::new(),
        };
        for (index, table) in program.tables.iter().enumerate() {
            let mut listed = target[&table.table.name].clone();
            listed.sort_by_key(|row| sort_key(table, row));
            let rows = archive[&table.table.name].clone();
            model.done.push(Work {
                table,
                listed,
                entries: vec![None; rows.len()],
                rows: rows.clone(),
                gone: BTreeSet::new(),
            });
            model.decide(index, &rows);
            model.number(index);
            model.lose(index);
            model.keep_unique(index);
            model.follow(index);
        }
        let mut tables = Tables::new();
        let mut counts = Vec::new();
        for index in 0..model.done.len() {
            let (rows, counted) = model.write(index);
            tables.insert(model.done[index].table.table.name.clone(), rows);
            counts.push(counted);
        }
        model.detach(&mut tables, &mut counts);
        (tables, counts)
    }

    fn entry(&self, index: usize, n: usize) -> &Entry {
        self.done[index].entries[n].as_ref().unwrap()
    }

    /// The row of the archive with these values in these columns.
    fn find(&self, to: usize, columns: &[String], values: &[Option<String>]) -> Option<Found> {
        let work = &self.done[to];
        let entry = work.entries.iter().flatten().find(|entry| {
            columns
                .iter()
                .zip(values)
                .all(|(column, value)| entry.row[at(work.table, column)] == *value)
        })?;
        Some(Found {
            usable: !matches!(entry.fate, Fate::Skipped(_)),
            withheld: entry.fate == Fate::Skipped(Skipped::WithParent),
            was_there: entry.was_there,
            named: entry.named.clone(),
        })
    }

    /// Resolves the links of a pass: the row, how many references became NULL, and what that means for the row.
    fn resolve(
        &self,
        index: usize,
        row: &Row,
        base: &Row,
        late: bool,
    ) -> (Row, u64, Option<Skipped>, bool) {
        let table = self.done[index].table;
        let mut resolved = base.clone();
        let mut settled: BTreeSet<&str> = BTreeSet::new();
        if late {
            // Columns that early links have too are theirs.
            for link in table.links.iter().filter(|link| link.when != When::Late) {
                settled.extend(link.columns.iter().map(String::as_str));
            }
        }
        let mut clear: BTreeSet<&str> = BTreeSet::new();
        let (mut cleared, mut lost, mut withheld) = (0, false, false);
        let (mut carried, mut carried_by_new) = (false, false);
        for link in &table.links {
            if (link.when == When::Late) != late {
                continue;
            }
            let values: Vec<Option<String>> = link
                .columns
                .iter()
                .map(|column| row[at(table, column)].clone())
                .collect();
            let null = values.iter().any(Option::is_none);
            let found = if null {
                None
            } else {
                link.to
                    .and_then(|to| self.find(to, &link.referenced, &values))
            };
            if link.carried && !null {
                carried = true;
                if !found.as_ref().is_some_and(|found| found.was_there) {
                    carried_by_new = true;
                }
            }
            let usable = found.as_ref().is_some_and(|found| found.usable);
            for (column, there) in link.columns.iter().zip(&link.referenced) {
                if settled.insert(column)
                    && usable
                    && let Some(found) = &found
                {
                    resolved[at(table, column)] = found.named[there].clone();
                }
            }
            let unresolved = !null && !usable;
            match link.class {
                Class::Enrichment if unresolved => {
                    cleared += 1;
                    clear.extend(link.clears.iter().map(String::as_str));
                }
                Class::Ownership if unresolved => {
                    if found.is_some_and(|found| found.withheld) {
                        withheld = true;
                    } else {
                        lost = true;
                    }
                }
                Class::Ownership if null && link.needed => lost = true,
                _ => {}
            }
        }
        for column in clear {
            resolved[at(table, column)] = None;
        }
        let standing = if lost {
            Some(Skipped::UnresolvedOwner)
        } else if withheld {
            Some(Skipped::WithParent)
        } else {
            None
        };
        (resolved, cleared, standing, carried && !carried_by_new)
    }

    /// Numbers for new rows whose number is taken.
    fn number(&mut self, index: usize) {
        let table = self.done[index].table;
        let Some(key) = &table.surrogate else { return };
        let place = at(table, key);
        let work = &mut self.done[index];
        let taken: BTreeSet<i64> = work
            .listed
            .iter()
            .filter_map(|row| number(&row[place]))
            .collect();
        let mut last = taken.iter().copied().max().unwrap_or(0);
        for entry in work.entries.iter().flatten() {
            last = last.max(number(&entry.row[place]).unwrap_or(0));
            last = last.max(number(&entry.named[key]).unwrap_or(0));
        }
        last = last.max(work.numbers_of_all(place));
        let mut open: Vec<&mut Entry> = work
            .entries
            .iter_mut()
            .flatten()
            .filter(|entry| {
                entry.fate == Fate::Insert
                    && number(&entry.named[key]).is_some_and(|number| taken.contains(&number))
            })
            .collect();
        open.sort_by_key(|entry| number(&entry.row[place]));
        for entry in open {
            last += 1;
            entry.named.insert(key.clone(), Some(last.to_string()));
        }
    }

    fn follow(&mut self, index: usize) {
        for n in 0..self.done[index].entries.len() {
            let Some(Fate::Duplicate(of)) = self.done[index].entries[n].as_ref().map(|e| e.fate)
            else {
                continue;
            };
            let first = self.entry(index, of).clone();
            let entry = self.done[index].entries[n].as_mut().unwrap();
            entry.named = first.named;
            entry.was_there = first.was_there;
            if let Fate::Skipped(_) = first.fate {
                entry.fate = first.fate;
            }
        }
    }

    fn matched(&self, index: usize, id: usize) -> bool {
        self.done[index]
            .entries
            .iter()
            .flatten()
            .any(|entry| entry.fate == Fate::Matched(id))
    }

    /// Rows of the target that go with what they belong to.
    fn lose(&mut self, index: usize) {
        if self.program.mode != Mode::Overwrite {
            return;
        }
        let table = self.done[index].table;
        let replaces = table.matched == Matched::Mode && table.fill.is_empty();
        loop {
            let mut more = Vec::new();
            for (id, row) in self.done[index].listed.iter().enumerate() {
                if self.done[index].gone.contains(&id) || self.matched(index, id) {
                    continue;
                }
                let (mut any, mut all, mut cascade) = (false, true, false);
                for link in &table.links {
                    let values: Vec<_> = link
                        .columns
                        .iter()
                        .map(|column| row[at(table, column)].clone())
                        .collect();
                    let Some(to) = link.to else { continue };
                    if values.iter().any(Option::is_none) {
                        continue;
                    }
                    let there = &self.done.get(to);
                    let Some(there) = there else { continue };
                    let parents: Vec<usize> = (0..there.listed.len())
                        .filter(|parent| {
                            link.referenced.iter().zip(&values).all(|(column, value)| {
                                there.listed[*parent][at(there.table, column)] == *value
                            })
                        })
                        .collect();
                    let is_gone = parents.iter().any(|parent| there.gone.contains(parent));
                    let is_replaced = parents.iter().any(|parent| self.matched(to, *parent));
                    if link.carried {
                        any = true;
                        all &= is_gone || is_replaced;
                    }
                    cascade |= link.class == Class::Ownership
                        && (link.when == When::Before || to == index)
                        && is_gone;
                }
                if cascade || (replaces && any && all) {
                    more.push(id);
                }
            }
            if more.is_empty() {
                return;
            }
            self.done[index].gone.extend(more);
        }
    }
}

impl Work<'_> {
    /// The greatest number among all rows of the archive.
    fn numbers_of_all(&self, place: usize) -> i64 {
        self.rows
            .iter()
            .filter_map(|row| number(&row[place]))
            .max()
            .unwrap_or(0)
    }
}
