//! Chains of equality questions, which ONNX Runtime folds into one question for membership.
//!
//! A chain asks of one feature whether it equals this, else that, and so on, each time with the same
//! subtree for yes: LightGBM's categories. ONNX Runtime folds it while it loads, by rules that are
//! looser than they should be: only the first node's way for NaN stays, and subtrees count as the
//! same if their questions and the first weight of each of their leaves are. So the same rules are
//! followed here. It also decides there which sharing of nodes it takes.

use std::ops::Range;

use super::nodes::{Node, Nodes};
use super::{Refusal, refuse};
use crate::trees::attributes::Mode;
use crate::trees::forest::Real;

/// How nodes may be shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sharing {
    /// Only ever as the child for yes.
    OfYes,
    /// By any; ONNX Runtime copies what is shared.
    Any,
}

/// A question for membership that takes the place of a chain.
struct Fold<T> {
    first: u32,
    members: Vec<T>,
    no: u32,
}

/// Folds the chains of all trees.
pub(super) fn merge<T: Real>(nodes: &mut Nodes<T>, sharing: Sharing) -> Result<(), Refusal> {
    let (folds, seen) = Walk::new(nodes, sharing)?.all()?;
    give_strays(nodes, &seen, sharing)?;
    for fold in folds {
        let set = nodes.sets.number(fold.members);
        if let Some(node) = nodes.nodes.get_mut(fold.first as usize) {
            node.mode = Mode::Member;
            node.set = set;
            node.no = fold.no;
        }
    }
    Ok(())
}

/// Leaves that no tree reaches, as those of folded chains, give their weights to the node at place 0
/// of ONNX Runtime's layout, which takes them if it is a leaf: the whole first tree, then.
fn give_strays<T: Real>(
    nodes: &mut Nodes<T>,
    seen: &[bool],
    sharing: Sharing,
) -> Result<(), Refusal> {
    let Some(root) = nodes.roots.first().copied() else {
        return Ok(());
    };
    if !nodes.at(root)?.is_leaf() {
        return Ok(());
    }
    let strays = nodes.nodes.iter().zip(seen).filter(|(_, seen)| !**seen);
    let strays: Vec<Range<usize>> = strays
        .filter(|(node, _)| node.is_leaf())
        .map(|(node, _)| node.weights())
        .filter(|weights| !weights.is_empty())
        .collect();
    let is_unseen = |place: &u32| seen.get(*place as usize) == Some(&false);
    let lost = nodes.given_in_vain.iter().any(is_unseen);
    if strays.is_empty() && !lost {
        return Ok(());
    }
    // The order of a TreeEnsemble's weights is not that of its leaves; and what branches were given
    // has not been kept.
    if sharing == Sharing::Any || lost {
        return refuse("its first tree is a leaf, which takes the weights of folded chains");
    }
    let Some(leaf) = nodes.nodes.get_mut(root as usize) else {
        return Ok(());
    };
    let own = leaf.weights();
    // It counts what it takes, and reads so many weights from the first of them on.
    let all = strays.iter().chain(std::iter::once(&own));
    let start = all.clone().map(|weights| weights.start).min();
    let count: usize = all.map(ExactSizeIterator::len).sum();
    leaf.yes = start.unwrap_or_default() as u32;
    leaf.no = leaf.yes + count as u32;
    Ok(())
}

/// A walk over all trees in the order in which ONNX Runtime lays its nodes out.
struct Walk<'a, T> {
    nodes: &'a Nodes<T>,
    sharing: Sharing,
    seen: Vec<bool>,
    folds: Vec<Fold<T>>,
    has_large_sets: bool,
    /// Comparisons of nodes that may still be made: hostile chains would ask for their square.
    steps: usize,
}

