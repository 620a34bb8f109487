//! Our trees against ONNX Runtime's, bit by bit: random ensembles over all that the operators allow.

mod encode;
mod random;
mod zoo;

use std::collections::BTreeMap;
use std::env;
use std::io::{self, Write};

use ort::session::Session;
use ort::value::TensorRef;

use crate::model::proto::{Budget, Node};
use crate::model::runtime::{self, RuntimeChoice};
use crate::model::trees::attributes;
use crate::trees::attributes::{Attributes, Family, Output, Precision};
use crate::trees::engine::Processor;
use crate::trees::kernel::{Kernel, Rows};
use crate::trees::outcome::{Labels, Scores};
use crate::trees::read::{self, Ensemble};
use encode::{Encoded, encode};
use random::Random;

/// What both give for some rows: the bits of the scores, and the labels as texts.
#[derive(Debug, PartialEq)]
struct Given {
    scores: Vec<u64>,
    labels: Vec<String>,
}

/// Rows of either precision.
enum Cells {
    Singles(Vec<f32>),
    Doubles(Vec<f64>),
}

const COLUMNS: usize = 5;
const BATCHES: [usize; 4] = [1, 7, 64, 300];

fn session(model: &[u8]) -> ort::Result<Session> {
    let runtime = runtime::start(&RuntimeChoice::default()).unwrap();
    Session::builder(runtime.environment())?
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .with_log_level(ort::logging::LogLevel::Fatal)?
        .commit_from_memory(model)
}

fn reference(session: &mut Session, cells: &Cells, shape: [usize; 2]) -> ort::Result<Given> {
    let count = shape[0] * shape[1];
    let outputs = match cells {
        Cells::Singles(cells) => {
            let tensor = TensorRef::from_array_view((shape, &cells[..count]))?;
            session.run(ort::inputs![tensor])?
        }
        Cells::Doubles(cells) => {
            let tensor = TensorRef::from_array_view((shape, &cells[..count]))?;
            session.run(ort::inputs![tensor])?
        }
    };
    let scores = match outputs["Z"].try_extract_tensor::<f32>() {
        Ok((_, scores)) => scores.iter().map(|score| single_bits(*score)).collect(),
        Err(_) => {
            let (_, scores) = outputs["Z"].try_extract_tensor::<f64>()?;
            scores.iter().map(|score| double_bits(*score)).collect()
        }
    };
    let labels = match outputs.get("Y") {
        None => Vec::new(),
        Some(labels) => match labels.try_extract_tensor::<i64>() {
            Ok((_, labels)) => labels.iter().map(i64::to_string).collect(),
            Err(_) => {
                let (_, labels) = labels.try_extract_strings()?;
                labels
            }
        },
    };
    Ok(Given { scores, labels })
}

/// All NaN count as one: which of two NaN a sum keeps is the compiler's choice.
fn single_bits(value: f32) -> u64 {
    if value.is_nan() {
        u64::MAX
    } else {
        value.to_bits().into()
    }
}

fn double_bits(value: f64) -> u64 {
    if value.is_nan() {
        u64::MAX
    } else {
        value.to_bits()
    }
}

fn ours(kernel: &Kernel, attributes: &Attributes, cells: &Cells, shape: [usize; 2]) -> Given {
    let [rows, columns] = shape;
    let input = match cells {
        Cells::Singles(cells) => Rows::Single(&cells[..rows * columns]),
        Cells::Doubles(cells) => Rows::Double(&cells[..rows * columns]),
    };
    let count = rows * kernel.targets();
    let mut labels = vec![0; rows];
    let is_double =
        matches!(attributes.family, Family::Joint(_)) && attributes.precision == Precision::Double;
    let scores = if is_double {
        let mut scores = vec![f64::NAN; count];
        kernel
            .run(
                input,
                columns,
                Scores::Double(&mut scores),
                Some(&mut labels),
            )
            .unwrap();
        scores.into_iter().map(double_bits).collect()
    } else {
        let mut scores = vec![f32::NAN; count];
        kernel
            .run(
                input,
                columns,
                Scores::Single(&mut scores),
                Some(&mut labels),
            )
            .unwrap();
        scores.into_iter().map(single_bits).collect()
    };
    let labels = match kernel.labels() {
        Labels::None => Vec::new(),
        Labels::Ints(_) => labels.iter().map(i64::to_string).collect(),
        Labels::Texts(texts) => labels
            .iter()
            .map(|label| texts[*label as usize].clone())
            .collect(),
    };
    Given { scores, labels }
}

fn cells(random: &mut Random, attributes: &Attributes) -> Cells {
    let cells = random::cells(random, attributes, 300 * COLUMNS);
    match attributes.precision {
        Precision::Single => Cells::Singles(cells.into_iter().map(|cell| cell as f32).collect()),
        Precision::Double => Cells::Doubles(cells),
    }
}

/// What became of the cases, for the eye: how often each end was met, and how many scores were equal.
#[derive(Default)]
struct Tally {
    ends: BTreeMap<String, (usize, Vec<u64>)>,
    scores: usize,
    faults: Vec<String>,
}

