//! Cuts a source into blocks of whole records, by looking for record ends and nothing else.
//!
//! A block is one batch: its boundaries depend only on the records' numbers in the source, so that
//! neither `--jobs` nor timing can change the last bits of a prediction. Finding record ends is all
//! that has to be done in order; whatever costs time happens in the workers.

use std::io::Read;

use crate::error::{Error, Result};

use super::format::Format;
use super::scan::{MOST_BLOCK_BYTES, Scan};

/// Consecutive whole records of one source.
#[derive(Debug, PartialEq, Eq)]
pub struct Block {
    /// The records' text. The last line end may be absent.
    pub text: Vec<u8>,
    pub records: usize,
    /// Line of the source that `text` starts on, counted from 1.
    pub first_line: u64,
}

/// Bytes asked of the source at once.
const READ_BYTES: usize = 256 * 1024;

/// The longest record; longer ones are taken for an unclosed quote.
const MOST_RECORD_BYTES: usize = 256 * 1024 * 1024;

/// Reads a source and cuts it.
pub struct Cutter<R> {
    reader: R,
    name: String,
    format: Format,
    /// Bytes read are those from `taken` to `filled`; what is before was handed out.
    buffer: Vec<u8>,
    taken: usize,
    filled: usize,
    ended: bool,
    line: u64,
}

impl<R: Read> Cutter<R> {
    /// A cutter over `reader`, which errors call `name`. Skips a byte order mark.
    ///
    /// # Errors
    /// [`Error::Io`] when reading fails, [`Error::Data`] for text that is compressed or not UTF-8 at
    /// all.
    pub fn new(reader: R, name: &str, format: impl FnOnce(&[u8]) -> Format) -> Result<Self> {
        let mut cutter = Cutter {
            reader,
            name: name.to_owned(),
            format: Format::Jsonl,
            buffer: vec![0; 2 * READ_BYTES],
            taken: 0,
            filled: 0,
            ended: false,
            line: 1,
        };
        while cutter.filled < 4096 && !cutter.ended {
            cutter.read_more()?;
        }
        reject_encodings(name, cutter.pending())?;
        if cutter.pending().starts_with(b"\xef\xbb\xbf") {
            cutter.taken = 3;
        }
        cutter.format = format(cutter.pending());
        Ok(cutter)
    }

    fn pending(&self) -> &[u8] {
        self.buffer.get(self.taken..self.filled).unwrap_or_default()
    }

    /// The format it cuts by.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The text of the next record, which stays where it is; nothing at the end of the source.
    ///
    /// # Errors
    /// As [`Cutter::next_block`].
    pub fn peek(&mut self) -> Result<&[u8]> {
        let end = self.scan(1)?.end;
        Ok(self.pending().get(..end).unwrap_or_default())
    }

    /// The next block of at most `most` records; `None` at the end of the source.
    ///
    /// # Errors
    /// [`Error::Io`] when reading fails, [`Error::Data`] for a record without end.
    pub fn next_block(&mut self, most: usize) -> Result<Option<Block>> {
        let scan = self.scan(most)?;
        if scan.records == 0 {
            return Ok(None);
        }
        let text = self.pending().get(..scan.end).unwrap_or_default().to_vec();
        self.taken += scan.end;
        let block = Block {
            records: scan.records,
            first_line: self.line,
            text,
        };
        self.line += lines_in(&block.text);
        Ok(Some(block))
    }

    /// Looks for the ends of the next `most` records, reading as far as that takes.
    fn scan(&mut self, most: usize) -> Result<Scan> {
        let mut scan = Scan::default();
        loop {
            scan.run(self.pending(), self.format, most, !self.ended);
            if scan.records == most || scan.end > MOST_BLOCK_BYTES {
                break;
            }
            if self.ended {
                if scan.in_quotes {
                    return Err(self.unclosed(&scan));
                }
                scan.take_unended(self.pending(), self.format);
                break;
            }
            if self.pending().len() - scan.end > MOST_RECORD_BYTES {
                return Err(self.endless(&scan));
            }
            self.read_more()?;
        }
        Ok(scan)
    }

