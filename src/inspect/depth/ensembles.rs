//! `--ensembles`: tree ensembles and the features that they ask for. (`--trees` says what evaluates
//! them.)
//!
//! Key `ensembles`: a list of `{name, operator, part, trees, questions, leaves, depth, mean_depth,
//! targets, aggregate, transform, base, leaf_range, missing_to_yes, modes, features, problem}`.
//! `questions` are the nodes that ask; `depth` is the number of questions on the longest way of the
//! deepest tree; `leaf_range` is the least and the greatest weight of a leaf, or null; `missing_to_yes`
//! counts questions that send a missing value to `yes`; `modes` is an object: way of asking to count;
//! `features` is a list of `{column, name, splits, share, range}`, most splits first, where `name` is
//! null if it is not known and `range` is the least and greatest threshold. Where the lists cannot be
//! read, `problem` says why, and all else is null.

use serde_json::{Map, Value, json};

use super::{heading, more};
use crate::inspect::shown::{self, LONGEST_NAME, cut};
use crate::inspect::table;
use crate::model::anatomy::{Ensemble, Feature, Inside};

pub(super) fn text(out: &mut String, ensembles: &[Ensemble], top: usize) {
    if ensembles.is_empty() {
        heading(out, "TREE ENSEMBLES");
        out.push_str("none\n");
    }
    for ensemble in ensembles.iter().take(top) {
        let title = format!(
            "{} \"{}\"",
            cut(&ensemble.operator, LONGEST_NAME),
            cut(&ensemble.name, LONGEST_NAME)
        );
        heading(out, &title);
        match &ensemble.inside {
            Ok(inside) => one(out, inside, top),
            Err(problem) => out.extend(["note: ", &cut(problem, 200), "\n"]),
        }
    }
    more(out, ensembles.len(), top);
}

fn one(out: &mut String, inside: &Inside, top: usize) {
    let depth = match inside.depth {
        Some(depth) => format!("{} at most, {:.1} on average", depth.deepest, depth.mean),
        None => "trees go round in circles".to_owned(),
    };
    let per_tree = inside.leaves as f64 / inside.trees.max(1) as f64;
    let modes = inside.modes.iter();
    let modes: Vec<String> = modes
        .map(|(name, count)| format!("{name} x{count}"))
        .collect();
    let base: Vec<String> = inside
        .base
        .iter()
        .take(8)
        .map(|b| shown::number(*b))
        .collect();
    let rows = [
        ("trees", inside.trees.to_string()),
        ("depth", depth),
        (
            "leaves",
            format!("{} ({per_tree:.1} a tree)", inside.leaves),
        ),
        ("weights", range(inside.weights)),
        ("targets", inside.targets.to_string()),
        ("aggregate", cut(&inside.aggregate, LONGEST_NAME)),
        ("transform", cut(&inside.transform, LONGEST_NAME)),
        ("base", shown::list(&base, 80)),
        ("asks", shown::list(&modes, 80)),
        ("missing", missing(inside)),
        (
            "features",
            format!("{} are asked for", inside.features.len()),
        ),
    ];
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(label, text)| vec![label.to_owned(), text])
        .collect();
    table::append(out, &rows);
    features(out, inside, top);
}

fn missing(inside: &Inside) -> String {
    match inside.missing_to_yes {
        0 => "goes to \"no\" everywhere".to_owned(),
        all if all == inside.questions => "goes to \"yes\" everywhere".to_owned(),
        some => format!(
            "goes to \"yes\" in {some} of {} questions",
            inside.questions
        ),
    }
}

/// `0.5 to 2`.
fn range(range: Option<(f64, f64)>) -> String {
    range.map_or(String::new(), |(least, greatest)| {
        format!("{} to {}", shown::number(least), shown::number(greatest))
    })
}

fn features(out: &mut String, inside: &Inside, top: usize) {
    if inside.features.is_empty() {
        return;
    }
    out.push('\n');
    let heads = ["FEATURE", "COLUMN", "SPLITS", "SHARE", "THRESHOLDS"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    rows.extend(inside.features.iter().take(top).map(|feature| {
        let name = feature.name.as_deref().unwrap_or_default();
        let share = share(feature, inside);
        vec![
            cut(name, LONGEST_NAME),
            feature.column.to_string(),
            feature.splits.to_string(),
            format!("{:.1} %", 100.0 * share),
            range(feature.range),
        ]
    }));
    table::append(out, &rows);
    more(out, inside.features.len(), top);
}

/// The share of all questions that ask for `feature`.
fn share(feature: &Feature, inside: &Inside) -> f64 {
    feature.splits as f64 / inside.questions.max(1) as f64
}

pub(super) fn json(ensembles: &[Ensemble]) -> Value {
    ensembles.iter().map(ensemble).collect()
}

fn ensemble(ensemble: &Ensemble) -> Value {
    let inside = ensemble.inside.as_ref().ok();
    let get = |value: fn(&Inside) -> Value| inside.map(value);
    json!({
        "name": ensemble.name,
        "operator": ensemble.operator,
        "part": ensemble.part.word(),
        "trees": get(|i| json!(i.trees)),
        "questions": get(|i| json!(i.questions)),
        "leaves": get(|i| json!(i.leaves)),
        "depth": get(|i| json!(i.depth.map(|depth| depth.deepest))),
        "mean_depth": get(|i| json!(i.depth.map(|depth| depth.mean))),
        "targets": get(|i| json!(i.targets)),
        "aggregate": get(|i| json!(i.aggregate)),
        "transform": get(|i| json!(i.transform)),
        "base": get(|i| json!(i.base)),
        "leaf_range": get(|i| json!(i.weights)),
        "missing_to_yes": get(|i| json!(i.missing_to_yes)),
        "modes": get(modes),
        "features": get(|i| i.features.iter().map(|f| feature(f, i)).collect()),
        "problem": ensemble.inside.as_ref().err(),
    })
}

fn modes(inside: &Inside) -> Value {
    let modes = inside.modes.iter();
    let modes: Map<String, Value> = modes.map(|(name, n)| (name.clone(), json!(n))).collect();
    Value::Object(modes)
}

fn feature(feature: &Feature, inside: &Inside) -> Value {
    json!({
        "column": feature.column,
        "name": feature.name,
        "splits": feature.splits,
        "share": share(feature, inside),
        "range": feature.range,
    })
}
