use std::path::Path;

use super::super::signature::{Port, shape_text};
use super::super::wire::put_int;
use super::*;

fn of_corpus(name: &str, has: &dyn Fn(&str) -> bool) -> Result<Option<Vec<u8>>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let bytes = onnx::open(&corpus.join(name))?;
    let facts = onnx::facts(&corpus.join(name), &bytes)?;
    rewrite_for(&bytes, &facts, &Slots::default(), has)
}

/// Output types and operators of a rewritten model.
fn told(bytes: &[u8]) -> (Vec<String>, Vec<String>, Vec<(String, i64)>) {
    onnx::facts(Path::new("m.onnx"), bytes).map_or_else(
        |error| (vec![error.to_string()], Vec::new(), Vec::new()),
        |facts| {
            let outputs = facts.signature.outputs.iter();
            let shape = |port: &Port| {
                let shape = port.tensor().and_then(|(_, shape)| shape);
                shape.map(shape_text).unwrap_or_default()
            };
            (
                outputs
                    .map(|p| format!("{} {}{}", p.name, p.kind, shape(p)))
                    .collect(),
                facts.operators.into_iter().map(|op| op.name).collect(),
                facts.opsets,
            )
        },
    )
}

#[test]
fn a_zipmap_becomes_an_identity_with_a_matrix_output() {
    for name in [
        "zipmap_unsorted.onnx",
        "zipmap_int64.onnx",
        "catboost_classifier.onnx",
    ] {
        let bytes = of_corpus(name, &|_| true)
            .ok()
            .flatten()
            .unwrap_or_default();
        let (outputs, operators, opsets) = told(&bytes);
        let matrix = outputs
            .get(1)
            .is_some_and(|out| out.ends_with(" float32[?, 3]"));
        assert!(matrix, "{name}: {outputs:?}");
        assert!(
            operators.iter().any(|op| op == "Identity"),
            "{name}: {operators:?}"
        );
        assert!(
            !operators.iter().any(|op| op == "ZipMap"),
            "{name}: {operators:?}"
        );
        assert!(
            opsets.iter().any(|(domain, _)| domain == "ai.onnx"),
            "{name}: {opsets:?}"
        );
    }
}

#[test]
fn models_that_need_no_change_are_left_alone() {
    for name in ["iris.onnx", "iris.ort", "multi_output.onnx", "dtypes.onnx"] {
        assert_eq!(of_corpus(name, &|_| false).ok(), Some(None), "{name}");
    }
}

#[cfg(unix)]
#[test]
fn models_whose_data_only_a_path_finds_are_left_alone() -> Result<()> {
    let failed = |e: std::io::Error| Error::io("test", &e);
    let folder = tempfile::tempdir().map_err(failed)?;
    for name in ["blobs", "snapshot"] {
        std::fs::create_dir(folder.path().join(name)).map_err(failed)?;
    }
    std::fs::write(folder.path().join("blobs/b"), [0; 8]).map_err(failed)?;
    std::os::unix::fs::symlink("../blobs/b", folder.path().join("snapshot/m.data"))
        .map_err(failed)?;
    let bytes = normalizer("fr_FR.UTF-8");
    let mut facts = onnx::facts(&folder.path().join("snapshot/m.onnx"), &bytes)?;
    for (location, is_left) in [("m.data", true), ("../blobs/b", true)] {
        facts.external = vec![external::ExternalFile {
            location: location.to_owned(),
            bytes: 8,
            problem: None,
        }];
        let rewritten = rewrite_for(&bytes, &facts, &Slots::default(), &|name| name == "C.UTF-8")?;
        assert_eq!(rewritten.is_none(), is_left, "{location}");
    }
    facts.external.clear();
    assert!(rewrite_for(&bytes, &facts, &Slots::default(), &|name| name == "C.UTF-8")?.is_some());
    Ok(())
}

#[test]
fn unknown_fields_survive() -> Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let path = corpus.join("zipmap_int64.onnx");
    let mut bytes = onnx::open(&path)?.to_vec();
    put_bytes(&mut bytes, 4242, b"a field of the future");
    let facts = onnx::facts(&path, &bytes)?;
    let rewritten = rewrite_for(&bytes, &facts, &Slots::default(), &|_| true)?.unwrap_or_default();
    let kept = wire::fields(&rewritten).any(|f| f.is_ok_and(|f| f.number == 4242));
    assert!(kept);
    Ok(())
}

/// A model of one StringNormalizer, in a subgraph.
fn normalizer(locale: &str) -> Vec<u8> {
    let mut attribute = Vec::new();
    put_bytes(&mut attribute, 1, b"locale");
    put_bytes(&mut attribute, 4, locale.as_bytes());
    let mut node = Vec::new();
    put_bytes(&mut node, 4, b"StringNormalizer");
    if !locale.is_empty() {
        put_bytes(&mut node, 5, &attribute);
    }
    // graph { node { attribute { g { node } } } }, from the inside out.
    for number in [1, 6, 5, 1] {
        let inner = std::mem::take(&mut node);
        put_bytes(&mut node, number, &inner);
    }
    let mut model = Vec::new();
    put_int(&mut model, 1, 8);
    put_bytes(&mut model, 7, &node);
    model
}

fn locales(bytes: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    if let Ok(model) = Model::read(bytes) {
        for graph in model.graphs() {
            normalizer::collect_locales(graph, &mut names);
        }
    }
    names
}

#[test]
fn a_missing_locale_becomes_the_neutral_one_where_case_folds_alike() -> Result<()> {
    let path = Path::new("m.onnx");
    let slim: &[&str] = &["C", "C.UTF-8"];
    for (locale, there, expected) in [
        ("", slim, Ok("C.UTF-8")),
        ("fr_FR.UTF-8", slim, Ok("C.UTF-8")),
        ("C", slim, Ok("unchanged")),
        ("", &["C", "en_US.UTF-8"], Ok("unchanged")),
        ("", &["C"], Err("\"en_US.UTF-8\", which this system lacks")),
        (
            "tr_TR.UTF-8",
            slim,
            Err("\"tr_TR.UTF-8\", which this system lacks"),
        ),
    ] {
        let bytes = normalizer(locale);
        let facts = onnx::facts(path, &bytes)?;
        let rewritten = rewrite_for(&bytes, &facts, &Slots::default(), &|name| {
            there.contains(&name)
        });
        match (rewritten, expected) {
            (Ok(Some(bytes)), Ok(name)) => assert_eq!(locales(&bytes), [name], "{locale}"),
            (Ok(None), Ok(name)) => assert_eq!(name, "unchanged", "{locale}"),
            (Err(error), Err(text)) => assert!(error.to_string().contains(text), "{error}"),
            (got, _) => panic!("{locale}: {got:?}"),
        }
    }
    Ok(())
}

#[test]
fn every_byte_flip_is_rewritten_or_refused() {
    let mut bytes = normalizer("fr_FR.UTF-8");
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let flip = |bytes: &mut Vec<u8>| {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << bit;
                }
            };
            flip(&mut bytes);
            if let Ok(facts) = onnx::facts(Path::new("m.onnx"), &bytes) {
                let _ = rewrite_for(&bytes, &facts, &Slots::default(), &|name| name == "C.UTF-8");
            }
            flip(&mut bytes);
        }
    }
}