fn check(seed: u64, tally: &mut Tally) {
    let random = &mut Random::new(seed);
    let wanted = random::attributes(random);
    let Encoded { node, model } = encode(&wanted, random);
    let node = Node::read(&node, &mut Budget::new()).unwrap();
    let input = encode::input_type(wanted.precision) as i32;
    let found = attributes::read(&node, input).unwrap();
    assert!(same(&found, &wanted), "seed {seed}: {found:?} {wanted:?}");
    let ensemble = read::read(&found);
    let mut session = session(&model);
    let end = match (&ensemble, &session) {
        (Ok(_), Ok(_)) => "equal".to_owned(),
        (Err(refusal), Ok(_)) => format!("only we refuse: {refusal}"),
        (Err(refusal), Err(_)) => format!("both refuse: {refusal}"),
        (Ok(_), Err(error)) => format!("only ONNX Runtime refuses: {}", reason(error.message())),
    };
    let end = tally.ends.entry(end).or_default();
    end.0 += 1;
    if end.1.len() < 4 {
        end.1.push(seed);
    }
    let (Ok(ensemble), Ok(session)) = (ensemble, &mut session) else {
        return;
    };
    let kernels = kernels(&ensemble);
    let cells = cells(random, &wanted);
    for rows in BATCHES {
        let theirs = reference(session, &cells, [rows, COLUMNS]).unwrap();
        for kernel in &kernels {
            let ours = ours(kernel, &wanted, &cells, [rows, COLUMNS]);
            if ours != theirs {
                let fault = report(&wanted, &cells, &ours, &theirs);
                let engine = kernel.engine();
                tally.faults.push(format!("seed {seed}, {engine}: {fault}"));
                return;
            }
            tally.scores += ours.scores.len();
        }
    }
}

/// The ensemble for every instruction set that this machine has, and for none.
fn kernels(ensemble: &Ensemble) -> Vec<Kernel> {
    let engines = Processor::all().into_iter().map(Some);
    engines
        .chain([None])
        .filter_map(|processor| Kernel::compile_for(ensemble.clone(), processor).ok())
        .collect()
}

fn report(attributes: &Attributes, cells: &Cells, ours: &Given, theirs: &Given) -> String {
    let differ = |same: Vec<bool>| same.iter().position(|same| !same);
    let pairs = ours.scores.iter().zip(&theirs.scores);
    let score = differ(pairs.map(|(a, b)| a == b).collect());
    let pairs = ours.labels.iter().zip(&theirs.labels);
    let label = differ(pairs.map(|(a, b)| a == b).collect());
    let targets = ours.scores.len() / ours.labels.len().max(1);
    let targets = if ours.labels.is_empty() {
        match &attributes.family {
            Family::Joint(joint) => joint.targets as usize,
            Family::Pair(pair) => match pair.output {
                Output::Targets(targets) => targets as usize,
                _ => targets,
            },
        }
    } else {
        targets
    };
    let row = score.map(|at| at / targets).or(label).unwrap_or_default();
    let range = row * COLUMNS..(row + 1) * COLUMNS;
    let shown = match cells {
        Cells::Singles(cells) => format!("{:?}", &cells[range]),
        Cells::Doubles(cells) => format!("{:?}", &cells[range]),
    };
    let show = |given: &Given| {
        let scores = &given.scores[row * targets..(row + 1) * targets];
        let scores: Vec<f64> = scores
            .iter()
            .map(|bits| match attributes.precision {
                Precision::Double if matches!(attributes.family, Family::Joint(_)) => {
                    f64::from_bits(*bits)
                }
                _ => f32::from_bits(*bits as u32).into(),
            })
            .collect();
        format!("{scores:?} {:?}", given.labels.get(row))
    };
    format!(
        "row {row} {shown}\nours   {}\ntheirs {}\n{attributes:?}",
        show(ours),
        show(theirs)
    )
}

/// Whether attributes are the same, NaN being equal to NaN.
fn same(left: &Attributes, right: &Attributes) -> bool {
    format!("{left:?}") == format!("{right:?}")
}

/// The end of a message, where the reason stands, without what differs from case to case.
fn reason(message: &str) -> String {
    let line = message.trim_end();
    let end = line.char_indices().rev().nth(90).map_or(0, |(at, _)| at);
    line[end..]
        .chars()
        .filter(|char| !char.is_ascii_digit())
        .collect()
}

/// With `MLSERVE_TREES_CASES` and `MLSERVE_TREES_SEED` as many as one likes, from any seed on.
#[test]
fn random_ensembles_score_as_onnx_runtime_scores_them() {
    let number = |name, default: u64| {
        let text = env::var(name).ok();
        text.and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let cases = number("MLSERVE_TREES_CASES", 1500);
    let start = number("MLSERVE_TREES_SEED", 0);
    let mut tally = Tally::default();
    for seed in start..start + cases {
        check(seed, &mut tally);
    }
    let few: Vec<&str> = tally.faults.iter().take(8).map(String::as_str).collect();
    assert!(
        few.is_empty(),
        "{} differ:\n{}",
        tally.faults.len(),
        few.join("\n\n")
    );
    let told = format!("{} scores; {:#?}", tally.scores, tally.ends);
    let equal = tally.ends.get("equal").map_or(0, |end| end.0);
    assert!(equal as u64 * 2 > cases, "{told}");
    // What it does not load, we do not score.
    let lenient = tally.ends.keys().any(|end| end.starts_with("only ONNX"));
    assert!(!lenient, "{told}");
    if cases > 1500 {
        writeln!(io::stderr(), "{told}").unwrap();
    }
}
