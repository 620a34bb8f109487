//! The values of a tensor one after the other, wherever they lie: in the message, packed or typed, or
//! in a file beside the model. Nothing is copied.

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;

use half::{bf16, f16};
use memmap2::Mmap;

use crate::model::dtype;
use crate::model::external::{self, Location};
use crate::model::mapped;
use crate::model::onnx::Facts;
use crate::model::proto::Tensor;
use crate::model::wire;

/// The files beside a model, mapped when they are first asked for.
pub(super) struct Files {
    folder: PathBuf,
    /// Those that may be used, and the map of each that was.
    maps: HashMap<String, Option<Mmap>>,
}

impl Files {
    /// The files of the model of `facts` that have no problem.
    pub(super) fn of(facts: &Facts) -> Files {
        let usable = facts.external.iter().filter(|file| file.problem.is_none());
        Files {
            folder: external::folder(&facts.path),
            maps: usable.map(|file| (file.location.clone(), None)).collect(),
        }
    }

    fn bytes(&mut self, location: &Location, bytes: u64) -> Result<&[u8], String> {
        let path = location.path();
        let map = self.maps.get_mut(path);
        let map = map.ok_or_else(|| format!("external data {path:?} cannot be used"))?;
        if map.is_none() {
            let opened = File::open(self.folder.join(path)).and_then(|file| mapped::map(&file));
            *map = Some(opened.map_err(|error| format!("external data {path:?}: {error}"))?);
        }
        let range = location.range(bytes);
        let found = map
            .as_ref()
            .zip(range)
            .and_then(|(map, range)| map.get(range));
        found.ok_or_else(|| format!("external data {path:?} is too short"))
    }
}

/// Hands each value of `tensor` to `each`, at most `most` of them; parts of complex numbers count as
/// values of their own are left out as strings are.
///
/// # Errors
/// Why they cannot be looked at, as a clause.
pub(super) fn each_value(
    tensor: &Tensor<'_>,
    files: &mut Files,
    most: u64,
    mut each: impl FnMut(f64),
) -> Result<(), String> {
    let form = Form::of(tensor.data_type).ok_or_else(|| {
        format!(
            "values of {} are not looked at",
            dtype::name_of(tensor.data_type)
        )
    })?;
    let mut left = most;
    let mut take = |value: f64| {
        let wanted = left > 0;
        if wanted {
            left -= 1;
            each(value);
        }
        wanted
    };
    if tensor.is_external {
        let bytes = dtype::bytes_of(tensor.data_type, most);
        form.raw(files.bytes(&Location::of(tensor), bytes)?, &mut take);
        return Ok(());
    }
    for field in wire::fields(&tensor.body) {
        let field = field.map_err(|_| "the tensor is damaged".to_owned())?;
        let read = match field.number {
            9 => field.bytes().map(|raw| {
                form.raw(raw, &mut take);
                true
            }),
            4 if form == Form::Float32 => wire::each_float(&field, |value| take(f64::from(value))),
            10 if form == Form::Float64 => wire::each_double(&field, &mut take),
            7 if form == Form::Int64 => wire::each_int(&field, |value| take(value as f64)),
            11 if matches!(form, Form::Uint64 | Form::Uint32) => {
                wire::each_int(&field, |value| take(value.cast_unsigned() as f64))
            }
            // All that is small is written as integers of its bits.
            5 => wire::each_int(&field, |value| {
                form.raw(
                    value.to_le_bytes().get(..form.width()).unwrap_or_default(),
                    &mut take,
                );
                true
            }),
            _ => Ok(true),
        };
        read.map_err(|_| "the tensor is damaged".to_owned())?;
    }
    Ok(())
}

/// The values of a tensor, to be read part by part.
pub(super) enum Located<'t> {
    /// Little-endian bytes where they lie.
    Raw(Form, &'t [u8]),
    /// Values of a list that has no fixed places.
    Listed(Vec<f64>),
}

