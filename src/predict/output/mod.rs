//! Where predictions end up: in files that appear whole or not at all, or that a later run goes on with.
//!
//! ```text
//! scored blocks, in order -> outlet -> written (text | tables) -> sink
//!                                 '-> rejects, journal          manifest, progress
//! ```

pub mod journal;
pub mod manifest;
pub mod outlet;
pub mod progress;
pub mod sink;
pub mod written;
