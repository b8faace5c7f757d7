//! `coffer redact`

use std::{fmt, path::PathBuf, sync::Arc};

use coffer_core::{
    manifest::{LeftOut, LeftOutReason, Notice},
    redact::decide,
};
use serde::Serialize;

use super::{
    Failure, Output,
    inspect::Overview,
    output::{bytes, count},
    publish::Unpublished,
    secret::{NewSealArgs, OpenArgs},
    source,
};
use crate::{
    progress::Progress,
    read::{FileSource, Look, OpenArchive, ReadAt, Unlock, look},
    redact, verify,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The archive: a sensitive one, or with --preset one that was taken without a preset.
    #[arg(value_name = "FILE|URL", value_parser = source::location())]
    file: source::Location,

    /// The standard archive to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Replace the standard archive if there is one of this name.
    #[arg(long)]
    overwrite: bool,

    /// Rules for the application's data, added to those that the archive carries.
    #[arg(long, value_name = "FILE|NAME")]
    preset: Option<PathBuf>,

    /// Leave all uploaded files out.
    #[arg(long)]
    without_files: bool,

    #[command(flatten)]
    key: OpenArgs,

    /// Seal the standard archive: with a new password, unless recipients are given.
    #[arg(long)]
    sealed: bool,

    #[command(flatten)]
    to: NewSealArgs,
}

#[derive(Serialize)]
struct Done {
    file: String,
    bytes: u64,
    sealed: bool,
    verified: bool,
    /// Columns whose values were replaced.
    columns: u64,
    /// Files that are inside as they were.
    files: u64,
    /// Columns that look like credentials and that no rule names.
    suspicious: Vec<String>,
    archive: Overview,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} written and verified, {}; credentials of {} are not in it",
            self.file,
            bytes(self.bytes),
            count(self.columns, "column"),
        )?;
        self.archive.fmt(f)?;
        writeln!(
            f,
            "\nOnly columns with a rule were changed. Other text can hold anything, so look through it before you pass it on."
        )?;
        if self.files > 0 {
            writeln!(
                f,
                "{} inside as they were; leave them out with --without-files.",
                match self.files {
                    1 => "1 file is".to_owned(),
                    files => format!("{} are", count(files, "file")),
                }
            )?;
        }
        Ok(())
    }
}

pub(super) async fn run(args: Args, output: &Output) -> Result<(), Failure> {
    if args.to.given() && !args.sealed {
        return Err(Failure::usage(
            "a new password or recipient was given without --sealed; nothing was written",
        ));
    }
    let preset = args.preset.as_deref().map(source::preset).transpose()?;
    let source = source::archive(&args.file)?;
    let file = Unpublished::create(&args.out, args.overwrite)?;
    let unlock = args
        .key
        .unlock(matches!(look(&*source)?, Look::Sealed(_)))?;
    let archive = OpenArchive::open(source, &unlock)?;
    let redaction = decide(&archive.manifest, preset.as_ref(), args.without_files)?;
    let to = if args.sealed {
        Some(args.to.seal_to()?)
    } else {
        None
    };
    let progress = Progress::default();
    let (out, temporary, task_progress) = (
        file.writer()?,
        file.temporary_path().to_owned(),
        progress.clone(),
    );
    let task = tokio::task::spawn_blocking(move || -> Result<redact::Redacted, Failure> {
        let redacted = redact::redact(&archive, &redaction, out, to.as_ref(), &task_progress)?;
        let stored: Arc<dyn ReadAt> = Arc::new(
            FileSource::open(&temporary)
                .map_err(|error| Failure::file("read back", &temporary, &error))?,
        );
        let unlock = redacted
            .file_key
            .clone()
            .map_or(Unlock::None, Unlock::FileKey);
        verify::verify(&stored, &unlock, &task_progress)?;
        Ok(redacted)
    });
    let stopped = |_| Failure::failed("defect", "redacting stopped; nothing was published");
    let redacted = output.watch(&progress, task).await.map_err(stopped)??;
    file.publish()?;
    let manifest = &redacted.manifest;
    let is_credential = |left_out: &&LeftOut| {
        matches!(
            left_out,
            LeftOut::Column {
                reason: LeftOutReason::Credential,
                ..
            }
        )
    };
    let done = Done {
        file: args.out.display().to_string(),
        bytes: redacted.bytes,
        sealed: redacted.file_key.is_some(),
        verified: true,
        columns: manifest.left_out.iter().filter(is_credential).count() as u64,
        files: manifest.file_sets.iter().map(|set| set.files).sum(),
        suspicious: manifest
            .notices
            .iter()
            .filter_map(|notice| match notice {
                Notice::LooksLikeCredential { table, column } => Some(format!("{table}.{column}")),
                _ => None,
            })
            .collect(),
        archive: Overview::of(manifest),
    };
    output.result(&done, &done);
    Ok(())
}
