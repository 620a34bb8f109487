//! What changed of the nodes that are still there: their attributes, and what they read. The
//! coefficients of a linear model are attributes.

use std::collections::HashMap;

use super::numbers::NumberChange;
use super::{Graph, Part};
use crate::model::anatomy::ensembles::name;
use crate::model::proto::{Attribute, Node};
use crate::model::trees;
use crate::model::wire;

/// A change of one node.
#[derive(Debug, Clone, PartialEq)]
pub struct AttributeChange {
    /// The node's name, or where it has none that of its first output.
    pub node: String,
    pub operator: String,
    /// The attribute; empty where what the node reads changed.
    pub attribute: String,
    /// Of numbers: how far they are apart, where there are as many as before.
    pub numbers: Option<NumberChange>,
}

/// Changes that are told; a hostile file may have millions.
const MOST: usize = 10_000;

/// The changes of the nodes of the main graph, and how many nodes were compared.
pub(super) fn changes(
    old: &[(Part, &Graph<'_>)],
    new: &[(Part, &Graph<'_>)],
) -> (Vec<AttributeChange>, usize) {
    let main =
        |parts: &[(Part, &Graph<'_>)]| parts.iter().position(|(part, _)| *part == Part::Main);
    let (Some((_, old)), Some((_, new))) = (
        main(old).and_then(|at| old.get(at)),
        main(new).and_then(|at| new.get(at)),
    ) else {
        return (Vec::new(), 0);
    };
    let now: HashMap<&str, &Node<'_>> = new
        .nodes
        .iter()
        .filter_map(|node| Some((&**node.outputs.first()?, node)))
        .collect();
    let mut compared = 0;
    let mut changes = Vec::new();
    for node in &old.nodes {
        let same = node.outputs.first().and_then(|output| now.get(&**output));
        let Some(same) = same.filter(|same| same.op == node.op && same.domain == node.domain)
        else {
            continue;
        };
        compared += 1;
        if changes.len() < MOST {
            changes.extend(of_node(node, same));
        }
    }
    (changes, compared)
}

fn of_node(old: &Node<'_>, new: &Node<'_>) -> Vec<AttributeChange> {
    let change = |attribute: &str, numbers| AttributeChange {
        node: name(old),
        operator: old.op.to_string(),
        attribute: attribute.to_owned(),
        numbers,
    };
    let mut changes = Vec::new();
    if old.inputs != new.inputs {
        changes.push(change("", None));
    }
    // Trees have a comparison of their own, and a constant is a weight.
    if trees::is_tree(old) || old.is_onnx("Constant") {
        return changes;
    }
    let of_new: HashMap<&str, &Attribute<'_>> =
        new.attributes.iter().map(|a| (&*a.name, a)).collect();
    let mut found = 0;
    for attribute in &old.attributes {
        match of_new.get(&*attribute.name) {
            None => changes.push(change(&attribute.name, None)),
            Some(now) => {
                found += 1;
                // A subgraph's weights are compared by name, and its nodes are not.
                if !is_same(attribute, now) && attribute.graphs.is_empty() {
                    changes.push(change(&attribute.name, numbers(attribute, now)));
                }
            }
        }
    }
    if found < of_new.len() {
        let old: HashMap<&str, ()> = old.attributes.iter().map(|a| (&*a.name, ())).collect();
        let came = new
            .attributes
            .iter()
            .filter(|a| !old.contains_key(&*a.name));
        changes.extend(came.map(|attribute| change(&attribute.name, None)));
    }
    changes
}

/// Whether both say the same; the bytes of an ORT file say it in another way.
fn is_same(old: &Attribute<'_>, new: &Attribute<'_>) -> bool {
    if old.body == new.body {
        return true;
    }
    const MOST: usize = 1 << 20;
    let has_tensors = !old.tensors.is_empty() || !new.tensors.is_empty();
    let lists = |attribute: &Attribute<'_>| {
        let floats = floats(attribute).into_iter().map(f64::to_bits);
        (
            attribute.int.unwrap_or(0),
            attribute.string.as_deref().unwrap_or_default().to_owned(),
            floats.collect::<Vec<_>>(),
            attribute.ints(MOST),
            attribute.strings(MOST),
        )
    };
    // Lists that are cut may differ where they are not read.
    let is_short = old.body.len().max(new.body.len()) < MOST;
    !has_tensors && is_short && lists(old) == lists(new)
}

fn numbers(old: &Attribute<'_>, new: &Attribute<'_>) -> Option<NumberChange> {
    let (old, new) = (floats(old), floats(new));
    (!old.is_empty() && old.len() == new.len()).then(|| NumberChange::of(&old, &new))
}

/// The float and the floats of an attribute.
fn floats(attribute: &Attribute<'_>) -> Vec<f64> {
    let mut floats = Vec::new();
    let fields = wire::fields(&attribute.body).map_while(Result::ok);
    for field in fields.filter(|field| matches!(field.number, 2 | 7)) {
        // What is malformed is as good as not there.
        let _ = wire::each_float(&field, |value| {
            floats.push(f64::from(value));
            true
        });
    }
    floats
}
