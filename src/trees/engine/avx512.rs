//! The engine's work with AVX-512: F, BW, DQ and VL.

#![expect(
    clippy::undocumented_unsafe_blocks,
    reason = "every block has the one condition of `Instructions`: the processor has them, and pointers are good for whole vectors"
)]

use std::arch::x86_64::*;

use super::super::categories::Table;
use super::super::coding::Ranked;
use super::super::program::{Op, Run};
use super::block::execute;
use super::instructions::Instructions;

/// Server processors since about 2017, and recent others.
pub(super) struct Avx512;

/// The bits of a byte, the lowest in the lowest byte.
const BITS: i64 = i64::from_le_bytes([1, 2, 4, 8, 16, 32, 64, 128]);

impl Instructions for Avx512 {
    const WIDTH: usize = 64;
    type Bytes = __m512i;
    type Mask = __mmask64;

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self::Bytes {
        unsafe { _mm512_load_si512(from.cast()) }
    }
    #[inline(always)]
    unsafe fn store(bytes: Self::Bytes, to: *mut u8) {
        unsafe { _mm512_store_si512(to.cast(), bytes) }
    }
    #[inline(always)]
    unsafe fn splat(byte: u8) -> Self::Bytes {
        unsafe { _mm512_set1_epi8(byte.cast_signed()) }
    }
    #[inline(always)]
    unsafe fn add(a: Self::Bytes, b: Self::Bytes) -> Self::Bytes {
        unsafe { _mm512_add_epi8(a, b) }
    }
    #[inline(always)]
    unsafe fn above(codes: Self::Bytes, than: Self::Bytes) -> Self::Mask {
        unsafe { _mm512_cmpgt_epi8_mask(codes, than) }
    }
    #[inline(always)]
    unsafe fn same(a: Self::Bytes, b: Self::Bytes) -> Self::Mask {
        unsafe { _mm512_cmpeq_epi8_mask(a, b) }
    }
    #[inline(always)]
    unsafe fn has(table: &Table, places: Self::Bytes) -> Self::Mask {
        unsafe {
            let half = |from: usize| {
                _mm512_broadcast_i32x4(_mm_loadu_si128(table.as_ptr().add(from).cast()))
            };
            // The byte of a place is its upper five bits, of which the highest chooses the half.
            let at = _mm512_and_si512(_mm512_srli_epi16::<3>(places), _mm512_set1_epi8(15));
            let (low, high) = (
                _mm512_shuffle_epi8(half(0), at),
                _mm512_shuffle_epi8(half(16), at),
            );
            let byte = _mm512_mask_blend_epi8(_mm512_movepi8_mask(places), low, high);
            let bits = _mm512_set1_epi64(BITS);
            let bit = _mm512_shuffle_epi8(bits, _mm512_and_si512(places, _mm512_set1_epi8(7)));
            _mm512_test_epi8_mask(byte, bit)
        }
    }
    #[inline(always)]
    unsafe fn keep(mask: Self::Mask, bytes: Self::Bytes) -> Self::Bytes {
        unsafe { _mm512_maskz_mov_epi8(mask, bytes) }
    }
    #[inline(always)]
    unsafe fn choose(mask: Self::Mask, no: Self::Bytes, yes: Self::Bytes) -> Self::Bytes {
        unsafe { _mm512_mask_mov_epi8(yes, mask, no) }
    }

    #[inline(always)]
    unsafe fn rank(
        ranked: &Ranked<f32>,
        values: *const f32,
        lanes: usize,
        codes: (*mut i8, *mut i8),
    ) {
        unsafe {
            match ranked.depth {
                0..=4 => rank::<4>(&ranked.search, values, lanes, codes),
                5 => rank::<5>(&ranked.search, values, lanes, codes),
                6 => rank::<6>(&ranked.search, values, lanes, codes),
                7 => rank::<7>(&ranked.search, values, lanes, codes),
                _ => rank::<8>(&ranked.search, values, lanes, codes),
            }
        }
    }

    #[inline(always)]
    unsafe fn look_up(table: &[f32], exits: *const u8, lanes: usize, sums: *mut f32) {
        unsafe { look_up(table, exits, lanes, sums) }
    }

    #[inline(always)]
    unsafe fn execute<const LANES: usize>(run: &Run, ops: &[Op], codes: *const u8, slots: *mut u8) {
        // SAFETY: as the caller promises.
        unsafe { execute_all::<LANES>(run, ops, codes, slots) }
    }
}

