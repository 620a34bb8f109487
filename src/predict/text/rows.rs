//! The records of a block, one after another, taken apart into cells whatever the format; and what a
//! source's first bytes say about its columns.
//!
//! The reference for `intake`, which takes plain records faster and comes here for all others.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io::Read;

use crate::batch::cell::Cell;
use crate::batch::plan::Header;
use crate::error::{Error, Result};

use crate::predict::text::cut::{Block, lines_in};
use crate::predict::text::object::{Lookup, Object};

/// Why a record cannot even be taken apart.
#[derive(Debug, PartialEq, Eq)]
pub struct Broken {
    /// Stable, for machines.
    pub code: &'static str,
    pub message: String,
    pub hint: &'static str,
}

/// Tells the lines of a block's records. Goes on from the last one told, for all records of a block
/// may have to be told of.
pub struct Lines<'t> {
    text: &'t [u8],
    at: usize,
    line: u64,
}

impl<'t> Lines<'t> {
    /// The lines of `block`.
    pub fn new(block: &'t Block) -> Lines<'t> {
        Lines {
            text: &block.text,
            at: 0,
            line: block.first_line,
        }
    }

    /// The line of the source that the record at byte `at` is on, past blank lines. No record comes
    /// before one that was asked for.
    pub fn line_of(&mut self, at: usize) -> u64 {
        let rest = self.text.get(at..).unwrap_or_default();
        let blank = rest
            .iter()
            .take_while(|byte| matches!(byte, b'\n' | b'\r'))
            .count();
        let start = at + blank;
        self.line += lines_in(self.text.get(self.at..start).unwrap_or_default());
        self.at = start.max(self.at);
        self.line
    }
}

/// One record of a block.
pub struct Row<'a> {
    /// One for each of the plan's columns.
    pub cells: &'a [Cell<'a>],
    /// The columns in the record's own order, where it is a JSON object.
    pub order: Option<&'a [usize]>,
    /// Keys that are no columns of the plan, with their values.
    pub others: &'a [(Cow<'a, str>, &'a str)],
}

impl<'a> Row<'a> {
    /// A record of delimited text.
    pub fn of_fields(cells: &'a [Cell<'a>]) -> Row<'a> {
        Row {
            cells,
            order: None,
            others: &[],
        }
    }

    /// A JSON object.
    pub fn of_object(object: &'a Object<'a>) -> Row<'a> {
        Row {
            cells: &object.cells,
            order: Some(&object.order),
            others: &object.others,
        }
    }
}

/// Takes apart the CSV record that `text` starts with, in which there is no quote and no lone
/// carriage return: what lies between delimiters and line ends is a field. Returns the bytes that the
/// record takes without its line end.
///
/// # Errors
/// A record of another width.
pub fn split<'t>(text: &'t [u8], delimiter: u8, cells: &mut Vec<Cell<'t>>) -> usize {
    let length = memchr::memchr(b'\n', text).unwrap_or(text.len());
    let record = text.get(..length).unwrap_or_default();
    let record = record.strip_suffix(b"\r").unwrap_or(record);
    cells.clear();
    let mut rest = record;
    while let Some((field, after)) =
        memchr::memchr(delimiter, rest).and_then(|at| Some((rest.get(..at)?, rest.get(at + 1..)?)))
    {
        cells.push(Cell::Text(field));
        rest = after;
    }
    cells.push(Cell::Text(rest));
    record.len()
}

