//! What the page needs of a block: each input column's range, each prediction's distribution.

use crate::batch::columns::{Field, Form, Layout};
use crate::batch::decide;
use crate::batch::encode::Group;
use crate::batch::feed::{Feed, How, elements};
use crate::batch::plan::Plan;
use crate::each_dtype;
use crate::model::dtype::Dtype;
use crate::model::tensor::Tensor;
use crate::profile::measure::Measure;

use super::super::evaluate::{Roster, Sum};
use super::histogram::Histogram;

/// Most input columns that are looked at.
pub(super) const MOST_INPUTS: usize = 200;
/// Most columns of predictions.
pub(super) const MOST_PREDICTIONS: usize = 48;

/// A summary of records and their predictions; bounded, whatever their number.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Profile {
    pub records: u64,
    /// The first 200 columns that feed the model.
    pub inputs: Vec<Input>,
    pub inputs_left_out: usize,
    /// The first 48 columns of numbers.
    pub predictions: Vec<Prediction>,
    pub predictions_left_out: usize,
    /// For each output that names a class how often it named which.
    pub counts: Vec<Counts>,
}

/// One column that feeds the model; of lists, all their elements together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Input {
    pub name: String,
    /// Whether the column feeds texts, of which an empty one is not missing for the model.
    pub is_text: bool,
    pub values: u64,
    pub missing: u64,
    /// Of finite numbers; the wrong way round where there is none.
    pub min: f64,
    pub max: f64,
    numbers: u64,
    sum: Sum,
}

/// One column of predicted numbers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Prediction {
    pub name: String,
    /// The score of a class: shown over [0, 1] where its values lie there.
    pub is_score: bool,
    pub histogram: Histogram,
}

/// How often each class was predicted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counts {
    pub name: String,
    pub(super) classes: Roster,
    pub(super) records: Vec<u64>,
}

impl Profile {
    /// The profile of the first `group.records` records of one run: what went in, and the tensors
    /// that [`Layout::arrange`] made of what came out.
    pub fn of(plan: &Plan, layout: &Layout, group: &Group, outputs: &[Tensor]) -> Profile {
        let mut profile = Profile {
            records: group.records as u64,
            ..Profile::default()
        };
        for (feed, tensor) in plan.feeds.iter().zip(&group.inputs) {
            profile.add_feed(feed, tensor, group.records);
        }
        let names_class = |(field, tensor): (&Field, &Tensor)| is_label(field, tensor);
        let has_label = layout.fields.iter().zip(outputs).any(names_class);
        for (field, tensor) in layout.fields.iter().zip(outputs) {
            profile.add_field(field, tensor, (group.records, has_label));
            if field.form == Form::Scalar
                && layout.activation().is_some()
                && let Some(column) = profile.predictions.last_mut()
            {
                column.is_score = true;
            }
        }
        profile
    }

    /// Adds the profile of later records of the same run.
    pub fn merge(&mut self, later: Profile) {
        if self.records == 0 {
            *self = later;
            return;
        }
        self.records += later.records;
        for (input, later) in self.inputs.iter_mut().zip(&later.inputs) {
            input.merge(later);
        }
        for (column, later) in self.predictions.iter_mut().zip(&later.predictions) {
            column.histogram.merge(&later.histogram);
        }
        for (counts, later) in self.counts.iter_mut().zip(&later.counts) {
            counts.merge(later);
        }
    }

    fn add_feed(&mut self, feed: &Feed, tensor: &Tensor, records: usize) {
        let width = elements(tensor.shape().get(1..).unwrap_or_default());
        let names: Vec<&str> = match &feed.how {
            How::Cells { sources, .. } => {
                sources.iter().map(|source| source.name.as_str()).collect()
            }
            How::List { source, .. } => vec![source.name.as_str()],
            How::Once(_) => return,
        };
        let room = MOST_INPUTS.saturating_sub(self.inputs.len());
        self.inputs_left_out += names.len().saturating_sub(room);
        let together = matches!(feed.how, How::List { .. });
        each_dtype!(tensor, array => if let Some(values) = array.as_slice() {
            let values = values.get(..records * width).unwrap_or(values);
            for (at, name) in names.into_iter().take(room).enumerate() {
                let mut input = Input::named(name);
                input.is_text = feed.dtype == Dtype::String;
                if together {
                    values.iter().for_each(|value| input.add(value));
                } else {
                    values.iter().skip(at).step_by(width.max(1)).for_each(|value| input.add(value));
                }
                self.inputs.push(input);
            }
        });
    }