/// The search goes through registers: a level of 16 nodes or fewer is one lookup, each further one
/// twice as many.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
unsafe fn rank<const DEPTH: u32>(
    search: &[f32; 256],
    values: *const f32,
    lanes: usize,
    codes: (*mut i8, *mut i8),
) {
    let part = |i: usize| unsafe { _mm512_loadu_ps(search.as_ptr().add(16 * i)) };
    let nodes: [__m512; 16] = std::array::from_fn(part);
    let one = _mm512_set1_epi32(1);
    // What makes a rank of the position after the last level, and of the rank a code.
    let offset = _mm_set1_epi8(0x80_u8.wrapping_sub((1_u32 << DEPTH) as u8).cast_signed());
    let bit = |at: __m512i, bit: i32| _mm512_test_epi32_mask(at, _mm512_set1_epi32(bit));
    let pair = |i: usize, at: __m512i| _mm512_permutex2var_ps(nodes[i], at, nodes[i + 1]);
    for lane in (0..lanes).step_by(16) {
        let value = unsafe { _mm512_loadu_ps(values.add(lane)) };
        let mut at = one;
        for level in 0..DEPTH {
            let node = match level {
                0..4 => _mm512_permutexvar_ps(at, nodes[0]),
                4 => _mm512_permutexvar_ps(at, nodes[1]),
                5 => pair(2, at),
                6 => _mm512_mask_blend_ps(bit(at, 32), pair(4, at), pair(6, at)),
                _ => _mm512_mask_blend_ps(
                    bit(at, 64),
                    _mm512_mask_blend_ps(bit(at, 32), pair(8, at), pair(10, at)),
                    _mm512_mask_blend_ps(bit(at, 32), pair(12, at), pair(14, at)),
                ),
            };
            let below = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(node, value);
            let left = _mm512_add_epi32(at, at);
            at = _mm512_mask_add_epi32(left, below, left, one);
        }
        let code = _mm_add_epi8(_mm512_cvtepi32_epi8(at), offset);
        unsafe {
            if !codes.0.is_null() {
                _mm_storeu_si128(codes.0.add(lane).cast(), code);
            }
            if !codes.1.is_null() {
                let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(value, value);
                let code = _mm_mask_mov_epi8(code, nan, _mm_set1_epi8(127));
                _mm_storeu_si128(codes.1.add(lane).cast(), code);
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
unsafe fn look_up(table: &[f32], exits: *const u8, lanes: usize, sums: *mut f32) {
    let part = |i: usize| unsafe { _mm512_loadu_ps(table.as_ptr().add(16 * i)) };
    let exit =
        |lane: usize| unsafe { _mm512_cvtepu8_epi32(_mm_loadu_si128(exits.add(lane).cast())) };
    let add = |lane: usize, value: __m512| unsafe {
        let sum = _mm512_loadu_ps(sums.add(lane));
        _mm512_storeu_ps(sums.add(lane), _mm512_add_ps(sum, value));
    };
    let bit = |at: __m512i, bit: i32| _mm512_test_epi32_mask(at, _mm512_set1_epi32(bit));
    let lanes = (0..lanes).step_by(16);
    match table.len() {
        0..=16 => {
            let table = part(0);
            for lane in lanes {
                add(lane, _mm512_permutexvar_ps(exit(lane), table));
            }
        }
        17..=32 => {
            let table = [part(0), part(1)];
            for lane in lanes {
                add(lane, _mm512_permutex2var_ps(table[0], exit(lane), table[1]));
            }
        }
        33..=64 => {
            let table: [__m512; 4] = std::array::from_fn(part);
            for lane in lanes {
                let at = exit(lane);
                let low = _mm512_permutex2var_ps(table[0], at, table[1]);
                let high = _mm512_permutex2var_ps(table[2], at, table[3]);
                add(lane, _mm512_mask_blend_ps(bit(at, 32), low, high));
            }
        }
        65..=128 => {
            let table: [__m512; 8] = std::array::from_fn(part);
            let half = |from: usize, at: __m512i, upper: __mmask16| {
                let low = _mm512_permutex2var_ps(table[from], at, table[from + 1]);
                let high = _mm512_permutex2var_ps(table[from + 2], at, table[from + 3]);
                _mm512_mask_blend_ps(upper, low, high)
            };
            for lane in lanes {
                let at = exit(lane);
                let upper = bit(at, 32);
                let (low, high) = (half(0, at, upper), half(4, at, upper));
                add(lane, _mm512_mask_blend_ps(bit(at, 64), low, high));
            }
        }
        _ => {
            for lane in lanes {
                let at = exit(lane);
                add(lane, unsafe {
                    _mm512_i32gather_ps::<4>(at, table.as_ptr())
                });
            }
        }
    }
}

#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
unsafe fn execute_all<const LANES: usize>(run: &Run, ops: &[Op], codes: *const u8, slots: *mut u8) {
    // SAFETY: as the caller promises.
    unsafe { execute::<Avx512, LANES>(run, ops, codes, slots) }
}
