//! The report for programs: one JSON object whose keys are stable.
//!
//! | key | value |
//! |---|---|
//! | `path` | the model file, as it was named |
//! | `format` | `onnx` or `ort` |
//! | `file_bytes` | its size |
//! | `ir_version` | version of the ONNX file format |
//! | `opsets` | object: operator domain to version |
//! | `producer`, `producer_version` | what wrote the file; empty where it does not say |
//! | `domain`, `model_version`, `graph_name`, `doc` | what the author wrote; empty or 0 where nothing |
//! | `metadata` | object: key to text, both as in the file |
//! | `parameters` | elements of all weights |
//! | `weight_bytes` | their bytes, wherever they are |
//! | `nodes` | nodes of the graph with its subgraphs and functions |
//! | `operators` | list of `{domain, name, count}`, most frequent first |
//! | `trees` | `{trees, nodes, kernel, engine, folded, reason}` of the tree ensembles, or null |
//! | `external` | list of `{location, bytes, problem}`: files with weights; `problem` is null or why the file cannot be used |
//! | `inputs` | list of `{name, dtype, type, shape, features, categories, fed_by}` |
//! | `outputs` | list of `{name, dtype, type, shape, classes, columns}` |
//! | `classes` | class names of the whole model, or null |
//! | `raw_scores` | why an output looks like a raw score, or null |
//! | `nan_risk` | why missing values are scored wrongly, or null |
//! | `ops`, `weights`, `ensembles`, `memory`, `flops`, `docs` | with `--ops`, `--weights`, `--ensembles`, `--memory`, `--flops`, `--metadata` only: see the files of `depth` |
//! | `check` | with `--check` only: `{ok, runtime, source, load_ms, providers, run_ms, batch, outputs, error, hint, warnings}` |
//!
//! Of an input or output: `dtype` is the type of the elements, null for types that cannot be fed or
//! read; `type` is the whole type, such as `tensor(float32)` or `sequence(map(string, float32))`;
//! `shape` is a list with a number, a symbol's name or null for each dimension, and null where none
//! is declared; `features` are the names of the columns that fill a matrix, or null; `categories` are
//! the texts or numbers that the model's encoder of this input knows, or null; `fed_by` is
//! `column` (one of the input's name), `features`, `position` (as many columns as the matrix is
//! wide), `lists` (a column of JSON lists), `set` (needs `--set`), `state` (zeros unless `--set`) or
//! `nothing` (no file can feed it); `classes` are the names in the columns, or null; `columns` are
//! those that `predict` prints, null where only a run can tell and empty where the output is none.
//!
//! Of `trees`: `kernel` is what evaluates them: `mlserve`, `onnxruntime` or `both`; `engine` is how
//! mlserve's kernel does it, or null; `folded` is how many trees have the nodes that follow them in their
//! leaves; `reason` is why ensembles stay with ONNX Runtime, or null.
//!
//! Of `check`: `ok` is whether ONNX Runtime loads the model; `providers` is, with `--provider`, a list of
//! `{name, nodes, operators}` (`operators` a list of `{name, count}`) and else null; `run_ms`, `batch` (records of the
//! made-up batch) and `outputs` (list of `{name, dtype, shape, columns}`, `shape` null for a
//! sequence) are null where nothing ran; `error` and `hint` are texts or null: why the model was not
//! loaded or, where `ok` is true, why the made-up batch was refused; `warnings` are texts on how it was
//! loaded.

use serde_json::{Value, json};

use crate::batch::columns::Layout;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::model::assigned::Assigned;
use crate::model::external::ExternalFile;
use crate::model::onnx::{Facts, Format, Operator, Trees};
use crate::model::signature::{Dim, Port, Signature, ValueType};
use crate::model::trees::Evaluated;

use super::Told;
use super::check::{Checked, Ran, RanOutput};
use super::depth;
use super::ports::{self, Fed};
use super::shown::drives_terminal;

