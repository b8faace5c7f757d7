//! The HTTP side of the server: a file a resource. The protocol is described in `docs/http-api.md`.

use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::{Router, extract::DefaultBodyLimit, middleware, routing::get};
use tower_http::services::ServeDir;
use utoipa_axum::{router::OpenApiRouter, routes};

mod account;
mod archive;
mod audit;
mod backups;
mod body;
pub(crate) mod caller;
mod channels;
mod copies;
mod demo;
mod described;
mod destinations;
mod etag;
mod groups;
mod guard;
mod headers;
mod hosts;
mod id;
mod idempotency;
mod job_previews;
mod job_runs;
mod jobs;
mod metrics;
mod openapi;
mod page;
mod plans;
mod problem;
mod profiles;
mod range;
mod rehearsals;
mod restores;
mod runs;
mod safety_backups;
mod serve;
mod server;
mod session;
pub(crate) mod sign_in;
mod sources;
mod statics;
mod system;
mod upkeep;
mod uploads;
mod users;

pub use hosts::Hosts;
pub use server::{
    DEFAULT_LISTEN, DEFAULT_UPLOAD_QUOTA, DEFAULT_USER_UPLOAD_QUOTA, SAFETY, ServeError,
    ServeOptions, Server, StorePlace, lock_data, make_data_folder,
};
pub use sources::ConnectError;

use coffer_core::seal::SenderKey;

use crate::{
    catalog::Catalog,
    jobs::Scheduler,
    metrics::Metrics,
    runs::Runs,
    safety::SafetyStore,
    store::{Archives, Room, Uploads},
};
use openapi::Described;

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
    /// What the API can do, and what each operation needs.
    described: OnceLock<Described>,
    /// Who is believed when they say for whom they ask.
    trusted_proxies: Vec<IpAddr>,
    metrics: Metrics,
    /// What runs jobs.
    scheduler: Scheduler,
    /// What backups are signed with.
    sender: SenderKey,
    /// Where what restores replace is kept.
    safety: SafetyStore,
    /// What rehearsals have shown.
    rehearsed: rehearsals::Rehearsed,
    hosts: Hosts,
}

type Shared = Arc<App>;

impl App {
    /// Whether a route stands in the description, or is where everything else below it ends.
    fn known(&self, path: &str) -> bool {
        let described = self.described.get();
        path.contains('*')
            || path.ends_with('/')
            || described.is_some_and(|described| described.has(path))
    }
}

/// All operations below `/api`. What each needs stands in its own line, `x-permission` ([`openapi`]).
fn operations() -> OpenApiRouter<Shared> {
    let large = OpenApiRouter::new()
        .routes(routes!(plans::make))
        .layer(DefaultBodyLimit::max(plans::MAX_BODY));
    let into_new = OpenApiRouter::new()
        .routes(routes!(system::into_new))
        .layer(DefaultBodyLimit::max(system::MAX_BODY));
    OpenApiRouter::new()
        .routes(routes!(openapi::document))
        .routes(routes!(session::show, session::start, session::end))
        .routes(routes!(session::by_link))
        .routes(routes!(account::change_password))
        .routes(routes!(account::sessions))
        .routes(routes!(account::end_session))
        .routes(routes!(account::tokens, account::add_token))
        .routes(routes!(account::remove_token))
        .routes(routes!(users::list, users::add))
        .routes(routes!(users::show, users::change, users::remove))
        .routes(routes!(users::link))
        .routes(routes!(users::end_sessions))
        .routes(routes!(groups::list, groups::add))
        .routes(routes!(groups::show, groups::change, groups::remove))
        .routes(routes!(audit::list))
        .routes(routes!(sources::list, sources::add))
        .routes(routes!(sources::remove))
        .routes(routes!(sources::change_url))
        .routes(routes!(system::show))
        .routes(routes!(backups::start))
        .routes(routes!(profiles::list, profiles::add))
        .routes(routes!(profiles::add_key))
        .routes(routes!(profiles::discard_key))
        .routes(routes!(profiles::key_verified))
        .routes(routes!(profiles::retire_key))
        .routes(routes!(metrics::scrape))
        .routes(routes!(runs::list))
        .routes(routes!(runs::show))
        .routes(routes!(runs::events))
        .routes(routes!(runs::cancel))
        .routes(routes!(backups::list))
        .routes(routes!(backups::remove))
        .routes(routes!(backups::scrub))
        .routes(routes!(backups::lock))
        .routes(routes!(backups::unlock))
        .routes(routes!(archive::read))
        .routes(routes!(rehearsals::start))
        .routes(routes!(rehearsals::samples))
        .routes(routes!(restores::start))
        .routes(routes!(safety_backups::list))
        .routes(routes!(safety_backups::plan))
        .routes(routes!(safety_backups::start))
        .merge(configured())
        .merge(large)
        .merge(into_new)
        .merge(uploads::routes())
}

/// What is configured: jobs, with where they store, and who is told.
fn configured() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(destinations::list, destinations::add))
        .routes(routes!(
            destinations::show,
            destinations::change,
            destinations::remove
        ))
        .routes(routes!(destinations::test))
        .routes(routes!(destinations::found))
        .routes(routes!(destinations::adopt))
        .routes(routes!(jobs::list, jobs::add))
        .routes(routes!(jobs::show, jobs::change, jobs::remove))
        .routes(routes!(job_runs::list, job_runs::start))
        .routes(routes!(job_runs::show))
        .routes(routes!(job_runs::cancel))
        .routes(routes!(
            job_previews::retention,
            job_previews::other_retention
        ))
        .routes(routes!(job_previews::schedule))
        .routes(routes!(channels::list, channels::add))
        .routes(routes!(channels::show, channels::change, channels::remove))
        .routes(routes!(channels::test))
}

/// All addresses.
fn router(app: &Shared, web: Option<&std::path::Path>) -> Router {
    let (api, api_described) = operations().split_for_parts();
    let (open, open_described) = OpenApiRouter::new()
        .routes(routes!(metrics::health))
        .routes(routes!(metrics::ready))
        .split_for_parts();
    // Set once: there is one router for an app.
    let _ = app
        .described
        .set(Described::new(&api_described, &open_described));
    let api = api
        .fallback(problem::no_such_address)
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(middleware::from_fn_with_state(
            app.clone(),
            guard::permitted,
        ))
        .layer(middleware::from_fn(etag::fresh));
    let all = open
        .method_not_allowed_fallback(problem::no_such_method)
        .nest("/api", api)
        .layer(DefaultBodyLimit::max(MAX_JSON));
    let all = match web {
        Some(folder) => all.fallback_service(ServeDir::new(folder)),
        None => all
            .route("/", get(statics::no_web_app))
            .fallback(problem::no_such_address),
    };
    all.layer(middleware::from_fn_with_state(app.clone(), metrics::count))
        .layer(middleware::from_fn(guard::same_origin))
        .layer(middleware::from_fn_with_state(
            app.clone(),
            guard::known_host,
        ))
        .layer(middleware::from_fn(headers::secure))
        .layer(middleware::from_fn(headers::log))
        .with_state(app.clone())
}
