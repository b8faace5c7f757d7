//! `/api/users`: who there is.

use axum::{
    Json as Answer,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::{
    Shared,
    account::exceeds,
    body::Json,
    caller::{Caller, digest},
    etag,
    id::IdInPath,
    problem::Problem,
    sign_in::{LINK_AGE, secret},
    sources::checked_name,
};
use crate::{
    access::Rights,
    catalog::{Id, UserRecord},
    clock,
};

/// A user to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewUser)]
#[serde(deny_unknown_fields)]
pub(super) struct New {
    name: String,
    #[serde(default)]
    groups: Vec<Id>,
}

/// What is to be otherwise; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = UserChange)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    name: Option<String>,
    groups: Option<Vec<Id>>,
    disabled: Option<bool>,
}

/// A user.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct User {
    id: Id,
    name: String,
    groups: Vec<Id>,
    disabled: bool,
    /// A password was chosen; else a one-time link waits for that.
    has_password: bool,
    created_at: String,
}

/// What a one-time link holds.
#[derive(Serialize, ToSchema)]
pub(super) struct Link {
    /// Behind `#link=` in the address of the page. It is told this once.
    token: String,
    expires_at: String,
}

/// A user who was just added, with the link to choose a password by.
#[derive(Serialize, ToSchema)]
pub(super) struct Added {
    user: User,
    link: Link,
}

impl From<UserRecord> for User {
    fn from(record: UserRecord) -> Self {
        Self {
            id: record.id,
            name: record.name,
            groups: record.groups,
            disabled: record.disabled,
            has_password: record.password.is_some(),
            created_at: record.created_at,
        }
    }
}

/// All users
#[utoipa::path(get, path = "/users", operation_id = "list_users", extensions(("x-permission" = json!("administer"))),
    responses((status = 200, description = "By their names", body = [User])))]
pub(super) async fn list(State(app): State<Shared>) -> Result<Answer<Vec<User>>, Problem> {
    let users = app.catalog.users().await?;
    Ok(Answer(users.into_iter().map(Into::into).collect()))
}

/// One user
#[utoipa::path(get, path = "/users/{id}", operation_id = "show_user", extensions(("x-permission" = json!("administer"))),
    responses((status = 200, description = "With an ETag", body = User)))]
pub(super) async fn show(
    State(app): State<Shared>,
    IdInPath(id): IdInPath,
) -> Result<Response, Problem> {
    let user = find(&app, &id).await?;
    Ok(etag::tagged(
        StatusCode::OK,
        user.revision,
        User::from(user),
    ))
}

/// Add a user, who chooses a password by a one-time link
#[utoipa::path(post, path = "/users", operation_id = "add_user", request_body = New, extensions(("x-permission" = json!("administer"))),
    responses((status = 201, description = "With the link, this once", body = Added)))]
pub(super) async fn add(
    State(app): State<Shared>,
    caller: Caller,
    Json(new): Json<New>,
) -> Result<(StatusCode, Answer<Added>), Problem> {
    let user = UserRecord {
        id: Id::random()?,
        name: checked_name(&new.name)?,
        password: None,
        disabled: false,
        created_at: clock::text(clock::now()),
        revision: 1,
        groups: new.groups,
    };
    may_give(&app, &caller, &user.groups).await?;
    app.catalog.add_user(&user).await?;
    let link = make_link(&app, &user.id).await?;
    let user = user.into();
    Ok((StatusCode::CREATED, Answer(Added { user, link })))
}

/// Change a user
#[utoipa::path(patch, path = "/users/{id}", operation_id = "change_user", request_body = Change, extensions(("x-permission" = json!("administer"))),
    responses((status = 200, description = "As it is now", body = User)))]
pub(super) async fn change(
    State(app): State<Shared>,
    caller: Caller,
    IdInPath(id): IdInPath,
    headers: HeaderMap,
    Json(change): Json<Change>,
) -> Result<Response, Problem> {
    let mut user = find(&app, &id).await?;
    etag::check(&headers, user.revision)?;
    if let Some(name) = change.name {
        user.name = checked_name(&name)?;
    }
    let enabled = change.disabled == Some(false) && user.disabled;
    if let Some(disabled) = change.disabled {
        user.disabled = disabled;
    }
    match change.groups {
        Some(groups) => {
            // Only what is new is given; groups that stay were given by somebody who could.
            let new: Vec<Id> = groups
                .iter()
                .filter(|group| enabled || !user.groups.contains(group))
                .cloned()
                .collect();
            may_give(&app, &caller, &new).await?;
            user.groups = groups;
        }
        None if enabled => may_give(&app, &caller, &user.groups).await?,
        None => {}
    }
    app.catalog.change_user(&user).await?;
    user.revision += 1;
    Ok(etag::tagged(
        StatusCode::OK,
        user.revision,
        User::from(user),
    ))
}

/// Remove a user; what the user did stays in the audit log
#[utoipa::path(delete, path = "/users/{id}", operation_id = "remove_user", extensions(("x-permission" = json!("administer"))),
    responses((status = 204, description = "Removed")))]
pub(super) async fn remove(
    State(app): State<Shared>,
    IdInPath(id): IdInPath,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    etag::check(&headers, find(&app, &id).await?.revision)?;
    if app.catalog.remove_user(&id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(no_user())
    }
}

/// Make a one-time link by which a user chooses a new password
#[utoipa::path(post, path = "/users/{id}/link", operation_id = "make_link", extensions(("x-permission" = json!("administer"))),
    responses((status = 201, description = "The link, this once", body = Link)))]
pub(super) async fn link(
    State(app): State<Shared>,
    caller: Caller,
    IdInPath(id): IdInPath,
) -> Result<(StatusCode, Answer<Link>), Problem> {
    find(&app, &id).await?;
    // Whoever has the link is that user.
    if !caller.rights.cover(&app.catalog.rights_of(&id).await?) {
        return Err(exceeds());
    }
    Ok((StatusCode::CREATED, Answer(make_link(&app, &id).await?)))
}

/// End all sessions of a user
#[utoipa::path(delete, path = "/users/{id}/sessions", operation_id = "end_sessions", extensions(("x-permission" = json!("administer"))),
    responses((status = 204, description = "Ended")))]
pub(super) async fn end_sessions(
    State(app): State<Shared>,
    IdInPath(id): IdInPath,
) -> Result<StatusCode, Problem> {
    find(&app, &id).await?;
    app.catalog.remove_sessions(&id, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn make_link(app: &Shared, user: &Id) -> Result<Link, Problem> {
    let token: Zeroizing<String> = secret()?;
    let expires_at = clock::text(clock::now() + LINK_AGE);
    app.catalog
        .add_link(&digest(&token), Some(user), &expires_at)
        .await?;
    Ok(Link {
        token: token.as_str().to_owned(),
        expires_at,
    })
}

async fn find(app: &Shared, id: &Id) -> Result<UserRecord, Problem> {
    app.catalog.user(id).await?.ok_or_else(no_user)
}

fn no_user() -> Problem {
    Problem::not_found("no_user", "there is no such user (any more)")
}

/// Refuses to put anybody into groups that allow more than who does it.
async fn may_give(app: &Shared, caller: &Caller, groups: &[Id]) -> Result<(), Problem> {
    for id in groups {
        let group = app.catalog.group(id).await?.ok_or_else(|| {
            Problem::unusable("no_group", "there is no such group; nothing was changed")
        })?;
        if !caller.rights.cover(&Rights::of([&group.grant])) {
            return Err(exceeds());
        }
    }
    Ok(())
}
