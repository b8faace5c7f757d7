//! `/api/runs`

use std::{convert::Infallible, time::Duration};

use axum::{
    Json as Answer,
    extract::State,
    http::StatusCode,
    response::sse::{Event, KeepAlive, Sse},
};
use futures_util::{Stream, StreamExt, stream};
use serde_json::json;

use super::{
    Shared,
    caller::{Caller, not_permitted},
    id::IdInPath,
    problem::Problem,
};
use crate::{
    access::Permission,
    catalog::{Id, RunKind},
    runs::{ActiveRun, Follow, Followed, RunView},
};

/// How often a run's progress is sent at most.
const TICK: Duration = Duration::from_millis(200);
/// How often a silent connection is shown to be alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

#[utoipa::path(get, path = "/runs", operation_id = "list_runs",
    extensions(("x-permission" = json!("view")), ("x-scope" = json!("source"))), responses((status = 200, description = "Those that are at work")))]
pub(super) async fn list(State(app): State<Shared>, caller: Caller) -> Answer<Vec<ActiveRun>> {
    let mut runs = app.runs.all_running();
    runs.retain(|run| caller.rights.allow_for(Permission::View, &run.source));
    Answer(runs)
}

#[utoipa::path(get, path = "/runs/{id}", operation_id = "show_run",
    extensions(("x-permission" = json!("view")), ("x-scope" = json!("source"))), responses((status = 200, description = "How it stands")))]
pub(super) async fn show(
    State(app): State<Shared>,
    caller: Caller,
    IdInPath(id): IdInPath,
) -> Result<Answer<RunView>, Problem> {
    may_see(&app, &caller, &id).await?;
    Ok(Answer(app.runs.view(&id).await?))
}

#[utoipa::path(post, path = "/runs/{id}/cancel", operation_id = "cancel_run",
    extensions(("x-permission" = json!("back_up restore configure")), ("x-scope" = json!("source"))), responses((status = 202, description = "It stops at its next step")))]
pub(super) async fn cancel(
    State(app): State<Shared>,
    caller: Caller,
    IdInPath(id): IdInPath,
) -> Result<StatusCode, Problem> {
    let (kind, source) = app.runs.about(&id).await?;
    let permission = match kind {
        RunKind::Backup => Permission::BackUp,
        RunKind::Restore | RunKind::Rehearsal => Permission::Restore,
        RunKind::Adopt => Permission::Configure,
    };
    may(&caller, permission, source.as_ref())?;
    app.runs.cancel(&id).await?;
    Ok(StatusCode::ACCEPTED)
}

#[utoipa::path(get, path = "/runs/{id}/events", operation_id = "follow_run",
    extensions(("x-permission" = json!("view")), ("x-scope" = json!("source"))), responses((status = 200, description = "Server-sent events")))]
pub(super) async fn events(
    State(app): State<Shared>,
    caller: Caller,
    IdInPath(id): IdInPath,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    may_see(&app, &caller, &id).await?;
    let events = match app.runs.follow(&id).await? {
        Followed::Ended(view) => stream::iter([event("end", &view)]).left_stream(),
        Followed::Running(follow) => stream::unfold(Some((follow, None)), next).right_stream(),
    };
    let events = events.map(Ok);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("still here")))
}

async fn may_see(app: &Shared, caller: &Caller, id: &Id) -> Result<(), Problem> {
    let (_, source) = app.runs.about(id).await?;
    may(caller, Permission::View, source.as_ref())
}

/// Refuses what is not allowed with a run's source; if that is not known, with all.
fn may(caller: &Caller, permission: Permission, source: Option<&Id>) -> Result<(), Problem> {
    match source {
        Some(source) => caller.may(permission, source),
        None if caller.rights.allow(permission) => Ok(()),
        None => Err(not_permitted(permission)),
    }
}

/// The next event: the run as it stands at first and after each change, and its end.
async fn next(
    state: Option<(Follow, Option<RunView>)>,
) -> Option<(Event, Option<(Follow, Option<RunView>)>)> {
    let (mut follow, mut shown) = state?;
    loop {
        let wait = if shown.is_some() {
            TICK
        } else {
            Duration::ZERO
        };
        let ended = follow.wait(wait).await;
        let view = follow.view();
        if ended {
            return Some((event("end", &view), None));
        }
        if shown.as_ref() != Some(&view) {
            let event = event("progress", &view);
            shown = Some(view);
            return Some((event, Some((follow, shown))));
        }
    }
}

fn event(name: &str, view: &RunView) -> Event {
    Event::default().event(name).data(json!(view).to_string())
}
