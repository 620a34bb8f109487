//! How much arithmetic one node is.

use super::super::shapes::{BROADCAST, Shapes, product};
use crate::model::proto::Node;
use crate::model::trees;

/// Operators that only move, pick or name elements.
const FREE: [&str; 40] = [
    "Identity",
    "Reshape",
    "Flatten",
    "Squeeze",
    "Unsqueeze",
    "Transpose",
    "Concat",
    "Split",
    "Slice",
    "Gather",
    "GatherElements",
    "GatherND",
    "ScatterElements",
    "ScatterND",
    "Scatter",
    "Expand",
    "Tile",
    "Pad",
    "Shape",
    "Size",
    "Constant",
    "ConstantOfShape",
    "Range",
    "Cast",
    "CastLike",
    "Dropout",
    "DepthToSpace",
    "SpaceToDepth",
    "OneHot",
    "OneHotEncoder",
    "ZipMap",
    "ArrayFeatureExtractor",
    "FeatureVectorizer",
    "LabelEncoder",
    "StringNormalizer",
    "Tokenizer",
    "SequenceConstruct",
    "SequenceAt",
    "NonZero",
    "DictVectorizer",
];

/// Operators that calculate once for each element that they give.
const ONCE: [&str; 58] = [
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
    "Elu",
    "Erf",
    "Exp",
    "Floor",
    "Gelu",
    "HardSigmoid",
    "HardSwish",
    "IsInf",
    "IsNaN",
    "LeakyRelu",
    "Log",
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
    "Softplus",
    "Softsign",
    "Sqrt",
    "Swish",
    "Tan",
    "Tanh",
    "ThresholdedRelu",
    "Trilu",
    "FastGelu",
    "QuickGelu",
    "BiasGelu",
    "Imputer",
    "Binarizer",
    "QuantizeLinear",
    "DequantizeLinear",
    "DynamicQuantizeLinear",
    "Bernoulli",
    "TfIdfVectorizer",
    "IsNotNaN",
    "Affine",
    "ParametricSoftplus",
    "Hardmax",
];

/// Operators that calculate so many times for each element that they give.
const TIMES: [(&str, u64); 14] = [
    ("BatchNormalization", 2),
    ("Scaler", 2),
    ("Softmax", 3),
    ("LogSoftmax", 3),
    ("Normalizer", 3),
    ("LpNormalization", 3),
    ("InstanceNormalization", 5),
    ("GroupNormalization", 5),
    ("LayerNormalization", 5),
    ("SkipLayerNormalization", 6),
    ("RMSNormalization", 4),
    ("SimplifiedLayerNormalization", 4),
    ("SkipSimplifiedLayerNormalization", 5),
    ("MeanVarianceNormalization", 5),
];

/// Whether each element that `node` gives is of the elements at the same place.
pub(super) fn is_by_element(node: &Node<'_>) -> bool {
    let op = &*node.op;
    ONCE.contains(&op) || BROADCAST.contains(&op) || matches!(op, "BatchNormalization" | "Scaler")
}

/// Multiplications with an addition, and all arithmetic, of `node`; `None` where it cannot be told.
pub(super) fn of(node: &Node<'_>, shapes: &Shapes<'_>) -> Option<(u64, u64)> {
    let op = &*node.op;
    if trees::is_tree(node) {
        return Some((0, comparisons(node, shapes)?));
    }
    if FREE.contains(&op) {
        return Some((0, 0));
    }
    if let Some(macs) = macs(node, shapes) {
        return Some((macs, macs.saturating_mul(2)));
    }
    let given = || shapes.elements(node.outputs.first()?);
    let taken = || shapes.elements(node.inputs.first()?);
    let times = TIMES.iter().find(|(name, _)| *name == op);
    let flops = if ONCE.contains(&op) || BROADCAST.contains(&op) {
        given()?
    } else if let Some((_, times)) = times {
        given()?.saturating_mul(*times)
    } else if op.starts_with("Reduce") || op.starts_with("Arg") || op.starts_with("Global") {
        taken()?
    } else if matches!(op, "MaxPool" | "AveragePool" | "LpPool") {
        let kernel = node.attribute("kernel_shape")?.ints(64);
        let area: Vec<_> = kernel
            .iter()
            .map(|size| u64::try_from(*size).ok())
            .collect();
        given()?.saturating_mul(product(&area)?)
    } else {
        return None;
    };
    Some((0, flops))
}

/// Multiplications of matrix products and convolutions.
fn macs(node: &Node<'_>, shapes: &Shapes<'_>) -> Option<u64> {
    let dims = |at: usize| shapes.dims(node.inputs.get(at)?);
    let given = |at: usize| shapes.elements(node.outputs.get(at)?);
    let int = |name: &str| node.attribute(name).and_then(|attribute| attribute.int);
    // Each element that is given is so many products.
    let (elements, each) = match &*node.op {
        "MatMul"
        | "MatMulInteger"
        | "QLinearMatMul"
        | "DynamicQuantizeMatMul"
        | "MatMulIntegerToFloat"
        | "MatMulNBits" => (given(0)?, *dims(0)?.last()?),
        "Gemm" | "FusedGemm" => {
            let turned = int("transA").unwrap_or(0) != 0;
            let [rows, columns] = dims(0)? else {
                return None;
            };
            (given(0)?, if turned { *rows } else { *columns })
        }
        "Conv" | "ConvInteger" | "FusedConv" => (given(0)?, product(dims(1)?.get(1..)?)),
        "QLinearConv" => (given(0)?, product(dims(3)?.get(1..)?)),
        // The other way round: each element that is taken goes into so many.
        "ConvTranspose" => (
            shapes.elements(node.inputs.first()?)?,
            product(dims(1)?.get(1..)?),
        ),
        "LinearRegressor" => (given(0)?, dims(0)?.last().copied().flatten()),
        "LinearClassifier" => (given(1)?, dims(0)?.last().copied().flatten()),
        "LSTM" | "GRU" | "RNN" => {
            // Each step is a product with the weights of the input and with those of the state.
            let [length, batch, _] = dims(0)? else {
                return None;
            };
            let input = product(dims(1)?)?;
            let state = product(dims(2)?)?;
            (
                (*length)?.checked_mul((*batch)?)?,
                Some(input.saturating_add(state)),
            )
        }
        _ => return None,
    };
    Some(elements.saturating_mul(each?))
}

/// Comparisons of a tree ensemble at most: a record asks each tree as many questions as it is deep.
fn comparisons(node: &Node<'_>, shapes: &Shapes<'_>) -> Option<u64> {
    let rows = match shapes.dims(node.inputs.first()?)? {
        [_] => 1,
        [rows, ..] => (*rows)?,
        [] => return None,
    };
    let depths = trees::outline(node).ok()?.depths()?;
    let each = depths
        .iter()
        .fold(0_u64, |sum, depth| sum.saturating_add(*depth as u64));
    Some(rows.saturating_mul(each))
}
