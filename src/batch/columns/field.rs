//! One named part of a prediction: what it is called, what it holds, where its values come from.

use crate::batch::decide;
use crate::batch::feed::elements;
use crate::error::{Error, Result};
use crate::model::dtype::Dtype;
use crate::model::signature::{Port, Signature};
use crate::model::tensor::{Tensor, Value};

use super::Wanted;
use super::shape::Shape;

/// One named part of a prediction.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The field's key in JSON, and the start of its columns' names.
    pub name: String,
    pub form: Form,
    pub(super) source: Source,
}

/// What a field holds for one record.
#[derive(Debug, Clone, PartialEq)]
pub enum Form {
    /// One value.
    Scalar,
    /// One value for each named class.
    Classes(Vec<String>),
    /// A row of this many values without names.
    List(usize),
    /// The best classes and their scores, the best first; without names, their numbers.
    Top { most: usize, classes: Vec<String> },
    /// Lists in lists; the sizes may differ from run to run.
    Nested,
    /// Only a run can tell; a declared layout alone has such fields.
    Unknown,
}

/// Where a field's values come from.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Source {
    /// A whole output.
    Output(usize),
    /// One tensor of a sequence.
    Item(usize, usize),
    /// The class with the highest score in an output.
    Argmax(usize, Vec<String>),
    /// The positive class where the score in `scores` reaches the threshold; `dtype` is that of the
    /// label it replaces.
    Threshold {
        scores: usize,
        classes: Vec<String>,
        dtype: Dtype,
    },
}

impl Field {
    /// The names that the field chooses from (`--threshold`, `--argmax`), in the model's order.
    pub fn decides(&self) -> Option<&[String]> {
        match &self.source {
            Source::Argmax(_, classes) | Source::Threshold { classes, .. } => Some(classes),
            Source::Output(_) | Source::Item(..) => None,
        }
    }

    /// The output whose values it has as they are, by its place in the signature.
    pub fn output(&self) -> Option<usize> {
        match self.source {
            Source::Output(output) | Source::Item(output, _) => Some(output),
            Source::Argmax(..) | Source::Threshold { .. } => None,
        }
    }

    /// Its values among the outputs of a run, where it has them as they are.
    pub fn tensor<'v>(&self, values: &'v [Value]) -> Option<&'v Tensor> {
        match self.source {
            Source::Output(output) => tensor_of(values, output),
            Source::Item(output, item) => match values.get(output)? {
                Value::Sequence(items) => items.get(item),
                Value::Tensor(_) | Value::Maps { .. } => None,
            },
            Source::Argmax(..) | Source::Threshold { .. } => None,
        }
    }

    /// The first of the names `taken` that the field or one of its columns has.
    pub(super) fn clash(&self, taken: &[&str]) -> Option<String> {
        let columns = self.columns();
        let is_ours =
            |name: &&&str| **name == self.name || columns.iter().any(|column| column == **name);
        taken.iter().find(is_ours).map(|name| (*name).to_owned())
    }

    /// The names of the field's columns in CSV.
    pub fn columns(&self) -> Vec<String> {
        let name = &self.name;
        match &self.form {
            Form::Scalar | Form::Nested => vec![name.clone()],
            Form::Unknown => vec![format!("{name}_*")],
            Form::Classes(classes) => classes
                .iter()
                .map(|class| format!("{name}_{class}"))
                .collect(),
            Form::List(size) => (0..*size).map(|index| format!("{name}_{index}")).collect(),
            Form::Top { most, .. } => {
                let pair = |rank| {
                    [
                        format!("{name}_top{rank}"),
                        format!("{name}_top{rank}_score"),
                    ]
                };
                (1..=*most).flat_map(pair).collect()
            }
        }
    }

    /// Picks the field's values out of the outputs of a run of `rows` records.
    pub(super) fn arrange(&self, values: &[Value], rows: usize, threshold: f64) -> Result<Tensor> {
        let tensor = match &self.source {
            Source::Output(output) => tensor_of(values, *output).cloned(),
            Source::Item(output, item) => match values.get(*output) {
                Some(Value::Sequence(items)) => items.get(*item).cloned(),
                _ => None,
            },
            Source::Argmax(output, classes) => {
                tensor_of(values, *output).and_then(|scores| decide::argmax(scores, classes))
            }
            Source::Threshold {
                scores,
                classes,
                dtype,
            } => tensor_of(values, *scores)
                .and_then(|scores| decide::threshold(scores, classes, threshold, *dtype)),
        };
        let Some(tensor) = tensor else {
            return Err(self.changed("another type"));
        };
        let shape = tensor.shape();
        let fits = shape.first() == Some(&rows)
            && match &self.form {
                Form::Scalar => elements(shape) == rows,
                Form::Classes(classes) => shape.get(1) == Some(&classes.len()),
                Form::Top { classes, .. } => shape.get(1) == Some(&classes.len()),
                Form::List(size) => shape.get(1) == Some(size),
                Form::Nested | Form::Unknown => true,
            };
        if fits {
            Ok(tensor)
        } else {
            Err(self.changed(&format!("shape {shape:?} for {rows} records")))
        }
    }

    fn changed(&self, found: &str) -> Error {
        Error::model("", format!("output \"{}\" changed between two runs: found {found}", self.name))
            .hint("the model gives results of different sizes for different records; --outputs leaves such an output out")
    }
}

fn tensor_of(values: &[Value], output: usize) -> Option<&Tensor> {
    match values.get(output)? {
        Value::Tensor(tensor) | Value::Maps { values: tensor, .. } => Some(tensor),
        Value::Sequence(_) => None,
    }
}

/// The fields of one output: one, but for sequences.
pub(super) fn fields_of(
    output: usize,
    port: &Port,
    shape: &Shape,
    signature: &Signature,
    wanted: &Wanted,
) -> Vec<Field> {
    let name = port.name.clone();
    match shape {
        Shape::Tensor { dtype, dims } => {
            let known = [&wanted.classes, &port.classes, &signature.classes];
            let width = dims.as_ref().and_then(|dims| dims.first());
            let fits = |classes: &&Vec<String>| Some(&classes.len()) == width;
            let classes = known.into_iter().flatten().find(fits);
            let form = form_of(*dtype, dims.as_deref(), classes);
            vec![Field {
                name,
                form,
                source: Source::Output(output),
            }]
        }
        Shape::Maps { keys, .. } => {
            let renamed = wanted
                .classes
                .as_ref()
                .filter(|classes| classes.len() == keys.len());
            let form = Form::Classes(renamed.unwrap_or(keys).clone());
            vec![Field {
                name,
                form,
                source: Source::Output(output),
            }]
        }
        Shape::Sequence(items) => {
            let field = |(item, (dtype, dims)): (usize, &(Dtype, Vec<usize>))| Field {
                name: format!("{name}_{item}"),
                form: form_of(*dtype, Some(dims), port.classes.as_ref()),
                source: Source::Item(output, item),
            };
            items.iter().enumerate().map(field).collect()
        }
    }
}

/// Class names belong to scores only: a label of two targets is not a row of two classes.
fn form_of(dtype: Dtype, dims: Option<&[usize]>, classes: Option<&Vec<String>>) -> Form {
    match dims {
        Some([] | [1]) => Form::Scalar,
        Some([size]) => match classes {
            Some(classes) if classes.len() == *size && dtype.is_float() => {
                Form::Classes(classes.clone())
            }
            _ => Form::List(*size),
        },
        Some(_) => Form::Nested,
        None => Form::Unknown,
    }
}
