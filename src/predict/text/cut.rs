//! Cuts a source into blocks of whole records, by looking for record ends and nothing else.
//!
//! A block is the records that start within one stretch of the source, all stretches of the same
//! length: its boundaries depend only on the bytes of the source, so that neither `--jobs` nor timing
//! nor a restart can change the last bits of a prediction, and a shard finds its blocks by their
//! number. Finding record ends is all that has to be done in order; whatever costs time happens in
//! the workers.

use std::io::Read;

use crate::error::{Error, Result};

use crate::predict::format::Format;
use crate::predict::text::scan::Scan;
use crate::predict::text::window::Window;

/// Consecutive whole records of one source.
#[derive(Debug, PartialEq, Eq)]
pub struct Block {
    /// The records' text. The last line end may be absent.
    pub text: Vec<u8>,
    /// Line of the source that `text` starts on, counted from 1.
    pub first_line: u64,
    /// Byte of the source, as it is after decompression and decoding, that `text` starts at.
    pub offset: u64,
    /// Number of records, where it is known.
    pub records: Option<u64>,
}

/// How a source is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Length of a stretch.
    pub stretch_bytes: u64,
    /// The longest record; longer ones are most often an unclosed quote.
    pub record_bytes: usize,
}

impl Limits {
    /// Blocks of about a megabyte: small enough for a processor's cache and for the memory of all
    /// that are on their way, large enough that a batch of `batch_size` records is seldom cut short.
    pub fn new(batch_size: usize, record_bytes: usize) -> Limits {
        let wanted = (batch_size as u64).saturating_mul(BYTES_OF_A_RECORD);
        Limits {
            stretch_bytes: wanted.clamp(LEAST_STRETCH, MOST_STRETCH),
            record_bytes,
        }
    }
}

/// A record as it is in most files; wide ones come in smaller batches.
const BYTES_OF_A_RECORD: u64 = 1024;
const LEAST_STRETCH: u64 = 1 << 20;
const MOST_STRETCH: u64 = 1 << 25;

/// Bytes read behind a stretch, to find the end of its last record.
const BEHIND: usize = 16 * 1024;

/// What was cut off a source.
#[derive(Debug, PartialEq, Eq)]
pub enum Cut {
    /// There is at least one record in it, or it is all that is left of the source.
    Block(Block),
    /// A line that starts a record without end. The source goes on with the next line.
    Broken(BrokenLine),
}

impl Cut {
    /// Byte of the source that it starts at.
    pub fn offset(&self) -> u64 {
        match self {
            Cut::Block(block) | Cut::Broken(BrokenLine { block, .. }) => block.offset,
        }
    }

    /// How many records it holds, where that is known.
    pub fn records(&self) -> Option<u64> {
        match self {
            Cut::Block(block) | Cut::Broken(BrokenLine { block, .. }) => block.records,
        }
    }
}

/// The start of a record without end.
#[derive(Debug, PartialEq, Eq)]
pub struct BrokenLine {
    /// Its first line, cut after a megabyte.
    pub block: Block,
    pub code: &'static str,
    pub message: String,
    pub hint: &'static str,
}

/// Reads a source and cuts it.
pub struct Cutter<R> {
    reader: R,
    name: String,
    format: Format,
    limits: Limits,
    /// What was read and not yet handed out.
    buffer: Window,
    ended: bool,
    /// Byte and line of the source that `buffer` starts at.
    offset: u64,
    line: u64,
    /// Records that start at this byte or behind it are not read.
    until: Option<u64>,
}

impl<R: Read> Cutter<R> {
    /// A cutter over `reader`, which errors call `name`. Skips a byte order mark.
    ///
    /// # Errors
    /// [`Error::Io`] when reading fails.
    pub fn new(
        reader: R,
        name: &str,
        limits: Limits,
        format: impl FnOnce(&[u8]) -> Format,
    ) -> Result<Self> {
        let mut cutter = Cutter {
            reader,
            name: name.to_owned(),
            format: Format::Jsonl,
            limits,
            buffer: Window::default(),
            ended: false,
            offset: 0,
            line: 1,
            until: None,
        };
        // The first line tells the format. No further than that: the writer of a pipe may wait for
        // an answer to it.
        while !cutter.ended && cutter.buffer.len() < LONG_LINE && !cutter.buffer.contains(&b'\n') {
            cutter.read_some()?;
        }
        if cutter.buffer.starts_with(b"\xef\xbb\xbf") {
            cutter.drop_start(3);
        }
        cutter.format = format(&cutter.buffer);
        Ok(cutter)
    }

    /// The format it cuts by.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Byte and line of the source that the next block starts at.
    pub fn position(&self) -> (u64, u64) {
        (self.offset, self.line)
    }

