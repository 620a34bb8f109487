//! Requests as MLflow's and SageMaker's clients send them, with the answers to the byte. The numbers
//! are those of ONNX Runtime in Python.

use crate::batch::write::NonFinite;
use crate::serve::message::Method;
use crate::serve::tests::{app, ask, hosting};

/// The answer to a body of one type, in the form that is asked for.
fn invoked(model: &str, sent: &str, accept: &str, body: &str) -> (u16, String) {
    let app = app(&format!("{model}.onnx"), &hosting());
    let headers = [("Content-Type", sent), ("Accept", accept)];
    ask(
        &app,
        Method::Post,
        "/invocations",
        &headers,
        body.as_bytes(),
    )
}

fn invoked_json(model: &str, body: &str) -> (u16, String) {
    invoked(model, "application/json", "*/*", body)
}

const SETOSA: &str = r#"{"predictions":[{"label":"setosa","probabilities":{"setosa":0.9741182,"versicolor":0.025881454,"virginica":3.74413e-7}}]}"#;

#[test]
fn data_frames_instances_and_tensors_are_predicted() {
    for (model, body, answer) in [
        (
            "iris",
            r#"{"dataframe_split":{"index":[0],"columns":["a","b","c","d"],"data":[[5.1,3.5,1.4,0.2]]}}"#,
            SETOSA,
        ),
        (
            "iris",
            r#"{"dataframe_split":{"columns":[0,1,2,3],"data":[[5.1,3.5,1.4,0.2]]}}"#,
            SETOSA,
        ),
        (
            "iris",
            r#"{"dataframe_split":{"data":[[5.1,3.5,1.4,0.2]]}}"#,
            SETOSA,
        ),
        (
            "iris",
            r#"{"dataframe_split":{"data":[[[5.1,3.5,1.4,0.2]],[[5.1,3.5,1.4,0.2]]],"columns":["X"]},"params":{"outputs":["label"],"temperature":{}}}"#,
            r#"{"predictions":["setosa","setosa"]}"#,
        ),
        (
            "iris",
            r#"{"dataframe_split":{"columns":["a","b","c","d"],"data":[]}}"#,
            r#"{"predictions":[]}"#,
        ),
        ("iris", r#"{"instances":[[5.1,3.5,1.4,0.2]]}"#, SETOSA),
        ("iris", r#"{"instances":[{"X":[5.1,3.5,1.4,0.2]}]}"#, SETOSA),
        ("iris", r#"{"inputs":{"X":[[5.1,3.5,1.4,0.2]]}}"#, SETOSA),
        ("iris", "[[5.1,3.5,1.4,0.2]]", SETOSA),
        (
            "text_rank1",
            r#"{"instances":["x",{"b64":"eQ=="}]}"#,
            r#"{"predictions":[-1,-1]}"#,
        ),
        (
            "features_json",
            r#"{"dataframe_records":[{"height, m":1,"weight":2,"a\"b":3,"id":"x"},{"a\"b":6,"height, m":4,"weight":5}]}"#,
            r#"{"predictions":[14.0,32.0]}"#,
        ),
        (
            "features_json",
            r#"{"dataframe_records":[{"height, m":1,"weight":2,"a\"b":3},{"height, m":4,"weight":5}]}"#,
            r#"{"predictions":[14.0,null]}"#,
        ),
        (
            "features_json",
            r#"{"dataframe_records":[{"height, m":4,"weight":5},{"height, m":1,"weight":2,"a\"b":3}]}"#,
            r#"{"predictions":[null,14.0]}"#,
        ),
        (
            "features_json",
            r#"{"dataframe_records":[]}"#,
            r#"{"predictions":[]}"#,
        ),
        (
            "features_json",
            r#"{"dataframe_records":[{"height, m":1,"weight":2,"a\"b":3,"id":"x"}],"params":{"keep":"id"}}"#,
            r#"{"predictions":[{"id":"x","Y":14.0}]}"#,
        ),
        (
            "features_json",
            r#"{"inputs":{"height, m":[1,4],"weight":[2,5],"a\"b":[3,6]}}"#,
            r#"{"predictions":[14.0,32.0]}"#,
        ),
        (
            "nan_inf",
            r#"{"dataframe_split":{"columns":["x"],"data":[[0],[null],[NaN],[2]]},"params":{"outputs":"log"}}"#,
            r#"{"predictions":[null,null,null,0.6931472]}"#,
        ),
    ] {
        let expected = (200, answer.to_owned());
        assert_eq!(invoked_json(model, body), expected, "{model} {body}");
    }
    let mut app = app("nan_inf.onnx", &hosting());
    app.nan = NonFinite::Token;
    let body = br#"{"instances":[0,1],"params":{"outputs":"log"}}"#;
    let seen = ask(&app, Method::Post, "/models/nan_inf/invoke", &[], body);
    assert_eq!(seen, (200, r#"{"predictions":[-Infinity,0.0]}"#.to_owned()));
}

/// Models, bodies, and what is wrong with those.
const WRONG: &[(&str, &str, &str)] = &[
    ("iris", "", "the body is empty; it should hold JSON"),
    ("iris", "5", "expected a JSON object"),
    (
        "iris",
        "{\"instances\":",
        "not valid JSON at byte 13: it ends in the middle",
    ),
    (
        "iris",
        r#"{"instances":[]}x"#,
        "not valid JSON at byte 16: expected the end",
    ),
    (
        "iris",
        r#"{"instances":[[1,2,3,4]],"params":5}"#,
        "not valid JSON at byte 0: expected an object",
    ),
    (
        "iris",
        r#"{"instances":[[1,2,3,4]],"params":{"threshold":"x"}}"#,
        "threshold: expected a number",
    ),
    (
        "iris",
        r#"{"dataframe_split":[1]}"#,
        "dataframe_split: expected an object with columns and data",
    ),
    (
        "iris",
        r#"{"dataframe_split":{"columns":["a"]}}"#,
        "dataframe_split.data: field required",
    ),
    (
        "iris",
        r#"{"dataframe_split":{"columns":{},"data":[]}}"#,
        "dataframe_split.columns: expected a list of names",
    ),
    (
        "iris",
        r#"{"dataframe_split":{"columns":["a","b","c","d"],"data":{}}}"#,
        "dataframe_split.data: expected a list of rows",
    ),
    (
        "iris",
        r#"{"dataframe_split":{"columns":["a","b","c","d"],"data":[[1,2,3,4],5]}}"#,
        "dataframe_split.data[1]: expected a list of values",
    ),
    (
        "iris",
        r#"{"dataframe_split":{"columns":["a","b","c","d"],"data":[[1,2,3],[1,2,3,"x"]]}}"#,
        "dataframe_split.data[0]: expected 4 values, found 3 (and 1 more)",
    ),
    (
        "iris",
        r#"{"dataframe_split":{"columns":["a","a","c","d"],"data":[[1,2,3,4]]}}"#,
        "the header has column \"a\" twice",
    ),
    (
        "iris",
        r#"{"dataframe_split":{"columns":["a","b"],"data":[[1,2]]}}"#,
        r#"input "X" takes 4 columns and the model does not name them, found 2: "a", "b""#,
    ),
    (
        "features_json",
        r#"{"dataframe_split":{"columns":["weight"],"data":[[1]]}}"#,
        "dataframe_split.data.height, m: the model needs this column (and 1 more)",
    ),
    (
        "features_json",
        r#"{"dataframe_records":[{"height, m":4,"weight":5}]}"#,
        r#"dataframe_records.a"b: the model needs this column"#,
    ),
    (
        "features_json",
        r#"{"dataframe_records":[1]}"#,
        "dataframe_records: expected a list of objects",
    ),
    (
        "features_json",
        r#"{"dataframe_records":{}}"#,
        "dataframe_records: expected a list of objects",
    ),
    (
        "features_json",
        r#"{"inputs":[[1,2]]}"#,
        "inputs.X: expected shape [N, 3], found [1, 2]",
    ),
];

#[test]
fn what_is_wrong_with_a_body_is_a_bad_request() {
    for (model, body, message) in WRONG {
        bad_request(model, body, message);
    }
}

#[test]
fn a_body_has_exactly_one_of_four_keys() {
    let one_of = r#"the body must have exactly one of "dataframe_split", "dataframe_records", "instances" and "inputs"; it has "#;
    for (body, has) in [
        (
            r#"{"inputs":[[1,2,3,4]],"instances":[]}"#,
            r#""inputs" and "instances""#,
        ),
        (
            r#"{"instances":[[1,2,3,4]],"instances":[]}"#,
            r#""instances" and "instances""#,
        ),
        (r#"{"messages":[]}"#, "none of them"),
        ("{}", "none of them"),
    ] {
        bad_request("iris", body, &format!("{one_of}{has}"));
    }
}

fn bad_request(model: &str, body: &str, message: &str) {
    let (status, told) = invoked_json(model, body);
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(status, 400, "{body}");
    assert_eq!(told["error_code"], "BAD_REQUEST", "{body}");
    assert_eq!(told["message"].as_str(), Some(message), "{body}");
    assert_eq!(
        told.as_object().map(serde_json::Map::len),
        Some(2),
        "{body}"
    );
}

const HEADER: &str = "sepal length (cm),sepal width (cm),petal length (cm),petal width (cm)\n";

#[test]
fn bodies_and_answers_have_the_form_that_sagemaker_names() {
    let named = format!("{HEADER}5.1,3.5,1.4,0.2\n");
    let columns = "label,probabilities_setosa,probabilities_versicolor,probabilities_virginica\n";
    let row = "setosa,0.9741182,0.025881454,3.74413e-7\n";
    let csv = "text/csv";
    let lines = "application/jsonlines";
    for (model, (sent, accept), body, answer) in [
        ("iris", (csv, "*/*"), named.as_str(), SETOSA.to_owned()),
        (
            "iris",
            (csv, "application/json"),
            "5.1,3.5,1.4,0.2\r\n",
            SETOSA.to_owned(),
        ),
        (
            "iris",
            ("Text/CSV; Charset=UTF-8", csv),
            &named,
            format!("{columns}{row}"),
        ),
        ("iris", (csv, csv), "5.1,3.5,1.4,0.2", row.to_owned()),
        (
            "iris",
            ("text/csv; header=absent", csv),
            "5.1,3.5,1.4,0.2\n\n5.1,3.5,1.4,0.2",
            format!("{row}{row}"),
        ),
        (
            "features_json",
            (lines, lines),
            "[1,2,3]\n[4,5,6]\n",
            "{\"Y\":14.0}\n{\"Y\":32.0}\n".to_owned(),
        ),
        (
            "features_json",
            (lines, "*/*"),
            "[1,2,3]\n[4,5,6]\n",
            r#"{"predictions":[14.0,32.0]}"#.to_owned(),
        ),
        (
            "features_json",
            ("application/json", csv),
            "[[1,2,3]]",
            "14.0\n".to_owned(),
        ),
        (
            "features_json",
            ("", ""),
            "[[1,2,3]]",
            r#"{"predictions":[14.0]}"#.to_owned(),
        ),
    ] {
        let seen = invoked(model, sent, accept, body);
        assert_eq!(seen, (200, answer), "{sent} {accept} {body}");
    }
}

#[test]
fn other_types_and_charsets_are_refused() {
    let types = "expected application/json, text/csv, application/jsonlines or application/x-npy";
    let parameter = "the content type has a parameter that is not known here";
    for (sent, accept, status, answer) in [
        (
            "application/json; charset=latin1",
            "*/*",
            415,
            "only UTF-8 is read here",
        ),
        (
            "application/json; format=pandas-split",
            "*/*",
            415,
            parameter,
        ),
        ("application/json; header=absent", "*/*", 415, parameter),
        ("text/csv; header=perhaps", "*/*", 415, parameter),
        ("application/x-www-form-urlencoded", "*/*", 415, types),
        ("multipart/form-data; boundary=x", "*/*", 415, types),
        (
            "application/json",
            "image/png",
            406,
            r#"{"error_code":"BAD_REQUEST","message":"there are application/json, text/csv, application/x-ndjson and application/x-npy"}"#,
        ),
        (
            "text/csv",
            "*/*",
            400,
            r#"{"error_code":"BAD_REQUEST","message":"[0].weight: expected a number (float32), found \"x\""}"#,
        ),
        (
            "text/csv; header=absent",
            "*/*",
            400,
            r#"{"error_code":"BAD_REQUEST","message":"[0].height, m: expected a number (float32), found \"height, m\" (and 3 more)"}"#,
        ),
        (
            "application/x-npy",
            "*/*",
            400,
            r#"{"error_code":"BAD_REQUEST","message":"damaged, or not an NPY array that can be fed: it does not start as one"}"#,
        ),
    ] {
        let body = "\"height, m\",weight,\"a\"\"b\"\n1,x,3\n";
        let seen = invoked("features_json", sent, accept, body);
        assert_eq!(seen, (status, answer.to_owned()), "{sent} {accept}");
    }
    assert_eq!(invoked("features_json", "text/csv", "*/*", "").0, 400);
}

#[test]
fn health_is_an_empty_line_until_the_server_stops() {
    let app = app("iris.onnx", &hosting());
    let asked = |target| ask(&app, Method::Get, target, &[], b"");
    assert_eq!(asked("/ping"), (200, "\n".to_owned()));
    assert_eq!(asked("/health"), (200, "\n".to_owned()));
    let method = r#"{"error_code":"ENDPOINT_NOT_FOUND","message":"Method Not Allowed"}"#;
    assert_eq!(asked("/invocations"), (405, method.to_owned()));
    let unknown =
        r#"{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"there is no model \"x\" here"}"#;
    let seen = ask(&app, Method::Post, "/models/x/invoke", &[], b"");
    assert_eq!(seen, (404, unknown.to_owned()));
    app.stop();
    let stopping = r#"{"error_code":"TEMPORARILY_UNAVAILABLE","message":"the server is stopping"}"#;
    assert_eq!(asked("/ping"), (503, stopping.to_owned()));
}
