//! The JSON of a request, gone over once: what it names is checked at once, its numbers are left as
//! text. Members that nobody knows are ignored, for clients have some of their own.

use std::borrow::Cow;
use std::time::Duration;

use crate::batch::cell::unescape;
use crate::batch::json::Cursor;
use crate::model::dtype::Dtype;

use crate::serve::hosted::Hosted;
use crate::serve::problem::Problem;

use super::super::datatype;
use super::{broken, fault_at, fault_of};

/// Axes of a tensor at most.
const MOST_AXES: usize = 32;

/// What a request wants besides its inputs.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Request<'b> {
    /// As it was sent, with its quotes.
    pub(super) id: Option<&'b str>,
    /// How long it may take.
    pub(super) timeout: Option<Duration>,
    /// The outputs that are wanted, by their index in [`Hosted::outputs`]; none where all are.
    pub(super) outputs: Vec<Wish>,
    /// Outputs that say nothing of it are wanted in binary.
    pub(super) is_binary: bool,
}

/// An output that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) index: usize,
    pub(super) is_binary: Option<bool>,
    /// The best classes, as text, in its place.
    pub(super) classes: Option<usize>,
}

/// One input as it is given.
#[derive(Debug, PartialEq)]
pub(super) struct Given<'b> {
    /// The model's input.
    pub(super) index: usize,
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    pub(super) source: Source<'b>,
}

/// Where the elements of an input are.
#[derive(Debug, PartialEq)]
pub(super) enum Source<'b> {
    /// A JSON list.
    Json(&'b str),
    /// This many bytes behind the JSON.
    Binary(usize),
}

impl Request<'_> {
    /// That of a body without any JSON.
    pub(super) fn raw() -> Self {
        Request {
            is_binary: true,
            ..Request::default()
        }
    }
}

/// Reads a request.
///
/// # Errors
/// What is no JSON, of another form than the protocol's, or names what the model has not.
pub(super) fn read<'b>(
    hosted: &Hosted,
    text: &'b str,
) -> Result<(Request<'b>, Vec<Given<'b>>), Problem> {
    let mut request = Request::default();
    let mut inputs = None;
    let mut cursor = Cursor::new(text);
    cursor.enter(b'{').map_err(broken)?;
    while let Some(key) = cursor.next_key().map_err(broken)? {
        match key.as_ref() {
            "id" => request.id = id(cursor.value().map_err(broken)?)?,
            "parameters" => parameters_of_request(&mut cursor, &mut request)?,
            "inputs" if inputs.is_some() => {
                return Err(Problem::invalid("double_key", "inputs stands twice"));
            }
            "inputs" => inputs = Some(read_inputs(hosted, &mut cursor)?),
            "outputs" if request.outputs.is_empty() => {
                request.outputs = read_outputs(hosted, &mut cursor)?;
            }
            "outputs" => return Err(Problem::invalid("double_key", "outputs stands twice")),
            _ => {
                cursor.value().map_err(broken)?;
            }
        }
    }
    cursor.end().map_err(broken)?;
    let inputs = inputs.ok_or_else(|| Problem::invalid("missing", "the body has no inputs"))?;
    Ok((request, inputs))
}

/// The request's id; none where it says none.
fn id(raw: &str) -> Result<Option<&str>, Problem> {
    match raw {
        "null" | "\"\"" => Ok(None),
        _ if unescaped(raw).is_some() => Ok(Some(raw)),
        _ => Err(Problem::invalid("not_text", "id should be a string")),
    }
}

/// The text of a JSON string.
fn unescaped(raw: &str) -> Option<Cow<'_, str>> {
    unescape(raw).ok().filter(|_| raw.starts_with('"'))
}

/// Goes over an object of parameters, or `null`.
fn parameters<'b>(
    cursor: &mut Cursor<'b>,
    mut each: impl FnMut(&str, &'b str) -> Result<(), Problem>,
) -> Result<(), Problem> {
    if cursor.peek() == Some(b'n') {
        return cursor.value().map(|_| ()).map_err(broken);
    }
    cursor.enter(b'{').map_err(broken)?;
    while let Some(key) = cursor.next_key().map_err(broken)? {
        let value = cursor.value().map_err(broken)?;
        each(&key, value)?;
    }
    Ok(())
}

