//! Predictions as NPY or NPZ: each array is spooled, to a temporary file if it is large, until its rows are
//! counted.
//!
//! An array's header says how many rows it has and how long its longest text is, so nothing can be
//! written before the end. What is spooled costs disk, not memory, and the target may be a pipe.

use std::collections::HashSet;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use ndarray::{ArrayD, IxDyn};
use tempfile::SpooledTempFile;
use zip::write::{SimpleFileOptions, ZipWriter};
use zip::{CompressionMethod, result::ZipError};

use super::Container;
use super::header::{Elements, Item, Kind, Member, NpyHeader};
use crate::batch::columns::{Field, Form};
use crate::batch::decide;
use crate::batch::element::Element;
use crate::batch::feed;
use crate::each_dtype;
use crate::error::{Error, Result};
use crate::model::tensor::Tensor;

/// One array of the output, or some rows of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The array's name in NPZ.
    pub name: String,
    /// One name for each value of a row, for the records of NPY.
    pub columns: Vec<String>,
    /// Shape `[rows, ...]`.
    pub values: Tensor,
}

/// The arrays of the predictions `tensors`, one tensor for each of `fields`; one row for each of
/// `records`, where `None` is a record that was not scored: NaN, or an empty text.
///
/// # Errors
/// [`Error::Data`] for a record that was not scored where integers or booleans are predicted.
pub fn parts(fields: &[Field], tensors: &[Tensor], records: &[Option<usize>]) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    for (field, tensor) in fields.iter().zip(tensors) {
        match &field.form {
            Form::Top { most, classes } => {
                parts.extend(top(field, tensor, (*most, classes), records)?);
            }
            form => {
                let mut shape = tensor.shape().to_vec();
                if *form == Form::Scalar {
                    shape.truncate(1);
                }
                parts.push(Part {
                    name: field.name.clone(),
                    columns: field.columns(),
                    values: picked(tensor, &shape, records, &field.name)?,
                });
            }
        }
    }
    Ok(parts)
}

/// The rows `records` of `tensor`, seen as `shape`.
fn picked(
    tensor: &Tensor,
    shape: &[usize],
    records: &[Option<usize>],
    name: &str,
) -> Result<Tensor> {
    fn rows<T: Element>(
        array: &ArrayD<T>,
        shape: &[usize],
        records: &[Option<usize>],
    ) -> Option<ArrayD<T>> {
        let dims = shape.get(1..).unwrap_or_default();
        let width = feed::elements(dims);
        let all = array.as_slice()?;
        let mut elements = Vec::with_capacity(records.len() * width);
        for record in records {
            match record {
                Some(record) => {
                    elements.extend_from_slice(all.get(record * width..(record + 1) * width)?);
                }
                None => elements.extend(std::iter::repeat_n(T::missing()?, width)),
            }
        }
        let shape: Vec<usize> = std::iter::once(records.len())
            .chain(dims.iter().copied())
            .collect();
        ArrayD::from_shape_vec(IxDyn(&shape), elements).ok()
    }
    let rows = each_dtype!(tensor, wrap(array) => rows(array, shape, records).map(wrap));
    rows.ok_or_else(|| {
        let dtype = tensor.dtype();
        Error::data(
            "",
            format!("NumPy's {dtype} has no value for a record that was not scored: \"{name}\""),
        )
        .hint("--on-error skip leaves such records out; Parquet and CSV can hold their gaps")
    })
}

/// The best classes of each record, and their scores.
fn top(
    field: &Field,
    tensor: &Tensor,
    (most, classes): (usize, &[String]),
    records: &[Option<usize>],
) -> Result<Vec<Part>> {
    let width = classes.len();
    let scores = decide::floats(tensor).unwrap_or_default();
    let (mut names, mut best) = (Vec::new(), Vec::new());
    for record in records {
        let row = record.and_then(|record| scores.get(record * width..(record + 1) * width));
        let ranked = decide::ranked(row.unwrap_or_default());
        for rank in 0..most {
            let class = ranked.get(rank).copied();
            let name = class.and_then(|class| classes.get(class));
            names.push(name.cloned().unwrap_or_default());
            best.push(
                class
                    .zip(*record)
                    .map(|(class, record)| record * width + class),
            );
        }
    }
    let name = &field.name;
    let shape = [records.len(), most];
    let names = ArrayD::from_shape_vec(IxDyn(&shape), names).unwrap_or_default();
    // One score a record, as `picked` sees it, and then its row's shape again.
    let flat = picked(tensor, &[tensor.shape().iter().product()], &best, name)?;
    let scores = each_dtype!(flat, wrap(array) => wrap(array.to_shape(IxDyn(&shape)).map(|array| array.into_owned()).unwrap_or_default()));
    let columns = |end: &str| {
        (1..=most)
            .map(|rank| format!("{name}_top{rank}{end}"))
            .collect()
    };
    Ok(vec![
        Part {
            name: format!("{name}_top"),
            columns: columns(""),
            values: Tensor::String(names),
        },
        Part {
            name: format!("{name}_top_score"),
            columns: columns("_score"),
            values: scores,
        },
    ])
}

