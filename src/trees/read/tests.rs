//! What is refused and in which words, and what is read where ONNX Runtime has ways of its own.

mod chains;

use super::*;
use crate::trees::attributes::{Joint, Mode, Numbers, Output, Pair, PairNodes, PairWeights};
use crate::trees::forest::{Node, Test};

/// One tree: feature 0 at most 0.5, then leaf 1 of weight 1, else leaf 2 of weight 2.
fn stump() -> Pair {
    Pair {
        output: Output::Targets(1),
        aggregate: "SUM".to_owned(),
        transform: "NONE".to_owned(),
        base: Numbers::default(),
        nodes: PairNodes {
            trees: vec![0; 3],
            ids: vec![0, 1, 2],
            features: vec![0; 3],
            modes: vec![Mode::AtMost, Mode::Leaf, Mode::Leaf],
            values: Numbers::Singles(vec![0.5, 0.0, 0.0]),
            yes: vec![1, 0, 0],
            no: vec![2, 0, 0],
            missing: Vec::new(),
        },
        weights: PairWeights {
            trees: vec![0; 2],
            nodes: vec![1, 2],
            targets: vec![0; 2],
            values: Numbers::Singles(vec![1.0, 2.0]),
        },
    }
}

/// The same as [`stump`], of the other operator.
fn joint_stump() -> Joint {
    Joint {
        targets: 1,
        aggregate: 1,
        transform: 0,
        roots: vec![0],
        features: vec![0],
        modes: vec![Mode::AtMost],
        values: Numbers::Singles(vec![0.5]),
        yes: vec![0],
        yes_is_leaf: vec![true],
        no: vec![1],
        no_is_leaf: vec![true],
        missing: Vec::new(),
        members: Numbers::default(),
        leaf_targets: vec![0, 0],
        leaf_weights: Numbers::Singles(vec![1.0, 2.0]),
    }
}

fn read_pair(change: impl Fn(&mut Pair)) -> Result<Ensemble, Refusal> {
    let mut pair = stump();
    change(&mut pair);
    read(&Attributes {
        precision: Precision::Single,
        family: Family::Pair(pair),
    })
}

fn read_joint(change: impl Fn(&mut Joint)) -> Result<Ensemble, Refusal> {
    let mut joint = joint_stump();
    change(&mut joint);
    read(&Attributes {
        precision: Precision::Single,
        family: Family::Joint(joint),
    })
}

/// The first tree's nodes.
fn nodes(ensemble: Result<Ensemble, Refusal>) -> Vec<Node<f32>> {
    match ensemble {
        Ok(Ensemble::Single(parts)) => parts.forest.trees()[0].nodes.clone(),
        other => panic!("{other:?}"),
    }
}

type Change<T> = fn(&mut T);

