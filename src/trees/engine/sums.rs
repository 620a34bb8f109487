//! From records to their sums: how many are evaluated together, on which instructions, in which memory.
//!
//! A few records walk (`scalar.rs`); more are cut into blocks (`block.rs`).

use super::super::forest::Real;
use super::super::walk::Walk;
use super::Processor;
#[cfg(target_arch = "x86_64")]
use super::avx2::Avx2;
#[cfg(target_arch = "x86_64")]
use super::avx512::Avx512;
use super::block::blocks;
use super::compiled::Compiled;
use super::element::Element;
use super::gains::{Fold, Layout, TreeGain};
use super::instructions::MOST_LANES;
use super::levels::Levels;
use super::portable::Portable;
use super::scalar;

/// Blocks of a cut forest that are evaluated side by side, so that a tree's lower nodes are fetched into
/// the cache once for all of them, and the records in each.
const CUT_BLOCKS: usize = 16;
const CUT_LANES: usize = 128;

/// Bytes of codes and sums beyond which fewer blocks are side by side.
const MOST_BYTES: usize = 4 << 20;

/// Records from which a block pays; fewer walk.
const LEAST_RECORDS: usize = 8;

/// 64 bytes that begin at a multiple of 64, as vector loads want them.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
pub(super) struct Line([u8; 64]);

/// The memory of one evaluation, to be used again.
pub(in crate::trees) struct Scratch<T> {
    /// The block's columns that codes are made of: `[quads * 4, lanes]`.
    pub(super) columns: Vec<T>,
    /// `[blocks, columns of codes, lanes]`.
    pub(super) codes: Vec<Line>,
    /// `[slots, lanes]`.
    pub(super) slots: Vec<Line>,
    /// `[blocks, targets, lanes]` or `[blocks, lanes, pitch]`.
    pub(super) sums: Vec<T>,
    /// `[records, targets]`.
    rows: Vec<T>,
    /// The records with their places ([`super::super::walk::places`]), where they walk and need them.
    pub(super) placed: Vec<T>,
    pub(super) leaves: Box<[u32; MOST_LANES]>,
}

impl<T> Scratch<T> {
    pub(in crate::trees) fn new() -> Scratch<T> {
        Scratch {
            columns: Vec::new(),
            codes: Vec::new(),
            slots: Vec::new(),
            sums: Vec::new(),
            rows: Vec::new(),
            placed: Vec::new(),
            leaves: Box::new([0; MOST_LANES]),
        }
    }
}

/// Makes `lines` at least `bytes` long.
fn reserve(lines: &mut Vec<Line>, bytes: usize) {
    let wanted = bytes.div_ceil(64);
    if lines.len() < wanted {
        lines.resize(wanted, Line([0; 64]));
    }
}

/// The records to evaluate.
#[derive(Clone, Copy)]
pub(in crate::trees) struct Records<'a, T> {
    /// Row-major, `columns` values a record; at least as many as the forest has features.
    pub(in crate::trees) rows: &'a [T],
    pub(in crate::trees) columns: usize,
}

impl<'a, T> Records<'a, T> {
    pub(super) fn count(&self) -> usize {
        self.rows.len() / self.columns
    }

    pub(super) fn part(&self, from: usize, to: usize) -> Records<'a, T> {
        Records {
            rows: &self.rows[from * self.columns..to * self.columns],
            columns: self.columns,
        }
    }

    /// The records of one of the blocks of `lanes`.
    pub(super) fn block(&self, number: usize, lanes: usize) -> Records<'a, T> {
        let start = number * lanes;
        self.part(start, (start + lanes).min(self.count()))
    }
}

impl<T: Element> Compiled<T> {
    /// Hands the sums of the records to `each`, part by part in order, row-major `[records, targets]`.
    ///
    /// Sums are added up tree by tree from 0, in the precision of `T`. There must be at least as many
    /// columns as the forest has features, and one.
    pub(in crate::trees) fn sums(
        &self,
        records: Records<'_, T>,
        processor: Processor,
        scratch: &mut Scratch<T>,
        mut each: impl FnMut(&mut [T]),
    ) {
        assert!(
            records.columns >= self.features.max(1),
            "columns were checked"
        );
        let count = records.count();
        if count < LEAST_RECORDS && self.few(records, scratch) {
            each(&mut scratch.rows);
            return;
        }
        let part = match self.is_cut {
            true => self.cut_blocks() * CUT_LANES,
            false => MOST_LANES,
        };
        for start in (0..count).step_by(part) {
            let end = (start + part).min(count);
            let lanes = match (self.is_cut, end - start) {
                (true, CUT_LANES..) => CUT_LANES,
                (_, records) => records.next_multiple_of(64),
            };
            self.part(records.part(start, end), lanes, processor, scratch);
            each(&mut scratch.rows);
        }
    }