    /// Says where in a larger source the first byte is.
    pub fn starts_at(&mut self, offset: u64, line: u64) {
        (self.offset, self.line) = (offset, line);
    }

    /// The text of the next record, which stays where it is; nothing at the end of the source, `None`
    /// for a record without end.
    ///
    /// # Errors
    /// As [`Cutter::next_block`].
    pub fn peek(&mut self) -> Result<Option<&[u8]>> {
        self.skip_blank()?;
        Ok(match self.scan(1, usize::MAX)? {
            Ok(scan) => Some(self.buffer.get(..scan.end).unwrap_or_default()),
            Err(_) => None,
        })
    }

    /// One record, such as a header; `None` at the end of the source.
    ///
    /// # Errors
    /// [`Error::Io`] when reading fails, [`Error::Data`] for a record without end.
    pub fn next_record(&mut self) -> Result<Option<Block>> {
        self.skip_blank()?;
        match self.scan(1, usize::MAX)? {
            Ok(Scan { records: 0, .. }) => Ok(None),
            Ok(scan) => Ok(Some(self.hand_out(scan.end, Some(scan.records)))),
            Err(broken) => Err(self.error(broken)),
        }
    }

    /// The records that start within the stretch that the next record starts in, and of those at
    /// most the first `most`; `None` at the end of the source.
    ///
    /// # Errors
    /// [`Error::Io`] when reading fails.
    pub fn next_block(&mut self, most: Option<u64>) -> Result<Option<Cut>> {
        self.skip_blank()?;
        if self.until.is_some_and(|until| self.offset >= until) {
            return Ok(None);
        }
        let target = self.stretch_end();
        if most.is_none() {
            self.read_to(target.saturating_add(BEHIND))?;
            if let Some(end) = self.plain_end(target) {
                return Ok(Some(Cut::Block(self.hand_out(end, None))));
            }
        }
        match self.scan(most.unwrap_or(u64::MAX), target)? {
            Ok(Scan { records: 0, .. }) => Ok(None),
            Ok(scan) => Ok(Some(Cut::Block(
                self.hand_out(scan.end, Some(scan.records)),
            ))),
            Err(broken) if broken.at > 0 => {
                let records = Some(broken.records_before);
                Ok(Some(Cut::Block(self.hand_out(broken.at, records))))
            }
            Err(broken) => self.hand_out_broken(&broken).map(Some),
        }
    }

    /// The records that have arrived, at least one and at most `most`; waits only for the first of
    /// them. `None` at the end of the source.
    ///
    /// # Errors
    /// As [`Cutter::next_block`].
    pub fn next_arrived(&mut self, most: Option<u64>) -> Result<Option<Cut>> {
        self.skip_blank()?;
        let mut scan = Scan::new(self.limits.record_bytes);
        loop {
            scan.run(
                &self.buffer,
                self.format,
                (most.unwrap_or(u64::MAX), usize::MAX),
                !self.ended,
            );
            if scan.end > 0 {
                return Ok(Some(Cut::Block(
                    self.hand_out(scan.end, Some(scan.records)),
                )));
            }
            if self.ended || self.endless(&scan).is_some() {
                break;
            }
            self.read_some()?;
        }
        self.next_block(Some(u64::MAX))
    }

    /// Leaves out what comes before byte `offset` of the source, which is known to start `line`.
    ///
    /// # Errors
    /// [`Error::Io`] when reading fails or the source is shorter.
    pub fn resume_at(&mut self, offset: u64, line: u64) -> Result<()> {
        while self.offset < offset {
            if self.buffer.is_empty() {
                self.read_some()?;
                if self.ended {
                    let shorter = std::io::Error::other("the file has become shorter");
                    return Err(Error::io(self.name.as_str(), &shorter));
                }
            }
            let missing = usize::try_from(offset - self.offset).unwrap_or(usize::MAX);
            self.drop_start(missing.min(self.buffer.len()));
        }
        self.line = line;
        Ok(())
    }

    /// Leaves out the records that start before byte `offset`, which is the end of a stretch.
    ///
    /// # Errors
    /// As [`Cutter::next_block`].
    pub fn skip_to(&mut self, offset: u64) -> Result<()> {
        while self.offset < offset && self.next_block(None)?.is_some() {}
        Ok(())
    }

    /// Leaves out the records that start at byte `offset` or behind it, which is the end of a
    /// stretch.
    pub fn stop_at(&mut self, offset: Option<u64>) {
        self.until = offset;
    }

    /// Where in the buffer the stretch ends that the buffer starts in.
    fn stretch_end(&self) -> usize {
        let stretch = self.limits.stretch_bytes.max(1);
        usize::try_from(stretch - self.offset % stretch).unwrap_or(usize::MAX)
    }

