//! An NPY or NPZ source: its arrays as columns, in blocks of rows.

use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use super::Container;
use super::header::{Elements, Member, NpyHeader};
use super::values::{Place, Stored};
use super::zipped;
use crate::batch::feed::BatchAxis;
use crate::batch::plan::{Header, Plan};
use crate::batch::typed::{Column, Values, fed};
use crate::disk::Disk;
use crate::error::{Error, Result};

/// Bytes of a block's rows, whatever was asked for.
const MOST_BLOCK_BYTES: usize = 16 * 1024 * 1024;

/// An open source whose arrays are known.
pub struct Reader {
    /// What errors call it.
    name: Arc<str>,
    container: Container,
    arrays: Vec<Array>,
    total: u64,
    columns: Arc<[ColumnPlace]>,
    block_rows: usize,
    /// Number and first row of the next block.
    block: u64,
    row: u64,
}

struct Array {
    name: String,
    header: NpyHeader,
    row_bytes: usize,
    body: Body,
}

/// Where the rows of an array are read from.
enum Body {
    /// A pipe, or packed: one after the other.
    Stream(Box<dyn Read + Send>),
    /// In a file as they are, from a byte on.
    Disk(Disk, u64),
}

/// A column of the source: an array, or a member of its records.
struct ColumnPlace {
    name: String,
    array: usize,
    member: Member,
    place: Place,
}

/// A stretch of rows as bytes, to be decoded by whoever scores it.
pub struct Block {
    /// Counted from 0 through the source.
    pub index: u64,
    /// The row that it starts at, from 0.
    pub first_row: u64,
    pub rows: usize,
    /// The rows of each array.
    bytes: Vec<Vec<u8>>,
    columns: Arc<[ColumnPlace]>,
    name: Arc<str>,
    container: Container,
}

/// The decoded rows of a block.
pub struct Table {
    pub rows: usize,
    columns: Vec<Option<Stored>>,
}

impl Reader {
    /// Opens an NPY or NPZ file. An NPY array of no records is called `only`: the model's only
    /// input, as a rule.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read, [`Error::Data`] where it is damaged, holds objects, or
    /// its arrays are not of one length.
    pub fn open(path: &Path, container: Container, only: &str, name: &str) -> Result<Reader> {
        let arrays = match container {
            Container::Npy => {
                let disk = Disk::open(path).map_err(|error| Error::io(name, &error))?;
                let source = Box::new(disk.reader(0));
                vec![Array::open(
                    only,
                    source,
                    Some((disk, 0)),
                    (name, container),
                )?]
            }
            Container::Npz => {
                let (disk, packed) = zipped::open(path, name)?;
                let open = |array: zipped::Packed| {
                    let at = array.stored_at.map(|start| (disk.clone(), start));
                    Array::open(&array.name, array.source, at, (name, container))
                };
                packed.into_iter().map(open).collect::<Result<_>>()?
            }
        };
        Reader::new(arrays, container, name)
    }

