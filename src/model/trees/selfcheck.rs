//! Our kernel held against ONNX Runtime's own node when a model is loaded: a model of nothing but
//! its tree nodes is made in memory, and both score the same made-up rows.
//!
//! The rows are drawn where trees decide: at their thresholds and the floats beside them, with NaN,
//! infinities and zeros of both signs. Any score of another bit, any other label, and the ensemble
//! stays with ONNX Runtime.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use ndarray::ArrayD;

use super::attributes;
use super::cut;
use super::evaluator::{Evaluator, element};
use super::slot::{Slot, Slots};
use crate::error::Result;
use crate::model::onnx;
use crate::model::proto::{Budget, Model, Node};
use crate::model::runtime::Runtime;
use crate::model::session::{Session, Source};
use crate::model::tensor::{Tensor, Value};
use crate::model::wire::{self, Fault, put_bytes, put_int};
use crate::trees::attributes::{Attributes, Family, Numbers, Precision};

/// Branches and leaves that ONNX Runtime is given to check by; what a forest has beyond is left out
/// of the check, tree by tree.
const NODES: usize = 20_000;

/// Rows that are scored: more than one block of the kernel, and a rest.
const ROWS: usize = 300;

/// Values of the rows at most, and of their scores; an ensemble that asks for so many columns that not even two rows fit
/// is not checked, and so not evaluated here.
const CELLS: usize = 1 << 20;

/// The rows, from the first, that our kernel scores at once: it has ways for few and for many.
const BATCHES: [usize; 4] = [1, 7, 64, ROWS];

/// Holds the ensembles in `slots` against ONNX Runtime and gives back those that differ; returns a
/// warning for each.
pub(crate) fn check(runtime: &Runtime, model: &Model<'_>, slots: &mut Slots<'_>) -> Vec<String> {
    check_by(runtime, model, slots, NODES)
}

/// [`check`] with about so many `nodes` of trees.
fn check_by(
    runtime: &Runtime,
    model: &Model<'_>,
    slots: &mut Slots<'_>,
    nodes: usize,
) -> Vec<String> {
    let share = nodes / slots.evaluators().len().max(1);
    let mut warnings = Vec::new();
    let mut samples = Vec::new();
    for slot in &mut slots.slots {
        let Ok(evaluator) = slot.evaluator.clone() else {
            continue;
        };
        match Sample::of(slot, &evaluator, share) {
            Some(sample) => samples.push(sample),
            None => slot.refuse("it cannot be held against ONNX Runtime"),
        }
    }
    if samples.is_empty() {
        return warnings;
    }
    match differing(runtime, model, &samples) {
        Ok(numbers) => {
            for slot in slots
                .slots
                .iter_mut()
                .filter(|slot| numbers.contains(&slot.number))
            {
                let reason = "its scores here were not those of ONNX Runtime";
                warnings.push(format!("a tree ensemble stays with ONNX Runtime: {reason}"));
                slot.refuse(reason);
            }
        }
        // Mostly the model itself will not be loaded either. Where it is, this says why it is slow.
        Err(error) => {
            let reason = "ONNX Runtime does not run it alone";
            warnings.push(format!(
                "a tree ensemble stays with ONNX Runtime: {reason}: {error}"
            ));
            slots.refuse_all(reason);
        }
    }
    warnings
}

/// A tree node, whole or its first trees, with rows to hold it against ONNX Runtime by.
struct Sample {
    number: usize,
    evaluator: Arc<Evaluator>,
    /// The NodeProto.
    node: Vec<u8>,
    outputs: usize,
    rows: Tensor,
}

impl Sample {
    /// Of `slot`, of about `most` nodes.
    fn of(slot: &Slot<'_>, evaluator: &Arc<Evaluator>, most: usize) -> Option<Sample> {
        Sample::of_first_trees(slot, most).or_else(|| {
            let attributes = attributes::read(slot.node, element(evaluator.input())).ok()?;
            Sample::new(slot, slot.node.body, Arc::clone(evaluator), &attributes)
        })
    }

    fn of_first_trees(slot: &Slot<'_>, most: usize) -> Option<Sample> {
        let precision = slot.evaluator.as_ref().ok()?.input();
        let body = cut::cut(slot.node, most)?;
        let node = Node::read(&body, &mut Budget::new()).ok()?;
        let attributes = attributes::read(&node, element(precision)).ok()?;
        let evaluator = Evaluator::compile(&attributes).ok()?;
        Sample::new(slot, &body, Arc::new(evaluator), &attributes)
    }

