//! A server that is killed, and started again on what it left.

use std::{
    fs,
    path::PathBuf,
    sync::PoisonError,
    thread,
    time::{Duration, Instant},
};

use sqlx::{Connection, PgConnection};

use super::{OWNER, START_TIMEOUT, Server, spawn, wait_until_ready};

const PAUSE: Duration = Duration::from_millis(10);

impl Server {
    /// Kills all processes of the server at once: nothing is written any more, as when the machine loses power, but for
    /// what the system already has.
    ///
    /// # Panics
    /// If one of them doesn't end.
    pub fn kill(&self) {
        let postmaster = self.postmaster();
        // So that it starts no other process meanwhile.
        signal(postmaster, libc::SIGSTOP);
        let children = children(postmaster);
        for pid in children.iter().chain([&postmaster]) {
            signal(*pid, libc::SIGKILL);
        }
        let mut shell = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        shell.wait().unwrap();
        wait_until_gone(&children);
        // It would say that the server is ready.
        fs::remove_file(self.lock_file()).unwrap();
    }

    /// Starts the server again on the same port, once it was killed.
    ///
    /// # Panics
    /// If it doesn't start.
    pub fn start_again(&self) {
        let mut shell = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        *shell = spawn(self.account, self.folder.path(), self.port);
        let ready = wait_until_ready(&mut shell, &self.folder.path().join("data"));
        assert!(
            ready,
            "{}",
            fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
        );
    }

    /// Kills a process that serves the owner's sessions with a database, upon which the server ends all sessions and
    /// recovers. Returns when it takes connections again; `false` if there is no such session.
    ///
    /// # Panics
    /// If it takes none.
    pub fn kill_session(&self, database: &str) -> bool {
        let title = format!("postgres: {OWNER} {database} ");
        let before = children(self.postmaster());
        let session = before.iter().copied().find(|pid| {
            fs::read_to_string(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|command| command.starts_with(&title))
        });
        let Some(session) = session else {
            return false;
        };
        signal(session, libc::SIGKILL);
        wait_until_gone(&before);
        let options = self.superuser("postgres");
        let connected = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let deadline = Instant::now() + START_TIMEOUT;
            runtime.block_on(async {
                loop {
                    match PgConnection::connect_with(&options).await {
                        Ok(connection) => break connection.close().await.unwrap(),
                        Err(error) => assert!(Instant::now() < deadline, "{error}"),
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            });
        });
        connected.join().unwrap();
        true
    }

    fn lock_file(&self) -> PathBuf {
        self.folder.path().join("data/postmaster.pid")
    }

    fn postmaster(&self) -> u32 {
        let text = fs::read_to_string(self.lock_file()).unwrap();
        text.lines().next().unwrap().parse().unwrap()
    }
}

/// The processes that a process started.
fn children(parent: u32) -> Vec<u32> {
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let name = entry.ok()?.file_name().into_string().ok()?;
        name.parse().ok()
    });
    pids.filter(|pid: &u32| parent_of(*pid) == Some(parent))
        .collect()
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // After the name, which may hold anything: the state and the parent.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

fn signal(pid: u32, signal: libc::c_int) {
    let pid = libc::pid_t::try_from(pid).unwrap();
    // SAFETY: kill takes any numbers. These are of processes that were the server's a moment ago.
    let _ = unsafe { libc::kill(pid, signal) };
}

fn wait_until_gone(pids: &[u32]) {
    let deadline = Instant::now() + START_TIMEOUT;
    // A process that ended and that nobody has asked about is gone too.
    let there = |pid: &u32| {
        fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    };
    while pids.iter().any(there) {
        assert!(Instant::now() < deadline, "PostgreSQL can't be killed");
        thread::sleep(PAUSE);
    }
}
