//! The HTTP side of the server: a file a resource. The protocol is described in `docs/http-api.md`.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{delete, get, post},
};
use tower_http::services::ServeDir;

mod archive;
mod backups;
mod body;
mod demo;
mod described;
mod guard;
mod headers;
mod hosts;
mod id;
mod plans;
mod problem;
mod profiles;
mod range;
mod restores;
mod runs;
mod safety_backups;
mod server;
mod session;
mod sign_in;
mod sources;
mod statics;
mod uploads;

pub use hosts::Hosts;
pub use server::{
    DEFAULT_LISTEN, DEFAULT_UPLOAD_QUOTA, DEFAULT_USER_UPLOAD_QUOTA, ServeError, ServeOptions, Server, lock_data,
};
pub use sources::ConnectError;

use coffer_core::seal::SenderKey;

use crate::{
    catalog::Catalog,
    runs::Runs,
    safety::SafetyStore,
    store::{Archives, Room, Uploads},
};
use sign_in::SignIn;

/// Most bytes of a request's JSON, unless an address says otherwise.
const MAX_JSON: usize = 1 << 20;
/// How long a database may take to say whether it can be reached.
const CONNECT_LIMIT: Duration = Duration::from_secs(30);

/// What every request can reach.
#[derive(Debug)]
struct App {
    catalog: Catalog,
    archives: Archives,
    uploads: Uploads,
    /// Bytes that uploads may have, unfinished or stored.
    upload_quota: Room,
    runs: Runs,
    sign_in: SignIn,
    /// What backups are signed with.
    sender: SenderKey,
    /// Where what restores replace is kept.
    safety: SafetyStore,
    hosts: Hosts,
}

type Shared = Arc<App>;

/// All addresses. Every one below `/api` needs a sign-in, unless it is in the first list.
fn router(app: &Shared, web: Option<&std::path::Path>) -> Router {
    let open = Router::new().route("/healthz", get(session::health)).route(
        "/api/session",
        get(session::show)
            .post(session::start)
            .merge(
                delete(session::end).route_layer(middleware::from_fn_with_state(
                    app.clone(),
                    guard::signed_in,
                )),
            ),
    );
    let signed_in = Router::new()
        .route("/sources", get(sources::list).post(sources::add))
        .route("/sources/{id}", delete(sources::remove))
        .route("/sources/{id}/backups", post(backups::start))
        .route("/profiles", get(profiles::list).post(profiles::add))
        .route("/profiles/{id}/keys", post(profiles::add_key))
        .route("/profiles/{id}/keys/{fingerprint}", delete(profiles::discard_key))
        .route("/profiles/{id}/keys/{fingerprint}/verified", post(profiles::key_verified))
        .route("/profiles/{id}/keys/{fingerprint}/retire", post(profiles::retire_key))
        .route("/runs", get(runs::list))
        .route("/runs/{id}", get(runs::show))
        .route("/runs/{id}/events", get(runs::events))
        .route("/runs/{id}/cancel", post(runs::cancel))
        .route("/backups", get(backups::list))
        .route("/backups/{id}", delete(backups::remove))
        .route("/backups/{id}/scrub", post(backups::scrub))
        .route("/backups/{id}/archive", get(archive::read))
        .route(
            "/plans",
            post(plans::make).layer(DefaultBodyLimit::max(plans::MAX_BODY)),
        )
        .merge(uploads::routes())
        .route("/restores", post(restores::start))
        .route("/safety-backups", get(safety_backups::list))
        .route("/safety-backups/{id}/plan", post(safety_backups::plan))
        .route("/safety-backups/{id}/undo", post(safety_backups::start))
        .fallback(problem::no_such_address)
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(middleware::from_fn_with_state(
            app.clone(),
            guard::signed_in,
        ));
    let all = open
        .method_not_allowed_fallback(problem::no_such_method)
        .nest("/api", signed_in)
        .layer(DefaultBodyLimit::max(MAX_JSON));
    let all = match web {
        Some(folder) => all.fallback_service(ServeDir::new(folder)),
        None => all
            .route("/", get(statics::no_web_app))
            .fallback(problem::no_such_address),
    };
    all.layer(middleware::from_fn(guard::same_origin))
        .layer(middleware::from_fn_with_state(
            app.clone(),
            guard::known_host,
        ))
        .layer(middleware::from_fn(headers::secure))
        .layer(middleware::from_fn(headers::log))
        .with_state(app.clone())
}
