//! What is wrong with a preset, alone and for one database, and what of the database it says nothing about.

use alloc::{string::String, vec::Vec};

use super::{
    CredentialRule, ForeignKeyClass, Given, Identity, MAX_PLACEHOLDER_BYTES, PolicyError, Preset,
    Replacement, Special,
    fit::{Lacking, find, names_column},
    looks_like_credential, names,
};
use crate::schema::{Engine, ForeignKey, Schema, Table, TableName};

/// Where in a preset something is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The list that the rule is in, e.g. `credential`; or a key at the top.
    pub list: &'static str,
    /// The rule's number in it, from 0.
    pub index: usize,
    /// The rule's key, e.g. `column`; empty for the rule itself.
    pub key: &'static str,
}

/// Something wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// Where.
    pub place: Place,
    /// What.
    pub error: PolicyError,
}

/// What of a database a preset says nothing about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unclassified {
    /// Tables that it neither leaves out nor describes.
    pub tables: Vec<TableName>,
    /// Foreign keys without a rule, each with the class that it has then.
    pub foreign_keys: Vec<(TableName, ForeignKey, ForeignKeyClass)>,
    /// Columns that look like credentials.
    pub suspicious: Vec<(TableName, String)>,
}

impl Preset {
    /// What is wrong with it, whatever the database.
    #[must_use]
    pub fn check(&self) -> Vec<Located> {
        let mut found = Findings::default();
        if self.app.trim().is_empty() {
            let what = "the application has no name";
            found.add("app", 0, "", PolicyError::Missing { what });
        }
        for (index, rule) in self.credentials.iter().enumerate() {
            credential_alone(rule, index, &mut found);
        }
        for (index, rule) in self.tables.iter().enumerate() {
            if rule.identity.iter().any(|other| other.columns.is_empty()) {
                let what = "an identity needs columns";
                found.add("table", index, "identity", PolicyError::Missing { what });
            }
            if rule.tellers().any(|(_, key, _)| key.is_empty()) {
                let what = "what another table tells needs the columns of its foreign key";
                found.add("table", index, "identity", PolicyError::Missing { what });
            }
            let is_same = |other: &super::TableRule| other.table == rule.table;
            found.twice(
                "table",
                index,
                self.tables.iter().take(index).any(is_same),
                &rule.table,
            );
            let mut out = self.leave_out.iter().filter(|out| out.is_whole());
            let out = out.any(|out| out.table == rule.table);
            found.twice("table", index, out, &rule.table);
        }
        for (index, rule) in self.leave_out.iter().enumerate() {
            let mut before = self.leave_out.iter().take(index);
            // Who leaves out all rows leaves nothing for another rule to do.
            let there = before.any(|other| {
                other.table == rule.table
                    && (other.is_whole() || rule.is_whole() || other.rows() == rule.rows())
            });
            found.twice("leave_out", index, there, &rule.table);
            let no_value = rule.condition.values().any(|one| one.values().is_empty());
            let mut patterns = rule.matching.values();
            for (key, nothing) in [
                ("where", no_value),
                ("matching", patterns.any(|one| one.patterns().is_empty())),
            ] {
                if nothing {
                    let what = "a condition needs a value, or it is true of no row";
                    found.add("leave_out", index, key, PolicyError::Missing { what });
                }
            }
        }
        for (index, rule) in self.foreign_keys.iter().enumerate() {
            let pairs = rule.references.as_ref().map(|to| to.columns.len());
            if rule.columns.is_empty() || pairs.is_some_and(|count| count != rule.columns.len()) {
                let what = "a foreign key needs columns, and as many where it refers to";
                found.add(
                    "foreign_key",
                    index,
                    "columns",
                    PolicyError::Missing { what },
                );
            }
            let mut before = self.foreign_keys.iter().take(index);
            let there = before.any(|other| {
                (&other.table, &other.columns, &other.references)
                    == (&rule.table, &rule.columns, &rule.references)
            });
            found.twice("foreign_key", index, there, &rule.table);
        }
        for (index, rule) in self.collisions.iter().enumerate() {
            if !rule.columns.contains(&rule.column) {
                let what = "the column that gets another value is one of the key's";
                found.add("collision", index, "column", PolicyError::Missing { what });
            }
        }
        for (index, rule) in self.file_sets.iter().enumerate() {
            let mut before = self.file_sets.iter().take(index);
            let there = before.any(|other| other.name == rule.name);
            found.twice("file_set", index, there, &rule.name);
        }
        for (index, rule) in self.app_secrets.iter().enumerate() {
            let mut before = self.app_secrets.iter().take(index);
            let there = before.any(|other| other.name == rule.name);
            found.twice("app_secret", index, there, &rule.name);
        }
        found.all
    }

