//! A web server of a few lines for tests: each answers as the test says, also wrongly.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// A request, as far as tests look at it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// How many requests came before it.
    pub number: usize,
    /// Its path and query.
    pub path: String,
    /// The first and last byte of its Range header.
    pub range: Option<(usize, usize)>,
    headers: Vec<(String, String)>,
}

impl Asked {
    /// A header's value, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The right answer to a range of `content`; the whole of it without a range or for another tag in If-Range.
    #[must_use]
    pub fn answer(&self, content: &[u8], tag: &str) -> Answer {
        let same = self.header("if-range").is_none_or(|wanted| wanted == tag);
        let tagged = |answer: Answer| answer.with("ETag", tag);
        match self.range {
            Some((first, last)) if same && first < content.len() => {
                let last = last.min(content.len() - 1);
                tagged(Answer::new(206, content[first..=last].to_vec()).with(
                    "Content-Range",
                    &format!("bytes {first}-{last}/{}", content.len()),
                ))
            }
            Some(_) if same => tagged(
                Answer::new(416, Vec::new())
                    .with("Content-Range", &format!("bytes */{}", content.len())),
            ),
            _ => tagged(Answer::new(200, content.to_vec())),
        }
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    sent: usize,
}

impl Answer {
    /// An answer with a body of its length.
    #[must_use]
    pub fn new(status: u16, body: Vec<u8>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            sent: body.len(),
            body,
        }
    }

    /// This one with a further header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(key, _)| key != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// This one without a header.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(key, _)| key != name);
        self
    }

    /// This one, but the connection ends after so many bytes of the body.
    #[must_use]
    pub fn cut_after(mut self, bytes: usize) -> Self {
        self.sent = self.sent.min(bytes);
        self
    }
}

/// A running server. It ends with the process.
#[derive(Clone, Debug)]
pub struct RangeServer {
    port: u16,
    log: Arc<Mutex<Log>>,
}

#[derive(Debug, Default)]
struct Log {
    asked: Vec<Asked>,
    sent: u64,
}

impl RangeServer {
    /// Starts one on a port of the loopback interface.
    ///
    /// # Panics
    /// If the system gives no port.
    pub fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            log: Arc::default(),
        };
        let (running, answer) = (server.clone(), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (running, answer) = (running.clone(), answer.clone());
                thread::spawn(move || running.serve(&stream, &*answer));
            }
        });
        server
    }

    /// Starts one that answers ranges of `content` as it should.
    #[must_use]
    pub fn of(content: Vec<u8>) -> Self {
        Self::start(move |asked| asked.answer(&content, "\"v1\""))
    }

    /// An address on it.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The requests so far.
    ///
    /// # Panics
    /// If an answer panicked.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.log.lock().unwrap().asked.clone()
    }

    /// Bytes of bodies sent so far.
    ///
    /// # Panics
    /// If an answer panicked.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.log.lock().unwrap().sent
    }

    /// Answers the requests of one connection until one side ends it.
    fn serve(&self, mut stream: &TcpStream, answer: &dyn Fn(&Asked) -> Answer) {
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        while let Some(first) = lines.next() {
            let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
            let headers: Vec<_> = lines
                .by_ref()
                .take_while(|line| !line.is_empty())
                .filter_map(|line| {
                    let (key, value) = line.split_once(':')?;
                    Some((key.to_ascii_lowercase(), value.trim().to_owned()))
                })
                .collect();
            let mut asked = Asked {
                number: 0,
                path,
                range: None,
                headers,
            };
            asked.range = asked.header("range").and_then(|range| {
                let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
                Some((first.parse().ok()?, last.parse().ok()?))
            });
            {
                let mut log = self.log.lock().unwrap();
                asked.number = log.asked.len();
                log.asked.push(asked.clone());
            }
            let answer = answer(&asked);
            let mut head = format!(
                "HTTP/1.1 {} Answer\r\nContent-Length: {}\r\n",
                answer.status,
                answer.body.len()
            );
            for (key, value) in &answer.headers {
                head.push_str(&format!("{key}: {value}\r\n"));
            }
            head.push_str("\r\n");
            let body = &answer.body[..answer.sent];
            self.log.lock().unwrap().sent += body.len() as u64;
            let written = stream
                .write_all(head.as_bytes())
                .and_then(|()| stream.write_all(body));
            if written.is_err() || answer.sent < answer.body.len() {
                break;
            }
        }
        drop(stream.shutdown(std::net::Shutdown::Both));
    }
}
