//! Permits to run a model, shared by all models, and the line of those that wait for one.
//!
//! No thread of its own: who gives a permit back hands it on.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::waiter::{Turn, Waiter};

/// One that waits, in [`Pool::state`].
const WAITING: u64 = 1 << 32;

/// So many runs at once, over all models.
pub struct Pool {
    /// Permits that are free in the lower half, those that wait in the upper one. It is one word so
    /// that nobody can begin to wait between the look at who waits and the return of a permit; while
    /// it says that somebody waits, it changes only under the lock of the line.
    state: AtomicU64,
    /// The oldest first.
    line: Mutex<Line>,
}

type Line = VecDeque<Arc<Waiter>>;

/// The right to run a model; dropping it, also in a panic, hands it on.
pub struct Permit<'p>(&'p Pool);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// A line that is as long as it may be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Pool {
    /// `runs` at once; at least one.
    pub fn new(runs: usize) -> Pool {
        let runs = u32::try_from(runs).unwrap_or(u32::MAX >> 1).max(1);
        Pool {
            state: AtomicU64::new(runs.into()),
            line: Mutex::default(),
        }
    }

    /// A permit, if one is free and nobody waits for it.
    pub(super) fn enter(&self) -> Option<Permit<'_>> {
        let taken = |state: u64| (1..WAITING).contains(&state).then(|| state - 1);
        let entered = self
            .state
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, taken);
        entered.ok().map(|_| Permit(self))
    }

    fn leave(&self) {
        let given = |state: u64| (state < WAITING).then(|| state + 1);
        let left = self
            .state
            .fetch_update(Ordering::Release, Ordering::Relaxed, given);
        if left.is_err() {
            let mut line = self.line();
            self.state.fetch_add(1, Ordering::Release);
            self.hand_out(&mut line);
        }
    }

    /// Waits in the line, in which no more than `most` of one model may be, for what becomes of
    /// `waiter`.
    pub(super) fn wait(&self, waiter: &Arc<Waiter>, most: usize) -> Result<Turn, Full> {
        let mut line = self.line();
        if waiter.queue.load(Ordering::Relaxed) >= most {
            return Err(Full);
        }
        // From here on all permits come back under the lock.
        self.state.fetch_add(WAITING, Ordering::AcqRel);
        waiter.is_in_line(true);
        let place = line.partition_point(|other| other.since <= waiter.since);
        line.insert(place, Arc::clone(waiter));
        self.hand_out(&mut line);
        drop(line);
        let mut until = match waiter.ripe_at {
            Some(ripe_at) => Some(waiter.deadline.map_or(ripe_at, |at| at.min(ripe_at))),
            None => waiter.deadline,
        };
        loop {
            if let Some(turn) = waiter.turn(until) {
                return Ok(turn);
            }
            let mut line = self.line();
            let place = line.iter().position(|other| Arc::ptr_eq(other, waiter));
            until = match place {
                // It is being run, or is about to be told.
                None => None,
                Some(place) if waiter.is_late(Instant::now()) => {
                    self.take_out(&mut line, place);
                    return Ok(Turn::Late);
                }
                Some(_) => {
                    self.hand_out(&mut line);
                    waiter.deadline
                }
            };
        }
    }

    /// The permit of one that was told [`Turn::Leads`].
    pub(super) fn permit(&self) -> Permit<'_> {
        Permit(self)
    }

    /// Takes all out of the line that can be run along with `first`.
    pub(super) fn companions(&self, first: &Waiter) -> Vec<Arc<Waiter>> {
        let mut taken = Vec::new();
        let Some(joint) = &first.joint else {
            return taken;
        };
        if self.state.load(Ordering::Relaxed) < WAITING {
            return taken;
        }
        let mut line = self.line();
        let now = Instant::now();
        let mut records = joint.records;
        line.retain(|waiter| {
            // One that is late takes itself out.
            if waiter.is_late(now) || !first.takes(records, waiter) {
                return true;
            }
            records += waiter.joint.as_ref().map_or(0, |joint| joint.records);
            waiter.is_in_line(false);
            taken.push(Arc::clone(waiter));
            false
        });
        let out = WAITING * taken.len() as u64;
        self.state.fetch_sub(out, Ordering::AcqRel);
        taken
    }

    /// Hands free permits to the oldest that do not wait for others to come.
    fn hand_out(&self, line: &mut Line) {
        let now = Instant::now();
        while self.state.load(Ordering::Acquire) & (WAITING - 1) != 0 {
            let is_next = |waiter: &Arc<Waiter>| !waiter.gathers(now) || is_full(line, waiter);
            let next = line.iter().position(is_next);
            let Some(waiter) = next.and_then(|next| self.take_out(line, next)) else {
                return;
            };
            if waiter.is_late(now) {
                waiter.tell(Turn::Late);
                continue;
            }
            self.state.fetch_sub(1, Ordering::AcqRel);
            waiter.tell(Turn::Leads);
        }
    }

    fn take_out(&self, line: &mut Line, place: usize) -> Option<Arc<Waiter>> {
        let waiter = line.remove(place)?;
        self.state.fetch_sub(WAITING, Ordering::AcqRel);
        waiter.is_in_line(false);
        Some(waiter)
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether so much waits with `waiter` that no more would fit.
fn is_full(line: &Line, waiter: &Waiter) -> bool {
    let Some(joint) = &waiter.joint else {
        return true;
    };
    let records = |other: &Arc<Waiter>| match &other.joint {
        Some(joint) if waiter.takes(0, other) => joint.records,
        _ => 0,
    };
    line.iter().map(records).sum::<usize>() >= joint.most
}
