//! Passwords: from a file, an environment variable or a prompt, and never from an argument.

use std::{
    env, fs,
    io::{self, IsTerminal},
    path::PathBuf,
};

use clap::Args;
use coffer_core::seal::Password;
use zeroize::Zeroizing;

use super::Failure;
use crate::read::Unlock;

/// Where a password comes from; a prompt if neither is given.
#[derive(Debug, Args)]
pub(super) struct PasswordArgs {
    /// Read the password from the first line of this file.
    #[arg(long, value_name = "FILE", conflicts_with = "password_env")]
    password_file: Option<PathBuf>,

    /// Read the password from this environment variable.
    #[arg(long, value_name = "NAME")]
    password_env: Option<String>,
}

impl PasswordArgs {
    /// Whether a source other than the prompt was named.
    pub(super) const fn given(&self) -> bool {
        self.password_file.is_some() || self.password_env.is_some()
    }

    fn named(&self) -> Result<Option<Password>, Failure> {
        let text = if let Some(path) = &self.password_file {
            let content = fs::read_to_string(path)
                .map(Zeroizing::new)
                .map_err(|error| Failure::file("read the password file", path, &error))?;
            let line = content.split('\n').next().unwrap_or_default();
            Zeroizing::new(line.strip_suffix('\r').unwrap_or(line).to_owned())
        } else if let Some(name) = &self.password_env {
            Zeroizing::new(env::var(name).map_err(|_| {
                Failure::usage(format!(
                    "the environment variable {name} is not set, or is not UTF-8"
                ))
            })?)
        } else {
            return Ok(None);
        };
        let password = Password::new(&text);
        if password.is_empty() {
            return Err(Failure::usage("the password is empty"));
        }
        Ok(Some(password))
    }

    /// A password for a new archive; a prompt asks twice.
    pub(super) fn for_sealing(&self) -> Result<Password, Failure> {
        if let Some(password) = self.named()? {
            return Ok(password);
        }
        let first = prompt("Password for the archive: ")?;
        if first.is_empty() {
            return Err(Failure::usage("the password is empty"));
        }
        let second = prompt("The same again: ")?;
        if *first != *second {
            return Err(Failure::usage(
                "the two passwords differ; nothing was written",
            ));
        }
        Ok(Password::new(&first))
    }

    /// What opens an archive; a prompt asks only for a sealed one.
    pub(super) fn for_opening(&self, sealed: bool) -> Result<Unlock, Failure> {
        if !sealed {
            return Ok(Unlock::None);
        }
        Ok(Unlock::Password(match self.named()? {
            Some(password) => password,
            None => Password::new(&prompt("Password of the archive: ")?),
        }))
    }
}

fn prompt(text: &str) -> Result<Zeroizing<String>, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(
            "a password is needed, and there is no terminal to ask on; use --password-file or --password-env",
        ));
    }
    rpassword::prompt_password(text)
        .map(Zeroizing::new)
        .map_err(|error| Failure::failed("prompt", format!("cannot ask for the password: {error}")))
}
