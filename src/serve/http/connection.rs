//! One connection: a request after the other, each read, answered and written in turn.

use std::io::{self, Write};
use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::serve::message::{Content, Head, Method, Refusal, Reply, Service};

use super::body::{MOST_KEPT, SocketBody};
use super::clock::{Phase, Slot};
use super::coding::Coding;
use super::head::{self, Vetted};
use super::input::Input;
use super::reply::{self, Chunks, Manner};
use super::{Limits, Shared};

/// After a reply that came before the end of its request, this much of what still comes is read: a
/// close would reset the connection, and with it the reply that is on its way.
const LINGER_BYTES: usize = 1 << 20;
const LINGER: Duration = Duration::from_secs(1);

/// A connection and its buffers, which are used for one request after the other.
pub(super) struct Connection<S> {
    slot: Arc<Slot>,
    shared: Arc<Shared<S>>,
    input: Input,
    head: Vec<u8>,
    whole: Vec<u8>,
    out: Vec<u8>,
}

/// What becomes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Keep,
    Close,
    /// The client may still be sending.
    Linger,
}

impl<S> Drop for Connection<S> {
    fn drop(&mut self) {
        self.shared
            .gauges
            .connections
            .fetch_sub(1, Ordering::AcqRel);
    }
}

impl<S: Service> Connection<S> {
    pub(super) fn new(slot: Arc<Slot>, shared: Arc<Shared<S>>) -> Connection<S> {
        Connection {
            slot,
            shared,
            input: Input::default(),
            head: Vec::new(),
            whole: Vec::new(),
            out: Vec::new(),
        }
    }

    /// Answers requests until the connection is over.
    pub(super) fn run(mut self) {
        let after = loop {
            match self.exchange() {
                After::Keep => {}
                after => break after,
            }
        };
        if after == After::Linger {
            self.linger();
        }
        self.slot.socket.shutdown(Shutdown::Both);
    }

    /// Reads, answers and writes one request.
    fn exchange(&mut self) -> After {
        let length = match self.read_head() {
            Ok(Some(length)) => length,
            Ok(None) => return After::Close,
            Err(refusal) => return self.refuse(&refusal),
        };
        // Put aside, for the body may need the room behind it.
        let mut bytes = std::mem::take(&mut self.head);
        bytes.clear();
        bytes.extend_from_slice(self.input.bytes().get(..length).unwrap_or_default());
        self.input.consume(length);
        let after = match head::parse(&bytes, &self.shared.limits) {
            Ok(head) => self.answer(&head),
            Err(refusal) => self.refuse(&refusal),
        };
        self.head = bytes;
        for buffer in [&mut self.whole, &mut self.out] {
            if buffer.capacity() > MOST_KEPT {
                *buffer = Vec::new();
            }
        }
        after
    }

    /// Waits for a whole head, and returns its length; `None` where the client is gone, or has said
    /// nothing for long.
    fn read_head(&mut self) -> Result<Option<usize>, Refusal> {
        let limits = &self.shared.limits;
        let mut looked = 0;
        let mut is_waiting = self.input.bytes().is_empty();
        let phase = match is_waiting {
            true => (Phase::Idle, limits.idle),
            false => (Phase::Head, limits.header),
        };
        if !self.slot.enter(phase.0, Some(phase.1)) {
            return Ok(None);
        }
        loop {
            let Some(blank) = head::blank_lines(self.input.bytes()) else {
                return Err(Refusal::new(400, "bad_request", "not a valid HTTP request"));
            };
            if blank > 0 {
                self.input.consume(blank);
                looked = 0;
            }
            if let Some(length) = head::length(self.input.bytes(), looked, limits)? {
                return Ok(Some(length));
            }
            looked = self.input.bytes().len();
            let filled = self.input.fill(&self.slot.socket);
            match filled {
                Ok(1..) if is_waiting => {
                    is_waiting = false;
                    if !self.slot.enter(Phase::Head, Some(limits.header)) {
                        return Ok(None);
                    }
                }
                Ok(1..) => {}
                Ok(0) if self.slot.is_late() && !is_waiting => {
                    let message = "the head of the request did not come in time";
                    return Err(Refusal::new(408, "header_timeout", message));
                }
                Ok(0) | Err(_) => return Ok(None),
            }
        }
    }

