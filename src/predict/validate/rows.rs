//! The rows of a file of predictions, as texts by column: CSV, TSV or JSONL.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::predict::format::Format;

/// A file that is read row by row.
pub(super) struct Rows {
    place: String,
    columns: Vec<String>,
    kind: Kind,
    row: u64,
}

enum Kind {
    Csv(Box<csv::Reader<File>>),
    Jsonl(BufReader<File>),
}

/// Bytes of a line at most.
const MOST_LINE: u64 = 256 << 20;

impl Rows {
    /// Opens the file at `path`; its name says what it is.
    pub(super) fn open(path: &Path) -> Result<Rows> {
        let place = path.display().to_string();
        let format = Format::of_path(path).ok_or_else(|| {
            Error::usage(format!("--expected {place}: expected a .csv, .tsv or .jsonl file"))
                .hint("of a NumPy array: numpy.savetxt(FILE, array, delimiter=\",\", header=NAMES, comments=\"\")")
        })?;
        let file = File::open(path).map_err(|error| Error::io(place.clone(), &error))?;
        let (columns, kind) = match format {
            Format::Jsonl => (Vec::new(), Kind::Jsonl(BufReader::new(file))),
            Format::Csv { delimiter } => {
                let mut builder = csv::ReaderBuilder::new();
                let mut reader = builder.delimiter(delimiter).from_reader(file);
                let header = reader.headers().map_err(|error| damaged(&place, &error))?;
                let name = |name: &str| name.trim_start_matches('\u{feff}').trim().to_owned();
                (
                    header.iter().map(name).collect(),
                    Kind::Csv(Box::new(reader)),
                )
            }
        };
        Ok(Rows {
            place,
            columns,
            kind,
            row: 0,
        })
    }

    /// The names of its columns; of JSONL after the first row.
    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The next row, one cell a column.
    pub(super) fn next(&mut self) -> Result<Option<Vec<String>>> {
        self.row += 1;
        match &mut self.kind {
            Kind::Csv(reader) => {
                let mut record = csv::StringRecord::new();
                match reader.read_record(&mut record) {
                    Ok(true) => Ok(Some(record.iter().map(str::to_owned).collect())),
                    Ok(false) => Ok(None),
                    Err(error) => Err(damaged(&self.place, &error)),
                }
            }
            Kind::Jsonl(lines) => {
                let mut line = String::new();
                let read = std::io::Read::take(&mut *lines, MOST_LINE).read_line(&mut line);
                let read = read.map_err(|error| Error::io(self.place.clone(), &error))?;
                if read == 0 {
                    return Ok(None);
                }
                let value: Value = serde_json::from_str(&line).map_err(|error| {
                    let place = format!("{}:{}", self.place, self.row);
                    Error::data(place, format!("expected a JSON object, found {error}"))
                })?;
                let cells = flat(&value);
                if self.columns.is_empty() {
                    self.columns = cells.iter().map(|(name, _)| name.clone()).collect();
                }
                let cell = |name: &String| {
                    let found = cells.iter().find(|(other, _)| other == name);
                    found.map(|(_, text)| text.clone()).unwrap_or_default()
                };
                Ok(Some(self.columns.iter().map(cell).collect()))
            }
        }
    }
}

fn damaged(place: &str, error: &csv::Error) -> Error {
    Error::data(place, format!("not a table: {error}"))
}

/// The members of an object by the names that columns have: `scores.a` and `scores[0]` are `scores_a`
/// and `scores_0`. JSON nests only so deep before its reader refuses it.
fn flat(value: &Value) -> Vec<(String, String)> {
    let mut cells = Vec::new();
    let mut open = vec![(String::new(), value)];
    while let Some((name, value)) = open.pop() {
        let below = |key: &str| match name.is_empty() {
            true => key.to_owned(),
            false => format!("{name}_{key}"),
        };
        match value {
            Value::Object(members) => {
                let members = members.iter().rev();
                open.extend(members.map(|(key, value)| (below(key), value)));
            }
            Value::Array(items) => {
                let items = items.iter().enumerate().rev();
                open.extend(items.map(|(at, value)| (below(&at.to_string()), value)));
            }
            Value::String(text) => cells.push((name, text.clone())),
            Value::Null => cells.push((name, String::new())),
            other => cells.push((name, other.to_string())),
        }
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_called_as_columns_are() {
        let value =
            serde_json::json!({"label": "a", "p": {"a": 0.5, "b": null}, "l": [1, [2, true]]});
        let cells = flat(&value);
        let cells: Vec<_> = cells
            .iter()
            .map(|(n, t)| (n.as_str(), t.as_str()))
            .collect();
        assert_eq!(
            cells,
            [
                ("label", "a"),
                ("p_a", "0.5"),
                ("p_b", ""),
                ("l_0", "1"),
                ("l_1_0", "2"),
                ("l_1_1", "true")
            ]
        );
    }
}
