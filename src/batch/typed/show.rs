//! A typed value as text: as an error shows it, as a CSV cell, as JSON.

use half::f16;

use super::target::Target;
use super::{Column, Values};
use crate::batch::cell::Cell;
use crate::batch::write::{csv_cell, json_string};

/// Items of a list that are shown; the text is cut after 60 characters anyway.
const MOST_ITEMS: usize = 8;

impl Column<'_> {
    /// The value of `row`, as errors show it.
    pub(super) fn show(&self, row: usize) -> String {
        if let Values::List { items, bounds } = &self.values
            && self.is_there(row)
        {
            let range = bounds(row);
            let shown = range.clone().take(MOST_ITEMS).map(|row| items.show(row));
            let more = if range.len() > MOST_ITEMS {
                ", …"
            } else {
                ""
            };
            let shown: Vec<String> = shown.collect();
            return Cell::Json(&format!("[{}{more}]", shown.join(", "))).to_string();
        }
        match self.text(row) {
            Some(Shown::Quoted(text)) => Cell::Text(&text).to_string(),
            Some(Shown::Bare(text) | Shown::Float(text)) => Cell::Json(&text).to_string(),
            Some(Shown::Moment(text)) => {
                Cell::Json(&format!("the date or time {text}")).to_string()
            }
            None => Cell::Absent.to_string(),
        }
    }

    /// Appends the value of `row` as a CSV cell: nothing where there is none, or NaN.
    pub fn csv(&self, out: &mut Vec<u8>, row: usize, delimiter: u8) {
        if matches!(self.values, Values::List { .. }) && self.is_there(row) {
            let mut json = Vec::new();
            self.json(&mut json, row);
            return csv_cell(out, &json, delimiter);
        }
        match self.text(row) {
            Some(Shown::Quoted(text)) => csv_cell(out, &text, delimiter),
            Some(Shown::Float(text)) if text == "nan" => {}
            Some(Shown::Bare(text) | Shown::Float(text) | Shown::Moment(text)) => {
                csv_cell(out, text.as_bytes(), delimiter);
            }
            None => {}
        }
    }

    /// Appends the text of the value of `row`, as it is: nothing where there is none, or for a list.
    pub fn raw(&self, out: &mut Vec<u8>, row: usize) {
        match self.text(row) {
            Some(Shown::Quoted(text)) => out.extend_from_slice(&text),
            Some(Shown::Bare(text) | Shown::Float(text) | Shown::Moment(text)) => {
                out.extend_from_slice(text.as_bytes());
            }
            None => {}
        }
    }

    /// Appends the value of `row` as JSON: `null` where there is none, or it is not finite. Bytes
    /// that are no text are written as the characters of their numbers, as Latin-1 has them.
    pub fn json(&self, out: &mut Vec<u8>, row: usize) {
        if let Values::List { items, bounds } = &self.values
            && self.is_there(row)
        {
            let range = bounds(row);
            let start = range.start;
            out.push(b'[');
            for item in range {
                if item > start {
                    out.push(b',');
                }
                items.json(out, item);
            }
            return out.push(b']');
        }
        match self.text(row) {
            Some(Shown::Quoted(bytes)) => match String::from_utf8(bytes) {
                Ok(text) => json_string(out, &text),
                Err(latin) => {
                    let text: String = latin.into_bytes().into_iter().map(char::from).collect();
                    json_string(out, &text);
                }
            },
            Some(Shown::Moment(text)) => json_string(out, &text),
            Some(Shown::Bare(text)) => out.extend_from_slice(text.as_bytes()),
            Some(Shown::Float(text)) if text.ends_with(|c: char| c.is_ascii_digit()) => {
                out.extend_from_slice(text.as_bytes());
            }
            Some(Shown::Float(_)) | None => out.extend_from_slice(b"null"),
        }
    }

    fn is_there(&self, row: usize) -> bool {
        self.valid.is_none_or(|valid| valid.get(row))
    }

    /// The text of a value that is no list.
    fn text(&self, row: usize) -> Option<Shown> {
        fn of<S: Copy, E>(
            values: &[S],
            row: usize,
            text: impl Fn(S) -> Result<String, E>,
        ) -> Option<Shown> {
            values
                .get(row)
                .and_then(|value| text(*value).ok())
                .map(Shown::Bare)
        }
        fn float<S: Copy, E>(
            values: &[S],
            row: usize,
            text: impl Fn(S) -> Result<String, E>,
        ) -> Option<Shown> {
            let text = text(*values.get(row)?);
            text.ok().map(Shown::Float)
        }
        if !self.is_there(row) {
            return None;
        }
        match &self.values {
            Values::Int8(values) => of(values, row, |value| String::from_i64(value.into())),
            Values::Int16(values) => of(values, row, |value| String::from_i64(value.into())),
            Values::Int32(values) => of(values, row, |value| String::from_i64(value.into())),
            Values::Int64(values) => of(values, row, String::from_i64),
            Values::Uint8(values) => of(values, row, |value| String::from_u64(value.into())),
            Values::Uint16(values) => of(values, row, |value| String::from_u64(value.into())),
            Values::Uint32(values) => of(values, row, |value| String::from_u64(value.into())),
            Values::Uint64(values) => of(values, row, String::from_u64),
            Values::Float16(values) => {
                float(values, row, |value: f16| String::from_f32(value.into()))
            }
            Values::Float32(values) => float(values, row, String::from_f32),
            Values::Float64(values) => float(values, row, String::from_f64),
            Values::Bool(bits) => Some(Shown::Bare(bits.get(row).to_string())),
            Values::Text(text) => Some(Shown::Quoted(text(row).to_vec())),
            Values::Decimal(text) => Some(Shown::Bare(text(row))),
            Values::Moment(text) => Some(Shown::Moment(text(row))),
            Values::List { .. } | Values::Nothing => None,
            Values::Other(what) => Some(Shown::Bare((*what).to_owned())),
        }
    }
}

/// A value in words.
enum Shown {
    Quoted(Vec<u8>),
    Bare(String),
    /// A float, which may be `nan` or `inf`.
    Float(String),
    Moment(String),
}
