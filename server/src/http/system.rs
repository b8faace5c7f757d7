//! `/api/system`: Coffer's own configuration as a source, and its restore into a new installation.

use std::sync::Arc;

use axum::{Json as Answer, extract::State};
use base64ct::{Base64, Encoding};
use coffer_core::{
    manifest::Selection,
    plan::{Consent, Mode},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Shared,
    body::{SecretJson, SecretText},
    caller::Origin,
    problem::Problem,
    restores::file_key,
    sign_in,
};
use crate::{
    access::Permission,
    catalog::Id,
    progress::Progress,
    read::Unlock,
    read_at::MemorySource,
    restore::{self, RestoreRequest},
    runs::{source_config, target_name},
    signed::TrustedSenders,
    system::{AREAS, Actor, Area, Needs},
};

/// Most bytes of a request that restores into a new installation: a configuration is small, and nobody is signed in yet.
pub(super) const MAX_BODY: usize = 32 << 20;

/// Coffer's own configuration.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct System {
    /// The id by which it is a source like any other.
    source: Id,
    name: String,
    engine: String,
    database: String,
    /// What can be chosen from it in a restore.
    #[schema(value_type = Vec<Object>)]
    areas: [Area; 6],
    needs: Needs,
}

/// Coffer's own configuration, as a source of backups
#[utoipa::path(get, path = "/system", operation_id = "show_system", extensions(("x-permission" = json!("administer"))),
    responses((status = 200, description = "By which id it is a source, and what has to be entered again", body = System)))]
pub(super) async fn show(State(app): State<Shared>) -> Result<Answer<System>, Problem> {
    let system = app.catalog.system();
    Ok(Answer(System {
        source: system.id,
        name: system.name,
        engine: system.engine,
        database: system.database,
        areas: AREAS,
        needs: Needs::of(&app.catalog).await?,
    }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = RestoreIntoNew)]
#[serde(deny_unknown_fields)]
pub(super) struct IntoNew {
    /// Of the one-time link.
    #[schema(value_type = String)]
    token: SecretText,
    /// The restore bundle that the browser has sealed, in base64.
    bundle: String,
    /// Its one-time key, in base64.
    #[schema(value_type = String)]
    key: SecretText,
}

/// What is there after a restore into a new installation.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Restored {
    /// Rows of all tables.
    rows: u64,
    /// Those who may administer, and whether they have a password. If none has one, the link sets that of one of them.
    administrators: Vec<Administrator>,
    needs: Needs,
}

#[derive(Debug, Serialize, ToSchema)]
struct Administrator {
    name: String,
    has_password: bool,
}

/// Restore a configuration into a new installation, by its one-time link
#[utoipa::path(post, path = "/system/restore", operation_id = "restore_into_new", request_body = IntoNew,
    extensions(("x-permission" = json!("public"))), responses((status = 200, description = "Restored", body = Restored)))]
pub(super) async fn into_new(
    State(app): State<Shared>,
    origin: Origin,
    SecretJson(body): SecretJson<IntoNew>,
) -> Result<Answer<Restored>, Problem> {
    sign_in::check_set_up(&app, &body.token.0, &origin).await?;
    let key = file_key(&body.key.0)?;
    let bundle = Base64::decode_vec(&body.bundle).map_err(|_| {
        Problem::unusable(
            "bad_bundle",
            "the bundle is not in base64; nothing was changed",
        )
    })?;
    let target = source_config(&app.catalog.system())?;
    let _lock = app.runs.lock_target(&target_name(&target.url))?;
    let request = RestoreRequest {
        target,
        archive: Arc::new(MemorySource(bundle.into())),
        unlock: Unlock::FileKey(key),
        // The one-time key says that it is the bundle of the page that asks.
        senders: TrustedSenders::default(),
        selection: Selection::ALL,
        mode: Mode::Replace,
        consent: Consent {
            // Whatever the server has registered itself: nobody has configured anything yet.
            replace_existing: true,
            no_safety_backup: true,
            ..Consent::default()
        },
        expected_plan: None,
        planned_without_rows: false,
        safety: app.safety.clone(),
        undoes: None,
        guard: Some(app.catalog.guard(Actor::SetUp)),
    };
    let report = restore::run(request, Progress::default()).await?;
    tracing::info!(
        rows = report.rows,
        "restored a configuration into this new installation"
    );
    let administrators = administrators(&app).await?;
    if administrators.iter().any(|one| one.has_password) {
        app.catalog.forget_set_up_links().await?;
    }
    Ok(Answer(Restored {
        rows: report.rows,
        administrators,
        needs: Needs::of(&app.catalog).await?,
    }))
}

async fn administrators(app: &Shared) -> Result<Vec<Administrator>, Problem> {
    let mut found = Vec::new();
    for user in app.catalog.users().await? {
        let rights = app.catalog.rights_of(&user.id).await?;
        if !user.disabled && rights.allow(Permission::Administer) {
            found.push(Administrator {
                has_password: user.password.is_some(),
                name: user.name,
            });
        }
    }
    Ok(found)
}
