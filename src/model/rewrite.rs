//! Small changes to a model's protobuf before ONNX Runtime loads it, on the wire level: every field
//! that is not changed is copied as it is, known to us or not.
//!
//! Three changes, and only where they are needed:
//! - a ZipMap at the end of the graph becomes an Identity, so that probabilities come back as one
//!   matrix and not as a map for each record (37 M against 3.5 M records/s on a logistic model);
//! - a StringNormalizer whose locale this system lacks gets `C.UTF-8`, which folds case alike;
//! - a tree ensemble that our own kernel evaluates becomes an operator of ours (`trees`), without the
//!   lists that the trees are in: ONNX Runtime neither reads nor keeps them.

mod normalizer;
#[cfg(test)]
mod tests;
mod zipmap;

use std::collections::HashSet;
use std::path::PathBuf;

use super::external;
use super::locale;
use super::onnx::{self, Facts, Format};
use super::proto::{Budget, Model, Node};
use super::trees::Slots;
use super::wire::{self, Fault, Field, put_bytes};
use crate::error::{Error, Result};
use zipmap::ZipMaps;

/// The folder of the model's external data, if it has any. The runtime must be told it where
/// rewritten bytes are loaded, since those have no path.
pub(crate) fn external_folder(facts: &Facts) -> Option<PathBuf> {
    let needed = !facts.external.is_empty();
    needed.then(|| external::folder(&facts.path))
}

/// Protobuf messages, and so models in memory, end at 2 GiB.
pub(crate) const LARGEST: usize = i32::MAX as usize - (1 << 20);

/// The outputs of ZipMaps that [`rewrite`] takes out of `model`: they are what the ZipMap reads.
pub(crate) fn dropped(model: &Model<'_>) -> HashSet<String> {
    zipmap::zipmaps(model).into_keys().collect()
}

/// Rewrites the `bytes` of the model that `facts` were read from, with our operators in `slots`. `None`: load the file itself,
/// because there is nothing to change, or because only the file can be loaded (models over 2 GiB,
/// external data behind links out of the folder).
///
/// # Errors
/// [`Error::Model`] if a StringNormalizer needs a locale that this system has no match for.
pub(crate) fn rewrite(bytes: &[u8], facts: &Facts, slots: &Slots<'_>) -> Result<Option<Vec<u8>>> {
    rewrite_for(bytes, facts, slots, &locale::has)
}

/// [`rewrite`] on a system with the locales that `has` says.
fn rewrite_for(
    bytes: &[u8],
    facts: &Facts,
    slots: &Slots<'_>,
    has: &dyn Fn(&str) -> bool,
) -> Result<Option<Vec<u8>>> {
    let uses = |name: &str| facts.operators.iter().any(|op| op.name == name);
    if !uses("ZipMap") && !uses("StringNormalizer") && slots.is_empty() {
        return Ok(None);
    }
    let place = || facts.path.display().to_string();
    let damaged = |_: Fault| Error::model(place(), "the ONNX model is damaged");
    let (model, _) = onnx::parse(bytes).map_err(damaged)?;
    let locales = normalizer::replaced_locales(&model, has)
        .map_err(|name| normalizer::no_locale(&place(), &name))?;
    if facts.format == Format::Ort {
        return match locales.is_empty() {
            true => Ok(None),
            false => Err(normalizer::no_locale(&place(), normalizer::DEFAULT_LOCALE)),
        };
    }
    let surgery = Surgery {
        zipmaps: zipmap::zipmaps(&model),
        locales,
        slots,
    };
    let can_load = bytes.len() <= LARGEST && external::can_load_from_bytes(facts);
    if surgery.is_nothing() || !can_load {
        return Ok(None);
    }
    surgery.model(bytes, &model).map(Some).map_err(damaged)
}

/// What is to be changed.
struct Surgery<'s> {
    zipmaps: ZipMaps,
    /// The locales that are missing.
    locales: Vec<String>,
    /// The tree nodes.
    slots: &'s Slots<'s>,
}