    /// What is wrong with it for a database of this shape: rules that name what isn't there, or can't be applied.
    #[must_use]
    pub fn check_for(&self, engine: Option<Engine>, schema: &Schema) -> Vec<Located> {
        let lacking = Lacking::of(self, schema);
        let mut fit = Fit {
            preset: self,
            schema,
            lacking: &lacking,
            found: Findings::default(),
        };
        if let (Some(preset), Some(database)) = (self.engine, engine)
            && preset != database
        {
            let app = self.app.clone();
            let error = PolicyError::OtherEngine {
                app,
                preset,
                database,
            };
            fit.found.add("engine", 0, "", error);
        }
        fit.all();
        fit.found.all
    }

    /// What of a database of this shape it says nothing about.
    #[must_use]
    pub fn unclassified(&self, schema: &Schema) -> Unclassified {
        let mut result = Unclassified::default();
        for table in &schema.tables {
            let left_out = self
                .leave_out
                .iter()
                .any(|rule| rule.is_whole() && names(&rule.table, &table.name));
            let described = self
                .tables
                .iter()
                .any(|rule| names(&rule.table, &table.name));
            if !left_out && !described {
                result.tables.push(table.name.clone());
            }
            if left_out {
                continue;
            }
            for key in &table.foreign_keys {
                let has_rule = self
                    .foreign_keys
                    .iter()
                    .any(|rule| names(&rule.table, &table.name) && rule.columns == key.columns);
                if !has_rule {
                    let class = usual_class(table, key);
                    result
                        .foreign_keys
                        .push((table.name.clone(), key.clone(), class));
                }
            }
            for column in table.stored_columns() {
                let name = &column.name;
                if looks_like_credential(name) && !self.says_what(table, name) {
                    result.suspicious.push((table.name.clone(), name.clone()));
                }
            }
        }
        result
    }

    /// The columns of `to` that these columns of a table refer to, as the database declares it or a rule does.
    pub(crate) fn leads<'a>(
        &'a self,
        table: &'a Table,
        columns: &[String],
        to: &TableName,
    ) -> Option<&'a [String]> {
        let declared = table.foreign_keys.iter();
        let mut declared = declared.filter(|key| key.references == *to && key.columns == columns);
        let of_rules = self
            .foreign_keys
            .iter()
            .filter(|rule| names(&rule.table, &table.name) && rule.columns == columns);
        let mut of_rules = of_rules.filter_map(|rule| rule.references.as_ref());
        declared
            .next()
            .map(|key| key.referenced_columns.as_slice())
            .or_else(|| {
                let found = of_rules.find(|other| names(&other.table, to))?;
                Some(found.columns.as_slice())
            })
    }

    /// Whether it says that a column is a credential, or that it is none.
    pub(super) fn says_what(&self, table: &Table, column: &str) -> bool {
        let none = |given: &String| names_column(given, table, column);
        let is_ruled =
            |rule: &CredentialRule| rule.column == column && names(&rule.table, &table.name);
        let wrapped = self
            .app_secrets
            .iter()
            .flat_map(|secret| &secret.columns)
            .any(|wrapped| wrapped.column == column && names(&wrapped.table, &table.name));
        wrapped || self.not_credential.iter().any(none) || self.credentials.iter().any(is_ruled)
    }
}

