//! `--label`: what is printed and what the manifest holds is what scikit-learn says.
//!
//! `tests/corpus/formats/metrics.json` is scikit-learn's word on `sample_data/*.expected.csv`, the
//! predictions of Python's ONNX Runtime. Those differ from ours in the last bits of a float32 on some
//! processors, and a mean of them by no more, hence the tolerance of 1e-6; on the same bits it is 1e-9.

use serde_json::Value;

use crate::run::{Folder, predict, repository_file};

const NEAR: f64 = 1e-6;

/// How each metric is called in print.
const NAMES: [(&str, &str); 9] = [
    ("accuracy", "accuracy"),
    ("balanced_accuracy", "balanced accuracy"),
    ("f1_macro", "macro F1"),
    ("roc_auc", "ROC AUC"),
    ("log_loss", "log loss"),
    ("brier", "Brier score"),
    ("mae", "MAE"),
    ("rmse", "RMSE"),
    ("r2", "R2"),
];

/// The samples whose data hold the truth, its column, and the rows of the confusion.
const SAMPLES: [(&str, &str, &[&str]); 3] = [
    (
        "penguins",
        "species",
        &[
            "               Adelie  Chinstrap  Gentoo",
            "    Adelie        152          0       0",
            "    Chinstrap       0         68       0",
            "    Gentoo          1          0     123",
        ],
    ),
    (
        "breast_cancer",
        "diagnosis",
        &[
            "               benign  malignant",
            "    benign         37          1",
            "    malignant       2         20",
        ],
    ),
    ("auto_mpg", "mpg", &[]),
];

#[test]
fn metrics_are_those_of_scikit_learn() {
    let golden = repository_file("tests/corpus/formats/metrics.json");
    let golden: Value = serde_json::from_str(&golden).unwrap();
    for (sample, column, confusion) in SAMPLES {
        let folder = Folder::with(&[(
            "in.csv",
            repository_file(&format!("sample_data/{sample}.csv")).as_bytes(),
        )]);
        let flags = ["--label", column, "-o", "out.csv", "--manifest", "run.json"];
        let outcome = predict(sample, &[&["in.csv"], &flags[..]].concat())
            .within(&folder)
            .run();
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let manifest: Value = serde_json::from_str(&folder.read("run.json")).unwrap();
        let expected = golden[sample].as_object().unwrap();
        let mut lines = outcome.stderr.lines().skip(1);
        for (key, name) in NAMES {
            let Some(expected) = expected.get(key).and_then(Value::as_f64) else {
                continue;
            };
            let found = manifest["metrics"][key].as_f64().unwrap();
            let what = format!("{sample}: {name} {found} for {expected}");
            assert!((found - expected).abs() <= NEAR, "{what}");
            let line = lines.next().unwrap();
            let (printed, digits) = line.trim().rsplit_once(' ').unwrap();
            assert_eq!(printed.trim(), name);
            // Six digits, and one of the last place where the bits before it were others.
            let digits: f64 = digits.parse().unwrap();
            assert!((digits - expected).abs() <= 1.5e-6, "{what}: {line}");
        }
        if !confusion.is_empty() {
            let head = "  confusion, a row for each label, a column for each prediction:";
            assert_eq!(lines.next(), Some(head));
            let shown: Vec<&str> = lines.by_ref().take(confusion.len()).collect();
            assert_eq!(shown, confusion, "{sample}");
        }
        let closing = lines.next().unwrap();
        assert!(closing.contains(" rows in "), "{closing}");
    }
}

#[test]
fn records_without_a_label_are_counted_and_judge_nothing() {
    let text =
        "a,b,c,d,species\n5.1,3.5,1.4,0.2,setosa\n6.3,2.9,5.6,1.8,\n6.3,2.9,5.6,1.8,setosa\n";
    let outcome = predict("iris", &["--label", "species", "--outputs", "label"])
        .given(text)
        .run();
    assert_eq!(outcome.code, 0);
    assert_eq!(
        outcome.stdout,
        "species,label\nsetosa,setosa\n,virginica\nsetosa,virginica\n"
    );
    let (first, rest) = outcome.stderr.split_once('\n').unwrap();
    assert_eq!(first, "label \"species\": 3 records, 1 without a label");
    assert!(
        rest.starts_with("  accuracy           0.500000\n"),
        "{rest}"
    );
}

#[test]
fn csv_and_jsonl_say_the_same_of_the_same_records() {
    let args = ["--label", "species", "--keep", "none", "-o", "/dev/null"];
    let metrics = |input: &str| {
        let outcome = predict("penguins", &[&[input], &args[..]].concat()).run();
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let (metrics, _) = outcome.stderr.split_once("344 rows in").unwrap();
        metrics.to_owned()
    };
    assert_eq!(
        metrics("sample_data/penguins.jsonl"),
        metrics("sample_data/penguins.csv")
    );
}
