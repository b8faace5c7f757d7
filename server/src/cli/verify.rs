//! `coffer verify`

use std::fmt;

use serde::Serialize;

use super::{
    Failure, Output,
    foreign::{self, ForeignArgs},
    output::{bytes, count},
    scrub,
    secret::OpenArgs,
    signing::TrustArgs,
    source,
};
use crate::{
    progress::Progress,
    read::{Look, ReadError, look},
    verify::{VerifyReport, verify},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The archive.
    #[arg(value_name = "FILE|URL", value_parser = source::location())]
    file: source::Location,

    #[command(flatten)]
    key: OpenArgs,

    #[command(flatten)]
    foreign: ForeignArgs,

    #[command(flatten)]
    trust: TrustArgs,

    /// As `coffer scrub`: compare the stored bytes with the scrub table only. Needs no password, and finds accidents, not
    /// forgery.
    #[arg(long, conflicts_with_all = ["password_file", "password_env", "identity"])]
    scrub: bool,
}

#[derive(Serialize)]
struct Verified {
    verified: bool,
    sealed: bool,
    #[serde(flatten)]
    report: VerifyReport,
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let VerifyReport {
            tables,
            rows,
            files,
            bytes: size,
            sender,
        } = self.report;
        writeln!(
            f,
            "all is well: {} with {} and {}, {} in all, as the manifest says",
            count(tables, "table"),
            count(rows, "row"),
            count(files, "file"),
            bytes(size)
        )?;
        match sender {
            Some(sender) => writeln!(
                f,
                "sealed by {}, who signed every byte of it",
                sender.fingerprint()
            ),
            None if self.sealed => {
                writeln!(f, "nobody signed it, so it does not say who sealed it")
            }
            None => Ok(()),
        }
    }
}

pub(super) async fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let source = source::archive(&args.file)?;
    if !args.scrub
        && let Some(known) = args.foreign.recognise(&args.file, &source)?
        && let Some(open) = known.open(&args.key, &args.foreign, *output).await?
    {
        return foreign::verify(open, *output).await;
    }
    let look = look(&*source)?;
    let progress = Progress::default();
    let stopped = |_| Failure::failed("defect", "checking the archive stopped");
    let senders = args.trust.senders_of(&*source, &look)?;
    if args.scrub {
        return scrub::run(scrub::Args::whole(args.file), output).await;
    }
    let sealed = matches!(look, Look::Sealed(_));
    let unlock = args.key.unlock(sealed)?;
    let task = {
        let progress = progress.clone();
        tokio::task::spawn_blocking(move || verify(&source, &unlock, &progress))
    };
    let report = output.watch(&progress, task).await.map_err(stopped)??;
    senders.accept(report.sender).map_err(ReadError::from)?;
    let verified = Verified {
        verified: true,
        sealed,
        report,
    };
    output.result(&verified, &verified);
    Ok(())
}
