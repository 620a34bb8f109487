//! Whether a model gives each record of a batch what it gives it alone: tried on made-up records when
//! the model is loaded.
//!
//! What a batch shares changes predictions: a softmax over the wrong axis, a scale that quantization
//! takes from the whole tensor, a normalization by the batch's own mean, an output of fixed size. Such
//! a model is never batched with the records of others.
//!
//! Equal means: the same texts, integers and booleans, and floats that differ by no more than
//! [`TOLERANCE`] of the output's largest. It need not be the same bits, for products of one row and of
//! several may add in another order. Measured between batches of 1 and 64 with ONNX Runtime 1.32 and
//! AVX-512: nothing for networks of up to 4,096 units, convolutions and tree ensembles, 2e-7 for a
//! logistic regression; a scale that the batch shares makes 1e-2.

use std::time::{Duration, Instant};

use ndarray::{ArrayD, IxDyn};

use crate::batch::element::{Element, ForElement, with_dtype};
use crate::batch::encode::Group;
use crate::batch::feed::{BatchAxis, Kind, elements, kind};
use crate::error::Result;
use crate::model::dtype::Dtype;
use crate::model::signature::Port;
use crate::model::tensor::{Tensor, Value};
use crate::serve::hosted::Hosted;

use super::join;
use super::queue::Joins;

/// Why the records of a model are never put together.
pub const MEDDLE: &str = "a record has other predictions in a batch than alone";
/// How far floats may lie apart, of the largest in the output.
pub const TOLERANCE: f64 = 1e-5;
/// The same for types of 16 bits, whose own steps are wider.
const TOLERANCE_16: f64 = 1e-2;
/// Records of the batch.
const RECORDS: usize = 5;
/// Sizes that free dimensions are tried with: of a list of tokens, of nothing, of an image.
const FREE: [usize; 3] = [8, 1, 32];
/// Most elements of an input that is made up.
const MOST_ELEMENTS: usize = 1 << 22;
/// No further record is tried after so long.
const ENOUGH: Duration = Duration::from_secs(2);
/// A run of one record that takes longer makes the batch as small as it can be.
const LONG: Duration = Duration::from_millis(100);
/// How often the time of a batch is taken, and no more often after so long.
const TRIES: usize = 8;
const ENOUGH_TRIES: Duration = Duration::from_millis(20);

/// What runs the model.
type Run<'r> = &'r dyn Fn(&[Tensor]) -> Result<Vec<Value>>;

impl Hosted {
    /// Whether records of several requests may go through the model together.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn try_batch(&self) -> std::result::Result<Joins, String> {
        if self.hosting.queueing.max_batch <= 1 {
            return Err("--max-batch is 1".to_owned());
        }
        if self.batch() != BatchAxis::Free {
            return Err("the model takes a fixed number of records".to_owned());
        }
        let signature = self.model.signature();
        let kinds = signature
            .inputs
            .iter()
            .map(|port| kind(port, BatchAxis::Free));
        let counts: Vec<bool> = kinds
            .map(|kind| matches!(kind, Kind::PerRecord(_)))
            .collect();
        if !counts.contains(&true) {
            return Err("no input of the model counts records".to_owned());
        }
        let is_free = |port: &Port| {
            port.tensor()
                .and_then(|(_, shape)| shape)
                .is_some_and(|shape| shape.iter().skip(1).any(|dim| dim.fixed().is_none()))
        };
        let sizes = match signature.inputs.iter().any(is_free) {
            true => &FREE[..],
            false => &FREE[..1],
        };
        let run = |inputs: &[Tensor]| self.model.run(inputs);
        let mut made_up = sizes.iter().filter_map(|free| self.made_up(*free));
        let tried = made_up.find_map(|group| try_on(&group, &counts, &run));
        tried.unwrap_or_else(|| {
            Err("the model refuses records that are made up to try it".to_owned())
        })
    }

    /// A batch of records that all differ, each larger than the one before; `free` is the size of
    /// dimensions without one. `None` for what nobody has memory for.
    fn made_up(&self, free: usize) -> Option<Group> {
        let input = |(index, port): (usize, &Port)| {
            if let Some(given) = self.given_once(index) {
                return Some(given.clone());
            }
            let (dtype, _) = port.tensor()?;
            let sizes = |dims: Vec<Option<usize>>| {
                let sizes = dims.into_iter().map(|dim| dim.unwrap_or(free));
                sizes.collect::<Vec<usize>>()
            };
            let shape = match kind(port, BatchAxis::Free) {
                Kind::PerRecord(dims) => [vec![RECORDS], sizes(dims)].concat(),
                Kind::Once(dims) => sizes(dims),
            };
            let facts = &self.model.facts;
            let categories = facts.categories.iter().find(|(name, _)| *name == port.name);
            let known = categories.map_or(&[][..], |(_, known)| known);
            (elements(&shape) <= MOST_ELEMENTS).then(|| {
                let made_up = MadeUp {
                    dtype,
                    shape: &shape,
                    known,
                };
                with_dtype(dtype, made_up)
            })
        };
        let inputs = self.model.signature().inputs.iter().enumerate().map(input);
        Some(Group {
            records: RECORDS,
            inputs: inputs.collect::<Option<_>>()?,
        })
    }
}

