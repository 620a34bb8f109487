//! How far predicted numbers are from the true ones.

use super::metrics::Regression;
use super::sum::{Moments, Sum};

/// The errors of one block, or of many.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Errors {
    judged: u64,
    /// Labels that are no finite number.
    pub(super) no_number: u64,
    /// Predictions that are none.
    pub(super) not_finite: u64,
    absolute: Sum,
    squared: Sum,
    truths: Moments,
}

impl Errors {
    pub(super) fn add(&mut self, truth: &str, prediction: f64) {
        let Some(truth) = truth
            .trim()
            .parse::<f64>()
            .ok()
            .filter(|truth| truth.is_finite())
        else {
            self.no_number += 1;
            return;
        };
        if !prediction.is_finite() {
            self.not_finite += 1;
            return;
        }
        let error = truth - prediction;
        self.judged += 1;
        self.absolute.add(error.abs());
        self.squared.add(error * error);
        self.truths.add(truth);
    }

    pub(super) fn merge(&mut self, later: Errors) {
        self.judged += later.judged;
        self.no_number += later.no_number;
        self.not_finite += later.not_finite;
        self.absolute.merge(later.absolute);
        self.squared.merge(later.squared);
        self.truths.merge(later.truths);
    }

    pub(super) fn finish(self) -> Regression {
        Regression {
            judged: self.judged,
            mae: self.absolute.mean(self.judged),
            rmse: self.squared.mean(self.judged).map(f64::sqrt),
            r2: self.r2(),
        }
    }

    fn r2(self) -> Option<f64> {
        let residual = self.squared.value();
        match self.truths.squares() {
            _ if self.judged < 2 => None,
            spread if spread > 0.0 => Some(1.0 - residual / spread),
            _ => Some(if residual == 0.0 { 1.0 } else { 0.0 }),
        }
    }
}
