//! The class labels that nodes and constants of a graph hold.

use super::MOST;
use crate::model::lineage::{LONGEST_CHAIN, Lineage};
use crate::model::proto::{Node, Tensor};

/// Every set of class names that the value `name` comes from.
pub(super) fn sets_behind(name: &str, lineage: &Lineage<'_>) -> Vec<Vec<String>> {
    if let Some(keys) = output_keys(name, lineage) {
        return vec![keys];
    }
    let sources = lineage.sources(name);
    sources
        .into_iter()
        .filter_map(|node| source_labels(node, lineage))
        .collect()
}

/// The keys of the ZipMap that makes the value `name`.
pub(super) fn output_keys(name: &str, lineage: &Lineage<'_>) -> Option<Vec<String>> {
    let node = lineage.producer(name)?;
    node.is_ml("ZipMap").then(|| zipmap_keys(node))?
}

/// The class names that the one node `node` knows.
fn source_labels(node: &Node<'_>, lineage: &Lineage<'_>) -> Option<Vec<String>> {
    if node.is_ml("ArrayFeatureExtractor") || node.is_onnx("Gather") {
        return constant(node.inputs.first()?, lineage);
    }
    // A LabelEncoder over a constant is the list of classes, not a label of a record.
    let of_constant = node
        .inputs
        .first()
        .is_some_and(|input| constant(input, lineage).is_some());
    let encoded = encoder_labels(node).filter(|_| !of_constant);
    encoded.or_else(|| classifier_labels(node))
}

/// The elements of the value `name`, if it is the same for every record.
pub(super) fn constant(name: &str, lineage: &Lineage<'_>) -> Option<Vec<String>> {
    let mut name = name;
    for _ in 0..LONGEST_CHAIN {
        if let Some(tensor) = lineage.initializer(name) {
            return tensor_labels(tensor);
        }
        let node = lineage.producer(name)?;
        match &*node.op {
            "Constant" => return tensor_labels(node.attribute("value")?.tensors.first()?),
            "LabelEncoder" => {
                let input = node.inputs.first()?;
                lineage.initializer(input)?;
                return encoder_labels(node);
            }
            "Identity" | "Cast" | "Reshape" => name = node.inputs.first()?,
            _ => return None,
        }
    }
    None
}

/// The keys of a ZipMap, in the order of the columns that it reads.
pub(crate) fn zipmap_keys(node: &Node<'_>) -> Option<Vec<String>> {
    first_list(node, &["classlabels_strings", "classlabels_int64s"])
}

/// Whether the node is a classifier of ONNX-ML.
pub(crate) fn is_classifier(node: &Node<'_>) -> bool {
    [
        "TreeEnsembleClassifier",
        "LinearClassifier",
        "SVMClassifier",
    ]
    .iter()
    .any(|op| node.is_ml(op))
}

/// The labels of a classifier node.
pub(super) fn classifier_labels(node: &Node<'_>) -> Option<Vec<String>> {
    let lists = [
        "classlabels_strings",
        "classlabels_ints",
        "classlabels_int64s",
    ];
    is_classifier(node).then(|| first_list(node, &lists))?
}

/// The first of the node's attributes `names` that holds any strings or integers, as text.
pub(super) fn first_list(node: &Node<'_>, names: &[&str]) -> Option<Vec<String>> {
    let attributes = names.iter().filter_map(|name| node.attribute(name));
    let mut lists = attributes.map(|attribute| match attribute.strings(MOST) {
        strings if strings.is_empty() => numbers(attribute.ints(MOST)),
        strings => strings,
    });
    lists.find(|list| !list.is_empty())
}

fn numbers(ints: Vec<i64>) -> Vec<String> {
    ints.iter().map(i64::to_string).collect()
}

fn tensor_labels(tensor: &Tensor<'_>) -> Option<Vec<String>> {
    let labels = match tensor.data_type {
        8 => tensor.strings(MOST),
        _ => numbers(tensor.ints(MOST)),
    };
    (!labels.is_empty() && !tensor.is_external).then_some(labels)
}

/// What a LabelEncoder makes of class numbers, in their order; `None` for one that encodes input.
fn encoder_labels(node: &Node<'_>) -> Option<Vec<String>> {
    if !node.is_ml("LabelEncoder") {
        return None;
    }
    let tensor = |name| node.attribute(name).and_then(|a| a.tensors.first());
    let keys = match tensor("keys_tensor") {
        Some(tensor) => tensor.ints(MOST),
        None => node.attribute("keys_int64s")?.ints(MOST),
    };
    let values = match tensor("values_tensor") {
        Some(tensor) => tensor_labels(tensor)?,
        None => first_list(node, &["values_strings", "values_int64s"])?,
    };
    let mut pairs: Vec<(i64, String)> = keys.into_iter().zip(values).collect();
    pairs.sort_by_key(|(key, _)| *key);
    (!pairs.is_empty()).then(|| pairs.into_iter().map(|(_, value)| value).collect())
}
