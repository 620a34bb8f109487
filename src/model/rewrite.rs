//! Small changes to a model's protobuf before ONNX Runtime loads it, on the wire level: every field
//! that is not changed is copied as it is, known to us or not.
//!
//! Two changes, and only where they are needed:
//! - a ZipMap at the end of the graph becomes an Identity, so that probabilities come back as one
//!   matrix and not as a map for each record (37 M against 3.5 M records/s on a logistic model);
//! - a StringNormalizer whose locale this system lacks gets `C.UTF-8`, which folds case alike.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use super::external;
use super::locale;
use super::names::zipmap_keys;
use super::onnx::{Facts, Format};
use super::proto::{Budget, Graph, Model, Node, Type};
use super::wire::{self, Fault, Field, put_bytes, put_int};
use crate::error::{Error, Result};

/// The session option that a model loaded from bytes needs to find its external data; its value
/// is [`external_folder`].
pub const EXTERNAL_FOLDER_OPTION: &str = "session.model_external_initializers_file_folder_path";

/// The folder of the model's external data, if it has any: to be set as
/// [`EXTERNAL_FOLDER_OPTION`] when rewritten bytes are loaded, since those have no path.
pub fn external_folder(facts: &Facts) -> Option<PathBuf> {
    let needed = !facts.external.is_empty();
    needed.then(|| external::folder(&facts.path))
}

/// Protobuf messages, and so models in memory, end at 2 GiB.
const LARGEST: usize = i32::MAX as usize - (1 << 20);

/// The opset for ONNX itself where a model imports none: CatBoost's import ai.onnx.ml alone.
/// Identity has been the same since opset 1; 9 is the newest that every runtime in use knows.
const OPSET: i64 = 9;

/// Rewrites the `bytes` of the model that `facts` were read from. `None`: load the file itself,
/// because there is nothing to change, or because only the file can be loaded (models over 2 GiB,
/// external data behind links out of the folder).
///
/// # Errors
/// [`Error::Model`] if a StringNormalizer needs a locale that this system has no match for.
pub fn rewrite(bytes: &[u8], facts: &Facts) -> Result<Option<Vec<u8>>> {
    rewrite_for(bytes, facts, &locale::has)
}

/// [`rewrite`] on a system with the locales that `has` says.
fn rewrite_for(bytes: &[u8], facts: &Facts, has: &dyn Fn(&str) -> bool) -> Result<Option<Vec<u8>>> {
    let uses = |name: &str| facts.operators.iter().any(|op| op.name == name);
    if !uses("ZipMap") && !uses("StringNormalizer") {
        return Ok(None);
    }
    let place = || facts.path.display().to_string();
    let damaged = |_: Fault| Error::model(place(), "the ONNX model is damaged");
    let (model, _) = super::onnx::parse(bytes).map_err(damaged)?;
    let locales = replaced_locales(&model, has).map_err(|name| no_locale(&place(), &name))?;
    if facts.format == Format::Ort {
        return match locales.is_empty() {
            true => Ok(None),
            false => Err(no_locale(&place(), DEFAULT_LOCALE)),
        };
    }
    let surgery = Surgery {
        zipmaps: zipmaps(&model),
        locales,
    };
    let can_load = bytes.len() <= LARGEST && external::load_from_bytes(facts);
    if surgery.is_nothing() || !can_load {
        return Ok(None);
    }
    surgery.model(bytes, &model).map(Some).map_err(damaged)
}

/// The locale that ONNX Runtime takes for a StringNormalizer without the attribute.
const DEFAULT_LOCALE: &str = if cfg!(windows) {
    "en-US"
} else {
    "en_US.UTF-8"
};

/// What takes the place of a locale that is missing.
const NEUTRAL_LOCALE: &str = "C.UTF-8";

/// The locale of a StringNormalizer.
fn locale_of(node: &Node<'_>) -> String {
    let attribute = node.attribute("locale");
    let name = attribute.and_then(|a| a.string.as_deref());
    name.filter(|name| !name.is_empty())
        .unwrap_or(DEFAULT_LOCALE)
        .to_owned()
}

/// Whether case folds as everywhere else in this language: not in Turkish and its kin, where `I`
/// becomes a dotless `i`.
fn folds_plainly(locale: &str) -> bool {
    let language = locale.split(['_', '-', '.']).next().unwrap_or_default();
    !["tr", "az", "crh", "ku", "tt"].contains(&language)
}

