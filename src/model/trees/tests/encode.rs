//! Attributes as an ONNX model: one node, its input `X`, its outputs.

use super::random::Random;
use crate::model::wire::{put_bytes, put_int, put_varint};
use crate::trees::attributes::{Attributes, Family, Joint, Mode, Numbers, Output, Pair, Precision};

/// What is made of attributes.
pub(super) struct Encoded {
    /// A `NodeProto`.
    pub node: Vec<u8>,
    /// A `ModelProto`.
    pub model: Vec<u8>,
}

/// The ONNX element type of the input.
pub(super) fn input_type(precision: Precision) -> i64 {
    match precision {
        Precision::Single => 1,
        Precision::Double => 11,
    }
}

/// Writes a model down; lists are packed or not, tensors raw or not, as `random` has it.
pub(super) fn encode(attributes: &Attributes, random: &mut Random) -> Encoded {
    let input = input_type(attributes.precision);
    let (op, version, outputs) = match &attributes.family {
        Family::Joint(_) => ("TreeEnsemble", 5, vec![("Z", input)]),
        Family::Pair(pair) => match pair.output {
            Output::Targets(_) => ("TreeEnsembleRegressor", 3, vec![("Z", 1)]),
            Output::Ints(_) => ("TreeEnsembleClassifier", 3, vec![("Y", 7), ("Z", 1)]),
            Output::Texts(_) => ("TreeEnsembleClassifier", 3, vec![("Y", 8), ("Z", 1)]),
        },
    };
    let mut node = Vec::new();
    put_bytes(&mut node, 1, b"X");
    for (name, _) in &outputs {
        put_bytes(&mut node, 2, name.as_bytes());
    }
    put_bytes(&mut node, 4, op.as_bytes());
    put_bytes(&mut node, 7, b"ai.onnx.ml");
    let mut writer = Writer {
        node,
        random,
        double: attributes.precision == Precision::Double,
    };
    match &attributes.family {
        Family::Pair(pair) => writer.pair(pair),
        Family::Joint(joint) => writer.joint(joint),
    }
    let node = writer.node;
    let mut graph = Vec::new();
    put_bytes(&mut graph, 1, &node);
    put_bytes(&mut graph, 2, b"trees");
    put_bytes(&mut graph, 11, &port("X", input, 2));
    for (name, element) in outputs {
        put_bytes(
            &mut graph,
            12,
            &port(name, element, if name == "Y" { 1 } else { 2 }),
        );
    }
    let mut model = Vec::new();
    put_int(&mut model, 1, 10);
    put_bytes(&mut model, 7, &graph);
    put_bytes(&mut model, 8, &opset("", 21));
    put_bytes(&mut model, 8, &opset("ai.onnx.ml", version));
    Encoded { node, model }
}

fn opset(domain: &str, version: i64) -> Vec<u8> {
    let mut opset = Vec::new();
    put_bytes(&mut opset, 1, domain.as_bytes());
    put_int(&mut opset, 2, version);
    opset
}

/// A `ValueInfoProto` of a tensor with `rank` free dimensions.
fn port(name: &str, element: i64, rank: usize) -> Vec<u8> {
    let mut shape = Vec::new();
    for _ in 0..rank {
        put_bytes(&mut shape, 1, &[]);
    }
    let mut tensor = Vec::new();
    put_int(&mut tensor, 1, element);
    put_bytes(&mut tensor, 2, &shape);
    let mut kind = Vec::new();
    put_bytes(&mut kind, 1, &tensor);
    let mut port = Vec::new();
    put_bytes(&mut port, 1, name.as_bytes());
    put_bytes(&mut port, 2, &kind);
    port
}

struct Writer<'a> {
    node: Vec<u8>,
    random: &'a mut Random,
    double: bool,
}

