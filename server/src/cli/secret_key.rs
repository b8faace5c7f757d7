//! `coffer secret`

use std::{fmt, path::PathBuf};

use clap::Subcommand;
use serde::Serialize;

use super::{Failure, Output, output::count, serve::data_folder};
use crate::{
    catalog::{Catalog, CatalogError, CatalogPlace, CatalogUrl, CatalogUrlError, Rotated},
    http,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Wrap the server's secrets under a new key, all or none. The server must not be running.
    Rotate {
        #[command(flatten)]
        folder: Folder,
    },
    /// After the key is lost: forget what is wrapped under it, which is the sources, and start with a new one. Backups stay.
    Forget {
        #[command(flatten)]
        folder: Folder,

        /// Yes, forget the sources.
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, clap::Args)]
struct Folder {
    /// The server's data folder [default: coffer in the user's data folder].
    #[arg(long, value_name = "FOLDER", env = "COFFER_DATA")]
    data: Option<PathBuf>,

    /// The catalog, as for coffer serve.
    #[arg(long, value_name = "URL or FILE")]
    catalog: Option<String>,
}

#[derive(Serialize)]
struct Done {
    #[serde(flatten)]
    rotated: Rotated,
    #[serde(skip)]
    forgot: bool,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rotated { from, to, secrets } = &self.rotated;
        let sources = count(*secrets, "source");
        if self.forgot {
            writeln!(
                f,
                "{sources} forgotten. Secrets are under the key {to} from now on; add the sources again."
            )
        } else {
            writeln!(
                f,
                "The secrets of {sources} were under the key {from} and are under {to} now. Copies of the old key can go."
            )
        }
    }
}

impl From<CatalogError> for Failure {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::SecretKey(_) => Self::refused("secret_key", error),
            error => Self::failed("catalog", error),
        }
    }
}

impl From<CatalogUrlError> for Failure {
    fn from(error: CatalogUrlError) -> Self {
        Self::usage(error)
    }
}

pub(super) async fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let (folder, forgot) = match args.command {
        Command::Rotate { folder } => (folder, false),
        Command::Forget { folder, yes: true } => (folder, true),
        Command::Forget { yes: false, .. } => {
            return Err(Failure::refused(
                "not_confirmed",
                "this forgets all sources, whose databases and folders have to be entered again; nothing was changed; say --yes if that is meant",
            ));
        }
    };
    let url = CatalogUrl::read(folder.catalog.as_deref())?;
    let data = folder.data.map_or_else(data_folder, Ok)?;
    if !data.is_dir() {
        return Err(Failure::usage(format!(
            "there is no folder {}; name the server's with --data",
            data.display()
        )));
    }
    let _lock = http::lock_data(&data)?;
    let place = CatalogPlace { folder: data, url };
    let rotated = if forgot {
        Catalog::forget_secrets(&place).await?
    } else {
        Catalog::rotate(&place).await?
    };
    let done = Done { rotated, forgot };
    output.result(&done, &done);
    Ok(())
}
