//! What leaves give, and how the sums of it stand while they grow.

use std::collections::BTreeMap;
use std::ops::Range;

use super::super::forest::{Forest, Node, Real, Tree};
use super::super::outcome::Aggregate;
use super::super::read::Refusal;

/// Targets up to which sums stand target by target, where each tree gives to several: beyond, adding a
/// leaf's whole row at once is faster. Less in forests of larger trees, whose tables are looked up in
/// memory.
const COLUMN_TARGETS: usize = 8;
const COLUMN_TARGETS_OF_LARGE_TREES: usize = 4;
/// Leaves up to which a tree counts as small there.
const SMALL_TREE: usize = 64;

/// Elements of a row of sums are filled up to a multiple of this.
const ROW: usize = 8;

const DEPENDS: &str = "it depends on the record whether a target is given to";

/// How sums stand while they grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// Target by target.
    Columns,
    /// Record by record, this many elements each.
    Rows(usize),
}

/// What one tree adds.
#[derive(Debug, Clone)]
pub(super) struct TreeGain {
    /// In [`Layout::Columns`], the targets it gives to.
    pub(super) targets: Range<usize>,
    /// The first of them.
    pub(super) first_target: u32,
    /// Where its part of `tables` begins, and how far apart its tables (or rows) are.
    pub(super) table: usize,
    pub(super) pitch: usize,
    /// Of a cut tree, its entries.
    pub(super) entries: Option<Range<usize>>,
    /// The number of its first leaf, and where that leaf's part of `values` begins.
    pub(super) first_leaf: usize,
    pub(super) first_value: usize,
}

/// How what trees give is put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fold {
    Add,
    Min,
    Max,
}

impl Fold {
    pub(super) fn of(aggregate: Aggregate) -> Fold {
        match aggregate {
            Aggregate::Sum | Aggregate::Average => Fold::Add,
            Aggregate::Min => Fold::Min,
            Aggregate::Max => Fold::Max,
        }
    }

    /// Puts a tree's value to what the trees before it came to; `is_first` if there is none.
    ///
    /// As ONNX Runtime compares: a NaN that comes first stays, later ones are passed over.
    #[inline(always)]
    pub(super) fn put<T: Real>(self, sum: &mut T, value: T, is_first: bool) {
        match self {
            Fold::Add => *sum = *sum + value,
            Fold::Min if is_first || value < *sum => *sum = value,
            Fold::Max if is_first || value > *sum => *sum = value,
            Fold::Min | Fold::Max => {}
        }
    }
}

/// Which targets trees give to.
pub(super) struct Gifts {
    /// Of each tree, sorted.
    pub(super) of_trees: Vec<Vec<u32>>,
    /// For each of these in turn, whether no tree before gives to it.
    pub(super) firsts: Vec<bool>,
    pub(super) given: Vec<bool>,
    pub(super) layout: Layout,
}

impl Gifts {
    /// # Errors
    /// [`Refusal`] if a leaf gives to a target twice, if a target is given to for some records only, or
    /// if tables of all leaves and targets would be much larger than what the leaves give.
    pub(super) fn of<T: Real>(forest: &Forest<T>, fold: Fold) -> Result<Gifts, Refusal> {
        let mut gifts = Gifts {
            of_trees: Vec::new(),
            firsts: Vec::new(),
            given: vec![false; forest.targets()],
            layout: Layout::Columns,
        };
        let mut ever = gifts.given.clone();
        let (mut is_single, mut dense, mut largest) = (true, 0_usize, 1);
        for tree in forest.trees() {
            let leaves = tree.nodes.len() / 2 + 1;
            let givers = givers(forest, tree)?;
            for (target, givers) in &givers {
                let is_always = *givers == leaves;
                if fold != Fold::Add && !is_always {
                    return Err(Refusal::new(DEPENDS));
                }
                let at = *target as usize;
                let first = ever.get_mut(at).map(|ever| std::mem::replace(ever, true));
                gifts.firsts.push(first == Some(false));
                if let Some(given) = gifts.given.get_mut(at) {
                    *given |= is_always;
                }
            }
            is_single &= givers.len() == 1;
            dense = dense.saturating_add(leaves.saturating_mul(givers.len()));
            largest = largest.max(leaves);
            gifts.of_trees.push(givers.into_keys().collect());
        }
        if gifts.given != ever {
            return Err(Refusal::new(DEPENDS));
        }
        let most = match largest {
            ..=SMALL_TREE => COLUMN_TARGETS,
            _ => COLUMN_TARGETS_OF_LARGE_TREES,
        };
        if !is_single && forest.targets() > most && fold == Fold::Add {
            let pitch = forest.targets().next_multiple_of(ROW);
            gifts.layout = Layout::Rows(pitch);
            let leaves = forest.trees().iter().map(|tree| tree.nodes.len() / 2 + 1);
            dense = leaves.sum::<usize>().saturating_mul(pitch);
        }
        match dense <= 16 * forest.weights().len() + (1 << 20) {
            true => Ok(gifts),
            false => Err(Refusal::new("its leaves give to few of very many targets")),
        }
    }
}

/// How many of the tree's leaves give to each target.
fn givers<T: Real>(forest: &Forest<T>, tree: &Tree<T>) -> Result<BTreeMap<u32, usize>, Refusal> {
    let mut givers: BTreeMap<u32, usize> = BTreeMap::new();
    let mut targets: Vec<u32> = Vec::new();
    for node in &tree.nodes {
        let Node::Leaf(leaf) = node else { continue };
        targets.clear();
        targets.extend(forest.given(leaf).iter().map(|weight| weight.target));
        targets.sort_unstable();
        if targets.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Refusal::new("a leaf gives to a target twice"));
        }
        for target in &targets {
            *givers.entry(*target).or_default() += 1;
        }
    }
    Ok(givers)
}
