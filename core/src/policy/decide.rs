//! What a backup of one database takes and leaves, decided by a preset's rules.

use alloc::{format, string::String, vec::Vec};

use super::{
    LeaveOutRule, MAX_PLACEHOLDER_BYTES, PolicyError, Preset, looks_like_credential, names,
};
use crate::{
    manifest::{Contents, CredentialColumn, LeftOut, LeftOutReason, Notice},
    schema::{Schema, Table, TableName},
};

/// What happens to one table in a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TablePolicy {
    /// The table.
    pub table: TableName,
    /// For each stored column in order: what is written in place of its values.
    pub columns: Vec<ColumnPolicy>,
}

/// What happens to one column in a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnPolicy {
    /// Its values are archived.
    Keep,
    /// Values that are not NULL become this one.
    Replace(Option<String>),
}

/// What a backup of one database takes and leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether credentials are inside.
    pub contents: Contents,
    /// Tables to archive, in the schema's order.
    pub tables: Vec<TablePolicy>,
    /// The rules that a sensitive archive carries along, so that a standard one can be made of it; else nothing.
    pub credentials: Option<Vec<CredentialColumn>>,
    /// What is left out by rule.
    pub left_out: Vec<LeftOut>,
    /// What the one who restores should know.
    pub notices: Vec<Notice>,
}

/// Decides what a backup of `schema` takes.
///
/// `excluded` are tables left out by hand, with or without their schema. `sensitive` keeps credentials.
///
/// # Errors
/// [`PolicyError`] when a rule names what the database doesn't have: a preset that silently does nothing
/// would leave credentials in a standard archive.
pub fn decide(
    schema: &Schema,
    preset: Option<&Preset>,
    sensitive: bool,
    excluded: &[String],
) -> Result<Policy, PolicyError> {
    let contents = match (preset, sensitive) {
        (Some(_), false) => Contents::Standard,
        (Some(_), true) => Contents::Sensitive,
        (None, false) => Contents::Unclassified,
        (None, true) => return Err(PolicyError::NoPreset),
    };
    if let Some(table) = excluded
        .iter()
        .find(|name| !schema.tables.iter().any(|table| names(name, &table.name)))
    {
        return Err(PolicyError::UnknownExclusion {
            table: table.clone(),
        });
    }
    let rules = Rules {
        preset,
        carried: &[],
    };
    decide_tables(schema, &rules, contents, excluded)
}

/// Decides what is left of an archive of `schema` when a standard one is made of it: by the rules that it carries, and
/// those of a preset, which add to them and can't take any of them back.
///
/// # Errors
/// As [`decide`].
pub fn decide_redaction(
    schema: &Schema,
    carried: &[CredentialColumn],
    preset: Option<&Preset>,
) -> Result<Policy, PolicyError> {
    decide_tables(schema, &Rules { preset, carried }, Contents::Standard, &[])
}

/// What is said about the columns of a database.
struct Rules<'a> {
    preset: Option<&'a Preset>,
    /// Rules that an archive carries; they go before those of the preset.
    carried: &'a [CredentialColumn],
}

impl Rules<'_> {
    /// The placeholder of a column that holds credentials.
    fn credential(&self, table: &TableName, column: &str) -> Option<Option<&String>> {
        let carried = self
            .carried
            .iter()
            .find(|rule| rule.table == *table && rule.column == column)
            .map(|rule| rule.placeholder.as_ref());
        let rules = self.preset.iter().flat_map(|preset| &preset.credentials);
        carried.or_else(|| {
            rules
                .filter(|rule| rule.column == column && names(&rule.table, table))
                .map(|rule| rule.placeholder.as_ref())
                .next()
        })
    }

    fn leave_out(&self, table: &TableName) -> Option<&LeaveOutRule> {
        let mut rules = self.preset.iter().flat_map(|preset| &preset.leave_out);
        rules.find(|rule| names(&rule.table, table))
    }
}

fn decide_tables(
    schema: &Schema,
    rules: &Rules<'_>,
    contents: Contents,
    excluded: &[String],
) -> Result<Policy, PolicyError> {
    if let Some(preset) = rules.preset {
        check_rules(schema, preset)?;
    }
    let mut policy = Policy {
        contents,
        tables: Vec::new(),
        credentials: (contents == Contents::Sensitive).then(Vec::new),
        left_out: Vec::new(),
        notices: Vec::new(),
    };
    for table in &schema.tables {
        decide_table(table, rules, excluded, &mut policy)?;
    }
    Ok(policy)
}

