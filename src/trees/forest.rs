//! The canonical form of a tree ensemble's trees: what is left when every operator version, branch
//! mode and node numbering has been read.
//!
//! A [`Forest`] is only made by [`Forest::new`], which checks what the engines rely on: each tree is a
//! tree, its nodes stand breadth first, and no number points out of its list.

use std::fmt;
use std::ops::{Add, Div, Mul, Neg, Range};

/// The bits of a NaN that carry a number ([`Real::nan_with`]).
pub const NAN_NUMBER: u32 = (1 << 22) - 1;

/// A number of the precision that an ensemble is computed in: `f32` or `f64`.
pub trait Real:
    Copy
    + PartialOrd
    + Default
    + Send
    + Sync
    + fmt::Debug
    + Add<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + 'static
{
    const INFINITY: Self;
    const NAN: Self;

    /// Whether this is NaN.
    fn is_nan(self) -> bool;

    /// This number without its fraction, as far as `most`; 0 for negative numbers and NaN.
    fn clamped(self, most: usize) -> usize;

    /// This number as a float32, rounded to the nearest.
    fn single(self) -> f32;

    /// This number as a float64, which is exact.
    fn double(self) -> f64;

    /// A float32 in this precision, which is exact.
    fn of_single(value: f32) -> Self;

    /// The number of this precision that is nearest to a float64.
    fn of_double(value: f64) -> Self;

    /// The next lower number; negative infinity and NaN stay.
    fn next_lower(self) -> Self;

    /// The bits, in the low end.
    fn bits(self) -> u64;

    /// The number of these bits: zero, or a very small one.
    fn of_bits(bits: u32) -> Self;

    /// A NaN that carries a number, of [`NAN_NUMBER`]'s bits. [`Real::NAN`] carries 0.
    fn nan_with(number: u32) -> Self;
}

macro_rules! real {
    ($type:ty, $bits:ty) => {
        impl Real for $type {
            const INFINITY: Self = Self::INFINITY;
            const NAN: Self = Self::NAN;

            #[inline(always)]
            fn is_nan(self) -> bool {
                self.is_nan()
            }

            #[inline(always)]
            fn clamped(self, most: usize) -> usize {
                // As an i32, which is one instruction; the comparisons are one each, too.
                let most = most as $type;
                let low = if self > 0.0 { self } else { 0.0 };
                (if low < most { low } else { most }) as i32 as usize
            }

            #[inline]
            fn single(self) -> f32 {
                self as f32
            }

            #[inline]
            fn double(self) -> f64 {
                self.into()
            }

            #[inline]
            fn of_single(value: f32) -> Self {
                value as $type
            }

            #[inline]
            fn of_double(value: f64) -> Self {
                value as $type
            }

            fn next_lower(self) -> Self {
                self.next_down()
            }

            #[inline(always)]
            fn bits(self) -> u64 {
                self.to_bits().into()
            }

            #[inline(always)]
            fn of_bits(bits: u32) -> Self {
                <$type>::from_bits(bits.into())
            }

            fn nan_with(number: u32) -> Self {
                <$type>::from_bits(Self::NAN.to_bits() | <$bits>::from(number & NAN_NUMBER))
            }
        }
    };
}

real!(f32, u32);
real!(f64, u64);

/// The trees of one ensemble.
#[derive(Debug, Clone, PartialEq)]
pub struct Forest<T> {
    trees: Vec<Tree<T>>,
    weights: Vec<Weight<T>>,
    sets: Vec<Vec<T>>,
    features: usize,
    targets: usize,
}

/// One tree: its root first, every level before the next, both children of a branch side by side.
#[derive(Debug, Clone, PartialEq)]
pub struct Tree<T> {
    pub nodes: Vec<Node<T>>,
}

/// A node of a tree.
#[derive(Debug, Clone, PartialEq)]
pub enum Node<T> {
    Branch(Branch<T>),
    /// What the leaf gives: a range of [`Forest::weights`], which is never empty.
    Leaf(Range<u32>),
}

/// A question about one feature, and where each answer leads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Branch<T> {
    /// The column of the input.
    pub feature: u32,
    pub test: Test<T>,
    /// Whether NaN goes to `yes`.
    pub missing: bool,
    /// Node numbers in the tree; `no` is `yes + 1`.
    pub yes: u32,
    pub no: u32,
}

