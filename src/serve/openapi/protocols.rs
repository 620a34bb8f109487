//! The operations of other model servers' protocols, told of compactly: one for all models.

use serde_json::{Map, Value, json};

use crate::serve::message::Method;

use super::paths::Paths;
use super::replies::{self, Shape};
use super::told::Told;

const OIP: &str = "Open Inference Protocol v2";
const TFS: &str = "TensorFlow Serving and KServe v1";
const MLFLOW: &str = "MLflow and SageMaker";

pub(super) fn tags() -> Vec<Value> {
    [
        (
            OIP,
            "As Triton, KServe and MLServer speak it; also with tensors in binary.",
        ),
        (
            TFS,
            "TensorFlow Serving's REST API, and KServe v1 on its paths.",
        ),
        (
            MLFLOW,
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
    add_schemas(schemas);
    add_oip(paths, models);
    add_tfs(paths, models);
    add_mlflow(paths, models);
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

fn add_oip(paths: &mut Paths, models: &[Told<'_>]) {
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
            tag: OIP,
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
    let example = models.first().and_then(oip_example);
    for (path, id) in [
        ("/v2/models/{model}/infer", "v2_infer"),
        (
            "/v2/models/{model}/versions/{version}/infer",
            "v2_infer_version",
        ),
    ] {
        Operation {
            tag: OIP,
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
        tag: OIP,
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

fn oip_example(told: &Told<'_>) -> Option<Value> {
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

fn add_tfs(paths: &mut Paths, models: &[Told<'_>]) {
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
            tag: TFS,
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
            tag: TFS,
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
            tag: TFS,
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

fn add_mlflow(paths: &mut Paths, models: &[Told<'_>]) {
    let nothing = json!({"type": "string"});
    for (path, id) in [("/ping", "ping"), ("/health", "health")] {
        Operation {
            tag: MLFLOW,
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
            tag: MLFLOW,
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

fn add_schemas(schemas: &mut Map<String, Value>) {
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
