//! One run that waits for its turn.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::model::tensor::{Tensor, Value};

/// A run in the line, and what has become of it.
pub(super) struct Waiter {
    /// How many of its model are in the line; it is also what tells models apart.
    pub(super) queue: Arc<AtomicUsize>,
    /// The line is in this order.
    pub(super) since: Instant,
    pub(super) deadline: Option<Instant>,
    /// Until when it waits for others, also while permits are free.
    pub(super) ripe_at: Option<Instant>,
    /// What others may run with it; `None` where it runs alone.
    pub(super) joint: Option<Joint>,
    turn: Mutex<Option<Turn>>,
    told: Condvar,
}

/// The tensors of a run that may go together with others.
pub(super) struct Joint {
    pub(super) inputs: Vec<Tensor>,
    /// For each input whether its first axis counts records.
    pub(super) counts: Vec<bool>,
    pub(super) records: usize,
    /// Most records of all that go together.
    pub(super) most: usize,
}

/// What becomes of a run that has waited.
#[derive(Debug)]
pub(super) enum Turn {
    /// It has a permit, which it has to give back.
    Leads,
    /// Another has run it along.
    Ran(Ran),
    /// What it was taken along in failed, at whosever fault.
    Alone,
    /// Its deadline has passed.
    Late,
}

/// A part of what a run gave.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) values: Vec<Value>,
    pub(super) started: Instant,
    pub(super) took: Duration,
}

impl Waiter {
    /// A run that goes alone, behind whoever has waited since before `since`.
    pub(super) fn new(
        queue: &Arc<AtomicUsize>,
        since: Instant,
        deadline: Option<Instant>,
    ) -> Waiter {
        Waiter {
            queue: Arc::clone(queue),
            since,
            deadline,
            ripe_at: None,
            joint: None,
            turn: Mutex::new(None),
            told: Condvar::new(),
        }
    }

    /// Whether nobody waits for it any more.
    pub(super) fn is_late(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// Whether it waits for others to come.
    pub(super) fn gathers(&self, now: Instant) -> bool {
        self.ripe_at.is_some_and(|ripe_at| ripe_at > now)
    }

    /// Whether `other` can be run along with it, where `records` go together so far.
    pub(super) fn takes(&self, records: usize, other: &Waiter) -> bool {
        let (Some(ours), Some(theirs)) = (&self.joint, &other.joint) else {
            return false;
        };
        Arc::ptr_eq(&self.queue, &other.queue)
            && records.saturating_add(theirs.records) <= ours.most
            && ours.counts == theirs.counts
            && ours.inputs.len() == theirs.inputs.len()
            && ours
                .inputs
                .iter()
                .zip(&theirs.inputs)
                .zip(&ours.counts)
                .all(|((ours, theirs), is_counted)| match is_counted {
                    true => is_alike(ours, theirs),
                    false => ours == theirs,
                })
    }

    /// Says what becomes of it.
    pub(super) fn tell(&self, turn: Turn) {
        *self.turn.lock().unwrap_or_else(PoisonError::into_inner) = Some(turn);
        self.told.notify_one();
    }

    /// What becomes of it; `None` where that is not known by `until`.
    pub(super) fn turn(&self, until: Option<Instant>) -> Option<Turn> {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(turn) = turn.take() {
                return Some(turn);
            }
            turn = match until {
                None => self.told.wait(turn).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return None;
                    }
                    let waited = self.told.wait_timeout(turn, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Counts it in or out of its model's part of the line.
    pub(super) fn is_in_line(&self, is_in: bool) {
        match is_in {
            true => self.queue.fetch_add(1, Ordering::Relaxed),
            false => self.queue.fetch_sub(1, Ordering::Relaxed),
        };
    }
}

/// Whether records of both can stand in one tensor.
fn is_alike(one: &Tensor, other: &Tensor) -> bool {
    one.dtype() == other.dtype()
        && one.shape().len() == other.shape().len()
        && one.shape().iter().skip(1).eq(other.shape().iter().skip(1))
}
