//! What each operator makes of the shapes of its inputs.

use super::ints::place;
use super::{Dim, Shapes, product, windows};
use crate::model::proto::Node;

/// Operators whose first output is shaped as their first input.
const SAME: [&str; 79] = [
    "Identity",
    "Cast",
    "CastLike",
    "Abs",
    "Acos",
    "Acosh",
    "Asin",
    "Asinh",
    "Atan",
    "Atanh",
    "Ceil",
    "Celu",
    "Clip",
    "Cos",
    "Cosh",
    "CumSum",
    "Dropout",
    "Elu",
    "Erf",
    "Exp",
    "Floor",
    "Gelu",
    "HardSigmoid",
    "HardSwish",
    "Hardmax",
    "IsInf",
    "IsNaN",
    "LeakyRelu",
    "Log",
    "LogSoftmax",
    "Mish",
    "Neg",
    "Not",
    "Reciprocal",
    "Relu",
    "Round",
    "Selu",
    "Shrink",
    "Sigmoid",
    "Sign",
    "Sin",
    "Sinh",
    "Softmax",
    "Softplus",
    "Softsign",
    "Sqrt",
    "Swish",
    "Tan",
    "Tanh",
    "ThresholdedRelu",
    "Trilu",
    "BatchNormalization",
    "InstanceNormalization",
    "GroupNormalization",
    "LayerNormalization",
    "RMSNormalization",
    "LpNormalization",
    "SimplifiedLayerNormalization",
    "SkipLayerNormalization",
    "SkipSimplifiedLayerNormalization",
    "MeanVarianceNormalization",
    "LRN",
    "QuantizeLinear",
    "DequantizeLinear",
    "DynamicQuantizeLinear",
    "FastGelu",
    "QuickGelu",
    "BiasGelu",
    "RotaryEmbedding",
    "ScatterElements",
    "ScatterND",
    "Scatter",
    "Bernoulli",
    "Scaler",
    "Normalizer",
    "Imputer",
    "Binarizer",
    "LabelEncoder",
    "ReverseSequence",
];

/// Operators whose output has the larger of their inputs' dimensions.
pub(in super::super) const BROADCAST: [&str; 27] = [
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Pow",
    "Mod",
    "Max",
    "Min",
    "Mean",
    "Sum",
    "Where",
    "Equal",
    "Greater",
    "GreaterOrEqual",
    "Less",
    "LessOrEqual",
    "And",
    "Or",
    "Xor",
    "PRelu",
    "BitShift",
    "BitwiseAnd",
    "BitwiseOr",
    "BitwiseXor",
    "BiasAdd",
    "QLinearAdd",
    "QLinearMul",
];

/// A shape, or that it is unknown.
type Shape = Option<Vec<Dim>>;

/// The shapes of what `node` gives, as far as they are known.
pub(super) fn outputs(node: &Node<'_>, shapes: &Shapes<'_>) -> Vec<Shape> {
    // What a function of the model gives, its nodes tell, which are not looked at.
    let known = ["", "ai.onnx", "ai.onnx.ml", "com.microsoft"];
    if !known.contains(&&*node.domain) {
        return Vec::new();
    }
    let op = &*node.op;
    match op {
        "DynamicQuantizeLinear" => vec![input(node, shapes, 0), Some(vec![]), Some(vec![])],
        _ if SAME.contains(&op) => vec![input(node, shapes, 0)],
        _ if BROADCAST.contains(&op) => vec![broadcast_all(node, shapes)],
        _ if op.starts_with("Reduce") || matches!(op, "ArgMax" | "ArgMin") => {
            vec![reduce(node, shapes)]
        }
        "Split" => split(node, shapes),
        "TopK" => {
            let one = top_k(node, shapes);
            vec![one.clone(), one]
        }
        "LSTM" | "GRU" | "RNN" => recurrent(node, shapes),
        "TreeEnsembleClassifier" | "LinearClassifier" | "SVMClassifier" => classifier(node, shapes),
        _ => vec![
            products(node, shapes)
                .or_else(|| moved(node, shapes))
                .or_else(|| picked(node, shapes))
                .or_else(|| learned(node, shapes)),
        ],
    }
}

fn input(node: &Node<'_>, shapes: &Shapes<'_>, at: usize) -> Shape {
    shapes.dims(node.inputs.get(at)?).map(<[Dim]>::to_vec)
}

fn int(node: &Node<'_>, name: &str) -> Option<i64> {
    node.attribute(name).and_then(|attribute| attribute.int)
}

