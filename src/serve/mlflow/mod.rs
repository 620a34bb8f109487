//! MLflow's scoring protocol, and SageMaker's on the same paths.
//!
//! ```text
//! POST /invocations, /models/M/invoke      JSON (decode) | CSV | JSON lines | NPY -> answer (encode)
//! GET  /ping, /health                      200 and an empty line
//! ```
//!
//! An answer is `{"predictions": [...]}`: values where the model gives one for each record, else
//! objects. What SageMaker asks for beyond MLflow is answered too: CSV without a header, JSON lines, a
//! bare list of records, and the form that `Accept` names. Errors are `{"error_code", "message"}`, but
//! for 415, which is plain text there. MLflow's `GET /version` is its own version as text, which
//! nothing depends on and which we have not: ours stays the JSON that all clients of ours know.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

use super::app::App;
use super::call::Call;
use super::hosted::Hosted;
use super::message::{Body, Head, Method, Reply};
use super::native::decode::text;
use super::native::form::Form;
use super::problem::Problem;
use super::records::csv::{HeaderRow, Table};
use super::records::{self, Ask, Place, Shape};
use super::registry::Pick;
use super::routes::Found;

use crate::batch::write::json_string;

/// What a path of this dialect means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route<'p> {
    Ping,
    /// Predictions by the only model, or, as SageMaker's multi-model containers have it, a named one.
    Invoke(Option<&'p str>),
}

/// The route of a path in segments.
pub fn find<'p>(segments: &[&'p str]) -> Option<Found<Route<'p>>> {
    const READ: &[Method] = &[Method::Get, Method::Head];
    const ASK: &[Method] = &[Method::Post];
    let (route, template, methods) = match *segments {
        ["ping"] => (Route::Ping, "/ping", READ),
        ["health"] => (Route::Ping, "/health", READ),
        ["invocations"] => (Route::Invoke(None), "/invocations", ASK),
        ["models", name, "invoke"] => (Route::Invoke(Some(name)), "/models/{model}/invoke", ASK),
        _ => return None,
    };
    Some(Found::new(route, template, methods))
}

/// Whether a path is one of this dialect.
pub fn is_ours(path: &str) -> bool {
    let path = path.strip_suffix('/').unwrap_or(path);
    let is_invoke = path.starts_with("/models/") && path.ends_with("/invoke");
    is_invoke || matches!(path, "/invocations" | "/ping" | "/health")
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
    let hosted = match route {
        Route::Ping if app.is_ready() => return Ok(Reply::json(200, &b"\n"[..])),
        Route::Ping => return Err(app.not_ready()),
        Route::Invoke(None) => app.registry.only(call.key)?,
        Route::Invoke(Some(name)) => app.registry.find(name, Pick::Default, call.key)?,
    };
    call.of(&hosted);
    invoke(app, &hosted, call, head, body)
}

fn invoke<'s>(
    app: &'s App,
    hosted: &Hosted,
    call: &mut Call,
    head: &Head<'_>,
    body: &mut dyn Body,
) -> Result<Reply<'s>, Problem> {
    let sent = Sent::of(head)?;
    let wanted = Form::of_answer(head, Form::Json)?;
    let ask = Ask::of(hosted).recorded(call);
    let place = Place::below(&[]);
    // SageMaker's CSV has no header; a client that sends one can read one.
    let mut has_header = false;
    let table;
    let plain;
    let predictions = match sent.form {
        Form::Json => {
            plain = decode::Members::read(text(body.whole()?)?)?;
            decode::predict(hosted, call, &plain, ask)?
        }
        Form::Csv => {
            table = Table::read(body.whole()?)?;
            has_header = table.has_header(hosted, sent.header);
            let encoded = table.encode(hosted, has_header, &ask, &place)?;
            records::score(hosted, call, encoded, &ask, &place)?
        }
        Form::Ndjson => {
            let place = Place {
                shape: Shape::Lines,
                first: 1,
                ..place
            };
            let encoded = records::json::encode(hosted, text(body.whole()?)?, &ask, &place)?;
            records::score(hosted, call, encoded, &ask, &place)?
        }
        Form::Npy => {
            let encoded = records::npy::encode(hosted, body.whole()?, &ask, &place)?;
            records::score(hosted, call, encoded, &ask, &place)?
        }
    };
    let out = encode::answer(hosted, &predictions, (wanted, has_header), app.nan)?;
    Ok(Reply::new(200, wanted.content_type(), out))
}

/// What a request says of its body.
#[derive(Debug, PartialEq, Eq)]
struct Sent {
    form: Form,
    header: HeaderRow,
}

impl Sent {
    /// Reads Content-Type by MLflow's rule: UTF-8, and no parameter but that; RFC 4180 has one more
    /// for CSV. Where nothing is said it is JSON.
    ///
    /// # Errors
    /// 415 for all else.
    fn of(head: &Head<'_>) -> Result<Sent, Problem> {
        let refused = |message: String| Problem::refused(415, "media_type", message);
        let value = head.header("Content-Type").unwrap_or_default();
        let mut parts = value.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default();
        let form = match media_type {
            "" => Some(Form::Json),
            named => Form::of(named),
        };
        let form = form.ok_or_else(|| {
            refused(
                "expected application/json, text/csv, application/jsonlines or application/x-npy"
                    .to_owned(),
            )
        })?;
        let mut header = HeaderRow::Guessed;
        for parameter in parts.filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let value = value.trim().trim_matches('"').to_ascii_lowercase();
            match (
                name.trim().to_ascii_lowercase().as_str(),
                value.as_str(),
                form,
            ) {
                ("charset", "utf-8", _) => {}
                ("charset", ..) => return Err(refused("only UTF-8 is read here".to_owned())),
                ("header", "present", Form::Csv) => header = HeaderRow::Present,
                ("header", "absent", Form::Csv) => header = HeaderRow::Absent,
                _ => {
                    let message = "the content type has a parameter that is not known here";
                    return Err(refused(message.to_owned()));
                }
            }
        }
        Ok(Sent { form, header })
    }
}

/// What went wrong, in MLflow's shape; it never has a stack trace.
pub fn error(problem: &Problem) -> Reply<'static> {
    let (status, code) = match problem.status() {
        415 => {
            let message = problem.message().into_bytes();
            return Reply::new(415, "text/plain; charset=utf-8", message);
        }
        _ if matches!(problem, Problem::Invalid(_)) => (400, "BAD_REQUEST"),
        status @ 404 => (status, "RESOURCE_DOES_NOT_EXIST"),
        status @ 405 => (status, "ENDPOINT_NOT_FOUND"),
        status @ 429 => (status, "REQUEST_LIMIT_EXCEEDED"),
        status @ 503 => (status, "TEMPORARILY_UNAVAILABLE"),
        status @ 500.. => (status, "INTERNAL_ERROR"),
        status => (status, "BAD_REQUEST"),
    };
    let mut out = format!("{{\"error_code\":\"{code}\",\"message\":").into_bytes();
    json_string(&mut out, &problem.message());
    out.push(b'}');
    Reply::json(status, out)
}
