//! A compiled ensemble: rows in, scores and labels out, from any number of threads at once.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use super::forest::Real;
use super::outcome::{Given, Labels, Scores};
use super::plain;
use super::read::{Ensemble, Parts};

/// Rows that are evaluated together; what a call needs in memory does not grow beyond.
const BLOCK: usize = 256;

/// An ensemble, ready to run.
pub struct Kernel {
    compiled: Compiled,
}

enum Compiled {
    Single(Program<f32>),
    Double(Program<f64>),
}

/// One ensemble with the memory that calls leave for the next.
struct Program<T> {
    parts: Parts<T>,
    spare: Mutex<Vec<Scratch<T>>>,
}

/// What one call needs for a block of rows.
struct Scratch<T> {
    sums: Vec<T>,
    given: Vec<bool>,
}

/// Row-major input of the ensemble's precision.
#[derive(Debug, Clone, Copy)]
pub enum Rows<'a> {
    Single(&'a [f32]),
    Double(&'a [f64]),
}

/// Why rows or outputs do not fit the ensemble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch {
    /// The input is of the other precision.
    Precision,
    /// The scores, labels or values are not as many as the rows ask for.
    Lengths,
    /// The input has `found` columns; the trees ask for `wanted`.
    Columns { wanted: usize, found: usize },
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mismatch::Precision => f.write_str("the input is of another precision"),
            Mismatch::Lengths => f.write_str("input and outputs are not of the same rows"),
            Mismatch::Columns { wanted, found } => write!(
                f,
                "the trees ask for {wanted} columns, but the input has {found}"
            ),
        }
    }
}

impl Kernel {
    /// Compiles `ensemble`.
    pub fn compile(ensemble: Ensemble) -> Kernel {
        let compiled = match ensemble {
            Ensemble::Single(parts) => Compiled::Single(Program::new(parts)),
            Ensemble::Double(parts) => Compiled::Double(Program::new(parts)),
        };
        Kernel { compiled }
    }

    /// How many columns the input must have at least.
    pub fn features(&self) -> usize {
        match &self.compiled {
            Compiled::Single(program) => program.parts.forest.features(),
            Compiled::Double(program) => program.parts.forest.features(),
        }
    }

    /// How many scores a row gets.
    pub fn targets(&self) -> usize {
        match &self.compiled {
            Compiled::Single(program) => program.parts.forest.targets(),
            Compiled::Double(program) => program.parts.forest.targets(),
        }
    }

    /// The labels of a classifier.
    pub fn labels(&self) -> &Labels {
        match &self.compiled {
            Compiled::Single(program) => program.parts.outcome.labels(),
            Compiled::Double(program) => program.parts.outcome.labels(),
        }
    }

    /// How it is evaluated, in a word or two.
    pub fn engine(&self) -> &str {
        "plain"
    }

    /// Scores `rows`, row-major of `columns` columns, into `scores`, row-major of
    /// [`Kernel::targets`] columns, and for a classifier `labels`, one a row: the label itself where
    /// labels are integers, its index where they are texts. May be called from any number of threads
    /// at once.
    ///
    /// # Errors
    /// [`Mismatch`] where a length or a precision does not fit; nothing has been written then.
    pub fn run(
        &self,
        rows: Rows<'_>,
        columns: usize,
        scores: Scores<'_>,
        labels: Option<&mut [i64]>,
    ) -> Result<(), Mismatch> {
        match (&self.compiled, rows) {
            (Compiled::Single(program), Rows::Single(values)) => {
                program.run(plain::Rows { values, columns }, scores, labels)
            }
            (Compiled::Double(program), Rows::Double(values)) => {
                program.run(plain::Rows { values, columns }, scores, labels)
            }
            _ => Err(Mismatch::Precision),
        }
    }
}

impl<T: Real> Program<T> {
    fn new(parts: Parts<T>) -> Self {
        Program {
            parts,
            spare: Mutex::default(),
        }
    }

    fn run(
        &self,
        rows: plain::Rows<'_, T>,
        scores: Scores<'_>,
        labels: Option<&mut [i64]>,
    ) -> Result<(), Mismatch> {
        self.check(&rows, &scores, labels.as_deref())?;
        let mut scratch = self.borrow();
        self.run_blocks(rows, scores, labels, &mut scratch);
        self.spare
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(scratch);
        Ok(())
    }

    fn check(
        &self,
        rows: &plain::Rows<'_, T>,
        scores: &Scores<'_>,
        labels: Option<&[i64]>,
    ) -> Result<(), Mismatch> {
        let wanted = self.parts.forest.features();
        let targets = self.parts.forest.targets();
        if rows.columns < wanted {
            return Err(Mismatch::Columns {
                wanted,
                found: rows.columns,
            });
        }
        let count = scores.len() / targets.max(1);
        let fits = count.checked_mul(targets) == Some(scores.len())
            && count.checked_mul(rows.columns) == Some(rows.values.len())
            && labels.is_none_or(|labels| labels.len() == count);
        if fits { Ok(()) } else { Err(Mismatch::Lengths) }
    }

    /// The memory of an earlier call, or new.
    fn borrow(&self) -> Scratch<T> {
        let spare = self
            .spare
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        spare.unwrap_or_else(|| {
            let length = BLOCK * self.parts.forest.targets();
            Scratch {
                sums: vec![T::default(); length],
                given: vec![false; length],
            }
        })
    }

    fn run_blocks(
        &self,
        mut rows: plain::Rows<'_, T>,
        mut scores: Scores<'_>,
        mut labels: Option<&mut [i64]>,
        scratch: &mut Scratch<T>,
    ) {
        let Parts { forest, outcome } = &self.parts;
        let targets = forest.targets();
        while scores.len() > 0 {
            let length = scores.len().min(BLOCK * targets);
            let count = length / targets.max(1);
            let (Some(sums), Some(given)) = (
                scratch.sums.get_mut(..length),
                scratch.given.get_mut(..length),
            ) else {
                return;
            };
            plain::sums(forest, outcome.aggregate(), rows, sums, given);
            let (block, rest) = scores.split_at(length);
            scores = rest;
            let (block_labels, rest) = match labels {
                Some(all) => {
                    let (block, rest) = all.split_at_mut(count.min(all.len()));
                    (Some(block), Some(rest))
                }
                None => (None, None),
            };
            labels = rest;
            outcome.finish(sums, Given::Rows(given), block, block_labels);
            rows.values = rows.values.get(count * rows.columns..).unwrap_or_default();
        }
    }
}