    /// Answers a request whose head is there.
    fn answer(&mut self, head: &Vetted<'_>) -> After {
        let shared = Arc::clone(&self.shared);
        let limits = &shared.limits;
        if !self.slot.enter(Phase::Work, limits.handler) {
            return After::Close;
        }
        let place = Place::take(&shared.gauges.in_flight);
        let buffers = (&mut self.input, &mut self.whole);
        let mut body = SocketBody::new(head, buffers, &self.slot, limits);
        let reply = match place.number <= limits.requests {
            true => ask(&*shared.service, head, &mut body),
            false => busy(&*shared.service),
        };
        let Some(reply) = reply else {
            let refusal = Refusal::new(500, "panic", "internal error");
            return self.refuse(&refusal);
        };
        // A stream over HTTP/1.0 ends with its connection.
        let has_end = head.is_1_1 || !matches!(reply.content, Content::Stream(_));
        let is_over = shared.stop.has_begun();
        let keeps = head.keeps_alive && has_end && !is_over && body.can_be_drained();
        let manner = Manner {
            is_1_1: head.is_1_1,
            keeps,
            is_head: head.method == Method::Head,
            coding: accepted(head),
            compress_from: limits.compress_from,
        };
        self.out.clear();
        reply::print(&mut self.out, &reply, &manner);
        let stream = match reply.content {
            Content::Stream(stream) if !manner.is_head => Some(stream),
            _ => None,
        };
        if stream.is_some() {
            body.is_for_a_stream();
        }
        let mut out = Writer {
            slot: &self.slot,
            limits,
            is_stream: stream.is_some(),
        };
        if out.write_all(&self.out).is_err() {
            return After::Close;
        }
        if let Some(stream) = stream {
            let mut chunks = Chunks::new(&mut out, head.is_1_1);
            let written = catch_unwind(AssertUnwindSafe(|| stream(&mut body, &mut chunks)));
            match written {
                Ok(Ok(())) if chunks.finish().is_ok() => {}
                // Without its last chunk, the client knows that something is missing.
                _ => return After::Linger,
            }
        }
        match keeps {
            true if body.drain() => After::Keep,
            false if body.is_unread() => After::Linger,
            _ => After::Close,
        }
    }

    /// Says why the connection ends.
    fn refuse(&mut self, refusal: &Refusal) -> After {
        let bytes = reply::refusal(&*self.shared.service, refusal);
        // Its time is up, but it can still be told so, if it listens.
        if self.slot.is_late() {
            self.slot.socket.no_waiting();
            let _ = (&self.slot.socket).write(&bytes);
            return After::Close;
        }
        let mut out = Writer {
            slot: &self.slot,
            limits: &self.shared.limits,
            is_stream: false,
        };
        match out.write_all(&bytes) {
            Ok(()) => After::Linger,
            Err(_) => After::Close,
        }
    }

    /// Reads for a moment what the client may still be sending.
    fn linger(&mut self) {
        self.slot.socket.shutdown(Shutdown::Write);
        if !self.slot.enter(Phase::Body, Some(LINGER)) {
            return;
        }
        let mut left = LINGER_BYTES;
        while left > 0 {
            self.input.consume(usize::MAX);
            match self.input.fill(&self.slot.socket) {
                Ok(count @ 1..) => left = left.saturating_sub(count),
                _ => return,
            }
        }
    }
}

/// The service's reply; `None` where it panicked.
fn ask<'s, S: Service>(
    service: &'s S,
    head: &Vetted<'_>,
    body: &mut SocketBody<'_>,
) -> Option<Reply<'s>> {
    let head = Head {
        method: head.method,
        path: head.path,
        query: head.query,
        headers: &head.headers,
    };
    catch_unwind(AssertUnwindSafe(|| service.answer(&head, body))).ok()
}

/// The reply where too many requests are worked on.
fn busy<S: Service>(service: &S) -> Option<Reply<'_>> {
    let refusal = Refusal {
        retry_after_s: Some(1),
        ..Refusal::new(503, "too_many_requests", "too many requests at once")
    };
    let refused = catch_unwind(AssertUnwindSafe(|| service.refuse(&refusal))).ok();
    refused.map(|reply| reply.with("Retry-After", "1"))
}

fn accepted(head: &Vetted<'_>) -> Option<Coding> {
    let mut fields = head.headers.iter();
    let field = fields.find(|field| field.name.eq_ignore_ascii_case("Accept-Encoding"))?;
    Coding::accepted(std::str::from_utf8(field.value).ok())
}

/// A place among the requests that are worked on.
struct Place<'g> {
    in_flight: &'g AtomicUsize,
    number: usize,
}

impl Place<'_> {
    fn take(in_flight: &AtomicUsize) -> Place<'_> {
        let number = in_flight.fetch_add(1, Ordering::AcqRel) + 1;
        Place { in_flight, number }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Writes to a client for as long as it takes some of it now and then.
struct Writer<'w> {
    slot: &'w Slot,
    limits: &'w Limits,
    is_stream: bool,
}

impl Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.slot.enter(Phase::Write, Some(self.limits.write)) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let written = (&self.slot.socket).write(bytes)?;
        if self.is_stream {
            // What comes next may take its time.
            self.slot.enter(Phase::Work, None);
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
