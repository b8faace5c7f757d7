//! A connection that is cut in the middle: a proxy on the loopback that passes on so many bytes, and then nothing.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the program to the server.
    Up,
    /// From the server to the program.
    Down,
}

/// A commit in PostgreSQL's protocol, a message of its own.
const COMMIT: &[u8] = b"COMMIT\0";

/// Stands between a program and a server on the loopback.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Bytes that went each way since the last [`Proxy::cut_after`] or [`Proxy::mend`].
    up: u64,
    down: u64,
    /// After how many bytes one way everything is cut.
    limit: Option<(Way, u64)>,
    /// Commits that went up.
    commits: u64,
    /// At which commit everything is cut, and whether it still goes up.
    commit: Option<(u64, bool)>,
    cut: bool,
    open: Vec<TcpStream>,
}

impl State {
    /// How many of the bytes may go on; after fewer than all, everything is cut.
    fn pass(&mut self, way: Way, bytes: &[u8]) -> usize {
        if self.cut {
            return 0;
        }
        let count = bytes.len();
        if way == Way::Up && bytes.windows(COMMIT.len()).any(|bytes| bytes == COMMIT) {
            self.commits += 1;
            if let Some((number, goes_up)) = self.commit
                && number == self.commits
            {
                self.cut = true;
                return if goes_up { count } else { 0 };
            }
        }
        let passed = match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        };
        let allowed = match self.limit {
            Some((limited, limit)) if limited == way => {
                let left = usize::try_from(limit - *passed).unwrap_or(usize::MAX);
                self.cut = left <= count;
                left.min(count)
            }
            _ => count,
        };
        *passed += allowed as u64;
        allowed
    }

    fn close_all(&mut self) {
        for stream in self.open.drain(..) {
            // One that the other side closed needs no closing.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Proxy {
    /// A proxy to a port of 127.0.0.1, which passes on everything. Its threads end with the process.
    #[must_use]
    pub fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            state: Arc::default(),
        };
        let state = proxy.state.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(upstream) = TcpStream::connect(("127.0.0.1", server)) else {
                    continue;
                };
                let mut now = lock(&state);
                if now.cut {
                    continue;
                }
                for stream in [&client, &upstream] {
                    stream.set_nodelay(true).unwrap();
                    now.open.push(stream.try_clone().unwrap());
                }
                drop(now);
                for (way, from, to) in [
                    (Way::Up, &client, &upstream),
                    (Way::Down, &upstream, &client),
                ] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let state = state.clone();
                    thread::spawn(move || forward(way, from, to, &state));
                }
            }
        });
        proxy
    }

    /// Where it listens.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Cuts all connections once so many bytes went that way, all together and from now on; none can be made then.
    pub fn cut_after(&self, way: Way, bytes: u64) {
        *lock(&self.state) = State {
            limit: Some((way, bytes)),
            ..State::default()
        };
    }

    /// Cuts all connections at that commit from now on: before it goes up, or after that, so that its answer is lost.
    pub fn cut_at_commit(&self, number: u64, goes_up: bool) {
        *lock(&self.state) = State {
            commit: Some((number, goes_up)),
            ..State::default()
        };
    }

    /// Commits that went up.
    #[must_use]
    pub fn commits(&self) -> u64 {
        lock(&self.state).commits
    }

    /// Passes on everything again.
    pub fn mend(&self) {
        *lock(&self.state) = State::default();
    }

    /// The bytes that went up and down.
    #[must_use]
    pub fn passed(&self) -> (u64, u64) {
        let state = lock(&self.state);
        (state.up, state.down)
    }

    /// Whether the limit was reached.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        lock(&self.state).cut
    }
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn forward(way: Way, mut from: TcpStream, mut to: TcpStream, state: &Mutex<State>) {
    // Nobody waits forever for a connection that was forgotten.
    let _ = from.set_read_timeout(Some(Duration::from_secs(300)));
    let mut buffer = vec![0; 16 << 10];
    loop {
        let count = from.read(&mut buffer).unwrap_or(0);
        let (allowed, cut) = {
            let mut now = lock(state);
            (now.pass(way, &buffer[..count]), now.cut)
        };
        let written = to.write_all(&buffer[..allowed]);
        if cut {
            lock(state).close_all();
            return;
        }
        if count == 0 || written.is_err() {
            let _ = to.shutdown(Shutdown::Write);
            return;
        }
    }
}
