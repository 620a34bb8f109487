//! Takes connections, whatever happens: too many, no descriptors, no threads.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::serve::message::{Refusal, Service};

use super::connection::Connection;
use super::listen::{Listener, Socket};
use super::threads::Threads;
use super::{Shared, reply, system};

/// Descriptors that are not for connections: models, logs, the runtime's.
const RESERVED: usize = 32;
/// After an error of the system's, so that it does not fill a processor.
const PAUSE: Duration = Duration::from_millis(10);

/// Accepts connections until the server stops.
pub(super) fn run<S: Service + Send + 'static>(listener: &Listener, shared: &Arc<Shared<S>>) {
    let threads = Threads::default();
    let most = shared
        .limits
        .connections
        .min(system::descriptors().saturating_sub(RESERVED).max(1));
    let mut reserve = Reserve::new();
    while !shared.stop.has_begun() {
        let (socket, is_full) = match listener.accept() {
            Ok(socket) => (socket, false),
            Err(error) => match reserve.accept_after(&error, listener) {
                Some(accepted) => accepted,
                None => continue,
            },
        };
        // The connection that woke us.
        if shared.stop.has_begun() {
            return;
        }
        shared.gauges.accepted.fetch_add(1, Ordering::Relaxed);
        let open = shared.gauges.connections.fetch_add(1, Ordering::AcqRel);
        if open >= most || is_full {
            shared.gauges.connections.fetch_sub(1, Ordering::AcqRel);
            turn_away(&socket, &*shared.service, "too many connections");
            continue;
        }
        let slot = shared.clock.slot(socket);
        let connection = Connection::new(Arc::clone(&slot), Arc::clone(shared));
        if threads.run(Box::new(move || connection.run())).is_err() {
            // The job was dropped, and with it the count of the connection.
            turn_away(&slot.socket, &*shared.service, "no thread is free");
        }
    }
}

/// A descriptor in reserve: with it even a full table has room for one that is told to come back.
struct Reserve(Option<File>);

impl Reserve {
    fn new() -> Reserve {
        Reserve(File::open("/dev/null").ok())
    }

    /// What is done about an error: where descriptors ran out, the reserve takes the next connection,
    /// and whether they still are out then.
    fn accept_after(&mut self, error: &io::Error, listener: &Listener) -> Option<(Socket, bool)> {
        match error.kind() {
            // Of one connection that is gone again, or of nothing at all.
            io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted => return None,
            _ => {}
        }
        #[cfg(unix)]
        if let Some(libc::EMFILE | libc::ENFILE) = error.raw_os_error() {
            drop(self.0.take());
            let accepted = listener.accept().ok();
            *self = Reserve::new();
            let is_full = self.0.is_none();
            if let Some(socket) = accepted {
                return Some((socket, is_full));
            }
        }
        #[cfg(not(unix))]
        let _ = listener;
        std::thread::sleep(PAUSE);
        None
    }
}

/// Tells a client to come back, without waiting for it to listen.
fn turn_away<S: Service>(socket: &Socket, service: &S, message: &str) {
    let refusal = Refusal {
        retry_after_s: Some(1),
        ..Refusal::new(503, "too_many_connections", message)
    };
    socket.no_waiting();
    // What it has sent must be read, or closing tells it of a reset before it reads the answer.
    let mut sent = [0; 4096];
    let _ = { socket }.read(&mut sent);
    let bytes = reply::refusal(service, &refusal);
    let _ = { socket }.write(&bytes);
    socket.shutdown(Shutdown::Write);
}