    /// Reads once more, after making room: what was handed out goes, and the buffer grows where a
    /// record is longer than it.
    fn read_more(&mut self) -> Result<()> {
        if self.buffer.len() - self.filled < READ_BYTES {
            self.buffer.copy_within(self.taken..self.filled, 0);
            self.filled -= std::mem::take(&mut self.taken);
        }
        if self.buffer.len() - self.filled < READ_BYTES {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
        let count = loop {
            match self.reader.read(room) {
                Err(source) if source.kind() == std::io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        let count = count.map_err(|source| Error::io(self.name.as_str(), &source))?;
        self.filled += count;
        self.ended = count == 0;
        Ok(())
    }

    /// `file:line` of the record that is not at its end.
    fn place(&self, scan: &Scan) -> String {
        let pending = self.pending();
        let rest = pending.get(scan.end..).unwrap_or_default();
        let blank = rest
            .iter()
            .take_while(|byte| matches!(byte, b'\n' | b'\r'))
            .count();
        let before = pending.get(..scan.end + blank).unwrap_or_default();
        format!("{}:{}", self.name, self.line + lines_in(before))
    }

    fn unclosed(&self, scan: &Scan) -> Error {
        Error::data(
            self.place(scan),
            "a quote is opened in this record and never closed",
        )
        .hint("close it, or write a quote inside a quoted field as \"\"")
    }

    fn endless(&self, scan: &Scan) -> Error {
        Error::data(
            self.place(scan),
            format!("a record of more than {} MB", MOST_RECORD_BYTES >> 20),
        )
        .hint("a quote that is never closed makes one record of all that follows")
    }
}

/// Text that only looks like records once it is decoded.
fn reject_encodings(name: &str, start: &[u8]) -> Result<()> {
    let (what, remedy) = match start {
        [0x1f, 0x8b, ..] => (
            "gzip-compressed",
            format!("zcat {name} | mlserve predict MODEL"),
        ),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => (
            "zstd-compressed",
            format!("zstdcat {name} | mlserve predict MODEL"),
        ),
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, ..] => (
            "bzip2-compressed",
            format!("bzcat {name} | mlserve predict MODEL"),
        ),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => (
            "xz-compressed",
            format!("xzcat {name} | mlserve predict MODEL"),
        ),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => (
            "UTF-16 text",
            format!("iconv -f UTF-16 -t UTF-8 {name} | mlserve predict MODEL"),
        ),
        [b'P', b'A', b'R', b'1', ..] => {
            ("a Parquet file", "save it as CSV or JSONL first".to_owned())
        }
        [b'P', b'K', 3, 4, ..] => (
            "a zip archive or spreadsheet",
            "save it as CSV first".to_owned(),
        ),
        _ => return Ok(()),
    };
    Err(Error::data(name, format!("expected CSV or JSONL text, found {what}")).hint(remedy))
}

/// Line ends in `text`: `\n`, `\r\n`, and a lone `\r`.
pub fn lines_in(text: &[u8]) -> u64 {
    let newlines = memchr::memchr_iter(b'\n', text).count();
    let lone = |at: &usize| text.get(at + 1) != Some(&b'\n');
    let returns = memchr::memchr_iter(b'\r', text).filter(lone).count();
    (newlines + returns) as u64
}

#[cfg(test)]
mod tests {
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

    fn blocks(text: &[u8], step: usize, most: usize) -> Vec<Block> {
        try_blocks(text, step, most).expect("blocks")
    }

    fn try_blocks(text: &[u8], step: usize, most: usize) -> Result<Vec<Block>> {
        let mut cutter = Cutter::new(Trickle(text, step), "t", |_| CSV)?;
        std::iter::from_fn(|| cutter.next_block(most).transpose()).collect()
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

    #[test]
    fn blocks_hold_the_records_that_the_csv_crate_sees() {
        // Every text of up to five of these pieces, in chunks of every size.
        let alphabet = [&b"a"[..], b",", b"\"", b"\n", b"\r", b"\"\""];
        let mut texts: Vec<Vec<u8>> = vec![Vec::new()];
        for _ in 0..5 {
            let longer = texts
                .iter()
                .flat_map(|text| alphabet.iter().map(|piece| [text, *piece].concat()));
            let longer: Vec<Vec<u8>> = longer.collect();
            for text in &longer {
                let expected = records(text);
                for most in [1, 2] {
                    let Ok(found) = try_blocks(text, 5000, most) else {
                        assert!(is_unclosed(text), "{:?}", String::from_utf8_lossy(text));
                        continue;
                    };
                    let cut: Vec<_> = found
                        .iter()
                        .flat_map(|block| records(&block.text))
                        .collect();
                    assert_eq!(cut, expected, "{:?}", String::from_utf8_lossy(text));
                    let counts: Vec<usize> = found.iter().map(|block| block.records).collect();
                    let seen: Vec<usize> = found
                        .iter()
                        .map(|block| records(&block.text).len())
                        .collect();
                    assert_eq!(counts, seen, "{:?}", String::from_utf8_lossy(text));
                }
            }
            texts = longer;
        }
    }

    #[test]
    fn blocks_do_not_depend_on_how_the_source_is_read() {
        let record = b"1,\"two\r\nlines \"\"here\"\"\",x\r\n\r\n";
        let text = record.repeat(500);
        let whole = blocks(&text, usize::MAX, 7);
        for step in [1, 2, 3, 17, 4096] {
            assert_eq!(blocks(&text, step, 7), whole, "step {step}");
        }
        assert_eq!(whole.iter().map(|block| block.records).sum::<usize>(), 500);
    }

    #[test]
    fn a_million_blank_lines_are_no_records_and_no_work() {
        let text = [b"\n".repeat(1_000_000).as_slice(), b"a\n"].concat();
        let found = blocks(&text, usize::MAX, 1);
        assert_eq!(
            found.iter().map(|block| block.records).collect::<Vec<_>>(),
            [1]
        );
        let mut cutter =
            Cutter::new(&b"{}\n  \n{}\n"[..], "t", |_| Format::Jsonl).expect("a cutter");
        let block = cutter.next_block(9).expect("no fault").expect("a block");
        assert_eq!(block.records, 2);
    }

    #[test]
    fn a_block_knows_the_line_it_starts_on() {
        let found = blocks(b"a\n\"b\nb\"\r\nc\rd\n\ne", usize::MAX, 1);
        let lines: Vec<u64> = found.iter().map(|block| block.first_line).collect();
        // The blank line before "e" is the start of its block.
        assert_eq!(lines, [1, 2, 4, 5, 6]);
    }

    #[test]
    fn compressed_and_utf16_sources_are_named() {
        for (start, what) in [
            (&b"\x1f\x8b\x08\x00"[..], "gzip"),
            (b"\x28\xb5\x2f\xfd", "zstd"),
            (b"\xff\xfea\0", "UTF-16"),
            (b"BZh91AY", "bzip2"),
            (b"\xfd7zXZ\0", "xz"),
            (b"PAR1", "Parquet"),
        ] {
            let error = Cutter::new(start, "x", |_| CSV)
                .map(|_| ())
                .expect_err("no records");
            assert!(error.to_string().contains(what), "{error}");
        }
    }
}
