//! The stations that a block goes through in `predict`, each alone: scan, encode, run, format. What
//! they come to together, against other programs, is `benches/compare/`.
#![allow(clippy::expect_used, reason = "a bench may panic")]

use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

use mlserve::batch::columns::{Layout, Wanted};
use mlserve::batch::encode::Group;
use mlserve::batch::first;
use mlserve::batch::plan::{Header, Keep, Plan, Rules};
use mlserve::batch::write::{CsvStyle, NonFinite, csv_field, json_field};
use mlserve::model::runtime::RuntimeChoice;
use mlserve::model::trees::Choice;
use mlserve::model::{Model, onnx};
use mlserve::predict::format::{FileFormat, Format};
use mlserve::predict::text::cut::{Block, Cutter, Limits};
use mlserve::predict::text::intake::Intake;
use mlserve::predict::text::passthrough::Passthrough;

const CSV: Format = Format::Csv { delimiter: b',' };
/// Records of a block, and of a run of the model.
const RECORDS: usize = 1024;
/// Float columns, as the models of `benches/compare` have.
const FEATURES: usize = 30;

/// How the cells of a record are written.
#[derive(Clone, Copy)]
enum Style {
    Plain,
    Quoted,
    Objects,
}

/// `count` records of an id and numbers of six digits, the same in every run.
fn records(count: usize, style: Style) -> Vec<u8> {
    let mut state = 1_u64;
    let mut number = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 44) as f64 / 1e4
    };
    let names = names();
    let mut text = String::new();
    for id in 0..count {
        let cells = names.iter().map(|name| (name, number()));
        let cells: Vec<String> = match style {
            Style::Plain => cells.map(|(_, cell)| cell.to_string()).collect(),
            Style::Quoted => cells.map(|(_, cell)| format!("\"{cell}\"")).collect(),
            Style::Objects => cells
                .map(|(name, cell)| format!("\"{name}\":{cell}"))
                .collect(),
        };
        let cells = cells.join(",");
        text.push_str(&match style {
            Style::Objects => format!("{{\"id\":{id},{cells}}}\n"),
            Style::Plain | Style::Quoted => format!("{id},{cells}\n"),
        });
    }
    text.into_bytes()
}

fn names() -> Vec<String> {
    (0..FEATURES).map(|number| format!("x{number}")).collect()
}

fn block(style: Style) -> Block {
    Block {
        text: records(RECORDS, style),
        first_line: 2,
        offset: 0,
        records: None,
    }
}

/// LightGBM on 30 floats, the sample of `models/`.
fn model() -> Model {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/breast_cancer.onnx");
    let facts = onnx::read(&path).expect("a sample");
    Model::from_facts(facts, &RuntimeChoice::default(), Choice::Auto).expect("a model")
}

/// The intake of records with an id that is kept.
fn intake(model: &Model, from: Format) -> Intake {
    let columns = std::iter::once("id".to_owned()).chain(names());
    let header = Header {
        columns: columns.collect(),
        ..Header::default()
    };
    let rules = Rules {
        features: Some(names()),
        ..Rules::default()
    };
    let plan = Plan::new(model.signature(), header, &rules, "bench").expect("a plan");
    let passthrough = Passthrough::new(&plan, &Keep::Unused, FileFormat::Text(CSV));
    let mut intake = Intake::new(
        plan,
        passthrough,
        "bench",
        (FileFormat::Text(from), FileFormat::Text(CSV)),
    );
    intake.batch_size = RECORDS;
    intake
}

fn group(intake: &Intake) -> Group {
    let encoded = intake.encode(&block(Style::Plain)).expect("numbers");
    encoded.groups.into_iter().next().expect("a group")
}

/// Finds where blocks end.
fn scan(criterion: &mut Criterion) {
    let mut bench = criterion.benchmark_group("scan");
    for (name, style, format) in [
        ("csv", Style::Plain, CSV),
        ("quoted", Style::Quoted, CSV),
        ("jsonl", Style::Objects, Format::Jsonl),
    ] {
        let text = records(16 * RECORDS, style);
        bench.throughput(Throughput::Bytes(text.len() as u64));
        bench.bench_function(name, |bencher| {
            bencher.iter(|| {
                let limits = Limits::new(RECORDS, 1 << 28);
                let cutter = Cutter::new(text.as_slice(), "bench", limits, |_| format);
                let mut cutter = cutter.expect("text in memory");
                let mut blocks = 0;
                while cutter.next_block(None).expect("whole records").is_some() {
                    blocks += 1;
                }
                blocks
            });
        });
    }
    bench.finish();
}

/// Text into tensors.
fn encode(criterion: &mut Criterion) {
    let model = model();
    let mut bench = criterion.benchmark_group("encode");
    for (name, style, format) in [
        ("csv", Style::Plain, CSV),
        ("quoted", Style::Quoted, CSV),
        ("jsonl", Style::Objects, Format::Jsonl),
    ] {
        let intake = intake(&model, format);
        let block = block(style);
        bench.throughput(Throughput::Bytes(block.text.len() as u64));
        bench.bench_function(name, |bencher| {
            bencher.iter(|| intake.encode(&block).expect("numbers"));
        });
    }
    bench.finish();
}

/// Tensors through the model.
fn run(criterion: &mut Criterion) {
    let model = model();
    let group = group(&intake(&model, CSV));
    let mut bench = criterion.benchmark_group("run");
    bench.throughput(Throughput::Elements(RECORDS as u64));
    bench.bench_function("lightgbm", |bencher| {
        bencher.iter(|| model.run(&group.inputs).expect("a run"));
    });
    bench.finish();
}

/// Predictions into text.
fn format(criterion: &mut Criterion) {
    let model = model();
    let intake = intake(&model, CSV);
    let group = group(&intake);
    let values = model.run(&group.inputs).expect("a run");
    let layout: Layout =
        first::layout(&model, &intake.plan, Some(group), &Wanted::default()).expect("a layout");
    let outputs = layout.arrange(values, RECORDS).expect("rows of records");
    let style = CsvStyle {
        delimiter: b',',
        nan_as: String::new(),
    };
    let mut bench = criterion.benchmark_group("format");
    bench.throughput(Throughput::Elements(RECORDS as u64));
    for is_json in [false, true] {
        let name = if is_json { "jsonl" } else { "csv" };
        bench.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut text = Vec::with_capacity(RECORDS * 64);
                for record in 0..RECORDS {
                    let mut first = true;
                    for (field, values) in layout.fields.iter().zip(&outputs) {
                        if is_json {
                            json_field(&mut text, field, values, record, NonFinite::Null);
                        } else {
                            csv_field(&mut text, field, values, record, &style, &mut first);
                        }
                    }
                    text.push(b'\n');
                }
                text
            });
        });
    }
    bench.finish();
}

criterion_group!(stations, scan, encode, run, format);
criterion_main!(stations);
