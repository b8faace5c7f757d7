//! A file on a web server, read by range requests (RFC 9110, section 14).
//!
//! The first request tells the size and, if the server gives a strong one, the entity tag. Every other request names
//! that tag in `If-Range`, and every answer is compared with it and with the size: a file that was replaced meanwhile
//! is an error, never a mixture of two files.

use std::{fmt, io, io::Read, thread, time::Duration};

use base64ct::{Base64, Encoding};
use percent_encoding::percent_decode_str;
use ureq::{
    Agent, Body,
    http::{HeaderMap, HeaderName, Response, StatusCode, header},
};
use url::Url;
use zeroize::Zeroizing;

use super::{ReadAt, SourceError, check_range, location::shown};

/// Bytes that the first request asks for: the header of most sealed archives.
const FIRST_BYTES: u64 = 4096;
const MAX_REDIRECTS: u32 = 5;

/// How long to wait for a server, and how often to try again.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Attempts for each range in which not one byte arrives.
    pub attempts: u32,
    /// Pause before the second attempt; it doubles before each further one.
    pub pause: Duration,
    /// Time for a connection.
    pub connect: Duration,
    /// Time in which an answer must begin, and in which each further piece must arrive.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            attempts: 5,
            pause: Duration::from_millis(250),
            connect: Duration::from_secs(15),
            silence: Duration::from_secs(30),
        }
    }
}

/// A file on a web server.
pub struct HttpSource {
    agent: Agent,
    /// Without user name and password.
    url: Url,
    authorization: Option<Zeroizing<String>>,
    address: String,
    patience: Patience,
    size: u64,
    version: Version,
    /// The file's first bytes, which came with the first answer.
    first: Vec<u8>,
}

impl fmt::Debug for HttpSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSource")
            .field("address", &self.address)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// What tells one version of the file from another, besides its size.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Version {
    /// A strong entity tag.
    Tag(String),
    /// The time of the last change, to the second.
    Time(String),
    /// Nothing. A sealed archive's own authentication is left.
    Unknown,
}

impl Version {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name: HeaderName| {
            let value = headers.get(name)?.to_str().ok()?;
            Some(value.to_owned())
        };
        text(header::ETAG)
            .filter(|tag| tag.starts_with('"'))
            .map(Self::Tag)
            .or_else(|| text(header::LAST_MODIFIED).map(Self::Time))
            .unwrap_or(Self::Unknown)
    }
}

/// Why one attempt failed.
enum Attempt {
    /// Another one may not.
    Again(String),
    Failed(SourceError),
}

impl From<SourceError> for Attempt {
    fn from(error: SourceError) -> Self {
        Self::Failed(error)
    }
}

