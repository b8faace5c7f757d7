//! `coffer serve`

use std::{
    fmt,
    io::{self, IsTerminal},
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use coffer_core::seal::Recipient;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::{Failure, Output, bucket::BucketArgs, safety::own_folder, secret::recipient};
use crate::{
    catalog::{CatalogError, CatalogUrl},
    http::{
        DEFAULT_UPLOAD_QUOTA, DEFAULT_USER_UPLOAD_QUOTA, ServeError, ServeOptions, Server,
        StorePlace,
    },
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where to listen; without it at 127.0.0.1:8620, or the next port that is free.
    #[arg(long, value_name = "ADDRESS:PORT", env = "COFFER_LISTEN")]
    listen: Option<SocketAddr>,

    /// The folder for catalog, archives and uploads [default: coffer in the user's data folder].
    #[arg(long, value_name = "FOLDER", env = "COFFER_DATA")]
    data: Option<PathBuf>,

    /// A PostgreSQL database for the catalog, instead of a file in the data folder: a URL without a password, or a file whose
    /// first line is a URL. COFFER_CATALOG names it too.
    #[arg(long, value_name = "URL or FILE")]
    catalog: Option<String>,

    /// Where archives are kept, instead of in the data folder: a bucket that several servers on one catalog share, or a folder.
    #[arg(long, value_name = "s3://BUCKET[/PREFIX]|FOLDER")]
    store: Option<String>,

    #[command(flatten)]
    bucket: BucketArgs,

    /// The web app's files; without it, there is only the API.
    #[arg(long, value_name = "FOLDER", env = "COFFER_WEB")]
    web: Option<PathBuf>,

    /// Make a small demo application and register it as a source.
    #[arg(long)]
    demo: bool,

    /// A file that describes a source, as for `coffer backup --config`, with a name; may be repeated. It can name programs
    /// to run, which sources that are added in the page can't.
    #[arg(long = "source-config", value_name = "FILE")]
    source_configs: Vec<PathBuf>,

    /// Listen at an address that other machines reach. Coffer speaks no TLS itself: put a reverse proxy in front.
    #[arg(long)]
    allow_remote: bool,

    /// A name that this server is reached by, such as the reverse proxy's; may be repeated.
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,

    /// The address of a reverse proxy that is believed when it says for whom it asks (X-Forwarded-For, X-Forwarded-Proto);
    /// may be repeated.
    #[arg(long = "trusted-proxy", value_name = "ADDRESS")]
    trusted_proxies: Vec<IpAddr>,

    /// Most bytes that uploads have together, unfinished or stored, in GiB.
    #[arg(long, value_name = "GIB", default_value_t = DEFAULT_UPLOAD_QUOTA >> 30, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    upload_quota: u64,

    /// Most bytes that the uploads of one user have, unfinished or stored, in GiB.
    #[arg(long, value_name = "GIB", default_value_t = DEFAULT_USER_UPLOAD_QUOTA >> 30, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    user_upload_quota: u64,

    /// Seal safety backups, of what restores replace, to this public key instead of one that the server keeps; may be
    /// repeated. Only `coffer undo --identity` can then undo a restore.
    #[arg(long = "safety-recipient", value_name = "KEY", value_parser = recipient)]
    safety_recipients: Vec<Recipient>,

    /// How much is told on standard error.
    #[arg(long, value_name = "LEVEL", env = "COFFER_LOG", default_value = "info")]
    log: Level,

    /// In which form: lines for people, or a JSON object for each event.
    #[arg(
        long,
        value_name = "FORMAT",
        env = "COFFER_LOG_FORMAT",
        default_value = "text"
    )]
    log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Level {
    Error,
    Warn,
    Info,
    Debug,
}

impl Level {
    const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

#[derive(Serialize)]
struct Started<'a> {
    address: String,
    /// Nothing once there are users.
    set_up: Option<&'a str>,
}

impl fmt::Display for Started<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Coffer is running at {}", self.address)?;
        match self.set_up {
            Some(link) => {
                writeln!(
                    f,
                    "Make the first administrator with this link, which works once:"
                )?;
                writeln!(f, "  {link}")
            }
            None => writeln!(
                f,
                "Sign in there with name and password; coffer user reset NAME gives a new password."
            ),
        }
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        match error {
            ServeError::Remote { .. } => Self::refused("remote", error),
            ServeError::InUse { .. } => Self::refused("in_use", error),
            ServeError::NoWebApp { .. } => Self::usage(error),
            ServeError::Archives(ref inner) => Self::failed(inner.code(), &error),
            ServeError::Catalog(error @ CatalogError::SecretKey(_)) => error.into(),
            _ => Self::failed("serve", error),
        }
    }
}

pub(super) async fn run(args: Args, output: &Output) -> Result<(), Failure> {
    log_to_stderr(args.log, args.log_format);
    // Before anything is started, so that no signal finds nobody listening.
    let stop = stop_signal()
        .map_err(|error| Failure::failed("signals", format!("cannot wait for signals: {error}")))?;
    let store = match &args.store {
        Some(at) => {
            let (config, key) = args.bucket.open(at)?;
            Some(StorePlace { config, key })
        }
        None => {
            args.bucket.unused()?;
            None
        }
    };
    let server = Server::start(ServeOptions {
        store,
        listen: args.listen,
        data: args.data.map_or_else(data_folder, Ok)?,
        catalog: CatalogUrl::read(args.catalog.as_deref())?,
        web: args.web,
        demo: args.demo,
        sources: args.source_configs,
        allow_remote: args.allow_remote,
        hosts: args.hosts,
        trusted_proxies: args.trusted_proxies,
        upload_quota: args.upload_quota << 30,
        user_upload_quota: args.user_upload_quota << 30,
        safety_recipients: args.safety_recipients,
    })
    .await?;
    let link = server.set_up_link();
    let started = Started {
        address: format!("http://{}", server.address()),
        set_up: link.as_ref().map(|link| link.as_str()),
    };
    output.result(&started, &started);
    server.run(stop).await;
    Ok(())
}

/// What other crates log below a warning may hold what they were given, so only this one's level can be chosen.
fn log_to_stderr(level: Level, format: LogFormat) {
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(format!(
            "warn,coffer_server={}",
            level.name()
        )))
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    // Only a process that logs already has another one.
    let _ = match format {
        LogFormat::Text => tracing::subscriber::set_global_default(subscriber.finish()),
        LogFormat::Json => tracing::subscriber::set_global_default(subscriber.json().finish()),
    };
}

/// Resolves at Ctrl-C or when the service manager wants the process to end.
fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("stopping");
    })
}

/// `coffer` in the folder where the user's programs keep their data.
pub(super) fn data_folder() -> Result<PathBuf, Failure> {
    own_folder("XDG_DATA_HOME", ".local/share").ok_or_else(|| {
        Failure::usage("there is no home folder to keep data in; say where with --data FOLDER")
    })
}
