//! The corpus of odd models: each scored as Python's ONNX Runtime scores it, each broken one
//! refused in words that help. `tests/corpus/README.md` says what is odd about each.

use std::path::Path;

use crate::compare;
use crate::run::{ROOT, mlserve, names_in, predict};

/// The cases that must score.
const CASES: [&str; 52] = [
    "awkward_labels",
    "batch_of_one",
    "catboost_classifier",
    "catboost_regressor",
    "class_labels_output",
    "classes_ints",
    "classes_json",
    "classes_mismatch",
    "default_input",
    "double_matrix",
    "dtypes",
    "dtypes_json",
    "evil_names",
    "ext",
    "features_comma",
    "features_json",
    "fixed_batch",
    "free_width",
    "header_blanks",
    "int_matrix",
    "iris",
    "isolation_forest",
    "kmeans",
    "labels_comma",
    "latin1_doc",
    "local_function",
    "missing_import",
    "multi_output",
    "name_collisions",
    "names_dict",
    "nan_inf",
    "no_nodes",
    "one_probability",
    "raw_scores",
    "regressor",
    "renamed_inputs",
    "scalar_input",
    "slashed_names",
    "state_set",
    "state_zeros",
    "string_matrix",
    "tensor_rank3",
    "text_rank1",
    "tree_ensemble_v5",
    "unicode_names",
    "unknown_output_shape",
    "unused_input",
    "variable_length",
    "wrong_label_shape",
    "zipmap_columns",
    "zipmap_int64",
    "zipmap_unsorted",
];

/// The files that must be refused, with the first line of the message after the path.
const BROKEN: [(&str, &str); 34] = [
    (
        "catboost.cbm",
        "not an ONNX model: it looks like a CatBoost model",
    ),
    (
        "coreml.mlmodel",
        "not an ONNX model: it looks like a Core ML model",
    ),
    (
        "dangling_input.onnx",
        "ONNX Runtime VERSION cannot load it: Invalid model. Node input 'W' is not a graph input, initializer, or output of a previous node",
    ),
    ("empty.onnx", "not an ONNX model: the file is empty"),
    (
        "evil_ext.onnx",
        "external data \"../outside.bin\": only a path inside the model's folder is allowed",
    ),
    (
        "evil_ext_abs.onnx",
        "external data \"/etc/passwd\": only a path inside the model's folder is allowed",
    ),
    (
        "evil_ext_link.onnx",
        "external data \"evil_ext_link.data\": a symbolic link leads out of the model's folder",
    ),
    (
        "gzipped.onnx",
        "not an ONNX model: it looks like a gzip-compressed file",
    ),
    ("html.onnx", "not an ONNX model: it looks like a web page"),
    (
        "imputer_double.onnx",
        "ONNX Runtime VERSION has no implementation of operator Imputer for the dtypes used here",
    ),
    (
        "ir_too_new.onnx",
        "the model has IR version 99, ONNX Runtime VERSION reads up to 14",
    ),
    (
        "keras.keras",
        "not an ONNX model: it looks like a Keras model",
    ),
    (
        "lfs_pointer.onnx",
        "not an ONNX model: it looks like a Git LFS pointer, which stands for a file that was not downloaded",
    ),
    (
        "lightgbm.txt",
        "not an ONNX model: it looks like a LightGBM model in text",
    ),
    (
        "missing_ext.onnx",
        "external data \"missing_ext.onnx.data\": no such file",
    ),
    (
        "model.pmml",
        "not an ONNX model: it looks like a PMML model",
    ),
    (
        "model.tflite",
        "not an ONNX model: it looks like a TensorFlow Lite model",
    ),
    (
        "no_inputs.onnx",
        "the model has no inputs, so there is nothing to score",
    ),
    (
        "opset_too_new.onnx",
        "the model uses opset 99 of ai.onnx, ONNX Runtime VERSION knows them up to 28",
    ),
    (
        "saved_model.pb",
        "not an ONNX model: it looks like a TensorFlow SavedModel",
    ),
    (
        "sequence_input.onnx",
        "input \"X\" is of type sequence(float32), which no file can feed",
    ),
    (
        "sklearn.joblib",
        "not an ONNX model: it looks like a compressed joblib dump (scikit-learn or similar)",
    ),
    (
        "sklearn.pkl",
        "not an ONNX model: it looks like a Python pickle (scikit-learn or similar)",
    ),
    (
        "torchscript.pt",
        "not an ONNX model: it looks like a PyTorch checkpoint or TorchScript model",
    ),
    ("truncated.onnx", "the ONNX model ends in the middle"),
    ("truncated.ort", "the ORT model is damaged or was cut short"),
    (
        "unknown_op.onnx",
        "ONNX Runtime VERSION has no operator my.company:Foo",
    ),
    (
        "unknown_standard_op.onnx",
        "ONNX Runtime VERSION has no operator Foo in opset 17",
    ),
    (
        "weights.gguf",
        "not an ONNX model: it looks like a GGUF language model (llama.cpp)",
    ),
    (
        "weights.h5",
        "not an ONNX model: it looks like an HDF5 file (Keras or similar)",
    ),
    (
        "weights.safetensors",
        "not an ONNX model: it looks like a safetensors file, which holds weights and no model",
    ),
    (
        "xgboost.json",
        "not an ONNX model: it looks like an XGBoost model in JSON",
    ),
    (
        "xgboost.ubj",
        "not an ONNX model: it looks like an XGBoost model in UBJSON",
    ),
    // The locale that no machine has is replaced by C.UTF-8; the file is scored by a test of its own.
    ("missing_locale.onnx", ""),
];

