//! Output tensors, sequences and maps become named fields, one value of each for every record.
//!
//! A field is what a user sees: one column (`label`), a column for each class
//! (`probabilities_setosa`...), or a nested list. The layout is decided once, from what the first
//! run really returned: declared output shapes are wrong too often.

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::model::signature::Signature;
use crate::model::tensor::{Tensor, Value};

use super::decide::{self, Activation};
use super::feed::BatchAxis;
use super::names::listed;

mod decided;
mod field;
mod shape;

use field::fields_of;
pub use field::{Field, Form};
use shape::{Rows, Shape, counts, declared_shape, promises_rows, rows_of, shapes_of};

/// What the user wants to see of the predictions; the same words as the flags of `predict`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wanted {
    /// Model outputs to show, by name; all where there is no list.
    pub outputs: Option<Vec<String>>,
    /// Class names in the model's order, instead of those in the file.
    pub classes: Option<Vec<String>>,
    pub activation: Option<Activation>,
    /// The positive class wins from this probability on.
    pub threshold: Option<f64>,
    /// Only the classes with the highest scores.
    pub top: Option<usize>,
    /// Only the class with the highest score.
    pub argmax: bool,
}

/// The fields of a prediction, in the order of the model's outputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    pub fields: Vec<Field>,
    /// Outputs that are no columns, with the reason.
    pub left_out: Vec<(String, &'static str)>,
    activation: Option<(usize, Activation)>,
    threshold: f64,
    /// Fields that had to give way to a column.
    renamed: Vec<Renamed>,
}

/// A field that had to give way to a column of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed {
    /// The column that keeps its name.
    pub column: String,
    /// The field's name before and after.
    pub before: String,
    pub after: String,
}

impl Layout {
    /// Lays out the results of a run of `rows` records (padding included).
    ///
    /// `run_again` runs the same records twice over; it is called only where one run cannot tell
    /// whether an output's first axis counts records.
    ///
    /// # Errors
    /// [`Error::Usage`] for flags that fit no output, and whatever `run_again` fails with.
    pub fn new(
        signature: &Signature,
        values: &[Value],
        rows: usize,
        batch: BatchAxis,
        wanted: &Wanted,
        run_again: impl FnOnce() -> Result<Vec<Value>>,
    ) -> Result<Layout> {
        let mut verdicts: Vec<Rows> = signature
            .outputs
            .iter()
            .zip(values)
            .map(|(port, value)| rows_of(port, value, rows, batch))
            .collect();
        if verdicts.contains(&Rows::Doubtful) {
            let again = run_again()?;
            for (verdict, value) in verdicts.iter_mut().zip(&again) {
                if *verdict == Rows::Doubtful {
                    *verdict = if counts(value, rows * 2) {
                        Rows::PerRecord
                    } else {
                        Rows::None
                    };
                }
            }
        }
        let per_record = |index: usize| verdicts.get(index) == Some(&Rows::PerRecord);
        Layout::build(signature, &shapes_of(values), per_record, wanted)
    }

    /// The layout that the declaration promises, for `inspect` and `--explain`, which run nothing.
    /// An output whose columns only a run can tell has the form [`Form::Unknown`].
    pub fn declared(signature: &Signature, batch: BatchAxis, wanted: &Wanted) -> Result<Layout> {
        let shapes: Vec<Shape> = signature
            .outputs
            .iter()
            .map(|port| declared_shape(port, signature))
            .collect();
        let per_record = |index: usize| {
            let port = signature.outputs.get(index);
            port.is_none_or(|port| promises_rows(port, batch))
        };
        Layout::build(signature, &shapes, per_record, wanted)
    }

