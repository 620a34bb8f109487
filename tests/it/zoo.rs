//! The tree zoo as a user meets it: the predictions of every model are those that Python's ONNX Runtime
//! makes. `MLSERVE_ZOO` names another folder, of models that `make_zoo.py` has made anew. Bits, edges and instruction sets are `src/model/trees/tests/zoo.rs`'s.

use std::{env, fs};

use serde_json::{Map, Value};

use crate::compare;
use crate::run::{ROOT, mlserve, model_path, names_in, predict};

const ZOO: &str = "tests/corpus/zoo";

/// The full path of a file of the zoo.
fn path(name: &str) -> String {
    let folder = env::var("MLSERVE_ZOO").unwrap_or_else(|_| format!("{ROOT}/{ZOO}"));
    format!("{folder}/{name}")
}

fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap()
}

/// Model -> the records that fit it.
fn zoo() -> Vec<(String, String)> {
    let index: Map<String, Value> = serde_json::from_str(&text("zoo.json")).unwrap();
    let names = |(name, records): (String, Value)| (name, records.as_str().unwrap().to_owned());
    index.into_iter().map(names).collect()
}

#[test]
fn every_model_of_the_zoo_scores_as_python_does() {
    let mut faults = Vec::new();
    for (name, records) in zoo() {
        let records = path(&format!("{records}.csv"));
        let args = [&records, "--keep", "none", "--to", "csv"];
        let outcome = predict(&path(&format!("{name}.onnx")), &args).run();
        let expected = text(&format!("{name}.expected.csv"));
        if outcome.code != 0 || outcome.stderr.contains("warning") {
            faults.push(format!("{name}: {}", outcome.stderr));
        } else if let Err(difference) = compare::texts(&outcome.stdout, &expected) {
            faults.push(format!("{name}: {difference}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn no_model_of_the_zoo_is_forgotten() {
    let models = names_in(path(""));
    let mut models: Vec<&str> = models
        .iter()
        .filter_map(|name| name.strip_suffix(".onnx"))
        .collect();
    let mut index: Vec<String> = zoo().into_iter().map(|(name, _)| name).collect();
    models.sort_unstable();
    index.sort_unstable();
    assert_eq!(models, index);
}

#[test]
fn sets_of_large_numbers_are_ours() {
    let model = model_path(&format!("{ZOO}/joint_large_members.onnx"));
    let outcome = mlserve(&["inspect", "--json", &model]).run();
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["trees"]["kernel"], "mlserve");
}
