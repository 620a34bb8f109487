//! One pass over blocks of records: columns, codes, exits, sums.
//!
//! Everything here is generic over the instruction set and inlined into one function for each; all
//! numbers were checked when the forest was compiled.

use super::super::categories::Answers;
use super::super::coding::biased;
use super::super::forest::Real;
use super::super::program::{Exits, Kind, Op, Run};
use super::compiled::Compiled;
use super::element::Element;
use super::gains::{Fold, Layout, TreeGain};
use super::instructions::{Instructions, MOST_LANES};
use super::scalar::{self, Descent};
use super::sums::{Records, Scratch};

/// Evaluates blocks of `LANES` records side by side.
///
/// # Safety
/// The scratch memory has room for all of them (`Compiled::part`), and zeros for sums.
#[inline(always)]
pub(super) unsafe fn blocks<T: Element, I: Instructions, const LANES: usize>(
    compiled: &Compiled<T>,
    records: Records<'_, T>,
    scratch: &mut Scratch<T>,
) {
    let count = records.count();
    let blocks = count.div_ceil(LANES);
    let code_bytes = compiled.coding.columns * LANES;
    let width = compiled.width() * LANES;
    let codes: *mut u8 = scratch.codes.as_mut_ptr().cast();
    let slots: *mut u8 = scratch.slots.as_mut_ptr().cast();
    let sums = scratch.sums.as_mut_ptr();
    let walking = compiled.walking(records, &scratch.placed);
    // SAFETY: all offsets are within what `Compiled::part` made room for; numbers of columns, slots and
    // tables are sound (`Compiled::is_sound`).
    unsafe {
        for number in 0..blocks {
            transpose::<T, LANES>(
                &compiled.quads,
                records.block(number, LANES),
                &mut scratch.columns,
            );
            let codes = codes.add(number * code_bytes);
            code::<T, I, LANES>(compiled, &scratch.columns, codes);
        }
        for group in &compiled.program.groups {
            for number in 0..blocks {
                let codes = codes.add(number * code_bytes);
                for run in &compiled.program.runs[group.runs.clone()] {
                    I::execute::<LANES>(run, &compiled.program.ops, codes, slots);
                }
                let sums = sums.add(number * width);
                for tree in group.trees.clone() {
                    let exits = exits::<T, I, LANES>(compiled, tree, codes, slots);
                    let gain = &compiled.trees[tree];
                    if gain.entries.is_some() {
                        let leaves = &mut scratch.leaves;
                        let block = walking.block(number, LANES);
                        below::<T, I, LANES>(compiled, tree, block, exits, leaves, sums);
                    } else {
                        add::<T, I, LANES>(compiled, gain, exits, sums);
                    }
                }
            }
        }
    }
}

/// Turns the records' groups of four columns on their side: `[4 * quads, LANES]`. Lanes without a record
/// keep what they had.
#[inline(always)]
fn transpose<'a, T: Element, const LANES: usize>(
    quads: &[u32],
    records: Records<'a, T>,
    columns: &mut [T],
) {
    let width = records.columns;
    let mut fours = records.rows.chunks_exact(4 * width);
    let mut lane = 0;
    // Four records by four columns at a time, and along the records: they are read in their order.
    for rows in &mut fours {
        let (a, rest) = rows.split_at(width);
        let (b, rest) = rest.split_at(width);
        let (c, d) = rest.split_at(width);
        for (quad, to) in quads.iter().zip(columns.chunks_exact_mut(4 * LANES)) {
            let first = 4 * *quad as usize;
            let four = |row: &'a [T]| row.get(first..)?.first_chunk();
            if let (Some(a), Some(b), Some(c), Some(d)) = (four(a), four(b), four(c), four(d)) {
                let turned = T::turn([a, b, c, d]);
                for (to, column) in to.chunks_exact_mut(LANES).zip(turned) {
                    if let Some(to) = to.get_mut(lane..).and_then(|to| to.first_chunk_mut()) {
                        *to = column;
                    }
                }
            } else {
                for (row, lane) in [a, b, c, d].into_iter().zip(lane..) {
                    turn(row, first, lane, to.chunks_exact_mut(LANES));
                }
            }
        }
        lane += 4;
    }
    for (row, lane) in fours.remainder().chunks_exact(width).zip(lane..) {
        for (quad, to) in quads.iter().zip(columns.chunks_exact_mut(4 * LANES)) {
            turn(row, 4 * *quad as usize, lane, to.chunks_exact_mut(LANES));
        }
    }
}

