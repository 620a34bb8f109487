//! `--label COL`: how good the predictions are, where the truth is in the file.
//!
//! One pass, bounded memory, and the same result whatever the number of jobs: each worker tallies
//! its block, the tallies are merged in input order. Knows no files: truths come as the text of the
//! label's cells, predictions as the tensors of the [`Layout`](crate::batch::columns::Layout).
//!
//! ```text
//! Judge (once) -> tally (a block, in the worker) -> merge (in order) -> finish -> Metrics
//! ```
//!
//! Definitions are those of scikit-learn 1.9, computed in float64 on the very values that the model
//! gave: of float32 probabilities scikit-learn itself takes means in float32, which costs it digits
//! after the seventh; given the same values as float64 it agrees within 1e-9.
//!
//! | metric | definition |
//! |---|---|
//! | accuracy | share of the labels that were predicted |
//! | balanced accuracy | mean recall of the classes that occur among the labels |
//! | macro F1 | mean F1 of the classes that occur among labels or predictions |
//! | log loss | mean of -ln p(label), p held within eps and 1 - eps of the output's dtype, rows not normalised |
//! | Brier | two classes: mean of (p(second) - truth)^2; more: the sum over all classes |
//! | ROC AUC | two classes: of the second one's score; more: one against the rest, plain mean |
//! | MAE, RMSE, R2 | as usual; R2 of constant truths is 1 where all is right, else 0 |
//!
//! ROC AUC is exact while a class has at most 2^18 distinct scores (fewer above four classes);
//! beyond that scores are rounded to ever fewer bits, and the result comes with a bound on what that
//! can have changed. Of 2 million records with 1.9 million distinct float32 scores the bound is 4.8e-6;
//! the result was 2.7e-9 off.

mod confusion;
mod curve;
mod errors;
mod judge;
mod metrics;
mod roster;
mod scores;
mod sum;
mod tally;
mod text;
mod truth;

pub use confusion::Confusion;
pub use judge::Judge;
pub use metrics::{Auc, Calibration, Classification, Metrics, Of, Regression};
pub(in crate::predict) use roster::Roster;
pub(in crate::predict) use sum::Sum;
pub use tally::Tally;

#[cfg(test)]
pub(in crate::predict) mod tests;
