//! `/api/plans`: what a restore would do.

use axum::{Json as Answer, extract::State};
use coffer_core::{
    Digest,
    manifest::{DEFAULT_MANIFEST_LIMIT, Selection},
    plan::{Consent, Mode, Plan},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Shared, body::Json, caller::Caller, problem::Problem, restores::guard, sources::source,
};
use crate::{access::Permission, catalog::Id, restore, runs::source_config};

/// The largest manifest, escaped in JSON, and what stands around it.
pub(super) const MAX_BODY: usize = 2 * DEFAULT_MANIFEST_LIMIT as usize + (64 << 10);

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = PlanRequest)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    target: Id,
    /// The bundle's manifest, byte for byte.
    manifest: String,
    #[schema(value_type = String)]
    mode: Mode,
    #[serde(default)]
    #[schema(value_type = Object)]
    consent: Consent,
}

#[derive(Debug, Serialize)]
pub(super) struct Made {
    plan: Plan,
    digest: Digest,
}

#[utoipa::path(post, path = "/plans", operation_id = "make_plan", request_body = Request,
    extensions(("x-permission" = json!("restore")), ("x-scope" = json!("source"))), responses((status = 200, description = "The plan and its digest")))]
pub(super) async fn make(
    State(app): State<Shared>,
    caller: Caller,
    Json(request): Json<Request>,
) -> Result<Answer<Made>, Problem> {
    caller.may(Permission::Restore, &request.target)?;
    let source = source(&app, &request.target).await?;
    // Refuses what could not be carried out.
    guard(&app, &caller, &source, request.mode)?;
    let plan = restore::plan_manifest(
        &source_config(&source)?,
        request.manifest.as_bytes(),
        &Selection::ALL,
        request.mode,
        request.consent,
    )
    .await?;
    let digest = plan.digest();
    Ok(Answer(Made { plan, digest }))
}
