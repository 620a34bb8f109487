//! What is told of models: TensorFlow Serving's status and metadata, with KServe v1's keys beside them.

use serde_json::{Map, Value, json};

use crate::model::dtype::Dtype;
use crate::model::signature::{Dim, Port, ValueType};

use crate::serve::app::App;
use crate::serve::hosted::Hosted;
use crate::serve::message::Reply;

/// KServe v1's list of models.
pub(super) fn models<'s>(app: &App) -> Reply<'s> {
    let mut names: Vec<&str> = Vec::new();
    for hosted in app.registry.models() {
        if !names.contains(&hosted.name.as_str()) {
            names.push(&hosted.name);
        }
    }
    reply(&json!({"models": names}))
}

/// The state of a model's version, in the words of both.
pub(super) fn status<'s>(app: &App, hosted: &Hosted) -> Reply<'s> {
    let state = match app.is_ready() {
        true => "AVAILABLE",
        false => "UNLOADING",
    };
    reply(&json!({
        "model_version_status": [{
            "version": hosted.version,
            "state": state,
            "status": {"error_code": "OK", "error_message": ""},
        }],
        "name": hosted.name,
        "ready": app.is_ready(),
    }))
}

/// The signature, as the only one of a saved model.
pub(super) fn metadata<'s>(hosted: &Hosted) -> Reply<'s> {
    let signature = hosted.model.signature();
    let ports = |ports: &[Port]| -> Map<String, Value> {
        let infos = ports.iter().map(|port| (port.name.clone(), info(port)));
        infos.collect()
    };
    reply(&json!({
        "model_spec": {
            "name": hosted.name,
            "signature_name": "",
            "version": hosted.version,
        },
        "metadata": {"signature_def": {"signature_def": {"serving_default": {
            "inputs": ports(&signature.inputs),
            "outputs": ports(&signature.outputs),
            "method_name": "tensorflow/serving/predict",
        }}}},
    }))
}

fn reply<'s>(value: &Value) -> Reply<'s> {
    Reply::json(200, value.to_string().into_bytes())
}

/// An input or output as TensorFlow's `TensorInfo` in JSON.
fn info(port: &Port) -> Value {
    let shape = match port.tensor() {
        Some((_, Some(shape))) => {
            let dims = shape.iter().map(|dim| match dim {
                Dim::Fixed(size) => json!({"size": size.to_string(), "name": ""}),
                Dim::Symbol(name) => json!({"size": "-1", "name": name}),
                Dim::Free => json!({"size": "-1", "name": ""}),
            });
            json!({"dim": dims.collect::<Vec<_>>(), "unknown_rank": false})
        }
        _ => json!({"dim": [], "unknown_rank": true}),
    };
    json!({
        "dtype": dtype(&port.kind).map_or("DT_INVALID", word),
        "tensor_shape": shape,
        "name": port.name,
    })
}

/// The element type; of maps that of their values.
fn dtype(kind: &ValueType) -> Option<Dtype> {
    match kind {
        ValueType::Tensor { dtype, .. } => Some(*dtype),
        ValueType::Sequence(item) | ValueType::Optional(item) => dtype(item),
        ValueType::Map { value, .. } => dtype(value),
        ValueType::Other(_) => None,
    }
}

fn word(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::Float32 => "DT_FLOAT",
        Dtype::Float64 => "DT_DOUBLE",
        Dtype::Float16 => "DT_HALF",
        Dtype::Bfloat16 => "DT_BFLOAT16",
        Dtype::Int8 => "DT_INT8",
        Dtype::Int16 => "DT_INT16",
        Dtype::Int32 => "DT_INT32",
        Dtype::Int64 => "DT_INT64",
        Dtype::Uint8 => "DT_UINT8",
        Dtype::Uint16 => "DT_UINT16",
        Dtype::Uint32 => "DT_UINT32",
        Dtype::Uint64 => "DT_UINT64",
        Dtype::Bool => "DT_BOOL",
        Dtype::String => "DT_STRING",
    }
}
