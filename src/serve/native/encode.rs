//! Predictions as JSON: the same members as `predict` writes in JSONL.

use crate::batch::cell::Cell;
use crate::batch::columns::Layout;
use crate::batch::run::{Part, Prediction};
use crate::batch::write::{NonFinite, json_field, json_string};

use crate::serve::hosted::Hosted;
use crate::serve::records::Predictions;

/// Bytes of an answer for each record, to begin with.
const BYTES_OF_RECORD: usize = 96;

/// `{"model": ..., "version": ..., "predictions": [...]}`.
pub fn json(hosted: &Hosted, predictions: &Predictions<'_>, nan: NonFinite) -> Vec<u8> {
    let mut out = start(hosted, predictions.records);
    let names = predictions.kept_names();
    for (index, (prediction, kept)) in predictions.each().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        json_record(
            &mut out,
            (&names, kept),
            &predictions.layout,
            prediction,
            nan,
        );
    }
    out.extend_from_slice(b"]}");
    out
}

/// The same for predictions of tensors, which keep nothing.
pub fn json_parts(hosted: &Hosted, layout: &Layout, parts: &[Part], nan: NonFinite) -> Vec<u8> {
    let mut out = start(hosted, parts.iter().map(Part::records).sum());
    let predictions = parts.iter().flat_map(Part::each).flatten();
    for (index, prediction) in predictions.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        json_record(&mut out, (&[], &[]), layout, prediction, nan);
    }
    out.extend_from_slice(b"]}");
    out
}

fn start(hosted: &Hosted, records: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + records.saturating_mul(BYTES_OF_RECORD));
    out.extend_from_slice(b"{\"model\":");
    json_string(&mut out, &hosted.name);
    out.extend_from_slice(b",\"version\":");
    json_string(&mut out, &hosted.version);
    out.extend_from_slice(b",\"predictions\":[");
    out
}

/// One record's kept fields and predictions as an object.
pub fn json_record(
    out: &mut Vec<u8>,
    (names, kept): (&[&str], &[Cell<'_>]),
    layout: &Layout,
    (tensors, record): Prediction<'_>,
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
    for (name, cell) in names.iter().zip(kept) {
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
    for (field, tensor) in layout.fields.iter().zip(tensors) {
        member(out, &field.name);
        json_field(out, field, tensor, record, nan);
    }
    out.push(b'}');
}
