//! `--report FILE.html`: one page about a run that needs no network, no script and no other file.
//!
//! Workers profile their blocks ([`Profile::of`]), profiles are merged in input order, and [`html()`]
//! writes the page. Knows no files. Whatever comes from one (names, texts, reasons) is escaped, and
//! the page's own policy forbids scripts and everything from elsewhere.

mod charts;
mod columns;
mod histogram;
mod html;
mod markup;
mod predictions;
mod profile;
mod quality;

use std::collections::BTreeMap;

pub use histogram::Histogram;
pub use html::html;
pub use profile::{Counts, Input, Prediction, Profile};

use super::evaluate::Metrics;

/// All that the page tells of a run.
#[derive(Debug, Clone, Default)]
pub struct Report<'a> {
    /// What the model is called.
    pub model: &'a str,
    /// What was read, by name.
    pub inputs: &'a [String],
    /// Records that were scored.
    pub rows: u64,
    /// Records that could not be.
    pub rejected: u64,
    /// Missing values.
    pub missing: u64,
    pub seconds: f64,
    pub peak_memory_bytes: Option<u64>,
    pub profile: Option<&'a Profile>,
    pub metrics: Option<&'a Metrics>,
    /// The reason's code, and how many records it rejected.
    pub rejects: BTreeMap<String, u64>,
    /// Seconds since the start, and the rows that were scored until then; ascending.
    pub throughput: Vec<(f64, u64)>,
    /// Further facts for the foot of the page: versions, options.
    pub facts: Vec<(String, String)>,
}

#[cfg(test)]
mod tests;
