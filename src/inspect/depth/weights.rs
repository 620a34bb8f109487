//! `--weights`: the tensors of weights by size, and what their values are like.
//!
//! Key `weights`: `{tensors, elements, bytes, nans, infinities, by_dtype, list}`. `nans` and
//! `infinities` are of all values that were looked at; `by_dtype` is a list of `{dtype, tensors,
//! elements, bytes}`; `list` has the tensors, most bytes first: `{name, part, constant, dtype, shape,
//! elements, bytes, external, read_by, quantized, stats, problem}`. `part` is `graph`, `subgraph` or
//! `function`; `constant` is whether a `Constant` node gives it; `external` is the file that holds it,
//! or null; `read_by` is the operator that reads it first, or null; `quantized` is `{by, scale}` or
//! null, where `scale` says what shares a scale (`tensor`, `axis 0`, `channels`, `blocks of 32`,
//! `unknown`); `stats` is `{zeros, nans, infinities, min, max, mean, deviation}`, the last four of the
//! finite values, or null, and then `problem` says why.

use serde_json::{Value, json};

use super::{heading, more};
use crate::inspect::shown::{self, LONGEST_NAME, cut};
use crate::inspect::table;
use crate::model::anatomy::{DtypeTotal, Stats, Weight, Weights};

pub(super) fn text(out: &mut String, weights: &Weights, top: usize) {
    heading(out, "WEIGHTS");
    if weights.tensors.is_empty() {
        out.push_str("none; what tree ensembles and linear models know is in their attributes\n");
        return;
    }
    let heads = [
        "NAME", "DTYPE", "SHAPE", "BYTES", "ZEROS", "MIN", "MAX", "MEAN", "READ BY",
    ];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    rows.extend(weights.tensors.iter().take(top).map(row));
    table::append(out, &rows);
    more(out, weights.tensors.len(), top);
    heading(out, "WEIGHTS BY DTYPE");
    let heads = ["DTYPE", "TENSORS", "ELEMENTS", "BYTES"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    rows.extend(weights.by_dtype.iter().map(|total| {
        vec![
            total.dtype.clone(),
            total.tensors.to_string(),
            shown::count(total.elements),
            shown::bytes(total.bytes),
        ]
    }));
    table::append(out, &rows);
    notes(out, weights, top);
}

fn row(weight: &Weight) -> Vec<String> {
    let stats = weight.stats.as_ref().ok();
    let number = |value: fn(&Stats) -> Option<f64>| {
        stats.and_then(value).map(shown::number).unwrap_or_default()
    };
    let zeros = stats.map(|stats| percent(stats.zeros, stats.count));
    let read_by = weight.read_by.as_deref().unwrap_or("nothing here");
    let read_by = match &weight.quantized {
        Some(quantized) => format!("{read_by}, a scale for each {}", each(&quantized.scale)),
        None => read_by.to_owned(),
    };
    vec![
        cut(&weight.name, LONGEST_NAME),
        weight.dtype.clone(),
        shape(&weight.dims),
        shown::bytes(weight.bytes),
        zeros.unwrap_or_default(),
        number(|stats| stats.min),
        number(|stats| stats.max),
        number(|stats| stats.mean),
        cut(&read_by, LONGEST_NAME),
    ]
}

/// `blocks of 32` as `block of 32`, `axis 0` as `index of axis 0`.
fn each(scale: &str) -> String {
    match scale {
        "channels" => "channel".to_owned(),
        _ if scale.starts_with("axis") => format!("index of {scale}"),
        _ => scale.replacen("blocks", "block", 1),
    }
}

fn shape(dims: &[i64]) -> String {
    const MOST: usize = 8;
    let mut texts: Vec<String> = dims.iter().take(MOST).map(i64::to_string).collect();
    if dims.len() > MOST {
        texts.push("…".to_owned());
    }
    format!("[{}]", texts.join(", "))
}

/// `12 %`; of little, that there is some.
fn percent(part: u64, whole: u64) -> String {
    let share = 100.0 * part as f64 / whole.max(1) as f64;
    match part {
        0 => "0".to_owned(),
        _ if share < 0.1 => "<0.1 %".to_owned(),
        _ if part < whole && share > 99.9 => ">99.9 %".to_owned(),
        _ if share < 10.0 => format!("{share:.1} %"),
        _ => format!("{share:.0} %"),
    }
}

/// What should not be among weights, and what could not be looked at.
fn notes(out: &mut String, weights: &Weights, top: usize) {
    let mut notes = Vec::new();
    for weight in &weights.tensors {
        let name = cut(&weight.name, LONGEST_NAME);
        match &weight.stats {
            Ok(stats) if stats.nans + stats.infinities > 0 => notes.push(format!(
                "warning: weights \"{name}\": {} NaN and {} infinite of {} values",
                stats.nans, stats.infinities, stats.count
            )),
            Ok(_) => {}
            // Nobody expects a range of texts.
            Err(_) if weight.dtype == "string" => {}
            Err(problem) => notes.push(format!("note: weights \"{name}\": {}", cut(problem, 200))),
        }
    }
    if !notes.is_empty() {
        out.push('\n');
    }
    for note in notes.iter().take(top) {
        out.extend([note, "\n"]);
    }
    more(out, notes.len(), top);
}

pub(super) fn json(weights: &Weights) -> Value {
    let (elements, bytes) = weights.total();
    let stats = weights.tensors.iter().filter_map(|w| w.stats.as_ref().ok());
    let nans: u64 = stats.clone().map(|stats| stats.nans).sum();
    let infinities: u64 = stats.map(|stats| stats.infinities).sum();
    let total = |total: &DtypeTotal| {
        json!({
            "dtype": total.dtype,
            "tensors": total.tensors,
            "elements": total.elements,
            "bytes": total.bytes,
        })
    };
    json!({
        "tensors": weights.tensors.len(),
        "elements": elements,
        "bytes": bytes,
        "nans": nans,
        "infinities": infinities,
        "by_dtype": weights.by_dtype.iter().map(total).collect::<Vec<_>>(),
        "list": weights.tensors.iter().map(weight).collect::<Vec<_>>(),
    })
}

fn weight(weight: &Weight) -> Value {
    let quantized = weight.quantized.as_ref();
    json!({
        "name": weight.name,
        "part": weight.part.word(),
        "constant": weight.is_constant,
        "dtype": weight.dtype,
        "shape": weight.dims,
        "elements": weight.elements,
        "bytes": weight.bytes,
        "external": weight.external,
        "read_by": weight.read_by,
        "quantized": quantized.map(|q| json!({"by": q.by, "scale": q.scale})),
        "stats": weight.stats.as_ref().ok().map(stats),
        "problem": weight.stats.as_ref().err(),
    })
}

fn stats(stats: &Stats) -> Value {
    json!({
        "zeros": stats.zeros,
        "nans": stats.nans,
        "infinities": stats.infinities,
        "min": stats.min,
        "max": stats.max,
        "mean": stats.mean,
        "deviation": stats.deviation,
    })
}
