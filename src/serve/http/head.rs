//! The head of a request: parsed by httparse, and held to all that keeps one reader of it from
//! understanding another request than the next (RFC 9112, sections 2, 3, 5, 6 and 11).

use crate::serve::message::{Header, Method, Refusal};

use super::Limits;

/// Most header fields that are taken apart without an allocation.
const FEW_FIELDS: usize = 64;
/// Empty lines before a request that are gone over (RFC 9112, 2.2).
const MOST_BLANK_LINES: usize = 2;

/// A request's head, taken apart and found to have one meaning.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Vetted<'r> {
    pub method: Method,
    pub path: &'r str,
    pub query: &'r str,
    pub headers: Vec<Header<'r>>,
    pub framing: Framing,
    /// HTTP/1.1; HTTP/1.0 otherwise.
    pub is_1_1: bool,
    /// Whether the connection may take another request.
    pub keeps_alive: bool,
    /// The client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
}

/// How the end of a body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
}

/// How many bytes of blank lines `bytes` starts with; `None` for more than there may be.
pub(super) fn blank_lines(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while bytes
        .get(at..)
        .is_some_and(|rest| rest.starts_with(b"\r\n"))
    {
        at += 2;
        if at > MOST_BLANK_LINES * 2 {
            return None;
        }
    }
    Some(at)
}

/// The length of the head that `bytes` starts with, once all of it is there. `looked` bytes were
/// looked at before.
///
/// # Errors
/// 431 and 414 for one that is too long, as soon as that is known; 400 for a lone line feed.
pub(super) fn length(
    bytes: &[u8],
    looked: usize,
    limits: &Limits,
) -> Result<Option<usize>, Refusal> {
    let mut from = looked;
    while let Some(found) = memchr::memchr(b'\n', bytes.get(from..).unwrap_or_default()) {
        let at = from + found;
        if at == 0 || bytes.get(at - 1) != Some(&b'\r') {
            return Err(bad("a line ends without a carriage return"));
        }
        if bytes
            .get(..at + 1)
            .is_some_and(|head| head.ends_with(b"\r\n\r\n"))
        {
            return match at + 1 > limits.head_bytes {
                true => Err(too_large(limits)),
                false => Ok(Some(at + 1)),
            };
        }
        from = at + 1;
    }
    let has_line = memchr::memchr(b'\n', bytes).is_some();
    if !has_line && bytes.len() > limits.target_bytes + 64 {
        return Err(target_too_long(limits));
    }
    match bytes.len() > limits.head_bytes {
        true => Err(too_large(limits)),
        false => Ok(None),
    }
}

/// Takes a whole head apart.
///
/// # Errors
/// What it may not be, with its status.
pub(super) fn parse<'r>(bytes: &'r [u8], limits: &Limits) -> Result<Vetted<'r>, Refusal> {
    if bytes.contains(&0) {
        return Err(bad("a NUL in the head"));
    }
    let mut few = [httparse::EMPTY_HEADER; FEW_FIELDS];
    let mut parsed = httparse::Request::new(&mut few);
    match parsed.parse(bytes) {
        Err(httparse::Error::TooManyHeaders) if limits.fields > FEW_FIELDS => {
            let mut many = vec![httparse::EMPTY_HEADER; limits.fields];
            let mut parsed = httparse::Request::new(&mut many);
            let status = parsed.parse(bytes);
            vet(status, &parsed, limits)
        }
        status => vet(status, &parsed, limits),
    }
}

fn vet<'r>(
    status: httparse::Result<usize>,
    parsed: &httparse::Request<'_, 'r>,
    limits: &Limits,
) -> Result<Vetted<'r>, Refusal> {
    match status {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(bad("the head ends in the middle")),
        Err(httparse::Error::TooManyHeaders) => return Err(too_many_fields(limits)),
        Err(httparse::Error::Version) => {
            let message = "only HTTP/1.1 and HTTP/1.0 are spoken here";
            return Err(Refusal::new(505, "http_version", message));
        }
        Err(error) => return Err(bad(&error.to_string())),
    }
    let (Some(method), Some(target), Some(version)) = (parsed.method, parsed.path, parsed.version)
    else {
        return Err(bad("the head ends in the middle"));
    };
    if parsed.headers.len() > limits.fields {
        return Err(too_many_fields(limits));
    }
    if target.len() > limits.target_bytes {
        return Err(target_too_long(limits));
    }
    let is_1_1 = version == 1;
    let headers: Vec<Header<'r>> = parsed
        .headers
        .iter()
        .map(|header| Header {
            name: header.name,
            value: header.value.trim_ascii(),
        })
        .collect();
    let fields = Fields::new(&headers)?;
    if is_1_1 && fields.hosts != 1 || fields.hosts > 1 {
        return Err(bad("expected one Host field"));
    }
    let method = method_of(method);
    let (path, query) = target_of(target, method)?;
    Ok(Vetted {
        method,
        path,
        query,
        framing: fields.framing(is_1_1)?,
        is_1_1,
        keeps_alive: match is_1_1 {
            true => !fields.closes,
            false => fields.keeps_alive && !fields.closes,
        },
        expects_continue: fields.expects_continue(is_1_1)?,
        headers,
    })
}

