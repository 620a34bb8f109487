//! Inputs without a batch axis: given by `--set`, or a state that starts from zeros.

use ndarray::ArrayD;

use crate::error::{Error, Result};
use crate::model::dtype::Dtype;
use crate::model::signature::{Dim, Port, shape_text};
use crate::model::tensor::Tensor;

use super::cell::{CellRules, Reason, expectation};
use super::element::{Element, ForElement, with_dtype};
use super::feed::elements;
use super::nested::read_nested;

/// The tensor of `--set NAME=JSON`: nested lists as deep as the input has axes.
pub fn given(port: &Port, dtype: Dtype, json: &str) -> Result<Tensor> {
    let shape = port
        .tensor()
        .and_then(|(_, shape)| shape)
        .unwrap_or_default();
    let wrong = |found: &str| {
        Error::usage(format!(
            "--set {}={json}: expected {}, but it is {found}",
            port.name,
            once_expectation(dtype, shape),
        ))
    };
    let tensor = with_dtype(
        dtype,
        ReadJson {
            json,
            rank: shape.len(),
        },
    )
    .map_err(wrong)?;
    let fits = tensor
        .shape()
        .iter()
        .zip(shape)
        .all(|(size, dim)| dim.fixed().is_none_or(|fixed| fixed == *size));
    if fits {
        Ok(tensor)
    } else {
        Err(wrong(&format!("of shape {:?}", tensor.shape())))
    }
}

/// `a number (float32)`, or lists of them.
fn once_expectation(dtype: Dtype, shape: &[Dim]) -> String {
    match shape {
        [] => expectation(dtype),
        _ => format!("JSON lists of shape {} ({dtype})", shape_text(shape)),
    }
}

struct ReadJson<'a> {
    json: &'a str,
    rank: usize,
}

impl ForElement for ReadJson<'_> {
    type Output = std::result::Result<Tensor, &'static str>;
    fn call<T: Element>(self, wrap: fn(ArrayD<T>) -> Tensor) -> Self::Output {
        let nested =
            read_nested::<T>(self.json, self.rank, &CellRules::default()).map_err(Reason::words)?;
        let array = ArrayD::from_shape_vec(nested.shape, nested.elements);
        array.map(wrap).map_err(|_| Reason::WrongShape.words())
    }
}

/// Largest state that is made of zeros without being asked for, in elements.
const LARGEST_STATE: usize = 1 << 26;

/// A state's zeros, where `--set` does not give it; a free dimension counts 1, for such a model is
/// run record by record.
pub fn state(port: &Port, dtype: Dtype, dims: &[Option<usize>]) -> Result<Tensor> {
    let shape: Vec<usize> = dims.iter().map(|dim| dim.unwrap_or(1)).collect();
    if shape.is_empty() {
        return Err(Error::usage(format!(
            "input \"{}\" is a single {dtype} for all records and must be given",
            port.name
        ))
        .hint(format!("--set {}=VALUE gives it", port.name)));
    }
    if elements(&shape) > LARGEST_STATE {
        return Err(Error::model(
            "",
            format!(
                "input \"{}\" has shape {}, too large to start from zeros",
                port.name,
                shape_of(port)
            ),
        )
        .hint(format!("--set {}=JSON gives it", port.name)));
    }
    Ok(Tensor::zeros(dtype, &shape))
}

/// The declared shape, as error texts show it.
pub fn shape_of(port: &Port) -> String {
    port.tensor()
        .and_then(|(_, shape)| shape)
        .map_or("unknown".to_owned(), shape_text)
}
