//! JSON as source text: a cursor that walks over values without building them.
//!
//! Takes what RFC 8259 takes, and the bare tokens `NaN`, `Infinity` and `-Infinity`, which Python and
//! the servers of models write. Nothing here recurses: a hostile depth is an error, not a stack.

use std::borrow::Cow;
use std::fmt;

use super::cell::unescape;

/// Deepest nesting that is walked over.
pub const DEEPEST: u32 = 100;

/// Where a text stops being JSON, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Byte of the text.
    pub at: usize,
    /// Lower case: `expected a value`.
    pub message: &'static str,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not valid JSON at byte {}: {}", self.at, self.message)
    }
}

/// A place in a JSON text.
#[derive(Debug, Clone)]
pub struct Cursor<'j> {
    text: &'j str,
    at: usize,
    /// A list or an object was just entered: what comes first in it has no comma before it.
    is_fresh: bool,
}

type Walked<T> = Result<T, Broken>;

impl<'j> Cursor<'j> {
    /// The start of `text`.
    pub fn new(text: &'j str) -> Cursor<'j> {
        Cursor {
            text,
            at: 0,
            is_fresh: false,
        }
    }

    /// The first byte of what comes next, past blanks.
    #[inline]
    pub fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b' ' | b'\n' | b'\t' | b'\r' => self.at += 1,
                byte => return Some(*byte),
            }
        }
        None
    }

    /// The bytes from here on.
    #[inline]
    pub fn rest(&self) -> &'j [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// The text between an earlier place and this one.
    pub fn since(&self, earlier: &Cursor<'j>) -> &'j str {
        self.text.get(earlier.at..self.at).unwrap_or_default()
    }

    /// Goes over `length` bytes that were looked at, and that are whole values.
    #[inline]
    pub fn advance(&mut self, length: usize) {
        self.at += length;
        self.is_fresh = false;
    }

    fn broken<T>(&self, message: &'static str) -> Walked<T> {
        Err(Broken {
            at: self.at,
            message,
        })
    }

    /// Goes into the list or object that must start here with `open`.
    ///
    /// # Errors
    /// Something else stands here.
    #[inline]
    pub fn enter(&mut self, open: u8) -> Walked<()> {
        if self.peek() != Some(open) {
            return self.broken(match open {
                b'{' => "expected an object",
                _ => "expected a list",
            });
        }
        self.at += 1;
        self.is_fresh = true;
        Ok(())
    }

    /// Whether the list has another item, which then comes next; its end is gone over.
    ///
    /// # Errors
    /// Neither a comma nor the end.
    #[inline]
    pub fn next_item(&mut self) -> Walked<bool> {
        self.next_member(b']', "expected , or ] in a list")
    }

    /// The next key of an object, and the cursor at its value; `None` past the object's end.
    ///
    /// # Errors
    /// Neither a key nor the end.
    #[inline]
    pub fn next_key(&mut self) -> Walked<Option<Cow<'j, str>>> {
        let at = self.at;
        match self.next_raw_key()? {
            None => Ok(None),
            Some(raw) => unescape(raw).map(Some).map_err(|_| Broken {
                at,
                message: "half of a surrogate pair in a key",
            }),
        }
    }

    #[inline]
    fn next_raw_key(&mut self) -> Walked<Option<&'j str>> {
        if !self.next_member(b'}', "expected , or } in an object")? {
            return Ok(None);
        }
        if self.peek() != Some(b'"') {
            return self.broken("expected a key in double quotes");
        }
        let key = self.string()?;
        if self.peek() != Some(b':') {
            return self.broken("expected : after a key");
        }
        self.at += 1;
        Ok(Some(key))
    }

    #[inline]
    fn next_member(&mut self, close: u8, expected: &'static str) -> Walked<bool> {
        let is_fresh = std::mem::take(&mut self.is_fresh);
        match self.peek() {
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            Some(_) if is_fresh => Ok(true),
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(_) => self.broken(expected),
            None => self.broken("it ends in the middle"),
        }
    }

    /// Goes over the next value, and returns its source text.
    ///
    /// # Errors
    /// Something that is no value, or one nested deeper than [`DEEPEST`].
    #[inline]
    pub fn value(&mut self) -> Walked<&'j str> {
        match self.peek() {
            Some(b'{' | b'[') => self.nested(),
            _ => self.scalar(),
        }
    }

    /// # Errors
    /// Something that stands behind the text's one value.
    pub fn end(&mut self) -> Walked<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => self.broken("expected the end"),
        }
    }

    /// A list or an object. One bit for each level says which of the two it is.
    fn nested(&mut self) -> Walked<&'j str> {
        let start = self.at;
        let mut levels = 0_u128;
        let mut depth = 0;
        loop {
            match self.peek() {
                Some(open @ (b'{' | b'[')) => {
                    if depth == DEEPEST {
                        return self.broken("it is nested too deeply");
                    }
                    self.enter(open)?;
                    levels = levels << 1 | u128::from(open == b'{');
                    depth += 1;
                }
                _ => {
                    self.scalar()?;
                }
            }
            while !self.has_more(levels & 1 == 1)? {
                levels >>= 1;
                depth -= 1;
                if depth == 0 {
                    return Ok(self.text.get(start..self.at).unwrap_or_default());
                }
            }
        }
    }

    #[inline]
    fn has_more(&mut self, is_object: bool) -> Walked<bool> {
        match is_object {
            true => Ok(self.next_raw_key()?.is_some()),
            false => self.next_item(),
        }
    }

    #[inline]
    fn scalar(&mut self) -> Walked<&'j str> {
        self.is_fresh = false;
        let start = self.at;
        match self.peek() {
            Some(b'"') => return self.string(),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b'n') => self.word("null")?,
            Some(b't') => self.word("true")?,
            Some(b'f') => self.word("false")?,
            Some(b'N') => self.word("NaN")?,
            Some(b'I') => self.word("Infinity")?,
            Some(_) => return self.broken("expected a value"),
            None => return self.broken("it ends in the middle"),
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        Ok(text.trim_ascii_start())
    }

    fn word(&mut self, word: &str) -> Walked<()> {
        if !self.rest().starts_with(word.as_bytes()) {
            return self.broken("expected a value");
        }
        self.at += word.len();
        Ok(())
    }

    #[inline]
    fn number(&mut self) -> Walked<()> {
        let start = self.at;
        if self.rest().first() == Some(&b'-') {
            self.at += 1;
        }
        if self.rest().first() == Some(&b'I') {
            return self.word("Infinity");
        }
        let whole = self.digits()?;
        let first = self.at - whole;
        if whole > 1 && self.text.as_bytes().get(first) == Some(&b'0') {
            self.at = start;
            return self.broken("a number with a leading zero");
        }
        if self.rest().first() == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.rest().first() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.rest().first() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    #[inline]
    fn digits(&mut self) -> Walked<usize> {
        let digits = self.rest().iter().take_while(|byte| byte.is_ascii_digit());
        let count = digits.count();
        if count == 0 {
            return self.broken("expected a digit");
        }
        self.at += count;
        Ok(count)
    }

    /// A string with its quotes, its escapes as they are.
    #[inline]
    fn string(&mut self) -> Walked<&'j str> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        self.at += 1;
        loop {
            match bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(self.text.get(start..self.at).unwrap_or_default());
                }
                Some(b'\\') => self.escape()?,
                Some(0..=0x1f) => return self.broken("a control character in a string"),
                Some(_) => self.at += 1,
                None => return self.broken("it ends in the middle"),
            }
        }
    }

    fn escape(&mut self) -> Walked<()> {
        let rest = self.rest();
        let length = match rest.get(1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
            Some(b'u') => {
                let digits = rest.get(2..6).unwrap_or_default();
                if digits.len() < 4 || !digits.iter().all(u8::is_ascii_hexdigit) {
                    return self.broken("expected four hexadecimal digits after \\u");
                }
                6
            }
            _ => return self.broken("an escape that JSON does not have"),
        };
        self.at += length;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walked(text: &str) -> Result<&str, String> {
        let mut cursor = Cursor::new(text);
        let value = cursor.value().map_err(|broken| broken.to_string())?;
        cursor.end().map_err(|broken| broken.to_string())?;
        Ok(value)
    }

    #[test]
    fn values_are_walked_over_as_they_are_written() {
        for text in [
            "0",
            "-0.5e+10",
            "123456789012345678901234567890",
            "NaN",
            "Infinity",
            "-Infinity",
            "null",
            "true",
            "false",
            r#""a \" \\ \u00e4 größe""#,
            "[]",
            "{}",
            "[ 1 , [ ] , { } ]",
            r#"{"a": [1, {"b": null}], "c": "}"}"#,
        ] {
            assert_eq!(walked(text), Ok(text));
            let padded = format!(" \n\t{text}\r ");
            assert_eq!(walked(&padded), Ok(text));
        }
    }

    /// Python's json module takes and refuses the same texts.
    #[test]
    fn what_is_no_json_is_refused_with_its_place() {
        for (text, message) in [
            ("", "byte 0: it ends in the middle"),
            ("[1", "byte 2: it ends in the middle"),
            ("[1,", "byte 3: it ends in the middle"),
            ("[1,]", "byte 3: expected a value"),
            ("[,1]", "byte 1: expected a value"),
            ("[1 2]", "byte 3: expected , or ] in a list"),
            ("{\"a\" 1}", "byte 5: expected : after a key"),
            ("{\"a\":}", "byte 5: expected a value"),
            ("{\"a\":1,}", "byte 7: expected a key in double quotes"),
            ("{a:1}", "byte 1: expected a key in double quotes"),
            ("{\"a\":1 \"b\":2}", "byte 7: expected , or } in an object"),
            ("01", "byte 0: a number with a leading zero"),
            ("-", "byte 1: expected a digit"),
            ("1.", "byte 2: expected a digit"),
            (".5", "byte 0: expected a value"),
            ("1e", "byte 2: expected a digit"),
            ("+1", "byte 0: expected a value"),
            ("nul", "byte 0: expected a value"),
            ("nan", "byte 0: expected a value"),
            ("\"abc", "byte 4: it ends in the middle"),
            ("\"a\nb\"", "byte 2: a control character in a string"),
            (r#""\x""#, "byte 1: an escape that JSON does not have"),
            (
                r#""\u12g4""#,
                "byte 1: expected four hexadecimal digits after \\u",
            ),
            ("1 2", "byte 2: expected the end"),
            ("'a'", "byte 0: expected a value"),
        ] {
            assert_eq!(
                walked(text),
                Err(format!("not valid JSON at {message}")),
                "{text}"
            );
        }
    }

    #[test]
    fn depth_is_bounded_and_takes_no_stack() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(walked(&nested(100)).is_ok());
        let message = "not valid JSON at byte 100: it is nested too deeply";
        assert_eq!(walked(&nested(101)), Err(message.to_owned()));
        assert_eq!(walked(&"[".repeat(1_000_000)), Err(message.to_owned()));
        let objects = "{\"a\":".repeat(1000);
        assert!(walked(&objects).is_err());
    }

    #[test]
    fn lists_and_objects_are_gone_through_member_by_member() {
        let mut cursor = Cursor::new(r#"{"a": [1, "x"], "\u0062": {}, "c": []}"#);
        cursor.enter(b'{').expect("an object");
        let mut seen = Vec::new();
        while let Some(key) = cursor.next_key().expect("a key") {
            if cursor.peek() == Some(b'[') {
                cursor.enter(b'[').expect("a list");
                while cursor.next_item().expect("an item") {
                    seen.push(format!("{key}:{}", cursor.value().expect("a value")));
                }
            } else {
                seen.push(format!("{key}={}", cursor.value().expect("a value")));
            }
        }
        cursor.end().expect("the end");
        assert_eq!(seen, ["a:1", "a:\"x\"", "b={}"]);
    }
}
