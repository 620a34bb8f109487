//! What is told of models: TensorFlow Serving's status and metadata, with KServe v1's keys beside them.

use serde_json::{Map, Value, json};

use crate::model::dtype::Dtype;
use crate::model::signature::{Dim, Port, ValueType};

use crate::serve::app::App;
use crate::serve::hosted::Hosted;
use crate::serve::message::Reply;
use crate::serve::problem::Problem;
use crate::serve::registry::Pick;
use crate::serve::registry::table::State;

/// KServe v1's list of models.
pub(super) fn models<'s>(app: &App) -> Reply<'s> {
    let table = app.registry.table();
    let names = table.entries.iter().map(|entry| entry.name.as_str());
    let names: Vec<&str> = names.collect();
    reply(&json!({"models": names}))
}

/// The states of a model's versions, or of the one that is asked for, in the words of both.
///
/// # Errors
/// 404 for a model, version or label that is not here.
pub(super) fn status<'s>(app: &App, name: &str, pick: Pick<'_>) -> Result<Reply<'s>, Problem> {
    let table = app.registry.table();
    let Some(entry) = table.entry(name) else {
        return Err(app
            .registry
            .find(name, pick, 0)
            .err()
            .unwrap_or_else(not_found));
    };
    let asked = match pick {
        Pick::Default => None,
        Pick::Version(version) => Some(version),
        Pick::Label(label) => Some(entry.version_of(label).unwrap_or_default()),
    };
    let slots = entry.present();
    let slots = slots.filter(|slot| asked.is_none_or(|asked| asked == slot.version));
    let versions: Vec<Value> = slots
        .map(|slot| {
            let (state, code, why) = match &slot.state {
                State::Loading => ("LOADING", "OK", ""),
                State::Ready(_) if app.is_stopping() => ("UNLOADING", "OK", ""),
                State::Ready(_) => ("AVAILABLE", "OK", ""),
                State::Failed(why) => ("END", "UNKNOWN", why.as_str()),
                State::Draining(_) => ("UNLOADING", "OK", ""),
            };
            json!({
                "version": slot.version,
                "state": state,
                "status": {"error_code": code, "error_message": why},
            })
        })
        .collect();
    if versions.is_empty() && asked.is_some() {
        return Err(app
            .registry
            .find(name, pick, 0)
            .err()
            .unwrap_or_else(not_found));
    }
    Ok(reply(&json!({
        "model_version_status": versions,
        "name": name,
        "ready": !app.is_stopping() && entry.default().is_some(),
    })))
}

fn not_found() -> Problem {
    Problem::refused(404, "unknown_version", "the model has no such version here")
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
