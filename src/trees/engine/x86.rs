//! AVX-512 and AVX2.

use std::arch::x86_64::*;

use super::super::coding::Ranked;
use super::super::program::{Op, Run};
use super::block::execute;
use super::instructions::Instructions;

/// Processors since about 2013.
pub(super) struct Avx2;
/// Server processors since about 2017: F, BW, DQ and VL.
pub(super) struct Avx512;

macro_rules! byte_lanes {
    ($width:literal, $bytes:ty, $load:ident, $store:ident, $splat:ident, $add:ident, $above:ident, $and:ident, $max:ident) => {
        const WIDTH: usize = $width;
        type Bytes = $bytes;
        type Mask = $bytes;

        #[inline(always)]
        unsafe fn load(from: *const u8) -> Self::Bytes {
            unsafe { $load(from.cast()) }
        }
        #[inline(always)]
        unsafe fn store(bytes: Self::Bytes, to: *mut u8) {
            unsafe { $store(to.cast(), bytes) }
        }
        #[inline(always)]
        unsafe fn splat(byte: u8) -> Self::Bytes {
            unsafe { $splat(byte.cast_signed()) }
        }
        #[inline(always)]
        unsafe fn add(a: Self::Bytes, b: Self::Bytes) -> Self::Bytes {
            unsafe { $add(a, b) }
        }
        #[inline(always)]
        unsafe fn above(codes: Self::Bytes, than: Self::Bytes) -> Self::Mask {
            unsafe { $above(codes, than) }
        }
        #[inline(always)]
        unsafe fn keep(mask: Self::Mask, bytes: Self::Bytes) -> Self::Bytes {
            unsafe { $and(mask, bytes) }
        }
        #[inline(always)]
        unsafe fn choose(mask: Self::Mask, no: Self::Bytes, yes: Self::Bytes) -> Self::Bytes {
            // Two cheap instructions where a blend is none or a slow one.
            unsafe { $max(yes, $and(mask, no)) }
        }
    };
}

impl Instructions for Avx2 {
    byte_lanes!(
        32,
        __m256i,
        _mm256_load_si256,
        _mm256_store_si256,
        _mm256_set1_epi8,
        _mm256_add_epi8,
        _mm256_cmpgt_epi8,
        _mm256_and_si256,
        _mm256_max_epu8
    );

    #[inline(always)]
    unsafe fn rank(
        ranked: &Ranked<f32>,
        values: *const f32,
        lanes: usize,
        codes: (*mut i8, *mut i8),
    ) {
        unsafe {
            match ranked.depth {
                0..=4 => avx2::rank::<4>(&ranked.search, values, lanes, codes),
                5 => avx2::rank::<5>(&ranked.search, values, lanes, codes),
                6 => avx2::rank::<6>(&ranked.search, values, lanes, codes),
                7 => avx2::rank::<7>(&ranked.search, values, lanes, codes),
                _ => avx2::rank::<8>(&ranked.search, values, lanes, codes),
            }
        }
    }

    #[inline(always)]
    unsafe fn look_up(table: &[f32], exits: *const u8, lanes: usize, sums: *mut f32) {
        unsafe { avx2::look_up(table, exits, lanes, sums) }
    }

    #[inline(always)]
    unsafe fn execute<const LANES: usize>(run: &Run, ops: &[Op], codes: *const u8, slots: *mut u8) {
        // SAFETY: as the caller promises.
        unsafe { avx2::run::<LANES>(run, ops, codes, slots) }
    }
}

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
                0..=4 => avx512::rank::<4>(&ranked.search, values, lanes, codes),
                5 => avx512::rank::<5>(&ranked.search, values, lanes, codes),
                6 => avx512::rank::<6>(&ranked.search, values, lanes, codes),
                7 => avx512::rank::<7>(&ranked.search, values, lanes, codes),
                _ => avx512::rank::<8>(&ranked.search, values, lanes, codes),
            }
        }
    }

    #[inline(always)]
    unsafe fn look_up(table: &[f32], exits: *const u8, lanes: usize, sums: *mut f32) {
        unsafe { avx512::look_up(table, exits, lanes, sums) }
    }

    #[inline(always)]
    unsafe fn execute<const LANES: usize>(run: &Run, ops: &[Op], codes: *const u8, slots: *mut u8) {
        // SAFETY: as the caller promises.
        unsafe { avx512::run::<LANES>(run, ops, codes, slots) }
    }
}

/// Turns four rows of four into four columns.
#[inline(always)]
pub(super) fn turn(rows: [&[f32; 4]; 4]) -> [[f32; 4]; 4] {
    // SAFETY: every x86-64 processor has SSE; the rows have four values to load, the columns room for four.
    unsafe {
        let [a, b, c, d] = rows.map(|row| _mm_loadu_ps(row.as_ptr()));
        let (ab_low, ab_high) = (_mm_unpacklo_ps(a, b), _mm_unpackhi_ps(a, b));
        let (cd_low, cd_high) = (_mm_unpacklo_ps(c, d), _mm_unpackhi_ps(c, d));
        let columns = [
            _mm_movelh_ps(ab_low, cd_low),
            _mm_movehl_ps(cd_low, ab_low),
            _mm_movelh_ps(ab_high, cd_high),
            _mm_movehl_ps(cd_high, ab_high),
        ];
        columns.map(|column| {
            let mut values = [0.0; 4];
            _mm_storeu_ps(values.as_mut_ptr(), column);
            values
        })
    }
}

mod avx512 {
    use super::*;

    /// The search goes through registers: a level of 16 nodes or fewer is one lookup, each further one
    /// twice as many.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
    pub(super) unsafe fn rank<const DEPTH: u32>(
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
    pub(super) unsafe fn look_up(table: &[f32], exits: *const u8, lanes: usize, sums: *mut f32) {
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
    pub(super) unsafe fn run<const LANES: usize>(
        run: &Run,
        ops: &[Op],
        codes: *const u8,
        slots: *mut u8,
    ) {
        // SAFETY: as the caller promises.
        unsafe { execute::<Avx512, LANES>(run, ops, codes, slots) }
    }
}

mod avx2 {
    use super::*;

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
    pub(super) unsafe fn rank<const DEPTH: u32>(
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
                let at =
                    _mm256_blendv_ps(_mm256_castsi256_ps(at), _mm256_castsi256_ps(highest), nan);
                store(codes.1, _mm256_castps_si256(at));
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn look_up(table: &[f32], exits: *const u8, lanes: usize, sums: *mut f32) {
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
    pub(super) unsafe fn run<const LANES: usize>(
        run: &Run,
        ops: &[Op],
        codes: *const u8,
        slots: *mut u8,
    ) {
        // SAFETY: as the caller promises.
        unsafe { execute::<Avx2, LANES>(run, ops, codes, slots) }
    }
}