    fn new(
        slot: &Slot<'_>,
        body: &[u8],
        evaluator: Arc<Evaluator>,
        attributes: &Attributes,
    ) -> Option<Sample> {
        Some(Sample {
            number: slot.number,
            node: renamed(body, slot).ok()?,
            outputs: slot.node.outputs.len(),
            rows: rows(attributes, evaluator.features().max(1), evaluator.targets())?,
            evaluator,
        })
    }

    /// Whether our kernel gives what ONNX Runtime gave, in every batch.
    fn agrees(&self, theirs: &[Value]) -> bool {
        BATCHES.iter().all(|batch| {
            let ours = self.evaluator.values(&first(&self.rows, *batch));
            ours.is_some_and(|ours| {
                let mut pairs = ours.iter().zip(theirs);
                ours.len() == theirs.len() && pairs.all(|(ours, theirs)| same(ours, theirs))
            })
        })
    }
}

/// The numbers of the samples that our kernel scores otherwise than ONNX Runtime.
fn differing(runtime: &Runtime, model: &Model<'_>, samples: &[Sample]) -> Result<Vec<usize>> {
    let bytes = alone(model, samples);
    let facts = onnx::facts(Path::new("tree ensembles"), &bytes)?;
    let source = Source {
        rewritten: Some(&bytes),
        ..Source::default()
    };
    let session = Session::load(runtime, &facts, source)?;
    let inputs: Vec<Tensor> = samples.iter().map(|sample| sample.rows.clone()).collect();
    let values = session.run(&inputs)?;
    let one: Vec<Tensor> = inputs.iter().map(|rows| first(rows, 1)).collect();
    let value_of_one = session.run(&one)?;
    let mut at = 0;
    let mut numbers = Vec::new();
    for sample in samples {
        let place = at..at + sample.outputs;
        at = place.end;
        let (all, one) = (values.get(place.clone()), value_of_one.get(place));
        let agrees = all.zip(one).is_some_and(|(all, one)| {
            let alike = all.iter().zip(one).all(|(all, one)| same(one, all));
            alike && sample.agrees(all)
        });
        if !agrees {
            numbers.push(sample.number);
        }
    }
    Ok(numbers)
}

/// Whether two values are of one type and `ours`, of fewer rows perhaps, is how `theirs` begins, bit
/// for bit; one NaN is as good as another.
fn same(ours: &Value, theirs: &Value) -> bool {
    fn begins<T>(ours: &ArrayD<T>, theirs: &ArrayD<T>, same: impl Fn(&T, &T) -> bool) -> bool {
        ours.shape().get(1..) == theirs.shape().get(1..)
            && ours.len() <= theirs.len()
            && ours
                .iter()
                .zip(theirs)
                .all(|(ours, theirs)| same(ours, theirs))
    }
    let (Value::Tensor(ours), Value::Tensor(theirs)) = (ours, theirs) else {
        return false;
    };
    match (ours, theirs) {
        (Tensor::Float32(ours), Tensor::Float32(theirs)) => begins(ours, theirs, |a, b| {
            a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
        }),
        (Tensor::Float64(ours), Tensor::Float64(theirs)) => begins(ours, theirs, |a, b| {
            a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
        }),
        (Tensor::Int64(ours), Tensor::Int64(theirs)) => begins(ours, theirs, |a, b| a == b),
        (Tensor::String(ours), Tensor::String(theirs)) => begins(ours, theirs, |a, b| a == b),
        _ => false,
    }
}

/// The first `count` rows, or all.
pub(super) fn first(rows: &Tensor, count: usize) -> Tensor {
    fn cut<T: Clone>(array: &ArrayD<T>, count: usize) -> ArrayD<T> {
        let count = count.min(array.shape().first().copied().unwrap_or(0));
        let rows: Vec<usize> = (0..count).collect();
        array.select(ndarray::Axis(0), &rows)
    }
    match rows {
        Tensor::Float32(array) => Tensor::Float32(cut(array, count)),
        Tensor::Float64(array) => Tensor::Float64(cut(array, count)),
        other => other.clone(),
    }
}

