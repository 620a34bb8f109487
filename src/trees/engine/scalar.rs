//! The engine's work one value at a time, for processors without vector instructions of ours and for
//! float64.

use super::super::coding::{Buckets, Ranked, biased};
use super::super::forest::{NAN_NUMBER, Real};
use super::super::walk::{MISSING, Walk, WalkNode};
use super::instructions::MOST_LANES;

/// Records that walk side by side.
const WALKERS: usize = 16;

/// Walkers where there are few records, and small trees: all wait for the last of them, whose way may be
/// much longer than that of most. Nodes of larger trees are waited for longer.
const FEW: usize = 8;

/// Nodes of a large tree.
const LARGE_TREE: usize = 128;

/// As [`super::instructions::Instructions::rank`].
///
/// # Safety
/// As there.
#[inline(never)]
pub(super) unsafe fn rank<T: Real>(
    ranked: &Ranked<T>,
    values: *const T,
    lanes: usize,
    codes: (*mut i8, *mut i8),
) {
    let search = &*ranked.search;
    // SAFETY: as the caller promises.
    unsafe {
        match (&ranked.buckets, ranked.depth) {
            (_, ..=4) => each_code(|value| find::<T, 4>(search, value), values, lanes, codes),
            (Some(buckets), _) => {
                let alike = buckets.alike;
                match alike {
                    ..=2 => each_code(|value| look::<T, 2>(buckets, value), values, lanes, codes),
                    3 => each_code(|value| look::<T, 3>(buckets, value), values, lanes, codes),
                    _ => each_code(|value| look::<T, 5>(buckets, value), values, lanes, codes),
                }
            }
            (_, 5) => each_code(|value| find::<T, 5>(search, value), values, lanes, codes),
            (_, 6) => each_code(|value| find::<T, 6>(search, value), values, lanes, codes),
            (_, 7) => each_code(|value| find::<T, 7>(search, value), values, lanes, codes),
            _ => each_code(|value| find::<T, 8>(search, value), values, lanes, codes),
        }
    }
}

/// How many thresholds are below the value, by search. It is unrolled, so that the processor goes down
/// for several values at once.
#[inline(always)]
fn find<T: Real, const DEPTH: u32>(search: &[T; 256], value: T) -> u8 {
    let mut at = 1_usize;
    for _ in 0..DEPTH {
        // SAFETY: before the last of at most 8 levels `at` is below 256.
        let node = unsafe { *search.get_unchecked(at) };
        at = 2 * at + usize::from(node < value);
    }
    (at - (1 << DEPTH)) as u8
}

/// How many thresholds are below the value, by its bucket, which has at most `ALIKE` of them.
#[inline(always)]
fn look<T: Real, const ALIKE: usize>(buckets: &Buckets<T>, value: T) -> u8 {
    // SAFETY: a bucket's number is clamped to the last; at most 255 thresholds are in lower ones, and
    // there is room for as many as a bucket may have behind them.
    unsafe {
        let lower = *buckets.lower.get_unchecked(buckets.bucket(value));
        let at = usize::from(lower);
        let below = |i: usize| u8::from(*buckets.sorted.get_unchecked(at + i) < value);
        (0..ALIKE).fold(lower, |rank, i| rank + below(i))
    }
}

#[inline(always)]
unsafe fn each_code<T: Real>(
    rank: impl Fn(T) -> u8,
    values: *const T,
    lanes: usize,
    (nan_yes, nan_no): (*mut i8, *mut i8),
) {
    for lane in 0..lanes {
        // SAFETY: the caller gives `lanes` values, and room for as many codes.
        unsafe {
            let value = *values.add(lane);
            let code = biased(rank(value));
            if !nan_yes.is_null() {
                *nan_yes.add(lane) = code;
            }
            if !nan_no.is_null() {
                *nan_no.add(lane) = if value.is_nan() { biased(255) } else { code };
            }
        }
    }
}

/// As [`super::instructions::Instructions::look_up`].
///
/// # Safety
/// As there.
#[inline(always)]
pub(super) unsafe fn look_up<T: Real>(table: &[T], exits: *const u8, lanes: usize, sums: *mut T) {
    for lane in 0..lanes {
        // SAFETY: exits are numbers of the table's entries; the caller gives `lanes` exits and sums.
        unsafe {
            let value = *table.get_unchecked(usize::from(*exits.add(lane)));
            *sums.add(lane) = *sums.add(lane) + value;
        }
    }
}

