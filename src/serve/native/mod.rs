//! Our own dialect: `POST /predict` with records, and answers shaped as `predict` shapes them.
//!
//! ```text
//! JSON: {..} | [{..}, ..] | [[..], ..] | {"instances": [..]} | {"inputs": {name: tensor}}   (decode)
//! CSV | NPY | NDJSON, the last answered while it still comes                              (stream)
//!   -> records | tensors -> predictions -> JSON, CSV, NDJSON or NPY                  (form, encode)
//! ```
//!
//! Errors have FastAPI's shape, with one sentence beside it: `{"error": "...", "detail": ...}`.

pub mod decode;
pub mod encode;
pub mod form;
pub mod stream;
pub mod wishes;

use std::io::{self, Write};
use std::sync::Arc;

use super::app::App;
use super::call::Call;
use super::hosted::Hosted;
use super::message::{Body, Content, Head, Method, Reply};
use super::problem::{Fault, Problem, Step};
use super::records::csv::Table;
use super::records::{self, Place, Shape};
use super::registry::Pick;
use super::routes::Found;

use crate::batch::write::json_string;

use form::Form;
use stream::Lines;

/// What a path of this dialect means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route<'p> {
    /// Predictions by a model: the only one, or a named one.
    Predict(Option<&'p str>, Pick<'p>),
}

/// The route of a path in segments.
pub fn find<'p>(segments: &[&'p str]) -> Option<Found<Route<'p>>> {
    let (route, template) = match *segments {
        ["predict"] => (Route::Predict(None, Pick::Default), "/predict"),
        ["models", name, "predict"] => (
            Route::Predict(Some(name), Pick::Default),
            "/models/{model}/predict",
        ),
        ["models", name, "versions", version, "predict"] => (
            Route::Predict(Some(name), Pick::Version(version)),
            "/models/{model}/versions/{version}/predict",
        ),
        ["models", name, "labels", label, "predict"] => (
            Route::Predict(Some(name), Pick::Label(label)),
            "/models/{model}/labels/{label}/predict",
        ),
        _ => return None,
    };
    Some(Found::new(route, template, &[Method::Post]))
}

/// Answers a request of this dialect.
///
/// # Errors
/// Whatever keeps it from an answer.
pub fn answer<'s>(
    app: &'s App,
    call: &mut Call,
    Route::Predict(name, pick): Route<'_>,
    head: &Head<'_>,
    body: &mut dyn Body,
) -> Result<Reply<'s>, Problem> {
    let hosted = match name {
        None => app.registry.only(call.key)?,
        Some(name) => app.registry.find(name, pick, call.key)?,
    };
    call.of(&hosted);
    predict(app, &hosted, call, head, body)
}

fn predict<'s>(
    app: &'s App,
    hosted: &Arc<Hosted>,
    call: &mut Call,
    head: &Head<'_>,
    body: &mut dyn Body,
) -> Result<Reply<'s>, Problem> {
    let ask = wishes::of_query(hosted, head.query)?.recorded(call);
    let form = Form::of_body(head)?;
    let usual = match form {
        Form::Ndjson => Form::Ndjson,
        _ => Form::Json,
    };
    let wanted = Form::of_answer(head, usual)?;
    let place = Place::below(&[]);
    let table;
    let predictions = match form {
        Form::Json => decode::predict(hosted, call, decode::text(body.whole()?)?, &ask)?,
        Form::Npy => {
            let encoded = records::npy::encode(hosted, body.whole()?, &ask, &place)?;
            records::score(hosted, call, encoded, &ask, &place)?
        }
        Form::Ndjson if wanted == Form::Ndjson => {
            let lines = Lines {
                hosted: Arc::clone(hosted),
                ask,
                nan: app.nan,
                call: call.stream(),
            };
            return Ok(stream(move |body, out| lines.answer(body, out)));
        }
        Form::Ndjson => {
            let place = Place {
                shape: Shape::Lines,
                first: 1,
                ..place
            };
            let text = decode::text(body.whole()?)?;
            let encoded = records::json::encode(hosted, text, &ask, &place)?;
            records::score(hosted, call, encoded, &ask, &place)?
        }
        Form::Csv => {
            table = Table::read(body.whole()?)?;
            let encoded = table.encode(hosted, true, &ask, &place)?;
            records::score(hosted, call, encoded, &ask, &place)?
        }
    };
    let out = encode::answer(hosted, &predictions, wanted, app.nan)?;
    Ok(Reply::new(200, wanted.content_type(), out))
}

fn stream<'s>(
    write: impl FnOnce(&mut dyn Body, &mut dyn Write) -> io::Result<()> + 's,
) -> Reply<'s> {
    Reply {
        content: Content::Stream(Box::new(write)),
        ..Reply::new(200, Form::Ndjson.content_type(), Vec::new())
    }
}

/// What went wrong, in FastAPI's shape.
pub fn error(problem: &Problem) -> Reply<'static> {
    let mut out = Vec::new();
    error_text(&mut out, problem);
    Reply::json(problem.status(), out)
}

/// `{"error": ..., "detail": ...}`.
pub fn error_text(out: &mut Vec<u8>, problem: &Problem) {
    out.extend_from_slice(b"{\"error\":");
    json_string(out, &problem.message());
    out.extend_from_slice(b",\"detail\":");
    match problem {
        Problem::Invalid(faults) => {
            out.push(b'[');
            for (index, fault) in faults.list().iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                detail(out, fault);
            }
            out.push(b']');
            if faults.total() > faults.list().len() {
                out.extend_from_slice(format!(",\"faults\":{}", faults.total()).as_bytes());
            }
        }
        _ => json_string(out, &problem.message()),
    }
    out.push(b'}');
}

/// One fault as FastAPI has it.
fn detail(out: &mut Vec<u8>, fault: &Fault) {
    out.extend_from_slice(b"{\"type\":");
    json_string(out, fault.code);
    out.extend_from_slice(b",\"loc\":[");
    for (index, step) in fault.loc.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        match step {
            Step::Key(key) => json_string(out, key),
            Step::Index(index) => out.extend_from_slice(index.to_string().as_bytes()),
        }
    }
    out.extend_from_slice(b"],\"msg\":");
    json_string(out, &fault.message);
    if let Some(input) = &fault.input {
        out.extend_from_slice(b",\"input\":");
        match serde_json::from_str::<serde_json::Value>(input) {
            Ok(value) => out.extend_from_slice(value.to_string().as_bytes()),
            Err(_) => json_string(out, input),
        }
    }
    out.push(b'}');
}
