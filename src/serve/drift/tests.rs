//! Drift as it is told of, whatever the dialect that the records come in.

use serde_json::{Value, json};

use super::Baselines;
use crate::serve::app::App;
use crate::serve::hosted::Hosting;
use crate::serve::message::Method;
use crate::serve::tests::{app, ask, hosting, post};

/// One feature and two columns of predictions of the iris model.
fn profile() -> Value {
    let numbers = |name: &str, more: Value| {
        let mut column = json!({
            "name": name, "element": 0, "kind": "number", "count": 60, "missing": 0,
            "infinite": 0, "mean": null, "sd": null, "min": null, "max": null, "quantiles": {},
        });
        column
            .as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        column
    };
    let label = json!({
        "name": "label", "element": 0, "kind": "text", "count": 60, "missing": 0, "other": 0,
        "values": [{"value": "setosa", "count": 30}, {"value": "versicolor", "count": 30}],
    });
    let bins = json!({"edges": [5.0, 6.0], "counts": [20, 30, 10]});
    json!({
        "mlserve_profile": 1, "model": "iris.onnx", "records": 60, "sampled": 60,
        "features": [numbers("<b>length", json!({"input": "X", "bins": bins}))],
        "features_left_out": 0,
        "predictions": [
            label,
            numbers("probabilities_setosa", json!({"bins": {"edges": [0.5], "counts": [30, 30]}})),
        ],
        "predictions_left_out": 0,
    })
}

fn baselines(profile: &Value, window: u64) -> crate::error::Result<Baselines> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), profile.to_string()).expect("written");
    Baselines::new(&[file.path().display().to_string()], window)
}

fn watched(window: u64) -> App {
    let hosting = Hosting {
        baselines: baselines(&profile(), window).expect("a profile"),
        ..hosting()
    };
    app("iris.onnx", &hosting)
}

fn told(app: &App) -> Value {
    let (status, text) = ask(app, Method::Get, "/models/iris/drift", &[], b"");
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).expect("JSON")
}

const RECORD: &str = "[5.1,3.5,1.4,0.2]";

#[test]
fn all_dialects_are_seen() {
    let app = watched(100);
    let json = ("Content-Type", "application/json");
    let csv = ("Content-Type", "text/csv");
    let named = r#"{"sepal length (cm)":5.1,"sepal width (cm)":3.5,"petal length (cm)":1.4,"petal width (cm)":0.2}"#;
    let tensor = format!(
        "{{\"inputs\":[{{\"name\":\"X\",\"shape\":[1,4],\"datatype\":\"FP32\",\"data\":[{RECORD}]}}]}}"
    );
    let asked = [
        ("/predict", json, RECORD.to_owned()),
        ("/predict", json, named.to_owned()),
        (
            "/predict",
            json,
            format!("{{\"inputs\":{{\"X\":[{RECORD}]}}}}"),
        ),
        ("/predict", csv, "a,b,c,d\n5.1,3.5,1.4,0.2\n".to_owned()),
        ("/v2/models/iris/infer", json, tensor),
        (
            "/v1/models/iris:predict",
            json,
            format!("{{\"instances\":[{RECORD}]}}"),
        ),
        (
            "/v1/models/iris:predict",
            json,
            format!("{{\"inputs\":[{RECORD}]}}"),
        ),
        ("/invocations", json, format!("{{\"inputs\":[{RECORD}]}}")),
    ];
    for (number, (path, header, body)) in (1..).zip(asked) {
        let (status, answer) = ask(&app, Method::Post, path, &[header], body.as_bytes());
        assert_eq!(status, 200, "{path} {body}: {answer}");
        let told = told(&app);
        assert_eq!(told["records"], number, "{path} {body}");
        assert_eq!(
            told["features"][0]["counts"],
            json!([0, number, 0]),
            "{path} {body}"
        );
        let [label, score] = [0, 1].map(|at| told["predictions"][at]["counts"].clone());
        assert_eq!(label, json!([number, 0, 0]), "{path} {body}");
        assert_eq!(score, json!([0, number]), "{path} {body}");
    }
    // What is wished for is not what the baseline has.
    assert_eq!(post(&app, "/predict?argmax=true", RECORD).0, 200);
    let told = told(&app);
    assert_eq!(
        (&told["records"], &told["features"][0]["counts"]),
        (&9.into(), &json!([0, 9, 0]))
    );
    assert_eq!(told["predictions"][0]["counts"], json!([8, 0, 0]));
    // Nobody asked for what is tried for the document's examples.
    assert_eq!(ask(&app, Method::Get, "/openapi.json", &[], b"").0, 200);
    assert_eq!(self::told(&app)["records"], 9);
}

/// Of `[20, 30, 10] / 60` and `[10, 15, 25] / 50`, by NumPy.
const PSI: f64 = 0.536_479_304_144_700_1;

