//! The lists of an `AttributeProto`, entry by entry.

use crate::model::proto::Attribute;
use crate::model::wire::{self, Field};
use crate::trees::read::Refusal;

/// `AttributeProto.AttributeType`, as far as tree operators have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Int = 2,
    Text = 3,
    Tensor = 4,
    Floats = 6,
    Ints = 7,
    Texts = 8,
}

/// What is said of an attribute that is not what it should be.
pub(super) fn unreadable(name: &str) -> Refusal {
    Refusal::new(format!("its attribute {name} is not what it should be"))
}

/// Refuses an attribute that says it is of another kind, or that a function's caller is to fill in.
pub(super) fn check(attribute: &Attribute<'_>, kind: Kind) -> Result<(), Refusal> {
    each(attribute, kind, |_| Some(()))
}

/// Hands each of `ints` to `take`, until it gives nothing.
pub(super) fn each_int(
    attribute: &Attribute<'_>,
    mut take: impl FnMut(i64) -> Option<()>,
) -> Result<(), Refusal> {
    each(attribute, Kind::Ints, |field| match field.number {
        8 => taken(wire::each_int(field, |value| take(value).is_some())),
        _ => Some(()),
    })
}

/// Hands each of `strings` to `take`, until it gives nothing.
pub(super) fn each_text(
    attribute: &Attribute<'_>,
    mut take: impl FnMut(&str) -> Option<()>,
) -> Result<(), Refusal> {
    each(attribute, Kind::Texts, |field| match field.number {
        9 => take(str::from_utf8(field.bytes().ok()?).ok()?),
        _ => Some(()),
    })
}

/// All of `floats`.
pub(super) fn floats(attribute: &Attribute<'_>) -> Result<Vec<f32>, Refusal> {
    let mut floats = Vec::new();
    each(attribute, Kind::Floats, |field| match field.number {
        7 => push_floats(&mut floats, field),
        _ => Some(()),
    })?;
    Ok(floats)
}

/// Appends the floats of a field.
pub(super) fn push_floats(floats: &mut Vec<f32>, field: &Field<'_>) -> Option<()> {
    if let Ok(packed) = field.bytes() {
        if packed.len() % size_of::<f32>() != 0 {
            return None;
        }
        floats.reserve(packed.len() / size_of::<f32>());
    }
    taken(wire::each_float(field, |value| {
        floats.push(value);
        true
    }))
}

/// Whether a whole field was taken.
pub(super) fn taken(went_on: Result<bool, wire::Fault>) -> Option<()> {
    (went_on == Ok(true)).then_some(())
}

/// Hands each field to `take`; an attribute of another kind, a malformed one and one of which `take`
/// gives nothing are refused.
fn each<'a>(
    attribute: &'a Attribute<'_>,
    kind: Kind,
    mut take: impl FnMut(&Field<'a>) -> Option<()>,
) -> Result<(), Refusal> {
    let mut kind_found = None;
    let mut walk = || -> Option<()> {
        for field in wire::fields(&attribute.body) {
            let field = field.ok()?;
            match field.number {
                20 => kind_found = field.int().ok(),
                // `ref_attr_name`
                21 => return None,
                _ => take(&field)?,
            }
        }
        (kind_found == Some(kind as i64)).then_some(())
    };
    walk().ok_or_else(|| unreadable(&attribute.name))
}
