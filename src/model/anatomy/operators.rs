//! How often each operator is used, where, and whether the built-in runtime has it.

use std::collections::{HashMap, HashSet};

use super::known::{self, Support};
use super::{Graph, Model, Part};
use crate::model::onnx::domain_name;

/// The uses of one operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorUse {
    /// `ai.onnx` for the empty domain.
    pub domain: String,
    pub name: String,
    /// All uses, with those below.
    pub count: usize,
    pub in_subgraphs: usize,
    pub in_functions: usize,
    /// The version of its domain that the model imports; `None` where it imports none.
    pub opset: Option<i64>,
    /// The opset that brought this version of the operator, where it is known.
    pub since: Option<i64>,
    /// What the built-in runtime has of it.
    pub support: Support,
}

pub(super) fn operators(model: &Model<'_>, parts: &[(Part, &Graph<'_>)]) -> Vec<OperatorUse> {
    let mut uses: HashMap<(String, &str), [usize; 3]> = HashMap::new();
    for (part, graph) in parts {
        for node in &graph.nodes {
            let key = (domain_name(&node.domain), &*node.op);
            let [all, subgraphs, functions] = uses.entry(key).or_default();
            *all += 1;
            *subgraphs += usize::from(*part == Part::Subgraph);
            *functions += usize::from(*part == Part::Function);
        }
    }
    let local: HashSet<(String, &str)> = model
        .functions
        .iter()
        .map(|function| (domain_name(&function.domain), &*function.name))
        .collect();
    let opsets = opsets(model);
    let mut operators: Vec<OperatorUse> = uses
        .into_iter()
        .map(|(key, [count, in_subgraphs, in_functions])| {
            let opset = opsets.get(&key.0).copied();
            let (since, support) = match local.contains(&key) {
                true => (None, Support::Local),
                // What a model does not import, the runtime takes for the first version.
                false => known::support(&key.0, key.1, opset.unwrap_or(1)),
            };
            OperatorUse {
                name: key.1.to_owned(),
                domain: key.0,
                count,
                in_subgraphs,
                in_functions,
                opset,
                since,
                support,
            }
        })
        .collect();
    operators.sort_by(|a, b| {
        let by_name = || (&a.name, &a.domain).cmp(&(&b.name, &b.domain));
        b.count.cmp(&a.count).then_with(by_name)
    });
    operators
}

/// The version of each domain that `model` imports; the newest, where it imports one twice.
fn opsets(model: &Model<'_>) -> HashMap<String, i64> {
    let mut opsets: HashMap<String, i64> = HashMap::new();
    for (domain, version) in &model.opsets {
        let imported = opsets.entry(domain_name(domain)).or_insert(*version);
        *imported = (*imported).max(*version);
    }
    opsets
}
