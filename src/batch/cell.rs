//! One cell of a record: where it came from, what counts as missing, and why it may be refused.

use std::borrow::Cow;
use std::fmt;

use crate::model::dtype::Dtype;

use super::element::Element;

/// One value of a record, as its source wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell<'a> {
    /// A CSV or TSV field, unquoted.
    Text(&'a [u8]),
    /// A JSON value, as its source text.
    Json(&'a str),
    /// The record has no such key.
    Absent,
}

/// Which cells count as missing, and how strict JSON is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CellRules {
    /// Texts that mean a missing value in numeric inputs, besides the empty one (`--missing`).
    pub missing: Vec<String>,
    /// Apply `missing` to string inputs too; off by default, for "NA" is Namibia.
    pub missing_in_strings: bool,
    /// Accept numbers in quotes in JSON (`--lenient`).
    pub lenient: bool,
}

/// Why a cell cannot become an element of the input's dtype.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    NotANumber,
    NotAnInteger,
    NotABool,
    NotText,
    OutOfRange,
    Missing,
    QuotedNumber,
    NotUtf8,
    HasNul,
    /// Half of a surrogate pair, which JSON can write and no text can hold.
    HalfCharacter,
    NotAList,
    WrongShape,
}

impl Reason {
    /// What is wrong, after "it is" or "found ..., which is".
    pub fn words(self) -> &'static str {
        match self {
            Reason::NotANumber => "not a number",
            Reason::NotAnInteger => "not an integer",
            Reason::NotABool => "not true or false",
            Reason::NotText => "not text",
            Reason::OutOfRange => "out of range",
            Reason::Missing => "missing",
            Reason::QuotedNumber => "a number in quotes",
            Reason::NotUtf8 => "not UTF-8",
            Reason::HasNul => "text with a NUL character",
            Reason::HalfCharacter => "half of a surrogate pair",
            Reason::NotAList => "not nested lists",
            Reason::WrongShape => "of another shape",
        }
    }

    /// A stable code for machines: rejects files and HTTP errors.
    pub fn code(self) -> &'static str {
        match self {
            Reason::NotANumber => "not_a_number",
            Reason::NotAnInteger => "not_an_integer",
            Reason::NotABool => "not_a_bool",
            Reason::NotText => "not_text",
            Reason::OutOfRange => "out_of_range",
            Reason::Missing => "missing",
            Reason::QuotedNumber => "quoted_number",
            Reason::NotUtf8 => "not_utf8",
            Reason::HasNul => "has_nul",
            Reason::HalfCharacter => "half_character",
            Reason::NotAList => "not_a_list",
            Reason::WrongShape => "wrong_shape",
        }
    }
}

/// Reads a cell; `None` where it counts as missing.
///
/// # Errors
/// The reason, when the cell is there but has no exact value of type `T`.
#[inline]
pub fn read<T: Element>(cell: Cell<'_>, rules: &CellRules) -> Result<Option<T>, Reason> {
    match (cell, T::DTYPE) {
        (Cell::Absent, _) => Ok(None),
        (Cell::Text(text), Dtype::String) => read_string(text, rules),
        (Cell::Text(text), _) => read_number(text, rules),
        (Cell::Json(raw), _) => read_json(raw, rules),
    }
}

#[inline]
fn read_number<T: Element>(text: &[u8], rules: &CellRules) -> Result<Option<T>, Reason> {
    let text = text.trim_ascii();
    if text.is_empty() || is_listed(text, &rules.missing) {
        return Ok(None);
    }
    T::from_text(text).map(Some)
}

fn read_string<T: Element>(text: &[u8], rules: &CellRules) -> Result<Option<T>, Reason> {
    if rules.missing_in_strings && is_listed(text, &rules.missing) {
        return Ok(None);
    }
    T::from_text(text).map(Some)
}

pub(super) fn is_listed(text: &[u8], list: &[String]) -> bool {
    list.iter().any(|missing| missing.as_bytes() == text)
}

