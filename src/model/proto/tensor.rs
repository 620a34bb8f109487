//! Tensors: their names, types and dimensions; of their data no more than lists of labels.

use std::borrow::Cow;

use super::{Budget, Read, Text, data_type, lists, pair, text};
use crate::model::wire::{self, Field};

/// `TensorProto` without its data, which is read when it is asked for.
#[derive(Debug, Default)]
pub(crate) struct Tensor<'a> {
    pub name: Text<'a>,
    pub dims: Vec<i64>,
    pub data_type: i32,
    /// Whether `data_location` is EXTERNAL or there is any `external_data`.
    pub is_external: bool,
    pub external: Vec<(Text<'a>, Text<'a>)>,
    /// The message itself, for `strings` and `ints`.
    pub body: Cow<'a, [u8]>,
}

impl<'a> Tensor<'a> {
    pub(super) fn read(bytes: &'a [u8], budget: &mut Budget) -> Read<Self> {
        let mut tensor = Tensor {
            body: Cow::Borrowed(bytes),
            ..Tensor::default()
        };
        for field in wire::fields(bytes) {
            let field = field?;
            match field.number {
                1 => tensor.take_dims(&field, budget)?,
                2 => tensor.data_type = data_type(&field)?,
                8 => tensor.name = text(&field)?,
                13 => {
                    tensor.is_external = true;
                    budget.push(&mut tensor.external, pair(field.bytes()?)?)?;
                }
                14 => tensor.is_external |= field.int()? == 1,
                _ => {}
            }
        }
        Ok(tensor)
    }

    fn take_dims(&mut self, field: &Field<'_>, budget: &mut Budget) -> Read<()> {
        let mut pushed = Ok(());
        wire::each_int(field, |dim| {
            pushed = budget.push(&mut self.dims, dim);
            pushed.is_ok()
        })?;
        pushed
    }

    /// `string_data`, as far as `most` of them.
    pub(crate) fn strings(&self, most: usize) -> Vec<String> {
        lists::texts(&self.body, 6, most)
    }

    /// The data of an int64 or int32 tensor, as far as `most` elements; empty for other types and
    /// for external data.
    pub(crate) fn ints(&self, most: usize) -> Vec<i64> {
        let (number, width) = match self.data_type {
            7 => (7, 8),
            6 => (5, 4),
            _ => return Vec::new(),
        };
        let mut ints = self.raw_ints(width, most);
        lists::push_ints(&mut ints, &self.body, number, most);
        ints
    }

    fn raw_ints(&self, width: usize, most: usize) -> Vec<i64> {
        wire::fields(&self.body)
            .map_while(Result::ok)
            .filter(|field| field.number == 9)
            .filter_map(|field| field.bytes().ok())
            .flat_map(|raw| raw.chunks_exact(width))
            .take(most)
            .map(signed_le)
            .collect()
    }
}

/// Appends the values and indices of a `SparseTensorProto`.
pub(super) fn read_sparse<'a>(
    bytes: &'a [u8],
    into: &mut Vec<Tensor<'a>>,
    budget: &mut Budget,
) -> Read<()> {
    for field in wire::fields(bytes) {
        let field = field?;
        if matches!(field.number, 1 | 2) {
            let tensor = Tensor::read(field.bytes()?, budget)?;
            budget.push(into, tensor)?;
        }
    }
    Ok(())
}

/// A little-endian integer of 4 or 8 bytes.
fn signed_le(bytes: &[u8]) -> i64 {
    let negative = bytes.last().is_some_and(|top| top & 0x80 != 0);
    let start = if negative { -1 } else { 0 };
    bytes
        .iter()
        .rev()
        .fold(start, |value, byte| value << 8 | i64::from(*byte))
}
