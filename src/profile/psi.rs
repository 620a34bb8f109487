//! The population stability index: how far one distribution is from another, by the shares of bins.

/// From here on a distribution is said to have moved somewhat; from the second on, much.
pub const SOME: f64 = 0.1;
pub const MUCH: f64 = 0.25;
/// What an empty bin counts as, or its logarithm would be the only thing that counts.
const LEAST: f64 = 1e-4;

/// The sum over all bins of `(now - before) * ln(now / before)`, where both are shares and none is less
/// than 0.0001; `None` where there is nothing to compare.
pub fn psi(before: &[u64], now: &[u64]) -> Option<f64> {
    let total = |counts: &[u64]| {
        let sum: u64 = counts.iter().sum();
        (sum > 0).then_some(sum as f64)
    };
    let (all_before, all_now) = (total(before)?, total(now)?);
    let terms = before.iter().zip(now).map(|(before, now)| {
        let before = (*before as f64 / all_before).max(LEAST);
        let now = (*now as f64 / all_now).max(LEAST);
        (now - before) * (now / before).ln()
    });
    Some(terms.sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As NumPy has it: `p, q = np.maximum(p / p.sum(), 1e-4), ...; ((q - p) * np.log(q / p)).sum()`.
    #[test]
    fn the_index_is_that_of_its_formula() {
        for (before, now, expected) in [
            (&[10, 20, 30][..], &[100, 200, 300][..], 0.0),
            (&[50, 50], &[60, 40], 0.040_546_510_810_816_46),
            (&[10, 10, 10, 10], &[1, 2, 3, 34], 1.784_929_728_140_788_5),
            (&[5, 0], &[0, 7], 18.418_838_675_877_97),
        ] {
            let found = psi(before, now).unwrap_or(-1.0);
            assert!(
                (found - expected).abs() < 1e-9,
                "{before:?} {now:?}: {found}"
            );
        }
        assert_eq!(psi(&[0, 0], &[1, 2]), None);
        assert_eq!(psi(&[1, 2], &[0, 0]), None);
    }
}
