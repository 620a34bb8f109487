//! One connection: a request after the other, each read, answered and written in turn.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::serve::message::{Asked, Content, Head, Method, Refusal, Reply, Service, Stream};

use super::body::{self, MOST_KEPT, SocketBody, Terms};
use super::clock::{Phase, Slot};
use super::coding::Coding;
use super::head::{self, Vetted};
use super::input::Input;
use super::outbox::Outbox;
use super::place::Place;
use super::reply::{self, Chunks, Manner};
use super::tls::{Opening, Session};
use super::{Limits, Shared};

/// After a reply that came before the end of its request, this much of what still comes is read: a
/// close would reset the connection, and with it the reply that is on its way.
const LINGER_BYTES: usize = 64 << 20;
const LINGER: Duration = Duration::from_secs(2);
/// Most bytes of one write: it returns only when all are on their way, and a slow client must be
/// seen to take some of them.
const PIECE_BYTES: usize = 256 << 10;

/// A connection and its buffers, which are used for one request after the other.
pub(super) struct Connection<S> {
    slot: Arc<Slot>,
    shared: Arc<Shared<S>>,
    input: Input,
    head: Vec<u8>,
    whole: Vec<u8>,
    out: Vec<u8>,
    /// It has not made a request yet.
    is_fresh: bool,
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
            is_fresh: true,
        }
    }

    /// Answers requests until the connection is over.
    pub(super) fn run(mut self) {
        let after = match self.open() {
            After::Keep => loop {
                match self.exchange() {
                    After::Keep => {}
                    after => break after,
                }
            },
            after => after,
        };
        self.slot.socket.say_the_end();
        if after == After::Linger {
            self.linger();
        }
        self.slot.socket.shutdown(Shutdown::Both);
    }

    /// Agrees on a session with a client under TLS.
    fn open(&mut self) -> After {
        let limits = &self.shared.limits;
        let Some(session) = self.slot.socket.session() else {
            return After::Keep;
        };
        // Until it says something it has only connected, as one without TLS.
        let opening = session.opening();
        if !self.slot.enter(Phase::Head, Some(limits.header)) {
            return After::Close;
        }
        match opening {
            Opening::Handshake if session.shake_hands().is_ok() => After::Keep,
            Opening::Plain => {
                self.refuse_plain(session);
                After::Close
            }
            _ => After::Close,
        }
    }

    /// Tells a client that speaks plainly, as it would understand it, that TLS is spoken here.
    fn refuse_plain(&self, session: &Session) {
        let message = "this port speaks HTTPS: its URLs begin with https://";
        let refusal = Refusal::new(400, "plain_http", message);
        let bytes = reply::refusal(&*self.shared.service, &refusal, None);
        self.slot
            .enter(Phase::Write, Some(self.shared.limits.write));
        let mut socket = &session.socket;
        if socket.write_all(&bytes).is_ok() && socket.shutdown(Shutdown::Write).is_ok() {
            // To close on what it has sent would reset what was said.
            self.slot.enter(Phase::Body, Some(LINGER));
            let _ = io::copy(&mut socket.take(LINGER_BYTES as u64), &mut io::sink());
        }
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
        let waits = match self.is_fresh {
            true => Phase::Fresh,
            false => Phase::Idle,
        };
        let mut looked = 0;
        let mut is_waiting = true;
        if !self.slot.enter(waits, Some(limits.idle)) {
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
            // Blank lines are no request yet.
            if is_waiting && !self.input.bytes().is_empty() {
                is_waiting = false;
                if !self.slot.enter(Phase::Head, Some(limits.header)) {
                    return Ok(None);
                }
            }
            if let Some(length) = head::length(self.input.bytes(), looked, limits)? {
                self.is_fresh = false;
                return Ok(Some(length));
            }
            looked = self.input.bytes().len();
            match self.input.fill(&self.slot.socket) {
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
        let terms = Terms {
            slot: &self.slot,
            limits: &shared.limits,
            budget: &shared.budget,
        };
        terms.slot.note(head.method, head.path);
        if !terms.slot.enter(Phase::Work, terms.limits.handler) {
            return After::Close;
        }
        let refused = |refusal: &Refusal| refused(&*shared.service, refusal, head);
        let place = Place::new(&shared.gauges.in_flight, terms.limits.requests);
        let buffers = (&mut self.input, &mut self.whole);
        let mut body = SocketBody::new(head, buffers, (terms, place));
        let reply = match has_place(&*shared.service, head, &mut body) {
            true => ask(&*shared.service, head, &mut body),
            false => refused(&body::busy()),
        };
        body.forget();
        // A stream is worked on from here to its end.
        let is_stream = |reply: &Reply<'_>| matches!(reply.content, Content::Stream(_));
        let reply = match reply {
            Some(reply) if is_stream(&reply) && !body.place().take() => refused(&body::busy()),
            reply => reply,
        };
        // What many clients do not take must not fill the memory.
        let mut held = terms.budget.nothing();
        let fits = |reply: &Reply<'_>| held.grow_to(reply.bytes().unwrap_or_default());
        let reply = match reply {
            Some(reply) if !{ fits }(&reply) => refused(&Refusal {
                reason: "memory",
                ..body::busy()
            }),
            reply => reply,
        };
        let Some(reply) = reply else {
            drop(body);
            return self.refuse(&Refusal::new(500, "panic", "internal error"));
        };
        let is_over = shared.stop.has_begun();
        // What a stream leaves of its body is known at its end.
        let is_stream = matches!(reply.content, Content::Stream(_));
        let is_drainable = is_stream || body.can_be_drained();
        // A stream over HTTP/1.0 ends with its connection.
        let has_end = head.is_1_1 || !is_stream;
        let keeps = head.keeps_alive && has_end && !is_over && is_drainable;
        let manner = Manner {
            is_1_1: head.is_1_1,
            keeps,
            is_head: head.method == Method::Head,
            coding: accepted(head),
            compress_from: terms.limits.compress_from,
        };
        let after = write(reply, &manner, &mut body, (terms, &mut self.out));
        let is_drained = after == After::Keep && keeps && body.can_be_drained() && body.drain();
        let is_unread = body.is_unread();
        drop(body);
        match after {
            After::Keep if is_drained => After::Keep,
            // What the client sends behind this request must not reset the reply to it.
            After::Keep if is_unread || head.keeps_alive || !self.input.bytes().is_empty() => {
                After::Linger
            }
            After::Keep => After::Close,
            after => after,
        }
    }

    /// Says why the connection ends.
    fn refuse(&self, refusal: &Refusal) -> After {
        let bytes = reply::refusal(&*self.shared.service, refusal, None);
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

/// Writes a reply. [`After::Keep`] where all of it was written.
fn write<'c>(
    reply: Reply<'_>,
    manner: &Manner,
    body: &mut SocketBody<'c>,
    (terms, printed): (Terms<'c>, &mut Vec<u8>),
) -> After {
    let is_stream = matches!(reply.content, Content::Stream(_)) && !manner.is_head;
    if is_stream && body.is_for_a_stream().is_err() {
        return After::Close;
    }
    printed.clear();
    let rest = reply::print(printed, &reply, manner);
    let mut out = Writer {
        slot: terms.slot,
        limits: terms.limits,
        is_stream,
    };
    if out.write_all(printed).is_err() || out.write_all(&rest).is_err() {
        return After::Close;
    }
    drop(rest);
    let stream = match reply.content {
        Content::Stream(stream) if !manner.is_head => stream,
        _ => return After::Keep,
    };
    let after = match cfg!(unix) {
        true => {
            let outbox = Outbox::new(terms);
            body.answer_into(outbox.clone());
            let after = write_stream(stream, body, (outbox.clone(), manner.is_1_1));
            match outbox.finish(body) {
                Ok(()) => after,
                Err(_) => After::Close,
            }
        }
        // Nothing waits for two directions at once.
        false => write_stream(stream, body, (out, manner.is_1_1)),
    };
    terms.slot.socket.set_waiting(true);
    // Under TLS some may be encrypted and not written yet.
    let is_in_time = terms.slot.enter(Phase::Write, Some(terms.limits.write));
    match is_in_time && (&terms.slot.socket).flush().is_ok() {
        true => after,
        false => After::Close,
    }
}

/// Writes a stream in chunks, where they are understood.
fn write_stream(
    stream: Stream<'_>,
    body: &mut SocketBody<'_>,
    (out, is_chunked): (impl Write, bool),
) -> After {
    let mut chunks = Chunks::new(out, is_chunked);
    let written = catch_unwind(AssertUnwindSafe(|| {
        let written = stream(body, &mut chunks);
        written.and_then(|()| chunks.finish())
    }));
    match written {
        Ok(Ok(())) => After::Keep,
        // Without its last chunk, the client knows that something is missing.
        _ => After::Linger,
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

/// Whether a request may go on: with a body that is still to come it takes its place later, and some
/// are answered though there is none.
fn has_place<S: Service>(service: &S, head: &Vetted<'_>, body: &mut SocketBody<'_>) -> bool {
    if body.is_unread() || body.place().take() {
        return true;
    }
    service.is_vital(head.path)
}

/// The service's words for a refusal; `None` where it panicked.
fn refused<'s, S: Service>(
    service: &'s S,
    refusal: &Refusal,
    head: &Vetted<'_>,
) -> Option<Reply<'s>> {
    let asked = Asked {
        method: head.method,
        path: head.path,
        waited: Duration::ZERO,
    };
    catch_unwind(AssertUnwindSafe(|| {
        reply::refused(service, refusal, Some(&asked))
    }))
    .ok()
}

fn accepted(head: &Vetted<'_>) -> Option<Coding> {
    let mut fields = head.headers.iter();
    let field = fields.find(|field| field.name.eq_ignore_ascii_case("Accept-Encoding"))?;
    Coding::accepted(std::str::from_utf8(field.value).ok())
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
        let piece = bytes.get(..PIECE_BYTES).unwrap_or(bytes);
        let written = (&self.slot.socket).write(piece)?;
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
