//! Our own dialect: `POST /predict` with records, and answers shaped as `predict` shapes them.
//!
//! ```text
//! JSON: {..} | [{..}, ..] | [[..], ..] | {"instances": [..]} | {"inputs": {name: tensor}}   (decode)
//!   -> records | tensors -> predictions -> {"model", "version", "predictions"}              (encode)
//! ```
//!
//! Errors have FastAPI's shape, with one sentence beside it: `{"error": "...", "detail": ...}`.

pub mod decode;
pub mod encode;
pub mod wishes;

use super::app::App;
use super::call::Call;
use super::hosted::Hosted;
use super::message::{Body, Head, Method, Reply};
use super::problem::{Fault, Problem, Step};
use super::registry::Pick;
use super::routes::Found;

use crate::batch::write::json_string;

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
        None => app.registry.only()?,
        Some(name) => app.registry.find(name, pick)?,
    };
    call.of(hosted);
    predict(app, hosted, call, head, body)
}

fn predict<'s>(
    app: &'s App,
    hosted: &'s Hosted,
    call: &mut Call,
    head: &Head<'_>,
    body: &mut dyn Body,
) -> Result<Reply<'s>, Problem> {
    let ask = wishes::of_query(hosted, head.query)?;
    let text = decode::text(body.whole()?)?;
    let out = decode::answer(hosted, call, text, &ask, app.nan)?;
    Ok(Reply::json(200, out))
}

/// What went wrong, in FastAPI's shape.
pub fn error(problem: &Problem) -> Reply<'static> {
    let mut out = b"{\"error\":".to_vec();
    json_string(&mut out, &problem.message());
    out.extend_from_slice(b",\"detail\":");
    match problem {
        Problem::Invalid(faults) => {
            out.push(b'[');
            for (index, fault) in faults.list().iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                detail(&mut out, fault);
            }
            out.push(b']');
            if faults.total() > faults.list().len() {
                out.extend_from_slice(format!(",\"faults\":{}", faults.total()).as_bytes());
            }
        }
        _ => json_string(&mut out, &problem.message()),
    }
    out.push(b'}');
    Reply::json(problem.status(), out)
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
