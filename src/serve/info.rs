//! What is told of the server and its models: health, version, the models and their signatures.

use std::sync::Arc;

use serde_json::{Value, json};

use super::app::App;
use super::call::Call;
use super::message::{Method, Reply};
use super::problem::Problem;
use super::registry::Pick;
use super::registry::table::{Entry, Slot, State};
use super::routes::Found;

/// What a path here means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route<'p> {
    /// The process answers.
    Live,
    /// All models are loaded, and the server is not stopping.
    Ready,
    Version,
    Models,
    Model(&'p str, Pick<'p>),
}

const READ: &[Method] = &[Method::Get, Method::Head];

/// The route of a path in segments.
pub fn find<'p>(segments: &[&'p str]) -> Option<Found<Route<'p>>> {
    let (route, template) = match *segments {
        ["livez"] => (Route::Live, "/livez"),
        ["healthz"] => (Route::Live, "/healthz"),
        ["readyz"] => (Route::Ready, "/readyz"),
        ["version"] => (Route::Version, "/version"),
        ["models"] => (Route::Models, "/models"),
        ["models", name] => (Route::Model(name, Pick::Default), "/models/{model}"),
        ["models", name, "versions", version] => (
            Route::Model(name, Pick::Version(version)),
            "/models/{model}/versions/{version}",
        ),
        ["models", name, "labels", label] => (
            Route::Model(name, Pick::Label(label)),
            "/models/{model}/labels/{label}",
        ),
        _ => return None,
    };
    Some(Found::new(route, template, READ))
}

/// Answers a request about the server.
///
/// # Errors
/// 404 for a model that is not here, 503 where the server is not ready.
pub fn answer<'s>(app: &'s App, call: &mut Call, route: Route<'_>) -> Result<Reply<'s>, Problem> {
    match route {
        Route::Live => Ok(Reply::json(200, &b"{\"status\":\"ok\"}"[..])),
        Route::Ready if app.is_ready() => Ok(Reply::json(200, &b"{\"status\":\"ready\"}"[..])),
        Route::Ready => Err(app.not_ready()),
        Route::Version => {
            let version = json!({
                "name": "mlserve",
                "version": env!("CARGO_PKG_VERSION"),
                "runtime": app.runtime_version(),
            });
            Ok(Reply::json(200, version.to_string().into_bytes()))
        }
        Route::Models => {
            let table = app.registry.table();
            let models = table.entries.iter().flat_map(|entry| {
                let version = |slot| version(entry, slot);
                entry.present().map(version)
            });
            let models = json!({"models": models.collect::<Vec<_>>()});
            Ok(Reply::json(200, models.to_string().into_bytes()))
        }
        Route::Model(name, pick) => {
            let hosted = app.registry.find(name, pick, call.key)?;
            call.of(&hosted);
            Ok(Reply::json(200, hosted.description.clone().into_bytes()))
        }
    }
}

/// What is told of one version.
fn version(entry: &Entry, slot: &Slot) -> Value {
    let mut told = json!({
        "name": entry.name,
        "version": slot.version,
        "state": slot.state.word(),
    });
    let Some(members) = told.as_object_mut() else {
        return told;
    };
    let mut add = |name: &str, value: Value| {
        members.insert(name.to_owned(), value);
    };
    if let State::Failed(why) = &slot.state {
        add("reason", json!(why));
    }
    if !slot.sha256.is_empty() {
        add("sha256", json!(slot.sha256));
    }
    if let Some(hosted) = slot.hosted() {
        let default = entry.default();
        add(
            "default",
            json!(default.is_some_and(|default| Arc::ptr_eq(default, hosted))),
        );
        let parts = entry.parts();
        let part = parts.iter().find(|(shared, _)| Arc::ptr_eq(shared, hosted));
        if let Some((_, part)) = part {
            add("share", json!(part));
        }
        if let Some(shadow) = &*hosted.shadow.load() {
            let counts = &shadow.counts;
            let compared = json!({
                "version": shadow.target.version,
                "records": counts.records(),
                "agreeing": counts.agreeing(),
                "largest_difference": counts.largest(),
                "failed_runs": counts.failed(),
                "left_out_runs": counts.left_out(),
            });
            add("shadow", compared);
        }
    }
    let labels = entry.labels_of(&slot.version);
    if !labels.is_empty() {
        add("labels", json!(labels));
    }
    if !slot.breaks.is_empty() {
        add("breaks", json!(slot.breaks));
    }
    told
}
