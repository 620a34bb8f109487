//! Real models behind the whole server, asked by many at once while the test holds all permits: what
//! waits, and so what goes together, is known.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

use serde_json::{Value, json};

use crate::serve::app::App;
use crate::serve::batching::pool::Pool;
use crate::serve::hosted::{Hosted, Hosting};
use crate::serve::message::Method;
use crate::serve::tests::{app, ask, hosting, post};

/// One run at once, and no more than so many that wait.
fn narrow(max_queue: usize) -> Hosting {
    let mut hosting = hosting();
    hosting.pool = Arc::new(Pool::new(1));
    hosting.queueing.max_queue = max_queue;
    hosting
}

fn hosted(app: &App) -> Arc<Hosted> {
    app.registry.only(0).expect("one model")
}

fn waiting(app: &App) -> usize {
    hosted(app).queue.waiting().load(Ordering::Relaxed)
}

fn until_waiting(app: &App, count: usize) {
    while waiting(app) != count {
        thread::yield_now();
    }
}

fn scraped(app: &App) -> String {
    ask(app, Method::Get, "/metrics", &[], b"").1
}

/// The value of a metric of the only model.
#[track_caller]
fn metric(text: &str, name: &str) -> f64 {
    let value = |line: &str| {
        let rest = line.strip_prefix(name)?.strip_prefix('{')?;
        rest.split_once("} ")?.1.parse().ok()
    };
    text.lines().find_map(value).expect(name)
}

/// The records of the network, with what ONNX Runtime under Python gives each alone.
fn expected() -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("tests/corpus/batching/network.json");
    let text = std::fs::read_to_string(path).expect("a file");
    serde_json::from_str(&text).expect("JSON")
}

#[track_caller]
fn assert_close(found: &Value, expected: &Value) {
    let numbers = |value: &Value| {
        let list = value.as_array().expect("a list").iter();
        list.map(|x| x.as_f64().expect("a number"))
            .collect::<Vec<_>>()
    };
    let (found, expected) = (numbers(found), numbers(expected));
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }
}

#[test]
fn what_many_ask_at_once_is_what_python_gives_each_alone() {
    let app = app("batching/network.onnx", &narrow(100));
    let records = expected();
    let hosted_now = hosted(&app);
    let held = hosted_now.queue.permit(None).expect("a permit");
    let answers: Vec<(u16, String)> = thread::scope(|scope| {
        let asked: Vec<_> = records
            .iter()
            .enumerate()
            .map(|(number, record)| {
                let (tokens, x) = (&record["tokens"], &record["x"]);
                // By records and by tensors, which go together too.
                let (path, body) = match number % 2 {
                    0 => ("/predict", json!([{"tokens": tokens, "x": x}])),
                    _ => (
                        "/v1/models/network:predict",
                        json!({"inputs": {"tokens": [tokens], "x": [x]}}),
                    ),
                };
                let app = &app;
                scope.spawn(move || post(app, path, &body.to_string()))
            })
            .collect();
        until_waiting(&app, records.len());
        let text = scraped(&app);
        for gauge in [
            "mlserve_queue_requests",
            "nv_inference_pending_request_count",
        ] {
            assert_eq!(metric(&text, gauge), records.len() as f64, "{gauge}");
        }
        drop(held);
        asked
            .into_iter()
            .map(|asked| asked.join().unwrap())
            .collect()
    });
    for (number, ((status, text), record)) in answers.iter().zip(&records).enumerate() {
        assert_eq!(*status, 200, "{text}");
        let answer: Value = serde_json::from_str(text).expect("JSON");
        let found = match number % 2 {
            0 => answer["predictions"][0].clone(),
            _ => json!({
                "scores": answer["outputs"]["scores"][0],
                "label": answer["outputs"]["label"][0],
            }),
        };
        assert_close(&found["scores"], &record["scores"]);
        assert_eq!(found["label"], record["label"]);
    }
    // Lists of one, two and three tokens: 32 records of each.
    let text = scraped(&app);
    let requests = records.len() as f64;
    for (name, value) in [
        ("mlserve_batch_records_count", 3.0),
        ("mlserve_batch_records_sum", requests),
        ("mlserve_inference_duration_seconds_count", 3.0),
        ("mlserve_queue_duration_seconds_count", requests),
        ("mlserve_records_total", requests),
        ("nv_inference_request_success", requests),
        ("nv_inference_count", requests),
        ("nv_inference_exec_count", 3.0),
        ("nv_inference_pending_request_count", 0.0),
        ("mlserve_queue_requests", 0.0),
    ] {
        assert_eq!(metric(&text, name), value, "{name}");
    }
    assert!(metric(&text, "mlserve_queue_duration_seconds_sum") > 0.0);
    assert!(metric(&text, "nv_inference_queue_duration_us") > 0.0);
    let stats = ask(&app, Method::Get, "/v2/models/network/stats", &[], b"").1;
    let stats: Value = serde_json::from_str(&stats).expect("JSON");
    let stats = &stats["model_stats"][0];
    assert_eq!(stats["inference_count"], records.len());
    assert_eq!(stats["execution_count"], 3);
}

