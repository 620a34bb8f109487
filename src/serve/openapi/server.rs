//! The operations about the server and its models: health, version, metrics, pages.

use serde_json::{Map, Value, json};

use crate::serve::message::Method;

use super::paths::Paths;
use super::replies::{self, Shape};

const TAG: &str = "Server";

pub(super) fn tags() -> Vec<Value> {
    vec![json!({"name": TAG, "description": "Health, the models and their signatures, metrics."})]
}

/// A path, what is found there, its content type, and its schema.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    Value,
);

fn rows() -> Vec<Row> {
    const JSON: &str = "application/json";
    const HTML: &str = "text/html";
    let schema = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let text = || json!({"type": "string"});
    vec![
        ("/models", "models", "All models", JSON, schema("Models")),
        (
            "/models/{model}",
            "model",
            "A model and its signature",
            JSON,
            schema("Model"),
        ),
        (
            "/models/{model}/versions/{version}",
            "model_version",
            "A version of a model",
            JSON,
            schema("Model"),
        ),
        (
            "/livez",
            "livez",
            "Whether the process answers",
            JSON,
            schema("Status"),
        ),
        (
            "/healthz",
            "healthz",
            "Whether the process answers",
            JSON,
            schema("Status"),
        ),
        (
            "/readyz",
            "readyz",
            "Whether requests are welcome",
            JSON,
            schema("Status"),
        ),
        (
            "/version",
            "version",
            "The versions of this server",
            JSON,
            schema("Version"),
        ),
        (
            "/metrics",
            "metrics",
            "Metrics for Prometheus",
            "text/plain",
            text(),
        ),
        (
            "/openapi.json",
            "openapi",
            "This document",
            JSON,
            json!({"type": "object"}),
        ),
        ("/docs", "docs", "This document in Swagger UI", HTML, text()),
        ("/redoc", "redoc", "This document in Redoc", HTML, text()),
        (
            "/",
            "home",
            "What is served, and a form to try it",
            HTML,
            text(),
        ),
    ]
}

fn rows_of_drift() -> Vec<Row> {
    const JSON: &str = "application/json";
    let drift = || json!({"$ref": "#/components/schemas/Drift"});
    vec![
        (
            "/drift",
            "drift_page",
            "How far the last records of all models are from their baselines",
            "text/html",
            json!({"type": "string"}),
        ),
        (
            "/models/{model}/drift",
            "drift",
            "How far a model's last records are from its baseline",
            JSON,
            drift(),
        ),
        (
            "/models/{model}/versions/{version}/drift",
            "drift_version",
            "How far the last records of a version are from its baseline",
            JSON,
            drift(),
        ),
    ]
}

/// Adds the operations.
pub(super) fn add(paths: &mut Paths, schemas: &mut Map<String, Value>) {
    for (path, id, summary, content_type, schema) in rows().into_iter().chain(rows_of_drift()) {
        let mut responses = json!({
            "200": {"description": summary, "content": {content_type: {"schema": schema}}},
        });
        let mut statuses = vec![401, 405, 414, 431, 500, 503];
        if path.contains('{') {
            statuses.push(404);
        }
        replies::add_errors(&mut responses, Shape::Native, &statuses);
        let operation = json!({"tags": [TAG], "summary": summary, "responses": responses});
        paths.add(Method::Get, path, id, operation);
    }
    add_schemas(schemas);
}

fn add_schemas(schemas: &mut Map<String, Value>) {
    let mut add = |name: &str, properties: Value| {
        let required: Vec<String> = properties
            .as_object()
            .map(|members| members.keys().cloned().collect())
            .unwrap_or_default();
        let schema = json!({"type": "object", "properties": properties, "required": required});
        schemas.insert(name.to_owned(), schema);
    };
    let text = json!({"type": "string"});
    let port = |more: Value| {
        let mut port = json!({
            "name": {"type": "string"},
            "dtype": {"type": ["string", "null"]},
            "shape": {"type": ["array", "null"], "items": {"type": ["integer", "string", "null"]}},
        });
        if let (Some(port), Value::Object(more)) = (port.as_object_mut(), more) {
            port.extend(more);
        }
        json!({"type": "array", "items": {"type": "object", "properties": port}})
    };
    add("Status", json!({"status": text}));
    add(
        "Version",
        json!({"name": text, "version": text, "runtime": text}),
    );
    let names = json!({"type": ["array", "null"], "items": text});
    add(
        "Model",
        json!({
            "name": text,
            "version": text,
            "format": text,
            "inputs": port(json!({"categories": {"type": ["array", "null"]}, "features": names})),
            "outputs": port(json!({"classes": names, "columns": names})),
        }),
    );
    add(
        "Drift",
        json!({
            "model": text,
            "version": text,
            "baseline": {"type": ["object", "null"]},
            "records": {"type": "integer"},
            "features": {"type": "array", "items": {"type": "object"}},
            "predictions": {"type": "array", "items": {"type": "object"}},
        }),
    );
    let model = json!({
        "type": "object",
        "properties": {"name": text, "version": text, "state": text},
        "required": ["name", "version", "state"],
    });
    add(
        "Models",
        json!({"models": {"type": "array", "items": model}}),
    );
}
