//! A JSON body into predictions: one record, many, or tensors.

use std::borrow::Cow;

use ndarray::Axis;

use crate::batch::element::{Element, ForElement, with_dtype};
use crate::batch::json::Cursor;
use crate::batch::nested::read_nested;
use crate::each_dtype;
use crate::model::signature::Port;
use crate::model::tensor::Tensor;

use crate::serve::call::Call;
use crate::serve::hosted::Hosted;
use crate::serve::problem::{Fault, Faults, Problem, Step};
use crate::serve::records::json::broken;
use crate::serve::records::{self, Ask, Place, Predictions, Shape};
use crate::serve::tensors::Inputs;

use super::wishes;

/// The text of a JSON body, without a byte order mark.
///
/// # Errors
/// [`Problem::Invalid`] for what is not UTF-8.
pub fn text(body: &[u8]) -> Result<&str, Problem> {
    let text = std::str::from_utf8(body)
        .map_err(|_| Problem::invalid("not_utf8", "the body is not UTF-8, which JSON is"))?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// The members of a body that are not a record's.
#[derive(Default)]
struct Members<'b> {
    instances: Option<&'b str>,
    inputs: Option<&'b str>,
}

/// Predicts what `text` asks for.
///
/// # Errors
/// Whatever is wrong with the request.
pub fn predict<'b>(
    hosted: &Hosted,
    call: &mut Call,
    text: &'b str,
    ask: &Ask,
) -> Result<Predictions<'b>, Problem> {
    let mut ask = Cow::Borrowed(ask);
    let mut cursor = Cursor::new(text);
    match cursor.peek() {
        None => Err(Problem::invalid(
            "missing",
            "the body is empty; it should hold JSON",
        )),
        Some(b'{') => match members(hosted, text, &mut ask)? {
            Members {
                instances: Some(_),
                inputs: Some(_),
            } => Err(Problem::invalid(
                "ambiguous",
                "the body has both \"instances\" and \"inputs\"",
            )),
            Members {
                instances: Some(list),
                ..
            } if !list.starts_with('[') => {
                let fault = Fault::of_body("not_a_list", "expected a list of records");
                let fault = fault.below(Step::Key("instances".to_owned())).found(list);
                Err(Problem::Invalid(fault.into()))
            }
            Members {
                instances: Some(list),
                ..
            } => records(hosted, call, list, &ask, &Place::below(&["instances"])),
            Members {
                inputs: Some(inputs),
                ..
            } => by_tensors(hosted, call, inputs, &ask),
            Members { .. } => {
                let place = Place {
                    shape: Shape::One,
                    ..Place::below(&[])
                };
                records(hosted, call, text, &ask, &place)
            }
        },
        Some(b'[') if !is_one_list(hosted, &mut cursor)? => {
            records(hosted, call, text, &ask, &Place::below(&[]))
        }
        _ => {
            let place = Place {
                shape: Shape::One,
                ..Place::below(&[])
            };
            records(hosted, call, text, &ask, &place)
        }
    }
}

/// Whether a list of plain values is one record by position: the model wants several values.
fn is_one_list(hosted: &Hosted, cursor: &mut Cursor<'_>) -> Result<bool, Problem> {
    cursor.enter(b'[').map_err(broken)?;
    if !cursor.next_item().map_err(broken)? || matches!(cursor.peek(), Some(b'[' | b'{')) {
        return Ok(false);
    }
    let expected = hosted.expected()?;
    Ok(expected.columns().len() != 1 || expected.takes_a_list())
}

/// Finds `instances` or `inputs`, unless the model has a column of that name, and the wishes beside
/// them.
fn members<'b>(
    hosted: &Hosted,
    text: &'b str,
    ask: &mut Cow<'_, Ask>,
) -> Result<Members<'b>, Problem> {
    let mut members = Members::default();
    let mut others = Vec::new();
    let mut cursor = Cursor::new(text);
    cursor.enter(b'{').map_err(broken)?;
    while let Some(key) = cursor.next_key().map_err(broken)? {
        let value = match key.as_ref() {
            // Of most bodies the first key tells that they are a record.
            "instances" | "inputs" if !is_column(hosted, &key) => cursor.value().map_err(broken)?,
            key if wishes::NAMES.contains(&key) || members.has_any() || !others.is_empty() => {
                let value = cursor.value().map_err(broken)?;
                others.push((key.to_owned(), value));
                continue;
            }
            _ if is_column(hosted, &key) => return Ok(members),
            _ => {
                let value = cursor.value().map_err(broken)?;
                others.push((key.into_owned(), value));
                continue;
            }
        };
        match key.as_ref() {
            "instances" => members.instances = Some(value),
            _ => members.inputs = Some(value),
        }
    }
    if members.has_any() {
        cursor.end().map_err(broken)?;
        for (key, raw) in others {
            let known = wishes::of_body(ask.to_mut(), &key, raw)?;
            if !known && ask.strict {
                let fault = Fault::of_body("extra_forbidden", "there is no such field here");
                return Err(Problem::Invalid(
                    fault.below(Step::Key(key)).found(raw).into(),
                ));
            }
        }
    }
    Ok(members)
}

impl Members<'_> {
    fn has_any(&self) -> bool {
        self.instances.is_some() || self.inputs.is_some()
    }
}

/// Whether the model has a column of this name.
fn is_column(hosted: &Hosted, key: &str) -> bool {
    hosted
        .expected()
        .is_ok_and(|expected| expected.columns().iter().any(|name| name == key))
}

