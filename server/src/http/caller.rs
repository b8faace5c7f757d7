//! Who sends a request, and from where.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts, Request},
    http::{Extensions, HeaderMap, StatusCode, header, request::Parts},
};
use coffer_core::Digest;
use time::OffsetDateTime;

use super::{App, problem::Problem};
use crate::{
    access::{Permission, Rights},
    catalog::{CatalogError, Id, UserRecord, hex},
    clock,
};

/// The session's cookie.
pub(super) const COOKIE: &str = "coffer_session";
/// What every token for programs begins with, so that it is known where it should not be.
pub(super) const TOKEN_PREFIX: &str = "coffer_";
/// How long a session lasts without a request, and in all.
pub(crate) const IDLE: time::Duration = time::Duration::hours(12);
pub(super) const SESSION_AGE: time::Duration = time::Duration::days(7);
/// How exactly it is recorded when a session or token was used.
const USED_EXACTLY: time::Duration = time::Duration::minutes(1);

/// By what a request is known to be somebody's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Via {
    /// A session of this id.
    Session(Id),
    /// A token of this id.
    Token(Id),
}

impl Via {
    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Self::Session(_) => "session",
            Self::Token(_) => "token",
        }
    }
}

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) user: Id,
    pub(super) name: String,
    /// What this request may do: of a token, at most what it was made for.
    pub(super) rights: Rights,
    pub(super) via: Via,
}

impl Caller {
    /// Refuses what is not allowed with this source. Coffer's own configuration says who may do what, so that more is needed for
    /// all that is more than to see that there are backups of it.
    pub(super) fn may(&self, permission: Permission, source: &Id) -> Result<(), Problem> {
        let more: &[Permission] = match permission {
            _ if !source.is_system() => &[],
            Permission::View => &[],
            Permission::Restore => &[Permission::Administer, Permission::Configure],
            _ => &[Permission::Administer],
        };
        let mut needed = std::iter::once(&permission).chain(more);
        match needed.find(|permission| !self.rights.allow_for(**permission, source)) {
            Some(missing) => Err(not_permitted(*missing)),
            None => Ok(()),
        }
    }
}

pub(super) fn not_permitted(permission: Permission) -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "not_permitted",
        format!(
            "this needs the permission {permission}, which you do not have here; nothing was changed; ask an administrator for it"
        ),
    )
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            Problem::internal(
                "defect",
                "nobody asked who sent this request; nothing was done; please report it",
            )
        })
    }
}

/// Where a request came from.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    /// The address; empty if it is not known.
    pub(super) address: String,
    /// Whether the browser speaks TLS to the proxy before this server.
    pub(super) secure: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for Origin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or(Self {
            address: String::new(),
            secure: false,
        }))
    }
}

impl Origin {
    /// What a proxy says of a request is believed only of proxies that were named at the start.
    pub(super) fn of(request: &Request, proxies: &[IpAddr]) -> Self {
        let peer = peer(request.extensions());
        let trusted = peer.is_some_and(|peer| proxies.contains(&peer));
        let headers = request.headers();
        let forwarded = trusted
            .then(|| forwarded_for(headers, proxies))
            .flatten()
            .or(peer);
        Self {
            address: forwarded
                .map(|address| address.to_string())
                .unwrap_or_default(),
            secure: trusted
                && headers
                    .get("x-forwarded-proto")
                    .is_some_and(|value| value == "https"),
        }
    }
}

fn peer(extensions: &Extensions) -> Option<IpAddr> {
    let ConnectInfo(address) = extensions.get::<ConnectInfo<SocketAddr>>()?;
    Some(address.ip().to_canonical())
}

/// The last address that no named proxy added for itself: what stands before it, anybody can have written.
fn forwarded_for(headers: &HeaderMap, proxies: &[IpAddr]) -> Option<IpAddr> {
    let values = headers.get_all("x-forwarded-for").iter();
    let listed: Vec<&str> = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    for text in listed.into_iter().rev() {
        let address = text.trim().parse::<IpAddr>().ok()?.to_canonical();
        if !proxies.contains(&address) {
            return Some(address);
        }
    }
    None
}

/// What is stored of a secret that lets somebody in. It is random, so one round is enough.
pub(crate) fn digest(secret: &str) -> String {
    hex(&Digest::of(secret.as_bytes()).0)
}