fn read_json<T: Element>(raw: &str, rules: &CellRules) -> Result<Option<T>, Reason> {
    match (raw.as_bytes().first(), T::DTYPE) {
        (Some(b'n'), _) => Ok(None),
        (Some(b'"'), Dtype::String) => read_string(unescape(raw)?.as_bytes(), rules),
        (Some(b'"'), _) if rules.lenient => read_number(unescape(raw)?.as_bytes(), rules),
        (Some(b'"'), Dtype::Bool) => Err(Reason::NotABool),
        (Some(b'"'), _) => Err(Reason::QuotedNumber),
        (Some(b'-' | b'0'..=b'9'), _) | (Some(b't' | b'f'), Dtype::Bool) => {
            T::from_text(raw.as_bytes()).map(Some)
        }
        // The bare tokens NaN and Infinity, where whoever read the JSON let them through.
        (Some(b'N' | b'I'), dtype) if dtype.is_float() => T::from_text(raw.as_bytes()).map(Some),
        (_, Dtype::Bool) => Err(Reason::NotABool),
        (_, Dtype::String) => Err(Reason::NotText),
        _ => Err(Reason::NotANumber),
    }
}

/// The text of a JSON string literal.
///
/// # Errors
/// [`Reason::HalfCharacter`] for half of a surrogate pair.
pub fn unescape(raw: &str) -> Result<Cow<'_, str>, Reason> {
    match raw.get(1..raw.len().saturating_sub(1)) {
        Some(inner) if !inner.contains('\\') => Ok(Cow::Borrowed(inner)),
        _ => serde_json::from_str(raw)
            .map(Cow::Owned)
            .map_err(|_| Reason::HalfCharacter),
    }
}

/// What an input of this dtype accepts, as error texts say it: `a number (float32)`.
pub fn expectation(dtype: Dtype) -> String {
    match dtype {
        Dtype::String => "text (string)".to_owned(),
        Dtype::Bool => "true, false, 0 or 1 (bool)".to_owned(),
        _ if dtype.is_int() => format!("an integer ({dtype})"),
        _ => format!("a number ({dtype})"),
    }
}

impl Cell<'_> {
    /// Appends what the cell says as text, strings without their quotes; false for a missing one.
    pub fn append_text(&self, out: &mut Vec<u8>) -> bool {
        match self {
            Cell::Absent | Cell::Json("null") => return false,
            Cell::Text(text) => out.extend_from_slice(text),
            Cell::Json(raw) if raw.starts_with('"') => {
                let text = unescape(raw).unwrap_or(Cow::Borrowed(raw));
                out.extend_from_slice(text.as_bytes());
            }
            Cell::Json(raw) => out.extend_from_slice(raw.as_bytes()),
        }
        true
    }
}

impl fmt::Display for Cell<'_> {
    /// The cell as an error text shows it, cut after 60 characters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, quote) = match self {
            Cell::Absent => return f.write_str("nothing"),
            Cell::Text(text) => (String::from_utf8_lossy(text), "\""),
            Cell::Json(raw) => (Cow::Borrowed(*raw), ""),
        };
        let mut start: String = text.chars().take(60).collect();
        if start.len() < text.len() {
            start.push('…');
        }
        write!(f, "{quote}{start}{quote}")
    }
}

#[cfg(test)]
mod tests {
    use half::{bf16, f16};

    use super::*;

    fn text<T: Element>(cell: &str) -> Result<Option<T>, Reason> {
        read(Cell::Text(cell.as_bytes()), &CellRules::default())
    }

    fn json<T: Element>(cell: &str) -> Result<Option<T>, Reason> {
        read(Cell::Json(cell), &CellRules::default())
    }

