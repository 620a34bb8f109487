//! Rows and columns: the two formats of a request that TensorFlow Serving, KServe v1, Vertex AI and
//! MLflow share.
//!
//! ```text
//! "instances": [..]              the model's tensors without their first axis | records by feature
//! "inputs": tensor | {name: ..}  the model's tensors                          | columns by feature
//! ```
//!
//! Knows no answer's shape: each dialect has its own.

use crate::batch::cell::Cell;
use crate::batch::columns::Wanted;
use crate::batch::json::Cursor;
use crate::batch::plan::Header;
use crate::model::signature::Port;
use crate::model::tensor::{Tensor, Value};

use super::call::Call;
use super::hosted::Hosted;
use super::native::decode::{read_tensor, tensors};
use super::problem::{Fault, Faults, Problem, Step};
use super::records::json::broken;
use super::records::{self, Ask, Place, Predictions, table};
use super::tensors::Inputs;

/// What a model said to columns.
pub enum Said<'b> {
    /// Its outputs as they are, in the signature's order.
    Values(Vec<Value>),
    Predictions(Predictions<'b>),
}

/// Predicts the instances of `list`, which is JSON.
///
/// # Errors
/// Whatever is wrong with them; an empty list too.
pub fn rows<'b>(
    hosted: &Hosted,
    call: &mut Call,
    list: &'b str,
    ask: &Ask,
) -> Result<Predictions<'b>, Problem> {
    let mut cursor = Cursor::new(list);
    if cursor.peek() != Some(b'[') {
        let fault = place().found(list);
        return Err(faulty(fault, "not_a_list", "expected a list of instances"));
    }
    cursor.enter(b'[').map_err(broken)?;
    if !cursor.next_item().map_err(broken)? {
        return Err(faulty(place(), "empty", "expected at least one instance"));
    }
    let required = hosted.required();
    let is_object = cursor.peek() == Some(b'{');
    let given = match required.as_slice() {
        _ if is_object => {
            let first = cursor.value().map_err(broken)?;
            match is_tensors(hosted, &required, first).map_err(broken)? {
                true => Some(stacked(hosted, &required, list)?),
                false => None,
            }
        }
        [only] => Some(alone(hosted, *only, list)?),
        _ => None,
    };
    match given {
        Some(given) => {
            let inputs = Inputs::new(hosted, given, &["instances"])?;
            let (layout, parts) = inputs.predict(call, &ask.wanted)?;
            Ok(Predictions::new(hosted, layout, parts))
        }
        None => {
            let place = Place::below(&["instances"]);
            let encoded = records::json::encode(hosted, list, ask, &place)?;
            records::score(hosted, call, encoded, ask, &place)
        }
    }
}

/// Predicts columns, which are JSON; the outputs as they are, unless something is wanted of them or
/// the columns are features.
///
/// # Errors
/// Whatever is wrong with them.
pub fn columns<'b>(
    hosted: &Hosted,
    call: &mut Call,
    text: &'b str,
    ask: &Ask,
) -> Result<Said<'b>, Problem> {
    if is_features(hosted, text).map_err(broken)? {
        return by_feature(hosted, call, text, ask).map(Said::Predictions);
    }
    let inputs = Inputs::new(hosted, tensors(hosted, text)?, &["inputs"])?;
    let plain = Wanted {
        outputs: ask.wanted.outputs.clone(),
        ..Wanted::default()
    };
    if ask.wanted == plain {
        return inputs.run(call).map(Said::Values);
    }
    let (layout, parts) = inputs.predict(call, &ask.wanted)?;
    Ok(Said::Predictions(Predictions::new(hosted, layout, parts)))
}

/// As [`columns`], but always a prediction for each record.
///
/// # Errors
/// As [`columns`].
pub fn columns_by_record<'b>(
    hosted: &Hosted,
    call: &mut Call,
    text: &'b str,
    ask: &Ask,
) -> Result<Predictions<'b>, Problem> {
    if is_features(hosted, text).map_err(broken)? {
        return by_feature(hosted, call, text, ask);
    }
    let inputs = Inputs::new(hosted, tensors(hosted, text)?, &["inputs"])?;
    let (layout, parts) = inputs.predict(call, &ask.wanted)?;
    Ok(Predictions::new(hosted, layout, parts))
}

/// Where the instances stand.
fn place() -> Fault {
    Fault::of_body("", "").below(Step::Key("instances".to_owned()))
}

