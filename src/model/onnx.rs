//! The facts of a model file: what it says about itself, read without any runtime.
//!
//! Knows `.onnx` (protobuf) and `.ort` (flatbuffer) files; both are read into the messages of
//! `proto`, and everything here is made from those. What a file is that is neither, `foreign` says.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::dtype::Dtype;
use super::external::{self, ExternalFile};
use super::foreign;
use super::graph;
use super::mapped;
use super::names;
use super::ortfile;
use super::proto::{self, Dimension, Text, Type};
use super::signature::{Dim, Port, Signature, ValueType};
use super::signs;
use super::wire::Fault;
use crate::error::{Error, Result};

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
    let signature = signature(&model, graph);
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
        raw_scores: signs::raw_scores(&model, graph, &signature),
        nan_risk: signs::nan_risk(&model, &tally),
        categories: names::categories(&signature, graph),
        signature,
    })
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
pub(crate) fn domain_name(domain: &str) -> String {
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

fn signature(model: &proto::Model<'_>, graph: &proto::Graph<'_>) -> Signature {
    let initializers: HashSet<&str> = graph.initializers.iter().map(|t| &*t.name).collect();
    let port = |info: &proto::ValueInfo<'_>| Port {
        name: info.name.to_string(),
        kind: value_type(&info.kind),
        classes: None,
    };
    let mut signature = Signature {
        inputs: graph
            .inputs
            .iter()
            .filter(|info| !initializers.contains(&*info.name))
            .map(port)
            .collect(),
        outputs: graph.outputs.iter().map(port).collect(),
        features: None,
        classes: None,
    };
    names::name(&mut signature, model, graph);
    signature
}

fn value_type(kind: &Type<'_>) -> ValueType {
    match kind {
        Type::Tensor(number, shape) => match Dtype::from_onnx(*number) {
            Some(dtype) => ValueType::Tensor {
                dtype,
                shape: shape.as_ref().map(|dims| dims.iter().map(dim).collect()),
            },
            None => ValueType::Other(format!("tensor({})", dtype_name(*number))),
        },
        Type::SparseTensor(number) => {
            ValueType::Other(format!("sparse_tensor({})", dtype_name(*number)))
        }
        Type::Sequence(item) => ValueType::Sequence(Box::new(value_type(item))),
        Type::Optional(item) => ValueType::Optional(Box::new(value_type(item))),
        Type::Map(key, value) => match Dtype::from_onnx(*key) {
            Some(key) => ValueType::Map {
                key,
                value: Box::new(value_type(value)),
            },
            None => ValueType::Other(format!("map({}, {})", dtype_name(*key), value_type(value))),
        },
        Type::Opaque => ValueType::Other("opaque".to_owned()),
        Type::Undeclared => ValueType::Other("undeclared".to_owned()),
    }
}

fn dim(dim: &Dimension<'_>) -> Dim {
    match dim {
        Dimension::Value(size) => usize::try_from(*size).map_or(Dim::Free, Dim::Fixed),
        Dimension::Param(name) if !name.is_empty() => Dim::Symbol(name.to_string()),
        Dimension::Param(_) | Dimension::Free => Dim::Free,
    }
}

