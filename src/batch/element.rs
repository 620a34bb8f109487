//! From the text of a number, a boolean or a string to one element of a tensor.
//!
//! The rules are exact on purpose: integers are read from their digits (an id above 2^53 must not
//! change), floats are correctly rounded, nothing is rounded, cut or saturated without a word.

use half::{bf16, f16};
use ndarray::ArrayD;

use crate::model::dtype::Dtype;
use crate::model::tensor::Tensor;

use super::cell::Reason;
use super::number;

/// A type that tensors hold and cells can be read as.
pub trait Element: Sized + Clone + Default + Send + 'static {
    const DTYPE: Dtype;

    /// What a missing cell becomes: NaN for floats, the empty string for strings, and nothing for
    /// types that cannot say it.
    fn missing() -> Option<Self>;

    /// Reads a number, a boolean or a string from text without surrounding blanks.
    ///
    /// # Errors
    /// The reason, when the text has no exact value of this type.
    fn from_text(text: &[u8]) -> Result<Self, Reason>;

    /// Reads a plain number at the start of `text`, with the bytes that it takes: the same value as
    /// [`Element::from_text`] of those bytes, only faster. What follows is for the caller to check.
    /// `None` where there is no plain number of this type, which says nothing about the text.
    #[inline]
    fn scan(text: &[u8]) -> Option<(Self, usize)> {
        let _ = text;
        None
    }
}

/// Something that is done in the same way for every element type.
pub trait ForElement {
    type Output;

    /// Does it for `T`, whose arrays `wrap` makes tensors of.
    fn call<T: Element>(self, wrap: fn(ArrayD<T>) -> Tensor) -> Self::Output;
}

/// Does `job` for the element type that `dtype` names.
pub fn with_dtype<J: ForElement>(dtype: Dtype, job: J) -> J::Output {
    match dtype {
        Dtype::Float32 => job.call::<f32>(Tensor::Float32),
        Dtype::Float64 => job.call::<f64>(Tensor::Float64),
        Dtype::Float16 => job.call::<f16>(Tensor::Float16),
        Dtype::Bfloat16 => job.call::<bf16>(Tensor::Bfloat16),
        Dtype::Int8 => job.call::<i8>(Tensor::Int8),
        Dtype::Int16 => job.call::<i16>(Tensor::Int16),
        Dtype::Int32 => job.call::<i32>(Tensor::Int32),
        Dtype::Int64 => job.call::<i64>(Tensor::Int64),
        Dtype::Uint8 => job.call::<u8>(Tensor::Uint8),
        Dtype::Uint16 => job.call::<u16>(Tensor::Uint16),
        Dtype::Uint32 => job.call::<u32>(Tensor::Uint32),
        Dtype::Uint64 => job.call::<u64>(Tensor::Uint64),
        Dtype::Bool => job.call::<bool>(Tensor::Bool),
        Dtype::String => job.call::<String>(Tensor::String),
    }
}

/// `+5` is accepted for floats as C and Python do; the parser below wants it bare.
#[inline]
fn without_plus(text: &[u8]) -> &[u8] {
    match text {
        [b'+', rest @ ..] if !matches!(rest.first(), Some(b'+' | b'-')) => rest,
        _ => text,
    }
}

/// Whether the text itself says infinity, so that an infinite result is not an overflow.
#[cold]
fn says_infinity(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    matches!(digits.first(), Some(b'i' | b'I'))
}

macro_rules! float_element {
    ($type:ty, $dtype:ident, $plain:ident) => {
        impl Element for $type {
            const DTYPE: Dtype = Dtype::$dtype;

            fn missing() -> Option<Self> {
                Some(<$type>::NAN)
            }

            #[inline]
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

            #[inline(always)]
            fn scan(text: &[u8]) -> Option<(Self, usize)> {
                let (decimal, length) = number::scan(text)?;
                match decimal.$plain() {
                    Some(value) => Some((value, length)),
                    None => Some((Self::from_text(text.get(..length)?).ok()?, length)),
                }
            }
        }
    };
}

float_element!(f32, Float32, to_f32);
float_element!(f64, Float64, to_f64);

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

            #[inline]
            fn scan(text: &[u8]) -> Option<(Self, usize)> {
                let (decimal, length) = number::scan(text)?;
                let value = <$type>::try_from(decimal.to_integer()?).ok()?;
                Some((value, length))
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
    let value =
        if (1..=MOST_DIGITS).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit) {
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
    let value = if size > 9 {
        1_000_000_000
    } else {
        from_digits(digits) as i64
    };
    Ok(if text.first() == Some(&b'-') {
        -value
    } else {
        value
    })
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
