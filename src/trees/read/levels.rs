//! How many levels the deepest tree has, of lists as they stand: before anything else is known of
//! them, because ONNX Runtime lays trees out by recursion, and ends the process where its stack does.
//!
//! Nothing here recurses. Lists that do not add up, and trees that go round in circles, count as one
//! tree that is as deep as there are nodes: deeper than that nothing gets, for ONNX Runtime goes to
//! each node once.

use super::lists::all_of;
use super::pair::{self, Ids};
use super::{Refusal, refuse};
use crate::trees::attributes::{Joint, Mode, PairNodes};

/// Questions that ONNX Runtime makes at most of a question for membership, one below the other.
const OF_MEMBERS: usize = 31;

/// The deepest tree of an ensemble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deepest {
    /// Its number, from 0 on.
    pub tree: usize,
    /// Its levels at most, that of the leaf among them.
    pub levels: usize,
}

/// The deepest tree of these nodes; what they ask for is not looked at.
pub fn of_pair(nodes: &PairNodes) -> Deepest {
    let shape = pair_shape(nodes).ok();
    let most = nodes.trees.len().saturating_add(1);
    shape.and_then(|shape| shape.deepest()).unwrap_or(all(most))
}

/// The deepest tree of these nodes; what they ask for and their leaves are not looked at.
pub fn of_joint(joint: &Joint) -> Deepest {
    let shape = joint_shape(joint).ok();
    let most = joint.yes.len().saturating_add(1);
    let most = most.saturating_mul(OF_MEMBERS);
    shape.and_then(|shape| shape.deepest()).unwrap_or(all(most))
}

/// One tree of so many levels.
fn all(levels: usize) -> Deepest {
    Deepest { tree: 0, levels }
}

/// Which node leads to which.
struct Shape {
    /// The children of each node; places that are none are leaves.
    children: Vec<[u32; 2]>,
    /// How many levels each node takes above its leaf.
    own: Vec<u8>,
    roots: Vec<u32>,
}

/// A place that no node has.
const LEAF: u32 = u32::MAX;

fn pair_shape(lists: &PairNodes) -> Result<Shape, Refusal> {
    let lengths = [
        lists.ids.len(),
        lists.modes.len(),
        lists.yes.len(),
        lists.no.len(),
    ];
    all_of(lists.trees.len(), &lengths)?;
    let ids = Ids::new(lists)?;
    let nodes = lists.trees.iter().zip(&lists.modes);
    let children = lists.yes.iter().zip(&lists.no);
    let nodes = nodes.zip(children).enumerate();
    let children = nodes.map(|(place, ((tree, mode), (yes, no)))| match mode {
        Mode::Leaf => [LEAF; 2],
        _ => [yes, no].map(|id| ids.place(*tree, *id, place).unwrap_or(LEAF)),
    });
    Ok(Shape {
        children: children.collect(),
        own: lists
            .modes
            .iter()
            .map(|mode| u8::from(*mode != Mode::Leaf))
            .collect(),
        roots: pair::roots(&lists.trees)?,
    })
}

fn joint_shape(joint: &Joint) -> Result<Shape, Refusal> {
    let lengths = [
        joint.modes.len(),
        joint.no.len(),
        joint.yes_is_leaf.len(),
        joint.no_is_leaf.len(),
    ];
    all_of(joint.yes.len(), &lengths)?;
    let child = |number: &i32, is_leaf: &bool| match (u32::try_from(*number), is_leaf) {
        (Ok(place), false) => place,
        _ => LEAF,
    };
    let yes = joint.yes.iter().zip(&joint.yes_is_leaf);
    let no = joint.no.iter().zip(&joint.no_is_leaf);
    let children = yes
        .zip(no)
        .map(|(yes, no)| [child(yes.0, yes.1), child(no.0, no.1)]);
    let own = joint.modes.iter().map(|mode| match mode {
        Mode::Member => OF_MEMBERS as u8,
        _ => 1,
    });
    let roots = joint.roots.iter();
    Ok(Shape {
        children: children.collect(),
        own: own.collect(),
        roots: roots
            .map(|root| u32::try_from(*root).unwrap_or(LEAF))
            .collect(),
    })
}

/// What is known of the levels from a node down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Nothing,
    /// It is being walked down from.
    Open,
    Levels(usize),
}

impl Shape {
    /// `None` where trees go round in circles.
    fn deepest(&self) -> Option<Deepest> {
        let mut known = vec![Known::Nothing; self.children.len()];
        let mut deepest = Deepest { tree: 0, levels: 1 };
        for (tree, root) in self.roots.iter().enumerate() {
            self.walk(*root, &mut known).ok()?;
            let levels = levels(&known, *root);
            if levels > deepest.levels {
                deepest = Deepest { tree, levels };
            }
        }
        Some(deepest)
    }