/// Tries `group`, or less of it where a run takes long; `None` where the model refuses its records.
fn try_on(
    group: &Group,
    counts: &[bool],
    run: Run<'_>,
) -> Option<std::result::Result<Joins, String>> {
    let one = group.part(0..1, counts, BatchAxis::Free);
    run(&one.inputs).ok()?;
    let alone = timed(&one.inputs, run);
    let most = if alone > LONG { 2 } else { group.records };
    let few = group.first(most, counts, BatchAxis::Free);
    let started = Instant::now();
    let values = run(&few.inputs).ok()?;
    let times = Times {
        alone,
        together: started.elapsed(),
    };
    Some(is_same(&few, counts, &values, run).map(|()| Joins {
        saves: times.saved(&few, &one, run),
    }))
}

/// Values that differ from record to record.
struct MadeUp<'m> {
    dtype: Dtype,
    shape: &'m [usize],
    /// Categories that an encoder knows, which may refuse all others.
    known: &'m [String],
}

impl MadeUp<'_> {
    fn text(&self, record: usize, slot: usize) -> String {
        // Any numbers do, so long as they are the same each time: here a golden ratio's.
        let mixed = (record * 7919 + slot + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        let known = self
            .known
            .get(mixed.checked_rem(self.known.len()).unwrap_or(0));
        match (known, self.dtype) {
            (Some(known), _) => known.clone(),
            (None, Dtype::String) => format!("text {record}"),
            (None, Dtype::Bool) => (mixed % 2 == 1).to_string(),
            // They may be numbers of categories.
            (None, dtype) if dtype.is_int() => (mixed % 2).to_string(),
            (None, _) => {
                let unit = mixed as f64 / (1_u64 << 23) as f64 - 1.0;
                format!("{:.4}", unit * (record + 1) as f64)
            }
        }
    }
}

impl ForElement for MadeUp<'_> {
    type Output = Tensor;

    fn call<T: Element>(self, wrap: fn(ArrayD<T>) -> Tensor) -> Tensor {
        let all = elements(self.shape);
        let width = all / self.shape.first().copied().unwrap_or(1).max(1);
        let mut at = 0;
        wrap(ArrayD::from_shape_simple_fn(IxDyn(self.shape), || {
            let (record, slot) = (at / width.max(1), at % width.max(1));
            at += 1;
            T::from_text(self.text(record, slot).as_bytes()).unwrap_or_default()
        }))
    }
}

