//! Which node makes which value of a graph, and which values come from which nodes.

use std::collections::{HashMap, HashSet};

use super::proto::{Graph, Node, Tensor};

/// A chain of nodes that only pass a value on is never longer than this in a pipeline; a hostile
/// graph may have a cycle.
pub(crate) const LONGEST_CHAIN: usize = 8;

/// Nodes looked at behind one value: more than any pipeline has, few enough for a hostile graph that
/// asks for thousands of values.
const MOST_STEPS: usize = 1_000;

/// Operators through which labels and probabilities keep their meaning.
const TRANSPARENT: [&str; 16] = [
    "Identity",
    "Cast",
    "Reshape",
    "Squeeze",
    "Unsqueeze",
    "Flatten",
    "Normalizer",
    "Concat",
    "SequenceConstruct",
    "Softmax",
    "LogSoftmax",
    "Sigmoid",
    "Slice",
    "ZipMap",
    "Optional",
    "Transpose",
];

/// Who makes which value of a graph.
pub(crate) struct Lineage<'g> {
    producers: HashMap<&'g str, &'g Node<'g>>,
    initializers: HashMap<&'g str, &'g Tensor<'g>>,
}

impl<'g> Lineage<'g> {
    /// The lineage of every value of `graph`.
    pub(crate) fn of(graph: &'g Graph<'g>) -> Self {
        let outputs = |node: &'g Node<'g>| node.outputs.iter().map(move |name| (&**name, node));
        Lineage {
            producers: graph.nodes.iter().flat_map(outputs).collect(),
            initializers: graph.initializers.iter().map(|t| (&*t.name, t)).collect(),
        }
    }

    /// The node that makes the value `name`.
    pub(crate) fn producer(&self, name: &str) -> Option<&'g Node<'g>> {
        self.producers.get(name).copied()
    }

    /// The weights called `name`.
    pub(crate) fn initializer(&self, name: &str) -> Option<&'g Tensor<'g>> {
        self.initializers.get(name).copied()
    }

    /// The nodes that the value `name` comes from, through transparent ones; the first of them, where
    /// there is no end of them.
    pub(crate) fn sources(&self, name: &str) -> Vec<&'g Node<'g>> {
        let mut seen = HashSet::new();
        let mut open: Vec<&'g Node<'g>> = self.producer(name).into_iter().collect();
        let mut sources = Vec::new();
        while let Some(node) = open.pop().filter(|_| seen.len() < MOST_STEPS) {
            if !seen.insert(std::ptr::from_ref(node)) {
                continue;
            }
            if TRANSPARENT.contains(&&*node.op) {
                open.extend(node.inputs.iter().filter_map(|input| self.producer(input)));
            } else {
                sources.push(node);
            }
        }
        sources
    }

    /// The value that `name` is but a copy of, in another shape or type.
    pub(crate) fn unmixed<'n>(&self, name: &'n str) -> &'n str
    where
        'g: 'n,
    {
        let mut name = name;
        for _ in 0..LONGEST_CHAIN {
            match self.producer(name) {
                Some(node) if ["Identity", "Cast", "Reshape", "Flatten"].contains(&&*node.op) => {
                    name = node.inputs.first().map_or(name, |input| input);
                }
                _ => break,
            }
        }
        name
    }
}
