//! The server companion: database engines, backup, restore, archive stores, and the `coffer` command.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::print_stdout
    )
)]

pub mod engine;
