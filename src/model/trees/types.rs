//! The element types of a graph's values, as far as tree ensembles need them: ONNX Runtime computes a
//! TreeEnsembleClassifier in the precision of its input, which only the nodes before it tell.
//!
//! A guess that is wrong costs no more than time: ONNX Runtime does not load a graph in which our
//! operator gets another type than it asks for, and the graph is then loaded as it was.

use std::collections::HashMap;

use crate::model::dtype::Dtype;
use crate::model::proto::{Graph, Node, Type};

/// The types of the values that a node may read: those of its graph before those around it.
#[derive(Debug, Default)]
pub(crate) struct Types<'m> {
    scopes: Vec<HashMap<&'m str, Known>>,
}

/// What is known of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    dtype: Dtype,
    /// How many axes it has; only graphs' inputs tell.
    axes: Option<usize>,
}

impl From<Dtype> for Known {
    fn from(dtype: Dtype) -> Known {
        Known { dtype, axes: None }
    }
}

impl<'m> Types<'m> {
    /// Goes into `graph`: its inputs and weights are known from now on.
    pub(crate) fn enter(&mut self, graph: &'m Graph<'_>) {
        let weights = graph.initializers.iter();
        let mut scope: HashMap<&str, Known> = weights
            .filter_map(|tensor| Some((&*tensor.name, Dtype::from_onnx(tensor.data_type)?.into())))
            .collect();
        for input in &graph.inputs {
            if let Type::Tensor(number, shape) = &input.kind
                && let Some(dtype) = Dtype::from_onnx(*number)
            {
                let axes = shape.as_ref().map(Vec::len);
                scope.insert(&input.name, Known { dtype, axes });
            }
        }
        self.scopes.push(scope);
    }

    /// Comes out of the graph that was entered last.
    pub(super) fn leave(&mut self) {
        self.scopes.pop();
    }

    /// The type of the value `name`, where it is known.
    pub(crate) fn of(&self, name: &str) -> Option<Dtype> {
        self.known(name).map(|known| known.dtype)
    }

    /// How many axes the value `name` has, where a graph declares it as its input.
    pub(super) fn axes(&self, name: &str) -> Option<usize> {
        self.known(name)?.axes
    }

    fn known(&self, name: &str) -> Option<Known> {
        self.scopes
            .iter()
            .rev()
            .find_map(|scope| scope.get(name).copied())
    }

    /// Learns the types of what `node` gives; nodes have to come in the order of the graph.
    pub(crate) fn learn(&mut self, node: &'m Node<'_>) {
        let types: Vec<_> = (0..node.outputs.len())
            .map(|index| self.given(node, index))
            .collect();
        let Some(scope) = self.scopes.last_mut() else {
            return;
        };
        for (name, dtype) in node.outputs.iter().zip(types) {
            if let Some(dtype) = dtype {
                scope.insert(name, dtype.into());
            }
        }
    }

    /// The type of the output `index` of `node`. Of operators that are not named here, the type of
    /// the first input: that is what nearly all give.
    fn given(&self, node: &Node<'_>, index: usize) -> Option<Dtype> {
        let input = |at: usize| self.of(node.inputs.get(at)?);
        let number = |name: &str| Dtype::from_onnx(i32::try_from(node.attribute(name)?.int?).ok()?);
        let tensor =
            |name: &str| Dtype::from_onnx(node.attribute(name)?.tensors.first()?.data_type);
        // What a function gives, its nodes tell, which are not looked at.
        if !matches!(
            &*node.domain,
            "" | "ai.onnx" | "ai.onnx.ml" | "com.microsoft"
        ) {
            return None;
        }
        match (&*node.op, index) {
            ("If" | "Loop" | "Scan" | "DequantizeLinear" | "QuantizeLinear", _) => None,
            ("Cast", _) => number("to"),
            ("CastLike" | "Where", _) => input(1),
            ("OneHot", _) => input(2),
            ("Constant" | "ConstantOfShape", _) => tensor("value").or(Some(Dtype::Float32)),
            ("LabelEncoder", _) => label_encoded(node),
            ("TreeEnsembleClassifier" | "SVMClassifier" | "LinearClassifier", 0) => None,
            (
                "TreeEnsembleClassifier"
                | "TreeEnsembleRegressor"
                | "SVMClassifier"
                | "SVMRegressor"
                | "LinearClassifier"
                | "LinearRegressor"
                | "Scaler"
                | "Normalizer"
                | "OneHotEncoder"
                | "FeatureVectorizer"
                | "TfIdfVectorizer",
                _,
            ) => Some(Dtype::Float32),
            ("Shape" | "Size" | "NonZero" | "ArgMax" | "ArgMin", _) | ("TopK", 1) => {
                Some(Dtype::Int64)
            }
            (
                "Equal" | "Less" | "LessOrEqual" | "Greater" | "GreaterOrEqual" | "And" | "Or"
                | "Xor" | "Not" | "IsNaN" | "IsInf",
                _,
            ) => Some(Dtype::Bool),
            _ => input(0),
        }
    }
}

fn label_encoded(node: &Node<'_>) -> Option<Dtype> {
    let has = |name: &str| node.attribute(name).is_some();
    if let Some(tensor) = node.attribute("values_tensor") {
        return Dtype::from_onnx(tensor.tensors.first()?.data_type);
    }
    if has("values_floats") {
        Some(Dtype::Float32)
    } else if has("values_int64s") {
        Some(Dtype::Int64)
    } else {
        None
    }
}
