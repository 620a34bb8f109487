//! Requests as literal bytes, and their exact answers. Expected numbers are Python's ONNX Runtime's.

use std::borrow::Cow;
use std::io::Cursor;

use crate::serve::app::App;
use crate::serve::message::{Content, Head, Header, Method, Service};
use crate::serve::tests::{app, ask, hosting, post};

mod hostile;
mod tensors;

/// A reply's status, the JSON part that its header field speaks of, and the bytes behind that.
fn infer(app: &App, target: &str, length: Option<&str>, body: &[u8]) -> (u16, String, Vec<u8>) {
    // The name in lower case, as KServe's client writes it.
    let length = length.map(|value| Header {
        name: "inference-header-content-length",
        value: value.as_bytes(),
    });
    let head = Head {
        method: Method::Post,
        path: target,
        query: "",
        headers: length.as_slice(),
    };
    let reply = app.answer(&head, &mut Cursor::new(body.to_vec()));
    let Content::Whole(bytes) = reply.content else {
        panic!("no answer here is a stream");
    };
    let field = |name: &str| {
        let mut fields = reply.headers.iter();
        fields.find_map(|(key, value)| (*key == name).then(|| value.to_string()))
    };
    let (json, tensors) = match field("Inference-Header-Content-Length") {
        None => {
            assert_eq!(field("Content-Type").as_deref(), Some("application/json"));
            (bytes, Cow::Borrowed(&[][..]))
        }
        Some(length) => {
            let content_type = field("Content-Type");
            assert_eq!(content_type.as_deref(), Some("application/octet-stream"));
            let (json, tensors) = bytes.split_at(length.parse().expect("a length"));
            (json.to_vec().into(), tensors.to_vec().into())
        }
    };
    let json = String::from_utf8(json.into_owned()).expect("UTF-8");
    (reply.status, json, tensors.into_owned())
}

fn get(app: &App, target: &str) -> (u16, String) {
    ask(app, Method::Get, target, &[], b"")
}

const IRIS_METADATA: &str = r#"{"name":"iris","versions":["1"],"platform":"onnxruntime_onnx","inputs":[{"name":"X","datatype":"FP32","shape":[-1,4]}],"outputs":[{"name":"label","datatype":"BYTES","shape":[-1]},{"name":"probabilities","datatype":"FP32","shape":[-1,3]}]}"#;
const IRIS_CONFIG: &str = r#"{"name":"iris","platform":"onnxruntime_onnx","backend":"onnxruntime","version_policy":{"latest":{"num_versions":1}},"max_batch_size":1024,"input":[{"name":"X","data_type":"TYPE_FP32","dims":[4]}],"output":[{"name":"label","data_type":"TYPE_STRING","dims":[1],"reshape":{"shape":[]}},{"name":"probabilities","data_type":"TYPE_FP32","dims":[3]}]}"#;
const INDEX: &str = r#"[{"name":"iris","version":"1","state":"READY","reason":""}]"#;
const NO_MODEL: &str = r#"{"error":"there is no model \"nope\" here"}"#;