    fn add_field(&mut self, field: &Field, tensor: &Tensor, (records, has_label): (usize, bool)) {
        if is_label(field, tensor) {
            self.counts.push(label_counts(&field.name, tensor, records));
            if tensor.dtype().is_int() && field.decides().is_none() {
                self.add_numbers(vec![field.name.clone()], tensor, records, false);
            }
            return;
        }
        let scores_of = |classes: &[String]| -> Vec<String> {
            classes
                .iter()
                .map(|class| format!("{}_{class}", field.name))
                .collect()
        };
        let (names, classes) = match &field.form {
            Form::Scalar => (vec![field.name.clone()], None),
            Form::Classes(classes) | Form::Top { classes, .. } => {
                (scores_of(classes), Some(classes))
            }
            Form::List(_) => (field.columns(), None),
            Form::Nested | Form::Unknown => return,
        };
        self.add_numbers(names, tensor, records, classes.is_some());
        if let Some(classes) = classes.filter(|_| !has_label)
            && let Some(best) = decide::argmax(tensor, classes)
        {
            self.counts.push(label_counts(&field.name, &best, records));
        }
    }

    /// The columns of a tensor `[rows, columns]`.
    fn add_numbers(&mut self, names: Vec<String>, tensor: &Tensor, records: usize, is_score: bool) {
        let width = names.len().max(1);
        let room = MOST_PREDICTIONS.saturating_sub(self.predictions.len());
        self.predictions_left_out += names.len().saturating_sub(room);
        each_dtype!(tensor, array => if let Some(values) = array.as_slice() {
            let values = values.get(..records * width).unwrap_or(values);
            for (at, name) in names.into_iter().take(room).enumerate() {
                let column = values.iter().skip(at).step_by(width);
                let numbers: Vec<f64> = column.filter_map(Measure::number).collect();
                self.predictions.push(Prediction {
                    name,
                    is_score,
                    histogram: Histogram::of(&numbers),
                });
            }
        });
    }
}

/// One value a record that is no float: the name of a class.
fn is_label(field: &Field, tensor: &Tensor) -> bool {
    field.form == Form::Scalar && !tensor.dtype().is_float()
}

fn label_counts(name: &str, labels: &Tensor, records: usize) -> Counts {
    let mut counts = Counts {
        name: name.to_owned(),
        ..Counts::default()
    };
    each_dtype!(labels, array => for label in array.iter().take(records) {
        counts.add(&label.to_string(), 1);
    });
    counts
}

impl Input {
    fn named(name: &str) -> Input {
        Input {
            name: name.to_owned(),
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            ..Input::default()
        }
    }

    fn add(&mut self, value: &impl Measure) {
        self.values += 1;
        if value.is_missing() {
            self.missing += 1;
        } else if let Some(number) = value.number().filter(|number| number.is_finite()) {
            self.min = self.min.min(number);
            self.max = self.max.max(number);
            self.numbers += 1;
            self.sum.add(number);
        }
    }

    fn merge(&mut self, later: &Input) {
        self.values += later.values;
        self.missing += later.missing;
        self.min = self.min.min(later.min);
        self.max = self.max.max(later.max);
        self.numbers += later.numbers;
        self.sum.merge(later.sum);
    }

    /// The mean of the finite numbers.
    pub fn mean(&self) -> Option<f64> {
        self.sum.mean(self.numbers)
    }
}

impl Counts {
    fn add(&mut self, class: &str, records: u64) {
        let Some(number) = self.classes.number(class) else {
            self.records.clear();
            return;
        };
        if number == self.records.len() {
            self.records.push(0);
        }
        if let Some(count) = self.records.get_mut(number) {
            *count += records;
        }
    }

    fn merge(&mut self, later: &Counts) {
        if later.classes.overflowed() {
            self.classes.overflow();
            self.records.clear();
        }
        for (class, records) in later.classes.names().iter().zip(&later.records) {
            self.add(class, *records);
        }
    }

    /// Classes with their records, the most frequent first; `None` where there were too many.
    pub fn ranked(&self) -> Option<Vec<(&str, u64)>> {
        if self.classes.overflowed() {
            return None;
        }
        let names = self.classes.names().iter().map(String::as_str);
        let mut ranked: Vec<(&str, u64)> = names.zip(self.records.iter().copied()).collect();
        ranked.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        Some(ranked)
    }
}
