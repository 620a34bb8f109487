use super::*;

const CSV: Format = Format::Csv { delimiter: b',' };

/// A reader that gives `step` bytes at a time, to move the chunk ends through the text.
struct Trickle<'a>(&'a [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let count = self.1.min(self.0.len()).min(out.len());
        let (now, rest) = self.0.split_at(count);
        out[..count].copy_from_slice(now);
        self.0 = rest;
        Ok(count)
    }
}

/// Stretches of `stretch_bytes`, records of any length.
fn limits(stretch_bytes: u64) -> Limits {
    Limits {
        stretch_bytes,
        record_bytes: 1 << 30,
    }
}

fn cutter<'a>(text: &'a [u8], step: usize, stretch_bytes: u64) -> Cutter<Trickle<'a>> {
    Cutter::new(Trickle(text, step), "t", limits(stretch_bytes), |_| CSV).expect("a cutter")
}

fn blocks(mut cutter: Cutter<Trickle<'_>>, most: Option<u64>) -> Vec<Cut> {
    std::iter::from_fn(|| cutter.next_block(most).expect("blocks")).collect()
}

fn block(cut: &Cut) -> &Block {
    match cut {
        Cut::Block(block) | Cut::Broken(BrokenLine { block, .. }) => block,
    }
}

/// Whether the csv crate too ends inside quotes: a further quote and line then change nothing.
fn is_unclosed(text: &[u8]) -> bool {
    let longer = [text, b"\na"].concat();
    records(text).len() == records(&longer).len()
}

fn records(text: &[u8]) -> Vec<csv::ByteRecord> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text);
    reader
        .byte_records()
        .map(|record| record.expect("in memory"))
        .collect()
}

/// Every text of up to five of these pieces.
fn short_texts() -> Vec<Vec<u8>> {
    let alphabet = [&b"a"[..], b",", b"\"", b"\n", b"\r", b"\"\""];
    let mut all: Vec<Vec<u8>> = Vec::new();
    let mut texts: Vec<Vec<u8>> = vec![Vec::new()];
    for _ in 0..5 {
        let longer = texts
            .iter()
            .flat_map(|text| alphabet.iter().map(|piece| [text, *piece].concat()));
        texts = longer.collect();
        all.extend_from_slice(&texts);
    }
    all
}

#[test]
fn blocks_hold_the_records_that_the_csv_crate_sees() {
    for text in short_texts() {
        let shown = String::from_utf8_lossy(&text);
        let expected = records(&text);
        for (stretch, most) in [
            (1, None),
            (3, None),
            (1 << 20, None),
            (1 << 20, Some(1)),
            (2, Some(2)),
        ] {
            let found = blocks(cutter(&text, 5000, stretch), most);
            if found.iter().any(|cut| matches!(cut, Cut::Broken(_))) {
                assert!(is_unclosed(&text), "{shown:?}");
                continue;
            }
            let seen = |cut: &Cut| records(&block(cut).text);
            let cut: Vec<_> = found.iter().flat_map(seen).collect();
            assert_eq!(cut, expected, "{shown:?} in stretches of {stretch}");
            for cut in &found {
                let count = cut.records().unwrap_or(seen(cut).len() as u64);
                assert_eq!(count, seen(cut).len() as u64, "{shown:?}");
                assert!(most.is_none_or(|most| count <= most), "{shown:?}");
            }
        }
    }
}

#[test]
fn a_block_is_the_records_that_start_within_one_stretch() {
    let quoted = b"1,\"two\r\nlines \"\"here\"\"\",x\r\n\r\n".repeat(40);
    let plain = b"1,2,3\n44,55,66\n\n7,8,9\n".repeat(40);
    for text in [quoted, plain] {
        for stretch in [1, 7, 50, 64, 1000] {
            for cut in blocks(cutter(&text, usize::MAX, stretch), None) {
                let block = block(&cut);
                let mut reader = csv::ReaderBuilder::new()
                    .has_headers(false)
                    .flexible(true)
                    .from_reader(block.text.as_slice());
                let mut record = csv::ByteRecord::new();
                let mut starts = Vec::new();
                loop {
                    let at = reader.position().byte() as usize;
                    if !reader.read_byte_record(&mut record).expect("in memory") {
                        break;
                    }
                    let blank = block.text[at..]
                        .iter()
                        .take_while(|byte| matches!(byte, b'\n' | b'\r'));
                    starts.push((block.offset + (at + blank.count()) as u64) / stretch);
                }
                assert!(
                    starts.iter().all(|start| *start == block.offset / stretch),
                    "{starts:?}"
                );
            }
        }
    }
}

