//! MLflow's scoring protocol, and SageMaker's on its paths.

use serde_json::{Map, Value, json};

use crate::serve::message::Method;

use super::super::paths::Paths;
use super::super::replies::Shape;
use super::super::told::Told;
use super::{Operation, body, schema};

/// The heading of its operations.
pub(super) const TAG: &str = "MLflow and SageMaker";

/// Adds the operations.
pub(super) fn add(paths: &mut Paths, models: &[Told<'_>]) {
    let nothing = json!({"type": "string"});
    for (path, id) in [("/ping", "ping"), ("/health", "health")] {
        Operation {
            tag: TAG,
            shape: Shape::Mlflow,
            method: Method::Get,
            path,
            id,
            summary: "Whether requests are welcome",
            answer: &nothing,
            body: None,
        }
        .add(paths);
    }
    let records = models.first().map(|told| told.examples.records.clone());
    let records = records.filter(|records| !records.is_empty());
    let example = records.map(|records| json!({"dataframe_records": records}));
    let mut add = |path, id| {
        Operation {
            tag: TAG,
            shape: Shape::Mlflow,
            method: Method::Post,
            path,
            id,
            summary: "Predict, from a data frame or tensors",
            answer: &schema("MlflowAnswer"),
            body: Some(body("MlflowRequest", example.clone())),
        }
        .add(paths);
    };
    // Without a name in the path it is the only model that is asked.
    if models.len() == 1 {
        add("/invocations", "invocations");
    }
    add("/models/{model}/invoke", "invoke");
}

/// Adds the schemas.
pub(super) fn add_schemas(schemas: &mut Map<String, Value>) {
    let mut add = |name: &str, schema: Value| schemas.insert(name.to_owned(), schema);
    let list = json!({"type": "array"});
    let split =
        json!({"type": "object", "properties": {"columns": list, "index": list, "data": list}});
    let records = json!({"type": "array", "items": {"type": "object"}});
    let params = json!({"type": "object", "description": "outputs, top, keep... as in the query of /predict"});
    let way = |name: &str, schema: &Value| json!({"title": name, "properties": {name: schema, "params": params}, "required": [name]});
    add(
        "MlflowRequest",
        json!({"type": "object", "anyOf": [
            way("dataframe_records", &records),
            way("dataframe_split", &split),
            way("instances", &list),
            way("inputs", &json!({})),
        ]}),
    );
    add(
        "MlflowAnswer",
        json!({"type": "object", "properties": {"predictions": {}}, "required": ["predictions"]}),
    );
}