    /// Reads an NPY array from a pipe.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn stream(source: Box<dyn Read + Send>, only: &str, name: &str) -> Result<Reader> {
        let container = Container::Npy;
        let source = Box::new(BufReader::new(source));
        let array = Array::open(only, source, None, (name, container))?;
        Reader::new(vec![array], container, name)
    }

    fn new(arrays: Vec<Array>, container: Container, name: &str) -> Result<Reader> {
        let rows = |array: &Array| array.header.rows().unwrap_or_default();
        let Some(first) = arrays.first() else {
            return Err(Error::data(name, "it holds no arrays"));
        };
        if let Some(other) = arrays.iter().find(|other| rows(other) != rows(first)) {
            return Err(Error::data(
                name,
                format!(
                    "its arrays are of different lengths: \"{}\" has {} rows, \"{}\" has {}",
                    first.name,
                    rows(first),
                    other.name,
                    rows(other)
                ),
            ));
        }
        let columns = arrays
            .iter()
            .enumerate()
            .flat_map(|(index, array)| array.columns(index));
        Ok(Reader {
            name: name.into(),
            container,
            total: rows(first) as u64,
            columns: columns.collect(),
            arrays,
            block_rows: 1,
            block: 0,
            row: 0,
        })
    }

    /// The columns, for [`Plan::new`].
    pub fn header(&self) -> Header {
        let columns = self.columns.iter();
        Header {
            columns: columns.clone().map(|column| column.name.clone()).collect(),
            lists: columns
                .map(|column| !column.member.dims.is_empty())
                .collect(),
            open: false,
        }
    }

    /// Rows of the whole source.
    pub fn total_rows(&self) -> u64 {
        self.total
    }

    /// The row at which the first block starts that does so at `row` or behind it, once started.
    pub fn block_start(&self, row: u64) -> u64 {
        let block_rows = (self.block_rows as u64).max(1);
        self.total
            .min(row.div_ceil(block_rows).saturating_mul(block_rows))
    }

    /// Bytes of one row of all arrays.
    pub fn row_bytes(&self) -> u64 {
        self.arrays.iter().map(|array| array.row_bytes as u64).sum()
    }

    /// Sets what [`Reader::next_block`] gives: at most `rows` rows at a time, from row `first_row`
    /// on. Blocks are numbered from 0 there. Pipes and packed arrays only go forward.
    ///
    /// # Errors
    /// Those of reading past the rows before, and [`Error::Data`] where a pipe or a packed array
    /// would have to go back.
    pub fn start(&mut self, plan: &Plan, rows: usize, first_row: u64) -> Result<()> {
        let unit = match plan.batch {
            BatchAxis::Fixed(size) => size.max(1),
            BatchAxis::Free => 1,
        };
        let row_bytes = usize::try_from(self.row_bytes()).unwrap_or(usize::MAX);
        let rows = rows.min(MOST_BLOCK_BYTES / row_bytes.max(1)).max(1);
        self.block_rows = (rows / unit).max(1).saturating_mul(unit);
        let first_row = first_row.min(self.total);
        for array in &mut self.arrays {
            let skipped = array.skip(self.row, first_row);
            skipped.map_err(|error| array.error(&error, (&self.name, self.container)))?;
        }
        self.block = 0;
        self.row = first_row;
        Ok(())
    }

    /// The next block; `None` at the end.
    ///
    /// # Errors
    /// [`Error::Data`] for an array that is shorter than it says, [`Error::Io`] for what cannot be
    /// read.
    pub fn next_block(&mut self) -> Result<Option<Block>> {
        let rest = usize::try_from(self.total - self.row).unwrap_or(usize::MAX);
        let rows = rest.min(self.block_rows);
        if rows == 0 {
            return Ok(None);
        }
        let mut bytes = Vec::with_capacity(self.arrays.len());
        for array in &mut self.arrays {
            let read = array.read(self.row, rows);
            bytes.push(read.map_err(|error| array.error(&error, (&self.name, self.container)))?);
        }
        let block = Block {
            index: self.block,
            first_row: self.row,
            rows,
            bytes,
            columns: Arc::clone(&self.columns),
            name: Arc::clone(&self.name),
            container: self.container,
        };
        self.block += 1;
        self.row += rows as u64;
        Ok(Some(block))
    }
}

impl Array {
    /// Reads the header. `at` says where the array lies in a file as it is.
    fn open(
        name: &str,
        mut source: Box<dyn Read + Send>,
        at: Option<(Disk, u64)>,
        (place, container): (&str, Container),
    ) -> Result<Array> {
        let wrong = |text: &str| {
            let which = match container {
                Container::Npy => String::new(),
                Container::Npz => format!("array \"{name}\": "),
            };
            Error::data(
                place,
                format!(
                    "{which}damaged, or not {} that can be fed: {text}",
                    Container::Npy.words()
                ),
            )
        };
        let mut counted = Counted {
            source: &mut source,
            count: 0,
        };
        let header = NpyHeader::read(&mut counted).map_err(|text| wrong(&text))?;
        let start = counted.count;
        let row_bytes = header.row_bytes();
        let row_bytes = row_bytes.ok_or_else(|| wrong("its rows are larger than any memory"))?;
        let Some(rows) = header.rows() else {
            return Err(wrong("it is a single value, and has no rows"));
        };
        let is_turned = header.fortran && header.shape.len() > 1;
        let body = match at {
            Some((disk, offset)) => {
                let start = offset + start;
                let end = (rows as u64).checked_mul(row_bytes as u64);
                let end = end.and_then(|bytes| bytes.checked_add(start));
                if end.is_none_or(|end| end > disk.length()) {
                    return Err(wrong(&format!("it has fewer than the {rows} rows it says")));
                }
                Body::Disk(disk, start)
            }
            None if is_turned => {
                return Err(wrong("it is in Fortran order, column by column").hint(
                    "np.ascontiguousarray turns it; from a file that is not compressed it can be read as it is",
                ));
            }
            None => Body::Stream(source),
        };
        Ok(Array {
            name: name.to_owned(),
            header,
            row_bytes,
            body,
        })
    }

    /// The columns that array `index` is.
    fn columns(&self, index: usize) -> Vec<ColumnPlace> {
        let dims = self.header.shape.get(1..).unwrap_or_default();
        let column = |name: &str, member: Member, offset| ColumnPlace {
            name: name.to_owned(),
            array: index,
            member,
            place: Place {
                offset,
                stride: self.row_bytes,
            },
        };
        let members = match &self.header.elements {
            Elements::Plain(item) => {
                let member = Member {
                    name: self.name.clone(),
                    item: *item,
                    dims: dims.to_vec(),
                };
                return vec![column(&self.name, member, 0)];
            }
            Elements::Record(members) => members,
        };
        let mut offset = 0;
        let mut columns = Vec::new();
        for member in members {
            let width = member.bytes().unwrap_or_default();
            // Records of several axes have no members by row.
            if !member.name.is_empty() && dims.is_empty() {
                columns.push(column(&member.name, member.clone(), offset));
            }
            offset += width;
        }
        columns
    }

