//! Output tensors, sequences and maps become named fields, one value of each for every record.
//!
//! A field is what a user sees: one column (`label`), a column for each class
//! (`probabilities_setosa`...), or a nested list. The layout is decided once, from what the first
//! run really returned: declared output shapes are wrong too often.

use crate::error::{Error, Result};
use crate::model::dtype::Dtype;
use crate::model::signature::{Port, Signature, ValueType};
use crate::model::tensor::{Tensor, Value};

use super::decide::{self, Activation};
use super::feed::{BatchAxis, elements};
use super::names::listed;

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

/// One named part of a prediction.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The field's key in JSON, and the start of its columns' names.
    pub name: String,
    pub form: Form,
    source: Source,
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
enum Source {
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

/// The fields of a prediction, in the order of the model's outputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    pub fields: Vec<Field>,
    /// Outputs that are no columns, with the reason.
    pub left_out: Vec<(String, &'static str)>,
    activation: Option<(usize, Activation)>,
    threshold: f64,
    /// Fields that had to give way to a column, before and after.
    renamed: Vec<(String, String)>,
}

/// How an output relates to the records of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rows {
    PerRecord,
    /// The first axis fits, but the file declares it as fixed: it may be a coincidence.
    Doubtful,
    None,
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
            let first = signature
                .outputs
                .get(index)
                .and_then(|port| port.tensor()?.1?.first()?.fixed());
            match (first, batch) {
                (Some(size), BatchAxis::Fixed(batch)) => size == batch,
                // LightGBM's exporter declares its label as [1].
                (Some(size), BatchAxis::Free) => size == 1,
                (None, _) => !signature.outputs.get(index).is_some_and(is_scalar),
            }
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

    /// Applies --activation, --threshold, --top and --argmax to the one output that has scores.
    fn decide(&mut self, signature: &Signature, shapes: &[Shape], wanted: &Wanted) -> Result<()> {
        let flag = match wanted {
            Wanted { top: Some(_), .. } => "--top",
            Wanted { argmax: true, .. } => "--argmax",
            Wanted {
                threshold: Some(_), ..
            } => "--threshold",
            Wanted {
                activation: Some(_),
                ..
            } => "--activation",
            _ => return Ok(()),
        };
        let at = self.scores(flag, shapes)?;
        let Some(scores) = self.fields.get(at).cloned() else {
            return Ok(());
        };
        let Source::Output(output) = scores.source else {
            return Ok(());
        };
        self.activation = wanted.activation.map(|activation| (output, activation));
        if wanted.activation == Some(Activation::Softmax) && scores.form == Form::Scalar {
            return Err(Error::usage(format!(
                "--activation softmax: output \"{}\" has one value a record",
                scores.name
            ))
            .hint("--activation sigmoid fits it"));
        }
        let classes = match &scores.form {
            Form::Classes(classes) => classes.clone(),
            Form::List(size) => (0..*size).map(|class| class.to_string()).collect(),
            _ => two_classes(signature, wanted),
        };
        if let Some(field) = self.fields.get_mut(at) {
            match (wanted.argmax, wanted.top) {
                (true, _) if scores.form != Form::Scalar => {
                    field.source = Source::Argmax(output, classes.clone());
                    field.form = Form::Scalar;
                }
                (_, Some(most)) if scores.form != Form::Scalar => {
                    let most = most.min(classes.len());
                    field.form = Form::Top {
                        most,
                        classes: classes.clone(),
                    };
                }
                (false, None) => {}
                _ => {
                    return Err(Error::usage(format!(
                        "{flag}: output \"{}\" has one value a record, not one for each class",
                        scores.name
                    )));
                }
            }
        }
        if wanted.threshold.is_some() {
            self.decide_label(output, classes, shapes, &scores.name)?;
        }
        Ok(())
    }

