//! Random schemas with random rules and rows, the same for both engines.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{Row, Tables};

/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same everywhere.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// True in so many of a hundred cases.
    fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Number,
    Text,
    Pair,
}

struct Reference {
    columns: Vec<String>,
    to: usize,
    not_null: bool,
}

struct Shape {
    name: String,
    key: Key,
    references: Vec<Reference>,
    uid: bool,
    code: bool,
}

impl Shape {
    fn key_columns(&self) -> Vec<String> {
        match self.key {
            Key::Number | Key::Text => vec!["id".to_owned()],
            Key::Pair => vec!["owner".to_owned(), "part".to_owned()],
        }
    }
}

/// A schema with its rules.
pub(crate) struct Schema {
    shapes: Vec<Shape>,
    pub(crate) sqlite: String,
    pub(crate) postgres: String,
    pub(crate) preset: String,
}

/// Values of the columns that may be made anew.
pub(crate) const UIDS: [&str; 8] = ["u1", "u2", "u3", "u4", "u5", "u6", "u7", "u8"];

impl Schema {
    pub(crate) fn new(random: &mut Random) -> Self {
        let count = 1 + random.below(12);
        let mut shapes: Vec<Shape> = Vec::new();
        for index in 0..count {
            let has_simple = shapes.iter().any(|shape| shape.key != Key::Pair);
            let key = match random.below(10) {
                0..6 => Key::Number,
                6..8 => Key::Text,
                _ if has_simple => Key::Pair,
                _ => Key::Number,
            };
            shapes.push(Shape {
                name: format!("t{index:02}"),
                key,
                references: Vec::new(),
                uid: random.percent(50),
                code: random.percent(20),
            });
        }
        for index in 0..count {
            if shapes[index].key == Key::Pair {
                let simple: Vec<usize> = (0..index)
                    .filter(|to| shapes[*to].key != Key::Pair)
                    .collect();
                let to = simple[random.below(simple.len())];
                shapes[index].references.push(Reference {
                    columns: vec!["owner".to_owned()],
                    to,
                    not_null: true,
                });
            }
            for place in 0..random.below(4) {
                // Mostly to tables before, sometimes to itself, sometimes to any, which makes circles.
                let to = match random.below(10) {
                    0..6 if index > 0 => random.below(index),
                    6..8 => index,
                    _ => random.below(count),
                };
                let columns = match shapes[to].key {
                    Key::Pair => vec![format!("r{place}a"), format!("r{place}b")],
                    _ => vec![format!("r{place}")],
                };
                let not_null = to < index && random.percent(40);
                shapes[index].references.push(Reference {
                    columns,
                    to,
                    not_null,
                });
            }
        }
        let preset = Self::preset(&shapes, random);
        Self {
            sqlite: Self::ddl(&shapes, false),
            postgres: Self::ddl(&shapes, true),
            shapes,
            preset,
        }
    }

