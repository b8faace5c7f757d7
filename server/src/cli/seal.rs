//! `coffer seal`

use std::{fmt, path::PathBuf, sync::Arc};

use serde::Serialize;

use super::{Failure, Output, output::bytes, publish::Unpublished, secret::SealArgs, source};
use crate::{
    convert,
    progress::Progress,
    read::{FileSource, Look, ReadAt, Unlock, look},
    verify,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The plain archive.
    #[arg(value_name = "FILE|URL", value_parser = source::location())]
    file: source::Location,

    /// The sealed archive to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Replace the sealed archive if there is one of this name.
    #[arg(long)]
    overwrite: bool,

    #[command(flatten)]
    to: SealArgs,
}

#[derive(Serialize)]
struct Done {
    file: String,
    bytes: u64,
    verified: bool,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} written and verified, {}",
            self.file,
            bytes(self.bytes)
        )
    }
}

pub(super) async fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let source = source::archive(&args.file)?;
    if let Look::Sealed(_) = look(&*source)? {
        return Err(Failure::refused(
            "already_sealed",
            "the archive is sealed already; nothing was written",
        ));
    }
    let file = Unpublished::create(&args.out, args.overwrite)?;
    let to = args.to.seal_to()?;
    let progress = Progress::default();
    let (out, temporary, job_progress) = (
        file.writer()?,
        file.temporary_path().to_owned(),
        progress.clone(),
    );
    let job = tokio::task::spawn_blocking(move || -> Result<u64, Failure> {
        let (size, key) = convert::seal(&source, out, &to, &job_progress)?;
        let stored: Arc<dyn ReadAt> = Arc::new(
            FileSource::open(&temporary)
                .map_err(|error| Failure::file("read back", &temporary, &error))?,
        );
        verify::verify(&stored, &Unlock::FileKey(key), &job_progress)?;
        Ok(size)
    });
    let stopped = |_| Failure::failed("defect", "sealing stopped; nothing was published");
    let size = output.watch(&progress, job).await.map_err(stopped)??;
    file.publish()?;
    let done = Done {
        file: args.out.display().to_string(),
        bytes: size,
        verified: true,
    };
    output.result(&done, &done);
    Ok(())
}
