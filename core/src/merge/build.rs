//! From schemas, selection and rules to a program.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};

use super::{
    Class, Hidden, Link, MergeColumn, MergeError, MergeTable, Part, Program, Told, UniqueKey, When,
    identity::{self, Facts},
    order::{self, Node},
};
use crate::{
    manifest::{Contents, LeftOut, Manifest, Selection},
    plan::Mode,
    policy::{
        ForeignKeyRule, Identity, LeaveOutRule, Made, Matched, OneOf, Preset, RowCondition,
        TableRule, names,
    },
    schema::{Column, Engine, ForeignKey, Schema, Table, TableName},
};

impl Program {
    /// Decides how what `selection` picks from an archive is brought together with a target of this schema. `loaded` says for
    /// each of the archive's tables the columns that its rows have once they fit the target.
    ///
    /// # Errors
    /// [`MergeError`].
    pub fn new(
        mode: Mode,
        archive: &Manifest,
        target: &Schema,
        selection: &Selection,
        preset: Option<&Preset>,
        loaded: &BTreeMap<TableName, Vec<String>>,
    ) -> Result<Self, MergeError> {
        if !selection.records.is_empty() && preset.is_none() {
            return Err(MergeError::RecordsNeedPreset);
        }
        let nothing = Preset::default();
        Builder {
            mode,
            archive,
            target,
            selection,
            preset: preset.unwrap_or(&nothing),
            loaded,
        }
        .build()
    }

    /// The tables whose rows may change.
    pub fn written(&self) -> impl Iterator<Item = &MergeTable> {
        self.tables
            .iter()
            .filter(|table| table.part != Part::Lookup || self.may_lose(table))
    }

    fn may_lose(&self, table: &MergeTable) -> bool {
        self.mode != Mode::Skip && table.links.iter().any(|link| self.follows(link, 0))
    }

    /// Whether a row of the target that the archive lacks goes where what it belongs to takes the archive's values.
    #[must_use]
    pub const fn goes_with(&self, link: &Link) -> bool {
        link.carried || (matches!(self.mode, Mode::Replace) && link.owned)
    }

    /// Whether rows may go, or become NULL there, because what a link leads to goes.
    fn follows(&self, link: &Link, depth: usize) -> bool {
        let Some(to) = link.to.and_then(|to| self.tables.get(to)) else {
            return false;
        };
        self.goes_with(link)
            || to.links.iter().any(|link| self.goes_with(link))
            || (depth < self.tables.len()
                && to
                    .links
                    .iter()
                    .any(|link| link.class == Class::Ownership && self.follows(link, depth + 1)))
    }
}

pub(super) struct Builder<'a> {
    pub(super) mode: Mode,
    pub(super) archive: &'a Manifest,
    pub(super) target: &'a Schema,
    pub(super) selection: &'a Selection,
    pub(super) preset: &'a Preset,
    pub(super) loaded: &'a BTreeMap<TableName, Vec<String>>,
}

impl<'a> Builder<'a> {
    fn build(&self) -> Result<Program, MergeError> {
        self.check_rules()?;
        let taking_part = self.taking_part();
        let index: BTreeMap<&TableName, usize> = taking_part
            .iter()
            .enumerate()
            .map(|(place, (table, _))| (&table.name, place))
            .collect();
        let mut nodes: Vec<Node<'a>> = Vec::with_capacity(taking_part.len());
        for (table, part) in &taking_part {
            nodes.push(Node {
                table: &table.name,
                links: self.links(table, *part, &taking_part, &index),
                early: identity::needed(table, self.rule(&table.name)),
            });
        }
        let order = order::order(&mut nodes)?;
        let places: BTreeMap<usize, usize> = order
            .iter()
            .enumerate()
            .map(|(place, index)| (*index, place))
            .collect();
        let mut tables = Vec::with_capacity(order.len());
        for at in order {
            let (Some((table, part)), Some(node)) = (taking_part.get(at), nodes.get(at)) else {
                continue;
            };
            let mut links = node.links.clone();
            for link in &mut links {
                link.to = link.to.and_then(|to| places.get(&to).copied());
            }
            tables.push(self.table(table, *part, links, &index, &places)?);
        }
        let place = |name: &TableName| index.get(name).and_then(|at| places.get(at)).copied();
        let mut program = Program {
            mode: self.mode,
            tables,
            roots: self.roots(place)?,
        };
        program.note_references();
        Ok(program)
    }