fn parameters_of_request<'b>(
    cursor: &mut Cursor<'b>,
    request: &mut Request<'b>,
) -> Result<(), Problem> {
    let wrong = |key: &str, expected: &str| {
        let message = format!("parameters.{key} should be {expected}");
        Problem::invalid("parameter", message)
    };
    parameters(cursor, |key, raw| {
        match key {
            "binary_data_output" => {
                request.is_binary = flag(raw).ok_or_else(|| wrong(key, "true or false"))?;
            }
            "timeout" => {
                let us: u64 = raw
                    .parse()
                    .map_err(|_| wrong(key, "a number of microseconds"))?;
                // 0 is what clients send that have no wish.
                request.timeout = (us > 0).then_some(Duration::from_micros(us));
            }
            // For models that answer in a stream, which ours never do.
            "triton_enable_empty_final_response" => {}
            key if key.starts_with("triton_") => {
                let key: String = key.chars().take(80).collect();
                let message = format!("parameters.{key}: names with triton_ are reserved");
                return Err(Problem::invalid("parameter", message));
            }
            _ => {}
        }
        Ok(())
    })
}

fn flag(raw: &str) -> Option<bool> {
    match raw {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// The members of an input before they are put together.
#[derive(Default)]
struct Members<'b> {
    name: Option<Cow<'b, str>>,
    datatype: Option<Cow<'b, str>>,
    shape: Option<Vec<usize>>,
    data: Option<&'b str>,
    binary: Option<usize>,
}

/// Each input that is given, at most once.
fn read_inputs<'b>(hosted: &Hosted, cursor: &mut Cursor<'b>) -> Result<Vec<Given<'b>>, Problem> {
    let mut given: Vec<Given<'b>> = Vec::new();
    cursor.enter(b'[').map_err(broken)?;
    while cursor.next_item().map_err(broken)? {
        let place = ("inputs", given.len());
        let members = read_members(cursor, place)?;
        let input = put_together(hosted, members, place)?;
        if given.iter().any(|other| other.index == input.index) {
            return Err(fault_at(
                place,
                "name",
                "double_key",
                "the input stands twice",
            ));
        }
        given.push(input);
    }
    Ok(given)
}

fn read_members<'b>(cursor: &mut Cursor<'b>, place: (&str, usize)) -> Result<Members<'b>, Problem> {
    let mut members = Members::default();
    cursor.enter(b'{').map_err(broken)?;
    while let Some(key) = cursor.next_key().map_err(broken)? {
        let text = |raw: &'b str| {
            let wrong = || fault_at(place, &key, "not_text", "expected a string");
            unescaped(raw).map(Some).ok_or_else(wrong)
        };
        match key.as_ref() {
            "name" => members.name = text(cursor.value().map_err(broken)?)?,
            "datatype" => members.datatype = text(cursor.value().map_err(broken)?)?,
            "shape" => members.shape = Some(read_shape(cursor, place)?),
            // KServe's client writes null beside a binary tensor without elements.
            "data" => {
                let raw = cursor.value().map_err(broken)?;
                members.data = (raw != "null").then_some(raw);
            }
            "parameters" => parameters(cursor, |key, raw| match key {
                "binary_data_size" => {
                    let size = raw.parse();
                    members.binary = Some(size.map_err(|_| {
                        fault_at(place, key, "binary_size", "expected a number of bytes")
                    })?);
                    Ok(())
                }
                key => refuse_shared_memory(key, place),
            })?,
            _ => {
                cursor.value().map_err(broken)?;
            }
        }
    }
    Ok(members)
}

fn refuse_shared_memory(key: &str, place: (&str, usize)) -> Result<(), Problem> {
    match key.starts_with("shared_memory_") {
        true => Err(fault_at(
            place,
            key,
            "unsupported",
            "there is no shared memory here",
        )),
        false => Ok(()),
    }
}

fn read_shape(cursor: &mut Cursor<'_>, place: (&str, usize)) -> Result<Vec<usize>, Problem> {
    let wrong = |message: &str| fault_at(place, "shape", "wrong_shape", message);
    let mut shape = Vec::new();
    if cursor.peek() != Some(b'[') {
        return Err(wrong("expected a list of sizes"));
    }
    cursor.enter(b'[').map_err(broken)?;
    while cursor.next_item().map_err(broken)? {
        let raw = cursor.value().map_err(broken)?;
        if shape.len() == MOST_AXES {
            return Err(wrong("it has too many axes"));
        }
        let size = raw.parse();
        shape.push(size.map_err(|_| wrong("expected whole sizes, 0 or more"))?);
    }
    Ok(shape)
}

