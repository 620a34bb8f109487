//! The engine's work with AVX2.

#![expect(
    clippy::undocumented_unsafe_blocks,
    reason = "every block has the one condition of `Instructions`: the processor has it, and pointers are good for whole vectors"
)]

use std::arch::x86_64::*;

use super::super::categories::Table;
use super::super::coding::Ranked;
use super::super::program::{Op, Run};
use super::block::execute;
use super::instructions::Instructions;

/// Processors since about 2013.
pub(super) struct Avx2;

/// The bits of a byte, the lowest in the lowest byte.
const BITS: i64 = i64::from_le_bytes([1, 2, 4, 8, 16, 32, 64, 128]);

impl Instructions for Avx2 {
    const WIDTH: usize = 32;
    type Bytes = __m256i;
    type Mask = __m256i;

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self::Bytes {
        unsafe { _mm256_load_si256(from.cast()) }
    }
    #[inline(always)]
    unsafe fn store(bytes: Self::Bytes, to: *mut u8) {
        unsafe { _mm256_store_si256(to.cast(), bytes) }
    }
    #[inline(always)]
    unsafe fn splat(byte: u8) -> Self::Bytes {
        unsafe { _mm256_set1_epi8(byte.cast_signed()) }
    }
    #[inline(always)]
    unsafe fn add(a: Self::Bytes, b: Self::Bytes) -> Self::Bytes {
        unsafe { _mm256_add_epi8(a, b) }
    }
    #[inline(always)]
    unsafe fn above(codes: Self::Bytes, than: Self::Bytes) -> Self::Mask {
        unsafe { _mm256_cmpgt_epi8(codes, than) }
    }
    #[inline(always)]
    unsafe fn same(a: Self::Bytes, b: Self::Bytes) -> Self::Mask {
        unsafe { _mm256_cmpeq_epi8(a, b) }
    }
    #[inline(always)]
    unsafe fn has(table: &Table, places: Self::Bytes) -> Self::Mask {
        unsafe {
            let half = |from: usize| {
                _mm256_broadcastsi128_si256(_mm_loadu_si128(table.as_ptr().add(from).cast()))
            };
            // The byte of a place is its upper five bits, of which the highest chooses the half.
            let at = _mm256_and_si256(_mm256_srli_epi16::<3>(places), _mm256_set1_epi8(15));
            let (low, high) = (
                _mm256_shuffle_epi8(half(0), at),
                _mm256_shuffle_epi8(half(16), at),
            );
            let byte = _mm256_blendv_epi8(low, high, places);
            let bits = _mm256_set1_epi64x(BITS);
            let bit = _mm256_shuffle_epi8(bits, _mm256_and_si256(places, _mm256_set1_epi8(7)));
            _mm256_cmpeq_epi8(_mm256_and_si256(byte, bit), bit)
        }
    }
    #[inline(always)]
    unsafe fn keep(mask: Self::Mask, bytes: Self::Bytes) -> Self::Bytes {
        unsafe { _mm256_and_si256(mask, bytes) }
    }
    #[inline(always)]
    unsafe fn choose(mask: Self::Mask, no: Self::Bytes, yes: Self::Bytes) -> Self::Bytes {
        // Two cheap instructions where a blend is none or a slow one.
        unsafe { _mm256_max_epu8(yes, _mm256_and_si256(mask, no)) }
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

/// The entry of a table of 16 in two registers.
#[inline]
#[target_feature(enable = "avx2")]
fn of_16(table: [__m256; 2], at: __m256i) -> __m256 {
    let upper = _mm256_castsi256_ps(_mm256_slli_epi32::<28>(at));
    let low = _mm256_permutevar8x32_ps(table[0], at);
    let high = _mm256_permutevar8x32_ps(table[1], at);
    _mm256_blendv_ps(low, high, upper)
}

/// The entry of a table of 32 in four registers.
#[inline]
#[target_feature(enable = "avx2")]
fn of_32(table: [__m256; 4], at: __m256i) -> __m256 {
    let upper = _mm256_castsi256_ps(_mm256_slli_epi32::<27>(at));
    let low = of_16([table[0], table[1]], at);
    let high = of_16([table[2], table[3]], at);
    _mm256_blendv_ps(low, high, upper)
}

/// The search goes through registers for six levels, and from memory for the last two.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn rank<const DEPTH: u32>(
    search: &[f32; 256],
    values: *const f32,
    lanes: usize,
    codes: (*mut i8, *mut i8),
) {
    let part = |i: usize| unsafe { _mm256_loadu_ps(search.as_ptr().add(8 * i)) };
    let nodes: [__m256; 8] = std::array::from_fn(part);
    let offset = _mm_set1_epi8(0x80_u8.wrapping_sub((1_u32 << DEPTH) as u8).cast_signed());
    for lane in (0..lanes).step_by(8) {
        let value = unsafe { _mm256_loadu_ps(values.add(lane)) };
        let mut at = _mm256_set1_epi32(1);
        for level in 0..DEPTH {
            let node = match level {
                0..3 => _mm256_permutevar8x32_ps(nodes[0], at),
                3 => _mm256_permutevar8x32_ps(nodes[1], at),
                4 => of_16([nodes[2], nodes[3]], at),
                5 => of_32([nodes[4], nodes[5], nodes[6], nodes[7]], at),
                _ => unsafe { _mm256_i32gather_ps::<4>(search.as_ptr(), at) },
            };
            let below = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_LT_OQ>(node, value));
            at = _mm256_sub_epi32(_mm256_add_epi32(at, at), below);
        }
        let store = |to: *mut i8, at: __m256i| {
            let at = _mm256_and_si256(at, _mm256_set1_epi32(255));
            let (low, high) = (
                _mm256_castsi256_si128(at),
                _mm256_extracti128_si256::<1>(at),
            );
            let words = _mm_packus_epi32(low, high);
            let code = _mm_add_epi8(_mm_packus_epi16(words, words), offset);
            unsafe { _mm_storel_epi64(to.add(lane).cast(), code) };
        };
        if !codes.0.is_null() {
            store(codes.0, at);
        }
        if !codes.1.is_null() {
            let nan = _mm256_cmp_ps::<_CMP_UNORD_Q>(value, value);
            let highest = _mm256_set1_epi32((1 << DEPTH) + 255);
            let at = _mm256_blendv_ps(_mm256_castsi256_ps(at), _mm256_castsi256_ps(highest), nan);
            store(codes.1, _mm256_castps_si256(at));
        }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
unsafe fn look_up(table: &[f32], exits: *const u8, lanes: usize, sums: *mut f32) {
    let part = |i: usize| unsafe { _mm256_loadu_ps(table.as_ptr().add(8 * i)) };
    let exit =
        |lane: usize| unsafe { _mm256_cvtepu8_epi32(_mm_loadl_epi64(exits.add(lane).cast())) };
    let add = |lane: usize, value: __m256| unsafe {
        let sum = _mm256_loadu_ps(sums.add(lane));
        _mm256_storeu_ps(sums.add(lane), _mm256_add_ps(sum, value));
    };
    let lanes = (0..lanes).step_by(8);
    match table.len() {
        0..=16 => {
            let table: [__m256; 2] = std::array::from_fn(part);
            for lane in lanes {
                add(lane, of_16(table, exit(lane)));
            }
        }
        17..=32 => {
            let table: [__m256; 4] = std::array::from_fn(part);
            for lane in lanes {
                add(lane, of_32(table, exit(lane)));
            }
        }
        _ => {
            for lane in lanes {
                let at = exit(lane);
                add(lane, unsafe {
                    _mm256_i32gather_ps::<4>(table.as_ptr(), at)
                });
            }
        }
    }
}

#[inline(never)]
#[target_feature(enable = "avx2")]
unsafe fn execute_all<const LANES: usize>(run: &Run, ops: &[Op], codes: *const u8, slots: *mut u8) {
    // SAFETY: as the caller promises.
    unsafe { execute::<Avx2, LANES>(run, ops, codes, slots) }
}
