//! The facts that a model states of itself, as labels and texts.

use std::collections::HashSet;

use super::{BESIDE_LABEL, LEAST, MOST_ROWS, WIDTH};
use crate::batch::columns::Layout;
use crate::inspect::Told;
use crate::inspect::ports;
use crate::inspect::shown::{self, LONGEST_NAME, cut};
use crate::inspect::table;
use crate::model::external::ExternalFile;
use crate::model::onnx::{Facts, Operator};

/// Label and text of every fact that the model states.
pub(super) fn model(told: &Told<'_>, layouts: &[Layout]) -> Vec<Vec<String>> {
    let facts = told.facts;
    let version = |version: i64| {
        if version == 0 {
            String::new()
        } else {
            version.to_string()
        }
    };
    let rows = [
        ("producer", producer(facts)),
        ("graph", facts.graph_name.clone()),
        ("domain", facts.domain.clone()),
        ("version", version(facts.model_version)),
        ("doc", facts.doc.trim().to_owned()),
        ("IR version", version(facts.ir_version)),
        ("opsets", opsets(facts)),
        ("parameters", parameters(facts)),
        ("nodes", nodes(facts)),
        ("trees", trees(told)),
        ("classes", classes_elsewhere(facts, layouts)),
        ("external", external(facts)),
    ];
    let row = |(label, text): (&str, String)| {
        // Why trees stay with ONNX Runtime stands nowhere else.
        let text = if label == "trees" {
            text
        } else {
            cut(&text, BESIDE_LABEL)
        };
        vec![label.to_owned(), text]
    };
    rows.into_iter()
        .filter(|(_, text)| !text.is_empty())
        .map(row)
        .collect()
}

/// The keys and texts of the metadata.
pub(super) fn metadata(facts: &Facts) -> Vec<Vec<String>> {
    let entries = facts.metadata.iter().take(MOST_ROWS);
    let mut rows: Vec<Vec<String>> = entries
        .clone()
        .map(|(key, _)| vec![cut(key, LONGEST_NAME)])
        .collect();
    let room = table::left(&rows, WIDTH, LEAST);
    for (row, (_, value)) in rows.iter_mut().zip(entries) {
        row.push(cut(value, room));
    }
    rows
}

/// Name and version; of a version of many lines the first, unless it is a heading: CatBoost's has ten
/// lines and begins with `Git info:`.
fn producer(facts: &Facts) -> String {
    let first = facts.producer_version.trim().lines().next();
    let version = first
        .filter(|line| !line.ends_with(':'))
        .unwrap_or_default();
    format!("{} {}", facts.producer, version.trim())
        .trim()
        .to_owned()
}

fn opsets(facts: &Facts) -> String {
    let mut opsets: Vec<String> = facts
        .opsets
        .iter()
        .map(|(domain, version)| format!("{domain} {version}"))
        .collect();
    // Some exporters import the standard operators twice, by both of their names.
    let mut seen = HashSet::new();
    opsets.retain(|opset| seen.insert(opset.clone()));
    shown::list(&opsets, BESIDE_LABEL)
}

fn parameters(facts: &Facts) -> String {
    if facts.parameters == 0 {
        return String::new();
    }
    format!(
        "{} ({})",
        shown::count(facts.parameters),
        shown::bytes(facts.weight_bytes)
    )
}

fn nodes(facts: &Facts) -> String {
    let number = shown::count(facts.nodes as u64);
    if facts.operators.is_empty() {
        return number;
    }
    let operators: Vec<String> = facts.operators.iter().map(operator).collect();
    format!(
        "{number}: {}",
        shown::list(&operators, BESIDE_LABEL - number.len() - 2)
    )
}

/// `Cast x2`, `my.company:Foo`: the domains that come with ONNX go without saying.
fn operator(operator: &Operator) -> String {
    let Operator {
        domain,
        name,
        count,
    } = operator;
    let domain = match domain.as_str() {
        "ai.onnx" | "ai.onnx.ml" => String::new(),
        domain => format!("{domain}:"),
    };
    let times = if *count > 1 {
        format!(" x{count}")
    } else {
        String::new()
    };
    format!("{domain}{name}{times}")
}

/// `100 (6,100 nodes): mlserve kernel (AVX-512)`.
fn trees(told: &Told<'_>) -> String {
    told.facts.trees.map_or(String::new(), |trees| {
        format!(
            "{} ({}): {}",
            shown::count(trees.trees as u64),
            shown::plural(trees.nodes, "node"),
            told.evaluated.text()
        )
    })
}

/// Class names that no output's columns show.
fn classes_elsewhere(facts: &Facts, layouts: &[Layout]) -> String {
    let is_shown = layouts
        .iter()
        .any(|layout| ports::classes(layout).is_some());
    let classes = facts.signature.classes.as_ref().filter(|_| !is_shown);
    classes.map_or(String::new(), |classes| shown::names(classes, BESIDE_LABEL))
}

fn external(facts: &Facts) -> String {
    let file = |file: &ExternalFile| match file.bytes {
        0 => file.location.clone(),
        bytes => format!("{} ({})", file.location, shown::bytes(bytes)),
    };
    let files: Vec<String> = facts.external.iter().map(file).collect();
    shown::list(&files, BESIDE_LABEL)
}
