//! A compiled ensemble: rows in, scores and labels out, from any number of threads at once.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use super::engine::{Compiled, Element, Processor, Records, Scratch};
use super::forest::Forest;
use super::outcome::{Given, Labels, Outcome, Scores};
use super::plain;
use super::read::{Ensemble, Parts, Refusal};

/// Rows that the plain evaluator takes together; what a call needs in memory does not grow beyond.
const BLOCK: usize = 256;

/// An ensemble, ready to run.
pub struct Kernel {
    program: Precise,
}

/// A program by its precision.
enum Precise {
    Single(Program<f32>),
    Double(Program<f64>),
}

/// One ensemble, and how it is evaluated.
struct Program<T> {
    outcome: Outcome<T>,
    features: usize,
    targets: usize,
    way: Way<T>,
}

/// How an ensemble is evaluated. Calls leave their memory for the next.
enum Way<T> {
    /// In blocks of records.
    Engine {
        compiled: Box<Compiled<T>>,
        processor: Processor,
        spare: Spare<Scratch<T>>,
    },
    /// One record after the other: what the engine is held to.
    Plain {
        forest: Forest<T>,
        spare: Spare<(Vec<T>, Vec<bool>)>,
    },
}

/// Memory that waits for the next call.
struct Spare<T>(Mutex<Vec<T>>);

impl<T> Spare<T> {
    fn new() -> Spare<T> {
        Spare(Mutex::default())
    }

    /// Runs `use_it` with the memory of an earlier call, or with new.
    fn with(&self, new: impl FnOnce() -> T, use_it: impl FnOnce(&mut T)) {
        let spare = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut memory = spare.unwrap_or_else(new);
        use_it(&mut memory);
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spare.push(memory);
    }
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

/// Runs one expression on the program of either precision.
macro_rules! either {
    ($kernel:expr, $program:ident => $value:expr) => {
        match &$kernel.program {
            Precise::Single($program) => $value,
            Precise::Double($program) => $value,
        }
    };
}

impl Kernel {
    /// Compiles `ensemble` for this machine.
    ///
    /// # Errors
    /// [`Refusal`] where the engine has no room for the ensemble; ONNX Runtime is faster then than we
    /// would be.
    pub fn compile(ensemble: Ensemble) -> Result<Kernel, Refusal> {
        Kernel::compile_for(ensemble, Processor::all().first().copied())
    }

    /// Compiles `ensemble` for one of [`Processor::all`], or for the plain evaluator.
    ///
    /// # Errors
    /// As [`Kernel::compile`]; the plain evaluator takes every ensemble.
    pub fn compile_for(
        ensemble: Ensemble,
        processor: Option<Processor>,
    ) -> Result<Kernel, Refusal> {
        let program = match ensemble {
            Ensemble::Single(parts) => Precise::Single(Program::new(parts, processor)?),
            Ensemble::Double(parts) => Precise::Double(Program::new(parts, processor)?),
        };
        Ok(Kernel { program })
    }

    /// How many columns the input must have at least.
    pub fn features(&self) -> usize {
        either!(self, program => program.features)
    }

    /// How many scores a row gets.
    pub fn targets(&self) -> usize {
        either!(self, program => program.targets)
    }

    /// The labels of a classifier.
    pub fn labels(&self) -> &Labels {
        either!(self, program => program.outcome.labels())
    }

    /// How it is evaluated: the instruction set, or what else.
    pub fn engine(&self) -> &'static str {
        either!(self, program => match program.way {
            Way::Engine { processor, .. } => processor.name(),
            Way::Plain { .. } => "record by record",
        })
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
        match (&self.program, rows) {
            (Precise::Single(program), Rows::Single(rows)) => {
                program.run(Records { rows, columns }, scores, labels)
            }
            (Precise::Double(program), Rows::Double(rows)) => {
                program.run(Records { rows, columns }, scores, labels)
            }
            _ => Err(Mismatch::Precision),
        }
    }
}

