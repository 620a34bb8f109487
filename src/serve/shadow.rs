//! A version that also runs, and is only compared: what it says goes nowhere but into counts.
//!
//! ```text
//! Hosted::run -> inputs and values of the version that answers -> copies, bounded -> one thread
//!     -> the shadow's run, with a permit as any other -> compare, record by record -> Counts
//! ```
//!
//! Nobody waits for it. Copies that it cannot keep up with are left out and counted.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, OnceLock};
use std::thread;

use crate::model::tensor::{Tensor, Value};

use super::hosted::Hosted;

/// Runs that wait to be compared.
const MOST_WAITING: usize = 64;
/// Floats agree that differ by no more than this part of the larger, or of 1.
const TOLERANCE: f64 = 1e-4;

/// What a shadow has been compared to so far. Plain atomics: a reader may see one ahead of another.
#[derive(Debug, Default)]
pub struct Counts {
    records: AtomicU64,
    agreeing: AtomicU64,
    failed: AtomicU64,
    left_out: AtomicU64,
    /// The bits of the largest difference of two floats, which is never negative.
    largest: AtomicU64,
}

impl Counts {
    /// Records that both have scored.
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    /// Records for which both say the same: the same labels where there are any, else the same numbers
    /// but for [`TOLERANCE`].
    pub fn agreeing(&self) -> u64 {
        self.agreeing.load(Ordering::Relaxed)
    }

    /// Runs that failed, or gave something of another form.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Runs that were not compared, for too many waited.
    pub fn left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }

    /// The largest difference of two floats.
    pub fn largest(&self) -> f64 {
        f64::from_bits(self.largest.load(Ordering::Relaxed))
    }

    fn add(&self, compared: &Compared) {
        let agreeing = compared.agrees.iter().filter(|agrees| **agrees).count();
        let records = compared.agrees.len() as u64;
        self.records.fetch_add(records, Ordering::Relaxed);
        self.agreeing.fetch_add(agreeing as u64, Ordering::Relaxed);
        // The bits of floats that are not negative are ordered as they are.
        let largest = compared.largest.to_bits();
        self.largest.fetch_max(largest, Ordering::Relaxed);
    }
}

/// The link from a version that answers to the one beside it.
pub struct Shadow {
    pub target: Arc<Hosted>,
    pub counts: Arc<Counts>,
    /// For each output of the one that answers the place of the shadow's.
    places: Vec<Option<usize>>,
}

/// A run that is to be compared.
struct Copied {
    target: Arc<Hosted>,
    counts: Arc<Counts>,
    inputs: Vec<Tensor>,
    records: usize,
    values: Vec<Value>,
    places: Vec<Option<usize>>,
}

impl Shadow {
    /// The link from `answers` to `target`, counted in `counts`.
    pub fn new(answers: &Hosted, target: &Arc<Hosted>, counts: Arc<Counts>) -> Shadow {
        let theirs = &target.model.signature().outputs;
        let ours = answers.model.signature().outputs.iter();
        let place = |name: &str| theirs.iter().position(|port| port.name == name);
        Shadow {
            target: Arc::clone(target),
            counts,
            places: ours.map(|port| place(&port.name)).collect(),
        }
    }

