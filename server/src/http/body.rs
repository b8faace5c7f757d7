//! Bodies in JSON: limited, of the right type, and refused in the same form as everything else.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request, rejection::BytesRejection},
    http::StatusCode,
};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use zeroize::{Zeroize, Zeroizing};

use super::problem::Problem;

/// A JSON body.
#[derive(Debug)]
pub(super) struct Json<T>(pub(super) T);

/// A JSON body that holds a secret: its bytes are overwritten once they are read.
#[derive(Debug)]
pub(super) struct SecretJson<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = Bytes::from_request(request, state).await.map_err(refused)?;
        parse(&bytes).map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for SecretJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = Bytes::from_request(request, state).await.map_err(refused)?;
        let parsed = parse(&bytes).map(Self);
        // The connection's own buffer is out of reach where it is shared; it is used again for what comes next.
        if let Ok(mut bytes) = bytes.try_into_mut() {
            bytes.zeroize();
        }
        parsed
    }
}

fn refused(rejection: BytesRejection) -> Problem {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            "what was sent is larger than this address takes; nothing was changed",
        ),
        status => Problem::new(
            status,
            "body_cut_short",
            "the connection broke before everything was sent; nothing was changed",
        ),
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| {
        // Neither kind repeats a string that stands where a string is expected, and secrets are strings.
        Problem::new(
            StatusCode::BAD_REQUEST,
            "bad_json",
            format!("what was sent cannot be read: {error}; nothing was changed"),
        )
    })
}

/// A secret text in a JSON body.
pub(super) struct SecretText(pub(super) Zeroizing<String>);

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretText(…)")
    }
}
