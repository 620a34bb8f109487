//! `mlserve inspect`: exact reports, stable JSON, examples that `predict` accepts.

use std::fs;
use std::path::Path;

use serde_json::Value as Json;

use crate::run::{Folder, Outcome, ROOT, mlserve};

const SAMPLES: [&str; 10] = [
    "auto_mpg",
    "breast_cancer",
    "diabetes",
    "diamonds",
    "digits",
    "iris",
    "languages",
    "penguins",
    "titanic",
    "wine",
];

/// `mlserve inspect` with these arguments, held to success and silence.
#[track_caller]
fn inspect(args: &[&str]) -> Outcome {
    let outcome = mlserve(&[&["inspect"], args].concat()).run();
    assert_eq!(outcome.stderr, "", "{args:?}");
    assert_eq!(outcome.code, 0, "{args:?}");
    outcome
}

#[track_caller]
fn json(args: &[&str]) -> Json {
    let outcome = inspect(&[args, &["--json"]].concat());
    serde_json::from_str(&outcome.stdout).expect("JSON")
}

/// Every model of the corpus that `predict` scores.
fn corpus() -> Vec<String> {
    let entries = fs::read_dir(Path::new(ROOT).join("tests/corpus")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut models: Vec<String> = names
        .filter(|name| name.ends_with(".onnx") || name.ends_with(".ort"))
        .map(|name| format!("tests/corpus/{name}"))
        .collect();
    models.sort();
    assert!(models.len() > 40, "{models:?}");
    models
}

fn samples() -> Vec<String> {
    SAMPLES.map(|name| format!("models/{name}.onnx")).to_vec()
}

#[test]
fn a_pipeline_shows_its_columns_with_the_categories_it_knows() {
    let outcome = inspect(&["models/penguins.onnx"]);
    assert_eq!(
        outcome.stdout,
        r#"models/penguins.onnx: ONNX, 1.8 kB

INPUT              DTYPE    SHAPE   FED BY
island             string   [?, 1]  column "island": Biscoe, Dream, Torgersen
sex                string   [?, 1]  column "sex": female, male
bill_length_mm     float32  [?, 1]  column "bill_length_mm"
bill_depth_mm      float32  [?, 1]  column "bill_depth_mm"
flipper_length_mm  float32  [?, 1]  column "flipper_length_mm"
body_mass_g        float32  [?, 1]  column "body_mass_g"

OUTPUT              DTYPE                           SHAPE  CLASSES
output_label        string                          [?]
output_probability  sequence(map(string, float32))  -      Adelie, Chinstrap, Gentoo

COLUMNS OF PREDICTIONS
output_label, output_probability_Adelie, output_probability_Chinstrap, output_probability_Gentoo

MODEL
producer    skl2onnx 1.20.0
graph       penguins
domain      ai.onnx
IR version  10
opsets      ai.onnx.ml 1, ai.onnx 21
parameters  2 (16 B)
nodes       12: Concat x3, OneHotEncoder x2, Identity, Imputer, LinearClassifier and 4 more
"#
    );
}

#[test]
fn a_matrix_shows_its_feature_names_as_far_as_they_fit() {
    // The kernel's engine is the processor's.
    let outcome = inspect(&["models/breast_cancer.onnx", "--trees", "ort"]);
    assert_eq!(
        outcome.stdout,
        r#"models/breast_cancer.onnx: ONNX, 34.5 kB

INPUT  DTYPE    SHAPE    FED BY
X      float32  [?, 30]  columns mean radius, mean texture, mean perimeter, mean area and 26 more

OUTPUT         DTYPE                           SHAPE  CLASSES
label          string                          [1]
probabilities  sequence(map(string, float32))  -      benign, malignant

COLUMNS OF PREDICTIONS
label, probabilities_benign, probabilities_malignant

MODEL
producer    OnnxMLTools 1.16.0
graph       breast_cancer
domain      onnxml
IR version  4
opsets      ai.onnx 8, ai.onnx.ml 1
nodes       5: Identity x3, TreeEnsembleClassifier, ZipMap
trees       60 (900 nodes): stays with ONNX Runtime: --trees ort was asked for

METADATA
feature_names  ["mean radius", "mean texture", "mean perimeter", "mean area", "mean smoothness", "m…
"#
    );
}

#[test]
fn lists_and_raw_scores_are_said_in_words() {
    let text = inspect(&["models/digits.onnx"]).stdout;
    for line in [
        "image  float32  [batch, 1, 8, 8]  column \"image\" with JSON lists of shape [1, 8, 8]",
        "parameters  3,821 (15.3 kB)",
        "nodes       7: Conv x2, Relu x2, Div, Gemm, Reshape",
        "note: the scores look raw, not like probabilities: output \"logits\" is named so",
        "hint: predict --activation sigmoid (or softmax) makes probabilities of raw scores",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\nin\n{text}");
    }
}

#[test]
fn every_way_to_feed_an_input_has_its_words() {
    for (model, line) in [
        (
            "scalar_input",
            "sr     int64    []      --set sr=VALUE, one for all records",
        ),
        (
            "state_zeros",
            "h      float32  [1, 4]  zeros, unless --set h=JSON gives it",
        ),
        (
            "state_zeros",
            "note: output \"hn\" is no column: it has no batch axis",
        ),
        (
            "variable_length",
            "tokens  float32  [N, T]  column \"tokens\" with JSON lists of shape [T]",
        ),
        ("free_width", "X      float32  [N, F]  columns x1, x2"),
        (
            "features_json",
            "X      float32  [N, 3]  columns \"height, m\", weight, a\"b",
        ),
        ("multi_output", "label_0, label_1, probabilities_*"),
        (
            "multi_output",
            "* is known after the first run; --check shows it",
        ),
        ("local_function", "nodes       2: Add, my.local:Twice"),
        ("ext", "external    ext.onnx.data (16 B)"),
        ("catboost_classifier", "producer    CatBoost"),
        (
            "broken/sequence_input",
            "X      sequence(float32)  -      nothing: no file can hold this type",
        ),
        (
            "broken/missing_ext",
            "warning: external data \"missing_ext.onnx.data\": no such file",
        ),
    ] {
        let text = inspect(&[&format!("tests/corpus/{model}.onnx")]).stdout;
        assert!(text.lines().any(|l| l == line), "{line}\nin\n{text}");
    }
}

#[test]
fn nothing_in_a_model_reaches_the_terminal_raw() {
    let model = "tests/corpus/evil_names.onnx";
    for args in [
        &[model][..],
        &[model, "--json"],
        &[model, "--check"],
        &[model, "--example", "csv"],
        &[model, "--example", "jsonl"],
        &[model, "--example", "curl"],
    ] {
        let text = inspect(args).stdout;
        let raw = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(!text.contains(raw), "{args:?}: {text:?}");
    }
    let text = inspect(&[model]).stdout;
    assert!(text.contains("\nc\\u{202e}d  "), "{text}");
    assert!(text.contains("\nauthor\\x1b[1m  x\\x07\\ny\n"), "{text}");
    assert_eq!(json(&[model])["inputs"][1]["name"], "c\u{202e}d");
}

#[test]
fn json_has_its_documented_keys_in_order() {
    let report = json(&["models/breast_cancer.onnx", "--check"]);
    let keys: Vec<&str> = report
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        keys,
        [
            "path",
            "format",
            "file_bytes",
            "ir_version",
            "opsets",
            "producer",
            "producer_version",
            "domain",
            "model_version",
            "graph_name",
            "doc",
            "metadata",
            "parameters",
            "weight_bytes",
            "nodes",
            "operators",
            "trees",
            "external",
            "inputs",
            "outputs",
            "classes",
            "raw_scores",
            "nan_risk",
            "check"
        ]
    );
    assert_eq!(report["opsets"]["ai.onnx.ml"], 1);
    assert_eq!(report["trees"]["trees"], 60);
    assert_eq!(report["inputs"][0]["shape"], serde_json::json!([null, 30]));
    assert_eq!(
        report["inputs"][0]["features"].as_array().map(Vec::len),
        Some(30)
    );
    assert_eq!(report["inputs"][0]["fed_by"], "features");
    assert_eq!(
        report["outputs"][1]["type"],
        "sequence(map(string, float32))"
    );
    assert_eq!(report["outputs"][1]["dtype"], "float32");
    let columns = ["probabilities_benign", "probabilities_malignant"];
    assert_eq!(report["outputs"][1]["columns"], serde_json::json!(columns));
    let check = &report["check"];
    assert_eq!(
        (&check["ok"], &check["error"]),
        (&Json::Bool(true), &Json::Null)
    );
    // Declared as [1], which is wrong.
    assert_eq!(check["outputs"][0]["shape"], serde_json::json!([7]));
    assert_eq!(check["outputs"][1]["columns"], serde_json::json!(columns));
}

#[test]
fn json_says_null_where_only_a_run_can_tell_and_check_tells_it() {
    let report = json(&["tests/corpus/multi_output.onnx", "--check"]);
    assert_eq!(report["outputs"][1]["columns"], Json::Null);
    let columns = report["check"]["outputs"][1]["columns"].as_array().unwrap();
    assert_eq!(columns.len(), 5, "{columns:?}");
    assert_eq!(
        json(&["models/diamonds.onnx"])["inputs"][0]["shape"][0],
        "batch"
    );
}

#[test]
fn check_ends_with_the_runtime_and_the_real_outputs() {
    let text = inspect(&["tests/corpus/multi_output.onnx", "--check"]).stdout;
    for part in [
        "\nCOLUMNS OF PREDICTIONS\nlabel_0, label_1, probabilities_0_0, probabilities_0_1, ",
        "\nCHECK\nruntime  ONNX Runtime 1.32.0, embedded (",
        " ms for 7 made-up records\n",
        "\noutputs  label: string [7, 2]\n",
        "\n         probabilities: sequence of float32 [7, 2], float32 [7, 3]\n",
    ] {
        assert!(text.contains(part), "{part}\nin\n{text}");
    }
}

#[test]
fn check_runs_a_made_up_batch_through_every_good_model() {
    for model in samples().into_iter().chain(corpus()) {
        let check = &json(&[&model, "--check"])["check"];
        assert_eq!(check["ok"], true, "{model}");
        assert_eq!(check["error"], Json::Null, "{model}");
        assert!(check["run_ms"].is_f64(), "{model}");
        assert_eq!(check["runtime"], "1.32.0", "{model}");
    }
}

#[test]
fn check_promises_the_header_that_predict_prints() {
    for model in samples().into_iter().chain(corpus()) {
        let folder = Folder::with(&[]);
        let (file, flags) = example(&folder, &model, "csv");
        let check = &json(&[&model, "--check"])["check"];
        let outputs = check["outputs"].as_array().unwrap();
        let columns = outputs
            .iter()
            .flat_map(|output| output["columns"].as_array().unwrap());
        let columns: Vec<&str> = columns.map(|column| column.as_str().unwrap()).collect();
        let predicted = predict_example(&model, &file, &flags);
        let mut reader = csv::Reader::from_reader(predicted.bytes.as_slice());
        let header: Vec<&str> = reader.headers().unwrap().iter().collect();
        // The passthrough has no column that could push a prediction to another name.
        assert_eq!(header, columns, "{model}");
    }
}

#[test]
fn a_model_that_the_runtime_refuses_is_shown_before_the_error() {
    let outcome = mlserve(&[
        "inspect",
        "--check",
        "tests/corpus/broken/opset_too_new.onnx",
    ])
    .run();
    assert_eq!(outcome.code, 3);
    assert!(
        outcome.stdout.contains("\nopsets      ai.onnx 99"),
        "{}",
        outcome.stdout
    );
    assert!(
        outcome.stdout.ends_with("load     failed\n"),
        "{}",
        outcome.stdout
    );
    assert!(
        outcome.stderr.starts_with(
            "tests/corpus/broken/opset_too_new.onnx: the model uses opset 99 of ai.onnx, "
        ),
        "{}",
        outcome.stderr
    );
    let args = [
        "inspect",
        "--check",
        "--json",
        "tests/corpus/broken/missing_ext.onnx",
    ];
    let outcome = mlserve(&args).run();
    assert_eq!(outcome.code, 3);
    let report: Json = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["external"][0]["problem"], "no such file");
    assert_eq!(report["check"]["ok"], false);
    let error = "external data \"missing_ext.onnx.data\": no such file";
    assert_eq!(report["check"]["error"], error);
}

