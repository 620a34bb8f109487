//! Predictions as text: one record's fields as CSV cells or as members of a JSON object.

use ndarray::{ArrayD, ArrayViewD, Axis};

use crate::each_dtype;
use crate::model::tensor::Tensor;

use super::columns::{Field, Form};
use super::decide;

/// How CSV cells are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvStyle {
    pub delimiter: u8,
    /// What NaN is written as (`--nan-as`); nothing, where it is empty. Infinities are then `inf`.
    pub nan_as: String,
}

/// What JSON has for NaN and infinities, which it cannot say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NonFinite {
    #[default]
    Null,
    /// The bare tokens `NaN`, `Infinity` and `-Infinity`, as Python writes them.
    Token,
}

/// Appends `cell` to `out`, quoted if it has to be.
pub fn csv_cell(out: &mut Vec<u8>, cell: &[u8], delimiter: u8) {
    if !needs_quotes(cell, delimiter) {
        out.extend_from_slice(cell);
        return;
    }
    out.push(b'"');
    for part in cell.split_inclusive(|byte| *byte == b'"') {
        out.extend_from_slice(part);
        if part.last() == Some(&b'"') {
            out.push(b'"');
        }
    }
    out.push(b'"');
}

/// Quotes the cell that `out` holds from `start` on, if it has to be.
pub fn quote_from(out: &mut Vec<u8>, start: usize, delimiter: u8) {
    if needs_quotes(out.get(start..).unwrap_or_default(), delimiter) {
        let cell = out.split_off(start);
        csv_cell(out, &cell, delimiter);
    }
}

fn needs_quotes(cell: &[u8], delimiter: u8) -> bool {
    let special = |byte: &u8| *byte == delimiter || matches!(byte, b'"' | b'\n' | b'\r');
    cell.iter().any(special)
}

/// Appends `text` to `out` as a JSON string literal.
pub fn json_string(out: &mut Vec<u8>, text: &str) {
    // Writing a string into memory cannot fail.
    let _ = serde_json::to_writer(out, text);
}

/// Appends the cells of `field` for record `record` of `values`, each with the delimiter before it
/// unless it is the first of the line.
pub fn csv_field(
    out: &mut Vec<u8>,
    field: &Field,
    values: &Tensor,
    record: usize,
    style: &CsvStyle,
    first: &mut bool,
) {
    let mut cell = |write: &mut dyn FnMut(&mut Vec<u8>)| {
        if !std::mem::take(first) {
            out.push(style.delimiter);
        }
        write(out);
    };
    match &field.form {
        Form::Scalar => cell(&mut |out| csv_element(out, values, record, style)),
        Form::Classes(_) | Form::List(_) => {
            let width = width_of(field);
            for index in record * width..(record + 1) * width {
                cell(&mut |out| csv_element(out, values, index, style));
            }
        }
        Form::Top { most, classes } => {
            for (class, score) in top(values, record, *most, classes) {
                cell(&mut |out| csv_cell(out, class.as_bytes(), style.delimiter));
                cell(&mut |out| csv_element(out, values, score, style));
            }
        }
        Form::Nested | Form::Unknown => cell(&mut |out| {
            let mut json = Vec::new();
            json_record(&mut json, values, record, NonFinite::Null);
            csv_cell(out, &json, style.delimiter);
        }),
    }
}

/// Appends `count` empty cells, each with the delimiter before it unless it is the first of the line.
pub fn csv_empty(out: &mut Vec<u8>, count: usize, style: &CsvStyle, first: bool) {
    let delimiters = count.saturating_sub(usize::from(first));
    out.extend(std::iter::repeat_n(style.delimiter, delimiters));
}

/// Appends `field` for record `record` of `values` as a JSON value.
pub fn json_field(
    out: &mut Vec<u8>,
    field: &Field,
    values: &Tensor,
    record: usize,
    nan: NonFinite,
) {
    match &field.form {
        Form::Scalar => json_element(out, values, record, nan),
        Form::Classes(classes) => {
            let width = classes.len();
            let members = classes.iter().zip(record * width..);
            json_joined(out, b'{', b'}', members, |out, (class, index)| {
                json_string(out, class);
                out.push(b':');
                json_element(out, values, index, nan);
            });
        }
        Form::Top { most, classes } => {
            let best = top(values, record, *most, classes);
            json_joined(out, b'[', b']', best.into_iter(), |out, (class, score)| {
                out.extend_from_slice(b"{\"class\":");
                json_string(out, class);
                out.extend_from_slice(b",\"score\":");
                json_element(out, values, score, nan);
                out.push(b'}');
            });
        }
        Form::List(_) | Form::Nested | Form::Unknown => json_record(out, values, record, nan),
    }
}

