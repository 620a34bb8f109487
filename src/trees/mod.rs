//! Tree ensembles at the speed of the processor, with the bits that ONNX Runtime gives.
//!
//! ```text
//! attributes (a node's plain lists) -> forest (checked, canonical) -> kernel (compiled) -> scores, labels
//! ```
//!
//! This module knows neither ONNX files nor ONNX Runtime: `model::trees` reads the attributes off a
//! model and puts the kernel where the tree nodes were.

pub mod forest;

mod coding;
pub mod engine;
mod program;
mod top;
mod walk;
