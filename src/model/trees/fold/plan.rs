//! Finds in a graph what can be folded: single trees whose outputs go through element-wise nodes into
//! one sum.
//!
//! The nodes are gone through once, in their order, and each value is told by what it depends on:
//! constants, the leaf of one tree, or the leaves of several, added. Where a value is read by anything
//! else, its nodes have to stay, and then nothing is folded: trees would be evaluated twice.

use std::collections::{HashMap, HashSet};

use super::super::types::Types;
use crate::model::dtype::Dtype;
use crate::model::proto::{Attribute, Dimension, Graph, Model, Node, Tensor, Type};

/// More nodes, or trees in a sum, than are looked at: both bound the work that a hostile file makes.
const MOST_NODES: usize = 200_000;
const MOST_TREES: usize = 4096;

/// Sums that are folded; each costs a few sessions of ONNX Runtime at load.
const MOST_SUMS: usize = 16;

/// Operators that give each element by the elements at its place, whatever stands beside it.
const ELEMENT_WISE: [&str; 28] = [
    "Abs",
    "Add",
    "And",
    "Cast",
    "Ceil",
    "Div",
    "Equal",
    "Exp",
    "Floor",
    "Greater",
    "GreaterOrEqual",
    "Identity",
    "Less",
    "LessOrEqual",
    "Log",
    "Max",
    "Min",
    "Mul",
    "Neg",
    "Not",
    "Or",
    "Pow",
    "Reciprocal",
    "Sign",
    "Sqrt",
    "Sub",
    "Sum",
    "Where",
];

/// A sum of trees with what follows their leaves.
#[derive(Debug)]
pub(super) struct Join<'m> {
    /// The node that gives the sum; the joined ensemble takes its place.
    pub root: usize,
    /// What the trees read.
    pub input: &'m str,
    /// The columns of that, where they are known.
    pub columns: Option<usize>,
    /// What is added, in order.
    pub terms: Vec<Term<'m>>,
    /// The nodes that add.
    pub adding: Vec<usize>,
    /// All nodes that go when the sum is folded, the root among them, in order.
    pub nodes: Vec<usize>,
}

/// What one tree adds.
#[derive(Debug)]
pub(super) struct Term<'m> {
    /// The value that is added.
    pub value: &'m str,
    /// The number of the tree's node.
    pub tree: usize,
    /// The node that picks the tree's columns of the input.
    pub gather: Option<usize>,
    /// Which column of the input each feature of the tree is, where one does.
    pub columns: Option<Vec<i64>>,
    /// The nodes between the tree and the value, in order.
    pub nodes: Vec<usize>,
}

/// What a value depends on besides constants.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Source {
    /// The leaf of the tree of this node; the value has the shape `[rows, 1]`.
    Leaf(usize),
    /// The leaves of several trees, added by this node; the shape is the same.
    Sum,
}

/// The graph as far as it has been gone through.
struct Flow<'m> {
    graph: &'m Graph<'m>,
    constants: HashMap<&'m str, &'m Tensor<'m>>,
    /// What a value depends on, and the node that gives it.
    sources: HashMap<&'m str, (Source, usize)>,
    /// Values of float32 in rows, and their columns where they are known.
    tables: HashMap<&'m str, Option<usize>>,
    /// Which node picks columns: of which value, and which.
    picked: HashMap<&'m str, usize>,
    /// The nodes that read a value.
    readers: HashMap<&'m str, Vec<usize>>,
    /// Values that are read from elsewhere: by inner graphs, or as outputs.
    outside: HashSet<&'m str>,
}

/// The sums in the main graph of `model` that can be folded.
pub(super) fn joins<'m>(model: &'m Model<'m>) -> Vec<Join<'m>> {
    let Some(graph) = &model.graph else {
        return Vec::new();
    };
    // A function may give an operator of the list another meaning.
    if !model.functions.is_empty() || graph.nodes.len() > MOST_NODES {
        return Vec::new();
    }
    let trees = graph.nodes.iter().filter(|node| is_tree(node));
    if trees.count() < 2 {
        return Vec::new();
    }
    let Some(flow) = Flow::of(graph) else {
        return Vec::new();
    };
    let roots = (0..graph.nodes.len()).filter(|at| flow.is_root(*at));
    let roots = roots.take(MOST_SUMS);
    roots.filter_map(|root| flow.join(root)).collect()
}

