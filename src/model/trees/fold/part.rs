//! Some nodes of a graph as a model of their own, to be run by ONNX Runtime.

use std::collections::HashSet;
use std::path::Path;

use ndarray::{ArrayD, IxDyn};

use crate::model::dtype::Dtype;
use crate::model::onnx;
use crate::model::proto::{Graph, Model};
use crate::model::runtime::Runtime;
use crate::model::session::{Session, Source};
use crate::model::tensor::{Tensor, Value};
use crate::model::wire::{put_bytes, put_int};

/// Nodes with what goes in and comes out.
#[derive(Debug, Default)]
pub(super) struct Part<'a> {
    pub nodes: Vec<usize>,
    /// Values from outside, with their types.
    pub inputs: Vec<(&'a str, Dtype)>,
    pub outputs: Vec<&'a str>,
}

impl Part<'_> {
    /// Loads the part of `model`; `None` where ONNX Runtime does not.
    pub(super) fn load(&self, runtime: &Runtime, model: &Model<'_>) -> Option<Session> {
        let bytes = self.write(model)?;
        let facts = onnx::facts(Path::new("a part of the model"), &bytes).ok()?;
        let source = Source {
            rewritten: Some(&bytes),
            ..Source::default()
        };
        Session::load(runtime, &facts, source).ok()
    }

    /// A ModelProto with the versions of `model`.
    fn write(&self, model: &Model<'_>) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        put_int(&mut bytes, 1, model.ir_version);
        put_bytes(&mut bytes, 7, &self.graph(model.graph.as_ref()?)?);
        for (domain, version) in &model.opsets {
            let mut opset = Vec::new();
            put_bytes(&mut opset, 1, domain.as_bytes());
            put_int(&mut opset, 2, *version);
            put_bytes(&mut bytes, 8, &opset);
        }
        Some(bytes)
    }

    fn graph(&self, graph: &Graph<'_>) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let mut read = HashSet::new();
        for at in &self.nodes {
            let node = graph.nodes.get(*at)?;
            put_bytes(&mut out, 1, node.body);
            read.extend(node.inputs.iter().map(|name| &**name));
        }
        put_bytes(&mut out, 2, b"part");
        for weight in &graph.initializers {
            if read.contains(&*weight.name) {
                put_bytes(&mut out, 5, &weight.body);
            }
        }
        for (name, dtype) in &self.inputs {
            let number = number(*dtype)?;
            let (mut info, mut tensor, mut kind) = (Vec::new(), Vec::new(), Vec::new());
            put_int(&mut tensor, 1, number);
            put_bytes(&mut kind, 1, &tensor);
            put_bytes(&mut info, 1, name.as_bytes());
            put_bytes(&mut info, 2, &kind);
            put_bytes(&mut out, 11, &info);
        }
        for name in &self.outputs {
            // ONNX Runtime finds the type of an output itself.
            let mut info = Vec::new();
            put_bytes(&mut info, 1, name.as_bytes());
            put_bytes(&mut out, 12, &info);
        }
        Some(out)
    }
}

/// The number of a type that values of parts may have.
fn number(dtype: Dtype) -> Option<i64> {
    match dtype {
        Dtype::Float32 => Some(1),
        Dtype::Int64 => Some(7),
        Dtype::Float64 => Some(11),
        _ => None,
    }
}

/// A tensor of the shape `[rows, 1]`, as the bits of its elements.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Column {
    pub dtype: Dtype,
    pub bits: Vec<u64>,
}

impl Column {
    /// Of float32 numbers.
    pub(super) fn of(values: &[f32]) -> Column {
        Column {
            dtype: Dtype::Float32,
            bits: values.iter().map(|value| value.to_bits().into()).collect(),
        }
    }

    /// What ONNX Runtime gave, where that has the shape and one of the types.
    pub(super) fn read(value: &Value) -> Option<Column> {
        let Value::Tensor(tensor) = value else {
            return None;
        };
        let bits = match tensor {
            Tensor::Float32(array) => array.iter().map(|v| v.to_bits().into()).collect(),
            Tensor::Float64(array) => array.iter().map(|v| v.to_bits()).collect(),
            Tensor::Int64(array) => array.iter().map(|v| v.cast_unsigned()).collect(),
            _ => return None,
        };
        matches!(tensor.shape(), [_, 1]).then_some(Column {
            dtype: tensor.dtype(),
            bits,
        })
    }

    /// The elements at these places, as a tensor.
    pub(super) fn pick(&self, places: &[usize]) -> Option<Tensor> {
        let picked = places.iter().map(|at| self.bits.get(*at).copied());
        let bits: Vec<u64> = picked.collect::<Option<_>>()?;
        let shape = IxDyn(&[bits.len(), 1]);
        let bits = bits.into_iter();
        Some(match self.dtype {
            Dtype::Float32 => {
                let values = bits.map(|bits| f32::from_bits(bits as u32)).collect();
                Tensor::Float32(ArrayD::from_shape_vec(shape, values).ok()?)
            }
            Dtype::Float64 => {
                let values = bits.map(f64::from_bits).collect();
                Tensor::Float64(ArrayD::from_shape_vec(shape, values).ok()?)
            }
            Dtype::Int64 => {
                let values = bits.map(u64::cast_signed).collect();
                Tensor::Int64(ArrayD::from_shape_vec(shape, values).ok()?)
            }
            _ => return None,
        })
    }

    /// All elements, as a tensor.
    pub(super) fn whole(&self) -> Option<Tensor> {
        self.pick(&(0..self.bits.len()).collect::<Vec<_>>())
    }

    /// The elements as float32.
    pub(super) fn singles(&self) -> Option<Vec<f32>> {
        let single = |bits: &u64| f32::from_bits(*bits as u32);
        (self.dtype == Dtype::Float32).then(|| self.bits.iter().map(single).collect())
    }
}
