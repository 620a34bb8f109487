//! Finds the ends of records, and nothing else of them. Tested where it is used, in `cut`.

use memchr::{memchr, memchr3};

use crate::predict::format::Format;

/// How far the search for record ends has come; it goes on where it stopped when more is read.
#[derive(Debug)]
pub(super) struct Scan {
    /// Bytes that belong to whole records, and blank lines after them.
    pub(super) end: usize,
    pub(super) records: u64,
    /// Where the line or record that is not at its end starts; what lies between `end` and here is
    /// blank.
    pub(super) start: usize,
    /// Where the search goes on.
    at: usize,
    pub(super) in_quotes: bool,
    /// Bytes of a record at most, without its line end.
    longest: usize,
    /// Whether the search stopped for a longer one, at `start`.
    pub(super) is_too_long: bool,
}

impl Scan {
    /// A search from the start of a text, for records of at most `longest` bytes.
    pub(super) fn new(longest: usize) -> Scan {
        Scan {
            end: 0,
            records: 0,
            start: 0,
            at: 0,
            in_quotes: false,
            longest,
            is_too_long: false,
        }
    }

    /// Goes on until `most` records are whole, or one has ended at or behind `target`, or one is too
    /// long, or the text is at its end.
    pub(super) fn run(
        &mut self,
        text: &[u8],
        format: Format,
        (most, target): (u64, usize),
        more_may_come: bool,
    ) {
        while self.records < most && self.end < target && !self.is_too_long {
            let stepped = match format {
                Format::Csv { delimiter } => self.step_csv(text, delimiter, more_may_come),
                Format::Jsonl => self.step_line(text),
            };
            if stepped.is_none() {
                return;
            }
        }
    }

    /// One line of JSONL: a newline cannot stand inside a JSON value.
    fn step_line(&mut self, text: &[u8]) -> Option<()> {
        let found = memchr(b'\n', text.get(self.at..)?);
        let Some(found) = found else {
            self.at = text.len();
            return None;
        };
        self.at += found + 1;
        self.end_record(text, Format::Jsonl);
        Some(())
    }

    /// One step towards the end of a CSV record, by the rules of the csv crate: `\n`, `\r` and
    /// `\r\n` end a record, a quote opens only at the start of a field, and a doubled one is a quote.
    fn step_csv(&mut self, text: &[u8], delimiter: u8, more_may_come: bool) -> Option<()> {
        let rest = text.get(self.at..)?;
        if self.in_quotes {
            let Some(found) = memchr(b'"', rest) else {
                self.at = text.len();
                return None;
            };
            match rest.get(found + 1) {
                Some(b'"') => self.at += found + 2,
                None if more_may_come => {
                    self.at += found;
                    return None;
                }
                _ => {
                    self.at += found + 1;
                    self.in_quotes = false;
                }
            }
            return Some(());
        }
        let Some(found) = memchr3(b'\n', b'\r', b'"', rest) else {
            self.at = text.len();
            return None;
        };
        let at = self.at + found;
        match rest.get(found) {
            Some(b'"') => {
                let before = at.checked_sub(1).and_then(|before| text.get(before));
                self.in_quotes = at == self.start || before == Some(&delimiter);
                self.at = at + 1;
            }
            Some(b'\r') => match rest.get(found + 1) {
                None if more_may_come => {
                    self.at = at;
                    return None;
                }
                Some(b'\n') => self.finish(text, at + 2, delimiter),
                _ => self.finish(text, at + 1, delimiter),
            },
            _ => self.finish(text, at + 1, delimiter),
        }
        Some(())
    }

    fn finish(&mut self, text: &[u8], end: usize, delimiter: u8) {
        self.at = end;
        self.end_record(text, Format::Csv { delimiter });
    }

    /// Counts what lies before `at` as a record, unless it is a blank line.
    fn end_record(&mut self, text: &[u8], format: Format) {
        let record = text.get(self.start..self.at).unwrap_or_default();
        if without_line_ends(record).len() > self.longest && !is_blank(record, format) {
            self.is_too_long = true;
            return;
        }
        self.start = self.at;
        if !is_blank(record, format) {
            self.records += 1;
            self.end = self.at;
        } else if self.records > 0 {
            // Blank lines stay with the records before them; leading ones wait for a record.
            self.end = self.at;
        }
    }

    /// The last record may lack its line end.
    pub(super) fn take_unended(&mut self, text: &[u8], format: Format) {
        self.at = text.len();
        self.end_record(text, format);
        if self.records > 0 {
            self.end = text.len();
        }
    }
}

/// A line without content; in CSV blanks are content, for they may be a field.
fn is_blank(line: &[u8], format: Format) -> bool {
    match format {
        Format::Csv { .. } => line.iter().all(|byte| matches!(byte, b'\n' | b'\r')),
        Format::Jsonl => line.trim_ascii().is_empty(),
    }
}

/// `record` without blank lines before it and its line end.
pub(super) fn without_line_ends(record: &[u8]) -> &[u8] {
    let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let start = record.iter().position(|byte| !is_end(byte));
    let end = record.iter().rposition(|byte| !is_end(byte));
    match (start, end) {
        (Some(start), Some(end)) => record.get(start..=end).unwrap_or_default(),
        _ => &[],
    }
}
