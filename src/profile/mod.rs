//! What a model sees and says, in figures: profiles of records, and how far other records are from them.
//!
//! ```text
//! groups, predictions -> columns (which elements are one column) -> gathering (moments, counts, sample)
//!     -> summary (quantiles, bins) <-> json (version 1) -> psi, against counts of the same bins
//! ```
//!
//! Knows tensors and their plan, and neither files nor HTTP: its JSON is text that others keep.

pub mod columns;
pub mod counts;
pub mod gathering;
pub mod json;
pub mod measure;
pub mod moments;
pub mod psi;
pub mod sample;
pub mod summary;
