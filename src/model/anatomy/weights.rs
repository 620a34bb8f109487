//! Every tensor of weights: its size, where it lies, who reads it, and what its values are like.

use std::collections::HashMap;

use super::quantized::{self, Quantized};
use super::stats::{Stats, Taken};
use super::values::{self, Files};
use super::{Graph, Part};
use crate::model::dtype;
use crate::model::external::Location;
use crate::model::onnx::{Facts, Format};
use crate::model::proto::Tensor;

/// All weights of a model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Weights {
    /// Most bytes first, then in the file's order.
    pub tensors: Vec<Weight>,
    /// Most bytes first.
    pub by_dtype: Vec<DtypeTotal>,
}

/// The tensors of one element type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DtypeTotal {
    pub dtype: String,
    pub tensors: usize,
    pub elements: u64,
    pub bytes: u64,
}

/// One tensor of weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Weight {
    /// An initializer's own, or that of the value that a `Constant` gives.
    pub name: String,
    pub part: Part,
    pub is_constant: bool,
    pub dtype: String,
    pub dims: Vec<i64>,
    pub elements: u64,
    /// As the file holds it; the text of strings is not counted.
    pub bytes: u64,
    /// The file beside the model that holds it.
    pub external: Option<String>,
    /// The operator that reads it first, if one of the same graph does.
    pub read_by: Option<String>,
    pub quantized: Option<Quantized>,
    /// What its values are like, or why that is not known, as a clause.
    pub stats: Result<Stats, String>,
}

impl Weights {
    /// Elements and bytes of all.
    pub fn total(&self) -> (u64, u64) {
        let totals = self.by_dtype.iter();
        totals.fold((0, 0), |(elements, bytes), total| {
            (
                elements.saturating_add(total.elements),
                bytes.saturating_add(total.bytes),
            )
        })
    }
}

pub(super) fn weights(facts: &Facts, parts: &[(Part, &Graph<'_>)]) -> Weights {
    let mut looking = Looking {
        files: Files::of(facts),
        // Larger tensors of the runtime's own format are not kept when it is read.
        is_partial: facts.format == Format::Ort,
        found: Weights::default(),
    };
    for (part, graph) in parts {
        looking.graph(*part, graph);
    }
    let mut found = looking.found;
    found
        .tensors
        .sort_by_key(|weight| std::cmp::Reverse(weight.bytes));
    found.by_dtype = by_dtype(&found.tensors);
    found
}

struct Looking {
    files: Files,
    is_partial: bool,
    found: Weights,
}

impl Looking {
    fn graph(&mut self, part: Part, graph: &Graph<'_>) {
        let readers = quantized::readers(graph);
        let initializers = graph.initializers.iter();
        let shapes: HashMap<&str, &[i64]> = initializers
            .map(|tensor| (&*tensor.name, tensor.dims.as_slice()))
            .collect();
        for (name, tensor, is_constant) in all_tensors(graph) {
            let reader = readers.get(name).copied();
            let weight = Weight {
                name: name.to_owned(),
                part,
                is_constant,
                read_by: reader.map(|(node, _)| node.op.to_string()),
                quantized: reader.and_then(|reader| quantized::quantized(reader, &shapes)),
                ..self.weight(tensor)
            };
            self.found.tensors.push(weight);
        }
    }

    /// The tensor itself.
    fn weight(&mut self, tensor: &Tensor<'_>) -> Weight {
        let elements = elements(&tensor.dims);
        let external = tensor.is_external.then(|| Location::of(tensor));
        Weight {
            name: String::new(),
            part: Part::Main,
            is_constant: false,
            dtype: dtype::name_of(tensor.data_type),
            dims: tensor.dims.clone(),
            elements,
            bytes: dtype::bytes_of(tensor.data_type, elements),
            external: external.map(|location| location.path().to_owned()),
            read_by: None,
            quantized: None,
            stats: self.stats(tensor, elements),
        }
    }

    fn stats(&mut self, tensor: &Tensor<'_>, elements: u64) -> Result<Stats, String> {
        let mut taken = Taken::default();
        values::each_value(tensor, &mut self.files, elements, |value| taken.take(value))?;
        match taken.count() {
            count if count == elements => Ok(taken.stats()),
            _ if self.is_partial => Err("large tensors of .ort files are not looked at".to_owned()),
            count => Err(format!("{elements} values are declared, {count} are there")),
        }
    }
}

/// The initializers of `graph` and what its `Constant` nodes give, with their names and whether they
/// are the latter.
pub(super) fn all_tensors<'g>(
    graph: &'g Graph<'g>,
) -> impl Iterator<Item = (&'g str, &'g Tensor<'g>, bool)> {
    let constants = graph.nodes.iter().filter(|node| node.is_onnx("Constant"));
    let constants = constants.flat_map(|node| {
        let tensors = node.attributes.iter().flat_map(|a| &a.tensors);
        let name = node.outputs.first().map_or("", |name| name);
        tensors.map(move |tensor| (name, tensor, true))
    });
    let initializers = graph.initializers.iter();
    let initializers = initializers.map(|tensor| (&*tensor.name, tensor, false));
    initializers.chain(constants)
}

/// The product of the dimensions; a hostile one stays at the largest number.
pub(super) fn elements(dims: &[i64]) -> u64 {
    dims.iter().fold(1_u64, |product, dim| {
        product.saturating_mul(u64::try_from(*dim).unwrap_or(0))
    })
}

fn by_dtype(weights: &[Weight]) -> Vec<DtypeTotal> {
    let mut totals: Vec<DtypeTotal> = Vec::new();
    for weight in weights {
        let same = totals.iter_mut().find(|total| total.dtype == weight.dtype);
        match same {
            Some(total) => {
                total.tensors += 1;
                total.elements = total.elements.saturating_add(weight.elements);
                total.bytes = total.bytes.saturating_add(weight.bytes);
            }
            None => totals.push(DtypeTotal {
                dtype: weight.dtype.clone(),
                tensors: 1,
                elements: weight.elements,
                bytes: weight.bytes,
            }),
        }
    }
    totals.sort_by_key(|total| std::cmp::Reverse(total.bytes));
    totals
}
