//! Examples of requests: made up as `inspect --example` does, and tried before they are told.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::batch::feed::{Feed, How, Source};
use crate::inspect::example::{self, Record};
use crate::model::dtype::Dtype;
use crate::model::signature::Port;
use crate::serve::app::App;
use crate::serve::call::Call;
use crate::serve::hosted::Hosted;
use crate::serve::native::form::Form;
use crate::serve::native::{decode, encode};
use crate::serve::oip::datatype;
use crate::serve::records::Ask;

use super::told::{Column, sizes};

/// Values of a record that an example is made of: more is no example.
const MOST_VALUES: usize = 4_096;
/// Records of an example of several.
const RECORDS: usize = 2;
/// A size that the model leaves free, as in the examples of records.
const FREE: usize = 3;

/// Requests that the model answers. None for a model that refuses what is made up.
#[derive(Default)]
pub struct Examples {
    /// Records, as objects.
    pub records: Vec<Value>,
    /// The answer to the first of them alone.
    pub answer: Option<Value>,
    /// Tensors by input, with the shape and datatype of each.
    pub tensors: Vec<Tensor>,
    pub csv: Option<String>,
}

/// An input as a whole.
pub struct Tensor {
    pub name: String,
    pub shape: Vec<usize>,
    /// As the Open Inference Protocol has it.
    pub datatype: &'static str,
    /// Nested lists.
    pub value: Value,
}

impl Examples {
    /// Examples for a model whose records have these columns.
    pub(super) fn new(app: &App, hosted: &Arc<Hosted>, columns: Option<&[Column<'_>]>) -> Examples {
        let mut examples = Examples::default();
        if columns.is_some_and(|columns| values(columns) <= MOST_VALUES) {
            examples.of_records(app, hosted);
        }
        let tensors = tensors(hosted, examples.records.first()).unwrap_or_default();
        let inputs = named(&tensors);
        if !tensors.is_empty() && tried(app, hosted, &json!({ "inputs": inputs })).is_some() {
            examples.tensors = tensors;
        }
        examples
    }

    fn of_records(&mut self, app: &App, hosted: &Arc<Hosted>) {
        let Ok(planned) = hosted.expected() else {
            return;
        };
        let made_up = (0..RECORDS).map(|record| Record {
            facts: &hosted.model.facts,
            plan: &planned.plan,
            record,
        });
        let mut csv = example::csv_header(&planned.plan);
        for record in made_up {
            csv.push_str(&record.csv());
            self.records
                .extend(serde_json::from_str::<Value>(&record.json()));
        }
        self.answer = self
            .records
            .first()
            .and_then(|record| tried(app, hosted, record));
        match self.answer.is_some() && tried(app, hosted, &json!(self.records)).is_some() {
            true => self.csv = Some(csv),
            false => *self = Examples::default(),
        }
    }

    /// The records by position; a list that is all of a record stands for it.
    pub(super) fn rows(&self) -> Vec<Value> {
        let row = |record: &Value| match record {
            Value::Object(members) => match members.values().collect::<Vec<_>>().as_slice() {
                [only @ Value::Array(_)] => (*only).clone(),
                values => json!(values),
            },
            other => other.clone(),
        };
        self.records.iter().map(row).collect()
    }

    /// The tensors by the names of their inputs.
    pub fn inputs(&self) -> Value {
        named(&self.tensors)
    }
}

fn named(tensors: &[Tensor]) -> Value {
    let members = tensors.iter();
    members
        .map(|tensor| (tensor.name.clone(), tensor.value.clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Values of one record with these columns, free sizes counted as few.
fn values(columns: &[Column<'_>]) -> usize {
    let sizes = columns.iter().map(|column| product(&column.dims));
    sizes.fold(0, usize::saturating_add)
}

fn product(dims: &[Option<usize>]) -> usize {
    dims.iter().fold(1, |product: usize, size| {
        product.saturating_mul(size.unwrap_or(FREE))
    })
}

/// A tensor for every input: of a record's values where there is one, else made up by itself. A state
/// is left out, for it may be.
fn tensors(hosted: &Hosted, record: Option<&Value>) -> Option<Vec<Tensor>> {
    let inputs = hosted.model.signature().inputs.iter();
    let planned = hosted.expected().ok();
    let Some((planned, Value::Object(record))) = planned.zip(record) else {
        let mut room = MOST_VALUES;
        return inputs.map(|port| made_up(port, &mut room)).collect();
    };
    let value = |source: &Source| record.values().nth(source.column?);
    let tensor = |(feed, port): (&Feed, &Port)| {
        let value = match &feed.how {
            How::Once(_) => return None,
            How::Cells { sources, dims } => {
                let values: Vec<Value> = sources.iter().filter_map(value).cloned().collect();
                nested(&values, dims)
            }
            How::List { source, .. } => value(source)?.clone(),
        };
        Some(Tensor::new(&port.name, feed.dtype, json!([value])))
    };
    Some(
        planned
            .plan
            .feeds
            .iter()
            .zip(inputs)
            .filter_map(tensor)
            .collect(),
    )
}

/// Values, row-major, as lists of these sizes in lists.
fn nested(values: &[Value], dims: &[usize]) -> Value {
    match dims.split_first() {
        None => values.first().cloned().unwrap_or_default(),
        Some((_, below)) => {
            let size = below.iter().product::<usize>().max(1);
            values
                .chunks(size)
                .map(|part| nested(part, below))
                .collect()
        }
    }
}

/// A tensor of an input as it is declared, one record of it where it counts any.
fn made_up(port: &Port, room: &mut usize) -> Option<Tensor> {
    let (dtype, _) = port.tensor()?;
    let mut sizes = sizes(port).unwrap_or_else(|| vec![None]);
    if let Some(first @ None) = sizes.first_mut() {
        *first = Some(1);
    }
    *room = room.checked_sub(product(&sizes))?;
    let text = example::list(dtype, &sizes, 0, &mut 0);
    Some(Tensor::new(
        &port.name,
        dtype,
        serde_json::from_str(&text).ok()?,
    ))
}

impl Tensor {
    fn new(name: &str, dtype: Dtype, value: Value) -> Tensor {
        let mut shape = Vec::new();
        let mut inner = Some(&value);
        while let Some(Value::Array(items)) = inner {
            shape.push(items.len());
            inner = items.first();
        }
        Tensor {
            name: name.to_owned(),
            shape,
            datatype: datatype::name_of(dtype),
            value,
        }
    }
}

/// The model's answer to a request, if it has one. Not a request that anybody made: it is not counted.
fn tried(app: &App, hosted: &Arc<Hosted>, body: &Value) -> Option<Value> {
    let text = body.to_string();
    let mut call = Call::new(app.timeout);
    let predictions = decode::predict(hosted, &mut call, &text, &Ask::of(hosted)).ok()?;
    let answer = encode::answer(hosted, &predictions, Form::Json, app.nan).ok()?;
    serde_json::from_slice(&answer).ok()
}