/// Elements that one record of `field` has.
fn width_of(field: &Field) -> usize {
    match &field.form {
        Form::Classes(classes) => classes.len(),
        Form::List(size) => *size,
        _ => 1,
    }
}

/// The best classes of a record, with the index of the score of each.
fn top<'a>(
    values: &Tensor,
    record: usize,
    most: usize,
    classes: &'a [String],
) -> Vec<(&'a str, usize)> {
    let width = classes.len();
    let start = record * width;
    let scores = decide::floats(values).unwrap_or_default();
    let row = scores.get(start..start + width).unwrap_or_default();
    let best = decide::ranked(row).into_iter().take(most);
    best.filter_map(|class| Some((classes.get(class)?.as_str(), start + class)))
        .collect()
}

/// Appends items between brackets, with commas.
pub fn json_joined<I: Iterator>(
    out: &mut Vec<u8>,
    open: u8,
    close: u8,
    items: I,
    mut write: impl FnMut(&mut Vec<u8>, I::Item),
) {
    out.push(open);
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(close);
}

/// Appends one record of a tensor `[N, ...]` as nested lists.
pub fn json_record(out: &mut Vec<u8>, values: &Tensor, record: usize, nan: NonFinite) {
    fn of_record<T: Show>(out: &mut Vec<u8>, array: &ArrayD<T>, record: usize, nan: NonFinite) {
        if record < array.len_of(Axis(0)) {
            nested(out, array.index_axis(Axis(0), record), nan);
        }
    }
    each_dtype!(values, array => of_record(out, array, record, nan));
}

/// Appends a tensor of any shape as nested lists, a scalar as its one value.
pub fn json_tensor(out: &mut Vec<u8>, values: &Tensor, nan: NonFinite, most: usize) {
    each_dtype!(values, array => match array.ndim() {
        0 => nested(out, array.view(), nan),
        _ => json_joined(out, b'[', b']', array.outer_iter(), |out, item| {
            if out.len() <= most {
                nested(out, item, nan);
            }
        }),
    });
}

/// Appends all elements of a tensor as one list, row-major; once `out` has more than `most` bytes, which
/// whoever asks then finds, they are left out.
pub fn json_flat(out: &mut Vec<u8>, values: &Tensor, nan: NonFinite, most: usize) {
    each_dtype!(values, array => {
        json_joined(out, b'[', b']', array.iter(), |out, element| {
            if out.len() <= most {
                element.json(out, nan);
            }
        });
    });
}

fn nested<T: Show>(out: &mut Vec<u8>, view: ArrayViewD<'_, T>, nan: NonFinite) {
    match view.first().filter(|_| view.ndim() == 0) {
        Some(element) => element.json(out, nan),
        None => json_joined(out, b'[', b']', view.outer_iter(), |out, item| {
            nested(out, item, nan)
        }),
    }
}

fn csv_element(out: &mut Vec<u8>, values: &Tensor, index: usize, style: &CsvStyle) {
    each_dtype!(values, array => if let Some(element) = array.as_slice().and_then(|all| all.get(index)) {
        element.csv(out, style);
    });
}

/// Appends element `index` of a tensor, counted row-major.
pub fn json_element(out: &mut Vec<u8>, values: &Tensor, index: usize, nan: NonFinite) {
    each_dtype!(values, array => if let Some(element) = array.as_slice().and_then(|all| all.get(index)) {
        element.json(out, nan);
    });
}

/// How one element is written.
trait Show {
    fn csv(&self, out: &mut Vec<u8>, style: &CsvStyle);
    fn json(&self, out: &mut Vec<u8>, nan: NonFinite);
}

/// Floats as the shortest text that reads back to the same value.
macro_rules! show_float {
    ($($type:ty => $widen:expr;)*) => {$(
        impl Show for $type {
            fn csv(&self, out: &mut Vec<u8>, style: &CsvStyle) {
                let value = $widen(*self);
                if value.is_finite() {
                    out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
                } else if value.is_nan() || style.nan_as.is_empty() {
                    csv_cell(out, style.nan_as.as_bytes(), style.delimiter);
                } else {
                    out.extend_from_slice(if value > 0.0 { b"inf" } else { b"-inf" });
                }
            }

            fn json(&self, out: &mut Vec<u8>, nan: NonFinite) {
                let value = $widen(*self);
                if value.is_finite() {
                    out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
                    return;
                }
                let text: &[u8] = match nan {
                    NonFinite::Null => b"null",
                    NonFinite::Token if value.is_nan() => b"NaN",
                    NonFinite::Token if value > 0.0 => b"Infinity",
                    NonFinite::Token => b"-Infinity",
                };
                out.extend_from_slice(text);
            }
        }
    )*};
}

