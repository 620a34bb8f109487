//! Tree ensembles at the speed of the processor, with the bits that ONNX Runtime gives.
//!
//! ```text
//! attributes (a node's plain lists) -> read -> forest (checked, canonical) + outcome
//!     -> kernel (compiled) -> sums -> outcome -> scores, labels
//! ```
//!
//! This module knows neither ONNX files nor ONNX Runtime: `model::trees` reads the attributes off a
//! model and puts the kernel where the tree nodes were.

pub mod attributes;
pub mod engine;
pub mod forest;
pub mod kernel;
pub mod outcome;
pub mod outline;
pub mod plain;
pub mod read;

mod categories;
mod coding;
mod program;
mod top;
mod walk;
