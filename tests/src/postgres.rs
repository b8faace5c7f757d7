//! A real PostgreSQL server for tests: made for the occasion, on 127.0.0.1 and a free port, gone afterwards.
//!
//! Applications sign in over TCP with a password, as a role that owns its database and is no superuser. The
//! superuser is reached through the server's own socket folder only.

use std::{
    env, fs,
    net::TcpListener,
    os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use coffer_server::engine::{DatabaseUrl, Engine};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, postgres::PgConnectOptions};
use tempfile::TempDir;

mod crash;
mod dump;

/// The role that owns the databases.
pub const OWNER: &str = "app";
/// Its password, with everything in it that a URL has to escape.
pub const PASSWORD: &str = "p@ss/w:o?r#d 100%";

const START_TIMEOUT: Duration = Duration::from_secs(60);
const SUPERUSER: &str = "coffer_super";
/// Runs the server, and stops it when the pipe to this process closes: when the server is dropped, but also when the
/// tests are killed. Ends when the server ends.
const KEEPER: &str = r#"
exec 3<&0
"$@" 3<&- </dev/null &
server=$!
{ read -r _ <&3; kill -QUIT $server; } &
keeper=$!
wait $server
kill $keeper
"#;

/// A running server. Dropping it stops the server and removes its data.
#[derive(Debug)]
pub struct Server {
    child: Mutex<Child>,
    folder: TempDir,
    port: u16,
    account: Option<Account>,
    databases: AtomicU32,
}

/// The system account that runs the server when the tests run as root, which PostgreSQL refuses.
#[derive(Clone, Copy, Debug)]
struct Account {
    user: u32,
    group: u32,
}

static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());

impl Server {
    /// The server that the tests of one program share while any of them needs it.
    ///
    /// # Panics
    /// If there is no PostgreSQL, or it does not start.
    #[must_use]
    pub fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return server;
        }
        let server = Arc::new(Self::start());
        *shared = Arc::downgrade(&server);
        server
    }

    /// Starts a server of its own.
    ///
    /// # Panics
    /// If there is no PostgreSQL, or it does not start.
    #[must_use]
    pub fn start() -> Self {
        let programs = programs();
        let account = (fs::metadata("/proc/self").unwrap().uid() == 0).then(unprivileged_account);
        let folder = tempfile::Builder::new()
            .prefix("coffer-pg-")
            .tempdir()
            .unwrap();
        if let Some(account) = account {
            chown(folder.path(), Some(account.user), Some(account.group)).unwrap();
        }
        let data = folder.path().join("data");
        let output = run_as(account, &programs.join("initdb"), folder.path())
            .arg("-D")
            .arg(&data)
            .args(["-U", SUPERUSER, "-E", "UTF8", "--locale=C.UTF-8"])
            .args([
                "--auth-local=trust",
                "--auth-host=scram-sha-256",
                "--no-sync",
            ])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "initdb failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        // Another program may take the free port first; then the server ends at once, and another port is tried.
        for _ in 0..5 {
            let port = free_port();
            let mut child = spawn(account, folder.path(), port);
            if wait_until_ready(&mut child, &data) {
                let server = Self {
                    child: Mutex::new(child),
                    folder,
                    port,
                    account,
                    databases: AtomicU32::new(0),
                };
                server.make_owner();
                return server;
            }
        }
        panic!(
            "PostgreSQL does not start: {}",
            fs::read_to_string(folder.path().join("log")).unwrap_or_default()
        );
    }

    fn make_owner(&self) {
        // Server::start is not async, so that it can be used from anywhere; this one statement has its own runtime.
        let options = self.superuser("postgres");
        let create = format!(
            "CREATE ROLE {OWNER} LOGIN PASSWORD '{}' NOSUPERUSER",
            PASSWORD.replace('\'', "''")
        );
        thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(async {
                    let mut connection = PgConnection::connect_with(&options).await.unwrap();
                    connection.execute(AssertSqlSafe(create)).await.unwrap();
                    connection.close().await.unwrap();
                });
        })
        .join()
        .unwrap();
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The folder of its socket, where the superuser needs no password.
    #[must_use]
    pub fn socket_folder(&self) -> &Path {
        self.folder.path()
    }

    /// How the superuser signs in.
    #[must_use]
    pub fn superuser(&self, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(self.folder.path())
            .port(self.port)
            .username(SUPERUSER)
            .database(database)
    }

    /// Makes an empty database that the application's role owns, and returns its name.
    pub async fn create_database(&self) -> String {
        let name = format!("db{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let mut connection = PgConnection::connect_with(&self.superuser("postgres"))
            .await
            .unwrap();
        connection
            .execute(AssertSqlSafe(format!(
                "CREATE DATABASE {name} OWNER {OWNER}"
            )))
            .await
            .unwrap();
        connection.close().await.unwrap();
        name
    }

    /// The URL of a database, with the owner's password.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        self.url_of(OWNER, self.port, database)
    }

    /// The URL of a database for a role that has the owner's password, through a port that leads to the server.
    #[must_use]
    pub fn url_of(&self, role: &str, port: u16, database: &str) -> String {
        let mut url = url::Url::parse("postgres://127.0.0.1").unwrap();
        url.set_port(Some(port)).unwrap();
        url.set_username(role).unwrap();
        // Percent-encodes everything that would end the password.
        url.set_password(Some(PASSWORD)).unwrap();
        url.set_path(database);
        url.to_string()
    }

    /// The engine for a database, signed in as its owner.
    #[must_use]
    pub fn engine(&self, database: &str) -> Box<dyn Engine> {
        coffer_server::engine::open(&DatabaseUrl::parse(&self.url(database)).unwrap())
    }

    /// A connection of the application's own. Its statements end after a minute, so that no test waits forever.
    pub async fn connect(&self, database: &str) -> PgConnection {
        let options = PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .username(OWNER)
            .password(PASSWORD)
            .options([("statement_timeout", "60s")])
            .database(database);
        PgConnection::connect_with(&options).await.unwrap()
    }

    /// A connection of the superuser.
    pub async fn connect_superuser(&self, database: &str) -> PgConnection {
        PgConnection::connect_with(&self.superuser(database))
            .await
            .unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        drop(child.stdin.take());
        let _ = child.wait();
    }
}

