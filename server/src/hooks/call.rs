//! Hooks that are a request to a web server.

use std::{io::Read, time::Duration};

use serde::Deserialize;
use ureq::{
    Agent, Body,
    http::{Request, Response},
};

use crate::program::KEPT_OUTPUT;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Where to: http or https, without user name and password.
    pub url: String,
    /// Its method.
    pub method: Method,
    /// Its headers.
    pub headers: Vec<Header>,
}

/// The method of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// GET.
    Get,
    /// POST, without a body.
    #[default]
    Post,
    /// PUT, without a body.
    Put,
    /// DELETE.
    Delete,
}

/// A header of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// What it says.
    pub value: HeaderValue,
}

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderValue {
    /// This.
    Text(String),
    /// What is in this environment variable: secrets are given so.
    Variable(String),
}

impl Method {
    const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

impl Call {
    /// Makes the request. Returns why it counts as failed, if it does, and the beginning of the answer. An answer that
    /// sends elsewhere is not followed, since headers may hold secrets.
    pub(super) fn make(&self, time_limit: Duration) -> (Option<String>, String) {
        match self.answer(time_limit) {
            Ok(mut response) => {
                let status = response.status();
                let failure = (!status.is_success()).then(|| format!("the answer was {status}"));
                (failure, beginning(response.body_mut()))
            }
            Err(failure) => (Some(failure), String::new()),
        }
    }

    fn answer(&self, time_limit: Duration) -> Result<Response<Body>, String> {
        let mut request = Request::builder().method(self.method.name()).uri(&self.url);
        for header in &self.headers {
            let value = match &header.value {
                HeaderValue::Text(text) => text.clone(),
                HeaderValue::Variable(name) => std::env::var(name)
                    .map_err(|_| format!("the environment variable {name} is not set"))?,
            };
            request = request.header(&header.name, value);
        }
        let unsendable = |_| "a header's value has characters that cannot be sent".to_owned();
        let agent: Agent = Agent::config_builder()
            .timeout_global(Some(time_limit))
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("coffer/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        let answer = match self.method {
            Method::Get | Method::Delete => agent.run(request.body(()).map_err(unsendable)?),
            // An empty body is one, so that its length is said.
            Method::Post | Method::Put => agent.run(request.body("").map_err(unsendable)?),
        };
        answer.map_err(|error| format!("it could not be made: {error}"))
    }
}

fn beginning(body: &mut Body) -> String {
    let mut text = Vec::new();
    let read = body
        .as_reader()
        .take(KEPT_OUTPUT as u64)
        .read_to_end(&mut text);
    let mut text = String::from_utf8_lossy(&text).into_owned();
    if let Err(error) = read {
        text.push_str(&format!("\n(the rest was not read: {error})"));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader, Write},
        net::TcpListener,
        thread::JoinHandle,
    };

    use super::*;

    /// Answers one request, and gives what was asked.
    fn server(answer: &'static str) -> (String, JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/reindex", listener.local_addr().unwrap());
        let asked = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap())
                .lines()
                .map(Result::unwrap)
                .take_while(|line| !line.is_empty())
                .collect();
            stream.write_all(answer.as_bytes()).unwrap();
            lines
        });
        (url, asked)
    }

    fn call(url: &str) -> Call {
        let header = |name: &str, value| Header {
            name: name.to_owned(),
            value,
        };
        Call {
            url: url.to_owned(),
            method: Method::Post,
            headers: vec![
                header("X-Reason", HeaderValue::Text("restore".to_owned())),
                header("X-Home", HeaderValue::Variable("PATH".to_owned())),
            ],
        }
    }

    const LIMIT: Duration = Duration::from_secs(60);

    #[test]
    fn a_request_is_made_and_its_answer_kept() {
        let (url, asked) = server(
            "HTTP/1.1 202 Accepted\r\ncontent-length: 7\r\nconnection: close\r\n\r\nqueued\n",
        );
        assert_eq!(call(&url).make(LIMIT), (None, "queued\n".to_owned()));
        let asked = asked.join().unwrap();
        assert_eq!(asked[0], "POST /reindex HTTP/1.1");
        let path = format!("x-home: {}", std::env::var("PATH").unwrap());
        for line in ["x-reason: restore", &path] {
            assert!(
                asked.iter().any(|asked| asked.eq_ignore_ascii_case(line)),
                "{asked:?}"
            );
        }
    }

    #[test]
    fn other_answers_are_failures_and_nobody_is_sent_elsewhere() {
        for answer in [
            "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 4\r\nconnection: close\r\n\r\noops",
            "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 4\r\nconnection: close\r\n\r\noops",
        ] {
            let (url, asked) = server(answer);
            let (failure, output) = call(&url).make(LIMIT);
            let status = answer.split(['\r', ' ']).nth(1).unwrap();
            assert!(failure.unwrap().contains(status));
            assert_eq!(output, "oops");
            asked.join().unwrap();
        }
    }

    #[test]
    fn a_server_that_says_nothing_and_a_variable_that_is_not_set_are_failures() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (failure, _) = call(&url).make(Duration::from_millis(300));
        assert!(failure.is_some());
        let mut call = call(&url);
        call.headers[1].value = HeaderValue::Variable("COFFER_TEST_NOT_SET".to_owned());
        let (failure, _) = call.make(LIMIT);
        assert!(failure.unwrap().contains("COFFER_TEST_NOT_SET is not set"));
    }
}
