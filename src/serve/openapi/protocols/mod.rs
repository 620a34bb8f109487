//! The operations of other model servers' protocols, told of compactly: one for all models.

mod mlflow;
mod oip;
mod tfs;

use serde_json::{Map, Value, json};

use crate::serve::message::Method;

use super::paths::Paths;
use super::replies::{self, Shape};
use super::told::Told;

pub(super) fn tags() -> Vec<Value> {
    [
        (
            oip::TAG,
            "As Triton, KServe and MLServer speak it; also with tensors in binary.",
        ),
        (
            tfs::TAG,
            "TensorFlow Serving's REST API, and KServe v1 on its paths.",
        ),
        (
            mlflow::TAG,
            "MLflow's scoring protocol, and SageMaker's on its paths.",
        ),
    ]
    .into_iter()
    .map(|(name, description)| json!({"name": name, "description": description}))
    .collect()
}

/// An operation: its path, its id, what it does, the schema of its answer.
struct Operation<'t> {
    tag: &'static str,
    shape: Shape,
    method: Method,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    answer: &'t Value,
    body: Option<Value>,
}

/// Adds the operations of all protocols.
pub(super) fn add(paths: &mut Paths, schemas: &mut Map<String, Value>, models: &[Told<'_>]) {
    oip::add_schemas(schemas);
    oip::add(paths, models);
    tfs::add_schemas(schemas);
    tfs::add(paths, models);
    mlflow::add_schemas(schemas);
    mlflow::add(paths, models);
}

impl Operation<'_> {
    fn add(self, paths: &mut Paths) {
        let content = match self.answer.get("type").and_then(Value::as_str) {
            Some("string") => json!({"application/json": {}}),
            _ => json!({"application/json": {"schema": self.answer}}),
        };
        let mut responses = json!({"200": {"description": self.summary, "content": content}});
        let mut statuses = vec![401, 405, 414, 431, 500, 503];
        if self.path.contains('{') {
            statuses.push(404);
        }
        if self.body.is_some() {
            statuses.extend([400, 404, 408, 413, 415, 504]);
        }
        replies::add_errors(&mut responses, self.shape, &statuses);
        let mut operation = json!({
            "tags": [self.tag],
            "summary": self.summary,
            "responses": responses,
        });
        if let (Some(body), Some(members)) = (self.body, operation.as_object_mut()) {
            members.insert("requestBody".to_owned(), body);
        }
        paths.add(self.method, self.path, self.id, operation);
    }
}

fn schema(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn body(name: &str, example: Option<Value>) -> Value {
    let mut content = json!({"schema": schema(name)});
    if let (Some(members), Some(example)) = (content.as_object_mut(), example) {
        members.insert("example".to_owned(), example);
    }
    json!({"required": true, "content": {"application/json": content}})
}