/// What lies beside the broken models and is none.
const NO_MODELS: [&str; 2] = ["evil_ext_link.data", "runtime_messages.txt"];

/// The runtime that is embedded, and whose refusals these are.
const RUNTIME_VERSION: &str = "1.32.0";

#[test]
fn no_case_is_forgotten() {
    let cases = names_in(format!("{ROOT}/tests/corpus"));
    let cases: Vec<&str> = cases
        .iter()
        .filter_map(|name| name.strip_suffix(".expected.csv"))
        .collect();
    assert_eq!(cases, CASES);
    let models = names_in(format!("{ROOT}/tests/corpus"));
    let models: Vec<&str> = models
        .iter()
        .filter_map(|name| name.strip_suffix(".onnx"))
        .collect();
    assert_eq!(models, CASES);

    let mut broken: Vec<&str> = BROKEN
        .iter()
        .map(|(name, _)| *name)
        .chain(NO_MODELS)
        .collect();
    broken.sort_unstable();
    assert_eq!(names_in(format!("{ROOT}/tests/corpus/broken")), broken);
}

#[test]
fn every_odd_model_scores_as_python_does() {
    let faults: Vec<String> = CASES
        .iter()
        .filter_map(|case| fault_of(case, &format!("{case}.onnx")))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_ort_format_scores_as_onnx_does() {
    assert_eq!(fault_of("iris", "iris.ort"), None);
}

/// What is wrong with the predictions of a case; nothing, if all is well.
fn fault_of(case: &str, model: &str) -> Option<String> {
    let path = |ending: &str| format!("tests/corpus/{case}.{ending}");
    let text = |ending: &str| std::fs::read_to_string(Path::new(ROOT).join(path(ending))).ok();
    let input = if text("csv").is_some() {
        path("csv")
    } else {
        path("jsonl")
    };
    let flags = text("args").unwrap_or_default();
    let mut args = vec![input.as_str(), "--keep", "none", "--to", "csv"];
    args.extend(flags.split_whitespace());
    let outcome = predict(&format!("tests/corpus/{model}"), &args).run();
    if outcome.code != 0 || outcome.stderr.contains("onnxruntime") {
        return Some(format!(
            "{case}: exit code {}: {}",
            outcome.code, outcome.stderr
        ));
    }
    let expected = text("expected.csv").unwrap();
    compare::texts(&outcome.stdout, &expected)
        .err()
        .map(|difference| format!("{case}: {difference}"))
}

#[test]
fn every_broken_model_is_refused_by_name_with_a_remedy() {
    let mut faults = Vec::new();
    for (name, message) in BROKEN.iter().filter(|(_, message)| !message.is_empty()) {
        let path = format!("tests/corpus/broken/{name}");
        let outcome = mlserve(&["predict", &path, "sample_data/iris.csv"]).run();
        let (first, hints) = outcome.stderr.split_once('\n').unwrap_or_default();
        let expected = format!("{path}: {}", message.replace("VERSION", RUNTIME_VERSION));
        let is_remedy = !hints.is_empty() && hints.lines().all(|line| line.starts_with("hint: "));
        if first != expected || !is_remedy || outcome.code != 3 || !outcome.stdout.is_empty() {
            faults.push(format!(
                "{name}: exit code {}, {}{}",
                outcome.code, outcome.stderr, outcome.stdout
            ));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn columns_named_by_class_follow_the_class_list_not_the_map() {
    predict("tests/corpus/zipmap_unsorted.onnx", &["tests/corpus/zipmap_unsorted.csv", "--limit", "1"])
        .prints("label,probabilities_zebra,probabilities_Ant,probabilities_mole\nmole,0.13194147,0.14581788,0.7222407\n");
    predict("tests/corpus/zipmap_unsorted.onnx", &["tests/corpus/zipmap_unsorted.csv", "--limit", "1", "--to", "jsonl"])
        .prints("{\"label\":\"mole\",\"probabilities\":{\"zebra\":0.13194147,\"Ant\":0.14581788,\"mole\":0.7222407}}\n");
}

#[test]
fn a_locale_that_the_system_lacks_does_not_stop_a_text_model() {
    let outcome = predict("tests/corpus/broken/missing_locale.onnx", &["-q"])
        .given("word\nHello\n")
        .run();
    // Where there is no C.UTF-8 either, the message says which locale is missing.
    match outcome.code {
        0 => assert_eq!(outcome.stderr, ""),
        code => {
            assert_eq!(code, 3);
            assert!(
                outcome.stderr.contains("locale tlh_KL.UTF-8"),
                "{}",
                outcome.stderr
            );
        }
    }
}

#[test]
fn names_out_of_a_file_cannot_drive_a_terminal() {
    let args = ["tests/corpus/evil_names.csv", "--explain"];
    let outcome = predict("tests/corpus/evil_names.onnx", &args).run();
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let raw = |text: &str| {
        text.chars()
            .any(|c| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c))
    };
    assert!(!raw(&outcome.stdout), "{:?}", outcome.stdout);
    let outcome = predict("tests/corpus/evil_names.onnx", &["sample_data/iris.csv"]).run();
    assert_eq!(outcome.code, 1, "{}", outcome.stderr);
    assert!(!raw(&outcome.stderr), "{:?}", outcome.stderr);
}
