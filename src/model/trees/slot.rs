//! The tree nodes of a model, what evaluates each, and the nodes that are put in their places.

use std::collections::HashMap;
use std::sync::Arc;

use super::attributes;
use super::evaluator::{Evaluator, element};
use super::operator;
use super::types::Types;
use crate::model::dtype::Dtype;
use crate::model::proto::{Graph, Model, Node};
use crate::model::wire::{self, Fault, put_bytes};
use crate::trees::attributes::Precision;

/// More tree nodes than any model has; each costs an operator of its own.
const MOST: usize = 4096;

/// A tree node.
pub(crate) struct Slot<'m> {
    pub node: &'m Node<'m>,
    /// Its place among the model's tree nodes.
    pub number: usize,
    /// What evaluates it here, or why it stays with ONNX Runtime, as a clause.
    pub evaluator: Result<Arc<Evaluator>, String>,
}

impl Slot<'_> {
    /// Gives the node back to ONNX Runtime.
    pub(crate) fn refuse(&mut self, reason: &str) {
        if self.evaluator.is_ok() {
            self.evaluator = Err(reason.to_owned());
        }
    }

    /// The node that runs our operator in the place of this one; all that is not the operator or its
    /// attributes is kept as it is.
    fn instead(&self) -> Result<Vec<u8>, Fault> {
        let mut out = Vec::with_capacity(256);
        for field in wire::fields(self.node.body) {
            let field = field?;
            if !matches!(field.number, 4 | 5 | 7) {
                out.extend_from_slice(field.raw);
            }
        }
        put_bytes(&mut out, 4, operator::name(self.number).as_bytes());
        put_bytes(&mut out, 7, operator::DOMAIN.as_bytes());
        Ok(out)
    }
}

/// The tree nodes of a model, in the file's order.
#[derive(Default)]
pub(crate) struct Slots<'m> {
    pub slots: Vec<Slot<'m>>,
    /// The numbers of slots by where their nodes are in the file.
    numbers: HashMap<*const u8, usize>,
    axes: Axes,
}

/// How many axes the inputs of tree nodes may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Axes {
    /// Two, where ONNX Runtime knows it: since version 3 of ai.onnx.ml it does not load the graph
    /// otherwise, while of operators like ours it knows no such rule.
    #[default]
    Two,
    /// Any, of which our operator, as ONNX Runtime's, scores one and two.
    Any,
}

impl Axes {
    fn of(model: &Model<'_>) -> Axes {
        let is_old =
            |(domain, version): &(_, i64)| *domain == "ai.onnx.ml" && (1..3).contains(version);
        match model.opsets.iter().any(is_old) {
            true => Axes::Any,
            false => Axes::Two,
        }
    }

    /// Why an input of so many axes is not ours.
    fn fault(self, axes: Option<usize>) -> Option<String> {
        let axes = axes.filter(|axes| *axes != 2 && self == Axes::Two)?;
        let plural = if axes == 1 { "axis" } else { "axes" };
        Some(format!(
            "its input has {axes} {plural}, and ONNX Runtime asks for 2"
        ))
    }
}