/// A list that is an attribute in old opsets and an input, `at`, in new ones.
fn list(node: &Node<'_>, shapes: &Shapes<'_>, name: &str, at: usize) -> Option<Vec<i64>> {
    if let Some(attribute) = node.attribute(name) {
        return Some(attribute.ints(64));
    }
    let ints = shapes.ints.get(&**node.inputs.get(at)?)?;
    ints.iter().copied().collect()
}

fn axis(node: &Node<'_>, default: i64, count: usize) -> Option<usize> {
    place(int(node, "axis").unwrap_or(default), count)
}

fn larger(one: Dim, other: Dim) -> Dim {
    match (one, other) {
        (Some(1), other) => other,
        (one, Some(1)) => one,
        (Some(one), _) => Some(one),
        // A free dimension may be 1, but then the other one counts.
        (None, other) => other,
    }
}

fn broadcast(one: &[Dim], other: &[Dim]) -> Vec<Dim> {
    let count = one.len().max(other.len());
    let at = |dims: &[Dim], axis: usize| match (axis + dims.len()).checked_sub(count) {
        Some(axis) => dims.get(axis).copied().flatten(),
        None => Some(1),
    };
    (0..count)
        .map(|axis| larger(at(one, axis), at(other, axis)))
        .collect()
}

fn broadcast_all(node: &Node<'_>, shapes: &Shapes<'_>) -> Shape {
    let of_quantized = node.op.starts_with("QLinear");
    let mut all: Vec<Dim> = Vec::new();
    for at in 0..node.inputs.len() {
        if of_quantized && !matches!(at, 0 | 3) {
            continue;
        }
        all = broadcast(&all, &input(node, shapes, at)?);
    }
    Some(all)
}

/// Products of matrices, and convolutions.
fn products(node: &Node<'_>, shapes: &Shapes<'_>) -> Shape {
    let input = |at| input(node, shapes, at);
    match &*node.op {
        "MatMul" | "MatMulInteger" | "DynamicQuantizeMatMul" | "MatMulIntegerToFloat" => {
            product_of(&input(0)?, &input(1)?)
        }
        "QLinearMatMul" => product_of(&input(0)?, &input(3)?),
        "Gemm" | "FusedGemm" => {
            let turned = |name: &str| int(node, name).unwrap_or(0) != 0;
            let pick = |dims: Vec<Dim>, second: bool| dims.get(usize::from(second)).copied();
            let rows = pick(input(0)?, turned("transA"))?;
            let columns = pick(input(1)?, !turned("transB"))?;
            Some(vec![rows, columns])
        }
        "MatMulNBits" => {
            let mut dims = input(0)?;
            *dims.last_mut()? = u64::try_from(int(node, "N")?).ok();
            Some(dims)
        }
        "Conv" | "ConvInteger" | "FusedConv" => windows::convolution(node, &input(0)?, &input(1)?),
        "QLinearConv" => windows::convolution(node, &input(0)?, &input(3)?),
        "ConvTranspose" => windows::transposed(node, &input(0)?, &input(1)?),
        "MaxPool" | "AveragePool" | "LpPool" => windows::pool(node, &input(0)?),
        "GlobalAveragePool" | "GlobalMaxPool" | "GlobalLpPool" => windows::whole(&input(0)?),
        "DepthToSpace" => windows::blocks(node, shapes, false),
        "SpaceToDepth" => windows::blocks(node, shapes, true),
        _ => None,
    }
}

/// As numpy multiplies matrices.
fn product_of(left: &[Dim], right: &[Dim]) -> Shape {
    let (left_batch, left_matrix) = left.split_at(left.len().saturating_sub(2));
    let (right_batch, right_matrix) = right.split_at(right.len().saturating_sub(2));
    let mut dims = broadcast(left_batch, right_batch);
    if let [rows, _] = left_matrix {
        dims.push(*rows);
    }
    if let [_, columns] = right_matrix {
        dims.push(*columns);
    }
    Some(dims)
}

