//! Plain records go another way into the tensors than all others; both ways must give the same.

use super::*;
use crate::batch::cell::CellRules;
use crate::batch::feed::{BatchAxis, Feed, How, Source};
use crate::batch::plan::Keep;
use crate::model::dtype::Dtype;

/// A plan of four columns: a kept one, two numbers in the other order, and a string.
fn plan() -> Plan {
    let source = |column: usize| Source {
        name: format!("c{column}"),
        column: Some(column),
        fill: None,
    };
    let feed = |input: &str, dtype, columns: &[usize]| Feed {
        input: input.to_owned(),
        dtype,
        how: How::Cells {
            sources: columns.iter().map(|column| source(*column)).collect(),
            dims: vec![columns.len()],
        },
    };
    Plan {
        columns: (0..4).map(|column| format!("c{column}")).collect(),
        feeds: vec![
            feed("x", Dtype::Float32, &[2, 1]),
            feed("s", Dtype::String, &[3]),
        ],
        unused: vec![0],
        kept: vec![0],
        batch: BatchAxis::Free,
        cells: CellRules {
            missing: vec!["NA".to_owned(), "7".to_owned()],
            ..CellRules::default()
        },
    }
}

fn intake(from: Format, to: Format) -> Intake {
    let plan = plan();
    let (from, to) = (FileFormat::Text(from), FileFormat::Text(to));
    let passthrough = Passthrough::new(&plan, &Keep::Unused, to);
    let mut intake = Intake::new(plan, passthrough, "t", (from, to));
    intake.on_error = OnError::Skip;
    intake
}

/// All that an intake gives, as text: floats by their bits, rejects whole.
fn seen(intake: &Intake, text: &[u8]) -> String {
    let block = Block {
        text: text.to_vec(),
        first_line: 1,
        offset: 0,
        records: None,
    };
    let encoded = intake.encode(&block).expect("rejects end nothing");
    let entries: Vec<_> = encoded
        .entries
        .iter()
        .map(|entry| {
            (
                entry.is_encoded,
                entry.is_rejected,
                encoded.kept(entry).map(<[u8]>::to_vec),
            )
        })
        .collect();
    let bits: Vec<_> = encoded
        .groups
        .iter()
        .flat_map(|group| &group.inputs)
        .map(|tensor| match tensor {
            crate::model::tensor::Tensor::Float32(array) => {
                format!("{:?}", array.mapv(f32::to_bits))
            }
            other => format!("{other:?}"),
        })
        .collect();
    format!(
        "{entries:?}\n{bits:?}\n{:?}\n{:?}",
        encoded.missing, encoded.rejects
    )
}

/// All texts of `pieces`, `count` long.
fn texts(pieces: &[&str], count: usize) -> Vec<String> {
    let mut texts = vec![String::new()];
    for _ in 0..count {
        let longer = texts
            .iter()
            .flat_map(|text| pieces.iter().map(move |piece| format!("{text}{piece}")));
        texts = longer.collect();
    }
    texts
}

#[test]
fn both_ways_take_the_same_from_every_short_line_of_fields() {
    let csv = Format::Csv { delimiter: b',' };
    let fast = intake(csv, csv);
    let slow = intake(csv, csv).without_lanes();
    assert!(fast.lanes.is_some());
    for line in texts(&["1.5", "-2", ",", "NA", "x", "\n", "\r\n", " "], 5) {
        for start in ["k,", "k,7,0.25,", "k,-1e3,"] {
            let text = format!("a,1,2,s\n{start}{line}\nb,3,4,t");
            assert_eq!(
                seen(&fast, text.as_bytes()),
                seen(&slow, text.as_bytes()),
                "{text:?}"
            );
        }
    }
}