/// The node in `body` with values of its own names, `x0` -> `y0_0`, `y0_1`, and no name itself: two
/// nodes of different graphs may have the same.
fn renamed(body: &[u8], slot: &Slot<'_>) -> std::result::Result<Vec<u8>, Fault> {
    let mut out = Vec::with_capacity(body.len() + 64);
    for field in wire::fields(body) {
        let field = field?;
        if !matches!(field.number, 1..=3) {
            out.extend_from_slice(field.raw);
        }
    }
    put_bytes(&mut out, 1, input_name(slot.number).as_bytes());
    for output in 0..slot.node.outputs.len() {
        put_bytes(&mut out, 2, output_name(slot.number, output).as_bytes());
    }
    Ok(out)
}

fn input_name(number: usize) -> String {
    format!("x{number}")
}

fn output_name(number: usize, output: usize) -> String {
    format!("y{number}_{output}")
}

/// A ModelProto of the samples side by side, with the versions of `model`.
fn alone(model: &Model<'_>, samples: &[Sample]) -> Vec<u8> {
    let mut graph = Vec::new();
    for sample in samples {
        put_bytes(&mut graph, 1, &sample.node);
    }
    put_bytes(&mut graph, 2, b"trees");
    for sample in samples {
        let input = tensor_info(&input_name(sample.number), Some(sample.evaluator.input()));
        put_bytes(&mut graph, 11, &input);
    }
    for sample in samples {
        for output in 0..sample.outputs {
            // ONNX Runtime finds the type of an output itself.
            let output = tensor_info(&output_name(sample.number, output), None);
            put_bytes(&mut graph, 12, &output);
        }
    }
    let mut bytes = Vec::new();
    put_int(&mut bytes, 1, model.ir_version);
    put_bytes(&mut bytes, 7, &graph);
    for (domain, version) in &model.opsets {
        let mut opset = Vec::new();
        put_bytes(&mut opset, 1, domain.as_bytes());
        put_int(&mut opset, 2, *version);
        put_bytes(&mut bytes, 8, &opset);
    }
    bytes
}

/// A ValueInfoProto: a tensor without a shape.
fn tensor_info(name: &str, precision: Option<Precision>) -> Vec<u8> {
    let mut info = Vec::new();
    put_bytes(&mut info, 1, name.as_bytes());
    if let Some(precision) = precision {
        let mut tensor = Vec::new();
        put_int(&mut tensor, 1, i64::from(element(precision)));
        let mut kind = Vec::new();
        put_bytes(&mut kind, 1, &tensor);
        put_bytes(&mut info, 2, &kind);
    }
    info
}

/// Made-up rows for the ensemble of `attributes`; `None` where they would be too wide.
pub(super) fn rows(attributes: &Attributes, columns: usize, targets: usize) -> Option<Tensor> {
    let count = (CELLS / columns.max(targets)).min(ROWS);
    if count < 2 {
        return None;
    }
    let thresholds = Thresholds::of(attributes);
    let mut draw = Draw(0x9e37_79b9_7f4a_7c15);
    let cells = (0..count * columns).map(|cell| cell % columns);
    let shape = [count, columns];
    match attributes.precision {
        Precision::Single => {
            let cells = cells.map(|column| match thresholds.cell(column, &mut draw) {
                (value, 0) => value as f32,
                (value, 1) => (value as f32).next_up(),
                (value, _) => (value as f32).next_down(),
            });
            let cells = cells.collect();
            ArrayD::from_shape_vec(shape.as_slice(), cells)
                .ok()
                .map(Tensor::Float32)
        }
        Precision::Double => {
            let cells = cells.map(|column| match thresholds.cell(column, &mut draw) {
                (value, 0) => value,
                (value, 1) => value.next_up(),
                (value, _) => value.next_down(),
            });
            let cells = cells.collect();
            ArrayD::from_shape_vec(shape.as_slice(), cells)
                .ok()
                .map(Tensor::Float64)
        }
    }
}

/// The values that an ensemble compares with, by column.
struct Thresholds {
    by_column: HashMap<usize, Vec<f64>>,
}

impl Thresholds {
    fn of(attributes: &Attributes) -> Thresholds {
        let (features, values, members) = match &attributes.family {
            Family::Pair(pair) => (&pair.nodes.features, &pair.nodes.values, None),
            Family::Joint(joint) => (&joint.features, &joint.values, Some(&joint.members)),
        };
        let mut by_column: HashMap<usize, Vec<f64>> = HashMap::new();
        for (feature, value) in features.iter().zip(numbers(values)) {
            if let Ok(column) = usize::try_from(*feature) {
                by_column.entry(column).or_default().push(value);
            }
        }
        // Which column a set belongs to does not matter: each gets a chance at each value.
        for members in members.into_iter().filter(|members| !members.is_empty()) {
            for known in by_column.values_mut() {
                known.extend(numbers(members).take(256));
            }
        }
        Thresholds { by_column }
    }

