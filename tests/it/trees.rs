//! Tree ensembles: our kernel gives what ONNX Runtime gives, byte for byte, and where it cannot,
//! nothing is otherwise than without it. `tests/corpus/trees/make_trees.py` makes the models.

use serde_json::Value;

use crate::run::{Folder, Outcome, mlserve, model_path, predict, repository_file};

/// Models of `tests/corpus/trees` with the input that fits them, and how many of their ensembles our
/// kernel evaluates: all, none, or some.
const SOUND: [(&str, &str, &str); 14] = [
    ("texts", "rows", "mlserve"),
    ("zipmap", "rows", "mlserve"),
    ("numbers", "rows", "mlserve"),
    ("binary", "rows", "mlserve"),
    ("double", "rows", "mlserve"),
    ("targets", "rows", "mlserve"),
    ("scaled", "rows", "mlserve"),
    ("boosted", "rows", "mlserve"),
    ("lightgbm", "rows", "mlserve"),
    ("lightgbm_zipmap", "rows", "mlserve"),
    ("cast", "whole", "mlserve"),
    ("twice", "rows", "mlserve"),
    ("int64_input", "whole", "onnxruntime"),
    ("two", "whole", "both"),
];

/// Models whose trees go through more nodes before they are added, and how many of those trees have
/// these nodes put into their leaves.
const FOLDED: [(&str, u64); 19] = [
    ("fold_isolation", 6),
    ("fold_scaled_isolation", 6),
    ("fold_sum", 4),
    ("fold_adds", 4),
    ("fold_pairs", 4),
    ("fold_picked", 2),
    ("unfold_mixed", 0),
    ("unfold_product", 0),
    ("unfold_batch", 0),
    ("unfold_softmax", 0),
    ("unfold_wide", 0),
    ("unfold_output", 0),
    ("unfold_branch", 0),
    ("unfold_same_tree", 0),
    ("unfold_two_trees", 0),
    ("unfold_minimum", 0),
    ("unfold_zero", 0),
    ("numbers", 0),
    ("two", 0),
];

/// Models whose lists do not add up, or only in ways that are a matter of luck.
const HOSTILE: [&str; 18] = [
    "cycle",
    "itself",
    "missing_node",
    "shared_node",
    "nan_threshold",
    "no_weights",
    "bare_leaf",
    "huge_ids",
    "huge_feature",
    "negative_feature",
    "short_list",
    "unknown_mode",
    "foreign_target",
    "many_targets",
    "deep",
    "one_axis",
    "flat",
    "three_axes",
];

fn corpus(name: &str) -> String {
    format!("tests/corpus/trees/{name}.onnx")
}

/// Scores `input` by our kernel or not, with these further flags.
fn scored(model: &str, input: &str, trees: &str, flags: &[&str]) -> Outcome {
    let input = format!("tests/corpus/trees/{input}.csv");
    let args = [&[input.as_str(), "--trees", trees, "--keep", "all"], flags].concat();
    predict(model, &args).run()
}

/// What is told of the trees of `model`.
fn told(model: &str, flags: &[&str]) -> Value {
    let model = model_path(model);
    let outcome = mlserve(&[&["inspect", "--json", model.as_str()], flags].concat()).run();
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    report["trees"].clone()
}

#[test]
fn our_kernel_prints_what_onnx_runtime_prints() {
    for (name, input, kernel) in SOUND {
        for size in ["1", "7", "256", "1024"] {
            let flags = [
                "--features",
                "f0,f1,f2,f3",
                "--id",
                "id",
                "--batch-size",
                size,
            ];
            let [ours, theirs] =
                ["auto", "ort"].map(|trees| scored(&corpus(name), input, trees, &flags));
            assert_eq!(ours.notes(), theirs.notes(), "{name}");
            assert_eq!((ours.code, theirs.code), (0, 0), "{name}: {}", ours.stderr);
            assert!(ours.bytes == theirs.bytes, "{name}, {size} at once");
        }
        assert_eq!(told(&corpus(name), &[])["kernel"], kernel, "{name}");
        assert_eq!(
            told(&corpus(name), &["--check"])["kernel"],
            kernel,
            "{name}, loaded"
        );
        let theirs = told(&corpus(name), &["--trees", "ort"]);
        assert_eq!(theirs["kernel"], "onnxruntime", "{name}");
        assert_eq!(theirs["reason"], "--trees ort was asked for", "{name}");
    }
}

#[test]
fn what_follows_leaves_gives_the_same_wherever_a_record_stands() {
    for (name, count) in FOLDED {
        let input = if name == "two" { "whole" } else { "rows" };
        let ids = ["--features", "f0,f1,f2,f3", "--id", "id", "--batch-size"];
        // ONNX Runtime rounds ln(7) otherwise in the last `rows % 4` rows of a batch.
        for size in ["1", "2", "3", "5", "7", "66", "256", "1024"] {
            let flags = [ids.as_slice(), &[size]].concat();
            let [ours, theirs] =
                ["auto", "ort"].map(|trees| scored(&corpus(name), input, trees, &flags));
            assert_eq!(ours.notes(), theirs.notes(), "{name}");
            assert_eq!((ours.code, theirs.code), (0, 0), "{name}: {}", ours.stderr);
            assert!(ours.bytes == theirs.bytes, "{name}, {size} at once");
        }
        let trees = told(&corpus(name), &["--check"]);
        assert_eq!(trees["folded"], count, "{name}");
    }
}

