//! One walk over all graphs of a model: what is counted, weighed and kept outside of the file.

use std::collections::HashMap;

use super::dtype;
use super::external::Location;
use super::onnx::Trees;
use super::proto::{Attribute, Graph, Model, Node, Tensor};
use super::trees;
use crate::trees::read::levels::Deepest;

/// What the walk found.
#[derive(Debug, Default)]
pub(crate) struct Tally<'m> {
    pub nodes: usize,
    /// Uses by (domain, operator).
    pub operators: HashMap<(&'m str, &'m str), usize>,
    pub parameters: u64,
    pub weight_bytes: u64,
    pub trees: Option<Trees>,
    /// Whether any tree node sends missing values along its true branch.
    pub routes_missing: bool,
    pub external: Vec<Location>,
}

/// Walks the graph, its subgraphs and the functions of `model`.
pub(crate) fn tally<'m>(model: &'m Model<'_>) -> Tally<'m> {
    let mut tally = Tally::default();
    for graph in model.graphs() {
        tally.graph(graph);
    }
    tally
}

impl<'m> Tally<'m> {
    fn graph(&mut self, graph: &'m Graph<'_>) {
        for tensor in &graph.initializers {
            self.weigh(tensor);
            self.locate(tensor);
        }
        for node in &graph.nodes {
            self.node(node);
        }
    }

    fn node(&mut self, node: &'m Node<'_>) {
        self.nodes += 1;
        *self.operators.entry((&node.domain, &node.op)).or_default() += 1;
        for attribute in &node.attributes {
            for tensor in &attribute.tensors {
                self.locate(tensor);
                if node.is_onnx("Constant") {
                    self.weigh(tensor);
                }
            }
            for graph in &attribute.graphs {
                self.graph(graph);
            }
        }
        if node.domain == "ai.onnx.ml" && node.op.starts_with("TreeEnsemble") {
            self.tree_ensemble(node);
        }
    }

    /// Adds the elements and bytes of a tensor as its dimensions tell them; a hostile product
    /// stays at the largest number.
    fn weigh(&mut self, tensor: &Tensor<'_>) {
        let elements = tensor.dims.iter().fold(1_u64, |product, dim| {
            product.saturating_mul(u64::try_from(*dim).unwrap_or(0))
        });
        let bytes = dtype::bytes_of(tensor.data_type, elements);
        self.parameters = self.parameters.saturating_add(elements);
        self.weight_bytes = self.weight_bytes.saturating_add(bytes);
    }

    fn locate(&mut self, tensor: &Tensor<'_>) {
        if tensor.is_external {
            self.external.push(Location::of(tensor));
        }
    }

    fn tree_ensemble(&mut self, node: &Node<'_>) {
        let trees = self.trees.get_or_insert_default();
        let before = *trees;
        if let Some(ids) = node.attribute("nodes_treeids") {
            count_trees(ids, trees);
        } else {
            trees.trees += count(node.attribute("tree_roots"));
            trees.nodes += count(node.attribute("nodes_featureids"));
        }
        let nodes = trees.nodes - before.nodes;
        trees.deepest = deeper(before.deepest, deepest(node, nodes, before.trees));
        if let Some(tracks) = node.attribute("nodes_missing_value_tracks_true") {
            tracks.each_int(|track| {
                self.routes_missing |= track != 0;
                !self.routes_missing
            });
        }
    }
}

/// A tree's nodes follow each other, so a new tree begins where the id changes.
fn count_trees(ids: &Attribute<'_>, trees: &mut Trees) {
    let mut last = None;
    ids.each_int(|id| {
        trees.nodes += 1;
        if last.replace(id) != Some(id) {
            trees.trees += 1;
        }
        true
    });
}

/// The deepest tree of `node`, numbered after the trees `before`; `None` where it has few `nodes`.
fn deepest(node: &Node<'_>, nodes: usize, before: usize) -> Option<Deepest> {
    if nodes < trees::SHALLOW {
        return None;
    }
    // Where lists cannot be read, ONNX Runtime gets no deeper than there are nodes.
    let deepest = trees::deepest(node);
    let deepest = deepest.unwrap_or(Deepest {
        tree: 0,
        levels: nodes,
    });
    Some(Deepest {
        tree: before.saturating_add(deepest.tree),
        ..deepest
    })
}

/// The first where both are as deep.
fn deeper(one: Option<Deepest>, other: Option<Deepest>) -> Option<Deepest> {
    let levels = |deepest: Option<Deepest>| deepest.map_or(0, |deepest| deepest.levels);
    if levels(other) > levels(one) {
        other
    } else {
        one
    }
}

fn count(ints: Option<&Attribute<'_>>) -> usize {
    let mut count = 0;
    if let Some(ints) = ints {
        ints.each_int(|_| {
            count += 1;
            true
        });
    }
    count
}