    /// A value for a cell of `column`, and whether to take it (0), the next above (1) or below (2).
    fn cell(&self, column: usize, draw: &mut Draw) -> (f64, u64) {
        let known = self.by_column.get(&column).map_or(&[][..], Vec::as_slice);
        let kind = draw.below(32);
        let value = match kind {
            0 | 1 => f64::NAN,
            2 => f64::INFINITY,
            3 => f64::NEG_INFINITY,
            4 => 0.0,
            5 => -0.0,
            _ => {
                let at = draw.below(known.len() as u64);
                let known = usize::try_from(at).ok().and_then(|at| known.get(at));
                known.copied().unwrap_or(1.0)
            }
        };
        (value, if kind < 6 { 0 } else { draw.below(3) })
    }
}

fn numbers(numbers: &Numbers) -> Box<dyn Iterator<Item = f64> + '_> {
    match numbers {
        Numbers::Singles(list) => Box::new(list.iter().map(|value| f64::from(*value))),
        Numbers::Doubles(list) => Box::new(list.iter().copied()),
    }
}

/// Numbers that look random and are the same in every run (xorshift64*).
struct Draw(u64);

impl Draw {
    /// A number below `end`; 0 where that is 0.
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16;
        number.checked_rem(end).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::runtime::{self, RuntimeChoice};

    /// What is left of the slots of a model of `tests/corpus/trees` after the check, and the
    /// warnings; before it, `change` may change the attributes that the kernel is made of.
    fn checked(
        name: &str,
        nodes: usize,
        change: Option<fn(&mut Attributes)>,
    ) -> Result<(usize, Vec<String>)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/trees");
        let path = folder.join(name).with_extension("onnx");
        let bytes = onnx::open(&path)?;
        let model = onnx::parsed(&path, &bytes)?;
        let mut slots = Slots::of(&model, None);
        for slot in &mut slots.slots {
            if let Some(change) = change {
                let attributes = attributes::read(slot.node, 1).map_err(|r| r.to_string());
                slot.evaluator = attributes.and_then(|mut attributes| {
                    change(&mut attributes);
                    Evaluator::compile(&attributes).map(Arc::new)
                });
            }
        }
        let runtime = runtime::start(&RuntimeChoice::default())?;
        let warnings = check_by(runtime, &model, &mut slots, nodes);
        Ok((slots.evaluators().len(), warnings))
    }

    #[test]
    fn equal_ensembles_stay_whole_or_cut() -> Result<()> {
        for name in ["numbers", "texts", "targets", "double", "branches"] {
            for nodes in [NODES, 40, 1] {
                let (kept, warnings) = checked(name, nodes, None)?;
                assert!(kept > 0, "{name}");
                assert_eq!(warnings, Vec::<String>::new(), "{name}, {nodes}");
            }
        }
        Ok(())
    }

    #[test]
    fn leaves_of_another_last_bit_give_the_ensemble_back() -> Result<()> {
        let (kept, warnings) = checked(
            "numbers",
            NODES,
            Some(|attributes| {
                if let Family::Pair(pair) = &mut attributes.family
                    && let Numbers::Singles(weights) = &mut pair.weights.values
                {
                    weights
                        .iter_mut()
                        .for_each(|weight| *weight = weight.next_up());
                }
            }),
        )?;
        assert_eq!(kept, 0);
        assert_eq!(
            warnings,
            [
                "a tree ensemble stays with ONNX Runtime: its scores here were not those of ONNX Runtime"
            ]
        );
        Ok(())
    }

    #[test]
    fn another_last_bit_of_one_threshold_gives_the_ensemble_back() -> Result<()> {
        let (kept, _) = checked(
            "texts",
            NODES,
            Some(|attributes| {
                if let Family::Pair(pair) = &mut attributes.family
                    && let Numbers::Singles(thresholds) = &mut pair.nodes.values
                    && let Some(first) = thresholds.first_mut()
                {
                    *first = first.next_up();
                }
            }),
        )?;
        assert_eq!(kept, 0);
        Ok(())
    }
}
