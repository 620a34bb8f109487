//! The trees of a sum as one ensemble: the same nodes under numbers of their own, with other leaves.

use super::super::attributes;
use super::super::evaluator::Evaluator;
use super::leaves::Values;
use super::plan::{Join, Term};
use crate::model::proto::Model;
use crate::trees::attributes::{
    Attributes, Family, Mode, Numbers, Output, Pair, PairNodes, PairWeights, Precision,
};

/// More leaves than are worked out.
const MOST_LEAVES: usize = 1 << 18;

/// The trees of one sum.
pub(super) struct Joined {
    trees: Vec<Pair>,
    /// What the trees' leaves give by themselves, as ONNX Runtime has it: added to zero.
    leaves: Vec<Vec<f32>>,
}

impl Joined {
    /// Reads the trees of `join`; `None` where one is more than a single tree whose leaves have one
    /// weight each.
    pub(super) fn of(model: &Model<'_>, join: &Join<'_>) -> Option<Joined> {
        let (mut trees, mut leaves) = (Vec::new(), Vec::new());
        let mut left = MOST_LEAVES;
        for term in &join.terms {
            let node = model.graph.as_ref()?.nodes.get(term.tree)?;
            let attributes = attributes::read(node, 1).ok()?;
            let Family::Pair(mut pair) = attributes.family else {
                return None;
            };
            is_plain(&pair).then_some(())?;
            let values = singles(&pair.weights.values)?;
            left = left.checked_sub(values.len())?;
            leaves.push(values.iter().map(|value| 0.0 + value).collect());
            rename(&mut pair, term)?;
            trees.push(pair);
        }
        let joined = Joined { trees, leaves };
        // Whatever else is odd about the trees.
        Evaluator::compile(&attributes_of(joined.pair(&joined.leaves, joined.trees())?)).ok()?;
        Some(joined)
    }

    pub(super) fn trees(&self) -> usize {
        self.trees.len()
    }

    /// What the leaves of each tree give by themselves.
    pub(super) fn leaves(&self) -> &[Vec<f32>] {
        &self.leaves
    }

    /// How many nodes the tree `at` has.
    pub(super) fn nodes(&self, at: usize) -> usize {
        self.trees.get(at).map_or(0, |tree| tree.nodes.ids.len())
    }

    /// The first `count` trees with these values in their leaves.
    pub(super) fn pair(&self, values: &[Vec<f32>], count: usize) -> Option<Pair> {
        let mut pair = empty();
        let mut weights = Vec::new();
        let mut thresholds = Vec::new();
        let to = &mut pair;
        for (number, (tree, values)) in self.trees.iter().zip(values).take(count).enumerate() {
            let number = i32::try_from(number).ok()?;
            let missing = &tree.nodes.missing;
            let missing =
                (0..tree.nodes.ids.len()).map(|at| missing.get(at).copied().unwrap_or_default());
            to.nodes.missing.extend(missing);
            to.nodes.trees.extend(tree.nodes.ids.iter().map(|_| number));
            to.nodes.ids.extend(&tree.nodes.ids);
            to.nodes.features.extend(&tree.nodes.features);
            to.nodes.modes.extend(&tree.nodes.modes);
            to.nodes.yes.extend(&tree.nodes.yes);
            to.nodes.no.extend(&tree.nodes.no);
            thresholds.extend_from_slice(singles(&tree.nodes.values)?);
            to.weights.trees.extend(values.iter().map(|_| number));
            to.weights.nodes.extend(&tree.weights.nodes);
            to.weights.targets.extend(values.iter().map(|_| 0));
            weights.extend_from_slice(values);
        }
        pair.nodes.values = Numbers::Singles(thresholds);
        pair.weights.values = Numbers::Singles(weights);
        Some(pair)
    }

    /// What evaluates the first `count` trees, by the leaves of the body and of the tail.
    pub(super) fn evaluator(&self, values: &Values, count: usize) -> Option<Evaluator> {
        let compiled = |values: &[Vec<f32>]| {
            Evaluator::compile(&attributes_of(self.pair(values, count)?)).ok()
        };
        let body = compiled(&values.body)?;
        match &values.tail {
            None => Some(body),
            Some((every, tail)) => body.ending_as(*every, compiled(tail)?),
        }
    }
}

pub(super) fn attributes_of(pair: Pair) -> Attributes {
    Attributes {
        precision: Precision::Single,
        family: Family::Pair(pair),
    }
}

/// Whether this is one tree with one weight a leaf, and no more.
fn is_plain(pair: &Pair) -> bool {
    let tree = pair.nodes.trees.first();
    let mut nodes = pair.weights.nodes.clone();
    nodes.sort_unstable();
    nodes.dedup();
    let leaves = pair.nodes.modes.iter().filter(|mode| **mode == Mode::Leaf);
    let leaves = leaves.count();
    pair.output == Output::Targets(1)
        && pair.aggregate == "SUM"
        && pair.transform == "NONE"
        && pair.base.is_empty()
        && pair.nodes.trees.iter().all(|number| Some(number) == tree)
        && pair.weights.trees.iter().all(|number| Some(number) == tree)
        && pair.weights.targets.iter().all(|target| *target == 0)
        && pair.weights.trees.len() == leaves
        && pair.weights.nodes.len() == leaves
        && pair.weights.targets.len() == leaves
        && pair.weights.values.len() == leaves
        && nodes.len() == leaves
}

fn singles(numbers: &Numbers) -> Option<&[f32]> {
    match numbers {
        Numbers::Singles(list) => Some(list),
        Numbers::Doubles(_) => None,
    }
}

/// Renames the features of a tree that was given some columns to those of the whole input.
fn rename(pair: &mut Pair, term: &Term<'_>) -> Option<()> {
    let Some(columns) = &term.columns else {
        return Some(());
    };
    for (feature, mode) in pair.nodes.features.iter_mut().zip(&pair.nodes.modes) {
        if *mode == Mode::Leaf {
            *feature = 0;
            continue;
        }
        let column = columns.get(usize::try_from(*feature).ok()?)?;
        *feature = i32::try_from(*column).ok()?;
    }
    Some(())
}

fn empty() -> Pair {
    Pair {
        output: Output::Targets(1),
        aggregate: "SUM".to_owned(),
        transform: "NONE".to_owned(),
        base: Numbers::default(),
        nodes: PairNodes {
            trees: Vec::new(),
            ids: Vec::new(),
            features: Vec::new(),
            modes: Vec::new(),
            values: Numbers::default(),
            yes: Vec::new(),
            no: Vec::new(),
            missing: Vec::new(),
        },
        weights: PairWeights {
            trees: Vec::new(),
            nodes: Vec::new(),
            targets: Vec::new(),
            values: Numbers::default(),
        },
    }
}