/// The values of `tensor`, which has so many `elements`; nothing is copied of raw and external data.
///
/// # Errors
/// As [`each_value`].
pub(super) fn located<'t>(
    tensor: &'t Tensor<'_>,
    files: &'t mut Files,
    elements: u64,
) -> Result<Located<'t>, String> {
    let form = Form::of(tensor.data_type);
    let mut fields = wire::fields(&tensor.body).map_while(Result::ok);
    let raw = fields.find(|field| field.number == 9);
    match (form, raw.and_then(|field| field.bytes().ok())) {
        (Some(form), None) if tensor.is_external => {
            let bytes = dtype::bytes_of(tensor.data_type, elements);
            let raw = files.bytes(&Location::of(tensor), bytes)?;
            Ok(Located::Raw(form, raw))
        }
        (Some(form), Some(raw)) => Ok(Located::Raw(form, raw)),
        _ => {
            let mut values = Vec::new();
            each_value(tensor, files, elements, |value| values.push(value))?;
            Ok(Located::Listed(values))
        }
    }
}

impl Located<'_> {
    /// The values from number `start` on, at most `most` of them, into `values`. `start` and `most`
    /// are multiples of 4, because several small values share a byte.
    pub(super) fn window(&self, start: usize, most: usize, values: &mut Vec<f64>) {
        values.clear();
        match self {
            Located::Listed(list) => values.extend(list.iter().skip(start).take(most)),
            Located::Raw(form, raw) => {
                let place = |at: usize| at.saturating_mul(form.bits()) / 8;
                let end = place(start.saturating_add(most)).min(raw.len());
                let part = raw.get(place(start)..end).unwrap_or_default();
                form.raw(part, &mut |value| {
                    values.push(value);
                    true
                });
            }
        }
    }
}

/// How the bytes of a type are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Float32,
    Float64,
    Float16,
    Bfloat16,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    /// Several to a byte, the low bits first.
    Packed {
        bits: u8,
        signed: bool,
    },
    /// Two 4-bit floats to a byte.
    Float4,
    /// Bits of the exponent, its bias, and whether it has infinities.
    Float8 {
        exponent: u8,
        bias: i32,
        ieee: bool,
        unsigned_zero: bool,
    },
    /// A power of two.
    Scale8,
}

impl Form {
    fn of(data_type: i32) -> Option<Form> {
        let float8 = |exponent, bias, ieee, unsigned_zero| Form::Float8 {
            exponent,
            bias,
            ieee,
            unsigned_zero,
        };
        Some(match data_type {
            1 => Form::Float32,
            2 | 9 => Form::Uint8,
            3 => Form::Int8,
            4 => Form::Uint16,
            5 => Form::Int16,
            6 => Form::Int32,
            7 => Form::Int64,
            10 => Form::Float16,
            11 => Form::Float64,
            12 => Form::Uint32,
            13 => Form::Uint64,
            16 => Form::Bfloat16,
            17 => float8(4, 7, false, false),
            18 => float8(4, 8, false, true),
            19 => float8(5, 15, true, false),
            20 => float8(5, 16, false, true),
            21 => Form::Packed {
                bits: 4,
                signed: false,
            },
            22 => Form::Packed {
                bits: 4,
                signed: true,
            },
            23 => Form::Float4,
            24 => Form::Scale8,
            25 => Form::Packed {
                bits: 2,
                signed: false,
            },
            26 => Form::Packed {
                bits: 2,
                signed: true,
            },
            _ => return None,
        })
    }

    /// Bits of a value.
    fn bits(self) -> usize {
        match self {
            Form::Float64 | Form::Int64 | Form::Uint64 => 64,
            Form::Float32 | Form::Int32 | Form::Uint32 => 32,
            Form::Float16 | Form::Bfloat16 | Form::Int16 | Form::Uint16 => 16,
            Form::Packed { bits, .. } => bits.into(),
            Form::Float4 => 4,
            Form::Int8 | Form::Uint8 | Form::Float8 { .. } | Form::Scale8 => 8,
        }
    }

    /// Bytes that one entry of `int32_data` stands for.
    fn width(self) -> usize {
        match self {
            Form::Int32 => 4,
            Form::Float16 | Form::Bfloat16 | Form::Int16 | Form::Uint16 => 2,
            Form::Float32 | Form::Float64 | Form::Int64 | Form::Uint32 | Form::Uint64 => 0,
            _ => 1,
        }
    }

