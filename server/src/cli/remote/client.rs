//! Requests to a server elsewhere, with an API token. Everything here blocks.

use std::{thread, time::Duration};

use getrandom::SysRng;
use rand_core::TryRng;
use serde::{Serialize, de::DeserializeOwned};
use ureq::{
    Agent, Body,
    http::{Method, Request, Response, header},
    tls::{RootCerts, TlsConfig},
};
use url::{Host, Url};
use zeroize::Zeroizing;

use super::{
    super::Failure,
    failure::{Problem, RequestError},
    views::{Begun, Named, Source},
};
use crate::{
    catalog::Id,
    progress::Progress,
    read_at::{HttpSource, Patience, SourceError},
};

/// Time for a connection.
const CONNECT: Duration = Duration::from_secs(15);
/// Time in which an answer must begin: a plan may have to count many rows.
const ANSWER: Duration = Duration::from_secs(600);
/// The largest answer that is read: a plan with the shape of a database, or a long list.
const MAX_ANSWER: u64 = 256 << 20;
/// Pauses between attempts, in milliseconds; then it is given up. A server that is started anew is back by then.
const PAUSES: [u64; 7] = [250, 500, 1000, 2000, 4000, 8000, 15_000];

pub(super) type Answered<T> = Result<T, RequestError>;

/// A server elsewhere.
#[derive(Clone)]
pub(super) struct Client {
    agent: Agent,
    /// Ends in a slash.
    base: Url,
    authorization: Zeroizing<String>,
}

/// Refuses addresses that would show the token to others.
pub(super) fn check_address(address: &Url, insecure: bool) -> Result<(), Failure> {
    if !address.username().is_empty() || address.password().is_some() {
        return Err(Failure::usage(
            "the server's address holds a user name or password, which every user of this machine can see; the token alone says who asks",
        ));
    }
    if address.query().is_some() || address.fragment().is_some() {
        return Err(Failure::usage(
            "the server's address ends in something behind ? or #; give it as far as its path",
        ));
    }
    let here = match address.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match address.scheme() {
        "https" => Ok(()),
        "http" if here || insecure => Ok(()),
        "http" => Err(Failure::usage(
            "http:// would show the token and all else to everybody on the way to that machine; nothing was sent; use https://, or --insecure where you know that way",
        )),
        _ => Err(Failure::usage(
            "a server's address begins with https:// or http://",
        )),
    }
}

impl Client {
    pub(super) fn new(mut base: Url, token: Zeroizing<String>) -> Result<Self, Failure> {
        if !base.path().ends_with('/') {
            let path = format!("{}/", base.path());
            base.set_path(&path);
        }
        let authorization = Zeroizing::new(format!("Bearer {}", token.as_str()));
        let agent = agent(&base, ANSWER);
        Ok(Self {
            agent,
            base,
            authorization,
        })
    }

    fn url(&self, path: &str) -> Answered<Url> {
        self.base
            .join(path)
            .map_err(|error| RequestError::Strange(error.to_string()))
    }

    /// One request and its answer, if that is a success.
    pub(super) fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Answered<Response<Body>> {
        let mut request = Request::builder()
            .method(method)
            .uri(self.url(path)?.as_str())
            .header(header::AUTHORIZATION, self.authorization.as_str());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let strange = |error: ureq::http::Error| RequestError::Strange(error.to_string());
        let answer = match body {
            Some(body) => self.agent.run(request.body(body).map_err(strange)?),
            None => self.agent.run(request.body(()).map_err(strange)?),
        };
        let answer = answer?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        Err(problem(answer))
    }

    /// What is there.
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Answered<T> {
        read(self.send(Method::GET, path, &[], None)?)
    }

    /// As [`Self::get`], and asks again as long as that may help.
    pub(super) fn get_patiently<T: DeserializeOwned>(&self, path: &str) -> Answered<T> {
        patiently(&Progress::default(), || self.get(path))
    }

    /// Has something done that can be asked for as often as one likes.
    pub(super) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Answered<T> {
        read(self.post_with(path, body, &[])?)
    }

    fn post_with(
        &self,
        path: &str,
        body: &impl Serialize,
        more: &[(&str, &str)],
    ) -> Answered<Response<Body>> {
        // It may hold a one-time key.
        let json = Zeroizing::new(
            serde_json::to_vec(body).map_err(|error| RequestError::Strange(error.to_string()))?,
        );
        let mut headers = vec![("content-type", "application/json")];
        headers.extend_from_slice(more);
        self.send(Method::POST, path, &headers, Some(&json))
    }

    /// Asks a run to stop.
    pub(super) fn cancel(&self, run: &str) -> Answered<()> {
        let path = format!("api/runs/{run}/cancel");
        self.post_with(&path, &serde_json::json!({}), &[]).map(drop)
    }

    /// Begins a run, once, however often the answer is lost.
    pub(super) fn begin(&self, path: &str, body: &impl Serialize) -> Answered<Begun> {
        let mut random = [0_u8; 16];
        SysRng
            .try_fill_bytes(&mut random)
            .map_err(|error| RequestError::Strange(format!("no random bytes here: {error}")))?;
        let key: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        patiently(&Progress::default(), || {
            read(self.post_with(path, body, &[("idempotency-key", &key)])?)
        })
    }

