//! Where bytes come from: a file, or an address that answers range requests.

use std::cell::{Cell, RefCell};

use coffer_core::ByteRange;
use js_sys::{ArrayBuffer, Error, Promise, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Headers, Request, RequestCache, RequestCredentials, RequestInit, Response};

use crate::failure::Failure;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** A file that the user picked. */
export interface FileBytes {
  readonly size: number;
  /** The bytes from `start` to `end`, in a buffer of their own with `room` bytes behind them. */
  read(start: number, end: number, room: number): Promise<Uint8Array>;
  /** Takes a buffer, of bytes that it gave, which nobody needs any more. */
  giveBack(buffer: ArrayBuffer): void;
}
"#;

#[wasm_bindgen]
extern "C" {
    /// The global function, in a page as in a worker.
    fn fetch(request: &Request) -> Promise;

    /// A file that the user picked.
    #[wasm_bindgen(typescript_type = "FileBytes")]
    #[derive(Clone, Debug)]
    pub type FileBytes;

    #[wasm_bindgen(method, getter)]
    fn size(this: &FileBytes) -> f64;

    #[wasm_bindgen(method)]
    fn read(this: &FileBytes, start: f64, end: f64, room: u32) -> Promise;

    #[wasm_bindgen(method, js_name = giveBack)]
    fn give_back(this: &FileBytes, buffer: &ArrayBuffer);
}

/// Bytes that can be read anywhere. Nothing is read before somebody asks.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Source {
    place: Place,
    bytes_read: Cell<u64>,
}

#[derive(Debug)]
enum Place {
    File(FileBytes),
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
    pub fn file(file: FileBytes) -> Self {
        Self::new(Place::File(file))
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
            Place::File(file) => {
                // A file's size is a whole number below 2^53.
                let size = file.size() as u64;
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
        self.read_with_room(range, 0).await
    }

    /// The same; where a file is read, with so many bytes behind it in the same buffer.
    pub(crate) async fn read_with_room(
        &self,
        range: ByteRange,
        room: u32,
    ) -> Result<Uint8Array, Failure> {
        if range.len == 0 {
            return Ok(Uint8Array::new_with_length(0));
        }
        let Place::File(file) = &self.place else {
            return Ok(self.fetch(range, false).await?.1);
        };
        let (start, end) = (
            crate::convert::number(range.offset),
            crate::convert::number(range.end()),
        );
        let bytes: Uint8Array = JsFuture::from(file.read(start, end, room))
            .await
            .map_err(|thrown| unreadable(&thrown))?
            .unchecked_into();
        if u64::from(bytes.length()) != range.len {
            return Err(Failure::unreadable("fewer bytes came"));
        }
        self.count(&bytes);
        Ok(bytes)
    }

    /// Takes back the memory of bytes that were read, and that nobody needs any more.
    pub(crate) fn give_back(&self, bytes: &Uint8Array) {
        if let Place::File(file) = &self.place {
            file.give_back(&bytes.buffer());
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
