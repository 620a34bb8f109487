//! Predictions in the form that was asked for, each as `predict` writes it.

use crate::batch::cell::Cell;
use crate::batch::run::{Part, Prediction};
use crate::batch::write::{
    CsvStyle, NonFinite, csv_cell, csv_field, json_field, json_string, quote_from,
};
use crate::error::Error;
use crate::numpy;

use crate::serve::bound;
use crate::serve::hosted::Hosted;
use crate::serve::problem::Problem;
use crate::serve::records::Predictions;

use super::form::Form;

/// Bytes of an answer for each record, to begin with.
const BYTES_OF_RECORD: usize = 96;

/// The predictions in a form.
///
/// # Errors
/// [`Problem::Invalid`] for what an array cannot hold, 413 for what would be too large.
pub fn answer(
    hosted: &Hosted,
    predictions: &Predictions<'_>,
    form: Form,
    nan: NonFinite,
) -> Result<Vec<u8>, Problem> {
    let out = match form {
        Form::Json => json(hosted, predictions, nan),
        Form::Ndjson => ndjson(predictions, nan),
        Form::Csv => csv(predictions, nan, true),
        Form::Npy => npy(predictions)?,
    };
    bound::within(out, predictions.most_bytes)
}

/// `{"model": ..., "version": ..., "predictions": [...]}`.
fn json(hosted: &Hosted, predictions: &Predictions<'_>, nan: NonFinite) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + predictions.records.saturating_mul(BYTES_OF_RECORD));
    out.extend_from_slice(b"{\"model\":");
    json_string(&mut out, &hosted.name);
    out.extend_from_slice(b",\"version\":");
    json_string(&mut out, &hosted.version);
    out.extend_from_slice(b",\"predictions\":");
    json_list(&mut out, predictions, nan);
    out.push(b'}');
    out
}

/// Appends the predictions as a list of objects.
pub fn json_list(out: &mut Vec<u8>, predictions: &Predictions<'_>, nan: NonFinite) {
    out.push(b'[');
    for (index, (prediction, kept)) in predictions.each().enumerate() {
        if out.len() > predictions.most_bytes {
            return;
        }
        if index > 0 {
            out.push(b',');
        }
        json_record(out, predictions, (prediction, kept), nan);
    }
    out.push(b']');
}

/// One object a line.
pub fn ndjson(predictions: &Predictions<'_>, nan: NonFinite) -> Vec<u8> {
    let mut out = Vec::with_capacity(predictions.records.saturating_mul(BYTES_OF_RECORD));
    for (prediction, kept) in predictions.each() {
        if out.len() > predictions.most_bytes {
            break;
        }
        json_record(&mut out, predictions, (prediction, kept), nan);
        out.push(b'\n');
    }
    out
}

/// A header, unless there shall be none, and a line for each record, as `predict` writes them.
pub fn csv(predictions: &Predictions<'_>, nan: NonFinite, has_header: bool) -> Vec<u8> {
    let style = CsvStyle {
        delimiter: b',',
        nan_as: match nan {
            NonFinite::Null => String::new(),
            NonFinite::Token => "NaN".to_owned(),
        },
    };
    let layout = &predictions.layout;
    let mut out = Vec::with_capacity(predictions.records.saturating_mul(BYTES_OF_RECORD));
    if has_header {
        csv_header(&mut out, predictions, &style);
    }
    for ((tensors, record), kept) in predictions.each() {
        if out.len() > predictions.most_bytes {
            break;
        }
        let mut is_first = true;
        for cell in kept {
            if !std::mem::take(&mut is_first) {
                out.push(style.delimiter);
            }
            let start = out.len();
            cell.append_text(&mut out);
            quote_from(&mut out, start, style.delimiter);
        }
        for (field, tensor) in layout.fields.iter().zip(tensors) {
            csv_field(&mut out, field, tensor, record, &style, &mut is_first);
        }
        out.push(b'\n');
    }
    out
}

fn csv_header(out: &mut Vec<u8>, predictions: &Predictions<'_>, style: &CsvStyle) {
    let columns = predictions.layout.columns();
    let names = predictions.kept_names.iter().chain(&columns);
    for (index, name) in names.enumerate() {
        if index > 0 {
            out.push(style.delimiter);
        }
        csv_cell(out, name.as_bytes(), style.delimiter);
    }
    out.push(b'\n');
}

/// One array, as `predict` writes it: a matrix where all columns have one dtype, else records.
fn npy(predictions: &Predictions<'_>) -> Result<Vec<u8>, Problem> {
    let folder = std::env::temp_dir();
    let mut writer = numpy::Writer::new(numpy::Container::Npy, &folder, "the answer");
    for part in &predictions.parts {
        let Part::Scored { records, outputs } = part else {
            continue;
        };
        let rows: Vec<Option<usize>> = (0..*records).map(Some).collect();
        let parts = numpy::output::parts(&predictions.layout.fields, outputs, &rows);
        parts
            .and_then(|parts| writer.write(&parts))
            .map_err(no_array)?;
    }
    writer.finish(Vec::new()).map_err(no_array)
}

fn no_array(error: Error) -> Problem {
    match &error {
        Error::Data(report) => Problem::invalid("npy", report.message.clone()),
        _ => Problem::Failed(error),
    }
}

/// One record's kept fields and predictions as an object.
fn json_record(
    out: &mut Vec<u8>,
    predictions: &Predictions<'_>,
    ((tensors, record), kept): (Prediction<'_>, &[Cell<'_>]),
    nan: NonFinite,
) {
    out.push(b'{');
    let mut is_first = true;
    let mut member = |out: &mut Vec<u8>, name: &str| {
        if !std::mem::take(&mut is_first) {
            out.push(b',');
        }
        json_string(out, name);
        out.push(b':');
    };
    for (name, cell) in predictions.kept_names.iter().zip(kept) {
        match cell {
            Cell::Absent => {}
            Cell::Json(raw) => {
                member(out, name);
                out.extend_from_slice(raw.as_bytes());
            }
            Cell::Text(text) => {
                member(out, name);
                json_string(out, &String::from_utf8_lossy(text));
            }
        }
    }
    for (field, tensor) in predictions.layout.fields.iter().zip(tensors) {
        member(out, &field.name);
        json_field(out, field, tensor, record, nan);
    }
    out.push(b'}');
}
