//! What browsers are told: which pages of other origins may ask (`--cors`), and how ours may be shown.
//!
//! Off by default: then a page of another origin can read nothing here.

use crate::error::{Error, Result};

use super::message::{Head, Method, Reply};

/// Header fields that pages may send where their browser does not ask for certain ones.
const FIELDS: &str = "Authorization, Content-Type, X-API-Key, X-Request-Id, traceparent";
/// Header fields of an answer that pages may read.
const EXPOSED: &str = "X-Request-Id, Inference-Header-Content-Length, Retry-After";
const METHODS: &str = "GET, HEAD, POST, OPTIONS";
/// How long a browser may keep the answer to a preflight: Chromium keeps none longer than two hours.
const MOST_AGE_S: &str = "7200";
/// The longest list of header fields that is given back.
const LONGEST: usize = 1024;

/// The origins whose pages may ask.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Cors {
    origins: Vec<String>,
    is_any: bool,
}

impl Cors {
    /// Reads origins such as `https://example.org:8443`, or `*` for all.
    ///
    /// # Errors
    /// [`Error::Usage`] for what no browser would send as an origin.
    pub fn new(typed: &[String]) -> Result<Cors> {
        let mut cors = Cors::default();
        for origin in typed {
            match origin.as_str() {
                "*" => cors.is_any = true,
                origin if is_origin(origin) => cors.origins.push(origin.to_ascii_lowercase()),
                origin => {
                    return Err(
                        Error::usage(format!("--cors {origin}: that is no origin")).hint(
                            "an origin is *, or such as https://example.org:8443 without a path",
                        ),
                    );
                }
            }
        }
        Ok(cors)
    }

    /// The answer to a browser that asks whether a page may ask; `None` for any other request.
    pub fn preflight(&self, head: &Head<'_>) -> Option<Reply<'static>> {
        let is_preflight = head.method == Method::Options
            && head.header("access-control-request-method").is_some();
        if !is_preflight || self.allowed(head).is_none() {
            return None;
        }
        let asked = head.header("access-control-request-headers");
        let fields = asked.filter(|fields| is_field_list(fields));
        let reply = Reply::empty(204)
            .with("Access-Control-Allow-Methods", METHODS)
            .with(
                "Access-Control-Allow-Headers",
                fields.unwrap_or(FIELDS).to_owned(),
            )
            .with("Access-Control-Max-Age", MOST_AGE_S);
        Some(reply)
    }

    /// Adds what lets the page that asked read the answer, if it may.
    pub fn allow<'s>(&self, head: &Head<'_>, reply: Reply<'s>) -> Reply<'s> {
        if !self.is_any && self.origins.is_empty() {
            return reply;
        }
        let reply = match self.is_any {
            true => reply,
            // A cache must not give one origin's answer to another.
            false => reply.with("Vary", "Origin"),
        };
        match self.allowed(head) {
            None => reply,
            Some(origin) => reply
                .with("Access-Control-Allow-Origin", origin.to_owned())
                .with("Access-Control-Expose-Headers", EXPOSED),
        }
    }

    /// The origin as the answer has it.
    fn allowed<'c>(&'c self, head: &Head<'_>) -> Option<&'c str> {
        let origin = head.header("origin")?;
        if self.is_any {
            return Some("*");
        }
        let mut origins = self.origins.iter().map(String::as_str);
        origins.find(|allowed| allowed.eq_ignore_ascii_case(origin))
    }
}

/// `SCHEME://HOST[:PORT]`.
fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else {
        return false;
    };
    let is_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let is_host =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':' | '[' | ']');
    let is_filled = !scheme.is_empty() && !host.is_empty();
    is_filled && scheme.chars().all(is_scheme) && host.chars().all(is_host)
}

/// Whether `text` can be given back as a list of header fields: tokens, commas and blanks.
fn is_field_list(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.!#$%&'*+^`|~, ".contains(c);
    !text.is_empty() && text.len() <= LONGEST && text.chars().all(is_plain)
}

/// What a page of ours may do: nothing from elsewhere, no frame around it, styles and scripts of its own.
pub const PAGE_POLICY: &str = "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' \
    'unsafe-inline'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Adds what every HTML page should say; `policy` is its `Content-Security-Policy`, such as
