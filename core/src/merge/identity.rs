//! What tells that a row of the archive and one of the target are the same.

use alloc::{collections::BTreeSet, string::String, vec, vec::Vec};

use super::{Alternative, Link, Rest, Told};
use crate::{
    policy::{Identity, TableRule},
    schema::Table,
};

/// What identity depends on besides the table's shape.
pub(super) struct Facts<'a> {
    pub(super) table: &'a Table,
    pub(super) rule: Option<&'a TableRule>,
    pub(super) links: &'a [Link],
    pub(super) surrogate: Option<&'a str>,
    /// Columns that the archive's rows hold.
    pub(super) archived: &'a [String],
    /// Columns whose values in the archive mean nothing, or are only known later.
    pub(super) useless: &'a BTreeSet<String>,
    /// Columns that are made anew where another row has their value.
    pub(super) remade: &'a BTreeSet<String>,
    /// For each declared identity: the rows of another table that it is about. Nothing in it means that the archive lacks them.
    pub(super) told: &'a [Option<Option<Told>>],
}

impl Facts<'_> {
    /// The alternatives, and what is compared where they don't tell.
    pub(super) fn decide(&self) -> (Vec<Alternative>, Option<Rest>) {
        let declared = self.rule.map(|rule| rule.identity.as_slice());
        match declared {
            Some(declared) if !declared.is_empty() && self.told.iter().any(is_usable) => (
                declared
                    .iter()
                    .zip(self.told)
                    .filter_map(|(identity, told)| match told {
                        None => Some(self.declared(identity)),
                        Some(told) => Some(self.told(identity, told.clone()?)),
                    })
                    .collect(),
                (!self.remade.is_empty()).then(|| self.rest(true)).flatten(),
            ),
            _ => {
                let keys = self.keys();
                let after_all = !self.remade.is_empty();
                // Whole rows are compared for those that no key tells apart.
                let needed = after_all || !keys.iter().any(|columns| self.never_null(columns));
                let rest = needed.then(|| self.rest(after_all)).flatten();
                (
                    keys.into_iter()
                        .map(|columns| self.of_key(columns))
                        .collect(),
                    rest,
                )
            }
        }
    }

    /// Whether each row has a value in all of these columns, whatever becomes of what it refers to.
    fn never_null(&self, columns: &[String]) -> bool {
        columns.iter().all(|name| {
            let column = self
                .table
                .columns
                .iter()
                .find(|column| column.name == *name);
            column.is_some_and(|column| !column.nullable)
        })
    }

    fn in_link(&self, column: &str) -> bool {
        self.links
            .iter()
            .any(|link| link.columns.iter().any(|own| own == column))
    }

    fn declared(&self, identity: &Identity) -> Alternative {
        let (linked, plain): (Vec<&String>, Vec<&String>) = identity
            .columns
            .iter()
            .partition(|column| self.in_link(column));
        let may_be_null: Vec<String> = if plain.is_empty() {
            Vec::new()
        } else {
            linked.into_iter().cloned().collect()
        };
        let is_set =
            |column: &String| identity.columns.contains(column) && !may_be_null.contains(column);
        Alternative {
            columns: identity.columns.clone(),
            through: None,
            distinct: identity.normalise.is_none() && self.has_key(is_set),
            may_be_null,
            owners: self.owners(&identity.columns),
            normalise: identity.normalise,
            fallback: identity.fallback,
            empty_is_value: false,
        }
    }

    fn told(&self, identity: &Identity, told: Told) -> Alternative {
        Alternative {
            columns: identity.columns.clone(),
            through: Some(told),
            may_be_null: Vec::new(),
            owners: self.owners(&[]),
            normalise: identity.normalise,
            fallback: identity.fallback,
            empty_is_value: false,
            distinct: false,
        }
    }

    /// Whether the target has a unique key of such columns.
    fn has_key(&self, is_such: impl Fn(&String) -> bool) -> bool {
        let mut keys = self.table.unique.iter().chain([&self.table.primary_key]);
        keys.any(|key| !key.is_empty() && key.iter().all(&is_such))
    }

    fn of_key(&self, columns: Vec<String>) -> Alternative {
        Alternative {
            owners: self.owners(&columns),
            columns,
            through: None,
            may_be_null: Vec::new(),
            normalise: None,
            fallback: false,
            empty_is_value: true,
            distinct: true,
        }
    }

    fn owners(&self, columns: &[String]) -> Vec<String> {
        let mut owners: Vec<String> = Vec::new();
        for link in self.links.iter().filter(|link| link.carried) {
            for column in &link.columns {
                if !columns.contains(column) && !owners.contains(column) {
                    owners.push(column.clone());
                }
            }
        }
        owners
    }

    /// The unique keys by which rows can be recognised, the shortest first, and the primary key last.
    fn keys(&self) -> Vec<Vec<String>> {
        let usable = |key: &Vec<String>| {
            !key.is_empty()
                && key.iter().all(|column| {
                    Some(column.as_str()) != self.surrogate
                        && self.archived.contains(column)
                        && !self.useless.contains(column)
                })
        };
        let mut keys: Vec<Vec<String>> = self.table.unique.clone();
        keys.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
        keys.push(self.table.primary_key.clone());
        let mut found: Vec<Vec<String>> = Vec::new();
        for key in keys.into_iter().filter(usable) {
            if !found.contains(&key) {
                found.push(key);
            }
        }
        found
    }

    fn rest(&self, after_all: bool) -> Option<Rest> {
        let columns: Vec<String> = self
            .archived
            .iter()
            .filter(|column| {
                Some(column.as_str()) != self.surrogate
                    && !self.useless.contains(*column)
                    && !self.remade.contains(*column)
            })
            .cloned()
            .collect();
        (!columns.is_empty()).then_some(Rest { columns, after_all })
    }
}

/// Whether an archive has what a declared identity needs.
const fn is_usable(told: &Option<Option<Told>>) -> bool {
    !matches!(told, Some(None))
}

/// The columns that identity will need, before it is known which links are late.
pub(super) fn needed<'a>(table: &'a Table, rule: Option<&'a TableRule>) -> BTreeSet<&'a str> {
    let declared = rule
        .map(|rule| rule.identity.as_slice())
        .unwrap_or_default();
    if !declared.is_empty() {
        return declared
            .iter()
            .flat_map(Identity::own_columns)
            .map(String::as_str)
            .collect();
    }
    let keys = table.unique.iter().chain(vec![&table.primary_key]);
    keys.flatten().map(String::as_str).collect()
}
