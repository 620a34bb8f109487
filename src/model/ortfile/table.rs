//! Flatbuffers: tables, vectors and texts out of bytes without copying, every offset checked.
//!
//! It knows no schema; a field's number is its place in the schema.

use super::Read;
use crate::model::proto::Text;
use crate::model::wire::Fault;

/// A flatbuffer table inside `file`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table<'a> {
    file: &'a [u8],
    /// Where the table begins.
    at: usize,
    /// The places of its fields, two bytes each.
    fields: &'a [u8],
}

impl<'a> Table<'a> {
    /// The table that `file` begins with.
    pub(super) fn root(file: &'a [u8]) -> Read<Self> {
        Table::at(file, follow(file, 0)?)
    }

    fn at(file: &'a [u8], at: usize) -> Read<Self> {
        let back = i64::from(i32::from_le_bytes(array(file, at)?));
        let start = i64::try_from(at).ok().and_then(|at| at.checked_sub(back));
        let start = start.and_then(|start| usize::try_from(start).ok());
        let start = start.ok_or(Fault::Malformed)?;
        let length = usize::from(u16::from_le_bytes(array(file, start)?));
        let vtable = file.get(start..).and_then(|rest| rest.get(..length));
        let fields = vtable.and_then(|vtable| vtable.get(4..));
        let fields = fields.ok_or(Fault::Malformed)?;
        Ok(Table { file, at, fields })
    }

    /// Where field `number` is; none if it has its default value.
    fn field(&self, number: usize) -> Option<usize> {
        let place: [u8; 2] = array(self.fields, number * 2).ok()?;
        match u16::from_le_bytes(place) {
            0 => None,
            offset => Some(self.at + usize::from(offset)),
        }
    }

    /// The bytes of a field of fixed size; zeros where it has its default value.
    fn fixed<const N: usize>(&self, number: usize) -> Read<[u8; N]> {
        self.field(number)
            .map_or(Ok([0; N]), |at| array(self.file, at))
    }

    /// The 64-bit integer in field `number`; 0 where it is left out, as in the schema.
    pub(super) fn int(&self, number: usize) -> Read<i64> {
        self.fixed(number).map(i64::from_le_bytes)
    }

    /// The 32-bit integer or enum in field `number`.
    pub(super) fn int32(&self, number: usize) -> Read<i32> {
        self.fixed(number).map(i32::from_le_bytes)
    }

    /// The byte in field `number`, such as the kind of a union.
    pub(super) fn byte(&self, number: usize) -> Read<u8> {
        self.fixed(number).map(|[byte]| byte)
    }

    /// The text in field `number`; empty where it is left out.
    pub(super) fn text(&self, number: usize) -> Read<Text<'a>> {
        match self.field(number) {
            Some(at) => text_at(self.file, follow(self.file, at)?),
            None => Ok(Text::default()),
        }
    }

    /// The table in field `number`.
    pub(super) fn table(&self, number: usize) -> Read<Option<Table<'a>>> {
        let at = self
            .field(number)
            .map(|at| follow(self.file, at))
            .transpose()?;
        at.map(|at| Table::at(self.file, at)).transpose()
    }

    /// The elements of the vector in field `number`, `width` bytes each.
    pub(super) fn vector(&self, number: usize, width: usize) -> Read<&'a [u8]> {
        match self.field(number) {
            Some(at) => elements(self.file, follow(self.file, at)?, width),
            None => Ok(&[]),
        }
    }

    /// Where the elements of a vector of offsets lead.
    fn places(&self, number: usize) -> Read<impl Iterator<Item = Read<usize>> + use<'a>> {
        let file = self.file;
        let start = match self.field(number) {
            Some(at) => follow(file, at)?.saturating_add(4),
            None => 0,
        };
        let count = self.vector(number, 4)?.len() / 4;
        Ok((0..count).map(move |i| follow(file, start + i * 4)))
    }

    /// The tables of the vector in field `number`.
    pub(super) fn tables(
        &self,
        number: usize,
    ) -> Read<impl Iterator<Item = Read<Table<'a>>> + use<'a>> {
        let file = self.file;
        let places = self.places(number)?;
        Ok(places.map(move |at| Table::at(file, at?)))
    }

    /// The texts of the vector in field `number`.
    pub(super) fn texts(
        &self,
        number: usize,
    ) -> Read<impl Iterator<Item = Read<Text<'a>>> + use<'a>> {
        let file = self.file;
        let places = self.places(number)?;
        Ok(places.map(move |at| text_at(file, at?)))
    }
}

fn array<const N: usize>(file: &[u8], at: usize) -> Read<[u8; N]> {
    let bytes = file.get(at..).and_then(|rest| rest.first_chunk());
    bytes.copied().ok_or(Fault::Malformed)
}

/// Where the forward offset at `at` leads.
fn follow(file: &[u8], at: usize) -> Read<usize> {
    let offset = u32::from_le_bytes(array(file, at)?) as usize;
    at.checked_add(offset).ok_or(Fault::Malformed)
}

/// The elements of the vector at `at`, `width` bytes each.
fn elements(file: &[u8], at: usize, width: usize) -> Read<&[u8]> {
    let count = u32::from_le_bytes(array(file, at)?) as usize;
    let length = count.checked_mul(width).ok_or(Fault::Malformed)?;
    let rest = file.get(at + 4..).ok_or(Fault::Malformed)?;
    rest.get(..length).ok_or(Fault::Malformed)
}

fn text_at(file: &[u8], at: usize) -> Read<Text<'_>> {
    elements(file, at, 1).map(String::from_utf8_lossy)
}