    /// Finds the levels of all that `root` leads to, children before parents.
    fn walk(&self, root: u32, known: &mut [Known]) -> Result<(), Refusal> {
        let mut ahead = vec![root];
        while let Some(place) = ahead.last().copied() {
            let at = place as usize;
            let (Some(state), Some(children)) = (known.get(at), self.children.get(at)) else {
                ahead.pop();
                continue;
            };
            match state {
                Known::Levels(_) => {
                    ahead.pop();
                }
                Known::Open => {
                    let below = children.map(|child| levels(known, child));
                    let own = self.own.get(at).copied().map_or(1, usize::from);
                    if let Some(state) = known.get_mut(at) {
                        *state = Known::Levels(below.into_iter().fold(0, usize::max) + own);
                    }
                    ahead.pop();
                }
                Known::Nothing => {
                    if let Some(state) = known.get_mut(at) {
                        *state = Known::Open;
                    }
                    for child in children {
                        match known.get(*child as usize) {
                            Some(Known::Open) => return refuse("its trees go round in circles"),
                            Some(Known::Nothing) => ahead.push(*child),
                            Some(Known::Levels(_)) | None => {}
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// The levels from `place` down; a leaf's are 1.
fn levels(known: &[Known], place: u32) -> usize {
    match known.get(place as usize) {
        Some(Known::Levels(levels)) => *levels,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The deepest tree where nodes, by id, have these children; those without are leaves.
    fn pair(ids: &[i32], children: &[Option<[i32; 2]>]) -> Deepest {
        let child = |at: usize| children.iter().map(move |c| c.map_or(0, |c| c[at]));
        let mode = |c: &Option<[i32; 2]>| c.map_or(Mode::Leaf, |_| Mode::AtMost);
        of_pair(&PairNodes {
            trees: vec![0; ids.len()],
            ids: ids.to_vec(),
            modes: children.iter().map(mode).collect(),
            yes: child(0).collect(),
            no: child(1).collect(),
            ..PairNodes::default()
        })
    }

    /// The deepest tree where nodes, by place, have these children; -1 is a leaf.
    fn joint(modes: Vec<Mode>, roots: Vec<i32>, yes: Vec<i32>, no: Vec<i32>) -> Deepest {
        let is_leaf = |list: &[i32]| list.iter().map(|child| *child < 0).collect();
        of_joint(&Joint {
            roots,
            modes,
            yes_is_leaf: is_leaf(&yes),
            no_is_leaf: is_leaf(&no),
            yes,
            no,
            ..Joint::default()
        })
    }

    #[test]
    fn levels_are_those_of_the_longest_way_down() {
        let at = |tree, levels| Deepest { tree, levels };
        for (name, found, expected) in [
            ("a leaf", pair(&[0], &[None]), at(0, 1)),
            (
                "a branch",
                pair(&[4, 7, 9], &[Some([7, 9]), None, None]),
                at(0, 2),
            ),
            (
                "a leaf that names children",
                pair(&[0, 1], &[None, Some([0, 0])]),
                at(0, 1),
            ),
            // 0 -> 1 -> 2, and 0 -> 2 by itself: shared nodes count by their longest way.
            (
                "shared nodes",
                pair(
                    &[0, 1, 2, 3],
                    &[Some([1, 2]), Some([3, 2]), Some([3, 3]), None],
                ),
                at(0, 4),
            ),
            (
                "a child that is not there",
                pair(&[0, 1], &[Some([5, 1]), None]),
                at(0, 2),
            ),
            // As deep as there are nodes.
            (
                "a circle",
                pair(&[0, 1, 2], &[Some([1, 2]), Some([0, 2]), None]),
                at(0, 4),
            ),
            ("itself", pair(&[0, 1], &[Some([0, 1]), None]), at(0, 3)),
            (
                "an id twice",
                pair(&[0, 1, 1], &[Some([1, 1]), None, None]),
                at(0, 4),
            ),
            (
                "the second tree",
                joint(
                    vec![Mode::AtMost; 3],
                    vec![2, 0],
                    vec![1, -1, -1],
                    vec![-1; 3],
                ),
                at(1, 3),
            ),
            (
                "a circle of sets",
                joint(vec![Mode::Member; 2], vec![0], vec![1, 0], vec![-1; 2]),
                at(0, 3 * 31),
            ),
            (
                "sets",
                joint(vec![Mode::Member; 2], vec![0], vec![1, -1], vec![-1; 2]),
                at(0, 63),
            ),
        ] {
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn a_hundred_thousand_levels_are_counted_without_recursion() {
        let count = 100_000;
        let next = (1..=count).map(|id| Some([id, count]));
        let ids: Vec<i32> = (0..=count).collect();
        let children: Vec<_> = next.chain([None]).collect();
        let wanted = Deepest {
            tree: 0,
            levels: 100_001,
        };
        assert_eq!(pair(&ids, &children), wanted);
    }
}