fn is_tree(node: &Node<'_>) -> bool {
    node.is_ml("TreeEnsembleRegressor")
}

impl<'m> Flow<'m> {
    fn of(graph: &'m Graph<'m>) -> Option<Flow<'m>> {
        let mut flow = Flow {
            graph,
            constants: constants(graph)?,
            sources: HashMap::new(),
            tables: HashMap::new(),
            picked: HashMap::new(),
            readers: HashMap::new(),
            outside: graph.outputs.iter().map(|info| &*info.name).collect(),
        };
        let mut types = Types::default();
        types.enter(graph);
        for input in &graph.inputs {
            if let Type::Tensor(1, Some(shape)) = &input.kind
                && let [_, columns] = shape.as_slice()
            {
                flow.tables.insert(&input.name, fixed(columns));
            }
        }
        let mut given = HashSet::new();
        for (at, node) in graph.nodes.iter().enumerate() {
            if !node.outputs.iter().all(|name| given.insert(&**name)) {
                return None;
            }
            for input in &node.inputs {
                flow.readers.entry(input).or_default().push(at);
            }
            for inner in node.attributes.iter().flat_map(|a| &a.graphs) {
                read_inside(inner, &mut flow.outside);
            }
            flow.learn(at, node, &types);
            types.learn(node);
        }
        Some(flow)
    }

    fn learn(&mut self, at: usize, node: &'m Node<'m>, types: &Types<'m>) {
        let [output] = node.outputs.as_slice() else {
            return;
        };
        if let Some(source) = self.source(at, node, types) {
            self.sources.insert(output, (source, at));
        } else if self.picks_columns(node).is_some() {
            self.picked.insert(output, at);
        } else if let [input] = node.inputs.as_slice()
            && (node.is_ml("Scaler") || node.is_ml("Imputer") || node.is_onnx("Identity"))
            && types.of(input) == Some(Dtype::Float32)
            && let Some(columns) = self.tables.get(&**input)
        {
            self.tables.insert(output, *columns);
        }
    }

    /// What the output of `node` depends on.
    fn source(&self, at: usize, node: &'m Node<'m>, types: &Types<'m>) -> Option<Source> {
        if is_tree(node) {
            let [input] = node.inputs.as_slice() else {
                return None;
            };
            let is_single = types.of(input) == Some(Dtype::Float32);
            return is_single.then_some(Source::Leaf(at));
        }
        if node.is_onnx("Reshape") {
            let [input, shape] = node.inputs.as_slice() else {
                return None;
            };
            let source = self.sources.get(&**input)?.0;
            let shape = self.constants.get(&**shape)?;
            let is_column = shape.dims == [2] && shape.ints(3) == [-1, 1];
            return (is_column && source != Source::Sum).then_some(source);
        }
        self.element_wise(node).or_else(|| self.sum(node))
    }

    /// The one tree whose leaf tells what an element-wise node gives.
    fn element_wise(&self, node: &Node<'_>) -> Option<Source> {
        let is_listed = ELEMENT_WISE.iter().any(|op| node.is_onnx(op));
        if !is_listed && !node.is_ml("LabelEncoder") {
            return None;
        }
        let mut source = None;
        for input in &node.inputs {
            match self.sources.get(&**input) {
                Some((Source::Sum, _)) => return None,
                Some((leaf, _)) if source.is_none_or(|source| source == *leaf) => {
                    source = Some(*leaf);
                }
                Some(_) => return None,
                None => {
                    let constant = self.constants.get(&**input)?;
                    if !matches!(constant.dims.as_slice(), [] | [1] | [1, 1]) {
                        return None;
                    }
                }
            }
        }
        source
    }

    /// Whether `node` adds the values of several trees in a certain order: what comes to a sum is
    /// added to it, first of all.
    fn sum(&self, node: &Node<'_>) -> Option<Source> {
        let is_sum = match node.inputs.len() {
            2 => node.is_onnx("Add") || node.is_onnx("Sum"),
            3.. => node.is_onnx("Sum"),
            _ => false,
        };
        let sources: Option<Vec<Source>> = node
            .inputs
            .iter()
            .map(|input| Some(self.sources.get(&**input)?.0))
            .collect();
        let sources = sources.filter(|_| is_sum)?;
        let rest = sources.get(1..)?;
        (!rest.contains(&Source::Sum)).then_some(Source::Sum)
    }

    /// Whether `node` picks columns of a table of which it is certain that they are there: ONNX
    /// Runtime refuses a record without one even if no tree asks for it.
    fn picks_columns(&self, node: &Node<'_>) -> Option<()> {
        let [input, indices] = node.inputs.as_slice() else {
            return None;
        };
        let axis = node.attribute("axis").and_then(|axis| axis.int);
        if !node.is_onnx("Gather") || axis != Some(1) {
            return None;
        }
        let columns = (*self.tables.get(&**input)?)?;
        let indices = self.indices(indices)?;
        let is_there = |index: &i64| usize::try_from(*index).is_ok_and(|index| index < columns);
        indices.iter().all(is_there).then_some(())
    }

    fn indices(&self, name: &str) -> Option<Vec<i64>> {
        let tensor = self.constants.get(name)?;
        let [length] = tensor.dims.as_slice() else {
            return None;
        };
        let length = usize::try_from(*length).ok()?;
        let indices = tensor.ints(length.saturating_add(1));
        (tensor.data_type == 7 && indices.len() == length).then_some(indices)
    }

    /// Whether the node `at` gives a sum to which nothing is added any more.
    fn is_root(&self, at: usize) -> bool {
        let Some([output]) = self.graph.nodes.get(at).map(|node| node.outputs.as_slice()) else {
            return false;
        };
        let is_sum = |name: &str| matches!(self.sources.get(name), Some((Source::Sum, _)));
        let goes_on = |reader: &usize| {
            let outputs = self.graph.nodes.get(*reader).map(|node| &node.outputs);
            outputs.is_some_and(|outputs| outputs.iter().any(|name| is_sum(name)))
        };
        let readers = self.readers.get(&**output);
        is_sum(output) && !readers.is_some_and(|readers| readers.iter().any(goes_on))
    }

    /// The sum that the node `root` gives, if all that leads to it can go.
    fn join(&self, root: usize) -> Option<Join<'m>> {
        let (values, adding) = self.added(root)?;
        let mut trees = HashSet::new();
        let mut terms = Vec::with_capacity(values.len());
        let mut table = None;
        for value in values {
            let term = self.term(value)?;
            let input = self.input(term.tree)?;
            let (read, _) = self.table(input)?;
            if !trees.insert(term.tree) || table.replace(read).is_some_and(|last| last != read) {
                return None;
            }
            terms.push(term);
        }
        let input = table?;
        let nodes = self.all_that_go(root, &terms, &adding)?;
        Some(Join {
            root,
            input,
            columns: self.tables.get(input).copied().flatten(),
            terms,
            adding,
            nodes,
        })
    }

    /// What is added up to the node `root`, in order, and by which nodes.
    fn added(&self, root: usize) -> Option<(Vec<&'m str>, Vec<usize>)> {
        let (mut backwards, mut adding) = (Vec::new(), Vec::new());
        let mut next = Some(root);
        while let Some(at) = next.take() {
            adding.push(at);
            let inputs = &self.graph.nodes.get(at)?.inputs;
            for (place, input) in inputs.iter().enumerate().rev() {
                match self.sources.get(&**input)? {
                    (Source::Sum, node) if place == 0 => next = Some(*node),
                    (Source::Sum, _) => return None,
                    (Source::Leaf(_), _) => backwards.push(&**input),
                }
            }
            if backwards.len() > MOST_TREES {
                return None;
            }
        }
        backwards.reverse();
        adding.reverse();
        (backwards.len() > 1).then_some((backwards, adding))
    }

    /// The tree behind a value, and the nodes between.
    fn term(&self, value: &'m str) -> Option<Term<'m>> {
        let (Source::Leaf(tree), _) = *self.sources.get(value)? else {
            return None;
        };
        let mut seen = HashSet::new();
        let mut left = vec![value];
        while let Some(name) = left.pop() {
            if let Some((_, at)) = self.sources.get(name)
                && *at != tree
                && seen.insert(*at)
            {
                let node = self.graph.nodes.get(*at)?;
                left.extend(node.inputs.iter().map(|input| &**input));
            }
        }
        let mut nodes: Vec<usize> = seen.into_iter().collect();
        nodes.sort_unstable();
        let input = self.input(tree)?;
        let (_, columns) = self.table(input)?;
        Some(Term {
            value,
            tree,
            gather: self.picked.get(input).copied(),
            columns,
            nodes,
        })
    }

    fn input(&self, tree: usize) -> Option<&'m str> {
        Some(self.graph.nodes.get(tree)?.inputs.first()?)
    }

    /// The table behind what a tree reads, and which of its columns it is given.
    fn table(&self, input: &'m str) -> Option<(&'m str, Option<Vec<i64>>)> {
        let Some(at) = self.picked.get(input) else {
            return Some((input, None));
        };
        match self.graph.nodes.get(*at)?.inputs.as_slice() {
            [table, indices] => Some((table, Some(self.indices(indices)?))),
            _ => None,
        }
    }

    /// The nodes of a sum, where none of them gives anything to others but the root, and the Gathers
    /// that nobody else reads.
    fn all_that_go(&self, root: usize, terms: &[Term<'m>], adding: &[usize]) -> Option<Vec<usize>> {
        let mut nodes: HashSet<usize> = adding.iter().copied().collect();
        for term in terms {
            nodes.insert(term.tree);
            nodes.extend(&term.nodes);
        }
        let is_inside = |nodes: &HashSet<usize>, at: usize| {
            self.graph.nodes.get(at).is_some_and(|node| {
                node.outputs.iter().all(|name| {
                    let readers = self.readers.get(&**name).map_or(&[][..], Vec::as_slice);
                    !self.outside.contains(&**name) && readers.iter().all(|at| nodes.contains(at))
                })
            })
        };
        if !nodes.iter().all(|at| *at == root || is_inside(&nodes, *at)) {
            return None;
        }
        for term in terms {
            if let Some(at) = term.gather
                && is_inside(&nodes, at)
            {
                nodes.insert(at);
            }
        }
        let mut nodes: Vec<usize> = nodes.into_iter().collect();
        nodes.sort_unstable();
        Some(nodes)
    }
}

