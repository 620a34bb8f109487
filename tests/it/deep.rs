//! Trees deeper than a stack: ONNX Runtime recurses where it lays them out, and that must not be the
//! end of the process.

use serde_json::Value;

use crate::run::{Folder, mlserve, predict};

/// A field of bytes, as protobuf writes it.
fn bytes(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    varint(&mut out, bytes.len() as u64);
    out.extend_from_slice(bytes);
    out
}

fn int(number: u8, value: u64) -> Vec<u8> {
    let mut out = vec![number << 3];
    varint(&mut out, value);
    out
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// AttributeProto: `type`, then what it has.
fn attribute(name: &str, kind: u8, value: Vec<u8>) -> Vec<u8> {
    // `type` is field 20, whose key takes two bytes.
    let kind = vec![0xa0, 0x01, kind];
    bytes(5, &[bytes(1, name.as_bytes()), kind, value].concat())
}

fn ints(name: &str, values: impl Iterator<Item = usize>) -> Vec<u8> {
    let mut packed = Vec::new();
    values.for_each(|value| varint(&mut packed, value as u64));
    attribute(name, 7, bytes(8, &packed))
}

fn floats(name: &str, values: impl Iterator<Item = usize>) -> Vec<u8> {
    let packed: Vec<u8> = values.flat_map(|v| (v as f32).to_le_bytes()).collect();
    attribute(name, 6, bytes(7, &packed))
}

/// A tree that asks whether `x` is at most 0, else at most 1, and so on for so many `questions`: the
/// number of the first yes is the score.
fn comb(questions: usize) -> Vec<u8> {
    let nodes = 0..2 * questions + 1;
    let leaves = questions..2 * questions + 1;
    let is_leaf = |node: usize| node >= questions;
    let mode = |node| {
        bytes(
            9,
            if is_leaf(node) {
                b"LEAF"
            } else {
                b"BRANCH_LEQ"
            },
        )
    };
    let no = |node| match node {
        _ if is_leaf(node) => 0,
        _ if node + 1 == questions => 2 * questions,
        _ => node + 1,
    };
    let yes = |node| if is_leaf(node) { 0 } else { questions + node };
    let node = [
        bytes(1, b"x"),
        bytes(2, b"score"),
        bytes(4, b"TreeEnsembleRegressor"),
        attribute("n_targets", 2, int(3, 1)),
        ints("nodes_treeids", nodes.clone().map(|_| 0)),
        ints("nodes_nodeids", nodes.clone()),
        ints("nodes_featureids", nodes.clone().map(|_| 0)),
        attribute("nodes_modes", 8, nodes.clone().flat_map(mode).collect()),
        floats("nodes_values", nodes.clone()),
        ints("nodes_truenodeids", nodes.clone().map(yes)),
        ints("nodes_falsenodeids", nodes.clone().map(no)),
        ints("target_treeids", leaves.clone().map(|_| 0)),
        ints("target_nodeids", leaves.clone()),
        ints("target_ids", leaves.clone().map(|_| 0)),
        floats("target_weights", leaves.map(|leaf| leaf - questions)),
        bytes(7, b"ai.onnx.ml"),
    ];
    let size = |dim: Vec<u8>| bytes(1, &dim);
    let port = |name: &str| {
        let shape = [size(bytes(2, b"N")), size(int(1, 1))].concat();
        let tensor = [int(1, 1), bytes(2, &shape)].concat();
        [bytes(1, name.as_bytes()), bytes(2, &bytes(1, &tensor))].concat()
    };
    let graph = [
        bytes(1, &node.concat()),
        bytes(2, b"comb"),
        bytes(11, &port("x")),
        bytes(12, &port("score")),
    ];
    let opset = [bytes(1, b"ai.onnx.ml"), int(2, 3)].concat();
    [
        int(1, 8),
        bytes(7, &graph.concat()),
        bytes(8, &[bytes(1, b""), int(2, 15)].concat()),
        bytes(8, &opset),
    ]
    .concat()
}

const RECORDS: &[u8] = b"x\n-1\n0.5\n1500\n69998.5\n1e9\n";

#[test]
fn a_tree_of_seventy_thousand_levels_is_scored_by_either() {
    let folder = Folder::with(&[("deep.onnx", &comb(70_000)), ("in.csv", RECORDS)]);
    let model = folder.path().join("deep.onnx").display().to_string();
    for trees in ["auto", "ort"] {
        let outcome = predict(&model, &["in.csv", "--trees", trees])
            .within(&folder)
            .run();
        assert_eq!(outcome.code, 0, "{trees}: {}", outcome.stderr);
        let expected = "score\n0.0\n1.0\n1500.0\n69999.0\n70000.0\n";
        assert_eq!(outcome.stdout, expected, "{trees}");
    }
    let outcome = mlserve(&["inspect", "--check", "--json", &model]).run();
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["trees"]["kernel"], "mlserve");
}

#[test]
fn a_tree_deeper_than_any_real_one_is_refused_in_words() {
    let folder = Folder::with(&[("deep.onnx", &comb(170_000)), ("in.csv", RECORDS)]);
    let refusal = "deep.onnx: tree 1 is 170001 levels deep; ONNX Runtime, which recurses, is given no more than 100000\n\
                   hint: train it again with a limit to the depth of trees\n";
    let model = folder.path().join("deep.onnx").display().to_string();
    for args in [
        &["predict", "deep.onnx", "in.csv"][..],
        &["predict", "deep.onnx", "in.csv", "--trees", "ort"],
        &["inspect", "--check", "deep.onnx"],
    ] {
        let outcome = mlserve(args).within(&folder).run();
        assert_eq!(outcome.code, 3, "{args:?}: {}", outcome.stderr);
        assert_eq!(outcome.stderr, refusal, "{args:?}");
    }
    let outcome = mlserve(&["inspect", "--json", &model]).run();
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["trees"]["kernel"], "onnxruntime");
    let reason = report["trees"]["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("tree 1 is 170001 levels deep"),
        "{reason}"
    );
}
