//! By what a request is known to others: `X-Request-Id` and W3C `traceparent`.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::serve::message::Head;

/// The longest id that is taken from a request.
const LONGEST_ID: usize = 128;

/// The id of a request: what it says itself, if that is visible ASCII, else a new one.
pub fn request_id(head: &Head<'_>) -> String {
    let given = head.header("x-request-id").filter(|id| is_plain(id));
    given.map_or_else(new_id, str::to_owned)
}

fn is_plain(id: &str) -> bool {
    (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

/// An id that no other request of this process has, and hardly one of another process: a counter
/// from a random start, its bits mixed (a bijection, splitmix64's) so that no one reads it as a count.
pub fn new_id() -> String {
    static START: OnceLock<u64> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let start = *START.get_or_init(|| RandomState::new().hash_one(std::process::id()));
    let mut bits = start.wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    let mut id = String::with_capacity(16);
    for shift in (0..16).rev() {
        let digit = (bits >> (shift * 4)) as u32 & 15;
        id.push(char::from_digit(digit, 16).unwrap_or('0'));
    }
    id
}

/// The trace that a request belongs to, as 32 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceId([u8; 32]);

impl TraceId {
    /// The trace of a request's `traceparent`; `None` where there is none or it is malformed.
    pub fn of(head: &Head<'_>) -> Option<TraceId> {
        parse(head.header("traceparent")?.as_bytes())
    }

    /// Its digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// `VERSION-TRACE-PARENT-FLAGS`, as W3C Trace Context Level 1 says (section 3.2).
fn parse(text: &[u8]) -> Option<TraceId> {
    let (fixed, rest) = text.split_at_checked(55)?;
    let mut parts = fixed.split(|byte| *byte == b'-');
    let mut part = |digits: usize| {
        let part = parts.next()?;
        let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (part.len() == digits && part.iter().all(is_hex)).then_some(part)
    };
    let (version, trace, parent, _) = (part(2)?, part(32)?, part(16)?, part(2)?);
    let is_zero = |part: &[u8]| part.iter().all(|byte| *byte == b'0');
    // Versions to come may have more after another hyphen; ff is none.
    let has_its_length = match version {
        b"00" => rest.is_empty(),
        _ => rest.first().is_none_or(|byte| *byte == b'-'),
    };
    let is_valid = version != b"ff" && has_its_length && !is_zero(trace) && !is_zero(parent);
    is_valid.then(|| trace.try_into().ok().map(TraceId))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn trace_parents_are_those_of_the_standard() {
        const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
        for (text, is_valid) in [
            (
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                true,
            ),
            (
                "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                true,
            ),
            (
                "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
                true,
            ),
            (
                "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01more",
                false,
            ),
            (
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
                false,
            ),
            (
                "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                false,
            ),
            (
                "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                false,
            ),
            (
                "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
                false,
            ),
            (
                "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
                false,
            ),
            (
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
                false,
            ),
            (
                "00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01",
                false,
            ),
            ("", false),
        ] {
            let trace = parse(text.as_bytes());
            let found = trace.as_ref().map(TraceId::as_str);
            assert_eq!(found, is_valid.then_some(TRACE), "{text}");
        }
    }

    #[test]
    fn ids_are_unique_and_plain() {
        let ids: HashSet<String> = (0..10_000).map(|_| new_id()).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(ids.iter().all(|id| id.len() == 16 && is_plain(id)));
    }

    #[test]
    fn only_plain_ids_are_taken() {
        for (id, is_taken) in [
            ("abc-123", true),
            ("", false),
            ("two words", false),
            ("line\nbreak", false),
            ("größe", false),
            (&"x".repeat(128), true),
            (&"x".repeat(129), false),
        ] {
            assert_eq!(is_plain(id), is_taken, "{id}");
        }
    }
}
