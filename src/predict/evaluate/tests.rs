//! Held to what scikit-learn says of the same predictions (`tests/corpus/metrics`).

use std::fs;
use std::path::Path;

use ndarray::ArrayD;
use serde_json::Value as Json;

use super::*;
use crate::batch::columns::{Layout, Wanted};
use crate::batch::decide::Activation;
use crate::batch::feed::BatchAxis;
use crate::error::Error;
use crate::model::dtype::Dtype;
use crate::model::signature::{Port, Signature, ValueType};
use crate::model::tensor::{Tensor, Value};

fn golden() -> Json {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/metrics/metrics.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn port(name: &str, tensor: &Tensor, classes: Option<&[String]>) -> Port {
    Port {
        name: name.to_owned(),
        kind: ValueType::Tensor {
            dtype: tensor.dtype(),
            shape: None,
        },
        classes: classes.map(<[String]>::to_vec),
    }
}

/// The layout and the tensors of a run that gave `outputs`.
pub(in crate::predict) fn laid_out(
    outputs: &[(&str, Tensor)],
    classes: Option<&[String]>,
    wanted: &Wanted,
) -> (Layout, Vec<Tensor>) {
    let rows = outputs[0].1.shape()[0];
    let signature = Signature {
        outputs: outputs
            .iter()
            .map(|(name, tensor)| port(name, tensor, classes))
            .collect(),
        ..Signature::default()
    };
    let values: Vec<Value> = outputs
        .iter()
        .map(|(_, tensor)| Value::Tensor(tensor.clone()))
        .collect();
    let again = || -> crate::error::Result<Vec<Value>> {
        let twice = |(_, tensor): &(&str, Tensor)| {
            let rows = tensor.shape()[0];
            let order: Vec<usize> = (0..rows).chain(0..rows).collect();
            crate::each_dtype!(tensor, wrap(array) => {
                Value::Tensor(wrap(array.select(ndarray::Axis(0), &order)))
            })
        };
        Ok(outputs.iter().map(twice).collect())
    };
    let layout = Layout::new(&signature, &values, rows, BatchAxis::Free, wanted, again).unwrap();
    let arranged = layout.arrange(values, rows).unwrap();
    (layout, arranged)
}

fn texts(list: &Json) -> Vec<String> {
    let all = list.as_array().unwrap().iter();
    all.map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn labels(names: &[String]) -> Tensor {
    Tensor::String(ArrayD::from_shape_vec(vec![names.len()], names.to_vec()).unwrap())
}

fn floats(dtype: &str, shape: Vec<usize>, values: &[f64]) -> Tensor {
    if dtype == "float32" {
        let narrow = values.iter().map(|value| *value as f32).collect();
        Tensor::Float32(ArrayD::from_shape_vec(shape, narrow).unwrap())
    } else {
        Tensor::Float64(ArrayD::from_shape_vec(shape, values.to_vec()).unwrap())
    }
}

fn numbers(list: &Json) -> Vec<f64> {
    let all = list.as_array().unwrap().iter();
    all.flat_map(|item| match item {
        Json::Array(_) => numbers(item),
        number => vec![number.as_f64().unwrap()],
    })
    .collect()
}

fn rows_of(tensor: &Tensor, from: usize, to: usize) -> Tensor {
    crate::each_dtype!(tensor, wrap(array) => {
        wrap(array.slice_axis(ndarray::Axis(0), (from..to).into()).to_owned())
    })
}

/// The metrics of all records, tallied in blocks of these sizes, over and over.
fn judged(judge: &Judge, truths: &[String], outputs: &[Tensor], sizes: &[usize]) -> Metrics {
    let mut whole = judge.start();
    let (mut from, mut sizes) = (0, sizes.iter().cycle());
    while from < truths.len() {
        let to = (from + sizes.next().unwrap()).min(truths.len());
        let part: Vec<Tensor> = outputs.iter().map(|all| rows_of(all, from, to)).collect();
        let truths: Vec<Option<&[u8]>> = truths[from..to]
            .iter()
            .map(|text| (text != "<none>").then_some(text.as_bytes()))
            .collect();
        whole.merge(judge.tally(&truths, &part, to - from), judge);
        from = to;
    }
    whole.finish(judge)
}

fn assert_close(case: &str, metrics: &Json, expected: &Json, keys: &[&str], tolerance: f64) {
    for key in keys {
        let (Some(found), Some(expected)) = (metrics[key].as_f64(), expected[key].as_f64()) else {
            panic!("{case} {key}: {} {}", metrics[key], expected[key]);
        };
        let close = (found - expected).abs() <= tolerance * expected.abs().max(1.0);
        assert!(close, "{case} {key}: {found} {expected}");
    }
}

fn assert_confusion(case: &str, metrics: &Metrics, expected: &Json) {
    let Of::Classes(of) = &metrics.of else {
        panic!("{case}: no classification");
    };
    let confusion = of.confusion.as_ref().expect("few classes");
    for (row, counts) in expected.as_array().unwrap().iter().enumerate() {
        for (column, count) in counts.as_array().unwrap().iter().enumerate() {
            assert_eq!(
                confusion.count(row, column),
                count.as_u64().unwrap(),
                "{case} {row} {column}"
            );
        }
    }
}

/// Every way that a model gives the predictions of a case.
fn ways(case: &Json) -> Vec<(Layout, Vec<Tensor>)> {
    let (classes, predicted) = (texts(&case["classes"]), texts(&case["predicted"]));
    let (dtype, scores) = (case["dtype"].as_str().unwrap(), numbers(&case["scores"]));
    let width = scores.len() / predicted.len();
    let scores = floats(dtype, vec![predicted.len(), width], &scores);
    let outputs = [("label", labels(&predicted)), ("probabilities", scores)];
    if width == 1 {
        let wanted = Wanted {
            threshold: Some(0.5),
            classes: Some(classes),
            ..Wanted::default()
        };
        return vec![laid_out(&outputs[1..], None, &wanted)];
    }
    let top = Wanted {
        top: Some(1),
        ..Wanted::default()
    };
    vec![
        laid_out(&outputs, Some(&classes), &Wanted::default()),
        laid_out(&outputs[1..], Some(&classes), &Wanted::default()),
        laid_out(&outputs, Some(&classes), &top),
    ]
}

#[test]
fn classifications_have_the_metrics_that_scikit_learn_computes_however_they_are_split() {
    let golden = golden();
    let all = [
        "accuracy",
        "balanced_accuracy",
        "f1_macro",
        "log_loss",
        "roc_auc",
        "brier",
    ];
    for (name, case) in golden["classification"].as_object().unwrap() {
        let truths = texts(&case["truth"]);
        for (layout, outputs) in ways(case) {
            let judge = Judge::new(&layout, &outputs, "truth", None).unwrap();
            for sizes in [&[1_000][..], &[1], &[7, 1, 50], &[128]] {
                let metrics = judged(&judge, &truths, &outputs, sizes);
                assert_close(name, &metrics.json(), &case["expected"], &all, 1e-9);
                let plain = &case["expected"]["plain"];
                assert_close(name, &metrics.json(), plain, &["log_loss", "brier"], 1e-6);
                assert_confusion(name, &metrics, &case["expected"]["confusion"]);
            }
        }
    }
}

#[test]
fn labels_that_the_model_cannot_predict_are_mistakes() {
    let case = &golden()["labels"]["unknown"];
    let (classes, predicted) = (texts(&case["classes"]), texts(&case["predicted"]));
    let (layout, outputs) = laid_out(&[("label", labels(&predicted))], None, &Wanted::default());
    let judge = Judge::new(&layout, &outputs, "truth", Some(&classes)).unwrap();
    let truths = texts(&case["truth"]);
    let whole = judged(&judge, &truths, &outputs, &[8]);
    let keys = ["accuracy", "balanced_accuracy", "f1_macro"];
    assert_close("unknown", &whole.json(), &case["expected"], &keys, 1e-9);
    assert_confusion("unknown", &whole, &case["expected"]["confusion"]);
    assert_eq!(whole.json()["unknown"], 3);
    assert_eq!(judged(&judge, &truths, &outputs, &[3]), whole);
}

#[test]
fn regressions_have_the_metrics_that_scikit_learn_computes_however_they_are_split() {
    let golden = golden();
    for (name, case) in golden["regression"].as_object().unwrap() {
        let (truths, predicted) = (texts(&case["truth"]), numbers(&case["predicted"]));
        let dtype = case["dtype"].as_str().unwrap();
        for shape in [vec![predicted.len()], vec![predicted.len(), 1]] {
            let output = floats(dtype, shape, &predicted);
            let (layout, outputs) = laid_out(&[("y", output)], None, &Wanted::default());
            let judge = Judge::new(&layout, &outputs, "truth", None).unwrap();
            for sizes in [&[1_000][..], &[1], &[7, 1, 50]] {
                let json = judged(&judge, &truths, &outputs, sizes).json();
                assert_close(name, &json, &case["expected"], &["mae", "rmse", "r2"], 1e-9);
            }
        }
    }
}

#[test]
fn what_several_outputs_could_mean_is_asked_and_nothing_is_said_so() {
    let two = |values: &[f64]| floats("float32", vec![2, 2], values);
    let one = |values: &[f64]| floats("float64", vec![2], values);
    for (outputs, message) in [
        (
            vec![("a", one(&[1.0, 2.0])), ("b", one(&[1.0, 2.0]))],
            "--label t: it could be compared with any of the outputs \"a\", \"b\"",
        ),
        (
            vec![("a", one(&[1.0, 2.0])), ("b", two(&[1.0, 2.0, 3.0, 4.0]))],
            "--label t: it could be compared with any of the outputs \"a\", \"b\"",
        ),
        (
            vec![("a", Tensor::zeros(Dtype::Int64, &[2, 3]))],
            "--label t: the model gives nothing that a label can be compared with",
        ),
    ] {
        let (layout, outputs) = laid_out(&outputs, None, &Wanted::default());
        let error = Judge::new(&layout, &outputs, "t", None).unwrap_err();
        assert!(matches!(error, Error::Usage(_)), "{error:?}");
        assert_eq!(
            error.report().map(|report| report.message.as_str()),
            Some(message)
        );
    }
}

#[test]
fn a_sigmoid_makes_a_single_score_a_classification() {
    let output = floats("float64", vec![4, 1], &[-2.0, 0.0, 1.0, 3.0]);
    let wanted = Wanted {
        activation: Some(Activation::Sigmoid),
        ..Wanted::default()
    };
    let (layout, outputs) = laid_out(&[("score", output)], None, &wanted);
    let judge = Judge::new(&layout, &outputs, "t", None).unwrap();
    let truths = ["false", "True", "0", "yes"].map(str::to_owned);
    let json = judged(&judge, &truths, &outputs, &[2]).json();
    // sklearn: log_loss([0, 1, 0, 1], 1 / (1 + exp(-x))) and so on.
    assert_eq!(
        (&json["accuracy"], &json["roc_auc"]),
        (&0.75.into(), &0.75.into())
    );
    assert!(
        (json["log_loss"].as_f64().unwrap() - 0.5454810576737207).abs() < 1e-9,
        "{json}"
    );
}

#[test]
fn numbers_in_the_models_label_do_not_hide_the_names_of_its_classes() {
    let scores = floats("float64", vec![2, 2], &[0.9, 0.1, 0.2, 0.8]);
    let label = Tensor::Int64(ndarray::array![0, 1].into_dyn());
    let truths = ["cat", "dog"].map(str::to_owned);
    let outputs = [("label", label), ("p", scores)];
    let (layout, outputs) = laid_out(&outputs, Some(&truths), &Wanted::default());
    let judge = Judge::new(&layout, &outputs, "t", None).unwrap();
    let json = judged(&judge, &truths, &outputs, &[2]).json();
    assert_eq!(
        (&json["accuracy"], &json["unknown"]),
        (&1.0.into(), &0.into())
    );
}

#[test]
fn a_label_column_of_a_million_values_is_no_class_and_takes_no_memory() {
    let names: Vec<String> = (0..3_000).map(|number| number.to_string()).collect();
    let (layout, outputs) = laid_out(&[("label", labels(&names))], None, &Wanted::default());
    let judge = Judge::new(&layout, &outputs, "id", None).unwrap();
    let whole = judged(&judge, &names, &outputs, &[3_000]);
    assert_eq!(whole.json()["accuracy"], 1.0);
    assert_eq!(whole.json()["confusion"], Json::Null);
    assert!(
        whole.text().contains("note: too many classes"),
        "{}",
        whole.text()
    );
    assert_eq!(judged(&judge, &names, &outputs, &[499, 700]), whole);
}

#[test]
fn metrics_are_lines_that_a_terminal_can_show() {
    let predicted = ["no", "yes", "yes", "no"].map(str::to_owned);
    let scores = [0.8, 0.2, 0.25, 0.75, 0.4, 0.6, 0.9, 0.1];
    let outputs = [
        ("label", labels(&predicted)),
        ("p", floats("float64", vec![4, 2], &scores)),
    ];
    let classes = ["no", "yes"].map(str::to_owned);
    let (layout, outputs) = laid_out(&outputs, Some(&classes), &Wanted::default());
    let judge = Judge::new(&layout, &outputs, "ch\u{1b}urn", None).unwrap();
    let truths = ["no", "yes", "no", "<none>"].map(str::to_owned);
    let text = judged(&judge, &truths, &outputs, &[4]).text();
    assert_eq!(
        text,
        "label \"ch\\x1burn\": 4 records, 1 without a label
  accuracy           0.666667
  balanced accuracy  0.750000
  macro F1           0.666667
  ROC AUC            1.000000
  log loss           0.475705
  Brier score        0.154167
  confusion, a row for each label, a column for each prediction:
         no  yes
    no    1    1
    yes   0    1
"
    );
}
