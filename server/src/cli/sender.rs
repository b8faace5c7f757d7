//! `coffer sender`

use std::{
    fmt,
    io::Write,
    path::{Path, PathBuf},
};

use clap::Subcommand;
use coffer_core::seal::{Cost, LockedSender, Sender, SenderKey};
use getrandom::SysRng;
use rand_core::UnwrapErr;
use serde::Serialize;

use super::{Failure, Output, publish::Unpublished, secret::PasswordArgs, sender_file::SenderFile};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a key to sign archives with: the secret half into a file, the sender on standard output.
    New {
        /// The key file to write; only its owner may read it.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,

        /// Lock the key file with a password.
        #[arg(long)]
        locked: bool,

        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Show the sender of a key file, to give to who shall recognise it.
    Show {
        /// The key file.
        #[arg(value_name = "FILE")]
        file: PathBuf,

        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Show the fingerprint of a sender's key. A locked key file needs no password for that.
    Fingerprint {
        /// The key file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

#[derive(Serialize)]
struct Shown {
    fingerprint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender: Option<String>,
}

impl Shown {
    fn of(sender: &Sender) -> Self {
        Self {
            fingerprint: sender.fingerprint().to_string(),
            sender: Some(sender.to_string()),
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.sender.as_ref().unwrap_or(&self.fingerprint))
    }
}

pub(super) fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let shown = match args.command {
        Command::New {
            out,
            locked,
            password,
        } => {
            if password.given() && !locked {
                return Err(Failure::usage(
                    "a password was given without --locked; nothing was written",
                ));
            }
            make(&out, locked.then_some(&password))?
        }
        Command::Show { file, password } => {
            let key = match SenderFile::read(&file)? {
                SenderFile::Secret(key) => key,
                SenderFile::Locked(key) => password.unlock_sender(&key)?,
            };
            Shown::of(&key.sender())
        }
        Command::Fingerprint { file } => {
            let fingerprint = match SenderFile::read(&file)? {
                SenderFile::Secret(key) => key.sender().fingerprint(),
                SenderFile::Locked(key) => key.fingerprint(),
            };
            Shown {
                fingerprint: fingerprint.to_string(),
                sender: None,
            }
        }
    };
    output.result(&shown, &shown);
    Ok(())
}

fn make(out: &Path, lock: Option<&PasswordArgs>) -> Result<Shown, Failure> {
    let file = Unpublished::create(out, false)?;
    // If the system has no random numbers there is no way on, and nothing to undo.
    let mut rng = UnwrapErr(SysRng);
    let key = SenderKey::generate(&mut rng);
    let sender = key.sender();
    let content = match lock {
        None => SenderFile::Secret(key),
        Some(password) => {
            let password = password.for_new("key file")?;
            SenderFile::Locked(
                LockedSender::lock(&key, &password, Cost::default(), &mut rng)
                    .map_err(|error| Failure::failed(error.code(), error))?,
            )
        }
    };
    let mut writer = file.writer()?;
    writer
        .write_all(content.text(&sender).as_bytes())
        .and_then(|()| writer.flush())
        .map_err(|error| Failure::file("write", out, &error))?;
    drop(writer);
    file.publish()?;
    Ok(Shown::of(&sender))
}