impl<'m> Slots<'m> {
    /// Finds the tree nodes of `model` and compiles those that can be; none, where there is a reason
    /// why all have to `stay`.
    pub(crate) fn of(model: &'m Model<'m>, stay: Option<&str>) -> Slots<'m> {
        // Functions import domains of their own.
        let has_domain = model
            .opsets
            .iter()
            .any(|(domain, _)| domain == operator::DOMAIN)
            || model.functions.iter().any(has_our_domain);
        let stay = match has_domain {
            true => Some("the model has operators of a domain called mlserve"),
            false => stay,
        };
        let mut slots = Slots::default();
        match (&model.graph, stay) {
            (Some(graph), None) => {
                slots.axes = Axes::of(model);
                slots.search(graph, &mut Types::default());
            }
            (Some(graph), Some(reason)) => slots.pass(graph, reason),
            (None, _) => {}
        }
        for function in &model.functions {
            slots.pass(
                function,
                stay.unwrap_or("it is inside a function of the model"),
            );
        }
        slots
    }

    /// Tree nodes of the graph and its subgraphs.
    fn search(&mut self, graph: &'m Graph<'m>, types: &mut Types<'m>) {
        types.enter(graph);
        for node in &graph.nodes {
            for inner in node.attributes.iter().flat_map(|a| &a.graphs) {
                self.search(inner, types);
            }
            if is_tree(node) {
                let evaluator = match self.slots.len() < MOST {
                    true => compile(node, types, self.axes),
                    false => Err(format!("the model has more than {MOST} ensembles")),
                };
                self.push(node, evaluator.map(Arc::new));
            }
            types.learn(node);
        }
        types.leave();
    }

    /// Tree nodes that stay where they are.
    fn pass(&mut self, graph: &'m Graph<'m>, reason: &str) {
        for node in &graph.nodes {
            for inner in node.attributes.iter().flat_map(|a| &a.graphs) {
                self.pass(inner, reason);
            }
            if is_tree(node) {
                self.push(node, Err(reason.to_owned()));
            }
        }
    }

    fn push(&mut self, node: &'m Node<'m>, evaluator: Result<Arc<Evaluator>, String>) {
        self.numbers
            .entry(node.body.as_ptr())
            .or_insert(self.slots.len());
        self.slots.push(Slot {
            node,
            number: self.slots.len(),
            evaluator,
        });
    }

    /// Gives all nodes back to ONNX Runtime.
    pub(crate) fn refuse_all(&mut self, reason: &str) {
        self.slots.iter_mut().for_each(|slot| slot.refuse(reason));
    }

    /// Gives those nodes back whose inputs have other numbers of axes than ONNX Runtime takes, as it
    /// has `seen` them: by the nodes' numbers. Whether there are any.
    pub(crate) fn refuse_axes(&mut self, seen: &[(usize, usize)]) -> bool {
        let mut any = false;
        for (number, axes) in seen {
            if let Some(fault) = self.axes.fault(Some(*axes))
                && let Some(slot) = self.slots.get_mut(*number)
            {
                any |= slot.evaluator.is_ok();
                slot.refuse(&fault);
            }
        }
        any
    }

    /// Whether ONNX Runtime has all of them.
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.iter().all(|slot| slot.evaluator.is_err())
    }

    /// What evaluates nodes here, by their numbers.
    pub(crate) fn evaluators(&self) -> Vec<(usize, Arc<Evaluator>)> {
        let evaluator = |slot: &Slot<'_>| Some((slot.number, slot.evaluator.clone().ok()?));
        self.slots.iter().filter_map(evaluator).collect()
    }

    /// The slot of `node`, if it is evaluated here. Nodes are told apart by where they are in the
    /// file.
    pub(crate) fn slot(&self, node: &Node<'_>) -> Option<&Slot<'m>> {
        if !is_tree(node) {
            return None;
        }
        let number = self.numbers.get(&node.body.as_ptr())?;
        let slot = self.slots.get(*number)?;
        slot.evaluator.is_ok().then_some(slot)
    }

    /// The node in the place of `node`, if that is evaluated here.
    pub(crate) fn instead(&self, node: &Node<'_>) -> Result<Option<Vec<u8>>, Fault> {
        self.slot(node).map(Slot::instead).transpose()
    }

    /// The `OperatorSetIdProto` of our operators.
    pub(crate) fn opset() -> Vec<u8> {
        let mut opset = Vec::new();
        put_bytes(&mut opset, 1, operator::DOMAIN.as_bytes());
        wire::put_int(&mut opset, 2, 1);
        opset
    }
}

/// Whether the node is one of ONNX-ML's tree ensembles.
pub(super) fn is_tree(node: &Node<'_>) -> bool {
    [
        "TreeEnsembleClassifier",
        "TreeEnsembleRegressor",
        "TreeEnsemble",
    ]
    .iter()
    .any(|op| node.is_ml(op))
}

/// Whether a node of the graph or its subgraphs is of the domain that our operators have.
fn has_our_domain(graph: &Graph<'_>) -> bool {
    graph.nodes.iter().any(|node| {
        let mut inner = node.attributes.iter().flat_map(|a| &a.graphs);
        node.domain == operator::DOMAIN || inner.any(has_our_domain)
    })
}

fn compile(node: &Node<'_>, types: &Types<'_>, axes: Axes) -> Result<Evaluator, String> {
    let [input] = node.inputs.as_slice() else {
        return Err(format!("it has {} inputs", node.inputs.len()));
    };
    let precision = match types.of(input) {
        Some(Dtype::Float32) => Precision::Single,
        Some(Dtype::Float64) => Precision::Double,
        Some(other) => return Err(format!("its input is {}", other.name())),
        None => return Err("the type of its input is not known".to_owned()),
    };
    if let Some(fault) = axes.fault(types.axes(input)) {
        return Err(fault);
    }
    let attributes =
        attributes::read(node, element(precision)).map_err(|refusal| refusal.to_string())?;
    Evaluator::compile(&attributes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::proto::Attribute;

    #[test]
    fn our_domain_is_seen_at_any_depth_and_no_other_is() {
        let graph = |domain: &'static str, inner: Vec<Graph<'static>>| Graph {
            nodes: vec![Node {
                domain: domain.into(),
                attributes: vec![Attribute {
                    graphs: inner,
                    ..Attribute::default()
                }],
                ..Node::default()
            }],
            ..Graph::default()
        };
        assert!(has_our_domain(&graph("mlserve", Vec::new())));
        assert!(has_our_domain(&graph(
            "",
            vec![graph("mlserve", Vec::new())]
        )));
        assert!(!has_our_domain(&graph(
            "ai.onnx.ml",
            vec![graph("", Vec::new())]
        )));
    }
}
