//! Which rows of the archive are rows of the target, and what becomes of each.

use std::collections::{BTreeMap, BTreeSet};

use coffer_core::{
    merge::{MergeTable, Skipped, When},
    plan::Mode,
    policy::{Matched, Normalise},
};

use super::{Entry, Fate, Model, Row, at, number};

impl Model<'_> {
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

    pub(super) fn decide(&mut self, index: usize, rows: &[Row]) {
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
}
