//! A columnar source: its columns, its blocks in order, and how a block becomes typed columns.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{FieldRef, SchemaRef};

use super::ipc::{IpcFile, slices};
use super::kept::Cells;
use super::parquet_file::ParquetFile;
use super::segment::{Opening, Segment};
use super::stream::IpcStream;
use super::{Container, damaged, guarded, types, view};
use crate::batch::feed::BatchAxis;
use crate::batch::plan::{Header, Plan};
use crate::batch::typed::{self, Column, Values, fed};
use crate::error::{Error, Result};

/// Bytes that a block's columns should stay below, whatever rows were asked for.
const MOST_BLOCK_BYTES: u64 = 16 * 1024 * 1024;

/// Bytes that suffice for a block of more than a few rows: each worker has two and more on their way.
const GOOD_BLOCK_BYTES: u64 = 2 * 1024 * 1024;

/// Rows that a block is not halved below for less memory alone.
const FEW_ROWS: u64 = 1024;

/// An open source whose columns are known.
pub struct Reader {
    /// What errors call it.
    name: Arc<str>,
    container: Container,
    source: Source,
    schema: SchemaRef,
    /// Rows of each row group or record batch; of a stream, none are known.
    segments: Vec<u64>,
    /// Columns of the file that are read, ascending.
    roots: Arc<[usize]>,
    /// For each of the plan's columns its place among those.
    places: Arc<[Option<usize>]>,
    pace: Pace,
    at: Position,
}

enum Source {
    Parquet(ParquetFile),
    File(IpcFile),
    Stream(IpcStream),
}

/// How many rows a block has.
#[derive(Clone, Copy)]
struct Pace {
    rows: usize,
    /// Rows of a fixed batch, so that only the last run is padded.
    unit: usize,
}

/// What comes next.
struct Position {
    /// Rows that still are to be skipped.
    skip: u64,
    segment: usize,
    /// The segment that blocks are taken from, and how.
    open: Option<Open>,
    /// Number and first row of the next block.
    block: u64,
    row: u64,
}

enum Open {
    Shared {
        segment: Arc<Segment>,
        next: u64,
        batch_rows: u64,
        rest: u64,
        /// Bytes of the file for each row.
        row_bytes: f64,
    },
    Slices(Box<dyn Iterator<Item = RecordBatch> + Send>),
}

/// A stretch of rows, to be decoded by whoever scores it.
pub struct Block {
    /// Counted from 0 through the source.
    pub index: u64,
    /// The row that it starts at, from 0.
    pub first_row: u64,
    pub rows: usize,
    /// Bytes of the file that it stands for, nearly.
    pub bytes: u64,
    inner: Inner,
    name: Arc<str>,
    container: Container,
    places: Arc<[Option<usize>]>,
}

enum Inner {
    Shared(Arc<Segment>, u64),
    Ready(RecordBatch),
}

impl Reader {
    /// Opens a Parquet or IPC file.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read, [`Error::Data`] where it is damaged.
    pub fn open(path: &Path, container: Container, name: &str) -> Result<Reader> {
        guarded(name, container, || {
            let source = match container {
                Container::Parquet => Source::Parquet(ParquetFile::open(path, name)?),
                Container::IpcFile => Source::File(IpcFile::open(path, name)?),
                Container::IpcStream => match IpcFile::of_stream(path, name) {
                    Some(file) => Source::File(file),
                    None => {
                        let file = std::fs::File::open(path);
                        let file = file.map_err(|error| Error::io(name, &error))?;
                        Source::Stream(IpcStream::open(Box::new(file), name)?)
                    }
                },
            };
            Ok(Reader::new(source, container, name))
        })
    }

