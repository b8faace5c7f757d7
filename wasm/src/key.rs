//! Key pairs made from a password.

use coffer_core::seal::{Cost, LockedKey, Password, SecretKey};
use serde::Serialize;
use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;

use crate::{convert, failure::Failure, random};

/// Both go to a server that takes backups; neither lets it open one.
#[derive(Serialize)]
struct KeyPair {
    recipient: String,
    locked: String,
    fingerprint: String,
}

/// Makes a key pair and locks its secret half with the password: `{recipient, locked, fingerprint}`. Takes about as
/// long as unlocking does.
///
/// # Errors
/// `no_randomness` or `crypto`.
#[wasm_bindgen(
    unchecked_return_type = "{ recipient: string; locked: string; fingerprint: string }"
)]
pub fn make_key(password: String) -> Result<JsValue, JsValue> {
    let password = Password::new(&Zeroizing::new(password));
    Ok(convert::to_js(&pair(&password)?)?)
}

fn pair(password: &Password) -> Result<KeyPair, Failure> {
    let mut random = random::generator()?;
    let secret = SecretKey::generate(&mut random);
    let recipient = secret.recipient()?;
    let locked = LockedKey::lock(&secret, password, Cost::default(), &mut random)?;
    Ok(KeyPair {
        recipient: recipient.to_string(),
        locked: locked.to_string(),
        fingerprint: recipient.fingerprint().to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use coffer_core::seal::Recipient;

    #[test]
    fn what_goes_to_the_server_can_be_read_there() {
        let password = Password::new("pass");
        let pair = pair(&password).unwrap();
        let recipient = Recipient::parse(&pair.recipient).unwrap();
        assert_eq!(recipient.fingerprint().to_string(), pair.fingerprint);
        let locked = LockedKey::parse(&pair.locked).unwrap();
        let secret = locked.unlock(&password).unwrap().unwrap();
        assert_eq!(secret.recipient().unwrap(), recipient);
    }
}
