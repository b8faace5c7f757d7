//! `coffer unseal`

use std::{fmt, path::PathBuf};

use coffer_core::manifest::Contents;
use serde::Serialize;

use super::{Failure, Output, output::bytes, publish::Unpublished, secret::OpenArgs, source};
use crate::{
    convert,
    progress::Progress,
    read::{Look, OpenArchive, look},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The sealed archive.
    #[arg(value_name = "FILE|URL", value_parser = source::location())]
    file: source::Location,

    /// The plain archive to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Replace the plain archive if there is one of this name.
    #[arg(long)]
    overwrite: bool,

    /// Write it even if it holds credentials, which anybody who gets the file can then read.
    #[arg(long)]
    allow_credentials: bool,

    #[command(flatten)]
    key: OpenArgs,
}

#[derive(Serialize)]
struct Done {
    file: String,
    bytes: u64,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} written, {}; anybody can read it",
            self.file,
            bytes(self.bytes)
        )
    }
}

pub(super) async fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let source = source::archive(&args.file)?;
    if let Look::Zip = look(&*source)? {
        return Err(Failure::refused(
            "not_sealed",
            "the archive is not sealed; nothing was written",
        ));
    }
    let file = Unpublished::create(&args.out, args.overwrite)?;
    let unlock = args.key.unlock(true)?;
    let archive = OpenArchive::open(source, &unlock)?;
    if archive.manifest.contents == Contents::Sensitive && !args.allow_credentials {
        return Err(Failure::refused(
            "sensitive",
            "the archive holds credentials; nothing was written, use --allow-credentials to write them in the clear",
        ));
    }
    let progress = Progress::default();
    let (out, job_progress) = (file.writer()?, progress.clone());
    let job = tokio::task::spawn_blocking(move || convert::unseal(&archive, out, &job_progress));
    let stopped = |_| Failure::failed("defect", "unsealing stopped; nothing was published");
    let size = output.watch(&progress, job).await.map_err(stopped)??;
    file.publish()?;
    let done = Done {
        file: args.out.display().to_string(),
        bytes: size,
    };
    output.result(&done, &done);
    Ok(())
}
