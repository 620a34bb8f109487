//! The deadlines of all connections, kept by one thread: no timer and no system call for a request.
//!
//! A connection says in its slot what it is doing and until when; the clock looks at all slots a few
//! times a second. Whoever is late has its socket shut down, which wakes it; a request that takes too
//! long gets its 504 from here, in the service's words, for its own thread is busy.

use std::io::Write;
use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::serve::message::{Asked, Method, Refusal, Service};

use super::listen::Socket;
use super::reply;

/// Between two looks at the slots.
pub(super) const TICK: Duration = Duration::from_millis(50);

/// A client between two requests may take so long.
const PAUSE: Duration = Duration::from_secs(1);

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Waiting for its first request.
    Fresh = 0,
    /// Waiting for the next request.
    Idle = 1,
    /// Reading a head.
    Head = 2,
    /// Reading a body.
    Body = 3,
    /// Waiting for the service.
    Work = 4,
    /// Writing a reply.
    Write = 5,
    /// What should have been read did not come in time: no more is read, but a reply may tell of it.
    Cut = 6,
    /// The deadline has passed, and the connection is over.
    Late = 7,
    /// As [`Phase::Late`], and the clock answers for the service.
    Answered = 8,
}

impl Phase {
    /// Whether `state` is in it.
    fn holds(self, state: u64) -> bool {
        state >> 56 == self as u64
    }
}

/// What one connection tells the clock: the phase in the highest byte, below it the deadline in
/// milliseconds of the clock, 0 for none.
pub(super) struct Slot {
    state: AtomicU64,
    pub(super) socket: Socket,
    started: Instant,
    /// What the service works on. Its lock is this connection's own, until it is late.
    asked: Mutex<Note>,
}

/// A request as its slot remembers it.
struct Note {
    method: Method,
    path: String,
    came: Instant,
}

/// Bytes of a path that are remembered: enough to know its dialect and route, and to log it.
const LONGEST_PATH: usize = 512;

const DEADLINE: u64 = (1 << 56) - 1;

fn state(phase: Phase, deadline_ms: u64) -> u64 {
    (phase as u64) << 56 | deadline_ms.min(DEADLINE)
}

impl Slot {
    fn now_ms(&self) -> u64 {
        ms(self.started.elapsed())
    }

    /// Says what the connection does from now on, and until when. `false` where the deadline of what
    /// it did before has passed: the connection is over.
    pub(super) fn enter(&self, phase: Phase, most: Option<Duration>) -> bool {
        // Never 0, which means no deadline.
        let deadline = most.map_or(0, |most| self.now_ms().saturating_add(ms(most)).max(1));
        let before = self.state.load(Ordering::Acquire);
        let is_over = Phase::Late.holds(before)
            || Phase::Answered.holds(before)
            || Phase::Cut.holds(before) && phase != Phase::Write;
        // The clock is the only other one that changes it, and what it changes it to is not undone.
        !is_over
            && self
                .state
                .compare_exchange(
                    before,
                    state(phase, deadline),
                    Ordering::AcqRel,
                    Ordering::Acquire,
                )
                .is_ok()
    }

