//! Which weights are quantized, told from the operators that read them.

use std::collections::HashMap;

use crate::model::proto::{Graph, Node};

/// How weights are quantized.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quantized {
    /// The operator that reads them as such.
    pub by: String,
    /// What shares a scale: `tensor`, `axis 0`, `blocks of 32`.
    pub scale: String,
}

/// Where quantizing operators have their weights and the scales of these.
const READERS: [(&str, usize, usize); 11] = [
    ("DequantizeLinear", 0, 1),
    ("QLinearConv", 3, 4),
    ("QLinearMatMul", 3, 4),
    ("ConvInteger", 1, usize::MAX),
    ("MatMulInteger", 1, usize::MAX),
    ("MatMulIntegerToFloat", 1, 3),
    ("DynamicQuantizeMatMul", 1, 2),
    ("QGemm", 3, 4),
    ("MatMulNBits", 1, 2),
    ("GatherBlockQuantized", 0, 2),
    ("QAttention", 1, 4),
];

/// The first node of `graph` that reads each value, with the place of the value among its inputs.
pub(super) fn readers<'g>(graph: &'g Graph<'g>) -> HashMap<&'g str, (&'g Node<'g>, usize)> {
    let mut readers = HashMap::new();
    for node in &graph.nodes {
        for (at, input) in node.inputs.iter().enumerate() {
            readers.entry(&**input).or_insert((node, at));
        }
    }
    readers
}

/// How the weights that `node` reads as its input `at` are quantized; `shapes` are those of the
/// graph's weights.
pub(super) fn quantized(
    (node, at): (&Node<'_>, usize),
    shapes: &HashMap<&str, &[i64]>,
) -> Option<Quantized> {
    let (_, _, scale) = READERS
        .iter()
        .find(|(op, place, _)| node.op == *op && at == *place)?;
    let shape = node.inputs.get(*scale).and_then(|name| shapes.get(&**name));
    let int = |name: &str| node.attribute(name).and_then(|attribute| attribute.int);
    let scale = match (int("block_size"), shape) {
        (Some(size @ 1..), _) => format!("blocks of {size}"),
        (_, Some([] | [1])) => "tensor".to_owned(),
        (_, Some([_])) if node.op == "DequantizeLinear" => {
            format!("axis {}", int("axis").unwrap_or(1))
        }
        (_, Some([_])) => "channels".to_owned(),
        _ => "unknown".to_owned(),
    };
    Some(Quantized {
        by: node.op.to_string(),
        scale,
    })
}