fn faulty(fault: Fault, code: &'static str, message: &str) -> Problem {
    let message = message.to_owned();
    Problem::Invalid(
        Fault {
            code,
            message,
            ..fault
        }
        .into(),
    )
}

type Walked<T> = Result<T, crate::batch::json::Broken>;

/// Whether an instance has tensors by the names of inputs. One with plain values alone is a record,
/// for which more is known about what may be wrong.
fn is_tensors(hosted: &Hosted, required: &[usize], object: &str) -> Walked<bool> {
    let ports = &hosted.model.signature().inputs;
    let mut has_list = hosted.expected().is_err();
    let mut cursor = Cursor::new(object);
    cursor.enter(b'{')?;
    while let Some(key) = cursor.next_key()? {
        let value = cursor.value()?;
        let mut inputs = required.iter().filter_map(|index| ports.get(*index));
        if !inputs.any(|port| port.name == key) {
            return Ok(false);
        }
        has_list |= value.starts_with('[');
    }
    Ok(has_list)
}

/// The only input that has to be given, all of which the list is.
fn alone(hosted: &Hosted, only: usize, list: &str) -> Result<Vec<Option<Tensor>>, Problem> {
    let ports = &hosted.model.signature().inputs;
    let mut given: Vec<Option<Tensor>> = vec![None; ports.len()];
    if let (Some(port), Some(slot)) = (ports.get(only), given.get_mut(only)) {
        let read = read_tensor(port, list);
        *slot = Some(read.map_err(|why| {
            guilty(port, list, &why, |index| match index {
                Some(index) => place().below(Step::Index(index)),
                None => place(),
            })
        })?);
    }
    Ok(given)
}

/// Which items of a list keep it from being a tensor, or what is wrong with it as a whole.
fn guilty(port: &Port, list: &str, why: &str, place: impl Fn(Option<usize>) -> Fault) -> Problem {
    let mut faults = Faults::default();
    let mut shape: Option<Vec<usize>> = None;
    let mut cursor = Cursor::new(list);
    let mut index = 0;
    let mut is_walked = cursor.enter(b'[').is_ok();
    while is_walked && cursor.next_item().unwrap_or(false) {
        let Ok(item) = cursor.value() else {
            is_walked = false;
            continue;
        };
        let message = match read_tensor(port, &format!("[{item}]")) {
            Err(why) => why,
            Ok(tensor)
                if shape.get_or_insert_with(|| tensor.shape().to_vec()) == tensor.shape() =>
            {
                index += 1;
                continue;
            }
            Ok(_) => "it has another shape than the first".to_owned(),
        };
        let fault = Fault {
            code: "wrong_tensor",
            message,
            ..place(Some(index))
        };
        faults.push(fault.found(item));
        index += 1;
    }
    match faults.is_empty() {
        true => faulty(place(None), "wrong_tensor", why),
        false => Problem::Invalid(faults),
    }
}

/// Instances that are objects with a tensor for each input: for each input a list of what they have
/// for it, as text, which is then read as one tensor.
fn stacked(
    hosted: &Hosted,
    required: &[usize],
    list: &str,
) -> Result<Vec<Option<Tensor>>, Problem> {
    let ports = &hosted.model.signature().inputs;
    let mut stack = Stack {
        ports,
        required,
        texts: vec![String::from("["); ports.len()],
        faults: Faults::default(),
        index: 0,
    };
    let mut cursor = Cursor::new(list);
    cursor.enter(b'[').map_err(broken)?;
    while cursor.next_item().map_err(broken)? {
        stack.push(&mut cursor).map_err(broken)?;
    }
    if !stack.faults.is_empty() {
        return Err(Problem::Invalid(stack.faults));
    }
    let mut given = vec![None; ports.len()];
    for index in required {
        let (Some(port), Some(text)) = (ports.get(*index), stack.texts.get_mut(*index)) else {
            continue;
        };
        text.push(']');
        let read = read_tensor(port, text).map_err(|why| {
            let below = |index| match index {
                Some(index) => place()
                    .below(Step::Index(index))
                    .below(Step::Key(port.name.clone())),
                None => place().below(Step::Key(port.name.clone())),
            };
            guilty(port, text, &why, below)
        })?;
        if let Some(slot) = given.get_mut(*index) {
            *slot = Some(read);
        }
    }
    Ok(given)
}

/// Instances on their way into one list for each input.
struct Stack<'s> {
    ports: &'s [Port],
    required: &'s [usize],
    texts: Vec<String>,
    faults: Faults,
    /// The number of the next instance.
    index: usize,
}

