//! The difference for people: the verdict first, then what changed, largest first.

use super::{Changed, Difference};
use crate::error::escape_controls;
use crate::inspect::shown::{self, LONGEST_NAME, cut};
use crate::inspect::table;
use crate::model::anatomy::{EnsembleChange, NumberChange, TreeChanges, WeightChange, WeightState};

/// The report; `top` rows of each table.
pub(super) fn text(difference: &Difference<'_>, top: usize) -> String {
    let Difference {
        old, new, changes, ..
    } = difference;
    let mut out = format!(
        "{} -> {}\n\n",
        escape_controls(&old.path.display().to_string()),
        escape_controls(&new.path.display().to_string())
    );
    verdict(&mut out, difference);
    if changes.identical {
        out.push_str("\nthe files are the same\n");
        return out;
    }
    let before = out.len();
    changed(&mut out, "SIGNATURE", &super::signature(old, new), top);
    changed(&mut out, "FILE", &super::facts(old, new), top);
    changed(&mut out, "OPSETS", &super::opsets(old, new), top);
    changed(&mut out, "OPERATORS", &super::operators(old, new), top);
    changed(
        &mut out,
        "METADATA",
        &super::pairs(&old.metadata, &new.metadata),
        top,
    );
    weights(&mut out, difference, top);
    attributes(&mut out, difference, top);
    ensembles(&mut out, &changes.ensembles, top);
    if out.len() == before {
        out.push_str("\nnothing changed that can be told\n");
    }
    out
}

fn verdict(out: &mut String, difference: &Difference<'_>) {
    if difference.breaks.is_empty() {
        out.push_str("COMPATIBLE: callers of the old model work with the new one\n");
        return;
    }
    out.push_str("NOT COMPATIBLE: callers of the old model break\n");
    for broken in &difference.breaks {
        out.extend(["  ", &escape_controls(&broken.to_string()), "\n"]);
    }
}

fn changed(out: &mut String, heading: &str, changes: &[Changed], top: usize) {
    if changes.is_empty() {
        return;
    }
    out.extend(["\n", heading, "\n"]);
    let shown = |text: &str| match text.is_empty() {
        true => "none".to_owned(),
        false => cut(text, LONGEST_NAME),
    };
    let rows: Vec<Vec<String>> = changes
        .iter()
        .take(top)
        .map(|changed| {
            let both = format!("{} -> {}", shown(&changed.old), shown(&changed.new));
            vec![cut(&changed.what, LONGEST_NAME), both]
        })
        .collect();
    table::append(out, &rows);
    crate::inspect::depth::more(out, changes.len(), top);
}

fn weights(out: &mut String, difference: &Difference<'_>, top: usize) {
    let changes = &difference.changes;
    if changes.weights.is_empty() {
        return;
    }
    out.push_str("\nWEIGHTS\n");
    let heads = ["NAME", "CHANGE", "VALUES", "LARGEST", "RELATIVE"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    rows.extend(changes.weights.iter().take(top).map(weight));
    table::append(out, &rows);
    crate::inspect::depth::more(out, changes.weights.len(), top);
    let of_both = |change: &&WeightChange| {
        !matches!(
            change.state,
            WeightState::Added(_) | WeightState::Removed(_) | WeightState::Renamed(_)
        )
    };
    let changed = changes.weights.iter().filter(of_both).count();
    out.push_str(&format!(
        "{changed} of {} of the same name changed\n",
        shown::plural(changes.weights_compared, "tensor")
    ));
}

fn weight(change: &WeightChange) -> Vec<String> {
    let (what, values) = match &change.state {
        WeightState::Added(kind) => (format!("new: {kind}"), None),
        WeightState::Removed(kind) => (format!("gone: {kind}"), None),
        WeightState::Renamed(name) => (format!("now called {}", cut(name, LONGEST_NAME)), None),
        WeightState::Retyped { old, new, values } => (format!("{old} -> {new}"), *values),
        WeightState::Values(values) => ("values".to_owned(), Some(*values)),
        WeightState::Unknown(reason) => (cut(reason, LONGEST_NAME), None),
    };
    let mut row = vec![cut(&change.name, LONGEST_NAME), what];
    row.extend(numbers(values));
    row
}

/// How many changed, the largest difference, and the largest relative one.
fn numbers(change: Option<NumberChange>) -> [String; 3] {
    change.map_or([const { String::new() }; 3], |change| {
        [
            format!("{} of {}", change.changed, change.count),
            shown::number(change.absolute),
            format!("{:.2} %", 100.0 * change.relative),
        ]
    })
}

fn attributes(out: &mut String, difference: &Difference<'_>, top: usize) {
    let changes = &difference.changes.attributes;
    if changes.is_empty() {
        return;
    }
    out.push_str("\nNODES\n");
    let heads = [
        "NODE", "OPERATOR", "CHANGE", "VALUES", "LARGEST", "RELATIVE",
    ];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    rows.extend(changes.iter().take(top).map(|change| {
        let what = match change.attribute.as_str() {
            "" => "reads other values",
            attribute => attribute,
        };
        let mut row = vec![
            cut(&change.node, LONGEST_NAME),
            cut(&change.operator, LONGEST_NAME),
            cut(what, LONGEST_NAME),
        ];
        row.extend(numbers(change.numbers));
        row
    }));
    table::append(out, &rows);
    crate::inspect::depth::more(out, changes.len(), top);
}

fn ensembles(out: &mut String, changes: &[EnsembleChange], top: usize) {
    let is_changed = |change: &&EnsembleChange| {
        let stayed =
            |trees: &TreeChanges| trees.revalued + trees.regrown == 0 && trees.settings.is_empty();
        change.old_trees != change.new_trees || !change.trees.as_ref().is_some_and(stayed)
    };
    for change in changes.iter().filter(is_changed).take(top) {
        out.push_str(&format!(
            "\n{} \"{}\"\n",
            cut(&change.operator, LONGEST_NAME),
            cut(&change.name, LONGEST_NAME)
        ));
        let count = |trees: Option<usize>| trees.map_or("none".to_owned(), |n| n.to_string());
        let mut rows = vec![[
            "trees".to_owned(),
            format!("{} -> {}", count(change.old_trees), count(change.new_trees)),
        ]];
        if let Some(trees) = &change.trees {
            rows.extend(of_trees(trees));
        }
        let rows: Vec<Vec<String>> = rows.into_iter().map(Vec::from).collect();
        table::append(out, &rows);
    }
}

fn of_trees(trees: &TreeChanges) -> Vec<[String; 2]> {
    let mut rows = Vec::new();
    let mut row = |label: &str, text: String| rows.push([label.to_owned(), text]);
    row(
        "by place",
        format!(
            "{} the same, {} with other values, {} that ask otherwise",
            trees.same, trees.revalued, trees.regrown
        ),
    );
    for (label, change) in [("thresholds", trees.thresholds), ("leaves", trees.leaves)] {
        if change.changed > 0 {
            let [values, largest, relative] = numbers(Some(change));
            row(
                label,
                format!("{values} changed, by {largest} ({relative}) at most"),
            );
        }
    }
    for (setting, old, new) in &trees.settings {
        let (old, new) = (cut(old, LONGEST_NAME), cut(new, LONGEST_NAME));
        row(setting, format!("{old} -> {new}"));
    }
    rows
}
