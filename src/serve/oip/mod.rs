//! The Open Inference Protocol, version 2, as Triton, KServe and MLServer speak it: `/v2/...`.
//!
//! ```text
//! metadata, config, health, index (metadata) | statistics (stats)
//! infer: JSON, or JSON and then tensors in binary -> tensors by input -> Inputs::run -> the same back
//! ```
//!
//! Errors have one member: `{"error": "..."}`. Loading and unloading is `admin`'s.

pub mod datatype;
pub mod infer;
pub mod metadata;
pub mod stats;

use super::admin::{self, Control};
use super::app::App;
use super::call::Call;
use super::message::{Body, Head, Method, Reply};
use super::problem::Problem;
use super::registry::Pick;
use super::routes::Found;

use serde_json::Value;

use crate::batch::write::json_string;

/// What a path of this dialect means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route<'p> {
    Server,
    Live,
    Ready,
    Models,
    /// Something about one model.
    Model(&'p str, Pick<'p>, About),
    /// The statistics of all models.
    Stats,
    /// What the repository holds.
    Index,
    /// To load or unload a model.
    Control(&'p str, Control),
}

/// What is asked of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    Metadata,
    Ready,
    Config,
    Stats,
    Infer,
}

const READ: &[Method] = &[Method::Get, Method::Head];
const WRITE: &[Method] = &[Method::Post];

/// The route of a path in segments.
pub fn find<'p>(segments: &[&'p str]) -> Option<Found<Route<'p>>> {
    let ["v2", below @ ..] = segments else {
        return None;
    };
    let (route, template, methods) = match *below {
        [] => (Route::Server, "/v2", READ),
        ["health", "live"] => (Route::Live, "/v2/health/live", READ),
        ["health", "ready"] => (Route::Ready, "/v2/health/ready", READ),
        ["models"] => (Route::Models, "/v2/models", READ),
        ["models", "stats"] => (Route::Stats, "/v2/models/stats", READ),
        ["models", name, "versions", version, ref about @ ..] => {
            let (about, _, template, methods) = about_model(about)?;
            let pick = Pick::Version(version);
            (Route::Model(name, pick, about), template, methods)
        }
        ["models", name, ref about @ ..] => {
            let (about, template, _, methods) = about_model(about)?;
            (Route::Model(name, Pick::Default, about), template, methods)
        }
        ["repository", "index"] => (Route::Index, "/v2/repository/index", WRITE),
        ["repository", "models", name, "load"] => (
            Route::Control(name, Control::Load),
            "/v2/repository/models/{model}/load",
            WRITE,
        ),
        ["repository", "models", name, "unload"] => (
            Route::Control(name, Control::Unload),
            "/v2/repository/models/{model}/unload",
            WRITE,
        ),
        _ => return None,
    };
    Some(Found::new(route, template, methods))
}

/// What is asked of a model, and the templates of its path without and with a version.
fn about_model(below: &[&str]) -> Option<(About, &'static str, &'static str, &'static [Method])> {
    Some(match *below {
        [] => (
            About::Metadata,
            "/v2/models/{model}",
            "/v2/models/{model}/versions/{version}",
            READ,
        ),
        ["ready"] => (
            About::Ready,
            "/v2/models/{model}/ready",
            "/v2/models/{model}/versions/{version}/ready",
            READ,
        ),
        ["config"] => (
            About::Config,
            "/v2/models/{model}/config",
            "/v2/models/{model}/versions/{version}/config",
            READ,
        ),
        ["stats"] => (
            About::Stats,
            "/v2/models/{model}/stats",
            "/v2/models/{model}/versions/{version}/stats",
            READ,
        ),
        ["infer"] => (
            About::Infer,
            "/v2/models/{model}/infer",
            "/v2/models/{model}/versions/{version}/infer",
            WRITE,
        ),
        _ => return None,
    })
}

/// Answers a request of this dialect.
///
/// # Errors
/// Whatever keeps it from an answer.
pub fn answer<'s>(
    app: &'s App,
    call: &mut Call,
    route: Route<'_>,
    head: &Head<'_>,
    body: &mut dyn Body,
) -> Result<Reply<'s>, Problem> {
    match route {
        Route::Server => Ok(metadata::server()),
        // KServe's client reads these bodies, Triton's only the status.
        Route::Live => Ok(Reply::json(200, &b"{\"live\":true}"[..])),
        Route::Ready if app.is_ready() => {
            Ok(Reply::json(200, &b"{\"ready\":true,\"live\":true}"[..]))
        }
        Route::Ready => Ok(Reply::json(503, &b"{\"ready\":false,\"live\":true}"[..])),
        Route::Models => Ok(metadata::models(app)),
        Route::Stats => Ok(stats::of_all(&app.registry.models())),
        Route::Index => metadata::index(app, body.whole()?),
        Route::Control(name, control) => {
            let keeper = admin::allowed(app, head)?;
            no_parameters(body.whole()?)?;
            // Triton's words and status for what is not in the repository.
            let unknown = || Problem::refused(400, "unknown_model", unknown(name));
            match app.registry.table().entry(name) {
                Some(_) => admin::change(app, keeper, name, control)?,
                None => return Err(unknown()),
            }
            Ok(Reply::empty(200))
        }
        Route::Model(name, pick, about) => {
            let hosted = &app.registry.find(name, pick, call.key)?;
            call.of(hosted);
            match about {
                About::Metadata => Ok(metadata::model(app, hosted)),
                About::Ready => Ok(metadata::ready(app, hosted)),
                About::Config => Ok(metadata::config(hosted)),
                About::Stats => Ok(stats::of_one(hosted)),
                About::Infer => infer::answer(app, hosted, call, head, body),
            }
        }
    }
}

fn unknown(name: &str) -> String {
    let name: String = name.chars().filter(|c| !c.is_control()).take(80).collect();
    format!("Request for unknown model: '{name}' is not found")
}

/// The body of a request to load or unload: none, or an object. What it may ask for beyond that (another
/// configuration, files in base64) would be another model than the operator's.
///
/// # Errors
/// 400 for what is not understood.
fn no_parameters(body: &[u8]) -> Result<(), Problem> {
    if body.trim_ascii().is_empty() {
        return Ok(());
    }
    let asked: Value = serde_json::from_slice(body)
        .map_err(|_| Problem::invalid("json_invalid", "the body is not valid JSON"))?;
    let parameters = asked.get("parameters").and_then(Value::as_object);
    let mut names = parameters
        .into_iter()
        .flat_map(|parameters| parameters.keys());
    match names.find(|name| *name != "unload_dependents") {
        None => Ok(()),
        Some(name) => {
            let message = format!("the parameter \"{name}\" is not supported here");
            Err(Problem::invalid("unsupported", message))
        }
    }
}

/// Whether a path belongs to this dialect, also where it leads nowhere.
pub fn is_ours(path: &str) -> bool {
    path.strip_prefix("/v2")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What went wrong: `{"error": "..."}`. The protocol knows no 422.
pub fn error(problem: &Problem) -> Reply<'static> {
    let mut out = b"{\"error\":".to_vec();
    json_string(&mut out, &problem.message());
    out.push(b'}');
    let status = match problem.status() {
        422 => 400,
        status => status,
    };
    Reply::json(status, out)
}

#[cfg(test)]
mod tests;
