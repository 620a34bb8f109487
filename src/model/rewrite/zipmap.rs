//! ZipMaps at the end of the graph: the node that becomes an Identity, the output that becomes a
//! matrix.

use std::collections::{HashMap, HashSet};

use super::name_of;
use crate::model::names::zipmap_keys;
use crate::model::proto::{Graph, Model, Node, Type};
use crate::model::wire::{put_bytes, put_int};

/// The opset for ONNX itself where a model imports none: CatBoost's import ai.onnx.ml alone.
/// Identity has been the same since opset 1; 9 is the newest that every runtime in use knows.
const OPSET: i64 = 9;

/// The ZipMaps to drop, by the name of their output.
pub(super) type ZipMaps = HashMap<String, Matrix>;

/// What a ZipMap reads: a matrix with a column for each class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Matrix {
    /// The number in `TensorProto.DataType`.
    dtype: i32,
    classes: usize,
}

/// By output name, the ZipMaps to drop: those of the main graph whose result is an output of it
/// and is not used by another node.
pub(super) fn zipmaps(model: &Model<'_>) -> ZipMaps {
    let Some(graph) = &model.graph else {
        return ZipMaps::new();
    };
    let mut used = HashSet::new();
    collect_used(graph, &mut used);
    let declared = |name: &str| graph.outputs.iter().find(|output| output.name == name);
    let matrix = |node: &Node<'_>| {
        let ([_], [output]) = (node.inputs.as_slice(), node.outputs.as_slice()) else {
            return None;
        };
        if used.contains(&**output) {
            return None;
        }
        let dtype = map_values(&declared(output)?.kind);
        let classes = zipmap_keys(node)?.len();
        Some((output.to_string(), Matrix { dtype, classes }))
    };
    let zipmaps = graph.nodes.iter().filter(|node| node.is_ml("ZipMap"));
    zipmaps.filter_map(matrix).collect()
}

/// The names that nodes of the graph and its subgraphs read.
fn collect_used<'m>(graph: &'m Graph<'_>, used: &mut HashSet<&'m str>) {
    for node in &graph.nodes {
        used.extend(node.inputs.iter().map(|name| &**name));
        for inner in node.attributes.iter().flat_map(|a| &a.graphs) {
            used.extend(inner.outputs.iter().map(|output| &*output.name));
            collect_used(inner, used);
        }
    }
}

/// The type of the values of a ZipMap's output; float32 where it is not declared.
fn map_values(kind: &Type<'_>) -> i32 {
    match kind {
        Type::Sequence(item) | Type::Map(_, item) => map_values(item),
        Type::Tensor(dtype, _) if *dtype != 0 => *dtype,
        _ => 1,
    }
}

/// The node in the place of `node`, if that is one of `zipmaps`.
pub(super) fn node_instead(node: &Node<'_>, zipmaps: &ZipMaps) -> Option<Vec<u8>> {
    let output = node.outputs.first().filter(|_| node.is_ml("ZipMap"))?;
    let input = node.inputs.first().map(|name| &**name).unwrap_or_default();
    let is_dropped = zipmaps.contains_key(&**output);
    is_dropped.then(|| identity(input, output))
}

/// The graph output in the place of that in `bytes`, if one of `zipmaps` made it.
pub(super) fn output_instead(bytes: &[u8], zipmaps: &ZipMaps) -> Option<Vec<u8>> {
    let name = String::from_utf8_lossy(name_of(bytes).unwrap_or_default());
    let matrix = zipmaps.get(&*name)?;
    Some(matrix_output(&name, *matrix))
}

/// The OperatorSetIdProto that an Identity needs in a model that imports no operators of ONNX
/// itself.
pub(super) fn opset_for_identity(model: &Model<'_>) -> Option<Vec<u8>> {
    let mut domains = model.opsets.iter().map(|(domain, _)| &**domain);
    if domains.any(|domain| matches!(domain, "" | "ai.onnx")) {
        return None;
    }
    let mut opset = Vec::new();
    put_bytes(&mut opset, 1, b"");
    put_int(&mut opset, 2, OPSET);
    Some(opset)
}

/// A NodeProto: Identity from `input` to `output`.
fn identity(input: &str, output: &str) -> Vec<u8> {
    let mut node = Vec::new();
    put_bytes(&mut node, 1, input.as_bytes());
    put_bytes(&mut node, 2, output.as_bytes());
    put_bytes(&mut node, 4, b"Identity");
    node
}

/// A ValueInfoProto: `name` and the shape [?, classes].
fn matrix_output(name: &str, matrix: Matrix) -> Vec<u8> {
    let mut columns = Vec::new();
    let classes = i64::try_from(matrix.classes).unwrap_or(i64::MAX);
    put_int(&mut columns, 1, classes);
    let mut shape = Vec::new();
    put_bytes(&mut shape, 1, b"");
    put_bytes(&mut shape, 1, &columns);
    let mut tensor = Vec::new();
    put_int(&mut tensor, 1, i64::from(matrix.dtype));
    put_bytes(&mut tensor, 2, &shape);
    let mut kind = Vec::new();
    put_bytes(&mut kind, 1, &tensor);
    let mut info = Vec::new();
    put_bytes(&mut info, 1, name.as_bytes());
    put_bytes(&mut info, 2, &kind);
    info
}
