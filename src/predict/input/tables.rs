//! Sources of typed columns: Parquet, Arrow IPC, NumPy. One face for all of them, and the only place
//! besides `output::written` that knows whether this build reads the first two.

use std::io::{self, Read, Write};
use std::path::Path;

use crate::batch::plan::{Header, Plan};
use crate::batch::typed::Column;
use crate::error::{Error, Result};

use crate::numpy;
#[cfg(feature = "columnar")]
use crate::predict::columnar;
use crate::predict::format::TableFormat;
use crate::predict::output::written::Kept;

/// An open source of typed columns.
pub enum Tables {
    #[cfg(feature = "columnar")]
    Columns(Box<columnar::Reader>),
    Arrays(numpy::Reader),
}

/// Consecutive rows, to be decoded by whoever scores them.
pub struct TableBlock {
    /// The row that it starts at, from 0.
    pub first_row: u64,
    pub rows: usize,
    /// Bytes of the source that it stands for, nearly.
    pub bytes: u64,
    /// The rows as they are in the source, until they are decoded.
    inner: Option<Block>,
    table: Option<Table>,
}

enum Block {
    #[cfg(feature = "columnar")]
    Columns(columnar::Block),
    Arrays(numpy::Block),
}

/// Decoded rows.
pub enum Table {
    #[cfg(feature = "columnar")]
    Columns(columnar::Table),
    Arrays(numpy::Table),
}

/// What is to be opened.
pub struct Place<'a> {
    /// The path; none for a pipe.
    pub path: Option<&'a Path>,
    /// What errors call it.
    pub name: &'a str,
    /// What a single array without a name is called: the model's only input.
    pub only: &'a str,
}

impl Tables {
    /// Opens a table of `format`. A pipe of a format whose end must be read first is kept in a
    /// temporary file, which has no name for long.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read, [`Error::Data`] where it is damaged, and
    /// [`Error::Usage`] where this build lacks the format.
    pub fn open(
        place: &Place<'_>,
        format: TableFormat,
        pipe: Box<dyn Read + Send>,
    ) -> Result<Tables> {
        let is_streamed = matches!(format, TableFormat::ArrowStream | TableFormat::Npy);
        match place.path {
            Some(path) => open(place, format, path),
            _ if is_streamed => stream(place, format, pipe),
            _ => {
                let failed = |source: io::Error| Error::io(place.name, &source);
                let mut spool = tempfile::NamedTempFile::new().map_err(failed)?;
                let mut pipe = pipe;
                io::copy(&mut pipe, &mut spool).map_err(failed)?;
                spool.flush().map_err(failed)?;
                open(place, format, spool.path())
            }
        }
    }

    /// The columns.
    pub fn header(&self) -> Header {
        match self {
            #[cfg(feature = "columnar")]
            Tables::Columns(reader) => reader.header(),
            Tables::Arrays(reader) => reader.header(),
        }
    }

    /// Sets what [`Tables::next_block`] gives: at most `rows` rows at a time of the columns that
    /// `plan` feeds or keeps, from row `first_row` on.
    ///
    /// # Errors
    /// [`Error::Data`] for a column that cannot feed a model.
    pub fn start(&mut self, plan: &Plan, rows: usize, first_row: u64) -> Result<()> {
        match self {
            #[cfg(feature = "columnar")]
            Tables::Columns(reader) => reader.start(plan, rows, first_row),
            Tables::Arrays(reader) => reader.start(plan, rows, first_row),
        }
    }

    /// The next block; `None` at the end.
    ///
    /// # Errors
    /// Those of reading.
    pub fn next_block(&mut self) -> Result<Option<TableBlock>> {
        Ok(match self {
            #[cfg(feature = "columnar")]
            Tables::Columns(reader) => reader.next_block()?.map(|block| TableBlock {
                first_row: block.first_row,
                rows: block.rows,
                bytes: block.bytes,
                inner: Some(Block::Columns(block)),
                table: None,
            }),
            Tables::Arrays(reader) => reader.next_block()?.map(|block| TableBlock {
                first_row: block.first_row,
                rows: block.rows,
                bytes: block.bytes(),
                inner: Some(Block::Arrays(block)),
                table: None,
            }),
        })
    }

