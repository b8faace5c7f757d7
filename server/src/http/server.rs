//! Starting the server, and ending it in order.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    thread,
    time::{Duration, Instant},
};

use coffer_core::seal::Recipient;
use tokio::{net::TcpListener, sync::oneshot};
use zeroize::Zeroizing;

use super::{
    App, Hosts, Shared,
    caller::digest,
    described::{self, DescribedError},
    router,
    serve::{Limits, serve},
    sign_in::{self, LINK_AGE},
    sources::ConnectError,
    upkeep::{clean, recover_sources, sweep},
};
use crate::{
    catalog::{Catalog, CatalogError, CatalogPlace, CatalogUrl, Id},
    clock,
    demo::DemoError,
    destination::{DestinationConfig, DestinationError, Patience, S3Key},
    jobs::{BackupWork, Scheduler},
    metrics::Metrics,
    notify,
    runs::Runs,
    safety::{DEFAULT_KEEP, SafetyStore},
    sender_key::{self, SenderKeyError},
    store::{Archives, Room, StoreError, Uploads, make_private_folder},
};

/// Where the server listens unless told otherwise.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8620);
/// Bytes that uploads may have together unless told otherwise: 64 GiB.
pub const DEFAULT_UPLOAD_QUOTA: u64 = 64 << 30;
/// Bytes that one user's uploads may have unless told otherwise: 32 GiB.
pub const DEFAULT_USER_UPLOAD_QUOTA: u64 = 32 << 30;
/// Ports tried after the default one.
const FURTHER_PORTS: u16 = 20;
/// The folder of safety backups, in the data folder.
pub const SAFETY: &str = "safety";
/// How long the lock of a data folder is waited for, and how often it is tried.
const LOCK_WAIT: Duration = Duration::from_secs(1);
const LOCK_STEP: Duration = Duration::from_millis(20);
/// How long runs have to roll back, and connections to end, when the server is stopped.
const STOP_RUNS: Duration = Duration::from_secs(60);
const STOP_CONNECTIONS: Duration = Duration::from_secs(5);

/// How the server is started.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Where to listen; `None` for [`DEFAULT_LISTEN`], or the next port that is free.
    pub listen: Option<SocketAddr>,
    /// The folder that everything is kept in.
    pub data: PathBuf,
    /// Where the catalog is; nothing means in the folder.
    pub catalog: Option<CatalogUrl>,
    /// Where archives are; nothing means in the folder.
    pub store: Option<StorePlace>,
    /// The web app's files; without them there is only the API.
    pub web: Option<PathBuf>,
    /// Makes the demo application and registers it.
    pub demo: bool,
    /// Allows an address that other machines reach.
    pub allow_remote: bool,
    /// Reverse proxies that are believed when they say for whom they ask.
    pub trusted_proxies: Vec<IpAddr>,
    /// Names that the server is reached by, other than its address.
    pub hosts: Vec<String>,
    /// Bytes that uploads may have together, unfinished or stored.
    pub upload_quota: u64,
    /// The same of one user.
    pub user_upload_quota: u64,
    /// Files that describe sources.
    pub sources: Vec<PathBuf>,
    /// Whom safety backups are sealed to; nobody means a key that the server keeps.
    pub safety_recipients: Vec<Recipient>,
}

