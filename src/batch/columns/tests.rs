//! Tables: outputs of a run in, columns out.

use ndarray::ArrayD;

use super::*;
use crate::batch::decide::Activation;
use crate::model::dtype::Dtype;
use crate::model::signature::{Dim, Port, ValueType};

/// An output `name` of which the file declares nothing but a free first dimension.
fn port(name: &str) -> Port {
    declared(name, &[Dim::Free])
}

fn declared(name: &str, shape: &[Dim]) -> Port {
    let kind = ValueType::Tensor {
        dtype: Dtype::Float32,
        shape: Some(shape.to_vec()),
    };
    Port {
        name: name.to_owned(),
        kind,
        classes: None,
    }
}

fn floats(shape: &[usize]) -> Value {
    Value::Tensor(Tensor::zeros(Dtype::Float32, shape))
}

fn labels(rows: usize) -> Value {
    Value::Tensor(Tensor::zeros(Dtype::Int64, &[rows]))
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

/// The layout of a run of three records; a second run doubles what has three rows.
fn layout(signature: &Signature, values: &[Value], wanted: &Wanted) -> Result<Layout> {
    let again = || Ok(values.iter().map(doubled).collect());
    Layout::new(signature, values, 3, BatchAxis::Free, wanted, again)
}

fn doubled(value: &Value) -> Value {
    match value {
        Value::Tensor(tensor) => {
            let mut shape = tensor.shape().to_vec();
            // A constant stays as it is; here that is a tensor of text.
            if let Some(rows) = shape
                .first_mut()
                .filter(|_| tensor.dtype() != Dtype::String)
            {
                *rows *= 2;
            }
            Value::Tensor(Tensor::zeros(tensor.dtype(), &shape))
        }
        other => other.clone(),
    }
}

fn columns(signature: &Signature, values: &[Value], wanted: &Wanted) -> String {
    match layout(signature, values, wanted) {
        Ok(layout) => layout.columns().join(" "),
        Err(error) => error
            .to_string()
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned(),
    }
}

#[test]
fn shapes_become_columns() {
    let classes = Some(names(&["no", "yes"]));
    for (value, expected) in [
        (floats(&[3]), "y"),
        (floats(&[3, 1]), "y"),
        (floats(&[3, 2]), "y_no y_yes"),
        (floats(&[3, 3]), "y_0 y_1 y_2"),
        (floats(&[3, 2, 2]), "y"),
        (floats(&[4, 2]), ""),
        (floats(&[]), ""),
        (
            Value::Tensor(Tensor::zeros(Dtype::Int64, &[3, 2])),
            "y_0 y_1",
        ),
        (
            Value::Sequence(vec![
                Tensor::zeros(Dtype::Float32, &[3, 2]),
                Tensor::zeros(Dtype::Float32, &[3]),
            ]),
            "y_0_0 y_0_1 y_1",
        ),
        (
            Value::Maps {
                keys: names(&["a", "b"]),
                values: Tensor::zeros(Dtype::Float32, &[3, 2]),
            },
            "y_a y_b",
        ),
    ] {
        let signature = Signature {
            outputs: vec![port("y")],
            classes: classes.clone(),
            ..Signature::default()
        };
        let shown = format!("{value:?}");
        assert_eq!(
            columns(&signature, &[value], &Wanted::default()),
            expected,
            "{shown}"
        );
    }
}

#[test]
fn a_first_axis_that_fits_by_chance_is_found_out() {
    // Three class names beside three records, declared as [3]; a label declared as [1], as LightGBM's
    // exporter does, for three records.
    let texts = Value::Tensor(Tensor::zeros(Dtype::String, &[3]));
    let outputs = vec![
        declared("class_labels", &[Dim::Fixed(3)]),
        declared("label", &[Dim::Fixed(1)]),
    ];
    let signature = Signature {
        outputs,
        ..Signature::default()
    };
    let layout = layout(&signature, &[texts, labels(3)], &Wanted::default()).expect("a layout");
    assert_eq!(layout.columns(), ["label"]);
    assert_eq!(
        layout.left_out,
        [("class_labels".to_owned(), "has no batch axis")]
    );
}

#[test]
fn the_user_chooses_outputs_and_names_classes() {
    let signature = Signature {
        outputs: vec![port("label"), port("p")],
        ..Signature::default()
    };
    let values = [labels(3), floats(&[3, 2])];
    let show = |wanted: Wanted| columns(&signature, &values, &wanted);
    assert_eq!(
        show(Wanted {
            outputs: Some(names(&["p"])),
            ..Wanted::default()
        }),
        "p_0 p_1"
    );
    assert_eq!(
        show(Wanted {
            outputs: Some(names(&["q"])),
            ..Wanted::default()
        }),
        "--outputs q: the model has no such output"
    );
    assert_eq!(
        show(Wanted {
            classes: Some(names(&["a", "b"])),
            ..Wanted::default()
        }),
        "label p_a p_b"
    );
    assert_eq!(
        show(Wanted {
            classes: Some(names(&["a", "b", "c"])),
            ..Wanted::default()
        }),
        "--classes: 3 names, but p has 2"
    );
}

#[test]
fn decisions_go_to_the_one_output_with_scores() {
    let signature = Signature {
        outputs: vec![port("label"), port("p")],
        classes: Some(names(&["no", "yes"])),
        ..Signature::default()
    };
    let values = [labels(3), floats(&[3, 2])];
    let show = |wanted: Wanted| columns(&signature, &values, &wanted);
    assert_eq!(
        show(Wanted {
            top: Some(5),
            ..Wanted::default()
        }),
        "label p_top1 p_top1_score p_top2 p_top2_score"
    );
    assert_eq!(
        show(Wanted {
            argmax: true,
            ..Wanted::default()
        }),
        "label p"
    );
    assert_eq!(
        show(Wanted {
            threshold: Some(0.3),
            ..Wanted::default()
        }),
        "label p_no p_yes"
    );
    let only_scores = Wanted {
        threshold: Some(0.3),
        outputs: Some(names(&["p"])),
        ..Wanted::default()
    };
    assert_eq!(show(only_scores), "label p_no p_yes");
    let only_labels = Wanted {
        argmax: true,
        outputs: Some(names(&["label"])),
        ..Wanted::default()
    };
    assert_eq!(
        show(only_labels),
        "--argmax: the model has no output of scores to apply it to"
    );

    let two = Signature {
        outputs: vec![port("a"), port("b")],
        ..Signature::default()
    };
    let wanted = Wanted {
        activation: Some(Activation::Sigmoid),
        ..Wanted::default()
    };
    let found = columns(&two, &[floats(&[3]), floats(&[3, 2])], &wanted);
    assert_eq!(
        found,
        "--activation: it could mean any of the outputs \"a\", \"b\""
    );
    let three = Wanted {
        threshold: Some(0.5),
        ..Wanted::default()
    };
    let found = columns(&signature, &[labels(3), floats(&[3, 3])], &three);
    assert_eq!(found, "--threshold: output \"p\" has 3 classes, not two");
}

#[test]
fn a_threshold_replaces_the_models_own_label() {
    let signature = Signature {
        outputs: vec![port("label"), port("p")],
        ..Signature::default()
    };
    let scores = ndarray::array![[0.9_f32, 0.1], [0.6, 0.4], [0.2, 0.8]];
    let values = vec![labels(3), Value::Tensor(Tensor::Float32(scores.into_dyn()))];
    let wanted = Wanted {
        threshold: Some(0.3),
        ..Wanted::default()
    };
    let layout = layout(&signature, &values, &wanted).expect("a layout");
    let arranged = layout.arrange(values, 3).expect("three records");
    let expected = ArrayD::from_shape_vec(vec![3], vec![0, 1, 1]).expect("three labels");
    assert_eq!(arranged.first(), Some(&Tensor::Int64(expected)));
}

#[test]
fn predictions_give_way_to_columns_of_the_same_name() {
    let signature = Signature {
        outputs: vec![port("label"), port("p")],
        ..Signature::default()
    };
    let values = [labels(3), floats(&[3, 2])];
    let mut layout = layout(&signature, &values, &Wanted::default()).expect("a layout");
    layout.avoid(&["id", "label", "predicted_label", "p_1"]);
    assert_eq!(
        layout.columns(),
        [
            "predicted_predicted_label",
            "predicted_p_0",
            "predicted_p_1"
        ]
    );
    let columns: Vec<&str> = layout
        .renamed()
        .iter()
        .map(|renamed| renamed.column.as_str())
        .collect();
    assert_eq!(columns, ["label", "p_1"]);
}

#[test]
fn a_result_of_another_size_is_an_error_and_no_panic() {
    let signature = Signature {
        outputs: vec![port("p")],
        ..Signature::default()
    };
    let layout = layout(&signature, &[floats(&[3, 2])], &Wanted::default()).expect("a layout");
    for value in [
        floats(&[3, 3]),
        floats(&[2, 2]),
        floats(&[]),
        Value::Sequence(Vec::new()),
    ] {
        assert!(layout.arrange(vec![value], 3).is_err());
    }
    assert!(layout.arrange(Vec::new(), 3).is_err());
}

#[test]
fn hostile_declarations_are_not_spelt_out() {
    let outputs = vec![declared("y", &[Dim::Free, Dim::Fixed(1 << 40)])];
    let signature = Signature {
        outputs,
        ..Signature::default()
    };
    let layout =
        Layout::declared(&signature, BatchAxis::Free, &Wanted::default()).expect("a layout");
    assert_eq!(layout.columns(), ["y_*"]);
}
