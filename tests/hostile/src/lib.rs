//! ZIPs that are wrong on purpose.
//!
//! [`record`] writes each record of a ZIP from explicit fields and believes nothing to be right; [`Zip`] lays records out
//! truthfully, as a starting point; [`cases`] is the table: one function a fault, with the exact error that Coffer's own
//! reader and the one for other people's ZIPs must give. [`judge`] is those readers, driven from memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod build;
mod case;
pub mod judge;
pub mod record;

pub use build::{Member, Zip};
pub use case::{Answer, Case, cases, large_cases, small_cases};