    /// The columns that the archive's rows of a table have, if it holds any rows of it.
    pub(super) fn archived(&self, name: &TableName) -> Option<&'a Vec<String>> {
        self.archive.table(name)?;
        self.loaded.get(name)
    }

    pub(super) fn rule(&self, table: &TableName) -> Option<&'a TableRule> {
        self.preset
            .tables
            .iter()
            .find(|rule| names(&rule.table, table))
    }

    /// Whether what belongs to a matched row of the table follows it.
    pub(super) fn carries(&self, table: &TableName) -> bool {
        self.rule(table).is_some_and(|rule| {
            !rule.identity.is_empty() && rule.matched == Matched::Mode && !rule.is_picky()
        })
    }

    pub(super) fn key_rule(
        &self,
        table: &TableName,
        columns: &[String],
    ) -> Option<&'a ForeignKeyRule> {
        self.preset
            .foreign_keys
            .iter()
            .find(|rule| names(&rule.table, table) && rule.columns == columns)
    }

    /// The foreign keys of a table, declared by the database or by the preset.
    pub(super) fn keys(&self, table: &Table) -> Vec<ForeignKey> {
        let mut keys: Vec<ForeignKey> = Vec::new();
        let declared = self.preset.foreign_keys.iter().filter_map(|rule| {
            let references = rule.references.as_ref()?;
            names(&rule.table, &table.name).then(|| ForeignKey {
                name: String::new(),
                columns: rule.columns.clone(),
                references: self
                    .target
                    .names()
                    .find(|name| names(&references.table, name))
                    .cloned()
                    .unwrap_or_else(|| TableName::new("", references.table.clone())),
                referenced_columns: references.columns.clone(),
            })
        });
        for key in table.foreign_keys.iter().cloned().chain(declared) {
            let known = keys
                .iter()
                .any(|known| known.columns == key.columns && known.references == key.references);
            // Generated columns follow from others, and so does what they refer to.
            let stored = key
                .columns
                .iter()
                .all(|column| table.stored_columns().any(|stored| stored.name == *column));
            if !known && stored {
                keys.push(key);
            }
        }
        keys
    }

    /// The tables that ids inside of other columns name.
    pub(super) fn hidden_targets(&self, table: &TableName) -> impl Iterator<Item = &'a TableName> {
        self.preset
            .references
            .iter()
            .filter(move |rule| names(&rule.table, table))
            .filter_map(|rule| {
                self.target
                    .names()
                    .find(|name| names(&rule.references, name))
            })
    }

    fn taking_part(&self) -> Vec<(&'a Table, Part)> {
        let mut parts: BTreeMap<&'a TableName, Part> = BTreeMap::new();
        let mut mine = None;
        if self.selection.records.is_empty() {
            self.add_selected(&mut parts);
        } else {
            let reach = self.reach();
            parts.extend(reach.all.into_iter().map(|name| (name, Part::Merge)));
            mine = Some(reach.mine);
        }
        if self.mode != Mode::Skip {
            self.add_along(&mut parts, mine.as_ref());
        }
        parts
            .into_iter()
            .filter_map(|(name, part)| Some((self.target.table(name)?, part)))
            .collect()
    }

    /// Adds the selected tables, and those that they refer to.
    fn add_selected(&self, parts: &mut BTreeMap<&'a TableName, Part>) {
        let mut open: Vec<&'a TableName> = Vec::new();
        for name in self.target.names() {
            if self.archived(name).is_some() && self.selection.has_table(name) {
                parts.insert(name, Part::Merge);
                open.push(name);
            }
        }
        while let Some(table) = open.pop().and_then(|name| self.target.table(name)) {
            let keys = self.keys(table);
            let to = keys
                .iter()
                .filter_map(|key| self.target.names().find(|name| **name == key.references))
                .chain(self.hidden_targets(&table.name))
                .chain(self.telling(&table.name));
            for name in to {
                if self.archived(name).is_some() && !parts.contains_key(name) {
                    parts.insert(name, Part::Lookup);
                    open.push(name);
                }
            }
        }
    }

    /// Adds the tables whose rows refer to rows that may go. Where records are chosen, rows go only with those of `mine`.
    fn add_along(
        &self,
        parts: &mut BTreeMap<&'a TableName, Part>,
        mine: Option<&BTreeSet<&'a TableName>>,
    ) {
        let mut losing: BTreeSet<&'a TableName> = BTreeSet::new();
        loop {
            let mut grown = false;
            for table in &self.target.tables {
                for key in self.keys(table) {
                    let carried = parts.get(&table.name) == Some(&Part::Merge)
                        && parts.get(&key.references) == Some(&Part::Merge)
                        && (self.mode == Mode::Replace || self.carries(&key.references))
                        && mine.is_none_or(|mine| mine.contains(&key.references))
                        && self.is_owned(table, &key);
                    let below = losing.contains(&key.references);
                    if below && !parts.contains_key(&table.name) {
                        parts.insert(&table.name, Part::Along);
                        grown = true;
                    }
                    let bound =
                        self.is_owned(table, &key) || !self.can_be_null(table, &key.columns);
                    if (carried || (below && bound)) && losing.insert(&table.name) {
                        grown = true;
                    }
                }
            }
            if !grown {
                return;
            }
        }
    }

    pub(super) fn can_be_null(&self, table: &Table, columns: &[String]) -> bool {
        table
            .columns
            .iter()
            .any(|column| column.nullable && columns.contains(&column.name))
    }

    /// The columns of a table that name files: of sets that are brought together too, or of others.
    fn paths(&self, table: &'a TableName, merged: bool) -> impl Iterator<Item = &'a String> {
        self.preset
            .file_sets
            .iter()
            .filter(move |set| {
                let archived = self
                    .archive
                    .file_sets
                    .iter()
                    .any(|own| own.name == set.name);
                (archived && self.selection.has_file_set(&set.name)) == merged
            })
            .flat_map(|set| &set.columns)
            .filter(move |path| names(&path.table, table))
            .map(|path| &path.column)
    }

    fn table(
        &self,
        table: &'a Table,
        part: Part,
        links: Vec<Link>,
        index: &BTreeMap<&TableName, usize>,
        places: &BTreeMap<usize, usize>,
    ) -> Result<MergeTable, MergeError> {
        let rule = self.rule(&table.name);
        let archived: Vec<String> = match (part, self.archived(&table.name)) {
            (Part::Merge | Part::Lookup, Some(columns)) => columns.clone(),
            _ => Vec::new(),
        };
        // What is replaced is not asked what it would rather keep.
        let changing = rule.filter(|_| self.mode != Mode::Replace);
        let hidden = self.hidden(table, index, places)?;
        let surrogate = self.surrogate(table, &links, rule);
        let on_insert = rule.map(|rule| rule.on_insert.clone()).unwrap_or_default();
        let placeholders: BTreeSet<String> = self
            .archive
            .left_out
            .iter()
            .filter_map(|left_out| match left_out {
                LeftOut::Column {
                    table: of, column, ..
                } if *of == table.name => Some(column.clone()),
                _ => None,
            })
            .chain(self.changed_along(&table.name).cloned())
            .collect();
        let late: BTreeSet<String> = links
            .iter()
            .filter(|link| link.when == When::Late)
            .flat_map(|link| link.columns.iter().cloned())
            .chain(hidden.iter().map(|hidden| hidden.column.clone()))
            .collect();
        let declared = rule
            .map(|rule| rule.identity.as_slice())
            .unwrap_or_default();
        if let Some(column) = declared
            .iter()
            .flat_map(Identity::own_columns)
            .find(|column| late.contains(*column))
        {
            return Err(MergeError::IdentityTooLate {
                table: table.name.clone(),
                column: column.clone(),
            });
        }
        let useless: BTreeSet<String> = late
            .iter()
            .chain(&placeholders)
            .chain(on_insert.keys())
            .cloned()
            .collect();
        let collisions: Vec<_> = self
            .preset
            .collisions
            .iter()
            .filter(|rule| names(&rule.table, &table.name))
            .collect();
        // What is made anew in one restore must not tell rows apart in the next one, unless nothing else does.
        let plain = |column: &String| {
            surrogate.as_ref() != Some(column)
                && !useless.contains(column)
                && !links.iter().any(|link| link.columns.contains(column))
        };
        let paths: BTreeSet<String> = self.paths(&table.name, true).cloned().collect();
        let mut remade: BTreeSet<String> =
            collisions.iter().map(|rule| rule.column.clone()).collect();
        if archived
            .iter()
            .any(|column| plain(column) && !paths.contains(column))
        {
            remade.extend(paths.iter().cloned());
        }
        let told: Vec<_> = declared
            .iter()
            .map(|identity| {
                let through = identity.through.as_ref()?;
                let by = (through.table.as_str(), through.columns.as_slice());
                Some(self.told(
                    table,
                    &identity.columns,
                    by,
                    &through.condition,
                    (index, places),
                ))
            })
            .collect();
        let (identity, rest) = Facts {
            table,
            rule,
            links: &links,
            surrogate: surrogate.as_deref(),
            archived: &archived,
            useless: &useless,
            remade: &remade,
            told: &told,
        }
        .decide();
        let mut unique: Vec<UniqueKey> = Vec::new();
        let mut known = true;
        let keys = table
            .unique
            .iter()
            .chain(core::iter::once(&table.primary_key))
            .chain(collisions.iter().map(|rule| &rule.columns));
        for columns in keys {
            let same = |other: &[String]| {
                other.len() == columns.len() && other.iter().all(|one| columns.contains(one))
            };
            known &= !columns.iter().any(|column| late.contains(column));
            let skip = columns.is_empty()
                || columns
                    .iter()
                    .any(|column| surrogate.as_ref() == Some(column) || late.contains(column))
                || unique.iter().any(|key| same(&key.columns));
            if !skip {
                let rule = collisions.iter().find(|rule| same(&rule.columns));
                // A file can always be called otherwise.
                let path = || columns.iter().find(|column| paths.contains(*column));
                unique.push(UniqueKey {
                    columns: columns.clone(),
                    remake: rule
                        .map(|rule| (rule.column.clone(), rule.with))
                        .or_else(|| Some((path()?.clone(), Made::Suffix))),
                });
            }
        }
        // Rows with the same key are the same row already where that is all that tells.
        if let ([key], [only]) = (unique.as_slice(), identity.as_slice())
            && key.columns == only.columns
            && only.empty_is_value
            && only.owners.is_empty()
        {
            unique.clear();
        }
        unique.sort_by(|a, b| (a.columns.len(), &a.columns).cmp(&(b.columns.len(), &b.columns)));
        let mut kept: BTreeSet<String> = table.primary_key.iter().cloned().collect();
        // What is replaced holds what the archive holds.
        if self.mode != Mode::Replace {
            kept.extend(placeholders);
        }
        kept.extend(on_insert.keys().cloned());
        // Without its file, another name would name nothing.
        if self.mode != Mode::Replace {
            kept.extend(self.paths(&table.name, false).cloned());
        }
        kept.extend(
            self.target
                .tables
                .iter()
                .flat_map(|other| self.keys(other))
                .filter(|key| key.references == table.name)
                .flat_map(|key| key.referenced_columns),
        );
        Ok(MergeTable {
            table: table.name.clone(),
            part,
            columns: table
                .stored_columns()
                .map(|column| merge_column(column, &archived))
                .collect(),
            archived,
            primary_key: table.primary_key.clone(),
            referenced: surrogate.iter().cloned().collect(),
            surrogate,
            identity,
            rest,
            left_out: self.left_out(&table.name),
            withheld: self.withheld(table),
            links,
            hidden,
            keys_stay: unique.is_empty() && known,
            unique,
            matched: changing.map(|rule| rule.matched).unwrap_or_default(),
            fill: changing.map(|rule| rule.fill.clone()).unwrap_or_default(),
            prefer: changing.map(|rule| rule.prefer.clone()).unwrap_or_default(),
            either: changing.map(|rule| rule.either.clone()).unwrap_or_default(),
            never_emptied: changing
                .map(|rule| rule.never_emptied.clone())
                .unwrap_or_default(),
            newer: changing.and_then(|rule| rule.newer.clone()),
            bound: self.bound(&table.name),
            ended: self.ended(table, rule, index, places),
            settled: rule.map(|rule| rule.settled.clone()).unwrap_or_default(),
            on_insert,
            kept,
            carries: part == Part::Merge && self.carries(&table.name),
        })
    }

    /// The tables whose rows tell about those of a table.
    pub(super) fn telling(&self, table: &TableName) -> impl Iterator<Item = &'a TableName> {
        let tellers = self.rule(table).into_iter().flat_map(TableRule::tellers);
        tellers.filter_map(|(teller, ..)| self.target.names().find(|name| names(teller, name)))
    }

    /// The rows of another table that tell about those of this one by such columns, where the archive has them.
    fn told(
        &self,
        table: &Table,
        columns: &[String],
        (teller, key): (&str, &[String]),
        condition: &BTreeMap<String, OneOf>,
        (index, places): (&BTreeMap<&TableName, usize>, &BTreeMap<usize, usize>),
    ) -> Option<Told> {
        let mut all = self.target.tables.iter();
        let other = all.find(|other| names(teller, &other.name))?;
        let has = |of: &Table, columns: &[String]| {
            let archived = self.archived(&of.name);
            archived.is_some_and(|archived| columns.iter().all(|one| archived.contains(one)))
        };
        let conditions: Vec<String> = condition.keys().cloned().collect();
        let own = self.preset.leads(other, key, &table.name)?;
        let complete =
            has(other, columns) && has(other, key) && has(other, &conditions) && has(table, own);
        let by = index.get(&other.name).and_then(|at| places.get(at))?;
        complete.then(|| Told {
            by: *by,
            link: key.iter().cloned().zip(own.iter().cloned()).collect(),
            condition: condition.clone(),
        })
    }

    /// For columns with values under way: the rows of another table that say that it came to an end.
    fn ended(
        &self,
        table: &Table,
        rule: Option<&TableRule>,
        index: &BTreeMap<&TableName, usize>,
        places: &BTreeMap<usize, usize>,
    ) -> BTreeMap<String, Told> {
        let settled = rule.into_iter().flat_map(|rule| &rule.settled);
        settled
            .filter_map(|(column, settled)| {
                let unless = settled.unless.as_ref()?;
                let by = (unless.table.as_str(), unless.columns.as_slice());
                let told = self.told(table, &[], by, &unless.condition, (index, places))?;
                Some((column.clone(), told))
            })
            .collect()
    }

    /// Rows of the target that hold credentials which a standard archive holds no rows of.
    fn withheld(&self, table: &Table) -> Vec<RowCondition> {
        let rules = self.preset.credentials.iter().filter(|rule| {
            self.archive.contents == Contents::Standard
                && rule.omit_rows
                && rule.path.is_empty()
                && names(&rule.table, &table.name)
        });
        rules
            .map(|rule| RowCondition {
                condition: rule.condition.clone(),
                given: Some(rule.column.clone()),
                ..RowCondition::default()
            })
            .collect()
    }

    /// Columns that changed along with credentials which a standard archive doesn't hold.
    fn changed_along(&self, table: &TableName) -> impl Iterator<Item = &'a String> {
        let standard = self.archive.contents == Contents::Standard;
        let rules = self.preset.credentials.iter();
        rules
            .filter(move |rule| standard && names(&rule.table, table))
            .flat_map(|rule| rule.also_set.keys())
    }

    /// The columns whose values are bound to others of their row, and those that change along with them.
    fn bound(&self, table: &TableName) -> BTreeMap<String, Vec<String>> {
        let mut bound = BTreeMap::new();
        let secrets = self.preset.app_secrets.iter();
        for wrapped in secrets.flat_map(|secret| &secret.columns) {
            if wrapped.bound_to.is_empty() || !names(&wrapped.table, table) {
                continue;
            }
            let rules = self
                .preset
                .credentials
                .iter()
                .filter(|rule| names(&rule.table, table) && rule.column == wrapped.column);
            let along = rules.flat_map(|rule| rule.also_set.keys());
            for column in along.chain([&wrapped.column]) {
                bound.insert(column.clone(), wrapped.bound_to.clone());
            }
        }
        bound
    }

    /// The rows of a table that the preset leaves out.
    fn left_out(&self, table: &TableName) -> Vec<RowCondition> {
        let rules = self.preset.leave_out.iter();
        rules
            .filter(|rule| names(&rule.table, table))
            .map(LeaveOutRule::rows)
            .collect()
    }

    fn surrogate(&self, table: &Table, links: &[Link], rule: Option<&TableRule>) -> Option<String> {
        let [key] = table.primary_key.as_slice() else {
            return None;
        };
        let column = table.columns.iter().find(|column| column.name == *key)?;
        let identifies = rule
            .map(|rule| rule.identity.as_slice())
            .unwrap_or_default()
            .iter()
            .any(|identity| identity.own_columns().any(|column| column == key));
        let refers = links.iter().any(|link| link.columns.contains(key));
        (is_integer(self.archive.engine, column) && !identifies && !refers).then(|| key.clone())
    }

    fn hidden(
        &self,
        table: &Table,
        index: &BTreeMap<&TableName, usize>,
        places: &BTreeMap<usize, usize>,
    ) -> Result<Vec<Hidden>, MergeError> {
        let mut found = Vec::new();
        for rule in &self.preset.references {
            if !names(&rule.table, &table.name) {
                continue;
            }
            let name = self
                .target
                .names()
                .find(|name| names(&rule.references, name));
            let referenced = name
                .and_then(|name| self.target.table(name))
                .and_then(|table| table.primary_key.first());
            let to = name
                .and_then(|name| index.get(name))
                .and_then(|at| places.get(at))
                .copied();
            found.push(Hidden {
                column: rule.column.clone(),
                paths: rule.path.clone(),
                condition: rule.condition.clone(),
                to: to.filter(|_| referenced.is_some()),
                referenced: referenced.cloned().unwrap_or_default(),
                unresolved: rule.unresolved,
            });
        }
        Ok(found)
    }
}

