//! The columns of a large record batch of an Arrow IPC file, each read from where it lies.
//!
//! A record batch holds its columns one after the other, and many programs write a whole table as
//! one: to have it in memory for its first rows is to have the table. So the buffers of each column
//! are read on their own, from front to back, compressed or not. Columns whose values lie in no such
//! order (dictionaries, views) are read as a whole.

use std::io::{self, BufReader, Read};
use std::ops::Range;

use arrow_array::{RecordBatch, make_array};
use arrow_buffer::{BooleanBuffer, Buffer, MutableBuffer, NullBuffer};
use arrow_data::ArrayData;
use arrow_ipc::{CompressionType, MetadataVersion, RecordBatch as Header};
use arrow_schema::{DataType, FieldRef, Schema};
use std::sync::Arc;

use crate::disk::Disk;

/// Where the body of a record batch lies.
pub(super) struct Body<'a> {
    pub(super) disk: &'a Disk,
    pub(super) start: u64,
    pub(super) length: u64,
    pub(super) header: Header<'a>,
    pub(super) version: MetadataVersion,
}

/// What one field has of a record batch's nodes and buffers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) nodes: Range<usize>,
    pub(super) buffers: Range<usize>,
}

impl Body<'_> {
    /// The share of each of `fields`; `None` where a type is among them whose shares are not known.
    pub(super) fn shares(&self, fields: &[FieldRef]) -> Option<Vec<Share>> {
        let mut views = self.header.variadicBufferCounts().into_iter().flatten();
        let (mut node, mut buffer) = (0, 0);
        let share = |field: &FieldRef| {
            let (nodes, buffers) = size(field.data_type(), self.version, &mut views)?;
            let share = Share {
                nodes: node..node + nodes,
                buffers: buffer..buffer + buffers,
            };
            (node, buffer) = (share.nodes.end, share.buffers.end);
            Some(share)
        };
        fields.iter().map(share).collect()
    }

    /// The place of buffer `index` in the file.
    pub(super) fn place(&self, index: usize) -> Result<Range<u64>, String> {
        let buffers = self
            .header
            .buffers()
            .ok_or("a record batch without buffers")?;
        if index >= buffers.len() {
            return Err("a record batch with too few buffers".to_owned());
        }
        let buffer = buffers.get(index);
        let range = u64::try_from(buffer.offset())
            .ok()
            .zip(u64::try_from(buffer.length()).ok())
            .and_then(|(start, length)| Some(start..start.checked_add(length)?))
            .filter(|range| range.end <= self.length)
            .ok_or("a buffer lies outside of its record batch")?;
        // Both are less than the file.
        Ok(self.start + range.start..self.start + range.end)
    }

    /// Reads buffer `index` from its start, unpacked.
    fn lane(&self, index: usize) -> Result<Lane, String> {
        let place = self.place(index)?;
        let length = place.end - place.start;
        let bytes = self.disk.reader(place.start).take(length);
        let Some(packing) = self.header.compression().filter(|_| length > 0) else {
            return Ok(Lane(Box::new(bytes)));
        };
        let mut bytes = BufReader::with_capacity(16 * 1024, bytes);
        let mut length = [0; 8];
        let read = bytes.read_exact(&mut length);
        read.map_err(|_| "a compressed buffer without its length")?;
        Ok(Lane(match (i64::from_le_bytes(length), packing.codec()) {
            // It would not have become smaller.
            (-1, _) => Box::new(bytes),
            (_, CompressionType::LZ4_FRAME) => Box::new(lz4_flex::frame::FrameDecoder::new(bytes)),
            (_, CompressionType::ZSTD) => {
                let unpacked = zstd::stream::read::Decoder::with_buffer(bytes);
                Box::new(unpacked.map_err(|error| error.to_string())?)
            }
            (_, codec) => return Err(format!("a buffer is compressed by {codec:?}")),
        }))
    }

    /// Reads the column that has `share`; `None` where its values do not lie in their order.
    pub(super) fn column(&self, field: &FieldRef, share: &Share) -> Result<Option<Column>, String> {
        let (mut node, mut buffer) = (share.nodes.start, share.buffers.start);
        let part = self.part(field.data_type(), (&mut node, &mut buffer))?;
        let schema = Arc::new(Schema::new(vec![Arc::clone(field)]));
        Ok(part.map(|part| Column { part, schema }))
    }

    fn part(
        &self,
        data_type: &DataType,
        (node, buffer): (&mut usize, &mut usize),
    ) -> Result<Option<Part>, String> {
        let nodes = self
            .header
            .nodes()
            .ok_or("a record batch without columns")?;
        if *node >= nodes.len() {
            return Err("a record batch with too few columns".to_owned());
        }
        let has_nulls = nodes.get(*node).null_count() > 0;
        *node += 1;
        let mut next = || {
            *buffer += 1;
            *buffer - 1
        };
        let valid = next();
        let valid = has_nulls
            .then(|| self.lane(valid).map(Bits::new))
            .transpose()?;
        let values = match data_type {
            DataType::Boolean => Values::Bits(Bits::new(self.lane(next())?)),
            DataType::Utf8 | DataType::Binary => {
                Values::Bytes(Ends::new(self.lane(next())?, 4), self.lane(next())?)
            }
            DataType::LargeUtf8 | DataType::LargeBinary => {
                Values::Bytes(Ends::new(self.lane(next())?, 8), self.lane(next())?)
            }
            DataType::List(item) | DataType::LargeList(item) => {
                let width = if matches!(data_type, DataType::List(_)) {
                    4
                } else {
                    8
                };
                let ends = Ends::new(self.lane(next())?, width);
                match self.part(item.data_type(), (node, buffer))? {
                    Some(items) => Values::Lists(ends, Box::new(items)),
                    None => return Ok(None),
                }
            }
            DataType::FixedSizeList(item, size) => {
                let size = usize::try_from(*size).map_err(|_| "lists of no size")?;
                match self.part(item.data_type(), (node, buffer))? {
                    Some(items) => Values::Arrays(size, Box::new(items)),
                    None => return Ok(None),
                }
            }
            DataType::FixedSizeBinary(size) => {
                let size = usize::try_from(*size).map_err(|_| "values of no size")?;
                Values::Fixed(size, self.lane(next())?)
            }
            data_type => match data_type.primitive_width() {
                Some(width) if data_type.is_primitive() => Values::Fixed(width, self.lane(next())?),
                _ => return Ok(None),
            },
        };
        Ok(Some(Part {
            data_type: data_type.clone(),
            valid,
            values,
        }))
    }
}

