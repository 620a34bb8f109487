//! The body of a request as it comes: its framing taken off, its coding taken off, within its limits
//! and deadlines.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use crate::serve::message::{Body, Refusal};

use super::Limits;
use super::budget::{Budget, Held};
use super::chunked::Decoder;
use super::clock::{Phase, Slot};
use super::coding::{Coding, Decoded};
use super::head::{Framing, Vetted};
use super::input::Input;
use super::outbox::Outbox;
use super::place::Place;

/// A body must come faster than this on the whole, however steadily it trickles.
const LEAST_BYTES_PER_S: u64 = 1024;
/// What is left of a body is read to its end, so that the connection can be kept, up to this size.
const MOST_DRAINED: u64 = 256 << 10;
/// A buffer larger than this is not kept for the next request: a thousand connections have one each.
pub(super) const MOST_KEPT: usize = 128 << 10;
/// What is read at first of a body that is wanted whole; then as much again as there is.
const FIRST_BYTES: usize = 16 << 10;

/// What a connection's reads and writes are held to.
#[derive(Clone, Copy)]
pub(super) struct Terms<'c> {
    pub slot: &'c Slot,
    pub limits: &'c Limits,
    pub budget: &'c Budget,
}

/// The body of one request.
pub(super) struct SocketBody<'c> {
    decoded: Decoded<Raw<'c>>,
    /// Its coding is not known here.
    unknown_coding: Option<Refusal>,
    whole: &'c mut Vec<u8>,
    is_whole: bool,
    held: Held<'c>,
    limit: usize,
}

/// The body without its framing.
pub(super) struct Raw<'c> {
    input: &'c mut Input,
    terms: Terms<'c>,
    left: Left,
    /// The client waits for `100 Continue`.
    expects_continue: bool,
    /// Not taken while the client is waited for.
    place: Place<'c>,
    /// What the client has not taken of the reply, where that is written meanwhile.
    outbox: Option<Outbox<'c>>,
    started: Instant,
    received: u64,
    /// How long the service may take from here on.
    work: Option<Duration>,
    /// Why no more can be read.
    refusal: Option<Refusal>,
}

/// What is still to come.
enum Left {
    Length(u64),
    Chunked(Decoder),
}

