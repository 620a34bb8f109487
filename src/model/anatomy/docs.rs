//! The documentation that a model carries of its parts.

use super::{Graph, Part};

/// So many texts are enough for anybody; a hostile file may have millions.
const MOST: usize = 10_000;

/// One text, with what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doc {
    /// `graph`, `input`, `output` or `node`.
    pub of: &'static str,
    /// Its name, or of a node without one its operator.
    pub name: String,
    pub text: String,
}

/// The texts of graphs, their inputs and outputs, and nodes, as far as there are any.
pub(super) fn docs(parts: &[(Part, &Graph<'_>)]) -> Vec<Doc> {
    let mut docs = Vec::new();
    let mut push = |of, name: &str, text: &str| {
        if docs.len() < MOST && !text.trim().is_empty() {
            docs.push(Doc {
                of,
                name: name.to_owned(),
                text: text.to_owned(),
            });
        }
    };
    for (part, graph) in parts {
        // That of the main graph is the model's own, or stands beside it.
        if *part != Part::Main {
            push("graph", &graph.name, &graph.doc);
        }
        let inputs = graph.inputs.iter().map(|port| ("input", port));
        let outputs = graph.outputs.iter().map(|port| ("output", port));
        for (of, port) in inputs.chain(outputs) {
            push(of, &port.name, &port.doc);
        }
        for node in &graph.nodes {
            let name = match node.name.is_empty() {
                true => &node.op,
                false => &node.name,
            };
            push("node", name, &node.doc());
        }
    }
    docs
}
