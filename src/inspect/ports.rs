//! How `predict` feeds each input of a model, and which columns it makes of each output.
//!
//! The rules are those of `batch::plan`, told before there are any columns.

use crate::batch::columns::{Form, Layout, Wanted};
use crate::batch::feed::{BatchAxis, Kind, batch_axis, kind};
use crate::error::Result;
use crate::model::dtype::Dtype;
use crate::model::onnx::Facts;
use crate::model::signature::{Dim, Port, Signature, ValueType};

/// What feeds an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fed<'s> {
    /// One column, of the input's own name.
    Column,
    /// The columns that the model's metadata names.
    Features(&'s [String]),
    /// This many columns in the model's order, which does not name them.
    Position(usize),
    /// One column of the input's own name with a JSON list for each record.
    Lists,
    /// As [`Fed::Lists`], or this many columns `NAME_0`, `NAME_1`...
    ListsOrNumbered(usize),
    /// `--set NAME=JSON`, which must be given: one value for all records.
    Set,
    /// Zeros, unless `--set` gives it: a state without a batch axis.
    State,
    /// Nothing that a file holds: no tensor.
    Nothing,
}

impl Fed<'_> {
    /// The word that JSON has for it.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Fed::Column => "column",
            Fed::Features(_) => "features",
            Fed::Position(_) => "position",
            Fed::Lists | Fed::ListsOrNumbered(_) => "lists",
            Fed::Set => "set",
            Fed::State => "state",
            Fed::Nothing => "nothing",
        }
    }
}

/// The categories of an input that the model's encoder knows; a missing value is none of them.
pub(crate) fn categories<'f>(facts: &'f Facts, port: &Port) -> Option<Vec<&'f str>> {
    let (_, known) = facts
        .categories
        .iter()
        .find(|(name, _)| *name == port.name)?;
    let named: Vec<&str> = known
        .iter()
        .map(String::as_str)
        .filter(|category| !category.is_empty())
        .collect();
    (!named.is_empty()).then_some(named)
}

/// Records of one run, where nothing is given by `--set`.
pub(crate) fn run_batch(signature: &Signature) -> BatchAxis {
    let batch = batch_axis(signature, |_| false);
    let is_sized_state = |port: &Port| match kind(port, batch) {
        Kind::Once(dims) => dims.iter().any(Option::is_none),
        Kind::PerRecord(_) => false,
    };
    if signature.inputs.iter().any(is_sized_state) {
        BatchAxis::Fixed(1)
    } else {
        batch
    }
}

/// What feeds each input, in the signature's order.
pub(crate) fn fed(signature: &Signature) -> Vec<Fed<'_>> {
    let batch = batch_axis(signature, |_| false);
    let dims = |port: &Port| match kind(port, batch) {
        Kind::PerRecord(dims) if port.tensor().is_some() => Some(dims),
        _ => None,
    };
    let per_record: Vec<Vec<Option<usize>>> = signature.inputs.iter().filter_map(dims).collect();
    // One input takes the columns that are left: the only matrix, or the only input at all.
    let matrices = per_record
        .iter()
        .filter(|dims| record_elements(dims) != Some(1))
        .count();
    let takes_the_rest = |dims: &[Option<usize>]| match record_elements(dims) {
        Some(1) => per_record.len() == 1,
        _ => matrices == 1,
    };
    let feed = |port| {
        fed_by(
            port,
            kind(port, batch),
            signature.features.as_deref(),
            takes_the_rest,
        )
    };
    signature.inputs.iter().map(feed).collect()
}

fn fed_by<'s>(
    port: &Port,
    kind: Kind,
    features: Option<&'s [String]>,
    takes_the_rest: impl Fn(&[Option<usize>]) -> bool,
) -> Fed<'s> {
    if port.tensor().is_none() {
        return Fed::Nothing;
    }
    let dims = match kind {
        Kind::Once(dims) if dims.is_empty() => return Fed::Set,
        Kind::Once(_) => return Fed::State,
        Kind::PerRecord(dims) => dims,
    };
    let rest = takes_the_rest(&dims);
    let fits = |names: &&[String]| match record_elements(&dims) {
        Some(elements) => elements == names.len(),
        None => dims.len() == 1,
    };
    match (
        features.filter(fits).filter(|_| rest),
        record_elements(&dims),
    ) {
        (Some(names), _) => Fed::Features(names),
        (None, Some(1)) => Fed::Column,
        (None, Some(elements)) if dims.len() == 1 && rest => Fed::Position(elements),
        (None, Some(elements)) if dims.len() == 1 => Fed::ListsOrNumbered(elements),
        (None, _) => Fed::Lists,
    }
}

/// Elements of one record, where all dimensions are fixed.
pub(crate) fn record_elements(dims: &[Option<usize>]) -> Option<usize> {
    dims.iter().try_fold(1, |product: usize, size| {
        Some(product.saturating_mul((*size)?))
    })
}

/// What each output's declaration promises, in the signature's order.
///
/// # Errors
/// As [`Layout::declared`].
pub(crate) fn declared(signature: &Signature) -> Result<Vec<Layout>> {
    let batch = run_batch(signature);
    let has_state = fed(signature).contains(&Fed::State);
    // One output at a time, so that its fields are told from those of the others.
    let mut alone = alone(signature);
    let layout = |port: &Port| {
        alone.outputs = vec![port.clone()];
        let mut layout = Layout::declared(&alone, batch, &Wanted::default())?;
        // `[1]` is how LightGBM's exporter declares a label for any number of records; `[1, 4]`
        // beside a state is the state's next value.
        let is_sized = matches!(shape(port), Some([Dim::Fixed(_), _, ..]));
        if is_sized && has_state && batch == BatchAxis::Free {
            layout.fields.clear();
            layout.left_out = vec![(port.name.clone(), "has no batch axis")];
        }
        Ok(layout)
    };
    signature.outputs.iter().map(layout).collect()
}