impl Stack<'_> {
    /// Adds the instance at the cursor.
    fn push(&mut self, cursor: &mut Cursor<'_>) -> Walked<()> {
        let index = self.index;
        let place = || place().below(Step::Index(index));
        self.index += 1;
        if cursor.peek() != Some(b'{') {
            let found = cursor.value()?;
            let message = "expected an object, as the first instance is one".to_owned();
            self.faults.push(
                Fault {
                    code: "not_an_object",
                    message,
                    ..place()
                }
                .found(found),
            );
            return Ok(());
        }
        let mut seen = vec![false; self.ports.len()];
        let mut wrong = |key: &str, code, message: &str| {
            let message = message.to_owned();
            let fault = Fault {
                code,
                message,
                ..place()
            };
            self.faults.push(fault.below(Step::Key(key.to_owned())));
        };
        cursor.enter(b'{')?;
        while let Some(key) = cursor.next_key()? {
            let value = cursor.value()?;
            let input = self.ports.iter().position(|port| port.name == key);
            let input = input.filter(|input| self.required.contains(input));
            let slots = input.and_then(|at| seen.get_mut(at).zip(self.texts.get_mut(at)));
            match slots {
                None => wrong(&key, "extra_forbidden", "the model has no such input"),
                Some((true, _)) => wrong(&key, "double_key", "the input stands twice"),
                Some((seen, text)) => {
                    *seen = true;
                    if text.len() > 1 {
                        text.push(',');
                    }
                    text.push_str(value);
                }
            }
        }
        for input in self.required {
            if let (Some(port), Some(false)) = (self.ports.get(*input), seen.get(*input)) {
                wrong(&port.name, "missing", "input required");
            }
        }
        Ok(())
    }
}

/// Whether columns are the features of the model's matrix and not its inputs.
fn is_features(hosted: &Hosted, text: &str) -> Walked<bool> {
    let signature = hosted.model.signature();
    let has_names = signature.features.is_some() || hosted.hosting.rules.features.is_some();
    let mut cursor = Cursor::new(text);
    if !has_names || cursor.peek() != Some(b'{') {
        return Ok(false);
    }
    cursor.enter(b'{')?;
    let mut is_features = false;
    while let Some(key) = cursor.next_key()? {
        cursor.value()?;
        if signature.inputs.iter().any(|port| port.name == key) {
            return Ok(false);
        }
        is_features = true;
    }
    Ok(is_features)
}

/// Predicts the records whose columns are lists by name.
fn by_feature<'b>(
    hosted: &Hosted,
    call: &mut Call,
    text: &'b str,
    ask: &Ask,
) -> Result<Predictions<'b>, Problem> {
    let place = Place::below(&["inputs"]);
    let mut header = Header::default();
    let mut columns: Vec<Vec<&'b str>> = Vec::new();
    let mut cursor = Cursor::new(text);
    cursor.enter(b'{').map_err(broken)?;
    while let Some(key) = cursor.next_key().map_err(broken)? {
        let wrong = |message: &str| {
            let below = Fault::of_body("", "").below(Step::Key("inputs".to_owned()));
            faulty(
                below.below(Step::Key(key.to_string())),
                "wrong_shape",
                message,
            )
        };
        let value = cursor.value().map_err(broken)?;
        if !value.starts_with('[') {
            return Err(wrong("expected a list with a value for each record"));
        }
        let items = items(value).map_err(broken)?;
        if columns
            .first()
            .is_some_and(|first| first.len() != items.len())
        {
            return Err(wrong("it has not as many values as the first column"));
        }
        let is_list = items.first().is_some_and(|item| item.starts_with('['));
        header.lists.push(is_list);
        header.columns.push(key.into_owned());
        columns.push(items);
    }
    let planned = hosted.planned(header, &ask.keep)?;
    let records = columns.first().map_or(0, Vec::len);
    let mut rows = 0..records;
    let encoded = table::encode(hosted, &planned, (ask, &place), |cells| {
        let Some(row) = rows.next() else {
            return Ok(false);
        };
        let row = columns.iter().filter_map(|column| column.get(row));
        cells.extend(row.map(|item| Cell::Json(item)));
        Ok(true)
    })?;
    records::score(hosted, call, encoded, ask, &place)
}

/// The source texts of a list's items.
fn items(list: &str) -> Walked<Vec<&str>> {
    let mut cursor = Cursor::new(list);
    let mut items = Vec::new();
    cursor.enter(b'[')?;
    while cursor.next_item()? {
        items.push(cursor.value()?);
    }
    Ok(items)
}
