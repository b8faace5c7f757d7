//! The parts of the JSON, as rows of the application's tables.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use serde::Deserialize;

use crate::foreign::{ForeignError, Row, Value, json::members};

/// Keys of the JSON and the tables whose rows they hold.
const TABLES: [(&str, &str); 14] = [
    ("settings", "SystemSetting"),
    ("credentialProfiles", "CredentialProfile"),
    ("adapters", "AdapterConfig"),
    ("jobs", "Job"),
    ("jobDestinations", "JobDestination"),
    ("apiKeys", "ApiKey"),
    ("users", "User"),
    ("groups", "Group"),
    ("ssoProviders", "SsoProvider"),
    ("encryptionProfiles", "EncryptionProfile"),
    ("statistics.storageSnapshots", "StorageSnapshot"),
    ("statistics.executions", "Execution"),
    ("statistics.auditLogs", "AuditLog"),
    ("statistics.notificationLogs", "NotificationLog"),
];

/// The table of a key.
pub(in crate::foreign) fn table(key: &str) -> Option<&'static str> {
    TABLES
        .iter()
        .find_map(|(of, table)| (*of == key).then_some(*table))
}

/// The keys that every backup has.
pub(in crate::foreign) fn always() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLES
        .into_iter()
        .filter(|(key, _)| !key.starts_with("statistics."))
}

/// What the backup says of itself.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::foreign) struct Metadata {
    pub(in crate::foreign) version: Option<String>,
    pub(in crate::foreign) exported_at: Option<String>,
    #[serde(default)]
    pub(in crate::foreign) include_secrets: bool,
    #[serde(default)]
    pub(in crate::foreign) include_statistics: bool,
    source_type: Option<String>,
}

/// Parses the member `metadata`.
///
/// # Errors
/// [`ForeignError::NotSystemBackup`].
pub(in crate::foreign) fn metadata(raw: &[u8]) -> Result<Metadata, ForeignError> {
    let metadata: Metadata = serde_json::from_slice(raw).map_err(|_| {
        ForeignError::NotSystemBackup("its metadata is not an object that DBackup writes")
    })?;
    match metadata.source_type.as_deref() {
        None | Some("SYSTEM") => Ok(metadata),
        Some(_) => Err(ForeignError::NotSystemBackup(
            "its metadata says that it is of another kind",
        )),
    }
}

/// The rows that a part holds: its own, and those of tables that the JSON has no part for.
///
/// # Errors
/// What is wrong, for people.
pub(in crate::foreign) fn rows(key: &str, raw: &[u8]) -> Result<Vec<(&'static str, Row)>, String> {
    if key == "jobNotifications" {
        return notifications(raw);
    }
    let Some(table) = table(key) else {
        return Ok(Vec::new());
    };
    let mut row = Row::parse(raw)?;
    let mut rows = Vec::new();
    if table == "User"
        && let Some(accounts) = row.take("accounts")
    {
        rows.extend(elements(&accounts)?.into_iter().map(|row| ("Account", row)));
    }
    rows.insert(0, (table, row));
    Ok(rows)
}

/// The elements of an array, which must be objects.
fn elements(value: &Value) -> Result<Vec<Row>, String> {
    let wrong = || "its accounts are not an array".to_string();
    let Value::Json(raw) = value else {
        return Err(wrong());
    };
    let items: Vec<&serde_json::value::RawValue> =
        serde_json::from_str(raw).map_err(|_| wrong())?;
    items
        .into_iter()
        .map(|item| Row::parse(item.get().as_bytes()))
        .collect()
}

/// `{job: [adapter, …]}` as rows of the link table: A is the adapter, B the job.
fn notifications(raw: &[u8]) -> Result<Vec<(&'static str, Row)>, String> {
    let text = core::str::from_utf8(raw).map_err(|error| error.to_string())?;
    let mut rows = Vec::new();
    for (job, adapters) in members(&Value::Json(text.into())) {
        let Value::Json(list) = &adapters else {
            return Err(format!("the adapters of job {job} are not an array"));
        };
        let adapters: Vec<String> =
            serde_json::from_str(list).map_err(|error| error.to_string())?;
        rows.extend(adapters.into_iter().map(|adapter| {
            let values = alloc::vec![
                ("A".to_string(), Value::Text(adapter)),
                ("B".to_string(), Value::Text(job.clone())),
            ];
            ("_Notifications", Row { values })
        }));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_and_links_become_rows() {
        let rows = |key, raw: &str| {
            rows(key, raw.as_bytes()).map(|rows| {
                rows.into_iter()
                    .map(|(table, row)| {
                        let shown: Vec<_> = row
                            .values
                            .iter()
                            .map(|(name, value)| format!("{name}={}", value.shown().unwrap_or("-")))
                            .collect();
                        format!("{table} {}", shown.join(" "))
                    })
                    .collect::<Vec<_>>()
            })
        };
        assert_eq!(
            rows(
                "users",
                r#"{"id": "u", "accounts": [{"id": "a"}, {"id": "b"}]}"#
            )
            .unwrap(),
            ["User id=u", "Account id=a", "Account id=b"]
        );
        assert_eq!(
            rows("jobNotifications", r#"{"j": ["x", "y"], "k": []}"#).unwrap(),
            ["_Notifications A=x B=j", "_Notifications A=y B=j"]
        );
        assert!(rows("users", r#"{"accounts": {}}"#).is_err());
        assert!(rows("jobNotifications", r#"{"j": "x"}"#).is_err());
        assert!(rows("else", "{").unwrap().is_empty());
    }
}