#[test]
fn what_is_told_of_server_and_model_is_what_clients_read() {
    let app = app("iris.onnx", &hosting());
    let server = format!(
        r#"{{"name":"mlserve","version":"{}","extensions":["classification","model_configuration","binary_tensor_data","parameters","statistics"]}}"#,
        env!("CARGO_PKG_VERSION")
    );
    for (target, status, body) in [
        ("/v2", 200, server.as_str()),
        ("/v2/", 200, &server),
        ("/v2/health/live", 200, r#"{"live":true}"#),
        ("/v2/health/ready", 200, r#"{"ready":true,"live":true}"#),
        ("/v2/models", 200, r#"{"models":["iris"]}"#),
        ("/v2/models/iris", 200, IRIS_METADATA),
        ("/v2/models/iris/", 200, IRIS_METADATA),
        ("/v2/models/iris/versions/1", 200, IRIS_METADATA),
        ("/v2/models/iris/config", 200, IRIS_CONFIG),
        ("/v2/models/iris/versions/1/config", 200, IRIS_CONFIG),
        (
            "/v2/models/iris/ready",
            200,
            r#"{"name":"iris","ready":true}"#,
        ),
        (
            "/v2/models/iris/versions/1/ready",
            200,
            r#"{"name":"iris","ready":true}"#,
        ),
        ("/v2/models/nope", 404, NO_MODEL),
        ("/v2/models/nope/ready", 404, NO_MODEL),
        (
            "/v2/models/iris/versions/2",
            404,
            r#"{"error":"the model \"iris\" has no version \"2\" here"}"#,
        ),
        ("/v2/models/iris/versions", 404, r#"{"error":"Not Found"}"#),
        ("/v2/models/iris/generate", 404, r#"{"error":"Not Found"}"#),
        ("/v2/%2e%2e/models", 404, r#"{"error":"Not Found"}"#),
        (
            "/v2/models/iris/infer",
            405,
            r#"{"error":"Method Not Allowed"}"#,
        ),
        (
            "/v2/repository/index",
            405,
            r#"{"error":"Method Not Allowed"}"#,
        ),
    ] {
        assert_eq!(get(&app, target), (status, body.to_owned()), "{target}");
    }
    for (body, status, answer) in [
        ("", 200, INDEX),
        ("{}", 200, INDEX),
        (r#"{"ready":true}"#, 200, INDEX),
        ("{", 400, r#"{"error":"the body is not valid JSON"}"#),
    ] {
        let index = post(&app, "/v2/repository/index", body);
        assert_eq!(index, (status, answer.to_owned()), "{body}");
    }
    for target in ["load", "unload"] {
        let target = format!("/v2/repository/models/iris/{target}");
        assert_eq!(post(&app, &target, "{}").0, 403);
    }
    app.stop();
    for (target, status, body) in [
        ("/v2/health/live", 200, r#"{"live":true}"#),
        ("/v2/health/ready", 503, r#"{"ready":false,"live":true}"#),
        (
            "/v2/models/iris/ready",
            503,
            r#"{"name":"iris","ready":false}"#,
        ),
    ] {
        assert_eq!(get(&app, target), (status, body.to_owned()), "{target}");
    }
}

/// Name, datatype and shape of each output, from the metadata; and `max_batch_size`.
fn outputs_of(model: &str) -> (Vec<(String, String, String)>, i64) {
    let app = app(model, &hosting());
    let name = model.trim_end_matches(".onnx");
    let json = |about: &str| -> serde_json::Value {
        let (status, text) = get(&app, &format!("/v2/models/{name}{about}"));
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).expect("JSON")
    };
    let text = |value: &serde_json::Value| value.to_string().replace('"', "");
    let outputs = json("")["outputs"].as_array().expect("a list").clone();
    let outputs = outputs.iter().map(|output| {
        let part = |key: &str| text(&output[key]);
        (part("name"), part("datatype"), part("shape"))
    });
    let most = json("/config")["max_batch_size"].as_i64();
    (outputs.collect(), most.expect("a number"))
}

#[test]
fn outputs_have_the_shapes_that_a_run_gives_them() {
    for (model, most, expected) in [
        // Declared [1] by LightGBM's exporter.
        (
            "wrong_label_shape.onnx",
            1024,
            &[
                ("label", "INT64", "[-1]"),
                ("probabilities", "FP32", "[-1,2]"),
            ][..],
        ),
        (
            "zipmap_int64.onnx",
            1024,
            &[
                ("output_label", "INT64", "[-1]"),
                ("output_probability", "FP32", "[-1,3]"),
            ],
        ),
        (
            "multi_output.onnx",
            1024,
            &[
                ("label", "BYTES", "[-1,2]"),
                ("probabilities_0", "FP32", "[-1,2]"),
                ("probabilities_1", "FP32", "[-1,3]"),
            ],
        ),
        // Any number of records is taken, though a run takes three.
        (
            "fixed_batch.onnx",
            1024,
            &[
                ("label", "BYTES", "[-1]"),
                ("probabilities", "FP32", "[-1,3]"),
            ],
        ),
        (
            "state_zeros.onnx",
            0,
            &[("Y", "FP32", "[-1,1]"), ("hn", "FP32", "[1,4]")],
        ),
        ("variable_length.onnx", 1024, &[("mean", "FP32", "[-1]")]),
        (
            "class_labels_output.onnx",
            0,
            &[
                ("label", "BYTES", "[-1]"),
                ("probabilities", "FP32", "[-1,3]"),
                ("class_labels", "BYTES", "[3]"),
            ],
        ),
        ("tensor_rank3.onnx", 1024, &[("Y", "FP32", "[-1,2,2]")]),
        // No record alone can feed it, so that only the declaration is known.
        ("scalar_input.onnx", 0, &[("Y", "FP32", "[-1,2]")]),
        (
            "catboost_regressor.onnx",
            1024,
            &[("predictions", "FP32", "[-1,1]")],
        ),
    ] {
        let (outputs, found) = outputs_of(model);
        let outputs: Vec<(&str, &str, &str)> = outputs
            .iter()
            .map(|(a, b, c)| (a.as_str(), b.as_str(), c.as_str()))
            .collect();
        assert_eq!(outputs, expected, "{model}");
        assert_eq!(found, most, "{model}");
    }
}

#[test]
fn statistics_count_what_was_asked() {
    let app = app("int_matrix.onnx", &hosting());
    let stats = |target: &str| -> serde_json::Value {
        let (status, text) = get(&app, target);
        assert_eq!(status, 200, "{text}");
        let stats: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(stats["model_stats"].as_array().map(Vec::len), Some(1));
        stats["model_stats"][0].clone()
    };
    assert_eq!(
        stats("/v2/models/stats")["inference_stats"]["success"]["count"],
        0
    );
    let target = "/v2/models/int_matrix/infer";
    let two = r#"{"inputs":[{"name":"X","datatype":"INT64","shape":[2,2],"data":[1,2,3,4]}]}"#;
    assert_eq!(post(&app, target, two).0, 200);
    assert_eq!(post(&app, target, two).0, 200);
    assert_eq!(post(&app, target, "{}").0, 400);
    for target in [
        "/v2/models/stats",
        "/v2/models/int_matrix/stats",
        "/v2/models/int_matrix/versions/1/stats",
    ] {
        let stats = stats(target);
        assert_eq!(
            (&stats["name"], &stats["version"]),
            (&"int_matrix".into(), &"1".into())
        );
        assert_eq!(
            (&stats["inference_count"], &stats["execution_count"]),
            (&4.into(), &2.into())
        );
        assert!(stats["last_inference"].as_u64() > Some(1_700_000_000_000));
        let of = |key: &str| &stats["inference_stats"][key];
        for (key, count) in [
            ("success", 2),
            ("fail", 1),
            ("queue", 2),
            ("compute_input", 2),
            ("compute_infer", 2),
            ("compute_output", 2),
            ("cache_hit", 0),
            ("cache_miss", 0),
        ] {
            assert_eq!(of(key)["count"], count, "{key}");
        }
        let ns = |key: &str| of(key)["ns"].as_u64().expect("a number");
        let parts = ["queue", "compute_input", "compute_infer", "compute_output"];
        let parts: u64 = parts.into_iter().map(ns).sum();
        assert!(ns("compute_infer") > 0);
        assert!(parts.abs_diff(ns("success")) < 1000, "{stats}");
    }
}
