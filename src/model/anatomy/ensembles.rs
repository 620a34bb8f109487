//! Tree ensembles: how large they are, what they do with what their leaves give, and which features
//! they ask for.

use std::collections::HashMap;

use super::columns::{self, Names};
use super::{Graph, Part};
use crate::model::proto::Node;
use crate::model::signature::Signature;
use crate::model::trees;
use crate::trees::attributes::Mode;
use crate::trees::outline::Outline;

/// One tree ensemble.
#[derive(Debug, Clone, PartialEq)]
pub struct Ensemble {
    /// The node's name, or where it has none that of its first output.
    pub name: String,
    pub operator: String,
    pub part: Part,
    /// What it holds, or why that cannot be read, as a clause.
    pub inside: Result<Inside, String>,
}

/// What an ensemble holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Inside {
    pub trees: usize,
    /// Nodes that ask.
    pub questions: usize,
    pub leaves: usize,
    /// Questions on the longest way of the deepest tree and of trees on average; `None` where trees go
    /// round in circles.
    pub depth: Option<Depth>,
    /// Targets of a regressor, classes of a classifier.
    pub targets: usize,
    pub aggregate: String,
    pub transform: String,
    pub base: Vec<f64>,
    /// Least and greatest weight of a leaf.
    pub weights: Option<(f64, f64)>,
    /// Questions that send a missing value to the side that `yes` goes to.
    pub missing_to_yes: usize,
    /// How often each way of asking is used, most frequent first: `BRANCH_LEQ`...
    pub modes: Vec<(String, usize)>,
    /// Features that are asked for, most frequent first.
    pub features: Vec<Feature>,
}

/// How deep trees are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Depth {
    pub deepest: usize,
    pub mean: f64,
}

/// What an ensemble asks of one feature.
#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    /// The column of the ensemble's input, from 0.
    pub column: i32,
    pub name: Option<String>,
    pub splits: usize,
    /// Least and greatest threshold.
    pub range: Option<(f64, f64)>,
}

pub(super) fn ensembles(signature: &Signature, parts: &[(Part, &Graph<'_>)]) -> Vec<Ensemble> {
    let mut ensembles = Vec::new();
    for (part, graph) in parts {
        let is_tree = |node: &&Node<'_>| trees::is_tree(node);
        if !graph.nodes.iter().any(|node| is_tree(&node)) {
            continue;
        }
        // What is fed into a subgraph is not traced.
        let columns = match part {
            Part::Main => columns::columns(graph, signature),
            Part::Subgraph | Part::Function => HashMap::new(),
        };
        for node in graph.nodes.iter().filter(is_tree) {
            let input = node.inputs.first();
            let names = input.and_then(|input| columns.get(&**input));
            let outline = trees::outline(node).map_err(|refusal| refusal.to_string());
            ensembles.push(Ensemble {
                name: name(node),
                operator: node.op.to_string(),
                part: *part,
                inside: outline.map(|outline| inside(&outline, names)),
            });
        }
    }
    ensembles
}

/// The name of a node, or of what it gives.
pub(super) fn name(node: &Node<'_>) -> String {
    let output = node.outputs.first().map_or("", |name| name);
    match node.name.is_empty() {
        true => output.to_owned(),
        false => node.name.to_string(),
    }
}

fn inside(outline: &Outline, names: Option<&Names>) -> Inside {
    let depths = outline.depths();
    let depth = depths.map(|depths| Depth {
        deepest: depths.iter().copied().max().unwrap_or(0),
        mean: depths.iter().sum::<usize>() as f64 / depths.len().max(1) as f64,
    });
    let weights = outline.leaves.iter().flat_map(|leaf| &leaf.weights);
    let missing = outline.questions.iter().filter(|question| question.missing);
    Inside {
        trees: outline.roots.len(),
        questions: outline.questions.len(),
        leaves: outline.leaves.len(),
        depth,
        targets: outline.targets,
        aggregate: outline.aggregate.clone(),
        transform: outline.transform.clone(),
        base: outline.base.clone(),
        weights: weights.fold(None, |range, (_, weight)| widened(range, *weight)),
        missing_to_yes: missing.count(),
        modes: modes(outline),
        features: features(outline, names),
    }
}

/// The range that has `value` in it, too.
fn widened(range: Option<(f64, f64)>, value: f64) -> Option<(f64, f64)> {
    if value.is_nan() {
        return range;
    }
    let (least, greatest) = range.unwrap_or((value, value));
    Some((least.min(value), greatest.max(value)))
}

fn modes(outline: &Outline) -> Vec<(String, usize)> {
    let mut counts: Vec<(Mode, usize)> = Vec::new();
    for question in &outline.questions {
        match counts.iter_mut().find(|(mode, _)| *mode == question.mode) {
            Some((_, count)) => *count += 1,
            None => counts.push((question.mode, 1)),
        }
    }
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let named = |(mode, count): (Mode, usize)| {
        let name = mode.name().unwrap_or("BRANCH_MEMBER");
        (name.to_owned(), count)
    };
    counts.into_iter().map(named).collect()
}

fn features(outline: &Outline, names: Option<&Names>) -> Vec<Feature> {
    let mut places: HashMap<i32, usize> = HashMap::new();
    let mut features: Vec<Feature> = Vec::new();
    for question in &outline.questions {
        let column = question.feature;
        let at = *places.entry(column).or_insert_with(|| {
            let place = usize::try_from(column).ok();
            let name = names.zip(place).and_then(|(names, at)| names.get(at));
            features.push(Feature {
                column,
                name: name.cloned(),
                splits: 0,
                range: None,
            });
            features.len() - 1
        });
        if let Some(feature) = features.get_mut(at) {
            feature.splits += 1;
            let asked = match question.mode {
                Mode::Member => question.members.as_slice(),
                _ => std::slice::from_ref(&question.value),
            };
            let range = |range, value: &f64| widened(range, *value);
            feature.range = asked.iter().fold(feature.range, range);
        }
    }
    features.sort_by(|a, b| b.splits.cmp(&a.splits).then(a.column.cmp(&b.column)));
    features
}
