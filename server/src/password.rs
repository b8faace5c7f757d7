//! Passwords for signing in: stored as Argon2id (RFC 9106) in PHC form. They have nothing to do with the passwords that archives
//! are sealed with, which never get here.

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use coffer_core::archive::name::nfc;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// Fewest and most characters of a password.
pub const LENGTHS: std::ops::RangeInclusive<usize> = 12..=256;

/// Hashed at once: each takes 19 MiB of memory, and nobody should make this server take much more.
static AT_ONCE: Semaphore = Semaphore::const_new(2);

/// What a sign-in with a name that nobody has is compared with: it takes as long as any other, and nothing fits, since the
/// result is not looked at.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$Y29mZmVyLW5vYm9keSE$lNkn5sdSc5zxO2xIJHkQFN8dxfzaQ7sKtgRD9Wv4RQw";

/// Why a password can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too short to be safe, or too long to be one.
    #[error(
        "a password for signing in has {} to {} characters; this one has {length}; nothing was changed",
        LENGTHS.start(),
        LENGTHS.end()
    )]
    Length {
        /// Its characters.
        length: usize,
    },
    /// The cryptography did not work.
    #[error("the password could not be stored; nothing was changed")]
    Hashing,
}

/// What is stored of a password.
///
/// # Errors
/// [`PasswordError`].
pub async fn hash(password: Zeroizing<String>) -> Result<String, PasswordError> {
    let length = password.chars().count();
    if !LENGTHS.contains(&length) {
        return Err(PasswordError::Length { length });
    }
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|_| PasswordError::Hashing)?;
    let _turn = AT_ONCE.acquire().await;
    tokio::task::spawn_blocking(move || {
        let normal = Zeroizing::new(nfc(&password));
        let hash = Argon2::default().hash_password_with_salt(normal.as_bytes(), &salt);
        hash.map(|hash| hash.to_string())
    })
    .await
    .ok()
    .and_then(Result::ok)
    .ok_or(PasswordError::Hashing)
}

/// Whether a password is the one that is stored. Without a stored one, it takes as long to say no.
pub async fn verify(password: Zeroizing<String>, stored: Option<String>) -> bool {
    if password.chars().count() > *LENGTHS.end() {
        return false;
    }
    let _turn = AT_ONCE.acquire().await;
    let verified = tokio::task::spawn_blocking(move || {
        let known = stored.is_some();
        let normal = Zeroizing::new(nfc(&password));
        let fits = PasswordHash::new(stored.as_deref().unwrap_or(NOBODY)).is_ok_and(|hash| {
            Argon2::default()
                .verify_password(normal.as_bytes(), &hash)
                .is_ok()
        });
        known && fits
    });
    verified.await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Zeroizing<String> {
        Zeroizing::new(text.to_owned())
    }

    #[tokio::test]
    async fn a_password_fits_what_is_stored_of_it_alone() {
        let stored = hash(text("correct hörse battery")).await.unwrap();
        assert!(
            stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{stored}"
        );
        assert!(verify(text("correct hörse battery"), Some(stored.clone())).await);
        // The same letters, composed otherwise.
        assert!(verify(text("correct ho\u{308}rse battery"), Some(stored.clone())).await);
        assert!(!verify(text("correct horse battery"), Some(stored.clone())).await);
        assert!(!verify(text(""), Some(stored)).await);
        assert!(!verify(text("correct hörse battery"), None).await);
        assert!(!verify(text("correct hörse battery"), Some("garbage".into())).await);
    }

    #[tokio::test]
    async fn nobody_costs_as_much_as_somebody() {
        let known = PasswordHash::new(NOBODY).unwrap();
        let stored = hash(text("correct horse battery")).await.unwrap();
        let stored = PasswordHash::new(&stored).unwrap();
        assert_eq!(known.algorithm, stored.algorithm);
        assert_eq!(known.params, stored.params);
        assert_eq!(
            known.hash.map(|hash| hash.as_bytes().len()),
            stored.hash.map(|hash| hash.as_bytes().len())
        );
    }

    #[tokio::test]
    async fn short_passwords_are_refused() {
        let error = hash(text("short")).await.unwrap_err();
        assert_eq!(error, PasswordError::Length { length: 5 });
    }
}
