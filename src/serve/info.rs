//! What is told of the server and its models: health, version, the models and their signatures.

use serde_json::json;

use super::app::App;
use super::call::Call;
use super::message::{Method, Reply};
use super::problem::Problem;
use super::registry::Pick;
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
        Route::Ready => Err(Problem::refused(503, "not_ready", "the server is stopping")),
        Route::Version => {
            let version = json!({
                "name": "mlserve",
                "version": env!("CARGO_PKG_VERSION"),
                "runtime": app.runtime_version(),
            });
            Ok(Reply::json(200, version.to_string().into_bytes()))
        }
        Route::Models => {
            let models = app.registry.models().iter().map(|hosted| {
                json!({
                    "name": hosted.name,
                    "version": hosted.version,
                    "state": "ready",
                })
            });
            let models = json!({"models": models.collect::<Vec<_>>()});
            Ok(Reply::json(200, models.to_string().into_bytes()))
        }
        Route::Model(name, pick) => {
            let hosted = app.registry.find(name, pick)?;
            call.of(hosted);
            Ok(Reply::json(200, hosted.description.clone().into_bytes()))
        }
    }
}
