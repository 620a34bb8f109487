//! Class names, feature names and categories: found in the graph or in the metadata, never guessed.
//!
//! Class names are traced back from the outputs to the node that knows them, because inner nodes of
//! a pipeline (one classifier for each class, say) have labels of their own that nobody sees.

mod labels;
mod list;
mod metadata;

use std::collections::HashMap;

use super::dtype::Dtype;
use super::lineage::Lineage;
use super::proto::{Graph, Model, Node};
use super::signature::{Port, Signature};

pub(crate) use labels::{is_classifier, zipmap_keys};

/// More labels than this are not read: no classifier has them.
const MOST: usize = 100_000;

/// Class names are looked for behind so many outputs. A multi-output model has a few; a hostile one
/// lists thousands that all lead to one long list, and each would get a copy.
const MOST_OUTPUTS: usize = 32;

/// Fills in the feature names and class names of `signature`.
pub(crate) fn name(
    signature: &mut Signature,
    model: &Model<'_>,
    graph: &Graph<'_>,
    lineage: &Lineage<'_>,
) {
    signature.features = metadata::feature_names(&signature.inputs, &model.metadata);
    for port in signature.outputs.iter_mut().take(MOST_OUTPUTS) {
        port.classes = labels::output_keys(&port.name, lineage);
    }
    match classes_of_outputs(signature, lineage) {
        Found::One(classes) => signature.classes = Some(classes),
        Found::Many => name_each_output(signature, lineage),
        Found::None => {
            signature.classes = constant_output(signature, lineage)
                .or_else(|| classes_of_nodes(graph))
                .or_else(|| metadata::class_names(&model.metadata));
        }
    }
}

/// The inputs that an encoder reads, with the categories that it knows: the first encoder's, where
/// there are several. What passes through nodes that mix columns is not traced.
pub(crate) fn categories(
    signature: &Signature,
    graph: &Graph<'_>,
    lineage: &Lineage<'_>,
) -> Vec<(String, Vec<String>)> {
    let mut found: HashMap<&str, Vec<String>> = HashMap::new();
    for node in &graph.nodes {
        let known = match &*node.op {
            "OneHotEncoder" => labels::first_list(node, &["cats_strings", "cats_int64s"]),
            "LabelEncoder" => labels::first_list(node, &["keys_strings"]),
            _ => None,
        };
        if let (Some(known), Some(input)) = (known, node.inputs.first()) {
            found.entry(lineage.unmixed(input)).or_insert(known);
        }
    }
    let inputs = signature.inputs.iter();
    inputs
        .filter_map(|port| Some((port.name.clone(), found.remove(port.name.as_str())?)))
        .collect()
}

/// The categories that an encoder knows.
pub(crate) fn categories_of(node: &Node<'_>) -> Option<Vec<String>> {
    labels::first_list(node, &["cats_strings", "cats_int64s"])
}

/// Which sets of class names were found.
enum Found {
    None,
    One(Vec<String>),
    /// Several that differ: the model has more than one target.
    Many,
}

impl Found {
    fn among(mut sets: Vec<Vec<String>>) -> Self {
        sets.sort();
        sets.dedup();
        match (sets.pop(), sets.is_empty()) {
            (None, _) => Found::None,
            (Some(set), true) => Found::One(set),
            (Some(_), false) => Found::Many,
        }
    }
}

/// The classes that all outputs agree on. The label outputs are asked first: behind a LabelEncoder
/// they know the true names, while the probabilities only know the encoded numbers.
fn classes_of_outputs(signature: &Signature, lineage: &Lineage<'_>) -> Found {
    let outputs = signature.outputs.iter().take(MOST_OUTPUTS);
    let (named, others): (Vec<&Port>, Vec<&Port>) = outputs.partition(|port| is_label(port));
    let sets = |ports: Vec<&Port>| {
        let sets = ports
            .into_iter()
            .flat_map(|port| labels::sets_behind(&port.name, lineage));
        Found::among(sets.collect())
    };
    match sets(named) {
        Found::None => sets(others),
        found => found,
    }
}

fn is_label(port: &Port) -> bool {
    matches!(
        port.tensor(),
        Some((Dtype::Int64 | Dtype::Int32 | Dtype::String, _))
    )
}

/// With several targets, an output still has names if it comes from one classifier alone.
fn name_each_output(signature: &mut Signature, lineage: &Lineage<'_>) {
    for port in signature.outputs.iter_mut().take(MOST_OUTPUTS) {
        if port.classes.is_none()
            && !is_label(port)
            && let Found::One(classes) = Found::among(labels::sets_behind(&port.name, lineage))
        {
            port.classes = Some(classes);
        }
    }
}

/// An output that is the list of classes itself, as scikit-learn's `output_class_labels` makes it.
fn constant_output(signature: &Signature, lineage: &Lineage<'_>) -> Option<Vec<String>> {
    let mut outputs = signature.outputs.iter().filter(|port| {
        let name = port.name.to_ascii_lowercase();
        name.contains("label") || name.contains("class")
    });
    outputs.find_map(|port| labels::constant(&port.name, lineage))
}

/// The labels of the classifier nodes anywhere in the graph, if all agree.
fn classes_of_nodes(graph: &Graph<'_>) -> Option<Vec<String>> {
    match Found::among(
        graph
            .nodes
            .iter()
            .filter_map(labels::classifier_labels)
            .collect(),
    ) {
        Found::One(classes) => Some(classes),
        Found::None | Found::Many => None,
    }
}
