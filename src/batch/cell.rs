//! One cell of a record, and how it becomes one element of a tensor.
//!
//! The rules are exact on purpose: integers are read from their digits (an id above 2^53 must not
//! change), floats are correctly rounded, nothing is rounded, cut or saturated without a word.

use std::borrow::Cow;
use std::fmt;

use half::{bf16, f16};

use crate::model::dtype::Dtype;

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
    NotAList,
    WrongShape,
}

impl Reason {
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
            Reason::NotAList => "not_a_list",
            Reason::WrongShape => "wrong_shape",
        }
    }
}

/// A type that tensors hold and cells can be read as.
pub trait Element: Sized + Clone {
    const DTYPE: Dtype;

    /// What a missing cell becomes: NaN for floats, the empty string for strings, and nothing for
    /// types that cannot say it.
    fn missing() -> Option<Self>;

    /// Reads a number, a boolean or a string from text without surrounding blanks.
    ///
    /// # Errors
    /// The reason, when the text has no exact value of this type.
    fn from_text(text: &[u8]) -> Result<Self, Reason>;
}

/// Reads a cell; `None` where it counts as missing.
///
/// # Errors
/// The reason, when the cell is there but has no exact value of type `T`.
pub fn read<T: Element>(cell: Cell<'_>, rules: &CellRules) -> Result<Option<T>, Reason> {
    match (cell, T::DTYPE) {
        (Cell::Absent, _) => Ok(None),
        (Cell::Text(text), Dtype::String) => read_string(text, rules),
        (Cell::Text(text), _) => read_number(text, rules),
        (Cell::Json(raw), _) => read_json(raw, rules),
    }
}

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

fn is_listed(text: &[u8], list: &[String]) -> bool {
    list.iter().any(|missing| missing.as_bytes() == text)
}

fn read_json<T: Element>(raw: &str, rules: &CellRules) -> Result<Option<T>, Reason> {
    match (raw.as_bytes().first(), T::DTYPE) {
        (Some(b'n'), _) => Ok(None),
        (Some(b'"'), Dtype::String) => read_string(unescape(raw).as_bytes(), rules),
        (Some(b'"'), _) if rules.lenient => read_number(unescape(raw).as_bytes(), rules),
        (Some(b'"'), Dtype::Bool) => Err(Reason::NotABool),
        (Some(b'"'), _) => Err(Reason::QuotedNumber),
        (Some(b'-' | b'0'..=b'9'), _) | (Some(b't' | b'f'), Dtype::Bool) => {
            T::from_text(raw.as_bytes()).map(Some)
        }
        (_, Dtype::Bool) => Err(Reason::NotABool),
        (_, Dtype::String) => Err(Reason::NotText),
        _ => Err(Reason::NotANumber),
    }
}

/// The text of a JSON string literal; the literal itself should it not be one.
pub fn unescape(raw: &str) -> Cow<'_, str> {
    match raw.get(1..raw.len().saturating_sub(1)) {
        Some(inner) if !inner.contains('\\') => Cow::Borrowed(inner),
        _ => serde_json::from_str(raw).map_or(Cow::Borrowed(raw), Cow::Owned),
    }
}

/// `+5` is accepted for floats as C and Python do; the parser below wants it bare.
fn without_plus(text: &[u8]) -> &[u8] {
    match text {
        [b'+', rest @ ..] if !matches!(rest.first(), Some(b'+' | b'-')) => rest,
        _ => text,
    }
}

/// Whether the text itself says infinity, so that an infinite result is not an overflow.
fn says_infinity(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    matches!(digits.first(), Some(b'i' | b'I'))
}

macro_rules! float_element {
    ($type:ty, $dtype:ident) => {
        impl Element for $type {
            const DTYPE: Dtype = Dtype::$dtype;

            fn missing() -> Option<Self> {
                Some(<$type>::NAN)
            }

            fn from_text(text: &[u8]) -> Result<Self, Reason> {
                let text = without_plus(text);
                // Correctly rounded in every case, like the standard library's parser, but from
                // bytes and about twice as fast.
                let value: $type = fast_float2::parse(text).map_err(|_| Reason::NotANumber)?;
                if value.is_infinite() && !says_infinity(text) {
                    return Err(Reason::OutOfRange);
                }
                Ok(value)
            }
        }
    };
}

float_element!(f32, Float32);
float_element!(f64, Float64);

macro_rules! half_element {
    ($type:ty, $dtype:ident) => {
        impl Element for $type {
            const DTYPE: Dtype = Dtype::$dtype;

            fn missing() -> Option<Self> {
                Some(<$type>::NAN)
            }

            fn from_text(text: &[u8]) -> Result<Self, Reason> {
                let wide = f64::from_text(text)?;
                let value = <$type>::from_f32(round_to_odd(wide));
                if value.is_infinite() && wide.is_finite() {
                    return Err(Reason::OutOfRange);
                }
                Ok(value)
            }
        }
    };
}

/// `wide` cut to float32 with its last bit set where something was cut off, so that a further
/// rounding to 16 bits is the only one. The `half` crate's own conversions from f64 round twice or
/// lose the low bits: both make 2048 of 2049.0000001.
fn round_to_odd(wide: f64) -> f32 {
    let nearest = wide as f32;
    if f64::from(nearest) == wide || wide.is_nan() {
        return nearest;
    }
    let away = f64::from(nearest).abs() > wide.abs();
    f32::from_bits((nearest.to_bits() - u32::from(away)) | 1)
}

half_element!(f16, Float16);
half_element!(bf16, Bfloat16);

