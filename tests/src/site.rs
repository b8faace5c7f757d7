//! A server of a test's own, with the demo application, and a client that talks to it as a browser would.

use std::{
    io::Read,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use base64ct::{Base64, Encoding};
use coffer_server::http::{DEFAULT_UPLOAD_QUOTA, ServeOptions, Server};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use ureq::{Agent, http};

use crate::planned::Served;

/// Longest wait for one answer, or for a run.
const LIMIT: Duration = Duration::from_secs(120);
/// The first administrator, whom a site signs in as.
pub const NAME: &str = "Ada";
/// The password that signs that one in.
pub const PASSWORD: &str = "correct horse battery";
const JSON: (&str, &str) = ("content-type", "application/json");
/// What every request of tus 1.0 carries.
pub const TUS: (&str, &str) = ("tus-resumable", "1.0.0");

/// How a test's server is started.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// With the demo application.
    pub demo: bool,
    /// Bytes that unfinished uploads may have together.
    pub upload_quota: u64,
}

impl Default for Start {
    fn default() -> Self {
        Self {
            demo: true,
            upload_quota: DEFAULT_UPLOAD_QUOTA,
        }
    }
}

/// A running server. It is stopped in order when dropped.
#[derive(Debug)]
pub struct Site {
    /// Where it listens.
    pub address: SocketAddr,
    /// The one-time token of the link that it gave; empty once there are users.
    pub token: String,
    /// The folder where it keeps everything; gone with the last that holds it.
    pub data: PathBuf,
    agent: Agent,
    cookie: Option<String>,
    /// What restores do is compared with the plans that were shown.
    served: Arc<Mutex<Served>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// HTTP's status.
    pub status: u16,
    /// The headers.
    pub headers: http::HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", String::from_utf8_lossy(&self.body)))
    }

    /// A header's text; empty if it is missing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap_or("?"))
    }

    /// Status and stable code of a problem.
    #[must_use]
    pub fn problem(&self) -> (u16, String) {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{self:?}"
        );
        let body = self.json();
        assert_eq!(body["status"], self.status);
        assert!(
            body["detail"]
                .as_str()
                .is_some_and(|detail| detail.len() > 10)
        );
        (self.status, body["code"].as_str().unwrap_or("").to_owned())
    }

    /// This answer, once it is known to have the status.
    ///
    /// # Panics
    /// If it has not.
    pub fn expect(self, status: u16) -> Self {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{text}");
        self
    }
}

impl Site {
    /// Starts a server whose data is in `data`.
    ///
    /// # Panics
    /// If it doesn't start.
    #[must_use]
    pub fn start(data: PathBuf, start: Start) -> Self {
        Self::start_with(ServeOptions {
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            data,
            catalog: None,
            store: None,
            web: None,
            demo: start.demo,
            sources: Vec::new(),
            allow_remote: false,
            hosts: vec!["backup.example".into()],
            trusted_proxies: Vec::new(),
            upload_quota: start.upload_quota,
            user_upload_quota: start.upload_quota,
            safety_recipients: Vec::new(),
        })
    }