#[test]
fn the_index_and_the_missing_ratio_are_told_when_there_are_records_enough() {
    let app = watched(100);
    let send = |times: usize, first: &str| {
        for _ in 0..times {
            assert_eq!(post(&app, "/predict", &format!("[{first},3,1,0.2]")).0, 200);
        }
    };
    send(10, "5.0");
    send(15, "6.0");
    assert_eq!(told(&app)["features"][0]["psi"], Value::Null);
    send(25, "6.5");
    send(10, "null");
    let told = told(&app);
    let psi = told["features"][0]["psi"].as_f64().unwrap_or(0.0);
    assert!((psi - PSI).abs() < 1e-12, "{psi}");
    let missing = told["features"][0]["missing_ratio"].as_f64().unwrap_or(0.0);
    assert!((missing - 1.0 / 6.0).abs() < 1e-12, "{missing}");
    let (_, text) = ask(&app, Method::Get, "/metrics", &[], b"");
    for line in [
        "mlserve_drift_records{model=\"iris\",version=\"1\"} 60".to_owned(),
        format!("mlserve_drift_psi{{model=\"iris\",version=\"1\",kind=\"input\",feature=\"<b>length\"}} {psi}"),
        "mlserve_drift_baseline_missing_ratio{model=\"iris\",version=\"1\",kind=\"prediction\",feature=\"label\"} 0".to_owned(),
    ] {
        assert!(text.contains(&line), "{line}\n{text}");
    }
}

#[test]
fn the_page_shows_it_without_any_script() {
    let app = watched(100);
    for _ in 0..60 {
        assert_eq!(post(&app, "/predict", "[7,3,1,0.2]").0, 200);
    }
    let (status, page) = ask(&app, Method::Get, "/drift", &[], b"");
    assert_eq!(status, 200);
    assert!(
        page.contains("&lt;b&gt;length <span class=\"soft\">input</span></th><td class=\"much\">"),
        "{page}"
    );
    assert!(page.contains("up to 5: 33.3 % before, 0.0 % now"), "{page}");
    assert!(
        !page.contains("<script") && !page.contains("<b>") && !page.contains("http"),
        "{page}"
    );
    let (_, home) = ask(&app, Method::Get, "/", &[], b"");
    assert!(home.contains("href=\"drift\""));
}

#[test]
fn a_model_without_a_baseline_says_so() {
    let app = app("iris.onnx", &hosting());
    let told = told(&app);
    assert_eq!(
        (&told["baseline"], &told["records"]),
        (&Value::Null, &0.into())
    );
    let (_, page) = ask(&app, Method::Get, "/drift", &[], b"");
    assert!(page.contains("No baseline."), "{page}");
    let (_, text) = ask(&app, Method::Get, "/metrics", &[], b"");
    assert!(!text.contains("mlserve_drift"), "{text}");
    assert_eq!(
        ask(&app, Method::Get, "/models/other/drift", &[], b"").0,
        404
    );
}

#[test]
fn a_baseline_of_another_model_is_refused() {
    let load = |profile: &Value| {
        let hosting = Hosting {
            baselines: baselines(profile, 100).expect("a profile"),
            ..hosting()
        };
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models/iris.onnx");
        let loaded = crate::serve::hosted::Hosted::load(&path, "iris", "1", &hosting);
        loaded.err().expect("an error").to_string()
    };
    let mut other = profile();
    other["features"][0]["input"] = "Y".into();
    let error = load(&other);
    assert!(
        error.contains("the model has no input \"Y\", which \"<b>length\" fed"),
        "{error}"
    );
    let mut other = profile();
    other["predictions"][1]["name"] = "price".into();
    let error = load(&other);
    assert!(
        error.contains("the model's predictions have no column \"price\""),
        "{error}"
    );
    let error = baselines(&json!({}), 100)
        .expect_err("no profile")
        .to_string();
    assert!(error.contains("it is no profile"), "{error}");
}

#[test]
fn profiles_find_their_models_by_name() {
    let two = |typed: &[&str]| {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), profile().to_string()).expect("written");
        let path = file.path().display().to_string();
        let typed: Vec<String> = typed
            .iter()
            .map(|name| name.replace("FILE", &path))
            .collect();
        Baselines::new(&typed, 100)
    };
    let named = two(&["a=FILE", "b=FILE"]).expect("two");
    assert!(named.of("a").is_some() && named.of("c").is_none());
    assert!(named.check(&["a", "b", "c"]).is_ok());
    assert!(named.check(&["a"]).is_err());
    let only = two(&["FILE"]).expect("one");
    assert!(only.of("any").is_some());
    // The same model may have several versions.
    assert!(only.check(&["a", "a"]).is_ok());
    assert!(only.check(&["a", "b"]).is_err());
    assert!(two(&["a=FILE", "a=FILE"]).is_err());
    assert!(two(&["no/such/file"]).is_err());
}
