//! What stands where a product has taken a credential out.

use alloc::{vec, vec::Vec};

use super::{Product, Row, Value};

/// Values that stand in for those which an archive without credentials lacks, for columns that can't be without one and
/// for a preset's rules, which then see where they were: rows that are nothing without one go, secrets are made anew,
/// flags that say there is one are lowered.
#[must_use]
pub fn stand_ins(product: Product, table: &str, row: &Row) -> Vec<(&'static str, Value)> {
    let text = |text: &str| Value::Text(text.into());
    let there = |column| row.get(column).is_some_and(|value| !value.is_null());
    match (product, table) {
        (Product::Nosdesk, "users") if there("mfa_secret_kek_id") => {
            vec![("mfa_secret", text("\\x"))]
        }
        (Product::Nosdesk, "user_recovery_codes") => vec![("code_hash", text(""))],
        (Product::Nosdesk, "refresh_tokens" | "reset_tokens" | "api_tokens") => {
            vec![("token_hash", text(""))]
        }
        (Product::Nosdesk, "webhooks") => vec![("secret", text(""))],
        // As its other credentials, which are there and empty.
        (Product::DBackup, "EncryptionProfile") => vec![("secretKey", text(""))],
        _ => Vec::new(),
    }
}