fn put_together<'b>(
    hosted: &Hosted,
    members: Members<'b>,
    place: (&str, usize),
) -> Result<Given<'b>, Problem> {
    let missing = |key| fault_at(place, key, "missing", "field required");
    let name = members.name.ok_or_else(|| missing("name"))?;
    let datatype = members.datatype.ok_or_else(|| missing("datatype"))?;
    let shape = members.shape.ok_or_else(|| missing("shape"))?;
    let ports = &hosted.model.signature().inputs;
    // Most clients keep the model's order, and some models have thousands of inputs.
    let is_next = ports.get(place.1).is_some_and(|port| port.name == name);
    let index = match is_next {
        true => Some(place.1),
        false => ports.iter().position(|port| port.name == name),
    };
    let Some((index, port)) = index.and_then(|index| Some((index, ports.get(index)?))) else {
        let message = "the model has no such input";
        return Err(fault_at(place, "name", "unknown_input", message));
    };
    let expected = port
        .tensor()
        .map_or("", |(dtype, _)| datatype::name_of(dtype));
    let dtype = datatype::named(&datatype).filter(|_| datatype == expected);
    let dtype = dtype.ok_or_else(|| {
        let found: String = datatype.chars().take(20).collect();
        let message = match expected {
            "" => format!("the input is no tensor but {}", port.kind),
            expected => format!("expected {expected} for input \"{name}\", found \"{found}\""),
        };
        fault_at(place, "datatype", "wrong_type", message)
    })?;
    let source = match (members.data, members.binary) {
        (Some(data), None) => Source::Json(data),
        (None, Some(size)) => Source::Binary(size),
        (None, None) => return Err(missing("data")),
        (Some(_), Some(_)) => {
            let fault = fault_of(
                place.0,
                place.1,
                "ambiguous",
                "it has both data and binary_data_size",
            );
            return Err(Problem::Invalid(fault.into()));
        }
    };
    Ok(Given {
        index,
        dtype,
        shape,
        source,
    })
}

/// Each output that is wanted, at most once.
fn read_outputs(hosted: &Hosted, cursor: &mut Cursor<'_>) -> Result<Vec<Wish>, Problem> {
    let mut wishes: Vec<Wish> = Vec::new();
    if cursor.peek() == Some(b'n') {
        cursor.value().map_err(broken)?;
        return Ok(wishes);
    }
    cursor.enter(b'[').map_err(broken)?;
    while cursor.next_item().map_err(broken)? {
        let place = ("outputs", wishes.len());
        let wish = read_wish(hosted, cursor, place)?;
        if wishes.iter().any(|other| other.index == wish.index) {
            return Err(fault_at(
                place,
                "name",
                "double_key",
                "the output stands twice",
            ));
        }
        wishes.push(wish);
    }
    Ok(wishes)
}

fn read_wish(
    hosted: &Hosted,
    cursor: &mut Cursor<'_>,
    place: (&str, usize),
) -> Result<Wish, Problem> {
    let mut name = None;
    let mut is_binary = None;
    let mut classes = None;
    let wrong = |key: &str, message: &str| fault_at(place, key, "parameter", message);
    cursor.enter(b'{').map_err(broken)?;
    while let Some(key) = cursor.next_key().map_err(broken)? {
        match key.as_ref() {
            "name" => name = unescaped(cursor.value().map_err(broken)?),
            "parameters" => parameters(cursor, |key, raw| {
                match key {
                    "binary_data" => {
                        let flag = flag(raw).ok_or_else(|| wrong(key, "expected true or false"));
                        is_binary = Some(flag?);
                    }
                    "classification" => {
                        let most = raw.parse().ok().filter(|most| *most > 0);
                        let most = most.ok_or_else(|| wrong(key, "expected a number of classes"));
                        classes = Some(most?);
                    }
                    key => refuse_shared_memory(key, place)?,
                }
                Ok(())
            })?,
            _ => {
                cursor.value().map_err(broken)?;
            }
        }
    }
    let name = name.ok_or_else(|| fault_at(place, "name", "missing", "expected a string"))?;
    let mut outputs = hosted.outputs().iter();
    let index = outputs.position(|output| output.name == name);
    let index = index.ok_or_else(|| {
        fault_at(
            place,
            "name",
            "unknown_output",
            "the model has no such output",
        )
    })?;
    Ok(Wish {
        index,
        is_binary,
        classes,
    })
}
