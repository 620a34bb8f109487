//! `GET /openapi.json`: what is served, as OpenAPI 3.1 tells it, with the schemas of these models.
//!
//! ```text
//! hosted model -> its columns and fields (told) -> schemas (schema), examples that were tried (examples)
//!     -> operations: predictions (native), protocols, the server -> paths
//! ```
//!
//! A path is only told of where `routes` finds it, so that the document promises nothing that is not
//! there.

pub mod examples;
mod native;
mod paths;
mod protocols;
mod replies;
mod schema;
mod server;
#[cfg(test)]
pub(super) mod tests;
pub mod told;

use serde_json::{Map, Value, json};

use super::app::App;
use super::fixed::{ASK_AGAIN, Fixed, Renewed};
use super::message::{Head, Method, Reply};
use super::problem::Problem;
use super::routes::Found;

use paths::Paths;
use told::Told;

/// What a path here means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    Document,
}

/// The document, made when it is first asked for.
pub type Document = Renewed;

/// The route of a path in segments.
pub fn find(segments: &[&str]) -> Option<Found<Route>> {
    const READ: &[Method] = &[Method::Get, Method::Head];
    match *segments {
        ["openapi.json"] => Some(Found::new(Route::Document, "/openapi.json", READ)),
        _ => None,
    }
}

/// Answers with the document.
///
/// # Errors
/// As [`Fixed::reply`].
pub fn answer<'s>(
    app: &'s App,
    Route::Document: Route,
    head: &Head<'_>,
) -> Result<Reply<'s>, Problem> {
    let make = || {
        let text = document(app).to_string();
        Fixed::plain("application/json", ASK_AGAIN, text.into_bytes())
    };
    app.document.of(app.registry.generation(), make).reply(head)
}

/// The whole document.
fn document(app: &App) -> Value {
    let served = app.registry.defaults();
    let models: Vec<Told<'_>> = Told::all(app, &served);
    let mut paths = Paths::new(&models);
    let mut schemas = Map::new();
    let mut tags = Vec::new();
    for told in &models {
        tags.push(json!({
            "name": told.tag,
            "description": format!("Predictions by the model \"{}\".", told.hosted.name),
        }));
        schema::add(&mut schemas, told);
        native::add(&mut paths, told, models.len() == 1);
    }
    replies::add(&mut schemas);
    protocols::add(&mut paths, &mut schemas, &models);
    server::add(&mut paths, &mut schemas);
    tags.extend(protocols::tags());
    tags.extend(server::tags());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "mlserve",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Predictions of trained models",
            "description": "Records go to `POST /predict` as JSON, CSV, NDJSON or NPY. The protocols of \
                other model servers are spoken on the same port. A missing number is `null`; the bare \
                tokens `NaN` and `Infinity` are taken too. Header and body limits, authentication and \
                model options are flags of `mlserve serve`.",
            "license": {"name": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "This server"}],
        // An empty requirement: a token is only asked for where the server was given one.
        "security": [{}, {"bearer": []}, {"apiKey": []}],
        "tags": tags,
        "paths": paths.into_value(),
        "components": {
            "schemas": schemas,
            "responses": replies::components(),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    })
}
