//! The document, held to what the server does.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::document;
use crate::batch::write::NonFinite;
use crate::serve::app::App;
use crate::serve::hosted::Hosted;
use crate::serve::message::Method;
use crate::serve::registry::Registry;
use crate::serve::tests::{app, ask, hosting};

/// What a name in a model file or on the command line may be.
pub(crate) const HOSTILE: &str = "a</script><b>\"'&{x}/\u{1b}[2J\u{202e}%2f";

/// An app that serves models of the corpus under names of one's own.
pub(crate) fn named(models: &[(&str, &str)]) -> App {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let models = models.iter().map(|(name, file)| {
        let hosted = Hosted::load(&root.join(file), name, "1", &hosting());
        Arc::new(hosted.expect("a model"))
    });
    App::new(
        Arc::new(Registry::new(models.collect())),
        NonFinite::Null,
        None,
    )
}

/// The members of an object.
fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// The concrete path of a template, its parameters as their examples say.
fn concrete(template: &str, operation: &Value) -> String {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let in_path = parameters.filter(|parameter| parameter["in"] == "path");
    in_path.fold(template.to_owned(), |path, parameter| {
        let name = parameter["name"].as_str().unwrap_or_default();
        let value = parameter["example"].as_str().unwrap_or_default();
        path.replace(&format!("{{{name}}}"), &super::paths::segment(value))
    })
}

/// Asks every operation for what the document says, each example of a body; how many bodies there were.
fn ask_all(app: &App, document: &Value) -> usize {
    let mut bodies = 0;
    for (template, item) in members(&document["paths"]) {
        for (method, operation) in members(item) {
            let path = concrete(template, operation);
            let (method, mut asked) = match method.as_str() {
                "get" => (Method::Get, vec![("application/json", String::new())]),
                _ => (Method::Post, Vec::new()),
            };
            for (kind, content) in members(&operation["requestBody"]["content"]) {
                let examples = members(&content["examples"]).map(|(_, example)| &example["value"]);
                for example in examples.chain(content.get("example")) {
                    let body = example.as_str().map_or(example.to_string(), str::to_owned);
                    asked.push((kind, body));
                    bodies += 1;
                }
            }
            for (kind, body) in asked {
                let headers = [("Content-Type", kind)];
                let (status, told) = ask(app, method, &path, &headers, body.as_bytes());
                assert_eq!(status, 200, "{path} {kind} {body}: {told}");
                assert!(operation["responses"].get("200").is_some(), "{path}");
            }
        }
    }
    bodies
}

#[test]
fn every_example_of_every_sample_model_runs() {
    for (model, least) in [
        ("auto_mpg", 20),
        ("breast_cancer", 20),
        ("diabetes", 20),
        ("diamonds", 20),
        ("digits", 20),
        ("iris", 20),
        ("languages", 20),
        ("penguins", 20),
        ("titanic", 20),
        ("wine", 20),
    ] {
        let app = app(&format!("{model}.onnx"), &hosting());
        let bodies = ask_all(&app, &document(&app));
        assert!(bodies >= least, "{model}: {bodies}");
    }
}

#[test]
fn names_of_any_kind_make_paths_and_ids_of_their_own() {
    let app = named(&[
        ("a b", "models/iris.onnx"),
        ("a_b", "models/titanic.onnx"),
        (HOSTILE, "tests/corpus/features_json.onnx"),
    ]);
    let document = document(&app);
    assert!(ask_all(&app, &document) > 20);
    let mut ids: Vec<&Value> = Vec::new();
    for (path, item) in members(&document["paths"]) {
        assert!(path.is_ascii() && !path.contains(['"', '<', ' ']), "{path}");
        for (_, operation) in members(item) {
            let id = &operation["operationId"];
            assert!(!ids.contains(&id), "{id}");
            ids.push(id);
        }
    }
    for word in ["/predict", "/invocations"] {
        assert_eq!(document["paths"].get(word), None, "{word} means no model");
    }
    for (schema, _) in members(&document["components"]["schemas"]) {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        assert!(schema.chars().all(is_plain), "{schema}");
    }
}

#[test]
fn references_lead_somewhere() {
    fn check(value: &Value, document: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| check(item, document)),
            Value::Object(members) => {
                if let Some(Value::String(to)) = members.get("$ref") {
                    let found = document.pointer(to.trim_start_matches('#'));
                    assert!(found.is_some(), "{to}");
                }
                members.values().for_each(|item| check(item, document));
            }
            _ => {}
        }
    }
    let document = document(&app("iris.onnx", &hosting()));
    check(&document, &document);
}

#[test]
fn records_and_predictions_have_the_schemas_of_the_signature() {
    let number = json!({"type": ["number", "null"], "format": "float"});
    for (model, pointer, schema) in [
        (
            "titanic",
            "Record/properties/class",
            json!({"type": "string", "enum": ["1st", "2nd", "3rd"]}),
        ),
        (
            "titanic",
            "Record/properties/age",
            json!({"type": ["number", "null"], "format": "double"}),
        ),
        ("titanic", "Record/required", json!(["class", "sex", "age"])),
        (
            "titanic",
            "Prediction/properties/output_label",
            json!({
                "type": "integer",
                "format": "int64",
                "minimum": i64::MIN,
                "maximum": i64::MAX,
            }),
        ),
        (
            "iris",
            "Record/properties/X",
            json!({"type": "array", "items": number, "minItems": 4, "maxItems": 4}),
        ),
        (
            "iris",
            "Prediction/properties/probabilities/required",
            json!(["setosa", "versicolor", "virginica"]),
        ),
        (
            "iris",
            "Prediction/properties/label",
            json!({"type": "string"}),
        ),
        ("digits", "Prediction/properties/logits/maxItems", json!(10)),
        (
            "digits",
            "Tensors/properties/image/items/items/items/minItems",
            json!(8),
        ),
    ] {
        let document = document(&app(&format!("{model}.onnx"), &hosting()));
        let found = document.pointer(&format!("/components/schemas/{model}.{pointer}"));
        assert_eq!(found, Some(&schema), "{model} {pointer}");
    }
}

#[test]
fn models_that_no_record_feeds_are_told_of_all_the_same() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut told = 0;
    for entry in std::fs::read_dir(root).expect("a folder").flatten() {
        let path = entry.path();
        let Ok(hosted) = Hosted::load(&path, HOSTILE, "1", &hosting()) else {
            continue;
        };
        let app = App::new(
            Arc::new(Registry::new(vec![Arc::new(hosted)])),
            NonFinite::Null,
            None,
        );
        ask_all(&app, &document(&app));
        let (status, page) = ask(&app, Method::Get, "/", &[], b"");
        assert_eq!(status, 200);
        assert!(
            !page.contains("<b>") && !page.contains('\u{1b}'),
            "{path:?}"
        );
        told += 1;
    }
    assert!(told > 20, "{told}");
}
