//! What graphs declare of their inputs and outputs: names and types.

use super::{Budget, Read, Text, data_type, set_once, text};
use crate::model::wire;

/// `ValueInfoProto`.
#[derive(Debug, Default)]
pub(crate) struct ValueInfo<'a> {
    pub name: Text<'a>,
    pub doc: Text<'a>,
    pub kind: Type<'a>,
}

/// `TypeProto`.
#[derive(Debug, Default)]
pub(crate) enum Type<'a> {
    Tensor(i32, Option<Vec<Dimension<'a>>>),
    SparseTensor(i32),
    Sequence(Box<Type<'a>>),
    Map(i32, Box<Type<'a>>),
    Optional(Box<Type<'a>>),
    Opaque,
    #[default]
    Undeclared,
}

/// `TensorShapeProto.Dimension`.
#[derive(Debug, Default)]
pub(crate) enum Dimension<'a> {
    Value(i64),
    Param(Text<'a>),
    #[default]
    Free,
}

impl<'a> ValueInfo<'a> {
    pub(super) fn read(bytes: &'a [u8], budget: &mut Budget) -> Read<Self> {
        let mut info = ValueInfo::default();
        for field in wire::fields(bytes) {
            let field = field?;
            match field.number {
                1 => info.name = text(&field)?,
                2 => info.kind = Type::read(field.bytes()?, budget)?,
                3 => info.doc = text(&field)?,
                _ => {}
            }
        }
        Ok(info)
    }
}

impl<'a> Type<'a> {
    fn read(bytes: &'a [u8], budget: &mut Budget) -> Read<Self> {
        let mut kind = Type::Undeclared;
        for field in wire::fields(bytes) {
            let field = field?;
            kind = match field.number {
                1 => {
                    let (dtype, shape) = tensor_type(field.bytes()?, budget)?;
                    Type::Tensor(dtype, shape)
                }
                4 => Type::Sequence(item(field.bytes()?, 1, budget)?.1),
                5 => {
                    let (key, value) = item(field.bytes()?, 2, budget)?;
                    Type::Map(key, value)
                }
                7 => Type::Opaque,
                8 => Type::SparseTensor(tensor_type(field.bytes()?, budget)?.0),
                9 => Type::Optional(item(field.bytes()?, 1, budget)?.1),
                _ => kind,
            };
        }
        Ok(kind)
    }
}

/// `TypeProto.Tensor`: element type and shape.
fn tensor_type<'a>(
    bytes: &'a [u8],
    budget: &mut Budget,
) -> Read<(i32, Option<Vec<Dimension<'a>>>)> {
    let mut dtype = 0;
    let mut shape = None;
    for field in wire::fields(bytes) {
        let field = field?;
        match field.number {
            1 => dtype = data_type(&field)?,
            2 => set_once(&mut shape, dimensions(field.bytes()?, budget)?)?,
            _ => {}
        }
    }
    Ok((dtype, shape))
}

/// `TensorShapeProto`.
fn dimensions<'a>(bytes: &'a [u8], budget: &mut Budget) -> Read<Vec<Dimension<'a>>> {
    let mut dims = Vec::new();
    for field in wire::fields(bytes) {
        let field = field?;
        if field.number == 1 {
            budget.push(&mut dims, dimension(field.bytes()?)?)?;
        }
    }
    Ok(dims)
}

fn dimension(bytes: &[u8]) -> Read<Dimension<'_>> {
    let mut dim = Dimension::Free;
    for field in wire::fields(bytes) {
        let field = field?;
        dim = match field.number {
            1 => Dimension::Value(field.int()?),
            2 => Dimension::Param(text(&field)?),
            _ => dim,
        };
    }
    Ok(dim)
}

/// The item type of a sequence, optional or map (field `number`), and a map's key type.
fn item<'a>(bytes: &'a [u8], number: u32, budget: &mut Budget) -> Read<(i32, Box<Type<'a>>)> {
    let mut key = 0;
    let mut kind = Type::Undeclared;
    for field in wire::fields(bytes) {
        let field = field?;
        if field.number == number {
            kind = budget.deeper(|budget| Type::read(field.bytes()?, budget))?;
        } else if field.number == 1 {
            key = data_type(&field)?;
        }
    }
    Ok((key, Box::new(kind)))
}
