//! `coffer salvage`

use std::{io::Write, path::PathBuf};

use super::{Failure, Output, output::bytes, publish::Unpublished, secret::OpenArgs, source};
use crate::{
    progress::Progress,
    salvage::{Report, Salvage, SalvageError},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The damaged archive, sealed or not.
    #[arg(value_name = "FILE|URL", value_parser = source::location())]
    file: source::Location,

    /// The ZIP to write, with everything that is what it was.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Replace the ZIP if there is one of this name.
    #[arg(long)]
    overwrite: bool,

    /// Write what is saved and what is lost into this file, as JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// Write it even if it may hold credentials, which anybody who gets the file can then read.
    #[arg(long)]
    allow_credentials: bool,

    #[command(flatten)]
    key: OpenArgs,
}

impl From<SalvageError> for Failure {
    fn from(error: SalvageError) -> Self {
        match error {
            SalvageError::Read(error) => error.into(),
            SalvageError::Write(_) => Self::failed("write_failed", error),
            SalvageError::Nothing => Self::damaged("nothing_left", error),
        }
    }
}

pub(super) async fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let source = source::archive(&args.file)?;
    let file = Unpublished::create(&args.out, args.overwrite)?;
    let report = args
        .report
        .as_deref()
        .map(|path| Unpublished::create(path, args.overwrite))
        .transpose()?;
    let unlock = args.key.unlock(starts_sealed(&*source)?)?;
    let progress = Progress::default();
    let stopped = |_| Failure::failed("defect", "saving stopped; nothing was published");

    let task_progress = progress.clone();
    let survey =
        tokio::task::spawn_blocking(move || Salvage::survey(source, &unlock, &task_progress));
    let salvage = output.watch(&progress, survey).await.map_err(stopped)??;
    if salvage.may_hold_credentials() && !args.allow_credentials {
        return Err(Failure::refused(
            "sensitive",
            "the archive holds credentials, or its manifest is lost and it may; nothing was written, use \
             --allow-credentials to write what is left in the clear",
        ));
    }
    let (out, task_progress) = (file.writer()?, progress.clone());
    let write = tokio::task::spawn_blocking(move || {
        let written = salvage.write(out, &task_progress)?;
        Ok::<_, SalvageError>((salvage, written))
    });
    let (salvage, written) = output.watch(&progress, write).await.map_err(stopped)??;
    if let Some(report) = report {
        write_report(report.writer()?, salvage.report()).map_err(|error| {
            Failure::failed("write_failed", format!("cannot write the report: {error}"))
        })?;
        report.publish()?;
    }
    file.publish()?;
    let report = salvage.report();
    if report.whole {
        output.result(report, report);
        output.note(format!(
            "{} written, {}; nothing is lost, and anybody can read it",
            args.out.display(),
            bytes(written)
        ));
        return Ok(());
    }
    if !output.is_json() {
        output.result(report, report);
    }
    Err(Failure::damaged(
        "saved_in_part",
        format!(
            "the archive is damaged; what is left of it was written to {}, {}, which anybody can read",
            args.out.display(),
            bytes(written)
        ),
    )
    .with_details("report", report))
}

/// Whether the file begins like a sealed archive, so that a key is needed.
fn starts_sealed(source: &dyn crate::read_at::ReadAt) -> Result<bool, Failure> {
    let magic = coffer_core::seal::MAGIC;
    let mut start = [0; 8];
    if source.size() < magic.len() as u64 {
        return Ok(false);
    }
    source
        .read_exact_at(0, &mut start)
        .map_err(|error| Failure::from(crate::read::ReadError::from(error)))?;
    Ok(start == magic)
}

fn write_report(mut out: impl Write, report: &Report) -> std::io::Result<()> {
    serde_json::to_writer_pretty(&mut out, report)?;
    writeln!(out)?;
    out.flush()
}