/// Operators that give the same elements in another shape.
fn moved(node: &Node<'_>, shapes: &Shapes<'_>) -> Shape {
    let dims = input(node, shapes, 0)?;
    match &*node.op {
        "Reshape" => reshape(node, shapes, &dims),
        "Flatten" => {
            let at = int(node, "axis").unwrap_or(1);
            let at = if at == i64::try_from(dims.len()).ok()? {
                dims.len()
            } else {
                place(at, dims.len())?
            };
            let (before, after) = dims.split_at_checked(at)?;
            Some(vec![product(before), product(after)])
        }
        "Transpose" => match node.attribute("perm") {
            None => Some(dims.into_iter().rev().collect()),
            Some(perm) => {
                let perm = perm.ints(64).into_iter();
                perm.map(|at| dims.get(usize::try_from(at).ok()?).copied())
                    .collect()
            }
        },
        "Squeeze" => {
            let axes = list(node, shapes, "axes", 1);
            // Without axes, all of size 1 go.
            let is_gone = |at: usize, dim: &Dim| match &axes {
                Some(axes) => axes.iter().any(|a| place(*a, dims.len()) == Some(at)),
                None => *dim == Some(1),
            };
            let kept = dims.iter().enumerate();
            let kept = kept.filter(|(at, dim)| !is_gone(*at, dim));
            Some(kept.map(|(_, dim)| *dim).collect())
        }
        "Unsqueeze" => {
            let axes = list(node, shapes, "axes", 1)?;
            let count = dims.len() + axes.len();
            let new: Vec<usize> = axes.iter().filter_map(|a| place(*a, count)).collect();
            let mut old = dims.into_iter();
            let dim = |at: usize| match new.contains(&at) {
                true => Some(1),
                false => old.next().flatten(),
            };
            Some((0..count).map(dim).collect())
        }
        "Expand" => {
            let wanted = shapes.ints.get(&**node.inputs.get(1)?)?;
            let wanted: Vec<Dim> = wanted
                .iter()
                .map(|d| d.and_then(|d| d.try_into().ok()))
                .collect();
            Some(broadcast(&dims, &wanted))
        }
        "Tile" => {
            let repeats = shapes.ints.get(&**node.inputs.get(1)?)?;
            let times = |(dim, times): (&Dim, &Option<i64>)| {
                dim.as_ref()?.checked_mul(u64::try_from((*times)?).ok()?)
            };
            Some(dims.iter().zip(repeats).map(times).collect())
        }
        _ => None,
    }
}

fn reshape(node: &Node<'_>, shapes: &Shapes<'_>, dims: &[Dim]) -> Shape {
    let wanted: Vec<Option<i64>> = match node.attribute("shape") {
        Some(attribute) => attribute.ints(64).into_iter().map(Some).collect(),
        None => shapes.ints.get(&**node.inputs.get(1)?)?.clone(),
    };
    let keeps_zero = int(node, "allowzero").unwrap_or(0) != 0;
    let dim = |(at, wanted): (usize, &Option<i64>)| match wanted {
        Some(0) if !keeps_zero => dims.get(at).copied().flatten(),
        Some(size) => u64::try_from(*size).ok(),
        None => None,
    };
    let mut new: Vec<Dim> = wanted.iter().enumerate().map(dim).collect();
    let rest = wanted.iter().position(|size| *size == Some(-1));
    if let Some(slot) = rest.and_then(|rest| new.get_mut(rest)) {
        *slot = Some(1);
        let all = product(dims);
        let others = product(&new).filter(|others| *others > 0);
        let left = all.zip(others).map(|(all, others)| all / others);
        if let Some(slot) = rest.and_then(|rest| new.get_mut(rest)) {
            *slot = left;
        }
    }
    Some(new)
}

/// Operators that pick, join or make elements.
fn picked(node: &Node<'_>, shapes: &Shapes<'_>) -> Shape {
    let dims = |at| input(node, shapes, at);
    match &*node.op {
        "Concat" => {
            let mut all = dims(0)?;
            let axis = axis(node, 0, all.len())?;
            for at in 1..node.inputs.len() {
                let next = dims(at)?.get(axis).copied().flatten();
                let slot = all.get_mut(axis)?;
                *slot = slot.zip(next).and_then(|(sum, next)| sum.checked_add(next));
            }
            Some(all)
        }
        "Gather" => {
            let data = dims(0)?;
            let axis = axis(node, 0, data.len())?;
            let mut all = data.get(..axis)?.to_vec();
            all.extend(dims(1)?);
            all.extend(data.get(axis + 1..)?);
            Some(all)
        }
        "GatherElements" => dims(1),
        "Slice" => slice(node, shapes, dims(0)?),
        "Pad" => {
            let pads = list(node, shapes, "pads", 1)?;
            let data = dims(0)?;
            let padded = |(at, dim): (usize, &Dim)| {
                let sum = pads.get(at)?.checked_add(*pads.get(at + data.len())?)?;
                dim.as_ref()?.checked_add_signed(sum)
            };
            Some(data.iter().enumerate().map(padded).collect())
        }
        "Resize" | "Upsample" => {
            let sizes = list(node, shapes, "", 3).filter(|sizes| !sizes.is_empty());
            match sizes {
                Some(sizes) => Some(sizes.iter().map(|size| u64::try_from(*size).ok()).collect()),
                None => Some(vec![None; dims(0)?.len()]),
            }
        }
        "Constant" => {
            let attribute = node.attributes.first()?;
            match (&*attribute.name, attribute.tensors.first()) {
                ("value", Some(tensor)) => {
                    Some(tensor.dims.iter().map(|d| u64::try_from(*d).ok()).collect())
                }
                ("value_int" | "value_float" | "value_string", _) => Some(Vec::new()),
                _ => None,
            }
        }
        "ConstantOfShape" => {
            let wanted = shapes.ints.get(&**node.inputs.first()?)?;
            Some(
                wanted
                    .iter()
                    .map(|d| d.and_then(|d| d.try_into().ok()))
                    .collect(),
            )
        }
        "Shape" => Some(vec![Some(dims(0)?.len() as u64)]),
        "Size" => Some(Vec::new()),
        "NonZero" => Some(vec![Some(dims(0)?.len() as u64), None]),
        "Range" | "Unique" => Some(vec![None]),
        _ => None,
    }
}

