//! Passwords and keys: passwords from a file, an environment variable or a prompt, and never from an argument.

use std::{
    env, fs,
    io::{self, IsTerminal},
    path::PathBuf,
};

use clap::Args;
use coffer_core::seal::{
    Cost, KeyFile, LockedKey, LockedSender, Password, Recipient, SealError, SecretKey, SenderKey,
};
use zeroize::Zeroizing;

use super::{Failure, key_file, signing::SignArgs};
use crate::{
    backup::SealTo,
    program,
    read::{ReadError, Unlock},
};

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
    /// For a command that takes a second password, under other names.
    pub(super) const fn named_by(file: Option<PathBuf>, env: Option<String>) -> Self {
        Self {
            password_file: file,
            password_env: env,
        }
    }

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
            program::withhold(name);
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

    /// A password for something new, such as `archive`; a prompt asks twice.
    pub(super) fn for_new(&self, thing: &str) -> Result<Password, Failure> {
        if let Some(password) = self.named()? {
            return Ok(password);
        }
        let first = prompt(&format!("Password for the {thing}: "))?;
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

    /// The password of something that exists, such as `archive`.
    fn of(&self, thing: &str) -> Result<Password, Failure> {
        match self.named()? {
            Some(password) => Ok(password),
            None => Ok(Password::new(&prompt(&format!(
                "Password of the {thing}: "
            ))?)),
        }
    }

    /// The secret key of a locked key file.
    pub(super) fn unlock_key(&self, key: &LockedKey) -> Result<SecretKey, Failure> {
        key.unlock(&self.of("key file")?)
            .and_then(|key| key.ok_or(SealError::WrongPassword))
            .map_err(|error| ReadError::Seal(error).into())
    }

    /// The key of a locked sender's key file.
    pub(super) fn unlock_sender(&self, key: &LockedSender) -> Result<SenderKey, Failure> {
        key.unlock(&self.of("sender's key file")?)
            .and_then(|key| key.ok_or(SealError::WrongPassword))
            .map_err(|error| ReadError::Seal(error).into())
    }
}

/// Who can open a new archive: a password, recipients, or both; and who signs it.
#[derive(Debug, Args)]
pub(super) struct SealArgs {
    #[command(flatten)]
    password: PasswordArgs,

    /// Seal to this public key, coffer1…; may be repeated.
    #[arg(long = "recipient", value_name = "KEY", value_parser = recipient)]
    recipients: Vec<Recipient>,

    /// Seal to the public keys in this file, one a line.
    #[arg(long, value_name = "FILE")]
    recipients_file: Option<PathBuf>,

    #[command(flatten)]
    sign: SignArgs,
}

pub(super) fn recipient(text: &str) -> Result<Recipient, String> {
    Recipient::parse(text).map_err(|error| error.to_string())
}

impl SealArgs {
    /// Whether a password other than the prompt's, a recipient, or a sender was named.
    pub(super) const fn given(&self) -> bool {
        self.password.given()
            || !self.recipients.is_empty()
            || self.recipients_file.is_some()
            || self.sign.given()
    }

    /// Whom to seal to. Without a recipient a password is needed, and asked for if none was named.
    pub(super) fn seal_to(&self) -> Result<SealTo, Failure> {
        let mut recipients = self.recipients.clone();
        if let Some(path) = &self.recipients_file {
            recipients.extend(key_file::recipients(path)?);
        }
        let password = if recipients.is_empty() || self.password.given() {
            Some((self.password.for_new("archive")?, Cost::default()))
        } else {
            None
        };
        Ok(SealTo {
            password,
            recipients,
            locked: Vec::new(),
            sender: self.sign.key()?,
        })
    }
}

/// As [`SealArgs`], for commands that also open an archive: the password of the new one has names of its own.
#[derive(Debug, Args)]
pub(super) struct NewSealArgs {
    /// Read the password of the new archive from the first line of this file.
    #[arg(long, value_name = "FILE", conflicts_with = "new_password_env")]
    new_password_file: Option<PathBuf>,

    /// Read the password of the new archive from this environment variable.
    #[arg(long, value_name = "NAME")]
    new_password_env: Option<String>,

    /// Seal the new archive to this public key, coffer1…; may be repeated.
    #[arg(long = "recipient", value_name = "KEY", value_parser = recipient)]
    recipients: Vec<Recipient>,

    /// Seal the new archive to the public keys in this file, one a line.
    #[arg(long, value_name = "FILE")]
    recipients_file: Option<PathBuf>,

    #[command(flatten)]
    sign: SignArgs,
}

impl NewSealArgs {
    fn plain(&self) -> SealArgs {
        SealArgs {
            password: PasswordArgs {
                password_file: self.new_password_file.clone(),
                password_env: self.new_password_env.clone(),
            },
            recipients: self.recipients.clone(),
            recipients_file: self.recipients_file.clone(),
            sign: self.sign.clone(),
        }
    }

    /// As [`SealArgs::given`].
    pub(super) fn given(&self) -> bool {
        self.plain().given()
    }

    /// As [`SealArgs::seal_to`].
    pub(super) fn seal_to(&self) -> Result<SealTo, Failure> {
        self.plain().seal_to()
    }
}

/// What opens an archive: a password, or a key file.
#[derive(Debug, Args)]
pub(super) struct OpenArgs {
    #[command(flatten)]
    password: PasswordArgs,

    /// Open the archive with the secret key in this file; a locked one takes the password.
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
}

impl OpenArgs {
    /// Whether anything was named.
    pub(super) const fn given(&self) -> bool {
        self.password.given() || self.identity.is_some()
    }

    /// The password of an archive that nothing else opens.
    pub(super) fn password(&self) -> Result<Password, Failure> {
        self.password.of("archive")
    }

    /// What opens an archive; a prompt asks only for a sealed one.
    pub(super) fn unlock(&self, sealed: bool) -> Result<Unlock, Failure> {
        if !sealed {
            return Ok(Unlock::None);
        }
        match &self.identity {
            None => self.password.of("archive").map(Unlock::Password),
            Some(path) => match key_file::read(path)? {
                KeyFile::Secret(key) => Ok(Unlock::Key(key)),
                KeyFile::Locked(key) => self.password.unlock_key(&key).map(Unlock::Key),
            },
        }
    }
}

fn prompt(text: &str) -> Result<Zeroizing<String>, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(
            "a password is needed, and there is no terminal to ask on; name a file or an environment variable that holds it, as with --password-file or --password-env",
        ));
    }
    rpassword::prompt_password(text)
        .map(Zeroizing::new)
        .map_err(|error| Failure::failed("prompt", format!("cannot ask for the password: {error}")))
}
