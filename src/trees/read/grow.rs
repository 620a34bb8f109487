//! Grows the canonical trees: breadth first, children in pairs, every question an `AtMost` or an `In`.
//!
//! Questions of one feature that follow each other by their no, all with the same yes, become one: whether
//! the value is in this set, else in that, is whether it is in both together. So a chain of equality
//! questions, as LightGBM's converter writes categories, is one question here, where ONNX Runtime has
//! folded a part of it (`chains`) or nothing.

use super::classes::Classes;
use super::nodes::{Node, Nodes};
use super::sets::Sets;
use super::{Refusal, refuse};
use crate::trees::attributes::Mode;
use crate::trees::forest::{self, Branch, Forest, Real, Test, Tree};

/// Grows all trees; nodes that are shared are copied, up to four times as many as there were.
pub(super) fn grow<T: Real>(mut nodes: Nodes<T>, targets: usize) -> Result<Forest<T>, Refusal> {
    let classes = Classes::of(&nodes)?;
    let mut grower = Grower {
        left: nodes.nodes.len() * 4 + 1024,
        sets: std::mem::replace(&mut nodes.sets, Sets::new()),
        classes,
        nodes: &nodes,
    };
    let mut trees = Vec::with_capacity(nodes.roots.len());
    for root in &nodes.roots {
        trees.push(grower.tree(*root)?);
    }
    let sets = grower.sets.into_sets();
    Forest::new(trees, nodes.weights, sets, targets).map_err(|fault| Refusal::new(fault.0))
}

struct Grower<'a, T> {
    nodes: &'a Nodes<T>,
    classes: Classes,
    sets: Sets<T>,
    /// Nodes that may still be looked at: hostile trees share theirs.
    left: usize,
}

impl<T: Real> Grower<'_, T> {
    fn tree(&mut self, root: u32) -> Result<Tree<T>, Refusal> {
        // Places in the order in which their nodes will stand.
        let mut places = vec![root];
        let mut grown = Vec::new();
        while let Some(place) = places.get(grown.len()) {
            let node = self.look_at(*place)?;
            if node.is_leaf() {
                if node.weights().is_empty() {
                    return refuse("a leaf has no weights");
                }
                grown.push(forest::Node::Leaf(node.yes..node.no));
                continue;
            }
            let question = question(&node, &self.sets)?;
            let question = self.chain(question)?;
            let yes = places.len() as u32;
            grown.push(forest::Node::Branch(Branch {
                feature: question.feature,
                test: match question.ask {
                    Ask::AtMost(threshold) => Test::AtMost(threshold),
                    Ask::In(members) => Test::In(self.sets.number(members)),
                },
                missing: question.missing,
                yes,
                no: yes + 1,
            }));
            places.extend([question.yes, question.no]);
        }
        Ok(Tree { nodes: grown })
    }

    fn look_at(&mut self, place: u32) -> Result<Node<T>, Refusal> {
        match self.left.checked_sub(1) {
            Some(less) => self.left = less,
            None => return refuse("its trees share too many nodes, or go round in circles"),
        }
        self.nodes.at(place).copied()
    }

    /// The question together with those of its chain that follow it.
    fn chain(&mut self, mut question: Question<T>) -> Result<Question<T>, Refusal> {
        let (mut missing, mut no) = (question.missing, question.no);
        let mut members = match &mut question.ask {
            Ask::In(members) => std::mem::take(members),
            Ask::AtMost(_) => return Ok(question),
        };
        while let Some(next) = self.next_of_chain(&question, no)? {
            if let Ask::In(others) = next.ask {
                members.extend(others);
            }
            // NaN that the first question sends to no is asked about by the next.
            missing |= next.missing;
            no = next.no;
        }
        Ok(Question {
            ask: Ask::In(members),
            missing,
            no,
            ..question
        })
    }

    /// The question at `place`, if it is of the chain that `first` begins.
    fn next_of_chain(
        &mut self,
        first: &Question<T>,
        place: u32,
    ) -> Result<Option<Question<T>>, Refusal> {
        let node = self.nodes.at(place)?;
        if node.is_leaf() || node.feature != first.feature {
            return Ok(None);
        }
        let next = question(node, &self.sets)?;
        let is_set = matches!(next.ask, Ask::In(_));
        if !is_set || !self.classes.are_same(first.yes, next.yes) {
            return Ok(None);
        }
        self.look_at(place)?;
        Ok(Some(next))
    }
}

/// A canonical question.
struct Question<T> {
    feature: u32,
    ask: Ask<T>,
    /// Whether NaN goes to `yes`.
    missing: bool,
    /// Places.
    yes: u32,
    no: u32,
}

/// What it asks of the value.
enum Ask<T> {
    AtMost(T),
    /// Whether it is one of these.
    In(Vec<T>),
}

/// What a branch asks, as one of two tests.
fn question<T: Real>(node: &Node<T>, sets: &Sets<T>) -> Result<Question<T>, Refusal> {
    let value = node.value;
    if value.is_nan() && node.mode != Mode::Member {
        return refuse("a threshold is NaN");
    }
    let (ask, swapped) = match node.mode {
        Mode::AtMost => (at_most(value), false),
        Mode::Less => (below(value), false),
        Mode::Greater => (at_most(value), true),
        Mode::AtLeast => (below(value), true),
        Mode::Equal => (Ask::In(vec![value]), false),
        Mode::Unequal => (Ask::In(vec![value]), true),
        Mode::Member | Mode::Leaf => (Ask::In(sets.members(node.set).to_vec()), false),
    };
    let missing = match node.mode {
        // NaN is unequal to everything, whatever the node says of it.
        Mode::Unequal => false,
        _ => node.missing != swapped,
    };
    let (yes, no) = match swapped {
        true => (node.no, node.yes),
        false => (node.yes, node.no),
    };
    Ok(Question {
        feature: node.feature,
        ask,
        missing,
        yes,
        no,
    })
}

fn at_most<T: Real>(value: T) -> Ask<T> {
    // Adding zero makes -0.0 the 0.0 that it equals.
    Ask::AtMost(value + T::default())
}

/// Less than a value is at most the next lower one; nothing is less than negative infinity.
fn below<T: Real>(value: T) -> Ask<T> {
    let lower = value.next_lower();
    if lower == value {
        Ask::In(Vec::new())
    } else {
        at_most(lower)
    }
}
