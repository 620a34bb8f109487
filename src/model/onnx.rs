//! The facts of a model file: what it says about itself, read without any runtime.
//!
//! Knows `.onnx` (protobuf) and `.ort` (flatbuffer) files; both are read into the messages of
//! `proto`, and everything here is made from those. What a file is that is neither, `foreign` says.

mod declared;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::external::{self, ExternalFile};
use super::foreign;
use super::graph;
use super::lineage::Lineage;
use super::mapped;
use super::names;
use super::ortfile;
use super::proto::{self, Text};
use super::signature::Signature;
use super::signs;
use super::wire::Fault;
use crate::error::{Error, Result};
use crate::trees::read::levels::Deepest;

/// What a model file says about itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    pub path: PathBuf,
    pub file_bytes: u64,
    pub format: Format,
    pub ir_version: i64,
    /// Domain (`ai.onnx` for the empty one) and version, in the file's order.
    pub opsets: Vec<(String, i64)>,
    pub producer: String,
    pub producer_version: String,
    pub domain: String,
    pub model_version: i64,
    pub graph_name: String,
    pub doc: String,
    pub metadata: Vec<(String, String)>,
    /// Nodes of the graph, its subgraphs and the model's functions.
    pub nodes: usize,
    /// Most frequent first, then by name.
    pub operators: Vec<Operator>,
    /// Elements of all initializers and `Constant` nodes.
    pub parameters: u64,
    /// Their bytes as the file holds them; the text of strings is not counted.
    pub weight_bytes: u64,
    /// The size of the tree ensembles, if there are any.
    pub trees: Option<Trees>,
    /// Files beside the model that hold its weights, in order of first use.
    pub external: Vec<ExternalFile>,
    pub signature: Signature,
    /// Inputs that an encoder reads, with the categories that it knows, in the encoder's order.
    pub categories: Vec<(String, Vec<String>)>,
    /// Why an output looks like a raw score and not a probability.
    pub raw_scores: Option<String>,
    /// Why missing values are silently scored wrongly.
    pub nan_risk: Option<&'static str>,
}

/// How a model file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// ONNX protobuf.
    Onnx,
    /// ONNX Runtime's own flatbuffer.
    Ort,
}

/// How often an operator is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// `ai.onnx` for the empty domain.
    pub domain: String,
    pub name: String,
    pub count: usize,
}

/// The size of the tree ensembles of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trees {
    pub trees: usize,
    /// Inner nodes and leaves; of ai.onnx.ml 5 ensembles the inner nodes alone.
    pub nodes: usize,
    /// The tree of the most levels, where an ensemble has nodes enough for many.
    pub deepest: Option<Deepest>,
}

/// Reads the facts of the model file at `path`.
///
/// # Errors
/// [`Error::Model`] if there is no such file, or it is not a model that can be read; the hint says
/// how to export what it looks like to ONNX.
pub fn read(path: &Path) -> Result<Facts> {
    let bytes = open(path)?;
    facts(path, &bytes)
}

/// Memory-maps the model file at `path`.
///
/// # Errors
/// [`Error::Model`] as for [`read`], as far as a look at the path can tell.
pub fn open(path: &Path) -> Result<Mmap> {
    let place = path.display().to_string();
    let denied = |source: &std::io::Error| {
        // The words are those of Error::io; the code is that of a model that cannot be used.
        match Error::io(place.clone(), source) {
            Error::Io(report) => Error::Model(report),
            other => other,
        }
    };
    // Looked at before it is opened: opening a pipe would wait for its writer.
    let meta = path.metadata().map_err(|source| denied(&source))?;
    if meta.is_dir() {
        return Err(foreign::folder(path));
    }
    if !meta.is_file() {
        return Err(
            Error::model(place, "not a regular file").hint("save the model to a file first")
        );
    }
    if meta.len() == 0 {
        return Err(not_a_model(path, &[], Fault::Ends));
    }
    let file = File::open(path).map_err(|source| denied(&source))?;
    mapped::map(&file).map_err(|source| denied(&source))
}

