//! The program as a user meets it: every test here runs the built binary.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may panic"
)]

#[path = "../../src/serve/http/tests/client.rs"]
mod client;
mod compare;
mod corpus;
mod deep;
mod depth;
mod diff;
mod dirty;
mod docs;
mod errors;
mod files;
mod folders;
#[cfg(feature = "columnar")]
mod formats;
mod hardware;
mod inspect;
mod labels;
mod layers;
mod long;
mod predict;
mod profile;
mod readme;
mod run;
mod runtime;
mod samples;
#[cfg(target_os = "linux")]
mod serve;
mod trees;
mod zoo;
