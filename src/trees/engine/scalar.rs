//! The engine's work one value at a time, for processors without vector instructions of ours and for
//! float64.

use super::super::coding::biased;
use super::super::forest::Real;
use super::super::walk::{MISSING, WalkNode};
use super::instructions::{Descent, MOST_LANES};

/// Values that are ranked, or records that walk, side by side.
const ABREAST: usize = 16;

/// As [`super::instructions::Instructions::rank`].
///
/// # Safety
/// As there.
#[inline(always)]
pub(super) unsafe fn rank<T: Real>(
    search: &[T; 256],
    depth: u32,
    values: *const T,
    lanes: usize,
    codes: (*mut i8, *mut i8),
) {
    for start in (0..lanes).step_by(ABREAST) {
        // SAFETY: the caller gives `lanes` values, a multiple of ABREAST.
        let values: &[T; ABREAST] = unsafe { &*values.add(start).cast() };
        let mut at = [1_usize; ABREAST];
        for _ in 0..depth {
            for (at, value) in at.iter_mut().zip(values) {
                *at = 2 * *at + usize::from(search[*at & 0xff] < *value);
            }
        }
        let code = |lane: usize| biased((at[lane] - (1 << depth)) as u8);
        if !codes.0.is_null() {
            for lane in 0..ABREAST {
                // SAFETY: the caller gives room for `lanes` codes.
                unsafe { *codes.0.add(start + lane) = code(lane) };
            }
        }
        if !codes.1.is_null() {
            for (lane, value) in values.iter().enumerate() {
                let code = if value.is_nan() { biased(255) } else { code(lane) };
                // SAFETY: the caller gives room for `lanes` codes.
                unsafe { *codes.1.add(start + lane) = code };
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
            *sums.add(lane) = (*sums.add(lane)).plus(value);
        }
    }
}

/// As [`super::instructions::Instructions::descend`].
///
/// # Safety
/// As there.
#[inline(always)]
pub(super) unsafe fn descend<T: Real>(
    descent: &Descent<'_, T>,
    records: usize,
    exits: *const u8,
    lanes: usize,
    leaves: &mut [u32; MOST_LANES],
) {
    for start in (0..lanes).step_by(ABREAST) {
        let row = |lane: usize| (start + lane).min(records - 1) * descent.columns;
        let starts: [usize; ABREAST] = std::array::from_fn(row);
        let mut at: [u32; ABREAST] = std::array::from_fn(|lane| {
            // SAFETY: the caller gives `lanes` exits, each the number of an entry.
            unsafe { *descent.entries.get_unchecked(usize::from(*exits.add(start + lane))) }
        });
        for step in 0..descent.farthest {
            let mut moved = 0;
            for (at, row) in at.iter_mut().zip(&starts) {
                // SAFETY: a walk stays within its tree, and no feature is beyond the columns.
                unsafe {
                    let node = descent.nodes.get_unchecked(*at as usize);
                    let feature = usize::from(node.feature & !MISSING);
                    let value = *descent.rows.get_unchecked(row + feature);
                    *at += u32::from(node.skip) + u32::from(answers_yes(node, value));
                    moved |= node.skip;
                }
            }
            if step >= descent.nearest && moved == 0 {
                break;
            }
        }
        leaves[start..start + ABREAST].copy_from_slice(&at);
    }
}

/// What a node's branch answers; a leaf always no.
#[inline(always)]
pub(super) fn answers_yes<T: Real>(node: &WalkNode<T>, value: T) -> bool {
    value <= node.threshold || (value.is_nan() && node.feature & MISSING != 0)
}

/// As [`super::instructions::Instructions::gather`].
///
/// # Safety
/// As there.
#[inline(always)]
pub(super) unsafe fn gather<T: Real>(
    values: &[T],
    nodes: &[u32; MOST_LANES],
    lanes: usize,
    sums: *mut T,
) {
    for (lane, node) in nodes.iter().take(lanes).enumerate() {
        // SAFETY: the nodes are of the tree whose values these are; the caller gives `lanes` sums.
        unsafe {
            let value = *values.get_unchecked(*node as usize);
            *sums.add(lane) = (*sums.add(lane)).plus(value);
        }
    }
}
