//! The steps that differ between the precisions: float32 has vector instructions, float64 goes one value
//! at a time.

use super::super::coding::Ranked;
use super::super::forest::Real;
use super::instructions::Instructions;
use super::scalar;

/// A number that the engine evaluates forests of. The functions are those of [`Instructions`].
pub(in crate::trees) trait Element: Real {
    unsafe fn rank<I: Instructions>(
        ranked: &Ranked<Self>,
        values: *const Self,
        lanes: usize,
        codes: (*mut i8, *mut i8),
    );
    unsafe fn look_up<I: Instructions>(
        table: &[Self],
        exits: *const u8,
        lanes: usize,
        sums: *mut Self,
    );
    /// Turns four rows of four into four columns.
    fn turn(rows: [&[Self; 4]; 4]) -> [[Self; 4]; 4];
}

macro_rules! element {
    ($number:ty, $rank:expr, $look_up:expr, $turn:expr) => {
        impl Element for $number {
            #[inline(always)]
            unsafe fn rank<I: Instructions>(
                ranked: &Ranked<Self>,
                values: *const Self,
                lanes: usize,
                codes: (*mut i8, *mut i8),
            ) {
                // SAFETY: as the caller promises.
                unsafe { $rank(ranked, values, lanes, codes) }
            }

            #[inline(always)]
            unsafe fn look_up<I: Instructions>(
                table: &[Self],
                exits: *const u8,
                lanes: usize,
                sums: *mut Self,
            ) {
                // SAFETY: as the caller promises.
                unsafe { $look_up(table, exits, lanes, sums) }
            }

            #[inline(always)]
            fn turn(rows: [&[Self; 4]; 4]) -> [[Self; 4]; 4] {
                $turn(rows)
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
element!(f32, I::rank, I::look_up, super::sse::turn);
#[cfg(not(target_arch = "x86_64"))]
element!(f32, I::rank, I::look_up, scalar::turn);
element!(f64, scalar::rank, scalar::look_up, scalar::turn);