    /// Reads an IPC stream, which is the only container that needs no file.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn stream(source: Box<dyn Read + Send>, name: &str) -> Result<Reader> {
        let container = Container::IpcStream;
        guarded(name, container, || {
            let source = Source::Stream(IpcStream::open(source, name)?);
            Ok(Reader::new(source, container, name))
        })
    }

    fn new(source: Source, container: Container, name: &str) -> Reader {
        let (schema, segments) = match &source {
            Source::Parquet(file) => (Arc::clone(file.schema()), file.rows()),
            Source::File(file) => (Arc::clone(file.schema()), file.rows()),
            Source::Stream(stream) => (stream.schema(), Vec::new()),
        };
        Reader {
            name: name.into(),
            container,
            source,
            schema,
            segments,
            roots: [].into(),
            places: [].into(),
            pace: Pace { rows: 1, unit: 1 },
            at: Position {
                skip: 0,
                segment: 0,
                open: None,
                block: 0,
                row: 0,
            },
        }
    }

    /// The columns, for [`Plan::new`].
    pub fn header(&self) -> Header {
        let fields = self.schema.fields();
        Header {
            columns: fields.iter().map(|field| field.name().clone()).collect(),
            lists: fields
                .iter()
                .map(|field| types::is_list(field.data_type()))
                .collect(),
            open: false,
        }
    }

    /// Rows of the whole source, where they are known before it is read.
    pub fn total_rows(&self) -> Option<u64> {
        (!matches!(self.source, Source::Stream(_))).then(|| self.segments.iter().sum())
    }

    /// Bytes of the whole source, where they are known.
    pub fn total_bytes(&self) -> Option<u64> {
        match &self.source {
            Source::Parquet(file) => Some(file.length()),
            Source::File(file) => Some(file.length()),
            Source::Stream(_) => None,
        }
    }

    /// The row at which the first block starts that does so at `row` or behind it, once started; the
    /// last row's successor where none does. Of a stream nobody knows.
    pub fn block_start(&self, row: u64) -> u64 {
        let mut start = 0;
        for (index, rows) in self.segments.iter().enumerate() {
            let batch_rows = self.batch_rows(index);
            let inside = row.saturating_sub(start).div_ceil(batch_rows) * batch_rows;
            if inside < *rows {
                return start + inside;
            }
            start += rows;
        }
        start
    }

    /// The fields of the columns that the plan keeps, with their types and metadata.
    pub fn kept_fields(&self, plan: &Plan) -> Vec<FieldRef> {
        let fields = self.schema.fields();
        let kept = plan.kept.iter();
        kept.filter_map(|column| fields.get(*column).map(Arc::clone))
            .collect()
    }

    /// Sets what [`Reader::next_block`] gives: the columns that `plan` feeds or keeps, at most
    /// `rows` at a time, from row `first_row` on. Blocks are numbered from 0 there.
    ///
    /// # Errors
    /// [`Error::Data`] for a column that is to feed the model and holds structs or the like.
    pub fn start(&mut self, plan: &Plan, rows: usize, first_row: u64) -> Result<()> {
        let fed: Vec<usize> = fed(plan).collect();
        for column in &fed {
            let field = self.schema.fields().get(*column);
            let what = field.and_then(|field| types::unfeedable(field.data_type()));
            if let Some(what) = what {
                let column = plan.column(*column);
                return Err(Error::data(
                    &*self.name,
                    format!("column \"{column}\" holds {what}, which feeds no model"),
                )
                .hint(format!(
                    "--exclude {column} leaves it out, where the model does not need it"
                )));
            }
        }
        let width = self.schema.fields().len();
        let mut roots: Vec<usize> = fed.into_iter().chain(plan.kept.iter().copied()).collect();
        roots.retain(|column| *column < width);
        if roots.is_empty() && width > 0 {
            // The rows must be counted all the same.
            roots.push(0);
        }
        roots.sort_unstable();
        roots.dedup();
        let place = |column| roots.binary_search(&column).ok();
        self.places = (0..plan.columns.len()).map(place).collect();
        self.roots = roots.into();
        self.pace = Pace {
            rows: rows.max(1),
            unit: match plan.batch {
                BatchAxis::Fixed(size) => size.max(1),
                BatchAxis::Free => 1,
            },
        };
        self.at = Position {
            skip: first_row,
            segment: 0,
            open: None,
            block: 0,
            row: 0,
        };
        Ok(())
    }

    /// Rows of a block of segment `index`: as asked, fewer where rows are wide.
    fn batch_rows(&self, index: usize) -> u64 {
        let Pace { rows, unit } = self.pace;
        let segment_rows = self.segments.get(index).copied().unwrap_or_default();
        let bytes = match &self.source {
            Source::Parquet(file) => file.bytes(index, &self.roots).1,
            Source::File(file) if file.is_by_columns(index) => file.bytes(index),
            // A record batch is in memory as a whole, and its slices share it.
            Source::File(_) | Source::Stream(_) => 0,
        };
        let row_bytes = (bytes / segment_rows.max(1)).max(1);
        // Halves of what was asked for stay whole batches the longest.
        let mut rows = rows as u64;
        while rows > FEW_ROWS && rows.saturating_mul(row_bytes) > GOOD_BLOCK_BYTES {
            rows = rows.div_ceil(2);
        }
        rows = rows.min(MOST_BLOCK_BYTES / row_bytes).max(1);
        let unit = unit as u64;
        (rows / unit).max(1) * unit
    }

    /// The next block, undecoded but for streams; `None` at the end.
    ///
    /// # Errors
    /// Those of reading a stream.
    pub fn next_block(&mut self) -> Result<Option<Block>> {
        loop {
            let next = match &mut self.at.open {
                Some(open) => open.next(),
                None => None,
            };
            if let Some((inner, rows, bytes)) = next {
                let block = Block {
                    index: self.at.block,
                    first_row: self.at.row,
                    rows,
                    bytes,
                    inner,
                    name: Arc::clone(&self.name),
                    container: self.container,
                    places: Arc::clone(&self.places),
                };
                self.at.block += 1;
                self.at.row += rows as u64;
                return Ok(Some(block));
            }
            if !self.open_next()? {
                return Ok(None);
            }
        }
    }

    /// Opens the next segment that has rows to give; `false` where there is none.
    fn open_next(&mut self) -> Result<bool> {
        if let Source::Stream(stream) = &mut self.source {
            let name = Arc::clone(&self.name);
            let roots = &self.roots;
            let batch = guarded(&name, self.container, || stream.next(roots))?;
            let Some(batch) = batch else {
                return Ok(false);
            };
            let rows = batch.num_rows() as u64;
            let skip = self.at.pass(rows);
            let most = (self.pace.rows / self.pace.unit).max(1) * self.pace.unit;
            let skip = usize::try_from(skip).unwrap_or(usize::MAX);
            self.at.open = Some(Open::Slices(Box::new(slices(batch, skip, most))));
            return Ok(true);
        }
        let index = self.at.segment;
        let Some(rows) = self.segments.get(index).copied() else {
            return Ok(false);
        };
        self.at.segment += 1;
        let skip = self.at.pass(rows);
        let batch_rows = self.batch_rows(index);
        let (openings, bytes) = self.openings(index, skip, batch_rows);
        self.at.open = Some(Open::Shared {
            segment: Arc::new(Segment::new(openings)),
            next: 0,
            batch_rows,
            rest: rows - skip,
            row_bytes: bytes as f64 / rows.max(1) as f64,
        });
        Ok(true)
    }

    fn openings(&self, index: usize, skip: u64, batch_rows: u64) -> (Vec<Opening>, u64) {
        match &self.source {
            Source::Parquet(file) => (
                file.openings(index, skip, batch_rows, &self.roots),
                file.bytes(index, &self.roots).0,
            ),
            Source::File(file) => {
                let batch_rows = usize::try_from(batch_rows).unwrap_or(usize::MAX);
                let openings = file.openings(index, skip, batch_rows, &self.roots);
                (openings, file.bytes(index))
            }
            Source::Stream(_) => (Vec::new(), 0),
        }
    }
}