fn check_pair(cases: &[(Change<Pair>, &str)]) {
    for (number, (change, reason)) in cases.iter().enumerate() {
        let refusal = read_pair(change).unwrap_err();
        assert_eq!(refusal.to_string(), *reason, "case {number}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn hostile_nodes_of_the_pair_are_refused_with_a_reason() {
    let cases: [(Change<Pair>, &str); 19] = [
        (
            |p| p.nodes.ids[2] = 1,
            "two nodes of a tree have the same id",
        ),
        (|p| p.nodes.yes[0] = 0, "a node is its own child"),
        (
            |p| p.nodes.yes[0] = 3,
            "a child's id is not below the number of nodes",
        ),
        (
            |p| p.nodes.no[0] = -1,
            "a child's id is not below the number of nodes",
        ),
        (
            |p| p.nodes.trees[2] = 1,
            "it leads to a node that is not there",
        ),
        (
            |p| p.nodes.trees = vec![-1; 3],
            "a tree's number is below 0",
        ),
        (
            |p| p.nodes.features[0] = -1,
            "it asks for a feature below 0",
        ),
        (|p| p.nodes.ids.truncate(2), "its lists differ in length"),
        (
            |p| p.nodes.values = Numbers::default(),
            "its lists differ in length",
        ),
        (
            |p| p.weights.nodes.truncate(1),
            "its lists differ in length",
        ),
        (
            |p| p.weights.values = Numbers::default(),
            "its lists differ in length",
        ),
        (
            |p| {
                p.nodes = PairNodes {
                    trees: vec![],
                    ..p.nodes.clone()
                }
            },
            "it has no trees",
        ),
        (
            |p| p.nodes.values = Numbers::Singles(vec![f32::NAN, 0.0, 0.0]),
            "a threshold is NaN",
        ),
        (|p| p.weights.nodes[1] = 1, "a leaf has no weights"),
        (
            |p| p.weights.nodes[1] = 7,
            "it gives a weight to a node that is not there",
        ),
        (
            |p| p.weights.targets[1] = 1,
            "a leaf gives to a target that is not there",
        ),
        (
            |p| p.weights.targets[1] = -1,
            "a leaf gives to a target that is not there",
        ),
        // 0 -> 1 or 1: the child for no has been there before; ONNX Runtime does not load that.
        (
            |p| {
                p.nodes.modes[1] = Mode::AtMost;
                p.nodes.yes[1] = 2;
                p.nodes.no[1] = 0;
            },
            "its trees share nodes in a way that ONNX Runtime refuses",
        ),
        // 0 -> 1 -> 0, by way of yes: ONNX Runtime would go round for ever.
        (
            |p| {
                p.nodes.modes[1] = Mode::AtMost;
                p.nodes.no[1] = 2;
                p.nodes.yes[1] = 0;
                p.nodes.no[0] = 1;
                p.nodes.yes[0] = 2;
            },
            "its trees share too many nodes, or go round in circles",
        ),
    ];
    check_pair(&cases);
}

#[test]
fn hostile_outputs_of_the_pair_are_refused_with_a_reason() {
    let cases: [(Change<Pair>, &str); 11] = [
        (|p| p.output = Output::Targets(0), "it has no targets"),
        (|p| p.output = Output::Targets(-1), "it has no targets"),
        (
            |p| p.output = Output::Targets(i64::MAX),
            "it has more targets than fit",
        ),
        (|p| p.output = Output::Ints(Vec::new()), "it has no targets"),
        (
            |p| p.base = Numbers::Singles(vec![0.0; 2]),
            "its base values are not as many as its targets",
        ),
        (
            |p| p.base = Numbers::Doubles(vec![0.0]),
            "its numbers are float64, its input is float32",
        ),
        (
            |p| p.aggregate = "MEDIAN".to_owned(),
            "its aggregate_function is unknown",
        ),
        (
            |p| p.transform = "TANH".to_owned(),
            "its post_transform is unknown",
        ),
        (
            |p| p.output = Output::Texts(vec!["a".to_owned()]),
            "it has a single class with a text for its label",
        ),
        (
            |p| {
                p.output = Output::Ints(vec![1]);
                p.base = Numbers::Singles(vec![0.0; 2]);
            },
            "it has a single class but two base values",
        ),
        (
            |p| {
                p.output = Output::Ints(vec![1, 2]);
                p.transform = "PROBIT".to_owned();
            },
            "ONNX Runtime leaves its second score unset",
        ),
    ];
    check_pair(&cases);
}

#[test]
fn hostile_lists_of_the_joint_operator_are_refused_with_a_reason() {
    let cases: [(Change<Joint>, &str); 15] = [
        (|j| j.roots.clear(), "it has no trees"),
        (|j| j.roots[0] = 1, "it leads to a node that is not there"),
        (|j| j.roots[0] = -1, "it leads to a node that is not there"),
        (|j| j.yes[0] = 2, "it leads to a node that is not there"),
        (|j| j.yes[0] = -1, "it leads to a node that is not there"),
        (
            |j| j.no_is_leaf[0] = false,
            "it leads to a node that is not there",
        ),
        (
            |j| (j.no[0], j.no_is_leaf[0]) = (0, false),
            "a node is its own child",
        ),
        (
            |j| j.modes[0] = Mode::Leaf,
            "a node's mode is none that a branch has",
        ),
        (|j| j.modes[0] = Mode::Member, "a set of members is empty"),
        (
            |j| {
                j.modes[0] = Mode::Member;
                j.members = Numbers::Singles(vec![31.5, f32::NAN]);
            },
            "a large set of members has numbers that are not whole or not of 32 bits",
        ),
        (
            |j| {
                j.modes[0] = Mode::Member;
                j.members = Numbers::Singles(vec![1.0, f32::INFINITY, f32::NAN]);
            },
            "a large set of members has numbers that are not whole or not of 32 bits",
        ),
        (
            |j| j.leaf_targets[0] = 1,
            "a leaf gives to a target that is not there",
        ),
        (
            |j| j.leaf_weights = Numbers::default(),
            "its lists differ in length",
        ),
        (|j| j.aggregate = 4, "its aggregate_function is unknown"),
        (|j| j.transform = -1, "its post_transform is unknown"),
    ];
    for (number, (change, reason)) in cases.into_iter().enumerate() {
        let refusal = read_joint(change).unwrap_err();
        assert_eq!(refusal.to_string(), reason, "case {number}");
    }
}

#[test]
fn every_question_becomes_at_most_or_in() {
    // Mode, threshold; then: the test, whether NaN is yes, whether yes and no change places.
    let none = Test::In(0);
    let cases = [
        (Mode::AtMost, 0.5, Test::AtMost(0.5), false, false),
        (Mode::AtMost, -0.0, Test::AtMost(0.0), false, false),
        (Mode::Less, 1.0, Test::AtMost(0.999_999_94), false, false),
        (Mode::Less, 0.0, Test::AtMost(-1e-45), false, false),
        (Mode::Less, f32::NEG_INFINITY, none, false, false),
        (
            Mode::Less,
            f32::INFINITY,
            Test::AtMost(f32::MAX),
            false,
            false,
        ),
        (Mode::Greater, 0.5, Test::AtMost(0.5), true, true),
        (Mode::AtLeast, 1.0, Test::AtMost(0.999_999_94), true, true),
        (Mode::AtLeast, f32::NEG_INFINITY, none, true, true),
        (Mode::Equal, 0.5, none, false, false),
        (Mode::Unequal, 0.5, none, false, true),
    ];
    for (mode, threshold, test, missing, swapped) in cases {
        let nodes = nodes(read_pair(|pair| {
            pair.nodes.modes[0] = mode;
            pair.nodes.values = Numbers::Singles(vec![threshold, 0.0, 0.0]);
        }));
        let Node::Branch(branch) = &nodes[0] else {
            panic!("{nodes:?}");
        };
        let bits = |test| match test {
            Test::AtMost(threshold) => f32::to_bits(threshold),
            Test::In(set) => set,
        };
        assert_eq!(branch.test, test, "{mode:?} {threshold}");
        assert_eq!(bits(branch.test), bits(test), "{mode:?} {threshold}");
        assert_eq!(branch.missing, missing, "{mode:?} {threshold}");
        let leaf = if swapped { 1..2 } else { 0..1 };
        assert_eq!(nodes[1], Node::Leaf(leaf), "{mode:?} {threshold}");
    }
}

#[test]
fn a_tree_a_million_nodes_deep_is_read() {
    let depth = 500_000_i32;
    let count = depth as usize;
    let branches = 0..depth;
    let mut pair = stump();
    let mut modes = vec![Mode::AtMost; count];
    modes.extend(vec![Mode::Leaf; count + 1]);
    pair.nodes = PairNodes {
        trees: vec![0; 2 * count + 1],
        ids: (0..2 * depth + 1).collect(),
        features: vec![0; 2 * count + 1],
        modes,
        values: Numbers::Singles(vec![0.5; 2 * count + 1]),
        yes: branches
            .clone()
            .map(|id| depth + id)
            .chain(vec![0; count + 1])
            .collect(),
        no: branches
            .map(|id| if id + 1 < depth { id + 1 } else { 2 * depth })
            .chain(vec![0; count + 1])
            .collect(),
        missing: Vec::new(),
    };
    pair.weights = PairWeights {
        trees: vec![0; count + 1],
        nodes: (depth..2 * depth + 1).collect(),
        targets: vec![0; count + 1],
        values: Numbers::Singles(vec![1.0; count + 1]),
    };
    let family = Family::Pair(pair);
    let precision = Precision::Single;
    let nodes = nodes(read(&Attributes { precision, family }));
    assert_eq!(nodes.len(), 2 * count + 1);
}
