//! Requests answered without a socket, by the sample models.

use std::io::{self, Cursor};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::app::App;
use super::batching::pool::Pool;
use super::batching::queue::Limits;
use super::drift::Baselines;
use super::hosted::{Hosted, Hosting};
use super::message::{Content, Head, Header, Method, Service};
use super::registry::Registry;
use crate::batch::columns::Wanted;
use crate::batch::plan::Rules;
use crate::batch::write::NonFinite;
use crate::model::runtime::RuntimeChoice;
use crate::model::trees::Choice;

/// What was written to it, for whoever holds a clone.
#[derive(Clone, Default)]
pub(super) struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    pub(super) fn text(&self) -> String {
        let bytes = self.0.lock().expect("what was written");
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("what was written").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How the tests host models.
pub(super) fn hosting() -> Hosting {
    Hosting {
        runtime: RuntimeChoice::default(),
        trees: Choice::Auto,
        threads: 2,
        rules: Rules::default(),
        wanted: Wanted::default(),
        strict: false,
        batch_size: 1024,
        pool: Arc::new(Pool::new(2)),
        queueing: Limits {
            max_batch: 1024,
            max_queue: 256,
            delay: Duration::ZERO,
        },
        baselines: Baselines::default(),
        recorder: None,
        reply_bytes: 256 << 20,
    }
}

/// An app that serves one of the sample models, or of the corpus.
pub(super) fn app(model: &str, hosting: &Hosting) -> App {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("models").join(model);
    let path = match path.exists() {
        true => path,
        false => root.join("tests/corpus").join(model),
    };
    let name = path
        .file_stem()
        .and_then(|stem| stem.to_str())
        .expect("a name");
    let hosted = Hosted::load(&path, name, "1", hosting).expect("a model");
    App::new(
        Arc::new(Registry::new(vec![Arc::new(hosted)])),
        NonFinite::Null,
        None,
    )
}

/// A request's status and the text of its answer.
pub(super) fn ask(
    app: &App,
    method: Method,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> (u16, String) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers: Vec<Header<'_>> = headers
        .iter()
        .map(|(name, value)| Header {
            name,
            value: value.as_bytes(),
        })
        .collect();
    let head = Head {
        method,
        path,
        query,
        headers: &headers,
    };
    let mut body = Cursor::new(body.to_vec());
    let reply = app.answer(&head, &mut body);
    let mut text = Vec::new();
    match reply.content {
        Content::Whole(bytes) => text.extend_from_slice(&bytes),
        Content::Stream(write) => write(&mut body, &mut text).expect("a stream"),
    }
    (reply.status, String::from_utf8_lossy(&text).into_owned())
}

/// `POST` of JSON.
pub(super) fn post(app: &App, target: &str, body: &str) -> (u16, String) {
    ask(app, Method::Post, target, &[], body.as_bytes())
}

const IRIS: &str = r#"{"sepal length (cm)":5.1,"sepal width (cm)":3.5,"petal length (cm)":1.4,"petal width (cm)":0.2}"#;

#[test]
fn records_are_taken_in_every_shape() {
    let app = app("iris.onnx", &hosting());
    let (status, one) = post(&app, "/predict", IRIS);
    assert_eq!(status, 200, "{one}");
    assert!(
        one.starts_with(r#"{"model":"iris","version":"1","predictions":[{"label":"#),
        "{one}"
    );
    for body in [
        format!("[{IRIS}]"),
        format!("{{\"instances\":[{IRIS}]}}"),
        "[[5.1,3.5,1.4,0.2]]".to_owned(),
        "[5.1,3.5,1.4,0.2]".to_owned(),
        "{\"instances\":[[5.1,3.5,1.4,0.2]]}".to_owned(),
    ] {
        assert_eq!(post(&app, "/predict", &body), (200, one.clone()), "{body}");
        assert_eq!(
            post(&app, "/models/iris/predict", &body),
            (200, one.clone()),
            "{body}"
        );
    }
}

#[test]
fn every_fault_of_a_request_is_told_of_with_its_place() {
    let app = app("titanic.onnx", &hosting());
    let (status, told) = post(
        &app,
        "/predict",
        r#"{"instances":[{"sex":true,"age":"x","fare":true,"note":1},5]}"#,
    );
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(status, 422);
    let details = told["detail"].as_array().expect("a list").iter();
    let seen: Vec<String> = details
        .map(|fault| format!("{} {} {}", fault["loc"], fault["type"], fault["msg"]))
        .collect();
    assert_eq!(
        seen,
        [
            r#"["body","instances",0,"class"] "missing" "field required""#,
            r#"["body","instances",0,"sex"] "not_text" "expected text (string), found true""#,
            r#"["body","instances",0,"age"] "quoted_number" "expected a number (float64), found \"x\"""#,
            r#"["body","instances",1] "not_an_object" "expected an object, as the first record is one""#,
        ]
    );
}

#[test]
fn what_is_no_request_is_told_so() {
    let app = app("iris.onnx", &hosting());
    for (body, sentence) in [
        ("", "the body is empty; it should hold JSON"),
        ("[", "not valid JSON at byte 1: it ends in the middle"),
        ("{\"instances\":5}", "instances: expected a list of records"),
        (
            "\"x\"",
            "X: expected JSON lists of shape [4] (float32), found \"x\"",
        ),
        (
            "[[1,2]]",
            "[0].X: expected JSON lists of shape [4] (float32), found lists of another shape: [1,2]",
        ),
        (
            "{\"a\":1}",
            "input \"X\" takes 4 columns and the model does not name them, found 1: \"a\"",
        ),
        (
            "{\"instances\":[[1,2,3,4]],\"top\":0}",
            "top: expected a number from 1 on",
        ),
        (
            "{\"inputs\":{\"Y\":1}}",
            "inputs.Y: the model has no such input",
        ),
        (
            "{\"inputs\":[[1,2,3]]}",
            "inputs.X: expected shape [?, 4], found [1, 3]",
        ),
        (
            "{\"inputs\":[[1,2,3,4]],\"outputs\":\"Y\"}",
            "outputs Y: the model has no such output",
        ),
        (
            "{\"inputs\":[1,[2]]}",
            "inputs.X: expected lists of float32 nested 2 deep, but it is not nested lists",
        ),
    ] {
        let (status, told) = post(&app, "/predict", body);
        let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
        assert_eq!(
            (status, told["error"].as_str()),
            (422, Some(sentence)),
            "{body}"
        );
    }
}

#[test]
fn wishes_are_taken_from_the_query_and_from_the_body() {
    let app = app("iris.onnx", &hosting());
    let row = "[[5.1,3.5,1.4,0.2]]";
    let best = r#"{"model":"iris","version":"1","predictions":[{"probabilities":[{"class":"setosa","score":0.9741182}]}]}"#;
    for (target, body) in [
        ("/predict?outputs=probabilities&top=1", row.to_owned()),
        (
            "/predict",
            format!("{{\"instances\":{row},\"outputs\":[\"probabilities\"],\"top\":1}}"),
        ),
        (
            "/predict?outputs=probabilities",
            format!("{{\"top\":1,\"instances\":{row}}}"),
        ),
    ] {
        assert_eq!(
            post(&app, target, &body),
            (200, best.to_owned()),
            "{target} {body}"
        );
    }
    let kept = post(&app, "/predict?outputs=label&keep=petal+width+(cm)", IRIS);
    let answer = r#"{"model":"iris","version":"1","predictions":[{"petal width (cm)":0.2,"label":"setosa"}]}"#;
    assert_eq!(kept, (200, answer.to_owned()));
}

#[test]
fn paths_and_methods_that_are_not_there_say_so() {
    let app = app("iris.onnx", &hosting());
    for (method, target, status) in [
        (Method::Get, "/nothing", 404),
        (Method::Get, "/models/other", 404),
        (Method::Get, "/models/iris/versions/2", 404),
        (Method::Get, "/models/iris/versions/1", 200),
        (Method::Get, "/predict", 405),
        (Method::Put, "/livez", 405),
        (Method::Options, "/predict", 204),
        (Method::Head, "/livez", 200),
        (Method::Get, "/models/../livez", 404),
    ] {
        assert_eq!(ask(&app, method, target, &[], b"").0, status, "{target}");
    }
}

#[test]
fn records_that_are_spelled_alike_give_what_others_give() {
    let app = app("titanic.onnx", &hosting());
    let plain = r#"{"class":"1st","age":47.0,"sex":"male"}"#;
    let turned = r#"{"sex":"male", "age":47.0,"class":"1st"}"#;
    let spaced = r#"{ "class" : "1st", "age": 4.7e1 ,"sex":"ma\u006ce" }"#;
    let (_, one) = post(&app, "/predict", plain);
    let record = one
        .split_once("\"predictions\":[")
        .map(|(_, end)| end.trim_end_matches("]}"));
    let record = record.expect("a prediction");
    for list in [
        vec![plain, plain, plain],
        vec![turned, turned, plain],
        vec![spaced, plain, turned, spaced, spaced],
        vec![plain, turned, plain, plain],
    ] {
        let body = format!("[{}]", list.join(" ,\n"));
        let expected = vec![record; list.len()].join(",");
        let (status, answer) = post(&app, "/predict", &body);
        assert_eq!(status, 200, "{body}: {answer}");
        assert!(
            answer.ends_with(&format!("[{expected}]}}")),
            "{body}: {answer}"
        );
    }
    // What follows a plain record is looked at as ever.
    for body in [
        format!("[{plain} {plain}]"),
        format!("[{plain},]"),
        format!("[{plain}"),
        format!("[{plain},{{\"class\":\"1st\",\"age\":4x,\"sex\":\"male\"}}]"),
        format!("[{plain},{{\"class\":\"1st\",\"age\":4}}]"),
    ] {
        assert_eq!(post(&app, "/predict", &body).0, 422, "{body}");
    }
}
