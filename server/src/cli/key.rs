//! `coffer key`

use std::{fmt, io::Write, path::PathBuf};

use clap::Subcommand;
use coffer_core::seal::{Cost, KeyFile, KeyType, LockedKey, Recipient, SecretKey};
use getrandom::SysRng;
use rand_core::UnwrapErr;
use serde::Serialize;

use super::{Failure, Output, key_file, publish::Unpublished, secret::PasswordArgs};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a key pair: the secret key into a file, the recipient on standard output.
    New {
        /// The key file to write; only its owner may read it.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,

        /// The kind of key: mlkem768x25519 stays safe when quantum computers come, x25519 is short.
        #[arg(long = "type", value_name = "TYPE", default_value_t, value_parser = key_type)]
        key_type: KeyType,

        /// Lock the key file with a password.
        #[arg(long)]
        locked: bool,

        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Show the recipient of a key file, to seal archives to.
    Show {
        /// The key file.
        #[arg(value_name = "FILE")]
        file: PathBuf,

        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Show the name of a key. A locked key file needs no password for that.
    Fingerprint {
        /// The key file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

fn key_type(name: &str) -> Result<KeyType, String> {
    KeyType::from_tag(name).ok_or_else(|| {
        let known = KeyType::ALL.map(KeyType::tag).join(", ");
        format!("the types of keys are {known}")
    })
}

#[derive(Serialize)]
struct Shown {
    fingerprint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient: Option<String>,
}

impl Shown {
    fn of(recipient: &Recipient) -> Self {
        Self {
            fingerprint: recipient.fingerprint().to_string(),
            r#type: Some(recipient.key_type().tag()),
            recipient: Some(recipient.to_string()),
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}",
            self.recipient.as_ref().unwrap_or(&self.fingerprint)
        )
    }
}

fn crypto(error: coffer_core::seal::SealError) -> Failure {
    Failure::failed(error.code(), error)
}

pub(super) fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let shown = match args.command {
        Command::New {
            out,
            key_type,
            locked,
            password,
        } => {
            if password.given() && !locked {
                return Err(Failure::usage(
                    "a password was given without --locked; nothing was written",
                ));
            }
            make(&out, key_type, locked.then_some(&password))?
        }
        Command::Show { file, password } => {
            let key = match key_file::read(&file)? {
                KeyFile::Secret(key) => key,
                KeyFile::Locked(key) => password.unlock_key(&key)?,
            };
            Shown::of(&key.recipient().map_err(crypto)?)
        }
        Command::Fingerprint { file } => {
            let fingerprint = key_file::read(&file)?.fingerprint().map_err(crypto)?;
            Shown {
                fingerprint: fingerprint.to_string(),
                r#type: None,
                recipient: None,
            }
        }
    };
    output.result(&shown, &shown);
    Ok(())
}

fn make(
    out: &std::path::Path,
    key_type: KeyType,
    lock: Option<&PasswordArgs>,
) -> Result<Shown, Failure> {
    let file = Unpublished::create(out, false)?;
    // If the system has no random numbers there is no way on, and nothing to undo.
    let mut rng = UnwrapErr(SysRng);
    let key = SecretKey::generate_of(key_type, &mut rng);
    let recipient = key.recipient().map_err(crypto)?;
    let content = match lock {
        None => KeyFile::Secret(key),
        Some(password) => {
            let password = password.for_new("key file")?;
            KeyFile::Locked(
                LockedKey::lock(&key, &password, Cost::default(), &mut rng).map_err(crypto)?,
            )
        }
    };
    let mut writer = file.writer()?;
    writer
        .write_all(content.text(&recipient).as_bytes())
        .and_then(|()| writer.flush())
        .map_err(|error| Failure::file("write", out, &error))?;
    drop(writer);
    file.publish()?;
    Ok(Shown::of(&recipient))
}