/// Whether each record of `group`, of which `values` came, has the same alone.
///
/// # Errors
/// What differs.
pub(super) fn is_same(
    group: &Group,
    counts: &[bool],
    values: &[Value],
    run: Run<'_>,
) -> std::result::Result<(), String> {
    let started = Instant::now();
    let sizes = vec![1; group.records];
    let indivisible = || "an output of the model does not have one row for each record".to_owned();
    let parts = join::split(values, &sizes).ok_or_else(indivisible)?;
    let scales: Vec<f64> = values.iter().map(largest).collect();
    for (record, part) in parts.iter().enumerate() {
        let one = group.part(record..record + 1, counts, BatchAxis::Free);
        let single = run(&one.inputs)
            .map_err(|_| "the model refuses a record alone that it takes in a batch")?;
        if !single.iter().all(|value| join::counts(value, 1)) {
            return Err(indivisible());
        }
        let differs = part.len() != single.len()
            || part
                .iter()
                .zip(&single)
                .zip(&scales)
                .any(|((part, single), scale)| !is_close(part, single, *scale));
        if differs {
            return Err(MEDDLE.to_owned());
        }
        if started.elapsed() > ENOUGH {
            break;
        }
    }
    Ok(())
}

/// The shortest runs so far, of one record and of all: other programs take the core away.
struct Times {
    alone: Duration,
    together: Duration,
}

impl Times {
    /// What a record costs less in the batch than alone.
    fn saved(mut self, all: &Group, one: &Group, run: Run<'_>) -> Duration {
        let started = Instant::now();
        for _ in 0..TRIES {
            if started.elapsed() + self.alone + self.together > ENOUGH_TRIES {
                break;
            }
            self.alone = self.alone.min(timed(&one.inputs, run));
            self.together = self.together.min(timed(&all.inputs, run));
        }
        let records = u32::try_from(all.records).unwrap_or(u32::MAX).max(1);
        self.alone.saturating_sub(self.together / records)
    }
}

fn timed(inputs: &[Tensor], run: Run<'_>) -> Duration {
    let started = Instant::now();
    let _ = run(inputs);
    started.elapsed()
}

/// The largest magnitude; 0 where there are no numbers.
fn largest(value: &Value) -> f64 {
    let of = |tensor: &Tensor| {
        let finite = floats(tensor)
            .into_iter()
            .flatten()
            .filter(|x| x.is_finite());
        finite.fold(0.0, |most: f64, x| most.max(x.abs()))
    };
    match value {
        Value::Tensor(tensor) | Value::Maps { values: tensor, .. } => of(tensor),
        Value::Sequence(items) => items.iter().map(of).fold(0.0, f64::max),
    }
}

fn is_close(one: &Value, other: &Value, scale: f64) -> bool {
    let are_close = |one: &Tensor, other: &Tensor| is_close_tensor(one, other, scale);
    match (one, other) {
        (Value::Tensor(one), Value::Tensor(other)) => are_close(one, other),
        (Value::Sequence(one), Value::Sequence(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|(one, other)| are_close(one, other))
        }
        (
            Value::Maps { keys, values },
            Value::Maps {
                keys: others,
                values: other,
            },
        ) => keys == others && are_close(values, other),
        _ => false,
    }
}

fn is_close_tensor(one: &Tensor, other: &Tensor, scale: f64) -> bool {
    if one.dtype() != other.dtype() || one.shape() != other.shape() {
        return false;
    }
    let tolerance = match one.dtype() {
        Dtype::Float16 | Dtype::Bfloat16 => TOLERANCE_16,
        _ => TOLERANCE,
    };
    match (floats(one), floats(other)) {
        (Some(one), Some(other)) => one.iter().zip(&other).all(|(one, other)| {
            // Infinities have no difference.
            one == other
                || (one.is_nan() && other.is_nan())
                || (one - other).abs() <= tolerance * scale
        }),
        _ => one == other,
    }
}

/// The elements of a tensor of floats.
fn floats(tensor: &Tensor) -> Option<Vec<f64>> {
    match tensor {
        Tensor::Float32(array) => Some(array.iter().map(|x| f64::from(*x)).collect()),
        Tensor::Float64(array) => Some(array.iter().copied().collect()),
        Tensor::Float16(array) => Some(array.iter().map(|x| x.to_f64()).collect()),
        Tensor::Bfloat16(array) => Some(array.iter().map(|x| x.to_f64()).collect()),
        _ => None,
    }
}
