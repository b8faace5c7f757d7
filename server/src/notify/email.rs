//! Mail (RFC 5321, 5322).

use std::time::Duration;

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor, message::Mailbox,
    transport::smtp::authentication::Credentials,
};
use serde::{Deserialize, Serialize};

use super::{ChannelSecret, Event, NotifyError};
use crate::catalog::Id;

const LIMIT: Duration = Duration::from_secs(60);

/// How the mail server is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    /// TLS from the first byte on (port 465).
    Tls,
    /// TLS before anything is said (port 587). A server that has none gets nothing.
    #[default]
    Starttls,
    /// In the open: whoever is between here and the mail server can read the message. No password is sent.
    None,
}

/// A mailbox to write to, and the server that takes the mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Email {
    /// The mail server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How it is spoken to.
    #[serde(default)]
    pub security: Security,
    /// Who sends.
    pub from: String,
    /// Who is told.
    pub to: Vec<String>,
    /// The user name at the mail server; the password is the channel's secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

fn mailbox(text: &str) -> Result<Mailbox, NotifyError> {
    text.parse()
        .map_err(|error| NotifyError::Config(format!("{text:?} is no mail address: {error}")))
}

impl Email {
    /// Checks what can be checked without sending anything.
    ///
    /// # Errors
    /// [`NotifyError::Config`].
    pub fn check(&self) -> Result<(), NotifyError> {
        let wrong = |what: &str| Err(NotifyError::Config(what.into()));
        mailbox(&self.from)?;
        for to in &self.to {
            mailbox(to)?;
        }
        match self {
            _ if self.to.is_empty() => wrong("nobody is to be told"),
            _ if self.host.is_empty() => wrong("there is no mail server"),
            _ if self.security == Security::None && self.user.is_some() => {
                wrong("a password is not sent without TLS")
            }
            _ => Ok(()),
        }
    }

    pub(super) async fn send(
        &self,
        secret: Option<&ChannelSecret>,
        id: &Id,
        event: &Event,
    ) -> Result<(), NotifyError> {
        self.check()?;
        let refused = |what: String| NotifyError::Refused {
            place: format!("the mail server {}:{}", self.host, self.port),
            what,
        };
        let from = mailbox(&self.from)?;
        let mut message = Message::builder()
            // The same for each attempt, so that mailboxes show it once.
            .message_id(Some(format!("<{id}@{}>", from.email.domain())))
            .subject(event.title())
            .from(from);
        for to in &self.to {
            message = message.to(mailbox(to)?);
        }
        let message = message
            .body(event.text())
            .map_err(|error| NotifyError::Config(error.to_string()))?;
        let _ = rustls::crypto::ring::default_provider().install_default();
        let transport = match self.security {
            Security::Tls => AsyncSmtpTransport::<Tokio1Executor>::relay(&self.host),
            Security::Starttls => AsyncSmtpTransport::<Tokio1Executor>::starttls_relay(&self.host),
            Security::None => Ok(AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(
                &self.host,
            )),
        };
        let mut transport = transport
            .map_err(|error| refused(error.to_string()))?
            .port(self.port)
            .timeout(Some(LIMIT));
        if let Some(user) = &self.user {
            let password = secret.map_or("", ChannelSecret::expose);
            transport = transport.credentials(Credentials::new(user.clone(), password.to_owned()));
        }
        let sent = tokio::time::timeout(2 * LIMIT, transport.build().send(message)).await;
        match sent {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(refused(super::webhook::root(&error))),
            Err(_) => Err(refused("it does not answer".into())),
        }
    }
}