impl<'a, T: Real> Walk<'a, T> {
    fn new(nodes: &'a Nodes<T>, sharing: Sharing) -> Result<Self, Refusal> {
        Ok(Walk {
            nodes,
            sharing,
            seen: vec![false; nodes.nodes.len()],
            folds: Vec::new(),
            has_large_sets: nodes.nodes.iter().any(|node| node.mode == Mode::Member),
            steps: nodes.nodes.len() * 8 + 1024,
        })
    }

    /// Walks all trees; gives the folds, and which nodes were seen.
    fn all(mut self) -> Result<(Vec<Fold<T>>, Vec<bool>), Refusal> {
        for root in &self.nodes.roots {
            self.tree(*root)?;
        }
        Ok((self.folds, self.seen))
    }

    /// Visits a node, all below its child for no, then all below its child for yes.
    fn tree(&mut self, root: u32) -> Result<(), Refusal> {
        let mut ahead = vec![root];
        while let Some(place) = ahead.pop() {
            let mut place = place;
            while self.see(place) {
                let node = self.nodes.at(place)?;
                if node.is_leaf() {
                    break;
                }
                ahead.push(node.yes);
                place = self.fold(place)?;
                if self.sharing == Sharing::OfYes && self.has_seen(place) {
                    return refuse("its trees share nodes in a way that ONNX Runtime refuses");
                }
            }
        }
        Ok(())
    }

    fn has_seen(&self, place: u32) -> bool {
        self.seen.get(place as usize).copied().unwrap_or(true)
    }

    /// Marks a node as seen; false if it was already.
    fn see(&mut self, place: u32) -> bool {
        match self.seen.get_mut(place as usize) {
            Some(seen) => !std::mem::replace(seen, true),
            None => false,
        }
    }

    /// Folds the chain that starts at a branch, if one does, and returns where its no leads.
    fn fold(&mut self, first: u32) -> Result<u32, Refusal> {
        let node = self.nodes.at(first)?;
        // Where NaN means yes, no chain starts.
        if !is_foldable(node) || node.missing {
            return Ok(node.no);
        }
        let mut members = vec![node.value];
        let mut no = node.no;
        loop {
            let next = self.nodes.at(no)?;
            let goes_on = is_foldable(next) && next.feature == node.feature;
            if !goes_on || !self.are_alike(node.yes, next.yes)? {
                break;
            }
            members.push(next.value);
            no = next.no;
        }
        if members.len() > 1 {
            self.folds.push(Fold { first, members, no });
        }
        Ok(no)
    }

    /// Whether two subtrees count as the same.
    fn are_alike(&mut self, left: u32, right: u32) -> Result<bool, Refusal> {
        let mut ahead = vec![(left, right)];
        while let Some((left, right)) = ahead.pop() {
            if left == right && !self.has_large_sets {
                continue;
            }
            let Some(steps) = self.steps.checked_sub(1) else {
                return refuse("its chains of equality questions take too long to compare");
            };
            self.steps = steps;
            let (a, b) = (self.nodes.at(left)?, self.nodes.at(right)?);
            // Large sets are kept apart there, each for its node, so that no two are the same.
            let same_question = a.mode == b.mode
                && a.mode != Mode::Member
                && a.feature == b.feature
                && a.value == b.value;
            if !same_question {
                return Ok(false);
            }
            if !a.is_leaf() {
                ahead.push((a.yes, b.yes));
                ahead.push((a.no, b.no));
            } else if self.first_weight(a) != self.first_weight(b) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn first_weight(&self, leaf: &Node<T>) -> Option<T> {
        let weights = self.nodes.weights.get(leaf.weights())?;
        weights.first().map(|weight| weight.value)
    }
}

/// Whether a node asks for equality with one of the numbers that ONNX Runtime's bit sets have.
fn is_foldable<T: Real>(node: &Node<T>) -> bool {
    let most = 8.0 * size_of::<T>() as f64;
    let value = node.value.double();
    node.mode == Mode::Equal && value >= 1.0 && value <= most && value.fract() == 0.0
}
