//! Records by both ways into tensors: whatever the text, the fast way and the reference give the same
//! tensors, kept cells, missing values and rejects.
#![no_main]

use libfuzzer_sys::fuzz_target;

use mlserve::batch::cell::CellRules;
use mlserve::batch::feed::{BatchAxis, Feed, How, Source};
use mlserve::batch::plan::{Keep, Plan};
use mlserve::model::dtype::Dtype;
use mlserve::model::tensor::Tensor;
use mlserve::predict::text::cut::Block;
use mlserve::predict::format::{FileFormat, Format};
use mlserve::predict::text::intake::Intake;
use mlserve::predict::text::passthrough::Passthrough;
use mlserve::predict::score::reject::OnError;

const CSV: Format = Format::Csv { delimiter: b',' };

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, text)) = bytes.split_first() else {
        return;
    };
    let from = if choice & 1 == 0 { CSV } else { Format::Jsonl };
    let to = if choice & 2 == 0 { CSV } else { Format::Jsonl };
    let record_bytes = if choice & 4 == 0 { 1 << 20 } else { 16 };
    let intake = || {
        let mut intake = intake(from, to);
        intake.record_bytes = record_bytes;
        intake
    };
    assert_eq!(seen(&intake(), text), seen(&intake().without_lanes(), text));
});

/// Five columns: a kept one, two floats in the other order, an int and a string.
fn intake(from: Format, to: Format) -> Intake {
    let feed = |input: &str, dtype, columns: &[usize]| Feed {
        input: input.to_owned(),
        dtype,
        how: How::Cells {
            sources: columns
                .iter()
                .map(|column| Source {
                    name: format!("c{column}"),
                    column: Some(*column),
                    fill: None,
                })
                .collect(),
            dims: vec![columns.len()],
        },
    };
    let plan = Plan {
        columns: (0..5).map(|column| format!("c{column}")).collect(),
        feeds: vec![
            feed("x", Dtype::Float32, &[2, 1]),
            feed("n", Dtype::Int64, &[3]),
            feed("s", Dtype::String, &[4]),
        ],
        unused: vec![0],
        kept: vec![0],
        batch: BatchAxis::Free,
        cells: CellRules {
            missing: vec!["NA".to_owned(), "7".to_owned()],
            ..CellRules::default()
        },
    };
    let (from, to) = (FileFormat::Text(from), FileFormat::Text(to));
    let passthrough = Passthrough::new(&plan, &Keep::Unused, to);
    let mut intake = Intake::new(plan, passthrough, "t", (from, to));
    intake.on_error = OnError::Skip;
    intake
}

/// All that an intake gives, as text: floats by their bits.
fn seen(intake: &Intake, text: &[u8]) -> String {
    let block = Block {
        text: text.to_vec(),
        first_line: 1,
        offset: 0,
        records: None,
    };
    let encoded = intake.encode(&block).expect("rejects end nothing");
    let entries = encoded.entries.iter();
    let entries: Vec<_> = entries
        .map(|entry| (entry.is_rejected, encoded.kept(entry)))
        .collect();
    // A record that is encoded and rejected all the same is in no output.
    let is_clean = encoded.rejects.is_empty();
    let tensors = encoded.groups.iter().flat_map(|group| &group.inputs);
    let tensors: Vec<String> = tensors.filter(|_| is_clean).map(values).collect();
    format!(
        "{entries:?}\n{tensors:?}\n{:?}\n{:?}",
        is_clean.then_some(encoded.missing),
        encoded.rejects
    )
}

fn values(tensor: &Tensor) -> String {
    match tensor {
        Tensor::Float32(array) => {
            let bits: Vec<u32> = array.iter().map(|value| value.to_bits()).collect();
            format!("{bits:?}")
        }
        Tensor::Int64(array) => format!("{:?}", array.iter().collect::<Vec<_>>()),
        Tensor::String(array) => format!("{:?}", array.iter().collect::<Vec<_>>()),
        other => format!("{other:?}"),
    }
}