    fn skip(&mut self, from: u64, to: u64) -> io::Result<()> {
        let Body::Stream(source) = &mut self.body else {
            return Ok(());
        };
        let rows = to.checked_sub(from).ok_or(io::ErrorKind::NotSeekable)?;
        let bytes = rows.saturating_mul(self.row_bytes as u64);
        let skipped = io::copy(&mut source.take(bytes), &mut io::sink())?;
        if skipped == bytes {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    /// The bytes of `rows` rows from `first` on, row by row.
    fn read(&mut self, first: u64, rows: usize) -> io::Result<Vec<u8>> {
        let length = rows.saturating_mul(self.row_bytes);
        match &mut self.body {
            Body::Stream(source) => {
                let mut bytes = Vec::new();
                let read = source.take(length as u64).read_to_end(&mut bytes)?;
                if read < length {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Ok(bytes)
            }
            Body::Disk(disk, start) if self.header.fortran && self.header.shape.len() > 1 => {
                by_columns(disk, *start, &self.header, (first, rows))
            }
            Body::Disk(disk, start) => {
                disk.bytes(*start + first.saturating_mul(self.row_bytes as u64), length)
            }
        }
    }

    fn error(&self, error: &io::Error, (place, container): (&str, Container)) -> Error {
        let text = match error.kind() {
            io::ErrorKind::UnexpectedEof => "it has fewer rows than it says".to_owned(),
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => error.to_string(),
            _ => return Error::io(place, error),
        };
        let name = &self.name;
        match container {
            Container::Npy => Error::data(place, format!("damaged: {text}")),
            Container::Npz => Error::data(place, format!("array \"{name}\": damaged: {text}")),
        }
    }
}

/// Rows of an array in Fortran order: a strip of each of its columns, turned.
fn by_columns(
    disk: &Disk,
    start: u64,
    header: &NpyHeader,
    (first, rows): (u64, usize),
) -> io::Result<Vec<u8>> {
    let dims = header.shape.get(1..).unwrap_or_default();
    let columns: usize = dims.iter().product();
    let row_bytes = header.row_bytes().unwrap_or_default();
    let size = row_bytes.checked_div(columns).unwrap_or_default();
    let total = header.rows().unwrap_or_default() as u64;
    let mut bytes = vec![0; rows.saturating_mul(row_bytes)];
    for column in 0..columns {
        let strip_at = start + (column as u64 * total + first) * size as u64;
        let strip = disk.bytes(strip_at, rows * size)?;
        let at = row_major(column, dims) * size;
        let slots = bytes.chunks_exact_mut(row_bytes.max(1));
        for (slot, value) in slots.zip(strip.chunks_exact(size.max(1))) {
            if let Some(slot) = slot.get_mut(at..at + size) {
                slot.copy_from_slice(value);
            }
        }
    }
    Ok(bytes)
}

/// Where the element is in a row, that is the `index`th when the first axis runs fastest.
fn row_major(mut index: usize, dims: &[usize]) -> usize {
    let mut place = 0;
    let mut step: usize = dims.iter().product();
    for size in dims {
        step /= (*size).max(1);
        place += index % (*size).max(1) * step;
        index /= (*size).max(1);
    }
    place
}

/// Counts the bytes that are read.
struct Counted<'s> {
    source: &'s mut Box<dyn Read + Send>,
    count: u64,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.count += count as u64;
        Ok(count)
    }
}

impl Block {
    /// Bytes of the source that the block holds.
    pub fn bytes(&self) -> u64 {
        self.bytes.iter().map(|bytes| bytes.len() as u64).sum()
    }

    /// Decodes the columns that `plan` feeds or keeps.
    ///
    /// # Errors
    /// [`Error::Data`] for texts that are none.
    pub fn decode(&self, plan: &Plan) -> Result<Table> {
        let used: Vec<usize> = fed(plan).chain(plan.kept.iter().copied()).collect();
        let columns = self.columns.iter().enumerate();
        let columns = columns.map(|(index, column)| {
            if !used.contains(&index) {
                return Ok(None);
            }
            let bytes = self.bytes.get(column.array).map_or(&[][..], Vec::as_slice);
            let stored = Stored::read(bytes, &column.member, column.place);
            stored.map(Some).map_err(|text| {
                Error::data(
                    &*self.name,
                    format!(
                        "column \"{}\", from row {} on: damaged, or not {}: {text}",
                        column.name,
                        self.first_row + 1,
                        self.container.words()
                    ),
                )
            })
        });
        Ok(Table {
            rows: self.rows,
            columns: columns.collect::<Result<_>>()?,
        })
    }
}

impl Table {
    /// One column for each of the plan's, for [`crate::batch::typed::encode`]; those that are
    /// neither fed nor kept hold nothing.
    pub fn columns(&self) -> Vec<Column<'_>> {
        fn column(stored: &Option<Stored>) -> Column<'_> {
            match stored {
                Some(stored) => stored.column(),
                None => Column {
                    values: Values::Nothing,
                    valid: None,
                },
            }
        }
        self.columns.iter().map(column).collect()
    }
}
