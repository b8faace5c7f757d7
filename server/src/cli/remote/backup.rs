//! `coffer --server URL backup`

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    super::{
        Failure, Output,
        output::{bytes, count, safe},
    },
    aside,
    client::Client,
    failure::RequestError,
    runs,
    views::Profile,
};
use crate::progress::Progress;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The source, by its name or id.
    source: String,

    /// The encryption profile to seal to, by its name or id; may be left out if only one is ready.
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,

    /// Keep credentials in the backup; the source needs a preset.
    #[arg(long)]
    sensitive: bool,

    /// Do not wait for the end: print the run's id.
    #[arg(long)]
    detach: bool,
}

/// What the server says of a backup that it took.
#[derive(Debug, Serialize, Deserialize)]
struct Taken {
    backup: String,
    name: String,
    size: u64,
    tables: u64,
    rows: u64,
    files: u64,
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} taken and verified, {}: {}, {}, {}",
            safe(&self.name),
            bytes(self.size),
            count(self.tables, "table"),
            count(self.rows, "row"),
            count(self.files, "file")
        )?;
        writeln!(f, "its id is {}", safe(&self.backup))
    }
}

pub(super) async fn run(args: Args, client: Client, output: &Output) -> Result<(), Failure> {
    let detach = args.detach;
    let begun = {
        let client = client.clone();
        aside(move || begin(&args, &client)).await?
    };
    if detach {
        output.result(&json!({ "run": begun }), format!("{begun}\n"));
        return Ok(());
    }
    let progress = Progress::default();
    let shown = progress.clone();
    let followed = aside(move || runs::follow(&client, &begun, &shown));
    let result = output.watch(&progress, followed).await?;
    let taken: Taken =
        serde_json::from_value(result).map_err(|error| RequestError::Strange(error.to_string()))?;
    output.result(&taken, &taken);
    Ok(())
}

fn begin(args: &Args, client: &Client) -> Result<String, Failure> {
    let source = client.source(&args.source)?;
    let profile = match &args.profile {
        Some(wanted) => client.find("api/profiles", wanted)?,
        None => only_one(client.get("api/profiles")?)?,
    };
    let body = json!({ "profile": profile.id, "sensitive": args.sensitive });
    let begun = client.begin(&format!("api/sources/{}/backups", source.id), &body)?;
    Ok(begun.run)
}

fn only_one(mut profiles: Vec<Profile>) -> Result<Profile, Failure> {
    profiles.retain(|profile| profile.ready);
    match (profiles.pop(), profiles.is_empty()) {
        (Some(profile), true) => Ok(profile),
        (Some(_), false) => Err(Failure::usage(
            "several encryption profiles are ready; name one with --profile, nothing was started",
        )),
        (None, _) => Err(Failure::usage(
            "no encryption profile of the server is ready, so there is nobody to seal to; nothing was started; make one on its page",
        )),
    }
}
