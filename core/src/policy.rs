//! What a preset says about an application's data, and what follows from it for one backup.

use alloc::{format, string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::{
    manifest::{Contents, CredentialColumn, LeftOut, LeftOutReason, Notice},
    schema::{Schema, Table, TableName},
};

/// Rules for one application, written by somebody who knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// The application's name.
    pub app: String,
    /// A query that gives the application's version as one text value.
    #[serde(default)]
    pub version_query: Option<String>,
    /// Tables whose rows are never archived.
    #[serde(default, rename = "leave_out")]
    pub leave_out: Vec<LeaveOutRule>,
    /// Columns that hold credentials.
    #[serde(default, rename = "credential")]
    pub credentials: Vec<CredentialRule>,
}

/// A table whose rows are never archived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaveOutRule {
    /// The table, with or without its schema.
    pub table: String,
    /// Why: `derived` or `transient`.
    pub reason: LeftOutReason,
    /// In the preset's own words.
    #[serde(default)]
    pub detail: Option<String>,
}

/// A column that holds credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialRule {
    /// The table, with or without its schema.
    pub table: String,
    /// The column.
    pub column: String,
    /// What a standard archive holds in its place; nothing means NULL.
    #[serde(default)]
    pub placeholder: Option<String>,
}

/// Bytes that a placeholder has at most.
pub const MAX_PLACEHOLDER_BYTES: usize = 4096;

/// Why a preset doesn't fit a database.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A rule names a table that the database doesn't have.
    #[error(
        "the preset for {app} names the table {table:?}, which this database does not have; nothing was read or written"
    )]
    UnknownTable {
        /// The preset's application.
        app: String,
        /// The table.
        table: String,
    },
    /// A rule names a column that the table doesn't have.
    #[error(
        "the preset for {app} names the column {table}.{column}, which this database does not have; nothing was read or written"
    )]
    UnknownColumn {
        /// The preset's application.
        app: String,
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// A credential without a placeholder sits in a column that can't be NULL.
    #[error(
        "the preset for {app} gives no placeholder for {table}.{column}, which cannot be NULL; add one to the preset"
    )]
    PlaceholderNeeded {
        /// The preset's application.
        app: String,
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// A placeholder that could make an archive many times larger.
    #[error(
        "the placeholder for {table}.{column} has {bytes} bytes where {MAX_PLACEHOLDER_BYTES} are allowed; shorten it in \
         the preset"
    )]
    PlaceholderTooLong {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// Bytes of the placeholder.
        bytes: usize,
    },
    /// Every row of a table would get the same value in a unique key, so that the archive could not be restored.
    #[error(
        "the rules for {table} put the same placeholder into every row of the unique key ({}), so the archive could \
         not be restored; use NULL where that is possible, or leave the table out",
        key.join(", ")
    )]
    PlaceholderNotUnique {
        /// The table.
        table: TableName,
        /// The key's columns.
        key: Vec<String>,
    },
    /// Credentials were asked for without a preset that says what they are.
    #[error("a sensitive archive needs a preset that says which columns are credentials")]
    NoPreset,
    /// A table to leave out by hand doesn't exist.
    #[error("there is no table {table:?} to leave out; nothing was read or written")]
    UnknownExclusion {
        /// The table as given.
        table: String,
    },
}

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

/// Whether a rule's table name, with or without schema, means this table.
fn names(rule: &str, table: &TableName) -> bool {
    rule == table.name
        || rule
            .strip_prefix(table.schema.as_str())
            .and_then(|rest| rest.strip_prefix('.'))
            .is_some_and(|name| name == table.name)
}