#[test]
fn a_mark_that_is_no_byte_order_mark_is_copied_both_ways() {
    // The csv crate takes one off the start of whatever it reads, and it reads block by block.
    let csv = Format::Csv { delimiter: b',' };
    let fast = intake(csv, csv);
    let slow = intake(csv, csv).without_lanes();
    for text in [
        "\u{feff}k,1,2,s\nb,3,4,t\n",
        "\u{feff}",
        "\u{feff}\u{feff}k,1,2,s",
        "\u{feff}\n\nk,1,x,s\n",
    ] {
        assert_eq!(seen(&fast, text.as_bytes()), seen(&slow, text.as_bytes()));
        // The same with a quote, behind which nothing is plain.
        let end = if text.ends_with('\n') { "" } else { "\n" };
        let quoted = format!("{text}{end}c,5,6,\"t\"\n");
        let plain = format!("{text}{end}c,5,6,t\n");
        let both = [quoted, plain].map(|text| seen(&slow, text.as_bytes()));
        assert_eq!(both[0], both[1], "{text:?}");
    }
}

#[test]
fn a_key_that_is_absent_takes_nothing_from_earlier_records() {
    for to in [Format::Jsonl, Format::Csv { delimiter: b',' }] {
        let fast = intake(Format::Jsonl, to);
        let slow = intake(Format::Jsonl, to).without_lanes();
        let whole = ["\"c0\":\"k\"", "\"c1\":1", "\"c2\":2", "\"c3\":\"s\""];
        for dropped in 0..16_u32 {
            for others in 0..16_u32 {
                let mut text = String::new();
                for (number, absent) in [0, 0, dropped, dropped, others, dropped, 0]
                    .iter()
                    .enumerate()
                {
                    let keys = whole
                        .iter()
                        .enumerate()
                        .filter(|(key, _)| absent >> key & 1 == 0);
                    let keys: Vec<String> = keys
                        .map(|(_, key)| {
                            key.replace("k\"", &format!("k{number}\""))
                                .replace("s\"", &format!("s{number}\""))
                        })
                        .collect();
                    text.push_str(&format!("{{{}}}\n", keys.join(",")));
                }
                assert_eq!(
                    seen(&fast, text.as_bytes()),
                    seen(&slow, text.as_bytes()),
                    "{text}"
                );
            }
        }
    }
}

#[test]
fn both_ways_take_the_same_from_every_object() {
    let values = [
        "1.5",
        "\"x\"",
        "null",
        "true",
        "01",
        "-",
        "[1]",
        "\"\\u00e4\"",
        "1e2",
        "NaN",
        "\"ä\t\"",
        "7 ",
    ];
    for to in [Format::Jsonl, Format::Csv { delimiter: b',' }] {
        let fast = intake(Format::Jsonl, to);
        let mut slow = intake(Format::Jsonl, to);
        slow.lanes = None;
        for first in values {
            for second in values {
                for (keys, end) in [
                    (["c0", "c1", "c2", "c3"], "}\r\n"),
                    (["c0", "c2", "c1", "c3"], "}  \n"),
                    (["c0", "c1", "c1", "c3"], "}\n"),
                    (["c0", "c1", "c2", "zz"], "}\n"),
                    (["c0", "c1", "c2", "c3"], "} {\n"),
                ] {
                    let [a, b, c, d] = keys;
                    let line = format!(
                        "{{\"{a}\":{first},\"{b}\":{second}, \"{c}\" :{first},\"{d}\":{second}{end}"
                    );
                    let alike = "{\"c0\":\"k\",\"c1\":1,\"c2\":2,\"c3\":\"s\"}\n";
                    let spelled = format!("{{\"{a}\":1,\"{b}\":2, \"{c}\" :3,\"{d}\":\"t\"{end}");
                    let text = format!("{alike}{line}{alike}{spelled}{line}{line}{alike}");
                    assert_eq!(
                        seen(&fast, text.as_bytes()),
                        seen(&slow, text.as_bytes()),
                        "{text}"
                    );
                }
            }
        }
    }
}