/// An array of fewer bytes never sees the disk.
const IN_MEMORY_BYTES: usize = 1 << 20;

/// Takes rows, and writes them as arrays when there are no more.
pub struct Writer {
    container: Container,
    /// What errors call the target.
    place: String,
    /// Where the spools are.
    folder: PathBuf,
    spools: Vec<Spool>,
    rows: usize,
}

/// The rows of one array so far.
struct Spool {
    name: String,
    columns: Vec<String>,
    item: Item,
    dims: Vec<usize>,
    file: BufWriter<SpooledTempFile>,
    /// Characters of the longest text.
    longest: usize,
}

impl Writer {
    /// A writer without rows, whose spools are in `folder`; `place` is what errors call the target.
    pub fn new(container: Container, folder: &Path, place: &str) -> Writer {
        Writer {
            container,
            place: place.to_owned(),
            folder: folder.to_owned(),
            spools: Vec::new(),
            rows: 0,
        }
    }

    /// Appends rows; the first call, which may have none, decides on the arrays.
    ///
    /// # Errors
    /// [`Error::Data`] for arrays that are not those of the first call, [`Error::Io`].
    pub fn write(&mut self, parts: &[Part]) -> Result<()> {
        if self.spools.is_empty() {
            let spools = parts.iter().map(|part| Spool::new(part, &self.folder));
            let spools: io::Result<Vec<Spool>> = spools.collect();
            self.spools = spools.map_err(|error| Error::io(&self.place, &error))?;
        }
        let fits = self.spools.len() == parts.len()
            && self
                .spools
                .iter()
                .zip(parts)
                .all(|(spool, part)| spool.takes(part));
        if !fits {
            return Err(Error::data(
                &*self.place,
                "an output changed its shape between two runs, and an array has only one",
            )
            .hint("--to jsonl can hold it"));
        }
        for (spool, part) in self.spools.iter_mut().zip(parts) {
            let written = spool.append(&part.values);
            written.map_err(|error| Error::io(&self.place, &error))?;
        }
        self.rows += parts.first().map_or(0, |part| rows_of(&part.values));
        Ok(())
    }

    /// Writes the arrays to `out`, front to back.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn finish<W: Write>(self, out: W) -> Result<W> {
        let place = self.place.clone();
        let finished = match self.container {
            Container::Npy => self.npy(out),
            Container::Npz => self.npz(out),
        };
        finished.map_err(|error| Error::io(place, &error))
    }

    /// A matrix of all columns where they have one dtype, else an array of records.
    fn npy<W: Write>(self, mut out: W) -> io::Result<W> {
        let rows = self.rows;
        out.write_all(&self.npy_header().bytes())?;
        let mut spools: Vec<Rows> = self
            .spools
            .into_iter()
            .map(Spool::into_rows)
            .collect::<io::Result<_>>()?;
        let mut row = Vec::new();
        for _ in 0..rows {
            row.clear();
            for spool in &mut spools {
                spool.next(&mut row)?;
            }
            out.write_all(&row)?;
        }
        Ok(out)
    }

    fn npy_header(&self) -> NpyHeader {
        let items: HashSet<Item> = self.spools.iter().map(Spool::item).collect();
        let is_flat = self.spools.iter().all(|spool| spool.dims.len() < 2);
        let one = items.iter().next().filter(|_| items.len() == 1);
        let (elements, dims) = match (self.spools.as_slice(), one) {
            ([only], _) => (Elements::Plain(only.item()), only.dims.clone()),
            (spools, Some(item)) if is_flat && item.kind != Kind::Text => {
                let width = spools.iter().map(|spool| feed::elements(&spool.dims)).sum();
                (Elements::Plain(*item), vec![width])
            }
            (spools, _) => {
                let members = spools.iter().flat_map(Spool::members).collect();
                (Elements::Record(members), Vec::new())
            }
        };
        NpyHeader {
            elements,
            fortran: false,
            shape: std::iter::once(self.rows).chain(dims).collect(),
        }
    }

    /// One array for each part.
    fn npz<W: Write>(self, out: W) -> io::Result<W> {
        let rows = self.rows;
        let mut zip = ZipWriter::new_stream(out);
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .large_file(true);
        for spool in self.spools {
            let header = NpyHeader {
                elements: Elements::Plain(spool.item()),
                fortran: false,
                shape: std::iter::once(rows)
                    .chain(spool.dims.iter().copied())
                    .collect(),
            };
            zip.start_file(format!("{}.npy", spool.name), options)
                .map_err(zip_error)?;
            zip.write_all(&header.bytes())?;
            let mut spool = spool.into_rows()?;
            let mut row = Vec::new();
            for _ in 0..rows {
                row.clear();
                spool.next(&mut row)?;
                zip.write_all(&row)?;
            }
        }
        let out = zip.finish().map_err(zip_error)?;
        Ok(out.into_inner())
    }
}

fn zip_error(error: ZipError) -> io::Error {
    match error {
        ZipError::Io(error) => error,
        other => io::Error::other(other.to_string()),
    }
}

