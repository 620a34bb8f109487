//! `--example`: an input that `predict` accepts, with made-up values.
//!
//! The example's columns are put to the same plan that `predict` makes, and the values are written
//! by what that plan says, so that the example cannot promise what `predict` would refuse. Only the
//! model itself may still refuse a made-up value, such as a number out of its range.

use crate::batch::feed::{Feed, How, Kind, batch_axis, kind};
use crate::batch::plan::{Plan, Rules};
use crate::batch::write::{csv_cell, json_string};
use crate::cli::ExampleKind;
use crate::error::{Error, Result};
use crate::model::dtype::Dtype;
use crate::model::onnx::Facts;
use crate::model::signature::{Port, Signature};

use super::json::escaped;
use super::ports::{self, Fed};
use super::shown::drives_terminal;

/// Records of an example file.
const RECORDS: usize = 2;
/// A length where the model leaves it free.
const FREE: usize = 3;
/// An input is spread over at most this many numbered CSV columns; a longer one is a JSON list.
const MOST_NUMBERED: usize = 100;
/// Elements that an example may have in all: more is no example.
const MOST_ELEMENTS: usize = 1_000_000;

/// A ready input.
pub(super) struct Example {
    pub text: String,
    /// Flags that `predict` needs beside it.
    pub flags: Vec<String>,
}

/// A ready input for the model of `facts`.
///
/// # Errors
/// [`Error::Model`] for a model that no file can feed.
pub(super) fn example(facts: &Facts, kind: ExampleKind) -> Result<Example> {
    let signature = &facts.signature;
    let set = given_once(signature);
    let plan = plan(signature, &set, kind)?;
    check_size(&plan)?;
    let record = |record| Record {
        facts,
        plan: &plan,
        record,
    };
    let records = (0..RECORDS).map(record);
    let text = match kind {
        ExampleKind::Csv => records.fold(csv_header(&plan), |text, record| text + &record.csv()),
        ExampleKind::Jsonl => records.map(|record| record.json() + "\n").collect(),
        ExampleKind::Curl => curl("", "http://127.0.0.1:8080/predict", &record(0).json()) + "\n",
    };
    let flags = set
        .iter()
        .map(|(name, json)| format!("--set {}", shell_quoted(&format!("{name}={json}"))))
        .collect();
    Ok(Example { text, flags })
}

/// One record with made-up values, for the columns of `plan`.
///
/// # Errors
/// [`Error::Model`] for a record that is too large to be an example.
pub(crate) fn record(facts: &Facts, plan: &Plan) -> Result<String> {
    check_size(plan)?;
    let record = Record {
        facts,
        plan,
        record: 0,
    };
    Ok(record.json())
}

/// The inputs that must be given by `--set`, with a value.
fn given_once(signature: &Signature) -> Vec<(String, String)> {
    let inputs = signature.inputs.iter().zip(ports::fed(signature));
    let scalars = inputs.filter(|(_, fed)| *fed == Fed::Set);
    scalars
        .filter_map(|(port, _)| Some((port.name.clone(), json_value(port.tensor()?.0, 0, 0))))
        .collect()
}

/// The plan for the example's own columns: as in a hand-written file if that is accepted, else with
/// a list under each input's own name.
fn plan(signature: &Signature, set: &[(String, String)], kind: ExampleKind) -> Result<Plan> {
    let rules = Rules {
        set: set.to_vec(),
        ..Rules::default()
    };
    let fed = ports::fed(signature);
    let columns = |spread: bool| -> Vec<String> {
        let inputs = signature.inputs.iter().zip(&fed);
        inputs
            .flat_map(|(port, fed)| columns_of(port, fed, signature, kind, spread))
            .collect()
    };
    let planned = |spread: bool| Plan::new(signature, columns(spread), &rules, "the example");
    planned(true).or_else(|_| planned(false))
}

/// The columns that feed one input.
fn columns_of(
    port: &Port,
    fed: &Fed<'_>,
    signature: &Signature,
    example: ExampleKind,
    spread: bool,
) -> Vec<String> {
    let is_csv = example == ExampleKind::Csv;
    // Names are found without regard to what is no letter or digit, so CSV, which cannot escape
    // control characters, goes without them.
    let name = |name: &str| {
        if is_csv {
            without_controls(name)
        } else {
            name.to_owned()
        }
    };
    let elements = match kind(port, batch_axis(signature, |_| false)) {
        Kind::PerRecord(dims) => ports::record_elements(&dims),
        Kind::Once(_) => None,
    };
    match (fed, elements) {
        (Fed::Set | Fed::State | Fed::Nothing, _) => Vec::new(),
        (Fed::Features(names), _) if spread => names.iter().map(|feature| name(feature)).collect(),
        (Fed::Position(_) | Fed::ListsOrNumbered(_), Some(elements))
            if spread && is_csv && elements <= MOST_NUMBERED =>
        {
            (0..elements)
                .map(|index| name(&format!("{}_{index}", port.name)))
                .collect()
        }
        _ => vec![name(&port.name)],
    }
}

fn without_controls(name: &str) -> String {
    let is_control = |c| c == '\n' || drives_terminal(c);
    name.chars()
        .map(|c| if is_control(c) { '_' } else { c })
        .collect()
}

fn check_size(plan: &Plan) -> Result<()> {
    let elements = |feed: &Feed| match &feed.how {
        How::Cells { sources, .. } => sources.len(),
        How::List { dims, .. } => dims.iter().fold(1, |product: usize, dim| {
            product.saturating_mul(dim.unwrap_or(FREE))
        }),
        How::Once(_) => 0,
    };
    let total = plan
        .feeds
        .iter()
        .map(elements)
        .fold(0, usize::saturating_add);
    if total <= MOST_ELEMENTS {
        return Ok(());
    }
    Err(Error::model(
        "",
        format!("a record has {total} values, too many for an example"),
    )
    .hint("mlserve inspect MODEL shows the shapes of the inputs"))
}

