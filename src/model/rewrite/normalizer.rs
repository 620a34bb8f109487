//! StringNormalizers whose locale this system lacks: which they are, and what they become.

use super::{Written, name_of};
use crate::error::Error;
use crate::model::proto::{Graph, Model, Node};
use crate::model::wire::{self, put_bytes, put_int};

/// The locale that ONNX Runtime takes for a StringNormalizer without the attribute.
pub(super) const DEFAULT_LOCALE: &str = if cfg!(windows) {
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

/// The locales to replace, for `has` says that they are missing, or the name of one that cannot be.
pub(super) fn replaced_locales(
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

/// Appends the locales of the StringNormalizers of `graph` and its subgraphs.
pub(super) fn collect_locales(graph: &Graph<'_>, names: &mut Vec<String>) {
    for node in &graph.nodes {
        if node.is_onnx("StringNormalizer") {
            names.push(locale_of(node));
        }
        for graph in node.attributes.iter().flat_map(|a| &a.graphs) {
            collect_locales(graph, names);
        }
    }
}

/// The error for a locale that is missing.
pub(super) fn no_locale(place: &str, name: &str) -> Error {
    let message = format!("the model's text needs the locale {name:?}, which this system lacks");
    Error::model(place, message).hint(format!(
        "install it, on Debian or Ubuntu: apt-get install locales && localedef -i {} -f UTF-8 {name}",
        name.split('.').next().unwrap_or(name),
    ))
}

/// Whether `node` is a StringNormalizer of one of `locales`.
pub(super) fn is_of(node: &Node<'_>, locales: &[String]) -> bool {
    node.is_onnx("StringNormalizer") && locales.contains(&locale_of(node))
}

/// The StringNormalizer in `bytes` with [`NEUTRAL_LOCALE`].
pub(super) fn neutral(bytes: &[u8]) -> Written {
    let mut out = Vec::with_capacity(bytes.len() + 32);
    for field in wire::fields(bytes) {
        let field = field?;
        let is_locale = field.number == 5 && name_of(field.bytes()?) == Some(b"locale");
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
