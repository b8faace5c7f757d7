//! `coffer seal`

use std::{fmt, path::PathBuf};

use serde::Serialize;

use super::{Failure, Output, output::bytes, publish::Unpublished, secret::SealArgs, source};
use crate::{
    convert,
    progress::Progress,
    read::{Look, look},
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

    /// Do not check the content, which was checked already; what is stored is still compared with it.
    #[arg(long)]
    unchecked: bool,

    #[command(flatten)]
    to: SealArgs,
}

#[derive(Serialize)]
struct Done {
    file: String,
    bytes: u64,
    /// Whether the content was checked. What is stored was compared with it in any case.
    verified: bool,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} written and {}, {}",
            self.file,
            if self.verified {
                "verified"
            } else {
                "compared, its content unchecked"
            },
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
    let content = if args.unchecked {
        convert::Content::Trust
    } else {
        convert::Content::Check
    };
    let (out, task_progress) = (file.file()?, progress.clone());
    let task = tokio::task::spawn_blocking(move || {
        convert::seal(&source, &out, &to, content, &task_progress)
    });
    let stopped = |_| Failure::failed("defect", "sealing stopped; nothing was published");
    let size = output.watch(&progress, task).await.map_err(stopped)??;
    file.publish()?;
    let done = Done {
        file: args.out.display().to_string(),
        bytes: size,
        verified: content == convert::Content::Check,
    };
    output.result(&done, &done);
    Ok(())
}