    /// Starts a server with options of the test's own.
    ///
    /// # Panics
    /// If it doesn't start.
    #[must_use]
    pub fn start_with(options: ServeOptions) -> Self {
        let data = options.data.clone();
        let (stop, stopped) = oneshot::channel();
        let (ready, started) = mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let server = Server::start(options).await.unwrap();
                let link = server.set_up_link().map(|link| link.as_str().to_owned());
                let link = link.unwrap_or_else(|| format!("http://{}/#set-up=", server.address()));
                ready.send((server.address(), link)).unwrap();
                let stop = async {
                    stopped.await.ok();
                };
                server.run(stop).await;
            });
        });
        let (address, link) = started.recv().expect("the server starts");
        let mut site = Self::reached(&link, data);
        assert_eq!(site.address, address);
        site.stop = Some(stop);
        site.thread = Some(thread);
        site
    }

    /// A server that somebody else started, by the link that it printed.
    ///
    /// # Panics
    /// If the link is none.
    #[must_use]
    pub fn reached(link: &str, data: PathBuf) -> Self {
        let (address, token) = link
            .strip_prefix("http://")
            .and_then(|link| link.split_once("/#set-up="))
            .expect("a link to make the first administrator");
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_global(Some(LIMIT))
            .build()
            .into();
        Self {
            address: address.parse().unwrap(),
            token: token.to_owned(),
            data,
            agent,
            cookie: None,
            served: Arc::default(),
            stop: None,
            thread: None,
        }
    }

    /// Starts a server and signs in. Its data goes when the folder is dropped.
    #[must_use]
    pub fn signed_in(start: Start) -> (tempfile::TempDir, Self) {
        let folder = tempfile::tempdir().unwrap();
        let mut site = Self::start(folder.path().join("data"), start);
        site.sign_in();
        (folder, site)
    }

    /// Makes the first administrator by the link, or signs in as that one; later requests carry the session.
    pub fn sign_in(&mut self) {
        let answer = if self.token.is_empty() {
            self.post(
                "/api/session",
                &json!({ "name": NAME, "password": PASSWORD }),
            )
        } else {
            let chosen = json!({ "token": self.token, "name": NAME, "password": PASSWORD });
            self.post("/api/session/link", &chosen)
        }
        .expect(204);
        let cookie = answer.header("set-cookie");
        for attribute in ["HttpOnly", "SameSite=Strict", "Path=/"] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
        self.cookie = cookie.split(';').next().map(ToOwned::to_owned);
    }

    /// The session's cookie, to send it in another way.
    #[must_use]
    pub fn cookie(&self) -> &str {
        self.cookie.as_deref().unwrap_or("")
    }

    /// Sends a request with the session's cookie, if there is one.
    ///
    /// # Panics
    /// If no answer comes, or if it says that a restore did anything else than its plan said.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], sent: &[u8]) -> Answer {
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        let response = match method {
            "POST" | "PUT" | "PATCH" => self.agent.run(request.body(sent).unwrap()),
            _ => self.agent.run(request.body(()).unwrap()),
        };
        let (parts, body) = response.expect("an answer").into_parts();
        let mut bytes = Vec::new();
        body.into_reader().read_to_end(&mut bytes).unwrap();
        if parts.status.is_success() {
            let mut served = self.served.lock().unwrap();
            served.heard((method, path), sent, &bytes);
        }
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: bytes,
        }
    }

    /// Another client of the same server, with nothing but what it is given.
    #[must_use]
    pub fn stranger(&self) -> Self {
        let link = format!("http://{}/#set-up={}", self.address, self.token);
        let mut other = Self::reached(&link, self.data.clone());
        other.served = self.served.clone();
        other
    }

    /// Another client, signed in by a one-time link with a password.
    #[must_use]
    pub fn by_link(&self, token: &str, password: &str) -> Self {
        let mut other = self.stranger();
        let chosen = json!({ "token": token, "password": password });
        let answer = other.post("/api/session/link", &chosen).expect(204);
        other.keep_cookie(&answer);
        other
    }

    /// Sends this answer's cookie from now on.
    pub fn keep_cookie(&mut self, answer: &Answer) {
        let cookie = answer.header("set-cookie").split(';').next();
        self.cookie = cookie.map(ToOwned::to_owned);
    }

    /// `GET`
    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], &[])
    }

    /// `POST` of JSON.
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[JSON], body.to_string().as_bytes())
    }

    /// `DELETE`
    pub fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[JSON], &[])
    }

    /// Begins an upload whose length is said later.
    pub fn begin_upload(&self, purpose: &str) -> Answer {
        let metadata = format!("purpose {}", Base64::encode_string(purpose.as_bytes()));
        let headers = [
            TUS,
            ("upload-defer-length", "1"),
            ("upload-metadata", metadata.as_str()),
        ];
        self.send("POST", "/api/uploads", &headers, &[])
    }

    /// Appends a piece to an upload.
    pub fn append(&self, id: &str, offset: u64, piece: &[u8]) -> Answer {
        let offset = offset.to_string();
        let headers = [
            TUS,
            ("content-type", "application/offset+octet-stream"),
            ("upload-offset", offset.as_str()),
        ];
        self.send("PATCH", &format!("/api/uploads/{id}"), &headers, piece)
    }

    /// The id of the demo application.
    #[must_use]
    pub fn demo(&self) -> String {
        let sources = self.get("/api/sources").expect(200).json();
        sources[0]["id"].as_str().unwrap().to_owned()
    }

    /// Follows a run by its events to the end: every event, by its name.
    #[must_use]
    pub fn events(&self, run: &str) -> Vec<(String, Value)> {
        let answer = self.get(&format!("/api/runs/{run}/events")).expect(200);
        assert_eq!(answer.header("content-type"), "text/event-stream");
        let text = String::from_utf8(answer.body).unwrap();
        let events: Vec<(String, Value)> = text
            .split("\n\n")
            .filter(|event| event.contains("data:"))
            .map(|event| {
                let field = |name: &str| {
                    let line = event.lines().find_map(|line| line.strip_prefix(name));
                    line.unwrap_or_default().trim().to_owned()
                };
                let data = serde_json::from_str(&field("data:")).unwrap();
                (field("event:"), data)
            })
            .collect();
        for (_, view) in events.iter().filter(|(name, _)| name == "end") {
            self.served.lock().unwrap().ended(view);
        }
        events
    }

    /// Waits for a run's end by asking.
    ///
    /// # Panics
    /// If it doesn't end.
    #[must_use]
    pub fn ended(&self, run: &str) -> Value {
        let start = Instant::now();
        loop {
            let view = self.get(&format!("/api/runs/{run}")).expect(200).json();
            if view["state"] != "running" {
                return view;
            }
            assert!(start.elapsed() < LIMIT, "{view}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops the server and starts another one on the same data.
    #[must_use]
    pub fn restarted(self, start: Start) -> Self {
        let (data, served) = (self.data.clone(), self.served.clone());
        drop(self);
        let mut site = Self::start(data, start);
        site.served = served;
        site.sign_in();
        site
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop.send(()).ok();
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !thread::panicking()
        {
            panic!("the server panicked");
        }
    }
}
