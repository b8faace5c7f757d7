//! `coffer destination`: where a server's jobs store, beside that server, by its catalog.

use std::{fmt, path::Path};

use clap::Subcommand;
use serde::Serialize;

use super::{
    Failure, Output,
    bucket::BucketArgs,
    job::Lines,
    output::bytes,
    place::{Place, no_randomness, note},
};
use crate::{
    adoption::{self, AdoptError, Adopted, Found, Wanted},
    catalog::{Catalog, DestinationRecord, Id},
    clock,
    destination::{DestinationConfig, Probed, mark},
    jobs::{AdmitError, admit, try_out},
    progress::Progress,
    sender_key,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the destinations.
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Try a folder or bucket out, and add it.
    Add(Box<Add>),
    /// Write, read back, list and remove a small object.
    Test {
        /// The destination's name or id.
        destination: String,
        #[command(flatten)]
        place: Place,
    },
    /// Forget a destination that no job and no backup uses. What is stored there stays.
    Remove {
        /// The destination's name or id.
        destination: String,
        #[command(flatten)]
        place: Place,
    },
    /// List the archives in a destination that the catalog does not know.
    Found {
        /// The destination's name or id.
        destination: String,
        #[command(flatten)]
        place: Place,
    },
    /// Take archives of a destination into the catalog.
    Adopt {
        /// The destination's name or id.
        destination: String,
        /// The archives' names, as `found` lists them.
        #[arg(required_unless_present = "all")]
        names: Vec<String>,
        /// All that the catalog does not know.
        #[arg(long, conflicts_with = "names")]
        all: bool,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, clap::Args)]
struct Add {
    /// How people call it.
    name: String,

    /// A folder, from / on, or s3://BUCKET/PREFIX.
    #[arg(value_name = "FOLDER|s3://BUCKET[/PREFIX]")]
    at: String,

    #[command(flatten)]
    bucket: BucketArgs,

    #[command(flatten)]
    place: Place,
}

#[derive(Serialize)]
struct Shown {
    id: Id,
    name: String,
    place: String,
}

impl From<DestinationRecord> for Shown {
    fn from(record: DestinationRecord) -> Self {
        Self {
            place: record.config.place(),
            id: record.id,
            name: record.name,
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}: {}", self.id, self.name, self.place)
    }
}

/// A destination that passed its test.
#[derive(Serialize)]
struct Tried {
    #[serde(flatten)]
    destination: Shown,
    #[serde(flatten)]
    probed: Probed,
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Probed { archives, free } = &self.probed;
        let free = free.map_or_else(String::new, |free| format!(", {} free", bytes(free)));
        writeln!(
            f,
            "{}: can be written to, read and listed; {archives} archives{free}",
            self.destination
        )
    }
}

#[derive(Serialize)]
struct Removed {
    removed: Id,
}

impl fmt::Display for Removed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "It is no destination any more; what is stored there stays."
        )
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = self.created_at.as_deref().unwrap_or("time unknown");
        write!(f, "{}  {when}, {} bytes", self.name, self.size)
    }
}

impl fmt::Display for Adopted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.backup, &self.archive, &self.error) {
            (Some(id), Some(told), _) if told.verified => {
                write!(f, "{}  adopted as {id}, verified", self.name)
            }
            (Some(id), ..) => write!(f, "{}  adopted as {id}, not verified", self.name),
            (None, _, Some(error)) => write!(f, "{}  not adopted: {}", self.name, error.detail),
            (None, _, None) => write!(f, "{}  not adopted", self.name),
        }
    }
}

impl From<AdoptError> for Failure {
    fn from(error: AdoptError) -> Self {
        match error {
            AdoptError::Catalog(error) => error.into(),
            AdoptError::Cancelled { .. } => Self::cancelled(error),
            error => Self::failed(error.code(), error),
        }
    }
}

impl From<AdmitError> for Failure {
    fn from(error: AdmitError) -> Self {
        match error {
            AdmitError::Catalog(error) => error.into(),
            AdmitError::Destination(error) => Self::failed(error.code(), error),
            AdmitError::Probe(error) => Self::failed(error.code(), error),
        }
    }
}

