//! The outputs of a served model as a run really gives them: tensors by name, their dtypes and shapes.
//!
//! What a file declares is wrong too often (a label declared `[1]`), so zeros are run once, with two
//! records and with three: what differs between the two is free.

use std::borrow::Cow;

use crate::batch::encode::Group;
use crate::batch::feed::{BatchAxis, How, Kind, kind};
use crate::batch::plan::Plan;
use crate::model::dtype::Dtype;
use crate::model::signature::{Dim, Port, Signature, ValueType};
use crate::model::tensor::{Tensor, Value};

use super::hosted::Hosted;

/// One output tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The model's name for it; for the tensors of a sequence with their number: `probabilities_0`.
    pub name: String,
    pub dtype: Dtype,
    /// `None` for a free dimension.
    pub shape: Vec<Option<usize>>,
    /// Whether its first axis counts records.
    pub counts_records: bool,
    /// The names of its columns.
    pub classes: Option<Vec<String>>,
}

/// The tensors of a run with their names: a map is the tensor of its values, a sequence is one tensor
/// for each of its items.
pub fn named<'p>(
    ports: impl IntoIterator<Item = &'p Port>,
    values: Vec<Value>,
) -> Vec<(Cow<'p, str>, Tensor)> {
    let mut tensors = Vec::with_capacity(values.len());
    for (port, value) in ports.into_iter().zip(values) {
        match value {
            Value::Tensor(tensor) | Value::Maps { values: tensor, .. } => {
                tensors.push((Cow::Borrowed(port.name.as_str()), tensor));
            }
            Value::Sequence(items) => {
                let items = items.into_iter().enumerate();
                let named = |(index, item)| (Cow::Owned(format!("{}_{index}", port.name)), item);
                tensors.extend(items.map(named));
            }
        }
    }
    tensors
}

impl Hosted {
    /// The model's outputs, by a run of zeros; as they are declared where it refuses those.
    pub fn outputs(&self) -> &[Output] {
        self.outputs.get_or_init(|| match shown(self) {
            Some(outputs) => outputs,
            None => self
                .signature()
                .outputs
                .iter()
                .filter_map(|port| declared(self, port))
                .collect(),
        })
    }

    fn signature(&self) -> &Signature {
        self.model.signature()
    }
}

/// Records of the two runs.
const RUNS: [usize; 2] = [2, 3];

/// The outputs of two runs of zeros; `None` where the model refuses them.
fn shown(hosted: &Hosted) -> Option<Vec<Output>> {
    let plan = &hosted.expected().ok()?.plan;
    let run = |records| {
        let group = Group::of_zeros(plan, records)?;
        hosted.model.run(&group.inputs).ok()
    };
    let [few, more] = RUNS.map(run);
    let few = few?;
    let keys: Vec<Option<Vec<String>>> = few.iter().map(keys_of).collect();
    let ports = &hosted.signature().outputs;
    let pairs = named(ports, few).into_iter().zip(named(ports, more?));
    let outputs = pairs.map(|((name, few), (_, more))| {
        let index = ports.iter().position(|port| port.name == name);
        let port = index.and_then(|index| ports.get(index));
        let (shape, counts_records) = compared(plan, port, few.shape(), more.shape());
        let keys = index.and_then(|index| keys.get(index)?.clone());
        Output {
            classes: keys.or_else(|| classes_of(hosted, port, few.dtype(), width_of(&shape))),
            name: name.into_owned(),
            dtype: few.dtype(),
            shape,
            counts_records,
        }
    });
    Some(outputs.collect())
}

/// The shape of an output by its shapes in the two runs, and whether its first axis counts records.
fn compared(
    plan: &Plan,
    port: Option<&Port>,
    few: &[usize],
    more: &[usize],
) -> (Vec<Option<usize>>, bool) {
    let firsts = [few, more].map(|shape| shape.first().copied());
    let counts_records = firsts == RUNS.map(|records| Some(plan.batch.rows(records)));
    let is_sized = plan.feeds.iter().all(|feed| match &feed.how {
        How::List { dims, .. } => dims.iter().all(Option::is_some),
        How::Cells { .. } | How::Once(_) => true,
    });
    let size = |(axis, (few, more)): (usize, (&usize, &usize))| {
        let is_records = axis == 0 && counts_records;
        // Where a size of the input is free, or zeros give nothing, two runs alike prove nothing.
        let may_change = !is_sized || *few == 0;
        let is_free = few != more || may_change && !port.is_some_and(|port| is_fixed(port, axis));
        (!is_records && !is_free).then_some(*few)
    };
    let shape = few.iter().zip(more).enumerate().map(size).collect();
    (shape, counts_records)
}

/// Columns of a matrix.
fn width_of(shape: &[Option<usize>]) -> Option<usize> {
    match shape {
        [_, width] => *width,
        _ => None,
    }
}

fn keys_of(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Maps { keys, .. } => Some(keys.clone()),
        Value::Tensor(_) | Value::Sequence(_) => None,
    }
}

/// Whether the file declares this axis of an output with a size.
fn is_fixed(port: &Port, axis: usize) -> bool {
    let shape = port.tensor().and_then(|(_, shape)| shape);
    shape.and_then(|shape| shape.get(axis)?.fixed()).is_some()
}

/// The names of `width` columns of scores, where they are known.
fn classes_of(
    hosted: &Hosted,
    port: Option<&Port>,
    dtype: Dtype,
    width: Option<usize>,
) -> Option<Vec<String>> {
    let of_port = port.and_then(|port| port.classes.as_ref());
    let of_model = hosted.signature().classes.as_ref();
    let known = [hosted.hosting.wanted.classes.as_ref(), of_port, of_model];
    let fits = |classes: &&Vec<String>| dtype.is_float() && Some(classes.len()) == width;
    known.into_iter().flatten().find(fits).cloned()
}

/// An output as the file declares it; `None` for what is no tensor before a run.
fn declared(hosted: &Hosted, port: &Port) -> Option<Output> {
    let batch = hosted.batch();
    let classes = || {
        port.classes
            .clone()
            .or_else(|| hosted.signature().classes.clone())
    };
    match &port.kind {
        ValueType::Tensor { dtype, shape } => {
            let mut shape: Vec<Option<usize>> = match shape {
                Some(shape) => shape.iter().map(Dim::fixed).collect(),
                None => vec![None],
            };
            let counts = match kind(port, batch) {
                Kind::PerRecord(_) => true,
                // What exporters write who think of one record.
                Kind::Once(dims) => batch == BatchAxis::Free && dims == [Some(1)],
            };
            if let Some(first) = shape.first_mut().filter(|_| counts) {
                *first = None;
            }
            Some(Output {
                name: port.name.clone(),
                dtype: *dtype,
                classes: classes_of(hosted, Some(port), *dtype, width_of(&shape)),
                counts_records: counts,
                shape,
            })
        }
        ValueType::Sequence(item) if matches!(**item, ValueType::Map { .. }) => Some(Output {
            name: port.name.clone(),
            dtype: Dtype::Float32,
            shape: vec![None, classes().map(|classes| classes.len())],
            counts_records: true,
            classes: classes(),
        }),
        _ => None,
    }
}
