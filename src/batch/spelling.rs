//! How plain records are spelled: what stands between their values, and where a value ends.

use super::cell::Cell;

/// The spelling of records that are all alike.
#[derive(Debug, PartialEq, Eq)]
pub enum Spelling {
    /// Fields with this byte between them and a line end after them. There is no quote and no lone
    /// carriage return in the text.
    Fields(u8),
    /// JSON objects with the same keys in the same order: the literal text before each value, and
    /// the one after the last.
    Members {
        before: Vec<Vec<u8>>,
        after: Vec<u8>,
        /// Whether a line ends after the object; else whoever reads goes on there.
        ends_line: bool,
    },
}

impl Spelling {
    /// The bytes before value `position`, where they are what they have to be.
    #[inline]
    pub(super) fn before(&self, text: &[u8], position: usize) -> Option<usize> {
        match self {
            Spelling::Fields(delimiter) => before_field(text, *delimiter, position),
            Spelling::Members { before, .. } => before_member(text, before, position),
        }
    }

    /// The cell that `text` starts with, and its bytes.
    #[inline]
    pub(super) fn cell<'t>(&self, text: &'t [u8]) -> Option<(Cell<'t>, usize)> {
        match self {
            Spelling::Fields(delimiter) => {
                let length = field(text, *delimiter);
                Some((Cell::Text(text.get(..length)?), length))
            }
            Spelling::Members { .. } => {
                let length = token(text)?;
                let value = std::str::from_utf8(text.get(..length)?).ok()?;
                Some((Cell::Json(value), length))
            }
        }
    }

    /// The length of the record without its line end, where it ends at `at`, after its last value.
    #[inline]
    pub(super) fn end(&self, text: &[u8], at: usize) -> Option<usize> {
        let at = match self {
            Spelling::Fields(_) => at,
            Spelling::Members {
                after, ends_line, ..
            } => {
                let end = text
                    .get(at..)?
                    .starts_with(after)
                    .then_some(at + after.len())?;
                if !ends_line {
                    return Some(end);
                }
                end
            }
        };
        match text.get(at..)? {
            [] | [b'\n', ..] | [b'\r', b'\n', ..] => Some(at),
            _ => None,
        }
    }
}

/// A delimiter, but before the first field.
#[inline]
pub(super) fn before_field(text: &[u8], delimiter: u8, position: usize) -> Option<usize> {
    match text.first() {
        _ if position == 0 => Some(0),
        Some(byte) if *byte == delimiter => Some(1),
        _ => None,
    }
}

/// The literal before a member's value.
#[inline]
pub(super) fn before_member(text: &[u8], before: &[Vec<u8>], position: usize) -> Option<usize> {
    let literal = before.get(position)?;
    text.starts_with(literal).then_some(literal.len())
}

/// The length of the field that `text` starts with.
#[inline]
pub(super) fn field(text: &[u8], delimiter: u8) -> usize {
    let length = memchr::memchr2(delimiter, b'\n', text).unwrap_or(text.len());
    match text.get(length.wrapping_sub(1)..length + 1) {
        Some(b"\r\n") => length - 1,
        _ => length,
    }
}

/// The length of the plain JSON value that `text` starts with: a string without escapes, a number, or
/// a word. `None` for everything else.
#[inline]
pub(super) fn token(text: &[u8]) -> Option<usize> {
    match text.first()? {
        b'"' => {
            let inside = text.get(1..)?;
            let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
            let length = inside.iter().position(special)?;
            (inside.get(length) == Some(&b'"')).then_some(length + 2)
        }
        b'n' => text.starts_with(b"null").then_some(4),
        b't' => text.starts_with(b"true").then_some(4),
        b'f' => text.starts_with(b"false").then_some(5),
        _ => super::number::scan(text).map(|(_, length)| length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_json_values_end_where_json_says() {
        for (text, length) in [
            (r#""abc","#, Some(5)),
            (r#""","#, Some(2)),
            ("\"größe\"}", Some(9)),
            (r#""a\"b""#, None),
            ("\"a\tb\"", None),
            ("\"open", None),
            ("null,", Some(4)),
            ("nul,", None),
            ("true}", Some(4)),
            ("false}", Some(5)),
            ("-1.5e3,", Some(6)),
            ("01,", None),
            ("[1]", None),
            ("{}", None),
            ("NaN", None),
            ("", None),
        ] {
            assert_eq!(token(text.as_bytes()), length, "{text}");
        }
    }

    #[test]
    fn a_field_ends_at_a_delimiter_or_a_line_end() {
        for (text, length) in [
            (&b"abc,d"[..], 3),
            (b"abc\nd", 3),
            (b"abc\r\nd", 3),
            (b"abc", 3),
            (b"", 0),
            (b"\n", 0),
            (b"\r\n", 0),
            (b",", 0),
        ] {
            assert_eq!(field(text, b','), length, "{text:?}");
        }
    }
}
