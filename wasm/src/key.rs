//! Making keys, and reading key files.

use coffer_core::seal::{
    Cost, KeyFile, KeyType, LockedKey, Password, Recipient, SealError, SecretKey,
};
use serde::Serialize;
use wasm_bindgen::prelude::*;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{convert, failure::Failure, random};

/// A new key. Of `secret` and `locked` one is there.
#[derive(Serialize, Zeroize, ZeroizeOnDrop)]
struct NewKey {
    #[zeroize(skip)]
    r#type: &'static str,
    recipient: String,
    fingerprint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locked: Option<String>,
    file: String,
}

/// Makes a key pair of a type, and locks its secret half with the password if there is one: `{type, recipient,
/// fingerprint, file}` and `secret` or `locked`. With a password it takes about as long as unlocking does.
///
/// # Errors
/// `bad_key_type`, `no_randomness` or `crypto`.
#[wasm_bindgen(
    unchecked_return_type = "{ type: string; recipient: string; fingerprint: string; secret?: string; locked?: string; file: string }"
)]
pub fn make_key(key_type: &str, password: Option<String>) -> Result<JsValue, JsValue> {
    let key_type = KeyType::from_tag(key_type).ok_or_else(|| {
        let known = KeyType::ALL.map(KeyType::tag).join(", ");
        Failure::new(
            "bad_key_type",
            format!("There is no such type of key; there are {known}. Nothing was made."),
        )
    })?;
    let password = password.map(|typed| Password::new(&Zeroizing::new(typed)));
    Ok(convert::to_js(&pair(key_type, password.as_ref())?)?)
}

/// Whether a key file, or a recovery kit, holds the secret half of this public key (`coffer1…`). It is worked out from the
/// secret, not read off what the file says of itself.
///
/// # Errors
/// `key_malformed`, or `key_locked` for a file that needs a password.
#[wasm_bindgen]
pub fn key_file_fits(file: &str, recipient: &str) -> Result<bool, JsValue> {
    Ok(fits(file, recipient)?)
}

fn fits(file: &str, recipient: &str) -> Result<bool, Failure> {
    let named = Recipient::parse(recipient)?;
    Ok(read(file, None)?.recipient()? == named)
}

fn pair(key_type: KeyType, password: Option<&Password>) -> Result<NewKey, Failure> {
    let mut random = random::generator()?;
    let secret = SecretKey::generate_of(key_type, &mut random);
    let recipient = secret.recipient()?;
    let file = match password {
        None => KeyFile::Secret(secret),
        Some(password) => {
            let cost = Cost::default();
            KeyFile::Locked(LockedKey::lock(&secret, password, cost, &mut random)?)
        }
    };
    let text = file.text(&recipient).to_string();
    let (secret, locked) = match &file {
        KeyFile::Secret(key) => (Some(key.expose().to_string()), None),
        KeyFile::Locked(key) => (None, Some(key.to_string())),
    };
    Ok(NewKey {
        r#type: key_type.tag(),
        recipient: recipient.to_string(),
        fingerprint: recipient.fingerprint().to_string(),
        secret,
        locked,
        file: text,
    })
}

/// The secret key of a key file.
pub(crate) fn read(file: &str, password: Option<&Password>) -> Result<SecretKey, Failure> {
    match (KeyFile::parse(file)?, password) {
        (KeyFile::Secret(key), _) => Ok(key),
        (KeyFile::Locked(_), None) => Err(Failure::new(
            "key_locked",
            "The key file is locked. Type its password. Nothing was changed.",
        )),
        (KeyFile::Locked(locked), Some(password)) => match locked.unlock(password) {
            Ok(Some(key)) => Ok(key),
            Ok(None) => Err(Failure::new(
                "wrong_key_password",
                "This is not the password of the key file. Nothing was changed; try again.",
            )),
            // It says so of headers, which a locked key mostly stands in.
            Err(SealError::HeaderDamaged) => Err(SealError::KeyMalformed {
                what: "the file is damaged",
            }
            .into()),
            Err(error) => Err(error.into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_to_the_server_can_be_read_there() {
        let password = Password::new("pass");
        let pair = pair(KeyType::default(), Some(&password)).unwrap();
        let recipient = Recipient::parse(&pair.recipient).unwrap();
        assert_eq!(recipient.fingerprint().to_string(), pair.fingerprint);
        let locked = LockedKey::parse(pair.locked.as_ref().unwrap()).unwrap();
        let secret = locked.unlock(&password).unwrap().unwrap();
        assert_eq!(secret.recipient().unwrap(), recipient);
        assert!(pair.secret.is_none() && !pair.file.contains("COFFER-SECRET-KEY"));
    }

    #[test]
    fn a_kit_fits_its_own_key_only() {
        let (mine, other) = (
            pair(KeyType::default(), None).unwrap(),
            pair(KeyType::X25519, None).unwrap(),
        );
        let kit = |file: &str| format!("<!doctype html><pre id=\"coffer-key-file\">{file}</pre>");
        assert_eq!(fits(&kit(&mine.file), &mine.recipient).ok(), Some(true));
        assert_eq!(fits(&mine.file, &mine.recipient).ok(), Some(true));
        assert_eq!(fits(&kit(&other.file), &mine.recipient).ok(), Some(false));
        // What the file says of itself is not what counts.
        let lying = mine.file.replace(
            mine.secret.as_deref().unwrap(),
            other.secret.as_deref().unwrap(),
        );
        assert_eq!(fits(&lying, &mine.recipient).ok(), Some(false));
        let code = |file: &str| {
            fits(file, &mine.recipient)
                .err()
                .map(|failure| failure.code().to_owned())
        };
        assert_eq!(code("<p>a page</p>"), Some("key_malformed".into()));
        let locked = pair(KeyType::X25519, Some(&Password::new("p"))).unwrap();
        assert_eq!(code(&locked.file), Some("key_locked".into()));
    }

    #[test]
    fn key_files_are_read_with_their_password_or_without() {
        for key_type in KeyType::ALL {
            let plain = pair(key_type, None).unwrap();
            let key = read(&plain.file, None).unwrap();
            assert_eq!(key.key_type(), key_type);
            assert_eq!(key.recipient().unwrap().to_string(), plain.recipient);
            assert_eq!(Some(key.expose().as_str()), plain.secret.as_deref());
        }
        let password = Password::new("pass");
        let locked = pair(KeyType::X25519, Some(&password)).unwrap();
        let recipient = |password: Option<&Password>| {
            read(&locked.file, password)
                .map(|key| key.recipient().unwrap().to_string())
                .map_err(|failure| failure.code().to_owned())
        };
        assert_eq!(recipient(Some(&password)), Ok(locked.recipient.clone()));
        assert_eq!(recipient(None), Err("key_locked".to_owned()));
        assert_eq!(
            recipient(Some(&Password::new("other"))),
            Err("wrong_key_password".to_owned())
        );
        assert_eq!(
            read("# nothing", None)
                .map_err(|failure| failure.code().to_owned())
                .err(),
            Some("key_malformed".to_owned())
        );
    }
}
