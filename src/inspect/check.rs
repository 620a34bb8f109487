//! `--check`: the model in ONNX Runtime, and one made-up batch through it.
//!
//! That the runtime loads a model is certain then; that it refuses made-up values is not a fault,
//! for a strict encoder refuses every category that it has not seen.

use std::time::Instant;

use ndarray::ArrayD;

use crate::batch::columns::{Layout, Wanted};
use crate::batch::encode::Group;
use crate::batch::feed::{BatchAxis, Kind, elements, kind};
use crate::error::{Error, Report, Result};
use crate::model::Model;
use crate::model::assigned::Assigned;
use crate::model::dtype::Dtype;
use crate::model::onnx::Facts;
use crate::model::runtime::{self, Runtime, RuntimeChoice};
use crate::model::signature::{Dim, Port, Signature, ValueType};
use crate::model::tensor::{Tensor, Value};
use crate::model::trees::{Choice, Evaluated};

use super::ports::{self, Fed};

/// Records of the made-up batch: more than one, and unlikely to be any other size in the model.
const RECORDS: usize = 7;

/// What ONNX Runtime says to a model.
pub(super) struct Checked {
    /// The runtime, if it could be started.
    pub runtime: Option<&'static Runtime>,
    /// What kept the model from being loaded.
    pub loaded: Result<()>,
    pub load_ms: Option<f64>,
    /// What evaluates the tree ensembles, if the model was loaded.
    pub evaluated: Option<Evaluated>,
    /// What each provider got of the nodes, where others than the CPU were asked for.
    pub assigned: Vec<Assigned>,
    /// What the load left to say.
    pub warnings: Vec<String>,
    /// How the made-up batch went, if the model was loaded.
    pub ran: Option<std::result::Result<Ran, Report>>,
}

impl Checked {
    /// The made-up batch, if it ran.
    pub(super) fn ran(&self) -> Option<&Ran> {
        self.ran.as_ref()?.as_ref().ok()
    }

    /// Why the made-up batch was refused, if it was.
    pub(super) fn refused(&self) -> Option<&Report> {
        self.ran.as_ref()?.as_ref().err()
    }
}

/// A made-up batch that the model accepted.
pub(super) struct Ran {
    pub run_ms: f64,
    /// Records of the batch.
    pub batch: usize,
    /// One for each output of the signature.
    pub outputs: Vec<RanOutput>,
}

/// What one output really is.
pub(super) struct RanOutput {
    pub name: String,
    /// Type and shape of the tensor; several of them for a sequence.
    pub tensors: Vec<(String, Vec<usize>)>,
    pub is_sequence: bool,
    pub layout: Layout,
}

/// Loads the model of `facts` and runs one made-up batch.
pub(super) fn check(facts: &Facts, choice: &RuntimeChoice, trees: Choice) -> Checked {
    let mut checked = Checked {
        runtime: None,
        loaded: Ok(()),
        load_ms: None,
        evaluated: None,
        assigned: Vec::new(),
        warnings: Vec::new(),
        ran: None,
    };
    checked.loaded = load_and_run(facts, choice, trees, &mut checked);
    checked
}

fn load_and_run(
    facts: &Facts,
    choice: &RuntimeChoice,
    trees: Choice,
    checked: &mut Checked,
) -> Result<()> {
    checked.runtime = Some(runtime::start(choice)?);
    let start = Instant::now();
    let model = Model::from_facts(facts.clone(), choice, trees)?;
    checked.load_ms = Some(ms_since(start));
    checked.evaluated = Some(model.evaluated().clone());
    checked.assigned = model.assigned().to_vec();
    checked.warnings = model.warnings().to_vec();
    if !ports::fed(&facts.signature).contains(&Fed::Nothing) {
        let ran = run(&model);
        checked.ran = Some(ran.map_err(|error| {
            error.report().cloned().unwrap_or_else(|| Report {
                place: String::new(),
                message: error.to_string(),
                hint: String::new(),
            })
        }));
    }
    Ok(())
}

fn run(model: &Model) -> Result<Ran> {
    let signature = model.signature();
    let batch = ports::run_batch(signature);
    let sized = sized(signature);
    check_size(&sized, batch)?;
    let known = |index| known_category(&model.facts, batch, index);
    let group = Group::made_up(&sized, batch, RECORDS, known);
    let start = Instant::now();
    let values = model.run(&group.inputs)?;
    let run_ms = ms_since(start);
    let again = Again {
        model,
        group: &group,
        batch,
        values: None,
    };
    let rows = group.rows(batch);
    Ok(Ran {
        run_ms,
        batch: rows,
        outputs: outputs(signature, values, rows, again)?,
    })
}

