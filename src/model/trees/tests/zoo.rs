//! The zoo of `tests/corpus/zoo`, models of all libraries and shapes: whole graphs by our kernel and by
//! ONNX Runtime, and each ensemble alone by every instruction set. Not a bit may differ.
//!
//! `MLSERVE_ZOO` names another folder, of models that `make_zoo.py` has made anew.

use std::env;
use std::path::{Path, PathBuf};

use ndarray::ArrayD;
use serde_json::Value as Json;

use super::encode::{self, encode};
use super::random::Random;
use super::{Cells, double_bits, kernels, ours, reference, session, single_bits};
use crate::model::Model;
use crate::model::onnx::{self, Facts};
use crate::model::runtime::RuntimeChoice;
use crate::model::tensor::{Tensor, Value};
use crate::model::trees::{self, Choice, attributes};
use crate::trees::attributes::{Attributes, Family, Numbers, Precision};
use crate::trees::engine::Processor;
use crate::trees::read;

/// About the kernel's ways for few and for many rows, its vectors and its blocks.
const BATCHES: [usize; 9] = [1, 7, 8, 63, 64, 255, 256, 257, MOST];
const MOST: usize = 5000;

/// Models that stay with ONNX Runtime, wholly or in part.
const STAY: [&str; 0] = [];

/// A model of the zoo.
struct Specimen {
    name: String,
    facts: Facts,
    bytes: Vec<u8>,
    /// Records that fit it, and how many values each has.
    records: Vec<f64>,
    columns: usize,
    is_double: bool,
}

fn folder() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/zoo");
    env::var_os("MLSERVE_ZOO").map_or(here, PathBuf::from)
}

fn zoo() -> Vec<Specimen> {
    let index = std::fs::read(folder().join("zoo.json")).unwrap();
    let index: serde_json::Map<String, Json> = serde_json::from_slice(&index).unwrap();
    let specimen = |(name, records): (String, Json)| {
        let path = folder().join(format!("{name}.onnx"));
        let records = records.as_str().unwrap();
        let is_double = records.starts_with("double");
        let table = format!("{records}.csv");
        let table = std::fs::read_to_string(folder().join(table)).unwrap();
        let (header, rows) = table.split_once('\n').unwrap();
        let cells = rows.lines().flat_map(|row| row.split(','));
        // A cell that is empty is missing.
        let records = cells.map(|cell| cell.parse().unwrap_or(f64::NAN));
        Specimen {
            facts: onnx::read(&path).unwrap(),
            bytes: std::fs::read(&path).unwrap(),
            records: records.collect(),
            columns: header.split(',').count(),
            name,
            is_double,
        }
    };
    index.into_iter().map(specimen).collect()
}

/// The ensembles of a model that our kernel evaluates.
fn ensembles(specimen: &Specimen) -> Vec<Attributes> {
    let model = onnx::parsed(&specimen.facts.path, &specimen.bytes).unwrap();
    let slots = trees::find(&model, specimen.bytes.len(), &specimen.facts, Choice::Auto);
    let slots = slots.slots.iter();
    slots
        .filter_map(|slot| {
            let input = encode::input_type(slot.evaluator.as_ref().ok()?.input());
            attributes::read(slot.node, i32::try_from(input).unwrap()).ok()
        })
        .collect()
}

/// What columns are compared with.
fn thresholds(ensembles: &[Attributes], columns: usize) -> Vec<Vec<f64>> {
    let mut thresholds = vec![Vec::new(); columns];
    for attributes in ensembles {
        let (features, values) = match &attributes.family {
            Family::Pair(pair) => (&pair.nodes.features, vec![&pair.nodes.values]),
            Family::Joint(joint) => (&joint.features, vec![&joint.values, &joint.members]),
        };
        for values in values {
            let values: Vec<f64> = match values {
                Numbers::Singles(list) => list.iter().map(|value| f64::from(*value)).collect(),
                Numbers::Doubles(list) => list.clone(),
            };
            // The members of sets are not one a node; a column of any other node's gets them, too.
            for (value, feature) in values.into_iter().zip(features.iter().cycle()) {
                thresholds[*feature as usize % columns].push(value);
            }
        }
    }
    thresholds
}

