//! Helpers for tests that cross the parts of Coffer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod bundle;
pub mod coffer;
pub mod cut;
pub mod demo;
pub mod engine;
pub mod installation;
pub mod keys;
pub mod planned;
pub mod postgres;
pub mod range_server;
pub mod scratch;
pub mod sealed;
pub mod site;
pub mod small_disk;
pub mod tap;
pub mod two_sides;
