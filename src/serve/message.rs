//! What a handler sees of HTTP: a request without its socket, a reply before its bytes.
//!
//! The socket side is `http`; whoever answers knows only this file, and is tested without a socket.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

/// A request's method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
    /// Any other token, which no route takes.
    Other,
}

impl Method {
    /// Its token; `?` for one that no route takes.
    pub fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
            Method::Options => "OPTIONS",
            Method::Other => "?",
        }
    }
}

/// One header field as it was sent; the name in any case, the value without blanks around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'r> {
    pub name: &'r str,
    pub value: &'r [u8],
}

/// The head of a request, vetted by whoever read it.
#[derive(Debug, Clone, Copy)]
pub struct Head<'r> {
    pub method: Method,
    /// The path, still percent-encoded, without the query; it starts with `/`.
    pub path: &'r str,
    /// What follows the `?`, still percent-encoded; empty where there is none.
    pub query: &'r str,
    pub headers: &'r [Header<'r>],
}

impl<'r> Head<'r> {
    /// The value of the first field `name` (in any case) that is text.
    pub fn header(&self, name: &str) -> Option<&'r str> {
        let mut fields = self.headers.iter();
        let field = fields.find(|field| field.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(field.value).ok()
    }
}

/// What is known of a request that is refused by whoever has the sockets.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'r> {
    pub method: Method,
    /// Its path, or the beginning of a long one, still percent-encoded.
    pub path: &'r str,
    /// How long it has waited.
    pub waited: Duration,
}

/// Why a request cannot be taken as it is, in a shape that every dialect can say its own way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    /// A stable word for metrics and logs: `body_too_large`.
    pub reason: &'static str,
    /// For the client: lower case, no full stop, no path of this machine.
    pub message: String,
    /// Seconds after which trying again makes sense (`Retry-After`).
    pub retry_after_s: Option<u32>,
}

impl Refusal {
    /// A refusal that no retry would change.
    pub fn new(status: u16, reason: &'static str, message: impl Into<String>) -> Refusal {
        Refusal {
            status,
            reason,
            message: message.into(),
            retry_after_s: None,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The body of a request, decoded from its transfer coding and its content coding, and not read
/// before somebody asks for it.
pub trait Body {
    /// All of the body.
    ///
    /// # Errors
    /// 413 beyond the limit, 408 where it stops coming, 400 and 415 for broken or unknown codings.
    fn whole(&mut self) -> Result<&[u8], Refusal>;

    /// Some of what comes next, without a limit on how much there is in all; 0 at the end.
    ///
    /// # Errors
    /// As [`Body::whole`], but for 413.
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Refusal>;

    /// Whether the client has its answer already, by [`Service::refuse`]: this one took too long.
    fn is_answered(&self) -> bool {
        false
    }
}

/// A body that is in memory, such as a test's.
impl Body for io::Cursor<Vec<u8>> {
    fn whole(&mut self) -> Result<&[u8], Refusal> {
        Ok(self.get_ref())
    }

    fn read(&mut self, into: &mut [u8]) -> Result<usize, Refusal> {
        io::Read::read(self, into).map_err(|error| Refusal::new(400, "io", error.to_string()))
    }
}

/// What writes a reply while the request's body may still be coming.
pub type Stream<'s> = Box<dyn FnOnce(&mut dyn Body, &mut dyn Write) -> io::Result<()> + 's>;

/// The body of a reply.
pub enum Content<'s> {
    Whole(Cow<'static, [u8]>),
    /// Written piece by piece, each at once.
    Stream(Stream<'s>),
}

/// A reply before its bytes.
pub struct Reply<'s> {
    pub status: u16,
    /// Fields besides those that the socket side knows (length, date, connection, coding).
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    pub content: Content<'s>,
}

impl<'s> Reply<'s> {
    /// A reply in memory.
    pub fn new(
        status: u16,
        content_type: &'static str,
        bytes: impl Into<Cow<'static, [u8]>>,
    ) -> Reply<'s> {
        Reply {
            status,
            headers: vec![("Content-Type", Cow::Borrowed(content_type))],
            content: Content::Whole(bytes.into()),
        }
    }

    /// A reply in JSON.
    pub fn json(status: u16, bytes: impl Into<Cow<'static, [u8]>>) -> Reply<'s> {
        Reply::new(status, "application/json", bytes)
    }

    /// A reply without a body.
    pub fn empty(status: u16) -> Reply<'s> {
        Reply {
            status,
            headers: Vec::new(),
            content: Content::Whole(Cow::Borrowed(&[])),
        }
    }

    /// Adds a field.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Reply<'s> {
        self.headers.push((name, value.into()));
        self
    }

    /// Bytes of the body, where they are known.
    pub fn bytes(&self) -> Option<usize> {
        match &self.content {
            Content::Whole(bytes) => Some(bytes.len()),
            Content::Stream(_) => None,
        }
    }
}

/// Who answers requests; called from many threads at once.
pub trait Service: Sync {
    /// Answers one request. It must not panic; whoever calls it closes the connection if it does.
    fn answer<'s>(&'s self, head: &Head<'_>, body: &mut dyn Body) -> Reply<'s>;

    /// The reply to what is not asked of [`Service::answer`], or takes too long there, which is also
    /// counted; `asked` is `None` for what never became a request (a head too long, too many
    /// connections).
    fn refuse<'s>(&'s self, refusal: &Refusal, asked: Option<&Asked<'_>>) -> Reply<'s>;

    /// Whether this path is answered however many requests are worked on: it tells whether the server
    /// is well, and costs nothing.
    fn is_vital(&self, path: &str) -> bool;
}
