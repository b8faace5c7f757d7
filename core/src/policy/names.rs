//! What names mean: of tables in rules, of columns that hold credentials.

use alloc::string::String;

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
    const WORDS: [&str; 16] = [
        "password",
        "passwd",
        "passphrase",
        "secret",
        "token",
        "api_key",
        "apikey",
        "private_key",
        "privatekey",
        "hashed_key",
        "backup_code",
        "credential",
        "pwd",
        "totp",
        "recovery_code",
        "signing_key",
    ];
    // Facts about a credential, such as when it ends, are none themselves.
    const ENDINGS: [&str; 7] = [
        "_at", "_count", "_type", "_id", "_length", "_expires", "_until",
    ];
    const STARTS: [&str; 2] = ["is_", "has_"];
    let name = snake_case(column);
    WORDS.iter().any(|word| name.contains(word))
        && !ENDINGS.iter().any(|ending| name.ends_with(ending))
        && !STARTS.iter().any(|start| name.starts_with(start))
}

/// `accessTokenID` as `access_token_id`.
fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    let mut before = '_';
    for letter in name.chars() {
        if letter.is_uppercase() && (before.is_lowercase() || before.is_numeric()) {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
        before = letter;
    }
    snake
}
