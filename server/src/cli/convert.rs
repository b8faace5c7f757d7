//! `coffer convert`

use std::{fmt, path::PathBuf, sync::Arc};

use coffer_core::foreign::{Depth, Product};
use serde::Serialize;

use super::{
    Failure, Output,
    foreign::{ForeignArgs, survey},
    inspect::Overview,
    output::bytes,
    publish::Unpublished,
    secret::{NewSealArgs, OpenArgs},
    source,
};
use crate::{
    foreign::{ConvertRequest, Open, convert},
    progress::Progress,
    read::{FileSource, ReadAt, Unlock},
    verify,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The archive of Nosdesk, Nojoin or DBackup.
    #[arg(value_name = "FILE|URL", value_parser = source::location())]
    file: source::Location,

    /// A database of that product, which says what types the archive's values have: postgres://… or sqlite:PATH. Nothing in
    /// it is changed.
    #[arg(long, value_name = "URL", env = "COFFER_LIKE", hide_env_values = true)]
    like: String,

    /// The archive to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Replace the archive if there is one of this name.
    #[arg(long)]
    overwrite: bool,

    /// Rules for the product's data; the default is Coffer's own preset of it.
    #[arg(long, value_name = "FILE|NAME", conflicts_with = "without_preset")]
    preset: Option<PathBuf>,

    /// Take every table and every value as it is. Nobody can say then what is a credential, so treat it as secret.
    #[arg(long)]
    without_preset: bool,

    /// Keep credentials; needs --sealed.
    #[arg(long, conflicts_with = "without_preset")]
    sensitive: bool,

    #[command(flatten)]
    key: OpenArgs,

    #[command(flatten)]
    foreign: ForeignArgs,

    /// Seal the new archive: with a new password, unless recipients are given.
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
    product: Product,
    archive: Overview,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} written and verified, {}: what was {}'s archive is one of Coffer's",
            self.file,
            bytes(self.bytes),
            self.product
        )?;
        self.archive.fmt(f)
    }
}

pub(super) async fn run(args: Args, output: &Output) -> Result<(), Failure> {
    if args.to.given() && !args.sealed {
        return Err(Failure::usage(
            "a new password or recipient was given without --sealed; nothing was written",
        ));
    }
    let like = source::url(&args.like)?;
    let source = source::archive(&args.file)?;
    let unknown = || {
        Failure::usage(format!(
            "{} is no archive of Nosdesk, Nojoin or DBackup; nothing was written",
            args.file
        ))
    };
    let known = args
        .foreign
        .recognise(&args.file, &source)?
        .ok_or_else(unknown)?;
    let open = known
        .open(&args.key, &args.foreign, *output)
        .await?
        .ok_or_else(unknown)?;
    let preset = match (&args.preset, args.without_preset) {
        (Some(path), _) => Some(source::preset(path)?),
        (None, true) => None,
        (None, false) => {
            let name = open.archive().product().name();
            Some(source::preset(std::path::Path::new(name))?)
        }
    };
    let file = Unpublished::create(&args.out, args.overwrite)?;
    let seal = if args.sealed {
        Some(args.to.seal_to()?)
    } else {
        None
    };
    let request = ConvertRequest {
        like,
        preset,
        sensitive: args.sensitive,
        seal,
    };
    write(Arc::new(open), request, file, args.out, *output).await
}

/// Converts, proves what was written, and gives it its name.
async fn write(
    open: Arc<Open>,
    request: ConvertRequest,
    file: Unpublished,
    out: PathBuf,
    output: Output,
) -> Result<(), Failure> {
    let product = open.archive().product();
    let overview = survey(open.clone(), Depth::Everything, output).await?;
    let progress = Progress::default();
    let writing = convert(open, overview, request, file.writer()?, progress.clone());
    let report = output.watch(&progress, writing).await?;
    let stored: Arc<dyn ReadAt> = Arc::new(
        FileSource::open(file.temporary_path())
            .map_err(|error| Failure::file("read back", &out, &error))?,
    );
    let unlock = report
        .file_key
        .clone()
        .map_or(Unlock::None, Unlock::FileKey);
    let manifest = report.manifest_digest;
    let checking = {
        let progress = progress.clone();
        tokio::task::spawn_blocking(move || {
            verify::verify_written(&stored, &unlock, manifest, &progress)
        })
    };
    let stopped = |_| {
        Failure::failed(
            "defect",
            "checking the archive stopped; nothing was published",
        )
    };
    output.watch(&progress, checking).await.map_err(stopped)??;
    file.publish()?;
    let done = Done {
        file: out.display().to_string(),
        bytes: report.bytes,
        sealed: report.file_key.is_some(),
        verified: true,
        product,
        archive: Overview::of(&report.manifest),
    };
    output.result(&done, &done);
    Ok(())
}
