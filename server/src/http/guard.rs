//! Who is let in: requests for this host, from this page, of somebody who may ask for it.

use std::time::Duration;

use axum::{
    body::to_bytes,
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{
    Shared, audit,
    caller::{self, Caller, Origin, Via, not_permitted},
    idempotency,
    openapi::Need,
    problem::Problem,
};

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Types that a page of another site can't send without being asked first.
const TYPES: [&str; 2] = ["application/json", "application/offset+octet-stream"];
/// A header that such a page can't send either. Clients of tus send it with every request, and mostly no type.
const TUS: HeaderName = HeaderName::from_static("tus-resumable");

/// Most bytes of a refused request that are read, and how long for.
const MAX_DRAINED: usize = 64 << 10;
const DRAIN_LIMIT: Duration = Duration::from_secs(1);

/// Refuses requests for hosts that this server is not.
pub(super) async fn known_host(
    State(app): State<Shared>,
    request: Request,
    next: Next,
) -> Response {
    if host(&request).is_some_and(|host| app.hosts.allow(host)) {
        return next.run(request).await;
    }
    let problem = Problem::new(
        StatusCode::MISDIRECTED_REQUEST,
        "unknown_host",
        "this Coffer is not known under this name; open it by its address, or start it with --host NAME",
    );
    refuse(request, problem).await
}

/// Refuses requests that change something and come from another site's page.
pub(super) async fn same_origin(request: Request, next: Next) -> Response {
    match check(&request) {
        Ok(()) => next.run(request).await,
        Err(problem) => refuse(request, problem).await,
    }
}

fn check(request: &Request) -> Result<(), Problem> {
    if matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    ) {
        return Ok(());
    }
    let headers = request.headers();
    let from_here = text(headers, &FETCH_SITE).is_none_or(|site| site == "same-origin")
        && text(headers, &header::ORIGIN).is_none_or(|origin| {
            let authority = origin.split_once("://").map(|(_, authority)| authority);
            authority.is_some() && authority == host(request)
        });
    if !from_here {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "cross_site",
            "this request came from the page of another site; nothing was changed",
        ));
    }
    let of_type = text(headers, &header::CONTENT_TYPE).is_some_and(|value| {
        let essence = value.split(';').next().unwrap_or_default().trim();
        TYPES
            .iter()
            .any(|known| essence.eq_ignore_ascii_case(known))
    });
    // No page of another site can send a token, and browsers never add one themselves.
    let by_token = caller::bearer(headers).is_some();
    if !of_type && !by_token && !headers.contains_key(&TUS) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "requests that change something are sent as application/json; nothing was changed",
        ));
    }
    Ok(())
}

/// Lets a request through to its operation if whoever sends it may ask for that, and writes to the audit log what became of it.
pub(super) async fn permitted(
    State(app): State<Shared>,
    matched: Option<MatchedPath>,
    mut request: Request,
    next: Next,
) -> Response {
    let origin = Origin::of(&request, &app.trusted_proxies);
    let caller = match caller::find(&app, request.headers()).await {
        Ok(caller) => caller,
        Err(error) => return refuse(request, error.into()).await,
    };
    let operation = matched.as_ref().and_then(|matched| {
        app.described
            .get()?
            .operation(matched.as_str(), request.method())
    });
    let line = operation
        .filter(|operation| operation.audited)
        .map(|operation| audit::begun(operation, caller.as_ref(), &origin, request.uri().path()));
    let allowed = match operation {
        Some(operation) => allow(operation.need, caller.as_ref()),
        // There is no such address or method, which only somebody who is signed in is told.
        None => allow(Need::SignedIn, caller.as_ref()),
    };
    let allowed = match &matched {
        Some(matched) if operation.is_none() && !app.known(matched.as_str()) => {
            allowed.and(Err(Problem::internal(
                "defect",
                "this address does not say who may use it, so nobody may; nothing was changed; please report it",
            )))
        }
        _ => allowed,
    };
    request.extensions_mut().insert(origin);
    let user = caller.as_ref().map(|caller| caller.user.clone());
    if let Some(caller) = caller {
        request.extensions_mut().insert(caller);
    }
    let response = match allowed {
        Ok(()) => match (operation, user) {
            (Some(operation), Some(user)) if operation.once => {
                idempotency::once(&app, &user, request, next).await
            }
            _ => next.run(request).await,
        },
        Err(problem) => refuse(request, problem).await,
    };
    match line {
        Some(line) => audit::ended(&app, line, response).await,
        None => response,
    }
}

fn allow(need: Need, caller: Option<&Caller>) -> Result<(), Problem> {
    let caller = match (need, caller) {
        (Need::Public, _) => return Ok(()),
        (_, None) => {
            return Err(Problem::new(
                StatusCode::UNAUTHORIZED,
                "not_signed_in",
                "nobody is signed in; sign in first; nothing was changed",
            ));
        }
        (_, Some(caller)) => caller,
    };
    match need {
        Need::Public | Need::SignedIn => Ok(()),
        Need::Session => match caller.via {
            Via::Session(_) => Ok(()),
            Via::Token(_) => Err(Problem::new(
                StatusCode::FORBIDDEN,
                "needs_session",
                "a token can't do this, so that one that leaked makes no others; sign in with your password; nothing was changed",
            )),
        },
        Need::Any {
            permissions,
            of_source,
        } => {
            let held = |permission| {
                if of_source {
                    caller.rights.allow_somewhere(permission)
                } else {
                    caller.rights.allow(permission)
                }
            };
            let mut needed = permissions.iter();
            match needed.next() {
                Some(first) if !held(first) && !needed.any(held) => Err(not_permitted(first)),
                Some(_) => Ok(()),
                // Nobody has one of none.
                None => Err(Problem::internal(
                    "defect",
                    "nobody may do this; nothing was changed; please report it",
                )),
            }
        }
    }
}

/// Answers without a handler. The little that may still be on its way is read first: a connection that is closed on
/// unread bytes is reset, and takes the answer with it.
async fn refuse(request: Request, problem: Problem) -> Response {
    let rest = to_bytes(request.into_body(), MAX_DRAINED);
    // However that ends, the request is refused.
    let _ = tokio::time::timeout(DRAIN_LIMIT, rest).await;
    problem.into_response()
}

/// A header's text. One that can't be read as text is a text that nothing equals.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers
        .get(name)
        .map(|value| value.to_str().unwrap_or_default())
}

fn host(request: &Request) -> Option<&str> {
    let mut named = request.headers().get_all(header::HOST).iter();
    match (named.next(), named.next()) {
        (Some(host), None) => host.to_str().ok(),
        // HTTP/2 has it in the address; two of them are one too many.
        (None, _) => request
            .uri()
            .authority()
            .map(|authority| authority.as_str()),
        (Some(_), Some(_)) => None,
    }
}
