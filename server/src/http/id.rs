//! Ids in addresses.

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};

use super::problem::Problem;
use crate::catalog::Id;

/// The one id in an address. What can't be an id names nothing, so it is answered like one that is unknown.
#[derive(Debug)]
pub(super) struct IdInPath(pub(super) Id);

impl<S: Send + Sync> FromRequestParts<S> for IdInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let unknown = || Problem::not_found("no_such_id", "there is nothing of this id");
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| unknown())?;
        Id::parse(&text).map(Self).map_err(|_| unknown())
    }
}
