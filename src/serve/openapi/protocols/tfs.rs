//! TensorFlow Serving's REST dialect, and KServe v1 on its paths.

use serde_json::{Map, Value, json};

use crate::serve::message::Method;

use super::super::paths::Paths;
use super::super::replies::Shape;
use super::super::told::Told;
use super::{Operation, body, schema};

/// The heading of its operations.
pub(super) const TAG: &str = "TensorFlow Serving and KServe v1";

/// Adds the operations.
pub(super) fn add(paths: &mut Paths, models: &[Told<'_>]) {
    let object = json!({"type": "object"});
    for (path, id, summary) in [
        ("/v1/models", "v1_models", "All models"),
        ("/v1/models/{model}", "v1_status", "A model's state"),
        (
            "/v1/models/{model}/metadata",
            "v1_metadata",
            "A model's signature",
        ),
        (
            "/v1/models/{model}/versions/{version}",
            "v1_version_status",
            "A version's state",
        ),
    ] {
        Operation {
            tag: TAG,
            shape: Shape::Protocol,
            method: Method::Get,
            path,
            id,
            summary,
            answer: &object,
            body: None,
        }
        .add(paths);
    }
    let first = models.first().map(|told| &told.examples);
    let columns = first.filter(|tried| !tried.tensors.is_empty());
    let columns = columns.map(|tried| json!({"inputs": tried.inputs()}));
    for (path, id) in [
        ("/v1/models/{model}:predict", "v1_predict"),
        (
            "/v1/models/{model}/versions/{version}:predict",
            "v1_predict_version",
        ),
    ] {
        Operation {
            tag: TAG,
            shape: Shape::Protocol,
            method: Method::Post,
            path,
            id,
            summary: "Predict, by rows or by columns",
            answer: &schema("TfsAnswer"),
            body: Some(body("TfsRequest", columns.clone())),
        }
        .add(paths);
    }
    for (path, id, summary) in [
        (
            "/v1/models/{model}:classify",
            "v1_classify",
            "Classes with their scores",
        ),
        (
            "/v1/models/{model}:regress",
            "v1_regress",
            "A number for each example",
        ),
    ] {
        Operation {
            tag: TAG,
            shape: Shape::Protocol,
            method: Method::Post,
            path,
            id,
            summary,
            answer: &object,
            body: Some(body("TfsExamples", None)),
        }
        .add(paths);
    }
}

/// Adds the schemas.
pub(super) fn add_schemas(schemas: &mut Map<String, Value>) {
    let mut add = |name: &str, schema: Value| schemas.insert(name.to_owned(), schema);
    add(
        "TfsRequest",
        json!({"type": "object", "anyOf": [
            {"title": "By rows", "properties": {"instances": {"type": "array"}}, "required": ["instances"]},
            {"title": "By columns", "properties": {"inputs": {}}, "required": ["inputs"]},
        ]}),
    );
    add(
        "TfsAnswer",
        json!({"type": "object", "anyOf": [
            {"properties": {"predictions": {"type": "array"}}, "required": ["predictions"]},
            {"properties": {"outputs": {}}, "required": ["outputs"]},
        ]}),
    );
    add(
        "TfsExamples",
        json!({
            "type": "object",
            "properties": {
                "context": {"type": "object"},
                "examples": {"type": "array", "items": {"type": "object"}, "minItems": 1},
            },
            "required": ["examples"],
        }),
    );
}
