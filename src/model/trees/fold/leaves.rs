//! What each leaf adds to the sum, as ONNX Runtime computes it.
//!
//! ```text
//! leaf -> look-ups (Cast, LabelEncoder: of each tree its own) -> chain (the rest: nearly always the
//!         same nodes for all trees, and then run once, on what is distinct) -> value
//! ```
//!
//! Look-ups give the same wherever a value stands; what a chain gives is tried out (`places`).

use std::collections::{HashMap, HashSet};

use super::part::{Column, Part};
use super::places::{self, Results};
use super::plan::{Join, Term};
use crate::model::dtype::Dtype;
use crate::model::proto::{Graph, Model, Node};
use crate::model::runtime::Runtime;
use crate::model::session::Session;

/// Nodes of a chain, times distinct values that go in: what trying out costs.
const MOST_WORK: usize = 50_000;

/// More kinds of chains than a converter makes.
const MOST_CHAINS: usize = 8;

/// What the leaves of each tree add.
#[derive(Debug)]
pub(super) struct Values {
    pub body: Vec<Vec<f32>>,
    /// In the last `rows % every` rows of a batch, where that is something else.
    pub tail: Option<(usize, Vec<Vec<f32>>)>,
}

/// The nodes of one term.
struct Chain<'m> {
    lookups: Vec<usize>,
    nodes: Vec<usize>,
    /// The looked-up values that `nodes` read, or the term's value itself.
    inputs: Vec<&'m str>,
}

/// Chains of the same nodes.
struct Kind<'m> {
    /// One of them.
    nodes: Vec<usize>,
    inputs: Vec<(&'m str, Dtype)>,
    value: &'m str,
    /// What goes in, each once: by input, then by number.
    columns: Vec<Column>,
    numbers: HashMap<Vec<u64>, usize>,
}

/// Where the values of a term's leaves are found: the kind of its chain, and numbers by leaf.
struct Place {
    kind: usize,
    numbers: Vec<usize>,
}

/// Computes what is added for the `leaves` of each term of `join`; `None` where that depends on more
/// than the leaf, or cannot be found out in reasonable time.
pub(super) fn values<'m>(
    runtime: &Runtime,
    model: &'m Model<'m>,
    join: &Join<'m>,
    leaves: &[Vec<f32>],
) -> Option<Values> {
    let graph = model.graph.as_ref()?;
    let chains: Vec<Chain<'_>> = join
        .terms
        .iter()
        .map(|term| Chain::of(graph, term))
        .collect::<Option<_>>()?;
    let looked_up = look_up(runtime, model, (&join.terms, &chains), leaves)?;
    let mut kinds: Vec<Kind<'_>> = Vec::new();
    let mut known: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut places = Vec::with_capacity(chains.len());
    for (term, chain) in join.terms.iter().zip(&chains) {
        let columns = chain.inputs.iter().map(|name| looked_up.get(name));
        let columns: Vec<&Column> = columns.collect::<Option<_>>()?;
        let at = *known
            .entry(chain.key(graph, &columns)?)
            .or_insert(kinds.len());
        if at == kinds.len() {
            kinds.push(Kind::of(chain, &columns, term.value));
        }
        let numbers = kinds.get_mut(at)?.add(&columns);
        places.push(Place { kind: at, numbers });
    }
    if kinds.len() > MOST_CHAINS {
        return None;
    }
    let results = kinds.iter().map(|kind| kind.results(runtime, model));
    let results: Vec<Results> = results.collect::<Option<_>>()?;
    gather(&results, &places)
}

/// Hands each term the results of its leaves.
fn gather(results: &[Results], places: &[Place]) -> Option<Values> {
    let list = |place: &Place, of: fn(&Results) -> &Vec<u32>| -> Option<Vec<f32>> {
        let results = of(results.get(place.kind)?);
        let value = |number: &usize| results.get(*number).copied().map(f32::from_bits);
        place.numbers.iter().map(value).collect()
    };
    let lists = |of: fn(&Results) -> &Vec<u32>| -> Option<Vec<Vec<f32>>> {
        places.iter().map(|place| list(place, of)).collect()
    };
    let mut differing = results.iter().map(|results| results.every);
    let every = differing.clone().max()?;
    if !differing.all(|width| width == 1 || width == every) {
        return None;
    }
    let tail = match every {
        1 => None,
        _ => Some((every, lists(|results| &results.tail)?)),
    };
    Some(Values {
        body: lists(|results| &results.body)?,
        tail,
    })
}

