//! Columns to pass through as text: cells of CSV, members of JSON objects.
//!
//! Integers keep their digits, floats are the shortest text that reads back, dates are ISO 8601,
//! nested values are JSON; a null is an empty cell or `null`.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::NullBuffer;
use arrow_cast::display::ArrayFormatter;
use arrow_schema::DataType;

use super::view::{self, FORMAT, flat};
use crate::batch::write::{json_string, quote_from};

/// The kept columns of a block, ready to be written row by row.
pub struct Cells {
    columns: Vec<(Vec<u8>, Text)>,
}

impl Cells {
    /// The cells of `arrays`, whose columns are called `names`.
    pub fn new(names: &[&str], arrays: &[ArrayRef]) -> Cells {
        let column = |(name, array): (&&str, &ArrayRef)| {
            let mut key = Vec::new();
            json_string(&mut key, name);
            key.push(b':');
            (key, Text::new(&flat(array)))
        };
        Cells {
            columns: names.iter().zip(arrays).map(column).collect(),
        }
    }

    /// Appends the cells of `row`, with the delimiter between them.
    pub fn csv(&self, out: &mut Vec<u8>, row: usize, delimiter: u8) {
        for (position, (_, text)) in self.columns.iter().enumerate() {
            if position > 0 {
                out.push(delimiter);
            }
            if text.is_there(row) {
                let start = out.len();
                (text.write)(out, row);
                quote_from(out, start, delimiter);
            }
        }
    }

    /// Appends the text of the first column in `row`, as it is; nothing where it has none.
    pub fn raw(&self, out: &mut Vec<u8>, row: usize) {
        if let Some((_, text)) = self.columns.first()
            && text.is_there(row)
        {
            (text.write)(out, row);
        }
    }

    /// Appends the members of `row`, each with a comma after it.
    pub fn json(&self, out: &mut Vec<u8>, row: usize) {
        for (key, text) in &self.columns {
            out.extend_from_slice(key);
            text.json(out, row);
            out.push(b',');
        }
    }
}

/// How the values of one array are written.
struct Text {
    nulls: Option<NullBuffer>,
    style: Style,
    write: Write,
}

/// Appends the value of a row that has one.
type Write = Box<dyn Fn(&mut Vec<u8>, usize) + Send + Sync>;

/// What the text of a value needs to become JSON.
#[derive(Clone, Copy)]
enum Style {
    /// Nothing: it is JSON.
    Json,
    /// Nothing, where it is finite.
    Float,
    /// Quotes.
    Quoted,
}

impl Text {
    fn new(array: &ArrayRef) -> Text {
        let (style, write) = text(array);
        Text {
            nulls: array.logical_nulls(),
            style,
            write,
        }
    }

