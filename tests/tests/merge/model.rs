//! What a merge means, written as slowly and plainly as it can be: a row at a time, in lists, with every lookup a search.
//! It takes from [`Program`] what schema and rules decide (the order of tables, which link waits, what identifies), which
//! has tests of its own; what becomes of rows it works out by itself.

use std::collections::{BTreeMap, BTreeSet};

use coffer_core::{
    merge::{Class, Counts, MergeTable, Program, Skipped, When},
    plan::Mode,
    policy::{Given, Matched, Normalise, Scalar},
};

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

    fn identity(table: &MergeTable, place: usize, row: &Row) -> Option<Vec<Option<String>>> {
        let alternative = &table.identity[place];
        let mut key = Vec::new();
        for column in &alternative.columns {
            let value = row[at(table, column)]
                .clone()
                .map(|text| match alternative.normalise {
                    Some(Normalise::TrimLower) => text.trim_matches(' ').to_ascii_lowercase(),
                    Some(Normalise::FileStem) => panic!("not in this test"),
                    None => text,
                });
            if !alternative.may_be_null.contains(column)
                && (value.is_none()
                    || (!alternative.empty_is_value && value.as_deref() == Some("")))
            {
                return None;
            }
            key.push(value);
        }
        for column in &alternative.owners {
            key.push(row[at(table, column)].clone());
        }
        Some(key)
    }

    /// The alternatives' keys of a row of the archive, where they may be used.
    fn keys(table: &MergeTable, row: &Row) -> Vec<Option<Vec<Option<String>>>> {
        let all: Vec<_> = (0..table.identity.len())
            .map(|place| Self::identity(table, place, row))
            .collect();
        let any = table
            .identity
            .iter()
            .zip(&all)
            .any(|(one, key)| !one.fallback && key.is_some());
        table
            .identity
            .iter()
            .zip(all)
            .map(|(one, key)| key.filter(|_| !(one.fallback && any)))
            .collect()
    }

    fn decide(&mut self, index: usize, rows: &[Row]) {
        let table = self.done[index].table;
        let has_rounds = table
            .links
            .iter()
            .any(|link| link.when == When::Rounds && link.to.is_some());
        let mut round = 0;
        loop {
            let left: Vec<usize> = (0..rows.len())
                .filter(|n| self.done[index].entries[*n].is_none())
                .collect();
            if left.is_empty() {
                return;
            }
            let ready: Vec<usize> = left
                .iter()
                .copied()
                .filter(|n| {
                    table
                        .links
                        .iter()
                        .filter(|link| has_rounds && link.when == When::Rounds)
                        .all(|link| {
                            let values: Vec<_> = link
                                .columns
                                .iter()
                                .map(|column| rows[*n][at(table, column)].clone())
                                .collect();
                            values.iter().any(Option::is_none)
                                || !left.iter().any(|parent| {
                                    link.referenced.iter().zip(&values).all(|(column, value)| {
                                        rows[*parent][at(table, column)] == *value
                                    })
                                })
                        })
                })
                .collect();
            let now = if ready.is_empty() { left } else { ready };
            self.recognise(index, rows, &now, round);
            self.number(index);
            self.follow(index);
            round += 1;
        }
    }

    fn recognise(&mut self, index: usize, rows: &[Row], now: &[usize], round: usize) {
        let table = self.done[index].table;
        let mode = self.program.mode;
        struct Candidate {
            n: usize,
            early: Row,
            cleared: u64,
            standing: Option<Skipped>,
            follows: bool,
        }
        let candidates: Vec<Candidate> = now
            .iter()
            .map(|n| {
                let (early, cleared, standing, follows) =
                    self.resolve(index, &rows[*n], &rows[*n], false);
                Candidate {
                    n: *n,
                    early,
                    cleared,
                    standing,
                    follows,
                }
            })
            .collect();
        let work = &self.done[index];
        // Everybody with standing who is or was a candidate, earliest first.
        let mut everybody: Vec<(usize, usize, Row)> = work
            .entries
            .iter()
            .enumerate()
            .filter_map(|(n, entry)| entry.as_ref().map(|entry| (n, entry)))
            .filter(|(_, entry)| entry.stands)
            .map(|(n, entry)| (entry.round, n, entry.early.clone()))
            .collect();
        everybody.extend(
            candidates
                .iter()
                .filter(|one| one.standing.is_none())
                .map(|one| (round, one.n, one.early.clone())),
        );
        everybody.sort_by_key(|(round, n, _)| (*round, *n));
        // Rows of the archive that are the same as an earlier one.
        let mut root: BTreeMap<usize, usize> = BTreeMap::new();
        for (n, entry) in work.entries.iter().enumerate() {
            if let Some(entry) = entry
                && let Fate::Duplicate(of) = entry.fate
            {
                root.insert(n, of);
            }
        }
        for one in candidates.iter().filter(|one| one.standing.is_none()) {
            let mut earlier: Option<usize> = None;
            for (place, key) in Self::keys(table, &one.early).into_iter().enumerate() {
                let Some(key) = key else { continue };
                let first = everybody
                    .iter()
                    .find(|(_, _, row)| Self::keys(table, row)[place].as_ref() == Some(&key))
                    .unwrap()
                    .1;
                if first != one.n {
                    earlier = Some(earlier.map_or(first, |found| found.min(first)));
                }
            }
            if let Some(earlier) = earlier {
                root.insert(one.n, earlier);
            }
        }
        let lead = |root: &BTreeMap<usize, usize>, mut n: usize| {
            while let Some(of) = root.get(&n) {
                n = *of;
            }
            n
        };
        // Rows of the target that nobody else found: for rows that are the same, what the first of them finds.
        let mut claimed: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
        for (n, entry) in work.entries.iter().enumerate() {
            if let Some(entry) = entry
                && let Fate::Matched(id) = entry.fate
            {
                claimed.insert(id, (entry.round, n));
            }
        }
        let is_now = |n: usize| candidates.iter().any(|one| one.n == n);
        let mut hit: BTreeMap<usize, usize> = BTreeMap::new();
        for place in 0..table.identity.len() {
            for one in candidates.iter().filter(|one| one.standing.is_none()) {
                let of = lead(&root, one.n);
                let Some(key) = Self::keys(table, &one.early).swap_remove(place) else {
                    continue;
                };
                let free = work.listed.iter().enumerate().position(|(id, row)| {
                    !claimed.contains_key(&id)
                        && Self::identity(table, place, row).as_ref() == Some(&key)
                });
                if let Some(id) = free
                    && is_now(of)
                    && !hit.contains_key(&of)
                {
                    hit.insert(of, id);
                    claimed.insert(id, (round, of));
                }
            }
        }
        // The rest, as a whole.
        if let Some(rest) = &table.rest {
            let whole = |row: &Row| -> Vec<Option<String>> {
                rest.columns
                    .iter()
                    .map(|column| row[at(table, column)].clone())
                    .collect()
            };
            let mut open: Vec<&Candidate> = candidates
                .iter()
                .filter(|one| {
                    one.standing.is_none()
                        && !root.contains_key(&one.n)
                        && !hit.contains_key(&one.n)
                        && (rest.after_all
                            || (0..table.identity.len())
                                .all(|place| Self::identity(table, place, &one.early).is_none()))
                })
                .collect();
            if let Some(key) = &table.surrogate {
                let key = at(table, key);
                open.sort_by_key(|one| number(&rows[one.n][key]));
                open.retain(|one| {
                    let same = work.listed.iter().position(|row| {
                        row[key] == rows[one.n][key] && whole(row) == whole(&one.early)
                    });
                    match same.filter(|id| !claimed.contains_key(id)) {
                        Some(id) => {
                            claimed.insert(id, (round, one.n));
                            hit.insert(one.n, id);
                            false
                        }
                        None => true,
                    }
                });
            }
            for one in open {
                let free = work.listed.iter().enumerate().position(|(id, row)| {
                    !claimed.contains_key(&id) && whole(row) == whole(&one.early)
                });
                if let Some(id) = free {
                    claimed.insert(id, (round, one.n));
                    hit.insert(one.n, id);
                }
            }
        }
        let declared = table.identity.iter().any(|one| !one.empty_is_value);
        let changes =
            table.matched == Matched::Mode && (mode == Mode::Overwrite || !table.fill.is_empty());
        let mut made = Vec::new();
        for one in candidates {
            let fate = if let Some(reason) = one.standing {
                Fate::Skipped(reason)
            } else if root.contains_key(&one.n) {
                Fate::Duplicate(lead(&root, one.n))
            } else if let Some(id) = hit.get(&one.n) {
                Fate::Matched(*id)
            } else if (declared || table.rest.is_none())
                && (0..table.identity.len())
                    .all(|place| Self::identity(table, place, &one.early).is_none())
            {
                Fate::Skipped(Skipped::NoIdentity)
            } else if mode == Mode::Skip && one.follows {
                Fate::Skipped(Skipped::WithParent)
            } else {
                Fate::Insert
            };
            let source = match fate {
                Fate::Matched(id) => &work.listed[id],
                _ => &one.early,
            };
            let named = table
                .referenced
                .iter()
                .map(|column| (column.clone(), source[at(table, column)].clone()))
                .collect();
            made.push((
                one.n,
                Entry {
                    row: rows[one.n].clone(),
                    early: one.early.clone(),
                    cleared: one.cleared,
                    round,
                    fate,
                    was_there: matches!(fate, Fate::Matched(_)),
                    stands: one.standing.is_none(),
                    updates: changes && matches!(fate, Fate::Matched(_)),
                    named,
                    remade: BTreeSet::new(),
                },
            ));
        }
        for (n, entry) in made {
            self.done[index].entries[n] = Some(entry);
        }
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

    fn keep_unique(&mut self, index: usize) {
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

    fn write(&self, index: usize) -> (Vec<Row>, Counts) {
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
    fn detach(&self, tables: &mut Tables, counts: &mut [Counts]) {
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
