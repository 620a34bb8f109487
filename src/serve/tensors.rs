//! Whole tensors through a model: the way of the dialects that speak of inputs, not of records.
//!
//! ```text
//! tensors by input -> check against the signature -> runs of a bounded size -> values by output
//! ```

use std::ops::Range;
use std::sync::Arc;

use ndarray::{ArrayD, Axis, Slice};

use crate::batch::columns::{Layout, Wanted};
use crate::batch::encode::Group;
use crate::batch::feed::{BatchAxis, How, Kind, kind};
use crate::batch::first;
use crate::batch::plan::Plan;
use crate::batch::run::Part;
use crate::each_dtype;
use crate::model::signature::{Port, shape_text};
use crate::model::tensor::{Tensor, Value};

use super::batching::join;
use super::bound::Bound;
use super::call::Call;
use super::hosted::Hosted;
use super::problem::{Fault, Faults, Problem, Step};
use super::record;
use super::records::{Place, Runs, check_refused, wish};

/// Tensors for all inputs of a model, found to fit.
pub struct Inputs<'h> {
    hosted: &'h Hosted,
    group: Group,
    batch: BatchAxis,
    /// For each input whether its first axis counts records.
    counts: Vec<bool>,
    place: Place,
}

impl<'h> Inputs<'h> {
    /// Checks `given`, one tensor or none for each input in the signature's order; a state or what
    /// `--set` gives may be absent. `place` is where the inputs stand in the request.
    ///
    /// # Errors
    /// [`Problem::Invalid`] with every input that is absent, or of another type or shape than the
    /// model declares.
    pub fn new(
        hosted: &'h Hosted,
        given: Vec<Option<Tensor>>,
        place: &[&str],
    ) -> Result<Inputs<'h>, Problem> {
        let signature = hosted.model.signature();
        let batch = hosted.batch();
        let mut faults = Faults::default();
        let mut inputs = Vec::with_capacity(given.len());
        let mut counts = Vec::with_capacity(given.len());
        let mut records = None;
        for (index, (port, tensor)) in signature.inputs.iter().zip(given).enumerate() {
            let mut wrong = |code, message: String| {
                let keys = place.iter().copied().chain([port.name.as_str()]);
                let below = |fault: Fault, key: &str| fault.below(Step::Key(key.to_owned()));
                faults.push(keys.fold(Fault::of_body(code, message), below));
            };
            let Some(tensor) = tensor else {
                match hosted.given_once(index) {
                    Some(tensor) => {
                        inputs.push(tensor.clone());
                        counts.push(false);
                    }
                    None => wrong("missing", "input required".to_owned()),
                }
                continue;
            };
            if let Err((code, message)) = check(port, &tensor) {
                wrong(code, message);
                continue;
            }
            let is_counted = matches!(kind(port, batch), Kind::PerRecord(_));
            let rows = tensor.shape().first().copied().unwrap_or_default();
            if is_counted && *records.get_or_insert(rows) != rows {
                let others = records.unwrap_or_default();
                let message = format!("its first axis has {rows}, that of the others {others}");
                wrong("wrong_shape", message);
            }
            counts.push(is_counted);
            inputs.push(tensor);
        }
        if !faults.is_empty() {
            return Err(Problem::Invalid(faults));
        }
        Ok(Inputs {
            hosted,
            group: Group {
                records: records.unwrap_or(1),
                inputs,
            },
            batch,
            counts,
            place: Place::below(place),
        })
    }

    /// Records that the tensors hold.
    pub fn records(&self) -> usize {
        self.group.records
    }

    /// The model's outputs, in the signature's order. A model whose outputs all count records is run
    /// on no more of them at once than a batch has.
    ///
    /// # Errors
    /// [`Problem::Invalid`] where the model refuses the tensors; 504.
    pub fn run(self, call: &mut Call) -> Result<Vec<Value>, Problem> {
        let values = self.run_all(call)?;
        if let (Some(watch), Some(_)) = (&self.hosted.watch, &call.model) {
            let layout = self.hosted.kept_layout(&self.hosted.hosting.wanted);
            watch.tensors(&self.group, &values, layout.as_deref());
        }
        if call.recorded.is_some() {
            self.record(call, &values);
        }
        Ok(values)
    }

    /// Records what the model said, as it says it to records.
    fn record(&self, call: &Call, values: &[Value]) {
        let layout = self.hosted.kept_layout(&self.hosted.hosting.wanted);
        let records = self.group.records;
        let arranged = layout.and_then(|layout| {
            let outputs = layout.arrange(values.to_vec(), records).ok()?;
            Some((layout, [Part::Scored { records, outputs }]))
        });
        let of = (self.hosted, call.recorded.as_ref());
        let group = std::slice::from_ref(&self.group);
        match arranged {
            Some((layout, parts)) => {
                record::note(of, (&layout, &parts), self.hosted.plan(), (None, group));
            }
            None => record::left_out(of, records),
        }
    }

    fn run_all(&self, call: &mut Call) -> Result<Vec<Value>, Problem> {
        if self.batch == BatchAxis::Free && !self.is_divisible() {
            return self.run_group(call, &self.group);
        }
        let mut runs = Vec::new();
        let mut bound = Bound::new(self.hosted);
        for range in self.ranges() {
            let records = range.len();
            if records == self.group.records && self.batch == BatchAxis::Free {
                return self.run_group(call, &self.group);
            }
            let group = self.group.part(range, &self.counts, self.batch);
            let mut values = self.run_group(call, &group)?;
            let rows = group.rows(self.batch);
            values
                .iter_mut()
                .for_each(|value| cut(value, rows, records));
            bound.add_values(&values)?;
            runs.push(values);
        }
        match runs.is_empty() {
            // No records at all: the model says what it makes of that.
            true => self.run_group(call, &self.group),
            false => join(runs).ok_or_else(uneven),
        }
    }

    /// The predictions for each record, as fields.
    ///
    /// # Errors
    /// As [`Inputs::run`].
    pub fn predict(
        self,
        call: &mut Call,
        wanted: &Wanted,
    ) -> Result<(Arc<Layout>, Vec<Part>), Problem> {
        let groups: Vec<Group> = self
            .ranges()
            .into_iter()
            .map(|range| self.group.part(range, &self.counts, self.batch))
            .collect();
        let lay_out = || {
            let signature = self.hosted.model.signature();
            let group = groups.first().unwrap_or(&self.group);
            let way = first::FirstRun {
                model: &self.hosted.model,
                batch: self.batch,
                counts: &self.counts,
            };
            match way.layout(group, wanted) {
                Some(layout) => layout.map(Arc::new),
                None => Layout::declared(signature, self.batch, wanted).map(Arc::new),
            }
        };
        let layout = match self.hosted.kept_layout(wanted) {
            Some(layout) => layout,
            None => lay_out().map_err(wish)?,
        };
        let runs = Runs {
            hosted: self.hosted,
            batch: self.batch,
            counts: &self.counts,
        };
        let (layout, parts) = runs.run(call, &groups, layout, lay_out)?;
        check_refused(&parts, &self.place)?;
        if let (Some(watch), Some(_)) = (&self.hosted.watch, &call.model) {
            let is_usual = *wanted == self.hosted.hosting.wanted;
            watch.records(&groups, if is_usual { &parts } else { &[] });
        }
        let of = (self.hosted, call.recorded.as_ref());
        let plan = self.hosted.plan();
        record::note(of, (&layout, &parts), plan, (None, &groups));
        Ok((layout, parts))
    }

    /// Whether a part of the records gives a part of the outputs.
    fn is_divisible(&self) -> bool {
        let outputs = self.hosted.model.signature().outputs.len();
        let layout = self.hosted.kept_layout(&Wanted::default());
        layout.is_some_and(|layout| layout.left_out.is_empty() && outputs > 0)
    }

    /// The records of each run.
    fn ranges(&self) -> Vec<Range<usize>> {
        let size = match self.batch {
            BatchAxis::Free => self.hosted.hosting.batch_size,
            BatchAxis::Fixed(size) => size,
        };
        let records = self.group.records;
        let starts = (0..records).step_by(size.max(1));
        starts
            .map(|start| start..records.min(start.saturating_add(size)))
            .collect()
    }

    fn run_group(&self, call: &mut Call, group: &Group) -> Result<Vec<Value>, Problem> {
        let values = self.hosted.run(call, group, &self.counts, self.batch)?;
        values.map_err(|error| match error.report() {
            Some(report) => Problem::invalid("refused", report.message.clone()),
            None => Problem::Failed(error),
        })
    }
}

