//! Telling people: a job failed, was missed, or goes well again.
//!
//! What is to be told is written into the catalog in the transaction that records what happened, so that nothing is forgotten when
//! a server ends; it is sent from there, by whichever server takes it first, until it was accepted or [`MAX_ATTEMPTS`] were in vain.
//! A message can so arrive twice, which its id shows.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use crate::{
    catalog::{
        Catalog, CatalogError, Ending, Id, JobRecord, JobRunState, Lease, NewNotice, NoticeRecord,
        Retrying,
    },
    clock,
};

mod email;
mod webhook;

pub use email::{Email, Security};
pub use webhook::{Signature, Webhook, new_secret};

/// How often a message is tried: over most of a day.
pub const MAX_ATTEMPTS: i64 = 12;
/// Shortest pause: longer than an attempt may take, so that no other server begins the next one meanwhile.
const MIN_PAUSE: Duration = Duration::minutes(3);
/// Longest pause between two attempts.
const MAX_PAUSE: Duration = Duration::hours(6);

/// What a channel is, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ChannelConfig {
    /// Mail.
    Email(Email),
    /// A request to an address.
    Webhook(Webhook),
}

/// A mail server's password, or the secret that webhooks are signed with.
#[derive(Clone, PartialEq, Eq)]
pub struct ChannelSecret(Zeroizing<String>);

impl ChannelSecret {
    /// Keeps a secret.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// The secret.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ChannelSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChannelSecret(…)")
    }
}

/// What happened to a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// `job.failed`, `job.missed`, `job.recovered` or `test`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When, RFC 3339.
    pub timestamp: String,
    /// What is known of it.
    pub data: Details,
}

/// What is known of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Details {
    /// The job's id.
    pub job: Option<Id>,
    /// The job's name.
    pub name: String,
    /// The run.
    pub run: Option<Id>,
    /// When it was due; of missed ones, all times.
    pub due_at: Vec<String>,
    /// Why it failed, for programs.
    pub code: Option<String>,
    /// Why it failed, for people.
    pub detail: Option<String>,
}

impl Event {
    /// Runs were missed.
    #[must_use]
    pub fn missed(job: &Id, name: &str, due_at: Vec<String>, now: OffsetDateTime) -> Self {
        Self {
            kind: "job.missed".into(),
            timestamp: clock::text(now),
            data: Details {
                job: Some(job.clone()),
                name: name.into(),
                due_at,
                detail: Some(
                    "no server was at work when it was due; see that Coffer runs all the time"
                        .into(),
                ),
                ..Details::default()
            },
        }
    }

    /// A message to try a channel out.
    #[must_use]
    pub fn test(now: OffsetDateTime) -> Self {
        Self {
            kind: "test".into(),
            timestamp: clock::text(now),
            data: Details {
                name: "a test".into(),
                detail: Some("somebody tried this channel out; there is nothing to do".into()),
                ..Details::default()
            },
        }
    }

    /// What is to be told of a run's end: that it failed for good, or that the job goes well again.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn ended(
        catalog: &Catalog,
        job: &JobRecord,
        lease: &Lease,
        ending: &Ending,
        now: OffsetDateTime,
    ) -> Result<Option<Self>, CatalogError> {
        let (kind, error) = match ending {
            Ending::Failed {
                code,
                detail,
                again: None,
            } => ("job.failed", Some((code.clone(), detail.clone()))),
            Ending::Done => {
                let before = catalog.ended_before(&job.id, &lease.id).await?;
                match before {
                    Some(JobRunState::Failed | JobRunState::Missed) => ("job.recovered", None),
                    _ => return Ok(None),
                }
            }
            _ => return Ok(None),
        };
        let (code, detail) = error.unzip();
        Ok(Some(Self {
            kind: kind.into(),
            timestamp: clock::text(now),
            data: Details {
                job: Some(job.id.clone()),
                name: job.name.clone(),
                run: Some(lease.id.clone()),
                due_at: vec![lease.due_at.clone()],
                code,
                detail,
            },
        }))
    }

    /// A run failed, and is not tried again, since its job is due anew.
    #[must_use]
    pub fn given_up(job: &Id, name: &str, run: &Retrying, now: OffsetDateTime) -> Self {
        Self {
            kind: "job.failed".into(),
            timestamp: clock::text(now),
            data: Details {
                job: Some(job.clone()),
                name: name.into(),
                run: Some(run.id.clone()),
                due_at: vec![run.due_at.clone()],
                code: Some(run.error_code.clone()),
                detail: Some(run.error_detail.clone()),
            },
        }
    }

    /// One line for people.
    #[must_use]
    pub fn title(&self) -> String {
        let name = &self.data.name;
        match self.kind.as_str() {
            "job.failed" => format!("Backup failed: {name}"),
            "job.missed" => format!("Backup missed: {name}"),
            "job.recovered" => format!("Backup works again: {name}"),
            _ => format!("Coffer: {name}"),
        }
    }

    /// A few lines for people.
    #[must_use]
    pub fn text(&self) -> String {
        let data = &self.data;
        let mut text = format!("{}\n\n", self.title());
        for due in &data.due_at {
            text += &format!("Due: {due}\n");
        }
        text += &format!("Noticed: {}\n", self.timestamp);
        if let Some(run) = &data.run {
            text += &format!("Run: {run}\n");
        }
        if let Some(detail) = &data.detail {
            text += &format!("\n{detail}\n");
        }
        text
    }
}

