use super::super::wire::{put_bytes, put_int};
use super::*;

fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(name)
}

fn message(parts: &[(u32, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, bytes) in parts {
        put_bytes(&mut out, *number, bytes);
    }
    out
}

/// A model with this graph, as exporters begin one.
fn model(graph: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_int(&mut out, 1, 8);
    put_bytes(&mut out, 7, graph);
    out
}

fn message_of(bytes: &[u8]) -> String {
    let error = facts(Path::new("m.onnx"), bytes)
        .map(|_| ())
        .map_err(|e| e.to_string());
    error.err().unwrap_or_default()
}

#[test]
fn every_prefix_of_a_model_gives_facts_or_an_error() {
    for name in [
        "iris.onnx",
        "iris.ort",
        "catboost_classifier.onnx",
        "local_function.onnx",
    ] {
        let bytes = std::fs::read(corpus(name)).unwrap_or_default();
        assert!(bytes.len() > 100, "{name}");
        for end in 0..bytes.len().min(4000) {
            let _ = facts(Path::new("m.onnx"), bytes.get(..end).unwrap_or_default());
        }
    }
}

#[test]
fn flipped_bytes_give_facts_or_an_error() {
    let mut seed = 1_u64;
    let mut random = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as usize
    };
    for name in [
        "iris.onnx",
        "iris.ort",
        "names_dict.onnx",
        "ext.onnx",
        "multi_output.onnx",
    ] {
        let whole = std::fs::read(corpus(name)).unwrap_or_default();
        assert!(!whole.is_empty(), "{name}");
        for _ in 0..3000 {
            let mut bytes = whole.clone();
            for _ in 0..=random() % 4 {
                let at = random() % bytes.len();
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = random() as u8;
                }
            }
            let _ = facts(&corpus(name), &bytes);
        }
    }
}

#[test]
fn damaged_models_say_how_they_are_damaged() {
    let iris = std::fs::read(corpus("iris.onnx")).unwrap_or_default();
    let half = iris.get(..iris.len() / 2).unwrap_or_default();
    let mut two_graphs = model(b"");
    put_bytes(&mut two_graphs, 7, b"");
    // Graphs within attributes of nodes of graphs; then sequences of sequences.
    let mut deep = Vec::new();
    for _ in 0..2000 {
        deep = message(&[(1, &message(&[(5, &message(&[(6, &deep)]))]))]);
    }
    let mut kind = message(&[(1, b"")]);
    for _ in 0..2000 {
        kind = message(&[(4, &message(&[(1, &kind)]))]);
    }
    let deep_type = message(&[(11, &message(&[(2, &kind)]))]);
    let many = [0x0a, 0].repeat(6_000_000);
    for (bytes, message) in [
        (half, "m.onnx: the ONNX model ends in the middle"),
        (&two_graphs, "m.onnx: the ONNX model is damaged"),
        (
            &model(&deep),
            "m.onnx: the graph is larger or deeper nested than any real model",
        ),
        (
            &model(&deep_type),
            "m.onnx: the graph is larger or deeper nested than any real model",
        ),
        (
            &model(&many),
            "m.onnx: the graph is larger or deeper nested than any real model",
        ),
        (b"\x08\x08", "m.onnx: the ONNX model is damaged"),
        (b"\xde\xad\xbe\xef", "m.onnx: not an ONNX model"),
    ] {
        let error = message_of(bytes);
        assert_eq!(error.lines().next(), Some(message));
    }
}

#[test]
fn a_hostile_product_of_dimensions_stays_at_the_largest_number() {
    let mut tensor = Vec::new();
    for _ in 0..3 {
        put_int(&mut tensor, 1, i64::MAX);
    }
    put_int(&mut tensor, 2, 1);
    let facts = facts(Path::new("m.onnx"), &model(&message(&[(5, &tensor)])));
    let sizes = facts.map(|facts| (facts.parameters, facts.weight_bytes));
    assert_eq!(sizes.ok(), Some((u64::MAX, u64::MAX)));
}

#[test]
fn class_and_feature_names_come_out_of_real_models() {
    let names = |list: &[&str]| Some(list.iter().map(ToString::to_string).collect::<Vec<_>>());
    for (file, classes, features) in [
        (
            "iris.onnx",
            names(&["setosa", "versicolor", "virginica"]),
            None,
        ),
        (
            "iris.ort",
            names(&["setosa", "versicolor", "virginica"]),
            None,
        ),
        (
            "class_labels_output.onnx",
            names(&["setosa", "versicolor", "virginica"]),
            None,
        ),
        (
            "catboost_classifier.onnx",
            names(&["setosa", "versicolor", "virginica"]),
            None,
        ),
        (
            "zipmap_unsorted.onnx",
            names(&["zebra", "Ant", "mole"]),
            None,
        ),
        ("zipmap_int64.onnx", names(&["-1", "5", "10"]), None),
        ("names_dict.onnx", names(&["cat", "dog's", "owl"]), None),
        ("classes_ints.onnx", names(&["7", "3"]), None),
        ("multi_output.onnx", None, None),
        ("string_matrix.onnx", None, None),
        ("features_comma.onnx", None, names(&["a", "b", "c", "d"])),
        (
            "features_json.onnx",
            None,
            names(&["height, m", "weight", "a\"b"]),
        ),
    ] {
        let found = read(&corpus(file)).map(|f| (f.signature.classes, f.signature.features));
        assert_eq!(found.ok(), Some((classes, features)), "{file}");
    }
}

#[test]
fn categories_that_an_encoder_of_an_input_knows_are_told() {
    let model = corpus("../../models/titanic.onnx");
    let told = read(&model).map(|facts| facts.categories).ok();
    let known = |input: &str, categories: &[&str]| {
        let categories = categories.iter().map(ToString::to_string).collect();
        (input.to_owned(), categories)
    };
    let expected = vec![
        known("class", &["1st", "2nd", "3rd"]),
        known("sex", &["female", "male"]),
    ];
    assert_eq!(told, Some(expected));
    let none = read(&corpus("iris.onnx")).map(|facts| facts.categories);
    assert_eq!(none.ok(), Some(Vec::new()));
}

#[test]
fn traps_are_told_where_there_is_a_sign_of_them() {
    for (file, raw, nan) in [
        ("raw_scores.onnx", true, false),
        ("classes_json.onnx", false, false),
        ("regressor.onnx", false, true),
        ("isolation_forest.onnx", false, true),
        ("kmeans.onnx", false, true),
        ("catboost_classifier.onnx", false, false),
    ] {
        let signs = read(&corpus(file)).map(|f| (f.raw_scores.is_some(), f.nan_risk.is_some()));
        assert_eq!(signs.ok(), Some((raw, nan)), "{file}");
    }
}

#[test]
fn an_ort_file_tells_what_its_onnx_file_tells() {
    let (onnx, ort) = (read(&corpus("iris.onnx")), read(&corpus("iris.ort")));
    let told = |facts: Result<Facts>| facts.map(|f| (f.signature, f.producer, f.ir_version)).ok();
    assert_eq!(told(onnx), told(ort));
}
