//! What the values of a tensor are like, taken one after the other.

/// Counts and moments of the values of a tensor.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stats {
    /// All values, with those below.
    pub count: u64,
    pub zeros: u64,
    pub nans: u64,
    /// Of either sign.
    pub infinities: u64,
    /// Of the finite values, as all that follow; `None` where there are none.
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub mean: Option<f64>,
    /// Population standard deviation.
    pub deviation: Option<f64>,
}

/// Statistics in the making.
#[derive(Debug, Clone, Default)]
pub(super) struct Taken {
    count: u64,
    zeros: u64,
    nans: u64,
    infinities: u64,
    first: Option<f64>,
    min: f64,
    max: f64,
    /// Sums of what is left after `first`, so that large values close together lose nothing.
    sum: f64,
    squares: f64,
}

impl Taken {
    #[inline]
    pub(super) fn take(&mut self, value: f64) {
        self.count += 1;
        if !value.is_finite() {
            self.nans += u64::from(value.is_nan());
            self.infinities += u64::from(value.is_infinite());
            return;
        }
        self.zeros += u64::from(value == 0.0);
        let Some(first) = self.first else {
            self.first = Some(value);
            (self.min, self.max) = (value, value);
            return;
        };
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        let rest = value - first;
        self.sum += rest;
        self.squares += rest * rest;
    }

    /// How many values there were.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn stats(&self) -> Stats {
        let finite = self.count - self.nans - self.infinities;
        let per = |sum: f64| sum / finite as f64;
        let mean = per(self.sum);
        let variance = (per(self.squares) - mean * mean).max(0.0);
        let number = |value: f64| self.first.is_some().then_some(value);
        Stats {
            count: self.count,
            zeros: self.zeros,
            nans: self.nans,
            infinities: self.infinities,
            min: number(self.min),
            max: number(self.max),
            mean: self.first.map(|first| first + mean),
            deviation: number(variance.sqrt()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_and_measured() {
        // As numpy has it: np.mean, np.std of [1e8 + 1, 1e8 + 2, 1e8 + 3, 0].
        let mut taken = Taken::default();
        for value in [
            1e8 + 1.0,
            1e8 + 2.0,
            f64::NAN,
            1e8 + 3.0,
            f64::NEG_INFINITY,
            0.0,
        ] {
            taken.take(value);
        }
        let stats = taken.stats();
        assert_eq!(
            (stats.count, stats.zeros, stats.nans, stats.infinities),
            (6, 1, 1, 1)
        );
        assert_eq!((stats.min, stats.max), (Some(0.0), Some(1e8 + 3.0)));
        let near = |value: Option<f64>, expected: f64| {
            value.is_some_and(|value| (value / expected - 1.0).abs() < 1e-12)
        };
        assert!(near(stats.mean, 75_000_001.5), "{stats:?}");
        assert!(near(stats.deviation, 43_301_271.055_247_344), "{stats:?}");
        assert_eq!(Taken::default().stats(), Stats::default());
    }

    #[test]
    fn large_values_close_together_keep_their_deviation() {
        let mut taken = Taken::default();
        for value in [1e15, 1e15 + 1.0, 1e15 + 2.0] {
            taken.take(value);
        }
        // np.std([0, 1, 2])
        let deviation = taken.stats().deviation.unwrap_or_default();
        assert!((deviation - 0.816_496_580_927_726).abs() < 1e-12);
    }
}