/// Whether it is known what a column of `data_type` has of a record batch.
pub(super) fn is_known(data_type: &DataType, version: MetadataVersion) -> bool {
    size(data_type, version, &mut std::iter::repeat(0)).is_some()
}

/// How many nodes and buffers a column of `data_type` has; `views` are those of the views to come.
fn size(
    data_type: &DataType,
    version: MetadataVersion,
    views: &mut dyn Iterator<Item = i64>,
) -> Option<(usize, usize)> {
    let mut with = |own: usize, items: &[FieldRef]| {
        let mut all = (1, own);
        for item in items {
            let (nodes, buffers) = size(item.data_type(), version, views)?;
            all = (all.0 + nodes, all.1 + buffers);
        }
        Some(all)
    };
    match data_type {
        DataType::Null if version == MetadataVersion::V5 => with(0, &[]),
        DataType::List(item) | DataType::LargeList(item) | DataType::Map(item, _) => {
            with(2, std::slice::from_ref(item))
        }
        DataType::ListView(item) | DataType::LargeListView(item) => {
            with(3, std::slice::from_ref(item))
        }
        DataType::FixedSizeList(item, _) => with(1, std::slice::from_ref(item)),
        DataType::Struct(items) => with(1, items),
        DataType::Utf8View | DataType::BinaryView => {
            let more = usize::try_from(views.next()?).ok()?;
            Some((1, more.checked_add(2)?))
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary | DataType::LargeBinary => {
            with(3, &[])
        }
        DataType::Boolean | DataType::FixedSizeBinary(_) | DataType::Dictionary(_, _) => {
            with(2, &[])
        }
        data_type if data_type.is_primitive() => with(2, &[]),
        _ => None,
    }
}

/// A column that is read from its first row to its last.
pub(super) struct Column {
    part: Part,
    schema: Arc<Schema>,
}

impl Column {
    /// The next `rows` rows.
    pub(super) fn read(&mut self, rows: usize) -> Result<RecordBatch, String> {
        let array = make_array(self.part.read(rows)?);
        RecordBatch::try_new(Arc::clone(&self.schema), vec![array])
            .map_err(|error| error.to_string())
    }
}

/// The values of a column, or the items of its lists.
struct Part {
    data_type: DataType,
    valid: Option<Bits>,
    values: Values,
}

enum Values {
    Fixed(usize, Lane),
    Bits(Bits),
    Bytes(Ends, Lane),
    Lists(Ends, Box<Part>),
    Arrays(usize, Box<Part>),
}

impl Part {
    fn read(&mut self, rows: usize) -> Result<ArrayData, String> {
        let valid = self
            .valid
            .as_mut()
            .map(|bits| bits.read(rows))
            .transpose()?;
        let array = ArrayData::builder(self.data_type.clone())
            .len(rows)
            .nulls(valid.map(NullBuffer::new));
        let too_long = || "a value is longer than memory".to_owned();
        let array = match &mut self.values {
            Values::Fixed(width, lane) => {
                let length = rows.checked_mul(*width).ok_or_else(too_long)?;
                array.add_buffer(lane.read(length)?)
            }
            Values::Bits(bits) => {
                let bits = bits.read(rows)?;
                // The validity has an offset of its own.
                array.add_buffer(bits.sliced())
            }
            Values::Bytes(ends, lane) => {
                let ends = ends.read(rows)?;
                lane.read(ends.before)?;
                array
                    .add_buffer(ends.offsets)
                    .add_buffer(lane.read(ends.length)?)
            }
            Values::Lists(ends, items) => {
                let ends = ends.read(rows)?;
                items.read(ends.before)?;
                array
                    .add_buffer(ends.offsets)
                    .add_child_data(items.read(ends.length)?)
            }
            Values::Arrays(size, items) => {
                let length = rows.checked_mul(*size).ok_or_else(too_long)?;
                array.add_child_data(items.read(length)?)
            }
        };
        array.build().map_err(|error| error.to_string())
    }
}

/// A buffer, read from front to back.
struct Lane(Box<dyn Read + Send>);

/// Bytes that are taken before it is known that they are there.
const TRUSTED_BYTES: usize = 1 << 20;

impl Lane {
    /// The next `length` bytes, aligned for any type.
    fn read(&mut self, length: usize) -> Result<Buffer, String> {
        let mut buffer = MutableBuffer::new(0);
        while buffer.len() < length {
            // A length that is made up must not take the memory.
            let (start, more) = (
                buffer.len(),
                (length - buffer.len()).min(TRUSTED_BYTES.max(buffer.len())),
            );
            buffer.resize(start + more, 0);
            let tail = buffer.as_slice_mut().get_mut(start..).unwrap_or_default();
            self.0
                .read_exact(tail)
                .map_err(|error| match error.kind() {
                    io::ErrorKind::UnexpectedEof => "a buffer is shorter than its rows".to_owned(),
                    _ => error.to_string(),
                })?;
        }
        Ok(buffer.into())
    }
}

/// A buffer of bits.
struct Bits {
    lane: Lane,
    /// How many bits of `last` are behind us.
    offset: usize,
    last: u8,
}

impl Bits {
    fn new(lane: Lane) -> Bits {
        Bits {
            lane,
            offset: 0,
            last: 0,
        }
    }

    fn read(&mut self, count: usize) -> Result<BooleanBuffer, String> {
        let offset = self.offset;
        let length = (offset + count).div_ceil(8);
        let fresh = self
            .lane
            .read(length - usize::from(offset > 0).min(length))?;
        let bytes = if offset == 0 {
            fresh
        } else {
            let mut joined = MutableBuffer::new(length);
            joined.push(self.last);
            joined.extend_from_slice(fresh.as_slice());
            joined.into()
        };
        self.last = bytes.last().copied().unwrap_or_default();
        self.offset = (offset + count) % 8;
        Ok(BooleanBuffer::new(bytes, offset, count))
    }
}

/// A buffer of offsets: where each value ends, and before them where the first starts.
struct Ends {
    lane: Lane,
    width: usize,
    /// Where the last value that was read ends; nothing, before the first.
    last: Option<i64>,
}

/// Offsets of a stretch of values, from 0 on.
struct Stretch {
    /// What lies before the first value of all.
    before: usize,
    offsets: Buffer,
    length: usize,
}

impl Ends {
    fn new(lane: Lane, width: usize) -> Ends {
        Ends {
            lane,
            width,
            last: None,
        }
    }

    /// The offsets of the next `count` values.
    fn read(&mut self, count: usize) -> Result<Stretch, String> {
        let mut before = 0;
        let mut base = match self.last {
            Some(last) => last,
            None if count == 0 => 0,
            None => {
                before = self.next(1)?.first().copied().unwrap_or_default();
                before
            }
        };
        let ends = self.next(count)?;
        let mut offsets = Vec::with_capacity(count + 1);
        offsets.push(0);
        let start = base;
        for end in ends {
            let offset = end.checked_sub(start).filter(|_| end >= base);
            offsets.push(offset.ok_or("a value ends before it starts")?);
            base = end;
        }
        if count > 0 {
            self.last = Some(base);
        }
        let length = offsets.last().copied().unwrap_or_default();
        let length = usize::try_from(length).map_err(|_| "a value of no size")?;
        let buffer = if self.width == 8 {
            Buffer::from_vec(offsets)
        } else {
            let narrow = offsets.into_iter().map(i32::try_from);
            let narrow: Result<Vec<i32>, _> = narrow.collect();
            Buffer::from_vec(narrow.map_err(|_| "a value ends beyond its buffer")?)
        };
        Ok(Stretch {
            before: usize::try_from(before).map_err(|_| "a value before its buffer")?,
            offsets: buffer,
            length,
        })
    }

    fn next(&mut self, count: usize) -> Result<Vec<i64>, String> {
        let length = count.checked_mul(self.width).ok_or("values without end")?;
        let bytes = self.lane.read(length)?;
        let narrow = |bytes: &[u8]| match bytes.first_chunk() {
            Some(bytes) => i64::from_le_bytes(*bytes),
            None => bytes
                .first_chunk()
                .map_or(0, |bytes| i32::from_le_bytes(*bytes).into()),
        };
        Ok(bytes.chunks_exact(self.width).map(narrow).collect())
    }
}