    /// Has the shadow run what gave `values`, if it can keep up.
    pub fn compare(&self, inputs: &[Tensor], records: usize, values: &[Value]) {
        let copied = || Copied {
            target: Arc::clone(&self.target),
            counts: Arc::clone(&self.counts),
            inputs: inputs.to_vec(),
            records,
            values: values.to_vec(),
            places: self.places.clone(),
        };
        let is_sent = worker().is_ok_and(|send| send.try_send(copied()).is_ok());
        if !is_sent {
            self.counts.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The way to the thread that compares, which is started by the first who has something for it.
fn worker() -> io::Result<&'static SyncSender<Copied>> {
    static WORKER: OnceLock<Option<SyncSender<Copied>>> = OnceLock::new();
    let start = || {
        let (send, receive) = mpsc::sync_channel(MOST_WAITING);
        let thread = thread::Builder::new().name("shadow".to_owned());
        thread.spawn(move || work(&receive)).ok().map(|_| send)
    };
    let worker = WORKER.get_or_init(start).as_ref();
    worker.ok_or_else(|| io::Error::other("no thread for shadows"))
}

fn work(receive: &Receiver<Copied>) {
    for copied in receive {
        match copied.compared() {
            Some(compared) => copied.counts.add(&compared),
            None => {
                copied.counts.failed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl Copied {
    /// Runs the shadow; `None` where it fails, or where its outputs are others.
    fn compared(&self) -> Option<Compared> {
        let _permit = self.target.queue.permit(None).ok()?;
        let run = || self.target.model.run(&self.inputs);
        let values = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
        let values = values.ok()?.ok()?;
        let mut compared = Compared::new(self.records);
        for (place, value) in self.places.iter().zip(&self.values) {
            compared.value(value, values.get((*place)?)?)?;
        }
        Some(compared.settled())
    }
}

/// How two runs on the same records differ.
#[derive(Debug, PartialEq)]
struct Compared {
    agrees: Vec<bool>,
    /// By the floats alone.
    is_close: Vec<bool>,
    has_labels: bool,
    largest: f64,
}

impl Compared {
    fn new(records: usize) -> Compared {
        Compared {
            agrees: vec![true; records],
            is_close: vec![true; records],
            has_labels: false,
            largest: 0.0,
        }
    }

    /// What labels say goes before what scores say.
    fn settled(mut self) -> Compared {
        if !self.has_labels {
            self.agrees.clone_from(&self.is_close);
        }
        self
    }

    /// Compares two values of one output; `None` where they have different forms.
    fn value(&mut self, one: &Value, other: &Value) -> Option<()> {
        match (one, other) {
            (Value::Tensor(one), Value::Tensor(other)) => self.tensor(one, other),
            (
                Value::Maps { keys, values },
                Value::Maps {
                    keys: others,
                    values: other,
                },
            ) if keys == others => self.tensor(values, other),
            (Value::Sequence(ones), Value::Sequence(others)) if ones.len() == others.len() => {
                let mut pairs = ones.iter().zip(others);
                pairs.try_for_each(|(one, other)| self.tensor(one, other))
            }
            _ => None,
        }
    }

    fn tensor(&mut self, one: &Tensor, other: &Tensor) -> Option<()> {
        if one.shape() != other.shape() || one.dtype() != other.dtype() {
            return None;
        }
        let elements: usize = one.shape().iter().product();
        let records = self.agrees.len();
        // What has no row for each record is of all of them.
        let width = match one.shape().first() {
            Some(rows) if *rows == records && records > 0 => elements / records,
            _ => usize::MAX,
        };
        match floats(one).zip(floats(other)) {
            Some((ones, others)) => {
                for (index, (one, other)) in ones.into_iter().zip(others).enumerate() {
                    let difference = (one - other).abs();
                    let is_close = one == other
                        || (one.is_nan() && other.is_nan())
                        || difference <= TOLERANCE * one.abs().max(other.abs()).max(1.0);
                    if difference.is_finite() {
                        self.largest = self.largest.max(difference);
                    }
                    spread(&mut self.is_close, index, width, is_close);
                }
            }
            None => {
                self.has_labels = true;
                let same = same(one, other)?;
                for (index, same) in same.into_iter().enumerate() {
                    spread(&mut self.agrees, index, width, same);
                }
            }
        }
        Some(())
    }
}

/// Notes whether element `index` agrees, at its record or at all.
fn spread(agrees: &mut [bool], index: usize, width: usize, is_same: bool) {
    match (width, agrees.get_mut(index / width.max(1))) {
        (usize::MAX, _) => agrees.iter_mut().for_each(|agrees| *agrees &= is_same),
        (_, Some(agrees)) => *agrees &= is_same,
        (_, None) => {}
    }
}

/// The elements of a tensor of floats.
fn floats(tensor: &Tensor) -> Option<Vec<f64>> {
    match tensor {
        Tensor::Float32(array) => Some(array.iter().copied().map(f64::from).collect()),
        Tensor::Float64(array) => Some(array.iter().copied().collect()),
        Tensor::Float16(array) => Some(array.iter().copied().map(f64::from).collect()),
        Tensor::Bfloat16(array) => Some(array.iter().copied().map(f64::from).collect()),
        _ => None,
    }
}

/// For each element whether it is the same in both; `None` where they have different dtypes.
fn same(one: &Tensor, other: &Tensor) -> Option<Vec<bool>> {
    macro_rules! same {
        ($($dtype:ident)*) => {
            match (one, other) {
                $((Tensor::$dtype(ones), Tensor::$dtype(others)) => {
                    let pairs = ones.iter().zip(others);
                    Some(pairs.map(|(one, other)| one == other).collect())
                })*
                _ => None,
            }
        };
    }
    same!(Int8 Int16 Int32 Int64 Uint8 Uint16 Uint32 Uint64 Bool String)
}

#[cfg(test)]
mod tests {
    use ndarray::{ArrayD, IxDyn};

    use super::*;

    fn of<T>(shape: &[usize], elements: Vec<T>) -> ArrayD<T> {
        ArrayD::from_shape_vec(IxDyn(shape), elements).expect("a tensor")
    }

    fn compared(records: usize, pairs: Vec<(Tensor, Tensor)>) -> Option<(usize, f64)> {
        let mut compared = Compared::new(records);
        for (one, other) in pairs {
            compared.value(&Value::Tensor(one), &Value::Tensor(other))?;
        }
        let compared = compared.settled();
        let agreeing = compared.agrees.iter().filter(|agrees| **agrees).count();
        Some((agreeing, compared.largest))
    }

    #[test]
    fn records_agree_by_their_labels_and_else_by_their_numbers() {
        let labels = |labels: [i64; 3]| Tensor::Int64(of(&[3], labels.to_vec()));
        let scores = |scores: [f64; 3]| Tensor::Float64(of(&[3, 1], scores.to_vec()));
        let words = |words: [&str; 3]| Tensor::String(of(&[3], words.map(str::to_owned).to_vec()));
        for (pairs, expected) in [
            (vec![(labels([1, 2, 3]), labels([1, 2, 4]))], Some((2, 0.0))),
            (
                vec![(words(["a", "b", "c"]), words(["a", "x", "y"]))],
                Some((1, 0.0)),
            ),
            (
                vec![(scores([0.5, 1.0, 2.0]), scores([0.5, 1.00005, 2.5]))],
                Some((2, 0.5)),
            ),
            (
                vec![
                    (labels([1, 2, 3]), labels([1, 2, 3])),
                    (scores([0.5, 1.0, 2.0]), scores([0.25, 1.0, 2.0])),
                ],
                Some((3, 0.25)),
            ),
            (
                vec![(
                    scores([f64::NAN, 1.0, f64::INFINITY]),
                    scores([f64::NAN, f64::NAN, f64::INFINITY]),
                )],
                Some((2, 0.0)),
            ),
            (vec![(labels([1, 2, 3]), words(["1", "2", "3"]))], None),
            (
                vec![(labels([1, 2, 3]), Tensor::Int64(of(&[2], vec![1, 2])))],
                None,
            ),
        ] {
            assert_eq!(compared(3, pairs), expected);
        }
        // One value for all records speaks for all.
        let one = |value: i64| Tensor::Int64(of(&[1], vec![value]));
        assert_eq!(compared(3, vec![(one(1), one(2))]), Some((0, 0.0)));
        assert_eq!(compared(3, vec![(one(1), one(1))]), Some((3, 0.0)));
    }
}
