//! What a preset says about an application's data, and what follows from it for one backup.

mod check;
mod decide;
mod error;
mod fit;
mod json_path;
mod leave_out;
mod names;
mod preset;
#[cfg(test)]
mod tests;

pub use check::{Located, Place, Unclassified, usual_class};
pub use decide::{ColumnPolicy, Policy, TablePolicy, decide, decide_redaction};
pub use error::{MAX_PLACEHOLDER_BYTES, PolicyError};
pub(crate) use json_path::fits;
pub use json_path::{JsonPath, JsonPathError, JsonStep};
pub use leave_out::{LeaveOutRule, Patterns, RowCondition, RowsLeftOut};
pub use names::{looks_like_credential, names};
pub use preset::{
    AppSecretColumn, AppSecretForm, AppSecretRule, CollisionRule, CredentialRule, FileColumn,
    FileSetRule, ForeignKeyClass, ForeignKeyRule, Given, Identity, Made, Matched, Newer, Normalise,
    OneOf, Preset, Random, ReferenceRule, Referenced, Replacement, Scalar, Settled, Special,
    TableRule, Through, Unless, Unresolved,
};
