//! The bytes of an array's rows as typed values.

use half::f16;

use super::header::{Item, Kind, Member};
use crate::batch::typed::{Bits, Column, Values};

/// The values of one column of a block: one for each row, or as many as each row has.
pub(super) struct Stored {
    values: Owned,
    /// Sizes of a row; none where a row is one value.
    dims: Vec<usize>,
}

enum Owned {
    Int8(Vec<i8>),
    Int16(Vec<i16>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Uint8(Vec<u8>),
    Uint16(Vec<u16>),
    Uint32(Vec<u32>),
    Uint64(Vec<u64>),
    Float16(Vec<f16>),
    Float32(Vec<f32>),
    Float64(Vec<f64>),
    Bool(Vec<u8>),
    /// All texts one after the other, and where each of them ends.
    Text(Vec<u8>, Vec<usize>),
}

/// Where a member's bytes are in a record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) offset: usize,
    pub(super) stride: usize,
}

impl Stored {
    /// Reads `member` out of `rows`, which are records of `place.stride` bytes.
    ///
    /// # Errors
    /// What is wrong with a text, for people.
    pub(super) fn read(rows: &[u8], member: &Member, place: Place) -> Result<Stored, String> {
        let width = member.bytes().unwrap_or_default();
        let owned;
        let bytes = if width == place.stride {
            rows
        } else {
            owned = picked(rows, width, place);
            &owned
        };
        Ok(Stored {
            values: Owned::read(bytes, member.item)?,
            dims: member.dims.clone(),
        })
    }

    /// The values as a column.
    pub(super) fn column(&self) -> Column<'_> {
        let mut column = whole(self.values.values());
        for size in self.dims.iter().rev().copied() {
            column = whole(Values::List {
                items: Box::new(column),
                bounds: Box::new(move |row| row * size..(row + 1) * size),
            });
        }
        column
    }
}

fn whole(values: Values<'_>) -> Column<'_> {
    Column {
        values,
        valid: None,
    }
}

/// The bytes of one member of all records.
fn picked(rows: &[u8], width: usize, place: Place) -> Vec<u8> {
    let records = rows.chunks_exact(place.stride.max(1));
    let part = |record: &[u8]| {
        let part = record.get(place.offset..place.offset + width);
        part.unwrap_or_default().to_vec()
    };
    records.flat_map(part).collect()
}

macro_rules! numbers {
    ($bytes:expr, $item:expr, $type:ty) => {{
        let (chunks, _) = $bytes.as_chunks();
        if $item.big_endian {
            chunks
                .iter()
                .map(|chunk| <$type>::from_be_bytes(*chunk))
                .collect()
        } else {
            chunks
                .iter()
                .map(|chunk| <$type>::from_le_bytes(*chunk))
                .collect()
        }
    }};
}

impl Owned {
    fn read(bytes: &[u8], item: Item) -> Result<Owned, String> {
        Ok(match (item.kind, item.size) {
            (Kind::Bool, _) => Owned::Bool(packed(bytes)),
            (Kind::Int, 1) => Owned::Int8(numbers!(bytes, item, i8)),
            (Kind::Int, 2) => Owned::Int16(numbers!(bytes, item, i16)),
            (Kind::Int, 4) => Owned::Int32(numbers!(bytes, item, i32)),
            (Kind::Int, _) => Owned::Int64(numbers!(bytes, item, i64)),
            (Kind::Uint, 1) => Owned::Uint8(bytes.to_vec()),
            (Kind::Uint, 2) => Owned::Uint16(numbers!(bytes, item, u16)),
            (Kind::Uint, 4) => Owned::Uint32(numbers!(bytes, item, u32)),
            (Kind::Uint, _) => Owned::Uint64(numbers!(bytes, item, u64)),
            (Kind::Float, 2) => Owned::Float16(numbers!(bytes, item, f16)),
            (Kind::Float, 4) => Owned::Float32(numbers!(bytes, item, f32)),
            (Kind::Float, _) => Owned::Float64(numbers!(bytes, item, f64)),
            (Kind::Text, _) => texts(bytes, item)?,
            (Kind::Bytes | Kind::Void, _) => byte_texts(bytes, item.size),
        })
    }

    fn values(&self) -> Values<'_> {
        match self {
            Owned::Int8(values) => Values::Int8(values),
            Owned::Int16(values) => Values::Int16(values),
            Owned::Int32(values) => Values::Int32(values),
            Owned::Int64(values) => Values::Int64(values),
            Owned::Uint8(values) => Values::Uint8(values),
            Owned::Uint16(values) => Values::Uint16(values),
            Owned::Uint32(values) => Values::Uint32(values),
            Owned::Uint64(values) => Values::Uint64(values),
            Owned::Float16(values) => Values::Float16(values),
            Owned::Float32(values) => Values::Float32(values),
            Owned::Float64(values) => Values::Float64(values),
            Owned::Bool(bytes) => Values::Bool(Bits { bytes, offset: 0 }),
            Owned::Text(text, ends) => Values::Text(Box::new(|row| {
                let end = |row: usize| ends.get(row).copied().unwrap_or_default();
                let start = row.checked_sub(1).map_or(0, end);
                text.get(start..end(row)).unwrap_or_default()
            })),
        }
    }
}

/// Bytes of `true` and `false` as bits.
fn packed(bytes: &[u8]) -> Vec<u8> {
    let bits = |eight: &[u8]| {
        let bits = eight.iter().enumerate();
        bits.fold(0, |bits, (at, byte)| bits | u8::from(*byte != 0) << at)
    };
    bytes.chunks(8).map(bits).collect()
}

/// Texts padded with NUL to `size` bytes.
fn byte_texts(bytes: &[u8], size: usize) -> Owned {
    let (mut all, mut ends) = (Vec::new(), Vec::new());
    for padded in bytes.chunks_exact(size.max(1)) {
        let length = padded
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        all.extend_from_slice(padded.get(..length).unwrap_or_default());
        ends.push(all.len());
    }
    Owned::Text(all, ends)
}

/// Texts of UTF-32, padded with NUL.
fn texts(bytes: &[u8], item: Item) -> Result<Owned, String> {
    let (mut all, mut ends) = (String::new(), Vec::new());
    for padded in bytes.chunks_exact(item.size.max(1)) {
        let codes: Vec<u32> = numbers!(padded, item, u32);
        let length = codes
            .iter()
            .rposition(|code| *code != 0)
            .map_or(0, |last| last + 1);
        for code in codes.iter().take(length) {
            let c = char::from_u32(*code);
            all.push(c.ok_or_else(|| format!("it holds {code:#x}, which is no character"))?);
        }
        ends.push(all.len());
    }
    Ok(Owned::Text(all.into_bytes(), ends))
}