/// The class of a foreign key that no rule is for. Cycles over several tables are for the merge to find.
#[must_use]
pub fn usual_class(table: &Table, key: &ForeignKey) -> ForeignKeyClass {
    let nullable = table
        .columns
        .iter()
        .any(|column| column.nullable && key.columns.contains(&column.name));
    if key.references == table.name {
        ForeignKeyClass::Deferred
    } else if nullable {
        ForeignKeyClass::Enrichment
    } else {
        ForeignKeyClass::Ownership
    }
}

#[derive(Default)]
struct Findings {
    all: Vec<Located>,
}

impl Findings {
    fn add(&mut self, list: &'static str, index: usize, key: &'static str, error: PolicyError) {
        let place = Place { list, index, key };
        self.all.push(Located { place, error });
    }

    fn twice(&mut self, list: &'static str, index: usize, there: bool, what: &str) {
        if there {
            let what = what.into();
            self.add(list, index, "", PolicyError::Twice { what });
        }
    }
}

fn credential_alone(rule: &CredentialRule, index: usize, found: &mut Findings) {
    let mut add = |key, error| found.add("credential", index, key, error);
    let said = [
        rule.placeholder.is_some(),
        rule.random.is_some(),
        rule.omit_rows,
    ];
    if said.iter().filter(|said| **said).count() > 1 {
        let what =
            "a credential has a placeholder, a fresh random secret, or its rows are left out";
        add("", PolicyError::Several { what });
    }
    if rule.omit_rows && !rule.also_set.is_empty() {
        let what = "rows that are left out have no columns that change along";
        add("also_set", PolicyError::Several { what });
    }
    if rule.random.as_ref().is_some_and(|random| random.bytes < 16) {
        let what = "a fresh secret has 16 bytes or more, so that nobody guesses it";
        add("random", PolicyError::Missing { what });
    }
    if rule
        .also_set
        .values()
        .any(|given| *given == Given::Special(Special::Default))
    {
        let what = "a column that changes along gets a value or NULL: nobody knows the default where it is read";
        add("also_set", PolicyError::Missing { what });
    }
    let prefix = rule.random.as_ref().map(|random| &random.prefix);
    if let Some(text) = rule.placeholder.as_ref().or(prefix)
        && text.len() > MAX_PLACEHOLDER_BYTES
    {
        let error = PolicyError::PlaceholderTooLong {
            table: rule.table.clone(),
            column: rule.column.clone(),
            bytes: text.len(),
        };
        add("placeholder", error);
    }
}

/// The check of rules against one database.
struct Fit<'a> {
    preset: &'a Preset,
    schema: &'a Schema,
    lacking: &'a Lacking<'a>,
    found: Findings,
}