/// A walk that many records take at once, through one tree.
pub(super) struct Descent<'a, T> {
    /// The tree's nodes.
    pub(super) nodes: &'a [WalkNode<T>],
    /// The node where each exit of the top leads.
    pub(super) entries: &'a [u32],
    /// The records, row-major, with their places if there are any.
    pub(super) rows: &'a [T],
    pub(super) columns: usize,
    pub(super) records: usize,
    /// Whether any branch that compares sends NaN to yes.
    pub(super) missing: bool,
    /// The tables of questions for membership; empty where there are none.
    pub(super) words: &'a [u32],
}

impl<T: Real> Descent<'_, T> {
    /// Walks the records down from where `exits` say, and writes the nodes of their leaves.
    ///
    /// One value at a time: on the processors that we measured, gathers of nodes and values took twice
    /// as long.
    ///
    /// # Safety
    /// `exits` are as many numbers of entries as there are records, filled up to a multiple of
    /// [`WALKERS`]; entries are nodes; rows have a column for every feature of the nodes.
    pub(super) unsafe fn walk(&self, exits: *const u8, leaves: &mut [u32; MOST_LANES]) {
        // SAFETY: as the caller promises.
        unsafe {
            match (self.words, self.missing) {
                ([_, ..], _) => self.walk_with::<SETS>(exits, leaves),
                (_, true) => self.walk_with::<MISSES>(exits, leaves),
                _ => self.walk_with::<COMPARES>(exits, leaves),
            }
        }
    }

    /// Not inlined: with the instructions of the caller the compiler would gather.
    #[inline(never)]
    unsafe fn walk_with<const ASKS: u8>(&self, exits: *const u8, leaves: &mut [u32; MOST_LANES]) {
        let starts = (0..self.records).step_by(WALKERS);
        for (start, leaves) in starts.zip(leaves.chunks_mut(WALKERS)) {
            let row = |lane: usize| (start + lane).min(self.records - 1) * self.columns;
            // SAFETY: every walker has the row of a record, and its exit is the number of an entry.
            unsafe {
                let rows: [*const T; WALKERS] =
                    std::array::from_fn(|lane| self.rows.as_ptr().add(row(lane)));
                let exit = |lane| usize::from(*exits.add(start + lane));
                let mut at: [u32; WALKERS] =
                    std::array::from_fn(|lane| *self.entries.get_unchecked(exit(lane)));
                to_leaves::<T, ASKS, _>(self.nodes, self.words, &rows, &mut at);
                leaves.copy_from_slice(&at);
            }
        }
    }
}

/// Walks a few records down all trees, and hands each leaf's node to `each`: the number of the tree, the
/// number of the record, the node; each record's trees in their order.
///
/// # Safety
/// There are at most [`FEW`] records, and they have a column for every feature of the nodes.
#[inline(always)]
pub(super) unsafe fn walk_few<T: Real>(
    walk: &Walk<T>,
    records: &[T],
    columns: usize,
    each: impl FnMut(usize, usize, usize),
) {
    let has_sets = walk.places.is_some();
    let is_large = walk.nodes.len() / walk.trees.len().max(1) > LARGE_TREE;
    // SAFETY: as the caller promises.
    unsafe {
        match (has_sets, walk.missing, is_large) {
            (true, _, true) => walk_few_with::<T, SETS, WALKERS>(walk, records, columns, each),
            (true, _, false) => walk_few_with::<T, SETS, FEW>(walk, records, columns, each),
            (_, true, true) => walk_few_with::<T, MISSES, WALKERS>(walk, records, columns, each),
            (_, true, false) => walk_few_with::<T, MISSES, FEW>(walk, records, columns, each),
            (_, _, true) => walk_few_with::<T, COMPARES, WALKERS>(walk, records, columns, each),
            (_, _, false) => walk_few_with::<T, COMPARES, FEW>(walk, records, columns, each),
        }
    }
}

