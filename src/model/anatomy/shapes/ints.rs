//! Small tensors of integers that shapes are made of: constants, and what exporters compute of shapes.

use super::{Dim, Shapes};
use crate::model::proto::{Node, Tensor};

/// Elements of a tensor that is still followed.
const MOST: usize = 64;

/// Unknown where a dimension is.
type Ints = Vec<Option<i64>>;

/// The elements of weights of up to one axis.
pub(super) fn of_tensor(tensor: &Tensor<'_>) -> Option<Ints> {
    let count = super::super::weights::elements(&tensor.dims);
    if tensor.dims.len() > 1 || count > MOST as u64 || tensor.is_external {
        return None;
    }
    let ints = tensor.ints(MOST + 1);
    (ints.len() as u64 == count).then(|| ints.into_iter().map(Some).collect())
}

/// The elements of what `node` gives first.
pub(super) fn of_node(node: &Node<'_>, shapes: &Shapes<'_>) -> Option<Ints> {
    let input = |at: usize| shapes.ints.get(&**node.inputs.get(at)?);
    let int = |name: &str| node.attribute(name).and_then(|attribute| attribute.int);
    match &*node.op {
        "Constant" => {
            let attribute = node.attributes.first()?;
            match &*attribute.name {
                "value" => of_tensor(attribute.tensors.first()?),
                "value_int" => Some(vec![attribute.int]),
                "value_ints" => Some(attribute.ints(MOST).into_iter().map(Some).collect()),
                _ => None,
            }
        }
        "Shape" => {
            let dims = shapes.dims(node.inputs.first()?)?;
            let end = bound(int("end").unwrap_or(i64::MAX), dims.len());
            let start = bound(int("start").unwrap_or(0), dims.len());
            let dims = dims.get(start..end)?;
            Some(dims.iter().map(|dim| to_int(*dim)).collect())
        }
        "Identity" | "Cast" | "Squeeze" | "Unsqueeze" | "Reshape" => input(0).cloned(),
        "Gather" if int("axis").unwrap_or(0) == 0 => {
            let values = input(0)?;
            let pick = |at: &Option<i64>| {
                let at = at.and_then(|at| place(at, values.len()))?;
                values.get(at).copied().flatten()
            };
            Some(input(1)?.iter().map(pick).collect())
        }
        "Concat" => {
            let mut all = Vec::new();
            for at in 0..node.inputs.len() {
                all.extend(input(at)?);
                if all.len() > MOST {
                    return None;
                }
            }
            Some(all)
        }
        "Slice" => {
            let values = input(0)?;
            let one = |at: usize| input(at)?.first().copied().flatten();
            if one(4).unwrap_or(1) != 1 {
                return None;
            }
            let start = bound(one(1).or(int("starts"))?, values.len());
            let end = bound(one(2)?, values.len());
            Some(values.get(start..end.max(start))?.to_vec())
        }
        "Add" | "Sub" | "Mul" | "Div" => {
            let (left, right) = (input(0)?, input(1)?);
            let count = left.len().max(right.len());
            let at = |list: &Ints, at: usize| match list.len() {
                1 => list.first().copied().flatten(),
                _ => list.get(at).copied().flatten(),
            };
            let of = |place: usize| arithmetic(&node.op, at(left, place)?, at(right, place)?);
            Some((0..count).map(of).collect())
        }
        _ => None,
    }
}

fn arithmetic(op: &str, left: i64, right: i64) -> Option<i64> {
    match op {
        "Add" => left.checked_add(right),
        "Sub" => left.checked_sub(right),
        "Mul" => left.checked_mul(right),
        _ => left.checked_div(right),
    }
}

fn to_int(dim: Dim) -> Option<i64> {
    dim.and_then(|dim| i64::try_from(dim).ok())
}

/// A place counted from the front, or from the end where it is negative.
pub(super) fn place(at: i64, count: usize) -> Option<usize> {
    let count = i64::try_from(count).ok()?;
    let at = if at < 0 { at.checked_add(count)? } else { at };
    usize::try_from(at).ok().filter(|_| at < count)
}

/// An end of a slice, cut to the list.
fn bound(at: i64, count: usize) -> usize {
    let length = i64::try_from(count).unwrap_or(i64::MAX);
    let at = if at < 0 {
        at.saturating_add(length)
    } else {
        at
    };
    usize::try_from(at.clamp(0, length)).unwrap_or(0)
}
