//! The result: numbers for people, programs and the report page.

use super::confusion::{Confusion, Labels};
use super::errors::Errors;
use super::scores::Scores;
use super::truth::Classes;

/// How good the predictions of a run are.
#[derive(Debug, Clone, PartialEq)]
pub struct Metrics {
    /// The column with the truth.
    pub label: String,
    /// All records of the run.
    pub records: u64,
    /// Records without a label.
    pub missing: u64,
    pub of: Of,
    /// What was left out or is approximate, and why.
    pub notes: Vec<String>,
}

/// The metrics, by what was predicted.
#[derive(Debug, Clone, PartialEq)]
pub enum Of {
    Classes(Box<Classification>),
    Numbers(Regression),
}

/// Metrics of predicted classes; `None` is what cannot be said, with a note why.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Classification {
    /// Records with a label.
    pub judged: u64,
    /// Labels that the model cannot predict; they count as mistakes and have no scores.
    pub unknown: u64,
    pub accuracy: Option<f64>,
    pub balanced_accuracy: Option<f64>,
    pub f1_macro: Option<f64>,
    pub log_loss: Option<f64>,
    pub roc_auc: Option<Auc>,
    pub brier: Option<f64>,
    pub confusion: Option<Confusion>,
    /// Steps of the score that have records, ascending.
    pub calibration: Vec<Calibration>,
    /// The class whose score is calibrated, of two; of more it is the best class's.
    pub calibrated: Option<String>,
}

/// Metrics of predicted numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Regression {
    /// Records with a label and a finite prediction.
    pub judged: u64,
    pub mae: Option<f64>,
    pub rmse: Option<f64>,
    pub r2: Option<f64>,
}

/// The area under the ROC curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Auc {
    pub value: f64,
    /// How much rounding the scores can have changed it; 0 where it is exact.
    pub error: f64,
}

/// Records whose score is in one step of [0, 1].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibration {
    pub from: f64,
    pub to: f64,
    pub records: u64,
    /// Their mean score.
    pub score: f64,
    /// The share that is of the class.
    pub rate: f64,
}

impl Classification {
    pub(super) fn new(
        labels: &Labels,
        scores: Option<Scores>,
        classes: &Classes,
        notes: &mut Vec<String>,
    ) -> Classification {
        let confusion = labels.matrix(classes);
        if confusion.is_none() {
            notes.push(
                "too many classes for balanced accuracy, macro F1 and a confusion matrix; is the label a number?"
                    .to_owned(),
            );
        }
        let mut of = Classification {
            judged: labels.judged,
            unknown: labels.unknown,
            accuracy: (labels.judged > 0).then(|| labels.correct as f64 / labels.judged as f64),
            balanced_accuracy: confusion.as_ref().and_then(Confusion::balanced_accuracy),
            f1_macro: confusion.as_ref().and_then(Confusion::f1_macro),
            confusion,
            ..Classification::default()
        };
        if let Some(scores) = scores {
            of.add_scores(scores, classes, notes);
        }
        of
    }

    fn add_scores(&mut self, mut scores: Scores, classes: &Classes, notes: &mut Vec<String>) {
        self.log_loss = scores.log_loss();
        self.brier = scores.brier();
        self.calibration = scores.calibration();
        self.calibrated = match classes.names() {
            [_, second] => Some(second.clone()),
            _ => None,
        };
        if self.unknown > 0 {
            let records = counted(self.unknown, "label is", "labels are");
            notes.push(format!(
                "{records} unknown to the model: mistakes in what is counted, absent from what is computed from scores"
            ));
        }
        if scores.not_finite > 0 {
            let records = counted(scores.not_finite, "record has", "records have");
            notes.push(format!("{records} scores that are not finite and are left out of what is computed from scores"));
        }
        if scores.outside > 0 {
            notes.push(
                "the scores are no probabilities, so there is no log loss, Brier or calibration; --activation sigmoid or softmax makes them so"
                    .to_owned(),
            );
        } else if scores.no_distribution > 0 {
            let records = counted(scores.no_distribution, "record has", "records have");
            notes.push(format!("{records} scores that do not sum to one"));
        }
        let judged = scores.judged;
        let no_rest = scores.outside + scores.no_distribution;
        self.roc_auc = scores.auc();
        match self.roc_auc {
            Some(auc) if auc.error > 0.0 => notes.push(format!(
                "ROC AUC is approximate, within {:.1e}: there are too many distinct scores to keep",
                auc.error
            )),
            None if scores.too_many_classes() => {
                notes.push("too many classes for ROC AUC".to_owned());
            }
            None if no_rest > 0 => notes.push(
                "no ROC AUC: of more than two classes it needs probabilities that sum to one"
                    .to_owned(),
            ),
            None if judged > 0 => notes.push(
                "no ROC AUC: it needs labels of every class, and of two classes at least"
                    .to_owned(),
            ),
            _ => {}
        }
    }
}

impl Regression {
    pub(super) fn notes(errors: &Errors, notes: &mut Vec<String>) {
        if errors.no_number > 0 {
            let records = counted(errors.no_number, "label is", "labels are");
            notes.push(format!("{records} no number and left out"));
        }
        if errors.not_finite > 0 {
            let records = counted(errors.not_finite, "prediction is", "predictions are");
            notes.push(format!("{records} not finite and left out"));
        }
    }
}

/// `1 label is`, `2 labels are`.
fn counted(count: u64, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}
