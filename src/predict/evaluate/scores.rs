//! How good the classes' scores are: log loss, Brier, ROC AUC, calibration.

use super::curve::Curve;
use super::metrics::{Auc, Calibration};
use super::sum::Sum;

/// Distinct scores of one curve, and of all curves together.
const MOST_POINTS: usize = 1 << 18;
const MOST_POINTS_IN_ALL: usize = 1 << 20;
/// More classes have no curves: each would have too few points to say anything.
const MOST_CURVES: usize = 512;
/// Steps of the calibration table.
const BINS: usize = 10;

/// The scores of one block, or of many.
#[derive(Debug, Clone)]
pub(super) struct Scores {
    /// The machine epsilon of the output's dtype.
    epsilon: f64,
    classes: usize,
    pub(super) judged: u64,
    /// Records with a score that is NaN or infinite, which are left out.
    pub(super) not_finite: u64,
    /// Records with a score outside [0, 1].
    pub(super) outside: u64,
    /// Records whose scores do not sum to one.
    pub(super) no_distribution: u64,
    log_loss: Sum,
    brier: Sum,
    /// One for each class; with two classes the second one's alone.
    curves: Vec<Curve>,
    bins: [Bin; BINS],
}

#[derive(Debug, Clone, Copy, Default)]
struct Bin {
    records: u64,
    hits: u64,
    scores: Sum,
}

impl Scores {
    /// Nothing counted yet, of scores of this many classes.
    pub(super) fn new(classes: usize, epsilon: f64) -> Scores {
        let curves = match classes {
            2 => 1,
            more if more <= MOST_CURVES => more,
            _ => 0,
        };
        let most = MOST_POINTS.min(MOST_POINTS_IN_ALL / curves.max(1));
        Scores {
            epsilon,
            classes,
            judged: 0,
            not_finite: 0,
            outside: 0,
            no_distribution: 0,
            log_loss: Sum::default(),
            brier: Sum::default(),
            curves: vec![Curve::new(most); curves],
            bins: [Bin::default(); BINS],
        }
    }

    /// Counts a record of the class `truth` with one score for each class, of which `best` won.
    pub(super) fn add(&mut self, truth: usize, row: &[f64], best: usize) {
        if row.iter().any(|score| !score.is_finite()) {
            self.not_finite += 1;
            return;
        }
        self.judged += 1;
        if self.classes == 2 {
            if let (Some(curve), Some(score)) = (self.curves.first_mut(), row.last()) {
                curve.add(*score, truth == 1);
            }
        } else {
            for (class, (curve, score)) in self.curves.iter_mut().zip(row).enumerate() {
                curve.add(*score, truth == class);
            }
        }
        if row.iter().any(|score| !(0.0..=1.0).contains(score)) {
            self.outside += 1;
            return;
        }
        // As numpy.allclose has it.
        let sum: f64 = row.iter().sum();
        self.no_distribution += u64::from((sum - 1.0).abs() > 1e-5 * sum.abs() + 1e-8);
        self.add_probabilities(truth, row, best);
    }

    fn add_probabilities(&mut self, truth: usize, row: &[f64], best: usize) {
        let of_truth = row.get(truth).copied().unwrap_or_default();
        let held = of_truth.clamp(self.epsilon, 1.0 - self.epsilon);
        self.log_loss.add(-held.ln());
        let square = |class: usize, score: f64| {
            let off = score - f64::from(u8::from(class == truth));
            off * off
        };
        let (shown, hit) = if self.classes == 2 {
            let second = row.last().copied().unwrap_or_default();
            self.brier.add(square(1, second));
            (second, truth == 1)
        } else {
            let squares = row
                .iter()
                .enumerate()
                .map(|(class, score)| square(class, *score));
            self.brier.add(squares.sum());
            (row.get(best).copied().unwrap_or_default(), truth == best)
        };
        let bin = ((shown * BINS as f64) as usize).min(BINS - 1);
        if let Some(bin) = self.bins.get_mut(bin) {
            bin.records += 1;
            bin.hits += u64::from(hit);
            bin.scores.add(shown);
        }
    }

    pub(super) fn merge(&mut self, later: Scores) {
        self.judged += later.judged;
        self.not_finite += later.not_finite;
        self.outside += later.outside;
        self.no_distribution += later.no_distribution;
        self.log_loss.merge(later.log_loss);
        self.brier.merge(later.brier);
        for (curve, later) in self.curves.iter_mut().zip(later.curves) {
            curve.merge(later);
        }
        for (bin, later) in self.bins.iter_mut().zip(later.bins) {
            bin.records += later.records;
            bin.hits += later.hits;
            bin.scores.merge(later.scores);
        }
    }

    /// Sorts what came in, so that a later merge has less to do.
    pub(super) fn settle(&mut self) {
        self.curves.iter_mut().for_each(Curve::settle);
    }

    pub(super) fn log_loss(&self) -> Option<f64> {
        self.log_loss.mean(self.probable()?)
    }

    pub(super) fn brier(&self) -> Option<f64> {
        self.brier.mean(self.probable()?)
    }

    /// Records judged, where all their scores can be probabilities.
    fn probable(&self) -> Option<u64> {
        (self.outside == 0).then_some(self.judged)
    }

    /// The area of two classes' one curve, or the mean of the areas of all classes. Of more than two
    /// classes only where the scores are probabilities that sum to one.
    pub(super) fn auc(&mut self) -> Option<Auc> {
        if self.classes > 2 && self.outside + self.no_distribution > 0 {
            return None;
        }
        let curves = std::mem::take(&mut self.curves);
        let count = curves.len() as f64;
        let areas: Option<Vec<Auc>> = curves.into_iter().map(Curve::area).collect();
        let areas = areas.filter(|areas| !areas.is_empty())?;
        Some(Auc {
            value: areas.iter().map(|area| area.value).sum::<f64>() / count,
            error: areas.iter().map(|area| area.error).sum::<f64>() / count,
        })
    }

    /// Where records are: how high the score was, and how often it was right. Of two classes the
    /// second one's score; of more the best class's.
    pub(super) fn calibration(&self) -> Vec<Calibration> {
        if self.outside > 0 {
            return Vec::new();
        }
        let step = |(index, bin): (usize, &Bin)| {
            Some(Calibration {
                from: index as f64 / BINS as f64,
                to: (index + 1) as f64 / BINS as f64,
                records: bin.records,
                score: bin.scores.mean(bin.records)?,
                rate: bin.hits as f64 / bin.records as f64,
            })
        };
        self.bins.iter().enumerate().filter_map(step).collect()
    }

    /// Whether there are too many classes for ROC AUC.
    pub(super) fn too_many_classes(&self) -> bool {
        self.classes > MOST_CURVES
    }
}
