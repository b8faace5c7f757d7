//! `/api/groups`: what people may do.

use axum::{
    Json as Answer,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Shared, account::exceeds, body::Json, caller::Caller, etag, id::IdInPath, problem::Problem,
    sources::checked_name,
};
use crate::{
    access::{Grant, Permission, Permissions, Rights},
    catalog::{GroupRecord, Id},
    clock,
};

/// A group, as it is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = GroupContent)]
#[serde(deny_unknown_fields)]
pub(super) struct Content {
    name: String,
    permissions: Permissions,
    /// For which sources alone; nothing means for everything.
    #[serde(default)]
    sources: Option<Vec<Id>>,
}

/// A group.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Group {
    id: Id,
    name: String,
    permissions: Permissions,
    sources: Option<Vec<Id>>,
    created_at: String,
}

impl From<GroupRecord> for Group {
    fn from(record: GroupRecord) -> Self {
        Self {
            id: record.id,
            name: record.name,
            permissions: record.grant.permissions,
            sources: record.grant.sources,
            created_at: record.created_at,
        }
    }
}

/// All groups
#[utoipa::path(get, path = "/groups", operation_id = "list_groups", extensions(("x-permission" = json!("administer"))),
    responses((status = 200, description = "By their names", body = [Group])))]
pub(super) async fn list(State(app): State<Shared>) -> Result<Answer<Vec<Group>>, Problem> {
    let groups = app.catalog.groups().await?;
    Ok(Answer(groups.into_iter().map(Into::into).collect()))
}

/// One group
#[utoipa::path(get, path = "/groups/{id}", operation_id = "show_group", extensions(("x-permission" = json!("administer"))),
    responses((status = 200, description = "With an ETag", body = Group)))]
pub(super) async fn show(
    State(app): State<Shared>,
    IdInPath(id): IdInPath,
) -> Result<Response, Problem> {
    let group = find(&app, &id).await?;
    Ok(etag::tagged(
        StatusCode::OK,
        group.revision,
        Group::from(group),
    ))
}

/// Add a group
#[utoipa::path(post, path = "/groups", operation_id = "add_group", request_body = Content, extensions(("x-permission" = json!("administer"))),
    responses((status = 201, description = "Added", body = Group)))]
pub(super) async fn add(
    State(app): State<Shared>,
    caller: Caller,
    Json(content): Json<Content>,
) -> Result<Response, Problem> {
    let group = GroupRecord {
        id: Id::random()?,
        name: checked_name(&content.name)?,
        grant: checked(&app, &caller, content, &Rights::default()).await?,
        created_at: clock::text(clock::now()),
        revision: 1,
    };
    app.catalog.add_group(&group).await?;
    Ok(etag::tagged(StatusCode::CREATED, 1, Group::from(group)))
}

/// Change a group
#[utoipa::path(put, path = "/groups/{id}", operation_id = "change_group", request_body = Content, extensions(("x-permission" = json!("administer"))),
    responses((status = 200, description = "As it is now", body = Group)))]
pub(super) async fn change(
    State(app): State<Shared>,
    caller: Caller,
    IdInPath(id): IdInPath,
    headers: HeaderMap,
    Json(content): Json<Content>,
) -> Result<Response, Problem> {
    let mut group = find(&app, &id).await?;
    etag::check(&headers, group.revision)?;
    group.name = checked_name(&content.name)?;
    // Permissions can be taken, or kept, also by somebody who couldn't give them.
    let before = Rights::of([&group.grant]);
    group.grant = checked(&app, &caller, content, &before).await?;
    app.catalog.change_group(&group).await?;
    group.revision += 1;
    Ok(etag::tagged(
        StatusCode::OK,
        group.revision,
        Group::from(group),
    ))
}

/// Remove a group
#[utoipa::path(delete, path = "/groups/{id}", operation_id = "remove_group", extensions(("x-permission" = json!("administer"))),
    responses((status = 204, description = "Its members have lost what it gave them")))]
pub(super) async fn remove(
    State(app): State<Shared>,
    IdInPath(id): IdInPath,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    etag::check(&headers, find(&app, &id).await?.revision)?;
    if app.catalog.remove_group(&id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(no_group())
    }
}

async fn find(app: &Shared, id: &Id) -> Result<GroupRecord, Problem> {
    app.catalog.group(id).await?.ok_or_else(no_group)
}

fn no_group() -> Problem {
    Problem::not_found("no_group", "there is no such group (any more)")
}

/// What a group shall give: only what whoever says so has, or what it gave before.
async fn checked(
    app: &Shared,
    caller: &Caller,
    content: Content,
    before: &Rights,
) -> Result<Grant, Problem> {
    let grant = Grant {
        permissions: content.permissions,
        sources: content.sources,
    };
    if grant.sources.is_some() && grant.permissions.has(Permission::Administer) {
        return Err(Problem::unusable(
            "administer_is_for_all",
            "administering is for everything, and can't be limited to sources; nothing was changed",
        ));
    }
    for source in grant.sources.iter().flatten() {
        if source.is_system() || app.catalog.source(source).await?.is_none() {
            return Err(Problem::unusable(
                "no_source",
                "there is no such source; nothing was changed",
            ));
        }
    }
    let rights = Rights::of([&grant]);
    if caller.rights.cover(&rights) || before.cover(&rights) {
        Ok(grant)
    } else {
        Err(exceeds())
    }
}
