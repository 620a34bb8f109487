//! The JSON bodies of MLflow: a data frame by rows or by records, instances, or tensors.

use std::borrow::Cow;

use crate::batch::cell::{Cell, unescape};
use crate::batch::json::{Broken, Cursor};
use crate::batch::plan::Header;

use crate::serve::b64;
use crate::serve::call::Call;
use crate::serve::hosted::Hosted;
use crate::serve::instances;
use crate::serve::native::wishes;
use crate::serve::problem::{Fault, Problem, Step};
use crate::serve::records::json::broken;
use crate::serve::records::{self, Ask, Place, Predictions, flat, table};

/// How the records of a body are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    Split,
    Records,
    Instances,
    Inputs,
    /// A list that is the body itself, as SageMaker's clients send it.
    List,
}

const KEYS: [(&str, Given); 4] = [
    ("dataframe_split", Given::Split),
    ("dataframe_records", Given::Records),
    ("instances", Given::Instances),
    ("inputs", Given::Inputs),
];

/// The members of a body that mean something.
pub(super) struct Members<'b> {
    given: Given,
    text: Cow<'b, str>,
    params: Option<&'b str>,
}

impl<'b> Members<'b> {
    /// Reads a body; the LLM keys and others mean nothing here.
    ///
    /// # Errors
    /// [`Problem::Invalid`] where not exactly one of [`KEYS`] is there.
    pub(super) fn read(text: &'b str) -> Result<Members<'b>, Problem> {
        let mut cursor = Cursor::new(text);
        if cursor.peek() == Some(b'[') {
            let list = cursor.value().map_err(broken)?;
            cursor.end().map_err(broken)?;
            return Ok(Members {
                given: Given::List,
                text: Cow::Borrowed(list),
                params: None,
            });
        }
        let mut found = Vec::new();
        let mut params = None;
        if cursor.peek().is_none() {
            return Err(Problem::invalid(
                "missing",
                "the body is empty; it should hold JSON",
            ));
        }
        if cursor.peek() != Some(b'{') {
            cursor.value().map_err(broken)?;
            return Err(Problem::invalid("not_an_object", "expected a JSON object"));
        }
        cursor.enter(b'{').map_err(broken)?;
        while let Some(key) = cursor.next_key().map_err(broken)? {
            let value = cursor.value().map_err(broken)?;
            match KEYS.iter().find(|(name, _)| *name == key) {
                Some((name, given)) => found.push((*name, *given, value)),
                None if key == "params" => params = Some(value),
                None => {}
            }
        }
        cursor.end().map_err(broken)?;
        let [(_, given, value)] = found.as_slice() else {
            return Err(not_one(&found));
        };
        let text = match given {
            Given::Instances | Given::Inputs => b64::plain(value)?,
            _ => Cow::Borrowed(*value),
        };
        Ok(Members {
            given: *given,
            text,
            params,
        })
    }
}

fn not_one(found: &[(&str, Given, &str)]) -> Problem {
    let names: Vec<String> = found
        .iter()
        .map(|(name, ..)| format!("\"{name}\""))
        .collect();
    let has = match names.is_empty() {
        true => "none of them".to_owned(),
        false => names.join(" and "),
    };
    let message = format!(
        "the body must have exactly one of \"dataframe_split\", \"dataframe_records\", \
         \"instances\" and \"inputs\"; it has {has}"
    );
    Problem::invalid("input_format", message)
}

/// Predicts what the body holds.
///
/// # Errors
/// Whatever is wrong with it.
pub(super) fn predict<'b>(
    hosted: &Hosted,
    call: &mut Call,
    members: &'b Members<'_>,
    mut ask: Ask,
) -> Result<Predictions<'b>, Problem> {
    if let Some(params) = members.params {
        wishes::of_object(&mut ask, params)?;
    }
    let text = members.text.as_ref();
    match members.given {
        Given::Instances => instances::rows(hosted, call, text, &ask),
        Given::Inputs => instances::columns_by_record(hosted, call, text, &ask),
        Given::List => {
            let place = Place::below(&[]);
            let encoded = records::json::encode(hosted, text, &ask, &place)?;
            records::score(hosted, call, encoded, &ask, &place)
        }
        Given::Split => split(hosted, call, text, &ask),
        Given::Records => {
            // A data frame of records has NaN where one lacks a key.
            ask.absent_is_missing = true;
            by_record(hosted, call, text, &ask)
        }
    }
}

fn place(key: &str) -> Fault {
    Fault::of_body("", "").below(Step::Key(key.to_owned()))
}

fn faulty(fault: Fault, code: &'static str, message: &str) -> Problem {
    let message = message.to_owned();
    let fault = Fault {
        code,
        message,
        ..fault
    };
    Problem::Invalid(fault.into())
}