/// Whether a column's name is one that usually holds a credential.
#[must_use]
pub fn looks_like_credential(column: &str) -> bool {
    const WORDS: [&str; 12] = [
        "password",
        "passwd",
        "passphrase",
        "secret",
        "token",
        "api_key",
        "apikey",
        "private_key",
        "credential",
        "pwd",
        "totp",
        "recovery_code",
    ];
    // Facts about a credential, such as when it ends, are none themselves.
    const ENDINGS: [&str; 7] = [
        "_at", "_count", "_type", "_id", "_length", "_expires", "_until",
    ];
    let lower = column.to_ascii_lowercase();
    WORDS.iter().any(|word| lower.contains(word))
        && !ENDINGS.iter().any(|ending| lower.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Column;
    use alloc::vec;

    fn schema() -> Schema {
        let column = |name: &str, nullable| Column {
            name: name.into(),
            type_name: "text".into(),
            nullable,
            default: None,
            generated: false,
            identity: false,
        };
        let table = |name: &str, columns| Table {
            name: TableName::new("public", name),
            columns,
            primary_key: vec![],
            unique: vec![],
            foreign_keys: vec![],
        };
        Schema {
            tables: vec![
                table("sessions", vec![column("token", false)]),
                table(
                    "users",
                    vec![column("name", false), column("password_hash", true)],
                ),
            ],
        }
    }

    fn preset() -> Preset {
        Preset {
            app: "demo".into(),
            version_query: None,
            leave_out: vec![LeaveOutRule {
                table: "sessions".into(),
                reason: LeftOutReason::Transient,
                detail: None,
            }],
            credentials: vec![CredentialRule {
                table: "public.users".into(),
                column: "password_hash".into(),
                placeholder: None,
            }],
        }
    }

    #[test]
    fn a_standard_archive_has_placeholders_and_says_so() {
        let policy = decide(&schema(), Some(&preset()), false, &[]).unwrap();
        assert_eq!(policy.contents, Contents::Standard);
        assert_eq!(policy.tables.len(), 1);
        assert_eq!(
            policy.tables[0].columns,
            vec![ColumnPolicy::Keep, ColumnPolicy::Replace(None)]
        );
        assert_eq!(policy.left_out.len(), 2);
        assert_eq!(policy.notices, vec![]);
    }

    #[test]
    fn a_sensitive_archive_keeps_credentials() {
        let policy = decide(&schema(), Some(&preset()), true, &[]).unwrap();
        assert_eq!(
            policy.tables[0].columns,
            vec![ColumnPolicy::Keep, ColumnPolicy::Keep]
        );
        let carried = policy.credentials.unwrap();
        assert_eq!(
            carried,
            vec![CredentialColumn {
                table: TableName::new("public", "users"),
                column: "password_hash".into(),
                placeholder: None,
            }]
        );
        let redaction = decide_redaction(&schema(), &carried, None).unwrap();
        assert_eq!(redaction.contents, Contents::Standard);
        assert_eq!(redaction.credentials, None);
        assert_eq!(
            redaction.tables[1].columns,
            vec![ColumnPolicy::Keep, ColumnPolicy::Replace(None)]
        );
        assert_eq!(
            decide(&schema(), None, true, &[]),
            Err(PolicyError::NoPreset)
        );
    }

    #[test]
    fn a_preset_adds_to_the_rules_of_an_archive_and_takes_none_back() {
        let carried = [CredentialColumn {
            table: TableName::new("public", "users"),
            column: "password_hash".into(),
            placeholder: Some("archive".into()),
        }];
        let mut preset = preset();
        preset.leave_out.clear();
        preset.credentials[0].placeholder = Some("preset".into());
        preset.credentials.push(CredentialRule {
            table: "sessions".into(),
            column: "token".into(),
            placeholder: Some("none".into()),
        });
        let replace = |text: &str| ColumnPolicy::Replace(Some(text.into()));
        let policy = decide_redaction(&schema(), &carried, Some(&preset)).unwrap();
        assert_eq!(policy.tables[0].columns, vec![replace("none")]);
        assert_eq!(
            policy.tables[1].columns,
            vec![ColumnPolicy::Keep, replace("archive")]
        );
        preset.credentials.clear();
        let policy = decide_redaction(&schema(), &carried, Some(&preset)).unwrap();
        assert_eq!(policy.tables[1].columns[1], replace("archive"));
    }

    #[test]
    fn placeholders_that_no_table_could_hold_are_errors() {
        let mut preset = preset();
        preset.credentials[0].placeholder = Some("!".into());
        for (primary_key, unique, refused) in [
            (&["password_hash"][..], &[][..], true),
            (&["name"], &["password_hash"], true),
            (&["name", "password_hash"], &[], false),
            (&["name"], &["name", "password_hash"], false),
        ] {
            let owned = |key: &[&str]| key.iter().map(|name| (*name).into()).collect();
            let mut schema = schema();
            schema.tables[1].primary_key = owned(primary_key);
            schema.tables[1].unique = vec![owned(unique)];
            let policy = decide(&schema, Some(&preset), false, &[]);
            assert_eq!(
                matches!(policy, Err(PolicyError::PlaceholderNotUnique { .. })),
                refused,
                "{policy:?}"
            );
            // Left out, it has no rows that could collide.
            assert!(decide(&schema, Some(&preset), false, &["users".into()]).is_ok());
        }
    }

    #[test]
    fn without_a_preset_suspicious_columns_are_named() {
        let policy = decide(&schema(), None, false, &["sessions".into()]).unwrap();
        assert_eq!(policy.contents, Contents::Unclassified);
        assert_eq!(
            policy.notices,
            vec![Notice::LooksLikeCredential {
                table: TableName::new("public", "users"),
                column: "password_hash".into()
            }]
        );
        assert!(!looks_like_credential("token_expires_at"));
    }

    #[test]
    fn rules_that_fit_nothing_are_errors() {
        let mut wrong = preset();
        wrong.credentials[0].column = "passwort".into();
        assert!(matches!(
            decide(&schema(), Some(&wrong), false, &[]),
            Err(PolicyError::UnknownColumn { .. })
        ));
        let mut wrong = preset();
        wrong.credentials[0].placeholder = Some("x".repeat(MAX_PLACEHOLDER_BYTES + 1));
        assert!(matches!(
            decide(&schema(), Some(&wrong), false, &[]),
            Err(PolicyError::PlaceholderTooLong { bytes: 4097, .. })
        ));
        let mut wrong = preset();
        wrong.leave_out[0].table = "sesions".into();
        assert!(matches!(
            decide(&schema(), Some(&wrong), false, &[]),
            Err(PolicyError::UnknownTable { .. })
        ));
        let mut wrong = preset();
        wrong.credentials[0].column = "name".into();
        assert!(matches!(
            decide(&schema(), Some(&wrong), false, &[]),
            Err(PolicyError::PlaceholderNeeded { .. })
        ));
        assert!(matches!(
            decide(&schema(), None, false, &["nope".into()]),
            Err(PolicyError::UnknownExclusion { .. })
        ));
    }
}
