//! Our kernel for tree ensembles against ONNX Runtime's, model by model: one thread, CPU time, fresh
//! rows, by turns. `benches/README.md` says how to make the models and how to read the table.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench may panic, and prints its table"
)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use ndarray::{ArrayD, Axis, Slice};
use serde_json::Value as Json;

use mlserve::model::Model;
use mlserve::model::onnx::{self, Facts};
use mlserve::model::runtime::RuntimeChoice;
use mlserve::model::tensor::Tensor;
use mlserve::model::trees::{Choice, kernel_alone};
use mlserve::trees::engine::Processor;
use mlserve::trees::kernel::{Kernel, Rows};
use mlserve::trees::outcome::Scores;

/// Inputs that are made before the clock starts; a round goes on where the last one stopped.
const MOST_INPUTS: usize = 8192;

/// What was asked for.
struct Asked {
    folder: Option<PathBuf>,
    models: Vec<String>,
    batches: Vec<usize>,
    rounds: usize,
    /// The least CPU time of either in a round.
    span: Duration,
    processor: Option<Processor>,
    is_markdown: bool,
}

/// A model with records for it.
struct Case {
    name: String,
    path: PathBuf,
    /// [records, columns].
    records: ArrayD<f32>,
}

/// What is timed, on one input.
type Program = Box<dyn Fn(&Tensor)>;

/// What one batch size of a model gave: rows a second of each in every round.
struct Rates {
    ours: Vec<f64>,
    theirs: Vec<f64>,
}

fn main() {
    let asked = asked(std::env::args().skip(1));
    let cases = match &asked.folder {
        Some(folder) => zoo(folder, &asked.models),
        None => vec![sample()],
    };
    let table = Table::new(asked.is_markdown);
    for case in &cases {
        bench(case, &asked, &table);
    }
}

fn asked(mut args: impl Iterator<Item = String>) -> Asked {
    let mut asked = Asked {
        folder: None,
        models: Vec::new(),
        batches: vec![1, 8, 64, 1024],
        rounds: 7,
        span: Duration::from_millis(50),
        processor: None,
        is_markdown: false,
    };
    let mut is_test = false;
    while let Some(arg) = args.next() {
        let mut value = || args.next().unwrap_or_else(|| panic!("{arg} needs a value"));
        match arg.as_str() {
            // cargo adds it.
            "--bench" => {}
            "--test" => is_test = true,
            "--markdown" => asked.is_markdown = true,
            "--rounds" => asked.rounds = value().parse().expect("a number of rounds"),
            "--batches" => {
                let numbers = value();
                let numbers = numbers.split(',').map(str::parse);
                asked.batches = numbers.collect::<Result<_, _>>().expect("numbers of rows");
            }
            "--processor" => asked.processor = Some(processor(&value())),
            _ if arg.starts_with('-') => panic!("{arg} is not known"),
            _ if asked.folder.is_none() => asked.folder = Some(arg.into()),
            _ => asked.models.push(arg),
        }
    }
    if is_test {
        (asked.rounds, asked.span) = (1, Duration::ZERO);
    }
    assert!(
        is_test || asked.folder.is_some(),
        "cargo bench --bench trees -- FOLDER [MODEL...]; benches/README.md says how to make the folder"
    );
    asked
}

/// One of the instruction sets of this machine, by its name in any spelling.
fn processor(name: &str) -> Processor {
    let plain = |name: &str| name.to_ascii_lowercase().replace('-', "");
    let all = Processor::all();
    let found = all.iter().find(|known| plain(known.name()) == plain(name));
    let names: Vec<&str> = all.iter().map(|known| known.name()).collect();
    *found.unwrap_or_else(|| panic!("{name} is none of {names:?}, which this machine has"))
}