#[test]
fn who_comes_when_the_queue_is_full_is_told_when_to_come_again() {
    use crate::serve::message::{Head, Header, Service};
    let app = app("iris.onnx", &narrow(1));
    let body = "[[5.1,3.5,1.4,0.2]]";
    let hosted_now = hosted(&app);
    let held = hosted_now.queue.permit(None).expect("a permit");
    thread::scope(|scope| {
        let waits = scope.spawn(|| post(&app, "/predict", body).0);
        until_waiting(&app, 1);
        let headers = [Header {
            name: "Content-Type",
            value: b"application/json",
        }];
        let head = Head {
            method: Method::Post,
            path: "/predict",
            query: "",
            headers: &headers,
        };
        let reply = app.answer(&head, &mut std::io::Cursor::new(body.as_bytes().to_vec()));
        assert_eq!(reply.status, 503);
        let retry = reply
            .headers
            .iter()
            .find(|(name, _)| *name == "Retry-After");
        assert_eq!(retry.map(|(_, value)| value.as_ref()), Some("1"));
        drop(held);
        assert_eq!(waits.join().unwrap(), 200);
    });
    let text = scraped(&app);
    let refused = "mlserve_rejected_total{reason=\"queue_full\"} 1";
    assert!(text.contains(refused), "{text}");
    assert_eq!(metric(&text, "nv_inference_exec_count"), 1.0);
}

#[test]
fn a_request_that_may_wait_so_long_is_not_run_after_that() {
    let app = app("iris.onnx", &narrow(10));
    let hosted_now = hosted(&app);
    let held = hosted_now.queue.permit(None).expect("a permit");
    // 20 ms, which is long enough to come into the line; the permit comes back when it has left.
    let body = r#"{"parameters":{"timeout":20000},"inputs":[{"name":"input","shape":[1,4],"datatype":"FP32","data":[5.1,3.5,1.4,0.2]}]}"#;
    let body = body.replace("\"input\"", &format!("\"{}\"", input_name(&app)));
    let (status, text) = post(&app, "/v2/models/iris/infer", &body);
    let late = r#"{"error":"the request took longer than it may"}"#;
    assert_eq!((status, text.as_str()), (504, late));
    assert_eq!(waiting(&app), 0);
    drop(held);
    assert_eq!(metric(&scraped(&app), "nv_inference_exec_count"), 0.0);
    let patient = body.replace("20000", "60000000");
    assert_eq!(post(&app, "/v2/models/iris/infer", &patient).0, 200);
}

fn input_name(app: &App) -> String {
    let hosted = hosted(app);
    let signature = hosted.model.signature();
    signature.inputs[0].name.clone()
}

#[test]
fn a_record_that_the_model_refuses_fails_alone() {
    let app = app("batching/network.onnx", &narrow(10));
    let hosted_now = hosted(&app);
    let held = hosted_now.queue.permit(None).expect("a permit");
    // Token 10 is beyond the table.
    let bodies = [3, 10, 4].map(|token| json!([{"tokens": [token], "x": [0.5, 1.0]}]).to_string());
    let answers = thread::scope(|scope| {
        let asked: Vec<_> = bodies
            .iter()
            .zip(1..)
            .map(|(body, place)| {
                let app = &app;
                let asked = scope.spawn(move || post(app, "/predict", body).0);
                until_waiting(app, place);
                asked
            })
            .collect();
        drop(held);
        let statuses = asked.into_iter().map(|asked| asked.join().unwrap());
        statuses.collect::<Vec<u16>>()
    });
    assert_eq!(answers, [200, 422, 200]);
}

#[test]
fn models_are_batched_only_where_their_records_do_not_meddle() {
    let shares = "a record has other predictions in a batch than alone";
    let warning = format!("{shares}, so each request runs alone");
    let rows = "an output of the model does not have one row for each record";
    for (model, why) in [
        ("iris.onnx", None),
        ("titanic.onnx", None),
        ("penguins.onnx", None),
        ("diamonds.onnx", None),
        ("languages.onnx", None),
        ("digits.onnx", None),
        ("batching/network.onnx", None),
        ("zipmap_columns.onnx", None),
        ("multi_output.onnx", None),
        ("batching/softmax_over_records.onnx", Some(shares)),
        ("batching/scaled_by_batch.onnx", Some(shares)),
        ("batching/one_sum.onnx", Some(rows)),
        // The state that comes out is no record's.
        ("state_zeros.onnx", Some(rows)),
        (
            "fixed_batch.onnx",
            Some("the model takes a fixed number of records"),
        ),
    ] {
        let app = app(model, &hosting());
        let hosted = hosted(&app);
        assert_eq!(hosted.queue.joins().err(), why, "{model}");
        let warned = (why == Some(shares)).then(|| warning.clone());
        assert_eq!(hosted.queue.warning(), warned, "{model}");
        let told: Value = serde_json::from_str(&hosted.description).expect("JSON");
        let batching = &told["batching"];
        assert_eq!(batching["joined"], why.is_none(), "{model}");
        assert_eq!(batching["reason"], json!(why), "{model}");
        assert_eq!(batching["max_batch"], 1024, "{model}");
        assert_eq!(batching["saves_us"].is_u64(), why.is_none(), "{model}");
    }
}