show_float! {
    f32 => std::convert::identity;
    f64 => std::convert::identity;
    half::f16 => half::f16::to_f32;
    half::bf16 => half::bf16::to_f32;
}

macro_rules! show_int {
    ($($type:ty)*) => {$(
        impl Show for $type {
            fn csv(&self, out: &mut Vec<u8>, _: &CsvStyle) {
                self.json(out, NonFinite::Null);
            }

            fn json(&self, out: &mut Vec<u8>, _: NonFinite) {
                out.extend_from_slice(itoa::Buffer::new().format(*self).as_bytes());
            }
        }
    )*};
}

show_int!(i8 i16 i32 i64 u8 u16 u32 u64);

impl Show for bool {
    fn csv(&self, out: &mut Vec<u8>, _: &CsvStyle) {
        self.json(out, NonFinite::Null);
    }

    fn json(&self, out: &mut Vec<u8>, _: NonFinite) {
        out.extend_from_slice(if *self { b"true" } else { b"false" });
    }
}

impl Show for String {
    fn csv(&self, out: &mut Vec<u8>, style: &CsvStyle) {
        csv_cell(out, self.as_bytes(), style.delimiter);
    }

    fn json(&self, out: &mut Vec<u8>, _: NonFinite) {
        json_string(out, self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn csv(values: &Tensor, index: usize, nan_as: &str) -> String {
        let mut out = Vec::new();
        let style = CsvStyle {
            delimiter: b',',
            nan_as: nan_as.to_owned(),
        };
        csv_element(&mut out, values, index, &style);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn cells_are_quoted_only_where_they_must_be() {
        for (cell, written) in [
            ("plain", "plain"),
            ("", ""),
            (" blanks ", " blanks "),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("a\rb", "\"a\rb\""),
        ] {
            let mut out = Vec::new();
            csv_cell(&mut out, cell.as_bytes(), b',');
            assert_eq!(String::from_utf8(out).expect("text"), written);
        }
    }

    #[test]
    fn floats_are_written_as_the_shortest_text_that_reads_back() {
        let values = Tensor::Float32(array![0.1, 1.0, 1e-7, 3.4028235e38, -0.0].into_dyn());
        let written: Vec<String> = (0..5).map(|index| csv(&values, index, "")).collect();
        for (text, value) in written.iter().zip([0.1_f32, 1.0, 1e-7, f32::MAX, -0.0]) {
            assert_eq!(
                text.parse::<f32>().map(f32::to_bits),
                Ok(value.to_bits()),
                "{text}"
            );
        }
        assert_eq!(written.first().map(String::as_str), Some("0.1"));
    }

    #[test]
    fn what_is_not_finite_is_empty_unless_a_text_is_given_and_null_in_json() {
        let values = Tensor::Float64(array![f64::NAN, f64::INFINITY, f64::NEG_INFINITY].into_dyn());
        let all = |nan_as: &str| -> Vec<String> {
            (0..3).map(|index| csv(&values, index, nan_as)).collect()
        };
        assert_eq!(all(""), ["", "", ""]);
        assert_eq!(all("NaN"), ["NaN", "inf", "-inf"]);
        let json = |nan: NonFinite| {
            let mut json = Vec::new();
            json_tensor(&mut json, &values, nan, usize::MAX);
            String::from_utf8(json).expect("text")
        };
        assert_eq!(json(NonFinite::Null), "[null,null,null]");
        assert_eq!(json(NonFinite::Token), "[NaN,Infinity,-Infinity]");
    }

    #[test]
    fn higher_ranks_are_nested_lists() {
        let values = Tensor::Int64(array![[[1, 2], [3, 4]], [[5, 6], [7, 8]]].into_dyn());
        let mut json = Vec::new();
        json_record(&mut json, &values, 1, NonFinite::Null);
        assert_eq!(json, b"[[5,6],[7,8]]");
        json.clear();
        json_flat(&mut json, &values, NonFinite::Null, usize::MAX);
        assert_eq!(json, b"[1,2,3,4,5,6,7,8]");
    }
}
