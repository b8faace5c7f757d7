//! `coffer convert`

use std::{
    fmt,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use coffer_core::{
    foreign::{Depth, Overview as ForeignOverview, Product},
    policy::Preset,
    seal::{KeyType, SecretKey},
};
use getrandom::SysRng;
use rand_core::UnwrapErr;
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
    app_secrets::AppSecrets,
    backup::{BackupError, BackupReport, SealTo},
    engine::DatabaseUrl,
    foreign::{ConvertRequest, Open, convert, keeps_in_the_clear},
    progress::Progress,
    read::{FileSource, ReadAt, ReadError, Unlock},
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

    /// A file with one of the application's own secrets, in place of the environment variable that a preset names; may be
    /// repeated. The new archive gets its fingerprint.
    #[arg(long = "app-secret", value_name = "VARIABLE=FILE", value_parser = source::file_set)]
    app_secrets: Vec<(String, PathBuf)>,

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
        (None, false) => Some(preset_of(open.archive().product())?),
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
        app_secrets: AppSecrets::new(args.app_secrets),
        seal,
    };
    write(Arc::new(open), request, file, args.out, *output).await
}

/// Coffer's own preset of a product.
fn preset_of(product: Product) -> Result<Preset, Failure> {
    source::preset(Path::new(product.name()))
}

/// Converts, and proves what was written from the stored bytes.
async fn proven(
    open: Arc<Open>,
    overview: ForeignOverview,
    request: ConvertRequest,
    (out, path): (impl Write + Send + 'static, &Path),
    output: Output,
) -> Result<(BackupReport, Arc<dyn ReadAt>, Unlock), Failure> {
    let progress = Progress::default();
    let writing = convert(open, overview, request, out, progress.clone());
    let report = output.watch(&progress, writing).await?;
    let stored: Arc<dyn ReadAt> =
        Arc::new(FileSource::open(path).map_err(|error| Failure::file("read back", path, &error))?);
    let unlock = report
        .file_key
        .clone()
        .map_or(Unlock::None, Unlock::FileKey);
    let checking = {
        let (progress, manifest) = (progress.clone(), report.manifest_digest);
        let (stored, unlock) = (stored.clone(), unlock.clone());
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
    Ok((report, stored, unlock))
}

/// Converts, and gives the new archive its name.
async fn write(
    open: Arc<Open>,
    request: ConvertRequest,
    file: Unpublished,
    out: PathBuf,
    output: Output,
) -> Result<(), Failure> {
    let product = open.archive().product();
    let overview = survey(open.clone(), Depth::Everything, output).await?;
    let to = (file.writer()?, file.temporary_path());
    let (report, ..) = proven(open, overview, request, to, output).await?;
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

/// What another product's archive is as one of Coffer's, for as long as a restore reads it: a file that goes with it, sealed
/// to a key that nobody keeps.
pub(super) struct Converted {
    pub(super) source: Arc<dyn ReadAt>,
    pub(super) unlock: Unlock,
    /// The product's rules, by which its rows are brought together with others.
    pub(super) preset: Preset,
    _file: tempfile::NamedTempFile,
}

impl Converted {
    /// Converts through the catalogue of the database that it is to be restored into, with the product's preset. Credentials of
    /// a sensitive archive stay where they can be used as they are, or the secret is there that they are wrapped with.
    pub(super) async fn of(
        open: Open,
        target: DatabaseUrl,
        app_secrets: &AppSecrets,
        output: Output,
    ) -> Result<Self, Failure> {
        let open = Arc::new(open);
        let product = open.archive().product();
        let overview = survey(open.clone(), Depth::Everything, output).await?;
        let preset = preset_of(product)?;
        let mut missing = None;
        if keeps_in_the_clear(product) {
            for secret in &preset.app_secrets {
                let given = app_secrets
                    .get(&secret.variable)
                    .map_err(BackupError::from)?;
                if given.is_none() {
                    missing = Some(&secret.variable);
                }
            }
        }
        let sensitive = overview.sensitive && missing.is_none();
        if let (true, Some(variable)) = (overview.sensitive, missing) {
            output.note(format!(
                "note: credentials are not restored, since {product} keeps them wrapped with its own key; enter them again there, or give the key with --app-secret {variable}=FILE"
            ));
        }
        let key = SecretKey::generate_of(KeyType::X25519, &mut UnwrapErr(SysRng));
        let recipient = key
            .recipient()
            .map_err(|error| Failure::from(ReadError::Seal(error)))?;
        let request = ConvertRequest {
            like: target,
            preset: Some(preset.clone()),
            sensitive,
            app_secrets: app_secrets.clone(),
            seal: Some(SealTo {
                recipients: vec![recipient],
                ..SealTo::default()
            }),
        };
        let folder = std::env::temp_dir();
        let failed = |error| Failure::file("write in", &folder, &error);
        let file = tempfile::Builder::new()
            .prefix("coffer-convert-")
            .tempfile()
            .map_err(failed)?;
        let to = (file.reopen().map_err(failed)?, file.path());
        let (_, source, unlock) = proven(open, overview, request, to, output).await?;
        Ok(Self {
            source,
            unlock,
            preset,
            _file: file,
        })
    }
}
