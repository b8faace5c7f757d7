//! The accept loop: which connections are taken, how long they may dawdle, and how they end.
//!
//! Connections cost little while they are idle, so many are allowed. What they must not do is to keep others out:
//! a request's head has to arrive in time (which also ends a connection that asks nothing for that long), so have the
//! pieces of a body, and the process keeps file descriptors for itself.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tower::ServiceExt;
use tower_http::timeout::TimeoutBody;

/// How long a request's head may take, and a connection may wait for its next request.
const HEAD: Duration = Duration::from_secs(30);
/// How long a request's body may pause.
const BODY: Duration = Duration::from_secs(60);
/// Most connections at once, however many descriptors there are: each has buffers of some kilobytes.
const MAX_CONNECTIONS: u64 = 16 << 10;
/// File descriptors that databases, archives and the catalog have for themselves.
const OWN_FILES: u64 = 512;
/// How long nothing is accepted when the system has no descriptor left.
const NO_FILES_PAUSE: Duration = Duration::from_secs(1);

/// What connections may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    head: Duration,
    body: Duration,
    connections: usize,
}

impl Limits {
    /// Those of this process, whose limit of open files is raised as far as it may be.
    pub(super) fn of_process() -> Self {
        Self {
            head: HEAD,
            body: BODY,
            connections: connections(raise_open_files()),
        }
    }
}

/// Answers connections until `stop` resolves; then takes no more, and returns when those that are open have had their
/// answers.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    stop: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let open = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let next = async {
            // Whoever waits for a place waits in the system's queue. A place comes free, since nobody may dawdle.
            let place = places.clone().acquire_owned().await.ok()?;
            let (stream, peer) = accept(&listener).await;
            Some((place, stream, peer))
        };
        let taken = tokio::select! {
            taken = next => taken,
            () = &mut stop => break,
        };
        // The semaphore is never closed.
        let Some((place, stream, peer)) = taken else {
            break;
        };
        let connection = Connection {
            stream,
            peer,
            router: router.clone(),
            open: open.watcher(),
            _place: place,
        };
        tokio::spawn(connection.answer(limits));
    }
    drop(listener);
    open.shutdown().await;
}

/// The next connection. What goes wrong with one that is not there yet is no reason to stop.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if of_the_peer(&error) => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be accepted for now");
                tokio::time::sleep(NO_FILES_PAUSE).await;
            }
        }
    }
}

/// Whether the other side went away before it was accepted.
fn of_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}

struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    open: Watcher,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    async fn answer(self, limits: Limits) {
        let Self { peer, router, .. } = self;
        // Without it small answers would wait for acknowledgements; it only costs time when it fails.
        let _ = self.stream.set_nodelay(true);
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let router = router.clone();
            async move {
                let mut request: Request =
                    request.map(|body| Body::new(TimeoutBody::new(limits.body, body)));
                request.extensions_mut().insert(ConnectInfo(peer));
                Ok::<_, Infallible>(match router.oneshot(request).await {
                    Ok(response) => response,
                    Err(never) => match never {},
                })
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head)
            .serve_connection(TokioIo::new(self.stream), service);
        if let Err(error) = self.open.watch(connection).await {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

/// Raises this process's limit of open files as far as it may and needs to be, and says what it is.
fn raise_open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let most = MAX_CONNECTIONS + OWN_FILES;
    let wanted = limit.maximum.map_or(most, |allowed| allowed.min(most));
    let files = limit.current.unwrap_or(wanted);
    if files >= wanted {
        return files;
    }
    let raised = Rlimit {
        current: Some(wanted),
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => wanted,
        Err(error) => {
            tracing::warn!(%error, files, "the limit of open files could not be raised");
            files
        }
    }
}

/// Connections that may be open when the process may have `files` files open.
fn connections(files: u64) -> usize {
    // Where there are few at all, half are for connections.
    let most = files.saturating_sub(OWN_FILES).max(files / 2);
    usize::try_from(most.clamp(1, MAX_CONNECTIONS)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
