//! What one run of the main graph costs: memory for weights and what lies between operators, and
//! multiplications.
//!
//! Estimates from shapes alone. What runs in subgraphs and functions, and what has no known shape, is
//! not counted, and said to be not.

mod work;

use std::collections::{HashMap, HashSet};

use super::Graph;
use super::ensembles::name;
use super::shapes::{Shapes, Sizes};
use crate::model::dtype;
use crate::model::onnx::domain_name;

/// What one run costs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cost {
    /// Records of the batch, where the model lets it be free.
    pub batch: u64,
    /// Weights of the main graph, those that `Constant` nodes give among them.
    pub weight_bytes: u64,
    pub memory: Memory,
    /// Most multiplications first.
    pub work: Vec<Work>,
}

/// Memory for values between operators.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Memory {
    /// The most that is alive at once, inputs and outputs included.
    pub peak_bytes: u64,
    /// The node at which it is; `None` where nothing is known to be alive.
    pub peak_at: Option<String>,
    /// All values that nodes give.
    pub values: usize,
    /// Those of unknown size, counted as nothing.
    pub unknown: usize,
}

/// The work of all nodes of one operator.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    pub domain: String,
    pub operator: String,
    pub count: usize,
    /// Nodes whose work could not be counted.
    pub uncounted: usize,
    /// Multiplications with an addition each, of matrix products and convolutions.
    pub macs: u64,
    /// All arithmetic: two for each of `macs`, one for each element otherwise, and one comparison for
    /// each level of a tree.
    pub flops: u64,
}

/// The cost of a run of `graph`, the main one.
pub(super) fn cost(graph: &Graph<'_>, sizes: &Sizes) -> Cost {
    let shapes = Shapes::of(graph, sizes);
    let constants = graph.nodes.iter().filter(|node| node.is_onnx("Constant"));
    let constants = constants.flat_map(|node| node.attributes.iter().flat_map(|a| &a.tensors));
    let weights = graph.initializers.iter().chain(constants);
    let weight_bytes = weights.fold(0_u64, |sum, tensor| {
        let elements = super::weights::elements(&tensor.dims);
        sum.saturating_add(dtype::bytes_of(tensor.data_type, elements))
    });
    Cost {
        batch: sizes.batch,
        weight_bytes,
        memory: memory(graph, &shapes),
        work: works(graph, &shapes),
    }
}

fn works(graph: &Graph<'_>, shapes: &Shapes<'_>) -> Vec<Work> {
    let mut places: HashMap<(&str, &str), usize> = HashMap::new();
    let mut works: Vec<Work> = Vec::new();
    for node in &graph.nodes {
        let at = *places.entry((&node.domain, &node.op)).or_insert_with(|| {
            works.push(Work {
                domain: domain_name(&node.domain),
                operator: node.op.to_string(),
                count: 0,
                uncounted: 0,
                macs: 0,
                flops: 0,
            });
            works.len() - 1
        });
        let Some(work) = works.get_mut(at) else {
            continue;
        };
        work.count += 1;
        match work::of(node, shapes) {
            Some((macs, flops)) => {
                work.macs = work.macs.saturating_add(macs);
                work.flops = work.flops.saturating_add(flops);
            }
            None => work.uncounted += 1,
        }
    }
    works.sort_by(|a, b| {
        let rest = || (&a.operator, &a.domain).cmp(&(&b.operator, &b.domain));
        (b.macs, b.flops).cmp(&(a.macs, a.flops)).then_with(rest)
    });
    works
}

/// Operators that give their input's elements where they are.
const ALIASES: [&str; 6] = [
    "Identity",
    "Reshape",
    "Flatten",
    "Squeeze",
    "Unsqueeze",
    "Dropout",
];

