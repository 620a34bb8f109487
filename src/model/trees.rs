//! Tree ensembles out of ONNX Runtime's hands: each tree node that our kernel can evaluate becomes an
//! operator of ours, or, where the graph is nothing else, is evaluated without ONNX Runtime's run.
//!
//! ```text
//! node -> attributes -> evaluator (compiled) -> slot -> selfcheck (against ONNX Runtime's own node)
//!      -> rewrite (the operator in the node's place) | direct (the whole graph)
//! ```
//!
//! Before that, single trees whose outputs go through more nodes into one sum are made one ensemble
//! (`fold`), where ONNX Runtime gives the same.
//!
//! How trees are evaluated is `crate::trees`; this is what knows ONNX files and ONNX Runtime of it.

mod attributes;
mod cut;
mod depth;
mod direct;
mod evaluator;
mod fold;
mod operator;
mod selfcheck;
mod slot;
#[cfg(test)]
mod tests;
mod types;

use std::borrow::Cow;

use super::external;
use super::onnx::{self, Facts, Format};
use super::proto;
use super::rewrite::LARGEST;
use super::runtime::Runtime;
use crate::error::Result;
use crate::trees::engine::Processor;
use crate::trees::kernel::Kernel;
use crate::trees::outline::Outline;
use crate::trees::read;
use evaluator::element;

pub(crate) use attributes::deepest;
pub(crate) use depth::{SHALLOW, check as check_depth, stack_bytes};
pub(crate) use direct::Direct;
pub(crate) use fold::Folded;
pub(crate) use operator::Operators;
pub(crate) use selfcheck::check;
pub(crate) use slot::Slots;
pub(crate) use types::Types;

/// What is to evaluate tree ensembles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choice {
    /// Our kernel, where it can.
    #[default]
    Auto,
    /// ONNX Runtime.
    Ort,
}

/// What evaluates the tree ensembles of a model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evaluated {
    /// Of each ensemble that our kernel evaluates: by which engine.
    pub engines: Vec<String>,
    /// Of each that stays with ONNX Runtime: why, as a clause.
    pub reasons: Vec<String>,
    /// How many single trees have what follows them in their leaves, and so are one ensemble.
    pub folded: usize,
}

impl Evaluated {
    /// Of the ensembles of `slots`.
    pub(crate) fn of(slots: &Slots<'_>) -> Evaluated {
        let mut evaluated = Evaluated::default();
        for slot in &slots.slots {
            match &slot.evaluator {
                Ok(evaluator) => evaluated.engines.push(evaluator.engine().to_owned()),
                Err(reason) => evaluated.reasons.push(reason.clone()),
            }
        }
        evaluated
    }

    /// `mlserve`, `onnxruntime` or `both`.
    pub fn word(&self) -> &'static str {
        match (self.engines.is_empty(), self.reasons.is_empty()) {
            (false, true) => "mlserve",
            (false, false) => "both",
            (true, _) => "onnxruntime",
        }
    }

    /// The engines, each once: `AVX-512`.
    pub fn engine(&self) -> Option<String> {
        distinct(&self.engines)
    }

    /// The reasons why ensembles stay with ONNX Runtime, each once.
    pub fn reason(&self) -> Option<String> {
        distinct(&self.reasons)
    }

    /// `mlserve kernel (AVX-512)`, `stays with ONNX Runtime: its input is int64`, or both.
    pub fn text(&self) -> String {
        let folded = match self.folded {
            0 => "",
            _ => ", with what follows their leaves",
        };
        let ours = self
            .engine()
            .map(|engine| format!("mlserve kernel ({engine}){folded}"));
        let theirs = self.reason();
        let total = self.engines.len() + self.reasons.len();
        match (ours, theirs) {
            (Some(ours), None) => ours,
            (None, Some(reason)) => format!("stays with ONNX Runtime: {reason}"),
            (Some(ours), Some(reason)) => format!(
                "{ours} for {} of {total} ensembles, the rest stays with ONNX Runtime: {reason}",
                self.engines.len()
            ),
            (None, None) => String::new(),
        }
    }
}

