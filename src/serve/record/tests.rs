//! What is recorded of requests that are answered without a socket.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Recorder, Settings};
use crate::serve::app::App;
use crate::serve::hosted::Hosting;
use crate::serve::message::Method;
use crate::serve::tests::{app, ask, hosting, post};

/// A server that records, and its file.
struct Recorded {
    app: App,
    file: tempfile::NamedTempFile,
}

impl Recorded {
    fn new(model: &str, sample: f64, redact: &[&str]) -> Recorded {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let recorder = Recorder::open(&Settings {
            path: file.path().to_owned(),
            sample,
            most_bytes: 1 << 30,
            keep: 1,
            redact: redact.iter().map(|name| (*name).to_owned()).collect(),
        });
        let recorder = Arc::new(recorder.expect("a recorder"));
        let hosting = Hosting {
            recorder: Some(Arc::clone(&recorder)),
            ..hosting()
        };
        let mut app = app(model, &hosting);
        app.recorder = Some(recorder);
        Recorded { app, file }
    }

    /// All lines so far, without the times at which they were made.
    fn lines(&self) -> Vec<Value> {
        let recorder = self.app.recorder.as_ref().expect("a recorder");
        recorder.flush(Duration::from_secs(20));
        let text = std::fs::read_to_string(self.file.path()).expect("text");
        let line = |line: &str| {
            let mut line: Value = serde_json::from_str(line).expect("JSON");
            let time = line["mlserve"]
                .as_object_mut()
                .and_then(|about| about.remove("time"));
            let time = time.unwrap_or_default();
            assert!(
                time.as_str().is_some_and(|time| time.ends_with('Z')),
                "{time}"
            );
            line
        };
        text.lines().map(line).collect()
    }

    fn metric(&self, name: &str) -> f64 {
        let (_, text) = ask(&self.app, Method::Get, "/metrics", &[], b"");
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.expect("a metric").parse().expect("a number")
    }
}

const LENGTHS: [&str; 4] = [
    "sepal length (cm)",
    "sepal width (cm)",
    "petal length (cm)",
    "petal width (cm)",
];

#[test]
fn all_dialects_are_recorded_as_the_same_records() {
    let recorded = Recorded::new("iris.onnx", 1.0, &[]);
    let json = "application/json";
    let record = "[5.10,3.5,1.4,0.2]";
    let named = r#"{"sepal length (cm)":5.10,"sepal width (cm)":3.5,"petal length (cm)":1.4,"petal width (cm)":0.2}"#;
    let csv = format!("{}\n5.10,3.5,1.4,0.2\n", LENGTHS.join(","));
    let tensor = format!(
        "{{\"inputs\":[{{\"name\":\"X\",\"shape\":[1,4],\"datatype\":\"FP32\",\"data\":[{record}]}}]}}"
    );
    for (path, kind, body) in [
        ("/predict", json, record.to_owned()),
        (
            "/predict",
            json,
            format!("{{\n  \"instances\": [{named}]\n}}"),
        ),
        (
            "/predict",
            json,
            format!("{{\"inputs\":{{\"X\":[{record}]}}}}"),
        ),
        ("/predict", "text/csv", csv.clone()),
        ("/v2/models/iris/infer", json, tensor),
        (
            "/v1/models/iris:predict",
            json,
            format!("{{\"instances\":[{record}]}}"),
        ),
        (
            "/v1/models/iris:predict",
            json,
            format!("{{\"inputs\":[{record}]}}"),
        ),
        (
            "/v1/models/iris:classify",
            json,
            format!("{{\"examples\":[{named}]}}"),
        ),
        ("/invocations", json, format!("{{\"inputs\":[{record}]}}")),
        ("/invocations", "text/csv", csv.clone()),
    ] {
        let before = recorded.lines().len();
        let headers = [("Content-Type", kind), ("X-Request-Id", "abc")];
        let (status, answer) = ask(&recorded.app, Method::Post, path, &headers, body.as_bytes());
        assert_eq!(status, 200, "{path} {body}: {answer}");
        let lines = recorded.lines();
        assert_eq!(lines.len(), before + 1, "{path} {body}");
        let mut line = lines[before].clone();
        let about = line.as_object_mut().and_then(|line| line.remove("mlserve"));
        let about = about.expect("what it is about");
        let prediction = about["prediction"].clone();
        assert_eq!(
            about,
            json!({"id": "abc", "model": "iris", "version": "1", "prediction": prediction})
        );
        assert_eq!(prediction["label"], "setosa");
        assert!(
            prediction["probabilities"]["setosa"].as_f64() > Some(0.9),
            "{prediction}"
        );
        // The model itself has no names for its features.
        let expected = match body.contains(LENGTHS[0]) {
            true => json!({LENGTHS[0]: 5.1, LENGTHS[1]: 3.5, LENGTHS[2]: 1.4, LENGTHS[3]: 0.2}),
            false => json!({"X": [5.1, 3.5, 1.4, 0.2]}),
        };
        assert_eq!(line, expected, "{path} {body}");
    }
    assert_eq!(recorded.metric("mlserve_record_lines_total"), 10.0);
}