/// [`PAGE_POLICY`]. (`X-Content-Type-Options` is on all answers.)
#[must_use]
pub fn page<'s>(reply: Reply<'s>, policy: &'static str) -> Reply<'s> {
    reply
        .with("Content-Security-Policy", policy)
        .with("X-Frame-Options", "DENY")
        .with("Referrer-Policy", "no-referrer")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::message::Header;

    type Fields = Vec<(&'static str, String)>;

    /// The fields of the answer to a preflight, or to `GET`.
    fn answered(typed: &[&str], method: Method, headers: &[(&str, &str)]) -> (u16, Fields) {
        let typed: Vec<String> = typed.iter().map(|origin| (*origin).to_owned()).collect();
        let cors = Cors::new(&typed).expect("origins");
        let headers: Vec<Header<'_>> = headers
            .iter()
            .map(|(name, value)| Header {
                name,
                value: value.as_bytes(),
            })
            .collect();
        let head = Head {
            method,
            path: "/predict",
            query: "",
            headers: &headers,
        };
        let reply = cors.preflight(&head).unwrap_or_else(|| Reply::empty(200));
        let reply = cors.allow(&head, reply);
        let fields = reply.headers.into_iter();
        let fields = fields.map(|(name, value)| (name, value.into_owned()));
        (reply.status, fields.collect())
    }

    fn fields(fields: &[(&'static str, &str)]) -> Fields {
        let owned = |(name, value): &(&'static str, &str)| (*name, (*value).to_owned());
        fields.iter().map(owned).collect()
    }

    #[test]
    fn pages_of_named_origins_may_ask_and_read() {
        let origin = ("Origin", "https://a.example");
        let vary = ("Vary", "Origin");
        let expose = ("Access-Control-Expose-Headers", EXPOSED);
        let listed = ["https://a.example", "http://b.example:3000"];
        for (typed, asked, told) in [
            (&[][..], origin, vec![]),
            (
                &["*"],
                origin,
                vec![("Access-Control-Allow-Origin", "*"), expose],
            ),
            (&["*"], ("Accept", "x"), vec![]),
            (
                &listed,
                origin,
                vec![
                    vary,
                    ("Access-Control-Allow-Origin", "https://a.example"),
                    expose,
                ],
            ),
            (&listed, ("Origin", "https://c.example"), vec![vary]),
            (&listed, ("Origin", "https://a.example.evil"), vec![vary]),
            (&listed, ("Origin", "null"), vec![vary]),
        ] {
            let found = answered(typed, Method::Get, &[asked]);
            assert_eq!(found, (200, fields(&told)), "{typed:?} {asked:?}");
        }
    }

    #[test]
    fn a_preflight_is_answered_for_those_origins_only() {
        let asked = [
            ("Origin", "https://a.example"),
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", "content-type,x-mine"),
        ];
        let told = fields(&[
            ("Access-Control-Allow-Methods", METHODS),
            ("Access-Control-Allow-Headers", "content-type,x-mine"),
            ("Access-Control-Max-Age", "7200"),
            ("Access-Control-Allow-Origin", "*"),
            ("Access-Control-Expose-Headers", EXPOSED),
        ]);
        assert_eq!(answered(&["*"], Method::Options, &asked), (204, told));
        let elsewhere = answered(&["https://b.example"], Method::Options, &asked);
        assert_eq!(elsewhere, (200, fields(&[("Vary", "Origin")])));
        assert_eq!(answered(&["*"], Method::Options, &[]).0, 200);
        assert_eq!(answered(&[], Method::Options, &asked).0, 200);
    }

    #[test]
    fn what_no_browser_sends_is_no_origin() {
        for (text, is_fine) in [
            ("*", true),
            ("https://example.org", true),
            ("HTTP://Example.org:8443", true),
            ("http://[::1]:3000", true),
            ("chrome-extension://abcdef", true),
            ("example.org", false),
            ("https://example.org/", false),
            ("https://", false),
            ("null", false),
            ("https://a b", false),
            ("https://a\r\nX: y", false),
        ] {
            assert_eq!(Cors::new(&[text.to_owned()]).is_ok(), is_fine, "{text}");
        }
    }

    #[test]
    fn only_field_names_are_given_back() {
        for (text, is_fine) in [
            ("content-type, x-a", true),
            ("", false),
            ("a\r\nb", false),
            ("a: b", false),
            (&"x".repeat(1025), false),
        ] {
            assert_eq!(is_field_list(text), is_fine, "{text}");
        }
    }
}