    /// The end of the first record that ends at or behind `target`, found without looking at the
    /// records before it: where no quote can hide a line end, every line end is one of a record.
    fn plain_end(&self, target: usize) -> Option<usize> {
        let behind = self.buffer.get(target.saturating_sub(1)..)?;
        let end = target + memchr::memchr(b'\n', behind)?;
        match self.format {
            Format::Jsonl => Some(end),
            Format::Csv { .. } => {
                let text = self.buffer.get(..end)?;
                memchr::memchr2(b'"', b'\r', text).is_none().then_some(end)
            }
        }
    }

    /// Looks for the ends of the next `most` records, or of those that start before `target`,
    /// reading as far as that takes.
    fn scan(&mut self, most: u64, target: usize) -> Result<std::result::Result<Scan, Endless>> {
        let mut scan = Scan::new(self.limits.record_bytes);
        loop {
            scan.run(&self.buffer, self.format, (most, target), !self.ended);
            if scan.records == most || scan.end >= target {
                return Ok(Ok(scan));
            }
            if let Some(endless) = self.endless(&scan) {
                return Ok(Err(endless));
            }
            if self.ended {
                scan.take_unended(&self.buffer, self.format);
                return Ok(Ok(scan));
            }
            self.read_some()?;
        }
    }

    /// What is wrong with the record that `scan` stopped in, if anything is. It must not matter how
    /// much of the source happens to be read already: a record that is whole and too long is treated
    /// as one that is not whole.
    fn endless(&self, scan: &Scan) -> Option<Endless> {
        let most = self.limits.record_bytes;
        let record = self.buffer.get(scan.start..).unwrap_or_default();
        // A line end to come is no part of the record.
        let line_end = if self.ended { 0 } else { 2 };
        if scan.is_too_long || record.len() > most.saturating_add(line_end) {
            let start = record.get(..most).unwrap_or(record);
            let is_quoted =
                matches!(self.format, Format::Csv { .. }) && memchr::memchr(b'"', start).is_some();
            return Some(Endless::too_long(scan, most, is_quoted));
        }
        (self.ended && scan.in_quotes).then(|| Endless::unclosed(scan))
    }

    /// Blank lines before a record are no part of it, and a million of them no work for anyone.
    fn skip_blank(&mut self) -> Result<()> {
        loop {
            let blank = |byte: &u8| match self.format {
                Format::Csv { .. } => matches!(byte, b'\n' | b'\r'),
                Format::Jsonl => byte.is_ascii_whitespace(),
            };
            let content = self.buffer.iter().position(|byte| !blank(byte));
            // The second half of a line end may be still to come.
            let is_half = !self.ended && self.buffer.last() == Some(&b'\r');
            let whole = content.unwrap_or(self.buffer.len() - usize::from(is_half));
            self.line += lines_in(self.buffer.get(..whole).unwrap_or_default());
            self.drop_start(whole);
            if content.is_some() || self.ended {
                return Ok(());
            }
            self.read_some()?;
        }
    }

    /// Takes the first `count` bytes away.
    fn drop_start(&mut self, count: usize) {
        self.buffer.skip(count);
        self.offset += count as u64;
    }

    /// Hands out the first `end` bytes.
    fn hand_out(&mut self, end: usize, records: Option<u64>) -> Block {
        let block = Block {
            first_line: self.line,
            offset: self.offset,
            records,
            text: self.buffer.take(end),
        };
        self.line += lines_in(&block.text);
        self.offset += block.text.len() as u64;
        block
    }

    /// Hands out the line that starts a record without end, and goes on behind it.
    fn hand_out_broken(&mut self, broken: &Endless) -> Result<Cut> {
        let (line, offset) = (self.line, self.offset);
        let mut start = Vec::new();
        loop {
            let end = self.line_end()?;
            let length = end.unwrap_or(self.buffer.len());
            let room = MOST_OF_BROKEN.saturating_sub(start.len()).min(length);
            start.extend_from_slice(self.buffer.get(..room).unwrap_or_default());
            self.drop_start(length);
            if end.is_some() || self.ended {
                break;
            }
            self.read_some()?;
        }
        self.line += 1;
        Ok(Cut::Broken(BrokenLine {
            block: Block {
                text: start,
                first_line: line,
                offset,
                records: Some(1),
            },
            code: broken.code,
            message: broken.message.clone(),
            hint: broken.hint,
        }))
    }

