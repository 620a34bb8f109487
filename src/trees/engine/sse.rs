//! What every x86-64 processor can do, and the compiler does not find by itself.

use std::arch::x86_64::*;

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