    /// The types of the columns that `plan` keeps; arrays of NumPy have none before they are read.
    #[cfg_attr(
        not(feature = "columnar"),
        expect(unused_variables, reason = "arrays of NumPy need no plan")
    )]
    pub fn kept(&self, plan: &Plan) -> Kept {
        match self {
            #[cfg(feature = "columnar")]
            Tables::Columns(reader) => Kept::Fields(reader.kept_fields(plan)),
            Tables::Arrays(_) => Kept::Text,
        }
    }

    /// Rows of the whole source, where they are known before it is read.
    pub fn total_rows(&self) -> Option<u64> {
        match self {
            #[cfg(feature = "columnar")]
            Tables::Columns(reader) => reader.total_rows(),
            Tables::Arrays(reader) => Some(reader.total_rows()),
        }
    }

    /// The row at which the first block starts that does so at `row` or behind it, once started.
    pub fn block_start(&self, row: u64) -> u64 {
        match self {
            #[cfg(feature = "columnar")]
            Tables::Columns(reader) => reader.block_start(row),
            Tables::Arrays(reader) => reader.block_start(row),
        }
    }
}

impl TableBlock {
    /// The block's rows, of which the columns that `plan` feeds or keeps are decoded, once.
    ///
    /// # Errors
    /// [`Error::Data`] where the source is damaged there.
    pub fn load(&mut self, plan: &Plan) -> Result<&Table> {
        if let Some(block) = self.inner.take() {
            self.table = Some(match block {
                #[cfg(feature = "columnar")]
                Block::Columns(block) => Table::Columns(block.decode(plan)?),
                Block::Arrays(block) => Table::Arrays(block.decode(plan)?),
            });
        }
        self.table
            .as_ref()
            .ok_or_else(|| Error::data("", "a block that could not be decoded"))
    }

    /// The rows, once they are loaded.
    pub fn into_table(self) -> Option<Table> {
        self.table
    }
}

impl Table {
    /// One column for each of the plan's; those that were not read hold nothing.
    pub fn columns(&self) -> Vec<Column<'_>> {
        match self {
            #[cfg(feature = "columnar")]
            Table::Columns(table) => table.columns(),
            Table::Arrays(table) => table.columns(),
        }
    }

    /// Calls `each` with every row below `rows` and what writes its kept cells.
    pub fn for_each_kept(
        &self,
        plan: &Plan,
        rows: usize,
        mut each: impl FnMut(usize, &dyn KeptRow),
    ) {
        match self {
            #[cfg(feature = "columnar")]
            Table::Columns(table) => {
                let cells = columnar::Cells::new(&plan.kept_names(), &table.kept(plan));
                (0..rows).for_each(|row| each(row, &cells));
            }
            Table::Arrays(table) => {
                let columns = table.columns();
                let kept = plan
                    .kept
                    .iter()
                    .filter_map(|index| Some((plan.column(*index), columns.get(*index)?)));
                let kept: Vec<_> = kept.collect();
                (0..rows).for_each(|row| each(row, &kept));
            }
        }
    }

    /// Calls `each` with every row below `rows` and the text of its cell of `column`, as it is; a row
    /// without a value has an empty one.
    pub fn for_each_text(&self, column: usize, rows: usize, mut each: impl FnMut(usize, &[u8])) {
        let mut text = Vec::new();
        let mut tell = |write: &dyn Fn(&mut Vec<u8>, usize)| {
            for row in 0..rows {
                text.clear();
                write(&mut text, row);
                each(row, &text);
            }
        };
        match self {
            #[cfg(feature = "columnar")]
            Table::Columns(table) => {
                // A view would show only what feeds the model, and a label does not.
                if let Some(cells) = table.cells_of(column) {
                    tell(&|text, row| cells.raw(text, row));
                }
            }
            Table::Arrays(table) => {
                if let Some(values) = table.columns().get(column) {
                    tell(&|text, row| values.raw(text, row));
                }
            }
        }
    }

    /// Row `row` as a JSON object, for a rejects file.
    pub fn record(&self, plan: &Plan, row: usize) -> Vec<u8> {
        let mut object = vec![b'{'];
        match self {
            #[cfg(feature = "columnar")]
            Table::Columns(table) => table.record().json(&mut object, row),
            Table::Arrays(table) => {
                let columns = table.columns();
                let named: Vec<_> = plan
                    .columns
                    .iter()
                    .map(String::as_str)
                    .zip(&columns)
                    .collect();
                named.json(&mut object, row);
            }
        }
        if object.last() == Some(&b',') {
            object.pop();
        }
        object.push(b'}');
        object
    }
}