#[inline(always)]
unsafe fn walk_few_with<T: Real, const ASKS: u8, const WALKERS: usize>(
    walk: &Walk<T>,
    records: &[T],
    columns: usize,
    mut each: impl FnMut(usize, usize, usize),
) {
    let count = (records.len() / columns).clamp(1, WALKERS);
    let abreast = WALKERS / count;
    // Which record each walker is, and which of the group's trees it walks down.
    let mut walkers = [(0, 0); WALKERS];
    for (lane, walker) in walkers.iter_mut().enumerate() {
        *walker = (lane % count, lane / count);
    }
    // SAFETY: every walker has the row of a record.
    let rows = walkers.map(|(record, _)| unsafe { records.as_ptr().add(record * columns) });
    for (group, trees) in walk.trees.chunks(abreast).enumerate() {
        let root = |(_, tree): (usize, usize)| trees[tree.min(trees.len() - 1)].root as u32;
        let mut at = walkers.map(root);
        // SAFETY: the walk begins at roots.
        unsafe { to_leaves::<T, ASKS, _>(&walk.nodes, walk.words(), &rows, &mut at) };
        let walked = walkers.iter().zip(&at).take(trees.len() * count);
        for ((record, tree), at) in walked {
            each(group * abreast + tree, *record, *at as usize);
        }
    }
}

/// What branches of a walk may ask, each more than the one before: whether a value is at most a threshold;
/// the same, and some send NaN to yes; whether it is in a set.
const COMPARES: u8 = 0;
const MISSES: u8 = 1;
const SETS: u8 = 2;

/// Walks from nodes to leaves.
///
/// # Safety
/// `at` are numbers of nodes, and every row has a column for every feature of the nodes; where they ask for
/// sets, also the places, and `words` are the tables of the walk.
#[inline(always)]
unsafe fn to_leaves<T: Real, const ASKS: u8, const WALKERS: usize>(
    nodes: &[WalkNode<T>],
    words: &[u32],
    rows: &[*const T; WALKERS],
    at: &mut [u32; WALKERS],
) {
    loop {
        let mut moved = 0;
        for lane in 0..WALKERS {
            // SAFETY: a walk stays within its tree, and no feature is beyond the columns.
            unsafe {
                let node = nodes.get_unchecked(at[lane] as usize);
                let feature = match ASKS {
                    COMPARES => node.feature,
                    _ => node.feature & !MISSING,
                };
                let value = *rows[lane].add(usize::from(feature));
                let mut yes = match ASKS {
                    COMPARES => u32::from(value <= node.threshold),
                    _ => answer(node, value),
                };
                if ASKS == SETS {
                    yes |= member(node, value, words);
                }
                at[lane] += u32::from(node.skip) + yes;
                moved |= node.skip;
            }
        }
        if moved == 0 {
            return;
        }
    }
}

/// What a node's branch answers, 1 for yes; a leaf always answers no.
#[inline(always)]
pub(super) fn answer<T: Real>(node: &WalkNode<T>, value: T) -> u32 {
    // No `||`, which would be a jump.
    u32::from(value <= node.threshold)
        | (u32::from(value.is_nan()) & u32::from(node.feature >> MISSING.trailing_zeros()))
}

/// What a node's question for membership answers, 1 for yes; leaves and other branches have none.
///
/// # Safety
/// `words` are the tables of the node's walk; if it is such a question, `place` has the bits of a place in
/// its column.
#[inline(always)]
unsafe fn member<T: Real>(node: &WalkNode<T>, place: T, words: &[u32]) -> u32 {
    let table = match node.threshold.is_nan() {
        true => node.threshold.bits() as u32 & NAN_NUMBER,
        false => 0,
    };
    // The first word has no bits.
    let place = if table == 0 { 0 } else { place.bits() as u32 };
    // SAFETY: a table has a bit for each place of its column, and the walk has its tables' numbers from
    // the same hand (`Places::question`).
    let word = unsafe { *words.get_unchecked((table + place / 32) as usize) };
    (word >> (place % 32)) & 1
}

/// Adds to each of the sums the value of the node that its record came to.
///
/// # Safety
/// Nodes have values; there are as many sums as `lanes`.
#[inline(never)]
pub(super) unsafe fn gather<T: Real>(
    values: &[T],
    nodes: &[u32; MOST_LANES],
    lanes: usize,
    sums: *mut T,
) {
    for (lane, node) in nodes.iter().take(lanes).enumerate() {
        // SAFETY: as the caller promises.
        unsafe {
            let value = *values.get_unchecked(*node as usize);
            *sums.add(lane) = *sums.add(lane) + value;
        }
    }
}

/// Turns four rows of four into four columns.
#[inline(always)]
pub(super) fn turn<T: Real>(rows: [&[T; 4]; 4]) -> [[T; 4]; 4] {
    std::array::from_fn(|column| rows.map(|row| row[column]))
}
