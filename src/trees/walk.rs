//! Trees as small nodes to walk down: for a few records from the root, for many from where they leave a
//! tree's top.
//!
//! A step has no jump in it: `at += skip + (value <= threshold)`, the branch for no standing before the
//! one for yes. A leaf skips nothing and compares with NaN, so a walk may go on at a leaf; several records
//! (or several trees) walk at once and hide each other's waits for memory.

use super::forest::{Branch, Forest, Node, Real, Test};

/// The bit of [`WalkNode::feature`] that sends NaN to yes.
pub(super) const MISSING: u16 = 1 << 15;

/// A branch or a leaf.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(super) struct WalkNode<T> {
    /// NaN for a leaf.
    pub(super) threshold: T,
    pub(super) feature: u16,
    /// How far on the branch for no stands; 0 for a leaf.
    pub(super) skip: u16,
}

/// One tree's part of the nodes.
#[derive(Debug, Clone)]
pub(super) struct WalkTree {
    pub(super) root: usize,
}

/// All trees of a forest.
#[derive(Debug)]
pub(super) struct Walk<T> {
    pub(super) nodes: Vec<WalkNode<T>>,
    /// For each node that is a leaf, the number of the leaf in the forest.
    pub(super) leaves: Vec<u32>,
    pub(super) trees: Vec<WalkTree>,
    /// Whether any branch sends NaN to yes.
    pub(super) missing: bool,
}

impl<T: Real> Walk<T> {
    /// # Errors
    /// Why the nodes are too small for the forest, in words that fit a refusal.
    pub(super) fn of(forest: &Forest<T>) -> Result<Walk<T>, &'static str> {
        let mut walk = Walk {
            nodes: Vec::new(),
            leaves: Vec::new(),
            trees: Vec::new(),
            missing: false,
        };
        let mut leaf = 0;
        for tree in forest.trees() {
            let root = walk.nodes.len();
            walk.nodes.resize(root + tree.nodes.len(), WalkNode::LEAF);
            walk.leaves.resize(walk.nodes.len(), 0);
            for (number, node) in tree.nodes.iter().enumerate() {
                let place = place(number);
                let at = root + place;
                match (node, walk.nodes.get_mut(at), walk.leaves.get_mut(at)) {
                    (Node::Branch(branch), Some(node), _) => {
                        *node = WalkNode::branch(branch, place)?;
                        walk.missing |= branch.missing;
                    }
                    (Node::Leaf(_), _, Some(number)) => {
                        *number = leaf;
                        leaf += 1;
                    }
                    _ => {}
                }
            }
            walk.trees.push(WalkTree { root });
        }
        // Nodes are numbered by a u32.
        match u32::try_from(walk.nodes.len()) {
            Ok(_) => Ok(walk),
            Err(_) => Err("it has more than 4,294,967,295 nodes"),
        }
    }
}

/// Where the walk has the node of this number in the forest's tree: the children of a branch stand at
/// an odd and the next even number, and change places.
pub(super) fn place(number: usize) -> usize {
    match number {
        0 => 0,
        odd if odd % 2 == 1 => odd + 1,
        even => even - 1,
    }
}

impl<T: Real> WalkNode<T> {
    const LEAF: WalkNode<T> = WalkNode {
        threshold: T::NAN,
        feature: 0,
        skip: 0,
    };

    /// The branch that stands at `place` in its tree.
    fn branch(branch: &Branch<T>, place: usize) -> Result<WalkNode<T>, &'static str> {
        let Test::AtMost(threshold) = branch.test else {
            return Err("it has a tree of more than 256 leaves, and asks for membership in a set");
        };
        let feature = u16::try_from(branch.feature).ok();
        let feature = feature.filter(|feature| feature & MISSING == 0);
        Ok(WalkNode {
            threshold,
            feature: feature.ok_or(
                "it has a tree of more than 256 leaves, and asks for a feature beyond 32,767",
            )? | if branch.missing { MISSING } else { 0 },
            skip: u16::try_from((branch.yes as usize).saturating_sub(place))
                .map_err(|_| "a tree is wider than 65,535 nodes")?,
        })
    }
}
