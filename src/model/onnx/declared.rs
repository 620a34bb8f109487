//! The signature as a graph declares it.

use std::collections::HashSet;

use crate::model::dtype::{self, Dtype};
use crate::model::lineage::Lineage;
use crate::model::names;
use crate::model::proto::{Dimension, Graph, Model, Type, ValueInfo};
use crate::model::signature::{Dim, Port, Signature, ValueType};

/// The inputs and outputs of `graph`, the main one of `model`, with all names that are known.
pub(super) fn signature(model: &Model<'_>, graph: &Graph<'_>, lineage: &Lineage<'_>) -> Signature {
    let initializers: HashSet<&str> = graph.initializers.iter().map(|t| &*t.name).collect();
    let port = |info: &ValueInfo<'_>| Port {
        name: info.name.to_string(),
        kind: value_type(&info.kind),
        classes: None,
    };
    let mut signature = Signature {
        inputs: graph
            .inputs
            .iter()
            .filter(|info| !initializers.contains(&*info.name))
            .map(port)
            .collect(),
        outputs: graph.outputs.iter().map(port).collect(),
        features: None,
        classes: None,
    };
    names::name(&mut signature, model, graph, lineage);
    signature
}

fn value_type(kind: &Type<'_>) -> ValueType {
    match kind {
        Type::Tensor(number, shape) => match Dtype::from_onnx(*number) {
            Some(dtype) => ValueType::Tensor {
                dtype,
                shape: shape.as_ref().map(|dims| dims.iter().map(dim).collect()),
            },
            None => ValueType::Other(format!("tensor({})", dtype::name_of(*number))),
        },
        Type::SparseTensor(number) => {
            ValueType::Other(format!("sparse_tensor({})", dtype::name_of(*number)))
        }
        Type::Sequence(item) => ValueType::Sequence(Box::new(value_type(item))),
        Type::Optional(item) => ValueType::Optional(Box::new(value_type(item))),
        Type::Map(key, value) => match Dtype::from_onnx(*key) {
            Some(key) => ValueType::Map {
                key,
                value: Box::new(value_type(value)),
            },
            None => ValueType::Other(format!(
                "map({}, {})",
                dtype::name_of(*key),
                value_type(value)
            )),
        },
        Type::Opaque => ValueType::Other("opaque".to_owned()),
        Type::Undeclared => ValueType::Other("undeclared".to_owned()),
    }
}

fn dim(dim: &Dimension<'_>) -> Dim {
    match dim {
        Dimension::Value(size) => usize::try_from(*size).map_or(Dim::Free, Dim::Fixed),
        Dimension::Param(name) if !name.is_empty() => Dim::Symbol(name.to_string()),
        Dimension::Param(_) | Dimension::Free => Dim::Free,
    }
}
