//! The difference for programs: one JSON object whose keys are stable.
//!
//! | key | value |
//! |---|---|
//! | `old`, `new` | the model files, as they were named |
//! | `compatible` | whether callers of the old model work with the new one |
//! | `breaks` | list of `{side, name, what, old, new, text}`: `side` is `input` or `output`, `what` is `gone`, `new`, `type`, `shape`, `features` or `classes` |
//! | `identical` | whether the files are the same, byte for byte |
//! | `signature`, `file`, `opsets`, `operators`, `metadata` | lists of `{what, old, new}`, texts that are empty where there was or is nothing |
//! | `weights` | `{compared, list}`: tensors of the same name, and a list of `{name, part, change, old, new, numbers}` of those that changed; `change` is `added`, `removed`, `renamed`, `retyped`, `values` or `unknown` |
//! | `nodes` | `{compared, list}`: nodes that give a value of the same name by the same operator, and a list of `{node, operator, attribute, numbers}` of what changed; an empty `attribute` means what the node reads |
//! | `ensembles` | list of `{name, operator, old_trees, new_trees, same, revalued, regrown, thresholds, leaves, settings}` |
//!
//! `numbers`, `thresholds` and `leaves` are `{count, changed, absolute, relative}` or null: how many
//! were compared and are another, and the largest difference, as it is (null where it is infinite) and
//! as a share of the larger number.

use serde_json::{Value, json};

use super::{Changed, Difference};
use crate::error::{Error, Result};
use crate::inspect::json::escaped;
use crate::model::anatomy::{
    AttributeChange, EnsembleChange, NumberChange, WeightChange, WeightState,
};
use crate::model::compatible::Break;

/// The report, ending in a newline.
pub(super) fn text(difference: &Difference<'_>) -> Result<String> {
    let Difference {
        old, new, changes, ..
    } = difference;
    let report = json!({
        "old": old.path.display().to_string(),
        "new": new.path.display().to_string(),
        "compatible": difference.breaks.is_empty(),
        "breaks": difference.breaks.iter().map(broken).collect::<Value>(),
        "identical": changes.identical,
        "signature": list(&super::signature(old, new)),
        "file": list(&super::facts(old, new)),
        "opsets": list(&super::opsets(old, new)),
        "operators": list(&super::operators(old, new)),
        "metadata": list(&super::pairs(&old.metadata, &new.metadata)),
        "weights": {
            "compared": changes.weights_compared,
            "list": changes.weights.iter().map(weight).collect::<Value>(),
        },
        "nodes": {
            "compared": changes.nodes_compared,
            "list": changes.attributes.iter().map(attribute).collect::<Value>(),
        },
        "ensembles": changes.ensembles.iter().map(ensemble).collect::<Value>(),
    });
    let text = serde_json::to_string_pretty(&report)
        .map_err(|error| Error::model("", error.to_string()))?;
    Ok(escaped(&text) + "\n")
}

fn broken(broken: &Break) -> Value {
    json!({
        "side": broken.side.word(),
        "name": broken.name,
        "what": broken.what.word(),
        "old": broken.old,
        "new": broken.new,
        "text": broken.to_string(),
    })
}

fn list(changes: &[Changed]) -> Value {
    let one =
        |changed: &Changed| json!({"what": changed.what, "old": changed.old, "new": changed.new});
    changes.iter().map(one).collect()
}

fn numbers(change: &NumberChange) -> Value {
    json!({
        "count": change.count,
        "changed": change.changed,
        "absolute": change.absolute,
        "relative": change.relative,
    })
}

fn weight(change: &WeightChange) -> Value {
    let (word, old, new, values) = match &change.state {
        WeightState::Added(kind) => ("added", None, Some(kind), None),
        WeightState::Removed(kind) => ("removed", Some(kind), None, None),
        WeightState::Renamed(name) => ("renamed", Some(&change.name), Some(name), None),
        WeightState::Retyped { old, new, values } => {
            ("retyped", Some(old), Some(new), values.as_ref())
        }
        WeightState::Values(values) => ("values", None, None, Some(values)),
        WeightState::Unknown(reason) => ("unknown", None, Some(reason), None),
    };
    json!({
        "name": change.name,
        "part": change.part.word(),
        "change": word,
        "old": old,
        "new": new,
        "numbers": values.map(numbers),
    })
}

fn attribute(change: &AttributeChange) -> Value {
    json!({
        "node": change.node,
        "operator": change.operator,
        "attribute": change.attribute,
        "numbers": change.numbers.as_ref().map(numbers),
    })
}

fn ensemble(change: &EnsembleChange) -> Value {
    let trees = change.trees.as_ref();
    let settings = trees.map(|trees| {
        let one = |(what, old, new): &(&str, String, String)| {
            json!({"what": what, "old": old, "new": new})
        };
        trees.settings.iter().map(one).collect::<Value>()
    });
    json!({
        "name": change.name,
        "operator": change.operator,
        "old_trees": change.old_trees,
        "new_trees": change.new_trees,
        "same": trees.map(|trees| trees.same),
        "revalued": trees.map(|trees| trees.revalued),
        "regrown": trees.map(|trees| trees.regrown),
        "thresholds": trees.map(|trees| numbers(&trees.thresholds)),
        "leaves": trees.map(|trees| numbers(&trees.leaves)),
        "settings": settings,
    })
}
