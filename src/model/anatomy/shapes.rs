//! The shapes of a graph's values for one batch size: worked out from its inputs on, operator by
//! operator, and completed by what the file declares.
//!
//! A dimension that cannot be worked out is unknown, and so is what depends on it: nothing is guessed.
//! The first axis of an input is the batch where it is free, and so is every axis of the same name.

mod infer;
mod ints;
mod windows;

use std::collections::HashMap;

use super::Graph;
use crate::model::dtype::Dtype;
use crate::model::proto::{Dimension, Node, Type, ValueInfo};
use crate::model::trees::Types;

pub(super) use infer::BROADCAST;

/// A dimension, where it is known.
pub(super) type Dim = Option<u64>;

/// Dimensions of a value; more than any tensor has are not followed.
const MOST_AXES: usize = 32;

/// Sizes that free dimensions are taken for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Records of a batch.
    pub batch: u64,
    /// By name.
    pub named: Vec<(String, u64)>,
}

/// What is known of the values of a graph.
pub(super) struct Shapes<'g> {
    values: HashMap<&'g str, Vec<Dim>>,
    /// Elements of small tensors of integers: shapes are made of them.
    ints: HashMap<&'g str, Vec<Option<i64>>>,
    dtypes: HashMap<&'g str, i32>,
    names: HashMap<&'g str, u64>,
}

