//! From the model's tensors to an answer: JSON, and behind it the tensors that are wanted in binary.

use std::borrow::Cow;

use crate::batch::write::{NonFinite, json_flat, json_string};
use crate::model::tensor::Tensor;

use crate::serve::bound;
use crate::serve::hosted::Hosted;
use crate::serve::message::Reply;
use crate::serve::problem::Problem;

use super::super::datatype;
use super::request::{Request, Wish};
use super::{HEADER_LENGTH, binary, classes, fault_at};

/// Bytes of an answer besides its elements, to begin with.
const BYTES_OF_OUTPUT: usize = 96;

/// One output of an answer.
struct Shown<'t> {
    name: &'t str,
    tensor: Cow<'t, Tensor>,
    is_binary: bool,
}

/// The answer to `request`. It has the field [`HEADER_LENGTH`] where something stands behind the JSON.
///
/// # Errors
/// Outputs that cannot be shown as they are wanted.
pub(super) fn reply<'s>(
    hosted: &Hosted,
    request: &Request<'_>,
    tensors: &[(Cow<'_, str>, Tensor)],
    nan: NonFinite,
) -> Result<Reply<'s>, Problem> {
    let shown = choose(hosted, request, tensors)?;
    let most = hosted.hosting.reply_bytes;
    let mut out = Vec::with_capacity(room(&shown).min(most));
    json(&mut out, hosted, request, &shown, nan);
    let length = out.len();
    for output in shown.iter().filter(|output| output.is_binary) {
        let size = binary::size_of_tensor(&output.tensor);
        bound::check(out.len().saturating_add(size), most)?;
        binary::write(&mut out, &output.tensor);
    }
    let out = bound::within(out, most)?;
    Ok(match out.len() == length {
        true => Reply::json(200, out),
        false => {
            Reply::new(200, "application/octet-stream", out).with(HEADER_LENGTH, length.to_string())
        }
    })
}

/// The outputs that are wanted, in the order in which they are.
fn choose<'t>(
    hosted: &Hosted,
    request: &Request<'_>,
    tensors: &'t [(Cow<'_, str>, Tensor)],
) -> Result<Vec<Shown<'t>>, Problem> {
    if request.outputs.is_empty() {
        let all = tensors.iter().map(|(name, tensor)| Shown {
            name,
            tensor: Cow::Borrowed(tensor),
            is_binary: request.is_binary,
        });
        return Ok(all.collect());
    }
    let wishes = request.outputs.iter().enumerate();
    wishes
        .map(|(place, wish)| {
            let wrong =
                |message: String| fault_at(("outputs", place), "classification", "wish", message);
            show(hosted, *wish, tensors)
                .map_err(wrong)
                .map(|(name, tensor)| Shown {
                    name,
                    tensor,
                    is_binary: wish.is_binary.unwrap_or(request.is_binary),
                })
        })
        .collect()
}

fn show<'t>(
    hosted: &Hosted,
    wish: Wish,
    tensors: &'t [(Cow<'_, str>, Tensor)],
) -> Result<(&'t str, Cow<'t, Tensor>), String> {
    let gone = || "the output is not there for these inputs".to_owned();
    let output = hosted.outputs().get(wish.index).ok_or_else(gone)?;
    let mut named = tensors.iter();
    let (name, tensor) = named
        .find(|(name, _)| *name == output.name)
        .ok_or_else(gone)?;
    let tensor = match wish.classes {
        Some(most) => Cow::Owned(classes::best(tensor, output, most)?),
        None => Cow::Borrowed(tensor),
    };
    Ok((name, tensor))
}

/// About as many bytes as the answer will have.
fn room(shown: &[Shown<'_>]) -> usize {
    let of_output = |output: &Shown<'_>| {
        let bytes = match output.is_binary {
            true => binary::size_of_tensor(&output.tensor),
            false => output
                .tensor
                .shape()
                .iter()
                .product::<usize>()
                .saturating_mul(12),
        };
        BYTES_OF_OUTPUT.saturating_add(bytes)
    };
    shown
        .iter()
        .map(of_output)
        .fold(BYTES_OF_OUTPUT, usize::saturating_add)
}

fn json(
    out: &mut Vec<u8>,
    hosted: &Hosted,
    request: &Request<'_>,
    shown: &[Shown<'_>],
    nan: NonFinite,
) {
    out.push(b'{');
    if let Some(id) = request.id {
        out.extend_from_slice(b"\"id\":");
        out.extend_from_slice(id.as_bytes());
        out.push(b',');
    }
    out.extend_from_slice(b"\"model_name\":");
    json_string(out, &hosted.name);
    out.extend_from_slice(b",\"model_version\":");
    json_string(out, &hosted.version);
    out.extend_from_slice(b",\"outputs\":[");
    for (index, output) in shown.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        json_output(out, output, nan, hosted.hosting.reply_bytes);
    }
    out.extend_from_slice(b"]}");
}

fn json_output(out: &mut Vec<u8>, output: &Shown<'_>, nan: NonFinite, most: usize) {
    let mut digits = itoa::Buffer::new();
    out.extend_from_slice(b"{\"name\":");
    json_string(out, output.name);
    out.extend_from_slice(b",\"datatype\":\"");
    out.extend_from_slice(datatype::name_of(output.tensor.dtype()).as_bytes());
    out.extend_from_slice(b"\",\"shape\":[");
    for (axis, size) in output.tensor.shape().iter().enumerate() {
        if axis > 0 {
            out.push(b',');
        }
        out.extend_from_slice(digits.format(*size).as_bytes());
    }
    match output.is_binary {
        true => {
            let size = binary::size_of_tensor(&output.tensor);
            out.extend_from_slice(b"],\"parameters\":{\"binary_data_size\":");
            out.extend_from_slice(digits.format(size).as_bytes());
            out.extend_from_slice(b"}}");
        }
        false => {
            out.extend_from_slice(b"],\"data\":");
            json_flat(out, &output.tensor, nan, most);
            out.push(b'}');
        }
    }
}
