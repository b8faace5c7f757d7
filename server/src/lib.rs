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

pub mod access;
pub mod adoption;
mod aes;
pub mod app_secrets;
pub mod backup;
pub mod catalog;
pub mod cli;
pub mod clock;
pub mod config;
pub mod convert;
mod deflate;
pub mod demo;
pub mod destination;
pub mod engine;
pub mod extract;
pub mod files;
pub mod foreign;
mod held;
pub mod hooks;
pub mod http;
pub mod jobs;
pub mod keep;
mod lanes;
pub mod metrics;
pub mod notify;
pub mod password;
pub mod piped;
pub mod preset;
pub mod program;
pub mod progress;
pub mod read;
pub mod read_at;
pub mod recover;
pub mod redact;
pub mod rekey;
pub mod restore;
pub mod runs;
pub mod safety;
pub mod salvage;
pub mod schedule;
pub mod scrub;
pub mod sealed_check;
pub mod sender_key;
pub mod signed;
pub mod source;
pub mod store;
pub mod switch;
pub mod system;
pub mod transform;
pub mod undo;
mod unfinished;
pub mod vault;
pub mod verify;