impl<'g> Shapes<'g> {
    /// Of all values of `graph`, the main one.
    pub(super) fn of(graph: &'g Graph<'g>, sizes: &'g Sizes) -> Shapes<'g> {
        let mut shapes = Shapes {
            values: HashMap::new(),
            ints: HashMap::new(),
            dtypes: HashMap::new(),
            names: HashMap::new(),
        };
        shapes.name(graph, sizes);
        for tensor in &graph.initializers {
            let dims = tensor.dims.iter().map(|dim| u64::try_from(*dim).ok());
            shapes.values.insert(&tensor.name, dims.collect());
            shapes.dtypes.insert(&tensor.name, tensor.data_type);
            shapes
                .ints
                .extend(ints::of_tensor(tensor).map(|ints| (&*tensor.name, ints)));
        }
        for input in &graph.inputs {
            // Old files list weights among the inputs.
            if !shapes.values.contains_key(&*input.name) {
                shapes.declare(input, Some(sizes.batch));
            }
        }
        let declared: HashMap<&str, &ValueInfo<'_>> = graph
            .values
            .iter()
            .chain(&graph.outputs)
            .map(|info| (&*info.name, info))
            .collect();
        let mut types = Types::default();
        types.enter(graph);
        for node in &graph.nodes {
            shapes.learn(node, &declared);
            types.learn(node);
            for output in &node.outputs {
                if let Some(dtype) = types.of(output) {
                    shapes.dtypes.entry(output).or_insert(number(dtype));
                }
            }
        }
        shapes
    }

    /// Dimensions of the value `name`.
    pub(super) fn dims(&self, name: &str) -> Option<&[Dim]> {
        self.values.get(name).map(Vec::as_slice)
    }

    /// Its elements, where all dimensions are known.
    pub(super) fn elements(&self, name: &str) -> Option<u64> {
        product(self.dims(name)?)
    }

    /// The number of its element type in a file.
    pub(super) fn dtype(&self, name: &str) -> Option<i32> {
        self.dtypes.get(name).copied()
    }

    /// Learns which names stand for which sizes.
    fn name(&mut self, graph: &'g Graph<'g>, sizes: &'g Sizes) {
        for input in &graph.inputs {
            if let Type::Tensor(_, Some(dims)) = &input.kind
                && let Some(Dimension::Param(name)) = dims.first()
            {
                self.names.insert(name, sizes.batch);
            }
        }
        let named = sizes.named.iter();
        self.names
            .extend(named.map(|(name, size)| (name.as_str(), *size)));
    }

    /// Takes what the file declares of a value; its first axis is `first` where it is free.
    fn declare(&mut self, info: &'g ValueInfo<'g>, first: Dim) {
        if let Type::Tensor(dtype, dims) = &info.kind {
            self.dtypes.insert(&info.name, *dtype);
            if let Some(dims) = dims {
                let mut dims: Vec<Dim> = dims.iter().map(|dim| self.size(dim)).collect();
                if let Some(dim @ None) = dims.first_mut() {
                    *dim = first;
                }
                self.values.insert(&info.name, dims);
            }
        }
    }

    fn size(&self, dim: &Dimension<'_>) -> Dim {
        match dim {
            Dimension::Value(size) => u64::try_from(*size).ok(),
            Dimension::Param(name) => self.names.get(&**name).copied(),
            Dimension::Free => None,
        }
    }

    /// Works out what `node` gives, and completes it by what is `declared`.
    fn learn(&mut self, node: &'g Node<'g>, declared: &HashMap<&str, &'g ValueInfo<'g>>) {
        let worked_out = infer::outputs(node, self);
        let ints = ints::of_node(node, self);
        for (at, name) in node.outputs.iter().enumerate() {
            if name.is_empty() {
                continue;
            }
            if let Some(info) = declared.get(&**name) {
                self.declare(info, None);
            }
            let new = worked_out.get(at).cloned().flatten();
            let Some(new) = new.filter(|dims| dims.len() <= MOST_AXES) else {
                continue;
            };
            let both = match self.values.get(&**name) {
                // What was worked out goes before what exporters declare.
                Some(old) if old.len() == new.len() => {
                    new.iter().zip(old).map(|(new, old)| new.or(*old)).collect()
                }
                _ => new,
            };
            self.values.insert(name, both);
        }
        if let (Some(ints), Some(name)) = (ints, node.outputs.first()) {
            self.ints.insert(name, ints);
        }
    }
}

/// The number of a type in a file.
fn number(dtype: Dtype) -> i32 {
    (1..=16)
        .find(|number| Dtype::from_onnx(*number) == Some(dtype))
        .unwrap_or(0)
}

/// The product of dimensions, where all are known; a hostile one stays at the largest number.
pub(super) fn product(dims: &[Dim]) -> Option<u64> {
    dims.iter()
        .try_fold(1_u64, |product, dim| Some(product.saturating_mul((*dim)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::onnx;
    use std::path::Path;

    /// The shapes that ONNX Runtime made, by model and value.
    fn real() -> serde_json::Value {
        let text = include_str!("../../../tests/corpus/inspect/shapes.json");
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn known_dimensions_are_those_of_a_run_and_few_are_unknown() {
        for (model, values) in real().as_object().unwrap() {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(model);
            let bytes = std::fs::read(&path).unwrap();
            let parsed = onnx::parsed(&path, &bytes).unwrap();
            let sizes = Sizes {
                batch: 5,
                named: Vec::new(),
            };
            let shapes = Shapes::of(parsed.graph.as_ref().unwrap(), &sizes);
            let mut unknown = Vec::new();
            for (name, real) in values.as_object().unwrap() {
                let real: Vec<u64> = serde_json::from_value(real.clone()).unwrap();
                let Some(dims) = shapes.dims(name) else {
                    unknown.push(name);
                    continue;
                };
                assert_eq!(dims.len(), real.len(), "{model} {name}: {dims:?} {real:?}");
                for (dim, real) in dims.iter().zip(&real) {
                    assert_eq!(dim.unwrap_or(*real), *real, "{model} {name}: {dims:?}");
                }
                if dims.contains(&None) {
                    unknown.push(name);
                }
            }
            // The depth is a scalar: small lists alone are followed.
            let expected: &[&str] = match model.as_str() {
                "tests/corpus/inspect/shapes.onnx" => &["hot"],
                _ => &[],
            };
            assert_eq!(unknown, expected, "{model}");
        }
    }

    #[test]
    fn free_dimensions_take_the_sizes_that_are_given() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/variable_length.onnx");
        let bytes = std::fs::read(&path).unwrap();
        let parsed = onnx::parsed(&path, &bytes).unwrap();
        let sizes = Sizes {
            batch: 3,
            named: vec![("T".to_owned(), 11)],
        };
        let shapes = Shapes::of(parsed.graph.as_ref().unwrap(), &sizes);
        assert_eq!(shapes.dims("tokens"), Some(&[Some(3), Some(11)][..]));
    }
}
