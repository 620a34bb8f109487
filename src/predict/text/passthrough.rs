//! Columns on their way past the model: copied from the input to the output, nothing reinterpreted.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use crate::batch::cell::{Cell, unescape};
use crate::batch::columns::Layout;
use crate::batch::feed::How;
use crate::batch::names::folded;
use crate::batch::plan::{Keep, Plan};
use crate::batch::write::{csv_cell, json_string};

use crate::predict::format::{FileFormat, Format};
use crate::predict::text::rows::{Broken, Row};

/// Which columns are passed through, ready for the hot loop.
pub struct Passthrough {
    /// Columns in the source's order, for CSV output and for CSV input.
    kept: Vec<usize>,
    is_kept: Vec<bool>,
    /// Whether keys that the plan does not know are copied to JSON output.
    others: Others,
    /// The columns' names as JSON literals.
    names: Vec<Vec<u8>>,
    /// The predictions' names, which no copied key may have.
    reserved: Vec<String>,
    /// The columns that feed the model, as [`folded`] writes them.
    fed: HashSet<String>,
}

fn fed(plan: &Plan) -> HashSet<String> {
    let sources = plan.feeds.iter().flat_map(|feed| match &feed.how {
        How::Cells { sources, .. } => sources.as_slice(),
        How::List { source, .. } => std::slice::from_ref(source),
        How::Once(_) => &[],
    });
    sources.map(|source| folded(&source.name)).collect()
}

fn is_kept(plan: &Plan) -> Vec<bool> {
    let mut is_kept = vec![false; plan.columns.len()];
    for index in &plan.kept {
        if let Some(kept) = is_kept.get_mut(*index) {
            *kept = true;
        }
    }
    is_kept
}

/// What happens to a JSON key that the first block did not have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Others {
    Copied,
    Ignored,
    /// The CSV header is already written.
    Refused,
}

fn not_utf8() -> Broken {
    Broken {
        code: "not_utf8",
        message: "a field to be copied is not UTF-8, which the output cannot hold".to_owned(),
        hint: "--encoding latin1 reads it as what it is; or leave the column out with --keep LIST",
    }
}

impl Passthrough {
    /// The passthrough of `plan` to `output`.
    pub fn new(plan: &Plan, keep: &Keep, output: FileFormat) -> Passthrough {
        let others = match (keep, output) {
            (Keep::None | Keep::List(_), _) => Others::Ignored,
            (_, FileFormat::Text(Format::Jsonl)) => Others::Copied,
            (_, FileFormat::Text(Format::Csv { .. }) | FileFormat::Table(_)) => Others::Refused,
        };
        let name = |name: &String| {
            let mut literal = Vec::new();
            json_string(&mut literal, name);
            literal
        };
        Passthrough {
            is_kept: is_kept(plan),
            kept: plan.kept.clone(),
            others,
            names: plan.columns.iter().map(name).collect(),
            reserved: Vec::new(),
            fed: fed(plan),
        }
    }

    /// Keeps later records from bringing a key that a prediction already has.
    pub fn reserve(&mut self, layout: &Layout) {
        self.reserved = layout
            .fields
            .iter()
            .map(|field| field.name.clone())
            .collect();
    }

    /// Refuses a key that no earlier record had and that looks like one which feeds the model: it
    /// would have been found by its name, had it been there in time.
    ///
    /// # Errors
    /// The key.
    pub fn check_late_keys(&self, row: &Row<'_>) -> std::result::Result<(), Broken> {
        match row
            .others
            .iter()
            .find(|(key, _)| self.fed.contains(&folded(key)))
        {
            None => Ok(()),
            Some((key, _)) => Err(Broken {
                code: "late_key",
                message: format!(
                    "key \"{key}\" appears here first, and is close to the name of one that feeds the model"
                ),
                hint: "write every key in the same way in all records",
            }),
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
        self.check_others(row)?;
        for (position, index) in self.kept.iter().enumerate() {
            if position > 0 {
                out.push(delimiter);
            }
            match row.cells.get(*index).copied().unwrap_or(Cell::Absent) {
                Cell::Text(text) => csv_cell(out, text, delimiter),
                Cell::Json("null") | Cell::Absent => {}
                Cell::Json(raw) if raw.starts_with('"') => {
                    let text = unescape(raw).unwrap_or(Cow::Borrowed(raw));
                    csv_cell(out, text.as_bytes(), delimiter)
                }
                Cell::Json(raw) => csv_cell(out, raw.as_bytes(), delimiter),
            }
        }
        Ok(())
    }

    /// Appends the kept cells of `row`, one after the other, and where each of them is.
    ///
    /// # Errors
    /// A JSON key that has no column, and a cell that is not UTF-8, which tables of text hold alone.
    pub fn cells(
        &self,
        out: &mut Vec<u8>,
        cells: &mut Vec<Option<Range<usize>>>,
        row: &Row<'_>,
    ) -> std::result::Result<(), Broken> {
        self.check_others(row)?;
        for index in &self.kept {
            let start = out.len();
            let cell = row.cells.get(*index).copied().unwrap_or(Cell::Absent);
            let is_there = cell.append_text(out);
            if std::str::from_utf8(out.get(start..).unwrap_or_default()).is_err() {
                return Err(not_utf8());
            }
            cells.push(is_there.then_some(start..out.len()));
        }
        Ok(())
    }

    /// Refuses a key that has no column.
    fn check_others(&self, row: &Row<'_>) -> std::result::Result<(), Broken> {
        match (row.others.first(), self.others) {
            (Some((key, _)), Others::Refused) => Err(Broken {
                code: "late_key",
                message: format!(
                    "key \"{key}\" appears here first, but the CSV header is already written"
                ),
                hint: "--keep LIST names the columns to copy and ignores others; --to jsonl has no header",
            }),
            _ => Ok(()),
        }
    }

    /// Appends the kept cells of `row` as members of an object, each followed by a comma.
    ///
    /// # Errors
    /// A CSV cell that is not UTF-8, which JSON cannot say.
    pub fn json(&self, out: &mut Vec<u8>, row: &Row<'_>) -> std::result::Result<(), Broken> {
        match row.order {
            Some(order) => self.json_object(out, row, order),
            None => self.json_fields(out, row.cells),
        }
    }

    fn json_fields(
        &self,
        out: &mut Vec<u8>,
        cells: &[Cell<'_>],
    ) -> std::result::Result<(), Broken> {
        for index in &self.kept {
            let Some(Cell::Text(cell)) = cells.get(*index) else {
                continue;
            };
            let text = std::str::from_utf8(cell).map_err(|_| not_utf8())?;
            self.member(out, *index, |out| json_string(out, text));
        }
        Ok(())
    }

    fn json_object(
        &self,
        out: &mut Vec<u8>,
        row: &Row<'_>,
        order: &[usize],
    ) -> std::result::Result<(), Broken> {
        let kept = order
            .iter()
            .filter(|index| self.is_kept.get(**index) == Some(&true));
        for index in kept {
            if let Some(Cell::Json(raw)) = row.cells.get(*index) {
                self.member(out, *index, |out| out.extend_from_slice(raw.as_bytes()));
            }
        }
        if self.others != Others::Copied {
            return Ok(());
        }
        for (key, raw) in row.others {
            if self.reserved.iter().any(|name| name == key) {
                return Err(Broken {
                    code: "late_key",
                    message: format!(
                        "key \"{key}\" appears here first, but a prediction is already called so"
                    ),
                    hint: "--keep LIST names the keys to copy and ignores others",
                });
            }
            json_string(out, key);
            out.push(b':');
            out.extend_from_slice(raw.as_bytes());
            out.push(b',');
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
