//! Nodes whose attributes are not what they should be, byte by byte.

use super::*;
use crate::model::proto::Budget;
use crate::model::wire::{put_bytes, put_int};

fn attribute(name: &str, kind: i64, value: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut attribute = Vec::new();
    put_bytes(&mut attribute, 1, name.as_bytes());
    value(&mut attribute);
    put_int(&mut attribute, 20, kind);
    attribute
}

fn node(op: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut node = Vec::new();
    put_bytes(&mut node, 4, op.as_bytes());
    for attribute in attributes {
        put_bytes(&mut node, 5, attribute);
    }
    put_bytes(&mut node, 7, b"ai.onnx.ml");
    node
}

/// A tensor of `data_type` and `count` elements, with one field more.
fn tensor(data_type: i64, count: i64, number: u32, bytes: &[u8]) -> Vec<u8> {
    let mut tensor = Vec::new();
    put_int(&mut tensor, 1, count);
    put_int(&mut tensor, 2, data_type);
    put_bytes(&mut tensor, number, bytes);
    tensor
}

fn refusal(op: &str, attributes: &[Vec<u8>], input: i32) -> String {
    let bytes = node(op, attributes);
    let node = Node::read(&bytes, &mut Budget::new()).unwrap();
    read(&node, input).unwrap_err().to_string()
}

#[test]
fn lists_that_are_malformed_are_refused_by_name() {
    let cases = [
        attribute("nodes_treeids", 7, |out| put_bytes(out, 8, &[0x80])),
        attribute("nodes_treeids", 7, |out| put_bytes(out, 8, &[0xff; 11])),
        // Beyond 32 bits.
        attribute("nodes_treeids", 7, |out| put_int(out, 8, 1 << 31)),
        attribute("nodes_treeids", 7, |out| put_int(out, 8, i64::MIN)),
        // Of another type, of none, and one that a function's caller fills in.
        attribute("nodes_treeids", 6, |out| put_int(out, 8, 1)),
        attribute("nodes_treeids", 0, |out| put_int(out, 8, 1)),
        attribute("nodes_treeids", 7, |out| put_bytes(out, 21, b"given")),
        attribute("nodes_values", 6, |out| put_bytes(out, 7, &[0; 5])),
        attribute("nodes_values", 6, |out| put_int(out, 7, 1)),
        attribute("nodes_modes", 8, |out| put_bytes(out, 9, b"BRANCH_MEMBER")),
        attribute("nodes_modes", 8, |out| put_bytes(out, 9, b"\xff")),
        attribute("post_transform", 3, |_| {}),
        attribute("n_targets", 2, |_| {}),
    ];
    for (number, attribute) in cases.into_iter().enumerate() {
        let refusal = refusal("TreeEnsembleRegressor", &[attribute], 1);
        let (start, end) = ("its attribute ", " is not what it should be");
        assert!(refusal.starts_with(start), "case {number}: {refusal}");
        assert!(refusal.ends_with(end), "case {number}: {refusal}");
    }
}

#[test]
fn tensors_that_are_malformed_are_refused() {
    let whole = tensor(1, 2, 9, &[0; 8]);
    let twice = [whole.as_slice(), &[0x4a, 4, 0, 0, 0, 0]].concat();
    let cases = [
        // Too few bytes, too many, half a number, another type, dimensions that no memory holds.
        tensor(1, 3, 9, &[0; 8]),
        tensor(1, 1, 9, &[0; 8]),
        tensor(1, 2, 9, &[0; 7]),
        tensor(1, 2, 4, &[0; 7]),
        tensor(11, 2, 9, &[0; 16]),
        tensor(1, i64::MAX, 9, &[0; 8]),
        tensor(1, -2, 9, &[0; 8]),
        twice,
        Vec::new(),
    ];
    for (number, tensor) in cases.into_iter().enumerate() {
        let attribute = attribute("nodes_splits", 4, |out| put_bytes(out, 5, &tensor));
        assert_eq!(
            refusal("TreeEnsemble", &[attribute], 1),
            "its attribute nodes_splits is not what it should be",
            "case {number}"
        );
    }
    let modes = tensor(2, 1, 9, &[7]);
    let attribute = attribute("nodes_modes", 4, |out| put_bytes(out, 5, &modes));
    assert_eq!(
        refusal("TreeEnsemble", &[attribute], 1),
        "its attribute nodes_modes is not what it should be"
    );
}

#[test]
fn what_is_external_double_or_not_of_floats_is_refused() {
    let ids = attribute("nodes_treeids", 7, |out| put_int(out, 8, 0));
    let base = attribute("base_values", 6, |out| put_bytes(out, 7, &[0; 4]));
    let base_tensor = attribute("base_values_as_tensor", 4, |out| {
        put_bytes(out, 5, &tensor(1, 1, 9, &[0; 4]));
    });
    let external = attribute("nodes_values_as_tensor", 4, |out| {
        let mut tensor = tensor(1, 1, 8, b"name");
        put_int(&mut tensor, 14, 1);
        put_bytes(out, 5, &tensor);
    });
    let cases = [
        (
            vec![ids.clone(), ids],
            1,
            "it has an attribute twice, or far too many",
        ),
        (vec![base, base_tensor], 1, "it has base_values twice"),
        (
            vec![external],
            1,
            "its attribute nodes_values_as_tensor lies in another file",
        ),
        (vec![], 7, "its input is of integers"),
        (vec![], 6, "its input is of integers"),
        (vec![], 10, "its input is of an unknown type"),
    ];
    for (attributes, input, reason) in cases {
        assert_eq!(refusal("TreeEnsembleRegressor", &attributes, input), reason);
    }
    assert_eq!(refusal("LinearRegressor", &[], 1), "it is no tree operator");
}
