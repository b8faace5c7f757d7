//! `coffer backup`

use std::{fmt, path::PathBuf, sync::Arc};

use serde::Serialize;

use super::{
    Failure, Output,
    config::{Beside, ConfigArgs},
    hooked,
    inspect::Overview,
    output::bytes,
    publish::Unpublished,
    secret::SealArgs,
    source::pattern,
};
use crate::{
    backup::{self, BackupRequest},
    hooks::{self, Occasion},
    progress::Progress,
    read::{FileSource, ReadAt, Unlock},
    verify,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The database: postgres://… or sqlite:PATH.
    #[arg(
        long,
        value_name = "URL",
        env = "COFFER_SOURCE",
        hide_env_values = true
    )]
    source: Option<String>,

    /// A schema of a PostgreSQL database; may be repeated. The default is public.
    #[arg(long = "schema", value_name = "SCHEMA")]
    schemas: Vec<String>,

    #[command(flatten)]
    described: ConfigArgs,

    /// A file set to leave out, which must be optional; may be repeated.
    #[arg(long, value_name = "NAME")]
    without_file_set: Vec<String>,

    /// Files of a set to leave out: *.tmp for names anywhere, /cache/** for paths from its top; may be repeated.
    #[arg(long, value_name = "NAME=GLOB", value_parser = pattern)]
    exclude_files: Vec<(String, String)>,

    /// The archive to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Replace the archive if there is one of this name.
    #[arg(long)]
    overwrite: bool,

    /// Seal the archive: with a password, unless recipients are given.
    #[arg(long)]
    sealed: bool,

    #[command(flatten)]
    to: SealArgs,

    /// Rules for the application's data: what is a credential, what to leave out.
    #[arg(long, value_name = "FILE|NAME")]
    preset: Option<PathBuf>,

    /// Keep credentials in the archive; needs --preset and --sealed.
    #[arg(long)]
    sensitive: bool,

    /// Take the application's own secret off the values that are wrapped with it, so that a restore wraps them with the
    /// target's; needs --sensitive.
    #[arg(long)]
    unwrap_app_secrets: bool,

    /// A table to leave out; may be repeated.
    #[arg(long, value_name = "TABLE")]
    exclude: Vec<String>,

    /// The application's name, where no preset names it.
    #[arg(long, value_name = "NAME")]
    app: Option<String>,
}

#[derive(Serialize)]
struct Done {
    file: String,
    bytes: u64,
    sealed: bool,
    verified: bool,
    archive: Overview,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} written and verified, {}",
            self.file,
            bytes(self.bytes)
        )?;
        self.archive.fmt(f)
    }
}

pub(super) async fn run(args: Args, output: &Output) -> Result<(), Failure> {
    if args.to.given() && !args.sealed {
        return Err(Failure::usage(
            "a password or recipient was given without --sealed; nothing was written",
        ));
    }
    let (source, mut exclude) = args.described.source(Beside {
        url: (args.source.as_deref(), "--source"),
        schemas: args.schemas.clone(),
        preset: args.preset.as_deref(),
        app: args.app.clone(),
        exclude_files: args.exclude_files.clone(),
    })?;
    exclude.extend(args.exclude.iter().cloned());
    let file = Unpublished::create(&args.out, args.overwrite)?;
    let seal = if args.sealed {
        Some(args.to.seal_to()?)
    } else {
        None
    };
    let request = BackupRequest {
        source,
        seal,
        sensitive: args.sensitive,
        unwrap_app_secrets: args.unwrap_app_secrets,
        exclude,
        without: args.without_file_set,
    };
    write(request, file, args.out, output).await
}

/// Takes a backup with the hooks around it, and says what became of it.
pub(super) async fn write(
    request: BackupRequest,
    file: Unpublished,
    out: PathBuf,
    output: &Output,
) -> Result<(), Failure> {
    let progress = Progress::default();
    let hooks = request.source.hooks.clone();
    let work = take(request, file, out, &progress);
    let hooked = hooks::around(&hooks, Occasion::Backup, &progress, work);
    let outcome = output.watch(&progress, hooked).await;
    hooked::end(*output, &progress, outcome)
}

/// Takes the backup, proves it, and gives it its name.
async fn take(
    request: BackupRequest,
    file: Unpublished,
    out: PathBuf,
    progress: &Progress,
) -> Result<Done, Failure> {
    let report = backup::run(request, file.writer()?, progress.clone()).await?;
    // Proven from the stored bytes, not from what was meant to be written.
    let stored: Arc<dyn ReadAt> = Arc::new(
        FileSource::open(file.temporary_path())
            .map_err(|error| Failure::file("read back", &out, &error))?,
    );
    let unlock = report
        .file_key
        .clone()
        .map_or(Unlock::None, Unlock::FileKey);
    let checking = {
        let (progress, manifest) = (progress.clone(), report.manifest_digest);
        tokio::task::spawn_blocking(move || {
            verify::verify_written(&stored, &unlock, manifest, &progress)
        })
    };
    checking.await.map_err(|_| {
        Failure::failed(
            "defect",
            "checking the archive stopped; nothing was published",
        )
    })??;
    if progress.cancelled() {
        return Err(Failure::cancelled("cancelled; no backup was taken"));
    }
    file.publish()?;
    Ok(Done {
        file: out.display().to_string(),
        bytes: report.bytes,
        sealed: report.file_key.is_some(),
        verified: true,
        archive: Overview::of(&report.manifest),
    })
}