    /// The one of a list that is called so, by its id or name.
    pub(super) fn find<T: DeserializeOwned + Named>(
        &self,
        path: &str,
        wanted: &str,
    ) -> Result<T, Failure> {
        let all: Vec<T> = self.get(path)?;
        let mut found: Vec<T> = all
            .into_iter()
            .filter(|one| one.id() == wanted || one.name() == wanted)
            .collect();
        let (what, list) = (T::WHAT, T::LIST);
        match (found.pop(), found.is_empty()) {
            (Some(one), true) => Ok(one),
            (Some(_), false) => Err(Failure::usage(format!(
                "the server has several {list} called {wanted}; name the one by its id"
            ))),
            (None, _) => Err(Failure::usage(format!(
                "the server shows you no {what} called {wanted}; `list {list}` names them"
            ))),
        }
    }

    /// A source by its id or name. Coffer's own configuration is in no list, and has an id; whether there is one, and
    /// for whom, the server says.
    pub(super) fn source(&self, wanted: &str) -> Result<Source, Failure> {
        match self.find("api/sources", wanted) {
            Err(failure) if failure.code == "usage" && Id::parse(wanted).is_ok() => Ok(Source {
                id: wanted.to_owned(),
                ..Source::default()
            }),
            found => found,
        }
    }

    /// A file on the server that is read in place, by ranges.
    pub(super) fn file(&self, path: &str) -> Result<HttpSource, Failure> {
        let patience = Patience::default();
        let url = self.url(path)?;
        let opened = HttpSource::over(
            agent(&url, patience.silence),
            &url,
            Some(self.authorization.clone()),
            patience,
        );
        opened.map_err(|error| match error {
            // The server says it better than its status.
            SourceError::Status { .. } => {
                let first = [("range", "bytes=0-0")];
                match self.send(Method::GET, path, &first, None) {
                    Err(problem) => problem.into(),
                    Ok(_) => Failure::failed(error.code(), error),
                }
            }
            _ => Failure::failed(error.code(), error),
        })
    }
}

fn agent(base: &Url, silence: Duration) -> Agent {
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .build();
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .https_only(base.scheme() == "https")
        // The token is for this server alone.
        .max_redirects(0)
        .user_agent(concat!("coffer/", env!("CARGO_PKG_VERSION")))
        .accept_encoding("identity")
        .tls_config(tls)
        .timeout_connect(Some(CONNECT))
        .timeout_recv_response(Some(silence))
        .timeout_per_read(Some(silence))
        .timeout_per_write(Some(silence));
    let config = if base.scheme() == "https" {
        config
    } else {
        // A proxy would read what is sent in the clear.
        config.proxy(None)
    };
    config.build().new_agent()
}

/// Tries again as long as that may help and nobody asks to stop.
pub(super) fn patiently<T>(
    progress: &Progress,
    mut attempt: impl FnMut() -> Answered<T>,
) -> Answered<T> {
    for pause in PAUSES {
        match attempt() {
            Err(error) if error.passes() && !progress.cancelled() => {}
            answer => return answer,
        }
        thread::sleep(Duration::from_millis(pause));
    }
    attempt()
}

fn read<T: DeserializeOwned>(answer: Response<Body>) -> Answered<T> {
    let bytes = bytes(answer)?;
    serde_json::from_slice(&bytes).map_err(|error| RequestError::Strange(error.to_string()))
}

fn bytes(answer: Response<Body>) -> Answered<Vec<u8>> {
    let body = answer.into_body().into_with_config().limit(MAX_ANSWER);
    Ok(body.read_to_vec()?)
}

fn problem(answer: Response<Body>) -> RequestError {
    let status = answer.status().as_u16();
    let told = bytes(answer).ok();
    let told = told.and_then(|bytes| serde_json::from_slice::<Problem>(&bytes).ok());
    match told {
        Some(Problem { code, detail }) => RequestError::Problem {
            status,
            code,
            detail,
        },
        // A proxy's page, or an answer to HEAD, which has no body.
        None => RequestError::Problem {
            status,
            code: "http_status".to_owned(),
            detail: format!("the server answers with HTTP status {status}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_sent_only_where_nobody_listens() {
        let check = |text: &str, insecure| check_address(&Url::parse(text).unwrap(), insecure);
        for good in [
            "https://backups.example",
            "https://backups.example/coffer/",
            "http://localhost:8620",
            "http://127.0.0.2:1",
            "http://[::1]:8620",
        ] {
            assert!(check(good, false).is_ok(), "{good}");
        }
        for bad in [
            "http://backups.example",
            "http://192.168.0.1",
            "http://localhost.example",
            "ftp://localhost",
            "https://ada@backups.example",
            "https://:secret@backups.example",
            "https://backups.example?token=x",
            "https://backups.example#x",
        ] {
            assert!(check(bad, false).is_err(), "{bad}");
        }
        assert!(check("http://backups.example", true).is_ok());
        assert!(check("http://:secret@backups.example", true).is_err());
    }

    #[test]
    fn addresses_are_below_the_servers_own() {
        let token = Zeroizing::new("t".to_owned());
        let client = Client::new(Url::parse("https://a.example/coffer").unwrap(), token).unwrap();
        let url = client.url("api/sources").unwrap();
        assert_eq!(url.as_str(), "https://a.example/coffer/api/sources");
    }
}