fn rows_of(tensor: &Tensor) -> usize {
    tensor.shape().first().copied().unwrap_or_default()
}

impl Spool {
    fn new(part: &Part, folder: &Path) -> io::Result<Spool> {
        let spool = tempfile::spooled_tempfile_in(IN_MEMORY_BYTES, folder);
        Ok(Spool {
            name: part.name.clone(),
            columns: part.columns.clone(),
            item: each_dtype!(&part.values, array => item_of(array)),
            dims: part.values.shape().get(1..).unwrap_or_default().to_vec(),
            file: BufWriter::with_capacity(1 << 16, spool),
            longest: 0,
        })
    }

    fn takes(&self, part: &Part) -> bool {
        let dims = part.values.shape().get(1..).unwrap_or_default();
        let item = each_dtype!(&part.values, array => item_of(array));
        // Rows of no row may have any shape.
        item == self.item && (dims == self.dims || rows_of(&part.values) == 0)
    }

    /// The element type, once all texts are known.
    fn item(&self) -> Item {
        Item {
            size: match self.item.kind {
                Kind::Text => self.longest.max(1) * 4,
                _ => self.item.size,
            },
            ..self.item
        }
    }

    /// The members of a record: one for each column, or one for all of a nested row.
    fn members(&self) -> Vec<Member> {
        let item = self.item();
        let member = |name: &String, dims: &[usize]| Member {
            name: name.clone(),
            item,
            dims: dims.to_vec(),
        };
        if self.columns.len() == feed::elements(&self.dims) {
            self.columns.iter().map(|name| member(name, &[])).collect()
        } else {
            vec![member(&self.name, &self.dims)]
        }
    }

    fn append(&mut self, values: &Tensor) -> io::Result<()> {
        each_dtype!(values, array => {
            let mut bytes = Vec::new();
            for element in array {
                self.longest = self.longest.max(element.characters());
                element.spool(&mut bytes);
                if bytes.len() > 1 << 16 {
                    self.file.write_all(&bytes)?;
                    bytes.clear();
                }
            }
            self.file.write_all(&bytes)
        })
    }

    fn into_rows(self) -> io::Result<Rows> {
        let item = self.item();
        let width = feed::elements(&self.dims);
        let mut file = self
            .file
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        file.seek(SeekFrom::Start(0))?;
        Ok(Rows {
            file: BufReader::with_capacity(1 << 16, file),
            item,
            width,
        })
    }
}

/// A spool that is read again.
struct Rows {
    file: BufReader<SpooledTempFile>,
    item: Item,
    width: usize,
}

impl Rows {
    /// Appends the next row as NumPy has it.
    fn next(&mut self, row: &mut Vec<u8>) -> io::Result<()> {
        if self.item.kind != Kind::Text {
            let start = row.len();
            row.resize(start + self.width * self.item.size, 0);
            return self
                .file
                .read_exact(row.get_mut(start..).unwrap_or_default());
        }
        for _ in 0..self.width {
            let end = row.len() + self.item.size;
            let mut length = [0; 4];
            self.file.read_exact(&mut length)?;
            let mut text = vec![0; u32::from_le_bytes(length) as usize];
            self.file.read_exact(&mut text)?;
            for c in String::from_utf8_lossy(&text).chars() {
                row.extend_from_slice(&u32::from(c).to_le_bytes());
            }
            row.resize(end, 0);
        }
        Ok(())
    }
}

/// An element as it is spooled: as NumPy has it, but for texts.
trait Raw {
    const KIND: Kind;
    const SIZE: usize;

    fn spool(&self, out: &mut Vec<u8>);

    fn characters(&self) -> usize {
        0
    }
}

fn item_of<T: Raw>(_: &ArrayD<T>) -> Item {
    Item {
        kind: T::KIND,
        size: T::SIZE,
        big_endian: false,
    }
}

macro_rules! raw {
    ($($type:ty => $kind:ident;)*) => {$(
        impl Raw for $type {
            const KIND: Kind = Kind::$kind;
            const SIZE: usize = size_of::<$type>();

            fn spool(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}

raw! {
    f32 => Float; f64 => Float; f16 => Float;
    i8 => Int; i16 => Int; i32 => Int; i64 => Int;
    u8 => Uint; u16 => Uint; u32 => Uint; u64 => Uint;
}

/// NumPy has no bfloat16; a float32 holds every one.
impl Raw for bf16 {
    const KIND: Kind = Kind::Float;
    const SIZE: usize = 4;

    fn spool(&self, out: &mut Vec<u8>) {
        self.to_f32().spool(out);
    }
}

impl Raw for bool {
    const KIND: Kind = Kind::Bool;
    const SIZE: usize = 1;

    fn spool(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
}

impl Raw for String {
    const KIND: Kind = Kind::Text;
    const SIZE: usize = 4;

    fn spool(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.len() as u32).to_le_bytes());
        out.extend_from_slice(self.as_bytes());
    }

    fn characters(&self) -> usize {
        self.chars().count()
    }
}
