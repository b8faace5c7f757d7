//! What a backup of one database takes and leaves, decided by a preset's rules.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use super::{
    AppSecretRule, JsonPath, LeaveOutRule, PolicyError, Preset, Replacement, RowsLeftOut,
    fit::find, looks_like_credential, names,
};
use crate::{
    app_secret::{SecretColumn, SecretMark},
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
    /// Rules of a standard archive that look at whole rows, for [`crate::withhold::RowRules`].
    pub rows: Vec<CredentialColumn>,
    /// Rows of archived tables that no archive holds.
    pub rows_left_out: Vec<RowsLeftOut>,
    /// The rules that a sensitive archive carries along, so that a standard one can be made of it; else nothing.
    pub credentials: Option<Vec<CredentialColumn>>,
    /// The application's own secrets that what is archived is wrapped with, without their fingerprints.
    pub app_secrets: Vec<SecretMark>,
    /// What is left out by rule, but for `rows_left_out`, which is counted on the way.
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
    decide_tables(schema, preset, &[], contents, excluded)
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
    marks: &[SecretMark],
) -> Result<Policy, PolicyError> {
    decide_tables(schema, preset, carried, Contents::Standard, &[]).map(|mut policy| {
        policy.app_secrets = marks.to_vec();
        let fitted = preset.map(|preset| preset.fitted(schema));
        let rules = Rules {
            preset: fitted.as_ref(),
            carried,
        };
        keep_marks(&mut policy, |table| rules.credentials(table));
        policy
    })
}

/// What is said about the columns of a database.
struct Rules<'a> {
    preset: Option<&'a Preset>,
    /// Rules that an archive carries; they go before those of the preset.
    carried: &'a [CredentialColumn],
}

impl Rules<'_> {
    /// The rules for the credentials of a table.
    fn credentials(&self, table: &TableName) -> Vec<CredentialColumn> {
        let carried = self.carried.iter().filter(|rule| rule.table == *table);
        let mut all: Vec<CredentialColumn> = carried.cloned().collect();
        for rule in self.preset.iter().flat_map(|preset| &preset.credentials) {
            if names(&rule.table, table) {
                let rule = CredentialColumn::of(table.clone(), rule);
                if !all.iter().any(|other| other.is_for_same(&rule)) {
                    all.push(rule);
                }
            }
        }
        all
    }

    /// The rules for what of a table is left out.
    fn left_out<'r>(&'r self, table: &'r TableName) -> impl Iterator<Item = &'r LeaveOutRule> {
        let rules = self.preset.iter().flat_map(|preset| &preset.leave_out);
        rules.filter(|rule| names(&rule.table, table))
    }

    fn leave_out<'r>(&'r self, table: &'r TableName) -> Option<&'r LeaveOutRule> {
        self.left_out(table).find(|rule| rule.is_whole())
    }
}

fn decide_tables(
    schema: &Schema,
    preset: Option<&Preset>,
    carried: &[CredentialColumn],
    contents: Contents,
    excluded: &[String],
) -> Result<Policy, PolicyError> {
    if let Some(preset) = preset {
        let wrong = preset.check().into_iter();
        let mut wrong = wrong.chain(preset.check_for(None, schema));
        if let Some(found) = wrong.next() {
            return Err(found.error);
        }
    }
    let fitted = preset.map(|preset| preset.fitted(schema));
    let rules = Rules {
        preset: fitted.as_ref(),
        carried,
    };
    let mut policy = Policy {
        contents,
        tables: Vec::new(),
        rows: Vec::new(),
        rows_left_out: Vec::new(),
        credentials: (contents == Contents::Sensitive).then(Vec::new),
        app_secrets: Vec::new(),
        left_out: Vec::new(),
        notices: Vec::new(),
    };
    for table in &schema.tables {
        decide_table(table, &rules, excluded, &mut policy)?;
        blank_references(table, &rules, &mut policy)?;
    }
    let of_preset = fitted.iter().flat_map(|preset| &preset.app_secrets);
    policy.app_secrets = of_preset.map(|rule| mark_of(rule, schema)).collect();
    keep_marks(&mut policy, |table| rules.credentials(table));
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
    let credentials = rules.credentials(&table.name);
    check_unique(table, &credentials)?;
    let rows = rules.left_out(&table.name);
    let rows: Vec<_> = rows
        .map(|rule| RowsLeftOut::of(table.name.clone(), rule))
        .collect();
    // One that needs whole rows needs them as they are, so that all others are applied along with it.
    let plain = rows.is_empty() && credentials.iter().all(CredentialColumn::is_plain);
    policy.rows_left_out.extend(rows);
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
        let mut own = credentials.iter().filter(|rule| rule.column == column.name);
        let first = own.clone().next();
        let known = |preset: &Preset| preset.says_what(table, &column.name);
        if first.is_none()
            && looks_like_credential(&column.name)
            && !rules.preset.is_some_and(known)
        {
            policy.notices.push(Notice::LooksLikeCredential {
                table: table.name.clone(),
                column: column.name.clone(),
            });
        }
        if policy.credentials.is_none() {
            policy
                .left_out
                .extend(own.by_ref().map(|rule| LeftOut::Column {
                    table: table.name.clone(),
                    column: column.name.clone(),
                    reason: LeftOutReason::Credential,
                    placeholder: Some(shown(rule)),
                }));
        }
        columns.push(match first {
            Some(rule) if plain && policy.credentials.is_none() => {
                ColumnPolicy::Replace(rule.placeholder.clone())
            }
            _ => ColumnPolicy::Keep,
        });
    }
    match &mut policy.credentials {
        Some(carried) => carried.extend(credentials),
        None if !plain => policy.rows.extend(credentials),
        None => {}
    }
    policy.tables.push(TablePolicy {
        table: table.name.clone(),
        columns,
    });
    Ok(())
}