fn method_of(token: &str) -> Method {
    match token {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "PATCH" => Method::Patch,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        _ => Method::Other,
    }
}

/// The path and the query of a request target, which may be a whole URL (RFC 9112, 3.2.2).
fn target_of(target: &str, method: Method) -> Result<(&str, &str), Refusal> {
    if target == "*" && method == Method::Options {
        return Ok(("/", ""));
    }
    let path = match target.split_once("://") {
        Some((scheme, rest))
            if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") =>
        {
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            rest.get(end..).unwrap_or_default()
        }
        _ if target.starts_with('/') => target,
        _ => return Err(bad("the target of a request starts with /")),
    };
    let path = path.split('#').next().unwrap_or_default();
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    // An address alone means its root.
    Ok((if path.is_empty() { "/" } else { path }, query))
}

/// The fields that say how a message is framed.
#[derive(Default)]
struct Fields<'r> {
    hosts: usize,
    length: Option<&'r [u8]>,
    coding: Option<&'r [u8]>,
    expect: Option<&'r [u8]>,
    closes: bool,
    keeps_alive: bool,
}

impl<'r> Fields<'r> {
    fn new(headers: &[Header<'r>]) -> Result<Fields<'r>, Refusal> {
        let mut fields = Fields::default();
        for Header { name, value } in headers {
            let is = |other: &str| name.eq_ignore_ascii_case(other);
            match name.len() {
                4 if is("Host") => {
                    if !value.iter().all(is_of_host) {
                        return Err(bad("Host is no host"));
                    }
                    fields.hosts += 1;
                }
                6 if is("Expect") => fields.expect = Some(value),
                10 if is("Connection") => {
                    let has = |token: &str| {
                        let mut tokens = value.split(|byte| *byte == b',');
                        tokens
                            .any(|found| found.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
                    };
                    fields.closes |= has("close");
                    fields.keeps_alive |= has("keep-alive");
                }
                14 if is("Content-Length") => once(&mut fields.length, name, value)?,
                17 if is("Transfer-Encoding") => once(&mut fields.coding, name, value)?,
                _ => {}
            }
        }
        Ok(fields)
    }

    fn framing(&self, is_1_1: bool) -> Result<Framing, Refusal> {
        match (self.coding, self.length) {
            (Some(_), Some(_)) => Err(bad("both Transfer-Encoding and Content-Length")),
            (Some(_), None) if !is_1_1 => Err(bad("Transfer-Encoding in HTTP/1.0")),
            (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
            (Some(_), None) => Err(Refusal::new(
                501,
                "transfer_encoding",
                "of transfer codings only chunked is known",
            )),
            (None, None) => Ok(Framing::Length(0)),
            (None, Some(digits)) => {
                let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
                let text = std::str::from_utf8(digits).unwrap_or_default();
                match (is_number, text.parse()) {
                    (true, Ok(length)) => Ok(Framing::Length(length)),
                    // A number, but one that no machine has memory for.
                    (true, Err(_)) => Ok(Framing::Length(u64::MAX)),
                    (false, _) => Err(bad("Content-Length is no number")),
                }
            }
        }
    }

    fn expects_continue(&self, is_1_1: bool) -> Result<bool, Refusal> {
        match self.expect {
            None => Ok(false),
            Some(value) if value.eq_ignore_ascii_case(b"100-continue") => Ok(is_1_1),
            Some(_) => Err(Refusal::new(
                417,
                "expectation",
                "of expectations only 100-continue is known",
            )),
        }
    }
}

/// Whether a byte may stand in a host with its port (RFC 3986, 3.2.2).
fn is_of_host(byte: &u8) -> bool {
    matches!(
        byte,
        b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'.' | b'_' | b'~' | b'%' | b'!' | b'$'
            | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'[' | b']'
    )
}

/// Sets a field that may stand once.
fn once<'r>(field: &mut Option<&'r [u8]>, name: &str, value: &'r [u8]) -> Result<(), Refusal> {
    match field.replace(value) {
        None => Ok(()),
        Some(_) => Err(bad(&format!("{name} stands twice"))),
    }
}

fn bad(message: &str) -> Refusal {
    Refusal::new(
        400,
        "bad_request",
        format!("not a valid HTTP request: {message}"),
    )
}

fn too_large(limits: &Limits) -> Refusal {
    let message = format!(
        "the head of the request is longer than {} bytes",
        limits.head_bytes
    );
    Refusal::new(431, "head_too_large", message)
}

fn too_many_fields(limits: &Limits) -> Refusal {
    let message = format!("the request has more than {} header fields", limits.fields);
    Refusal::new(431, "too_many_fields", message)
}

fn target_too_long(limits: &Limits) -> Refusal {
    let message = format!("the path is longer than {} bytes", limits.target_bytes);
    Refusal::new(414, "url_too_long", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(text: &str) -> u16 {
        let limits = Limits::default();
        let bytes = text.as_bytes();
        let parsed = length(bytes, 0, &limits).and_then(|length| match length {
            Some(length) => parse(&bytes[..length], &limits).map(|_| 200),
            None => Ok(100),
        });
        parsed.unwrap_or_else(|refusal| refusal.status)
    }

    #[test]
    fn only_heads_with_one_meaning_pass() {
        for (text, expected) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 200),
            ("GET / HTTP/1.0\r\n\r\n", 200),
            ("GET http://a/x?y HTTP/1.1\r\nHost: a\r\n\r\n", 200),
            ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 200),
            ("GET / HTTP/1.1\r\nHost: a\r\n", 100),
            ("GET / HTTP/1.1\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 200),
            ("GET / HTTP/1.1\r\nHost:\r\n\r\n", 200),
            ("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nnone\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nX\ty: b\r\n\r\n", 400),
            ("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
            ("GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400),
            ("GET / HTTP/01.1\r\nHost: a\r\n\r\n", 505),
            ("GET / http/1.1\r\nHost: a\r\n\r\n", 505),
            ("G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
            ("GET /\r\n\r\n", 400),
            ("GET / HTTP/1.1\nHost: a\n\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400),
            ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ] {
            assert_eq!(status(text), expected, "{text:?}");
        }
    }

    #[test]
    fn only_bodies_with_one_end_pass() {
        for (text, expected) in [
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
                400,
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n",
                400,
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n",
                400,
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
                400,
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n",
                400,
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n",
                400,
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
                400,
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
                400,
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
                501,
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
                501,
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n",
                200,
            ),
            ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
                200,
            ),
            ("POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n", 417),
        ] {
            assert_eq!(status(text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_too_long_is_refused_before_it_ends() {
        let long = |count: usize| "a".repeat(count);
        assert_eq!(
            status(&format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", long(9000))),
            414
        );
        assert_eq!(status(&format!("GET /{}", long(9000))), 414);
        assert_eq!(
            status(&format!("GET / HTTP/1.1\r\nX: {}", long(20_000))),
            431
        );
        let fields = |count: usize| "X: y\r\n".repeat(count);
        assert_eq!(
            status(&format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", fields(99))),
            200
        );
        assert_eq!(
            status(&format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", fields(100))),
            431
        );
        assert_eq!(
            status(&format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", fields(10))),
            200
        );
    }

    #[test]
    fn lengths_beyond_all_memory_are_lengths() {
        for (text, length) in [
            ("4611686018427387904", 4_611_686_018_427_387_904),
            ("18446744073709551615", u64::MAX),
            ("99999999999999999999999999", u64::MAX),
        ] {
            let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {text}\r\n\r\n");
            let parsed = parse(head.as_bytes(), &Limits::default()).expect("a head");
            assert_eq!(parsed.framing, Framing::Length(length));
        }
    }

    #[test]
    fn targets_are_taken_apart() {
        for (target, path, query) in [
            ("/a/b?c=d", "/a/b", "c=d"),
            ("/a", "/a", ""),
            ("/a?", "/a", ""),
            ("/a?b#c", "/a", "b"),
            ("http://host:80/a?b", "/a", "b"),
            ("http://host", "/", ""),
            ("HTTP://host?a=/b", "/", "a=/b"),
            ("https://host#/b", "/", ""),
            ("//host/a", "//host/a", ""),
        ] {
            let found = target_of(target, Method::Get).expect("a target");
            assert_eq!(found, (path, query), "{target}");
        }
    }
}
