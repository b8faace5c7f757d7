//! `coffer job`: what an administrator looks at and sets off beside a running server, by its catalog.

use std::fmt;

use clap::Subcommand;
use serde::Serialize;

use super::{
    Failure, Output,
    place::{Place, no_randomness, note},
};
use crate::{
    catalog::{Id, JobRecord},
    clock,
    schedule::{Schedule, Zone},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
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

/// A list for people, a line each.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct Lines<T>(pub(super) Vec<T>);

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

pub(super) async fn run(args: Args, output: &Output) -> Result<(), Failure> {
    match args.command {
        Command::List { place } => {
            let (catalog, _) = place.open().await?;
            let jobs = catalog.jobs().await?.into_iter().map(ShownJob::from);
            let lines = Lines(jobs.collect());
            output.result(&lines, &lines);
            catalog.close().await;
        }
        Command::Run { job, place } => {
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
            let run = Id::random().map_err(no_randomness)?;
            let now = clock::text(clock::now());
            catalog.ask_for_run(&run, &found.id, &now).await?;
            let target = format!("/api/jobs/{}/runs", found.id);
            note(&catalog, "start_job", target).await?;
            let asked = Asked { run };
            output.result(&asked, &asked);
            catalog.close().await;
        }
    }
    Ok(())
}