    fn build(
        signature: &Signature,
        shapes: &[Shape],
        per_record: impl Fn(usize) -> bool,
        wanted: &Wanted,
    ) -> Result<Layout> {
        let mut layout = Layout {
            fields: Vec::new(),
            left_out: Vec::new(),
            activation: None,
            threshold: wanted.threshold.unwrap_or(0.5),
            renamed: Vec::new(),
        };
        check_outputs(signature, wanted)?;
        for (index, (port, shape)) in signature.outputs.iter().zip(shapes).enumerate() {
            let is_wanted = wanted
                .outputs
                .as_ref()
                .is_none_or(|names| names.contains(&port.name));
            if !is_wanted {
                continue;
            }
            if per_record(index) {
                layout
                    .fields
                    .extend(fields_of(index, port, shape, signature, wanted));
            } else {
                layout
                    .left_out
                    .push((port.name.clone(), "has no batch axis"));
            }
        }
        check_classes(&layout.fields, wanted)?;
        layout.decide(signature, shapes, wanted)?;
        Ok(layout)
    }

    /// Renames fields that a column of the output is already named like: `label` becomes
    /// `predicted_label`.
    pub fn avoid(&mut self, taken: &[&str]) {
        for field in &mut self.fields {
            let Some(column) = field.clash(taken) else {
                continue;
            };
            let before = field.name.clone();
            while field.clash(taken).is_some() {
                field.name = format!("predicted_{}", field.name);
            }
            let after = field.name.clone();
            self.renamed.push(Renamed {
                column,
                before,
                after,
            });
        }
    }

    /// The activation that the scores go through.
    pub fn activation(&self) -> Option<Activation> {
        self.activation.map(|(_, activation)| activation)
    }

    /// The fields that [`Layout::avoid`] renamed.
    pub fn renamed(&self) -> &[Renamed] {
        &self.renamed
    }

    /// The names of all columns, as a CSV header has them.
    pub fn columns(&self) -> Vec<String> {
        self.fields.iter().flat_map(Field::columns).collect()
    }

    /// Arranges the outputs of a run of `rows` records (padding included) into one tensor for each
    /// field, shape `[rows, ...]`.
    ///
    /// # Errors
    /// [`Error::Model`] when an output no longer has the form that the layout was made from.
    pub fn arrange(&self, mut values: Vec<Value>, rows: usize) -> Result<Vec<Tensor>> {
        if let Some((output, activation)) = self.activation
            && let Some(Value::Tensor(scores) | Value::Maps { values: scores, .. }) =
                values.get_mut(output)
        {
            decide::activate(scores, activation);
        }
        self.fields
            .iter()
            .map(|field| field.arrange(&values, rows, self.threshold))
            .collect()
    }
}

fn check_outputs(signature: &Signature, wanted: &Wanted) -> Result<()> {
    let known: Vec<&str> = signature
        .outputs
        .iter()
        .map(|port| port.name.as_str())
        .collect();
    let unknown = wanted
        .outputs
        .iter()
        .flatten()
        .find(|name| !known.contains(&name.as_str()));
    match unknown {
        None => Ok(()),
        Some(name) => Err(
            Error::usage(format!("--outputs {name}: the model has no such output"))
                .hint(format!("its outputs are {}", listed(&known))),
        ),
    }
}

fn check_classes(fields: &[Field], wanted: &Wanted) -> Result<()> {
    let Some(classes) = &wanted.classes else {
        return Ok(());
    };
    let mut seen = HashSet::new();
    if let Some(name) = classes
        .iter()
        .find(|name| name.is_empty() || !seen.insert(name.as_str()))
    {
        let what = if name.is_empty() {
            "an empty name".to_owned()
        } else {
            format!("\"{name}\" twice")
        };
        return Err(Error::usage(format!("--classes: the list has {what}")));
    }
    let uses = |field: &Field| match &field.form {
        Form::Classes(names) => names == classes,
        // The two sides of a single score.
        Form::Scalar => wanted.threshold.is_some() && classes.len() == 2,
        _ => false,
    };
    if fields.iter().any(uses) {
        return Ok(());
    }
    let sizes: Vec<String> = fields
        .iter()
        .filter_map(|field| match &field.form {
            Form::Classes(names) => Some(format!("{} has {}", field.name, names.len())),
            Form::List(size) => Some(format!("{} has {size}", field.name)),
            _ => None,
        })
        .collect();
    let found = if sizes.is_empty() {
        "no output has classes".to_owned()
    } else {
        sizes.join(", ")
    };
    Err(Error::usage(format!(
        "--classes: {} names, but {found}",
        classes.len()
    )))
}

#[cfg(test)]
mod tests;
