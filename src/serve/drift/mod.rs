//! Drift: how far the records of these days are from those of a baseline, for models that have one.
//!
//! ```text
//! records | tensors, after their run -> watch (counts in the baseline's bins, for each thread)
//!     -> window (the last records) -> seen (PSI, missing ratios) -> metrics | JSON (told) | page
//! ```

mod baselines;
mod page;
mod seen;
mod told;
mod watch;
mod window;

#[cfg(test)]
mod tests;

pub use baselines::Baselines;
pub use seen::{Kind, Seen};
pub use watch::Watch;

use super::app::App;
use super::call::Call;
use super::message::{Method, Reply};
use super::problem::Problem;
use super::registry::Pick;
use super::routes::Found;

/// What a path here means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route<'p> {
    /// All models, for people.
    Page,
    Model(&'p str, Pick<'p>),
}

const READ: &[Method] = &[Method::Get, Method::Head];

/// The route of a path in segments.
pub fn find<'p>(segments: &[&'p str]) -> Option<Found<Route<'p>>> {
    let (route, template) = match *segments {
        ["drift"] => (Route::Page, "/drift"),
        ["models", name, "drift"] => (Route::Model(name, Pick::Default), "/models/{model}/drift"),
        ["models", name, "versions", version, "drift"] => (
            Route::Model(name, Pick::Version(version)),
            "/models/{model}/versions/{version}/drift",
        ),
        _ => return None,
    };
    Some(Found::new(route, template, READ))
}

/// The page may load nothing at all, and runs no script.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'";

/// Answers a request about drift.
///
/// # Errors
/// 404 for a model that is not here.
pub fn answer<'s>(app: &'s App, call: &mut Call, route: Route<'_>) -> Result<Reply<'s>, Problem> {
    match route {
        Route::Page => {
            let page = page::html(&app.registry.models());
            let reply = Reply::new(200, "text/html; charset=utf-8", page.into_bytes());
            Ok(reply
                .with("Content-Security-Policy", POLICY)
                .with("Cache-Control", "no-store")
                .with("Referrer-Policy", "no-referrer"))
        }
        Route::Model(name, pick) => {
            let hosted = &app.registry.find(name, pick, call.key)?;
            call.of(hosted);
            let told = told::json(hosted).to_string().into_bytes();
            Ok(Reply::json(200, told).with("Cache-Control", "no-store"))
        }
    }
}
