//! The joined ensemble held against ONNX Runtime's own nodes: the first trees with all that follows
//! them, on made-up rows, and the adding of all that is added.

use super::super::selfcheck;
use super::joined::{Joined, attributes_of};
use super::leaves::Values;
use super::part::{Column, Part};
use super::plan::Join;
use crate::model::dtype::Dtype;
use crate::model::proto::Model;
use crate::model::runtime::Runtime;
use crate::model::tensor::{Tensor, Value};

/// Nodes of trees, and nodes that follow them, of the trees that are held against ONNX Runtime.
const TREE_NODES: usize = 10_000;
const NODES: usize = 600;

/// How many rows are scored at once, from the first.
const BATCHES: [usize; 9] = [1, 2, 3, 5, 7, 64, 130, 255, 300];

/// Whether ONNX Runtime's nodes and ours give the same bits.
pub(super) fn holds(
    runtime: &Runtime,
    model: &Model<'_>,
    join: &Join<'_>,
    joined: &Joined,
    values: &Values,
) -> bool {
    let lists = values.tail.iter().map(|(_, lists)| lists);
    let mut all = lists.chain([&values.body]).flatten().flatten();
    // A sum of nothing but -0.0 would be 0.0 here.
    if all.any(|value| value.is_nan() || (*value == 0.0 && value.is_sign_negative())) {
        return false;
    }
    let trees = first_trees(runtime, model, join, joined, values);
    trees == Some(true) && adding(runtime, model, join, values) == Some(true)
}

/// Whether the first trees give what their nodes and the nodes after them give, added in order.
fn first_trees(
    runtime: &Runtime,
    model: &Model<'_>,
    join: &Join<'_>,
    joined: &Joined,
    values: &Values,
) -> Option<bool> {
    let mut part = Part {
        inputs: vec![(join.input, Dtype::Float32)],
        ..Part::default()
    };
    let (mut tree_nodes, mut nodes) = (0, 0);
    for (number, term) in join.terms.iter().enumerate() {
        tree_nodes += joined.nodes(number);
        nodes += term.nodes.len();
        if number > 0 && (tree_nodes > TREE_NODES || nodes > NODES) {
            break;
        }
        part.nodes.push(term.tree);
        part.nodes.extend(&term.nodes);
        part.nodes.extend(term.gather);
        part.outputs.push(term.value);
    }
    part.nodes.sort_unstable();
    part.nodes.dedup();
    let count = part.outputs.len();
    let evaluator = joined.evaluator(values, count)?;
    let columns = join.columns.unwrap_or(evaluator.features()).max(1);
    let attributes = attributes_of(joined.pair(&values.body, count)?);
    let rows = selfcheck::rows(&attributes, columns, 1)?;
    let session = part.load(runtime, model)?;
    for batch in BATCHES {
        let rows = selfcheck::first(&rows, batch);
        let theirs = session.run(std::slice::from_ref(&rows)).ok()?;
        let ours = evaluator.values(&rows)?;
        let [Value::Tensor(Tensor::Float32(ours))] = ours.as_slice() else {
            return None;
        };
        let terms: Option<Vec<Vec<f32>>> = theirs
            .iter()
            .map(|value| Column::read(value)?.singles())
            .collect();
        if !same(&added(&terms?)?, ours.iter().copied()) {
            return Some(false);
        }
    }
    Some(true)
}

/// Whether the nodes that add do it from the first to the last.
fn adding(runtime: &Runtime, model: &Model<'_>, join: &Join<'_>, values: &Values) -> Option<bool> {
    let output = model
        .graph
        .as_ref()?
        .nodes
        .get(join.root)?
        .outputs
        .first()?;
    let part = Part {
        nodes: join.adding.clone(),
        inputs: join
            .terms
            .iter()
            .map(|term| (term.value, Dtype::Float32))
            .collect(),
        outputs: vec![output],
    };
    let session = part.load(runtime, model)?;
    for length in [67, 1, 256] {
        let terms = values.body.iter().enumerate().map(|(number, list)| {
            let at = |row: usize| (row * 7 + number * 13) % list.len().max(1);
            (0..length).map(|row| list.get(at(row)).copied()).collect()
        });
        let terms: Vec<Vec<f32>> = terms.collect::<Option<_>>()?;
        let given = terms.iter().map(|list| Column::of(list).whole());
        let given: Vec<Tensor> = given.collect::<Option<_>>()?;
        let theirs = session.run(&given).ok()?;
        let theirs = Column::read(theirs.first()?)?.singles()?;
        if !same(&added(&terms)?, theirs.into_iter()) {
            return Some(false);
        }
    }
    Some(true)
}

/// The terms of each row, added in order.
fn added(terms: &[Vec<f32>]) -> Option<Vec<f32>> {
    let (first, rest) = terms.split_first()?;
    let mut sums = first.clone();
    for term in rest {
        sums.iter_mut()
            .zip(term)
            .for_each(|(sum, term)| *sum += term);
    }
    Some(sums)
}

fn same(one: &[f32], other: impl ExactSizeIterator<Item = f32>) -> bool {
    // Infinities of both signs add up to NaN.
    let is_same = |(a, b): (&f32, f32)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
    one.len() == other.len() && one.iter().zip(other).all(is_same)
}