/// Writes up to four values of one record, from `first` on, into their columns.
fn turn<'a, T: Real>(
    row: &[T],
    first: usize,
    lane: usize,
    columns: impl Iterator<Item = &'a mut [T]>,
) {
    for (value, to) in row.get(first..).unwrap_or_default().iter().zip(columns) {
        if let Some(to) = to.get_mut(lane) {
            *to = *value;
        }
    }
}

/// Makes the codes of a block.
///
/// # Safety
/// As [`blocks`].
#[inline(always)]
unsafe fn code<T: Element, I: Instructions, const LANES: usize>(
    compiled: &Compiled<T>,
    columns: &[T],
    codes: *mut u8,
) {
    let to = |column: Option<u16>| match column {
        // SAFETY: there is room for every column's codes.
        Some(column) => unsafe { codes.add(usize::from(column) * LANES).cast::<i8>() },
        None => std::ptr::null_mut(),
    };
    let mut places = compiled.places.iter();
    for (ranked, place) in compiled.coding.ranked.iter().zip(&mut places) {
        let values = &columns[place * LANES..][..LANES];
        let to = (to(ranked.nan_yes), to(ranked.nan_no));
        // SAFETY: LANES values, room for LANES codes.
        unsafe { T::rank::<I>(ranked, values.as_ptr(), LANES, to) };
    }
    for (category, place) in compiled.coding.categories.iter().zip(places) {
        let values = &columns[place * LANES..][..LANES];
        let column = |number: u16| {
            // SAFETY: there is room for LANES bytes of every column.
            unsafe { codes.add(usize::from(number) * LANES) }
        };
        let (low, high) = (column(category.low), category.high.map(column));
        // SAFETY: as above; nothing else is a reference to these columns.
        let (lows, highs) = unsafe {
            let bytes = |at: *mut u8| std::slice::from_raw_parts_mut(at, LANES);
            (bytes(low), high.map(bytes))
        };
        category.values.put(values, lows, highs);
        let places = (low.cast_const(), high.map(|high| high.cast_const()));
        for member in &category.members {
            let answers = &member.answers;
            // SAFETY: as above.
            unsafe { ask::<I, LANES>(answers, places, column(member.column)) };
        }
    }
}

/// Writes what a question for membership answers to places, as codes: 0 for yes, 1 for no.
///
/// # Safety
/// The columns have LANES bytes, which WIDTH divides.
#[inline(always)]
unsafe fn ask<I: Instructions, const LANES: usize>(
    answers: &Answers,
    (low, high): (*const u8, Option<*const u8>),
    codes: *mut u8,
) {
    let (yes, no) = (biased(0).cast_unsigned(), biased(1).cast_unsigned());
    // SAFETY: as the caller promises.
    unsafe {
        let (no, less) = (I::splat(no), I::splat(yes.wrapping_sub(no)));
        for at in (0..LANES).step_by(I::WIDTH) {
            let places = I::load(low.add(at));
            let mut found = no;
            if let Some((page, place)) = &answers.only {
                let hits = I::keep(I::same(places, I::splat(*place)), less);
                found = I::add(found, of_page::<I>(hits, high, *page, at));
            } else {
                for (page, table) in &answers.pages {
                    let hits = I::keep(I::has(table, places), less);
                    found = I::add(found, of_page::<I>(hits, high, *page, at));
                }
            }
            I::store(found, codes.add(at));
        }
    }
}

/// `hits` where the high bytes of the places, if they have any, are those of the page; else 0.
///
/// # Safety
/// There are WIDTH high bytes from `at` on.
#[inline(always)]
unsafe fn of_page<I: Instructions>(
    hits: I::Bytes,
    high: Option<*const u8>,
    page: u8,
    at: usize,
) -> I::Bytes {
    match high {
        // SAFETY: as the caller promises.
        Some(high) => unsafe { I::keep(I::same(I::load(high.add(at)), I::splat(page)), hits) },
        None => hits,
    }
}