impl HttpSource {
    /// Asks for the file's first bytes, and with them for its size. Blocks.
    ///
    /// # Errors
    /// [`SourceError`], also if the server does not answer ranges.
    pub fn open(url: &Url, patience: Patience) -> Result<Self, SourceError> {
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(SourceError::Address {
                what: "only http:// and https:// addresses are known".to_owned(),
            });
        }
        let authorization = authorization(url);
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            // A redirect from https to http would show the archive to whoever listens.
            .https_only(url.scheme() == "https")
            .max_redirects(MAX_REDIRECTS)
            .user_agent(concat!("coffer/", env!("CARGO_PKG_VERSION")))
            // Ranges of compressed bytes would be of no use.
            .accept_encoding("identity")
            .timeout_connect(Some(patience.connect))
            .timeout_recv_response(Some(patience.silence))
            .timeout_per_read(Some(patience.silence))
            .build()
            .new_agent();
        Self::over(agent, url, authorization, patience)
    }

    /// As [`Self::open`], over connections that somebody has set up, with the value of a header `Authorization`. Blocks.
    ///
    /// # Errors
    /// [`SourceError`].
    pub(crate) fn over(
        agent: Agent,
        url: &Url,
        authorization: Option<Zeroizing<String>>,
        patience: Patience,
    ) -> Result<Self, SourceError> {
        let address = shown(url);
        let mut url = url.clone();
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_fragment(None);
        let mut source = Self {
            agent,
            url,
            authorization,
            address,
            patience,
            size: 0,
            version: Version::Unknown,
            first: Vec::new(),
        };
        (source.size, source.version, source.first) = source.persist(Self::look)?;
        Ok(source)
    }

    /// The strong entity tag that every answer had, if there is one.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        match &self.version {
            Version::Tag(tag) => Some(tag.trim_matches('"')),
            Version::Time(_) | Version::Unknown => None,
        }
    }

    /// Runs attempts until one succeeds or fails for good.
    fn persist<T>(
        &self,
        mut attempt: impl FnMut(&Self) -> Result<T, Attempt>,
    ) -> Result<T, SourceError> {
        let mut pause = self.patience.pause;
        let mut left = self.patience.attempts;
        loop {
            match attempt(self) {
                Ok(done) => return Ok(done),
                Err(Attempt::Failed(error)) => return Err(error),
                Err(Attempt::Again(what)) => {
                    left = left.saturating_sub(1);
                    if left == 0 {
                        return Err(SourceError::Unreachable {
                            address: self.address.clone(),
                            what,
                        });
                    }
                }
            }
            thread::sleep(pause);
            pause = pause.saturating_mul(2);
        }
    }

    /// The first request: size, version and first bytes.
    fn look(&self) -> Result<(u64, Version, Vec<u8>), Attempt> {
        let response = self.request(0, FIRST_BYTES - 1)?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT => {}
            // A file without bytes has no range that could be answered.
            StatusCode::RANGE_NOT_SATISFIABLE
                if content_range(response.headers()) == Some(Answered::Nothing { size: 0 }) =>
            {
                return Ok((0, Version::Unknown, Vec::new()));
            }
            StatusCode::OK => {
                return Err(SourceError::NoRanges {
                    address: self.address.clone(),
                }
                .into());
            }
            other => return Err(self.status(other)),
        }
        let Some(Answered::Bytes {
            first: 0,
            last,
            size,
        }) = content_range(response.headers())
        else {
            return Err(self.answer("its Content-Range is not the one asked for"));
        };
        if last >= FIRST_BYTES || last >= size {
            return Err(self.answer("its Content-Range is not the one asked for"));
        }
        let version = Version::of(response.headers());
        let mut first = vec![0; usize::try_from(last + 1).unwrap_or(0)];
        let mut filled = 0;
        self.fill(response, &mut first, &mut filled)?;
        Ok((size, version, first))
    }

    /// One attempt to read on from `offset` + `filled`.
    fn read_on(&self, offset: u64, buffer: &mut [u8], filled: &mut usize) -> Result<(), Attempt> {
        while *filled < buffer.len() {
            let from = offset + *filled as u64;
            let to = offset + buffer.len() as u64 - 1;
            let response = self.request(from, to)?;
            match response.status() {
                StatusCode::PARTIAL_CONTENT => {}
                // The answers of servers whose file is another one than If-Range names, or shorter.
                StatusCode::OK
                | StatusCode::RANGE_NOT_SATISFIABLE
                | StatusCode::PRECONDITION_FAILED => {
                    return Err(self.changed());
                }
                other => return Err(self.status(other)),
            }
            let Some(Answered::Bytes { first, last, size }) = content_range(response.headers())
            else {
                return Err(self.answer("it has no Content-Range"));
            };
            if size != self.size || Version::of(response.headers()) != self.version {
                return Err(self.changed());
            }
            if first != from || last > to || last < first {
                return Err(self.answer("its Content-Range is not the one asked for"));
            }
            // A server may give less than was asked for.
            let given = usize::try_from(last + 1 - offset).unwrap_or(usize::MAX);
            let room = buffer.get_mut(..given).unwrap_or_default();
            self.fill(response, room, filled)?;
        }
        Ok(())
    }

    fn request(&self, first: u64, last: u64) -> Result<Response<Body>, Attempt> {
        let mut request = self
            .agent
            .get(self.url.as_str())
            .header(header::RANGE, format!("bytes={first}-{last}"));
        if let Version::Tag(tag) = &self.version {
            request = request.header(header::IF_RANGE, tag);
        }
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization.as_str());
        }
        let response = request.call().map_err(|error| self.failed(&error))?;
        let encoding = response.headers().get(header::CONTENT_ENCODING);
        if encoding.is_some_and(|encoding| encoding != "identity") {
            return Err(self.answer("it is compressed on the way"));
        }
        Ok(response)
    }

    /// Fills `buffer` from `filled` on with an answer's body, which must have exactly as many bytes.
    fn fill(
        &self,
        response: Response<Body>,
        buffer: &mut [u8],
        filled: &mut usize,
    ) -> Result<(), Attempt> {
        let mut body = response.into_body().into_reader();
        while let Some(room) = buffer.get_mut(*filled..).filter(|room| !room.is_empty()) {
            match body.read(room) {
                Ok(0) => return Err(Attempt::Again("the connection ended early".to_owned())),
                Ok(read) => *filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Attempt::Again(error.to_string())),
            }
        }
        // Reading to the end lets the connection be used again.
        match body.read(&mut [0]) {
            Ok(1..) => Err(self.answer("it has more bytes than its Content-Range")),
            _ => Ok(()),
        }
    }

    fn failed(&self, error: &ureq::Error) -> Attempt {
        let refused = |what: &str| {
            Attempt::Failed(SourceError::Unreachable {
                address: self.address.clone(),
                what: what.to_owned(),
            })
        };
        if let Some(what) = untrusted(error) {
            return Attempt::Failed(SourceError::Certificate {
                address: self.address.clone(),
                what,
            });
        }
        match error {
            // These name an address, which may hold credentials.
            ureq::Error::BadUri(_) => self.answer("it redirects to something that is no address"),
            ureq::Error::RequireHttpsOnly(_) => {
                self.answer("it redirects from https to http, which is refused")
            }
            ureq::Error::TooManyRedirects => self.answer("it redirects too often"),
            ureq::Error::HostNotFound => refused("its host name is not known"),
            ureq::Error::Io(_)
            | ureq::Error::Timeout(_)
            | ureq::Error::ConnectionFailed
            | ureq::Error::Protocol(_) => Attempt::Again(error.to_string()),
            other => refused(&other.to_string()),
        }
    }

    fn status(&self, status: StatusCode) -> Attempt {
        let again = status.is_server_error()
            || matches!(
                status,
                StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
            );
        if again {
            Attempt::Again(format!("HTTP status {}", status.as_u16()))
        } else {
            Attempt::Failed(SourceError::Status {
                address: self.address.clone(),
                status: status.as_u16(),
            })
        }
    }

    fn changed(&self) -> Attempt {
        Attempt::Failed(SourceError::Changed {
            address: self.address.clone(),
        })
    }

    fn answer(&self, what: &'static str) -> Attempt {
        Attempt::Failed(SourceError::Answer {
            address: self.address.clone(),
            what,
        })
    }
}

