//! `mlserve inspect --diff`: what changed, and whether callers break.

use serde_json::{Value as Json, json};

use crate::run::{Outcome, mlserve};

fn diff(old: &str, new: &str, more: &[&str]) -> Outcome {
    mlserve(&[&["inspect", old, "--diff", new], more].concat()).run()
}

#[track_caller]
fn report(old: &str, new: &str) -> Json {
    serde_json::from_str(&diff(old, new, &["--json"]).stdout).expect("JSON")
}

#[test]
fn weights_are_compared_by_value_and_found_under_other_names() {
    let outcome = diff(
        "models/digits.onnx",
        "tests/corpus/inspect/digits_2.onnx",
        &[],
    );
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    assert_eq!(
        outcome.stdout,
        "\
models/digits.onnx -> tests/corpus/inspect/digits_2.onnx

COMPATIBLE: callers of the old model work with the new one

FILE
file_bytes    16796 -> 16838
weight_bytes  15292 -> 15324

OPSETS
ai.onnx  20 -> 21

METADATA
trained  none -> again

WEIGHTS
NAME           CHANGE                      VALUES   LARGEST  RELATIVE
layers.0.bias  float32 [8] -> float64 [8]  0 of 8   0        0.00 %
layers.2.bias  now called conv.bias        -        -
layers.5.bias  values                      1 of 10  0.5000   102.09 %
2 of 7 tensors of the same name changed

NODES
NODE           OPERATOR  CHANGE              VALUES  LARGEST  RELATIVE
node_conv2d_1  Conv      reads other values  -       -
"
    );
}

#[test]
fn trees_are_compared_one_by_one() {
    let report = report(
        "models/diabetes.onnx",
        "tests/corpus/inspect/diabetes_2.onnx",
    );
    assert_eq!(report["compatible"], true);
    let ensemble = &report["ensembles"][0];
    // make_models.py: a threshold of 4.8828 grew by 1, a leaf of -2.3059 lost 0.25.
    for (key, expected) in [
        ("old_trees", 50),
        ("new_trees", 49),
        ("same", 46),
        ("revalued", 2),
        ("regrown", 1),
    ] {
        assert_eq!(ensemble[key], expected, "{key}");
    }
    let near =
        |value: &Json, expected: f64| (value.as_f64().unwrap_or(f64::NAN) - expected).abs() < 1e-6;
    let (thresholds, leaves) = (&ensemble["thresholds"], &ensemble["leaves"]);
    assert_eq!(
        (&thresholds["count"], &leaves["count"]),
        (&json!(144), &json!(192))
    );
    assert!(near(&thresholds["absolute"], 1.0) && near(&thresholds["relative"], 1.0 / 5.8828));
    assert!(near(&leaves["absolute"], 0.25) && near(&leaves["relative"], 0.25 / 2.555_929_7));
}

#[test]
fn callers_that_break_end_with_exit_code_1_after_the_report() {
    let outcome = diff("models/iris.onnx", "tests/corpus/inspect/iris_2.onnx", &[]);
    assert_eq!(outcome.code, 1);
    let broken = "output \"probabilities\": its class names were setosa, versicolor, virginica and \
                  are Setosa, versicolor, virginica";
    assert_eq!(
        outcome.stderr,
        format!(
            "tests/corpus/inspect/iris_2.onnx: not compatible with models/iris.onnx: {broken}\n"
        )
    );
    for line in [
        "NOT COMPATIBLE: callers of the old model break",
        &format!("  {broken}"),
        "LinearClassifier  LinearClassifier  coefficients         1 of 12  0.3614   50.00 %",
    ] {
        assert!(
            outcome.stdout.lines().any(|l| l == line),
            "{line}\nin\n{}",
            outcome.stdout
        );
    }
    let report = report("models/titanic.onnx", "models/penguins.onnx");
    assert_eq!(report["compatible"], false);
    assert_eq!(report["breaks"].as_array().map(Vec::len), Some(10));
    assert_eq!(
        report["breaks"][0],
        json!({
            "side": "input",
            "name": "class",
            "what": "gone",
            "old": "string [?, 1]",
            "new": "",
            "text": "input \"class\": it is gone (string [?, 1])",
        })
    );
}

#[test]
fn a_model_is_compatible_with_itself_in_either_format() {
    for (old, new, identical) in [
        ("models/wine.onnx", "models/wine.onnx", true),
        ("tests/corpus/iris.onnx", "tests/corpus/iris.ort", false),
        ("tests/corpus/ext.onnx", "tests/corpus/ext.onnx", true),
    ] {
        let report = report(old, new);
        assert_eq!(report["compatible"], true, "{old} {new}");
        assert_eq!(report["identical"], identical, "{old} {new}");
        assert_eq!(report["weights"]["list"], json!([]), "{old} {new}");
        assert_eq!(report["nodes"]["list"], json!([]), "{old} {new}");
    }
}

#[test]
fn a_second_file_that_is_no_model_is_refused_by_its_name() {
    let outcome = diff("models/iris.onnx", "README.md", &[]);
    assert_eq!(outcome.code, 3);
    assert!(
        outcome.stderr.starts_with("README.md: "),
        "{}",
        outcome.stderr
    );
    assert_eq!(outcome.stdout, "");
    let evil = diff(
        "tests/corpus/evil_names.onnx",
        "tests/corpus/dtypes.onnx",
        &[],
    );
    let raw = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
    assert!(
        !evil.stdout.contains(raw) && !evil.stderr.contains(raw),
        "{evil_text:?}",
        evil_text = evil.stdout
    );
}