/// The name of any element type, also of those that [`Dtype`] leaves out.
fn dtype_name(number: i32) -> String {
    let name = match number {
        0 => "undefined",
        14 => "complex64",
        15 => "complex128",
        17 => "float8e4m3fn",
        18 => "float8e4m3fnuz",
        19 => "float8e5m2",
        20 => "float8e5m2fnuz",
        21 => "uint4",
        22 => "int4",
        23 => "float4e2m1",
        24 => "float8e8m0",
        25 => "uint2",
        26 => "int2",
        other => {
            return Dtype::from_onnx(other)
                .map_or_else(|| format!("type {other}"), |dtype| dtype.to_string());
        }
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::wire::{put_bytes, put_int};
    use super::*;

    fn corpus(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/corpus")
            .join(name)
    }

    fn message(parts: &[(u32, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (number, bytes) in parts {
            put_bytes(&mut out, *number, bytes);
        }
        out
    }

    /// A model with this graph, as exporters begin one.
    fn model(graph: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        put_int(&mut out, 1, 8);
        put_bytes(&mut out, 7, graph);
        out
    }

    fn message_of(bytes: &[u8]) -> String {
        let error = facts(Path::new("m.onnx"), bytes)
            .map(|_| ())
            .map_err(|e| e.to_string());
        error.err().unwrap_or_default()
    }

    #[test]
    fn every_prefix_of_a_model_gives_facts_or_an_error() {
        for name in [
            "iris.onnx",
            "iris.ort",
            "catboost_classifier.onnx",
            "local_function.onnx",
        ] {
            let bytes = std::fs::read(corpus(name)).unwrap_or_default();
            assert!(bytes.len() > 100, "{name}");
            for end in 0..bytes.len().min(4000) {
                let _ = facts(Path::new("m.onnx"), bytes.get(..end).unwrap_or_default());
            }
        }
    }

    #[test]
    fn flipped_bytes_give_facts_or_an_error() {
        let mut seed = 1_u64;
        let mut random = move || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as usize
        };
        for name in [
            "iris.onnx",
            "iris.ort",
            "names_dict.onnx",
            "ext.onnx",
            "multi_output.onnx",
        ] {
            let whole = std::fs::read(corpus(name)).unwrap_or_default();
            assert!(!whole.is_empty(), "{name}");
            for _ in 0..3000 {
                let mut bytes = whole.clone();
                for _ in 0..=random() % 4 {
                    let at = random() % bytes.len();
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte = random() as u8;
                    }
                }
                let _ = facts(&corpus(name), &bytes);
            }
        }
    }

    #[test]
    fn damaged_models_say_how_they_are_damaged() {
        let iris = std::fs::read(corpus("iris.onnx")).unwrap_or_default();
        let half = iris.get(..iris.len() / 2).unwrap_or_default();
        let mut two_graphs = model(b"");
        put_bytes(&mut two_graphs, 7, b"");
        // Graphs within attributes of nodes of graphs; then sequences of sequences.
        let mut deep = Vec::new();
        for _ in 0..2000 {
            deep = message(&[(1, &message(&[(5, &message(&[(6, &deep)]))]))]);
        }
        let mut kind = message(&[(1, b"")]);
        for _ in 0..2000 {
            kind = message(&[(4, &message(&[(1, &kind)]))]);
        }
        let deep_type = message(&[(11, &message(&[(2, &kind)]))]);
        let many = [0x0a, 0].repeat(6_000_000);
        for (bytes, message) in [
            (half, "m.onnx: the ONNX model ends in the middle"),
            (&two_graphs, "m.onnx: the ONNX model is damaged"),
            (
                &model(&deep),
                "m.onnx: the graph is larger or deeper nested than any real model",
            ),
            (
                &model(&deep_type),
                "m.onnx: the graph is larger or deeper nested than any real model",
            ),
            (
                &model(&many),
                "m.onnx: the graph is larger or deeper nested than any real model",
            ),
            (b"\x08\x08", "m.onnx: the ONNX model is damaged"),
            (b"\xde\xad\xbe\xef", "m.onnx: not an ONNX model"),
        ] {
            let error = message_of(bytes);
            assert_eq!(error.lines().next(), Some(message));
        }
    }

    #[test]
    fn a_hostile_product_of_dimensions_stays_at_the_largest_number() {
        let mut tensor = Vec::new();
        for _ in 0..3 {
            put_int(&mut tensor, 1, i64::MAX);
        }
        put_int(&mut tensor, 2, 1);
        let facts = facts(Path::new("m.onnx"), &model(&message(&[(5, &tensor)])));
        let sizes = facts.map(|facts| (facts.parameters, facts.weight_bytes));
        assert_eq!(sizes.ok(), Some((u64::MAX, u64::MAX)));
    }

    #[test]
    fn class_and_feature_names_come_out_of_real_models() {
        let names = |list: &[&str]| Some(list.iter().map(ToString::to_string).collect::<Vec<_>>());
        for (file, classes, features) in [
            (
                "iris.onnx",
                names(&["setosa", "versicolor", "virginica"]),
                None,
            ),
            (
                "iris.ort",
                names(&["setosa", "versicolor", "virginica"]),
                None,
            ),
            (
                "class_labels_output.onnx",
                names(&["setosa", "versicolor", "virginica"]),
                None,
            ),
            (
                "catboost_classifier.onnx",
                names(&["setosa", "versicolor", "virginica"]),
                None,
            ),
            (
                "zipmap_unsorted.onnx",
                names(&["zebra", "Ant", "mole"]),
                None,
            ),
            ("zipmap_int64.onnx", names(&["-1", "5", "10"]), None),
            ("names_dict.onnx", names(&["cat", "dog's", "owl"]), None),
            ("classes_ints.onnx", names(&["7", "3"]), None),
            ("multi_output.onnx", None, None),
            ("string_matrix.onnx", None, None),
            ("features_comma.onnx", None, names(&["a", "b", "c", "d"])),
            (
                "features_json.onnx",
                None,
                names(&["height, m", "weight", "a\"b"]),
            ),
        ] {
            let found = read(&corpus(file)).map(|f| (f.signature.classes, f.signature.features));
            assert_eq!(found.ok(), Some((classes, features)), "{file}");
        }
    }

    #[test]
    fn categories_that_an_encoder_of_an_input_knows_are_told() {
        let model = corpus("../../models/titanic.onnx");
        let told = read(&model).map(|facts| facts.categories).ok();
        let known = |input: &str, categories: &[&str]| {
            let categories = categories.iter().map(ToString::to_string).collect();
            (input.to_owned(), categories)
        };
        let expected = vec![
            known("class", &["1st", "2nd", "3rd"]),
            known("sex", &["female", "male"]),
        ];
        assert_eq!(told, Some(expected));
        let none = read(&corpus("iris.onnx")).map(|facts| facts.categories);
        assert_eq!(none.ok(), Some(Vec::new()));
    }

    #[test]
    fn traps_are_told_where_there_is_a_sign_of_them() {
        for (file, raw, nan) in [
            ("raw_scores.onnx", true, false),
            ("classes_json.onnx", false, false),
            ("regressor.onnx", false, true),
            ("isolation_forest.onnx", false, true),
            ("kmeans.onnx", false, true),
            ("catboost_classifier.onnx", false, false),
        ] {
            let signs = read(&corpus(file)).map(|f| (f.raw_scores.is_some(), f.nan_risk.is_some()));
            assert_eq!(signs.ok(), Some((raw, nan)), "{file}");
        }
    }

    #[test]
    fn an_ort_file_tells_what_its_onnx_file_tells() {
        let (onnx, ort) = (read(&corpus("iris.onnx")), read(&corpus("iris.ort")));
        let told =
            |facts: Result<Facts>| facts.map(|f| (f.signature, f.producer, f.ir_version)).ok();
        assert_eq!(told(onnx), told(ort));
    }
}
