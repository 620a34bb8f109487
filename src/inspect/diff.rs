//! `--diff NEW`: what changed from one version of a model to the next, and whether callers of the old
//! one still work with the new: a gate for a pipeline.
//!
//! What breaks callers, `model::compatible` says. All else is told and breaks nothing.

mod json;
mod text;

use std::path::Path;

use super::print;
use crate::cli::InspectArgs;
use crate::error::{Error, Result};
use crate::model::anatomy::{self, Changes};
use crate::model::compatible::{Break, compatible};
use crate::model::onnx::{self, Facts};

/// All that is told.
struct Difference<'a> {
    old: &'a Facts,
    new: &'a Facts,
    breaks: Vec<Break>,
    changes: Changes,
}

/// Prints what changed from the model of `old` to that at `new`.
///
/// # Errors
/// [`Error::Model`] for a file that is no model; after the report [`Error::Data`], whose exit code is 1,
/// where callers break.
pub(super) fn run(old: &Facts, new: &Path, args: &InspectArgs) -> Result<()> {
    let new = &onnx::read(new)?;
    let difference = Difference {
        old,
        new,
        breaks: compatible(&old.signature, &new.signature),
        changes: anatomy::changes(old, new)?,
    };
    let report = match args.json {
        true => json::text(&difference)?,
        false => text::text(&difference, args.depth.top as usize),
    };
    print(&report)?;
    let count = difference.breaks.len();
    match difference.breaks.first() {
        None => Ok(()),
        Some(first) => Err(Error::data(
            new.path.display().to_string(),
            match count {
                1 => format!("not compatible with {}: {first}", old.path.display()),
                _ => format!(
                    "not compatible with {}: {first}, and {} more",
                    old.path.display(),
                    count - 1
                ),
            },
        )),
    }
}

/// One thing that facts say, as it was and as it is.
struct Changed {
    what: String,
    old: String,
    new: String,
}

impl Changed {
    fn new(what: impl Into<String>, old: &impl ToString, new: &impl ToString) -> Changed {
        Changed {
            what: what.into(),
            old: old.to_string(),
            new: new.to_string(),
        }
    }
}

/// What the files say of themselves, where it changed.
fn facts(old: &Facts, new: &Facts) -> Vec<Changed> {
    let all = [
        Changed::new("file_bytes", &old.file_bytes, &new.file_bytes),
        Changed::new("ir_version", &old.ir_version, &new.ir_version),
        Changed::new("producer", &old.producer, &new.producer),
        Changed::new(
            "producer_version",
            &old.producer_version,
            &new.producer_version,
        ),
        Changed::new("domain", &old.domain, &new.domain),
        Changed::new("model_version", &old.model_version, &new.model_version),
        Changed::new("graph_name", &old.graph_name, &new.graph_name),
        Changed::new("doc", &old.doc, &new.doc),
        Changed::new("nodes", &old.nodes, &new.nodes),
        Changed::new("parameters", &old.parameters, &new.parameters),
        Changed::new("weight_bytes", &old.weight_bytes, &new.weight_bytes),
    ];
    let changed = |changed: &Changed| changed.old != changed.new;
    all.into_iter().filter(changed).collect()
}

/// Keys with other values, in the old order, then the new keys; an absent one is empty.
fn pairs<K: AsRef<str>, V: ToString>(old: &[(K, V)], new: &[(K, V)]) -> Vec<Changed> {
    use std::collections::HashMap;
    let values = |pairs: &[(K, V)]| {
        let text = |(key, value): &(K, V)| (key.as_ref().to_owned(), value.to_string());
        pairs.iter().map(text).collect::<HashMap<String, String>>()
    };
    let (was, is) = (values(old), values(new));
    let keys = old.iter().map(|(key, _)| key.as_ref());
    let came = new.iter().map(|(key, _)| key.as_ref());
    let came = came.filter(|key| !was.contains_key(*key));
    let mut seen = std::collections::HashSet::new();
    keys.chain(came)
        .filter(|key| seen.insert(*key) && was.get(*key) != is.get(*key))
        .map(|key| Changed {
            what: key.to_owned(),
            old: was.get(key).cloned().unwrap_or_default(),
            new: is.get(key).cloned().unwrap_or_default(),
        })
        .collect()
}

fn opsets(old: &Facts, new: &Facts) -> Vec<Changed> {
    pairs(&old.opsets, &new.opsets)
}

/// Uses of operators, `my.company:Foo` of a domain that does not come with ONNX.
fn operators(old: &Facts, new: &Facts) -> Vec<Changed> {
    let counts = |facts: &Facts| {
        let count = |operator: &onnx::Operator| {
            let name = match operator.domain.as_str() {
                "ai.onnx" | "ai.onnx.ml" => operator.name.clone(),
                domain => format!("{domain}:{}", operator.name),
            };
            (name, operator.count)
        };
        facts.operators.iter().map(count).collect::<Vec<_>>()
    };
    let mut changed = pairs(&counts(old), &counts(new));
    for changed in &mut changed {
        for count in [&mut changed.old, &mut changed.new] {
            if count.is_empty() {
                "0".clone_into(count);
            }
        }
    }
    changed
}

/// Inputs and outputs that are otherwise declared, whether that breaks anybody or not.
fn signature(old: &Facts, new: &Facts) -> Vec<Changed> {
    use crate::model::signature::{Port, shape_text};
    let ports = |side: &str, ports: &[Port]| {
        let port = |port: &Port| {
            let shape = super::ports::shape(port).map(shape_text);
            let kind = format!("{} {}", port.kind, shape.unwrap_or_default());
            (format!("{side} {}", port.name), kind.trim_end().to_owned())
        };
        ports.iter().map(port).collect::<Vec<_>>()
    };
    let mut changed = Vec::new();
    let (was, is) = (&old.signature, &new.signature);
    changed.extend(pairs(
        &ports("input", &was.inputs),
        &ports("input", &is.inputs),
    ));
    changed.extend(pairs(
        &ports("output", &was.outputs),
        &ports("output", &is.outputs),
    ));
    let joined =
        |names: &Option<Vec<String>>| names.as_ref().map_or(String::new(), |n| n.join(", "));
    let mut names = vec![
        Changed::new(
            "feature names",
            &joined(&was.features),
            &joined(&is.features),
        ),
        Changed::new("class names", &joined(&was.classes), &joined(&is.classes)),
    ];
    let categories = |facts: &Facts| {
        let one = |(input, known): &(String, Vec<String>)| {
            (format!("categories of {input}"), known.join(", "))
        };
        facts.categories.iter().map(one).collect::<Vec<_>>()
    };
    names.extend(pairs(&categories(old), &categories(new)));
    changed.extend(
        names
            .into_iter()
            .filter(|changed| changed.old != changed.new),
    );
    changed
}