impl Position {
    /// Passes by as many of a segment's `rows` as are still to be skipped; returns how many.
    fn pass(&mut self, rows: u64) -> u64 {
        let skip = self.skip.min(rows);
        self.skip -= skip;
        self.row += skip;
        skip
    }
}

impl Open {
    /// The next block's content, rows and bytes.
    fn next(&mut self) -> Option<(Inner, usize, u64)> {
        match self {
            Open::Slices(slices) => {
                let batch = slices.next()?;
                let (rows, bytes) = (batch.num_rows(), batch.get_array_memory_size() as u64);
                Some((Inner::Ready(batch), rows, bytes))
            }
            Open::Shared {
                segment,
                next,
                batch_rows,
                rest,
                row_bytes,
            } => {
                let rows = (*batch_rows).min(*rest);
                if rows == 0 {
                    return None;
                }
                let number = *next;
                *next += 1;
                *rest -= rows;
                let bytes = (rows as f64 * *row_bytes) as u64;
                let rows = usize::try_from(rows).unwrap_or(usize::MAX);
                Some((Inner::Shared(Arc::clone(segment), number), rows, bytes))
            }
        }
    }
}

impl Block {
    /// Decodes the block, on whatever thread scores it.
    ///
    /// # Errors
    /// [`Error::Data`] where the file is damaged there, with the rows.
    pub fn decode(self, plan: &Plan) -> Result<Table> {
        let name = &*self.name;
        let batch = match self.inner {
            Inner::Ready(batch) => Some(batch),
            Inner::Shared(segment, number) => {
                let taken = guarded(name, self.container, || segment.take(number));
                taken.map_err(|error| error.at(name))?
            }
        };
        let batch = batch.filter(|batch| batch.num_rows() == self.rows);
        let batch = batch.ok_or_else(|| {
            let text = format!(
                "fewer rows than it says, from row {} on",
                self.first_row + 1
            );
            damaged(name, self.container, text)
        })?;
        let mut fed = vec![None; plan.columns.len()];
        for column in typed::fed(plan) {
            let place = self.places.get(column).copied().flatten();
            let array = place.and_then(|place| batch.columns().get(place));
            if let (Some(slot), Some(array)) = (fed.get_mut(column), array) {
                *slot = Some(view::flat(array));
            }
        }
        Ok(Table {
            rows: self.rows,
            batch,
            fed,
            places: self.places,
        })
    }
}

