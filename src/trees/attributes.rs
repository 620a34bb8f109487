//! The attribute lists of a tree operator, as plain lists: what `model::trees` reads off a node and
//! [`read`](super::read) makes trees of.
//!
//! Numbers of nodes and features are `i32`, because ONNX Runtime cuts them to that; nothing here has
//! been checked beyond it.

/// The precision that ONNX Runtime computes in, which is that of the operator's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    Single,
    Double,
}

/// A tree operator's attributes.
#[derive(Debug, Clone, PartialEq)]
pub struct Attributes {
    pub precision: Precision,
    pub family: Family,
}

/// The two ways in which ONNX-ML writes trees down.
#[derive(Debug, Clone, PartialEq)]
pub enum Family {
    /// TreeEnsembleClassifier and TreeEnsembleRegressor, versions 1 to 4 of the domain.
    Pair(Pair),
    /// TreeEnsemble, since version 5.
    Joint(Joint),
}

/// What TreeEnsembleClassifier and TreeEnsembleRegressor have: nodes with ids of their own.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    pub output: Output,
    /// `aggregate_function`; a classifier has none and always sums.
    pub aggregate: String,
    pub transform: String,
    /// `base_values`, or the tensor of that name.
    pub base: Numbers,
    pub nodes: PairNodes,
    pub weights: PairWeights,
}

/// What the pair's two operators differ in.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// `n_targets`.
    Targets(i64),
    /// `classlabels_int64s`.
    Ints(Vec<i64>),
    /// `classlabels_strings`, which go before the other.
    Texts(Vec<String>),
}

/// The lists `nodes_*` of the pair, one entry a node.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PairNodes {
    pub trees: Vec<i32>,
    pub ids: Vec<i32>,
    pub features: Vec<i32>,
    pub modes: Vec<Mode>,
    pub values: Numbers,
    pub yes: Vec<i32>,
    pub no: Vec<i32>,
    /// `nodes_missing_value_tracks_true`: empty, or shorter than the others, where none is set.
    pub missing: Vec<bool>,
}

/// The lists `class_*` or `target_*` of the pair, one entry a weight.
#[derive(Debug, Clone, PartialEq)]
pub struct PairWeights {
    pub trees: Vec<i32>,
    pub nodes: Vec<i32>,
    pub targets: Vec<i32>,
    pub values: Numbers,
}

/// What TreeEnsemble has: nodes and leaves by their place in the lists.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Joint {
    pub targets: i64,
    pub aggregate: i64,
    pub transform: i64,
    pub roots: Vec<i32>,
    pub features: Vec<i32>,
    pub modes: Vec<Mode>,
    /// `nodes_splits`.
    pub values: Numbers,
    pub yes: Vec<i32>,
    pub yes_is_leaf: Vec<bool>,
    pub no: Vec<i32>,
    pub no_is_leaf: Vec<bool>,
    pub missing: Vec<bool>,
    /// `membership_values`: the sets of the nodes of mode [`Mode::Member`], a NaN after each.
    pub members: Numbers,
    pub leaf_targets: Vec<i32>,
    pub leaf_weights: Numbers,
}

/// What a node asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    Leaf,
    AtMost,
    Less,
    AtLeast,
    Greater,
    Equal,
    Unequal,
    Member,
}

impl Mode {
    /// The mode of this name, as the pair writes it.
    pub fn named(name: &str) -> Option<Mode> {
        Some(match name {
            "LEAF" => Mode::Leaf,
            "BRANCH_LEQ" => Mode::AtMost,
            "BRANCH_LT" => Mode::Less,
            "BRANCH_GTE" => Mode::AtLeast,
            "BRANCH_GT" => Mode::Greater,
            "BRANCH_EQ" => Mode::Equal,
            "BRANCH_NEQ" => Mode::Unequal,
            _ => return None,
        })
    }

    /// The name of this mode, as the pair writes it; it has none for sets.
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            Mode::Leaf => "LEAF",
            Mode::AtMost => "BRANCH_LEQ",
            Mode::Less => "BRANCH_LT",
            Mode::AtLeast => "BRANCH_GTE",
            Mode::Greater => "BRANCH_GT",
            Mode::Equal => "BRANCH_EQ",
            Mode::Unequal => "BRANCH_NEQ",
            Mode::Member => return None,
        })
    }

    /// The mode of this number, as TreeEnsemble writes it.
    pub fn numbered(number: u8) -> Option<Mode> {
        Some(match number {
            0 => Mode::AtMost,
            1 => Mode::Less,
            2 => Mode::AtLeast,
            3 => Mode::Greater,
            4 => Mode::Equal,
            5 => Mode::Unequal,
            6 => Mode::Member,
            _ => return None,
        })
    }
}

/// A list of one precision or the other, as the file has it.
#[derive(Debug, Clone, PartialEq)]
pub enum Numbers {
    Singles(Vec<f32>),
    Doubles(Vec<f64>),
}

impl Numbers {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Numbers::Singles(list) => list.len(),
            Numbers::Doubles(list) => list.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Default for Numbers {
    fn default() -> Self {
        Numbers::Singles(Vec::new())
    }
}
