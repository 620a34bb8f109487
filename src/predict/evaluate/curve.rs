//! The area under a ROC curve, from counts of distinct scores, in bounded memory.
//!
//! Scores become integers of the same order. While there are more distinct ones than the limit, the
//! lowest bit of all of them is dropped: what is merged early and late then looks the same, so that
//! the result does not depend on how the records were split.

use super::metrics::Auc;

/// How many records of the class, and of the rest, have one score.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Point {
    key: u64,
    positives: u64,
    negatives: u64,
}

/// Records before they are sorted in: what a block has.
const FEW: usize = 4_096;

/// The counts of one class against the rest.
#[derive(Debug, Clone)]
pub(super) struct Curve {
    most: usize,
    /// Low bits that are dropped.
    dropped: u32,
    /// Ascending, one for each key.
    points: Vec<Point>,
    /// In any order, not yet among the points.
    pending: Vec<Point>,
}

impl Curve {
    /// A curve of at most `most` distinct scores.
    pub(super) fn new(most: usize) -> Curve {
        Curve {
            most,
            dropped: 0,
            points: Vec::new(),
            pending: Vec::new(),
        }
    }

    /// Counts a record; `score` is not NaN.
    pub(super) fn add(&mut self, score: f64, positive: bool) {
        self.pending.push(Point {
            key: key(score),
            positives: u64::from(positive),
            negatives: u64::from(!positive),
        });
        self.settle_if_many();
    }

    pub(super) fn merge(&mut self, later: Curve) {
        if later.dropped > self.dropped {
            self.dropped = later.dropped;
            self.points = collapsed(std::mem::take(&mut self.points), self.dropped);
        }
        self.pending.extend(later.points);
        self.pending.extend(later.pending);
        self.settle_if_many();
    }

    /// Sorting in as rarely as the points double keeps the work linear.
    fn settle_if_many(&mut self) {
        if self.pending.len() >= self.points.len().max(FEW) {
            self.settle();
        }
    }

    /// Sorts the pending records in and drops bits until the limit is kept.
    pub(super) fn settle(&mut self) {
        let mut all = std::mem::take(&mut self.points);
        all.append(&mut self.pending);
        // The stable sort is quick on runs that are sorted already.
        all.sort_by_key(|point| point.key);
        self.points = collapsed(all, self.dropped);
        while self.points.len() > self.most && self.dropped < 63 {
            self.dropped += 1;
            self.points = collapsed(std::mem::take(&mut self.points), self.dropped);
        }
    }

    /// The area; `None` where one of the two sides has no record.
    pub(super) fn area(mut self) -> Option<Auc> {
        self.settle();
        let positives: u64 = self.points.iter().map(|point| point.positives).sum();
        let mut below: u64 = 0;
        let (mut twice, mut tied) = (0_u128, 0_u128);
        for point in &self.points {
            let (hits, misses) = (u128::from(point.positives), u128::from(point.negatives));
            twice += hits * (2 * u128::from(below) + misses);
            tied += hits * misses;
            below += point.negatives;
        }
        let pairs = positives as f64 * below as f64;
        (pairs > 0.0).then(|| Auc {
            value: twice as f64 / 2.0 / pairs,
            error: if self.dropped == 0 {
                0.0
            } else {
                tied as f64 / 2.0 / pairs
            },
        })
    }
}

/// Sorted points with their low bits dropped, one for each key.
fn collapsed(mut points: Vec<Point>, dropped: u32) -> Vec<Point> {
    for point in &mut points {
        point.key = point.key >> dropped << dropped;
    }
    points.dedup_by(|next, kept| {
        let same = next.key == kept.key;
        if same {
            kept.positives += next.positives;
            kept.negatives += next.negatives;
        }
        same
    });
    points
}

/// The bits of a float as an integer of the same order; both zeros are one.
fn key(score: f64) -> u64 {
    let bits = (score + 0.0).to_bits();
    if bits >> 63 == 1 {
        !bits
    } else {
        bits | 1 << 63
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_order_of_the_scores() {
        let scores = [
            f64::NEG_INFINITY,
            -2.0,
            -1e-300,
            0.0,
            1e-300,
            0.5,
            f64::INFINITY,
        ];
        assert!(scores.map(key).is_sorted());
        assert_eq!(key(-0.0), key(0.0));
    }

    /// sklearn.metrics.roc_auc_score([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]) is 0.75.
    #[test]
    fn the_area_is_that_of_the_textbook() {
        let mut curve = Curve::new(10);
        for (score, positive) in [(0.1, false), (0.4, false), (0.35, true), (0.8, true)] {
            curve.add(score, positive);
        }
        let area = curve.area().expect("both sides");
        assert_eq!((area.value, area.error), (0.75, 0.0));
        let mut one_sided = Curve::new(10);
        one_sided.add(0.5, true);
        assert_eq!(one_sided.area(), None);
    }

    #[test]
    fn a_full_curve_stays_within_its_bound_however_it_is_split() {
        let scores: Vec<(f64, bool)> = (0..3_000_u32)
            .map(|index| {
                let score = f64::from(index.wrapping_mul(2_654_435_761) >> 8) / f64::from(1 << 24);
                (score, index % 7 < 3)
            })
            .collect();
        let of = |most: usize, parts: usize| {
            let mut whole = Curve::new(most);
            for part in scores.chunks(scores.len() / parts) {
                let mut curve = Curve::new(most);
                part.iter()
                    .for_each(|(score, positive)| curve.add(*score, *positive));
                curve.settle();
                whole.merge(curve);
            }
            whole.area().expect("both sides")
        };
        let exact = of(10_000, 1);
        assert_eq!(exact.error, 0.0);
        let rough = of(100, 1);
        assert!(rough.error > 0.0 && rough.error < 0.03, "{rough:?}");
        assert!((rough.value - exact.value).abs() <= rough.error);
        for parts in [2, 7, 100] {
            assert_eq!(of(100, parts), rough, "{parts}");
            assert_eq!(of(10_000, parts), exact, "{parts}");
        }
    }
}