/// What comes of writing a message.
type Written = std::result::Result<Vec<u8>, Fault>;

/// The new contents of a field, `None` where it stays as it is.
type Change = std::result::Result<Option<Vec<u8>>, Fault>;

impl Surgery<'_> {
    fn is_nothing(&self) -> bool {
        self.zipmaps.is_empty() && self.locales.is_empty() && self.slots.is_empty()
    }

    fn model(&self, bytes: &[u8], model: &Model<'_>) -> Written {
        let mut out = copied(bytes, |field| match field.number {
            7 => self.main_graph(field.bytes()?).map(Some),
            25 => self.nodes(field.bytes()?, 7).map(Some),
            _ => Ok(None),
        })?;
        if !self.zipmaps.is_empty()
            && let Some(opset) = zipmap::opset_for_identity(model)
        {
            put_bytes(&mut out, 8, &opset);
        }
        if !self.slots.is_empty() {
            put_bytes(&mut out, 8, &Slots::opset());
        }
        Ok(out)
    }

    fn main_graph(&self, bytes: &[u8]) -> Written {
        copied(bytes, |field| match field.number {
            1 => self.main_node(field.bytes()?),
            12 => Ok(zipmap::output_instead(field.bytes()?, &self.zipmaps)),
            _ => Ok(None),
        })
    }

    fn main_node(&self, bytes: &[u8]) -> Change {
        let node = Node::read(bytes, &mut Budget::new())?;
        match zipmap::node_instead(&node, &self.zipmaps) {
            Some(identity) => Ok(Some(identity)),
            None => self.node(bytes, &node),
        }
    }

    /// A subgraph or a function, whose nodes are in the field `number`.
    fn nodes(&self, bytes: &[u8], number: u32) -> Written {
        copied(bytes, |field| {
            if field.number != number {
                return Ok(None);
            }
            let bytes = field.bytes()?;
            self.node(bytes, &Node::read(bytes, &mut Budget::new())?)
        })
    }

    /// The node in `bytes`, and whatever is in its subgraphs.
    fn node(&self, bytes: &[u8], node: &Node<'_>) -> Change {
        let has_graphs = node.attributes.iter().any(|a| !a.graphs.is_empty());
        let inner = !self.locales.is_empty() || !self.slots.is_empty();
        if let Some(ours) = self.slots.instead(node)? {
            Ok(Some(ours))
        } else if normalizer::is_of(node, &self.locales) {
            normalizer::neutral(bytes).map(Some)
        } else if has_graphs && inner {
            self.node_with_graphs(bytes).map(Some)
        } else {
            Ok(None)
        }
    }

    fn node_with_graphs(&self, bytes: &[u8]) -> Written {
        let attribute = |bytes: &[u8]| {
            copied(bytes, |field| match field.number {
                6 | 11 => self.nodes(field.bytes()?, 1).map(Some),
                _ => Ok(None),
            })
        };
        copied(bytes, |field| match field.number {
            5 => attribute(field.bytes()?).map(Some),
            _ => Ok(None),
        })
    }
}

/// Copies a message field by field, but for the contents of the fields that `change` changes.
fn copied(bytes: &[u8], change: impl Fn(&Field<'_>) -> Change) -> Written {
    // Room for what changes: an output with its shape, a locale.
    let mut out = Vec::with_capacity(bytes.len() + 256);
    for field in wire::fields(bytes) {
        let field = field?;
        match change(&field)? {
            Some(contents) => put_bytes(&mut out, field.number, &contents),
            None => out.extend_from_slice(field.raw),
        }
    }
    Ok(out)
}

/// The name of the attribute or the value in `bytes`: the last field 1, as readers take it.
fn name_of(bytes: &[u8]) -> Option<&[u8]> {
    let parts = wire::fields(bytes).map_while(|part| part.ok());
    let name = parts.filter(|part| part.number == 1).last()?;
    name.bytes().ok()
}
