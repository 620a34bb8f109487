//! What is inside a model, part by part: each flag of `--ops`, `--weights`... is a section of the text
//! and a key of the JSON.
//!
//! Each file here has both forms of one section side by side, and lists its keys.

mod cost;
mod docs;
mod ensembles;
mod ops;
mod weights;

use serde_json::{Map, Value};

use crate::cli::DepthArgs;
use crate::error::{Error, Result};
use crate::model::anatomy::{self, Anatomy, Sizes, Wanted};
use crate::model::onnx::Facts;

/// The parts that were asked for.
pub(super) struct Depth {
    anatomy: Anatomy,
    /// Whether the metadata is asked for: `Facts` has it.
    metadata: bool,
    memory: bool,
    flops: bool,
    /// Rows of a table.
    top: usize,
}

/// Looks at the parts that `args` ask for; `None` where they ask for none.
///
/// # Errors
/// As [`anatomy::look`], and [`Error::Usage`] for a size that is no number.
pub(super) fn look(facts: &Facts, args: &DepthArgs) -> Result<Option<Depth>> {
    let wanted = Wanted {
        operators: args.ops,
        weights: args.weights,
        ensembles: args.ensembles,
        costs: if args.memory || args.flops {
            sizes(args)?
        } else {
            Vec::new()
        },
        docs: args.metadata,
    };
    if wanted == Wanted::default() {
        return Ok(None);
    }
    Ok(Some(Depth {
        anatomy: anatomy::look(facts, &wanted)?,
        metadata: args.metadata,
        memory: args.memory,
        flops: args.flops,
        top: args.top as usize,
    }))
}

/// The sizes that costs are told for: each `--batch` with what `--dim` says.
fn sizes(args: &DepthArgs) -> Result<Vec<Sizes>> {
    let mut named = Vec::new();
    for pair in &args.dim {
        let size = pair.value.parse().map_err(|_| {
            Error::usage(format!(
                "--dim {}: expected a size such as 128, found \"{}\"",
                pair.name, pair.value
            ))
        })?;
        named.push((pair.name.clone(), size));
    }
    let batches = args.batch.iter().map(|batch| u64::from(*batch));
    Ok(batches
        .map(|batch| Sizes {
            batch,
            named: named.clone(),
        })
        .collect())
}

/// The sections of the text, each after an empty line.
pub(super) fn text(facts: &Facts, depth: &Depth) -> String {
    let Depth { anatomy, top, .. } = depth;
    let mut out = String::new();
    if let Some(operators) = &anatomy.operators {
        ops::text(&mut out, operators, *top);
    }
    if let Some(weights) = &anatomy.weights {
        weights::text(&mut out, weights, *top);
    }
    if let Some(ensembles) = &anatomy.ensembles {
        ensembles::text(&mut out, ensembles, *top);
    }
    if depth.memory {
        cost::memory(&mut out, &anatomy.costs);
    }
    if depth.flops {
        cost::flops(&mut out, &anatomy.costs, *top);
    }
    if depth.metadata {
        docs::text(&mut out, facts, anatomy.docs.as_deref().unwrap_or_default());
    }
    out
}

/// Adds the keys of the JSON.
pub(super) fn json(depth: &Depth, keys: &mut Map<String, Value>) {
    let Depth { anatomy, .. } = depth;
    let mut add = |key: &str, value: Option<Value>| {
        keys.extend(value.map(|value| (key.to_owned(), value)));
    };
    add("ops", anatomy.operators.as_deref().map(ops::json));
    add("weights", anatomy.weights.as_ref().map(weights::json));
    add(
        "ensembles",
        anatomy.ensembles.as_deref().map(ensembles::json),
    );
    let costs = &anatomy.costs;
    add("memory", depth.memory.then(|| cost::memory_json(costs)));
    add("flops", depth.flops.then(|| cost::flops_json(costs)));
    add("docs", anatomy.docs.as_deref().map(docs::json));
}

/// Appends a heading after an empty line.
fn heading(out: &mut String, heading: &str) {
    out.extend(["\n", heading, "\n"]);
}

/// Says how many rows a table leaves out.
pub(super) fn more(out: &mut String, rows: usize, top: usize) {
    if let Some(more @ 1..) = rows.checked_sub(top) {
        out.push_str(&format!(
            "and {more} more; --top {rows} or --json shows them all\n"
        ));
    }
}