#[test]
fn what_is_no_model_exits_with_3() {
    mlserve(&["inspect", "absent.onnx"]).fails(3, "absent.onnx: no such file or directory");
    mlserve(&["inspect", "tests/corpus/broken/gzipped.onnx"]).fails(
        3,
        "tests/corpus/broken/gzipped.onnx: not an ONNX model: it looks like a gzip-compressed file\n\
         hint: unpack it first: gunzip FILE",
    );
}

/// Writes `--example` to a file; the second part are the flags that its note asks for.
#[track_caller]
fn example(folder: &Folder, model: &str, kind: &str) -> (String, Vec<String>) {
    let outcome = mlserve(&["inspect", model, "--example", kind]).run();
    assert_eq!(outcome.code, 0, "{model}: {}", outcome.stderr);
    let flags = outcome.stderr.lines().flat_map(|line| {
        let flags = line
            .strip_prefix("note: the model also wants ")
            .expect(line);
        flags.split(' ').map(str::to_owned).collect::<Vec<_>>()
    });
    let flags = flags.collect();
    let file = folder.path().join(format!("example.{kind}"));
    fs::write(&file, &outcome.bytes).unwrap();
    (file.display().to_string(), flags)
}

#[track_caller]
fn predict_example(model: &str, file: &str, flags: &[String]) -> Outcome {
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let outcome = mlserve(&[&["predict", model, file, "--quiet"], flags.as_slice()].concat()).run();
    assert_eq!(outcome.stderr, "", "{model} {file}");
    assert_eq!(outcome.code, 0, "{model} {file}");
    outcome
}

