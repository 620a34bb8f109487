//! Tensors as bytes: little-endian, row-major, without padding; a text behind its length in four bytes.

use half::{bf16, f16};
use ndarray::ArrayD;

use crate::batch::element::Element;
use crate::model::dtype::Dtype;
use crate::model::tensor::Tensor;

/// Bytes of a text's length.
const LENGTH: usize = size_of::<u32>();

/// The tensor of `count` elements, which is the product of `shape`, that `bytes` are.
///
/// # Errors
/// Another number of bytes, a BOOL other than 0 or 1, and a text that is none.
pub(super) fn read(
    dtype: Dtype,
    bytes: &[u8],
    shape: &[usize],
    count: usize,
) -> Result<Tensor, String> {
    if dtype == Dtype::String {
        let texts = texts(bytes, count)?;
        return shaped(shape, texts).map(Tensor::String);
    }
    if count.checked_mul(dtype.bytes()) != Some(bytes.len()) {
        let expected = (count as u128) * (dtype.bytes() as u128);
        return Err(format!(
            "expected {expected} bytes for shape {shape:?}, found {}",
            bytes.len()
        ));
    }
    macro_rules! read {
        ($($dtype:ident: $type:ty;)*) => {
            match dtype {
                $(Dtype::$dtype => {
                    let elements = elements(bytes, <$type>::from_le_bytes);
                    shaped(shape, elements).map(Tensor::$dtype)
                })*
                Dtype::Bool => shaped(shape, flags(bytes)?).map(Tensor::Bool),
                Dtype::String => shaped(shape, texts(bytes, count)?).map(Tensor::String),
            }
        };
    }
    read! {
        Float32: f32; Float64: f64; Float16: f16; Bfloat16: bf16;
        Int8: i8; Int16: i16; Int32: i32; Int64: i64;
        Uint8: u8; Uint16: u16; Uint32: u32; Uint64: u64;
    }
}

fn shaped<T>(shape: &[usize], elements: Vec<T>) -> Result<ArrayD<T>, String> {
    let wrong = |_| format!("the bytes do not fit shape {shape:?}");
    ArrayD::from_shape_vec(shape, elements).map_err(wrong)
}

fn elements<T, const N: usize>(bytes: &[u8], read: fn([u8; N]) -> T) -> Vec<T> {
    let (chunks, _) = bytes.as_chunks::<N>();
    chunks.iter().map(|chunk| read(*chunk)).collect()
}

fn flags(bytes: &[u8]) -> Result<Vec<bool>, String> {
    let flag = |byte: &u8| match byte {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(format!("a BOOL is one byte, 0 or 1, and one is {other}")),
    };
    bytes.iter().map(flag).collect()
}

fn texts(mut bytes: &[u8], count: usize) -> Result<Vec<String>, String> {
    // Each has its length at least, so that what is allocated is no more than was sent.
    if count > bytes.len() / LENGTH {
        return Err(format!(
            "{} bytes are too few for {count} elements of BYTES",
            bytes.len()
        ));
    }
    let mut texts = Vec::with_capacity(count);
    while texts.len() < count {
        let cut = || "the last element of BYTES is cut off".to_owned();
        let (length, behind) = bytes.split_first_chunk::<LENGTH>().ok_or_else(cut)?;
        let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| cut())?;
        let (text, behind) = behind.split_at_checked(length).ok_or_else(cut)?;
        texts.push(read_text(text)?);
        bytes = behind;
    }
    match bytes.len() {
        0 => Ok(texts),
        left => Err(format!(
            "{left} bytes are left behind {count} elements of BYTES"
        )),
    }
}

fn read_text(bytes: &[u8]) -> Result<String, String> {
    let wrong = |reason: crate::batch::cell::Reason| {
        format!(
            "the model takes text, and an element of BYTES is {}",
            reason.words()
        )
    };
    String::from_text(bytes).map_err(wrong)
}

/// The tensor whose one element is the text in `bytes`.
pub(super) fn one_text(bytes: &[u8], shape: &[usize]) -> Result<Tensor, String> {
    shaped(shape, vec![read_text(bytes)?]).map(Tensor::String)
}

/// Bytes that [`write`] will append.
pub(super) fn size_of_tensor(tensor: &Tensor) -> usize {
    match tensor {
        Tensor::String(array) => array.iter().map(|text| LENGTH + text.len()).sum(),
        other => other.shape().iter().product::<usize>() * other.dtype().bytes(),
    }
}

/// Appends the tensor's bytes.
pub(super) fn write(out: &mut Vec<u8>, tensor: &Tensor) {
    macro_rules! write {
        ($($dtype:ident: $type:ty;)*) => {
            match tensor {
                $(Tensor::$dtype(array) => append(out, array, <$type>::to_le_bytes),)*
                Tensor::Bool(array) => append(out, array, |flag| [u8::from(flag)]),
                Tensor::String(array) => {
                    for text in array {
                        // No text that a model gives is as long as 4 GiB; one that were is cut.
                        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
                        let text = text.as_bytes().get(..length as usize);
                        out.extend_from_slice(&length.to_le_bytes());
                        out.extend_from_slice(text.unwrap_or_default());
                    }
                }
            }
        };
    }
    write! {
        Float32: f32; Float64: f64; Float16: f16; Bfloat16: bf16;
        Int8: i8; Int16: i16; Int32: i32; Int64: i64;
        Uint8: u8; Uint16: u16; Uint32: u32; Uint64: u64;
    }
}

fn append<T: Copy, const N: usize>(out: &mut Vec<u8>, array: &ArrayD<T>, bytes: fn(T) -> [u8; N]) {
    match array.as_slice() {
        Some(elements) => {
            let start = out.len();
            out.resize(start + elements.len() * N, 0);
            let (chunks, _) = out
                .get_mut(start..)
                .unwrap_or_default()
                .as_chunks_mut::<N>();
            for (chunk, element) in chunks.iter_mut().zip(elements) {
                *chunk = bytes(*element);
            }
        }
        None => array
            .iter()
            .for_each(|element| out.extend_from_slice(&bytes(*element))),
    }
}
