//! The one tensor of an attribute, as a list.

use super::list::{self, Kind, push_floats, taken, unreadable};
use crate::model::proto::{Attribute, Tensor};
use crate::model::wire::{self, Field};
use crate::trees::read::Refusal;

/// The elements of a float32 tensor.
pub(super) fn singles(attribute: &Attribute<'_>) -> Result<Vec<f32>, Refusal> {
    let form = Form {
        data_type: 1,
        number: 4,
    };
    elements(attribute, form, push_floats, |raw| {
        raw.as_chunks()
            .0
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect()
    })
}

/// The elements of a float64 tensor.
pub(super) fn doubles(attribute: &Attribute<'_>) -> Result<Vec<f64>, Refusal> {
    let form = Form {
        data_type: 11,
        number: 10,
    };
    let push = |doubles: &mut Vec<f64>, field: &Field<'_>| {
        taken(wire::each_double(field, |value| {
            doubles.push(value);
            true
        }))
    };
    elements(attribute, form, push, |raw| {
        raw.as_chunks()
            .0
            .iter()
            .map(|bytes| f64::from_le_bytes(*bytes))
            .collect()
    })
}

/// The elements of a uint8 tensor.
pub(super) fn bytes(attribute: &Attribute<'_>) -> Result<Vec<u8>, Refusal> {
    let form = Form {
        data_type: 2,
        number: 5,
    };
    let push = |bytes: &mut Vec<u8>, field: &Field<'_>| {
        let mut fits = true;
        let went_on = wire::each_int(field, |value| {
            bytes.extend(u8::try_from(value));
            fits &= u8::try_from(value).is_ok();
            fits
        });
        taken(went_on)
    };
    elements(attribute, form, push, |raw| raw.to_vec())
}

/// How a type's elements are written.
#[derive(Debug, Clone, Copy)]
struct Form {
    /// `TensorProto.DataType`.
    data_type: i32,
    /// The field of typed elements.
    number: u32,
}

/// The elements of the attribute's tensor, from `raw_data` or from the field of its type.
fn elements<T>(
    attribute: &Attribute<'_>,
    form: Form,
    push: impl Fn(&mut Vec<T>, &Field<'_>) -> Option<()>,
    of_raw: impl Fn(&[u8]) -> Vec<T>,
) -> Result<Vec<T>, Refusal> {
    list::check(attribute, Kind::Tensor)?;
    let [tensor] = attribute.tensors.as_slice() else {
        return Err(unreadable(&attribute.name));
    };
    if tensor.is_external {
        let name = &attribute.name;
        return Err(Refusal::new(format!(
            "its attribute {name} lies in another file"
        )));
    }
    let count = count(tensor).filter(|_| tensor.data_type == form.data_type);
    let read = || -> Option<Vec<T>> {
        let mut elements = Vec::new();
        for field in wire::fields(&tensor.body) {
            let field = field.ok()?;
            match field.number {
                9 if elements.is_empty() => {
                    let raw = field.bytes().ok()?;
                    if raw.len() % size_of::<T>() != 0 {
                        return None;
                    }
                    elements = of_raw(raw);
                }
                // A second `raw_data`, or `segment`.
                9 | 3 => return None,
                number if number == form.number => push(&mut elements, &field)?,
                _ => {}
            }
        }
        (Some(elements.len()) == count).then_some(elements)
    };
    read().ok_or_else(|| unreadable(&attribute.name))
}

/// How many elements the dimensions ask for: tree operators' tensors have just one.
fn count(tensor: &Tensor<'_>) -> Option<usize> {
    match tensor.dims.as_slice() {
        [count] => usize::try_from(*count).ok(),
        _ => None,
    }
}