impl<'c> SocketBody<'c> {
    pub(super) fn new(
        head: &Vetted<'_>,
        (input, whole): (&'c mut Input, &'c mut Vec<u8>),
        (terms, place): (Terms<'c>, Place<'c>),
    ) -> SocketBody<'c> {
        let mut fields = head
            .headers
            .iter()
            .filter(|field| field.name.eq_ignore_ascii_case("Content-Encoding"));
        let value = fields
            .next()
            .map(|field| std::str::from_utf8(field.value).unwrap_or("?"));
        // Two fields are two codings, one in the other.
        let value = fields.next().map_or(value, |_| Some("?"));
        let (coding, unknown_coding) = match Coding::of_body(value) {
            Ok(coding) => (coding, None),
            Err(refusal) => (None, Some(refusal)),
        };
        let raw = Raw {
            input,
            terms,
            left: match head.framing {
                Framing::Length(length) => Left::Length(length),
                Framing::Chunked => Left::Chunked(Decoder::new()),
            },
            expects_continue: head.expects_continue,
            place,
            outbox: None,
            started: Instant::now(),
            received: 0,
            work: terms.limits.handler,
            refusal: None,
        };
        SocketBody {
            decoded: Decoded::new(raw, coding),
            unknown_coding,
            whole,
            is_whole: false,
            held: terms.budget.nothing(),
            limit: terms.limits.body_bytes,
        }
    }

    /// The request's place among those that are worked on.
    pub(super) fn place(&mut self) -> &mut Place<'c> {
        &mut self.decoded.raw_mut().place
    }

    /// From now on what the client does not take is kept while it is waited for.
    pub(super) fn answer_into(&mut self, outbox: Outbox<'c>) {
        self.decoded.raw_mut().outbox = Some(outbox);
    }

    /// Reads some of what is left and drops it; 0 at the end, or where there is none.
    pub(super) fn drop_some(&mut self) -> usize {
        let raw = self.decoded.raw_mut();
        raw.read(&mut [0; 4096]).unwrap_or(0)
    }

    /// A stream takes as long as its client. Its body is asked for now if ever: behind the head of the
    /// reply nobody would understand the question.
    ///
    /// # Errors
    /// The client cannot be asked.
    pub(super) fn is_for_a_stream(&mut self) -> io::Result<()> {
        let is_unread = self.is_unread();
        let raw = self.decoded.raw_mut();
        raw.work = None;
        if is_unread && raw.input.bytes().is_empty() {
            raw.ask()?;
        }
        raw.expects_continue = false;
        Ok(())
    }

    /// Lets go of what was read: nobody reads it while the reply is written.
    pub(super) fn forget(&mut self) {
        if self.whole.capacity() > MOST_KEPT {
            *self.whole = Vec::new();
        }
        self.is_whole = false;
        self.held = self.decoded.raw().terms.budget.nothing();
    }

    /// Whether the connection can be kept: all of the body was read, or little enough is left.
    pub(super) fn can_be_drained(&self) -> bool {
        let raw = self.decoded.raw();
        match &raw.left {
            _ if raw.refusal.is_some() => false,
            _ if !self.is_unread() => true,
            _ if raw.expects_continue => false,
            Left::Length(left) => *left <= MOST_DRAINED,
            Left::Chunked(_) => false,
        }
    }

    /// Reads what is left; whether that went well.
    pub(super) fn drain(&mut self) -> bool {
        while self.drop_some() > 0 {}
        !self.is_unread()
    }

    /// Whether something of it was not read, which the client may still be sending.
    pub(super) fn is_unread(&self) -> bool {
        match &self.decoded.raw().left {
            Left::Length(left) => *left > 0,
            Left::Chunked(decoder) => !decoder.is_done(),
        }
    }

    /// Reads all of the body, twice as much each time, as memory allows.
    fn read_whole(&mut self) -> Result<(), Refusal> {
        self.whole.clear();
        let most = self.limit.saturating_add(1);
        loop {
            let had = self.whole.len();
            let wanted = (had * 2).max(FIRST_BYTES).min(most);
            if !self.held.grow_to(wanted) {
                return Err(Refusal {
                    retry_after_s: Some(1),
                    ..Refusal::new(503, "memory", "too many large requests at once")
                });
            }
            self.whole.reserve_exact(wanted - had);
            let next = (&mut self.decoded).take((wanted - had) as u64);
            if { next }.read_to_end(self.whole).is_err() {
                return Err(self.refusal());
            }
            if self.whole.len() > self.limit {
                return Err(self.too_large());
            }
            if self.whole.len() < wanted {
                return self.check_end();
            }
        }
    }

    /// Behind what its coding says is the end, there is nothing.
    fn check_end(&mut self) -> Result<(), Refusal> {
        match self.decoded.raw_mut().read(&mut [0]) {
            Ok(0) if self.decoded.behind().is_empty() => Ok(()),
            Ok(_) | Err(_) => Err(self.refusal()),
        }
    }

    fn check_coding(&self) -> Result<(), Refusal> {
        match &self.unknown_coding {
            Some(refusal) => Err(refusal.clone()),
            None => Ok(()),
        }
    }

    /// Why reading failed.
    fn refusal(&mut self) -> Refusal {
        self.decoded.raw_mut().refusal.clone().unwrap_or_else(|| {
            let message = "the body cannot be unpacked as its Content-Encoding says";
            Refusal::new(400, "content_encoding", message)
        })
    }

    fn too_large(&self) -> Refusal {
        let what = match self.decoded.is_plain() {
            true => "the body is larger",
            false => "the body is larger, when it is unpacked,",
        };
        let message = format!("{what} than {} bytes", self.limit);
        Refusal::new(413, "body_too_large", message)
    }
}

/// Why a request is not taken where too many are worked on.
pub(super) fn busy() -> Refusal {
    Refusal {
        retry_after_s: Some(1),
        ..Refusal::new(503, "too_many_requests", "too many requests at once")
    }
}