    /// The sums of as many records as are evaluated side by side, into `scratch.rows`.
    fn part(
        &self,
        records: Records<'_, T>,
        lanes: usize,
        processor: Processor,
        scratch: &mut Scratch<T>,
    ) {
        let blocks = records.count().div_ceil(lanes);
        let width = self.width();
        scratch
            .columns
            .resize(4 * self.quads.len() * lanes, T::default());
        reserve(&mut scratch.codes, blocks * self.coding.columns * lanes);
        reserve(&mut scratch.slots, self.program.slots.max(1) * lanes);
        scratch.sums.clear();
        scratch.sums.resize(blocks * width * lanes, T::default());
        if self.is_cut {
            self.give_places(records, scratch);
        }
        // SAFETY: the processor has the instructions (`Processor::all` asked it), the scratch memory has
        // just been made large enough, and the columns were checked by the caller.
        unsafe {
            match lanes {
                64 => self.on::<64>(records, processor, scratch),
                128 => self.on::<128>(records, processor, scratch),
                192 => self.on::<192>(records, processor, scratch),
                _ => self.on::<256>(records, processor, scratch),
            }
        }
        self.flatten(records.count(), lanes, scratch);
    }

    /// Writes the records with their places, if they walk with them.
    fn give_places(&self, records: Records<'_, T>, scratch: &mut Scratch<T>) {
        if let Some(places) = self.walk.as_ref().and_then(|walk| walk.places.as_ref()) {
            places.put(records.rows, records.columns, &mut scratch.placed);
        }
    }

    /// The records as they walk: themselves, or as [`Self::give_places`] has written them.
    pub(super) fn walking<'a>(&self, records: Records<'a, T>, placed: &'a [T]) -> Records<'a, T> {
        match self.walk.as_ref().and_then(|walk| walk.places.as_ref()) {
            Some(places) => Records {
                rows: placed,
                columns: places.columns(),
            },
            None => records,
        }
    }

    /// Blocks of a cut forest that are evaluated side by side.
    fn cut_blocks(&self) -> usize {
        let bytes = CUT_LANES * (self.coding.columns + self.width() * size_of::<T>());
        (MOST_BYTES / bytes.max(1)).clamp(1, CUT_BLOCKS)
    }

    /// Elements of sums for each record.
    pub(super) fn width(&self) -> usize {
        match self.layout {
            Layout::Columns => self.targets,
            Layout::Rows(pitch) => pitch,
        }
    }

    /// Brings sums into `[records, targets]`.
    fn flatten(&self, count: usize, lanes: usize, scratch: &mut Scratch<T>) {
        let Scratch { sums, rows, .. } = scratch;
        if self.width() == 1 {
            // Blocks stand one behind the other: that is the order of the records.
            std::mem::swap(sums, rows);
            rows.truncate(count);
            return;
        }
        rows.resize(count * self.targets, T::default());
        let blocks = sums.chunks_exact(lanes * self.width());
        for (sums, rows) in blocks.zip(rows.chunks_mut(lanes * self.targets)) {
            match self.layout {
                Layout::Columns => {
                    for (target, sums) in sums.chunks_exact(lanes).enumerate() {
                        let cells = rows.iter_mut().skip(target).step_by(self.targets);
                        cells.zip(sums).for_each(|(cell, sum)| *cell = *sum);
                    }
                }
                Layout::Rows(pitch) => {
                    let sums = sums.chunks_exact(pitch);
                    for (row, sums) in rows.chunks_exact_mut(self.targets).zip(sums) {
                        row.copy_from_slice(&sums[..self.targets]);
                    }
                }
            }
        }
    }

    /// # Safety
    /// As [`blocks`]; the machine must have the processor's instructions.
    unsafe fn on<const LANES: usize>(
        &self,
        records: Records<'_, T>,
        processor: Processor,
        scratch: &mut Scratch<T>,
    ) {
        // SAFETY: as the caller promises.
        unsafe {
            match processor {
                #[cfg(target_arch = "x86_64")]
                Processor::Avx512 => avx512::<T, LANES>(self, records, scratch),
                #[cfg(target_arch = "x86_64")]
                Processor::Avx2 => avx2::<T, LANES>(self, records, scratch),
                Processor::Portable => blocks::<T, Portable, LANES>(self, records, scratch),
            }
        }
    }

    /// The sums of a few records into `scratch.rows`; false if that is not faster than a block, or not
    /// possible.
    fn few(&self, records: Records<'_, T>, scratch: &mut Scratch<T>) -> bool {
        match (&self.levels, &self.walk) {
            (Some(levels), _) => self.go_by_levels(levels, records, scratch),
            (None, Some(walk)) => self.walk_rows(walk, records, scratch),
            (None, None) => return false,
        }
        true
    }

    /// The sums of a few records, all of whose trees are oblivious, into `scratch.rows`.
    fn go_by_levels(&self, levels: &Levels<T>, records: Records<'_, T>, scratch: &mut Scratch<T>) {
        let rows = &mut scratch.rows;
        rows.clear();
        rows.resize(records.count() * self.targets, T::default());
        let records = records.rows.chunks_exact(records.columns);
        for (record, sums) in records.zip(rows.chunks_exact_mut(self.targets)) {
            let exits = levels.exits(record).zip(&self.trees);
            match (sums, self.fold) {
                // In a register, where going through memory would be the longest wait.
                ([sum], Fold::Add) => {
                    let value = |(exit, gain): (usize, &TreeGain)| {
                        self.tables
                            .get(gain.table + exit)
                            .copied()
                            .unwrap_or_default()
                    };
                    *sum = exits
                        .map(value)
                        .fold(T::default(), |sum, value| sum + value);
                }
                (sums, _) => exits.for_each(|(exit, gain)| self.add_exit(exit, gain, sums)),
            }
        }
    }

