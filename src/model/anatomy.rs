//! What is inside a model, looked at in depth: operators and what the built-in runtime has of them,
//! weights and their values, tree ensembles and their features, documentation.
//!
//! ```text
//! file -> messages -> parts (main graph, subgraphs, functions) -> operators | weights | ensembles | docs
//! ```
//!
//! Only the file is read, and files that hold its weights; ONNX Runtime is not asked. Values are
//! looked at where they lie in the mapped files, so that memory does not grow with them. Nothing here
//! recurses, and what a file says of sizes is checked against what is there.

mod columns;
mod docs;
mod ensembles;
mod known;
mod operators;
mod quantized;
mod stats;
mod values;
mod weights;

use super::onnx::{self, Facts};
use super::proto::{Graph, Model};
use crate::error::Result;

pub use docs::Doc;
pub use ensembles::{Depth, Ensemble, Feature, Inside};
pub use known::Support;
pub use operators::OperatorUse;
pub use quantized::Quantized;
pub use stats::Stats;
pub use weights::{DtypeTotal, Weight, Weights};

/// The version of the ONNX Runtime that [`Support`] is about.
pub fn known_runtime() -> &'static str {
    known::runtime()
}

/// What is to be looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    pub operators: bool,
    pub weights: bool,
    pub ensembles: bool,
    pub docs: bool,
}

/// What was looked at; what was not wanted is not there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Anatomy {
    /// Most frequent first, then by name.
    pub operators: Option<Vec<OperatorUse>>,
    pub weights: Option<Weights>,
    /// In the file's order.
    pub ensembles: Option<Vec<Ensemble>>,
    /// Documentation of anything but the model itself.
    pub docs: Option<Vec<Doc>>,
}

/// Which part of a model something is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    Main,
    Subgraph,
    Function,
}

impl Part {
    /// The word that JSON has for it.
    pub fn word(self) -> &'static str {
        match self {
            Part::Main => "graph",
            Part::Subgraph => "subgraph",
            Part::Function => "function",
        }
    }
}

/// Looks into the model that `facts` were read from.
///
/// # Errors
/// [`Error::Model`](crate::error::Error::Model) if the file is not there any more, or another.
pub fn look(facts: &Facts, wanted: &Wanted) -> Result<Anatomy> {
    let bytes = onnx::open(&facts.path)?;
    let model = onnx::parsed(&facts.path, &bytes)?;
    let parts = parts(&model);
    Ok(Anatomy {
        operators: wanted
            .operators
            .then(|| operators::operators(&model, &parts)),
        weights: wanted.weights.then(|| weights::weights(facts, &parts)),
        ensembles: wanted
            .ensembles
            .then(|| ensembles::ensembles(&facts.signature, &parts)),
        docs: wanted.docs.then(|| docs::docs(&parts)),
    })
}

/// Every graph of `model`: the main one, those within it, and the functions'.
fn parts<'m>(model: &'m Model<'m>) -> Vec<(Part, &'m Graph<'m>)> {
    let mut open: Vec<(Part, &Graph<'_>)> = Vec::new();
    open.extend(model.functions.iter().map(|graph| (Part::Function, graph)));
    open.reverse();
    open.extend(model.graph.iter().map(|graph| (Part::Main, graph)));
    let mut parts = Vec::new();
    while let Some((part, graph)) = open.pop() {
        parts.push((part, graph));
        let inner = match part {
            Part::Function => Part::Function,
            Part::Main | Part::Subgraph => Part::Subgraph,
        };
        let attributes = graph.nodes.iter().flat_map(|node| &node.attributes);
        let graphs = attributes.flat_map(|attribute| &attribute.graphs);
        let before = open.len();
        open.extend(graphs.map(|graph| (inner, graph)));
        // The first of them is looked at first.
        if let Some(added) = open.get_mut(before..) {
            added.reverse();
        }
    }
    parts
}
