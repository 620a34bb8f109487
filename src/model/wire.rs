//! The protobuf wire format, both ways: fields out of bytes without copying, and bytes out of fields.
//!
//! It knows no message. Reading never allocates, so a hostile file costs no more than its own size;
//! groups (wire types 3 and 4) are refused, no ONNX writer has ever made one.

/// Why bytes are not a protobuf message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The bytes end inside a field.
    Ends,
    /// A tag, varint or wire type that no writer makes.
    Malformed,
    /// More parts, or deeper nesting, than any model has.
    TooMuch,
}

/// The value of a field as the wire has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Fixed32([u8; 4]),
    Bytes(&'a [u8]),
}

/// One field of a message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Field<'a> {
    pub number: u32,
    pub value: Value<'a>,
    /// The whole field, tag included: what is written back to keep it as it was.
    pub raw: &'a [u8],
}

impl<'a> Field<'a> {
    /// The value of a string, bytes or message field.
    pub(crate) fn bytes(&self) -> Result<&'a [u8], Fault> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(Fault::Malformed),
        }
    }

    /// The value of an int64, int32 or enum field.
    pub(crate) fn int(&self) -> Result<i64, Fault> {
        match self.value {
            Value::Varint(value) => Ok(value.cast_signed()),
            _ => Err(Fault::Malformed),
        }
    }
}

/// The fields of a message, in the order of the bytes; ends after the first fault.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

/// Reads `message` field by field.
pub(crate) fn fields(message: &[u8]) -> Fields<'_> {
    Fields { rest: message }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Fault>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    #[inline]
    fn field(&mut self) -> Result<Field<'a>, Fault> {
        let start = self.rest;
        let tag = varint(&mut self.rest)?;
        let number = u32::try_from(tag >> 3).map_err(|_| Fault::Malformed)?;
        if number == 0 || number >= 1 << 29 {
            return Err(Fault::Malformed);
        }
        let value = match tag & 7 {
            0 => Value::Varint(varint(&mut self.rest)?),
            1 => Value::Fixed64(array(&mut self.rest)?),
            2 => Value::Bytes(prefixed(&mut self.rest)?),
            5 => Value::Fixed32(array(&mut self.rest)?),
            _ => return Err(Fault::Malformed),
        };
        let used = start.len() - self.rest.len();
        let raw = start.get(..used).ok_or(Fault::Ends)?;
        Ok(Field { number, value, raw })
    }
}

/// Takes one varint off the front of `bytes`.
#[inline]
pub(crate) fn varint(bytes: &mut &[u8]) -> Result<u64, Fault> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(Fault::Ends)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Fault::Malformed)
}

#[inline]
fn prefixed<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], Fault> {
    let length = usize::try_from(varint(bytes)?).map_err(|_| Fault::Ends)?;
    let (taken, rest) = bytes.split_at_checked(length).ok_or(Fault::Ends)?;
    *bytes = rest;
    Ok(taken)
}

#[inline]
fn array<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Fault> {
    let (taken, rest) = bytes.split_first_chunk().ok_or(Fault::Ends)?;
    *bytes = rest;
    Ok(*taken)
}

/// Hands each integer of a repeated field to `each`, packed or not, until it says `false`.
pub(crate) fn each_int(
    field: &Field<'_>,
    mut each: impl FnMut(i64) -> bool,
) -> Result<bool, Fault> {
    match field.value {
        Value::Varint(value) => Ok(each(value.cast_signed())),
        Value::Bytes(mut packed) => {
            while !packed.is_empty() {
                if !each(varint(&mut packed)?.cast_signed()) {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        Value::Fixed64(_) | Value::Fixed32(_) => Err(Fault::Malformed),
    }
}

/// Hands each 32-bit float of a repeated field to `each`, packed or not, until it says `false`.
pub(crate) fn each_float(
    field: &Field<'_>,
    mut each: impl FnMut(f32) -> bool,
) -> Result<bool, Fault> {
    match field.value {
        Value::Fixed32(bytes) => Ok(each(f32::from_le_bytes(bytes))),
        Value::Bytes(packed) => {
            let mut floats = packed.as_chunks().0.iter();
            Ok(floats.all(|bytes| each(f32::from_le_bytes(*bytes))))
        }
        Value::Varint(_) | Value::Fixed64(_) => Err(Fault::Malformed),
    }
}

/// Hands each 64-bit float of a repeated field to `each`, packed or not, until it says `false`.
pub(crate) fn each_double(
    field: &Field<'_>,
    mut each: impl FnMut(f64) -> bool,
) -> Result<bool, Fault> {
    match field.value {
        Value::Fixed64(bytes) => Ok(each(f64::from_le_bytes(bytes))),
        Value::Bytes(packed) => {
            let mut doubles = packed.as_chunks().0.iter();
            Ok(doubles.all(|bytes| each(f64::from_le_bytes(*bytes))))
        }
        Value::Varint(_) | Value::Fixed32(_) => Err(Fault::Malformed),
    }
}

/// Appends a varint.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends an integer field.
pub(crate) fn put_int(out: &mut Vec<u8>, number: u32, value: i64) {
    put_varint(out, u64::from(number) << 3);
    put_varint(out, value.cast_unsigned());
}

/// Appends a string, bytes or message field.
pub(crate) fn put_bytes(out: &mut Vec<u8>, number: u32, value: &[u8]) {
    put_varint(out, u64::from(number) << 3 | 2);
    put_varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let mut out = Vec::new();
        put_int(&mut out, 1, -1);
        put_bytes(&mut out, 7, b"graph");
        let read: Result<Vec<_>, _> = fields(&out)
            .map(|f| f.map(|f| (f.number, f.value)))
            .collect();
        assert_eq!(
            read,
            Ok(vec![
                (1, Value::Varint(u64::MAX)),
                (7, Value::Bytes(b"graph"))
            ])
        );
    }

    #[test]
    fn malformed_bytes_end_in_a_fault() {
        let cases: [(&[u8], Fault); 7] = [
            (&[0x08], Fault::Ends),
            (&[0x3a, 5, 1], Fault::Ends),
            (
                &[0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
                Fault::Ends,
            ),
            (&[0x0b], Fault::Malformed),
            (&[0x00, 0x00], Fault::Malformed),
            (&[0xff; 12], Fault::Malformed),
            (&[0x0d, 1, 2], Fault::Ends),
        ];
        for (bytes, fault) in cases {
            assert_eq!(fields(bytes).last(), Some(Err(fault)), "{bytes:x?}");
        }
    }
}
