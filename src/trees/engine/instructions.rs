//! What the engine asks of a processor: one trait, implemented for each instruction set.

use super::super::categories::Table;
use super::super::coding::Ranked;
use super::super::program::{Op, Run};

/// Records in a block at most; every block has a multiple of 64.
pub(super) const MOST_LANES: usize = 256;

/// The instructions of one kind of processor, on `WIDTH` bytes at a time.
///
/// # Safety
/// All functions need the processor to have the instructions. Pointers must be good for what is said to
/// be read and written; `lanes` is a multiple of 64.
pub(in crate::trees) trait Instructions {
    /// Bytes in a vector: 16, 32 or 64.
    const WIDTH: usize;
    type Bytes: Copy;
    type Mask: Copy;

    unsafe fn load(from: *const u8) -> Self::Bytes;
    unsafe fn store(bytes: Self::Bytes, to: *mut u8);
    unsafe fn splat(byte: u8) -> Self::Bytes;
    unsafe fn add(a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    /// Which codes are above `than`, as signed bytes.
    unsafe fn above(codes: Self::Bytes, than: Self::Bytes) -> Self::Mask;
    /// Which bytes are the same.
    unsafe fn same(a: Self::Bytes, b: Self::Bytes) -> Self::Mask;
    /// Which places have their bit in the table.
    unsafe fn has(table: &Table, places: Self::Bytes) -> Self::Mask;
    /// `bytes` where the mask holds, else 0.
    unsafe fn keep(mask: Self::Mask, bytes: Self::Bytes) -> Self::Bytes;
    /// `no` where the mask holds, else `yes`. There, `no` must be at least `yes`, as unsigned bytes.
    unsafe fn choose(mask: Self::Mask, no: Self::Bytes, yes: Self::Bytes) -> Self::Bytes;

    /// Writes the codes of `lanes` values: how many of the thresholds are below each, to both columns if they are not null; NaN is
    /// 0 in the first and 255 in the second.
    unsafe fn rank(
        ranked: &Ranked<f32>,
        values: *const f32,
        lanes: usize,
        codes: (*mut i8, *mut i8),
    );

    /// Adds to each of `lanes` sums the entry of the table that its exit names. A table has 16, 32, 64,
    /// 128 or 256 entries.
    unsafe fn look_up(table: &[f32], exits: *const u8, lanes: usize, sums: *mut f32);

    /// Executes a run of operations ([`super::block::execute`]) in a function of its own, so that all
    /// registers are there for it.
    unsafe fn execute<const LANES: usize>(run: &Run, ops: &[Op], codes: *const u8, slots: *mut u8);
}
