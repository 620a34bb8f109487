//! The same record gets the same prediction from `predict` and from every dialect.

use serde_json::{Map, Value, json};

use super::{Serving, in_tests};
use crate::client::post;
use crate::run::{model_path, predict, repository_file};

/// The sample models whose records need no flags.
const MODELS: [&str; 9] = [
    "auto_mpg",
    "breast_cancer",
    "diabetes",
    "diamonds",
    "digits",
    "iris",
    "languages",
    "penguins",
    "titanic",
];
/// No more than one batch has, for the last bits may depend on that.
const RECORDS: usize = 50;

/// The answer's text.
fn ask(serving: &Serving, path: &str, fields: &str, body: &str) -> String {
    let mut client = serving.connect();
    client.send(post(path, fields, body.as_bytes()));
    let reply = client.reply();
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply.text()
}

#[test]
fn every_sample_model_says_over_http_what_predict_says_byte_by_byte() {
    for name in MODELS {
        let file = repository_file(&format!("sample_data/{name}.jsonl"));
        let records: Vec<&str> = file.lines().take(RECORDS).collect();
        let lines = records.join("\n") + "\n";
        let list = format!("[{}]", records.join(","));
        let said = predict(name, &["-q", "--from", "jsonl"])
            .given(&lines)
            .run();
        assert_eq!(said.code, 0, "{name}: {}", said.stderr);
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mlserve"));
        command.args(["serve", &model_path(name), "-p", "0"]);
        in_tests(&mut command);
        let serving = Serving::start(&mut command);
        let lines_out = "Accept: application/x-ndjson\r\n";
        let path = "/predict?keep=unused";
        assert_eq!(ask(&serving, path, lines_out, &list), said.stdout, "{name}");

        let csv = predict(name, &["-q", "--from", "jsonl", "--to", "csv"]);
        let csv = csv.given(&lines).run().stdout;
        let csv_out = "Accept: text/csv\r\n";
        assert_eq!(ask(&serving, path, csv_out, &list), csv, "{name}");

        // The other protocols have nothing to keep, and numbers of their own spelling.
        let bare = predict(name, &["-q", "--from", "jsonl", "--keep", "none"]);
        let bare = bare.given(&lines).run().stdout;
        let bare: Vec<Value> = bare
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let instances = format!("{{\"dataframe_records\":{list}}}");
        let mlflow = ask(
            &serving,
            "/invocations",
            "Content-Type: application/json\r\n",
            &instances,
        );
        assert_eq!(predictions(&mlflow), named(&bare), "{name} to MLflow");
        let instances = format!("{{\"instances\":{list}}}");
        let native: Value =
            serde_json::from_str(&ask(&serving, "/predict", "", &instances)).unwrap();
        assert_eq!(native["predictions"], json!(bare), "{name}");
    }
}

/// What is below `predictions`.
fn predictions(answer: &str) -> Value {
    serde_json::from_str::<Map<String, Value>>(answer).unwrap()["predictions"].clone()
}

/// As MLflow has them: of one field its values alone.
fn named(records: &[Value]) -> Value {
    let alone = |record: &Value| match record.as_object() {
        Some(members) if members.len() == 1 => members.values().next().unwrap().clone(),
        _ => record.clone(),
    };
    records.iter().map(alone).collect()
}

#[test]
fn tensors_by_the_protocols_get_the_scores_of_records() {
    let serving = Serving::with(&[]);
    let rows = [
        [5.1, 3.5, 1.4, 0.2],
        [6.0, 2.2, 4.0, 1.0],
        [7.7, 3.0, 6.1, 2.3],
    ];
    let native: Value =
        serde_json::from_str(&ask(&serving, "/predict", "", &json!(rows).to_string())).unwrap();
    let classes = ["setosa", "versicolor", "virginica"];
    let scores: Vec<Value> = native["predictions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| json!(classes.map(|class| record["probabilities"][class].clone())))
        .collect();
    let flat: Vec<&Value> = scores
        .iter()
        .flat_map(|row| row.as_array().unwrap())
        .collect();

    let infer = json!({"inputs": [{
        "name": "X", "datatype": "FP32", "shape": [3, 4], "data": rows,
    }]});
    let oip = ask(&serving, "/v2/models/iris/infer", "", &infer.to_string());
    let oip: Value = serde_json::from_str(&oip).unwrap();
    assert_eq!(oip["outputs"][1]["data"], json!(flat));

    let body = json!({"instances": rows}).to_string();
    let tfs: Value =
        serde_json::from_str(&ask(&serving, "/v1/models/iris:predict", "", &body)).unwrap();
    for (record, scores) in tfs["predictions"].as_array().unwrap().iter().zip(&scores) {
        assert_eq!(record["probabilities"], *scores);
    }
    let body = json!({"inputs": rows}).to_string();
    let tfs: Value =
        serde_json::from_str(&ask(&serving, "/v1/models/iris:predict", "", &body)).unwrap();
    assert_eq!(tfs["outputs"]["probabilities"], json!(scores));
}
