//! Sums that lose no digits, however many values they have and however they are split.

/// A sum with the rounding errors of its additions beside it (Neumaier 1974).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(in crate::predict) struct Sum {
    total: f64,
    lost: f64,
}

impl Sum {
    pub(in crate::predict) fn add(&mut self, value: f64) {
        let next = self.total + value;
        self.lost += if self.total.abs() >= value.abs() {
            (self.total - next) + value
        } else {
            (value - next) + self.total
        };
        self.total = next;
    }

    pub(in crate::predict) fn merge(&mut self, later: Sum) {
        self.add(later.total);
        self.add(later.lost);
    }

    pub(in crate::predict) fn value(self) -> f64 {
        self.total + self.lost
    }

    /// The mean over `count` values; `None` of none.
    pub(in crate::predict) fn mean(self, count: u64) -> Option<f64> {
        (count > 0).then(|| self.value() / count as f64)
    }
}

/// Count, mean and squared deviations from the mean (Welford 1962; merged as Chan et al. 1979), for
/// the difference of two sums of squares has no digits left where the mean is large.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Moments {
    count: u64,
    mean: f64,
    squares: f64,
}

impl Moments {
    pub(super) fn add(&mut self, value: f64) {
        self.count += 1;
        let before = value - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (value - self.mean);
    }

    pub(super) fn merge(&mut self, later: Moments) {
        if later.count == 0 {
            return;
        }
        let (here, there) = (self.count as f64, later.count as f64);
        let apart = later.mean - self.mean;
        self.count += later.count;
        self.mean += apart * (there / (here + there));
        self.squares += later.squares + apart * apart * (here * there / (here + there));
    }

    /// The sum of the squared deviations from the mean.
    pub(super) fn squares(self) -> f64 {
        self.squares
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_values_beside_large_ones_are_not_lost() {
        let mut sum = Sum::default();
        for value in [1.0, 1e100, 1.0, -1e100] {
            sum.add(value);
        }
        assert_eq!(sum.value(), 2.0);
    }

    #[test]
    fn deviations_keep_their_digits_beside_a_large_mean() {
        let values = [1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0];
        for split in 0..=values.len() {
            let (mut first, mut second) = (Moments::default(), Moments::default());
            let (start, end) = values.split_at(split);
            start.iter().for_each(|value| first.add(*value));
            end.iter().for_each(|value| second.add(*value));
            first.merge(second);
            // 36 + 9 + 9 + 36.
            assert!((first.squares() - 90.0).abs() < 1e-6, "{split}: {first:?}");
        }
    }
}
