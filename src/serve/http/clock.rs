//! The deadlines of all connections, kept by one thread: no timer and no system call for a request.
//!
//! A connection says in its slot what it is doing and until when; the clock looks at all slots a few
//! times a second. Whoever is late has its socket shut down, which wakes it; a request that takes too
//! long gets its 504 from here, for its own thread is busy.

use std::io::Write;
use std::net::Shutdown;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::listen::Socket;
use super::stop::Stop;

/// Between two looks at the slots.
const TICK: Duration = Duration::from_millis(50);

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Waiting for the first byte of a request.
    Idle = 0,
    /// Reading a head.
    Head = 1,
    /// Reading a body.
    Body = 2,
    /// Waiting for the service.
    Work = 3,
    /// Writing a reply.
    Write = 4,
    /// The deadline has passed: what is done about it has been done.
    Late = 5,
}

/// What one connection tells the clock: the phase in the highest byte, below it the deadline in
/// milliseconds of the clock, 0 for none.
pub(super) struct Slot {
    state: AtomicU64,
    pub(super) socket: Socket,
    started: Instant,
}

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
        let deadline = most.map_or(0, |most| (self.now_ms() + ms(most)).max(1));
        let before = self.state.load(Ordering::Acquire);
        let is_late = |state: u64| state >> 56 == Phase::Late as u64;
        !is_late(before)
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

    /// Whether the clock has found the connection late.
    pub(super) fn is_late(&self) -> bool {
        self.state.load(Ordering::Acquire) >> 56 == Phase::Late as u64
    }

    /// Takes the connection from a phase, if it is still in it.
    fn take(&self, before: u64) -> bool {
        let late = state(Phase::Late, 0);
        let taken = self
            .state
            .compare_exchange(before, late, Ordering::AcqRel, Ordering::Acquire);
        taken.is_ok()
    }

    fn look(&self) {
        let before = self.state.load(Ordering::Acquire);
        let deadline = before & DEADLINE;
        if deadline != 0 && self.now_ms() >= deadline && self.take(before) {
            self.end(before);
        }
    }

    /// What is done about a connection that is late in the phase of `before`.
    fn end(&self, before: u64) {
        const READS: [u64; 2] = [Phase::Head as u64, Phase::Body as u64];
        match before >> 56 {
            // Whoever reads wakes, and says itself that it took too long.
            phase if READS.contains(&phase) => self.socket.shutdown(Shutdown::Read),
            phase if phase == Phase::Work as u64 => {
                self.socket.no_waiting();
                // A client that takes nothing gets nothing.
                let _ = (&self.socket).write(TIMEOUT.as_bytes());
                self.socket.shutdown(Shutdown::Both);
            }
            _ => self.socket.shutdown(Shutdown::Both),
        }
    }
}

/// The answer to a request that takes too long, for which no dialect can be asked: its thread is busy.
const TIMEOUT: &str = "HTTP/1.1 504 Gateway Timeout\r\nContent-Type: application/json\r\n\
Content-Length: 97\r\nConnection: close\r\n\r\n\
{\"error\":\"the request took longer than it may\",\"detail\":\"the request took longer than it may\"   }";

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
    /// A slot for a new connection, which is forgotten when it is dropped.
    pub(super) fn slot(&self, socket: Socket) -> Arc<Slot> {
        let slot = Arc::new(Slot {
            state: AtomicU64::new(state(Phase::Idle, 0)),
            socket,
            started: self.started,
        });
        self.lock().push(Arc::downgrade(&slot));
        slot
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn each(&self, mut look: impl FnMut(&Slot)) {
        self.lock().retain(|slot| match slot.upgrade() {
            Some(slot) => {
                look(&slot);
                true
            }
            None => false,
        });
    }

    /// Looks at the slots until the server stops and no connection is left.
    pub(super) fn run(&self, stop: &Stop) {
        loop {
            std::thread::sleep(TICK);
            self.each(Slot::look);
            if stop.has_begun() && self.lock().is_empty() {
                return;
            }
        }
    }

    /// Closes the connections that wait for a request.
    pub(super) fn close_idle(&self) {
        self.each(|slot| {
            let before = slot.state.load(Ordering::Acquire);
            if before >> 56 == Phase::Idle as u64 && slot.take(before) {
                slot.socket.shutdown(Shutdown::Both);
            }
        });
    }

    /// Closes all connections, whatever they do.
    pub(super) fn close_all(&self) {
        self.each(|slot| {
            slot.state.store(state(Phase::Late, 0), Ordering::Release);
            slot.socket.shutdown(Shutdown::Both);
        });
    }
}
