//! Tensors of several runs as those of one, and the results of one run as those of several.

use std::ops::Range;

use ndarray::{ArrayD, Axis, Slice, concatenate};

use crate::each_dtype;
use crate::model::tensor::{Tensor, Value};

use super::waiter::Joint;

/// The inputs of all runs as those of one: records one behind the other, and what is given once from
/// the first, for it is the same in all.
pub(super) fn inputs(runs: &[&Joint]) -> Option<Vec<Tensor>> {
    let first = runs.first()?;
    let input = |(index, is_counted): (usize, &bool)| match is_counted {
        false => first.inputs.get(index).cloned(),
        true => {
            let parts = runs.iter().map(|run| run.inputs.get(index));
            tensors(&parts.collect::<Option<Vec<_>>>()?)
        }
    };
    first.counts.iter().enumerate().map(input).collect()
}

/// One tensor with the rows of all; `None` where they differ in type or in the shape of a row.
pub fn tensors(parts: &[&Tensor]) -> Option<Tensor> {
    macro_rules! joined {
        ($($dtype:ident)*) => {
            match parts.first()? {
                $(Tensor::$dtype(_) => {
                    let views = parts.iter().map(|tensor| match tensor {
                        Tensor::$dtype(array) => Some(array.view()),
                        _ => None,
                    });
                    let views = views.collect::<Option<Vec<_>>>()?;
                    concatenate(Axis(0), &views).ok().map(Tensor::$dtype)
                })*
            }
        };
    }
    joined!(
        Float32 Float64 Float16 Bfloat16 Int8 Int16 Int32 Int64
        Uint8 Uint16 Uint32 Uint64 Bool String
    )
}

/// The results of one run, for each of the runs that it was made of, which had so many records;
/// `None` where an output does not hold one row for each record.
pub(super) fn split(values: &[Value], sizes: &[usize]) -> Option<Vec<Vec<Value>>> {
    let rows: usize = sizes.iter().sum();
    if !values.iter().all(|value| counts(value, rows)) {
        return None;
    }
    let mut start = 0;
    let part = |size: &usize| {
        let range = start..start + size;
        start = range.end;
        let parts = values.iter().map(|value| part_of(value, &range));
        parts.collect()
    };
    Some(sizes.iter().map(part).collect())
}

/// Whether the first axis is `rows` long.
pub(super) fn counts(value: &Value, rows: usize) -> bool {
    let counts = |tensor: &Tensor| tensor.shape().first() == Some(&rows);
    match value {
        Value::Tensor(tensor) | Value::Maps { values: tensor, .. } => counts(tensor),
        Value::Sequence(items) => items.iter().all(counts),
    }
}

fn part_of(value: &Value, range: &Range<usize>) -> Value {
    fn rows<T: Clone>(array: &ArrayD<T>, range: Range<usize>) -> ArrayD<T> {
        array.slice_axis(Axis(0), Slice::from(range)).to_owned()
    }
    let part =
        |tensor: &Tensor| each_dtype!(tensor, wrap(array) => wrap(rows(array, range.clone())));
    match value {
        Value::Tensor(tensor) => Value::Tensor(part(tensor)),
        Value::Sequence(items) => Value::Sequence(items.iter().map(part).collect()),
        Value::Maps { keys, values } => Value::Maps {
            keys: keys.clone(),
            values: part(values),
        },
    }
}