/// The report on what is `told`, ending in a newline.
///
/// # Errors
/// As [`ports::declared`].
pub(super) fn text(told: &Told<'_>) -> Result<String> {
    let mut report = report(told.facts, told.evaluated)?;
    if let (Some(depth), Some(keys)) = (told.depth, report.as_object_mut()) {
        depth::json(depth, keys);
    }
    if let (Some(checked), Some(keys)) = (told.checked, report.as_object_mut()) {
        keys.insert("check".to_owned(), check(checked));
    }
    let text = serde_json::to_string_pretty(&report)
        .map_err(|error| Error::model("", error.to_string()))?;
    Ok(escaped(&text) + "\n")
}

/// The report without the model's path, for those who are not on this machine: `name` and `version`
/// stand in its place.
///
/// # Errors
/// As [`ports::declared`].
pub(super) fn description(model: &Model, (name, version): (&str, &str)) -> Result<String> {
    let mut description = serde_json::Map::new();
    description.insert("name".to_owned(), json!(name));
    description.insert("version".to_owned(), json!(version));
    if let Value::Object(report) = report(&model.facts, model.evaluated())? {
        description.extend(report);
    }
    description.shift_remove("path");
    if let Some(providers) = providers(model.assigned()) {
        description.insert("providers".to_owned(), providers);
    }
    Ok(Value::Object(description).to_string())
}

fn report(facts: &Facts, evaluated: &Evaluated) -> Result<Value> {
    let signature = &facts.signature;
    Ok(json!({
        "path": facts.path.display().to_string(),
        "format": match facts.format {
            Format::Onnx => "onnx",
            Format::Ort => "ort",
        },
        "file_bytes": facts.file_bytes,
        "ir_version": facts.ir_version,
        "opsets": object(facts.opsets.iter().map(|(domain, version)| (domain, json!(version)))),
        "producer": facts.producer,
        "producer_version": facts.producer_version,
        "domain": facts.domain,
        "model_version": facts.model_version,
        "graph_name": facts.graph_name,
        "doc": facts.doc,
        "metadata": object(facts.metadata.iter().map(|(key, value)| (key, json!(value)))),
        "parameters": facts.parameters,
        "weight_bytes": facts.weight_bytes,
        "nodes": facts.nodes,
        "operators": facts.operators.iter().map(operator).collect::<Vec<_>>(),
        "trees": facts.trees.map(|size| trees(size, evaluated)),
        "external": facts.external.iter().map(external).collect::<Vec<_>>(),
        "inputs": inputs(facts),
        "outputs": outputs(signature)?,
        "classes": signature.classes,
        "raw_scores": facts.raw_scores,
        "nan_risk": facts.nan_risk,
    }))
}

fn object<'a>(pairs: impl Iterator<Item = (&'a String, Value)>) -> Value {
    Value::Object(pairs.map(|(key, value)| (key.clone(), value)).collect())
}

fn operator(operator: &Operator) -> Value {
    json!({"domain": operator.domain, "name": operator.name, "count": operator.count})
}

fn trees(size: Trees, evaluated: &Evaluated) -> Value {
    json!({
        "trees": size.trees,
        "nodes": size.nodes,
        "kernel": evaluated.word(),
        "engine": evaluated.engine(),
        "folded": evaluated.folded,
        "reason": evaluated.reason(),
    })
}

fn external(file: &ExternalFile) -> Value {
    json!({"location": file.location, "bytes": file.bytes, "problem": file.problem})
}

fn inputs(facts: &Facts) -> Vec<Value> {
    let signature = &facts.signature;
    let inputs = signature.inputs.iter().zip(ports::fed(signature));
    inputs.map(|(port, fed)| input(facts, port, &fed)).collect()
}

fn input(facts: &Facts, port: &Port, fed: &Fed<'_>) -> Value {
    let features = match fed {
        Fed::Features(names) => Some(names),
        _ => None,
    };
    json!({
        "name": port.name,
        "dtype": dtype(port),
        "type": kind(port),
        "shape": shape(port),
        "features": features,
        "categories": ports::categories(facts, port),
        "fed_by": fed.word(),
    })
}

