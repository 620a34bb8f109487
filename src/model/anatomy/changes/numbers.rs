//! How far two lists of numbers are apart.

/// How numbers changed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct NumberChange {
    /// All numbers, of which `changed` are not what they were; NaN is NaN.
    pub count: u64,
    pub changed: u64,
    /// Largest difference; infinite where a number became NaN or infinite, or the reverse.
    pub absolute: f64,
    /// Largest difference as a share of the larger of the two numbers, at most 2.
    pub relative: f64,
}

impl NumberChange {
    #[inline]
    pub(super) fn take(&mut self, old: f64, new: f64) {
        self.count += 1;
        if old == new || (old.is_nan() && new.is_nan()) {
            return;
        }
        self.changed += 1;
        let difference = (new - old).abs();
        let (absolute, relative) = match difference.is_finite() {
            true => (difference, difference / old.abs().max(new.abs())),
            false => (f64::INFINITY, 2.0),
        };
        self.absolute = self.absolute.max(absolute);
        self.relative = self.relative.max(relative);
    }

    /// Of two lists, as far as the shorter one goes.
    pub(super) fn of(old: &[f64], new: &[f64]) -> NumberChange {
        let mut change = NumberChange::default();
        for (old, new) in old.iter().zip(new) {
            change.take(*old, *new);
        }
        change
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_absolute_and_relative_to_the_larger_number() {
        for (old, new, changed, absolute, relative) in [
            (vec![1.0, 2.0], vec![1.0, 2.0], 0, 0.0, 0.0),
            (vec![1.0, 4.0], vec![1.5, 5.0], 2, 1.0, 1.0 / 3.0),
            (vec![0.0, 8.0], vec![0.5, 8.0], 1, 0.5, 1.0),
            (vec![1.0], vec![-1.0], 1, 2.0, 2.0),
            (vec![f64::NAN], vec![f64::NAN], 0, 0.0, 0.0),
            (vec![1.0], vec![f64::NAN], 1, f64::INFINITY, 2.0),
            (vec![f64::INFINITY], vec![1.0], 1, f64::INFINITY, 2.0),
        ] {
            let change = NumberChange::of(&old, &new);
            assert_eq!(change.count, old.len() as u64);
            assert_eq!(
                (change.changed, change.absolute, change.relative),
                (changed, absolute, relative),
                "{old:?} {new:?}"
            );
        }
    }
}