    /// Remembers what the service is asked from now on.
    pub(super) fn note(&self, method: Method, path: &str) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.method = method;
        asked.came = Instant::now();
        asked.path.clear();
        let end = path.floor_char_boundary(LONGEST_PATH);
        asked.path.push_str(path.get(..end).unwrap_or_default());
    }

    /// Whether the clock has answered for the service.
    pub(super) fn is_answered(&self) -> bool {
        Phase::Answered.holds(self.state.load(Ordering::Acquire))
    }

    /// Answers for the service, which takes too long.
    pub(super) fn answer_for<S: Service>(&self, service: &S) {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let told = Asked {
            method: asked.method,
            path: &asked.path,
            waited: asked.came.elapsed(),
        };
        let refusal = Refusal::new(504, "timeout", "the request took longer than it may");
        // The clock must not end by a fault of the service's.
        let refused = || reply::refusal(service, &refusal, Some(&told));
        let bytes = catch_unwind(AssertUnwindSafe(refused)).unwrap_or_default();
        self.socket.no_waiting();
        // A client that takes nothing gets nothing.
        let _ = (&self.socket).write(&bytes);
        self.socket.shutdown(Shutdown::Both);
    }

    /// Whether the clock has found the connection late.
    pub(super) fn is_late(&self) -> bool {
        let state = self.state.load(Ordering::Acquire);
        [Phase::Late, Phase::Answered, Phase::Cut]
            .iter()
            .any(|phase| phase.holds(state))
    }

    /// Takes the connection from the phase of `before` to another, if it is still in it.
    fn take(&self, before: u64, to: Phase) -> bool {
        let taken =
            self.state
                .compare_exchange(before, state(to, 0), Ordering::AcqRel, Ordering::Acquire);
        taken.is_ok()
    }

    /// Ends what the connection does, where its time is up; whether it is to be answered for.
    fn look(&self) -> bool {
        let before = self.state.load(Ordering::Acquire);
        let deadline = before & DEADLINE;
        if deadline == 0 || self.now_ms() < deadline {
            return false;
        }
        if Phase::Work.holds(before) {
            return self.take(before, Phase::Answered);
        }
        if Phase::Head.holds(before) || Phase::Body.holds(before) {
            // Whoever reads wakes, and says itself that it took too long.
            if self.take(before, Phase::Cut) {
                self.socket.shutdown(Shutdown::Read);
            }
        } else if self.take(before, Phase::Late) {
            self.socket.shutdown(Shutdown::Both);
        }
        false
    }

    /// Whether it waits for a request of which nothing has come yet.
    fn is_waiting(&self, state: u64) -> bool {
        (Phase::Idle.holds(state) || Phase::Fresh.holds(state)) && !self.socket.has_something()
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// All slots.
pub(super) struct Clock {
    slots: Mutex<Vec<Weak<Slot>>>,
    started: Instant,
}

impl Default for Clock {
    fn default() -> Clock {
        Clock {
            slots: Mutex::default(),
            started: Instant::now(),
        }
    }
}

impl Clock {
    /// A slot for a new connection, which is forgotten when it is dropped. Its first request must
    /// begin to come within `idle`.
    pub(super) fn slot(&self, socket: Socket, idle: Duration) -> Arc<Slot> {
        let slot = Arc::new(Slot {
            state: AtomicU64::new(0),
            socket,
            started: self.started,
            asked: Mutex::new(Note {
                method: Method::Other,
                path: String::new(),
                came: self.started,
            }),
        });
        slot.enter(Phase::Fresh, Some(idle));
        self.lock().push(Arc::downgrade(&slot));
        slot
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn each(&self, mut look: impl FnMut(&Arc<Slot>)) {
        self.lock().retain(|slot| match slot.upgrade() {
            Some(slot) => {
                look(&slot);
                true
            }
            None => false,
        });
    }

    /// Looks at all slots once, and returns those that are to be answered for.
    pub(super) fn look(&self) -> Vec<Arc<Slot>> {
        let mut late = Vec::new();
        self.each(|slot| {
            if slot.look() {
                late.push(Arc::clone(slot));
            }
        });
        late
    }

    /// Lets the connections that wait for a request end. A request that is on its way from the socket
    /// to its thread at this moment is still answered.
    pub(super) fn close_idle(&self) {
        self.each(|slot| {
            if slot.is_waiting(slot.state.load(Ordering::Acquire)) {
                slot.socket.shutdown(Shutdown::Read);
            }
        });
    }

    /// Ends the connection that has waited longest for its first request, else for its next one if
    /// that is longer than [`PAUSE`]; `idle` is what they may wait. Whether there was one. So a crowd
    /// that says nothing does not keep others out.
    pub(super) fn close_longest_idle(&self, idle: Duration) -> bool {
        let latest = (ms(self.started.elapsed()) + ms(idle)).saturating_sub(ms(PAUSE));
        let latest = state(Phase::Idle, latest);
        let mut waiting: Option<(u64, Arc<Slot>)> = None;
        self.lock().retain(|slot| {
            let Some(slot) = slot.upgrade() else {
                return false;
            };
            let state = slot.state.load(Ordering::Acquire);
            // Of two phases the first is the lesser number, of two deadlines the nearer.
            let is_first = waiting.as_ref().is_none_or(|(first, _)| state < *first);
            if is_first && state <= latest && slot.is_waiting(state) {
                waiting = Some((state, slot));
            }
            true
        });
        let Some((state, slot)) = waiting else {
            return false;
        };
        let is_taken = slot.take(state, Phase::Late);
        if is_taken {
            slot.socket.shutdown(Shutdown::Both);
        }
        is_taken
    }

    /// Closes all connections, whatever they do.
    pub(super) fn close_all(&self) {
        self.each(|slot| {
            slot.state.store(state(Phase::Late, 0), Ordering::Release);
            slot.socket.shutdown(Shutdown::Both);
        });
    }
}
