//! Class names and feature names: found in the graph or in the metadata, never guessed.
//!
//! Class names are traced back from the outputs to the node that knows them, because inner nodes of
//! a pipeline (one classifier for each class, say) have labels of their own that nobody sees.

use std::collections::{HashMap, HashSet};

use serde_json::Value as Json;

use super::dtype::Dtype;
use super::proto::{Graph, Model, Node, Tensor, Text};
use super::signature::{Dim, Port, Signature, ValueType};

/// More labels than this are not read: no classifier has them.
const MOST: usize = 100_000;

/// Fills in the feature names and class names of `signature`.
pub(crate) fn name(signature: &mut Signature, model: &Model<'_>, graph: &Graph<'_>) {
    let lineage = Lineage::of(graph);
    signature.features = feature_names(signature, &model.metadata);
    for port in &mut signature.outputs {
        port.classes = lineage.zipmap(&port.name).and_then(zipmap_keys);
    }
    match classes_of_outputs(signature, &lineage) {
        Found::One(classes) => signature.classes = Some(classes),
        Found::Many => name_each_output(signature, &lineage),
        Found::None => {
            signature.classes = constant_output(signature, &lineage)
                .or_else(|| classes_of_nodes(graph))
                .or_else(|| class_names(&model.metadata));
        }
    }
}

