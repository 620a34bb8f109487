//! Which class was taken for which, and the metrics that follow from that alone.

use std::collections::{BTreeMap, HashMap};

use super::roster::Roster;
use super::truth::Classes;

/// Most cells of a confusion matrix that are not zero.
const MOST_PAIRS: usize = 1 << 18;

/// Counts of labels and predictions of one block, or of many.
#[derive(Debug, Clone, Default)]
pub(super) struct Labels {
    pub(super) judged: u64,
    pub(super) correct: u64,
    /// Labels that the model cannot predict.
    pub(super) unknown: u64,
    /// Names that the model did not declare; their numbers follow those of its classes.
    others: Roster,
    /// (label, prediction) to records.
    pairs: HashMap<(usize, usize), u64>,
}

impl Labels {
    /// Counts a record; returns the number of the label's class, where the model knows it.
    pub(super) fn add(
        &mut self,
        classes: &Classes,
        truth: &str,
        prediction: &str,
    ) -> Option<usize> {
        let known = classes.find(truth);
        let predicted = classes.find(prediction);
        self.judged += 1;
        if known.is_none() && !classes.names().is_empty() {
            self.unknown += 1;
        }
        let equal = match (known, predicted) {
            (None, None) => classes.canonical(truth) == classes.canonical(prediction),
            _ => known == predicted,
        };
        self.correct += u64::from(equal);
        let row = known.or_else(|| self.other(classes, truth));
        let column = predicted.or_else(|| self.other(classes, prediction));
        if let (Some(row), Some(column)) = (row, column) {
            self.count((row, column), 1);
        }
        known
    }

    fn other(&mut self, classes: &Classes, name: &str) -> Option<usize> {
        let number = self.others.number(&classes.canonical(name));
        if number.is_none() {
            self.pairs.clear();
        }
        number.map(|number| classes.names().len() + number)
    }

    fn count(&mut self, pair: (usize, usize), records: u64) {
        if self.others.overflowed() {
            return;
        }
        *self.pairs.entry(pair).or_default() += records;
        if self.pairs.len() > MOST_PAIRS {
            self.others.overflow();
            self.pairs = HashMap::new();
        }
    }

    /// Adds the counts of later records; `known` is the number of the model's classes.
    pub(super) fn merge(&mut self, later: &Labels, known: usize) {
        self.judged += later.judged;
        self.correct += later.correct;
        self.unknown += later.unknown;
        let Some(numbers) = self.others.merge(&later.others) else {
            self.pairs = HashMap::new();
            return;
        };
        let here = |number: usize| match number.checked_sub(known) {
            Some(other) => numbers.get(other).map_or(number, |number| known + number),
            None => number,
        };
        for ((row, column), records) in &later.pairs {
            self.count((here(*row), here(*column)), *records);
        }
    }

    /// The matrix; `None` where there were too many classes.
    pub(super) fn matrix(&self, classes: &Classes) -> Option<Confusion> {
        if self.others.overflowed() {
            return None;
        }
        let names = classes.names().iter().chain(self.others.names());
        Some(Confusion {
            classes: names.cloned().collect(),
            counts: self.pairs.iter().map(|(pair, n)| (*pair, *n)).collect(),
        })
    }
}

/// A confusion matrix: the model's classes in its order, then further ones as they came.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Confusion {
    pub classes: Vec<String>,
    /// (label, prediction), as numbers of classes, to records; pairs that never came are absent.
    pub counts: BTreeMap<(usize, usize), u64>,
}

impl Confusion {
    /// Records of the class `row` that were taken for `column`.
    pub fn count(&self, row: usize, column: usize) -> u64 {
        self.counts.get(&(row, column)).copied().unwrap_or_default()
    }

    /// The name of class `number`; empty where there is none.
    pub fn name(&self, number: usize) -> &str {
        self.classes.get(number).map_or("", String::as_str)
    }

    /// The mistakes, (label, prediction, records), the most frequent first.
    pub fn mistakes(&self) -> Vec<(usize, usize, u64)> {
        let wrong = self
            .counts
            .iter()
            .filter(|((row, column), _)| row != column);
        let mut mistakes: Vec<_> = wrong
            .map(|((row, column), n)| (*row, *column, *n))
            .collect();
        mistakes.sort_by_key(|(_, _, records)| std::cmp::Reverse(*records));
        mistakes
    }

    /// Mean recall of the classes that occur among the labels.
    pub fn balanced_accuracy(&self) -> Option<f64> {
        let recalls = self.classes().into_iter().filter(|class| class.labels > 0);
        mean(recalls.map(|class| class.hits as f64 / class.labels as f64))
    }

    /// Mean F1 of the classes that occur among labels or predictions.
    pub fn f1_macro(&self) -> Option<f64> {
        let occurs = |class: &Class| class.labels + class.predictions > 0;
        let all = self.classes().into_iter().filter(occurs);
        mean(all.map(|class| 2.0 * class.hits as f64 / (class.labels + class.predictions) as f64))
    }

    fn classes(&self) -> Vec<Class> {
        let mut classes = vec![Class::default(); self.classes.len()];
        for ((row, column), records) in &self.counts {
            if let Some(class) = classes.get_mut(*row) {
                class.labels += records;
                class.hits += if row == column { *records } else { 0 };
            }
            if let Some(class) = classes.get_mut(*column) {
                class.predictions += records;
            }
        }
        classes
    }
}

/// How often one class is the label, the prediction, and both.
#[derive(Debug, Clone, Copy, Default)]
struct Class {
    labels: u64,
    predictions: u64,
    hits: u64,
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}