/// Calls `each` with every record of any CSV, as the csv crate takes it apart, the byte that it starts
/// at, and its text.
///
/// # Errors
/// Whatever `each` fails with.
pub fn for_each_quoted(
    text: &[u8],
    delimiter: u8,
    mut each: impl FnMut(usize, &[u8], std::result::Result<&[Cell<'_>], Broken>) -> Result<()>,
) -> Result<()> {
    // The csv crate takes a byte order mark off whatever it reads. That of the source is gone long
    // since: one that a block starts with is part of a cell. Behind a blank line it stays.
    let before: &[u8] = if text.starts_with(b"\xef\xbb\xbf") {
        b"\n"
    } else {
        b""
    };
    let mut reader = csv_reader(before.chain(text), delimiter);
    let position = |reader: &csv::Reader<_>| {
        let byte = reader.position().byte() as usize;
        byte.saturating_sub(before.len())
    };
    let mut record = csv::ByteRecord::new();
    loop {
        let at = position(&reader);
        let read = reader.read_byte_record(&mut record);
        let raw = text.get(at..position(&reader)).unwrap_or_default();
        match read {
            Ok(true) => {
                let cells: Vec<Cell<'_>> = record.iter().map(Cell::Text).collect();
                each(at, raw, Ok(&cells))?;
            }
            Ok(false) => return Ok(()),
            // Nothing that is in memory, of any width and in bytes, is an error to the csv crate.
            Err(error) => {
                return each(
                    at,
                    raw,
                    Err(Broken {
                        code: "not_csv",
                        message: error.to_string(),
                        hint: "",
                    }),
                );
            }
        }
    }
}

fn csv_reader<R: Read>(text: R, delimiter: u8) -> csv::Reader<R> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .buffer_capacity(1 << 16)
        .from_reader(text)
}

/// # Errors
/// A record that has not as many fields as there are columns.
pub fn check_width(found: usize, expected: usize) -> std::result::Result<(), Broken> {
    if found == expected {
        return Ok(());
    }
    let fields = if expected == 1 { "field" } else { "fields" };
    Err(Broken {
        code: "wrong_field_count",
        message: format!("expected {expected} {fields}, found {found}"),
        hint: "a field that holds the delimiter must be in double quotes",
    })
}

/// The names in a CSV header line.
///
/// # Errors
/// [`Error::Data`] where they are not UTF-8.
pub fn header(block: &Block, delimiter: u8, place: &str) -> Result<Vec<String>> {
    let mut record = csv::ByteRecord::new();
    let read = csv_reader(block.text.as_slice(), delimiter).read_byte_record(&mut record);
    read.map_err(|error| Error::data(place, error.to_string()))?;
    let name = |cell: &[u8]| String::from_utf8(cell.to_vec());
    record
        .iter()
        .map(name)
        .collect::<std::result::Result<_, _>>()
        .map_err(|_| {
            Error::data(
                format!("{place}:{}", block.first_line),
                "the header is not UTF-8",
            )
            .hint("--encoding latin1, or what it is, reads the file as UTF-8")
        })
}

/// For each field of the first record in `text` whether it holds a JSON list.
pub fn lists(text: &[u8], delimiter: u8) -> Vec<bool> {
    let mut record = csv::ByteRecord::new();
    match csv_reader(text, delimiter).read_byte_record(&mut record) {
        Ok(true) => record.iter().map(is_list).collect(),
        _ => Vec::new(),
    }
}

fn is_list(value: &[u8]) -> bool {
    value.trim_ascii_start().first() == Some(&b'[')
}

/// All keys of the objects of a JSONL block, in the order of their first appearance. Lines that are
/// no objects have none; they are found when the block is scored.
///
/// # Errors
/// The first line, where none is an object.
pub fn keys(block: &Block) -> std::result::Result<Header, Broken> {
    let mut header = Header {
        open: true,
        ..Header::default()
    };
    let mut seen = HashSet::new();
    let nothing = Lookup::new(&[]);
    let mut first_broken = None;
    for line in block.text.split_inclusive(|byte| *byte == b'\n') {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let object = match Object::parse(line, &nothing) {
            Ok(object) => object,
            Err(broken) => {
                first_broken.get_or_insert(broken);
                continue;
            }
        };
        for (key, raw) in &object.others {
            if seen.insert(key.to_string()) {
                header.columns.push(key.to_string());
                header.lists.push(is_list(raw.as_bytes()));
            }
        }
    }
    match first_broken {
        Some(broken) if header.columns.is_empty() => Err(broken),
        _ => Ok(header),
    }
}