impl<'a> Fit<'a> {
    /// The table that a rule names, unless it isn't there.
    fn table(
        &mut self,
        list: &'static str,
        index: usize,
        key: &'static str,
        name: &str,
    ) -> Option<&'a Table> {
        if self.lacking.table(name) {
            return None;
        }
        let found = find(self.schema, name);
        if found.is_none() {
            let error = PolicyError::UnknownTable {
                app: self.preset.app.clone(),
                table: name.into(),
            };
            self.found.add(list, index, key, error);
        }
        found
    }

    /// Whether a table has all of these columns, or may lack them.
    fn columns<'n>(
        &mut self,
        (list, index, key): (&'static str, usize, &'static str),
        (name, table): (&str, &Table),
        columns: impl IntoIterator<Item = &'n String>,
    ) -> bool {
        let mut all = true;
        for column in columns {
            let there = table.stored_columns().any(|stored| stored.name == *column);
            if !there {
                all = false;
                if !self.lacking.column(name, column) {
                    let error = PolicyError::UnknownColumn {
                        app: self.preset.app.clone(),
                        table: name.into(),
                        column: column.clone(),
                    };
                    self.found.add(list, index, key, error);
                }
            }
        }
        all
    }

    fn all(&mut self) {
        let preset = self.preset;
        for (index, rule) in preset.leave_out.iter().enumerate() {
            if let Some(table) = self.table("leave_out", index, "table", &rule.table) {
                let named = (rule.table.as_str(), table);
                self.columns(("leave_out", index, "where"), named, rule.condition.keys());
                let matching = rule.matching.keys();
                self.columns(("leave_out", index, "matching"), named, matching);
            }
        }
        for (index, rule) in preset.credentials.iter().enumerate() {
            self.credential(index, rule);
        }
        for (index, rule) in preset.tables.iter().enumerate() {
            let Some(table) = self.table("table", index, "table", &rule.table) else {
                continue;
            };
            let named = (rule.table.as_str(), table);
            let columns = rule.identity.iter().flat_map(Identity::own_columns);
            self.columns(("table", index, "identity"), named, columns);
            for (other, key, columns) in rule.tellers() {
                self.teller(index, table, (other, key), columns);
            }
            for (key, list) in rule.lists() {
                self.columns(("table", index, key), named, list);
            }
            self.columns(("table", index, "on_insert"), named, rule.on_insert.keys());
            self.columns(("table", index, "settled"), named, rule.settled_columns());
            let newer = rule.newer.iter();
            let newer = newer.flat_map(|newer| newer.columns.iter().chain([&newer.by]));
            self.columns(("table", index, "newer"), named, newer);
            for (column, given) in &rule.on_insert {
                self.can_be(("table", index, "on_insert"), named, column, given);
            }
        }
        for (index, rule) in preset.foreign_keys.iter().enumerate() {
            self.foreign_key(index, rule);
        }
        for (index, rule) in preset.references.iter().enumerate() {
            self.table("reference", index, "references", &rule.references);
            if let Some(table) = self.table("reference", index, "table", &rule.table) {
                let named = (rule.table.as_str(), table);
                self.columns(("reference", index, "column"), named, [&rule.column]);
                self.columns(("reference", index, "where"), named, rule.condition.keys());
            }
        }
        for (index, rule) in preset.collisions.iter().enumerate() {
            let Some(table) = self.table("collision", index, "table", &rule.table) else {
                continue;
            };
            let named = (rule.table.as_str(), table);
            let keys = core::iter::once(&table.primary_key).chain(&table.unique);
            let has = keys.into_iter().any(|key| same(key, &rule.columns));
            if self.columns(("collision", index, "columns"), named, &rule.columns) && !has {
                self.no_key(
                    ("collision", index, "columns"),
                    &rule.table,
                    "unique key",
                    &rule.columns,
                );
            }
        }
        for (index, rule) in preset.file_sets.iter().enumerate() {
            for column in &rule.columns {
                self.named_column("file_set", index, &column.table, &column.column);
            }
        }
        for (index, rule) in preset.app_secrets.iter().enumerate() {
            for column in &rule.columns {
                for name in column.bound_to.iter().chain([&column.column]) {
                    self.named_column("app_secret", index, &column.table, name);
                }
            }
        }
        for (index, given) in preset.not_credential.iter().enumerate() {
            let (table, column) = given.rsplit_once('.').unwrap_or((given, ""));
            self.named_column("not_credential", index, table, column);
        }
    }

    fn named_column(&mut self, list: &'static str, index: usize, table: &str, column: &str) {
        if let Some(found) = self.table(list, index, "column", table) {
            let column = String::from(column);
            self.columns((list, index, "column"), (table, found), [&column]);
        }
    }

    fn foreign_key(&mut self, index: usize, rule: &super::ForeignKeyRule) {
        let Some(table) = self.table("foreign_key", index, "table", &rule.table) else {
            return;
        };
        let place = ("foreign_key", index, "columns");
        let named = (rule.table.as_str(), table);
        if !self.columns(place, named, &rule.columns) {
            return;
        }
        match &rule.references {
            Some(to) => {
                if let Some(found) = self.table("foreign_key", index, "references", &to.table) {
                    let place = ("foreign_key", index, "references");
                    self.columns(place, (&to.table, found), &to.columns);
                }
            }
            None => {
                let declared = table.foreign_keys.iter();
                if !declared.into_iter().any(|key| key.columns == rule.columns) {
                    self.no_key(place, &rule.table, "foreign key", &rule.columns);
                }
            }
        }
    }

    /// Rows of another table that tell about those of this one: their foreign key has to lead here.
    fn teller(
        &mut self,
        index: usize,
        table: &Table,
        (other, key): (&str, &[String]),
        columns: Vec<&String>,
    ) {
        let place = ("table", index, "identity");
        let Some(found) = self.table(place.0, index, place.2, other) else {
            return;
        };
        let all = self.columns(place, (other, found), columns.into_iter().chain(key));
        if all && self.preset.leads(found, key, &table.name).is_none() {
            self.no_key(place, other, "foreign key to it", key);
        }
    }

    fn no_key(
        &mut self,
        (list, index, key): (&'static str, usize, &'static str),
        table: &str,
        kind: &'static str,
        columns: &[String],
    ) {
        let error = PolicyError::NoKey {
            app: self.preset.app.clone(),
            table: table.into(),
            kind,
            columns: columns.to_vec(),
        };
        self.found.add(list, index, key, error);
    }

    fn can_be(
        &mut self,
        (list, index, key): (&'static str, usize, &'static str),
        (name, table): (&str, &Table),
        column: &str,
        given: &Given,
    ) {
        let stored = table.stored_columns().find(|stored| stored.name == column);
        if *given == Given::Special(Special::Null) && stored.is_some_and(|stored| !stored.nullable)
        {
            let error = PolicyError::NotNull {
                table: name.into(),
                column: column.into(),
            };
            self.found.add(list, index, key, error);
        }
    }

    fn credential(&mut self, index: usize, rule: &CredentialRule) {
        const LIST: &str = "credential";
        let Some(table) = self.table(LIST, index, "table", &rule.table) else {
            return;
        };
        let named = (rule.table.as_str(), table);
        self.columns((LIST, index, "where"), named, rule.condition.keys());
        self.columns((LIST, index, "also_set"), named, rule.also_set.keys());
        for (column, given) in &rule.also_set {
            self.can_be((LIST, index, "also_set"), named, column, given);
        }
        if !self.columns((LIST, index, "column"), named, [&rule.column]) {
            return;
        }
        let stored = table
            .stored_columns()
            .find(|stored| stored.name == rule.column);
        let Some(stored) = stored.filter(|_| rule.path.is_empty()) else {
            return;
        };
        match rule.replacement() {
            Replacement::Null if !stored.nullable => {
                let error = PolicyError::PlaceholderNeeded {
                    app: self.preset.app.clone(),
                    table: rule.table.clone(),
                    column: rule.column.clone(),
                };
                self.found.add(LIST, index, "column", error);
            }
            Replacement::Random(_) if !holds_text(&stored.type_name) => {
                let error = PolicyError::NotText {
                    table: rule.table.clone(),
                    column: rule.column.clone(),
                    type_name: stored.type_name.clone(),
                };
                self.found.add(LIST, index, "random", error);
            }
            _ => {}
        }
    }
}

/// Whether a column of this type holds any text: PostgreSQL's own names, and everything that SQLite declares as text.
fn holds_text(type_name: &str) -> bool {
    let upper = type_name.to_ascii_uppercase();
    upper.contains("TEXT")
        || upper.contains("CHAR")
        || upper.ends_with("CITEXT")
        || upper.is_empty()
}

/// The same columns in any order.
fn same(one: &[String], other: &[String]) -> bool {
    one.len() == other.len() && one.iter().all(|column| other.contains(column))
}
