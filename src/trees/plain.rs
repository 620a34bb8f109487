//! The plain evaluator: any forest, one row after the other, one node after the other.
//!
//! It is what every engine is held to, and what evaluates the forests that none of them takes.

use super::forest::{Branch, Forest, Node, Real, Test, Tree, Weight};
use super::outcome::Aggregate;

/// What the trees give to each row before base values and transforms, added (or compared) in the
/// order of the trees and in the precision of the forest, as ONNX Runtime does on one thread.
///
/// `rows` is row-major of `columns` columns, which must be at least [`Forest::features`]; `sums` and
/// `given` are row-major of [`Forest::targets`] columns, and say as many rows as are scored. `given`
/// tells which targets any leaf gave to.
pub fn sums<T: Real>(
    forest: &Forest<T>,
    aggregate: Aggregate,
    rows: Rows<'_, T>,
    sums: &mut [T],
    given: &mut [bool],
) {
    let targets = forest.targets().max(1);
    let outputs = sums
        .chunks_exact_mut(targets)
        .zip(given.chunks_exact_mut(targets));
    for (number, (sums, given)) in outputs.enumerate() {
        sums.fill(T::default());
        given.fill(false);
        let row = rows.row(number);
        for tree in forest.trees() {
            for weight in reach(forest, tree, row) {
                give(aggregate, *weight, sums, given);
            }
        }
    }
}

/// Rows of numbers, one after the other.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a, T> {
    pub values: &'a [T],
    pub columns: usize,
}

impl<'a, T> Rows<'a, T> {
    fn row(&self, number: usize) -> &'a [T] {
        let start = number * self.columns;
        self.values
            .get(start..start + self.columns)
            .unwrap_or_default()
    }
}

/// The weights of the leaf that a row comes to.
fn reach<'a, T: Real>(forest: &'a Forest<T>, tree: &Tree<T>, row: &[T]) -> &'a [Weight<T>] {
    let mut number = 0;
    loop {
        match tree.nodes.get(number) {
            Some(Node::Branch(branch)) => number = next(forest, branch, row) as usize,
            Some(Node::Leaf(leaf)) => return forest.given(leaf),
            None => return &[],
        }
    }
}

#[inline]
fn next<T: Real>(forest: &Forest<T>, branch: &Branch<T>, row: &[T]) -> u32 {
    let value = row
        .get(branch.feature as usize)
        .copied()
        .unwrap_or_default();
    let yes = match branch.test {
        _ if value.is_nan() => branch.missing,
        Test::AtMost(threshold) => value <= threshold,
        Test::In(set) => is_in(forest.sets().get(set as usize), value),
    };
    if yes { branch.yes } else { branch.no }
}

/// Whether `value`, which is not NaN, is in the sorted `set`.
fn is_in<T: Real>(set: Option<&Vec<T>>, value: T) -> bool {
    let set = set.map(Vec::as_slice).unwrap_or_default();
    let at = set.partition_point(|member| *member < value);
    set.get(at).is_some_and(|member| *member == value)
}

#[inline]
fn give<T: Real>(aggregate: Aggregate, weight: Weight<T>, sums: &mut [T], given: &mut [bool]) {
    let target = weight.target as usize;
    let (Some(sum), Some(given)) = (sums.get_mut(target), given.get_mut(target)) else {
        return;
    };
    match aggregate {
        Aggregate::Sum | Aggregate::Average => *sum = *sum + weight.value,
        // As written there: a NaN that came first stays, one that comes later is passed over.
        Aggregate::Min if !*given || weight.value < *sum => *sum = weight.value,
        Aggregate::Max if !*given || weight.value > *sum => *sum = weight.value,
        Aggregate::Min | Aggregate::Max => {}
    }
    *given = true;
}
