//! Which subtrees are the same, question by question and weight by weight: each gets the number of its
//! class.
//!
//! Equality is exact, bits included, unlike ONNX Runtime's own when it folds chains; what two subtrees
//! of a class are asked, they answer alike and give alike. Children come before parents, so that a
//! subtree is compared by the numbers of its children alone: the time is linear in the nodes.

use std::collections::HashMap;

use super::nodes::{Node, Nodes};
use super::{Refusal, refuse};
use crate::trees::attributes::Mode;
use crate::trees::forest::Real;

/// The classes of the subtrees that roots lead to, by the places where they begin.
pub(super) struct Classes {
    /// `None` where nothing was asked for classes.
    of: Option<Vec<State>>,
}

/// What is known of a subtree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Unseen,
    /// It is being gone down from.
    Open,
    Class(u32),
}

/// What makes a class.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Branch(Branch),
    /// Targets and the bits of their weights.
    Leaf(Vec<(u32, u64)>),
}

#[derive(PartialEq, Eq, Hash)]
struct Branch {
    mode: Mode,
    missing: bool,
    feature: u32,
    value: u64,
    set: u32,
    yes: u32,
    no: u32,
}

impl Classes {
    /// Puts all subtrees into classes, where any question is one for equality.
    ///
    /// # Errors
    /// [`Refusal`] where trees go round in circles.
    pub(super) fn of<T: Real>(nodes: &Nodes<T>) -> Result<Classes, Refusal> {
        let is_equality =
            |node: &Node<T>| matches!(node.mode, Mode::Equal | Mode::Unequal | Mode::Member);
        if !nodes.nodes.iter().any(is_equality) {
            return Ok(Classes { of: None });
        }
        let mut states = vec![State::Unseen; nodes.nodes.len()];
        let mut numbers = HashMap::new();
        for root in &nodes.roots {
            classify(nodes, *root, &mut states, &mut numbers)?;
        }
        Ok(Classes { of: Some(states) })
    }

    /// Whether two subtrees are the same.
    pub(super) fn are_same(&self, left: u32, right: u32) -> bool {
        let class = |place: u32| match self.of.as_deref()?.get(place as usize)? {
            State::Class(class) => Some(*class),
            State::Unseen | State::Open => None,
        };
        left == right || class(left).is_some_and(|left| class(right) == Some(left))
    }
}

fn classify<T: Real>(
    nodes: &Nodes<T>,
    root: u32,
    states: &mut [State],
    numbers: &mut HashMap<Key, u32>,
) -> Result<(), Refusal> {
    let mut ahead = vec![root];
    while let Some(place) = ahead.last().copied() {
        let node = nodes.at(place)?;
        let Some(state) = states.get_mut(place as usize) else {
            return refuse("it leads to a node that is not there");
        };
        if matches!(state, State::Class(_)) {
            ahead.pop();
            continue;
        }
        if *state == State::Unseen && !node.is_leaf() {
            *state = State::Open;
            for child in [node.yes, node.no] {
                match states.get(child as usize) {
                    Some(State::Open) => {
                        return refuse("its trees share too many nodes, or go round in circles");
                    }
                    Some(State::Unseen) => ahead.push(child),
                    Some(State::Class(_)) | None => {}
                }
            }
            continue;
        }
        let key = key(nodes, node, states);
        let next = numbers.len() as u32;
        let class = *numbers.entry(key).or_insert(next);
        if let Some(state) = states.get_mut(place as usize) {
            *state = State::Class(class);
        }
        ahead.pop();
    }
    Ok(())
}

/// The key of a node whose children have their classes.
fn key<T: Real>(nodes: &Nodes<T>, node: &Node<T>, states: &[State]) -> Key {
    if node.is_leaf() {
        let weights = nodes.weights.get(node.weights()).unwrap_or_default();
        let weights = weights.iter();
        return Key::Leaf(weights.map(|w| (w.target, w.value.bits())).collect());
    }
    let class = |place: u32| match states.get(place as usize) {
        Some(State::Class(class)) => *class,
        // Children were there before.
        _ => u32::MAX,
    };
    Key::Branch(Branch {
        mode: node.mode,
        missing: node.missing,
        feature: node.feature,
        value: node.value.bits(),
        set: node.set,
        yes: class(node.yes),
        no: class(node.no),
    })
}
