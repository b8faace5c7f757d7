//! `coffer rekey`

use std::{fmt, path::PathBuf};

use coffer_core::seal::{
    Access, Change, Cost, Fingerprint, Lock, Password, Recipient, RekeyError, Removal, Unlocked,
};
use getrandom::SysRng;
use rand_core::UnwrapErr;
use serde::Serialize;

use super::{
    Failure, Output, key_file,
    output::{bytes, safe},
    secret::{OpenArgs, PasswordArgs},
};
use crate::{
    progress::Progress,
    read::{ReadError, Unlock},
    rekey::{Locked, Recovered, RekeyFileError, Written},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The sealed archive. A symbolic link is followed.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    #[command(flatten)]
    key: OpenArgs,

    /// Ask for a new password. It replaces the one that opened the archive, or is added if a key did.
    #[arg(long)]
    new_password: bool,

    /// Read the new password from the first line of this file.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["new_password", "new_password_env"])]
    new_password_file: Option<PathBuf>,

    /// Read the new password from this environment variable.
    #[arg(long, value_name = "NAME", conflicts_with = "new_password")]
    new_password_env: Option<String>,

    /// Add the new password and keep the old one too.
    #[arg(long, conflicts_with = "replace_all")]
    keep_password: bool,

    /// Let this public key, coffer1…, open the archive; may be repeated.
    #[arg(long = "add-recipient", value_name = "KEY", value_parser = recipient)]
    add_recipients: Vec<Recipient>,

    /// Let the public keys in this file, one a line, open the archive.
    #[arg(long, value_name = "FILE")]
    add_recipients_file: Option<PathBuf>,

    /// Remove a way in: a key by its fingerprint or as coffer1…, `password` for every old password, or `#2` for the
    /// second of the list that `coffer inspect --locked` shows; may be repeated.
    #[arg(long, value_name = "WHAT", value_parser = removal)]
    remove: Vec<Removal>,

    /// Remove every way in that there is, and leave only what is given here.
    #[arg(long, conflicts_with = "remove")]
    replace_all: bool,
}

fn recipient(text: &str) -> Result<Recipient, String> {
    Recipient::parse(text).map_err(|error| error.to_string())
}

fn removal(text: &str) -> Result<Removal, String> {
    if text == "password" {
        return Ok(Removal::Passwords);
    }
    if let Some(number) = text.strip_prefix('#') {
        return number
            .parse::<usize>()
            .ok()
            .and_then(|number| number.checked_sub(1))
            .map(Removal::Stanza)
            .ok_or_else(|| "a number is given as #1, #2, …".to_owned());
    }
    if let Some(fingerprint) = Fingerprint::parse(text) {
        return Ok(Removal::Key(fingerprint));
    }
    if text.starts_with("coffer1") {
        return recipient(text).map(|recipient| Removal::Key(recipient.fingerprint()));
    }
    Err("what to remove is a fingerprint, a public key, `password`, or #1, #2, …".to_owned())
}

#[derive(Serialize)]
struct Done {
    file: String,
    /// What an earlier change that was interrupted came to.
    #[serde(skip_serializing_if = "Option::is_none")]
    recovered: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<Changed>,
}

#[derive(Serialize)]
struct Changed {
    /// `in_place` or `copied`.
    written: &'static str,
    header_bytes: u64,
    before: Vec<String>,
    after: Vec<String>,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.recovered {
            Some("finished") => writeln!(f, "finished a change of keys that was interrupted")?,
            Some(_) => writeln!(
                f,
                "dropped a change of keys that was interrupted before it touched the archive"
            )?,
            None => {}
        }
        let Some(changed) = &self.changed else {
            return Ok(());
        };
        for (title, locks) in [
            ("was opened by", &changed.before),
            ("is opened by", &changed.after),
        ] {
            writeln!(f, "{title}")?;
            for (index, lock) in locks.iter().enumerate() {
                writeln!(f, "  #{} {}", index + 1, safe(lock))?;
            }
        }
        writeln!(
            f,
            "{}: header of {} {}, content untouched; older copies of this file open as before",
            self.file,
            bytes(changed.header_bytes),
            if changed.written == "in_place" {
                "written in place"
            } else {
                "written with a copy of the archive that took its name"
            },
        )
    }
}

/// What is to change, once secrets are read.
struct Wanted {
    remove: Vec<Removal>,
    recipients: Vec<Recipient>,
    password: Option<Password>,
    keep_password: bool,
}

impl Args {
    fn wants_password(&self) -> bool {
        self.new_password || self.new_password_file.is_some() || self.new_password_env.is_some()
    }

    fn is_recovery_only(&self) -> bool {
        !self.wants_password()
            && self.add_recipients.is_empty()
            && self.add_recipients_file.is_none()
            && self.remove.is_empty()
            && !self.replace_all
    }