/// The kept cells of a block of rows.
pub trait KeptRow {
    /// Appends those of `row` with the delimiter between them.
    fn csv(&self, out: &mut Vec<u8>, row: usize, delimiter: u8);

    /// Appends those of `row` as members of an object, each with a comma after it.
    fn json(&self, out: &mut Vec<u8>, row: usize);
}

#[cfg(feature = "columnar")]
impl KeptRow for columnar::Cells {
    fn csv(&self, out: &mut Vec<u8>, row: usize, delimiter: u8) {
        self.csv(out, row, delimiter);
    }

    fn json(&self, out: &mut Vec<u8>, row: usize) {
        self.json(out, row);
    }
}

impl KeptRow for Vec<(&str, &Column<'_>)> {
    fn csv(&self, out: &mut Vec<u8>, row: usize, delimiter: u8) {
        for (position, (_, column)) in self.iter().enumerate() {
            if position > 0 {
                out.push(delimiter);
            }
            column.csv(out, row, delimiter);
        }
    }

    fn json(&self, out: &mut Vec<u8>, row: usize) {
        for (name, column) in self {
            crate::batch::write::json_string(out, name);
            out.push(b':');
            column.json(out, row);
            out.push(b',');
        }
    }
}

fn open(place: &Place<'_>, format: TableFormat, path: &Path) -> Result<Tables> {
    let arrays = |container| {
        numpy::Reader::open(path, container, place.only, place.name).map(Tables::Arrays)
    };
    match format {
        TableFormat::Npy => arrays(numpy::Container::Npy),
        TableFormat::Npz => arrays(numpy::Container::Npz),
        TableFormat::Parquet | TableFormat::ArrowFile | TableFormat::ArrowStream => {
            open_columns(place, format, path)
        }
    }
}

fn stream(place: &Place<'_>, format: TableFormat, pipe: Box<dyn Read + Send>) -> Result<Tables> {
    match format {
        TableFormat::Npy => numpy::Reader::stream(pipe, place.only, place.name).map(Tables::Arrays),
        _ => stream_columns(place, pipe),
    }
}

#[cfg(feature = "columnar")]
fn open_columns(place: &Place<'_>, format: TableFormat, path: &Path) -> Result<Tables> {
    let container = match format {
        TableFormat::Parquet => columnar::Container::Parquet,
        TableFormat::ArrowStream => columnar::Container::IpcStream,
        _ => columnar::Container::IpcFile,
    };
    columnar::Reader::open(path, container, place.name)
        .map(|reader| Tables::Columns(Box::new(reader)))
}

#[cfg(feature = "columnar")]
fn stream_columns(place: &Place<'_>, pipe: Box<dyn Read + Send>) -> Result<Tables> {
    columnar::Reader::stream(pipe, place.name).map(|reader| Tables::Columns(Box::new(reader)))
}

#[cfg(not(feature = "columnar"))]
fn open_columns(_: &Place<'_>, format: TableFormat, _: &Path) -> Result<Tables> {
    Err(lacks(format))
}

#[cfg(not(feature = "columnar"))]
fn stream_columns(_: &Place<'_>, _: Box<dyn Read + Send>) -> Result<Tables> {
    Err(lacks(TableFormat::ArrowStream))
}

/// The error of a build without the cargo feature `columnar`.
#[cfg(not(feature = "columnar"))]
pub(in crate::predict) fn lacks(format: TableFormat) -> Error {
    Error::usage(format!("this mlserve was built without {}", format.name()))
        .hint("build it with the cargo feature \"columnar\", which is on by default")
}