/// The decoded rows of a block.
pub struct Table {
    pub rows: usize,
    batch: RecordBatch,
    /// For each of the plan's columns its values, where it feeds the model.
    fed: Vec<Option<ArrayRef>>,
    places: Arc<[Option<usize>]>,
}

impl Table {
    /// One column for each of the plan's, for [`crate::batch::typed::encode`]; those that feed
    /// nothing hold nothing.
    pub fn columns(&self) -> Vec<Column<'_>> {
        fn column(array: &Option<ArrayRef>) -> Column<'_> {
            match array {
                Some(array) => view::column(array),
                None => Column {
                    values: Values::Nothing,
                    valid: None,
                },
            }
        }
        self.fed.iter().map(column).collect()
    }

    /// The columns that `plan` keeps, as they are in the file.
    pub fn kept(&self, plan: &Plan) -> Vec<ArrayRef> {
        let place = |column: &usize| self.places.get(*column).copied().flatten();
        let array = |place: usize| self.batch.columns().get(place).map(Arc::clone);
        plan.kept
            .iter()
            .filter_map(place)
            .filter_map(array)
            .collect()
    }

    /// One of the plan's columns as text; `None` where it was not read.
    pub fn cells_of(&self, column: usize) -> Option<Cells> {
        let place = self.places.get(column).copied().flatten()?;
        let array = self.batch.columns().get(place)?;
        Some(Cells::new(&[""], std::slice::from_ref(array)))
    }

    /// All columns that were read, as text: a rejects file shows the whole record.
    pub fn record(&self) -> Cells {
        let schema = self.batch.schema();
        let names: Vec<&str> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        Cells::new(&names, self.batch.columns())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_goes_from_thread_to_thread() {
        fn is_send<T: Send>() {}
        is_send::<Reader>();
        is_send::<Block>();
        is_send::<Table>();
    }
}