/// Runs `graph` in the file's order, in thought: a value is there from the node that gives it to the
/// last that reads it, and an operator that goes element by element writes over what nobody reads any
/// more, as ONNX Runtime does.
fn memory(graph: &Graph<'_>, shapes: &Shapes<'_>) -> Memory {
    let same = aliases(graph);
    let owner = |name| *same.get(name).unwrap_or(&name);
    let last = last_reads(graph, &owner);
    let weights: HashSet<&str> = graph.initializers.iter().map(|t| &*t.name).collect();
    let mut alive = Alive::default();
    for input in &graph.inputs {
        if !weights.contains(&*input.name) {
            alive.begin(&input.name, bytes(&input.name, shapes).unwrap_or(0));
        }
    }
    let mut memory = Memory {
        peak_bytes: alive.bytes,
        ..Memory::default()
    };
    for (at, node) in graph.nodes.iter().enumerate() {
        let read: HashSet<&str> = node.inputs.iter().map(|input| owner(input)).collect();
        let mut ending: Vec<&str> = read
            .into_iter()
            .filter(|name| last.get(name) == Some(&at))
            .collect();
        for output in node.outputs.iter().filter(|name| !name.is_empty()) {
            memory.values += 1;
            let size = bytes(output, shapes);
            memory.unknown += usize::from(size.is_none());
            // A constant is a weight, and a view is what it is a view of.
            if owner(output) != &**output || node.is_onnx("Constant") {
                continue;
            }
            let size = size.unwrap_or(0);
            let is_over = |name: &&str| alive.sizes.get(*name) == Some(&size);
            if work::is_by_element(node)
                && let Some(over) = ending.iter().position(is_over)
            {
                alive.end(ending.swap_remove(over));
            }
            alive.begin(output, size);
        }
        if alive.bytes > memory.peak_bytes {
            memory.peak_bytes = alive.bytes;
            memory.peak_at = Some(format!("{} \"{}\"", node.op, name(node)));
        }
        ending.iter().for_each(|name| alive.end(name));
        // What nobody reads ends with the node that gives it.
        let unread = node.outputs.iter().map(|output| owner(output));
        let unread = unread.filter(|name| !last.contains_key(name));
        unread.for_each(|name| alive.end(name));
    }
    memory
}

/// The values that are there at a time.
#[derive(Default)]
struct Alive<'g> {
    sizes: HashMap<&'g str, u64>,
    bytes: u64,
}

impl<'g> Alive<'g> {
    fn begin(&mut self, name: &'g str, size: u64) {
        self.end(name);
        self.sizes.insert(name, size);
        self.bytes = self.bytes.saturating_add(size);
    }

    fn end(&mut self, name: &str) {
        let size = self.sizes.remove(name).unwrap_or(0);
        self.bytes = self.bytes.saturating_sub(size);
    }
}

/// The value that another one is but a view of.
fn aliases<'g>(graph: &'g Graph<'g>) -> HashMap<&'g str, &'g str> {
    let mut same: HashMap<&str, &str> = HashMap::new();
    for node in &graph.nodes {
        if let (true, Some(input), Some(output)) = (
            ALIASES.contains(&&*node.op),
            node.inputs.first(),
            node.outputs.first(),
        ) {
            let owner = *same.get(&**input).unwrap_or(&&**input);
            same.insert(output, owner);
        }
    }
    same
}

/// The last node that reads each value; the graph's inputs and outputs stay to the end.
fn last_reads<'g>(
    graph: &'g Graph<'g>,
    owner: &impl Fn(&'g str) -> &'g str,
) -> HashMap<&'g str, usize> {
    let mut last = HashMap::new();
    for (at, node) in graph.nodes.iter().enumerate() {
        for input in node.inputs.iter().filter(|name| !name.is_empty()) {
            last.insert(owner(input), at);
        }
        // What a subgraph reads from outside stays until its node has run.
        for inner in node.attributes.iter().flat_map(|a| &a.graphs) {
            let read = inner.nodes.iter().flat_map(|node| &node.inputs);
            for input in read {
                last.insert(owner(input), at);
            }
        }
    }
    // What came from outside is not ours to end, and outputs are still to be taken.
    for port in graph.inputs.iter().chain(&graph.outputs) {
        last.insert(owner(&port.name), usize::MAX);
    }
    last
}

fn bytes(name: &str, shapes: &Shapes<'_>) -> Option<u64> {
    let number = shapes.dtype(name)?;
    let elements = shapes.elements(name)?;
    // A text takes the header of a C++ string at least.
    Some(match number {
        8 => elements.saturating_mul(32),
        number => dtype::bytes_of(number, elements),
    })
}
