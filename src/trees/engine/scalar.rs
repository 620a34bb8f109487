//! The engine's work one value at a time, for processors without vector instructions of ours and for
//! float64.

use super::super::coding::biased;
use super::super::forest::Real;
use super::super::walk::{MISSING, WalkNode};
use super::instructions::{Descent, MOST_LANES};

/// Records that walk side by side.
const WALKERS: usize = 16;

/// As [`super::instructions::Instructions::rank`].
///
/// # Safety
/// As there.
#[inline(never)]
pub(super) unsafe fn rank<T: Real>(
    search: &[T; 256],
    depth: u32,
    values: *const T,
    lanes: usize,
    codes: (*mut i8, *mut i8),
) {
    // SAFETY: as the caller promises.
    unsafe {
        match depth {
            ..=4 => rank_at::<T, 4>(search, values, lanes, codes),
            5 => rank_at::<T, 5>(search, values, lanes, codes),
            6 => rank_at::<T, 6>(search, values, lanes, codes),
            7 => rank_at::<T, 7>(search, values, lanes, codes),
            _ => rank_at::<T, 8>(search, values, lanes, codes),
        }
    }
}

/// The search is unrolled, so that the processor goes down for several values at once.
#[inline(always)]
unsafe fn rank_at<T: Real, const DEPTH: u32>(
    search: &[T; 256],
    values: *const T,
    lanes: usize,
    (nan_yes, nan_no): (*mut i8, *mut i8),
) {
    let code = |value: T| {
        let mut at = 1_usize;
        for _ in 0..DEPTH {
            // SAFETY: before the last of at most 8 levels `at` is below 256.
            let node = unsafe { *search.get_unchecked(at) };
            at = 2 * at + usize::from(node < value);
        }
        biased((at - (1 << DEPTH)) as u8)
    };
    for lane in 0..lanes {
        // SAFETY: the caller gives `lanes` values, and room for as many codes.
        unsafe {
            let value = *values.add(lane);
            let code = code(value);
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
            *sums.add(lane) = (*sums.add(lane)).plus(value);
        }
    }
}

/// As [`super::instructions::Instructions::descend`].
///
/// # Safety
/// As there.
pub(super) unsafe fn descend<T: Real>(
    descent: &Descent<'_, T>,
    records: usize,
    exits: *const u8,
    lanes: usize,
    leaves: &mut [u32; MOST_LANES],
) {
    // SAFETY: as the caller promises.
    unsafe {
        match descent.missing {
            true => descend_with::<T, true>(descent, records, exits, lanes, leaves),
            false => descend_with::<T, false>(descent, records, exits, lanes, leaves),
        }
    }
}

/// Not inlined: with the instructions of the caller the compiler would gather, which is slower.
#[inline(never)]
unsafe fn descend_with<T: Real, const MISSES: bool>(
    descent: &Descent<'_, T>,
    records: usize,
    exits: *const u8,
    lanes: usize,
    leaves: &mut [u32; MOST_LANES],
) {
    let nodes = descent.nodes.as_ptr();
    for start in (0..lanes).step_by(WALKERS) {
        let row = |lane: usize| (start + lane).min(records - 1) * descent.columns;
        // SAFETY: every lane is that of a record.
        let rows: [*const T; WALKERS] =
            std::array::from_fn(|lane| unsafe { descent.rows.as_ptr().add(row(lane)) });
        let mut at: [u32; WALKERS] = std::array::from_fn(|lane| {
            // SAFETY: the caller gives `lanes` exits, each the number of an entry.
            unsafe { *descent.entries.get_unchecked(usize::from(*exits.add(start + lane))) }
        });
        for step in 0..descent.farthest {
            let mut moved = 0;
            for lane in 0..WALKERS {
                // SAFETY: a walk stays within its tree, and no feature is beyond the columns.
                unsafe {
                    let node = &*nodes.add(at[lane] as usize);
                    let yes = if MISSES {
                        answer(node, *rows[lane].add(usize::from(node.feature & !MISSING)))
                    } else {
                        u32::from(*rows[lane].add(usize::from(node.feature)) <= node.threshold)
                    };
                    at[lane] += u32::from(node.skip) + yes;
                    moved |= node.skip;
                }
            }
            if step >= descent.nearest && moved == 0 {
                break;
            }
        }
        leaves[start..start + WALKERS].copy_from_slice(&at);
    }
}

/// What a node's branch answers, 1 for yes; a leaf always answers no.
#[inline(always)]
pub(super) fn answer<T: Real>(node: &WalkNode<T>, value: T) -> u32 {
    // No `||`, which would be a jump.
    u32::from(value <= node.threshold)
        | (u32::from(value.is_nan()) & u32::from(node.feature >> MISSING.trailing_zeros()))
}

/// As [`super::instructions::Instructions::gather`].
///
/// # Safety
/// As there.
#[inline(never)]
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

/// Turns four rows of four into four columns.
#[inline(always)]
pub(super) fn turn<T: Real>(rows: [&[T; 4]; 4]) -> [[T; 4]; 4] {
    std::array::from_fn(|column| rows.map(|row| row[column]))
}