impl Hosted {
    /// Records of one run.
    pub fn batch(&self) -> BatchAxis {
        match self.expected() {
            Ok(planned) => planned.plan.batch,
            Err(_) => crate::batch::feed::batch_axis(self.model.signature(), |_| false),
        }
    }

    /// How tensors are fed by the columns of records; `None` where they are not.
    fn plan(&self) -> Option<&Plan> {
        self.expected().ok().map(|planned| &planned.plan)
    }

    /// The inputs that a request has to give: all but a state and what `--set` gives.
    pub fn required(&self) -> Vec<usize> {
        let inputs = 0..self.model.signature().inputs.len();
        inputs
            .filter(|index| self.given_once(*index).is_none())
            .collect()
    }

    /// What input `index` is given for all records, where a request need not give it.
    pub(super) fn given_once(&self, index: usize) -> Option<&Tensor> {
        match &self.expected().ok()?.plan.feeds.get(index)?.how {
            How::Once(tensor) => Some(tensor),
            How::Cells { .. } | How::List { .. } => None,
        }
    }
}

/// Whether `tensor` is what `port` declares.
fn check(port: &Port, tensor: &Tensor) -> Result<(), (&'static str, String)> {
    let Some((dtype, shape)) = port.tensor() else {
        return Err((
            "wrong_type",
            format!("the input is no tensor but {}", port.kind),
        ));
    };
    if tensor.dtype() != dtype {
        let message = format!("expected {dtype}, found {}", tensor.dtype());
        return Err(("wrong_type", message));
    }
    let Some(shape) = shape else {
        return Ok(());
    };
    let fits = shape.len() == tensor.shape().len()
        && shape
            .iter()
            .skip(1)
            .zip(tensor.shape().iter().skip(1))
            .all(|(dim, size)| dim.fixed().is_none_or(|fixed| fixed == *size));
    match fits {
        true => Ok(()),
        false => {
            let message = format!(
                "expected shape {}, found {:?}",
                shape_text(shape),
                tensor.shape()
            );
            Err(("wrong_shape", message))
        }
    }
}

