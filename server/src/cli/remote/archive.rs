//! The archive of a restore: a file here, or a backup that the server stores. Both are opened here.

use std::sync::Arc;

use super::{
    super::{Failure, secret::OpenArgs, signing::TrustArgs, source},
    client::Client,
    views::Backup,
};
use crate::{
    read::{Look, OpenArchive, ReadAt, look},
    signed::TrustedSenders,
};

#[derive(Debug, clap::Args)]
pub(super) struct ArchiveArgs {
    /// The archive.
    #[arg(
        value_name = "FILE|URL",
        value_parser = source::location(),
        required_unless_present = "backup",
        conflicts_with = "backup"
    )]
    file: Option<source::Location>,

    /// A backup that the server stores, by its name or id, instead of a file. It is read in place, and opened here.
    #[arg(long, value_name = "BACKUP")]
    backup: Option<String>,

    #[command(flatten)]
    key: OpenArgs,

    #[command(flatten)]
    trust: TrustArgs,
}

impl ArchiveArgs {
    /// Opens the archive with the password or key that was given, or is asked for. Blocks.
    pub(super) fn open(&self, client: &Client) -> Result<OpenArchive, Failure> {
        let source = self.source(client)?;
        let look = look(&*source)?;
        // Whoever is not to be trusted is refused before any password is asked for.
        let senders: TrustedSenders = self.trust.senders_of(&*source, &look)?;
        let unlock = self.key.unlock(matches!(look, Look::Sealed(_)))?;
        let archive = OpenArchive::open(source, &unlock)?;
        senders
            .accept(archive.plain().sender())
            .map_err(crate::read::ReadError::from)?;
        Ok(archive)
    }

    fn source(&self, client: &Client) -> Result<Arc<dyn ReadAt>, Failure> {
        match (&self.file, &self.backup) {
            (Some(file), _) => source::archive(file),
            (None, Some(wanted)) => {
                let backup: Backup = client.find("api/backups", wanted)?;
                Ok(Arc::new(client.file(&address(&backup.id))?))
            }
            (None, None) => Err(Failure::usage("name an archive, or a backup with --backup")),
        }
    }
}

/// Where the stored bytes of a backup are.
pub(super) fn address(backup: &str) -> String {
    format!("api/backups/{backup}/archive")
}
