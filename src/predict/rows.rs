//! The records of a block, one after another, whatever the format: the way in for the encoder and
//! the way out for columns that are passed through.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::batch::cell::{Cell, unescape};
use crate::batch::plan::{Header, Keep, Plan};
use crate::batch::write::{csv_cell, json_string};
use crate::error::{Error, Result};

use super::cut::{Block, lines_in};
use super::format::Format;

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
    let mut header = Header::default();
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

/// From keys to the plan's columns.
struct Lookup<'a> {
    columns: &'a [String],
    indices: HashMap<&'a str, usize>,
}

impl<'a> Lookup<'a> {
    fn new(columns: &'a [String]) -> Self {
        let indices = columns
            .iter()
            .enumerate()
            .map(|(index, name)| (name.as_str(), index));
        Lookup {
            columns,
            indices: indices.collect(),
        }
    }

    /// The column of `key`; `guess` is the one after the last key's, which it mostly is.
    fn find(&self, key: &str, guess: usize) -> Option<usize> {
        match self.columns.get(guess) {
            Some(name) if name == key => Some(guess),
            _ => self.indices.get(key).copied(),
        }
    }
}

/// One JSON object, its values as source text.
pub struct Object<'a> {
    /// One for each of the plan's columns.
    cells: Vec<Option<&'a str>>,
    /// The plan's columns in the object's own order.
    order: Vec<usize>,
    /// Keys that are no columns of the plan.
    others: Vec<(Cow<'a, str>, &'a str)>,
}

impl<'a> Object<'a> {
    fn parse(line: &'a [u8], lookup: &Lookup<'_>) -> std::result::Result<Object<'a>, Broken> {
        let broken = |message: String| Broken {
            at: 0,
            message,
            hint: "every line must be one JSON object",
        };
        let text = std::str::from_utf8(line).map_err(|_| broken("not UTF-8".to_owned()))?;
        let mut parser = serde_json::Deserializer::from_str(text);
        let read = Members(lookup)
            .read(&mut parser)
            .and_then(|object| parser.end().map(|()| object));
        read.map_err(|error| broken(json_fault(&error)))
    }
}

/// serde_json's message without "at line 1", which would be a line of the record.
fn json_fault(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let message = text.split(" at line ").next().unwrap_or(&text);
    match error.classify() {
        serde_json::error::Category::Data => message.to_owned(),
        serde_json::error::Category::Eof => {
            "the JSON object ends in the middle of the line".to_owned()
        }
        _ => format!("not valid JSON at character {}: {message}", error.column()),
    }
}

struct Members<'l>(&'l Lookup<'l>);

impl Members<'_> {
    fn read<'de, D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> std::result::Result<Object<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(
        self,
        mut map: A,
    ) -> std::result::Result<Object<'de>, A::Error> {
        let columns = self.0.columns.len();
        let mut object = Object {
            cells: vec![None; columns],
            order: Vec::with_capacity(columns),
            others: Vec::new(),
        };
        let mut guess = 0;
        while let Some(Key(key)) = map.next_key()? {
            let raw: &RawValue = map.next_value()?;
            let twice = || A::Error::custom(format!("key \"{key}\" stands twice in one object"));
            match self.0.find(&key, guess) {
                Some(index) => {
                    guess = index + 1;
                    let Some(cell) = object.cells.get_mut(index) else {
                        continue;
                    };
                    if cell.replace(raw.get()).is_some() {
                        return Err(twice());
                    }
                    object.order.push(index);
                }
                None if object.others.iter().any(|(other, _)| *other == key) => return Err(twice()),
                None => object.others.push((key, raw.get())),
            }
        }
        Ok(object)
    }
}

/// A key, borrowed where it has no escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de> serde::Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> std::result::Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> std::result::Result<Self::Value, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// Which columns are passed through, ready for the hot loop.
pub struct Passthrough {
    /// Columns in the source's order, for CSV output and for CSV input.
    kept: Vec<usize>,
    is_kept: Vec<bool>,
    /// Whether keys that the plan does not know are copied to JSON output.
    others: Others,
    names: Vec<Vec<u8>>,
}

