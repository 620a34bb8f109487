//! What a model takes and gives: names, dtypes, shapes, feature names and class names.
//!
//! Made from the facts of the file, before and without any session. It is what the author declared:
//! output shapes in particular are often wrong (LightGBM's exporter declares its label as `[1]`), so
//! nothing here is used to lay out results without looking at them.

use std::fmt;

use super::dtype::Dtype;

/// The inputs and outputs of a model, in the file's order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Signature {
    /// What `run` needs. Initializers that old files also list as inputs are left out.
    pub inputs: Vec<Port>,
    /// What `run` gives.
    pub outputs: Vec<Port>,
    /// Feature names written by the author into the metadata; they belong to the one matrix input.
    pub features: Option<Vec<String>>,
    /// Class names known for the model as a whole; used for any output with that many columns.
    pub classes: Option<Vec<String>>,
}

/// One input or output.
#[derive(Debug, Clone, PartialEq)]
pub struct Port {
    pub name: String,
    pub kind: ValueType,
    /// Class names known for this output alone (a ZipMap's keys).
    pub classes: Option<Vec<String>>,
}

/// The declared type of an input or output.
#[derive(Debug, Clone, PartialEq)]
pub enum ValueType {
    /// `shape` is `None` where the file declares none at all.
    Tensor {
        dtype: Dtype,
        shape: Option<Vec<Dim>>,
    },
    Sequence(Box<ValueType>),
    Map {
        key: Dtype,
        value: Box<ValueType>,
    },
    Optional(Box<ValueType>),
    /// A type that cannot be fed or read here, as text: `tensor(complex64)`, `sparse_tensor`...
    Other(String),
}

/// One declared dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dim {
    Fixed(usize),
    /// A free dimension with a name, such as `batch`.
    Symbol(String),
    /// A free dimension without a name.
    Free,
}

impl Dim {
    /// The size, where it is fixed.
    pub fn fixed(&self) -> Option<usize> {
        match self {
            Dim::Fixed(size) => Some(*size),
            Dim::Symbol(_) | Dim::Free => None,
        }
    }
}

impl Port {
    /// Element type and declared shape, if this is a tensor.
    pub fn tensor(&self) -> Option<(Dtype, Option<&[Dim]>)> {
        match &self.kind {
            ValueType::Tensor { dtype, shape } => Some((*dtype, shape.as_deref())),
            _ => None,
        }
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dim::Fixed(size) => write!(f, "{size}"),
            Dim::Symbol(name) => f.write_str(name),
            Dim::Free => f.write_str("?"),
        }
    }
}

/// `[batch, 3, ?]`, as every table and error text shows a shape.
pub fn shape_text(shape: &[Dim]) -> String {
    let dims: Vec<String> = shape.iter().map(Dim::to_string).collect();
    format!("[{}]", dims.join(", "))
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValueType::Tensor { dtype, .. } => write!(f, "{dtype}"),
            ValueType::Sequence(item) => write!(f, "sequence({item})"),
            ValueType::Map { key, value } => write!(f, "map({key}, {value})"),
            ValueType::Optional(item) => write!(f, "optional({item})"),
            ValueType::Other(text) => f.write_str(text),
        }
    }
}