    fn is_there(&self, row: usize) -> bool {
        self.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row))
    }

    fn json(&self, out: &mut Vec<u8>, row: usize) {
        if !self.is_there(row) {
            out.extend_from_slice(b"null");
            return;
        }
        let start = out.len();
        (self.write)(out, row);
        match self.style {
            Style::Json => {}
            Style::Float => {
                let is_finite =
                    out.get(start..).unwrap_or_default().iter().all(|byte| {
                        byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e')
                    });
                if !is_finite || out.len() == start {
                    out.truncate(start);
                    out.extend_from_slice(b"null");
                }
            }
            Style::Quoted => {
                let raw = out.split_off(start);
                match std::str::from_utf8(&raw) {
                    Ok(text) => json_string(out, text),
                    // JSON has no bytes; every pair of digits is one of them.
                    Err(_) => json_string(out, &hex(&raw)),
                }
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(array: &ArrayRef) -> (Style, Write) {
    match array.data_type() {
        DataType::Null => (Style::Json, Box::new(|_, _| {})),
        DataType::Boolean => {
            let array = array.as_boolean().clone();
            let word = |value| if value { &b"true"[..] } else { b"false" };
            (
                Style::Json,
                Box::new(move |out, row| out.extend_from_slice(word(array.value(row)))),
            )
        }
        DataType::Int8 => integers::<Int8Type>(array),
        DataType::Int16 => integers::<Int16Type>(array),
        DataType::Int32 => integers::<Int32Type>(array),
        DataType::Int64 => integers::<Int64Type>(array),
        DataType::UInt8 => integers::<UInt8Type>(array),
        DataType::UInt16 => integers::<UInt16Type>(array),
        DataType::UInt32 => integers::<UInt32Type>(array),
        DataType::UInt64 => integers::<UInt64Type>(array),
        DataType::Float16 => floats::<Float16Type, f32>(array, half::f16::to_f32),
        DataType::Float32 => floats::<Float32Type, f32>(array, |value| value),
        DataType::Float64 => floats::<Float64Type, f64>(array, |value| value),
        DataType::Decimal32(_, _)
        | DataType::Decimal64(_, _)
        | DataType::Decimal128(_, _)
        | DataType::Decimal256(_, _) => (Style::Json, formatted(array)),
        DataType::Struct(_) => structs(array),
        DataType::Map(_, _) => maps(array),
        DataType::Dictionary(_, _) => dictionary(array),
        DataType::Utf8 => {
            let texts = array.as_string::<i32>().clone();
            let write = move |out: &mut Vec<u8>, row| {
                out.extend_from_slice(texts.value(row).as_bytes());
            };
            (Style::Quoted, Box::new(write))
        }
        DataType::Utf8View => {
            let texts = array.as_string_view().clone();
            let write = move |out: &mut Vec<u8>, row| {
                out.extend_from_slice(texts.value(row).as_bytes());
            };
            (Style::Quoted, Box::new(write))
        }
        _ if view::bytes(array).is_some() => bytes(array),
        _ if view::list_items(array).is_some() => lists(array),
        _ => (Style::Quoted, formatted(array)),
    }
}

fn integers<T: ArrowPrimitiveType>(array: &ArrayRef) -> (Style, Write)
where
    T::Native: itoa::Integer,
{
    let values = array.as_primitive::<T>().clone();
    let write = move |out: &mut Vec<u8>, row| {
        out.extend_from_slice(itoa::Buffer::new().format(values.value(row)).as_bytes());
    };
    (Style::Json, Box::new(write))
}

/// NaN is nothing, as it is among the predictions.
fn floats<T: ArrowPrimitiveType, F: zmij::Float + Copy + Into<f64> + 'static>(
    array: &ArrayRef,
    widen: fn(T::Native) -> F,
) -> (Style, Write) {
    let values = array.as_primitive::<T>().clone();
    let write = move |out: &mut Vec<u8>, row| {
        let value = widen(values.value(row));
        let wide: f64 = value.into();
        if wide.is_finite() {
            out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
        } else if !wide.is_nan() {
            out.extend_from_slice(if wide > 0.0 { b"inf" } else { b"-inf" });
        }
    };
    (Style::Float, Box::new(write))
}

fn bytes(array: &ArrayRef) -> (Style, Write) {
    let array = Arc::clone(array);
    let write = move |out: &mut Vec<u8>, row| {
        if let Some(bytes) = view::bytes(&array) {
            out.extend_from_slice(bytes(row));
        }
    };
    (Style::Quoted, Box::new(write))
}

/// What Arrow itself knows how to write: decimals, dates, times, durations, and types to come.
fn formatted(array: &ArrayRef) -> Write {
    use std::io::Write as _;
    let array = flat(array);
    // All at once is several times as fast as a formatter for each value.
    if let Ok(texts) = arrow_cast::cast(&array, &DataType::Utf8) {
        let texts = texts.as_string::<i32>().clone();
        return Box::new(move |out, row| out.extend_from_slice(texts.value(row).as_bytes()));
    }
    Box::new(move |out, row| {
        if let Ok(formatter) = ArrayFormatter::try_new(&array, &FORMAT) {
            // Writing into memory cannot fail; a moment beyond the calendar has no text.
            let _ = write!(out, "{}", formatter.value(row));
        }
    })
}

fn lists(array: &ArrayRef) -> (Style, Write) {
    let ranges: Vec<Range<usize>> = match view::list_items(array) {
        Some((_, bounds)) => (0..array.len()).map(bounds).collect(),
        None => Vec::new(),
    };
    let used = ranges.iter().filter(|range| !range.is_empty());
    let start = used.clone().map(|range| range.start).min().unwrap_or(0);
    let end = used.map(|range| range.end).max().unwrap_or(start);
    // The items of a slice are those of the whole array: only what is used may be looked at, or a
    // record batch of many blocks would be gone through once for each of them.
    let items = view::list_items(array)
        .filter(|(items, _)| end <= items.len())
        .map(|(items, _)| Text::new(&flat(&items.slice(start, end - start))));
    let write = move |out: &mut Vec<u8>, row: usize| {
        let range = ranges.get(row).cloned().unwrap_or_default();
        joined(out, b"[]", range, |out, at| {
            if let Some(items) = &items {
                items.json(out, at - start);
            }
        });
    };
    (Style::Json, Box::new(write))
}

fn structs(array: &ArrayRef) -> (Style, Write) {
    let members = Cells::new(
        &array.as_struct().column_names(),
        array.as_struct().columns(),
    );
    let write = move |out: &mut Vec<u8>, row| {
        joined(out, b"{}", 0..members.columns.len(), |out, at| {
            if let Some((key, text)) = members.columns.get(at) {
                out.extend_from_slice(key);
                text.json(out, row);
            }
        });
    };
    (Style::Json, Box::new(write))
}

/// A map as a list of pairs: its keys need not be text, nor differ.
fn maps(array: &ArrayRef) -> (Style, Write) {
    let map = array.as_map().clone();
    let (keys, values) = (Text::new(map.keys()), Text::new(map.values()));
    let write = move |out: &mut Vec<u8>, row| {
        let end = |at: usize| map.value_offsets().get(at).copied().unwrap_or_default();
        let range = end(row).unsigned_abs() as usize..end(row + 1).unsigned_abs() as usize;
        joined(out, b"[]", range, |out, at| {
            out.push(b'[');
            keys.json(out, at);
            out.push(b',');
            values.json(out, at);
            out.push(b']');
        });
    };
    (Style::Json, Box::new(write))
}

/// A dictionary below other types; those at the top were taken out before.
fn dictionary(array: &ArrayRef) -> (Style, Write) {
    let plain = flat(array);
    if matches!(plain.data_type(), DataType::Dictionary(_, _)) {
        return (Style::Quoted, formatted(array));
    }
    text(&plain)
}

fn joined(
    out: &mut Vec<u8>,
    brackets: &[u8; 2],
    range: Range<usize>,
    item: impl Fn(&mut Vec<u8>, usize),
) {
    let [open, close] = *brackets;
    let start = range.start;
    out.push(open);
    for at in range {
        if at > start {
            out.push(b',');
        }
        item(out, at);
    }
    out.push(close);
}