    /// Where the next line of the buffer starts, if that is in it.
    fn line_end(&mut self) -> Result<Option<usize>> {
        let end = match self.format {
            Format::Csv { .. } => memchr::memchr2(b'\n', b'\r', &self.buffer),
            Format::Jsonl => memchr::memchr(b'\n', &self.buffer),
        };
        let Some(end) = end else {
            return Ok(None);
        };
        if self.buffer.get(end) == Some(&b'\r') {
            if end + 1 == self.buffer.len() && !self.ended {
                self.read_some()?;
            }
            let is_pair = self.buffer.get(end + 1) == Some(&b'\n');
            return Ok(Some(end + 1 + usize::from(is_pair)));
        }
        Ok(Some(end + 1))
    }

    fn error(&self, broken: Endless) -> Error {
        let before = self.buffer.get(..broken.at).unwrap_or_default();
        let place = format!("{}:{}", self.name, self.line + lines_in(before));
        Error::data(place, broken.message).hint(broken.hint)
    }

    /// Reads until the buffer holds `length` bytes or the source is at its end.
    fn read_to(&mut self, length: usize) -> Result<()> {
        let missing = length.saturating_sub(self.buffer.len());
        if missing == 0 || self.ended {
            return Ok(());
        }
        let buffer = self.buffer.end();
        buffer.reserve(missing);
        let mut reader = (&mut self.reader).take(missing as u64);
        let read = reader.read_to_end(buffer);
        let count = read.map_err(|source| read_error(&self.name, &source))?;
        self.ended = count < missing;
        Ok(())
    }

    /// Reads once: what is there, and at least a byte where the source is not at its end.
    fn read_some(&mut self) -> Result<()> {
        let buffer = self.buffer.end();
        let filled = buffer.len();
        // The room has to be filled with zeros first, and a pipe gives little at a time: so it is not
        // the larger the more there is.
        buffer.resize(filled + READ_BYTES, 0);
        let room = buffer.get_mut(filled..).unwrap_or_default();
        let count = loop {
            match self.reader.read(room) {
                Err(source) if source.kind() == std::io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        buffer.truncate(filled + *count.as_ref().unwrap_or(&0));
        let count = count.map_err(|source| read_error(&self.name, &source))?;
        self.ended = count == 0;
        Ok(())
    }
}

/// The error that `source` is: broken compression or encoding is the data's fault and will be there
/// again; all else is worth another try.
pub fn read_error(name: &str, source: &std::io::Error) -> Error {
    match source.kind() {
        std::io::ErrorKind::InvalidData => Error::data(name, source.to_string()),
        _ => Error::io(name, source),
    }
}

/// Bytes of a first line that are enough to tell a format.
const LONG_LINE: usize = 4096;

/// Bytes asked of the source at once where one does not know how many are wanted.
const READ_BYTES: usize = 64 * 1024;

/// Bytes of a record that is too long which are kept to be shown.
pub const MOST_OF_BROKEN: usize = 1 << 20;

/// A record whose end is not found.
struct Endless {
    /// Where in the buffer it starts.
    at: usize,
    records_before: u64,
    code: &'static str,
    message: String,
    hint: &'static str,
}

impl Endless {
    fn unclosed(scan: &Scan) -> Endless {
        Endless {
            at: scan.start,
            records_before: scan.records,
            code: "unclosed_quote",
            message: "a quote is opened in this record and never closed".to_owned(),
            hint: "close it, or write a quote inside a quoted field as \"\"",
        }
    }

    fn too_long(scan: &Scan, most: usize, is_quoted: bool) -> Endless {
        let TooLong {
            code,
            message,
            hint,
        } = TooLong::new(most);
        Endless {
            at: scan.start,
            records_before: scan.records,
            code,
            message,
            hint: if is_quoted {
                "a quote that is never closed makes one record of all that follows; \
                 --max-record-bytes N allows longer ones"
            } else {
                hint
            },
        }
    }
}

/// What is said of a record that is longer than allowed.
pub struct TooLong {
    pub code: &'static str,
    pub message: String,
    pub hint: &'static str,
}

impl TooLong {
    /// Of one longer than `most` bytes.
    pub fn new(most: usize) -> TooLong {
        let bytes = match (most >> 20, most % (1 << 20)) {
            (megabytes @ 1.., 0) => format!("{megabytes} MiB"),
            _ => format!("{most} bytes"),
        };
        TooLong {
            code: "record_too_long",
            message: format!("a record of more than {bytes}"),
            hint: "--max-record-bytes N allows longer ones",
        }
    }
}

/// Line ends in `text`: `\n`, `\r\n`, and a lone `\r`.
pub fn lines_in(text: &[u8]) -> u64 {
    let newlines = memchr::memchr_iter(b'\n', text).count();
    let lone = |at: &usize| text.get(at + 1) != Some(&b'\n');
    let returns = memchr::memchr_iter(b'\r', text).filter(lone).count();
    (newlines + returns) as u64
}

#[cfg(test)]
mod tests;
