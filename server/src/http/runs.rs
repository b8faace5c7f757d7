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

use super::{Shared, id::IdInPath, problem::Problem};
use crate::runs::{ActiveRun, Follow, Followed, RunView};

/// How often a run's progress is sent at most.
const TICK: Duration = Duration::from_millis(200);
/// How often a silent connection is shown to be alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(super) async fn list(State(app): State<Shared>) -> Answer<Vec<ActiveRun>> {
    Answer(app.runs.all_running())
}

pub(super) async fn show(
    State(app): State<Shared>,
    IdInPath(id): IdInPath,
) -> Result<Answer<RunView>, Problem> {
    Ok(Answer(app.runs.view(&id).await?))
}

pub(super) async fn cancel(
    State(app): State<Shared>,
    IdInPath(id): IdInPath,
) -> Result<StatusCode, Problem> {
    app.runs.cancel(&id).await?;
    Ok(StatusCode::ACCEPTED)
}

pub(super) async fn events(
    State(app): State<Shared>,
    IdInPath(id): IdInPath,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let events = match app.runs.follow(&id).await? {
        Followed::Ended(view) => stream::iter([event("end", &view)]).left_stream(),
        Followed::Running(follow) => stream::unfold(Some((follow, None)), next).right_stream(),
    };
    let events = events.map(Ok);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("still here")))
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
