//! Takes connections, whatever happens: too many, no descriptors, no threads.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::serve::message::{Refusal, Service};

use super::connection::Connection;
use super::listen::{BACKLOG, Listener, Socket};
use super::stop::Stop;
use super::threads::Threads;
use super::{Shared, reply, system};

/// Descriptors that are not for connections: models, logs, the runtime's, and those below.
const RESERVED: usize = 32;
/// Connections that were turned away and may still be sending: these many are kept open for a moment.
const LEAVING: usize = 8;
const MOMENT: Duration = Duration::from_secs(1);
/// Connections above the cap, of which as many are being closed because they said nothing.
const CHANGING: usize = 8;
/// After an error of the system's, so that it does not fill a processor.
const PAUSE: Duration = Duration::from_millis(10);

/// Accepts connections until the server stops.
pub(super) fn run<S: Service + Send + 'static>(listener: &Listener, shared: &Arc<Shared<S>>) {
    let threads = Threads::default();
    let mut door = Door {
        most: shared
            .limits
            .connections
            .min(system::descriptors().saturating_sub(RESERVED).max(1)),
        reserve: reserve(),
        leaving: VecDeque::new(),
    };
    // Those who came before the end are let in; but not for ever.
    let mut last_ones = BACKLOG;
    while last_ones > 0 {
        // Before it accepts: to accept in vain costs more than to wait for what is there already.
        door.wait(listener, &shared.stop);
        let is_ending = shared.stop.has_begun();
        last_ones -= i32::from(is_ending);
        let (socket, is_full) = match listener.accept() {
            Ok(socket) => (socket, false),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if is_ending {
                    return;
                }
                Stop::look_again();
                continue;
            }
            Err(error) => match door.accept_after(&error, listener) {
                Some(accepted) => accepted,
                None => continue,
            },
        };
        shared.gauges.accepted.fetch_add(1, Ordering::Relaxed);
        let open = shared.gauges.connections.fetch_add(1, Ordering::AcqRel);
        if is_full || !door.has_room(open, shared) {
            shared.gauges.connections.fetch_sub(1, Ordering::AcqRel);
            door.turn_away(socket, &*shared.service, "too many connections");
            continue;
        }
        let slot = shared.clock.slot(socket, shared.limits.idle);
        let connection = Connection::new(Arc::clone(&slot), Arc::clone(shared));
        if threads.run(Box::new(move || connection.run())).is_err() {
            // The job was dropped, and with it the count of the connection.
            tell(&slot.socket, &*shared.service, "no thread is free");
        }
    }
}

/// Who comes in.
struct Door {
    most: usize,
    /// A descriptor in reserve: with it even a full table has room for one that is told to come back.
    reserve: Option<File>,
    /// Who was turned away. What they send meets an open socket: a closed one would answer it with a
    /// reset, which they may notice before they read why.
    leaving: VecDeque<Socket>,
}

fn reserve() -> Option<File> {
    File::open("/dev/null").ok()
}

impl Door {
    /// Waits for the next connection; after a moment without one, those who are leaving have left.
    fn wait(&mut self, listener: &Listener, stop: &Stop) {
        let most = (!self.leaving.is_empty()).then_some(MOMENT);
        if !stop.wait_for(listener, most) {
            self.leaving.clear();
        }
    }

    /// Whether one more may come in where `open` are open.
    fn has_room<S>(&self, open: usize, shared: &Shared<S>) -> bool {
        let (most, idle) = (self.most, shared.limits.idle);
        open < most || open < most + CHANGING && shared.clock.close_longest_idle(idle)
    }

    /// What is done about an error: where descriptors ran out, the reserve takes the next connection,
    /// and whether they still are out then.
    fn accept_after(&mut self, error: &io::Error, listener: &Listener) -> Option<(Socket, bool)> {
        match error.kind() {
            // Of one connection that is gone again, or of nothing at all.
            io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted => return None,
            _ => {}
        }
        self.leaving.clear();
        #[cfg(unix)]
        if let Some(libc::EMFILE | libc::ENFILE) = error.raw_os_error() {
            drop(self.reserve.take());
            let accepted = listener.accept().ok();
            self.reserve = reserve();
            if let Some(socket) = accepted {
                return Some((socket, self.reserve.is_none()));
            }
        }
        #[cfg(not(unix))]
        let _ = listener;
        std::thread::sleep(PAUSE);
        None
    }

    /// Tells a client to come back, and keeps it for a moment.
    fn turn_away<S: Service>(&mut self, socket: Socket, service: &S, message: &str) {
        tell(&socket, service, message);
        if self.reserve.is_none() {
            // Its descriptor is the one that the next of them needs.
            drop(socket);
            self.reserve = reserve();
            return;
        }
        if self.leaving.len() == LEAVING {
            self.leaving.pop_front();
        }
        self.leaving.push_back(socket);
    }
}

/// Tells a client to come back, without waiting for it to listen.
fn tell<S: Service>(socket: &Socket, service: &S, message: &str) {
    let refusal = Refusal {
        retry_after_s: Some(1),
        ..Refusal::new(503, "too_many_connections", message)
    };
    socket.no_waiting();
    if socket.session().is_some() {
        // Whoever has not agreed on a session yet cannot be told anything.
        return socket.shutdown(Shutdown::Both);
    }
    // What it has sent must be read, or closing tells it of a reset before it reads the answer.
    let mut sent = [0; 4096];
    let _ = { socket }.read(&mut sent);
    // Whoever accepts must not end by a fault of the service's.
    let refused = catch_unwind(AssertUnwindSafe(|| reply::refusal(service, &refusal, None)));
    let _ = { socket }.write(&refused.unwrap_or_default());
    socket.shutdown(Shutdown::Write);
}