/// A folder or bucket for a server's archives.
#[derive(Clone, Debug)]
pub struct StorePlace {
    /// Where it is.
    pub config: DestinationConfig,
    /// A bucket's key.
    pub key: Option<S3Key>,
}

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is one that other machines reach.
    #[error(
        "{listen} can be reached from other machines, and Coffer speaks no TLS itself: whoever listens on the network could take over the session; put a reverse proxy with TLS in front of it, and then say --allow-remote"
    )]
    Remote {
        /// The address.
        listen: SocketAddr,
    },
    /// The address is taken, or not one of this machine.
    #[error("cannot listen at {listen}: {error}; choose another with --listen")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// Another Coffer runs on the same folder.
    #[error(
        "another Coffer is running with {folder}; stop it first, or choose another folder with --data"
    )]
    InUse {
        /// The folder.
        folder: String,
    },
    /// The folder can't be used.
    #[error("the folder {folder} cannot be used: {error}; choose another with --data")]
    Data {
        /// The folder.
        folder: String,
        /// What the system says.
        error: io::Error,
    },
    /// The web app isn't there.
    #[error(
        "there is no web app in {folder}: it has no index.html; build it with npm run build, or leave --web out"
    )]
    NoWebApp {
        /// The folder.
        folder: String,
    },
    /// The catalog.
    #[error("{0}")]
    Catalog(#[from] CatalogError),
    /// The store.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The folder or bucket for archives.
    #[error("{0}; the server was not started")]
    Archives(#[from] DestinationError),
    /// The key that backups are signed with.
    #[error("{0}")]
    Sender(#[from] SenderKeyError),
    /// The demo application can't be made.
    #[error("{0}")]
    Demo(#[from] DemoError),
    /// The demo application can't be used as a source.
    #[error("the demo application cannot be registered: {0}")]
    DemoSource(ConnectError),
    /// A file that describes a source can't be used.
    #[error("the source that {file} describes cannot be used: {error}; the server was not started")]
    Described {
        /// The file.
        file: String,
        /// Why.
        error: Box<DescribedError>,
    },
    /// A thread ended in a way that it shouldn't.
    #[error("the server did not start because of a defect of the program; please report it")]
    Defect,
    /// The system has no random bytes to give.
    #[error("the system gave no random bytes: {0}; nothing was started")]
    Random(#[from] getrandom::Error),
    /// The system does not say where it listens.
    #[error("the address that Coffer listens at is not known: {0}; nothing was started")]
    Address(io::Error),
}

/// A server that listens and does not answer yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    /// What the link for the first administrator holds; nothing once there are users.
    token: Option<Zeroizing<String>>,
    app: Shared,
    web: Option<PathBuf>,
    /// Held as long as the server runs, so that no other uses its folder.
    _lock: File,
}

impl Server {
    /// Opens everything, removes what an earlier process left half done, and starts to listen.
    ///
    /// # Errors
    /// [`ServeError`].
    pub async fn start(options: ServeOptions) -> Result<Self, ServeError> {
        let asked = options.listen.unwrap_or(DEFAULT_LISTEN);
        if !asked.ip().is_loopback() && !options.allow_remote {
            return Err(ServeError::Remote { listen: asked });
        }
        if let Some(web) = options.web.as_deref()
            && !web.join("index.html").is_file()
        {
            return Err(ServeError::NoWebApp {
                folder: web.display().to_string(),
            });
        }
        make_private_folder(&options.data)?;
        let lock = lock_data(&options.data)?;
        let listener = listen(options.listen).await?;
        let address = listener.local_addr().map_err(ServeError::Address)?;

        let place = CatalogPlace {
            folder: options.data.clone(),
            url: options.catalog,
        };
        let mut catalog = Catalog::open(&place).await?;
        let archives = match &options.store {
            None => Archives::open(&options.data.join("archives"))?,
            Some(place) => {
                let open = |patience| place.config.open(place.key.as_ref(), patience);
                // Whoever starts the server waits to hear whether it can be reached.
                open(Patience::Short)?
                    .names()
                    .await
                    .map_err(DestinationError::from)?;
                catalog = catalog.with_store(place.config.place());
                open(Patience::Long)?
            }
        };
        let uploads = Uploads::open(&options.data.join("uploads"))?;
        clean(&catalog, &archives).await?;
        described::register(&options.sources, &catalog).await?;
        recover_sources(&catalog, &options.data.join(SAFETY)).await?;
        if options.demo {
            super::demo::register(&options.data, &catalog).await?;
        }
        let sender = sender_key::open(&options.data)?;
        let token = set_up_token(&catalog).await?;
        let work = BackupWork {
            catalog: catalog.clone(),
            sender: sender.clone(),
        };
        let scheduler = Scheduler::new(
            catalog.clone(),
            Arc::new(work),
            Arc::new(clock::now),
            Id::random()?.to_string(),
        );
        let app = Arc::new(App {
            runs: Runs::new(catalog.clone()),
            metrics: Metrics::new(),
            scheduler,
            rehearsed: super::rehearsals::Rehearsed::default(),
            hosts: Hosts::new(address, &options.hosts),
            catalog,
            archives,
            uploads,
            upload_quota: Room {
                all: options.upload_quota,
                owner: options.user_upload_quota,
            },
            described: OnceLock::new(),
            trusted_proxies: options.trusted_proxies,
            sender,
            safety: SafetyStore {
                folder: options.data.join(SAFETY),
                recipients: options.safety_recipients,
                keep: DEFAULT_KEEP,
            },
        });
        Ok(Self {
            listener,
            address,
            token,
            app,
            web: options.web,
            _lock: lock,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The link that makes the first administrator, while there is none. The token stands behind `#`, which browsers send
    /// to nobody.
    #[must_use]
    pub fn set_up_link(&self) -> Option<Zeroizing<String>> {
        // A server that listens everywhere is reached here by its loopback address.
        let host = if self.address.ip().is_unspecified() {
            SocketAddr::new(Ipv4Addr::LOCALHOST.into(), self.address.port())
        } else {
            self.address
        };
        let token = self.token.as_ref()?;
        Some(Zeroizing::new(format!(
            "http://{host}/#set-up={}",
            token.as_str()
        )))
    }

    /// Answers until `stop` is through; then cancels the runs, waits until they are rolled back, and ends.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let Self {
            listener,
            app,
            web,
            _lock: lock,
            ..
        } = self;
        let sweeping = tokio::spawn(sweep(app.clone()));
        let scheduling = tokio::spawn({
            let scheduler = app.scheduler.clone();
            async move { scheduler.drive().await }
        });
        let telling = tokio::spawn(notify::drive(app.catalog.clone(), Arc::new(clock::now)));
        let (stopped, stopping) = oneshot::channel();
        let graceful = {
            let app = app.clone();
            async move {
                stop.await;
                // Streams of events end with their runs, so connections have nothing left to wait for.
                let (runs, jobs) =
                    tokio::join!(app.runs.stop(STOP_RUNS), app.scheduler.stop(STOP_RUNS));
                if !runs || !jobs {
                    tracing::error!(
                        "runs did not end in time; what they began is undone by their databases"
                    );
                }
                // Waited for as long as this runs.
                let _ = stopped.send(());
            }
        };
        let late = async {
            // Counted from when the runs have ended.
            drop(stopping.await);
            tokio::time::sleep(STOP_CONNECTIONS).await;
        };
        tokio::select! {
            () = serve(listener, router(&app, web.as_deref()), Limits::of_process(), graceful) => {}
            () = late => {}
        }
        for task in [sweeping, scheduling, telling] {
            task.abort();
        }
        app.catalog.close().await;
        drop(lock);
    }
}

/// Takes a data folder for this process alone, as long as the file is held.
///
/// # Errors
/// [`ServeError::InUse`], [`ServeError::Data`].
pub fn lock_data(data: &Path) -> Result<File, ServeError> {
    let failed = |error| ServeError::Data {
        folder: data.display().to_string(),
        error,
    };
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(data.join("lock"))
        .map_err(failed)?;
    let deadline = Instant::now() + LOCK_WAIT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            // A program that is just being started, a hook's say, has this process's files until it is that program;
            // so the lock of a server that has ended can be held for a moment more.
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(LOCK_STEP),
            Err(TryLockError::WouldBlock) => {
                return Err(ServeError::InUse {
                    folder: data.display().to_string(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
}

/// Listens where it was asked for; or, where nobody asked, at the default port or one of the next.
async fn listen(asked: Option<SocketAddr>) -> Result<TcpListener, ServeError> {
    let first = asked.unwrap_or(DEFAULT_LISTEN);
    let further = if asked.is_some() { 0 } else { FURTHER_PORTS };
    let mut port = first.port();
    loop {
        let listen = SocketAddr::new(first.ip(), port);
        match TcpListener::bind(listen).await {
            Ok(listener) => return Ok(listener),
            Err(error)
                if error.kind() == io::ErrorKind::AddrInUse && port - first.port() < further =>
            {
                port += 1;
            }
            Err(error) => return Err(ServeError::Listen { listen, error }),
        }
    }
}

/// Makes the data folder, which only its owner can read, where it isn't there.
///
/// # Errors
/// [`ServeError::Store`].
pub fn make_data_folder(data: &Path) -> Result<(), ServeError> {
    Ok(make_private_folder(data)?)
}

/// A token for the link that makes the first administrator, if there is nobody yet.
async fn set_up_token(catalog: &Catalog) -> Result<Option<Zeroizing<String>>, ServeError> {
    if catalog.has_users().await? {
        return Ok(None);
    }
    let token = sign_in::secret()?;
    let end = clock::text(clock::now() + LINK_AGE);
    catalog.add_link(&digest(&token), None, &end).await?;
    Ok(Some(token))
}