/// What happens to a JSON key that the first block did not have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Others {
    Copied,
    Ignored,
    /// The CSV header is already written.
    Refused,
}

impl Passthrough {
    /// The passthrough of `plan` to `output`.
    pub fn new(plan: &Plan, keep: &Keep, output: Format) -> Passthrough {
        let others = match (keep, output) {
            (Keep::None | Keep::List(_), _) => Others::Ignored,
            (_, Format::Jsonl) => Others::Copied,
            (_, Format::Csv { .. }) => Others::Refused,
        };
        let name = |name: &String| {
            let mut literal = Vec::new();
            json_string(&mut literal, name);
            literal
        };
        Passthrough {
            is_kept: (0..plan.columns.len())
                .map(|index| plan.kept.contains(&index))
                .collect(),
            kept: plan.kept.clone(),
            others,
            names: plan.columns.iter().map(name).collect(),
        }
    }

    /// Appends the kept cells of `row` with delimiters between them.
    ///
    /// # Errors
    /// A JSON key that has no column in the header.
    pub fn csv(
        &self,
        out: &mut Vec<u8>,
        row: &Row<'_>,
        delimiter: u8,
    ) -> std::result::Result<(), Broken> {
        if let (Row::Json(object), Others::Refused) = (row, self.others)
            && let Some((key, _)) = object.others.first()
        {
            return Err(Broken {
                at: 0,
                message: format!(
                    "key \"{key}\" appears here first, but the CSV header is already written"
                ),
                hint: "--keep LIST names the columns to copy and ignores others; --to jsonl has no header",
            });
        }
        for (position, index) in self.kept.iter().enumerate() {
            if position > 0 {
                out.push(delimiter);
            }
            match row.cell(*index) {
                Cell::Text(text) => csv_cell(out, text, delimiter),
                Cell::Json("null") | Cell::Absent => {}
                Cell::Json(raw) if raw.starts_with('"') => {
                    csv_cell(out, unescape(raw).as_bytes(), delimiter)
                }
                Cell::Json(raw) => csv_cell(out, raw.as_bytes(), delimiter),
            }
        }
        Ok(())
    }

    /// Appends the kept cells of `row` as members of an object, each followed by a comma.
    ///
    /// # Errors
    /// A CSV cell that is not UTF-8, which JSON cannot say.
    pub fn json(&self, out: &mut Vec<u8>, row: &Row<'_>) -> std::result::Result<(), Broken> {
        match row {
            Row::Csv(record) => {
                for index in &self.kept {
                    let cell = record.get(*index).unwrap_or_default();
                    let text = std::str::from_utf8(cell).map_err(|_| Broken {
                        at: 0,
                        message: "a field to be copied is not UTF-8, which JSON cannot hold".to_owned(),
                        hint: "convert the file: iconv -f LATIN1 -t UTF-8, or leave the column out with --keep LIST",
                    })?;
                    self.member(out, *index, |out| json_string(out, text));
                }
            }
            Row::Json(object) => {
                for index in object
                    .order
                    .iter()
                    .filter(|index| self.is_kept.get(**index) == Some(&true))
                {
                    let raw = object
                        .cells
                        .get(*index)
                        .copied()
                        .flatten()
                        .unwrap_or("null");
                    self.member(out, *index, |out| out.extend_from_slice(raw.as_bytes()));
                }
                if self.others == Others::Copied {
                    for (key, raw) in &object.others {
                        json_string(out, key);
                        out.push(b':');
                        out.extend_from_slice(raw.as_bytes());
                        out.push(b',');
                    }
                }
            }
        }
        Ok(())
    }

    fn member(&self, out: &mut Vec<u8>, index: usize, value: impl FnOnce(&mut Vec<u8>)) {
        out.extend_from_slice(self.names.get(index).map_or(b"\"\"", Vec::as_slice));
        out.push(b':');
        value(out);
        out.push(b',');
    }
}
