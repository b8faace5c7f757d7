//! `coffer job` and `coffer destination`: what an administrator looks at and sets off beside a running server, by its catalog.

use std::{fmt, path::PathBuf};

use clap::Subcommand;
use serde::Serialize;

use super::{Failure, Output, serve::data_folder};
use crate::{
    adoption::{self, AdoptError, Adopted, Found},
    catalog::{Catalog, CatalogPlace, CatalogUrl, DestinationRecord, Id, JobRecord},
    clock,
    schedule::{Schedule, Zone},
    sender_key,
};

#[derive(Debug, clap::Args)]
pub(super) struct JobArgs {
    #[command(subcommand)]
    command: JobCommand,
}

#[derive(Debug, Subcommand)]
enum JobCommand {
    /// List the jobs, with when they are due next.
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Have a job run as soon as the server gets to it.
    Run {
        /// The job's name or id.
        job: String,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct DestinationArgs {
    #[command(subcommand)]
    command: DestinationCommand,
}

#[derive(Debug, Subcommand)]
enum DestinationCommand {
    /// List the destinations.
    List {
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
struct Place {
    /// The server's data folder [default: coffer in the user's data folder].
    #[arg(long, value_name = "FOLDER", env = "COFFER_DATA")]
    data: Option<PathBuf>,

    /// The catalog, as for coffer serve.
    #[arg(long, value_name = "URL or FILE")]
    catalog: Option<String>,
}

impl Place {
    async fn open(self) -> Result<(Catalog, PathBuf), Failure> {
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

/// A list for people, a line each.
#[derive(Serialize)]
#[serde(transparent)]
struct Lines<T>(Vec<T>);

impl<T: fmt::Display> fmt::Display for Lines<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

#[derive(Serialize)]
struct ShownJob {
    id: Id,
    name: String,
    enabled: bool,
    schedule: Option<String>,
    time_zone: String,
    next: Option<String>,
}

impl From<JobRecord> for ShownJob {
    fn from(job: JobRecord) -> Self {
        let next = job
            .schedule
            .as_deref()
            .filter(|_| job.enabled)
            .and_then(|pattern| {
                let zone = Zone::parse(&job.time_zone).ok()?;
                let schedule = Schedule::parse(pattern, &zone).ok()?;
                schedule.after(clock::now()).next().map(clock::text)
            });
        Self {
            next,
            id: job.id,
            name: job.name,
            enabled: job.enabled,
            schedule: job.schedule,
            time_zone: job.time_zone,
        }
    }
}

impl fmt::Display for ShownJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}: ", self.id, self.name)?;
        match (&self.schedule, &self.next) {
            _ if !self.enabled => f.write_str("switched off"),
            (Some(schedule), Some(next)) => {
                write!(f, "{schedule} ({}), next at {next}", self.time_zone)
            }
            (Some(schedule), None) => {
                write!(
                    f,
                    "{schedule} ({}), which cannot be followed",
                    self.time_zone
                )
            }
            (None, _) => f.write_str("by hand"),
        }
    }
}

#[derive(Serialize)]
struct Asked {
    run: Id,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Run {} begins as soon as the server gets to it.",
            self.run
        )
    }
}

#[derive(Serialize)]
struct ShownDestination {
    id: Id,
    name: String,
    place: String,
}

impl fmt::Display for ShownDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}: {}", self.id, self.name, self.place)
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
        match (&self.backup, &self.error) {
            (Some((id, told)), _) if told.verified => {
                write!(f, "{}  adopted as {id}, verified", self.name)
            }
            (Some((id, _)), _) => write!(f, "{}  adopted as {id}, not verified", self.name),
            (None, Some(error)) => write!(f, "{}  not adopted: {}", self.name, error.detail),
            (None, None) => write!(f, "{}  not adopted", self.name),
        }
    }
}

impl From<AdoptError> for Failure {
    fn from(error: AdoptError) -> Self {
        match error {
            AdoptError::Catalog(error) => error.into(),
            AdoptError::Destination(error) => Self::failed(error.code(), error),
            AdoptError::Listing(_) => Self::failed("cannot_list", error),
        }
    }
}

pub(super) async fn run(args: JobArgs, output: &Output) -> Result<(), Failure> {
    match args.command {
        JobCommand::List { place } => {
            let (catalog, _) = place.open().await?;
            let jobs = catalog.jobs().await?.into_iter().map(ShownJob::from);
            let lines = Lines(jobs.collect());
            output.result(&lines, &lines);
            catalog.close().await;
        }
        JobCommand::Run { job, place } => {
            let (catalog, _) = place.open().await?;
            let found = catalog.jobs().await?;
            let found = found
                .into_iter()
                .find(|one| one.name == job || one.id.as_str() == job)
                .ok_or_else(|| {
                    Failure::usage(format!(
                        "there is no job {job:?}; coffer job list shows them"
                    ))
                })?;
            let run = Id::random().map_err(|error| Failure::failed("no_randomness", error))?;
            let now = clock::text(clock::now());
            catalog.ask_for_run(&run, &found.id, &now).await?;
            let asked = Asked { run };
            output.result(&asked, &asked);
            catalog.close().await;
        }
    }
    Ok(())
}

async fn destination(catalog: &Catalog, name: &str) -> Result<DestinationRecord, Failure> {
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

pub(super) async fn run_destination(args: DestinationArgs, output: &Output) -> Result<(), Failure> {
    match args.command {
        DestinationCommand::List { place } => {
            let (catalog, _) = place.open().await?;
            let found = catalog.destinations().await?.into_iter();
            let lines = Lines(
                found
                    .map(|one| ShownDestination {
                        place: one.config.place(),
                        id: one.id,
                        name: one.name,
                    })
                    .collect(),
            );
            output.result(&lines, &lines);
            catalog.close().await;
        }
        DestinationCommand::Found {
            destination: name,
            place,
        } => {
            let (catalog, _) = place.open().await?;
            let record = destination(&catalog, &name).await?;
            let lines = Lines(adoption::found(&catalog, &record).await?);
            output.result(&lines, &lines);
            catalog.close().await;
        }
        DestinationCommand::Adopt {
            destination: name,
            names,
            all,
            place,
        } => {
            let (catalog, folder) = place.open().await?;
            let record = destination(&catalog, &name).await?;
            let names = match all {
                true => {
                    let found = adoption::found(&catalog, &record).await?;
                    found.into_iter().map(|found| found.name).collect()
                }
                false => names,
            };
            let ours = sender_key::open(&folder)
                .map_err(|error| Failure::failed("sender_key", error))?
                .sender();
            let adopted = adoption::adopt(&catalog, &record, &names, ours).await?;
            let lines = Lines(adopted);
            output.result(&lines, &lines);
            catalog.close().await;
            if let Some(failed) = lines.0.iter().find_map(|one| one.error.as_ref()) {
                return Err(Failure::failed(
                    &failed.code,
                    "not all archives were adopted; those that were stay so",
                ));
            }
        }
    }
    Ok(())
}