fn uneven() -> Problem {
    Problem::refused(
        500,
        "failed",
        "the model gives results of different sizes for different records",
    )
}

/// Leaves the first `records` of a value's `rows`: what is behind them is padding.
fn cut(value: &mut Value, rows: usize, records: usize) {
    fn cut_array<T: Clone>(array: &mut ArrayD<T>, rows: usize, records: usize) {
        if records < rows && array.shape().first() == Some(&rows) {
            *array = array
                .slice_axis(Axis(0), Slice::from(..records))
                .as_standard_layout()
                .into_owned();
        }
    }
    let tensors = match value {
        Value::Tensor(tensor) | Value::Maps { values: tensor, .. } => std::slice::from_mut(tensor),
        Value::Sequence(items) => items.as_mut_slice(),
    };
    for tensor in tensors {
        each_dtype!(tensor, array => cut_array(array, rows, records));
    }
}

/// The values of all runs, one behind the other; `None` where they do not fit.
fn join(runs: Vec<Vec<Value>>) -> Option<Vec<Value>> {
    let outputs = runs.first()?.len();
    let mut runs: Vec<_> = runs.into_iter().map(Vec::into_iter).collect();
    let mut joined = Vec::with_capacity(outputs);
    for _ in 0..outputs {
        let values = runs
            .iter_mut()
            .map(Iterator::next)
            .collect::<Option<Vec<_>>>()?;
        joined.push(join_values(&values)?);
    }
    Some(joined)
}

/// The values of one output.
fn join_values(values: &[Value]) -> Option<Value> {
    let joined = |tensor: &dyn Fn(&Value) -> Option<Tensor>| {
        let tensors = values.iter().map(tensor).collect::<Option<Vec<_>>>()?;
        join::tensors(&tensors.iter().collect::<Vec<_>>())
    };
    match values.first()? {
        Value::Tensor(_) => joined(&|value| match value {
            Value::Tensor(tensor) => Some(tensor.clone()),
            _ => None,
        })
        .map(Value::Tensor),
        Value::Maps { keys, .. } => {
            let values = joined(&|value| match value {
                Value::Maps {
                    keys: others,
                    values,
                } if others == keys => Some(values.clone()),
                _ => None,
            })?;
            Some(Value::Maps {
                keys: keys.clone(),
                values,
            })
        }
        Value::Sequence(items) => {
            let item = |index: usize| {
                joined(&|value| match value {
                    Value::Sequence(items) => items.get(index).cloned(),
                    _ => None,
                })
            };
            let items = (0..items.len()).map(item).collect::<Option<_>>();
            items.map(Value::Sequence)
        }
    }
}
