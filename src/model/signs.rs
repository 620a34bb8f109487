//! Signs in a model of two silent traps: outputs that are raw scores, and missing values that are
//! scored wrongly. Only what there is a real sign of is said.

use super::dtype::Dtype;
use super::graph::Tally;
use super::lineage::Lineage;
use super::names::is_classifier;
use super::proto::{Graph, Model, Node, Type};
use super::signature::{Dim, Port, Signature};

/// Why an output of the model looks like a raw score and not a probability.
pub(crate) fn raw_scores(
    model: &Model<'_>,
    graph: &Graph<'_>,
    lineage: &Lineage<'_>,
    signature: &Signature,
) -> Option<String> {
    if graph.nodes.iter().any(is_link) {
        return None;
    }
    let outputs = || signature.outputs.iter().filter(|port| is_score(port));
    objective(model, graph)
        .or_else(|| outputs().find_map(|port| classifier(port, lineage)))
        .or_else(|| outputs().find_map(telling_name))
        .or_else(|| outputs().find_map(|port| last_layer(port, signature, lineage)))
}

/// Whether the node turns scores into probabilities.
fn is_link(node: &Node<'_>) -> bool {
    ["Sigmoid", "Softmax", "LogSoftmax"]
        .iter()
        .any(|op| node.is_onnx(op))
}

/// Whether an output holds floats: a tensor, or maps of them.
fn is_score(port: &Port) -> bool {
    match port.tensor() {
        Some((dtype, _)) => dtype.is_float(),
        None => true,
    }
}

/// Metadata that tells the objective of a classifier, beside trees that only sum up.
fn objective(model: &Model<'_>, graph: &Graph<'_>) -> Option<String> {
    let (key, value) = model
        .metadata
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case("objective"))?;
    let signs = [
        "binary",
        "multiclass",
        "logistic",
        "softmax",
        "softprob",
        "cross_entropy",
    ];
    let lower = value.to_ascii_lowercase();
    let is_classifier = signs.iter().any(|sign| lower.contains(sign));
    let sums = |node: &Node<'_>| {
        (node.is_ml("TreeEnsemble") || node.is_ml("TreeEnsembleRegressor")) && !transforms(node)
    };
    let node = graph.nodes.iter().find(|node| sums(node))?;
    is_classifier.then(|| {
        format!(
            "metadata says {key}={value}, but {} only sums up its trees",
            node.op
        )
    })
}

/// Whether the node puts its scores through a function of its own.
fn transforms(node: &Node<'_>) -> bool {
    // A number in ai.onnx.ml 5, where 0 is NONE; a string before.
    node.attribute("post_transform").is_some_and(|a| {
        let text = a.string.as_deref().unwrap_or_default();
        !matches!(text, "" | "NONE") || a.int.unwrap_or(0) != 0
    })
}

/// A classifier node without a link function, right behind the output.
fn classifier(port: &Port, lineage: &Lineage<'_>) -> Option<String> {
    let sources = lineage.sources(&port.name);
    let node = sources
        .into_iter()
        .find(|node| is_classifier(node) && !transforms(node))?;
    let any = |name, is: fn(f32) -> bool| {
        node.attribute(name)
            .is_some_and(|attribute| attribute.any_float(is))
    };
    let is_raw = match &*node.op {
        "SVMClassifier" => !any("prob_a", |_| true),
        // Forests sum up probabilities; weights below zero are those of boosted scores.
        "TreeEnsembleClassifier" => any("class_weights", |weight| weight < 0.0),
        _ => true,
    };
    is_raw.then(|| {
        format!(
            "output {:?} comes from a {} without a link function",
            port.name, node.op
        )
    })
}

/// An output that its author named after raw scores.
fn telling_name(port: &Port) -> Option<String> {
    let name = port.name.to_ascii_lowercase();
    ["logit", "raw_score", "decision_function", "margin"]
        .iter()
        .any(|sign| name.contains(sign))
        .then(|| format!("output {:?} is named so", port.name))
}

/// A linear layer as the last one, with as many columns as there are class names.
fn last_layer(port: &Port, signature: &Signature, lineage: &Lineage<'_>) -> Option<String> {
    let classes = signature.classes.as_ref()?.len();
    let (_, shape) = port.tensor()?;
    let made_by = |name: &str| lineage.producer(name);
    let last = made_by(&port.name)?;
    let node = match last.inputs.first() {
        Some(input) if last.is_onnx("Identity") => made_by(input)?,
        _ => last,
    };
    let adds_bias = || {
        node.inputs
            .iter()
            .any(|input| lineage.initializer(input).is_some())
    };
    let is_linear =
        node.is_onnx("Gemm") || node.is_onnx("MatMul") || node.is_onnx("Add") && adds_bias();
    let fits = matches!(shape, Some([_, Dim::Fixed(columns)]) if *columns == classes);
    (is_linear && fits).then(|| {
        format!(
            "output {:?} comes straight from a linear layer ({})",
            port.name, node.op
        )
    })
}

/// Why a missing value (NaN) is scored silently and wrongly by this model.
pub(crate) fn nan_risk(model: &Model<'_>, tally: &Tally<'_>) -> Option<&'static str> {
    let has = |domain: &str, op: &str| tally.operators.contains_key(&(domain, op));
    let ml = |op: &str| has("ai.onnx.ml", op);
    let fills = ml("Imputer") || has("", "IsNaN") || has("ai.onnx", "IsNaN");
    let floats = |graph: &Graph<'_>| graph.inputs.iter().any(|info| takes_nan(&info.kind));
    if fills || !model.graph.as_ref().is_some_and(floats) {
        return None;
    }
    let is_sklearn = model.producer_name == "skl2onnx";
    if is_sklearn && tally.trees.is_some() && !tally.routes_missing {
        return Some(
            "the export of scikit-learn's trees drops what they learned about missing values: \
             the prediction is a guess",
        );
    }
    if ml("LinearClassifier") || ml("SVMClassifier") {
        return Some(
            "this classifier has no way to handle missing values: its scores become NaN, \
             and the label is the first class whatever the record says",
        );
    }
    if ml("LinearRegressor") || ml("SVMRegressor") {
        return Some("this regressor has no way to handle missing values: the prediction is NaN");
    }
    let is_kmeans = is_sklearn && has("", "ArgMin");
    is_kmeans.then_some("k-means has no way to handle missing values: they land in cluster 0")
}

fn takes_nan(kind: &Type<'_>) -> bool {
    match kind {
        Type::Tensor(number, _) => Dtype::from_onnx(*number).is_some_and(Dtype::is_float),
        _ => false,
    }
}
