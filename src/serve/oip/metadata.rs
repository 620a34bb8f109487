//! What is told of the server and its models: metadata, configuration, readiness, the index.

use serde_json::{Value, json};

use crate::batch::feed::{Kind, kind};
use crate::model::signature::Port;

use crate::serve::app::App;
use crate::serve::hosted::Hosted;
use crate::serve::message::Reply;
use crate::serve::problem::Problem;
use crate::serve::registry::table::{Entry, State};

use super::datatype;

/// The extensions that work here.
const EXTENSIONS: [&str; 5] = [
    "classification",
    "model_configuration",
    "binary_tensor_data",
    "parameters",
    "statistics",
];

fn reply<'s>(status: u16, value: &Value) -> Reply<'s> {
    Reply::json(status, value.to_string().into_bytes())
}

/// Of the server.
pub fn server<'s>() -> Reply<'s> {
    reply(
        200,
        &json!({
            "name": "mlserve",
            "version": env!("CARGO_PKG_VERSION"),
            "extensions": EXTENSIONS,
        }),
    )
}

/// The names of all models, as KServe lists them.
pub fn models<'s>(app: &App) -> Reply<'s> {
    let table = app.registry.table();
    let names = table.entries.iter().map(|entry| entry.name.as_str());
    let names: Vec<&str> = names.collect();
    reply(200, &json!({ "models": names }))
}

/// Of one model: its inputs as they are declared, its outputs as they really come.
pub fn model<'s>(app: &App, hosted: &Hosted) -> Reply<'s> {
    let table = app.registry.table();
    let ready = table.entry(&hosted.name).into_iter().flat_map(Entry::ready);
    let versions: Vec<&str> = ready.map(|hosted| hosted.version.as_str()).collect();
    let inputs = hosted.model.signature().inputs.iter().map(|port| {
        json!({
            "name": port.name,
            "datatype": input_type(port).0,
            "shape": numbers(&input_shape(hosted, port)),
        })
    });
    let outputs = hosted.outputs().iter().map(|output| {
        json!({
            "name": output.name,
            "datatype": datatype::name_of(output.dtype),
            "shape": numbers(&output.shape),
        })
    });
    reply(
        200,
        &json!({
            "name": hosted.name,
            "versions": versions,
            "platform": "onnxruntime_onnx",
            "inputs": inputs.collect::<Vec<_>>(),
            "outputs": outputs.collect::<Vec<_>>(),
        }),
    )
}

/// Whether a model can be asked.
pub fn ready<'s>(app: &App, hosted: &Hosted) -> Reply<'s> {
    let is_ready = app.is_ready();
    let status = if is_ready { 200 } else { 503 };
    reply(status, &json!({ "name": hosted.name, "ready": is_ready }))
}

/// The configuration that Triton would make up for the model. `max_batch_size` is there where all
/// inputs and outputs count records, and `dims` are then those of one record.
pub fn config<'s>(hosted: &Hosted) -> Reply<'s> {
    let inputs = &hosted.model.signature().inputs;
    let shapes: Vec<_> = inputs
        .iter()
        .map(|port| input_shape(hosted, port))
        .collect();
    let is_batched = !inputs.is_empty()
        && shapes.iter().all(|shape| shape.first() == Some(&None))
        && hosted.outputs().iter().all(|output| output.counts_records);
    let port = |name: &str, data_type: String, shape: &[Option<usize>]| {
        let dims = shape.get(usize::from(is_batched)..).unwrap_or_default();
        match dims {
            // A configuration has no port without dimensions.
            [] => json!({
                "name": name,
                "data_type": data_type,
                "dims": [1],
                "reshape": {"shape": []},
            }),
            dims => json!({ "name": name, "data_type": data_type, "dims": numbers(dims) }),
        }
    };
    let inputs = inputs
        .iter()
        .zip(&shapes)
        .map(|(input, shape)| port(&input.name, input_type(input).1, shape));
    let outputs = hosted.outputs().iter().map(|output| {
        let data_type = datatype::config_name(output.dtype);
        port(&output.name, data_type, &output.shape)
    });
    reply(
        200,
        &json!({
            "name": hosted.name,
            "platform": "onnxruntime_onnx",
            "backend": "onnxruntime",
            "version_policy": {"latest": {"num_versions": 1}},
            "max_batch_size": if is_batched { hosted.hosting.batch_size } else { 0 },
            "input": inputs.collect::<Vec<_>>(),
            "output": outputs.collect::<Vec<_>>(),
        }),
    )
}

/// What the repository holds. The body may be empty, or an object with `ready`.
///
/// # Errors
/// A body that is anything else.
pub fn index<'s>(app: &App, body: &[u8]) -> Result<Reply<'s>, Problem> {
    let mut only_ready = false;
    if !body.trim_ascii().is_empty() {
        let asked: Value = serde_json::from_slice(body)
            .map_err(|_| Problem::invalid("json_invalid", "the body is not valid JSON"))?;
        let is_fine = asked.is_object()
            && asked
                .get("ready")
                .is_none_or(|ready| ready.is_boolean() || ready.is_null());
        if !is_fine {
            let message = "the body should be empty, or an object in which ready is true or false";
            return Err(Problem::invalid("not_an_object", message));
        }
        only_ready = asked.get("ready").and_then(Value::as_bool).unwrap_or(false);
    }
    let table = app.registry.table();
    let mut models = Vec::new();
    for entry in &table.entries {
        if entry.present().next().is_none() && !only_ready {
            models.push(json!({ "name": entry.name }));
        }
        let slots = entry.present();
        let slots = slots.filter(|slot| !only_ready || slot.hosted().is_some());
        models.extend(slots.map(|slot| {
            let (state, reason) = match &slot.state {
                State::Loading => ("LOADING", ""),
                State::Ready(_) => ("READY", ""),
                State::Failed(why) => ("UNAVAILABLE", why.as_str()),
                State::Draining(_) => ("UNLOADING", "requests are still at work"),
            };
            json!({
                "name": entry.name,
                "version": slot.version,
                "state": state,
                "reason": reason,
            })
        }));
    }
    Ok(reply(200, &Value::Array(models)))
}

/// The names of an input's type in metadata and in a configuration.
fn input_type(port: &Port) -> (String, String) {
    match port.tensor() {
        Some((dtype, _)) => (
            datatype::name_of(dtype).to_owned(),
            datatype::config_name(dtype),
        ),
        // It cannot be given, but it is there.
        None => (port.kind.to_string(), "TYPE_INVALID".to_owned()),
    }
}

/// The shape that an input may be given in: any number of records, also where a run takes a fixed one.
pub fn input_shape(hosted: &Hosted, port: &Port) -> Vec<Option<usize>> {
    match kind(port, hosted.batch()) {
        Kind::PerRecord(dims) => std::iter::once(None).chain(dims).collect(),
        Kind::Once(dims) => dims,
    }
}

/// A shape as the protocol has it: -1 for what is free.
fn numbers(shape: &[Option<usize>]) -> Vec<i64> {
    let number = |size: &Option<usize>| size.map_or(-1, |size| i64::try_from(size).unwrap_or(-1));
    shape.iter().map(number).collect()
}
