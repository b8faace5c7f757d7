//! `coffer unseal`

use std::{fmt, io, path::PathBuf, sync::Arc};

use coffer_core::{manifest::Contents, seal::Locks};
use serde::Serialize;

use super::{Failure, Output, output::bytes, publish::Unpublished, secret::OpenArgs, source};
use crate::{
    convert, piped,
    progress::Progress,
    read::{FileSource, Look, OpenArchive, Unlock, file_key, look},
    verify,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The sealed archive; - for standard input.
    #[arg(value_name = "FILE|URL|-", value_parser = source::location())]
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

/// Unseals what comes on standard input, and checks it as written: the whole of it is known only then.
async fn run_piped(args: Args, output: &Output) -> Result<(), Failure> {
    let file = Unpublished::create(&args.out, args.overwrite)?;
    let unlock = args.key.unlock(true)?;
    let progress = Progress::default();
    let (out, task_progress) = (file.writer()?, progress.clone());
    let task = tokio::task::spawn_blocking(move || {
        let unlock = |locks: &Locks| file_key(locks, &unlock).map(|(key, _)| key);
        piped::unseal(io::stdin().lock(), out, unlock, &task_progress)
    });
    let stopped = |_| Failure::failed("defect", "unsealing stopped; nothing was published");
    let size = output.watch(&progress, task).await.map_err(stopped)??;
    let written = FileSource::open(file.temporary_path())
        .map_err(|error| Failure::file("read back", &args.out, &error))?;
    let task_progress = progress.clone();
    let check = tokio::task::spawn_blocking(move || {
        let archive = OpenArchive::open(Arc::new(written), &Unlock::None)?;
        verify::verify_open(&archive, &task_progress).map(|_| archive.manifest.contents)
    });
    let contents = output.watch(&progress, check).await.map_err(stopped)??;
    if contents == Contents::Sensitive && !args.allow_credentials {
        return Err(sensitive());
    }
    publish(file, args.out, size, output)
}

fn sensitive() -> Failure {
    Failure::refused(
        "sensitive",
        "the archive holds credentials; nothing was written, use --allow-credentials to write them in the clear",
    )
}

fn publish(file: Unpublished, path: PathBuf, size: u64, output: &Output) -> Result<(), Failure> {
    file.publish()?;
    let done = Done {
        file: path.display().to_string(),
        bytes: size,
    };
    output.result(&done, &done);
    Ok(())
}

pub(super) async fn run(args: Args, output: &Output) -> Result<(), Failure> {
    if args.file.is_standard_input() {
        return run_piped(args, output).await;
    }
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
        return Err(sensitive());
    }
    let progress = Progress::default();
    let (out, task_progress) = (file.file()?, progress.clone());
    let task = tokio::task::spawn_blocking(move || convert::unseal(&archive, &out, &task_progress));
    let stopped = |_| Failure::failed("defect", "unsealing stopped; nothing was published");
    let size = output.watch(&progress, task).await.map_err(stopped)??;
    publish(file, args.out, size, output)
}
