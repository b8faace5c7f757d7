//! What a preset says about an application's data, and what follows from it for one backup.

mod check;
mod decide;
mod error;
mod fit;
mod json_path;
mod names;
mod preset;
#[cfg(test)]
mod tests;

pub use check::{Located, Place, Unclassified, usual_class};
pub use decide::{ColumnPolicy, Policy, TablePolicy, decide, decide_redaction};
pub use error::{MAX_PLACEHOLDER_BYTES, PolicyError};
pub use json_path::{JsonPath, JsonPathError, JsonStep};
pub use names::{looks_like_credential, names};
pub use preset::{
    AppSecretColumn, AppSecretForm, AppSecretRule, CollisionRule, CredentialRule, FileColumn,
    FileSetRule, ForeignKeyClass, ForeignKeyRule, Given, Identity, LeaveOutRule, Made, Matched,
    Newer, Normalise, OneOf, Preset, Random, ReferenceRule, Referenced, Replacement, Scalar,
    Settled, Special, TableRule, Unresolved,
};