impl ReadAt for HttpSource {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        check_range(self.size, offset, buffer.len())?;
        let known = usize::try_from(offset)
            .ok()
            .and_then(|at| self.first.get(at..))
            .unwrap_or_default();
        let mut filled = known.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(known) {
            *to = *from;
        }
        // Whoever gets bytes deserves the whole patience again for the next ones.
        while filled < buffer.len() {
            let before = filled;
            let outcome = self.persist(|source| {
                let at = filled;
                match source.read_on(offset, buffer, &mut filled) {
                    Err(Attempt::Again(_)) if filled > at => Ok(()),
                    other => other,
                }
            });
            outcome?;
            if filled > before && filled < buffer.len() {
                thread::sleep(self.patience.pause);
            }
        }
        Ok(())
    }
}

/// The header for a user name and password in the address (RFC 7617).
fn authorization(url: &Url) -> Option<Zeroizing<String>> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut pair: Zeroizing<Vec<u8>> = Zeroizing::new(Vec::new());
    pair.extend(percent_decode_str(url.username()));
    pair.push(b':');
    pair.extend(percent_decode_str(url.password().unwrap_or_default()));
    let encoded = Zeroizing::new(Base64::encode_string(&pair));
    Some(Zeroizing::new(format!("Basic {}", encoded.as_str())))
}

/// What a Content-Range header says (RFC 9110, section 14.4).
#[derive(Debug, PartialEq, Eq)]
enum Answered {
    /// These bytes, the last one included, of so many.
    Bytes { first: u64, last: u64, size: u64 },
    /// None, of so many.
    Nothing { size: u64 },
}

fn content_range(headers: &HeaderMap) -> Option<Answered> {
    parse_content_range(headers.get(header::CONTENT_RANGE)?.to_str().ok()?)
}

fn parse_content_range(text: &str) -> Option<Answered> {
    let number = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| text.parse().ok())?
    };
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let size = number(size)?;
    if range == "*" {
        return Some(Answered::Nothing { size });
    }
    let (first, last) = range.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    (first <= last && last < size).then_some(Answered::Bytes { first, last, size })
}

/// What is wrong with the server's certificate, if that is why there is no connection: to wait helps nobody then.
pub(crate) fn untrusted(error: &ureq::Error) -> Option<String> {
    let inner = match error {
        ureq::Error::Rustls(error) => error,
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref()?,
        _ => return None,
    };
    match inner {
        rustls::Error::InvalidCertificate(what) => Some(what.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read_strictly() {
        let bytes = |first, last, size| Some(Answered::Bytes { first, last, size });
        assert_eq!(
            parse_content_range("bytes 0-4095/9000"),
            bytes(0, 4095, 9000)
        );
        assert_eq!(parse_content_range("bytes 5-5/6"), bytes(5, 5, 6));
        assert_eq!(
            parse_content_range("bytes */0"),
            Some(Answered::Nothing { size: 0 })
        );
        for wrong in [
            "bytes 0-9/*",
            "bytes 9-0/20",
            "bytes 0-20/20",
            "bytes=0-1/2",
            "bytes 0-1",
            "bytes +0-1/2",
            "items 0-1/2",
            "bytes 0-18446744073709551616/18446744073709551617",
        ] {
            assert_eq!(parse_content_range(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn user_names_and_passwords_become_a_header() {
        let url = Url::parse("https://Aladdin:open%20sesame@host/").unwrap();
        assert_eq!(
            authorization(&url).unwrap().as_str(),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        );
        assert!(authorization(&Url::parse("https://host/").unwrap()).is_none());
    }
}
