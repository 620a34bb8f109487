//! How each input of a model is fed: from one cell a record, from many, from a list, or once.

use crate::model::dtype::Dtype;
use crate::model::signature::{Dim, Port, Signature};
use crate::model::tensor::Tensor;

/// One model input and where its elements come from.
#[derive(Debug, Clone, PartialEq)]
pub struct Feed {
    /// The input's name in the model.
    pub input: String,
    pub dtype: Dtype,
    pub how: How,
}

/// Where the elements of one input come from.
#[derive(Debug, Clone, PartialEq)]
pub enum How {
    /// One cell for each element, row-major: shape `[N, dims...]` and one source for each of the
    /// product of `dims`. A plain column `[N]` has no dims and one source, `[N, 1]` has dims `[1]`.
    Cells {
        sources: Vec<Source>,
        dims: Vec<usize>,
    },
    /// One cell that holds a JSON list for the record: shape `[N, dims...]`, `None` where the length
    /// may differ from record to record.
    List {
        source: Source,
        dims: Vec<Option<usize>>,
    },
    /// Given once for all records: `--set`, or a state's zeros. No batch axis.
    Once(Tensor),
}

/// The column that one element is read from.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// What errors call it: the column's name, or the input's where there is no column.
    pub name: String,
    /// Index of the column; `None` where it is absent and counts as missing.
    pub column: Option<usize>,
    /// What a missing cell is read as (`--fill`).
    pub fill: Option<String>,
}

/// What the declared shape says about an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// The first axis counts records; these are the sizes of the other axes.
    PerRecord(Vec<Option<usize>>),
    /// No batch axis: a scalar or a state of this shape, `None` for a free dimension.
    Once(Vec<Option<usize>>),
}

/// How many records one run takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchAxis {
    /// Any number.
    Free,
    /// Exactly this many: the model was exported with a fixed batch.
    Fixed(usize),
}

impl BatchAxis {
    /// Rows of a run of `records`: as many, or the fixed batch that they are padded to.
    pub fn rows(self, records: usize) -> usize {
        match self {
            BatchAxis::Fixed(size) => size,
            BatchAxis::Free => records,
        }
    }
}

/// Reads the batch axis off the inputs that are not given once by `--set`.
///
/// A free first dimension anywhere means a free batch; where every first dimension is fixed, the
/// first input's counts, for that is how fixed-batch exports look.
pub fn batch_axis(signature: &Signature, is_set: impl Fn(&str) -> bool) -> BatchAxis {
    let ports = signature.inputs.iter().filter(|port| !is_set(&port.name));
    let mut first_dims = ports.filter_map(|port| match port.tensor()?.1 {
        None => Some(None),
        Some(shape) => shape.first().map(Dim::fixed),
    });
    match first_dims.next() {
        Some(Some(size)) if first_dims.all(|dim| dim.is_some()) => BatchAxis::Fixed(size.max(1)),
        _ => BatchAxis::Free,
    }
}

/// What kind of input `port` is, given the model's batch axis.
pub fn kind(port: &Port, batch: BatchAxis) -> Kind {
    let Some((_, Some(shape))) = port.tensor() else {
        // Nothing declared: a plain column is the only thing that can be assumed.
        return Kind::PerRecord(Vec::new());
    };
    let sizes: Vec<Option<usize>> = shape.iter().map(Dim::fixed).collect();
    let counts_records = match (sizes.first(), batch) {
        (None, _) => false,
        (Some(None), _) => true,
        (Some(Some(size)), BatchAxis::Fixed(batch)) => *size == batch,
        (Some(Some(_)), BatchAxis::Free) => false,
    };
    if counts_records {
        Kind::PerRecord(sizes.into_iter().skip(1).collect())
    } else {
        Kind::Once(sizes)
    }
}

/// How many elements a record has; shapes come from hostile files, so the product saturates.
pub fn elements(dims: &[usize]) -> usize {
    dims.iter()
        .fold(1, |product: usize, size| product.saturating_mul(*size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::signature::ValueType;

    fn port(name: &str, shape: &[Option<usize>]) -> Port {
        let dim = |size: &Option<usize>| size.map_or(Dim::Free, Dim::Fixed);
        Port {
            name: name.to_owned(),
            kind: ValueType::Tensor {
                dtype: Dtype::Float32,
                shape: Some(shape.iter().map(dim).collect()),
            },
            classes: None,
        }
    }

    fn signature(inputs: Vec<Port>) -> Signature {
        Signature {
            inputs,
            ..Signature::default()
        }
    }

    #[test]
    fn the_batch_axis_is_free_as_soon_as_one_input_says_so() {
        let free = signature(vec![
            port("h", &[Some(1), Some(4)]),
            port("x", &[None, Some(2)]),
        ]);
        assert_eq!(batch_axis(&free, |_| false), BatchAxis::Free);
        let fixed = signature(vec![port("x", &[Some(3), Some(2)]), port("sr", &[])]);
        assert_eq!(batch_axis(&fixed, |_| false), BatchAxis::Fixed(3));
        let set = signature(vec![port("h", &[Some(1)]), port("x", &[Some(3), Some(2)])]);
        assert_eq!(batch_axis(&set, |name| name == "h"), BatchAxis::Fixed(3));
    }

    #[test]
    fn inputs_without_the_batch_axis_are_given_once() {
        let free = BatchAxis::Free;
        assert_eq!(
            kind(&port("x", &[None, Some(2)]), free),
            Kind::PerRecord(vec![Some(2)])
        );
        assert_eq!(kind(&port("sr", &[]), free), Kind::Once(vec![]));
        assert_eq!(
            kind(&port("h", &[Some(2), None]), free),
            Kind::Once(vec![Some(2), None])
        );
        let fixed = BatchAxis::Fixed(3);
        assert_eq!(kind(&port("x", &[Some(3)]), fixed), Kind::PerRecord(vec![]));
        assert_eq!(
            kind(&port("h", &[Some(1)]), fixed),
            Kind::Once(vec![Some(1)])
        );
    }
}
