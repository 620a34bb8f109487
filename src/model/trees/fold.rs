//! Trees whose outputs go through more nodes before they are added, as scikit-learn's isolation forest
//! has them once it is converted: what follows a leaf is computed when the model is loaded and put into
//! the leaf, and the sum becomes one ensemble.
//!
//! ```text
//! plan (which nodes) -> leaves (what each adds, by ONNX Runtime) -> joined (one ensemble)
//!      -> proof (against ONNX Runtime's own nodes) -> write (the model with the ensemble in it)
//! ```
//!
//! What comes out is an ONNX model like any other, whose trees then go the way of all. It is not quite
//! all that there is to them where ONNX Runtime gives records at the end of a batch another last bit
//! (`places`): for these the ensemble has other leaves, which [`Folded::complete`] adds.

mod joined;
mod leaves;
mod part;
mod places;
mod plan;
mod proof;
#[cfg(test)]
mod tests;
mod write;

use std::sync::Arc;

use super::evaluator::Evaluator;
use super::slot::Slots;
use crate::model::proto::{Model, Node};
use crate::model::runtime::Runtime;
use joined::Joined;

/// A model with its sums of trees folded.
#[derive(Debug)]
pub(crate) struct Folded {
    /// The ModelProto.
    pub bytes: Vec<u8>,
    /// How many trees were folded.
    pub trees: usize,
    sums: Vec<Sum>,
}

/// A folded sum.
#[derive(Debug)]
struct Sum {
    /// The value that it gives.
    output: String,
    evaluator: Arc<Evaluator>,
}

/// How many trees of `model` are to be folded when it is loaded.
pub(crate) fn foldable<'m>(model: &'m Model<'m>) -> usize {
    let joins = plan::joins(model);
    let joined = joins.iter().filter_map(|join| Joined::of(model, join));
    joined.map(|joined| joined.trees()).sum()
}

/// Folds what can be folded of `model`, whose message is `bytes`; `None` where nothing can.
pub(crate) fn fold<'m>(runtime: &Runtime, model: &'m Model<'m>, bytes: &[u8]) -> Option<Folded> {
    let mut sums = Vec::new();
    let mut changes = Vec::new();
    let mut trees = 0;
    for join in plan::joins(model) {
        let folded = || -> Option<(Sum, Vec<u8>, usize)> {
            let joined = Joined::of(model, &join)?;
            let values = leaves::values(runtime, model, &join, joined.leaves())?;
            proof::holds(runtime, model, &join, &joined, &values).then_some(())?;
            let output = model
                .graph
                .as_ref()?
                .nodes
                .get(join.root)?
                .outputs
                .first()?;
            let sum = Sum {
                output: output.to_string(),
                evaluator: Arc::new(joined.evaluator(&values, joined.trees())?),
            };
            let node = write::node(
                &joined.pair(&values.body, joined.trees())?,
                join.input,
                output,
            )?;
            Some((sum, node, joined.trees()))
        };
        if let Some((sum, node, count)) = folded() {
            sums.push(sum);
            changes.push(write::Change {
                root: join.root,
                node,
                gone: join.nodes,
            });
            trees += count;
        }
    }
    if sums.is_empty() {
        return None;
    }
    Some(Folded {
        bytes: write::model(bytes, &changes)?,
        trees,
        sums,
    })
}

impl Folded {
    /// Gives the ensembles that were folded, which are among `slots`, their other leaves; `None`
    /// where one has to stay with ONNX Runtime, which then runs the model as it was.
    pub(crate) fn complete(&self, slots: &mut Slots<'_>) -> Option<()> {
        for sum in &self.sums {
            let outputs = |node: &Node<'_>| matches!(node.outputs.as_slice(), [output] if **output == *sum.output);
            let slot = slots.slots.iter_mut().find(|slot| outputs(slot.node))?;
            slot.evaluator.is_ok().then_some(())?;
            slot.evaluator = Ok(Arc::clone(&sum.evaluator));
        }
        Some(())
    }
}