/// The signature without its ports, to be given one output at a time.
pub(crate) fn alone(signature: &Signature) -> Signature {
    Signature {
        inputs: Vec::new(),
        outputs: Vec::new(),
        features: None,
        classes: signature.classes.clone(),
    }
}

/// A declared output wider than this is not spelt out: the file may say any number.
const MOST_COLUMNS: usize = 100_000;

/// The columns of one output; `None` where only a run can tell them.
pub(crate) fn columns(layout: &Layout) -> Option<Vec<String>> {
    let is_open = |form: &Form| match form {
        Form::Unknown => true,
        Form::List(size) => *size > MOST_COLUMNS,
        _ => false,
    };
    // A sequence has as many fields as a run gives it, and none before.
    let nothing_known = layout.fields.is_empty() && layout.left_out.is_empty();
    let is_unknown = nothing_known || layout.fields.iter().any(|field| is_open(&field.form));
    (!is_unknown).then(|| layout.columns())
}

/// The class names that an output's columns have.
pub(crate) fn classes(layout: &Layout) -> Option<&[String]> {
    layout.fields.iter().find_map(|field| match &field.form {
        Form::Classes(classes) => Some(classes.as_slice()),
        _ => None,
    })
}

/// The type of the elements, in tensors as in sequences and maps of them.
pub(crate) fn element(kind: &ValueType) -> Option<Dtype> {
    match kind {
        ValueType::Tensor { dtype, .. } => Some(*dtype),
        ValueType::Sequence(item) | ValueType::Optional(item) => element(item),
        ValueType::Map { value, .. } => element(value),
        ValueType::Other(_) => None,
    }
}

/// The declared shape, where there is one.
pub(crate) fn shape(port: &Port) -> Option<&[Dim]> {
    port.tensor().and_then(|(_, shape)| shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(name: &str, dims: Option<&[usize]>) -> Port {
        // 0 stands for a free dimension.
        let dim = |size: &usize| {
            if *size == 0 {
                Dim::Free
            } else {
                Dim::Fixed(*size)
            }
        };
        Port {
            name: name.to_owned(),
            kind: ValueType::Tensor {
                dtype: Dtype::Float32,
                shape: dims.map(|dims| dims.iter().map(dim).collect()),
            },
            classes: None,
        }
    }

    fn words(inputs: Vec<Port>, features: &[&str]) -> Vec<&'static str> {
        let features = (!features.is_empty())
            .then(|| features.iter().map(|name| (*name).to_owned()).collect());
        let signature = Signature {
            inputs,
            features,
            ..Signature::default()
        };
        fed(&signature).iter().map(Fed::word).collect()
    }

    #[test]
    fn every_kind_of_input_has_one_way_to_be_fed() {
        for (inputs, features, expected) in [
            (
                vec![input("x", Some(&[0, 1])), input("y", Some(&[0]))],
                &[][..],
                vec!["column", "column"],
            ),
            (vec![input("x", Some(&[0, 2]))], &[], vec!["position"]),
            (
                vec![input("x", Some(&[0, 2]))],
                &["a", "b"],
                vec!["features"],
            ),
            (
                vec![input("x", Some(&[0, 0]))],
                &["a", "b"],
                vec!["features"],
            ),
            (vec![input("x", Some(&[0, 0]))], &[], vec!["lists"]),
            (vec![input("x", Some(&[0, 2, 2]))], &[], vec!["lists"]),
            (
                vec![input("x", Some(&[0, 2])), input("y", Some(&[0, 3]))],
                &[],
                vec!["lists", "lists"],
            ),
            (
                vec![input("x", Some(&[0, 2])), input("y", Some(&[0, 1]))],
                &["a", "b"],
                vec!["features", "column"],
            ),
            (
                vec![
                    input("x", Some(&[0, 2])),
                    input("s", Some(&[])),
                    input("h", Some(&[1, 4])),
                ],
                &[],
                vec!["position", "set", "state"],
            ),
            (vec![input("x", None)], &[], vec!["column"]),
            (vec![input("x", Some(&[3, 2]))], &[], vec!["position"]),
        ] {
            assert_eq!(words(inputs.clone(), features), expected, "{inputs:?}");
        }
    }

    #[test]
    fn what_is_no_tensor_cannot_be_fed() {
        let kind = ValueType::Sequence(Box::new(input("x", None).kind));
        assert_eq!(element(&kind), Some(Dtype::Float32));
        let port = Port {
            name: "x".to_owned(),
            kind,
            classes: None,
        };
        assert_eq!(words(vec![port], &[]), ["nothing"]);
    }

    #[test]
    fn a_declared_width_that_no_memory_holds_is_not_spelt_out() {
        let outputs = vec![input("y", Some(&[0, 1 << 40])), input("z", Some(&[0, 2]))];
        let signature = Signature {
            inputs: vec![input("x", Some(&[0, 2]))],
            outputs,
            ..Signature::default()
        };
        let layouts = declared(&signature).unwrap_or_default();
        let told: Vec<Option<Vec<String>>> = layouts.iter().map(columns).collect();
        let z = vec!["z_0".to_owned(), "z_1".to_owned()];
        assert_eq!(told, [None, Some(z)]);
    }

    #[test]
    fn a_state_of_free_size_is_run_record_by_record() {
        let signature = Signature {
            inputs: vec![input("x", Some(&[0, 2])), input("h", Some(&[1, 0]))],
            ..Signature::default()
        };
        assert_eq!(run_batch(&signature), BatchAxis::Fixed(1));
    }
}