    fn types(shapes: &[Shape], to: usize) -> Vec<&'static str> {
        match shapes[to].key {
            Key::Number => vec!["integer"],
            Key::Text => vec!["text"],
            Key::Pair => {
                let owner = shapes[to].references[0].to;
                let mut types = Self::types(shapes, owner);
                types.push("integer");
                types
            }
        }
    }

    /// Foreign keys that lead to tables behind are added later where an engine needs it.
    fn ddl(shapes: &[Shape], apart: bool) -> String {
        let (mut tables, mut keys) = (String::new(), String::new());
        for (index, shape) in shapes.iter().enumerate() {
            let mut parts: Vec<String> = Vec::new();
            match shape.key {
                Key::Number => parts.push("id integer PRIMARY KEY".to_owned()),
                Key::Text => parts.push("id text NOT NULL PRIMARY KEY".to_owned()),
                Key::Pair => {}
            }
            let mut ends: Vec<String> = Vec::new();
            for reference in &shape.references {
                let not_null = if reference.not_null { " NOT NULL" } else { "" };
                for (column, kind) in reference
                    .columns
                    .iter()
                    .zip(Self::types(shapes, reference.to))
                {
                    parts.push(format!("{column} {kind}{not_null}"));
                }
                let key = format!(
                    "FOREIGN KEY ({}) REFERENCES {} ({})",
                    reference.columns.join(", "),
                    shapes[reference.to].name,
                    shapes[reference.to].key_columns().join(", ")
                );
                if apart {
                    keys.push_str(&format!("ALTER TABLE {} ADD {key};", shapes[index].name));
                } else {
                    ends.push(key);
                }
            }
            if shape.key == Key::Pair {
                parts.push("part integer NOT NULL".to_owned());
                ends.push("PRIMARY KEY (owner, part)".to_owned());
            }
            parts.push("name text, value integer".to_owned());
            if shape.uid {
                parts.push("uid text UNIQUE".to_owned());
            }
            if shape.code {
                parts.push("code integer NOT NULL UNIQUE".to_owned());
            }
            parts.extend(ends);
            tables.push_str(&format!(
                "CREATE TABLE {} ({});",
                shape.name,
                parts.join(", ")
            ));
        }
        tables + &keys
    }

    fn preset(shapes: &[Shape], random: &mut Random) -> String {
        let mut preset = "app = \"random\"\n".to_owned();
        // Every fourth application has no rules.
        if random.percent(25) {
            return preset;
        }
        for (index, shape) in shapes.iter().enumerate() {
            let quoted = |columns: &[String]| {
                let quoted: Vec<String> = columns.iter().map(|name| format!("{name:?}")).collect();
                quoted.join(", ")
            };
            if random.percent(70) {
                let before: Vec<&Reference> = shape
                    .references
                    .iter()
                    .filter(|reference| reference.to <= index)
                    .collect();
                let name = if random.percent(50) {
                    "{ columns = [\"name\"], normalise = \"trim_lower\" }".to_owned()
                } else {
                    "{ columns = [\"name\"], fallback = true }".to_owned()
                };
                let uid = "{ columns = [\"uid\"] }".to_owned();
                let mut identity: Vec<String> = Vec::new();
                if shape.uid && random.percent(60) {
                    identity.push(uid);
                }
                if !before.is_empty() && random.percent(30) {
                    let reference = before[random.below(before.len())];
                    let mut columns = reference.columns.clone();
                    columns.push("name".to_owned());
                    identity.push(format!("{{ columns = [{}] }}", quoted(&columns)));
                }
                if random.percent(40) {
                    identity.push(name);
                }
                preset.push_str(&format!(
                    "[[table]]\ntable = {:?}\nidentity = [{}]\n",
                    shape.name,
                    identity.join(", ")
                ));
                match random.below(10) {
                    0..2 => preset.push_str("matched = \"keep\"\n"),
                    2..4 => preset.push_str("fill = [\"value\"]\n"),
                    4 => preset.push_str("on_insert = { value = 7 }\n"),
                    _ => {}
                }
            }
            for reference in &shape.references {
                let class = match random.below(10) {
                    0..4 if reference.to < index => "ownership",
                    4 => "enrichment",
                    5 if !reference.not_null => "deferred",
                    _ => continue,
                };
                preset.push_str(&format!(
                    "[[foreign_key]]\ntable = {:?}\ncolumns = [{}]\nclass = {class:?}\n",
                    shape.name,
                    quoted(&reference.columns)
                ));
            }
            if shape.uid && random.percent(40) {
                preset.push_str(&format!(
                    "[[collision]]\ntable = {:?}\ncolumns = [\"uid\"]\ncolumn = \"uid\"\nwith = {:?}\n",
                    shape.name,
                    random.pick(&["uuid", "random", "suffix"])
                ));
            }
        }
        preset
    }

    /// The columns of a table, in order.
    pub(crate) fn columns(&self, index: usize) -> Vec<String> {
        let shape = &self.shapes[index];
        let mut columns = Vec::new();
        if shape.key != Key::Pair {
            columns.push("id".to_owned());
        }
        for reference in &shape.references {
            columns.extend(reference.columns.iter().cloned());
        }
        if shape.key == Key::Pair {
            columns.push("part".to_owned());
        }
        columns.extend(["name".to_owned(), "value".to_owned()]);
        if shape.uid {
            columns.push("uid".to_owned());
        }
        if shape.code {
            columns.push("code".to_owned());
        }
        columns
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.shapes.iter().map(|shape| shape.name.as_str())
    }

    /// The primary key of any row, by its columns, with the name of its table; nothing if there is no row.
    pub(crate) fn any_key(
        &self,
        random: &mut Random,
        tables: &Tables,
    ) -> Option<(String, BTreeMap<String, String>)> {
        let filled =
            (0..self.shapes.len()).filter(|index| !tables[&self.shapes[*index].name].is_empty());
        let filled: Vec<usize> = filled.collect();
        if filled.is_empty() {
            return None;
        }
        let index = filled[random.below(filled.len())];
        let (shape, columns) = (&self.shapes[index], self.columns(index));
        let rows = &tables[&shape.name];
        let row = &rows[random.below(rows.len())];
        let key = shape.key_columns().into_iter().map(|column| {
            let place = columns.iter().position(|own| *own == column).unwrap();
            (column, row[place].clone().unwrap())
        });
        Some((shape.name.clone(), key.collect()))
    }

    /// Rows of which each foreign key leads somewhere, in the order of their keys.
    pub(crate) fn rows(&self, random: &mut Random) -> Tables {
        // Keys first, so that rows can refer to any table.
        let mut keys: Vec<Vec<Vec<String>>> = Vec::new();
        for shape in &self.shapes {
            let mut own: BTreeSet<Vec<(i64, String)>> = BTreeSet::new();
            for _ in 0..random.below(9) {
                let number = 1 + random.below(12) as i64;
                own.insert(match shape.key {
                    Key::Number => vec![(number, String::new())],
                    Key::Text => vec![(0, format!("k{number}"))],
                    Key::Pair => {
                        let owners: &Vec<Vec<String>> = &keys[shape.references[0].to];
                        if owners.is_empty() {
                            continue;
                        }
                        let owner = &owners[random.below(owners.len())][0];
                        let owner = owner
                            .parse()
                            .map_or_else(|_| (0, owner.clone()), |number| (number, String::new()));
                        vec![owner, (number % 4, String::new())]
                    }
                });
            }
            let spelled = own.into_iter().map(|key| {
                let spell = |(number, text): (i64, String)| {
                    if text.is_empty() {
                        number.to_string()
                    } else {
                        text
                    }
                };
                key.into_iter().map(spell).collect()
            });
            keys.push(spelled.collect());
        }
        let mut tables = Tables::new();
        for (index, shape) in self.shapes.iter().enumerate() {
            let (mut uids, mut codes) = (BTreeSet::new(), BTreeSet::new());
            let mut rows: Vec<Row> = Vec::new();
            for key in &keys[index] {
                let mut values: BTreeMap<String, Option<String>> = BTreeMap::new();
                let mut complete = true;
                for reference in &shape.references {
                    if reference.columns[0] == "owner" {
                        continue;
                    }
                    let there = &keys[reference.to];
                    let null = !reference.not_null && random.percent(30);
                    if there.is_empty() || null {
                        complete &= !reference.not_null;
                        continue;
                    }
                    let chosen = &there[random.below(there.len())];
                    for (column, value) in reference.columns.iter().zip(chosen) {
                        values.insert(column.clone(), Some(value.clone()));
                    }
                }
                if !complete {
                    continue;
                }
                for (column, value) in shape.key_columns().into_iter().zip(key) {
                    values.insert(column, Some(value.clone()));
                }
                let name = random.pick(&["a", "b", "c", " A ", "B", "", "-"]);
                values.insert("name".to_owned(), Some(name.to_owned()));
                let value = random.pick(&["1", "2", "3", "-"]);
                values.insert("value".to_owned(), Some(value.to_owned()));
                let uid = random.pick(&UIDS);
                if random.percent(80) && uids.insert(uid) {
                    values.insert("uid".to_owned(), Some(uid.to_owned()));
                }
                let code = (0..)
                    .map(|_| random.below(40))
                    .find(|code| codes.insert(*code));
                values.insert("code".to_owned(), code.map(|code| code.to_string()));
                let columns = self.columns(index);
                let row = columns.iter().map(|column| {
                    values
                        .get(column)
                        .cloned()
                        .flatten()
                        .filter(|text| text != "-")
                });
                rows.push(row.collect());
            }
            tables.insert(shape.name.clone(), rows);
        }
        // A row that was left out may leave others behind that refer to it.
        self.prune(&mut tables);
        tables
    }

    fn prune(&self, tables: &mut Tables) {
        loop {
            let mut changed = false;
            for (index, shape) in self.shapes.iter().enumerate() {
                for reference in &shape.references {
                    let to = &self.shapes[reference.to];
                    let place = |of: usize, column: &String| {
                        self.columns(of)
                            .iter()
                            .position(|own| own == column)
                            .unwrap()
                    };
                    let there: Vec<Vec<Option<String>>> = tables[&to.name]
                        .iter()
                        .map(|row| {
                            let key = to.key_columns();
                            key.iter()
                                .map(|column| row[place(reference.to, column)].clone())
                                .collect()
                        })
                        .collect();
                    let own: Vec<usize> = reference
                        .columns
                        .iter()
                        .map(|column| place(index, column))
                        .collect();
                    let rows = tables.get_mut(&shape.name).unwrap();
                    let before = rows.len();
                    let leads_nowhere = |row: &Row| {
                        let values: Vec<_> = own.iter().map(|place| row[*place].clone()).collect();
                        values.iter().all(Option::is_some) && !there.contains(&values)
                    };
                    if reference.not_null {
                        rows.retain(|row| !leads_nowhere(row));
                        changed |= rows.len() != before;
                    } else {
                        for row in rows.iter_mut() {
                            if leads_nowhere(row) {
                                changed = true;
                                own.iter().for_each(|place| row[*place] = None);
                            }
                        }
                    }
                }
            }
            if !changed {
                return;
            }
        }
    }

    /// Whether a foreign key leads nowhere.
    pub(crate) fn dangles(&self, tables: &Tables) -> bool {
        let place = |of: usize, column: &String| {
            let columns = self.columns(of);
            columns.iter().position(|own| own == column).unwrap()
        };
        let values = |row: &Row, of: usize, columns: &[String]| -> Vec<Option<String>> {
            let of = columns.iter().map(|column| row[place(of, column)].clone());
            of.collect()
        };
        self.shapes.iter().enumerate().any(|(index, shape)| {
            shape.references.iter().any(|reference| {
                let to = &self.shapes[reference.to];
                let there: Vec<_> = tables[&to.name]
                    .iter()
                    .map(|row| values(row, reference.to, &to.key_columns()))
                    .collect();
                tables[&shape.name].iter().any(|row| {
                    let own = values(row, index, &reference.columns);
                    own.iter().all(Option::is_some) && !there.contains(&own)
                })
            })
        })
    }

    /// Statements that insert rows, those that others refer to not necessarily first.
    pub(crate) fn inserts(&self, tables: &Tables) -> String {
        let mut sql = String::new();
        for (name, rows) in tables {
            for row in rows {
                let values: Vec<String> = row
                    .iter()
                    .map(|value| match value {
                        None => "NULL".to_owned(),
                        Some(text) => format!("'{text}'"),
                    })
                    .collect();
                sql.push_str(&format!(
                    "INSERT INTO {name} VALUES ({});",
                    values.join(", ")
                ));
            }
        }
        sql
    }
}
