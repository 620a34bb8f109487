//! A histogram of values whose range nobody knows beforehand.
//!
//! Bins are as wide as a power of two and start at multiples of it, so that two neighbours make one
//! bin of the next width. Which width is needed follows from the least and the greatest value alone:
//! the result is the same however the values were split, and no more than [`MOST_BINS`] are kept.

/// Most bins of the range that the values have.
pub(super) const MOST_BINS: usize = 64;
/// Bins of [0, 1], for probabilities.
pub(super) const UNIT_BINS: usize = 20;
/// Narrowest bins, 2^-1000 wide: narrower ones have no inverse that is finite.
const NARROWEST: i32 = -1000;

/// Counts of values, by size.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// Finite values.
    pub count: u64,
    /// NaN and infinities.
    pub not_finite: u64,
    /// Of the finite values; the wrong way round while there is none.
    pub min: f64,
    pub max: f64,
    /// Values in each twentieth of [0, 1].
    pub unit: [u64; UNIT_BINS],
    /// Bins are 2^exponent wide.
    exponent: i32,
    /// Number of the first bin: it starts at first * 2^exponent.
    first: i64,
    /// Empty while all values are equal.
    bins: Vec<u64>,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram {
            count: 0,
            not_finite: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            unit: [0; UNIT_BINS],
            exponent: NARROWEST,
            first: 0,
            bins: Vec::new(),
        }
    }
}

impl Histogram {
    /// The histogram of `values`.
    pub fn of(values: &[f64]) -> Histogram {
        let mut histogram = Histogram::default();
        let finite: Vec<f64> = values
            .iter()
            .copied()
            .filter(|value| value.is_finite())
            .collect();
        histogram.count = finite.len() as u64;
        histogram.not_finite = (values.len() - finite.len()) as u64;
        for value in &finite {
            histogram.min = histogram.min.min(*value);
            histogram.max = histogram.max.max(*value);
            if (0.0..=1.0).contains(value) {
                let bin = (value * UNIT_BINS as f64) as usize;
                count(&mut histogram.unit, bin.min(UNIT_BINS - 1), 1);
            }
        }
        if histogram.is_spread() {
            histogram.widen();
            for value in finite {
                let bin = number(value, histogram.exponent) - histogram.first;
                count(&mut histogram.bins, bin as usize, 1);
            }
        }
        histogram
    }

    /// Adds the counts of `later`.
    pub fn merge(&mut self, later: &Histogram) {
        let before = std::mem::take(self);
        self.count = before.count + later.count;
        self.not_finite = before.not_finite + later.not_finite;
        self.min = before.min.min(later.min);
        self.max = before.max.max(later.max);
        for ((sum, here), there) in self.unit.iter_mut().zip(before.unit).zip(later.unit) {
            *sum = here + there;
        }
        if self.is_spread() {
            self.widen();
            self.take(&before);
            self.take(later);
        }
    }

    /// The bins as (start, end, count); one without width where all values are equal.
    pub fn bins(&self) -> Vec<(f64, f64, u64)> {
        if self.count > 0 && self.bins.is_empty() {
            return vec![(self.min, self.max, self.count)];
        }
        let width = 2_f64.powi(self.exponent);
        let numbered = (self.first..).zip(&self.bins);
        numbered
            .map(|(number, count)| (number as f64 * width, (number + 1) as f64 * width, *count))
            .collect()
    }

    fn is_spread(&self) -> bool {
        self.count > 0 && self.min < self.max
    }

    /// Empty bins of the least width that the range allows.
    fn widen(&mut self) {
        // Halves, for the range itself may be more than any float.
        let range = self.max / 2.0 - self.min / 2.0;
        let guess = (range.log2() - 8.0).floor() as i32;
        self.exponent = guess.max(NARROWEST);
        let bins = |exponent: i32| number(self.max, exponent) - number(self.min, exponent) + 1;
        while bins(self.exponent) > MOST_BINS as i64 {
            self.exponent += 1;
        }
        self.first = number(self.min, self.exponent);
        self.bins = vec![0; bins(self.exponent) as usize];
    }

    /// Counts the values of narrower bins.
    fn take(&mut self, other: &Histogram) {
        if other.bins.is_empty() {
            if other.count > 0 {
                let bin = number(other.min, self.exponent) - self.first;
                count(&mut self.bins, bin as usize, other.count);
            }
            return;
        }
        let shift = (self.exponent - other.exponent).clamp(0, 63);
        for (narrow, records) in (other.first..).zip(&other.bins) {
            let bin = (narrow >> shift) - self.first;
            count(&mut self.bins, bin as usize, *records);
        }
    }
}

/// The bin of `value`: at least 2^-54 of the value wide, so that its number fits.
fn number(value: f64, exponent: i32) -> i64 {
    let bins = value * 2_f64.powi(-exponent);
    // A quotient too small for a float is still on its side of zero.
    if bins == 0.0 && value < 0.0 {
        return -1;
    }
    bins.floor() as i64
}

fn count(bins: &mut [u64], bin: usize, records: u64) {
    if let Some(bin) = bins.get_mut(bin) {
        *bin += records;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Vec<Vec<f64>> {
        let noise = |index: u32| f64::from(index.wrapping_mul(2_654_435_761)) / 4_294_967_296.0;
        vec![
            vec![],
            vec![2.5; 9],
            vec![f64::NAN, 1.0, f64::INFINITY],
            (0..500).map(noise).collect(),
            (0..500).map(|index| noise(index) * 1e-3 - 4.0).collect(),
            (0..500)
                .map(|index| (noise(index) - 0.5) * 10_f64.powi(index as i32 % 9))
                .collect(),
            vec![f64::MIN, f64::MAX, 0.0, -0.0, 5e-324],
            vec![1e300, 1e300 * (1.0 + f64::EPSILON), -1e-300],
            vec![5e-324, 1e-323, 0.0],
        ]
    }

    #[test]
    fn all_values_are_counted_in_the_bin_that_holds_them() {
        for values in values() {
            let histogram = Histogram::of(&values);
            let bins = histogram.bins();
            let finite = values.iter().filter(|value| value.is_finite()).count() as u64;
            assert_eq!(
                bins.iter().map(|bin| bin.2).sum::<u64>(),
                finite,
                "{values:?}"
            );
            assert!(bins.len() <= MOST_BINS);
            for (start, end, count) in bins {
                let inside = |value: &&f64| **value >= start && (**value < end || start == end);
                let held = values.iter().filter(inside).count() as u64;
                assert!(
                    held == count || start == end,
                    "{start} {end} {count} {values:?}"
                );
            }
        }
    }

    #[test]
    fn any_split_gives_the_same_histogram() {
        for values in values() {
            let whole = Histogram::of(&values);
            for size in [1, 2, 7, 100] {
                let mut merged = Histogram::default();
                for part in values.chunks(size) {
                    merged.merge(&Histogram::of(part));
                }
                assert_eq!(merged, whole, "{size}: {values:?}");
            }
        }
    }
}