/// The models of a folder that `make_zoo.py --bench` made; all, or those of these names.
fn zoo(folder: &Path, names: &[String]) -> Vec<Case> {
    let index = std::fs::read(folder.join("zoo.json")).expect("zoo.json in the folder");
    let index: Vec<Json> = serde_json::from_slice(&index).expect("a list of models");
    let text = |entry: &Json, key: &str| entry[key].as_str().expect("a text").to_owned();
    let cases = index.iter().map(|entry| {
        let columns = entry["columns"].as_u64().expect("a number") as usize;
        let bytes = std::fs::read(folder.join(text(entry, "records"))).expect("records");
        let (values, _) = bytes.as_chunks();
        let values: Vec<f32> = values
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect();
        let shape = [values.len() / columns, columns];
        Case {
            name: text(entry, "name"),
            path: folder.join(text(entry, "model")),
            records: ArrayD::from_shape_vec(&shape[..], values).expect("whole records"),
        }
    });
    let wanted = |case: &Case| names.is_empty() || names.iter().any(|n| case.name.contains(n));
    cases.filter(wanted).collect()
}

/// A sample of the repository with made-up records, to see that the bench runs.
fn sample() -> Case {
    let records = ArrayD::from_shape_fn(&[2048, 30][..], |at| {
        ((at[0] * 30 + at[1]) as f32 * 0.37).sin().abs() * 20.0
    });
    Case {
        name: "breast_cancer".to_owned(),
        path: Path::new(env!("CARGO_MANIFEST_DIR")).join("models/breast_cancer.onnx"),
        records,
    }
}

fn bench(case: &Case, asked: &Asked, table: &Table) {
    let facts = onnx::read(&case.path).expect("a model");
    let size = facts.trees.expect("trees");
    let theirs = load(&facts, Choice::Ort);
    let Some((name, ours)) = ours(&facts, asked.processor) else {
        eprintln!("{}: left out, not one ensemble of ours", case.name);
        return;
    };
    for batch in &asked.batches {
        let inputs = inputs(&case.records, *batch);
        let rates = rates(asked, &inputs, &ours, &|input| run(&theirs, input), *batch);
        table.row([
            case.name.clone(),
            size.trees.to_string(),
            size.nodes.to_string(),
            name.clone(),
            batch.to_string(),
            thousands(median(&rates.theirs)),
            thousands(median(&rates.ours)),
            rates.ratio(),
        ]);
    }
}

fn load(facts: &Facts, trees: Choice) -> Model {
    Model::from_facts(facts.clone(), &RuntimeChoice::default(), trees).expect("a model")
}

fn run(model: &Model, input: &Tensor) {
    model
        .run(std::slice::from_ref(input))
        .expect("rows that fit");
}

/// The model with our kernel, or the kernel alone, and what it is called.
fn ours(facts: &Facts, processor: Option<Processor>) -> Option<(String, Program)> {
    let Some(processor) = processor else {
        let model = load(facts, Choice::Auto);
        let evaluated = model.evaluated();
        let name = evaluated.engine().unwrap_or_else(|| evaluated.text());
        return Some((name, Box::new(move |input| run(&model, input))));
    };
    let kernel = kernel_alone(facts, processor).expect("a model")?;
    let name = format!("{}, alone", kernel.engine());
    Some((name, Box::new(move |input| run_alone(&kernel, input))))
}

/// The kernel on one input, with memory for what it gives, as `Model::run` makes it.
fn run_alone(kernel: &Kernel, input: &Tensor) {
    let Tensor::Float32(rows) = input else {
        panic!("float32 records");
    };
    let (count, columns) = (rows.shape()[0], rows.shape()[1]);
    let mut scores = vec![0.0; count * kernel.targets()];
    let mut labels = vec![0; count];
    let rows = Rows::Single(rows.as_slice().expect("rows in order"));
    let scores = Scores::Single(&mut scores);
    kernel
        .run(rows, columns, scores, Some(&mut labels))
        .expect("rows that fit");
}

