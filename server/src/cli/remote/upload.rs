//! Sending a restore bundle by tus 1.0. One piece of it is held until the server has it.

use base64ct::{Base64, Encoding};
use coffer_core::{archive::Step, bundle::Bundler};
use serde::Deserialize;
use ureq::{
    Body,
    http::{Method, Response},
};

use super::{
    super::{
        Failure,
        interrupt::{self, Elsewhere},
    },
    client::{Answered, Client, patiently},
    failure::RequestError,
};
use crate::{
    progress::{Phase, Progress},
    read::{OpenArchive, ReadError},
};

/// Bytes of one piece.
const PIECE: usize = 4 << 20;
const TUS: (&str, &str) = ("tus-resumable", "1.0.0");

#[derive(Debug, Deserialize)]
struct Begun {
    id: String,
}

/// A bundle on the server. It is removed there when this is dropped, unless it was handed over to a restore.
pub(super) struct Upload {
    client: Client,
    pub(super) id: String,
    /// Whoever is asked to end the process removes the bundle too. `None` once it was handed over.
    kept: Option<Elsewhere>,
}

impl Upload {
    /// Makes a bundle out of an archive and sends it.
    pub(super) fn send(
        client: &Client,
        archive: &OpenArchive,
        mut bundler: Bundler,
        progress: &Progress,
    ) -> Result<Self, Failure> {
        progress.begin(Phase::Copying, bundler.len());
        let upload = Self::begin(client, bundler.len())?;
        let mut sent = 0;
        let mut out = Vec::new();
        loop {
            if progress.cancelled() {
                return Err(Failure::cancelled(
                    "cancelled; nothing was changed, and what was sent is removed",
                ));
            }
            let step = bundler.step(&mut out).map_err(bundle)?;
            if let Step::Want(range) = step {
                let bytes = archive.plain().read(range)?;
                bundler.feed(&bytes).map_err(bundle)?;
            }
            if out.len() >= PIECE || step == Step::Done {
                upload.append(sent, &out, progress)?;
                sent += out.len() as u64;
                progress.add_bytes(out.len() as u64);
                out.clear();
            }
            if step == Step::Done {
                return Ok(upload);
            }
        }
    }

    fn begin(client: &Client, len: u64) -> Result<Self, Failure> {
        let purpose = format!("purpose {}", Base64::encode_string(b"bundle"));
        let len = len.to_string();
        let headers = [
            TUS,
            ("upload-length", len.as_str()),
            ("upload-metadata", purpose.as_str()),
        ];
        let mut answer = client.send(Method::POST, "api/uploads", &headers, Some(&[]))?;
        let told = answer.body_mut().read_to_vec();
        let begun: Begun = told
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .ok_or_else(|| RequestError::Strange("an upload without an id".to_owned()))?;
        let kept = {
            let (client, id) = (client.clone(), begun.id.clone());
            interrupt::elsewhere(move || remove(&client, &id))
        };
        Ok(Self {
            client: client.clone(),
            id: begun.id,
            kept: Some(kept),
        })
    }

    /// Appends a piece that begins at `start`. If a connection breaks, the server is asked how much of it arrived.
    fn append(&self, start: u64, piece: &[u8], progress: &Progress) -> Answered<()> {
        let path = format!("api/uploads/{}", self.id);
        let end = start + piece.len() as u64;
        let mut first = true;
        patiently(progress, || {
            let mut offset = start;
            if !first {
                let asked = self.client.send(Method::HEAD, &path, &[TUS], None)?;
                offset = offset_of(&asked)?;
            }
            first = false;
            while offset < end {
                let from = offset
                    .checked_sub(start)
                    .and_then(|from| usize::try_from(from).ok());
                let rest = from
                    .and_then(|from| piece.get(from..))
                    .ok_or_else(|| RequestError::Strange("another offset".to_owned()))?;
                let at = offset.to_string();
                let headers = [
                    TUS,
                    ("content-type", "application/offset+octet-stream"),
                    ("upload-offset", at.as_str()),
                ];
                let answer = self
                    .client
                    .send(Method::PATCH, &path, &headers, Some(rest))?;
                let now = offset_of(&answer)?;
                if now <= offset {
                    return Err(RequestError::Strange("another offset".to_owned()));
                }
                offset = now;
            }
            Ok(())
        })
    }

    /// From now on it is the server's to remove.
    pub(super) fn handed_over(&mut self) {
        self.kept = None;
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.kept.is_some() {
            remove(&self.client, &self.id);
        }
    }
}

/// Whether it is removed or not: the server removes what nobody touches for a day in any case.
fn remove(client: &Client, id: &str) {
    let _ = client.send(Method::DELETE, &format!("api/uploads/{id}"), &[TUS], None);
}

fn offset_of(answer: &Response<Body>) -> Answered<u64> {
    let offset = answer.headers().get("upload-offset");
    offset
        .and_then(|offset| offset.to_str().ok()?.parse().ok())
        .ok_or_else(|| RequestError::Strange("an upload without an offset".to_owned()))
}

/// The failure of a bundle that can't be made.
pub(super) fn bundle(error: coffer_core::bundle::BundleError) -> Failure {
    use coffer_core::bundle::BundleError as Error;
    match error {
        Error::Manifest(error) => Failure::usage(format!("{error}; nothing was changed")),
        Error::Archive(error) => ReadError::from(error).into(),
        Error::Seal(error) => ReadError::from(error).into(),
    }
}