    #[test]
    fn floats_accept_what_c_and_python_accept_and_nothing_else() {
        for (cell, value) in [
            ("1.5", 1.5),
            (" 1.5\t", 1.5),
            ("+5", 5.0),
            ("-0", -0.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("1e3", 1000.0),
            ("inf", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            ("+inf", f64::INFINITY),
        ] {
            assert_eq!(text::<f64>(cell), Ok(Some(value)), "{cell}");
        }
        assert!(text::<f64>("NaN").unwrap().unwrap().is_nan());
        for cell in [
            "n/a", "1,5", "0x10", "1e", "--1", "+-1", "1 2", "e5", "true", "1_000",
        ] {
            assert_eq!(text::<f64>(cell), Err(Reason::NotANumber), "{cell}");
        }
        for cell in ["1e39", "-1e39", "1e999999999999"] {
            assert_eq!(text::<f32>(cell), Err(Reason::OutOfRange), "{cell}");
        }
        assert_eq!(text::<f16>("70000"), Err(Reason::OutOfRange));
        assert_eq!(text::<f16>("1.5"), Ok(Some(f16::from_f64(1.5))));
        assert_eq!(text::<f16>("2049.0000001"), Ok(Some(f16::from_f32(2050.0))));
        assert_eq!(text::<bf16>("1e38"), Ok(Some(bf16::from_f64(1e38))));
    }

    #[test]
    fn float_parsing_is_correctly_rounded() {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        for _ in 0..200_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let double = f64::from_bits(state);
            if double.is_finite() {
                for digits in [format!("{double:e}"), format!("{double:.12e}")] {
                    assert_eq!(text::<f64>(&digits), Ok(digits.parse().ok()), "{digits}");
                }
            }
            let single = f32::from_bits(state as u32);
            if single.is_finite() {
                let digits = format!("{:.25e}", f64::from(single));
                assert_eq!(text::<f32>(&digits), Ok(digits.parse().ok()), "{digits}");
            }
        }
    }

    #[test]
    fn integers_come_from_their_digits() {
        for (cell, value) in [
            ("9007199254740993", 9_007_199_254_740_993),
            ("-9223372036854775808", i64::MIN),
            ("007", 7),
            ("3.0", 3),
            ("3.", 3),
            ("1e3", 1000),
            ("2.50e1", 25),
            ("1200e-2", 12),
            ("-0.0", 0),
            ("0e99999999999", 0),
            (" +12 ", 12),
        ] {
            assert_eq!(text::<i64>(cell), Ok(Some(value)), "{cell}");
        }
        for (cell, reason) in [
            ("3.5", Reason::NotAnInteger),
            ("1e-1", Reason::NotAnInteger),
            ("9223372036854775808", Reason::OutOfRange),
            ("1e400", Reason::OutOfRange),
            ("1e99999999999999", Reason::OutOfRange),
            ("0x10", Reason::NotANumber),
            (".", Reason::NotANumber),
            ("nan", Reason::NotANumber),
            ("-", Reason::NotANumber),
            ("1e", Reason::NotANumber),
        ] {
            assert_eq!(text::<i64>(cell), Err(reason), "{cell}");
        }
        assert_eq!(text::<u8>("256"), Err(Reason::OutOfRange));
        assert_eq!(text::<u8>("-1"), Err(Reason::OutOfRange));
        assert_eq!(text::<u64>("18446744073709551615"), Ok(Some(u64::MAX)));
    }

    #[test]
    fn missing_follows_the_dtype_and_the_list() {
        let rules = CellRules {
            missing: vec!["NA".to_owned()],
            ..CellRules::default()
        };
        assert_eq!(text::<f32>("  "), Ok(None));
        assert_eq!(read::<f32>(Cell::Text(b" NA "), &rules), Ok(None));
        assert_eq!(text::<f32>("NA"), Err(Reason::NotANumber));
        let namibia = read::<String>(Cell::Text(b"NA"), &rules);
        assert_eq!(namibia, Ok(Some("NA".to_owned())));
        assert_eq!(text::<String>(""), Ok(Some(String::new())));
        assert_eq!(json::<String>("null"), Ok(None));
        assert_eq!(read::<i64>(Cell::Absent, &rules), Ok(None));
    }

    #[test]
    fn json_is_read_by_its_type() {
        assert_eq!(
            json::<i64>("9007199254740993"),
            Ok(Some(9_007_199_254_740_993))
        );
        assert_eq!(json::<f32>("\"1.5\""), Err(Reason::QuotedNumber));
        assert_eq!(json::<f32>("true"), Err(Reason::NotANumber));
        assert_eq!(json::<bool>("true"), Ok(Some(true)));
        assert_eq!(json::<bool>("1"), Ok(Some(true)));
        assert_eq!(json::<bool>("2"), Err(Reason::NotABool));
        assert_eq!(
            json::<String>(r#""a\n\u00e4""#),
            Ok(Some("a\nä".to_owned()))
        );
        assert_eq!(json::<String>("12"), Ok(Some("12".to_owned())));
        assert_eq!(json::<String>("[1]"), Err(Reason::NotText));
        assert_eq!(json::<String>(r#""a\u0000b""#), Err(Reason::HasNul));
        assert_eq!(json::<String>(r#""\ud800""#), Err(Reason::HalfCharacter));
        let lenient = CellRules {
            lenient: true,
            ..CellRules::default()
        };
        assert_eq!(read::<f32>(Cell::Json("\"1.5\""), &lenient), Ok(Some(1.5)));
    }

    #[test]
    fn text_is_valid_utf8_without_nul() {
        let rules = CellRules::default();
        assert_eq!(
            read::<String>(Cell::Text(b"\xff"), &rules),
            Err(Reason::NotUtf8)
        );
        assert_eq!(
            read::<String>(Cell::Text(b"a\0b"), &rules),
            Err(Reason::HasNul)
        );
    }
}
