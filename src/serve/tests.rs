//! Requests answered without a socket, by the sample models.

use std::io::{self, Cursor};
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::app::App;
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
        rules: Rules::default(),
        wanted: Wanted::default(),
        strict: false,
        batch_size: 1024,
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
    let name = model.trim_end_matches(".onnx");
    let hosted = Hosted::load(&path, name, "1", hosting).expect("a model");
    App::new(Registry::new(vec![Arc::new(hosted)]), NonFinite::Null, None)
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
    let app = app("iris.onnx", &hosting());
    let (status, told) = post(
        &app,
        "/predict",
        r#"{"instances":[{"sepal length (cm)":"x","sepal width (cm)":3.5,"petal length (cm)":true},[1]]}"#,
    );
    println!("{told}");
    assert_eq!(status, 422);
}

#[test]
fn explore() {
    let app = app("iris.onnx", &hosting());
    for body in [
        "",
        "[",
        "{}",
        "[]",
        "{\"a\":1}",
        "[[1,2]]",
        "{\"inputs\":[[5.1,3.5,1.4,0.2]]}",
        "{\"instances\":5}",
        "\"x\"",
        "{\"instances\":[[5.1,3.5,1.4,null]],\"top\":2}",
        "[[5.1,3.5,1.4,NaN]]",
    ] {
        println!("{body}\n   {:?}", post(&app, "/predict", body));
    }
    println!("{:?}", ask(&app, Method::Get, "/models/iris", &[], b""));
    println!("{:?}", ask(&app, Method::Get, "/nothing", &[], b""));
    println!("{:?}", ask(&app, Method::Get, "/predict", &[], b""));
    println!("{:?}", post(&app, "/predict?outputs=label&keep=all", IRIS));
}
