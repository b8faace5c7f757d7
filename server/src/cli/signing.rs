//! Arguments about who seals an archive, and whose archives are accepted.

use std::path::PathBuf;

use clap::Args;
use coffer_core::seal::SenderKey;

use super::{
    Failure,
    secret::PasswordArgs,
    sender_file::{SenderFile, trusted},
};
use crate::{
    read::{Look, ReadAt, ReadError},
    signed::{self, Trusted, TrustedSenders},
};

/// Who signs a new archive.
#[derive(Clone, Debug, Args)]
pub(super) struct SignArgs {
    /// Sign the archive with the sender's key in this file, so that readers can tell who sealed it.
    #[arg(long, value_name = "FILE")]
    sign_with: Option<PathBuf>,

    /// Read the password of a locked sender's key from the first line of this file.
    #[arg(
        long,
        value_name = "FILE",
        requires = "sign_with",
        conflicts_with = "sign_password_env"
    )]
    sign_password_file: Option<PathBuf>,

    /// Read the password of a locked sender's key from this environment variable.
    #[arg(long, value_name = "NAME", requires = "sign_with")]
    sign_password_env: Option<String>,
}

impl SignArgs {
    /// Whether a sender was named.
    pub(super) const fn given(&self) -> bool {
        self.sign_with.is_some()
    }

    /// The key to sign with, if one was named.
    pub(super) fn key(&self) -> Result<Option<SenderKey>, Failure> {
        let Some(path) = &self.sign_with else {
            return Ok(None);
        };
        let password = PasswordArgs::named_by(
            self.sign_password_file.clone(),
            self.sign_password_env.clone(),
        );
        match SenderFile::read(path)? {
            SenderFile::Secret(_) if password.given() => Err(Failure::usage(format!(
                "a password was given for {}, which is not locked; nothing was written",
                path.display()
            ))),
            SenderFile::Secret(key) => Ok(Some(key)),
            SenderFile::Locked(key) => password.unlock_sender(&key).map(Some),
        }
    }
}

/// Whose archives are accepted.
#[derive(Debug, Args)]
pub(super) struct TrustArgs {
    /// Accept only an archive that this sender signed: coffer-sender1…, or the fingerprint; may be repeated.
    #[arg(long = "expect-sender", value_name = "SENDER", value_parser = Trusted::parse)]
    senders: Vec<Trusted>,

    /// Accept only an archive that a sender in this file signed, one key or fingerprint a line.
    #[arg(long, value_name = "FILE")]
    senders_file: Option<PathBuf>,
}

impl TrustArgs {
    /// Whom to accept archives from: everybody, if nobody was named.
    pub(super) fn senders(&self) -> Result<TrustedSenders, Failure> {
        let mut senders = self.senders.clone();
        if let Some(path) = &self.senders_file {
            senders.extend(trusted(path)?);
        }
        Ok(TrustedSenders::new(senders))
    }

    /// As [`TrustArgs::senders`], and an archive by somebody else is refused before a password is asked for.
    pub(super) fn senders_of(
        &self,
        source: &dyn ReadAt,
        look: &Look,
    ) -> Result<TrustedSenders, Failure> {
        let senders = self.senders()?;
        if !senders.is_empty() {
            let sender = match look {
                Look::Sealed(sealed) => signed::sender(source, sealed)?,
                Look::Zip => None,
            };
            senders.accept(sender).map_err(ReadError::from)?;
        }
        Ok(senders)
    }
}
