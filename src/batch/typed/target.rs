//! From a typed number to an element of a tensor, by the rules that texts are read by.

use half::{bf16, f16};

use crate::batch::cell::Reason;
use crate::batch::element::Element;

/// An element type that typed values can become.
pub(super) trait Target: Element + Default {
    fn from_f32(value: f32) -> Result<Self, Reason>;
    fn from_f64(value: f64) -> Result<Self, Reason>;
    fn from_i64(value: i64) -> Result<Self, Reason>;
    fn from_u64(value: u64) -> Result<Self, Reason>;
    fn from_bool(value: bool) -> Result<Self, Reason>;
}

impl Target for f32 {
    #[inline]
    fn from_f32(value: f32) -> Result<Self, Reason> {
        Ok(value)
    }

    #[inline]
    fn from_f64(value: f64) -> Result<Self, Reason> {
        let nearest = value as f32;
        if nearest.is_infinite() && value.is_finite() {
            return Err(Reason::OutOfRange);
        }
        Ok(nearest)
    }

    #[inline]
    fn from_i64(value: i64) -> Result<Self, Reason> {
        Ok(value as f32)
    }

    #[inline]
    fn from_u64(value: u64) -> Result<Self, Reason> {
        Ok(value as f32)
    }

    fn from_bool(value: bool) -> Result<Self, Reason> {
        Ok(f32::from(u8::from(value)))
    }
}

impl Target for f64 {
    #[inline]
    fn from_f32(value: f32) -> Result<Self, Reason> {
        Ok(value.into())
    }

    #[inline]
    fn from_f64(value: f64) -> Result<Self, Reason> {
        Ok(value)
    }

    #[inline]
    fn from_i64(value: i64) -> Result<Self, Reason> {
        Ok(value as f64)
    }

    #[inline]
    fn from_u64(value: u64) -> Result<Self, Reason> {
        Ok(value as f64)
    }

    fn from_bool(value: bool) -> Result<Self, Reason> {
        Ok(f64::from(u8::from(value)))
    }
}

macro_rules! half_target {
    ($($type:ty)*) => {$(
        impl Target for $type {
            fn from_f32(value: f32) -> Result<Self, Reason> {
                let nearest = <$type>::from_f32(value);
                if nearest.is_infinite() && value.is_finite() {
                    return Err(Reason::OutOfRange);
                }
                Ok(nearest)
            }

            /// Over the text, for `half` rounds a double twice and `element` knows how not to.
            fn from_f64(value: f64) -> Result<Self, Reason> {
                Self::from_text(zmij::Buffer::new().format(value).as_bytes())
            }

            fn from_i64(value: i64) -> Result<Self, Reason> {
                Self::from_text(itoa::Buffer::new().format(value).as_bytes())
            }

            fn from_u64(value: u64) -> Result<Self, Reason> {
                Self::from_text(itoa::Buffer::new().format(value).as_bytes())
            }

            fn from_bool(value: bool) -> Result<Self, Reason> {
                Ok(if value { <$type>::ONE } else { <$type>::ZERO })
            }
        }
    )*};
}

half_target!(f16 bf16);

/// The integer that `value` is exactly.
#[inline]
fn exact(value: f64) -> Result<i128, Reason> {
    if !value.is_finite() {
        return Err(Reason::NotANumber);
    }
    if value.trunc() != value {
        return Err(Reason::NotAnInteger);
    }
    // Saturates far outside of every integer type that a tensor has.
    Ok(value as i128)
}

macro_rules! int_target {
    ($($type:ty)*) => {$(
        impl Target for $type {
            fn from_f32(value: f32) -> Result<Self, Reason> {
                Self::from_f64(value.into())
            }

            fn from_f64(value: f64) -> Result<Self, Reason> {
                <$type>::try_from(exact(value)?).map_err(|_| Reason::OutOfRange)
            }

            #[inline]
            fn from_i64(value: i64) -> Result<Self, Reason> {
                <$type>::try_from(value).map_err(|_| Reason::OutOfRange)
            }

            #[inline]
            fn from_u64(value: u64) -> Result<Self, Reason> {
                <$type>::try_from(value).map_err(|_| Reason::OutOfRange)
            }

            fn from_bool(value: bool) -> Result<Self, Reason> {
                Ok(<$type>::from(value))
            }
        }
    )*};
}

int_target!(i8 i16 i32 i64 u8 u16 u32 u64);

impl Target for bool {
    fn from_f32(value: f32) -> Result<Self, Reason> {
        Self::from_f64(value.into())
    }

    /// A column of booleans with gaps is often one of floats: pandas makes it so.
    fn from_f64(value: f64) -> Result<Self, Reason> {
        if value == 0.0 {
            Ok(false)
        } else if value == 1.0 {
            Ok(true)
        } else {
            Err(Reason::NotABool)
        }
    }

    fn from_i64(value: i64) -> Result<Self, Reason> {
        match value {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Reason::NotABool),
        }
    }

    fn from_u64(value: u64) -> Result<Self, Reason> {
        Self::from_i64(i64::from(value > 1) + i64::from(value > 0))
    }

    fn from_bool(value: bool) -> Result<Self, Reason> {
        Ok(value)
    }
}

/// A number as the text that reads back to it, which is what a CSV file would hold.
impl Target for String {
    fn from_f32(value: f32) -> Result<Self, Reason> {
        Ok(float_text(value.is_finite(), value.into(), |buffer| {
            buffer.format_finite(value).to_owned()
        }))
    }

    fn from_f64(value: f64) -> Result<Self, Reason> {
        Ok(float_text(value.is_finite(), value, |buffer| {
            buffer.format_finite(value).to_owned()
        }))
    }

    fn from_i64(value: i64) -> Result<Self, Reason> {
        Ok(value.to_string())
    }

    fn from_u64(value: u64) -> Result<Self, Reason> {
        Ok(value.to_string())
    }

    fn from_bool(value: bool) -> Result<Self, Reason> {
        Ok(value.to_string())
    }
}

/// The shortest text of a finite float, else `nan`, `inf` or `-inf`, which are read as floats too.
fn float_text(
    is_finite: bool,
    value: f64,
    shortest: impl FnOnce(&mut zmij::Buffer) -> String,
) -> String {
    if is_finite {
        return shortest(&mut zmij::Buffer::new());
    }
    let text = if value.is_nan() {
        "nan"
    } else if value > 0.0 {
        "inf"
    } else {
        "-inf"
    };
    text.to_owned()
}
