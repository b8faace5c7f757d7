//! Where a server's catalog is, for commands that work beside it; and what such a command writes into the audit log.

use std::path::PathBuf;

use super::{Failure, serve::data_folder};
use crate::{
    catalog::{AuditRecord, Catalog, CatalogError, CatalogPlace, CatalogUrl},
    clock,
};

#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// The server's data folder [default: coffer in the user's data folder].
    #[arg(long, value_name = "FOLDER", env = "COFFER_DATA")]
    data: Option<PathBuf>,

    /// The catalog, as for coffer serve.
    #[arg(long, value_name = "URL or FILE")]
    catalog: Option<String>,
}

impl Place {
    /// The catalog, and the data folder.
    pub(super) async fn open(self) -> Result<(Catalog, PathBuf), Failure> {
        let url = CatalogUrl::read(self.catalog.as_deref())?;
        let folder = self.data.map_or_else(data_folder, Ok)?;
        if !folder.is_dir() {
            return Err(Failure::usage(format!(
                "there is no folder {}; name the server's with --data",
                folder.display()
            )));
        }
        let place = CatalogPlace {
            folder: folder.clone(),
            url,
        };
        Ok((Catalog::open(&place).await?, folder))
    }
}

/// What is done here stands in the audit log too: `action` with the resource of an address.
pub(super) async fn note(
    catalog: &Catalog,
    action: &str,
    target: String,
) -> Result<(), CatalogError> {
    catalog
        .add_audit(&AuditRecord {
            seq: 0,
            at: clock::text(clock::now()),
            user_id: None,
            who: String::new(),
            via: "console".to_owned(),
            action: action.to_owned(),
            target,
            address: String::new(),
            status: 200,
            code: None,
        })
        .await
}

pub(super) fn no_randomness(error: getrandom::Error) -> Failure {
    Failure::failed(
        "no_randomness",
        format!("the system gave no random bytes: {error}"),
    )
}