/// Reads the facts out of the `bytes` of the model file at `path`.
///
/// # Errors
/// [`Error::Model`] as for [`read`].
pub fn facts(path: &Path, bytes: &[u8]) -> Result<Facts> {
    let (model, format) = parse(bytes).map_err(|fault| not_a_model(path, bytes, fault))?;
    let Some(graph) = &model.graph else {
        return Err(not_a_model(path, bytes, Fault::Malformed));
    };
    let tally = graph::tally(&model);
    let lineage = Lineage::of(graph);
    let signature = declared::signature(&model, graph, &lineage);
    Ok(Facts {
        path: path.to_owned(),
        file_bytes: bytes.len() as u64,
        format,
        ir_version: model.ir_version,
        opsets: model
            .opsets
            .iter()
            .map(|(domain, version)| (domain_name(domain), *version))
            .collect(),
        producer: model.producer_name.to_string(),
        producer_version: model.producer_version.to_string(),
        domain: model.domain.to_string(),
        model_version: model.model_version,
        graph_name: graph.name.to_string(),
        doc: if model.doc.is_empty() {
            &graph.doc
        } else {
            &model.doc
        }
        .to_string(),
        metadata: owned_pairs(&model.metadata),
        nodes: tally.nodes,
        operators: operators(&tally.operators),
        parameters: tally.parameters,
        weight_bytes: tally.weight_bytes,
        trees: tally.trees,
        external: external::examine(path, &tally.external),
        raw_scores: signs::raw_scores(&model, graph, &lineage, &signature),
        nan_risk: signs::nan_risk(&model, &tally),
        categories: names::categories(&signature, graph, &lineage),
        signature,
    })
}

/// The messages in the `bytes` of the model file at `path`.
///
/// # Errors
/// [`Error::Model`] as for [`read`].
pub(crate) fn parsed<'m>(path: &Path, bytes: &'m [u8]) -> Result<proto::Model<'m>> {
    let (model, _) = parse(bytes).map_err(|fault| not_a_model(path, bytes, fault))?;
    Ok(model)
}

/// Reads `bytes` as whichever of the two formats they are.
pub(crate) fn parse(bytes: &[u8]) -> std::result::Result<(proto::Model<'_>, Format), Fault> {
    if ortfile::is_ort(bytes) {
        return Ok((ortfile::read(bytes)?, Format::Ort));
    }
    Ok((proto::Model::read(bytes)?, Format::Onnx))
}

/// The error for bytes that are no model: what they look like instead, or how they are damaged.
fn not_a_model(path: &Path, bytes: &[u8], fault: Fault) -> Error {
    let place = path.display().to_string();
    if let Some(foreign) = foreign::describe(bytes, path) {
        return foreign.error(path);
    }
    if fault == Fault::TooMuch {
        return Error::model(
            place,
            "the graph is larger or deeper nested than any real model",
        );
    }
    if ortfile::is_ort(bytes) {
        return Error::model(place, "the ORT model is damaged or was cut short")
            .hint("copy or download the file again");
    }
    if foreign::starts_like_onnx(bytes) {
        let what = match fault {
            Fault::Ends => "the ONNX model ends in the middle",
            _ => "the ONNX model is damaged",
        };
        return Error::model(place, what).hint(
            "copy or download the file again: a transfer that stopped early or in text mode does this",
        );
    }
    Error::model(place, "not an ONNX model").hint("mlserve reads .onnx and .ort files")
}

/// The name of a domain as we show it.
pub(super) fn domain_name(domain: &str) -> String {
    if domain.is_empty() { "ai.onnx" } else { domain }.to_owned()
}

fn owned_pairs(pairs: &[(Text<'_>, Text<'_>)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect()
}

fn operators(counts: &HashMap<(&str, &str), usize>) -> Vec<Operator> {
    let mut merged: HashMap<(String, &str), usize> = HashMap::new();
    for ((domain, name), count) in counts {
        *merged.entry((domain_name(domain), *name)).or_default() += count;
    }
    let mut operators: Vec<Operator> = merged
        .into_iter()
        .map(|((domain, name), count)| Operator {
            domain,
            name: name.to_owned(),
            count,
        })
        .collect();
    operators.sort_by(|a, b| {
        let by_name = || (&a.name, &a.domain).cmp(&(&b.name, &b.domain));
        b.count.cmp(&a.count).then_with(by_name)
    });
    operators
}
