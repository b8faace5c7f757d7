//! Where an archive's bytes come from: a `Blob`, or an address that answers range requests.

use std::cell::{Cell, RefCell};

use coffer_core::ByteRange;
use js_sys::{Error, Promise, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, Headers, Request, RequestCache, RequestCredentials, RequestInit, Response};

use crate::failure::Failure;

#[wasm_bindgen]
extern "C" {
    /// The global function, in a page as in a worker.
    fn fetch(request: &Request) -> Promise;
}

/// The bytes of an archive. Nothing is read until an archive is opened from it.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Source {
    place: Place,
    bytes_read: Cell<u64>,
}

#[derive(Debug)]
enum Place {
    Blob(Blob),
    Url {
        url: String,
        /// What the first answer said about the file: later ones must say the same.
        first: RefCell<Option<(u64, Option<String>)>>,
    },
}

#[wasm_bindgen]
impl Source {
    /// A file that the user picked.
    #[must_use]
    pub fn blob(blob: Blob) -> Self {
        Self::new(Place::Blob(blob))
    }

    /// An absolute address. It is read in ranges, with the page's own cookies if it is of the same origin.
    #[must_use]
    pub fn url(url: String) -> Self {
        Self::new(Place::Url {
            url,
            first: RefCell::new(None),
        })
    }
}

impl Source {
    const fn new(place: Place) -> Self {
        Self {
            place,
            bytes_read: Cell::new(0),
        }
    }

    /// Bytes read so far.
    pub(crate) const fn bytes_read(&self) -> u64 {
        self.bytes_read.get()
    }

    /// The size of the file, and at most `len` bytes from its start.
    pub(crate) async fn start(&self, len: u64) -> Result<(u64, Vec<u8>), Failure> {
        match &self.place {
            Place::Blob(blob) => {
                // A Blob's size is a whole number below 2^53.
                let size = blob.size() as u64;
                Ok((size, self.read(ByteRange::new(0, len.min(size))).await?))
            }
            Place::Url { .. } => {
                let (size, bytes) = self.fetch(ByteRange::new(0, len), true).await?;
                Ok((size, bytes.to_vec()))
            }
        }
    }

    /// All bytes of a range, which must lie inside of the file.
    pub(crate) async fn read(&self, range: ByteRange) -> Result<Vec<u8>, Failure> {
        Ok(self.read_outside(range).await?.to_vec())
    }

    /// The same, without taking them into the module's memory.
    pub(crate) async fn read_outside(&self, range: ByteRange) -> Result<Uint8Array, Failure> {
        if range.len == 0 {
            return Ok(Uint8Array::new_with_length(0));
        }
        match &self.place {
            Place::Blob(blob) => {
                let bytes = bytes(&part(blob, range)?).await?;
                self.count(&bytes);
                Ok(bytes)
            }
            Place::Url { .. } => Ok(self.fetch(range, false).await?.1),
        }
    }

    /// A range as somebody else may read it: a part of the `Blob`, or the bytes themselves.
    pub(crate) async fn handed_on(&self, range: ByteRange) -> Result<JsValue, Failure> {
        match &self.place {
            Place::Blob(blob) => {
                self.bytes_read.set(self.bytes_read.get() + range.len);
                Ok(part(blob, range)?.into())
            }
            Place::Url { .. } => Ok(self.read_outside(range).await?.into()),
        }
    }

    fn count(&self, bytes: &Uint8Array) {
        self.bytes_read
            .set(self.bytes_read.get() + u64::from(bytes.length()));
    }

    /// The size of the whole, and a range of it, or, with `may_be_shorter`, as much of that as there is.
    async fn fetch(
        &self,
        range: ByteRange,
        may_be_shorter: bool,
    ) -> Result<(u64, Uint8Array), Failure> {
        let Place::Url { url, first } = &self.place else {
            return Err(Failure::read("it is no address"));
        };
        let response = request(url, range).await?;
        let header = |name| response.headers().get(name).ok().flatten();
        let said = header("content-range");
        let said = said.as_deref().and_then(ContentRange::parse);
        match (response.status(), said) {
            (
                206,
                Some(ContentRange {
                    sent: Some(sent),
                    total,
                }),
            ) => {
                let expected = if may_be_shorter {
                    range.len.min(total)
                } else {
                    range.len
                };
                if sent != ByteRange::new(range.offset, expected) {
                    discard(&response);
                    return Err(Failure::read(
                        "the server sent another range than was asked for",
                    ));
                }
                let seen = (total, header("etag"));
                if *first.borrow_mut().get_or_insert_with(|| seen.clone()) != seen {
                    discard(&response);
                    return Err(Failure::read("the file on the server changed meanwhile"));
                }
                let body = response.array_buffer().map_err(|_| interrupted())?;
                let bytes =
                    Uint8Array::new(&JsFuture::from(body).await.map_err(|_| interrupted())?);
                if u64::from(bytes.length()) != expected {
                    return Err(interrupted());
                }
                self.count(&bytes);
                Ok((total, bytes))
            }
            (
                416,
                Some(ContentRange {
                    sent: None,
                    total: 0,
                }),
            ) if may_be_shorter => Ok((0, Uint8Array::new_with_length(0))),
            (status, _) => {
                discard(&response);
                Err(Failure::read(reason(status)).number("status", u64::from(status)))
            }
        }
    }
}