fn decide_table(
    table: &Table,
    rules: &Rules<'_>,
    excluded: &[String],
    policy: &mut Policy,
) -> Result<(), PolicyError> {
    let leave_out = |reason, detail| LeftOut::Table {
        table: table.name.clone(),
        reason,
        rows: None,
        detail,
    };
    if excluded.iter().any(|name| names(name, &table.name)) {
        policy
            .left_out
            .push(leave_out(LeftOutReason::Excluded, None));
        return Ok(());
    }
    if let Some(rule) = rules.leave_out(&table.name) {
        policy
            .left_out
            .push(leave_out(rule.reason, rule.detail.clone()));
        return Ok(());
    }
    check_unique(table, rules)?;
    let mut columns = Vec::new();
    for column in &table.columns {
        if column.generated {
            policy.left_out.push(LeftOut::Column {
                table: table.name.clone(),
                column: column.name.clone(),
                reason: LeftOutReason::Derived,
                placeholder: None,
            });
            continue;
        }
        let rule = rules.credential(&table.name, &column.name);
        columns.push(match (rule, &mut policy.credentials) {
            (Some(placeholder), None) => {
                policy.left_out.push(LeftOut::Column {
                    table: table.name.clone(),
                    column: column.name.clone(),
                    reason: LeftOutReason::Credential,
                    placeholder: Some(
                        placeholder.map_or_else(|| "NULL".into(), |text| format!("{text:?}")),
                    ),
                });
                ColumnPolicy::Replace(placeholder.cloned())
            }
            (Some(placeholder), Some(carried)) => {
                carried.push(CredentialColumn {
                    table: table.name.clone(),
                    column: column.name.clone(),
                    placeholder: placeholder.cloned(),
                });
                ColumnPolicy::Keep
            }
            (None, _) => {
                if looks_like_credential(&column.name) {
                    policy.notices.push(Notice::LooksLikeCredential {
                        table: table.name.clone(),
                        column: column.name.clone(),
                    });
                }
                ColumnPolicy::Keep
            }
        });
    }
    policy.tables.push(TablePolicy {
        table: table.name.clone(),
        columns,
    });
    Ok(())
}

/// Refuses placeholders that would be all that a unique key holds: the rows could not be loaded.
fn check_unique(table: &Table, rules: &Rules<'_>) -> Result<(), PolicyError> {
    let replaced = |column: &String| matches!(rules.credential(&table.name, column), Some(Some(_)));
    let keys = core::iter::once(&table.primary_key).chain(&table.unique);
    match keys
        .filter(|key| !key.is_empty())
        .find(|key| key.iter().all(replaced))
    {
        Some(key) => Err(PolicyError::PlaceholderNotUnique {
            table: table.name.clone(),
            key: key.clone(),
        }),
        None => Ok(()),
    }
}

fn check_rules(schema: &Schema, preset: &Preset) -> Result<(), PolicyError> {
    let find = |name: &str| {
        schema
            .tables
            .iter()
            .find(|table| names(name, &table.name))
            .ok_or_else(|| PolicyError::UnknownTable {
                app: preset.app.clone(),
                table: name.into(),
            })
    };
    for rule in &preset.leave_out {
        find(&rule.table)?;
    }
    for rule in &preset.credentials {
        let table = find(&rule.table)?;
        if !rule.path.is_empty()
            || rule.random.is_some()
            || rule.omit_rows
            || !rule.condition.is_empty()
            || !rule.also_set.is_empty()
        {
            return Err(PolicyError::NotApplied {
                table: rule.table.clone(),
                column: rule.column.clone(),
            });
        }
        let column = table
            .stored_columns()
            .find(|column| column.name == rule.column)
            .ok_or_else(|| PolicyError::UnknownColumn {
                app: preset.app.clone(),
                table: rule.table.clone(),
                column: rule.column.clone(),
            })?;
        if let Some(text) = &rule.placeholder
            && text.len() > MAX_PLACEHOLDER_BYTES
        {
            return Err(PolicyError::PlaceholderTooLong {
                table: rule.table.clone(),
                column: rule.column.clone(),
                bytes: text.len(),
            });
        }
        if rule.placeholder.is_none() && !column.nullable {
            return Err(PolicyError::PlaceholderNeeded {
                app: preset.app.clone(),
                table: rule.table.clone(),
                column: rule.column.clone(),
            });
        }
    }
    Ok(())
}
