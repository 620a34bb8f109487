//! Blocks of whole records: whatever the text, in any stretch, they hold the records that the csv
//! crate sees, and do not depend on how much of the source comes at once.
#![no_main]

use std::io::Read;

use libfuzzer_sys::fuzz_target;

use mlserve::predict::text::cut::{Cut, Cutter, Limits};
use mlserve::predict::format::Format;

/// A reader that gives so many bytes at a time.
struct Trickle<'a>(&'a [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let count = self.1.min(out.len());
        let read = self.0.take(count as u64).read(out)?;
        self.0 = &self.0[read..];
        Ok(read)
    }
}

fuzz_target!(|bytes: &[u8]| {
    let [step, stretch, longest, most, text @ ..] = bytes else {
        return;
    };
    let limits = Limits {
        stretch_bytes: u64::from(*stretch) + 1,
        record_bytes: match longest {
            0..128 => 1 << 30,
            short => usize::from(*short) - 127,
        },
    };
    let most = (*most < 128).then_some(u64::from(*most) + 1);
    let whole = cuts(Trickle(text, usize::MAX), limits, most);
    let steps = cuts(Trickle(text, usize::from(*step) + 1), limits, most);
    assert_eq!(whole, steps);
    let mut found = Vec::new();
    for cut in &whole {
        match cut {
            Cut::Block(block) => found.extend(records(&block.text)),
            Cut::Broken(_) => return,
        }
    }
    // The mark at the start of a source is no part of its records.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    assert_eq!(found, records(text));
});

fn cuts(source: Trickle<'_>, limits: Limits, most: Option<u64>) -> Vec<Cut> {
    let csv = |_: &[u8]| Format::Csv { delimiter: b',' };
    let mut cutter = Cutter::new(source, "t", limits, csv).expect("text in memory");
    let next = || cutter.next_block(most).expect("text in memory");
    std::iter::from_fn(next).collect()
}

fn records(text: &[u8]) -> Vec<csv::ByteRecord> {
    // The csv crate takes a mark off whatever it reads; behind a blank line it does not.
    let text = [b"\n", text].concat();
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_slice());
    let records = reader.byte_records();
    records
        .map(|record| record.expect("text in memory"))
        .collect()
}