/// The records, cut into batches.
fn inputs(records: &ArrayD<f32>, batch: usize) -> Vec<Tensor> {
    let count = (records.shape()[0] / batch).min(MOST_INPUTS);
    let cut = |at: usize| {
        let place = Slice::from(at * batch..(at + 1) * batch);
        Tensor::Float32(records.slice_axis(Axis(0), place).to_owned())
    };
    (0..count).map(cut).collect()
}

fn rates(
    asked: &Asked,
    inputs: &[Tensor],
    ours: &dyn Fn(&Tensor),
    theirs: &dyn Fn(&Tensor),
    batch: usize,
) -> Rates {
    let mut rates = Rates {
        ours: Vec::new(),
        theirs: Vec::new(),
    };
    let mut places = [0, 0];
    // The first round warms up.
    for round in 0..=asked.rounds {
        // Who begins takes turns, too.
        let first = round % 2;
        for which in [first, 1 - first] {
            let program = [ours, theirs][which];
            let rate = batch as f64 * rate(program, inputs, &mut places[which], asked.span);
            if round > 0 {
                [&mut rates.ours, &mut rates.theirs][which].push(rate);
            }
        }
    }
    rates
}

/// Runs a second of CPU time, measured over `span` at least, from the input at `place` on.
fn rate(program: &dyn Fn(&Tensor), inputs: &[Tensor], place: &mut usize, span: Duration) -> f64 {
    let mut runs = 0_u32;
    let started = cpu_time();
    // The clock is a system call: as many runs between two looks at it as there were before.
    let mut step = 1;
    loop {
        for _ in 0..step {
            program(&inputs[*place % inputs.len()]);
            *place += 1;
        }
        runs += step;
        let spent = cpu_time() - started;
        if spent >= span {
            return f64::from(runs) / spent.as_secs_f64().max(1e-9);
        }
        step = runs.min(1024);
    }
}

/// The CPU time of this thread: other work on the machine does not count.
#[cfg(unix)]
#[expect(unsafe_code, reason = "the standard library has no clock of CPU time")]
fn cpu_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a timespec to write to, for the length of the call.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(status, 0, "a clock of CPU time");
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

#[cfg(not(unix))]
fn cpu_time() -> Duration {
    use std::sync::OnceLock;
    use std::time::Instant;
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

impl Rates {
    /// How many times as fast, round by round: the median, and the range.
    fn ratio(&self) -> String {
        let pairs = self.ours.iter().zip(&self.theirs);
        let ratios: Vec<f64> = pairs.map(|(ours, theirs)| ours / theirs).collect();
        let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let most = ratios.iter().copied().fold(0.0, f64::max);
        format!("{:.1} [{least:.1}-{most:.1}]", median(&ratios))
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// A whole number with its thousands apart.
fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let groups: Vec<&[u8]> = digits.as_bytes().rchunks(3).rev().collect();
    String::from_utf8(groups.join(&b',')).expect("digits")
}

/// Prints a line as soon as it is known.
struct Table {
    is_markdown: bool,
}

impl Table {
    const WIDTHS: [usize; 8] = [34, 6, 8, 14, 6, 14, 14, 20];

    fn new(is_markdown: bool) -> Table {
        let table = Table { is_markdown };
        let head = [
            "model",
            "trees",
            "nodes",
            "kernel",
            "batch",
            "ORT rows/s",
            "mlserve rows/s",
            "ratio",
        ];
        table.row(head.map(str::to_owned));
        if is_markdown {
            println!("|---|---:|---:|---|---:|---:|---:|---:|");
        }
        table
    }

    fn row(&self, cells: [String; 8]) {
        if self.is_markdown {
            println!("| {} |", cells.join(" | "));
            return;
        }
        let cells = cells.iter().zip(Self::WIDTHS).enumerate();
        let cells: Vec<String> = cells
            .map(|(at, (cell, width))| match at {
                0 | 3 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            })
            .collect();
        println!("{}", cells.join(" "));
    }
}