/// The locales to replace, or the name of one that cannot be.
fn replaced_locales(
    model: &Model<'_>,
    has: &dyn Fn(&str) -> bool,
) -> std::result::Result<Vec<String>, String> {
    let mut names = Vec::new();
    for graph in model.graphs() {
        collect_locales(graph, &mut names);
    }
    names.sort();
    names.dedup();
    names.retain(|name| !has(name));
    match names.iter().find(|name| !folds_plainly(name)) {
        Some(name) => Err(name.clone()),
        None if names.is_empty() || has(NEUTRAL_LOCALE) => Ok(names),
        None => Err(names.swap_remove(0)),
    }
}

fn collect_locales(graph: &Graph<'_>, names: &mut Vec<String>) {
    for node in &graph.nodes {
        if node.is_onnx("StringNormalizer") {
            names.push(locale_of(node));
        }
        for graph in node.attributes.iter().flat_map(|a| &a.graphs) {
            collect_locales(graph, names);
        }
    }
}

fn no_locale(place: &str, name: &str) -> Error {
    let message = format!("the model's text needs the locale {name:?}, which this system lacks");
    Error::model(place, message).hint(format!(
        "install it, on Debian or Ubuntu: apt-get install locales && localedef -i {} -f UTF-8 {name}",
        name.split('.').next().unwrap_or(name),
    ))
}

/// What a ZipMap reads: a matrix with a column for each class.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Matrix {
    /// The number in `TensorProto.DataType`.
    dtype: i32,
    classes: usize,
}

/// By output name, the ZipMaps to drop: those of the main graph whose result is an output of it
/// and is not used by another node.
fn zipmaps(model: &Model<'_>) -> HashMap<String, Matrix> {
    let Some(graph) = &model.graph else {
        return HashMap::new();
    };
    let mut used = HashSet::new();
    collect_used(graph, &mut used);
    let declared = |name: &str| graph.outputs.iter().find(|output| output.name == name);
    let zipmaps = graph.nodes.iter().filter_map(|node| {
        let [output] = node.outputs.as_slice() else {
            return None;
        };
        let dtype = map_values(&declared(output)?.kind);
        let fits = node.is_ml("ZipMap") && node.inputs.len() == 1 && !used.contains(&**output);
        if !fits {
            return None;
        }
        let classes = zipmap_keys(node)?.len();
        Some((output.to_string(), Matrix { dtype, classes }))
    });
    zipmaps.collect()
}

/// The names that nodes of the graph and its subgraphs read.
fn collect_used<'m>(graph: &'m Graph<'_>, used: &mut HashSet<&'m str>) {
    for node in &graph.nodes {
        used.extend(node.inputs.iter().map(|name| &**name));
        for inner in node.attributes.iter().flat_map(|a| &a.graphs) {
            used.extend(inner.outputs.iter().map(|output| &*output.name));
            collect_used(inner, used);
        }
    }
}

/// The type of the values of a ZipMap's output; float32 where it is not declared.
fn map_values(kind: &Type<'_>) -> i32 {
    match kind {
        Type::Sequence(item) | Type::Map(_, item) => map_values(item),
        Type::Tensor(dtype, _) if *dtype != 0 => *dtype,
        _ => 1,
    }
}

/// What is to be changed.
struct Surgery {
    zipmaps: HashMap<String, Matrix>,
    locales: Vec<String>,
}

type Written = std::result::Result<Vec<u8>, Fault>;

impl Surgery {
    fn is_nothing(&self) -> bool {
        self.zipmaps.is_empty() && self.locales.is_empty()
    }

    fn model(&self, bytes: &[u8], model: &Model<'_>) -> Written {
        let mut out = Vec::with_capacity(bytes.len() + 1024);
        for field in wire::fields(bytes) {
            let field = field?;
            match field.number {
                7 => put_bytes(&mut out, 7, &self.graph(field.bytes()?, true)?),
                25 => put_bytes(&mut out, 25, &self.function(field.bytes()?)?),
                _ => out.extend_from_slice(field.raw),
            }
        }
        let mut domains = model.opsets.iter().map(|(domain, _)| &**domain);
        if !self.zipmaps.is_empty() && !domains.any(|domain| matches!(domain, "" | "ai.onnx")) {
            let mut opset = Vec::new();
            put_bytes(&mut opset, 1, b"");
            put_int(&mut opset, 2, OPSET);
            put_bytes(&mut out, 8, &opset);
        }
        Ok(out)
    }