/// Executes a run of operations.
///
/// # Safety
/// As [`blocks`].
#[inline(always)]
pub(super) unsafe fn execute<I: Instructions, const LANES: usize>(
    run: &Run,
    ops: &[Op],
    codes: *const u8,
    slots: *mut u8,
) {
    // SAFETY: columns and slots are sound, each has LANES bytes, which WIDTH divides.
    unsafe {
        let column = |number: u16| codes.add(usize::from(number) * LANES);
        let slot = |number: u16| slots.add(usize::from(number) * LANES);
        let splat = |byte: i8| I::splat(byte.cast_unsigned());
        let (one, two, three) = (I::splat(1), I::splat(2), I::splat(3));
        let above = |codes: *const u8, at: usize, than| I::above(I::load(codes.add(at)), than);
        let pair = |codes: *const u8, at: usize, than| I::keep(above(codes, at, than), one);
        macro_rules! each {
            ($op:ident, $at:ident, { $($name:ident = $value:expr),* } $result:expr) => {
                for $op in &ops[run.ops.clone()] {
                    let (branch, than, out) = (column($op.column), splat($op.than), slot($op.out));
                    $(let $name = $value;)*
                    for $at in (0..LANES).step_by(I::WIDTH) {
                        let no = above(branch, $at, than);
                        I::store($result(no), out.add($at));
                    }
                }
            };
        }
        match run.kind {
            Kind::Exits => each!(op, at, {} | no | I::keep(no, one)),
            Kind::ExitSlot => each!(
                op,
                at,
                { below = slot(op.no) } | no | { I::keep(no, I::add(I::load(below.add(at)), one)) }
            ),
            Kind::SlotExit => {
                each!(op, at, { below = slot(op.yes), left = I::splat(op.left) } |no| {
                    I::choose(no, left, I::load(below.add(at)))
                })
            }
            Kind::Slots => each!(op, at, {
                yes = slot(op.yes), right = slot(op.no), left = I::splat(op.left)
            } |no| {
                I::choose(no, I::add(I::load(right.add(at)), left), I::load(yes.add(at)))
            }),
            Kind::Pairs => each!(op, at, {
                yes = column(op.yes), yes_than = splat(op.yes_than),
                right = column(op.no), no_than = splat(op.no_than)
            } |no| {
                let high = I::choose(above(right, at, no_than), three, two);
                I::choose(no, high, pair(yes, at, yes_than))
            }),
            Kind::ExitPair => {
                each!(op, at, { right = column(op.no), no_than = splat(op.no_than) } |no| {
                    I::keep(no, I::choose(above(right, at, no_than), two, one))
                })
            }
            Kind::PairExit => {
                each!(op, at, { yes = column(op.yes), yes_than = splat(op.yes_than) } |no| {
                    I::choose(no, two, pair(yes, at, yes_than))
                })
            }
        }
    }
}

/// Where the numbers of the exits are at which the records leave a tree's top.
///
/// # Safety
/// As [`blocks`].
#[inline(always)]
unsafe fn exits<T: Real, I: Instructions, const LANES: usize>(
    compiled: &Compiled<T>,
    tree: usize,
    codes: *const u8,
    slots: *mut u8,
) -> *const u8 {
    // SAFETY: slots and columns are sound.
    unsafe {
        match &compiled.program.exits[tree] {
            Exits::Slot(slot) => slots.add(usize::from(*slot) * LANES),
            Exits::Only => {
                slots.write_bytes(0, LANES);
                slots
            }
            Exits::Levels(levels) => {
                let levels = &compiled.program.levels[levels.clone()];
                for at in (0..LANES).step_by(I::WIDTH) {
                    let mut exits = I::splat(0);
                    for (level, (column, than)) in levels.iter().enumerate() {
                        let codes = I::load(codes.add(usize::from(*column) * LANES + at));
                        let no = I::above(codes, I::splat(than.cast_unsigned()));
                        let bit = 1_u8.unbounded_shl((levels.len() - 1 - level) as u32);
                        exits = I::add(exits, I::keep(no, I::splat(bit)));
                    }
                    I::store(exits, slots.add(at));
                }
                slots
            }
        }
    }
}

