//! What foreign keys mean, and whether rules name what is there.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::{String, ToString},
    vec::Vec,
};

use super::{Class, Link, MergeError, Part, When, build::Builder, identity};
use crate::{
    policy::{ForeignKeyClass, Identity, names},
    schema::{Table, TableName},
};

impl<'a> Builder<'a> {
    pub(super) fn links(
        &self,
        table: &Table,
        part: Part,
        taking_part: &[(&'a Table, Part)],
        index: &BTreeMap<&TableName, usize>,
    ) -> Vec<Link> {
        let mut links: Vec<Link> = Vec::new();
        for key in self.keys(table) {
            let rule = self.key_rule(&table.name, &key.columns);
            let to = index
                .get(&key.references)
                .copied()
                .filter(|_| key.referenced_columns.len() == key.columns.len());
            let to_itself = key.references == table.name;
            let declared = rule.map(|rule| rule.class);
            let nullable = self.can_be_null(table, &key.columns);
            let class = match declared {
                Some(ForeignKeyClass::Ownership | ForeignKeyClass::Required) => Class::Ownership,
                _ if nullable => Class::Enrichment,
                _ => Class::Ownership,
            };
            let when = match declared {
                Some(ForeignKeyClass::Deferred) if to_itself || class == Class::Enrichment => {
                    When::Late
                }
                _ if !to_itself => When::Before,
                _ if class == Class::Enrichment && self.identifies(table, &key.columns) => {
                    When::Rounds
                }
                _ => When::Late,
            };
            let owned = declared == Some(ForeignKeyClass::Ownership);
            let owner = to.and_then(|to| taking_part.get(to));
            let carried = owned
                && when == When::Before
                && part == Part::Merge
                && owner
                    .is_some_and(|(owner, part)| *part == Part::Merge && self.carries(&owner.name));
            links.push(Link {
                columns: key.columns,
                to,
                references: key.references,
                referenced: key.referenced_columns,
                class,
                when,
                needed: (owned || declared == Some(ForeignKeyClass::Required))
                    && !rule.is_some_and(|rule| rule.may_be_null),
                owned,
                deferred: declared == Some(ForeignKeyClass::Deferred),
                carried,
                clears: Vec::new(),
            });
        }
        links.sort_by(|a, b| {
            let rank = |link: &Link| (link.class == Class::Enrichment, link.columns.len());
            (rank(a), &a.columns, &a.references).cmp(&(rank(b), &b.columns, &b.references))
        });
        // A column that an ownership key has too can't become NULL for another key, nor one of the primary key.
        let bound: BTreeSet<String> = links
            .iter()
            .filter(|link| link.class == Class::Ownership)
            .flat_map(|link| link.columns.iter().cloned())
            .chain(table.primary_key.iter().cloned())
            .collect();
        for link in &mut links {
            if link.class == Class::Enrichment {
                link.clears = table
                    .columns
                    .iter()
                    .filter(|column| {
                        column.nullable
                            && link.columns.contains(&column.name)
                            && !bound.contains(&column.name)
                    })
                    .map(|column| column.name.clone())
                    .collect();
                if link.clears.is_empty() {
                    link.class = Class::Ownership;
                    if link.when == When::Rounds || link.references != table.name {
                        link.when = if link.references == table.name {
                            When::Late
                        } else {
                            When::Before
                        };
                    }
                }
            }
        }
        links
    }

    fn identifies(&self, table: &Table, columns: &[String]) -> bool {
        let needed = identity::needed(table, self.rule(&table.name));
        columns
            .iter()
            .any(|column| needed.contains(column.as_str()))
    }

    /// Rules may only name columns that are there.
    pub(super) fn check_rules(&self) -> Result<(), MergeError> {
        let has = |rule: &str, table: &str, columns: Vec<&String>| {
            let Some(shape) = self
                .target
                .tables
                .iter()
                .find(|shape| names(table, &shape.name))
            else {
                return Ok(());
            };
            let missing = columns.into_iter().find(|column| {
                !shape
                    .columns
                    .iter()
                    .any(|own| own.name == **column && !own.generated)
            });
            missing.map_or(Ok(()), |column| {
                Err(MergeError::UnknownColumn {
                    rule: rule.to_string(),
                    table: shape.name.clone(),
                    column: column.clone(),
                })
            })
        };
        for rule in &self.preset.tables {
            let identity = rule.identity.iter().flat_map(Identity::own_columns);
            has("identity", &rule.table, identity.collect())?;
            for (teller, key, columns) in rule.tellers() {
                has("identity", teller, columns.into_iter().chain(key).collect())?;
            }
            for (key, list) in rule.lists() {
                has(key, &rule.table, list.iter().collect())?;
            }
            has("on_insert", &rule.table, rule.on_insert.keys().collect())?;
            has("settled", &rule.table, rule.settled_columns().collect())?;
            let newer = rule.newer.iter();
            let newer = newer.flat_map(|newer| newer.columns.iter().chain([&newer.by]));
            has("newer", &rule.table, newer.collect())?;
        }
        for rule in &self.preset.leave_out {
            has("leave_out", &rule.table, rule.columns().collect())?;
        }
        for rule in &self.preset.foreign_keys {
            has("foreign key", &rule.table, rule.columns.iter().collect())?;
            if let Some(to) = &rule.references {
                has("foreign key", &to.table, to.columns.iter().collect())?;
            }
        }
        for rule in &self.preset.references {
            let mut columns = alloc::vec![&rule.column];
            columns.extend(rule.condition.keys());
            has("reference", &rule.table, columns)?;
        }
        for rule in &self.preset.collisions {
            let mut columns: Vec<&String> = rule.columns.iter().collect();
            columns.push(&rule.column);
            has("collision", &rule.table, columns)?;
        }
        Ok(())
    }
}