fn by_record<'b>(
    hosted: &Hosted,
    call: &mut Call,
    text: &'b str,
    ask: &Ask,
) -> Result<Predictions<'b>, Problem> {
    let mut cursor = Cursor::new(text);
    let is_list = cursor.enter(b'[').is_ok();
    let is_empty = is_list && !cursor.next_item().map_err(broken)?;
    if !is_list || !is_empty && cursor.peek() != Some(b'{') {
        let fault = place("dataframe_records").found(text);
        return Err(faulty(fault, "not_a_list", "expected a list of objects"));
    }
    let place = Place::below(&["dataframe_records"]);
    let encoded = records::json::encode(hosted, text, ask, &place)?;
    let absent: Vec<&str> = encoded.planned().absent().collect();
    let absent = nowhere(text, absent).map_err(broken)?;
    table::check_absent(hosted, absent.into_iter(), &place)?;
    records::score(hosted, call, encoded, ask, &place)
}

/// Those of the keys `absent` that no record of a list has.
fn nowhere<'n>(list: &str, mut absent: Vec<&'n str>) -> Result<Vec<&'n str>, Broken> {
    let mut cursor = Cursor::new(list);
    cursor.enter(b'[')?;
    while !absent.is_empty() && cursor.next_item()? {
        if cursor.peek() != Some(b'{') {
            cursor.value()?;
            continue;
        }
        cursor.enter(b'{')?;
        while let Some(key) = cursor.next_key()? {
            cursor.value()?;
            absent.retain(|name| *name != key);
        }
    }
    Ok(absent)
}

/// Predicts the rows of `{"columns": [...], "data": [[...], ...]}`; an index means nothing here.
fn split<'b>(
    hosted: &Hosted,
    call: &mut Call,
    text: &'b str,
    ask: &Ask,
) -> Result<Predictions<'b>, Problem> {
    let frame = || place("dataframe_split");
    let below = |key: &str| frame().below(Step::Key(key.to_owned()));
    let mut cursor = Cursor::new(text);
    if cursor.peek() != Some(b'{') {
        let message = "expected an object with columns and data";
        return Err(faulty(frame().found(text), "not_an_object", message));
    }
    let (mut columns, mut data) = (None, None);
    cursor.enter(b'{').map_err(broken)?;
    while let Some(key) = cursor.next_key().map_err(broken)? {
        let value = cursor.value().map_err(broken)?;
        match key.as_ref() {
            "columns" if value != "null" => columns = Some(value),
            "data" => data = Some(value),
            _ => {}
        }
    }
    let data = data.ok_or_else(|| faulty(below("data"), "missing", "field required"))?;
    let columns = match columns {
        None => flat::columns(hosted)?,
        Some(columns) => names(columns)
            .ok_or_else(|| faulty(below("columns"), "not_a_list", "expected a list of names"))?,
    };
    let mut rows = Cursor::new(data);
    if rows.enter(b'[').is_err() {
        return Err(faulty(
            below("data").found(data),
            "not_a_list",
            "expected a list of rows",
        ));
    }
    let header = Header {
        columns,
        lists: first_lists(rows.clone()).map_err(broken)?,
        open: false,
    };
    let planned = hosted.planned(header, &ask.keep)?;
    let place = Place::below(&["dataframe_split", "data"]);
    let mut row = 0;
    let encoded = table::encode(hosted, &planned, (ask, &place), |cells| {
        if !rows.next_item().map_err(broken)? {
            return Ok(false);
        }
        if rows.peek() != Some(b'[') {
            let fault = below("data").below(Step::Index(row));
            return Err(faulty(fault, "not_a_list", "expected a list of values"));
        }
        row += 1;
        fill(&mut rows, cells).map_err(broken)?;
        Ok(true)
    })?;
    records::score(hosted, call, encoded, ask, &place)
}

/// The items of the list at the cursor as cells.
fn fill<'b>(cursor: &mut Cursor<'b>, cells: &mut Vec<Cell<'b>>) -> Result<(), Broken> {
    cursor.enter(b'[')?;
    while cursor.next_item()? {
        cells.push(Cell::Json(cursor.value()?));
    }
    Ok(())
}

/// For each value of the first row whether it is a list.
fn first_lists(mut rows: Cursor<'_>) -> Result<Vec<bool>, Broken> {
    let mut lists = Vec::new();
    if rows.next_item()? && rows.enter(b'[').is_ok() {
        while rows.next_item()? {
            lists.push(rows.value()?.starts_with('['));
        }
    }
    Ok(lists)
}

/// Names of columns; pandas has numbers where nobody named them.
fn names(list: &str) -> Option<Vec<String>> {
    let mut cursor = Cursor::new(list);
    let mut names = Vec::new();
    cursor.enter(b'[').ok()?;
    while cursor.next_item().ok()? {
        let name = cursor.value().ok()?;
        names.push(match name.as_bytes().first()? {
            b'"' => unescape(name).ok()?.into_owned(),
            b'0'..=b'9' => name.to_owned(),
            _ => return None,
        });
    }
    Some(names)
}