/// All bytes of a `Blob`.
pub(crate) async fn bytes(blob: &Blob) -> Result<Uint8Array, Failure> {
    let buffer = JsFuture::from(blob.array_buffer())
        .await
        .map_err(|thrown| unreadable(&thrown))?;
    let bytes = Uint8Array::new(&buffer);
    if f64::from(bytes.length()) == blob.size() {
        Ok(bytes)
    } else {
        Err(Failure::unreadable("fewer bytes came"))
    }
}

fn part(blob: &Blob, range: ByteRange) -> Result<Blob, Failure> {
    let (start, end) = (
        crate::convert::number(range.offset),
        crate::convert::number(range.end()),
    );
    blob.slice_with_f64_and_f64(start, end)
        .map_err(|thrown| unreadable(&thrown))
}

fn unreadable(thrown: &JsValue) -> Failure {
    let reason = thrown
        .dyn_ref::<Error>()
        .map(|error| String::from(error.name()));
    Failure::unreadable(&reason.unwrap_or_default())
}

async fn request(url: &str, range: ByteRange) -> Result<Response, Failure> {
    let unusable = |_| Failure::read("its address is not one that can be read");
    let headers = Headers::new().map_err(unusable)?;
    let last = range.end().saturating_sub(1);
    headers
        .set("range", &format!("bytes={}-{last}", range.offset))
        .map_err(unusable)?;
    let init = RequestInit::new();
    init.set_method("GET");
    init.set_credentials(RequestCredentials::SameOrigin);
    init.set_cache(RequestCache::NoStore);
    init.set_headers(&headers);
    let request = Request::new_with_str_and_init(url, &init).map_err(unusable)?;
    let response = JsFuture::from(fetch(&request))
        .await
        .map_err(|_| Failure::read("the server can't be reached"))?;
    response
        .dyn_into()
        .map_err(|_| Failure::read("the server's answer can't be used"))
}

fn interrupted() -> Failure {
    Failure::read("the connection broke off")
}

/// Doesn't wait for a body that is of no use: it may be as large as the whole file.
fn discard(response: &Response) {
    if let Some(body) = response.body() {
        // Whether or not the cancelling succeeds, nobody reads it.
        let _ = body.cancel();
    }
}

const fn reason(status: u16) -> &'static str {
    match status {
        200 | 206 => "the server does not answer range requests as it should",
        401 | 403 => "the server refuses it; you may have to sign in again",
        404 | 410 => "the server doesn't have it any more",
        416 => "the file on the server became shorter",
        _ => "the server could not give it",
    }
}

/// The header Content-Range (RFC 9110, section 14.4) with a known total.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ContentRange {
    /// `None` where nothing is sent.
    sent: Option<ByteRange>,
    total: u64,
}

impl ContentRange {
    fn parse(text: &str) -> Option<Self> {
        let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
        let total = total.parse().ok()?;
        if range == "*" {
            return Some(Self { sent: None, total });
        }
        let (first, last) = range.split_once('-')?;
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        let len = last.checked_sub(first)?.checked_add(1)?;
        let sent = Some(ByteRange::new(first, len));
        (last < total).then_some(Self { sent, total })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges() {
        let sent = |offset, len, total| {
            Some(ContentRange {
                sent: Some(ByteRange::new(offset, len)),
                total,
            })
        };
        for (text, expected) in [
            ("bytes 0-4095/8192", sent(0, 4096, 8192)),
            ("bytes 10-10/11", sent(10, 1, 11)),
            (
                "bytes */0",
                Some(ContentRange {
                    sent: None,
                    total: 0,
                }),
            ),
            ("bytes 10-10/10", None),
            ("bytes 5-4/10", None),
            ("bytes 0-18446744073709551615/5", None),
            ("bytes 0-1/*", None),
            ("items 0-1/2", None),
            ("", None),
        ] {
            assert_eq!(ContentRange::parse(text), expected, "{text}");
        }
    }
}
