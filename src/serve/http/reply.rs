//! Replies as bytes: the head printed by tiny_http, the body behind it, all in one piece.

use std::borrow::Cow;
use std::io::{self, Write};

use tiny_http::{HTTPVersion, Header, Response, StatusCode};

use crate::serve::message::{Asked, Content, Refusal, Reply, Service};

use super::budget::SMALL;
use super::coding::Coding;

/// What stands in the Server field.
const SERVER: &str = concat!("mlserve/", env!("CARGO_PKG_VERSION"));
/// Bytes of a chunk, unless the stream says that something should go out now.
const CHUNK_BYTES: usize = 16 << 10;

/// What a reply's head depends on besides the reply.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    pub is_1_1: bool,
    /// Whether the connection is kept.
    pub keeps: bool,
    /// `HEAD`: the head of the reply alone.
    pub is_head: bool,
    /// The coding that the client accepts.
    pub coding: Option<Coding>,
    /// Bodies of this size on are compressed.
    pub compress_from: usize,
}

/// Appends a whole reply to `out`; for a stream its head alone. A large body is not copied but
/// returned, to be written behind it.
pub(super) fn print<'r>(out: &mut Vec<u8>, reply: &'r Reply<'_>, manner: &Manner) -> Cow<'r, [u8]> {
    let Content::Whole(bytes) = &reply.content else {
        print_head(out, reply, None, (manner, None));
        return Cow::Borrowed(&[]);
    };
    let is_packed = manner
        .coding
        .filter(|_| bytes.len() >= manner.compress_from && is_compressible(reply));
    let packed = is_packed.and_then(|coding| Some((coding, coding.encode(bytes).ok()?)));
    let (coding, body) = match packed {
        Some((coding, packed)) => (Some(coding), Cow::Owned(packed)),
        None => (None, Cow::Borrowed(bytes.as_ref())),
    };
    print_head(out, reply, Some(body.len()), (manner, coding));
    match body.len() {
        _ if manner.is_head => Cow::Borrowed(&[]),
        ..=SMALL => {
            out.extend_from_slice(&body);
            Cow::Borrowed(&[])
        }
        _ => body,
    }
}

/// The reply in the service's words to what it does not answer itself, after which the connection is
/// closed; `asked` is `None` for what never became a request.
pub(super) fn refusal<S: Service>(
    service: &S,
    refusal: &Refusal,
    asked: Option<&Asked<'_>>,
) -> Vec<u8> {
    let manner = Manner {
        is_1_1: true,
        keeps: false,
        is_head: false,
        coding: None,
        compress_from: usize::MAX,
    };
    let reply = refused(service, refusal, asked);
    let mut out = Vec::new();
    let rest = print(&mut out, &reply, &manner);
    out.extend_from_slice(&rest);
    out
}

/// The service's words for a refusal, with the time to wait, which it may have told itself.
pub(super) fn refused<'s, S: Service>(
    service: &'s S,
    refusal: &Refusal,
    asked: Option<&Asked<'_>>,
) -> Reply<'s> {
    let reply = service.refuse(refusal, asked);
    let is_told = reply
        .headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("Retry-After"));
    match refusal.retry_after_s {
        Some(seconds) if !is_told => reply.with("Retry-After", seconds.to_string()),
        _ => reply,
    }
}

fn print_head(
    out: &mut Vec<u8>,
    reply: &Reply<'_>,
    length: Option<usize>,
    (manner, coding): (&Manner, Option<Coding>),
) {
    let mut headers = Vec::with_capacity(reply.headers.len() + 3);
    let mut add = |name: &str, value: &str| {
        // What no header field can hold is left out rather than let through: a line end in it would
        // start another field. The length is not the service's to say.
        let is_fine = |byte: u8| byte == b'\t' || (0x20..0x7f).contains(&byte);
        if value.bytes().all(is_fine) && !name.eq_ignore_ascii_case("Content-Length") {
            headers.extend(Header::from_bytes(name, value).ok());
        }
    };
    add("Server", SERVER);
    for (name, value) in &reply.headers {
        add(name, value);
    }
    if let Some(coding) = coding {
        add("Content-Encoding", coding.token());
    }
    if coding.is_some() || reply.bytes() >= Some(manner.compress_from) && is_compressible(reply) {
        add("Vary", "Accept-Encoding");
    }
    let version = HTTPVersion(1, u8::from(manner.is_1_1));
    let start = out.len();
    // Printing into memory cannot fail.
    let _ = Response::new(StatusCode(reply.status), headers, io::empty(), length, None)
        .with_chunked_threshold(usize::MAX)
        .raw_print(&mut *out, version, &[], true, None);
    // A stream over HTTP/1.0 ends with its connection; a reply without content has no length.
    if length.is_none() && !manner.is_1_1 || matches!(reply.status, 204 | 304) {
        remove(out, start, b"Content-Length: 0\r\n");
    }
    let connection: &[u8] = match (manner.keeps, manner.is_1_1) {
        (false, _) => b"Connection: close\r\n\r\n",
        (true, false) => b"Connection: keep-alive\r\n\r\n",
        (true, true) => return,
    };
    // It says nothing of connections itself; the empty line at its end gives way.
    out.truncate(out.len().saturating_sub(2));
    out.extend_from_slice(connection);
}

fn remove(out: &mut Vec<u8>, start: usize, field: &[u8]) {
    let head = out.get(start..).unwrap_or_default();
    if let Some(at) = memchr::memmem::find(head, field) {
        out.drain(start + at..start + at + field.len());
    }
}

/// Whether a reply is worth compressing: text of any kind, and tensors.
fn is_compressible(reply: &Reply<'_>) -> bool {
    let value = |wanted: &str| {
        let mut headers = reply.headers.iter();
        headers
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value)
    };
    let is_text = value("Content-Type").is_some_and(|value| {
        let kinds = ["text/", "application/", "image/svg"];
        kinds.iter().any(|kind| value.starts_with(kind))
    });
    is_text && value("Content-Encoding").is_none()
}

/// Writes a stream's pieces as chunks (RFC 9112, 7.1), or as they are to a client of HTTP/1.0.
pub(super) struct Chunks<W> {
    to: W,
    buffer: Vec<u8>,
    is_chunked: bool,
}

impl<W: Write> Chunks<W> {
    pub(super) fn new(to: W, is_chunked: bool) -> Chunks<W> {
        Chunks {
            to,
            buffer: Vec::with_capacity(CHUNK_BYTES + 16),
            is_chunked,
        }
    }

    /// Says that the stream is whole.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        match self.is_chunked {
            true => self.to.write_all(b"0\r\n\r\n"),
            false => Ok(()),
        }
    }
}

impl<W: Write> Write for Chunks<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        if self.is_chunked {
            let mut chunk = format!("{:x}\r\n", self.buffer.len()).into_bytes();
            chunk.append(&mut self.buffer);
            chunk.extend_from_slice(b"\r\n");
            self.buffer = chunk;
        }
        let written = self.to.write_all(&self.buffer);
        // Also where it is told that it was the last.
        self.buffer.clear();
        written
    }
}
