//! The records of a block, one after another, whatever the format; and what a source's first bytes
//! say about its columns.

use std::collections::HashSet;

use crate::batch::cell::Cell;
use crate::batch::plan::Header;
use crate::error::{Error, Result};

use super::cut::{Block, lines_in};
use super::format::Format;
use super::object::{Lookup, Object};

/// Why a record cannot even be taken apart.
#[derive(Debug, PartialEq, Eq)]
pub struct Broken {
    /// Byte of the block that the record starts at.
    pub at: usize,
    pub message: String,
    pub hint: &'static str,
}

/// The line of the source that byte `at` of `block` is on, past blank lines.
pub fn line_of(block: &Block, at: usize) -> u64 {
    let rest = block.text.get(at..).unwrap_or_default();
    let blank = rest
        .iter()
        .take_while(|byte| matches!(byte, b'\n' | b'\r'))
        .count();
    block.first_line + lines_in(block.text.get(..at + blank).unwrap_or_default())
}

/// One record of a block.
pub enum Row<'a> {
    Csv(&'a csv::ByteRecord),
    Json(&'a Object<'a>),
}

impl<'a> Row<'a> {
    /// Puts the cells of the plan's columns into `cells`.
    pub fn cells(&self, cells: &mut Vec<Cell<'a>>) {
        cells.clear();
        match self {
            Row::Csv(record) => cells.extend(record.iter().map(Cell::Text)),
            Row::Json(object) => {
                let cell = |raw: &Option<&'a str>| raw.map_or(Cell::Absent, Cell::Json);
                cells.extend(object.cells.iter().map(cell));
            }
        }
    }

    /// The cell of the plan's column `index`.
    pub fn cell(&self, index: usize) -> Cell<'a> {
        match self {
            Row::Csv(record) => record.get(index).map_or(Cell::Absent, Cell::Text),
            Row::Json(object) => match object.cells.get(index) {
                Some(Some(raw)) => Cell::Json(raw),
                _ => Cell::Absent,
            },
        }
    }
}

/// Calls `each` with every record of `block` and the byte that it starts at.
///
/// # Errors
/// The first record that is no record, or whatever `each` fails with.
pub fn for_each<E: From<Broken>>(
    block: &Block,
    format: Format,
    columns: &[String],
    mut each: impl FnMut(usize, &Row<'_>) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    match format {
        Format::Csv { delimiter } => {
            let mut reader = csv_reader(&block.text, delimiter);
            let mut record = csv::ByteRecord::new();
            loop {
                let at = reader.position().byte() as usize;
                match reader.read_byte_record(&mut record) {
                    Ok(true) => {}
                    Ok(false) => return Ok(()),
                    Err(error) => {
                        return Err(Broken {
                            at,
                            message: error.to_string(),
                            hint: "",
                        }
                        .into());
                    }
                }
                check_width(at, record.len(), columns.len())?;
                each(at, &Row::Csv(&record))?;
            }
        }
        Format::Jsonl => {
            let lookup = Lookup::new(columns);
            let mut at = 0;
            for line in block.text.split_inclusive(|byte| *byte == b'\n') {
                if !line.trim_ascii().is_empty() {
                    let object =
                        Object::parse(line, &lookup).map_err(|broken| Broken { at, ..broken })?;
                    each(at, &Row::Json(&object))?;
                }
                at += line.len();
            }
            Ok(())
        }
    }
}

fn csv_reader(text: &[u8], delimiter: u8) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .buffer_capacity(1 << 16)
        .from_reader(text)
}

fn check_width(at: usize, found: usize, expected: usize) -> std::result::Result<(), Broken> {
    if found == expected {
        return Ok(());
    }
    let fields = if expected == 1 { "field" } else { "fields" };
    Err(Broken {
        at,
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
    let read = csv_reader(&block.text, delimiter).read_byte_record(&mut record);
    read.map_err(|error| Error::data(place, error.to_string()))?;
    let name = |cell: &[u8]| String::from_utf8(cell.to_vec());
    record
        .iter()
        .map(name)
        .collect::<std::result::Result<_, _>>()
        .map_err(|_| {
            Error::data(format!("{place}:1"), "the header is not UTF-8")
                .hint("convert the file: iconv -f LATIN1 -t UTF-8")
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

/// All keys of the objects of a JSONL block, in the order of their first appearance.
///
/// # Errors
/// The first line that is no object.
pub fn keys(block: &Block) -> std::result::Result<Header, Broken> {
    let mut header = Header {
        open: true,
        ..Header::default()
    };
    let mut seen = HashSet::new();
    let nothing = Lookup::new(&[]);
    let mut at = 0;
    for line in block.text.split_inclusive(|byte| *byte == b'\n') {
        if !line.trim_ascii().is_empty() {
            let object = Object::parse(line, &nothing).map_err(|broken| Broken { at, ..broken })?;
            for (key, raw) in &object.others {
                if seen.insert(key.to_string()) {
                    header.columns.push(key.to_string());
                    header.lists.push(is_list(raw.as_bytes()));
                }
            }
        }
        at += line.len();
    }
    Ok(header)
}