/// The messages that tell of an event, one for each channel that is used.
///
/// # Errors
/// [`CatalogError`].
pub async fn notices(catalog: &Catalog, event: &Event) -> Result<Vec<NewNotice>, CatalogError> {
    let event = serde_json::to_string(event).map_err(CatalogError::Content)?;
    let mut notices = Vec::new();
    for channel in catalog.channels_to_tell().await? {
        notices.push(NewNotice {
            id: Id::random()?,
            channel,
            event: event.clone(),
        });
    }
    Ok(notices)
}

/// Why a message was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// Something about the channel.
    #[error("the channel cannot be used: {0}; nothing was sent; correct it")]
    Config(String),
    /// Nobody answers, or says no.
    #[error(
        "{place} did not take the message: {what}; check the address, the secret and the other side's log"
    )]
    Refused {
        /// Whom it was sent to, without secrets.
        place: String,
        /// What happened.
        what: String,
    },
}

/// Sends one event to a channel. `id` is the same for each attempt.
///
/// # Errors
/// [`NotifyError`].
pub async fn send(
    config: &ChannelConfig,
    secret: Option<&ChannelSecret>,
    id: &Id,
    event: &Event,
    now: OffsetDateTime,
) -> Result<(), NotifyError> {
    match config {
        ChannelConfig::Email(email) => email.send(secret, id, event).await,
        ChannelConfig::Webhook(webhook) => webhook.send(secret, id, event, now).await,
    }
}

/// Sends what is to be sent now; what is not accepted is tried again later. Says how many were accepted.
///
/// # Errors
/// [`CatalogError`].
pub async fn send_open(catalog: &Catalog, now: OffsetDateTime) -> Result<usize, CatalogError> {
    let mut sent = 0;
    for notice in catalog.open_notices(&clock::text(now)).await? {
        let pause = pause(notice.attempt);
        if !catalog
            .take_notice(&notice, &clock::text(now + pause))
            .await?
        {
            continue;
        }
        let error = match send_one(catalog, &notice, now).await? {
            Ok(()) => {
                catalog.remove_notice(&notice.id).await?;
                sent += 1;
                continue;
            }
            Err(error) => error,
        };
        tracing::warn!(channel = %notice.channel, attempt = notice.attempt, %error, "a message was not accepted");
        if notice.attempt >= MAX_ATTEMPTS {
            tracing::error!(channel = %notice.channel, "a message was given up");
            catalog.remove_notice(&notice.id).await?;
        }
    }
    Ok(sent)
}

async fn send_one(
    catalog: &Catalog,
    notice: &NoticeRecord,
    now: OffsetDateTime,
) -> Result<Result<(), NotifyError>, CatalogError> {
    let channel = match catalog.channel(&notice.channel).await {
        Ok(Some(channel)) if channel.enabled => channel,
        // It was removed or switched off meanwhile, and there is nobody to tell.
        Ok(_) => return Ok(Ok(())),
        Err(error @ CatalogError::Database(_)) => return Err(error),
        // Something about this channel keeps no other one from being told.
        Err(error) => return Ok(Err(NotifyError::Config(error.to_string()))),
    };
    let event: Event = match serde_json::from_str(&notice.event) {
        Ok(event) => event,
        Err(error) => return Ok(Err(NotifyError::Config(error.to_string()))),
    };
    Ok(send(
        &channel.config,
        channel.secret.as_ref(),
        &notice.id,
        &event,
        now,
    )
    .await)
}

/// Three minutes before the second attempt, later twice as long each time.
fn pause(attempt: i64) -> Duration {
    let doubled = u32::try_from(attempt - 1).unwrap_or(0).min(16);
    Duration::minutes(1 << doubled).clamp(MIN_PAUSE, MAX_PAUSE)
}

/// Sends what is to be sent, every few seconds, until it is dropped.
pub async fn drive(catalog: Catalog, now: Arc<dyn Fn() -> OffsetDateTime + Send + Sync>) {
    loop {
        if let Err(error) = send_open(&catalog, now()).await {
            tracing::error!(%error, "messages could not be looked after");
        }
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    }
}