    fn graph(&self, bytes: &[u8], is_main: bool) -> Written {
        let mut out = Vec::with_capacity(bytes.len() + 256);
        for field in wire::fields(bytes) {
            let field = field?;
            match field.number {
                1 => self.node(&field, is_main, &mut out)?,
                12 if is_main => self.output(&field, &mut out)?,
                _ => out.extend_from_slice(field.raw),
            }
        }
        Ok(out)
    }

    fn function(&self, bytes: &[u8]) -> Written {
        let mut out = Vec::with_capacity(bytes.len());
        for field in wire::fields(bytes) {
            let field = field?;
            match field.number {
                7 => self.node(&field, false, &mut out)?,
                _ => out.extend_from_slice(field.raw),
            }
        }
        Ok(out)
    }

    /// Writes the node in `field`, changed or not.
    fn node(
        &self,
        field: &Field<'_>,
        is_main: bool,
        out: &mut Vec<u8>,
    ) -> std::result::Result<(), Fault> {
        let bytes = field.bytes()?;
        let node = Node::read(bytes, &mut Budget::new())?;
        let has_graphs = node.attributes.iter().any(|a| !a.graphs.is_empty());
        let zipmap = node
            .outputs
            .first()
            .filter(|_| is_main && node.is_ml("ZipMap"));
        if let Some(output) = zipmap.filter(|output| self.zipmaps.contains_key(&***output)) {
            let input = node.inputs.first().map(|name| &**name).unwrap_or_default();
            put_bytes(out, field.number, &identity(input, output));
        } else if node.is_onnx("StringNormalizer") && self.locales.contains(&locale_of(&node)) {
            put_bytes(out, field.number, &neutral_normalizer(bytes)?);
        } else if has_graphs && !self.locales.is_empty() {
            put_bytes(out, field.number, &self.node_with_graphs(bytes)?);
        } else {
            out.extend_from_slice(field.raw);
        }
        Ok(())
    }

    fn node_with_graphs(&self, bytes: &[u8]) -> Written {
        let mut out = Vec::with_capacity(bytes.len());
        for field in wire::fields(bytes) {
            let field = field?;
            if field.number != 5 {
                out.extend_from_slice(field.raw);
                continue;
            }
            let mut attribute = Vec::new();
            for part in wire::fields(field.bytes()?) {
                let part = part?;
                match part.number {
                    6 | 11 => {
                        put_bytes(
                            &mut attribute,
                            part.number,
                            &self.graph(part.bytes()?, false)?,
                        );
                    }
                    _ => attribute.extend_from_slice(part.raw),
                }
            }
            put_bytes(&mut out, 5, &attribute);
        }
        Ok(out)
    }

    /// Writes the graph output in `field`; one that a ZipMap made becomes a matrix.
    fn output(&self, field: &Field<'_>, out: &mut Vec<u8>) -> std::result::Result<(), Fault> {
        let name = wire::fields(field.bytes()?)
            .filter_map(|part| part.ok())
            .filter(|part| part.number == 1)
            .filter_map(|part| part.bytes().ok())
            .last()
            .map(String::from_utf8_lossy)
            .unwrap_or_default();
        match self.zipmaps.get(&*name) {
            Some(matrix) => put_bytes(out, field.number, &matrix_output(&name, *matrix)),
            None => out.extend_from_slice(field.raw),
        }
        Ok(())
    }
}

/// A NodeProto: Identity from `input` to `output`.
fn identity(input: &str, output: &str) -> Vec<u8> {
    let mut node = Vec::new();
    put_bytes(&mut node, 1, input.as_bytes());
    put_bytes(&mut node, 2, output.as_bytes());
    put_bytes(&mut node, 4, b"Identity");
    node
}

/// A ValueInfoProto: `name` and the shape [?, classes].
fn matrix_output(name: &str, matrix: Matrix) -> Vec<u8> {
    let mut columns = Vec::new();
    let classes = i64::try_from(matrix.classes).unwrap_or(i64::MAX);
    put_int(&mut columns, 1, classes);
    let mut shape = Vec::new();
    put_bytes(&mut shape, 1, b"");
    put_bytes(&mut shape, 1, &columns);
    let mut tensor = Vec::new();
    put_int(&mut tensor, 1, i64::from(matrix.dtype));
    put_bytes(&mut tensor, 2, &shape);
    let mut kind = Vec::new();
    put_bytes(&mut kind, 1, &tensor);
    let mut info = Vec::new();
    put_bytes(&mut info, 1, name.as_bytes());
    put_bytes(&mut info, 2, &kind);
    info
}

