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
pub struct Row<'a> {
    /// One for each of the plan's columns.
    pub cells: &'a [Cell<'a>],
    /// The whole object, where the record is JSON.
    pub object: Option<&'a Object<'a>>,
}

/// Calls `each` with every record of `block` and the byte that it starts at.
///
/// # Errors
/// The first record that is no record, or whatever `each` fails with.
pub fn for_each<E: From<Broken>>(
    block: &Block,
    format: Format,
    columns: &[String],
    each: impl FnMut(usize, &Row<'_>) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let text = block.text.as_slice();
    match format {
        Format::Csv { delimiter } if memchr::memchr2(b'"', b'\r', text).is_none() => {
            for_each_plain(text, delimiter, columns.len(), each)
        }
        Format::Csv { delimiter } => for_each_quoted(text, delimiter, columns.len(), each),
        Format::Jsonl => for_each_object(text, columns, each),
    }
}

/// CSV without quotes and carriage returns: what lies between delimiters and line ends is a field.
/// The csv crate's view of such text, in a third of its time.
fn for_each_plain<E: From<Broken>>(
    text: &[u8],
    delimiter: u8,
    width: usize,
    mut each: impl FnMut(usize, &Row<'_>) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let mut cells = Vec::with_capacity(width);
    let mut at = 0;
    while at < text.len() {
        let rest = text.get(at..).unwrap_or_default();
        let record = rest.get(..memchr::memchr(b'\n', rest).unwrap_or(rest.len()));
        let record = record.unwrap_or_default();
        if !record.is_empty() {
            cells.clear();
            split(record, delimiter, &mut cells);
            check_width(at, cells.len(), width)?;
            let row = Row {
                cells: &cells,
                object: None,
            };
            each(at, &row)?;
        }
        at += record.len() + 1;
    }
    Ok(())
}

/// Appends the fields of a record without quotes.
fn split<'t>(record: &'t [u8], delimiter: u8, cells: &mut Vec<Cell<'t>>) {
    let mut rest = record;
    while let Some((field, after)) =
        memchr::memchr(delimiter, rest).and_then(|at| Some((rest.get(..at)?, rest.get(at + 1..)?)))
    {
        cells.push(Cell::Text(field));
        rest = after;
    }
    cells.push(Cell::Text(rest));
}

/// Any CSV, by the csv crate.
fn for_each_quoted<E: From<Broken>>(
    text: &[u8],
    delimiter: u8,
    width: usize,
    mut each: impl FnMut(usize, &Row<'_>) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let mut reader = csv_reader(text, delimiter);
    let mut record = csv::ByteRecord::new();
    loop {
        let at = reader.position().byte() as usize;
        let read = reader.read_byte_record(&mut record);
        let is_record = read.map_err(|error| Broken {
            at,
            message: error.to_string(),
            hint: "",
        })?;
        if !is_record {
            return Ok(());
        }
        check_width(at, record.len(), width)?;
        let cells: Vec<Cell<'_>> = record.iter().map(Cell::Text).collect();
        let row = Row {
            cells: &cells,
            object: None,
        };
        each(at, &row)?;
    }
}

/// One JSON object a line.
fn for_each_object<E: From<Broken>>(
    text: &[u8],
    columns: &[String],
    mut each: impl FnMut(usize, &Row<'_>) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let lookup = Lookup::new(columns);
    let mut at = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if !line.trim_ascii().is_empty() {
            let parsed = Object::parse(line, &lookup);
            let object = parsed.map_err(|broken| Broken { at, ..broken })?;
            let row = Row {
                cells: &object.cells,
                object: Some(&object),
            };
            each(at, &row)?;
        }
        at += line.len();
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The records of `text` with the byte that each starts at, or where it broke.
    type Seen = std::result::Result<Vec<(usize, Vec<Vec<u8>>)>, usize>;

    type Each<'e> = &'e mut dyn FnMut(usize, &Row<'_>) -> std::result::Result<(), Broken>;

    /// What a path sees in `text` of two columns.
    fn seen(path: fn(&[u8], Each<'_>) -> std::result::Result<(), Broken>, text: &[u8]) -> Seen {
        let mut records = Vec::new();
        let mut each = |at: usize, row: &Row<'_>| {
            let cell = |cell: &Cell<'_>| match cell {
                Cell::Text(text) => text.to_vec(),
                Cell::Json(_) | Cell::Absent => Vec::new(),
            };
            // The csv crate counts leading blank lines to the record; so does the line of an error.
            let blank = text
                .iter()
                .skip(at)
                .take_while(|byte| **byte == b'\n')
                .count();
            records.push((at + blank, row.cells.iter().map(cell).collect()));
            Ok(())
        };
        path(text, &mut each).map_err(|broken| {
            let blank = text
                .iter()
                .skip(broken.at)
                .take_while(|byte| **byte == b'\n')
                .count();
            broken.at + blank
        })?;
        Ok(records)
    }

    #[test]
    fn plain_text_is_seen_as_the_csv_crate_sees_it() {
        let mut texts: Vec<Vec<u8>> = vec![Vec::new()];
        for _ in 0..7 {
            let longer = texts.iter().flat_map(|text| {
                [b'a', b',', b'\n', b' '].map(|byte| [text.as_slice(), &[byte]].concat())
            });
            texts = longer.collect();
            for text in &texts {
                let plain = seen(|text, each| for_each_plain(text, b',', 2, each), text);
                let quoted = seen(|text, each| for_each_quoted(text, b',', 2, each), text);
                assert_eq!(plain, quoted, "{:?}", String::from_utf8_lossy(text));
            }
        }
    }
}
