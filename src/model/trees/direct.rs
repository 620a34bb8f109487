//! Graphs that are nothing but a tree ensemble: run without ONNX Runtime, whose call costs more than
//! a record through a small ensemble.
//!
//! Between the ensemble and the graph's outputs only nodes may stand that pass a tensor on as it is.

use std::collections::HashMap;
use std::sync::Arc;

use super::evaluator::Evaluator;
use super::slot::Slots;
use crate::model::proto::{Graph, Model, Node};
use crate::model::rewrite;
use crate::model::signature::{Dim, Port, Signature};
use crate::model::tensor::{Tensor, Value};
use crate::model::wire;
use crate::trees::outcome::Labels;

/// The ensemble that is a whole graph.
#[derive(Debug)]
pub(crate) struct Direct {
    evaluator: Arc<Evaluator>,
    input: Port,
    /// Of each output of the signature, which output of the ensemble it is.
    outputs: Vec<usize>,
}

impl Direct {
    /// The ensemble of `model`, if that is nothing else and is evaluated here.
    pub(crate) fn of(
        model: &Model<'_>,
        slots: &Slots<'_>,
        signature: &Signature,
    ) -> Option<Direct> {
        let [slot] = slots.slots.as_slice() else {
            return None;
        };
        let evaluator = slot.evaluator.as_ref().ok()?;
        let ([input], [read]) = (signature.inputs.as_slice(), slot.node.inputs.as_slice()) else {
            return None;
        };
        let copies = copies(model, slot.node, evaluator)?;
        let outputs = signature.outputs.iter();
        let outputs: Option<Vec<usize>> = outputs
            .map(|port| copies.get(port.name.as_str()).copied())
            .collect();
        (input.name == **read).then_some(Direct {
            evaluator: Arc::clone(evaluator),
            input: input.clone(),
            outputs: outputs?,
        })
    }

    /// What the graph gives for `inputs`; `None` where they are not what the graph declares or the
    /// ensemble takes, which ONNX Runtime has the words for.
    pub(crate) fn run(&self, inputs: &[Tensor]) -> Option<Vec<Value>> {
        let [input] = inputs else {
            return None;
        };
        if !fits(input, &self.input) {
            return None;
        }
        let mut values: Vec<Option<Value>> = self
            .evaluator
            .values(input)?
            .into_iter()
            .map(Some)
            .collect();
        // Only an ensemble's output that the graph gives twice is copied.
        let uses = |output: usize| self.outputs.iter().filter(|at| **at == output).count();
        let value = |at: &usize| match uses(*at) {
            1 => values.get_mut(*at)?.take(),
            _ => values.get(*at)?.clone(),
        };
        self.outputs.iter().map(value).collect()
    }
}

/// Whether a tensor has the rank and the fixed sizes that are declared.
fn fits(tensor: &Tensor, port: &Port) -> bool {
    let Some((dtype, shape)) = port.tensor() else {
        return false;
    };
    let size_fits = |(dim, size): (&Dim, &usize)| match dim {
        Dim::Fixed(fixed) => fixed == size,
        Dim::Symbol(_) | Dim::Free => true,
    };
    let sizes = tensor.shape();
    dtype == tensor.dtype()
        && shape
            .is_none_or(|dims| dims.len() == sizes.len() && dims.iter().zip(sizes).all(size_fits))
}

/// By name, the values of the graph that are an output of the node `tree` as it is; `None` where
/// another node does anything else.
fn copies<'m>(
    model: &'m Model<'_>,
    tree: &Node<'_>,
    evaluator: &Evaluator,
) -> Option<HashMap<&'m str, usize>> {
    let dropped = rewrite::dropped(model);
    let mut copies: HashMap<&str, usize> = HashMap::new();
    let graph = model.graph.as_ref()?;
    for node in &graph.nodes {
        if node.body.as_ptr() == tree.body.as_ptr() {
            let outputs = node.outputs.iter().enumerate();
            copies.extend(outputs.map(|(at, name)| (&**name, at)));
            continue;
        }
        let ([input, others @ ..], [output]) = (node.inputs.as_slice(), node.outputs.as_slice())
        else {
            return None;
        };
        let at = *copies.get(&**input)?;
        let passes = match others {
            [] if node.is_ml("ZipMap") => dropped.contains(&**output),
            [] => passes_on(node, at, evaluator),
            [factor] => node.is_onnx("Mul") && evaluator.is_score(at) && is_one(graph, factor),
            _ => false,
        };
        if !passes {
            return None;
        }
        copies.insert(output, at);
    }
    Some(copies)
}

/// Whether `node` gives the ensemble's output `at` as it gets it.
fn passes_on(node: &Node<'_>, at: usize, evaluator: &Evaluator) -> bool {
    let is_int = at == 0 && matches!(evaluator.labels(), Labels::Ints(_));
    let to = node.attribute("to").and_then(|to| to.int);
    // LightGBM's converter casts labels to what they are.
    node.is_onnx("Identity") || (node.is_onnx("Cast") && is_int && to == Some(7))
}

/// Whether `name` is a weight of `graph` that is 1, by which LightGBM's converter multiplies scores:
/// that changes no bit of any.
fn is_one(graph: &Graph<'_>, name: &str) -> bool {
    let mut weights = graph
        .initializers
        .iter()
        .filter(|weight| weight.name == name);
    let (Some(weight), None) = (weights.next(), weights.next()) else {
        return false;
    };
    let is_input = graph.inputs.iter().any(|input| input.name == name);
    let is_scalar = weight.data_type == 1 && matches!(weight.dims.as_slice(), [] | [1]);
    if is_input || !is_scalar || weight.is_external {
        return false;
    }
    let (mut count, mut is_one) = (0, true);
    for field in wire::fields(&weight.body).map_while(Result::ok) {
        let mut each = |value: f32| {
            count += 1;
            is_one &= value == 1.0;
            true
        };
        match (field.number, field.value) {
            (4, _) => is_one &= wire::each_float(&field, each).is_ok(),
            (9, wire::Value::Bytes(raw)) => match raw.first_chunk() {
                Some(value) if raw.len() == 4 => is_one &= each(f32::from_le_bytes(*value)),
                _ => is_one = false,
            },
            _ => {}
        }
    }
    is_one && count == 1
}
