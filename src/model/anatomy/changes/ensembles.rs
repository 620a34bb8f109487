//! Tree ensembles, tree by tree: which have other questions, and which only other thresholds or leaves.

use super::numbers::NumberChange;
use super::{Graph, Part};
use crate::model::anatomy::ensembles::name;
use crate::model::proto::Node;
use crate::model::trees;
use crate::trees::outline::{Child, Outline};

/// An ensemble of either version.
#[derive(Debug, Clone, PartialEq)]
pub struct EnsembleChange {
    pub name: String,
    pub operator: String,
    /// Trees as they were and as they are; `None` where it was not, or is not, there.
    pub old_trees: Option<usize>,
    pub new_trees: Option<usize>,
    /// What changed of the trees of both; `None` where one of them cannot be read or is not there.
    pub trees: Option<TreeChanges>,
}

/// What changed of the trees that both versions have, which go by their places.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TreeChanges {
    pub same: usize,
    /// They ask the same features in the same order, with other thresholds or leaves.
    pub revalued: usize,
    /// They ask otherwise.
    pub regrown: usize,
    /// Of the trees that ask the same.
    pub thresholds: NumberChange,
    pub leaves: NumberChange,
    /// Aggregate, transform, number of targets or base values: old and new, each with what it is.
    pub settings: Vec<(&'static str, String, String)>,
}

pub(super) fn changes(
    old: &[(Part, &Graph<'_>)],
    new: &[(Part, &Graph<'_>)],
) -> Vec<EnsembleChange> {
    let (old, new) = (ensembles(old), ensembles(new));
    let mut is_taken = vec![false; new.len()];
    let mut changes = Vec::new();
    for (at, node) in old.iter().enumerate() {
        // By what they give, else by their places.
        let same = new
            .iter()
            .zip(&is_taken)
            .position(|(other, taken)| !taken && other.outputs == node.outputs)
            .or_else(|| (is_taken.get(at) == Some(&false)).then_some(at));
        let now = same.and_then(|same| {
            *is_taken.get_mut(same)? = true;
            new.get(same).copied()
        });
        changes.push(change(Some(node), now));
    }
    let left = new.iter().zip(&is_taken).filter(|(_, taken)| !**taken);
    changes.extend(left.map(|(node, _)| change(None, Some(node))));
    changes
}

fn ensembles<'g>(parts: &[(Part, &'g Graph<'g>)]) -> Vec<&'g Node<'g>> {
    let nodes = parts.iter().flat_map(|(_, graph)| &graph.nodes);
    nodes.filter(|node| trees::is_tree(node)).collect()
}

fn change(old: Option<&Node<'_>>, new: Option<&Node<'_>>) -> EnsembleChange {
    let outline = |node: Option<&Node<'_>>| trees::outline(node?).ok();
    let (before, after) = (outline(old), outline(new));
    let node = old.or(new);
    let compared = before.as_ref().zip(after.as_ref());
    EnsembleChange {
        name: node.map(name).unwrap_or_default(),
        operator: node.map(|node| node.op.to_string()).unwrap_or_default(),
        old_trees: before.as_ref().map(|outline| outline.roots.len()),
        new_trees: after.as_ref().map(|outline| outline.roots.len()),
        trees: compared.map(|(old, new)| compare(old, new)),
    }
}

fn compare(old: &Outline, new: &Outline) -> TreeChanges {
    let mut changes = TreeChanges {
        settings: settings(old, new),
        ..TreeChanges::default()
    };
    // Trees that share nodes, or go round in circles, are followed only so far.
    let nodes = old.questions.len() + old.leaves.len() + old.roots.len();
    let mut left = nodes.saturating_mul(2);
    for (old_root, new_root) in old.roots.iter().zip(&new.roots) {
        let mut tree = Tree::default();
        if !tree.walk(&mut left, (old, *old_root), (new, *new_root)) {
            changes.regrown += 1;
            continue;
        }
        match tree.thresholds.changed + tree.leaves.changed {
            0 => changes.same += 1,
            _ => changes.revalued += 1,
        }
        add(&mut changes.thresholds, &tree.thresholds);
        add(&mut changes.leaves, &tree.leaves);
    }
    changes
}

fn add(sum: &mut NumberChange, one: &NumberChange) {
    sum.count += one.count;
    sum.changed += one.changed;
    sum.absolute = sum.absolute.max(one.absolute);
    sum.relative = sum.relative.max(one.relative);
}

fn settings(old: &Outline, new: &Outline) -> Vec<(&'static str, String, String)> {
    let base = |outline: &Outline| format!("{:?}", outline.base);
    let all = [
        ("aggregate", old.aggregate.clone(), new.aggregate.clone()),
        ("transform", old.transform.clone(), new.transform.clone()),
        ("targets", old.targets.to_string(), new.targets.to_string()),
        ("base", base(old), base(new)),
    ];
    all.into_iter().filter(|(_, old, new)| old != new).collect()
}

/// Two trees beside each other.
#[derive(Default)]
struct Tree {
    thresholds: NumberChange,
    leaves: NumberChange,
}

impl Tree {
    /// Goes down both trees at once, of which `left` nodes may be looked at; whether they ask the same.
    fn walk(
        &mut self,
        left: &mut usize,
        (old, old_root): (&Outline, Child),
        (new, new_root): (&Outline, Child),
    ) -> bool {
        let mut ahead = vec![(old_root, new_root)];
        while let Some(both) = ahead.pop() {
            let Some(rest) = left.checked_sub(1) else {
                return false;
            };
            *left = rest;
            match both {
                (Child::Question(one), Child::Question(other)) => {
                    let (Some(one), Some(other)) =
                        (old.questions.get(one), new.questions.get(other))
                    else {
                        return false;
                    };
                    if (one.feature, one.mode, one.missing)
                        != (other.feature, other.mode, other.missing)
                        || one.members != other.members
                    {
                        return false;
                    }
                    self.thresholds.take(one.value, other.value);
                    ahead.push((one.no, other.no));
                    ahead.push((one.yes, other.yes));
                }
                (Child::Leaf(one), Child::Leaf(other)) => {
                    let (Some(one), Some(other)) = (old.leaves.get(one), new.leaves.get(other))
                    else {
                        return false;
                    };
                    if one.weights.len() != other.weights.len() {
                        return false;
                    }
                    for (old, new) in one.weights.iter().zip(&other.weights) {
                        if old.0 != new.0 {
                            return false;
                        }
                        self.leaves.take(old.1, new.1);
                    }
                }
                (Child::Nowhere, Child::Nowhere) => {}
                _ => return false,
            }
        }
        true
    }
}