/// The StringNormalizer in `bytes` with [`NEUTRAL_LOCALE`].
fn neutral_normalizer(bytes: &[u8]) -> Written {
    let mut out = Vec::with_capacity(bytes.len() + 32);
    for field in wire::fields(bytes) {
        let field = field?;
        let is_locale = field.number == 5 && attribute_name(field.bytes()?) == Some(b"locale");
        if !is_locale {
            out.extend_from_slice(field.raw);
        }
    }
    let mut locale = Vec::new();
    put_bytes(&mut locale, 1, b"locale");
    put_bytes(&mut locale, 4, NEUTRAL_LOCALE.as_bytes());
    put_int(&mut locale, 20, 3);
    put_bytes(&mut out, 5, &locale);
    Ok(out)
}

fn attribute_name(bytes: &[u8]) -> Option<&[u8]> {
    let parts = wire::fields(bytes).map_while(|part| part.ok());
    let name = parts.filter(|part| part.number == 1).last()?;
    name.bytes().ok()
}

#[cfg(test)]
mod tests {
    use super::super::onnx;
    use super::*;
    use std::path::Path;

    fn of_corpus(name: &str, has: &dyn Fn(&str) -> bool) -> Result<Option<Vec<u8>>> {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
        let bytes = onnx::open(&corpus.join(name))?;
        let facts = onnx::facts(&corpus.join(name), &bytes)?;
        rewrite_for(&bytes, &facts, has)
    }

    /// Output types and operators of a rewritten model.
    fn told(bytes: &[u8]) -> (Vec<String>, Vec<String>, Vec<(String, i64)>) {
        onnx::facts(Path::new("m.onnx"), bytes).map_or_else(
            |error| (vec![error.to_string()], Vec::new(), Vec::new()),
            |facts| {
                let outputs = facts.signature.outputs.iter();
                let shape = |port: &super::super::signature::Port| {
                    let shape = port.tensor().and_then(|(_, shape)| shape);
                    shape
                        .map(super::super::signature::shape_text)
                        .unwrap_or_default()
                };
                (
                    outputs
                        .map(|p| format!("{} {}{}", p.name, p.kind, shape(p)))
                        .collect(),
                    facts.operators.into_iter().map(|op| op.name).collect(),
                    facts.opsets,
                )
            },
        )
    }

    #[test]
    fn a_zipmap_becomes_an_identity_with_a_matrix_output() {
        for name in [
            "zipmap_unsorted.onnx",
            "zipmap_int64.onnx",
            "catboost_classifier.onnx",
        ] {
            let bytes = of_corpus(name, &|_| true)
                .ok()
                .flatten()
                .unwrap_or_default();
            let (outputs, operators, opsets) = told(&bytes);
            let matrix = outputs
                .get(1)
                .is_some_and(|out| out.ends_with(" float32[?, 3]"));
            assert!(matrix, "{name}: {outputs:?}");
            assert!(
                operators.iter().any(|op| op == "Identity"),
                "{name}: {operators:?}"
            );
            assert!(
                !operators.iter().any(|op| op == "ZipMap"),
                "{name}: {operators:?}"
            );
            assert!(
                opsets.iter().any(|(domain, _)| domain == "ai.onnx"),
                "{name}: {opsets:?}"
            );
        }
    }