impl<T: Element> Program<T> {
    fn new(parts: Parts<T>, processor: Option<Processor>) -> Result<Self, Refusal> {
        let Parts { forest, outcome } = parts;
        let (features, targets) = (forest.features(), forest.targets());
        let way = match processor {
            Some(processor) if !processor.is_here() => {
                return Err(Refusal::new("this machine lacks the instructions"));
            }
            Some(processor) => Way::Engine {
                compiled: Box::new(Compiled::of(&forest, outcome.aggregate())?),
                processor,
                spare: Spare::new(),
            },
            None => Way::Plain {
                forest,
                spare: Spare::new(),
            },
        };
        Ok(Program {
            outcome,
            features,
            targets,
            way,
        })
    }

    fn run(
        &self,
        records: Records<'_, T>,
        scores: Scores<'_>,
        labels: Option<&mut [i64]>,
    ) -> Result<(), Mismatch> {
        self.check(&records, &scores, labels.as_deref())?;
        // A forest of lone leaves asks for no column, and the input may have none.
        if scores.is_empty() {
            return Ok(());
        }
        let mut rest = Rest { scores, labels };
        match &self.way {
            Way::Engine {
                compiled,
                processor,
                spare,
            } if records.columns > 0 => spare.with(Scratch::new, |scratch| {
                let given = Given::Always(compiled.given());
                compiled.sums(records, *processor, scratch, |sums| {
                    let (scores, labels) = rest.next(sums.len(), self.targets);
                    self.outcome.finish(sums, given, scores, labels);
                });
            }),
            Way::Engine { .. } => return Err(Mismatch::Lengths),
            Way::Plain { forest, spare } => {
                let length = BLOCK * self.targets;
                let new = || (vec![T::default(); length], vec![false; length]);
                spare.with(new, |(sums, given)| {
                    self.run_plain(forest, records, (sums, given), &mut rest);
                });
            }
        }
        Ok(())
    }

    fn check(
        &self,
        records: &Records<'_, T>,
        scores: &Scores<'_>,
        labels: Option<&[i64]>,
    ) -> Result<(), Mismatch> {
        if records.columns < self.features {
            return Err(Mismatch::Columns {
                wanted: self.features,
                found: records.columns,
            });
        }
        let count = scores.len() / self.targets.max(1);
        let fits = count.checked_mul(self.targets) == Some(scores.len())
            && count.checked_mul(records.columns) == Some(records.rows.len())
            && labels.is_none_or(|labels| labels.len() == count);
        if fits { Ok(()) } else { Err(Mismatch::Lengths) }
    }

    fn run_plain(
        &self,
        forest: &Forest<T>,
        records: Records<'_, T>,
        (sums, given): (&mut [T], &mut [bool]),
        rest: &mut Rest<'_>,
    ) {
        let mut rows = plain::Rows {
            values: records.rows,
            columns: records.columns,
        };
        while !rest.scores.is_empty() {
            let length = rest.scores.len().min(BLOCK * self.targets);
            let (Some(sums), Some(given)) = (sums.get_mut(..length), given.get_mut(..length))
            else {
                return;
            };
            plain::sums(forest, self.outcome.aggregate(), rows, sums, given);
            let (scores, labels) = rest.next(length, self.targets);
            self.outcome
                .finish(sums, Given::Rows(given), scores, labels);
            let used = length / self.targets.max(1) * rows.columns;
            rows.values = rows.values.get(used..).unwrap_or_default();
        }
    }
}

/// The outputs that are not yet written.
struct Rest<'a> {
    scores: Scores<'a>,
    labels: Option<&'a mut [i64]>,
}

impl<'a> Rest<'a> {
    /// Takes the next `length` scores, and the labels of their rows.
    fn next(&mut self, length: usize, targets: usize) -> (Scores<'a>, Option<&'a mut [i64]>) {
        let all = std::mem::replace(&mut self.scores, Scores::Single(&mut []));
        let (scores, rest) = all.split_at(length);
        self.scores = rest;
        let labels = self.labels.take().map(|all| {
            let rows = (length / targets.max(1)).min(all.len());
            let (labels, rest) = all.split_at_mut(rows);
            self.labels = Some(rest);
            labels
        });
        (scores, labels)
    }
}
