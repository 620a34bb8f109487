//! What both families of attributes come to before trees are grown: nodes by place.

use std::ops::Range;

use super::sets::Sets;
use super::{Refusal, refuse};
use crate::trees::attributes::Mode;
use crate::trees::forest::{Real, Weight};

/// More nodes than any ensemble has, and few enough for every count to fit 32 bits.
const MOST: usize = 1 << 28;

/// All nodes of an ensemble.
#[derive(Debug)]
pub(super) struct Nodes<T> {
    pub nodes: Vec<Node<T>>,
    /// The places of the roots, in the order in which trees are evaluated.
    pub roots: Vec<u32>,
    /// Each leaf's one after the other.
    pub weights: Vec<Weight<T>>,
    pub sets: Sets<T>,
    /// The places of branches that were given weights, which come to nothing.
    pub given_in_vain: Vec<u32>,
}

/// A node as the attributes have it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node<T> {
    pub mode: Mode,
    pub missing: bool,
    pub feature: u32,
    pub value: T,
    /// Of a node of mode [`Mode::Member`]: the number of its set.
    pub set: u32,
    /// Of a branch: where its children are; of a leaf: where its weights begin and end.
    pub yes: u32,
    pub no: u32,
}

impl<T> Node<T> {
    pub(super) fn is_leaf(&self) -> bool {
        self.mode == Mode::Leaf
    }

    /// The weights of a leaf.
    pub(super) fn weights(&self) -> Range<usize> {
        self.yes as usize..self.no as usize
    }
}

impl<T: Real> Nodes<T> {
    /// The node at a place, which is one of the list's own.
    pub(super) fn at(&self, place: u32) -> Result<&Node<T>, Refusal> {
        match self.nodes.get(place as usize) {
            Some(node) => Ok(node),
            None => refuse("it leads to a node that is not there"),
        }
    }
}

/// Refuses counts of nodes, leaves or weights that do not fit.
pub(super) fn check_count(count: usize) -> Result<(), Refusal> {
    match count {
        0 => refuse("it has no trees"),
        1..=MOST => Ok(()),
        _ => refuse("it has more nodes than fit"),
    }
}

/// The column that a branch asks for; leaves' do not matter.
pub(super) fn feature(mode: Mode, number: i32) -> Result<u32, Refusal> {
    match u32::try_from(number) {
        Ok(feature) => Ok(feature),
        Err(_) if mode == Mode::Leaf => Ok(0),
        Err(_) => refuse("it asks for a feature below 0"),
    }
}
