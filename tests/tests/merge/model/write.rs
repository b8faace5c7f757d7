//! The rows that the target holds afterwards.

use std::collections::{BTreeMap, BTreeSet};

use coffer_core::{
    merge::{Class, Counts, MergeTable, Skipped},
    plan::Mode,
    policy::{Given, Scalar},
};

use super::{Entry, Fate, Model, NEW, Row, Tables, at};

impl Model<'_> {
    fn changing(&self, table: &MergeTable, column: &str) -> bool {
        !table.kept.contains(column)
            && (table.fill.is_empty() || table.fill.iter().any(|c| c == column))
    }

    /// What a row of the archive makes of the row that it is, column by column.
    fn made(&self, index: usize, n: usize) -> Row {
        let work = &self.done[index];
        let (table, entry) = (work.table, self.entry(index, n));
        let (late, ..) = self.resolve_late(index, entry);
        let remade = |column: &str| {
            table.unique.iter().enumerate().any(|(place, key)| {
                entry.remade.contains(&place)
                    && key.remake.as_ref().is_some_and(|(name, _)| name == column)
            })
        };
        table
            .columns
            .iter()
            .enumerate()
            .map(|(place, column)| {
                let name = column.name.as_str();
                match entry.fate {
                    Fate::Matched(id) => {
                        let own = work.listed[id][place].clone();
                        let filled = self.program.mode == Mode::Skip
                            && !table.fill.is_empty()
                            && own.as_deref().is_some_and(|text| !text.is_empty());
                        let empty = table.identifies(name)
                            && late[place].as_deref().is_none_or(str::is_empty);
                        if !entry.updates
                            || !self.changing(table, name)
                            || filled
                            || empty
                            || remade(name)
                        {
                            own
                        } else {
                            late[place].clone()
                        }
                    }
                    _ => match table.on_insert.get(name) {
                        Some(Given::Scalar(Scalar::Integer(number))) => Some(number.to_string()),
                        Some(other) => panic!("{other:?} is not in this test"),
                        None if table.surrogate.as_deref() == Some(name) => {
                            entry.named[name].clone()
                        }
                        None if remade(name) => Some(NEW.to_owned()),
                        None => late[place].clone(),
                    },
                }
            })
            .collect()
    }

    fn resolve_late(&self, index: usize, entry: &Entry) -> (Row, u64) {
        // Tables that come later are not decided yet while unique keys are, which no late column is part of.
        if self.done.len() < self.program.tables.len() {
            return (entry.early.clone(), 0);
        }
        let (row, cleared, ..) = self.resolve(index, &entry.row, &entry.early, true);
        (row, cleared)
    }

    pub(super) fn keep_unique(&mut self, index: usize) {
        let table = self.done[index].table;
        if table.unique.is_empty() {
            return;
        }
        loop {
            let work = &self.done[index];
            let mut entries: Vec<(u8, usize, Row)> = Vec::new();
            for (id, row) in work.listed.iter().enumerate() {
                let exchanged = work
                    .entries
                    .iter()
                    .flatten()
                    .any(|entry| entry.fate == Fate::Matched(id) && entry.updates);
                if !exchanged && !work.gone.contains(&id) {
                    entries.push((0, id, row.clone()));
                }
            }
            for (n, entry) in work.entries.iter().enumerate() {
                let entry = entry.as_ref().unwrap();
                match entry.fate {
                    Fate::Matched(_) if entry.updates => {
                        entries.push((1, n, self.made(index, n)));
                    }
                    Fate::Insert => {
                        let mut row = self.made(index, n);
                        // A key that was made anew is nobody else's.
                        for value in row.iter_mut().flatten() {
                            if value == NEW {
                                *value = format!("{NEW}{n}");
                            }
                        }
                        // What is inserted counts by what the archive says.
                        for column in table.on_insert.keys() {
                            row[at(table, column)] = entry.early[at(table, column)].clone();
                        }
                        entries.push((2, n, row));
                    }
                    _ => {}
                }
            }
            entries.sort_by_key(|(kind, n, _)| (*kind, *n));
            let mut losers: Vec<(usize, usize)> = Vec::new();
            for (place, key) in table.unique.iter().enumerate() {
                let mut seen: BTreeSet<Vec<String>> = BTreeSet::new();
                for (kind, n, row) in &entries {
                    let values: Option<Vec<String>> = key
                        .columns
                        .iter()
                        .map(|column| row[at(table, column)].clone())
                        .collect();
                    if let Some(values) = values
                        && !seen.insert(values)
                        && *kind > 0
                    {
                        losers.push((*n, place));
                    }
                }
            }
            if losers.is_empty() {
                return;
            }
            for (place, key) in table.unique.iter().enumerate() {
                let of_key: Vec<usize> = losers
                    .iter()
                    .filter(|(_, own)| *own == place)
                    .map(|(n, _)| *n)
                    .collect();
                for n in of_key {
                    let entry = self.done[index].entries[n].as_mut().unwrap();
                    let again = entry.remade.contains(&place);
                    match &key.remake {
                        Some((column, _)) if !again => {
                            let open = entry.fate == Fate::Insert
                                || (matches!(entry.fate, Fate::Matched(_)) && entry.updates);
                            if open {
                                entry.remade.insert(place);
                                if entry.fate == Fate::Insert && entry.named.contains_key(column) {
                                    entry.named.insert(column.clone(), Some(NEW.to_owned()));
                                }
                            }
                        }
                        _ => {
                            if matches!(entry.fate, Fate::Matched(_)) {
                                entry.updates = false;
                            } else {
                                entry.fate = Fate::Skipped(Skipped::Collision);
                            }
                        }
                    }
                }
            }
        }
    }

    pub(super) fn write(&self, index: usize) -> (Vec<Row>, Counts) {
        let work = &self.done[index];
        let table = work.table;
        let mut counts = Counts {
            delete: work.gone.len() as u64,
            ..Counts::default()
        };
        let mut rows: Vec<Row> = Vec::new();
        let mut exchanged: BTreeMap<usize, Row> = BTreeMap::new();
        for n in 0..work.entries.len() {
            let entry = self.entry(index, n);
            if let Some(key) = &table.surrogate
                && !matches!(entry.fate, Fate::Skipped(_))
                && entry.named[key] != entry.row[at(table, key)]
            {
                counts.remapped += 1;
            }
            counts.remade += entry.remade.len() as u64;
            match entry.fate {
                Fate::Insert => {
                    counts.insert += 1;
                    counts.cleared += entry.cleared + self.resolve_late(index, entry).1;
                    rows.push(self.made(index, n));
                }
                Fate::Matched(id) => {
                    let made = self.made(index, n);
                    if entry.updates {
                        counts.cleared += entry.cleared + self.resolve_late(index, entry).1;
                    }
                    if made == work.listed[id] {
                        counts.keep += 1;
                    } else {
                        counts.update += 1;
                        exchanged.insert(id, made);
                    }
                }
                Fate::Duplicate(_) => {
                    *counts.skipped.entry(Skipped::Duplicate).or_default() += 1;
                }
                Fate::Skipped(reason) => *counts.skipped.entry(reason).or_default() += 1,
            }
        }
        for (id, row) in work.listed.iter().enumerate() {
            if !work.gone.contains(&id) {
                rows.push(exchanged.get(&id).unwrap_or(row).clone());
            }
        }
        (rows, counts)
    }

    /// References to rows that went become NULL, unless the same key came again.
    pub(super) fn detach(&self, tables: &mut Tables, counts: &mut [Counts]) {
        if self.program.mode != Mode::Overwrite {
            return;
        }
        for (index, work) in self.done.iter().enumerate() {
            let table = work.table;
            for link in &table.links {
                let Some(to) = link.to else { continue };
                if link.class != Class::Enrichment {
                    continue;
                }
                let there = &self.done[to];
                let key = |row: &Row| -> Vec<Option<String>> {
                    link.referenced
                        .iter()
                        .map(|column| row[at(there.table, column)].clone())
                        .collect()
                };
                let gone: Vec<_> = there
                    .gone
                    .iter()
                    .map(|id| key(&there.listed[*id]))
                    .collect();
                let now: Vec<_> = tables[&there.table.table.name].iter().map(key).collect();
                for row in tables.get_mut(&table.table.name).unwrap() {
                    let own: Vec<_> = link
                        .columns
                        .iter()
                        .map(|column| row[at(table, column)].clone())
                        .collect();
                    if own.iter().all(Option::is_some) && gone.contains(&own) && !now.contains(&own)
                    {
                        counts[index].detached += 1;
                        for column in &link.clears {
                            row[at(table, column)] = None;
                        }
                    }
                }
            }
        }
    }
}
