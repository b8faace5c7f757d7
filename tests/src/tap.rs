//! A wire between a client and a server that a test listens to, and can cut or hold.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// What is done before bytes that hold the words are passed on, once.
type Then = Box<dyn FnOnce() + Send>;

/// A wire. It ends with the process.
#[derive(Clone)]
pub struct Tap {
    /// Where clients connect.
    pub address: SocketAddr,
    inner: Arc<Inner>,
}

struct Inner {
    server: SocketAddr,
    sent: Mutex<Vec<u8>>,
    answered: AtomicU64,
    /// Answers stop after so many bytes, with the connection open.
    hold: AtomicU64,
    before: Mutex<Option<(String, Then)>>,
}

impl std::fmt::Debug for Tap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Tap").field(&self.address).finish()
    }
}

impl Tap {
    /// A wire to a server.
    ///
    /// # Panics
    /// If the system gives no port.
    #[must_use]
    pub fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let tap = Self {
            address: listener.local_addr().unwrap(),
            inner: Arc::new(Inner {
                server,
                sent: Mutex::default(),
                answered: AtomicU64::new(0),
                hold: AtomicU64::new(u64::MAX),
                before: Mutex::default(),
            }),
        };
        let inner = tap.inner.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(inner.server) else {
                    continue;
                };
                let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let (there, here) = (inner.clone(), inner.clone());
                thread::spawn(move || there.forth(client, server));
                thread::spawn(move || here.back(back.0, back.1));
            }
        });
        tap
    }

    /// The address as the program takes it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every byte that clients sent so far.
    #[must_use]
    pub fn sent(&self) -> Vec<u8> {
        self.inner.sent.lock().unwrap().clone()
    }

    /// From now on answers stop after so many bytes more, and connections stay open; `u64::MAX` for never.
    pub fn hold_after(&self, bytes: u64) {
        let from = self.inner.answered.load(Ordering::SeqCst);
        self.inner
            .hold
            .store(from.saturating_add(bytes), Ordering::SeqCst);
    }

    /// Does something before the next bytes that hold `words` reach the server.
    pub fn before(&self, words: &str, then: impl FnOnce() + Send + 'static) {
        *self.inner.before.lock().unwrap() = Some((words.to_owned(), Box::new(then)));
    }
}

impl Inner {
    fn forth(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            let bytes = &buffer[..read];
            self.sent.lock().unwrap().extend_from_slice(bytes);
            let mut before = self.before.lock().unwrap();
            let due = before
                .as_ref()
                .is_some_and(|(words, _)| memchr::memmem::find(bytes, words.as_bytes()).is_some());
            if due && let Some((_, then)) = before.take() {
                then();
            }
            drop(before);
            if to.write_all(bytes).is_err() {
                break;
            }
        }
        to.shutdown(Shutdown::Write).ok();
    }

    fn back(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            while self.answered.load(Ordering::SeqCst) + read as u64
                > self.hold.load(Ordering::SeqCst)
            {
                thread::sleep(Duration::from_millis(10));
            }
            self.answered.fetch_add(read as u64, Ordering::SeqCst);
            if to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        to.shutdown(Shutdown::Both).ok();
    }
}
