//! The operations of our own dialect: `POST /predict` for each model.

use serde_json::{Map, Value, json};

use crate::serve::message::Method;

use super::paths::Paths;
use super::replies::{self, Shape};
use super::schema::reference;
use super::told::{Told, shown};

/// Something that may be wished of predictions, in the query or beside the records.
pub(super) enum Wish {
    Outputs,
    Top,
    Argmax,
    Threshold,
    Activation,
    Classes,
    Keep,
}

/// All wishes; those about scores are only told of where there may be some.
pub(super) const WISHES: [Wish; 7] = [
    Wish::Outputs,
    Wish::Top,
    Wish::Argmax,
    Wish::Threshold,
    Wish::Activation,
    Wish::Classes,
    Wish::Keep,
];

impl Wish {
    /// Its name, its schema, and what it does.
    pub(super) fn told(&self) -> (&'static str, Value, &'static str) {
        let names =
            || json!({"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1});
        match self {
            Wish::Outputs => (
                "outputs",
                names(),
                "Outputs to show; all where none is named.",
            ),
            Wish::Top => (
                "top",
                json!({"type": "integer", "minimum": 1, "maximum": u32::MAX}),
                "Only so many classes with the highest scores, the best first.",
            ),
            Wish::Argmax => (
                "argmax",
                json!({"type": "boolean"}),
                "Only the class with the highest score.",
            ),
            Wish::Threshold => (
                "threshold",
                json!({"type": "number"}),
                "The positive class wins from this score on, for two classes.",
            ),
            Wish::Activation => (
                "activation",
                json!({"type": "string", "enum": ["sigmoid", "softmax"]}),
                "What raw scores go through.",
            ),
            Wish::Classes => (
                "classes",
                names(),
                "Names for the classes, in the model's order.",
            ),
            Wish::Keep => (
                "keep",
                names(),
                "Fields of the record to give back: their names, or all, unused or none.",
            ),
        }
    }

    fn is_about_scores(&self) -> bool {
        !matches!(self, Wish::Outputs | Wish::Keep)
    }
}

/// Adds the operations of one model; `is_only` where the short path means it.
pub(super) fn add(paths: &mut Paths, told: &Told<'_>, is_only: bool) {
    let name = shown(&told.hosted.name);
    let summary = format!("Predict with {name}");
    if is_only {
        paths.add(
            Method::Post,
            "/predict",
            "predict",
            operation(told, &summary),
        );
    }
    let id = format!("predict_{}", told.name);
    paths.add(
        Method::Post,
        &told.path(false),
        &id,
        operation(told, &summary),
    );
    let summary = format!(
        "Predict with {name}, version {}",
        shown(&told.hosted.version)
    );
    let id = format!("{id}_version_{}", told.hosted.version);
    paths.add(
        Method::Post,
        &told.version_path(),
        &id,
        operation(told, &summary),
    );
}

fn operation(told: &Told<'_>, summary: &str) -> Value {
    let mut responses = json!({
        "200": {
            "description": "The predictions, in the form that `Accept` asks for.",
            "content": answers(told),
        },
    });
    replies::add_errors(
        &mut responses,
        Shape::Native,
        &[
            400, 401, 404, 405, 406, 408, 413, 414, 415, 422, 431, 500, 503, 504,
        ],
    );
    json!({
        "tags": [told.tag],
        "summary": summary,
        "description": "One record, a list of records (objects, or lists by position), \
            `{\"instances\": [...]}`, or whole tensors as `{\"inputs\": {...}}`. Every fault of a request \
            is in one answer (422).",
        "parameters": parameters(told),
        "requestBody": {"required": true, "content": bodies(told)},
        "responses": responses,
    })
}

fn parameters(told: &Told<'_>) -> Value {
    let wishes = WISHES.iter();
    let wishes = wishes.filter(|wish| told.has_scores() || !wish.is_about_scores());
    let parameter = |wish: &Wish| {
        let (name, mut schema, description) = wish.told();
        if let (Wish::Outputs, Some(items)) = (wish, schema.get_mut("items")) {
            let outputs = &told.hosted.model.signature().outputs;
            let names: Vec<&str> = outputs.iter().map(|port| port.name.as_str()).collect();
            *items = json!({"type": "string", "enum": names});
        }
        json!({
            "name": name,
            "in": "query",
            "description": description,
            "schema": schema,
            "style": "form",
            "explode": false,
        })
    };
    wishes.map(parameter).collect()
}

/// The bodies, in every form.
fn bodies(told: &Told<'_>) -> Value {
    let json_body = with_examples(
        json!({"schema": reference(told, "Request")}),
        examples(told),
    );
    let mut bodies = json!({ "application/json": json_body });
    let Some(content) = bodies.as_object_mut() else {
        return bodies;
    };
    if told.hosted.expected().is_err() {
        return bodies;
    }
    let text = |examples: Map<String, Value>| {
        with_examples(json!({"schema": {"type": "string"}}), examples)
    };
    let csv = told.examples.csv.as_ref();
    let csv = csv.map(|csv| {
        (
            "csv".to_owned(),
            json!({"summary": "A header and records", "value": csv}),
        )
    });
    content.insert("text/csv".to_owned(), text(csv.into_iter().collect()));
    let lines: String = told
        .examples
        .records
        .iter()
        .map(|record| format!("{record}\n"))
        .collect();
    let lines = Some((
        "ndjson".to_owned(),
        json!({"summary": "A record on each line", "value": lines}),
    ));
    let lines = lines.filter(|_| !told.examples.records.is_empty());
    content.insert(
        "application/x-ndjson".to_owned(),
        text(lines.into_iter().collect()),
    );
    content.insert("application/x-npy".to_owned(), json!({}));
    bodies
}

fn with_examples(mut content: Value, examples: Map<String, Value>) -> Value {
    if let (Some(members), false) = (content.as_object_mut(), examples.is_empty()) {
        members.insert("examples".to_owned(), examples.into());
    }
    content
}

/// Examples of all shapes of JSON.
fn examples(told: &Told<'_>) -> Map<String, Value> {
    let tried = &told.examples;
    let mut examples = Map::new();
    let mut add = |name: &str, summary: &str, value: Value| {
        examples.insert(name.to_owned(), json!({"summary": summary, "value": value}));
    };
    if let Some(first) = tried.records.first() {
        add("record", "One record", first.clone());
        add("records", "Several records", json!(tried.records));
        add("rows", "Records by position", json!(tried.rows()));
        if !told.has_column("instances") {
            add(
                "instances",
                "Records beside wishes",
                json!({ "instances": tried.records }),
            );
        }
    }
    if !tried.tensors.is_empty() && !told.has_column("inputs") {
        add(
            "inputs",
            "Whole tensors",
            json!({ "inputs": tried.inputs() }),
        );
    }
    examples
}

/// The answers, in every form.
fn answers(told: &Told<'_>) -> Value {
    let mut answer = json!({"schema": reference(told, "Answer")});
    if let (Some(members), Some(example)) = (answer.as_object_mut(), &told.examples.answer) {
        members.insert("example".to_owned(), example.clone());
    }
    json!({
        "application/json": answer,
        "text/csv": {"schema": {"type": "string"}},
        "application/x-ndjson": {"schema": {"type": "string"}},
        "application/x-npy": {},
    })
}