    /// Hands the values in little-endian bytes to `take`, until it says `false`.
    fn raw(self, raw: &[u8], take: &mut impl FnMut(f64) -> bool) {
        macro_rules! numbers {
            ($type:ty) => {{
                let mut chunks = raw.as_chunks().0.iter();
                chunks.all(|bytes| take(<$type>::from_le_bytes(*bytes) as f64));
            }};
        }
        match self {
            Form::Float32 => numbers!(f32),
            Form::Float64 => numbers!(f64),
            Form::Int8 => numbers!(i8),
            Form::Int16 => numbers!(i16),
            Form::Int32 => numbers!(i32),
            Form::Int64 => numbers!(i64),
            Form::Uint8 => numbers!(u8),
            Form::Uint16 => numbers!(u16),
            Form::Uint32 => numbers!(u32),
            Form::Uint64 => numbers!(u64),
            Form::Float16 => {
                let mut chunks = raw.as_chunks().0.iter();
                chunks.all(|bytes| take(f16::from_le_bytes(*bytes).to_f64()));
            }
            Form::Bfloat16 => {
                let mut chunks = raw.as_chunks().0.iter();
                chunks.all(|bytes| take(bf16::from_le_bytes(*bytes).to_f64()));
            }
            Form::Packed { bits, signed } => {
                raw.iter().all(|byte| packed(*byte, bits, signed, take));
            }
            Form::Float4 => {
                raw.iter()
                    .all(|byte| take(float4(byte & 15)) && take(float4(byte >> 4)));
            }
            Form::Float8 { .. } => {
                raw.iter().all(|byte| take(self.float8(*byte)));
            }
            Form::Scale8 => {
                let scale = |byte: u8| match byte {
                    255 => f64::NAN,
                    byte => (f64::from(byte) - 127.0).exp2(),
                };
                raw.iter().all(|byte| take(scale(*byte)));
            }
        }
    }

    /// An 8-bit float, as the operators' documentation of ONNX has it ("Float stored in 8 bits").
    fn float8(self, byte: u8) -> f64 {
        let Form::Float8 {
            exponent,
            bias,
            ieee,
            unsigned_zero,
        } = self
        else {
            return f64::NAN;
        };
        let fraction = 7 - exponent;
        let mantissa = byte & ((1 << fraction) - 1);
        let power = (byte & 0x7f) >> fraction;
        let top = (1 << exponent) - 1;
        let sign = if byte & 0x80 == 0 { 1.0 } else { -1.0 };
        let is_nan = match (ieee, unsigned_zero) {
            (_, true) => byte == 0x80,
            (true, _) => power == top && mantissa != 0,
            (false, _) => byte & 0x7f == 0x7f,
        };
        if is_nan {
            return f64::NAN;
        }
        if ieee && power == top {
            return sign * f64::INFINITY;
        }
        let part = f64::from(mantissa) / f64::from(1_u32 << fraction);
        let (whole, power) = match power {
            0 => (part, 1),
            power => (1.0 + part, i32::from(power)),
        };
        sign * whole * f64::from(power - bias).exp2()
    }
}

/// The integers in a byte, the low bits first.
fn packed(byte: u8, bits: u8, signed: bool, take: &mut impl FnMut(f64) -> bool) -> bool {
    let mask = (1_u8 << bits) - 1;
    (0..8 / bits).all(|index| {
        let value = i16::from(byte >> (index * bits) & mask);
        let is_negative = signed && value >> (bits - 1) != 0;
        take(f64::from(value - if is_negative { 1 << bits } else { 0 }))
    })
}

/// A 4-bit float: a sign, two bits of exponent, one of fraction.
fn float4(bits: u8) -> f64 {
    const VALUES: [f64; 8] = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0];
    let value = VALUES.get(usize::from(bits & 7)).copied().unwrap_or(0.0);
    if bits & 8 == 0 { value } else { -value }
}

#[cfg(test)]
mod tests;