impl Program {
    /// Notes for each table by which of its columns others name its rows.
    fn note_references(&mut self) {
        let mut used: Vec<(usize, String)> = Vec::new();
        for table in &self.tables {
            for link in &table.links {
                let named = link.referenced.iter().cloned();
                used.extend(
                    link.to
                        .into_iter()
                        .flat_map(|to| named.clone().map(move |column| (to, column))),
                );
            }
            for hidden in &table.hidden {
                used.extend(hidden.to.map(|to| (to, hidden.referenced.clone())));
            }
        }
        for (to, column) in used {
            if let Some(table) = self.tables.get_mut(to)
                && !table.referenced.contains(&column)
            {
                table.referenced.push(column);
            }
        }
    }
}

fn merge_column(column: &Column, archived: &[String]) -> MergeColumn {
    MergeColumn {
        name: column.name.clone(),
        type_name: column.type_name.clone(),
        nullable: column.nullable,
        archived: archived.contains(&column.name),
        numbered: column.identity,
    }
}

fn is_integer(engine: Engine, column: &Column) -> bool {
    match engine {
        Engine::Postgres => matches!(column.type_name.as_str(), "smallint" | "integer" | "bigint"),
        // "Determination of column affinity" in SQLite's manual.
        Engine::Sqlite => column.type_name.to_ascii_uppercase().contains("INT"),
    }
}
