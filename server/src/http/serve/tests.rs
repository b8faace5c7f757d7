use axum::routing::{get, post};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::{Notify, oneshot},
    task::JoinHandle,
    time::timeout,
};

use super::*;

/// No step of these tests takes longer than that.
const PATIENCE: Duration = Duration::from_secs(20);
const ASK: &[u8] = b"GET /hello HTTP/1.1\r\nHost: here\r\n\r\n";

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
    /// Lets the answer of `/slow` go on.
    go_on: Arc<Notify>,
    /// `/slow` was asked.
    asked: Arc<Notify>,
}

async fn start(limits: Limits) -> Running {
    let (go_on, asked) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let router = Router::new()
        .route(
            "/hello",
            get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move {
                format!("hello {}", peer.ip())
            }),
        )
        .route("/echo", post(|body: String| async move { body }))
        .route(
            "/slow",
            get({
                let (go_on, asked) = (go_on.clone(), asked.clone());
                move || async move {
                    asked.notify_one();
                    go_on.notified().await;
                    "at last"
                }
            }),
        );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let served = tokio::spawn(serve(listener, router, limits, async {
        let _ = stopped.await;
    }));
    Running {
        address,
        stop,
        served,
        go_on,
        asked,
    }
}

const SHORT: Limits = Limits {
    head: Duration::from_millis(300),
    body: Duration::from_millis(300),
    connections: 8,
};

async fn connect(running: &Running, sends: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(sends).await.unwrap();
    stream
}

/// What comes until the server closes the connection. A connection that is reset has ended too.
async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer))
        .await
        .expect("the connection is still open");
    String::from_utf8(answer).unwrap()
}

#[test]
fn files_are_left_for_the_server_itself() {
    assert_eq!(connections(256), 128);
    assert_eq!(connections(1024), 512);
    assert_eq!(connections(4096), 3584);
    assert_eq!(connections(1 << 20), 16 << 10);
    assert_eq!(connections(0), 1);
}

#[tokio::test]
async fn a_request_knows_its_peer_and_an_idle_connection_ends() {
    let running = start(SHORT).await;
    let answer = rest(&mut connect(&running, ASK).await).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.ends_with("hello 127.0.0.1"), "{answer}");
}

#[tokio::test]
async fn a_head_that_never_ends_is_given_up() {
    let running = start(SHORT).await;
    let answer = rest(&mut connect(&running, b"GET /hello HTTP/1.1\r\nHost: h").await).await;
    assert!(!answer.contains("200"), "{answer}");
}

#[tokio::test]
async fn a_body_that_pauses_is_given_up() {
    let running = start(SHORT).await;
    let half = b"POST /echo HTTP/1.1\r\nHost: here\r\nContent-Length: 10\r\n\r\nhalf";
    let answer = rest(&mut connect(&running, half).await).await;
    assert!(!answer.contains("200"), "{answer}");
}

#[tokio::test]
async fn connections_that_do_nothing_keep_others_out_for_a_moment_only() {
    let running = start(Limits {
        connections: 2,
        ..SHORT
    })
    .await;
    let _idle = [connect(&running, b"").await, connect(&running, b"G").await];
    let answer = rest(&mut connect(&running, ASK).await).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn an_answer_that_was_begun_is_finished_when_the_server_is_stopped() {
    let running = start(SHORT).await;
    let mut slow = connect(&running, b"GET /slow HTTP/1.1\r\nHost: here\r\n\r\n").await;
    timeout(PATIENCE, running.asked.notified()).await.unwrap();
    running.stop.send(()).unwrap();
    running.go_on.notify_one();
    let answer = rest(&mut slow).await;
    assert!(answer.ends_with("at last"), "{answer}");
    timeout(PATIENCE, running.served).await.unwrap().unwrap();
    TcpStream::connect(running.address).await.unwrap_err();
}
