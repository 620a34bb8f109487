//! TensorFlow Serving's REST dialect, and KServe v1 on the same paths.
//!
//! ```text
//! POST /v1/models/M[/versions/N|/labels/L]:predict   rows or columns (instances) -> answer (encode)
//! POST ...:classify, ...:regress                     examples (examples)
//! GET  /v1/models, /v1/models/M.., .../metadata      status
//! ```
//!
//! The fixed words of a path match in any case, as there. An answer has the model's outputs as they
//! are, `[[2.5]]` where it gives `[1, 1]`, for its clients are written against shapes; the maps of ONNX,
//! which TensorFlow has none of, are the tensor of their values. Errors are `{"error": "..."}`, and what
//! is wrong with a request is 400.

mod encode;
mod examples;
mod status;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use super::app::App;
use super::b64;
use super::bound;
use super::call::Call;
use super::hosted::Hosted;
use super::instances;
use super::message::{Body, Head, Method, Reply};
use super::native::{decode, wishes};
use super::problem::{Fault, Problem, Step};
use super::records::Ask;
use super::records::json::broken;
use super::registry::Pick;
use super::routes::Found;

use crate::batch::json::Cursor;
use crate::batch::write::{NonFinite, json_string};

/// What is asked of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Predict,
    Classify,
    Regress,
    /// KServe v1's, which needs an explainer beside the model.
    Explain,
}

/// What a path of this dialect means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route<'p> {
    /// The names of all models.
    Models,
    Status(&'p str, Pick<'p>),
    Metadata(&'p str, Pick<'p>),
    Run(&'p str, Pick<'p>, Verb),
}

/// The routes of a model, by what follows its name, its version and its label.
const VERBS: [(&str, Verb, [&str; 3]); 4] = [
    (
        "predict",
        Verb::Predict,
        [
            "/v1/models/{model}:predict",
            "/v1/models/{model}/versions/{version}:predict",
            "/v1/models/{model}/labels/{label}:predict",
        ],
    ),
    (
        "classify",
        Verb::Classify,
        [
            "/v1/models/{model}:classify",
            "/v1/models/{model}/versions/{version}:classify",
            "/v1/models/{model}/labels/{label}:classify",
        ],
    ),
    (
        "regress",
        Verb::Regress,
        [
            "/v1/models/{model}:regress",
            "/v1/models/{model}/versions/{version}:regress",
            "/v1/models/{model}/labels/{label}:regress",
        ],
    ),
    (
        "explain",
        Verb::Explain,
        [
            "/v1/models/{model}:explain",
            "/v1/models/{model}/versions/{version}:explain",
            "/v1/models/{model}/labels/{label}:explain",
        ],
    ),
];
const STATUS: [&str; 3] = [
    "/v1/models/{model}",
    "/v1/models/{model}/versions/{version}",
    "/v1/models/{model}/labels/{label}",
];
const METADATA: [&str; 3] = [
    "/v1/models/{model}/metadata",
    "/v1/models/{model}/versions/{version}/metadata",
    "/v1/models/{model}/labels/{label}/metadata",
];

const READ: &[Method] = &[Method::Get, Method::Head];

/// The route of a path in segments.
pub fn find<'p>(segments: &[&'p str]) -> Option<Found<Route<'p>>> {
    let is = |word: &str, fixed: &str| word.eq_ignore_ascii_case(fixed);
    let [v1, models, rest @ ..] = segments else {
        return None;
    };
    if !is(v1, "v1") || !is(models, "models") {
        return None;
    }
    if rest.is_empty() {
        return Some(Found::new(Route::Models, "/v1/models", READ));
    }
    let (rest, is_metadata) = match rest {
        [rest @ .., last] if !rest.is_empty() && is(last, "metadata") => (rest, true),
        rest => (rest, false),
    };
    let (name, verb, pick, which) = match *rest {
        [name] => {
            let (name, verb) = taken_apart(name);
            (name, verb, Pick::Default, 0)
        }
        [name, kind, version] if is(kind, "versions") => {
            let (version, verb) = taken_apart(version);
            (name, verb, Pick::Version(version), 1)
        }
        [name, kind, label] if is(kind, "labels") => {
            let (label, verb) = taken_apart(label);
            (name, verb, Pick::Label(label), 2)
        }
        _ => return None,
    };
    let template = |templates: [&'static str; 3]| templates.get(which).copied().unwrap_or("");
    let found = match (verb, is_metadata) {
        (None, true) => Found::new(Route::Metadata(name, pick), template(METADATA), READ),
        (None, false) => Found::new(Route::Status(name, pick), template(STATUS), READ),
        (Some(verb), false) => {
            let mut verbs = VERBS.iter();
            let (_, verb, templates) = verbs.find(|(word, ..)| is(verb, word))?;
            let route = Route::Run(name, pick, *verb);
            Found::new(route, template(*templates), &[Method::Post])
        }
        (Some(_), true) => return None,
    };
    Some(found)
}

/// A name and the verb behind it.
fn taken_apart(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((name, verb)) => (name, Some(verb)),
        None => (text, None),
    }
}

/// Whether a path is one of this dialect, found or not.
pub fn is_ours(path: &str) -> bool {
    let start = path.get(..4);
    start.is_some_and(|start| start.eq_ignore_ascii_case("/v1/"))
}

