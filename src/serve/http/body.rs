//! The body of a request as it comes: its framing taken off, its coding taken off, within its limits
//! and deadlines.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use crate::serve::message::{Body, Refusal};

use super::Limits;
use super::chunked::Decoder;
use super::clock::{Phase, Slot};
use super::coding::{Coding, Decoded};
use super::head::{Framing, Vetted};
use super::input::Input;

/// A body must come faster than this on the whole, however steadily it trickles.
const LEAST_BYTES_PER_S: u64 = 1024;
/// What is left of a body is read to its end, so that the connection can be kept, up to this size.
const MOST_DRAINED: u64 = 256 << 10;
/// A buffer larger than this is not kept for the next request.
pub(super) const MOST_KEPT: usize = 1 << 20;

/// The body of one request.
pub(super) struct SocketBody<'c> {
    decoded: Decoded<Raw<'c>>,
    /// Its coding is not known here.
    unknown_coding: Option<Refusal>,
    whole: &'c mut Vec<u8>,
    is_whole: bool,
    limit: usize,
}

/// The body without its framing.
pub(super) struct Raw<'c> {
    input: &'c mut Input,
    slot: &'c Slot,
    limits: &'c Limits,
    left: Left,
    /// The client waits for `100 Continue`.
    expects_continue: bool,
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
        slot: &'c Slot,
        limits: &'c Limits,
    ) -> SocketBody<'c> {
        let mut fields = head.headers.iter();
        let field = fields.find(|field| field.name.eq_ignore_ascii_case("Content-Encoding"));
        let value = field.map(|field| std::str::from_utf8(field.value).unwrap_or("?"));
        let (coding, unknown_coding) = match Coding::of_body(value) {
            Ok(coding) => (coding, None),
            Err(refusal) => (None, Some(refusal)),
        };
        let raw = Raw {
            input,
            slot,
            limits,
            left: match head.framing {
                Framing::Length(length) => Left::Length(length),
                Framing::Chunked => Left::Chunked(Decoder::new()),
            },
            expects_continue: head.expects_continue,
            started: Instant::now(),
            received: 0,
            work: limits.handler,
            refusal: None,
        };
        SocketBody {
            decoded: Decoded::new(raw, coding),
            unknown_coding,
            whole,
            is_whole: false,
            limit: limits.body_bytes,
        }
    }

    /// A stream takes as long as its client.
    pub(super) fn is_for_a_stream(&mut self) {
        let raw = self.decoded.raw_mut();
        raw.work = None;
        raw.slot.enter(Phase::Work, None);
    }

    /// Whether the connection can be kept: all of the body was read, or little enough is left.
    pub(super) fn can_be_drained(&self) -> bool {
        let raw = self.decoded.raw();
        match &raw.left {
            _ if raw.refusal.is_some() => false,
            Left::Length(0) => true,
            _ if raw.expects_continue => false,
            Left::Length(left) => *left <= MOST_DRAINED,
            Left::Chunked(decoder) => decoder.is_done(),
        }
    }

    /// Reads what is left; whether that went well.
    pub(super) fn drain(&mut self) -> bool {
        let raw = self.decoded.raw_mut();
        let mut into = [0; 4096];
        while let Ok(count) = raw.read(&mut into) {
            if count == 0 {
                return true;
            }
        }
        false
    }

    /// Whether something of it was not read, which the client may still be sending.
    pub(super) fn is_unread(&self) -> bool {
        match &self.decoded.raw().left {
            Left::Length(left) => *left > 0,
            Left::Chunked(decoder) => !decoder.is_done(),
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
        self.whole.clear();
        let most = self.limit as u64 + 1;
        let read = (&mut self.decoded).take(most).read_to_end(self.whole);
        if read.is_err() {
            return Err(self.refusal());
        }
        if self.whole.len() > self.limit {
            self.whole.clear();
            let refusal = self.too_large();
            self.decoded.raw_mut().refusal = Some(refusal.clone());
            return Err(refusal);
        }
        self.is_whole = true;
        Ok(self.whole)
    }

    fn read(&mut self, into: &mut [u8]) -> Result<usize, Refusal> {
        self.check_coding()?;
        let read = self.decoded.read(into);
        read.map_err(|_| self.refusal())
    }
}

impl Raw<'_> {
    fn fail(&mut self, status: u16, reason: &'static str, message: &str) -> io::Error {
        let refusal = self
            .refusal
            .get_or_insert_with(|| Refusal::new(status, reason, message));
        io::Error::other(refusal.message.clone())
    }

    /// Waits for more of the body.
    fn fill(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.expects_continue) {
            (&self.slot.socket).write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let for_all = self.limits.body + Duration::from_secs(self.received / LEAST_BYTES_PER_S);
        let left = for_all.saturating_sub(self.started.elapsed());
        self.slot
            .enter(Phase::Body, Some(self.limits.body.min(left)));
        let filled = self.input.fill(&self.slot.socket);
        let is_late = self.slot.is_late();
        match filled {
            _ if is_late => Err(self.fail(408, "body_timeout", "the body did not come in time")),
            Ok(count @ 1..) => {
                self.received += count as u64;
                self.slot.enter(Phase::Work, self.work);
                Ok(())
            }
            Ok(0) | Err(_) => {
                Err(self.fail(400, "body_incomplete", "the body ends before its time"))
            }
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