#[test]
fn a_column_that_is_not_there_is_missed_with_folded_trees_too() {
    let flags = ["--features", "f0,f1,f2,f3", "--id", "id"];
    let run = |trees| scored(&corpus("fold_beyond"), "rows", trees, &flags);
    let [ours, theirs] = ["auto", "ort"].map(run);
    assert_eq!((ours.code, theirs.code), (1, 1), "{}", ours.stderr);
    assert_eq!(ours.notes(), theirs.notes());
    assert_eq!(told(&corpus("fold_beyond"), &["--check"])["folded"], 2);
}

#[test]
fn the_samples_print_the_same_either_way() {
    for name in ["wine", "breast_cancer", "penguins", "diamonds", "titanic"] {
        let data = format!("sample_data/{name}.csv");
        let run = |trees| predict(name, &[&data, "--trees", trees]).run();
        let [ours, theirs] = ["auto", "ort"].map(run);
        assert_eq!(
            (ours.code, ours.notes()),
            (theirs.code, theirs.notes()),
            "{name}"
        );
        assert!(ours.bytes == theirs.bytes, "{name}");
    }
}

#[test]
fn hostile_lists_end_as_they_do_without_our_kernel() {
    for name in HOSTILE {
        let model = corpus(&format!("hostile_{name}"));
        let flags = ["--features", "f0,f1,f2,f3", "--id", "id"];
        let [ours, theirs] = ["auto", "ort"].map(|trees| scored(&model, "rows", trees, &flags));
        assert_eq!(ours.notes(), theirs.notes(), "{name}");
        assert_eq!(ours.code, theirs.code, "{name}");
        // Scored, refused with the rows, or not loaded; never a crash.
        assert!([0, 1, 3].contains(&ours.code), "{name}: {}", ours.code);
        assert!(ours.bytes == theirs.bytes, "{name}");
    }
}

#[test]
fn trees_in_the_branches_of_an_if_are_ours_too() {
    let flags = ["--features", "f0,f1,f2,f3", "--id", "id"];
    let [ours, theirs] =
        ["auto", "ort"].map(|trees| scored(&corpus("branches"), "rows", trees, &flags));
    assert_eq!((ours.code, theirs.code), (0, 0), "{}", ours.stderr);
    assert!(ours.bytes == theirs.bytes);
    assert_eq!(told(&corpus("branches"), &["--check"])["kernel"], "mlserve");
}

#[test]
fn many_threads_run_one_operator() {
    // Not the direct way: the scaler before the trees makes it a graph for ONNX Runtime.
    let rows = repository_file("tests/corpus/trees/rows.csv");
    let (header, rows) = rows.split_once('\n').unwrap();
    let many = format!("{header}\n{}", rows.repeat(300));
    let folder = Folder::with(&[("many.csv", many.as_bytes())]);
    let run = |model: &str, trees: &str, jobs: &str| {
        let flags = [
            "--features",
            "f0,f1,f2,f3",
            "--id",
            "id",
            "--batch-size",
            "5",
        ];
        let args = [
            &["many.csv", "--trees", trees, "--jobs", jobs],
            flags.as_slice(),
        ]
        .concat();
        let outcome = predict(model, &args).within(&folder).run();
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        outcome.bytes
    };
    for model in ["scaled", "texts"].map(corpus) {
        let theirs = run(&model, "ort", "1");
        assert!(run(&model, "auto", "16") == theirs, "{model}");
    }
}

#[test]
fn inspect_says_what_evaluates_the_trees_and_why() {
    let engine = told(&corpus("fold_sum"), &[])["engine"].clone();
    let engine = engine.as_str().unwrap();
    for (name, line) in [
        (
            "int64_input",
            "trees       1 (3 nodes): stays with ONNX Runtime: its input is int64",
        ),
        (
            "unfold_mixed",
            &format!("trees       2 (6 nodes): mlserve kernel ({engine})"),
        ),
        (
            "fold_sum",
            &format!(
                "trees       4 (12 nodes): mlserve kernel ({engine}), with what follows their leaves"
            ),
        ),
        (
            "hostile_nan_threshold",
            "trees       1 (3 nodes): stays with ONNX Runtime: a threshold is NaN",
        ),
        (
            "hostile_one_axis_of_old",
            &format!("trees       1 (3 nodes): mlserve kernel ({engine})"),
        ),
        (
            "hostile_one_axis",
            "trees       1 (3 nodes): stays with ONNX Runtime: its input has 1 axis, and ONNX Runtime asks for 2",
        ),
    ] {
        let model = model_path(&corpus(name));
        let outcome = mlserve(&["inspect", &model]).run();
        let found = outcome
            .stdout
            .lines()
            .find(|line| line.starts_with("trees "));
        assert_eq!(found, Some(line), "{name}");
    }
    let two = told(&corpus("two"), &[]);
    assert_eq!(two["reason"], "its input is int64");
    assert!(two["engine"].is_string(), "{two}");
}

#[test]
fn the_manifest_names_the_kernel_that_ran() {
    let folder = Folder::with(&[]);
    let data = model_path("tests/corpus/trees/rows.csv");
    for (trees, kernel) in [("auto", "mlserve"), ("ort", "onnxruntime")] {
        let flags = ["--trees", trees, "--manifest", "m.json", "-o", "o.csv"];
        let columns = ["--features", "f0,f1,f2,f3", "--id", "id"];
        let args = [&[data.as_str()], flags.as_slice(), &columns].concat();
        let outcome = predict(&corpus("texts"), &args).within(&folder).run();
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let manifest: Value = serde_json::from_str(&folder.read("m.json")).unwrap();
        assert_eq!(manifest["trees"]["kernel"], kernel);
    }
}
