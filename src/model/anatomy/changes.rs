//! What changed from one version of a model to another: what callers rely on, weights, attributes,
//! trees.
//!
//! What facts alone tell (opsets, operators, metadata) is not here: whoever shows it has both facts.

mod attributes;
mod ensembles;
mod numbers;
mod weights;

use super::{Files, Graph, Part, parts};
use crate::error::Result;
use crate::model::onnx::{self, Facts};

pub use attributes::AttributeChange;
pub use ensembles::{EnsembleChange, TreeChanges};
pub use numbers::NumberChange;
pub use weights::{WeightChange, WeightState};

/// What changed within the graphs of a model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// Whether the files are the same, byte for byte; files beside them are not looked at.
    pub identical: bool,
    /// Largest change first; those that stayed as they were are not among them.
    pub weights: Vec<WeightChange>,
    /// Weights of both versions that have the same name.
    pub weights_compared: usize,
    /// Nodes of the same operator that give a value of the same name.
    pub nodes_compared: usize,
    pub attributes: Vec<AttributeChange>,
    /// All ensembles of both versions, in the old one's order.
    pub ensembles: Vec<EnsembleChange>,
}

/// Compares the files that `old` and `new` were read from.
///
/// # Errors
/// [`Error::Model`](crate::error::Error::Model) if a file is not there any more, or another.
pub fn changes(old: &Facts, new: &Facts) -> Result<Changes> {
    let (old_bytes, new_bytes) = (onnx::open(&old.path)?, onnx::open(&new.path)?);
    let old_model = onnx::parsed(&old.path, &old_bytes)?;
    let new_model = onnx::parsed(&new.path, &new_bytes)?;
    let (old_parts, new_parts) = (parts(&old_model), parts(&new_model));
    let files = (&mut Files::of(old), &mut Files::of(new));
    let (weights, weights_compared) = weights::changes(&old_parts, &new_parts, files);
    let (attributes, nodes_compared) = attributes::changes(&old_parts, &new_parts);
    Ok(Changes {
        identical: old_bytes[..] == new_bytes[..],
        weights,
        weights_compared,
        nodes_compared,
        attributes,
        ensembles: ensembles::changes(&old_parts, &new_parts),
    })
}
