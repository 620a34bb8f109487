//! Errors, in the shape of each dialect.

use serde_json::{Map, Value, json};

/// Who answers in which shape.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// `{"error", "detail"}`, as FastAPI has it.
    Native,
    /// `{"error"}`: the Open Inference Protocol, TensorFlow Serving.
    Protocol,
    /// `{"error_code", "message"}`.
    Mlflow,
}

/// Statuses, and when they come.
const STATUSES: [(u16, &str); 15] = [
    (400, "The request cannot be understood."),
    (401, "The server asks for a token, and this is not it."),
    (404, "There is no such path, model or version here."),
    (
        405,
        "The path does not take this method; `Allow` has those that it takes.",
    ),
    (406, "The answer has none of the forms that `Accept` names."),
    (408, "The request stopped coming."),
    (
        413,
        "The body is larger than the server takes, packed or unpacked.",
    ),
    (414, "The path and query are longer than the server takes."),
    (
        415,
        "The body has a content type or coding that is not known here.",
    ),
    (
        422,
        "The request is understood, and what it says does not fit the model: every fault with its place.",
    ),
    (431, "The header fields are larger than the server takes."),
    (500, "The model or the server failed."),
    (501, "This is not done here."),
    (
        503,
        "The server is stopping or has too much to do; `Retry-After` says when to come again.",
    ),
    (504, "The answer took longer than it may."),
];

/// Adds references to the errors of an operation.
pub(super) fn add_errors(responses: &mut Value, shape: Shape, statuses: &[u16]) {
    let Some(members) = responses.as_object_mut() else {
        return;
    };
    for status in statuses {
        let name = name(shape, *status);
        members.insert(
            status.to_string(),
            json!({"$ref": format!("#/components/responses/{name}")}),
        );
    }
}

fn name(shape: Shape, status: u16) -> String {
    let shape = match shape {
        Shape::Native => "Error",
        Shape::Protocol => "ProtocolError",
        Shape::Mlflow => "MlflowError",
    };
    format!("{shape}{status}")
}

/// All errors of all shapes.
pub(super) fn components() -> Value {
    let mut responses = Map::new();
    for shape in [Shape::Native, Shape::Protocol, Shape::Mlflow] {
        for (status, description) in STATUSES {
            let mut response = json!({
                "description": description,
                "content": {content_type(shape, status): {"schema": schema(shape, status)}},
            });
            if let (405, Some(members)) = (status, response.as_object_mut()) {
                let allow = json!({"Allow": {"schema": {"type": "string"}}});
                members.insert("headers".to_owned(), allow);
            }
            responses.insert(name(shape, status), response);
        }
    }
    responses.into()
}

fn content_type(shape: Shape, status: u16) -> &'static str {
    match (shape, status) {
        (Shape::Mlflow, 415) => "text/plain",
        _ => "application/json",
    }
}

fn schema(shape: Shape, status: u16) -> Value {
    match (shape, status) {
        // What never became a request is answered in one shape, whatever the path.
        (_, 408 | 413 | 414 | 431 | 503) | (Shape::Native, _) if status != 422 => match shape {
            Shape::Native => json!({"$ref": "#/components/schemas/Error"}),
            Shape::Protocol => json!({"$ref": "#/components/schemas/ProtocolError"}),
            Shape::Mlflow => json!({"anyOf": [
                {"$ref": "#/components/schemas/MlflowError"},
                {"$ref": "#/components/schemas/Error"},
            ]}),
        },
        (Shape::Native, _) => json!({"$ref": "#/components/schemas/HTTPValidationError"}),
        (Shape::Protocol, _) => json!({"$ref": "#/components/schemas/ProtocolError"}),
        (Shape::Mlflow, 415) => json!({"type": "string"}),
        (Shape::Mlflow, _) => json!({"$ref": "#/components/schemas/MlflowError"}),
    }
}

/// The schemas of errors.
pub(super) fn add(schemas: &mut Map<String, Value>) {
    let mut add = |name: &str, schema: Value| schemas.insert(name.to_owned(), schema);
    let sentence = json!({"type": "string", "description": "What is wrong, in one sentence."});
    add(
        "Error",
        json!({
            "type": "object",
            "properties": {"error": sentence, "detail": {"type": "string"}},
            "required": ["error", "detail"],
        }),
    );
    add(
        "HTTPValidationError",
        json!({
            "type": "object",
            "properties": {
                "error": sentence,
                "detail": {"type": "array", "items": {"$ref": "#/components/schemas/ValidationError"}},
                "faults": {"type": "integer", "description": "How many there are, where not all are told of."},
            },
            "required": ["error", "detail"],
        }),
    );
    add(
        "ValidationError",
        json!({
            "type": "object",
            "properties": {
                "loc": {
                    "type": "array",
                    "items": {"type": ["string", "integer"]},
                    "examples": [["body", "instances", 3, "age"]],
                },
                "msg": {"type": "string"},
                "type": {"type": "string", "description": "A stable word for machines."},
                "input": {"description": "What was found."},
            },
            "required": ["loc", "msg", "type"],
        }),
    );
    add(
        "ProtocolError",
        json!({"type": "object", "properties": {"error": sentence}, "required": ["error"]}),
    );
    add(
        "MlflowError",
        json!({
            "type": "object",
            "properties": {"error_code": {"type": "string"}, "message": sentence},
            "required": ["error_code", "message"],
        }),
    );
}
