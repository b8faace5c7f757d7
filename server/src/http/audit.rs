//! The audit log: a line for each request that changes something, and for downloads; `/api/audit-log` reads it.

use axum::{
    Json as Answer,
    extract::{Query as Asked, State},
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Shared,
    caller::{Caller, Origin},
    openapi::Operation,
    page::bad_cursor,
    problem::{Code, Problem},
};
use crate::{
    catalog::{AuditRecord, Id},
    clock,
};

/// Lines of an answer, unless fewer are asked for, and at most.
const LINES: i64 = 100;
const MAX_LINES: i64 = 1000;
/// Most characters of a name that was tried and that nobody may have.
const MAX_WHO: usize = 100;

/// Who a request turned out to be from: a sign-in knows only afterwards.
#[derive(Clone, Debug)]
pub(super) struct Who {
    pub(super) user: Option<Id>,
    pub(super) name: String,
    pub(super) via: &'static str,
}

/// A line about a request that has only begun.
pub(super) fn begun(
    operation: &Operation,
    caller: Option<&Caller>,
    origin: &Origin,
    path: &str,
) -> AuditRecord {
    AuditRecord {
        seq: 0,
        at: clock::text(clock::now()),
        user_id: caller.map(|caller| caller.user.clone()),
        who: caller.map(|caller| caller.name.clone()).unwrap_or_default(),
        via: caller
            .map_or("none", |caller| caller.via.as_str())
            .to_owned(),
        action: operation.id.clone(),
        target: path.to_owned(),
        address: origin.address.clone(),
        status: 0,
        code: None,
    }
}

/// Writes the line, now that it is known how the request ended. What was done stays done if that fails; the log of the process
/// tells then.
pub(super) async fn ended(app: &Shared, mut line: AuditRecord, response: Response) -> Response {
    if let Some(who) = response.extensions().get::<Who>() {
        line.user_id.clone_from(&who.user);
        line.who = who.name.chars().take(MAX_WHO).collect();
        who.via.clone_into(&mut line.via);
    }
    line.status = response.status().as_u16().into();
    line.code = response
        .extensions()
        .get::<Code>()
        .map(|code| code.0.clone());
    if let Err(error) = app.catalog.add_audit(&line).await {
        tracing::error!(%error, action = line.action, target = line.target, who = line.who, status = line.status,
            "the audit log could not be written");
    }
    response
}

/// Which part of the log.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    /// At most so many lines: 1 to 1000, 100 if nothing is said.
    limit: Option<i64>,
    /// What the answer before this one called `next`.
    cursor: Option<String>,
}

/// A line of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Line {
    at: String,
    /// The user's id; `null` where nobody was known.
    user: Option<Id>,
    /// The name by then, or the one that was tried.
    who: String,
    /// `session`, `token`, `link`, `console` or `none`.
    via: String,
    /// The operation's name in this description.
    action: String,
    target: String,
    address: String,
    status: i64,
    code: Option<String>,
}

/// A part of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Lines {
    /// The latest first.
    items: Vec<Line>,
    /// To be given as `cursor` for what came before; `null` at the end.
    next: Option<String>,
}

/// What was done, by whom, when and from where; the latest first
#[utoipa::path(get, path = "/audit-log", operation_id = "list_audit_log", 
    params(("limit" = Option<i64>, Query, description = "At most so many lines; 100 if nothing is said", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "What the answer before this one called `next`")),
    extensions(("x-permission" = json!("administer"))), responses((status = 200, description = "A part of it", body = Lines)))]
pub(super) async fn list(
    State(app): State<Shared>,
    Asked(page): Asked<Page>,
) -> Result<Answer<Lines>, Problem> {
    let limit = page.limit.unwrap_or(LINES).clamp(1, MAX_LINES);
    let before = match &page.cursor {
        None => i64::MAX,
        Some(cursor) => cursor.parse().map_err(|_| bad_cursor())?,
    };
    let records = app.catalog.audit(before, limit).await?;
    let full = i64::try_from(records.len()) == Ok(limit);
    let next = records
        .last()
        .filter(|_| full)
        .map(|last| last.seq.to_string());
    let items = records.into_iter().map(Into::into).collect();
    Ok(Answer(Lines { items, next }))
}

impl From<AuditRecord> for Line {
    fn from(record: AuditRecord) -> Self {
        Self {
            at: record.at,
            user: record.user_id,
            who: record.who,
            via: record.via,
            action: record.action,
            target: record.target,
            address: record.address,
            status: record.status,
            code: record.code,
        }
    }
}
