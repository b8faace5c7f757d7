//! `coffer recover`

use std::{fmt, path::PathBuf};

use super::{
    Failure, Output,
    output::{count, safe},
    source::{distinct, file_set, url},
};
use crate::recover::{self, RecoverReport, Recovered};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The database that the interrupted restore went into: postgres://… or sqlite:PATH.
    #[arg(
        long,
        value_name = "URL",
        env = "COFFER_TARGET",
        hide_env_values = true
    )]
    target: String,

    /// The folder of a file set of that restore; may be repeated.
    #[arg(long, value_name = "NAME=FOLDER", value_parser = file_set, required = true)]
    files: Vec<(String, PathBuf)>,
}

struct Shown<'a>(&'a RecoverReport);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(report) = self;
        if report.is_empty() {
            return writeln!(
                f,
                "nothing to recover: no restore of these files was interrupted"
            );
        }
        let mut list = |restores: &[Recovered], what: &str| {
            restores.iter().try_for_each(|restore| {
                writeln!(
                    f,
                    "the restore into {} {what} (files: {})",
                    safe(&restore.target),
                    safe(&restore.file_sets.join(", "))
                )
            })
        };
        list(
            &report.finished,
            "had been committed: its files are in place now",
        )?;
        list(
            &report.undone,
            "had not been committed: nothing of it is left",
        )?;
        if report.abandoned > 0 {
            writeln!(
                f,
                "{} of a restore that never came to its commit removed",
                count(report.abandoned, "folder")
            )?;
        }
        Ok(())
    }
}

pub(super) async fn run(args: Args, output: &Output) -> Result<(), Failure> {
    distinct(&args.files)?;
    let report = recover::run(&url(&args.target)?, &args.files).await?;
    output.result(&report, Shown(&report));
    Ok(())
}
