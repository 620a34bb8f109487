//! What an output's declared or real shape says about its fields.

use crate::batch::feed::{BatchAxis, elements};
use crate::model::dtype::Dtype;
use crate::model::signature::{Dim, Port, Signature, ValueType};
use crate::model::tensor::{Tensor, Value};

/// What an output's shape says about its fields.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    /// Sizes after the batch axis; `None` where only a run can tell.
    Tensor {
        dtype: Dtype,
        dims: Option<Vec<usize>>,
    },
    Maps {
        dtype: Dtype,
        keys: Vec<String>,
    },
    Sequence(Vec<(Dtype, Vec<usize>)>),
}

/// How an output relates to the records of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    PerRecord,
    /// The first axis fits, but the file declares it as fixed: it may be a coincidence.
    Doubtful,
    None,
}

impl Shape {
    /// The dtype of the values.
    pub(super) fn dtype(&self) -> Dtype {
        match self {
            Shape::Tensor { dtype, .. } | Shape::Maps { dtype, .. } => *dtype,
            Shape::Sequence(_) => Dtype::String,
        }
    }
}

/// The real shapes of a run.
pub(super) fn shapes_of(values: &[Value]) -> Vec<Shape> {
    let dims = |tensor: &Tensor| {
        tensor
            .shape()
            .iter()
            .skip(1)
            .copied()
            .collect::<Vec<usize>>()
    };
    let shape = |value: &Value| match value {
        Value::Tensor(tensor) => Shape::Tensor {
            dtype: tensor.dtype(),
            dims: Some(dims(tensor)),
        },
        Value::Maps { keys, values } => Shape::Maps {
            dtype: values.dtype(),
            keys: keys.clone(),
        },
        Value::Sequence(items) => Shape::Sequence(
            items
                .iter()
                .map(|item| (item.dtype(), dims(item)))
                .collect(),
        ),
    };
    values.iter().map(shape).collect()
}

/// The widest output that a declaration alone gives columns.
const WIDEST: usize = 100_000;

/// The shape that the file promises.
pub(super) fn declared_shape(port: &Port, signature: &Signature) -> Shape {
    let classes = || {
        port.classes
            .clone()
            .or_else(|| signature.classes.clone())
            .unwrap_or_default()
    };
    match &port.kind {
        ValueType::Tensor { dtype, shape } => {
            let dims = shape.as_ref().map(|shape| {
                shape
                    .iter()
                    .skip(1)
                    .map(|dim| dim.fixed())
                    .collect::<Option<Vec<usize>>>()
            });
            // A free width of an output with scores is most often the number of classes.
            let guess = || {
                dtype
                    .is_float()
                    .then(|| classes().len())
                    .filter(|size| *size > 0)
                    .map(|size| vec![size])
            };
            let dims = match (dims, shape) {
                // A hostile file may declare any size; nothing is spelt out that a run has not shown.
                (Some(Some(dims)), _) if elements(&dims) <= WIDEST => Some(dims),
                (Some(Some(_)), _) => None,
                (_, Some(shape)) if shape.len() != 2 => None,
                _ => guess(),
            };
            Shape::Tensor {
                dtype: *dtype,
                dims,
            }
        }
        ValueType::Sequence(item) if matches!(**item, ValueType::Map { .. }) => Shape::Maps {
            dtype: Dtype::Float32,
            keys: classes(),
        },
        _ => Shape::Sequence(Vec::new()),
    }
}

/// Whether the first axis of `value` may count `rows` records.
pub(super) fn rows_of(port: &Port, value: &Value, rows: usize, batch: BatchAxis) -> Rows {
    if !counts(value, rows) {
        return Rows::None;
    }
    let declared = port.tensor().and_then(|(_, shape)| shape?.first()?.fixed());
    match (declared, batch) {
        (Some(_), BatchAxis::Free) => Rows::Doubtful,
        _ => Rows::PerRecord,
    }
}

/// Whether the first axis is `rows` long.
pub(super) fn counts(value: &Value, rows: usize) -> bool {
    let first_is_rows = |tensor: &Tensor| tensor.shape().first() == Some(&rows);
    match value {
        Value::Tensor(tensor) | Value::Maps { values: tensor, .. } => first_is_rows(tensor),
        Value::Sequence(items) => !items.is_empty() && items.iter().all(first_is_rows),
    }
}

/// Whether the declared first axis counts records, as far as a declaration can be believed:
/// LightGBM's exporter declares its label, which has one element for each record, as `[1]`.
pub(super) fn promises_rows(port: &Port, batch: BatchAxis) -> bool {
    let sizes = port.tensor().and_then(|(_, shape)| shape).map(|shape| {
        let sizes: Vec<Option<usize>> = shape.iter().map(Dim::fixed).collect();
        sizes
    });
    match (sizes.as_deref(), batch) {
        (Some([]), _) => false,
        (Some([Some(1)]), BatchAxis::Free) => true,
        (Some([Some(_), ..]), BatchAxis::Free) => false,
        (Some([Some(size), ..]), BatchAxis::Fixed(batch)) => *size == batch,
        (Some([None, ..]) | None, _) => true,
    }
}