/// The header of the plan's columns.
pub(crate) fn csv_header(plan: &Plan) -> String {
    csv_line(plan.columns.iter().map(String::as_str))
}

fn csv_line<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    let mut line = Vec::new();
    for (index, cell) in cells.enumerate() {
        if index > 0 {
            line.push(b',');
        }
        csv_cell(&mut line, cell.as_bytes(), b',');
    }
    line.push(b'\n');
    String::from_utf8_lossy(&line).into_owned()
}

/// One record of the example.
pub(crate) struct Record<'p> {
    pub(crate) facts: &'p Facts,
    pub(crate) plan: &'p Plan,
    pub(crate) record: usize,
}

impl Record<'_> {
    /// Its line of CSV.
    pub(crate) fn csv(&self) -> String {
        let cells: Vec<String> = (0..self.plan.columns.len())
            .map(|column| self.cell(column, true))
            .collect();
        csv_line(cells.iter().map(String::as_str))
    }

    /// Its object in JSON.
    pub(crate) fn json(&self) -> String {
        let member = |(column, name): (usize, &String)| {
            format!("{}: {}", json_text(name), self.cell(column, false))
        };
        let members: Vec<String> = self.plan.columns.iter().enumerate().map(member).collect();
        format!("{{{}}}", members.join(", "))
    }

    /// The value of one column, as the input that it feeds wants it.
    fn cell(&self, column: usize, is_csv: bool) -> String {
        let value = |feed: &Feed| match &feed.how {
            How::Cells { sources, .. } => {
                sources
                    .iter()
                    .find(|source| source.column == Some(column))?;
                let made_up = || csv_value(feed.dtype, self.record, column);
                let value = self.category(feed).unwrap_or_else(made_up);
                let is_text = feed.dtype == Dtype::String && !is_csv;
                Some(if is_text { json_text(&value) } else { value })
            }
            How::List { source, dims } => {
                (source.column == Some(column)).then(|| list(feed.dtype, dims, self.record, &mut 0))
            }
            How::Once(_) => None,
        };
        self.plan.feeds.iter().find_map(value).unwrap_or_default()
    }

    /// A category that the model knows, where its encoder says any: a strict one refuses all others.
    fn category(&self, feed: &Feed) -> Option<String> {
        let port = self
            .facts
            .signature
            .inputs
            .iter()
            .find(|port| port.name == feed.input)?;
        let known = ports::categories(self.facts, port)?;
        known
            .get(self.record % known.len())
            .map(|category| (*category).to_owned())
    }
}

/// A nested list of made-up elements, counted by `element`.
pub(crate) fn list(
    dtype: Dtype,
    dims: &[Option<usize>],
    record: usize,
    element: &mut usize,
) -> String {
    let Some((size, below)) = dims.split_first() else {
        *element += 1;
        return json_value(dtype, record, *element - 1);
    };
    let items: Vec<String> = (0..size.unwrap_or(FREE))
        .map(|_| list(dtype, below, record, element))
        .collect();
    format!("[{}]", items.join(", "))
}

/// A made-up value: floats go 0.5, 1.5... from column to column; integers stay small, for they may
/// be the numbers of categories.
fn csv_value(dtype: Dtype, record: usize, position: usize) -> String {
    match dtype {
        Dtype::String => "text".to_owned(),
        Dtype::Bool => record.is_multiple_of(2).to_string(),
        dtype if dtype.is_int() => (record + 1).to_string(),
        _ => format!("{}.5", (position + record) % 10),
    }
}

fn json_value(dtype: Dtype, record: usize, position: usize) -> String {
    match dtype {
        Dtype::String => json_text(&csv_value(dtype, record, position)),
        _ => csv_value(dtype, record, position),
    }
}

fn json_text(text: &str) -> String {
    let mut out = Vec::new();
    json_string(&mut out, text);
    escaped(&String::from_utf8_lossy(&out))
}

/// The command that sends `body` to `url`; `options` are further words for curl, each after a blank.
pub(crate) fn curl(options: &str, url: &str, body: &str) -> String {
    format!(
        "curl -s{options} {} -H 'content-type: application/json' -d {}",
        shell_quoted(url),
        shell_quoted(body)
    )
}

/// `text` as one word of a POSIX shell.
pub(crate) fn shell_quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.=/:".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_get_one_word_whatever_is_in_it() {
        for (text, quoted) in [
            ("sr=1", "sr=1"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's $HOME", "'it'\\''s $HOME'"),
            ("a;b", "'a;b'"),
        ] {
            assert_eq!(shell_quoted(text), quoted);
        }
    }

    #[test]
    fn lists_are_nested_as_deep_as_the_input() {
        assert_eq!(
            list(Dtype::Float32, &[Some(2), Some(2)], 0, &mut 0),
            "[[0.5, 1.5], [2.5, 3.5]]"
        );
        assert_eq!(list(Dtype::Int64, &[None], 1, &mut 0), "[2, 2, 2]");
        assert_eq!(list(Dtype::String, &[Some(0)], 0, &mut 0), "[]");
    }

    #[test]
    fn csv_headers_hold_nothing_that_drives_a_terminal() {
        assert_eq!(without_controls("a\u{1b}[2J\nb\u{202e}\\"), "a_[2J_b_\\");
    }
}