#[test]
fn fields_that_the_model_does_not_read_are_recorded_too_and_secrets_are_not() {
    let recorded = Recorded::new("titanic.onnx", 1.0, &["Name", "home dest"]);
    let record = r#"{"class":"3rd","sex":"male","age":22.0,
        "id": 7, "NAME":"Mr. Braund", "home.dest": [1,
        2], "mlserve": {"prediction": 1}}"#;
    let (status, answer) = post(&recorded.app, "/predict?keep=id", record);
    assert_eq!(status, 200, "{answer}");
    let lines = recorded.lines();
    let line = lines.first().expect("a line");
    assert_eq!(
        (&line["id"], &line["NAME"], &line["home.dest"]),
        (&7.into(), &Value::Null, &Value::Null)
    );
    assert!(
        line["mlserve"]["model"] == "titanic" && line.get("age").is_some(),
        "{line}"
    );
    assert!(!line.to_string().contains("Braund"));
}

#[test]
fn of_refused_requests_nothing_is_recorded() {
    let recorded = Recorded::new("iris.onnx", 1.0, &[]);
    assert_eq!(
        post(&recorded.app, "/predict", "[[5.1,3.5,1.4,0.2],[1]]").0,
        422
    );
    assert_eq!(
        ask(&recorded.app, Method::Get, "/openapi.json", &[], b"").0,
        200
    );
    assert_eq!(recorded.lines(), Vec::<Value>::new());
    // Of a stream, the lines that were answered are.
    let lines = "[5.1,3.5,1.4,0.2]\n[1]\n[6.2,2.9,4.3,1.3]\n";
    let headers = [("Content-Type", "application/x-ndjson")];
    assert_eq!(
        ask(
            &recorded.app,
            Method::Post,
            "/predict",
            &headers,
            lines.as_bytes()
        )
        .0,
        200
    );
    let labels: Vec<Value> = recorded
        .lines()
        .iter()
        .map(|line| line["mlserve"]["prediction"]["label"].clone())
        .collect();
    assert_eq!(labels, ["setosa", "versicolor"]);
}

#[test]
fn a_sample_is_chosen_by_the_ids_of_requests() {
    let recorded = Recorded::new("iris.onnx", 0.25, &[]);
    let ids = || {
        for number in 0..400 {
            let id = format!("request-{number}");
            let headers = [
                ("Content-Type", "application/json"),
                ("X-Request-Id", id.as_str()),
            ];
            let body = b"[5.1,3.5,1.4,0.2]";
            assert_eq!(
                ask(&recorded.app, Method::Post, "/predict", &headers, body).0,
                200
            );
        }
    };
    ids();
    let id = |line: &Value| line["mlserve"]["id"].clone();
    let first: Vec<Value> = recorded.lines().iter().map(id).collect();
    // 100 are expected, and 9 are their standard deviation.
    assert!((60..140).contains(&first.len()), "{}", first.len());
    ids();
    let both: Vec<Value> = recorded.lines().iter().map(id).collect();
    assert_eq!(both, [first.clone(), first].concat());
}

#[test]
fn what_is_too_long_is_left_out_and_counted() {
    let recorded = Recorded::new("languages.onnx", 1.0, &[]);
    let long = format!("[\"{}\"]", "word ".repeat(100_000));
    let (status, answer) = post(&recorded.app, "/predict", &long);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(recorded.lines(), Vec::<Value>::new());
    assert_eq!(
        recorded.metric("mlserve_record_lost_total{reason=\"size\"}"),
        1.0
    );
}