    /// The field with the scores that a flag is about.
    fn scores(&self, flag: &str, shapes: &[Shape]) -> Result<usize> {
        let is_score = |field: &Field| match (&field.source, &field.form) {
            (Source::Output(output), Form::Scalar | Form::Classes(_) | Form::List(_)) => shapes
                .get(*output)
                .is_some_and(|shape| shape.dtype().is_float()),
            _ => false,
        };
        let found: Vec<usize> = (0..self.fields.len())
            .filter(|at| self.fields.get(*at).is_some_and(is_score))
            .collect();
        let names: Vec<&str> = found
            .iter()
            .filter_map(|at| self.fields.get(*at))
            .map(|field| field.name.as_str())
            .collect();
        match found.as_slice() {
            [only] => Ok(*only),
            [] => Err(Error::usage(format!(
                "{flag}: the model has no output of scores to apply it to"
            ))
            .hint("mlserve inspect MODEL shows the outputs")),
            _ => Err(Error::usage(format!(
                "{flag}: it could mean any of the outputs {}",
                listed(&names)
            ))
            .hint("--outputs NAME chooses one")),
        }
    }

    /// Puts the class that the threshold decides in the place of the model's own label, or, where
    /// the model has none, in a field `label` before the scores.
    fn decide_label(
        &mut self,
        scores: usize,
        classes: Vec<String>,
        shapes: &[Shape],
        name: &str,
    ) -> Result<()> {
        if classes.len() != 2 {
            return Err(Error::usage(format!(
                "--threshold: output \"{name}\" has {} classes, not two",
                classes.len()
            ))
            .hint("a threshold decides between two classes; --top or --argmax rank more"));
        }
        let is_label = |field: &Field| match field.source {
            Source::Output(output) => {
                field.form == Form::Scalar
                    && shapes
                        .get(output)
                        .is_some_and(|shape| !shape.dtype().is_float())
            }
            _ => false,
        };
        let numbers = classes.iter().all(|class| class.parse::<i64>().is_ok());
        match self.fields.iter_mut().find(|field| is_label(field)) {
            Some(label) => {
                let Source::Output(output) = label.source else {
                    return Ok(());
                };
                let dtype = shapes.get(output).map_or(Dtype::String, Shape::dtype);
                label.source = Source::Threshold {
                    scores,
                    classes,
                    dtype,
                };
            }
            None => {
                let dtype = if numbers { Dtype::Int64 } else { Dtype::String };
                let source = Source::Threshold {
                    scores,
                    classes,
                    dtype,
                };
                self.fields.insert(
                    0,
                    Field {
                        name: "label".to_owned(),
                        form: Form::Scalar,
                        source,
                    },
                );
            }
        }
        Ok(())
    }

    /// Renames fields that a column of the output is already named like: `label` becomes
    /// `predicted_label`.
    pub fn avoid(&mut self, taken: &[&str]) {
        for field in &mut self.fields {
            let before = field.name.clone();
            let clashes = |field: &Field| {
                taken.contains(&field.name.as_str())
                    || field
                        .columns()
                        .iter()
                        .any(|column| taken.contains(&column.as_str()))
            };
            while clashes(field) {
                field.name = format!("predicted_{}", field.name);
            }
            if field.name != before {
                self.renamed.push((before, field.name.clone()));
            }
        }
    }

    /// The names that [`Layout::avoid`] changed, before and after.
    pub fn renamed(&self) -> &[(String, String)] {
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
        if let Some((output, activation)) = self.activation {
            if let Some(Value::Tensor(scores) | Value::Maps { values: scores, .. }) =
                values.get_mut(output)
            {
                decide::activate(scores, activation);
            }
        }
        self.fields
            .iter()
            .map(|field| field.arrange(&values, rows, self.threshold))
            .collect()
    }
}

impl Field {
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