/// Elements that a made-up batch may have: a file may declare any shape.
const MOST_ELEMENTS: usize = 1 << 24;

fn check_size(signature: &Signature, batch: BatchAxis) -> Result<()> {
    let rows = batch.rows(RECORDS);
    let sizes = signature.inputs.iter().map(|port| match kind(port, batch) {
        Kind::PerRecord(dims) => elements(&shape(Some(rows), &dims)),
        Kind::Once(dims) => elements(&shape(None, &dims)),
    });
    let total = sizes.fold(0, usize::saturating_add);
    if total <= MOST_ELEMENTS {
        return Ok(());
    }
    Err(Error::model(
        "",
        format!("{rows} records of these shapes have {total} values, too many to make up"),
    ))
}

/// The shape of a made-up input, where a free dimension counts 1.
fn shape(rows: Option<usize>, dims: &[Option<usize>]) -> Vec<usize> {
    let sizes = dims.iter().map(|dim| dim.unwrap_or(1));
    rows.into_iter().chain(sizes).collect()
}

/// A column of the first category that the model knows, for an input that an encoder reads: a strict
/// one refuses everything else, empty strings and zeros too.
fn known_category(facts: &Facts, batch: BatchAxis, index: usize) -> Option<Tensor> {
    let port = facts.signature.inputs.get(index)?;
    let category = *ports::categories(facts, port)?.first()?;
    let (dtype, _) = port.tensor()?;
    let Kind::PerRecord(dims) = kind(port, batch) else {
        return None;
    };
    let shape = shape(Some(batch.rows(RECORDS)), &dims);
    match dtype {
        Dtype::String => Some(Tensor::String(ArrayD::from_elem(
            shape,
            category.to_owned(),
        ))),
        Dtype::Int64 => Some(Tensor::Int64(ArrayD::from_elem(
            shape,
            category.parse().ok()?,
        ))),
        _ => None,
    }
}

/// The signature with the free width of a matrix fixed to the number of its feature names.
fn sized(signature: &Signature) -> Signature {
    let mut sized = signature.clone();
    for (port, fed) in sized.inputs.iter_mut().zip(ports::fed(signature)) {
        if let (
            Fed::Features(names),
            ValueType::Tensor {
                shape: Some(shape), ..
            },
        ) = (fed, &mut port.kind)
            && let [_, width] = shape.as_mut_slice()
        {
            *width = Dim::Fixed(names.len());
        }
    }
    sized
}

fn outputs(
    signature: &Signature,
    values: Vec<Value>,
    rows: usize,
    mut again: Again<'_>,
) -> Result<Vec<RanOutput>> {
    let mut alone = ports::alone(signature);
    let output = |(index, (port, value)): (usize, (&Port, Value))| {
        let values = [value];
        alone.outputs = vec![port.clone()];
        let batch = again.batch;
        let layout = Layout::new(&alone, &values, rows, batch, &Wanted::default(), || {
            again.output(index)
        })?;
        let [value] = &values;
        Ok(RanOutput {
            name: port.name.clone(),
            tensors: tensors(value),
            is_sequence: matches!(value, Value::Sequence(_)),
            layout,
        })
    };
    signature
        .outputs
        .iter()
        .zip(values)
        .enumerate()
        .map(output)
        .collect()
}

fn tensors(value: &Value) -> Vec<(String, Vec<usize>)> {
    let told = |tensor: &Tensor| (tensor.dtype().to_string(), tensor.shape().to_vec());
    match value {
        Value::Tensor(tensor) | Value::Maps { values: tensor, .. } => vec![told(tensor)],
        Value::Sequence(items) => items.iter().map(told).collect(),
    }
}

/// The same records twice over, run when the first output asks for it.
struct Again<'a> {
    model: &'a Model,
    group: &'a Group,
    batch: BatchAxis,
    values: Option<Vec<Value>>,
}

impl Again<'_> {
    fn output(&mut self, index: usize) -> Result<Vec<Value>> {
        if self.values.is_none() {
            let inputs = &self.model.signature().inputs;
            let counts: Vec<bool> = inputs
                .iter()
                .map(|port| matches!(kind(port, self.batch), Kind::PerRecord(_)))
                .collect();
            self.values = Some(self.model.run(&self.group.doubled(&counts).inputs)?);
        }
        Ok(self
            .values
            .iter()
            .flatten()
            .nth(index)
            .cloned()
            .into_iter()
            .collect())
    }
}

fn ms_since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1000.0
}
