//! The Open Inference Protocol, version 2.

use serde_json::{Map, Value, json};

use crate::serve::message::Method;

use super::super::paths::Paths;
use super::super::replies::Shape;
use super::super::told::Told;
use super::{Operation, body, schema};

/// The heading of its operations.
pub(super) const TAG: &str = "Open Inference Protocol v2";

/// Adds the operations.
pub(super) fn add(paths: &mut Paths, models: &[Told<'_>]) {
    let object = json!({"type": "object"});
    let metadata = schema("OipModel");
    for (path, id, summary, answer) in [
        ("/v2", "v2", "The server", &object),
        (
            "/v2/health/live",
            "v2_live",
            "Whether the process answers",
            &object,
        ),
        (
            "/v2/health/ready",
            "v2_ready",
            "Whether requests are welcome",
            &object,
        ),
        ("/v2/models", "v2_models", "All models", &object),
        (
            "/v2/models/stats",
            "v2_stats",
            "Statistics of all models",
            &object,
        ),
        (
            "/v2/models/{model}",
            "v2_model",
            "A model's metadata",
            &metadata,
        ),
        (
            "/v2/models/{model}/ready",
            "v2_model_ready",
            "Whether a model can be asked",
            &object,
        ),
        (
            "/v2/models/{model}/config",
            "v2_model_config",
            "A model's configuration",
            &object,
        ),
        (
            "/v2/models/{model}/stats",
            "v2_model_stats",
            "A model's statistics",
            &object,
        ),
        (
            "/v2/models/{model}/versions/{version}",
            "v2_model_version",
            "A version's metadata",
            &metadata,
        ),
        (
            "/v2/models/{model}/versions/{version}/ready",
            "v2_model_version_ready",
            "Whether a version can be asked",
            &object,
        ),
    ] {
        Operation {
            tag: TAG,
            shape: Shape::Protocol,
            method: Method::Get,
            path,
            id,
            summary,
            answer,
            body: None,
        }
        .add(paths);
    }
    add_writes(paths, models);
}

fn add_writes(paths: &mut Paths, models: &[Told<'_>]) {
    let example = models.first().and_then(example);
    for (path, id) in [
        ("/v2/models/{model}/infer", "v2_infer"),
        (
            "/v2/models/{model}/versions/{version}/infer",
            "v2_infer_version",
        ),
    ] {
        Operation {
            tag: TAG,
            shape: Shape::Protocol,
            method: Method::Post,
            path,
            id,
            summary: "Tensors through a model",
            answer: &schema("OipAnswer"),
            body: Some(body("OipRequest", example.clone())),
        }
        .add(paths);
    }
    Operation {
        tag: TAG,
        shape: Shape::Protocol,
        method: Method::Post,
        path: "/v2/repository/index",
        id: "v2_index",
        summary: "What the repository holds",
        answer: &json!({"type": "array", "items": {"type": "object"}}),
        body: None,
    }
    .add(paths);
}

fn example(told: &Told<'_>) -> Option<Value> {
    let tensors = &told.examples.tensors;
    let inputs = tensors.iter().map(|tensor| {
        json!({
            "name": tensor.name,
            "shape": tensor.shape,
            "datatype": tensor.datatype,
            "data": flat(&tensor.value),
        })
    });
    (!tensors.is_empty()).then(|| json!({"inputs": inputs.collect::<Vec<_>>()}))
}

/// The elements of nested lists, row-major; a scalar is one.
fn flat(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().flat_map(flat).collect(),
        element => vec![element],
    }
}

/// Adds the schemas.
pub(super) fn add_schemas(schemas: &mut Map<String, Value>) {
    let mut add = |name: &str, schema: Value| schemas.insert(name.to_owned(), schema);
    let text = json!({"type": "string"});
    let tensor = json!({
        "type": "object",
        "properties": {
            "name": text,
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
            "datatype": {"type": "string", "examples": ["FP32", "INT64", "BYTES"]},
            "parameters": {"type": "object"},
            "data": {"type": "array", "description": "Row-major, flat or nested."},
        },
        "required": ["name", "shape", "datatype"],
    });
    let tensors = json!({"type": "array", "items": tensor});
    let request = json!({
        "type": "object",
        "properties": {
            "id": text,
            "inputs": tensors,
            "outputs": {"type": "array", "items": {
                "type": "object",
                "properties": {"name": text, "parameters": {"type": "object"}},
                "required": ["name"],
            }},
            "parameters": {"type": "object"},
        },
        "required": ["inputs"],
    });
    add("OipRequest", request);
    add(
        "OipAnswer",
        json!({
            "type": "object",
            "properties": {"id": text, "model_name": text, "model_version": text, "outputs": tensors},
            "required": ["model_name", "outputs"],
        }),
    );
    add(
        "OipModel",
        json!({
            "type": "object",
            "properties": {
                "name": text,
                "versions": {"type": "array", "items": text},
                "platform": text,
                "inputs": {"type": "array", "items": {"type": "object"}},
                "outputs": {"type": "array", "items": {"type": "object"}},
            },
            "required": ["name", "inputs", "outputs"],
        }),
    );
}