impl Writer<'_> {
    fn pair(&mut self, pair: &Pair) {
        let prefix = match &pair.output {
            Output::Targets(count) => {
                self.int("n_targets", *count);
                self.text("aggregate_function", &pair.aggregate);
                "target"
            }
            Output::Ints(labels) => {
                self.ints("classlabels_int64s", labels.iter().copied());
                "class"
            }
            Output::Texts(labels) => {
                self.texts("classlabels_strings", labels.iter().map(String::as_str));
                "class"
            }
        };
        self.text("post_transform", &pair.transform);
        self.numbers("base_values", &pair.base);
        let nodes = &pair.nodes;
        self.ints("nodes_treeids", wide(&nodes.trees));
        self.ints("nodes_nodeids", wide(&nodes.ids));
        self.ints("nodes_featureids", wide(&nodes.features));
        self.texts("nodes_modes", nodes.modes.iter().map(|mode| name(*mode)));
        self.numbers("nodes_values", &nodes.values);
        self.ints("nodes_truenodeids", wide(&nodes.yes));
        self.ints("nodes_falsenodeids", wide(&nodes.no));
        self.flags("nodes_missing_value_tracks_true", &nodes.missing);
        let weights = &pair.weights;
        self.ints(&format!("{prefix}_treeids"), wide(&weights.trees));
        self.ints(&format!("{prefix}_nodeids"), wide(&weights.nodes));
        self.ints(&format!("{prefix}_ids"), wide(&weights.targets));
        self.numbers(&format!("{prefix}_weights"), &weights.values);
    }

    fn joint(&mut self, joint: &Joint) {
        self.int("n_targets", joint.targets);
        self.int("aggregate_function", joint.aggregate);
        self.int("post_transform", joint.transform);
        self.ints("tree_roots", wide(&joint.roots));
        self.ints("nodes_featureids", wide(&joint.features));
        let modes: Vec<u8> = joint.modes.iter().map(|mode| number(*mode)).collect();
        self.tensor("nodes_modes", 2, modes.len(), &modes);
        self.tensor_of("nodes_splits", &joint.values);
        self.ints("nodes_truenodeids", wide(&joint.yes));
        self.flags("nodes_trueleafs", &joint.yes_is_leaf);
        self.ints("nodes_falsenodeids", wide(&joint.no));
        self.flags("nodes_falseleafs", &joint.no_is_leaf);
        self.flags("nodes_missing_value_tracks_true", &joint.missing);
        if !joint.members.is_empty() {
            self.tensor_of("membership_values", &joint.members);
        }
        self.ints("leaf_targetids", wide(&joint.leaf_targets));
        self.tensor_of("leaf_weights", &joint.leaf_weights);
    }

    /// Appends an `AttributeProto` of type `kind`.
    fn attribute(&mut self, name: &str, kind: i64, value: impl FnOnce(&mut Vec<u8>)) {
        let mut attribute = Vec::new();
        put_bytes(&mut attribute, 1, name.as_bytes());
        value(&mut attribute);
        put_int(&mut attribute, 20, kind);
        put_bytes(&mut self.node, 5, &attribute);
    }

    fn int(&mut self, name: &str, value: i64) {
        self.attribute(name, 2, |out| put_int(out, 3, value));
    }

    fn text(&mut self, name: &str, value: &str) {
        self.attribute(name, 3, |out| put_bytes(out, 4, value.as_bytes()));
    }

    fn texts<'a>(&mut self, name: &str, values: impl Iterator<Item = &'a str>) {
        self.attribute(name, 8, |out| {
            values.for_each(|value| put_bytes(out, 9, value.as_bytes()));
        });
    }

    fn flags(&mut self, name: &str, values: &[bool]) {
        if !values.is_empty() {
            self.ints(name, values.iter().map(|value| i64::from(*value)));
        }
    }

    fn ints(&mut self, name: &str, values: impl Iterator<Item = i64>) {
        let packed = self.random.chance(50);
        self.attribute(name, 7, |out| {
            if packed {
                let mut list = Vec::new();
                values.for_each(|value| put_varint(&mut list, value.cast_unsigned()));
                put_bytes(out, 8, &list);
            } else {
                values.for_each(|value| put_int(out, 8, value));
            }
        });
    }

    /// A list of float32, or the tensor that stands for it.
    fn numbers(&mut self, name: &str, numbers: &Numbers) {
        match numbers {
            Numbers::Singles(list)
                if !self.double && !list.is_empty() && self.random.chance(20) =>
            {
                self.tensor_of(&format!("{name}_as_tensor"), numbers);
            }
            Numbers::Singles(list) if list.is_empty() => {}
            Numbers::Singles(list) => {
                let packed = self.random.chance(50);
                self.attribute(name, 6, |out| {
                    let bytes = list.iter().map(|value| value.to_le_bytes());
                    if packed {
                        put_bytes(out, 7, &bytes.flatten().collect::<Vec<u8>>());
                    } else {
                        for value in bytes {
                            put_varint(out, 7 << 3 | 5);
                            out.extend(value);
                        }
                    }
                });
            }
            Numbers::Doubles(_) => self.tensor_of(&format!("{name}_as_tensor"), numbers),
        }
    }

    fn tensor_of(&mut self, name: &str, numbers: &Numbers) {
        match numbers {
            Numbers::Singles(list) => {
                let bytes: Vec<u8> = list.iter().flat_map(|value| value.to_le_bytes()).collect();
                self.tensor(name, 1, list.len(), &bytes);
            }
            Numbers::Doubles(list) => {
                let bytes: Vec<u8> = list.iter().flat_map(|value| value.to_le_bytes()).collect();
                self.tensor(name, 11, list.len(), &bytes);
            }
        }
    }

    fn tensor(&mut self, name: &str, data_type: i64, count: usize, bytes: &[u8]) {
        let raw = self.random.chance(50);
        let mut tensor = Vec::new();
        put_int(&mut tensor, 1, count as i64);
        put_int(&mut tensor, 2, data_type);
        match data_type {
            _ if raw => put_bytes(&mut tensor, 9, bytes),
            1 => put_bytes(&mut tensor, 4, bytes),
            11 => put_bytes(&mut tensor, 10, bytes),
            _ => bytes
                .iter()
                .for_each(|byte| put_int(&mut tensor, 5, i64::from(*byte))),
        }
        self.attribute(name, 4, |out| put_bytes(out, 5, &tensor));
    }
}

fn wide(list: &[i32]) -> impl Iterator<Item = i64> {
    list.iter().map(|value| i64::from(*value))
}

fn name(mode: Mode) -> &'static str {
    match mode {
        Mode::Leaf => "LEAF",
        Mode::AtMost => "BRANCH_LEQ",
        Mode::Less => "BRANCH_LT",
        Mode::AtLeast => "BRANCH_GTE",
        Mode::Greater => "BRANCH_GT",
        Mode::Equal => "BRANCH_EQ",
        Mode::Unequal => "BRANCH_NEQ",
        Mode::Member => "BRANCH_MEMBER",
    }
}

fn number(mode: Mode) -> u8 {
    match mode {
        Mode::Leaf => u8::MAX,
        Mode::AtMost => 0,
        Mode::Less => 1,
        Mode::AtLeast => 2,
        Mode::Greater => 3,
        Mode::Equal => 4,
        Mode::Unequal => 5,
        Mode::Member => 6,
    }
}
