//! Trees as small nodes to walk down: for a few records from the root, for many from where they leave a
//! tree's top.
//!
//! A step has no jump in it: `at += skip + (value <= threshold)`, the branch for no standing before the
//! one for yes. A leaf skips nothing and compares with NaN, so a walk may go on at a leaf; several records
//! (or several trees) walk at once and hide each other's waits for memory.
//!
//! A question for membership has a NaN for its threshold, so that nothing is at most that, and the NaN
//! carries the number of a table that has the answers ([`places`]).

pub(super) mod places;

use super::forest::{Branch, Forest, Node, Real, Test};
use super::read::Refusal;
use places::Places;

/// The bit of [`WalkNode::feature`] that sends NaN to yes.
pub(super) const MISSING: u16 = 1 << 15;

const FAR: &str = "it has a tree of more than 256 leaves, and asks for a feature beyond 32,767";

/// A branch or a leaf.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(super) struct WalkNode<T> {
    /// NaN for a leaf and for a question for membership.
    pub(super) threshold: T,
    /// The column of the value, or of its place where that is asked for.
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
    /// Whether any branch that compares sends NaN to yes.
    pub(super) missing: bool,
    /// Where any branch asks for membership: records then walk with their places.
    pub(super) places: Option<Places<T>>,
}

impl<T: Real> Walk<T> {
    /// # Errors
    /// [`Refusal`] where the nodes are too small for the forest.
    pub(super) fn of(forest: &Forest<T>) -> Result<Walk<T>, Refusal> {
        let mut walk = Walk {
            nodes: Vec::new(),
            leaves: Vec::new(),
            trees: Vec::new(),
            missing: false,
            places: Places::of(forest)?,
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
                        *node = WalkNode::branch(branch, place, walk.places.as_ref())?;
                        walk.missing |= node.feature & MISSING != 0;
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
            Err(_) => Err(Refusal::new("it has more than 4,294,967,295 nodes")),
        }
    }
}

impl<T> Walk<T> {
    /// The tables of all questions for membership; empty where there are none.
    pub(super) fn words(&self) -> &[u32] {
        let places = self.places.as_ref();
        places
            .map(|places| places.words.as_slice())
            .unwrap_or_default()
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
    fn branch(
        branch: &Branch<T>,
        place: usize,
        places: Option<&Places<T>>,
    ) -> Result<WalkNode<T>, Refusal> {
        let (threshold, feature, missing) = match branch.test {
            Test::AtMost(threshold) => (threshold, branch.feature as usize, branch.missing),
            Test::In(set) => {
                let question =
                    |places: &Places<T>| places.question(branch.feature, set, branch.missing);
                let (table, column) = places
                    .and_then(question)
                    .ok_or(Refusal::new("a set of values is not there"))?;
                (T::nan_with(table), column, false)
            }
        };
        let feature = u16::try_from(feature).ok();
        let feature = feature.filter(|feature| feature & MISSING == 0);
        Ok(WalkNode {
            threshold,
            feature: feature.ok_or(Refusal::new(FAR))? | if missing { MISSING } else { 0 },
            skip: u16::try_from((branch.yes as usize).saturating_sub(place))
                .map_err(|_| Refusal::new("a tree is wider than 65,535 nodes"))?,
        })
    }
}
