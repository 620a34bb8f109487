//! The nodes of TreeEnsembleClassifier and TreeEnsembleRegressor, which go by ids of their own.

use super::lists::{all_of, in_precision};
use super::nodes::{Node, Nodes, check_count, feature};
use super::sets::Sets;
use super::{Refusal, chains, refuse};
use crate::trees::attributes::{Mode, Pair, PairNodes, PairWeights};
use crate::trees::forest::{Real, Weight};

/// Reads the nodes, as ONNX Runtime does.
pub(super) fn nodes<T: Real>(pair: &Pair) -> Result<Nodes<T>, Refusal> {
    let lists = &pair.nodes;
    let count = lists.trees.len();
    check_count(count)?;
    all_of(
        count,
        &[
            lists.ids.len(),
            lists.features.len(),
            lists.modes.len(),
            lists.values.len(),
            lists.yes.len(),
            lists.no.len(),
        ],
    )?;
    let ids = Ids::new(lists)?;
    let mut nodes = Nodes {
        nodes: Vec::with_capacity(count),
        roots: roots(&lists.trees)?,
        weights: Vec::with_capacity(pair.weights.trees.len()),
        sets: Sets::new(),
        given_in_vain: Vec::new(),
    };
    for (place, value) in in_precision(&lists.values)?.into_iter().enumerate() {
        nodes.nodes.push(node(lists, &ids, place, value)?);
    }
    give_weights(&mut nodes, &ids, &pair.weights)?;
    chains::merge(&mut nodes, chains::Sharing::OfYes)?;
    Ok(nodes)
}

/// A tree starts wherever the list goes over to another tree's number.
pub(super) fn roots(trees: &[i32]) -> Result<Vec<u32>, Refusal> {
    let mut roots = Vec::new();
    let mut previous = -1;
    for (place, tree) in trees.iter().enumerate() {
        if *tree < 0 {
            return refuse("a tree's number is below 0");
        }
        if *tree != previous {
            roots.push(place as u32);
        }
        previous = *tree;
    }
    Ok(roots)
}

fn node<T: Real>(
    lists: &PairNodes,
    ids: &Ids<'_>,
    place: usize,
    value: T,
) -> Result<Node<T>, Refusal> {
    let entry = |list: &[i32]| list.get(place).copied().unwrap_or_default();
    let mode = lists.modes.get(place).copied().unwrap_or(Mode::Leaf);
    let tree = entry(&lists.trees);
    let child = |list: &[i32]| -> Result<u32, Refusal> {
        let id = entry(list);
        if id < 0 || id as usize >= lists.ids.len() {
            return refuse("a child's id is not below the number of nodes");
        }
        match ids.place(tree, id, place) {
            Some(child) if child as usize == place => refuse("a node is its own child"),
            Some(child) => Ok(child),
            None => refuse("it leads to a node that is not there"),
        }
    };
    let (yes, no) = match mode {
        Mode::Leaf => (0, 0),
        _ => (child(&lists.yes)?, child(&lists.no)?),
    };
    Ok(Node {
        mode,
        missing: lists.missing.get(place).copied().unwrap_or_default(),
        feature: feature(mode, entry(&lists.features))?,
        value,
        set: 0,
        yes,
        no,
    })
}

/// Hands each leaf its weights: sorted by tree and node, those of one node in the order of the list.
fn give_weights<T: Real>(
    nodes: &mut Nodes<T>,
    ids: &Ids<'_>,
    lists: &PairWeights,
) -> Result<(), Refusal> {
    let count = lists.trees.len();
    all_of(
        count,
        &[lists.nodes.len(), lists.targets.len(), lists.values.len()],
    )?;
    // Without any, some leaf has none, which is refused where trees are grown.
    check_count(count.max(1))?;
    let values: Vec<T> = in_precision(&lists.values)?;
    let key = |place: u32| {
        let entry = |list: &[i32]| list.get(place as usize).copied().unwrap_or_default();
        (entry(&lists.trees), entry(&lists.nodes))
    };
    let mut order: Vec<u32> = (0..count as u32).collect();
    order.sort_by_key(|place| key(*place));
    let mut leaf = 0;
    for place in order {
        let (tree, id) = key(place);
        let Some(found) = ids.place(tree, id, leaf) else {
            return refuse("it gives a weight to a node that is not there");
        };
        leaf = found as usize;
        let Some(node) = nodes.nodes.get_mut(leaf) else {
            continue;
        };
        // Old converters gave inner nodes weights, too.
        if !node.is_leaf() {
            nodes.given_in_vain.push(found);
            continue;
        }
        let place = place as usize;
        let target = lists.targets.get(place).copied().unwrap_or_default();
        let (Ok(target), Some(value)) = (u32::try_from(target), values.get(place)) else {
            return refuse("a leaf gives to a target that is not there");
        };
        let next = nodes.weights.len() as u32;
        if node.yes == node.no {
            node.yes = next;
        }
        node.no = next + 1;
        nodes.weights.push(Weight {
            target,
            value: *value,
        });
    }
    Ok(())
}

/// The places of nodes by their tree and id.
pub(super) struct Ids<'a> {
    lists: &'a PairNodes,
    /// All places, sorted by tree and id.
    sorted: Vec<u32>,
}

impl<'a> Ids<'a> {
    pub(super) fn new(lists: &'a PairNodes) -> Result<Self, Refusal> {
        let mut ids = Ids {
            lists,
            sorted: (0..lists.trees.len() as u32).collect(),
        };
        let mut sorted = std::mem::take(&mut ids.sorted);
        sorted.sort_unstable_by_key(|place| ids.key(*place));
        ids.sorted = sorted;
        let is_double = |pair: &[u32]| match pair {
            [a, b] => ids.key(*a) == ids.key(*b),
            _ => false,
        };
        if ids.sorted.windows(2).any(is_double) {
            return refuse("two nodes of a tree have the same id");
        }
        Ok(ids)
    }

    fn key(&self, place: u32) -> (i32, i32) {
        let entry = |list: &[i32]| list.get(place as usize).copied().unwrap_or_default();
        (entry(&self.lists.trees), entry(&self.lists.ids))
    }

    /// The place of a node, guessed from that of another: mostly a tree's ids count its nodes.
    pub(super) fn place(&self, tree: i32, id: i32, near: usize) -> Option<u32> {
        let key = (tree, id);
        let offset = i64::from(id) - i64::from(self.key(near as u32).1);
        let guess = u32::try_from(near as i64 + offset).ok();
        let is_there =
            |place: &u32| (*place as usize) < self.lists.ids.len() && self.key(*place) == key;
        guess.filter(is_there).or_else(|| self.search(key))
    }

    fn search(&self, key: (i32, i32)) -> Option<u32> {
        let at = self.sorted.partition_point(|place| self.key(*place) < key);
        let place = *self.sorted.get(at)?;
        (self.key(place) == key).then_some(place)
    }
}