fn slice(node: &Node<'_>, shapes: &Shapes<'_>, mut dims: Vec<Dim>) -> Shape {
    let list = |name, at| list(node, shapes, name, at);
    let (starts, ends) = (list("starts", 1)?, list("ends", 2)?);
    let axes = list("axes", 3);
    let steps = list("steps", 4);
    for (at, (start, end)) in starts.iter().zip(&ends).enumerate() {
        let axis = match &axes {
            Some(axes) => place(*axes.get(at)?, dims.len())?,
            None => at,
        };
        let step = steps
            .as_ref()
            .map_or(Some(1), |steps| steps.get(at).copied())?;
        let slot = dims.get_mut(axis)?;
        *slot = slot.and_then(|size| sliced(i64::try_from(size).ok()?, *start, *end, step));
    }
    Some(dims)
}

/// How many of `size` elements are in a slice, as ONNX cuts it.
fn sliced(size: i64, start: i64, end: i64, step: i64) -> Dim {
    let from_front = |at: i64| if at < 0 { at.saturating_add(size) } else { at };
    let (start, end) = (from_front(start), from_front(end));
    let count = match step {
        1.. => {
            let (start, end) = (start.clamp(0, size), end.clamp(0, size));
            (end - start).max(0).checked_add(step - 1)? / step
        }
        0 => return None,
        _ => {
            let (start, end) = (start.clamp(0, size - 1), end.clamp(-1, size - 1));
            let step = step.checked_neg()?;
            (start - end).max(0).checked_add(step - 1)? / step
        }
    };
    u64::try_from(count).ok()
}

fn split(node: &Node<'_>, shapes: &Shapes<'_>) -> Vec<Shape> {
    let parts = node.outputs.len();
    let sizes = list(node, shapes, "split", 1);
    let one = |at: usize| {
        let mut dims = input(node, shapes, 0)?;
        let axis = axis(node, 0, dims.len())?;
        let slot = dims.get_mut(axis)?;
        *slot = match &sizes {
            Some(sizes) => u64::try_from(*sizes.get(at)?).ok(),
            None => slot.map(|size| {
                let each = size.div_ceil(parts.max(1) as u64);
                let before = each.saturating_mul(at as u64);
                each.min(size.saturating_sub(before))
            }),
        };
        Some(dims)
    };
    (0..parts).map(one).collect()
}

fn top_k(node: &Node<'_>, shapes: &Shapes<'_>) -> Shape {
    let mut dims = input(node, shapes, 0)?;
    let axis = axis(node, -1, dims.len())?;
    let wanted = int(node, "k").or_else(|| list(node, shapes, "", 1)?.first().copied());
    *dims.get_mut(axis)? = wanted.and_then(|k| u64::try_from(k).ok());
    Some(dims)
}

fn reduce(node: &Node<'_>, shapes: &Shapes<'_>) -> Shape {
    let dims = input(node, shapes, 0)?;
    let is_arg = node.op.starts_with("Arg");
    let axes: Vec<usize> = match is_arg {
        true => vec![axis(node, 0, dims.len())?],
        false => match list(node, shapes, "axes", 1) {
            Some(axes) if !axes.is_empty() => axes
                .iter()
                .map(|axis| place(*axis, dims.len()))
                .collect::<Option<_>>()?,
            // Axes that are computed are not known.
            None if node.inputs.get(1).is_some_and(|name| !name.is_empty()) => return None,
            _ if int(node, "noop_with_empty_axes") == Some(1) => return Some(dims),
            _ => (0..dims.len()).collect(),
        },
    };
    let keeps = int(node, "keepdims").unwrap_or(1) != 0;
    let all = dims.iter().enumerate();
    let kept = all.filter(|(at, _)| keeps || !axes.contains(at));
    Some(
        kept.map(|(at, dim)| if axes.contains(&at) { Some(1) } else { *dim })
            .collect(),
    )
}