/// The graph's weights that no input can replace; `None` where two have one name.
fn constants<'m>(graph: &'m Graph<'m>) -> Option<HashMap<&'m str, &'m Tensor<'m>>> {
    let inputs: HashSet<&str> = graph.inputs.iter().map(|info| &*info.name).collect();
    let mut constants = HashMap::new();
    for tensor in &graph.initializers {
        let is_constant = !tensor.is_external && !inputs.contains(&*tensor.name);
        if is_constant && constants.insert(&*tensor.name, tensor).is_some() {
            return None;
        }
    }
    Some(constants)
}

fn fixed(dimension: &Dimension<'_>) -> Option<usize> {
    match dimension {
        Dimension::Value(size) => usize::try_from(*size).ok(),
        Dimension::Param(_) | Dimension::Free => None,
    }
}

/// Adds all names that `graph` or a graph inside it reads.
fn read_inside<'m>(graph: &'m Graph<'m>, names: &mut HashSet<&'m str>) {
    names.extend(graph.outputs.iter().map(|info| &*info.name));
    for node in &graph.nodes {
        names.extend(node.inputs.iter().map(|name| &**name));
        let attributes: &'m [Attribute<'m>] = &node.attributes;
        for inner in attributes.iter().flat_map(|a| &a.graphs) {
            read_inside(inner, names);
        }
    }
}
