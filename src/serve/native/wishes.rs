//! What a request wishes of its predictions, in the words of `predict`'s flags: outputs, top,
//! threshold, activation, argmax, classes, keep; in the query or beside the records.

use crate::batch::cell::{Cell, CellRules, read, unescape};
use crate::batch::decide::Activation;
use crate::batch::json::Cursor;
use crate::batch::plan::Keep;

use crate::serve::hosted::Hosted;
use crate::serve::problem::{Fault, Problem, Step};
use crate::serve::query;
use crate::serve::records::Ask;
use crate::serve::records::json::broken;

/// The wishes in a query.
///
/// # Errors
/// [`Problem::Invalid`] for a wish that makes no sense.
pub fn of_query(hosted: &Hosted, query: &str) -> Result<Ask, Problem> {
    let mut ask = Ask::of(hosted);
    if query.is_empty() {
        return Ok(ask);
    }
    for (name, value) in query::pairs(query) {
        let wish = Wish {
            place: "query",
            name: &name,
        };
        let known = wish.set(&mut ask, &value)?;
        if !known && ask.strict {
            return Err(wish.wrong("extra_forbidden", "there is no such parameter", &value));
        }
    }
    Ok(ask)
}

/// Takes a wish that stands in the body beside the records: `raw` is its JSON. Whether it is one.
///
/// # Errors
/// [`Problem::Invalid`] for a wish that makes no sense.
pub fn of_body(ask: &mut Ask, name: &str, raw: &str) -> Result<bool, Problem> {
    let wish = Wish {
        place: "body",
        name,
    };
    let text = match raw.as_bytes().first() {
        Some(b'"') => match unescape(raw) {
            Ok(text) => text.into_owned(),
            Err(_) => return Err(wish.wrong("not_text", "expected text", raw)),
        },
        Some(b'[') => names(raw).unwrap_or_else(|| raw.to_owned()),
        Some(b'n') => return Ok(NAMES.contains(&name)),
        _ => raw.to_owned(),
    };
    wish.set(ask, &text)
}

/// Takes the wishes among the members of the JSON object `raw`, such as other servers' `parameters`; of
/// other members there may be any, for they are meant for other models.
///
/// # Errors
/// [`Problem::Invalid`] for a wish that makes no sense, and for what is neither an object nor null.
pub fn of_object(ask: &mut Ask, raw: &str) -> Result<(), Problem> {
    if raw == "null" {
        return Ok(());
    }
    let mut cursor = Cursor::new(raw);
    cursor.enter(b'{').map_err(broken)?;
    while let Some(key) = cursor.next_key().map_err(broken)? {
        let value = cursor.value().map_err(broken)?;
        if NAMES.contains(&key.as_ref()) {
            of_body(ask, &key, value)?;
        }
    }
    Ok(())
}

/// A list of names as a list flag has it.
fn names(raw: &str) -> Option<String> {
    let mut cursor = Cursor::new(raw);
    let mut names = Vec::new();
    cursor.enter(b'[').ok()?;
    while cursor.next_item().ok()? {
        names.push(unescape(cursor.value().ok()?).ok()?.into_owned());
    }
    Some(names.join(","))
}

/// The wishes that there are.
pub const NAMES: [&str; 7] = [
    "outputs",
    "classes",
    "keep",
    "activation",
    "threshold",
    "top",
    "argmax",
];

/// One wish and where it stands.
struct Wish<'w> {
    place: &'static str,
    name: &'w str,
}

impl Wish<'_> {
    /// Notes the wish in `ask`; whether there is such a wish.
    fn set(&self, ask: &mut Ask, value: &str) -> Result<bool, Problem> {
        let list = || value.split(',').map(str::to_owned).collect::<Vec<_>>();
        let wanted = &mut ask.wanted;
        match self.name {
            "outputs" => wanted.outputs = Some(list()),
            "classes" => wanted.classes = Some(list()),
            "keep" => {
                ask.keep = match value {
                    "none" => Keep::None,
                    "all" => Keep::All,
                    "unused" => Keep::Unused,
                    _ => Keep::List(list()),
                }
            }
            "activation" => {
                wanted.activation = Some(match value {
                    "sigmoid" => Activation::Sigmoid,
                    "softmax" => Activation::Softmax,
                    _ => return Err(self.wrong("wish", "expected sigmoid or softmax", value)),
                });
            }
            "threshold" => {
                let number = read::<f64>(Cell::Text(value.as_bytes()), &CellRules::default());
                match number {
                    Ok(Some(number)) if !number.is_nan() => wanted.threshold = Some(number),
                    _ => return Err(self.wrong("not_a_number", "expected a number", value)),
                }
            }
            "top" => match value.parse::<u32>() {
                Ok(most @ 1..) => wanted.top = Some(most as usize),
                _ => {
                    return Err(self.wrong("not_an_integer", "expected a number from 1 on", value));
                }
            },
            "argmax" => {
                wanted.argmax = match value {
                    "true" | "1" | "" => true,
                    "false" | "0" => false,
                    _ => return Err(self.wrong("not_a_bool", "expected true or false", value)),
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn wrong(&self, code: &'static str, message: &str, found: &str) -> Problem {
        let mut fault = Fault::of_body(code, message).found(found);
        fault.loc = vec![
            Step::Key(self.place.to_owned()),
            Step::Key(self.name.to_owned()),
        ];
        Problem::Invalid(fault.into())
    }
}