macro_rules! int_element {
    ($($type:ty, $dtype:ident;)*) => {$(
        impl Element for $type {
            const DTYPE: Dtype = Dtype::$dtype;

            fn missing() -> Option<Self> {
                None
            }

            fn from_text(text: &[u8]) -> Result<Self, Reason> {
                let wide = exact_integer(text)?;
                <$type>::try_from(wide).map_err(|_| Reason::OutOfRange)
            }
        }
    )*};
}

int_element! {
    i8, Int8; i16, Int16; i32, Int32; i64, Int64;
    u8, Uint8; u16, Uint16; u32, Uint32; u64, Uint64;
}

/// More digits than any 64-bit integer has, few enough for an `i128`.
const MOST_DIGITS: usize = 38;

/// The integer that a decimal text says exactly: `12`, `-3`, `+7`, `3.0`, `1e3`, `2.50e1`.
///
/// # Errors
/// [`Reason::NotANumber`] for other text, [`Reason::NotAnInteger`] where a fraction is left over,
/// [`Reason::OutOfRange`] beyond 38 digits.
fn exact_integer(text: &[u8]) -> Result<i128, Reason> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let value = if (1..=MOST_DIGITS).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit) {
        from_digits(digits)
    } else {
        exact_decimal(digits)?
    };
    Ok(if negative { -value } else { value })
}

fn from_digits(digits: &[u8]) -> i128 {
    let tens = |value: i128, digit: &u8| value * 10 + i128::from(digit - b'0');
    digits.iter().fold(0, tens)
}

/// The integer that `12.50e1` and its like say, without passing through a float.
fn exact_decimal(text: &[u8]) -> Result<i128, Reason> {
    let mut parts = text.splitn(2, |byte| matches!(byte, b'e' | b'E'));
    let mantissa = parts.next().unwrap_or_default();
    let exponent = parts.next().map_or(Ok(0), parse_exponent)?;
    let mut halves = mantissa.splitn(2, |byte| *byte == b'.');
    let whole = halves.next().unwrap_or_default();
    let fraction = halves.next().unwrap_or_default();
    let mut digits = [whole, fraction].concat();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Reason::NotANumber);
    }
    let mut scale = exponent - i64::try_from(fraction.len()).map_err(|_| Reason::OutOfRange)?;
    while digits.last() == Some(&b'0') {
        digits.pop();
        scale += 1;
    }
    let leading = digits.iter().take_while(|digit| **digit == b'0').count();
    digits.drain(..leading);
    if digits.is_empty() {
        return Ok(0);
    }
    let zeros = usize::try_from(scale).map_err(|_| Reason::NotAnInteger)?;
    if digits.len().saturating_add(zeros) > MOST_DIGITS {
        return Err(Reason::OutOfRange);
    }
    digits.resize(digits.len() + zeros, b'0');
    Ok(from_digits(&digits))
}

fn parse_exponent(text: &[u8]) -> Result<i64, Reason> {
    let digits = match text {
        [b'-' | b'+', rest @ ..] => rest,
        _ => text,
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Reason::NotANumber);
    }
    // An exponent of more than nine digits moves any number out of reach, either way.
    let size = digits.iter().skip_while(|digit| **digit == b'0').count();
    let value = if size > 9 { 1_000_000_000 } else { from_digits(digits) as i64 };
    Ok(if text.first() == Some(&b'-') { -value } else { value })
}

impl Element for bool {
    const DTYPE: Dtype = Dtype::Bool;

    fn missing() -> Option<Self> {
        None
    }

    fn from_text(text: &[u8]) -> Result<Self, Reason> {
        match text {
            b"1" => Ok(true),
            b"0" => Ok(false),
            _ if text.eq_ignore_ascii_case(b"true") => Ok(true),
            _ if text.eq_ignore_ascii_case(b"false") => Ok(false),
            _ => Err(Reason::NotABool),
        }
    }
}

impl Element for String {
    const DTYPE: Dtype = Dtype::String;

    fn missing() -> Option<Self> {
        Some(String::new())
    }

    fn from_text(text: &[u8]) -> Result<Self, Reason> {
        // The runtime's C API takes strings that end at the first NUL: cutting one would be silent.
        if memchr::memchr(0, text).is_some() {
            return Err(Reason::HasNul);
        }
        let text = std::str::from_utf8(text).map_err(|_| Reason::NotUtf8)?;
        Ok(text.to_owned())
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
        for cell in ["n/a", "1,5", "0x10", "1e", "--1", "+-1", "1 2", "e5", "true", "1_000"] {
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
        assert_eq!(json::<i64>("9007199254740993"), Ok(Some(9_007_199_254_740_993)));
        assert_eq!(json::<f32>("\"1.5\""), Err(Reason::QuotedNumber));
        assert_eq!(json::<f32>("true"), Err(Reason::NotANumber));
        assert_eq!(json::<bool>("true"), Ok(Some(true)));
        assert_eq!(json::<bool>("1"), Ok(Some(true)));
        assert_eq!(json::<bool>("2"), Err(Reason::NotABool));
        assert_eq!(json::<String>(r#""a\n\u00e4""#), Ok(Some("a\nä".to_owned())));
        assert_eq!(json::<String>("12"), Ok(Some("12".to_owned())));
        assert_eq!(json::<String>("[1]"), Err(Reason::NotText));
        assert_eq!(json::<String>(r#""a\u0000b""#), Err(Reason::HasNul));
        let lenient = CellRules {
            lenient: true,
            ..CellRules::default()
        };
        assert_eq!(read::<f32>(Cell::Json("\"1.5\""), &lenient), Ok(Some(1.5)));
    }

    #[test]
    fn text_is_valid_utf8_without_nul() {
        let rules = CellRules::default();
        assert_eq!(read::<String>(Cell::Text(b"\xff"), &rules), Err(Reason::NotUtf8));
        assert_eq!(read::<String>(Cell::Text(b"a\0b"), &rules), Err(Reason::HasNul));
    }
}
