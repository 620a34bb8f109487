//! What waits goes together, as clients meet it: whatever runs with what, each has its own answer.

use std::thread;

use serde_json::{Value, json};

use super::{Serving, in_tests};
use crate::client::{get, post};
use crate::run::{mlserve, model_path, repository_file};

const CLIENTS: usize = 16;

fn network() -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mlserve"));
    command.args([
        "serve",
        "tests/corpus/batching/network.onnx",
        "-p",
        "0",
        "--log",
        "none",
    ]);
    in_tests(&mut command);
    command
}

fn numbers(value: &Value) -> Vec<f64> {
    let list = value.as_array().expect("a list").iter();
    list.map(|x| x.as_f64().expect("a number")).collect()
}

/// Asks for records `first`, `first + CLIENTS`... one by one.
fn ask_all(serving: &Serving, records: &[Value], first: usize) {
    let mut client = serving.connect();
    for record in records.iter().skip(first).step_by(CLIENTS) {
        let body = json!([{"tokens": record["tokens"], "x": record["x"]}]).to_string();
        client.send(post("/predict", "", body.as_bytes()));
        let reply = client.reply();
        assert_eq!(reply.status, 200, "{}", reply.text());
        let answer: Value = serde_json::from_str(&reply.text()).expect("JSON");
        let found = &answer["predictions"][0];
        assert_eq!(found["label"], record["label"], "{body}");
        let (found, expected) = (numbers(&found["scores"]), numbers(&record["scores"]));
        for (found, expected) in found.iter().zip(&expected) {
            assert!(
                (found - expected).abs() < 1e-6,
                "{body}: {found} {expected}"
            );
        }
    }
}

#[test]
fn many_clients_have_what_python_gives_each_record_alone() {
    let text = repository_file("tests/corpus/batching/network.json");
    let records: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    let gathering = ["--batch-delay-ms", "1", "--max-batch", "4"];
    for flags in [&[][..], &["--max-batch", "1"], &gathering] {
        let serving = Serving::start(network().args(flags));
        thread::scope(|scope| {
            for first in 0..CLIENTS {
                let (serving, records) = (&serving, &records);
                scope.spawn(move || ask_all(serving, records, first));
            }
        });
        let mut client = serving.connect();
        client.send(get("/metrics"));
        let metrics = client.reply().text();
        let scored = "mlserve_records_total{model=\"network\",version=\"1\"} 96";
        assert!(metrics.contains(scored), "{flags:?}: {metrics}");
        let longest = metrics
            .lines()
            .find(|line| {
                line.starts_with("mlserve_batch_records_bucket") && line.contains("le=\"4\"")
            })
            .and_then(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
        let runs = metrics
            .lines()
            .find(|line| line.starts_with("mlserve_batch_records_count"))
            .and_then(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
        match flags {
            ["--max-batch", "1"] => assert_eq!(runs, Some(96.0), "each alone"),
            [] => {}
            _ => assert_eq!(longest, runs, "no batch is larger than four"),
        }
    }
}

#[test]
fn a_delay_that_is_no_time_is_refused() {
    for delay in ["-1", "nan", "inf", "1e9"] {
        let flag = format!("--batch-delay-ms={delay}");
        let said = mlserve(&["serve", &model_path("iris"), "-p", "0", &flag]).run();
        assert_eq!(said.code, 2, "{delay}: {}", said.stderr);
        assert!(said.stderr.contains("--batch-delay-ms"), "{}", said.stderr);
        assert!(
            said.stderr.contains("expected a number from 0 to 10000"),
            "{}",
            said.stderr
        );
    }
}
