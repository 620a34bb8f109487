//! One JSON object: taken apart into the plan's columns, its values left as source text.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::batch::cell::Cell;
use crate::batch::spelling::Spelling;

use crate::predict::text::rows::Broken;

/// From keys to the plan's columns.
pub struct Lookup<'a> {
    columns: &'a [String],
    indices: HashMap<&'a str, usize>,
}

impl<'a> Lookup<'a> {
    /// Looks up the keys of objects among `columns`.
    pub fn new(columns: &'a [String]) -> Self {
        let indices = columns
            .iter()
            .enumerate()
            .map(|(index, name)| (name.as_str(), index));
        Lookup {
            columns,
            indices: indices.collect(),
        }
    }

    /// The column of `key`; `guess` is the one after the last key's, which it mostly is.
    fn find(&self, key: &str, guess: usize) -> Option<usize> {
        match self.columns.get(guess) {
            Some(name) if name == key => Some(guess),
            _ => self.indices.get(key).copied(),
        }
    }
}

/// One JSON object, its values as source text.
pub struct Object<'a> {
    /// One for each of the plan's columns.
    pub cells: Vec<Cell<'a>>,
    /// The plan's columns in the object's own order.
    pub order: Vec<usize>,
    /// Keys that are no columns of the plan.
    pub others: Vec<(Cow<'a, str>, &'a str)>,
}

impl<'a> Object<'a> {
    /// Parses one line.
    ///
    /// # Errors
    /// What is no JSON object, or has a key twice.
    pub fn parse(line: &'a [u8], lookup: &Lookup<'_>) -> std::result::Result<Object<'a>, Broken> {
        let text = std::str::from_utf8(line).map_err(|_| Broken {
            code: "not_utf8",
            message: "not UTF-8".to_owned(),
            hint: "JSON is UTF-8: iconv -f LATIN1 -t UTF-8 converts the file",
        })?;
        let mut parser = serde_json::Deserializer::from_str(text);
        let read = Members(lookup)
            .read(&mut parser)
            .and_then(|object| parser.end().map(|()| object));
        read.map_err(|error| broken(&error))
    }

    /// How `line`, which the object was parsed from, spells it; `None` where it has keys of its own.
    pub fn spelling(&self, line: &[u8]) -> Option<Spelling> {
        if !self.others.is_empty() {
            return None;
        }
        let mut before = Vec::with_capacity(self.order.len());
        let mut at = 0;
        for column in &self.order {
            let Some(Cell::Json(value)) = self.cells.get(*column) else {
                return None;
            };
            // The value is a part of the line.
            let start = (value.as_ptr() as usize).checked_sub(line.as_ptr() as usize)?;
            before.push(line.get(at..start)?.to_vec());
            at = start + value.len();
        }
        let after = line.get(at..)?.trim_ascii_end().to_vec();
        Some(Spelling::Members {
            before,
            after,
            ends_line: true,
        })
    }
}

/// What serde_json says about a line, without its "at line 1", which would be a line of the record.
fn broken(error: &serde_json::Error) -> Broken {
    let text = error.to_string();
    let message = text.split(" at line ").next().unwrap_or(&text);
    let (code, message, hint) = match error.classify() {
        Category::Data if message.ends_with(TWICE) => {
            ("double_key", message.to_owned(), "a key names one value")
        }
        Category::Data => ("not_an_object", wrong_type(message), ONE_OBJECT),
        Category::Eof => (
            "not_json",
            "the JSON object ends in the middle of the line".to_owned(),
            ONE_OBJECT,
        ),
        Category::Syntax | Category::Io => (
            "not_json",
            format!("not valid JSON at character {}: {message}", error.column()),
            "every line must be one JSON object",
        ),
    };
    Broken {
        code,
        message,
        hint,
    }
}

/// `expected a JSON object, found a list`, from serde's "invalid type: sequence, expected ...".
fn wrong_type(message: &str) -> String {
    let found = message
        .strip_prefix("invalid type: ")
        .and_then(|rest| rest.split(", expected").next());
    match found {
        Some("sequence") => "expected a JSON object, found a list".to_owned(),
        Some(found) => format!("expected a JSON object, found {found}"),
        None => message.to_owned(),
    }
}

/// For arrays and for objects over several lines.
const ONE_OBJECT: &str =
    "every line must be one JSON object; jq -c . and jq -c '.[]' make such lines";

/// The end of the message about a double key.
const TWICE: &str = "stands twice in one object";

struct Members<'l>(&'l Lookup<'l>);

impl Members<'_> {
    fn read<'de, D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> std::result::Result<Object<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(
        self,
        mut map: A,
    ) -> std::result::Result<Object<'de>, A::Error> {
        let columns = self.0.columns.len();
        let mut object = Object {
            cells: vec![Cell::Absent; columns],
            order: Vec::with_capacity(columns),
            others: Vec::new(),
        };
        let mut guess = 0;
        while let Some(Key(key)) = map.next_key()? {
            let raw: &RawValue = map.next_value()?;
            let twice = || A::Error::custom(format!("key \"{key}\" {TWICE}"));
            match self.0.find(&key, guess) {
                Some(index) => {
                    guess = index + 1;
                    let Some(cell) = object.cells.get_mut(index) else {
                        continue;
                    };
                    if std::mem::replace(cell, Cell::Json(raw.get())) != Cell::Absent {
                        return Err(twice());
                    }
                    object.order.push(index);
                }
                None => object.others.push((key, raw.get())),
            }
        }
        match first_double(&object.others) {
            Some(key) => Err(A::Error::custom(format!("key \"{key}\" {TWICE}"))),
            None => Ok(object),
        }
    }
}

/// A key that stands twice. Sorted, because objects of 100,000 unused keys are sent to servers.
fn first_double<'a>(members: &[(Cow<'a, str>, &str)]) -> Option<Cow<'a, str>> {
    let mut keys: Vec<&Cow<'a, str>> = members.iter().map(|(key, _)| key).collect();
    keys.sort_unstable();
    let neighbours = keys.iter().zip(keys.iter().skip(1));
    let mut doubles = neighbours.filter(|(a, b)| a == b);
    doubles.next().map(|(key, _)| Cow::clone(key))
}

/// A key, borrowed where it has no escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de> serde::Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> std::result::Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> std::result::Result<Self::Value, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}
