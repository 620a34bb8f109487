//! Records as the members of JSON objects: as their clients wrote them, or as the tensors that they came
//! in.

use crate::batch::cell::{Cell, CellRules};
use crate::batch::encode::Group;
use crate::batch::feed::{How, elements};
use crate::batch::json::Cursor;
use crate::batch::plan::Plan;
use crate::batch::write::{NonFinite, json_element, json_record, json_string};
use crate::model::dtype::Dtype;
use crate::model::tensor::Tensor;

use super::{KEY, LONGEST_LINE, Recorder};

/// Elements of a record at most: images and the like are not written out.
const MOST_ELEMENTS: usize = 4096;

/// Records, each the members of an object without its braces.
#[derive(Debug, Default)]
pub struct Rows {
    text: Vec<u8>,
    /// Where each ends; `None` for one that is too long.
    ends: Vec<Option<usize>>,
}

impl Rows {
    /// The members of each record.
    pub fn each(&self) -> impl Iterator<Item = Option<&[u8]>> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let row = self.text.get(start..(*end)?);
            start = (*end)?;
            row
        })
    }

    /// Adds a record that `plan` reads, given one cell for each of its columns.
    pub fn push(&mut self, plan: &Plan, cells: &[Cell<'_>], recorder: &Recorder) {
        let start = self.text.len();
        for (name, cell) in plan.columns.iter().zip(cells) {
            if *cell == Cell::Absent || name == KEY {
                continue;
            }
            self.name(start, name);
            match cell {
                _ if recorder.is_redacted(name) => self.text.extend_from_slice(b"null"),
                Cell::Json(raw) => raw_json(&mut self.text, raw),
                Cell::Text(text) => {
                    csv_text(&mut self.text, text, plan.dtype_of(name), &plan.cells);
                }
                Cell::Absent => {}
            }
        }
        self.end(start);
    }

    /// The records of tensors, by the names of the columns that `plan` feeds them from.
    pub(super) fn of_groups(plan: &Plan, groups: &[Group], recorder: &Recorder) -> Rows {
        let mut rows = Rows::default();
        for group in groups {
            let width = |tensor: &Tensor| elements(tensor.shape().get(1..).unwrap_or_default());
            let fed = plan.feeds.iter().zip(&group.inputs);
            let fed = fed.filter(|(feed, _)| !matches!(feed.how, How::Once(_)));
            let is_short = fed.map(|(_, tensor)| width(tensor)).sum::<usize>() <= MOST_ELEMENTS;
            for record in 0..group.records {
                match is_short {
                    true => rows.push_tensors(plan, group, record, recorder),
                    false => rows.ends.push(None),
                }
            }
        }
        rows
    }

    fn push_tensors(&mut self, plan: &Plan, group: &Group, record: usize, recorder: &Recorder) {
        let start = self.text.len();
        for (feed, tensor) in plan.feeds.iter().zip(&group.inputs) {
            match &feed.how {
                How::Once(_) => {}
                How::Cells { sources, .. } => {
                    for (at, source) in sources.iter().enumerate() {
                        self.name(start, &source.name);
                        let index = record * sources.len() + at;
                        match recorder.is_redacted(&source.name) {
                            true => self.text.extend_from_slice(b"null"),
                            false => {
                                json_element(&mut self.text, tensor, index, NonFinite::Token);
                            }
                        }
                    }
                }
                How::List { source, .. } => {
                    self.name(start, &source.name);
                    match recorder.is_redacted(&source.name) {
                        true => self.text.extend_from_slice(b"null"),
                        false => json_record(&mut self.text, tensor, record, NonFinite::Token),
                    }
                }
            }
        }
        self.end(start);
    }

    fn name(&mut self, start: usize, name: &str) {
        if self.text.len() > start {
            self.text.push(b',');
        }
        json_string(&mut self.text, name);
        self.text.push(b':');
    }

    fn end(&mut self, start: usize) {
        if self.text.len() - start > LONGEST_LINE {
            self.text.truncate(start);
            self.ends.push(None);
        } else {
            self.ends.push(Some(self.text.len()));
        }
    }
}

/// JSON on one line: line ends are blanks in it, for a string holds none.
fn raw_json(out: &mut Vec<u8>, raw: &str) {
    let on_one_line = raw.bytes().map(|byte| match byte {
        b'\n' | b'\r' => b' ',
        byte => byte,
    });
    out.extend(on_one_line);
}

/// A cell of CSV as JSON that reads as the cell does: what feeds a number is one, all else is text.
fn csv_text(out: &mut Vec<u8>, text: &[u8], dtype: Option<Dtype>, rules: &CellRules) {
    let lossy = String::from_utf8_lossy(text);
    let plain = match dtype {
        None | Some(Dtype::String) => return json_string(out, &lossy),
        Some(_) => lossy.trim_ascii(),
    };
    let is_missing = rules.missing.iter().any(|missing| missing == plain);
    if plain.is_empty() || is_missing {
        out.extend_from_slice(b"null");
        return;
    }
    let digits = plain.strip_prefix('+').unwrap_or(plain);
    let lower = digits.to_ascii_lowercase();
    if matches!(lower.as_str(), "true" | "false") {
        out.extend_from_slice(lower.as_bytes());
    } else if is_number(digits) {
        out.extend_from_slice(digits.as_bytes());
    } else {
        // `.5`, `007`, `inf`: numbers that JSON writes otherwise.
        match lower.parse::<f64>() {
            Ok(number) if number.is_nan() => out.extend_from_slice(b"NaN"),
            Ok(number) if number.is_infinite() && number < 0.0 => {
                out.extend_from_slice(b"-Infinity");
            }
            Ok(number) if number.is_infinite() => out.extend_from_slice(b"Infinity"),
            Ok(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Err(_) => json_string(out, &lossy),
        }
    }
}

/// Whether JSON writes a number so.
fn is_number(text: &str) -> bool {
    let mut cursor = Cursor::new(text);
    let starts = text.starts_with(|c: char| c.is_ascii_digit() || c == '-');
    let is_digit = |c: char| c.is_ascii_digit();
    starts && text.ends_with(is_digit) && cursor.value().is_ok() && cursor.end().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_of_csv_are_what_they_read_as() {
        let rules = CellRules {
            missing: vec!["n/a".to_owned()],
            ..CellRules::default()
        };
        let number = Some(Dtype::Float32);
        for (text, dtype, expected) in [
            ("5.10", number, "5.10"),
            (" 5 ", number, "5"),
            ("+5", number, "5"),
            ("-1e3", number, "-1e3"),
            (".5", number, "0.5"),
            ("007", number, "7"),
            ("1.", number, "1"),
            ("", number, "null"),
            ("n/a", number, "null"),
            ("nan", number, "NaN"),
            ("inf", number, "Infinity"),
            ("-Infinity", number, "-Infinity"),
            ("True", Some(Dtype::Bool), "true"),
            ("1", Some(Dtype::Bool), "1"),
            ("n/a", Some(Dtype::String), "\"n/a\""),
            ("007", None, "\"007\""),
            ("a\"\n", None, "\"a\\\"\\n\""),
        ] {
            let mut out = Vec::new();
            csv_text(&mut out, text.as_bytes(), dtype, &rules);
            assert_eq!(String::from_utf8_lossy(&out), expected, "{text}");
        }
    }

    #[test]
    fn json_stays_on_one_line() {
        let mut out = Vec::new();
        raw_json(&mut out, "[1,\r\n 2]");
        assert_eq!(String::from_utf8_lossy(&out), "[1,   2]");
    }
}