/// Runs SQL that may hold several statements.
pub async fn run(connection: &mut PgConnection, sql: &str) {
    connection
        .execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned())))
        .await
        .unwrap();
}

/// The one column of a query's rows as text, sorted; NULL is the empty text.
pub async fn texts(connection: &mut PgConnection, sql: &str) -> Vec<String> {
    let query = format!("SELECT COALESCE(value::text, '') FROM ({sql}) AS result (value)");
    let mut texts: Vec<String> = sqlx::query_scalar(AssertSqlSafe(query))
        .fetch_all(connection)
        .await
        .unwrap();
    texts.sort();
    texts
}

/// The folder of `initdb` and `postgres`.
fn programs() -> PathBuf {
    if let Some(folder) = env::var_os("COFFER_POSTGRES_BIN") {
        return folder.into();
    }
    let in_path = env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = env::split_paths(&in_path).collect();
    let mut installed: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|entries| {
            entries
                .flatten()
                .map(|entry| entry.path().join("bin"))
                .collect()
        })
        .unwrap_or_default();
    installed.sort();
    folders.extend(installed.into_iter().rev());
    folders
        .into_iter()
        .find(|folder| {
            ["initdb", "postgres"]
                .iter()
                .all(|program| folder.join(program).exists())
        })
        .expect("PostgreSQL's server programs are needed: name their folder in COFFER_POSTGRES_BIN")
}

fn unprivileged_account() -> Account {
    let accounts = fs::read_to_string("/etc/passwd").unwrap();
    ["postgres", "nobody"]
        .iter()
        .find_map(|name| {
            let line = accounts
                .lines()
                .find(|line| line.split(':').next() == Some(name))?;
            let mut numbers = line.split(':').skip(2).map(str::parse);
            Some(Account {
                user: numbers.next()?.ok()?,
                group: numbers.next()?.ok()?,
            })
        })
        .expect("as root, the account postgres or nobody is needed to run PostgreSQL")
}

fn run_as(account: Option<Account>, program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).stdin(Stdio::null());
    for (name, _) in env::vars_os() {
        // Settings for clients would change what the server's own tools do.
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    if let Some(account) = account {
        command.uid(account.user).gid(account.group);
    }
    command
}

/// Runs the server on a port, and a shell that stops it when the pipe to it closes.
fn spawn(account: Option<Account>, folder: &Path, port: u16) -> Child {
    run_as(account, Path::new("/bin/sh"), folder)
        .args(["-c", KEEPER, "sh"])
        .arg(programs().join("postgres"))
        .arg("-D")
        .arg(folder.join("data"))
        .args(["-c", "listen_addresses=127.0.0.1"])
        .args(["-c", &format!("port={port}")])
        .args([
            "-c",
            &format!("unix_socket_directories={}", folder.display()),
        ])
        // Nobody needs the data after a crash of the machine.
        .args(["-c", "fsync=off", "-c", "full_page_writes=off"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(fs::File::create(folder.join("log")).unwrap())
        .spawn()
        .unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Waits until the server takes connections; `false` if it ended instead.
fn wait_until_ready(child: &mut Child, data: &Path) -> bool {
    let started = Instant::now();
    while started.elapsed() < START_TIMEOUT {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        // The last line of the server's lock file is its state.
        let state = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
        if state.lines().nth(7).map(str::trim) == Some("ready") {
            return true;
        }
        thread::sleep(Duration::from_millis(20));
    }
    drop(child.stdin.take());
    let _ = child.wait();
    false
}
