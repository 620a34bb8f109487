//! The transforms of ONNX-ML, in the arithmetic of ONNX Runtime: float32 throughout, also where the
//! ensemble is of float64, with the C library's `expf` and `logf`, which are what `f32::exp` and
//! `f32::ln` call.

use crate::trees::forest::Real;

/// `post_transform`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transform {
    None,
    Logistic,
    Softmax,
    SoftmaxZero,
    Probit,
}

impl Transform {
    /// Transforms the scores of one row, of which there are at least two.
    #[inline]
    pub(super) fn apply<T: Real>(self, scores: &mut [T]) {
        let each = |scores: &mut [T], change: fn(f32) -> f32| {
            for score in scores {
                *score = T::of_single(change(score.single()));
            }
        };
        match self {
            Transform::None => {}
            Transform::Logistic => each(scores, logistic),
            Transform::Probit => each(scores, probit),
            Transform::Softmax => softmax(scores),
            Transform::SoftmaxZero => softmax_zero(scores),
        }
    }
}

#[inline]
fn logistic(value: f32) -> f32 {
    logistic_both(value).1
}

/// The logistic function of `-value` and of `value`: both come of the same exponential.
#[inline]
pub(super) fn logistic_both(value: f32) -> (f32, f32) {
    let large = 1.0 / (1.0 + (-value.abs()).exp());
    let small = 1.0 - large;
    let low = if -value < 0.0 { small } else { large };
    let high = if value < 0.0 { small } else { large };
    (low, high)
}

/// The inverse of the normal distribution's function, by Winitzki's approximation of the inverse
/// error function.
pub(super) fn probit(value: f32) -> f32 {
    std::f32::consts::SQRT_2 * inverse_erf(2.0 * value - 1.0)
}

fn inverse_erf(value: f32) -> f32 {
    const A: f32 = 0.147;
    let sign = if value < 0.0 { -1.0 } else { 1.0 };
    let log = ((1.0 - value) * (1.0 + value)).ln();
    let half = 2.0 / (std::f32::consts::PI * A) + 0.5 * log;
    let over = 1.0 / A * log;
    sign * (-half + (half * half - over).sqrt()).sqrt()
}

fn softmax<T: Real>(scores: &mut [T]) {
    let largest = largest(scores);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        let exponential = (score.single() - largest).exp();
        *score = T::of_single(exponential);
        sum += exponential;
    }
    for score in scores {
        *score = T::of_single(score.single() / sum);
    }
}

/// As [`softmax`], but scores of about zero stay as they are, up to a factor.
fn softmax_zero<T: Real>(scores: &mut [T]) {
    const ABOUT_ZERO: f32 = 0.000_000_1;
    let largest = largest(scores);
    let factor = (-largest).exp();
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        let value = score.single();
        if value.abs() > ABOUT_ZERO {
            let exponential = (value - largest).exp();
            *score = T::of_single(exponential);
            sum += exponential;
        } else {
            *score = *score * T::of_single(factor);
        }
    }
    for score in scores {
        *score = *score / T::of_single(sum);
    }
}

/// The largest score, and the lowest finite number where there is none.
fn largest<T: Real>(scores: &[T]) -> f32 {
    scores.iter().fold(-f32::MAX, |largest, score| {
        let score = score.single();
        if score > largest { score } else { largest }
    })
}