    fn wanted(&self) -> Result<Wanted, Failure> {
        let mut recipients = self.add_recipients.clone();
        if let Some(path) = &self.add_recipients_file {
            recipients.extend(key_file::recipients(path)?);
        }
        let mut remove = self.remove.clone();
        if self.replace_all {
            remove.push(Removal::Everything);
        }
        let password = if self.wants_password() {
            let source = PasswordArgs::named_by(
                self.new_password_file.clone(),
                self.new_password_env.clone(),
            );
            Some(source.for_new("archive from now on")?)
        } else {
            None
        };
        Ok(Wanted {
            remove,
            recipients,
            password,
            keep_password: self.keep_password,
        })
    }
}

pub(super) async fn run(args: Args, output: &Output) -> Result<(), Failure> {
    if args.keep_password && !args.wants_password() {
        return Err(Failure::usage(
            "--keep-password goes with a new password; nothing was changed",
        ));
    }
    let archive = Locked::open(&args.file)?;
    let recovered = archive.recover()?.map(|recovered| match recovered {
        Recovered::Finished => "finished",
        Recovered::NotBegun => "dropped",
    });
    let mut done = Done {
        file: args.file.display().to_string(),
        recovered,
        changed: None,
    };
    if args.is_recovery_only() {
        if recovered.is_none() {
            return Err(RekeyError::NothingToDo.into());
        }
        output.result(&done, &done);
        return Ok(());
    }
    // Said on the way, since the rest may fail.
    if recovered.is_some() {
        output.note(format!("{done}").trim_end());
        done.recovered = recovered.filter(|_| output.is_json());
    }
    let sealed = archive.look()?;
    let unlocked = unlock(sealed.header_locks(), &args.key.unlock(true)?)?;
    let wanted = args.wanted()?;

    let mut add: Vec<Access<'_>> = wanted.recipients.iter().map(Access::Recipient).collect();
    let mut password = wanted
        .password
        .as_ref()
        .map(|password| (password, Cost::default()));
    if wanted.keep_password
        && let Some((password, cost)) = password.take()
    {
        add.push(Access::Password { password, cost });
    }
    let change = Change {
        remove: &wanted.remove,
        password,
        add: &add,
    };
    // If the system has no random numbers there is no way on, and nothing to undo.
    let mut rng = UnwrapErr(SysRng);
    let made = sealed
        .header_locks()
        .rekey(&unlocked, &change, sealed.header_len(), &mut rng)?;

    let header_bytes = made.block.len() as u64;
    let progress = Progress::default();
    let task_progress = progress.clone();
    let task = tokio::task::spawn_blocking(move || {
        archive.write(&sealed, &unlocked.file_key, &made.block, &task_progress)
    });
    let stopped = |_| Failure::failed("defect", "the change stopped; run `coffer rekey` again");
    let written = output.watch(&progress, task).await.map_err(stopped)??;
    let names = |locks: &[Lock]| locks.iter().map(Lock::to_string).collect();
    done.changed = Some(Changed {
        written: match written {
            Written::InPlace => "in_place",
            Written::Copied => "copied",
        },
        header_bytes,
        before: names(&made.before),
        after: names(&made.after),
    });
    output.result(&done, &done);
    Ok(())
}

fn unlock(locks: &coffer_core::seal::Locks, with: &Unlock) -> Result<Unlocked, Failure> {
    match with {
        Unlock::Password(password) => locks.open(password),
        Unlock::Key(key) => locks.open_with_key(key),
        Unlock::None | Unlock::FileKey(_) => return Err(ReadError::Locked.into()),
    }
    .map_err(|error| ReadError::Seal(error).into())
}

impl From<RekeyError> for Failure {
    fn from(error: RekeyError) -> Self {
        match error {
            RekeyError::NothingToDo => Self::usage(error),
            RekeyError::NotThere { .. }
            | RekeyError::NoWayIn { .. }
            | RekeyError::TooMany { .. } => Self::refused(error.code(), error),
            RekeyError::Seal(error) => ReadError::Seal(error).into(),
        }
    }
}

impl From<RekeyFileError> for Failure {
    fn from(error: RekeyFileError) -> Self {
        match error {
            RekeyFileError::Seal(error) => ReadError::Seal(error).into(),
            RekeyFileError::ReadOnly { .. } | RekeyFileError::OtherNames { .. } => {
                Self::refused(error.code(), error)
            }
            RekeyFileError::BothDamaged { .. } => Self::damaged(error.code(), error),
            RekeyFileError::Cancelled => Self::cancelled(error),
            _ => Self::failed(error.code(), error),
        }
    }
}