/// Each of the texts once, in order.
fn distinct(texts: &[String]) -> Option<String> {
    let mut seen: Vec<&str> = Vec::new();
    for text in texts {
        if !seen.contains(&text.as_str()) {
            seen.push(text);
        }
    }
    (!seen.is_empty()).then(|| seen.join("; "))
}

/// What will evaluate the tree ensembles of the model of `facts`, told from its file alone.
///
/// # Errors
/// [`Error::Model`](crate::error::Error::Model) if the file is not there any more, or another.
pub fn foretell(facts: &Facts, choice: Choice) -> Result<Evaluated> {
    if facts.trees.is_none() {
        return Ok(Evaluated::default());
    }
    let bytes = onnx::open(&facts.path)?;
    let model = onnx::parsed(&facts.path, &bytes)?;
    let slots = find(&model, bytes.len(), facts, choice);
    let mut evaluated = Evaluated::of(&slots);
    if !slots.is_empty() {
        evaluated.folded = fold::foldable(&model);
    }
    Ok(evaluated)
}

/// The model with single trees and what follows them made one ensemble, where `choice` lets it and
/// ONNX Runtime gives the same.
pub(crate) fn fold<'m>(
    runtime: &Runtime,
    model: &'m proto::Model<'m>,
    bytes: &[u8],
    facts: &Facts,
    choice: Choice,
) -> Option<Folded> {
    if facts.trees.is_none() || stays(bytes.len(), facts, choice).is_some() {
        return None;
    }
    fold::fold(runtime, model, bytes)
}

/// The kernel of a model's only tree ensemble, for one instruction set and without the graph around
/// it: what benches time. `None` where the model has several ensembles, or one that stays with ONNX
/// Runtime.
///
/// # Errors
/// As [`foretell`].
pub fn kernel_alone(facts: &Facts, processor: Processor) -> Result<Option<Kernel>> {
    let bytes = onnx::open(&facts.path)?;
    let model = onnx::parsed(&facts.path, &bytes)?;
    let slots = find(&model, bytes.len(), facts, Choice::Auto);
    let [slot] = slots.slots.as_slice() else {
        return Ok(None);
    };
    let kernel = slot.evaluator.as_ref().ok().and_then(|evaluator| {
        let attributes = attributes::read(slot.node, element(evaluator.input())).ok()?;
        Kernel::compile_for(read::read(&attributes).ok()?, Some(processor)).ok()
    });
    Ok(kernel)
}

/// Whether `node` is one of the tree operators.
pub(crate) fn is_tree(node: &proto::Node<'_>) -> bool {
    slot::is_tree(node)
}

/// The trees of a tree operator as its lists draw them.
///
/// # Errors
/// [`Refusal`](read::Refusal) where its attributes are not what they should be.
pub(crate) fn outline(node: &proto::Node<'_>) -> std::result::Result<Outline, read::Refusal> {
    // Tensors are of the precision of the input, which only the nodes before it tell.
    let attributes = attributes::read(node, 1).or_else(|_| attributes::read(node, 11));
    Ok(Outline::of(&attributes?))
}

/// The tree nodes of `model`, those compiled that may leave ONNX Runtime.
pub(crate) fn find<'m>(
    model: &'m proto::Model<'m>,
    file_bytes: usize,
    facts: &Facts,
    choice: Choice,
) -> Slots<'m> {
    let stays = stays(file_bytes, facts, choice);
    Slots::of(model, stays.as_deref())
}

/// Why all trees have to stay with ONNX Runtime, if they have.
fn stays(file_bytes: usize, facts: &Facts, choice: Choice) -> Option<Cow<'static, str>> {
    let reason = if choice == Choice::Ort {
        "--trees ort was asked for"
    } else if let Some(fault) = depth::fault(facts) {
        return Some(fault.into());
    } else if facts.format == Format::Ort {
        "a file in ONNX Runtime's own format is loaded as it is"
    } else if file_bytes > LARGEST {
        "a model of over 2 GiB is loaded as it is"
    } else if !external::can_load_from_bytes(facts) {
        "only its file, and not a changed copy, finds the model's external data"
    } else {
        return None;
    };
    Some(reason.into())
}
