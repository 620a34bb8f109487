//! What is folded of the models in `tests/corpus/trees`, and what is not; what folded models give is
//! `tests/it/trees.rs`.

use std::path::{Path, PathBuf};

use super::{Folded, fold, foldable};
use crate::error::Result;
use crate::model::onnx;
use crate::model::proto::Model;
use crate::model::runtime::{self, RuntimeChoice};

fn path(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/trees");
    folder.join(name).with_extension("onnx")
}

fn folded(name: &str) -> Result<Option<Folded>> {
    let path = path(name);
    let bytes = onnx::open(&path)?;
    let model = onnx::parsed(&path, &bytes)?;
    let runtime = runtime::start(&RuntimeChoice::default())?;
    Ok(fold(runtime, &model, &bytes))
}

/// The operators of the folded model.
fn operators(bytes: &[u8]) -> Vec<String> {
    let graph = Model::read(bytes).ok().and_then(|model| model.graph);
    let nodes = graph.map(|graph| graph.nodes).unwrap_or_default();
    nodes.iter().map(|node| node.op.to_string()).collect()
}

#[test]
fn a_sum_becomes_one_ensemble_and_the_rest_stays() -> Result<()> {
    let trees = "TreeEnsembleRegressor";
    for (name, count, rest) in [
        ("fold_sum", 4, &[trees][..]),
        ("fold_adds", 4, &[trees]),
        ("fold_pairs", 4, &[trees, trees, "Add"]),
        ("fold_picked", 2, &[trees]),
        ("fold_beyond", 2, &["Gather", trees]),
    ] {
        let found = folded(name)?.map(|folded| (folded.trees, operators(&folded.bytes)));
        let rest = rest.iter().map(|op| (*op).to_owned()).collect();
        assert_eq!(found, Some((count, rest)), "{name}");
    }
    // What scikit-learn does with the sum, of which nothing is a tree's.
    let forest = folded("fold_isolation")?.map(|folded| operators(&folded.bytes));
    let after = [
        "Div", "Neg", "Pow", "Neg", "Add", "Less", "Cast", "Mul", "Add",
    ];
    let forest = forest.unwrap_or_default();
    assert_eq!(forest, [&[trees], after.as_slice()].concat());
    Ok(())
}

#[test]
fn another_last_bit_at_the_end_of_a_batch_makes_two_sets_of_leaves() -> Result<()> {
    for name in ["fold_sum", "fold_adds", "fold_pairs"] {
        let sums = folded(name)?.map(|folded| folded.sums).unwrap_or_default();
        assert!(!sums.is_empty(), "{name}");
        // So it is with ONNX Runtime 1.32 on x86.
        if cfg!(target_arch = "x86_64") {
            assert!(sums.iter().all(|sum| sum.evaluator.has_tail()), "{name}");
        }
    }
    let sums = folded("fold_picked")?.map(|folded| folded.sums);
    let has_tail = sums.map(|sums| sums.iter().any(|sum| sum.evaluator.has_tail()));
    assert_eq!(has_tail, Some(false));
    Ok(())
}

#[test]
fn what_depends_on_more_than_one_leaf_or_is_read_elsewhere_stays() -> Result<()> {
    for name in [
        "mixed",
        "product",
        "input",
        "batch",
        "softmax",
        "wide",
        "output",
        "branch",
        "same_tree",
        "inputs",
        "two_trees",
        "minimum",
        "zero",
    ] {
        let name = format!("unfold_{name}");
        assert!(folded(&name)?.is_none(), "{name}");
    }
    Ok(())
}

#[test]
fn damaged_models_are_looked_at_without_harm() -> Result<()> {
    let path = path("fold_picked");
    let bytes = onnx::open(&path)?.to_vec();
    let whole = onnx::parsed(&path, &bytes)?;
    assert_eq!(foldable(&whole), 2);
    for at in 0..bytes.len() {
        for bit in [0, 3, 7] {
            let mut damaged = bytes.clone();
            if let Some(byte) = damaged.get_mut(at) {
                *byte ^= 1 << bit;
            }
            if let Ok(model) = Model::read(&damaged) {
                assert!(foldable(&model) <= 2, "{at}");
            }
        }
    }
    Ok(())
}
