//! The nodes of TreeEnsemble, which go by their places; leaves are lists of their own.

mod members;

use super::lists::all_of;
use super::nodes::{Node, Nodes, check_count, feature};
use super::sets::Sets;
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
        given_in_vain: Vec::new(),
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
    for number in &joint.roots {
        let root = root(&nodes, *number, branches)?;
        nodes.roots.push(root);
    }
    check_sharing(&nodes, branches)?;
    let large = members::unroll(&mut nodes, &exactly(&joint.members)?)?;
    chains::merge(&mut nodes, chains::Sharing::Any)?;
    members::unfold(&mut nodes, large)?;
    check_count(nodes.nodes.len())?;
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

/// Where a tree starts. A node whose children are the same leaf stands for a tree of that leaf only.
fn root<T: Real>(nodes: &Nodes<T>, number: i32, branches: usize) -> Result<u32, Refusal> {
    match u32::try_from(number) {
        Ok(place) if (place as usize) < branches => {
            let root = nodes.at(place)?;
            let is_stub = root.yes == root.no && root.yes as usize >= branches;
            Ok(if is_stub { root.yes } else { place })
        }
        _ => refuse("it leads to a node that is not there"),
    }
}

/// Refuses what ONNX Runtime refuses: two ways to one inner node of a tree, or a way back.
fn check_sharing<T: Real>(nodes: &Nodes<T>, branches: usize) -> Result<(), Refusal> {
    let mut seen = vec![0; branches];
    // Trees may share nodes with each other, which could take the square of their number to walk.
    let mut left = branches * 4 + 1024;
    for (root, tree) in nodes.roots.iter().zip(1_u32..) {
        let mut ahead = vec![*root];
        while let Some(place) = ahead.pop() {
            let Some(seen) = seen.get_mut(place as usize) else {
                continue;
            };
            if std::mem::replace(seen, tree) == tree {
                return refuse("two branches lead to the same node");
            }
            match left.checked_sub(1) {
                Some(less) => left = less,
                None => return refuse("its trees share too many nodes"),
            }
            let node = nodes.at(place)?;
            ahead.extend([node.yes, node.no]);
        }
    }
    Ok(())
}
