//! What a request that failed is answered: problem details (RFC 9457) with a stable code and a sentence for people.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::{
    catalog::CatalogError,
    keep::KeepError,
    restore::RestoreError,
    runs::{RunError, RunFailure, SourceFault},
    safety::SafetyError,
    store::StoreError,
};

/// A failed request.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    status: StatusCode,
    code: String,
    detail: String,
    retry_after: Option<u64>,
    upload_offset: Option<u64>,
}

/// The code of a problem, for the audit log.
#[derive(Clone, Debug)]
pub(super) struct Code(pub(super) String);

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    code: &'a str,
    detail: &'a str,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &str, detail: impl ToString) -> Self {
        Self {
            status,
            code: code.to_owned(),
            detail: detail.to_string(),
            retry_after: None,
            upload_offset: None,
        }
    }

    /// What was asked about is not there.
    pub(super) fn not_found(code: &str, detail: impl ToString) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// What was sent is understood and can't be used.
    pub(super) fn unusable(code: &str, detail: impl ToString) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// Something failed that the sender is not to blame for.
    pub(super) fn internal(code: &str, detail: impl ToString) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, code, detail)
    }

    /// What was there was refused, and is no more.
    pub(super) fn gone() -> Self {
        Self::new(
            StatusCode::GONE,
            "refused",
            "this upload was refused, and nothing of it was kept; asked with GET, its address says why",
        )
    }

    /// After how many seconds it may be tried again.
    pub(super) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        if self.status.is_server_error() {
            tracing::error!(code = self.code, detail = self.detail, "a request failed");
        }
        let body = Body {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            code: &self.code,
            detail: &self.detail,
        };
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        response.extensions_mut().insert(Code(self.code));
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if let Some(offset) = self.upload_offset {
            headers.insert("upload-offset", offset.into());
        }
        response
    }
}

pub(super) async fn no_such_address() -> Problem {
    Problem::not_found("no_such_address", "there is nothing at this address")
}

pub(super) async fn no_such_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "no_such_method",
        "this address does not answer this kind of request",
    )
}

impl From<CatalogError> for Problem {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::Taken { .. } => Self::new(StatusCode::CONFLICT, "taken", error),
            CatalogError::Changed => Self::new(StatusCode::PRECONDITION_FAILED, "changed", error),
            CatalogError::LastAdministrator => {
                Self::new(StatusCode::CONFLICT, "last_administrator", error)
            }
            CatalogError::InUse { .. } => Self::new(StatusCode::CONFLICT, "in_use", error),
            _ => Self::internal("catalog", error),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        // Not registered; tus 1.0 gives it this number.
        let mismatch = StatusCode::from_u16(460).unwrap_or(StatusCode::BAD_REQUEST);
        let status = match error {
            StoreError::NoArchive { .. } | StoreError::NoUpload => StatusCode::NOT_FOUND,
            StoreError::UploadBusy => StatusCode::LOCKED,
            StoreError::WrongOffset { .. }
            | StoreError::OtherLength
            | StoreError::TooManyUploads { .. } => StatusCode::CONFLICT,
            StoreError::Quota { .. } | StoreError::OwnQuota { .. } | StoreError::TooLong { .. } => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            StoreError::BrokenOff => StatusCode::BAD_REQUEST,
            StoreError::ChecksumMismatch => mismatch,
            StoreError::NotSealed { .. } | StoreError::NoWayIn | StoreError::NotWhole { .. } => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            StoreError::Refused { .. } => StatusCode::GONE,
            StoreError::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
            StoreError::Folder { .. }
            | StoreError::Store(_)
            | StoreError::Io(_)
            | StoreError::Source(_)
            | StoreError::BadName { .. }
            | StoreError::Random(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let mut problem = Self::new(status, error.code(), &error);
        if let StoreError::WrongOffset { found, .. } = error {
            problem.upload_offset = Some(found);
        }
        problem
    }
}

impl From<KeepError> for Problem {
    fn from(error: KeepError) -> Self {
        match error {
            KeepError::Store(error) => error.into(),
            KeepError::Catalog(error) => error.into(),
            KeepError::Defect => Self::internal("defect", error),
        }
    }
}

impl From<RunError> for Problem {
    fn from(error: RunError) -> Self {
        match error {
            RunError::NoRun => Self::not_found("no_run", error),
            RunError::TooMany { .. } => Self::new(StatusCode::CONFLICT, "too_many_runs", error),
            RunError::Busy { .. } => Self::new(StatusCode::CONFLICT, "busy", error),
            RunError::Stopping => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", error).retry_after(10)
            }
            RunError::Catalog(error) => error.into(),
            RunError::Random(_) => Self::internal("no_randomness", error),
        }
    }
}

impl From<SourceFault> for Problem {
    fn from(fault: SourceFault) -> Self {
        Self::unusable(fault.code(), fault)
    }
}

impl From<RunFailure> for Problem {
    fn from(failure: RunFailure) -> Self {
        Self::unusable(&failure.code, &failure.detail)
    }
}

impl From<RestoreError> for Problem {
    fn from(error: RestoreError) -> Self {
        match error {
            RestoreError::Defect => Self::internal(error.code(), error),
            RestoreError::Safety(error) => error.into(),
            _ => Self::unusable(error.code(), error),
        }
    }
}

impl From<SafetyError> for Problem {
    fn from(error: SafetyError) -> Self {
        let code = error.code();
        match error {
            SafetyError::NotThere { .. } | SafetyError::NothingToUndo { .. } => {
                Self::not_found(code, error)
            }
            SafetyError::Running { .. } => Self::new(StatusCode::CONFLICT, code, error),
            SafetyError::Defect => Self::internal(code, error),
            _ => Self::unusable(code, error),
        }
    }
}

impl From<getrandom::Error> for Problem {
    fn from(error: getrandom::Error) -> Self {
        Self::internal(
            "no_randomness",
            format!("the system gave no random bytes: {error}; nothing was changed"),
        )
    }
}
