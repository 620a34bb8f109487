//! The names of the columns of a graph's values, from its inputs on: what a tree's feature 7 is.
//!
//! Only what surely keeps columns apart passes names on; of all else there are none.

use std::collections::HashMap;
use std::rc::Rc;

use super::Graph;
use crate::model::lineage::Lineage;
use crate::model::names;
use crate::model::proto::Node;
use crate::model::signature::{Dim, Port, Signature};

/// The names of the columns of one value.
pub(super) type Names = Rc<[String]>;

/// Names of all values together: a graph may join the same columns again and again.
const MOST: usize = 1 << 20;

/// Operators whose output has the columns of their first input.
const SAME: [&str; 24] = [
    "Identity",
    "Cast",
    "CastLike",
    "Scaler",
    "Normalizer",
    "Imputer",
    "Binarizer",
    "LabelEncoder",
    "Dropout",
    "Clip",
    "Abs",
    "Neg",
    "Sqrt",
    "Exp",
    "Log",
    "Relu",
    "Sigmoid",
    "Tanh",
    "Flatten",
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Pow",
];

/// The names of the columns of the main graph's values, as far as they are known.
pub(super) fn columns<'g>(
    graph: &'g Graph<'g>,
    signature: &'g Signature,
) -> HashMap<&'g str, Names> {
    let lineage = Lineage::of(graph);
    let mut known: HashMap<&str, Names> = HashMap::new();
    let mut left = MOST;
    let inputs = signature.inputs.iter();
    for port in inputs {
        if let Some(names) = of_input(port, signature, left) {
            left = left.saturating_sub(names.len());
            known.insert(&port.name, names);
        }
    }
    for node in &graph.nodes {
        let Some(output) = node.outputs.first() else {
            continue;
        };
        let names = of_node(node, &known, &lineage, left);
        if let Some((names, new)) = names {
            left = left.saturating_sub(new);
            known.insert(output, names);
        }
    }
    known
}

fn of_input(port: &Port, signature: &Signature, most: usize) -> Option<Names> {
    let (_, shape) = port.tensor()?;
    let width = match shape? {
        [_] => Some(1),
        [_, Dim::Fixed(width)] => Some(*width),
        [_, _] => None,
        _ => return None,
    };
    if let Some(features) = &signature.features
        && width.is_none_or(|width| width == features.len() && width > 1)
        && features.len() <= most
    {
        return Some(features.clone().into());
    }
    match width? {
        1 => Some([port.name.clone()].into()),
        // The only matrix: its columns go by their numbers anyway.
        _ if signature.inputs.len() == 1 => None,
        width if width <= most => {
            let name = |at: usize| format!("{}[{at}]", port.name);
            Some((0..width).map(name).collect())
        }
        _ => None,
    }
}

/// The names of what `node` gives first, and how many of them were made for it.
fn of_node(
    node: &Node<'_>,
    known: &HashMap<&str, Names>,
    lineage: &Lineage<'_>,
    most: usize,
) -> Option<(Names, usize)> {
    let input = |at: usize| node.inputs.get(at).and_then(|name| known.get(&**name));
    let made = |names: Vec<String>| {
        let count = names.len();
        Some((Rc::from(names), count))
    };
    let int = |name: &str| node.attribute(name).and_then(|attribute| attribute.int);
    match &*node.op {
        op if SAME.contains(&op) => Some((input(0).or(input(1))?.clone(), 0)),
        "Concat" if matches!(int("axis"), Some(1 | -1)) => {
            let mut all = Vec::new();
            for at in 0..node.inputs.len() {
                let names = input(at)?;
                if all.len() + names.len() > most {
                    return None;
                }
                all.extend(names.iter().cloned());
            }
            made(all)
        }
        "Reshape" => {
            let names = input(0)?;
            let shape = lineage.initializer(node.inputs.get(1)?)?.ints(8);
            let width = usize::try_from(*shape.get(1)?).ok();
            let fits = shape.len() == 2 && width == Some(names.len());
            fits.then(|| (names.clone(), 0))
        }
        "OneHotEncoder" => {
            let names = input(0)?;
            let categories = names::categories_of(node)?;
            if names.len().saturating_mul(categories.len()) > most {
                return None;
            }
            let each = |name: &String| {
                let category = |category: &String| format!("{name}={category}");
                categories.iter().map(category).collect::<Vec<_>>()
            };
            made(names.iter().flat_map(each).collect())
        }
        "ArrayFeatureExtractor" | "Gather" => {
            if node.op == "Gather" && !matches!(int("axis"), Some(1 | -1)) {
                return None;
            }
            let names = input(0)?;
            let picked = lineage.initializer(node.inputs.get(1)?)?;
            let picked = picked.ints(most);
            let name = |at: &i64| names.get(usize::try_from(*at).ok()?).cloned();
            made(picked.iter().map(name).collect::<Option<_>>()?)
        }
        _ => None,
    }
}
