//! From the inputs of a request to tensors. Shapes are what clients say: every product is checked, and
//! nothing is allocated that the body does not hold.

use ndarray::ArrayD;

use crate::batch::cell::CellRules;
use crate::batch::element::{Element, ForElement, with_dtype};
use crate::batch::feed::{Kind, kind};
use crate::batch::nested::read_flat;
use crate::model::dtype::Dtype;
use crate::model::tensor::Tensor;

use crate::serve::hosted::Hosted;
use crate::serve::problem::Problem;

use super::super::datatype;
use super::request::{Given, Source};
use super::{binary, fault_at};

/// Elements that the other axes of a tensor without elements may stand for: a model that sums over the
/// axis of size 0 makes that many of them.
const LARGEST_EMPTY: usize = 1 << 20;

/// One tensor for each of the model's inputs that is given, in the signature's order. `rest` is what
/// stands behind the JSON.
///
/// # Errors
/// Elements that do not fit their datatype or shape, and bytes that nobody speaks of.
pub(super) fn tensors(
    hosted: &Hosted,
    inputs: &[Given<'_>],
    mut rest: &[u8],
) -> Result<Vec<Option<Tensor>>, Problem> {
    let mut tensors = vec![None; hosted.model.signature().inputs.len()];
    for (place, given) in inputs.iter().enumerate() {
        let wrong = |key: &str, code, message| fault_at(("inputs", place), key, code, message);
        let count = elements(&given.shape).map_err(|why| wrong("shape", "wrong_shape", why))?;
        let tensor = match given.source {
            Source::Json(raw) => {
                let list = List {
                    raw,
                    shape: &given.shape,
                    count,
                };
                with_dtype(given.dtype, list).map_err(|why| wrong("data", "wrong_tensor", why))?
            }
            Source::Binary(size) => {
                let wrong = |why| wrong("binary_data_size", "binary_size", why);
                let (bytes, behind) = rest.split_at_checked(size).ok_or_else(|| {
                    let left = rest.len();
                    wrong(format!(
                        "{size} bytes are promised, and {left} are left in the body"
                    ))
                })?;
                rest = behind;
                binary::read(given.dtype, bytes, &given.shape, count).map_err(wrong)?
            }
        };
        if let Some(place) = tensors.get_mut(given.index) {
            *place = Some(tensor);
        }
    }
    match rest.len() {
        0 => Ok(tensors),
        left => Err(Problem::invalid(
            "binary_size",
            format!("{left} bytes at the body's end belong to no input"),
        )),
    }
}

/// Elements of a tensor of this shape.
fn elements(shape: &[usize]) -> Result<usize, String> {
    let mut others = shape.iter().filter(|size| **size > 0);
    let of_others = others
        .try_fold(1_usize, |product, size| product.checked_mul(*size))
        .filter(|product| isize::try_from(*product).is_ok());
    let is_empty = shape.contains(&0);
    match of_others {
        Some(count) if !is_empty => Ok(count),
        Some(others) if others <= LARGEST_EMPTY => Ok(0),
        _ => Err("more elements than any request holds".to_owned()),
    }
}

/// A JSON list of so many elements, nested or not.
struct List<'l> {
    raw: &'l str,
    shape: &'l [usize],
    count: usize,
}

impl ForElement for List<'_> {
    type Output = Result<Tensor, String>;

    fn call<T: Element>(self, wrap: fn(ArrayD<T>) -> Tensor) -> Self::Output {
        let datatype = datatype::name_of(T::DTYPE);
        let sizes = || {
            let List { shape, count, .. } = self;
            format!("expected {count} elements of {datatype} for shape {shape:?}")
        };
        let read = read_flat::<T>(self.raw, self.count, &CellRules::default());
        let read = read.map_err(|reason| match reason {
            crate::batch::cell::Reason::WrongShape => format!("{}, found more", sizes()),
            reason => format!("{}, and one is {}", sizes(), reason.words()),
        })?;
        if read.elements.len() != self.count {
            return Err(format!("{}, found {}", sizes(), read.elements.len()));
        }
        let array = ArrayD::from_shape_vec(self.shape, read.elements);
        array.map(wrap).map_err(|_| sizes())
    }
}

/// The only input of a model from a body without any JSON: one record, of which at most one size is
/// free.
///
/// # Errors
/// A model that cannot be asked so, and a body of another size than its input.
pub(super) fn raw(hosted: &Hosted, body: &[u8]) -> Result<Vec<Option<Tensor>>, Problem> {
    let wrong = |message: String| Problem::invalid("raw_request", message);
    let [port] = hosted.model.signature().inputs.as_slice() else {
        let count = hosted.model.signature().inputs.len();
        return Err(wrong(format!(
            "a body without JSON is for models with one input, and this has {count}"
        )));
    };
    let Some((dtype, _)) = port.tensor() else {
        return Err(wrong(format!("the input is no tensor but {}", port.kind)));
    };
    let sizes = match kind(port, hosted.batch()) {
        Kind::PerRecord(dims) => std::iter::once(Some(1)).chain(dims).collect(),
        Kind::Once(dims) => dims,
    };
    let fixed: Vec<usize> = sizes.iter().copied().flatten().collect();
    let one = elements(&fixed).map_err(wrong)?;
    let (width, count) = match dtype {
        // The whole body is one text, without its length.
        Dtype::String => (1, 1),
        dtype => (dtype.bytes(), body.len() / dtype.bytes().max(1)),
    };
    let free = match sizes.iter().filter(|size| size.is_none()).count() {
        0 => 1,
        1 => count.checked_div(one).unwrap_or_default(),
        _ => {
            let message = "a body without JSON is for inputs with one free size at most";
            return Err(wrong(message.to_owned()));
        }
    };
    let shape: Vec<usize> = sizes.into_iter().map(|size| size.unwrap_or(free)).collect();
    let is_whole = dtype == Dtype::String || count.checked_mul(width) == Some(body.len());
    if !is_whole || one.checked_mul(free) != Some(count) {
        return Err(wrong(format!(
            "the body's {} bytes are no input of {} with shape {shape:?}",
            body.len(),
            datatype::name_of(dtype)
        )));
    }
    let tensor = match dtype {
        Dtype::String => binary::one_text(body, &shape),
        dtype => binary::read(dtype, body, &shape, count),
    };
    Ok(vec![Some(tensor.map_err(wrong)?)])
}
