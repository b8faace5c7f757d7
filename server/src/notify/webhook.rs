//! Webhooks: a signed request to an address, in the manner of Standard Webhooks (standardwebhooks.com, version 1).
//!
//! `webhook-signature` is `v1,` and the base64 of HMAC-SHA-256 over `ID.TIMESTAMP.BODY`, under the bytes that the secret holds in base64
//! behind `whsec_`. Whoever is told checks it, refuses timestamps that are minutes old, and takes each id once.

use std::{error::Error, time::Duration};

use base64ct::{Base64, Encoding};
use ring::hmac;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use url::Url;

use super::{ChannelSecret, Event, NotifyError};
use crate::catalog::Id;

const LIMIT: Duration = Duration::from_secs(30);
const PREFIX: &str = "whsec_";
/// Bytes of a secret that is made here.
const SECRET_BYTES: usize = 32;

/// An address that is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Where to.
    pub url: String,
}

/// The headers that let the other side check a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// `webhook-id`.
    pub id: String,
    /// `webhook-timestamp`: seconds since 1970.
    pub timestamp: String,
    /// `webhook-signature`.
    pub signature: String,
}

impl Signature {
    /// Signs a body.
    ///
    /// # Errors
    /// [`NotifyError::Config`] if the secret has another form.
    pub fn new(
        secret: &ChannelSecret,
        id: &str,
        now: OffsetDateTime,
        body: &str,
    ) -> Result<Self, NotifyError> {
        let wrong = || {
            NotifyError::Config("its secret is not whsec_ and base64 of at least 24 bytes".into())
        };
        let text = secret.expose().strip_prefix(PREFIX).ok_or_else(wrong)?;
        let bytes = zeroize::Zeroizing::new(Base64::decode_vec(text).map_err(|_| wrong())?);
        if bytes.len() < 24 {
            return Err(wrong());
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes);
        let timestamp = now.unix_timestamp().to_string();
        let tag = hmac::sign(&key, format!("{id}.{timestamp}.{body}").as_bytes());
        Ok(Self {
            id: id.to_owned(),
            timestamp,
            signature: format!("v1,{}", Base64::encode_string(tag.as_ref())),
        })
    }
}

/// A secret to sign with.
///
/// # Errors
/// [`getrandom::Error`] if the system has no random bytes to give.
pub fn new_secret() -> Result<ChannelSecret, getrandom::Error> {
    let mut bytes = zeroize::Zeroizing::new([0; SECRET_BYTES]);
    getrandom::fill(&mut *bytes)?;
    let text = zeroize::Zeroizing::new(Base64::encode_string(&*bytes));
    Ok(ChannelSecret::new(&format!("{PREFIX}{}", &*text)))
}

impl Webhook {
    /// Checks the address.
    ///
    /// # Errors
    /// [`NotifyError::Config`].
    pub fn check(&self) -> Result<Url, NotifyError> {
        let wrong = |what: &str| NotifyError::Config(what.into());
        let url = Url::parse(&self.url).map_err(|_| wrong("its address is none"))?;
        match url.scheme() {
            "http" | "https" if !url.username().is_empty() || url.password().is_some() => {
                Err(wrong("its address holds a user name or password"))
            }
            "http" | "https" if url.has_host() => Ok(url),
            _ => Err(wrong("its address does not begin with https:// or http://")),
        }
    }

    pub(super) async fn send(
        &self,
        secret: Option<&ChannelSecret>,
        id: &Id,
        event: &Event,
        now: OffsetDateTime,
    ) -> Result<(), NotifyError> {
        let url = self.check()?;
        // The path may be a secret of the other side.
        let place = url.origin().ascii_serialization();
        let refused = |what: String| NotifyError::Refused {
            place: place.clone(),
            what,
        };
        let secret = secret.ok_or_else(|| NotifyError::Config("it has no secret".into()))?;
        let body = serde_json::to_string(event).map_err(|error| refused(error.to_string()))?;
        let signature = Signature::new(secret, id.as_str(), now, &body)?;
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            // A redirect would carry the message to somebody who was not meant.
            .redirect(reqwest::redirect::Policy::none())
            .timeout(LIMIT)
            .user_agent(concat!("coffer/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| refused(root(&error)))?;
        let answer = client
            .post(url)
            .header("content-type", "application/json")
            .header("webhook-id", signature.id)
            .header("webhook-timestamp", signature.timestamp)
            .header("webhook-signature", signature.signature)
            .body(body)
            .send()
            .await
            .map_err(|error| refused(root(&error.without_url())))?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(refused(format!(
                "it answers with HTTP status {}",
                status.as_u16()
            ))),
        }
    }
}

/// The innermost cause.
pub(super) fn root(error: &dyn Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn signatures_are_those_of_standard_webhooks() {
        let secret = ChannelSecret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let now = OffsetDateTime::from_unix_timestamp(1_614_265_330).unwrap();
        let signed = Signature::new(
            &secret,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            now,
            r#"{"test": 2432232314}"#,
        )
        .unwrap();
        assert_eq!(
            signed.signature,
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
        assert!(Signature::new(&ChannelSecret::new("whsec_c2hvcnQ="), "a", now, "").is_err());
        assert!(Signature::new(&ChannelSecret::new("plain"), "a", now, "").is_err());
        assert!(Signature::new(&new_secret().unwrap(), "a", now, "").is_ok());
    }
}
