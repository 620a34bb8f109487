//! What is inside a model, looked at in depth: operators and what the built-in runtime has of them,
//! weights and their values, tree ensembles and their features, what a run
//! costs, documentation.
//!
//! ```text
//! file -> messages -> parts (main graph, subgraphs, functions) -> operators | weights | ensembles | costs | docs
//! ```
//!
//! Only the file is read, and files that hold its weights; ONNX Runtime is not asked. Values are
//! looked at where they lie in the mapped files, so that memory does not grow with them. Nothing here
//! recurses, and what a file says of sizes is checked against what is there.

mod changes;
mod columns;
mod cost;
mod docs;
mod ensembles;
mod known;
mod operators;
mod quantized;
mod shapes;
mod stats;
mod values;
mod weights;

use values::Files;

use super::onnx::{self, Facts};
use super::proto::{Graph, Model};
use crate::error::Result;

pub use changes::{
    AttributeChange, Changes, EnsembleChange, NumberChange, TreeChanges, WeightChange, WeightState,
    changes,
};
pub use cost::{Cost, Memory, Work};
pub use docs::Doc;
pub use ensembles::{Depth, Ensemble, Feature, Inside};
pub use known::Support;
pub use operators::OperatorUse;
pub use quantized::Quantized;
pub use shapes::Sizes;
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
    /// A cost for each of these sizes.
    pub costs: Vec<Sizes>,
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
    /// In the order of the sizes.
    pub costs: Vec<Cost>,
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
    Ok(examine(facts, &model, wanted))
}

fn examine(facts: &Facts, model: &Model<'_>, wanted: &Wanted) -> Anatomy {
    let parts = parts(model);
    Anatomy {
        operators: wanted
            .operators
            .then(|| operators::operators(model, &parts)),
        weights: wanted.weights.then(|| weights::weights(facts, &parts)),
        ensembles: wanted
            .ensembles
            .then(|| ensembles::ensembles(&facts.signature, &parts)),
        costs: wanted
            .costs
            .iter()
            .filter_map(|sizes| Some(cost::cost(model.graph.as_ref()?, sizes)))
            .collect(),
        docs: wanted.docs.then(|| docs::docs(&parts)),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn all() -> Wanted {
        Wanted {
            operators: true,
            weights: true,
            ensembles: true,
            costs: vec![Sizes {
                batch: u64::MAX / 3,
                named: vec![("N".to_owned(), 1 << 40)],
            }],
            docs: true,
        }
    }

    #[test]
    fn flipped_bytes_are_looked_at_without_harm() {
        let mut seed = 7_u64;
        let mut random = move || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as usize
        };
        let mut looked = 0;
        for name in [
            "tests/corpus/inspect/parts.onnx",
            "tests/corpus/inspect/shapes.onnx",
            "tests/corpus/tree_ensemble_v5.onnx",
            "tests/corpus/isolation_forest.onnx",
            "tests/corpus/ext.onnx",
            "tests/corpus/iris.ort",
            "models/titanic.onnx",
            "models/digits.onnx",
        ] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
            let whole = std::fs::read(&path).unwrap();
            for _ in 0..600 {
                let mut bytes = whole.clone();
                for _ in 0..=random() % 4 {
                    let at = random() % bytes.len();
                    bytes[at] = random() as u8;
                }
                let facts = onnx::facts(&path, &bytes);
                if let (Ok(facts), Ok(model)) = (facts, onnx::parsed(&path, &bytes)) {
                    examine(&facts, &model, &all());
                    looked += 1;
                }
            }
        }
        assert!(looked > 1000, "{looked}");
    }

    #[test]
    fn parts_come_in_the_order_of_the_file() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/inspect/parts.onnx");
        let bytes = std::fs::read(&path).unwrap();
        let model = onnx::parsed(&path, &bytes).unwrap();
        let parts = parts(&model);
        let found: Vec<_> = parts
            .iter()
            .map(|(part, graph)| (*part, &*graph.name))
            .collect();
        assert_eq!(
            found,
            [
                (Part::Main, "parts"),
                (Part::Subgraph, "branch"),
                (Part::Subgraph, "branch"),
                (Part::Function, "Twice"),
            ]
        );
    }
}