fn recurrent(node: &Node<'_>, shapes: &Shapes<'_>) -> Vec<Shape> {
    let whole = || {
        let data = input(node, shapes, 0)?;
        let [length, batch, _] = data.as_slice() else {
            return None;
        };
        let weights = input(node, shapes, 2)?;
        let (directions, hidden) = (*weights.first()?, *weights.get(2)?);
        Some((*length, *batch, directions, hidden))
    };
    let Some((length, batch, directions, hidden)) = whole() else {
        return Vec::new();
    };
    let last = Some(vec![directions, batch, hidden]);
    vec![
        Some(vec![length, directions, batch, hidden]),
        last.clone(),
        last,
    ]
}

/// Labels, and a score a class.
fn classifier(node: &Node<'_>, shapes: &Shapes<'_>) -> Vec<Shape> {
    let rows = input(node, shapes, 0).and_then(|dims| match dims.as_slice() {
        [_] => Some(Some(1)),
        [rows, ..] => Some(*rows),
        [] => None,
    });
    let lists = ["classlabels_int64s", "classlabels_ints"];
    let texts = node.attribute("classlabels_strings");
    let texts = texts.map_or(0, |attribute| attribute.strings(100_000).len());
    let ints = lists.iter().filter_map(|name| node.attribute(name));
    let ints: usize = ints.map(|attribute| attribute.ints(100_000).len()).sum();
    let classes = Some(texts.max(ints) as u64).filter(|classes| *classes > 0);
    match rows {
        Some(rows) => vec![Some(vec![rows]), Some(vec![rows, classes])],
        None => Vec::new(),
    }
}

/// The operators of ONNX-ML that are left.
fn learned(node: &Node<'_>, shapes: &Shapes<'_>) -> Shape {
    let dims = input(node, shapes, 0)?;
    let rows = match dims.as_slice() {
        [_] => Some(1),
        [rows, ..] => *rows,
        [] => None,
    };
    let count = |name: &str| {
        let count = int(node, name).filter(|count| *count > 0);
        count.and_then(|count| u64::try_from(count).ok())
    };
    match &*node.op {
        "TreeEnsembleRegressor" | "TreeEnsemble" => {
            Some(vec![rows, count("n_targets").or(Some(1))])
        }
        "LinearRegressor" => Some(vec![rows, count("targets").or(Some(1))]),
        "SVMRegressor" => Some(vec![rows, Some(1)]),
        "OneHotEncoder" => {
            let lists = ["cats_strings", "cats_int64s"];
            let lists = lists.iter().filter_map(|name| node.attribute(name));
            let count = lists.map(|a| a.strings(100_000).len().max(a.ints(100_000).len()));
            let mut all = dims;
            all.push(Some(count.sum::<usize>() as u64));
            Some(all)
        }
        "ArrayFeatureExtractor" => {
            let picked = shapes.elements(node.inputs.get(1)?);
            let mut all = match dims.as_slice() {
                [_] => vec![Some(1), None],
                _ => dims,
            };
            *all.last_mut()? = picked;
            Some(all)
        }
        "FeatureVectorizer" => {
            let mut widths = (0..node.inputs.len()).map(|at| {
                let dims = input(node, shapes, at)?;
                if dims.len() < 2 {
                    Some(1)
                } else {
                    dims.get(1).copied().flatten()
                }
            });
            let sum = widths.try_fold(0_u64, |sum, width| sum.checked_add(width?));
            Some(vec![rows, sum])
        }
        "TfIdfVectorizer" => {
            let last = node.attribute("ngram_indexes")?.ints(1 << 20);
            let width = last.iter().max().and_then(|last| last.checked_add(1));
            let mut all = dims;
            if all.len() > 1 {
                all.pop();
            } else {
                all.clear();
            }
            all.push(width.and_then(|width| u64::try_from(width).ok()));
            Some(all)
        }
        "StringNormalizer" => Some(match dims.len() {
            1 => vec![None],
            _ => vec![Some(1), None],
        }),
        "Tokenizer" => {
            let mut all = dims;
            all.push(None);
            Some(all)
        }
        _ => None,
    }
}