fn outputs(signature: &Signature) -> Result<Vec<Value>> {
    let output = |(port, layout): (&Port, Layout)| {
        json!({
            "name": port.name,
            "dtype": dtype(port),
            "type": kind(port),
            "shape": shape(port),
            "classes": ports::classes(&layout),
            "columns": ports::columns(&layout),
        })
    };
    let layouts = ports::declared(signature)?;
    Ok(signature.outputs.iter().zip(layouts).map(output).collect())
}

fn dtype(port: &Port) -> Option<&'static str> {
    ports::element(&port.kind).map(|dtype| dtype.name())
}

fn kind(port: &Port) -> String {
    match &port.kind {
        ValueType::Tensor { dtype, .. } => format!("tensor({dtype})"),
        other => other.to_string(),
    }
}

fn shape(port: &Port) -> Option<Vec<Value>> {
    let dim = |dim: &Dim| match dim {
        Dim::Fixed(size) => json!(size),
        Dim::Symbol(name) => json!(name),
        Dim::Free => Value::Null,
    };
    Some(ports::shape(port)?.iter().map(dim).collect())
}

fn check(checked: &Checked) -> Value {
    let ran = checked.ran();
    let not_loaded = checked.loaded.as_ref().err().and_then(Error::report);
    let report = not_loaded.or_else(|| checked.refused());
    let outputs = |ran: &Ran| ran.outputs.iter().map(ran_output).collect::<Vec<_>>();
    json!({
        "ok": checked.loaded.is_ok(),
        "runtime": checked.runtime.map(|runtime| runtime.version()),
        "source": checked.runtime.map(|runtime| runtime.source().to_string()),
        "load_ms": checked.load_ms.map(rounded),
        "providers": providers(&checked.assigned),
        "run_ms": ran.map(|ran| rounded(ran.run_ms)),
        "batch": ran.map(|ran| ran.batch),
        "outputs": ran.map(outputs),
        "error": report.map(|report| &report.message),
        "warnings": checked.warnings,
        "hint": report.map(|report| &report.hint).filter(|hint| !hint.is_empty()),
    })
}

/// What each provider got of the nodes, where others than the CPU were asked for.
fn providers(assigned: &[Assigned]) -> Option<Value> {
    let provider = |assigned: &Assigned| {
        let operators = assigned.operators.iter();
        let operators = operators.map(|(name, count)| json!({"name": name, "count": count}));
        json!({
            "name": assigned.provider,
            "nodes": assigned.nodes,
            "operators": operators.collect::<Vec<_>>(),
        })
    };
    (!assigned.is_empty()).then(|| assigned.iter().map(provider).collect())
}

fn ran_output(output: &RanOutput) -> Value {
    let first = output.tensors.first();
    json!({
        "name": output.name,
        "dtype": first.map(|(dtype, _)| dtype),
        "shape": first.filter(|_| !output.is_sequence).map(|(_, shape)| shape),
        "columns": output.layout.columns(),
    })
}

/// To a microsecond: more digits are noise.
fn rounded(ms: f64) -> f64 {
    (ms * 1000.0).round() / 1000.0
}

/// `json` without anything that drives a terminal: it leaves the control characters from U+007F on
/// and the marks that turn text around as they are, but can say them.
pub(super) fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if drives_terminal(c) {
            // All of them are in the basic plane, where one escape says them.
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_drives_a_terminal_is_escaped_and_reads_back() {
        let text = "a\u{1b}[2J\u{9b}\u{7f}\u{202e}ü年\n\\";
        let json = escaped(&json!(text).to_string());
        assert_eq!(json, "\"a\\u001b[2J\\u009b\\u007f\\u202eü年\\n\\\\\"");
        assert_eq!(
            serde_json::from_str::<String>(&json).ok().as_deref(),
            Some(text)
        );
    }
}