/// Who sends this request; nobody if neither session nor token is one that works.
pub(super) async fn find(app: &App, headers: &HeaderMap) -> Result<Option<Caller>, CatalogError> {
    let now = clock::now();
    if let Some(bearer) = bearer(headers) {
        // Whoever gives a token means it, whatever cookies come along.
        return by_token(app, bearer, now).await;
    }
    for cookie in cookies(headers) {
        if let Some(caller) = by_session(app, cookie, now).await? {
            return Ok(Some(caller));
        }
    }
    Ok(None)
}

async fn by_session(
    app: &App,
    cookie: &str,
    now: OffsetDateTime,
) -> Result<Option<Caller>, CatalogError> {
    let Some(session) = app.catalog.session(&digest(cookie)).await? else {
        return Ok(None);
    };
    let lasts = clock::parse(&session.expires_at).is_some_and(|end| now < end)
        && clock::parse(&session.used_at).is_some_and(|used| now - used < IDLE);
    if !lasts {
        return Ok(None);
    }
    let Some(user) = enabled(app, &session.user_id).await? else {
        return Ok(None);
    };
    if is_old(&session.used_at, now) {
        app.catalog
            .session_used(&session.id, &clock::text(now))
            .await?;
    }
    Ok(Some(Caller {
        rights: app.catalog.rights_of(&user.id).await?,
        user: user.id,
        name: user.name,
        via: Via::Session(session.id),
    }))
}

async fn by_token(
    app: &App,
    token: &str,
    now: OffsetDateTime,
) -> Result<Option<Caller>, CatalogError> {
    let Some(token) = app.catalog.token(&digest(token)).await? else {
        return Ok(None);
    };
    if clock::parse(&token.expires_at).is_none_or(|end| now >= end) {
        return Ok(None);
    }
    let Some(user) = enabled(app, &token.user_id).await? else {
        return Ok(None);
    };
    if token
        .used_at
        .as_deref()
        .is_none_or(|used| is_old(used, now))
    {
        app.catalog.token_used(&token.id, &clock::text(now)).await?;
    }
    let rights = app.catalog.rights_of(&user.id).await?;
    Ok(Some(Caller {
        rights: rights.within(&Rights::of([&token.grant])),
        user: user.id,
        name: user.name,
        via: Via::Token(token.id),
    }))
}

async fn enabled(app: &App, user: &Id) -> Result<Option<UserRecord>, CatalogError> {
    let user = app.catalog.user(user).await?;
    Ok(user.filter(|user| !user.disabled))
}

fn is_old(used: &str, now: OffsetDateTime) -> bool {
    clock::parse(used).is_none_or(|used| now - used >= USED_EXACTLY)
}

/// The token that a request carries.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().unwrap_or("");
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The sessions that a request names. Other servers on this host can set cookies of the same name, so there may be
/// several.
pub(super) fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value)
        .take(8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn origin(peer: &str, headers: &[(&str, &str)], proxies: &[&str]) -> Origin {
        let mut request = Request::builder().uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::empty()).unwrap();
        let peer = SocketAddr::new(peer.parse().unwrap(), 7);
        request.extensions_mut().insert(ConnectInfo(peer));
        let proxies: Vec<IpAddr> = proxies.iter().map(|text| text.parse().unwrap()).collect();
        Origin::of(&request, &proxies)
    }

    #[test]
    fn only_named_proxies_are_believed() {
        let headers = [
            ("x-forwarded-for", "198.51.100.9, 192.0.2.7"),
            ("x-forwarded-proto", "https"),
        ];
        let direct = origin("192.0.2.1", &headers, &[]);
        assert_eq!(
            (direct.address.as_str(), direct.secure),
            ("192.0.2.1", false)
        );
        let behind = origin("192.0.2.1", &headers, &["192.0.2.1"]);
        assert_eq!(
            (behind.address.as_str(), behind.secure),
            ("192.0.2.7", true)
        );
        // What the client itself wrote stands further left, and is not believed.
        let two = origin("192.0.2.1", &headers, &["192.0.2.1", "192.0.2.7"]);
        assert_eq!(two.address, "198.51.100.9");
        let without = origin("192.0.2.1", &[], &["192.0.2.1"]);
        assert_eq!(
            (without.address.as_str(), without.secure),
            ("192.0.2.1", false)
        );
        let garbage = origin(
            "::ffff:192.0.2.1",
            &[("x-forwarded-for", "x")],
            &["192.0.2.1"],
        );
        assert_eq!(garbage.address, "192.0.2.1");
    }
}
