//! `/api/metrics`, for monitors; `/healthz` and `/readyz`, for what starts and routes.

use std::{collections::BTreeMap, time::Instant};

use axum::{
    Json as Answer,
    extract::{MatchedPath, Request, State},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{Shared, caller::Caller, problem::Problem};
use crate::{
    access::Permission,
    catalog::{BackupRecord, BackupState, Id, SourceRecord},
    clock,
    metrics::{MEDIA_TYPE, OTHER_ROUTE, SourceStanding, Standing},
    runs::ActiveRun,
};

/// Whether the process answers at all. What restarts it asks this, so it depends on nothing else.
#[utoipa::path(get, path = "/healthz", operation_id = "health", extensions(("x-permission" = json!("public"))),
    responses((status = 200, description = "It does")))]
pub(super) async fn health() -> Answer<Value> {
    Answer(json!({ "status": "ok" }))
}

/// Whether the process can do its work. What routes requests to it asks this.
#[utoipa::path(get, path = "/readyz", operation_id = "ready", extensions(("x-permission" = json!("public"))),
    responses((status = 200, description = "It can")))]
pub(super) async fn ready(State(app): State<Shared>) -> Result<Answer<Value>, Problem> {
    if app.runs.is_stopping() {
        return Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "stopping",
            "Coffer is being stopped; it takes no further work",
        ));
    }
    app.catalog.answers().await.map_err(|error| {
        tracing::error!(%error, "not ready: the catalog does not answer");
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "catalog_unreachable",
            "the catalog does not answer; the server's log says why",
        )
    })?;
    Ok(Answer(json!({ "status": "ready" })))
}

/// How things stand, for a monitor; of those sources that the caller may see
#[utoipa::path(get, path = "/metrics", operation_id = "metrics",
    extensions(("x-permission" = json!("view")), ("x-scope" = json!("source"))),
    responses((status = 200, description = "OpenMetrics 1.0.0", content_type = MEDIA_TYPE)))]
pub(super) async fn scrape(State(app): State<Shared>, caller: Caller) -> Result<Response, Problem> {
    let seen = |source: &Id| caller.rights.allow_for(Permission::View, source);
    let mut sources = app.catalog.sources().await?;
    sources.retain(|source| seen(&source.id));
    let mut backups = app.catalog.backups().await?;
    backups.retain(|backup| seen(&backup.source));
    let mut running = app.runs.all_running();
    running.retain(|run| seen(&run.source));
    // A job may be of several sources, and who may not see them all is told of none.
    let jobs = match caller.rights.allow(Permission::View) {
        true => app.scheduler.active(),
        false => 0,
    };
    let standing = standing(&sources, &backups, &running, jobs as u64);
    let text = app
        .metrics
        .text(&standing)
        .map_err(|_| Problem::internal("defect", "the metrics could not be written"))?;
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response())
}

/// Counts each answer by its route's pattern.
pub(super) async fn count(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let start = Instant::now();
    let response = next.run(request).await;
    // Any word can stand where the method does, and each would be a line of its own.
    let method = match method.as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => known,
        _ => OTHER_ROUTE,
    };
    let route = route.as_ref().map_or(OTHER_ROUTE, MatchedPath::as_str);
    app.metrics
        .answered(method, route, response.status().as_u16(), start.elapsed());
    response
}

fn standing(
    sources: &[SourceRecord],
    backups: &[BackupRecord],
    running: &[ActiveRun],
    jobs: u64,
) -> Standing {
    let bytes = |backup: &BackupRecord| u64::try_from(backup.size).unwrap_or_default();
    let sources = sources
        .iter()
        .map(|source| SourceStanding {
            name: source.name.clone(),
            last_verified: backups
                .iter()
                .filter(|backup| backup.state == BackupState::Verified)
                .filter(|backup| backup.source == source.id)
                .filter_map(|backup| {
                    let at = clock::parse(&backup.created_at)?;
                    Some((at.unix_timestamp(), bytes(backup)))
                })
                .max(),
        })
        .collect();
    let states = [
        ("verified", BackupState::Verified),
        ("unverified", BackupState::Unverified),
        ("damaged", BackupState::Damaged),
    ];
    let backups = states
        .into_iter()
        .map(|(name, state)| {
            let those = || backups.iter().filter(move |backup| backup.state == state);
            (name, those().count() as u64, those().map(bytes).sum())
        })
        .collect();
    let mut kinds = BTreeMap::from([("backup", 0), ("restore", 0), ("adopt", 0), ("job", jobs)]);
    for run in running {
        *kinds.entry(run.run.kind.as_str()).or_default() += 1;
    }
    Standing {
        sources,
        backups,
        running: kinds.into_iter().collect(),
    }
}
