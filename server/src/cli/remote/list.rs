//! `coffer --server URL list`

use clap::ValueEnum;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    super::{
        Failure, Output,
        output::{bytes, safe},
    },
    aside,
    client::Client,
    failure::RequestError,
    views::{ActiveRun, Backup, Job, Profile, Source},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What to list.
    #[arg(value_enum, default_value_t = What::Backups)]
    what: What,

    /// Only backups of this source, by its name or id.
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// Databases with their folders.
    Sources,
    /// Stored backups, the newest first.
    Backups,
    /// Jobs, with when they are due next.
    Jobs,
    /// Encryption profiles.
    Profiles,
    /// Runs that are at work.
    Runs,
}

pub(super) async fn run(args: Args, client: Client, output: &Output) -> Result<(), Failure> {
    if args.source.is_some() && args.what != What::Backups {
        return Err(Failure::usage("--source belongs to list backups"));
    }
    let (told, lines) = aside(move || listed(&args, &client)).await?;
    output.result(&told, lines.concat());
    Ok(())
}

/// What the server tells, for programs, and the same in lines for people.
fn listed(args: &Args, client: &Client) -> Result<(Value, Vec<String>), Failure> {
    match args.what {
        What::Sources => lines(client.get("api/sources")?, source),
        What::Backups => {
            let mut told: Value = client.get("api/backups")?;
            if let (Some(wanted), Some(list)) = (&args.source, told.as_array_mut()) {
                list.retain(|backup| {
                    [backup.get("source"), backup.get("source_name")]
                        .into_iter()
                        .flatten()
                        .any(|named| named == wanted.as_str())
                });
            }
            lines(told, backup)
        }
        What::Jobs => lines(client.get("api/jobs")?, job),
        What::Profiles => lines(client.get("api/profiles")?, profile),
        What::Runs => lines(client.get("api/runs")?, active),
    }
}

fn lines<T: DeserializeOwned>(
    told: Value,
    line: impl Fn(&T) -> String,
) -> Result<(Value, Vec<String>), Failure> {
    let read: Vec<T> = serde_json::from_value(told.clone())
        .map_err(|error| RequestError::Strange(error.to_string()))?;
    let lines = read
        .iter()
        .map(|one| format!("{}\n", safe(&line(one))))
        .collect();
    Ok((told, lines))
}

fn source(source: &Source) -> String {
    let app = source.app.as_deref().unwrap_or("no preset");
    let Source {
        id,
        name,
        engine,
        database,
        ..
    } = source;
    format!("{id}  {name}: {database} ({engine}, {app})")
}

fn backup(backup: &Backup) -> String {
    let Backup {
        id,
        source_name,
        name,
        created_at,
        state,
        ..
    } = backup;
    let size = bytes(backup.size);
    format!("{id}  {created_at}  {source_name}: {name}, {size}, {state}")
}

fn job(job: &Job) -> String {
    let Job {
        id,
        name,
        time_zone,
        ..
    } = job;
    let when = match (&job.schedule, job.next.first()) {
        _ if !job.enabled => "switched off".to_owned(),
        (Some(schedule), Some(next)) => format!("{schedule} {time_zone}, next {next}"),
        (Some(schedule), None) => format!("{schedule} {time_zone}"),
        (None, _) => "by hand".to_owned(),
    };
    let last = job.last_run.as_ref().map_or(String::new(), |run| {
        format!("; last {} of {}", run.state, run.due_at)
    });
    format!("{id}  {name}: {when}{last}")
}

fn profile(profile: &Profile) -> String {
    let Profile { id, name, .. } = profile;
    let ready = if profile.ready { "ready" } else { "not ready" };
    format!("{id}  {name}: {ready}")
}

fn active(active: &ActiveRun) -> String {
    let ActiveRun {
        source,
        started_at,
        run,
    } = active;
    format!(
        "{}  {} of the source {source} since {started_at}, {}",
        run.id, run.kind, run.state
    )
}