#[test]
fn blocks_do_not_depend_on_how_the_source_is_read() {
    let record = b"1,\"two\r\nlines \"\"here\"\"\",x\r\n\r\n";
    for text in [record.repeat(500), b"a,b\n\n".repeat(2000)] {
        let whole = blocks(cutter(&text, usize::MAX, 300), None);
        for step in [1, 2, 3, 17, 4096] {
            assert!(
                blocks(cutter(&text, step, 300), None) == whole,
                "step {step}"
            );
        }
        let all: Vec<u8> = whole
            .iter()
            .flat_map(|cut| block(cut).text.clone())
            .collect();
        assert_eq!(records(&all), records(&text));
    }
}

#[test]
fn records_that_have_arrived_do_not_wait_for_others() {
    let text = b"a,b\nc,d\n\"e\nf\",g\nh";
    let mut cutter = cutter(text, 6, 1 << 20);
    cutter.buffer.end().clear();
    let mut cutter = Cutter {
        reader: Trickle(text, 6),
        ended: false,
        ..cutter
    };
    let mut found = Vec::new();
    while let Some(cut) = cutter.next_arrived(None).expect("no fault") {
        found.push(block(&cut).text.clone());
    }
    let expected: [&[u8]; 4] = [b"a,b\n", b"c,d\n", b"\"e\nf\",g\n", b"h"];
    assert_eq!(found, expected);
}

#[test]
fn a_million_blank_lines_are_no_records_and_no_work() {
    let text = [b"\n".repeat(1_000_000).as_slice(), b"a\n"].concat();
    let found = blocks(cutter(&text, usize::MAX, 1 << 20), Some(1));
    let found: Vec<_> = found
        .iter()
        .map(|cut| (cut.records(), block(cut).first_line))
        .collect();
    assert_eq!(found, [(Some(1), 1_000_001)]);
    let text = &b"{}\n  \n{}\n"[..];
    let mut cutter = Cutter::new(text, "t", limits(1 << 20), |_| Format::Jsonl).expect("a cutter");
    let cut = cutter
        .next_block(Some(9))
        .expect("no fault")
        .expect("a block");
    assert_eq!(cut.records(), Some(2));
}

#[test]
fn a_block_knows_the_line_and_the_byte_that_it_starts_on() {
    let found = blocks(cutter(b"a\n\"b\nb\"\r\nc\rd\n\ne", usize::MAX, 1), None);
    let places: Vec<_> = found
        .iter()
        .map(|cut| (block(cut).first_line, block(cut).offset))
        .collect();
    assert_eq!(places, [(1, 0), (2, 2), (4, 9), (5, 11), (7, 14)]);
    // Also when a blank line comes in two halves, or between two others.
    for step in 1..8 {
        let found = blocks(cutter(b"a\n\r\n\n\r\r\nb\n", step, 1), Some(1));
        let lines: Vec<_> = found.iter().map(|cut| block(cut).first_line).collect();
        assert_eq!(lines, [1, 6], "step {step}");
    }
}

#[test]
fn a_source_goes_on_from_a_block_as_if_it_had_never_stopped() {
    let text = b"1,\"two\nlines\",x\n\n22,y,z\n".repeat(100);
    let whole = blocks(cutter(&text, usize::MAX, 64), None);
    for (index, cut) in whole.iter().enumerate() {
        let mut later = cutter(&text, 7, 64);
        later
            .resume_at(block(cut).offset, block(cut).first_line)
            .expect("it is that long");
        assert!(blocks(later, None) == whole[index..], "block {index}");
    }
    let error = cutter(&text, 7, 64)
        .resume_at(1 << 20, 9)
        .expect_err("it is shorter");
    assert_eq!(error.to_string(), "t: the file has become shorter");
}

