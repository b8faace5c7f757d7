//! The API token: from the environment or a file, and never from an argument, which every user of a machine can see.

use std::{env, fs, path::Path};

use zeroize::Zeroizing;

use super::super::Failure;
use crate::program;

/// The environment variable that may hold the token.
const VARIABLE: &str = "COFFER_TOKEN";
/// More than any token has.
const MAX_BYTES: u64 = 4096;

/// Reads the token.
pub(super) fn read(file: Option<&Path>) -> Result<Zeroizing<String>, Failure> {
    let text = match file {
        Some(path) => {
            let failed = |error| Failure::file("read the token in", path, &error);
            if fs::metadata(path).map_err(failed)?.len() > MAX_BYTES {
                return Err(Failure::usage(format!(
                    "{} holds more than a token",
                    path.display()
                )));
            }
            Zeroizing::new(fs::read_to_string(path).map_err(failed)?)
        }
        None => {
            program::withhold(VARIABLE);
            Zeroizing::new(env::var(VARIABLE).map_err(|_| {
                Failure::usage(format!(
                    "an API token is needed: put it into the environment variable {VARIABLE}, or name a file that holds it with --token-file; tokens are made on the server's page, under Account"
                ))
            })?)
        }
    };
    let token = text.lines().next().unwrap_or_default().trim();
    // Anything else could not stand in a header, or would end it.
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Failure::usage(
            "this is no API token: it is empty, or has characters that no token has",
        ));
    }
    Ok(Zeroizing::new(token.to_owned()))
}