    /// Adds what an exit of a whole tree gives.
    #[inline]
    fn add_exit(&self, exit: usize, gain: &TreeGain, sums: &mut [T]) {
        match self.layout {
            Layout::Columns => {
                for (number, (target, is_first)) in self.targets_of(gain).enumerate() {
                    let value = self.tables.get(gain.table + number * gain.pitch + exit);
                    if let (Some(value), Some(sum)) = (value, sums.get_mut(target)) {
                        self.fold.put(sum, *value, is_first);
                    }
                }
            }
            Layout::Rows(pitch) => {
                let row = self.tables.get(gain.table + exit * pitch..);
                add_row(row.unwrap_or_default(), sums);
            }
        }
    }

    /// The sums of a few records, which walk, into `scratch.rows`.
    fn walk_rows(&self, walk: &Walk<T>, records: Records<'_, T>, scratch: &mut Scratch<T>) {
        self.give_places(records, scratch);
        let Scratch { rows, placed, .. } = scratch;
        rows.clear();
        rows.resize(records.count() * self.targets, T::default());
        let add = |tree: usize, record: usize, node: usize| {
            let sums = rows.get_mut(record * self.targets..).unwrap_or_default();
            if let Some(gain) = self.trees.get(tree) {
                self.add_node(walk, node, gain, sums);
            }
        };
        let walking = self.walking(records, placed);
        // SAFETY: there are fewer records than walkers, and they have the columns (`Compiled::sums`) and
        // places.
        unsafe { scalar::walk_few(walk, walking.rows, walking.columns, add) };
    }

    /// Adds what the leaf at a node of the walk gives.
    #[inline]
    fn add_node(&self, walk: &Walk<T>, node: usize, gain: &TreeGain, sums: &mut [T]) {
        if let (Some(value), Fold::Add) = (self.node_values.get(node), self.fold) {
            if let Some(sum) = sums.get_mut(gain.first_target as usize) {
                *sum = *sum + *value;
            }
            return;
        }
        let values = self.values_of(walk, node, gain);
        match self.layout {
            Layout::Columns => {
                for (value, (target, is_first)) in values.iter().zip(self.targets_of(gain)) {
                    if let Some(sum) = sums.get_mut(target) {
                        self.fold.put(sum, *value, is_first);
                    }
                }
            }
            Layout::Rows(_) => add_row(values, sums),
        }
    }

    /// The targets that a tree gives to, and whether it is the first to do so.
    #[inline]
    pub(super) fn targets_of(&self, gain: &TreeGain) -> impl Iterator<Item = (usize, bool)> {
        let targets = self.tree_targets.get(gain.targets.clone());
        let firsts = self.firsts.get(gain.targets.clone());
        let targets = targets.unwrap_or_default().iter();
        targets
            .map(|target| *target as usize)
            .zip(firsts.unwrap_or_default().iter().copied())
    }

    /// The values of the leaf at a node of the walk.
    #[inline]
    pub(super) fn values_of(&self, walk: &Walk<T>, node: usize, gain: &TreeGain) -> &[T] {
        let width = match self.layout {
            Layout::Columns => gain.targets.len(),
            Layout::Rows(pitch) => pitch,
        };
        let leaf = walk.leaves.get(node).copied().unwrap_or_default();
        let leaf = (leaf as usize).saturating_sub(gain.first_leaf);
        let start = gain.first_value + leaf * width;
        self.values.get(start..start + width).unwrap_or_default()
    }
}

/// Adds a row of values to as many sums.
#[inline]
fn add_row<T: Real>(values: &[T], sums: &mut [T]) {
    // Eight at a time, as one vector addition or two.
    let (eights, rest) = sums.as_chunks_mut::<8>();
    let (added, rest_added) = values.as_chunks::<8>();
    for (sums, values) in eights.iter_mut().zip(added) {
        *sums = std::array::from_fn(|at| sums[at] + values[at]);
    }
    let rest_added = added
        .get(eights.len())
        .map_or(rest_added, <[T; 8]>::as_slice);
    for (sum, value) in rest.iter_mut().zip(rest_added) {
        *sum = *sum + *value;
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
unsafe fn avx512<T: Element, const LANES: usize>(
    compiled: &Compiled<T>,
    records: Records<'_, T>,
    scratch: &mut Scratch<T>,
) {
    // SAFETY: as the caller promises.
    unsafe { blocks::<T, Avx512, LANES>(compiled, records, scratch) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn avx2<T: Element, const LANES: usize>(
    compiled: &Compiled<T>,
    records: Records<'_, T>,
    scratch: &mut Scratch<T>,
) {
    // SAFETY: as the caller promises.
    unsafe { blocks::<T, Avx2, LANES>(compiled, records, scratch) }
}
