//! What a browser does with passwords, done natively.

use crate::sealed::CHEAP;
use coffer_core::seal::{LockedKey, Password, SecretKey};
use getrandom::SysRng;
use rand_core::UnwrapErr;
use serde_json::{Value, json};

/// The body that makes an encryption profile for a password. Checking it costs next to nothing.
#[must_use]
pub fn profile(name: &str, password: &str) -> Value {
    let mut rng = UnwrapErr(SysRng);
    let secret = SecretKey::generate(&mut rng);
    let locked = LockedKey::lock(&secret, &Password::new(password), CHEAP, &mut rng).unwrap();
    let recipient = secret.recipient().unwrap();
    let key = json!({ "recipient": recipient.to_string(), "locked": locked.to_string() });
    json!({ "name": name, "keys": [key] })
}
