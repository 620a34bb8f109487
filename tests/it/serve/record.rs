//! What `--record` writes: `predict` reads it back, and says what the server said.

use std::fs;

use serde_json::Value;

use crate::client::{get, post};
use crate::run::{Folder, ROOT, model_path, predict};

use super::{Serving, in_tests};

/// A server of `model` that records into `folder`.
fn recording(model: &str, folder: &Folder, args: &[&str]) -> Serving {
    let file = folder.file("r.jsonl").display().to_string();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mlserve"));
    command.args(["serve", &model_path(model), "-p", "0", "--log", "none"]);
    command.args(["--record", &file]).args(args);
    in_tests(&mut command);
    Serving::start(&mut command)
}

fn end(serving: Serving) {
    serving.signal("-TERM");
    let (code, told) = serving.ended();
    assert_eq!(code, 0, "{told}");
}

/// All that take records as their samples are; in the wine's are columns that only flags set aside.
#[test]
fn every_sample_model_is_scored_again_to_the_same_numbers() {
    for model in [
        "auto_mpg",
        "breast_cancer",
        "diabetes",
        "diamonds",
        "digits",
        "iris",
        "languages",
        "penguins",
        "titanic",
    ] {
        let folder = Folder::with(&[]);
        let serving = recording(model, &folder, &[]);
        let text = fs::read_to_string(format!("{ROOT}/sample_data/{model}.jsonl")).unwrap();
        let mut client = serving.connect();
        let records = text.lines().take(40);
        let sent = records.clone().count();
        for record in records {
            client.send(post("/predict", "", record.as_bytes()));
            let reply = client.reply();
            assert_eq!(reply.status, 200, "{model}: {}", reply.text());
        }
        end(serving);
        assert_eq!(scored_again(model, &folder), sent, "{model}");
    }
}

#[test]
fn csv_and_tensors_are_scored_again_to_the_same_numbers() {
    for model in ["iris", "penguins", "titanic"] {
        let folder = Folder::with(&[]);
        let serving = recording(model, &folder, &[]);
        let text = fs::read_to_string(format!("{ROOT}/sample_data/{model}.csv")).unwrap();
        let (header, rows) = text.split_once('\n').unwrap();
        let mut client = serving.connect();
        for row in rows.lines().take(30) {
            let body = format!("{header}\n{row}\n");
            let request = post("/predict", "Content-Type: text/csv\r\n", body.as_bytes());
            client.send(request);
            let reply = client.reply();
            assert_eq!(reply.status, 200, "{model}: {}", reply.text());
        }
        end(serving);
        assert_eq!(scored_again(model, &folder), 30, "{model}");
    }
    let folder = Folder::with(&[]);
    let serving = recording("iris", &folder, &[]);
    let mut client = serving.connect();
    let body = br#"{"inputs":[{"name":"X","shape":[3,4],"datatype":"FP32","data":[5.1,3.5,1.4,0.2,0.1,1e-7,3.0e38,7,6.2,2.9,4.3,1.3]}]}"#;
    client.send(post("/v2/models/iris/infer", "", body));
    assert_eq!(client.reply().status, 200);
    client.send(post(
        "/v1/models/iris:predict",
        "",
        br#"{"inputs":[[1,2,3,4.5]]}"#,
    ));
    assert_eq!(client.reply().status, 200);
    end(serving);
    assert_eq!(scored_again("iris", &folder), 4);
}

/// Scores what was recorded, one record at a time, and holds each prediction against the one that was
/// recorded, which is another in its last bits where records came together; how many there were.
#[track_caller]
fn scored_again(model: &str, folder: &Folder) -> usize {
    let flags = [
        "--id",
        "mlserve",
        "--keep",
        "mlserve",
        "--batch-size",
        "1",
        "-q",
    ];
    let outcome = predict(model, &[&["r.jsonl"], &flags[..]].concat())
        .within(folder)
        .run();
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""), "{model}");
    for line in outcome.stdout.lines() {
        let mut line: Value = serde_json::from_str(line).unwrap();
        let about = line.as_object_mut().unwrap().remove("mlserve").unwrap();
        let recorded = &about["prediction"];
        assert!(is_close(recorded, &line), "{model}: {recorded} {line}");
    }
    outcome.stdout.lines().count()
}

fn is_close(some: &Value, others: &Value) -> bool {
    match (some, others) {
        (Value::Number(some), Value::Number(other)) => {
            let (some, other) = (some.as_f64().unwrap(), other.as_f64().unwrap());
            (some - other).abs() <= 1e-6 * some.abs().max(other.abs())
        }
        (Value::Object(some), Value::Object(others)) => {
            let is_there = |(key, value)| is_close(value, others.get(key).unwrap_or(&Value::Null));
            some.len() == others.len() && some.iter().all(is_there)
        }
        (Value::Array(some), Value::Array(others)) => {
            some.len() == others.len() && some.iter().zip(others).all(|(a, b)| is_close(a, b))
        }
        _ => some == others,
    }
}

#[test]
fn files_rotate_and_nobody_else_reads_them() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::with(&[]);
    let serving = recording(
        "iris",
        &folder,
        &["--record-max", "1K", "--record-keep", "2"],
    );
    let mut client = serving.connect();
    for _ in 0..40 {
        client.send(post("/predict", "", b"[5.1,3.5,1.4,0.2]"));
        assert_eq!(client.reply().status, 200);
    }
    end(serving);
    assert_eq!(folder.names(), ["r.jsonl", "r.jsonl.1", "r.jsonl.2"]);
    for name in folder.names() {
        let meta = fs::metadata(folder.file(&name)).unwrap();
        assert!(
            meta.len() <= 1024 && meta.permissions().mode() & 0o777 == 0o600,
            "{name}"
        );
    }
}

#[test]
fn a_sample_of_none_and_a_field_that_is_secret() {
    let folder = Folder::with(&[]);
    let serving = recording("iris", &folder, &["--record-sample", "0"]);
    serving.assert_alive();
    let (_, metrics) = serving.ask(get("/metrics"));
    assert!(
        metrics.contains("mlserve_record_lines_total 0"),
        "{metrics}"
    );
    end(serving);
    assert_eq!(folder.read("r.jsonl"), "");
    let serving = recording("penguins", &folder, &["--redact", "Sex"]);
    let record = br#"{"island":"Biscoe","sex":"male","bill_length_mm":40,"bill_depth_mm":18,"flipper_length_mm":190,"body_mass_g":3700}"#;
    let mut client = serving.connect();
    client.send(post("/predict", "", record));
    assert_eq!(client.reply().status, 200);
    end(serving);
    let line: Value = serde_json::from_str(&folder.read("r.jsonl")).unwrap();
    assert_eq!(
        (&line["sex"], &line["island"]),
        (&Value::Null, &"Biscoe".into())
    );
}

#[test]
fn a_place_that_cannot_be_written_ends_the_start() {
    let start = crate::run::mlserve(&[
        "serve",
        &model_path("iris"),
        "-p",
        "0",
        "--record",
        "/no/such/r.jsonl",
    ]);
    let outcome = start.run();
    assert_eq!(outcome.code, 4, "{}", outcome.stderr);
    assert!(
        outcome.stderr.starts_with("--record /no/such/r.jsonl: "),
        "{}",
        outcome.stderr
    );
}
