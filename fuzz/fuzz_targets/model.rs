//! Hostile model files: whatever the bytes, facts or an error, and from the facts a plan or an error.
//!
//! Both formats, ONNX and ORT, begin here; ONNX Runtime itself is not started.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;

use mlserve::batch::plan::{Plan, Rules};
use mlserve::error::Error;
use mlserve::model::onnx::{self, Facts};
use mlserve::model::{external, signature};

fuzz_target!(|bytes: &[u8]| {
    match onnx::facts(Path::new("fuzz.onnx"), bytes) {
        Ok(facts) => walk(&facts),
        Err(error) => assert!(matches!(error, Error::Model(_)), "{error}"),
    }
});

/// What `inspect` and `predict` do with facts before a session is made.
fn walk(facts: &Facts) {
    let _ = external::check(facts);
    let ports = facts
        .signature
        .inputs
        .iter()
        .chain(&facts.signature.outputs);
    for (_, shape) in ports.filter_map(signature::Port::tensor) {
        let _ = shape.map(signature::shape_text);
    }
    let rules = Rules {
        allow_missing_columns: true,
        ..Rules::default()
    };
    let columns: Vec<String> = facts
        .signature
        .inputs
        .iter()
        .map(|port| port.name.clone())
        .collect();
    let _ = Plan::new(&facts.signature, columns, &rules, "fuzz.csv");
    let _ = Plan::new(&facts.signature, Vec::new(), &rules, "fuzz.csv");
}