    #[test]
    fn models_that_need_no_change_are_left_alone() {
        for name in ["iris.onnx", "iris.ort", "multi_output.onnx", "dtypes.onnx"] {
            assert_eq!(of_corpus(name, &|_| false).ok(), Some(None), "{name}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn models_whose_data_only_a_path_finds_are_left_alone() -> Result<()> {
        let failed = |e: std::io::Error| Error::io("test", &e);
        let folder = tempfile::tempdir().map_err(failed)?;
        for name in ["blobs", "snapshot"] {
            std::fs::create_dir(folder.path().join(name)).map_err(failed)?;
        }
        std::fs::write(folder.path().join("blobs/b"), [0; 8]).map_err(failed)?;
        std::os::unix::fs::symlink("../blobs/b", folder.path().join("snapshot/m.data"))
            .map_err(failed)?;
        let bytes = normalizer("fr_FR.UTF-8");
        let mut facts = onnx::facts(&folder.path().join("snapshot/m.onnx"), &bytes)?;
        for (location, is_left) in [("m.data", true), ("../blobs/b", true)] {
            facts.external = vec![external::ExternalFile {
                location: location.to_owned(),
                bytes: 8,
                problem: None,
            }];
            let rewritten = rewrite_for(&bytes, &facts, &|name| name == "C.UTF-8")?;
            assert_eq!(rewritten.is_none(), is_left, "{location}");
        }
        facts.external.clear();
        assert!(rewrite_for(&bytes, &facts, &|name| name == "C.UTF-8")?.is_some());
        Ok(())
    }

    #[test]
    fn unknown_fields_survive() -> Result<()> {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
        let path = corpus.join("zipmap_int64.onnx");
        let mut bytes = onnx::open(&path)?.to_vec();
        put_bytes(&mut bytes, 4242, b"a field of the future");
        let facts = onnx::facts(&path, &bytes)?;
        let rewritten = rewrite_for(&bytes, &facts, &|_| true)?.unwrap_or_default();
        let kept = wire::fields(&rewritten).any(|f| f.is_ok_and(|f| f.number == 4242));
        assert!(kept);
        Ok(())
    }

    /// A model of one StringNormalizer, in a subgraph.
    fn normalizer(locale: &str) -> Vec<u8> {
        let mut attribute = Vec::new();
        put_bytes(&mut attribute, 1, b"locale");
        put_bytes(&mut attribute, 4, locale.as_bytes());
        let mut node = Vec::new();
        put_bytes(&mut node, 4, b"StringNormalizer");
        if !locale.is_empty() {
            put_bytes(&mut node, 5, &attribute);
        }
        // graph { node { attribute { g { node } } } }, from the inside out.
        for number in [1, 6, 5, 1] {
            let inner = std::mem::take(&mut node);
            put_bytes(&mut node, number, &inner);
        }
        let mut model = Vec::new();
        put_int(&mut model, 1, 8);
        put_bytes(&mut model, 7, &node);
        model
    }

    fn locales(bytes: &[u8]) -> Vec<String> {
        let mut names = Vec::new();
        if let Ok(model) = Model::read(bytes) {
            for graph in model.graphs() {
                collect_locales(graph, &mut names);
            }
        }
        names
    }

    #[test]
    fn a_missing_locale_becomes_the_neutral_one_where_case_folds_alike() -> Result<()> {
        let path = Path::new("m.onnx");
        let slim: &[&str] = &["C", "C.UTF-8"];
        for (locale, there, expected) in [
            ("", slim, Ok("C.UTF-8")),
            ("fr_FR.UTF-8", slim, Ok("C.UTF-8")),
            ("C", slim, Ok("unchanged")),
            ("", &["C", "en_US.UTF-8"], Ok("unchanged")),
            ("", &["C"], Err("\"en_US.UTF-8\", which this system lacks")),
            (
                "tr_TR.UTF-8",
                slim,
                Err("\"tr_TR.UTF-8\", which this system lacks"),
            ),
        ] {
            let bytes = normalizer(locale);
            let facts = onnx::facts(path, &bytes)?;
            let rewritten = rewrite_for(&bytes, &facts, &|name| there.contains(&name));
            match (rewritten, expected) {
                (Ok(Some(bytes)), Ok(name)) => assert_eq!(locales(&bytes), [name], "{locale}"),
                (Ok(None), Ok(name)) => assert_eq!(name, "unchanged", "{locale}"),
                (Err(error), Err(text)) => assert!(error.to_string().contains(text), "{error}"),
                (got, _) => panic!("{locale}: {got:?}"),
            }
        }
        Ok(())
    }

    #[test]
    fn every_byte_flip_is_rewritten_or_refused() {
        let mut bytes = normalizer("fr_FR.UTF-8");
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let flip = |bytes: &mut Vec<u8>| {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= 1 << bit;
                    }
                };
                flip(&mut bytes);
                if let Ok(facts) = onnx::facts(Path::new("m.onnx"), &bytes) {
                    let _ = rewrite_for(&bytes, &facts, &|name| name == "C.UTF-8");
                }
                flip(&mut bytes);
            }
        }
    }
}