fn records<'b>(
    hosted: &Hosted,
    call: &mut Call,
    text: &'b str,
    ask: &Ask,
    place: &Place,
) -> Result<Predictions<'b>, Problem> {
    let encoded = records::json::encode(hosted, text, ask, place)?;
    records::score(hosted, call, encoded, ask, place)
}

fn by_tensors<'b>(
    hosted: &Hosted,
    call: &mut Call,
    text: &str,
    ask: &Ask,
) -> Result<Predictions<'b>, Problem> {
    let given = tensors(hosted, text)?;
    let inputs = Inputs::new(hosted, given, &["inputs"])?;
    let (layout, parts) = inputs.predict(call, &ask.wanted)?;
    Ok(Predictions::new(hosted, layout, parts))
}

/// The tensors of `{"inputs": {name: nested lists}}`, or the lists alone of the only input that has to
/// be given; one for each input, where there is one.
///
/// # Errors
/// [`Problem::Invalid`] with every input that the model does not have, or that is no such lists.
pub fn tensors(hosted: &Hosted, text: &str) -> Result<Vec<Option<Tensor>>, Problem> {
    let ports = &hosted.model.signature().inputs;
    let mut given: Vec<Option<Tensor>> = vec![None; ports.len()];
    let mut faults = Faults::default();
    let place = |name: &str| -> Fault {
        let below = Fault::of_body("unknown_input", "the model has no such input");
        below
            .below(Step::Key("inputs".to_owned()))
            .below(Step::Key(name.to_owned()))
    };
    let mut cursor = Cursor::new(text);
    if cursor.peek() != Some(b'{') {
        let value = cursor.value().map_err(broken)?;
        let only = match hosted.required().as_slice() {
            [only] => ports.get(*only).zip(given.get_mut(*only)),
            _ => None,
        };
        let Some((port, tensor)) = only else {
            let message = "expected an object with a tensor for each input";
            return Err(Problem::invalid("not_an_object", message));
        };
        match read_tensor(port, value) {
            Ok(read) => *tensor = Some(read),
            Err(message) => {
                let fault = Fault {
                    code: "wrong_tensor",
                    message,
                    ..place(&port.name)
                };
                return Err(Problem::Invalid(fault.found(value).into()));
            }
        }
        return Ok(given);
    }
    cursor.enter(b'{').map_err(broken)?;
    while let Some(key) = cursor.next_key().map_err(broken)? {
        let value = cursor.value().map_err(broken)?;
        let index = ports.iter().position(|port| port.name == key);
        let Some((port, tensor)) = index.and_then(|at| Some((ports.get(at)?, given.get_mut(at)?)))
        else {
            faults.push(place(&key));
            continue;
        };
        if tensor.is_some() {
            faults.push(Fault {
                code: "double_key",
                message: "the input stands twice".to_owned(),
                ..place(&key)
            });
            continue;
        }
        match read_tensor(port, value) {
            Ok(read) => *tensor = Some(read),
            Err(message) => {
                let fault = Fault {
                    code: "wrong_tensor",
                    message,
                    ..place(&key)
                };
                faults.push(fault.found(value));
            }
        }
    }
    match faults.is_empty() {
        true => Ok(given),
        false => Err(Problem::Invalid(faults)),
    }
}

/// Nested lists as a tensor of the input's dtype, as deep as they are nested. Where each record has one
/// value in a list of its own, `[1, 2]` says the same as `[[1], [2]]`.
///
/// # Errors
/// What is wrong with them, for people.
pub fn read_tensor(port: &Port, raw: &str) -> Result<Tensor, String> {
    let Some((dtype, shape)) = port.tensor() else {
        return Err(format!("the input is no tensor but {}", port.kind));
    };
    let depth = raw
        .bytes()
        .take_while(|byte| *byte == b'[' || byte.is_ascii_whitespace());
    let depth = depth.filter(|byte| *byte == b'[').count();
    let rank = shape.map_or(depth, <[_]>::len);
    let is_column = matches!(shape, Some([_, dim]) if dim.fixed() == Some(1));
    let read = match is_column && is_flat(raw) {
        true => with_dtype(dtype, Read { raw, rank: 1 })
            .map(|flat| each_dtype!(flat, wrap(array) => wrap(array.insert_axis(Axis(1))))),
        false => with_dtype(dtype, Read { raw, rank }),
    };
    read.map_err(|reason| {
        format!("expected lists of {dtype} nested {rank} deep, but it is {reason}")
    })
}

/// Whether a list begins with a plain value.
fn is_flat(raw: &str) -> bool {
    let inside = raw.strip_prefix('[').map(str::trim_start);
    inside.is_some_and(|inside| !inside.starts_with(['[', ']']))
}

struct Read<'r> {
    raw: &'r str,
    rank: usize,
}

impl ForElement for Read<'_> {
    type Output = Result<Tensor, &'static str>;

    fn call<T: Element>(self, wrap: fn(ndarray::ArrayD<T>) -> Tensor) -> Self::Output {
        let rules = crate::batch::cell::CellRules::default();
        let nested = read_nested::<T>(self.raw, self.rank, &rules).map_err(|why| why.words())?;
        let array = ndarray::ArrayD::from_shape_vec(nested.shape, nested.elements);
        array.map(wrap).map_err(|_| "of another shape")
    }
}
