//! Groups of records that no file gave: made up, doubled, or a part of another group.

use std::ops::Range;

use ndarray::{ArrayD, Axis, Slice, concatenate};

use crate::each_dtype;
use crate::model::signature::Signature;
use crate::model::tensor::Tensor;

use super::encode::Group;
use super::feed::{BatchAxis, Feed, How, Kind, elements, kind};
use super::plan::Plan;

/// Most elements of a tensor of zeros.
const LARGEST: usize = 1 << 26;

impl Group {
    /// `records` records of zeros, `false` and empty strings; free dimensions count 1. Inputs
    /// without a batch axis are taken from `given`, where it has them.
    pub fn made_up(
        signature: &Signature,
        batch: BatchAxis,
        records: usize,
        given: impl Fn(usize) -> Option<Tensor>,
    ) -> Group {
        let rows = batch.rows(records);
        let input = |(index, port): (usize, &crate::model::signature::Port)| {
            let (dtype, _) = port.tensor()?;
            let sizes = |dims: &[Option<usize>]| {
                dims.iter().map(|dim| dim.unwrap_or(1)).collect::<Vec<_>>()
            };
            match (given(index), kind(port, batch)) {
                (Some(tensor), _) => Some(tensor),
                (None, Kind::Once(dims)) => Some(Tensor::zeros(dtype, &sizes(&dims))),
                (None, Kind::PerRecord(dims)) => {
                    let shape: Vec<usize> = std::iter::once(rows).chain(sizes(&dims)).collect();
                    Some(Tensor::zeros(dtype, &shape))
                }
            }
        };
        let inputs = signature
            .inputs
            .iter()
            .enumerate()
            .filter_map(input)
            .collect();
        Group {
            records: records.min(rows),
            inputs,
        }
    }

    /// `records` records of zeros, `false` and empty strings for what `plan` reads; lists of free
    /// length have one element. `None` where a file declares sizes that nobody has memory for.
    pub fn of_zeros(plan: &Plan, records: usize) -> Option<Group> {
        let rows = plan.batch.rows(records);
        let zeros = |feed: &Feed, record: Vec<usize>| {
            let shape: Vec<usize> = std::iter::once(rows).chain(record).collect();
            (elements(&shape) <= LARGEST).then(|| Tensor::zeros(feed.dtype, &shape))
        };
        let input = |feed: &Feed| match &feed.how {
            How::Once(tensor) => Some(tensor.clone()),
            How::Cells { dims, .. } => zeros(feed, dims.clone()),
            How::List { dims, .. } => {
                zeros(feed, dims.iter().map(|dim| dim.unwrap_or(1)).collect())
            }
        };
        let inputs = plan.feeds.iter().map(input).collect::<Option<Vec<_>>>()?;
        Some(Group {
            records: records.min(rows),
            inputs,
        })
    }

    /// The same records twice over. `counts[i]` says whether input `i` has a batch axis.
    #[must_use]
    pub fn doubled(&self, counts: &[bool]) -> Group {
        fn twice<T: Clone>(array: &ArrayD<T>) -> ArrayD<T> {
            concatenate(Axis(0), &[array.view(), array.view()]).unwrap_or_else(|_| array.clone())
        }
        let input = |(tensor, counts): (&Tensor, &bool)| {
            if *counts {
                each_dtype!(tensor, wrap(array) => wrap(twice(array)))
            } else {
                tensor.clone()
            }
        };
        Group {
            records: self.records * 2,
            inputs: self.inputs.iter().zip(counts).map(input).collect(),
        }
    }

    /// The first `most` records; all of them where the batch is fixed.
    #[must_use]
    pub fn first(&self, most: usize, counts: &[bool], batch: BatchAxis) -> Group {
        if batch != BatchAxis::Free || self.records <= most {
            return self.clone();
        }
        fn start<T: Clone>(array: &ArrayD<T>, most: usize) -> ArrayD<T> {
            array.slice_axis(Axis(0), Slice::from(..most)).to_owned()
        }
        let input = |(tensor, counts): (&Tensor, &bool)| {
            if *counts {
                each_dtype!(tensor, wrap(array) => wrap(start(array, most)))
            } else {
                tensor.clone()
            }
        };
        Group {
            records: most,
            inputs: self.inputs.iter().zip(counts).map(input).collect(),
        }
    }

    /// The records of `range`, padded with the last of them where the batch is fixed.
    #[must_use]
    pub fn part(&self, range: Range<usize>, counts: &[bool], batch: BatchAxis) -> Group {
        let records = range.len();
        let last = range.end.saturating_sub(1);
        let padding = batch.rows(records).saturating_sub(records);
        let rows: Vec<usize> = range.chain(std::iter::repeat_n(last, padding)).collect();
        let input = |(tensor, counts): (&Tensor, &bool)| {
            let there = tensor.shape().first().is_some_and(|size| last < *size);
            if *counts && there {
                each_dtype!(tensor, wrap(array) => wrap(array.select(Axis(0), &rows)))
            } else {
                tensor.clone()
            }
        };
        Group {
            records,
            inputs: self.inputs.iter().zip(counts).map(input).collect(),
        }
    }

    /// Rows of the tensors: the records and the padding after them.
    pub fn rows(&self, batch: BatchAxis) -> usize {
        batch.rows(self.records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn group() -> Group {
        Group {
            records: 2,
            inputs: vec![
                Tensor::Float32(array![[1.0, 2.0], [3.0, 4.0]].into_dyn()),
                Tensor::Int64(array![7].into_dyn()),
            ],
        }
    }

    #[test]
    fn only_inputs_with_a_batch_axis_are_doubled() {
        let doubled = group().doubled(&[true, false]);
        assert_eq!(doubled.records, 4);
        let shapes: Vec<&[usize]> = doubled.inputs.iter().map(Tensor::shape).collect();
        assert_eq!(shapes, [&[4, 2][..], &[1]]);
    }

    #[test]
    fn the_first_records_are_taken_where_the_batch_is_free() {
        let first = group().first(1, &[true, false], BatchAxis::Free);
        let matrix = Tensor::Float32(array![[1.0, 2.0]].into_dyn());
        let given = Tensor::Int64(array![7].into_dyn());
        assert_eq!((first.records, first.inputs), (1, vec![matrix, given]));
        let whole = group().first(1, &[true, false], BatchAxis::Fixed(2));
        assert_eq!(whole, group());
    }

    #[test]
    fn one_record_fills_a_fixed_batch() {
        let only = group().part(1..2, &[true, false], BatchAxis::Fixed(2));
        let expected = Tensor::Float32(array![[3.0, 4.0], [3.0, 4.0]].into_dyn());
        assert_eq!(only.inputs.first(), Some(&expected));
    }
}
