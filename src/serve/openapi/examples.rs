//! Examples of requests: made up as `inspect --example` does, and tried before they are told.

use std::io::Cursor;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::inspect::example::{self, Record};
use crate::serve::app::App;
use crate::serve::call::Call;
use crate::serve::hosted::Hosted;
use crate::serve::message::{Content, Head, Header, Method};
use crate::serve::native;
use crate::serve::oip::datatype;
use crate::serve::registry::Pick;

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
        if let Some(columns) = columns.filter(|columns| values(columns) <= MOST_VALUES) {
            examples.of_records(app, hosted);
        }
        let tensors = tensors(hosted).unwrap_or_default();
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
            self.records.extend(serde_json::from_str::<Value>(&record.json()));
        }
        self.answer = self.records.first().and_then(|record| tried(app, hosted, record));
        match self.answer.is_some() && tried(app, hosted, &json!(self.records)).is_some() {
            true => self.csv = Some(csv),
            false => *self = Examples::default(),
        }
    }

    /// The records by position.
    pub(super) fn rows(&self) -> Vec<Value> {
        let row = |record: &Value| match record {
            Value::Object(members) => json!(members.values().collect::<Vec<_>>()),
            other => other.clone(),
        };
        self.records.iter().map(row).collect()
    }

    /// The tensors by the names of their inputs.
    pub(super) fn inputs(&self) -> Value {
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

/// A tensor for every input, as it is declared.
fn tensors(hosted: &Hosted) -> Option<Vec<Tensor>> {
    let inputs = &hosted.model.signature().inputs;
    let mut total: usize = 0;
    let tensor = |port| {
        let (dtype, _) = crate::model::signature::Port::tensor(port)?;
        let mut sizes = sizes(port).unwrap_or_else(|| vec![None]);
        if let Some(first @ None) = sizes.first_mut() {
            *first = Some(1);
        }
        total = total.saturating_add(product(&sizes));
        if total > MOST_VALUES {
            return None;
        }
        let text = example::list(dtype, &sizes, 0, &mut 0);
        Some(Tensor {
            name: port.name.clone(),
            shape: sizes.iter().map(|size| size.unwrap_or(FREE)).collect(),
            datatype: datatype::name_of(dtype),
            value: serde_json::from_str(&text).ok()?,
        })
    };
    inputs.iter().map(tensor).collect()
}

/// What the model answers to a body; `None` where it refuses it.
fn tried(app: &App, hosted: &Arc<Hosted>, body: &Value) -> Option<Value> {
    let headers = [Header {
        name: "Content-Type",
        value: b"application/json",
    }];
    let head = Head {
        method: Method::Post,
        path: "/predict",
        query: "",
        headers: &headers,
    };
    let mut body = Cursor::new(body.to_string().into_bytes());
    let route = native::Route::Predict(Some(&hosted.name), Pick::Version(&hosted.version));
    let reply = native::answer(app, &mut Call::new(app.timeout), route, &head, &mut body).ok()?;
    match reply.content {
        Content::Whole(bytes) if reply.status == 200 => serde_json::from_slice(&bytes).ok(),
        _ => None,
    }
}