/// Answers a request of this dialect.
///
/// # Errors
/// Whatever keeps it from an answer.
pub fn answer<'s>(
    app: &'s App,
    call: &mut Call,
    route: Route<'_>,
    _head: &Head<'_>,
    body: &mut dyn Body,
) -> Result<Reply<'s>, Problem> {
    let (name, pick) = match route {
        Route::Models => return Ok(status::models(app)),
        Route::Status(name, pick) => return status::status(app, name, pick),
        Route::Metadata(name, pick) | Route::Run(name, pick, _) => (name, pick),
    };
    let hosted = &app.registry.find(name, pick, call.key)?;
    call.of(hosted);
    match route {
        Route::Models | Route::Status(..) => status::status(app, name, pick),
        Route::Metadata(..) => Ok(status::metadata(hosted)),
        Route::Run(_, _, Verb::Predict) => predict(hosted, call, body.whole()?, app.nan),
        Route::Run(_, _, verb @ (Verb::Classify | Verb::Regress)) => {
            let out = examples::answer(hosted, call, verb, body.whole()?, app.nan)?;
            Ok(Reply::json(200, out))
        }
        Route::Run(_, _, Verb::Explain) => Err(Problem::refused(
            501,
            "no_explainer",
            "explanations need an explainer beside the model, and there is none here",
        )),
    }
}

/// Answers `:predict` by one model, whatever the path; Vertex AI's predictions are the same.
///
/// # Errors
/// Whatever is wrong with the request.
pub fn predict<'s>(
    hosted: &Hosted,
    call: &mut Call,
    body: &[u8],
    nan: NonFinite,
) -> Result<Reply<'s>, Problem> {
    let mut ask = strict(hosted).recorded(call);
    let members = Members::read(decode::text(body)?, &["instances", "inputs"], &mut ask)?;
    let out = match (members.get("instances"), members.get("inputs")) {
        (Some(list), None) => {
            let text = b64::plain(list)?;
            let predictions = instances::rows(hosted, call, &text, &ask)?;
            encode::rows(&predictions, nan)
        }
        (None, Some(columns)) => {
            let text = b64::plain(columns)?;
            let said = instances::columns(hosted, call, &text, &ask)?;
            encode::columns(hosted, said, &ask.wanted, nan)
        }
        (Some(_), Some(_)) => {
            let message = "the body has both \"instances\" and \"inputs\"";
            return Err(Problem::invalid("ambiguous", message));
        }
        (None, None) => {
            let message = "the body has neither \"instances\" nor \"inputs\"";
            return Err(Problem::invalid("missing", message));
        }
    };
    let out = bound::within(out, hosted.hosting.reply_bytes)?;
    Ok(Reply::json(200, out))
}

/// What the server's flags ask for; what the model has no use for is a fault here.
fn strict(hosted: &Hosted) -> Ask {
    Ask {
        strict: true,
        ..Ask::of(hosted)
    }
}

/// The members of a body that mean something.
struct Members<'b> {
    found: Vec<(Cow<'b, str>, &'b str)>,
}

impl<'b> Members<'b> {
    /// Reads the object that `text` is. Wishes may stand in `parameters`; a signature's name is
    /// taken and means nothing, for an ONNX model has one signature.
    ///
    /// # Errors
    /// [`Problem::Invalid`] for what is no object, and for members that are not what they should be.
    fn read(text: &'b str, names: &[&str], ask: &mut Ask) -> Result<Members<'b>, Problem> {
        let mut cursor = Cursor::new(text);
        match cursor.peek() {
            None => {
                return Err(Problem::invalid(
                    "missing",
                    "the body is empty; it should hold JSON",
                ));
            }
            Some(b'{') => {}
            Some(_) => {
                cursor.value().map_err(broken)?;
                return Err(Problem::invalid("not_an_object", "expected a JSON object"));
            }
        }
        let mut found: Vec<(Cow<'b, str>, &'b str)> = Vec::new();
        cursor.enter(b'{').map_err(broken)?;
        while let Some(key) = cursor.next_key().map_err(broken)? {
            let value = cursor.value().map_err(broken)?;
            let wrong = |message: &str| {
                let fault = Fault::of_body("wrong_member", message);
                Problem::Invalid(fault.below(Step::Key(key.to_string())).found(value).into())
            };
            match key.as_ref() {
                "signature_name" if !value.starts_with(['"', 'n']) => {
                    return Err(wrong("expected text"));
                }
                "parameters" => wishes::of_object(ask, value)?,
                name if names.contains(&name) => {
                    if found.iter().any(|(other, _)| *other == key) {
                        return Err(wrong("it stands twice"));
                    }
                    found.push((key, value));
                }
                _ => {}
            }
        }
        cursor.end().map_err(broken)?;
        Ok(Members { found })
    }

    fn get(&self, name: &str) -> Option<&'b str> {
        let member = self.found.iter().find(|(found, _)| found == name);
        member.map(|(_, value)| *value)
    }
}

/// What went wrong, in TensorFlow Serving's shape.
pub fn error(problem: &Problem) -> Reply<'static> {
    let mut out = b"{\"error\":".to_vec();
    json_string(&mut out, &problem.message());
    out.push(b'}');
    let status = match problem {
        Problem::Invalid(_) => 400,
        problem => problem.status(),
    };
    Reply::json(status, out)
}