#[test]
fn predict_accepts_every_example() {
    for model in samples().into_iter().chain(corpus()) {
        let folder = Folder::with(&[]);
        let (file, flags) = example(&folder, &model, "csv");
        let predicted = predict_example(&model, &file, &flags);
        let records = csv::Reader::from_reader(predicted.bytes.as_slice()).into_byte_records();
        assert_eq!(records.count(), 2, "{model}");
        let (file, flags) = example(&folder, &model, "jsonl");
        let predicted = predict_example(&model, &file, &flags);
        assert_eq!(predicted.stdout.lines().count(), 2, "{model}");
    }
}

#[test]
fn examples_are_exactly_these() {
    for (model, kind, text) in [
        (
            "titanic",
            "csv",
            "class,sex,age\n1st,female,2.5\n2nd,male,3.5\n",
        ),
        (
            "iris",
            "jsonl",
            "{\"X\": [0.5, 1.5, 2.5, 3.5]}\n{\"X\": [1.5, 2.5, 3.5, 4.5]}\n",
        ),
        (
            "diamonds",
            "csv",
            "grade_0,grade_1,grade_2,measure_0,measure_1,measure_2,measure_3,measure_4,measure_5\n\
             1,1,1,3.5,4.5,5.5,6.5,7.5,8.5\n2,2,2,4.5,5.5,6.5,7.5,8.5,9.5\n",
        ),
        (
            "languages",
            "curl",
            "curl -s http://127.0.0.1:8080/predict -H 'content-type: application/json' \
             -d '{\"text\": \"text\"}'\n",
        ),
    ] {
        let model = format!("models/{model}.onnx");
        assert_eq!(
            inspect(&[&model, "--example", kind]).stdout,
            text,
            "{model} {kind}"
        );
    }
}

#[test]
fn what_no_file_can_feed_has_no_example() {
    mlserve(&[
        "inspect",
        "--example",
        "csv",
        "tests/corpus/broken/sequence_input.onnx",
    ])
    .fails(
        3,
        "tests/corpus/broken/sequence_input.onnx: \
         input \"X\" is of type sequence(float32), which no file can feed\n\
         hint: export the model with tensor inputs",
    );
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut command = mlserve(&["inspect", "models/wine.onnx", "--json"]).command();
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}