pub(super) async fn run(args: Args, output: &Output) -> Result<(), Failure> {
    match args.command {
        Command::List { place } => {
            let (catalog, _) = place.open().await?;
            let found = catalog.destinations().await?.into_iter();
            let lines = Lines(found.map(Shown::from).collect());
            output.result(&lines, &lines);
            catalog.close().await;
            Ok(())
        }
        Command::Add(add) => self::add(*add, output).await,
        Command::Test { destination, place } => {
            let (catalog, _) = place.open().await?;
            let record = find(&catalog, &destination).await?;
            let tried = Tried {
                probed: try_out(&record).await?,
                destination: record.into(),
            };
            output.result(&tried, &tried);
            catalog.close().await;
            Ok(())
        }
        Command::Remove { destination, place } => {
            let (catalog, _) = place.open().await?;
            let record = find(&catalog, &destination).await?;
            catalog.remove_destination(&record.id).await?;
            if let DestinationConfig::Folder { path } = &record.config {
                // A mark that stays harms nobody, and its folder may be away.
                let _ = mark::unmark(path, &record.id);
            }
            let target = format!("/api/destinations/{}", record.id);
            note(&catalog, "remove_destination", target).await?;
            let removed = Removed { removed: record.id };
            output.result(&removed, &removed);
            catalog.close().await;
            Ok(())
        }
        Command::Found { destination, place } => {
            let (catalog, _) = place.open().await?;
            let record = find(&catalog, &destination).await?;
            let lines = Lines(adoption::found(&catalog, &record).await?);
            output.result(&lines, &lines);
            catalog.close().await;
            Ok(())
        }
        Command::Adopt {
            destination,
            names,
            all,
            place,
        } => {
            let (catalog, folder) = place.open().await?;
            let record = find(&catalog, &destination).await?;
            let wanted = match all {
                true => Wanted::All,
                false => Wanted::Names(names),
            };
            adopt(&catalog, &folder, &record, wanted, output).await
        }
    }
}

async fn add(add: Add, output: &Output) -> Result<(), Failure> {
    let (config, key) = add.bucket.open(&add.at)?;
    let name = add.name.trim().to_owned();
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(Failure::usage(
            "a destination's name is one line that is not empty",
        ));
    }
    let (catalog, _) = add.place.open().await?;
    let record = DestinationRecord {
        id: Id::random().map_err(no_randomness)?,
        name,
        config,
        key,
        created_at: clock::text(clock::now()),
    };
    let probed = admit(&catalog, &record, true).await?;
    let target = format!("/api/destinations/{}", record.id);
    note(&catalog, "add_destination", target).await?;
    let tried = Tried {
        probed,
        destination: record.into(),
    };
    output.result(&tried, &tried);
    catalog.close().await;
    Ok(())
}

async fn find(catalog: &Catalog, name: &str) -> Result<DestinationRecord, Failure> {
    let found = catalog.destinations().await?;
    found
        .into_iter()
        .find(|one| one.name == name || one.id.as_str() == name)
        .ok_or_else(|| {
            Failure::usage(format!(
                "there is no destination {name:?}; coffer destination list shows them"
            ))
        })
}

async fn adopt(
    catalog: &Catalog,
    folder: &Path,
    record: &DestinationRecord,
    wanted: Wanted,
    output: &Output,
) -> Result<(), Failure> {
    let ours = sender_key::open(folder)
        .map_err(|error| Failure::failed("sender_key", error))?
        .sender();
    let progress = Progress::default();
    let adopting = adoption::adopt(catalog, record, wanted, ours, &progress);
    let adopted = output.watch(&progress, adopting).await?;
    let target = format!("/api/destinations/{}/adopt", record.id);
    note(catalog, "adopt_backups", target).await?;
    let lines = Lines(adopted);
    output.result(&lines, &lines);
    catalog.close().await;
    match lines.0.iter().find_map(|one| one.error.as_ref()) {
        Some(failed) => Err(Failure::failed(
            &failed.code,
            "not all archives were adopted; those that were stay so",
        )),
        None => Ok(()),
    }
}
