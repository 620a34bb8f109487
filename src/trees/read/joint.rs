//! The nodes of TreeEnsemble, which go by their places; leaves are lists of their own.

use super::lists::all_of;
use super::nodes::{Node, Nodes, check_count, feature};
use super::sets::{Sets, is_nan};
use super::{Refusal, chains, refuse};
use crate::trees::attributes::{Joint, Mode, Numbers};
use crate::trees::forest::{Real, Weight};

/// Reads the nodes, as ONNX Runtime does: sets of a few small numbers become chains of equality
/// questions, which are then folded as chains are.
pub(super) fn nodes<T: Real>(joint: &Joint) -> Result<Nodes<T>, Refusal> {
    let branches = joint.features.len();
    let leaves = joint.leaf_targets.len();
    check_count(branches)?;
    check_count(leaves)?;
    check_count(joint.roots.len())?;
    all_of(
        branches,
        &[
            joint.modes.len(),
            joint.values.len(),
            joint.yes.len(),
            joint.yes_is_leaf.len(),
            joint.no.len(),
            joint.no_is_leaf.len(),
        ],
    )?;
    all_of(leaves, &[joint.leaf_weights.len()])?;
    let mut nodes = Nodes {
        nodes: Vec::with_capacity(branches + leaves),
        roots: Vec::with_capacity(joint.roots.len()),
        weights: weights(joint)?,
        sets: Sets::new(),
    };
    for (place, value) in exactly(&joint.values)?.into_iter().enumerate() {
        nodes.nodes.push(branch(joint, place, value)?);
    }
    for leaf in 0..leaves as u32 {
        nodes.nodes.push(Node {
            mode: Mode::Leaf,
            missing: false,
            feature: 0,
            value: T::default(),
            set: 0,
            yes: leaf,
            no: leaf + 1,
        });
    }
    give_sets(&mut nodes, branches, &exactly(&joint.members)?)?;
    for root in &joint.roots {
        nodes.roots.push(self::root(joint, *root)?);
    }
    chains::merge(&mut nodes, chains::Sharing::Any)?;
    Ok(nodes)
}

/// Numbers of the very precision of the ensemble: these lists are tensors of the input's type.
fn exactly<T: Real>(numbers: &Numbers) -> Result<Vec<T>, Refusal> {
    match numbers {
        Numbers::Singles(list) if !list.is_empty() && size_of::<T>() != size_of::<f32>() => {
            refuse("its numbers are float32, its input is float64")
        }
        _ => super::lists::in_precision(numbers),
    }
}

fn weights<T: Real>(joint: &Joint) -> Result<Vec<Weight<T>>, Refusal> {
    let values = exactly(&joint.leaf_weights)?;
    let weights = joint.leaf_targets.iter().zip(values);
    weights
        .map(|(target, value)| match u32::try_from(*target) {
            Ok(target) => Ok(Weight { target, value }),
            Err(_) => refuse("a leaf gives to a target that is not there"),
        })
        .collect()
}

fn branch<T: Real>(joint: &Joint, place: usize, value: T) -> Result<Node<T>, Refusal> {
    let mode = joint.modes.get(place).copied().unwrap_or(Mode::Leaf);
    if mode == Mode::Leaf {
        return refuse("a node's mode is none that a branch has");
    }
    let branches = joint.features.len();
    let child = |list: &[i32], is_leaf: &[bool]| -> Result<u32, Refusal> {
        let number = list.get(place).copied().unwrap_or_default();
        let is_leaf = is_leaf.get(place).copied().unwrap_or_default();
        let (offset, count) = if is_leaf {
            (branches, joint.leaf_targets.len())
        } else {
            (0, branches)
        };
        match usize::try_from(number) {
            Ok(number) if number >= count => refuse("it leads to a node that is not there"),
            Ok(number) if !is_leaf && number == place => refuse("a node is its own child"),
            Ok(number) => Ok((offset + number) as u32),
            Err(_) => refuse("it leads to a node that is not there"),
        }
    };
    Ok(Node {
        mode,
        missing: joint.missing.get(place).copied().unwrap_or_default(),
        feature: feature(mode, joint.features.get(place).copied().unwrap_or(-1))?,
        value,
        set: 0,
        yes: child(&joint.yes, &joint.yes_is_leaf)?,
        no: child(&joint.no, &joint.no_is_leaf)?,
    })
}

/// Where a tree starts. A node whose children are the same leaf stands for a tree of a leaf only.
fn root(joint: &Joint, number: i32) -> Result<u32, Refusal> {
    let branches = joint.features.len();
    let Some(place) = usize::try_from(number)
        .ok()
        .filter(|place| *place < branches)
    else {
        return refuse("it leads to a node that is not there");
    };
    let is = |list: &[bool]| list.get(place).copied().unwrap_or_default();
    let is_leaf = joint.yes.get(place) == joint.no.get(place)
        && is(&joint.yes_is_leaf)
        && is(&joint.no_is_leaf);
    if !is_leaf {
        return Ok(place as u32);
    }
    if place >= joint.leaf_targets.len() {
        return refuse("it leads to a node that is not there");
    }
    Ok((branches + place) as u32)
}

/// Hands the nodes of mode [`Mode::Member`] their sets, in the order of the list.
fn give_sets<T: Real>(nodes: &mut Nodes<T>, branches: usize, members: &[T]) -> Result<(), Refusal> {
    let mut rest = members.split(|member| is_nan(*member));
    for place in 0..branches {
        let Some(node) = nodes.nodes.get(place).copied() else {
            break;
        };
        if node.mode != Mode::Member {
            continue;
        }
        match rest.next() {
            None | Some([]) => return refuse("a set of members is empty"),
            Some(members) if is_small(members) => unroll(nodes, place, members),
            Some(members) => {
                let set = nodes.sets.number(members.iter().copied());
                if let Some(node) = nodes.nodes.get_mut(place) {
                    node.set = set;
                }
            }
        }
    }
    super::nodes::check_count(nodes.nodes.len())
}

/// Whether ONNX Runtime writes a set out as a chain.
fn is_small<T: Real>(members: &[T]) -> bool {
    let fits = |member: &T| (0.0..=30.0).contains(&member.double());
    members.len() < 31 && members.iter().all(fits)
}

/// Writes a set out: the node asks for the first member, and new nodes at the end for the others.
fn unroll<T: Real>(nodes: &mut Nodes<T>, place: usize, members: &[T]) {
    let Some(node) = nodes.nodes.get(place).copied() else {
        return;
    };
    let mut next = nodes.nodes.len() as u32;
    let mut chain = members.iter().copied().peekable();
    let mut at = place;
    while let Some(value) = chain.next() {
        let is_last = chain.peek().is_none();
        let link = Node {
            mode: Mode::Equal,
            value,
            no: if is_last { node.no } else { next },
            ..node
        };
        match nodes.nodes.get_mut(at) {
            Some(slot) => *slot = link,
            None => nodes.nodes.push(link),
        }
        at = next as usize;
        next += 1;
    }
}