#[test]
fn a_record_without_end_costs_its_first_line_only() {
    let text = b"a,b\n\"open,c\nd,e\nf,g\n";
    let found = blocks(cutter(text, usize::MAX, 1 << 20), None);
    let texts: Vec<&[u8]> = found.iter().map(|cut| block(cut).text.as_slice()).collect();
    let expected: [&[u8]; 3] = [b"a,b\n", b"\"open,c\n", b"d,e\nf,g\n"];
    assert_eq!(texts, expected);
    let Some(Cut::Broken(line)) = found.get(1) else {
        panic!("the second is broken");
    };
    assert_eq!((line.code, line.block.first_line), ("unclosed_quote", 2));
    let last = found.last().map(|cut| block(cut).first_line);
    assert_eq!(last, Some(3));
}

#[test]
fn what_is_too_long_does_not_depend_on_how_the_source_is_read() {
    let limits = Limits {
        stretch_bytes: 1 << 20,
        record_bytes: 8,
    };
    for text in [
        &b"12345678\n123456789\n1234567\n"[..],
        b"12345678\r\n1,3456789\r\n1234567",
        b"\"2345678\"\n\"2\n4567\"\n\"2\n45678\"\n",
        b"1234\n\"234567",
        b"1234\n\"2345678",
        b"1234\n\"23456789",
        b"1234\r\"2\r\"45678901\r2\r",
        b"\n\n123456789",
        b"12345678\r",
    ] {
        let cuts = |step: usize, most: Option<u64>| {
            let cutter = Cutter::new(Trickle(text, step), "t", limits, |_| CSV);
            let mut cutter = cutter.expect("a cutter");
            let mut cuts = Vec::new();
            while let Some(cut) = cutter.next_block(most).expect("no fault") {
                cuts.push(cut);
            }
            cuts
        };
        let whole = cuts(usize::MAX, Some(99));
        for step in 1..text.len() {
            assert_eq!(cuts(step, Some(99)), whole, "{:?}", text.escape_ascii());
        }
        // All lines are there, whatever became of them.
        let all = whole.iter().flat_map(|cut| block(cut).text.clone());
        assert_eq!(
            all.filter(|byte| !b"\r\n".contains(byte)).count(),
            text.iter().filter(|byte| !b"\r\n".contains(byte)).count()
        );
    }
}

#[test]
fn a_lone_return_ends_the_first_line_of_a_record_without_end() {
    for text in [&b"a\r\"open,b\rc,d\r"[..], b"a\r\n\"open,b\r\nc,d\r\n"] {
        for step in [1, 2, usize::MAX] {
            let found = blocks(cutter(text, step, 1 << 20), None);
            let lines: Vec<_> = found
                .iter()
                .map(|cut| (block(cut).first_line, block(cut).text.trim_ascii()))
                .collect();
            let expected: [(u64, &[u8]); 3] = [(1, b"a"), (2, b"\"open,b"), (3, b"c,d")];
            assert_eq!(lines, expected);
        }
    }
}

#[test]
fn memory_is_bounded_whatever_stands_in_the_source() {
    let limits = Limits {
        stretch_bytes: 64,
        record_bytes: 1000,
    };
    for (text, code) in [
        (b"x".repeat(1 << 20), "record_too_long"),
        (
            [b"\"", b"x\n".repeat(1 << 19).as_slice()].concat(),
            "record_too_long",
        ),
    ] {
        let mut cutter = Cutter::new(Trickle(&text, 4096), "t", limits, |_| CSV).expect("a cutter");
        let Some(Cut::Broken(line)) = cutter.next_block(None).expect("no fault") else {
            panic!("broken");
        };
        assert_eq!(line.code, code);
        assert!(cutter.buffer.end().capacity() < 1 << 19);
    }
}