impl<'m> Chain<'m> {
    fn of(graph: &'m Graph<'m>, term: &Term<'m>) -> Option<Chain<'m>> {
        let output = graph.nodes.get(term.tree)?.outputs.first()?;
        let mut found: HashSet<&str> = HashSet::from([&**output]);
        let mut chain = Chain {
            lookups: Vec::new(),
            nodes: Vec::new(),
            inputs: Vec::new(),
        };
        for at in &term.nodes {
            let node = graph.nodes.get(*at)?;
            let (input, output) = (node.inputs.first()?, node.outputs.first()?);
            let is_lookup = node.is_ml("LabelEncoder") || node.is_onnx("Cast");
            if is_lookup && found.contains(&**input) {
                found.insert(output);
                chain.lookups.push(*at);
                continue;
            }
            chain.nodes.push(*at);
            for input in &node.inputs {
                if found.contains(&**input) && !chain.inputs.contains(&&**input) {
                    chain.inputs.push(input);
                }
            }
        }
        if chain.nodes.is_empty() {
            chain.inputs.push(term.value);
        }
        Some(chain)
    }

    /// What two chains have in common if they do the same with the same types.
    fn key(&self, graph: &'m Graph<'m>, columns: &[&Column]) -> Option<Vec<u8>> {
        let mut key = Vec::new();
        for column in columns {
            put(&mut key, column.dtype.name().as_bytes());
        }
        let mut numbers: HashMap<&str, u32> = HashMap::new();
        for name in &self.inputs {
            numbers.insert(name, numbers.len() as u32);
        }
        for at in &self.nodes {
            let node = graph.nodes.get(*at)?;
            put(&mut key, node.domain.as_bytes());
            put(&mut key, node.op.as_bytes());
            put_each(&mut key, node, &numbers);
            numbers.insert(node.outputs.first()?, numbers.len() as u32);
        }
        Some(key)
    }
}

/// Adds the attributes and inputs of a node to a key.
fn put_each(key: &mut Vec<u8>, node: &Node<'_>, numbers: &HashMap<&str, u32>) {
    key.push(node.attributes.len() as u8);
    for attribute in &node.attributes {
        put(key, &attribute.body);
    }
    key.push(node.inputs.len() as u8);
    for input in &node.inputs {
        match numbers.get(&**input) {
            Some(number) => put(key, &number.to_le_bytes()),
            // A constant; no other name is as short as a number with this in front.
            None => put(key, &[b"constant ", input.as_bytes()].concat()),
        }
    }
}

fn put(key: &mut Vec<u8>, bytes: &[u8]) {
    key.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    key.extend_from_slice(bytes);
}

/// The looked-up values of all leaves, by name.
fn look_up<'m>(
    runtime: &Runtime,
    model: &'m Model<'m>,
    (terms, chains): (&[Term<'m>], &[Chain<'m>]),
    leaves: &[Vec<f32>],
) -> Option<HashMap<&'m str, Column>> {
    let graph = model.graph.as_ref()?;
    let mut part = Part::default();
    let mut columns = HashMap::new();
    let mut given = Vec::new();
    for ((term, chain), leaves) in terms.iter().zip(chains).zip(leaves) {
        let output = &**graph.nodes.get(term.tree)?.outputs.first()?;
        let column = Column::of(leaves);
        for name in &chain.inputs {
            match *name == output {
                true => drop(columns.insert(*name, column.clone())),
                false => part.outputs.push(name),
            }
        }
        if !chain.lookups.is_empty() {
            part.nodes.extend(&chain.lookups);
            part.inputs.push((output, Dtype::Float32));
            given.push(column.whole()?);
        }
    }
    part.nodes.sort_unstable();
    if !part.outputs.is_empty() {
        let values = part.load(runtime, model)?.run(&given).ok()?;
        let read = part.outputs.iter().zip(&values);
        for (name, value) in read {
            columns.insert(*name, Column::read(value)?);
        }
    }
    Some(columns)
}

impl<'m> Kind<'m> {
    fn of(chain: &Chain<'m>, columns: &[&Column], value: &'m str) -> Kind<'m> {
        let dtypes = columns.iter().map(|column| column.dtype);
        Kind {
            nodes: chain.nodes.clone(),
            inputs: chain.inputs.iter().copied().zip(dtypes.clone()).collect(),
            value,
            columns: dtypes
                .map(|dtype| Column {
                    dtype,
                    bits: Vec::new(),
                })
                .collect(),
            numbers: HashMap::new(),
        }
    }

    /// Adds what goes into another chain; the numbers of its leaves.
    fn add(&mut self, columns: &[&Column]) -> Vec<usize> {
        let count = columns.iter().map(|column| column.bits.len()).min();
        let mut leaves = Vec::new();
        for leaf in 0..count.unwrap_or(0) {
            let bits = columns.iter().map(|column| column.bits.get(leaf).copied());
            let bits: Vec<u64> = bits.map(Option::unwrap_or_default).collect();
            let next = self.numbers.len();
            let number = *self.numbers.entry(bits.clone()).or_insert(next);
            if number == next {
                for (column, bits) in self.columns.iter_mut().zip(bits) {
                    column.bits.push(bits);
                }
            }
            leaves.push(number);
        }
        leaves
    }

    /// What the chain gives for each number.
    fn results(&self, runtime: &Runtime, model: &Model<'_>) -> Option<Results> {
        if let ([], [column]) = (self.nodes.as_slice(), self.columns.as_slice()) {
            let bits = column.singles()?.into_iter().map(f32::to_bits);
            let body: Vec<u32> = bits.collect();
            return Some(Results {
                tail: body.clone(),
                body,
                every: 1,
            });
        }
        let count = self.numbers.len();
        if count.saturating_mul(self.nodes.len()) > MOST_WORK {
            return None;
        }
        let part = Part {
            nodes: self.nodes.clone(),
            inputs: self.inputs.clone(),
            outputs: vec![self.value],
        };
        let session = part.load(runtime, model)?;
        places::results(count, &|batch| self.run(&session, batch))
    }

    fn run(&self, session: &Session, batch: &[usize]) -> Option<Vec<u32>> {
        let given = self.columns.iter().map(|column| column.pick(batch));
        let given: Vec<_> = given.collect::<Option<_>>()?;
        let values = session.run(&given).ok()?;
        let column = Column::read(values.first()?)?;
        let values = column.singles().filter(|list| list.len() == batch.len())?;
        Some(values.into_iter().map(f32::to_bits).collect())
    }
}
