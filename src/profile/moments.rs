//! Count, mean, spread and range of numbers, exactly, in one pass.
//!
//! Each run's values are added as differences from one of them, and runs are put together as Chan,
//! Golub and LeVeque do: no digits are lost where the mean is large against the spread. Runs are always
//! the same and put together in their order, so the last bits are, too.

use super::measure::Measure;

/// The moments of the numbers of one column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moments {
    /// Finite numbers.
    pub count: u64,
    /// NaN.
    pub missing: u64,
    pub infinite: u64,
    mean: f64,
    /// Sum of the squared differences from the mean.
    squares: f64,
    /// The wrong way round where there is no number.
    min: f64,
    max: f64,
}

impl Default for Moments {
    fn default() -> Moments {
        Moments {
            count: 0,
            missing: 0,
            infinite: 0,
            mean: 0.0,
            squares: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
        }
    }
}

impl Moments {
    /// Adds the moments of later values.
    pub fn merge(&mut self, later: &Moments) {
        self.missing += later.missing;
        self.infinite += later.infinite;
        if later.count == 0 {
            return;
        }
        let (here, there) = (self.count as f64, later.count as f64);
        let apart = later.mean - self.mean;
        let share = there / (here + there);
        self.mean += apart * share;
        self.squares += later.squares + apart * apart * here * share;
        self.count += later.count;
        self.min = self.min.min(later.min);
        self.max = self.max.max(later.max);
    }

    /// The mean of the finite numbers.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then_some(self.mean)
    }

    /// The standard deviation of a sample (divided by n - 1).
    pub fn sd(&self) -> Option<f64> {
        let freedom = self.count.checked_sub(1).filter(|freedom| *freedom > 0)?;
        Some((self.squares / freedom as f64).sqrt())
    }

    /// The least and the largest finite number.
    pub fn range(&self) -> Option<(f64, f64)> {
        (self.count > 0).then_some((self.min, self.max))
    }
}

/// Columns that are gone through at once, side by side.
const ABREAST: usize = 8;

/// Adds the first `records` rows of `values`, each `width` wide, to the moments of the first columns.
pub fn add<T: Measure>(values: &[T], width: usize, records: usize, moments: &mut [&mut Moments]) {
    let mut start = 0;
    let (eights, rest) = moments.as_chunks_mut::<ABREAST>();
    for eight in eights {
        add_some(values, (width, start, records), eight);
        start += ABREAST;
    }
    for one in rest {
        add_some(values, (width, start, records), std::array::from_mut(one));
        start += 1;
    }
}

/// Adds `N` columns from column `start` on.
fn add_some<T: Measure, const N: usize>(
    values: &[T],
    (width, start, records): (usize, usize, usize),
    moments: &mut [&mut Moments; N],
) {
    let rows = || {
        let rows = values.chunks_exact(width.max(1)).take(records);
        rows.filter_map(|row| row.get(start..start + N)?.first_chunk::<N>())
    };
    let mut origin = [0.0; N];
    for (at, origin) in origin.iter_mut().enumerate() {
        let numbers = rows().filter_map(|row| row.get(at)?.number());
        *origin = numbers.into_iter().find(|x| x.is_finite()).unwrap_or(0.0);
    }
    let mut seen = [0_u64; N];
    let mut missing = [0_u64; N];
    let mut sum = [0.0; N];
    let mut squares = [0.0; N];
    let mut min = [f64::INFINITY; N];
    let mut max = [f64::NEG_INFINITY; N];
    let mut all = 0;
    for row in rows() {
        all += 1;
        // Without branches, so that columns are added side by side.
        for (at, value) in row.iter().enumerate() {
            let x = value.number().unwrap_or(f64::NAN);
            let is_finite = x.abs() < f64::INFINITY;
            let apart = if is_finite { x - origin[at] } else { 0.0 };
            seen[at] += u64::from(is_finite);
            missing[at] += u64::from(x.is_nan());
            sum[at] += apart;
            squares[at] += apart * apart;
            let (low, high) = if is_finite {
                (x, x)
            } else {
                (f64::INFINITY, f64::NEG_INFINITY)
            };
            min[at] = if low < min[at] { low } else { min[at] };
            max[at] = if high > max[at] { high } else { max[at] };
        }
    }
    for (at, moments) in moments.iter_mut().enumerate() {
        let count = seen[at] as f64;
        let mean = if seen[at] > 0 { sum[at] / count } else { 0.0 };
        moments.merge(&Moments {
            count: seen[at],
            missing: missing[at],
            infinite: all - seen[at] - missing[at],
            mean: origin[at] + mean,
            squares: (squares[at] - sum[at] * mean).max(0.0),
            min: min[at],
            max: max[at],
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `numpy` has them, `std(ddof=1)`.
    #[test]
    fn moments_are_those_of_numpy() {
        let large = [1e9 + 1.0, 1e9 + 2.0, 1e9 + 4.0, f64::NAN, 1e9 + 9.0];
        let small = [f64::INFINITY, 0.5, -0.25, 0.125, 1.0];
        let values: Vec<f64> = large.iter().zip(small).flat_map(|(a, b)| [*a, b]).collect();
        for cut in 0..=5 {
            let mut moments = [Moments::default(), Moments::default()];
            let (first, second) = values.split_at(2 * cut);
            for part in [first, second] {
                let [a, b] = &mut moments;
                add(part, 2, 5, &mut [a, b]);
            }
            let [a, b] = &moments;
            assert_eq!((a.count, a.missing, a.infinite), (4, 1, 0));
            assert_eq!((b.count, b.missing, b.infinite), (4, 0, 1));
            assert_eq!(
                (a.mean(), a.range()),
                (Some(1e9 + 4.0), Some((1e9 + 1.0, 1e9 + 9.0)))
            );
            assert!(
                (a.sd().unwrap_or(0.0) - 3.559026084010437).abs() < 1e-6,
                "{a:?}"
            );
            assert!((b.mean().unwrap_or(0.0) - 0.34375).abs() < 1e-15, "{b:?}");
            assert!(
                (b.sd().unwrap_or(0.0) - 0.5340002340823456).abs() < 1e-15,
                "{b:?}"
            );
        }
    }

    #[test]
    fn columns_side_by_side_are_those_alone() {
        let value = |row: u32, column: u32| f64::from(row * 31 + column * 7 % 13) / 8.0;
        let rows = 20;
        let values: Vec<f64> = (0..rows)
            .flat_map(|row| (0..19).map(move |column| value(row, column)))
            .collect();
        let mut together = vec![Moments::default(); 19];
        add(
            &values,
            19,
            20,
            &mut together.iter_mut().collect::<Vec<_>>(),
        );
        for (column, together) in (0..19).zip(together) {
            let alone: Vec<f64> = (0..rows).map(|row| value(row, column)).collect();
            let mut moments = Moments::default();
            add(&alone, 1, 20, &mut [&mut moments]);
            assert_eq!(moments, together, "{column}");
        }
        assert_eq!(Moments::default().sd(), None);
    }
}
