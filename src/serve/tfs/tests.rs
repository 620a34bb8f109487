//! Requests as TensorFlow Serving's and KServe's clients send them, with the answers to the byte. The
//! numbers are those of ONNX Runtime in Python.

use crate::batch::write::NonFinite;
use crate::serve::message::Method;
use crate::serve::tests::{app, ask, hosting, post};

/// The answer of one of the sample models to a body.
fn answered(model: &str, verb: &str, body: &str) -> (u16, String) {
    let app = app(&format!("{model}.onnx"), &hosting());
    post(&app, &format!("/v1/models/{model}:{verb}"), body)
}

fn check(rows: &[(&str, &str, &str)], verb: &str, status: u16) {
    for (model, body, answer) in rows {
        let expected = (status, (*answer).to_owned());
        assert_eq!(answered(model, verb, body), expected, "{model} {body}");
    }
}

const PENGUIN: &str = r#"{"island":"Biscoe","sex":"male","bill_length_mm":39.1,"bill_depth_mm":18.7,"flipper_length_mm":181,"body_mass_g":3750}"#;

#[test]
fn rows_are_tensors_without_their_first_axis_or_records() {
    let iris = r#"{"predictions":[{"label":"setosa","probabilities":[0.9741182,0.025881454,3.74413e-7]}]}"#;
    let penguin = r#"{"predictions":[{"output_label":"Adelie","output_probability":[0.9990326,0.0007160858,0.0002512897]}]}"#;
    check(
        &[
            ("iris", r#"{"instances":[[5.1,3.5,1.4,0.2]]}"#, iris),
            (
                "iris",
                r#" { "signature_name" : "serving_default", "instances" : [ [ 5.1,3.5,1.4,0.2 ] ] , "x":[1] } "#,
                iris,
            ),
            ("iris", r#"{"instances":[{"X":[5.1,3.5,1.4,0.2]}]}"#, iris),
            (
                "iris",
                r#"{"instances":[[1,2,3,4]],"parameters":{"outputs":["label"],"x":1}}"#,
                r#"{"predictions":["virginica"]}"#,
            ),
            (
                "penguins",
                &format!(r#"{{"instances":[{PENGUIN}]}}"#),
                penguin,
            ),
            (
                "penguins",
                r#"{"instances":[{"island":["Biscoe"],"sex":[{"b64":"bWFsZQ=="}],"bill_length_mm":[39.1],"bill_depth_mm":[18.7],"flipper_length_mm":[181],"body_mass_g":[3750]}]}"#,
                penguin,
            ),
            (
                "features_json",
                r#"{"instances":[{"height, m":1,"weight":2,"a\"b":3}]}"#,
                r#"{"predictions":[[14.0]]}"#,
            ),
            (
                "features_json",
                r#"{"instances":[[1,2,3],[4,5,6]]}"#,
                r#"{"predictions":[[14.0],[32.0]]}"#,
            ),
            (
                "text_rank1",
                r#"{"instances":["x",{"b64":"eQ=="}]}"#,
                r#"{"predictions":[-1,-1]}"#,
            ),
            (
                "tensor_rank3",
                r#"{"instances":[[[0,1,2],[3,4,5]],[[6,7,8],[9,10,11]]]}"#,
                r#"{"predictions":[[[-2.0,1.2],[-2.0,6.0]],[[-2.0,10.8],[-2.0,15.6]]]}"#,
            ),
            (
                "variable_length",
                r#"{"instances":[[1,2,4],[4,5,6]]}"#,
                r#"{"predictions":[2.3333333,5.0]}"#,
            ),
            (
                "diamonds",
                r#"{"instances":[{"grade":[1,2,3],"measure":[0.5,60,55,5,5,3]}]}"#,
                r#"{"predictions":[[1066.5853]]}"#,
            ),
        ],
        "predict",
        200,
    );
}

#[test]
fn columns_are_whole_tensors_or_features() {
    let iris =
        r#"{"outputs":{"label":["setosa"],"probabilities":[[0.9741182,0.025881454,3.74413e-7]]}}"#;
    check(
        &[
            ("iris", r#"{"inputs":[[5.1,3.5,1.4,0.2]]}"#, iris),
            ("iris", r#"{"inputs":{"X":[[5.1,3.5,1.4,0.2]]}}"#, iris),
            (
                "penguins",
                r#"{"inputs":{"island":["Biscoe"],"sex":["male"],"bill_length_mm":[39.1],"bill_depth_mm":[18.7],"flipper_length_mm":[181],"body_mass_g":[[3750]]}}"#,
                r#"{"outputs":{"output_label":["Adelie"],"output_probability":[[0.9990326,0.0007160858,0.0002512897]]}}"#,
            ),
            (
                "features_json",
                r#"{"inputs":{"height, m":[1,4],"weight":[2,5],"a\"b":[3,6]}}"#,
                r#"{"outputs":[[14.0],[32.0]]}"#,
            ),
            (
                "scalar_input",
                r#"{"inputs":{"X":[[1,2],[3,4]],"sr":3}}"#,
                r#"{"outputs":[[0.33333334,0.6666667],[1.0,1.3333334]]}"#,
            ),
            (
                "state_set",
                r#"{"inputs":{"X":[[1,2],[3,4]],"h":[[1,1,1,1]]}}"#,
                r#"{"outputs":{"Y":[[7.0],[11.0]],"hn":[[5.0,5.0,5.0,5.0]]}}"#,
            ),
            (
                "zipmap_int64",
                r#"{"inputs":[[5.1,3.5,1.4,0.2]]}"#,
                r#"{"outputs":{"output_label":[-1],"output_probability":[[0.98157287,0.018427137,1.4781146e-8]]}}"#,
            ),
        ],
        "predict",
        200,
    );
}

#[test]
fn what_is_not_finite_is_null_or_its_token() {
    let body = r#"{"instances":[1,0,-1,NaN,null]}"#;
    let mut app = app("nan_inf.onnx", &hosting());
    let null = r#"{"predictions":[{"log":[0.0],"inverse":[1.0]},{"log":[null],"inverse":[null]},{"log":[null],"inverse":[-1.0]},{"log":[null],"inverse":[null]},{"log":[null],"inverse":[null]}]}"#;
    let target = "/v1/models/nan_inf:predict";
    assert_eq!(post(&app, target, body), (200, null.to_owned()));
    app.nan = NonFinite::Token;
    let token = r#"{"predictions":[{"log":[0.0],"inverse":[1.0]},{"log":[-Infinity],"inverse":[Infinity]},{"log":[NaN],"inverse":[-1.0]},{"log":[NaN],"inverse":[NaN]},{"log":[NaN],"inverse":[NaN]}]}"#;
    assert_eq!(post(&app, target, body), (200, token.to_owned()));
}

/// Models, bodies, and what is wrong with those.
const WRONG: &[(&str, &str, &str)] = &[
    ("iris", "", "the body is empty; it should hold JSON"),
    ("iris", "[1]", "expected a JSON object"),
    (
        "iris",
        "{}",
        r#"the body has neither "instances" nor "inputs""#,
    ),
    (
        "iris",
        r#"{"instances":[[1,2,3,4]]"#,
        "not valid JSON at byte 24: it ends in the middle",
    ),
    (
        "iris",
        r#"{"instances":[[1,2,3,4]]} x"#,
        "not valid JSON at byte 26: expected the end",
    ),
    (
        "iris",
        r#"{"instances":[[1,2,3,4]],"inputs":[[1,2,3,4]]}"#,
        r#"the body has both "instances" and "inputs""#,
    ),
    (
        "iris",
        r#"{"instances":[[1,2,3,4]],"instances":[]}"#,
        "instances: it stands twice",
    ),
    (
        "iris",
        r#"{"instances":[[1,2,3,4]],"signature_name":5}"#,
        "signature_name: expected text",
    ),
    (
        "iris",
        r#"{"instances":[[1,2,3,4]],"parameters":{"top":0}}"#,
        "top: expected a number from 1 on",
    ),
    (
        "iris",
        r#"{"instances":5}"#,
        "instances: expected a list of instances",
    ),
    (
        "iris",
        r#"{"instances":[]}"#,
        "instances: expected at least one instance",
    ),
    (
        "iris",
        r#"{"instances":[[1,2,3]]}"#,
        "instances.X: expected shape [?, 4], found [1, 3]",
    ),
    (
        "iris",
        r#"{"instances":[[5.1,3.5,1.4,0.2],[1,2,3],[1,2,"x",4]]}"#,
        "instances[1]: it has another shape than the first (and 1 more)",
    ),
    (
        "iris",
        r#"{"instances":[{"X":[1,2,3,4],"Y":1}]}"#,
        "instances[0].Y: the model has no use for this field",
    ),
    (
        "iris",
        r#"{"inputs":{"Y":[[1,2,3,4]]}}"#,
        "inputs.Y: the model has no such input",
    ),
    (
        "iris",
        r#"{"inputs":{"X":[[1,2,3,4]],"X":[[1,2,3,4]]}}"#,
        "inputs.X: the input stands twice",
    ),
    ("iris", r#"{"inputs":{}}"#, "inputs.X: input required"),
    (
        "text_rank1",
        r#"{"instances":[{"b64":"!"}]}"#,
        r#""b64" is not base64: Invalid symbol 33, offset 0."#,
    ),
    (
        "text_rank1",
        r#"{"instances":[{"b64":"/w=="}]}"#,
        r#""b64" holds bytes that are not UTF-8, and a model's strings are text"#,
    ),
    (
        "variable_length",
        r#"{"instances":[[1,2,4],[4,5]]}"#,
        "instances[1]: it has another shape than the first",
    ),
    (
        "diamonds",
        r#"{"instances":[{"grade":[1,2,3]}]}"#,
        "instances[0].measure: input required",
    ),
    (
        "diamonds",
        r#"{"instances":[{"grade":[1,2,3],"measure":[0.5,60,55,5,5,3]},{"grade":[1,"x",3],"measure":[0.5,60,55,5,5,3]}]}"#,
        "instances[1].grade: expected lists of int64 nested 2 deep, but it is a number in quotes",
    ),
    (
        "diamonds",
        r#"{"instances":[{"grade":[1,2,3],"measure":[0.5,60,55,5,5,3]},5]}"#,
        "instances[1]: expected an object, as the first instance is one",
    ),
    (
        "penguins",
        r#"{"instances":[{"island":"Biscoe"}]}"#,
        "instances[0].sex: field required (and 4 more)",
    ),
    (
        "features_json",
        r#"{"inputs":{"height, m":[1,4],"weight":[2]}}"#,
        "inputs.weight: it has not as many values as the first column",
    ),
];

#[test]
fn what_is_wrong_with_a_request_is_400_and_a_sentence() {
    let deep = format!(
        r#"{{"instances":{}{}}}"#,
        "[".repeat(1000),
        "]".repeat(1000)
    );
    let too_deep = "not valid JSON at byte 113: it is nested too deeply";
    let rows = WRONG
        .iter()
        .copied()
        .chain([("iris", deep.as_str(), too_deep)]);
    for (model, body, sentence) in rows {
        let (status, told) = answered(model, "predict", body);
        let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
        let keys = told.as_object().map_or(0, serde_json::Map::len);
        assert_eq!((status, keys), (400, 1), "{body}");
        assert_eq!(told["error"].as_str(), Some(sentence), "{body}");
    }
}

#[test]
fn examples_are_classified_where_there_are_classes_and_regressed_where_there_is_a_number() {
    let iris = r#"{"results":[[["setosa",0.9741182],["versicolor",0.025881454],["virginica",3.74413e-7]]]}"#;
    let penguin = format!(r#"{{"examples":[{PENGUIN}]}}"#);
    check(
        &[
            ("iris", r#"{"examples":[{"X":[5.1,3.5,1.4,0.2]}]}"#, iris),
            (
                "iris",
                r#"{"context":{"X_0":9,"X_1":3.5},"examples":[{"X_0":5.1,"X_2":1.4,"X_3":0.2}]}"#,
                iris,
            ),
            (
                "penguins",
                &penguin,
                r#"{"results":[[["Adelie",0.9990326],["Chinstrap",0.0007160858],["Gentoo",0.0002512897]]]}"#,
            ),
        ],
        "classify",
        200,
    );
    check(
        &[
            (
                "features_json",
                r#"{"examples":[{"height, m":1,"weight":2,"a\"b":3}]}"#,
                r#"{"results":[14.0]}"#,
            ),
            (
                "features_json",
                r#"{"context":{"height, m":1,"weight":2,"a\"b":3},"examples":[{}]}"#,
                r#"{"results":[14.0]}"#,
            ),
        ],
        "regress",
        200,
    );
    check(
        &[
            (
                "iris",
                r#"{"examples":[{"X":[5.1,3.5,1.4,0.2]}]}"#,
                r#"{"error":"the model does not give one number alone, so this is no regression; :predict has what it gives"}"#,
            ),
            (
                "features_json",
                "{}",
                r#"{"error":"the body has no \"examples\""}"#,
            ),
            (
                "features_json",
                r#"{"examples":[]}"#,
                r#"{"error":"examples: expected a list of objects"}"#,
            ),
            (
                "features_json",
                r#"{"examples":[1]}"#,
                r#"{"error":"examples: expected a list of objects"}"#,
            ),
            (
                "features_json",
                r#"{"examples":[{}],"context":[]}"#,
                r#"{"error":"context: expected an object"}"#,
            ),
        ],
        "regress",
        400,
    );
    check(
        &[(
            "features_json",
            r#"{"examples":[{"height, m":1,"weight":2,"a\"b":3}]}"#,
            r#"{"error":"the model gives no scores by class, so it cannot classify; :predict has what it gives"}"#,
        )],
        "classify",
        400,
    );
}

#[test]
fn paths_match_in_any_case_and_name_versions_and_labels() {
    let app = app("iris.onnx", &hosting());
    let status = r#"{"model_version_status":[{"version":"1","state":"AVAILABLE","status":{"error_code":"OK","error_message":""}}],"name":"iris","ready":true}"#;
    let label = r#"{"error":"the model \"iris\" has no label \"stable\" here"}"#;
    for (target, code, answer) in [
        ("/v1/models", 200, r#"{"models":["iris"]}"#),
        ("/v1/models/iris", 200, status),
        ("/V1/MODELS/iris/Versions/1/", 200, status),
        ("/v1/models/iris/labels/stable", 404, label),
        (
            "/v1/models/other",
            404,
            r#"{"error":"there is no model \"other\" here"}"#,
        ),
        (
            "/v1/models/iris:predict",
            405,
            r#"{"error":"Method Not Allowed"}"#,
        ),
        (
            "/v1/models/iris/versions/1/x",
            404,
            r#"{"error":"Not Found"}"#,
        ),
        ("/v1/other", 404, r#"{"error":"Not Found"}"#),
    ] {
        let seen = ask(&app, Method::Get, target, &[], b"");
        assert_eq!(seen, (code, answer.to_owned()), "{target}");
    }
    let body = r#"{"instances":[[5.1,3.5,1.4,0.2]]}"#;
    for (target, code) in [
        ("/v1/models/iris:predict", 200),
        ("/v1/models/iris%3Apredict", 200),
        ("/V1/Models/iris:Predict", 200),
        ("/v1/models/iris/versions/1:predict", 200),
        ("/v1/models/iris/versions/2:predict", 404),
        ("/v1/models/iris/versions/18446744073709551616:predict", 404),
        ("/v1/models/iris/labels/stable:predict", 404),
        ("/v1/models/other:predict", 404),
        ("/v1/models/:predict", 404),
        ("/v1/models/..%2f..%2fetc:predict", 404),
        ("/v1/models/iris:predict/metadata", 404),
        ("/v1/models/iris:explain", 501),
        ("/v1/models/iris:run", 404),
        ("/v1/models/iris", 405),
    ] {
        assert_eq!(post(&app, target, body).0, code, "{target}");
    }
}

#[test]
fn metadata_has_the_signature() {
    let app = app("penguins.onnx", &hosting());
    let (status, told) = ask(&app, Method::Get, "/v1/models/penguins/metadata", &[], b"");
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    let signature = &told["metadata"]["signature_def"]["signature_def"]["serving_default"];
    assert_eq!(status, 200);
    assert_eq!(told["model_spec"]["name"], "penguins");
    assert_eq!(
        signature["inputs"]["island"].to_string(),
        r#"{"dtype":"DT_STRING","tensor_shape":{"dim":[{"size":"-1","name":""},{"size":"1","name":""}],"unknown_rank":false},"name":"island"}"#
    );
    assert_eq!(
        signature["outputs"]["output_probability"]["dtype"],
        "DT_FLOAT"
    );
}