impl Body for SocketBody<'_> {
    fn whole(&mut self) -> Result<&[u8], Refusal> {
        if self.is_whole {
            return Ok(self.whole);
        }
        self.check_coding()?;
        if let Left::Length(length) = self.decoded.raw().left
            && length > self.limit as u64
        {
            let refusal = self.too_large();
            self.decoded.raw_mut().refusal = Some(refusal.clone());
            return Err(refusal);
        }
        self.read_whole().inspect_err(|refusal| {
            self.forget();
            // Nothing that follows is read any more.
            let raw = self.decoded.raw_mut();
            raw.refusal.get_or_insert_with(|| refusal.clone());
        })?;
        self.is_whole = true;
        match self.place().take() {
            true => Ok(self.whole),
            false => Err(busy()),
        }
    }

    fn read(&mut self, into: &mut [u8]) -> Result<usize, Refusal> {
        self.check_coding()?;
        let read = self.decoded.read(into);
        read.map_err(|_| self.refusal())
    }

    fn is_answered(&self) -> bool {
        self.decoded.raw().terms.slot.is_answered()
    }
}

impl Raw<'_> {
    fn fail(&mut self, status: u16, reason: &'static str, message: &str) -> io::Error {
        let refusal = self
            .refusal
            .get_or_insert_with(|| Refusal::new(status, reason, message));
        io::Error::other(refusal.message.clone())
    }

    /// Tells a client that waits for it to send the body.
    fn ask(&mut self) -> io::Result<()> {
        let Terms { slot, limits, .. } = self.terms;
        if std::mem::take(&mut self.expects_continue) {
            slot.enter(Phase::Write, Some(limits.write));
            (&slot.socket).write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        Ok(())
    }

    /// Waits for more of the body.
    fn fill(&mut self) -> io::Result<()> {
        self.ask()?;
        let slot = self.terms.slot;
        let had_place = self.place.leave();
        let filled = match self.outbox.clone() {
            None => {
                self.wait_within(self.received);
                self.input.fill(&slot.socket)
            }
            Some(outbox) => self.fill_while(&outbox),
        };
        if had_place {
            self.place.take_anyhow();
        }
        let is_late = slot.is_late();
        match filled {
            _ if is_late => Err(self.fail(408, "body_timeout", "the body did not come in time")),
            Ok(count @ 1..) => {
                self.received += count as u64;
                slot.enter(Phase::Work, self.work);
                Ok(())
            }
            Ok(0) | Err(_) => {
                Err(self.fail(400, "body_incomplete", "the body ends before its time"))
            }
        }
    }
}

impl<'c> Raw<'c> {
    /// Says until when the client must do something, of which it has done `bytes` in all.
    fn wait_within(&self, bytes: u64) {
        let Terms { slot, limits, .. } = self.terms;
        let for_all = limits.body + Duration::from_secs(bytes / LEAST_BYTES_PER_S);
        let left = for_all.saturating_sub(self.started.elapsed());
        slot.enter(Phase::Body, Some(limits.body.min(left)));
    }

    /// Reads once, as soon as there is something, while the client takes what waits for it.
    fn fill_while(&mut self, outbox: &Outbox<'c>) -> io::Result<usize> {
        let socket = &self.terms.slot.socket;
        loop {
            self.wait_within(self.received.saturating_add(outbox.sent()));
            outbox.send()?;
            match self.input.fill(socket) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                filled => return filled,
            }
            socket.wait(outbox.is_waiting(), true, None);
        }
    }
}

impl Read for Raw<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.refusal.is_some() {
            return Err(self.fail(400, "body_incomplete", ""));
        }
        loop {
            let is_done = match &self.left {
                Left::Length(left) => *left == 0,
                Left::Chunked(decoder) => decoder.is_done(),
            };
            if is_done || into.is_empty() {
                return Ok(0);
            }
            if self.input.bytes().is_empty() {
                self.fill()?;
            }
            let bytes = self.input.bytes();
            let decoded = match &mut self.left {
                Left::Length(left) => {
                    let most = usize::try_from(*left).unwrap_or(usize::MAX);
                    let count = bytes.len().min(into.len()).min(most);
                    if let (Some(to), Some(from)) = (into.get_mut(..count), bytes.get(..count)) {
                        to.copy_from_slice(from);
                    }
                    *left -= count as u64;
                    Ok((count, count))
                }
                Left::Chunked(decoder) => decoder.decode(bytes, into),
            };
            let Ok((used, put)) = decoded else {
                let message = "the body is not chunked as its Transfer-Encoding says";
                return Err(self.fail(400, "bad_request", message));
            };
            self.input.consume(used);
            if put > 0 {
                return Ok(put);
            }
        }
    }
}