    fn arrange(&self, values: &[Value], rows: usize, threshold: f64) -> Result<Tensor> {
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

/// Whether the output is declared as a single value for all records.
fn is_scalar(port: &Port) -> bool {
    port.tensor()
        .is_some_and(|(_, shape)| shape.is_some_and(<[_]>::is_empty))
}

/// What an output's shape says about its fields.
#[derive(Debug, Clone, PartialEq)]
enum Shape {
    /// Sizes after the batch axis; `None` where only a run can tell.
    Tensor {
        dtype: Dtype,
        dims: Option<Vec<usize>>,
    },
    Maps {
        dtype: Dtype,
        keys: Vec<String>,
    },
    Sequence(Vec<(Dtype, Vec<usize>)>),
}

impl Shape {
    fn dtype(&self) -> Dtype {
        match self {
            Shape::Tensor { dtype, .. } | Shape::Maps { dtype, .. } => *dtype,
            Shape::Sequence(_) => Dtype::String,
        }
    }
}

fn shapes_of(values: &[Value]) -> Vec<Shape> {
    let dims = |tensor: &Tensor| {
        tensor
            .shape()
            .iter()
            .skip(1)
            .copied()
            .collect::<Vec<usize>>()
    };
    let shape = |value: &Value| match value {
        Value::Tensor(tensor) => Shape::Tensor {
            dtype: tensor.dtype(),
            dims: Some(dims(tensor)),
        },
        Value::Maps { keys, values } => Shape::Maps {
            dtype: values.dtype(),
            keys: keys.clone(),
        },
        Value::Sequence(items) => Shape::Sequence(
            items
                .iter()
                .map(|item| (item.dtype(), dims(item)))
                .collect(),
        ),
    };
    values.iter().map(shape).collect()
}

fn declared_shape(port: &Port, signature: &Signature) -> Shape {
    let classes = || {
        port.classes
            .clone()
            .or_else(|| signature.classes.clone())
            .unwrap_or_default()
    };
    match &port.kind {
        ValueType::Tensor { dtype, shape } => {
            let dims = shape.as_ref().map(|shape| {
                shape
                    .iter()
                    .skip(1)
                    .map(|dim| dim.fixed())
                    .collect::<Option<Vec<usize>>>()
            });
            // A free width of an output with scores is most often the number of classes.
            let guess = || {
                dtype
                    .is_float()
                    .then(|| classes().len())
                    .filter(|size| *size > 0)
                    .map(|size| vec![size])
            };
            let dims = match (dims, shape) {
                (Some(Some(dims)), _) => Some(dims),
                (_, Some(shape)) if shape.len() != 2 => None,
                _ => guess(),
            };
            Shape::Tensor {
                dtype: *dtype,
                dims,
            }
        }
        ValueType::Sequence(item) if matches!(**item, ValueType::Map { .. }) => Shape::Maps {
            dtype: Dtype::Float32,
            keys: classes(),
        },
        _ => Shape::Sequence(Vec::new()),
    }
}

/// Whether the first axis of `value` may count `rows` records.
fn rows_of(port: &Port, value: &Value, rows: usize, batch: BatchAxis) -> Rows {
    if !counts(value, rows) {
        return Rows::None;
    }
    let declared = port.tensor().and_then(|(_, shape)| shape?.first()?.fixed());
    match (declared, batch) {
        (Some(_), BatchAxis::Free) => Rows::Doubtful,
        _ => Rows::PerRecord,
    }
}

fn counts(value: &Value, rows: usize) -> bool {
    let first_is_rows = |tensor: &Tensor| tensor.shape().first() == Some(&rows);
    match value {
        Value::Tensor(tensor) | Value::Maps { values: tensor, .. } => first_is_rows(tensor),
        Value::Sequence(items) => !items.is_empty() && items.iter().all(first_is_rows),
    }
}

fn fields_of(
    output: usize,
    port: &Port,
    shape: &Shape,
    signature: &Signature,
    wanted: &Wanted,
) -> Vec<Field> {
    let name = port.name.clone();
    match shape {
        Shape::Tensor { dtype, dims } => {
            let known = wanted
                .classes
                .as_ref()
                .or(port.classes.as_ref())
                .or(signature.classes.as_ref());
            let form = form_of(*dtype, dims.as_deref(), known);
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

/// The negative and the positive class of a single score.
fn two_classes(signature: &Signature, wanted: &Wanted) -> Vec<String> {
    let known = wanted.classes.as_ref().or(signature.classes.as_ref());
    match known {
        Some(classes) if classes.len() == 2 => classes.clone(),
        _ => vec!["0".to_owned(), "1".to_owned()],
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
    let uses = |field: &Field| match &field.form {
        Form::Classes(names) => names == classes,
        Form::Scalar => classes.len() == 2,
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
