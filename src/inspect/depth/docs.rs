//! `--metadata`: all that was written into the model about it, in full.
//!
//! The keys `producer`, `producer_version`, `domain`, `model_version`, `doc` and `metadata` of the JSON
//! have it anyway; key `docs` adds a list of `{of, name, text}`, where `of` is `graph`, `input`,
//! `output` or `node`.

use serde_json::{Value, json};

use super::heading;
use crate::inspect::shown::{self, LONGEST_NAME, cut};
use crate::model::anatomy::Doc;
use crate::model::onnx::Facts;

/// Longer texts are cut; the JSON has them whole.
const MOST_LINES: usize = 200;

pub(super) fn text(out: &mut String, facts: &Facts, docs: &[Doc]) {
    heading(out, "METADATA");
    let version = match facts.model_version {
        0 => String::new(),
        version => version.to_string(),
    };
    let own = [
        ("producer", facts.producer.as_str()),
        ("producer_version", facts.producer_version.as_str()),
        ("domain", facts.domain.as_str()),
        ("graph_name", facts.graph_name.as_str()),
        ("model_version", version.as_str()),
        ("doc", facts.doc.as_str()),
    ];
    for (key, value) in own {
        entry(out, key, value);
    }
    if !facts.metadata.is_empty() {
        heading(out, "METADATA OF THE AUTHOR");
    }
    for (key, value) in &facts.metadata {
        entry(out, key, value);
    }
    if !docs.is_empty() {
        heading(out, "DOCUMENTATION");
    }
    for doc in docs {
        entry(out, &format!("{} {}", doc.of, doc.name), &doc.text);
    }
}

/// `key: value`; a value of several lines stands below its key, indented.
fn entry(out: &mut String, key: &str, value: &str) {
    let key = cut(key, LONGEST_NAME);
    let value = value.trim();
    if value.is_empty() {
        return;
    }
    if !value.contains('\n') {
        out.extend([&key, ": ", &shown::whole(value), "\n"]);
        return;
    }
    out.extend([&key, ":\n"]);
    for line in value.lines().take(MOST_LINES) {
        out.extend(["  ", &shown::whole(line), "\n"]);
    }
    if let Some(more @ 1..) = value.lines().count().checked_sub(MOST_LINES) {
        out.push_str(&format!("  and {more} more lines; --json shows them all\n"));
    }
}

pub(super) fn json(docs: &[Doc]) -> Value {
    let doc = |doc: &Doc| json!({"of": doc.of, "name": doc.name, "text": doc.text});
    Value::Array(docs.iter().map(doc).collect())
}