/// Rows of a table that a rule leaves out can't be pointed at where the archive is restored: what may be NULL becomes it.
fn blank_references(
    table: &Table,
    rules: &Rules<'_>,
    policy: &mut Policy,
) -> Result<(), PolicyError> {
    let Some(own) = policy.tables.last_mut() else {
        return Ok(());
    };
    if own.table != table.name {
        return Ok(());
    }
    for key in &table.foreign_keys {
        let Some(rule) = rules.leave_out(&key.references) else {
            continue;
        };
        let mut blanked = false;
        for (column, to) in table.stored_columns().zip(&mut own.columns) {
            if column.nullable && key.columns.contains(&column.name) {
                blanked = true;
                if *to == ColumnPolicy::Keep {
                    *to = ColumnPolicy::Replace(None);
                    policy.left_out.push(LeftOut::Column {
                        table: table.name.clone(),
                        column: column.name.clone(),
                        reason: rule.reason,
                        placeholder: Some("NULL".into()),
                    });
                }
            }
        }
        if !blanked {
            return Err(PolicyError::OwnerLeftOut {
                table: table.name.to_string(),
                columns: key.columns.clone(),
                references: key.references.to_string(),
            });
        }
    }
    Ok(())
}

/// The mark of a secret, for the tables of a database.
fn mark_of(rule: &AppSecretRule, schema: &Schema) -> SecretMark {
    let columns = rule.columns.iter().filter_map(|column| {
        let table = find(schema, &column.table)?;
        Some(SecretColumn {
            table: table.name.clone(),
            column: column.column.clone(),
            keys: column.keys.clone(),
        })
    });
    SecretMark {
        name: rule.name.clone(),
        variable: rule.variable.clone(),
        form: rule.form,
        columns: columns.collect(),
        fingerprint: None,
        unwrapped: false,
    }
}

/// Takes out of the marks what is not archived, and what a standard archive holds nothing of: columns, and values of keys, that
/// are credentials.
fn keep_marks(policy: &mut Policy, rules: impl Fn(&TableName) -> Vec<CredentialColumn>) {
    let (tables, standard) = (&policy.tables, policy.contents == Contents::Standard);
    for mark in &mut policy.app_secrets {
        mark.columns.retain(|column| {
            if !tables.iter().any(|own| own.table == column.table) {
                return false;
            }
            if !standard {
                return true;
            }
            let rules = rules(&column.table);
            let always = |rule: &&CredentialColumn| {
                rule.column == column.column && rule.condition.is_empty()
            };
            if rules.iter().filter(always).any(|rule| rule.path.is_empty()) {
                return false;
            }
            let withheld = |key: &String| {
                let path = JsonPath::any_depth(key);
                rules
                    .iter()
                    .filter(always)
                    .any(|rule| rule.path.contains(&path))
            };
            let all = !column.keys.is_empty() && column.keys.iter().all(withheld);
            !all
        });
    }
    policy.app_secrets.retain(|mark| !mark.columns.is_empty());
}

/// What stands in place of a credential, and where, for people.
fn shown(rule: &CredentialColumn) -> String {
    let mut text = rule.replacement().to_string();
    for (index, path) in rule.path.iter().enumerate() {
        text.push_str(if index == 0 { " at " } else { ", " });
        text.push_str(&path.to_string());
    }
    for (index, (column, values)) in rule.condition.iter().enumerate() {
        text.push_str(if index == 0 { " where " } else { " and " });
        text.push_str(column);
        for (index, value) in values.values().iter().enumerate() {
            text.push_str(if index == 0 { " is " } else { " or " });
            text.push_str(&value.to_string());
        }
    }
    for (index, column) in rule.also_set.keys().enumerate() {
        text.push_str(if index == 0 { "; also changed: " } else { ", " });
        text.push_str(column);
    }
    text
}

/// Refuses placeholders that would be all that a unique key holds: the rows could not be loaded.
fn check_unique(table: &Table, rules: &[CredentialColumn]) -> Result<(), PolicyError> {
    let replaced = |column: &String| {
        rules.iter().any(|rule| {
            rule.column == *column
                && rule.path.is_empty()
                && matches!(rule.replacement(), Replacement::Fixed(_))
        })
    };
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
