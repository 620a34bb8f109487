//! The part of a tree that is evaluated for all records at once: which branches belong to it, and the
//! numbers of the exits where a record leaves it.
//!
//! A tree of at most [`MOST_EXITS`] leaves is its own top. Of a larger one the top has [`CUT_EXITS`]
//! exits, grown where most leaves are; below them a record goes down by itself (`below`).

use std::collections::BinaryHeap;

use super::forest::{Branch, Forest, Node, Real, Tree};

/// Leaves that a tree may have to be evaluated whole: exits are numbered by a byte.
pub(super) const MOST_EXITS: usize = 256;

/// Leaves up to which a tree is whole in an ensemble that has larger ones, and the exits of a cut tree.
pub(super) const CUT_EXITS: usize = 64;

/// One tree's top.
pub(super) struct Top {
    /// Whether each node of the tree is a branch of the top.
    inside: Vec<bool>,
    /// How many exits are at or below each node of the top, the exits themselves among them.
    exits_below: Vec<u32>,
    /// The nodes where a record leaves the top, those of a branch's yes side before those of its no side.
    pub(super) exits: Vec<u32>,
}

/// Whether any tree of the forest must be cut.
pub(super) fn must_cut<T: Real>(forest: &Forest<T>) -> bool {
    forest.trees().iter().any(|tree| leaves(tree) > MOST_EXITS)
}

fn leaves<T>(tree: &Tree<T>) -> usize {
    tree.nodes.len() / 2 + 1
}

impl Top {
    /// The top of `tree`, of so many exits at most.
    pub(super) fn of<T: Real>(tree: &Tree<T>, most: usize) -> Top {
        let inside = match leaves(tree) <= most {
            true => tree
                .nodes
                .iter()
                .map(|node| branch(node).is_some())
                .collect(),
            false => widest(tree, most),
        };
        let exits_below = exits_below(tree, &inside);
        let exits = exits(tree, &inside, &exits_below);
        Top {
            inside,
            exits_below,
            exits,
        }
    }

    /// The branch at a node, if it belongs to the top.
    pub(super) fn branch<'a, T>(&self, tree: &'a Tree<T>, node: u32) -> Option<&'a Branch<T>> {
        let at = node as usize;
        match self.inside.get(at) {
            Some(true) => branch(tree.nodes.get(at)?),
            _ => None,
        }
    }

    /// The top's branches with their node numbers, parents before children.
    pub(super) fn branches<'a, T>(
        &'a self,
        tree: &'a Tree<T>,
    ) -> impl DoubleEndedIterator<Item = (u32, &'a Branch<T>)> {
        let nodes = tree.nodes.iter().zip(&self.inside).enumerate();
        nodes.filter_map(|(at, (node, inside))| match inside {
            true => branch(node).map(|branch| (at as u32, branch)),
            false => None,
        })
    }

    /// How many exits are at or below a node of the top.
    pub(super) fn exits_below(&self, node: u32) -> u32 {
        self.exits_below.get(node as usize).copied().unwrap_or(1)
    }
}

fn branch<T>(node: &Node<T>) -> Option<&Branch<T>> {
    match node {
        Node::Branch(branch) => Some(branch),
        Node::Leaf(_) => None,
    }
}

/// The branches of a top with `exits` exits: always the exit with most leaves below it is opened next.
fn widest<T: Real>(tree: &Tree<T>, exits: usize) -> Vec<bool> {
    let mut below = vec![1_u32; tree.nodes.len()];
    for (at, node) in tree.nodes.iter().enumerate().rev() {
        if let Some(branch) = branch(node) {
            below[at] = below[branch.yes as usize] + below[branch.no as usize];
        }
    }
    let mut inside = vec![false; tree.nodes.len()];
    let mut open = BinaryHeap::from([(below[0], 0_u32)]);
    for _ in 1..exits {
        let Some((_, at)) = open.pop() else { break };
        let Some(branch) = branch(&tree.nodes[at as usize]) else {
            break;
        };
        inside[at as usize] = true;
        for child in [branch.yes, branch.no] {
            open.push((below[child as usize], child));
        }
    }
    inside
}

fn exits_below<T>(tree: &Tree<T>, inside: &[bool]) -> Vec<u32> {
    let mut below = vec![1_u32; tree.nodes.len()];
    for (at, node) in tree.nodes.iter().enumerate().rev() {
        if let (Some(branch), true) = (branch(node), inside[at]) {
            below[at] = below[branch.yes as usize] + below[branch.no as usize];
        }
    }
    below
}

fn exits<T>(tree: &Tree<T>, inside: &[bool], below: &[u32]) -> Vec<u32> {
    let mut exits = vec![0_u32; below[0] as usize];
    // The first exit at or below each node; what is not reached from the root by the top stays `None`.
    let mut first: Vec<Option<u32>> = vec![None; tree.nodes.len()];
    first[0] = Some(0);
    for (at, node) in tree.nodes.iter().enumerate() {
        let Some(number) = first[at] else { continue };
        match (branch(node), inside[at]) {
            (Some(branch), true) => {
                first[branch.yes as usize] = Some(number);
                first[branch.no as usize] = Some(number + below[branch.yes as usize]);
            }
            _ => exits[number as usize] = at as u32,
        }
    }
    exits
}
