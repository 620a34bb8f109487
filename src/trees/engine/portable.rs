//! Plain loops over 16 bytes, which the compiler turns into the vector instructions of the target: NEON
//! on AArch64. Also what Miri runs.

use super::super::categories::Table;
use super::super::coding::Ranked;
use super::super::program::{Op, Run};
use super::block::execute;
use super::instructions::Instructions;
use super::scalar;

pub(super) struct Portable;

type Bytes = [u8; 16];

#[inline(always)]
fn both(a: Bytes, b: Bytes, with: impl Fn(u8, u8) -> u8) -> Bytes {
    std::array::from_fn(|lane| with(a[lane], b[lane]))
}

impl Instructions for Portable {
    const WIDTH: usize = 16;
    type Bytes = Bytes;
    type Mask = Bytes;

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Bytes {
        // SAFETY: the caller gives 16 readable bytes.
        unsafe { from.cast::<Bytes>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(bytes: Bytes, to: *mut u8) {
        // SAFETY: the caller gives 16 writable bytes.
        unsafe { to.cast::<Bytes>().write_unaligned(bytes) }
    }
    #[inline(always)]
    unsafe fn splat(byte: u8) -> Bytes {
        [byte; 16]
    }
    #[inline(always)]
    unsafe fn add(a: Bytes, b: Bytes) -> Bytes {
        both(a, b, u8::wrapping_add)
    }
    #[inline(always)]
    unsafe fn above(codes: Bytes, than: Bytes) -> Bytes {
        both(codes, than, |code, than| {
            if code.cast_signed() > than.cast_signed() {
                0xff
            } else {
                0
            }
        })
    }
    #[inline(always)]
    unsafe fn same(a: Bytes, b: Bytes) -> Bytes {
        both(a, b, |a, b| if a == b { 0xff } else { 0 })
    }
    #[inline(always)]
    unsafe fn has(table: &Table, places: Bytes) -> Bytes {
        places.map(|place| {
            let bit = (table[usize::from(place / 8)] >> (place % 8)) & 1;
            bit.wrapping_neg()
        })
    }
    #[inline(always)]
    unsafe fn keep(mask: Bytes, bytes: Bytes) -> Bytes {
        both(mask, bytes, |mask, byte| mask & byte)
    }
    #[inline(always)]
    unsafe fn choose(mask: Bytes, no: Bytes, yes: Bytes) -> Bytes {
        let no = both(mask, no, |mask, byte| mask & byte);
        both(no, yes, u8::max)
    }

    #[inline(always)]
    unsafe fn rank(
        ranked: &Ranked<f32>,
        values: *const f32,
        lanes: usize,
        codes: (*mut i8, *mut i8),
    ) {
        // SAFETY: as the caller promises.
        unsafe { scalar::rank(ranked, values, lanes, codes) }
    }

    #[inline(always)]
    unsafe fn look_up(table: &[f32], exits: *const u8, lanes: usize, sums: *mut f32) {
        // SAFETY: as the caller promises.
        unsafe { scalar::look_up(table, exits, lanes, sums) }
    }

    #[inline(never)]
    unsafe fn execute<const LANES: usize>(run: &Run, ops: &[Op], codes: *const u8, slots: *mut u8) {
        // SAFETY: as the caller promises.
        unsafe { execute::<Self, LANES>(run, ops, codes, slots) }
    }
}
