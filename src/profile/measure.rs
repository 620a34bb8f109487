//! One element of a tensor as a number, whatever its type.

/// How an element counts in a profile.
pub trait Measure {
    /// Its value; none for text.
    fn number(&self) -> Option<f64>;

    /// Its text; none for a number.
    fn text(&self) -> Option<&str> {
        None
    }

    /// NaN, or a text without characters: what a missing cell is read as.
    fn is_missing(&self) -> bool {
        false
    }
}

macro_rules! measure_number {
    ($($type:ty => $widen:expr;)*) => {$(
        impl Measure for $type {
            #[inline]
            fn number(&self) -> Option<f64> {
                Some($widen(*self))
            }

            #[inline]
            fn is_missing(&self) -> bool {
                $widen(*self).is_nan()
            }
        }
    )*};
}

measure_number! {
    f32 => f64::from;
    f64 => std::convert::identity::<f64>;
    half::f16 => half::f16::to_f64;
    half::bf16 => half::bf16::to_f64;
    i8 => f64::from;
    i16 => f64::from;
    i32 => f64::from;
    i64 => |value: i64| value as f64;
    u8 => f64::from;
    u16 => f64::from;
    u32 => f64::from;
    u64 => |value: u64| value as f64;
    bool => |value: bool| f64::from(u8::from(value));
}

impl Measure for String {
    fn number(&self) -> Option<f64> {
        None
    }

    fn text(&self) -> Option<&str> {
        Some(self)
    }

    fn is_missing(&self) -> bool {
        self.is_empty()
    }
}