/// Rows by turns as people have them, with odd values among them, and of nothing but the values where
/// trees decide, with their neighbours.
fn cells(specimen: &Specimen, columns: usize, ensembles: &[Attributes]) -> Vec<(f64, i8)> {
    const ODD: [f64; 10] = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        0.0,
        -0.0,
        1e-40,
        -1e-310,
        f32::MAX as f64,
        -1e300,
        f32::MIN_POSITIVE as f64,
    ];
    let thresholds = thresholds(ensembles, columns);
    let random = &mut Random::new(20_261_125);
    let mut cells = Vec::with_capacity(MOST * columns);
    for row in 0..MOST {
        for (column, thresholds) in thresholds.iter().enumerate() {
            let record = row % (specimen.records.len() / specimen.columns);
            let real = specimen.records[record * specimen.columns + column % specimen.columns];
            let at_edge = match row % 3 {
                0 => false,
                1 => !random.chance(10),
                _ => random.chance(15),
            };
            let edge = thresholds.get(random.below(thresholds.len().max(1)));
            cells.push(match edge {
                _ if row % 3 > 0 && random.chance(6) => (ODD[random.below(ODD.len())], 0),
                Some(edge) if at_edge => (*edge, [-1, 0, 1][random.below(3)]),
                _ => (real, 0),
            });
        }
    }
    cells
}

fn singles(cells: &[(f64, i8)]) -> Vec<f32> {
    let single = |(value, step): &(f64, i8)| match step {
        0 => *value as f32,
        1 => (*value as f32).next_up(),
        _ => (*value as f32).next_down(),
    };
    cells.iter().map(single).collect()
}

fn doubles(cells: &[(f64, i8)]) -> Vec<f64> {
    let double = |(value, step): &(f64, i8)| match step {
        0 => *value,
        1 => value.next_up(),
        _ => value.next_down(),
    };
    cells.iter().map(double).collect()
}

/// The bits and texts of what a model gave.
fn bits(values: &[Value]) -> Vec<String> {
    let text = |tensor: &Tensor| match tensor {
        Tensor::Float32(array) => {
            let bits: Vec<u64> = array.iter().map(|value| single_bits(*value)).collect();
            format!("{:?} {bits:?}", array.shape())
        }
        Tensor::Float64(array) => {
            let bits: Vec<u64> = array.iter().map(|value| double_bits(*value)).collect();
            format!("{:?} {bits:?}", array.shape())
        }
        other => format!("{other:?}"),
    };
    let value = |value: &Value| match value {
        Value::Tensor(tensor) => text(tensor),
        Value::Maps { keys, values } => format!("{keys:?} {}", text(values)),
        Value::Sequence(tensors) => tensors.iter().map(text).collect(),
    };
    values.iter().map(value).collect()
}

#[test]
fn every_graph_gives_what_onnx_runtime_gives() {
    let choice = RuntimeChoice::default();
    let load = |specimen: &Specimen, trees| {
        let facts = onnx::read(&specimen.facts.path).unwrap();
        Model::from_facts(facts, &choice, trees).unwrap()
    };
    let mut faults = Vec::new();
    for specimen in zoo() {
        let [auto, ort] = [Choice::Auto, Choice::Ort].map(|trees| load(&specimen, trees));
        let ours = auto.evaluated().word() == "mlserve";
        if ours == STAY.contains(&specimen.name.as_str()) || !auto.warnings().is_empty() {
            let warnings = auto.warnings();
            faults.push(format!(
                "{}: {} {warnings:?}",
                specimen.name,
                auto.evaluated().text()
            ));
        }
        let cells = cells(&specimen, specimen.columns, &ensembles(&specimen));
        for rows in BATCHES {
            let cells = &cells[..rows * specimen.columns];
            let shape = [rows, specimen.columns];
            let input = match specimen.is_double {
                true => {
                    Tensor::Float64(ArrayD::from_shape_vec(&shape[..], doubles(cells)).unwrap())
                }
                false => {
                    Tensor::Float32(ArrayD::from_shape_vec(&shape[..], singles(cells)).unwrap())
                }
            };
            let input = [input];
            let [ours, theirs] = [&auto, &ort].map(|model| bits(&model.run(&input).unwrap()));
            if ours != theirs {
                faults.push(format!("{}, {rows} rows", specimen.name));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_instruction_set_scores_the_zoo_as_onnx_runtime_does() {
    let mut faults = Vec::new();
    for specimen in zoo() {
        for attributes in ensembles(&specimen) {
            let kernels = kernels(&read::read(&attributes).unwrap());
            // The plain evaluator, too.
            assert!(kernels.len() > Processor::all().len(), "{}", specimen.name);
            // Graphs that pick columns for their trees leave less than the input had.
            let columns = specimen.columns.max(kernels[0].features());
            let cells = cells(&specimen, columns, std::slice::from_ref(&attributes));
            let input = match attributes.precision {
                Precision::Single => Cells::Singles(singles(&cells)),
                Precision::Double => Cells::Doubles(doubles(&cells)),
            };
            let encoded = encode(&attributes, &mut Random::new(1));
            let mut session = session(&encoded.model).unwrap();
            for rows in BATCHES {
                let theirs = reference(&mut session, &input, [rows, columns]).unwrap();
                for kernel in &kernels {
                    if ours(kernel, &attributes, &input, [rows, columns]) != theirs {
                        let engine = kernel.engine();
                        faults.push(format!("{}, {rows} rows, {engine}", specimen.name));
                    }
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
