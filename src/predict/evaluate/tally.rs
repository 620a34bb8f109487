//! What one block adds to the metrics, and how blocks add up.

use std::borrow::Cow;

use crate::batch::decide;
use crate::model::tensor::Tensor;

use super::confusion::Labels;
use super::errors::Errors;
use super::judge::{Judge, Judged, ScoreField, name_at};
use super::metrics::{Classification, Metrics, Of, Regression};
use super::scores::Scores;
use super::truth::Classes;

/// The counts and sums of one block, or of many; bounded, whatever the records.
#[derive(Debug, Clone)]
pub struct Tally {
    /// All records, with a label or without.
    records: u64,
    /// Records without a label.
    missing: u64,
    counts: Counts,
}

#[derive(Debug, Clone)]
enum Counts {
    Class {
        labels: Labels,
        scores: Option<Box<Scores>>,
    },
    Number(Errors),
}

impl Judge {
    /// A tally of nothing.
    pub fn start(&self) -> Tally {
        let counts = match &self.judged {
            Judged::Class {
                scores, classes, ..
            } => Counts::Class {
                labels: Labels::default(),
                scores: scores
                    .as_ref()
                    .map(|field| Box::new(Scores::new(classes.names().len(), field.epsilon()))),
            },
            Judged::Number { .. } => Counts::Number(Errors::default()),
        };
        Tally {
            records: 0,
            missing: 0,
            counts,
        }
    }

    /// Tallies the first `records` records of one run.
    ///
    /// `truths` has the text of each record's label, `None` (as well as blank text) where it is
    /// missing; `outputs` has one tensor `[rows, ...]` for each field of the layout, of at least
    /// `records` rows. A record that either lacks counts as one without a label.
    pub fn tally(&self, truths: &[Option<&[u8]>], outputs: &[Tensor], records: usize) -> Tally {
        let mut tally = self.start();
        tally.records = records as u64;
        let texts = |record: usize| {
            let text = truths.get(record).copied().flatten()?;
            let text = text.trim_ascii();
            (!text.is_empty()).then(|| String::from_utf8_lossy(text))
        };
        let missing = match (&self.judged, &mut tally.counts) {
            (Judged::Class { .. }, Counts::Class { labels, scores }) => {
                let scores = scores.as_deref_mut();
                self.tally_classes(texts, outputs, records, (labels, scores))
            }
            (Judged::Number { field }, Counts::Number(errors)) => {
                let predicted = outputs
                    .get(*field)
                    .and_then(decide::floats)
                    .unwrap_or_default();
                let each = (0..records).map(|record| {
                    let (text, value) = (texts(record)?, predicted.get(record)?);
                    errors.add(&text, *value);
                    Some(())
                });
                each.filter(Option::is_none).count()
            }
            _ => records,
        };
        tally.missing = missing as u64;
        tally
    }

    /// Returns the records without a label.
    fn tally_classes<'t>(
        &self,
        texts: impl Fn(usize) -> Option<Cow<'t, str>>,
        outputs: &[Tensor],
        records: usize,
        (labels, mut scores): (&mut Labels, Option<&mut Scores>),
    ) -> usize {
        let Judged::Class {
            label,
            scores: field,
            classes,
        } = &self.judged
        else {
            return records;
        };
        let rows = field
            .as_ref()
            .map(|field| Rows::new(field, outputs, classes));
        let named = label.and_then(|at| outputs.get(at));
        let mut missing = 0;
        for record in 0..records {
            let row = rows.as_ref().and_then(|rows| rows.row(record));
            let best = match (&rows, &row) {
                (Some(rows), Some(row)) => rows.best(row),
                _ => 0,
            };
            let predicted = match named {
                Some(tensor) => name_at(tensor, record),
                None => classes
                    .names()
                    .get(best)
                    .map(|name| Cow::Borrowed(name.as_str())),
            };
            let (Some(truth), Some(predicted)) = (texts(record), predicted) else {
                missing += 1;
                continue;
            };
            let class = labels.add(classes, &truth, &predicted);
            if let (Some(class), Some(row), Some(scores)) = (class, row, scores.as_deref_mut()) {
                scores.add(class, &row, best);
            }
        }
        if let Some(scores) = scores {
            scores.settle();
        }
        missing
    }
}

/// The scores of a run's records, one for each class.
struct Rows<'j> {
    field: &'j ScoreField,
    values: Vec<f64>,
    width: usize,
}

impl<'j> Rows<'j> {
    fn new(field: &'j ScoreField, outputs: &[Tensor], classes: &Classes) -> Self {
        Rows {
            field,
            values: outputs
                .get(field.field)
                .and_then(decide::floats)
                .unwrap_or_default(),
            width: classes.names().len(),
        }
    }

    /// The winner of a row; a single score wins from a half on, as `--threshold` has it.
    fn best(&self, row: &[f64]) -> usize {
        match row {
            [_, second] if self.field.single => usize::from(*second >= 0.5),
            _ => best(row),
        }
    }

    fn row(&self, record: usize) -> Option<Cow<'_, [f64]>> {
        if self.field.single {
            let score = *self.values.get(record)?;
            return Some(Cow::Owned(vec![self.field.rest(score), score]));
        }
        let start = record * self.width;
        self.values
            .get(start..start + self.width)
            .map(Cow::Borrowed)
    }
}

/// The place of the highest score, the first of equals.
fn best(row: &[f64]) -> usize {
    let higher = |best: (usize, f64), (class, score): (usize, &f64)| {
        if *score > best.1 {
            (class, *score)
        } else {
            best
        }
    };
    let start = (0, f64::NEG_INFINITY);
    row.iter().enumerate().fold(start, higher).0
}

impl Tally {
    /// Adds the tally of later records.
    pub fn merge(&mut self, later: Tally, judge: &Judge) {
        self.records += later.records;
        self.missing += later.missing;
        let known = match &judge.judged {
            Judged::Class { classes, .. } => classes.names().len(),
            Judged::Number { .. } => 0,
        };
        match (&mut self.counts, later.counts) {
            (
                Counts::Class { labels, scores },
                Counts::Class {
                    labels: later_labels,
                    scores: later_scores,
                },
            ) => {
                labels.merge(&later_labels, known);
                if let (Some(scores), Some(later)) = (scores, later_scores) {
                    scores.merge(*later);
                }
            }
            (Counts::Number(errors), Counts::Number(later)) => errors.merge(later),
            _ => {}
        }
    }

    /// The metrics of all records merged so far.
    pub fn finish(self, judge: &Judge) -> Metrics {
        let mut notes = judge.notes.clone();
        let of = match (self.counts, &judge.judged) {
            (Counts::Class { labels, scores }, Judged::Class { classes, .. }) => {
                let of =
                    Classification::new(&labels, scores.map(|scores| *scores), classes, &mut notes);
                Of::Classes(Box::new(of))
            }
            (Counts::Number(errors), _) => {
                Regression::notes(&errors, &mut notes);
                Of::Numbers(errors.finish())
            }
            (Counts::Class { .. }, Judged::Number { .. }) => Of::Numbers(Regression::default()),
        };
        Metrics {
            label: judge.label.clone(),
            records: self.records,
            missing: self.missing,
            of,
            notes,
        }
    }
}
