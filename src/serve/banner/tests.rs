//! The banner to the letter, and its commands by sending what they send.

use std::path::Path;

use super::*;
use crate::serve::tests::{app, hosting, post};

/// A banner of models as they are, but for what differs from machine to machine.
fn banner(models: &[&str], addresses: &[&str]) -> Banner {
    let models: Vec<Arc<Hosted>> = models
        .iter()
        .flat_map(|model| app(model, &hosting()).registry.models())
        .collect();
    let addresses: Vec<String> = addresses.iter().map(|text| (*text).to_owned()).collect();
    let mut banner = Banner::new(&models, &addresses, 2, &Auth::default());
    banner.program = "mlserve 0.0.0, ONNX Runtime 0.0.0".to_owned();
    for told in &mut banner.models {
        told.load_ms = 12.34;
        if !told.trees.is_empty() {
            told.trees = "mlserve kernel (AVX2)".to_owned();
        }
    }
    banner
}

#[test]
fn one_model_is_told_of_with_a_command() {
    let text = banner(&["iris.onnx"], &["127.0.0.1:41234"]).text();
    let expected = r#"mlserve 0.0.0, ONNX Runtime 0.0.0

  Server   http://127.0.0.1:41234
  Docs     http://127.0.0.1:41234/docs
  Runs on  2 threads at most

  Model    iris, version 1, loaded in 12.3 ms
           in   X (list of 4 float32, which the model does not name)
           out  label, probabilities_setosa, probabilities_versicolor, probabilities_virginica

Try it:

  curl -s http://127.0.0.1:41234/predict -H 'content-type: application/json' -d '{"X": [0.5, 1.5, 2.5, 3.5]}'
"#;
    assert_eq!(text, expected);
}

#[test]
fn several_models_have_a_command_each_and_long_lists_are_cut() {
    let models = ["titanic.onnx", "breast_cancer.onnx"];
    let mut banner = banner(&models, &["0.0.0.0:8080", "unix:/run/a b.sock"]);
    if let Some(told) = banner.models.get_mut(1) {
        told.example = Some("x".repeat(LONGEST_BODY + 1));
        told.file = "models/breast cancer.onnx".to_owned();
    }
    let expected = r#"mlserve 0.0.0, ONNX Runtime 0.0.0

  Server   http://127.0.0.1:8080 and all other addresses of this machine
  Server   unix:/run/a b.sock
  Docs     http://127.0.0.1:8080/docs
  Runs on  2 threads at most

  Model    titanic, version 1, loaded in 12.3 ms
           in   class (string), sex (string), age (float64)
           out  output_label, i0, i1

  Model    breast_cancer, version 1, loaded in 12.3 ms
           in   30 fields of float32: mean radius, mean texture, mean perimeter and 27 more
           out  label, probabilities_benign, probabilities_malignant
           trees: mlserve kernel (AVX2)

Try it:

  curl -s http://127.0.0.1:8080/models/titanic/predict -H 'content-type: application/json' -d '{"class": "1st", "sex": "female", "age": 2.5}'
  mlserve inspect 'models/breast cancer.onnx' --example curl

warning: whoever can reach 0.0.0.0:8080 may ask: no token is required (--token-file FILE or MLSERVE_TOKEN sets one)
"#;
    assert_eq!(banner.text(), expected);
}

#[test]
fn commands_fit_where_the_server_listens_and_what_it_asks_for() {
    for (address, token, start) in [
        (
            "unix:/run/a b.sock",
            None,
            "curl -s --unix-socket '/run/a b.sock' http://localhost/predict -H ",
        ),
        ("[::1]:80", None, "curl -s 'http://[::1]:80/predict' -H "),
        ("[::]:80", None, "curl -s http://127.0.0.1:80/predict -H "),
        (
            "127.0.0.1:80",
            Some("$MLSERVE_TOKEN"),
            "curl -s -H \"authorization: Bearer $MLSERVE_TOKEN\" http://127.0.0.1:80/predict -H ",
        ),
    ] {
        let mut banner = banner(&["iris.onnx"], &[address]);
        banner.token = token.map(str::to_owned);
        let text = banner.text();
        let command = text.lines().find(|line| line.starts_with("  curl"));
        let command = command.unwrap_or_default().trim_start();
        assert!(command.starts_with(start), "{command}");
    }
}

#[test]
fn many_models_are_cut_and_only_the_first_has_a_command() {
    let mut banner = banner(&["iris.onnx"; 25], &["127.0.0.1:80"]);
    banner.warnings.push("a\u{1b}[2J".to_owned());
    let text = banner.text();
    assert_eq!(text.matches("  Model ").count(), MOST_MODELS);
    assert_eq!(text.matches("curl -s").count(), 1);
    assert!(
        text.contains("\nand 5 more models: GET /models lists them\n"),
        "{text}"
    );
    assert!(text.ends_with("\nwarning: a\\x1b[2J\n"), "{text}");
}

#[test]
fn the_example_of_each_model_gets_a_prediction() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut without = Vec::new();
    let mut tried = 0;
    for folder in ["models", "tests/corpus"] {
        for entry in std::fs::read_dir(root.join(folder)).expect("a folder") {
            let file = entry.expect("an entry").file_name();
            let name = file.to_string_lossy();
            if !name.ends_with(".onnx") {
                continue;
            }
            let app = app(&name, &hosting());
            let models = app.registry.models();
            let hosted = models.first().expect("a model");
            match Told::new(hosted).example {
                None => without.push(name.into_owned()),
                Some(example) => {
                    let (status, text) = post(&app, "/predict", &example);
                    assert_eq!(status, 200, "{name}: {text} for {example}");
                    tried += 1;
                }
            }
        }
    }
    assert!(tried >= 20, "{tried}");
    // It wants --set for its scalar.
    assert_eq!(without, ["scalar_input.onnx"]);
}
