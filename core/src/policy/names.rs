//! What names mean: of tables in rules, of columns that hold credentials.

use crate::schema::TableName;

/// Whether a rule's table name, with or without schema, means this table.
#[must_use]
pub fn names(rule: &str, table: &TableName) -> bool {
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
