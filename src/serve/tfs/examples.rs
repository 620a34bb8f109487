//! `:classify` and `:regress`: examples by feature, for models that give scores by class, or one number.

use std::collections::HashSet;

use crate::batch::columns::{Form, Wanted};
use crate::batch::json::{Broken, Cursor};
use crate::batch::write::{NonFinite, json_element, json_joined, json_string};
use crate::model::dtype::Dtype;
use crate::model::tensor::Tensor;

use crate::serve::b64;
use crate::serve::call::Call;
use crate::serve::hosted::Hosted;
use crate::serve::native::decode;
use crate::serve::problem::{Fault, Problem, Step};
use crate::serve::records::json::broken;
use crate::serve::records::{self, Ask, Place, Predictions};

use super::{Members, Verb, strict};

/// `{"results": [...]}`: for each example its labels with their scores, or its number.
///
/// # Errors
/// [`Problem::Invalid`] for examples that do not fit the model, and for models whose outputs do not
/// fit the question.
pub(super) fn answer(
    hosted: &Hosted,
    call: &mut Call,
    verb: Verb,
    body: &[u8],
    nan: NonFinite,
) -> Result<Vec<u8>, Problem> {
    let mut ask = strict(hosted).recorded(call);
    let members = Members::read(decode::text(body)?, &["examples", "context"], &mut ask)?;
    let examples = members
        .get("examples")
        .ok_or_else(|| Problem::invalid("missing", "the body has no \"examples\""))?;
    let examples = match members.get("context") {
        None => b64::plain(examples)?.into_owned(),
        Some(context) => b64::plain(&in_context(examples, context)?)?.into_owned(),
    };
    check(&examples)?;
    ask.wanted = Wanted {
        top: None,
        argmax: false,
        threshold: None,
        ..ask.wanted
    };
    let predictions = predict(hosted, call, &examples, &ask)?;
    match verb {
        Verb::Regress => numbers(&predictions, nan),
        _ => labels(&predictions, nan),
    }
}

fn place() -> Fault {
    Fault::of_body("not_a_list", "expected a list of objects")
        .below(Step::Key("examples".to_owned()))
}

/// # Errors
/// No list of objects, or an empty one.
fn check(examples: &str) -> Result<(), Problem> {
    let mut cursor = Cursor::new(examples);
    let is_list = cursor.enter(b'[').is_ok() && cursor.next_item().map_err(broken)?;
    match is_list && cursor.peek() == Some(b'{') {
        true => Ok(()),
        false => Err(Problem::Invalid(place().found(examples).into())),
    }
}

fn predict<'b>(
    hosted: &Hosted,
    call: &mut Call,
    examples: &'b str,
    ask: &Ask,
) -> Result<Predictions<'b>, Problem> {
    let place = Place::below(&["examples"]);
    let encoded = records::json::encode(hosted, examples, ask, &place)?;
    records::score(hosted, call, encoded, ask, &place)
}

/// The examples with the features of `context` that they do not have themselves.
fn in_context(examples: &str, context: &str) -> Result<String, Problem> {
    let is_object = context.starts_with('{');
    let mut cursor = Cursor::new(examples);
    if !is_object || cursor.peek() != Some(b'[') {
        let fault = place();
        return Err(Problem::Invalid(match is_object {
            true => fault.found(examples).into(),
            false => Fault {
                message: "expected an object".to_owned(),
                ..Fault::of_body("not_an_object", "").below(Step::Key("context".to_owned()))
            }
            .found(context)
            .into(),
        }));
    }
    let mut out = String::from("[");
    cursor.enter(b'[').map_err(broken)?;
    while cursor.next_item().map_err(broken)? {
        let example = cursor.value().map_err(broken)?;
        if out.len() > 1 {
            out.push(',');
        }
        match example.strip_prefix('{') {
            None => out.push_str(example),
            Some(inside) => {
                let before = out.len();
                out.push('{');
                lacking(&mut out, context, example).map_err(broken)?;
                let is_empty = inside.trim_start().starts_with('}');
                if !is_empty && out.len() > before + 1 {
                    out.push(',');
                }
                out.push_str(inside);
            }
        }
    }
    out.push(']');
    Ok(out)
}

/// Appends the members of `context` that `example` does not have.
fn lacking(out: &mut String, context: &str, example: &str) -> Result<(), Broken> {
    let mut own = HashSet::new();
    let mut cursor = Cursor::new(example);
    cursor.enter(b'{')?;
    while let Some(key) = cursor.next_key()? {
        cursor.value()?;
        own.insert(key);
    }
    let mut cursor = Cursor::new(context);
    let mut is_first = true;
    cursor.enter(b'{')?;
    while let Some(key) = cursor.next_key()? {
        let value = cursor.value()?;
        if own.contains(&key) {
            continue;
        }
        if !std::mem::take(&mut is_first) {
            out.push(',');
        }
        let mut name = Vec::new();
        json_string(&mut name, &key);
        out.push_str(&String::from_utf8_lossy(&name));
        out.push(':');
        out.push_str(value);
    }
    Ok(())
}

/// The scores by class of the output that has them.
fn labels(predictions: &Predictions<'_>, nan: NonFinite) -> Result<Vec<u8>, Problem> {
    let mut fields = predictions.layout.fields.iter().enumerate();
    let found = fields.find_map(|(index, field)| match &field.form {
        Form::Classes(classes) => Some((index, classes)),
        _ => None,
    });
    let Some((index, classes)) = found else {
        let message =
            "the model gives no scores by class, so it cannot classify; :predict has what it gives";
        return Err(Problem::invalid("no_classes", message));
    };
    Ok(results(predictions, |out, (tensors, record)| {
        let Some(tensor) = tensors.get(index) else {
            return;
        };
        let scores = classes.iter().zip(record * classes.len()..);
        json_joined(out, b'[', b']', scores, |out, (class, score)| {
            out.push(b'[');
            json_string(out, class);
            out.push(b',');
            json_element(out, tensor, score, nan);
            out.push(b']');
        });
    }))
}

/// The one number that the model gives.
fn numbers(predictions: &Predictions<'_>, nan: NonFinite) -> Result<Vec<u8>, Problem> {
    let is_number = predictions.parts.first().is_none_or(|part| {
        let first = part.each().next().flatten();
        let tensor = first.and_then(|(tensors, _)| tensors.first());
        tensor.is_none_or(|tensor| !matches!(tensor.dtype(), Dtype::String | Dtype::Bool))
    });
    match predictions.layout.fields.as_slice() {
        [field] if field.form == Form::Scalar && is_number => {}
        _ => {
            let message = "the model does not give one number alone, so this is no regression; :predict has what it gives";
            return Err(Problem::invalid("no_number", message));
        }
    }
    Ok(results(predictions, |out, (tensors, record)| {
        if let Some(tensor) = tensors.first() {
            json_element(out, tensor, record, nan);
        }
    }))
}

fn results(
    predictions: &Predictions<'_>,
    mut write: impl FnMut(&mut Vec<u8>, (&[Tensor], usize)),
) -> Vec<u8> {
    let mut out = b"{\"results\":".to_vec();
    json_joined(
        &mut out,
        b'[',
        b']',
        predictions.each(),
        |out, (prediction, _)| {
            write(out, prediction);
        },
    );
    out.push(b'}');
    out
}
