//! In which form a body comes, and in which its answer goes.

use crate::serve::message::Head;
use crate::serve::problem::Problem;

/// A form of records and of predictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Json,
    Csv,
    /// One JSON object a line.
    Ndjson,
    Npy,
}

impl Form {
    /// What the field Content-Type says of an answer.
    pub fn content_type(self) -> &'static str {
        match self {
            Form::Json => "application/json",
            Form::Csv => "text/csv; charset=utf-8",
            Form::Ndjson => "application/x-ndjson",
            Form::Npy => "application/x-npy",
        }
    }

    /// The form of a media type; `None` for one that is not known here.
    pub fn of(media_type: &str) -> Option<Form> {
        match media_type.to_ascii_lowercase().as_str() {
            "application/json" => Some(Form::Json),
            "text/csv" | "application/csv" => Some(Form::Csv),
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/jsonlines"
            | "application/x-jsonlines" => Some(Form::Ndjson),
            "application/x-npy" => Some(Form::Npy),
            other if other.ends_with("+json") => Some(Form::Json),
            _ => None,
        }
    }

    /// The form of a request's body. JSON where nothing is said, and where what is said is what
    /// clients say that do not think of it: `curl -d` calls everything a form.
    ///
    /// # Errors
    /// 415 for a type that is not known here.
    pub fn of_body(head: &Head<'_>) -> Result<Form, Problem> {
        let media_type = media_type(head.header("Content-Type").unwrap_or_default());
        match Form::of(media_type) {
            Some(form) => Ok(form),
            None if ["", "*/*", "text/plain", "application/x-www-form-urlencoded"]
                .iter()
                .any(|loose| media_type.eq_ignore_ascii_case(loose)) =>
            {
                Ok(Form::Json)
            }
            None => Err(Problem::refused(
                415,
                "media_type",
                "expected application/json, text/csv, application/x-ndjson or application/x-npy",
            )),
        }
    }

    /// The form that the client wants most (RFC 9110, 12.5.1); `usual` where it does not care.
    ///
    /// # Errors
    /// 406 where it wants none that there is.
    pub fn of_answer(head: &Head<'_>, usual: Form) -> Result<Form, Problem> {
        let accept = head.header("Accept").unwrap_or_default();
        if accept.trim().is_empty() {
            return Ok(usual);
        }
        let mut best: Option<(f32, Form)> = None;
        for item in accept.split(',') {
            let weight = weight(item);
            let form = match media_type(item) {
                "*/*" | "application/*" => Some(usual),
                "text/*" => Some(Form::Csv),
                named => Form::of(named),
            };
            if let Some(form) = form
                && weight > best.map_or(0.0, |(best, _)| best)
            {
                best = Some((weight, form));
            }
        }
        match best {
            Some((_, form)) => Ok(form),
            // Browsers and others ask for pages; what they get is better than an error.
            None if accept.contains("text/html") => Ok(usual),
            None => Err(Problem::refused(
                406,
                "not_acceptable",
                "there are application/json, text/csv, application/x-ndjson and application/x-npy",
            )),
        }
    }
}

/// The media type without its parameters.
fn media_type(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

fn weight(item: &str) -> f32 {
    let mut parameters = item.split(';').skip(1).map(str::trim);
    let weight = parameters.find_map(|parameter| parameter.strip_prefix("q="));
    weight.map_or(1.0, |weight| weight.trim().parse().unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::message::{Header, Method};

    fn with<T>(
        name: &str,
        value: &str,
        job: impl Fn(&Head<'_>) -> Result<T, Problem>,
    ) -> Result<T, u16> {
        let headers = [Header {
            name,
            value: value.as_bytes(),
        }];
        let head = Head {
            method: Method::Post,
            path: "/predict",
            query: "",
            headers: &headers,
        };
        job(&head).map_err(|problem| problem.status())
    }

    #[test]
    fn bodies_say_what_they_are_or_are_json() {
        for (value, form) in [
            ("application/json", Ok(Form::Json)),
            ("Application/JSON; charset=utf-8", Ok(Form::Json)),
            ("application/problem+json", Ok(Form::Json)),
            ("application/x-www-form-urlencoded", Ok(Form::Json)),
            ("text/plain", Ok(Form::Json)),
            ("text/csv; header=present", Ok(Form::Csv)),
            ("application/x-ndjson", Ok(Form::Ndjson)),
            ("application/x-npy", Ok(Form::Npy)),
            ("multipart/form-data; boundary=x", Err(415)),
            ("image/png", Err(415)),
        ] {
            assert_eq!(with("Content-Type", value, Form::of_body), form, "{value}");
        }
    }

    #[test]
    fn answers_are_what_the_client_wants_most() {
        for (value, form) in [
            ("*/*", Ok(Form::Ndjson)),
            ("", Ok(Form::Ndjson)),
            ("text/csv", Ok(Form::Csv)),
            ("application/json, text/csv;q=0.5", Ok(Form::Json)),
            ("application/json;q=0.2, text/csv;q=0.5", Ok(Form::Csv)),
            ("application/x-npy", Ok(Form::Npy)),
            ("text/html, */*;q=0.8", Ok(Form::Ndjson)),
            ("text/html", Ok(Form::Ndjson)),
            ("image/png", Err(406)),
            ("application/json;q=0", Err(406)),
        ] {
            let found = with("Accept", value, |head| Form::of_answer(head, Form::Ndjson));
            assert_eq!(found, form, "{value}");
        }
    }
}