/// The inputs that an encoder reads, with the categories that it knows: the first encoder's, where
/// there are several. What passes through nodes that mix columns is not traced.
pub(crate) fn categories(signature: &Signature, graph: &Graph<'_>) -> Vec<(String, Vec<String>)> {
    let lineage = Lineage::of(graph);
    let mut found: HashMap<&str, Vec<String>> = HashMap::new();
    for node in &graph.nodes {
        let known = match &*node.op {
            "OneHotEncoder" => first_list(node, &["cats_strings", "cats_int64s"]),
            "LabelEncoder" => first_list(node, &["keys_strings"]),
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
    let (labels, others): (Vec<&Port>, Vec<&Port>) =
        signature.outputs.iter().partition(|port| is_label(port));
    let sets = |ports: Vec<&Port>| {
        let sets = ports
            .into_iter()
            .flat_map(|port| lineage.labels(&port.name));
        Found::among(sets.collect())
    };
    match sets(labels) {
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
    for port in &mut signature.outputs {
        if port.classes.is_none()
            && !is_label(port)
            && let Found::One(classes) = Found::among(lineage.labels(&port.name))
        {
            port.classes = Some(classes);
        }
    }
}

/// An output that is the list of classes itself, as scikit-learn's `output_class_labels` makes it.
fn constant_output(signature: &Signature, lineage: &Lineage<'_>) -> Option<Vec<String>> {
    let outputs = signature.outputs.iter().filter(|port| {
        let name = port.name.to_ascii_lowercase();
        name.contains("label") || name.contains("class")
    });
    outputs
        .filter_map(|port| lineage.constant(&port.name))
        .next()
}

/// The labels of the classifier nodes anywhere in the graph, if all agree.
fn classes_of_nodes(graph: &Graph<'_>) -> Option<Vec<String>> {
    match Found::among(graph.nodes.iter().filter_map(classifier_labels).collect()) {
        Found::One(classes) => Some(classes),
        Found::None | Found::Many => None,
    }
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

fn classifier_labels(node: &Node<'_>) -> Option<Vec<String>> {
    let lists = [
        "classlabels_strings",
        "classlabels_ints",
        "classlabels_int64s",
    ];
    is_classifier(node).then(|| first_list(node, &lists))?
}

/// The first of the node's attributes `names` that holds any strings or integers, as text.
fn first_list(node: &Node<'_>, names: &[&str]) -> Option<Vec<String>> {
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

    /// Whether the value `name` is one of the model's weights.
    pub(crate) fn is_initializer(&self, name: &str) -> bool {
        self.initializers.contains_key(name)
    }

    fn zipmap(&self, name: &str) -> Option<&'g Node<'g>> {
        self.producer(name).filter(|node| node.is_ml("ZipMap"))
    }

    /// The nodes that the value `name` comes from, through transparent ones.
    pub(crate) fn sources(&self, name: &str) -> Vec<&'g Node<'g>> {
        let mut seen = HashSet::new();
        let mut open: Vec<&'g Node<'g>> = self.producer(name).into_iter().collect();
        let mut sources = Vec::new();
        while let Some(node) = open.pop() {
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
    fn unmixed<'n>(&self, name: &'n str) -> &'n str
    where
        'g: 'n,
    {
        let mut name = name;
        // Never longer than this in a pipeline; a hostile graph may have a cycle.
        for _ in 0..8 {
            match self.producer(name) {
                Some(node) if ["Identity", "Cast", "Reshape", "Flatten"].contains(&&*node.op) => {
                    name = node.inputs.first().map_or(name, |input| input);
                }
                _ => break,
            }
        }
        name
    }

    /// Every set of class names that the value `name` comes from.
    fn labels(&self, name: &str) -> Vec<Vec<String>> {
        if let Some(keys) = self.zipmap(name).and_then(zipmap_keys) {
            return vec![keys];
        }
        let sources = self.sources(name);
        sources
            .into_iter()
            .filter_map(|node| self.source_labels(node))
            .collect()
    }

    fn source_labels(&self, node: &Node<'_>) -> Option<Vec<String>> {
        if node.is_ml("ArrayFeatureExtractor") || node.is_onnx("Gather") {
            return self.constant(node.inputs.first()?);
        }
        // A LabelEncoder over a constant is the list of classes, not a label of a record.
        let of_constant = node
            .inputs
            .first()
            .is_some_and(|input| self.constant(input).is_some());
        let encoded = encoder_labels(node).filter(|_| !of_constant);
        encoded.or_else(|| classifier_labels(node))
    }

    /// The elements of the value `name`, if it is the same for every record.
    fn constant(&self, name: &str) -> Option<Vec<String>> {
        let mut name = name;
        // A chain of nodes is never longer than this between a constant and its use.
        for _ in 0..8 {
            if let Some(tensor) = self.initializers.get(name) {
                return tensor_labels(tensor);
            }
            let node = self.producer(name)?;
            match &*node.op {
                "Constant" => return tensor_labels(node.attribute("value")?.tensors.first()?),
                "LabelEncoder" => {
                    let input = node.inputs.first()?;
                    return self
                        .initializers
                        .get(&**input)
                        .and_then(|_| encoder_labels(node));
                }
                "Identity" | "Cast" | "Reshape" => name = node.inputs.first()?,
                _ => return None,
            }
        }
        None
    }
}

/// The metadata keys for class names, the first that can be read counts.
const CLASS_KEYS: [&str; 6] = [
    "classes",
    "labels",
    "class_names",
    "target_names",
    "names",
    "id2label",
];

/// The metadata keys for feature names.
const FEATURE_KEYS: [&str; 4] = ["feature_names", "features", "columns", "input_features"];

type Metadata<'a> = [(Text<'a>, Text<'a>)];

fn value<'m>(metadata: &'m Metadata<'_>, key: &str) -> Option<&'m str> {
    let entry = metadata.iter().find(|(k, _)| k == key)?;
    Some(&entry.1)
}

fn class_names(metadata: &Metadata<'_>) -> Option<Vec<String>> {
    let lists = CLASS_KEYS
        .iter()
        .filter_map(|key| list(value(metadata, key)?));
    catboost_classes(metadata)
        .or_else(|| lists.into_iter().find(|names| names.len() > 1))
        .filter(|names| names.len() <= MOST)
}

/// CatBoost's `class_params`: a JSON object with `class_names`.
fn catboost_classes(metadata: &Metadata<'_>) -> Option<Vec<String>> {
    let params: Json = serde_json::from_str(value(metadata, "class_params")?).ok()?;
    json_list(params.get("class_names")?).filter(|names| !names.is_empty())
}

fn feature_names(signature: &Signature, metadata: &Metadata<'_>) -> Option<Vec<String>> {
    let width = matrix_width(&signature.inputs)?;
    let mut lists = FEATURE_KEYS
        .iter()
        .filter_map(|key| list(value(metadata, key)?));
    lists.find(|names| width.is_none_or(|width| width == names.len()))
}

/// The width of the one matrix among the inputs: `None` if there is not exactly one, `Some(None)`
/// if its width is free.
fn matrix_width(inputs: &[Port]) -> Option<Option<usize>> {
    let width = |port: &Port| match &port.kind {
        ValueType::Tensor { shape: None, .. } => Some(None),
        ValueType::Tensor {
            shape: Some(shape), ..
        } => match shape.as_slice() {
            [_, width] => Some(width.fixed()),
            _ => None,
        },
        _ => None,
    };
    if let [only] = inputs {
        return width(only);
    }
    let is_column = |port: &&Port| {
        let shape = port.tensor().and_then(|(_, shape)| shape);
        matches!(shape, Some([_, Dim::Fixed(1)]))
    };
    let mut matrices = inputs
        .iter()
        .filter(|port| !is_column(port))
        .filter_map(width);
    matrices.next().filter(|_| matrices.next().is_none())
}

/// Metadata longer than this is no list of names.
const LONGEST: usize = 4 << 20;

/// The names in `text`: a JSON list or object, a Python list or dict, or a comma list.
fn list(text: &str) -> Option<Vec<String>> {
    let text = text.trim();
    if text.is_empty() || text.len() > LONGEST {
        return None;
    }
    let names = if text.starts_with(['[', '{', '(']) {
        let json = serde_json::from_str(text)
            .ok()
            .or_else(|| serde_json::from_str(&python_to_json(text)).ok())?;
        json_list(&json)?
    } else {
        text.split(',').map(|name| name.trim().to_owned()).collect()
    };
    let is_named = !names.is_empty() && names.iter().all(|name| !name.is_empty());
    is_named.then_some(names)
}

/// A list of strings and numbers, or an object that numbers its names (`{"0": "cat"}`) or names
/// its numbers (`{"cat": 0}`), in the order of the numbers.
fn json_list(json: &Json) -> Option<Vec<String>> {
    match json {
        Json::Array(items) => items.iter().map(json_text).collect(),
        Json::Object(entries) => {
            let pair = |(key, value): (&String, &Json)| match (key.parse::<u64>(), value) {
                (Ok(number), value) => Some((number, json_text(value)?)),
                (Err(_), value) => Some((value.as_u64()?, key.clone())),
            };
            let mut pairs: Vec<(u64, String)> = entries.iter().map(pair).collect::<Option<_>>()?;
            pairs.sort();
            let is_count = pairs.iter().zip(0..).all(|((number, _), i)| *number == i);
            is_count.then(|| pairs.into_iter().map(|(_, name)| name).collect())
        }
        _ => None,
    }
}

fn json_text(json: &Json) -> Option<String> {
    match json {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// A Python list, tuple or dict of strings and integers as JSON, as Ultralytics' `names` is:
/// `{0: 'cat', 1: "dog's"}`. Anything else becomes JSON that does not parse.
fn python_to_json(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 16);
    let mut chars = text.chars().peekable();
    let is_dict = text.starts_with('{');
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => python_string(c, &mut chars, &mut json),
            '(' => json.push('['),
            ')' => json.push(']'),
            ',' => {
                while chars.next_if(|c| c.is_whitespace()).is_some() {}
                // A trailing comma is Python, but not JSON.
                if !matches!(chars.peek(), Some(']' | ')' | '}')) {
                    json.push(',');
                }
            }
            '0'..='9' | '-' if is_dict => {
                let mut number = String::from(c);
                while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                    number.push(digit);
                }
                json.push_str(&format!("\"{number}\""));
            }
            c => json.push(c),
        }
    }
    json
}

/// Copies a Python string up to its closing `quote` as a JSON string.
fn python_string(
    quote: char,
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    json: &mut String,
) {
    json.push('"');
    while let Some(c) = chars.next() {
        match c {
            c if c == quote => break,
            '"' => json.push_str("\\\""),
            '\\' => match chars.next() {
                Some('\'') => json.push('\''),
                Some(escaped) => json.extend(['\\', escaped]),
                None => break,
            },
            c if c.is_control() => json.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => json.push(c),
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_json_python_and_comma_lists() {
        let cases: [(&str, Option<&[&str]>); 14] = [
            (r#"["cat", "dog"]"#, Some(&["cat", "dog"])),
            ("[7, 3]", Some(&["7", "3"])),
            ("cat, dog ,owl", Some(&["cat", "dog", "owl"])),
            ("one", Some(&["one"])),
            (
                r#"{0: 'cat', 1: "dog's", 2: 'ow\'l',}"#,
                Some(&["cat", "dog's", "ow'l"]),
            ),
            (r#"{"1": "b", "0": "a"}"#, Some(&["a", "b"])),
            (r#"{"b": 1, "a": 0}"#, Some(&["a", "b"])),
            ("['a', 'say \"hi\"']", Some(&["a", "say \"hi\""])),
            ("('a', 'b',)", Some(&["a", "b"])),
            (r#"{"0": "a", "2": "b"}"#, None),
            ("[[1], 2]", None),
            ("['a', os.system('x')]", None),
            ("a,,b", None),
            ("", None),
        ];
        for (text, names) in cases {
            let names = names.map(|names| names.iter().map(ToString::to_string).collect());
            assert_eq!(list(text), names, "{text}");
        }
    }
}
