//! Grows the canonical trees: breadth first, children in pairs, every question an `AtMost` or an `In`.

use super::nodes::{Node, Nodes};
use super::sets::Sets;
use super::{Refusal, refuse};
use crate::trees::attributes::Mode;
use crate::trees::forest::{self, Branch, Forest, Real, Test, Tree};

/// Grows all trees; nodes that are shared are copied, up to four times as many as there were.
pub(super) fn grow<T: Real>(mut nodes: Nodes<T>, targets: usize) -> Result<Forest<T>, Refusal> {
    let mut left = nodes.nodes.len() * 4 + 1024;
    let mut sets = std::mem::replace(&mut nodes.sets, Sets::new());
    let mut trees = Vec::with_capacity(nodes.roots.len());
    for root in &nodes.roots {
        trees.push(tree(&nodes, *root, &mut sets, &mut left)?);
    }
    Forest::new(trees, nodes.weights, sets.into_sets(), targets)
        .map_err(|fault| Refusal::new(fault.0))
}

fn tree<T: Real>(
    nodes: &Nodes<T>,
    root: u32,
    sets: &mut Sets<T>,
    left: &mut usize,
) -> Result<Tree<T>, Refusal> {
    // Places in the order in which their nodes will stand.
    let mut places = vec![root];
    let mut grown = Vec::new();
    while let Some(place) = places.get(grown.len()) {
        match left.checked_sub(1) {
            Some(less) => *left = less,
            None => return refuse("its trees share too many nodes, or go round in circles"),
        }
        let node = nodes.at(*place)?;
        if node.is_leaf() {
            if node.weights().is_empty() {
                return refuse("a leaf has no weights");
            }
            grown.push(forest::Node::Leaf(node.yes..node.no));
            continue;
        }
        let question = question(node, sets)?;
        let yes = places.len() as u32;
        grown.push(forest::Node::Branch(Branch {
            feature: node.feature,
            test: question.test,
            missing: question.missing,
            yes,
            no: yes + 1,
        }));
        if question.swapped {
            places.extend([node.no, node.yes]);
        } else {
            places.extend([node.yes, node.no]);
        }
    }
    Ok(Tree { nodes: grown })
}

/// A canonical question.
struct Question<T> {
    test: Test<T>,
    missing: bool,
    /// Whether the canonical yes is the node's no.
    swapped: bool,
}

/// What a branch asks, as one of two tests.
fn question<T: Real>(node: &Node<T>, sets: &mut Sets<T>) -> Result<Question<T>, Refusal> {
    let value = node.value;
    if value.is_nan() && node.mode != Mode::Member {
        return refuse("a threshold is NaN");
    }
    let (test, swapped) = match node.mode {
        Mode::AtMost => (at_most(value), false),
        Mode::Less => (below(value, sets), false),
        Mode::Greater => (at_most(value), true),
        Mode::AtLeast => (below(value, sets), true),
        Mode::Equal => (Test::In(sets.number([value])), false),
        Mode::Unequal => (Test::In(sets.number([value])), true),
        Mode::Member | Mode::Leaf => (Test::In(node.set), false),
    };
    let missing = match node.mode {
        // NaN is unequal to everything, whatever the node says of it.
        Mode::Unequal => false,
        _ => node.missing != swapped,
    };
    Ok(Question {
        test,
        missing,
        swapped,
    })
}

fn at_most<T: Real>(value: T) -> Test<T> {
    // Adding zero makes -0.0 the 0.0 that it equals.
    Test::AtMost(value + T::default())
}

/// Less than a value is at most the next lower one; nothing is less than negative infinity.
fn below<T: Real>(value: T, sets: &mut Sets<T>) -> Test<T> {
    let lower = value.next_lower();
    if lower == value {
        Test::In(sets.number([]))
    } else {
        at_most(lower)
    }
}
