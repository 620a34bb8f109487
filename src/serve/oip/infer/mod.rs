//! Inference: from a request's bytes to tensors, and from the model's tensors to an answer's bytes.
//!
//! ```text
//! Inference-Header-Content-Length -> JSON (request) | binary tensors behind it
//!   -> one tensor for each input (decode, binary) -> Inputs::run -> answer (encode, classes, binary)
//! ```

mod binary;
mod classes;
mod decode;
mod encode;
mod request;

use crate::batch::json::Broken;

use crate::serve::app::App;
use crate::serve::call::Call;
use crate::serve::hosted::Hosted;
use crate::serve::message::{Body, Head, Reply};
use crate::serve::native::decode::text;
use crate::serve::outputs::named;
use crate::serve::problem::{Fault, Problem, Step};
use crate::serve::tensors::Inputs;

use request::Request;

/// The field that says how many bytes of the body are JSON.
const HEADER_LENGTH: &str = "Inference-Header-Content-Length";

/// Answers a request for an inference.
///
/// # Errors
/// Whatever is wrong with the request, and where the model fails.
pub fn answer<'s>(
    app: &'s App,
    hosted: &Hosted,
    call: &mut Call,
    head: &Head<'_>,
    body: &mut dyn Body,
) -> Result<Reply<'s>, Problem> {
    let length = header_length(head)?;
    let body = body.whole()?;
    let (request, given) = match length {
        Some(0) => (Request::raw(), decode::raw(hosted, body)?),
        length => {
            let (json, tensors) = split(body, length)?;
            let (request, inputs) = request::read(hosted, text(json)?)?;
            let given = decode::tensors(hosted, &inputs, tensors)?;
            (request, given)
        }
    };
    if let Some(most) = request.timeout {
        call.within(most);
    }
    let values = Inputs::new(hosted, given, &["inputs"])?.run(call)?;
    let tensors = named(&hosted.model.signature().outputs, values);
    encode::reply(hosted, &request, &tensors, app.nan)
}

/// What the field says, where it is there.
fn header_length(head: &Head<'_>) -> Result<Option<usize>, Problem> {
    let is_it = |name: &str| name.eq_ignore_ascii_case(HEADER_LENGTH);
    let mut fields = head.headers.iter().filter(|field| is_it(field.name));
    let Some(field) = fields.next() else {
        return Ok(None);
    };
    let digits = field.value.trim_ascii();
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(digits).ok().filter(|_| is_number);
    match number.and_then(|digits| digits.parse().ok()) {
        Some(length) if fields.all(|other| other.value == field.value) => Ok(Some(length)),
        _ => Err(Problem::invalid(
            "header_length",
            format!("{HEADER_LENGTH} should be the number of bytes of the JSON part"),
        )),
    }
}

/// The JSON of a body, and the binary tensors behind it.
fn split(body: &[u8], length: Option<usize>) -> Result<(&[u8], &[u8]), Problem> {
    let parts = body.split_at_checked(length.unwrap_or(body.len()));
    parts.ok_or_else(|| {
        let message = format!(
            "{HEADER_LENGTH} says more bytes than the body has, which are {}",
            body.len()
        );
        Problem::invalid("header_length", message)
    })
}

/// What is not JSON at all.
fn broken(broken: Broken) -> Problem {
    Problem::invalid("json_invalid", broken.to_string())
}

/// A fault of one of the request's inputs or outputs, which `list` says.
fn fault_of(list: &str, index: usize, code: &'static str, message: impl Into<String>) -> Fault {
    Fault::of_body(code, message)
        .below(Step::Key(list.to_owned()))
        .below(Step::Index(index))
}

/// As [`fault_of`], of its member `key`.
fn fault_at(
    (list, index): (&str, usize),
    key: &str,
    code: &'static str,
    message: impl Into<String>,
) -> Problem {
    let fault = fault_of(list, index, code, message);
    Problem::Invalid(fault.below(Step::Key(key.to_owned())).into())
}
