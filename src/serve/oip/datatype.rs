//! The protocol's names of element types.

use crate::model::dtype::Dtype;

/// Every type with its name in metadata and requests.
const TABLE: [(Dtype, &str); 14] = [
    (Dtype::Float32, "FP32"),
    (Dtype::Float64, "FP64"),
    (Dtype::Float16, "FP16"),
    (Dtype::Bfloat16, "BF16"),
    (Dtype::Int8, "INT8"),
    (Dtype::Int16, "INT16"),
    (Dtype::Int32, "INT32"),
    (Dtype::Int64, "INT64"),
    (Dtype::Uint8, "UINT8"),
    (Dtype::Uint16, "UINT16"),
    (Dtype::Uint32, "UINT32"),
    (Dtype::Uint64, "UINT64"),
    (Dtype::Bool, "BOOL"),
    (Dtype::String, "BYTES"),
];

/// The name of `dtype` in metadata, requests and answers.
pub fn name_of(dtype: Dtype) -> &'static str {
    let row = TABLE.iter().find(|(known, _)| *known == dtype);
    row.map_or("", |(_, name)| name)
}

/// The name of `dtype` in a model's configuration.
pub fn config_name(dtype: Dtype) -> String {
    match dtype {
        Dtype::String => "TYPE_STRING".to_owned(),
        other => format!("TYPE_{}", name_of(other)),
    }
}

/// The type of this name.
pub fn named(name: &str) -> Option<Dtype> {
    let row = TABLE.iter().find(|(_, known)| *known == name);
    row.map(|(dtype, _)| *dtype)
}
