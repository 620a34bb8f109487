//! The element types of tensors: their names in text and their numbers in an ONNX file.

use std::fmt;

/// An element type that ONNX Runtime runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dtype {
    Float32,
    Float64,
    Float16,
    Bfloat16,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Bool,
    String,
}

/// Every type with its name (as NumPy and we say it) and its number in `TensorProto.DataType`
/// (onnx/onnx.proto, IR version 13).
const TABLE: [(Dtype, &str, i32); 14] = [
    (Dtype::Float32, "float32", 1),
    (Dtype::Uint8, "uint8", 2),
    (Dtype::Int8, "int8", 3),
    (Dtype::Uint16, "uint16", 4),
    (Dtype::Int16, "int16", 5),
    (Dtype::Int32, "int32", 6),
    (Dtype::Int64, "int64", 7),
    (Dtype::String, "string", 8),
    (Dtype::Bool, "bool", 9),
    (Dtype::Float16, "float16", 10),
    (Dtype::Float64, "float64", 11),
    (Dtype::Uint32, "uint32", 12),
    (Dtype::Uint64, "uint64", 13),
    (Dtype::Bfloat16, "bfloat16", 16),
];

impl Dtype {
    /// The type that `TensorProto.DataType` calls `number`; none for complex, 8-bit float, 4-bit
    /// and other types that cannot be an input or output here.
    pub fn from_onnx(number: i32) -> Option<Dtype> {
        let row = TABLE.iter().find(|(_, _, n)| *n == number);
        row.map(|(dtype, _, _)| *dtype)
    }

    /// The name that text, JSON and errors use: `float32`, `int64`, `string`...
    pub fn name(self) -> &'static str {
        let row = TABLE.iter().find(|(dtype, _, _)| *dtype == self);
        row.map_or("", |(_, name, _)| name)
    }

    /// Whether NaN, and so a missing value, can be said in this type.
    pub fn is_float(self) -> bool {
        matches!(
            self,
            Dtype::Float32 | Dtype::Float64 | Dtype::Float16 | Dtype::Bfloat16
        )
    }

    /// Whether it is one of the eight integer types.
    pub fn is_int(self) -> bool {
        !self.is_float() && !matches!(self, Dtype::Bool | Dtype::String)
    }

    /// Bytes of one element in a tensor; a string counts as the 32 bytes of its header.
    pub fn bytes(self) -> usize {
        match self {
            Dtype::Int8 | Dtype::Uint8 | Dtype::Bool => 1,
            Dtype::Float16 | Dtype::Bfloat16 | Dtype::Int16 | Dtype::Uint16 => 2,
            Dtype::Float32 | Dtype::Int32 | Dtype::Uint32 => 4,
            Dtype::Float64 | Dtype::Int64 | Dtype::Uint64 => 8,
            Dtype::String => 32,
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The name of the element type `number`, also of those that [`Dtype`] leaves out.
pub(crate) fn name_of(number: i32) -> String {
    let name = match number {
        0 => "undefined",
        14 => "complex64",
        15 => "complex128",
        17 => "float8e4m3fn",
        18 => "float8e4m3fnuz",
        19 => "float8e5m2",
        20 => "float8e5m2fnuz",
        21 => "uint4",
        22 => "int4",
        23 => "float4e2m1",
        24 => "float8e8m0",
        25 => "uint2",
        26 => "int2",
        other => {
            return Dtype::from_onnx(other)
                .map_or_else(|| format!("type {other}"), |dtype| dtype.to_string());
        }
    };
    name.to_owned()
}

/// Bytes of `elements` of the element type `number`, as a file holds them; the text of strings is
/// not counted, and a type that nobody knows counts one byte. A hostile product saturates.
pub(crate) fn bytes_of(number: i32, elements: u64) -> u64 {
    match number {
        8 => 0,
        21..=23 => elements.div_ceil(2),
        25 | 26 => elements.div_ceil(4),
        14 => elements.saturating_mul(8),
        15 => elements.saturating_mul(16),
        other => {
            let width = Dtype::from_onnx(other).map_or(1, Dtype::bytes);
            elements.saturating_mul(width as u64)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_one_name_and_one_number() {
        for (dtype, name, number) in TABLE {
            assert_eq!(dtype.name(), name);
            assert_eq!(Dtype::from_onnx(number), Some(dtype));
        }
        for number in [0, 14, 15, 17, 20, 21, 99, -1] {
            assert_eq!(Dtype::from_onnx(number), None, "{number}");
        }
    }
}
