//! The folded model as ONNX: the joined ensemble as a TreeEnsembleRegressor in the place of the sum,
//! without the nodes that led to it. Every other field is copied as it is.

use std::collections::{HashMap, HashSet};

use crate::model::wire::{self, put_bytes, put_int, put_varint};
use crate::trees::attributes::{Mode, Numbers, Pair};

/// What is folded into one node.
pub(super) struct Change {
    /// The number of the node in whose place the new one comes.
    pub root: usize,
    /// The NodeProto.
    pub node: Vec<u8>,
    /// The numbers of the nodes that go.
    pub gone: Vec<usize>,
}

/// The message `bytes` of a model with `changes` made; `None` where it is malformed, or has weights
/// that are not dense, of which the plan does not know.
pub(super) fn model(bytes: &[u8], changes: &[Change]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len());
    for field in wire::fields(bytes) {
        let field = field.ok()?;
        match field.number {
            7 => put_bytes(&mut out, 7, &graph(field.bytes().ok()?, changes)?),
            _ => out.extend_from_slice(field.raw),
        }
    }
    Some(out)
}

fn graph(bytes: &[u8], changes: &[Change]) -> Option<Vec<u8>> {
    let new: HashMap<usize, &[u8]> = changes
        .iter()
        .map(|change| (change.root, change.node.as_slice()))
        .collect();
    let gone: HashSet<usize> = changes
        .iter()
        .flat_map(|change| &change.gone)
        .copied()
        .collect();
    let mut out = Vec::with_capacity(bytes.len());
    let mut number = 0;
    for field in wire::fields(bytes) {
        let field = field.ok()?;
        match field.number {
            1 => {
                if let Some(node) = new.get(&number) {
                    put_bytes(&mut out, 1, node);
                } else if !gone.contains(&number) {
                    out.extend_from_slice(field.raw);
                }
                number += 1;
            }
            15 => return None,
            _ => out.extend_from_slice(field.raw),
        }
    }
    Some(out)
}

/// The NodeProto of the ensemble `pair`.
pub(super) fn node(pair: &Pair, input: &str, output: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    put_bytes(&mut out, 1, input.as_bytes());
    put_bytes(&mut out, 2, output.as_bytes());
    put_bytes(&mut out, 4, b"TreeEnsembleRegressor");
    put_bytes(&mut out, 7, b"ai.onnx.ml");
    let nodes = &pair.nodes;
    let mut ints = |name: &str, list: &[i32]| {
        let list: Vec<i64> = list.iter().map(|value| i64::from(*value)).collect();
        put_bytes(&mut out, 5, &int_list(name, &list));
    };
    ints("nodes_treeids", &nodes.trees);
    ints("nodes_nodeids", &nodes.ids);
    ints("nodes_featureids", &nodes.features);
    ints("nodes_truenodeids", &nodes.yes);
    ints("nodes_falsenodeids", &nodes.no);
    ints("target_treeids", &pair.weights.trees);
    ints("target_nodeids", &pair.weights.nodes);
    ints("target_ids", &pair.weights.targets);
    let missing: Vec<i32> = nodes.missing.iter().map(|flag| i32::from(*flag)).collect();
    ints("nodes_missing_value_tracks_true", &missing);
    put_bytes(&mut out, 5, &float_list("nodes_values", &nodes.values)?);
    put_bytes(
        &mut out,
        5,
        &float_list("target_weights", &pair.weights.values)?,
    );
    put_bytes(&mut out, 5, &modes(&nodes.modes)?);
    let mut targets = attribute("n_targets", 2);
    put_int(&mut targets, 3, 1);
    put_bytes(&mut out, 5, &targets);
    Some(out)
}

/// The name and type of an AttributeProto.
fn attribute(name: &str, kind: i64) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, 1, name.as_bytes());
    put_int(&mut out, 20, kind);
    out
}

fn int_list(name: &str, list: &[i64]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(list.len() * 2);
    for value in list {
        put_varint(&mut packed, value.cast_unsigned());
    }
    let mut out = attribute(name, 7);
    put_bytes(&mut out, 8, &packed);
    out
}

fn float_list(name: &str, list: &Numbers) -> Option<Vec<u8>> {
    let Numbers::Singles(list) = list else {
        return None;
    };
    let packed: Vec<u8> = list.iter().flat_map(|value| value.to_le_bytes()).collect();
    let mut out = attribute(name, 6);
    put_bytes(&mut out, 7, &packed);
    Some(out)
}

fn modes(list: &[Mode]) -> Option<Vec<u8>> {
    let mut out = attribute("nodes_modes", 8);
    for mode in list {
        put_bytes(&mut out, 9, mode.name()?.as_bytes());
    }
    Some(out)
}
