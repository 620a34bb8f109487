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