/// Adds what a whole tree's exits give.
///
/// # Safety
/// As [`blocks`].
#[inline(always)]
unsafe fn add<T: Element, I: Instructions, const LANES: usize>(
    compiled: &Compiled<T>,
    gain: &TreeGain,
    exits: *const u8,
    sums: *mut T,
) {
    // SAFETY: every exit has its entry or row in the tables, which end with room for a register.
    unsafe {
        match compiled.layout {
            Layout::Columns => {
                for (number, (target, is_first)) in compiled.targets_of(gain).enumerate() {
                    let table = &compiled.tables[gain.table + number * gain.pitch..][..gain.pitch];
                    let sums = sums.add(target * LANES);
                    match compiled.fold {
                        Fold::Add => T::look_up::<I>(table, exits, LANES, sums),
                        fold => {
                            for lane in 0..LANES {
                                let value = *table.get_unchecked(usize::from(*exits.add(lane)));
                                fold.put(&mut *sums.add(lane), value, is_first);
                            }
                        }
                    }
                }
            }
            Layout::Rows(pitch) => {
                let rows = compiled.tables.as_ptr().add(gain.table);
                for lane in 0..LANES {
                    let row = rows.add(usize::from(*exits.add(lane)) * pitch);
                    add_row(row, pitch, sums.add(lane * pitch));
                }
            }
        }
    }
}

/// Adds a row of `pitch` values, a multiple of 8.
///
/// # Safety
/// Both are `pitch` elements long.
#[inline(always)]
unsafe fn add_row<T: Real>(row: *const T, pitch: usize, sums: *mut T) {
    for at in (0..pitch).step_by(8) {
        // SAFETY: pitch is a multiple of 8.
        unsafe {
            let (values, sums) = (row.add(at).cast::<[T; 8]>(), sums.add(at).cast::<[T; 8]>());
            let added: [T; 8] = std::array::from_fn(|i| (*sums)[i] + (*values)[i]);
            *sums = added;
        }
    }
}

/// Walks a cut tree from its exits down, and adds what the leaves give.
///
/// # Safety
/// As [`blocks`]; the records have their places, if the walk asks for them.
#[inline(always)]
unsafe fn below<T: Element, I: Instructions, const LANES: usize>(
    compiled: &Compiled<T>,
    tree: usize,
    records: Records<'_, T>,
    exits: *const u8,
    leaves: &mut [u32; MOST_LANES],
    sums: *mut T,
) {
    // A cut forest has a walk.
    let Some(walk) = &compiled.walk else { return };
    let (gain, root) = (&compiled.trees[tree], walk.trees[tree].root);
    let entries = gain.entries.clone().unwrap_or_default();
    let count = records.count();
    let descent = Descent {
        nodes: &walk.nodes[root..],
        entries: &compiled.entries[entries],
        rows: records.rows,
        columns: records.columns,
        records: count,
        missing: walk.missing,
        words: walk.words(),
    };
    // SAFETY: entries are nodes of the tree; there are exits for LANES records, and sums for each target.
    unsafe {
        descent.walk(exits, leaves);
        let values = compiled.node_values.get(root..).unwrap_or_default();
        if !values.is_empty() && compiled.fold == Fold::Add {
            let sums = sums.add(gain.first_target as usize * LANES);
            scalar::gather(values, leaves, count, sums);
            return;
        }
        for (lane, leaf) in leaves.iter().take(count).enumerate() {
            let values = compiled.values_of(walk, root + *leaf as usize, gain);
            match compiled.layout {
                Layout::Columns => {
                    for (value, (target, is_first)) in values.iter().zip(compiled.targets_of(gain))
                    {
                        let sum = &mut *sums.add(target * LANES + lane);
                        compiled.fold.put(sum, *value, is_first);
                    }
                }
                Layout::Rows(pitch) => add_row(values.as_ptr(), pitch, sums.add(lane * pitch)),
            }
        }
    }
}