/// What a branch asks of a feature's value; of NaN it asks nothing (`Branch::missing`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Test<T> {
    /// Whether the value is at most this (never NaN).
    AtMost(T),
    /// Whether the value is in the set of this number, by `==`.
    In(u32),
}

/// What a leaf adds to one target (or class).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weight<T> {
    pub target: u32,
    pub value: T,
}

/// Why lists are not a forest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAForest(pub &'static str);

impl<T: Real> Forest<T> {
    /// Checks and keeps the trees.
    ///
    /// `weights` are those of all leaves, in the order in which the runtime adds them; `sets` are what
    /// [`Test::In`] names, each sorted and without NaN; `targets` is the number of targets or classes.
    ///
    /// # Errors
    /// [`NotAForest`] if a tree is empty, a node is no child or the child of two, a level is out of
    /// order, or a number points out of its list.
    pub fn new(
        trees: Vec<Tree<T>>,
        weights: Vec<Weight<T>>,
        sets: Vec<Vec<T>>,
        targets: usize,
    ) -> Result<Forest<T>, NotAForest> {
        let mut forest = Forest {
            trees,
            weights,
            sets,
            features: 0,
            targets,
        };
        for tree in &forest.trees {
            forest.check(tree)?;
        }
        if forest.weights.iter().any(|w| w.target as usize >= targets) {
            return Err(NotAForest("a leaf gives to a target that is not there"));
        }
        let unsorted = |set: &Vec<T>| !set.is_sorted() || set.iter().any(|value| value.is_nan());
        if forest.sets.iter().any(unsorted) {
            return Err(NotAForest("a set of values is not sorted"));
        }
        forest.features = forest
            .branches()
            .map(|branch| branch.feature as usize + 1)
            .max()
            .unwrap_or(0);
        Ok(forest)
    }

    fn check(&self, tree: &Tree<T>) -> Result<(), NotAForest> {
        // Breadth first, children in pairs: the next branch's children are the next two nodes.
        let mut next = 1_usize;
        for node in &tree.nodes {
            match node {
                Node::Branch(branch) => {
                    let pair = (branch.yes as usize, branch.no as usize);
                    if pair != (next, next + 1) {
                        return Err(NotAForest("nodes do not stand breadth first"));
                    }
                    next += 2;
                    self.check_test(branch)?;
                }
                Node::Leaf(range) => {
                    let end = range.end as usize;
                    if range.is_empty() || end > self.weights.len() {
                        return Err(NotAForest("a leaf has no weights"));
                    }
                }
            }
        }
        if next != tree.nodes.len() {
            return Err(NotAForest(
                "a node belongs to no branch, or a branch lacks one",
            ));
        }
        Ok(())
    }

    fn check_test(&self, branch: &Branch<T>) -> Result<(), NotAForest> {
        match branch.test {
            Test::AtMost(threshold) if threshold.is_nan() => Err(NotAForest("a threshold is NaN")),
            Test::In(set) if set as usize >= self.sets.len() => {
                Err(NotAForest("a set of values is not there"))
            }
            _ => Ok(()),
        }
    }

    /// The trees, in the order in which the runtime adds what they give.
    pub fn trees(&self) -> &[Tree<T>] {
        &self.trees
    }

    /// What all leaves give.
    pub fn weights(&self) -> &[Weight<T>] {
        &self.weights
    }

    /// What one leaf gives. With a single target, ONNX Runtime takes the first weight of a leaf and no
    /// other.
    pub fn given(&self, leaf: &Range<u32>) -> &[Weight<T>] {
        let range = leaf.start as usize..leaf.end as usize;
        let given = self.weights.get(range).unwrap_or_default();
        match self.targets {
            1 => given.get(..1).unwrap_or_default(),
            _ => given,
        }
    }

    /// The sets of values that branches name, each sorted.
    pub fn sets(&self) -> &[Vec<T>] {
        &self.sets
    }

    /// How many columns the input must have at least.
    pub fn features(&self) -> usize {
        self.features
    }

    /// How many targets or classes there are.
    pub fn targets(&self) -> usize {
        self.targets
    }

    /// Every branch of every tree.
    pub fn branches(&self) -> impl Iterator<Item = &Branch<T>> {
        let nodes = self.trees.iter().flat_map(|tree| &tree.nodes);
        nodes.filter_map(|node| match node {
            Node::Branch(branch) => Some(branch),
            Node::Leaf(_) => None,
        })
    }
}
