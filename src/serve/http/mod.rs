//! The socket side of HTTP/1.1: blocking, a thread for each live connection.
//!
//! ```text
//! listen -> accept (caps) -> threads -> connection: head -> body (chunked, coding) -> Service -> reply
//!                                          '------ clock: deadlines of every phase ------'
//! stop: signals -> no more accepts -> what is in flight ends -> done
//! ```
//!
//! Of tiny_http the message side is used: status codes with their phrases, header fields, and the
//! printing of a response's head. Its server is not: see the README, "How serve meets the network".
//! This folder is the only place that names tiny_http and httparse.

mod accept;
mod body;
mod budget;
mod chunked;
mod clock;
mod coding;
mod connection;
mod head;
mod input;
pub mod listen;
mod outbox;
mod place;
mod reply;
pub mod stop;
mod system;
mod threads;
pub mod tls;

#[cfg(test)]
mod tests;

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::allocator;

use super::message::Service;
use budget::Budget;
use clock::Clock;
use listen::Listener;
use stop::Stop;

/// Between two times that freed memory is given back to the system.
const TRIM: Duration = Duration::from_secs(1);

/// Whether a client, by its Accept-Encoding, likes gzip best.
pub fn accepts_gzip(value: Option<&str>) -> bool {
    coding::Coding::accepted(value) == Some(coding::Coding::Gzip)
}

/// What is packed in gzip.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] and its like for what is no gzip.
pub fn unpacked(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut plain = Vec::with_capacity(bytes.len().saturating_mul(4));
    coding::Decoded::new(bytes, Some(coding::Coding::Gzip)).read_to_end(&mut plain)?;
    Ok(plain)
}

/// What a client may cost.
#[derive(Debug, Clone)]
pub struct Limits {
    pub head_bytes: usize,
    pub fields: usize,
    pub target_bytes: usize,
    /// As it comes, and again after it is unpacked.
    pub body_bytes: usize,
    /// Of a reply in memory, and of a stream's answers that its client does not take.
    pub reply_bytes: usize,
    /// Replies of this size on are compressed for those who accept it.
    pub compress_from: usize,
    pub connections: usize,
    /// Requests that are worked on at once; those whose body has not come are not.
    pub requests: usize,
    /// From the first byte of a head to its last.
    pub header: Duration,
    /// Between two pieces of a body.
    pub body: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// Between two pieces of a reply that a client takes.
    pub write: Duration,
    /// From the head of a request to its reply; no limit where it is `None`. Streams have none.
    pub handler: Option<Duration>,
    /// From the signal to the end of what is in flight.
    pub grace: Duration,
}

/// What the flags say by default, for tests.
#[cfg(test)]
impl Default for Limits {
    fn default() -> Limits {
        Limits {
            head_bytes: 16 << 10,
            fields: 100,
            target_bytes: 8 << 10,
            body_bytes: 64 << 20,
            reply_bytes: 256 << 20,
            compress_from: 16 << 10,
            connections: 1024,
            requests: 512,
            header: Duration::from_secs(10),
            body: Duration::from_secs(15),
            idle: Duration::from_secs(60),
            write: Duration::from_secs(30),
            handler: Some(Duration::from_secs(60)),
            grace: Duration::from_secs(30),
        }
    }
}

/// What metrics tell of the connections.
#[derive(Debug, Default)]
pub struct Gauges {
    /// Open ones.
    pub connections: AtomicUsize,
    /// Requests that are worked on.
    pub in_flight: AtomicUsize,
    /// All that were ever accepted.
    pub accepted: AtomicU64,
}

/// What all threads of a server share.
struct Shared<S> {
    service: Arc<S>,
    limits: Limits,
    gauges: Arc<Gauges>,
    budget: Budget,
    clock: Clock,
    stop: Stop,
}

/// Whether all requests were answered at the end of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    All,
    /// This many connections were still at work when the time was up.
    Some(usize),
}

/// Answers requests until `stop` says otherwise, and what is in flight is done.
///
/// # Errors
/// A thread could not be started at all.
pub fn serve<S: Service + Send + 'static>(
    listeners: Vec<Listener>,
    limits: Limits,
    service: Arc<S>,
    gauges: Arc<Gauges>,
    stop: &Stop,
) -> std::io::Result<Ended> {
    let shared = Arc::new(Shared {
        service,
        budget: Budget::new(&limits),
        limits,
        gauges,
        clock: Clock::default(),
        stop: stop.clone(),
    });
    let clock = Arc::downgrade(&shared);
    // For as long as there are connections, also those that were cut off and are still at work.
    let looks = move || {
        let mut trimmed = Instant::now();
        while let Some(shared) = clock.upgrade() {
            for late in shared.clock.look() {
                late.answer_for(&*shared.service);
            }
            if trimmed.elapsed() >= TRIM && shared.budget.has_freed() {
                allocator::return_freed_memory();
                trimmed = Instant::now();
            }
            drop(shared);
            std::thread::sleep(clock::TICK);
        }
    };
    std::thread::Builder::new()
        .name("clock".to_owned())
        .spawn(looks)?;
    for listener in &listeners {
        listener.no_waiting()?;
    }
    let accepting: Vec<_> = listeners
        .into_iter()
        .map(|listener| {
            let shared = Arc::clone(&shared);
            let accept = move || accept::run(&listener, &shared);
            std::thread::Builder::new()
                .name("accept".to_owned())
                .spawn(accept)
        })
        .collect::<std::io::Result<_>>()?;
    for thread in accepting {
        // An accepting thread does not panic; if it did, the others still finish.
        let _ = thread.join();
    }
    Ok(drain(&shared))
}

/// Waits until all connections are closed, or the time is up.
fn drain<S>(shared: &Shared<S>) -> Ended {
    let until = Instant::now() + shared.limits.grace;
    shared.clock.close_idle();
    loop {
        let open = shared.gauges.connections.load(Ordering::Acquire);
        if open == 0 {
            return Ended::All;
        }
        if Instant::now() >= until {
            shared.clock.close_all();
            return Ended::Some(open);
        }
        // Those that became idle after the last look are closed now.
        shared.clock.close_idle();
        std::thread::sleep(Duration::from_millis(5));
    }
}
